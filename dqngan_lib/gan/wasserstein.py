"""The Wasserstein distance on a line, where it has a closed form, and a look at a critic.

W₁(p, q) is the least work that turns heap p into heap q: the sum of weight times way. On a line
nothing is gained by crossing ways, so the plan is known: the leftmost weight goes to the left.
"""

import math

import torch
from torch import Tensor, nn

from dqngan_lib.course.arguments import numbers, require
from dqngan_lib.gan.penalties import input_gradient, points_between


def wasserstein_1d(
    x: Tensor,
    y: Tensor,
    x_weights: Tensor | None = None,
    y_weights: Tensor | None = None,
) -> float:
    """Return W₁ between two sets of points on a line: ∫ |F_x(t) − F_y(t)| dt.

    F_x(t) is the share of x's weight at or left of t. Between two neighbouring points both
    functions are constant, so the integral is a sum. With equally many points of equal weight it
    is the mean of |x₍ᵢ₎ − y₍ᵢ₎| over the sorted points.

    Args:
        x: Positions `(n,)`, in any order.
        y: Positions `(m,)`.
        x_weights: Weight of each point of x, `(n,)`, at least 0; equal if None. Only the shares
            count: weights are divided by their sum.
        y_weights: The same for y, `(m,)`.

    Raises:
        TypeError: An argument is no tensor or array of float numbers.
        ValueError: A shape does not fit, a number is not finite, a weight is negative, or all
            weights of a set are 0.
    """
    x, y = _points("x", x), _points("y", y)
    x_share = _shares("x_weights", x_weights, len(x))
    y_share = _shares("y_weights", y_weights, len(y))
    places, order = torch.cat([x, y]).sort()  # t, (n + m,)
    difference = torch.cat([x_share, -y_share])[order].cumsum(0)  # F_x(t) − F_y(t)
    # Between two places the difference is constant: Σ |difference| · width.
    return (difference[:-1].abs() * places.diff()).sum().item()


def wasserstein_gaussians(mean_1: float, std_1: float, mean_2: float, std_2: float) -> float:
    """Return W₁ between two Gaussians on a line.

    The quantile functions are μ + σ z(u), so W₁ = E|m + sZ| with m = μ₁ − μ₂, s = σ₁ − σ₂ and a
    standard normal Z: the mean of a folded Gaussian, |s|√(2/π) exp(−m²/2s²) + m erf(m/(|s|√2)).
    With equal σ it is the shift |m|.

    Args:
        mean_1: μ₁.
        std_1: σ₁, at least 0.
        mean_2: μ₂.
        std_2: σ₂, at least 0.

    Raises:
        ValueError: A standard deviation is negative.
    """
    for name, std in (("std_1", std_1), ("std_2", std_2)):
        require(std >= 0, name, std, ">= 0")
    shift, widening = abs(mean_1 - mean_2), abs(std_1 - std_2)
    if widening == 0:
        return float(shift)
    # |s|√(2/π) e^(−m²/2s²) + m erf(m/(|s|√2))
    ratio = shift / (widening * math.sqrt(2))
    spread = widening * math.sqrt(2 / math.pi) * math.exp(-(ratio**2))
    return spread + shift * math.erf(ratio)


def look_at_critic(
    critic: nn.Module, real: Tensor, fake: Tensor, rng: torch.Generator | None = None
) -> dict[str, float]:
    """Return what a critic says, and how steep it is where its penalties look.

    Args:
        critic: From inputs `(batch, …)` to numbers `(batch,)`, each from its own input alone.
        real: Real inputs `(batch, …)`.
        fake: As many generated ones.
        rng: Where the points between real and fake are drawn from.

    Returns:
        Means over the batch: the outputs on `real` and `fake`, and the norms of the gradient at
        real inputs (`slope_real`) and at points between real and fake (`slope_between`).

    Raises:
        ValueError: `real` and `fake` have different shapes.
    """
    between = points_between(real, fake, rng)
    was_training = critic.training
    critic.eval()  # spectral norm must not take a step of its power iteration
    with torch.no_grad():
        outputs = critic(real).mean().item(), critic(fake).mean().item()
    slopes = [input_gradient(critic, x).norm(dim=1).mean().item() for x in (real, between)]
    critic.train(was_training)
    names = ("output_real", "output_fake", "slope_real", "slope_between")
    return dict(zip(names, (*outputs, *slopes), strict=True))


def _points(name: str, values: Tensor) -> Tensor:
    values = numbers(name, values)
    row = values.ndim == 1 and len(values) > 0
    require(row, name, tuple(values.shape), "(n,) with n >= 1")
    return values


def _shares(name: str, weights: Tensor | None, count: int) -> Tensor:
    if weights is None:
        return torch.full((count,), 1 / count, dtype=torch.float64)
    weights = numbers(name, weights)
    fits = weights.shape == (count,)
    require(fits, name, tuple(weights.shape), f"one weight a point, ({count},)")
    least, total = weights.min().item(), weights.sum().item()
    require(least >= 0 and total > 0, name, least, "at least 0, and not all 0")
    return weights / weights.sum()
