"""Pictures of what pixels do: maps of actions, their shares, and a map that can be read."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from torch import Tensor

from dqngan_lib.applications.pixels.editor import Edits
from dqngan_lib.applications.pixels.filters import ActionSet

_DARKER = ("#08306B", "#2879B9", "#A6CEE4")
_BRIGHTER = ("#7F2704", "#E6550D", "#FDC38D")
_NO_OP = "#EFEFEF"
_FILTERS = ("#009E73", "#CC79A7", "#000000", "#F0E442")


def action_colors(actions: ActionSet) -> list[str]:
    """Return one colour an action, told apart by all kinds of sight.

    Nearly white for no-op, blues for darker, browns and oranges for brighter, the larger the step
    the deeper; green, pink, black and yellow for the filters.

    Args:
        actions: At most three sizes of steps, and four filters.

    Raises:
        ValueError: There are more.
    """
    levels = [level for level in actions.levels.tolist() if level]
    sizes = sorted({abs(level) for level in levels}, reverse=True)
    if len(sizes) > len(_DARKER) or len(actions.filters) > len(_FILTERS):
        raise ValueError(
            f"actions must have at most 3 step sizes and 4 filters; got {actions.names}"
        )
    steps = [(_DARKER if level < 0 else _BRIGHTER)[sizes.index(abs(level))] for level in levels]
    return [_NO_OP, *steps, *_FILTERS[: len(actions.filters)]]


def legend_patches(actions: ActionSet) -> list[Patch]:
    """Return a coloured square with a name for every action, to be put into a legend."""
    return [
        Patch(facecolor=color, edgecolor="#8C8C8C", label=name)
        for color, name in zip(action_colors(actions), actions.names, strict=True)
    ]


def paint_actions(axes: Axes, action: Tensor, actions: ActionSet) -> None:
    """Draw one map of actions.

    Args:
        axes: Where to draw.
        action: int64 `(height, width)`.
        actions: What the numbers mean.
    """
    palette = np.array([to_rgb(color) for color in action_colors(actions)])
    axes.imshow(palette[action.numpy()])
    axes.set(xticks=[], yticks=[])


def _name(axes: Axes, x: float, y: float, name: str, color: str) -> None:
    """Write the name of an action on its colour, in black or white."""
    ink = "black" if np.dot(to_rgb(color), (0.3, 0.6, 0.1)) > 0.5 else "white"
    axes.text(x, y, name, ha="center", va="center", fontsize=7, color=ink)


def draw_episode(edits: Edits, which: int, actions: ActionSet, title: str) -> Figure:
    """Draw one picture at every step, and under it what its pixels did next.

    Actions that changed nothing are drawn as no-op; see `Edits.effective`.

    Args:
        edits: From `edit`.
        which: The number of the picture.
        actions: What a pixel may choose.
        title: A sentence above.
    """
    steps, effective = len(edits.actions), edits.effective[:, which]
    figure, rows = plt.subplots(2, steps + 1, figsize=(1.45 * (steps + 1) + 0.4, 3.4))
    for number in range(steps + 1):
        top, bottom = rows[:, number]
        top.imshow(edits.pictures[number, which, 0].numpy(), cmap="gray", vmin=0, vmax=1)
        top.set(xticks=[], yticks=[])
        top.set_title("start" if number == 0 else f"after step {number}", fontsize=9, loc="center")
        if number < steps:
            paint_actions(bottom, effective[number], actions)
            bottom.set_xlabel(f"actions at step {number + 1}", fontsize=8)
    rows[1, steps].set_axis_off()
    used = np.unique(effective.numpy())
    patches = legend_patches(actions)
    rows[1, steps].legend(
        handles=[patches[number] for number in used],
        loc="center left",
        bbox_to_anchor=(-0.1, 0.5),
        fontsize=8,
        handlelength=1.2,
        labelspacing=0.25,
    )
    figure.suptitle(title, fontsize=11)
    return figure


def draw_map(action: Tensor, actions: ActionSet, title: str, size: float = 5.4) -> Figure:
    """Draw a small map of actions with the name of the action in every pixel.

    Args:
        action: int64 `(height, width)`, at most about 14 × 14.
        actions: What the numbers mean.
        title: A sentence above.
        size: Width in inches.
    """
    height, width = action.shape
    figure, axes = plt.subplots(figsize=(size, size * height / width + 0.4))
    paint_actions(axes, action, actions)
    colors = action_colors(actions)
    for row in range(height):
        for column in range(width):
            number = int(action[row, column])
            if number == 0:
                continue
            name = actions.names[number].replace("median", "med.").replace("unsharp", "sharp")
            _name(axes, column, row, name, colors[number])
    axes.set_title(title)
    return figure


def draw_shares(action: Tensor, actions: ActionSet, title: str) -> Figure:
    """Draw which share of the pixels takes which action, a bar for each step.

    Args:
        action: int64 `(steps, n, height, width)`.
        actions: What the numbers mean.
        title: A sentence above.
    """
    shares = action_shares(action, actions)
    figure, axes = plt.subplots(figsize=(7.4, 0.42 * len(shares) + 1.3))
    colors = action_colors(actions)
    for row, share in enumerate(shares.tolist()):
        left = 0.0
        for number, part in enumerate(share):
            axes.barh(row, part, left=left, color=colors[number], edgecolor="white", height=0.8)
            if part >= 0.045:
                _name(axes, left + part / 2, row, actions.names[number], colors[number])
            left += part
    axes.set_yticks(range(len(shares)), [f"step {row + 1}" for row in range(len(shares))])
    axes.invert_yaxis()
    axes.set(xlim=(0, 1), xlabel="share of the pixels", title=title)
    figure.legend(
        handles=legend_patches(actions),
        loc="outside lower center",
        ncols=5,
        fontsize=8,
        handlelength=1.2,
    )
    return figure


def action_shares(action: Tensor, actions: ActionSet) -> Tensor:
    """Return which share of the pixels takes which action, float32 `(steps, actions)`.

    Args:
        action: int64 `(steps, n, height, width)`.
        actions: What the numbers mean.
    """
    counts = [torch.bincount(one.flatten(), minlength=len(actions)) for one in action]
    return torch.stack(counts).float() / action[0].numel()


def draw_rows(rows: Sequence[Tensor], names: Sequence[str], title: str) -> Figure:
    """Draw rows of pictures, one below the other, each row with its name.

    Args:
        rows: Each float `(n, 1 or 3, height, width)` in [0, 1], the same n.
        names: One a row.
        title: A sentence above.
    """
    count = len(rows[0])
    figure, grid = plt.subplots(
        len(rows), count, figsize=(0.75 * count + 1.3, 0.79 * len(rows) + 0.45), squeeze=False
    )
    for line, pictures, name in zip(grid, rows, names, strict=True):
        for axes, picture in zip(line, pictures, strict=True):
            shown = picture[0] if len(picture) == 1 else picture.permute(1, 2, 0)
            axes.imshow(shown.numpy(), cmap="gray", vmin=0, vmax=1)
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
        line[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9)
    figure.suptitle(title, fontsize=11)
    return figure


def draw_photographs(panels: Mapping[str, Tensor], title: str) -> Figure:
    """Draw photographs side by side, each below its name.

    Args:
        panels: Each float `(3, height, width)` in [0, 1].
        title: A sentence above.
    """
    figure, grid = plt.subplots(1, len(panels), figsize=(2.1 * len(panels), 2.6), squeeze=False)
    for axes, (name, picture) in zip(grid[0], panels.items(), strict=True):
        axes.imshow(picture.clamp(0, 1).permute(1, 2, 0).numpy())
        axes.set(xticks=[], yticks=[])
        axes.set_title(name, fontsize=9, loc="center")
    figure.suptitle(title, fontsize=11)
    return figure
