"""`smoothvid demo`: the whole path, from videos to a page with new ones."""

from pathlib import Path
from typing import Annotated, Any

import typer

from smoothvid_cli import console
from smoothvid_cli.options import Debug, Device, Force, Json, Quiet, Seed, Sets


def demo(
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="Folder of it all.")] = Path("demo"),
    clips: Annotated[
        Path | None,
        typer.Option("--clips", metavar="FOLDER", help="Your own videos; by default synthetic ones are drawn."),
    ] = None,
    videos: Annotated[
        int, typer.Option("--videos", metavar="N", min=1, max=100_000, help="How many synthetic videos.")
    ] = 64,
    sets: Sets = None,
    length: Annotated[
        str, typer.Option("--length", metavar="128|10s", help="Of the new videos; one is twice as long.")
    ] = "10s",
    seed: Seed = 0,
    device: Device = "auto",
    force: Force = False,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Run the whole path on one small model, in minutes, and write a page that shows it: FOLDER/index.html.

    It makes a dataset, trains an image model and from it a video model, makes new videos and measures them. An
    interrupted demo goes on when the same command is given again.

    Example: `smoothvid demo --clips holiday/`
    """
    from smoothvid.sampling.model import choose_device
    from smoothvid.training.demo.run import DemoRequest, run_demo

    chosen = choose_device(device)
    request = DemoRequest(
        out=out,
        clips=clips,
        num_videos=videos,
        sets=tuple(sets or ()),
        length=length,
        seed=seed,
        device=chosen,
        force=force,
    )
    try:
        result = run_demo(request, bars=console.progress, say=console.say)
    except KeyboardInterrupt:
        console.say("stopped; the same command goes on from here")
        raise
    _print_result(result, as_json)


def _print_result(result: dict[str, Any], as_json: bool) -> None:
    if as_json:
        return console.print_json(result)
    console.print_table(["stage", "seconds"], list(result["seconds"].items()))
    if result["metrics"] is not None:
        title = (
            "Random features, not FID or FVD. 0: alike, 1: as far as the data's mean image. Motion: over the data's."
        )
        rows = [row for row in result["metrics"].items() if row[0].startswith(("rf", "motion"))]
        console.print_table(["figure", "new videos"], rows, title=title)
    print(result["page"])
