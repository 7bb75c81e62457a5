"""MoCoGAN on StyleGAN2 against the published networks' numbers, with weights rebuilt by rule: relative error ≤ 1e-4."""

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor

from smoothvid.models.adversarial import over_judges
from smoothvid.models.mocogan_sg2.config import DiscriminatorConfig, MoCoGANSG2Config
from smoothvid.models.mocogan_sg2.discriminator import DiscriminatorPair
from smoothvid.models.mocogan_sg2.generator import Generator
from smoothvid.models.mocogan_sg2.published import (
    pair_settings,
    published_config,
    published_generator,
    published_pair,
)
from smoothvid.models.published import refuse_rest
from smoothvid.nn.losses import fake_loss, r1_penalty, real_loss

from .parity import Variant, draw, gradient_norms, record_outputs, relative_error, strided, variants

TOLERANCE = 1e-4
GRADIENT_TOLERANCE = 1e-3


def compare(variant: Variant, found: dict[str, Tensor], tolerance: float = TOLERANCE) -> None:
    for key, ours in found.items():
        error = relative_error(ours, variant.array(key).reshape(ours.shape))
        assert error <= tolerance, f"{key}: {error:.2e}"


def build_generator(variant: Variant) -> Generator:
    snapshot = variant.snapshot()
    config = published_config(snapshot)
    refuse_rest(snapshot)
    generator = Generator(config, variant.facts["constructor"]["c_dim"])
    generator.load_state_dict(published_generator(snapshot.generator), strict=True)
    return generator.eval()


@pytest.mark.parametrize("name", variants("mocogan-sg2"))
@pytest.mark.usefixtures("means_at_once")
def test_generator(name: str) -> None:
    variant = Variant(name)
    generator = build_generator(variant)
    outputs = record_outputs(generator)
    z, c, motion_z = (variant.input(key) for key in ("z", "c", "motion_z"))
    times = variant.array("t").double()
    images = generator(z, c, motion_z, times)
    step = images.shape[2] // 32
    found = {
        "ws_all_equal": outputs["mapping"][:, 0],
        "motion_v": outputs["motion"].flatten(0, 1),
        "img_frame0": images[0],
        "img_s": images[:, :, ::step, ::step],
    }
    for layer in variant.facts["layer_table"]:
        side, part = layer["name"].removeprefix("b").split(".")
        found[f"layer/{layer['name']}_s"] = strided(
            outputs[f"synthesis.blocks.{side}.{part.replace('torgb', 'to_rgb')}"], 4, 8
        )
        found[f"rgb/b{side}_s"] = strided(outputs[f"synthesis.blocks.{side}"][1], 4, 8)
    first_times = torch.arange(8, dtype=torch.float64).expand(2, -1)
    path = super(type(generator.motion), generator.motion).forward(motion_z, first_times, c)
    found["rnn_out_first8_dims_step16"] = path[:, :, ::16]
    compare(variant, found)
    pattern = torch.from_numpy(draw("checksum_pattern", list(images.shape), variant.suffix)).double()
    checksum = (images.detach().double() * pattern).sum((1, 2, 3))
    scale = images.detach().double().norm() * pattern.norm() / len(images)
    assert float((checksum - variant.array("stat/img_checksum")).abs().max() / scale) <= TOLERANCE
    if "ema_w_avg_after" in variant.arrays:
        with torch.no_grad():
            generator(z, c, motion_z, times, update_emas=True)
            after = generator(z, c, motion_z, times, truncation_psi=0.5)
        compare(variant, {"ema_w_avg_after": generator.mapping.w_avg, "img_after_ema_s": after[:, :, ::step, ::step]})


@pytest.mark.parametrize("name", variants("mocogan-sg2", having="grad_z"))
def test_generator_gradients(name: str) -> None:
    variant = Variant(name)
    generator = build_generator(variant).double()
    z, motion_z = (variant.input(key).double().requires_grad_(True) for key in ("z", "motion_z"))
    images = generator(z, variant.input("c").double(), motion_z, variant.array("t").double())
    (images * torch.from_numpy(draw("img_cotangent", list(images.shape), variant.suffix))).sum().backward()
    assert z.grad is not None and motion_z.grad is not None
    found = {
        "grad_z": z.grad,
        "stat/grad_motion_z_norm_per_code": motion_z.grad.norm(dim=2),
        "stat/grad_norms": gradient_norms(generator, variant, published_generator),
    }
    compare(variant, found, GRADIENT_TOLERANCE)


def build_pair(variant: Variant) -> DiscriminatorPair:
    snapshot, facts = variant.snapshot(), variant.facts
    config = MoCoGANSG2Config(
        resolution=facts["constructor"]["img_resolution"],
        discriminator=DiscriminatorConfig(**pair_settings(snapshot)),
    )
    refuse_rest(snapshot)
    pair = DiscriminatorPair(config, facts["config"]["num_frames_per_video"])
    assert snapshot.discriminator is not None
    pair.load_state_dict(published_pair(snapshot.discriminator), strict=True)
    pair.train(variant.facts["video_mode"].startswith("training"))
    return pair


def give_noise(monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    """Let noise layers add the draws named noise.0, noise.1 .. one after the other."""
    count = itertools.count()

    def named(like: Tensor) -> Tensor:
        return torch.from_numpy(draw(f"noise.{next(count)}", list(like.shape), suffix)).to(like)

    monkeypatch.setattr(torch, "randn_like", named)


@pytest.mark.parametrize("name", variants("pair"))
def test_pair(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    variant = Variant(name)
    give_noise(monkeypatch, variant.suffix)
    pair, rows = build_pair(variant), variant.facts["constructor"]["img_resolution"] // 16
    outputs = record_outputs(pair)
    images = variant.input("img").requires_grad_(True)
    logits = [pair.judge_images(images), pair.judge_videos(images)]
    found = {"image_logits": logits[0].flatten(), "video_logits": logits[1]}
    for resolution in pair.image.blocks:
        found[f"block/image_discr.b{resolution}_s"] = strided(outputs[f"image.blocks.{resolution}"][::4], 4, 4)
    convolutions = [layer["index"] for layer in variant.facts["video_layers"] if layer["kind"] == "convolution"]
    for number, index in enumerate(convolutions):
        out = outputs[f"video.{number}.conv"]
        thinned = strided(out.transpose(1, 2).flatten(0, 1), 4, 4).unflatten(0, (len(out), -1)).transpose(1, 2)
        found[f"layer/video_discr.main.{index}_s"] = thinned[:, :, :: max(1, out.shape[2] // 4)]
    loss = over_judges(real_loss, logits).mean()
    found["stat/real_loss"], found["stat/fake_loss"] = loss, over_judges(fake_loss, logits).mean()
    penalty = found["r1_penalty_per_frame"] = r1_penalty(logits[0], images)  # [B·T]
    compare(variant, found)
    if pair.training:
        state = pair.state_dict()
        running = [key for key in variant.arrays if key.startswith("running_after/")]
        ours = published_pair({key.removeprefix("running_after/"): variant.array(key) for key in running})
        assert len(ours) == 6
        for key, theirs in ours.items():
            assert relative_error(state[key], theirs) <= TOLERANCE, key

    (gradient,) = torch.autograd.grad(loss, images, retain_graph=True)
    ours, theirs = gradient[::4, :, ::rows, ::rows], variant.array("real_loss_img_grad_s")
    # Few values go through an activation whose input is so near its kink that rounding decides on which side it is.
    near = (ours - theirs).abs() <= GRADIENT_TOLERANCE * theirs.abs().max()
    assert float(near.float().mean()) >= 0.99 and relative_error(ours, theirs) <= 3e-3
    loss.backward(retain_graph=True)
    norms = gradient_norms(pair, variant, published_pair)
    compare(variant, {"stat/real_loss_param_grad_norms": norms}, GRADIENT_TOLERANCE)

    pair.zero_grad()
    (penalty.mean() * variant.facts["r1_gamma"] / 2).backward()
    norms = gradient_norms(pair, variant, published_pair)
    compare(variant, {"stat/r1_param_grad_norms": norms}, GRADIENT_TOLERANCE)


def test_the_video_judge_adds_noise_in_training_alone() -> None:
    torch.manual_seed(0)
    pair: Any = DiscriminatorPair(MoCoGANSG2Config(resolution=16, discriminator=DiscriminatorConfig(video_width=4)), 3)
    images = torch.randn(3, 3, 16, 16)
    assert not torch.equal(pair.judge_videos(images), pair.judge_videos(images))
    pair.eval()
    assert torch.equal(pair.judge_videos(images), pair.judge_videos(images))
