"""Lights of day for the drive, and how they fade into each other."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Light:
    """Colours are RGB in [0, 1]; `haze_distance` is in metres; the rest are strengths in [0, 1]."""

    zenith: Sequence[float]
    horizon: Sequence[float]
    ambient: Sequence[float]
    glow: Sequence[float]
    cloud: Sequence[float]
    cloud_cover: float
    sun_height: float
    sun_strength: float
    haze_distance: float
    headlight: float
    stars: float


LIGHTS = {
    "dawn": Light((0.40, 0.50, 0.74), (0.99, 0.78, 0.60), (0.92, 0.78, 0.72), (1.00, 0.90, 0.66), (1.00, 0.80, 0.74),
                  0.6, 0.06, 1.0, 130.0, 0.0, 0.0),
    "noon": Light((0.16, 0.42, 0.84), (0.74, 0.87, 0.97), (1.02, 1.02, 0.98), (1.00, 1.00, 0.92), (1.00, 1.00, 1.00),
                  0.9, 0.36, 0.8, 320.0, 0.0, 0.0),
    "overcast": Light((0.56, 0.60, 0.64), (0.82, 0.84, 0.85), (0.74, 0.77, 0.80), (0.90, 0.90, 0.90),
                      (0.68, 0.71, 0.74), 0.9, 0.30, 0.0, 110.0, 0.0, 0.0),
    "dusk": Light((0.17, 0.17, 0.40), (0.98, 0.47, 0.26), (0.58, 0.44, 0.50), (1.00, 0.62, 0.25), (0.62, 0.30, 0.38),
                  0.8, 0.03, 1.0, 200.0, 0.15, 0.0),
    "night": Light((0.02, 0.03, 0.10), (0.09, 0.13, 0.25), (0.15, 0.19, 0.30), (0.80, 0.85, 0.95), (0.08, 0.10, 0.18),
                   0.4, 0.28, 0.6, 160.0, 1.0, 1.0),
}  # fmt: skip
NEXT_LIGHT = {"dawn": "noon", "noon": "dawn", "overcast": "noon", "dusk": "night", "night": "dusk"}


def mix_lights(a: Light, b: Light, share: float) -> Light:
    """The light on the way from a (share 0) to b (share 1)."""
    mixed: dict[str, Any] = {}
    for field in fields(Light):
        mixture = (1 - share) * np.asarray(getattr(a, field.name)) + share * np.asarray(getattr(b, field.name))
        mixed[field.name] = mixture.tolist()
    return Light(**mixed)
