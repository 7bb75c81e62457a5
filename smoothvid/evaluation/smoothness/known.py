"""Videos with known faults, to validate measures with."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates, spline_filter

from smoothvid.data.synthetic import make_world

CODE_PERIOD = 16
_SPEED = np.array([0.9, 0.45]) / 64  # of the texture, in picture sides a frame
_FADED = 0.25


@dataclass(frozen=True)
class KnownVideo:
    """A video, what is wrong with it, and the video it was made from by damaging it.

    frames: uint8 [T, 3, R, R].
    faults: names of the measures that should show it.
    """

    name: str
    frames: NDArray[np.uint8]
    made_from: str
    faults: frozenset[str] = field(default_factory=frozenset)


def known_videos(num_frames: int = 128, resolution: int = 64, seed: int = 0) -> Iterator[KnownVideo]:
    """Yield clean videos and what is made from them by damage; a clean one is made from itself."""
    rng = np.random.default_rng(seed)
    time, half = np.arange(num_frames), num_frames // 2
    drive, picture = road(time, resolution, seed), texture(resolution, seed)
    path = np.outer(time, _SPEED * resolution)
    moving = seen(picture, path, resolution)
    shake = rng.normal(scale=resolution / 32, size=(num_frames, 2))
    kicks = np.outer(time // CODE_PERIOD, 0.08 * np.array([1, 0.5]) * resolution)
    fade = np.linspace(1, _FADED, num_frames)[:, None, None, None]
    noise = rng.normal(size=drive.shape)
    still_grain = grain(resolution, seed + 1)
    back_and_forth = swing(time, 32)

    def of_road(name: str, frames: NDArray[np.generic], *faults: str) -> KnownVideo:
        return KnownVideo(f"road, {name}" if name else "road", to_bytes(frames), "road", frozenset(faults))

    def of_texture(name: str, frames: NDArray[np.generic], *faults: str) -> KnownVideo:
        return KnownVideo(f"texture, {name}" if name else "texture", to_bytes(frames), "texture", frozenset(faults))

    yield of_road("", drive)
    yield of_texture("", moving)
    yield of_texture("at a quarter of the speed", seen(picture, path / 4, resolution))
    yield of_road("frozen", drive[:1].repeat(num_frames, axis=0))
    yield of_road("frozen, with noise", drive[:1] + 4 * noise)
    yield of_texture("with noise", moving + 10 * noise)
    yield of_texture("with its own grain", seen(picture + grain(4 * resolution, seed + 1), path, resolution))
    yield of_road("with a jump cut", np.concatenate([drive[:half], road(time[half:] + 64, resolution, seed)]))
    yield of_texture(
        "with a jump cut", np.concatenate([moving[:half], seen(picture, path[half:] + resolution, resolution)])
    )
    yield of_road("there and back once", drive[swing(time, half)], "reversal")
    yield of_road("there and back every 32", drive[back_and_forth], "reversal", "repetition")
    yield of_texture("there and back every 32", moving[back_and_forth], "reversal", "repetition")
    yield of_road("loop of 24", drive[time % 24], "repetition")
    yield of_texture("loop of 24", moving[time % 24], "repetition")
    yield of_road("shaken", shaken(road(time, resolution * 5 // 4, seed), shake, resolution), "jitter")
    yield of_texture("shaken", seen(picture, path + shake, resolution), "jitter")
    yield of_texture("a kick every 16", seen(picture, path / 2 + kicks, resolution), "jitter")
    yield of_road("under still grain", drive + still_grain, "sticking")
    yield of_texture("under still grain", moving + still_grain, "sticking")
    yield of_road("fading", drive * fade, "colour_drift")
    yield of_texture("fading", moving * fade, "colour_drift")
    yield KnownVideo("noise", rng.integers(0, 256, drive.shape).astype(np.uint8), "texture")


def road(times: NDArray[np.generic], resolution: int, seed: int = 0) -> NDArray[np.uint8]:
    """The drawn road at these times: uint8 [T, 3, R, R]."""
    world = make_world("drive", seed)
    return np.stack([world.frame(float(t), resolution) for t in times]).transpose(0, 3, 1, 2)


def texture(resolution: int, seed: int = 0) -> NDArray[np.float64]:
    """A coloured texture with detail of all sizes, endless at its borders: [3, 4 R, 4 R] in grey levels."""
    rng = np.random.default_rng(seed)
    size = 4 * resolution
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size))
    frequency[0, 0] = np.inf
    # Detail finer than about 3 pixels fades out: nothing shows its motion cleanly.
    spectrum = np.minimum(1 / frequency, resolution / 2) * np.exp(-((2.5 * frequency) ** 2))
    layers = [np.fft.irfft2(np.fft.rfft2(rng.normal(size=(size, size))) * spectrum) for _ in range(3)]
    grey, first, second = (layer / layer.std() for layer in layers)
    return 128 + 35 * np.stack([grey + 0.4 * first, grey - 0.4 * first, grey + 0.4 * second])


def grain(size: int, seed: int) -> NDArray[np.float64]:
    """Fine grey grain of 12 grey levels: [1, size, size]."""
    noise = gaussian_filter(np.random.default_rng(seed).normal(size=(1, size, size)), (0, 0.6, 0.6), mode="wrap")
    return 12 * noise / noise.std()


def seen(picture: NDArray[np.float64], path: NDArray[np.float64], resolution: int) -> NDArray[np.float64]:
    """A picture [3, S, S] that moves along path [T, 2], (dx, dy) in pixels, behind a window: [T, 3, R, R]."""
    splines = [spline_filter(channel, mode="grid-wrap") for channel in picture]
    rows, columns = np.mgrid[:resolution, :resolution].astype(np.float64)
    frames = np.empty((len(path), 3, resolution, resolution))
    for frame, (dx, dy) in zip(frames, path, strict=True):
        for spline, channel in zip(splines, frame, strict=True):
            map_coordinates(spline, [rows - dy, columns - dx], channel, mode="grid-wrap", prefilter=False)
    return frames


def shaken(frames: NDArray[np.uint8], shake: NDArray[np.float64], resolution: int) -> NDArray[np.float64]:
    """The middle of larger frames, displaced by shake [T, 2] in pixels."""
    margin = (frames.shape[2] - resolution) // 2
    one_by_one = zip(frames.astype(np.float64), shake[:, None] - margin, strict=True)
    return np.concatenate([seen(frame, place, resolution) for frame, place in one_by_one])


def swing(time: NDArray[np.int64], way: int) -> NDArray[np.int64]:
    """0, 1 ... way, way - 1 ... 0, 1 ..."""
    return way - np.abs(time % (2 * way) - way)


def to_bytes(frames: NDArray[np.generic]) -> NDArray[np.uint8]:
    return np.asarray(frames, dtype=np.float64).round().clip(0, 255).astype(np.uint8)
