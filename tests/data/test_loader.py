"""Batches are a function of (seed, number); their frames are those that their times say."""

from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch

from smoothvid.batch import to_batch, to_uint8
from smoothvid.data.dataset import open_dataset
from smoothvid.data.loader import BatchReader, ClipSettings, batches
from smoothvid.errors import DataError


def reader(path: Path, **changes: Any) -> BatchReader:
    settings = {"batch": 3, "num_frames": 3, "spans": (2, 4), "chunk": 24, "mirror": False, "seed": 7, **changes}
    return BatchReader(open_dataset(path), ClipSettings(**settings))


def test_frames_times_and_labels_belong_together(tiny_dataset: Path) -> None:
    seen = set()
    for number in range(8):
        frames, times, labels = reader(tiny_dataset)[number]
        assert frames.dtype == torch.uint8 and frames.shape == (3, 3, 3, 16, 16)
        assert times.dtype == torch.float64 and labels.dtype == torch.float32
        assert torch.equal(frames[:, :, 0, 5, 5].double(), times * 10)  # red is ten times the frame's number
        video = frames[:, 0, 1, 0, 0] // 40
        assert torch.equal(labels.argmax(1), (video >= 3).long()) and torch.equal(labels.sum(1), torch.ones(3))
        seen |= set(video.tolist())
    assert seen == set(range(6))


def test_a_batch_is_a_function_of_seed_and_number(tiny_dataset: Path) -> None:
    one, two = reader(tiny_dataset), reader(tiny_dataset)
    for _ in range(3):
        one[9]  # what was read before does not matter
    assert all(torch.equal(a, b) for a, b in zip(one[4], two[4], strict=True))
    assert not torch.equal(one[4][0], one[5][0])
    assert not torch.equal(one[4][0], reader(tiny_dataset, seed=8)[4][0])


def test_any_number_of_workers_gives_the_same_stream(tiny_dataset: Path) -> None:
    state = torch.get_rng_state()
    alone = list(islice(batches(reader(tiny_dataset), start=5), 4))
    shared = list(islice(batches(reader(tiny_dataset), start=5, workers=2), 4))
    for number, (a, b) in enumerate(zip(alone, shared, strict=True), start=5):
        expected = reader(tiny_dataset)[number]
        assert all(torch.equal(x, y) and torch.equal(x, z) for x, y, z in zip(expected, a, b, strict=True))
    assert torch.equal(torch.get_rng_state(), state)  # and spends none of the caller's random numbers


def test_mirroring_turns_whole_videos(tiny_dataset: Path) -> None:
    plain, turned = reader(tiny_dataset, batch=1), reader(tiny_dataset, batch=1, mirror=True)
    kinds = []
    for number in range(12):
        a, b = plain[number][0], turned[number][0]
        kinds.append(torch.equal(b, a.flip(-1)))
        assert kinds[-1] or torch.equal(a, b)
    assert 0 < sum(kinds) < 12


def test_videos_that_are_too_short_are_not_drawn(tiny_dataset: Path) -> None:
    with pytest.raises(DataError, match="no video has the 25 frames"):
        reader(tiny_dataset, num_frames=25, spans=(30,))


def test_bytes_to_numbers_and_back() -> None:
    frames = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 1, 16, 16)
    batch = to_batch(frames, torch.zeros(1, 1), torch.zeros(1, 0), torch.device("cpu"))
    assert (float(batch.frames.min()), float(batch.frames.max())) == (-1.0, 1.0)
    assert torch.equal(to_uint8(batch.frames), frames)
    assert to_uint8(torch.tensor([-3.0, 3.0])).tolist() == [0, 255]
    assert float(batch.frames[0, 0, 0, 8, 0]) == pytest.approx(128 / 127.5 - 1, abs=1e-6)
