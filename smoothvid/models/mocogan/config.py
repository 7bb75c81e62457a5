"""Settings of the MoCoGAN networks. The defaults are the published ones at 64²."""

from dataclasses import dataclass, field
from typing import Literal

from smoothvid.nn import recurrent_motion
from smoothvid.settings import check_ranges


@dataclass(frozen=True, kw_only=True)
class MotionConfig(recurrent_motion.MotionConfig):
    """The motion code: the path of a recurrent network."""

    z_dim: int = 10
    """Numbers of a motion code; the network's state has as many. Much more than 10, and content leaks into them."""
    distance: int = 2
    """Frames between two steps of the path: the published training takes every second frame of the data."""


@dataclass(frozen=True, kw_only=True)
class MoCoGANConfig:
    """The whole model."""

    resolution: int = 64
    z_dim: int = 50
    """Numbers of the content code, which a video keeps."""
    width: int = 64
    """Channels of all networks next to the pixels; they double with each halving of the side, up to 8 times as many."""
    categories: Literal["recurrent", "input"] = "recurrent"
    """Where labels enter: the recurrent network (the paper's choice), so that they steer the motion alone, or the image
    generator's input."""
    category_weight: float = 1.0
    """Weight of telling the label from the video, for both networks."""
    noise: float = 0.1
    """Standard deviation of the noise before the discriminators' convolutions, in training; 0.1 is what was reported
    for UCF-101."""
    motion: MotionConfig = field(default_factory=MotionConfig)

    def __post_init__(self) -> None:
        if self.resolution not in (16, 32, 64, 128):
            raise ValueError(f"resolution must be 16, 32, 64 or 128, not {self.resolution}")
        check_ranges(self, 1, 8192, "z_dim")
        check_ranges(self, 1, 1024, "width")
        check_ranges(self, 0, 1e3, "category_weight", "noise")

    @property
    def halvings(self) -> int:
        """How often the side is halved from the picture to 4×4."""
        return self.resolution.bit_length() - 3

    def widths(self) -> list[int]:
        """Channels after each halving of the side, from the pixels down to 4×4."""
        return [self.width * 2 ** min(number, 3) for number in range(self.halvings)]
