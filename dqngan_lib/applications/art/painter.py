"""Paint a photograph coarse to fine: whoever gives a number to every stroke can hold the brush."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from dqngan_lib.applications.art.brushes import (
    BRUSH_SHAPES,
    PATCH,
    REACH,
    STEP,
    Stroke,
    best_colour,
    lay_colour,
    stroke_at,
    stroke_mask,
)
from dqngan_lib.course.arguments import require, whole
from dqngan_lib.course.runtime import progress

Values = Callable[[Tensor, Tensor], Tensor]
"""From canvas and target, both `(1, 3, h, w)`, to a number a stroke, `(1, 16, h / 2, w / 2)`.

It may have an attribute `reach`: a value depends on no pixel more than so many places away.
"""

SCHEDULE = ((4, 40), (2, 130), (1, 330))
"""Coarse to fine: (how many times smaller the agent sees the picture, strokes laid so)."""

PAPER = 1.0
"""What is on the canvas before the first stroke, if nothing else is said: white."""

_NEAR = 2 * REACH
"""How far a stroke reaches, and the strokes that it touches, in places."""

_LEAST_GAIN = 1e-7
"""A fall of the mean squared error up to this is nothing."""

_TRIES = 4
"""Strokes that may be tried for each one that is asked for, with a palette."""

_FINER = 2.5
"""How many times as many strokes each level of `plan` gets as the one before it."""


def plan(height: int, width: int, strokes: int) -> tuple[tuple[int, int], ...]:
    """Return a schedule for a picture of any size, from a level of about a patch to the picture.

    Each level is twice as fine as the one before it and gets 2.5 times as many strokes.

    Args:
        height: Height of the picture in pixels, even.
        width: Width of the picture in pixels, even.
        strokes: How many strokes there are in all.

    Raises:
        ValueError: A number is out of its range.
    """
    for name, side in (("height", height), ("width", width)):
        whole(name, side, STEP)
        require(side % STEP == 0, name, side, "an even number")
    whole("strokes", strokes, 0)
    factors = [1]
    while min(height, width) // (2 * factors[-1]) >= PATCH and all(
        side % (2 * STEP * factors[-1]) == 0 for side in (height, width)
    ):
        factors.append(2 * factors[-1])
    shares = [_FINER**level for level in range(len(factors))]
    # Rounded sums, so that the strokes are as many as were asked for.
    ends = [round(strokes * sum(shares[:level]) / sum(shares)) for level in range(len(shares) + 1)]
    counts = [last - first for first, last in pairwise(ends)]
    return tuple(zip(reversed(factors), counts, strict=True))


@dataclass
class Painting:
    """A painted picture and how it came about."""

    canvas: Tensor
    """float `(3, height, width)` in [0, 1]."""
    ground: Tensor
    """Red, green and blue of the canvas before the first stroke, float `(3,)`."""
    strokes: list[Stroke] = field(default_factory=list)
    """In the order in which they were laid, in pixels of the canvas."""
    errors: list[float] = field(default_factory=list)
    """Mean squared error before the first stroke and after each."""

    @classmethod
    def start(
        cls, target: Tensor, schedule: Sequence[tuple[int, int]], ground: Tensor | None = None
    ) -> "Painting":
        """Return a blank canvas for a picture that is to be painted on these levels.

        Args:
            target: The picture, float `(3, height, width)` in [0, 1].
            schedule: Pairs of factor and number of strokes.
            ground: The colour of the blank canvas, float `(3,)` in [0, 1]; white paper if None.

        Raises:
            ValueError: The schedule is empty or holds other than whole numbers, the sides of the
                picture are no multiples of twice the greatest factor, or the ground is no colour.
        """
        require(len(schedule) > 0, "schedule", schedule, "at least one pair (factor, strokes)")
        for factor, count in schedule:
            whole("factor", factor, 1)
            whole("strokes", count, 0)
        least = STEP * max(factor for factor, _ in schedule)
        fits = target.dim() == 3 and target.shape[0] == 3
        fits = fits and all(side % least == 0 and side > 0 for side in target.shape[1:])
        allowed = f"(3, height, width) with sides that are multiples of {least}"
        require(fits, "target", tuple(target.shape), allowed)
        ground = torch.full((3,), PAPER) if ground is None else ground
        fits = ground.shape == (3,) and 0 <= ground.min() <= ground.max() <= 1
        require(bool(fits), "ground", ground.tolist(), "red, green and blue in [0, 1]")
        canvas = ground[:, None, None].repeat(1, *target.shape[1:])
        return cls(canvas, ground, [], [(target - canvas).square().mean().item()])

    def lay(self, target: Tensor, stroke: Stroke, colour: Tensor | None = None) -> None:
        """Lay a stroke, in its best colour if no colour `(3,)` is given; write the error down."""
        mask, window = stroke_mask(stroke, *target.shape[1:])
        place, flat = (slice(None), *window), mask.flatten()[None]
        before, wanted = self.canvas[place].flatten(1), target[place].flatten(1)
        colour = best_colour(before, wanted, flat) if colour is None else colour
        after = lay_colour(before, flat, colour)
        self.canvas[place] = after.unflatten(1, mask.shape)
        self.strokes.append(replace(stroke, colour=tuple(colour.tolist())))
        fall = (wanted - before).square().sum() - (wanted - after).square().sum()
        self.errors.append(self.errors[-1] - fall.item() / target.numel())

    def psnr(self) -> list[float]:
        """Return the PSNR in dB before the first stroke and after each."""
        return (-10 * torch.tensor(self.errors).clamp(min=1e-10).log10()).tolist()


class ValueMap:
    """What every stroke of one level is worth, kept up to date from stroke to stroke.

    A stroke changes the canvas under it, and a value looks no further than `reach` places. So
    after a stroke only the places within reach of it are valued again: the numbers are those of
    the whole map, for a small part of the work. Values without a `reach` are all asked again.

    Args:
        values: Gives a number to every stroke.
        canvas: float `(3, height, width)`.
        target: The same shape.
        factor: How many times smaller both are seen on this level.
    """

    def __init__(self, values: Values, canvas: Tensor, target: Tensor, factor: int) -> None:
        self.values, self.factor = values, factor
        self.canvas, self.target = (avg_pool2d(sheet[None], factor) for sheet in (canvas, target))
        self.worth = values(self.canvas, self.target)[0]
        """float `(planes, rows, columns)`."""
        self._best = self.worth.amax(2)  # (planes, rows): far fewer to search through

    def best(self, barred: Tensor | None = None) -> tuple[int, int, int]:
        """Return plane, row and column of the greatest value, of the first of equal ones.

        Args:
            barred: If given, bool like `worth`: strokes that are out of the question.
        """
        worth, best = self.worth, self._best
        if barred is not None:
            worth = worth.masked_fill(barred, -torch.inf)
            best = worth.amax(2)
        plane, row = divmod(int(best.argmax()), best.shape[1])
        return plane, row, int(worth[plane, row].argmax())

    def look_again(self, canvas: Tensor, stroke: Stroke) -> None:
        """Value again what a stroke that was laid on the canvas may have changed."""
        reach = getattr(self.values, "reach", None)
        if reach is None:
            self.canvas = avg_pool2d(canvas[None], self.factor)
            self.worth = self.values(self.canvas, self.target)[0]
            self._best = self.worth.amax(2)
            return
        _, window = stroke_mask(stroke, *canvas.shape[1:])
        # The changed places, those that see any of them, and what these see: each from, to.
        changed, valued, seen = [], [], []
        for part, count in zip(window, self.worth.shape[1:], strict=True):
            side = STEP * self.factor
            first, last = part.start // side, -(-part.stop // side)
            changed.append((first, last))
            valued.append((max(first - reach, 0), min(last + reach, count)))
            seen.append((max(first - 2 * reach, 0), min(last + 2 * reach, count)))
        small, large = (
            [slice(size * first, size * last) for first, last in changed]
            for size in (STEP, STEP * self.factor)
        )
        self.canvas[:, :, *small] = avg_pool2d(canvas[None, :, *large], self.factor)
        crop = [slice(STEP * first, STEP * last) for first, last in seen]
        worth = self.values(self.canvas[:, :, *crop], self.target[:, :, *crop])[0]
        inner = [slice(v[0] - s[0], v[1] - s[0]) for v, s in zip(valued, seen, strict=True)]
        rows, columns = (slice(*each) for each in valued)
        self.worth[:, rows, columns] = worth[:, *inner]
        self._best[:, rows] = self.worth[:, rows].amax(2)


def paint(
    values: Values,
    target: Tensor,
    schedule: Sequence[tuple[int, int]] = SCHEDULE,
    palette: Tensor | None = None,
    patient: bool = True,
    choices: Tensor | None = None,
    ground: Tensor | None = None,
) -> Painting:
    """Paint a picture, each time with the stroke of the greatest value.

    On each level of the schedule the painter sees canvas and picture made smaller by `factor`, so
    that its brushes are larger by as much. The stroke is laid on the picture itself, in the
    colour that is best there.

    Args:
        values: Gives a number to every stroke: `brush_gains` for exact greedy search.
        target: The picture, float `(3, height, width)` in [0, 1].
        schedule: Pairs of factor and number of strokes.
        palette: If given, float `(k, 3)`: the colour laid is the one of these that is nearest to
            the best colour. No other colour of the palette leaves a smaller error.
        patient: Whether, with a palette, a stroke that has brought nothing is taken back and left
            alone until another one within 8 places has changed the sheet. Up to 4 strokes a
            level are tried for each one asked for; so fewer may be laid.
        choices: If given, float `(k, 3)`: `values` then has (1 + k) · 16 planes and chooses the
            colour too. First come all strokes in their best colour, then all in each of these.
        ground: The colour of the blank canvas, float `(3,)`; white paper if None.

    Raises:
        ValueError: A factor or a number of strokes is no whole number, or the sides of the picture
            are no multiples of twice the greatest factor.
    """
    painting = Painting.start(target, schedule, ground)
    bar = progress(total=sum(count for _, count in schedule), label="painting")
    for laid in add_strokes(painting, values, target, schedule, palette, patient, choices):
        bar.update(laid - bar.n)
    bar.close()
    return painting


@torch.no_grad()
def add_strokes(
    painting: Painting,
    values: Values,
    target: Tensor,
    schedule: Sequence[tuple[int, int]],
    palette: Tensor | None = None,
    patient: bool = True,
    choices: Tensor | None = None,
) -> Iterator[int]:
    """Paint on a canvas, and say after each try how many strokes are on it; see `paint`."""
    careful = patient and palette is not None
    for factor, count in schedule:
        level = ValueMap(values, painting.canvas, target, factor)
        sides = [side // factor for side in target.shape[1:]]
        barred = torch.zeros_like(level.worth, dtype=torch.bool) if careful else None
        last = len(painting.strokes) + count
        for _ in range(_TRIES * count if careful else count):
            # The stroke of the greatest value, seen on the smaller picture.
            plane, row, column = level.best(barred)
            kind, shape = divmod(plane, BRUSH_SHAPES)
            rows, columns = level.worth.shape[1:]
            stroke = stroke_at((shape * rows + row) * columns + column, *sides, factor)
            # It is laid on the picture itself, in its best colour or the nearest there is.
            colour = None if palette is None else _nearest(painting.canvas, target, stroke, palette)
            colour = colour if kind == 0 else choices[kind - 1]
            before = painting.canvas.clone() if careful else None
            painting.lay(target, stroke, colour)
            if careful and painting.errors[-2] - painting.errors[-1] <= _LEAST_GAIN:
                painting.canvas = before
                painting.strokes.pop(), painting.errors.pop()
                barred[plane, row, column] = True
            else:
                level.look_again(painting.canvas, stroke)
                if careful:
                    near = [slice(max(at - _NEAR, 0), at + _NEAR + 1) for at in (row, column)]
                    barred[:, *near] = False
            yield len(painting.strokes)
            if len(painting.strokes) == last:
                break


def _nearest(canvas: Tensor, target: Tensor, stroke: Stroke, palette: Tensor) -> Tensor:
    """Return the colour of a palette that is nearest to the best colour of a stroke."""
    mask, window = stroke_mask(stroke, *target.shape[1:])
    place = (slice(None), *window)
    best = best_colour(canvas[place].flatten(1), target[place].flatten(1), mask.flatten()[None])
    return palette[(palette - best).square().sum(1).argmin()]


def random_values(seed: int = 0) -> Values:
    """Return a painter without aim: a number drawn for each stroke."""
    rng = torch.Generator().manual_seed(int(seed))

    def values(canvas: Tensor, target: Tensor) -> Tensor:
        rows, columns = canvas.shape[2] // STEP, canvas.shape[3] // STEP
        return torch.rand(len(canvas), BRUSH_SHAPES, rows, columns, generator=rng)

    return values
