"""What holds for the words of every command: ~ is the home folder, and numbers are ordinary ones."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from smoothvid_cli.main import app
from smoothvid_cli.words import at_home


def test_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    words = ["~", "~/a b", "--out=~/a", "-q", "a~b", "--label", "--out=a~", "~nobody-has-this-name/x"]
    expected = ["/home/me", "/home/me/a b", "--out=/home/me/a", *words[3:]]
    assert list(map(at_home, words)) == expected


def test_paths_of_commands(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    outcome = CliRunner().invoke(app, ["prepare", "~/clips", "--out", "~/set"])
    assert f"{tmp_path}/clips does not exist" in str(outcome.exception)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["sample", "drive", "--out", "a.mp4", "--start", "nan"], "--start nan: a finite number is needed"),
        (["prepare", "synthetic:sky", "--out", "a", "--timeout=inf"], "--timeout inf: a finite number is needed"),
        (["eval", "drive", "sky", "--seed", "1" + "0" * 30], "'--seed'"),
        (["sample", "drive", "--out", "a.mp4", "--fps", "0"], "--fps"),
        (["sample", "drive", "--out", "a.mp4", "--fps", "inf"], "--fps"),
    ],
)
def test_numbers(words: list[str], told: str) -> None:
    outcome = CliRunner().invoke(app, words)
    assert outcome.exit_code == 2 and told in outcome.stderr
