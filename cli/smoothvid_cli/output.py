"""What `sample` and `interpolate` share: the options of an output, and writing videos so that Ctrl-C spoils none."""

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from smoothvid_cli import console

if TYPE_CHECKING:
    from torch import Tensor

    from smoothvid.sampling.model import VideoModel

Out = Annotated[
    str,
    typer.Option(
        "--out", "-o", metavar="FILE|FOLDER|-", help="A .mp4, .webm or .gif; a folder for PNG frames; - a pipe."
    ),
]
Pipe = Annotated[Literal["y4m", "rgb24"], typer.Option("--pipe", help="What goes through the pipe of --out -.")]
Start = Annotated[
    float, typer.Option("--start", metavar="T", help="Time of the first frame, in frames of the dataset.")
]
Slowmo = Annotated[float, typer.Option("--slowmo", min=0.001, help="2 is half as fast as the dataset, 0.5 twice.")]
Truncation = Annotated[
    float, typer.Option("--truncation", help="1 for full variety, 0.8 for safer, 0 for mean content.")
]
Label = Annotated[
    str | None, typer.Option("--label", help="Which of the model's labels; by default each seed draws one.")
]


@dataclass(frozen=True, kw_only=True)
class Video:
    """A video to be made: its frames start to be computed when asked for."""

    out: str
    seeds: Sequence[int]
    num_frames: int | None  # None is endless
    fps: float
    make: Callable[[], "Iterator[Tensor]"]

    def facts(self) -> dict[str, Any]:
        return {"out": self.out, "seeds": list(self.seeds), "frames": self.num_frames, "fps": self.fps}


def write_videos(videos: Sequence[Video], *, pipe: str, force: bool, dry_run: bool, as_json: bool) -> None:
    """Write videos one after the other and print where they are.

    The first Ctrl-C ends an endless video, which is closed as it is, and lets a finite one be finished; either way the
    command then exits with 130. A second one abandons the file at hand.
    """
    from smoothvid.errors import ConfigError
    from smoothvid.sampling.sinks import check_output, open_sink

    to_pipe = videos[0].out == "-"
    if to_pipe and as_json:
        raise ConfigError("--json writes to stdout, which --out - needs for the video; choose one")
    for video in videos:
        if not to_pipe:
            check_output(video.out, force=force)
    if dry_run:
        return _print_results([video.facts() for video in videos], as_json)
    results = []
    with _first_interrupt_noted() as interrupted:
        for video in videos:
            endless = video.num_frames is None
            with (
                open_sink(video.out, video.fps, endless=endless, force=force, pipe=pipe) as sink,
                console.progress(video.out, total=video.num_frames, unit="frames") as advance,
            ):
                try:
                    for frames in video.make():
                        sink.write(frames)
                        advance(len(frames))
                        if endless and interrupted():
                            break
                except BrokenPipeError:  # the reader has seen enough
                    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            results.append({**video.facts(), "frames": sink.num_frames})
            if interrupted():
                break
    if not to_pipe:
        _print_results(results, as_json)
    if interrupted():
        raise typer.Exit(130)


def frames_at_a_time(model: "VideoModel") -> int:
    """A CPU gains nothing from batches of larger frames, and takes seconds for each: show them one by one."""
    return 1 if model.device.type == "cpu" and model.resolution >= 128 else 8


def _print_results(results: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        console.print_json({"videos": results})
    else:
        rows = [(r["out"], " ".join(map(str, r["seeds"])), r["frames"] or "endless", r["fps"]) for r in results]
        console.print_table(["out", "seeds", "frames", "fps"], rows)


@contextmanager
def _first_interrupt_noted() -> Iterator[Callable[[], bool]]:
    """Within this block the first Ctrl-C is noted for whoever asks; a second one is a KeyboardInterrupt."""
    noted = False

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal noted
        if noted:
            raise KeyboardInterrupt
        noted = True
        if not console.quiet:  # straight to the descriptor: print may have been interrupted halfway
            os.write(2, b"\nfinishing the file at hand; press Ctrl-C again to abandon it\n")

    before = signal.signal(signal.SIGINT, note)
    try:
        yield lambda: noted
    finally:
        signal.signal(signal.SIGINT, before)
