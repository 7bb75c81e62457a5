"""`smoothvid sample`: videos of any length from a trained model."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from smoothvid_cli.options import Debug, Device, DryRun, Force, Fps, Json, Model, Quiet, SamplePrecision, Seed
from smoothvid_cli.output import (
    Captions,
    Label,
    Out,
    Pipe,
    Resume,
    Slowmo,
    Start,
    Truncation,
    Video,
    frames_at_a_time,
    write_videos,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor


def sample(
    checkpoint: Model,
    out: Out,
    length: Annotated[
        str, typer.Option("--length", metavar="128|5s|inf", help="Frames, seconds, or without end.")
    ] = "128",
    num: Annotated[
        int, typer.Option("--num", min=1, max=1_000_000, help="Videos to make; names get the seed as a number.")
    ] = 1,
    seed: Seed = 0,
    label: Label = None,
    truncation: Truncation = 1.0,
    start: Start = 0.0,
    fps: Fps = None,
    slowmo: Slowmo = 1.0,
    drift: Annotated[
        float | None,
        typer.Option("--drift", metavar="SECONDS", help="Wander through new contents, one in this time as seen."),
    ] = None,
    grid: Annotated[str, typer.Option("--grid", metavar="RxC", help="Show R·C seeds in one picture.")] = "1x1",
    captions: Captions = False,
    pipe: Pipe = "y4m",
    device: Device = "auto",
    precision: SamplePrecision = "float32",
    dry_run: DryRun = False,
    force: Force = False,
    resume: Resume = False,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Make videos. The same seed gives the same video, whatever its length, start or machine.

    Under `torchrun` several processes share the videos of `--num`.

    Example: `smoothvid sample runs/sky --length inf --out sky.mp4`, until Ctrl-C; the file can be watched meanwhile.
    """
    from smoothvid import processes
    from smoothvid.errors import ConfigError
    from smoothvid.sampling.grid import captioned, parse_grid, tile
    from smoothvid.sampling.model import load_model
    from smoothvid.sampling.stream import parse_length

    rows, columns = parse_grid(grid)
    if captions and rows * columns == 1:
        raise ConfigError("--captions names the rows and columns of a --grid, for example --grid 2x3")
    model = load_model(checkpoint, processes.local_device(device), precision)
    rate = fps or model.fps
    num_frames = parse_length(length, rate)
    if num > 1 and (num_frames is None or out == "-"):
        raise ConfigError(
            f"--num {num}: needs a finite --length and files to write to; leave it out for an endless video"
        )
    model.check_label(label)

    def make_pictures(seeds: range) -> "Iterator[Tensor]":
        chunks = model.stream(
            seeds,
            start,
            num_frames,
            fps=fps,
            slowmo=slowmo,
            truncation_psi=truncation,
            label=label,
            drift=drift,
            chunk=frames_at_a_time(model, rate),
        )
        pictures: Iterator[Tensor] = map(partial(tile, columns=columns), chunks)
        if captions:
            rows_begin = [f"seed {one}" for one in seeds[::columns]]
            pictures = captioned(pictures, rows_begin, [f"+{column}" for column in range(columns)])
        return pictures

    def make_video(number: int) -> Video:
        first = seed + number * rows * columns
        seeds = range(first, first + rows * columns)
        return Video(
            out=out if num == 1 else numbered(out, first),
            seeds=seeds,
            num_frames=num_frames,
            fps=rate,
            make=partial(make_pictures, seeds),
        )

    make_pictures(range(seed, seed + rows * columns))  # so that a wrong setting is told before any file is opened
    videos = Numbered(num, make_video)
    write_videos(videos, pipe=pipe, force=force, dry_run=dry_run, as_json=as_json, resume=resume)


@dataclass(frozen=True)
class Numbered:
    """Videos that are made from their numbers: a list of any length that takes no memory."""

    count: int
    make: Callable[[int], Video]

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> Video:
        if not 0 <= number < self.count:
            raise IndexError(number)
        return self.make(number)


def numbered(out: str, seed: int) -> str:
    """Return the name of one video of several: clips → clips/0007.mp4, sky.gif → sky-0007.gif."""
    from smoothvid.sampling.sinks import is_folder

    path = Path(out)
    return str(path / f"{seed:04d}.mp4" if is_folder(out) else path.with_name(f"{path.stem}-{seed:04d}{path.suffix}"))
