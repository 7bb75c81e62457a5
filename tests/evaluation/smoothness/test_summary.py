"""The figures together: known faults stand out, and real against real shows none."""

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from smoothvid.errors import ConfigError
from smoothvid.evaluation.smoothness import MEASURES, VideoSmoothness, measure_video, summarize
from smoothvid.evaluation.smoothness.known import known_videos, road
from smoothvid.evaluation.smoothness.validate import separations, validation_table


@pytest.fixture(scope="module")
def measured() -> list:
    known = known_videos(num_frames=96, resolution=32, seed=1)
    return [(video, measure_video(video.frames, period=16)) for video in known]


def test_every_fault_stands_out(measured: list) -> None:
    found = separations(measured)
    assert set(found) == set(MEASURES)
    for name, (least, most) in found.items():
        assert least > 2.5 * most and least > 0.3, (name, least, most)


def test_the_table_shows_every_video(measured: list) -> None:
    table = validation_table(measured).splitlines()
    assert len([line for line in table if line.startswith("|")]) == len(measured) + 2
    assert sum(line.count("**") for line in table) == 2 * sum(len(video.faults) for video, _ in measured)


def test_roads_against_other_roads_and_shaken_ones(measured: list) -> None:
    roads = [measure_video(road(np.arange(96), 32, seed), period=16) for seed in range(4)]
    rows = summarize(roads[:2], roads[2:])
    assert list(rows) == list(MEASURES)
    for name in ("reversal", "repetition", "sticking", "colour_drift"):
        assert abs(rows[name]["against"]) < 0.15, (name, rows[name])
    assert 0.5 < rows["jitter"]["against"] < 2
    shaken = [found for video, found in measured if video.name == "road, shaken"]
    assert summarize(roads, shaken)["jitter"]["against"] > 3


def test_summary_is_mean_and_spread_over_what_could_be_told() -> None:
    def video(reversal: float | None, jitter: float) -> VideoSmoothness:
        empty = np.zeros(0, np.float32)
        return VideoSmoothness(reversal, jitter, 0.0, None, 0.0, 1.0, empty, empty, empty)

    rows = summarize([video(1.0, 0.2)], [video(2.0, 0.3), video(4.0, 0.5), video(None, 0.4)])
    assert (rows["reversal"]["value"], rows["reversal"]["spread"], rows["reversal"]["count"]) == (3, 1, 2)
    assert (rows["reversal"]["data"], rows["reversal"]["against"]) == (1, 2)
    assert rows["jitter"]["against"] == pytest.approx(2)
    assert (rows["sticking"]["value"], rows["sticking"]["against"], rows["sticking"]["count"]) == (None, None, 0)


def test_figures_travel_between_processes(measured: list) -> None:
    found = measured[0][1]
    sent = pickle.dumps(found)
    assert len(sent) < 100_000
    assert pickle.loads(sent).jitter == found.jitter


def test_a_period_of_one_frame_is_refused() -> None:
    with pytest.raises(ConfigError, match="period of 1 frames"):
        measure_video(np.zeros((64, 3, 32, 32), np.uint8), period=1)


CLIPS = Path(__file__).parents[4] / "shared" / "clips"


@pytest.mark.skipif(not CLIPS.is_dir(), reason="needs the real clips in ../shared beside the project")
def test_halves_of_a_real_video(tmp_path: Path) -> None:
    (tmp_path / "road.mp4").symlink_to(CLIPS / "driving_dusk_road.mp4")
    module = "smoothvid.evaluation.smoothness.validate"
    run = subprocess.run(
        [sys.executable, "-m", module, "--clips", str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert "1 video files" in run.stdout
    rows = {
        line.split("|")[1].strip(): line.split("|")[2:] for line in run.stdout.splitlines() if line.startswith("| ")
    }
    assert float(rows["reversal"][0]) == 0 and float(rows["repetition"][0]) == 0 and float(rows["sticking"][0]) < 0.15
