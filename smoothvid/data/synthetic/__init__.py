"""Worlds drawn by formulas: endless videos whose motion, occlusion and contents are known exactly."""

from collections.abc import Callable

from smoothvid.data.synthetic.drive import Drive
from smoothvid.data.synthetic.shapes import Shapes
from smoothvid.data.synthetic.sky import Sky
from smoothvid.data.synthetic.world import World
from smoothvid.errors import DataError

__all__ = ["WORLDS", "Drive", "Shapes", "Sky", "World", "make_world"]

WORLDS: dict[str, Callable[[int], World]] = {"drive": Drive, "sky": Sky, "shapes": Shapes}


def make_world(name: str, seed: int) -> World:
    """The world of that name drawn from `seed`.

    Raises:
        DataError: there is no such world.
    """
    if name not in WORLDS:
        raise DataError(f"there is no synthetic world {name!r}; choose one of {', '.join(WORLDS)}")
    return WORLDS[name](seed)
