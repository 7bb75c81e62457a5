"""Pictures of a training's progress: a video of several samples, and a still in which motion can be seen."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from smoothvid.sampling.grid import tile
from smoothvid.sampling.sinks import open_sink

MOMENTS = 8  # columns of the still


def write_previews(videos: Tensor, folder: Path, name: str, fps: float) -> None:
    """Write `name`.mp4 (videos side by side) and `name`.png from uint8 [B, T, 3, H, W].

    Each row of the still is one video: frames at equal distances, then a slice through time, the picture's lower-middle
    row at every frame, where still things are straight lines and moving ones slant.
    """
    folder.mkdir(parents=True, exist_ok=True)
    columns = int(np.ceil(np.sqrt(len(videos))))
    padding = -len(videos) % columns
    blank = [torch.zeros_like(videos[0])] * padding
    if videos.shape[1] > 1:
        with open_sink(folder / f"{name}.mp4", fps, force=True) as sink:
            sink.write(tile([*videos, *blank], columns))
    temporary = folder / f".{name}.png"
    still(videos).save(temporary, format="png")
    temporary.replace(folder / f"{name}.png")


def still(videos: Tensor) -> Image.Image:
    """The still picture that `write_previews` describes; a grid of frames where videos have one frame only."""
    if videos.shape[1] == 1:
        columns = int(np.ceil(np.sqrt(len(videos))))
        blank = [torch.zeros_like(videos[0])] * (-len(videos) % columns)
        picture = tile([*videos, *blank], columns)[0]
        return Image.fromarray(picture.permute(1, 2, 0).numpy())
    rows = []
    for video in videos:
        moments = np.linspace(0, len(video) - 1, MOMENTS).round().astype(int)
        frames = torch.cat(list(video[moments]), dim=2)  # [3, H, MOMENTS·W]
        line = video[:, :, video.shape[2] * 7 // 10].permute(1, 2, 0)  # [3, W, T]: time runs to the right
        slices = torch.nn.functional.interpolate(line[None].float(), size=(video.shape[2], 3 * video.shape[3]))[0]
        rows.append(torch.cat([frames, slices.to(torch.uint8)], dim=2))
    return Image.fromarray(torch.cat(rows, dim=1).permute(1, 2, 0).numpy())
