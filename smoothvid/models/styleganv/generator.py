"""The StyleGAN-V generator: StyleGAN2 whose first features are joined by the motion code; z alone drives the styles.

Source: Skorokhodov et al., StyleGAN-V, CVPR 2022, section 3.2.
"""

import torch
from torch import Tensor

from smoothvid.models.generator import VideoGenerator
from smoothvid.models.styleganv.config import StyleGANVConfig
from smoothvid.nn import stylegan2
from smoothvid.nn.mapping import StyleMapping
from smoothvid.nn.motion import Motion


class Synthesis(stylegan2.Synthesis):
    """ws [B, num_ws, w_dim], v [B, T, v_dim] → images [B·T, 3, H, H], frames of one video together.

    Args:
        image_only: the motion code counts for nothing, and the weights that would read it are zero.
    """

    def __init__(self, config: StyleGANVConfig, v_dim: int, image_only: bool) -> None:
        g = config.generator
        super().__init__(config.resolution, g.w_dim, g.channel_base, g.channel_max, v_dim, g.clamp)
        self.v_gain = 0.0 if image_only else 1.0
        if image_only:
            self.begin_motion()

    @torch.no_grad()
    def begin_motion(self) -> None:
        """Let nothing of the motion be seen yet: a video model starts as the image model that it was."""
        self.first_conv.weight[:, len(self.const) :] = 0

    def forward(self, ws: Tensor, v: Tensor, update_emas: bool = False) -> Tensor:
        return self.draw(ws.repeat_interleave(v.shape[1], 0), v.flatten(0, 1) * self.v_gain)


class Generator(VideoGenerator):
    """See models.generator.

    Args:
        c_dim: number of labels, 0 for none.
        image_only: image pretraining, without motion.
    """

    def __init__(self, config: StyleGANVConfig, c_dim: int = 0, image_only: bool = False) -> None:
        super().__init__()
        g = config.generator
        self.config, self.c_dim, self.z_dim = config, c_dim, g.z_dim
        self.motion = Motion(config.motion, c_dim)
        self.synthesis = Synthesis(config, self.motion.v_dim, image_only)
        self.mapping = StyleMapping(
            g.z_dim, c_dim, g.w_dim, self.synthesis.num_ws, g.mapping_layers, w_avg_decay=g.w_avg_decay
        )
