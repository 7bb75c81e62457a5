"""Between the machine's memory and a device's."""

import torch
from torch import Tensor


def to_device(x: Tensor, device: torch.device, dtype: torch.dtype | None = None) -> Tensor:
    """`x` on the device and of the type; None keeps the type.

    The way to a CUDA card leads through page-locked memory: then neither this process nor the card waits for the other.
    From ordinary memory CUDA copies only when all that was asked of it before is done.
    """
    if device.type != "cuda" or x.device.type != "cpu":
        return x.to(device, dtype)
    return x.to(dtype=dtype or x.dtype).contiguous().pin_memory().to(device, non_blocking=True)
