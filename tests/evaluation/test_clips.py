"""Where clips come from: which windows of a dataset, which seeds and times of a model, which frames of files."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from smoothvid import processes
from smoothvid.errors import DataError
from smoothvid.evaluation.clips import Clips, DatasetClips, FileClips, ModelClips, choose_windows, two_sides
from smoothvid.sampling.model import VideoModel
from smoothvid.sampling.sinks import open_sink


def test_windows_do_not_overlap_and_videos_take_turns() -> None:
    lengths = [100, 15, 16, 47, 33]
    windows = choose_windows(lengths, 16, seed=3)
    assert len(windows) == 6 + 0 + 1 + 2 + 2
    assert [video for video, _ in windows[:4]] != [0, 2, 3, 4] and {video for video, _ in windows[:4]} == {0, 2, 3, 4}
    assert {video for video, _ in windows[4:7]} == {0, 3, 4}
    for video, length in enumerate(lengths):
        starts = sorted(start for other, start in windows if other == video)
        assert all(b - a >= 16 for a, b in zip(starts, starts[1:], strict=False))
        assert not starts or (starts[0] >= 0 and starts[-1] + 16 <= length)
    assert choose_windows(lengths, 16, seed=3) == windows != choose_windows(lengths, 16, seed=4)


def test_both_sides_show_every_video() -> None:
    """As often as it gives clips; with one clip each, the sides share no video."""
    windows = choose_windows([100, 64, 64, 64, 200], 16, seed=1)
    a, b = two_sides(windows[:20])
    assert len(a) == len(b) == 10 and sorted(a + b) == list(range(20))
    for video in range(5):
        counts = [sum(windows[number][0] == video for number in side) for side in (a, b)]
        assert min(counts) >= 1 and abs(counts[0] - counts[1]) <= 1
    alone = choose_windows([20] * 30, 16, seed=1)
    a, b = two_sides(alone)
    assert len(a) == len(b) == 15 and not {alone[n][0] for n in a} & {alone[n][0] for n in b}


def test_clips_of_a_dataset(noise: Any) -> None:
    """Those of its windows, at the frames that are asked for."""
    clips = DatasetClips(noise, seed=5).spanning(8)
    windows = choose_windows([20] * 40, 8, seed=5)
    assert clips.count == len(windows) == 80
    read = clips.read([3, 50], np.array([0, 2, 7]))
    for clip, (video, first) in zip(read, (windows[3], windows[50]), strict=True):
        np.testing.assert_array_equal(clip, noise.clips[video][[first, first + 2, first + 7]])


def test_clips_of_a_model_are_what_it_samples(model: VideoModel) -> None:
    """At any frames, of any seeds, at another rate and from a late start; alone and together."""
    source = ModelClips(model, first_seed=7, start=1000.0, fps=25.0, truncation_psi=0.5)
    clips = source.spanning(16)
    frames = np.array([0, 1, 5, 70])
    together = clips.read([0, 2], frames)
    whole = model.sample([7, 9], 71, start=1000.0, fps=25.0, truncation_psi=0.5).numpy()
    assert clips.count is None and together.shape == (2, 4, 3, 32, 32)
    assert np.abs(together.astype(int) - whole[:, frames]).max() <= 1  # rounding
    assert np.abs(clips.read([2], frames)[0].astype(int) - together[1]).max() <= 1
    assert source.facts()["step"] == 2.0 and source.facts()["first_seed"] == 7


def test_clips_of_files(tmp_path: Path) -> None:
    """Frame number k is the one shown at k / fps seconds; every file gives its first clip before any gives another."""
    for name, count in (("a", 24), ("b", 10)):
        with open_sink(str(tmp_path / f"{name}.mp4"), 24.0) as sink:
            levels = np.arange(count, dtype=np.uint8) * 8 + (100 if name == "b" else 0)
            sink.write(torch.from_numpy(np.broadcast_to(levels[:, None, None, None], (count, 3, 16, 32)).copy()))
    source = FileClips(tmp_path, 16, 12.0)
    assert source.lengths == [12, 5]
    clips = source.spanning(4)
    assert clips.count == 4  # a, b, a, a
    read = clips.read([0, 1, 2], np.arange(4))
    assert read.shape == (3, 4, 3, 16, 16)
    expected = np.array([[0, 16, 32, 48], [100, 116, 132, 148], [64, 80, 96, 112]])
    assert np.abs(read.mean(axis=(2, 3, 4)) - expected).max() < 3  # of the encoder
    np.testing.assert_array_equal(clips.read([2], np.array([1, 3]))[0], read[2][[1, 3]])
    (tmp_path / "c.mp4").write_bytes(b"no video")
    with pytest.raises(DataError, match="c.mp4: cannot be opened"):
        FileClips(tmp_path, 16, 12.0)


def test_processes_share_the_clips(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each batch falls to one process, the same batches for any number of them, small however long the clips are."""

    def read(numbers: Any, frames: NDArray[np.int64]) -> NDArray[np.uint8]:
        assert len(numbers) * len(frames) * 64**2 <= 2**20
        return np.zeros((len(numbers), len(frames), 3, 1, 1), np.uint8)

    seen = []
    for rank in range(3):
        monkeypatch.setenv("RANK", str(rank))
        monkeypatch.setenv("WORLD_SIZE", "3")
        assert (processes.rank(), processes.count()) == (rank, 3)
        seen += [list(part) for part, _ in Clips(None, read, 64).batches(range(51), np.arange(100))]
    assert sorted(seen) == [[number, number + 1] for number in range(0, 50, 2)] + [[50]]
