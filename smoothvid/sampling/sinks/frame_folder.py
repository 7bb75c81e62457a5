"""A folder of pictures."""

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from smoothvid.sampling.sinks.base import Sink
from smoothvid.sampling.sinks.names import temporary_name


class FrameFolder(Sink):
    """A folder of PNG frames: 000000.png, 000001.png, ..."""

    def __init__(self, path: Path, *, endless: bool = False) -> None:
        super().__init__(str(path))
        self._path, self._written = path, path if endless else temporary_name(path)
        _remove_frames(self._written)  # those of a run before, or what a killed process of the same number has left
        self._written.mkdir(parents=True)

    def _write_picture(self, picture: NDArray[np.uint8]) -> None:
        name = self._written / f"{self.num_frames:06d}.png"
        partial = name.with_suffix(".tmp")  # so that whoever watches the folder never meets half a frame
        Image.fromarray(picture).save(partial, format="png")
        os.replace(partial, name)

    def _finish(self) -> None:
        if self._written != self._path:
            _remove_frames(self._path)
            os.replace(self._written, self._path)

    def _abandon(self) -> None:
        if self._written != self._path:
            _remove_frames(self._written)


def is_frame_name(name: str) -> bool:
    """Say whether a file of this name belongs to a folder of frames."""
    stem, dot, suffix = name.partition(".")
    return stem.isdigit() and dot + suffix in (".png", ".tmp")


def _remove_frames(folder: Path) -> None:
    """Remove a folder of frames; anything else in it stays, and is an OSError."""
    if folder.exists():
        for name in filter(is_frame_name, os.listdir(folder)):
            os.unlink(folder / name)
        folder.rmdir()
