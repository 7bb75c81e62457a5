"""What lies at infinity in the drive: sky gradient, sun or moon, clouds, stars and the skyline. It only pans."""

import numpy as np

from smoothvid.data.synthetic.drive_light import Light
from smoothvid.data.synthetic.hashing import between, hash_key, uniform, uniform_array

_BLOCK = 0.07  # width of a town's house, in slope


class Horizon:
    """Places of the sun, clouds and hills for one seed. Directions are slopes (sideways over ahead), heights too."""

    def __init__(self, key: int) -> None:
        self.sun = between(-0.45, 0.45, key, 1)
        self.kind = ("hills", "mountains", "town")[int(uniform(key, 2) * 3)]
        self.height = between(0.7, 1.3, key, 3)
        self.waves = [(between(3.0, 9.0, key, 4, i), between(0.0, 7.0, key, 5, i)) for i in range(3)]
        self.puffs = [
            (between(-1.2, 1.2, key, 6, i), between(0.14, 0.55, key, 7, i), between(0.12, 0.30, key, 8, i))
            for i in range(9)
        ]
        self.key = hash_key(key, 9)

    def skyline(self, slope: np.ndarray) -> np.ndarray:
        """Height of the far skyline over each direction."""
        if self.kind == "town":
            block = np.floor(slope / _BLOCK).astype(np.int64)
            return 0.02 + 0.10 * self.height * uniform_array(self.key, block) ** 2
        sharp = self.kind == "mountains"
        total = np.zeros_like(slope)
        for i, (rate, phase) in enumerate(self.waves):
            wave = np.sin((1.0 + 0.9 * i) * rate * slope + phase)
            total += (np.abs(wave) if sharp else 0.5 + 0.5 * wave) / (1.0 + i)
        return self.height * (0.085 if sharp else 0.045) * total + 0.01

    def treeline(self, slope: np.ndarray) -> np.ndarray:
        """Height of the nearer line of bushes over each direction."""
        return 0.016 + 0.006 * np.sin(31.0 * slope + self.waves[0][1]) + 0.004 * np.sin(53.0 * slope + self.waves[1][1])


def draw_sky(horizon: Horizon, light: Light, heading: float, focal: float, rows: int, width: int) -> np.ndarray:
    """Picture [rows, width, 3] of all above the ground, for a camera looking along slope `heading`."""
    slope = (((np.arange(width) + 0.5) / width - 0.5) / focal + heading).astype(np.float32)
    pixel = 1.0 / focal / width
    height = ((rows - np.arange(rows) - 0.5) * pixel)[:, None].astype(np.float32)
    rise = np.clip(height / 0.6, 0.0, 1.0) ** 0.6
    low, high = np.asarray(light.horizon, np.float32), np.asarray(light.zenith, np.float32)
    image = np.broadcast_to((low + rise[:, :, None] * (high - low)), (rows, width, 3)).copy()

    if light.stars > 0:
        _draw_stars(image, horizon, light.stars, heading, focal)
    squared = (slope - horizon.sun) ** 2 + (height - light.sun_height) ** 2
    distance = np.sqrt(squared)
    glow = 0.55 * np.exp(-distance / 0.16) * light.sun_strength**2
    disc = np.clip((0.055 - distance) / pixel + 0.5, 0.0, 1.0) * min(1.0, max(0.0, 3.0 * light.sun_strength - 0.9))
    image += np.maximum(glow, disc)[:, :, None] * (np.asarray(light.glow, np.float32) - image)
    x, y, size = np.array(horizon.puffs, np.float32).T[:, :, None]
    across, up = np.exp(-(((slope - x) / size) ** 2)), np.exp(-(((height[:, 0] - y) / (0.28 * size)) ** 2))
    cloud = up.T @ across
    cloud = light.cloud_cover * np.clip(1.4 * cloud - 0.2, 0.0, 1.0)
    image += cloud[:, :, None] * (np.asarray(light.cloud, np.float32) - image)

    ambient = np.asarray(light.ambient, np.float32)
    far = 0.45 * low + 0.55 * np.array([0.36, 0.42, 0.50], np.float32) * ambient
    near = 0.2 * low + 0.8 * np.array([0.20, 0.30, 0.20], np.float32) * ambient
    fine = slope[None, :] + (np.arange(4)[:, None] / 4 - 0.375) * pixel  # a column's average over four directions
    for line, colour in ((horizon.skyline, far), (horizon.treeline, near)):
        cover = np.clip((line(fine)[:, None, :] - height) / pixel + 0.5, 0.0, 1.0).mean(axis=0)
        image += cover[:, :, None].astype(np.float32) * (colour - image)
    return image


def _draw_stars(image: np.ndarray, horizon: Horizon, strength: float, heading: float, focal: float) -> None:
    """Soft points two pixels wide at fixed directions, spread bilinearly so that they do not twinkle as they pan."""
    rows, width = image.shape[:2]
    index = np.arange(60)
    slope = -1.5 + 3.0 * uniform_array(horizon.key + 1, index)
    height = 0.06 + 0.60 * uniform_array(horizon.key + 2, index)
    bright = strength * min(1.0, width / 128) * (0.15 + 0.55 * uniform_array(horizon.key + 3, index))
    x = ((slope - heading) * focal + 0.5) * width - 0.5
    y = rows - height * focal * width - 0.5
    column, row = np.floor(x).astype(int), np.floor(y).astype(int)
    for down in (0, 1):
        for across in (0, 1):
            weight = np.abs(1 - across - (x - column)) * np.abs(1 - down - (y - row)) * bright
            i, j = row + down, column + across
            seen = (i >= 0) & (i < rows) & (j >= 0) & (j < width)
            np.add.at(image, (i[seen], j[seen]), weight[seen, None].astype(np.float32))
