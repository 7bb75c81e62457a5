"""Jobs that crash, hang or eat memory cost only themselves. `eval` stands for a decoder that does as it likes."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from smoothvid.data.supervisor import JobFailed, run_jobs


def test_nasty_jobs_cost_only_themselves() -> None:
    jobs = [
        "'first'",
        "__import__('os').abort()",
        "__import__('signal').raise_signal(11)",
        "__import__('os')._exit(3)",
        "__import__('time').sleep(60)",
        "bytearray(2 << 30)",
        "1 / 0",
        "__import__('signal').raise_signal(9)",
        "'last'",
    ]
    started = time.monotonic()
    results = dict(run_jobs(eval, [(job,) for job in jobs], workers=2, timeout=3.0, memory=1 << 30))
    assert time.monotonic() - started < 30
    assert sorted(results) == list(range(len(jobs)))
    assert results[0] == "first" and results[8] == "last"
    reasons = [results[number].reason for number in range(1, 8)]
    crashed = "the decoder crashed ({})"
    assert reasons[:3] == [crashed.format(how) for how in ("SIGABRT", "SIGSEGV", "exit status 3")]
    assert reasons[3] == "took longer than 3 s"
    assert reasons[4] == "needs more than 1.0 GiB of memory"
    assert reasons[5] == "ZeroDivisionError: division by zero"
    assert "killed" in reasons[6]


def test_a_worker_takes_many_jobs() -> None:
    results = dict(run_jobs(eval, [("__import__('os').getpid()",)] * 6, workers=1, timeout=30))
    assert len(results) == 6 and len(set(results.values())) == 1
    assert os.getpid() not in results.values()


def test_an_interrupt_leaves_no_process_behind() -> None:
    running = run_jobs(eval, [("__import__('os').getpid()",), ("__import__('time').sleep(60)",)], workers=1, timeout=90)
    number, child = next(running)
    assert number == 0
    with pytest.raises(KeyboardInterrupt):
        running.throw(KeyboardInterrupt)
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


def test_a_result_that_is_a_failure_is_told_apart() -> None:
    assert dict(run_jobs(eval, [("{}['x']",)], workers=1, timeout=30)) == {0: JobFailed("KeyError: 'x'")}


def test_a_long_temporary_folder(tmp_path: Path) -> None:
    """Where its name leaves no room for that of a socket, another folder is taken, and nothing is left in either."""
    folder = tmp_path / ("d" * 100)
    folder.mkdir()
    program = "from smoothvid.data.supervisor import run_jobs; print(list(run_jobs(eval, [('6 * 7',)], 1, 30)))"
    environment = os.environ | {"TMPDIR": str(folder)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert done.stdout == "[(0, 42)]\n", done.stderr
    assert list(folder.iterdir()) == []
