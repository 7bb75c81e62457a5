"""What all generators are: a content from z, a motion from random codes and times, frames from both.

mapping    z, c             → ws [B, num_ws, w_dim]      what the video shows
motion     motion_z, times  → v [B, T, v_dim]            where it is at each time
synthesis  ws, v            → images [B·T, 3, H, H]
"""

from typing import Any

from torch import Tensor, nn

from smoothvid.nn.layout import PLAIN, Preparation


class VideoGenerator(nn.Module):
    """z [B, z_dim], c [B, c_dim], motion_z [B, K, motion.z_dim], times [B, T] → frames [B·T, 3, H, H].

    Families set `mapping`, `motion` and `synthesis`, and z_dim. A motion tells the width of its codes and of v (z_dim,
    v_dim), how many labels it hears (c_dim), how many phases a video has of its own (num_phases), frames between two
    codes (distance), and which codes some times need (code_range).
    """

    mapping: Any
    motion: Any
    synthesis: Any
    z_dim: int

    def prepare(self, how: Preparation = PLAIN) -> None:
        """Work out once what the weights give, for sampling: from now on they stay as they are."""
        self.synthesis.prepare(how)

    def begin_motion(self) -> None:
        """From an image model to a video model: what reads the motion is set to where video training starts."""
        self.synthesis.begin_motion()

    def forward(
        self,
        z: Tensor,
        c: Tensor | None,
        motion_z: Tensor,
        times: Tensor,
        first_code: int | Tensor = 0,
        start_phase: Tensor | None = None,
        truncation_psi: float = 1.0,
        truncation_cutoff: int | None = None,
        update_emas: bool = False,
    ) -> Tensor:
        ws = self.mapping(z, c, truncation_psi, truncation_cutoff, update_emas)
        v = self.motion(motion_z, times, c, first_code, start_phase)
        images: Tensor = self.synthesis(ws, v, update_emas)
        return images
