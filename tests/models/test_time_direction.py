"""Temporal shift lets the discriminator tell which way time runs; averaging frames without it cannot."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from smoothvid.data.synthetic import make_world
from smoothvid.nn.video_discriminator import DiscriminatorConfig, VideoDiscriminator

RESOLUTION, GAP, NUM_TRAINED, NUM_HELD_OUT = 32, 4, 16, 16


def triples(worlds: range) -> Tensor:
    """Three frames of each world, in order: [B, 3, 3, H, H] in [-1, 1]."""
    frames = [[make_world("drive", seed).frame(GAP * i, RESOLUTION) for i in range(3)] for seed in worlds]
    return torch.from_numpy(np.array(frames)).permute(0, 1, 4, 2, 3).float() / 127.5 - 1


def build(shift: bool) -> VideoDiscriminator:
    torch.manual_seed(0)
    sizes = DiscriminatorConfig(channel_max=16, fusion_resolution=8, time_embedding=4, temporal_shift=shift)
    return VideoDiscriminator(RESOLUTION, sizes, num_frames=3)


def judge(discriminator: VideoDiscriminator, videos: Tensor) -> Tensor:
    times = torch.tensor([0.0, GAP, 2 * GAP], dtype=torch.float64).expand(len(videos), -1)
    logits: Tensor = discriminator(videos.flatten(0, 1), times)
    return logits


def test_shifted_frames_tell_the_order_and_averaged_ones_cannot() -> None:
    trained, held_out = triples(range(NUM_TRAINED)), triples(range(1000, 1000 + NUM_HELD_OUT))
    plain = build(shift=False)
    for order in ([2, 1, 0], [1, 2, 0]):
        torch.testing.assert_close(judge(plain, held_out), judge(plain, held_out[:, order]), rtol=1e-4, atol=1e-4)

    shifted = build(shift=True)
    optimizer = torch.optim.Adam(shifted.parameters(), lr=0.005, betas=(0.0, 0.99))
    for _ in range(24):
        forward, backward = judge(shifted, trained), judge(shifted, trained.flip(1))
        loss = (F.softplus(-forward) + F.softplus(backward)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        right = judge(shifted, held_out) > judge(shifted, held_out.flip(1))
    assert float(right.float().mean()) >= 0.8
