"""Every preset holds together: its settings are accepted and its networks are of the size that they should be."""

from typing import Any

import pytest
import torch

from smoothvid.models import get_family
from smoothvid.run_config import RunConfig, preset_names, resolve


def build(config: RunConfig) -> tuple[Any, torch.nn.Module]:
    """Generator and discriminator of the video training, without memory for their weights."""
    family = get_family(config.family)
    with torch.device("meta"):
        generator = family.build_generator(config.model, 0, False)
        return generator, family.build_discriminator(config.model, config.train.num_frames, 0)


@pytest.mark.parametrize("name", preset_names())
def test_it_builds_for_the_size_in_its_name(name: str) -> None:
    config = resolve(name)
    generator, discriminator = build(config)
    side, num_frames = config.model.resolution, config.train.num_frames
    assert name.endswith("tiny") or side == int(name.split("-")[-1])
    with torch.device("meta"):
        ws = generator.mapping(torch.zeros(2, generator.z_dim), None)
        images = generator.synthesis(ws, torch.zeros(2, num_frames, generator.motion.v_dim))
        assert images.shape == (2 * num_frames, 3, side, side)
        assert discriminator(images, torch.zeros(2, num_frames)).shape == (2,)


@pytest.mark.parametrize(
    ("name", "millions"), [("stylesv-256", 30.4), ("styleganv-256", 32.1), ("mocogan-sg2-256", 29.6)]
)
def test_the_largest_has_the_papers_networks(name: str, millions: float) -> None:
    """Weights of the published generators at 256²; numerics/ compares what they compute."""
    generator, _ = build(resolve(name))
    assert sum(parameter.numel() for parameter in generator.parameters()) == pytest.approx(millions * 1e6, rel=0.01)


@pytest.mark.parametrize("family", ["stylesv", "styleganv", "mocogan-sg2"])
def test_layers_near_the_pixels_are_as_wide_at_every_size_of_a_family(family: str) -> None:
    generators = [build(resolve(f"{family}-{side}"))[0] for side in (64, 128, 256)]
    assert {last_kernel(generator).shape[1] for generator in generators} == {64}


def last_kernel(generator: torch.nn.Module) -> torch.Tensor:
    """Of the last layer to RGB."""
    return [p for name, p in generator.named_parameters() if "to_rgb" in name and p.ndim == 4][-1]
