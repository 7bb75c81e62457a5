import numpy as np

from smoothvid.data.frame_times import draw_clip, draw_offsets


def test_spans_are_equally_likely_and_frames_between_lie_anywhere() -> None:
    rng = np.random.default_rng(0)
    spans = (1, 2, 4, 8, 16, 32)
    draws = np.array([draw_offsets(rng, 3, spans, longest=100) for _ in range(4000)])
    assert draws.dtype == np.int64 and (draws[:, 0] == 0).all() and (np.diff(draws) > 0).all()
    found, counts = np.unique(draws[:, 2], return_counts=True)
    assert found.tolist() == [2, 4, 8, 16, 32]  # a span of 1 leaves no room for three frames
    assert abs(counts / 4000 - 0.2).max() < 0.03
    middle = np.bincount(draws[draws[:, 2] == 8, 1], minlength=8)[1:]
    assert len(middle) == 7 and (abs(middle / middle.sum() - 1 / 7) < 0.05).all()


def test_spans_must_fit_the_video() -> None:
    rng = np.random.default_rng(0)
    assert {int(draw_offsets(rng, 3, (2, 4, 8), longest=5)[-1]) for _ in range(100)} == {2, 4}
    assert {int(draw_offsets(rng, 3, (8, 16), longest=5)[-1]) for _ in range(20)} == {4}
    assert {tuple(draw_offsets(rng, 3, (8, 16), longest=3)) for _ in range(20)} == {(0, 1, 2)}
    assert draw_offsets(rng, 1, (), longest=1).tolist() == [0]
    assert {tuple(draw_offsets(rng, 2, (1,), longest=9)) for _ in range(20)} == {(0, 1)}


def test_every_frame_of_a_video_is_drawn() -> None:
    rng = np.random.default_rng(0)
    frames = [draw_clip(rng, 24, 3, (2, 4), chunk=24) for _ in range(600)]
    assert {int(n) for numbers, _ in frames for n in numbers} == set(range(24))
    assert all((numbers == times).all() and times.dtype == np.float64 for numbers, times in frames)


def test_long_videos_are_seen_in_pieces_with_times_of_their_own() -> None:
    rng = np.random.default_rng(0)
    starts = set()
    for _ in range(400):
        numbers, times = draw_clip(rng, 70, 3, (2, 4, 8), chunk=32)  # two pieces of 35 frames
        (start,) = {int(n) for n in numbers - times}
        starts.add(start)
        assert times[0] >= 0 and times[-1] < 35 and (np.diff(numbers) > 0).all() and numbers[-1] < 70
    assert starts == {0, 35}
