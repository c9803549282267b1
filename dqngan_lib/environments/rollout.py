"""Walk through batches of episodes, with the ends of episodes told apart rightly."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from gymnasium.vector import AutoresetMode, VectorEnv
from torch import Tensor

from dqngan_lib.course.arguments import require

Policy = Callable[[Tensor], Tensor]
"""From observations `(environments, …)` to actions `(environments,)`."""


@dataclass
class Transition:
    """One step of several environments; every field has the environments as first dimension."""

    observation: Tensor
    """What the agent saw."""
    action: Tensor
    """What it did."""
    reward: Tensor
    """What it got, float32."""
    terminated: Tensor
    """Whether the episode came to its own end: nothing follows, so nothing is bootstrapped."""
    truncated: Tensor
    """Whether the episode was cut off, by a time limit say: its value went on."""
    next_observation: Tensor
    """What it would have seen next: at an end the last observation, never the new episode's."""
    valid: Tensor
    """False where the environment only reset itself, so that there is nothing to learn."""


class Rollout:
    """Steps a Gymnasium vector environment, whatever its autoreset mode.

    Gymnasium's vector environments start a new episode by themselves, in one of three ways
    (`gymnasium.vector.AutoresetMode`). NEXT_STEP spends one step on it, in which the action is
    ignored. SAME_STEP returns the new episode's first observation and hides the old one's last
    in `info["final_obs"]`. DISABLED waits for a call of `reset`. Confusing them stores
    transitions that never happened; here they all look alike.

    Args:
        envs: The environments. Their `metadata["autoreset_mode"]` is read.

    Raises:
        TypeError: `envs` is a single environment.
        ValueError: The autoreset mode is missing or unknown.
    """

    def __init__(self, envs: VectorEnv) -> None:
        if not hasattr(envs, "num_envs"):
            raise TypeError(
                "envs must be a vector environment, such as gymnasium.make_vec('CartPole-v1', "
                f"num_envs=8); got {type(envs).__name__}"
            )
        mode = envs.metadata.get("autoreset_mode")
        known = isinstance(mode, AutoresetMode)
        require(known, "envs.metadata['autoreset_mode']", mode, "an AutoresetMode")
        self.envs = envs
        self.mode = mode
        self.observation: Tensor | None = None

    def start(self, seed: int | None = None) -> Tensor:
        """Start a new episode in every environment and return the first observations."""
        observation, _ = self.envs.reset(seed=seed)
        self.observation = _copy(observation)
        self._resetting = torch.zeros(self.envs.num_envs, dtype=torch.bool)
        return self.observation

    def step(self, action: Tensor) -> Transition:
        """Take one action, int64 `(environments,)`, in every environment.

        Raises:
            RuntimeError: `start` has not been called.
        """
        if self.observation is None:
            raise RuntimeError("call start before step")
        before, valid = self.observation, ~self._resetting
        observation, reward, terminated, truncated, info = self.envs.step(action.cpu().numpy())
        observation, next_observation = _copy(observation), _copy(observation)
        terminated, truncated = _copy(terminated), _copy(truncated)
        ended = terminated | truncated
        if self.mode == AutoresetMode.NEXT_STEP:
            self._resetting = ended  # the step after an end is none: `valid` says so
        elif self.mode == AutoresetMode.SAME_STEP:
            # `observation` is the new episode's first; s′ of the old one is in `info`.
            for row in ended.nonzero().flatten().tolist():
                next_observation[row] = torch.as_tensor(info["final_obs"][row])
        elif ended.any():  # DISABLED: begin the new episodes ourselves
            observation, _ = self.envs.reset(options={"reset_mask": ended.numpy()})
            observation = _copy(observation)
        self.observation = observation
        reward = _copy(reward).float()
        return Transition(
            before, action.cpu(), reward, terminated, truncated, next_observation, valid
        )


def _copy(values: object) -> Tensor:
    """Return a tensor of its own: environments may write into their arrays again."""
    return torch.as_tensor(values).detach().clone()


def play(policy: Policy, envs: VectorEnv, seed: int, discount: float = 1.0) -> Tensor:
    """Return the returns of one fresh episode in each environment.

    One episode an environment, no more: among the episodes that end first, short ones are too
    many, and their mean would mislead.

    Args:
        policy: Maps observations to actions.
        envs: The environments. They are reset with `seed`.
        seed: Use another seed than in training.
        discount: γ; with 1 the return is the plain sum of rewards.

    Returns:
        float32 `(environments,)`.

    Raises:
        ValueError: The discount is out of its range.
    """
    require(0 <= discount <= 1, "discount", discount, "from 0 to 1")
    rollout = Rollout(envs)
    observation = rollout.start(seed)
    total = torch.zeros(envs.num_envs)
    weight = torch.ones(envs.num_envs)  # γᵗ of the episode that runs, 0 once it has ended
    while weight.any():
        step = rollout.step(policy(observation))
        total += weight * step.reward  # Σ γᵗ rₜ, (environments,)
        weight = weight * discount * ~(step.terminated | step.truncated)
        observation = rollout.observation
    return total
