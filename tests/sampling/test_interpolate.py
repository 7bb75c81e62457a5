from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch

from smoothvid.batch import to_uint8
from smoothvid.errors import ConfigError
from smoothvid.sampling.interpolate import content_motion_grid, looped_motions, mix_layers, walk
from smoothvid.sampling.model import VideoModel


def close(a: torch.Tensor, b: torch.Tensor) -> bool:
    return a.shape == b.shape and int((a.int() - b.int()).abs().max()) <= 1


def whole(stream: Iterator[torch.Tensor]) -> torch.Tensor:
    return torch.cat(list(stream))


def shown(model: VideoModel, content: int, motion: int, time: float, label: str | None = None) -> torch.Tensor:
    """One frame uint8 [3, H, W], by the shortest way."""
    v = model.motions([motion], np.array([time]), label)
    return to_uint8(model.render(model.contents([content], label=label), v)[0, 0])


def test_walk_meets_every_content_and_closes(model: VideoModel) -> None:
    seeds, start = [1, 2, 3], 40.0
    frames = whole(walk(model, seeds, frames_per_step=5, num_frames=30, start=start, label="sky", chunk=4))
    assert frames.shape == (30, 3, 16, 16)
    for frame, seed in [(0, 1), (5, 2), (10, 3), (15, 1)]:
        assert close(frames[frame], shown(model, seed, 1, start + frame, "sky"))
    other = whole(walk(model, seeds, frames_per_step=5, num_frames=30, start=start, label="sky", chunk=7))
    assert close(frames, other)


def test_keys_are_met_when_they_say_and_the_last_one_stays(model: VideoModel) -> None:
    frames = whole(walk(model, [1, 2, 3], at=[2, 5, 12.5], num_frames=20, fps=20, hold="motion", start=3.0))
    for frame, seed in [(0, 1), (2, 1), (5, 2), (13, 3), (19, 3)]:
        assert close(frames[frame], shown(model, seed, 1, 3.0))
    assert not close(frames[12], frames[9])
    moving = whole(walk(model, [1, 2, 3], at=[2, 5, 12.5], num_frames=6, fps=20, slowmo=2, start=3.0))
    assert close(moving[5], shown(model, 2, 1, 3.0 + 5 / 4))
    for at, loop, message in [([0, 5, 5], None, "increase"), ([1, 5, 12], 11, "loop of 11")]:
        with pytest.raises(ConfigError, match=message):
            walk(model, [1, 2, 3], at=at, loop=loop)  # at once, not when the first frame is asked for


def test_hold_motion_stops_time(model: VideoModel) -> None:
    frames = whole(walk(model, [1, 2], frames_per_step=6, num_frames=24, hold="motion", held_seed=7, start=9.0))
    assert close(frames[:12], frames[12:])  # nothing but the walk moves, and it is closed
    assert close(frames[6], shown(model, 2, 7, 9.0))
    assert not close(frames[0], frames[6])


def test_hold_content_walks_between_motions(model: VideoModel) -> None:
    frames = whole(walk(model, [1, 2], frames_per_step=6, num_frames=13, hold="content", held_seed=7))
    for frame, seed in [(0, 1), (6, 2), (12, 1)]:
        assert close(frames[frame], shown(model, 7, seed, float(frame)))


def test_grid_crosses_contents_and_motions(model: VideoModel) -> None:
    seeds = [4, 5]
    frames = whole(content_motion_grid(model, seeds, num_frames=5, start=3.0, slowmo=0.5, chunk=3))
    assert frames.shape == (5, 3, 32, 32)
    for row, content in enumerate(seeds):
        for column, motion in enumerate(seeds):
            tile = frames[:, :, 16 * row : 16 * row + 16, 16 * column : 16 * column + 16]
            for frame in (0, 4):
                assert close(tile[frame], shown(model, content, motion, 3.0 + 2 * frame))


@pytest.mark.parametrize("kind", ["linear", "bspline", "bspline-embedding", "phase"])
def test_a_loop_has_no_seam(kind: str, model_of_kind: Callable[[str], VideoModel], exact: None) -> None:
    model, length, start = model_of_kind(kind), 40, 5.0
    for seeds, hold in [([3], None), ([1, 2, 3], None), ([1, 2], "content")]:
        frames = whole(walk(model, seeds, loop=length, num_frames=2 * length, hold=hold, start=start))  # type: ignore[arg-type]
        torch.testing.assert_close(frames[length:], frames[:length], atol=1e-5, rtol=0)
        steps = frames.diff(dim=0)[: length + 1].flatten(1).norm(dim=1)
        assert steps[length - 1] <= torch.cat([steps[: length - 1]]).max()
        assert steps.min() > 0

    def v(numbers: list[float], loop: int | None) -> torch.Tensor:
        return looped_motions(model, [3, 4], np.array(numbers), start, 1.0, loop)

    h = 1e-3
    for loop, least, most in [(length, 0, 5e-3), (None, 0.05, 1e9)]:
        ends = v([0, h, length - h, length], loop)
        value = ends[:, 3] - ends[:, 0]
        velocity = ((ends[:, 3] - ends[:, 2]) - (ends[:, 1] - ends[:, 0])) / h
        assert least <= float(value.abs().max()) <= most and least <= float(velocity.abs().max()) <= most


def test_a_loop_begins_as_the_video_and_goes_once_around(phase_model: VideoModel) -> None:
    model = phase_model
    frames = whole(walk(model, [1, 2], loop=20, num_frames=20, start=7.0))
    assert close(frames[0], shown(model, 1, 1, 7.0))
    v = looped_motions(model, [1], np.array([10.0]), 7.0, 1.0, 20)
    middle = (model.motions([1], np.array([17.0])) + model.motions([1], np.array([-3.0]))) / 2**0.5
    torch.testing.assert_close(v, middle)
    assert close(frames[10], to_uint8(model.render(model.contents([2]), v)[0, 0]))
    grid = whole(content_motion_grid(model, [1, 2], loop=6, num_frames=12))
    assert close(grid[6:], grid[:6]) and not close(grid[:3], grid[3:6])
    keyed = whole(walk(model, [1, 2], at=[0, 15], loop=20, num_frames=20, hold="motion"))
    assert close(keyed[15], shown(model, 2, 1, 0.0))


def test_layers_are_taken_from_other_seeds(model: VideoModel, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[torch.Tensor] = []
    render = model.render
    monkeypatch.setattr(model, "render", lambda ws, v: (seen.append(ws), render(ws, v))[1])
    frames = [whole(walk(model, [1, 2], num_frames=8, mix=mix)) for mix in ([], [(9, 2, 3), (8, 5, 5)])]
    plain, mixed = seen  # [1, T, 6, w_dim]
    assert torch.equal(mixed[:, :, [0, 1, 4]], plain[:, :, [0, 1, 4]])
    for layers, seed in [([2, 3], 9), ([5], 8)]:
        other = model.contents([seed])[:, None, layers].expand(-1, 8, -1, -1)
        torch.testing.assert_close(mixed[:, :, layers], other, atol=1e-6, rtol=0)
    assert not close(*frames)
    for wrong in [(1, 4, 6), (1, 3, 2), (1, -1, 2)]:
        with pytest.raises(ConfigError, match="layers 0 to 5"):
            mix_layers(model, model.contents([1]), [wrong])
