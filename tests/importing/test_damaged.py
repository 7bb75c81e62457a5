"""Damaged and foreign files, and what would take the reading process down: told in one line, in bounded time."""

import json
import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from smoothvid.errors import CheckpointError
from smoothvid.importing.read import Limits, read_snapshot

from .reading import bomb, read
from .standins import MARKER, dumps, network


def test_every_truncation_is_told(tmp_path: Path) -> None:
    net = network("Generator", {"a.weight": torch.zeros(2)}, tmp_path / MARKER, size=3)
    whole = dumps({"G_ema": net}, cuda=True)
    assert len(read(whole)[0]) == 1
    for end in range(len(whole)):
        with pytest.raises(CheckpointError, match="damaged"):
            read(whole[:end])


FLIPS = """
import io, json, random, sys
from smoothvid.errors import CheckpointError
from smoothvid.importing.child import little_memory, little_time
from smoothvid.importing.networks import read_networks
from smoothvid.importing.records import unpickle
whole = open(sys.argv[1], "rb").read()
little_time(60)
found = {"same": 0, "refused": 0, "memory": 0, "other": []}
for seed in range(400):
    draw = random.Random(seed)
    data = bytearray(whole)
    for _ in range(draw.choice((1, 1, 3))):
        data[draw.randrange(len(data))] = draw.randrange(256)
    try:
        with little_memory(2**28):
            read_networks(unpickle(io.BytesIO(bytes(data))), len(data))
        found["same"] += 1
    except CheckpointError:
        found["refused"] += 1
    except MemoryError:
        found["memory"] += 1
    except BaseException as error:
        found["other"].append(f"{seed}: {error!r}")
print(json.dumps(found))
"""


def test_changed_bytes(tmp_path: Path) -> None:
    net = network("Generator", {"a.weight": torch.zeros(2)}, tmp_path / MARKER, size=3)
    (tmp_path / "whole").write_bytes(dumps({"G_ema": net, "training_set_kwargs": {"a": [1, 2.0, "x"]}}))
    command = [sys.executable, "-c", FLIPS, str(tmp_path / "whole")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True)
    found = json.loads(ended.stdout)
    assert found["other"] == [] and found["refused"] > 100 and found["same"] > 20
    assert not (tmp_path / MARKER).exists()


def test_what_would_take_the_process_down_takes_a_child(tmp_path: Path) -> None:
    key = bomb(60, lambda x: (x, x), 1)  # its hash takes 2^60 steps
    files = {
        "memo": (b"\x80\x02Nr\xf0\xff\xff\x7f.", "memory|damaged"),
        "deep": (b"(dS'G'\n" + b")" + b"\x85" * 3_000_000 + b"NsN.", "ended with|damaged|memory"),
        "slow": (b"(d" + pickle.dumps(key, 2)[2:-1] + b"Ns.", "took too long"),
        "evil": (b"(dS'G'\ncos\nsystem\n(S'touch " + str(tmp_path / MARKER).encode() + b"'\ntRs.", "os.system is not"),
    }

    def outcome(name: str) -> str:
        (tmp_path / name).write_bytes(files[name][0])
        with pytest.raises(CheckpointError) as caught:
            read_snapshot(tmp_path / name, Limits(memory=2**28, seconds=3))
        return str(caught.value)

    with ThreadPoolExecutor(2) as pool:
        for name, message in zip(files, pool.map(outcome, files), strict=True):
            assert message.startswith(f"{tmp_path / name}: ")
            assert any(words in message for words in files[name][1].split("|")), (name, message)
    assert not (tmp_path / MARKER).exists() and sorted(os.listdir(tmp_path)) == sorted(files)


def test_other_files_are_told_by_what_they_are(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    torch.save({"a": torch.zeros(2)}, tmp_path / "torch.pt")
    save_file({"a": torch.zeros(2)}, tmp_path / "model.safetensors")
    (tmp_path / "empty.pkl").touch()
    (tmp_path / "page.pkl").write_text("\n<!DOCTYPE html><html>")
    (tmp_path / "packed.pkl.gz").write_bytes(b"\x1f\x8b\x08\x00abc")
    for name, words in {
        "torch.pt": "a zip archive, such as torch.save writes",
        "model.safetensors": "a safetensors file",
        "empty.pkl": "an empty file",
        "page.pkl": "a web page",
        "packed.pkl.gz": "a gzip file",
        "": "a folder",
        "nothing.pkl": "No such file",
    }.items():
        with pytest.raises(CheckpointError, match=words):
            read_snapshot(tmp_path / name)
