"""Gymnasium's Pendulum-v1 with a choice of torques, and the best that a planner reaches in it."""

from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from gymnasium.vector import VectorWrapper
from gymnasium.vector.utils import batch_space
from torch import Tensor

from dqngan_lib.course.arguments import positive_sizes, whole, whole_numbers

PENDULUM_REWARD_SCALE = 0.1
"""Rewards of Pendulum-v1 go down to −16; a tenth of them suits a network better."""


class TorquePendulum(VectorWrapper):
    """Swing a pendulum up and hold it there, with one of a few torques at each step.

    The observation is Pendulum-v1's: cos θ, sin θ and the speed, float32 `(num_envs, 3)`. Action
    k is the k-th of `torques` evenly spaced torques from −2 to 2 newton metres. The reward,
    a tenth of Pendulum-v1's, is never above 0: it is 0 only when the pendulum stands still
    upright. No episode terminates; each is truncated after `max_steps`.

    Args:
        num_envs: The number of episodes at once.
        torques: The number of actions, at least 2.
        max_steps: After so many steps an episode is truncated.

    Raises:
        ValueError: An argument is out of its range.
    """

    def __init__(self, num_envs: int = 1, torques: int = 25, max_steps: int = 200) -> None:
        positive_sizes(num_envs=num_envs, max_steps=max_steps)
        whole("torques", torques, 2)
        envs = gymnasium.make_vec(
            "Pendulum-v1",
            num_envs=num_envs,
            vectorization_mode="sync",
            max_episode_steps=max_steps,
        )
        super().__init__(envs)
        self.torque = np.linspace(-2, 2, torques, dtype=np.float32)
        self.single_action_space = spaces.Discrete(torques)
        self.action_space = batch_space(self.single_action_space, num_envs)

    def step(self, action: np.ndarray) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Apply the chosen torques, int `(num_envs,)`.

        Raises:
            ValueError: The actions have another shape, or one is out of its range.
        """
        action = whole_numbers("action", action, self.num_envs, len(self.torque) - 1).numpy()
        observation, reward, *ends, info = self.env.step(self.torque[action][:, None])
        return observation, PENDULUM_REWARD_SCALE * reward, *ends, info


class PendulumPlanner:
    """Acts by value iteration on a fine grid of angles and speeds, with the equations known.

    No learner of this course is given the equations; what this policy reaches is their ceiling.

    Args:
        torques: The number of actions of the `TorquePendulum`.
        angles: Grid points around the circle.
        speeds: Grid points from −8 to 8 radians per second.
        discount: γ.
        sweeps: Sweeps of value iteration.
    """

    def __init__(
        self,
        torques: int = 25,
        angles: int = 120,
        speeds: int = 121,
        discount: float = 0.98,
        sweeps: int = 200,
    ) -> None:
        self.discount, self.torque = discount, torch.linspace(-2, 2, torques)
        self.values = torch.zeros(angles, speeds)
        angle = torch.arange(angles) * 2 * torch.pi / angles
        grid = torch.cartesian_prod(angle, torch.linspace(-8, 8, speeds))
        for _ in range(sweeps):
            self.values = self.q_values(grid[:, 0], grid[:, 1]).max(1).values.view(angles, speeds)

    def q_values(self, angle: Tensor, speed: Tensor) -> Tensor:
        """Return r + γ V(s′) for every torque, `(batch, torques)`, from the equations of motion."""
        angle, speed = angle[:, None], speed[:, None]  # (batch, 1), beside torques (torques,)
        from_top = torch.remainder(angle + torch.pi, 2 * torch.pi) - torch.pi
        cost = from_top**2 + 0.1 * speed**2 + 0.001 * self.torque**2
        # One step of 0.05 s: Gymnasium's g = 10, m = l = 1, so θ″ = 15 sin θ + 3 u.
        next_speed = (speed + 0.05 * (15 * angle.sin() + 3 * self.torque)).clamp(-8, 8)
        next_value = self._value(angle + 0.05 * next_speed, next_speed)
        return -PENDULUM_REWARD_SCALE * cost + self.discount * next_value

    def _value(self, angle: Tensor, speed: Tensor) -> Tensor:
        """Read V between the grid points, in straight lines; the angle goes round."""
        angles, speeds = self.values.shape
        row = torch.remainder(angle / (2 * torch.pi), 1) * angles
        column = ((speed + 8) / 16 * (speeds - 1)).clamp(0, speeds - 1.001)
        low, left = row.long() % angles, column.long()
        up, right = row - row.floor(), column - left
        high = (low + 1) % angles
        near = self.values[low, left] * (1 - right) + self.values[low, left + 1] * right
        far = self.values[high, left] * (1 - right) + self.values[high, left + 1] * right
        return near * (1 - up) + far * up

    def act(self, observation: Tensor) -> Tensor:
        """Return the best action, int64 `(batch,)`, for observations `(batch, 3)`."""
        angle = torch.atan2(observation[:, 1], observation[:, 0])
        return self.q_values(angle, observation[:, 2]).argmax(1)
