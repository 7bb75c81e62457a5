"""The Fréchet distance against closed forms, exact fractions and SciPy's matrix square root."""

from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest
from scipy import linalg

from smoothvid.evaluation.frechet import Moments, frechet_distance


def exact(mean: np.ndarray, cov: np.ndarray) -> Moments:
    """Moments of 2 d samples whose mean and covariance are exactly these."""
    dim = len(mean)
    values, vectors = np.linalg.eigh(cov)
    axes = (vectors * np.sqrt(values.clip(min=0) * (2 * dim - 1) / 2)).T
    moments = Moments(dim)
    moments.update(np.concatenate([mean + axes, mean - axes]))
    return moments


def random_cov(rng: np.random.Generator, dim: int, rank: int) -> np.ndarray:
    root = rng.normal(size=(dim, rank))
    return root @ root.T / rank


def test_moments_in_batches_are_those_of_all_samples() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(101, 7)) @ rng.normal(size=(7, 7)) + 1e4
    moments = Moments(7)
    for part in np.split(features, [1, 1, 40, 77]):
        moments.update(part)
    assert moments.count == 101
    np.testing.assert_allclose(moments.mean, features.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(moments.cov, np.cov(features.T), rtol=1e-9, atol=1e-9)
    scale = np.arange(1.0, 8.0)
    np.testing.assert_allclose(moments.divided_by(scale).cov, np.cov((features / scale).T), rtol=1e-9, atol=1e-9)


def test_diagonal_covariances() -> None:
    """|m1 - m2|^2 + sum of (s1 - s2)^2 over the axes."""
    s1, s2 = np.array([1.0, 2.0, 0.0, 5.0]), np.array([3.0, 2.0, 1.0, 0.0])
    m1, m2 = np.zeros(4), np.array([1.0, -2.0, 0.0, 0.5])
    distance = frechet_distance(exact(m1, np.diag(s1**2)), exact(m2, np.diag(s2**2)))
    assert distance == pytest.approx(((m1 - m2) ** 2).sum() + ((s1 - s2) ** 2).sum(), rel=1e-10)


def plain_distance(x: np.ndarray, y: np.ndarray) -> float:
    """Of samples [N, d] by the formula as it is written, with SciPy's matrix square root."""
    a, b = np.cov(x.T), np.cov(y.T)
    root = linalg.sqrtm(a @ b)
    return float(((x.mean(axis=0) - y.mean(axis=0)) ** 2).sum() + np.trace(a + b - 2 * root.real))


def of(features: np.ndarray) -> Moments:
    moments = Moments(features.shape[1])
    moments.update(features)
    return moments


@pytest.mark.parametrize("dim", [1, 2, 12, 40])
def test_random_sets(dim: int) -> None:
    rng = np.random.default_rng(dim)
    x = rng.normal(size=(150, dim)) @ rng.normal(size=(dim, dim))
    y = rng.normal(size=(170, dim)) @ rng.normal(size=(dim, dim)) + 0.3
    if dim == 1:
        expected = (x.mean() - y.mean()) ** 2 + (x.std(ddof=1) - y.std(ddof=1)) ** 2
    else:
        expected = plain_distance(x, y)
    assert frechet_distance(of(x), of(y)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("rank_a", "rank_b"), [(12, 3), (3, 12), (3, 3), (5, 2)])
def test_rank_deficient_sets(rank_a: int, rank_b: int) -> None:
    """With A = F F^T, trace (A B)^(1/2) = trace (F^T B F)^(1/2), a small matrix of full rank for the lesser one's F."""
    rng = np.random.default_rng(1)
    f, g = rng.normal(size=(12, rank_a)), rng.normal(size=(12, rank_b))
    a, b = f @ f.T, g @ g.T
    small = f.T @ b @ f if rank_a <= rank_b else g.T @ a @ g
    expected = np.trace(a) + np.trace(b) - 2 * np.trace(linalg.sqrtm(small)).real
    zero = np.zeros(12)
    assert frechet_distance(exact(zero, a), exact(zero, b)) == pytest.approx(expected, rel=1e-9)


def test_fewer_samples_than_features() -> None:
    """As for the frames of a small dataset: the distance within the space that the samples span."""
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(6, 4)), rng.normal(size=(9, 4)) * 2
    turn = np.linalg.qr(rng.normal(size=(300, 4)))[0].T
    assert frechet_distance(of(x @ turn), of(y @ turn)) == pytest.approx(plain_distance(x, y), rel=1e-9)


@pytest.mark.parametrize("rank", [40, 15])
@pytest.mark.parametrize("smallest", [1e-3, 1e-10])
@pytest.mark.parametrize("difference", [1e-1, 1e-4, 1e-6])
def test_nearly_equal_covariances_with_common_axes(rank: int, smallest: float, difference: float) -> None:
    """Sum of (s1 - s2)^2 over the axes; the trace formula in float64 is off by any factor here."""
    rng = np.random.default_rng(3)
    axes = np.linalg.qr(rng.normal(size=(40, 40)))[0]
    s1 = np.sqrt(np.geomspace(1, smallest, 40)) * (np.arange(40) < rank)
    s2 = s1 * (1 + difference * rng.uniform(-1, 1, 40))
    zero = np.zeros(40)
    pair = (exact(zero, (axes * s**2) @ axes.T) for s in (s1, s2))
    assert frechet_distance(*pair) == pytest.approx(((s1 - s2) ** 2).sum(), rel=1e-6)


def rational_moments(samples: np.ndarray) -> tuple[list[Fraction], list[list[Fraction]]]:
    """Mean and covariance of samples [N, 2] without any rounding."""
    rows, n = [[Fraction(float(value)) for value in row] for row in samples], len(samples)
    mean = [sum(row[i] for row in rows) / n for i in range(2)]
    cov = [[sum((r[i] - mean[i]) * (r[j] - mean[j]) for r in rows) / (n - 1) for j in range(2)] for i in range(2)]
    return mean, cov


@pytest.mark.parametrize("difference", [1.0, 1e-2, 1e-4, 1e-6])
def test_nearly_equal_sets_against_60_digits(difference: float) -> None:
    """In two dimensions trace (A B)^(1/2) = (trace(A B) + 2 det(A B)^(1/2))^(1/2); sets with other axes each."""
    rng = np.random.default_rng(4)
    x = rng.normal(size=(50, 2)) @ rng.normal(size=(2, 2)) + 3
    y = x + difference * rng.normal(size=x.shape)
    (m1, a), (m2, b) = rational_moments(x), rational_moments(y)
    trace = sum(a[i][j] * b[j][i] for i in range(2) for j in range(2))
    det = (a[0][0] * a[1][1] - a[0][1] ** 2) * (b[0][0] * b[1][1] - b[0][1] ** 2)
    with localcontext(prec=60):

        def decimal(value: Fraction) -> Decimal:
            return Decimal(value.numerator) / Decimal(value.denominator)

        root = (decimal(trace) + 2 * decimal(det).sqrt()).sqrt()
        rest = sum((p - q) ** 2 for p, q in zip(m1, m2, strict=True)) + a[0][0] + a[1][1] + b[0][0] + b[1][1]
        expected = float(decimal(Fraction(rest)) - 2 * root)
    assert expected < 10 * difference**2
    assert frechet_distance(of(x), of(y)) == pytest.approx(expected, rel=1e-6)


def test_merged_moments_are_those_of_all_samples() -> None:
    rng = np.random.default_rng(5)
    features = rng.normal(size=(101, 7)) @ rng.normal(size=(7, 7)) + 1e4
    whole = Moments(7)
    for part in np.split(features, [0, 1, 40, 77]):
        whole.merge(of(part))
    assert whole.count == 101
    np.testing.assert_allclose(whole.mean, features.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(whole.cov, np.cov(features.T), rtol=1e-9, atol=1e-9)
    again = Moments.from_arrays(whole.arrays())
    assert frechet_distance(again, whole) == pytest.approx(0, abs=1e-25) and again.count == 101


def test_identical_symmetric_and_singular() -> None:
    rng = np.random.default_rng(2)
    a, b = exact(rng.normal(size=9), random_cov(rng, 9, 2)), exact(rng.normal(size=9), random_cov(rng, 9, 9))
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-25)
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-12)
    point = exact(np.zeros(9), np.zeros((9, 9)))
    assert frechet_distance(point, b) == pytest.approx(b.mean @ b.mean + np.trace(b.cov), rel=1e-10)


def test_unusable_features_are_refused() -> None:
    moments = Moments(3)
    with pytest.raises(ValueError, match="this needs"):
        moments.update(np.zeros((4, 2)))
    with pytest.raises(ValueError, match="not finite"):
        moments.update(np.full((4, 3), np.nan))
    moments.update(np.zeros((1, 3)))
    with pytest.raises(ValueError, match="at least two"):
        _ = moments.cov
