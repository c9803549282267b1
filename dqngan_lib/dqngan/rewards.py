"""What a discriminator pays a generator that builds pictures step by step, and where that leads.

A picture x is built by actions a₀, a₁, …; q is the policy that made the discriminator's fakes,
and log q(x) = Σ log q(aₜ|sₜ). The best discriminator between data p and fakes q has the logit
log p/q (Goodfellow et al. 2014, 1406.2661, proposition 1). Soft Q-learning with temperature α
and discount 1 on the reward R makes pictures with probability e^{R/α} / Z (Haarnoja et al. 2017,
1702.08165). Together they say where each form of reward ends:

| form | R(x), finished picture | against a frozen q | where it comes to rest (q follows) |
| --- | --- | --- | --- |
| `D` | D | e^{D/α} / Z | the q with q Z = e^{D/α}, D = p/(p + q): nearly uniform |
| `-log(1-D)` | −log(1 − D) | (1 + p/q)^{1/α} / Z | the q with q Z = (1 + p/q)^{1/α} |
| `logit` | logit D | (p/q)^{1/α} / Z | p^{1/(1+α)} / Z |
| `logit + log q` | logit D + log q | p^{1/α} / Z | p^{1/α} / Z; with α = 1 the data |
| `wasserstein` | critic w | e^{w/α} / Z | the data, if w moves by small steps |
| `prefix` | none: see `policy_target` | the data | the data |
"""

import math
from typing import Literal

import torch
from scipy.optimize import brentq
from torch import Tensor
from torch.nn.functional import log_softmax, softplus

from dqngan_lib.course.arguments import probabilities, require

RewardForm = Literal["D", "-log(1-D)", "logit", "logit + log q", "wasserstein", "prefix"]
REWARD_FORMS = ("D", "-log(1-D)", "logit", "logit + log q", "wasserstein", "prefix")


def reward(form: RewardForm, logit: Tensor, log_q: Tensor | None = None) -> Tensor:
    """Return the reward of finished pictures.

    - `D`: sigmoid(l). Greedy or not, it wants the pictures that D likes best.
    - `-log(1-D)`: softplus(l) = log(1 + eˡ), with a best D equal to log(1 + p/q).
    - `logit`: l, with a best D equal to log p − log q (Fu et al. 2018, 1710.11248, without the
      second term of the next form).
    - `logit + log q`: l + log q, with a best D equal to log p: a reward that does not depend on
      the policy (Finn et al. 2016, 1611.03852; Fu et al. 2018, 1710.11248).
    - `wasserstein`: the critic's number w, less that of a blank canvas, which changes nothing. A
      critic that climbs E_p w − E_q w by small steps while q = e^{w/α} / Z follows climbs the
      likelihood of an energy-based model (Ziebart et al. 2008; Finn et al. 2016).

    Args:
        form: Which of them; `prefix` is no reward of pictures, see `policy_target`.
        logit: l or w, any shape.
        log_q: log q(x) of the same shape; for `logit + log q` alone.

    Raises:
        ValueError: The form is unknown or `prefix`, or `log_q` is missing or needless.
    """
    rewards = tuple(form for form in REWARD_FORMS if form != "prefix")
    require(form in rewards, "form", form, f"one of {rewards}")
    if (log_q is not None) != (form == "logit + log q"):
        raise ValueError(f"log_q is for form='logit + log q', and needed there; got form={form!r}")
    if form == "D":
        return torch.sigmoid(logit)
    if form == "-log(1-D)":
        return softplus(logit)  # log(1 + eˡ) = −log(1 − sigmoid(l)), finite for every l
    return logit if log_q is None else logit + log_q  # log p/q, and log p/q + log q = log p


def policy_target(log_q: Tensor, f: Tensor, clip: float = math.inf) -> Tensor:
    """Return log p(·|s), as the discriminator sees it, for all actions at once.

    The best prefix discriminator has f(s, a) = log p(s, a) − log q(s, a), one number for each next
    action. Then log q(a|s) + f(s, a) = log p(a|s) + log p(s)/q(s), and the last term is the
    same for all actions: the softmax drops it. So Q(s, ·) = log q(·|s) + f(s, ·), up to a number
    for each s.

    Args:
        log_q: log q(a|s) of the policy that made the discriminator's fakes, `(n, actions, …)`.
        f: The discriminator's logits, of the same shape.
        clip: How far f may be from its mean under q; a wild logit then cannot rule everything.

    Returns:
        Logarithms of probabilities, `(n, actions, …)`.

    Raises:
        ValueError: The shapes differ, or `clip` is not above 0.
    """
    shapes, one = (tuple(log_q.shape), tuple(f.shape)), "of one shape (n, actions, …)"
    require(shapes[0] == shapes[1] and f.dim() >= 2, "log_q and f", shapes, one)
    require(clip > 0, "clip", clip, "> 0")
    # f − E_q f, (n, actions, …): a number for each s drops out of the softmax anyway.
    centred = f - (log_q.exp() * f).sum(1, keepdim=True)
    # log p(a|s) = log q(a|s) + f(s, a) − log Σ_b q(b|s) e^f(s, b)
    return log_softmax(log_q + centred.clamp(-clip, clip), 1)


def best_response(form: RewardForm, p: Tensor, q: Tensor, temperature: float = 1.0) -> Tensor:
    """Return what soft Q-learning makes of the best discriminator against a frozen q.

    Args:
        form: The reward; not `wasserstein`, where the best critic depends on what holds it.
        p: The data's probability of every picture, `(pictures,)`, none 0.
        q: The frozen sampler's, `(pictures,)`, none 0.
        temperature: α > 0.

    Returns:
        Probabilities, float64 `(pictures,)`.

    Raises:
        ValueError: An argument is not as described.
    """
    p, q = _above_zero("p", p), _above_zero("q", q)
    require(temperature > 0, "temperature", temperature, "> 0")
    if form == "prefix":
        return p
    require(form != "wasserstein", "form", form, "one whose best discriminator is known")
    log_q = q.log() if form == "logit + log q" else None
    # The best discriminator's logit is log p/q; soft Q-learning makes e^{R/α} / Z of a reward.
    return torch.softmax(reward(form, p.log() - q.log(), log_q) / temperature, 0)


def fixed_point(form: RewardForm, p: Tensor, temperature: float = 1.0) -> Tensor:
    """Return the q that is its own best response: where the game comes to rest.

    Whether a training gets there is another matter: with `logit` and α = 1 full steps swing to
    and fro between q and p/q for ever, and small steps find the middle, √p.

    Args:
        form: The reward.
        p: The data's probability of every picture, `(pictures,)`, none 0.
        temperature: α > 0.

    Returns:
        Probabilities, float64 `(pictures,)`.

    Raises:
        ValueError: An argument is not as described.
    """
    require(form in REWARD_FORMS, "form", form, f"one of {REWARD_FORMS}")
    require(temperature > 0, "temperature", temperature, "> 0")
    p = _above_zero("p", p)
    if form in ("wasserstein", "prefix"):
        return p
    if form == "logit + log q":
        return torch.softmax(p.log() / temperature, 0)
    if form == "logit":
        return torch.softmax(p.log() / (1 + temperature), 0)
    # No closed form is left. q Z = e^{R/α}: for a given Z each log q has one solution, and Σ q
    # falls as Z grows.
    log_z = brentq(
        lambda guess: _solve(form, p.log(), guess, temperature).logsumexp(0).item(), 0, 1600
    )
    return torch.softmax(_solve(form, p.log(), log_z, temperature), 0)


def _solve(form: RewardForm, log_p: Tensor, log_z: float, temperature: float) -> Tensor:
    """Return the log q with α (log q + log Z) = R(l), where l = log p − log q.

    In l this is l + R(l)/α = log p + log Z. The left side rises with l, so l is halved in.
    """
    right = log_p + log_z  # (pictures,)
    low, high = torch.full_like(right, -1), right.abs() + 1
    low = low * (right.abs() + 2 / temperature + 1)
    for _ in range(56):  # 2⁻⁵⁶ of the width: as fine as float64
        logit = (low + high) / 2
        too_high = logit + reward(form, logit) / temperature > right
        low, high = torch.where(too_high, low, logit), torch.where(too_high, logit, high)
    return log_p - (low + high) / 2


def _above_zero(name: str, values: Tensor) -> Tensor:
    """Return probabilities in float64, none of them 0, or say what is wrong with them."""
    values = probabilities(name, values)
    require(bool((values > 0).all()), name, values.min().item(), "above 0 everywhere")
    return values
