"""The whole model against the published system's numbers, with weights rebuilt by rule: relative error ≤ 1e-4."""

import pytest
import torch

from smoothvid.models.published import (
    MOTION_RULES,
    discriminator_settings,
    published_discriminator,
    refuse_rest,
    renamed,
)
from smoothvid.models.styleganv.config import DiscriminatorConfig  # its defaults are those of files that say nothing
from smoothvid.models.stylesv.config import MotionConfig
from smoothvid.models.stylesv.generator import Generator
from smoothvid.models.stylesv.published import published_config, published_generator
from smoothvid.nn.losses import r1_penalty
from smoothvid.nn.motion import Motion, MotionKind
from smoothvid.nn.video_discriminator import VideoDiscriminator

from .parity import Variant, draw, gradient_norms, record_outputs, relative_error, strided, variants

TOLERANCE = 1e-4
GRADIENT_TOLERANCE = 2e-3  # the activation's kink turns rounding into sign flips


def motion_config(facts: dict) -> MotionConfig:
    published = facts["config"]
    kind: MotionKind = "bspline-embedding" if published["bs_emb"] else "bspline"
    time = published["time_enc"]
    return MotionConfig(
        kind=kind if published["bspline"] else "linear",
        distance=published["motion"]["motion_z_distance"],
        min_period=time["min_period_len"],
        max_period=time["max_period_len"],
    )


def build_generator(variant: Variant) -> Generator:
    snapshot = variant.snapshot()
    config = published_config(snapshot)
    refuse_rest(snapshot)
    generator = Generator(config, image_only=not variant.facts["config"]["learnable_motion_mask"])
    generator.load_state_dict(published_generator(snapshot.generator, config), strict=True)
    return generator.eval()


def build_discriminator(variant: Variant) -> VideoDiscriminator:
    snapshot = variant.snapshot()
    config = DiscriminatorConfig(**discriminator_settings(snapshot))
    refuse_rest(snapshot)
    sizes, num_frames = variant.facts["constructor"], variant.facts["config"]["sampling"]["num_frames_per_video"]
    discriminator = VideoDiscriminator(sizes["img_resolution"], config, num_frames, sizes.get("c_dim", 0))
    assert snapshot.discriminator is not None
    discriminator.load_state_dict(published_discriminator(snapshot.discriminator), strict=True)
    return discriminator.eval()


@pytest.mark.parametrize("name", variants("stylesv"))
@pytest.mark.usefixtures("means_at_once")
def test_generator(name: str) -> None:
    variant = Variant(name)
    generator = build_generator(variant)
    outputs = record_outputs(generator)
    call = variant.facts["call_kwargs"]
    z, motion_z, times = variant.input("z"), variant.input("motion_z"), variant.array("t").double()
    z.requires_grad_(True)
    motion_z.requires_grad_(True)
    images = generator(z, None, motion_z, times, **call)

    found = {"motion_v": outputs["motion"].flatten(0, 1), "img_frame0": images[:1]}
    if "ws" in variant.arrays:
        found["ws"] = outputs["mapping"]
    else:
        found["ws_all_equal"] = outputs["mapping"][:, 0]
    first = outputs["synthesis.input"] + outputs["synthesis.input_motion"][:, :, None, None] * (
        generator.synthesis.motion_mask[..., None, None] if generator.synthesis.fuse == "add" else 1
    )
    found["input_feat_s"] = first[:, ::16, ::4, ::4]
    step = images.shape[2] // 32
    found["img_s"] = images[:, :, ::step, ::step]
    for i, published in enumerate(variant.facts["layer_names"]):
        key = f"synthesis.layers.{i}" if i < len(generator.synthesis.layers) else "synthesis.to_rgb"
        found[f"layer/{published}_s"] = strided(outputs[key], 4, 8)
    for key, value in found.items():
        theirs = variant.array(key)
        error = relative_error(value.reshape(theirs.shape), theirs)
        assert error <= TOLERANCE, f"{key}: {error:.2e}"
    pattern = torch.from_numpy(draw("checksum_pattern", list(images.shape), variant.suffix)).double()
    checksum = (images.detach().double() * pattern).sum((1, 2, 3))
    scale = images.detach().double().norm() * pattern.norm() / len(images)
    assert float((checksum - variant.array("stat/img_checksum")).abs().max() / scale) <= TOLERANCE

    if "grad_z" in variant.arrays:
        cotangent = torch.from_numpy(draw("img_cotangent", list(images.shape), variant.suffix))
        (images * cotangent).sum().backward()
        assert z.grad is not None and motion_z.grad is not None
        assert relative_error(z.grad, variant.array("grad_z")) <= GRADIENT_TOLERANCE
        assert (
            relative_error(motion_z.grad.norm(dim=2), variant.array("stat/grad_motion_z_norm_per_code"))
            <= GRADIENT_TOLERANCE
        )
        ours = gradient_norms(generator, variant, lambda names: published_generator(names, generator.config))
        assert relative_error(ours, variant.array("stat/grad_norms")) <= GRADIENT_TOLERANCE

    if "ema_w_avg_after" in variant.arrays:
        with torch.no_grad():
            generator(z, None, motion_z, times, update_emas=True, **call)
            after = generator(z, None, motion_z, times, **call)
        assert relative_error(generator.mapping.w_avg, variant.array("ema_w_avg_after")) <= TOLERANCE
        for i, published in enumerate(variant.facts["layer_names"]):
            layer = [*generator.synthesis.layers, generator.synthesis.to_rgb][i]
            theirs = variant.array(f"ema_magnitude_after/{published}")
            assert relative_error(layer.conv.magnitude_ema, theirs) <= TOLERANCE
        theirs = variant.array("img_after_ema_s")
        assert relative_error(after[:, :, ::step, ::step], theirs) <= TOLERANCE


@pytest.mark.parametrize("name", variants("motion"))
def test_motion(name: str) -> None:
    variant = Variant(name)
    motion = Motion(motion_config(variant.facts))
    ours = renamed(variant.state(), MOTION_RULES)
    motion.load_state_dict({key.removeprefix("motion."): value for key, value in ours.items()}, strict=True)
    motion_z = variant.input("motion_z")
    grid, selected = variant.array("t_grid").double(), variant.array("t_sel").double()
    with torch.no_grad():
        v_grid = motion(motion_z[:1], grid[None])[0, :, ::16]
        v_selected = motion(motion_z, selected.expand(2, -1))
    assert relative_error(v_grid, variant.array("motion_v_grid_dims_step16")) <= TOLERANCE
    assert relative_error(v_selected, variant.array("motion_v_sel")) <= TOLERANCE
    # The same codes read through the smallest window that holds them give the same motion.
    # In double precision: in single, convolutions of other lengths round in other ways on some processors.
    first, count = motion.code_range(selected.expand(2, -1)[:, -3:])
    codes = motion_z.double()
    window = codes[:, int(first[0]) : int(first[0]) + count]
    motion.double()
    with torch.no_grad():
        whole = motion(codes, selected.expand(2, -1))
        v_window = motion(window, selected.expand(2, -1)[:, -3:], first_code=first)
    assert relative_error(v_window, whole[:, -3:]) <= 1e-12


@pytest.mark.parametrize("name", variants("discriminator"))
def test_discriminator(name: str) -> None:
    variant = Variant(name)
    discriminator = build_discriminator(variant)
    outputs = record_outputs(discriminator)
    images, times = variant.input("img"), variant.array("t").double()
    images.requires_grad_(True)
    logits = discriminator(images, times, variant.input("c"))
    found = {"logits": logits}
    if "time_diff_embedding" in variant.arrays:
        found["time_diff_embedding"] = outputs["gap_encoding"]
    if "cmap" in variant.arrays and discriminator.condition is not None:
        found["cmap"] = outputs["condition"]
    for resolution in discriminator.blocks:
        found[f"block/b{resolution}_s"] = strided(outputs[f"blocks.{resolution}"], 4, 4)
    for key, value in found.items():
        theirs = variant.array(key)
        error = relative_error(value.reshape(theirs.shape), theirs)
        assert error <= TOLERANCE, f"{key}: {error:.2e}"

    if "r1_penalty_per_frame" in variant.arrays or "stat/r1_penalty_per_frame" in variant.arrays:
        prefix = "" if "r1_penalty_per_frame" in variant.arrays else "stat/"
        gamma = variant.facts["r1_gamma"]
        penalty = r1_penalty(logits, images)  # [N]
        assert relative_error(penalty, variant.array(f"{prefix}r1_penalty_per_frame").reshape(-1)) <= TOLERANCE
        per_video = penalty.reshape(len(logits), -1).mean(1) * gamma / 2
        assert relative_error(per_video, variant.array(f"{prefix}r1_loss_per_video").reshape(-1)) <= TOLERANCE
        per_video.mean().backward(retain_graph=True)
        ours = gradient_norms(discriminator, variant, published_discriminator)
        assert relative_error(ours, variant.array("stat/r1_param_grad_norms")) <= GRADIENT_TOLERANCE
        discriminator.zero_grad()
        torch.nn.functional.softplus(-logits).mean().backward()
        ours = gradient_norms(discriminator, variant, published_discriminator)
        assert relative_error(ours, variant.array("stat/real_loss_param_grad_norms")) <= GRADIENT_TOLERANCE
