"""Pictures of a grid world: the world, values, tables, arrows, and a backup as a diagram."""

import math
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.patches import Polygon, Rectangle
from torch import Tensor

from dqngan_lib.environments.grid_world import GridWorld
from dqngan_lib.plots import COLORS, figure_to_array

_MAP, _NORM = colormaps["RdBu"], Normalize(-1.3, 1.3)
"""Red for losses and blue for gains, everywhere the same; red and blue differ for all eyes."""

_WALL = "#595959"
_UP_RIGHT_DOWN_LEFT = ((0, -1), (1, 0), (0, 1), (-1, 0))
"""The four actions as steps (right, down): pictures count their rows from the top."""


def _place(world: GridWorld, cell: int) -> tuple[int, int]:
    """Return column and row of a cell."""
    return cell % world.width, cell // world.width


def _ink(value: float) -> str:
    """Return the colour of writing that can be read on the colour of `value`."""
    return "white" if abs(value) > 0.85 else "black"


def draw_world(
    axes: Axes, world: GridWorld, *, title: str = "", numbers: bool = False, start: bool = True
) -> None:
    """Draw the floor, the walls, goals (+1), pits (−1) and the start.

    Args:
        axes: Where to draw; one unit is one cell.
        world: The world.
        title: A sentence above the picture.
        numbers: Whether each cell shows its number, which is what the walker observes.
        start: Whether the cell in which episodes begin is named.
    """
    for cell, letter in enumerate("".join(world.layout)):
        x, y = _place(world, cell)
        prize = world.prize[cell].item()
        face = _WALL if letter == "#" else _MAP(_NORM(prize))
        axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=face, edgecolor="black"))
        label = {"G": "goal\n+1", "P": "pit\n−1", "#": "wall"}.get(letter, "")
        colour = "white" if letter in "GP#" else "black"
        axes.text(x, y, label, ha="center", va="center", color=colour, fontsize=10)
        if letter == "S" and start:
            axes.text(x - 0.46, y + 0.42, "start", fontsize=8)
        if numbers:
            axes.text(x - 0.45, y - 0.28, str(cell), fontsize=9, color=colour)
    axes.set(
        xlim=(-0.52, world.width - 0.48),
        ylim=(world.height - 0.48, -0.52),
        aspect="equal",
        title=title,
    )
    axes.set_axis_off()


def draw_values(
    axes: Axes, world: GridWorld, values: Tensor, *, title: str = "", digits: int = 2
) -> None:
    """Draw the world with a value in each cell where the walker acts; NaN leaves a cell empty.

    Args:
        axes: Where to draw.
        world: The world.
        values: V, `(cells,)`.
        title: A sentence above the picture.
        digits: Digits after the point.
    """
    draw_world(axes, world, title=title)
    for cell in world.acting.nonzero().flatten().tolist():
        x, y = _place(world, cell)
        value = values[cell].item()
        if math.isnan(value):
            continue
        corner = (x - 0.5, y - 0.5)
        face = _MAP(_NORM(value))
        axes.add_patch(Rectangle(corner, 1, 1, facecolor=face, edgecolor="black"))
        text = f"{value:.{digits}f}".replace("-", "−")
        axes.text(x, y, text, ha="center", va="center", color=_ink(value), fontsize=10)


def draw_table(axes: Axes, world: GridWorld, q_table: Tensor, *, title: str = "") -> None:
    """Draw a Q-table: four triangles a cell, one an action, the best number in bold.

    Args:
        axes: Where to draw; about one inch a cell leaves room for the numbers.
        world: The world.
        q_table: Q, `(cells, 4)`.
        title: A sentence above the picture.
    """
    draw_world(axes, world, title=title, start=False)
    for cell in world.acting.nonzero().flatten().tolist():
        x, y = _place(world, cell)
        best = q_table[cell].max()
        for action, (right, down) in enumerate(_UP_RIGHT_DOWN_LEFT):
            value = q_table[cell, action].item()
            # The side of the cell that the action points to, and the middle of the cell.
            side = [
                (x + (right - turn * down) / 2, y + (down + turn * right) / 2) for turn in (-1, 1)
            ]
            face = _MAP(_NORM(value))
            axes.add_patch(
                Polygon([(x, y), *side], facecolor=face, edgecolor="black", linewidth=0.5)
            )
            axes.text(
                x + 0.3 * right,
                y + 0.33 * down,
                f"{value:.2f}".replace("-", "−"),
                ha="center",
                va="center",
                fontsize=8.5,
                color=_ink(value),
                fontweight="bold" if value == best else "normal",
            )


def draw_arrows(
    axes: Axes, world: GridWorld, policy: Tensor, *, color: str = "real", marked: Sequence[int] = ()
) -> None:
    """Draw the action of each cell as an arrow over a picture of the world.

    Args:
        axes: Where the world is drawn already.
        world: The world.
        policy: The actions, int64 `(cells,)`.
        color: A name in `plots.COLORS`.
        marked: Cells to frame.
    """
    for cell in world.acting.nonzero().flatten().tolist():
        x, y = _place(world, cell)
        right, down = _UP_RIGHT_DOWN_LEFT[int(policy[cell])]
        axes.annotate(
            "",
            (x + 0.3 * right, y + 0.3 * down),
            (x - 0.3 * right, y - 0.3 * down),
            arrowprops={"arrowstyle": "-|>", "color": COLORS[color], "lw": 2, "mutation_scale": 16},
        )
    for cell in marked:
        frame_cell(axes, world, cell)


def frame_cell(axes: Axes, world: GridWorld, cell: int, color: str = "accent") -> None:
    """Frame one cell, to point at it."""
    x, y = _place(world, cell)
    axes.add_patch(
        Rectangle((x - 0.45, y - 0.45), 0.9, 0.9, fill=False, edgecolor=COLORS[color], linewidth=3)
    )


def draw_backup(axes: Axes, world: GridWorld, values: Tensor, cell: int, action: int) -> None:
    """Draw the backup of one pair (s, a): from the dot to the cells it may lead to, and below.

    Args:
        axes: Where to draw.
        world: The world.
        values: V(s′) of every cell, `(cells,)`, as known before the backup.
        cell: s.
        action: a.
    """
    probability, reward = world.model()
    reached = probability[cell, action].nonzero().flatten().tolist()
    root = (0.0, 3.0)
    axes.plot(*root, "o", color=COLORS["real"], markersize=11)
    name = world.ACTIONS[action]
    axes.text(-0.25, 3.0, f"$(s, a)$ = (cell {cell}, {name})", ha="right", va="center", fontsize=11)
    gain = f"$r(s, a)$ = {reward[cell, action].item():.2f}".replace("-", "−")
    axes.text(0.25, 3.0, gain, ha="left", va="center", fontsize=11)
    for position, s_next in enumerate(reached):
        x = 2.6 * (position - (len(reached) - 1) / 2)
        ends = bool(world.terminal[s_next])
        axes.plot([root[0], x], [root[1], 1.6], color=COLORS["real"], linewidth=1.2, zorder=1)
        share = f"$P$ = {probability[cell, action, s_next].item():.1f}"
        side = "right" if x < 0 else "left"
        axes.text(x * 0.55 + (-0.15 if x < 0 else 0.15), 2.25, share, ha=side, fontsize=10)
        marker = "s" if ends else "o"
        axes.plot(x, 1.6, marker, color="white", mec="black", markersize=26, zorder=2)
        axes.text(x, 1.6, str(s_next), ha="center", va="center", fontsize=11, zorder=3)
        if ends:
            axes.text(x, 0.95, "the end:\nnothing follows", ha="center", va="top", fontsize=10)
            continue
        for turn in (-1.5, -0.5, 0.5, 1.5):
            axes.plot([x, x + 0.45 * turn], [1.6, 0.5], color=COLORS["baseline"], zorder=1)
            axes.plot(x + 0.45 * turn, 0.5, "o", color=COLORS["real"], markersize=6)
        # The arc across the branches is the usual sign for "the greatest of these".
        arc = torch.linspace(-0.42, 0.42, 20)
        axes.plot(x + arc, 0.85 - 0.12 * torch.cos(arc * 3), color=COLORS["dqn"], linewidth=2.5)
        best = f"max = {values[s_next].item():.2f}".replace("-", "−")
        axes.text(x, 0.15, best, ha="center", va="top", fontsize=11, color=COLORS["dqn"])
    for y, text in ((3.0, "decide"), (1.6, "the floor\ndecides $s'$"), (0.5, "best $a'$")):
        axes.text(4.3, y, text, va="center", fontsize=10, color="#404040")
    axes.set(xlim=(-3.9, 5.9), ylim=(-0.3, 3.3))
    axes.set_axis_off()


def draw_walker(axes: Axes, world: GridWorld, cell: int) -> None:
    """Draw the walker, a black dot with a white edge, in its cell."""
    axes.plot(*_place(world, cell), "o", color=COLORS["real"], mec="white", mew=2, markersize=15)


def draw_two_walkers(
    world: GridWorld, step: int, learner: tuple[int, Tensor], stranger: int
) -> np.ndarray:
    """Draw a frame of a film: a walker in its table, and one that walks at random.

    Args:
        world: The world.
        step: How many steps both have taken.
        learner: Its cell and its Q-table.
        stranger: The cell of the other.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.5, 3.3), dpi=75, layout="none")
    figure.subplots_adjust(left=0.01, right=0.99, bottom=0.01, top=0.92, wspace=0.06)
    draw_table(left, world, learner[1], title=f"step {step}: one that learns …")
    draw_walker(left, world, learner[0])
    draw_world(right, world, title="… and one that walks at random")
    draw_walker(right, world, stranger)
    return figure_to_array(figure)


def draw_policies(world: GridWorld, walkers: Sequence[tuple[str, Tensor, int]]) -> np.ndarray:
    """Draw a frame of a film: walkers side by side, each with the arrows that it follows.

    Args:
        world: The world.
        walkers: Of each its name, its Q-table and its cell.
    """
    size = (3.75 * len(walkers), 3.0)
    figure, panels = plt.subplots(1, len(walkers), figsize=size, dpi=80, layout="none")
    figure.subplots_adjust(left=0.01, right=0.99, bottom=0.01, top=0.91, wspace=0.06)
    for axes, (name, q_table, cell) in zip(panels, walkers, strict=True):
        draw_world(axes, world, title=name)
        draw_arrows(axes, world, q_table.argmax(1))
        draw_walker(axes, world, cell)
    return figure_to_array(figure)
