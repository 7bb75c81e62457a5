"""Published StyleGAN-V networks, and StyleGAN2 image networks to start from: their settings, their tensors' names."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, cat, ones

from smoothvid.models.published import (
    FIXED,
    MAPPING_RULES,
    MOTION_RULES,
    STYLEGAN2_RULES,
    Published,
    Snapshot,
    argument,
    discriminator_settings,
    has_motion,
    mapping_settings,
    motion_settings,
    published_discriminator,
    renamed,
    require,
)
from smoothvid.models.styleganv.config import StyleGANVConfig
from smoothvid.settings import from_dict

_FIXED = {
    **FIXED,
    "architecture": "skip",
    "cfg.motion.fourier": True,
    "cfg.motion.gen_strategy": "conv",
    "cfg.input.type": "temporal",
    "cfg.time_enc.cond_type": "concat_const",
}


def recognizes(snapshot: Snapshot) -> bool:
    """Whether its generator has StyleGAN2's synthesis blocks, and no recurrent motion."""
    return "synthesis.b4.conv1.weight" in snapshot.generator and (
        not has_motion(snapshot) or argument(snapshot.generator_args, "cfg.motion.gen_strategy", default="") == "conv"
    )


def published_config(snapshot: Snapshot) -> StyleGANVConfig:
    """The settings that the published networks were built with."""
    args = snapshot.generator_args
    require(args, _FIXED)
    data: dict[str, Any] = {
        "resolution": argument(args, "img_resolution"),
        "generator": mapping_settings(snapshot),
        "discriminator": discriminator_settings(snapshot),
    }
    if has_motion(snapshot):
        data["motion"] = {**motion_settings(args), "kind": "linear"}
    return from_dict(StyleGANVConfig, data)


def published_generator(state: Mapping[str, Tensor], config: StyleGANVConfig) -> dict[str, Tensor]:
    """The generator's tensors, named as ours are; in an image network nothing reads the motion yet."""
    result = renamed(state, [*MAPPING_RULES, *MOTION_RULES, *STYLEGAN2_RULES])
    const = result["synthesis.const"]
    result["synthesis.const"] = const.reshape(const.shape[-3:])  # a batch of one in some
    if not any(name.startswith("motion.") for name in result):
        v_dim, conv = config.motion.v_dim, "synthesis.blocks.4.conv1."
        weight, style, bias = (result[conv + name] for name in ("weight", "affine.weight", "affine.bias"))
        result[conv + "weight"] = cat([weight, weight.new_zeros(len(weight), v_dim, *weight.shape[2:])], dim=1)
        result[conv + "affine.weight"] = cat([style, style.new_zeros(v_dim, style.shape[1])])
        result[conv + "affine.bias"] = cat([bias, ones(v_dim)])
    return result


PUBLISHED = Published(recognizes, published_config, published_generator, published_discriminator)
