import pytest
import torch

from smoothvid.nn.temporal_shift import temporal_shift


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("channels, fraction, num_frames", [(16, 8, 3), (17, 8, 2), (8, 4, 5), (4, 8, 3)])
def test_against_loops(channels: int, fraction: int, num_frames: int, layout: torch.memory_format) -> None:
    x = torch.randn(2 * num_frames, channels, 3, 3).contiguous(memory_format=layout)
    fold = channels // fraction
    expected = torch.zeros_like(x)
    for video in range(2):
        for frame in range(num_frames):
            for channel in range(channels):
                source = frame + 1 if channel < fold else frame - 1 if channel < 2 * fold else frame
                if 0 <= source < num_frames:
                    expected[video * num_frames + frame, channel] = x[video * num_frames + source, channel]
    shifted = temporal_shift(x, num_frames, fraction)
    assert torch.equal(shifted, expected) and shifted.is_contiguous(memory_format=layout)


def test_a_single_frame_is_returned_as_it_is() -> None:
    x = torch.randn(4, 16, 3, 3)
    assert torch.equal(temporal_shift(x, 1), x)
