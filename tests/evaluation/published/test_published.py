"""The six published metrics against a plain implementation that shares nothing with them."""

import json
import os
import socket
import subprocess
import sys
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import linalg

from smoothvid.data.dataset import VideoDataset
from smoothvid.errors import DataError
from smoothvid.evaluation.protocols import PROTOCOLS, Sizes
from smoothvid.evaluation.weights import I3D, INCEPTION

from .standins import LENGTHS, SEEN, Generated, measure, write_videos

SEED = 5


@pytest.fixture(scope="module")
def values(videos: Path, networks: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    found = measure(videos, networks, tmp_path_factory.mktemp("cache"))
    return {name: found[name].value for name in found}


def scramble(x: int) -> int:
    """SplitMix64."""
    x = (x + 0x9E3779B97F4A7C15) % 2**64
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB % 2**64
    return x ^ (x >> 31)


def real_frame(videos: Path, video: int, frame: int) -> np.ndarray:
    """uint8 [3, R, R], straight from the file."""
    return np.asarray(Image.open(videos / f"{video:03d}" / f"{frame:04d}.png")).transpose(2, 0, 1)


def network(path: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.load(str(path))


def image_features(files: Path, images: list[np.ndarray]) -> np.ndarray:
    module = network(files / INCEPTION.name)
    with torch.no_grad():
        rows = [module(torch.tensor(image[None]).float(), return_features=True)[0].numpy() for image in images]
    return np.array(rows, np.float64)


def clip_features(files: Path, clips: list[np.ndarray]) -> np.ndarray:
    """Of clips uint8 [T, 3, R, R], one by one."""
    module, rows = network(files / I3D.name), []
    for clip in clips:
        batch = torch.tensor(clip.transpose(1, 0, 2, 3)[None]).float()
        with torch.no_grad():
            rows.append(module(batch, rescale=True, resize=True, return_features=True)[0].numpy())
    return np.array(rows, np.float64)


def plain_frechet(x: np.ndarray, y: np.ndarray) -> float:
    x, y = x[:, :SEEN], y[:, :SEEN]
    a, b = np.cov(x.T), np.cov(y.T)
    root = linalg.sqrtm(a @ b).real
    return float(((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(a + b - 2 * root))


def plain_mmd2(x: np.ndarray, y: np.ndarray) -> float:
    def kernel(u: np.ndarray, v: np.ndarray) -> float:
        return float((u @ v / len(u) + 1) ** 3)

    n, m = len(x), len(y)
    within_x = sum(kernel(x[i], x[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    within_y = sum(kernel(y[i], y[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    return within_x + within_y - 2 * sum(kernel(u, v) for u in x for v in y) / (n * m)


def plain_clips(videos: Path, frames: int, stride: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The real and the generated clips of a video metric."""
    real = []
    for video, length in enumerate(LENGTHS):
        if length >= frames * stride and len(real) < 7:
            first = scramble(scramble(SEED) ^ video) % (length - frames * stride + 1)
            real.append(np.stack([real_frame(videos, video, first + i * stride) for i in range(frames)]))
    made = [np.stack([Generated().frame(number, i * stride) for i in range(frames)]) for number in range(7)]
    return real, made


@pytest.mark.parametrize(("name", "frames", "stride"), [("16f", 16, 1), ("128f", 128, 1), ("128f_subsample8f", 16, 8)])
def test_fvd(videos: Path, network_files: Path, values: dict[str, float], name: str, frames: int, stride: int) -> None:
    real, made = plain_clips(videos, frames, stride)
    assert len(real) == 7  # of 10, 7 and 7 that are long enough
    expected = plain_frechet(clip_features(network_files, real), clip_features(network_files, made))
    assert values[f"fvd2048_{name}"] == pytest.approx(expected, rel=1e-5)


def test_kvd(videos: Path, network_files: Path, values: dict[str, float]) -> None:
    real, made = plain_clips(videos, 16, 1)
    expected = plain_mmd2(clip_features(network_files, real), clip_features(network_files, made))
    assert values["kvd2048_16f"] == pytest.approx(expected, rel=1e-5)


def test_fid_and_kid(videos: Path, network_files: Path, values: dict[str, float]) -> None:
    real = [real_frame(videos, video, frame) for video, length in enumerate(LENGTHS) for frame in range(length)]
    made = [Generated().frame(number, number % 3) for number in range(50)]
    x, y = image_features(network_files, real), image_features(network_files, made)
    assert values["fid50k_full"] == pytest.approx(plain_frechet(x, y), rel=1e-5)
    rng = np.random.Generator(np.random.Philox(SEED))
    subsets = []
    for _ in range(3):
        of_x = rng.choice(len(x), 20, replace=False)
        of_y = rng.choice(len(y), 20, replace=False)
        subsets.append(plain_mmd2(x[of_x], y[of_y]))
    assert values["kid50k_full"] == pytest.approx(np.mean(subsets), rel=1e-5)


def test_two_processes_give_the_numbers_of_one(
    videos: Path, network_files: Path, values: dict[str, float], tmp_path: Path
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    script = Path(__file__).parent / "standins.py"
    command = [sys.executable, script, videos, network_files, tmp_path / "cache", tmp_path / "out"]
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    started = [subprocess.Popen(command, env=os.environ | shared | {"RANK": str(rank)}) for rank in range(2)]
    assert [process.wait(timeout=100) for process in started] == [0, 0]
    for rank in range(2):
        found = json.loads((tmp_path / f"out.{rank}").read_text())
        assert found == {name: pytest.approx(values[name], rel=1e-9) for name in PROTOCOLS}


def test_the_published_sizes() -> None:
    assert asdict(Sizes()) == {
        "frames": 50_000,
        "frame_span": 16,
        "clips": 2048,
        "fewest": 256,
        "subsets": 100,
        "subset_size": 1000,
    }


def test_the_protocol_says_what_was_done(videos: Path, networks: dict[str, Any], tmp_path: Path) -> None:
    seen: list[tuple[int, int, str]] = []
    names = ["fvd2048_128f_subsample8f", "kid50k_full"]
    found = measure(videos, networks, tmp_path, names=names, on_progress=lambda *told: seen.append(told))
    assert list(found) == names
    clips, frames = (found[name].protocol for name in names)
    expected = {"real": 7, "real_videos": 7, "videos": 12, "generated": 7, "frames": 16, "stride": 8, "seed": 5}
    assert expected.items() <= clips.items() and "warning" not in clips
    assert (clips["network"], clips["network_sha256"]) == ("I3D", networks["i3d"].sha256)
    expected = {"real": sum(LENGTHS), "generated": 50, "subsets": 3, "subset_size": 20, "resize": "legacy_tensorflow"}
    assert expected.items() <= frames.items() and frames["resolution"] == 12
    for what, total in [("real clips of 128 frames", 7), ("generated clips of 128 frames", 7), ("real frames", 1158)]:
        assert (total, total, what) in seen


def test_statistics_of_real_videos_are_kept(
    videos: Path,
    networks: dict[str, Any],
    values: dict[str, float],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    names = ["fvd2048_16f", "kvd2048_16f"]

    def figures() -> dict[str, float]:
        return {name: result.value for name, result in measure(videos, networks, tmp_path, names=names).items()}

    expected = {name: values[name] for name in names}
    assert figures() == expected
    (kept,) = tmp_path.iterdir()
    with monkeypatch.context() as patch:
        patch.setattr(VideoDataset, "read", None)  # the data is not needed any more
        assert figures() == expected
    damaged = bytearray(kept.read_bytes())
    damaged[-100] ^= 1
    kept.write_bytes(damaged)
    assert figures() == expected and "damaged" in caplog.text
    kept.write_bytes(b"nothing")
    assert figures() == expected
    measure(videos, networks, tmp_path, names=["fvd2048_16f"])
    assert list(tmp_path.iterdir()) == [kept]  # one file for both metrics
    measure(videos, networks, tmp_path, names=["fvd2048_16f"], seed=6)
    assert len(list(tmp_path.iterdir())) == 2  # other clips


def test_statistics_without_a_sample_are_made_anew_with_one(
    videos: Path, networks: dict[str, Any], values: dict[str, float], tmp_path: Path
) -> None:
    measure(videos, networks, tmp_path, names=["fvd2048_16f"])
    assert measure(videos, networks, tmp_path, names=["kvd2048_16f"])["kvd2048_16f"].value == values["kvd2048_16f"]


def test_another_frame_is_other_data(networks: dict[str, Any], tmp_path: Path) -> None:
    data, cache = tmp_path / "videos", tmp_path / "cache"
    write_videos(data, [16, 16, 17, 18])
    before = measure(data, networks, cache, names=["fvd2048_16f"], allow_few=True)["fvd2048_16f"].value
    Image.new("RGB", (12, 12), "red").save(data / "002" / "0008.png")
    after = measure(data, networks, cache, names=["fvd2048_16f"], allow_few=True)["fvd2048_16f"].value
    assert before != after and len(list(cache.iterdir())) == 2


def test_a_folder_that_cannot_be_written_is_no_error(videos: Path, networks: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    found = measure(videos, networks, tmp_path / "file" / "cache", names=["fvd2048_16f"])
    assert found["fvd2048_16f"].value > 0


def test_too_few_and_too_short_are_refused(networks: dict[str, Any], tmp_path: Path) -> None:
    data = tmp_path / "videos"
    write_videos(data, [127, 16, 20, 17, 30])
    with pytest.raises(DataError, match=r"fvd2048_128f: .* gives 0 clips of 128 frames .*the longest has 127"):
        measure(data, networks, tmp_path, names=["fvd2048_16f", "fvd2048_128f"], allow_few=True)
    few = Generated(count=5)
    with pytest.raises(DataError, match=r"7 generated clips of 16 frames are needed; there are 5"):
        measure(data, networks, tmp_path, names=["fvd2048_16f"], source=few)
    found = measure(data, networks, tmp_path, names=["fvd2048_16f"], source=few, allow_few=True)
    assert "there are 5" in found["fvd2048_16f"].protocol["warning"]
    with pytest.raises(DataError, match="12 x 12"):
        measure(data, networks, tmp_path, source=Generated(resolution=16))
