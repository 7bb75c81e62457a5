"""The demo's page: what is shown, and in which words."""

import os
import platform
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import torch

from smoothvid.data.dataset import open_dataset
from smoothvid.evaluation.report import html
from smoothvid.plain_text import read_json
from smoothvid.sampling.shipped import SHIPPED_IMAGES
from smoothvid.training.demo.videos import FAR, GRID, LONG, progress_stills
from smoothvid.training.journal import LOG, SPEED, read_log

STEPS, ROWS = 4, 3  # pictures of the training's progress, and videos in each
REFERENCES = {
    "real": "other real clips (the floor)",
    "shuffled": "real clips, frames shuffled",
    "frozen": "real clips, frozen",
    "mean_image_noise": "mean image with noise",
    "mean_image": "the data's mean image",
    "grey": "grey",
}
COLUMNS = {
    "rfid": "frames",
    "rfid_diff": "changes",
    "rfvd_16f": "clips",
    "motion": "motion",
    "motion_lag4": "motion over 4 frames",
}


def write_page(out: Path, seconds: Mapping[str, float], commands: Sequence[str], device: str) -> Path:
    """Write OUT/index.html from what the stages left; returns its path."""
    by_hand = "Each stage is a command. For your own videos, put their folder in the first."
    parts = [
        _head(out, seconds, device),
        _videos(out),
        _endless(out),
        _progress(out),
        _curves(out),
        _figures(out),
        html.section("The same by hand", by_hand, html.code(commands)),
        "<footer>Made by smoothvid. The videos, models and logs lie in the folders beside this page.</footer>",
    ]
    path = out / "index.html"
    partial = path.with_suffix(".tmp")
    partial.write_text(html.page("smoothvid demo", "\n".join(parts)), encoding="utf-8")
    partial.replace(path)
    return path


def _head(out: Path, seconds: Mapping[str, float], device: str) -> str:
    dataset = open_dataset(out / "data")
    side, total = dataset.resolution, html.duration(sum(seconds.values()))
    where = torch.cuda.get_device_name() if device.startswith("cuda") else f"{os.cpu_count()} CPU cores"
    text = (
        f"{len(dataset.videos)} videos of {side} × {side} pixels went in. An image model learnt what things look like, "
        f"a video model how they move, and new videos without an end came out, in {total} on {where}. "
        f"The image model did not start from nothing but from {SHIPPED_IMAGES}, a small model of drawn roads that "
        "ships with smoothvid and was made by the same commands, prepare and pretrain, in half an hour."
    )
    facts = f"torch {torch.__version__}, Python {platform.python_version()}, {platform.machine()}"
    return (
        f"<header><h1>From videos to endless new ones</h1><p>{text}</p>{html.timeline(seconds)}"
        f'<p class="soft" style="font-size:14px">{escape(facts)}</p></header>'
    )


def _videos(out: Path) -> str:
    folder = out / "videos"
    return html.section(
        "Real and new",
        "Nothing on the right was filmed or drawn: every tile is another random seed.",
        html.row(
            html.video(folder / "real.mp4", "Real.", "Some of the videos that went in."),
            html.video(folder / "new.mp4", "New.", f"{GRID**2} seeds, from frame 0 on."),
        ),
    )


def _endless(out: Path) -> str:
    folder = out / "videos"
    far = [html.video(folder / f"new-{t}.mp4", f"From frame {t:,} on.", "The same seeds, later.") for t in FAR]
    return html.section(
        "Without an end",
        "A frame depends on the model, the seed and its time alone. So a video can start anywhere, and frame 100,000 "
        "costs what frame 0 costs, in time and in memory.",
        html.row(html.video(folder / "long.mp4", "One seed,", f"{LONG} times as long, in one piece."), *far),
    )


def _progress(out: Path) -> str:
    stills = [
        html.picture(image, f"After {clips:,} videos.", pixels=True)
        for clips, image in progress_stills(out / "train", STEPS, ROWS)
    ]
    return html.section(
        "How it learnt",
        "First single images; then, from the same weights, videos. Each line of the stills is one seed: eight moments, "
        "then one row of pixels over time, in which still things are level lines and moving ones slant.",
        html.row(
            html.picture(out / "videos" / "images.png", "The image model.", "One picture each of 25 seeds."),
            html.stack(*stills),
        ),
    )


def _curves(out: Path) -> str:
    charts = []
    for run, what in (("pretrain", "images"), ("train", "videos")):
        log = read_log(out / run / LOG)

        def curve(name: str, log: list[dict[str, Any]] = log) -> list[tuple[float, float]]:
            return [(line["seen_clips"], line[name]) for line in log if name in line]

        charts += [
            html.chart(
                f"Losses over {what} seen",
                {"generator": curve("loss_generator"), "discriminator": curve("loss_discriminator")},
            ),
            html.chart(
                "Verdicts: 1 is “all real”",
                {"on real ones": curve("real_sign"), "on new ones": curve("fake_sign")},
                limits=(-1.0, 1.0),
            ),
            html.chart(f"Speed, {what} a second", {"speed": curve("clips_per_second", read_log(out / run / SPEED))}),
        ]
    return html.section(
        "Curves",
        "The upper three are of the image model, the lower three of the video model. In a healthy training neither "
        "side wins: verdicts on real and new ones stay apart from 1 and −1.",
        html.row(*charts[:3]),
        html.row(*charts[3:]),
    )


def _figures(out: Path) -> str:
    result = read_json((out / "eval.json").read_text())
    if "error" in result:
        return html.section("How close it comes", escape(f"Not measured: {result['error']}"))
    ours = {f"new videos, from frame {column['start']:,.0f}": column["metrics"] for column in result["columns"]}
    references = result["references"]
    rows = ours | {text: references[name] for name, text in REFERENCES.items() if name in references}
    facts = result["metrics"]["rfid"]
    return html.section(
        "How close it comes",
        f"Distances between {facts['clips']} new and {facts['clips']} real clips of {facts['frames']} frames, over "
        "random features: 0 is alike, 1 as far as the data's mean image (for changes: as frozen clips). They are not "
        "FID or FVD. Motion is relative to the data's. Below stand real clips and cheap frauds, measured likewise. "
        'How smooth the videos are, and more pictures, stand on <a href="eval.html">a page of its own</a>.',
        html.table(
            ["", *COLUMNS.values()],
            {name: [values.get(key) for key in COLUMNS] for name, values in rows.items()},
            ours=list(ours),
        ),
    )
