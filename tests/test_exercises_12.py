"""The checks of notebook 12 accept right answers and name what is wrong with the others."""

import torch
from exercise_cases import exercise_tests
from torch.func import grad, vmap
from torch.nn import functional

from dqngan_lib.exercises.notebook_12 import EXERCISES

# Exercise 12.1 ------------------------------------------------------------------------------------

CROSS = torch.tensor([[0.0, 1, 0], [1, 0, 1], [0, 1, 0]]).view(1, 1, 3, 3)


def _extended(picture):
    return functional.pad(picture, (1, 1, 1, 1), mode="replicate")


def _four(picture):
    return functional.conv2d(_extended(picture), CROSS) / 4


def _in_place(picture, mask):
    picture[mask] = _four(picture)[mask]
    return picture


def _rolled(picture):
    return sum(picture.roll(s, d) for s in (1, -1) for d in (2, 3)) / 4


RELAX_WRONG = {
    "all pixels have moved": lambda p, m: _four(p),
    "turned round": lambda p, m: torch.where(m, p, _four(p)),
    "nothing has moved": lambda p, m: p.clone(),
    "you count zeros": lambda p, m: torch.where(m, functional.conv2d(p, CROSS / 4, padding=1), p),
    "at its other side": lambda p, m: torch.where(m, _rolled(p), p),
    "no neighbour": lambda p, m: torch.where(m, (4 * _four(p) + p) / 5, p),
    "all nine pixels": lambda p, m: torch.where(m, functional.avg_pool2d(_extended(p), 3, 1), p),
    "divide by 4": lambda p, m: torch.where(m, 4 * _four(p), p),
    "changed the picture": _in_place,
    "returned None": lambda p, m: print(end=""),
    "not the mean": lambda p, m: torch.where(m, 0.5, p),
}


def _relax_by_loop(picture, mask):
    out = picture.clone()
    height, width = picture.shape[2:]
    for n, _, y, x in mask.nonzero().tolist():
        plane = picture[n, 0]
        out[n, 0, y, x] = 0.25 * (
            plane[max(y - 1, 0), x]
            + plane[min(y + 1, height - 1), x]
            + plane[y, max(x - 1, 0)]
            + plane[y, min(x + 1, width - 1)]
        )
    return out


# Exercise 12.2 ------------------------------------------------------------------------------------


def _errors(picture, training):
    return (picture.unsqueeze(1) - training.unsqueeze(0)).square().flatten(2)


def _known(mask):
    return (~mask).flatten(1).unsqueeze(1).float()


NEAREST_WRONG = {
    "you compared it too": lambda p, m, t: _errors(p, t).sum(2).argmin(1),
    "with a black hole": lambda p, m, t: _errors(p * ~m, t).sum(2).argmin(1),
    "inside the hole": lambda p, m, t: (_errors(p, t) * (1 - _known(m))).sum(2).argmin(1),
    "*least*": lambda p, m, t: (_errors(p, t) * _known(m)).sum(2).argmax(1),
    "need a square": lambda p, m, t: ((p.unsqueeze(1) - t).flatten(2) * _known(m)).sum(2).argmin(1),
    "search the other way": lambda p, m, t: (_errors(p, t) * _known(m)).sum(2).argmin(0),
    "yours are floats": lambda p, m, t: (_errors(p, t) * _known(m)).sum(2).min(1).values,
    "among all pictures": lambda p, m, t: (_errors(p, t) * _known(m)).sum(2).argmin(),
    "returned None": lambda p, m, t: print(end=""),
    "not every picture": lambda p, m, t: torch.zeros(len(p), dtype=torch.long),
}


def _nearest_by_loop(picture, mask, training):
    places = []
    for x, hole in zip(picture, mask, strict=True):
        errors = [(x - t)[~hole].square().sum().item() for t in training]
        places.append(errors.index(min(errors)))
    return torch.tensor(places)


def _nearest_by_products(picture, mask, training):
    known = (~mask).flatten(1).float()
    memory = training.flatten(1)
    distance = known @ memory.square().T - 2 * (picture.flatten(1) * known) @ memory.T
    return distance.min(dim=1).indices


# Exercise 12.3 ------------------------------------------------------------------------------------


def _rise(d, o, n):
    with torch.no_grad():
        return d(n) - d(o)


def _shared(d, o, n, w):
    inside = o[:, 2]
    mean = (_rise(d, o, n) * inside).sum((1, 2)) / inside.sum((1, 2))
    return w * mean.view(-1, 1, 1) * inside


def _after(d, n):
    with torch.no_grad():
        return d(n)


BONUS_WRONG = {
    "sign is turned round": lambda d, o, n, w: -w * _rise(d, o, n) * o[:, 2],
    "cannot act": lambda d, o, n, w: w * _rise(d, o, n),
    "not the others": lambda d, o, n, w: w * _rise(d, o, n) * (1 - o[:, 2]),
    "λ is missing": lambda d, o, n, w: _rise(d, o, n) * o[:, 2],
    "after the step alone": lambda d, o, n, w: w * _after(d, n) * o[:, 2],
    "before the step alone": lambda d, o, n, w: w * _after(d, o) * o[:, 2],
    "share their mean": _shared,
    "no sigmoid": lambda d, o, n, w: (
        w * (_after(d, n).sigmoid() - _after(d, o).sigmoid()) * o[:, 2]
    ),
    "carries a gradient": lambda d, o, n, w: w * (d(n) - d(o)) * o[:, 2],
    "a dimension too many": lambda d, o, n, w: (w * _rise(d, o, n) * o[:, 2]).unsqueeze(1),
    "returned None": lambda d, o, n, w: print(end=""),
    "paid wrongly": lambda d, o, n, w: w * _rise(d, o, n).clamp(min=0) * o[:, 2],
}


def _bonus_detached(critic, observation, next_observation, weight):
    both = critic(torch.cat([observation, next_observation])).detach()
    before, after = both.split(len(observation))
    return torch.where(observation[:, 2] > 0.5, weight * (after - before), 0.0)


def _bonus_by_loop(critic, observation, next_observation, weight):
    rows = []
    for now, then in zip(observation, next_observation, strict=True):
        rise = critic(then[None])[0].detach() - critic(now[None])[0].detach()
        rows.append(weight * rise * (then[2] == 1))
    return torch.stack(rows)


# Exercise 12.4 ------------------------------------------------------------------------------------


def _slope(f, z, t):
    z = z.detach().clone().requires_grad_(True)
    return torch.autograd.grad(f(z).gather(1, t[:, None]).sum(), z)[0]


def _unit(g):
    return g / g.norm(dim=1, keepdim=True)


def _all_classes(f, z, t, s):
    z = z.detach().clone().requires_grad_(True)
    return z.detach() + s * _unit(torch.autograd.grad(f(z).sum(), z)[0])


def _moves_the_noise(f, z, t, s):
    z += s * _unit(_slope(f, z, t))
    return z


UPHILL_WRONG = {
    "downhill": lambda f, z, t, s: z - s * _unit(_slope(f, z, t)),
    "step alone": lambda f, z, t, s: s * _unit(_slope(f, z, t)),
    "must have the same length": lambda f, z, t, s: z + s * _slope(f, z, t),
    "one norm for all": lambda f, z, t, s: z + s * _slope(f, z, t) / _slope(f, z, t).norm(),
    "along the walkers": lambda f, z, t, s: z + s * functional.normalize(_slope(f, z, t), dim=0),
    "sum of all classes": _all_classes,
    "size is not used": lambda f, z, t, s: z + _unit(_slope(f, z, t)),
    "nothing has moved": lambda f, z, t, s: z.clone(),
    "sign of the gradient": lambda f, z, t, s: z + s * _slope(f, z, t).sign(),
    "changed the noise": _moves_the_noise,
    "returned None": lambda f, z, t, s: print(end=""),
    "straight uphill": lambda f, z, t, s: z + s * _unit(torch.ones_like(z)),
}


def _uphill_row_by_row(log_probability, noise, target, size):
    rows = []
    for z, wanted in zip(noise, target, strict=True):
        z = z.clone().requires_grad_(True)
        log_probability(z[None])[0, wanted].backward()
        rows.append((z + size * z.grad / z.grad.norm()).detach())
    return torch.stack(rows)


def _uphill_by_loss(log_probability, noise, target, size):
    z = noise.clone().requires_grad_(True)
    functional.nll_loss(log_probability(z), target, reduction="sum").backward()
    return noise - size * functional.normalize(z.grad, dim=1)


def _uphill_by_func(log_probability, noise, target, size):
    slope = vmap(grad(lambda z, c: log_probability(z[None])[0].gather(0, c[None])[0]))
    return noise + size * functional.normalize(slope(noise, target), dim=1)


WRONG = {
    "12.1": RELAX_WRONG,
    "12.2": NEAREST_WRONG,
    "12.3": BONUS_WRONG,
    "12.4": UPHILL_WRONG,
}
RIGHT = {
    "12.1": (_relax_by_loop, lambda p, m: p * ~m + _four(p) * m),
    "12.2": (_nearest_by_loop, _nearest_by_products),
    "12.3": (_bonus_detached, _bonus_by_loop),
    "12.4": (_uphill_row_by_row, _uphill_by_loss, _uphill_by_func),
}

TestExercises12 = exercise_tests(EXERCISES, WRONG, RIGHT)
