"""Evaluating generated videos against a dataset: which clips are compared, and what came out.

result = evaluate(load_model("runs/sky"), open_dataset("sky"), EvalSettings())
result["metrics"]["rfid"]
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

import numpy as np

from smoothvid.data.video_io import VIDEO_SUFFIXES
from smoothvid.errors import ConfigError, DataError
from smoothvid.evaluation.clips import (
    choose_windows,
    dataset_clips,
    file_clips,
    model_clips,
    video_files,
)
from smoothvid.evaluation.compare import MIN_CLIPS, compare, compare_clips
from smoothvid.evaluation.features import MIN_CLIP_FRAMES, NETWORK_VERSION

if TYPE_CHECKING:
    from smoothvid.data.dataset import VideoDataset
    from smoothvid.sampling.model import VideoModel

__all__ = ["EvalSettings", "compare_clips", "evaluate", "open_source"]

Source = Union["VideoModel", "VideoDataset", Path]
Progress = Callable[[int, int, str], None]  # clips done, clips in all, what is read


@dataclass(frozen=True, kw_only=True)
class EvalSettings:
    """What is compared.

    num_videos: generated clips, and real ones to compare with; the floor takes as many real ones again.
    clip_frames: frames of a clip.
    seed: of the choice of real clips, and of the generated ones.
    start: where in the generated videos the clips begin, in frames of the model.
    truncation_psi: of the generated videos.
    allow_few: go on with fewer clips where there are not enough.
    """

    num_videos: int = 256
    clip_frames: int = 16
    seed: int = 0
    start: float = 0.0
    truncation_psi: float = 1.0
    allow_few: bool = False

    def __post_init__(self) -> None:
        if self.num_videos < MIN_CLIPS:
            raise ValueError(f"num_videos is {self.num_videos}; at least {MIN_CLIPS} are needed")
        if self.clip_frames < MIN_CLIP_FRAMES:
            raise ValueError(f"clip_frames is {self.clip_frames}; at least {MIN_CLIP_FRAMES} are needed")
        if self.seed < 0 or not (math.isfinite(self.start) and math.isfinite(self.truncation_psi)):
            raise ValueError("seed must not be negative, start and truncation_psi must be finite")


def open_source(path: str | Path, device: str = "auto") -> Source:
    """What `evaluate` takes, from a path: a model, a dataset, or a folder of video files."""
    from smoothvid.data.dataset import INDEX_NAME, open_dataset
    from smoothvid.sampling.model import load_model

    path = Path(path)
    if not path.exists():
        raise DataError(f"{path} does not exist; give a run, a checkpoint, a folder of videos, or a dataset")
    if path.is_dir() and any(file.suffix.lower() in VIDEO_SUFFIXES for file in path.iterdir()):
        return path
    is_model = path.suffix == ".safetensors" or (path / "model.safetensors").exists() or (path / "checkpoints").exists()
    is_dataset = path.suffix == ".zip" or (path / INDEX_NAME).exists()
    return open_dataset(path) if is_dataset or not is_model else load_model(path, device)


def evaluate(
    source: Source, dataset: "VideoDataset", settings: EvalSettings, on_progress: Progress | None = None
) -> dict[str, Any]:
    """Compare generated videos with a dataset.

    Args:
        source: a VideoModel; or videos: a VideoDataset of the same size, or a folder of video files.
        dataset: the real videos.
        on_progress: called with (clips read, clips in all, kind of clips).

    Returns:
        The dict of `compare`, and under "protocol" all that the figures depend on.

    Raises:
        DataError: sizes do not fit, or there are too few clips.
        ConfigError: start or truncation_psi given for videos.
    """
    size = settings.clip_frames
    windows = choose_windows([video.num_frames for video in dataset.videos], size, settings.seed)
    count = min(settings.num_videos, len(windows) // 2)
    reason = f"{dataset.path} holds {len(windows)} clips of {size} frames that do not overlap, enough for two sets of "
    _check_found(count, settings.num_videos, settings, f"{reason}{count}")
    if _is_model(source):
        fake, source_facts = _from_model(source, dataset, settings, count)
    else:
        fake, source_facts = _from_videos(source, dataset, settings, count)
        count = source_facts["clips"]
    watch = _Watch(on_progress, 3 * count)
    sets = dataset_clips(dataset, windows[:count], size), dataset_clips(dataset, windows[count : 2 * count], size)
    result = compare(
        watch(sets[0], "real clips"), watch(sets[1], "real clips"), watch(fake, "generated clips"), seed=settings.seed
    )
    protocol = {
        "features": NETWORK_VERSION,
        "resolution": dataset.resolution,
        "fps": dataset.fps,
        **asdict(settings),
        "num_videos": count,
        "real": {
            "path": str(dataset.path),
            "fingerprint": dataset.fingerprint(),
            "videos_compared": len({video for video, _ in windows[:count]}),
            "videos_held_out": len({video for video, _ in windows[count : 2 * count]}),
        },
        "generated": source_facts,
    }
    return {"protocol": protocol, **result}


def _is_model(source: Source) -> bool:
    return hasattr(source, "sample")


def _from_model(
    model: Any, dataset: "VideoDataset", settings: EvalSettings, count: int
) -> tuple[Iterator[np.ndarray], dict[str, Any]]:
    _check_size("the model makes", model.resolution, dataset)
    seeds = range(settings.seed * count, (settings.seed + 1) * count)
    # Clips of a model at another rate are made at the dataset's.
    fake = model_clips(model, seeds, settings.clip_frames, settings.start, dataset.fps, settings.truncation_psi)
    step = model.fps / dataset.fps
    facts = {"family": model.family, "seen_clips": model.seen_clips, "fps": model.fps, "step": step}
    return fake, {**facts, "clips": count, "seeds": [seeds.start, seeds.stop - 1]}


def _from_videos(
    source: Any, dataset: "VideoDataset", settings: EvalSettings, count: int
) -> tuple[Iterator[np.ndarray], dict[str, Any]]:
    size = settings.clip_frames
    if settings.start != 0.0 or settings.truncation_psi != 1.0:
        raise ConfigError("start and truncation change what a model makes; these are videos that are made already")
    if hasattr(source, "videos"):
        _check_size(f"{source.path} holds", source.resolution, dataset)
        windows = choose_windows([video.num_frames for video in source.videos], size, settings.seed)
        found = min(count, len(windows))
        _check_found(found, count, settings, f"{source.path} gives {found} clips of {size} frames")
        return dataset_clips(source, windows[:found], size), {
            "path": str(source.path),
            "fps": source.fps,
            "clips": found,
        }
    files = video_files(Path(source))
    clips = list(file_clips(files, count, size, dataset.resolution, dataset.fps))
    _check_found(len(clips), count, settings, f"{source} gives {len(clips)} clips of {size} frames")
    return iter(clips), {"path": str(source), "files": len(files), "fps": dataset.fps, "clips": len(clips)}


def _check_size(who: str, resolution: int, dataset: "VideoDataset") -> None:
    if resolution != dataset.resolution:
        raise DataError(
            f"{who} {resolution}x{resolution}, but {dataset.path} is {dataset.resolution}x{dataset.resolution}; "
            f"prepare the dataset with --resolution {resolution}"
        )


def _check_found(found: int, wanted: int, settings: EvalSettings, reason: str) -> None:
    """Raise DataError when there are too few clips."""
    if found < MIN_CLIPS:
        raise DataError(f"{reason}. Fewer than {MIN_CLIPS} cannot be compared; give more or longer videos.")
    if found < wanted and not settings.allow_few:
        raise DataError(f"{reason}. Give --num-videos {found}, or --allow-few; distances over fewer clips are larger.")


class _Watch:
    """Reports batches as they pass."""

    def __init__(self, on_progress: Progress | None, total: int) -> None:
        self._on_progress, self._total, self._done = on_progress, total, 0

    def __call__(self, batches: Iterable[np.ndarray], kind: str) -> Iterator[np.ndarray]:
        for batch in batches:
            yield batch
            self._done += len(batch)
            if self._on_progress:
                self._on_progress(self._done, self._total, kind)
