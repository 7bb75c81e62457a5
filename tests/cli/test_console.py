"""Results on stdout, progress on stderr, and rates and times left that are right."""

import json
import os
import pty
import subprocess
import sys

import pytest

from smoothvid_cli import console


class Clock:
    """Seconds that pass when told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_meter_tells_rate_and_time_left() -> None:
    clock = Clock()
    meter = console.Meter(1000, "frames", clock=clock)
    assert meter.text() == "0/1000 frames"
    clock.now += 2
    meter.advance(40, note="loss 0.5")
    assert meter.text() == "40/1000 frames, 20 frames/s, 0:00:48 left, loss 0.5"


def test_meter_forgets_a_slow_start() -> None:
    clock = Clock()
    meter = console.Meter(None, "frames", clock=clock)
    clock.now += 1000
    meter.advance(1)
    for _ in range(60):
        clock.now += 1
        meter.advance(2)
    assert meter.rate() == pytest.approx(2.0)
    assert meter.text() == "121 frames, 2 frames/s"


def test_meter_counts_only_new_work_when_work_continues() -> None:
    clock = Clock()
    meter = console.Meter(100, "kimg", done=90, clock=clock)
    clock.now += 10
    meter.advance(1)
    assert meter.text() == "91/100 kimg, 6 kimg/min, 0:01:30 left"
    meter.advance(9)
    assert meter.text().startswith("100/100 kimg") and "left" not in meter.text()


def test_meter_writes_large_counts_and_slow_rates_in_full() -> None:
    clock = Clock()
    meter = console.Meter(25_000_000, "images", clock=clock)
    clock.now += 3600
    meter.advance(1_234_567)
    assert meter.text().startswith("1234567/25000000 images, 343 images/s, 19:15:00 left")
    slow = console.Meter(None, "kimg", clock=clock)
    clock.now += 1800
    slow.advance(0.5)
    assert slow.text() == "0.5 kimg, 1 kimg/h"


def test_meter_remembers_little_however_often_it_is_called() -> None:
    clock = Clock()
    meter = console.Meter(None, "frames", clock=clock)
    for _ in range(100_000):
        clock.now += 0.001
        meter.advance()
    assert meter.rate() == pytest.approx(1000, rel=1e-6) and len(meter.marks) < 400


def test_progress_without_a_terminal_is_plain_lines_on_stderr(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr("time.monotonic", clock)
    monkeypatch.setattr(console.Meter.__init__, "__defaults__", (0, clock))
    with console.progress("making", total=4, unit="clips") as advance:
        for _ in range(4):
            clock.now += 6
            advance()
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "making: 2/4 clips, 10 clips/min, 0:00:12 left",
        "making: 4/4 clips, 10 clips/min",
    ]


def test_quiet_holds_messages_and_progress_back(capsys: pytest.CaptureFixture[str]) -> None:
    console.set_quiet(True)
    try:
        console.say("hello")
        with console.progress("making", total=1) as advance:
            advance()
        console.print_error("broken")
    finally:
        console.set_quiet(False)
    assert capsys.readouterr() == ("", "error: broken\n")


def test_tables_and_json_are_results(capsys: pytest.CaptureFixture[str]) -> None:
    long = "a [bold]very[/bold] long name " * 20
    console.print_table(["name", "frames"], [[long, 12], ["b", None]], title="Used")
    out, err = capsys.readouterr()
    lines = [line.strip() for line in out.splitlines()]
    assert err == "" and "Used" in lines
    assert any(line.startswith(long.strip()) and line.endswith(" 12") for line in lines), "not folded, not markup"
    assert any(line.split() == ["b", "-"] for line in lines)
    console.print_json({"name": "é", "frames": 12})
    assert json.loads(capsys.readouterr().out) == {"name": "é", "frames": 12}


@pytest.mark.parametrize("no_color", [False, True])
def test_on_a_terminal_there_is_a_bar_and_colour_unless_refused(no_color: bool) -> None:
    code = (
        "from smoothvid_cli import console\n"
        "with console.progress('making', total=2, unit='clips') as advance:\n    advance(); advance()\n"
        "console.print_error('broken')"
    )
    env = {"PATH": "", "TERM": "xterm-256color", "COLUMNS": "100", **({"NO_COLOR": "1"} if no_color else {})}
    env["PYTHONPATH"] = ":".join(sys.path)
    output = run_on_a_terminal([sys.executable, "-c", code], env)
    assert "making" in output and "━" in output and "2/2 clips" in output and "error: broken" in output
    assert ("\x1b[31m" in output) == (not no_color)


def run_on_a_terminal(command: list[str], env: dict[str, str]) -> str:
    """Run with stderr on a terminal of its own and return what it shows."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=theirs, stdin=subprocess.DEVNULL, env=env)
    os.close(theirs)
    shown = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:  # how Linux says that the other end is closed
            break
        if not piece:
            break
        shown += piece
    process.wait()
    os.close(ours)
    return shown.decode()
