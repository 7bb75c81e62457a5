"""The Fréchet distance against closed forms and SciPy's matrix square root."""

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


@pytest.mark.parametrize(("rank_a", "rank_b"), [(12, 12), (12, 3), (3, 12)])
def test_against_scipy(rank_a: int, rank_b: int) -> None:
    rng = np.random.default_rng(1)
    a, b = random_cov(rng, 12, rank_a), random_cov(rng, 12, rank_b)
    root = linalg.sqrtm(a + 1e-13 * np.eye(12)).real
    reference = np.trace(a) + np.trace(b) - 2 * np.trace(linalg.sqrtm(root @ b @ root + 1e-13 * np.eye(12)).real)
    zero = np.zeros(12)
    assert frechet_distance(exact(zero, a), exact(zero, b)) == pytest.approx(reference, rel=1e-4)


def test_identical_symmetric_and_singular() -> None:
    rng = np.random.default_rng(2)
    a, b = exact(rng.normal(size=9), random_cov(rng, 9, 2)), exact(rng.normal(size=9), random_cov(rng, 9, 9))
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-7)
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-7)
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
