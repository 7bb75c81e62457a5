"""StyleGAN-V's generator against the published one's numbers, with weights rebuilt by rule: relative error ≤ 1e-4.

Its discriminator is in test_parity.py, with the others of its kind.
"""

import pytest
import torch

from smoothvid.models.published import refuse_rest
from smoothvid.models.styleganv.generator import Generator
from smoothvid.models.styleganv.published import published_config, published_generator

from .parity import Variant, draw, gradient_norms, record_outputs, relative_error, strided, variants

TOLERANCE = 1e-4
GRADIENT_TOLERANCE = 1e-3


def build(variant: Variant) -> Generator:
    snapshot = variant.snapshot()
    config = published_config(snapshot)
    refuse_rest(snapshot)
    generator = Generator(config, variant.facts["constructor"]["c_dim"])
    generator.load_state_dict(published_generator(snapshot.generator, config), strict=True)
    return generator.eval()


@pytest.mark.parametrize("name", variants("styleganv"))
@pytest.mark.usefixtures("means_at_once")
def test_generator(name: str) -> None:
    variant = Variant(name)
    generator = build(variant)
    outputs = record_outputs(generator)
    call = variant.facts["call_kwargs"]
    z, c, motion_z = (variant.input(key) for key in ("z", "c", "motion_z"))
    times = variant.array("t").double()
    images = generator(z, c, motion_z, times, **call)

    step = images.shape[2] // 32
    found = {
        "motion_v": outputs["motion"].flatten(0, 1),
        "img_frame0": images[0],
        "img_s": images[:, :, ::step, ::step],
    }
    if "ws" in variant.arrays:
        found["ws"] = outputs["mapping"]
    else:
        found["ws_all_equal"] = outputs["mapping"][:, 0]
    for layer in variant.facts["layer_table"]:
        side, part = layer["name"].removeprefix("b").split(".")
        ours = outputs[f"synthesis.blocks.{side}.{part.replace('torgb', 'to_rgb')}"]
        found[f"layer/{layer['name']}_s"] = strided(ours, 4, 8)
        found[f"rgb/b{side}_s"] = strided(outputs[f"synthesis.blocks.{side}"][1], 4, 8)
    for key, value in found.items():
        error = relative_error(value, variant.array(key).reshape(value.shape))
        assert error <= TOLERANCE, f"{key}: {error:.2e}"
    pattern = torch.from_numpy(draw("checksum_pattern", list(images.shape), variant.suffix)).double()
    checksum = (images.detach().double() * pattern).sum((1, 2, 3))
    scale = images.detach().double().norm() * pattern.norm() / len(images)
    assert float((checksum - variant.array("stat/img_checksum")).abs().max() / scale) <= TOLERANCE

    if "ema_w_avg_after" in variant.arrays:
        with torch.no_grad():
            generator(z, c, motion_z, times, update_emas=True, **call)
            after = generator(z, c, motion_z, times, truncation_psi=0.5)
        assert relative_error(generator.mapping.w_avg, variant.array("ema_w_avg_after")) <= TOLERANCE
        theirs = variant.array("img_after_ema_s")
        assert relative_error(after[:, :, ::step, ::step], theirs) <= TOLERANCE


@pytest.mark.parametrize("name", variants("styleganv", having="grad_z"))
def test_gradients(name: str) -> None:
    """In float64: in float32 the activations' kinks turn rounding into sign flips, here 3e-3 of the gradient."""
    variant = Variant(name)
    generator = build(variant).double()
    z, c, motion_z = (variant.input(key).double() for key in ("z", "c", "motion_z"))
    z.requires_grad_(True)
    motion_z.requires_grad_(True)
    images = generator(z, c, motion_z, variant.array("t").double())
    (images * torch.from_numpy(draw("img_cotangent", list(images.shape), variant.suffix))).sum().backward()
    assert z.grad is not None and motion_z.grad is not None
    norms = gradient_norms(generator, variant, lambda names: published_generator(names, generator.config))
    for key, ours in (
        ("grad_z", z.grad),
        ("stat/grad_motion_z_norm_per_code", motion_z.grad.norm(dim=2)),
        ("stat/grad_norms", norms),
    ):
        error = relative_error(ours, variant.array(key))
        assert error <= GRADIENT_TOLERANCE, f"{key}: {error:.2e}"


@pytest.mark.parametrize("name", variants("styleganv")[:1])
def test_sampling_with_prepared_weights_is_the_same(name: str) -> None:
    variant = Variant(name)
    generator = build(variant).requires_grad_(False)
    inputs = variant.input("z"), variant.input("c"), variant.input("motion_z"), variant.array("t").double()
    before = generator(*inputs)
    generator.prepare()
    assert relative_error(generator(*inputs), before) <= 1e-6
