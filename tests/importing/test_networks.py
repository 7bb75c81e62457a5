"""Snapshots written as the published code writes them, by stand-ins of ours, become checkpoints with equal tensors."""

import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from smoothvid.errors import CheckpointError
from smoothvid.importing.checkpoint import ImportRequest, import_snapshot
from smoothvid.importing.convert import convert
from smoothvid.importing.networks import read_networks
from smoothvid.importing.read import grouped
from smoothvid.importing.records import unpickle
from smoothvid.nn import stylegan2
from smoothvid.sampling.model import load_model
from smoothvid.training.checkpoint import load_state
from smoothvid.training.run import RunRequest, prepare_run

from ..numerics.parity import Variant, relative_error
from .published import JUDGE_NAMES, NAMES, built, published, settings, snapshot, stylesv_cfg, video_cfg
from .standins import MARKER, DictConfig, EasyDict, dumps, network

STYLESV = {
    "linear": {},
    "bspline": {"motion": {"kind": "bspline"}, "discriminator": {"fusion": "concat", "temporal_shift": False}},
    "added": {"generator": {"fuse": "add", "channel_max": 16}},
    "low rank": {"motion": {"kind": "bspline-embedding"}, "generator": {"low_rank": 2}},
}


def equal(ours: dict[str, Tensor], theirs: nn.Module) -> bool:
    expected = theirs.state_dict()
    return ours.keys() == expected.keys() and all(torch.equal(ours[name], expected[name]) for name in expected)


def taken(tmp_path: Path, data: bytes, **request: Any) -> dict[str, Any]:
    """Import a snapshot; nothing of it may run, and nothing of it may be left in this process."""
    modules = set(sys.modules)
    (tmp_path / "snapshot.pkl").write_bytes(data)
    report = import_snapshot(ImportRequest(path=tmp_path / "snapshot.pkl", out=tmp_path / "out", **request))
    assert not (tmp_path / MARKER).exists()
    strange = {name.split(".")[0] for name in set(sys.modules) - modules}
    assert not strange & {"torch_utils", "dnnlib", "src", "omegaconf", "training"}
    return report


@pytest.mark.parametrize(
    ("kind", "written"),
    [
        ("linear", {"cuda": True}),
        ("bspline", {"below_src": False}),
        ("added", {"protocol": 1}),
        ("low rank", {"protocol": 5}),
    ],
)
@pytest.mark.usefixtures("read_here")
def test_stylesv(kind: str, written: dict[str, Any], tmp_path: Path) -> None:
    config = settings("stylesv", **STYLESV[kind])
    generator, discriminator = built("stylesv", config)
    average, _ = built("stylesv", config, seed=1)
    nets = snapshot(tmp_path / MARKER, config, (generator, average), discriminator, stylesv_cfg(config))
    report = taken(tmp_path, dumps(nets, **written))

    model = load_model(tmp_path / "out", "cpu")
    assert model.config == config.__class__(**{**vars(config), "discriminator": model.config.discriminator})
    assert model.fps == 30 and model.family == "stylesv" and model.label_names == []
    state = load_state(tmp_path / "out")
    assert equal(state["average"], average) and equal(state["generator"], generator)
    assert equal(state["discriminator"], discriminator) and state["phase"] == "train"
    assert report["taken"]["G_ema"] == len(published(average.state_dict(), NAMES))
    assert report["left_out"]["augment_pipe"] == "AugmentPipe" and report["left_out"]["G_opt"] == "dict"
    assert report["fresh"] == [] == report["notes"]
    assert (tmp_path / "out" / "preview.png").stat().st_size > 100
    assert report["frames"]["min"] < report["frames"]["mean"] < report["frames"]["max"]


@pytest.mark.usefixtures("read_here")
def test_styleganv_with_labels(tmp_path: Path) -> None:
    config = settings("styleganv")
    generator, discriminator = built("styleganv", config, c_dim=3)
    average, _ = built("styleganv", config, c_dim=3, seed=1)
    average.mapping.w_avg.zero_()  # type: ignore[operator,union-attr]
    nets = snapshot(tmp_path / MARKER, config, (generator, average), discriminator, video_cfg(config), c_dim=3)
    report = taken(tmp_path, dumps(nets), label_names=("a", "b", "c"), fps=12.5)

    model = load_model(tmp_path / "out", "cpu")
    assert model.family == "styleganv" and model.fps == 12.5 and model.label_names == ["a", "b", "c"]
    state = load_state(tmp_path / "out")
    assert equal(state["discriminator"], discriminator)
    # Truncation leads to the mean content even if the snapshot does not hold it.
    mean = torch.cat([model.contents([seed])[:, 0] for seed in range(300)]).mean(0)
    found = state["average"].pop("mapping.w_avg")
    assert (found - mean).norm() < 0.1 * mean.norm() and "mean of 4096" in report["notes"][0]
    assert equal({**state["average"], "mapping.w_avg": torch.zeros(16)}, average)


@pytest.mark.usefixtures("read_here")
def test_an_image_model_of_stylesv_starts_a_training(tmp_path: Path, tiny_config: Any, tiny_dataset: Path) -> None:
    config = settings("stylesv")
    generator, discriminator = built("stylesv", config, num_frames=1)
    cfg = stylesv_cfg(config, num_frames=1)
    report = taken(tmp_path, dumps(snapshot(tmp_path / MARKER, config, (generator,) * 2, discriminator, cfg)))
    assert report["kind"] == "images" and load_state(tmp_path / "out")["phase"] == "pretrain"

    model = {"family": "stylesv", "model": load_model(tmp_path / "out").config}
    request = RunRequest(
        dataset=tiny_dataset,
        out=tmp_path / "run",
        phase="train",
        config=tiny_config("stylesv", {}).__class__(**{**vars(tiny_config()), **model}),
        init=tmp_path / "out",
    )
    training, reports = prepare_run(request)
    # The image network knows no labels, the dataset has two; and motion begins as the settings say.
    assert set(reports["generator"].dropped) == {
        "mapping.layers.0.weight",
        "motion.conv0.weight",
        "synthesis.motion_mask",
    }
    weight = generator.state_dict()["synthesis.layers.1.conv.weight"]
    assert torch.equal(training.generator.state_dict()["synthesis.layers.1.conv.weight"], weight)


def plain_stylegan3(tmp_path: Path, **options: Any) -> tuple[nn.Module, dict[str, Any]]:
    """An alias-free network without motion: ours with the motion left out, and the snapshot of one."""
    config = settings("stylesv", generator={"fuse": "layers"}, motion={"start": "weights"})
    generator, discriminator = built("stylesv", config, num_frames=1)
    state = generator.state_dict()
    for name, tensor in state.items():
        if "motion" in name:
            tensor.zero_()
    image = {name: tensor for name, tensor in state.items() if "motion" not in name}
    g = config.generator
    sizes = {"channel_base": g.channel_base, "channel_max": g.channel_max, "num_layers": 4, "first_stopband": 4.0}
    kwargs = {"z_dim": 8, "w_dim": 16, "c_dim": 0, "img_resolution": 16, "img_channels": 3, "margin_size": 2}
    kwargs |= {"mapping_kwargs": EasyDict(num_layers=2), **sizes, **options}
    judge = {"channel_base": 256, "channel_max": 16, "img_resolution": 16, "img_channels": 3, "c_dim": 0}
    nets = {
        "G": None,
        "D": network("Discriminator", published(discriminator.state_dict(), JUDGE_NAMES), tmp_path / MARKER, **judge),
        "G_ema": network("Generator", published(image, NAMES), tmp_path / MARKER, **kwargs),
    }
    return generator, nets


@pytest.mark.usefixtures("read_here")
def test_stylegan3_t_draws_the_same_pictures(tmp_path: Path) -> None:
    generator, nets = plain_stylegan3(tmp_path)
    report = taken(tmp_path, dumps(nets, below_src=False))
    assert report["family"] == "stylesv" and report["kind"] == "images" and set(report["taken"]) == {"G_ema", "D"}
    assert report["fresh"] and all("motion" in name for name in report["fresh"])
    model = load_model(tmp_path / "out", "cpu")
    ws = model.contents([0, 1])
    with torch.no_grad():
        expected = generator.eval().synthesis(ws, torch.zeros(2, 1, 16))
    for time in (0.0, 7.5):
        frames = model.render(ws, model.motions([0, 1], np.array([time])))[:, 0]
        assert (frames - expected).abs().max() <= 1e-5 * expected.abs().max()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"conv_kernel": 1, "use_radial_filters": True}, "StyleGAN3-R"),
        ({"img_channels": 4}, "img_channels = 4"),
        ({"channel_max": 4}, r"by its settings there is \[4"),
        ({"img_resolution": "16"}, "resolution"),
        ({"img_resolution": 1024, "w_dim": 8192, "channel_base": 2**20, "channel_max": 8192}, "channel_base must be"),
        ({"w_dim": 8192, "channel_base": 2**20, "channel_max": 8192}, "by its settings"),
        ({"slope": 0.3}, "its generator was built with slope = 0.3, which"),
        ({"activation": "relu"}, "activation = relu"),
        ({"channel_base": 8}, "channel_base must be"),
        ({"first_stopband": 1000.0}, "stopband"),
        ({"w_dim": 2**40}, "w_dim"),
        ({"first_cutoff": float("nan")}, "first_cutoff"),
    ],
)
@pytest.mark.usefixtures("read_here")
def test_what_cannot_be_taken_over_is_refused_with_the_reason(
    options: dict[str, Any], words: str, tmp_path: Path
) -> None:
    _, nets = plain_stylegan3(tmp_path, **options)
    with pytest.raises(CheckpointError, match=words):
        taken(tmp_path, dumps(nets))
    assert sorted(item.name for item in tmp_path.iterdir()) == ["snapshot.pkl"]


@pytest.mark.usefixtures("read_here")
def test_stylegan2_draws_the_same_pictures_but_for_noise(tmp_path: Path) -> None:
    config = settings("styleganv")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        image = stylegan2.Synthesis(16, 16, 128, 8)
        mapping = built("styleganv", config)[0].mapping
    state = {f"synthesis.{name}": tensor for name, tensor in image.state_dict().items()}
    state |= {f"mapping.{name}": tensor for name, tensor in mapping.state_dict().items()}
    tensors = published(state, NAMES)
    tensors["synthesis.b4.const"] = tensors.pop("synthesis.b4.input.input.const")[0]
    tensors |= {
        "synthesis.b8.conv0.noise_const": torch.randn(8, 8),
        "synthesis.b8.conv0.noise_strength": torch.ones([]),
    }
    sizes = {"synthesis_kwargs": EasyDict(channel_base=128, channel_max=8), "mapping_kwargs": EasyDict(num_layers=2)}
    kwargs = {"z_dim": 8, "w_dim": 16, "c_dim": 0, "img_resolution": 16, "img_channels": 3, **sizes}
    report = taken(tmp_path, dumps({"G_ema": network("Generator", tensors, tmp_path / MARKER, **kwargs)}))
    assert report["family"] == "styleganv" and "noise, not used here" in report["left_out"].values()

    model = load_model(tmp_path / "out", "cpu")
    ws = model.contents([0, 1])
    with torch.no_grad():
        expected = image.draw(ws)
    frames = model.render(ws, model.motions([0, 1], np.array([7.5])))[:, 0]
    assert (frames - expected).abs().max() <= 1e-5 * expected.abs().max()


@pytest.mark.usefixtures("read_here")
def test_a_reference_that_leads_out_of_the_file_is_named_if_it_is_needed(tmp_path: Path) -> None:
    config = settings("stylesv")
    nets = snapshot(
        tmp_path / MARKER,
        config,
        (built("stylesv", config)[0],) * 2,
        built("stylesv", config)[1],
        {
            **stylesv_cfg(config),
            "sampling": {"num_frames_per_video": 3, "distance": "${env:DISTANCE}", "fps": "${far.away}"},
        },
    )
    with pytest.raises(CheckpointError, match=r"cfg.motion.motion_z_distance is \$\{env:DISTANCE\}"):
        taken(tmp_path, dumps(nets))


@pytest.mark.parametrize(
    ("name", "judge"), [("b_g_bspline", None), ("n_styleganv_g", "o_styleganv_d"), ("p_mocogan_g", "q_mocogan_d")]
)
def test_published_numbers(name: str, judge: str | None, tmp_path: Path) -> None:
    """Weights, settings and arguments of published networks, as a snapshot: their frames and verdicts come out."""
    variants = {key: Variant(file) for key, file in (("G_ema", name), ("D", judge)) if file}
    nets = {}
    for key, variant in variants.items():
        sizes = {**variant.facts["constructor"], "cfg": DictConfig(variant.facts["config"])}
        sizes.pop("mapping_num_layers", None)  # it is counted
        nets[key] = network("Network", variant.state(), tmp_path / MARKER, **sizes)
    data = dumps(nets, cuda=True)
    converted = convert(grouped(*read_networks(unpickle(io.BytesIO(data)), len(data))))
    variant, generator = variants["G_ema"], converted.networks["average"].eval()
    times = variant.array("t").double()[:1, :1]
    with torch.no_grad():
        frame = generator(variant.input("z")[:1], None, variant.input("motion_z")[:1], times)
    assert relative_error(frame[0], variant.array("img_frame0").reshape(frame[0].shape)) <= 1e-4
    if judge == "o_styleganv_d":
        logits = converted.networks["discriminator"](variants["D"].input("img"), variants["D"].array("t").double())
        assert relative_error(logits, variants["D"].array("logits").reshape(-1)) <= 1e-4
    if judge is not None:
        assert "D" in converted.taken, converted.left_out
