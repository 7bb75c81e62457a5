"""The whole path over real and over broken clips: each file of the folder gets what it should."""

from pathlib import Path

import numpy as np
import pytest

from smoothvid.data.dataset import VideoDataset, open_dataset
from smoothvid.data.prepare import PrepareReport, PrepareRow, PrepareSettings, prepare

SETTINGS = PrepareSettings(resolution=64, workers=2)


@pytest.fixture(scope="module")
def bad(real_clips: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[PrepareReport, VideoDataset]:
    out = tmp_path_factory.mktemp("bad") / "set"
    return prepare([real_clips / "bad"], out, SETTINGS), open_dataset(out)


def row(report: PrepareReport, name: str) -> PrepareRow:
    return next(row for row in report.rows if row.source == f"bad/{name}")


@pytest.mark.parametrize(
    ("name", "frames"),
    [
        ("UPPERCASE_EXT.MP4", 100),
        ("all_black_20s.mp4", 500),
        ("animated.gif", 30),
        ("bit_rot_in_middle.mp4", 40),
        ("good_base.mp4", 100),
        ("grayscale.mp4", 60),
        ("non_square_pixels_sar2.mp4", 75),
        ("odd_size_161x91.mp4", 60),
        ("portrait_rotation_metadata_90.mp4", 40),
        ("scene_cut_middle.mp4", 150),
        ("ten_bit_yuv420p10.mp4", 60),
        ("Übung видео 雲 & clip (1).mp4", 60),
    ],
)
def test_usable_files_are_used_whole(bad: tuple[PrepareReport, VideoDataset], name: str, frames: int) -> None:
    report, _ = bad
    assert (row(report, name).status, row(report, name).frames) == ("used", frames)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("moov_random_bytes.mp4", "cannot be opened"),
        ("one_frame.mp4", "too short"),
        ("text_file.mp4", "cannot be opened"),
        ("tiny_48x28.mp4", "too small"),
        ("truncated_60pct_moov_last.mp4", "cannot be opened"),
        ("zero_bytes.mp4", "is empty"),
    ],
)
def test_unusable_files_are_skipped_with_the_reason(
    bad: tuple[PrepareReport, VideoDataset], name: str, reason: str
) -> None:
    report, _ = bad
    assert row(report, name).status == "skipped" and row(report, name).reason.startswith(reason)


def test_what_is_no_video_is_passed_over(bad: tuple[PrepareReport, VideoDataset]) -> None:
    names = {row.source.removeprefix("bad/") for row in bad[0].rows}
    assert not names & {"._good_base.mp4", "directory.mp4", "still_picture.png", "BAD.md"}


def test_remarks(bad: tuple[PrepareReport, VideoDataset]) -> None:
    report, _ = bad
    assert "static" in row(report, "all_black_20s.mp4").reason
    assert "decoding fails after 1.6 s" in row(report, "bit_rot_in_middle.mp4").reason
    assert row(report, "good_base.mp4").reason == ""


def clip_of(dataset: VideoDataset, source: str) -> np.ndarray:
    video = next(n for n, record in enumerate(dataset.videos) if record.source == f"bad/{source}")
    return dataset.read(video, range(0, dataset.videos[video].num_frames, 10))


def test_no_video_straddles_the_cut(bad: tuple[PrepareReport, VideoDataset]) -> None:
    scenes = [video for video in bad[1].videos if video.source == "bad/scene_cut_middle.mp4"]
    assert [video.num_frames for video in scenes] == [75, 75]
    assert [(video.start, video.end) for video in scenes] == [(0.0, 3.0), (3.0, 6.0)]


def test_pixels_are_right(bad: tuple[PrepareReport, VideoDataset]) -> None:
    _, dataset = bad
    grey = clip_of(dataset, "grayscale.mp4").astype(int)
    assert np.ptp(grey, axis=1).max() <= 2 and grey.std() > 10
    assert clip_of(dataset, "all_black_20s.mp4").max() <= 2
    ten_bit = clip_of(dataset, "ten_bit_yuv420p10.mp4")
    assert 40 < ten_bit.mean() < 215 and ten_bit.std() > 10
    assert np.array_equal(clip_of(dataset, "good_base.mp4"), clip_of(dataset, "UPPERCASE_EXT.MP4"))


def test_variable_rate_keeps_its_length_in_time(real_clips: Path, tmp_path: Path) -> None:
    clip = real_clips / "bad" / "variable_frame_rate.mp4"
    report = prepare([clip], tmp_path / "set", PrepareSettings(resolution=64, fps=10.0))
    record = open_dataset(tmp_path / "set").videos[0]
    assert report.num_frames == pytest.approx(10 * 5.8, abs=1)  # the last frame begins at 5.76 s
    assert record.end - record.start == pytest.approx(report.num_frames / 10)


def test_an_avi_without_time_stamps_loses_no_frames(real_clips: Path, tmp_path: Path) -> None:
    report = prepare([real_clips / "traffic_highway_fixed.avi"], tmp_path / "set", SETTINGS)
    assert (report.num_videos, report.num_frames, report.fps) == (1, 748, 25.0)
