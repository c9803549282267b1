"""Pictures of notebook 02: CartPole from the side, and how the parts of a DQN work together."""

from collections.abc import Mapping
from itertools import pairwise

import gymnasium
import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from dqngan_lib.environments.rollout import Policy, Rollout
from dqngan_lib.plots import COLORS, figure_to_array, in_few_colors


def draw_cartpole(observation: Tensor | np.ndarray, title: str = "") -> Figure:
    """Draw CartPole as seen from the side.

    Args:
        observation: The four numbers: position in metres, speed, angle in radians, its speed.
        title: Text above the picture.
    """
    position, _, angle, _ = (float(number) for number in torch.as_tensor(observation))
    figure, axes = plt.subplots(figsize=(3.6, 1.9), dpi=80, layout="none")  # a film needs many
    figure.subplots_adjust(left=0.02, right=0.98, bottom=0.02, top=0.86)
    axes.axhline(0, color=COLORS["baseline"], linewidth=1)
    for edge in (-2.4, 2.4):
        axes.axvline(edge, color=COLORS["baseline"], linestyle=":", linewidth=1)
    axes.add_patch(plt.Rectangle((position - 0.25, 0), 0.5, 0.25, color=COLORS["real"]))
    tip = position + np.sin(angle), 0.25 + np.cos(angle)
    axes.plot([position, tip[0]], [0.25, tip[1]], color=COLORS["accent"], linewidth=5)
    axes.set(xlim=(-2.6, 2.6), ylim=(-0.1, 1.5), aspect="equal", title=title)
    axes.set_axis_off()
    return figure


def cartpole_frames(
    policies: Mapping[str, Policy], seed: int, steps: int = 200, every: int = 4
) -> list[np.ndarray]:
    """Return the frames of a film: a cart for each policy, side by side, from the same start.

    Where a pole falls a new episode begins; above each cart stands how often that happened.

    Args:
        policies: By name, from observations to actions.
        seed: Of the first episodes.
        steps: How long the film is; a step is 0.02 s.
        every: Steps between two frames.
    """
    columns = []
    for name, policy in policies.items():
        rollout = Rollout(
            gymnasium.make_vec("CartPole-v1", num_envs=1, vectorization_mode="vector_entry_point")
        )
        observation, falls, frames = rollout.start(seed), 0, []
        for step in range(steps):
            if step % every == 0:
                title = f"{name}: {falls} fall{'' if falls == 1 else 's'}"
                frames.append(figure_to_array(draw_cartpole(observation[0], title)))
            falls += int(rollout.step(policy(observation)).terminated)
            observation = rollout.observation
        columns.append(frames)
    return in_few_colors([np.hstack(row) for row in zip(*columns, strict=True)], 16)


def draw_box(axes: Axes, place: tuple[float, float], text: str, color: str) -> None:
    """Write white words into a coloured box; `color` is a name in `COLORS`."""
    box = {"boxstyle": "round,pad=0.6", "color": COLORS[color]}
    axes.text(*place, text, ha="center", va="center", fontsize=9, color="white", bbox=box)


def draw_arrow(
    axes: Axes,
    start: tuple[float, float],
    end: tuple[float, float],
    text: str = "",
    *,
    bend: float = 0.0,
    beside: tuple[float, float] = (0.0, 0.12),
) -> None:
    """Draw an arrow with words beside its middle.

    Args:
        axes: Where to draw.
        start: Where it begins.
        end: Where its point is.
        text: The words.
        bend: How much it is bent, as a share of its length; above 0 to its right.
        beside: How far the words are from the middle.
    """
    style = {"arrowstyle": "-|>", "connectionstyle": f"arc3,rad={bend}", "linewidth": 1.5}
    axes.annotate("", end, start, arrowprops=style)
    middle = [(a + b) / 2 + c for a, b, c in zip(start, end, beside, strict=True)]
    axes.text(*middle, text, ha="center", va="center", fontsize=9)


def draw_dqn() -> Figure:
    """Draw the parts of a DQN, and which step leads from one to the other."""
    figure, axes = plt.subplots(figsize=(8.4, 3.5))
    online, target, loss = (0.0, 0.0), (6.4, 0.0), (3.4, 0.0)
    world, memory, batch = (0.0, 2.0), (3.4, 2.0), (6.4, 2.0)
    draw_arrow(axes, (-0.25, 0.35), (-0.25, 1.7), "2 action", beside=(-0.55, 0))
    draw_arrow(axes, (0.25, 1.7), (0.25, 0.35), "observation", beside=(0.65, 0))
    draw_arrow(axes, (1.0, 2.0), (2.8, 2.0), "3, 4 step and store", beside=(0, 0.25))
    draw_arrow(axes, (4.5, 2.0), (5.5, 2.0), "5 draw", beside=(0, 0.25))
    draw_arrow(axes, (5.6, 1.65), (4.1, 0.4), "$s, a$", beside=(-0.3, 0.15))
    draw_arrow(axes, (6.4, 1.65), (6.4, 0.4), "$r, s'$", beside=(0.3, 0))
    draw_arrow(axes, (5.35, 0.0), (4.15, 0.0), "$y$", beside=(0, 0.22))
    draw_arrow(axes, (1.05, 0.12), (2.7, 0.12), r"$Q_\theta(s, a)$", beside=(0, 0.25))
    draw_arrow(axes, (2.7, -0.14), (1.05, -0.14), "6 gradient", beside=(0, -0.25))
    draw_arrow(axes, (0.2, -0.4), (6.2, -0.4), "7 follow", bend=0.16, beside=(0, -0.42))
    draw_box(axes, world, "environment", "real")
    draw_box(axes, memory, "replay\nbuffer", "real")
    draw_box(axes, batch, "minibatch", "real")
    draw_box(axes, online, "online\nnetwork $\\theta$", "dqn")
    draw_box(axes, target, "target\nnetwork $\\theta^-$", "dqn")
    draw_box(axes, loss, "loss", "generated")
    axes.set(
        xlim=(-1.3, 7.4), ylim=(-1.15, 2.7), title="Step 1 makes two networks; 2 to 7 go round"
    )
    axes.set_axis_off()
    return figure


def draw_table_and_network() -> Figure:
    """Draw a table of Q-values beside a network that takes its place."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.0, 2.7))
    for row in range(4):
        for column in range(2):
            chosen = {"facecolor": COLORS["accent"], "alpha": 0.5} if row == 1 else {"fill": False}
            left.add_patch(plt.Rectangle((column, 3 - row), 1, 1, edgecolor="none", **chosen))
            left.add_patch(plt.Rectangle((column, 3 - row), 1, 1, fill=False))
        left.text(-0.15, 3.5 - row, f"state {row}", ha="right", va="center", fontsize=9)
    left.text(1, 4.15, "action 0      action 1", ha="center", fontsize=9)
    left.set(xlim=(-2, 3), ylim=(-0.2, 4.6), title="A table: one row a state")
    columns = [[0.5 + 0.8 * k for k in range(4)], [0.1 + 0.8 * k for k in range(5)], [1.3, 2.1]]
    for place, (before, after) in enumerate(pairwise(columns)):
        for a in before:
            for b in after:
                right.plot([2 * place, 2 * place + 2], [a, b], color=COLORS["baseline"], lw=0.7)
    for place, column in enumerate(columns):
        right.plot([2 * place] * len(column), column, "o", color=COLORS["dqn"], markersize=11)
    names = ("angular speed", "angle", "speed", "position")
    for name, height in zip(names, columns[0], strict=True):
        right.text(-0.3, height, name, ha="right", va="center", fontsize=9)
    for action, height in enumerate((2.1, 1.3)):
        right.text(4.3, height, f"$Q(s, {action})$", va="center", fontsize=9)
    right.set(xlim=(-2.2, 5.6), ylim=(-0.4, 3.9), title="A network: all states share its weights")
    for axes in (left, right):
        axes.set_axis_off()
    return figure


def draw_replay(observations: Tensor, batch_size: int, rng: torch.Generator) -> Figure:
    """Draw the angle of the pole over a stretch of memory, and what a random batch takes of it.

    Args:
        observations: Of CartPole, in the order in which they came, `(steps, 4)`.
        batch_size: How many the batch has.
        rng: Draws them.
    """
    figure, axes = plt.subplots(figsize=(7.0, 2.3))
    angle = observations[:, 2]
    axes.plot(angle, color=COLORS["baseline"], linewidth=1)
    newest = torch.arange(len(angle) - batch_size, len(angle))
    drawn = torch.randint(len(angle), (batch_size,), generator=rng)
    axes.plot(newest, angle[newest], "s", color=COLORS["generated"], label="the newest: neighbours")
    axes.plot(drawn, angle[drawn], "o", color=COLORS["dqn"], label="drawn at random")
    axes.set(xlabel="transition in memory, in order of time", ylabel="angle in rad")
    axes.set_title("A random batch has something of everything")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure
