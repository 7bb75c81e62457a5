"""What both MoCoGANs promise beyond the published numbers: a path of bounded memory, and where labels enter."""

import statistics
from typing import Any

import pytest
import torch
from torch import Tensor

from smoothvid.data.dataset import open_dataset
from smoothvid.errors import ConfigError
from smoothvid.models.mocogan.config import MoCoGANConfig
from smoothvid.models.mocogan.discriminator import DiscriminatorPair, time_kernel
from smoothvid.models.mocogan.generator import Generator
from smoothvid.models.mocogan_sg2.config import DiscriminatorConfig, MoCoGANSG2Config
from smoothvid.models.mocogan_sg2.discriminator import DiscriminatorPair as PairOnSG2
from smoothvid.models.mocogan_sg2.discriminator import time_padding
from smoothvid.models.mocogan_sg2.generator import Generator as GeneratorOnSG2
from smoothvid.nn.recurrent_motion import RecurrentPath
from smoothvid.sampling.model import ModelFacts, VideoModel
from smoothvid.settings import from_dict
from smoothvid.training.loop import Training

TINY: dict[str, Any] = {"resolution": 32, "z_dim": 8, "width": 4, "motion": {"z_dim": 4, "memory": 6}}
TINY_ON_SG2: dict[str, Any] = {
    "resolution": 16,
    "motion": {"z_dim": 8},
    "generator": {"z_dim": 8, "w_dim": 16, "channel_max": 8, "channel_base": 128},
}


def settings(**changes: Any) -> MoCoGANConfig:
    return from_dict(MoCoGANConfig, {**TINY, **changes})


def path(kind: Any, distance: int = 1, memory: int = 6, c_dim: int = 0) -> RecurrentPath:
    torch.manual_seed(0)
    return RecurrentPath(kind, 4, 4, c_dim, distance, memory).double()


def codes(path: RecurrentPath, count: int) -> Tensor:
    return torch.randn(1, count, path.z_dim, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def read(path: RecurrentPath, all_codes: Tensor, *times: float) -> Tensor:
    """v [T, 4] at these times, from the smallest window of the codes that holds them."""
    at = torch.tensor([times], dtype=torch.float64)
    first, count = path.code_range(at)
    start = int(first[0])
    return path(all_codes[:, start : start + count], at, first_code=first)[0]


def by_hand(path: RecurrentPath, all_codes: Tensor, step: int) -> Tensor:
    """The state at a step as the module's text says, one cell after the other."""
    cells: dict[str, Any] = {"weight_ih": None, "weight_hh": None, "bias_ih": None, "bias_hh": None}
    cell: Any = (torch.nn.LSTMCell if isinstance(path.rnn, torch.nn.LSTM) else torch.nn.GRUCell)(4, 4).double()
    for name in cells:
        getattr(cell, name).data = getattr(path.rnn, f"{name}_l0").data
    start = max(0, step + 1 - path.memory)
    if isinstance(cell, torch.nn.LSTMCell):
        state, memory = torch.zeros(1, 4).double(), torch.zeros(1, 4).double()
        for k in range(start, step + 1):
            state, memory = cell(all_codes[:, k], (state, memory))
    else:
        state = all_codes[:, start]
        for k in range(start + 1, step + 2):
            state = cell(all_codes[:, k], state)
    return state[0].detach()


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_a_step_is_what_the_last_codes_led_to(kind: str) -> None:
    walk = path(kind)
    noise = codes(walk, 40)
    for step in (0, 1, 4, 5, 6, 7, 20):  # memory is 6: the path begins to forget at step 6
        torch.testing.assert_close(read(walk, noise, float(step))[0], by_hand(walk, noise, step))
    halfway = read(walk, noise, 7.25)[0]
    torch.testing.assert_close(halfway, 0.75 * by_hand(walk, noise, 7) + 0.25 * by_hand(walk, noise, 8))


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_a_time_does_not_depend_on_the_others_that_are_asked_for(kind: str) -> None:
    walk = path(kind, distance=2)
    noise, times = codes(walk, 60), [0.0, 0.5, 3.0, 9.0, 10.0, 11.0, 12.0, 13.5, 60.0, 100.0]
    together = read(walk, noise, *times)
    for number, time in enumerate(times):
        torch.testing.assert_close(read(walk, noise, time)[0], together[number], rtol=0, atol=1e-12)
    torch.testing.assert_close(read(walk, noise, 60.0, 3.0)[1], together[2], rtol=0, atol=1e-12)  # in any order


def test_late_times_need_no_more_codes_than_early_ones() -> None:
    walk = path("gru", distance=2, memory=6)
    counts = []
    for start in (0.0, 100.0, 1e9):
        first, count = walk.code_range(torch.tensor([[start, start + 3.5]], dtype=torch.float64))
        counts.append(count)
        assert int(first[0]) == max(0, int(start // 2) + 1 - 6)
    assert counts[1] == counts[2] <= 6 + 4
    with pytest.raises(ValueError, match="too few"):
        walk(codes(walk, counts[2] - 1), torch.tensor([[100.0, 103.5]], dtype=torch.float64), first_code=45)


def test_videos_of_a_batch_may_be_at_different_times_and_have_labels_of_their_own() -> None:
    walk = path("lstm", c_dim=2)
    times = torch.tensor([[0.0, 1.0, 2.0], [50.0, 53.0, 80.5]], dtype=torch.float64)
    first, count = walk.code_range(times)
    noise, c = torch.randn(2, count, 4, dtype=torch.float64), torch.eye(2, dtype=torch.float64)
    together = walk(noise, times, c, first)
    for number in range(2):
        one = slice(number, number + 1)
        torch.testing.assert_close(walk(noise[one], times[one], c[one], first[one]), together[one])
    swapped = walk(noise, times, c.flip(0), first)
    assert float((swapped - together).detach().abs().amax(2).min()) > 1e-3


@pytest.mark.parametrize("family", ["mocogan", "mocogan-sg2"])
def test_there_is_no_motion_before_time_0(family: str, tiny_config: Any) -> None:
    config = tiny_config(family).model
    generator: Any = (Generator if family == "mocogan" else GeneratorOnSG2)(config)
    facts = ModelFacts(family=family, config={}, resolution=16, fps=25)
    model = VideoModel(generator, config, facts, "cpu")
    assert model.sample([0], 3, start=0.0).shape == (1, 3, 3, 16, 16)
    with pytest.raises(ConfigError, match="time -5: .* begins at time 0"):
        model.sample([0], 3, start=-5.0)


def test_labels_steer_the_motion_or_the_picture() -> None:
    times = torch.arange(4, dtype=torch.float64)[None]
    for place in ("recurrent", "input"):
        torch.manual_seed(0)
        generator = Generator(settings(categories=place), 2).eval()
        count = generator.motion.code_range(times)[1]
        z, motion_z = torch.randn(1, 8), torch.randn(1, count, 4)
        ws = [generator.mapping(z, c[None]) for c in torch.eye(2)]
        v = [generator.motion(motion_z, times, c[None]) for c in torch.eye(2)]
        assert torch.equal(ws[0], ws[1]) == (place == "recurrent")
        assert torch.equal(v[0], v[1]) == (place == "input")
        a, b = (generator(z, c[None], motion_z, times) for c in torch.eye(2))
        assert float((a - b).detach().abs().amax((1, 2, 3)).min()) > 0.01 * float(
            a.detach().abs().max()
        )  # in every frame


def test_in_evaluation_a_frame_does_not_depend_on_the_others_and_long_videos_stay_finite() -> None:
    torch.manual_seed(0)
    generator = Generator(settings())
    times = torch.arange(48, dtype=torch.float64)[None]
    count = generator.motion.code_range(times)[1]
    z, motion_z = torch.randn(1, 8), torch.randn(1, count, 4)
    with torch.no_grad():
        for _ in range(30):  # let the running statistics find their place
            generator(z, None, motion_z, times)
        generator.eval()
        ws, v = generator.mapping(z), generator.motion(motion_z, times)
        together = generator.synthesis(ws, v)
        one_by_one = torch.cat([generator.synthesis(ws, v[:, t : t + 1]) for t in range(48)])
    assert bool(together.isfinite().all()) and float(together.abs().max()) <= 1
    torch.testing.assert_close(one_by_one, together)


def test_truncation_draws_the_content_to_its_mean() -> None:
    generator = Generator(settings(categories="input"), 2)
    z, c = torch.randn(3, 8), torch.eye(2)[[0, 1, 0]]
    ws = generator.mapping(z, c, truncation_psi=0.5)
    assert torch.equal(ws[:, 0], torch.cat([z * 0.5, c], 1))
    assert torch.equal(generator.mapping(z, c, truncation_psi=0.0, truncation_cutoff=0), generator.mapping(z, c))


def test_the_classic_judges_have_the_published_layers() -> None:
    pair = DiscriminatorPair(MoCoGANConfig(width=4), 16)
    assert [layer.conv.out_channels for layer in pair.image] == [4, 8, 16, 1]
    assert pair.video is not None
    assert pair.video(torch.randn(1, 3, 16, 64, 64)).shape == (1, 1, 4, 4, 4)
    told = DiscriminatorPair(MoCoGANConfig(width=4), 16, c_dim=6).video
    assert told is not None and [layer.conv.out_channels for layer in told] == [4, 8, 16, 32, 7]
    assert told(torch.randn(1, 3, 16, 64, 64)).shape == (1, 7, 1, 1, 1)
    assert [layer.norm is not None for layer in told] == [False, True, True, True, False]


def test_how_layers_along_time_follow_from_the_number_of_frames() -> None:
    assert [time_kernel(frames, 4) for frames in (5, 8, 9, 12, 13, 16, 48)] == [2, 2, 3, 3, 4, 4, 4]
    assert time_kernel(8, 3) == 3  # the specification's small one
    with pytest.raises(ConfigError, match="at least 5 frames"):
        time_kernel(4, 4)
    assert [time_padding(frames, 5) for frames in (2, 3, 5, 6, 15, 16)] == [[n] * 5 for n in (2, 2, 2, 1, 1, 0)]
    assert time_padding(18, 5, asked=2) == [2] * 5
    assert time_padding(8, 5, asked=2, padded_layers=2) == [2, 2, 0, 0, 0]
    with pytest.raises(ConfigError, match="with time_padding 0"):
        time_padding(3, 5, asked=0)


@pytest.mark.parametrize(("frames", "count"), [(16, 1), (3, 8)])
def test_judges_on_stylegan2_keep_their_shapes_for_one_video_and_for_one_logit(frames: int, count: int) -> None:
    config = MoCoGANSG2Config(
        resolution=64, discriminator=DiscriminatorConfig(channel_base=256, channel_max=8, video_width=2)
    )
    pair, images = PairOnSG2(config, frames, c_dim=3), torch.randn(frames, 3, 64, 64)
    c = torch.eye(3)[:1]
    assert pair.judge_images(images, c).shape == (1, frames)
    assert pair.judge_videos(images).shape == (1, count)
    assert pair(images, None, c).shape == (1,)


def test_an_image_model_on_stylegan2_holds_still_and_its_video_model_begins_as_it() -> None:
    torch.manual_seed(0)
    config = from_dict(MoCoGANSG2Config, TINY_ON_SG2)
    image, video = GeneratorOnSG2(config, image_only=True), GeneratorOnSG2(config)
    times = torch.arange(4, dtype=torch.float64)[None]
    count = image.motion.code_range(times)[1]
    inputs = torch.randn(1, 8), None, torch.randn(1, count, 8), times
    still = image(*inputs)
    torch.testing.assert_close(still[1:], still[:1].expand_as(still[1:]))
    video.load_state_dict(image.state_dict())
    torch.testing.assert_close(video(*inputs), still)
    video(*inputs)[1].mean().backward()
    readers = [layer.weight.grad[:, 16:] for name, layer in video.named_modules() if name.endswith("affine")]
    assert len(readers) == 8 and all(float(gradient.abs().max()) > 0 for gradient in readers)  # and learns at once


def test_category_loss_reaches_both_networks(tiny_config: Any, tiny_dataset: Any, tmp_path: Any) -> None:
    """With hardly anything but the label at stake, the judge learns to tell it, and the generator to make it told."""
    changes = {"model": {"category_weight": 100.0, "noise": 0}, "train": {"batch": 8, "lr_g": 0.01, "lr_d": 0.01}}
    training = Training(tmp_path, open_dataset(tiny_dataset), tiny_config("mocogan", changes), "train")
    losses = []
    for number in range(30):
        training.step(training.reader[number])
        losses.append(training.close_tick())
    for name in ("loss_generator", "loss_discriminator"):  # guessing costs 100 · ln 2 = 69
        assert statistics.median(step[name] for step in losses[-9:]) < 35
