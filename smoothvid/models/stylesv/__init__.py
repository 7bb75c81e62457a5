"""StyleSV: Towards Smooth Video Composition (Zhang et al., ICLR 2023)."""

from smoothvid.models.adversarial import phases
from smoothvid.models.family import Family
from smoothvid.models.stylesv.config import StyleSVConfig
from smoothvid.models.stylesv.generator import Generator
from smoothvid.models.stylesv.published import PUBLISHED
from smoothvid.nn.discriminator import compared
from smoothvid.nn.video_discriminator import VideoDiscriminator

FAMILY = Family(
    name="stylesv",
    config_class=StyleSVConfig,
    build_generator=Generator,
    build_discriminator=lambda config, num_frames, c_dim: VideoDiscriminator(
        config.resolution, config.discriminator, num_frames, c_dim
    ),
    phases=phases,
    begin_video=Generator.begin_motion,
    compared=lambda config, count: compared(count, config.discriminator.mbstd_group),
    published=PUBLISHED,
)
