"""What StyleSV and StyleGAN-V optimize: non-saturating logistic losses on whole videos, and R1 every few steps."""

import torch
from torch import Tensor

from smoothvid.models.family import Phase, Step
from smoothvid.nn.losses import fake_loss, generator_loss, r1_penalty, real_loss


def judge(step: Step, videos: Tensor, times: Tensor, labels: Tensor) -> Tensor:
    """Logits [B] of videos [B, T, C, H, W]."""
    logits: Tensor = step.discriminator(videos.flatten(0, 1), times, labels)
    return logits


def generator_main(step: Step) -> Tensor:
    videos, latents = step.fake("generator")
    logits = judge(step, step.augment(videos), latents.times, latents.labels)
    step.report["fake_sign"] = logits.detach().sign().mean()
    return generator_loss(logits)


def discriminator_main(step: Step) -> Tensor:
    with torch.no_grad():
        videos, latents = step.fake("discriminator")
    fake_logits = judge(step, step.augment(videos.detach()), latents.times, latents.labels)
    real_logits = judge(step, step.augment(step.real.frames), step.real.times, step.real.labels)
    step.report["real_sign"] = real_logits.detach().sign().mean()
    return real_loss(real_logits) + fake_loss(fake_logits)


def discriminator_r1(step: Step) -> Tensor:
    real = step.real.frames.detach().requires_grad_(True)
    logits = judge(step, step.augment(real), step.real.times, step.real.labels)
    penalty = r1_penalty(logits, real).mean(1)  # [B], averaged over a video's frames
    step.report["r1"] = penalty.detach().mean()
    return penalty * (step.r1_gamma / 2)


def phases(r1_interval: int) -> list[Phase]:
    return [
        Phase("generator", "generator", generator_main),
        Phase("discriminator", "discriminator", discriminator_main),
        Phase("r1", "discriminator", discriminator_r1, r1_interval, full_precision=True),
    ]
