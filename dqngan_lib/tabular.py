"""Reinforcement learning with a table: value iteration and Q-learning."""

from collections.abc import Callable

import torch
from torch import Tensor

from dqngan_lib.environments import GridWorld


def bellman_backup(q_table: Tensor, probability: Tensor, reward: Tensor, discount: float) -> Tensor:
    """Return r(s, a) + γ Σ P(s′ | s, a) maxₐ′ Q(s′, a′) for every pair at once (Bellman 1957).

    Args:
        q_table: Q, float64 `(states, actions)`.
        probability: P, float64 `(states, actions, states)`.
        reward: r, float64 `(states, actions)`, the expected rewards.
        discount: γ in [0, 1].

    Raises:
        ValueError: The shapes do not belong together, or γ is out of its range.
    """
    if probability.shape != (*q_table.shape, len(q_table)) or reward.shape != q_table.shape:
        raise ValueError(
            "q_table and reward must be (states, actions), probability (states, actions, states);"
            f" got {tuple(q_table.shape)}, {tuple(reward.shape)}, {tuple(probability.shape)}"
        )
    if not 0 <= discount <= 1:
        raise ValueError(f"discount must be from 0 to 1; got {discount!r}")
    return reward + discount * probability @ q_table.max(1).values


def value_iteration(
    probability: Tensor,
    reward: Tensor,
    discount: float,
    tolerance: float = 1e-10,
    max_sweeps: int = 10_000,
) -> tuple[Tensor, int]:
    """Repeat `bellman_backup` from zero until no value changes by more than `tolerance`.

    Returns:
        The optimal Q-values, float64 `(states, actions)`, and the number of sweeps.

    Raises:
        RuntimeError: The values still change after `max_sweeps` sweeps, as they may at γ = 1.
    """
    q_table = torch.zeros_like(reward)
    for sweep in range(1, max_sweeps + 1):
        new = bellman_backup(q_table, probability, reward, discount)
        change = (new - q_table).abs().max()
        q_table = new
        if change <= tolerance:
            return q_table, sweep
    raise RuntimeError(f"values still change by {change:.3g} after max_sweeps={max_sweeps} sweeps")


def q_learning(
    world: GridWorld,
    *,
    steps: int,
    discount: float,
    epsilon: Callable[[int], float],
    learning_rate: Callable[[Tensor], Tensor],
    seed: int,
) -> tuple[Tensor, Tensor]:
    """Learn a table from experience alone: Q-learning (Watkins 1989) with an ε-greedy walker.

    Q(s, a) ← Q(s, a) + α (r + γ (1 − terminated) maxₐ′ Q(s′, a′) − Q(s, a)).

    Args:
        world: A grid world with `num_envs=1`: one walker, one step at a time.
        steps: The number of steps.
        discount: γ in [0, 1].
        epsilon: From the step, counted from 0, to ε.
        learning_rate: From the number of visits to (s, a), this one included, to α.
        seed: Seed of the world and the walker.

    Returns:
        Q float64 `(states, 4)` and the visits int64 `(states, 4)`.

    Raises:
        ValueError: The world holds more than one walker.
    """
    if world.num_envs != 1:
        raise ValueError(f"world must have num_envs=1; got {world.num_envs}")
    generator = torch.Generator().manual_seed(seed)
    states = int(world.single_observation_space.n)
    q_table = torch.zeros(states, 4, dtype=torch.float64)
    visits = torch.zeros(states, 4, dtype=torch.long)
    observation, _ = world.reset(seed=seed)
    state = observation.item()
    for step in range(steps):
        explore = torch.rand((), generator=generator) < epsilon(step)
        anything = torch.randint(4, (), generator=generator)
        action = (anything if explore else q_table[state].argmax()).item()
        observation, reward, terminated, _, info = world.step(torch.tensor([action]))
        next_state = info.get("final_obs", observation).item()
        bootstrap = discount * q_table[next_state].max() * (not terminated.item())
        visits[state, action] += 1
        rate = learning_rate(visits[state, action])
        q_table[state, action] += rate * (reward.item() + bootstrap - q_table[state, action])
        state = observation.item()
    return q_table, visits
