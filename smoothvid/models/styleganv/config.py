"""Settings of the StyleGAN-V networks. The defaults are the paper's at 256²."""

from dataclasses import dataclass, field
from typing import Literal

from smoothvid.nn import motion, video_discriminator
from smoothvid.nn.stylegan2 import GeneratorConfig


@dataclass(frozen=True, kw_only=True)
class MotionConfig(motion.MotionConfig):
    """The motion code v(t): a trajectory through random codes, read out as sinusoids."""

    kind: motion.MotionKind = "linear"
    """How codes become motion. "linear" is StyleGAN-V's: speed jumps at each code. The others are described with
    StyleSV."""
    min_period: float = 256


@dataclass(frozen=True, kw_only=True)
class DiscriminatorConfig(video_discriminator.DiscriminatorConfig):
    """Frames through image blocks, side by side from `fusion_resolution` on, judged together."""

    temporal_shift: bool = False
    fusion: Literal["mean", "concat"] = "concat"


@dataclass(frozen=True, kw_only=True)
class StyleGANVConfig:
    """The whole model."""

    resolution: int = 256
    motion: MotionConfig = field(default_factory=MotionConfig)
    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    discriminator: DiscriminatorConfig = field(default_factory=DiscriminatorConfig)

    def __post_init__(self) -> None:
        video_discriminator.check_resolution(self.resolution, self.discriminator)
        video_discriminator.check_widths(self.resolution, self.generator)
