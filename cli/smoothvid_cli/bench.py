"""`smoothvid bench`: how fast each part runs on this machine."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from smoothvid_cli import console
from smoothvid_cli.options import Debug, Device, DryRun, Force, Json, Precision, Preset, Quiet, Sets

if TYPE_CHECKING:
    from smoothvid.bench.case import BenchSettings
    from smoothvid.bench.run import Report, Timing


def bench(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="DATASET|VIDEOS...",
            help="A dataset that the loader reads; videos and folders of them to decode. By default made-up ones.",
        ),
    ] = None,
    stages: Annotated[
        str | None, typer.Option("--stages", metavar="NAMES", help="Only these, by commas; a wrong one lists all.")
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Every stage, networks at 256×256; takes about half an hour on a CPU.")
    ] = False,
    preset: Preset = None,
    sets: Sets = None,
    precision: Precision = "float32",
    threads: Annotated[
        int | None,
        typer.Option("--threads", metavar="N", min=1, max=4096, help="Threads and processes; by default all cores."),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="CHART.png", help="Also draw a chart.")] = None,
    device: Device = "auto",
    force: Force = False,
    dry_run: DryRun = False,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Time each part on this machine, beside the plain PyTorch composition of the same math and beside a floor.

    The floor is the work without what surrounds it: PyTorch's convolutions of a network alone, a copy of as many bytes,
    decoding alone. All are timed in turns, so that whatever else the machine does falls on all alike; figures are
    medians (lowest to highest). Memory is the peak of a call beside weights and inputs. "Default memory" is timed in a
    process that gets its memory as the system gives it, while the others keep freed memory for reuse.

    Example: `smoothvid bench --stages generator,training --out bench.png`
    """
    from smoothvid.memory_pool import keep_memory

    _check_chart(out, force)
    dataset, videos = _sort_paths(paths or [])
    keep_memory()  # before anything large is asked for

    from smoothvid.bench.case import BenchSettings
    from smoothvid.bench.run import bench as run_bench
    from smoothvid.bench.stages import choose_stages

    settings = BenchSettings(
        stages=tuple(name.strip() for name in (stages or "").split(",") if name.strip()),
        preset=preset,
        sets=tuple(sets or ()),
        full=full,
        device=device,
        precision=precision,
        threads=threads,
        videos=tuple(map(str, videos)),
        dataset=dataset,
    )
    chosen = choose_stages(settings.stages, full)
    settings.config(settings.usual_preset)  # a wrong setting is told before anything is measured
    if dry_run:
        _print_plan(settings, chosen, as_json)
        return
    report = run_bench(settings, console.say)
    if out is not None:
        from smoothvid.bench.chart import write_chart

        write_chart(report, out)
        console.say(f"chart: {out}")
    if as_json:
        console.print_json(report.to_json())
    else:
        _print(report)


def _check_chart(out: Path | None, force: bool) -> None:
    from smoothvid.errors import ConfigError, DataError

    if out is None:
        return
    if out.suffix.lower() != ".png":
        raise ConfigError(f"--out {out}: the chart is a PNG file; give a name that ends in .png")
    if out.exists() and not force:
        raise DataError(f"{out} exists; give another name, or --force to replace it")
    if not out.absolute().parent.is_dir():
        raise DataError(f"there is no folder {out.absolute().parent}; make it first")


def _sort_paths(paths: Sequence[Path]) -> tuple[Path | None, list[Path]]:
    """The dataset among the paths, and the videos."""
    from smoothvid.errors import ConfigError, DataError

    for path in paths:
        if not path.exists():
            raise DataError(f"{path} does not exist")
    datasets = [path for path in paths if path.suffix.lower() == ".zip" or (path / "dataset.json").is_file()]
    if len(datasets) > 1:
        raise ConfigError(f"{', '.join(map(str, datasets))}: give one dataset")
    return (datasets[0] if datasets else None), [path for path in paths if path not in datasets]


def _print_plan(settings: "BenchSettings", chosen: Sequence[str], as_json: bool) -> None:
    from dataclasses import asdict

    facts = {**asdict(settings), "dataset": settings.dataset and str(settings.dataset), "stages": list(chosen)}
    if as_json:
        console.print_json(facts)
    else:
        console.print_table(["setting", ""], [(name, _words(value)) for name, value in facts.items()])


def _print(report: "Report") -> None:
    from smoothvid.bench.run import seconds_text

    rows: list[tuple[object, ...]] = []
    for result in report.results:
        for timing in result.timings:
            first = timing is result.timings[0]
            low, high = seconds_text(timing.seconds.low), seconds_text(timing.seconds.high)
            rows.append(
                (
                    f"{result.stage} {result.case}" if first else "",
                    timing.variant,
                    f"{seconds_text(timing.seconds.median)} ({low}–{high})",
                    result.unit,
                    _ratio(timing, "floor"),
                    _ratio(timing, "ours"),
                    None if timing.peak_bytes is None else round(timing.peak_bytes / 1e6),
                )
            )
    console.print_table(["stage", "variant", "time", "per", "over floor", "over ours", "peak MB"], rows)
    console.print_table(["machine", ""], [(name, _words(value)) for name, value in report.machine.items()])


def _ratio(timing: "Timing", reference: str) -> str:
    from smoothvid.bench.run import ratio_text

    return ratio_text(timing.over[reference]) if reference in timing.over else ""


def _words(value: Any) -> Any:
    return ", ".join(map(str, value)) or None if isinstance(value, list | tuple) else value
