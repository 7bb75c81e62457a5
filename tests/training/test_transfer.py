from typing import Any

import torch
from torch import Tensor, nn

from smoothvid.models.stylesv.generator import Generator
from smoothvid.nn.linear_conv import Conv2d
from smoothvid.nn.video_discriminator import VideoDiscriminator
from smoothvid.training.transfer import transfer


class Target(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(4, 4)
        self.out = nn.Linear(4, 3)
        self.wide = Conv2d(6, 2, 3)
        self.new = nn.Parameter(torch.ones(2))
        self.odd = nn.Parameter(torch.ones(5))
        self.register_buffer("mean", torch.zeros(4))
        self.register_buffer("table", torch.zeros(4), persistent=False)


def test_every_tensor_is_accounted_for() -> None:
    torch.manual_seed(0)
    target = Target()
    own = {name: value.clone() for name, value in target.state_dict().items()}
    source = {
        "body.weight": torch.randn(4, 4),
        "body.bias": torch.randn(4),
        "mean": torch.randn(4),
        "out.weight": torch.randn(1, 4),
        "out.bias": torch.randn(1),
        "wide.weight": torch.randn(2, 2, 3, 3),
        "wide.bias": torch.randn(2),
        "odd": torch.randn(4),
        "table": torch.randn(4),
        "gone": torch.randn(7),
    }
    report = transfer(source, target, fresh=("body.bias",))
    assert sorted(report.loaded) == ["body.weight", "mean", "wide.bias"]
    assert sorted(report.widened) == ["out.bias", "out.weight", "wide.weight"]
    assert sorted(report.fresh) == ["body.bias", "new", "odd"]
    assert sorted(report.dropped) == ["body.bias", "gone", "odd", "table"]
    assert sorted(report.loaded + report.widened + report.fresh) == sorted(own)

    new = target.state_dict()
    for name in report.loaded:
        assert torch.equal(new[name], source[name])
    for name in report.fresh:
        assert torch.equal(new[name], own[name])
    assert torch.equal(new["out.weight"], source["out.weight"].expand(3, 4))
    for part in ("3 loaded", "3 widened", "3 fresh (", "4 dropped (", "gone"):
        assert part in report.summary()


def test_a_convolution_over_three_equal_frames_gives_what_it_gave_for_one() -> None:
    torch.manual_seed(0)
    image, video = Conv2d(2, 4, 3), Conv2d(6, 4, 3)
    report = transfer(image.state_dict(), video)
    assert report.widened == ["weight"]
    x = torch.randn(1, 2, 5, 5)
    torch.testing.assert_close(video(x.repeat(1, 3, 1, 1)), image(x))


def test_an_image_model_becomes_a_video_model(tiny_config: Any) -> None:
    torch.manual_seed(0)
    config = tiny_config().model
    image, video = Generator(config, image_only=True), Generator(config)
    report = transfer(image.state_dict(), video)
    assert report.fresh == report.dropped == report.widened == []

    judge, video_judge = (VideoDiscriminator(config.resolution, config.discriminator, frames) for frames in (1, 3))
    report = transfer(judge.state_dict(), video_judge)
    assert sorted(report.widened) == ["head.out.bias", "head.out.weight"]
    assert report.dropped == [] and all(
        name.startswith(("condition.", "gap_encoding.", "differences.")) for name in report.fresh
    )
    assert video_judge.picture is not None
    frames = torch.randn(4, 3, 16, 16)
    assert torch.equal(video_judge.picture(frames), judge(frames))
    z, motion_z, times = torch.randn(2, 8), torch.randn(2, 32, 8), torch.zeros(2, 1, dtype=torch.float64)

    def first_frame(generator: Generator) -> Tensor:
        frame: Tensor = generator(z, None, motion_z, times)
        return frame

    torch.testing.assert_close(first_frame(video), first_frame(image), rtol=0, atol=0)
