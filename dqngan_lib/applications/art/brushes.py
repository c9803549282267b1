"""Strokes in colour: soft capsules of two sizes, the best colour of each, and what each would gain.

A stroke is a mask: how much of each pixel it covers, from 0 to 1. It has a centre on a grid with
one place every two pixels, one of 8 directions and one of 2 sizes. On a sheet of h × w places its
number is `shape · h · w + row · w + column` with `shape = size · 8 + direction`. A patch of
28 × 28 pixels has 14 × 14 places: 3,136 strokes.

The colour is no part of the number. It is computed: the one that leaves the least squared error.
"""

import math
from dataclasses import dataclass, replace
from functools import cache

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from dqngan_lib.applications.strokes.drawing import capsule
from dqngan_lib.course.arguments import require, whole

PATCH = 28
"""Height and width of the patches that a painter learns on, in pixels."""

STEP = 2
"""Pixels between two places."""

BRUSH_DIRECTIONS = 8
"""Direction k points 22.5° · k clockwise from the right; half a turn gives the same stroke."""

SIZES = ((10.0, 3.0), (5.0, 1.3))
"""The large and the small brush: length without the round ends, and half the width, in pixels."""

BRUSH_SHAPES = BRUSH_DIRECTIONS * len(SIZES)
"""Kinds of strokes that can be laid at one place."""

PLACES = PATCH // STEP
"""Places in a row of a patch."""

REACH = 4
"""A stroke touches no pixel more than so many places from its own: 18 × 18 pixels around it."""

BRUSH_ACTIONS = BRUSH_SHAPES * PLACES * PLACES
"""Strokes of a patch: 3,136."""


@dataclass(frozen=True)
class Stroke:
    """One stroke of a painting, in pixels of the picture it was made for."""

    row: float
    """Centre, counted downwards."""
    column: float
    """Centre, counted to the right."""
    angle: float
    """Radians clockwise from the right."""
    length: float
    """Length without the round ends."""
    half_width: float
    """Half the width."""
    colour: tuple[float, float, float]
    """Red, green and blue in [0, 1]."""

    def scaled(self, factor: float) -> "Stroke":
        """Return the same stroke on a picture that is so many times as large."""
        sizes = ("row", "column", "length", "half_width")
        return replace(self, **{name: factor * getattr(self, name) for name in sizes})


def stroke_at(
    number: int, height: int, width: int, scale: int = 1, colour: tuple = (0.0, 0.0, 0.0)
) -> Stroke:
    """Return the stroke with a number on a sheet.

    Args:
        number: From 0 to shapes · places − 1.
        height: Height of the sheet in pixels, even.
        width: Width of the sheet in pixels, even.
        scale: How many times as large the picture is for which the stroke is meant.
        colour: Red, green, blue.

    Raises:
        ValueError: There is no such stroke.
    """
    rows, columns = height // STEP, width // STEP
    whole("number", number, 0, BRUSH_SHAPES * rows * columns - 1)
    shape, place = divmod(int(number), rows * columns)
    (size, direction), (row, column) = divmod(shape, BRUSH_DIRECTIONS), divmod(place, columns)
    length, half_width = SIZES[size]
    middle = STEP * (row + 0.5), STEP * (column + 0.5)
    angle = math.pi * direction / BRUSH_DIRECTIONS
    return Stroke(*middle, angle, length, half_width, tuple(colour)).scaled(scale)


def stroke_mask(stroke: Stroke, height: int, width: int) -> tuple[Tensor, tuple[slice, slice]]:
    """Return the part of a picture's mask that is not zero, and where it lies.

    A pixel at distance d from the stroke's line is covered by `half_width + ½ − d`, kept within
    [0, 1], as in `strokes.capsule`; only the pixels near the stroke are worked out.

    Returns:
        The mask `(h, w)`, and the rows and columns of the picture that it covers; both may be
        empty for a stroke outside the picture.
    """
    down, right = math.sin(stroke.angle), math.cos(stroke.angle)
    reach = stroke.half_width + 0.5
    window = []
    for middle, share, size in ((stroke.row, down, height), (stroke.column, right, width)):
        half = abs(share) * stroke.length / 2 + reach
        first = min(max(math.floor(middle - half), 0), size)
        window.append(slice(first, max(min(math.ceil(middle + half), size), first)))
    along, aside = stroke_axes(stroke, *window)
    beyond = (along.abs() - stroke.length / 2).clamp(min=0)
    distance = (beyond.square() + aside.square()).sqrt()
    return (reach - distance).clamp(0, 1), tuple(window)


def stroke_axes(stroke: Stroke, rows: slice, columns: slice) -> tuple[Tensor, Tensor]:
    """Return how far pixels of a window lie from a stroke's centre, along it and to its side."""
    down, right = math.sin(stroke.angle), math.cos(stroke.angle)
    y = (torch.arange(rows.start, rows.stop) + 0.5 - stroke.row)[:, None]
    x = torch.arange(columns.start, columns.stop) + 0.5 - stroke.column
    return y * down + x * right, y * right - x * down


def best_colour(canvas: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Return the colour that leaves the least squared error under a stroke, in [0, 1].

    The canvas becomes c + m (k − c). With d = t − (1 − m) c, what the paint should add, the error
    Σ (d − m k)² of a channel is least at k = Σ m d / Σ m²; beyond 0 or 1 the nearer end is best.

    Args:
        canvas: float `(…, 3, pixels)`.
        target: The same shape.
        mask: float `(…, 1, pixels)`, not zero everywhere.

    Returns:
        float `(…, 3)`.
    """
    wanted = target - (1 - mask) * canvas  # d
    # k = Σ m d / Σ m²
    return ((mask * wanted).sum(-1) / mask.square().sum(-1).clamp(min=1e-8)).clamp(0, 1)


def lay_colour(canvas: Tensor, mask: Tensor, colour: Tensor) -> Tensor:
    """Return the canvas under a stroke: c + m (k − c).

    Args:
        canvas: float `(…, 3, pixels)`.
        mask: float `(…, 1, pixels)`.
        colour: float `(…, 3)`.
    """
    return canvas + mask * (colour[..., None] - canvas)


@cache
def brush_table() -> Tensor:
    """Return the masks of all strokes of a patch, float32 `(3136, 784)`."""
    table = torch.zeros(BRUSH_ACTIONS, PATCH, PATCH)
    for number, sheet in enumerate(table):
        mask, window = stroke_mask(stroke_at(number, PATCH, PATCH), PATCH, PATCH)
        sheet[window] = mask
    return table.flatten(1)


@cache
def _kernels(size: int) -> Tensor:
    """Return the masks of one brush in all directions as kernels `(8, 1, side, side)`."""
    length, half_width = SIZES[size]
    half = math.ceil(length / 2 + half_width + 0.5)
    masks = []
    for k in range(BRUSH_DIRECTIONS):
        angle = math.pi * k / BRUSH_DIRECTIONS
        down, right = math.sin(angle) * length / 2, math.cos(angle) * length / 2
        ends = (half - down, half - right), (half + down, half + right)
        masks.append(capsule(*ends, half_width, 2 * half))
    return torch.stack(masks)[:, None]


def _sums(maps: Tensor, kernels: Tensor) -> Tensor:
    """Return Σ kernel · map around each place: `(n, maps, 8, rows, columns)`."""
    pad = kernels.shape[-1] // 2 - STEP // 2
    flat = conv2d(maps.flatten(0, 1)[:, None], kernels, stride=STEP, padding=pad)
    return flat.unflatten(0, maps.shape[:2])


def brush_gains(canvas: Tensor, target: Tensor) -> Tensor:
    """Return by how much each stroke in its best colour would lower the squared error.

    With e = t − c and d = e + m c, a stroke in colour k turns Σ e² into Σ (d − m k)². So it gains
    k (2 Σ m d − k Σ m²) − 2 Σ m e c − Σ m² c², summed over the channels. The four sums around
    every place at once are correlations of the picture with the masks.

    Args:
        canvas: float `(n, 3, height, width)` in [0, 1], height and width even.
        target: The same shape.

    Returns:
        float `(n, 16, height / 2, width / 2)`; below 0 where a stroke would spoil more than help.

    Raises:
        ValueError: The shapes are others.
    """
    fits = canvas.dim() == 4 and canvas.shape == target.shape and canvas.shape[1] == 3
    fits = fits and canvas.shape[2] % STEP == 0 and canvas.shape[3] % STEP == 0
    shapes = tuple(canvas.shape), tuple(target.shape)
    require(fits, "canvas and target", shapes, "both (n, 3, height, width), the sides even")
    error = target - canvas
    linear = torch.cat([error, (error * canvas).sum(1, keepdim=True)], 1)
    square = torch.cat([canvas, canvas.square().sum(1, keepdim=True)], 1)
    gains = []
    for size in range(len(SIZES)):
        kernels = _kernels(size)
        first, second = _sums(linear, kernels), _sums(square, kernels.square())
        area = _sums(torch.ones_like(canvas[:1, :1]), kernels.square())
        wanted = first[:, :3] + second[:, :3]
        colour = (wanted / area).clamp(0, 1)
        paid = (colour * (2 * wanted - colour * area)).sum(1)
        # k (2 Σ m d − k Σ m²) − 2 Σ m e c − Σ m² c², best colour by best colour.
        gains.append(paid - 2 * first[:, 3] - second[:, 3])
    return torch.cat(gains, 1)


brush_gains.reach = REACH  # so that `painter.paint` need not work out the whole map anew
