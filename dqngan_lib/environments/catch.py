"""Catch: balls fall across a screen of a few pixels, the smallest world seen in pictures."""

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
    1 stay, 2 right. The paddle is three pixels wide and starts anywhere. A ball that reaches the
    bottom row brings the reward 1 if it is caught and −1 if not; all other rewards are 0. The
    episode ends with its last ball. Every ball can be caught.

    With two balls, the second enters above when the first has fallen a third of its way, and lands
    where a paddle that catches the first at the right edge can still get to.

    Args:
        num_envs: The number of episodes at once.
        side: Height and width of the screen in pixels, at least 5.
        balls: How many balls fall in an episode, 1 or 2.

    Raises:
        ValueError: An argument is out of its range.
    """

    ACTIONS = ("left", "stay", "right")

    def __init__(self, num_envs: int = 1, side: int = 10, balls: int = 1) -> None:
        whole("side", side, 5)
        whole("balls", balls, 1, 2)
        super().__init__(num_envs, spaces.Box(0, 1, (2, side, side), np.uint8), 3, balls * side)
        self.side, self.balls = side, balls
        self.column = torch.zeros(num_envs, balls, dtype=torch.long)
        self.drift = self.column.clone()
        self.row = self.column.clone()  # below 0 while a ball waits above the screen
        self.paddle = torch.zeros(num_envs, dtype=torch.long)
        self.before = torch.zeros(num_envs, side, side, dtype=torch.uint8)

    def _begin(self, rows: Tensor) -> None:
        def draw(low: int, high: int, *shape: int) -> Tensor:
            return torch.randint(low, high + 1, (self.num_envs, *shape), generator=self.rng)

        new = rows[:, None]  # (num_envs, 1), beside (num_envs, balls)
        self.column = torch.where(new, draw(0, self.side - 1, self.balls), self.column)
        self.drift = torch.where(new, 2 * draw(-1, 1, self.balls), self.drift)
        self.paddle = torch.where(rows, draw(1, self.side - 2), self.paddle)
        gap = self.side // 3
        self.row = torch.where(new, -gap * torch.arange(self.balls), self.row)
        # The paddle catches from one column beside a ball, and has `gap` moves between two.
        first, last = self._landing()
        self.column[:, -1] += last.clamp(first - gap - 2, first + gap + 2) - last
        # The ball has fallen one row before the agent first sees it, so two pictures exist.
        self.before = torch.where(new[:, None], self._screen(), self.before)
        self._fall(new)

    def _fall(self, rows: Tensor) -> None:
        """Let balls fall by one row; what leaves on one side comes in on the other."""
        self.column = torch.where(rows, (self.column + self.drift) % self.side, self.column)
        self.row = self.row + rows

    def _move(self, action: Tensor) -> tuple[Tensor, Tensor]:
        self.before = self._screen()  # (num_envs, side, side), the second picture from now on
        self.paddle = (self.paddle + action - 1).clamp(1, self.side - 2)
        self._fall(torch.ones(self.num_envs, 1, dtype=torch.bool))
        landed = self.row == self.side - 1  # (num_envs, balls)
        caught = (self.column - self.paddle[:, None]).abs() <= 1
        return (torch.where(caught, 1.0, -1.0) * landed).sum(1), landed[:, -1]

    def _screen(self) -> Tensor:
        """Draw balls and paddle, uint8 `(num_envs, side, side)`."""
        screen = torch.zeros(self.num_envs, self.side, self.side, dtype=torch.uint8)
        every = torch.arange(self.num_envs)
        for ball in range(self.balls):
            here = (self.row[:, ball] >= 0) & (self.row[:, ball] < self.side)
            screen[every[here], self.row[here, ball], self.column[here, ball]] = 1
        for offset in (-1, 0, 1):
            screen[every, self.side - 1, self.paddle + offset] = 1
        return screen

    def _observe(self) -> Tensor:
        return torch.stack([self._screen(), self.before], 1)

    def optimal_action(self) -> Tensor:
        """Return actions, int64 `(num_envs,)`, that catch every ball: go to where it will land.

        Of the three places from which the next ball is caught, the one nearest to where the last
        ball will land is best.
        """
        first, last = self._landing()
        best = last.clamp(first - 1, first + 1)
        goal = torch.where(self.row[:, 0] < self.side - 1, best, last)
        return (goal - self.paddle).sign() + 1

    def _landing(self) -> tuple[Tensor, Tensor]:
        """Return the columns in which the first ball and the last one reach the bottom row."""
        # Rows left to fall, times columns a row, round the edge.
        column = (self.column + (self.side - 1 - self.row) * self.drift) % self.side
        return column[:, 0], column[:, -1]
