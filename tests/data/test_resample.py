"""Compiled resizing gives the bytes that Pillow gives, and serves where it does and nowhere else."""

import sys
import threading
from typing import Any

import numpy as np
import pytest
from PIL import Image

from smoothvid.data import resample as module
from smoothvid.data.resample import by_numba, by_pillow, load, resample
from smoothvid.data.resize import Crop, to_square

RANDOM = np.random.default_rng(0)


def noise(height: int, width: int) -> np.ndarray:
    """As hard as pictures get: black and white pixels make sums that leave the range of bytes."""
    return RANDOM.choice([0, 255, 90], (height, width, 3)).astype(np.uint8)


def squared_by_pillow(frame: np.ndarray, resolution: int, crop: Crop) -> np.ndarray:
    """What `to_square` is to give, by Pillow alone."""
    image = Image.fromarray(np.ascontiguousarray(frame))
    width, height = image.size
    if crop == "center":
        side = min(width, height)
        left, top = (width - side) // 2, (height - side) // 2
        central = image.crop((left, top, left + side, top + side))
        return np.asarray(central.resize((resolution, resolution), Image.Resampling.BICUBIC))
    scale = resolution / max(width, height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    square = Image.new("RGB", (resolution, resolution))
    square.paste(
        image.resize(size, Image.Resampling.BICUBIC), ((resolution - size[0]) // 2, (resolution - size[1]) // 2)
    )
    return np.asarray(square)


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """Has compiled code in use; holds the shapes it was given from then on."""
    pytest.importorskip("numba")
    load()
    assert module._is_loaded
    given = []

    def noted(picture: np.ndarray, *rest: Any) -> np.ndarray:
        given.append(picture.shape)
        return by_numba(picture, *rest)

    monkeypatch.setattr(module, "by_numba", noted)
    return given


def test_squares_are_pillows_to_the_byte(compiled: list[tuple[int, ...]]) -> None:
    """Reduced and enlarged, both crops, upright and lying, any number of rows, turned and mirrored."""
    for number in range(60):
        height, width = RANDOM.integers(5, 200, 2)
        resolution = int(RANDOM.integers(4, 130))
        frame = noise(height, width)
        views = frame, frame[::-1], np.rot90(frame), np.dstack([frame, frame])[..., :4][..., :3], frame[2:, 3:]
        view = views[number % len(views)]
        for crop in ("center", "fit"):
            expected = squared_by_pillow(view, resolution, crop)
            assert np.array_equal(to_square(view, resolution, crop), expected), (view.shape, resolution, crop)
    assert len(compiled) >= 100  # the others are tiny, or of one size


@pytest.mark.parametrize(
    ("size", "new_size"),
    [((344, 43), (128, 16)), ((45, 70), (24, 80)), ((70, 45), (80, 24)), ((33, 64), (33, 20)), ((31, 9), (64, 9))],
)
@pytest.mark.parametrize("filter", ["bicubic", "box"])
def test_passes_go_in_pillows_order(
    compiled: list[tuple[int, ...]], size: tuple[int, int], new_size: tuple[int, int], filter: module.Filter
) -> None:
    picture = noise(*size)
    expected = by_pillow(picture, *new_size, filter)
    assert np.array_equal(resample(picture, *new_size, filter)[..., :3], expected[..., :3])
    assert picture.shape in compiled


def test_extremes_and_pictures_of_the_right_size(compiled: list[tuple[int, ...]]) -> None:
    assert np.array_equal(resample(noise(900, 2), 4, 4, "bicubic").shape, (4, 4, 4))
    assert compiled == []  # 900 to 4: its weights would fill memory
    picture = noise(20, 30)
    assert np.array_equal(resample(picture, 20, 30, "bicubic")[..., :3], picture)
    assert compiled == []


@pytest.mark.parametrize("fault", ["Numba is missing", "Pillow computes otherwise"])
def test_pillow_serves_where_compiled_code_does_not(monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    monkeypatch.setattr(module, "_is_loaded", False)
    frame = noise(50, 80)
    expected = squared_by_pillow(frame, 24, "center")
    with monkeypatch.context() as patch:
        if fault == "Numba is missing":
            patch.setitem(sys.modules, "smoothvid.data.weighing", None)
        else:
            patch.setattr(module, "by_pillow", lambda *what: by_pillow(*what) ^ 1)
        load()
    assert not module._is_loaded
    assert np.array_equal(to_square(frame, 24, "center"), expected)


def test_a_process_loads_once_it_has_resized_some(monkeypatch: pytest.MonkeyPatch) -> None:
    loads = threading.Semaphore(0)
    monkeypatch.setattr(module, "load", loads.release)
    monkeypatch.setattr(module, "_is_loaded", False)
    monkeypatch.setattr(module, "_resized", module._FEW - 2)
    resample(noise(8, 8), 4, 4, "box")
    assert not loads.acquire(blocking=False)
    for _ in range(3):
        resample(noise(8, 8), 4, 4, "box")
    assert loads.acquire(timeout=10) and not loads.acquire(blocking=False)
