"""Pictures come in as a viewer shows them, alone and as frames of a dataset."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from smoothvid.data.dataset import open_dataset
from smoothvid.data.images import as_shown
from smoothvid.data.prepare import PrepareSettings, prepare

SIDE = 16
GREY = np.arange(SIDE * SIDE, dtype=np.uint16).reshape(SIDE, SIDE)
CLEAR = GREY < 128  # the pixels that cannot be seen
SHOWN = np.where(CLEAR, 0, GREY).astype(np.uint8)[..., None].repeat(3, 2)


def with_alpha(mode: str) -> Image.Image:
    alpha = np.where(CLEAR, 0, 255).astype(np.uint8)
    colours = [GREY.astype(np.uint8)] * (len(mode) - 1)
    return Image.fromarray(np.stack([*colours, alpha], 2), mode)


def palette() -> Image.Image:
    image = Image.fromarray(np.where(CLEAR, 3, GREY).astype(np.uint8), "P")
    image.putpalette([value for value in range(256) for _ in range(3)])
    image.info["transparency"] = 3
    return image


@pytest.mark.filterwarnings("ignore:'mode' parameter is deprecated:DeprecationWarning")
@pytest.mark.parametrize("make", [lambda: with_alpha("RGBA"), lambda: with_alpha("LA"), palette])
@pytest.mark.parametrize("form", ["png", "webp", "tiff"])
def test_hidden_colours_are_black(make: Callable[[], Image.Image], form: str) -> None:
    buffer = io.BytesIO()
    make().save(buffer, form, **({"lossless": True} if form == "webp" else {}))
    if (form, make) == ("tiff", palette):
        pytest.skip("TIFF keeps no transparent colour of a palette")
    assert np.array_equal(np.asarray(as_shown(Image.open(buffer))), SHOWN)


def test_sixteen_bits_are_scaled() -> None:
    buffer = io.BytesIO()
    Image.fromarray(GREY * 257).save(buffer, "png")
    assert np.array_equal(np.asarray(as_shown(Image.open(buffer)))[..., 1], GREY)


@pytest.mark.parametrize("pixels", [np.ones((4, 4), np.float32), np.full((4, 4), 70_000, np.int32)])
def test_numbers_that_are_no_colours_are_refused(pixels: np.ndarray) -> None:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "tiff")
    with pytest.raises(ValueError, match="its pixels"):
        as_shown(Image.open(buffer))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_upright(orientation: int) -> None:
    upright = np.zeros((8, 12, 3), np.uint8)
    upright[:2, :, 0], upright[:, :3, 1] = 255, 255
    # as cameras store it, by the table of the EXIF standard
    stored = [
        upright,
        upright[:, ::-1],
        upright[::-1, ::-1],
        upright[::-1],
        upright.swapaxes(0, 1),
        np.rot90(upright, 1),
        upright[::-1, ::-1].swapaxes(0, 1),
        np.rot90(upright, -1),
    ][orientation - 1]
    exif, buffer = Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(stored)).save(buffer, "png", exif=exif)
    assert np.array_equal(np.asarray(as_shown(Image.open(buffer))), upright)


def test_folders_give_what_is_shown(tmp_path: Path) -> None:
    """Both as a dataset that others made and by `prepare`, which also says where sizes differ."""
    folder = tmp_path / "clips" / "one"
    folder.mkdir(parents=True)
    for number in range(20):
        Image.fromarray(np.roll(GREY, number, 1) * 257).save(folder / f"{number}.png")
    expected = GREY.astype(np.uint8)
    assert np.array_equal(open_dataset(tmp_path / "clips").read(0, [0])[0, 0], expected)
    Image.fromarray(np.kron(GREY, np.ones((2, 2), np.uint16)) * 257).save(folder / "19.png")
    report = prepare([folder], tmp_path / "out", PrepareSettings(resolution=SIDE, format="png", min_frames=4))
    assert np.array_equal(open_dataset(tmp_path / "out").read(0, [0])[0, 0], expected)
    assert "its frames differ in size" in report.rows[0].reason
