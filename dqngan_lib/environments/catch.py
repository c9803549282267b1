"""Catch: a ball falls across a screen of a few pixels, the smallest world seen in pictures."""

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from dqngan_lib.course.arguments import whole
from dqngan_lib.environments.base import TorchVectorEnv


class Catch(TorchVectorEnv):
    """A ball falls across a small screen; catch it with a paddle.

    At each step the ball falls by one row, and goes straight or two columns to one side. A ball
    that leaves on one side comes in on the other. It is faster than the paddle, which moves by one
    column: running after the ball is not enough.

    The observation is two pictures, uint8 `(2, side, side)` of 0 and 1: the screen now and one
    step before, because one picture cannot show which way the ball moves. Actions: 0 left,
    1 stay, 2 right. The paddle is three pixels wide and starts anywhere. When the ball reaches
    the bottom row the episode ends, with reward 1 if it is caught and −1 if not; before that
    every reward is 0. Every ball can be caught.

    Args:
        num_envs: The number of episodes at once.
        side: Height and width of the screen in pixels, at least 5.

    Raises:
        ValueError: An argument is out of its range.
    """

    ACTIONS = ("left", "stay", "right")

    def __init__(self, num_envs: int = 1, side: int = 10) -> None:
        whole("side", side, 5)
        super().__init__(num_envs, spaces.Box(0, 1, (2, side, side), np.uint8), 3, side)
        self.side = side
        self.column = torch.zeros(num_envs, dtype=torch.long)
        self.drift = self.column.clone()
        self.paddle = self.column.clone()
        self.row = self.column.clone()
        self.before = torch.zeros(num_envs, side, side, dtype=torch.uint8)

    def _begin(self, rows: Tensor) -> None:
        def draw(low: int, high: int) -> Tensor:
            return torch.randint(low, high + 1, (self.num_envs,), generator=self.rng)

        self.column = torch.where(rows, draw(0, self.side - 1), self.column)
        self.drift = torch.where(rows, 2 * draw(-1, 1), self.drift)
        self.paddle = torch.where(rows, draw(1, self.side - 2), self.paddle)
        self.row = self.row * ~rows
        # The ball has fallen one row before the agent first sees it, so two pictures exist.
        self.before = torch.where(rows[:, None, None], self._screen(), self.before)
        self._fall(rows)

    def _fall(self, rows: Tensor) -> None:
        """Let the ball fall by one row; what leaves on one side comes in on the other."""
        self.column = torch.where(rows, (self.column + self.drift) % self.side, self.column)
        self.row = self.row + rows

    def _move(self, action: Tensor) -> tuple[Tensor, Tensor]:
        self.before = self._screen()  # (num_envs, side, side), the second picture from now on
        self.paddle = (self.paddle + action - 1).clamp(1, self.side - 2)
        self._fall(torch.ones(self.num_envs, dtype=torch.bool))
        terminated = self.row == self.side - 1
        caught = (self.column - self.paddle).abs() <= 1
        return torch.where(caught, 1.0, -1.0) * terminated, terminated

    def _screen(self) -> Tensor:
        """Draw ball and paddle, uint8 `(num_envs, side, side)`."""
        screen = torch.zeros(self.num_envs, self.side, self.side, dtype=torch.uint8)
        every = torch.arange(self.num_envs)
        screen[every, self.row, self.column] = 1
        for offset in (-1, 0, 1):
            screen[every, self.side - 1, self.paddle + offset] = 1
        return screen

    def _observe(self) -> Tensor:
        return torch.stack([self._screen(), self.before], 1)

    def optimal_action(self) -> Tensor:
        """Return actions, int64 `(num_envs,)`, that catch every ball: go to where it will land."""
        # Rows left to fall, times columns a row, round the edge.
        column = (self.column + (self.side - 1 - self.row) * self.drift) % self.side
        return (column - self.paddle).sign() + 1
