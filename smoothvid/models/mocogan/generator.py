"""The MoCoGAN generator: a frame from a content code that the video keeps and the state of a recurrent network.

    mapping    z, c             → ws [B, 1, z_dim]       the content code itself, and the label where it belongs there
    motion     motion_z, times  → v [B, T, v_dim]        a GRU's path, which the label may steer
    synthesis  ws, v            → images [B·T, 3, H, H]  transposed convolutions, each frame by itself

Source: Tulyakov et al., MoCoGAN: Decomposing Motion and Content for Video Generation, CVPR 2018.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from smoothvid.models.generator import VideoGenerator
from smoothvid.models.mocogan.config import MoCoGANConfig
from smoothvid.nn.layout import PLAIN, Preparation
from smoothvid.nn.recurrent_motion import RecurrentPath


class Content(nn.Module):
    """z [B, z_dim], label c [B, c_dim] → ws [B, 1, z_dim + c_dim]: nothing to learn.

    Args:
        c_dim: labels that join the content; 0 for none.
    """

    def __init__(self, c_dim: int) -> None:
        super().__init__()
        self.c_dim = c_dim

    def forward(
        self,
        z: Tensor,
        c: Tensor | None = None,
        truncation_psi: float = 1.0,
        truncation_cutoff: int | None = None,
        update_emas: bool = False,
    ) -> Tensor:
        """`truncation_psi` below 1 draws z towards its mean, which is zero."""
        ws = z[:, None].clone()
        ws[:, :truncation_cutoff] *= truncation_psi
        if self.c_dim:
            assert c is not None
            ws = torch.cat([ws, c[:, None]], dim=2)
        return ws


class Synthesis(nn.Module):
    """ws [B, 1, in_dim], v [B, T, v_dim] → images [B·T, 3, H, H] in [-1, 1], frames of one video together.

    In evaluation a frame does not depend on the others.
    """

    def __init__(self, in_dim: int, widths: list[int]) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.ConvTranspose2d(in_dim, widths[-1], 4, bias=False), *_normed(widths[-1])]
        for inner, outer in pairwise(widths[::-1]):
            layers += [_doubling(inner, outer), *_normed(outer)]
        self.layers = nn.Sequential(*layers, _doubling(widths[0], 3), nn.Tanh())
        for layer in self.layers:
            if isinstance(layer, nn.ConvTranspose2d):
                nn.init.normal_(layer.weight, 0.0, 0.02)

    def forward(self, ws: Tensor, v: Tensor, update_emas: bool = False) -> Tensor:
        codes = torch.cat([ws.expand(-1, v.shape[1], -1), v], dim=2).flatten(0, 1)  # [N, in_dim]
        images: Tensor = self.layers(codes[:, :, None, None])
        return images


def _doubling(in_channels: int, out_channels: int) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(in_channels, out_channels, 4, stride=2, padding=1, bias=False)


def _normed(channels: int) -> tuple[nn.Module, nn.Module]:
    return nn.BatchNorm2d(channels), nn.ReLU()


class Generator(VideoGenerator):
    """See models.generator.

    Args:
        c_dim: number of labels, 0 for none.
        image_only: image pretraining, which is the same network: a picture needs a pose, too.
    """

    def __init__(self, config: MoCoGANConfig, c_dim: int = 0, image_only: bool = False) -> None:
        super().__init__()
        m = config.motion
        self.config, self.c_dim, self.z_dim = config, c_dim, config.z_dim
        in_content, in_motion = (c_dim, 0) if config.categories == "input" else (0, c_dim)
        self.mapping = Content(in_content)
        self.motion = RecurrentPath("gru", m.z_dim, m.z_dim, in_motion, m.distance, m.memory)
        self.synthesis = Synthesis(config.z_dim + in_content + m.z_dim, config.widths())

    def prepare(self, how: Preparation = PLAIN) -> None:
        """Nothing to work out."""

    def begin_motion(self) -> None:
        """Nothing to set: the image model has a recurrent network already."""
