"""What every sink promises."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smoothvid.errors import SmoothvidError


class Sink(ABC):
    """Takes frames until closed. As a context manager it is closed at the end, and abandoned on an error.

    Whatever goes wrong with the output is a SmoothvidError that names it, but for a pipe whose reader has left: that is
    a BrokenPipeError, the normal end of a pipe.
    """

    def __init__(self, name: str) -> None:
        self.name, self.num_frames = name, 0

    def write(self, frames: ArrayLike) -> None:
        """Append frames, uint8 [T, 3, H, W] (NumPy, or a torch tensor on the CPU)."""
        with errors_name(self.name):
            for picture in np.asarray(frames, np.uint8).transpose(0, 2, 3, 1):
                self._write_picture(np.ascontiguousarray(picture))
                self.num_frames += 1

    def close(self) -> None:
        """Finish the output, which is then whole."""
        with errors_name(self.name):
            try:
                self._finish()
            except OSError:
                self.abandon()
                raise

    def abandon(self) -> None:
        """Give the output up: what is unfinished is removed; what is endless stays, as far as it got."""
        with suppress(OSError):
            self._abandon()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close() if kind is None else self.abandon()

    @abstractmethod
    def _write_picture(self, picture: NDArray[np.uint8]) -> None:
        """Append one picture [H, W, 3]."""

    @abstractmethod
    def _finish(self) -> None:
        """Write what is left and give the output its name."""

    @abstractmethod
    def _abandon(self) -> None:
        """See `abandon`; an OSError here is nobody's concern."""


@contextmanager
def errors_name(name: str) -> Iterator[None]:
    """Turn an OSError in this block, but a BrokenPipeError, into a SmoothvidError with the name of the output."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise SmoothvidError(f"{name}: cannot be written ({error.strerror or error})") from None
