"""`smoothvid interpolate`: walks between contents while the motion goes on, and loops."""

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from smoothvid_cli.options import Debug, Device, DryRun, Force, Fps, Json, Model, Quiet, SamplePrecision
from smoothvid_cli.output import (
    Captions,
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
        str | None, typer.Option("--seeds", metavar="1,2,5-8", help="The seeds to walk through, back to the first.")
    ] = None,
    keys: Annotated[
        str | None,
        typer.Option("--keys", metavar="1@0s,2@5s,7@300", help="Which seed is shown when, in seconds or frames."),
    ] = None,
    frames_per_step: Annotated[
        float | None,
        typer.Option("--frames-per-step", min=1, max=1e9, help="Frames from one of the --seeds to the next. [48]"),
    ] = None,
    loop: Annotated[
        str | None,
        typer.Option("--loop", metavar="120|10s", help="A seamless loop of this length, motion included."),
    ] = None,
    length: Annotated[
        str | None,
        typer.Option("--length", metavar="128|5s|inf", help="By default once around, or until the last key."),
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
    captions: Captions = False,
    mix: Annotated[
        list[str] | None,
        typer.Option("--mix", metavar="SEED:FIRST-LAST", help="Layers that keep a seed's content; may be repeated."),
    ] = None,
    label: Label = None,
    truncation: Truncation = 1.0,
    start: Start = 0.0,
    fps: Fps = None,
    slowmo: Slowmo = 1.0,
    pipe: Pipe = "y4m",
    device: Device = "auto",
    precision: SamplePrecision = "float32",
    dry_run: DryRun = False,
    force: Force = False,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Walk from seed to seed on a smooth curve while the motion goes on, or make a loop that repeats without a seam.

    Examples: `smoothvid interpolate runs/sky --seeds 1,2,3 --out walk.mp4`,
    `smoothvid interpolate runs/sky --seeds 4 --loop 10s --out loop.mp4`
    """
    from smoothvid.errors import ConfigError
    from smoothvid.sampling.grid import captioned
    from smoothvid.sampling.interpolate import content_motion_grid, walk
    from smoothvid.sampling.model import load_model
    from smoothvid.sampling.stream import parse_length

    if (seeds is None) == (keys is None):
        raise ConfigError("say where the walk goes: --seeds 1,2,3, or --keys 1@0s,2@5s; one of the two")
    if frames_per_step is not None and (keys or loop):
        raise ConfigError("--frames-per-step: --keys and --loop say already how far the seeds are apart")
    if grid and (hold or keys or seed is not None):
        raise ConfigError("--grid shows every content with every motion, so it takes no --hold, --keys or --seed")
    if captions and not grid:
        raise ConfigError("--captions names the rows and columns of a --grid; add --grid")
    mixes = [parse_mix(text) for text in mix or []]
    model = load_model(checkpoint, device, precision)
    model.check_label(label)
    rate = fps or model.fps
    cycle = None if loop is None else parse_length(loop, rate)
    if loop is not None and cycle is None:
        raise ConfigError(f"--loop {loop}: a loop has an end; write frames (120) or seconds (10s)")
    each = frames_per_step or 48
    if keys is not None:
        numbers, at = parse_keys(keys, rate)
        once = round(at[-1])
    else:
        assert seeds is not None
        numbers, at = parse_seeds(seeds, least=1 if loop else 2), None
        once = round(len(numbers) * each)
    num_frames = (cycle or once) if length is None else parse_length(length, rate)

    walking = partial(walk, at=at, frames_per_step=each, hold=hold, held_seed=seed)
    source: Callable[..., Iterator[Tensor]] = content_motion_grid if grid else walking
    timing = {"start": start, "fps": rate, "slowmo": slowmo, "loop": cycle, "num_frames": num_frames}
    chunk = frames_at_a_time(model, rate)
    frames = source(model, numbers, mix=mixes, truncation_psi=truncation, label=label, chunk=chunk, **timing)
    if captions:
        frames = captioned(frames, [f"content {one}" for one in numbers], [f"motion {one}" for one in numbers])
    video = Video(out=out, seeds=numbers, num_frames=num_frames, fps=rate, make=lambda: frames)
    write_videos([video], pipe=pipe, force=force, dry_run=dry_run, as_json=as_json)


def parse_seeds(text: str, least: int = 2) -> list[int]:
    """Read "1,2,5-8" as a list of seeds, both ends of a range included. Raises ConfigError if it is anything else."""
    from smoothvid.errors import ConfigError

    seeds: list[int] = []
    for word in text.split(","):
        match = re.fullmatch(r"\s*([0-9]{1,20})(?:-([0-9]{1,20}))?\s*", word)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, -1)
        if not first <= last < first + 1000:
            raise ConfigError(f"--seeds {text}: write whole numbers, such as 1,2,3, or ranges, such as 1-3")
        seeds += range(first, last + 1)
    if len(seeds) < least:
        raise ConfigError(f"--seeds {text}: write at least two, for example 1,2,3; --loop needs but one")
    return seeds


def parse_keys(text: str, fps: float) -> tuple[list[int], list[float]]:
    """Read "1@0s,2@5s,7@300" as seeds and the numbers of the frames that show them; 300 is a frame, 5s a time.

    Raises ConfigError if it is anything else, and for times that do not increase.
    """
    from smoothvid.errors import ConfigError

    seeds, at = [], []
    for word in text.split(","):
        match = re.fullmatch(r"\s*([0-9]{1,20})@(?:([0-9]{1,12})|([0-9]{1,9}(?:\.[0-9]{1,9})?)s)\s*", word)
        if match is None:
            raise ConfigError(f"--keys {text}: {word!r} is not SEED@TIME, for example 7@2.5s or, in frames, 7@60")
        seeds.append(int(match[1]))
        at.append(float(match[2]) if match[2] else float(match[3]) * fps)
        if len(at) > 1 and at[-2] >= at[-1]:
            raise ConfigError(f"--keys {text}: times must increase, and {word.strip()} is no later than the key before")
    if len(at) < 2:
        raise ConfigError(f"--keys {text}: write at least two, for example 1@0s,2@5s")
    return seeds, at


def parse_mix(text: str) -> tuple[int, int, int]:
    """Read "7:4-9" as a seed, first and last layer; "7:4" is one layer. Raises ConfigError if it is anything else."""
    from smoothvid.errors import ConfigError

    match = re.fullmatch(r"\s*([0-9]{1,20}):([0-9]{1,4})(?:-([0-9]{1,4}))?\s*", text)
    if match is None:
        raise ConfigError(f"--mix {text}: write SEED:FIRST-LAST, for example 7:4-9 for layers 4 to 9")
    return int(match[1]), int(match[2]), int(match[3] or match[2])
