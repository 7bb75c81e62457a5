"""Published weights: how those of a family are recognized, and what their tensors are called here.

Weights trained elsewhere are matched by these rules alone. Filters and fixed frequencies are recomputed, so their
entries have no counterpart; nor have noise inputs, which would stick to the screen. Whatever else the networks were
built with is a setting here, or has the one value that the networks here have, or is refused.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from smoothvid.errors import CheckpointError
from smoothvid.nn.lrelu import CLAMP

Rules = Sequence[tuple[str, str]]
"""(published pattern, our name) each."""

MAPPING_RULES: Rules = [
    (r"mapping\.w_avg", r"mapping.w_avg"),
    (r"mapping\.embed\.(weight|bias)", r"mapping.embed.\1"),
    (r"mapping\.fc(\d+)\.(weight|bias)", r"mapping.layers.\1.\2"),
]
MOTION_RULES: Rules = [
    (r"synthesis\.motion_encoder\.conv\.(\d)\.(weight|bias)", r"motion.conv\1.\2"),
    (r"synthesis\.motion_encoder\.time_encoder\.periods_predictor\.weight", r"motion.speed.weight"),
    (r"synthesis\.motion_encoder\.time_encoder\.phase_predictor\.weight", r"motion.phase.weight"),
    (r"synthesis\.motion_encoder\.time_encoder\.aligners_predictor\.weight", r"motion.align.weight"),
]
STYLEGAN2_RULES: Rules = [
    (r"synthesis\.b(\d+)\.conv(\d)\.(weight|bias)", r"synthesis.blocks.\1.conv\2.\3"),
    (r"synthesis\.b(\d+)\.conv(\d)\.affine\.(weight|bias)", r"synthesis.blocks.\1.conv\2.affine.\3"),
    (r"synthesis\.b(\d+)\.torgb\.(weight|bias)", r"synthesis.blocks.\1.to_rgb.\2"),
    (r"synthesis\.b(\d+)\.torgb\.affine\.(weight|bias)", r"synthesis.blocks.\1.to_rgb.affine.\2"),
    (r"synthesis\.b4\.(?:input\.input\.const|input\.input|const)", r"synthesis.const"),
]
DISCRIMINATOR_RULES: Rules = [
    (r"b\d+\.fromrgb\.(weight|bias)", r"from_rgb.\1"),
    (r"b4\.(conv|fc|out)\.(weight|bias)", r"head.\1.\2"),
    (r"b(\d+)\.(conv0|conv1|skip)\.(weight|bias)", r"blocks.\1.\2.\3"),
    (r"mapping\.embed\.(weight|bias)", r"condition.embed.\1"),
    (r"mapping\.fc(\d+)\.(weight|bias)", r"condition.layers.\1.\2"),
    (r"time_encoder\.const_embed\.weight", r"gap_encoding.embedding.weight"),
]
RECOMPUTED = re.compile(
    r"(.*\.)?(up_filter|down_filter|resample_filter|fourier_coefs)"
    r"|.*time_encoder\.(freqs|phase_scales)"
)
NOISE = re.compile(r"(.*\.)?noise_(const|strength)")

FIXED = {
    "img_channels": 3,
    "activation": "lrelu",
    "resample_filter": [1, 3, 3, 1],
    "mapping_activation": "lrelu",
    "mapping_lr_multiplier": 0.01,
}
"""Arguments of which the networks here have one value only."""
_DISCRIMINATOR_FIXED = {**FIXED, "architecture": "resnet", "mbstd_num_channels": 1}
_IDLE = re.compile(  # arguments that change nothing in what the tensors, whose shapes are checked, compute
    r"class_name|cfg\.(source|fmaps)"
    r"|(cfg\.)?(c_dim|num_ws|num_layers|cmap_dim)|mapping_(num_layers|num_ws|embed_features|layer_features)"
    r"|cfg\.motion\.(v_dim|kernel_size)|cfg\.(motion\.)?time_enc\.(dim|min_period_len|max_period_len)"  # if unread
    r"|num_fp16_res|use_fp16|(fp16_)?channels_last|fused_modconv_default"  # precision and speed
    r"|use_noise|cfg\.use_noise"  # see NOISE
    r"|freeze_layers|mapping_w_avg_beta|cfg\.(freezesyn|freezemap|always_update|always_lr|video_discr_lr_multiplier)"
    r"|cfg\.(learnable_motion_mask|init_motion_mask)|cfg\.motion\.use_fractional_t|.*\.phase_dropout_std"  # training
    r"|cfg\.(sampling(\..*)?|fps|(max_)?num_frames(_per_video)?)|fps"  # the data
)


class Arguments(dict[str, Any]):
    """What a network was built with, by name; `asked` notes the dotted names that have been looked at."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__(values)
        self.asked: set[str] = set()


@dataclass(frozen=True)
class Snapshot:
    """Networks trained elsewhere: what they were built with, and their tensors under published names."""

    generator_args: "Arguments"
    generator: Mapping[str, Tensor]
    discriminator_args: "Arguments | None" = None
    discriminator: Mapping[str, Tensor] | None = None


@dataclass(frozen=True)
class Published:
    """How a family takes over weights trained elsewhere.

    recognizes(snapshot) says whether its generator is of this family; config(snapshot) gives the family's settings;
    generator(tensors, config) and discriminator(tensors, config) name the tensors as ours are.
    """

    recognizes: Callable[[Snapshot], bool]
    config: Callable[[Snapshot], Any]
    generator: Callable[[Mapping[str, Tensor], Any], dict[str, Tensor]]
    discriminator: Callable[[Mapping[str, Tensor], Any], dict[str, Tensor]]


def renamed(state: Mapping[str, Tensor], rules: Rules) -> dict[str, Tensor]:
    """Name tensors as the rules say, without those that are recomputed.

    Raises:
        KeyError: an entry that no rule names.
    """
    result = {}
    for name, value in state.items():
        if RECOMPUTED.fullmatch(name) or NOISE.fullmatch(name):
            continue
        ours = next((re.sub(rule, to, name) for rule, to in rules if re.fullmatch(rule, name)), None)
        if ours is None:
            raise KeyError(name)
        result[ours] = value
    return result


def published_discriminator(state: Mapping[str, Tensor], config: Any = None) -> dict[str, Tensor]:
    """The discriminator's tensors, named as nn.video_discriminator's are."""
    return renamed(state, DISCRIMINATOR_RULES)


_MISSING: Any = object()


def argument(args: Arguments, *names: str, default: Any = _MISSING) -> Any:
    """What a network was built with under the first of these dotted names that is there, else the default.

    Raises:
        CheckpointError: it is not there and has no default, or refers to a place outside of the file.
    """
    args.asked.update(names)
    for name in names:
        value: Any = args
        for key in name.split("."):
            value = value.get(key) if isinstance(value, Mapping) else None
        if isinstance(value, str) and "${" in value:
            raise CheckpointError(f"its {name} is {value}, which leads out of what the file holds")
        if value is not None and value != "???":  # which is how OmegaConf writes that it has none
            return value
    if default is _MISSING:
        raise CheckpointError(f"it does not say what its {names[0]} is")
    return default


def require(args: Arguments, fixed: Mapping[str, Any]) -> None:
    """Raise CheckpointError for a network built with another value of what is fixed here."""
    for name, value in fixed.items():
        theirs = argument(args, name, default=value)
        if theirs != value:
            raise CheckpointError(f"it was built with {name} = {theirs}; the networks here have {value} only")


def refuse_rest(snapshot: Snapshot) -> None:
    """Once its settings are read: raise CheckpointError for an argument that nobody has asked for and that is not idle.

    What is None, or in a `cfg` false, is switched off.
    """
    for network, args in (("generator", snapshot.generator_args), ("discriminator", snapshot.discriminator_args)):
        without_motion = network == "generator" and not has_motion(snapshot)
        for name, value in _leaves(args or {}):
            known = args is not None and name in args.asked or _IDLE.fullmatch(name)
            off = value is None or value == "???" or name.startswith("cfg.") and (value is False or without_motion)
            if not known and not off:
                raise CheckpointError(
                    f"its {network} was built with {name} = {value}, which the networks here do not know"
                )


def _leaves(args: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Values by dotted names."""
    for name, value in args.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def clamp_setting(args: Arguments) -> float | None:
    """The bound on activations. A network that says nothing of it is taken to have the usual one; None is none."""
    if "conv_clamp" in args and args["conv_clamp"] is None:
        return None
    clamp: float | None = argument(args, "conv_clamp", default=CLAMP)
    return clamp


def motion_settings(args: Arguments) -> dict[str, Any]:
    """Settings of nn.motion beside its kind, out of a generator's arguments."""
    return {
        "z_dim": argument(args, "cfg.motion.z_dim"),
        "fourier_dim": argument(args, "cfg.time_enc.dim", "cfg.motion.time_enc.dim"),
        "distance": argument(args, "cfg.motion.motion_z_distance"),
        "kernel_size": argument(args, "cfg.motion.kernel_size"),
        "min_period": argument(args, "cfg.time_enc.min_period_len", "cfg.motion.time_enc.min_period_len"),
        "max_period": argument(args, "cfg.time_enc.max_period_len", "cfg.motion.time_enc.max_period_len"),
    }


def mapping_settings(snapshot: Snapshot) -> dict[str, Any]:
    """Settings of a generator's mapping, and its widths."""
    args = snapshot.generator_args
    return {
        "z_dim": argument(args, "z_dim", "cfg.z_dim", default=512),
        "w_dim": argument(args, "w_dim", "cfg.w_dim", default=512),
        "mapping_layers": sum(re.fullmatch(r"mapping\.fc\d+\.weight", name) is not None for name in snapshot.generator),
        "channel_base": argument(args, "channel_base", default=32768),
        "channel_max": argument(args, "channel_max", default=512),
        "clamp": clamp_setting(args),
        **given(args, {"w_avg_decay": "mapping_w_avg_beta"}),
    }


def given(args: Arguments, names: Mapping[str, str]) -> dict[str, Any]:
    """Our settings for those of these arguments that were given."""
    found = {ours: argument(args, theirs, default=None) for ours, theirs in names.items()}
    return {ours: value for ours, value in found.items() if value is not None}


def discriminator_settings(snapshot: Snapshot) -> dict[str, Any]:
    """Settings of nn.video_discriminator, as far as the snapshot's discriminator says something of them."""
    args, tensors = snapshot.discriminator_args, snapshot.discriminator
    if args is None or tensors is None:
        return {}
    require(args, _DISCRIMINATOR_FIXED)
    argument(args, "img_resolution", default=None)  # the generator's; its tensors tell if it were another
    embedding = tensors.get("time_encoder.const_embed.weight")
    mean = argument(args, "cfg.tmean", default=None if "cfg" in args else True)  # that alone fits a plain image network
    uniform = argument(args, "cfg.sampling.type", default="") == "uniform"
    found = {
        "channel_base": argument(args, "channel_base", default=32768),
        "channel_max": argument(args, "channel_max", default=512),
        "mbstd_group": argument(args, "mbstd_group_size", "cfg.mbstd_group_size", default=None),
        "temporal_shift": argument(args, "cfg.tsm", default=None),
        "fusion": None if mean is None else "mean" if mean else "concat",
        "fusion_resolution": argument(args, "cfg.concat_res", default=None),
        "fusion_divisor": argument(args, "cfg.num_frames_div_factor", default=None),
        "hears_conditions": not argument(args, "cfg.dummy_c", default=False),
        "time_embedding": None if embedding is None else embedding.shape[-1],
        "gaps": "first" if uniform else "all",
        "balance_labels": False if "cfg" in args else None,
    }
    return {"clamp": clamp_setting(args)} | {name: value for name, value in found.items() if value is not None}


def has_motion(snapshot: Snapshot) -> bool:
    """Whether a generator makes videos; else it is one of images, and what motion needs starts fresh."""
    return any("motion_encoder." in name for name in snapshot.generator)
