"""KID, KVD and the bounded sample of features against plain double loops."""

import math
import tracemalloc

import numpy as np
import pytest

from smoothvid.evaluation.kernel import FeatureSample, kid, mmd2


def plain_mmd2(x: np.ndarray, y: np.ndarray) -> float:
    """Unbiased, pair by pair, summed without rounding."""

    def kernel(u: np.ndarray, v: np.ndarray) -> float:
        return (math.fsum(float(a) * float(b) for a, b in zip(u, v, strict=True)) / len(u) + 1) ** 3

    n, m = len(x), len(y)
    within_x = math.fsum(kernel(x[i], x[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    within_y = math.fsum(kernel(y[i], y[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    return within_x + within_y - 2 * math.fsum(kernel(u, v) for u in x for v in y) / (n * m)


@pytest.mark.parametrize(("n", "m", "rank"), [(30, 30, 6), (25, 40, 6), (30, 20, 2), (2, 2, 6)])
def test_mmd2(n: int, m: int, rank: int) -> None:
    rng = np.random.default_rng(n)
    mix = rng.normal(size=(rank, 6))
    x, y = rng.normal(size=(n, rank)) @ mix, rng.normal(size=(m, rank)) @ mix * 1.3 + 0.5
    assert mmd2(x, y) == pytest.approx(plain_mmd2(x, y), rel=1e-10)


@pytest.mark.parametrize("difference", [1e-1, 1e-3, 1e-5])
def test_mmd2_of_nearly_equal_sets(difference: float) -> None:
    """What is left is a difference of means of the kernel, so that its error is that of these means."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(40, 5)) * 3
    y = x + difference * rng.normal(size=x.shape)
    mean_kernel = np.abs((x @ x.T / 5 + 1) ** 3).mean()
    assert mmd2(x, y) == pytest.approx(plain_mmd2(x, y), rel=1e-6, abs=1e-14 * mean_kernel)


def test_mmd2_of_equal_distributions_is_near_zero_on_average() -> None:
    rng = np.random.default_rng(4)
    draws = [mmd2(*rng.normal(size=(2, 20, 3))) for _ in range(300)]
    assert abs(np.mean(draws)) < 4 * np.std(draws) / math.sqrt(300)
    assert mmd2(rng.normal(size=(20, 3)), rng.normal(size=(20, 3)) + 1) > 3 * np.std(draws)


def test_mmd2_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(2, 23, 4))
    whole = mmd2(x, y)
    monkeypatch.setattr("smoothvid.evaluation.kernel._ROWS_AT_ONCE", 5)
    assert mmd2(x, y) == pytest.approx(whole, rel=1e-12)
    with pytest.raises(ValueError, match="at least two"):
        mmd2(x[:1], y)


def test_kid_is_the_mean_over_seeded_subsets() -> None:
    rng = np.random.default_rng(6)
    x, y = rng.normal(size=(50, 4)), rng.normal(size=(60, 4)) + 0.2
    own = np.random.Generator(np.random.Philox(9))
    expected = np.mean(
        [plain_mmd2(x[own.choice(50, 20, replace=False)], y[own.choice(60, 20, replace=False)]) for _ in range(4)]
    )
    np.random.seed(0)
    assert kid(x, y, seed=9, subsets=4, size=20) == pytest.approx(expected, rel=1e-10)
    np.random.seed(1)  # which is nobody's business
    assert kid(x, y, seed=9, subsets=4, size=20) == pytest.approx(expected, rel=1e-10)
    assert kid(x, y, seed=10, subsets=4, size=20) != pytest.approx(expected, rel=1e-3)
    assert kid(x, y, seed=9, subsets=1, size=1000) != kid(x, y, seed=9, subsets=1, size=40)
    assert kid(x, x, seed=0, subsets=1, size=1000) == pytest.approx(mmd2(x, x), rel=1e-10)  # all, in another order


def test_a_small_set_is_kept_whole() -> None:
    features = np.random.default_rng(7).normal(size=(20, 3)).astype(np.float32)
    sample = FeatureSample(3, limit=50)
    order = np.random.default_rng(8).permutation(20)
    for part in np.array_split(order, 4):
        sample.update(part, features[part])
    numbers, kept = sample.arrays()
    assert numbers.tolist() == list(range(20))
    np.testing.assert_array_equal(kept, features)


def test_which_features_are_kept_depends_on_seed_and_numbers_alone() -> None:
    features = np.arange(3000, dtype=np.float32)[:, None]

    def kept(order: np.ndarray, pieces: int, seed: int = 0) -> list[int]:
        sample = FeatureSample(1, limit=100, seed=seed)
        for part in np.array_split(order, pieces):
            sample.update(part, features[part])
        numbers, rows = sample.arrays()
        assert numbers.tolist() == rows[:, 0].tolist()
        return numbers.tolist()

    rising = np.arange(3000)
    first = kept(rising, 1)
    assert len(first) == 100 == len(set(first))
    assert kept(rising[::-1], 13) == first
    assert kept(np.random.default_rng(9).permutation(3000), 7) == first
    assert len(set(kept(rising, 1, seed=1)) & set(first)) < 20


def test_the_choice_is_even() -> None:
    """Every tenth of the numbers gives about a tenth of the sample."""
    sample = FeatureSample(1, limit=1000, seed=2)
    sample.update(np.arange(20_000), np.zeros((20_000, 1)))
    shares = np.histogram(sample.arrays()[0], bins=10, range=(0, 20_000))[0]
    assert ((shares - 100) ** 2 / 100).sum() < 27.9  # chi squared, 9 degrees of freedom, one in a thousand


@pytest.mark.parametrize("limit", [40, 1000])
def test_processes_together_keep_what_one_would(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    features = np.arange(300, dtype=np.float32)[:, None]
    alone = FeatureSample(1, limit)
    alone.update(np.arange(300), features)
    parts = [FeatureSample(1, limit) for _ in range(3)]
    for rank, part in enumerate(parts):
        part.update(np.arange(rank, 300, 3), features[rank::3])
    sent: list[int] = []

    def gather(value: object) -> list[object]:
        """What the others would pass, as each of them sees the same."""
        if isinstance(value, np.ndarray):
            return [part.arrays()[0] for part in parts]
        chosen = alone.arrays()[0]
        pairs = [part.arrays() for part in parts]
        kept = [(numbers[np.isin(numbers, chosen)], rows[np.isin(numbers, chosen)]) for numbers, rows in pairs]
        mine = value[0]  # type: ignore[index]
        np.testing.assert_array_equal(mine, kept[1][0])
        sent.append(len(mine))
        return list(kept)

    monkeypatch.setattr("smoothvid.processes.count", lambda: 3)
    monkeypatch.setattr("smoothvid.processes.gather", gather)
    whole = parts[1].gathered()
    for one, other in zip(whole.arrays(), alone.arrays(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert sent == [np.isin(np.arange(1, 300, 3), alone.arrays()[0]).sum()]


def test_memory_is_bounded() -> None:
    tracemalloc.start()
    sample = FeatureSample(64, limit=200)
    for first in range(0, 20_000, 500):
        sample.update(np.arange(first, first + 500), np.zeros((500, 64), np.float32))
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()
