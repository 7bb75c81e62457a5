"""Settings of the StyleSV networks. The defaults are the paper's at 256², but for the kind of motion; presets hold
only what differs."""

from dataclasses import dataclass, field
from typing import Literal

from smoothvid.nn import motion
from smoothvid.nn.alias_free import Band, layer_bands
from smoothvid.nn.lrelu import CLAMP
from smoothvid.nn.video_discriminator import DiscriminatorConfig, check_resolution
from smoothvid.settings import check_ranges


@dataclass(frozen=True, kw_only=True)
class MotionConfig(motion.MotionConfig):
    """The motion code v(t), and how it enters an image model."""

    start: Literal["mask", "weights"] = "mask"
    """How motion begins in an image model. "mask" (the paper's): the code is multiplied by a learnable mask, zero at
    first. "weights": the mask is one and the weights that read the code are zero at first, so that training chooses at
    once in which directions the picture moves; this is what learns motion within minutes."""


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
    waves: int = 0
    """Travelling waves beside the input's still ones, moved by the motion code; 0 (the paper's) for none. With them a
    generator finds motion that goes somewhere; with styles alone it first finds pictures that sway."""
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
    clamp: float | None = CLAMP
    """Bound on the magnitude of activations; none for no bound."""
    magnitude_decay: float = 0.999
    w_avg_decay: float = 0.998

    def __post_init__(self) -> None:
        check_ranges(self, 1, 8192, "z_dim", "w_dim", "channel_max")
        check_ranges(self, 1, 2**20, "channel_base")
        check_ranges(self, 0, 8192, "waves")
        check_ranges(self, 1, 64, "mapping_layers")
        check_ranges(self, 2, 64, "num_layers")
        check_ranges(self, 0, 256, "low_rank", "margin")
        check_ranges(self, 0, 1, "magnitude_decay", "w_avg_decay")
        check_ranges(self, 1e-6, 1e9, "clamp")
        check_ranges(self, -1e6, 1e6, "output_scale")
        check_ranges(self, 0.01, 1024, "first_cutoff", "last_stopband_rel")
        check_ranges(self, 0.5, 1024, "first_stopband")
        if not 0 <= self.num_critical < self.num_layers:
            raise ValueError(
                f"num_critical must be from 0 to below num_layers {self.num_layers}, not {self.num_critical}"
            )
        if not (self.first_cutoff < self.first_stopband and self.last_stopband_rel > 1):
            raise ValueError("stopbands lie above cutoffs: first_cutoff < first_stopband and 1 < last_stopband_rel")

    def bands(self, resolution: int) -> list[Band]:
        """The bands of the layers' outputs, for pictures of this side."""
        return layer_bands(
            resolution,
            self.num_layers,
            self.num_critical,
            self.first_cutoff,
            self.first_stopband,
            self.last_stopband_rel,
            self.margin,
            self.channel_base,
            self.channel_max,
        )


@dataclass(frozen=True, kw_only=True)
class StyleSVConfig:
    """The whole model."""

    resolution: int = 256
    motion: MotionConfig = field(default_factory=MotionConfig)
    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    discriminator: DiscriminatorConfig = field(default_factory=DiscriminatorConfig)

    def __post_init__(self) -> None:
        check_resolution(self.resolution, self.discriminator)
        if self.generator.fuse == "add" and self.motion.start == "weights":
            raise ValueError(
                "motion.start = 'weights' needs fuse 'concat' or 'layers': addition has no weights to start from"
            )
        g, v_dim = self.generator, self.motion.v_dim
        if g.first_cutoff > self.resolution / 2:
            raise ValueError(
                f"first_cutoff must be at most half the resolution {self.resolution}, not {g.first_cutoff}"
            )
        bands = g.bands(self.resolution)
        if any(band.half_width > 8 * band.sampling_rate for band in bands):
            raise ValueError(
                f"first_stopband {g.first_stopband} and last_stopband_rel {g.last_stopband_rel} are far above what "
                f"the resolution {self.resolution} can hold; stopbands are usually up to twice the cutoffs"
            )
        if not all(band.channels for band in bands):
            raise ValueError(
                f"channel_base must be more than half the resolution {self.resolution}, not {g.channel_base}"
            )
        channels = round(min(g.channel_base / 2 / g.first_cutoff, g.channel_max))  # of the first layer
        if g.fuse == "add" and not g.w_dim == channels == v_dim:
            raise ValueError(
                f"fuse = 'add' needs w_dim and the first layer's channels equal to 2·fourier_dim = {v_dim}, "
                f"not {g.w_dim} and {channels}"
            )
