"""How smooth motion is: in the motion codes of a model, and in the pixels of any video.

    code_smoothness(model.generator.motion, starts=[0, 1e7])
    reversals(frames)                                           # uint8 [T, 3, H, W]

`python -m smoothvid.evaluation.smoothness` prints the table of motion kinds; with models as arguments, how often their
pictures move backwards.
"""

import argparse
import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

_TILES = 4  # a side
_NOISE = 0.25  # of the root mean square motion: less than that has no direction
_TEXTURE_FLOOR = 30.0  # of squared grey levels a pixel: tiles with less texture than that hardly count


def code_smoothness(
    motion: Any, starts: Sequence[float], num_codes: int = 12, seeds: int = 32
) -> list[dict[str, float]]:
    """Measure trajectories v(t) of random motion codes, others at each start, over `num_codes` codes from there on.

    Returns:
        For each start: "jump", the largest jump of dv/dt at a boundary between codes, over the mean |dv/dt|; "speed",
        the mean |dv/dt| per frame; "ratio", that speed over the speed at the first start; "backwards", the share of
        steps of one frame that go against the step before.
    """
    motion = copy.deepcopy(motion).double().requires_grad_(False)
    distance = motion.config.distance
    rows: list[dict[str, float]] = []
    for number, start in enumerate(starts):
        base = np.ceil(start / distance) * distance
        boundaries = torch.from_numpy(base + distance * np.arange(1.0, num_codes))
        random = torch.Generator().manual_seed(number)
        every = torch.from_numpy(base + np.arange(distance * num_codes, dtype=np.float64))
        nearby = (boundaries[:, None] + torch.arange(-2, 3) * 0.01).flatten()
        times = torch.cat([every, nearby]).expand(seeds, -1)
        first, count = motion.code_range(times)
        codes = torch.randn(seeds, count, motion.z_dim, dtype=torch.float64, generator=random)
        phases = torch.rand(seeds, motion.num_phases, dtype=torch.float64, generator=random)
        v = motion(codes, times, first_code=first, start_phase=phases)
        steps = v[:, : len(every)].diff(dim=1)
        a, b, c, d, e = v[:, len(every) :].unflatten(1, (-1, 5)).unbind(2)
        jump = ((-3 * c + 4 * d - e) - (3 * c - 4 * b + a)) / 0.02  # one-sided slopes of second order
        speed = float(steps.norm(dim=2).mean())
        rows.append(
            {
                "start": float(start),
                "jump": float(jump.norm(dim=2).max()) / speed,
                "speed": speed,
                "ratio": speed / (rows[0]["speed"] if rows else speed),
                "backwards": float(((steps[:, 1:] * steps[:, :-1]).sum(2) < 0).double().mean()),
            }
        )
    return rows


def tile_flow(frames: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Mean displacement of each of 4 × 4 tiles from frame to frame, in pixels: [T − 1, 4, 4, 2] as (dx, dy).

    One least-squares step (Lucas and Kanade, 1981) on slightly blurred grey pictures; where there is too little texture
    to tell, displacements shrink to zero. Beyond about two pixels they come out too short, but point the right way as
    long as the texture is coarser than the step.
    """
    grey = frames.astype(np.float64).mean(axis=1)
    for axis in (1, 2):
        padded = np.pad(grey, [(0, 0), (1, 1), (0, 0)] if axis == 1 else [(0, 0), (0, 0), (1, 1)], mode="edge")
        low, high = np.split(padded, [1], axis)[1], np.split(padded, [-1], axis)[0]
        grey = (np.delete(low, -1, axis) * 2 + np.delete(low, 0, axis) + np.delete(high, -1, axis)) / 4
    middle = (grey[1:] + grey[:-1]) / 2
    dy, dx = np.gradient(middle, axis=(1, 2))
    dt = grey[1:] - grey[:-1]
    side = frames.shape[2] // _TILES, frames.shape[3] // _TILES

    def tiles(values: NDArray[np.float64]) -> NDArray[np.float64]:
        cut = values[:, : side[0] * _TILES, : side[1] * _TILES]
        return cut.reshape(-1, _TILES, side[0], _TILES, side[1]).mean(axis=(2, 4))

    xx, xy, yy = tiles(dx * dx) + _TEXTURE_FLOOR, tiles(dx * dy), tiles(dy * dy) + _TEXTURE_FLOOR
    xt, yt = tiles(dx * dt), tiles(dy * dt)
    determinant = xx * yy - xy * xy
    return np.stack([(xy * yt - yy * xt) / determinant, (xy * xt - xx * yt) / determinant], axis=-1)


def reversals(frames: NDArray[np.uint8]) -> float:
    """How often motion turns round, in times per 100 frames: 0 if it goes on as it goes, 200 / period for a swing.

    The flow of all tiles is projected on the direction in which the video moves most; a turn is a change of sign beyond
    noise, on both sides of zero.

    Args:
        frames: one video, uint8 [T, 3, H, W].
    """
    flow = tile_flow(frames).reshape(len(frames) - 1, -1)
    main_direction = np.linalg.svd(flow, full_matrices=False)[2][0]
    along = flow @ main_direction
    clear = along[np.abs(along) > _NOISE * np.sqrt((along**2).mean())]
    return 100 * float((clear[1:] * clear[:-1] < 0).sum()) / len(flow)


def main() -> None:
    """Print the table of motion kinds, or reversals in the pictures of models."""
    from smoothvid.models.stylesv.config import MotionConfig
    from smoothvid.models.stylesv.motion import Motion
    from smoothvid.run_config import resolve
    from smoothvid.sampling.model import load_model

    parser = argparse.ArgumentParser(prog="python -m smoothvid.evaluation.smoothness", description=main.__doc__)
    parser.add_argument("models", nargs="*", help="runs, checkpoints or model files")
    parser.add_argument("--frames", type=int, default=400)
    parser.add_argument("--seeds", type=int, default=16)
    parser.add_argument("--start", type=float, default=0.0)
    options = parser.parse_args()
    if options.models:
        print("reversals per 100 frames: mean ± standard deviation over seeds (smallest to largest)")
    for path in options.models:
        model = load_model(path)
        counts = []
        for seed in range(options.seeds):
            counts.append(reversals(model.sample([seed], options.frames, options.start)[0].numpy()))
        print(
            f"{path}: {np.mean(counts):.2f} ± {np.std(counts):.2f} ({min(counts):.2f} to {max(counts):.2f}), "
            f"{options.seeds} seeds × {options.frames} frames from t = {options.start:g}"
        )
    if options.models:
        return
    starts = [0, 1e3, 1e5, 1e7]
    kinds = ("linear", "bspline", "bspline-embedding", "phase")
    for preset in ("tiny", "stylesv-256"):
        settings: MotionConfig = resolve(preset=preset).model.motion
        print(f"preset {preset}: a code every {settings.distance} frames, random weights")
        print(f"  {'kind':<18} {'t':>8} {'jump':>10} {'|dv/dt|':>9} {'ratio':>8} {'backwards':>10}")
        for kind in kinds:
            torch.manual_seed(0)
            values = {**vars(settings), "kind": kind}
            for row in code_smoothness(Motion(MotionConfig(**values)), starts):
                print(
                    f"  {kind:<18} {row['start']:>8.0e} {row['jump']:>10.2e} {row['speed']:>9.4f} {row['ratio']:>8.3f} "
                    f"{row['backwards']:>10.4f}"
                )


if __name__ == "__main__":
    main()
