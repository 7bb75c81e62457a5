"""Every command explains itself, starts quickly, and refuses wrong usage with exit code 2."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import smoothvid as package
from smoothvid_cli import docs
from smoothvid_cli.main import ALIASES, COMMANDS, app

Run = Callable[..., subprocess.CompletedProcess[str]]
PAGE = Path(__file__).parents[2] / "docs" / "cli.md"


def invoke(*arguments: str) -> Result:
    """Run in this process, on paper 300 wide, so that no line is folded."""
    return CliRunner().invoke(app, list(arguments), env={"NO_COLOR": "1", "COLUMNS": "300"}, prog_name="smoothvid")


@pytest.mark.parametrize("command", [*COMMANDS, *ALIASES])
def test_every_command_has_help_with_an_example(command: str) -> None:
    result = invoke(command, "--help")
    assert (result.exit_code, result.stderr) == (0, "")
    assert f"smoothvid {ALIASES.get(command, command)}" in result.stdout.split("Example")[1]
    assert invoke(command, "-h").stdout == result.stdout


def test_help_lists_the_commands_without_their_aliases() -> None:
    lines = invoke("--help").stdout.split("─ Commands ─")[1].splitlines()
    assert [line.split()[1] for line in lines if line.startswith("│ ")] == list(COMMANDS)


def test_no_arguments_show_the_help_as_wrong_usage() -> None:
    result = invoke()
    assert result.exit_code == 2 and "Commands" in result.output


@pytest.mark.parametrize(
    "arguments",
    [("nothing",), ("--nothing",), ("info",), *[(command, "--nothing") for command in COMMANDS]],
    ids=" ".join,
)
def test_wrong_usage_exits_2_and_says_so_on_stderr(arguments: tuple[str, ...]) -> None:
    result = invoke(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Usage: smoothvid" in result.stderr


def test_a_mistyped_command_gets_a_suggestion() -> None:
    assert "Did you mean 'info'" in invoke("inof").stderr


def test_version() -> None:
    assert invoke("--version").stdout == f"smoothvid {package.__version__}\n"


def test_help_answers_within_half_a_second(smoothvid: Run) -> None:
    """In processor time and the best of five, so that a busy machine does not count as a slow program."""
    seconds = []
    for _ in range(5):
        before = os.times()
        smoothvid("--help")
        after = os.times()
        seconds.append(sum(after[2:4]) - sum(before[2:4]))  # user and system time of child processes
    assert min(seconds) < 0.5


def test_no_help_imports_anything_heavy() -> None:
    code = f"""
import sys
from typer.testing import CliRunner
from smoothvid_cli.main import app
for arguments in {[["--help"], *[[command, "--help"] for command in COMMANDS]]}:
    assert CliRunner().invoke(app, arguments).exit_code == 0
    heavy = [name for name in ("torch", "numpy", "av", "PIL", "scipy", "safetensors") if name in sys.modules]
    assert not heavy, (arguments, heavy)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_the_reference_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == docs.page(), "run: python -m smoothvid_cli.docs > docs/cli.md"


@pytest.mark.parametrize("command", COMMANDS)
def test_the_reference_page_shows_every_option(command: str) -> None:
    section = docs.page().split(f"\n## smoothvid {command}\n")[1].split("\n## ")[0]
    flags = set(re.findall(r"--[a-z][a-z-]*[a-z]", invoke(command, "--help").stdout))
    assert flags - {"--help"} == set(re.findall(r"--[a-z][a-z-]*[a-z]", section))


def test_the_help_of_prepare_names_every_kind_of_video() -> None:
    from smoothvid.data.video_io import VIDEO_SUFFIXES

    words = re.findall(r"\w+", invoke("prepare", "--help").stdout)
    assert {suffix[1:] for suffix in VIDEO_SUFFIXES} <= set(words)
