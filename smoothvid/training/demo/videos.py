"""The demo's videos: real and generated ones beside each other, and excerpts from far along an endless one.

They are enlarged, because players blur small pictures and video formats keep half the colour resolution.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from smoothvid.data.dataset import VideoDataset, open_dataset
from smoothvid.sampling.grid import tile
from smoothvid.sampling.model import load_model
from smoothvid.sampling.sinks import open_sink
from smoothvid.sampling.stream import parse_length
from smoothvid.training.preview import still
from smoothvid.training.progress import Bars
from smoothvid.training.record import PREVIEW_VIDEOS

GRID = 3  # seeds a side
FAR = (100_000,)  # first frames of the excerpts
LONG = 2  # one video is so many times longer
STILLS = 25
SIDE = 128  # pixels that a picture is enlarged to, at least


def write_videos(out: Path, length: str, seed: int, device: torch.device, bars: Bars) -> None:
    """Write OUT/videos: real.mp4, new.mp4, new-100000.mp4, ..., long.mp4, and stills of the image model."""
    dataset, model = open_dataset(out / "data"), load_model(out / "train", device)
    folder = out / "videos"
    frames = parse_length(length, model.fps)
    assert frames is not None, "checked by run_demo"
    images = load_model(out / "pretrain", device).sample(range(seed, seed + STILLS), 1)
    folder.mkdir(exist_ok=True)
    still(enlarge(images.flatten(0, 1))[:, None]).save(folder / "images.png")
    _write(folder / "real.mp4", [_real_grid(dataset)], dataset.fps, bars)
    for start in (0, *FAR):
        name = f"new-{start}.mp4" if start else "new.mp4"
        chunks = model.stream(range(seed, seed + GRID**2), start, frames)
        grids = (tile([enlarge(video) for video in chunk], GRID) for chunk in chunks)
        _write(folder / name, grids, model.fps, bars, frames)
    _write(folder / "long.mp4", map(enlarge, model.stream(seed, 0.0, LONG * frames)), model.fps, bars, LONG * frames)


def progress_stills(run: Path, steps: int, rows: int) -> Iterator[tuple[int, Image.Image]]:
    """The first rows of a run's preview stills at up to `steps` moments, the first and the last included.

    Yields (videos seen, picture)."""
    paths = sorted((run / "previews").glob("*.png"))
    steps = min(steps, len(paths))
    for index in range(steps):
        path = paths[round(index * (len(paths) - 1) / max(1, steps - 1))]
        with Image.open(path) as picture:
            yield (
                int(path.stem),
                picture.crop((0, 0, picture.width, picture.height * rows // PREVIEW_VIDEOS)).convert("RGB"),
            )


def enlarge(frames: Tensor) -> Tensor:
    """Frames uint8 [T, 3, H, W], smoothly enlarged by a whole factor to at least SIDE pixels."""
    factor = -(-SIDE // frames.shape[-1])
    if factor == 1:
        return frames
    larger = torch.nn.functional.interpolate(frames.float(), scale_factor=factor, mode="bicubic")
    return larger.round().clamp(0, 255).to(torch.uint8)


def _real_grid(dataset: VideoDataset) -> Tensor:
    """Up to GRID² of the longest videos side by side, uint8 [T, 3, H, W]."""
    longest = sorted(range(len(dataset.videos)), key=lambda index: -dataset.videos[index].num_frames)[: GRID**2]
    frames = range(min(dataset.videos[index].num_frames for index in longest))
    videos = [enlarge(torch.from_numpy(dataset.read(index, frames))) for index in longest]
    columns = min(GRID, len(videos))
    blank = [torch.zeros_like(videos[0])] * (-len(videos) % columns)
    return tile([*videos, *blank], columns)


def _write(path: Path, chunks: Iterable[Tensor], fps: float, bars: Bars, total: int | None = None) -> None:
    with open_sink(path, fps, force=True) as sink, bars(path.name, total, "frames") as advance:
        for chunk in chunks:
            sink.write(chunk)
            advance(len(chunk))
