"""How a generator of decisions draws: a running mean of a Q-network, softmax(Q/α), and ε."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import log_softmax

from dqngan_lib.course.arguments import require


def log_policy(values: Tensor, temperature: float, epsilon: float = 0.0) -> Tensor:
    """Return log π(a|s), with π(·|s) = (1 − ε) softmax(Q(s, ·)/α) + ε / actions.

    Args:
        values: Q-values `(n, actions, …)`.
        temperature: α > 0.
        epsilon: ε from 0 to 1.
    """
    log_pi = log_softmax(values / temperature, 1)
    if epsilon == 0:
        return log_pi
    # log((1 − ε) π + ε / actions), from logarithms alone: nothing is rounded to 0.
    anything = torch.full_like(log_pi, math.log(epsilon / log_pi.shape[1]))
    return torch.logaddexp(log_pi + math.log1p(-epsilon), anything) if epsilon < 1 else anything


def draw_actions(
    values: Tensor, temperature: float, rng: torch.Generator, epsilon: float = 0.0
) -> Tensor:
    """Draw an action for each row from the policy of `log_policy`.

    Args:
        values: Q-values `(n, actions)` on the CPU.
        temperature: τ ≥ 0; 0 takes the greatest Q-value. It may differ from the α of training.
        rng: Where the random numbers come from.
        epsilon: ε from 0 to 1.

    Returns:
        int64 `(n,)`.

    Raises:
        ValueError: The temperature is below 0.
    """
    require(temperature >= 0, "temperature", temperature, ">= 0")
    if temperature == 0:
        action = values.argmax(1)
    else:
        chance = (values / temperature).softmax(1)
        action = torch.multinomial(chance, 1, generator=rng).squeeze(1)
    if epsilon == 0:
        return action
    anything = torch.randint(values.shape[1], action.shape, generator=rng)
    explore = torch.rand(action.shape, generator=rng) < epsilon
    return torch.where(explore, anything, action)


def reader(network: nn.Module) -> Callable[[Tensor], Tensor]:
    """Return a causal network that remembers the prefix it has read, if it knows how to.

    Made anew for each batch of episodes. A network without `new_memory` reads all of it again.
    """
    if not hasattr(network, "new_memory"):
        return network
    memory = network.new_memory()  # attention's keys and values: each token is read once
    return lambda tokens: network(tokens, memory)


@torch.no_grad()
def move_average(average: nn.Module, network: nn.Module, memory: float) -> None:
    """Move each weight of an average towards a network's: memory · old + (1 − memory) · new."""
    for old, new in zip(average.parameters(), network.parameters(), strict=True):
        old.lerp_(new, 1 - memory)
    # Buffers, such as running statistics, are copied.
    for old, new in zip(average.buffers(), network.buffers(), strict=True):
        old.copy_(new)
