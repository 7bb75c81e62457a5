"""Damages are what they say, and the distances see every one of them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter

from smoothvid.data.synthetic import make_world
from smoothvid.errors import DataError
from smoothvid.evaluation.corruptions import CORRUPTIONS, corrupt
from smoothvid.evaluation.curves import FRAUDS, Curves, main, measure_curves, read_clips, table
from smoothvid.evaluation.curves_picture import draw

DRAWN_BY_LOT = {"noise", "shuffle", "freeze", "backwards", "jitter"}


@pytest.fixture(scope="module")
def stretches(drive: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Stretches of twice a clip's length: uint8 [32, 32, 3, 32, 32]."""
    later = [[make_world("drive", seed).frame(float(t), 32) for t in range(16, 32)] for seed in range(32)]
    return np.concatenate([drive[:32], np.array(later).transpose(0, 1, 4, 2, 3)], axis=1)


@pytest.fixture(scope="module")
def curves(stretches: NDArray[np.uint8]) -> Curves:
    return measure_curves("synthetic:drive", stretches)


@pytest.fixture(scope="module")
def counting() -> NDArray[np.uint8]:
    """Flat frames whose value is 4 × their number: uint8 [3, 32, 3, 8, 8]."""
    values = np.arange(32, dtype=np.uint8) * 4
    return np.broadcast_to(values[None, :, None, None, None], (3, 32, 3, 8, 8)).copy()


def numbers(clips: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Which frame of `counting` each frame shows: [N, T]."""
    return clips[:, :, 0, 0, 0] / 4


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_the_distance_meant_for_a_damage_grows_with_it(curves: Curves, name: str) -> None:
    assert curves.grows(name, CORRUPTIONS[name].seen_by)


def test_frauds_come_last_and_nothing_falls_below_the_floor(curves: Curves) -> None:
    assert curves.faults() == []
    for fraud, distances in FRAUDS.items():
        for distance in distances:
            assert curves.frauds[fraud][distance] > 10 * curves.floor[distance]


def test_faults_are_named(curves: Curves) -> None:
    flat = {**curves.damaged, "blur": [curves.damaged["blur"][0]] * 4}
    lower = [{**row, "rfid_diff": 0.0} for row in curves.damaged["noise"]]
    tame = {**curves.frauds, "frozen": curves.floor}
    found = replace(curves, damaged={**flat, "noise": lower}, frauds=tame, spread=dict.fromkeys(curves.spread, 1e-6))
    assert "blur: rfid does not grow at every step" in found.faults()
    assert "noise: rfid_diff falls below its floor" in found.faults()
    assert "frozen: rfvd is no larger than of moderate jitter" in found.faults()
    assert table(found).count("NOT MONOTONE") == 2


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_damage_depends_on_the_seed_alone(stretches: NDArray[np.uint8], name: str) -> None:
    few, strength = stretches[:8], CORRUPTIONS[name].strengths[1]
    before = few.copy()
    once, again, other = (corrupt(name, few, strength, seed) for seed in (1, 1, 2))
    assert once.dtype == np.uint8 and once.shape == (8, 16, 3, 32, 32)
    assert np.array_equal(once, again) and np.array_equal(few, before)
    assert np.array_equal(once, other) == (name not in DRAWN_BY_LOT)
    assert not np.array_equal(once, few[:, :16])


def test_what_becomes_of_time(counting: NDArray[np.uint8]) -> None:
    def shown(name: str, strength: float) -> list[float]:
        return numbers(corrupt(name, counting, strength))[0].tolist()

    assert shown("stutter", 4) == [0] * 4 + [4] * 4 + [8] * 4 + [12] * 4
    assert shown("back_and_forth", 2) == [0, 1, 2, 3, 4, 5, 4, 3, 2, 1, 0, 1, 2, 3, 4, 5]
    assert shown("back_and_forth", 1) == [*range(9), *range(7, 0, -1)]
    assert shown("faster", 1.5) == [int(1.5 * t) for t in range(16)]
    assert shown("faster", 2) == list(range(0, 32, 2))
    assert shown("slower", 2) == [t / 2 for t in range(16)]
    assert shown("backwards", 1) == list(range(15, -1, -1))


def test_shares_of_clips_and_frames(counting: NDArray[np.uint8]) -> None:
    many = np.repeat(counting, 4, axis=0)
    frozen = numbers(corrupt("freeze", many, 0.5))
    assert ((np.diff(frozen) == 0).sum(axis=1) == 8).all() and len(set(map(tuple, frozen))) > 1
    assert set(np.diff(frozen).flatten()) == {0, 1}
    assert (numbers(corrupt("freeze", many, 1)) == 0).all()
    assert (numbers(corrupt("backwards", many, 0.25))[:, 0] == 15).sum() == 3
    shuffled = numbers(corrupt("shuffle", many, 4))
    assert (shuffled // 4 == np.repeat(np.arange(4), 4)).all() and (np.sort(shuffled) == np.arange(16)).all()
    assert (np.diff(shuffled) != 1).any()


def test_missing_kinds_are_all_of_one_side(counting: NDArray[np.uint8]) -> None:
    brightness = np.array([50, 10, 40, 20, 60, 30], np.uint8)
    clips = np.broadcast_to(brightness[:, None, None, None, None], (6, 32, 3, 8, 8))
    kept = corrupt("missing_kinds", clips, 0.5)[:, 0, 0, 0, 0]
    assert sorted(kept.tolist()) == [40, 40, 50, 50, 60, 60]


def test_what_becomes_of_pixels(stretches: NDArray[np.uint8]) -> None:
    few = stretches[:4]
    clean = few[:, :16].astype(np.float64)
    grey = np.full_like(few, 128)
    assert corrupt("noise", grey, 8).std() == pytest.approx(8, rel=0.02)
    assert (corrupt("brighter", grey, 32) == 160).all()
    blurred = gaussian_filter(clean, (0, 0, 0, 1, 1), mode="nearest", truncate=3)
    assert corrupt("blur", few, 1).astype(float) == pytest.approx(blurred, abs=0.51)
    stuck = corrupt("sticking", few, 1).astype(float)
    low = gaussian_filter(clean, (0, 0, 0, 1.5, 1.5), mode="nearest", truncate=10 / 3)
    whole = (low + (clean - low)[:, :1]).clip(0, 255)
    assert np.abs(stuck - whole).mean() < 0.5


def test_jitter_shifts_by_its_strength() -> None:
    wave = 128 + 100 * np.sin(2 * np.pi * np.arange(64) / 64)
    clips = np.broadcast_to(wave, (16, 32, 3, 64, 64)).astype(np.uint8)
    shaken = corrupt("jitter", clips, 0.5)[:, :, 0, 32].astype(float)
    phases = np.angle(np.fft.fft(shaken)[..., 1]) * 64 / (2 * np.pi)
    assert np.std(phases) == pytest.approx(0.5, rel=0.15)
    assert abs(np.corrcoef(phases[:, 1:].flatten(), phases[:, :-1].flatten())[0, 1]) < 0.2


def test_the_picture_has_a_panel_for_each_damage_and_source(curves: Curves) -> None:
    one, two = draw([curves]), draw([curves, curves])
    assert one.width == two.width == 1200 and one.height == two.height
    left, right = np.asarray(two)[100:, 150:650], np.asarray(two)[100:, 680:]
    green = [(np.abs(part.astype(int) - (24, 128, 56)).sum(axis=2) < 30).sum() for part in (left, right)]
    assert min(green) > 1000


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "curves.png"
    main(["--source", "synthetic:shapes", "--resolution", "8", "--clips", "8", "--frames", "8", "--out", str(out)])
    assert "synthetic:shapes: 4 clips of 8 frames, 8 pixels" in capsys.readouterr().out
    with Image.open(out) as image:
        assert image.width == 1200


def test_sources(tmp_path: Path) -> None:
    assert read_clips("synthetic:shapes", 2, 3, 16).shape == (2, 3, 3, 16, 16)
    with pytest.raises(DataError, match="neither synthetic:NAME"):
        read_clips(str(tmp_path / "none"), 8, 16, 16)
