"""Stages for test_card.py: one that works, one that breaks in every way, one that has no end."""

import os
import time
from collections.abc import Iterator

from smoothvid.bench.card.jobs import Job
from smoothvid.bench.card.settings import CardSettings


def fine(settings: CardSettings, until: float) -> Iterator[Job]:
    for number in range(3):
        yield Job("Fine", f"job {number}", lambda number=number: {"square": number**2, "ok": True})  # type: ignore[misc]


def broken(settings: CardSettings, until: float) -> Iterator[Job]:
    def raises() -> dict[str, object]:
        raise ValueError("no such | thing")

    def faults() -> dict[str, object]:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    yield Job("Broken", "raises", raises)
    yield Job("Broken", "spoils the device", faults)
    yield Job("Broken", "ends its process", lambda: os._exit(11))
    yield Job("Broken", "comes last", lambda: {"ok": False})


def unmakeable(settings: CardSettings, until: float) -> Iterator[Job]:
    raise ValueError("no jobs at all")
    yield


def endless(settings: CardSettings, until: float) -> Iterator[Job]:
    def waits() -> dict[str, object]:
        (settings.out / "pid").write_text(str(os.getpid()))
        time.sleep(600)
        return {}

    yield Job("Endless", "first", lambda: {"done": True})
    yield Job("Endless", "waits", waits)
