"""The drawn worlds: pictures, exact motion, exact contents."""

import pickle
import time

import numpy as np
import pytest

from smoothvid.data.synthetic import WORLDS, World, make_world
from smoothvid.data.synthetic.drive import DASH_PERIOD, Drive
from smoothvid.data.synthetic.hashing import hash_key, uniform, uniform_array
from smoothvid.data.synthetic.shapes import COLOURS, MOTIONS, Shapes
from smoothvid.errors import DataError

EVERY_WORLD = pytest.mark.parametrize("name", sorted(WORLDS))


def warp(image: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """Bilinear look-up of image [H, W, 3] at every pixel plus its flow, float64."""
    height, width = image.shape[:2]
    rows, columns = np.mgrid[:height, :width]
    x, y = np.clip(columns + flow[..., 0], 0, width - 1), np.clip(rows + flow[..., 1], 0, height - 1)
    left, top = np.minimum(x.astype(int), width - 2), np.minimum(y.astype(int), height - 2)
    a, b = (x - left)[..., None], (y - top)[..., None]
    upper = image[top, left] * (1 - a) + image[top, left + 1] * a
    lower = image[top + 1, left] * (1 - a) + image[top + 1, left + 1] * a
    return upper * (1 - b) + lower * b


def difference(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Mean absolute difference of the colours, [H, W]."""
    return np.abs(a.astype(float) - b.astype(float)).mean(axis=2)


def shrink(image: np.ndarray, factor: int) -> np.ndarray:
    height, width = image.shape[:2]
    return image.reshape(height // factor, factor, width // factor, factor, -1).mean(axis=(1, 3))


def in_frame(flow: np.ndarray) -> np.ndarray:
    size = flow.shape[0]
    place = flow + np.stack(np.meshgrid(np.arange(size), np.arange(size)), axis=2) + 0.5
    return ((place > 0) & (place < size)).all(axis=2)


@EVERY_WORLD
@pytest.mark.parametrize("seed", range(4))
def test_flow_takes_the_earlier_frame_to_the_later_one(name: str, seed: int) -> None:
    world, size, t, dt = make_world(name, seed), 128, 1e6 * (seed % 2) + 50.0, 3.0  # exact at any distance in time
    before, now = world.frame(t - dt, size), world.frame(t, size)
    flow, visible = world.flow(t, dt, size)
    assert flow.shape == (size, size, 2) and flow.dtype == np.float32 and np.isfinite(flow).all()
    assert visible.shape == (size, size) and visible.dtype == bool and visible.mean() > 0.6

    error = difference(warp(before, flow), now)[visible]
    assert error.mean() < 5.0 and np.median(error) < 2.0
    assert error.mean() < 0.65 * difference(before, now)[visible].mean()
    for wrong in ((2, 0), (-2, 0), (0, 2), (0, -2)):  # no other motion explains the picture as well
        assert difference(warp(before, flow + np.array(wrong)), now)[visible].mean() > 1.1 * error.mean()


@EVERY_WORLD
def test_flow_of_no_time_is_zero_and_forward_flow_inverts_backward_flow(name: str) -> None:
    world, size = make_world(name, 5), 64
    flow, visible = world.flow(20.0, 0.0, size)
    assert np.abs(flow).max() < 1e-4 and visible.all()
    back, visible = world.flow(20.0, 0.5, size)
    forth, _ = world.flow(19.5, -0.5, size)
    there_and_back = back + warp(forth, back)
    assert np.median(np.abs(there_and_back[visible])) < 0.02


@pytest.mark.parametrize("name", ["drive", "shapes"])
def test_hidden_points_are_those_the_earlier_frame_cannot_explain(name: str) -> None:
    seen, hidden = [], []
    for seed in range(6):
        world = make_world(name, seed)
        flow, visible = world.flow(40.0, 4.0, 96)
        error = difference(warp(world.frame(36.0, 96), flow), world.frame(40.0, 96))
        seen.append(error[visible])
        hidden.append(error[~visible & in_frame(flow)])
    assert np.concatenate(hidden).size > 200
    assert np.concatenate(hidden).mean() > 4.0 * np.concatenate(seen).mean()


@pytest.mark.parametrize("seed", range(5))
def test_visibility_of_shapes_agrees_with_their_instances(seed: int) -> None:
    world, size, t, dt = Shapes(seed), 128, 30.0, 5.0
    flow, visible = world.flow(t, dt, size)
    now, before = world.instances(t, size), world.instances(t - dt, size)
    rows, columns = np.mgrid[:size, :size]
    x, y = np.rint(columns + flow[..., 0]).astype(int), np.rint(rows + flow[..., 1]).astype(int)
    inside = (x >= 0) & (x < size) & (y >= 0) & (y < size)
    expected = inside & (before[np.clip(y, 0, size - 1), np.clip(x, 0, size - 1)] == now)
    assert (expected != visible).mean() < 0.01  # rounding moves outlines by half a pixel
    assert (~visible & inside).any()


@EVERY_WORLD
def test_a_seed_names_one_video(name: str) -> None:
    frame = make_world(name, 3).frame(12.25, 48)
    assert frame.shape == (48, 48, 3) and frame.dtype == np.uint8
    assert np.array_equal(frame, make_world(name, 3).frame(12.25, 48))
    assert np.array_equal(frame, pickle.loads(pickle.dumps(make_world(name, 3))).frame(12.25, 48))
    assert len({make_world(name, seed).frame(12.25, 48).tobytes() for seed in range(20)}) == 20


@EVERY_WORLD
def test_labels_are_many_and_fixed_by_the_seed(name: str) -> None:
    worlds = [make_world(name, seed) for seed in range(40)]
    assert len({world.kind for world in worlds}) == {"drive": 5, "sky": 3, "shapes": 4}[name]
    assert {world.fps for world in worlds} == {25.0}


@EVERY_WORLD
def test_far_away_in_time_nothing_changes_but_the_place(name: str) -> None:
    def motion(world: World, start: float) -> float:
        frames = [world.frame(start + i, 32) for i in range(8)]
        return float(np.mean([difference(a, b).mean() for a, b in zip(frames[:-1], frames[1:], strict=True)]))

    def cost(world: World, start: float) -> float:
        spent = []
        for i in range(7):
            began = time.process_time()
            world.frame(start + i, 32)
            spent.append(time.process_time() - began)
        return min(spent)

    worlds = [make_world(name, seed) for seed in range(8)]
    near, far = (np.mean([motion(world, start) for world in worlds]) for start in (0.0, 1e6))
    assert 0.5 * near < far < 2.0 * near
    assert cost(worlds[0], 1e6) < 5.0 * cost(worlds[0], 0.0)
    flow, visible = worlds[0].flow(1e6, 1.0, 32)
    assert np.isfinite(flow).all() and visible.mean() > 0.6


@EVERY_WORLD
@pytest.mark.parametrize("seed", [0, 7])
def test_small_pictures_are_the_averages_of_large_ones(name: str, seed: int) -> None:
    world = make_world(name, seed)
    for t in (0.0, 33.3):
        assert difference(world.frame(t, 32), shrink(world.frame(t, 128), 4)).mean() < 2.2


@EVERY_WORLD
def test_motion_is_plain_to_see_and_never_jumps(name: str) -> None:
    motion = []
    for seed in range(8):
        world = make_world(name, seed)
        for start in (0.0, 77.0):
            step, tiny = world.frame(start + 1, 32), world.frame(start + 0.02, 32)
            motion.append(difference(world.frame(start, 32), step).mean())
            assert difference(world.frame(start, 32), tiny).mean() < 0.5
    assert np.mean(motion) > {"drive": 3.5, "sky": 1.0, "shapes": 3.0}[name]
    assert np.max(motion) < 15.0


@pytest.mark.parametrize("seed", range(3))
def test_dashes_pass_at_the_known_speed(seed: int) -> None:
    world = Drive(seed)
    period = DASH_PERIOD / world.speed * world.fps  # frames
    times = np.arange(0.0, 4 * period, period / 12)
    row = int(64 * 0.84)  # a place on the near road where, left of the middle, only the dashes are white
    paint = np.array([world.frame(t, 64)[row, :34].min(axis=1).max() for t in times], float)
    paint -= paint.mean()
    scores = [np.corrcoef(paint[:-lag], paint[lag:])[0, 1] for lag in range(1, 19)]
    assert 1 + int(np.argmax(scores)) == 12 and max(scores) > 0.8 and min(scores) < -0.4


@pytest.mark.parametrize("seed", range(6))
def test_attributes_and_instances_agree_with_the_picture(seed: int) -> None:
    world, size = Shapes(seed), 128
    assert all(attribute["motion"] == world.label and world.label in MOTIONS for attribute in world.attributes)
    checked = 0
    for t in (0.0, 20.0, 40.0):
        frame, number = world.frame(t, size).astype(float), world.instances(t, size)
        assert number.dtype == np.int32 and 0 <= number.min() and number.max() <= len(world.attributes)
        for i, attribute in enumerate(world.attributes, start=1):
            mask = number == i
            for shift in np.ndindex(5, 5):  # keep off the outline, where colours blend
                mask &= np.roll(number == i, (shift[0] - 2, shift[1] - 2), (0, 1))
            if mask.sum() < 100:
                continue
            ink = 255.0 * np.asarray(COLOURS[attribute["colour"]])
            shade = frame[mask] @ ink / (ink @ ink)  # textures darken the colour and do not change it
            assert np.abs(frame[mask] - shade[:, None] * ink).max() < 3.0
            assert (shade.min() > 0.98) == (attribute["texture"] == "plain") and shade.max() > 0.98
            assert (number == i).sum() < np.pi * (attribute["size"] * size) ** 2
            checked += 1
    assert checked >= 3


def test_hash_is_splitmix64() -> None:
    assert hash_key(0) == 0xE220A8397B1DCDAF  # the generator's published first output for seed 0
    index = np.array([-(10**12), -1, 0, 1, 2**40])
    assert uniform_array(77, index).tolist() == [uniform(77, int(i)) for i in index]
    draws = uniform_array(5, np.arange(20000))
    assert abs(draws.mean() - 0.5) < 0.01 and abs(np.corrcoef(draws[:-1], draws[1:])[0, 1]) < 0.03


def test_unknown_world_is_named_in_the_error() -> None:
    with pytest.raises(DataError, match="'ocean'.*drive"):
        make_world("ocean", 0)
