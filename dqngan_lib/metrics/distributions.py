"""Two numbers of distributions over finitely many outcomes: entropy and total variation."""

import torch
from torch import Tensor

from dqngan_lib.course.arguments import probabilities, require


def entropy(distribution: Tensor) -> float:
    """Return −Σ p ln p of a distribution over any number of outcomes, in nats (0 ln 0 = 0).

    Args:
        distribution: Probabilities of any shape that sum to 1.

    Raises:
        TypeError: It is not a float tensor or array.
        ValueError: A probability is negative or not finite, or the sum is not 1.
    """
    return torch.special.entr(probabilities("distribution", distribution)).sum().item()


def total_variation(distribution_1: Tensor, distribution_2: Tensor) -> float:
    """Return ½ Σ |p − q|: 0 for equal distributions, 1 when no outcome has weight in both.

    It is the largest difference that any event's probability can have under the two.

    Args:
        distribution_1: Probabilities of any shape that sum to 1.
        distribution_2: Probabilities of the same shape that sum to 1.

    Raises:
        TypeError: An argument is not a float tensor or array.
        ValueError: The shapes differ, a probability is negative, or a sum is not 1.
    """
    p = probabilities("distribution_1", distribution_1)
    q = probabilities("distribution_2", distribution_2)
    one, other = tuple(p.shape), tuple(q.shape)
    require(one == other, "distribution_2", other, f"of the shape of distribution_1, {one}")
    return (p - q).abs().sum().item() / 2
