"""Reinforcement learning with a table: value iteration, evaluation of a policy, Q-learning."""

from collections.abc import Callable

import torch
from torch import Tensor

from dqngan_lib.course.arguments import require, whole
from dqngan_lib.course.training import StoppableLoop
from dqngan_lib.environments.grid_world import GridWorld


def _check_model(probability: Tensor, reward: Tensor, discount: float) -> None:
    """Raise `ValueError` when the shapes do not belong together or γ is out of its range."""
    if reward.ndim != 2 or probability.shape != (*reward.shape, len(reward)):
        raise ValueError(
            "reward must be (states, actions) and probability (states, actions, states); "
            f"got {tuple(reward.shape)} and {tuple(probability.shape)}"
        )
    require(0 <= discount <= 1, "discount", discount, "from 0 to 1")


def _check_shape(name: str, table: Tensor, reward: Tensor) -> None:
    """Raise `ValueError` unless a table has one number for each state and action."""
    shape = tuple(reward.shape)
    require(table.shape == reward.shape, name, tuple(table.shape), f"of the reward's shape {shape}")


def bellman_backup(q_table: Tensor, probability: Tensor, reward: Tensor, discount: float) -> Tensor:
    """Return r(s, a) + γ Σ P(s′ | s, a) maxₐ′ Q(s′, a′) for every pair at once (Bellman 1957).

    Args:
        q_table: Q, float64 `(states, actions)`.
        probability: P, float64 `(states, actions, states)`, all 0 where nothing follows.
        reward: r, float64 `(states, actions)`, the expected rewards.
        discount: γ in [0, 1].

    Raises:
        ValueError: The shapes do not belong together, or γ is out of its range.
    """
    _check_model(probability, reward, discount)
    _check_shape("q_table", q_table, reward)
    value = q_table.max(1).values  # V(s′), (states,)
    return reward + discount * probability @ value


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
        ValueError: The model or a setting is out of its range.
        RuntimeError: The values still change after `max_sweeps` sweeps, as they may at γ = 1.
    """
    require(tolerance > 0, "tolerance", tolerance, "> 0")
    whole("max_sweeps", max_sweeps, 1)
    q_table = torch.zeros_like(reward)  # any start will do: the backup contracts by γ
    for sweep in range(1, max_sweeps + 1):
        new = bellman_backup(q_table, probability, reward, discount)
        change = (new - q_table).abs().max()
        q_table = new
        if change <= tolerance:
            return q_table, sweep
    raise RuntimeError(f"values still change by {change:.3g} after max_sweeps={max_sweeps} sweeps")


def epsilon_greedy(q_table: Tensor, epsilon: float) -> Tensor:
    """Return π(a | s), float64 `(states, actions)`: ε of chance to all, the rest to the best.

    Args:
        q_table: Q, `(states, actions)`. Among equals the first action counts as the best.
        epsilon: ε in [0, 1]; 0 gives the greedy policy, 1 pure chance.

    Raises:
        ValueError: `epsilon` is out of its range.
    """
    require(0 <= epsilon <= 1, "epsilon", epsilon, "from 0 to 1")
    actions = q_table.shape[1]
    best = torch.nn.functional.one_hot(q_table.argmax(1), actions).double()  # (states, actions)
    return epsilon / actions + (1 - epsilon) * best


def policy_values(policy: Tensor, probability: Tensor, reward: Tensor, discount: float) -> Tensor:
    """Return V of a fixed policy: the solution of V = r_π + γ P_π V, a linear system.

    Args:
        policy: π(a | s), float64 `(states, actions)`, such as `epsilon_greedy` returns.
        probability: P, float64 `(states, actions, states)`, all 0 where nothing follows.
        reward: r, float64 `(states, actions)`.
        discount: γ in [0, 1]. At γ = 1 the policy must reach an end from everywhere.

    Returns:
        float64 `(states,)`.

    Raises:
        ValueError: The shapes do not belong together, or γ or π is out of its range.
    """
    _check_model(probability, reward, discount)
    _check_shape("policy", policy, reward)
    if (policy < 0).any() or not torch.allclose(policy.sum(1), torch.ones_like(policy[:, 0])):
        raise ValueError("each row of policy must hold probabilities that sum to 1")
    moves = (policy[:, :, None] * probability).sum(1)  # P_π, (states, states)
    gains = (policy * reward).sum(1)  # r_π, (states,)
    # (I − γ P_π) V = r_π
    return torch.linalg.solve(torch.eye(len(moves), dtype=moves.dtype) - discount * moves, gains)


def q_learning(
    world: GridWorld,
    *,
    steps: int,
    discount: float,
    epsilon: float,
    learning_rate: Callable[[int], float],
    seed: int,
    own_tables: bool = False,
    watch: Callable[[int, Tensor], None] | None = None,
    watch_every: int = 100,
) -> tuple[Tensor, Tensor]:
    """Learn a table from experience alone: Q-learning (Watkins 1989) with ε-greedy walkers.

    Q(s, a) ← Q(s, a) + α (r + γ (1 − terminated) maxₐ′ Q(s′, a′) − Q(s, a)). The ■ button or Ctrl-C
    may end it at any time: the table so far is returned.

    Args:
        world: A grid world. Its `num_envs` walkers step at the same time and write into the
            table one after the other.
        steps: The number of steps of each walker.
        discount: γ in [0, 1].
        epsilon: ε in [0, 1].
        learning_rate: From the number of visits to (s, a), this one included, to α.
        seed: Seed of the world and the walkers.
        own_tables: Whether each walker has a table of its own: separate runs side by side, which
            show how much luck there is in one. Otherwise all share one table.
        watch: Called with the steps done and the table (or tables) after each `watch_every` steps.
        watch_every: A number of steps.

    Returns:
        Q float64 `(states, 4)` and the visits int64 `(states, 4)`; with `own_tables` both have
        the walkers as first dimension.

    Raises:
        ValueError: A number is out of its range.
    """
    for name, value in (("discount", discount), ("epsilon", epsilon)):
        require(0 <= value <= 1, name, value, "from 0 to 1")
    whole("steps", steps, 0)
    whole("watch_every", watch_every, 1)
    states, actions = int(world.single_observation_space.n), int(world.single_action_space.n)
    tables = world.num_envs if own_tables else 1
    mine = [walker if own_tables else 0 for walker in range(world.num_envs)]
    # Lists, because single numbers are read and written: with tensors it takes ten times as long.
    q = [[[0.0] * actions for _ in range(states)] for _ in range(tables)]
    visits = [[[0] * actions for _ in range(states)] for _ in range(tables)]

    def tensor(nested: list) -> Tensor:
        result = torch.tensor(nested, dtype=torch.float64)
        return result if own_tables else result[0]

    rng = torch.Generator().manual_seed(seed)
    observation, _ = world.reset(seed=seed)
    state = observation.tolist()
    with StoppableLoop(steps, "Q-learning", unit="step", kept="the table so far") as loop:
        for step in loop:
            explore = (torch.rand(world.num_envs, generator=rng) < epsilon).tolist()
            action = torch.randint(actions, (world.num_envs,), generator=rng).tolist()
            for i, (k, s) in enumerate(zip(mine, state, strict=True)):
                if not explore[i]:
                    action[i] = q[k][s].index(max(q[k][s]))
            observation, reward, terminated, _, info = world.step(torch.tensor(action))
            next_state = info.get("final_obs", observation)
            experience = (x.tolist() for x in (reward, terminated, next_state))
            for k, s, a, r, end, s_next in zip(mine, state, action, *experience, strict=True):
                visits[k][s][a] += 1
                # The target stops at a termination alone: where time ran out, s′ has a value.
                target = r if end else r + discount * max(q[k][s_next])
                # Q ← Q + α (y − Q)
                q[k][s][a] += learning_rate(visits[k][s][a]) * (target - q[k][s][a])
            state = observation.tolist()
            if watch is not None and (step + 1) % watch_every == 0:
                watch(step + 1, tensor(q))
    return tensor(q), tensor(visits).long()
