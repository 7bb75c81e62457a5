"""Running means move once, by the mean over all parts."""

import math

import pytest
import torch
from torch import nn

from smoothvid.nn.running_means import forget_means, note_mean, settle_means


class Watcher(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor([1.0, 2.0]))


def test_parts_count_alike_and_move_the_mean_once() -> None:
    network = nn.Sequential(Watcher(), Watcher())
    for value in (3.0, 5.0):
        note_mean(network[0], "mean", torch.full((2,), value), 0.9)
    settle_means(network)
    torch.testing.assert_close(network[0].mean, torch.tensor([1.0, 2.0]) * 0.9 + 4.0 * 0.1)
    assert torch.equal(network[1].mean, torch.tensor([1.0, 2.0]))
    settle_means(network)  # nothing new was noted
    torch.testing.assert_close(network[0].mean, torch.tensor([1.3, 2.2]))


def test_processes_are_averaged_in_one_exchange() -> None:
    network = nn.Sequential(Watcher(), Watcher())
    exchanged = []

    def average(values: torch.Tensor) -> torch.Tensor:
        exchanged.append(values)
        return values + 1

    for watcher in network:
        note_mean(watcher, "mean", torch.zeros(2), 0.5)
    settle_means(network, average)
    assert len(exchanged) == 1 and len(exchanged[0]) == 4
    torch.testing.assert_close(network[0].mean, torch.tensor([1.0, 1.5]))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_is_not_finite_leaves_the_mean_alone(bad: float) -> None:
    watcher = Watcher()
    note_mean(watcher, "mean", torch.tensor([bad, 4.0]), 0.5)
    settle_means(watcher)
    torch.testing.assert_close(watcher.mean, torch.tensor([1.0, 3.0]))


def test_noted_means_can_be_dropped() -> None:
    watcher = Watcher()
    note_mean(watcher, "mean", torch.zeros(2), 0.5)
    forget_means(watcher)
    settle_means(watcher)
    assert torch.equal(watcher.mean, torch.tensor([1.0, 2.0]))
