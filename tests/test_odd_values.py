"""Odd values in files, settings and options: refused by name, or shown as text."""

import io
import json
import math
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from smoothvid.data.dataset import open_dataset
from smoothvid.errors import CheckpointError, ConfigError, DataError
from smoothvid.models import get_family
from smoothvid.models.mocogan_sg2.discriminator import time_padding
from smoothvid.models.mocogan_sg2.published import _time_padding
from smoothvid.models.published import Arguments, Snapshot, discriminator_settings, refuse_rest
from smoothvid.nn.stylegan2 import StyledConv
from smoothvid.nn.video_discriminator import DiscriminatorConfig, VideoDiscriminator
from smoothvid.plain_text import printable, read_json, write_json
from smoothvid.sampling.model_file import read_model
from smoothvid.sampling.shipped import shipped_folder
from smoothvid.settings import from_dict
from smoothvid.training.checkpoint import load_state

from .fuzz import fuzz


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset as `smoothvid prepare` writes it: 2 videos of 3 frames."""
    folder = tmp_path_factory.mktemp("prepared") / "good"
    folder.mkdir()
    picture = io.BytesIO()
    Image.new("RGB", (16, 16)).save(picture, "PNG")
    with zipfile.ZipFile(folder / "frames-00000.zip", "w") as archive:
        for name in [f"{video}/{frame}.png" for video in "ab" for frame in range(3)]:
            archive.writestr(name, picture.getvalue())
    size = (folder / "frames-00000.zip").stat().st_size
    shards = [{"name": "frames-00000.zip", "bytes": size, "sha256": "0"}]
    others = {"shard": "frames-00000.zip", "frames": 3, "label": None, "source": "x", "start": 0.0, "end": 1.0}
    videos = [{"name": name, **others} for name in "ab"]
    index = {"format": "smoothvid-dataset", "version": 1, "resolution": 16, "fps": 25.0}
    (folder / "dataset.json").write_text(json.dumps({**index, "shards": shards, "videos": videos}))
    return folder


ODD_JSON = ["NaN", "-Infinity", "1e400", "9" * 5000, "[" * 100_000, "[" * 70 + "]" * 70, '"\\ud800"', "{"]


@pytest.mark.parametrize("text", ODD_JSON)
def test_odd_json_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):
        read_json(text.encode())


def test_json_is_read_and_written_as_the_standard_has_it() -> None:
    data = {"a": [1, 2.5, None, True, "é😀"]}
    assert read_json(json.dumps(data)) == data and read_json(write_json(data, ensure_ascii=False)) == data
    assert read_json("[1e400]", finite=False) == [math.inf]
    assert json.loads(write_json({"a": (math.inf, math.nan, 1.0)})) == {"a": [None, None, 1.0]}


@pytest.mark.parametrize("text", ["\x1b[31m", "a\nb", "\x9b0m", "\u202e", "\udc80", "\x00"])
def test_strangers_text_is_shown_as_text(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable() and json.loads(f'"{shown}"') == text
    assert printable("a\nb", keep="\n") == "a\nb" and printable("é 😀 日本") == "é 😀 日本"


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("fps",), 1e-320),
        (("resolution",), 2**70),
        (("videos", 0, "frames"), -1),
        (("videos", 0, "frames"), True),
        (("videos", 0, "label"), ["a"]),
        (("videos", 0, "start"), math.inf),
        (("videos", 0, "name"), 7),
        (("shards", 0, "bytes"), "9" * 5000),
        (("shards",), {"a": 1}),
    ],
)
def test_odd_values_in_a_dataset_name_the_field(
    place: tuple[Any, ...], value: Any, prepared: Path, tmp_path: Path
) -> None:
    index = json.loads((prepared / "dataset.json").read_text())
    *way, last = place
    holder = index
    for key in way:
        holder = holder[key]
    holder[last] = value
    (tmp_path / "dataset.json").write_text(json.dumps(index))
    with pytest.raises(DataError, match=r"dataset\.json is damaged"):
        open_dataset(tmp_path)


@pytest.mark.parametrize(
    ("family", "data", "words"),
    [
        ("stylesv", {"generator": {"channel_base": 8}}, "generator|channel_base"),
        ("stylesv", {"discriminator": {"channel_base": 8}}, "channel_base"),
        ("styleganv", {"generator": {"channel_base": 8}}, "channel_base"),
        ("styleganv", {"discriminator": {"fusion_divisor": 4096}}, "fusion_divisor"),
        ("mocogan-sg2", {"discriminator": {"channel_base": 8}}, "channel_base"),
        ("stylesv", {"generator": {"first_stopband": 1000.0}}, "stopband"),
        ("stylesv", {"generator": {"last_stopband_rel": 1e9}}, "last_stopband_rel"),
        ("stylesv", {"generator": {"first_cutoff": 900.0, "first_stopband": 1000.0}}, "first_cutoff"),
        ("stylesv", {"generator": {"clamp": 0.0}}, "clamp"),
        ("stylesv", {"generator": {"output_scale": 10**400}}, "output_scale"),
    ],
)
def test_settings_that_no_network_can_have(family: str, data: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        from_dict(get_family(family).config_class, {"resolution": 64, **data})


def test_the_clamp_is_a_setting() -> None:
    torch.manual_seed(0)
    x, style = torch.randn(1, 2, 4, 4) * 1e3, torch.randn(1, 3)
    layers = [StyledConv(2, 2, 3, clamp=clamp) for clamp in (256.0, 1.5, None)]
    for layer in layers[1:]:
        layer.load_state_dict(layers[0].state_dict())
    usual, small, free = (layer(x, style) for layer in layers)
    assert torch.equal(small, free.clamp(-1.5, 1.5)) and torch.equal(usual, free.clamp(-256, 256))


def judge(**changes: Any) -> VideoDiscriminator:
    torch.manual_seed(0)
    sizes: Any = {"channel_base": 64, "channel_max": 8, "fusion_resolution": 8, "time_embedding": 4, "fusion": "concat"}
    return VideoDiscriminator(16, DiscriminatorConfig(**sizes, **changes), 3)


def test_a_deaf_judge_does_not_hear_times() -> None:
    images, times = torch.randn(3, 3, 16, 16), torch.tensor([[0.0, 1.0, 2.0], [0.0, 5.0, 9.0]])
    for hears in (True, False):
        network = judge(hears_conditions=hears)
        verdicts = [network(images, row[None]) for row in times]
        assert torch.equal(*verdicts) != hears


def test_published_judges_options_are_settings_and_others_refused() -> None:
    cfg = {"num_frames_div_factor": 4, "dummy_c": True, "concat_res": 8, "always_update": False, "odd": False}
    args = Arguments({"channel_base": 64, "channel_max": 8, "conv_clamp": None, "num_fp16_res": 0, "cfg": cfg})
    found = discriminator_settings(snapshot := Snapshot(Arguments({}), {}, args, {}))
    assert (found["fusion_divisor"], found["hears_conditions"], found["clamp"]) == (4, False, None)
    refuse_rest(snapshot)
    assert judge(fusion_divisor=4).blocks["16"].conv1.weight.shape[0] == 2
    cfg["odd"] = 7
    with pytest.raises(CheckpointError, match=r"discriminator was built with cfg\.odd = 7"):
        refuse_rest(snapshot)


@pytest.mark.parametrize(("padded", "layers"), [(0, [0] * 5), (2, [2, 2, 0, 0, 0]), (6, [2] * 5)])
def test_published_padding_along_time(padded: int, layers: list[int]) -> None:
    tensors = {f"video_discr.main.{number}.weight": torch.zeros(1, 1, 4, 4, 4) for number in range(5)}
    settings = _time_padding(padded, tensors)
    assert time_padding(16, 5, settings["time_padding"], settings["padded_layers"]) == layers


@pytest.mark.parametrize("state", [[], 3, torch.zeros(2), {"generator": 1}, {"discriminator": {"a": "b"}}])
def test_a_training_state_of_another_shape(state: Any, tmp_path: Path) -> None:
    from smoothvid.checksums import write_checksums

    save_file({"a": torch.zeros(2)}, tmp_path / "model.safetensors")
    torch.save(state, tmp_path / "state.pt")
    write_checksums(tmp_path, "model.safetensors", "state.pt")
    with pytest.raises(CheckpointError, match=r"state\.pt"):
        load_state(tmp_path)


@pytest.mark.parametrize("dtype", ["F8_E4M3", "BOOL", "I32", "C64", "X"])
def test_odd_types_of_tensors(dtype: str, tmp_path: Path) -> None:
    folder = shipped_folder("drive")
    assert folder is not None
    data = (folder / "model.safetensors").read_bytes()
    (size,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + size])
    header[next(name for name in header if name != "__metadata__")]["dtype"] = dtype
    text = json.dumps(header).encode()
    (tmp_path / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data[8 + size :])
    with pytest.raises(CheckpointError, match=dtype):
        read_model(tmp_path / "model.safetensors")


@pytest.mark.parametrize(
    ("start", "words"),
    [
        (b"\0\0\0\x20ftypisom", r"a video; make a dataset of it: smoothvid prepare"),
        (b"\x89PNG", "a picture"),
        (b"<html>", "a web page"),
        (b"\x80\x04x", "a pickle"),
        (b"", "an empty file"),
    ],
)
def test_other_files_are_told_by_what_they_are(start: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(start)
    with pytest.raises(DataError, match=words):
        open_dataset(tmp_path / "file")


def test_a_folder_of_videos_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    with pytest.raises(DataError, match="videos .a.mp4.; make a dataset"):
        open_dataset(tmp_path)


def test_info_shows_strangers_text_as_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from smoothvid_cli.info import info

    said = {"family": "\x1b[31mred", "kind": "run", "label_names": ["a\nb"]}
    save_file({"a": torch.zeros(2)}, tmp_path / "a.safetensors", {"smoothvid": json.dumps(said)})
    for as_json in (False, True):
        info(tmp_path / "a.safetensors", as_json=as_json)
        printed = capsys.readouterr().out
        assert "\\u001b[31mred" in printed and all(line.isprintable() for line in printed.splitlines())
        assert "model file" in printed and "a\\nb" in printed
    save_file({"a": torch.zeros(2)}, tmp_path / "b.safetensors")
    info(tmp_path / "b.safetensors")
    assert "none of smoothvid's models" in capsys.readouterr().out


def test_mutated_datasets(prepared: Path) -> None:
    assert fuzz("datasets", range(20), prepared) == {}
    assert open_dataset(prepared).read(1, [2]).shape == (1, 3, 16, 16)  # the good one is good
