"""The checks of notebook 13 accept right answers and name what is wrong with the others."""

import math

import torch
from exercise_cases import exercise_tests

from dqngan_lib.applications.medical.tissue import Patches, joined
from dqngan_lib.exercises.notebook_13 import EXERCISES

# Exercise 13.1 ------------------------------------------------------------------------------------


def _away(z, held):
    return (z[:, None] - held[None]).abs()


def _by_places(z, held, gap):
    places = torch.tensor([z.tolist().index(one) for one in held.tolist()])
    return (_away(torch.arange(len(z)), places) > gap).all(1)


def _above(z, held, gap):
    return ((held[None] - z[:, None] > gap) | (held[None] < z[:, None])).all(1)


def _below(z, held, gap):
    return ((z[:, None] - held[None] > gap) | (held[None] > z[:, None])).all(1)


TRAIN_WRONG = {
    "the gap is missing": lambda z, h, g: (_away(z, h) > 0).all(1),
    "not MORE": lambda z, h, g: (_away(z, h) >= g).all(1),
    "swapped": lambda z, h, g: (_away(z, h) <= g).any(1),
    "far from EVERY": lambda z, h, g: (_away(z, h) > g).any(1),
    "above a held-out one": _above,
    "below a held-out one": _below,
    "not places": _by_places,
    "there may be room": lambda z, h, g: (z < h.min() - g) | (z > h.max() + g),
    "not twice": lambda z, h, g: (_away(z, h) > 2 * g).all(1),
    "not numbers": lambda z, h, g: (_away(z, h) > g).all(1).nonzero().flatten(),
    "must have shape": lambda z, h, g: _away(z, h) > g,
    "returned None": lambda z, h, g: print(end=""),
}
TRAIN_RIGHT = (
    lambda z, h, g: _away(z, h).min(1).values > g,
    lambda z, h, g: torch.tensor([all(abs(a - b) > g for b in h.tolist()) for a in z.tolist()]),
)

# Exercise 13.2 ------------------------------------------------------------------------------------


def _means(x, row, column, half, distance, h, sigma, *, weigh=None, last=1, itself=True, size=None):
    size = half if size is None else size
    patches = x.unfold(0, 2 * size + 1, 1).unfold(1, 2 * size + 1, 1).flatten(2)
    window = patches[
        row - size - distance : row - size + distance + last,
        column - size - distance : column - size + distance + last,
    ]
    values = x[row - distance : row + distance + last, column - distance : column + distance + last]
    unlike = (window - patches[row - size, column - size]).square()
    weights = weigh(unlike) if weigh else _weights(unlike.mean(2), h, sigma)
    if not itself:
        weights[distance, distance] = 0
    return ((weights * values).sum() / weights.sum()).item()


def _weights(unlike, h, sigma):
    return (-(unlike - 2 * sigma**2).clamp(min=0) / h**2).exp()


def _other(change):
    """Return an answer whose weights come from `change(squares, h, sigma)`."""

    def answer(x, row, column, half, distance, h, sigma):
        place = (x, row, column, half, distance, h, sigma)
        return _means(*place, weigh=lambda squares: change(squares, h, sigma))

    return answer


def _not_normalised(x, row, column, half, distance, h, sigma):
    kept = []
    _means(
        *(x, row, column, half, distance, h, sigma),
        weigh=lambda s: kept.append(_weights(s.mean(2), h, sigma)) or kept[0],
    )
    window = x[row - distance : row + distance + 1, column - distance : column + distance + 1]
    return (kept[0] * window).sum().item()


def _by_count(x, row, column, half, distance, h, sigma):
    return _not_normalised(x, row, column, half, distance, h, sigma) / (2 * distance + 1) ** 2


PIXEL_WRONG = {
    "not single pixels": lambda *place: _means(*place, size=0),
    "both included": lambda *place: _means(*place, last=0),
    "the pixel itself is one": lambda *place: _means(*place, itself=False),
    "not the sum": _other(lambda s, h, sigma: _weights(s.sum(2), h, sigma)),
    "mean square − 2 σ²": _other(lambda s, h, sigma: _weights(s.mean(2), h, 0)),
    "not σ²": _other(lambda s, h, sigma: _weights(s.mean(2), h, sigma / math.sqrt(2))),
    "not by h": _other(lambda s, h, sigma: _weights(s.mean(2), math.sqrt(h), sigma)),
    "unlike patches must weigh less": _other(lambda s, h, sigma: 1 / _weights(s.mean(2), h, sigma)),
    "not by the number": _by_count,
    "not normalised": _not_normalised,
    "the noisy value itself": lambda x, row, column, *rest: x[row, column].item(),
    "on our picture": lambda x, *place: x.mean().item(),
    "returned None": lambda *place: print(end=""),
}
PIXEL_RIGHT = (
    lambda *place: _means(*place),
    lambda x, *place: torch.tensor(_means(x.double(), *place)),
)


# Exercise 13.3 ------------------------------------------------------------------------------------


def _reward(results, picture, original, scale):
    return scale * ((picture - original) ** 2 - (results - original) ** 2)


def _loss(q, results, picture, original, scale):
    return 0.5 * (_reward(results, picture, original, scale) - q) ** 2


def _best_only(q, *rest):
    return _loss(q, *rest).gather(1, q.argmax(1, keepdim=True)).mean()


def _loops(q, results, picture, original, scale):
    parts = []
    for action in range(q.shape[1]):
        before, after = picture[:, 0] - original[:, 0], results[:, action] - original[:, 0]
        parts.append((scale * (before**2 - after**2) - q[:, action]) ** 2)
    return torch.stack(parts).mean() / 2


LOSS_WRONG = {
    "the half is missing": lambda *batch: 2 * _loss(*batch).mean(),
    "not the sum": lambda *batch: _loss(*batch).sum(),
    "not sums for pictures": lambda *batch: _loss(*batch).sum((1, 2, 3)).mean(),
    "over the actions too": lambda *batch: _loss(*batch).sum(1).mean(),
    "the scale": lambda q, r, p, o, s: _loss(q, r, p, o, 1.0).mean(),
    "FALL": lambda q, r, p, o, s: _loss(q, r, p, o, -s).mean(),
    "every action": _best_only,
    "before the step is missing": lambda q, r, p, o, s: _loss(q, r, o, o, s).mean(),
    "any change": lambda q, r, p, o, s: 0.5 * (s * (p - r) ** 2 - q).square().mean(),
    "the square of r − Q is missing": lambda q, *rest: 0.5 * (_reward(*rest) - q).mean(),
    "not |r − Q|": lambda q, *rest: 0.5 * (_reward(*rest) - q).abs().mean(),
    "must be one number": _loss,
    "returned None": lambda *batch: print(end=""),
}
LOSS_RIGHT = (lambda *batch: _loss(*batch).mean(), _loops)

# Exercise 13.4 ------------------------------------------------------------------------------------


def _numbers(train, score, real, few, test, synthetic, **change):
    numbers = {
        "real on real": lambda: score(train(real), test),
        "TSTR": lambda: score(train(synthetic), test),
        "TRTS": lambda: score(train(real), synthetic),
        "few + synthetic": lambda: score(train(joined(few, synthetic)), test),
    }
    numbers |= {key: lambda make=make: make() for key, make in change.items()}
    return {key.replace("_", " "): make() for key, make in numbers.items()}


def _with(key, make):
    """Return an answer in which one number is made otherwise."""

    def answer(train, score, real, few, test, synthetic):
        numbers = _numbers(train, score, real, few, test, synthetic)
        numbers[key] = make(train, score, real, few, test, synthetic)
        return numbers

    return answer


def _swapped(*given):
    numbers = _numbers(*given)
    return numbers | {"TSTR": numbers["TRTS"], "TRTS": numbers["TSTR"]}


def _mixed_up(few, synthetic):
    both = joined(few, synthetic)
    return Patches(both.images, torch.cat([synthetic.labels, few.labels]))


NUMBERS_WRONG = {
    "swapped": _swapped,
    "that it was trained on": _with("real on real", lambda t, s, r, f, e, y: s(t(r), r)),
    "trains on the test": _with("TRTS", lambda t, s, r, f, e, y: s(t(e), y)),
    "must train on few + synthetic": _with(
        "few + synthetic", lambda t, s, r, f, e, y: s(t(joined(r, y)), e)
    ),
    "must be tested on test": _with("TSTR", lambda t, s, r, f, e, y: s(t(y), r)),
    "labels of the": _with("few + synthetic", lambda t, s, r, f, e, y: s(t(_mixed_up(f, y)), e)),
    "not computed from it": _with("TSTR", lambda t, s, r, f, e, y: 1 - s(t(y), e)),
    "a dict": lambda *given: list(_numbers(*given).values()),
    "returned None": lambda *given: print(end=""),
}


def _written_out(train, score, real, few, test, synthetic):
    images = torch.cat([synthetic.images, few.images])
    both = Patches(images, torch.cat([synthetic.labels, few.labels]))
    names = ("real on real", "TSTR", "few + synthetic")
    trained = {n: train(p) for n, p in zip(names, (real, synthetic, both), strict=True)}
    numbers = {name: score(network, test) for name, network in trained.items()}
    numbers["TRTS"] = score(trained["real on real"], synthetic)
    return numbers


NUMBERS_RIGHT = (_numbers, _written_out)

TestExercises = exercise_tests(
    EXERCISES,
    {"13.1": TRAIN_WRONG, "13.2": PIXEL_WRONG, "13.3": LOSS_WRONG, "13.4": NUMBERS_WRONG},
    {"13.1": TRAIN_RIGHT, "13.2": PIXEL_RIGHT, "13.3": LOSS_RIGHT, "13.4": NUMBERS_RIGHT},
)
