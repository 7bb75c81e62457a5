"""The entry point: which commands there are, and how each way of ending becomes a message and an exit code.

Exit codes: 0 done; 1 the work failed; 2 wrong usage or a wrong setting; 130 interrupted; 143 terminated.
Command modules are imported when they are asked for, and they import torch only when they run.
"""

import importlib
import io
import logging
import os
import sys
import traceback
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from smoothvid import __version__
from smoothvid.errors import SmoothvidError
from smoothvid_cli import console
from smoothvid_cli.words import Command

# command -> the module here that holds it; the function has the name of the module
COMMANDS = {
    "prepare": "prepare",
    "pretrain": "pretrain",
    "train": "train",
    "sample": "sample",
    "interpolate": "interpolate",
    "eval": "evaluate",
    "demo": "demo",
    "info": "info",
    "import": "import_",
    "export": "export",
    "bench": "bench",
}
# longer names that work too, without a line in the help
ALIASES = {"prepare-data": "prepare", "pretrain-image": "pretrain", "train-video": "train", "evaluate": "eval"}

CONTEXT = {"help_option_names": ["--help", "-h"]}


class LazyCommands(Mapping[str, Any]):
    """The commands by name; looking one up imports its module."""

    def __getitem__(self, name: str) -> Any:
        module = COMMANDS[ALIASES.get(name, name)]
        function = getattr(importlib.import_module(f"smoothvid_cli.{module}"), module)
        single = typer.Typer(add_completion=False, rich_markup_mode="markdown", context_settings=CONTEXT)
        single.command(name, cls=Command, hidden=name in ALIASES)(function)
        return typer.main.get_command(single)

    def __iter__(self) -> Iterator[str]:
        return iter([*COMMANDS, *ALIASES])

    def __len__(self) -> int:
        return len(COMMANDS) + len(ALIASES)


class LazyGroup(TyperGroup):
    """A Typer group over LazyCommands."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = LazyCommands()  # type: ignore[assignment]


app = typer.Typer(
    cls=LazyGroup,
    name="smoothvid",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings=CONTEXT,
)


def _print_version(value: bool) -> None:
    if value:
        print(f"smoothvid {__version__}")
        raise typer.Exit()


@app.callback()
def smoothvid(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and stop.")
    ] = False,
) -> None:
    """Train and sample video generators with smooth, endless motion.

    Example: `smoothvid demo` runs the whole path, from videos to a trained model and new videos, in minutes.
    """
    from smoothvid.memory_pool import keep_memory

    keep_memory()


def run() -> None:
    """Run the command line; every failure ends as one line on stderr, with a traceback only under `--debug`."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that lacks a letter gets its number
            stream.reconfigure(errors="backslashreplace")
    if logging.lastResort is not None:  # which writes the library's warnings
        logging.lastResort.setFormatter(console.PlainLines())
    try:
        app()
    except SystemExit as error:
        if error.code == 130:
            console.say("interrupted")
        raise
    except Exception as error:
        if console.debug:
            traceback.print_exc()
        if isinstance(error, SmoothvidError):
            console.print_error(str(error))
            sys.exit(error.exit_code)
        if isinstance(error, OSError) and error.filename is not None:  # the disk, the network, or who may do what
            console.print_error(f"{os.fsdecode(error.filename)}: {error.strerror}")
            sys.exit(1)
        console.print_error(f"unexpected: {type(error).__name__}: {error}; run again with --debug to see where")
        sys.exit(1)


if __name__ == "__main__":
    run()
