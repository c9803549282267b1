"""Render the strokes of a painting again, at any size and with other brushes: oil, chalk, dots."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from dqngan_lib.applications.art.brushes import Stroke, stroke_axes, stroke_mask
from dqngan_lib.applications.art.painter import Painting
from dqngan_lib.course.arguments import require, whole

LOOKS = ("plain", "oil", "chalk", "dots")
"""Plain is what the painter has learnt with; the others change the look, not the plan."""

_BRISTLES = 12
"""Bristles across an oil brush."""


def render(painting: Painting, scale: int = 3, look: str = "oil", seed: int = 0) -> Tensor:
    """Lay the strokes of a painting on a canvas that is `scale` times as large.

    - `plain`: soft capsules.
    - `oil`: bristles leave streaks along the stroke, lighter and darker, and a ragged end.
    - `chalk`: the paint stays on the heights of a rough paper.
    - `dots`: a disc of the same area in the place of each stroke.

    Args:
        painting: Its strokes are laid again, on a canvas of its ground.
        scale: Pixels for each pixel.
        look: One of `LOOKS`.
        seed: Seed of bristles and paper.

    Returns:
        float `(3, height · scale, width · scale)` in [0, 1].

    Raises:
        ValueError: The look is unknown.
    """
    return next(render_steps(painting, scale, look, seed))


def render_steps(
    painting: Painting,
    scale: int = 3,
    look: str = "oil",
    seed: int = 0,
    stops: Sequence[int] | None = None,
) -> Iterator[Tensor]:
    """Yield the canvas after so many strokes, for each number in `stops`; see `render`.

    Args:
        painting: See `render`, as for the other arguments.
        scale: Pixels for each pixel.
        look: One of `LOOKS`.
        seed: Seed of bristles and paper.
        stops: Numbers of strokes from 0 to all, none less than the one before; without them,
            after the last.

    Raises:
        ValueError: The look is unknown, there are not so many strokes, or a stop is out of order.
    """
    require(look in LOOKS, "look", look, f"one of {', '.join(LOOKS)}")
    whole("scale", scale, 1)
    strokes = painting.strokes
    stops = [len(strokes)] if stops is None else list(stops)
    for stop in stops:
        whole("stops", stop, 0, len(strokes))
    require(stops == sorted(stops), "stops", stops, "in rising order")
    rng = torch.Generator().manual_seed(int(seed))
    height, width = (side * scale for side in painting.canvas.shape[1:])
    canvas = painting.ground[:, None, None].repeat(1, height, width)
    grain = _paper(height, width, rng)
    laid = 0
    for stop in stops:
        for stroke in strokes[laid:stop]:
            _lay(canvas, stroke.scaled(scale), look, grain, rng)
        laid = stop
        yield canvas.clamp(0, 1)


def _paper(height: int, width: int, rng: torch.Generator) -> Tensor:
    """Return the heights of a rough paper, `(height, width)`, evenly spread over [0, 1]."""
    rough = avg_pool2d(torch.rand(1, 1, height + 1, width + 1, generator=rng), 2, stride=1)[0, 0]
    order = rough.flatten().argsort().argsort().float()
    return (order / order.numel()).reshape(height, width)


def _lay(canvas: Tensor, stroke: Stroke, look: str, grain: Tensor, rng: torch.Generator) -> None:
    """Lay one stroke on the canvas, in place."""
    if look == "dots":
        area = 2 * stroke.length * stroke.half_width + math.pi * stroke.half_width**2
        stroke = replace(stroke, length=0.0, half_width=math.sqrt(area / math.pi))
    mask, window = stroke_mask(stroke, *canvas.shape[1:])
    if mask.numel() == 0:
        return
    light = torch.ones(())
    if look == "chalk":
        mask = mask * (1.25 - 1.1 * grain[window]).clamp(0.1, 0.95)
    if look == "oil":
        mask, light = _bristles(stroke, mask, window, rng)
    place = (slice(None), *window)
    paint = (torch.tensor(stroke.colour)[:, None, None] * light).clamp(0, 1)
    canvas[place] += mask * (paint - canvas[place])


def _bristles(
    stroke: Stroke, mask: Tensor, window: tuple[slice, slice], rng: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Return the mask of a stroke with bristles, and how bright the paint is, both `(h, w)`."""
    along, aside = stroke_axes(stroke, *window)
    wide = stroke.half_width + 0.5
    across = (aside / wide).clamp(-1, 1)
    paint = torch.rand(_BRISTLES + 2, generator=rng)
    place = (across + 1) / 2 * _BRISTLES
    left = place.floor().long().clamp(max=_BRISTLES)
    streak = torch.lerp(paint[left], paint[left + 1], place - left)
    # Each bristle leaves the sheet a little earlier or later, and one edge gets more light.
    end = stroke.length / 2 + wide * (0.45 + 0.55 * streak)
    cover = mask * (end - along.abs() + 0.5).clamp(0, 1) * (0.86 + 0.14 * streak)
    return cover, 1 + 0.12 * (streak - 0.5) + 0.05 * across
