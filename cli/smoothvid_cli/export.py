"""`smoothvid export`: a trained model as a folder for others, and its networks as programs."""

from pathlib import Path
from typing import Annotated, Any

import typer

from smoothvid_cli import console
from smoothvid_cli.options import Debug, Device, DryRun, Force, Json, Model, Quiet, Seed


def export(
    checkpoint: Model,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="The folder to make.")],
    license: Annotated[
        str | None,
        typer.Option("--license", metavar="NAME", help="Of the weights, as the Hub names it, for example apache-2.0."),
    ] = None,
    results: Annotated[
        Path | None,
        typer.Option("--results", metavar="FILE.json", help="What `smoothvid eval --json` found, for the model card."),
    ] = None,
    with_training: Annotated[
        bool, typer.Option("--with-training", help="Add the discriminator: `train --init FOLDER` needs it.")
    ] = False,
    formats: Annotated[
        list[str] | None,
        typer.Option("--format", metavar="torch|onnx", help="Also the networks as programs; may be repeated."),
    ] = None,
    num: Annotated[int, typer.Option("--num", min=1, max=64, help="Videos in the preview.")] = 4,
    length: Annotated[str, typer.Option("--length", metavar="64|3s", help="Of the preview.")] = "64",
    truncation: Annotated[float, typer.Option("--truncation", min=-10, max=10, help="Of the preview.")] = 1.0,
    seed: Seed = 0,
    device: Device = "auto",
    dry_run: DryRun = False,
    force: Force = False,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Write a model as a folder for others: weights, model card, preview, as the Hugging Face Hub has them.

    `sample`, `eval`, `info` and `smoothvid.load` take the folder as they take the checkpoint, and give the same frames.

    Example: `smoothvid export runs/sky --out sky-256 --license apache-2.0`
    """
    from smoothvid.errors import ConfigError
    from smoothvid.exporting.card import Preview
    from smoothvid.exporting.folder import ExportRequest, check_request, export_model
    from smoothvid.sampling.model_file import read_facts
    from smoothvid.sampling.stream import parse_length

    num_frames = parse_length(length, read_facts(checkpoint).fps)
    if num_frames is None:
        raise ConfigError(f"--length {length}: a preview has an end; write frames (64) or seconds (3s)")
    request = ExportRequest(
        checkpoint=checkpoint,
        out=out,
        license=license,
        results=results,
        with_training=with_training,
        programs=tuple(dict.fromkeys(formats or ())),
        preview=Preview(seeds=range(seed, seed + num), num_frames=num_frames, truncation_psi=truncation),
        device=device,
        force=force,
    )
    names = check_request(request)
    if dry_run:
        _print_result({"out": str(out), "files": dict.fromkeys(names), "differences": {}, "left_out": {}}, as_json)
        return
    with console.progress("preview", total=num * num_frames, unit="frames") as advance:
        result = export_model(request, on_progress=advance)
    _print_result(result, as_json)
    if license is None:
        console.say("no --license is named, so the card tells people to ask you")


def _print_result(result: dict[str, Any], as_json: bool) -> None:
    if as_json:
        return console.print_json(result)
    console.print_table([result["out"], "bytes"], list(result["files"].items()))
    for kind, found in result["differences"].items():
        if found:
            console.print_table([f"{kind} program", "largest difference"], list(found.items()))
    for kind, reasons in result["left_out"].items():
        for name, reason in reasons.items():
            console.say(f"{kind}: {name} is left out: {reason}")
