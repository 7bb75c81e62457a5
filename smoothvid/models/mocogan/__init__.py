"""MoCoGAN: Decomposing Motion and Content for Video Generation (Tulyakov et al., CVPR 2018)."""

from smoothvid.models.family import Family
from smoothvid.models.mocogan.config import MoCoGANConfig
from smoothvid.models.mocogan.discriminator import DiscriminatorPair
from smoothvid.models.mocogan.generator import Generator
from smoothvid.models.mocogan.losses import phases

FAMILY = Family(
    name="mocogan",
    config_class=MoCoGANConfig,
    build_generator=Generator,
    build_discriminator=DiscriminatorPair,
    phases=phases,
    begin_video=Generator.begin_motion,
    compared=lambda config, count: count,  # batch norm looks at all of them
    sees_times=False,
)
