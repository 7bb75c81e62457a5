"""Clouds drifting over a still horizon: two flat layers of noise, each carried by its own wind."""

from dataclasses import dataclass

import numpy as np

from smoothvid.data.synthetic.hashing import between, hash_key, uniform
from smoothvid.data.synthetic.noise import fractal_noise
from smoothvid.data.synthetic.world import FPS, to_uint8

FOCAL = 0.7  # focal length over picture width
GROUND = 0.12  # share of the picture below the horizon
_COVERS = {"clear": 0.38, "broken": 0.52, "overcast": 0.80}
# zenith, horizon, lit cloud, shaded cloud, sun, land
_PALETTES = np.array(
    [
        [(14, 36, 78), (70, 84, 96), (100, 100, 100), (62, 67, 75), (100, 100, 90), (16, 22, 15)],
        [(30, 44, 72), (99, 83, 62), (100, 92, 80), (60, 52, 56), (100, 94, 70), (18, 17, 12)],
        [(16, 18, 44), (98, 50, 28), (100, 62, 44), (34, 24, 36), (100, 74, 36), (8, 6, 9)],
        [(3, 5, 16), (14, 20, 36), (46, 52, 66), (10, 12, 20), (90, 93, 100), (2, 3, 5)],
    ],
    np.float32,
) / np.float32(100)
_CLOUDLESS = 0.03  # so close above the horizon clouds have dissolved in the haze
_LAND, _SKY = -1, 2  # surfaces; the layers are 0 (low) and 1 (high)


@dataclass(frozen=True)
class _Layer:
    """A plane of clouds `height` above the eye; lengths are in units of the low layer's height."""

    key: int
    height: float
    scale: float  # size of the largest puffs
    cover: float  # share of the plane under cloud, roughly
    wind: tuple[float, float]  # sideways and away, a second
    strength: float  # opacity of the thickest cloud


class Sky:
    """A time lapse of clouds in the light of one hour."""

    def __init__(self, seed: int) -> None:
        key = hash_key(seed, 2)
        self.fps = FPS
        self.label: str | None = None
        self.kind = list(_COVERS)[int(uniform(key, 1) * len(_COVERS))]
        cover = _COVERS[self.kind]
        self._palette = _PALETTES[int(uniform(key, 2) * len(_PALETTES))]
        direction = between(0.0, 2 * np.pi, key, 3)
        low, high = (direction + between(-0.3, 0.3, key, 4, i) for i in range(2))
        fast, slow = between(0.8, 1.4, key, 5), between(0.4, 0.8, key, 6)
        self._layers = (
            _Layer(hash_key(key, 7), 1.0, 1.5, cover, (fast * np.cos(low), fast * np.sin(low)), 1.0),
            _Layer(hash_key(key, 8), 1.7, 2.6, 0.8 * cover, (slow * np.cos(high), slow * np.sin(high)), 0.6),
        )
        self._sun = (between(-0.4, 0.4, key, 9), between(0.05, 0.6, key, 10))
        self._hills = [(between(2.0, 9.0, key, 11, i), between(0.0, 7.0, key, 12, i)) for i in range(3)]

    def frame(self, t: float, resolution: int) -> np.ndarray:
        """Draw the frame at time t: uint8 [resolution, resolution, 3]."""
        lines = 2 if resolution <= 128 else 1  # scan lines a row, for what perspective squeezes near the horizon
        u, v = _directions(resolution, lines)
        zenith, horizon, lit, shaded, sun, land = self._palette
        rise = np.clip(v / 0.95, 0.0, 1.0).astype(np.float32)[:, :, None] ** 0.7
        image = horizon + rise * (zenith - horizon)
        distance = np.sqrt((u - self._sun[0]) ** 2 + (v - self._sun[1]) ** 2)
        disc = np.clip((0.05 - distance) * resolution + 0.5, 0.0, 1.0)
        glow = np.maximum(0.7 * np.exp(-distance / 0.18), disc).astype(np.float32)[:, :, None]
        image += glow * (sun - image)
        for layer in reversed(self._layers):
            density, opacity = self._cloud(layer, t, u, v, 1.0 / resolution / lines)
            opacity = opacity[:, :, None]
            thick = np.clip(1.6 * density, 0.0, 1.0)[:, :, None]
            colour = lit + thick * (shaded - lit)
            colour += 0.5 * glow * (1 - thick) * (sun - colour)
            image += opacity * (colour - image)
        ground = np.clip((self._skyline(u) - v) * resolution + 0.5, 0.0, 1.0).astype(np.float32)[:, :, None]
        image += ground * (land - image)
        return to_uint8(image.reshape(resolution, lines, resolution, 3).mean(axis=1))

    def flow(self, t: float, dt: float, resolution: int) -> tuple[np.ndarray, np.ndarray]:
        """Backward flow and visibility, see `World.flow`; a pixel follows the first surface that hides half of it."""
        u, v = _directions(resolution)
        surface = self._trace(t, u, v, 1.0 / resolution)
        u_before, v_before = u.copy(), v.copy()
        for number, layer in enumerate(self._layers):
            mine = surface == number
            x, z = layer.height * u[mine] / v[mine], layer.height * FOCAL / v[mine]
            z_before = z - layer.wind[1] * dt / self.fps
            z_before = np.where(z_before > 0, z_before, np.nan)  # it was overhead or behind
            u_before[mine] = FOCAL * (x - layer.wind[0] * dt / self.fps) / z_before
            v_before[mine] = FOCAL * layer.height / z_before
        seen = ~np.isnan(u_before)
        u_before, v_before = np.where(seen, u_before, u), np.where(seen, v_before, v)
        seen &= (np.abs(u_before) <= 0.5) & (v_before <= 1 - GROUND) & (v_before >= -GROUND)
        seen &= self._trace(t - dt, u_before, v_before, 1.0 / resolution) == surface
        flow = np.stack([u_before - u, v - v_before], axis=2) * resolution
        return flow.astype(np.float32), seen

    def _trace(self, t: float, u: np.ndarray, v: np.ndarray, pixel: float) -> np.ndarray:
        """The first surface hiding more than half of what is behind it at points (u, v)."""
        surface = np.full(u.shape, _SKY)
        for number in (1, 0):
            surface[self._cloud(self._layers[number], t, u, v, pixel)[1] > 0.5] = number
        surface[v < self._skyline(u)] = _LAND
        return surface

    def _cloud(
        self, layer: _Layer, t: float, u: np.ndarray, v: np.ndarray, pixel: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """A layer at points (u, v): its thickness, and the share of what is behind that it hides; float32 [H, W]."""
        seconds = t / self.fps
        height = np.maximum(v, _CLOUDLESS)
        x = (layer.height * u / height - layer.wind[0] * seconds) / layer.scale
        z = (layer.height * FOCAL / height - layer.wind[1] * seconds) / layer.scale
        footprint = layer.height * FOCAL * pixel / (height * height) / layer.scale
        noise = fractal_noise(layer.key, x, z, footprint, 5)
        density = np.maximum(noise + np.float32(1.3 * (layer.cover - 0.5)), 0.0)
        haze = np.clip((v - _CLOUDLESS) / 0.10, 0.0, 1.0).astype(np.float32)
        return density, np.float32(layer.strength) * haze * np.clip(7.0 * density, 0.0, 1.0)

    def _skyline(self, u: np.ndarray) -> np.ndarray:
        return np.asarray(0.03 + sum(0.012 * np.sin(rate * u + phase) for rate, phase in self._hills))


def _directions(resolution: int, lines: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Sideways position and height above the horizon of the centres of `lines` scan lines a row of pixels.

    In picture widths, float64 [lines * resolution, resolution] each.
    """
    u = (np.arange(resolution) + 0.5) / resolution - 0.5
    v = 1.0 - GROUND - (np.arange(lines * resolution) + 0.5) / (lines * resolution)
    return np.broadcast_to(u, (v.size, u.size)), np.broadcast_to(v[:, None], (v.size, u.size))
