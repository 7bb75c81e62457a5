"""What `sample` and `interpolate` share: the options of an output, and writing videos so that Ctrl-C spoils none.

Under `torchrun` several processes divide the videos among themselves, and process 0 speaks for all.
"""

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol

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
Slowmo = Annotated[
    float, typer.Option("--slowmo", min=0.001, max=1e6, help="2 is half as fast as the dataset, 0.5 twice.")
]
Truncation = Annotated[
    float, typer.Option("--truncation", min=-10, max=10, help="1 for full variety, 0.8 for safer, 0 for mean content.")
]
Label = Annotated[
    str | None, typer.Option("--label", help="Which of the model's labels; by default each seed draws one.")
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Keep the videos that are there already, unseen, and make the others.")
]
Captions = Annotated[bool, typer.Option("--captions", help="Write beside a --grid what its rows and columns are.")]

LONGEST_TABLE = 100  # videos; more than that nobody reads


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


class Videos(Protocol):
    """A list of videos, perhaps one that makes each when it is asked for it."""

    def __len__(self) -> int: ...

    def __getitem__(self, number: int, /) -> Video: ...


def write_videos(videos: Videos, *, pipe: str, force: bool, dry_run: bool, as_json: bool, resume: bool = False) -> None:
    """Write videos one after the other, each while its next frames are made, and print where they are.

    Several processes share the videos, once all have found that theirs can be written; a single one is made by process
    0 alone. `resume` keeps the videos that are there already.

    The first Ctrl-C ends an endless video, which is closed as it is, and lets a finite one be finished; either way the
    command then exits with 130. SIGTERM ends an endless one likewise, with 143, and abandons a finite one. A second
    signal abandons the file at hand.
    """
    from smoothvid import processes
    from smoothvid.errors import ConfigError
    from smoothvid.sampling.sinks import rate_note

    to_pipe, num_frames, single = videos[0].out == "-", videos[0].num_frames, len(videos) == 1
    if to_pipe and as_json:
        raise ConfigError("--json writes to stdout, which --out - needs for the video; choose one")
    if resume and (to_pipe or num_frames is None or force):
        raise ConfigError("--resume keeps files that are whole: it takes no endless video, no pipe and no --force")
    if processes.rank() > 0:
        if single:
            return
        console.set_quiet(True)  # errors are still shown
    gather: Gather = _gather_alone if single else processes.gather
    with nullcontext() if single else processes.joined():
        mine = processes.share(range(len(videos)))
        todo = _find_work(videos, mine, force, resume, gather)
        if note := rate_note(videos[0].out, videos[0].fps):
            console.say(f"note: {note}")
        if dry_run:
            return _print_results(videos, {n: num_frames for share in gather(todo) for n in share}, as_json)
        made: dict[int, int | None] = dict.fromkeys(set(mine) - set(todo), num_frames)
        with _first_signal_noted(num_frames is None) as noted_signal, _progress(videos, todo) as advance:
            for number in todo:
                with suppress(BrokenPipeError):  # the reader has seen enough
                    stopped = noted_signal if num_frames is None else lambda: 0
                    made[number] = _write(videos[number], pipe, force or resume, advance, stopped)
                if noted_signal():
                    break
            made = {number: frames for share in gather(made) for number, frames in share.items()}
    if not to_pipe:
        _print_results(videos, made, as_json)
    if noted_signal():
        raise typer.Exit(128 + noted_signal())


Gather = Callable[[Any], list[Any]]


def _gather_alone(value: Any) -> list[Any]:
    return [value]


def _find_work(videos: Videos, numbers: Sequence[int], force: bool, resume: bool, gather: Gather) -> list[int]:
    """Those of the videos that are to be made. A name that cannot be written to in any process ends all of them."""
    from smoothvid import processes
    from smoothvid.errors import ConfigError
    from smoothvid.sampling.sinks import check_output

    todo: list[int] = []
    problem = None
    try:
        for number in numbers:
            out = videos[number].out
            if out != "-":
                check_output(out, videos[number].fps, force=force or resume)
            if not (resume and os.path.exists(out)):
                todo.append(number)
    except ConfigError as error:
        problem = error
    problems = [error for error in gather(problem) if error is not None]
    if problems and processes.rank() > 0:
        raise typer.Exit(problems[0].exit_code)  # process 0 says it
    if problems:
        raise problems[0]
    return todo


def _write(video: Video, pipe: str, force: bool, advance: Callable[..., None], stopped: Callable[[], int]) -> int:
    """Write a video until its end, or until stopped, and return its number of frames."""
    from smoothvid.sampling.sinks import Beside, open_sink

    sink = open_sink(video.out, video.fps, endless=video.num_frames is None, force=force, pipe=pipe)
    with Beside(sink) as beside:
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


def _progress(videos: Videos, todo: Sequence[int]) -> AbstractContextManager[Callable[..., None]]:
    """A bar over the frames of these videos."""
    num_frames = videos[0].num_frames
    label = videos[0].out if len(videos) == 1 else f"{len(todo)} of {len(videos)} videos"
    return console.progress(label, total=num_frames and num_frames * len(todo), unit="frames")


def _print_results(videos: Videos, frames: dict[int, int | None], as_json: bool) -> None:
    """Print, in process 0, what these videos are, given their numbers of frames by their own numbers."""
    from smoothvid import processes

    if processes.rank() > 0:
        return
    results = [{**videos[number].facts(), "frames": frames[number]} for number in sorted(frames)]
    if as_json:
        return console.print_json({"videos": results})
    rows = [(r["out"], " ".join(map(str, r["seeds"])), r["frames"] or "endless", r["fps"]) for r in results]
    if len(rows) > LONGEST_TABLE:
        console.say(f"{len(rows)} videos, of which the first and the last are:")
        rows = [rows[0], rows[-1]]
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
