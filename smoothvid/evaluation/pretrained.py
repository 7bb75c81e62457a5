"""The pretrained networks of the published metrics: Inception for frames, I3D for clips."""

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import torch
from cleanfid.inception_torchscript import InceptionV3W
from cleanfid.resize import build_resizer
from numpy.typing import NDArray
from torch import Tensor

from smoothvid import processes
from smoothvid.errors import ConfigError, WeightsMissingError
from smoothvid.evaluation.protocols import PROTOCOLS
from smoothvid.evaluation.weights import I3D, INCEPTION, Progress, WeightsFile, check_weights, weights
from smoothvid.sampling.model import choose_device

Resize = Literal["legacy_tensorflow", "clean"]

MIN_I3D_FRAMES = 10  # fewer leave nothing for its pooling over time
_IMAGES_AT_ONCE = 32  # of 299 x 299, as the network sees them
_FRAMES_AT_ONCE = 256  # of 224 x 224


class Network(Protocol):
    """A network that sees uint8 clips. What it sees depends on the file (sha256) and on how frames are resized."""

    name: str
    sha256: str
    resize: str
    dim: int

    def __call__(self, clips: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return features [N, dim] of clips [N, T, 3, R, R] (T is 1 for a network of frames)."""


class Inception:
    """Features of frames, float32 [N * T, 2048], by clean-fid's wrapper of the network.

    Args:
        path: inception-2015-12-05.pt; any other file is refused before it is loaded.
        device: auto, cpu, cuda or mps.
        resize: to 299 x 299, "legacy_tensorflow" by the network itself, as in published figures; or "clean" by Pillow.
        file: what the file must be, if not the published one (for tests).
    """

    name, dim = "Inception v3", 2048

    def __init__(
        self,
        path: Path,
        device: str | torch.device = "auto",
        resize: Resize = "legacy_tensorflow",
        file: WeightsFile | None = None,
    ) -> None:
        if resize not in ("legacy_tensorflow", "clean"):
            raise ConfigError(f"resize {resize!r}: use legacy_tensorflow (as in published figures) or clean")
        file = file or INCEPTION
        check_weights(file, path)
        if path.name != INCEPTION.name:
            raise WeightsMissingError(f"{path} must be called {INCEPTION.name}; rename it.")
        self.device, self.sha256 = choose_device(device), file.sha256
        self.resize: str = resize
        with _deprecations_hidden():
            network = InceptionV3W(str(path.parent), download=False, resize_inside=resize == "legacy_tensorflow")
        self._network = network.to(self.device).eval()
        self._resize_frame = build_resizer("clean") if resize == "clean" else None

    def __call__(self, clips: NDArray[np.uint8]) -> NDArray[np.float32]:
        images = clips.reshape(-1, *clips.shape[2:])
        parts = (images[first : first + _IMAGES_AT_ONCE] for first in range(0, len(images), _IMAGES_AT_ONCE))
        return _features(self._network, (self._resized(part) for part in parts), self.device, self.dim)

    def _resized(self, images: NDArray[np.uint8]) -> Tensor:
        if self._resize_frame is None:
            return torch.from_numpy(np.ascontiguousarray(images))
        frames = np.stack([self._resize_frame(image) for image in images.transpose(0, 2, 3, 1)])
        return torch.from_numpy(frames.transpose(0, 3, 1, 2).copy())


class I3DLogits:
    """Logits of I3D for clips of at least 10 frames, float32 [N, 400]; the network resizes to 224 x 224 itself.

    Args:
        path: i3d_torchscript.pt; any other file is refused before it is loaded.
        device: auto, cpu, cuda or mps.
        file: what the file must be, if not the published one (for tests).
    """

    name, dim, resize = "I3D", 400, "by the network, to 224 x 224"

    def __init__(self, path: Path, device: str | torch.device = "auto", file: WeightsFile | None = None) -> None:
        file = file or I3D
        check_weights(file, path)
        self.device, self.sha256 = choose_device(device), file.sha256
        with _deprecations_hidden():
            self._network = torch.jit.load(str(path), map_location="cpu").to(self.device).eval()

    def __call__(self, clips: NDArray[np.uint8]) -> NDArray[np.float32]:
        if clips.shape[1] < MIN_I3D_FRAMES:
            raise ConfigError(
                f"clips of {clips.shape[1]} frames: I3D pools over time and needs at least {MIN_I3D_FRAMES}; "
                "take longer clips"
            )
        size = max(1, _FRAMES_AT_ONCE // clips.shape[1])
        parts = (np.ascontiguousarray(clips[first : first + size]) for first in range(0, len(clips), size))
        return _features(self._run, (torch.from_numpy(part) for part in parts), self.device, self.dim)

    def _run(self, clips: Tensor) -> Tensor:
        return self._network(clips.transpose(1, 2).contiguous(), rescale=True, resize=True, return_features=True)


def load_networks(
    names: Iterable[str],
    folder: Path | None = None,
    device: str = "auto",
    resize: Resize = "legacy_tensorflow",
    on_progress: Progress | None = None,
) -> dict[str, Network]:
    """The networks that these metrics need, for `measure_published`; files that are missing are fetched.

    Args:
        names: of PROTOCOLS.
        folder: where the files may be, beside the cache folder.
        on_progress: of a fetch; called with (bytes done, bytes in all, name of the file).
    """
    needed = {PROTOCOLS[name].network for name in names}
    device, networks = processes.local_device(device), dict[str, Network]()
    if "inception" in needed:
        networks["inception"] = Inception(weights(INCEPTION, folder, on_progress), device, resize)
    if "i3d" in needed:
        networks["i3d"] = I3DLogits(weights(I3D, folder, on_progress), device)
    return networks


@torch.inference_mode()
def _features(network: Any, batches: Iterable[Tensor], device: torch.device, dim: int) -> NDArray[np.float32]:
    """float32 [N, dim] of batches of pixels in 0 .. 255, which become floats on the device."""
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):  # with TF32 the figures differ in the third digit
        found = [network(batch.to(device).float()).float().cpu() for batch in batches]
    features = torch.cat(found).numpy()
    if features.ndim != 2 or features.shape[1] != dim:
        raise WeightsMissingError(f"the network gives features of shape {features.shape}; [N, {dim}] was expected")
    return features


@contextmanager
def _deprecations_hidden() -> Iterator[None]:
    """Torch means to drop TorchScript some day; the published networks come as nothing else."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*torch.jit", category=FutureWarning)
        warnings.filterwarnings("ignore", message=".*torch.jit", category=DeprecationWarning)
        yield
