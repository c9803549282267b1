"""CartPole with one thing removed at a time: the table of notebook 02, section 7.

Run `python benchmarks/02_removals.py`, or `python3 course.py study 02`.
"""

from collections.abc import Mapping
from dataclasses import replace

import gymnasium
import torch
from tables import write_table

from dqngan_lib.dqn.agent import DQN, DQNSettings
from dqngan_lib.dqn.networks import QNetwork
from dqngan_lib.dqn.training import TrainSettings, train_dqn
from dqngan_lib.environments.base import TruncationAsTermination
from dqngan_lib.environments.rollout import play

SCALE = (2.4, 2.0, 0.21, 2.0)
LEARNING = DQNSettings(discount=0.99, learning_rate=2e-3, target_every=10, target_rate=1.0)
BUDGET = TrainSettings(steps=16_000, learn_after=500, evaluate_every=1_000)

VARIANTS: dict[str, tuple[DQNSettings, TrainSettings]] = {
    "all seven steps": (LEARNING, BUDGET),
    "no replay": (LEARNING, replace(BUDGET, capacity=8, batch_size=8, learn_after=8)),
    "no target network": (replace(LEARNING, target_every=1), BUDGET),
    "no exploration": (LEARNING, replace(BUDGET, epsilon_start=0.0, epsilon_end=0.0)),
    "truncation as termination": (LEARNING, BUDGET),
    "clock of 50 steps": (LEARNING, BUDGET),
    "clock of 50, as termination": (LEARNING, BUDGET),
    "inputs not scaled": (LEARNING, BUDGET),
    "errors clipped at 1": (replace(LEARNING, huber_delta=1.0), BUDGET),
}


def run(variant: str, seed: int) -> Mapping[str, float]:
    """Train one variant on one seed and return its scores."""
    learning, budget = VARIANTS[variant]

    def cartpole(number: int, clock: int = 500) -> gymnasium.vector.VectorEnv:
        return gymnasium.make_vec(
            "CartPole-v1",
            num_envs=number,
            vectorization_mode="vector_entry_point",
            max_episode_steps=clock,
        )

    envs = cartpole(8, clock=50 if variant.startswith("clock of 50") else 500)
    fifty, hundred = cartpole(50), cartpole(100)
    if variant.endswith("as termination"):
        envs = TruncationAsTermination(envs)
    torch.manual_seed(seed)
    scale = None if variant == "inputs not scaled" else SCALE
    agent = DQN(QNetwork(4, 2, scale=scale), learning, seed=seed)
    history = train_dqn(
        agent,
        envs,
        lambda agent: play(agent.act, fifty, seed=seed + 20_000).mean().item(),
        budget,
        seed=seed,
    )
    return {
        "best": play(agent.act, hundred, seed=seed + 30_000).mean().item(),
        "average": sum(history.score) / len(history.score),
        "q_value": history.q_value[-1],
        "seconds": history.seconds[-1],
    }


if __name__ == "__main__":
    write_table("02_removals", tuple(VARIANTS), run)
