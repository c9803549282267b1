"""The smearing printer's machine: sixteen keys, networks that press them, and what comes out.

An episode is a *path*: sixteen decisions, one for each key. `printer.smear` says what the keys do
to the picture, `paths` how a network learns which to press.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import log_softmax, one_hot

from dqngan_lib.dqn.networks import QNetwork
from dqngan_lib.dqngan import enumeration, printer

KEYS = 16
"""Decisions of an episode: for each key in turn, leave it (0) or press it (1)."""


@dataclass
class Paths:
    """Episodes of the smearing printer."""

    states: Tensor
    """What the network saw before each decision, float `(n, 16, 32)`; see `see`."""
    keys: Tensor
    """Its decisions: 1 pressed, 0 not, int64 `(n, 16)`."""
    log_policy: Tensor
    """log π(aₜ|sₜ) of each decision, without ε, `(n, 16)`."""
    log_q: Tensor
    """log q(aₜ|sₜ) of each decision, with the ε of the sampler, `(n, 16)`."""
    canvas: Tensor
    """The finished pictures: 1 ink, −1 paper, float `(n, 16)`."""


class KeyNetwork(nn.Module):
    """Q-values of leaving and of pressing the next key; two hidden layers; at first all are 0."""

    def __init__(self) -> None:
        super().__init__()
        self.body = QNetwork(2 * KEYS, 2, (128, 128))
        nn.init.zeros_(self.body.layers[-1].weight)
        nn.init.zeros_(self.body.layers[-1].bias)

    def forward(self, states: Tensor) -> Tensor:
        """Map states `(…, 32)` to Q-values `(…, 2)`."""
        return self.body(states)


def picture_judge() -> nn.Module:
    """Return a discriminator of finished pictures: from `(n, 16)` to logits `(n,)`."""
    return nn.Sequential(QNetwork(KEYS, 1, (128, 128)), nn.Flatten(0))


def see(canvas: Tensor, key: int) -> Tensor:
    """Return the state before the decision on a key: the canvas and a clock, `(n, 32)`."""
    clock = one_hot(torch.tensor(key), KEYS).to(canvas)
    return torch.cat([canvas, clock.expand(len(canvas), KEYS)], 1)


@torch.no_grad()
def play_paths(network: nn.Module, count: int, epsilon: float, rng: torch.Generator) -> Paths:
    """Play whole episodes: softmax(Q), but with probability ε either decision alike.

    Args:
        network: The sampler, from states `(n, 32)` to Q-values `(n, 2)`.
        count: How many episodes.
        epsilon: ε, from 0 to 1, at every decision.
        rng: Where the random numbers come from.
    """
    canvas, played = torch.full((count, KEYS), -1.0), []
    chance = torch.rand(KEYS, count, generator=rng)
    for key in range(KEYS):
        state = see(canvas, key)
        log_policy = log_softmax(network(state), 1)
        q = (1 - epsilon) * log_policy.exp() + epsilon / 2
        action = (chance[key] < q[:, 1]).long()
        taken = action[:, None]
        log_q = q.gather(1, taken).squeeze(1).log()
        played.append((state, action, log_policy.gather(1, taken).squeeze(1), log_q))
        canvas = torch.where(taken == 1, canvas * (1 - 2 * printer.FLIPS[key]), canvas)
    return Paths(*(torch.stack(part, 1) for part in zip(*played, strict=True)), canvas)


def states_of(keys: Tensor) -> Tensor:
    """Return what a network sees before each decision of some episodes, `(n, 16, 32)`.

    Args:
        keys: All decisions, 1 pressed and 0 not, int64 `(n, 16)`.
    """
    before = [2.0 * printer.smear(keys[:, :key]) - 1 for key in range(KEYS)]
    return torch.stack([see(canvas, key) for key, canvas in enumerate(before)], 1)


def log_chances(network: nn.Module, states: Tensor, keys: Tensor) -> Tensor:
    """Return log π(aₜ|sₜ) of every decision of some paths by a network, `(n, 16)`."""
    log_policy = log_softmax(network(states.flatten(0, 1)), 1).view(-1, KEYS, 2)
    return log_policy.gather(2, keys[:, :, None]).squeeze(2)


def made_by_keys(network: nn.Module) -> Tensor:
    """Return the exact distribution of the pictures that a network makes, `(65536,)`."""

    def q_values(prefix: Tensor) -> Tensor:
        return network(see(2.0 * printer.smear(prefix) - 1, prefix.shape[1]))

    table = enumeration.table_of(q_values, KEYS)
    return printer.smeared(enumeration.distribution_of(enumeration.boltzmann(table)))
