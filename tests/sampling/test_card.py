"""What makes sampling fast on a CUDA card; most of it can be told without one."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from smoothvid.errors import DeviceError
from smoothvid.models import get_family
from smoothvid.nn.layout import Preparation, fill_up
from smoothvid.nn.precision import quotient, tf32
from smoothvid.sampling import graphs
from smoothvid.sampling.graphs import Graphs
from smoothvid.sampling.model import CardOptions, VideoModel, _from_picture, _preparation, load_model
from smoothvid.sampling.model_file import ModelFacts

TIMES = np.array([0.0, 1.5, 8.0, 300.0, 301.0])
FAST = CardOptions(graphs=False, channels_last=True, styles_ahead=True, eights=True)
on_card = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA card")


@pytest.fixture
def model_with(tiny_config: Any) -> Callable[..., VideoModel]:
    """`model_with(options, family, changes)`: an untrained model whose motion has an effect."""

    def make(options: CardOptions | None = None, family: str = "stylesv", changes: Any = None) -> VideoModel:
        torch.manual_seed(0)
        config = tiny_config(family, {"model": changes or {}}).model
        generator = get_family(family).build_generator(config, 0, False)
        with torch.no_grad():
            for name, parameter in generator.named_parameters():
                if name.endswith(("motion_mask", "low_rank_gain")):
                    parameter.fill_(0.7)
        facts = ModelFacts(family=family, config={}, resolution=config.resolution, fps=10)
        return VideoModel(generator, config, facts, "cpu", options=options)

    return make


@pytest.mark.parametrize(
    ("family", "generator"),
    [
        ("stylesv", {}),
        ("stylesv", {"fuse": "layers"}),
        ("stylesv", {"low_rank": 2}),
        ("styleganv", {}),
        ("mocogan-sg2", {}),
        ("mocogan", None),
    ],
)
def test_the_fast_way_makes_the_same_frames(
    model_with: Callable[..., VideoModel], family: str, generator: dict[str, Any] | None
) -> None:
    changes = None if generator is None else {"generator": generator}
    plain, fast = (model_with(options, family, changes) for options in (None, FAST))
    torch.testing.assert_close(fast.frames(3, TIMES), plain.frames(3, TIMES), atol=2e-5, rtol=0)


UNEVEN = {"channel_max": 13, "channel_base": 75}  # layers of 13, 9 and 5 channels


@pytest.mark.parametrize("styles_ahead", [True, False])
@pytest.mark.parametrize("fuse", ["concat", "layers"])
def test_channels_in_eights_make_the_same_frames(
    model_with: Callable[..., VideoModel], fuse: str, styles_ahead: bool
) -> None:
    changes = {"generator": {"fuse": fuse, **UNEVEN}}
    plain, eights = (
        model_with(CardOptions(styles_ahead=styles_ahead, eights=on), changes=changes) for on in (False, True)
    )
    for model in (plain, eights):
        torch.manual_seed(1)
        with torch.no_grad():
            for layer in model.generator.synthesis.layers:
                layer.bias.normal_()
        model.generator.prepare(_preparation(model.options, False, False))
    seen: list[Tensor] = []
    for layer in eights.generator.synthesis.layers:
        layer.register_forward_hook(lambda layer, _, y: seen.append(y[:, len(layer.bias) :]))
    expected, made = plain.frames(3, TIMES), eights.frames(3, TIMES)
    assert (made - expected).norm() < 1e-6 * expected.norm()
    assert [x.shape[1] for x in seen] == [3, 7, 3, 3] and not any(x.any() for x in seen)


def test_channels_stay_what_they_are_by_default(model_with: Callable[..., VideoModel]) -> None:
    low_rank = {"low_rank": 2, **UNEVEN}  # which has weights of its own
    for options, generator in ((None, UNEVEN), (FAST, low_rank)):
        synthesis = model_with(options, changes={"generator": generator}).generator.synthesis
        for module in (*synthesis.layers, synthesis.to_rgb):
            assert module.conv.prepared.weight.shape == module.conv.weight.shape
    assert _preparation(CardOptions(), True, True).eights and not _preparation(CardOptions(), False, True).eights
    assert not _preparation(CardOptions(eights=False), True, True).eights


def test_colours_of_bfloat16_keep_float32(model_with: Callable[..., VideoModel]) -> None:
    model = model_with(changes={"generator": UNEVEN})
    to_rgb = model.generator.synthesis.to_rgb
    to_rgb.conv.magnitude_ema.fill_(3.0)
    to_rgb.prepare(Preparation(torch.bfloat16, channels_last=True, styles_ahead=True, eights=True))
    real = to_rgb.conv.weight.shape[1]
    x = (
        fill_up(torch.randn(2, real, 6, 6), to_rgb.conv.in_channels)
        .bfloat16()
        .contiguous(memory_format=torch.channels_last)
    )
    style, nothing = torch.ones(2, x.shape[1]), torch.zeros(2, 16)
    with torch.no_grad():
        y = to_rgb(x, nothing, nothing, applied=style)
        expected = to_rgb(x.float(), nothing, nothing, applied=style)
    assert y.dtype == torch.float32 and not torch.equal(y, expected)
    torch.testing.assert_close(y, expected, atol=3e-5, rtol=0)  # bfloat16 would be off by 1e-2


def test_what_is_made_ready(model_with: Callable[..., VideoModel]) -> None:
    seen: list[Any] = []
    for options in (FAST, None):
        model = model_with(options)
        layer = model.generator.synthesis.layers[1]
        layer.activate.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[3]))
        model.frames(0, TIMES)
        weight = layer.conv.prepared.weight
        assert weight.is_contiguous(memory_format=torch.channels_last) is (options is FAST)
        assert (weight is layer.conv.weight) is (options is None)  # so that an exported program holds it once
    assert seen[0].shape == (5, 8) and seen[1] is None


def test_weights_in_bfloat16_are_those_of_autocast(checkpoint: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.ops.mkldnn._is_mkldnn_bf16_supported", lambda: True)
    narrow, model = load_model(checkpoint, "cpu", "bf16"), load_model(checkpoint, "cpu")
    assert narrow.generator.synthesis.layers[0].conv.prepared.weight.dtype == torch.bfloat16
    ws, v = model.contents([3]), model.motions([3], TIMES)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        expected = model.generator.synthesis(ws, v)
    assert torch.equal(narrow.synthesize(ws, v), expected)


def test_tf32_is_asked_for_by_name(checkpoint: Any) -> None:
    convolutions: Any = torch.backends.cudnn.conv  # type: ignore[attr-defined]
    before = convolutions.fp32_precision
    for allowed, name in ((False, "ieee"), (True, "tf32")):
        with tf32(allowed):
            assert convolutions.fp32_precision == name
        assert convolutions.fp32_precision == before
    with pytest.raises(DeviceError, match="precision tf32: this cpu has no TF32"):
        load_model(checkpoint, "cpu", "tf32")


def test_whole_multiples_are_whole() -> None:
    times = torch.arange(2000, dtype=torch.float64) * 49
    assert torch.equal(quotient(times, 49), torch.arange(2000, dtype=torch.float64))
    assert not torch.equal(times * (1 / 49), quotient(times, 49))  # CUDA's `times / 49`


@pytest.mark.parametrize(("num_videos", "num_frames", "at_once"), [(1, 8, 32), (1, 40, 32), (3, 5, 11), (4, 7, 3)])
def test_videos_are_made_whole_or_in_pieces(num_videos: int, num_frames: int, at_once: int) -> None:
    numbers = np.arange(num_videos * num_frames).reshape(num_videos, num_frames)
    made: list[int] = []
    while len(made) < numbers.size:
        part = numbers[_from_picture(len(made), num_frames, at_once)]
        assert 0 < part.size <= max(at_once, 1)
        made += part.flatten().tolist()
    assert made == numbers.flatten().tolist()


def test_frames_of_a_video_share_their_input(model_with: Callable[..., VideoModel]) -> None:
    model = model_with(changes={"generator": {"waves": 8}})
    with torch.no_grad():
        model.generator.synthesis.input.waves.weight.normal_()
    ws, v = model.contents([0, 1]), model.motions([0, 1], TIMES)
    together = model.synthesize(ws, v).unflatten(0, v.shape[:2])
    torch.testing.assert_close(together, model.render(ws, v), atol=1e-5, rtol=0)


class Replay:
    """Stands in for graphs.Graph: what was recorded is what the function gave."""

    room = 100

    def __init__(self, function: Callable[..., Tensor], inputs: Any, beside: "Replay | None") -> None:
        if len(inputs[0]) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        self.call, self.beside = partial(function), beside
        self.calls = 0

    def __call__(self, *inputs: Tensor) -> Tensor:
        self.calls += 1
        return self.call(*inputs)


@pytest.fixture
def no_card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphs, "Graph", Replay)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)


def test_the_second_call_of_a_kind_is_recorded(no_card: None) -> None:
    double, x, y = Graphs(lambda x: x * 2), torch.ones(3), torch.ones(2)
    for number in range(4):
        assert torch.equal(double(x + number), 2 * (x + number))
    assert torch.equal(double(y), 2 * y) and len(double._graphs) == 1
    double(y)
    first, second = double._graphs.values()
    assert isinstance(first, Replay) and first.calls == 3
    assert isinstance(second, Replay) and second.calls == 1 and second.beside is first
    assert double.release() and not double.release()
    assert torch.equal(double(x), 2 * x) and not double._graphs

    plain = Graphs(lambda x: x * 2, enabled=False)
    assert [plain(x).sum() for _ in range(3)] == [6] * 3 and not plain._graphs


def test_what_cannot_be_recorded_goes_the_plain_way(no_card: None, monkeypatch: pytest.MonkeyPatch) -> None:
    double = Graphs(lambda x: x * 2)
    for _ in range(2):
        double(torch.ones(3))
    monkeypatch.setattr(Replay, "room", 4)
    for _ in range(3):
        assert torch.equal(double(torch.ones(5)), 2 * torch.ones(5))
    assert not double._graphs and not double.enabled


def test_graphs_make_room_before_fewer_pictures_do(
    model_with: Callable[..., VideoModel], no_card: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = model_with()
    model._graphs = Graphs(model._graphs.function)
    inputs = model.contents([0]), model.motions([0], TIMES)
    for _ in range(2):
        whole = model.render(*inputs)
    assert model._graphs._graphs
    synthesize, tried = model.synthesize, list[int]()

    def cramped(ws: Tensor, v: Tensor) -> Tensor:
        tried.append(len(v))
        if model._graphs.enabled:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return synthesize(ws, v)

    monkeypatch.setattr(model, "synthesize", cramped)
    assert torch.equal(model.render(*inputs), whole) and tried == [5, 5] and model._pictures_at_once == 32


@on_card
@pytest.mark.parametrize("precision", ["float32", "tf32", "bf16"])
def test_a_graph_gives_the_same_to_the_bit(checkpoint: Any, precision: Any) -> None:
    plain = load_model(checkpoint, "cuda", precision, CardOptions(graphs=False, overlap=False))
    fast = load_model(checkpoint, "cuda", precision)
    for _ in range(3):
        ours, theirs = (list(model.stream(seed=3, num_frames=20, chunk=8)) for model in (fast, plain))
        assert [len(chunk) for chunk in ours] == [8, 8, 4]
        assert all(map(torch.equal, ours, theirs)) and not any(chunk.is_pinned() for chunk in ours)
        for drift in (None, 3.0):
            both = [model.sample([1, 2, 5], 7, drift=drift, chunk=3) for model in (fast, plain)]
            assert torch.equal(*both)
    assert fast._graphs.enabled and len(fast._graphs._graphs) > 1


@on_card
def test_a_chunk_waits_for_nothing(checkpoint: Any, without_waiting: Any) -> None:
    model = load_model(checkpoint, "cuda", options=CardOptions(graphs=False))
    ws = model.contents([0])
    model.render(ws, model.motions([0], TIMES))
    with without_waiting():
        model.render(ws, model.motions([0], TIMES + 3))
