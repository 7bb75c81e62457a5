"""StyleGAN-V: A Continuous Video Generator (Skorokhodov et al., CVPR 2022)."""

from smoothvid.models.adversarial import phases
from smoothvid.models.family import Family
from smoothvid.models.styleganv.config import StyleGANVConfig
from smoothvid.models.styleganv.generator import Generator
from smoothvid.models.styleganv.published import PUBLISHED
from smoothvid.nn.discriminator import compared
from smoothvid.nn.video_discriminator import VideoDiscriminator

FAMILY = Family(
    name="styleganv",
    config_class=StyleGANVConfig,
    build_generator=Generator,
    build_discriminator=lambda config, num_frames, c_dim: VideoDiscriminator(
        config.resolution, config.discriminator, num_frames, c_dim
    ),
    phases=phases,
    begin_video=Generator.begin_motion,
    compared=lambda config, count: compared(count, config.discriminator.mbstd_group),
    published=PUBLISHED,
)
