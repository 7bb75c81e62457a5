import numpy as np
import pytest
import torch

from smoothvid.batch import to_uint8
from smoothvid.sampling.interpolate import closed_spline_weights, content_motion_grid, walk
from smoothvid.sampling.model import VideoModel


def close(a: torch.Tensor, b: torch.Tensor) -> bool:
    return a.shape == b.shape and int((a.int() - b.int()).abs().max()) <= 1


@pytest.mark.parametrize("num_points", [1, 2, 3, 7])
def test_spline_is_closed_smooth_and_meets_its_points(num_points: int) -> None:
    weights = closed_spline_weights(num_points, np.arange(2.0 * num_points))
    np.testing.assert_allclose(weights, np.tile(np.eye(num_points), (2, 1)), atol=1e-12)
    fine = closed_spline_weights(num_points, np.linspace(0, 2 * num_points, 2001))
    np.testing.assert_allclose(fine.sum(axis=1), 1, atol=1e-12)
    step = num_points / 1000
    slopes = np.diff(fine, axis=0) / step
    assert np.abs(np.diff(slopes, axis=0)).max() < 15 * step  # a corner would jump by about 1, whatever the step
    assert num_points == 1 or np.abs(slopes).max() > 0.5


def test_walk_meets_every_content_and_closes(model: VideoModel) -> None:
    seeds, start = [1, 2, 3], 40.0
    frames = torch.cat(list(walk(model, seeds, frames_per_step=5, num_frames=30, start=start, label="sky", chunk=4)))
    assert frames.shape == (30, 3, 16, 16)
    for frame, seed in [(0, 1), (5, 2), (10, 3), (15, 1)]:
        v = model.motions([1], np.array([start + frame]), "sky")
        assert close(frames[frame], to_uint8(model.render(model.contents([seed], label="sky"), v)[0, 0]))
    other = torch.cat(list(walk(model, seeds, frames_per_step=5, num_frames=30, start=start, label="sky", chunk=7)))
    assert close(frames, other)


def test_hold_motion_stops_time(model: VideoModel) -> None:
    frames = torch.cat(
        list(walk(model, [1, 2], frames_per_step=6, num_frames=24, hold="motion", held_seed=7, start=9.0))
    )
    assert close(frames[:12], frames[12:])  # nothing but the walk moves, and it is closed
    v = model.motions([7], np.array([9.0]))
    assert close(frames[6], to_uint8(model.render(model.contents([2]), v)[0, 0]))
    assert not close(frames[0], frames[6])


def test_hold_content_walks_between_motions(model: VideoModel) -> None:
    frames = torch.cat(list(walk(model, [1, 2], frames_per_step=6, num_frames=13, hold="content", held_seed=7)))
    for frame, seed in [(0, 1), (6, 2), (12, 1)]:
        v = model.motions([seed], np.array([float(frame)]))
        assert close(frames[frame], to_uint8(model.render(model.contents([7]), v)[0, 0]))


def test_grid_crosses_contents_and_motions(model: VideoModel) -> None:
    seeds = [4, 5]
    frames = torch.cat(list(content_motion_grid(model, seeds, num_frames=5, start=3.0, step=2.0, chunk=3)))
    assert frames.shape == (5, 3, 32, 32)
    times = 3.0 + 2 * np.arange(5.0)
    for row, content in enumerate(seeds):
        for column, motion in enumerate(seeds):
            expected = to_uint8(model.render(model.contents([content]), model.motions([motion], times))[0])
            shown = frames[:, :, 16 * row : 16 * row + 16, 16 * column : 16 * column + 16]
            assert close(shown, expected)
