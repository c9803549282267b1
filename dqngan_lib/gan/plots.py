"""Pictures of the game: who plays, what the discriminator thinks where, where fakes are pushed."""

from collections.abc import Callable
from typing import Any

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.contour import ContourSet
from matplotlib.figure import Figure
from torch import Tensor

from dqngan_lib.gan.losses import LossKind, generator_loss
from dqngan_lib.plots import COLORS, LivePlot

_FIELD = LinearSegmentedColormap.from_list("field", ["#F0B088", "#FFFFFF", "#A9A9A9"])
"""From the colour of generated points, where D = 0, over white to that of real ones, D = 1."""


def draw_players() -> Figure:
    """Draw the game as boxes and arrows: noise to fakes, real and fakes to a verdict."""
    figure, axes = plt.subplots(figsize=(7.4, 2.3))
    boxes = {
        "noise z": (0.0, 0.0, "baseline"),
        "generator G": (1.35, 0.0, "generated"),
        "fake G(z)": (2.75, 0.0, "generated"),
        "real x": (2.75, 1.0, "real"),
        "discriminator D": (4.3, 0.5, "discriminator"),
        "D(·): how likely\nit is real": (6.0, 0.5, "baseline"),
    }
    for text, (x, y, color) in boxes.items():
        # White text on the discriminator's light colour would be hard to read.
        ink = "black" if color == "discriminator" else "white"
        box = {"boxstyle": "round,pad=0.45", "color": COLORS[color]}
        axes.text(x, y, text, ha="center", va="center", fontsize=9, color=ink, bbox=box)
    for start, end in (
        ((0.42, 0.0), (0.78, 0.0)),
        ((1.93, 0.0), (2.25, 0.0)),
        ((3.28, 0.05), (3.75, 0.32)),
        ((3.15, 0.95), (3.75, 0.68)),
        ((5.0, 0.5), (5.32, 0.5)),
    ):
        axes.annotate("", end, start, arrowprops={"arrowstyle": "->", "linewidth": 1.5})
    back = {"color": COLORS["generated"], "linestyle": "--", "linewidth": 1.5}
    axes.plot([6.0, 6.0, 1.35], [0.15, -0.5, -0.5], **back)
    axes.annotate("", (1.35, -0.16), (1.35, -0.52), arrowprops={"arrowstyle": "->", **back})
    axes.text(3.7, -0.56, "the generator learns through D", ha="center", va="top", fontsize=9)
    axes.set(xlim=(-0.5, 6.8), ylim=(-0.9, 1.35))
    axes.set_axis_off()
    return figure


@torch.no_grad()
def _draw_field(
    axes: Axes, discriminator: Callable[[Tensor], Tensor], reach: float, cells: int = 80
) -> ContourSet:
    """Paint D(x) over the plane in steps of 0.1, with the line D = ½; return it for a colour bar.

    Args:
        axes: Where to draw.
        discriminator: From points `(n, 2)` to logits `(n,)`.
        reach: The plane from −reach to reach in both directions.
        cells: Places in each direction at which D is asked.
    """
    line = torch.linspace(-reach, reach, cells)
    across, up = torch.meshgrid(line, line, indexing="xy")
    field = discriminator(torch.stack([across, up], 2).reshape(-1, 2)).sigmoid()
    field = field.reshape(cells, cells).numpy()
    levels = [step / 10 for step in range(11)]
    painted = axes.contourf(line.numpy(), line.numpy(), field, levels, cmap=_FIELD)
    if field.min() < 0.5 < field.max():
        border = {"colors": COLORS["discriminator"], "linewidths": 1.5}
        axes.contour(line.numpy(), line.numpy(), field, [0.5], **border)
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    return painted


def pushes(
    discriminator: Callable[[Tensor], Tensor], fake: Tensor, kind: LossKind = "non-saturating"
) -> Tensor:
    """Return for each fake where the generator's loss wants it to go: minus its gradient.

    Args:
        discriminator: From points `(n, 2)` to logits `(n,)`.
        fake: Generated points `(n, 2)`.
        kind: Which loss of the generator.

    Returns:
        `(n, 2)`; the mean over the batch in the loss is undone.
    """
    fake = fake.detach().requires_grad_(True)
    loss = len(fake) * generator_loss(discriminator(fake), kind)
    (gradient,) = torch.autograd.grad(loss, fake)
    return -gradient


def draw_game(
    axes: Axes,
    discriminator: Callable[[Tensor], Tensor],
    real: Tensor,
    fake: Tensor,
    *,
    kind: LossKind = "non-saturating",
    reach: float = 3.0,
    arrows: int = 40,
    title: str = "",
) -> ContourSet:
    """Draw one moment of the game: the field of D, real and fake points, and the pushes.

    Args:
        axes: Where to draw.
        discriminator: From points to logits.
        real: Real points `(n, 2)`, drawn as black dots.
        fake: Fakes `(n, 2)`, drawn as orange crosses.
        kind: Which loss of the generator pushes.
        reach: The plane from −reach to reach.
        arrows: How many fakes get an arrow; lengths are compared within a picture only.
        title: Text above.
    """
    picture = _draw_field(axes, discriminator, reach)
    axes.scatter(*real.T.tolist(), s=5, color=COLORS["real"], linewidths=0, alpha=0.6)
    axes.scatter(*fake.T.tolist(), s=16, color=COLORS["generated"], marker="x", linewidths=1.0)
    if arrows:
        start = fake[:arrows]
        push = pushes(discriminator, start, kind)
        length = push.norm(dim=1, keepdim=True)
        usual = length.quantile(0.9).clamp(min=1e-6)
        arrow = 0.7 * push / torch.maximum(length / 1.5, usual)  # at most 1.05 long
        axes.quiver(
            *start.T.tolist(),
            *arrow.T.tolist(),
            angles="xy",
            scale_units="xy",
            scale=1.0,
            width=0.007,
            color=COLORS["dqn"],
        )
    axes.set(xticks=[-2, 0, 2], yticks=[-2, 0, 2])
    axes.set_title(title, fontsize=10)
    return picture


class LiveGame(LivePlot):
    """A moment of the game that is redrawn in place while training runs; pass it as `watch`.

    Args:
        gan: The pair, on points in the plane.
        real: Some real points `(n, 2)`.
        averaged: Whether the fakes are those of the averaged generator.
    """

    def __init__(self, gan: Any, real: Tensor, averaged: bool = False) -> None:
        self.gan, self.real, self.averaged = gan, real, averaged

    def draw(self, history: Any) -> Figure:
        """Draw the field of D, real points and fakes as they are now."""
        figure, axes = plt.subplots(figsize=(3.6, 3.6))
        fake = self.gan.sample(300, averaged=self.averaged).cpu()
        title = f"after {history.update[-1]} updates"
        draw_game(axes, self.gan.discriminator, self.real[:300], fake, title=title, arrows=0)
        return figure
