"""StyleGAN-V: A Continuous Video Generator (Skorokhodov et al., CVPR 2022)."""

from smoothvid.models.adversarial import build_discriminator, compared, phases
from smoothvid.models.family import Family
from smoothvid.models.styleganv.config import StyleGANVConfig
from smoothvid.models.styleganv.generator import Generator
from smoothvid.models.styleganv.published import PUBLISHED

FAMILY = Family(
    name="styleganv",
    config_class=StyleGANVConfig,
    build_generator=Generator,
    build_discriminator=build_discriminator,
    phases=phases,
    begin_video=Generator.begin_motion,
    compared=compared,
    published=PUBLISHED,
)
