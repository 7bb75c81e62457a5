"""An endless road seen from a moving car.

The camera model is a shear: a point z metres ahead, x metres right of and y metres above the camera is seen at
(F x / z, -F y / z) in units of the picture's width, and a bend shifts the road sideways by a function of z. So every
pixel's point in the world, and where that point was seen at any other time, has a closed form.
"""

from math import floor

import numpy as np

from smoothvid.data.synthetic.drive_light import LIGHTS, NEXT_LIGHT, Light, mix_lights
from smoothvid.data.synthetic.drive_scenery import FADE_IN, Flora, draw_part, inside, things_ahead
from smoothvid.data.synthetic.drive_sky import Horizon, draw_sky
from smoothvid.data.synthetic.hashing import between, hash_key, uniform, uniform_array
from smoothvid.data.synthetic.world import FPS, pixel_centres, to_uint8

FOCAL = 0.75  # focal length over picture width
CAMERA_HEIGHT = 2.3
HORIZON = 0.4375  # height of the sky in the picture
DASH_PERIOD = 12.0
DASH_LENGTH = 6.0
PATCH = 4.0  # metres of road over which the verge keeps one tone
GROUND_END = 1e5
_LAMP = np.array([1.0, 0.96, 0.86], np.float32)
_EDGES = np.array([-9.0, -3.7, -3.4, -3.0, -0.25, 0.25, 3.0, 3.4, 3.7, 9.0])  # metres from the road's middle
_SKY, _GROUND = -(2**62), -(2**62) + 1  # surface keys; things have their own


class Drive:
    """Road, verges, posts and trees in the light of one time of day, which changes slowly."""

    def __init__(self, seed: int) -> None:
        self._seed = hash_key(seed, 1)
        key = self._seed
        self.fps = FPS
        self.label: str | None = None
        self.kind = list(LIGHTS)[int(uniform(key, 1) * len(LIGHTS))]
        self.speed = between(17.0, 24.0, key, 2)  # metres a second
        self._start = between(0.0, 5000.0, key, 3)
        self._lane = between(1.2, 2.0, key, 4)
        self._bends = [
            (between(0.3, 1.0, key, 5) / 250.0, between(450.0, 800.0, key, 6), between(0.0, 7.0, key, 7)),
            (between(0.0, 0.6, key, 8) / 250.0, between(230.0, 400.0, key, 9), between(0.0, 7.0, key, 10)),
        ]
        green = between(0.0, 1.0, key, 11)
        self._grass = (0.36 + 0.30 * green, 0.56 - 0.04 * green, 0.22 + 0.02 * green)
        self._field = (0.48 + 0.30 * uniform(key, 12), 0.60, 0.24)
        self._asphalt = between(0.26, 0.36, key, 13)
        leaf = (0.10 + 0.32 * uniform(key, 14) ** 2, between(0.30, 0.44, key, 15), 0.12)
        density, conifers = between(0.3, 0.8, key, 16), float(uniform(key, 17) < 0.4)
        self._flora = Flora(density, conifers, leaf, between(0.8, 1.15, key, 18))
        self._light_phase = uniform(key, 19)
        self._light_period = between(1500.0, 4000.0, key, 20)  # frames
        self._horizon = Horizon(hash_key(key, 21))

    def frame(self, t: float, resolution: int) -> np.ndarray:
        """Draw the frame at time t: uint8 [resolution, resolution, 3]."""
        s = self._position(t)
        light = self.light(t)
        rows_of_sky = round(HORIZON * resolution)
        image = np.empty((resolution, resolution, 3), np.float32)
        image[:rows_of_sky] = draw_sky(self._horizon, light, self._heading(s), FOCAL, rows_of_sky, resolution)
        image[rows_of_sky:] = self._draw_ground(s, light, resolution - rows_of_sky, resolution)
        self._draw_things(image, s, light)
        return to_uint8(image)

    def flow(self, t: float, dt: float, resolution: int) -> tuple[np.ndarray, np.ndarray]:
        """Backward flow and visibility, see `World.flow`."""
        s, before = self._position(t), self._position(t - dt)
        columns, rows = pixel_centres(resolution)
        u, v = columns / resolution - 0.5, (rows - round(HORIZON * resolution)) / resolution
        key, z = self._trace(s, u, v)
        far = key == _SKY
        z_before = np.where(far, 1.0, z + (s - before))
        with np.errstate(divide="ignore", invalid="ignore"):
            x = u * z / FOCAL - self._shift(s + z, s)
            u_before = FOCAL * (x + self._shift(s + z, before)) / z_before
            v_before = v * z / z_before
        u_before = np.where(far, u + FOCAL * (self._heading(s) - self._heading(before)), u_before)
        v_before = np.where(far, v, v_before)
        ahead = z_before > 0
        u_before, v_before = np.where(ahead, u_before, u), np.where(ahead, v_before, v)
        flow = np.stack([u_before - u, v_before - v], axis=2) * resolution
        top = -round(HORIZON * resolution) / resolution
        visible = ahead & (np.abs(u_before) <= 0.5) & (v_before >= top) & (v_before <= top + 1.0)
        visible &= self._trace(before, u_before, v_before)[0] == key
        return flow.astype(np.float32), visible

    def light(self, t: float) -> Light:
        """The light at time t: the kind's own, drifting up to 40 % of the way to the next one and back."""
        share = 0.2 - 0.2 * np.cos(2 * np.pi * (t / self._light_period + self._light_phase))
        return mix_lights(LIGHTS[self.kind], LIGHTS[NEXT_LIGHT[self.kind]], float(share))

    def _position(self, t: float) -> float:
        return self._start + self.speed * t / self.fps

    def _bend(self, s: np.ndarray | float) -> np.ndarray:
        """How far the road's middle lies to the right of a straight line, in metres."""
        waves = [c * (w / 2 / np.pi) ** 2 * np.sin(2 * np.pi * s / w + p) for c, w, p in self._bends]
        return np.asarray(sum(waves))

    def _heading(self, s: float) -> float:
        """Slope of the bend at s."""
        return float(sum(c * (w / 2 / np.pi) * np.cos(2 * np.pi * s / w + p) for c, w, p in self._bends))

    def _shift(self, s: np.ndarray | float, camera: float) -> np.ndarray:
        """Right-hand offset of the road's middle at s from the line of sight of a camera at `camera`."""
        lane = self._lane + 0.25 * np.sin(camera / 60.0)
        return self._bend(s) - self._bend(camera) - self._heading(camera) * (s - camera) - lane

    def _trace(self, s: float, u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Key and distance of the surface seen at picture points (u, v), both [H, W]; the sky's distance is inf."""
        key = np.where(v > 0, _GROUND, _SKY)
        with np.errstate(divide="ignore"):
            z = np.where(v > 0, FOCAL * CAMERA_HEIGHT / v, np.inf)
        for thing in things_ahead(self._seed, self._flora, s):
            distance = thing.s - s
            if distance > thing.reach - 0.5 * FADE_IN:  # less than half faded in
                continue
            x = u * (distance / FOCAL) - self._shift(thing.s, s)
            y = CAMERA_HEIGHT - v * (distance / FOCAL)
            for part in thing.parts:
                hit = inside(part.shape, (x - part.x) / part.half_width, (part.y - y) / part.half_height) < 0
                key, z = np.where(hit, thing.key, key), np.where(hit, distance, z)
        return key, z

    def _draw_ground(self, s: float, light: Light, rows: int, resolution: int) -> np.ndarray:
        """The ground's picture [rows, resolution, 3]: exact averages along both axes of every thin scan line."""
        lines = 4 if resolution <= 32 else 2  # scan lines a row, for what bends within a row
        v = np.linspace(0.0, rows / resolution, rows * lines + 1)
        edges = FOCAL * CAMERA_HEIGHT / np.maximum(v, FOCAL * CAMERA_HEIGHT / GROUND_END)
        z = FOCAL * CAMERA_HEIGHT / (0.5 * (v[1:] + v[:-1]))
        zones = self._zone_albedo(s, s + edges)
        u = (np.arange(resolution) + 0.5) / resolution - 0.5
        pixel = z / FOCAL / resolution  # metres
        x = (u * (z / FOCAL)[:, None] - self._shift(s + z, s)[:, None]) / pixel[:, None]
        right_of = np.clip(x[:, :, None] + (0.5 - _EDGES / pixel[:, None])[:, None, :], 0.0, 1.0).astype(np.float32)
        image = right_of @ np.diff(zones, axis=1) + zones[:, None, 0]
        lit = np.asarray(light.ambient, np.float32)
        if light.headlight > 0:
            across = (x * pixel[:, None] - self._lane) / 5.0
            lit = lit + (_beam(z, light)[:, None] * np.exp(-across * across))[:, :, None].astype(np.float32) * _LAMP
        image *= lit
        haze = np.exp(-z / light.haze_distance).astype(np.float32)[:, None, None]
        image = haze * image + (1 - haze) * np.asarray(light.horizon, np.float32)
        return image.reshape(rows, lines, resolution, 3).mean(axis=1)

    def _zone_albedo(self, s: float, edges: np.ndarray) -> np.ndarray:
        """Colours of the strips between _EDGES, averaged over each scan line: [lines, strips, 3]."""
        tones = _averages(self._seed, s, edges)[:, :, None]
        field_left, verge_left, asphalt, verge_right, field_right = tones
        white = np.array([[0.97, 0.97, 0.93]])
        road = (self._asphalt * (0.6 + 0.8 * asphalt)) * np.array([[1.0, 1.0, 1.04]])
        dash = _dash_integral(edges)
        share = (np.diff(dash) / np.diff(edges))[:, None]
        strips = [
            np.array([self._field]) * (0.5 + field_left),
            np.array([self._grass]) * (0.4 + 1.2 * verge_left),
            road,
            np.broadcast_to(white, road.shape),
            road,
            road + share * (white - road),
            road,
            np.broadcast_to(white, road.shape),
            road,
            np.array([self._grass]) * (0.4 + 1.2 * verge_right),
            np.array([self._field]) * (0.5 + field_right),
        ]
        return np.stack(strips, axis=1).astype(np.float32)

    def _draw_things(self, image: np.ndarray, s: float, light: Light) -> None:
        resolution = image.shape[1]
        horizon = round(HORIZON * resolution)
        drawn = [(thing, part) for thing in things_ahead(self._seed, self._flora, s) for part in thing.parts]
        position = np.array([thing.s for thing, _ in drawn])
        distance = position - s
        scales = FOCAL * resolution / distance
        x = (np.array([part.x for _, part in drawn]) + self._shift(position, s)) * scales + resolution / 2
        y = (CAMERA_HEIGHT - np.array([part.y for _, part in drawn])) * scales + horizon
        glow = light.headlight * np.array([part.glow for _, part in drawn])
        lit = np.array(light.ambient) + _beam(distance, light)[:, None] * (0.7 * _LAMP) + glow[:, None]
        haze = np.exp(-distance / light.haze_distance)[:, None]
        colours = haze * lit * np.array([part.colour for _, part in drawn]) + (1 - haze) * np.array(light.horizon)
        alphas = np.clip((np.array([thing.reach for thing, _ in drawn]) - distance) / FADE_IN, 0.0, 1.0)
        places = zip(x.tolist(), y.tolist(), scales.tolist(), alphas.tolist(), strict=True)
        for (_, part), place, colour in zip(drawn, places, colours.astype(np.float32), strict=True):
            draw_part(image, part, *place, colour)


def _beam(z: np.ndarray, light: Light) -> np.ndarray:
    """How much light the headlights throw straight ahead at distances z."""
    return 0.85 * light.headlight * np.exp(-((z / 32.0) ** 2))


def _dash_integral(s: np.ndarray) -> np.ndarray:
    """Painted length of the dashed line between 0 and s."""
    periods = np.floor(s / DASH_PERIOD)
    return periods * DASH_LENGTH + np.minimum(s - periods * DASH_PERIOD, DASH_LENGTH)


def _averages(key: int, s: float, edges: np.ndarray) -> np.ndarray:
    """Averages between consecutive `edges` of five tones in [0, 1] that change from patch to patch of the road: [5, n].

    Only the first patches are told apart; beyond them only the mean, 0.5, can be seen.
    """
    count = 40
    first = floor(s / PATCH)
    draws = uniform_array(key, (np.arange(5) << 48)[:, None] + first + np.arange(count))
    tones = np.full((5, count + 1), 0.5)
    tones[:, :-1] = np.where(draws < 0.5, 0.6 * draws, 0.4 + 0.6 * draws)  # few middling ones: motion shows better
    sums = np.concatenate([np.zeros((5, 1)), np.cumsum(tones, axis=1)], axis=1)
    along = edges / PATCH - first
    patch = np.minimum(along.astype(int), count)
    integral = sums[:, patch] + tones[:, patch] * (along - patch)
    return np.diff(integral, axis=1) / np.diff(along)
