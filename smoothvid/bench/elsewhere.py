"""A second process that measures the same cases with memory as the system gives it.

How a process gets its memory can only be chosen for all of it, and what users have without choosing is to be measured
in turn with the rest.
"""

import multiprocessing
import signal
import time
import traceback
from collections.abc import Iterator
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self

import torch

from smoothvid.bench.case import BenchSettings, Case
from smoothvid.bench.memory import peak_bytes
from smoothvid.bench.stages import STAGES
from smoothvid.bench.timing import clock_of, seconds_of
from smoothvid.errors import SmoothvidError

_SETTLING = 0.02  # seconds: the threads of a process that has just computed look out for more work before they sleep


class Elsewhere:
    """Measures the plain variants of a stage's cases, one case after the other. A context manager that ends it."""

    def __init__(self, settings: BenchSettings) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would inherit how this process gets its memory
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, settings), daemon=True)
        # Ctrl-C is sent to all processes, but it is this one's affair; the child never gets it, not even at its start.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self._process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        theirs.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.join()
        self._pipe.close()

    def open(self, stage: str) -> None:
        """Go to the stage's next case and warm up."""
        self._ask("open", stage)

    def seconds(self) -> float:
        """Seconds of one call of the plain variant."""
        time.sleep(_SETTLING)
        seconds = float(self._ask("seconds"))
        time.sleep(_SETTLING)
        return seconds

    def peak(self) -> int | None:
        """Bytes of one call; see `peak_bytes`."""
        peak: int | None = self._ask("peak")
        return peak

    def _ask(self, *question: str) -> Any:
        try:
            self._pipe.send(question)
            answer = self._pipe.recv()
        except (EOFError, OSError):
            self._process.join()
            raise SmoothvidError(
                f"the process that measures with default memory has ended (exit code {self._process.exitcode}), mostly "
                "for lack of memory; choose fewer --stages or a smaller --preset"
            ) from None
        if isinstance(answer, Exception):
            raise answer
        return answer


def start_process(settings: BenchSettings) -> None:
    """What every process that measures does first."""
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)


def _serve(pipe: Connection, settings: BenchSettings) -> None:
    start_process(settings)
    clock, device = clock_of(settings.torch_device), settings.torch_device
    stage, cases, call = "", iter(list[Case]()), None
    while True:
        try:
            question, *about = pipe.recv()
        except EOFError:
            return
        try:
            answer: object = None
            if question == "open":
                call = None  # what the last case held goes first
                if stage != about[0]:
                    stage, cases = about[0], _cases(about[0], settings)
                call = next(cases).calls["plain"]
                call()
            elif question == "seconds":
                assert call is not None
                answer = seconds_of(call, clock)
            else:
                assert call is not None
                answer = peak_bytes(call, device)
        except Exception as error:
            error.add_note(traceback.format_exc())
            answer = error
        pipe.send(answer)


def _cases(stage: str, settings: BenchSettings) -> Iterator[Case]:
    return STAGES[stage].cases(settings)
