"""A video that browsers play over plain HTTP: a playlist and short pieces of video (HLS, RFC 8216, in fragmented MP4).

The playlist is written here, not by FFmpeg's muxer, which announces segments of half a second as 0 s long and finds a
full disk only at the end.
"""

import math
import re
import time
from collections import deque
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from smoothvid.errors import ConfigError
from smoothvid.sampling.pixels import frame_rate
from smoothvid.sampling.sinks.base import Sink
from smoothvid.sampling.sinks.encode import LiveEncoder
from smoothvid.sampling.sinks.names import write_whole

SEGMENT_SECONDS = 0.5  # what a kill can lose, as a segment counts once it is in the playlist
WINDOW_SECONDS = 20.0  # of an endless video that the playlist names; as much again stays on the disk for slow readers
CATCH_UP_SECONDS = 5.0  # after a pause this much of an endless video may come faster than it plays


class Segment(NamedTuple):
    """A piece of the video: its number, and how many frames it has."""

    number: int
    num_frames: int


class HlsPlaylist(Sink):
    """`sky.m3u8` with its segments beside it: `sky.m3u8-000000.mp4`, ..., and their header `sky.m3u8-000000-init.mp4`.

    Every file appears whole. Of an endless video the last WINDOW_SECONDS can be played, older segments are deleted, and
    `write` takes no longer than the video plays but no less either, since a viewer cannot keep up with more. A finite
    one keeps all, and its playlist appears when it is whole. Numbers go on after those of a run before, whose files are
    removed when this one's playlist appears; nothing else in the folder is touched.
    """

    def __init__(self, path: Path, fps: float, *, endless: bool = False) -> None:
        super().__init__(str(path))
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path, self._endless = path, endless
        self._rate = frame_rate(fps)
        self._segment_frames = max(1, round(SEGMENT_SECONDS * self._rate))
        self._window = math.ceil(WINDOW_SECONDS * self._rate / self._segment_frames)
        self._encoder = LiveEncoder("mp4", self._rate, self._segment_frames)
        self._left_over = _segment_files(path)
        self._first = max(self._left_over.values(), default=-1) + 1
        self._segments: deque[Segment] = deque()  # on the disk
        self._in_segments = 0  # frames
        self._has_header = False
        self._due = 0.0  # when the next segment may appear

    def _write_picture(self, picture: NDArray[np.uint8]) -> None:
        self._take(self._encoder.encode(picture))

    def _finish(self) -> None:
        self._take(self._encoder.finish())
        self._publish(ended=True)

    def _abandon(self) -> None:
        if self._endless and self._segments:
            return self._publish(ended=True)
        for path, number in _segment_files(self._path).items():
            if number >= self._first:
                path.unlink(missing_ok=True)

    def _take(self, data: bytes) -> None:
        """Take what the encoder gives: the header first, then whole segments."""
        if not data:
            return
        if not self._has_header:
            self._has_header = True
            return write_whole(self._header_path(), data)
        number = self._segments[-1].number + 1 if self._segments else self._first
        write_whole(self._segment_path(number), data)
        self._segments.append(Segment(number, self.num_frames - self._in_segments))
        self._in_segments = self.num_frames
        if self._endless:
            self._wait_until_due()
            self._publish()

    def _wait_until_due(self) -> None:
        now = time.monotonic()
        self._due = max(self._due, now - (CATCH_UP_SECONDS if self._due else 0))
        time.sleep(max(0.0, self._due - now))
        self._due += self._segments[-1].num_frames / self._rate

    def _publish(self, ended: bool = False) -> None:
        write_whole(self._path, self._playlist(ended).encode())
        for path in self._left_over:
            path.unlink(missing_ok=True)
        self._left_over = {}
        while self._endless and len(self._segments) > 2 * self._window:
            self._segment_path(self._segments.popleft().number).unlink(missing_ok=True)

    def _playlist(self, ended: bool) -> str:
        shown = list(self._segments)[-self._window :] if self._endless else list(self._segments)
        lines = [
            "#EXTM3U",
            "#EXT-X-VERSION:7",
            f"#EXT-X-TARGETDURATION:{math.ceil(self._segment_frames / self._rate)}",
            f"#EXT-X-MEDIA-SEQUENCE:{shown[0].number if shown else self._first}",
            f"#EXT-X-DISCONTINUITY-SEQUENCE:{self._first}",  # higher than that of a run before: its time is another
            "#EXT-X-INDEPENDENT-SEGMENTS",
        ]
        if not self._endless:
            lines.append("#EXT-X-PLAYLIST-TYPE:VOD")
        if shown:
            lines.append(f'#EXT-X-MAP:URI="{self._header_path().name}"')
        for number, num_frames in shown:
            lines += [f"#EXTINF:{float(Fraction(num_frames) / self._rate):.6f},", self._segment_path(number).name]
        if ended:
            lines.append("#EXT-X-ENDLIST")
        return "\n".join(lines) + "\n"

    def _header_path(self) -> Path:
        return self._path.with_name(f"{self._path.name}-{self._first:06d}-init.mp4")

    def _segment_path(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}-{number:06d}.mp4")


def check_playlist_name(path: Path) -> None:
    """Raise ConfigError where the name, which becomes part of addresses, would not mean itself in one."""
    if wrong := {sign for sign in path.name if sign in '#?%:"\\' or not sign.isprintable()}:
        shown = " ".join(sign if sign.isprintable() else repr(sign) for sign in sorted(wrong))
        raise ConfigError(f"{path}: the name of a playlist cannot hold {shown}; choose another --out")


def _segment_files(playlist: Path) -> dict[Path, int]:
    """The headers and segments of a playlist in its folder, finished or not, and their numbers."""
    pattern = re.compile(re.escape(playlist.name) + r"-(\d{6,})(?:-init)?\.mp4(?:\.tmp)?")
    matches = [(path, pattern.fullmatch(path.name)) for path in playlist.parent.iterdir()]
    return {path: int(match[1]) for path, match in matches if match}
