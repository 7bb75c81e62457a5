"""What video generators optimize: non-saturating logistic losses against one or more judges, and R1 every few steps.

The judge of most is the discriminator of whole videos, which stands here too."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice, repeat
from typing import Any

import torch
from torch import Tensor

from smoothvid.models.family import Phase, Step
from smoothvid.nn import discriminator
from smoothvid.nn.losses import fake_loss, generator_loss, r1_penalty, real_loss
from smoothvid.nn.video_discriminator import VideoDiscriminator

Judge = Callable[[Step, Tensor, Tensor, Tensor], Iterator[Tensor]]
"""(step, videos [B, T, C, H, W], times, labels) → one judge's logits after the other's, [B] or [B, n] each. Adaptive
augmentation rests on the first ones, and these alone see whether motion is in order."""


def build_discriminator(config: Any, num_frames: int, c_dim: int) -> VideoDiscriminator:
    """The discriminator of whole videos that `config.discriminator` describes."""
    return VideoDiscriminator(config.resolution, config.discriminator, num_frames, c_dim)


def compared(config: Any, count: int) -> int:
    """How many of `count` videos it compares with each other."""
    return discriminator.compared(count, config.discriminator.mbstd_group)


def judge_whole(step: Step, videos: Tensor, times: Tensor, labels: Tensor) -> Iterator[Tensor]:
    """The verdict [B] of a discriminator of whole videos, then that on a frame of each where it judges these, too."""
    discriminator: Any = step.discriminator
    yield discriminator(videos.flatten(0, 1), times, labels)
    if discriminator.picture is not None:
        frames = videos[torch.arange(len(videos), device=videos.device), step.pick_frame("picture")]
        yield discriminator.picture(frames, None, labels)


def over_judges(
    loss: Callable[[Tensor], Tensor], logits: Iterable[Tensor], weights: Iterable[float] = repeat(1.0)
) -> Tensor:
    """The weighted sum of the judges' losses [B], each the mean over a video's logits."""
    terms = [weight * loss(x).reshape(len(x), -1).mean(1) for x, weight in zip(logits, weights, strict=False)]
    return torch.stack(terms).sum(0)


def _weights(step: Step) -> Iterable[float]:
    """How much each judge's loss counts."""
    weights: Iterable[float] = getattr(step.discriminator, "weights", repeat(1.0))
    return weights


def generator_main(step: Step, judge: Judge) -> Tensor:
    videos, latents = step.fake("generator")
    logits = list(judge(step, step.augment(videos), latents.times, latents.labels))
    step.report["fake_sign"] = logits[0].detach().sign().mean()
    return over_judges(generator_loss, logits, _weights(step))


def discriminator_main(step: Step, judge: Judge) -> Tensor:
    with torch.no_grad():
        videos, latents = step.fake("discriminator")
    fake_logits = list(judge(step, step.augment(videos.detach()), latents.times, latents.labels))
    real_logits = list(judge(step, step.augment(step.real.frames), step.real.times, step.real.labels))
    step.report["real_sign"] = real_logits[0].detach().sign().mean()
    loss = over_judges(real_loss, real_logits, _weights(step)) + over_judges(fake_loss, fake_logits, _weights(step))
    if step.disorder:
        videos, times = step.disordered()
        verdict = next(judge(step, step.augment(videos), times, step.real.labels))
        step.report["disorder_sign"] = verdict.detach().sign().mean()
        loss = loss + step.disorder * over_judges(fake_loss, [verdict])
    return loss


def discriminator_r1(step: Step, judge: Judge, penalized: int) -> Tensor:
    real = step.real.frames.detach().requires_grad_(True)
    logits = islice(judge(step, step.augment(real), step.real.times, step.real.labels), penalized)
    penalty = torch.stack([r1_penalty(x, real).mean(1) for x in logits]).sum(0)  # [B], means over a video's frames
    step.report["r1"] = penalty.detach().mean()
    return penalty * (step.r1_gamma / 2)


def phases(r1_interval: int, judge: Judge = judge_whole, penalized: int = 2) -> list[Phase]:
    """The three optimizations of a step, with R1 on the first `penalized` of the judges."""
    penalty = partial(discriminator_r1, judge=judge, penalized=penalized)
    return [
        Phase("generator", "generator", partial(generator_main, judge=judge)),
        Phase("discriminator", "discriminator", partial(discriminator_main, judge=judge)),
        Phase("r1", "discriminator", penalty, r1_interval, full_precision=True),
    ]
