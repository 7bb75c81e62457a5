"""The wrappers of the networks: what they feed them, how they resize, and that memory is bounded."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from cleanfid.resize import make_resizer

from smoothvid.errors import ConfigError, WeightsMissingError
from smoothvid.evaluation import pretrained
from smoothvid.evaluation.pretrained import I3DLogits, Inception, load_networks
from smoothvid.evaluation.weights import I3D, INCEPTION

from .standins import I3DStandIn, InceptionStandIn, described

DEVICES = ["cpu"]
DEVICES += ["cuda"] if torch.cuda.is_available() else []
DEVICES += ["mps"] if torch.backends.mps.is_available() else []


def some_clips(count: int, frames: int, size: int = 20) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, frames, 3, size, size), dtype=np.uint8)


@pytest.mark.parametrize("device", DEVICES)
def test_inception_resizes_by_itself(network_files: Path, device: str) -> None:
    path, clips = network_files / INCEPTION.name, some_clips(3, 12)
    network = Inception(path, device, file=described(path))
    with torch.no_grad():
        expected = InceptionStandIn()(torch.tensor(clips.reshape(36, 3, 20, 20)).float(), return_features=True)
    found = network(clips)
    assert found.dtype == np.float32 and found.shape == (36, network.dim)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_clean_resizes_by_pillow_without_rounding(network_files: Path) -> None:
    path, clips = network_files / INCEPTION.name, some_clips(2, 1)
    resize = make_resizer("PIL", False, "bicubic", (299, 299))
    images = np.stack([resize(clip[0].transpose(1, 2, 0)) for clip in clips]).transpose(0, 3, 1, 2)
    with torch.no_grad():
        expected = InceptionStandIn().layers((torch.tensor(images) - 128) / 128)
    network = Inception(path, "cpu", resize="clean", file=described(path))
    np.testing.assert_allclose(network(clips), expected, atol=1e-5)
    assert network.resize == "clean"
    with pytest.raises(ConfigError, match="legacy_tensorflow"):
        Inception(path, "cpu", resize="bilinear", file=described(path))  # type: ignore[arg-type]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("frames", [10, 16, 128])
def test_i3d(network_files: Path, device: str, frames: int) -> None:
    path, clips = network_files / I3D.name, some_clips(5, frames)
    network = I3DLogits(path, device, file=described(path))
    videos = torch.tensor(clips).float().permute(0, 2, 1, 3, 4)
    with torch.no_grad():
        expected = I3DStandIn()(videos, rescale=True, resize=True, return_features=True)
    found = network(clips)
    assert found.dtype == np.float32 and found.shape == (5, network.dim)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    np.testing.assert_array_equal(network(clips[:, ::1]), found)


def test_i3d_needs_ten_frames(network_files: Path) -> None:
    path = network_files / I3D.name
    with pytest.raises(ConfigError, match="clips of 9 frames: I3D pools over time and needs at least 10"):
        I3DLogits(path, "cpu", file=described(path))(some_clips(1, 9))


@pytest.mark.parametrize(("frames", "most"), [(16, 16), (128, 2), (300, 1)])
def test_batches_are_bounded(network_files: Path, frames: int, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    path, seen = network_files / I3D.name, list[int]()
    network = I3DLogits(path, "cpu", file=described(path))

    def forward(videos: torch.Tensor, **_: Any) -> torch.Tensor:
        seen.append(len(videos))
        return torch.zeros(len(videos), 400)

    monkeypatch.setattr(network, "_network", forward)
    count = 2 * most + 1
    assert network(np.zeros((count, frames, 3, 4, 4), np.uint8)).shape == (count, 400)
    assert max(seen) == most and sum(seen) == count


def test_a_network_with_other_features_is_refused(network_files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = network_files / I3D.name
    network = I3DLogits(path, "cpu", file=described(path))
    monkeypatch.setattr(network, "dim", 399)
    with pytest.raises(WeightsMissingError, match=r"\[N, 399\]"):
        network(some_clips(1, 16))


def test_networks_are_loaded_as_needed(network_files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrained, "INCEPTION", described(network_files / INCEPTION.name))
    monkeypatch.setattr(pretrained, "I3D", described(network_files / I3D.name))
    monkeypatch.setenv("SMOOTHVID_CACHE", str(tmp_path))
    shutil.copy(network_files / I3D.name, tmp_path / I3D.name)
    only_i3d = load_networks(["fvd2048_128f", "kvd2048_16f"], device="cpu")
    assert list(only_i3d) == ["i3d"]
    both = load_networks(["kid50k_full", "fvd2048_16f"], network_files, "cpu", "clean")
    assert sorted(both) == ["i3d", "inception"] and both["inception"].resize == "clean"
    assert both["i3d"].sha256 == only_i3d["i3d"].sha256 == described(network_files / I3D.name).sha256
