"""The words of a command line, read alike for all commands: ~ is the home folder, and numbers are ordinary ones."""

import math
import os
import re
from typing import Any

import typer
from typer.core import TyperCommand

LARGEST_WHOLE_NUMBER = 2**63 - 1  # of random generators, file sizes and arrays


class Command(TyperCommand):
    """A command whose options are checked before it is called."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        rest = super().parse_args(ctx, [at_home(word) for word in args])
        for parameter in self.params:
            values = ctx.params.get(parameter.name or "")
            for value in values if isinstance(values, list | tuple) else [values]:
                if isinstance(value, float) and not math.isfinite(value):
                    raise typer.BadParameter(f"{parameter.opts[-1]} {value}: a finite number is needed", ctx=ctx)
                if isinstance(value, int) and abs(value) > LARGEST_WHOLE_NUMBER:
                    most = LARGEST_WHOLE_NUMBER
                    raise typer.BadParameter(f"{parameter.opts[-1]} {value}: at most {most} is possible", ctx=ctx)
        return rest


def at_home(word: str) -> str:
    """A word with ~ or ~user at its beginning, or behind `--option=`, put as a path, as shells do where they see it."""
    match = re.fullmatch(r"(--[\w-]+=)?(~.*)", word, re.DOTALL)
    return (match[1] or "") + os.path.expanduser(match[2]) if match else word
