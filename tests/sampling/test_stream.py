import gc
from fractions import Fraction

import numpy as np
import pytest
import torch

from smoothvid.batch import to_uint8
from smoothvid.errors import ConfigError
from smoothvid.sampling import motion_noise
from smoothvid.sampling.grid import captioned, parse_grid, tile
from smoothvid.sampling.model import VideoModel
from smoothvid.sampling.stream import parse_length, time_chunks, time_step


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


def test_times_are_exact_at_an_eighth_of_a_frame_for_ever() -> None:
    times = np.concatenate(list(time_chunks(1e9, 4096, time_step(25, slowmo=8), 7)))
    assert all(Fraction(time) == 10**9 + Fraction(k, 8) for k, time in enumerate(times))


def test_time_steps() -> None:
    assert [time_step(25), time_step(25, 50), time_step(30, 15, slowmo=4)] == [1.0, 0.5, 0.5]
    for fps, slowmo in [(0.0, 1.0), (-5.0, 1.0), (25.0, 0.0), (25.0, float("nan")), (float("inf"), 1.0)]:
        with pytest.raises(ConfigError, match="above 0"):
            time_step(25, fps, slowmo)


@pytest.mark.parametrize("start", [0.0, 1e6])
def test_a_frame_is_the_same_in_any_chunk_start_and_batch(any_model: VideoModel, start: float, exact: None) -> None:
    seeds, count = [3, 0, 8, 5], 24
    expected = [any_model.frames(seed, start + 0.5 * np.arange(count)) for seed in seeds]
    for chunk in (1, 7, 32):
        batch = torch.cat(list(any_model.stream(seeds, start, count, slowmo=2, chunk=chunk)), dim=1)
        alone = torch.cat(list(any_model.stream(3, start, count, slowmo=2, chunk=chunk)))
        later = torch.cat(list(any_model.stream(3, start + 2.5, count - 5, slowmo=2, chunk=chunk)))
        for made, right in [(batch, torch.stack(expected)), (alone, expected[0]), (later, expected[0][5:])]:
            torch.testing.assert_close(made, right, atol=1e-5, rtol=0)
        again = torch.cat(list(any_model.stream(seeds, start, count, slowmo=2, chunk=chunk)), dim=1)
        assert torch.equal(again, batch)


def test_frames_an_eighth_apart_go_on_smoothly_at_a_billion(any_model: VideoModel, exact: None) -> None:
    frames = torch.cat(list(any_model.stream(2, 1e9, 65, slowmo=8))).flatten(1)
    steps = frames.diff(dim=0)
    assert steps.norm(dim=1).min() > 1e-3
    assert steps.diff(dim=0).norm(dim=1).max() < 0.3 * steps.norm(dim=1).max()


def test_a_billion_frames_in_costs_no_more_than_the_beginning(
    any_model: VideoModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[int] = []
    mapped: list[int] = []
    codes, mapping = motion_noise.motion_codes, any_model.generator.mapping.forward
    monkeypatch.setattr(
        "smoothvid.sampling.model.motion_codes", lambda seed, at, n, dim: (drawn.append(n), codes(seed, at, n, dim))[1]
    )
    monkeypatch.setattr(
        any_model.generator.mapping, "forward", lambda z, *a, **k: (mapped.append(len(z)), mapping(z, *a, **k))[1]
    )
    costs = []
    for start in (0.0, 1e6, 1e9):
        drawn.clear(), mapped.clear()
        list(any_model.stream([1, 2], start, 32, drift=3.0))
        costs.append((sum(drawn), sum(mapped)))
    assert costs[0] == costs[1] == costs[2]


def test_drift_meets_new_contents_on_time(model: VideoModel, exact: None) -> None:
    drift, seed = 0.6, 5  # 6 frames at the dataset's 10 fps
    frames = torch.cat(list(model.stream(seed, -12.0, 31, drift=drift, label="sea", chunk=4)))
    for index in (-2, 0, 1, 3):
        ws = model.contents([seed], label="sea", index=index)
        v = model.motions([seed], np.array([6.0 * index]), "sea")
        torch.testing.assert_close(frames[12 + 6 * index], model.render(ws, v)[0, 0], atol=1e-5, rtol=0)
    contents = torch.cat([model.contents([seed], index=index) for index in range(4)])
    assert torch.pdist(contents.flatten(1)).min() > 0.1
    assert torch.equal(contents[:1], model.contents([seed]))
    later = torch.cat(list(model.stream([1, seed], 2.0, 9, drift=drift, label="sea", chunk=32)), dim=1)[1]
    torch.testing.assert_close(later, frames[14:23], atol=1e-5, rtol=0)
    # Seconds are those of the result: at a fourth of the speed the contents change as fast as before.
    slow = torch.cat(list(model.stream(seed, 0.0, 13, fps=20, slowmo=4, drift=drift)))
    v = model.motions([seed], np.array([1.5]))
    torch.testing.assert_close(slow[12], model.render(contents[1:2], v)[0, 0], atol=1e-5, rtol=0)


def test_drift_is_smooth_and_far_out_too(model: VideoModel) -> None:
    for at in (0.0, 1e9):
        times = at + np.arange(0, 40, 0.125)
        ws = model.drifting_contents([7], times, 10.0)[0, :, 0]
        steps = ws.diff(dim=0)
        assert steps.diff(dim=0).norm(dim=1).max() < 0.1 * steps.norm(dim=1).max()
        assert (ws[0] - ws[80]).norm() > 0.1


def test_streams_of_nothing_or_out_of_range_are_refused_at_once(model: VideoModel) -> None:
    for wrong, message in [
        ({"drift": 0.05}, "at least a frame"),
        ({"drift": float("inf")}, "drift"),
        ({"fps": 0}, "fps"),
    ]:
        with pytest.raises(ConfigError, match=message):
            model.stream(1, **wrong)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="no seeds"):
        model.stream([])
    with pytest.raises(ConfigError, match="start"):
        model.stream(1, 1e13)


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
    assert torch.equal(tile(torch.stack(videos), columns=3), picture)


@pytest.mark.parametrize("side", [12, 32, 128])
def test_captions_stand_beside_their_rows_and_columns(side: int) -> None:
    grid = torch.full((2, 3, 2 * side, 3 * side), 77, dtype=torch.uint8)
    rows, columns = ["content 4", "content 5"], ["motion 1", "", "motion 3"]
    (whole,) = captioned(iter([grid]), rows, columns)
    top, left = (int(whole.shape[axis] - grid.shape[axis]) for axis in (2, 3))
    assert whole.dtype == torch.uint8 and torch.equal(whole[:, :, top:, left:], grid)
    ink = [(whole[0, 0, :top, left + i * side : left + (i + 1) * side] > 128).sum().item() for i in range(3)]
    assert min(ink[0], ink[2]) > 30 and ink[1] == 0
    assert all((whole[0, 0, top + i * side : top + (i + 1) * side, :left] > 128).sum() > 30 for i in range(2))
    assert (whole[0, 0, :top, :left] == 0).all() and left < 100 and top < 70
    assert torch.equal(whole[0], whole[1]) and torch.equal(whole[:, 0, :top], whole[:, 2, :top])
    (other,) = captioned(iter([grid]), rows, ["motion 2", "", "motion 3"])
    assert not torch.equal(other, whole)
