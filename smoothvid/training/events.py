"""Events for TensorBoard, on request: it is an extra to install, and costs a training that does without it nothing."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from smoothvid.errors import ConfigError
from smoothvid.sampling.grid import tile
from smoothvid.training.preview import still

if TYPE_CHECKING:
    from tensorboard.compat.proto.summary_pb2 import Summary  # type: ignore[import-untyped]

SIDE = 128  # pixels that a frame is reduced to; TensorBoard's files keep every preview
GROUPS = {  # beginnings of names; all others are of the group training
    "quality": ("score", "rfid", "rfvd", "diversity", "motion"),
    "losses": ("loss_", "r1"),
    "speed": ("clips_per_second", "seconds", "peak_memory_gb"),
}
POSITIONS = ("step", "seen_clips", "kimg", "time")  # of a log's line: where it stands, not what was measured


class EventWriter:
    """Writes the numbers of a training and its previews where `tensorboard --logdir FOLDER` finds them.

    What a call wrote survives a kill of the process. Of what an earlier process wrote into the same folder, only that
    up to `from_step` stays in view.

    Args:
        folder: made if need be.
        from_step: step that the training goes on from; 0 for a new one.

    Raises:
        ConfigError: the package tensorboard is not installed.
    """

    def __init__(self, folder: Path, from_step: int) -> None:
        try:
            from tensorboard.compat.proto.event_pb2 import Event, SessionLog  # type: ignore[import-untyped]
            from torch.utils.tensorboard import FileWriter
        except ImportError as error:
            raise ConfigError(
                'TensorBoard events need the package tensorboard: pip install "smoothvid[tensorboard]"'
            ) from error
        self._file = FileWriter(str(folder))
        # TensorBoard hides what came before in these files from this step on.
        self._file.add_event(Event(session_log=SessionLog(status=SessionLog.START)), from_step + 1)
        self._file.flush()

    def numbers(self, step: int, numbers: Mapping[str, Any]) -> None:
        """Add what was measured by step `step`: the numbers of a line of log.jsonl or speed.jsonl."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        measured = {
            name: value for name, value in numbers.items() if isinstance(value, int | float) and name not in POSITIONS
        }
        self._add(step, *(Summary.Value(tag=_tag(name), simple_value=value) for name, value in measured.items()))

    def preview(self, step: int, videos: Tensor, fps: float) -> None:
        """Add videos, uint8 [B, T, 3, H, W]: side by side as an animation (T > 1), and the still of their preview."""
        videos = _reduced(videos)
        values = [_image("preview/still", still(videos), format="png")]
        if videos.shape[1] > 1:
            columns = int(np.ceil(np.sqrt(len(videos))))
            blank = [torch.zeros_like(videos[0])] * (-len(videos) % columns)
            first, *others = (Image.fromarray(f.permute(1, 2, 0).numpy()) for f in tile([*videos, *blank], columns))
            delay = max(2, round(100 / fps)) * 10  # milliseconds in GIF's hundredths; browsers slow down shorter ones
            values.append(
                _image(
                    "preview/videos", first, format="gif", save_all=True, append_images=others, duration=delay, loop=0
                )
            )
        self._add(step, *values)

    def close(self) -> None:
        self._file.close()

    def _add(self, step: int, *values: "Summary.Value") -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary

        self._file.add_summary(Summary(value=values), step)
        self._file.flush()


def _tag(name: str) -> str:
    group = next((group for group, names in GROUPS.items() if name.startswith(names)), "training")
    return f"{group}/{name}"


def _image(tag: str, picture: Image.Image, **how: Any) -> "Summary.Value":
    from tensorboard.compat.proto.summary_pb2 import Summary

    buffer = io.BytesIO()
    picture.save(buffer, **how)
    width, height = picture.size
    content = Summary.Image(width=width, height=height, colorspace=3, encoded_image_string=buffer.getvalue())
    return Summary.Value(tag=tag, image=content)


def _reduced(videos: Tensor) -> Tensor:
    """Videos uint8 [B, T, 3, H, W] at a whole fraction of their size, at most SIDE pixels high, each pixel a mean."""
    factor = -(-videos.shape[-2] // SIDE)
    if factor == 1:
        return videos
    smaller = torch.nn.functional.avg_pool2d(videos.flatten(0, 1).float(), factor).round().to(torch.uint8)
    return smaller.unflatten(0, videos.shape[:2])
