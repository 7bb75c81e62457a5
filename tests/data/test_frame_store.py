"""Archives and folders made by others: what is read, and what is refused."""

import io
import pickle
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from smoothvid.data.dataset import open_dataset
from smoothvid.errors import DataError


def png(value: int, size: tuple[int, int] = (16, 16)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (value, 0, 255 - value)).save(buffer, "PNG")
    return buffer.getvalue()


def write_zip(path: Path, names: list[str], method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for number, name in enumerate(names):
            archive.writestr(name, png(number))
    return path


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_reads_a_zip_of_video_folders_in_natural_order(tmp_path: Path, method: int) -> None:
    names = [f"{video}/frame_{number}.png" for video in ("b", "a") for number in (10, 9, 2)]
    dataset = open_dataset(write_zip(tmp_path / "videos.zip", names, method))
    assert [(video.name, video.num_frames) for video in dataset.videos] == [("a", 3), ("b", 3)]
    assert dataset.resolution == 16 and dataset.num_frames == 6 and dataset.label_dim == 0
    frames = dataset.read(0, [0, 2, 1])  # frame_2, frame_10, frame_9 of "a", written 6th, 4th, 5th
    assert frames.shape == (3, 3, 16, 16) and frames.dtype == np.uint8
    assert frames[:, 0, 0, 0].tolist() == [5, 3, 4]
    assert frames[:, 2, 0, 0].tolist() == [250, 252, 251]


def test_folder_and_zip_of_the_same_frames_are_the_same_videos(tmp_path: Path) -> None:
    names = [f"{label}/{video}/{number:04d}.png" for label in ("cat", "dog") for video in "xy" for number in range(3)]
    zipped = open_dataset(write_zip(tmp_path / "videos.zip", names))
    with zipfile.ZipFile(tmp_path / "videos.zip") as archive:
        archive.extractall(tmp_path / "videos")
    folder = open_dataset(tmp_path / "videos")
    assert [v.name for v in folder.videos] == [v.name for v in zipped.videos] == ["cat/x", "cat/y", "dog/x", "dog/y"]
    assert folder.label_names == zipped.label_names == ["cat", "dog"]
    assert folder.label(3).tolist() == [0.0, 1.0] and folder.label(0).dtype == np.float32
    for video in range(4):
        assert np.array_equal(folder.read(video, [0, 1, 2]), zipped.read(video, [0, 1, 2]))


def test_a_pickled_dataset_reads_the_same(tmp_path: Path) -> None:
    dataset = open_dataset(write_zip(tmp_path / "videos.zip", ["v/0.png", "v/1.png"]))
    before = dataset.read(0, [1])
    copy = pickle.loads(pickle.dumps(dataset))
    assert np.array_equal(copy.read(0, [1]), before)
    assert copy.fingerprint() == dataset.fingerprint()


def test_fingerprint_changes_with_one_pixel_value(tmp_path: Path) -> None:
    one = open_dataset(write_zip(tmp_path / "one.zip", ["v/0.png", "v/1.png"])).fingerprint()
    (tmp_path / "other").mkdir()
    with zipfile.ZipFile(tmp_path / "other" / "one.zip", "w") as archive:
        archive.writestr("v/0.png", png(0))
        archive.writestr("v/1.png", png(2))
    assert open_dataset(tmp_path / "other" / "one.zip").fingerprint() != one


def absolute(archive: zipfile.ZipFile) -> None:
    archive.writestr("/etc/0.png", png(1))


def upwards(archive: zipfile.ZipFile) -> None:
    archive.writestr("v/../../0.png", png(1))


def backslash(archive: zipfile.ZipFile) -> None:
    entry = zipfile.ZipInfo("x")
    entry.filename = "v\\..\\0.png"
    archive.writestr(entry, png(1))


def link(archive: zipfile.ZipFile) -> None:
    entry = zipfile.ZipInfo("v/link.png")
    entry.create_system, entry.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    archive.writestr(entry, "/etc/passwd")


def twice(archive: zipfile.ZipFile) -> None:
    archive.writestr("v/0.png", png(1))
    with pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("v/0.png", png(2))


def bomb(archive: zipfile.ZipFile) -> None:
    archive.writestr("v/0.png", bytes(10 << 20), zipfile.ZIP_DEFLATED)


def too_large(archive: zipfile.ZipFile) -> None:
    archive.writestr("v/0.png", bytes(65 << 20))


def odd_method(archive: zipfile.ZipFile) -> None:
    archive.writestr("v/0.png", png(1), zipfile.ZIP_BZIP2)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (absolute, "leaves the archive"),
        (upwards, "leaves the archive"),
        (backslash, "leaves the archive"),
        (link, "symbolic link"),
        (twice, "occurs twice"),
        (bomb, "grow more than"),
        (too_large, "larger than"),
        (odd_method, "only stored and deflated"),
    ],
)
def test_refuses_hostile_archives(tmp_path: Path, spoil: Callable[[zipfile.ZipFile], None], reason: str) -> None:
    path = tmp_path / "hostile.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("good/0.png", png(0))
        spoil(archive)
    with pytest.raises(DataError, match=reason):
        open_dataset(path)


def test_a_lying_size_is_found_when_the_frame_is_read(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "videos.zip", ["v/0.png", "v/1.png"], zipfile.ZIP_DEFLATED)
    data = bytearray(path.read_bytes())
    central = data.index(b"PK\x01\x02")
    data[central + 24 : central + 28] = (50).to_bytes(4, "little")  # the announced size of the first frame
    path.write_bytes(data)
    with pytest.raises(DataError):
        open_dataset(path).read(0, [0])


def test_bit_rot_in_a_frame_names_the_frame(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "videos.zip", ["v/0.png", "v/1.png"])
    data = bytearray(path.read_bytes())
    data[data.rindex(b"IDAT") + 10] ^= 0xFF
    path.write_bytes(data)
    dataset = open_dataset(path)
    assert dataset.read(0, [0]).shape == (1, 3, 16, 16)
    with pytest.raises(DataError, match="frame 1 of video 'v' in .*videos.zip.* is damaged"):
        dataset.read(0, [1])


def test_frames_of_another_size_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "videos.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("v/0.png", png(0))
        archive.writestr("v/1.png", png(1, size=(16, 17)))
    with pytest.raises(DataError, match="frame 1 of video 'v'.* is 16x17, but the dataset is 16x16"):
        open_dataset(path).read(0, [1])


@pytest.mark.parametrize("content", [b"", b"not a zip at all", b"PK\x05\x06" + bytes(18)])
def test_files_that_are_no_datasets_are_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "videos.zip"
    path.write_bytes(content)
    with pytest.raises(DataError) as error:
        open_dataset(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)
