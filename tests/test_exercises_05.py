"""The checks of notebook 05 accept right answers and name what is wrong with the others."""

import math

import torch
from exercise_cases import exercise_tests

from dqngan_lib.exercises.notebook_05 import EXERCISES
from dqngan_lib.metrics.distributions import entropy
from dqngan_lib.metrics.frechet import frechet_distance

FRECHET_WRONG = {
    "take their roots": lambda m, v, n, w: ((m - n) ** 2 + (v - w) ** 2).sum(),
    "root of the answer": lambda m, v, n, w: (
        ((m - n) ** 2 + (v.sqrt() - w.sqrt()) ** 2).sum().sqrt()
    ),
    "only one half": lambda m, v, n, w: ((m - n) ** 2).sum(),
    "the standard deviations must be squared": lambda m, v, n, w: (
        (m - n) ** 2 + (v.sqrt() - w.sqrt()).abs()
    ).sum(),
    "not the mean": lambda m, v, n, w: ((m - n) ** 2 + (v.sqrt() - w.sqrt()) ** 2).mean(),
    "overlap is missing": lambda m, v, n, w: ((m - n) ** 2 + v + w).sum(),
    "the difference of the means": lambda m, v, n, w: (
        (m - n).abs() + (v.sqrt() - w.sqrt()) ** 2
    ).sum(),
    "must be one number": lambda m, v, n, w: (m - n) ** 2 + (v.sqrt() - w.sqrt()) ** 2,
    "returned None": lambda m, v, n, w: print(end=""),
    "divide by a variance": lambda m, v, n, w: (
        (m - n) ** 2 + (v - w) ** 2 / (v.sqrt() + w.sqrt()) ** 2
    ).sum(),
}

ENTROPY_WRONG = {
    "NaN": lambda c: -(_shares(c) * _shares(c).log()).sum(),
    "the sign": lambda c: -entropy(_shares(c)),
    "in bits": lambda c: entropy(_shares(c)) / math.log(2),
    "log10": lambda c: entropy(_shares(c)) / math.log(10),
    "weighted by its p": lambda c: -_shares(c)[_shares(c) > 0].log().sum(),
    "number of classes seen": lambda c: math.log(len(c.unique())),
    "counts, not shares": lambda c: _counts_entropy(c),
    "by a fixed number": lambda c: entropy_by_four(c),
    "returned None": lambda c: print(end=""),
}


def _shares(classes):
    return torch.bincount(classes, minlength=10).double() / len(classes)


def _counts_entropy(classes):
    counts = torch.bincount(classes, minlength=10).double()
    counts = counts[counts > 0]
    return -(counts * counts.log()).sum()


def entropy_by_four(classes):
    """Divide by the size of the first test, whatever the size."""
    shares = torch.bincount(classes, minlength=10).double() / 4
    return torch.special.entr(shares).sum()


def _entropy_by_loop(classes):
    total = 0.0
    for k in range(10):
        p = (classes == k).double().mean().item()
        if p > 0:
            total -= p * math.log(p)
    return total


NEAREST_WRONG = {
    "one number for each training image": lambda a, b: (
        torch.cdist(a.flatten(1), b.flatten(1)).min(0).values
    ),
    "all six": lambda a, b: torch.cdist(a.flatten(1), b.flatten(1)),
    "squared": lambda a, b: torch.cdist(a.flatten(1), b.flatten(1)).min(1).values ** 2,
    "farthest": lambda a, b: torch.cdist(a.flatten(1), b.flatten(1)).max(1).values,
    "positions": lambda a, b: torch.cdist(a.flatten(1), b.flatten(1)).argmin(1),
    "mean over all": lambda a, b: torch.cdist(a.flatten(1), b.flatten(1)).mean(1),
    "*mean* square": lambda a, b: torch.cdist(a.flatten(1), b.flatten(1)).min(1).values / 2,
    "absolute differences": lambda a, b: torch.cdist(a.flatten(1), b.flatten(1), p=1).min(1).values,
    "shape": lambda a, b: torch.cdist(a, b),
}

PROJECTION_WRONG = {
    "(3, 3)": lambda f, y, p, e: f @ p + f @ e[y].T,
    "plays no part": lambda f, y, p, e: f @ p,
    "is missing": lambda f, y, p, e: (e[y] * f).sum(1),
    "wrong row": lambda f, y, p, e: f @ p + (e * f).sum(1),
    "of each picture": lambda f, y, p, e: f @ p + (e[y] * f).sum(),
    "without the features": lambda f, y, p, e: f @ p + e[y].sum(1),
    "not multiplied": lambda f, y, p, e: (f @ p) * (e[y] * f).sum(1),
    "not a mean": lambda f, y, p, e: f @ p + (e[y] * f).mean(1),
    "the sign": lambda f, y, p, e: f @ p - (e[y] * f).sum(1),
    "probability": lambda f, y, p, e: (f @ p + (e[y] * f).sum(1)).sigmoid(),
}


def _angle(a, b):
    return ((a @ b) / (a.norm() * b.norm())).clamp(-1, 1).acos()


def _walk_on_unit_vectors(a, b, t):
    return _walk_without_lengths(a / a.norm(), b / b.norm(), t)


def _walk_without_lengths(a, b, t):
    angle = (a @ b).clamp(-1, 1).acos()
    return (((1 - t) * angle).sin() * a + (t * angle).sin() * b) / angle.sin()


def _walk_without_care(a, b, t):
    angle = ((a @ b) / (a.norm() * b.norm())).acos()
    return (((1 - t) * angle).sin() * a + (t * angle).sin() * b) / angle.sin()


def _walk_backwards(a, b, t):
    return _walk_without_care(b, a, t)


def _pushed_out(a, b, t):
    point = (1 - t) * a + t * b
    return point / point.norm() * a.norm()


WALK_WRONG = {
    "straight line": lambda a, b, t: (1 - t) * a + t * b,
    "unevenly": _pushed_out,
    "backwards": _walk_backwards,
    "has length 3": _walk_without_lengths,
    "length 1, but": _walk_on_unit_vectors,
    "angle is 0": _walk_without_care,
    "returned None": lambda a, b, t: print(end=""),
    "is 30°": lambda a, b, t: a,
}


def _walk_by_turning(a, b, t):
    """Turn the start towards the end in their common plane, and blend the lengths' way."""
    angle = _angle(a, b)
    if angle < 1e-3:
        return a + t * (b - a)
    return (
        torch.stack([((1 - t) * angle).sin(), (t * angle).sin()])
        @ torch.stack([a, b])
        / (angle.sin())
    )


def _walk_with_math(a, b, t):
    cosine = float(a @ b) / math.sqrt(float(a @ a) * float(b @ b))
    angle = math.acos(max(-1.0, min(1.0, cosine)))
    if angle < 1e-3:
        return torch.lerp(a, b, t)
    return (
        math.sin((1 - t) * angle) / math.sin(angle) * a + math.sin(t * angle) / math.sin(angle) * b
    )


WRONG = {
    "05.1": FRECHET_WRONG,
    "05.2": ENTROPY_WRONG,
    "05.3": NEAREST_WRONG,
    "05.4": PROJECTION_WRONG,
    "05.5": WALK_WRONG,
}
RIGHT = {
    "05.1": (
        lambda m, v, n, w: (m - n).square().sum() + (v + w - 2 * (v * w).sqrt()).sum(),
        lambda m, v, n, w: frechet_distance(m, v.diag(), n, w.diag()),
    ),
    "05.2": (_entropy_by_loop, lambda c: torch.special.entr(_shares(c)).sum()),
    "05.3": (
        lambda a, b: torch.stack([(b - image).flatten(1).norm(dim=1).min() for image in a]),
        lambda a, b: (a[:, None] - b).square().sum((2, 3, 4)).min(1).values.sqrt(),
    ),
    "05.4": (
        lambda f, y, p, e: ((p + e[y]) * f).sum(1),
        lambda f, y, p, e: torch.einsum("bd,bd->b", p + e[y], f),
    ),
    "05.5": (_walk_by_turning, _walk_with_math),
}

TestExercises05 = exercise_tests(EXERCISES, WRONG, RIGHT)
