"""The checks of notebook 15 accept right answers and name what is wrong with the others."""

import math

import torch
from exercise_cases import exercise_tests
from torch.nn.functional import logsigmoid, softplus

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

# Exercise 15.3 ------------------------------------------------------------------------------------


def _normal(weights):
    return (weights / weights.sum(1, keepdim=True)).log()


TUNED_WRONG = {
    "has forgotten q": lambda log_q, r, a: (r / a).log_softmax(1),
    "subtract log Z": lambda log_q, r, a: log_q + r / a,
    "the sign": lambda log_q, r, a: (log_q - r / a).log_softmax(1),
    "return their logarithms": lambda log_q, r, a: (log_q + r / a).softmax(1),
    "dimension 1": lambda log_q, r, a: (log_q + r / a).log_softmax(0),
    "is not q": lambda log_q, r, a: (log_q.exp() + r / a).log_softmax(1),
    "here it counts less": lambda log_q, r, a: (log_q + a * r).log_softmax(1),
    "q stays as it is": lambda log_q, r, a: ((log_q + r) / a).log_softmax(1),
    "α is missing": lambda log_q, r, a: (log_q + r).log_softmax(1),
    "too large for a float": lambda log_q, r, a: _normal(log_q.exp() * (r / a).exp()),
    "must have shape": lambda log_q, r, a: (log_q + r / a).logsumexp(1),
}

# Exercise 15.4 ------------------------------------------------------------------------------------


def _margin(log_pi, log_q, winner, loser):
    return (log_pi - log_q)[winner] - (log_pi - log_q)[loser]


PREFERENCE_WRONG = {
    "are exchanged": lambda p, q, x, y, a: softplus(a * _margin(p, q, x, y)).mean(),
    "this is log σ": lambda p, q, x, y, a: logsigmoid(a * _margin(p, q, x, y)).mean(),
    "ratios of π alone": lambda p, q, x, y, a: softplus(a * (p[y] - p[x])).mean(),
    "this is σ of the margin": lambda p, q, x, y, a: (a * _margin(p, q, x, y)).sigmoid().mean(),
    "the margin itself": lambda p, q, x, y, a: (a * _margin(p, q, x, y)).mean(),
    "return the mean": lambda p, q, x, y, a: softplus(-a * _margin(p, q, x, y)).sum(),
    "α is missing": lambda p, q, x, y, a: softplus(-_margin(p, q, x, y)).mean(),
    "you divided": lambda p, q, x, y, a: softplus(-_margin(p, q, x, y) / a).mean(),
    "the mean comes last": lambda p, q, x, y, a: -(a * _margin(p, q, x, y)).sigmoid().mean().log(),
    "not the loss": lambda p, q, x, y, a: a * softplus(-_margin(p, q, x, y)).mean(),
    "logsigmoid does not": lambda p, q, x, y, a: -(a * _margin(p, q, x, y)).sigmoid().log().mean(),
    "must have shape": lambda p, q, x, y, a: softplus(-a * _margin(p, q, x, y)),
}


def _by_chances(p, q, x, y, a):
    total = 0
    for one, other in zip(x, y, strict=True):
        scores = torch.stack([a * (p[one] - q[one]), a * (p[other] - q[other])])
        total = total - scores.log_softmax(0)[0]
    return total / len(x)


TestExercises = exercise_tests(
    EXERCISES,
    wrong={
        "15.1": SECONDS_WRONG,
        "15.2": PART_WRONG,
        "15.3": TUNED_WRONG,
        "15.4": PREFERENCE_WRONG,
    },
    right={
        "15.1": (_by_share, _by_equations),
        "15.2": (
            lambda losses, world, total: world * len(losses) / total * losses.mean(),
            lambda losses, world, total: torch.dot(losses, torch.full_like(losses, world / total)),
        ),
        "15.3": (
            lambda log_q, r, a: log_q + r / a - (log_q + r / a).logsumexp(1, keepdim=True),
            lambda log_q, r, a: torch.distributions.Categorical(logits=log_q + r / a).logits,
        ),
        "15.4": (
            lambda p, q, x, y, a: softplus(-a * _margin(p, q, x, y)).mean(),
            _by_chances,
        ),
    },
)
