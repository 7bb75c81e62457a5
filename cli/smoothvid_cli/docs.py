"""Writes docs/cli.md from the commands themselves: `python -m smoothvid_cli.docs > docs/cli.md`."""

import inspect
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import typer

from smoothvid_cli.main import ALIASES, COMMANDS, LazyCommands, app

HEAD = """\
# The command line

<!-- Made from the help of the commands: python -m smoothvid_cli.docs > docs/cli.md -->

Results go to stdout, messages and progress to stderr. Bars and colours appear only on a terminal, colours never under
`NO_COLOR`.

| exit code | means |
|---|---|
| 0 | done |
| 1 | the work failed; one line on stderr says what, which file or value, and what to do (`--debug` adds a traceback) |
| 2 | wrong usage, or a wrong setting |
| 130 | interrupted |

Settings come from a preset (`--preset`), over it a file (`--config`), over that single values (`--set`);
[config.md](config.md) says how. `-h` or `--help` after any command shows what stands here.
"""


def page() -> str:
    """Return docs/cli.md."""
    root = typer.main.get_command(app)
    commands = LazyCommands()
    contents = "\n".join(f"- [`smoothvid {name}`](#smoothvid-{name}): {_summary(commands[name])}" for name in COMMANDS)
    sections = [_section(f"smoothvid {name}", commands[name], _names_of(name)) for name in COMMANDS]
    return "\n".join([HEAD, _text(root), "", contents, "", *sections]).rstrip() + "\n"


def _section(title: str, command: Any, other_names: list[str]) -> str:
    types = get_type_hints(inspect.unwrap(command.callback))
    arguments = [param for param in command.params if param.param_type_name == "argument" and not param.hidden]
    options = [param for param in command.params if param.param_type_name == "option" and not param.hidden]
    usage = " ".join([title, *(_value_name(argument, types) for argument in arguments), "[OPTIONS]"])
    lines = [f"## {title}", "", _text(command), "", f"    {usage}", ""]
    if other_names:
        lines += [f"Also called {', '.join(f'`smoothvid {name}`' for name in other_names)}.", ""]
    lines += ["| | default | |", "|---|---|---|"]
    lines += [_row(f"`{_escape(_value_name(argument, types))}`", argument) for argument in arguments]
    lines += [_row(_option_names(option, types), option) for option in options]
    return "\n".join([*lines, ""])


def _row(names: str, param: Any) -> str:
    if param.required:
        default = "required"
    elif param.secondary_opts and param.default is not None:
        default = f"`{(param.opts if param.default else param.secondary_opts)[0]}`"
    else:
        default = "" if param.default is None or param.default is False else f"`{_escape(str(param.default))}`"
    return f"| {names} | {default} | {_escape(param.help or '')} |"


def _option_names(option: Any, types: dict[str, Any]) -> str:
    value = "" if option.is_flag else f" {_value_name(option, types)}"
    return ", ".join(f"`{name}{_escape(value)}`" for name in [*option.opts, *option.secondary_opts])


def _value_name(param: Any, types: dict[str, Any]) -> str:
    """What stands for the value: its metavar, its choices, or a word for its type."""
    if param.metavar:
        return str(param.metavar)
    hint = types.get(param.name)
    if get_origin(hint) in (Union, UnionType):
        hint = next(member for member in get_args(hint) if member is not type(None))
    if get_origin(hint) is Literal:
        return "|".join(get_args(hint))
    if param.param_type_name == "argument":
        return str(param.name).upper()
    return "N" if hint in (int, float) else "PATH" if hint is Path else "TEXT"


def _names_of(name: str) -> list[str]:
    return [alias for alias, meant in ALIASES.items() if meant == name]


def _text(command: Any) -> str:
    return inspect.cleandoc(command.help or "")


def _summary(command: Any) -> str:
    return _text(command).split("\n\n")[0].replace("\n", " ")


def _escape(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    print(page(), end="")
