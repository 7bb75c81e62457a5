"""A run's page and state: what they say must be what the files in the run's folder say."""

import base64
import io
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from PIL import Image

from smoothvid.data.dataset import open_dataset
from smoothvid.errors import SmoothvidError
from smoothvid.evaluation.report.html import BOTTOM, HEIGHT, LEFT, WIDTH
from smoothvid.training.preview import write_previews
from smoothvid.training.report.curves import POINTS, curve
from smoothvid.training.report.page import EARLIER, write_run_report
from smoothvid.training.report.previews import real_clips
from smoothvid.training.report.state import read_state

NewRun = Callable[..., Path]
STEPS = (100, 200, 300, 400)  # of 4 clips of 3 frames, out of 1000


@pytest.fixture
def new_run(tmp_path: Path, tiny_dataset: Path) -> NewRun:
    """`new_run()`: a run that has seen 1,600 of 4,000 clips; its previews get brighter by 10 each time."""

    def make(clips: tuple[int, ...] = (400, 800, 1600), phase: str = "train") -> Path:
        run = tmp_path / "run"
        frames = 1 if phase == "pretrain" else 3
        settings = {"batch": 4, "num_frames": frames, "kimg": 4 * frames}
        config = {"phase": phase, "dataset": str(tiny_dataset), "family": "stylesv", "model": {"resolution": 16}}
        run.mkdir()
        (run / "config.json").write_text(json.dumps(config | {phase: settings}))
        log = [{"step": s, "seen_clips": 4 * s, "loss_generator": s / 100, "real_sign": 0.5} for s in STEPS]
        speed = [
            {"step": s, "seen_clips": 4 * s, "clips_per_second": 8.0, "seconds": 50.0, "time": 1.7e9 + s} for s in STEPS
        ]
        for line, score in zip(log, (0.8, 0.2, None, 0.4), strict=True):
            line |= {} if score is None else {"score": score, "rfid": score / 2}
        write_lines(run / "log.jsonl", log)
        write_lines(run / "speed.jsonl", speed)
        for number, seen in enumerate(clips):
            (run / "checkpoints" / f"{seen:09d}").mkdir(parents=True)
            videos = torch.full((4, 1 if frames == 1 else 6, 3, 16, 16), 10 * number, dtype=torch.uint8)
            write_previews(videos, run / "previews", f"{seen:09d}", 25.0)
        return run

    return make


def write_lines(path: Path, lines: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def text_of(page: str) -> str:
    """The words of a page, without tags and style."""
    page = re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page)).replace("\u00a0", " ")


def stills_of(page: str) -> list[tuple[str, Image.Image]]:
    """The pictures in a page and their captions."""
    found = re.findall(r'<img[^>]*src="data:image/\w+;base64,([^"]+)"></?[^b]*<b>([^<]*)</b>', page)
    return [(caption, Image.open(io.BytesIO(base64.b64decode(data)))) for data, caption in found]


def videos_of(page: str) -> list[np.ndarray]:
    """The frames of the videos in a page, each [T, H, W, 3]."""
    found = []
    for data in re.findall(r'src="data:video/mp4;base64,([^"]+)"', page):
        with av.open(io.BytesIO(base64.b64decode(data))) as container:
            found.append(np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]))
    return found


def test_the_head_says_how_far_and_how_fast(new_run: NewRun) -> None:
    page = write_run_report(new_run()).read_text()
    text = text_of(page)
    assert "1,600 clips seen of 4,000 4.8 of 12 kimg" in text
    assert "8 clips a second" in text and "5 min 0 s left" in text  # 2,400 clips at 8 a second
    assert "Best checkpoint after 800 clips score 0.2:" in text and "Newest checkpoint after 1,600 clips" in text
    assert 'class="progress"><i style="width:40.0%"' in page
    assert '<meta http-equiv="refresh" content="60">' in page and "Not finished" in text
    assert (
        f"--out {page.split('--out ')[1].split(' ')[0]} --resume" in text and "checkpoints/000000800 --length" in text
    )


def test_a_finished_run_is_not_reloaded(new_run: NewRun) -> None:
    run = new_run()
    with open(run / "log.jsonl", "a") as log:
        log.write(json.dumps({"step": 1000, "seen_clips": 4000}) + "\n")
    assert "Not finished" in write_run_report(run).read_text()  # the last checkpoint is still to be written
    (run / "checkpoints" / "000004000").mkdir()
    page = write_run_report(run).read_text()
    assert "http-equiv" not in page and "--resume" not in page and " s left" not in text_of(page)
    assert "Finished." in page and "width:100.0%" in page


def test_points_of_a_curve_stand_where_their_numbers_say(new_run: NewRun) -> None:
    page = write_run_report(new_run()).read_text()
    card = page[page.index("<h3>Score, lower is better</h3>") :]
    points = re.search(r'<polyline class="s1" points="([^"]+)"', card)
    assert points is not None
    drawn = [tuple(map(float, point.split(","))) for point in points[1].split()]
    expected = [
        (LEFT + clips / 1600 * (WIDTH - LEFT), (HEIGHT - BOTTOM) * (1 - score / 0.8))
        for clips, score in ((400, 0.8), (800, 0.2), (1600, 0.4))
    ]
    assert np.allclose(drawn, expected, atol=0.06)
    assert re.search(r'<tr class="ours"><td>after 800 clips, best</td><td>0.200</td><td>0.100</td>', page)
    assert "Strength of augmentation" not in page  # nothing is known of it


def test_the_newest_preview_stands_beside_real_clips_in_the_same_form(new_run: NewRun, tiny_dataset: Path) -> None:
    page = write_run_report(new_run()).read_text()
    (real_title, real), (new_title, new), *earlier = stills_of(page)
    assert (real_title, new_title) == ("Real.", "New, after 1,600 clips.")
    assert real.size == new.size == (16 * 11, 16 * 4)
    assert np.array_equal(np.unique(np.asarray(new)), [20])
    first = open_dataset(tiny_dataset).read(0, [0])[0].transpose(1, 2, 0)
    assert np.array_equal(np.asarray(real)[:16, :16], first)
    real_video, new_video = videos_of(page)
    assert real_video.shape == new_video.shape == (6, 32, 32, 3)
    assert abs(float(new_video.mean()) - 20) < 3
    red = real_video[..., 0].mean(axis=(1, 2))  # 10 · frame in the data
    assert np.allclose(red, 10 * np.arange(6), atol=12) and red[-1] - red[0] > 30
    assert [title for title, _ in earlier] == ["After 400 clips.", "After 800 clips.", "After 1,600 clips."]
    assert [int(np.asarray(picture).max()) for _, picture in earlier] == [0, 10, 20]


def test_of_many_previews_a_few_are_shown(new_run: NewRun) -> None:
    page = write_run_report(new_run(tuple(range(100, 2001, 100)))).read_text()
    shown = [int(np.asarray(picture).max()) // 10 for _, picture in stills_of(page)[2:]]
    assert len(shown) == EARLIER and shown == sorted(shown) and (shown[0], shown[-1]) == (0, 19)


def test_large_stills_are_reduced(new_run: NewRun) -> None:
    run = new_run()
    noise = torch.randint(0, 256, (9, 6, 3, 256, 256), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    write_previews(
        noise[:, :, :, ::8, ::8].repeat_interleave(8, 3).repeat_interleave(8, 4), run / "previews", "000001600", 25
    )
    new = next(picture for title, picture in stills_of(write_run_report(run).read_text()) if title.startswith("New"))
    assert (new.format, new.size) == ("JPEG", (1408, 512))  # four lines, half the size


def test_image_training(new_run: NewRun) -> None:
    page = write_run_report(new_run(phase="pretrain")).read_text()
    assert videos_of(page) == [] and [picture.size for _, picture in stills_of(page)] == [(32, 32)] * 5
    assert "smoothvid train" in page and "Image training" in page


def test_warnings_are_said_once_with_the_time_of_the_first(new_run: NewRun) -> None:
    run = new_run()
    with open(run / "log.jsonl", "a") as log:
        for step, text in ((410, "samples <are> alike"), (420, "still alike")):
            log.write(
                json.dumps({"step": step, "seen_clips": 4 * step, "warnings": {"collapse": text}, "skipped": 2}) + "\n"
            )
    page = write_run_report(run).read_text()
    assert "After 1,640 clips: samples &lt;are&gt; alike" in page and "still alike" not in page
    assert "4 updates were left out" in page


def test_data_and_settings(new_run: NewRun, tiny_dataset: Path) -> None:
    page = write_run_report(new_run()).read_text()
    text = text_of(page)
    assert f"path {tiny_dataset} videos 6 frames 144, which is 6 s frames a video 24 size 16 × 16 pixels" in text
    assert "labels left 3 videos right 3 videos" in text
    assert "<dt>num frames</dt><dd>3</dd>" in page


def test_the_same_run_gives_the_same_page(new_run: NewRun, tiny_dataset: Path) -> None:
    run = new_run()
    page = write_run_report(run).read_bytes()
    assert write_run_report(run, open_dataset(tiny_dataset)).read_bytes() == page
    assert sorted(os.listdir(run)) == [
        "checkpoints",
        "config.json",
        "log.jsonl",
        "previews",
        "report.html",
        "speed.jsonl",
    ]


def test_a_run_that_has_just_begun(new_run: NewRun) -> None:
    run = new_run()
    for name in ("log.jsonl", "speed.jsonl"):
        (run / name).unlink()
    for name in ("previews", "checkpoints"):
        shutil.rmtree(run / name)
    page = write_run_report(run).read_text()
    text = text_of(page)
    assert "0 clips seen of 4,000" in text and "No checkpoint yet" in text and "No preview yet" in text
    assert len(stills_of(page)) == 1 and "<polyline" not in page and "--resume" not in page


def test_a_folder_with_nothing_in_it(tmp_path: Path) -> None:
    text = text_of(write_run_report(tmp_path).read_text())
    assert "0 clips seen" in text and "config.json is missing or damaged" in text


@pytest.mark.parametrize("cut", [1, 20, 60])
def test_a_log_that_was_cut_in_a_line(new_run: NewRun, cut: int) -> None:
    run = new_run()
    for name in ("log.jsonl", "speed.jsonl"):
        (run / name).write_bytes((run / name).read_bytes()[: -cut - 1])
    page = write_run_report(run).read_text()
    assert "1,200 clips seen of 4,000" in page and "5 min 50 s left" in text_of(page)


def test_a_single_tick(new_run: NewRun) -> None:
    run = new_run()
    write_lines(run / "log.jsonl", [{"step": 100, "seen_clips": 400, "score": 0.8, "loss_generator": float("nan")}])
    page = write_run_report(run).read_text()
    assert "400 clips seen of 4,000" in page and "<td>after 400 clips, best</td><td>0.800</td>" in page


def test_damaged_previews_and_data(new_run: NewRun, tmp_path: Path, tiny_dataset: Path) -> None:
    run = new_run()
    shutil.copytree(tiny_dataset, tmp_path / "data")
    dataset = open_dataset(tmp_path / "data")
    for picture in [*(tmp_path / "data").glob("*/*/000003.png"), run / "previews" / "000000800.png"]:
        picture.write_bytes(picture.read_bytes()[:60])
    page = write_run_report(run, dataset).read_text()
    assert "Real clips cannot be shown: frame 3 of video" in page
    assert [title for title, _ in stills_of(page)] == [
        "New, after 1,600 clips.",
        "After 400 clips.",
        "After 1,600 clips.",
    ]
    (run / "previews" / "000001600.png").write_bytes(b"")
    assert "No preview yet" in write_run_report(run, dataset).read_text()


def test_a_dataset_that_is_gone(new_run: NewRun) -> None:
    run = new_run()
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps(config | {"dataset": "gone/<b>"}))
    page = write_run_report(run).read_text()
    assert "no dataset at gone/&lt;b&gt;" in page and [title for title, _ in stills_of(page)][0].startswith("New")


def test_a_page_that_cannot_be_written_leaves_the_old_one(new_run: NewRun, monkeypatch: pytest.MonkeyPatch) -> None:
    run = new_run()
    old = write_run_report(run).read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    (run / "log.jsonl").unlink()
    with pytest.raises(SmoothvidError, match="report.html: cannot be written .*No space left"):
        write_run_report(run)
    assert (run / "report.html").read_bytes() == old and not list(run.glob("*.tmp")) and not list(run.glob(".*"))


def test_the_best_checkpoint_is_one_that_is_still_there(new_run: NewRun) -> None:
    run = new_run()
    assert read_state(run).best == 800
    shutil.rmtree(run / "checkpoints" / "000000800")
    assert read_state(run).best == 1600
    write_lines(run / "log.jsonl", [{"seen_clips": clips, "score": float("nan")} for clips in (400, 1600)])
    assert read_state(run).best is None


def test_long_curves_become_means_of_neighbours() -> None:
    lines = [{"seen_clips": clips, "r1": clips % 2, "other": "word"} for clips in range(10 * POINTS)]
    points = curve(lines, "r1")
    assert len(points) == POINTS and points[0] == (4.5, 0.5) and {y for _, y in points} == {0.5}
    assert curve(lines, "other") == curve(lines, "unknown") == []


def test_real_clips_are_of_the_videos_that_are_long_enough(tiny_dataset: Path) -> None:
    dataset = open_dataset(tiny_dataset)
    clips = real_clips(dataset, 3, 24)
    assert clips.shape == (3, 24, 3, 16, 16)
    assert [int(clip[0, 1, 0, 0]) // 40 for clip in clips] == [0, 2, 5]  # green tells the video; from all over the data
    assert real_clips(dataset, 9, 100).shape == (6, 24, 3, 16, 16)
