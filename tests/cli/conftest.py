"""Runs the command line as a person does: in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def smoothvid() -> Run:
    """`smoothvid("info", path)` runs the command and returns its exit code and output, without colours, 100 wide."""

    def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-W", "error", "-m", "smoothvid_cli.main", *map(str, arguments)]
        env = {**os.environ, "NO_COLOR": "1", "COLUMNS": "100", **environment}
        return subprocess.run(command, capture_output=True, text=True, env=env, timeout=120)

    return run
