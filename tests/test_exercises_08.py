"""The checks of notebook 08 accept right answers and name what is wrong with the others."""

import math

import torch
from exercise_cases import exercise_tests

from dqngan_lib.exercises.notebook_08 import EXERCISES

# Exercise 08.1 ------------------------------------------------------------------------------------


def _q(reward, next_value, terminated, discount):
    return reward + discount * torch.where(terminated, 0.0, next_value)


def _soft(q, temperature):
    return temperature * torch.logsumexp(q / temperature, 1), torch.softmax(q / temperature, 1)


def _naive(r, v, d, t, g):
    exponentials = (_q(r, v, d, g) / t).exp()
    return t * exponentials.sum(1).log(), exponentials / exponentials.sum(1, keepdim=True)


def _mean_q(r, v, d, t, g):
    q = _q(r, v, d, g)
    policy = torch.softmax(q / t, 1)
    return (policy * q).sum(1), policy


def _with_value(change):
    """Return an answer whose V is changed."""

    def answer(r, v, d, t, g):
        q = _q(r, v, d, g)
        value, policy = _soft(q, t)
        return change(q, value, t), policy

    return answer


BACKUP_WRONG = {
    "nothing follows it": lambda r, v, d, t, g: _soft(r + g * v, t),
    "γ is missing": lambda r, v, d, t, g: _soft(_q(r, v, d, 1.0), t),
    "not to the reward": lambda r, v, d, t, g: _soft(g * _q(r, v, d, 1.0), t),
    "the other way round": lambda r, v, d, t, g: _soft(r + g * d * v, t),
    "the greatest Q": _with_value(lambda q, value, t: q.max(1).values),
    "with α = 1: use the temperature": _with_value(lambda q, value, t: q.logsumexp(1)),
    "multiply the logarithm": _with_value(lambda q, value, t: value / t),
    "inside the exponential": _with_value(lambda q, value, t: t * q.logsumexp(1)),
    "of the *mean*": _with_value(lambda q, value, t: value - t * math.log(q.shape[1])),
    "mean Q under π": _mean_q,
    "softmax(Q) with α = 1": lambda r, v, d, t, g: (
        _soft(_q(r, v, d, g), t)[0],
        torch.softmax(_q(r, v, d, g), 1),
    ),
    "π came as logarithms": lambda r, v, d, t, g: (
        _soft(_q(r, v, d, g), t)[0],
        _soft(_q(r, v, d, g), t)[1].log(),
    ),
    "over the states": lambda r, v, d, t, g: (
        _soft(_q(r, v, d, g), t)[0],
        torch.softmax(_q(r, v, d, g) / t, 0),
    ),
    "with Q = 900": _naive,
    "return two tensors": lambda r, v, d, t, g: _soft(_q(r, v, d, g), t)[0],
    "V must have shape (2,)": lambda r, v, d, t, g: (
        _soft(_q(r, v, d, g), t)[0][:, None],
        _soft(_q(r, v, d, g), t)[1],
    ),
}


def _backup_by_hand(reward, next_value, terminated, temperature, discount):
    q = reward.clone()
    going_on = ~terminated
    q[going_on] += discount * next_value[going_on]
    top = q.max(1, keepdim=True).values
    weights = ((q - top) / temperature).exp()
    total = weights.sum(1, keepdim=True)
    return (top + temperature * total.log()).squeeze(1), weights / total


BACKUP_RIGHT = (_backup_by_hand, lambda r, v, d, t, g: _soft(_q(r, v, d, g), t))

# Exercise 08.2 ------------------------------------------------------------------------------------

TARGET_WRONG = {
    "log q is missing": lambda log_q, f: f.log_softmax(1),
    "each row must sum to 1": lambda log_q, f: log_q + f,
    "return their logarithms": lambda log_q, f: (log_q + f).softmax(1),
    "you have taken it off": lambda log_q, f: (f - log_q).log_softmax(1),
    "add log q, not q": lambda log_q, f: (f + log_q.exp()).log_softmax(1),
    "add them": lambda log_q, f: (log_q * f).log_softmax(1),
    "over the states": lambda log_q, f: (log_q + f).log_softmax(0),
    "the other sign": lambda log_q, f: (log_q - f).log_softmax(1),
    "own log q": lambda log_q, f: log_q,
    "returned None": lambda log_q, f: print(end=""),
    "yours is [": lambda log_q, f: (2 * log_q + f).log_softmax(1),
}


def _target_by_hand(log_q, f):
    weights = log_q.exp() * (f - f.max(1, keepdim=True).values).exp()
    return (weights / weights.sum(1, keepdim=True)).log()


TARGET_RIGHT = (
    _target_by_hand,
    lambda log_q, f: log_q + f - (log_q + f).logsumexp(1, keepdim=True),
)

# Exercise 08.3 ------------------------------------------------------------------------------------


def _pi(q, t):
    return torch.softmax(q / t, 1)


def _one_hot(q):
    return (q == q.max(1, keepdim=True).values).double()


SHOWN_WRONG = {
    "this is log π": lambda q, t, e: _pi(q, t).log(),
    "each gets ε/K": lambda q, t, e: ((1 - e) * _pi(q, t) + e).log(),
    "not ε/(K − 1)": lambda q, t, e: ((1 - e) * _pi(q, t) + e / (q.shape[1] - 1)).log(),
    "the rest has 1 − ε": lambda q, t, e: (_pi(q, t) + e / q.shape[1]).log(),
    "not their logarithms": lambda q, t, e: (1 - e) * _pi(q, t).log() - e * math.log(q.shape[1]),
    "not greedy": lambda q, t, e: ((1 - e) * _one_hot(q) + e / q.shape[1]).log(),
    "use the temperature": lambda q, t, e: ((1 - e) * _pi(q, 1.0) + e / q.shape[1]).log(),
    "return their logarithms": lambda q, t, e: (1 - e) * _pi(q, t) + e / q.shape[1],
    "changed places": lambda q, t, e: (e * _pi(q, t) + (1 - e) / q.shape[1]).log(),
    "ε = 0 it goes wrong": lambda q, t, e: torch.logaddexp(
        (q / t).log_softmax(1) + math.log(1 - e + 1e-9),
        torch.full_like(q, math.log((e + 0.02 * (e == 0)) / q.shape[1])),
    ),
    "ε = 1 it goes wrong": lambda q, t, e: torch.logaddexp(
        _pi(q, t).log() + math.log(max(1 - e, 0.01)),
        torch.full_like(q, math.log(max(e, 1e-9) / q.shape[1])),
    ),
    "Stay in logarithms": lambda q, t, e: ((1 - e) * _pi(q, t) + e / q.shape[1]).log(),
}


def _shown_in_logarithms(q, t, e):
    log_pi = (q / t).log_softmax(1)
    minus = torch.tensor(1.0 - e, dtype=q.dtype).log()
    anything = torch.tensor(e / q.shape[1], dtype=q.dtype).log()
    return torch.stack([log_pi + minus, anything.expand_as(log_pi)]).logsumexp(0)


def _shown_where(q, t, e):
    log_pi = (q / t).log_softmax(1)
    return log_pi if e == 0 else ((1 - e) * log_pi.exp() + e / q.shape[1]).log()


SHOWN_RIGHT = (_shown_in_logarithms, _shown_where)

# Exercise 08.4 ------------------------------------------------------------------------------------


def _parents(children):
    count = [0] * len(children)
    for row in children:
        for child in row:
            count[child] += 1
    return count


def _paths(children):
    paths = [1] + [0] * (len(children) - 1)
    for state, row in enumerate(children):
        for child in row:
            paths[child] += paths[state]
    return paths


def _values(children, reward, bonus, stop=True, backup=torch.logsumexp):
    values = reward.clone()
    for s in range(len(children) - 1, -1, -1):
        ways = [values[c] + bonus(s, c) for c in children[s]]
        ways += [reward[s]] if stop or not children[s] else []
        values[s] = backup(torch.stack(ways), 0)
    return values


GRAPH_WRONG = {
    "no correction in it": lambda k, r: _values(k, r, lambda s, c: 0.0),
    "at most 0": lambda k, r: _values(k, r, lambda s, c: math.log(_parents(k)[c])),
    "count the parents of c": lambda k, r: _values(k, r, lambda s, c: -math.log(len(k[s]))),
    "parents of s": lambda k, r: _values(k, r, lambda s, c: -math.log(max(1, _parents(k)[s]))),
    "number of *paths*": lambda k, r: _values(k, r, lambda s, c: -math.log(_paths(k)[c])),
    "stopping is missing": lambda k, r: _values(
        k, r, lambda s, c: -math.log(_parents(k)[c]), stop=False
    ),
    "without its logarithm": lambda k, r: _values(k, r, lambda s, c: 1 / _parents(k)[c]),
    "greatest return": lambda k, r: _values(
        k, r, lambda s, c: -math.log(_parents(k)[c]), backup=lambda ways, dim: ways.max(dim).values
    ),
    "returned None": lambda k, r: print(end=""),
    "some values are NaN": lambda k, r: (r - r[0]) * 1.0,
    "must have shape (7,)": lambda k, r: torch.logsumexp(r, 0),
    "V of state 0 is": lambda k, r: r.clone(),
    "on a tree": lambda k, r: _values(
        k, r, lambda s, c: -math.log(_parents(k)[c]) + (len(k) == 6) * 0.1
    ),
}


def _from_weights(children, reward):
    parents, weight = _parents(children), reward.exp()
    for state in reversed(range(len(children))):
        for child in children[state]:
            weight[state] = weight[state] + weight[child] / parents[child]
    return weight.log()


def _from_above(children, reward):
    """Ask each child when its value is needed."""
    parents = _parents(children)

    def value(state):
        ways = [reward[state]] + [value(c) - math.log(parents[c]) for c in children[state]]
        return torch.logsumexp(torch.stack(ways), 0)

    return torch.stack([value(state) for state in range(len(children))])


TestExercises = exercise_tests(
    EXERCISES,
    {"08.1": BACKUP_WRONG, "08.2": TARGET_WRONG, "08.3": SHOWN_WRONG, "08.4": GRAPH_WRONG},
    {
        "08.1": BACKUP_RIGHT,
        "08.2": TARGET_RIGHT,
        "08.3": SHOWN_RIGHT,
        "08.4": (_from_weights, _from_above),
    },
)
