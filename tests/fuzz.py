"""Mutated files given to the commands: each must succeed or end with one of our errors, in one line.

    python tests/fuzz.py KIND --count 2000 --seed 0          KIND: datasets, checkpoints, pickles or videos

Good files are made once; each try gets copies, one of them changed, and a child process of its own with little memory
and time. What went wrong is listed by exception and place, with the number of the first try, which `--only N` repeats.
"""

import argparse
import collections
import contextlib
import json
import os
import random
import resource
import shutil
import struct
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

MEMORY, SECONDS = 2 << 30, 60
ODD: list[Any] = [
    0, -1, 1, 2**31, 2**63, 2**64, -(2**70), 10**400, 1e400, -1e400, float("nan"), 1e308, 1e-320, 0.5, "", "x",
    "\x1b[31m", "a\nb", "\ud800", "../../x", "/etc/passwd", "9" * 5000, "${x}", None, True, [], {}, [[]], {"a": {}},
    ["x"], "DEEP",
]  # fmt: skip
DEEP = "[" * 100_000 + "]" * 100_000

Command = list[str]


def mutate_bytes(data: bytes, draw: random.Random) -> bytes:
    """Flipped bits, a cut, a chunk repeated, zeroed or removed, or another number where a length may stand."""
    changed = bytearray(data)
    for _ in range(draw.choice((1, 1, 2, 5))):
        if not changed:
            break
        place = draw.randrange(len(changed)) if draw.random() < 0.5 else draw.randrange(min(len(changed), 512))
        length = draw.choice((1, 4, 16, 200))
        match draw.randrange(6):
            case 0:
                changed[place] ^= 1 << draw.randrange(8)
            case 1:
                del changed[place + 1 :]
            case 2:
                changed[place:place] = changed[place : place + length]
            case 3:
                changed[place : place + length] = bytes(min(length, len(changed) - place))
            case 4:
                del changed[place : place + length]
            case 5:
                number = draw.choice((0, 1, 0x7F, 0xFF, 0xFFFF, 2**31 - 1, 2**32 - 1))
                changed[place : place + 4] = struct.pack(draw.choice("<>") + "I", number)
    return bytes(changed)


def mutate_json(data: Any, draw: random.Random) -> str:
    """One value of plain data replaced by an odd one, or left out."""
    data = json.loads(json.dumps(data))
    holder, places = data, []
    while isinstance(holder, dict | list) and holder:
        key = draw.choice([*holder]) if isinstance(holder, dict) else draw.randrange(len(holder))
        places.append((holder, key))
        holder = holder[key]
    holder, key = draw.choice(places)
    if draw.random() < 0.15:
        del holder[key]
    else:
        holder[key] = draw.choice(ODD)
    return json.dumps(data).replace('"DEEP"', DEEP)


def mutate(path: Path, draw: random.Random) -> None:
    """Change a file in place: JSON by values or by bytes, the description in a model file, others by bytes."""
    data = path.read_bytes()
    by_value = draw.random() < 0.7
    if by_value and path.suffix == ".json":
        path.write_text(mutate_json(json.loads(data), draw))
    elif by_value and path.suffix == ".jsonl":
        lines = data.decode().splitlines()
        at = draw.randrange(len(lines))
        lines[at] = mutate_json(json.loads(lines[at]), draw)
        path.write_text("\n".join(lines) + "\n")
    elif by_value and path.suffix == ".safetensors":
        (size,) = struct.unpack_from("<Q", data)
        header = json.loads(data[8 : 8 + size])
        if draw.random() < 0.7:
            header["__metadata__"]["smoothvid"] = mutate_json(json.loads(header["__metadata__"]["smoothvid"]), draw)
            text = json.dumps(header)
        elif draw.random() < 0.5:
            types = ["F8_E4M3", "F8_E5M2", "BF16", "F16", "I64", "I32", "U8", "BOOL", "C64", "F64", "F32", "X"]
            header[draw.choice([name for name in header if name != "__metadata__"])]["dtype"] = draw.choice(types)
            text = json.dumps(header)
        else:
            text = mutate_json(header, draw)
        path.write_bytes(struct.pack("<Q", len(text.encode())) + text.encode() + data[8 + size :])
    elif by_value and path.name == "state.pt":
        mutate_state(path, draw)
    else:
        path.write_bytes(mutate_bytes(data, draw))


def mutate_state(path: Path, draw: random.Random) -> None:
    """Another value, shape or type somewhere in the training state."""
    import torch

    state = torch.load(path, weights_only=True)
    holder, places = state, []
    while isinstance(holder, dict | list) and holder:
        key = draw.choice([*holder]) if isinstance(holder, dict) else draw.randrange(len(holder))
        places.append((holder, key))
        holder = holder[key]
    holder, key = draw.choice(places)
    tensor = torch.zeros(3)
    odd = [
        None,
        1,
        -1,
        2**70,
        1e400,
        "x",
        [],
        {},
        tensor,
        tensor.to(torch.complex64),
        tensor.bool(),
        tensor.to_sparse(),
    ]
    if draw.random() < 0.15:
        del holder[key]
    else:
        holder[key] = draw.choice(odd)
    torch.save(draw.choice([state] * 20 + [[], 3, None, tensor]), path)


def sum_again(folder: Path) -> None:
    """Checksums of what is there now: whoever changes files can change these, too."""
    from smoothvid.checksums import write_checksums

    if (folder / "checksums.json").exists():
        write_checksums(folder, *(name for name in ("model.safetensors", "state.pt") if (folder / name).exists()))


def smoothvid(*command: object) -> None:
    """Run a command in this process."""
    from smoothvid_cli import main

    sys.argv = ["smoothvid", *map(str, command)]
    with contextlib.suppress(SystemExit):  # done, or a wrong option
        main.app()


def make_datasets(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    options = "--videos 2 --frames 16 --resolution 16 --quiet".split()
    smoothvid("prepare", "synthetic:shapes", *options, "--out", folder / "good")


def make_checkpoints(folder: Path) -> None:
    make_datasets(folder / "data")
    sets = "train.batch=2 train.num_frames=2 train.spans=[1,2] train.spacing=random train.chunk=8 train.measure_clips=0"
    sets += " model.resolution=16 model.generator.channel_max=8 model.discriminator.channel_max=8"
    sets += " model.discriminator.fusion_resolution=16 model.motion.pace=1"
    options = [part for text in sets.split() for part in ("--set", text)]
    smoothvid(
        "train", folder / "data" / "good", "--out", folder / "good" / "run", "--preset", "tiny", "--kimg", 0.008,
        *options, "--device", "cpu", "--quiet",
    )  # fmt: skip


def make_pickles(folder: Path) -> None:
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from tests.importing.published import built, settings, snapshot, stylesv_cfg, video_cfg
    from tests.importing.standins import dumps

    (folder / "good").mkdir(parents=True)
    for family, cfg in (("stylesv", stylesv_cfg), ("styleganv", video_cfg)):
        config = settings(family)
        networks = built(family, config)
        nets = snapshot(folder / "ran", config, (networks[0], networks[0]), networks[1], cfg(config))
        (folder / "good" / f"{family}.pkl").write_bytes(dumps(nets))


def make_videos(folder: Path) -> None:
    import numpy as np
    from PIL import Image

    sys.path.insert(0, str(Path(__file__).parents[1]))
    from tests.data.conftest import _write_clip

    frames = np.random.default_rng(0).integers(0, 255, (8, 32, 32, 3), np.uint8)
    for name, codec, pixels in (
        ("a.mp4", "libx264", "yuv420p"),
        ("a.webm", "libvpx-vp9", "yuv420p"),
        ("a.gif", "gif", "rgb8"),
    ):
        _write_clip(folder / "good" / name, frames, codec=codec, pix_fmt=pixels)
    Image.fromarray(frames[0]).save(folder / "good" / "a.png")


def run_datasets(files: Path, draw: random.Random) -> list[Command]:
    target = draw.choice(["dataset.json"] * 3 + [item.name for item in files.glob("*.zip")])
    mutate(files / target, draw)
    if draw.random() < 0.3 and target.endswith(".zip"):
        return [["info", str(files / target)]]
    return [["info", str(files), "--json"], ["info", str(files)], ["frames", str(files)]]


def run_checkpoints(files: Path, draw: random.Random) -> list[Command]:
    run = files / "run"
    checkpoint = next((run / "checkpoints").glob("0*"))
    names = [
        "config.json",
        "log.jsonl",
        "speed.jsonl",
        *(checkpoint / name for name in ("model.safetensors", "state.pt")),
    ]
    target = run / draw.choice(names)
    mutate(target, draw)
    if draw.random() < 0.8:
        sum_again(checkpoint)
    sample = ["sample", str(checkpoint), "--length", "2", "--out", str(files / "x.gif"), "--device", "cpu", "--quiet"]
    if target.suffix == ".safetensors":
        return [["info", str(target), "--json"], ["info", str(checkpoint)], sample]
    if target.name == "state.pt":
        return [["resume", str(run)]]
    return [["info", str(run), "--json"], ["info", str(run)], ["resume", str(run)]]


def run_pickles(files: Path, draw: random.Random) -> list[Command]:
    target = draw.choice(sorted(files.glob("*.pkl")))
    target.write_bytes(mutate_bytes(target.read_bytes(), draw))
    return [["import", str(target), "--out", str(files / "out")]]


def run_videos(files: Path, draw: random.Random) -> list[Command]:
    target = draw.choice(sorted(files.glob("a.*")))
    target.write_bytes(mutate_bytes(target.read_bytes(), draw))
    return [["prepare", str(target), "--out", str(files / "out"), "--resolution", "16", "--quiet"]]


Kind = tuple[Callable[[Path], None], Callable[[Path, random.Random], list[Command]]]
KINDS: dict[str, Kind] = {
    "datasets": (make_datasets, run_datasets),
    "checkpoints": (make_checkpoints, run_checkpoints),
    "pickles": (make_pickles, run_pickles),
    "videos": (make_videos, run_videos),
}


def frames(dataset: Path) -> None:
    """Read all frames, as a training does."""
    from smoothvid.data.dataset import open_dataset

    opened = open_dataset(dataset)
    for number, video in enumerate(opened.videos):
        opened.label(number)
        opened.read(number, range(min(video.num_frames, 100)))


def resume(run: Path) -> None:
    """Go on with a run as `train --resume` does, up to its first step."""
    from smoothvid.training.run import RunRequest, prepare_run, read_run_config

    data = next(Path(item) for item in (run.parents[1] / "data").glob("*"))
    prepare_run(RunRequest(dataset=data, out=run, phase="train", config=read_run_config(run), resume=True))


OURS = {"frames": frames, "resume": resume}


def outcome(commands: list[Command]) -> str:
    """Run commands; empty if all went well or ended with an error of ours, else what went wrong, and where."""
    from smoothvid.errors import SmoothvidError

    for command in commands:
        try:
            if command[0] in OURS:
                OURS[command[0]](Path(command[1]))
            else:
                smoothvid(*command)
        except SmoothvidError as error:
            if not str(error):
                return f"{command[0]}: an error without words"
        except BaseException as error:
            frames = traceback.extract_tb(error.__traceback__)
            ours = next((frame for frame in reversed(frames) if "smoothvid" in frame.filename), frames[-1])
            return (
                f"{command[0]}: {type(error).__name__} at {Path(ours.filename).name}:{ours.lineno}: {str(error)[:100]}"
            )
    return ""


def one_try(kind: str, good: Path, number: int) -> str:
    """One try in a forked child; what went wrong."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(good.parent, folder, dirs_exist_ok=True)
        files, told = Path(folder, "good"), Path(folder, "told")
        child = os.fork()
        if child == 0:
            limit_child(Path(folder))
            found = outcome(KINDS[kind][1](files, random.Random(number)))
            told.write_text(found, errors="backslashreplace")
            os._exit(0)
        began, status = time.monotonic(), None
        while time.monotonic() < began + SECONDS:
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                break
            time.sleep(0.002)
        else:
            os.kill(child, 9)
            os.waitpid(child, 0)
            return "took too long"
        return told.read_text() if told.exists() else f"ended with status {status}"


def limit_child(folder: Path) -> None:
    """Little memory, and nothing on the screen."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY,) * 2)
    output = os.open(folder / "printed", os.O_WRONLY | os.O_CREAT)
    for stream in (1, 2):
        os.dup2(output, stream)


def warm_up(kind: str) -> None:
    """Import once what all children need."""

    import smoothvid.data.dataset
    import smoothvid_cli.console
    import smoothvid_cli.info
    import smoothvid_cli.main  # noqa: F401

    if kind != "datasets":
        import torch

        import smoothvid.importing.checkpoint
        import smoothvid.training.run  # noqa: F401

        torch.set_num_threads(1)


def fuzz(kind: str, numbers: range, good: Path) -> dict[str, list[int]]:
    """The tries that went wrong, by what went wrong; `good` and what lies beside it are copied for each."""
    found: dict[str, list[int]] = collections.defaultdict(list)
    warm_up(kind)
    for number in numbers:
        if wrong := one_try(kind, good, number):
            found[wrong].append(number)
    return dict(found)


def fuzz_new(kind: str, numbers: range) -> dict[str, list[int]]:
    """The same with good files made for it."""
    with tempfile.TemporaryDirectory() as folder:
        making = os.fork()
        if making == 0:  # threads that making them starts would not be there in the children
            try:
                KINDS[kind][0](Path(folder))
                os._exit(0)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
        assert os.waitpid(making, 0)[1] == 0, "the good files could not be made"
        return fuzz(kind, numbers, Path(folder, "good"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int)
    options = parser.parse_args()
    first = options.seed * 1_000_000 if options.only is None else options.only
    failures = fuzz_new(options.kind, range(first, first + (options.count if options.only is None else 1)))
    for what, tries in sorted(failures.items(), key=lambda item: -len(item[1])):
        print(f"{len(tries):5} {what} (first: {tries[0]})")
    print(f"{options.kind}: {sum(map(len, failures.values()))} of {options.count} went wrong")
    sys.exit(bool(failures))
