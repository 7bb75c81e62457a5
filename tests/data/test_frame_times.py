import numpy as np

from smoothvid.data.frame_times import FrameDraw, draw_clip


def test_spans_are_equally_likely_and_frames_between_lie_anywhere() -> None:
    rng = np.random.default_rng(0)
    spans = (1, 2, 4, 8, 16, 32)
    draws = np.array([FrameDraw(3, spans).offsets(rng, 100) for _ in range(4000)])
    assert draws.dtype == np.int64 and (draws[:, 0] == 0).all() and (np.diff(draws) > 0).all()
    found, counts = np.unique(draws[:, 2], return_counts=True)
    assert found.tolist() == [2, 4, 8, 16, 32]  # a span of 1 leaves no room for three frames
    assert abs(counts / 4000 - 0.2).max() < 0.03
    middle = np.bincount(draws[draws[:, 2] == 8, 1], minlength=8)[1:]
    assert len(middle) == 7 and (abs(middle / middle.sum() - 1 / 7) < 0.05).all()


def test_near_frames_follow_each_other_and_far_ones_come_after() -> None:
    rng = np.random.default_rng(0)
    draw = FrameDraw(6, (12, 20), "near", steps=(1, 3), far_frames=2)
    draws = np.array([draw.offsets(rng, 100) for _ in range(2000)])
    assert draws.dtype == np.int64 and (draws[:, 0] == 0).all() and (np.diff(draws) > 0).all()
    steps = np.diff(draws[:, :4])
    assert (steps == steps[:, :1]).all()
    for found, wanted in ((steps[:, 0], [1, 3]), (draws[:, 5], [12, 20])):
        values, counts = np.unique(found, return_counts=True)
        assert values.tolist() == wanted and abs(counts / 2000 - 0.5).max() < 0.04
    between = draws[(steps[:, 0] == 3) & (draws[:, 5] == 12), 4]
    assert set(between.tolist()) == {10, 11}


def test_near_draws_fit_short_videos() -> None:
    rng = np.random.default_rng(0)
    draw = FrameDraw(4, (10, 30), "near", steps=(1, 2, 5))
    assert {tuple(draw.offsets(rng, 4)) for _ in range(30)} == {(0, 1, 2, 3)}
    assert {tuple(draw.offsets(rng, 8)) for _ in range(60)} == {(0, 1, 2, 7), (0, 2, 4, 7)}
    assert {int(draw.offsets(rng, 20)[-1]) for _ in range(60)} == {10, 19}  # two steps of 5 leave no room before 10
    assert {tuple(FrameDraw(3, (), "near", (2,), 0).offsets(rng, 9)) for _ in range(9)} == {(0, 2, 4)}


def test_disorder_is_never_the_motion_that_was() -> None:
    rng = np.random.default_rng(0)
    times = np.array([7.0, 9.0, 11.0, 13.0, 40.0])
    kinds: dict[str, int] = dict.fromkeys(("still", "backwards", "to and fro", "pace"), 0)
    for _ in range(2000):
        order, shown = FrameDraw(5, (33,), "near", steps=(1, 2)).disorder(rng, times)
        assert order[4] == 4 and shown[4] == 40 and (np.diff(shown) > 0).all()
        turns = set(np.sign(np.diff(order[:4])).tolist())
        if not np.array_equal(shown, times):
            assert order.tolist() == [0, 1, 2, 3, 4] and shown.tolist() == [7, 8, 9, 10, 40]
            kinds["pace"] += 1
        elif turns == {0}:
            kinds["still"] += 1
        elif turns == {-1}:
            assert order[:4].tolist() == [3, 2, 1, 0]
            kinds["backwards"] += 1
        else:
            assert turns == {-1, 1} and sorted(order.tolist()) == [0, 1, 2, 3, 4]
            kinds["to and fro"] += 1
    assert all(abs(count / 2000 - 0.25) < 0.04 for count in kinds.values())


def test_where_draws_have_one_pace_none_is_made_up() -> None:
    rng = np.random.default_rng(0)
    times = np.array([3.0, 5.0, 7.0])
    for draw in (FrameDraw(3, (4,), "even"), FrameDraw(3, (), "near", (2,), 0)):
        assert all(np.array_equal(draw.disorder(rng, times)[1], times) for _ in range(50))
    paces = {tuple(FrameDraw(3, (4, 8), "even").disorder(rng, times)[1].tolist()) for _ in range(50)}
    assert paces == {(3, 5, 7), (3, 7, 11)}
    paces = {tuple(FrameDraw(3, (4,)).disorder(rng, times)[1].tolist()) for _ in range(50)}
    assert paces == {(3, 5, 7), (3, 4, 5), (3, 7, 11)}


def test_spans_must_fit_the_video() -> None:
    rng = np.random.default_rng(0)
    assert {int(FrameDraw(3, (2, 4, 8)).offsets(rng, 5)[-1]) for _ in range(100)} == {2, 4}
    assert {int(FrameDraw(3, (8, 16)).offsets(rng, 5)[-1]) for _ in range(20)} == {4}
    assert {tuple(FrameDraw(3, (8, 16)).offsets(rng, 3)) for _ in range(20)} == {(0, 1, 2)}
    assert FrameDraw(1, ()).offsets(rng, 1).tolist() == [0]
    assert {tuple(FrameDraw(2, (1,)).offsets(rng, 9)) for _ in range(20)} == {(0, 1)}


def test_every_frame_of_a_video_is_drawn() -> None:
    rng = np.random.default_rng(0)
    frames = [draw_clip(rng, 24, FrameDraw(3, (2, 4)), chunk=24) for _ in range(600)]
    assert {int(n) for numbers, _ in frames for n in numbers} == set(range(24))
    assert all((numbers == times).all() and times.dtype == np.float64 for numbers, times in frames)


def test_long_videos_are_seen_in_pieces_with_times_of_their_own() -> None:
    rng = np.random.default_rng(0)
    starts = set()
    for _ in range(400):
        numbers, times = draw_clip(rng, 70, FrameDraw(3, (2, 4, 8)), chunk=32)  # two pieces of 35 frames
        (start,) = {int(n) for n in numbers - times}
        starts.add(start)
        assert times[0] >= 0 and times[-1] < 35 and (np.diff(numbers) > 0).all() and numbers[-1] < 70
    assert starts == {0, 35}
