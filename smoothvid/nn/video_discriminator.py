"""The discriminator of StyleSV and StyleGAN-V: frames as images, fused to one video, judged with their spacing known.

Frames [B, T] go through residual blocks as separate images, in StyleSV trading channels with their neighbours (temporal
shift), down to `fusion_resolution`; there they become one: their mean (StyleSV), or their channels side by side
(StyleGAN-V). The gaps between the frame times, embedded, give the direction on which the last features are projected.
Source: StyleGAN-V (Skorokhodov et al., CVPR 2022), section 3.3; StyleSV (Zhang et al., ICLR 2023), section 3.2.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from smoothvid.nn.discriminator import SQRT_HALF, FromRGB, LogitHead, ResidualBlock
from smoothvid.nn.lrelu import CLAMP
from smoothvid.nn.mapping import ConditionMapping
from smoothvid.settings import check_ranges

MAX_GAP = 1024  # frames; longer gaps share the last embedding
NUM_OCTAVES = 10
LARGEST_SCALE = 12.0  # of differences: where frames hardly change, more of it costs the pictures


@dataclass(frozen=True, kw_only=True)
class DiscriminatorConfig:
    """Frames through image blocks, fused to one video, judged together."""

    channel_base: int = 16384
    channel_max: int = 512
    temporal_shift: bool = True
    fusion: Literal["mean", "concat"] = "mean"
    fusion_resolution: int = 16
    """The feature map's side at which the frames of a video become one."""
    fusion_divisor: int = 2
    """With "concat": how many times fewer channels each frame brings to the joint, so that it stays affordable."""
    time_embedding: int = 256
    """Width of the learned embedding of each gap between frames."""
    gaps: Literal["all", "first"] = "all"
    """Which gaps are embedded. "first" (StyleGAN-V's, for frames at equal distances): the others are the same."""
    balance_labels: bool = True
    """Give labels as much say as the gaps at first. Published networks (false) hardly hear them: one number among
    hundreds."""
    hears_conditions: bool = True
    """Whether gaps and labels are heard at all; if not, zeros stand for both in the judgement of a video (published
    networks with dummy_c)."""
    mbstd_group: int = 4
    clamp: float | None = CLAMP
    """Bound on the magnitude of activations; none for no bound."""
    differences: float = 0.0
    """Show the first layer also how each frame differs from the one before it, with this strength against the frame
    itself (near frames of the data, whatever their world's pace, but twelve times as large at most); 0 (the papers')
    shows frames alone. Neighbouring frames are nearly equal: what tells right motion from wrong is a small part of
    them, and all of their difference."""
    pictures: float = 0.0
    """Weight of judging one frame of each video by itself, too, as the image discriminator does and from its weights; 0
    (the papers') for not at all. Generated motion is easily told from real one by differences; then pictures count for
    little, and get worse. With more than 0.5 they tremble more."""

    def __post_init__(self) -> None:
        check_ranges(self, 1, 8192, "channel_max")
        check_ranges(self, 1, 2**20, "channel_base")
        check_ranges(self, 1, 4096, "time_embedding", "mbstd_group", "fusion_divisor")
        check_ranges(self, 1e-6, 1e9, "clamp")
        check_ranges(self, 0, 100, "differences", "pictures")
        if self.fusion_resolution not in (8, 16, 32, 64, 128, 256, 512, 1024):  # the last block works on 8 × 8
            raise ValueError(f"fusion_resolution must be a power of two from 8 to 1024, not {self.fusion_resolution}")


def check_resolution(resolution: int, discriminator: DiscriminatorConfig) -> None:
    """Raise ValueError unless a model's pictures can have this side."""
    if resolution not in (16, 32, 64, 128, 256, 512, 1024):
        raise ValueError(f"resolution must be a power of two from 16 to 1024, not {resolution}")
    if discriminator.fusion_resolution > resolution:
        raise ValueError(f"fusion_resolution {discriminator.fusion_resolution} is above the resolution {resolution}")
    check_widths(resolution, discriminator)
    divided = discriminator.fusion_resolution * (
        discriminator.fusion_divisor if discriminator.fusion == "concat" else 1
    )
    if divided > discriminator.channel_base or discriminator.fusion_divisor > discriminator.channel_max:
        raise ValueError(f"fusion_divisor {discriminator.fusion_divisor} leaves a frame no channel")


def check_widths(resolution: int, part: Any) -> None:
    """Raise ValueError if `channel_base` leaves the pictures' own layer, base/side channels wide, without a channel."""
    if part.channel_base < resolution:
        raise ValueError(f"channel_base must be at least the resolution {resolution}, not {part.channel_base}")


class GapEncoding(nn.Module):
    """Gaps between successive frame times: [B, T] frames → [B, gaps·(dim + 2·NUM_OCTAVES)], T − 1 gaps or the first."""

    freqs: Tensor

    def __init__(self, num_frames: int, dim: int, gaps: Literal["all", "first"]) -> None:
        super().__init__()
        self.num_gaps = num_frames - 1 if gaps == "all" else 1
        self.out_dim = self.num_gaps * (dim + 2 * NUM_OCTAVES)
        self.embedding = nn.Embedding(MAX_GAP, dim)
        self.register_buffer("freqs", math.pi * 2.0 ** torch.arange(NUM_OCTAVES) / MAX_GAP, persistent=False)

    def forward(self, times: Tensor) -> Tensor:
        gaps = times.diff(dim=1)[:, : self.num_gaps].float()
        learned = self.embedding(gaps.round().long().clamp(0, MAX_GAP - 1))
        angle = gaps[:, :, None] * self.freqs
        return torch.cat([learned, angle.sin(), angle.cos()], dim=2).flatten(1)


class FrameDifferences(nn.Module):
    """The first layer of how frames change: videos [B·T, 3, H, H] → features [B·T, channels, H, H].

    Each frame minus the one before it (the first: the second minus it), in units in which the data's nearest frames
    differ by `strength` times as much as frames themselves vary, and LARGEST_SCALE at most. `calibrate` finds them.
    """

    scale: Tensor

    def __init__(self, channels: int, num_frames: int, strength: float, clamp: float | None) -> None:
        super().__init__()
        self.num_frames, self.strength = num_frames, strength
        self.from_rgb = FromRGB(channels, clamp)
        self.register_buffer("scale", torch.tensor(strength))

    @torch.no_grad()
    def calibrate(self, videos: Tensor) -> None:
        """Set the units by real videos [B, T, 3, H, H] as training draws them."""
        change = videos.diff(dim=1).square().mean((0, 2, 3, 4)).min().sqrt()  # of the frames that are nearest
        self.scale.copy_((self.strength * videos.std() / change).nan_to_num(LARGEST_SCALE).clamp(max=LARGEST_SCALE))

    def forward(self, images: Tensor) -> Tensor:
        change = images.unflatten(0, (-1, self.num_frames)).diff(dim=1)
        return self.from_rgb(torch.cat([change[:, :1], change], 1).flatten(0, 1) * self.scale)


class VideoDiscriminator(nn.Module):
    """images [B·T, 3, H, H] in [-1, 1], times [B, T], c [B, c_dim] → logits [B].

    `picture`, where the settings ask for it, is the discriminator of single frames; who trains calls it. `weights`: of
    both in the losses.

    Args:
        resolution: H, a power of two.
        num_frames: T, fixed at construction; 1 is an image discriminator without temporal shift or time.
    """

    def __init__(self, resolution: int, config: DiscriminatorConfig, num_frames: int, c_dim: int = 0) -> None:
        super().__init__()
        self.num_frames, self.fusion, self.fusion_resolution = num_frames, config.fusion, config.fusion_resolution
        self.balance_labels, self.hears_conditions = config.balance_labels, config.hears_conditions

        def width(side: int) -> int:
            return min(config.channel_base // side, config.channel_max)

        self.from_rgb = FromRGB(width(resolution), config.clamp)
        compares = config.differences > 0 and num_frames > 1
        self.differences = (
            FrameDifferences(width(resolution), num_frames, config.differences, config.clamp) if compares else None
        )
        self.blocks = nn.ModuleDict()
        in_channels, side = width(resolution), resolution
        while side > 4:
            out_channels = width(side // 2)
            if config.fusion == "concat":
                in_channels *= num_frames if side == config.fusion_resolution else 1
                out_channels //= config.fusion_divisor if side // 2 == config.fusion_resolution else 1
            shift = config.temporal_shift and num_frames > 1 and side > config.fusion_resolution
            self.blocks[str(side)] = ResidualBlock(in_channels, width(side), out_channels, shift, config.clamp)
            in_channels, side = out_channels, side // 2
        has_gaps = num_frames > 1
        self.gap_encoding = GapEncoding(num_frames, config.time_embedding, config.gaps) if has_gaps else None
        condition_dim = c_dim + (self.gap_encoding.out_dim if self.gap_encoding is not None else 0)
        features = width(4)
        self.condition = ConditionMapping(condition_dim, features) if condition_dim else None
        self.head = LogitHead(features, features if condition_dim else 1, config.mbstd_group, config.clamp)
        self.weights = (1.0, config.pictures)
        judges_pictures = config.pictures > 0 and num_frames > 1
        self.picture = VideoDiscriminator(resolution, config, 1, c_dim) if judges_pictures else None

    def forward(self, images: Tensor, times: Tensor | None = None, c: Tensor | None = None) -> Tensor:
        x = self.from_rgb(images)
        if self.differences is not None:
            x = (x + self.differences(images)) * SQRT_HALF
        num_frames = self.num_frames
        for resolution, block in self.blocks.items():
            if int(resolution) == self.fusion_resolution and num_frames > 1:
                video = x.unflatten(0, (-1, num_frames))  # [B, T, C, h, w]
                x = video.mean(1) if self.fusion == "mean" else video.flatten(1, 2)
                num_frames = 1
            x = block(x, num_frames)
        return self.head(x, None if self.condition is None else self.condition(self._conditions(times, c)))

    def _conditions(self, times: Tensor | None, c: Tensor | None) -> Tensor:
        """Labels and gaps side by side, [B, c_dim + gaps]."""
        labels = [] if c is None or not c.shape[1] else [c]
        if self.gap_encoding is None:
            return labels[0]
        assert times is not None
        gaps = self.gap_encoding(times)
        gain = math.sqrt(gaps.shape[1]) if self.balance_labels else 1.0  # the length that the gaps' numbers have
        conditions = torch.cat([*(c * gain for c in labels), gaps], dim=1)
        return conditions if self.hears_conditions else torch.zeros_like(conditions)
