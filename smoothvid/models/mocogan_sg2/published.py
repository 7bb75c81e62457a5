"""Published MoCoGAN networks on StyleGAN2: their settings, and what their tensors are called here."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from smoothvid.models.mocogan_sg2.config import MoCoGANSG2Config
from smoothvid.models.published import (
    MAPPING_RULES,
    STYLEGAN2_RULES,
    Published,
    Rules,
    Snapshot,
    argument,
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
_IMAGE, _VIDEO = "image_discr.", "video_discr.main."


def recognizes(snapshot: Snapshot) -> bool:
    """Whether its generator has StyleGAN2's synthesis blocks and an LSTM's motion."""
    return {"synthesis.b4.conv1.weight", "synthesis.motion_encoder.rnn.weight_ih_l0"} <= set(snapshot.generator)


def published_config(snapshot: Snapshot) -> MoCoGANSG2Config:
    """The settings that the published networks were built with."""
    args, judge = snapshot.generator_args, snapshot.discriminator_args
    require(args, {"img_channels": 3, "architecture": "skip", "resample_filter": [1, 3, 3, 1]})
    motion = {
        "z_dim": argument(args, "cfg.motion.z_dim"),
        "distance": argument(args, "cfg.motion.motion_z_distance"),
        "memory": argument(args, "cfg.max_num_frames", "cfg.sampling.max_num_frames", default=64),
    }
    data = {"resolution": argument(args, "img_resolution"), "motion": motion, "generator": mapping_settings(snapshot)}
    if judge is not None and snapshot.discriminator is not None:
        first = snapshot.discriminator.get(f"{_VIDEO}1.weight")
        data["discriminator"] = {
            "channel_base": argument(judge, "channel_base", default=32768),
            "channel_max": argument(judge, "channel_max", default=512),
            "mbstd_group": argument(judge, "mbstd_group_size", "cfg.mbstd_group_size", default=4),
            "video_width": 64 if first is None else len(first),
            # Other numbers than 0 are counted otherwise there: 6 is two on either side, for three frames.
            "time_padding": 0 if argument(judge, "cfg.video_discr_num_t_paddings", default=None) == 0 else None,
        }
    return from_dict(MoCoGANSG2Config, data)


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
