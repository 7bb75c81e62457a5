"""Where a run stands, from the files in its folder alone. Any of them may be missing, or end where the run was killed.

Nothing here needs torch, so that `smoothvid info` answers at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smoothvid.plain_text import read_json
from smoothvid.training.journal import LOG, SPEED, read_log

_LARGEST = 1e15
SPEED_TICKS = 10  # over which the speed is measured


@dataclass(frozen=True)
class RunState:
    """A run as its folder tells it.

    config: what config.json holds; empty where there is none that can be read.
    log, speed: lines of log.jsonl and speed.jsonl.
    checkpoints: clips seen by each, rising.
    previews: clips seen by each still, rising.
    """

    run: Path
    config: dict[str, Any]
    log: list[dict[str, Any]]
    speed: list[dict[str, Any]]
    checkpoints: list[int]
    previews: list[int]

    @property
    def phase(self) -> str | None:
        """ "pretrain" or "train"."""
        phase = self.config.get("phase")
        return phase if isinstance(phase, str) else None

    @property
    def seen_clips(self) -> int:
        """Clips seen by the last line of the log, or by the newest checkpoint where there is no log."""
        logged = [clips for line in self.log if (clips := number(line.get("seen_clips"))) is not None]
        return int(logged[-1]) if logged else max(self.checkpoints, default=0)

    @property
    def total_clips(self) -> int | None:
        """Clips that the whole run takes; whole steps, so about what the settings' kimg come to."""
        batch, frames, kimg = (number(self._settings.get(name)) for name in ("batch", "num_frames", "kimg"))
        return (
            max(1, round(kimg * 1000 / (batch * frames))) * int(batch)
            if batch and frames and kimg and min(batch, frames, kimg) > 0
            else None
        )

    @property
    def is_finished(self) -> bool:
        total = self.total_clips
        return total is not None and self.seen_clips >= total and max(self.checkpoints, default=0) >= total

    @property
    def clips_per_second(self) -> float | None:
        """Over the last ticks; None before the first."""
        lines = [(number(line.get("clips_per_second")), number(line.get("seconds"))) for line in self.speed or self.log]
        rates = [(rate, seconds or 1.0) for rate, seconds in lines[-SPEED_TICKS:] if rate]
        weight = sum(seconds for _, seconds in rates)
        return sum(rate * seconds for rate, seconds in rates) / weight if weight else None

    @property
    def seconds_left(self) -> float | None:
        """At the present speed; 0 for a finished run, None while it is unknown."""
        if self.is_finished:
            return 0.0
        total, speed = self.total_clips, self.clips_per_second
        return max(0, total - self.seen_clips) / speed if total is not None and speed else None

    @property
    def written(self) -> float | None:
        """When the last tick was written, in seconds since 1970."""
        return number(self.speed[-1].get("time")) if self.speed else None

    @property
    def scores(self) -> dict[int, float]:
        """The score of each checkpoint that is still there and was measured, by clips seen; lower is better."""
        found = {}
        for line in self.log:
            score = number(line.get("score"))
            if score is not None and number(line.get("seen_clips")) in self.checkpoints:
                found[int(line["seen_clips"])] = score
        return found

    @property
    def best(self) -> int | None:
        """Clips seen by the checkpoint with the best score; None while none was measured."""
        scores = self.scores
        return min(scores, key=lambda clips: (scores[clips], clips)) if scores else None

    @property
    def warnings(self) -> dict[str, tuple[int, str]]:
        """What was warned of: by name, the clips seen at the first time and the text."""
        found: dict[str, tuple[int, str]] = {}
        for line in self.log:
            said = line.get("warnings")
            for name, text in said.items() if isinstance(said, Mapping) else ():
                found.setdefault(str(name), (int(number(line.get("seen_clips")) or 0), str(text)))
        return found

    @property
    def skipped(self) -> int:
        """Steps that were not taken because something in them was not a finite number."""
        return int(sum(number(line.get("skipped")) or 0 for line in self.log))

    @property
    def dataset(self) -> Path | None:
        path = self.config.get("dataset")
        return Path(path) if isinstance(path, str) else None

    def kimg(self, clips: int) -> float | None:
        """Thousands of real frames in so many clips."""
        frames = number(self._settings.get("num_frames"))
        return None if frames is None else clips * frames / 1000

    def checkpoint(self, clips: int | None) -> Path | None:
        """Folder of the checkpoint that has seen so many clips; None for None."""
        folders = (self.run / "checkpoints").glob("*")
        return next((folder for folder in folders if folder.name.isdecimal() and int(folder.name) == clips), None)

    @property
    def _settings(self) -> Mapping[str, Any]:
        """Those of the run's phase."""
        settings = self.config.get(str(self.phase))
        return settings if isinstance(settings, Mapping) else {}


def read_state(run: Path) -> RunState:
    """Read a run's folder."""
    return RunState(
        run=run,
        config=_read_config(run / "config.json"),
        log=read_log(run / LOG),
        speed=read_log(run / SPEED),
        checkpoints=sorted(
            int(item.name) for item in run.glob("checkpoints/*") if item.is_dir() and item.name.isdecimal()
        ),
        previews=sorted(int(item.stem) for item in run.glob("previews/*.png") if item.stem.isdecimal()),
    )


def number(value: Any) -> float | None:
    """The value where it is a number that counts, rates and times can have."""
    known = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _LARGEST
    return value if known else None


def _read_config(path: Path) -> dict[str, Any]:
    try:
        config = read_json(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return config if isinstance(config, dict) else {}
