"""Layers that are made again on the way back train as others do, and keep less."""

from typing import Any

import torch
from torch import Tensor

from smoothvid.training.loop import Training


def kept_bytes(training: Training) -> int:
    """What a pass of the generator keeps for its gradients."""
    sizes: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    training.generator.requires_grad_(True)
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        training.parts(training.reader[0])[0].fake("generator")
    return sum(sizes.values())


def test_weights_and_running_means_are_the_same_with_less_kept(new_training: Any) -> None:
    trainings = [new_training({"train": {"checkpointing": on}}) for on in (False, True)]
    for training in trainings:
        for _ in range(3):
            training.step(training.reader[training.step_number])
    for (name, ours), theirs in zip(
        trainings[1].generator.state_dict().items(), trainings[0].generator.state_dict().values(), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6, msg=name)
    assert kept_bytes(trainings[1]) < 0.7 * kept_bytes(trainings[0])


def test_only_training_makes_layers_twice(new_training: Any) -> None:
    training = new_training({"train": {"checkpointing": True}})
    passes: list[bool] = []
    training.generator.synthesis.layers[0].register_forward_pre_hook(lambda *_: passes.append(torch.is_grad_enabled()))
    training.step(training.reader[0])
    assert passes.count(True) == 2 and passes.count(False) == 1
