"""The floor of a network is its convolutions: all of them, as often as they are made, and nothing else."""

from collections import Counter
from typing import Any

import pytest
import torch
from torch import Tensor

from smoothvid.bench import floor
from smoothvid.bench.case import BenchSettings, Case
from smoothvid.bench.floor import Convolution, convolutions_of, copied
from smoothvid.bench.networks import discriminator, generator, grouped_modconv
from smoothvid.bench.training import iteration, r1
from smoothvid.nn.alias_free import layer_bands
from smoothvid.nn.modulation import ModulatedConv
from smoothvid.run_config import RunConfig

CPU = torch.device("cpu")


def expected_of_generator(config: RunConfig, num_frames: int) -> Counter[Any]:
    """(input, kernel) shapes as the paper's schedule has them: 3 × 3 over a border of two, then 1 × 1 to colours."""
    g = config.model.generator
    names = "num_layers num_critical first_cutoff first_stopband last_stopband_rel margin channel_base channel_max"
    bands = layer_bands(config.model.resolution, *(getattr(g, name) for name in names.split()))
    layers = zip([bands[0], *bands], bands[: g.num_layers], strict=False)
    shapes = [((num_frames, a.channels, a.size, a.size), (b.channels, a.channels, 3, 3)) for a, b in layers]
    last = bands[g.num_layers - 1]
    return Counter([*shapes, ((num_frames, last.channels, last.size, last.size), (3, last.channels, 1, 1))])


def expected_of_discriminator(config: RunConfig, num_frames: int) -> Counter[Any]:
    """One 1 × 1 from colours, one from how they change; three a block, one of them on frames that were blurred with a
    border of two; one last."""
    d, side, count = config.model.discriminator, config.model.resolution, num_frames

    def width(resolution: int) -> int:
        return int(min(d.channel_base // resolution, d.channel_max))

    shapes = [((count, 3, side, side), (width(side), 3, 1, 1))] * 2
    while side > 4:
        count = 1 if side == d.fusion_resolution else count
        wide, narrow = width(side), width(side // 2)
        shapes += [
            ((count, wide, side, side), (wide, wide, 3, 3)),
            ((count, wide, side + 1, side + 1), (narrow, wide, 3, 3)),
            ((count, wide, side // 2, side // 2), (narrow, wide, 1, 1)),
        ]
        side //= 2
    return Counter([*shapes, ((count, width(4) + 1, 4, 4), (width(4), width(4) + 1, 3, 3))])


def shapes_of(convolutions: list[Convolution]) -> Counter[Any]:
    return Counter((c.x, c.weight) for c in convolutions)


def floor_of(case: Case) -> list[Convolution]:
    case.calls["floor"]()  # the first time it finds out what they are
    return convolutions_of(case.calls["floor"])


def test_the_generators_floor() -> None:
    """So wide that the fastest path makes these convolutions in another way than PyTorch."""
    wide = "model.generator.channel_max=160", "model.generator.channel_base=16384"
    settings = BenchSettings(preset="tiny", sets=wide, device="cpu")
    [case] = generator(settings)
    found = floor_of(case)
    assert shapes_of(found) == expected_of_generator(settings.config("tiny"), 1)
    assert all(c.wanted is None and c.geometry[5] == 1 for c in found)  # forwards, in one group


def test_the_discriminators_floor() -> None:
    mean = "model.discriminator.fusion='mean'", "model.discriminator.fusion_resolution=16"
    settings = BenchSettings(preset="tiny", sets=mean, device="cpu")
    [case] = discriminator(settings)
    found = floor_of(case)
    assert shapes_of(found) == expected_of_discriminator(settings.config("tiny"), 3)
    assert all(c.wanted is None and c.geometry[5] == 1 for c in found)


def test_a_trainings_floor_has_every_pass() -> None:
    """G runs twice, with gradients once; D on both fakes, the reals and the reals in disorder, at first for its input
    alone."""
    settings = BenchSettings(
        preset="tiny", sets=("train.share_fakes=false", "model.discriminator.pictures=0"), device="cpu"
    )
    [case] = iteration(settings)
    found = [c for c in floor_of(case) if len(c.x) == 4]  # motion codes come from some in one dimension
    g = expected_of_generator(settings.config("tiny"), 3).total()
    d = 3 + 3 * 3  # blocks at 32, 16 and 8
    wanted = Counter(c.wanted for c in found)
    assert wanted[None] == 2 * g + 4 * d
    # G's phase goes through D to its input. In D's phase the two first layers of each pass have no input to go on to.
    assert (wanted[True, False], wanted[False, True], wanted[True, True]) == (d, 3 * 2, g + 3 * (d - 2))


def test_the_penaltys_floor_has_second_derivatives() -> None:
    [case] = r1(BenchSettings(preset="tiny", device="cpu"))
    found = floor_of(case)
    d = 3 + 3 * 3
    assert len(found) > 3 * d and sum(c.wanted is not None for c in found) >= 2 * d


def test_a_recorded_gradient_is_the_gradient() -> None:
    """Asking autograd for one gradient only is noted as such."""
    x, weight = torch.randn(1, 2, 5, 5, requires_grad=True), torch.randn(3, 2, 3, 3)
    forward, backward = convolutions_of(lambda: torch.conv2d(x, weight, padding=1, stride=2).sum().backward())
    assert (forward.wanted, backward.wanted) == (None, (True, False))
    assert forward.geometry == backward.geometry == ((2, 2), (1, 1), (1, 1), False, (0, 0), 1)
    assert (backward.x, backward.weight, backward.y) == ((1, 2, 5, 5), (3, 2, 3, 3), (1, 3, 3, 3))


def test_a_copy_touches_as_many_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Tensor] = []
    real = torch.empty
    monkeypatch.setattr(floor.torch, "empty", lambda *a, **k: made.append(real(*a, **k)) or made[-1])
    copy = copied(1000, CPU)
    source = copy()
    assert made[0].numel() == 500 and torch.equal(made[0], source)  # 500 read, 500 written


@pytest.mark.parametrize("rank", [0, 4])
def test_the_plain_modulated_convolution_is_the_same_math(rank: int) -> None:
    torch.manual_seed(0)
    conv = ModulatedConv(6, 5, 3, 8, low_rank=rank, v_dim=7).double()
    if rank:
        torch.nn.init.normal_(conv.low_rank_gain)
    x, w, v = (torch.randn(*shape).double() for shape in ((3, 6, 9, 9), (3, 8), (3, 7)))
    torch.testing.assert_close(grouped_modconv(conv, x, w, v), conv(x, w, v), rtol=1e-9, atol=1e-9)
