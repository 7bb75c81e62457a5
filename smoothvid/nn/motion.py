"""Motion codes: random codes along time become a trajectory, and the trajectory sets sinusoids of time.

Independent codes stand every `distance` frames. Two unpadded convolutions over the code index turn them into a
trajectory u_j, so any stretch of time needs only the codes around it. Sinusoids of frame time t = (j + s)·distance take
their speeds and phases from u, and a spline of the trajectory's own values is added:

    linear              StyleGAN-V, section 3.1: values between u_j and u_{j+1}; speeds and phases of u_j hold for the
                        segment, and the sinusoids are tied to zero at both of its ends
    bspline             StyleSV, section 3.3: the added values follow a quadratic B-spline
    bspline-embedding   speeds and phases follow the B-spline as well, and nothing is tied
    phase               ours: the phase is the integral of a speed that follows a B-spline, so nothing has a kink and
                        nothing runs faster with time

The phase of sinusoid f, in turns, is φ_f(0) + t/period_f + (distance/2·period_f)·W_f(t). W is a cubic B-spline, so v is
twice continuously differentiable. Its control points are sums over the last `_MEMORY` trajectory points,
Q_k = Σ_i (i/M)·δ_{k+i}, i = 1 .. M, δ = tanh(speed(u)): a prefix sum of deviations from the mean speed, forgotten as
slowly as it was gathered. Hence the speed is 1/period_f·(1 + ½·spline(δ − mean of the M deviations before)), which is
never negative; and a phase at t = 10⁹ needs M more codes, not all from 0 on. φ(0) is drawn for each video, evenly over
the turn, which makes all times alike.
"""

import math
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smoothvid.nn.bspline import cubic_weights, quadratic_weights
from smoothvid.nn.linear_conv import Linear
from smoothvid.nn.lrelu import lrelu
from smoothvid.nn.precision import full_precision, quotient
from smoothvid.settings import check_ranges

_MEMORY = 16  # M: codes after which a deviation of speed is forgotten


MotionKind = Literal["linear", "bspline", "bspline-embedding", "phase"]


@dataclass(frozen=True, kw_only=True)
class MotionConfig:
    """The motion code v(t): a trajectory through random codes, read out as sinusoids."""

    kind: MotionKind = "phase"
    """How codes become motion. "phase" (ours): smooth at any time. "bspline" (the paper's), "linear" (StyleGAN-V's):
    speed jumps at each code. "bspline-embedding" (the paper's code has it, too): speeds up without bound."""
    z_dim: int = 512
    """Width of a motion code and of the trajectory."""
    fourier_dim: int = 256
    """Number of sinusoid pairs; v has twice as many numbers."""
    distance: int = 256
    """Frames between two motion codes."""
    kernel_size: int = 11
    """Width of the two convolutions that turn independent codes into a trajectory, in codes."""
    min_period: float = 256
    max_period: float = 1024
    """Shortest and longest period of the sinusoids, in frames."""
    lr_mult: float = 0.01
    """How much slower than the rest the trajectory's convolutions learn."""
    pace: float | Literal["auto"] = 1.0
    """How slowly the videos move: distance and periods here, steps, spans and chunk of a training's draws are as many
    times as long. "auto": measured on the data when a training starts (training.pace)."""

    def __post_init__(self) -> None:
        if self.kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd, not {self.kernel_size}")
        if not 0 < self.min_period <= self.max_period:
            raise ValueError(f"0 < min_period <= max_period is needed, not {self.min_period} and {self.max_period}")
        check_ranges(self, 1, 4096, "z_dim", "fourier_dim")
        check_ranges(self, 1, 2**20, "distance")  # in frames
        check_ranges(self, 1, 255, "kernel_size")
        check_ranges(self, 0, 1e3, "lr_mult")
        if self.pace != "auto":
            check_ranges(self, 1e-3, 1e3, "pace")

    @property
    def slowness(self) -> float:
        """The pace as a number: 1 as long as it is not measured."""
        return 1.0 if self.pace == "auto" else self.pace

    @property
    def v_dim(self) -> int:
        """Numbers of a motion code v."""
        return 2 * self.fourier_dim


class TrajectoryConv(nn.Module):
    """Equalized unpadded convolution over the code index, unit-gain leaky ReLU: [B, C, K] → [B, out, K − k + 1].

    As one matrix product: it is faster than the library's convolution of so few codes, and rounds less. Where phases
    are speeds times late times, that counts.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, lr_mult: float) -> None:
        super().__init__()
        self.lr_mult = lr_mult
        self.weight_gain = lr_mult / math.sqrt(in_channels * kernel_size)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, kernel_size) / lr_mult)
        self.bias = nn.Parameter(torch.zeros(out_channels))

    def forward(self, x: Tensor) -> Tensor:
        windows = x.unfold(2, self.weight.shape[2], 1).transpose(1, 2).flatten(2)  # [B, K − k + 1, C·k]
        y = F.linear(windows, (self.weight * self.weight_gain).flatten(1), self.bias * self.lr_mult)
        return lrelu(y.transpose(1, 2), gain=1.0)


class Motion(nn.Module):
    """motion_z [B, K, z_dim], times [B, T] in frames → motion codes v [B, T, v_dim]: sines, then cosines.

    Phases are reckoned in the dtype of `times`, which is float64 wherever the device has it.
    """

    periods: Tensor
    freqs: Tensor
    memory: Tensor

    def __init__(self, config: MotionConfig, c_dim: int = 0) -> None:
        super().__init__()
        self.config, self.c_dim = config, c_dim
        self.z_dim, self.v_dim = config.z_dim, config.v_dim
        self.distance = max(1, round(config.distance * config.slowness))
        self.longest = config.max_period * config.slowness
        self.num_phases = config.fourier_dim if config.kind == "phase" else 0
        """How many phases at time 0 a video has of its own."""
        dim, kernel = config.z_dim, config.kernel_size
        self.conv0 = TrajectoryConv(dim + c_dim, dim, kernel, config.lr_mult)
        self.conv1 = TrajectoryConv(dim, dim, kernel, config.lr_mult)
        self.speed = Linear(dim, config.fourier_dim, bias_init=None)
        if config.kind != "phase":
            self.phase = Linear(dim, config.fourier_dim, bias_init=None)
        self.align = Linear(dim, self.v_dim, bias_init=None)
        periods = config.slowness * torch.logspace(
            math.log10(config.max_period), math.log10(config.min_period), config.fourier_dim, dtype=torch.float64
        )
        self.register_buffer("periods", periods.float(), persistent=False)  # frames
        self.register_buffer("freqs", (2 * math.pi / periods).float(), persistent=False)  # radians per frame
        self.register_buffer("memory", torch.arange(1, _MEMORY + 1) / _MEMORY, persistent=False)

    @property
    def _num_control(self) -> int:
        """Trajectory points that one segment needs."""
        return {"linear": 2, "phase": _MEMORY + 3}.get(self.config.kind, 3)

    def code_range(self, times: Tensor) -> tuple[Tensor, int]:
        """The window of codes that `times` [B, T] need: index of the first one per video [B], and how many."""
        segments = quotient(times, self.distance).floor().long()
        first = segments.amin(1)
        span = int((segments.amax(1) - first).max())
        return first, span + self._num_control + 2 * (self.config.kernel_size - 1)

    @full_precision
    def forward(
        self,
        motion_z: Tensor,
        times: Tensor,
        c: Tensor | None = None,
        first_code: int | Tensor = 0,
        start_phase: Tensor | None = None,
    ) -> Tensor:
        """Read the motion off at `times`.

        Args:
            motion_z: codes, of which [:, 0] has the number `first_code` (an int, or one per video).
            start_phase: φ(0) in turns, [B, num_phases]; None is zero.

        Raises:
            ValueError: motion_z does not hold the codes that `code_range` asks for (on a CPU; devices do not say so).
        """
        x = motion_z.transpose(1, 2)  # [B, z_dim, K]
        if c is not None and c.shape[1]:
            x = torch.cat([x, c[:, :, None].expand(-1, -1, x.shape[2])], dim=1)
        u = self.conv1(self.conv0(x)).transpose(1, 2)  # [B, K − 2·(kernel − 1), z_dim]

        position = quotient(times, self.distance)
        segment = position.floor()
        s = (position - segment)[:, :, None]  # [B, T, 1]
        first = first_code.reshape(-1, 1) if isinstance(first_code, Tensor) else first_code
        index = segment.long() - first
        # Other devices would have to be waited for, and a graph cannot raise: there, reading outside fails.
        checked = index.device.type == "cpu" and not torch.compiler.is_exporting()
        if checked and (int(index.min()) < 0 or int(index.max()) + self._num_control > u.shape[1]):
            raise ValueError(f"motion_z holds {motion_z.shape[1]} codes, too few for these times; see code_range")
        if self.config.kind == "phase":
            v = self._accumulated(u, index, s, times, start_phase)
        else:
            v = self._published(u, index, s, times, segment)
        return v.to(motion_z.dtype)

    def _accumulated(self, u: Tensor, index: Tensor, s: Tensor, times: Tensor, start_phase: Tensor | None) -> Tensor:
        deviations = torch.tanh(self.speed(u))  # of the speed, in units of the mean speed
        sums = deviations.unfold(1, _MEMORY, 1) @ self.memory  # control points Q of the phase
        wander = _spline(sums, index, cubic_weights(s)) * (self.distance / 2)  # frames
        periods = self.periods.to(times)
        turns = (times[:, :, None].fmod(periods) + wander) / periods  # the remainder is exact, however late it is
        if start_phase is not None:
            turns = turns + start_phase.to(turns)[:, None]
        angle = 2 * math.pi * turns
        along = _spline(self.align(u[:, _MEMORY - 1 :]), index, cubic_weights(s))
        return torch.cat([angle.sin(), angle.cos()], dim=2) + along

    def _published(self, u: Tensor, index: Tensor, s: Tensor, times: Tensor, segment: Tensor) -> Tensor:
        # Maps are linear, so they act on trajectory points first and are gathered after.
        speeds = torch.tanh(self.speed(u)) + 1
        phases = self.phase(u) * (self.freqs * self.longest / (2 * math.pi))
        aligners = self.align(u)

        def embed(at: Tensor, speed: Tensor, phase: Tensor) -> Tensor:  # at [B, T, 1] frames
            angle = self.freqs.to(at) * speed.to(at) * at + phase.to(at)
            return torch.cat([angle.sin(), angle.cos()], dim=2)

        quadratic = quadratic_weights(s)
        if self.config.kind == "bspline-embedding":
            speed, phase = _spline(speeds, index, quadratic), _spline(phases, index, quadratic)
            return embed(times[:, :, None], speed, phase) + _spline(aligners, index, quadratic)
        start = segment[:, :, None] * self.distance
        speed, phase = _points(speeds, index), _points(phases, index)
        tie = (1 - s) * embed(start, speed, phase) + s * embed(start + self.distance, speed, phase)
        along = _spline(aligners, index, (1 - s, s) if self.config.kind == "linear" else quadratic)
        return embed(times[:, :, None], speed, phase) - tie + along


def _points(values: Tensor, index: Tensor) -> Tensor:
    """The trajectory points [B, T, dim] of numbers index [B, T]."""
    return values.gather(1, index[:, :, None].expand(-1, -1, values.shape[2]))


def _spline(values: Tensor, index: Tensor, weights: tuple[Tensor, ...]) -> Tensor:
    """The points index, index + 1, ... weighted and summed, [B, T, dim] in the dtype of the weights."""
    terms = [weight * _points(values, index + offset) for offset, weight in enumerate(weights)]
    return torch.stack(terms).sum(0)
