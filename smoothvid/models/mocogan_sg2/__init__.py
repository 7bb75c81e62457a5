"""MoCoGAN on StyleGAN2: the baseline of StyleGAN-V's comparisons (Skorokhodov et al., CVPR 2022)."""

from smoothvid.models.family import Family
from smoothvid.models.mocogan_sg2.config import MoCoGANSG2Config
from smoothvid.models.mocogan_sg2.discriminator import DiscriminatorPair
from smoothvid.models.mocogan_sg2.generator import Generator
from smoothvid.models.mocogan_sg2.losses import phases
from smoothvid.models.mocogan_sg2.published import PUBLISHED

FAMILY = Family(
    name="mocogan-sg2",
    config_class=MoCoGANSG2Config,
    build_generator=Generator,
    build_discriminator=DiscriminatorPair,
    phases=phases,
    begin_video=Generator.begin_motion,
    compared=lambda config, count: count,  # the video judge's batch norm looks at all of them
    sees_times=False,
    slow={"video.": 0.1},
    published=PUBLISHED,
)
