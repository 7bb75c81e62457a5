"""What one step does to the networks and to the running means."""

from typing import Any

import pytest
import torch
from torch import Tensor

from smoothvid.models import adversarial
from smoothvid.training.loop import Training
from smoothvid.training.step import Draws, StepPart, optimize


def run_steps(training: Training, count: int) -> list[dict[str, float]]:
    reports = []
    for _ in range(count):
        assert training.step(training.reader[training.step_number]) == []
        reports.append(training.tick.close())
    return reports


def one_step(training: Training) -> StepPart:
    (part,) = training.parts(training.reader[0])
    return part


def test_truncation_pulls_to_the_mean_of_the_styles(new_training: Any) -> None:
    changes = {"model": {"generator": {"w_avg_decay": 0.9}}, "train": {"lr_g": 1e-5, "batch": 4, "share_fakes": True}}
    training = new_training(changes)
    mapping = training.generator.mapping
    assert not mapping.w_avg.any()
    run_steps(training, 25)
    with torch.no_grad():
        z, c = torch.randn(4000, 8, generator=torch.Generator().manual_seed(5)), torch.eye(2).repeat(2000, 1)
        ws = mapping(z, c)
        mean = ws[:, 0].mean(0)
        assert float((mapping.w_avg - mean).norm()) < 0.3 * float(mean.norm())
        assert torch.equal(training.average.mapping.w_avg, mapping.w_avg)
        z, c = z[:3], c[:3]
        ws = mapping(z, c)
        assert torch.equal(mapping(z, c, truncation_psi=0.0), mapping.w_avg.expand(3, mapping.num_ws, -1))
        torch.testing.assert_close(mapping(z, c, truncation_psi=0.5), (ws + mapping.w_avg) / 2)
        cut = mapping(z, c, truncation_psi=0.0, truncation_cutoff=2)
        assert torch.equal(cut[:, 2:], ws[:, 2:]) and torch.equal(cut[:, :2], mapping.w_avg.expand(3, 2, -1))


@pytest.mark.parametrize("share", [False, True])
def test_phases_do_not_reach_into_each_other(new_training: Any, share: bool) -> None:
    training = new_training({"train": {"share_fakes": share}})
    step = one_step(training)
    calls = []
    training.generator.register_forward_hook(lambda module, inputs, output: calls.append(output))
    generator, discriminator, r1 = adversarial.phases(r1_interval=2)
    judge_before = [parameter.clone() for parameter in training.discriminator.parameters()]
    optimize(generator, [step], training.optimizers["generator"])
    assert all(parameter.grad is None for parameter in training.discriminator.parameters())
    assert all(map(torch.equal, judge_before, training.discriminator.parameters()))
    kept = {name: parameter.clone() for name, parameter in training.generator.named_parameters()}
    gradients = {name: parameter.grad for name, parameter in training.generator.named_parameters()}
    assert any(gradient is not None and gradient.any() for gradient in gradients.values())
    for phase in (discriminator, r1):
        optimize(phase, [step], training.optimizers["discriminator"])
        assert any(
            not torch.equal(*pair) for pair in zip(judge_before, training.discriminator.parameters(), strict=True)
        )
    assert all(torch.equal(kept[name], parameter) for name, parameter in training.generator.named_parameters())
    assert all(gradients[name] is parameter.grad for name, parameter in training.generator.named_parameters())
    assert len(calls) == (1 if share else 2)
    assert share or not calls[1].requires_grad
    assert not step.real.frames.requires_grad


def test_single_frames_are_judged_beside_videos(new_training: Any) -> None:
    training = new_training({"train": {"share_fakes": True, "disorder": 1.0, "batch": 4, "spacing": "near"}})
    step, judge = one_step(training), training.discriminator
    generator, discriminator, r1 = adversarial.phases(r1_interval=2)
    videos, latents = step.fake("generator")

    def verdicts(videos: Tensor, times: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        frames = torch.stack([video[at] for video, at in zip(videos, step.pick_frame("picture"), strict=True)])
        return judge(videos.flatten(0, 1), times, labels), judge.picture(frames, None, labels)

    with torch.no_grad():
        fake = verdicts(videos, latents.times, latents.labels)
        real = verdicts(step.real.frames, step.real.times, step.real.labels)
        moved, times = step.disordered()
        wrong = judge(moved.flatten(0, 1), times, step.real.labels)
    softplus = torch.nn.functional.softplus
    torch.testing.assert_close(generator.loss(step), softplus(-fake[0]) + 0.5 * softplus(-fake[1]))
    videos, frames = (softplus(made) + softplus(-real) for made, real in zip(fake, real, strict=True))
    expected = videos + 0.5 * frames + softplus(wrong)
    torch.testing.assert_close(discriminator.loss(step), expected)

    frames = step.real.frames.clone().requires_grad_(True)
    both = verdicts(frames, step.real.times, step.real.labels)
    gradients = [torch.autograd.grad(x.sum(), frames, retain_graph=True)[0] for x in both]
    expected = sum(gradient.square().sum((2, 3, 4)).mean(1) for gradient in gradients) * (step.r1_gamma / 2)
    torch.testing.assert_close(r1.loss(step), expected)


def test_running_means_move_once_a_step(new_training: Any) -> None:
    for share in (False, True):
        training = new_training({"train": {"share_fakes": share}})
        moved: list[bool] = []

        def note(module: Any, inputs: Any, options: dict[str, Any], moved: list[bool] = moved) -> None:
            moved.append(options["update_emas"])

        training.generator.register_forward_pre_hook(note, with_kwargs=True)
        run_steps(training, 3)
        assert sum(moved) == 3


def test_the_penalty_comes_at_its_interval(new_training: Any) -> None:
    reports = run_steps(new_training({"train": {"r1_interval": 3}}), 5)
    assert ["loss_r1" in report for report in reports] == [True, False, False, True, False]


def test_times_are_drawn_for_each_purpose_and_step(new_training: Any) -> None:
    training = new_training({"train": {"batch": 16}})

    def draw(step: int, purpose: str) -> Tensor:
        times, labels = Draws(0, step, training.reader, training.generator).times_and_labels(purpose)
        assert times.shape == (16, 3) and times.dtype == torch.float64
        assert labels.shape == (16, 2) and torch.equal(labels.sum(1), torch.ones(16))
        return times

    assert not torch.equal(draw(0, "generator"), draw(0, "discriminator"))
    assert torch.equal(draw(0, "generator"), draw(0, "generator"))
    assert not torch.equal(draw(0, "generator"), draw(1, "generator"))


def test_disorder_shows_the_real_frames_out_of_order(new_training: Any) -> None:
    training = new_training({"train": {"batch": 16, "spacing": "near", "num_frames": 4, "spans": [8], "disorder": 1.0}})
    step = one_step(training)
    videos, times = step.disordered()
    assert videos.shape == step.real.frames.shape and times.shape == step.real.times.shape
    own = step.real.frames
    for video, theirs, shown, told in zip(videos, own, times, step.real.times, strict=True):
        assert not torch.equal(video, theirs) or not torch.equal(shown, told)
        assert all(any(torch.equal(frame, other) for other in theirs) for frame in video)
        assert torch.equal(video[3], theirs[3]) and shown[3] == told[3]  # the far one
    assert torch.equal(step.disordered()[0], videos)
    training.step_number += 1
    assert not torch.equal(training.parts(training.reader[0])[0].disordered()[0], videos)


def test_disorder_counts_as_fake(new_training: Any) -> None:
    """With a weight, the discriminator learns to refuse what it would else take for real."""

    def verdict(weight: float) -> float:
        training = new_training({"train": {"batch": 8, "spacing": "near", "disorder": weight, "lr_d": 0.01}})
        reports = run_steps(training, 40)
        assert ("disorder_sign" in reports[0]) == (weight > 0)
        step = one_step(training)
        videos, times = step.disordered()
        with torch.no_grad():
            judge = training.discriminator
            real = judge(step.real.frames.flatten(0, 1), step.real.times, step.real.labels)
            disordered = judge(videos.flatten(0, 1), times, step.real.labels)
        return float(real.mean() - disordered.mean())

    assert verdict(1.0) > verdict(0.0) + 0.5
