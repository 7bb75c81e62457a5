"""Textured shapes moving over a textured background, with everything about them known."""

from dataclasses import asdict, dataclass

import numpy as np

from smoothvid.data.synthetic.hashing import between, hash_key, uniform
from smoothvid.data.synthetic.noise import lattice_noise
from smoothvid.data.synthetic.world import FPS, pixel_centres, to_uint8

SHAPES = ("disc", "square", "triangle", "star")
TEXTURES = ("plain", "stripes", "checks", "dots")
MOTIONS = ("orbit", "pendulum", "bounce", "drift")
COLOURS = {
    "red": (0.90, 0.18, 0.15),
    "orange": (0.98, 0.58, 0.10),
    "yellow": (0.98, 0.88, 0.20),
    "green": (0.20, 0.72, 0.28),
    "cyan": (0.15, 0.78, 0.85),
    "blue": (0.18, 0.34, 0.90),
    "violet": (0.60, 0.25, 0.85),
    "white": (0.96, 0.96, 0.96),
}


@dataclass(frozen=True)
class _Sprite:
    """One shape. Lengths are in picture widths, times in frames, angles in radians."""

    shape: str
    colour: str
    texture: str
    motion: str
    size: float  # radius of the circle around it
    centre: tuple[float, float]
    reach: float
    heading: float
    period: float
    phase: float  # share of the period
    spin: float  # a frame

    def place(self, t: float) -> tuple[float, float, float]:
        """Centre (x to the right, y down) and angle at time t."""
        turn = t / self.period + self.phase
        angle = self.spin * t
        if self.motion == "orbit":
            around = np.copysign(2 * np.pi * turn, self.heading) + self.heading
            return self.centre[0] + self.reach * np.cos(around), self.centre[1] + self.reach * np.sin(around), angle
        if self.motion == "pendulum":
            away = 1.4 * self.reach * np.sin(2 * np.pi * turn)
            return self.centre[0] + away * np.cos(self.heading), self.centre[1] + away * np.sin(self.heading), angle
        x = self.centre[0] + 1.6 * turn * np.cos(self.heading)
        y = self.centre[1] + 1.6 * turn * np.sin(self.heading)
        if self.motion == "bounce":
            return _bounce(x, self.size), _bounce(y, self.size), angle
        return _wrap(x, self.size), _wrap(y, self.size), angle

    def local(self, t: float, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where the picture's points (x, y) lie on the sprite, in units of its size."""
        centre_x, centre_y, angle = self.place(t)
        cos, sin = np.cos(angle) / self.size, np.sin(angle) / self.size
        x, y = x - centre_x, y - centre_y
        return cos * x + sin * y, cos * y - sin * x

    def world(self, t: float, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where points (a, b) of the sprite lie in the picture: the inverse of `local`."""
        centre_x, centre_y, angle = self.place(t)
        cos, sin = np.cos(angle) * self.size, np.sin(angle) * self.size
        return centre_x + cos * a - sin * b, centre_y + sin * a + cos * b


class Shapes:
    """Three to five sprites that share one kind of motion, over a background that may slide.

    Attributes:
        attributes: one dict a sprite (shape, colour, texture, motion, size in picture widths); number i is
            instance i + 1, and covers those before it.
    """

    def __init__(self, seed: int) -> None:
        key = hash_key(seed, 3)
        self.fps = FPS
        self.kind = _choose(MOTIONS, key, 1)
        self.label: str | None = self.kind
        self._key = hash_key(key, 2)
        self._sprites = [self._draw_sprite(hash_key(key, 3, i)) for i in range(3 + int(3 * uniform(key, 4)))]
        slides, heading = uniform(key, 5) < 0.5, between(0.0, 2 * np.pi, key, 6)
        speed = between(0.004, 0.010, key, 7) if slides else 0.0
        self._slide = (speed * np.cos(heading), speed * np.sin(heading))  # picture widths a frame
        base = np.array([between(0.12, 0.45, key, 8, i) for i in range(3)])
        self._background = (base, base + 0.32 * np.array([uniform(key, 9, i) for i in range(3)]) + 0.06)
        names = ("shape", "colour", "texture", "motion", "size")
        self.attributes = [{name: asdict(sprite)[name] for name in names} for sprite in self._sprites]

    def frame(self, t: float, resolution: int) -> np.ndarray:
        """Draw the frame at time t: uint8 [resolution, resolution, 3]."""
        x, y = _points(resolution)
        tone = lattice_noise(self._key, 5.0 * (x - self._slide[0] * t), 5.0 * (y - self._slide[1] * t))
        dark, bright = self._background
        image = (dark + tone[:, :, None] * (bright - dark)).astype(np.float32)
        for sprite in self._sprites:
            rows, columns = _extent(sprite, t, resolution)
            a, b = sprite.local(t, x[rows, columns], y[rows, columns])
            pixel = 1.0 / resolution / sprite.size
            cover = np.clip(0.5 - _outline(sprite.shape, a, b) / pixel, 0.0, 1.0)
            ink = np.asarray(COLOURS[sprite.colour])
            colour = ink * (1.0 - 0.62 * _texture(sprite.texture, a, b, pixel)[:, :, None])
            image[rows, columns] += cover[:, :, None] * (colour - image[rows, columns])
        return to_uint8(image)

    def instances(self, t: float, resolution: int) -> np.ndarray:
        """Which sprite is seen at every pixel's centre: int32 [H, W], 0 is the background."""
        return self._trace(t, *_points(resolution))

    def flow(self, t: float, dt: float, resolution: int) -> tuple[np.ndarray, np.ndarray]:
        """Backward flow and visibility, see `World.flow`."""
        x, y = _points(resolution)
        number = self._trace(t, x, y)
        x_before, y_before = x - self._slide[0] * dt, y - self._slide[1] * dt
        for i, sprite in enumerate(self._sprites, start=1):
            mine = number == i
            x_before[mine], y_before[mine] = sprite.world(t - dt, *sprite.local(t, x[mine], y[mine]))
        visible = (x_before >= 0) & (x_before <= 1) & (y_before >= 0) & (y_before <= 1)
        visible &= self._trace(t - dt, x_before, y_before) == number
        flow = np.stack([x_before - x, y_before - y], axis=2) * resolution
        return flow.astype(np.float32), visible

    def _draw_sprite(self, key: int) -> _Sprite:
        return _Sprite(
            shape=_choose(SHAPES, key, 1),
            colour=_choose(tuple(COLOURS), key, 2),
            texture=_choose(TEXTURES, key, 3),
            motion=self.kind,
            size=between(0.13, 0.21, key, 4),
            centre=(between(0.3, 0.7, key, 5), between(0.3, 0.7, key, 6)),
            reach=between(0.14, 0.26, key, 7),
            heading=between(-np.pi, np.pi, key, 8),
            period=between(45.0, 90.0, key, 9),
            phase=uniform(key, 10),
            spin=between(-0.06, 0.06, key, 11),
        )

    def _trace(self, t: float, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Instance seen at points (x, y) of the picture, int32."""
        number = np.zeros(x.shape, np.int32)
        for i, sprite in enumerate(self._sprites, start=1):
            number[_outline(sprite.shape, *sprite.local(t, x, y)) < 0] = i
        return number


def _choose(names: tuple[str, ...], *parts: int) -> str:
    return names[int(uniform(*parts) * len(names))]


def _bounce(x: float, margin: float) -> float:
    """Reflect a straight path between walls that stop a body of radius `margin`."""
    room = 1.0 - 2.0 * margin
    return margin + float(abs((x - margin) % (2 * room) - room))


def _wrap(x: float, margin: float) -> float:
    """A straight path that leaves the picture wholly on one side before it enters on the other."""
    return (x + margin) % (1.0 + 2.0 * margin) - margin


def _points(resolution: int) -> tuple[np.ndarray, np.ndarray]:
    columns, rows = pixel_centres(resolution)
    return columns / resolution, rows / resolution


def _extent(sprite: _Sprite, t: float, resolution: int) -> tuple[slice, slice]:
    """Rows and columns that a sprite may touch."""
    x, y, _ = sprite.place(t)
    low_x, high_x = (centre * resolution for centre in (x - sprite.size, x + sprite.size))
    low_y, high_y = (centre * resolution for centre in (y - sprite.size, y + sprite.size))
    rows = slice(max(int(low_y) - 1, 0), max(int(high_y) + 2, 0))
    return rows, slice(max(int(low_x) - 1, 0), max(int(high_x) + 2, 0))


def _outline(shape: str, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Distance to the outline near it, negative inside, in units of the sprite's size."""
    if shape == "disc":
        return np.hypot(a, b) - 0.9
    if shape == "square":
        return np.maximum(np.abs(a), np.abs(b)) - 0.7
    if shape == "triangle":
        return np.maximum(np.abs(a) * (np.sqrt(3) / 2) - 0.5 * b, b) - 0.5
    # star: fold the plane into one of ten wedges, where the outline is one straight line from a tip to a notch
    wedge = np.pi / 5
    angle = np.abs((np.arctan2(a, -b) + wedge) % (2 * wedge) - wedge)
    along, beside, radius = np.cos(angle), np.sin(angle), np.hypot(a, b)
    notch_x, notch_y = 0.45 * np.cos(wedge), 0.45 * np.sin(wedge)
    length = np.hypot(1.0 - notch_x, notch_y)
    return ((along * radius - 1.0) * notch_y + beside * radius * (1.0 - notch_x)) / length


def _texture(texture: str, a: np.ndarray, b: np.ndarray, pixel: float) -> np.ndarray:
    """Darkness in [0, 1] with edges one pixel soft."""
    rate = 7.0
    if texture == "plain":
        return np.zeros(a.shape)
    if texture == "stripes":
        wave = np.sin(rate * a)
    elif texture == "checks":
        wave = np.sin(rate * a) * np.sin(rate * b)
    else:
        wave = np.cos(rate * a) * np.cos(rate * b) - 0.35
    return np.clip(0.5 + wave / (rate * pixel), 0.0, 1.0)
