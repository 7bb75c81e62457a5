"""`smoothvid eval`: how close generated videos come to a dataset, and how smooth they are."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from smoothvid_cli import console
from smoothvid_cli.options import Debug, Device, DryRun, Force, Json, Quiet, Seed

if TYPE_CHECKING:
    from smoothvid.evaluation.run import Evaluation
    from smoothvid.evaluation.settings import EvalSettings


def evaluate(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="CHECKPOINT|RUN|VIDEOS... DATASET",
            help="Models or videos (a video file, a folder of them, or a dataset), any number; last the dataset with "
            "the real videos.",
        ),
    ] = None,
    metrics: Annotated[
        str | None,
        typer.Option("--metrics", metavar="NAMES", help="Names or groups (random, published, smoothness), by commas."),
    ] = None,
    features: Annotated[
        Literal["auto", "pretrained", "random"] | None,
        typer.Option(help="Instead of names: auto is pretrained where a GPU and the weights are at hand, else random."),
    ] = None,
    num_videos: Annotated[
        int, typer.Option("--num-videos", metavar="N", help="Clips compared by the random features.")
    ] = 256,
    clip_frames: Annotated[int, typer.Option("--clip-frames", metavar="N", help="Frames of such a clip.")] = 16,
    long_videos: Annotated[
        int, typer.Option("--long-videos", metavar="N", help="Videos whose smoothness is measured.")
    ] = 16,
    long_frames: Annotated[
        int, typer.Option("--long-frames", metavar="N", help="Their frames; fewer where the dataset's are shorter.")
    ] = 128,
    period: Annotated[
        float, typer.Option("--period", metavar="N", help="Frames: faster motion is jitter, sooner repeats are none.")
    ] = 16.0,
    start: Annotated[
        float, typer.Option("--start", metavar="T", help="Also measure generated videos from this frame on.")
    ] = 0.0,
    truncation: Annotated[
        float, typer.Option("--truncation", help="1 for full variety, less for safer contents.")
    ] = 1.0,
    repeats: Annotated[
        int, typer.Option("--repeats", metavar="N", help="Measure distances so often, with other clips each time.")
    ] = 1,
    flow: Annotated[
        Literal["block", "dis"], typer.Option(help="How motion is found; dis is OpenCV's (an extra to install).")
    ] = "block",
    resize: Annotated[
        Literal["legacy_tensorflow", "clean"], typer.Option(help="Pictures for FID: as published, or clean-fid's way.")
    ] = "legacy_tensorflow",
    weights: Annotated[
        Path | None, typer.Option("--weights", metavar="FOLDER", help="Where the files of pretrained networks are.")
    ] = None,
    fetch: Annotated[bool, typer.Option("--fetch", help="Only fetch the pretrained networks, then stop.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="PAGE.html", help="Also write a page with pictures.")
    ] = None,
    allow_few: Annotated[
        bool, typer.Option("--allow-few", help="Go on with too few clips for figures to be trusted.")
    ] = False,
    seed: Seed = 0,
    device: Device = "auto",
    force: Force = False,
    dry_run: DryRun = False,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Measure how close generated videos come to a dataset and how smooth they are.

    Figures that begin with r are over random features: they are NOT FID or FVD. 0 is alike, 1 as far as the dataset's
    mean image (in rfid_diff as far as frozen frames); the column "real" is what other real clips get.

    Under `torchrun` all processes share the work.

    Example: `smoothvid eval runs/sky sky --out eval.html`
    """
    from smoothvid.errors import ConfigError
    from smoothvid.evaluation.settings import EvalSettings

    if fetch:
        _fetch(weights)
        return
    if paths is None or len(paths) < 2:
        raise ConfigError("give models or videos, and last the dataset: smoothvid eval runs/sky sky")
    try:
        settings = EvalSettings(
            metrics=_metrics(metrics, features, weights, device),
            num_videos=num_videos,
            clip_frames=clip_frames,
            long_videos=long_videos,
            long_frames=long_frames,
            period=period,
            start=start,
            truncation_psi=truncation,
            seed=seed,
            repeats=repeats,
            flow=flow,
            resize=resize,
            weights=weights,
            allow_few=allow_few,
        )
    except ValueError as error:
        raise ConfigError(str(error)) from None
    _check_page(out, force)
    result = _run(paths[:-1], paths[-1], settings, device, out, dry_run)
    if result is None:  # another process speaks
        return
    if as_json:
        console.print_json(result)
    else:
        _print(result, out)


def _metrics(names: str | None, features: str | None, weights: Path | None, device: str) -> tuple[str, ...]:
    """Names or groups of metrics from what was asked for."""
    from smoothvid.errors import ConfigError

    if names is not None:
        if features is not None:
            raise ConfigError("--metrics names what is measured and --features chooses it; give one of them")
        return tuple(name.strip() for name in names.split(",") if name.strip())
    if features in (None, "auto"):
        from smoothvid.evaluation.weights import FILES, find_weights
        from smoothvid.sampling.model import choose_device

        # The device first: without a GPU, what lies among the weights is of no concern and need not be hashed.
        on_gpu = choose_device(device).type == "cuda"
        at_hand = on_gpu and all(find_weights(file, weights) for file in FILES.values())
        features = "pretrained" if at_hand else "random"
    return ("published" if features == "pretrained" else "random", "smoothness")


def _check_page(out: Path | None, force: bool) -> None:
    from smoothvid.errors import ConfigError, DataError

    if out is None:
        return
    if out.suffix.lower() not in (".html", ".htm"):
        raise ConfigError(f"--out {out}: the page is one HTML file; give a name that ends in .html")
    if out.exists() and not force:
        raise DataError(f"{out} exists; give another name, or --force to replace it")
    if out.is_dir():
        raise DataError(f"{out} is a folder; give the name of a file")
    if not out.absolute().parent.is_dir():
        raise DataError(f"there is no folder {out.absolute().parent}; make it first")
    if not os.access(out.absolute().parent, os.W_OK):
        raise DataError(f"nothing can be written into {out.absolute().parent}; give another --out")


def _fetch(weights: Path | None) -> None:
    """Fetch what is not at hand yet, and say where it lies."""
    from smoothvid.evaluation.weights import FILES
    from smoothvid.evaluation.weights import weights as weights_path
    from smoothvid.training.progress import counted

    for file in FILES.values():
        with counted(console.progress, "fetch", "bytes") as on_progress:
            path = weights_path(file, weights, on_progress)
        console.say(f"{file.name} is at {path}")


def _run(
    sources: list[Path], dataset: Path, settings: "EvalSettings", device: str, out: Path | None, dry_run: bool
) -> dict[str, Any] | None:
    """Measure and write the page. None in all processes but the first."""
    from dataclasses import asdict

    from smoothvid import processes
    from smoothvid.data.dataset import open_dataset
    from smoothvid.evaluation.report import write_report
    from smoothvid.evaluation.run import evaluate as evaluate_sources
    from smoothvid.evaluation.run import open_source
    from smoothvid.training.progress import counted

    real = open_dataset(dataset)
    mine = processes.local_device(device)
    opened = {str(path): open_source(path, mine) for path in sources}
    if dry_run:
        facts = {"sources": list(opened), "dataset": str(dataset), **asdict(settings)}
        return {"protocol": facts | {"weights": settings.weights and str(settings.weights)}}
    first = processes.rank() == 0
    with counted(console.progress, "eval", "clips") as on_progress:
        tell = on_progress if first else None
        found = evaluate_sources(opened, real, settings, mine, tell, show=first and out is not None)
    if not first:
        return None
    if out is not None:
        write_report(out, found.result, _with_logs(found, sources))
        console.say(f"page: {out}")
    return found.result


def _with_logs(found: "Evaluation", sources: list[Path]) -> list[Any]:
    """What the page shows, with the training's curves where a source is a run."""
    from dataclasses import replace

    from smoothvid.training.journal import read_log

    logs = {str(path): read_log(path / "log.jsonl") for path in sources if (path / "log.jsonl").is_file()}
    names = [column["name"] for column in found.result["columns"]]
    columns = [replace(shown, log=logs.get(name, [])) for name, shown in zip(names, found.shown[1:], strict=True)]
    return [found.shown[0], *columns]


def _print(result: dict[str, Any], page: Path | None) -> None:
    for note in result.get("notes", ()):
        console.say(f"note: {note}")
    if "columns" in result:
        columns = result["columns"]
        titles = [column["name"] + (f" from {column['start']:,g}" if column["start"] else "") for column in columns]
        references = result["references"]
        rows = [
            (
                name,
                *(_figure(column["metrics"].get(name), column["spread"].get(name)) for column in columns),
                *(_figure(figures.get(name)) for figures in references.values()),
            )
            for name in result["metrics"]
        ]
        title = "Distances that begin with r are over random features, not FID or FVD: 0 alike, 1 as the mean image."
        console.print_table(["", *titles, *(name.replace("_", " ") for name in references)], rows, title=title)
        where = f"{page} shows" if page else "--out PAGE.html shows, and --json prints,"
        console.say(f"protocol: {where} what was compared, how, and with which versions")
    else:
        console.print_table(["protocol", ""], _flatten(result["protocol"]))


def _figure(value: float | None, spread: float | None = None) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" + (f" ± {spread:.2g}" if spread is not None else "")


def _flatten(facts: dict[str, Any], above: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for key, value in facts.items():
        rows += _flatten(value, f"{above}{key}.") if isinstance(value, dict) else [(above + key, str(value))]
    return rows
