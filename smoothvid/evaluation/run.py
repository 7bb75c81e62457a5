"""Evaluating generated videos against a dataset: what is measured on which clips, and what came out.

found = evaluate({"runs/sky": load_model("runs/sky")}, open_dataset("sky"), EvalSettings())
found.result["columns"][0]["metrics"]["rfid"]
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from statistics import pstdev
from typing import TYPE_CHECKING, Any

import torch

from smoothvid import __version__, processes
from smoothvid.evaluation import groups
from smoothvid.evaluation.columns import Column, Figures, Findings, Videos, check_settings, columns_of, open_source
from smoothvid.evaluation.compare import compare_clips
from smoothvid.evaluation.report import Shown
from smoothvid.evaluation.settings import EvalSettings
from smoothvid.sampling.model import choose_device

if TYPE_CHECKING:
    from smoothvid.data.dataset import VideoDataset

__all__ = ["EvalSettings", "Evaluation", "compare_clips", "evaluate", "open_source"]


@dataclass(frozen=True)
class Evaluation:
    """What came out: figures that can be written as JSON, and what a page shows beside them (if asked for), the data
    first.
    """

    result: dict[str, Any]
    shown: list[Shown]


def evaluate(
    sources: Mapping[str, Videos],
    dataset: "VideoDataset",
    settings: EvalSettings,
    device: str = "auto",
    on_progress: groups.Progress | None = None,
    show: bool = False,
) -> Evaluation:
    """Compare generated videos with a dataset. Several processes share the work, and all return the whole.

    Args:
        sources: by name, VideoModels, VideoDatasets of the same size, or folders of video files.
        dataset: the real videos.
        device: of the pretrained networks.
        on_progress: called with (done, in all, of what); each stage counts from 0.
        show: also gather what a page shows, in memory.

    Returns:
        A result of: protocol (what was asked, of what, with which versions), metrics (by name, how it was measured),
        columns (for each source and start: name, start, source, metrics, and spread: standard deviations), references
        (the same metrics of real clips and of frauds), notes (what a reader has to know). Metrics are None where they
        have no meaning, like distances between data that do not vary.

    Raises:
        DataError: too few or too short clips, frames of another size, files that cannot be read.
        ConfigError: a late start where all videos are made already.
        WeightsMissingError: the files of a pretrained network are not at hand and cannot be fetched.
    """
    tell = on_progress or (lambda done, total, what: None)
    columns = [column for name, videos in sources.items() for column in columns_of(name, videos, dataset, settings)]
    for column in columns:
        column.rows = [{} for _ in settings.seeds]
    found = Findings(columns, notes=check_settings(columns, settings))
    with processes.joined():
        if settings.chosen("random"):
            groups.random(found, dataset, settings, tell)
        if settings.chosen("published"):
            groups.published(found, dataset, settings, device, tell)
        shown = groups.smoothness(found, dataset, settings, tell, show)
    result = {
        "protocol": _protocol(dataset, settings, device),
        "metrics": found.metrics,
        "columns": [_column(column, settings) for column in columns],
        "references": found.references,
        "notes": found.notes,
    }
    return Evaluation(result, shown)


def _column(column: Column, settings: EvalSettings) -> dict[str, Any]:
    source = column.source(settings.seed).facts()
    spread: Figures = dict(column.spread)
    for name in column.rows[0]:
        values = [row[name] for row in column.rows if row.get(name) is not None]
        if len(values) > 1:
            spread[name] = pstdev(values)  # type: ignore[type-var]
    return {
        "name": column.name,
        "start": column.start,
        "source": source,
        "metrics": groups.means(column.rows),
        "spread": spread,
    }


def _protocol(dataset: "VideoDataset", settings: EvalSettings, device: str) -> dict[str, Any]:
    return {
        "smoothvid": __version__,
        "torch": torch.__version__,
        "date": date.today().isoformat(),
        "device": str(choose_device(device)),
        "resolution": dataset.resolution,
        "fps": dataset.fps,
        **{name: str(value) if name == "weights" else value for name, value in asdict(settings).items()},
        "data": {
            "path": str(dataset.path),
            "fingerprint": dataset.fingerprint(),
            "videos": len(dataset.videos),
            "frames": dataset.num_frames,
        },
        "processes": processes.count(),
    }
