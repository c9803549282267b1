"""The checks of notebook 06 accept right answers and name what is wrong with the others."""

import itertools

import torch
from exercise_cases import exercise_tests
from torch.func import grad, vmap
from torch.nn import functional

from dqngan_lib.exercises.notebook_06 import EXERCISES

# Exercise 06.1 ------------------------------------------------------------------------------------


def _ways(x, y):
    return (x.sort().values - y.sort().values).abs()


EQUAL_WRONG = {
    "sort both sets": lambda x, y: (x - y).abs().mean(),
    "not their sum": lambda x, y: _ways(x, y).sum(),
    "has no sign": lambda x, y: (x.sort().values - y.sort().values).mean(),
    "squares the ways": lambda x, y: _ways(x, y).square().mean(),
    "this is W₂": lambda x, y: _ways(x, y).square().mean().sqrt(),
    "median way": lambda x, y: _ways(x, y).median(),
    "longest way": lambda x, y: _ways(x, y).max(),
    "sorted downwards": lambda x, y: (
        (x.sort(descending=True).values - y.sort().values).abs().mean()
    ),
    "you compare the means": lambda x, y: (
        _ways(x, y).mean() if len(x) > 2 else (x.mean() - y.mean()).abs()
    ),
    "returned None": lambda x, y: print(end=""),
    "must be one number": lambda x, y: _ways(x, y),
    "yours is 0.25": lambda x, y: (x.median() - y.median()).abs() / 4,
}


def _equal_by_loop(x, y):
    total = 0.0
    for a, b in zip(sorted(x.tolist()), sorted(y.tolist()), strict=True):
        total += abs(a - b)
    return total / len(x)


EQUAL_RIGHT = (_equal_by_loop, lambda x, y: functional.l1_loss(x.msort(), y.msort()))

# Exercise 06.2 ------------------------------------------------------------------------------------


def _area(x, p, y, q, *, power=1.0, width=True, inside=True):
    """Compute the area with one piece of it changed."""
    places, order = torch.cat([x, y]).sort()
    pieces = torch.cat([p, -q])[order].cumsum(0)[:-1]
    pieces = pieces.abs() ** power if inside else pieces
    return (pieces * (places.diff() if width else 1)).sum().abs()


def _weights_unsorted(x, p, y, q):
    places = torch.cat([x, y]).sort().values
    return (torch.cat([p, -q]).cumsum(0)[:-1].abs() * places.diff()).sum()


def _weights_unused(x, p, y, q):
    return _area(x, torch.full((len(x),), 1 / len(x)), y, torch.full((len(y),), 1 / len(y)))


def _greatest(x, p, y, q):
    order = torch.cat([x, y]).argsort()
    return torch.cat([p, -q])[order].cumsum(0).abs().max()


WEIGHTED_WRONG = {
    "multiply each": lambda x, p, y, q: _area(x, p, y, q, width=False),
    "squares F_p − F_q": lambda x, p, y, q: _area(x, p, y, q, power=2.0),
    "Kolmogorov": _greatest,
    "not used": _weights_unused,
    "must follow their points": _weights_unsorted,
    "of each piece": lambda x, p, y, q: _area(x, p, y, q, inside=False),
    "yours is -2.375": lambda x, p, y, q: -_area(x, p, y, q),
    "4 to the left": lambda x, p, y, q: _area(x, p, y, q) if len(x) == 3 else torch.tensor(7.0),
    "may differ in size": lambda x, p, y, q: _area(x, p, y, q) if len(x) < 5 else 0.1,
    "returned None": lambda x, p, y, q: print(end=""),
}


def _by_integral(x, p, y, q):
    places = sorted(x.tolist() + y.tolist())
    total = 0.0
    for left, right in itertools.pairwise(places):
        total += abs(p[x <= left].sum().item() - q[y <= left].sum().item()) * (right - left)
    return total


def _by_moving(x, p, y, q):
    """Carry weight from heap to heap, leftmost first."""
    mine = sorted(zip(x.tolist(), p.tolist(), strict=True))
    theirs = sorted(zip(y.tolist(), q.tolist(), strict=True))
    cost, i, j = 0.0, 0, 0
    have, want = mine[0][1], theirs[0][1]
    while i < len(mine) and j < len(theirs):
        moved = min(have, want)
        cost += moved * abs(mine[i][0] - theirs[j][0])
        have, want = have - moved, want - moved
        if have <= want:
            i += 1
            have = mine[i][1] if i < len(mine) else 0.0
        else:
            j += 1
            want = theirs[j][1] if j < len(theirs) else 0.0
    return cost


# Exercise 06.3 ------------------------------------------------------------------------------------


def _unit(v):
    return v / v.norm()


def _iterate(weight, start, steps, normalise=True):
    v = start
    for _ in range(steps):
        u = weight @ v
        u = _unit(u) if normalise else u
        v = weight.T @ u
        v = _unit(v) if normalise else v
    return u, v


def _no_transpose(weight, start, steps):
    if weight.shape[0] != weight.shape[1]:
        return _exact(weight, start, steps)
    v = _unit(start)
    for _ in range(steps):
        v = _unit(weight @ v)
    return (weight @ v).norm()


def _exact(weight, start, steps):
    return torch.linalg.matrix_norm(weight, 2)


def _squared(weight, start, steps):
    _, v = _iterate(weight, start, steps)
    return (weight @ v).square().sum()


def _grows(weight, start, steps):
    _, v = _iterate(weight, start, steps, normalise=False)
    return (weight @ v).norm()


def _wide_only(weight, start, steps):
    if weight.shape[0] > weight.shape[1]:
        return weight.norm() / 2
    u, v = _iterate(weight, start, steps)
    return u @ weight @ v


SPECTRAL_WRONG = {
    "σ², the eigenvalue": _squared,
    "Frobenius": lambda w, s, n: w.norm(),
    "grew without bound": _grows,
    "greatest entry": lambda w, s, n: w.max(),
    "have length 1": lambda w, s, n: _iterate(w, s, n)[0].norm(),
    "adds the singular values": lambda w, s, n: torch.linalg.matrix_norm(w, "nuc"),
    "near the eigenvalue 1": _no_transpose,
    "use `start` and `steps`": _exact,
    "shape (3, 2)": _wide_only,
    "has no sign": lambda w, s, n: -_exact(w, s, n),
    "returned None": lambda w, s, n: print(end=""),
}


def _by_length(weight, start, steps):
    v = start
    for _ in range(steps):
        v = weight.T @ functional.normalize(weight @ v, dim=0)
        v = functional.normalize(v, dim=0)
    return (weight @ v).norm().item()


def _by_gram(weight, start, steps):
    u = functional.normalize(weight @ start, dim=0)
    for _ in range(steps):
        u = functional.normalize(weight @ (weight.T @ u), dim=0)
    return (weight.T @ u).norm()


# Exercises 06.4 and 06.5 --------------------------------------------------------------------------


def _slopes(critic, x, *, create_graph=True, mean=False):
    """Return the gradient at each input."""
    x = x.detach().clone().requires_grad_(True)
    outputs = critic(x).mean() if mean else critic(x).sum()
    return torch.autograd.grad(outputs, x, create_graph=create_graph)[0]


def _between(real, fake, share):
    share = share.reshape(-1, *[1] * (real.dim() - 1))
    return share * real + (1 - share) * fake


def _penalty(critic, x, *, create_graph=True, reduce=torch.mean):
    norms = _slopes(critic, x, create_graph=create_graph).flatten(1).norm(dim=1)
    return reduce((norms - 1) ** 2)


def _one_sided(critic, real, fake, share):
    norms = _slopes(critic, _between(real, fake, share)).flatten(1).norm(dim=1)
    return (norms - 1).relu().square().mean()


def _of_squares(critic, real, fake, share):
    squares = _slopes(critic, _between(real, fake, share)).flatten(1).square().sum(1)
    return (squares - 1).square().mean()


def _not_squared(critic, real, fake, share):
    return (_slopes(critic, _between(real, fake, share)).flatten(1).norm(dim=1) - 1).mean()


def _not_flat(critic, real, fake, share):
    return (_slopes(critic, _between(real, fake, share)).norm(dim=1) - 1).square().mean()


def _penalty_value_only(critic, real, fake, share):
    """Keep a graph, but one that leads to the wrong weights."""
    value = _penalty(critic, _between(real, fake, share), create_graph=False)
    return value + 0 * critic(real).sum()


PENALTY_WRONG = {
    "look at the real inputs": lambda c, r, f, s: _penalty(c, r),
    "look at the fakes": lambda c, r, f, s: _penalty(c, f),
    "belongs to the real input": lambda c, r, f, s: _penalty(c, _between(f, r, s)),
    "went along the columns": lambda c, r, f, s: _penalty(c, s * r + (1 - s) * f),
    "the middle of each pair": lambda c, r, f, s: _penalty(c, (r + f) / 2),
    "create_graph": lambda c, r, f, s: _penalty(c, _between(r, f, s), create_graph=False),
    "not the sum": lambda c, r, f, s: _penalty(c, _between(r, f, s), reduce=torch.sum),
    "from both sides": _one_sided,
    "no factor ½": lambda c, r, f, s: _penalty(c, _between(r, f, s)) / 2,
    "not from its square": _of_squares,
    "must cost, not pay": _not_squared,
    "flatten": _not_flat,
    "its gradient for": _penalty_value_only,
    "returned None": lambda c, r, f, s: print(end=""),
}


def _penalty_by_loop(critic, real, fake, share):
    costs = []
    for a, b, e in zip(real, fake, share, strict=True):
        point = (e * a + (1 - e) * b).unsqueeze(0).detach().requires_grad_()
        (slope,) = torch.autograd.grad(critic(point)[0], point, create_graph=True)
        costs.append((slope.pow(2).sum().sqrt() - 1) ** 2)
    return torch.stack(costs).mean()


def _half_square(slopes):
    return 0.5 * slopes.flatten(1).square().sum(1).mean()


def _value_only(critic, real):
    """Keep a graph, but one that leads to the wrong weights."""
    value = _half_square(_slopes(critic, real, create_graph=False))
    return value + 0 * critic(real).sum()


R1_WRONG = {
    "½ is missing": lambda c, r: 2 * _half_square(_slopes(c, r)),
    "*squared* norm": lambda c, r: 0.5 * _slopes(c, r).flatten(1).norm(dim=1).mean(),
    "not the sum": lambda c, r: 3 * _half_square(_slopes(c, r)),
    "over the batch alone": lambda c, r: 0.5 * _slopes(c, r).square().mean(),
    "a third of what": lambda c, r: _half_square(_slopes(c, r, mean=True)),
    "slope 0, not slope 1": lambda c, r: _penalty(c, r),
    "create_graph": lambda c, r: _half_square(_slopes(c, r, create_graph=False)),
    "its gradient for": _value_only,
    "flatten": lambda c, r: 0.5 * _slopes(c, r).square().sum(1).mean(),
    "returned None": lambda c, r: print(end=""),
}


def _r1_by_loop(critic, real):
    total = 0.0
    for one in real:
        x = one.unsqueeze(0).clone().requires_grad_()
        (slope,) = torch.autograd.grad(critic(x).squeeze(), x, create_graph=True)
        total = total + 0.5 * (slope**2).sum()
    return total / len(real)


def _r1_by_ones(critic, real):
    x = real.clone().requires_grad_()
    ones = torch.ones(len(x))
    (slopes,) = torch.autograd.grad(critic(x), x, ones, create_graph=True)
    return slopes.pow(2).sum() / (2 * len(x))


def _slopes_by_func(critic, inputs):
    return vmap(grad(lambda x: critic(x[None])[0]))(inputs).flatten(1)


def _penalty_by_func(critic, real, fake, share):
    return (_slopes_by_func(critic, _between(real, fake, share)).norm(dim=1) - 1).square().mean()


def _r1_by_func(critic, real):
    return 0.5 * _slopes_by_func(critic, real).square().sum(1).mean()


WRONG = {
    "06.1": EQUAL_WRONG,
    "06.2": WEIGHTED_WRONG,
    "06.3": SPECTRAL_WRONG,
    "06.4": PENALTY_WRONG,
    "06.5": R1_WRONG,
}
RIGHT = {
    "06.1": EQUAL_RIGHT,
    "06.2": (_by_integral, _by_moving),
    "06.3": (_by_length, _by_gram),
    "06.4": (_penalty_by_loop, lambda c, r, f, s: _penalty(c, _between(r, f, s)), _penalty_by_func),
    "06.5": (_r1_by_loop, _r1_by_ones, _r1_by_func),
}

TestExercises06 = exercise_tests(EXERCISES, WRONG, RIGHT)
