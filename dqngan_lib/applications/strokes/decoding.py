"""How strokes are drawn when training is over: temperature, truncation, guidance.

All of these change the distribution that a Q-network gives, softmax(Q), and none of them trains
anything. Each makes drawings safer and less varied, so each is a curve, not a number: more digits
as asked for, against the distance to real ones (Caccia et al. 2020, 1811.02549, draw it for text).
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import log_softmax

from dqngan_lib.applications.strokes.canvas import StrokeCanvas, pictures
from dqngan_lib.course.arguments import require


def keep_min_p(values: Tensor, share: float) -> Tensor:
    """Return values with −∞ for all actions less likely than a share of the likeliest one.

    min-p sampling (Nguyen et al. 2024, 2407.01082): where the network is sure few actions stay,
    where it is not many do.

    Args:
        values: Q-values or log probabilities `(n, actions)`.
        share: From 0, which keeps all, to 1, which keeps the likeliest alone.
    """
    require(0 <= share <= 1, "share", share, "from 0 to 1")
    if share == 0:
        return values
    least = values.amax(1, keepdim=True) + math.log(share)
    return values.masked_fill(values < least, -math.inf)


def keep_nucleus(values: Tensor, mass: float) -> Tensor:
    """Return values with −∞ outside the fewest likeliest actions that hold this probability.

    Nucleus sampling (Holtzman et al. 2020, 1904.09751).

    Args:
        values: Q-values or log probabilities `(n, actions)`.
        mass: Above 0 to 1.
    """
    require(0 < mass <= 1, "mass", mass, "above 0, at most 1")
    ordered, place = values.softmax(1).sort(1, descending=True)
    # An action stays if those before it hold less than the mass: the first one always does.
    before = ordered.cumsum(1) - ordered
    return values.masked_fill(torch.zeros_like(before, dtype=torch.bool).scatter(
        1, place, before >= mass
    ), -math.inf)  # fmt: skip


def guided(asked: Tensor, anything: Tensor, weight: float) -> Tensor:
    """Return log π_c + w (log π_c − log π_0): what the class adds, once more w times.

    Classifier-free guidance (Ho and Salimans 2022, 2207.12598, equation 6), for choices instead of
    noise: π_0 is the policy without a class.

    Args:
        asked: Q-values `(n, actions)` with the class.
        anything: Q-values without one.
        weight: w ≥ 0; 0 is the policy with the class.
    """
    require(weight >= 0, "weight", weight, ">= 0")
    return (1 + weight) * log_softmax(asked, 1) - weight * log_softmax(anything, 1)


def draw_strokes(values: Tensor, rng: torch.Generator) -> Tensor:
    """Draw an action for each row of values from softmax(values), int64 `(n,)`.

    A point is drawn on a line on which each action has a piece as long as its weight: with 3,137
    actions far faster than `torch.multinomial`.

    Args:
        values: Q-values `(n, actions)`; −∞ is never drawn.
        rng: Where the random numbers come from.
    """
    line = (values - values.amax(1, keepdim=True)).exp().double().cumsum(1)
    point = torch.rand(len(line), 1, dtype=torch.float64, generator=rng) * line[:, -1:]
    return torch.searchsorted(line, point, right=True).squeeze(1)


@torch.no_grad()
def draw_pictures(
    values: Callable[[Tensor], Tensor], asked: Tensor, seed: int = 0, part: int = 250
) -> Tensor:
    """Draw what is asked for, ten strokes each, and return the pictures, `(n, 1, 28, 28)`.

    Args:
        values: From observations of `StrokeCanvas` to Q-values `(n, 3137)`, changed as wanted; a
            network is used as it is, so put it in evaluation mode if that matters.
        asked: The classes, int64 `(n,)`.
        seed: Seed of the strokes.
        part: Drawings worked on together: what a processor's cache likes.
    """
    rng, finished = torch.Generator().manual_seed(int(seed)), []
    for labels in asked.split(part):
        sheets = StrokeCanvas(len(labels))
        observation, _ = sheets.reset(options={"labels": labels})
        for _ in range(sheets.max_steps):
            observation, _, _, _, info = sheets.step(draw_strokes(values(observation), rng))
        finished.append(pictures(info["final_obs"]))
    return torch.cat(finished)
