"""Running jobs in child processes, so that one that crashes, hangs or eats memory costs nothing but itself."""

import contextlib
import multiprocessing
import os
import resource
import signal
import sys
import tempfile
import threading
import time
import types
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

SHORT_TEMPORARY_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm")  # where TMPDIR is too long
LONGEST_TEMPORARY_FOLDER = 70  # bytes; multiprocessing adds up to 31
MEMORY_LIMIT = 4 << 30  # bytes of address space per worker: enough to decode 8K video


@dataclass(frozen=True)
class JobFailed:
    """A job that did not return: why, in a few words. system: files could not be written, so the next will fail too."""

    reason: str
    system: bool = False


@dataclass(frozen=True)
class JobNote:
    """What a job under way says about how far it is."""

    text: str


_parent: Connection | None = None  # set in workers


def tell_parent(text: str) -> None:
    """Say how far a job is; outside of workers nobody listens."""
    if _parent is not None:
        _parent.send(JobNote(text))


class _Worker:
    def __init__(self, function: Callable[..., Any], memory: int) -> None:
        context = multiprocessing.get_context("forkserver")  # forks that inherit neither threads nor open files
        self.connection, child = context.Pipe()
        self.process = context.Process(target=_work, args=(child, function, memory), daemon=True)
        with _main_hidden(), _short_temporary_folder():
            self.process.start()
        child.close()
        self.job = -1
        self.deadline = 0.0

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        self.connection.close()


def run_jobs(
    function: Callable[..., Any],
    jobs: Sequence[tuple[Any, ...]],
    workers: int,
    timeout: float,
    memory: int = MEMORY_LIMIT,
) -> Iterator[tuple[int, Any]]:
    """Call function(*job) for every job in child processes.

    Args:
        function: importable by name; its results must pickle.
        jobs: argument tuples.
        workers: jobs at one time.
        timeout: seconds until a job is killed.
        memory: bytes of address space a worker may use.

    Yields:
        (number of the job, what the function returned or a JobFailed), as they come; before that perhaps some
        (number, JobNote). All children are gone when the iterator is closed or an exception passes through it.
    """
    waiting = deque(range(len(jobs)))
    idle: list[_Worker] = []
    busy: dict[Connection, _Worker] = {}
    try:
        while waiting or busy:
            while waiting and len(busy) < workers:
                worker = idle.pop() if idle else _Worker(function, memory)
                worker.job, worker.deadline = waiting.popleft(), time.monotonic() + timeout
                busy[worker.connection] = worker
                with contextlib.suppress(OSError):  # a worker that died meanwhile shows up as an end of file below
                    worker.connection.send(jobs[worker.job])
            first_deadline = min(worker.deadline for worker in busy.values())
            ready = wait(list(busy), max(0.0, first_deadline - time.monotonic()))
            for worker in [busy[connection] for connection in busy if connection in ready]:
                result, usable = _receive(worker)
                if not isinstance(result, JobNote):
                    del busy[worker.connection]
                    idle += [worker] if usable else []
                yield worker.job, result
            for worker in [w for w in busy.values() if w.deadline <= time.monotonic()]:
                del busy[worker.connection]
                worker.end()
                yield worker.job, JobFailed(f"took longer than {timeout:g} s")
    finally:
        for worker in [*idle, *busy.values()]:
            worker.end()


def _receive(worker: _Worker) -> tuple[Any, bool]:
    """A worker's answer, and whether the worker can go on."""
    try:
        result = worker.connection.recv()
    except (EOFError, OSError):
        worker.process.join()
        code = worker.process.exitcode or 0
        worker.end()
        if code == -signal.SIGKILL:
            return JobFailed("the decoder was killed, perhaps for lack of memory"), False
        what = signal.Signals(-code).name if code < 0 else f"exit status {code}"
        return JobFailed(f"the decoder crashed ({what})"), False
    if isinstance(result, JobFailed):
        worker.end()
        return result, False
    return result, True


@contextlib.contextmanager
def _main_hidden() -> Iterator[None]:
    """Keep children from importing the caller's script again: they need nothing of it, and it may not be guarded."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextlib.contextmanager
def _short_temporary_folder() -> Iterator[None]:
    """Let multiprocessing, which asks when it starts its first process, have a folder whose name is short enough.

    It puts a socket into it, and the path of a socket has at most 107 bytes.
    """
    before = tempfile.tempdir
    if len(os.fsencode(tempfile.gettempdir())) > LONGEST_TEMPORARY_FOLDER:
        tempfile.tempdir = next(
            (path for path in SHORT_TEMPORARY_FOLDERS if os.access(path, os.W_OK | os.X_OK)), before
        )
    try:
        yield
    finally:
        tempfile.tempdir = before


def _work(connection: Connection, function: Callable[..., Any], memory: int) -> None:
    """Body of a worker: jobs come in, results go out, and any failure is its end."""
    global _parent
    _parent = connection
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's affair
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with contextlib.suppress(ValueError, OSError):  # not every system lets this limit be set
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    with contextlib.suppress(EOFError):
        while True:
            job = connection.recv()
            try:
                result = function(*job)
            except MemoryError:
                result = JobFailed(f"needs more than {memory / 2**30:.1f} GiB of memory")
            except OSError as error:
                result = JobFailed(error.strerror or str(error), system=True)
            except Exception as error:
                result = JobFailed(f"{type(error).__name__}: {error}")
            connection.send(result)
            if isinstance(result, JobFailed):
                return


def _end_with_parent() -> None:
    """Leave at once when the parent is gone, even killed, so that nobody writes into what its successor works on."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
