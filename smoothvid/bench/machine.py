"""What a result depends on beside the code."""

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from smoothvid import __version__
from smoothvid.data.prepare_settings import available_cores


def machine_facts(device: torch.device, keeps_memory: bool) -> dict[str, Any]:
    """Processor, card, threads and versions. keeps_memory: whether freed memory is kept for reuse."""
    return {
        "processor": _processor(),
        "cores": available_cores(),
        "threads": torch.get_num_threads(),
        "device": str(device),
        "card": torch.cuda.get_device_name(device) if device.type == "cuda" else None,
        "keeps_memory": keeps_memory,
        "system": platform.platform(),
        "python": platform.python_version(),
        "smoothvid": __version__,
        **{name: _version(name) for name in ("torch", "numba", "triton", "av", "pillow")},
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
