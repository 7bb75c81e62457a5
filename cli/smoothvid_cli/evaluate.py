"""`smoothvid eval`: how close generated videos come to a dataset."""

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from smoothvid_cli import console
from smoothvid_cli.options import Dataset, Debug, Device, DryRun, Json, Quiet, Seed

if TYPE_CHECKING:
    from smoothvid.evaluation.run import EvalSettings, Progress


def evaluate(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="CHECKPOINT|RUN|VIDEOS", help="A model; or videos: a folder of video files, or a dataset."
        ),
    ],
    dataset: Dataset,
    num_videos: Annotated[
        int, typer.Option("--num-videos", metavar="N", help="Clips compared, as many real as generated.")
    ] = 256,
    clip_frames: Annotated[int, typer.Option("--clip-frames", metavar="N", help="Frames of a clip.")] = 16,
    start: Annotated[
        float, typer.Option("--start", metavar="T", help="Where generated clips begin, in frames; try a late time too.")
    ] = 0.0,
    truncation: Annotated[
        float, typer.Option("--truncation", help="1 for full variety, less for safer contents.")
    ] = 1.0,
    allow_few: Annotated[bool, typer.Option("--allow-few", help="Go on with fewer clips if need be.")] = False,
    seed: Seed = 0,
    device: Device = "auto",
    dry_run: DryRun = False,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Measure how close generated videos come to a dataset, beside cheap frauds measured in the same way.

    Distances are over random features: they are NOT FID or FVD. 0 is alike, 1 is as far as the dataset's mean image
    (in rfid_diff as far as frozen frames); the column "real" is the floor that other real clips get.

    Example: `smoothvid eval runs/sky sky`
    """
    from smoothvid.errors import ConfigError
    from smoothvid.evaluation.run import EvalSettings

    try:
        settings = EvalSettings(
            num_videos=num_videos,
            clip_frames=clip_frames,
            seed=seed,
            start=start,
            truncation_psi=truncation,
            allow_few=allow_few,
        )
    except ValueError as error:
        raise ConfigError(str(error)) from None
    result = _run(source, dataset, settings, device, dry_run)
    if as_json:
        console.print_json(result)
    else:
        _print(result)


def _run(source: Path, dataset: Path, settings: "EvalSettings", device: str, dry_run: bool) -> dict[str, Any]:
    from dataclasses import asdict

    from smoothvid.data.dataset import open_dataset
    from smoothvid.evaluation.run import evaluate as evaluate_source
    from smoothvid.evaluation.run import open_source

    real = open_dataset(dataset)
    generated = open_source(source, device)
    if dry_run:
        return {"protocol": {"source": str(source), "dataset": str(dataset), **asdict(settings)}}
    with ExitStack() as stack:
        return evaluate_source(generated, real, settings, on_progress=_progress_bar(stack))


def _progress_bar(stack: ExitStack) -> "Progress":
    """A callback that opens a bar when it first hears how much there is to do."""
    advance: console.Advance | None = None
    last = 0

    def on_progress(done: int, total: int, kind: str) -> None:
        nonlocal advance, last
        if advance is None:
            advance = stack.enter_context(console.progress("eval", total=total, unit="clips"))
        advance(done - last, note=kind)
        last = done

    return on_progress


def _print(result: dict[str, Any]) -> None:
    if "metrics" in result:
        columns = {"generated": result["metrics"], **result["references"]}
        rows = [
            (name, *(None if (value := column[name]) is None else round(value, 4) for column in columns.values()))
            for name in result["metrics"]
        ]
        title = "Random features, not FID or FVD. Distances: 0 alike, 1 as the mean image. Motion: over the data's."
        console.print_table(["", *(name.replace("_", " ") for name in columns)], rows, title=title)
    console.print_table(["protocol", ""], _flatten(result["protocol"]))


def _flatten(facts: dict[str, Any], above: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for key, value in facts.items():
        rows += _flatten(value, f"{above}{key}.") if isinstance(value, dict) else [(above + key, str(value))]
    return rows
