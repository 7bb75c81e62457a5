"""What `smoothvid eval --json` found, reduced to what a model card can show: nothing of where things were."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smoothvid.errors import DataError
from smoothvid.plain_text import read_json
from smoothvid.sampling.model import ModelFacts


@dataclass(frozen=True)
class Figures:
    """A table of measures: heads of the columns, rows of (measure, figures), and in words how it was measured."""

    heads: list[str]
    rows: list[tuple[str, list[str]]]
    how: str


def read_figures(path: Path, facts: ModelFacts) -> Figures:
    """The figures of the model that `facts` describe.

    Raises:
        DataError: not a result of `smoothvid eval --json`, or one of another model.
    """
    try:
        result = read_json(path.read_text(encoding="utf-8-sig"))
        columns, real, protocol = result["columns"], result["references"].get("real", {}), result["protocol"]
        mine = [column for column in columns if _is_of(column["source"], facts)]
        if not mine:
            raise DataError(
                f"{path}: measures no {facts.family} model that has seen {facts.seen_clips:,} clips; "
                "evaluate this checkpoint: smoothvid eval CHECKPOINT DATASET --json"
            )
        heads = [f"from frame {column['start']:,g}" if column["start"] else "this model" for column in mine]
        rows = [(name, [_figure(c, name) for c in mine] + [_number(real.get(name))]) for name in result["metrics"]]
        return Figures([*heads, "real clips"], rows, _how(protocol))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise DataError(f"{path}: not a result of `smoothvid eval CHECKPOINT DATASET --json`") from None


def _is_of(source: dict[str, Any], facts: ModelFacts) -> bool:
    return source.get("family") == facts.family and source.get("seen_clips") == facts.seen_clips


def _figure(column: dict[str, Any], name: str) -> str:
    spread = column["spread"].get(name)
    return _number(column["metrics"].get(name)) + ("" if spread is None else f" ± {spread:.2g}")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _how(protocol: dict[str, Any]) -> str:
    data = protocol["data"]
    return (
        f"Measured by smoothvid {protocol['smoothvid']} on {protocol['date']} against {data['videos']:,} real videos "
        f"({data['frames']:,} frames, {protocol['resolution']} × {protocol['resolution']}, {protocol['fps']:g} fps; "
        f"fingerprint of the dataset {data['fingerprint'][:16]}): {protocol['num_videos']:,} clips of "
        f"{protocol['clip_frames']} frames, truncation {protocol['truncation_psi']:g}, seed {protocol['seed']}"
        + (f", {protocol['repeats']} times with other clips." if protocol["repeats"] > 1 else ".")
    )
