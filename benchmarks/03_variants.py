"""The table of notebook 03: six variants of DQN on two worlds, with random and optimal policies.

`python3 course.py study 03` runs it. It writes benchmarks/results/03_variants.csv. Columns:
catch_mean_share, the share of balls caught, mean over all evaluations of the run;
catch_steps_to_99, environment steps until 99 % were caught (inf: never); pendulum_return, the
mean return on the scale of Pendulum-v1 over the evaluations of the second half of the run;
seconds of training for both.
"""

from math import inf, nan

import torch
from tables import write_table
from torch import Tensor

from dqngan_lib.dqn.variants import (
    VARIANTS,
    share_caught,
    swing_return,
    train_catch,
    train_pendulum,
)
from dqngan_lib.environments.catch import Catch
from dqngan_lib.environments.pendulum import PendulumPlanner
from dqngan_lib.environments.rollout import Policy

EPISODES = 2_000
"""Episodes of Catch, and a tenth as many of Pendulum, played by the policies that do not learn."""


def run(name: str, seed: int) -> dict[str, float]:
    """Return one row: a variant trained on both worlds, or a policy that does not learn."""
    start = 10**7 + seed
    if name == "random":
        pendulum = swing_return(random_policy(25, seed), EPISODES // 10, start)
        return row(share_caught(random_policy(3, seed), EPISODES, start), nan, pendulum)
    if name == "optimal":
        pendulum = swing_return(PendulumPlanner().act, EPISODES // 10, start)
        return row(optimal_share(start), nan, pendulum)
    _, catch = train_catch(name, seed)
    _, pendulum = train_pendulum(name, seed)
    solved = [step for step, score in zip(catch.step, catch.score, strict=True) if score >= 0.99]
    late = pendulum.score[len(pendulum.score) // 2 :]
    return row(
        sum(catch.score) / len(catch.score),
        min(solved, default=inf),
        sum(late) / len(late),
        catch.seconds[-1] + pendulum.seconds[-1],
    )


def row(share: float, steps: float, pendulum: float, seconds: float = 0.0) -> dict[str, float]:
    """Name the columns."""
    return {
        "catch_mean_share": share,
        "catch_steps_to_99": steps,
        "pendulum_return": pendulum,
        "seconds": seconds,
    }


def random_policy(actions: int, seed: int) -> Policy:
    """Return a policy that does not look."""
    rng = torch.Generator().manual_seed(seed)

    def act(observation: Tensor) -> Tensor:
        return torch.randint(actions, (len(observation),), generator=rng)

    return act


def optimal_share(seed: int) -> float:
    """Return the share that `Catch.optimal_action` catches; it sees the world, not the pictures."""
    screens = Catch(EPISODES)
    screens.reset(seed=seed)
    for _ in range(screens.side - 2):
        _, reward, _, _, _ = screens.step(screens.optimal_action())
    return (reward > 0).float().mean().item()


if __name__ == "__main__":
    write_table("03_variants", ["random", *VARIANTS, "optimal"], run, default_seeds=5)
