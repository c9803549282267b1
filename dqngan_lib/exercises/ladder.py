"""A probe for a learner's training loop: a world with known Q-values, and an agent that watches."""

from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from torch import Tensor, nn

from dqngan_lib.dqn.replay import Batch, ReplayBuffer
from dqngan_lib.exercises.base import Wrong

FIELDS = ("observation", "action", "reward", "terminated", "truncated", "next_observation")
"""What a transition in memory consists of."""


class Ladder(VectorEnv):
    """One environment with two rungs, 0 and 1. It starts again as CartPole does: in the next step.

    Action 0 jumps off, for ¼ on rung 0 and −1 on rung 1, and the episode has terminated. Action 1
    climbs: from 0 to 1 for nothing; from 1 for 1 to rung 0 of the next ladder, where the clock
    cuts the episode off. With γ = ½: V(1) = 1 + ½ V(0) and V(0) = ½ V(1), so 4/3 and 2/3.
    """

    metadata: ClassVar[dict[str, Any]] = {"autoreset_mode": AutoresetMode.NEXT_STEP}
    q_values = torch.tensor([[1 / 4, 2 / 3], [-1.0, 4 / 3]])
    """Exact for γ = ½, a row for each rung."""
    num_envs = 1
    single_observation_space = spaces.Box(0, 1, (1,), np.float32)
    single_action_space = spaces.Discrete(2)

    def __init__(self) -> None:
        self.steps, self.rung, self.ended = 0, 0, False
        self.seeds: list[int | None] = []
        self.happened: dict[int, tuple[float, ...]] = {}
        """By number of the step, what `FIELDS` were; steps that only reset are left out."""

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict]:
        """Start a new episode."""
        self.seeds.append(seed)
        self.rng = np.random.default_rng(seed)
        return self._begin(), {}

    def step(self, action: np.ndarray) -> tuple[Any, ...]:
        """Jump or climb, unless this step is spent on a reset."""
        self.steps += 1
        reward, terminated, truncated = 0.0, False, False
        if self.ended:
            observation = self._begin()
        else:
            before, climb = self.rung, int(np.asarray(action).reshape(-1)[0])
            terminated, truncated = not climb, bool(climb and before)
            reward = float(before) if climb else (0.25, -1.0)[before]
            self.rung = int(climb and not before)
            self.ended = terminated or truncated
            row = (before, climb, reward, terminated, truncated, self.rung)
            self.happened[self.steps - 1] = tuple(float(number) for number in row)
            observation = self._seen()
        ends = np.array([terminated]), np.array([truncated])
        return observation, np.array([reward], np.float32), *ends, {}

    def _begin(self) -> np.ndarray:
        self.rung, self.ended = int(self.rng.random() < 0.5), False
        return self._seen()

    def _seen(self) -> np.ndarray:
        return np.full((1, 1), self.rung, np.float32)


class Witness(nn.Module):
    """An agent that acts by chance, learns nothing, and writes down what it is asked.

    Args:
        world: The ladder that the loop walks on.
        memory: The memory that the loop fills.
        steps: How many steps the loop shall take.
    """

    def __init__(self, world: Ladder, memory: ReplayBuffer, steps: int) -> None:
        super().__init__()
        self.world, self.memory = world, memory
        self.rng = torch.Generator().manual_seed(3)
        self.shown: dict[int, float] = {}
        self.chosen: dict[int, int] = {}
        self.batches: list[tuple[int, int]] = []
        """Of each update the rows of the batch, and those in memory."""
        # As buffers, so that a comparison with another witness sees them.
        self.register_buffer("epsilon", torch.zeros(steps))
        self.register_buffer("stored", torch.zeros(0, len(FIELDS)))

    def act(self, observation: Tensor, epsilon: float = 0.0) -> Tensor:
        """Toss a coin."""
        step, action = self.world.steps, int(torch.randint(2, (), generator=self.rng))
        if step < len(self.epsilon):
            self.epsilon[step] = float(epsilon)
        self.shown[step] = float(torch.as_tensor(observation).reshape(-1)[0])
        self.chosen[step] = action
        return torch.tensor([action])

    def update(self, batch: Batch) -> Tensor:
        """Count the rows, and look at the memory."""
        self.batches.append((len(batch["reward"]), len(self.memory)))
        self.stored = stored(self.memory)
        return torch.zeros(len(batch["reward"]))


def stored(memory: ReplayBuffer) -> Tensor:
    """Return what a memory holds, a row for each transition, a column for each of `FIELDS`.

    Raises:
        Wrong: A field is missing.
    """
    rows = len(memory)
    missing = [name for name in FIELDS if rows and name not in memory.fields]
    if missing:
        raise Wrong(f"the memory has no field {missing[0]}; it needs {', '.join(FIELDS)}")
    columns = [memory.fields[name][:rows].reshape(rows, 1) for name in FIELDS if rows]
    return torch.cat([c.float() for c in columns], 1) if rows else torch.zeros(0, len(FIELDS))
