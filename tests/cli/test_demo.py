"""`smoothvid demo`: start to end in a minute, and again at no cost."""

import html
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import smoothvid as library
from smoothvid.data.video_io import read_video

Run = Callable[..., subprocess.CompletedProcess[str]]
SHORT = [
    *("--videos", "3", "--length", "8"),
    *("--set", "pretrain.kimg=0.016", "--set", "pretrain.tick_kimg=0.008"),
    *("--set", "train.kimg=0.04", "--set", "train.tick_kimg=0.02", "--set", "train.snapshot_ticks=1"),
    *("--set", "model.generator.channel_max=8", "--set", "model.discriminator.channel_max=8"),
]


class Page(HTMLParser):
    """What a page shows, what it fetches, and whether its tags are balanced."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.counts: dict[str, int] = {}
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.counts[tag] = self.counts.get(tag, 0) + 1
        self.sources += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.counts[tag] = self.counts.get(tag, 0) + 1

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a short demo."""
    out = tmp_path_factory.mktemp("demo") / "demo"
    command = [sys.executable, "-W", "error", "-m", "smoothvid_cli.main", "demo", "--out", str(out), *SHORT]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == str(out / "index.html")
    return out


def test_the_page_holds_everything_and_fetches_nothing(demo: Path) -> None:
    text = (demo / "index.html").read_text()
    page = Page(text)
    assert page.open == []
    assert page.counts["video"] == 4 and page.counts["img"] >= 2 and page.counts["svg"] == 6
    assert all(source.startswith("data:") for source in page.sources if source != "eval.html")
    assert (demo / "eval.html").read_text().count("<video") == 3
    assert "http" not in re.sub(r'src="data:[^"]*"', "", text) and "url(" not in text and "<script" not in text
    results = json.loads((demo / "eval.json").read_text())
    assert f"{results['columns'][1]['metrics']['rfid']:.3f}" in text
    assert f"{results['references']['frozen']['rfid_diff']:.3f}" in text


def test_the_videos_are_those_of_the_model(demo: Path) -> None:
    model = library.load(demo / "train", device="cpu")
    late = next(model.stream(seed=4, start=100_000.0, num_frames=1))[0].permute(1, 2, 0).numpy()  # the middle tile
    _, picture = next(iter(read_video(demo / "videos" / "new-100000.mp4")))
    middle = picture[128:256, 128:256].astype(float).reshape(32, 4, 32, 4, 3).mean((1, 3))
    assert picture.shape == (384, 384, 3)
    assert np.abs(middle - late).mean() < 6


def test_the_commands_shown_make_the_same_model(demo: Path, smoothvid: Run) -> None:
    """At least up to the settings: a dry run of the shown training comes to those the demo's run was made with."""
    lines = html.unescape((demo / "index.html").read_text().split("<pre>")[1].split("</pre>")[0]).splitlines()
    assert [line.split()[1] for line in lines] == [
        *("prepare", "pretrain", "train", "sample", "sample", "sample", "eval")
    ]
    shown = smoothvid(*shlex.split(lines[2])[1:], "--dry-run", "--json")
    made = json.loads((demo / "train" / "config.json").read_text())
    assert json.loads(shown.stdout) == {key: made[key] for key in ("family", "model", "pretrain", "train")}


def test_a_second_call_repeats_nothing_and_other_settings_are_refused(demo: Path, smoothvid: Run) -> None:
    before = {path: path.stat().st_mtime_ns for path in demo.glob("*/**/*") if path.is_file()}
    again = smoothvid("demo", "--out", demo, *SHORT, "--json")
    assert again.returncode == 0 and again.stderr.splitlines() == [
        f"{stage}: done before" for stage in ("prepare", "pretrain", "train", "sample", "eval")
    ]
    assert set(json.loads(again.stdout)["metrics"]) >= {"rfid", "rfid_diff", "motion"}
    assert {path: path.stat().st_mtime_ns for path in demo.glob("*/**/*") if path.is_file()} == before
    other = smoothvid("demo", "--out", demo)
    assert other.returncode == 2 and "holds a demo made with other settings" in other.stderr


def test_a_strangers_folder_is_left_alone(smoothvid: Run, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    result = smoothvid("demo", "--out", tmp_path, "--force")
    assert result.returncode == 2 and "holds no demo; it is left alone" in result.stderr
    assert (tmp_path / "letter.txt").read_text() == "dear" and len(list(tmp_path.iterdir())) == 1
