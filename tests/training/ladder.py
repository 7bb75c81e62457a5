"""What each part of the recipe gives: the paper's ladder at 32 × 32 pixels, from StyleGAN-V's network to the whole.

    python tests/training/ladder.py OUT [--world drive] [--seeds 0,1,2] [--kimg 12] [--images 6] [--only 1,9]

Every rung adds to the one before it and sees as many frames: the first one videos alone, the others images at first,
which the rungs of a seed share. Each result is written to OUT/WORLD.jsonl when it is there, and a table of all of them
printed; called again, it goes on where it stopped. OUT/WORLD.png shows a video of each rung of the first seed: six
moments, then one column of its pixels along time. By hand: a rung takes some 5 minutes of a core.
"""

import argparse
import json
import statistics
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw

from smoothvid.data.dataset import open_dataset
from smoothvid.data.prepare import PrepareSettings, prepare
from smoothvid.evaluation.clips import DatasetClips, ModelClips, Source
from smoothvid.evaluation.report.pictures import busiest_line, pixel_slices
from smoothvid.evaluation.run import EvalSettings, evaluate
from smoothvid.run_config import PhaseName, resolve
from smoothvid.sampling.model import load_model
from smoothvid.training.run import RunRequest, train

FAR = 100_000.0
FIGURES = ("rfid", "rfid_diff", "rfvd_16f", "motion", "motion_lag4", "reversal", "jitter", "repetition", "sticking")
BEFORE = (  # the preset `tiny` without what makes motion travel, and with the motion of StyleGAN-V
    *("model.motion.kind=linear", "model.motion.fourier_dim=8", "model.motion.distance=96"),
    *("model.motion.max_period=32", "model.motion.pace=1", "model.generator.waves=0"),
    *("model.discriminator.differences=0", "model.discriminator.pictures=0"),
    *("train.num_frames=3", "train.spacing=random", "train.spans=[2,4,8]", "train.disorder=0", "train.r1_gamma=1"),
)
RUNGS: dict[str, tuple[str, ...]] = {
    "StyleGAN-V's network": (),
    "+ alias-free, images first": BEFORE,
    "+ temporal shift": (
        *("model.discriminator.temporal_shift=true", "model.discriminator.fusion=mean"),
        "model.discriminator.fusion_resolution=16",
    ),
    "+ B-spline": ("model.motion.kind=bspline",),
    "+ low rank": ("model.generator.low_rank=4",),
    "phase, frames side by side": (
        *("model.motion.kind=phase", "model.generator.low_rank=0", "model.discriminator.temporal_shift=false"),
        *("model.discriminator.fusion=concat", "model.discriminator.fusion_resolution=32"),
    ),
    "+ travelling waves": ("model.generator.waves=192",),
    "+ differences": ("model.discriminator.differences=4",),
    "+ near and far frames": (
        *("train.num_frames=5", "train.spacing=near", "train.spans=[10,16,32,64]"),
        *("model.motion.fourier_dim=16", "model.motion.max_period=128", "model.motion.distance=16"),
    ),
    "+ disorder, penalty × 2": ("train.disorder=0.5", "train.r1_gamma=2"),
    "+ single frames judged": ("model.discriminator.pictures=0.5",),
    "+ the pace of the data: the whole": ("model.motion.pace=auto",),
}


def settings_up_to(rung: str) -> tuple[str, ...]:
    """All settings over the preset that a rung stands on."""
    names = list(RUNGS)
    return tuple(text for name in names[: names.index(rung) + 1] for text in RUNGS[name])


def run_rung(out: Path, data: Path, rung: str, seed: int, kimg: float, images: float) -> dict[str, Any]:
    """Train one rung and measure it near the start and far from it."""

    def trained(phase: PhaseName, name: str, preset: str, sets: tuple[str, ...], init: Path | None) -> Path:
        config, run = resolve(preset, sets=sets), out / f"{data.name}-{name}-{seed}"
        train(RunRequest(dataset=data, out=run, phase=phase, config=config, seed=seed, init=init, resume=True))
        return run

    number = list(RUNGS).index(rung)
    if number == 0:
        run = trained("train", "0", "styleganv-tiny", (f"train.kimg={kimg + images}",), None)
    else:
        start = trained("pretrain", "images", "tiny", (f"pretrain.kimg={images}",), None)
        run = trained("train", str(number), "tiny", (*settings_up_to(rung), f"train.kimg={kimg}"), start)
    settings = EvalSettings(num_videos=64, long_videos=8, seed=seed, start=FAR, allow_few=True)
    found = evaluate({rung: load_model(run, "cpu")}, open_dataset(data), settings, "cpu")
    early, late = (column["metrics"] for column in found.result["columns"])
    return {"rung": rung, "seed": seed, "early": early, "late": late, "kimg": kimg, "images": images}


def picture(out: Path, data: Path, rungs: set[str], seed: int) -> Image.Image:
    """A row for the data and for each of these rungs: name, moments 8 frames apart, a column of pixels over time."""
    dataset = open_dataset(data)
    sources: dict[str, Source] = {"the data": DatasetClips(dataset)}
    for number, rung in enumerate(RUNGS):
        if rung in rungs:
            model = load_model(out / f"{data.name}-{number}-{seed}", "cpu")
            sources[rung] = ModelClips(model, first_seed=seed, fps=dataset.fps)
    clips = {name: source.spanning(96).read([1], np.arange(96)) for name, source in sources.items()}
    column = busiest_line(clips["the data"], "column")
    rows = []
    for name, clip in clips.items():
        label = Image.new("RGB", (64, clip.shape[-1]), "white")
        moments = np.concatenate(clip[0, :48:8].transpose(0, 2, 3, 1), axis=1)
        pixels = np.concatenate([np.asarray(label), moments, pixel_slices(clip, "column", column)[0]], axis=1)
        row = Image.fromarray(pixels.repeat(3, 0).repeat(3, 1))
        ImageDraw.Draw(row).text((4, 40), textwrap.fill(name, 28), "black", font_size=13)
        rows.append(np.asarray(row))
    return Image.fromarray(np.concatenate(rows))


def table(lines: list[dict[str, Any]]) -> str:
    """Markdown: the mean over seeds ± their spread, near the start and then from FAR on."""
    rows = [f"| | seeds | {' | '.join(f'`{name}`' for name in FIGURES)} |", "|---" * (len(FIGURES) + 2) + "|"]
    for rung in RUNGS:
        for when in ("early", "late"):
            mine = [line[when] for line in lines if line["rung"] == rung]
            if mine:
                cells = [_cell([m[name] for m in mine if m.get(name) is not None]) for name in FIGURES]
                first = rung if when == "early" else f"from frame {FAR:,.0f} on"
                rows.append(f"| {first} | {len(mine)} | {' | '.join(cells)} |")
    return "\n".join(rows)


def _cell(values: list[float]) -> str:
    if not values:
        return "-"
    spread = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.2f}{spread}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--world", default="drive", choices=["drive", "sky"])
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--kimg", type=float, default=12.0)
    parser.add_argument("--images", type=float, default=6.0)
    parser.add_argument("--only", default="", help="numbers of rungs, from 0")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    data, results = asked.out / asked.world, asked.out / f"{asked.world}.jsonl"
    if not data.exists():
        prepare([f"synthetic:{asked.world}"], data, PrepareSettings(resolution=32, format="png", num_videos=64))
    lines = [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
    done = {(line["rung"], line["seed"]) for line in lines}
    chosen = [list(RUNGS)[int(number)] for number in asked.only.split(",")] if asked.only else list(RUNGS)
    for seed in map(int, asked.seeds.split(",")):
        for rung in chosen:
            if (rung, seed) not in done:
                lines.append(run_rung(asked.out, data, rung, seed, asked.kimg, asked.images))
                with open(results, "a") as file:
                    file.write(json.dumps(lines[-1]) + "\n")
                print(table(lines), flush=True)
    print(table(lines))
    first = int(asked.seeds.split(",")[0])
    shown = {line["rung"] for line in lines if line["seed"] == first}
    picture(asked.out, data, shown, first).save(asked.out / f"{asked.world}.png")


if __name__ == "__main__":
    main()
