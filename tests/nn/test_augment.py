import math
from collections.abc import Callable

import numpy as np
import pytest
import scipy.ndimage
import torch
from torch import Tensor

from smoothvid.nn.augment import AdaController, Dice, augment, draw_colours, draw_moves, move, recolour, sample

SIZE = 16


def dice(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(count: int = 2, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(count, 1, 3, SIZE, SIZE, generator=dice(seed), dtype=dtype)


def about_centre(rows: list[list[float]]) -> Tensor:
    return torch.tensor([rows, rows], dtype=torch.float64)


def shifted(x: Tensor, right: int, down: int) -> Tensor:
    """The reference for whole-pixel translation: the picture among its mirror images, cut out elsewhere."""
    pad = ((0, 0),) * 3 + ((SIZE, SIZE), (SIZE, SIZE))
    plane = torch.from_numpy(np.pad(x.numpy(), pad, mode="symmetric"))
    return plane[..., SIZE - down : 2 * SIZE - down, SIZE - right : 2 * SIZE - right]


def smooth(x: Tensor, y: Tensor) -> Tensor:
    """A picture that is its own reflection at the borders ±½, so that sampling it anywhere has a known answer."""
    return torch.cos(2 * math.pi * (x + 0.5)) * 0.5 + torch.cos(math.pi * (y + 0.5)) * torch.cos(math.pi * (x + 0.5))


def test_nothing_changes_at_zero_probability() -> None:
    videos = pictures().reshape(1, 2, 3, SIZE, SIZE).float()
    for share in (True, False):
        torch.testing.assert_close(augment(videos, 0.0, dice(0), share), videos, rtol=0, atol=1e-6)


def test_a_video_that_is_not_moved_beside_one_that_is_comes_back() -> None:
    x = pictures()
    moves = torch.stack([torch.eye(3), torch.tensor([[0.0, -1, 0.3], [1, 0, 0], [0, 0, 1]])]).double()
    y = move(x, moves)
    torch.testing.assert_close(y[0], x[0], rtol=0, atol=1e-4)
    assert (y[1] - x[1]).abs().mean() > 0.1


@pytest.mark.parametrize(
    "rows, reference",
    [
        ([[-1, 0, 0], [0, 1, 0], [0, 0, 1]], lambda x: x.flip(-1)),
        ([[0, -1, 0], [1, 0, 0], [0, 0, 1]], lambda x: x.rot90(-1, (-2, -1))),  # +x turns to +y, which points down
        ([[-1, 0, 0], [0, -1, 0], [0, 0, 1]], lambda x: x.rot90(2, (-2, -1))),
        ([[1, 0, 3 / SIZE], [0, 1, -2 / SIZE], [0, 0, 1]], lambda x: shifted(x, 3, -2)),
        (
            [[1, 0, -1], [0, 1, 0], [0, 0, 1]],
            lambda x: x.flip(-1),
        ),  # a whole width away stands the mirror image
    ],
    ids=["mirror", "quarter turn", "half turn", "translation", "one width"],
)
def test_whole_pixel_moves_are_exact(rows: list[list[float]], reference: Callable[[Tensor], Tensor]) -> None:
    x = pictures()
    torch.testing.assert_close(move(x, about_centre(rows)), reference(x), rtol=0, atol=2e-4)


def test_general_moves_take_content_where_the_matrix_says() -> None:
    size = 64
    axis = (torch.arange(size, dtype=torch.float64) + 0.5) / size - 0.5
    x = smooth(axis, axis[:, None]).expand(1, 1, 3, size, size)
    turn, zoom = 0.4, 1.2
    matrix = torch.tensor(
        [[zoom * math.cos(turn), -math.sin(turn), 0.11], [math.sin(turn), math.cos(turn) / zoom, -0.07], [0, 0, 1]],
        dtype=torch.float64,
    )
    back = matrix.inverse()
    at = [back[i, 0] * axis + back[i, 1] * axis[:, None] + back[i, 2] for i in (0, 1)]
    torch.testing.assert_close(move(x, matrix[None])[0, 0, 0], smooth(*at), rtol=0, atol=5e-3)


def test_sampling_is_bilinear_on_the_reflected_plane() -> None:
    rng = np.random.default_rng(0)
    planes, (x, y) = rng.normal(size=(1, 2, 9, 9)), rng.uniform(-30, 30, size=(2, 1, 40, 40))
    ours = sample(*(torch.from_numpy(a) for a in (planes, x, y)))
    for channel in range(2):
        expected = scipy.ndimage.map_coordinates(planes[0, channel], [y[0], x[0]], order=1, mode="reflect")
        np.testing.assert_allclose(ours[0, channel], expected, atol=1e-9)


def test_every_frame_of_a_video_is_transformed_alike() -> None:
    videos = pictures(3).expand(3, 4, 3, SIZE, SIZE)
    shared = augment(videos, 1.0, dice(0))
    torch.testing.assert_close(shared, shared[:, :1].expand_as(shared))
    one = augment(pictures(1).expand(3, 1, 3, SIZE, SIZE), 1.0, dice(0))
    assert (one[0] - one[1]).abs().mean() > 0.1 and (one[1] - one[2]).abs().mean() > 0.1
    free = augment(videos, 1.0, dice(0), share_video=False)
    for i in range(3):
        assert (free[:, i] - free[:, i + 1]).abs().mean() > 0.1


def test_the_draw_depends_on_the_generator_alone() -> None:
    videos = pictures(4).float()
    first, again, other = (augment(videos, 0.7, dice(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)
    states = []
    for p in (0.0, 0.9):
        generator = dice(3)
        augment(videos, p, generator)
        states.append(generator.get_state())
    assert torch.equal(*states)


def test_second_derivatives_exist_and_are_right() -> None:
    x = torch.randn(1, 2, 3, 4, 4, generator=dice(0), dtype=torch.float64, requires_grad=True)

    def penalized(videos: Tensor) -> Tensor:  # curved, so that the second derivative is not zero
        return augment(videos, 1.0, dice(5)).pow(3).sum((1, 2, 3, 4)) / 100

    assert torch.autograd.gradcheck(penalized, x)
    assert torch.autograd.gradgradcheck(penalized, x)


def test_training_works_after_a_look_without_gradients() -> None:
    with torch.inference_mode():
        augment(torch.zeros(1, 1, 3, 12, 12), 1.0, dice(0))
    x = torch.zeros(1, 1, 3, 12, 12, requires_grad=True)
    augment(x, 1.0, dice(0)).sum().backward()
    assert x.grad is not None and x.grad.abs().sum() > 0


class Loaded(Dice):
    """Dice that show given values, in the order asked for; 0 after that."""

    def __init__(self, *values: float) -> None:
        super().__init__(1, 1.0, dice(0))
        self.values = list(values)

    def _next(self) -> Tensor:
        return torch.tensor([self.values.pop(0) if self.values else 0.0], dtype=torch.float64)

    def uniform(self, low: float, high: float, neutral: float = 0.0, p: float | None = None) -> Tensor:
        return self._next()

    def choice(self, options: int) -> Tensor:
        return self._next()

    def normal(self, std: float) -> Tensor:
        return self._next()


def test_colours_against_a_matrix_made_by_hand() -> None:
    # Brightness +0.1, contrast ×2, luma flip, hue by a third of a turn, saturation ×1/2.
    matrix = draw_colours(Loaded(0.1, 1.0, 1, 2 * math.pi / 3, -1.0))
    luma = np.full((3, 3), 1 / 3)
    flip = np.eye(3) - 2 * luma
    cycle = np.roll(np.eye(3), 1, axis=0)  # a third of a turn about grey takes red to green, green to blue, blue to red
    saturate = luma + (np.eye(3) - luma) / 2
    linear = saturate @ cycle @ flip * 2
    expected = np.eye(4)
    expected[:3, :3], expected[:3, 3] = linear, linear @ np.full(3, 0.1)
    np.testing.assert_allclose(matrix[0], expected, atol=1e-12)

    x = pictures(1)
    rgb = x[0, 0].numpy().reshape(3, -1)
    expected_rgb = linear @ (rgb + 0.1)
    np.testing.assert_allclose(recolour(x, matrix)[0, 0].numpy().reshape(3, -1), expected_rgb, atol=1e-12)


def test_moves_compose_in_the_papers_order() -> None:
    # Mirror, one quarter turn, +2 and −1 pixels, then zoom ×2, turn, stretch ×2, turn, and drift.
    matrix = draw_moves(Loaded(1, 1, 2.2 / SIZE, -0.9 / SIZE, 1.0, 0.3, 1.0, 0.2, 0.05, -0.02), SIZE)[0].numpy()

    def turn(a: float) -> np.ndarray:
        return np.array([[math.cos(a), -math.sin(a)], [math.sin(a), math.cos(a)]])

    def content(p: np.ndarray) -> np.ndarray:
        p = turn(math.pi / 2) @ (p * [-1, 1]) + np.array([2, -1]) / SIZE
        return turn(0.2) @ (turn(0.3) @ (2 * p) * [2, 0.5]) + [0.05, -0.02]

    for p in np.random.default_rng(0).normal(size=(5, 2)):
        np.testing.assert_allclose((matrix @ [*p, 1])[:2], content(p), atol=1e-12)


def test_how_often_and_how_strongly() -> None:
    n, p = 40_000, 0.3
    moves = draw_moves(Dice(n, p, dice(0)), 64)
    colours = draw_colours(Dice(n, p, dice(1)))
    close = pytest.approx

    # A mirror turns the plane over: drawn with p, and then in half of the cases.
    assert float((torch.linalg.det(moves) < 0).double().mean()) == close(p / 2, abs=0.01)
    # Areas change only by the zoom, 4^N(0, 0.2²); translations drift by N(0, 0.125²) after whole-pixel ones.
    areas = torch.linalg.det(moves[:, :2, :2]).abs().log2() / 2
    assert float((areas.abs() > 1e-9).double().mean()) == close(p, abs=0.01)
    assert float(areas[areas.abs() > 1e-9].std()) == close(0.2, rel=0.03)

    # The grey axis is scaled by contrast 2^N(0, 0.5²), with the sign of the luma flip.
    grey = torch.einsum("noi->n", colours[:, :3, :3]) / 3
    assert float((grey < 0).double().mean()) == close(p / 2, abs=0.01)
    contrast = grey.abs().log2()
    assert float((contrast.abs() > 1e-9).double().mean()) == close(p, abs=0.01)
    assert float(contrast[contrast.abs() > 1e-9].std()) == close(0.5, rel=0.03)
    shift = colours[:, :3, 3].mean(1) / grey
    assert float((shift.abs() > 1e-9).double().mean()) == close(p, abs=0.01)
    assert float(shift[shift.abs() > 1e-9].std()) == close(0.2, rel=0.03)
    # The volume is contrast³ · saturation², with 2^N(0, 1) for saturation.
    saturation = (torch.linalg.det(colours[:, :3, :3]).abs().log2() - 3 * contrast) / 2
    assert float((saturation.abs() > 1e-6).double().mean()) == close(p, abs=0.01)
    assert float(saturation[saturation.abs() > 1e-6].std()) == close(1.0, rel=0.03)


def test_pictures_turn_with_probability_p() -> None:
    """Two turns, each with 1 − √(1 − p); of the quarter turns, drawn with p, every second is odd."""
    n, p = 40_000, 0.36
    moves = draw_moves(Dice(n, p, dice(2)), 64)[:, :2, :2]
    on_axes = (moves.abs().amax(2) - moves.norm(dim=2)).abs().amax(1) < 1e-9
    assert float(1 - on_axes.double().mean()) == pytest.approx(p, abs=0.01)
    # Each matrix that keeps to the axes either swaps them or not: an odd number of quarter turns.
    swapped = moves[on_axes][:, 0, 1].abs() > 1e-9
    assert float(swapped.double().mean()) == pytest.approx(p / 2, abs=0.01)


def test_the_controller_moves_towards_its_target_at_its_speed() -> None:
    ada = AdaController(target=0.6, speed_kimg=1, interval=4)
    for _ in range(25):
        for step in range(4):
            before = ada.p
            ada.update(torch.tensor(0.9), 8)
            assert (ada.p == before) == (step < 3)
    assert ada.p == pytest.approx(25 * 4 * 8 / 1000)
    for _ in range(8):
        ada.update(0.1, 8)
    assert ada.p == pytest.approx((100 - 8) * 8 / 1000)
    for _ in range(200):
        ada.update(1.0, 8)
    assert ada.p == 1.0
    for _ in range(400):
        ada.update(-1.0, 8)
    assert ada.p == 0.0


def test_the_controller_averages_over_its_interval() -> None:
    ada = AdaController(target=0.6, speed_kimg=500, interval=2, p=0.5)
    ada.update(1.0, 10)
    ada.update(0.0, 30)  # 0.25 over all clips, although the mean of the two steps is 0.5
    assert ada.p == pytest.approx(0.5 - 40 / 500_000)


def test_the_controller_goes_on_where_it_stopped() -> None:
    signs = np.random.default_rng(0).uniform(0.2, 1.0, 50)
    whole, first, second = (
        AdaController(speed_kimg=1, p=0.4),
        AdaController(speed_kimg=1, p=0.4),
        AdaController(speed_kimg=1),
    )
    for sign in signs:
        whole.update(sign, 4)
    for sign in signs[:22]:  # in the middle of an interval
        first.update(sign, 4)
    state = first.state_dict()
    assert all(type(value) is float for value in state.values())
    second.load_state_dict(state)
    for sign in signs[22:]:
        second.update(sign, 4)
    assert second.state_dict() == whole.state_dict()
