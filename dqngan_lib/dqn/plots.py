"""Pictures of notebook 02: CartPole from the side, and the round of the seven steps."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from dqngan_lib.plots import COLORS


def draw_cartpole(observation: Tensor | np.ndarray, title: str = "") -> Figure:
    """Draw CartPole as seen from the side.

    Args:
        observation: The four numbers: position in metres, speed, angle in radians, its speed.
        title: Text above the picture.
    """
    position, _, angle, _ = (float(number) for number in torch.as_tensor(observation))
    figure, axes = plt.subplots(figsize=(3.6, 1.9), dpi=80)
    axes.axhline(0, color=COLORS["baseline"], linewidth=1)
    for edge in (-2.4, 2.4):
        axes.axvline(edge, color=COLORS["baseline"], linestyle=":", linewidth=1)
    axes.add_patch(plt.Rectangle((position - 0.25, 0), 0.5, 0.25, color=COLORS["real"]))
    tip = position + np.sin(angle), 0.25 + np.cos(angle)
    axes.plot([position, tip[0]], [0.25, tip[1]], color=COLORS["accent"], linewidth=5)
    axes.set(xlim=(-2.6, 2.6), ylim=(-0.1, 1.5), aspect="equal", title=title)
    axes.set_axis_off()
    return figure


def draw_cycle(steps: Sequence[str], repeat_from: int, title: str) -> Figure:
    r"""Draw steps as boxes in a row, with an arrow from the last one back.

    Args:
        steps: A few words for each box; `\\n` breaks a line.
        repeat_from: The place, from 0, of the step that the arrow leads to.
        title: A sentence above the row.
    """
    figure, axes = plt.subplots(figsize=(8.4, 1.9))
    for place, text in enumerate(steps):
        color = COLORS["dqn"] if place >= repeat_from else COLORS["baseline"]
        box = {"boxstyle": "round,pad=0.5", "color": color}
        axes.text(place, 0, text, ha="center", va="center", fontsize=8, color="white", bbox=box)
    axes.annotate(
        "",
        (repeat_from, -0.3),
        (len(steps) - 1, -0.3),
        arrowprops={"arrowstyle": "->", "connectionstyle": "arc3,rad=-0.12", "linewidth": 1.5},
    )
    middle = (repeat_from + len(steps) - 1) / 2
    axes.text(middle, -0.72, "again and again", ha="center", va="top", fontsize=9)
    axes.set(xlim=(-0.55, len(steps) - 0.45), ylim=(-1.0, 0.4), title=title)
    axes.set_axis_off()
    return figure
