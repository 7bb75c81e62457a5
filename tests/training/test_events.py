"""TensorBoard reads back what was written, as it was meant."""

import io
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from smoothvid.errors import ConfigError
from smoothvid.training.events import EventWriter
from smoothvid.training.preview import still

pytest.importorskip("tensorboard", reason='needs TensorBoard: pip install "smoothvid[tensorboard]"')
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # noqa: E402


def read(folder: Path) -> EventAccumulator:
    return EventAccumulator(str(folder)).Reload()


def scalars(folder: Path, tag: str) -> list[tuple[int, float]]:
    return [(event.step, event.value) for event in read(folder).Scalars(tag)]


def picture(folder: Path, tag: str) -> Image.Image:
    (event,) = read(folder).Images(tag)
    image = Image.open(io.BytesIO(event.encoded_image_string))
    assert image.size == (event.width, event.height)
    return image


def test_numbers(tmp_path: Path) -> None:
    writer = EventWriter(tmp_path / "events", 0)
    line = {"step": 5, "seen_clips": 20, "kimg": 0.06, "loss_generator": 1.5, "rfvd_16f": 0.25, "augment_p": 0.0}
    writer.numbers(5, {**line, "warnings": {"nan": "words"}})
    writer.numbers(10, {"loss_generator": 1.25, "clips_per_second": 8})
    tags = {"losses/loss_generator", "quality/rfvd_16f", "training/augment_p", "speed/clips_per_second"}
    assert set(read(tmp_path / "events").Tags()["scalars"]) == tags  # already there, before it is closed
    writer.close()
    assert scalars(tmp_path / "events", "losses/loss_generator") == [(5, 1.5), (10, 1.25)]
    assert scalars(tmp_path / "events", "quality/rfvd_16f") == [(5, 0.25)]
    assert scalars(tmp_path / "events", "speed/clips_per_second") == [(10, 8.0)]


def test_what_came_after_the_step_gone_on_from_is_hidden(tmp_path: Path) -> None:
    videos = torch.zeros(1, 3, 3, 8, 8, dtype=torch.uint8)
    first = EventWriter(tmp_path, 0)
    for step in (5, 10, 15):
        first.numbers(step, {"r1": float(step)})
        first.preview(step, videos, 25)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes() + b"\x30\0\0\0half an event")  # as a kill leaves it
    second = EventWriter(tmp_path, 10)
    assert scalars(tmp_path, "losses/r1") == [(5, 5.0), (10, 10.0)]
    second.numbers(15, {"r1": 16.0})
    second.close()
    assert scalars(tmp_path, "losses/r1") == [(5, 5.0), (10, 10.0), (15, 16.0)]
    assert [event.step for event in read(tmp_path).Images("preview/videos")] == [5, 10]
    first.close()


def test_previews_move(tmp_path: Path) -> None:
    grey = torch.arange(0, 250, 25, dtype=torch.uint8)  # 10 frames
    videos = grey.view(1, 10, 1, 1, 1).expand(3, 10, 3, 16, 16).clone()
    videos[1] = 255
    writer = EventWriter(tmp_path, 0)
    writer.preview(7, videos, fps=25)
    writer.close()
    animation = picture(tmp_path, "preview/videos")
    assert (animation.format, animation.size, animation.n_frames) == ("GIF", (32, 32), 10)  # type: ignore[attr-defined]
    for number, level in enumerate(grey.tolist()):
        animation.seek(number)
        frame = np.asarray(animation.convert("RGB"))
        assert animation.info["duration"] == 40  # milliseconds
        assert (frame[:16, :16] == level).all() and (frame[:16, 16:] == 255).all() and (frame[16:, 16:] == 0).all()
    assert animation.info["loop"] == 0  # for ever
    assert np.array_equal(picture(tmp_path, "preview/still"), still(videos))


def test_large_previews_are_reduced_and_images_are_stills_only(tmp_path: Path) -> None:
    checks = (torch.arange(256).view(1, -1) + torch.arange(256).view(-1, 1)) % 2 * 200  # its means over 2 × 2 are 100
    writer = EventWriter(tmp_path, 0)
    writer.preview(1, checks.expand(4, 1, 3, 256, 256).to(torch.uint8), fps=25)
    writer.close()
    shown = np.asarray(picture(tmp_path, "preview/still"))
    assert shown.shape == (256, 256, 3) and (shown == 100).all()
    assert read(tmp_path).Tags()["images"] == ["preview/still"]


def test_without_the_package_one_is_told_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [
        name for name in sys.modules if name.split(".")[0] == "tensorboard" or "torch.utils.tensorboard" in name
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(ConfigError, match=r'pip install "smoothvid\[tensorboard\]"'):
        EventWriter(tmp_path / "events", 0)
    assert not (tmp_path / "events").exists()
