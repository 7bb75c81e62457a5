"""Published MoCoGAN networks on StyleGAN2: their settings, and what their tensors are called here."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from smoothvid.errors import CheckpointError
from smoothvid.models.mocogan_sg2.config import MoCoGANSG2Config
from smoothvid.models.published import (
    FIXED,
    MAPPING_RULES,
    STYLEGAN2_RULES,
    Published,
    Rules,
    Snapshot,
    argument,
    discriminator_settings,
    mapping_settings,
    published_discriminator,
    renamed,
    require,
)
from smoothvid.settings import from_dict

_MOTION_RULES: Rules = [
    (r"synthesis\.motion_encoder\.rnn\.(\w+)", r"motion.rnn.\1"),
    (r"synthesis\.motion_encoder\.mapping\.embed\.(weight|bias)", r"motion.mapping.embed.\1"),
    (r"synthesis\.motion_encoder\.mapping\.fc(\d+)\.(weight|bias)", r"motion.mapping.layers.\1.\2"),
]
_FIXED = {
    **FIXED,
    "architecture": "skip",
    "cfg.motion.fourier": False,
    "cfg.motion.gen_strategy": "autoregressive",
    "cfg.input.type": "const",
    "cfg.time_enc.cond_type": "concat_w",
}
_IMAGE, _VIDEO = "image_discr.", "video_discr.main."


def recognizes(snapshot: Snapshot) -> bool:
    """Whether its generator has StyleGAN2's synthesis blocks and an LSTM's motion."""
    return {"synthesis.b4.conv1.weight", "synthesis.motion_encoder.rnn.weight_ih_l0"} <= set(snapshot.generator)


def published_config(snapshot: Snapshot) -> MoCoGANSG2Config:
    """The settings that the published networks were built with."""
    args = snapshot.generator_args
    require(args, _FIXED)
    motion = {
        "z_dim": argument(args, "cfg.motion.z_dim"),
        "distance": argument(args, "cfg.motion.motion_z_distance"),
        "memory": argument(args, "cfg.max_num_frames", "cfg.sampling.max_num_frames", default=64),
    }
    data = {
        "resolution": argument(args, "img_resolution"),
        "motion": motion,
        "generator": mapping_settings(snapshot),
        "discriminator": pair_settings(snapshot),
    }
    return from_dict(MoCoGANSG2Config, data)


def pair_settings(snapshot: Snapshot) -> dict[str, Any]:
    """Settings of the two judges, as far as the snapshot's say something of them."""
    args, tensors = snapshot.discriminator_args, snapshot.discriminator
    if args is None or tensors is None:
        return {}
    image, first = discriminator_settings(snapshot), tensors.get(f"{_VIDEO}1.weight")
    names = "channel_base", "channel_max", "mbstd_group", "clamp"
    return {
        **{name: image[name] for name in names if name in image},
        "video_width": 64 if first is None else len(first),
        **_time_padding(argument(args, "cfg.video_discr_num_t_paddings", default=None), tensors),
    }


def _time_padding(padded: Any, tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """Published judges pad so many of their first layers, by two frames on either side; None leaves it to us."""
    if padded is None:
        return {}
    if type(padded) is not int or padded < 0:
        raise CheckpointError(f"it was built with video_discr_num_t_paddings = {padded}, which is no number of layers")
    layers = [value for name, value in tensors.items() if name.startswith(_VIDEO) and value.ndim == 5]
    layers = [value for value in layers if value.shape[2] == 4]  # the others keep a video's length in any case
    return {"time_padding": 2 if padded else 0, "padded_layers": padded if 0 < padded < len(layers) else None}


def published_generator(state: Mapping[str, Tensor], config: Any = None) -> dict[str, Tensor]:
    """The generator's tensors, named as ours are."""
    result = renamed(state, [*MAPPING_RULES, *_MOTION_RULES, *STYLEGAN2_RULES])
    const = result["synthesis.const"]
    return {**result, "synthesis.const": const.reshape(const.shape[-3:])}


def published_pair(state: Mapping[str, Tensor], config: Any = None) -> dict[str, Tensor]:
    """The tensors of both judges, named as ours are.

    The video judge is one list of parts: noise, convolution, activation; then noise, convolution, norm, activation
    again and again; a convolution at last. So convolutions are number 1, 4, 8 .. and the last, norms 5, 9 ..
    """
    image = {name.removeprefix(_IMAGE): value for name, value in state.items() if not name.startswith(_VIDEO)}
    result = {f"image.{name}": value for name, value in published_discriminator(image).items()}
    for name, value in state.items():
        if name.startswith(_VIDEO):
            number, tensor = name.removeprefix(_VIDEO).split(".")
            layer, is_norm = round(int(number) / 4), int(number) % 4 == 1 and number != "1"
            result[f"video.{layer}.{'norm' if is_norm else 'conv'}.{tensor}"] = value
    return result


PUBLISHED = Published(recognizes, published_config, published_generator, published_pair)
