"""Folding time into the batch keeps the frames of a video together."""

import pytest
import torch

from smoothvid.shapes import check_shape, fold_time, unfold_time


def test_fold_time_keeps_the_frames_of_a_video_together() -> None:
    x = torch.arange(2 * 3 * 4).reshape(2, 3, 4)
    folded = fold_time(x)
    assert folded.shape == (6, 4)
    assert all(torch.equal(folded[3 * video + frame], x[video, frame]) for video in range(2) for frame in range(3))
    assert torch.equal(unfold_time(folded, num_frames=3), x)


def test_check_shape() -> None:
    x = torch.zeros(2, 3, 4)
    check_shape(x, 2, 3, 4)
    check_shape(x, None, 3, None)
    with pytest.raises(ValueError, match=r"frames must have shape \[any, 5, 4\], got \[2, 3, 4\]"):
        check_shape(x, None, 5, 4, name="frames")
    with pytest.raises(ValueError, match=r"shape \[2, 3\]"):
        check_shape(x, 2, 3)
