"""The report page: whole, self-contained, safe, and its pictures show what they say."""

import base64
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from smoothvid.errors import SmoothvidError
from smoothvid.evaluation.report import Shown, write_report
from smoothvid.evaluation.report.page import short_labels
from smoothvid.evaluation.report.pictures import (
    ANCHORS,
    LARGE,
    MATRIX,
    SLICE_FRAMES,
    busiest_line,
    grid,
    least_alike,
    matrix_picture,
    pixel_slices,
    slice_picture,
    slice_stretch,
    write_players,
)
from smoothvid.evaluation.report.tables import best_columns, number_or_none

HOSTILE = 'runs/<script>alert("x")</script>&copy;\'"><img src=http://evil.example/x.png>'


class Page(HTMLParser):
    """What a page shows, what it refers to, and whether its tags are balanced."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.references: list[str] = []
        self.tags: list[str] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.references += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "poster", "data")]
        assert not any(name.startswith("on") for name, _ in attrs)
        if tag not in ("meta", "img", "br", "wbr"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return "".join(self.words)


def moving(speed: int, num_frames: int = 24, side: int = 32, count: int = 2) -> np.ndarray:
    """Noise that moves `speed` pixels a frame to the right, uint8 [count, T, 3, side, side]."""
    rng = np.random.default_rng(0)
    texture = rng.integers(0, 256, (count, 3, side, side), dtype=np.uint8)
    return np.stack([np.roll(texture, speed * t, axis=3) for t in range(num_frames)], axis=1)


def loop(period: int, num_frames: int) -> np.ndarray:
    """Likeness of the moments of a video that comes again after `period` frames."""
    phase = 2 * np.pi * np.arange(num_frames) / period
    return (1 + np.cos(phase[:, None] - phase[None])) / 2


def example(names: list[str]) -> tuple[dict[str, Any], list[Shown]]:
    """A result with missing and None values, and something to show."""
    log = [{"seen_clips": 8 * n, "loss_generator": 1.0 / n, "real_sign": 0.5} for n in range(1, 500)]
    columns = [
        {
            "name": name,
            "start": 100.0 * n,
            "source": {"family": name, "path": name},
            "metrics": {"rfid": 0.1 + n, "fvd2048_16f": None, "reversal": float("nan"), "never_seen": 1234.5},
            "spread": {"rfid": 0.025},
        }
        for n, name in enumerate(names)
    ]
    result = {
        "protocol": {"resolution": 32, "data": {"path": HOSTILE, "videos": 4}, "deep": {"list": [1, {"a": HOSTILE}]}},
        "metrics": {name: {"clips": 4, "note": HOSTILE} for name in ("rfid", "fvd2048_16f", "reversal", "never_seen")},
        "references": {
            "frozen": {"rfid": 3.0},
            "real": {"rfid": 0.01, "reversal": None},
            "grey": {},
            HOSTILE: {"rfid": 1},
        },
        "columns": columns,
        "notes": [HOSTILE],
    }
    shown = [Shown("real", moving(1), 25.0, loop(6, 24), np.linspace(1, 0.5, 9))]
    shown += [Shown(name, moving(0), 25.0, None, None, log) for name in names]
    return result, shown


def report(tmp_path: Path, names: list[str]) -> tuple[str, dict[str, Any]]:
    result, shown = example(names)
    write_report(tmp_path / "report.html", result, shown)
    return (tmp_path / "report.html").read_text(), result


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    return report(tmp_path_factory.mktemp("report"), [HOSTILE, "runs/b"])


def test_the_page_is_whole_and_fetches_nothing(hostile: tuple[str, dict[str, Any]]) -> None:
    text, _ = hostile
    page = Page(text)
    kinds = ("data:video/mp4;base64,", "data:image/png;base64,", "data:application/json;base64,")
    assert all(reference.startswith(kinds) for reference in page.references)
    assert page.tags.count("video") == 3  # real and two columns
    assert page.tags.count("img") == 3 + 3 + 1  # rows, columns, and one matrix
    assert {"script", "link", "iframe", "object", "embed", "base"}.isdisjoint(page.tags)
    style = re.search("<style>(.*?)</style>", text, re.S)
    assert style and "@import" not in style[1] and "url(" not in style[1]


def test_hostile_names_stay_text(hostile: tuple[str, dict[str, Any]]) -> None:
    text, _ = hostile
    assert "<script" not in text and "<img src=http" not in text
    assert Page(text).text.count(HOSTILE) >= 5  # source, data, note, reference, protocol


def test_what_was_not_measured_is_a_dash(hostile: tuple[str, dict[str, Any]]) -> None:
    page = Page(hostile[0])
    assert "nan" not in page.text.split("How it was measured")[0] and "None" not in page.text
    row = re.search(r'<tr><td class="name">fvd2048.*?</tr>', hostile[0])
    assert row and re.findall("<td>(.*?)</td>", row[0]) == ["–", "–"]


def test_figures_stand_with_their_spread_and_the_best_is_marked(hostile: tuple[str, dict[str, Any]]) -> None:
    row = re.search(r'<tr><td class="name">rfid<.*?</tr>', hostile[0])
    assert row is not None
    cells = [re.sub("<.*?>", "", cell) for cell in re.findall("<td[^>]*>(.*?)</td>", row[0])]
    assert cells == ["rfid", "0.01", "0.10± 0.03", "1.10± 0.03", "3.00", "1.00"]
    assert re.findall("<mark>(.*?)</mark>", row[0]) == ["0.10"]
    assert "1,234.5" in hostile[0]  # of a metric that the page has no words for


def test_embedded_json_is_the_result(tmp_path: Path) -> None:
    text, result = report(tmp_path, ["runs/a"])
    data = re.search('href="data:application/json;base64,(.*?)"', text)
    assert data is not None
    assert repr(json.loads(base64.b64decode(data[1]))) == repr(result).replace(": nan", ": None")  # JSON has no NaN


def test_pages_of_one_column_without_logs_and_of_six(tmp_path: Path) -> None:
    result, shown = example(["a"])
    write_report(tmp_path / "one.html", result, [shown[0], Shown("a", moving(2), 25.0)])
    one = Page((tmp_path / "one.html").read_text())
    assert "Training" not in one.text and "best figure" not in one.text
    text, _ = report(tmp_path, list("abcdef"))
    six = Page(text)
    assert six.tags.count("video") == 7 and "Training" in six.text
    assert all(f'class="chip k{n}"' in text for n in range(7))


def test_colour_curves_stand_over_frames(tmp_path: Path) -> None:
    result, shown = example(["a"])
    colour, lags = np.array([0.9, np.nan, 0.5]), np.array([1.0, 7.0, 40.0])
    pictures = [shown[0], Shown("a", moving(2), 25.0, colour=colour, lags=lags)]
    write_report(tmp_path / "r.html", result, pictures)
    chart = (tmp_path / "r.html").read_text().split("<h3>Likeness over")[1].split("</svg>")[0]
    curves = dict(re.findall('<polyline class="s(.)" points="(.*?)"', chart))
    assert [len(curves[number].split()) for number in "01"] == [9, 2]
    assert ">40</text>" in chart and chart.count("<polyline") == 2


def test_a_run_in_two_columns_has_one_curve(tmp_path: Path) -> None:
    result, shown = example(["a", "a"])
    write_report(tmp_path / "r.html", result, shown)
    charts = (tmp_path / "r.html").read_text().split("<h2>Training</h2>")[1]
    curves = re.findall('<polyline class="s1" points="(.*?)"', charts)
    assert len(curves) == charts.count("<polyline") == 2  # a loss, a verdict
    assert len(curves[0].split()) == 200  # means of neighbours, of 499


def test_the_page_is_there_whole_or_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "new" / "r.html"
    result, shown = example(["a"])
    write_report(path, result, shown)
    before = path.read_bytes()

    def full(self: Path, data: bytes) -> int:
        with open(self, "wb") as file:
            file.write(data[:100])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(SmoothvidError, match=r"r\.html: cannot be written \(No space"):
        write_report(path, result | {"notes": ["other"]}, shown)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["r.html"]


@pytest.mark.parametrize("speed", [0, 1, 3])
def test_slices_slant_at_the_speed_of_the_texture(speed: int) -> None:
    (line, *_) = pixel_slices(moving(speed), "row", 5)
    assert line.shape == (32, 24, 3)
    for t in range(23):
        assert np.array_equal(np.roll(line[:, t], speed, axis=0), line[:, t + 1])


def test_a_column_slice_is_that_column() -> None:
    clips = moving(1)
    assert np.array_equal(pixel_slices(clips, "column", 7)[1, 4, 9], clips[1, 9, :, 4, 7])
    assert np.array_equal(pixel_slices(clips, "row", 7)[1, 4, 9], clips[1, 9, :, 7, 4])


def test_slice_pictures_are_bounded_and_stretched() -> None:
    clips = moving(1, num_frames=10)
    assert slice_stretch(clips) == 7  # 70 pixels, at least twice the height
    picture = np.asarray(slice_picture(clips, "row", 5))
    assert picture.shape == (2 * 32 + 4, 70, 4)
    assert np.array_equal(picture[3, 14:21, :3], np.repeat(clips[0, 2, None, :, 5, 3], 7, axis=0))
    assert picture[32, 0, 3] == 0  # between the clips
    large = np.zeros((4, SLICE_FRAMES + 9, 3, 140, 140), np.uint8)
    assert np.asarray(slice_picture(large, "row", 5)).shape == (3 * 128 + 2 * 4, 2 * SLICE_FRAMES, 4)


def test_the_busiest_line_is_where_things_change() -> None:
    clips = np.zeros((2, 5, 3, 32, 32), np.uint8)
    clips[:, ::2, :, 20, 9:] = 200
    clips[:, ::2, :, 9:, 11] = 200
    clips[:, ::2, :, 0] = 255  # at the edge: not looked at
    assert (busiest_line(clips, "row"), busiest_line(clips, "column")) == (20, 11)


def test_a_loop_shows_as_bright_lines_beside_the_diagonal() -> None:
    matrix = loop(period=10, num_frames=40)
    picture = np.asarray(matrix_picture(matrix, least_alike([matrix]))).astype(int)
    assert picture.shape == (40, 40, 3)
    brightness = [np.diagonal(picture.sum(axis=2), lag).mean() for lag in range(25)]
    peaks = [lag for lag in range(1, 24) if brightness[lag] > max(brightness[lag - 1], brightness[lag + 1])]
    assert peaks == [10, 20]
    assert picture[0, 10].tolist() == list(ANCHORS[-1]) and picture[0, 5].tolist() == list(ANCHORS[0])


def test_large_matrices_shrink_and_keep_their_lines() -> None:
    matrix = np.eye(5 * MATRIX // 2) + np.eye(5 * MATRIX // 2, k=60)
    picture = np.asarray(matrix_picture(matrix, 0.0))
    assert len(picture) <= MATRIX
    assert (np.diagonal(picture, 20).T == ANCHORS[-1]).all()


def test_colour_scales_have_room() -> None:
    assert least_alike([np.ones((4, 4))]) < 1
    assert least_alike([np.full((4, 4), np.nan)]) == 0
    assert isinstance(matrix_picture(np.full((4, 4), np.nan), 0.0), Image.Image)


def test_players_enlarge_with_sharp_pixels_and_reduce_large_clips() -> None:
    clips = moving(1, num_frames=2, count=5)
    picture = grid(clips).numpy()
    assert picture.shape == (2, 3, 2 * 128, 3 * 128)
    assert np.array_equal(picture[:, :, 2:128:4, 3:128:4], clips[0])
    assert (picture[:, :, 128:, 256:] == 128).all()  # there is no sixth
    wide = np.full((9, 1, 3, 2 * LARGE, 2 * LARGE), 7, np.uint8)
    assert grid(wide).shape == (1, 3, 2 * LARGE, 2 * LARGE)  # four of them


def test_players_keep_to_their_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1, 64, 3, 32, 32), dtype=np.uint8)
    monkeypatch.setattr("smoothvid.evaluation.report.pictures.PLAYER_BYTES", 400_000)
    paths = write_players([Shown("a", noise, 25.0)], tmp_path)
    assert 50_000 < paths[0].stat().st_size <= 400_000


def column(spread: float | None = None, **metrics: float | None) -> dict[str, Any]:
    return {"metrics": metrics, "spread": dict.fromkeys(metrics, spread)}


@pytest.mark.parametrize(
    ("columns", "real", "best"),
    [
        ([column(rfid=0.2), column(rfid=0.1), column(rfid=0.3)], None, {1}),
        ([column(rfid=0.2), column()], None, set()),  # nothing to choose
        ([column(rfid=None), column(rfid=0.2), column(rfid=0.3)], None, {1}),
        ([column(0.03, rfid=0.20), column(0.03, rfid=0.25), column(0.03, rfid=0.4)], None, {0, 1}),  # spreads overlap
        ([column(0.03, rfid=0.20), column(0.03, rfid=0.25)], None, set()),
        ([column(motion=0.5), column(motion=1.2), column(motion=3.0)], None, {1}),  # as much as the data
        ([column(reversal=0.0), column(reversal=4.0)], 5.0, {1}),  # as often as the data
        ([column(kink=0.1), column(kink=0.0)], None, {1}),
        ([column(kid50k_full=-0.001), column(kid50k_full=0.1)], None, {0}),
        ([column(rfvd_128f=1.0), column(rfvd_128f=2.0)], 5.0, {0}),  # known by its stem
    ],
)
def test_best(columns: list[dict[str, Any]], real: float | None, best: set[int]) -> None:
    name = next(iter(columns[0]["metrics"]))
    assert best_columns(name, columns, real) == best


def test_only_finite_numbers_are_numbers() -> None:
    assert [number_or_none(value) for value in (1, 0.5, None, float("nan"), float("inf"), "1")] == [1, 0.5, *[None] * 4]


def test_labels_are_short_and_differ() -> None:
    long = "x" * 50
    assert short_labels(["real", "runs/a"]) == ["real", "runs/a"]
    labels = short_labels(["real", f"a/{long}", f"b/{long}", "real"])
    assert len(set(labels)) == 4 and all(len(label) <= 36 for label in labels)
