"""What makes a training fast on a CUDA card; most of it can be told without one."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch

from smoothvid.models.family import Phase
from smoothvid.training.checkpoint import load_state, save_checkpoint
from smoothvid.training.loop import Training
from smoothvid.training.record import Recorder
from smoothvid.training.step import find_gradients

EVERYTHING = {"augment": "ada", "disorder": 1.0, "batch": 4, "spacing": "near"}


def run_steps(training: Training, count: int) -> None:
    for _ in range(count):
        assert training.step(training.reader[training.step_number]) == []


def test_a_step_waits_for_nothing(new_training: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the device "meta" there is nothing to be read, and whoever tries fails."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **options: nullcontext())  # which does not know it
    training = new_training({"train": EVERYTHING}, device=torch.device("meta"))
    training.ada.p = 0.5
    for optimizer in training.optimizers.values():
        optimizer.defaults["fused"] = True  # as on a card
        monkeypatch.setattr(optimizer, "step", lambda: None)
    training.launch(training.reader[0])
    assert {"loss_generator", "loss_discriminator", "loss_r1", "disorder_sign"} <= set(training._pending)
    with pytest.raises((RuntimeError, NotImplementedError), match="meta"):
        training.settle()


def test_the_device_leaves_out_gradients_that_are_not_finite(new_training: Any) -> None:
    training = new_training({"train": {"on_nan": "skip"}}, fused=True)
    run_steps(training, 2)
    good = training.phases[0]
    before = [parameter.clone() for parameter in training.generator.parameters()]
    state = [value.clone() for noted in training.optimizers["generator"].state.values() for value in noted.values()]
    training.phases[0] = Phase("generator", "generator", lambda step: good.loss(step) * torch.inf)
    assert training.step(training.reader[2]) == ["generator"] and training.skipped == 1
    assert all(map(torch.equal, before, training.generator.parameters()))
    after = [value for noted in training.optimizers["generator"].state.values() for value in noted.values()]
    assert all(map(torch.equal, state, after))
    training.phases[0] = good
    run_steps(training, 1)
    assert not all(map(torch.equal, before, training.generator.parameters()))


@pytest.mark.parametrize("family", ["stylesv", "styleganv", "mocogan"])
def test_channels_last_gives_the_same_gradients(new_training: Any, family: str) -> None:
    found: list[list[torch.Tensor]] = []
    changes = {"model": {"noise": 0.0}} if family == "mocogan" else None  # it is drawn in the order of memory
    for channels_last in (True, False):
        training = new_training(changes, family=family, channels_last=channels_last)
        flat = [weight for weight in training.generator.parameters() if weight.ndim == 4 and min(weight.shape) > 1]
        assert flat
        assert all(weight.is_contiguous(memory_format=torch.channels_last) is channels_last for weight in flat)
        (part,), gradients = training.parts(training.reader[0]), []
        for phase in training.phases:
            find_gradients(phase, [part])
            network = getattr(training, phase.network)
            gradients += [weight.grad for weight in network.parameters() if weight.grad is not None]
            network.zero_grad()
        found.append(gradients)
    for ours, theirs in zip(*found, strict=True):
        assert float((ours - theirs).norm()) <= 2e-3 * float(theirs.norm()) + 1e-6


def test_a_run_goes_on_in_another_layout(new_training: Any, tmp_path: Path) -> None:
    fast = {"channels_last": True, "fused": True}
    for before, after in (({}, fast), (fast, {})):
        training = new_training(**before)
        run_steps(training, 2)
        folder = tmp_path / f"{len(before)}"
        folder.mkdir()
        save_checkpoint(folder, training.average, Recorder(training)._facts(), training.state(), 1, None)
        state = load_state(next((folder / "checkpoints").iterdir()))
        assert all(value.is_contiguous() for value in state["generator"].values())
        other = new_training(**after)
        other.restore(state)
        theirs = training.optimizers["generator"].state
        for kept, weight in zip(training.generator.parameters(), other.generator.parameters(), strict=True):
            noted = other.optimizers["generator"].state[weight]
            assert torch.equal(weight, kept) and noted["exp_avg"].stride() == weight.stride()
            assert all(torch.equal(noted[name], value) for name, value in theirs[kept].items())
        run_steps(other, 1)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA card")
@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_a_step_on_a_card_waits_for_nothing(new_training: Any, without_waiting: Any, precision: str) -> None:
    changes = {"train": {**EVERYTHING, "precision": precision}}
    training = new_training(changes, device=torch.device("cuda"))
    training.ada.p = 0.5
    run_steps(training, 2)  # compiles kernels and fills caches
    frames, times, labels = training.reader[2][0]
    batch = [(frames.contiguous().pin_memory(), times, labels)]
    with without_waiting():
        training.launch(batch)
    assert training.settle() == []
