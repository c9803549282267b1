"""The checks of notebook 15 accept right answers and name what is wrong with the others."""

import math

import torch
from exercise_cases import exercise_tests

from dqngan_lib.applications.scaling.timing import amdahl
from dqngan_lib.exercises.notebook_15 import EXERCISES

# Exercise 15.1 ------------------------------------------------------------------------------------

SECONDS_WRONG = {
    "you divided all of it": lambda one, two, n: one / n,
    "each doubling helps less": lambda one, two, n: one * (two / one) ** math.log2(n),
    "from two workers on": lambda one, two, n: 2 * two / n,
    "it is twice 10 − 6": lambda one, two, n: two + (one - two) / n,
    "how many times as fast": lambda one, two, n: one / (2 * two - one + 2 * (one - two) / n),
    "part that is done alone; the": lambda one, two, n: 2 * two - one,
    "comes on top": lambda one, two, n: 2 * (one - two) / n,
    "yours is": lambda one, two, n: one - two,
    "must be one number": lambda one, two, n: torch.tensor([one, two]),
}


def _by_share(one, two, n):
    return one / amdahl(2 * (1 - two / one), n)


def _by_equations(one, two, n):
    alone, divided = torch.linalg.solve(
        torch.tensor([[1.0, 1.0], [1.0, 0.5]]), torch.tensor([one, two])
    )
    return float(alone + divided / n)


# Exercise 15.2 ------------------------------------------------------------------------------------

PART_WRONG = {
    "mean of means": lambda losses, world, total: losses.mean(),
    "grow with the batch": lambda losses, world, total: losses.sum(),
    "come out too small": lambda losses, world, total: losses.sum() / total,
    "not by that of the processes": lambda losses, world, total: losses.sum() / world,
    "the part's size must count": lambda losses, world, total: losses.mean() * world,
    "DDP divides by them itself": lambda losses, world, total: losses.mean() / world,
    "lost its gradient": lambda losses, world, total: losses.detach().sum() * world / total,
    "not the gradient of the mean over all 9": lambda losses, world, total: (
        losses.sum() * 2 / total
    ),
    "must have shape": lambda losses, world, total: losses * world / total,
}

TestExercises = exercise_tests(
    EXERCISES,
    wrong={
        "15.1": SECONDS_WRONG,
        "15.2": PART_WRONG,
    },
    right={
        "15.1": (_by_share, _by_equations),
        "15.2": (
            lambda losses, world, total: world * len(losses) / total * losses.mean(),
            lambda losses, world, total: torch.dot(losses, torch.full_like(losses, world / total)),
        ),
    },
)
