"""Settings of MoCoGAN on StyleGAN2. The defaults are the published ones at 256²."""

from dataclasses import dataclass, field

from smoothvid.nn import video_discriminator
from smoothvid.nn.lrelu import CLAMP
from smoothvid.nn.recurrent_motion import MotionConfig
from smoothvid.nn.stylegan2 import GeneratorConfig
from smoothvid.settings import check_ranges


@dataclass(frozen=True, kw_only=True)
class DiscriminatorConfig:
    """Two judges of the same frames: StyleGAN2's, picture by picture, and one of 3-D convolutions."""

    channel_base: int = 16384
    channel_max: int = 512
    mbstd_group: int = 4
    clamp: float | None = CLAMP
    """Bound on the magnitude of the image judge's activations; none for no bound."""
    video_width: int = 64
    """Channels of the video judge next to the pixels; they double with each halving of the side."""
    noise: float = 0.1
    """Standard deviation of the noise before the video judge's convolutions, in training."""
    time_padding: int | None = None
    """Frames of zeros before and after a video, in each of the video judge's layers, whose kernels are 4 long. None for
    the least that leaves the last layer something to see: 0 from 16 frames on (at 64² and above), 1 from 6 on, else 2,
    as published for 3 frames."""
    padded_layers: int | None = None
    """How many of the first layers whose kernels are 4 long have that padding; none for all of them."""

    def __post_init__(self) -> None:
        check_ranges(self, 1, 8192, "channel_max")
        check_ranges(self, 1, 2**20, "channel_base")
        check_ranges(self, 1, 4096, "mbstd_group", "video_width")
        check_ranges(self, 0, 1e3, "noise")
        check_ranges(self, 1e-6, 1e9, "clamp")
        check_ranges(self, 0, 2, "time_padding")
        check_ranges(self, 0, 16, "padded_layers")


@dataclass(frozen=True, kw_only=True)
class MoCoGANSG2Config:
    """The whole model."""

    resolution: int = 256
    motion: MotionConfig = field(default_factory=MotionConfig)
    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    discriminator: DiscriminatorConfig = field(default_factory=DiscriminatorConfig)

    def __post_init__(self) -> None:
        video_discriminator.check_resolution(self.resolution, self.image_discriminator())
        video_discriminator.check_widths(self.resolution, self.generator)

    def image_discriminator(self) -> video_discriminator.DiscriminatorConfig:
        """The image judge's settings: a video discriminator's of one frame, so that nothing about time counts."""
        d = self.discriminator
        return video_discriminator.DiscriminatorConfig(
            channel_base=d.channel_base,
            channel_max=d.channel_max,
            mbstd_group=d.mbstd_group,
            clamp=d.clamp,
            fusion="mean",
            fusion_resolution=8,
        )
