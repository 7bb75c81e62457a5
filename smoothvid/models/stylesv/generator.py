"""The StyleSV generator: one content, moved by motion codes, drawn without aliasing.

ws[0] steers the Fourier input; ws[1:] style the layers after the motion code has joined them. A learnable mask, zero at
first, multiplies v, so that an image model becomes a video model without a jolt.
Source: Zhang et al., Towards Smooth Video Composition, ICLR 2023, on StyleGAN3-T (Karras et al., NeurIPS 2021).
"""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from smoothvid.models.generator import VideoGenerator
from smoothvid.models.stylesv.config import GeneratorConfig, MotionConfig, StyleSVConfig
from smoothvid.nn.alias_free import Band, FilteredLReLU, FourierInput
from smoothvid.nn.layout import PLAIN, Preparation, fill_up
from smoothvid.nn.linear_conv import Linear
from smoothvid.nn.lrelu import bounded
from smoothvid.nn.mapping import StyleMapping
from smoothvid.nn.modulation import ModulatedConv
from smoothvid.nn.motion import Motion
from smoothvid.nn.precision import full_precision, in_two_terms, wide_product


class SynthesisLayer(nn.Module):
    """Modulated 3×3 convolution and filtered activation, from one band to the next."""

    def __init__(self, inner: Band, outer: Band, config: GeneratorConfig, v_dim: int) -> None:
        super().__init__()
        self.conv = ModulatedConv(
            inner.channels,
            outer.channels,
            3,
            config.w_dim,
            low_rank=config.low_rank,
            v_dim=v_dim,
            magnitude_decay=config.magnitude_decay,
            motion_style=config.fuse == "layers",
        )
        self.bias = nn.Parameter(torch.zeros(outer.channels))
        self.filled_bias: Tensor | None = None
        self.activate = FilteredLReLU(inner, outer, inner.size + 2, config.clamp)

    def prepare(self, how: Preparation) -> None:
        """See Synthesis.prepare. A channel of zeros stays one: its bias is zero, too."""
        self.conv.prepare(self.activate.plan.in_size - 2, how)
        channels = how.channels(len(self.bias))
        self.filled_bias = fill_up(self.bias.detach(), channels, 0) if how.eights else None

    def forward(
        self,
        x: Tensor,
        w: Tensor,
        v: Tensor,
        update_emas: bool = False,
        applied: Tensor | None = None,
        following: Tensor | None = None,
    ) -> Tensor:
        """`applied`: this layer's style, where x is multiplied by it; `following`: the next one's, to multiply by."""
        y, scale = self.conv.convolve(x, w, v, update_emas, applied)
        bias = self.bias if self.filled_bias is None else self.filled_bias
        return self.activate(y, bias, scale, following)


class ToRGB(nn.Module):
    """Modulated 1×1 convolution to three channels; neither demodulated nor filtered."""

    def __init__(self, inner: Band, config: GeneratorConfig, v_dim: int) -> None:
        super().__init__()
        self.conv = ModulatedConv(
            inner.channels,
            3,
            1,
            config.w_dim,
            demodulate=False,
            low_rank=config.low_rank,
            v_dim=v_dim,
            magnitude_decay=config.magnitude_decay,
        )
        self.bias = nn.Parameter(torch.zeros(3))
        self.clamp = config.clamp
        self.size = inner.size
        self.terms: Tensor | None = None

    def prepare(self, how: Preparation) -> None:
        """See Synthesis.prepare. The weights stay in float32: colours need more than bfloat16's eight bits."""
        self.conv.prepare(self.size, Preparation(eights=how.eights))
        self.terms = None
        if how.dtype == torch.bfloat16 and how.channels_last:
            weight = fill_up(self.conv.weight.detach(), self.conv.in_channels) * self.conv.magnitude_ema.rsqrt()
            self.terms = in_two_terms(fill_up(weight, 4, 0).flatten(1).T)  # with a fourth colour the rows are aligned

    def forward(
        self, x: Tensor, w: Tensor, v: Tensor, update_emas: bool = False, applied: Tensor | None = None
    ) -> Tensor:
        if self.terms is not None and applied is not None and x.dtype == torch.bfloat16:
            pixels = x.permute(0, 2, 3, 1)  # [N, H, H, C]
            y = wide_product(pixels.flatten(0, 2), self.terms).view(*pixels.shape[:3], -1)[..., :3].permute(0, 3, 1, 2)
        else:
            y = self.in_float32(x, w, v, update_emas, applied)
        return bounded(y + self.bias[:, None, None], self.clamp)

    @full_precision
    def in_float32(self, x: Tensor, w: Tensor, v: Tensor, update_emas: bool, applied: Tensor | None) -> Tensor:
        y: Tensor = self.conv(x, w, v, update_emas, applied)
        return y


class Synthesis(nn.Module):
    """ws [B, num_ws, w_dim], v [B, T, v_dim] → images [B·T, 3, H, H], about [-1, 1], frames of one video together."""

    def __init__(self, resolution: int, config: GeneratorConfig, motion: MotionConfig, image_only: bool) -> None:
        super().__init__()
        v_dim = motion.v_dim
        self.fuse, self.output_scale, self.w_dim = config.fuse, config.output_scale, config.w_dim
        self.image_only = image_only
        self.checkpointing = False
        """Whether a layer's own results are made again for its gradients instead of being kept."""
        self.styles_ahead = False
        """Whether each activation multiplies by the next layer's style, where nothing is learnt; see `prepare`."""
        bands = config.bands(resolution)
        self.num_ws = config.num_layers + 2
        self.input = FourierInput(config.w_dim, bands[0], config.waves, motion.fourier_dim)
        self.input_motion = Linear(v_dim, bands[0].channels, bias_init=1.0)
        if config.fuse == "concat":
            self.join = Linear(config.w_dim + v_dim, config.w_dim, bias_init=1.0)
        inner = [bands[0], *bands[: config.num_layers - 1]]
        self.layers = nn.ModuleList(
            SynthesisLayer(a, b, config, v_dim) for a, b in zip(inner, bands[: config.num_layers], strict=True)
        )
        self.to_rgb = ToRGB(bands[config.num_layers - 1], config, v_dim)
        if image_only:
            self.register_buffer("motion_mask", torch.zeros(1, v_dim))
        else:
            self.motion_mask = nn.Parameter(torch.zeros(1, v_dim))
        self.start = motion.start
        self.begin_motion()

    @torch.no_grad()
    def begin_motion(self) -> None:
        """Set the motion mask and what reads the motion code to where video training starts; see MotionConfig.start."""
        if self.input.waves is not None:
            self.input.waves.weight.zero_()
        if self.start == "mask":
            self.motion_mask.zero_()
            return
        if isinstance(self.motion_mask, nn.Parameter):
            self.motion_mask.fill_(1.0)
        self.input_motion.weight.zero_()
        if self.fuse == "concat":
            self.join.weight[:, self.w_dim :] = 0
        for name, parameter in self.layers.named_parameters():
            if name.endswith("motion_style.weight"):
                parameter.zero_()

    def prepare(self, how: Preparation = PLAIN) -> None:
        """Work out once what the weights give, for sampling: from now on they stay as they are."""
        if self.to_rgb.conv.low_rank:  # whose branch has a style and weights of its own
            how = replace(how, styles_ahead=False, eights=False)
        self.styles_ahead = how.styles_ahead
        modules: list[Any] = [*self.layers, self.to_rgb]
        for module in modules:
            module.prepare(how)

    def forward(self, ws: Tensor, v: Tensor, update_emas: bool = False) -> Tensor:
        num_frames = v.shape[1]
        waving = None if self.image_only else v.flatten(0, 1)  # no mask: the waves' own weights start at zero
        x = self.input(ws[:, 0], waving, num_frames)
        v = v.flatten(0, 1) * self.motion_mask  # [N, v_dim]
        ws = ws.repeat_interleave(num_frames, 0)  # [N, num_ws, w_dim]
        motion = self.input_motion(v)
        if self.fuse == "concat":
            styles = self.join(torch.cat([ws[:, 1:], v[:, None].expand(-1, self.num_ws - 1, -1)], dim=2))
        elif self.fuse == "add":
            styles = ws[:, 1:] + v[:, None]
            motion = motion * self.motion_mask
        else:
            styles = ws[:, 1:]
        first: Any = self.layers[0]
        x = fill_up(x + motion[:, :, None, None], first.conv.in_channels)
        rows = styles.unbind(1)
        ahead: list[Tensor | None] = [None] * len(rows)
        if self.styles_ahead and not (torch.is_grad_enabled() or update_emas):
            modules: list[Any] = [*self.layers, self.to_rgb]
            factors = [module.conv.style(w, v) for module, w in zip(modules, rows, strict=True)]
            x, ahead = x * factors[0][:, :, None, None], [*factors]
        for layer, w, applied, following in zip(self.layers, rows, ahead, ahead[1:], strict=False):
            if self.checkpointing and torch.is_grad_enabled():
                # What its running means note twice is the same: their mean stays what it is.
                x = checkpoint(layer, x, w, v, update_emas, use_reentrant=False, preserve_rng_state=False)
            else:
                x = layer(x, w, v, update_emas, applied, following)
        return self.to_rgb(x, rows[-1], v, update_emas, ahead[-1]) * self.output_scale


class Generator(VideoGenerator):
    """See models.generator.

    Args:
        c_dim: number of labels, 0 for none.
        image_only: image pretraining; the motion mask is a fixed zero.
    """

    def __init__(self, config: StyleSVConfig, c_dim: int = 0, image_only: bool = False) -> None:
        super().__init__()
        g, m = config.generator, config.motion
        self.config, self.c_dim, self.z_dim = config, c_dim, g.z_dim
        self.motion = Motion(m, c_dim)
        self.synthesis = Synthesis(config.resolution, g, m, image_only)
        self.mapping = StyleMapping(
            g.z_dim, c_dim, g.w_dim, self.synthesis.num_ws, g.mapping_layers, w_avg_decay=g.w_avg_decay
        )
