"""Probe environments: worlds so small that their Q-values are known, one for each mistake.

An agent that has learnt gets all of them right. One that is wrong fails at the probe whose name
says why. Every probe comes in each of Gymnasium's three autoreset modes and, as some environments
do, writes into the same arrays at every step: who keeps them must copy them.
"""

from typing import Any, ClassVar

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

DISCOUNT = 0.5
"""γ for which the Q-values below are given."""


class Probe(VectorEnv):
    """Two actions, one number to observe; a probe says how an episode begins and goes on.

    Args:
        num_envs: The number of episodes at once.
        mode: How a new episode starts.
    """

    q_values: ClassVar[dict[float, tuple[float, float]]]
    """For each observation the exact Q-values of the two actions at γ = `DISCOUNT`."""
    starts: ClassVar[tuple[float, ...]] = (0.0,)
    """What an episode may start with, each with the same probability."""

    def __init__(self, num_envs: int = 8, mode: AutoresetMode = AutoresetMode.SAME_STEP) -> None:
        self.num_envs = num_envs
        self.metadata = {"autoreset_mode": mode}
        self.single_observation_space = spaces.Box(-9, 9, (1,), np.float32)
        self.single_action_space = spaces.Discrete(2)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.seen = np.zeros((num_envs, 1), np.float32)
        self.reward = np.zeros(num_envs, np.float64)
        self.terminated = np.zeros(num_envs, bool)
        self.truncated = np.zeros(num_envs, bool)
        self.resets_without_seed = 0

    def outcome(self, seen: float, action: int) -> tuple[float, bool, bool, float]:
        """Return reward, terminated, truncated and the next observation."""
        raise NotImplementedError

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start new episodes, everywhere or where `options["reset_mask"]` says."""
        if seed is not None:
            self.rng = np.random.default_rng(seed)
        mask = (options or {}).get("reset_mask", np.ones(self.num_envs, bool))
        self.begin(mask)
        self.ended = np.zeros(self.num_envs, bool)
        return self.seen, {}

    def begin(self, mask: np.ndarray) -> None:
        """Start new episodes where the mask is true."""
        self.seen[mask, 0] = self.rng.choice(self.starts, mask.sum())

    def step(
        self, action: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Take one action in each environment."""
        assert self.action_space.contains(action)
        mode, fresh, info = self.metadata["autoreset_mode"], self.ended.copy(), {}
        if mode == AutoresetMode.DISABLED:
            assert not fresh.any(), "step after the end of an episode"
        for row in range(self.num_envs):
            if fresh[row]:  # only in NEXT_STEP: this step is spent on the reset
                outcome = (0.0, False, False, self.rng.choice(self.starts))
            else:
                outcome = self.outcome(float(self.seen[row, 0]), int(action[row]))
            self.reward[row], self.terminated[row], self.truncated[row], self.seen[row, 0] = outcome
        self.ended = self.terminated | self.truncated
        if mode == AutoresetMode.SAME_STEP and self.ended.any():
            last = np.empty(self.num_envs, object)
            for row in self.ended.nonzero()[0]:
                last[row] = self.seen[row].copy()
            info = {"final_obs": last, "_final_obs": self.ended.copy()}
            self.begin(self.ended)
            self.ended = np.zeros(self.num_envs, bool)
        return self.seen, self.reward, self.terminated, self.truncated, info


class ConstantReward(Probe):
    """One step, reward 1. Fails when: the loss or its gradient is wrong, an end bootstrapped."""

    q_values: ClassVar = {0.0: (1.0, 1.0)}

    def outcome(self, seen: float, action: int) -> tuple[float, bool, bool, float]:
        """End with 1."""
        return 1.0, True, False, 0.0


class RewardByObservation(Probe):
    """One step, the reward is what is seen. Fails when: observations are mixed up in a batch."""

    q_values: ClassVar = {-1.0: (-1.0, -1.0), 1.0: (1.0, 1.0)}
    starts: ClassVar = (-1.0, 1.0)

    def outcome(self, seen: float, action: int) -> tuple[float, bool, bool, float]:
        """End with what is seen."""
        return seen, True, False, seen


class RewardDelayed(Probe):
    """Two steps, the second gives 1. Fails when: γ is not used, or used twice."""

    q_values: ClassVar = {0.0: (0.5, 0.5), 1.0: (1.0, 1.0)}

    def outcome(self, seen: float, action: int) -> tuple[float, bool, bool, float]:
        """Go from 0 to 1, then end."""
        return (0.0, False, False, 1.0) if seen == 0 else (1.0, True, False, 2.0)


class RewardByAction(Probe):
    """One step, action 1 is good and 0 is bad. Fails when: the wrong action's Q is moved."""

    q_values: ClassVar = {0.0: (-1.0, 1.0)}

    def outcome(self, seen: float, action: int) -> tuple[float, bool, bool, float]:
        """End with the action's reward."""
        return 2.0 * action - 1, True, False, 0.0


class RewardByBoth(Probe):
    """One step, which action is good depends on what is seen. Fails when: the two are mixed up."""

    q_values: ClassVar = {-1.0: (1.0, -1.0), 1.0: (-1.0, 1.0)}
    starts: ClassVar = (-1.0, 1.0)

    def outcome(self, seen: float, action: int) -> tuple[float, bool, bool, float]:
        """End with the reward of both."""
        return seen * (2.0 * action - 1), True, False, seen


class BestActionLater(Probe):
    """Two steps, only the second action counts. Fails when: the backup is no maximum."""

    q_values: ClassVar = {0.0: (0.5, 0.5), 1.0: (-1.0, 1.0)}

    def outcome(self, seen: float, action: int) -> tuple[float, bool, bool, float]:
        """Go from 0 to 1, then end with the action's reward."""
        return (0.0, False, False, 1.0) if seen == 0 else (2.0 * action - 1, True, False, 2.0)


class AlwaysTruncated(Probe):
    """Reward 1, cut off after every step: worth 1 / (1 − γ). Fails when: it counts as an end."""

    q_values: ClassVar = {0.0: (2.0, 2.0)}

    def outcome(self, seen: float, action: int) -> tuple[float, bool, bool, float]:
        """Be cut off with 1."""
        return 1.0, False, True, 0.0


class TerminatedAndTruncated(Probe):
    """Reward 1, and both flags at once: nothing follows, worth 1. Fails when: truncation wins."""

    q_values: ClassVar = {0.0: (1.0, 1.0)}

    def outcome(self, seen: float, action: int) -> tuple[float, bool, bool, float]:
        """End and be cut off with 1."""
        return 1.0, True, True, 0.0


class CutElsewhere(Probe):
    """From −1 to 1 for nothing, from 1 to −1 for 1, cut off after every step.

    Q(1) = 1 + γ Q(−1) and Q(−1) = γ Q(1). Fails when: the observation of the next episode, which
    is either, is taken for the last one of this, or a reset is stored as a step.
    """

    q_values: ClassVar = {-1.0: (2 / 3, 2 / 3), 1.0: (4 / 3, 4 / 3)}
    starts: ClassVar = (-1.0, 1.0)

    def outcome(self, seen: float, action: int) -> tuple[float, bool, bool, float]:
        """Be cut off on the other side."""
        return float(seen == 1), False, True, -seen


class LongWalk(Probe):
    """0, 1, 2, 3, with rewards ¼, 0, 0, 2: n rewards are summed, and γⁿ is used once.

    It starts at 0 or 2 and is cut off on the way from 1 to 2, in the midst of longer sums.
    """

    q_values: ClassVar = {0.0: (0.5, 0.5), 1.0: (0.5, 0.5), 2.0: (1.0, 1.0), 3.0: (2.0, 2.0)}
    starts: ClassVar = (0.0, 2.0)

    def outcome(self, seen: float, action: int) -> tuple[float, bool, bool, float]:
        """Go on by one."""
        return (0.25, 0.0, 0.0, 2.0)[int(seen)], seen == 3, seen == 1, seen + 1


PROBES = (
    ConstantReward,
    RewardByObservation,
    RewardDelayed,
    RewardByAction,
    RewardByBoth,
    BestActionLater,
    AlwaysTruncated,
    TerminatedAndTruncated,
    CutElsewhere,
    LongWalk,
)
