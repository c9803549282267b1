"""What else can edit a generated digit: gradients, and trying moves; and a second judge."""

import torch
from torch import Tensor
from torch.nn import functional

from dqngan_lib.applications.latent.steering import CLASSES, Look, Wish, worth
from dqngan_lib.course.arguments import require, whole


def climb(look: Look, noise: Tensor, wish: Wish, steps: int, size: float) -> Tensor:
    """Go up the gradient of `worth` in z, by steps whose length falls in a straight line.

    Each step costs one picture, and its gradient.

    Args:
        look: See `looking`.
        noise: Where to begin, `(n, noise_size)`.
        wish: What is asked for.
        steps: How many.
        size: Length of the first step.

    Returns:
        Where it ended, `(n, noise_size)`.
    """
    whole("steps", steps, 1)
    require(size > 0, "size", size, "> 0")
    for number in range(steps):
        # z ← z + size · ∇ worth / |∇ worth|
        z = noise.clone().requires_grad_(True)
        (gradient,) = torch.autograd.grad(worth(look(z, wish)).sum(), z)
        noise = noise + size * (1 - number / steps) * functional.normalize(gradient, dim=1)
    return noise


@torch.no_grad()
def local_search(
    look: Look, noise: Tensor, wish: Wish, moves: Tensor, steps: int, tries: int, seed: int = 0
) -> Tensor:
    """Try some of the moves at each step, and take the best one if `worth` rises.

    A step costs as many pictures as there are tries. One try is trial and error; as many as there
    are moves is exact greedy search.

    Args:
        look: See `looking`.
        noise: Where to begin, `(n, noise_size)`.
        wish: What is asked for.
        moves: What each action adds to z, `(actions, noise_size)`.
        steps: How many.
        tries: Different moves tried in a step, from 1 to `actions`.
        seed: Seed of the choice among them.

    Returns:
        Where it ended, `(n, noise_size)`.
    """
    whole("steps", steps, 1)
    whole("tries", tries, 1, len(moves))
    rng = torch.Generator().manual_seed(int(seed))
    rows = torch.arange(len(noise))
    height = worth(look(noise, wish))
    for _ in range(steps):
        order = torch.rand(len(noise), len(moves), generator=rng).topk(tries).indices
        tried = noise.unsqueeze(1) + moves[order]
        each = wish.rows(rows.repeat_interleave(tries))
        heights = worth(look(tried.flatten(0, 1), each)).view(-1, tries)
        best, place = heights.max(1)
        better = best > height
        noise = torch.where(better.unsqueeze(1), tried[rows, place], noise)
        height = torch.where(better, best, height)
    return noise


def neighbour_classes(
    pictures: Tensor, training: Tensor, labels: Tensor, neighbours: int = 5
) -> Tensor:
    """Return the class of most of each picture's nearest training pictures, int64 `(n,)`.

    A second judge: who learnt to please the digit scorer has never met it.

    Args:
        pictures: float `(n, 1, height, width)`.
        training: float `(m, 1, height, width)`.
        labels: Their classes, int64 `(m,)`.
        neighbours: How many have a vote.
    """
    whole("neighbours", neighbours, 1, len(training))
    distance = torch.cdist(pictures.flatten(1), training.flatten(1))
    votes = labels[distance.topk(neighbours, largest=False).indices]
    return functional.one_hot(votes, CLASSES).sum(1).argmax(1)
