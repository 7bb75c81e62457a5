"""What a snapshot holds → networks of a family here: every tensor finds its place, or is named as left out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from smoothvid.errors import CheckpointError, ConfigError
from smoothvid.importing.read import Contents
from smoothvid.models import family_names, get_family
from smoothvid.models.family import Family
from smoothvid.models.published import (
    NOISE,
    RECOMPUTED,
    Arguments,
    Published,
    Snapshot,
    argument,
    has_motion,
    refuse_rest,
)

_MEAN_OF = 4096  # contents
Rename = Callable[[Mapping[str, Tensor], Any], dict[str, Tensor]]


@dataclass
class Converted:
    """Networks of ours that hold a snapshot's weights."""

    family: Family
    config: Any
    c_dim: int
    image_only: bool
    fps: float | None
    """Frames per second of its dataset, if it says."""
    networks: dict[str, nn.Module] = field(default_factory=dict)
    """Those of "average" (what samples are made with), "generator" and "discriminator" that the snapshot has."""
    taken: dict[str, int] = field(default_factory=dict)
    """Tensors taken over, by published network."""
    fresh: list[str] = field(default_factory=list)
    """Tensors of the generator that an image network has nothing for."""
    left_out: dict[str, str] = field(default_factory=dict)
    """What else there was, and what it is."""
    notes: list[str] = field(default_factory=list)
    """What else was done."""


def convert(contents: Contents) -> Converted:
    """Find the family of a snapshot's networks and take them over.

    Raises:
        CheckpointError: there is no generator, or none of a family here, or its tensors do not fit its settings.
    """
    main = "G_ema" if "G_ema" in contents.networks else "G"
    if main not in contents.networks:
        raise CheckpointError(f"it holds no generator (G_ema or G), only {', '.join(contents.left_out) or 'nothing'}")
    snapshot = Snapshot(
        generator_args=_arguments(contents.networks[main]),
        generator=contents.tensors[main],
        discriminator_args=_arguments(contents.networks["D"]) if "D" in contents.networks else None,
        discriminator=contents.tensors.get("D"),
    )
    family, published = _family(snapshot)
    try:
        config = published.config(snapshot)
        refuse_rest(snapshot)
    except (ConfigError, IndexError, TypeError, ValueError) as error:
        raise CheckpointError(f"no {family.name} here can be built as it was: {error}") from None
    labels, num_frames = snapshot.generator.get("mapping.embed.weight"), _num_frames(snapshot)
    c_dim, image_only = labels.shape[1] if labels is not None and labels.ndim == 2 else 0, num_frames == 1
    fps = _fps(snapshot.generator_args) or _fps(Arguments(contents.settings))
    result = Converted(family, config, c_dim, image_only, fps, left_out=dict(contents.left_out))

    def generator() -> nn.Module:
        return family.build_generator(config, c_dim, image_only)

    def discriminator() -> nn.Module:
        return family.build_discriminator(config, num_frames, c_dim)

    for ours, theirs, build, rename in (
        ("average", main, generator, published.generator),
        ("generator", "G" if main != "G" else "", generator, published.generator),
        ("discriminator", "D", discriminator, published.discriminator),
    ):
        if theirs in contents.tensors:
            try:
                may_lack = build is generator and not has_motion(snapshot)
                network, fresh = _filled(build, rename, contents.tensors[theirs], config, may_lack)
            except CheckpointError as error:
                if theirs == main:
                    raise
                result.left_out[theirs] = f"does not fit: {error}"
            else:
                result.networks[ours], result.fresh = network, result.fresh or fresh
                _count(result, theirs, contents.tensors[theirs])
    _find_mean(result)
    return result


def _arguments(network: Mapping[str, Any]) -> Arguments:
    """What a network was built with, by name: options of its parts beside its own, and `cfg` wherever it stood.

    Raises:
        CheckpointError: an argument without a name, whose meaning its place alone tells.
    """
    flat = dict(network["kwargs"]) if isinstance(network.get("kwargs"), dict) else {}
    for item in network.get("args") or []:
        if not isinstance(item, dict) or "cfg" in flat:
            raise CheckpointError(f"it was built with the unnamed argument {item}, which the networks here do not know")
        flat["cfg"] = item
    for part, prefix in (("synthesis", ""), ("block", ""), ("layer", ""), ("epilogue", ""), ("mapping", "mapping_")):
        options = flat.get(f"{part}_kwargs")
        if isinstance(options, dict):
            del flat[f"{part}_kwargs"]
            for name, value in options.items():
                flat.setdefault(prefix + name, value)
    return Arguments(flat)


def _family(snapshot: Snapshot) -> tuple[Family, Published]:
    for name in family_names():
        family = get_family(name)
        if family.published is not None and family.published.recognizes(snapshot):
            return family, family.published
    raise CheckpointError(
        "its generator is of no kind known here; those of StyleSV, StyleGAN-V, MoCoGAN on StyleGAN2, StyleGAN3-T and "
        "StyleGAN2 are"
    )


def _num_frames(snapshot: Snapshot) -> int:
    """How many frames of a video its discriminator judges together; 1 for image networks."""
    if not has_motion(snapshot):
        return 1
    names = "cfg.sampling.num_frames_per_video", "cfg.num_frames_per_video"
    found = argument(snapshot.discriminator_args or snapshot.generator_args, *names, default=3)
    return found if isinstance(found, int) and 1 <= found <= 1024 else 3


def _fps(args: Arguments) -> float | None:
    try:
        found = argument(args, "cfg.sampling.fps", "cfg.fps", "fps", default=None)
    except CheckpointError:  # it leads out of the file; one can live without
        return None
    return float(found) if isinstance(found, int | float) and 0 < found < 1e4 else None


def _filled(
    build: Callable[[], nn.Module], rename: Rename, tensors: Mapping[str, Tensor], config: Any, may_lack: bool
) -> tuple[nn.Module, list[str]]:
    """A network with these tensors, given under published names, in it; also the names of those it keeps of its own.

    Raises:
        CheckpointError: one has no place in it, or, unless it may lack some, one is missing.
    """
    try:
        renamed = rename(tensors, config)
        with torch.device("meta"):  # nothing is built as large as they say before their tensors are seen to be
            own = build().state_dict()
    except KeyError as error:
        raise CheckpointError(f"its tensors do not fit: {error.args[0]} has no counterpart") from None
    except (IndexError, RuntimeError, TypeError, ValueError) as error:
        raise CheckpointError(f"its tensors do not fit: {' '.join(str(error).split())[:200]}") from None
    for name, tensor in renamed.items():
        if name not in own or own[name].shape != tensor.shape:
            there = list(own[name].shape) if name in own else "nothing"
            raise CheckpointError(f"its {name} is {list(tensor.shape)}, by its settings there is {there}")
    fresh = [name for name in own if name not in renamed]
    if fresh and not may_lack:
        raise CheckpointError(f"it lacks {fresh[0]}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # what is fresh is the same in each import
        network = build()
    network.load_state_dict({**network.state_dict(), **renamed})
    return network, fresh


def _count(result: Converted, theirs: str, tensors: Mapping[str, Tensor]) -> None:
    """Note how many tensors of a network were taken over, and which kinds were not."""
    result.taken[theirs] = len(tensors)
    for pattern, what in ((RECOMPUTED, "filters and fixed frequencies, made anew"), (NOISE, "noise, not used here")):
        names = [name for name in tensors if pattern.fullmatch(name)]
        if names:
            result.taken[theirs] -= len(names)
            result.left_out[f"{theirs}: {len(names)} like {names[0]}"] = what


@torch.no_grad()
def _find_mean(result: Converted) -> None:
    """Work out the mean content where the snapshot has zeros for it, as StyleSV's have: truncation leads there."""
    generator: Any = result.networks["average"]
    mapping = generator.mapping
    if not mapping.w_avg.any():
        z = torch.randn(_MEAN_OF, generator.z_dim, generator=torch.Generator().manual_seed(0))
        labels = torch.eye(result.c_dim)[torch.arange(_MEAN_OF) % result.c_dim] if result.c_dim else None
        mapping.w_avg.copy_(mapping(z, labels)[:, 0].mean(0))
        result.notes.append(f"mapping.w_avg was zero, and is now the mean of {_MEAN_OF} contents")
