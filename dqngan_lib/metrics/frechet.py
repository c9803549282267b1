"""The Fréchet distance between two clouds of features, each taken for a Gaussian."""

import torch
from torch import Tensor

from dqngan_lib.course.arguments import numbers, points, require


def feature_statistics(features: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean `(d,)` and the unbiased covariance `(d, d)` of features, in float64.

    The covariance divides by n − 1. With n ≤ d images it is singular, which is allowed.

    Args:
        features: One row an image, `(n, d)`, n ≥ 2.

    Raises:
        TypeError: `features` is not a float tensor.
        ValueError: It has another shape, fewer than two rows, or a value that is not finite.
    """
    features = points("features", features, least=2)
    mean = features.mean(0)
    centred = features - mean  # (n, d)
    return mean, centred.T @ centred / (len(features) - 1)


def frechet_distance(mean_1: Tensor, cov_1: Tensor, mean_2: Tensor, cov_2: Tensor) -> float:
    """Return the squared Fréchet distance between two Gaussians, at least 0.

    |μ₁ − μ₂|² + tr C₁ + tr C₂ − 2 tr (C₁C₂)^½ (Dowson & Landau 1982; Heusel et al. 2017,
    1706.08500, eq. 6). C₁C₂ is not symmetric, and a general matrix square root of it turns
    complex by rounding when a covariance is singular. Its trace equals the sum of the singular
    values of √C₁√C₂, and a symmetric √C needs only the eigenvalues of a symmetric matrix: real,
    whatever the rank.

    Args:
        mean_1: Mean of the first Gaussian, `(d,)`.
        cov_1: Its covariance, `(d, d)`: symmetric, no negative eigenvalue, singular or not.
        mean_2: Mean of the second, `(d,)`.
        cov_2: Its covariance, `(d, d)`.

    Raises:
        TypeError: An argument is not a float tensor or array.
        ValueError: Shapes do not fit, a value is not finite, or a covariance is none.
    """
    means, roots, traces = [], [], []
    for number, mean, cov in ((1, mean_1, cov_1), (2, mean_2, cov_2)):
        mean, cov = numbers(f"mean_{number}", mean), numbers(f"cov_{number}", cov)
        vector = mean.ndim == 1 and len(mean) > 0
        require(vector, f"mean_{number}", tuple(mean.shape), "of shape (d,)")
        square = (len(mean), len(mean))
        require(cov.shape == square, f"cov_{number}", tuple(cov.shape), f"of shape {square}")
        means.append(mean)
        roots.append(_symmetric_root(f"cov_{number}", cov))
        traces.append(cov.trace())
    shapes = [tuple(mean.shape) for mean in means]
    require(shapes[0] == shapes[1], "mean_2", shapes[1], f"of the shape of mean_1, {shapes[0]}")
    # tr (C₁C₂)^½ = Σ singular values of √C₁ √C₂, whatever the ranks.
    overlap = torch.linalg.svdvals(roots[0] @ roots[1]).sum()
    squared = (means[0] - means[1]).square().sum() + traces[0] + traces[1] - 2 * overlap
    return max(0.0, squared.item())


def _symmetric_root(name: str, cov: Tensor) -> Tensor:
    """Return the symmetric square root of a covariance, singular ones included."""
    size = cov.abs().max().item()
    asymmetry = (cov - cov.T).abs().max().item()
    require(asymmetry <= 1e-6 * size, name, f"a difference of {asymmetry:.3g}", "symmetric")
    values, vectors = torch.linalg.eigh((cov + cov.T) / 2)
    least = values.min().item()
    require(least >= -1e-6 * size, name, least, "without a negative eigenvalue")
    # What rounding has left of an eigenvalue 0 would grow under the root: 1e-16 becomes 1e-8.
    values = torch.where(values > len(cov) * 2.3e-16 * values.max(), values, 0.0)
    return vectors * values.sqrt() @ vectors.T
