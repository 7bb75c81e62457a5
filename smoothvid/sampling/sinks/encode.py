"""Encoders as the sinks want them: the tags of the colours, keyframes, and containers that give their bytes at once."""

from fractions import Fraction
from typing import Literal, cast

import av
import numpy as np
from av.video.reformatter import Colorspace
from numpy.typing import NDArray

from smoothvid.sampling.pixels import yuv420_frame

# Without macroblock trees: with them, x264's AVX-512 code gives other bytes each time for the same frames.
H264_OPTIONS = {"crf": "18", "x264-params": "mbtree=0"}
H264_LIVE_OPTIONS = {**H264_OPTIONS, "tune": "zerolatency"}  # each frame leaves the encoder at once
_BT709 = 1  # of primaries, transfer and matrix alike
_LIMITED_RANGE = 1  # 16 .. 235
_BYTES_OPTIONS = {
    "mp4": {"movflags": "frag_keyframe+empty_moov+default_base_moof+skip_trailer"},
    "mpegts": {},
}


def add_yuv_stream(
    container: av.container.OutputContainer,
    codec: str,
    frame: av.VideoFrame,
    rate: Fraction,
    keyframe_every: int,
    options: dict[str, str],
) -> av.VideoStream:
    """Add a stream of frames like this one in YUV 4:2:0, tagged as BT.709 in limited range."""
    stream = cast(av.VideoStream, container.add_stream(codec, rate=rate, options=options))
    stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, "yuv420p"
    context = stream.codec_context
    context.gop_size = keyframe_every
    context.colorspace = context.color_primaries = context.color_trc = _BT709
    context.color_range = _LIMITED_RANGE
    return stream


class LiveEncoder:
    """Pictures in, bytes of a video without end out; H.264, with a keyframe every so many frames and nowhere else.

    In "mpegts" the bytes of a picture come out with it. In "mp4" the first picture gives the header, and the first of
    every following `keyframe_every` gives the fragment of those before it, which starts with a keyframe; other pictures
    give nothing.
    """

    def __init__(self, container: Literal["mp4", "mpegts"], rate: Fraction, keyframe_every: int) -> None:
        self._rate, self._keyframe_every, self._num_frames = rate, keyframe_every, 0
        self._bytes = _Bytes()  # not a file, whose errors PyAV would lose or change
        options = {"flush_packets": "1", **_BYTES_OPTIONS[container]}
        self._container = av.open(self._bytes, "w", format=container, options=options)
        self._stream: av.VideoStream | None = None

    def encode(self, picture: NDArray[np.uint8]) -> bytes:
        """Take a picture [H, W, 3] and return the bytes that are ready."""
        frame = yuv420_frame(picture, Colorspace.ITU709)
        if self._stream is None:
            options = {**H264_LIVE_OPTIONS, "sc_threshold": "0"}  # no keyframes at cuts
            self._stream = add_yuv_stream(self._container, "libx264", frame, self._rate, self._keyframe_every, options)
        frame.pts, frame.time_base = self._num_frames, 1 / self._rate
        self._num_frames += 1
        self._container.mux(self._stream.encode(frame))
        return self._bytes.take()

    def finish(self) -> bytes:
        """Return the bytes that were left."""
        if self._stream is not None:
            self._container.mux(self._stream.encode(None))
            self._container.close()
        return self._bytes.take()


class _Bytes:
    """A file to PyAV, which collects what is written."""

    def __init__(self) -> None:
        self._data = bytearray()

    def write(self, data: bytes) -> int:
        self._data += data
        return len(data)

    def take(self) -> bytes:
        data = bytes(self._data)
        self._data.clear()
        return data
