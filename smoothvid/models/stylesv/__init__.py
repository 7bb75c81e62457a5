"""StyleSV: Towards Smooth Video Composition (Zhang et al., ICLR 2023)."""

from smoothvid.models.family import Family
from smoothvid.models.stylesv.config import StyleSVConfig
from smoothvid.models.stylesv.discriminator import Discriminator
from smoothvid.models.stylesv.generator import Generator
from smoothvid.models.stylesv.losses import phases
from smoothvid.nn.discriminator import compared

FAMILY = Family(
    name="stylesv",
    config_class=StyleSVConfig,
    build_generator=Generator,
    build_discriminator=Discriminator,
    phases=phases,
    begin_video=Generator.begin_motion,
    compared=lambda config, count: compared(count, config.discriminator.mbstd_group),
)
