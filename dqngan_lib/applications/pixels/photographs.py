"""Photographs to practise on and to be tested on, and holes in them.

All come with scikit-image and scikit-learn, so nothing is downloaded.
"""

from functools import cache

import numpy as np
import skimage.data
import torch
from sklearn.datasets import load_sample_image
from torch import Tensor
from torch.nn import functional

from dqngan_lib.course.arguments import require, whole
from dqngan_lib.metrics.pictures import psnr

PHOTO_SIDE = 256
"""Height and width, after a square is cut out of the middle."""

HOLE_SIZES = (24, 32, 40)
"""Sides of the square holes, each as likely."""

_MARGIN = 16
"""Pixels at each edge that no hole touches."""

_APART = 8
"""Pixels between two holes at least, so that no patch lies in both."""

PRACTICE = ("brick", "chelsea", "clock", "coins", "grass", "hubble", "motorcycle", "rocket")
HELD_OUT = ("astronaut", "camera", "china", "coffee", "flower", "gravel", "moon", "retina")
"""Every second one of sixteen in alphabetical order, so that nobody chose which are harder."""


@cache
def photograph(name: str) -> Tensor:
    """Return the middle of a photograph, float32 `(3, 256, 256)` in [0, 1].

    Args:
        name: One of `PRACTICE` or `HELD_OUT`.

    Raises:
        ValueError: There is no photograph of this name.
    """
    require(name in PRACTICE + HELD_OUT, "name", name, f"one of {PRACTICE + HELD_OUT}")
    if name in ("china", "flower"):
        array = load_sample_image(f"{name}.jpg")
    elif name == "motorcycle":
        array = skimage.data.stereo_motorcycle()[0]
    else:
        array = getattr(skimage.data, {"hubble": "hubble_deep_field"}.get(name, name))()
    array = np.ascontiguousarray(np.broadcast_to(array.T, (3, *array.T.shape[-2:])))
    picture = torch.from_numpy(array).mT.float() / 255  # grey ones get three equal planes
    side = min(picture.shape[1:])
    top, left = ((length - side) // 2 for length in picture.shape[1:])
    square = picture[None, :, top : top + side, left : left + side]
    size = (PHOTO_SIDE, PHOTO_SIDE)
    return functional.interpolate(square, size, mode="bilinear", antialias=True)[0].clamp(0, 1)


def photo_holes(
    count: int,
    rng: torch.Generator,
    away_from: Tensor | None = None,
    sizes: tuple[int, ...] = HOLE_SIZES,
) -> Tensor:
    """Return square holes of random sizes at random places that keep apart, bool `(count, …)`.

    Args:
        count: How many, at least 1.
        rng: Draws sizes and places.
        away_from: bool `(height, width)`; no hole comes nearer to it than 8 pixels. None for
            nothing, in a picture of 256 × 256.
        sizes: Sides to draw from.

    Raises:
        RuntimeError: There is no room for so many holes.
    """
    whole("count", count, 1)
    if away_from is None:
        away_from = torch.zeros(PHOTO_SIDE, PHOTO_SIDE, dtype=torch.bool)
    taken, holes = away_from.clone(), []
    for _ in range(1_000 * count):
        side = sizes[int(torch.randint(len(sizes), (), generator=rng))]
        free = [length - 2 * _MARGIN - side for length in taken.shape]
        require(min(free) >= 0, "sizes", side, f"small enough for {tuple(taken.shape)} pixels")
        top, left = (_MARGIN + int(torch.randint(n + 1, (), generator=rng)) for n in free)
        if taken[top - _APART : top + side + _APART, left - _APART : left + side + _APART].any():
            continue
        holes.append(torch.zeros_like(taken))
        holes[-1][top : top + side, left : left + side] = True
        taken |= holes[-1]
        if len(holes) == count:
            return torch.stack(holes)
    raise RuntimeError(f"no room for {count} holes that keep {_APART} pixels apart")


def held_out_holes(name: str) -> Tensor:
    """Return the holes in a photograph of `HELD_OUT`, always the same: 50 in all eight.

    Args:
        name: One of `HELD_OUT`.
    """
    require(name in HELD_OUT, "name", name, f"one of {HELD_OUT}")
    place = HELD_OUT.index(name)
    return photo_holes(7 if place < 2 else 6, torch.Generator().manual_seed(12 + place))


def photo_psnr(pictures: Tensor, originals: Tensor, holes: Tensor) -> Tensor:
    """Return the PSNR of each photograph inside its hole in decibels, at most 60, `(n,)`."""
    return psnr(pictures, originals, mask=holes.unsqueeze(1)).clamp(max=60).float()
