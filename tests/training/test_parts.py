"""The small parts of a training: averages, optimizers, one optimization, the log."""

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from smoothvid.errors import ConfigError
from smoothvid.models.adversarial import phases
from smoothvid.models.family import Phase
from smoothvid.run_config import TrainingConfig, resolve
from smoothvid.training.ema import ema_decay, update_ema
from smoothvid.training.journal import RunLog, Tick, read_log
from smoothvid.training.optim import build_optimizers
from smoothvid.training.step import optimize


def test_the_average_follows_its_closed_form() -> None:
    model, average = nn.BatchNorm1d(3), nn.BatchNorm1d(3)
    with torch.no_grad():
        model.weight.fill_(2.0)
        average.weight.fill_(10.0)
        model.state_dict()["running_mean"].fill_(5.0)
    for _ in range(7):
        update_ema(average, model, 0.9)
    torch.testing.assert_close(average.weight.detach(), torch.full((3,), 2.0 + 8.0 * 0.9**7))
    assert average.running_mean is not None and (average.running_mean == 5).all()  # buffers are means already


def test_the_half_life_is_in_videos_and_bounded_early_on() -> None:
    assert ema_decay(8, 0.08, None, seen=0) ** 10 == pytest.approx(0.5)
    assert ema_decay(8, 1e6, 0.05, seen=1600) ** 10 == pytest.approx(0.5)  # half of 1600 · 0.05 = 80 videos
    assert ema_decay(8, 0.08, 0.05, seen=10**6) == ema_decay(8, 0.08, None, seen=10**6)
    assert ema_decay(8, 0.08, 0.05, seen=0) == 0.0


def test_the_lazy_penalty_rescales_the_discriminator_alone() -> None:
    generator, discriminator = nn.Linear(2, 2), nn.Linear(2, 2)
    config = TrainingConfig(lr_g=0.1, lr_d=0.2, beta1=0.5, beta2=0.9, weight_decay=0.01)
    optimizers = build_optimizers(generator, discriminator, config, phases(4), slow={})
    (group,) = optimizers["generator"].param_groups
    assert (group["lr"], *group["betas"]) == (0.1, 0.5, 0.9)
    (group,) = optimizers["discriminator"].param_groups
    assert (group["lr"], *group["betas"]) == pytest.approx((0.2 * 4 / 5, 0.5 ** (4 / 5), 0.9 ** (4 / 5)))
    assert {optimizer.defaults["weight_decay"] for optimizer in optimizers.values()} == {0.01}


def test_without_a_lazy_penalty_rates_are_what_they_are_set_to_but_for_slow_parts() -> None:
    pair = nn.ModuleDict({"image": nn.Linear(2, 2), "video": nn.Linear(2, 2)})
    optimizers = build_optimizers(nn.Linear(2, 2), pair, TrainingConfig(lr_d=0.2), phases(4)[:2], {"video.": 0.1})
    groups = optimizers["discriminator"].param_groups
    assert [(group["lr"], group["params"]) for group in groups] == [
        (0.2, list(pair["image"].parameters())),
        (pytest.approx(0.02), list(pair["video"].parameters())),
    ]


def one_phase(loss: Any, interval: int = 1, of: int = 1) -> tuple[SimpleNamespace, bool]:
    """Optimize the generator, one number, by gradient descent with rate 1, from 0: its last part, whether it moved."""
    networks = {"generator": nn.Linear(1, 1, bias=False), "discriminator": nn.Linear(1, 1, bias=False)}
    nn.init.zeros_(networks["generator"].weight)
    real = SimpleNamespace(frames=torch.zeros(1))
    parts: Any = [SimpleNamespace(**networks, real=real, report={}, part=part, of=of) for part in range(of)]
    optimizer = torch.optim.SGD(networks["generator"].parameters(), lr=1.0)
    return parts[-1], optimize(Phase("name", "generator", loss, interval), parts, optimizer)


def test_a_phase_moves_its_own_network_and_leaves_no_gradient_elsewhere() -> None:
    def loss(step: Any) -> Tensor:
        return (step.generator.weight * 3 + step.discriminator.weight * 5).expand(2, 1)

    step, moved = one_phase(loss, interval=4)
    assert moved and step.generator.weight.item() == -12  # gradient 3, four times as heavy for coming every fourth step
    assert step.discriminator.weight.grad is None
    value = step.report["loss_name"]
    assert value.item() == pytest.approx(5 * step.discriminator.weight.item()) and not value.requires_grad


def test_parts_give_the_mean_gradient() -> None:
    step, _ = one_phase(lambda step: step.generator.weight * (3.0, 5.0, 10.0)[step.part], of=3)
    assert step.generator.weight.item() == pytest.approx(-6)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_gradients_that_are_not_finite_are_left_out(bad: float) -> None:
    step, moved = one_phase(lambda step: step.generator.weight * bad)
    assert not moved and step.generator.weight.item() == 0


def test_a_tick_is_the_mean_of_its_steps() -> None:
    tick = Tick()
    for value in (1.0, 2.0, 6.0, math.nan, math.inf):
        tick.add({"loss": value})
    tick.add({"rare": 4.0})
    assert Tick(tick.sums).close() == {"loss": 3.0, "rare": 4.0}  # a tick that was broken off goes on
    assert tick.close() == {"loss": 3.0, "rare": 4.0}
    tick.add({"loss": 7.0})
    assert tick.close() == {"loss": 7.0}


def test_a_log_goes_on_where_the_run_does(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    log = RunLog(tmp_path, 0)
    for step in (2, 4, 6):
        log.write({"step": step})
        speed = log.write_speed({"step": step, "seen_clips": 8 * step}, 16, 0.5)
        assert speed["clips_per_second"] > 0 and speed["peak_memory_gb"] == 0.5
    with open(path, "a") as file:
        file.write('{"step": 8, "lo')  # killed while writing
    RunLog(tmp_path, 4).write({"step": 6, "again": True})
    assert [json.loads(line) for line in path.read_text().splitlines()] == [
        {"step": 2},
        {"step": 4},
        {"step": 6, "again": True},
    ]
    assert [line["step"] for line in read_log(tmp_path / "speed.jsonl")] == [2, 4]
    assert sorted(item.name for item in tmp_path.iterdir()) == ["log.jsonl", "speed.jsonl"]


@pytest.mark.parametrize(
    "change, message",
    [
        ("batch=0", "batch must be between"),
        ("keep_checkpoints=0", "keep_checkpoints must be between"),
        ("r1_interval=0", "r1_interval must be between"),
        ("kimg=0", "kimg must be between"),
        ("augment_target=2", "augment_target must be between"),
        ("spans=[1]", "leave no room for 3 frames"),
        ("chunk=32", "longer than the longest span"),
        ("disorder=-1", "disorder must be between"),
    ],
)
def test_lengths_that_cannot_be_are_refused(change: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        resolve(sets=[f"train.{change}"])


@pytest.mark.parametrize("preset", ["mocogan-tiny", "mocogan-sg2-tiny"])
def test_disorder_is_refused_where_the_discriminator_does_not_know_the_times(preset: str) -> None:
    with pytest.raises(ConfigError, match="train.disorder is not for mocogan"):
        resolve(preset, sets=["train.disorder=0.5"])


@pytest.mark.parametrize(
    "change, message",
    [("near_steps=[]", "1 and more"), ("near_steps=[0, 1]", "1 and more"), ("far_frames=2", "two near")],
)
def test_near_draws_that_cannot_be_are_refused(change: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        resolve(sets=["train.spacing=near", f"train.{change}"])
