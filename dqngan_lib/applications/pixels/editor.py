"""A world in which every pixel of a picture is an agent that edits itself (after PixelRL).

R. Furuta, N. Inoue, T. Yamasaki (2019), 1811.04323 and 1912.07190. At each of a few steps every
pixel chooses an action of an `ActionSet`; all act at once. A pixel's reward is the fall of its
own squared error.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from gymnasium.vector.utils import batch_space
from torch import Tensor

from dqngan_lib.applications.pixels.filters import ActionSet, bool_masks, grey
from dqngan_lib.course.arguments import require, whole
from dqngan_lib.environments.base import TorchVectorEnv
from dqngan_lib.environments.rollout import Policy

ERROR_SCALE = 30.0
"""What a squared error of 1, black for white, counts as: it gives Q-values of about 0.1 to 1."""


def observe(picture: Tensor, start: Tensor, mask: Tensor | None, progress: Tensor) -> Tensor:
    """Return what the pixels see: planes of the picture's size, one above the other.

    Args:
        picture: The picture now, float `(n, 1, height, width)`.
        start: The picture that the episode began with, of the same shape.
        mask: Where pixels may change, bool of the same shape, or None for everywhere.
        progress: Share of the steps already taken, float `(n,)`.

    Returns:
        float32 `(n, 3 or 4, height, width)`: picture, start, mask where there is one, progress.
    """
    planes = [picture, start] if mask is None else [picture, start, mask]
    clock = progress.view(-1, 1, 1, 1).expand_as(picture)
    return torch.cat([plane.float() for plane in (*planes, clock)], 1)


def error_reward(
    picture: Tensor, next_picture: Tensor, original: Tensor, scale: float = ERROR_SCALE
) -> Tensor:
    """Return r = scale · ((x − x*)² − (x′ − x*)²) of every pixel, `(n, height, width)`.

    Over an episode the rewards add up to the fall of the squared error.

    Args:
        picture: x before the step, float `(n, 1, height, width)`.
        next_picture: x′ after it.
        original: x*, what the picture should look like.
        scale: What a squared error of 1 counts as.
    """
    return scale * ((picture - original) ** 2 - (next_picture - original) ** 2).squeeze(1)


class PixelEditor(TorchVectorEnv):
    """Pictures to be restored by their own pixels.

    An episode begins with a picture drawn at random and terminates after `max_steps` steps. The
    observation is float32 `(planes, height, width)`; see `observe`. The action is one whole
    number for every pixel, `(num_envs, height, width)`, and so is the reward; see
    `error_reward`. Where there are masks, only pixels inside them change.

    A reward can be computed again from an observation and the next one: plane 0 of each is the
    picture, so nothing that is added to the reward later, from a network that goes on learning,
    need be stored.

    Args:
        num_envs: The number of pictures at once.
        starts: What the episodes begin with, float `(n, 1, height, width)` in [0, 1].
        originals: What the pictures should look like, of the same shape.
        actions: What a pixel may choose.
        masks: Where pixels may change, bool of the same shape; everywhere when None.
        max_steps: T, the steps of an episode.
        reward_scale: What a squared error of 1 counts as.

    Raises:
        TypeError: Pictures are not float tensors, or masks not bool.
        ValueError: The shapes differ, or a number is out of its range.
    """

    whole_episodes = True

    def __init__(
        self,
        num_envs: int,
        starts: Tensor,
        originals: Tensor,
        actions: ActionSet,
        *,
        masks: Tensor | None = None,
        max_steps: int = 5,
        reward_scale: float = ERROR_SCALE,
    ) -> None:
        self.starts = _pictures("starts", starts)
        self.originals = _pictures("originals", originals, starts.shape)
        self.masks = None if masks is None else bool_masks(masks, starts.shape)
        self.first = self.starts  # what the episodes begin with; a subclass may change it
        require(0 < reward_scale < float("inf"), "reward_scale", reward_scale, "a positive number")
        height, width = starts.shape[2:]
        planes = 3 if masks is None else 4
        seen = spaces.Box(0, 1, (planes, height, width), np.float32)
        super().__init__(num_envs, seen, len(actions), max_steps)
        self.single_action_space = spaces.MultiDiscrete(np.full((height, width), len(actions)))
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.actions, self.reward_scale = actions, reward_scale
        self.index = torch.zeros(num_envs, dtype=torch.long)
        self.picture = self.first[self.index]

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Tensor, dict[str, Any]]:
        """Begin with a new picture in every environment.

        Args:
            seed: Seed of the choice, or None to go on with the same random numbers.
            options: `{"index": int64 (num_envs,)}` says which pictures.

        Raises:
            ValueError: There is no picture of that number.
        """
        observation, info = super().reset(seed=seed)
        index = (options or {}).get("index")
        if index is None:
            return observation, info
        index, count = torch.as_tensor(index), len(self.starts)
        fits = index.shape == (self.num_envs,) and ((index >= 0) & (index < count)).all()
        require(fits, "index", index, f"{self.num_envs} whole numbers from 0 to {count - 1}")
        self.index = index.long()
        self.picture = self.first[self.index]
        return self._observe(), info

    def _checked(self, action: Tensor | np.ndarray) -> Tensor:
        action = torch.as_tensor(action)
        shape, count = self.action_space.shape, len(self.actions)
        if action.shape != shape or not ((action >= 0) & (action < count)).all():
            raise ValueError(
                f"action must have shape {shape} and hold whole numbers from 0 to {count - 1}; "
                f"got shape {tuple(action.shape)}, {action.min()} to {action.max()}"
            )
        return action.long()

    def _begin(self, rows: Tensor) -> None:
        self.index = torch.randint(len(self.starts), rows.shape, generator=self.rng)
        self.picture = self.first[self.index]

    def _move(self, action: Tensor) -> tuple[Tensor, Tensor]:
        before = self.picture
        self.picture = _edited(before, action, self.actions, self._mask())
        original = self.originals[self.index]
        reward = error_reward(before, self.picture, original, self.reward_scale)
        return reward, self.time == self.max_steps

    def _mask(self) -> Tensor | None:
        return None if self.masks is None else self.masks[self.index]

    def _observe(self) -> Tensor:
        progress = self.time / self.max_steps
        return observe(self.picture, self.starts[self.index], self._mask(), progress)


@dataclass
class Edits:
    """What became of pictures, step by step, and what their pixels did."""

    pictures: Tensor
    """float32 `(steps + 1, n, 1, height, width)`: the start first, the result last."""
    actions: Tensor
    """int64 `(steps, n, height, width)`."""

    @property
    def result(self) -> Tensor:
        """The pictures after the last step, `(n, 1, height, width)`."""
        return self.pictures[-1]

    @property
    def effective(self) -> Tensor:
        """The actions, but 0, no-op, where one changed its pixel by less than half a grey level.

        A black pixel that becomes darker stays black, and so does one that takes the median among
        black neighbours. All such actions are worth the same, so which one is chosen means nothing.
        """
        moved = (self.pictures[1:] - self.pictures[:-1]).abs().squeeze(2) >= 0.5 / 255
        return torch.where(moved, self.actions, 0)


def edit(
    policy: Policy,
    starts: Tensor,
    actions: ActionSet,
    *,
    masks: Tensor | None = None,
    seen: Tensor | None = None,
    steps: int = 5,
    part: int = 50,
) -> Edits:
    """Let a policy edit pictures whose originals nobody knows.

    Args:
        policy: From observations `(n, planes, height, width)` to actions `(n, height, width)`,
            such as `DQN.act`.
        starts: float `(n, 1, height, width)` in [0, 1], of any size.
        actions: What a pixel may choose.
        masks: Where pixels may change, bool of the same shape; everywhere when None.
        seen: What the pixels see beside the picture, of the same shape; the starts when None.
        steps: T, how often all pixels act. A policy has learnt for one T.
        part: Pictures that go through the policy together: what a processor's cache can hold.

    Raises:
        TypeError: The starts are not float tensors, or masks not bool.
        ValueError: The shapes differ, or a number is out of its range.
    """
    starts = _pictures("starts", starts)
    masks = None if masks is None else bool_masks(masks, starts.shape)
    seen = starts if seen is None else _pictures("seen", seen, starts.shape)
    whole("steps", steps, 1)
    whole("part", part, 1)
    trails, choices = [], []
    for rows in torch.arange(len(starts)).split(part):
        mask = None if masks is None else masks[rows]
        trail, chosen = [starts[rows]], []
        for number in range(steps):
            progress = torch.full((len(rows),), number / steps)
            chosen.append(policy(observe(trail[-1], seen[rows], mask, progress)))
            trail.append(_edited(trail[-1], chosen[-1], actions, mask))
        trails.append(torch.stack(trail))
        choices.append(torch.stack(chosen))
    return Edits(torch.cat(trails, 1), torch.cat(choices, 1))


def _edited(picture: Tensor, action: Tensor, actions: ActionSet, mask: Tensor | None) -> Tensor:
    """Let every pixel act, but those outside the mask."""
    after = actions.apply(picture, action)
    return after if mask is None else torch.where(mask, after, picture)


def _pictures(name: str, pictures: Tensor, shape: tuple[int, ...] | None = None) -> Tensor:
    """Return pictures as float32 after checking them."""
    pictures = grey(name, pictures, shape)
    require(len(pictures) > 0, name, tuple(pictures.shape), "(n, 1, height, width) with n >= 1")
    low, high = pictures.min().item(), pictures.max().item()
    require(low >= 0 and high <= 1, name, (low, high), "within [0, 1]")
    return pictures.float()
