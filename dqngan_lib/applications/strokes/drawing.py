"""A set of 3,136 strokes, how ink is laid down, and the painter that always takes the best one.

A stroke is a soft capsule: all points within `HALF_WIDTH` of a short line, with an edge that
fades over one pixel. It has a start on a 14 × 14 grid, one of 8 directions and one of 2 lengths.
Its number is `shape · 196 + row · 14 + column` with `shape = direction · 2 + length`. Number
3,136 is the no-op, which lays down nothing.

Pictures are rows of 784 numbers here, ink 1 and paper 0.
"""

import math
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from dqngan_lib.course.arguments import require, whole
from dqngan_lib.course.runtime import progress

SIDE = 28
"""Height and width of a picture in pixels."""

PIXELS = SIDE * SIDE
"""Numbers of a picture as a row: 784."""

GRID = 14
"""Starts in a row, and rows of starts: one every two pixels."""

DIRECTIONS = 8
"""Direction k points 45° · k clockwise from the right (rows are counted downwards)."""

LENGTHS = (4.0, 8.0)
"""Lengths of a stroke in pixels, without its round ends."""

HALF_WIDTH = 1.1
"""Distance from the line at which the ink begins to fade, less half a pixel, in pixels."""

SHAPES = DIRECTIONS * len(LENGTHS)
"""Kinds of strokes that can begin at one start."""

NO_OP = SHAPES * GRID * GRID
"""The number of the action that lays down nothing: 3,136."""

ACTIONS = NO_OP + 1
"""How many actions there are."""


def capsule(
    start: tuple[float, float],
    end: tuple[float, float],
    half_width: float = HALF_WIDTH,
    side: int = SIDE,
) -> Tensor:
    """Return the ink of one stroke, float32 `(side, side)` in [0, 1].

    A pixel at distance d from the line between `start` and `end` gets `half_width + ½ − d`,
    kept within [0, 1]: full ink near the line, and an edge one pixel wide.

    Args:
        start: Row and column; the centre of the first pixel is (0.5, 0.5).
        end: Row and column.
        half_width: Half the stroke's width in pixels.
        side: Height and width of the picture in pixels.
    """
    centres = torch.arange(side) + 0.5
    pixel = torch.stack(torch.meshgrid(centres, centres, indexing="ij"), -1)
    a, b = torch.tensor(start), torch.tensor(end)
    length = (b - a).square().sum().clamp(min=1e-12)
    along = (((pixel - a) * (b - a)).sum(-1) / length).clamp(0, 1)
    distance = (pixel - a - along[..., None] * (b - a)).norm(dim=-1)
    return (half_width + 0.5 - distance).clamp(0, 1)


def stroke_number(row: int, column: int, direction: int, length: int) -> int:
    """Return the number of a stroke from its start, its direction and which length it has.

    Raises:
        ValueError: An argument is out of its range.
    """
    whole("row", row, 0, GRID - 1)
    whole("column", column, 0, GRID - 1)
    whole("direction", direction, 0, DIRECTIONS - 1)
    whole("length", length, 0, len(LENGTHS) - 1)
    return ((direction * len(LENGTHS) + length) * GRID + row) * GRID + column


def stroke_line(number: int) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return where a stroke starts and ends, each as row and column in pixels.

    Raises:
        ValueError: It is not the number of a stroke; the no-op has no line.
    """
    whole("number", number, 0, NO_OP - 1)
    shape, place = divmod(int(number), GRID * GRID)
    (row, column), (direction, length) = divmod(place, GRID), divmod(shape, len(LENGTHS))
    step = SIDE / GRID
    start = (row + 0.5) * step, (column + 0.5) * step
    angle = math.tau * direction / DIRECTIONS
    reach = LENGTHS[length]
    return start, (start[0] + reach * math.sin(angle), start[1] + reach * math.cos(angle))


@cache
def stroke_table() -> Tensor:
    """Return the ink of every action, float32 `(3137, 784)`; the last row is the no-op's: zeros."""
    rows = [capsule(*stroke_line(number)).flatten() for number in range(NO_OP)]
    return torch.stack([*rows, torch.zeros(PIXELS)])


def lay(canvas: Tensor, action: Tensor) -> Tensor:
    """Return canvases with one more stroke: c + m (1 − c), ink on what was still paper.

    Args:
        canvas: float `(n, 784)` in [0, 1].
        action: int64 `(n,)`, 0 to 3,136.
    """
    ink = stroke_table().index_select(0, action)
    return canvas + ink * (1 - canvas)


def canvases(actions: Tensor) -> Tensor:
    """Return the canvas before the first stroke and after each, float `(n, strokes + 1, 784)`.

    Args:
        actions: int64 `(n, strokes)`.
    """
    shown = [torch.zeros(len(actions), PIXELS)]
    for action in actions.unbind(1):
        shown.append(lay(shown[-1], action))
    return torch.stack(shown, 1)


def stroke_gains(canvas: Tensor, target: Tensor) -> Tensor:
    """Return by how much each action would lower the squared error, float `(n, 3137)`.

    With error e = x − c and paper u = 1 − c, a stroke m turns Σ e² into Σ (e − m u)². So it gains
    2 Σ m (e u) − Σ m² u²: two matrix products give it for all strokes and all pictures at once.

    Args:
        canvas: What is on the canvas, float `(n, 784)` in [0, 1].
        target: What should be there, of the same shape.

    Raises:
        ValueError: The shapes are others.
    """
    shapes = tuple(canvas.shape), tuple(target.shape)
    fits = shapes[0] == shapes[1] and shapes[0][1:] == (PIXELS,)
    require(fits, "canvas and target", shapes, f"both (n, {PIXELS})")
    table, squares = stroke_table(), _stroke_squares()
    paper = 1 - canvas
    # 2 Σ m (e u) − Σ m² u²: (n, 784) times (784, 3137).
    return 2 * ((target - canvas) * paper) @ table.T - paper.square() @ squares.T


@cache
def _stroke_squares() -> Tensor:
    return stroke_table().square()


@dataclass(frozen=True)
class Painted:
    """What a painter did."""

    actions: Tensor
    """int64 `(n, strokes)`."""
    images: Tensor
    """The finished pictures, float `(n, 1, 28, 28)` in [0, 1]."""


def paint_greedily(
    images: Tensor, strokes: int = 10, least_gain: float = 0.0, part: int = 500
) -> Painted:
    """Repaint pictures, each time with the stroke that lowers the squared error most.

    Every stroke is tried: no search over single strokes can do better. (A sequence can be better
    than one greedy step after the other.) Among equals the one with the lowest number is taken.

    Args:
        images: float `(n, 1, 28, 28)` in [0, 1].
        strokes: How many actions a picture gets.
        least_gain: When no stroke gains more than this, the rest of the actions are no-ops.
        part: Pictures worked on together: what memory and caches like.

    Raises:
        ValueError: The images have another shape, or a number is out of its range.
    """
    fits = images.shape[1:] == (1, SIDE, SIDE) and len(images) > 0
    require(fits, "images", tuple(images.shape), f"(n, 1, {SIDE}, {SIDE}) with n >= 1")
    whole("strokes", strokes, 1)
    require(least_gain >= 0, "least_gain", least_gain, ">= 0")
    parts = progress(images.flatten(1).split(part), label="painting")
    painted = [_paint(target, strokes, least_gain) for target in parts]
    actions, canvas = (torch.cat(pieces) for pieces in zip(*painted, strict=True))
    return Painted(actions, canvas.reshape(-1, 1, SIDE, SIDE))


def _paint(target: Tensor, strokes: int, least_gain: float) -> tuple[Tensor, Tensor]:
    """Repaint one part; return actions and canvases."""
    canvas, actions = torch.zeros_like(target), []
    for _ in range(strokes):
        gain, action = stroke_gains(canvas, target)[:, :NO_OP].max(1)
        actions.append(torch.where(gain > least_gain, action, NO_OP))
        canvas = lay(canvas, actions[-1])
    return torch.stack(actions, 1), canvas
