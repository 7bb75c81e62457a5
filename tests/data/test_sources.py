"""Which sources the given paths stand for, which labels they have, and what is said of those that lead to nothing."""

import json
import os
import socket
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from smoothvid.data.dataset import open_dataset
from smoothvid.data.prepare import PrepareSettings, prepare
from smoothvid.data.sources import find_sources
from smoothvid.errors import DataError

SETTINGS = PrepareSettings(resolution=16, min_frames=4, workers=1, format="png", scene_cuts=False)
FOLDERS = [f"{number:05d}" for number in range(3)]
NUMBERED = [[f"{folder}/{frame}.png", int(folder) % 2] for folder in FOLDERS for frame in range(4)]
MARK = b"\xef\xbb\xbf"  # UTF-8's byte-order mark


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    """Three folders of four frames."""
    for folder in FOLDERS:
        (tmp_path / "in" / folder).mkdir(parents=True)
        for frame in range(4):
            Image.fromarray(np.full((16, 16, 3), 40 * frame, np.uint8)).save(tmp_path / "in" / folder / f"{frame}.png")
    return tmp_path / "in"


def pack(folder: Path) -> Path:
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*.*")):
            archive.write(file, file.relative_to(folder))
    return path


def problems(*given: Path) -> dict[str, str]:
    return {source.shown: source.problem for source in find_sources(given, SETTINGS).sources}


@pytest.mark.parametrize(("packed", "mark"), [(False, MARK), (True, b""), (True, MARK)])
def test_labels_of_stylegan(frames: Path, tmp_path: Path, packed: bool, mark: bytes) -> None:
    """They count wherever frames are read: prepared, or opened as they are."""
    # Many frames that are not there, so that the archive shrinks it more than any picture.
    index = {"labels": [*NUMBERED, *([f"more/{n:09d}.png", 0] for n in range(20_000))]}
    (frames / "dataset.json").write_bytes(mark + json.dumps(index).encode())
    path = pack(frames) if packed else frames
    report = prepare([path], tmp_path / "set", SETTINGS)
    assert report.warnings == [] and report.ignored == 0
    for dataset in (open_dataset(tmp_path / "set"), open_dataset(path)):
        assert dataset.label_names == ["0", "1"] and dataset.notes == ()
        assert [video.label for video in dataset.videos] == ["0", "1", "0"]


@pytest.mark.parametrize(
    ("index", "note"),
    [
        ({"labels": None}, None),
        ({"other": 1}, None),
        ([], None),
        ({"labels": [["00000/0.png", [0.5, 1.0]]]}, "holds labels that are not used"),
        ({"labels": 7}, "holds labels that are not used"),
        ({"labels": [["00000/0.png", 1], ["00000/1.png", 2]]}, "gives the frames of 1 folders different labels"),
        ({"labels": [["elsewhere/0.png", 1]]}, "gives no label to 3 of 3 sources"),
        ("{", "cannot be read"),
    ],
)
def test_labels_that_are_not_used_are_mentioned(frames: Path, index: object, note: str | None) -> None:
    text = index if isinstance(index, str) else json.dumps(index)
    (frames / "dataset.json").write_text(text)
    found = find_sources([frames], SETTINGS)
    assert [source.label for source in found.sources] == [None] * 3
    assert found.warnings == [] if note is None else f"{frames / 'dataset.json'} {note}" in found.warnings[0]


def test_a_given_path_that_leads_to_nothing_is_named_with_the_reason(frames: Path, tmp_path: Path) -> None:
    for name in ("empty", "texts", "archives"):
        (tmp_path / name).mkdir()
    (tmp_path / "texts" / "a.txt").write_text("no video")
    (tmp_path / "archives" / "a.zip").write_bytes(b"PK")
    with zipfile.ZipFile(tmp_path / "films.zip", "w") as archive:
        archive.writestr("a.mp4", b"film")
    names = ["empty", "texts", "archives", "archives/a.zip", "films.zip", "in/00000/0.png", "in"]
    assert problems(*(tmp_path / name for name in names)) == {
        "empty": "holds no videos and no pictures",
        "texts": "holds no videos and no pictures; only other files (a.txt)",
        "archives": "holds no videos and no pictures; to use the frames in its archives, give each archive as a source "
        "(a.zip)",
        "a.zip": "cannot be read as a zip archive (it has no end record; perhaps it is incomplete)",
        "films.zip": "holds no pictures; if there are videos in it, unpack it first",
        "0.png": "is a picture, not a video; give the folder to use its pictures as frames",
        **{f"in/{folder}": "" for folder in FOLDERS},
    }
    report = prepare([tmp_path / "empty", frames], tmp_path / "set", SETTINGS)
    assert (report.used, report.skipped) == (3, 1) and report.rows[0].reason == "holds no videos and no pictures"
    with pytest.raises(DataError, match="http://a/b.mp4 is an address"):
        find_sources(["http://a/b.mp4"], SETTINGS)


def test_only_files_are_opened(frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe that is called a video is skipped at once, not after the time limit; and so is what else is no file."""
    monkeypatch.chdir(tmp_path)  # the name of a socket has to be short
    os.mkfifo("in/pipe.mp4")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("in/socket.mp4")
    os.symlink("loop.mp4", "in/loop.mp4")
    os.symlink("/dev/zero", "in/zero.mp4")
    os.symlink("..", "in/00000/up")  # a circle of folders
    (frames / "pictures").mkdir()
    os.mkfifo("in/pictures/0.png")
    report = prepare([frames], tmp_path / "set", SETTINGS)
    assert {row.source: row.reason for row in report.rows if row.status == "skipped"} == {
        "in/loop.mp4": "cannot be read (Too many levels of symbolic links)",
        "in/pictures": "its frame 0.png is a pipe, not a file",
        "in/pipe.mp4": "is a pipe, not a file",
        "in/socket.mp4": "is a socket, not a file",
        "in/zero.mp4": "is a device, not a file",
    }
    assert report.used == 3


def test_the_same_source_twice_is_taken_once(frames: Path, tmp_path: Path) -> None:
    os.symlink(frames, tmp_path / "link")
    found = find_sources([frames, frames / "00001", tmp_path / "link", frames / ".." / "in"], SETTINGS)
    assert [source.shown for source in found.sources] == [f"in/{folder}" for folder in FOLDERS]
    assert found.warnings == ["7 of the sources are given more than once and taken once."]


def test_names_that_look_like_a_protocol(make_clip: Callable[..., Path], tmp_path: Path) -> None:
    """Nothing that a user names makes FFmpeg open anything but that file."""
    moving = [np.roll(np.arange(32 * 32 * 3, dtype=np.uint8).reshape(32, 32, 3), n, 1) for n in range(8)]
    clip = make_clip("clip.mp4", moving)
    folder = tmp_path / "http:" / "127.0.0.1:9"
    folder.mkdir(parents=True)
    for name in ("sky-12:30.mp4", "concat:a.mp4|b.mp4", "file:x.mp4", "%03d.mp4"):
        (folder / name).write_bytes(clip.read_bytes())
    assert prepare([tmp_path / "http:"], tmp_path / "set", SETTINGS).used == 4
