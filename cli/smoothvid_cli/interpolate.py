"""`smoothvid interpolate`: walks between contents while the motion goes on."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from smoothvid_cli.options import Debug, Device, DryRun, Force, Fps, Json, Model, Quiet
from smoothvid_cli.output import (
    Label,
    Out,
    Pipe,
    Slowmo,
    Start,
    Truncation,
    Video,
    frames_at_a_time,
    write_videos,
)

if TYPE_CHECKING:
    from torch import Tensor


def interpolate(
    checkpoint: Model,
    out: Out,
    seeds: Annotated[
        str, typer.Option("--seeds", metavar="1,2,3", help="The seeds to walk through, back to the first.")
    ],
    frames_per_step: Annotated[
        float, typer.Option("--frames-per-step", min=1, help="Frames from one seed to the next.")
    ] = 48,
    length: Annotated[
        str | None, typer.Option("--length", metavar="128|5s|inf", help="How long; by default once around.")
    ] = None,
    hold: Annotated[
        Literal["motion", "content"] | None,
        typer.Option("--hold", help="motion: time stands still; content: walk between the seeds' motions instead."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Whose motion (or content) is kept; by default the first's.")
    ] = None,
    grid: Annotated[
        bool, typer.Option("--grid", help="No walk: every content (rows) with every motion (columns).")
    ] = False,
    label: Label = None,
    truncation: Truncation = 1.0,
    start: Start = 0.0,
    fps: Fps = None,
    slowmo: Slowmo = 1.0,
    pipe: Pipe = "y4m",
    device: Device = "auto",
    dry_run: DryRun = False,
    force: Force = False,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Walk from seed to seed on a smooth closed curve while the motion goes on.

    Example: `smoothvid interpolate runs/sky --seeds 1,2,3 --out walk.mp4`
    """
    from smoothvid.errors import ConfigError
    from smoothvid.sampling.interpolate import content_motion_grid, walk
    from smoothvid.sampling.model import load_model
    from smoothvid.sampling.stream import parse_length

    numbers = parse_seeds(seeds)
    if grid and (hold is not None or seed is not None):
        raise ConfigError("--grid shows every content with every motion, so it takes neither --hold nor --seed")
    model = load_model(checkpoint, device)
    model.check_label(label)
    rate = fps or model.fps
    num_frames = round(len(numbers) * frames_per_step) if length is None else parse_length(length, rate)
    step, chunk = model.fps / rate / slowmo, frames_at_a_time(model)

    walking = partial(walk, frames_per_step=frames_per_step, hold=hold, held_seed=seed)
    source: Callable[..., Iterator[Tensor]] = content_motion_grid if grid else walking
    timing = {"num_frames": num_frames, "start": start, "step": step, "chunk": chunk}
    make = partial(source, model, numbers, truncation_psi=truncation, label=label, **timing)
    video = Video(out=out, seeds=numbers, num_frames=num_frames, fps=rate, make=make)
    write_videos([video], pipe=pipe, force=force, dry_run=dry_run, as_json=as_json)


def parse_seeds(text: str) -> list[int]:
    """Read "1,2,3" as a list of at least two seeds. Raises ConfigError for anything else."""
    from smoothvid.errors import ConfigError

    words = text.split(",")
    if len(words) < 2 or not all(word.strip().isdecimal() for word in words):
        raise ConfigError(f"--seeds {text}: write at least two whole numbers with commas between, for example 1,2,3")
    return [int(word) for word in words]
