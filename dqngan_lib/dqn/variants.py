"""The variants of DQN that notebook 03 compares, each trained on the same two worlds."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from dqngan_lib.course.arguments import require
from dqngan_lib.dqn.agent import DQN, DQNSettings
from dqngan_lib.dqn.networks import ConvolutionalQNetwork, QNetwork
from dqngan_lib.dqn.training import History, TrainSettings, train_dqn
from dqngan_lib.environments.catch import Catch
from dqngan_lib.environments.pendulum import PENDULUM_REWARD_SCALE, TorquePendulum
from dqngan_lib.environments.rollout import Policy, play


@dataclass(frozen=True)
class Variant:
    """What a variant changes; everything else is the plain DQN's."""

    dueling: bool = False
    """Whether the network ends in a value and advantages."""
    agent: dict[str, Any] = field(default_factory=dict)
    """Changed fields of `DQNSettings`."""
    train: dict[str, Any] = field(default_factory=dict)
    """Changed fields of `TrainSettings`."""


VARIANTS = {
    "plain": Variant(),
    "double": Variant(agent={"backup": "double"}),
    "dueling": Variant(dueling=True),
    "n-step": Variant(train={"n_step": 3}),
    "prioritised": Variant(train={"priority_alpha": 0.6}),
    "all together": Variant(True, {"backup": "double"}, {"n_step": 3, "priority_alpha": 0.6}),
}
"""One change at a time, then all four at once."""

PENDULUM_AGENT: dict[str, Any] = {
    "discount": 0.98,
    "learning_rate": 1e-2,
    "target_every": 50,
    "target_rate": 1.0,
}
"""Large steps on purpose: the estimates are noisy, and overestimation shows."""

PENDULUM_TRAIN: dict[str, Any] = {
    "steps": 12_000,
    "capacity": 12_000,
    "batch_size": 32,
    "updates_per_step": 4,
    "epsilon_end": 0.02,
    "evaluate_every": 1_500,
}
"""A short run with small batches, for the same reason."""

CATCH_AGENT: dict[str, Any] = {"learning_rate": 2e-3}
CATCH_TRAIN: dict[str, Any] = {
    "steps": 12_000,
    "capacity": 12_000,
    "batch_size": 64,
    "updates_per_step": 2,
    "learning_rate_end": 0.1,
    "evaluate_every": 1_000,
}
"""A budget in which the plain DQN just about learns to catch every ball."""


def _variant(name: str) -> Variant:
    """Return a variant by its name."""
    require(name in VARIANTS, "variant", name, f"one of {list(VARIANTS)}")
    return VARIANTS[name]


def share_caught(policy: Policy, episodes: int = 500, seed: int = 10**6) -> float:
    """Return the share of balls that a policy catches in fresh episodes of `Catch`."""
    return (play(policy, Catch(episodes), seed) > 0).float().mean().item()


def swing_return(policy: Policy, episodes: int = 20, seed: int = 10**6) -> float:
    """Return the mean return of episodes of Pendulum-v1 on its own scale, from about −1700 to 0."""
    return play(policy, TorquePendulum(episodes), seed).mean().item() / PENDULUM_REWARD_SCALE


def train_catch(name: str, seed: int) -> tuple[DQN, History]:
    """Train a variant on `Catch`, 10 × 10; the scores of the history are shares caught.

    Args:
        name: One of `VARIANTS`.
        seed: Seed of the network, the episodes and the memory.

    Raises:
        ValueError: There is no such variant.
    """
    variant = _variant(name)
    torch.manual_seed(seed)
    network = ConvolutionalQNetwork(channels=2, side=10, actions=3, dueling=variant.dueling)
    agent = DQN(network, DQNSettings(**CATCH_AGENT | variant.agent), seed)
    settings = TrainSettings(**CATCH_TRAIN | variant.train)
    history = train_dqn(agent, Catch(8), lambda dqn: share_caught(dqn.act), settings, seed=seed)
    return agent, history


def train_pendulum(
    name: str,
    seed: int,
    evaluate: Callable[[DQN], float] | None = None,
    learning_rate: float = PENDULUM_AGENT["learning_rate"],
) -> tuple[DQN, History]:
    """Train a variant on `TorquePendulum`; the scores of the history are mean returns.

    Args:
        name: One of `VARIANTS`.
        seed: Seed of the network, the episodes and the memory.
        evaluate: Measures something else than the mean return.
        learning_rate: Of Adam, above 0.

    Raises:
        ValueError: There is no such variant, or the learning rate is out of its range.
    """
    variant = _variant(name)
    torch.manual_seed(seed)
    agent_settings = PENDULUM_AGENT | {"learning_rate": learning_rate}
    network = QNetwork(observation_size=3, actions=25, hidden=(128,), dueling=variant.dueling)
    agent = DQN(network, DQNSettings(**agent_settings | variant.agent), seed)
    settings = TrainSettings(**PENDULUM_TRAIN | variant.train)
    evaluate = evaluate or (lambda dqn: swing_return(dqn.act))
    return agent, train_dqn(agent, TorquePendulum(8), evaluate, settings, seed=seed)
