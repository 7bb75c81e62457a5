"""A frame depends on (model, seed, time) alone, and a model file is checked before it is used."""

import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from smoothvid.checksums import write_checksums
from smoothvid.errors import CheckpointError, ConfigError, DeviceError
from smoothvid.sampling.model import VideoModel, load_model
from smoothvid.sampling.model_file import MODEL_FILE, read_facts, save_model


def test_a_saved_model_comes_back_whole(checkpoint: Path, model: VideoModel, tmp_path: Path) -> None:
    assert (model.family, model.resolution, model.fps, model.seen_clips) == ("stylesv", 16, 10.0, 123)
    assert (model.label_names, model.label_dim) == (["sky", "sea"], 2)
    save_model(tmp_path / MODEL_FILE, model.generator, read_facts(checkpoint))
    random_state = torch.get_rng_state()
    again = load_model(tmp_path / MODEL_FILE, "cpu")
    assert torch.equal(torch.get_rng_state(), random_state)
    times = np.array([0.0, 3.5, 100.0])
    assert torch.equal(again.frames(5, times), model.frames(5, times))
    assert [path.name for path in tmp_path.iterdir()] == [MODEL_FILE]


def test_a_file_that_does_not_fit_its_checksum_is_not_used(
    checkpoint: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    older, newer = (tmp_path / "checkpoints" / name for name in ("000000123", "000000456"))
    for folder in (older, newer):
        shutil.copytree(checkpoint, folder)
        write_checksums(folder, MODEL_FILE)
    load_model(newer, "cpu")  # what was found is remembered only as long as the file is the same
    content = bytearray((newer / MODEL_FILE).read_bytes())
    content[-4000] ^= 1
    (newer / MODEL_FILE).write_bytes(content)
    with pytest.raises(CheckpointError, match="000000456.*checksum does not fit"):
        load_model(newer, "cpu")
    load_model(tmp_path, "cpu")  # the run's other checkpoint is whole
    assert "taking the checkpoint before it" in caplog.text


def test_frames_depend_on_seed_time_label_and_truncation(model: VideoModel) -> None:
    times = np.array([0.0, 8.0])
    base = model.frames(1, times, label="sky")
    assert base.shape == (2, 3, 16, 16) and base.dtype == torch.float32
    assert (base[0] - base[1]).abs().max() > 1e-3
    others = [
        model.frames(2, times, label="sky"),
        model.frames(1, times, label="sea"),
        model.frames(1, times, truncation_psi=0.5, label="sky"),
    ]
    assert all((other - base).abs().max() > 1e-3 for other in others)


@pytest.mark.parametrize("start", [0.0, -37.25, 123_456_789.5])
def test_a_frame_is_the_same_in_any_chunk_batch_and_order(model: VideoModel, start: float) -> None:
    times = start + 1.5 * np.arange(40)
    whole = model.frames(3, times)
    pieces = torch.cat([model.frames(3, part) for part in np.split(times, [1, 8, 17])])
    order = np.random.default_rng(0).permutation(40)
    torch.testing.assert_close(pieces, whole, atol=1e-5, rtol=0)
    torch.testing.assert_close(model.frames(3, times[order]), whole[torch.from_numpy(order)], atol=1e-5, rtol=0)
    batch = model.render(model.contents([9, 3]), model.motions([9, 3], times))
    torch.testing.assert_close(batch[1], whole, atol=1e-5, rtol=0)


def test_stream_and_sample_show_these_frames(model: VideoModel) -> None:
    expected = model.frames(4, 20.0 + 0.5 * np.arange(11), truncation_psi=0.7)
    expected = (expected.clamp(-1, 1) + 1) * 127.5
    chunks = list(model.stream(4, start=20.0, num_frames=11, slowmo=2, truncation_psi=0.7, chunk=4))
    assert [len(chunk) for chunk in chunks] == [4, 4, 3]
    streamed = torch.cat(chunks)
    assert streamed.dtype == torch.uint8
    assert (streamed.float() - expected).abs().max() <= 0.51
    sampled = model.sample([2, 4], 11, start=20.0, fps=20, truncation_psi=0.7, chunk=5)
    assert sampled.shape == (2, 11, 3, 16, 16)
    assert (sampled[1].int() - streamed.int()).abs().max() <= 1


def test_the_window_of_codes_does_not_grow_with_time(model: VideoModel, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = []

    def counting(seed: int, first: int, count: int, dim: int) -> np.ndarray:
        counts.append(count)
        return np.zeros((count, dim), np.float32)

    monkeypatch.setattr("smoothvid.sampling.model.motion_codes", counting)
    for start in (0.0, 1e4, 1e8):
        model.frames(0, start + np.arange(8.0))
    assert max(counts) <= min(counts) + 1


@pytest.mark.parametrize("psi", [float("nan"), float("inf")])
def test_truncation_is_a_number(model: VideoModel, psi: float) -> None:
    with pytest.raises(ConfigError, match="truncation"):
        model.stream(0, num_frames=1, truncation_psi=psi)


def test_labels_and_devices_that_are_not_there(model: VideoModel, checkpoint: Path) -> None:
    with pytest.raises(ConfigError, match="'moon'.*sky, sea"):
        model.frames(0, np.zeros(1), label="moon")
    with pytest.raises(DeviceError, match="abacus"):
        load_model(checkpoint, "abacus")


def test_a_run_gives_its_newest_good_checkpoint(
    checkpoint: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = (checkpoint / MODEL_FILE).read_bytes()
    for name, data in {"900": whole, "1000": whole, "2000": whole[:-10], "3000": b""}.items():
        (tmp_path / "checkpoints" / name).mkdir(parents=True)
        (tmp_path / "checkpoints" / name / MODEL_FILE).write_bytes(data)
    (tmp_path / "checkpoints" / ".4000.tmp").mkdir()
    assert load_model(tmp_path, "cpu").seen_clips == 123
    assert "3000" in caplog.text and "2000" in caplog.text and "1000:" not in caplog.text
    with pytest.raises(CheckpointError, match="no model here"):
        load_model(tmp_path / "nothing")


def split(data: bytes) -> tuple[dict, bytes]:
    (size,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8 : 8 + size]), data[8 + size :]


def join(header: object, body: bytes) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def with_description(change: Callable[[dict], object]) -> Callable[[bytes], bytes]:
    def damage(data: bytes) -> bytes:
        header, body = split(data)
        facts = json.loads(header["__metadata__"]["smoothvid"])
        change(facts)
        header["__metadata__"]["smoothvid"] = json.dumps(facts)
        return join(header, body)

    return damage


def with_header(change: Callable[[dict], object]) -> Callable[[bytes], bytes]:
    def damage(data: bytes) -> bytes:
        header, body = split(data)
        change(header)
        return join(header, body)

    return damage


def first_tensor(header: dict) -> str:
    return next(name for name in header if name != "__metadata__")


DAMAGED = {
    "empty": lambda data: b"",
    "cut in the header": lambda data: data[:100],
    "cut in the weights": lambda data: data[:-100],
    "longer than it says": lambda data: data + b"x" * 8,
    "a header of 2^60 bytes": lambda data: struct.pack("<Q", 2**60) + data[8:],
    "a nested header": lambda data: struct.pack("<Q", 200_000) + b"[" * 200_000,
    "a list for a header": lambda data: join([1, 2], b""),
    "text for a tensor": with_header(lambda header: header.update(x="y")),
    "a pickle": lambda data: b"\x80\x04\x95" + data,
    "values not finite": lambda data: data[:-4] + struct.pack("<f", float("nan")),
    "no description": with_header(lambda header: header.pop("__metadata__")),
    "description not JSON": with_header(lambda header: header["__metadata__"].update(smoothvid="{")),
    "description a list": with_header(lambda header: header["__metadata__"].update(smoothvid="[1]")),
    "a missing tensor": with_header(lambda header: header.pop(first_tensor(header))),
    "a tensor too many": with_header(lambda header: header.update(more=header[first_tensor(header)])),
    "another shape": with_header(lambda header: header[first_tensor(header)].update(shape=[1, 1])),
    "another type": with_header(lambda header: header[first_tensor(header)].update(dtype="F16")),
    "a shape of minus one": with_header(lambda header: header[first_tensor(header)].update(shape=[-1])),
    "offsets outside": with_header(lambda header: header[first_tensor(header)].update(data_offsets=[0, 2**50])),
    "a later format": with_description(lambda facts: facts.update(format=99)),
    "no format": with_description(lambda facts: facts.pop("format")),
    "an unknown family": with_description(lambda facts: facts.update(family="../../etc")),
    "no config": with_description(lambda facts: facts.pop("config")),
    "an unknown setting": with_description(lambda facts: facts["config"].update(evil=1)),
    "a huge network": with_description(lambda facts: facts["config"]["generator"].update(w_dim=2**40)),
    "a very deep network": with_description(lambda facts: facts["config"]["generator"].update(num_layers=2**40)),
    "an odd number": with_description(lambda facts: facts["config"]["motion"].update(distance=10**400)),
    "no layers": with_description(lambda facts: facts["config"]["generator"].update(num_layers=0)),
    "a huge picture": with_description(lambda facts: facts.update(resolution=2**30)),
    "fps not a number": with_description(lambda facts: facts.update(fps=float("nan"))),
    "another number of labels": with_description(lambda facts: facts["label_names"].append("third")),
}


@pytest.mark.parametrize("damage", DAMAGED.values(), ids=DAMAGED.keys())
def test_a_damaged_or_hostile_file_is_one_clear_error(
    damage: Callable[[bytes], bytes], checkpoint: Path, tmp_path: Path
) -> None:
    path = tmp_path / MODEL_FILE
    path.write_bytes(damage((checkpoint / MODEL_FILE).read_bytes()))
    with pytest.raises(CheckpointError) as caught:
        load_model(path, "cpu")
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and "\n" not in message and len(message) < 400


def test_as_many_pictures_at_once_as_there_is_memory_for(model: VideoModel, monkeypatch: pytest.MonkeyPatch) -> None:
    times, sizes = np.arange(20.0), list[int]()
    whole = model.frames(3, times)
    synthesis = model.generator.synthesis.forward

    def cramped(ws: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        sizes.append(len(ws))
        if len(ws) > 5:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return synthesis(ws, v)

    monkeypatch.setattr(model.generator.synthesis, "forward", cramped)
    monkeypatch.setattr(model, "_pictures_at_once", 32)
    torch.testing.assert_close(model.frames(3, times), whole, atol=1e-5, rtol=0)
    assert sizes == [20, 16, 8, 4, 4, 4, 4, 4]
    sizes.clear()
    model.frames(3, times)
    assert sizes == [4] * 5


def test_bfloat16_only_where_the_device_has_it(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    times = np.array([0.0, 8.0])
    exact = load_model(checkpoint, "cpu").frames(1, times)
    monkeypatch.setattr("torch.ops.mkldnn._is_mkldnn_bf16_supported", lambda: False)
    with pytest.raises(DeviceError, match="no bfloat16 arithmetic; use float32"):
        load_model(checkpoint, "cpu", "bf16")
    monkeypatch.setattr("torch.ops.mkldnn._is_mkldnn_bf16_supported", lambda: True)
    narrow = load_model(checkpoint, "cpu", "bf16").frames(1, times)
    assert narrow.dtype == torch.float32
    assert 0 < float((narrow - exact).norm() / exact.norm()) < 0.05
