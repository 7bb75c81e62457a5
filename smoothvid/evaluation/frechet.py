"""The Fréchet distance between two sets of features, each seen as a Gaussian."""

import numpy as np


class Moments:
    """Mean and covariance of features that arrive in batches, in float64 (Chan's pairwise update).

    Args:
        dim: features per sample.
    """

    def __init__(self, dim: int) -> None:
        self.count = 0
        self.mean = np.zeros(dim)
        self._scatter = np.zeros((dim, dim))

    def update(self, features: np.ndarray) -> None:
        """Take in features [N, dim]. Raises ValueError for another shape or for values that are not finite."""
        batch = np.asarray(features, dtype=np.float64)
        if batch.ndim != 2 or batch.shape[1] != len(self.mean):
            raise ValueError(f"features have shape {batch.shape}; this needs [N, {len(self.mean)}]")
        if not np.isfinite(batch).all():
            raise ValueError("features hold values that are not finite")
        if len(batch) == 0:
            return
        total = self.count + len(batch)
        batch_mean = batch.mean(axis=0)
        shift = batch_mean - self.mean
        centred = batch - batch_mean
        self._scatter += centred.T @ centred + np.outer(shift, shift) * (self.count * len(batch) / total)
        self.mean = self.mean + shift * (len(batch) / total)
        self.count = total

    @property
    def cov(self) -> np.ndarray:
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


def frechet_distance(a: Moments, b: Moments) -> float:
    """Squared distance of the means + trace(A + B - 2 (A B)^(1/2)) for the covariances A and B.

    With A = R R^T, the eigenvalues of A B are those of the symmetric R^T B R: two symmetric eigenvalue problems are
    enough, and covariances of any rank are fine.
    """
    values, vectors = np.linalg.eigh(a.cov)
    root = vectors * np.sqrt(values.clip(min=0))  # R, with R R^T = A
    product = np.linalg.eigvalsh(root.T @ b.cov @ root)
    shift = a.mean - b.mean
    spread = np.trace(a.cov) + np.trace(b.cov) - 2 * np.sqrt(product.clip(min=0)).sum()
    return float(max(shift @ shift + spread, 0.0))
