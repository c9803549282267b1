"""The checks of notebook 06 accept right answers and name what is wrong with the others."""

import itertools

import torch
from exercise_cases import exercise_tests
from torch.func import grad, vmap
from torch.nn import functional
from torch.nn.functional import softplus

from dqngan_lib.exercises.notebook_06 import EXERCISES

# Exercise 06.1 ------------------------------------------------------------------------------------


def _ways(x, y):
    return (x.sort().values - y.sort().values).abs()


EQUAL_WRONG = {
    "sort both sets": lambda x, y: (x - y).abs().mean(),
    "not their sum": lambda x, y: _ways(x, y).sum(),
    "has no sign": lambda x, y: (x.sort().values - y.sort().values).mean(),
    "squares the ways": lambda x, y: _ways(x, y).square().mean(),
    "this is the root of the mean square": lambda x, y: _ways(x, y).square().mean().sqrt(),
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

# Exercise 06.5 ------------------------------------------------------------------------------------


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


# Exercise 06.6 ------------------------------------------------------------------------------------


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


# Exercises 06.2 and 06.3 --------------------------------------------------------------------------


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


# Exercise 06.4 ------------------------------------------------------------------------------------


def _round(
    *, leak=False, saturating=False, idle=False, weight=1.0, clear=(True, True), norm=False,
    early=False, stay=(), double=False, mean=False,
):  # fmt: skip
    """Return a round with some of its pieces changed."""

    def play(generator, discriminator, g_optimizer, d_optimizer, real, noise):
        fake = generator(noise) if leak else generator(noise).detach()
        at_real = real.clone().requires_grad_()
        outputs = discriminator(at_real)
        (slope,) = torch.autograd.grad(
            outputs.mean() if mean else outputs.sum(), at_real, create_graph=not idle
        )
        squares = slope.flatten(1).square().sum(1)
        penalty = weight * 0.5 * (squares.sqrt() if norm else squares).mean()
        loss = softplus(-discriminator(real)).mean() + softplus(discriminator(fake)).mean()

        def learn():
            if clear[0]:
                d_optimizer.zero_grad()
            ((loss / 2 if double else loss) + penalty).backward()
            if "discriminator" not in stay:
                d_optimizer.step()

        def follow():
            logits = discriminator(generator(noise))
            pull = -softplus(logits) if saturating else softplus(-logits)
            if clear[1] and not leak:
                g_optimizer.zero_grad()
            pull.mean().backward()
            if "generator" not in stay:
                g_optimizer.step()
            if clear[1] and leak:
                g_optimizer.zero_grad()

        for part in (follow, learn) if early else (learn, follow):
            part()

    return play


def _frozen_for_ever(generator, discriminator, g_optimizer, d_optimizer, real, noise):
    _round()(generator, discriminator, g_optimizer, d_optimizer, real, noise)
    discriminator.requires_grad_(False)


def _push_of_the_mean(generator, discriminator, g_optimizer, d_optimizer, real, noise):
    _round(stay=("generator",))(generator, discriminator, g_optimizer, d_optimizer, real, noise)
    g_optimizer.zero_grad()
    softplus(-discriminator(generator(noise))).sum().backward()
    g_optimizer.step()


ROUND_WRONG = {
    "2 of 3 mended. the penalty ✓; the loss ✓; the update mixes": _round(leak=True),
    "2 of 3 mended. the penalty ✓; the loss does not push": _round(saturating=True),
    "2 of 3 mended. the penalty is added, and nothing is held": _round(idle=True),
    "0 of 3 mended": _round(leak=True, saturating=True, idle=True),
    "1 of 3 mended. the penalty ✓": _round(leak=True, saturating=True),
    "becomes 1.668, as without a penalty. With λ = 1 it must become 0.918; the loss ✓; the update m"
    "ixes": _round(leak=True, idle=True),
    "must push hardest there, by 0.8175; the update ✓": _round(saturating=True, idle=True),
    "yours becomes 1.593": _round(weight=0.1),
    "mean *squared* slope": _round(norm=True),
    "own loss is not what it was": _round(double=True),
    "as it was before step 1": _round(early=True),
    "the discriminator has not moved": _round(stay=("discriminator",)),
    "the generator has not moved": _round(stay=("generator",)),
    "nothing else may be in its step": _push_of_the_mean,
    "do gradients of older rounds": _round(clear=(False, False)),
    "does not require grad": _frozen_for_ever,
}


def _round_in_turn(generator, discriminator, g_optimizer, d_optimizer, real, noise):
    """Make the fakes once, and freeze the discriminator while the generator learns."""
    fakes = generator(noise)
    inputs = real.detach().clone().requires_grad_()
    outputs = discriminator(inputs)
    slope = torch.autograd.grad(outputs, inputs, torch.ones_like(outputs), create_graph=True)[0]
    loss = (
        functional.softplus(-outputs).mean()
        + functional.softplus(discriminator(fakes.detach())).mean()
    )
    d_optimizer.zero_grad()
    (loss + slope.pow(2).sum() / (2 * len(real))).backward()
    d_optimizer.step()
    discriminator.requires_grad_(False)
    g_optimizer.zero_grad()
    (-functional.logsigmoid(discriminator(fakes))).mean().backward()
    g_optimizer.step()
    discriminator.requires_grad_(True)


def _round_by_grad(generator, discriminator, g_optimizer, d_optimizer, real, noise):
    """Take the fakes with their graph, and ask for the gradients of one network at a time."""
    weights = list(discriminator.parameters())
    loss = softplus(-discriminator(real)).mean() + softplus(discriminator(generator(noise))).mean()
    loss = loss + _half_square(_slopes(discriminator, real))
    for weight, slope in zip(weights, torch.autograd.grad(loss, weights), strict=True):
        weight.grad = slope
    d_optimizer.step()
    weights = list(generator.parameters())
    loss = softplus(-discriminator(generator(noise))).mean()
    for weight, slope in zip(weights, torch.autograd.grad(loss, weights), strict=True):
        weight.grad = slope
    g_optimizer.step()


WRONG = {
    "06.1": EQUAL_WRONG,
    "06.5": WEIGHTED_WRONG,
    "06.6": SPECTRAL_WRONG,
    "06.2": PENALTY_WRONG,
    "06.3": R1_WRONG,
    "06.4": ROUND_WRONG,
}
RIGHT = {
    "06.1": EQUAL_RIGHT,
    "06.5": (_by_integral, _by_moving),
    "06.6": (_by_length, _by_gram),
    "06.2": (_penalty_by_loop, lambda c, r, f, s: _penalty(c, _between(r, f, s)), _penalty_by_func),
    "06.3": (_r1_by_loop, _r1_by_ones, _r1_by_func),
    "06.4": (_round_in_turn, _round_by_grad, _round()),
}

TestExercises06 = exercise_tests(EXERCISES, WRONG, RIGHT)
