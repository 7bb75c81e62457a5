"""Clips of the synthetic drive, with which the measures are put to the test."""

import numpy as np
import pytest

from smoothvid.data.synthetic import make_world


@pytest.fixture(scope="session")
def drive() -> np.ndarray:
    """Clips of 64 different worlds, uint8 [64, 16, 3, 32, 32]."""
    worlds = [make_world("drive", seed) for seed in range(64)]
    clips = [np.stack([world.frame(float(t), 32) for t in range(16)]) for world in worlds]
    return np.stack(clips).transpose(0, 1, 4, 2, 3)
