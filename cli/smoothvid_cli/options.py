"""The options that several commands share, each with one name, one check and one help text.

A command takes them as annotated parameters: `def sample(model: Model, out: Out, seed: Seed = 0) -> None`.
"""

from pathlib import Path
from typing import Annotated, Literal

import typer

from smoothvid_cli import console

# What a command works on.
Dataset = Annotated[
    Path, typer.Argument(metavar="DATASET", help="A dataset made by `smoothvid prepare`, a zip or folder of frames.")
]
Model = Annotated[
    Path,
    typer.Argument(
        metavar="CHECKPOINT|RUN",
        help="A run (its newest checkpoint), a checkpoint, a model file, or a model that ships (see `info shipped`).",
    ),
]
Out = Annotated[Path, typer.Option("--out", "-o", help="Where the result goes.")]

# Which settings it uses; each of the three overrides the one before.
Preset = Annotated[str | None, typer.Option("--preset", metavar="NAME", help="Start from the settings of this preset.")]
Config = Annotated[Path | None, typer.Option("--config", metavar="FILE.toml", help="Settings over the preset.")]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Override one setting; may be repeated."),
]
Kimg = Annotated[
    float | None,
    typer.Option("--kimg", metavar="N", min=0.0, max=1e9, help="Length, in thousands of real frames shown."),
]
Batch = Annotated[
    int | None, typer.Option("--batch", metavar="N", min=1, max=100_000, help="Videos in a training step.")
]
Fps = Annotated[
    float | None, typer.Option("--fps", metavar="N", min=0.01, max=1000, help="Frames per second of the result.")
]

# How it works.
Seed = Annotated[
    int, typer.Option("--seed", metavar="N", min=0, max=2**63 - 1, help="The same seed gives the same result.")
]
Device = Annotated[
    Literal["auto", "cpu", "cuda", "mps"], typer.Option("--device", help="Where to compute; auto takes the fastest.")
]
SamplePrecision = Annotated[
    Literal["float32", "tf32", "bf16"],
    typer.Option(
        "--precision",
        help="Of convolutions, faster from left to right on NVIDIA cards: tf32 keeps 11 of float32's 24 bits, bf16 8.",
    ),
]
Precision = Annotated[
    Literal["float32", "bf16"], typer.Option("--precision", help="bf16: convolutions in bfloat16, where it is faster.")
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with the run at --out exactly, or start it.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done, then stop.")]
Force = Annotated[bool, typer.Option("--force", help="Replace what is already at --out.")]

# What it says.
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet", "-q", callback=console.set_quiet, help="No progress and no messages, only results and errors."
    ),
]
Debug = Annotated[bool, typer.Option("--debug", callback=console.set_debug, help="Show a traceback on failure.")]
