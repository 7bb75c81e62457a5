"""Settings of the StyleSV networks. The defaults are the paper's at 256², but for the kind of motion; presets hold
only what differs."""

from dataclasses import dataclass, field
from typing import Literal

from smoothvid.settings import check_ranges

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
    start: Literal["mask", "weights"] = "mask"
    """How motion begins in an image model. "mask" (the paper's): the code is multiplied by a learnable mask, zero at
    first. "weights": the mask is one and the weights that read the code are zero at first, so that training chooses at
    once in which directions the picture moves; this is what learns motion within minutes."""

    def __post_init__(self) -> None:
        if self.kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd, not {self.kernel_size}")
        if not 0 < self.min_period <= self.max_period:
            raise ValueError(f"0 < min_period <= max_period is needed, not {self.min_period} and {self.max_period}")
        check_ranges(self, 1, 4096, "z_dim", "fourier_dim")
        check_ranges(self, 1, 2**20, "distance")  # in frames
        check_ranges(self, 1, 255, "kernel_size")
        check_ranges(self, 0, 1e3, "lr_mult")


@dataclass(frozen=True, kw_only=True)
class GeneratorConfig:
    """Mapping and alias-free synthesis."""

    z_dim: int = 512
    w_dim: int = 512
    mapping_layers: int = 2
    fuse: Literal["concat", "add", "layers"] = "concat"
    """How the motion code joins the content. "concat" (the paper's): one shared layer over w and v; "add": w + v;
    "layers": each layer adds to its style what it reads from v by itself. A shared layer moves the whole w, and near
    the border between two contents a picture can jump from one to the other; separate ones move parts."""
    low_rank: int = 0
    """Rank of a second, motion-modulated kernel in each layer; 0 for none."""
    num_layers: int = 14
    num_critical: int = 2
    first_cutoff: float = 2.0
    first_stopband: float = 2**2.1
    last_stopband_rel: float = 2**0.3
    margin: int = 10
    channel_base: int = 16384
    channel_max: int = 512
    output_scale: float = 0.25
    magnitude_decay: float = 0.999
    w_avg_decay: float = 0.998

    def __post_init__(self) -> None:
        check_ranges(self, 1, 8192, "z_dim", "w_dim", "channel_max")
        check_ranges(self, 1, 2**20, "channel_base")
        check_ranges(self, 1, 64, "mapping_layers")
        check_ranges(self, 2, 64, "num_layers")
        check_ranges(self, 0, 256, "low_rank", "margin")
        check_ranges(self, 0, 1, "magnitude_decay", "w_avg_decay")
        if not 0 <= self.num_critical < self.num_layers:
            raise ValueError(
                f"num_critical must be from 0 to below num_layers {self.num_layers}, not {self.num_critical}"
            )
        if not (0 < self.first_cutoff < self.first_stopband and self.last_stopband_rel > 1):
            raise ValueError("stopbands lie above cutoffs: 0 < first_cutoff < first_stopband and 1 < last_stopband_rel")


@dataclass(frozen=True, kw_only=True)
class DiscriminatorConfig:
    """Frames through image blocks, fused to one video, judged together."""

    channel_base: int = 16384
    channel_max: int = 512
    temporal_shift: bool = True
    fusion: Literal["mean", "concat"] = "mean"
    fusion_resolution: int = 16
    """The feature map's side at which the frames of a video become one."""
    time_embedding: int = 256
    """Width of the learned embedding of each gap between frames."""
    mbstd_group: int = 4

    def __post_init__(self) -> None:
        check_ranges(self, 1, 8192, "channel_max")
        check_ranges(self, 1, 2**20, "channel_base")
        check_ranges(self, 1, 4096, "time_embedding", "mbstd_group")
        if self.fusion_resolution not in (8, 16, 32, 64, 128, 256, 512, 1024):  # the last block works on 8 × 8
            raise ValueError(f"fusion_resolution must be a power of two from 8 to 1024, not {self.fusion_resolution}")


@dataclass(frozen=True, kw_only=True)
class StyleSVConfig:
    """The whole model."""

    resolution: int = 256
    motion: MotionConfig = field(default_factory=MotionConfig)
    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    discriminator: DiscriminatorConfig = field(default_factory=DiscriminatorConfig)

    def __post_init__(self) -> None:
        if self.resolution not in (16, 32, 64, 128, 256, 512, 1024):
            raise ValueError(f"resolution must be a power of two from 16 to 1024, not {self.resolution}")
        if self.discriminator.fusion_resolution > self.resolution:
            raise ValueError(
                f"fusion_resolution {self.discriminator.fusion_resolution} is above the resolution {self.resolution}"
            )
        if self.generator.fuse == "add" and self.motion.start == "weights":
            raise ValueError(
                "motion.start = 'weights' needs fuse 'concat' or 'layers': addition has no weights to start from"
            )
        g, v_dim = self.generator, 2 * self.motion.fourier_dim
        channels = round(min(g.channel_base / 2 / g.first_cutoff, g.channel_max))  # of the first layer
        if g.fuse == "add" and not g.w_dim == channels == v_dim:
            raise ValueError(
                f"fuse = 'add' needs w_dim and the first layer's channels equal to 2·fourier_dim = {v_dim}, "
                f"not {g.w_dim} and {channels}"
            )
