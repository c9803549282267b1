"""The checks of notebook 11 accept right answers and name what is wrong with the others."""

import torch
from exercise_cases import exercise_tests
from torch.nn import functional

from dqngan_lib.exercises.notebook_11 import EXERCISES

# Exercise 11.1 ------------------------------------------------------------------------------------


def _fall(before, after, original, scale):
    return scale * ((before - original) ** 2 - (after - original) ** 2).squeeze(1)


REWARD_WRONG = {
    "sign is turned round": lambda b, a, o, s: -_fall(b, a, o, s),
    "scale is missing": lambda b, a, o, s: _fall(b, a, o, 1.0),
    "fall of |error|": lambda b, a, o, s: s * ((b - o).abs() - (a - o).abs()).squeeze(1),
    "how far the pixel moved": lambda b, a, o, s: s * ((a - b) ** 2).squeeze(1),
    "the new error alone": lambda b, a, o, s: -s * ((a - o) ** 2).squeeze(1),
    "cut off at 0": lambda b, a, o, s: _fall(b, a, o, s).clamp(min=0),
    "outside the square": lambda b, a, o, s: ((s * (b - o)) ** 2 - (s * (a - o)) ** 2).squeeze(1),
    "squeeze(1)": lambda b, a, o, s: _fall(b, a, o, s).unsqueeze(1),
    "share their mean": lambda b, a, o, s: (
        _fall(b, a, o, s).mean((1, 2), keepdim=True).expand(2, 1, 3)
    ),
    "returned None": lambda b, a, o, s: print(end=""),
    "must have shape": lambda b, a, o, s: _fall(b, a, o, s).mean((1, 2)),
    "expected [[": lambda b, a, o, s: _fall(b, a, o, s) + 1,
}


def _reward_factored(before, after, original, scale):
    # a² − b² = (a − b)(a + b)
    return scale * ((before - after) * (before + after - 2 * original))[:, 0]


def _reward_by_loop(before, after, original, scale):
    n, _, height, width = before.shape
    reward = torch.zeros(n, height, width)
    for i in range(n):
        old = functional.mse_loss(before[i, 0], original[i, 0], reduction="none")
        new = functional.mse_loss(after[i, 0], original[i, 0], reduction="none")
        reward[i] = scale * (old - new)
    return reward


# Exercise 11.2 ------------------------------------------------------------------------------------

ORACLE_WRONG = {
    "*worst* action": lambda r, o: (r - o).square().argmax(1),
    "need a square": lambda r, o: (r - o).argmin(1),
    "ends brightest": lambda r, o: r.argmax(1),
    "among the pictures": lambda r, o: (r - o).square().argmin(0),
    "among the rows": lambda r, o: (r - o).square().argmin(2),
    "among the columns": lambda r, o: (r - o).abs().argmin(-1),
    "for a whole picture": lambda r, o: (
        (r - o).square().mean((2, 3)).argmin(1).view(-1, 1, 1).expand(-1, 4, 4)
    ),
    "yours are floats": lambda r, o: (r - o).square().min(1).values,
    "a dimension too many": lambda r, o: (r - o).square().argmin(1, keepdim=True),
    "not every pixel": lambda r, o: (r - o).square().argmin(1).roll(1, 0),
}


def _oracle_by_loop(results, original):
    best = torch.zeros_like(original[:, 0], dtype=torch.long)
    least = (results[:, 0] - original[:, 0]).abs()
    for action in range(1, results.shape[1]):
        error = (results[:, action] - original[:, 0]).abs()
        best[error < least] = action
        least = torch.minimum(least, error)
    return best


# Exercise 11.3 ------------------------------------------------------------------------------------

SIDE_WRONG = {
    "not 2": lambda d, k: (k - 1) * sum(d),
    "square of side 3": lambda d, k: sum(d),
    "counts twice": lambda d, k: 1 + sum(d) if len(d) > 1 else 3,
    "fields overlap": lambda d, k: k * len(d),
    "do not multiply": lambda d, k: 1 + (k - 1) * torch.tensor(d).prod().item(),
    "not all": lambda d, k: 1 + (k - 1) * max(d) + (k - 1) * max(d) * (len(d) > 1),
    "not used": lambda d, k: 1 + (k - 1) * len(d),
    "taken for 3": lambda d, k: 1 + 2 * sum(d),
    "returned None": lambda d, k: print(end=""),
    "must be one number": lambda d, k: [1 + (k - 1) * x for x in d],
    "of 15, not 31": lambda d, k: 3 if len(d) == 1 else 31,
}


def _side_by_loop(dilations, kernel):
    left = right = 0
    for d in dilations:
        left -= kernel // 2 * d
        right += kernel // 2 * d
    return right - left + 1


# Exercise 11.4 ------------------------------------------------------------------------------------


def _going(t):
    return (~t).float().view(-1, 1, 1)


MAP_WRONG = {
    "along the columns": lambda r, t, q, g: r + g * (1 - t.float()) * q.max(1).values,
    "along the rows": lambda r, t, q, g: r + g * (1 - t.float())[:, None] * q.max(1).values,
    "picture 1 is terminated": lambda r, t, q, g: r + g * q.max(1).values,
    "turned round": lambda r, t, q, g: r + g * t.float().view(-1, 1, 1) * q.max(1).values,
    "discount is missing": lambda r, t, q, g: r + _going(t) * q.max(1).values,
    "mean over the actions": lambda r, t, q, g: r + g * _going(t) * q.mean(1),
    "reward is missing": lambda r, t, q, g: g * _going(t) * q.max(1).values,
    "for a whole picture": lambda r, t, q, g: r + g * _going(t) * q.amax((1, 2, 3)).view(-1, 1, 1),
    "not the reward": lambda r, t, q, g: _going(t) * (r + g * q.max(1).values),
    "must have shape": lambda r, t, q, g: (r + g * _going(t) * q.max(1).values).mean(0),
    "returned None": lambda r, t, q, g: print(end=""),
    "some targets are wrong": lambda r, t, q, g: r + g * _going(t) * q.min(1).values,
}


def _map_by_loop(reward, terminated, next_q_values, discount):
    targets = reward.clone()
    for i, ended in enumerate(terminated.tolist()):
        if not ended:
            targets[i] += discount * next_q_values[i].amax(0)
    return targets


# Exercise 11.5 ------------------------------------------------------------------------------------


def _pool(v, **options):
    return functional.avg_pool2d(v, 3, 1, 1, **options)


def _mean(v):
    return _pool(v, count_include_pad=False)


def _target(r, t, g, mixed):
    return r + g * _going(t) * mixed


def _rolled(v):
    return sum(v.roll((i, j), (1, 2)) for i in (-1, 0, 1) for j in (-1, 0, 1)) / 9


def _without_itself(v):
    counts = 9 * _pool(torch.ones_like(v))
    return (9 * _pool(v) - v) / (counts - 1)


def _replicated(v):
    return functional.avg_pool2d(functional.pad(v, (1, 1, 1, 1), mode="replicate"), 3, 1)


NEIGHBOUR_WRONG = {
    "zeros included": lambda r, t, v, g, s: _target(r, t, g, (1 - s) * v + s * _pool(v)),
    "repeat the last value": lambda r, t, v, g, s: _target(
        r, t, g, (1 - s) * v + s * _replicated(v)
    ),
    "comes in on the other": lambda r, t, v, g, s: _target(r, t, g, (1 - s) * v + s * _rolled(v)),
    "pixel itself belongs": lambda r, t, v, g, s: _target(
        r, t, g, (1 - s) * v + s * _without_itself(v)
    ),
    "take its mean": lambda r, t, v, g, s: _target(r, t, g, (1 - s) * v + s * 9 * _pool(v)),
    "weight of the neighbourhood": lambda r, t, v, g, s: _target(
        r, t, g, s * v + (1 - s) * _mean(v)
    ),
    "own value is gone": lambda r, t, v, g, s: _target(r, t, g, s * _mean(v)),
    "mean alone": lambda r, t, v, g, s: _target(r, t, g, _mean(v)),
    "the plain target": lambda r, t, v, g, s: _target(r, t, g, v),
    "picture 0 is terminated": lambda r, t, v, g, s: r + g * ((1 - s) * v + s * _mean(v)),
    "discount is missing": lambda r, t, v, g, s: _target(r, t, 1, (1 - s) * v + s * _mean(v)),
    "some targets are wrong": lambda r, t, v, g, s: _target(r, t, g, v + s * _mean(v)),
}


def _neighbours_by_counting(reward, terminated, next_value, discount, share):
    ones, kernel = torch.ones_like(next_value).unsqueeze(1), torch.ones(1, 1, 3, 3)
    total = functional.conv2d(next_value.unsqueeze(1), kernel, padding=1)
    mean = (total / functional.conv2d(ones, kernel, padding=1)).squeeze(1)
    mixed = next_value + share * (mean - next_value)
    return torch.where(terminated[:, None, None], reward, reward + discount * mixed)


def _neighbours_by_loop(reward, terminated, next_value, discount, share):
    targets = reward.clone()
    n, height, width = reward.shape
    for i in range(n):
        if terminated[i]:
            continue
        for y in range(height):
            for x in range(width):
                near = next_value[i, max(0, y - 1) : y + 2, max(0, x - 1) : x + 2].mean()
                own = next_value[i, y, x]
                targets[i, y, x] += discount * ((1 - share) * own + share * near)
    return targets


WRONG = {
    "11.1": REWARD_WRONG,
    "11.2": ORACLE_WRONG,
    "11.3": SIDE_WRONG,
    "11.4": MAP_WRONG,
    "11.5": NEIGHBOUR_WRONG,
}
RIGHT = {
    "11.1": (_reward_factored, _reward_by_loop),
    "11.2": (_oracle_by_loop, lambda r, o: (r - o).abs().min(dim=1).indices),
    "11.3": (_side_by_loop, lambda d, k: float(sum((k - 1) * x for x in d) + 1)),
    "11.4": (
        _map_by_loop,
        lambda r, t, q, g: torch.where(t[:, None, None], r, r + g * q.max(dim=1)[0]),
    ),
    "11.5": (_neighbours_by_counting, _neighbours_by_loop),
}

TestExercises11 = exercise_tests(EXERCISES, WRONG, RIGHT)
