"""Exercises of notebook 14: the best colour, what strokes gain, a palette."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from dqngan_lib.exercises.base import (
    Case,
    Exercise,
    Wrong,
    close,
    expect_tensor,
    flags,
    name_mistake,
    uniform,
)


def stroke_colour(canvas: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Return the colour that leaves the least squared error under a stroke."""
    wanted = target - (1 - mask) * canvas
    return ((mask * wanted).sum(1) / mask.square().sum()).clamp(0, 1)


def check_stroke_colour(answer: Callable[..., Tensor]) -> None:
    """Compare by hand under full cover and half cover, at the ends, then with random colours."""
    canvas = torch.tensor([[0.5, 0.5, 0.0], [0.25, 0.25, 0.0], [0.5, 0.5, 0.5]])
    target = torch.tensor([[0.6, 0.4, 0.9], [0.3, 0.1, 0.9], [0.5, 0.5, 0.2]])
    given = expect_tensor(
        answer(canvas.clone(), target.clone(), torch.tensor([1.0, 1.0, 0.0])), (3,), "the colour"
    )
    expected = torch.tensor([0.5, 0.2, 0.5])
    if not close(given, expected):
        name_mistake(
            given,
            {
                "pixels that the stroke does not touch must not count: divide by the mask, not by "
                "the number of pixels": expected * 2 / 3,
                "the mean of the whole patch: pixels that the stroke does not touch must not "
                "count": target.mean(1),
                "this is a sum: divide by Σ m²": expected * 2,
                "one colour for all channels: sum over pixels alone": expected.mean().expand(3),
                "this is the mean of the error, not of the colour that is wanted": expected
                - torch.tensor([0.5, 0.25, 0.5]),
                "this is the canvas under the stroke; look at the target": torch.tensor(
                    [0.5, 0.25, 0.5]
                ),
            },
            "where the stroke covers fully, the best colour is the mean of the target under it, "
            f"{expected.tolist()}; yours is {given.tolist()}",
        )
    # Half cover of one pixel: c = 0.2, t = 0.5, so 0.5 k + 0.5 · 0.2 = 0.5 and k = 0.8.
    canvas, target = torch.full((3, 1), 0.2), torch.tensor([[0.5], [0.2], [0.1]])
    half = torch.tensor([0.5])
    given = expect_tensor(answer(canvas, target, half), (3,), "the colour")
    expected = torch.tensor([0.8, 0.2, 0.0])
    if not close(given, expected):
        name_mistake(
            given,
            {
                "under half cover the old canvas shines through: the mean of the target is not "
                "the best colour; work with d = t − (1 − m) c": torch.tensor([0.5, 0.2, 0.1]),
                "divide by Σ m², not by Σ m": torch.tensor([0.4, 0.1, 0.0]),
            },
            "one pixel, canvas 0.2, target 0.5, half cover: 0.5 · 0.8 + 0.5 · 0.2 = 0.5, so the "
            f"best colour is 0.8; yours is {given[0].item():.4g}",
        )
    # Two pixels of different cover: Σ m d / Σ m² = (1 · 0.9 + 0.5 · 0.2) / 1.25 = 0.8.
    canvas, mask = torch.zeros(3, 2), torch.tensor([1.0, 0.5])
    target = torch.tensor([[0.9, 0.2], [1.0, 1.0], [0.0, 0.0]])
    given = expect_tensor(answer(canvas, target, mask), (3,), "the colour")
    if given.min() < 0 or given.max() > 1:
        raise Wrong("a colour must lie in [0, 1]: cut off what is beyond")
    expected = torch.tensor([0.8, 1.0, 0.0])
    if not close(given, expected):
        name_mistake(
            given,
            {
                "weigh each pixel by its mask before the sum: Σ m d, not Σ d": torch.tensor(
                    [0.88, 1.0, 0.0]
                ),
                "Σ r/m over the pixels is not the least error: weigh each pixel by its mask": (
                    target / mask
                )
                .mean(1)
                .clamp(0, 1),
            },
            "two pixels of blank canvas, cover 1 and ½, targets 0.9 and 0.2: "
            f"(0.9 + 0.1) / (1 + ¼) = 0.8; yours is {given[0].item():.4g}",
        )


def colour_gains(canvas: Tensor, target: Tensor, masks: Tensor) -> Tensor:
    """Return by how much each stroke, in its best colour, lowers the squared error."""
    error = target - canvas
    wanted = masks @ error.T + masks.square() @ canvas.T
    area = masks.square().sum(1, keepdim=True)
    colour = (wanted / area).clamp(0, 1)
    paid = (colour * (2 * wanted - colour * area)).sum(1)
    return paid - 2 * masks @ (error * canvas).sum(0) - masks.square() @ canvas.square().sum(0)


def check_colour_gains(answer: Callable[..., Tensor]) -> None:
    """Compare by hand on one stroke, then with brute force on random ones."""
    # One grey pixel in each of two places: the stroke covers the first; c = 0, t = 0.5.
    canvas, target = torch.zeros(3, 2), torch.full((3, 2), 0.5)
    masks = torch.tensor([[1.0, 0.0]])
    given = expect_tensor(answer(canvas, target, masks), (1,), "the gains")
    if not close(given, torch.tensor([0.75])):
        name_mistake(
            given,
            {
                "the sign: a stroke that lowers the error gains more than 0": torch.tensor([-0.75]),
                "add up the channels: this is one of three": torch.tensor([0.25]),
                "this is the error that is left; return by how much it fell": torch.tensor([0.75])
                * 0,
                "this is the error before the stroke; take away what is left": torch.tensor([1.5]),
                "add up pixels and channels; this is a mean": torch.tensor([0.75 / 6]),
            },
            "canvas 0, target ½ in three channels, one pixel covered: the error falls by 3 · ¼; "
            f"yours is {given[0].item():.4g}",
        )
    rng = torch.Generator().manual_seed(0)
    canvas, target = torch.rand(2, 3, 12, generator=rng)
    masks = torch.rand(5, 12, generator=rng) * (torch.arange(12) < 9)
    target[0] = 0.3 * target[0]
    masks[0] *= 0.2
    canvas[:, :6] = target[:, :6]  # here any single colour spoils what is right
    masks[1, 6:] = 0
    given = expect_tensor(answer(canvas.clone(), target.clone(), masks.clone()), (5,), "the gains")

    def tried(clamp: bool, mean: bool = False, mask: bool = True) -> Tensor:
        gains = []
        for m in masks:
            wanted = target - (1 - m) * canvas
            k = (m * wanted).sum(1) / m.square().sum()
            k = (m * target).sum(1) / m.sum() if mean else k
            k = k.clamp(0, 1) if clamp else k
            after = canvas + m * (k[:, None] - canvas) if mask else k[:, None].expand(3, 12)
            gains.append((target - canvas).square().sum() - (target - after).square().sum())
        return torch.stack(gains)

    if not close(given, tried(True), 1e-3):
        name_mistake(
            given,
            {
                "a colour cannot be below 0 or above 1: cut off k before you work out the gain": (
                    tried(False)
                ),
                "this colour is the mean of the target; under a thin mask the best one is "
                "Σ m d / Σ m²": tried(True, mean=True),
                "outside the mask the canvas stays: c + m (k − c)": tried(True, mask=False),
                "0 or more: a stroke that spoils has a gain below 0, leave it so": tried(
                    True
                ).clamp(min=0),
            },
            "on random masks your gains differ from laying each stroke and measuring",
        )


def palette_colour(wanted: Tensor, palette: Tensor) -> Tensor:
    """Return for each colour the one of the palette that is nearest."""
    distance = (wanted[:, None] - palette).square().sum(2)
    return palette[distance.argmin(1)]


def check_palette_colour(answer: Callable[..., Tensor]) -> None:
    """Compare with colours whose nearest neighbour can be seen."""
    palette = torch.tensor(
        [[0.0, 0.0, 0.0], [1.0, 1.0, 1.0], [0.0, 0.0, 1.0], [0.6, 0.6, 0.0], [0.0, 1.0, 0.0]]
    )
    wanted = torch.tensor([[0.1, 0.0, 0.9], [0.5, 0.7, 0.1], [0.2, 0.1, 0.3], [0.9, 0.9, 0.45]])
    given = answer(wanted.clone(), palette.clone())
    if isinstance(given, Tensor) and given.shape == (4,) and not given.is_floating_point():
        raise Wrong("these are the numbers of the colours; return the colours: palette[numbers]")
    if isinstance(given, Tensor) and given.shape == (5, 3):
        raise Wrong(
            "for each wanted colour look through the palette: here it is the other way round"
        )
    given = expect_tensor(given, (4, 3), "the colours")
    expected = palette[[2, 3, 0, 1]]
    if close(given, expected):
        return
    if close(given, wanted):
        raise Wrong("these are the colours that were wanted; return colours of the palette")
    distance = (wanted[:, None] - palette).square().sum(2)
    squares = (wanted[:, None] - palette).abs()
    name_mistake(
        given,
        {
            "argmax takes the farthest colour; the nearest has the least distance": palette[
                distance.argmax(1)
            ],
            "squares or absolute values first: differences of both signs cancel": palette[
                (wanted[:, None] - palette).sum(2).argmin(1)
            ],
            "compare whole colours: here each channel took its own nearest number, which may be no "
            "colour of the palette": palette.gather(0, squares.argmin(1)),
            "compare colours, not their brightness: a blue is no dark grey": palette[
                (wanted.mean(1)[:, None] - palette.mean(1)).abs().argmin(1)
            ],
        },
        "the nearest colours are blue, olive, black and white; yours are "
        f"{[[round(x, 2) for x in row] for row in given.tolist()]}",
    )


# Random inputs, on which an answer must agree with the solution -----------------------------------


def cases_stroke_colour(rng: torch.Generator) -> Iterator[Case]:
    """Draw patches and masks; some of the colours must be cut off at 0 and at 1."""
    for stage, pixels in (("other patches", 6), ("other patches", 3), ("one pixel", 1)):
        for _ in range(3):
            canvas, target = uniform(rng, 2, 3, pixels)
            yield Case(stage, (canvas, target, 0.05 + 0.95 * uniform(rng, pixels)))
    canvas, target = uniform(rng, 2, 3, 8)
    mask = flags(rng, 8).float()
    mask[3] = 1.0
    yield Case("cover of 0 and 1", (canvas, target, mask))


def cases_colour_gains(rng: torch.Generator) -> Iterator[Case]:
    """Draw patches and strokes of several counts."""
    for stage, strokes, pixels in (
        ("other sizes", 4, 6),
        ("other sizes", 2, 9),
        ("sizes that are equal", 3, 3),
        ("one stroke", 1, 5),
        ("one pixel", 4, 1),
    ):
        canvas, target = uniform(rng, 2, 3, pixels)
        yield Case(stage, (canvas, target, 0.05 + 0.95 * uniform(rng, strokes, pixels)), 1e-3)


def cases_palette_colour(rng: torch.Generator) -> Iterator[Case]:
    """Draw colours and palettes of several counts."""
    for stage, colours, size in (
        ("other sizes", 6, 4),
        ("other sizes", 3, 8),
        ("sizes that are equal", 3, 3),
        ("one colour", 1, 5),
        ("a palette of one", 4, 1),
    ):
        yield Case(stage, (uniform(rng, colours, 3), uniform(rng, size, 3)))
    palette = uniform(rng, 5, 3)
    yield Case("colours of the palette", (palette[[4, 1, 1]], palette))


EXERCISES = (
    Exercise(
        "14.1",
        check_stroke_colour,
        (
            "The canvas becomes (1 − m) c + m k. What should m k be, for no error at all?",
            "With d = t − (1 − m) c the error is Σ (d − m k)². Set its derivative in k to zero.",
            "k = Σ m d / Σ m² for each channel, cut off at 0 and 1:\n"
            "((mask * wanted).sum(1) / mask.square().sum()).clamp(0, 1)",
        ),
        stroke_colour,
        "one action less to learn: the colour follows from the place",
        cases=cases_stroke_colour,
        why="the error is a parabola in k: its lowest point is Σ m d / Σ m², or the nearest end"
        " of [0, 1]",
    ),
    Exercise(
        "14.2",
        check_colour_gains,
        (
            "Lay each stroke in its best colour (14.1) and measure: a loop is allowed.",
            "Without a loop: Σ e² − Σ (d − m k)², with d = e + m c. Multiply out.",
            "Σ m d = masks @ error.T + masks ** 2 @ canvas.T. From this take 2 Σ m e c + Σ m² "
            "c²:\n"
            "(colour * (2 * wanted - colour * area)).sum(1)",
        ),
        colour_gains,
        "this is the search that the agent is measured against",
        cases=cases_colour_gains,
        why="with d = e + m c every sum over pixels is a matrix product, and k is cut off "
        "before it is used",
    ),
    Exercise(
        "14.3",
        check_palette_colour,
        (
            "A distance from each wanted colour to each of the palette: shape (n, k).",
            "wanted[:, None] - palette has the shape (n, k, 3): square and sum over the last.",
            "palette[distance.argmin(1)]",
        ),
        palette_colour,
        "under a fixed mask the error grows with this distance: nearest is best",
        cases=cases_palette_colour,
        why="under a fixed mask the error grows with the distance of the colours",
    ),
)
