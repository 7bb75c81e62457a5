"""StyleSV: Towards Smooth Video Composition (Zhang et al., ICLR 2023)."""

from smoothvid.models.adversarial import build_discriminator, compared, phases
from smoothvid.models.family import Family
from smoothvid.models.stylesv.config import StyleSVConfig
from smoothvid.models.stylesv.generator import Generator
from smoothvid.models.stylesv.published import PUBLISHED

FAMILY = Family(
    name="stylesv",
    config_class=StyleSVConfig,
    build_generator=Generator,
    build_discriminator=build_discriminator,
    phases=phases,
    begin_video=Generator.begin_motion,
    compared=compared,
    published=PUBLISHED,
)
