"""The two judges of MoCoGAN on StyleGAN2: one sees frames, one sees motion."""

from torch import Tensor, nn

from smoothvid.errors import ConfigError
from smoothvid.models.mocogan_sg2.config import MoCoGANSG2Config
from smoothvid.nn.patches import PatchDiscriminator
from smoothvid.nn.video_discriminator import VideoDiscriminator


class DiscriminatorPair(nn.Module):
    """images [B·T, 3, H, H] in [-1, 1], labels c [B, c_dim] → logits [B], the mean of each judge's.

    Labels are known to the image judge alone.

    Args:
        num_frames: T; 1 leaves the image judge alone.

    Raises:
        ConfigError: too few frames for the video judge.
    """

    def __init__(self, config: MoCoGANSG2Config, num_frames: int, c_dim: int = 0) -> None:
        super().__init__()
        self.num_frames = num_frames
        self.image = VideoDiscriminator(config.resolution, config.image_discriminator(), 1, c_dim)
        self.video: PatchDiscriminator | None = None
        if num_frames > 1:
            d = config.discriminator
            halvings = min(4, config.resolution.bit_length() - 3)  # to 4×4 at 64² and below
            self.video = PatchDiscriminator(
                [d.video_width * 2**number for number in range(halvings)],
                whole=True,
                kernel=4,
                padding=time_padding(num_frames, halvings + 1, d.time_padding, d.padded_layers),
                keeping=2 if config.resolution >= 256 else 0,
                noise=d.noise,
            )

    def judge_images(self, images: Tensor, c: Tensor | None = None) -> Tensor:
        """Frames [B·T, 3, H, H] → logits [B, T]."""
        labels = None if c is None else c.repeat_interleave(self.num_frames, 0)
        return self.image(images, None, labels).unflatten(0, (-1, self.num_frames))

    def judge_videos(self, images: Tensor) -> Tensor:
        """Frames [B·T, 3, H, H] → logits of the videos' patches [B, n], time before rows before columns."""
        assert self.video is not None
        videos = images.unflatten(0, (-1, self.num_frames)).transpose(1, 2)
        logits: Tensor = self.video(videos).flatten(1)
        return logits

    def forward(self, images: Tensor, times: Tensor | None = None, c: Tensor | None = None) -> Tensor:
        verdict = self.judge_images(images, c).mean(1)
        return verdict if self.video is None else verdict + self.judge_videos(images).mean(1)


def time_padding(
    num_frames: int, num_layers: int, asked: int | None = None, padded_layers: int | None = None
) -> list[int]:
    """Frames of zeros on either side, in each of the video judge's layers; a layer takes away 3 less twice as many."""
    padded = num_layers if padded_layers is None else min(padded_layers, num_layers)
    enough = [padding for padding in (0, 1, 2) if num_frames > 3 * num_layers - 2 * padding * padded]
    if not enough or (asked is not None and asked not in enough):
        raise ConfigError(
            f"num_frames {num_frames} leave nothing to see for {num_layers} layers, {padded} of them with time_padding "
            f"{2 if asked is None else asked}; take more of model.discriminator.time_padding or padded_layers, or more "
            "frames"
        )
    padding = enough[0] if asked is None else asked
    return [padding] * padded + [0] * (num_layers - padded)
