"""The checks of notebook 14 accept right answers and name what is wrong with the others."""

import torch
from exercise_cases import exercise_tests

from dqngan_lib.exercises.notebook_14 import EXERCISES

# Exercise 14.1 ------------------------------------------------------------------------------------


def _colour(c, t, m, *, pixels=False, plain=False, area=True, clamp=True, weigh=True):
    wanted = t if plain else t - (1 - m) * c
    total = ((m if weigh else (m > 0).float()) * wanted).sum(1)
    below = len(m) if pixels else (m.square() if area else m).sum()
    result = total / below
    return result.clamp(0, 1) if clamp else result


def _per_pixel(c, t, m):
    wanted = (t - (1 - m) * c) / m.clamp(min=1e-6)
    seen = m > 0
    return wanted[:, seen].mean(1).clamp(0, 1)


COLOUR_WRONG = {
    "by the number of pixels": lambda c, t, m: _colour(c, t, m, pixels=True),
    "the mean of the whole patch": lambda c, t, m: t.mean(1),
    "this is a sum": lambda c, t, m: (m * (t - (1 - m) * c)).sum(1),
    "one colour for all channels": lambda c, t, m: _colour(c, t, m).mean().expand(3),
    "the mean of the error": lambda c, t, m: (m * (t - c)).sum(1) / m.square().sum(),
    "look at the target": lambda c, t, m: (m * c).sum(1) / m.sum(),
    "shines through": lambda c, t, m: ((m * t).sum(1) / m.sum()).clamp(0, 1),
    "not by Σ m": lambda c, t, m: _colour(c, t, m, area=False),
    "must lie in [0, 1]": lambda c, t, m: (
        _colour(c, t, m, clamp=False) if len(m) == 2 else _colour(c, t, m)
    ),
    "Σ m d, not Σ d": lambda c, t, m: (
        _colour(c, t, m, weigh=False) if len(m) == 2 else _colour(c, t, m)
    ),
    "is not the least error": _per_pixel,
    "must have shape": lambda c, t, m: _colour(c, t, m)[None],
}


def _least_squares(c, t, m):
    solution = torch.linalg.lstsq(m[:, None], (t - (1 - m) * c).T).solution
    return solution[0].clamp(0, 1)


def _by_loop(c, t, m):
    colours = []
    for channel in range(3):
        top = sum(m[p] * (t[channel, p] - (1 - m[p]) * c[channel, p]) for p in range(len(m)))
        colours.append(min(max(float(top / (m @ m)), 0.0), 1.0))
    return torch.tensor(colours)


# Exercise 14.2 ------------------------------------------------------------------------------------


def _gains(c, t, masks, *, clamp=True, mean=False, covers=False):
    gains = []
    for m in masks:
        k = (m * (t - (1 - m) * c)).sum(1) / m.square().sum()
        k = (m * t).sum(1) / m.sum() if mean else k
        k = k.clamp(0, 1) if clamp else k
        after = k[:, None] + torch.zeros_like(c) if covers else c + m * (k[:, None] - c)
        gains.append((t - c).square().sum() - (t - after).square().sum())
    return torch.stack(gains)


def _on_many(function):
    """Answer the first question rightly, so that the mistake shows in the second."""
    return lambda c, t, m: function(c, t, m) if len(m) > 1 else _gains(c, t, m)


GAINS_WRONG = {
    "the sign": lambda c, t, m: -_gains(c, t, m),
    "one of three": lambda c, t, m: _gains(c, t, m) / 3,
    "before the stroke": lambda c, t, m: (t - c).square().sum().expand(len(m)),
    "this is a mean": lambda c, t, m: _gains(c, t, m) / c.numel(),
    "cannot be below 0": _on_many(lambda c, t, m: _gains(c, t, m, clamp=False)),
    "under a thin mask": _on_many(lambda c, t, m: _gains(c, t, m, mean=True)),
    "outside the mask": _on_many(lambda c, t, m: _gains(c, t, m, covers=True)),
    "leave it so": _on_many(lambda c, t, m: _gains(c, t, m).clamp(min=0)),
    "differ from laying": _on_many(lambda c, t, m: _gains(c, t, m) * 1.1),
    "must have shape": lambda c, t, m: _gains(c, t, m)[:, None],
}


def _products(c, t, m):
    e = t - c
    b, a = m @ e.T + m**2 @ c.T, (m**2).sum(1)[:, None]
    k = (b / a).clamp(0, 1)
    return (2 * k * b - k**2 * a - 2 * m @ (e * c).T - m**2 @ (c**2).T).sum(1)


# Exercise 14.3 ------------------------------------------------------------------------------------


def _distance(w, p):
    return (w[:, None] - p).square().sum(2)


PALETTE_WRONG = {
    "numbers of the colours": lambda w, p: _distance(w, p).argmin(1),
    "that were wanted": lambda w, p: w,
    "the farthest": lambda w, p: p[_distance(w, p).argmax(1)],
    "both signs cancel": lambda w, p: p[(w[:, None] - p).sum(2).argmin(1)],
    "compare whole colours": lambda w, p: p.gather(0, (w[:, None] - p).abs().argmin(1)),
    "not their brightness": lambda w, p: p[(w.mean(1)[:, None] - p.mean(1)).abs().argmin(1)],
    "the other way round": lambda w, p: w[_distance(w, p).argmin(0)],
    "are blue, olive": lambda w, p: p[[0, 0, 0, 0]],
    "must have shape": lambda w, p: _distance(w, p),
}

TestExercises = exercise_tests(
    EXERCISES,
    wrong={
        "14.1": COLOUR_WRONG,
        "14.2": GAINS_WRONG,
        "14.3": PALETTE_WRONG,
    },
    right={
        "14.1": (_least_squares, _by_loop),
        "14.2": (_gains, _products),
        "14.3": (
            lambda w, p: p[torch.cdist(w, p).argmin(1)],
            lambda w, p: torch.stack([min(p, key=lambda k: (k - x).norm().item()) for x in w]),
        ),
    },
)
