"""Motion codes: random codes along time become a trajectory, and the trajectory sets sinusoids of time.

Independent codes stand every `distance` frames. Two unpadded convolutions over the code index turn them into a
trajectory u_j, so any stretch of time needs only the codes around it. Frame time t = (j + s)·distance then reads
sinusoids whose speeds p and phases φ come from u (StyleGAN-V, section 3.1), with the trajectory's own values added:

    linear              between u_j and u_{j+1}; the sinusoids are tied to zero at both ends of the segment
    bspline             the added values follow a quadratic B-spline (StyleSV, section 3.3)
    bspline-embedding   speeds and phases follow the B-spline as well, and nothing is tied
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smoothvid.models.stylesv.config import MotionConfig
from smoothvid.nn.bspline import quadratic_weights
from smoothvid.nn.linear_conv import Linear, lrelu


class TrajectoryConv(nn.Module):
    """Equalized unpadded convolution over the code index, unit-gain leaky ReLU: [B, C, K] → [B, out, K − k + 1]."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, lr_mult: float) -> None:
        super().__init__()
        self.lr_mult = lr_mult
        self.weight_gain = lr_mult / math.sqrt(in_channels * kernel_size)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, kernel_size) / lr_mult)
        self.bias = nn.Parameter(torch.zeros(out_channels))

    def forward(self, x: Tensor) -> Tensor:
        return lrelu(F.conv1d(x, self.weight * self.weight_gain, self.bias * self.lr_mult), gain=1.0)


class Motion(nn.Module):
    """motion_z [B, K, z_dim], times [B, T] in frames → motion codes v [B, T, 2·fourier_dim].

    Phases are reckoned in the dtype of `times`, which is float64 wherever the device has it.
    """

    freqs: Tensor

    def __init__(self, config: MotionConfig, c_dim: int = 0) -> None:
        super().__init__()
        self.config = config
        self.z_dim, self.v_dim = config.z_dim, 2 * config.fourier_dim
        dim, kernel = config.z_dim, config.kernel_size
        self.conv0 = TrajectoryConv(dim + c_dim, dim, kernel, config.lr_mult)
        self.conv1 = TrajectoryConv(dim, dim, kernel, config.lr_mult)
        self.speed = Linear(dim, config.fourier_dim, bias_init=None)
        self.phase = Linear(dim, config.fourier_dim, bias_init=None)
        self.align = Linear(dim, self.v_dim, bias_init=None)
        periods = torch.logspace(
            math.log10(config.max_period), math.log10(config.min_period), config.fourier_dim, dtype=torch.float64
        )
        self.register_buffer("freqs", (2 * math.pi / periods).float(), persistent=False)  # radians per frame

    @property
    def _num_control(self) -> int:
        """Trajectory points that one segment needs."""
        return 2 if self.config.kind == "linear" else 3

    def code_range(self, times: Tensor) -> tuple[Tensor, int]:
        """The window of codes that `times` [B, T] need: index of the first one per video [B], and how many."""
        segments = (times / self.config.distance).floor().long()
        first = segments.amin(1)
        span = int((segments.amax(1) - first).max())
        return first, span + self._num_control + 2 * (self.config.kernel_size - 1)

    def forward(self, motion_z: Tensor, times: Tensor, c: Tensor | None = None, first_code: int | Tensor = 0) -> Tensor:
        """Read the motion off at `times`; motion_z[:, 0] is code number `first_code` (an int, or one per video)."""
        x = motion_z.transpose(1, 2)  # [B, z_dim, K]
        if c is not None and c.shape[1]:
            x = torch.cat([x, c[:, :, None].expand(-1, -1, x.shape[2])], dim=1)
        u = self.conv1(self.conv0(x)).transpose(1, 2)  # [B, K − 2·(kernel − 1), z_dim]

        position = times / self.config.distance
        segment = position.floor()
        s = (position - segment)[:, :, None]  # [B, T, 1]
        first = torch.as_tensor(first_code, device=times.device).reshape(-1, 1)
        index = segment.long() - first
        if int(index.min()) < 0 or int(index.max()) + self._num_control > u.shape[1]:
            raise ValueError(f"motion_z holds {motion_z.shape[1]} codes, too few for these times; see code_range")

        # Maps are linear, so they act on trajectory points first and are gathered after.
        speeds = torch.tanh(self.speed(u)) + 1
        phases = self.phase(u) * (self.freqs * self.config.max_period / (2 * math.pi))
        aligners = self.align(u)

        def point(values: Tensor, offset: int) -> Tensor:  # [B, T, dim] of trajectory point segment + offset
            return values.gather(1, (index + offset)[:, :, None].expand(-1, -1, values.shape[2]))

        def spline(values: Tensor) -> Tensor:
            return sum((b * point(values, i) for i, b in enumerate(quadratic_weights(s))), torch.zeros(()).to(s))

        def embed(at: Tensor, speed: Tensor, phase: Tensor) -> Tensor:  # at [B, T, 1] frames
            angle = self.freqs.to(at) * speed.to(at) * at + phase.to(at)
            return torch.cat([angle.sin(), angle.cos()], dim=2)

        if self.config.kind == "bspline-embedding":
            v = embed(times[:, :, None], spline(speeds), spline(phases)) + spline(aligners)
        else:
            start = segment[:, :, None] * self.config.distance
            end = start + self.config.distance
            speed, phase = point(speeds, 0), point(phases, 0)
            tie = (1 - s) * embed(start, speed, phase) + s * embed(end, speed, phase)
            along = (
                spline(aligners)
                if self.config.kind == "bspline"
                else torch.lerp(point(aligners, 0).to(s), point(aligners, 1).to(s), s)
            )
            v = embed(times[:, :, None], speed, phase) - tie + along
        return v.to(motion_z.dtype)
