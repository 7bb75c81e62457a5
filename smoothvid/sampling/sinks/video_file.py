"""A video in one file."""

import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import Colorspace
from numpy.typing import NDArray

from smoothvid.sampling.pixels import frame_rate, palette_frame, yuv420_frame
from smoothvid.sampling.sinks.base import Sink
from smoothvid.sampling.sinks.encode import H264_LIVE_OPTIONS, H264_OPTIONS, add_yuv_stream
from smoothvid.sampling.sinks.names import temporary_name

_VP9_OPTIONS = {"crf": "24", "b": "0", "deadline": "realtime", "cpu-used": "5"}
_CODECS = {".mp4": ("libx264", H264_OPTIONS), ".webm": ("libvpx-vp9", _VP9_OPTIONS)}
_FILE_OPTIONS = {".mp4": {"movflags": "+faststart"}}
# Endless: each frame leaves the encoder and reaches the disk at once, and no index of the past grows in memory.
_ENDLESS_CODECS = {
    ".mp4": ("libx264", H264_LIVE_OPTIONS),
    ".webm": ("libvpx-vp9", {**_VP9_OPTIONS, "lag-in-frames": "0"}),
}
_ENDLESS_FILE_OPTIONS = {
    ".mp4": {"movflags": "frag_every_frame+empty_moov+default_base_moof+skip_trailer"},
    ".webm": {"live": "1", "cluster_time_limit": "1"},
}


class VideoFile(Sink):
    """A .mp4 (H.264), .webm (VP9) or .gif file. Odd sizes are padded to even ones by repeating the last row or column
    where the format needs it (not in a GIF)."""

    def __init__(self, path: Path, fps: float, *, endless: bool = False) -> None:
        super().__init__(str(path))
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path, self._written = path, path if endless else temporary_name(path)
        self._rate = frame_rate(fps)
        self._kind = path.suffix.lower()
        self._endless = endless
        options = _FILE_OPTIONS.get(self._kind, {})
        if endless:
            options = {"flush_packets": "1", **_ENDLESS_FILE_OPTIONS.get(self._kind, {})}
        # With its protocol named, no part of a file's name can be taken for another one.
        place = f"file:{self._written.absolute()}"
        self._container = av.open(place, "w", format=self._kind[1:], options=options)
        self._stream: av.VideoStream | None = None

    def _write_picture(self, picture: NDArray[np.uint8]) -> None:
        frame = palette_frame(picture) if self._kind == ".gif" else yuv420_frame(picture, Colorspace.ITU709)
        if self._stream is None:
            self._stream = self._add_stream(frame)
        frame.pts, frame.time_base = self.num_frames, 1 / self._rate
        self._container.mux(self._stream.encode(frame))

    def _finish(self) -> None:
        if self._stream is not None:
            self._container.mux(self._stream.encode(None))
        self._container.close()
        if self._written != self._path:
            os.replace(self._written, self._path)

    def _abandon(self) -> None:
        if self._endless and self.num_frames:
            return self._finish()
        try:
            self._container.close()  # writes, too: fails again on a full disk
        finally:
            self._written.unlink(missing_ok=True)

    def _add_stream(self, frame: av.VideoFrame) -> av.VideoStream:
        if self._kind == ".gif":
            return _add_gif_stream(self._container, frame, self._rate)
        codec, options = (_ENDLESS_CODECS if self._endless else _CODECS)[self._kind]
        keyframe_every = max(1, round(2 * self._rate))  # a place to seek to every two seconds
        return add_yuv_stream(self._container, codec, frame, self._rate, keyframe_every, options)


def _add_gif_stream(container: av.container.OutputContainer, frame: av.VideoFrame, rate: Fraction) -> av.VideoStream:
    stream = container.add_stream("gif", rate=rate)
    stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, "pal8"
    return stream
