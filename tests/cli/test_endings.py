"""Each way a command can end: its exit code, one clear line on stderr, and a traceback only under --debug."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]

# The real entry point around a command that does what is asked of it.
PROGRAM = """
import sys, types
from smoothvid_cli import main
from smoothvid_cli.options import Debug, Quiet
from smoothvid.errors import ConfigError, DataError
module = types.ModuleType("smoothvid_cli.ending")
def ending(debug: Debug = False, quiet: Quiet = False) -> None:
    {body}
module.ending = ending
sys.modules["smoothvid_cli.ending"] = module
main.COMMANDS["ending"] = "ending"
main.run()
"""


def end(body: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-c", PROGRAM.format(body=body), "ending", *arguments]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("body", "code", "stderr"),
    [
        ("print('result')", 0, ""),
        ("raise DataError('a.mp4: not a [video]; give another')", 1, "error: a.mp4: not a [video]; give another\n"),
        ("raise DataError('two\\nlines')", 1, "error: two lines\n"),
        ("raise ConfigError('train.batch: must be at least 1')", 2, "error: train.batch: must be at least 1\n"),
        ("{}['x']", 1, "error: unexpected: KeyError: 'x'; run again with --debug to see where\n"),
        ("raise KeyboardInterrupt", 130, "interrupted\n"),
        ("open('no/a.mp4')", 1, "error: no/a.mp4: No such file or directory\n"),
        ("print('a' + chr(0xdcff))", 0, ""),  # a file name on Linux may hold bytes that are no text
    ],
)
def test_each_ending(body: str, code: int, stderr: str) -> None:
    result = end(body)
    assert (result.returncode, result.stderr) == (code, stderr)


def test_debug_adds_the_traceback() -> None:
    result = end("raise DataError('broken')", "--debug")
    assert result.returncode == 1
    assert "Traceback" in result.stderr and result.stderr.endswith("error: broken\n")


def test_quiet_keeps_errors_and_drops_messages() -> None:
    assert end("raise KeyboardInterrupt", "--quiet").stderr == ""
    assert end("raise DataError('broken')", "--quiet").stderr == "error: broken\n"


def test_a_reader_that_leaves_early_causes_no_noise() -> None:
    command = [sys.executable, "-c", PROGRAM.format(body="[print('line') for _ in range(100000)]"), "ending"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stderr is not None
    assert process.stdout.readline() == "line\n"
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    process.wait()


def test_a_missing_path_is_named(smoothvid: Run, tmp_path: Path) -> None:
    result = smoothvid("info", tmp_path / "nowhere")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == f"error: {tmp_path / 'nowhere'}: no such file or folder\n"
