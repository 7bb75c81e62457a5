"""`python -m smoothvid.evaluation.smoothness`: kinks of the kinds of motion; of models, how often pictures turn."""

import argparse

import numpy as np
import torch

from smoothvid.evaluation.smoothness import code_smoothness, reversals
from smoothvid.nn.motion import Motion, MotionConfig
from smoothvid.run_config import resolve
from smoothvid.sampling.model import load_model


def main() -> None:
    """Print the table of motion kinds, or reversals in the pictures of models."""
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
        found = np.array([count for count in counts if count is not None])
        if not len(found):
            print(f"{path}: frames do not continue each other")
            continue
        print(
            f"{path}: {found.mean():.2f} ± {found.std():.2f} ({found.min():.2f} to {found.max():.2f}), "
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
