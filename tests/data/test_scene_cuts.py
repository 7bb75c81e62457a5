"""Hard cuts are found; moving cameras, flashes and lost frames are none."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from smoothvid.data.resize import to_square
from smoothvid.data.scene_cuts import MotionTrace
from smoothvid.data.video_io import read_video


def texture(seed: int) -> np.ndarray:
    """A smooth random picture, uint8 [64, 192, 3]."""
    coarse = np.random.default_rng(seed).uniform(0, 255, (8, 24, 3))
    return np.repeat(np.repeat(coarse, 8, 0), 8, 1).astype(np.uint8)


def pan(seed: int, count: int, speed: int = 1) -> list[np.ndarray]:
    """A camera moving over a texture."""
    return [texture(seed)[:, speed * number : speed * number + 64] for number in range(count)]


def trace(frames: Iterable[np.ndarray]) -> MotionTrace:
    result = MotionTrace()
    for frame in frames:
        result.add(frame)
    return result


def test_cuts_between_scenes() -> None:
    assert trace([*pan(1, 20), *pan(2, 30), *pan(3, 5)]).cuts() == [20, 50]


def test_repeated_frames_do_not_hide_or_make_a_cut() -> None:
    frames = [frame for frame in [*pan(1, 15), *pan(2, 15)] for _ in range(3)]
    assert trace(frames).cuts() == [45]


def test_fast_motion_is_no_cut() -> None:
    assert trace(pan(1, 20, speed=6)).cuts() == []


def test_a_flash_and_a_lost_frame_are_no_cuts() -> None:
    frames = pan(1, 40)
    frames[12] = np.full_like(frames[12], 255)
    frames[30] = np.zeros_like(frames[30])
    assert trace(frames).cuts() == []


def test_only_what_never_moves_is_static() -> None:
    assert trace([texture(1)[:, :64]] * 30).is_static()
    assert not trace(pan(1, 30)).is_static()
    dot = [texture(1)[:, :64].copy() for _ in range(20)]
    for number, frame in enumerate(dot):
        frame[10:14, number : number + 4] = 255
    assert not trace(dot).is_static()
    assert not trace([]).is_static()


CUTS = {
    "bad/scene_cut_middle.mp4": [75],
    "nature_clouds_waves_manta.webm": [116, 276],
    "people_bikes_street.mp4": [30, 137, 187, 242],
    "nature_ocean_wave_bw.mp4": [144],
    "people_carphone.mp4": [],
    "object_plastic_bag.avi": [],
    "driving_city_overpass.gif": [],
}


@pytest.mark.parametrize("name", CUTS)
def test_cuts_of_real_clips(real_clips: Path, name: str) -> None:
    assert trace(to_square(frame, 64, "center") for _, frame in read_video(real_clips / name)).cuts() == CUTS[name]
