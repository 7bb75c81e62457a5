import math

import pytest
import torch
import torch.nn.functional as F

from smoothvid.nn.discriminator import LogitHead, ResidualBlock, minibatch_std
from smoothvid.nn.filters import BINOMIAL_4
from smoothvid.nn.video_discriminator import LARGEST_SCALE, DiscriminatorConfig, FrameDifferences, VideoDiscriminator


@pytest.mark.parametrize("n, group", [(8, 4), (4, 4), (6, 3), (2, 2), (5, 1), (1, 1), (7, 1)])
def test_minibatch_std_against_loops(n: int, group: int) -> None:
    """Sample i stands in one group with i ± k·n/group; a group of one has no spread."""
    x = torch.randn(n, 3, 4, 4, dtype=torch.float64)
    y = minibatch_std(x)
    assert torch.equal(y[:, :3], x) and y.shape == (n, 4, 4, 4)
    num_groups = n // group
    for i in range(n):
        members = x[[j for j in range(n) if j % num_groups == i % num_groups]].numpy()
        assert len(members) == group
        spread = math.sqrt(1e-8) if group == 1 else members.std(0).mean()
        torch.testing.assert_close(y[i, 3], torch.full((4, 4), spread, dtype=torch.float64), rtol=1e-6, atol=1e-7)


def test_residual_block_against_its_definition() -> None:
    torch.manual_seed(0)
    block = ResidualBlock(8, 6, 10).double()
    x = torch.randn(2, 8, 8, 8).double()
    taps = torch.tensor(BINOMIAL_4).double()

    def filtered(x: torch.Tensor, pad: int) -> torch.Tensor:
        channels = x.shape[1]
        return F.conv2d(F.pad(x, [pad] * 4), torch.outer(taps, taps).expand(channels, 1, 4, 4), groups=channels)

    main = F.leaky_relu(F.conv2d(x, block.conv0.weight / math.sqrt(8 * 9), padding=1), 0.2) * math.sqrt(2)
    main = F.conv2d(filtered(main, 2), block.conv1.weight / math.sqrt(6 * 9), stride=2)
    main = F.leaky_relu(main, 0.2)  # gains √2 and √½
    skip = F.conv2d(filtered(x, 1)[:, :, ::2, ::2], block.skip.weight / math.sqrt(8)) * math.sqrt(0.5)
    y = block(x, 1)
    assert y.shape == (2, 10, 4, 4)
    torch.testing.assert_close(y, main + skip)


def test_shift_acts_on_the_main_branch_only() -> None:
    torch.manual_seed(0)
    block = ResidualBlock(8, 8, 8, shift=True)
    still = ResidualBlock(8, 8, 8)
    still.load_state_dict(block.state_dict())
    x = torch.randn(3, 8, 8, 8)
    with torch.no_grad():
        for b in (block, still):
            b.conv1.weight.zero_()
    assert torch.equal(block(x, 3), still(x, 3))  # with a silent main branch nothing tells them apart

    torch.nn.init.normal_(block.conv1.weight)
    changed = x.clone()
    changed[1] += 1.0
    moved = (block(changed, 3) - block(x, 3)).abs().amax((1, 2, 3))
    assert bool((moved > 1e-3).all())  # the middle frame reaches both neighbours
    torch.testing.assert_close(block(x, 1)[:1], block(x[:1], 1))  # one frame a video: no shift, no mixing


def test_the_logit_is_a_projection_on_the_condition() -> None:
    torch.manual_seed(0)
    plain, projected = LogitHead(8), LogitHead(8, out_dim=5)
    x, condition = torch.randn(4, 8, 4, 4), torch.randn(4, 5)
    assert plain(x).shape == (4,)
    features = torch.stack([projected(x, torch.eye(5)[i].expand(4, 5)) for i in range(5)], dim=1)
    torch.testing.assert_close(projected(x, condition), (features * condition).sum(1))
    # The same features, all of them equal, give the single logit times the sum of the condition over √dim.
    projected.conv.load_state_dict(plain.conv.state_dict())
    projected.fc.load_state_dict(plain.fc.state_dict())
    with torch.no_grad():
        projected.out.weight.copy_(plain.out.weight.expand(5, -1))
    torch.testing.assert_close(projected(x, condition), plain(x) * condition.sum(1) / math.sqrt(5))


def test_differences_are_as_strong_as_they_are_set_to_in_any_world() -> None:
    torch.manual_seed(0)
    for pace in (0.3, 1.0):
        still = torch.randn(16, 1, 3, 8, 8)
        videos = still + pace * torch.randn(16, 4, 3, 8, 8).cumsum(1)
        videos[:, 3] += 5 * torch.randn(16, 3, 8, 8)  # a far frame
        layer = FrameDifferences(6, num_frames=4, strength=0.5, clamp=256)
        layer.calibrate(videos)
        near = (videos[:, 1] - videos[:, 0]) * layer.scale
        assert float(near.square().mean().sqrt() / videos.std()) == pytest.approx(0.5, rel=0.05)
        change = torch.cat([videos[:, 1:2] - videos[:, :1], videos.diff(dim=1)], 1) * layer.scale
        torch.testing.assert_close(layer(videos.flatten(0, 1)), layer.from_rgb(change.flatten(0, 1)))
    layer.calibrate(still.expand(-1, 4, -1, -1, -1))
    assert layer.scale == LARGEST_SCALE  # nothing moves


def test_a_discriminator_hears_of_motion_that_frames_hardly_show() -> None:
    """What changes by a hundredth, forwards and back, is told apart by the differences."""
    torch.manual_seed(0)
    step = 1e-2 * torch.randn(1, 1, 3, 16, 16)
    forwards = torch.randn(8, 1, 3, 16, 16) + step * torch.arange(3)[None, :, None, None, None]
    times = torch.arange(3.0).expand(8, 3)

    def contrast(differences: float) -> float:
        torch.manual_seed(1)
        sizes = DiscriminatorConfig(
            channel_max=16, channel_base=256, fusion_resolution=8, time_embedding=8, differences=differences
        )
        judge = VideoDiscriminator(16, sizes, num_frames=3)
        if judge.differences is not None:
            judge.differences.calibrate(forwards)
        with torch.no_grad():
            one, other = (judge(videos.flatten(0, 1), times) for videos in (forwards, forwards.flip(1)))
        return float((one - other).abs().mean() / one.std())

    assert 5 * contrast(0.0) < contrast(1.0)
