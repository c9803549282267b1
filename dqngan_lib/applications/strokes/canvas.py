"""Two worlds of strokes: draw the digit that is asked for, or copy the digit that is shown.

Observations are rows of uint8, so that a replay buffer stays small: ink times 255, rounded, and
then the small numbers that say what to draw and how many strokes have been laid down.
"""

from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from dqngan_lib.applications.strokes.drawing import ACTIONS, NO_OP, PIXELS, SIDE, canvases, lay
from dqngan_lib.course.arguments import positive_sizes, require
from dqngan_lib.dqn.replay import Batch
from dqngan_lib.environments.base import TorchVectorEnv


def _to_bytes(canvas: Tensor) -> Tensor:
    """Return ink in [0, 1] as whole numbers from 0 to 255, uint8 of the same shape."""
    return (canvas * 255).round().to(torch.uint8)


def pictures(observation: Tensor) -> Tensor:
    """Return the canvases that observations show, float `(n, 1, 28, 28)` in [0, 1]."""
    return observation[:, :PIXELS].reshape(-1, 1, SIDE, SIDE).float() / 255


class StrokeCanvas(TorchVectorEnv):
    """A sheet of paper, and a class of digit that somebody asks for.

    The observation is uint8 `(786,)`: the 784 pixels of the canvas, the number of strokes so far,
    and the class. An action is the number of a stroke or the no-op. After `strokes` actions the
    episode terminates. The reward is always 0: what pays is a discriminator, outside.

    Args:
        num_envs: The number of canvases at once.
        strokes: Actions of an episode.
        classes: Classes are drawn from 0 to classes − 1, all alike; `reset` can ask for others.
    """

    whole_episodes = False
    """An observation is a single state, not the tokens of an episode; see `DQNGAN`."""

    def __init__(self, num_envs: int = 1, strokes: int = 10, classes: int = 10) -> None:
        positive_sizes(strokes=strokes, classes=classes)
        high = np.concatenate([np.full(PIXELS, 255), [strokes, classes - 1]]).astype(np.uint8)
        space = spaces.Box(np.zeros_like(high), high, dtype=np.uint8)
        super().__init__(num_envs, space, ACTIONS, strokes)
        self.classes = classes
        self.canvas = torch.zeros(num_envs, PIXELS)
        self.label = torch.zeros(num_envs, dtype=torch.long)
        self._asked: Tensor | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Tensor, dict[str, Any]]:
        """Start new episodes; `options={"labels": …}`, int64 `(num_envs,)`, asks for classes.

        Raises:
            ValueError: The labels have another shape, or one is out of its range.
        """
        labels = (options or {}).get("labels")
        if labels is not None:
            labels = torch.as_tensor(labels)
            fits = labels.shape == (self.num_envs,) and not labels.is_floating_point()
            fits = fits and bool(((labels >= 0) & (labels < self.classes)).all())
            allowed = f"{self.num_envs} whole numbers from 0 to {self.classes - 1}"
            require(fits, "labels", labels, allowed)
            labels = labels.long()
        self._asked = labels
        result = super().reset(seed=seed)
        self._asked = None
        return result

    def _begin(self, rows: Tensor) -> None:
        drawn = torch.randint(self.classes, (self.num_envs,), generator=self.rng)
        self.label = torch.where(rows, drawn if self._asked is None else self._asked, self.label)
        self.canvas = self.canvas * ~rows[:, None]

    def _move(self, action: Tensor) -> tuple[Tensor, Tensor]:
        self.canvas = lay(self.canvas, action)
        return torch.zeros(self.num_envs), self.time >= self.max_steps

    def _observe(self) -> Tensor:
        return _observation(self.canvas, self.time, self.label)


def _observation(canvas: Tensor, *numbers: Tensor) -> Tensor:
    """Return canvases and further numbers side by side, uint8."""
    columns = [number.to(torch.uint8)[:, None] for number in numbers]
    return torch.cat([_to_bytes(canvas), *columns], 1)


def real_steps(actions: Tensor, labels: Tensor) -> Batch:
    """Return the states and actions of finished drawings, as `StrokeCanvas` would show them.

    Args:
        actions: int64 `(n, strokes)`, such as `paint_greedily` gives.
        labels: The class of each drawing, int64 `(n,)`.

    Returns:
        `observation` uint8 `(n · strokes, 786)` and `action` int64 `(n · strokes,)`.

    Raises:
        ValueError: The shapes do not fit.
    """
    shapes = tuple(actions.shape), tuple(labels.shape)
    fits = len(shapes[0]) == 2 and shapes[1] == shapes[0][:1]
    require(fits, "actions and labels", shapes, "(n, strokes) and (n,)")
    count, strokes = actions.shape
    observation = torch.empty(count, strokes, PIXELS + 2, dtype=torch.uint8)
    for part in torch.arange(count).split(1_000):
        observation[part, :, :PIXELS] = _to_bytes(canvases(actions[part])[:, :-1])
    observation[:, :, PIXELS] = torch.arange(strokes)
    observation[:, :, PIXELS + 1] = labels[:, None]
    return {"observation": observation.flatten(0, 1), "action": actions.flatten()}


class CopyCanvas(TorchVectorEnv):
    """A sheet of paper beside a digit that is to be copied.

    The observation is uint8 `(1569,)`: the 784 pixels of the canvas, the 784 pixels of the digit,
    and the number of strokes so far. A stroke is paid by what it changes: the fall of the squared
    error Σ (digit − canvas)², divided by `unit`. The no-op puts the pen down: it pays 0 and the
    episode terminates, as it does after `strokes` strokes.

    Args:
        num_envs: The number of canvases at once.
        images: The digits to copy, float `(n, 1, 28, 28)` in [0, 1].
        strokes: The greatest number of strokes.
        unit: How much squared error is worth a reward of 1.
        in_order: Whether episode k of a fresh reset copies picture k; else pictures are drawn.

    Raises:
        ValueError: The images have another shape, or a number is out of its range.
    """

    def __init__(
        self,
        num_envs: int,
        images: Tensor,
        strokes: int = 12,
        unit: float = 10.0,
        in_order: bool = False,
    ) -> None:
        positive_sizes(strokes=strokes)
        require(unit > 0, "unit", unit, "> 0")
        fits = images.shape[1:] == (1, SIDE, SIDE) and len(images) > 0
        require(fits, "images", tuple(images.shape), f"(n, 1, {SIDE}, {SIDE}) with n >= 1")
        allowed = f"at most {len(images)}, as many as there are images, when in_order"
        require(not in_order or num_envs <= len(images), "num_envs", num_envs, allowed)
        high = np.concatenate([np.full(2 * PIXELS, 255), [strokes]]).astype(np.uint8)
        space = spaces.Box(np.zeros_like(high), high, dtype=np.uint8)
        super().__init__(num_envs, space, ACTIONS, strokes)
        self.images, self.unit, self.in_order = images.flatten(1), unit, in_order
        self.canvas = torch.zeros(num_envs, PIXELS)
        self.target = torch.zeros(num_envs, PIXELS)

    def _begin(self, rows: Tensor) -> None:
        which = torch.randint(len(self.images), (self.num_envs,), generator=self.rng)
        if self.in_order:
            which = torch.arange(self.num_envs)
        self.target = torch.where(rows[:, None], self.images[which], self.target)
        self.canvas = self.canvas * ~rows[:, None]

    def _error(self) -> Tensor:
        return (self.target - self.canvas).square().sum(1)

    def _move(self, action: Tensor) -> tuple[Tensor, Tensor]:
        before = self._error()
        self.canvas = lay(self.canvas, action)
        ended = (action == NO_OP) | (self.time >= self.max_steps)
        # r = (Σ (x − c)² − Σ (x − c′)²) / unit
        return (before - self._error()) / self.unit, ended

    def _observe(self) -> Tensor:
        time = self.time.to(torch.uint8)[:, None]
        return torch.cat([_to_bytes(self.canvas), _to_bytes(self.target), time], 1)
