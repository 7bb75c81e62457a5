"""The StyleSV discriminator: frames as images, shifted in time, fused to one video, judged with their spacing known.

Frames [B, T] go through residual blocks as separate images, trading channels with their neighbours (temporal shift),
down to `fusion_resolution`; there they become one (their mean, or their channels side by side). The gaps between the
frame times, embedded, give the direction on which the last features are projected.
Source: Zhang et al., ICLR 2023, section 3.2; time conditioning from StyleGAN-V (Skorokhodov et al., CVPR 2022), 3.3.
"""

import math

import torch
from torch import Tensor, nn

from smoothvid.models.stylesv.config import DiscriminatorConfig, StyleSVConfig
from smoothvid.nn.discriminator import FromRGB, LogitHead, ResidualBlock
from smoothvid.nn.mapping import ConditionMapping

MAX_GAP = 1024  # frames; longer gaps share the last embedding
NUM_OCTAVES = 10


class GapEncoding(nn.Module):
    """Gaps between successive frame times: [B, T] frames → [B, (T − 1)·(dim + 2·NUM_OCTAVES)]."""

    freqs: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.out_dim = dim + 2 * NUM_OCTAVES
        self.embedding = nn.Embedding(MAX_GAP, dim)
        self.register_buffer("freqs", math.pi * 2.0 ** torch.arange(NUM_OCTAVES) / MAX_GAP, persistent=False)

    def forward(self, times: Tensor) -> Tensor:
        gaps = times.diff(dim=1).float()  # [B, T − 1]
        learned = self.embedding(gaps.round().long().clamp(0, MAX_GAP - 1))
        angle = gaps[:, :, None] * self.freqs
        return torch.cat([learned, angle.sin(), angle.cos()], dim=2).flatten(1)


class Discriminator(nn.Module):
    """images [B·T, 3, H, H] in [-1, 1], times [B, T], c [B, c_dim] → logits [B].

    Args:
        num_frames: T, fixed at construction; 1 is an image discriminator without temporal shift or time.
    """

    def __init__(self, config: StyleSVConfig, num_frames: int, c_dim: int = 0) -> None:
        super().__init__()
        d: DiscriminatorConfig = config.discriminator
        self.num_frames, self.fusion, self.fusion_resolution = num_frames, d.fusion, d.fusion_resolution

        def width(resolution: int) -> int:
            return min(d.channel_base // resolution, d.channel_max)

        self.from_rgb = FromRGB(width(config.resolution))
        self.blocks = nn.ModuleDict()
        # Side-by-side fusion halves each frame's channels first (StyleGAN-V), so that the joint stays affordable.
        halve = d.fusion == "concat" and num_frames > 1
        in_channels = width(config.resolution)
        resolution = config.resolution
        while resolution > 4:
            out_channels = width(resolution // 2)
            if halve and resolution == d.fusion_resolution:
                in_channels *= num_frames
            if halve and resolution // 2 == d.fusion_resolution:
                out_channels //= 2
            shift = d.temporal_shift and num_frames > 1 and resolution > d.fusion_resolution
            mid_channels = width(resolution)
            self.blocks[str(resolution)] = ResidualBlock(in_channels, mid_channels, out_channels, shift)
            in_channels, resolution = out_channels, resolution // 2
        self.gap_encoding = GapEncoding(d.time_embedding) if num_frames > 1 else None
        condition_dim = c_dim + (0 if self.gap_encoding is None else (num_frames - 1) * self.gap_encoding.out_dim)
        features = width(4)
        self.condition = ConditionMapping(condition_dim, features) if condition_dim else None
        self.head = LogitHead(features, features if condition_dim else 1, d.mbstd_group)

    def forward(self, images: Tensor, times: Tensor | None = None, c: Tensor | None = None) -> Tensor:
        x = self.from_rgb(images)
        num_frames = self.num_frames
        for resolution, block in self.blocks.items():
            if int(resolution) == self.fusion_resolution and num_frames > 1:
                video = x.unflatten(0, (-1, num_frames))  # [B, T, C, h, w]
                x = video.mean(1) if self.fusion == "mean" else video.flatten(1, 2)
                num_frames = 1
            x = block(x, num_frames)
        if self.condition is None:
            return self.head(x)
        parts = [] if c is None or not c.shape[1] else [c]
        if self.gap_encoding is not None:
            assert times is not None
            parts.append(self.gap_encoding(times))
        return self.head(x, self.condition(torch.cat(parts, dim=1)))
