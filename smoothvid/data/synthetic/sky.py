"""Clouds drifting over a still horizon: two flat layers of noise, each carried by its own wind."""

from dataclasses import dataclass

import numpy as np

from smoothvid.data.synthetic.hashing import between, hash_key, uniform
from smoothvid.data.synthetic.noise import fractal_noise
from smoothvid.data.synthetic.world import FPS, pixel_centres, to_uint8

FOCAL = 0.7  # focal length over picture width
GROUND = 0.12  # share of the picture below the horizon
_COVERS = {"clear": 0.32, "broken": 0.52, "overcast": 0.80}
# zenith, horizon, lit cloud, shaded cloud, sun, land
_PALETTES = (
    ((0.14, 0.36, 0.78), (0.70, 0.84, 0.96), (1.00, 1.00, 1.00), (0.62, 0.67, 0.75), (1.00, 1.00, 0.90), (0.16, 0.22, 0.15)),
    ((0.30, 0.44, 0.72), (0.99, 0.83, 0.62), (1.00, 0.92, 0.80), (0.60, 0.52, 0.56), (1.00, 0.94, 0.70), (0.18, 0.17, 0.12)),
    ((0.16, 0.18, 0.44), (0.98, 0.50, 0.28), (1.00, 0.62, 0.44), (0.34, 0.24, 0.36), (1.00, 0.74, 0.36), (0.08, 0.06, 0.09)),
    ((0.03, 0.05, 0.16), (0.14, 0.20, 0.36), (0.46, 0.52, 0.66), (0.10, 0.12, 0.20), (0.90, 0.93, 1.00), (0.02, 0.03, 0.05)),
)  # fmt: skip
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
        self.label = list(_COVERS)[int(uniform(key, 1) * len(_COVERS))]
        cover = _COVERS[self.label]
        self._palette = [np.array(colour, np.float32) for colour in _PALETTES[int(uniform(key, 2) * len(_PALETTES))]]
        direction = between(0.0, 2 * np.pi, key, 3)
        low, high = (direction + between(-0.3, 0.3, key, 4, i) for i in range(2))
        fast, slow = between(0.28, 0.50, key, 5), between(0.15, 0.30, key, 6)
        self._layers = (
            _Layer(hash_key(key, 7), 1.0, 1.5, cover, (fast * np.cos(low), fast * np.sin(low)), 1.0),
            _Layer(hash_key(key, 8), 1.7, 2.6, 0.8 * cover, (slow * np.cos(high), slow * np.sin(high)), 0.6),
        )
        self._sun = (between(-0.4, 0.4, key, 9), between(0.05, 0.6, key, 10))
        self._hills = [(between(2.0, 9.0, key, 11, i), between(0.0, 7.0, key, 12, i)) for i in range(3)]

    def frame(self, t: float, resolution: int) -> np.ndarray:
        """Draw the frame at time t: uint8 [resolution, resolution, 3]."""
        u, v = _directions(resolution)
        zenith, horizon, lit, shaded, sun, land = self._palette
        rise = np.clip(v / 0.95, 0.0, 1.0).astype(np.float32)[:, :, None] ** 0.7
        image = horizon + rise * (zenith - horizon)
        distance = np.sqrt((u - self._sun[0]) ** 2 + (v - self._sun[1]) ** 2)
        disc = np.clip((0.05 - distance) * resolution + 0.5, 0.0, 1.0)
        glow = np.maximum(0.7 * np.exp(-distance / 0.18), disc).astype(np.float32)[:, :, None]
        image += glow * (sun - image)
        above = v > 0.5 / resolution
        for layer in reversed(self._layers):
            density = self._density(layer, t, u, np.maximum(v, 0.5 / resolution), 1.0 / resolution)
            opacity = np.where(above, self._opacity(layer, density, v), 0.0).astype(np.float32)[:, :, None]
            thick = np.clip(1.6 * density, 0.0, 1.0)[:, :, None]
            colour = lit + thick * (shaded - lit)
            colour += 0.5 * glow * (1 - thick) * (sun - colour)
            image += opacity * (colour - image)
        ground = np.clip((self._skyline(u) - v) * resolution + 0.5, 0.0, 1.0).astype(np.float32)[:, :, None]
        image += ground * (land - image)
        return to_uint8(image)

    def flow(self, t: float, dt: float, resolution: int) -> tuple[np.ndarray, np.ndarray]:
        """Backward flow and visibility, see `World.flow`; each pixel follows the first surface that hides half of it."""
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
        safe = np.maximum(v, 0.5 * pixel)
        for number in (1, 0):
            layer = self._layers[number]
            opacity = self._opacity(layer, self._density(layer, t, u, safe, pixel), v)
            surface[(opacity > 0.5) & (v > 0.5 * pixel)] = number
        surface[v < self._skyline(u)] = _LAND
        return surface

    def _density(self, layer: _Layer, t: float, u: np.ndarray, v: np.ndarray, pixel: float) -> np.ndarray:
        """Thickness of a layer, 0 in the gaps, seen at points (u, v), v > 0."""
        seconds = t / self.fps
        x = (layer.height * u / v - layer.wind[0] * seconds) / layer.scale
        z = (layer.height * FOCAL / v - layer.wind[1] * seconds) / layer.scale
        footprint = layer.height * FOCAL * pixel / (v * v) / layer.scale
        noise = fractal_noise(layer.key, x, z, footprint, 5)
        return np.maximum(noise + np.float32(1.3 * (layer.cover - 0.5)), 0.0)

    @staticmethod
    def _opacity(layer: _Layer, density: np.ndarray, v: np.ndarray) -> np.ndarray:
        """Share of what is behind that a layer hides; it thins out into the haze at the horizon."""
        haze = np.clip(v / 0.12, 0.0, 1.0)
        return layer.strength * haze * np.clip(7.0 * density, 0.0, 1.0)

    def _skyline(self, u: np.ndarray) -> np.ndarray:
        return 0.03 + 0.012 * sum(np.sin(rate * u + phase) for rate, phase in self._hills)


def _directions(resolution: int) -> tuple[np.ndarray, np.ndarray]:
    """Sideways position and height above the horizon of every pixel, in picture widths, float64 [H, W] each."""
    columns, rows = pixel_centres(resolution)
    return columns / resolution - 0.5, 1.0 - GROUND - rows / resolution
