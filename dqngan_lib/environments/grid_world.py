"""A grid world: a walker on a slippery floor, a goal and a pit."""

import torch
from gymnasium import spaces
from torch import Tensor

from dqngan_lib.course.arguments import require
from dqngan_lib.environments.base import TorchVectorEnv

_LAYOUT = ("...G", ".#.P", "S...")
"""The classic 4 × 3 world of Russell and Norvig."""


class GridWorld(TorchVectorEnv):
    """A walker on a slippery floor that looks for a goal and should avoid a pit.

    The observation is the number of the walker's cell, row by row from the top left. Actions:
    0 up, 1 right, 2 down, 3 left. With probability `slip` the walker goes to one side of where
    it wanted to go, each side with `slip` / 2. Into a wall means to stay. Every step gives
    `step_reward`, reaching the goal 1 and the pit −1 on top, and both end the episode.

    Args:
        num_envs: The number of episodes at once.
        layout: Rows of equal length made of `S` start, `G` goal, `P` pit, `#` wall and `.` free,
            with exactly one `S`; by default the 4 × 3 world of Russell and Norvig.
        slip: Probability from 0 to 1.
        step_reward: Given at every step.
        max_steps: After so many steps an episode is truncated.

    Raises:
        ValueError: An argument is out of its range.
    """

    ACTIONS = ("up", "right", "down", "left")

    def __init__(
        self,
        num_envs: int = 1,
        layout: tuple[str, ...] = _LAYOUT,
        slip: float = 0.2,
        step_reward: float = -0.04,
        max_steps: int = 100,
    ) -> None:
        cells = "".join(layout)
        regular = len({len(row) for row in layout}) == 1 and not set(cells) - set("SGP#.")
        require(regular, "layout", layout, "rows of equal length made of S G P # .")
        complete = cells.count("S") == 1 and set(cells) & set("GP")
        require(bool(complete), "layout", layout, "rows with exactly one S, and a G or P")
        require(0 <= slip <= 1, "slip", slip, "from 0 to 1")
        super().__init__(num_envs, spaces.Discrete(len(cells)), len(self.ACTIONS), max_steps)
        self.layout = tuple(layout)
        self.height, self.width = len(layout), len(layout[0])
        self.slip = slip
        self.step_reward = step_reward
        self.start = cells.index("S")
        self.terminal = torch.tensor([cell in "GP" for cell in cells])
        self.wall = torch.tensor([cell == "#" for cell in cells])
        self.acting = ~(self.terminal | self.wall)
        self.prize = torch.tensor([{"G": 1.0, "P": -1.0}.get(cell, 0.0) for cell in cells])
        self._next_cell = self._neighbours()

    def _neighbours(self) -> Tensor:
        """Return int64 `(cells, 4)`: where each action leads when the walker does not slip."""
        moves = ((-1, 0), (0, 1), (1, 0), (0, -1))
        result = torch.arange(self.height * self.width).repeat(4, 1).T.clone()
        for cell in range(self.height * self.width):
            for action, (down, right) in enumerate(moves):
                row, column = cell // self.width + down, cell % self.width + right
                inside = 0 <= row < self.height and 0 <= column < self.width
                if inside and not self.wall[row * self.width + column]:
                    result[cell, action] = row * self.width + column
        return result

    def model(self) -> tuple[Tensor, Tensor]:
        """Return the transition probabilities and the expected rewards.

        Returns:
            P float64 `(cells, 4, cells)` with P[s, a, s′] the probability of s′ after action a
            in cell s, and r float64 `(cells, 4)`. In terminal cells and walls both are 0:
            nothing follows.
        """
        cells = self.height * self.width
        probability = torch.zeros(cells, 4, cells, dtype=torch.float64)
        everywhere = torch.arange(cells)
        for action in range(4):
            # Straight on with 1 − slip, a quarter turn to either side with slip / 2 each.
            for turn, share in ((0, 1 - self.slip), (1, self.slip / 2), (3, self.slip / 2)):
                reached = self._next_cell[:, (action + turn) % 4]
                probability[everywhere, action, reached] += share
        # r(s, a) = Σ P(s′ | s, a) prize(s′) + step reward, (cells, 4)
        reward = probability @ self.prize.double() + self.step_reward
        return probability * self.acting[:, None, None], reward * self.acting[:, None]

    def _begin(self, rows: Tensor) -> None:
        here = self.cell if hasattr(self, "cell") else torch.zeros(self.num_envs, dtype=torch.long)
        self.cell = torch.where(rows, self.start, here)

    def _move(self, action: Tensor) -> tuple[Tensor, Tensor]:
        luck = torch.rand(self.num_envs, generator=self.rng)
        # An action is a quarter turn: 1 more is to its right, 3 more to its left.
        turn = torch.where(luck < self.slip / 2, 1, torch.where(luck < self.slip, 3, 0))
        self.cell = self._next_cell[self.cell, (action + turn) % 4]
        return self.step_reward + self.prize[self.cell], self.terminal[self.cell]

    def _observe(self) -> Tensor:
        return self.cell.clone()
