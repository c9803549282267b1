"""The ring of eight Gaussians, on which generators lose modes: its points, its scores, recipes."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from dqngan_lib.course.arguments import require
from dqngan_lib.gan.model import GAN, GANSettings
from dqngan_lib.gan.networks import PointDiscriminator, PointGenerator
from dqngan_lib.gan.training import GANHistory, GANTrainSettings, train_gan

_MODES, _RADIUS, _STD = 8, 2.0, 0.02


def ring_centres() -> Tensor:
    """Return the eight centres, `(8, 2)`, evenly spread on a circle of radius 2."""
    angle = 2 * math.pi * torch.arange(_MODES) / _MODES
    return _RADIUS * torch.stack([angle.cos(), angle.sin()], 1)


def ring_points(count: int, seed: int) -> Tensor:
    """Return points of the ring, `(count, 2)`: a centre by chance, and noise of size 0.02."""
    rng = torch.Generator().manual_seed(int(seed))
    centres = ring_centres()[torch.randint(_MODES, (count,), generator=rng)]
    return centres + _STD * torch.randn(count, 2, generator=rng)


@dataclass(frozen=True)
class RingScore:
    """How well points cover the ring."""

    modes: int
    """Modes that hold at least 1 % of all points, counting good points only."""
    good: float
    """Share of good points: within three standard deviations of their nearest centre."""
    touched: int
    """Modes with at least one good point, the rule of Srivastava et al. (2017)."""


def score_ring(points: Tensor) -> RingScore:
    """Count the modes that points find, and the share of good points.

    Real points score 8 modes and 98.9 % good ones: 1 − exp(−9/2) of a Gaussian in the plane lies
    within three standard deviations.

    Args:
        points: `(n, 2)`.
    """
    # Each point to its nearest centre, (n,) and (n,).
    distance, nearest = torch.cdist(points, ring_centres()).min(1)
    good = distance <= 3 * _STD
    counts = torch.bincount(nearest[good], minlength=_MODES)
    return RingScore(
        modes=int((counts >= 0.01 * len(points)).sum()),
        good=good.float().mean().item(),
        touched=int((counts >= 1).sum()),
    )


@dataclass(frozen=True)
class Recipe:
    """What a recipe changes; everything else is the plain one's."""

    gan: dict[str, Any] = field(default_factory=dict)
    """Changed fields of `GANSettings`."""
    train: dict[str, Any] = field(default_factory=dict)
    """Changed fields of `GANTrainSettings`."""


_FALLING = Recipe({"generator_rate": 2e-3, "discriminator_rate": 2e-3}, {"learning_rate_end": 0.02})
_SHORT_MEMORY = Recipe({"beta_1": 0.0, "beta_2": 0.9})
_R1 = Recipe({"penalty": "r1", "penalty_weight": 0.01})

RECIPES = {
    "as first written": Recipe({"loss": "minimax"}),
    "plain": Recipe(),
    "falling rates": _FALLING,
    "short memory": _SHORT_MEMORY,
    "R1": _R1,
    "all three": Recipe(_FALLING.gan | _SHORT_MEMORY.gan | _R1.gan, _FALLING.train),
}
"""The plain recipe, the saturating loss instead, one change at a time, and all three at once.

Falling rates start twice as high and end near 0, so that their mean is that of the plain recipe.
Short memory is Adam with β₁ = 0 and β₂ = 0.9: it forgets where the game stood long ago.
"""

PLAIN_GAN: dict[str, Any] = {"generator_rate": 1e-3, "discriminator_rate": 1e-3}
PLAIN_TRAIN: dict[str, Any] = {"updates": 4_000, "batch_size": 128, "evaluate_every": 500}


def new_ring_gan(recipe: str, seed: int) -> GAN:
    """Return the pair of a recipe, not yet trained.

    Args:
        recipe: One of `RECIPES`.
        seed: Seed of the networks and of the noise.

    Raises:
        ValueError: There is no such recipe.
    """
    require(recipe in RECIPES, "recipe", recipe, f"one of {list(RECIPES)}")
    torch.manual_seed(seed)
    networks = PointGenerator(width=128, layers=3), PointDiscriminator(width=128, layers=3)
    return GAN(*networks, GANSettings(**PLAIN_GAN | RECIPES[recipe].gan), seed)


def train_ring(
    gan: GAN,
    recipe: str,
    seed: int,
    evaluate: Callable[[GAN], float] | None = None,
    watch: Callable[[GANHistory], None] | None = None,
) -> GANHistory:
    """Train a pair on 50,000 points of the ring; without `evaluate` the score counts the modes.

    Args:
        gan: The pair, from `new_ring_gan` with the same recipe.
        recipe: One of `RECIPES`.
        seed: Seed of the points and of their order.
        evaluate: Measures something else than the modes that the learning generator finds.
        watch: Called with the history after each evaluation.
    """
    settings = GANTrainSettings(**PLAIN_TRAIN | RECIPES[recipe].train)
    return train_gan(
        gan,
        ring_points(50_000, seed),
        evaluate=evaluate or (lambda gan: score_ring(gan.sample(2_500, averaged=False)).modes),
        settings=settings,
        seed=seed,
        watch=watch,
    )
