"""Settings of the StyleGAN-V networks. The defaults are the paper's at 256²."""

from dataclasses import dataclass, field
from typing import Literal

from smoothvid.nn import motion, video_discriminator
from smoothvid.settings import check_ranges


@dataclass(frozen=True, kw_only=True)
class MotionConfig(motion.MotionConfig):
    """The motion code v(t): a trajectory through random codes, read out as sinusoids."""

    kind: motion.MotionKind = "linear"
    """How codes become motion. "linear" is StyleGAN-V's: speed jumps at each code. The others are described with
    StyleSV."""
    min_period: float = 256


@dataclass(frozen=True, kw_only=True)
class GeneratorConfig:
    """Mapping and StyleGAN2 synthesis."""

    z_dim: int = 512
    w_dim: int = 512
    mapping_layers: int = 2
    channel_base: int = 16384
    channel_max: int = 512
    w_avg_decay: float = 0.995

    def __post_init__(self) -> None:
        check_ranges(self, 1, 8192, "z_dim", "w_dim", "channel_max")
        check_ranges(self, 1, 2**20, "channel_base")
        check_ranges(self, 1, 64, "mapping_layers")
        check_ranges(self, 0, 1, "w_avg_decay")


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
