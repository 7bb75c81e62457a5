"""What `sample` and `interpolate` share: the options of an output, and writing videos so that Ctrl-C spoils none."""

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
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
        "--out",
        "-o",
        metavar="FILE|FOLDER|-",
        help="A .mp4, .webm or .gif; .m3u8 for HLS; a folder for PNG frames; - a pipe.",
    ),
]
Pipe = Annotated[
    Literal["y4m", "mpegts", "rgb24"], typer.Option("--pipe", help="What goes through the pipe of --out -.")
]
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
Captions = Annotated[bool, typer.Option("--captions", help="Write beside a --grid what its rows and columns are.")]


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
    """Write videos one after the other, each while its next frames are made, and print where they are.

    The first Ctrl-C ends an endless video, which is closed as it is, and lets a finite one be finished; either way the
    command then exits with 130. SIGTERM ends an endless one likewise, with 143, and abandons a finite one. A second
    signal abandons the file at hand.
    """
    from smoothvid.errors import ConfigError
    from smoothvid.sampling.sinks import check_output

    to_pipe, endless = videos[0].out == "-", videos[0].num_frames is None
    if to_pipe and as_json:
        raise ConfigError("--json writes to stdout, which --out - needs for the video; choose one")
    for video in videos:
        if not to_pipe:
            check_output(video.out, force=force)
    if dry_run:
        return _print_results([video.facts() for video in videos], as_json)
    results = []
    with _first_signal_noted(endless) as noted_signal:
        for video in videos:
            with suppress(BrokenPipeError):  # the reader has seen enough
                num_frames = _write(video, pipe, force, stopped=lambda: endless and bool(noted_signal()))
                results.append({**video.facts(), "frames": num_frames})
            if noted_signal():
                break
    if not to_pipe:
        _print_results(results, as_json)
    if noted_signal():
        raise typer.Exit(128 + noted_signal())


def _write(video: Video, pipe: str, force: bool, stopped: Callable[[], bool]) -> int:
    """Write a video until its end, or until stopped, and return its number of frames."""
    from smoothvid.sampling.sinks import Beside, open_sink

    sink = open_sink(video.out, video.fps, endless=video.num_frames is None, force=force, pipe=pipe)
    with Beside(sink) as beside, console.progress(video.out, total=video.num_frames, unit="frames") as advance:
        for frames in video.make():
            beside.write(frames)
            advance(len(frames))
            if stopped():
                break
    return sink.num_frames


def frames_at_a_time(model: "VideoModel", fps: float) -> int:
    """As many as a batch gains from, yet no more than a fifth of a second: those at hand are lost to a kill.

    A CPU gains nothing from batches of larger frames, and takes seconds for each: show them one by one.
    """
    return 1 if model.device.type == "cpu" and model.resolution >= 128 else max(1, min(8, int(fps / 5)))


def _print_results(results: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        console.print_json({"videos": results})
    else:
        rows = [(r["out"], " ".join(map(str, r["seeds"])), r["frames"] or "endless", r["fps"]) for r in results]
        console.print_table(["out", "seeds", "frames", "fps"], rows)


@contextmanager
def _first_signal_noted(endless: bool) -> Iterator[Callable[[], int]]:
    """Within this block the first Ctrl-C is noted for whoever asks, and for an endless video the first SIGTERM, too.

    Yields a function that returns the number of the signal noted, or 0. Other signals end the block by an exception.
    """
    noted = 0

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal noted
        if noted or (number == signal.SIGTERM and not endless):
            raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)
        noted = number
        if not console.quiet:  # straight to the descriptor: print may have been interrupted halfway
            os.write(2, b"\nfinishing the file at hand; press Ctrl-C again to abandon it\n")

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: noted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
