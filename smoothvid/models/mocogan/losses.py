"""What MoCoGAN optimizes: cross-entropy on a frame of each video, on whole videos, and on the label told from them."""

import torch
import torch.nn.functional as F
from torch import Tensor

from smoothvid.models.adversarial import over_judges
from smoothvid.models.family import Phase, Step
from smoothvid.models.mocogan.discriminator import DiscriminatorPair
from smoothvid.nn.losses import fake_loss, generator_loss, real_loss


def judge(step: Step, videos: Tensor, labels: Tensor, phase: str) -> tuple[list[Tensor], Tensor | float]:
    """Logits [B, n] of one frame of each video [B, T, C, H, W], and of the video; the loss [B] of telling its label."""
    pair = step.discriminator
    assert isinstance(pair, DiscriminatorPair)
    frames = videos[torch.arange(len(videos), device=videos.device), step.pick_frame(phase)]
    images = pair.judge_images(frames)
    if pair.video is None:
        return [images], 0.0
    verdict, told = pair.judge_videos(videos)
    if not pair.c_dim:
        return [images, verdict], 0.0
    missed = F.cross_entropy(told, labels[:, :, None].expand_as(told), reduction="none").mean(1)
    return [images, verdict], missed * pair.category_weight


def generator_main(step: Step) -> Tensor:
    videos, latents = step.fake("generator")
    logits, missed = judge(step, step.augment(videos), latents.labels, "generator")
    step.report["fake_sign"] = logits[0].detach().sign().mean()
    return over_judges(generator_loss, logits) + missed


def discriminator_main(step: Step) -> Tensor:
    with torch.no_grad():
        videos, latents = step.fake("discriminator")
    fake_logits, _ = judge(step, step.augment(videos.detach()), latents.labels, "discriminator")
    real_logits, missed = judge(step, step.augment(step.real.frames), step.real.labels, "discriminator")
    step.report["real_sign"] = real_logits[0].detach().sign().mean()
    return over_judges(real_loss, real_logits) + over_judges(fake_loss, fake_logits) + missed


def phases(r1_interval: int) -> list[Phase]:
    """There is no penalty, so r1_interval is not used."""
    return [
        Phase("generator", "generator", generator_main),
        Phase("discriminator", "discriminator", discriminator_main),
    ]
