"""Archives and folders made by others: what is read, and what is refused."""

import io
import os
import pickle
import resource
import stat
import struct
import time
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from PIL import Image

from smoothvid.data.dataset import open_dataset
from smoothvid.data.frame_store import MOST_OPEN, ZipFrames
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


def test_more_shards_than_files_may_be_open_are_read(tmp_path: Path) -> None:
    stores = [ZipFrames(write_zip(tmp_path / f"{n}.zip", [f"{n}/0.png"])) for n in range(2 * MOST_OPEN)]
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    in_use = max(int(number) for number in os.listdir("/dev/fd")) + 1
    resource.setrlimit(resource.RLIMIT_NOFILE, (in_use + MOST_OPEN + 4, limits[1]))
    try:
        for _ in range(2):
            assert all(store.read(str(n), 0) == png(0) for n, store in enumerate(stores))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    del stores
    assert len(os.listdir("/dev/fd")) <= in_use  # and what is open ends with the stores


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


def drive(archive: zipfile.ZipFile) -> None:
    archive.writestr("C:/v/0.png", png(1))


def encrypted(archive: zipfile.ZipFile) -> None:
    archive.writestr("v/0.png", png(1))
    archive.infolist()[-1].flag_bits |= 1


def overlapping(archive: zipfile.ZipFile) -> None:
    archive.writestr("v/0.png", png(1))
    archive.writestr("v/1.png", png(1))
    archive.infolist()[-1].header_offset = archive.infolist()[-2].header_offset


def far_away(archive: zipfile.ZipFile) -> None:
    archive.writestr("v/0.png", png(1))
    archive.infolist()[-1].header_offset += 1 << 20


def farther_away(archive: zipfile.ZipFile) -> None:
    archive.writestr("v/0.png", png(1))
    archive.infolist()[-1].header_offset += 1 << 62  # which takes a zip64 field


def stored_in_two_sizes(archive: zipfile.ZipFile) -> None:
    archive.writestr("v/0.png", png(1))
    archive.infolist()[-1].file_size += 1


def endless(archive: zipfile.ZipFile) -> None:
    archive.writestr("v/0.png", png(1))
    archive.infolist()[-1].file_size = 1 << 40


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
        (drive, "leaves the archive"),
        (encrypted, "encrypted"),
        (overlapping, "overlaps another entry"),
        (far_away, "outside the file"),
        (farther_away, "outside the file"),
        (stored_in_two_sizes, "sizes contradict"),
        (endless, "larger than"),
    ],
)
def test_refuses_hostile_archives(tmp_path: Path, spoil: Callable[[zipfile.ZipFile], None], reason: str) -> None:
    path = tmp_path / "hostile.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("good/0.png", png(0))
        spoil(archive)
    with pytest.raises(DataError, match=f"hostile.zip is refused because of its entry '.*': .*{reason}"):
        open_dataset(path)


@pytest.mark.parametrize("force_zip64", [False, True])
def test_the_index_is_what_zipfile_reads(tmp_path: Path, force_zip64: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    path = tmp_path / "videos.zip"
    if force_zip64:
        monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 2000)  # sizes and offsets beyond this go to zip64 fields
        monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 10)
    path.write_bytes(b"something before the archive, as in one that unpacks itself")
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = b"a comment " * 5
        for number in rng.permutation(40):
            entry = zipfile.ZipInfo(
                f"\u00e9t\u00e9/{number % 3}/{number}.PNG" if number % 2 else f"{number % 3}/{number:03d}.jpg"
            )
            entry.comment, entry.extra = bytes(number % 5), b"\x99\x99\x03\x00abc" * (number % 2)
            entry.compress_type = zipfile.ZIP_DEFLATED if number % 4 == 0 else zipfile.ZIP_STORED
            archive.writestr(entry, rng.bytes(int(rng.integers(1, 4000))))
        archive.writestr("0/readme.txt", "no picture")
        archive.writestr("0/.hidden.png", "no picture")
        archive.mkdir("0/folder.png")
    store = ZipFrames(path)
    with zipfile.ZipFile(path) as archive:
        names = [
            name
            for name in archive.namelist()
            if "readme" not in name and "hidden" not in name and "folder" not in name
        ]
        assert store.videos() == Counter(sorted(str(PurePosixPath(name).parent) for name in names))
        for video in store.videos():
            files = [name for name in names if str(PurePosixPath(name).parent) == video]
            for frame, name in enumerate(sorted(files, key=lambda name: int(PurePosixPath(name).stem))):
                assert store.read(video, frame) == archive.read(name)


def test_a_huge_directory_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "videos.zip"
    count, size = 10_000_000, 10_000_000 * 64
    with path.open("wb") as file:
        file.truncate(size)  # a hole, which takes no room on the disk
        file.seek(size)
        file.write(struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, 0))
        file.write(struct.pack("<4sLQL", b"PK\6\7", 0, size, 1) + b"PK\5\6" + b"\xff" * 16 + bytes(2))
    start = time.monotonic()
    with pytest.raises(DataError, match="directory is larger than 256 MiB"):
        open_dataset(path)
    assert time.monotonic() - start < 1


def test_an_archive_cut_or_spoilt_anywhere_gives_no_wrong_frame(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "videos.zip", [f"v/{number}.png" for number in range(3)])
    whole, right = path.read_bytes(), [png(number) for number in range(3)]

    def read(data: bytes) -> list[bytes] | None:
        path.write_bytes(data)
        try:
            store = ZipFrames(path)
            return [store.read(video, frame) for video, count in store.videos().items() for frame in range(count)]
        except DataError:
            return None

    assert read(whole) == right
    assert all(read(whole[:size]) is None for size in range(len(whole)))
    rng, outcomes = np.random.default_rng(0), []
    for _ in range(300):
        data = bytearray(whole)
        data[rng.integers(len(data))] ^= int(rng.integers(1, 256))
        outcomes.append(read(bytes(data)))
    assert all(set(frames) <= set(right) for frames in outcomes if frames is not None)
    assert 100 < outcomes.count(None) < 300  # the rest fell on dates and the like, or made a name another one


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_spoilt_picture_is_a_data_error_or_a_picture(tmp_path: Path, kind: str) -> None:
    rng = np.random.default_rng(0)
    buffer = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(buffer, kind)
    folder = tmp_path / "videos" / "v"
    folder.mkdir(parents=True)
    (folder / "0.png").write_bytes(buffer.getvalue())
    dataset = open_dataset(tmp_path / "videos")
    outcomes = set()
    for _ in range(300):
        data = bytearray(buffer.getvalue())[: int(rng.integers(1, 2 * len(buffer.getvalue())))]
        for _ in range(int(rng.integers(0, 4))):
            data[rng.integers(len(data))] = int(rng.integers(256))
        (folder / "0.png").write_bytes(data)
        try:
            outcomes.add(dataset.read(0, [0]).shape)
        except DataError as error:
            outcomes.add("refused")
            assert "frame 0 of video 'v'" in str(error) and "\n" not in str(error) and " object at " not in str(error)
    assert outcomes == {(1, 3, 16, 16), "refused"}


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))


def huge_png(side: int, *extra: bytes) -> bytes:
    header = png_chunk(b"IHDR", struct.pack(">LLBBBBB", side, side, 8, 2, 0, 0, 0))
    pixels = png_chunk(b"IDAT", zlib.compress(bytes(16 * 49)))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(extra) + pixels + png_chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [5_000, 10_000, 2**31 - 1])
@pytest.mark.parametrize(
    ("first", "reason"), [(False, "frame 1 of video 'v' in"), (True, "at most 4096|not a readable")]
)
def test_a_picture_that_unpacks_to_gigabytes_is_refused_by_its_header(
    tmp_path: Path, side: int, first: bool, reason: str
) -> None:
    path = tmp_path / "videos.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("v/0.png", huge_png(side) if first else png(0))
        archive.writestr("v/1.png", huge_png(side))
    start = time.monotonic()
    with pytest.raises(DataError, match=reason):
        open_dataset(path).read(0, [1])
    assert time.monotonic() - start < 1


def test_a_picture_with_a_text_that_unpacks_to_a_lot_is_refused(tmp_path: Path) -> None:
    text = png_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(20 << 20)))
    path = tmp_path / "videos.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("v/0.png", png(0))
        archive.writestr("v/1.png", huge_png(16, text))
    with pytest.raises(DataError, match="frame 1 of video 'v' .* is damaged"):
        open_dataset(path).read(0, [1])


def test_a_pipe_among_the_frames_of_a_folder_does_not_block(tmp_path: Path) -> None:
    folder = tmp_path / "videos" / "v"
    folder.mkdir(parents=True)
    (folder / "0.png").write_bytes(png(0))
    os.mkfifo(folder / "1.png")
    with pytest.raises(DataError, match="1.png is no file"):
        open_dataset(tmp_path / "videos").read(0, [1])


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
