"""What MoCoGAN on StyleGAN2 optimizes: losses against two judges of the same frames, and R1 on the image judge."""

from collections.abc import Iterator

from torch import Tensor

from smoothvid.models import adversarial
from smoothvid.models.family import Phase, Step
from smoothvid.models.mocogan_sg2.discriminator import DiscriminatorPair


def judge(step: Step, videos: Tensor, times: Tensor, labels: Tensor) -> Iterator[Tensor]:
    """Logits of each frame [B, T], then of the videos' patches [B, n]."""
    pair = step.discriminator
    assert isinstance(pair, DiscriminatorPair)
    images = videos.flatten(0, 1)
    yield pair.judge_images(images, labels)
    if pair.video is not None:
        yield pair.judge_videos(images)


def phases(r1_interval: int) -> list[Phase]:
    return adversarial.phases(r1_interval, judge, penalized=1)
