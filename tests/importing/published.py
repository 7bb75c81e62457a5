"""Small networks of ours under published names, and what the published constructors would have got for them."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from smoothvid.models import get_family
from smoothvid.settings import from_dict

from .standins import DictConfig, EasyDict, network

MOTION = {"z_dim": 8, "fourier_dim": 8, "distance": 4, "kernel_size": 3, "min_period": 4.0, "max_period": 16.0}
DISCRIMINATOR = {"channel_max": 16, "channel_base": 256, "fusion_resolution": 8, "time_embedding": 8}
STYLEGAN2 = {"z_dim": 8, "w_dim": 16, "channel_max": 8, "channel_base": 128}
STYLESV = {**STYLEGAN2, "num_layers": 4, "first_stopband": 4.0, "margin": 2}

NAMES = [  # ours → published, the same for all
    (r"mapping\.layers\.(\d+)\.", r"mapping.fc\1."),
    (r"motion\.conv(\d)\.", r"synthesis.motion_encoder.conv.\1."),
    (r"motion\.speed\.", "synthesis.motion_encoder.time_encoder.periods_predictor."),
    (r"motion\.phase\.", "synthesis.motion_encoder.time_encoder.phase_predictor."),
    (r"motion\.align\.", "synthesis.motion_encoder.time_encoder.aligners_predictor."),
    (r"synthesis\.blocks\.(\d+)\.to_rgb\.", r"synthesis.b\1.torgb."),
    (r"synthesis\.blocks\.(\d+)\.", r"synthesis.b\1."),
    (r"synthesis\.const$", "synthesis.b4.input.input.const"),
    (r"synthesis\.join\.", "synthesis.affine_w."),
    (r"synthesis\.input_motion\.", "synthesis.input.motion_affine."),
    (r"synthesis\.to_rgb\.(conv\.)?", "synthesis.L4_16_3."),
    (r"synthesis\.layers\.(\d+)\.(conv\.)?", r"synthesis.L\1_16_8."),
]
LOW_RANK = [(".low_rank_out", ".w1"), (".low_rank_in", ".w2"), ("_8.motion_affine.", "_8.affine_t.")]
LOW_RANK += [("_3.motion_affine.", "_3.affine_t.")]
JUDGE_NAMES = [
    (r"from_rgb\.", "b16.fromrgb."),
    (r"blocks\.(\d+)\.", r"b\1."),
    (r"head\.", "b4."),
    (r"condition\.embed\.", "mapping.embed."),
    (r"condition\.layers\.(\d+)\.", r"mapping.fc\1."),
    (r"gap_encoding\.embedding\.", "time_encoder.const_embed."),
]


def settings(family: str, **changes: Any) -> Any:
    """A family's settings at 16 × 16: `settings("stylesv", motion={"kind": "linear"})`."""
    generator = STYLESV if family == "stylesv" else STYLEGAN2
    parts = {"motion": {"kind": "linear", **MOTION}, "generator": generator, "discriminator": DISCRIMINATOR}
    data = {name: {**part, **changes.get(name, {})} for name, part in parts.items()}
    return from_dict(get_family(family).config_class, {"resolution": 16, **data})


def built(family: str, config: Any, c_dim: int = 0, num_frames: int = 3, seed: int = 0) -> tuple[nn.Module, nn.Module]:
    """A generator, every tensor of it moved from where it starts, and a discriminator."""
    there = get_family(family)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        networks = (
            there.build_generator(config, c_dim, num_frames == 1),
            there.build_discriminator(config, num_frames, c_dim),
        )
        for tensor in networks[0].state_dict().values():
            tensor.add_(torch.rand_like(tensor) * 0.1)
        for name, tensor in networks[0].state_dict().items():
            if name.endswith("low_rank_gain"):
                tensor.fill_(1)  # there is no such number in published networks
    return networks


def published(state: Mapping[str, Tensor], names: list[tuple[str, str]]) -> dict[str, Tensor]:
    """Tensors under published names, with filters among them, as there."""
    result = {}
    for name, tensor in state.items():
        name = next((re.sub(rule, to, name) for rule, to in names if re.match(rule, name)), name)
        if name.endswith("low_rank_gain"):
            continue
        for low_rank, letter in LOW_RANK:
            name = name.replace(low_rank, letter)
        result[name] = tensor[None] if name.endswith("input.const") else tensor
        if name.endswith(("conv0.weight", "conv1.weight")):
            result[name.replace("weight", "resample_filter")] = torch.ones(4, 4)
    return result


def video_cfg(config: Any, num_frames: int = 3, **changes: Any) -> dict[str, Any]:
    """The whole `cfg` of a run, of which constructors get one branch; parts refer to each other."""
    m, d = config.motion, config.discriminator
    generator = {
        "z_dim": config.generator.z_dim,
        "w_dim": "${model.w_dim}",
        "motion": {
            "z_dim": "${..z_dim}",
            "v_dim": "${model.generator.motion.z_dim}",
            "motion_z_distance": "${sampling.distance}",
            "gen_strategy": "conv",
            "kernel_size": m.kernel_size,
        },
        "time_enc": {
            "dim": m.fourier_dim,
            "min_period_len": "${sampling.distance}",
            "max_period_len": int(m.max_period),
        },
        "sampling": "${sampling}",
        **changes,
    }
    discriminator = {
        "sampling": "${sampling}",
        "concat_res": d.fusion_resolution,
        "tsm": d.temporal_shift,
        "tmean": d.fusion == "mean",
        "mbstd_group_size": d.mbstd_group,
    }
    sampling = {
        "name": "random${.num_frames_per_video}",
        "fps": 30,
        "num_frames_per_video": num_frames,
        "distance": m.distance,
    }
    return {
        "model": {"w_dim": config.generator.w_dim, "generator": generator, "discriminator": discriminator},
        "sampling": sampling,
    }


def stylesv_cfg(config: Any, num_frames: int = 3) -> dict[str, Any]:
    kind, g = config.motion.kind, config.generator
    return video_cfg(
        config,
        num_frames,
        fuse_w=g.fuse,
        bspline=kind.startswith("bspline"),
        bs_emb=kind == "bspline-embedding",
        low_rank=g.low_rank or -1,
        learnable_motion_mask=num_frames > 1,
        offset=0,
    )


def snapshot(
    marker: Path,
    config: Any,
    generators: tuple[nn.Module, nn.Module],
    discriminator: nn.Module,
    cfg: Any,
    c_dim: int = 0,
) -> dict[str, Any]:
    """What the published training loop would save: G, D, G_ema and more."""
    root, g, d = DictConfig(cfg), config.generator, config.discriminator
    branches = root._content["model"]._content  # type: ignore[attr-defined]
    sizes = EasyDict(channel_base=g.channel_base, channel_max=g.channel_max, num_fp16_res=0, conv_clamp=256)
    own = {name: getattr(g, name) for name in ("num_layers", "first_stopband") if hasattr(g, name)}
    own |= {"margin_size": g.margin} if hasattr(g, "margin") else {}
    common = {"c_dim": c_dim, "img_resolution": config.resolution, "img_channels": 3}
    nets = {}
    for name, generator in zip(("G", "G_ema"), generators, strict=True):
        tensors = published(generator.state_dict(), NAMES)
        kwargs = {"w_dim": g.w_dim, "cfg": branches["generator"], "synthesis_kwargs": EasyDict(sizes, **own), **common}
        nets[name] = network("Generator", tensors, marker, **kwargs)
    judge = {
        "channel_base": d.channel_base,
        "channel_max": d.channel_max,
        "epilogue_kwargs": EasyDict(mbstd_group_size=4),
    }
    tensors = published(discriminator.state_dict(), JUDGE_NAMES)
    return {
        "training_set_kwargs": EasyDict(class_name="training.dataset.VideoFramesFolderDataset", path="/data", cfg=root),
        "G": nets["G"],
        "D": network("Discriminator", tensors, marker, cfg=branches["discriminator"], **judge, **common),
        "G_ema": nets["G_ema"],
        "augment_pipe": network("AugmentPipe", {"Hz_geom": torch.ones(12), "p": torch.tensor(0.2)}, marker, xflip=1),
        "G_opt": {
            "state": {0: {"step": 3, "exp_avg": torch.ones(2, 3)}},
            "param_groups": [{"lr": np.float64(0.1), "betas": (0, 0.99), "device": torch.device("cpu")}],
            "shape": torch.Size([2, 3]),
            "dtype": torch.float32,
        },
        "augment_p": 0.2,
    }
