"""Every small black-and-white picture at once: exact values and exact distributions.

A picture of n pixels is drawn pixel by pixel, and each pixel is a decision between 0, paper, and
1, ink. So the unfinished pictures are the nodes of a binary tree: 2ᵗ of them on level t, the
finished pictures on level n. **A node's number is its pixels read as a binary number**, the first
pixel first; the children of node i are nodes 2i and 2i + 1 one level down.

A *level list* holds one tensor for each level. Values have one number a node, `(2ᵗ,)`. Q-values
and policies have one number a decision, `(2ᵗ, 2)`. Everything is float64. For 16 pixels a tree
has 131,071 nodes, which a laptop handles in a few milliseconds.

`settle` plays the whole game of a generator and its best discriminator on this tree. The last
functions are about pixels set in any order. That is no tree: see `any_order`.
"""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from dqngan_lib.course import arguments
from dqngan_lib.dqngan.rewards import RewardForm, reward

# --- Pictures


def all_pictures(pixels: int = 16) -> Tensor:
    """Return every picture, int64 `(2^pixels, pixels)`: row i holds the binary digits of i."""
    arguments.whole("pixels", pixels, 0, 20)
    places = torch.arange(pixels - 1, -1, -1)
    return torch.arange(2**pixels)[:, None] >> places & 1


def picture_numbers(pictures: Tensor) -> Tensor:
    """Return the row of `all_pictures` at which each picture stands, int64 `(n,)`.

    Args:
        pictures: Pixels 0 and 1 in any type, `(n, …)`.

    Raises:
        ValueError: There is something else than 0 and 1.
    """
    pixels = pictures.flatten(1)
    binary = bool(((pixels == 0) | (pixels == 1)).all())
    arguments.require(binary, "pictures", pixels.unique().tolist(), "made of 0 and 1 alone")
    return (pixels.long() << torch.arange(pixels.shape[1] - 1, -1, -1, device=pixels.device)).sum(1)


# --- The tree


def prefix_sums(leaves: Tensor) -> list[Tensor]:
    """Return for each node the sum of the leaves under it: from p(picture) to p(prefix).

    Args:
        leaves: One number a picture, `(2^n,)`.

    Returns:
        A level list of n + 1 tensors; the first holds the sum of all.
    """
    _depth(leaves)
    levels = [leaves.double()]
    while len(levels[0]) > 1:  # children 2i and 2i + 1 of node i: rows of (2ᵗ, 2)
        levels.insert(0, levels[0].reshape(-1, 2).sum(1))
    return levels


def conditionals(distribution: Tensor) -> list[Tensor]:
    """Return log p(a | prefix), a level list of n tensors `(2ᵗ, 2)`: how to draw pixel by pixel.

    Args:
        distribution: Probabilities above 0, `(2^n,)`.

    Raises:
        ValueError: A probability is 0, or they do not sum to 1: then a policy is not defined.
    """
    p = arguments.probabilities("distribution", distribution)
    arguments.require(bool((p > 0).all()), "distribution", float(p.min()), "above 0 everywhere")
    # p(a | prefix) = p(prefix, a) / p(prefix)
    return [
        torch.log(below.reshape(-1, 2) / here[:, None]) for here, below in pairwise(prefix_sums(p))
    ]


def path_sums(steps: Sequence[Tensor]) -> Tensor:
    """Return for each picture the sum of what its decisions have, `(2^n,)`.

    Of log-probabilities, a level list of n tensors `(2ᵗ, 2)`, this makes the log-probability of a
    picture; of step rewards its return.
    """
    total = torch.zeros(1, dtype=torch.float64)
    for step in steps:  # (2ᵗ, 1) + (2ᵗ, 2), flat: (2ᵗ⁺¹,) in the order of the children
        total = (total[:, None] + step.double()).flatten()
    return total


def distribution_of(log_policy: Sequence[Tensor]) -> Tensor:
    """Return π(x) = Πₜ π(aₜ | prefix) of each picture, `(2^n,)`, from log π, a level list."""
    return path_sums(log_policy).exp()


def soft_values(
    rewards: Tensor,
    temperature: float = 1.0,
    discount: float = 1.0,
    step_rewards: Sequence[Tensor] | None = None,
) -> tuple[list[Tensor], list[Tensor]]:
    """Return the exact Q and V of soft Q-learning, from the leaves back to the empty canvas.

    Q(s, a) = r(s, a) + γ V(s′) and V(s) = α log Σₐ exp(Q(s, a) / α) (Haarnoja et al. 2017,
    1702.08165, theorems 1 and 2). The last decision of a picture earns its reward R(x); nothing
    follows it. With step rewards, each decision earns its own in addition.

    Args:
        rewards: R(x) of each finished picture, `(2^n,)`; −inf forbids a picture.
        temperature: α > 0.
        discount: γ in [0, 1].
        step_rewards: r(s, a) of each decision, a level list of n tensors `(2ᵗ, 2)`, or None.

    Returns:
        Q, a level list of n tensors `(2ᵗ, 2)`, and V, one of n + 1 tensors `(2ᵗ,)` whose last
        is 0.

    Raises:
        ValueError: An argument is out of its range.
    """
    n = _depth(rewards)
    arguments.require(temperature > 0, "temperature", temperature, "> 0")
    arguments.require(0 <= discount <= 1, "discount", discount, "from 0 to 1")
    values = [torch.zeros_like(rewards, dtype=torch.float64)]
    q_values: list[Tensor] = []
    for level in range(n - 1, -1, -1):
        q = discount * values[0].reshape(-1, 2)  # γ V(s′) of both children, (2ᵗ, 2)
        if level == n - 1:
            q = q + rewards.double().reshape(-1, 2)  # R(x), paid by the last decision
        if step_rewards is not None:
            q = q + step_rewards[level]
        q_values.insert(0, q)
        # V(s) = α log Σₐ exp(Q(s, a)/α), (2ᵗ,)
        values.insert(0, temperature * torch.logsumexp(q / temperature, 1))
    return q_values, values


def boltzmann(q_values: Sequence[Tensor], temperature: float = 1.0) -> list[Tensor]:
    """Return log π(a | s) = (Q(s, a) − V(s)) / α of each decision, a level list."""
    arguments.require(temperature > 0, "temperature", temperature, "> 0")
    return [torch.log_softmax(q.double() / temperature, 1) for q in q_values]


def explore(log_policy: Sequence[Tensor], epsilon: float) -> list[Tensor]:
    """Return the log-policy that takes a random action with probability ε, else the policy's."""
    arguments.require(0 <= epsilon <= 1, "epsilon", epsilon, "from 0 to 1")
    return [torch.log((1 - epsilon) * step.exp() + epsilon / 2) for step in log_policy]


def greedy_picture(q_values: Sequence[Tensor]) -> int:
    """Return the number of the one picture that is drawn when every decision is the best."""
    node = 0
    for q in q_values:
        node = 2 * node + int(q[node].argmax())
    return node


@torch.no_grad()
def table_of(
    q_function: Callable[[Tensor], Tensor], pixels: int = 16, rows: int = 8192
) -> list[Tensor]:
    """Return what a function, such as a network, says at every unfinished picture.

    Args:
        q_function: From prefixes, int64 `(m, t)` of 0 and 1, to one number an action, `(m, 2)`.
        pixels: n, the pixels of a finished picture.
        rows: How many prefixes the function gets at a time.
    """
    return [
        torch.cat([q_function(part).double().cpu() for part in all_pictures(level).split(rows)])
        for level in range(pixels)
    ]


def _depth(leaves: Tensor) -> int:
    """Return n for 2^n leaves `(2^n,)`, or raise an error where there are not so many."""
    n = math.log2(leaves.numel()) if leaves.numel() else 0.5
    fits = leaves.dim() == 1 and n.is_integer()
    arguments.require(fits, "numbers", tuple(leaves.shape), "(2^n,), one a picture")
    return int(n)


# --- The game


def settle(
    form: RewardForm,
    p: Tensor,
    *,
    temperature: float = 1.0,
    discount: float = 1.0,
    rate: float = 0.3,
    rounds: int = 60,
    start: Tensor | None = None,
    fakes: Callable[[Tensor], Tensor] | None = None,
    watch: Callable[[Tensor], None] | None = None,
) -> Tensor:
    """Play generator against best discriminator for some rounds; return where the sampler is.

    A round: the sampler's q gives the best discriminator's logit, log p/q; the logit gives each
    picture its reward; the exact soft Q-values of this reward are found; the sampler's Q-values
    move a part `rate` of the way to them. Nothing here knows where it should end.

    Args:
        form: The reward, not `wasserstein` or `prefix`; see `dqngan_lib.dqngan.rewards`.
        p: The data's probability of each picture, `(2^n,)`, none 0.
        temperature: α > 0.
        discount: γ in [0, 1].
        rate: Above 0, at most 1, which replaces the Q-values at once.
        rounds: How many.
        start: The sampler's distribution at first, `(2^n,)`; all pictures alike when None.
        fakes: From q to the distribution that the discriminator's fakes come from; q itself
            when None. A replay of old samples is such a function.
        watch: Called with q before the first round and after each.

    Returns:
        q, float64 `(2^n,)`.
    """
    arguments.require(0 < rate <= 1, "rate", rate, "above 0, at most 1")
    arguments.whole("rounds", rounds, 0)
    log_p, n = p.double().log(), _depth(p)
    q_values = [torch.zeros(2**level, 2, dtype=torch.float64) for level in range(n)]
    if start is not None:
        q_values = [temperature * step for step in conditionals(start)]
    for done in range(rounds + 1):
        log_q = path_sums(boltzmann(q_values, temperature))
        if watch is not None:
            watch(log_q.exp())
        if done == rounds:
            break
        # 1. The best discriminator: logit D* = log p/q (Goodfellow et al. 2014, proposition 1).
        logit = log_p - (log_q if fakes is None else fakes(log_q.exp()).log())
        # 2. What it pays, and the exact soft Q-values of that.
        paid = reward(form, logit, log_q if form == "logit + log q" else None)
        best, _ = soft_values(paid, temperature, discount)
        # 3. The sampler moves a part of the way.
        q_values = [old + rate * (new - old) for old, new in zip(q_values, best, strict=True)]
    return log_q.exp()


# --- Pixels set in any order


def any_order(
    rewards: Tensor, temperature: float = 1.0, corrected: bool = False
) -> tuple[Tensor, Tensor]:
    """Return where soft Q-learning ends when ink may be set in any order.

    Each step sets one more pixel to ink, or stops. A picture with k ink pixels is then reached
    along k! paths: this is a graph, not a tree, and π(x) ∝ (number of paths) · exp(R(x) / α).
    The correction adds α log(1 / parents) to each step, where a picture with k ink pixels has k
    parents (Tiapkin et al. 2024, 2310.12934; Deleu et al. 2024, 2402.10309).

    Args:
        rewards: R(x) of each picture, `(2^n,)`, earned by stopping.
        temperature: α > 0.
        corrected: Whether to add the correction.

    Returns:
        The probability of stopping at each picture, and V of each picture, both `(2^n,)`.
    """
    n = _depth(rewards)
    arguments.require(temperature > 0, "temperature", temperature, "> 0")
    pictures = all_pictures(n)
    ink = pictures.sum(1)
    number = torch.arange(2**n)[:, None]
    after = number | 1 << torch.arange(n - 1, -1, -1)  # (2^n, n): the picture with pixel i set
    # Ink can be set once: −∞ where it is set already.
    forbidden = torch.where(pictures == 1, -torch.inf, 0.0).double()
    # α log(1 / parents) of the picture that is reached, (2^n, n)
    bonus = -temperature * torch.log(ink[after].double()) if corrected else 0.0
    values = torch.zeros(2**n, dtype=torch.float64)
    for k in range(n, -1, -1):  # from all ink back to none: V = α log Σ exp(Q/α)
        rows = (ink == k).nonzero().flatten()
        q = (forbidden + values[after] + bonus)[rows]
        q = torch.cat([q, rewards[rows, None].double()], 1) / temperature
        values[rows] = temperature * torch.logsumexp(q, 1)
    arrive = torch.zeros(2**n, dtype=torch.float64)
    arrive[0] = 1.0
    for k in range(n):  # forwards: the probability of passing each picture
        rows = (ink == k).nonzero().flatten()
        gain = (forbidden + values[after] + bonus)[rows] - values[rows, None]
        step = torch.exp(gain / temperature)
        arrive.index_add_(0, after[rows].flatten(), (arrive[rows, None] * step).flatten())
    return arrive * torch.exp((rewards.double() - values) / temperature), values


def path_counts(pixels: int = 16) -> Tensor:
    """Return in how many orders the ink of each picture can be set, k!, float64 `(2^pixels,)`."""
    return torch.lgamma(all_pictures(pixels).sum(1).double() + 1).exp()
