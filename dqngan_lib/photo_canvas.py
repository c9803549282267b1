"""Patches to learn painting on, and the world in which a painter lays coloured strokes on them.

Observations are rows of uint8, so that a replay memory stays small: the canvas times 255, then
the patch times 255, each `(3, 28, 28)` flattened.
"""

from collections.abc import Sequence

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from dqngan_lib.arguments import positive_sizes, require, whole
from dqngan_lib.brushes import ACTIONS, PATCH, best_colour, brush_table, lay_colour
from dqngan_lib.environments import TorchVectorEnv
from dqngan_lib.painter import PAPER

PIXELS = PATCH * PATCH
NUMBERS = 2 * 3 * PIXELS
"""Numbers in an observation: 4,704."""


def photo_patches(pictures: Sequence[Tensor], count: int, seed: int = 0) -> Tensor:
    """Return square pieces of pictures, of all sizes, made 28 × 28.

    The side of a piece is drawn from 28 pixels to the whole picture, its logarithm evenly; so a
    patch may be a detail or all there is. Each is turned by quarters of a turn and mirrored at
    random, and its colour channels change places: more kinds of pictures than there are.

    Args:
        pictures: float `(3, height, width)` in [0, 1], the sides at least 28.
        count: How many patches.
        seed: Seed of what is drawn.

    Returns:
        float `(count, 3, 28, 28)`.

    Raises:
        ValueError: There is no picture, or one is too small.
    """
    positive_sizes(count=count)
    fits = len(pictures) > 0 and all(min(p.shape[1:]) >= PATCH for p in pictures)
    require(fits, "pictures", [tuple(p.shape) for p in pictures], "(3, h, w) with sides >= 28")
    random = np.random.default_rng(seed)
    patches = []
    for _ in range(count):
        picture = pictures[random.integers(len(pictures))]
        least = min(picture.shape[1:])
        side = round(PATCH * (least / PATCH) ** random.random())
        row, column = (random.integers(size - side + 1) for size in picture.shape[1:])
        piece = picture[None, :, row : row + side, column : column + side]
        small = interpolate(piece, (PATCH, PATCH), mode="bilinear", antialias=True)[0]
        turned = small.rot90(int(random.integers(4)), (1, 2))
        turned = turned.flip(2) if random.random() < 0.5 else turned
        patches.append(turned[random.permutation(3)])
    return torch.stack(patches).clamp(0, 1)


def plain_patches(count: int, seed: int = 0) -> Tensor:
    """Return patches like a clear sky: one colour, or two that run into each other.

    Args:
        count: How many patches.
        seed: Seed of what is drawn.

    Returns:
        float `(count, 3, 28, 28)` in [0, 1].
    """
    positive_sizes(count=count)
    random = torch.Generator().manual_seed(int(seed))
    first, second = torch.rand(2, count, 3, 1, 1, generator=random)
    second = torch.where(torch.rand(count, 1, 1, 1, generator=random) < 0.3, first, second)
    angle = torch.rand(count, 1, 1, generator=random) * 2 * torch.pi
    line = torch.linspace(-1, 1, PATCH)
    along = line[:, None] * angle.sin() + line * angle.cos()
    share = (0.5 + 0.5 * along / 2**0.5)[:, None]
    return first + share * (second - first)


class PhotoCanvas(TorchVectorEnv):
    """A sheet of paper beside a patch of a photograph that is to be copied in colour.

    The observation is uint8 `(4704,)`. An action is the number of a stroke; its colour is the best
    one. A stroke is paid by what it changes: the fall of the squared error, divided by `unit`.
    After `strokes` strokes the episode is truncated: a painting has no end of its own, and the
    painter sees no clock.

    Half of the episodes begin on white paper, the others on a coarse painting: the patch itself
    in blocks of 14 or 7 pixels of one colour.

    Args:
        num_envs: The number of sheets at once.
        patches: float `(n, 3, 28, 28)` in [0, 1].
        strokes: After how many strokes an episode is cut off.
        unit: How much squared error is worth a reward of 1.
        in_order: Whether episode k of a fresh reset copies patch k on white paper, to compare.

    Raises:
        ValueError: The patches have another shape, or a number is out of its range.
    """

    def __init__(
        self,
        num_envs: int,
        patches: Tensor,
        strokes: int = 30,
        unit: float = 10.0,
        in_order: bool = False,
    ) -> None:
        positive_sizes(strokes=strokes)
        require(unit > 0, "unit", unit, "> 0")
        if patches.dim() != 4 or tuple(patches.shape[1:]) != (3, PATCH, PATCH) or not len(patches):
            raise ValueError(
                f"patches must be (n, 3, {PATCH}, {PATCH}) with n >= 1; got {tuple(patches.shape)}"
            )
        if in_order:
            whole("num_envs", num_envs, 1, len(patches))
        space = spaces.Box(0, 255, (NUMBERS,), np.uint8)
        super().__init__(num_envs, space, ACTIONS, strokes)
        self.patches, self.unit, self.in_order = patches.flatten(2), unit, in_order
        self.canvas = torch.full((num_envs, 3, PIXELS), PAPER)
        self.target = torch.zeros(num_envs, 3, PIXELS)

    def _begin(self, rows: Tensor) -> None:
        count = self.num_envs
        which = torch.randint(len(self.patches), (count,), generator=self.generator)
        luck = torch.rand(count, generator=self.generator)
        if self.in_order:
            which, luck = torch.arange(count), torch.zeros(count)
        target = self.patches[which]
        start = torch.full_like(target, PAPER)
        for least, block in ((0.5, 14), (0.65, 7)):
            coarse = avg_pool2d(target.unflatten(2, (PATCH, PATCH)), block)
            blocks = coarse.repeat_interleave(block, 2).repeat_interleave(block, 3).flatten(2)
            start = torch.where((luck > least)[:, None, None], blocks, start)
        self.target = torch.where(rows[:, None, None], target, self.target)
        self.canvas = torch.where(rows[:, None, None], start, self.canvas)

    def _error(self) -> Tensor:
        return (self.target - self.canvas).square().sum((1, 2))

    def _move(self, action: Tensor) -> tuple[Tensor, Tensor]:
        before, mask = self._error(), brush_table()[action][:, None]
        colour = best_colour(self.canvas, self.target, mask)
        self.canvas = lay_colour(self.canvas, mask, colour)
        return (before - self._error()) / self.unit, torch.zeros(self.num_envs, dtype=torch.bool)

    def _observe(self) -> Tensor:
        both = torch.cat([self.canvas, self.target], 1).flatten(1)
        return (both * 255).round().to(torch.uint8)
