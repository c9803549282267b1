"""Small worlds as batches of episodes in torch tensors, with Gymnasium's vector interface.

`reset(seed=…)` returns observation and info; `step(action)` returns observation, reward,
terminated, truncated and info, each with the episodes as first dimension. An episode that ends
starts again in the same step (`AutoresetMode.SAME_STEP`), and `info["final_obs"]` holds what was
observed last. `SingleEpisode` shows one episode as an ordinary `gymnasium.Env`.
"""

from typing import Any, ClassVar

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper
from gymnasium.vector.utils import batch_space
from torch import Tensor

StepResult = tuple[Tensor, Tensor, Tensor, Tensor, dict[str, Any]]


class TorchVectorEnv(VectorEnv):
    """What the worlds below share: spaces, seeds, checked actions, and the start of new episodes.

    A world sets its tensors in `_begin(rows)`, moves in `_move(action)`, and shows itself in
    `_observe()`.
    """

    metadata: ClassVar[dict[str, Any]] = {
        "autoreset_mode": AutoresetMode.SAME_STEP,
        "render_modes": [],
    }

    def __init__(
        self, num_envs: int, observation_space: spaces.Space, actions: int, max_steps: int
    ) -> None:
        for name, value in (("num_envs", num_envs), ("max_steps", max_steps)):
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} must be a whole number >= 1; got {value!r}")
        self.num_envs = num_envs
        self.single_observation_space = observation_space
        self.single_action_space = spaces.Discrete(actions)
        self.observation_space = batch_space(observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.max_steps = max_steps
        self.generator = torch.Generator()
        self.generator.seed()
        self.time: Tensor | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Tensor, dict[str, Any]]:
        """Start a new episode in every environment; `options` has no use here."""
        if seed is not None:
            self.generator.manual_seed(seed)
        self.time = torch.zeros(self.num_envs, dtype=torch.long)
        self._begin(torch.ones(self.num_envs, dtype=torch.bool))
        return self._observe(), {}

    def step(self, action: Tensor | np.ndarray) -> StepResult:
        """Take one action, int `(num_envs,)`, in every environment.

        Raises:
            RuntimeError: `reset` has not been called.
            ValueError: The actions have another shape, or one is out of its range.
        """
        if self.time is None:
            raise RuntimeError("call reset before step")
        action = torch.as_tensor(action)
        actions = int(self.single_action_space.n)
        if action.shape != (self.num_envs,) or not ((action >= 0) & (action < actions)).all():
            raise ValueError(
                f"action must hold {self.num_envs} whole numbers from 0 to {actions - 1}; "
                f"got {action}"
            )
        self.time = self.time + 1
        reward, terminated = self._move(action.long())
        truncated = (self.time >= self.max_steps) & ~terminated
        ended = terminated | truncated
        observation, info = self._observe(), {}
        if ended.any():
            info = {"final_obs": observation, "_final_obs": ended}
            self.time = self.time * ~ended
            self._begin(ended)
            observation = self._observe()
        return observation, reward, terminated, truncated, info

    def _begin(self, rows: Tensor) -> None:
        """Start new episodes where `rows`, bool `(num_envs,)`, is true."""
        raise NotImplementedError

    def _move(self, action: Tensor) -> tuple[Tensor, Tensor]:
        """Change the world; return reward float32 and terminated bool, both `(num_envs,)`."""
        raise NotImplementedError

    def _observe(self) -> Tensor:
        """Return what is seen now, as a new tensor."""
        raise NotImplementedError


DEFAULT_LAYOUT = ("...G", ".#.P", "S...")
"""S start, G goal, P pit, # wall, . free: the classic 4 × 3 world of Russell and Norvig."""


class GridWorld(TorchVectorEnv):
    """A walker on a slippery floor that looks for a goal and should avoid a pit.

    The observation is the number of the walker's cell, row by row from the top left. Actions:
    0 up, 1 right, 2 down, 3 left. With probability `slip` the walker goes to one side of where
    it wanted to go, each side with `slip` / 2. Into a wall means to stay. Every step gives
    `step_reward`, reaching the goal 1 and the pit −1 on top, and both end the episode.

    Args:
        num_envs: The number of episodes at once.
        layout: Rows of equal length made of `S`, `G`, `P`, `#` and `.`, with exactly one `S`.
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
        layout: tuple[str, ...] = DEFAULT_LAYOUT,
        slip: float = 0.2,
        step_reward: float = -0.04,
        max_steps: int = 100,
    ) -> None:
        cells = "".join(layout)
        if len({len(row) for row in layout}) != 1 or set(cells) - set("SGP#."):
            raise ValueError(
                f"layout must have rows of equal length made of S G P # . ; got {layout}"
            )
        if cells.count("S") != 1 or not set(cells) & set("GP"):
            raise ValueError(f"layout must have exactly one S, and a G or P; got {layout}")
        if not 0 <= slip <= 1:
            raise ValueError(f"slip must be from 0 to 1; got {slip!r}")
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
            for turn, share in ((0, 1 - self.slip), (1, self.slip / 2), (3, self.slip / 2)):
                reached = self._next_cell[:, (action + turn) % 4]
                probability[everywhere, action, reached] += share
        reward = probability @ self.prize.double() + self.step_reward
        return probability * self.acting[:, None, None], reward * self.acting[:, None]

    def _begin(self, rows: Tensor) -> None:
        here = self.cell if hasattr(self, "cell") else torch.zeros(self.num_envs, dtype=torch.long)
        self.cell = torch.where(rows, self.start, here)

    def _move(self, action: Tensor) -> tuple[Tensor, Tensor]:
        luck = torch.rand(self.num_envs, generator=self.generator)
        turn = torch.where(luck < self.slip / 2, 1, torch.where(luck < self.slip, 3, 0))
        self.cell = self._next_cell[self.cell, (action + turn) % 4]
        return self.step_reward + self.prize[self.cell], self.terminal[self.cell]

    def _observe(self) -> Tensor:
        return self.cell.clone()


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
        if not isinstance(side, int) or side < 5:
            raise ValueError(f"side must be a whole number >= 5; got {side!r}")
        super().__init__(num_envs, spaces.Box(0, 1, (2, side, side), np.uint8), 3, side)
        self.side = side
        self.column = torch.zeros(num_envs, dtype=torch.long)
        self.drift = self.column.clone()
        self.paddle = self.column.clone()
        self.row = self.column.clone()
        self.before = torch.zeros(num_envs, side, side, dtype=torch.uint8)

    def _begin(self, rows: Tensor) -> None:
        def draw(low: int, high: int) -> Tensor:
            return torch.randint(low, high + 1, (self.num_envs,), generator=self.generator)

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
        self.before = self._screen()
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
        column = (self.column + (self.side - 1 - self.row) * self.drift) % self.side
        return (column - self.paddle).sign() + 1


class TruncationAsTermination(VectorWrapper):
    """Reports every truncation as a termination: the mistake, ready to be measured.

    Args:
        env: Any Gymnasium vector environment.
    """

    def step(self, actions: np.ndarray) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Step, and call every end an end of the episode's own."""
        observation, reward, terminated, truncated, info = self.env.step(actions)
        return observation, reward, terminated | truncated, truncated & False, info


class SingleEpisode(gymnasium.Env):
    """Shows one episode of a batch of one as an ordinary Gymnasium environment, in NumPy.

    For tools that expect such an environment: `gymnasium.utils.env_checker.check_env`, or
    Stable-Baselines3. Where every pixel is an agent, the reward is the sum of theirs.

    Args:
        envs: Any world of the course, with `num_envs=1`.

    Raises:
        ValueError: `envs` has more than one environment.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": []}

    def __init__(self, envs: VectorEnv) -> None:
        if envs.num_envs != 1:
            raise ValueError(f"envs must have num_envs=1; got {envs.num_envs}")
        self.envs = envs
        self.observation_space = envs.single_observation_space
        self.action_space = envs.single_action_space

    def _to_numpy(self, observation: Tensor | np.ndarray) -> Any:
        """Return the observation of the only episode in the type that the space expects."""
        if isinstance(self.observation_space, spaces.Discrete):
            return np.int64(observation[0].item())
        return np.asarray(observation[0])

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Start a new episode."""
        super().reset(seed=seed)
        observation, _ = self.envs.reset(seed=seed)
        return self._to_numpy(observation), {}

    def step(self, action: int | np.ndarray) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Take one action; at the end of an episode call `reset`."""
        observation, reward, terminated, truncated, info = self.envs.step(np.array([action]))
        observation = info.get("final_obs", observation)
        return (
            self._to_numpy(observation),
            reward.sum().item(),
            bool(terminated[0]),
            bool(truncated[0]),
            {},
        )
