"""The checks of notebook 03 accept right answers and name what is wrong with the others."""

import torch
from exercise_cases import exercise_tests

from dqngan_lib.exercises.notebook_03 import EXERCISES

# Exercise 03.1 ------------------------------------------------------------------------------------


def _double(r, te, on, ta, g, *, chooser="online", judge="target", end=True):
    """Compute the target with one piece of it changed."""
    networks = {"online": on, "target": ta}
    value = networks[judge].gather(1, networks[chooser].argmax(1, keepdim=True)).squeeze(1)
    return r + g * value * (~te if end else 1)


DOUBLE_WRONG = {
    "swapped": lambda *a: _double(*a, chooser="target", judge="online"),
    "plain target": lambda *a: _double(*a, chooser="target"),
    "ask the target network": lambda *a: _double(*a, judge="online"),
    "row 1 is terminated": lambda *a: _double(*a, end=False),
    "only where the episode": lambda r, te, on, ta, g: _double(r, ~te, on, ta, g),
    "discount is missing": lambda r, te, on, ta, g: _double(r, te, on, ta, 1.0),
    "number of the action": lambda r, te, on, ta, g: r + g * on.argmax(1) * ~te,
    "last reward": lambda r, te, on, ta, g: _double(r, te, on, ta, g, end=False) * ~te,
    "another method": lambda r, te, on, ta, g: (
        r + g * torch.minimum(on.max(1).values, ta.max(1).values) * ~te
    ),
    "shape (3,)": lambda r, te, on, ta, g: r + g * ta[:, on.argmax(1)] * ~te,
    "for the rows of the check": lambda r, te, on, ta, g: r + g * ta.mean(1) * ~te,
}


def _double_with_loop(reward, terminated, online_q, target_q, discount):
    rows = []
    for i, r in enumerate(reward.tolist()):
        action = max(range(online_q.shape[1]), key=lambda a, i=i: online_q[i, a].item())
        rows.append(r if terminated[i] else r + discount * target_q[i, action].item())
    return torch.tensor(rows)


def _double_with_index(reward, terminated, online_q, target_q, discount):
    value = target_q[torch.arange(len(reward)), online_q.argmax(1)]
    return torch.where(terminated, reward, reward + discount * value)


# Exercise 03.2 ------------------------------------------------------------------------------------

DUELING_WRONG = {
    "mean is not subtracted": lambda v, a: v + a,
    "value is missing": lambda v, a: a - a.mean(1, keepdim=True),
    "wrong sign": lambda v, a: v + a + a.mean(1, keepdim=True),
    "over the batch": lambda v, a: v + a - a.mean(0, keepdim=True),
    "one mean over all": lambda v, a: v + a - a.mean(),
    "greatest advantage": lambda v, a: v + a - a.max(1, keepdim=True).values,
    "subtract the sum": lambda v, a: v + a - a.sum(1, keepdim=True),
    "shape": lambda v, a: v.squeeze(1),
    "adding 7": lambda v, a: v + a - torch.tensor([[3.0], [-1.0]]),
    "[8, 9, 13]": lambda v, a: v - a + a.mean(1, keepdim=True),
}

# Exercise 03.3 ------------------------------------------------------------------------------------


def _n_step(
    r,
    te,
    tr,
    v,
    g,
    n,
    *,
    stop_te=True,
    stop_tr=True,
    boot_te=False,
    boot_tr=True,
    power="k",
    first=0,
):
    """Compute the targets with one piece of them changed."""
    targets = []
    for start in range(len(r)):
        total, k = torch.tensor(0.0), 0
        for t in range(start, min(start + n, len(r))):
            total = total + g ** (k + first) * r[t]
            k += 1
            if (stop_te and te[t]) or (stop_tr and tr[t]):
                break
        if (boot_te or not te[t]) and (boot_tr or not tr[t]):
            total = total + {"k": g**k, "n": g**n, "0": 1.0, "k + 1": g ** (k + 1)}[power] * v[t]
        targets.append(total)
    return torch.stack(targets)


N_STEP_WRONG = {
    "one-step targets": lambda r, te, tr, v, g, n: _n_step(r, te, tr, v, g, 1),
    "step 2 is terminated": lambda *a: _n_step(*a, boot_te=True),
    "past the termination": lambda *a: _n_step(*a, stop_te=False),
    "step 4 is truncated": lambda *a: _n_step(*a, boot_tr=False),
    "past the truncation": lambda *a: _n_step(*a, stop_tr=False),
    "not γ³": lambda *a: _n_step(*a, power="n"),
    "bootstrap is not discounted": lambda *a: _n_step(*a, power="0"),
    "first reward is not discounted": lambda *a: _n_step(*a, first=1, power="k + 1"),
    "rewards are not discounted": lambda r, te, tr, v, g, n: (
        _n_step(r, te, tr, v, 1.0, n)
        - _n_step(0 * r, te, tr, v, 1.0, n)
        + _n_step(0 * r, te, tr, v, g, n)
    ),
    "with n = 1": lambda r, te, tr, v, g, n: _n_step(r, te, tr, v, g, 3),
    "with n = 2": lambda r, te, tr, v, g, n: _n_step(r, te, tr, v, g, 3 if n == 2 else n),
    "step 5 should be": lambda r, te, tr, v, g, n: torch.cat(
        [_n_step(r, te, tr, v, g, n)[:5], torch.zeros(2)]
    ),
}


def _n_step_backwards(reward, terminated, truncated, next_value, discount, n):
    """Go on from the (n − 1)-step targets of the next step."""
    bootstrap = next_value * ~terminated
    targets = reward + discount * bootstrap
    ended = terminated | truncated
    ended[-1] = True
    for _ in range(n - 1):
        following = torch.cat([targets[1:], torch.zeros(1)])
        targets = reward + discount * torch.where(ended, bootstrap, following)
    return targets


def _n_step_recursive(reward, terminated, truncated, next_value, discount, n):
    def target(t, left):
        if terminated[t]:
            return reward[t].item()
        if left == 1 or truncated[t] or t == len(reward) - 1:
            return (reward[t] + discount * next_value[t]).item()
        return reward[t].item() + discount * target(t + 1, left - 1)

    return torch.tensor([target(t, n) for t in range(len(reward))])


# Exercise 03.4 ------------------------------------------------------------------------------------


def _priorities(
    d, alpha, beta, small=0.01, *, absolute=torch.abs, power=None, norm=True, weigh=None
):
    """Compute probabilities and weights with one piece of them changed."""
    p = (absolute(d) + small) ** alpha if power is None else power(d, alpha, small)
    p = p / p.sum() if norm else p
    w = (len(d) * p) ** -beta
    return p, w / w.max() if weigh is None else weigh(p, beta)


PRIORITY_WRONG = {
    "two tensors": lambda d, a, b: _priorities(d, a, b)[0],
    "finite number": lambda d, a, b: _priorities(d, a, b, absolute=lambda x: x),
    "α is missing": lambda d, a, b: _priorities(d, 1.0, b),
    "sum to 1": lambda d, a, b: _priorities(d, a, b, norm=False),
    "never be drawn again": lambda d, a, b: _priorities(d, a, b, small=0.0, weigh=lambda p, b: p),
    "squared": lambda d, a, b: _priorities(d, a, b, absolute=torch.square),
    "before the power α": lambda d, a, b: _priorities(
        d, a, b, power=lambda d, a, small: d.abs() ** a + small
    ),
    "surprise has no sign": lambda d, a, b: _priorities(
        d, a, b, power=lambda d, a, small: d.clamp(min=0) ** a + small
    ),
    "the probabilities should be": lambda d, a, b: _priorities(d, a + 0.25, b),
    "so that no step grows": lambda d, a, b: _priorities(
        d, a, b, weigh=lambda p, b: (len(d) * p) ** -b
    ),
    "not by their sum": lambda d, a, b: _priorities(
        d, a, b, weigh=lambda p, b: p**-b / (p**-b).sum()
    ),
    "the power is −β": lambda d, a, b: _priorities(d, a, b, weigh=lambda p, b: p**b / (p**b).max()),
    "β is missing": lambda d, a, b: _priorities(d, a, b, weigh=lambda p, b: p.min() / p),
    "all weights are 1": lambda d, a, b: _priorities(
        d, a, b, weigh=lambda p, b: torch.ones_like(p)
    ),
    "the weights should be": lambda d, a, b: _priorities(d, a, 0.5 * b),
    "with α = 0": lambda d, a, b: _priorities(d, a or 0.5, b),
}


def _priorities_with_log(td_error, alpha, beta, small=0.01):
    logits = alpha * torch.log(td_error.abs() + small)
    probability = logits.softmax(0)
    return probability, (probability / probability.min()) ** -beta


def _priorities_with_loop(td_error, alpha, beta, small=0.01):
    powers = [(abs(error) + small) ** alpha for error in td_error.tolist()]
    shares = [power / sum(powers) for power in powers]
    weights = [(len(powers) * share) ** -beta for share in shares]
    return torch.tensor(shares), torch.tensor([w / max(weights) for w in weights])


TestExercises = exercise_tests(
    EXERCISES,
    wrong={
        "03.1": DOUBLE_WRONG,
        "03.2": DUELING_WRONG,
        "03.3": N_STEP_WRONG,
        "03.4": PRIORITY_WRONG,
    },
    right={
        "03.1": (_double_with_loop, _double_with_index),
        "03.2": (
            lambda v, a: v + (a - a.mean(dim=-1, keepdim=True)),
            lambda v, a: torch.stack([x + y - y.sum() / len(y) for x, y in zip(v, a, strict=True)]),
        ),
        "03.3": (_n_step_backwards, _n_step_recursive),
        "03.4": (_priorities_with_log, _priorities_with_loop),
    },
)
