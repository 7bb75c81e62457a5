"""`python -m smoothvid.bench.card`: everything that a card must show, in minutes."""

import argparse
import sys
from pathlib import Path

from smoothvid.bench.card.run import run_card
from smoothvid.bench.card.settings import CardSettings
from smoothvid.bench.card.stages import STAGES
from smoothvid.errors import SmoothvidError


def main() -> int:
    """Compare, measure and train on this machine's card, each stage in a process of its own.

    Results are written as they come; the same command goes on where it was stopped.
    """
    parser = argparse.ArgumentParser(prog="python -m smoothvid.bench.card", description=main.__doc__)
    names = [stage.name for stage in STAGES]
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument("--minutes", type=float, default=12.0, help="the longest it may take (default 12)")
    parser.add_argument("--stages", help=f"only these, by commas: {', '.join(names)}")
    parser.add_argument("--device", default="auto", help="auto, cuda, cuda:1, cpu")
    parser.add_argument("--dry-run", action="store_true", help="every stage at toy size, on the CPU")
    parser.add_argument("--preset", help="what the stage `learn` trains (default smooth-64)")
    parser.add_argument("--dataset", type=Path, help="the dataset it trains on (default: the world `drive`, drawn)")
    parser.add_argument(
        "--init", help="a run or checkpoint that it starts from (default: an image model, trained first)"
    )
    options = parser.parse_args()
    chosen = options.stages.split(",") if options.stages else names
    unknown = [name for name in chosen if name not in names]
    if unknown:
        parser.error(f"--stages {options.stages}: no stage {unknown[0]!r}; there are {', '.join(names)}")
    settings = CardSettings(
        out=options.out,
        device="cpu" if options.dry_run else options.device,
        dry_run=options.dry_run,
        preset=options.preset,
        dataset=options.dataset,
        init=options.init,
    )
    try:
        stages = [stage for stage in STAGES if stage.name in chosen]
        done = run_card(settings, options.minutes, stages, lambda text: print(text, flush=True))
    except SmoothvidError as error:
        parser.exit(2, f"error: {error}\n")
    except KeyboardInterrupt:
        parser.exit(130, f"stopped; the same command goes on, results so far are in {options.out}\n")
    print(f"{'all done' if done else 'the same command goes on'}; see {options.out / 'card.md'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
