"""smoothvid: train and sample video generators with smooth, endless motion.

    model = smoothvid.load("runs/sky")
    for frames in model.stream(seed=0, num_frames=128):  # uint8 [T,3,H,W]
        ...

The public names are loaded when first used, so `import smoothvid` is quick and does not import torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from smoothvid.data.dataset import VideoDataset, open_dataset
    from smoothvid.data.prepare import PrepareSettings, prepare
    from smoothvid.data.synthetic import make_world
    from smoothvid.errors import (
        CheckpointError,
        ConfigError,
        DataError,
        DeviceError,
        SmoothvidError,
        WeightsMissingError,
    )
    from smoothvid.sampling.model import VideoModel
    from smoothvid.sampling.model import load_model as load

_HOMES = {
    "VideoDataset": "smoothvid.data.dataset",
    "open_dataset": "smoothvid.data.dataset",
    "PrepareSettings": "smoothvid.data.prepare",
    "prepare": "smoothvid.data.prepare",
    "make_world": "smoothvid.data.synthetic",
    "CheckpointError": "smoothvid.errors",
    "ConfigError": "smoothvid.errors",
    "DataError": "smoothvid.errors",
    "DeviceError": "smoothvid.errors",
    "SmoothvidError": "smoothvid.errors",
    "WeightsMissingError": "smoothvid.errors",
    "VideoModel": "smoothvid.sampling.model",
    "load": "smoothvid.sampling.model",
}
_NAMES_AT_HOME = {"load": "load_model"}

__all__ = [
    "CheckpointError",
    "ConfigError",
    "DataError",
    "DeviceError",
    "PrepareSettings",
    "SmoothvidError",
    "VideoDataset",
    "VideoModel",
    "WeightsMissingError",
    "__version__",
    "load",
    "make_world",
    "open_dataset",
    "prepare",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'smoothvid' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), _NAMES_AT_HOME.get(name, name))


def __dir__() -> list[str]:
    return __all__
