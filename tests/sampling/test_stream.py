import gc

import numpy as np
import pytest
import torch

from smoothvid.batch import to_uint8
from smoothvid.errors import ConfigError
from smoothvid.sampling.grid import parse_grid, tile, tile_streams
from smoothvid.sampling.model import VideoModel
from smoothvid.sampling.stream import parse_length, time_chunks


@pytest.mark.parametrize(
    "text,frames", [("128", 128), ("5s", 125), ("2.5s", 62), (" 1S ", 25), ("0.04s", 1), ("inf", None)]
)
def test_parse_length(text: str, frames: int | None) -> None:
    assert parse_length(text, fps=25) == frames


@pytest.mark.parametrize("text", ["", "0", "-1", "0.001s", "1.5", "5m", "nan", "infinity", "1e3", "s", "9" * 30, "٣"])
def test_other_lengths_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="128"):
        parse_length(text, fps=25)


@pytest.mark.parametrize("chunk", [1, 3, 7, 100])
def test_times_do_not_depend_on_chunks(chunk: int) -> None:
    times = np.concatenate(list(time_chunks(1e8, 20, 0.1, chunk)))
    np.testing.assert_array_equal(times, 1e8 + 0.1 * np.arange(20))


@pytest.mark.parametrize("start", [float("nan"), float("inf"), -1e13])
def test_times_out_of_reach_are_refused(start: float) -> None:
    with pytest.raises(ConfigError, match="start"):
        next(time_chunks(start, 8, 1.0, 8))


def live_tensors() -> int:
    gc.collect()
    return sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects())


def test_endless_stream_keeps_nothing_and_starts_anywhere(model: VideoModel) -> None:
    stream = model.stream(seed=1, chunk=4)
    chunk = next(stream)
    before = live_tensors()
    for _ in range(10):
        chunk = next(stream)
    assert live_tensors() == before
    (late,) = model.stream(seed=1, start=10 * 4.0, num_frames=4)
    assert (late.int() - chunk.int()).abs().max() <= 1


def test_to_uint8_is_exact_at_the_ends() -> None:
    values = torch.tensor([-9.0, -1.0, -1 / 255, 1 / 255, 1.0, 9.0])
    assert to_uint8(values).tolist() == [0, 0, 127, 128, 255, 255]
    every = torch.arange(256).byte()
    assert torch.equal(to_uint8(every / 127.5 - 1), every)


def test_grid() -> None:
    assert parse_grid("2x3") == (2, 3)
    for text in ("", "2", "0x3", "2x", "2x3x4", "-1x2", "100x100"):
        with pytest.raises(ConfigError, match="2x3"):
            parse_grid(text)
    videos = [torch.full((2, 3, 4, 5), number) for number in range(6)]
    picture = tile(videos, columns=3)
    assert picture.shape == (2, 3, 8, 15)
    assert picture[0, 0, ::4, ::5].tolist() == [[0, 1, 2], [3, 4, 5]]
    streams = [iter([video, video]) for video in videos]
    assert [torch.equal(chunk, picture) for chunk in tile_streams(streams, 3)] == [True, True]
