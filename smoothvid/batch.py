"""What a step of training sees: videos, the times of their frames, their labels."""

from dataclasses import dataclass

import torch
from torch import Tensor

from smoothvid.devices import to_device


@dataclass
class Batch:
    """A batch of real videos on the device.

    frames: float32 [B, T, C, H, W] in [-1, 1].
    times: float64 [B, T], in frames at the dataset's rate.
    labels: float32 [B, c_dim], one-hot; c_dim may be 0.
    cpu_times: the times, float64, where a draw can read them without waiting for the device.
    """

    frames: Tensor
    times: Tensor
    labels: Tensor
    cpu_times: Tensor


def to_batch(frames: Tensor, times: Tensor, labels: Tensor, device: torch.device) -> Batch:
    """Move uint8 frames [B, T, C, H, W] to the device, and to [-1, 1]: the one place where that happens.

    Frames in any order in memory come out contiguous, in memory of their own.
    """
    # Only from page-locked memory does CUDA copy while this process goes on; others might read what is overwritten.
    moved = frames.to(device, non_blocking=device.type == "cuda")
    scaled = moved.to(torch.float32, memory_format=torch.contiguous_format) / 127.5 - 1
    return Batch(scaled, move_times(times, device), to_device(labels, device), times.double())


def move_times(times: Tensor, device: torch.device) -> Tensor:
    """Times on the device, float64 but on MPS, which has none; float32 is enough for the times of training."""
    return to_device(times, device, torch.float32 if device.type == "mps" else torch.float64)


def to_uint8(images: Tensor) -> Tensor:
    """[-1, 1] back to uint8, values outside clipped: the inverse of `to_batch` for pictures of any shape."""
    return (images.float() * 127.5 + 127.5).round().clamp(0, 255).to(torch.uint8)
