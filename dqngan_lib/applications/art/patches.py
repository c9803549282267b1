"""Patches to learn painting on: pieces of photographs, and plain ones like a clear sky."""

from collections.abc import Sequence

import numpy as np
import torch
from scipy.stats import wasserstein_distance
from torch import Tensor
from torch.nn.functional import interpolate, unfold

from dqngan_lib.applications.art.brushes import PATCH
from dqngan_lib.course.arguments import positive_sizes, require


def photo_patches(
    pictures: Sequence[Tensor], count: int, seed: int = 0, *, recolour: bool = True
) -> Tensor:
    """Return square pieces of pictures, of all sizes, made 28 × 28.

    The side of a piece is drawn from 28 pixels to the whole picture, its logarithm evenly; so a
    patch may be a detail or all there is. Each is turned by quarters of a turn and mirrored at
    random, and its colour channels change places: more kinds of pictures than there are.

    Args:
        pictures: float `(3, height, width)` in [0, 1], the sides at least 28.
        count: How many patches.
        seed: Seed of what is drawn.
        recolour: Whether the channels change places.

    Returns:
        float `(count, 3, 28, 28)`.

    Raises:
        ValueError: There is no picture, or one is too small.
    """
    positive_sizes(count=count)
    fits = len(pictures) > 0 and all(min(p.shape[1:]) >= PATCH for p in pictures)
    require(fits, "pictures", [tuple(p.shape) for p in pictures], "(3, h, w) with sides >= 28")
    rng = np.random.default_rng(seed)
    patches = []
    for _ in range(count):
        picture = pictures[rng.integers(len(pictures))]
        least = min(picture.shape[1:])
        side = round(PATCH * (least / PATCH) ** rng.random())
        row, column = (rng.integers(size - side + 1) for size in picture.shape[1:])
        piece = picture[None, :, row : row + side, column : column + side]
        small = interpolate(piece, (PATCH, PATCH), mode="bilinear", antialias=True)[0]
        turned = small.rot90(int(rng.integers(4)), (1, 2))
        turned = turned.flip(2) if rng.random() < 0.5 else turned
        patches.append(turned[rng.permutation(3)] if recolour else turned)
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
    rng = torch.Generator().manual_seed(int(seed))
    first, second = torch.rand(2, count, 3, 1, 1, generator=rng)
    second = torch.where(torch.rand(count, 1, 1, 1, generator=rng) < 0.3, first, second)
    angle = torch.rand(count, 1, 1, generator=rng) * 2 * torch.pi
    line = torch.linspace(-1, 1, PATCH)
    along = line[:, None] * angle.sin() + line * angle.cos()
    share = (0.5 + 0.5 * along / 2**0.5)[:, None]
    return first + share * (second - first)


def style_distance(picture: Tensor, style: Tensor, side: int = 3, directions: int = 64) -> float:
    """Return the sliced Wasserstein distance between the small patches of two pictures.

    Rabin et al. 2012; for textures Heitz et al. 2021, 2006.07229. A patch of side × side pixels
    is a point in 3 · side² dimensions. Along a random direction each picture is a set of numbers,
    and the distance of two sets is the Wasserstein distance in one dimension (notebook 06). It is
    averaged over the directions, the same at each call.

    Args:
        picture: float `(3, height, width)`, the sides at least `side`.
        style: The same; its size may differ.
        side: Height and width of a patch.
        directions: How many.

    Raises:
        ValueError: A picture is too small.
    """
    shapes = tuple(picture.shape), tuple(style.shape)
    fits = all(len(s) == 3 and s[0] == 3 and min(s[1:]) >= side for s in shapes)
    require(fits, "picture and style", shapes, f"(3, h, w) with sides >= {side}")
    ways = np.random.default_rng(0).normal(size=(3 * side**2, directions))
    ways /= np.linalg.norm(ways, axis=0)
    first, second = (unfold(p[None], side)[0].T.numpy() @ ways for p in (picture, style))
    pairs = zip(first.T, second.T, strict=True)
    return float(np.mean([wasserstein_distance(x, y) for x, y in pairs]))
