"""Mapping networks: latent and label to styles, conditions to a projection."""

import torch
from torch import Tensor, nn

from smoothvid.nn.linear_conv import Linear, normalize_second_moment
from smoothvid.nn.running_means import note_mean


class Mapping(nn.Module):
    """z [..., z_dim], label c [..., c_dim] → w [..., w_dim].

    Source: StyleGAN2-ADA (Karras et al., NeurIPS 2020), figure 24.
    """

    def __init__(self, z_dim: int, c_dim: int, w_dim: int, num_layers: int = 2, lr_mult: float = 0.01) -> None:
        super().__init__()
        self.c_dim = c_dim
        self.embed = Linear(c_dim, w_dim) if c_dim else None
        widths = [z_dim + (w_dim if c_dim else 0)] + [w_dim] * num_layers
        self.layers = nn.ModuleList(
            Linear(i, o, activation="lrelu", lr_mult=lr_mult) for i, o in zip(widths, widths[1:], strict=False)
        )

    def forward(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        x = normalize_second_moment(z)
        if self.embed is not None:
            assert c is not None
            x = torch.cat([x, normalize_second_moment(self.embed(c))], dim=-1)
        for layer in self.layers:
            x = layer(x)
        return x


class StyleMapping(Mapping):
    """z [B, z_dim], label c [B, c_dim] → ws [B, num_ws, w_dim], with an average to truncate towards."""

    w_avg: Tensor

    def __init__(
        self,
        z_dim: int,
        c_dim: int,
        w_dim: int,
        num_ws: int,
        num_layers: int = 2,
        lr_mult: float = 0.01,
        w_avg_decay: float = 0.998,
    ) -> None:
        super().__init__(z_dim, c_dim, w_dim, num_layers, lr_mult)
        self.num_ws, self.w_avg_decay = num_ws, w_avg_decay
        self.register_buffer("w_avg", torch.zeros(w_dim))

    def forward(
        self,
        z: Tensor,
        c: Tensor | None = None,
        truncation_psi: float = 1.0,
        truncation_cutoff: int | None = None,
        update_emas: bool = False,
    ) -> Tensor:
        """Map; `truncation_psi` below 1 pulls the first `truncation_cutoff` rows (None: all) towards the average w.

        With `update_emas` the mean w is noted; `settle_means` moves the average.
        """
        w = super().forward(z, c)
        if update_emas:
            note_mean(self, "w_avg", w.mean(0), self.w_avg_decay)
        ws = w[:, None].repeat(1, self.num_ws, 1)
        if truncation_psi != 1.0:
            ws[:, :truncation_cutoff] = self.w_avg.lerp(ws[:, :truncation_cutoff], truncation_psi)
        return ws


class ConditionMapping(nn.Module):
    """A condition vector [B, in_dim] → the direction [B, out_dim] that the discriminator's features are projected on.

    Source: Miyato and Koyama, ICLR 2018, in the form of StyleGAN2-ADA.
    """

    def __init__(self, in_dim: int, out_dim: int, num_layers: int = 2, lr_mult: float = 0.01) -> None:
        super().__init__()
        self.embed = Linear(in_dim, out_dim)
        self.layers = nn.ModuleList(
            Linear(out_dim, out_dim, activation="lrelu", lr_mult=lr_mult) for _ in range(num_layers)
        )

    def forward(self, condition: Tensor) -> Tensor:
        x = normalize_second_moment(self.embed(condition))
        for layer in self.layers:
            x = layer(x)
        return x
