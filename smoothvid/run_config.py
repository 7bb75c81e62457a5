"""The settings of a run: which model, and how its two trainings go.

Presets (`smoothvid/presets/*.toml`), settings files and `--set` are merged in this order over the defaults below, which
are the paper's at 256².
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from smoothvid.errors import ConfigError
from smoothvid.models import family_names, get_family
from smoothvid.settings import check_ranges, from_dict, load_toml, merge, parse_set, suggest, to_dict

PhaseName = Literal["pretrain", "train"]


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """One training: what is drawn from the data, how the weights move, what is written down."""

    batch: int = 64
    """Videos in a step."""
    kimg: float = 25_000
    """Length, in thousands of real frames shown."""
    num_frames: int = 3
    """Frames drawn from each video; 1 trains on images."""
    spans: tuple[int, ...] = (1, 2, 4, 8, 16, 32)
    """Distances from the first to the last frame of a draw, in frames; those that are too short are passed over."""
    spacing: Literal["random", "even", "near"] = "random"
    """Where the frames between the first and the last are: anywhere (the paper's), or at equal distances. "near": most
    frames follow each other closely, one of `near_steps` apart, and show how things move and which way; `far_frames`
    more, far from them, show whether what has passed comes back."""
    near_steps: tuple[int, ...] = (1, 2, 3)
    """With spacing "near": distances between two near frames, in frames."""
    far_frames: int = 1
    """With spacing "near": how many of num_frames are far ones."""
    chunk: int = 512
    """Longer videos are cut into pieces of this many frames, and times count from the start of a piece."""
    mirror: bool = False
    """Show every second video mirrored."""
    lr_g: float = 0.0025
    lr_d: float = 0.002
    beta1: float = 0.0
    beta2: float = 0.99
    weight_decay: float = 0.0
    """Pulls all weights towards zero, as part of their gradients (Adam with an L2 penalty)."""
    r1_gamma: float = 8.0
    """Weight of the penalty on the discriminator's gradient at real frames."""
    r1_interval: int = 16
    """Steps between two such penalties."""
    disorder: float = 0.0
    """Weight of real videos in disorder, which the discriminator is to refuse beside generated ones: near frames
    backwards, to and fro, standing still, or at another pace than their times say; 0 (the papers') for none. Pictures
    give a young generator away long before its motion does, so a discriminator learns little about motion unless it is
    made to. Worlds that look the same backwards take no harm. Not for the MoCoGANs, whose discriminators are not told
    the times: another pace is right for them."""
    share_fakes: bool = False
    """Judge the same generated videos in both phases of a step; saves one pass of the generator."""
    ema_kimg: float | None = None
    """Half-life of the averaged weights, in thousands of videos; none for batch · 10/32."""
    ema_rampup: float | None = 0.05
    """The half-life is at most this share of the videos seen so far; none for no such bound."""
    augment: Literal["none", "ada"] = "none"
    augment_target: float = 0.6
    augment_kimg: float = 500.0
    """Thousand videos in which the strength of augmentation can go from none to full."""
    augment_share_video: bool = True
    """Give all frames of a video one and the same augmentation."""
    precision: Literal["float32", "bf16"] = "float32"
    """bf16: convolutions in bfloat16; filters, styles, penalties, losses and weights stay in float32."""
    checkpointing: bool = False
    """Make the generator's layers once more on the way back instead of keeping what they made: less memory, slower."""
    on_nan: Literal["stop", "skip"] = "stop"
    """What to do at gradients that are not finite, which are never applied: save and stop, or skip that update."""
    tick_kimg: float = 4.0
    """Thousand frames between two lines of the log."""
    snapshot_ticks: int = 50
    """Ticks between two checkpoints, each with a preview."""
    keep_checkpoints: int = 3
    """How many of the newest are kept; the best one is, too."""
    measure_clips: int = 64
    """Clips that are compared with as many of the data's at each checkpoint; 0 for none."""

    def __post_init__(self) -> None:
        check_ranges(
            self, 1, 2**20, "batch", "num_frames", "chunk", "r1_interval", "snapshot_ticks", "keep_checkpoints"
        )
        check_ranges(self, 1e-9, 1e9, "kimg", "lr_g", "lr_d", "tick_kimg", "augment_kimg")
        check_ranges(self, 0, 1e9, "r1_gamma", "disorder", "ema_kimg", "ema_rampup")
        check_ranges(self, 0, 1, "beta1", "beta2", "weight_decay", "augment_target")
        check_ranges(self, 0, 2**16, "measure_clips")
        steps = self.num_frames - 1
        if self.spacing == "even" and steps and all(span < steps or span % steps for span in self.spans):
            raise ValueError(f"spacing = 'even' needs a multiple of {steps} in spans, not only {self.spans}")
        if self.spacing == "near" and steps and not (self.near_steps and min(self.near_steps) > 0):
            raise ValueError(f"near_steps are distances of 1 and more, not {self.near_steps}")
        if self.spacing == "near" and steps and not 0 <= self.far_frames <= steps - 1:
            raise ValueError(f"far_frames must leave two near ones of {self.num_frames} frames, not {self.far_frames}")
        if self.num_frames > 1 and not any(span >= self.num_frames - 1 for span in self.spans):
            raise ValueError(f"spans {self.spans} leave no room for {self.num_frames} frames")
        if self.num_frames > 1 and self.chunk <= max(self.spans):
            raise ValueError(f"chunk {self.chunk} must be longer than the longest span {max(self.spans)}")


def _pretraining() -> TrainingConfig:
    return TrainingConfig(num_frames=1, r1_gamma=0.5, augment="ada")


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Everything that decides a run beside its data and its seed."""

    family: str = "stylesv"
    model: Any = None
    """Settings of the family's networks."""
    pretrain: TrainingConfig = field(default_factory=_pretraining)
    train: TrainingConfig = field(default_factory=lambda: TrainingConfig(ema_rampup=None))

    def __post_init__(self) -> None:
        if self.train.disorder and not get_family(self.family).sees_times:
            raise ValueError(f"train.disorder is not for {self.family}, whose discriminator knows no times; leave it 0")

    def phase(self, name: PhaseName) -> TrainingConfig:
        """The settings of one of the two trainings."""
        return self.pretrain if name == "pretrain" else self.train


def preset_names() -> list[str]:
    """Names that `--preset` takes."""
    folder = resources.files("smoothvid.presets")
    return sorted(item.name.removesuffix(".toml") for item in folder.iterdir() if item.name.endswith(".toml"))


def load_preset(name: str) -> dict[str, Any]:
    """The settings of a preset, as plain data."""
    if name not in preset_names():
        raise ConfigError(f"--preset {name}: no such preset; {suggest(name, preset_names())}")
    with resources.as_file(resources.files("smoothvid.presets") / f"{name}.toml") as path:
        return load_toml(path)


def resolve(preset: str | None = None, config: str | Path | None = None, sets: Iterable[str] = ()) -> RunConfig:
    """Merge a preset, a settings file and `section.key=value` texts, in rising precedence, into checked settings."""
    data: dict[str, Any] = load_preset(preset) if preset else {}
    if config is not None:
        data = merge(data, load_toml(config))
    for text in sets:
        data = merge(data, parse_set(text))
    return run_config_from_dict(data)


def run_config_from_dict(data: Mapping[str, Any]) -> RunConfig:
    """Build checked settings from plain data such as a run's config.json."""
    family = get_family(str(data.get("family", "stylesv")))
    model: Any = from_dict(family.config_class, data.get("model", {}), "model")
    return from_dict(RunConfig, {**data, "model": model})


def run_config_to_dict(config: RunConfig) -> dict[str, Any]:
    """Plain data for config.json; the inverse of `run_config_from_dict`."""
    return to_dict(config)


__all__ = [
    "PhaseName",
    "RunConfig",
    "TrainingConfig",
    "family_names",
    "load_preset",
    "preset_names",
    "resolve",
    "run_config_from_dict",
    "run_config_to_dict",
]
