"""MoCoGAN's idea on StyleGAN2: an LSTM's path joins the content in every layer's style.

Source: the baseline of Skorokhodov et al., StyleGAN-V, CVPR 2022, after Tulyakov et al., MoCoGAN, CVPR 2018.
"""

import torch
from torch import Tensor

from smoothvid.models.generator import VideoGenerator
from smoothvid.models.mocogan_sg2.config import MoCoGANSG2Config
from smoothvid.nn import stylegan2
from smoothvid.nn.linear_conv import Linear
from smoothvid.nn.mapping import Mapping, StyleMapping
from smoothvid.nn.precision import full_precision
from smoothvid.nn.recurrent_motion import RecurrentPath


class Motion(RecurrentPath):
    """motion_z [B, K, z_dim], times [B, T] in frames → motion codes v [B, T, v_dim]: the path, through two layers."""

    def __init__(self, config: MoCoGANSG2Config, c_dim: int) -> None:
        m = config.motion
        super().__init__("lstm", m.z_dim, m.z_dim, c_dim, m.distance, m.memory)
        self.mapping = Mapping(m.z_dim, c_dim, m.z_dim)

    @full_precision
    def forward(
        self,
        motion_z: Tensor,
        times: Tensor,
        c: Tensor | None = None,
        first_code: int | Tensor = 0,
        start_phase: Tensor | None = None,
    ) -> Tensor:
        path = super().forward(motion_z, times, c, first_code)
        v: Tensor = self.mapping(path, None if c is None else c[:, None].expand(-1, path.shape[1], -1))
        return v


class Synthesis(stylegan2.Synthesis):
    """ws [B, num_ws, w_dim], v [B, T, v_dim] → images [B·T, 3, H, H], frames of one video together.

    Args:
        image_only: the motion code counts for nothing, and the weights that would read it are zero.
    """

    def __init__(self, config: MoCoGANSG2Config, image_only: bool) -> None:
        g = config.generator
        style_dim = g.w_dim + config.motion.z_dim
        super().__init__(config.resolution, style_dim, g.channel_base, g.channel_max, clamp=g.clamp)
        self.w_dim, self.v_gain = g.w_dim, 0.0 if image_only else 1.0
        if image_only:
            self.begin_motion()

    @torch.no_grad()
    def begin_motion(self) -> None:
        """Let nothing of the motion be seen yet: a video model starts as the image model that it was."""
        for name, layer in self.named_modules():
            if name.endswith("affine"):
                assert isinstance(layer, Linear)
                layer.weight[:, self.w_dim :] = 0

    def forward(self, ws: Tensor, v: Tensor, update_emas: bool = False) -> Tensor:
        num_ws, num_frames = ws.shape[1], v.shape[1]
        v = v.flatten(0, 1)[:, None].expand(-1, num_ws, -1) * self.v_gain
        return self.draw(torch.cat([ws.repeat_interleave(num_frames, 0), v], dim=2))


class Generator(VideoGenerator):
    """See models.generator.

    Args:
        c_dim: number of labels, 0 for none.
        image_only: image pretraining, without motion.
    """

    def __init__(self, config: MoCoGANSG2Config, c_dim: int = 0, image_only: bool = False) -> None:
        super().__init__()
        g = config.generator
        self.config, self.c_dim, self.z_dim = config, c_dim, g.z_dim
        self.motion = Motion(config, c_dim)
        self.synthesis = Synthesis(config, image_only)
        self.mapping = StyleMapping(
            g.z_dim, c_dim, g.w_dim, self.synthesis.num_ws, g.mapping_layers, w_avg_decay=g.w_avg_decay
        )
