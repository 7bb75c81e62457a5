"""Batches are a function of (seed, number), however they are cut; their frames are those that their times say."""

import io
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from smoothvid.batch import to_batch, to_uint8
from smoothvid.data.dataset import open_dataset
from smoothvid.data.frame_times import FrameDraw
from smoothvid.data.loader import AHEAD, SLOTS, BatchReader, ClipSettings, Facts, batches
from smoothvid.errors import DataError


def reader(path: Path, parts: Sequence[int] = (0,), of: int = 1, **changes: Any) -> BatchReader:
    settings = {"batch": 3, "draw": FrameDraw(3, (2, 4)), "chunk": 24, "mirror": False, "seed": 7, **changes}
    return BatchReader(open_dataset(path), ClipSettings(**settings), parts, of)


def same(one: Iterable[Iterable[Tensor]], two: Iterable[Iterable[Tensor]]) -> bool:
    return all(torch.equal(a, b) for x, y in zip(one, two, strict=True) for a, b in zip(x, y, strict=True))


def test_frames_times_and_labels_belong_together(tiny_dataset: Path) -> None:
    seen = set()
    for number in range(8):
        [(frames, times, labels)] = reader(tiny_dataset)[number]
        assert frames.dtype == torch.uint8 and frames.shape == (3, 3, 3, 16, 16)
        assert times.dtype == torch.float64 and labels.dtype == torch.float32
        assert torch.equal(frames[:, :, 0, 5, 5].double(), times * 10)  # red is ten times the frame's number
        video = frames[:, 0, 1, 0, 0] // 40
        assert torch.equal(labels.argmax(1), (video >= 3).long()) and torch.equal(labels.sum(1), torch.ones(3))
        seen |= set(video.tolist())
    assert seen == set(range(6))


def test_a_batch_is_a_function_of_seed_and_number(tiny_dataset: Path) -> None:
    one, two = reader(tiny_dataset), reader(tiny_dataset)
    for _ in range(3):
        one[9]  # what was read before does not matter
    assert same(one[4], two[4])
    assert not same(one[4], one[5])
    assert not same(one[4], reader(tiny_dataset, seed=8)[4])


def test_the_batches_of_a_seed_stay_what_they_are(tiny_dataset: Path) -> None:
    """A run that is continued with a later version must see the batches it would have seen."""
    [(frames, times, _)] = reader(tiny_dataset, mirror=True)[4]
    assert times.tolist() == [[16, 17, 18], [1, 3, 5], [3, 6, 7]]
    assert (frames[:, 0, 1, 0, 0] // 40).tolist() == [2, 2, 3] and (frames[:, 0, 2, 0, 0]).tolist() == [112, 248, 216]


@pytest.mark.parametrize("of", [2, 3, 6])
def test_parts_are_every_nth_video_of_the_whole_batch(tiny_dataset: Path, of: int) -> None:
    order = list(reversed(range(of)))
    for number in range(3):
        [whole] = reader(tiny_dataset, batch=6, mirror=True)[number]
        parts = reader(tiny_dataset, order, of, batch=6, mirror=True)[number]
        assert same(parts, [tuple(values[part::of] for values in whole) for part in order])


def test_a_process_decodes_only_its_parts(tiny_dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, half = reader(tiny_dataset, batch=4), reader(tiny_dataset, [1], 2, batch=4)
    frames_read = []
    read = half.dataset.read_into
    monkeypatch.setattr(half.dataset, "read_into", lambda *args: frames_read.append(args[1]) or read(*args))
    [(frames, _, _)] = half[0]
    assert len(frames_read) == 2 and torch.equal(frames, whole[0][0][0][1::2])


def test_drawn_times_and_labels_are_distributed_as_the_data_s(tiny_dataset: Path) -> None:
    source = reader(tiny_dataset, batch=600)
    [(_, seen_times, seen_labels)] = reader(tiny_dataset, batch=600)[0]
    times, labels = source.draw(np.random.default_rng(0), 600)
    assert times.dtype == torch.float64 and times.shape == (600, 3)
    assert labels.dtype == torch.float32 and labels.shape == (600, 2)
    for drawn, seen in ((times, seen_times), (labels, seen_labels), (times.diff(dim=1), seen_times.diff(dim=1))):
        error = (drawn.var(0) / 600 + seen.var(0) / 600).sqrt()
        assert ((drawn.mean(0) - seen.mean(0)).abs() < 4 * error).all()
    assert same([source.draw(np.random.default_rng(3), 5)], [source.draw(np.random.default_rng(3), 5)])


def test_any_number_of_workers_gives_the_same_stream(tiny_dataset: Path) -> None:
    state = torch.get_rng_state()
    streams = [batches(reader(tiny_dataset), start=5, workers=workers) for workers in range(4)]
    for number, found in enumerate(islice(zip(*streams, strict=True), 12), start=5):
        expected = reader(tiny_dataset)[number]
        assert all(same(expected, batch) for batch in found)
    assert torch.equal(torch.get_rng_state(), state)  # and spends none of the caller's random numbers


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_a_batch_keeps_its_contents_until_the_next_is_asked_for(tiny_dataset: Path, workers: int) -> None:
    source, stream = reader(tiny_dataset), batches(reader(tiny_dataset), workers=workers)
    for number in range(3 * workers * SLOTS):
        batch = next(stream)
        time.sleep(0.02)  # the processes fill every slot that they may
        assert same(batch, source[number])
    del stream
    assert same(batch, source[number])  # and the last one outlives its stream


def test_frames_are_lent_without_a_copy(tiny_dataset: Path) -> None:
    stream = batches(reader(tiny_dataset), workers=2)
    places = [next(stream)[0][0].data_ptr() for _ in range(6 * SLOTS)]
    assert len(set(places)) == 2 * SLOTS and places[: 2 * SLOTS] == places[2 * SLOTS : 4 * SLOTS]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="page-locked memory needs CUDA")
@pytest.mark.parametrize("workers", [0, 2])
def test_page_locked_batches_are_copies_that_stay(tiny_dataset: Path, workers: int) -> None:
    source = reader(tiny_dataset)
    held = list(islice(batches(reader(tiny_dataset), workers=workers, pin=True), 12))
    for number, batch in enumerate(held):
        [(frames, times, labels)], expected = batch, source[number]
        assert frames.is_pinned() and same(batch, expected)
        moved = to_batch(frames, times, labels, torch.device("cuda")).frames
        assert moved.is_contiguous() and torch.equal(to_uint8(moved).cpu(), expected[0][0])


def test_frames_are_those_that_the_dataset_reads(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for number in range(3):
        (tmp_path / "video").mkdir(exist_ok=True)
        Image.fromarray(rng.integers(256, size=(15, 15, 3), dtype=np.uint8)).save(tmp_path / f"video/{number}.png")
    expected = np.stack([np.asarray(Image.open(tmp_path / f"video/{n}.png")).transpose(2, 0, 1) for n in range(3)])
    read = open_dataset(tmp_path).read(0, [0, 1, 2])
    assert read.flags.c_contiguous and np.array_equal(read, expected)
    turned = reader(tmp_path, batch=8, mirror=True)[0][0][0]
    assert {frames.numpy().tobytes() for frames in turned} == {expected.tobytes(), expected[..., ::-1].tobytes()}


def test_mirroring_turns_whole_videos(tiny_dataset: Path) -> None:
    plain, turned = reader(tiny_dataset, batch=1), reader(tiny_dataset, batch=1, mirror=True)
    kinds = []
    for number in range(12):
        a, b = plain[number][0][0], turned[number][0][0]
        kinds.append(torch.equal(b, a.flip(-1)))
        assert kinds[-1] or torch.equal(a, b)
    assert 0 < sum(kinds) < 12


def test_videos_that_are_too_short_are_not_drawn(tiny_dataset: Path) -> None:
    with pytest.raises(DataError, match="no video has the 25 frames"):
        reader(tiny_dataset, draw=FrameDraw(25, (30,)))


def test_bytes_to_numbers_and_back() -> None:
    frames = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 1, 16, 16)
    batch = to_batch(frames, torch.zeros(1, 1), torch.zeros(1, 0), torch.device("cpu"))
    assert (float(batch.frames.min()), float(batch.frames.max())) == (-1.0, 1.0)
    assert torch.equal(to_uint8(batch.frames), frames)
    assert to_uint8(torch.tensor([-3.0, 3.0])).tolist() == [0, 255]
    assert float(batch.frames[0, 0, 0, 8, 0]) == pytest.approx(128 / 127.5 - 1, abs=1e-6)


def test_bytes_in_any_order_in_memory_become_contiguous_numbers(tiny_dataset: Path) -> None:
    [(frames, times, labels)] = reader(tiny_dataset)[0]
    assert not frames.is_contiguous()
    moved = to_batch(frames, times, labels, torch.device("cpu")).frames
    assert moved.is_contiguous() and moved.dtype == torch.float32
    assert torch.equal(moved, frames.contiguous().float() / 127.5 - 1)


def archive(folder: Path, target: Path, change: int = 0) -> Path:
    with zipfile.ZipFile(target, "w") as zipped:
        for file in sorted(folder.rglob("*.png")):
            picture = np.asarray(Image.open(file)) + np.uint8(change)
            buffer = io.BytesIO()
            Image.fromarray(picture).save(buffer, "PNG")
            zipped.writestr(file.relative_to(folder).as_posix(), buffer.getvalue())
    return target


def flip_bytes(path: Path) -> None:
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as zipped:
        for entry in zipped.infolist():
            data[entry.header_offset + 30 + len(entry.filename) + entry.compress_size // 2] ^= 0x55
    path.write_bytes(data)


def cut(path: Path) -> None:
    os.truncate(path, 200)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(
    ("harm", "reason"), [(flip_bytes, "damaged"), (cut, "damaged .the archive ends too early.. Copy or make")]
)
def test_an_archive_damaged_while_it_is_read_is_named_in_one_line(
    tiny_dataset: Path, tmp_path: Path, workers: int, harm: Callable[[Path], None], reason: str
) -> None:
    path = archive(tiny_dataset, tmp_path / "videos.zip")
    stream = batches(reader(path), workers=workers)
    next(stream)
    harm(path)
    with pytest.raises(DataError) as error:
        for _ in range(10):  # those that were read ahead are still good
            next(stream)
    assert re.fullmatch(rf"frame \d+ of video '(left|right)/video\d' in {path} is {reason}.*", str(error.value))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_frame_file_deleted_while_the_folder_is_read_is_named(
    tiny_dataset: Path, tmp_path: Path, workers: int
) -> None:
    shutil.copytree(tiny_dataset, tmp_path / "videos")
    stream = batches(reader(tmp_path / "videos"), workers=workers)
    next(stream)
    for file in (tmp_path / "videos").rglob("*.png"):
        file.unlink()
    with pytest.raises(DataError, match=r"^/.*/videos/.*\.png cannot be read \(No such file or directory\)\.$"):
        for _ in range(10):
            next(stream)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(
    ("replace", "reason"), [(True, "changed or replaced since the dataset"), (False, "No such file")]
)
def test_a_shard_deleted_or_replaced_before_a_process_opens_it_is_refused(
    tiny_dataset: Path, tmp_path: Path, workers: int, replace: bool, reason: str
) -> None:
    path = archive(tiny_dataset, tmp_path / "videos.zip")
    source = reader(path)
    source.dataset = pickle.loads(pickle.dumps(source.dataset))  # as in a process that has not opened it yet
    path.unlink()
    if replace:
        archive(tiny_dataset, path, change=1)  # its frames are fine, but others
    with pytest.raises(DataError, match=rf"^frame \d+ of video .* in .*videos.zip cannot be read .*{reason}"):
        next(batches(source, workers=workers))


@pytest.mark.parametrize("workers", [0, 2])
def test_an_open_archive_is_read_to_the_end_though_it_is_replaced(
    tiny_dataset: Path, tmp_path: Path, workers: int
) -> None:
    path = archive(tiny_dataset, tmp_path / "videos.zip")
    before = reader(path)
    expected = [before[number] for number in range(8)]
    stream = batches(before, workers=workers)
    next(stream)
    archive(tiny_dataset, tmp_path / "other.zip", change=1).replace(path)
    assert all(same(next(stream), batch) for batch in expected[1:])


@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_loader_process_is_said_at_once(tiny_dataset: Path, victim: int) -> None:
    stream = batches(reader(tiny_dataset), workers=2)
    next(stream)
    os.kill(sorted(process.pid or 0 for process in active_children())[victim], signal.SIGKILL)
    start = time.monotonic()
    with pytest.raises(DataError, match=r"loader process was killed \(SIGKILL\).*memory.*fewer --workers"):
        for _ in range(10):
            next(stream)
    assert time.monotonic() - start < 5 and not active_children()


def test_loader_processes_leave_signals_to_their_parent(tiny_dataset: Path) -> None:
    source = reader(tiny_dataset)
    stream = batches(source, workers=2)
    next(stream)
    for process in active_children():
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(process.pid or 0, number)
    assert all(same(next(stream), source[number]) for number in range(1, 8))


def test_a_mistake_in_a_loader_process_shows_where_it_is(tiny_dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = reader(tiny_dataset)
    monkeypatch.setattr(source.dataset, "read_into", lambda *_: 1 // 0)
    with pytest.raises(ZeroDivisionError) as error:
        next(batches(source, workers=1))
    assert "test_loader.py" in "".join(error.value.__notes__)


def test_no_process_outlives_its_stream(tiny_dataset: Path) -> None:
    stream = batches(reader(tiny_dataset), workers=2)
    next(stream)
    assert len(active_children()) == 2
    del stream
    assert not active_children()


@pytest.mark.parametrize("end", ["", "os.kill(os.getpid(), 9)"])
def test_no_process_outlives_its_program(tiny_dataset: Path, end: str) -> None:
    program = f"""
import os
from multiprocessing import active_children
from smoothvid.data.dataset import open_dataset
from smoothvid.data.frame_times import FrameDraw
from smoothvid.data.loader import BatchReader, ClipSettings, batches
reader = BatchReader(open_dataset({str(tiny_dataset)!r}), ClipSettings(3, FrameDraw(3, (2, 4)), 24, False, 0))
stream = batches(reader, workers=2)
next(stream)
print(*(process.pid for process in active_children()), flush=True)
{end}
"""
    done = subprocess.run(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60
    )
    pids = [int(pid) for pid in done.stdout.split()]
    deadline = time.monotonic() + 10
    while (left := [pid for pid in pids if Path(f"/proc/{pid}/cmdline").exists()]) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(pids) == 2 and not left


def test_memory_is_bounded_however_slow_the_consumer(tiny_dataset: Path, tmp_path: Path) -> None:
    source = reader(tiny_dataset)
    counted = tmp_path / "reads"
    decode = source.decode

    def counting(number: int, pixels: np.ndarray) -> Facts:
        facts = decode(number, pixels)
        with counted.open("a") as file:
            print(number, file=file)
        return facts

    source.decode = counting  # type: ignore[method-assign]
    stream = batches(source, workers=2)
    next(stream)
    time.sleep(0.5)
    assert sorted(map(int, counted.read_text().split())) == list(range(2 * AHEAD + 1))
