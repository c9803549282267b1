"""Look beyond the next stroke: what later strokes will mend, and what they will cover."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import pad

from dqngan_lib.applications.art.brushes import (
    BRUSH_SHAPES,
    PATCH,
    PLACES,
    REACH,
    STEP,
    brush_gains,
    brush_table,
    lay_colour,
    stroke_at,
    stroke_mask,
)
from dqngan_lib.applications.art.networks import WINDOW
from dqngan_lib.applications.art.painter import Painting, ValueMap
from dqngan_lib.course.arguments import require

CAP = 0.05
"""Squared error of a pixel, summed over the channels, far above which a later stroke mends it."""

_BLOCK = 3
"""Of the strokes of one shape in so many places squared, one is a candidate."""

_CANDIDATES = 64
"""Strokes whose canvases are valued, those of the greatest gain."""

_ROUNDS = 4
"""Times that the colour of a candidate is worked out again."""

_SWEEPS = 60
"""Times that each colour is mixed again, given all others."""

_MOST_NUMBERS = 50_000_000
"""Strokes times pixels of the largest painting whose colours are mixed again."""


def mended(error: Tensor) -> Tensor:
    """Return the error that stays when later strokes have mended what is worst.

    φ(x) = c (1 − e^{−x/c}) is about x for a small error and never more than c: of an error far
    above c a later stroke will leave that much. So V(s) = Σ (x − φ(x)) is what is still to gain.

    Args:
        error: Squared error of pixels, summed over the channels.
    """
    return CAP * (1 - torch.exp(-error / CAP))


@torch.no_grad()
def paint_ahead(
    target: Tensor, schedule: Sequence[tuple[int, int]], ground: Tensor | None = None
) -> Painting:
    """Paint with the strokes of the greatest r + V(s′) among the 64 of the greatest gain r.

    With V of `mended` the sum r + V(s′) − V(s) is the fall of Σ φ, and the best colour is the one
    that lowers Σ φ most. On the finest level nothing comes later, and only r counts.

    Args:
        target: The picture, float `(3, height, width)` in [0, 1].
        schedule: Pairs of factor and number of strokes.
        ground: The colour of the blank canvas, float `(3,)`; white paper if None.

    Raises:
        ValueError: See `painter.paint`.
    """
    painting = Painting.start(target, schedule, ground)
    finest = min(factor for factor, _ in schedule)
    for factor, count in schedule:
        level = ValueMap(brush_gains, painting.canvas, target, factor)
        sides = [side // factor for side in target.shape[1:]]
        rows, columns = level.worth.shape[1:]
        for _ in range(count):
            (shape, row, column), colour = level.best(), None
            if factor > finest:
                shape, row, column, colour = _best_ahead(level)
            stroke = stroke_at((shape * rows + row) * columns + column, *sides, factor)
            painting.lay(target, stroke, colour)
            level.look_again(painting.canvas, stroke)
    return painting


def _best_ahead(level: ValueMap) -> tuple[int, int, int, Tensor]:
    """Return shape, row, column and colour of the candidate under which Σ φ falls most."""
    shapes, rows, columns = candidates(level.worth, _CANDIDATES)
    corner = STEP * (PLACES // 2 - REACH)  # what the middle place of a patch sees begins here
    masks = brush_table().view(BRUSH_SHAPES, PLACES, PLACES, PATCH, PATCH)
    masks = masks[:, PLACES // 2, PLACES // 2, corner:, corner:][:, :WINDOW, :WINDOW].flatten(1)
    c, t, inside = (
        _around(sheet, rows, columns)
        for sheet in (level.canvas, level.target, torch.ones_like(level.canvas[:, :1]))
    )
    m = masks[shapes][:, None] * inside  # (64, 1, pixels)
    d = t - (1 - m) * c
    before = mended((t - c).square().sum(1))
    weight = torch.ones_like(m)
    for _ in range(_ROUNDS):
        # The least Σ φ is the least squares with the weights φ'(x) = e^{−x/c} of its own errors.
        colour = (weight * m * d).sum(2) / (weight * m.square()).sum(2).clamp(min=1e-6)
        colour = colour.clamp(0, 1)
        error = (t - lay_colour(c, m, colour)).square().sum(1)
        weight = torch.exp(-error / CAP)[:, None]
    best = int((before - mended(error)).sum(1).argmax())
    return int(shapes[best]), int(rows[best]), int(columns[best]), colour[best]


def candidates(worth: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return shapes, rows and columns of strokes of great value that are not all alike.

    Of the strokes of one shape in 3 × 3 places only the best is taken.

    Args:
        worth: Values of all strokes, float `(shapes, rows, columns)`.
        count: How many; fewer where there are not so many.
    """
    rows, columns = worth.shape[1:]
    padded = pad(worth, (0, -columns % _BLOCK, 0, -rows % _BLOCK), value=-torch.inf)
    blocks = padded.unfold(1, _BLOCK, _BLOCK).unfold(2, _BLOCK, _BLOCK)
    value, inner = blocks.flatten(3).max(3)  # (shapes, rows / 3, columns / 3)
    top = value.flatten().topk(min(count, value.numel())).indices
    shape, row, column = torch.unravel_index(top, value.shape)
    inner = inner.flatten()[top]
    return shape, _BLOCK * row + inner // _BLOCK, _BLOCK * column + inner % _BLOCK


def _around(sheet: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return the pixels that each place sees, `(places, planes, pixels)`; beyond the edge is 0."""
    wide = pad(sheet, (STEP * REACH,) * 4)[0]
    line = torch.arange(WINDOW)
    down = (STEP * rows[:, None] + line)[:, :, None]
    right = (STEP * columns[:, None] + line)[:, None]
    return wide[:, down, right].transpose(0, 1).flatten(2)


def mix_again(painting: Painting, target: Tensor) -> Painting:
    """Return the same strokes in the colours that are best together: mixed in hindsight.

    A stroke's best colour is that for all it covers when it is laid. Later strokes will cover a
    part of it. When all strokes are known, the canvas is a sum over them, Σ k_i a_i, with
    a_i = m_i Π_{j > i} (1 − m_j) for what is seen of stroke i in the end. So the best colours are
    a problem of least squares, solved here one colour after the other, within [0, 1].

    Args:
        painting: Stays as it is.
        target: The picture, float `(3, height, width)` in [0, 1].

    Raises:
        ValueError: Strokes times pixels are more than 50 million.
    """
    height, width = target.shape[1:]
    count = len(painting.strokes)
    allowed = f"at most {_MOST_NUMBERS:,} with {count} strokes"
    require(count * height * width <= _MOST_NUMBERS, "strokes · pixels", count, allowed)
    seen, left = torch.zeros(count, height, width), torch.ones(height, width)
    for i in reversed(range(count)):
        mask, window = stroke_mask(painting.strokes[i], height, width)
        seen[i][window] = mask * left[window]
        left[window] *= 1 - mask
    seen = seen.flatten(1)
    missing = (target - left * painting.ground[:, None, None]).flatten(1)
    shared, wanted = seen @ seen.T, seen @ missing.T
    colours = torch.tensor([stroke.colour for stroke in painting.strokes])
    for _ in range(_SWEEPS):
        for i in range(count):
            if shared[i, i] > 1e-6:  # something of it is seen
                step = (wanted[i] - shared[i] @ colours) / shared[i, i]
                colours[i] = (colours[i] + step).clamp(0, 1)
    again = Painting.start(target, ((1, count),), painting.ground)
    for stroke, colour in zip(painting.strokes, colours, strict=True):
        again.lay(target, stroke, colour)
    return again
