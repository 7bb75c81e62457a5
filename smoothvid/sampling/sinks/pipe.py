"""Video through a pipe."""

import sys
from io import FileIO
from typing import BinaryIO

import numpy as np
from av.video.reformatter import Colorspace
from numpy.typing import NDArray

from smoothvid.errors import ConfigError
from smoothvid.sampling.pixels import frame_rate, yuv420_frame
from smoothvid.sampling.sinks.base import Sink
from smoothvid.sampling.sinks.encode import LiveEncoder

PIPE_FORMATS = ("y4m", "mpegts", "rgb24")


class PipeSink(Sink):
    """Video on a byte stream, frame by frame.

    y4m is YUV 4:2:0, limited range, with the BT.601 matrix that its readers assume, as it cannot name one; odd sizes
    are padded to even ones. mpegts is H.264 in an MPEG transport stream, BT.709, which a reader may join at any second.
    rgb24 is H·W·3 bytes a frame without any header: the reader must know size and rate.
    """

    def __init__(self, stream: BinaryIO | FileIO, fps: float, kind: str = "y4m") -> None:
        super().__init__("the pipe")
        if kind not in PIPE_FORMATS:
            raise ConfigError(f"--pipe {kind}: unknown; use {', '.join(PIPE_FORMATS)}")
        self._stream, self._rate, self._kind = stream, frame_rate(fps), kind
        self._encoder = LiveEncoder("mpegts", self._rate, max(1, round(self._rate))) if kind == "mpegts" else None

    def _write_picture(self, picture: NDArray[np.uint8]) -> None:
        if self._encoder is not None:
            self._send(self._encoder.encode(picture))
        elif self._kind == "rgb24":
            self._send(picture.tobytes())
        else:
            self._send(self._y4m(picture))

    def _y4m(self, picture: NDArray[np.uint8]) -> bytes:
        planes = yuv420_frame(picture, Colorspace.ITU601).to_ndarray()  # [H·3/2, W]: Y, then U, then V
        frame = b"FRAME\n" + planes.tobytes()
        if self.num_frames:
            return frame
        height, width = planes.shape[0] * 2 // 3, planes.shape[1]
        rate = f"{self._rate.numerator}:{self._rate.denominator}"
        return f"YUV4MPEG2 W{width} H{height} F{rate} Ip A1:1 C420mpeg2 XCOLORRANGE=LIMITED\n".encode() + frame

    def _finish(self) -> None:
        if self._encoder is not None:
            self._send(self._encoder.finish())

    def _abandon(self) -> None:
        pass

    def _send(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[self._stream.write(view) :]
        self._stream.flush()


def standard_output() -> FileIO:
    """Return stdout for bytes, or raise ConfigError where it is a terminal.

    It has no buffer: a thread that waits for a reader holds no lock then, which would keep the process from ending.
    """
    if sys.stdout.isatty():
        raise ConfigError("--out -: stdout is a terminal; pipe it into a player: smoothvid sample ... | ffplay -")
    sys.stdout.flush()
    return FileIO(sys.stdout.fileno(), "w", closefd=False)
