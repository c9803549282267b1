"""The checks of notebook 05 accept right answers and name what is wrong with the others."""

import math

import torch
from exercise_cases import exercise_tests
from torch import nn

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


# Exercise 05.5 ------------------------------------------------------------------------------------


def _generator(noise_size, planes, **changed):
    """Build the generator with some of its layers changed; None leaves a layer out."""
    half = planes // 2
    layers = {
        "linear": nn.Linear(noise_size, planes * 49),
        "shape": nn.Unflatten(1, (planes, 7, 7)),
        "norm_1": nn.BatchNorm2d(planes),
        "bend_1": nn.ReLU(),
        "double_1": nn.ConvTranspose2d(planes, half, 4, 2, 1),
        "norm_2": nn.BatchNorm2d(half),
        "bend_2": nn.ReLU(),
        "double_2": nn.ConvTranspose2d(half, 1, 4, 2, 1),
        "end": nn.Sigmoid(),
    }
    return nn.Sequential(*(layer for layer in (layers | changed).values() if layer is not None))


def _bend_first(n, p):
    first, second = (nn.Sequential(nn.ReLU(), nn.BatchNorm2d(size)) for size in (p, p // 2))
    return _generator(n, p, norm_1=first, bend_1=None, norm_2=second, bend_2=None)


class _Frozen(nn.Module):
    def __init__(self, n, p):
        super().__init__()
        self.layers = _generator(n, p)

    def forward(self, noise):
        with torch.no_grad():
            return self.layers(noise)


GENERATOR_WRONG = {
    "sigmoid at the end is missing": lambda n, p: _generator(n, p, end=None),
    "a tanh ends in": lambda n, p: _generator(n, p, end=nn.Tanh()),
    "a ReLU at the end": lambda n, p: _generator(n, p, end=nn.ReLU()),
    "ReLUs are missing": lambda n, p: _generator(n, p, bend_1=None, bend_2=None),
    "LeakyReLUs": lambda n, p: _generator(n, p, bend_1=nn.LeakyReLU(0.2), bend_2=nn.LeakyReLU(0.2)),
    "ReLU comes before the norm": _bend_first,
    "but has (4, 1, 32, 32)": lambda n, p: _generator(
        n, p, double_1=nn.ConvTranspose2d(p, p // 2, 4, 2, 0)
    ),
    "batch norm of the 14 × 14 planes": lambda n, p: _generator(n, p, norm_2=None),
    "batch norm of the 7 × 7 planes": lambda n, p: _generator(n, p, norm_1=None),
    "the linear layer": lambda n, p: _generator(5, 6),
    "the last transposed convolution": lambda n, p: _generator(
        n, p, double_2=nn.ConvTranspose2d(p // 2, 1, 2, 2)
    ),
    "the first transposed convolution": lambda n, p: _generator(
        n,
        p,
        double_1=nn.ConvTranspose2d(p, p, 4, 2, 1),
        norm_2=nn.BatchNorm2d(p),
        double_2=nn.ConvTranspose2d(p, 1, 4, 2, 1),
    ),
    "paints another picture": lambda n, p: _generator(n, p, bend_1=None),
    "asked for are 5": lambda n, p: _generator(n, p, end=nn.Sequential(nn.PReLU(), nn.Sigmoid())),
    "this is a class": lambda n, p: _Frozen,
    "no gradient comes through": _Frozen,
    "is a Tensor": lambda n, p: torch.rand(4, 1, 28, 28),
    "is a NoneType": lambda n, p: print(end=""),
}


class _ByHand(nn.Module):
    """The generator with its layers made in another order, and functions for the rest."""

    def __init__(self, n, p):
        super().__init__()
        self.last = nn.ConvTranspose2d(p // 2, 1, 4, stride=2, padding=1)
        self.first = nn.ConvTranspose2d(p, p // 2, 4, stride=2, padding=1, bias=False)
        self.norms = nn.ModuleList([nn.BatchNorm2d(p // 2), nn.BatchNorm2d(p)])
        self.start = nn.Linear(n, 49 * p)

    def forward(self, noise):
        planes = self.start(noise).reshape(len(noise), -1, 7, 7)
        planes = self.first(self.norms[1](planes).clamp(min=0))
        return 1 / (1 + (-self.last(self.norms[0](planes).relu())).exp())


WRONG = {
    "05.1": FRECHET_WRONG,
    "05.2": ENTROPY_WRONG,
    "05.3": NEAREST_WRONG,
    "05.4": PROJECTION_WRONG,
    "05.6": WALK_WRONG,
    "05.5": GENERATOR_WRONG,
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
    "05.6": (_walk_by_turning, _walk_with_math),
    "05.5": (_ByHand, _generator),
}

TestExercises05 = exercise_tests(EXERCISES, WRONG, RIGHT)
