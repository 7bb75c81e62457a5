"""Hard cuts are found; moving cameras, flashes and lost frames are none."""

import io
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from smoothvid.data.convert import Outcome, convert, encode
from smoothvid.data.prepare_settings import PrepareSettings
from smoothvid.data.resize import square_pixels, to_square
from smoothvid.data.scene_cuts import MotionTrace
from smoothvid.data.sources import Source
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


def test_what_covers_all_within_a_few_frames_is_no_cut() -> None:
    """Though it moves faster than anything before or after it."""
    noise, behind, large = np.random.default_rng(0), texture(1)[:, :64], texture(4)
    covers = [0] * 20 + [*range(12, 108, 12)] + [108] * 20
    frames = [np.hstack([behind[:, : max(0, 64 - cover)], large[:, max(0, cover - 64) : cover]]) for cover in covers]
    assert trace(np.uint8(frame * 0.9 + noise.integers(0, 9, frame.shape)) for frame in frames).cuts() == []


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


MakeClip = Callable[..., Path]
RATES = [None, 50.0, 25.0, 10.0, 8.0, 4.0, 2.0]


def prepared(clip: Path, fps: float | None, folder: Path) -> Outcome:
    source = Source("video", str(clip), clip.name, clip.stem)
    settings = PrepareSettings(resolution=32, fps=fps, min_frames=1)
    return convert(source, settings, folder / "part.zip")


@pytest.fixture(scope="module")
def passing(write_clip: MakeClip, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fixed camera, before which something large stops: within 0.24 s it covers all of the picture, and stays."""
    behind, large = texture(1)[:, :64], texture(4)[:, :64]
    frames = [
        np.hstack([behind[:, : 64 - cover], large[:, :cover]]) for cover in [0] * 75 + [*range(5, 64, 5)] + [64] * 63
    ]
    return write_clip(tmp_path_factory.mktemp("passing") / "passing.mp4", frames, fps=50)


@pytest.mark.parametrize("fps", RATES)
def test_what_drives_in_is_no_cut_at_any_rate(passing: Path, fps: float | None, tmp_path: Path) -> None:
    outcome = prepared(passing, fps, tmp_path)
    assert [segment.first for segment in outcome.segments] == [0] and outcome.notes == []


@pytest.fixture(scope="module")
def cut(write_clip: MakeClip, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cut at 1.24 s in 3 s."""
    return write_clip(tmp_path_factory.mktemp("cut") / "cut.mp4", [*pan(1, 31), *pan(2, 44)])


@pytest.mark.parametrize("fps", RATES)
def test_a_cut_falls_between_the_stored_frames_on_either_side(cut: Path, fps: float | None, tmp_path: Path) -> None:
    before, after = prepared(cut, fps, tmp_path).segments
    rate = fps or 25.0
    assert before.first == 0 and before.last == after.first == np.ceil((1.24 - 0.01) * rate)  # a quarter frame early
    assert 1.24 <= after.start <= 1.24 + 1 / rate


def test_a_cut_after_all_that_is_stored_splits_nothing(make_clip: MakeClip, tmp_path: Path) -> None:
    clip = make_clip("late.mp4", [*pan(1, 27), *pan(2, 3)])
    for fps, expected in ((None, [(0, 27), (27, 30)]), (2.0, [(0, 2)])):
        assert [(segment.first, segment.last) for segment in prepared(clip, fps, tmp_path).segments] == expected


@pytest.mark.parametrize(
    ("name", "starts"),
    [("people_bikes_street.mp4", [0.0, 1.2, 5.48, 7.48, 9.68]), ("people_chroma_key_60fps.mp4", [0.0])],
)
def test_real_clips_are_cut_at_a_low_rate_where_they_are_at_their_own(
    real_clips: Path, name: str, starts: list[float], tmp_path: Path
) -> None:
    found = [segment.start for segment in prepared(real_clips / name, 8.0, tmp_path).segments]
    assert len(found) == len(starts) and all(0 <= a - b < 1 / 8 for a, b in zip(found, starts, strict=True)), found


@pytest.mark.parametrize("format", ["jpeg", "png"])
def test_frames_are_encoded_from_where_they_lie_to_the_same_bytes(format: str) -> None:
    frame = texture(3)[:40, :60]
    settings = PrepareSettings(format=format)  # type: ignore[arg-type]
    plain = io.BytesIO()
    how = {"quality": settings.quality, "subsampling": 0} if format == "jpeg" else {}
    Image.fromarray(to_square(frame, 24, "fit").copy()).save(plain, format, **how)
    assert encode(square_pixels(frame, 24, "fit"), settings) == plain.getvalue()
