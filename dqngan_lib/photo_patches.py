"""Patches to learn painting on: pieces of photographs, and plain ones like a clear sky."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from dqngan_lib.arguments import positive_sizes, require
from dqngan_lib.brushes import PATCH


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
