"""Paint a photograph coarse to fine: whoever gives a number to every stroke can hold the brush."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from dqngan_lib.applications.art.brushes import (
    BRUSH_SHAPES,
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
"""From canvas and target, both `(1, 3, h, w)`, to a number a stroke, `(1, 16, h / 2, w / 2)`."""

SCHEDULE = ((4, 40), (2, 130), (1, 330))
"""Coarse to fine: (how many times smaller the agent sees the picture, strokes laid so)."""

PAPER = 1.0
"""What is on the canvas before the first stroke: white."""

_NEAR = 8
"""How far a stroke reaches, and the strokes that it touches, in places."""

_LEAST_GAIN = 1e-7
"""A fall of the mean squared error up to this is nothing."""

_TRIES = 4
"""Strokes that may be tried for each one that is asked for, with a palette."""


@dataclass
class Painting:
    """A painted picture and how it came about."""

    canvas: Tensor
    """float `(3, height, width)` in [0, 1]."""
    strokes: list[Stroke] = field(default_factory=list)
    """In the order in which they were laid, in pixels of the canvas."""
    errors: list[float] = field(default_factory=list)
    """Mean squared error before the first stroke and after each."""

    @classmethod
    def start(cls, target: Tensor, schedule: Sequence[tuple[int, int]]) -> "Painting":
        """Return white paper for a picture that is to be painted on these levels.

        Raises:
            ValueError: The schedule is empty or holds other than whole numbers, or the sides of
                the picture are no multiples of twice the greatest factor.
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
        canvas = torch.full_like(target, PAPER)
        return cls(canvas, [], [(target - canvas).square().mean().item()])

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


@torch.no_grad()
def paint(
    values: Values,
    target: Tensor,
    schedule: Sequence[tuple[int, int]] = SCHEDULE,
    palette: Tensor | None = None,
    patient: bool = True,
    choices: Tensor | None = None,
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

    Raises:
        ValueError: A factor or a number of strokes is no whole number, or the sides of the picture
            are no multiples of twice the greatest factor.
    """
    painting = Painting.start(target, schedule)
    height, width = target.shape[1:]
    bar = progress(total=sum(count for _, count in schedule), label="painting")
    for factor, count in schedule:
        small = avg_pool2d(target[None], factor)
        rows, columns = height // factor // STEP, width // factor // STEP
        kinds = 1 if choices is None else 1 + len(choices)
        useless = torch.zeros(kinds * BRUSH_SHAPES, rows, columns, dtype=torch.bool)
        last = len(painting.strokes) + count
        careful = patient and palette is not None
        for _ in range(_TRIES * count if careful else count):
            # The stroke of the greatest value, seen on the smaller picture.
            worth = values(avg_pool2d(painting.canvas[None], factor), small)[0]
            number = int(worth.masked_fill(useless, -torch.inf).argmax())
            kind, number = divmod(number, BRUSH_SHAPES * rows * columns)
            stroke = stroke_at(number, height // factor, width // factor, factor)
            # It is laid on the picture itself, in its best colour or the nearest there is.
            colour = None if palette is None else _nearest(painting.canvas, target, stroke, palette)
            colour = colour if kind == 0 else choices[kind - 1]
            before = painting.canvas.clone()
            painting.lay(target, stroke, colour)
            shape, place = divmod(number, rows * columns)
            row, column = divmod(place, columns)
            if careful and painting.errors[-2] - painting.errors[-1] <= _LEAST_GAIN:
                painting.canvas = before
                painting.strokes.pop(), painting.errors.pop()
                useless[shape, row, column] = True
            else:
                near = [slice(max(at - _NEAR, 0), at + _NEAR + 1) for at in (row, column)]
                useless[:, near[0], near[1]] = False
            bar.update(len(painting.strokes) - bar.n)
            if len(painting.strokes) == last:
                break
    bar.close()
    return painting


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
