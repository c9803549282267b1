"""The checks of notebook 09 accept right answers and name what is wrong with the others."""

import torch
from exercise_cases import exercise_tests
from torch.nn import functional

from dqngan_lib.exercises.notebook_09 import EXERCISES

# Exercise 09.1 ------------------------------------------------------------------------------------


def _squares(patches, codebook):
    return (patches[:, None] - codebook[None]).square().sum(2)


NEAREST_WRONG = {
    "not the patches themselves": lambda x, c: c[_squares(x, c).argmin(1)],
    "not the distances": lambda x, c: _squares(x, c).min(1).values,
    "not the other way round": lambda x, c: _squares(x, c).argmin(0),
    "farthest": lambda x, c: _squares(x, c).argmax(1),
    "prefers bright patches": lambda x, c: (x @ c.T).argmax(1),
    "compares the ink": lambda x, c: (x.mean(1)[:, None] - c.mean(1)[None]).abs().argmin(1),
    "count from 0": lambda x, c: _squares(x, c).argmin(1) + 1,
    "over all pixels": lambda x, c: _squares(x[:, :2], c[:, :2]).argmin(1),
    "returned None": lambda x, c: print(end=""),
}
NEAREST_RIGHT = (
    lambda x, c: _squares(x, c).argmin(1).tolist(),
    lambda x, c: torch.cdist(x, c).argmin(1),
    lambda x, c: torch.stack([(c - row).norm(dim=1).argmin() for row in x]),
    lambda x, c: (c.square().sum(1) - 2 * x @ c.T).argmin(1),
)

# Exercise 09.2 ------------------------------------------------------------------------------------


def _taken(logits, action):
    return logits.gather(1, action[:, None])[:, 0]


def _loss(real, fake):
    return functional.softplus(-real).mean() + functional.softplus(fake).mean()


def _by_log_sigmoid(r, a, f, b):
    real, fake = torch.sigmoid(_taken(r, a)), torch.sigmoid(_taken(f, b))
    return -real.log().mean() - (1 - fake).log().mean()


def _one_mean(r, a, f, b):
    parts = [functional.softplus(-_taken(r, a)), functional.softplus(_taken(f, b))]
    return torch.cat([part.flatten() for part in parts]).mean()


def _clamped(r, a, f, b):
    return _loss(_taken(r, a).clamp(-50, 50), _taken(f, b).clamp(-50, 50))


PREFIX_WRONG = {
    "swapped": lambda r, a, f, b: _loss(-_taken(r, a), -_taken(f, b)),
    "gather its logit first": lambda r, a, f, b: _loss(r, f),
    "every prefix counts": lambda r, a, f, b: _loss(_taken(r, a)[:, -1], _taken(f, b)[:, -1]),
    "nothing is halved": lambda r, a, f, b: _loss(_taken(r, a), _taken(f, b)) / 2,
    "not sums": lambda r, a, f, b: (
        functional.softplus(-_taken(r, a)).sum() + functional.softplus(_taken(f, b)).sum()
    ),
    "one mean for the real": _one_mean,
    "the sign is wrong": lambda r, a, f, b: -_loss(_taken(r, a), _taken(f, b)),
    "missing from your loss": lambda r, a, f, b: functional.softplus(-_taken(r, a)).mean(),
    "not finite": _by_log_sigmoid,
    "give 200": _clamped,
    "returned None": lambda r, a, f, b: print(end=""),
    "must be one number": lambda r, a, f, b: functional.softplus(-_taken(r, a)),
}


def _by_cross_entropy(r, a, f, b):
    real, fake = _taken(r, a), _taken(f, b)
    entropy = functional.binary_cross_entropy_with_logits
    return entropy(real, torch.ones_like(real)) + entropy(fake, torch.zeros_like(fake))


PREFIX_RIGHT = (lambda r, a, f, b: _loss(_taken(r, a), _taken(f, b)), _by_cross_entropy)

# Exercise 09.3 ------------------------------------------------------------------------------------

TARGET_WRONG = {
    "probabilities themselves": lambda q, f: (q + f).softmax(1),
    "does not sum to 1": lambda q, f: q + f,
    "log q is missing": lambda q, f: f.log_softmax(1),
    "not over the steps": lambda q, f: (q + f).log_softmax(2),
    "not over the batch": lambda q, f: (q + f).log_softmax(0),
    "log q is added": lambda q, f: (f - q).log_softmax(1),
    "f is added": lambda q, f: (q - f).log_softmax(1),
    "not q": lambda q, f: (q.exp() + f).log_softmax(1),
    "f is missing": lambda q, f: q,
    "returned None": lambda q, f: print(end=""),
    "must have shape": lambda q, f: (q + f).log_softmax(1)[..., -1],
    "although f is": lambda q, f: (2 * q + f).log_softmax(1),
}


def _by_division(log_q, f):
    weight = log_q.exp() * (f - f.amax(1, keepdim=True)).exp()
    return (weight / weight.sum(1, keepdim=True)).log()


TARGET_RIGHT = (_by_division, lambda q, f: q + f - (q + f).logsumexp(1, keepdim=True))

# Exercise 09.4 ------------------------------------------------------------------------------------


def _steps(q, a):
    return _taken(q.log_softmax(1), a)


PICTURE_WRONG = {
    "probability itself": lambda q, a: _steps(q, a).sum(1).exp(),
    "do not average": lambda q, a: _steps(q, a).mean(1),
    "V is missing": lambda q, a: _taken(q, a).sum(1),
    "not the last alone": lambda q, a: _steps(q, a)[:, -1],
    "not the greatest Q": lambda q, a: _taken(q - q.amax(1, keepdim=True), a).sum(1),
    "not over the steps": lambda q, a: _taken(q.log_softmax(2), a).sum(1),
    "the sign is wrong": lambda q, a: -_steps(q, a).sum(1),
    "all there are": lambda q, a: _steps(q, a).sum(1) if len(q) == 2 else _steps(q, a)[:, 0],
    "returned None": lambda q, a: print(end=""),
    "must have shape": _steps,
}


def _by_loop(q_values, action):
    totals = []
    for values, picture in zip(q_values, action, strict=True):
        steps = enumerate(picture.tolist())
        totals.append(sum(values[a, t] - values[:, t].logsumexp(0) for t, a in steps))
    return torch.stack(totals)


PICTURE_RIGHT = (
    _by_loop,
    lambda q, a: -functional.cross_entropy(q, a, reduction="none").sum(1),
)

# Exercise 09.5 ------------------------------------------------------------------------------------


def _both(f, log_q, action, own_f, own_log_q, q_values, **changed):
    """Both losses, each part of which may be replaced."""
    spread = functional.softplus(f)
    real = changed.get("real", functional.softplus(-_taken(f, action)).mean())
    fake = changed.get("fake", (log_q.exp() * spread).sum(1).mean())
    target = changed.get("target", functional.log_softmax(own_log_q + own_f, 1).detach())
    policy = functional.log_softmax(q_values, 1)
    return real + fake, (target.exp() * (target - policy)).sum(1).mean()


def _changed(**parts):
    """A wrong answer: parts are functions of the six arguments."""
    return lambda *given: _both(*given, **{name: part(*given) for name, part in parts.items()})


def _target(values):
    return values.log_softmax(1).detach()


def _cross_entropy(*given):
    target = _target(given[4] + given[3])
    return _both(*given)[0], -(target.exp() * given[5].log_softmax(1)).sum(1).mean()


def _other_way(*given):
    target, policy = _target(given[4] + given[3]), given[5].log_softmax(1)
    return _both(*given)[0], (policy.exp() * (policy - target)).sum(1).mean()


def _by_package(f, log_q, action, own_f, own_log_q, q_values):
    judge = functional.softplus(-_taken(f, action)) + (log_q.exp() * functional.softplus(f)).sum(1)
    with torch.no_grad():
        target = (own_log_q + own_f).softmax(1)
    policy = q_values.log_softmax(1)
    loss = functional.kl_div(policy, target, reduction="none").sum(1).mean()
    return judge.mean(), loss


def _by_log_sigmoids(f, log_q, action, own_f, own_log_q, q_values):
    sure = -functional.logsigmoid(_taken(f, action)).mean()
    doubt = -(log_q.exp() * functional.logsigmoid(-f)).sum(1).mean()
    target = own_log_q + own_f.detach()
    target = target - target.logsumexp(1, keepdim=True)
    gap = target - (q_values - q_values.logsumexp(1, keepdim=True))
    return [sure + doubt, (target.exp() * gap).sum(1).mean()]


BOTH_WRONG = {
    "the fakes are missing": _changed(fake=lambda *_: 0),
    "the real patch is missing": _changed(real=lambda *_: 0),
    "yours count all alike": _changed(fake=lambda f, *_: functional.softplus(f).mean()),
    "yours are only added": _changed(fake=lambda f, *_: functional.softplus(f).sum(1).mean()),
    "do not halve": lambda *given: (_both(*given)[0] / 2, _both(*given)[1]),
    "add up to 1 already": _changed(
        fake=lambda f, log_q, *_: (log_q.exp() * functional.softplus(f)).mean()
    ),
    "not log q": _changed(fake=lambda f, q, *_: (q * functional.softplus(f)).sum(1).mean()),
    "swapped": lambda f, *rest: (_both(-f, *rest)[0], _both(f, *rest)[1]),
    "cross-entropy": _cross_entropy,
    "the other way": _other_way,
    "log q is missing": _changed(target=lambda *given: _target(given[3])),
    "f is missing": _changed(target=lambda *given: _target(given[4])),
    "not taken off": _changed(target=lambda *given: _target(given[4] - given[3])),
    "do not average": lambda *given: (_both(*given)[0], _both(*given)[1] / given[0].shape[1]),
    "at least 0": lambda *given: (_both(*given)[0], -_both(*given)[1]),
    "moves the discriminator": _changed(target=lambda *given: (given[4] + given[3]).log_softmax(1)),
    "return two losses": lambda *given: sum(_both(*given)),
}

TestExercises = exercise_tests(
    EXERCISES,
    {
        "09.1": NEAREST_WRONG,
        "09.2": PREFIX_WRONG,
        "09.3": TARGET_WRONG,
        "09.4": PICTURE_WRONG,
        "09.5": BOTH_WRONG,
    },
    {
        "09.1": NEAREST_RIGHT,
        "09.2": PREFIX_RIGHT,
        "09.3": TARGET_RIGHT,
        "09.4": PICTURE_RIGHT,
        "09.5": (_by_package, _by_log_sigmoids),
    },
)
