"""What is compared with a dataset: each source of videos, at each start, is a column of the figures."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

from smoothvid.data.sources import folders_below
from smoothvid.data.video_io import VIDEO_SUFFIXES
from smoothvid.errors import ConfigError, DataError
from smoothvid.evaluation.clips import DatasetClips, FileClips, ModelClips, Source
from smoothvid.evaluation.settings import EvalSettings

if TYPE_CHECKING:
    from smoothvid.data.dataset import VideoDataset
    from smoothvid.sampling.model import VideoModel

Videos = Union["VideoModel", "VideoDataset", Path]
Figures = dict[str, float | None]
SEEDS_EACH = 100_000  # of a model, for one seed of an evaluation: more than any metric needs


@dataclass
class Column:
    """One source of videos at one start, and what has been measured of it.

    source: for a seed, clips of it.
    model: None where the videos are made already.
    rows: figures, a row for each repeat. spread: standard deviations that do not come from repeats.
    """

    name: str
    start: float
    source: Callable[[int], Source]
    model: Any = None
    rows: list[Figures] = field(default_factory=list)
    spread: Figures = field(default_factory=dict)

    @property
    def title(self) -> str:
        return f"{self.name} from {self.start:,g}" if self.start else self.name


@dataclass
class Findings:
    """What has been measured so far.

    metrics: by name, how it was measured.
    references: the same figures of real clips and of frauds.
    notes: what a reader has to know.
    """

    columns: list[Column]
    notes: list[str]
    metrics: dict[str, dict[str, Any]] = field(default_factory=dict)
    references: dict[str, Figures] = field(default_factory=dict)


def open_source(path: str | Path, device: str = "auto") -> Videos:
    """What can be evaluated, from a path: a model, a dataset, a video file, or a folder of them, however deep."""
    from smoothvid.data.dataset import is_prepared, open_dataset
    from smoothvid.sampling.model import load_model
    from smoothvid.sampling.shipped import shipped_folder

    path = Path(path)
    if not path.exists():
        if shipped_folder(path) is not None:
            return load_model(path, device)
        raise DataError(f"{path} does not exist; give a run, a checkpoint, a folder of videos, or a dataset")
    is_model = path.suffix == ".safetensors" or (path / "model.safetensors").exists() or (path / "checkpoints").exists()
    if is_model:
        return load_model(path, device)
    is_video = path.suffix.lower() in VIDEO_SUFFIXES and not path.is_dir()
    if is_video or (not is_prepared(path) and any(folder.videos for folder in folders_below(path))):
        return path
    return open_dataset(path)


def columns_of(name: str, videos: Videos, dataset: "VideoDataset", settings: EvalSettings) -> list[Column]:
    """The columns of one source: of a model two, where a late start is asked for.

    Raises:
        DataError: frames of another size than the dataset's.
    """
    if isinstance(videos, Path):
        files = FileClips(videos, dataset.resolution, dataset.fps)
        return [Column(name, 0.0, lambda seed: files)]
    if videos.resolution != dataset.resolution:
        raise DataError(
            f"{name} is {videos.resolution}x{videos.resolution}, but {dataset.path} is "
            f"{dataset.resolution}x{dataset.resolution}; prepare the dataset with --resolution {videos.resolution}"
        )
    if hasattr(videos, "videos"):
        return [Column(name, 0.0, lambda seed: DatasetClips(videos, seed))]  # type: ignore[arg-type]

    def at(start: float) -> Column:
        def source(seed: int) -> Source:
            # Clips of a model at another rate are made at the dataset's.
            return ModelClips(videos, seed * SEEDS_EACH, start, dataset.fps, settings.truncation_psi)

        return Column(name, start, source, videos)

    return [at(start) for start in dict.fromkeys([0.0, settings.start])]


def check_settings(columns: list[Column], settings: EvalSettings) -> list[str]:
    """Notes on still pictures, and on settings that do not apply to all columns.

    Raises ConfigError for a setting that applies to none.
    """
    made = list(dict.fromkeys(column.name for column in columns if column.model is None))
    sources = {column.name: column.source(settings.seed) for column in columns}
    notes = [
        f"{source.stills} of the {len(source.files)} files of {name} are still pictures, which give no clip."
        for name, source in sources.items()
        if isinstance(source, FileClips) and source.stills
    ]
    if (settings.start == 0.0 and settings.truncation_psi == 1.0) or not made:
        return notes
    if all(column.model is None for column in columns):
        raise ConfigError("start and truncation change what a model makes; these are videos that are made already")
    return [*notes, f"Start and truncation do not apply to {', '.join(made)}: these videos are made already."]
