"""The checks of notebook 16 accept right answers and name what is wrong with the others."""

import torch
from exercise_cases import exercise_tests
from torch.nn.functional import logsigmoid, softplus

from dqngan_lib.exercises.notebook_16 import EXERCISES

# Exercise 16.1 ------------------------------------------------------------------------------------


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

# Exercise 16.2 ------------------------------------------------------------------------------------


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
        "16.1": TUNED_WRONG,
        "16.2": PREFERENCE_WRONG,
    },
    right={
        "16.1": (
            lambda log_q, r, a: log_q + r / a - (log_q + r / a).logsumexp(1, keepdim=True),
            lambda log_q, r, a: torch.distributions.Categorical(logits=log_q + r / a).logits,
        ),
        "16.2": (
            lambda p, q, x, y, a: softplus(-a * _margin(p, q, x, y)).mean(),
            _by_chances,
        ),
    },
)
