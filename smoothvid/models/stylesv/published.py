"""Published StyleSV networks, and StyleGAN3-T image networks to start from: their settings and their tensors' names."""

import math
import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor, eye, ones, zeros

from smoothvid.errors import CheckpointError
from smoothvid.models.published import (
    FIXED,
    MAPPING_RULES,
    MOTION_RULES,
    Published,
    Rules,
    Snapshot,
    argument,
    discriminator_settings,
    given,
    has_motion,
    mapping_settings,
    motion_settings,
    published_discriminator,
    renamed,
    require,
)
from smoothvid.models.stylesv.config import StyleSVConfig
from smoothvid.settings import from_dict

RULES: Rules = [  # L{i} counts synthesis layers, the last being ToRGB
    *MAPPING_RULES,
    *MOTION_RULES,
    (r"synthesis\.motion_mask", r"synthesis.motion_mask"),
    (r"synthesis\.affine_w\.(weight|bias)", r"synthesis.join.\1"),
    (r"synthesis\.input\.(weight|transform|freqs|phases)", r"synthesis.input.\1"),
    (r"synthesis\.input\.affine\.(weight|bias)", r"synthesis.input.affine.\1"),
    (r"synthesis\.input\.motion_affine\.(weight|bias)", r"synthesis.input_motion.\1"),
    (r"synthesis\.L(\d+)_\d+_\d+\.bias", r"synthesis.layers.\1.bias"),
    (r"synthesis\.L(\d+)_\d+_\d+\.(weight|magnitude_ema)", r"synthesis.layers.\1.conv.\2"),
    (r"synthesis\.L(\d+)_\d+_\d+\.affine\.(weight|bias)", r"synthesis.layers.\1.conv.affine.\2"),
    (r"synthesis\.L(\d+)_\d+_\d+\.affine_t\.(weight|bias)", r"synthesis.layers.\1.conv.motion_affine.\2"),
    (r"synthesis\.L(\d+)_\d+_\d+\.w1", r"synthesis.layers.\1.conv.low_rank_out"),
    (r"synthesis\.L(\d+)_\d+_\d+\.w2", r"synthesis.layers.\1.conv.low_rank_in"),
]
_LAYER = re.compile(r"synthesis\.L\d+_\d+_\d+\.weight")
_FIXED = {
    **FIXED,
    "filter_size": 6,
    "conv_kernel": 3,
    "use_radial_filters": False,
    "lrelu_upsampling": 2,
    "cfg.motion.gen_strategy": "conv",
    "cfg.motion.fourier": True,
    "cfg.input.type": "temporal",
    "cfg.time_enc.cond_type": "concat_const",
    "cfg.fr_t_k": 1,
    "cfg.basef": 0,
    "cfg.offset": 0,
}


def recognizes(snapshot: Snapshot) -> bool:
    """Whether its generator has StyleGAN3's synthesis layers."""
    return any(_LAYER.fullmatch(name) for name in snapshot.generator)


def published_config(snapshot: Snapshot) -> StyleSVConfig:
    """The settings that the published networks were built with."""
    args = snapshot.generator_args
    if argument(args, "use_radial_filters", default=False) or argument(args, "conv_kernel", default=3) == 1:
        raise CheckpointError("it is a StyleGAN3-R network (1×1 convolutions, radial filters); StyleSV builds on -T")
    require(args, _FIXED)
    generator: dict[str, Any] = {
        **mapping_settings(snapshot),
        "num_layers": sum(_LAYER.fullmatch(name) is not None for name in snapshot.generator) - 1,  # the last is ToRGB
        "num_critical": argument(args, "num_critical", default=2),
        "first_cutoff": argument(args, "first_cutoff", default=2),
        "first_stopband": argument(args, "first_stopband", default=2**2.1),
        "last_stopband_rel": argument(args, "last_stopband_rel", default=2**0.3),
        "margin": argument(args, "margin_size", default=10),
        "output_scale": argument(args, "output_scale", default=0.25),
        **given(args, {"magnitude_decay": "magnitude_ema_beta"}),
    }
    data = {
        "resolution": argument(args, "img_resolution"),
        "generator": generator,
        "discriminator": discriminator_settings(snapshot),
    }
    if has_motion(snapshot):
        generator["fuse"] = argument(args, "cfg.fuse_w")
        generator["low_rank"] = max(0, argument(args, "cfg.low_rank", default=0))
        kind = "linear"
        if argument(args, "cfg.bspline", default=False):
            kind = "bspline-embedding" if argument(args, "cfg.bs_emb", default=False) else "bspline"
        data["motion"] = {**motion_settings(args), "kind": kind}
    return from_dict(StyleSVConfig, data)


def published_generator(state: Mapping[str, Tensor], config: StyleSVConfig) -> dict[str, Tensor]:
    """The generator's tensors, named as ours are.

    `low_rank_gain` is ours alone; it equals one in the published network. An image network's w passes through the
    layer that joins it with the motion as it is.
    """
    to_rgb = f"synthesis.layers.{config.generator.num_layers}."
    result = {}
    for name, value in renamed(state, RULES).items():
        name = name.replace(to_rgb, "synthesis.to_rgb.")
        result[name] = value
        if name.endswith("low_rank_out"):
            result[name.replace("low_rank_out", "low_rank_gain")] = ones(value.shape[0])
    if not any(name.startswith("motion.") for name in result):
        w_dim, inputs = config.generator.w_dim, config.generator.w_dim + config.motion.v_dim
        result["synthesis.join.weight"] = eye(w_dim, inputs) * math.sqrt(inputs)  # divided by it at run time
        result["synthesis.join.bias"] = zeros(w_dim)
        result["synthesis.input_motion.bias"] = zeros(len(result["synthesis.input.weight"]))
        result["synthesis.motion_mask"] = zeros(1, inputs - w_dim)
    return result


PUBLISHED = Published(recognizes, published_config, published_generator, published_discriminator)
