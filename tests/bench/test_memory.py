"""What a call takes at its peak is seen, whether or not the process keeps freed memory."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from smoothvid.bench.memory import peak_bytes

CPU = torch.device("cpu")
MB = 1_000_000

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="resident memory is read from /proc")


def touch(megabytes: int) -> None:
    np.ones(megabytes * MB, np.uint8)


def test_a_known_allocation_is_seen_within_15_percent() -> None:
    for _ in range(2):  # a second time, too, when the first has raised the process's highest mark
        peak = peak_bytes(lambda: touch(200), CPU)
        assert peak == pytest.approx(200 * MB, rel=0.15)


def test_what_was_held_before_and_earlier_peaks_do_not_count() -> None:
    held = np.ones(300 * MB, np.uint8)
    touch(100)
    peak = peak_bytes(lambda: touch(20), CPU)
    assert peak == pytest.approx(20 * MB, rel=0.15)
    assert held[0] == 1


def test_it_is_the_peak_and_not_the_sum() -> None:
    def call() -> None:
        for _ in range(3):
            touch(60)

    assert peak_bytes(call, CPU) == pytest.approx(60 * MB, rel=0.15)


def test_it_is_seen_where_freed_memory_is_kept() -> None:
    code = """
import numpy, torch
from smoothvid.bench.memory import peak_bytes
from smoothvid.memory_pool import keep_memory
keep_memory()
call = lambda: numpy.ones(200_000_000, numpy.uint8)
print(call().size, *(peak_bytes(call, torch.device("cpu")) for _ in range(2)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert list(map(int, done.stdout.split())) == pytest.approx([200 * MB] * 3, rel=0.15)
