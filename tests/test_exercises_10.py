"""The checks of notebook 10 accept right answers and name what is wrong with the others."""

import itertools
import math

import torch
from exercise_cases import exercise_tests

from dqngan_lib.exercises.notebook_10 import EXERCISES

# Exercise 10.1 ------------------------------------------------------------------------------------


def _in_place(canvas, ink):
    canvas += ink * (1 - canvas)
    return canvas


LAY_WRONG = {
    "simply added": lambda c, s: c + s,
    "cut off at 1": lambda c, s: (c + s).clamp(0, 1),
    "the greater of the two": lambda c, s: torch.maximum(c, s),
    "what was there must stay": lambda c, s: s.clone(),
    "darkens where there is no ink": lambda c, s: c + (1 - s) * (1 - c),
    "erases under the stroke": lambda c, s: c * (1 - s),
    "multiplied by c": lambda c, s: c + s * c,
    "changed the canvas that it was given": _in_place,
    "returned None": lambda c, s: print(end=""),
    "the first row must be": lambda c, s: (c + s) / 2,
}
LAY_RIGHT = (lambda c, s: 1 - (1 - c) * (1 - s), lambda c, s: c * (1 - s) + s)

# Exercise 10.2 ------------------------------------------------------------------------------------


def _gains(c, t, s, *, two=2.0, paper_1=True, power=2, squares=True, sign=1.0):
    u = 1 - c
    first = two * ((t - c) * (u if paper_1 else 1)) @ s.T
    return sign * (first - u**power @ (s.square() if squares else s).T)


def _mean_gains(c, t, s):
    return _gains(c, t, s) / c.shape[1] if c.shape[1] > 1 else _gains(c, t, s)


def _no_square_of_strokes(c, t, s):
    return _gains(c, t, s, squares=False)


GAINS_WRONG = {
    "check the paper factor": lambda c, t, s: _gains(c, t, s, paper_1=False),
    "the sign": lambda c, t, s: _gains(c, t, s, sign=-1.0),
    "has a factor 2": lambda c, t, s: _gains(c, t, s, two=1.0),
    "m² u² is missing": lambda c, t, s: 2 * ((t - c) * (1 - c)) @ s.T,
    "not the mean": _mean_gains,
    "squares of the strokes": _no_square_of_strokes,
    "gains ¼": lambda c, t, s: _gains(c, t, s, two=2.5),
    "must gain 0": lambda c, t, s: _gains(c, t, s) + 1,
    "must have shape": lambda c, t, s: _gains(c, t, s).T,
    "the square of the paper": lambda c, t, s: (
        _gains(c, t, s, power=1) if len(c) > 1 else _gains(c, t, s)
    ),
}


def _by_trying(c, t, s):
    result = torch.zeros(len(c), len(s))
    for k, stroke in enumerate(s):
        after = c + stroke * (1 - c)
        result[:, k] = ((t - c) ** 2 - (t - after) ** 2).sum(1)
    return result


GAINS_RIGHT = (
    _by_trying,
    lambda c, t, s: (
        torch.einsum("np,kp->nk", 2 * (t - c) * (1 - c), s)
        - torch.einsum("np,kp->nk", (1 - c) ** 2, s**2)
    ),
)

# Exercise 10.3 ------------------------------------------------------------------------------------


def _guarded(function):
    """Answer temperature 0 rightly, so that the mistake shows elsewhere."""
    return lambda q, t: function(q, t) if t else torch.eye(q.shape[1])[q.argmax(1)]


SHARP_WRONG = {
    "this multiplies": _guarded(lambda q, t: (q * t).softmax(1)),
    "has no effect": _guarded(lambda q, t: q.softmax(1)),
    "normalise after": _guarded(lambda q, t: (q / t).exp()),
    "these are logarithms": _guarded(lambda q, t: (q / t).log_softmax(1)),
    "before the softmax": _guarded(lambda q, t: q.softmax(1) / t),
    "dimension 1": _guarded(lambda q, t: (q / t).softmax(0)),
    "are NaN": lambda q, t: (q / t).softmax(1),
    "divides by zero": lambda q, t: (q * (1 / t)).softmax(1),
    "all its weight on one": lambda q, t: (q / max(t, 0.3)).softmax(1),
    "overflow": _guarded(lambda q, t: (q / t).exp() / (q / t).exp().sum(1, keepdim=True)),
    "the second row must be": _guarded(lambda q, t: (q / t**2).softmax(1)),
}


def _by_hand(q, t):
    rows = []
    for row in q.tolist():
        if t == 0:
            best = row.index(max(row))
            rows.append([float(k == best) for k in range(len(row))])
        else:
            e = [math.exp((x - max(row)) / t) for x in row]
            rows.append([x / sum(e) for x in e])
    return torch.tensor(rows)


SHARP_RIGHT = (_by_hand, _guarded(lambda q, t: torch.exp((q / t).log_softmax(1))))

# Exercise 10.4 ------------------------------------------------------------------------------------


def _distinct(actions):
    return math.lgamma(len(actions.unique()) + 1)


def _largest_only(actions):
    counts = actions.unique(return_counts=True)[1]
    return math.lgamma(len(actions) + 1) - math.lgamma(int(counts.max()) + 1)


def _exact(actions):
    result = math.factorial(len(actions))
    for count in actions.unique(return_counts=True)[1].tolist():
        result //= math.factorial(count)
    return result


def _without_no_ops(actions):
    drawn = actions[actions != 3136]
    return math.log(_exact(drawn))


ORDERS_WRONG = {
    "return its logarithm": _exact,
    "not in 3": lambda a: math.log(len(a)),
    "exchanging the two fives": lambda a: math.lgamma(len(a) + 1),
    "still takes up a place": _distinct,
    "divide by 2! and by 3!": _largest_only,
    "natural logarithm": lambda a: math.log2(_exact(a)),
    "are these three different": lambda a: 0.0,
    "takes up a place like any action": _without_no_ops,
    "add logarithms": lambda a: math.log(_exact(a)) if len(a) < 150 else math.inf,
    "log 6 = 1.79": lambda a: -math.log(_exact(a)),
}


def _count(actions):
    """Count the orders one by one where that is possible."""
    if len(actions) > 8:
        return math.log(_exact(actions))
    return math.log(len(set(itertools.permutations(actions.tolist()))))


def _by_tensors(actions):
    counts = torch.bincount(actions).double()
    return torch.lgamma(counts.sum() + 1) - torch.lgamma(counts + 1).sum()


ORDERS_RIGHT = (_count, _by_tensors)

# Exercise 10.5 ------------------------------------------------------------------------------------


def _canvas(actions, masks, white):
    canvas = torch.zeros(len(actions), masks.shape[1])
    for taken in actions.T:
        m, ink = masks[taken], (~white[taken]).float()[:, None]
        canvas = canvas * (1 - m) + m * ink
    return canvas


def _opinion(actions, step, slope, masks, white, *, rest=None, canvas=None, colour=None):
    """The opinions, with parts that may be replaced."""
    before = _canvas(actions[:, :step], masks, white) if canvas is None else canvas
    later = (1 - masks[actions[:, step + 1 :]]).prod(1) if rest is None else rest
    b = (~white).float() if colour is None else colour
    return ((slope * later)[:, None] * masks * (b[:, None] - before[:, None])).sum(2)


def _as_ink(a, t, g, m, w):
    return _opinion(a, t, g, m, w, colour=torch.ones(len(m)))


def _turned(a, t, g, m, w):
    return _opinion(a, t, g, m, w, colour=w.float())


def _pen_alone(a, t, g, m, w):
    rest = (1 - m[a[:, :t]]).prod(1) * (1 - m[a[:, t + 1 :]]).prod(1)
    return (g * rest) @ m.T


def _no_later(a, t, g, m, w):
    return _opinion(a, t, g, m, w, rest=torch.ones_like(g))


def _own_in_canvas(a, t, g, m, w):
    return _opinion(a, t, g, m, w, canvas=_canvas(a[:, : t + 1], m, w))


def _blank(a, t, g, m, w):
    return _opinion(a, t, g, m, w, canvas=torch.zeros_like(g))


def _all_others(a, t, g, m, w):
    rest = (1 - m[a[:, :t]]).prod(1) * (1 - m[a[:, t + 1 :]]).prod(1)
    return _opinion(a, t, g, m, w, rest=rest)


def _anew(a, t, g, m, w):
    """Every picture is drawn with every stroke."""
    nothing = _canvas(torch.cat([a[:, :t], a[:, t + 1 :]], 1), m, w)
    columns = []
    for stroke in range(len(m)):
        other = a.clone()
        other[:, t] = stroke
        columns.append((g * (_canvas(other, m, w) - nothing)).sum(1))
    return torch.stack(columns, 1)


def _with_slopes(a, t, g, m, w):
    """Torch differentiates the picture by the share that each stroke has."""
    share = torch.zeros(len(a), len(m), requires_grad=True)
    canvas, b = _canvas(a[:, :t], m, w), (~w).float()
    moved = canvas + (share[..., None] * m * (b[:, None] - canvas[:, None])).sum(1)
    for taken in a[:, t + 1 :].T:
        k = m[taken]
        moved = moved * (1 - k) + k * (~w[taken]).float()[:, None]
    return torch.autograd.grad((g * moved).sum(), share)[0]


ERASER_WRONG = {
    "not left out": lambda a, t, g, m, w: _opinion(a, t, g, m, w) * (~w),
    "as ink": _as_ink,
    "swapped": _turned,
    "pen's opinion": _pen_alone,
    "later strokes are missing": _no_later,
    "without the stroke that was drawn": _own_in_canvas,
    "canvas before the step is missing": _blank,
    "those before are in the canvas": _all_others,
    "the sign is wrong": lambda *given: -_opinion(*given),
    "yours differs": lambda *given: 2 * _opinion(*given),
}
ERASER_RIGHT = (_opinion, _anew, _with_slopes)

TestNotebook10 = exercise_tests(
    EXERCISES,
    {
        "10.1": LAY_WRONG,
        "10.2": GAINS_WRONG,
        "10.3": SHARP_WRONG,
        "10.4": ORDERS_WRONG,
        "10.5": ERASER_WRONG,
    },
    {
        "10.1": LAY_RIGHT,
        "10.2": GAINS_RIGHT,
        "10.3": SHARP_RIGHT,
        "10.4": ORDERS_RIGHT,
        "10.5": ERASER_RIGHT,
    },
)
