"""Encoding beside generation: by events and real pipes, never by how long something takes."""

import os
import time
from io import FileIO
from threading import Event, Thread

import numpy as np
import pytest
from numpy.typing import NDArray

from smoothvid.errors import SmoothvidError
from smoothvid.sampling.sinks import Beside, PipeSink, Sink

PATIENCE = 30.0  # seconds before a test gives up on an event


class Recorder(Sink):
    """Remembers what happens; `go` must be set for a picture to be taken, and the picture `bad` cannot be."""

    def __init__(self, bad: int | None = None, error: OSError | None = None) -> None:
        super().__init__("the recorder")
        self.bad, self.error = bad, error or OSError("the disk burns")
        self.pictures: list[int] = []
        self.end = ""
        self.busy, self.go = Event(), Event()

    def _write_picture(self, picture: NDArray[np.uint8]) -> None:
        self.busy.set()
        assert self.go.wait(PATIENCE)
        if picture[0, 0, 0] == self.bad:
            raise self.error
        self.pictures.append(int(picture[0, 0, 0]))

    def _finish(self) -> None:
        self.end += "finished"

    def _abandon(self) -> None:
        self.end += "abandoned"


def piece(number: int, size: int = 2) -> NDArray[np.uint8]:
    return np.full((1, 3, size, size), number, np.uint8)


def test_the_next_piece_is_made_while_the_last_is_written() -> None:
    sink = Recorder()
    with Beside(sink) as beside:
        beside.write(piece(0))
        assert sink.busy.wait(PATIENCE) and sink.pictures == []  # the sink is in piece 0 while we are here
        sink.go.set()
        for number in range(1, 20):
            beside.write(piece(number))
    assert sink.pictures == list(range(20)) and sink.end == "finished" and sink.num_frames == 20


def test_a_slow_sink_slows_its_caller() -> None:
    sink, made = Recorder(), []

    def generate() -> None:
        with Beside(sink) as beside:
            for number in range(10):
                made.append(number)
                beside.write(piece(number))

    caller = Thread(target=generate)
    caller.start()
    assert sink.busy.wait(PATIENCE)
    time.sleep(0.3)  # enough to run away in
    assert made in ([0], [0, 1])  # one in the sink, one in hand
    sink.go.set()
    caller.join(PATIENCE)
    assert sink.pictures == made == list(range(10))


@pytest.mark.parametrize("bad", [0, 1, 3])  # 3: the last one, found by close
@pytest.mark.parametrize(
    "error,raised,message",
    [
        (OSError("it burns"), SmoothvidError, "recorder.*burns"),
        (BrokenPipeError("reader left"), BrokenPipeError, "left"),
    ],
)
def test_errors_come_up(bad: int, error: OSError, raised: type[Exception], message: str) -> None:
    sink = Recorder(bad, error)
    sink.go.set()
    with pytest.raises(raised, match=message), Beside(sink) as beside:
        for number in range(4):
            beside.write(piece(number))
    assert sink.pictures == list(range(bad)) and sink.end == "abandoned"


def test_an_error_of_the_caller_abandons_the_sink_after_the_piece_at_hand() -> None:
    sink = Recorder()
    with pytest.raises(ZeroDivisionError), Beside(sink) as beside:
        beside.write(piece(0))
        sink.go.set()
        1 / 0  # noqa: B018
    assert sink.pictures == [0] and sink.end == "abandoned"


def test_nobody_waits_for_a_reader_that_does_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smoothvid.sampling.sinks.beside.GRACE_SECONDS", 0.1)
    reader, writer = os.pipe()
    with FileIO(writer, "w") as stream:
        with pytest.raises(KeyboardInterrupt), Beside(PipeSink(stream, 25, "rgb24")) as beside:
            beside.write(piece(0, 1000))  # more than fits into a pipe
            raise KeyboardInterrupt
        stuck = beside._piece
        assert stuck is not None and not stuck.done()
        os.close(reader)
        assert isinstance(stuck.exception(PATIENCE), BrokenPipeError)
