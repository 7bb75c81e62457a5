"""`smoothvid import`: other people's snapshots as checkpoints of ours."""

from pathlib import Path
from typing import Annotated, Any

import typer

from smoothvid_cli import console
from smoothvid_cli.options import Debug, DryRun, Force, Json, Quiet


def import_(
    snapshot: Annotated[Path, typer.Argument(metavar="FILE.pkl", help="A snapshot: a pickle of G, D and G_ema.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="CHECKPOINT", help="The checkpoint folder to make.")],
    fps: Annotated[
        float | None,
        typer.Option(
            "--fps",
            metavar="N",
            min=0.01,
            max=1000,
            help="Of the videos it was trained on; by default what it says, else 25.",
        ),
    ] = None,
    labels: Annotated[
        str | None, typer.Option("--labels", metavar="A,B,...", help="Names of its labels; by default 0, 1, ...")
    ] = None,
    force: Force = False,
    dry_run: DryRun = False,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Turn a snapshot of StyleSV, StyleGAN-V, MoCoGAN, StyleGAN3-T or StyleGAN2 into a checkpoint, running none of it.

    Snapshots are pickles that carry programs. Only tensors and settings are read, in a process with little memory and
    time; whatever else a file names is refused. Image networks become image models for `smoothvid train --init`.

    Example: `smoothvid import network-snapshot.pkl --out imported`
    """
    from smoothvid.importing.checkpoint import ImportRequest, import_snapshot

    request = ImportRequest(
        path=snapshot,
        out=out,
        fps=fps,
        label_names=tuple(name.strip() for name in labels.split(",")) if labels else (),
        force=force,
        dry_run=dry_run,
    )
    console.say(f"reading {snapshot}, then looking at a few frames")
    report = import_snapshot(request)
    if as_json:
        return console.print_json(report)
    _print_report(report)
    if not dry_run:
        next_step = f"train DATASET --init {out}" if report["kind"] == "images" else f"sample {out} --length 5s"
        console.say(f"next: smoothvid {next_step} --out ...")


def _print_report(report: dict[str, Any]) -> None:
    """What was taken, what was left out, and what the frames are like."""
    rows = [(name, report[name]) for name in ("checkpoint", "family", "kind", "resolution", "fps")]
    rows += [("labels", ", ".join(report["labels"]))] if report["labels"] else []
    rows += [(f"{name} taken", f"{count} tensors") for name, count in report["taken"].items()]
    if report["fresh"]:
        rows.append(("fresh", f"{len(report['fresh'])} tensors: {', '.join(report['fresh'])}"))
    rows += [("note", note) for note in report["notes"]]
    if "frames" in report:
        rows.append(("frames", ", ".join(f"{name} {value:g}" for name, value in report["frames"].items())))
    console.print_table(["", "imported" if "frames" in report else "would be imported"], rows)
    if report["left_out"]:
        console.print_table(["left out", "what it is"], report["left_out"].items())
