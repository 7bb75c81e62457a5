"""The Fréchet distance between two sets of features, each seen as a Gaussian."""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dpstrf

Floats = NDArray[np.float64]


class Moments:
    """Mean and covariance of features that arrive in batches, in float64 (Chan's pairwise update).

    Args:
        dim: features per sample.
    """

    def __init__(self, dim: int) -> None:
        self.count = 0
        self.mean: Floats = np.zeros(dim)
        self._scatter: Floats = np.zeros((dim, dim))

    def update(self, features: np.ndarray) -> None:
        """Take in features [N, dim]. Raises ValueError for another shape or for values that are not finite."""
        batch = np.asarray(features, dtype=np.float64)
        if batch.ndim != 2 or batch.shape[1] != len(self.mean):
            raise ValueError(f"features have shape {batch.shape}; this needs [N, {len(self.mean)}]")
        if not np.isfinite(batch).all():
            raise ValueError("features hold values that are not finite")
        if len(batch) == 0:
            return
        mean = batch.mean(axis=0)
        between = self._move(len(batch), mean)
        rows = np.concatenate([batch - mean, between[None]])
        self._scatter += rows.T @ rows

    def merge(self, other: "Moments") -> None:
        """Take in all features that the other has seen."""
        if other.count:
            between = self._move(other.count, other.mean)
            self._scatter += other._scatter + np.outer(between, between)

    def _move(self, count: int, mean: Floats) -> Floats:
        """Count in samples with this mean; returns v, where v v^T is what the scatter gains as the means differ."""
        shift, total = mean - self.mean, self.count + count
        between = shift * np.sqrt(self.count * count / total)
        self.mean = self.mean + shift * (count / total)
        self.count = total
        return between

    @property
    def cov(self) -> Floats:
        """Covariance [dim, dim] with the divisor count - 1. Raises ValueError below two samples."""
        if self.count < 2:
            raise ValueError(f"a covariance needs at least two samples, and there are {self.count}")
        return self._scatter / (self.count - 1)

    def divided_by(self, scale: np.ndarray) -> "Moments":
        """The moments of the same features divided by scale [dim]."""
        scaled = Moments(len(self.mean))
        scaled.count = self.count
        scaled.mean = self.mean / scale
        scaled._scatter = self._scatter / np.outer(scale, scale)
        return scaled

    def arrays(self) -> dict[str, np.ndarray]:
        """All that is known, for `from_arrays`."""
        return {"count": np.array(self.count), "mean": self.mean, "scatter": self._scatter}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> "Moments":
        """The moments that `arrays` came from."""
        moments = cls(len(arrays["mean"]))
        moments.count, moments.mean, moments._scatter = int(arrays["count"]), arrays["mean"], arrays["scatter"]
        return moments


def frechet_distance(a: Moments, b: Moments) -> float:
    """Squared distance of the means + trace(A + B - 2 (A B)^(1/2)) for the covariances A and B.

    With A = P P^T and B = Q Q^T, the second part is the least |P - Q U|^2 over all rotations U, and the best U comes
    from the singular vectors of Q^T P. A sum of squares cannot turn negative, and nothing cancels when A and B are
    nearly equal, as it does in the trace. The covariances may have any rank.
    """
    shift = a.mean - b.mean
    roots = _root(a.cov), _root(b.cov)
    narrow, wide = sorted(roots, key=lambda root: root.shape[1])
    left, _, right = np.linalg.svd(narrow.T @ wide, full_matrices=False)
    return float(shift @ shift + ((wide - narrow @ (left @ right)) ** 2).sum())


def _root(cov: Floats) -> Floats:
    """P [dim, rank] with P P^T = cov, by Cholesky's factorisation with pivots; what is left of rounding is cut off."""
    factor, order, rank, _ = dpstrf(cov, lower=1)
    root = np.zeros((len(cov), rank))
    root[order - 1] = np.tril(factor[:, :rank])
    return root
