"""Every preset holds together: its settings are accepted and its networks are of the size that they should be."""

import pytest
import torch

from smoothvid.models import get_family
from smoothvid.run_config import RunConfig, preset_names, resolve


def build(config: RunConfig) -> tuple[torch.nn.Module, torch.nn.Module]:
    """Generator and discriminator of the video training, without memory for their weights."""
    family = get_family(config.family)
    with torch.device("meta"):
        generator = family.build_generator(config.model, 0, False)
        return generator, family.build_discriminator(config.model, config.train.num_frames, 0)


@pytest.mark.parametrize("name", preset_names())
def test_it_builds_for_the_size_in_its_name(name: str) -> None:
    config = resolve(name)
    generator, discriminator = build(config)
    assert name == "tiny" or config.model.resolution == int(name.split("-")[-1])
    with torch.device("meta"):
        times = torch.zeros(2, config.train.num_frames)
        images = torch.zeros(times.numel(), 3, config.model.resolution, config.model.resolution)
    assert discriminator(images, times).shape == (2,)
    assert generator.synthesis.layers[-1].activate.plan.out_size == config.model.resolution


def test_the_largest_has_the_papers_networks() -> None:
    """The published generator at 256² has 30.4 million weights; numerics/ compares what they compute."""
    generator, _ = build(resolve("stylesv-256"))
    assert sum(parameter.numel() for parameter in generator.parameters()) == pytest.approx(30.4e6, rel=0.01)


def test_layers_near_the_pixels_are_as_wide_at_every_size_of_a_family() -> None:
    widths = {name: build(resolve(name))[0].synthesis.to_rgb.conv.weight.shape[1] for name in preset_names()}
    assert {widths[f"stylesv-{side}"] for side in (64, 128, 256)} == {64}
