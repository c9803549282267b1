"""What the worlds share: batches of episodes in torch tensors, with Gymnasium's vector interface.

`reset(seed=…)` returns observation and info; `step(action)` returns observation, reward,
terminated, truncated and info, each with the episodes as first dimension. An episode that ends
starts again in the same step (`AutoresetMode.SAME_STEP`), and `info["final_obs"]` holds what was
observed last. A new world is a subclass of `TorchVectorEnv`: `grid_world` is the example.
"""

from typing import Any, ClassVar

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper
from gymnasium.vector.utils import batch_space
from torch import Tensor

from dqngan_lib.course.arguments import positive_sizes, require, whole_numbers

StepResult = tuple[Tensor, Tensor, Tensor, Tensor, dict[str, Any]]


class TorchVectorEnv(VectorEnv):
    """Spaces, seeds, checked actions, and the start of new episodes.

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
        positive_sizes(num_envs=num_envs, max_steps=max_steps)
        self.num_envs = num_envs
        self.single_observation_space = observation_space
        self.single_action_space = spaces.Discrete(actions)
        self.observation_space = batch_space(observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.max_steps = max_steps
        self.rng = torch.Generator()
        self.rng.seed()
        self.time: Tensor | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Tensor, dict[str, Any]]:
        """Start a new episode in every environment; `options` has no use here."""
        if seed is not None:
            self.rng.manual_seed(seed)
        self.time = torch.zeros(self.num_envs, dtype=torch.long)
        self._begin(torch.ones(self.num_envs, dtype=torch.bool))
        return self._observe(), {}

    def step(self, action: Tensor | np.ndarray) -> StepResult:
        """Take one action, int `(num_envs,)` or of the action space's shape, in every environment.

        Raises:
            RuntimeError: `reset` has not been called.
            ValueError: The actions have another shape, or one is out of its range.
        """
        if self.time is None:
            raise RuntimeError("call reset before step")
        action = self._checked(action)
        self.time = self.time + 1
        reward, terminated = self._move(action)
        truncated = (self.time >= self.max_steps) & ~terminated
        ended = terminated | truncated  # (num_envs,); only `terminated` stops the bootstrap
        observation, info = self._observe(), {}
        if ended.any():
            info = {"final_obs": observation, "_final_obs": ended}
            self.time = self.time * ~ended
            self._begin(ended)
            observation = self._observe()
        return observation, reward, terminated, truncated, info

    def _checked(self, action: Tensor | np.ndarray) -> Tensor:
        """Return the actions as int64, or say what is wrong with them."""
        most = int(self.single_action_space.n) - 1
        return whole_numbers("action", action, self.num_envs, most)

    def _begin(self, rows: Tensor) -> None:
        """Start new episodes where `rows`, bool `(num_envs,)`, is true."""
        raise NotImplementedError

    def _move(self, action: Tensor) -> tuple[Tensor, Tensor]:
        """Change the world; return reward float32 and terminated bool, both `(num_envs,)`."""
        raise NotImplementedError

    def _observe(self) -> Tensor:
        """Return what is seen now, as a new tensor."""
        raise NotImplementedError


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
        require(envs.num_envs == 1, "envs", envs.num_envs, "a batch of one, num_envs=1")
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
