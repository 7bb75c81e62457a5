"""Motion as the path of a recurrent network: one code a step, and the state that they have led to.

Step k of the path is at time k · distance. What the network has in mind there comes from the last `memory` codes: it
is started afresh that many steps before, at the earliest at step 0. So a step at t = 10⁹ costs what step 64 does, and
no step depends on which others are asked for. In training the same holds, so nothing is learnt that sampling lacks.

    lstm    starts from zero; step k is the state after code k               (MoCoGAN on StyleGAN2)
    gru     starts from a code, the first of its window; step k is the state after code k + 1          (MoCoGAN)

Between two steps the state is interpolated linearly.
Source: Tulyakov et al., MoCoGAN, CVPR 2018, section 3.1; the limited memory is ours.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from smoothvid.errors import ConfigError
from smoothvid.nn.precision import full_precision, quotient
from smoothvid.settings import check_ranges


@dataclass(frozen=True, kw_only=True)
class MotionConfig:
    """The motion code v(t): the path of a recurrent network."""

    z_dim: int = 512
    """Width of a motion code and of the path."""
    distance: int = 1
    """Frames between two steps of the path."""
    memory: int = 64
    """Steps that the path remembers, so that any time costs the same."""

    def __post_init__(self) -> None:
        check_ranges(self, 1, 4096, "z_dim", "memory")
        check_ranges(self, 1, 2**20, "distance")


class RecurrentPath(nn.Module):
    """motion_z [B, K, z_dim], times [B, T] in frames → states v [B, T, v_dim].

    Args:
        v_dim: width of the state; a GRU's is z_dim, since a code is its first state.
        c_dim: number of labels, which join each code; 0 for none.
        distance: frames between two steps.
        memory: steps that a state remembers.
    """

    num_phases = 0  # a path has no phase to start from

    def __init__(
        self, kind: Literal["lstm", "gru"], z_dim: int, v_dim: int, c_dim: int = 0, distance: int = 1, memory: int = 64
    ) -> None:
        super().__init__()
        assert kind == "lstm" or v_dim == z_dim, "the first state of a GRU is a code"
        self.z_dim, self.v_dim, self.c_dim, self.distance, self.memory = z_dim, v_dim, c_dim, distance, memory
        self.first_codes = int(kind == "gru")
        """Codes of a window that are a state instead of a step's noise."""
        cell = nn.LSTM if kind == "lstm" else nn.GRU
        self.rnn = cell(z_dim + c_dim, v_dim, batch_first=True)

    def code_range(self, times: Tensor) -> tuple[Tensor, int]:
        """The window of codes that `times` [B, T] need: index of the first one per video [B], and how many.

        Raises:
            ConfigError: a time before 0, where no path has begun.
        """
        if (earliest := float(times.min())) < 0:
            raise ConfigError(f"time {earliest:g}: the motion of a MoCoGAN begins at time 0; use a later --start")
        steps = quotient(times, self.distance).floor().long()
        first, last = self._start(steps.amin(1)), steps.amax(1) + 1
        return first, int((last - first).max()) + 1 + self.first_codes

    @full_precision
    def forward(
        self,
        motion_z: Tensor,
        times: Tensor,
        c: Tensor | None = None,
        first_code: int | Tensor = 0,
        start_phase: Tensor | None = None,
    ) -> Tensor:
        """Read the path at `times`; motion_z[:, 0] is the code of number `first_code` (an int, or one per video).

        Raises:
            ValueError: motion_z does not hold the codes that `code_range` asks for.
        """
        count, position = len(times), quotient(times, self.distance)
        before = position.floor()
        fraction = (position - before).to(motion_z.dtype)[:, :, None]
        # At a step itself the next one is not needed, so that whole times cost half.
        steps = torch.stack([before, position.ceil()], dim=2).long().flatten(1)  # [B, 2·T]
        starts = self._start(steps)

        # Steps of a video that start together are one run of the network.
        end = int(starts.max()) + 1
        keys, run = (torch.arange(count, device=times.device)[:, None] * end + starts).unique(return_inverse=True)
        video, start = keys // end, keys % end  # of each run
        at = steps - starts  # how far into its run each step is
        offset = start - torch.as_tensor(first_code, device=times.device).expand(count)[video]
        if int(offset.min()) < 0 or int((offset[run] + at).max()) + self.first_codes >= motion_z.shape[1]:
            raise ValueError(f"motion_z holds {motion_z.shape[1]} codes, too few for these times; see code_range")
        # Short runs are filled up with whatever comes last: later codes do not change earlier states.
        along = torch.arange(int(at.max()) + 1 + self.first_codes, device=times.device)
        codes = motion_z[video[:, None], (offset[:, None] + along).clamp(max=motion_z.shape[1] - 1)]
        states = self._run(codes, None if c is None else c[video])
        now, after = states[run, at].unflatten(1, (-1, 2)).unbind(2)  # [B, T, v_dim] each
        return torch.lerp(now, after, fraction)

    def _start(self, steps: Tensor) -> Tensor:
        """Where the runs begin that lead to `steps`."""
        return (steps + 1 - self.memory).clamp(min=0)

    def _run(self, codes: Tensor, c: Tensor | None) -> Tensor:
        """States [N, L, v_dim] after each of L codes, from windows [N, first_codes + L, z_dim]."""
        noise = codes[:, self.first_codes :]
        if self.c_dim:
            assert c is not None
            noise = torch.cat([noise, c[:, None].expand(-1, noise.shape[1], -1)], dim=2)
        start = codes[:, :1].transpose(0, 1).contiguous() if self.first_codes else None
        states: Tensor = self.rnn(noise, start)[0]
        return states
