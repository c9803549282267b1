"""The checks of notebook 07 accept right answers and name what is wrong with the others."""

import math

import torch
from exercise_cases import exercise_tests

from dqngan_lib.exercises.notebook_07 import EXERCISES

# Exercise 07.1 ------------------------------------------------------------------------------------


def _exact(start, end, decay):
    return math.log(end / start) / math.log(decay)


def _strictly_below(start, end, decay):
    n = 0
    while start * decay**n >= end:
        n += 1
    return n


def _capped(start, end, decay):
    return min(max(0, math.ceil(_exact(start, end, decay))), 300)


REPLAYS_WRONG = {
    "round up, not down": lambda s, e, d: int(_exact(s, e, d)),
    "count the replays": lambda s, e, d: math.ceil(_exact(s, e, d)) + 1,
    "whole replays": _exact,
    "Turn the sign": lambda s, e, d: math.ceil(math.log(s / e) / math.log(d)),
    "small enough": _strictly_below,
    "Use `start`": lambda s, e, d: math.ceil(_exact(1.0, e, d)),
    "multiplies": lambda s, e, d: math.ceil((s - e) / (1 - d)),
    "the answer is 0": lambda s, e, d: math.ceil(_exact(s, e, d)) if s > e else 1,
    "for the recipe": _capped,
    "returned None": lambda s, e, d: print(end=""),
}
REPLAYS_RIGHT = (
    lambda s, e, d: max(0, math.ceil(_exact(s, e, d))),
    lambda s, e, d: next(n for n in range(10_000) if s * d**n <= e),
)

# Exercise 07.2 ------------------------------------------------------------------------------------

FIXED_WRONG = {
    "must be bootstrapped": lambda r, g, p: r,
    "divide r by 1 − γ": lambda r, g, p: r * (1 - g),
    "not by γ": lambda r, g, p: r / g,
    "turned around": lambda r, g, p: r / (1 + g * (1 - p)),
    "not discounted": lambda r, g, p: g * r / (1 - g),
    "Use both arguments": lambda r, g, p: 20 * r,
    "p_end = 1 has no effect": lambda r, g, p: r / (1 - g),
    "reward of this step is there": lambda r, g, p: (1 - p) * r / (1 - g),
    "mix the two extremes": lambda r, g, p: p * r + (1 - p) * r / (1 - g),
    "200 backups": lambda r, g, p: r / (1 - g * (1 - p**2)),
    "Q = r = 2, yours": lambda r, g, p: r / (1 - g * (1 - p / 2)),
    "returned None": lambda r, g, p: print(end=""),
}


def _fixed_by_series(r, g, p):
    return sum(r * (g * (1 - p)) ** k for k in range(1_000))


def _fixed_by_backups(r, g, p):
    q = 100.0
    for _ in range(2_000):
        q = p * r + (1 - p) * (r + g * q)
    return torch.tensor(q)


# Exercise 07.3 ------------------------------------------------------------------------------------


def _chase(rewards, update, start):
    q, history = start, []
    for r in rewards.tolist():
        q = update(q, r)
        history.append(q)
    return torch.tensor(history)


def _begins_with_start(rewards, g, a, q):
    history = _chase(rewards, lambda q, r: q + a * (r + g * q - q), q)
    return torch.cat([torch.tensor([q]), history])[:-1]


CHASE_WRONG = {
    "*after* each update": _begins_with_start,
    "must contain γ Q": lambda x, g, a, s: _chase(x, lambda q, r: q + a * (r - q), s),
    "α is not used": lambda x, g, a, s: _chase(x, lambda q, r: r + g * q, s),
    "the last Q, with its minus": lambda x, g, a, s: _chase(x, lambda q, r: q + a * (r + g * q), s),
    "must begin at `start`": lambda x, g, a, s: _chase(x, lambda q, r: q + a * (r + g * q - q), 0),
    "of the update before": lambda x, g, a, s: torch.tensor(
        [s + a * (r + g * s - s) for r in x.tolist()]
    ),
    "changed places": lambda x, g, a, s: _chase(x, lambda q, r: q + g * (r + a * q - q), s),
    "should approach 20": lambda x, g, a, s: _chase(x, lambda q, r: q + 0.5 * (r + 0.5 * q - q), s),
    "must have shape (3,)": lambda x, g, a, s: _chase(x, lambda q, r: q + a * (r + g * q - q), s)[
        -1
    ],
    "yours [": lambda x, g, a, s: _chase(x, lambda q, r: q - a * (r + g * q - q), s),
    "returned None": lambda x, g, a, s: print(end=""),
}


def _chase_in_place(rewards, discount, rate, start):
    q = torch.full_like(rewards, start)
    for t in range(len(rewards)):
        last = q[t - 1] if t else torch.tensor(start)
        q[t] = (1 - rate) * last + rate * (rewards[t] + discount * last)
    return q


def _chase_by_powers(rewards, discount, rate, start):
    keep = 1 - rate * (1 - discount)
    n = len(rewards)
    powers = torch.tensor([[keep ** (t - k) * (k <= t) for k in range(n)] for t in range(n)])
    return rate * powers @ rewards + start * keep ** torch.arange(1, n + 1)


# Exercise 07.4 ------------------------------------------------------------------------------------


def _gradients(loss, network, **options):
    options = {"retain_graph": True, "allow_unused": True} | options
    return torch.autograd.grad(loss, list(network.parameters()), **options)


def _count(gradients):
    return sum(g.numel() for g in gradients if g is not None)


def _each(loss, networks, how):
    if not loss.requires_grad:
        return dict.fromkeys(networks, 0)
    return {name: how(network) for name, network in networks.items()}


def _after_clearing(loss, networks):
    for network in networks.values():
        network.zero_grad()
    if loss.requires_grad:
        loss.backward(retain_graph=True)
    return {n: _count(w.grad for w in m.parameters()) for n, m in networks.items()}


def _leaves_new(loss, networks):
    kept = {w: w.grad for m in networks.values() for w in m.parameters()}
    counts = _after_clearing(loss, networks)
    for weight, gradient in kept.items():
        if gradient is not None:
            weight.grad = gradient
    return counts


def _frees_at_the_end(loss, networks):
    if not loss.requires_grad:
        return dict.fromkeys(networks, 0)
    weights = [w for m in networks.values() for w in m.parameters()]
    found = iter(torch.autograd.grad(loss, weights, allow_unused=True))
    return {n: _count(next(found) for _ in m.parameters()) for n, m in networks.items()}


def _left_over(loss, networks):
    """Count a network whole where each weight has a .grad, be it of an earlier loss."""

    def count(network):
        weights = [w for w in network.parameters() if w.requires_grad]
        if all(w.grad is not None for w in weights):
            return sum(w.numel() for w in weights)
        return _count(torch.autograd.grad(loss, weights, retain_graph=True, allow_unused=True))

    return _each(loss, networks, count)


REACHED_WRONG = {
    "before your call has changed": _after_clearing,
    "leaves new .grad behind": _leaves_new,
    "without a graph": lambda x, m: {n: _count(_gradients(x, k)) for n, k in m.items()},
    "allow_unused=True": lambda x, m: _each(
        x, m, lambda k: _count(_gradients(x, k, allow_unused=False))
    ),
    "differentiates the loss more than once": lambda x, m: _each(
        x, m, lambda k: _count(_gradients(x, k, retain_graph=False))
    ),
    "cannot be differentiated any more": _frees_at_the_end,
    "not the tensors": lambda x, m: _each(
        x, m, lambda k: sum(g is not None for g in _gradients(x, k))
    ),
    "whose gradient is 0 counts too": lambda x, m: _each(
        x, m, lambda k: _count(g for g in _gradients(x, k) if g is not None and g.any())
    ),
    "you count all weights": lambda x, m: {
        n: sum(w.numel() for w in k.parameters()) for n, k in m.items()
    },
    "gradients of an earlier loss": _left_over,
    "the names must be": lambda x, m: {"maker": 9},
    "return a dict": lambda x, m: print(end=""),
}


def _reached_by_walking(loss, networks):
    """Walk back through the graph, from one node to the next, to the weights."""
    waiting, met, weights = [loss.grad_fn], set(), set()
    while waiting:
        node = waiting.pop()
        if node is None or node in met:
            continue
        met.add(node)
        if hasattr(node, "variable"):
            weights.add(id(node.variable))
        waiting.extend(following for following, _ in node.next_functions)
    return {
        name: sum(w.numel() for w in network.parameters() if id(w) in weights)
        for name, network in networks.items()
    }


def _reached_by_backward(loss, networks):
    """Put every gradient back to where it was."""
    every = [w for m in networks.values() for w in m.parameters()]
    kept = [w.grad for w in every]
    for weight in every:
        weight.grad = None
    if loss.requires_grad:
        loss.backward(retain_graph=True)
    counts = {n: _count(w.grad for w in m.parameters()) for n, m in networks.items()}
    for weight, gradient in zip(every, kept, strict=True):
        weight.grad = gradient
    return counts


# Exercise 07.5 ------------------------------------------------------------------------------------


def _bytes(tensor):
    return bytes(tensor.contiguous().numpy().data)


def _same(x, y, *, shape=True, kind=True):
    return (
        (x.shape == y.shape or not shape)
        and (x.dtype == y.dtype or not kind)
        and x.numpy().tobytes() == y.numpy().tobytes()
    )


def _by_name(a, b, same=_same):
    return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)


def _in_order(a, b):
    return list(a) == list(b) and _by_name(a, b)


def _names_of_first(a, b):
    return all(k in b and _same(a[k], b[k]) for k in a)


def _names_of_second(a, b):
    return all(k in a and _same(a[k], b[k]) for k in b)


def _values_only(a, b):
    pairs = zip(sorted(a.items()), sorted(b.items()), strict=False)
    return len(a) == len(b) and all(_same(x, y) for (_, x), (_, y) in pairs)


def _broadcasts(x, y):
    return x.dtype == y.dtype and bool((x == y).all() if x.dim() == y.dim() else False)


def _nan_differs(x, y):
    return _same(x, y) and not (x != x).any()


def _storage(x, y):
    return x.shape == y.shape and x.dtype == y.dtype and _stored(x) == _stored(y)


def _stored(x):
    return bytes(x.untyped_storage())


BITS_WRONG = {
    "compare contents, not objects": lambda a, b: _by_name(a, b, lambda x, y: x is y),
    "order of the names": _in_order,
    "in the last tensor": lambda a, b: _same(a["w"], b["w"]),
    "in the first tensor": lambda a, b: _same(a["count"], b["count"]),
    "no tolerance": lambda a, b: _by_name(
        a, b, lambda x, y: torch.allclose(x.double(), y.double(), equal_nan=True)
    ),
    "the second has a name more": _names_of_first,
    "the first has a name more": _names_of_second,
    "under other names": _values_only,
    "are broadcast": lambda a, b: _by_name(a, b, _broadcasts),
    "(4,) hold the same bytes": lambda a, b: _by_name(a, b, lambda x, y: _same(x, y, shape=False)),
    "float32 and float64": lambda a, b: _by_name(
        a, b, lambda x, y: x.shape == y.shape and bool((x == y).all())
    ),
    "float 0.0 and int 0": lambda a, b: _by_name(a, b, lambda x, y: _same(x, y, kind=False)),
    "one bit differs": lambda a, b: _by_name(
        a, b, lambda x, y: x.dtype == y.dtype and torch.equal(x, y)
    ),
    "nan == nan is false": lambda a, b: _by_name(a, b, _nan_differs),
    "stored by columns": lambda a, b: _by_name(a, b, _storage),
    "not a tensor of them": lambda a, b: a["w"] == b["w"],
    "returned None": lambda a, b: print(end=""),
}


def _bits_by_view(a, b):
    if set(a) != set(b):
        return False
    for name, x in a.items():
        y = b[name]
        if (x.shape, x.dtype) != (y.shape, y.dtype):
            return False
        x, y = (t.contiguous().reshape(-1).view(torch.uint8) for t in (x, y))
        if not torch.equal(x, y):
            return False
    return True


def _bits_as_table(a, b):
    tables = [
        {name: (tuple(t.shape), str(t.dtype), _bytes(t)) for name, t in state.items()}
        for state in (a, b)
    ]
    return tables[0] == tables[1]


WRONG = {
    "07.1": REPLAYS_WRONG,
    "07.2": FIXED_WRONG,
    "07.3": CHASE_WRONG,
    "07.4": REACHED_WRONG,
    "07.5": BITS_WRONG,
}
RIGHT = {
    "07.1": REPLAYS_RIGHT,
    "07.2": (_fixed_by_series, _fixed_by_backups),
    "07.3": (_chase_in_place, _chase_by_powers),
    "07.4": (_reached_by_walking, _reached_by_backward),
    "07.5": (_bits_by_view, _bits_as_table),
}

TestExercises07 = exercise_tests(EXERCISES, WRONG, RIGHT)
