"""The MoCoGAN discriminators: one for single frames, one for videos, which may also tell labels."""

from torch import Tensor, nn

from smoothvid.errors import ConfigError
from smoothvid.models.mocogan.config import MoCoGANConfig
from smoothvid.nn.patches import PatchDiscriminator


class DiscriminatorPair(nn.Module):
    """images [B·T, 3, H, H] in [-1, 1] → logits [B], the mean of both judges' patches.

    Without labels the video judge is like the image judge, with time as a third direction; with labels it has a layer
    more, takes in whole pictures, and has an output for each label besides its verdict.

    Args:
        num_frames: T; 1 leaves the image judge alone.

    Raises:
        ConfigError: too few frames for the video judge.
    """

    def __init__(self, config: MoCoGANConfig, num_frames: int, c_dim: int = 0) -> None:
        super().__init__()
        self.num_frames, self.c_dim, self.category_weight = num_frames, c_dim, config.category_weight
        widths = config.widths()
        self.image = PatchDiscriminator(widths[:-1], noise=config.noise, noise_last=True)
        self.video: PatchDiscriminator | None = None
        if num_frames > 1:
            if not c_dim:
                widths = widths[:-1]
            kernel = time_kernel(num_frames, len(widths) + 1)
            self.video = PatchDiscriminator(
                widths, 1 + c_dim, whole=c_dim > 0, kernel=kernel, noise=config.noise, noise_last=True
            )

    def judge_images(self, images: Tensor) -> Tensor:
        """Pictures [N, 3, H, H] → logits of their patches [N, n]."""
        logits: Tensor = self.image(images[:, :, None]).flatten(1)
        return logits

    def judge_videos(self, videos: Tensor) -> tuple[Tensor, Tensor]:
        """Videos [B, T, 3, H, H] → logits of their patches [B, n], and of their labels [B, c_dim, n]."""
        assert self.video is not None
        logits = self.video(videos.transpose(1, 2)).flatten(2)  # [B, 1 + c_dim, n]
        return logits[:, 0], logits[:, 1:]

    def forward(self, images: Tensor, times: Tensor | None = None, c: Tensor | None = None) -> Tensor:
        videos = images.unflatten(0, (-1, self.num_frames))
        verdict = self.judge_images(images).unflatten(0, (-1, self.num_frames)).mean((1, 2))
        return verdict if self.video is None else verdict + self.judge_videos(videos)[0].mean(1)


def time_kernel(num_frames: int, num_layers: int) -> int:
    """Frames that each layer of the video judge looks at: 4, or as many as leave the last layer something to see.

    Nothing is padded along time, so a kernel of k takes k − 1 frames away in each layer.
    """
    kernel = min(4, 1 + (num_frames - 1) // num_layers)
    if kernel < 2:
        raise ConfigError(
            f"num_frames {num_frames}: the video discriminator's {num_layers} layers need at least {num_layers + 1} "
            "frames to see motion; --set train.num_frames=16 is the usual number"
        )
    return kernel
