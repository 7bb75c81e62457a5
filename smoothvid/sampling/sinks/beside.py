"""A sink that works while the next frames are made."""

from concurrent.futures import Future
from threading import Thread
from types import TracebackType
from typing import Self

from numpy.typing import ArrayLike

from smoothvid.sampling.sinks.base import Sink

GRACE_SECONDS = 3.0  # for a piece at hand, before the sink under it is abandoned


class Beside:
    """Writes to a sink in a thread, one piece of frames at a time, while its caller makes the next.

    `write` waits for the piece before, so a slow sink slows its caller, and never more than one piece waits in memory.
    What goes wrong in the thread is raised by the next call. As a context manager it closes or abandons the sink as the
    sink itself would, and an error waits for a thread that is stuck no longer than GRACE_SECONDS.
    """

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._piece: Future[None] | None = None

    def write(self, frames: ArrayLike) -> None:
        """Hand over frames, uint8 [T, 3, H, W], which the caller leaves as they are from now on."""
        self._wait()
        self._piece = Future()
        # A daemon, as it may be stuck for ever: in a pipe that nobody reads, on a disk that does not answer.
        Thread(target=self._run, args=(self._piece, frames), name=f"to {self._sink.name}", daemon=True).start()

    def close(self) -> None:
        """Wait until all is written and close the sink."""
        try:
            self._wait()
        except BaseException:
            self.abandon()
            raise
        self._sink.close()

    def abandon(self) -> None:
        """Abandon the sink; a thread that is stuck in it is left alone, and what it was writing, too."""
        if self._piece is None or self._ends(self._piece):
            self._sink.abandon()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close() if kind is None else self.abandon()

    def _run(self, piece: "Future[None]", frames: ArrayLike) -> None:
        try:
            self._sink.write(frames)
        except BaseException as error:
            piece.set_exception(error)
        else:
            piece.set_result(None)

    def _wait(self) -> None:
        if self._piece is not None:
            self._piece.result()

    @staticmethod
    def _ends(piece: "Future[None]") -> bool:
        try:
            piece.exception(timeout=GRACE_SECONDS)
        except TimeoutError:
            return False
        return True
