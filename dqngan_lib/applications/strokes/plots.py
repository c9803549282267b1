"""Pictures of a drawing on its way: the canvases of each step, films, and strips of frames."""

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn
from torchvision.utils import make_grid

from dqngan_lib.applications.strokes.canvas import StrokeCanvas
from dqngan_lib.applications.strokes.drawing import PIXELS, SIDE
from dqngan_lib.dqngan.sampler import draw_actions


@torch.no_grad()
def draw_digits(
    network: nn.Module, labels: Tensor, temperature: float = 1.0, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """Draw the digits that are asked for and keep every step.

    Args:
        network: From observations of `StrokeCanvas` to Q-values.
        labels: The classes asked for, int64 `(n,)`.
        temperature: τ ≥ 0 of softmax(Q/τ); 0 takes the greatest Q-value.
        seed: Seed of the actions.

    Returns:
        The actions, int64 `(n, strokes)`, and the canvas before the first stroke and after each,
        float `(n, strokes + 1, 784)`.
    """
    envs = StrokeCanvas(len(labels))
    rng = torch.Generator().manual_seed(int(seed))
    observation, _ = envs.reset(seed=int(seed), options={"labels": labels})
    network.eval()
    actions, shown = [], [envs.canvas.clone()]
    for _ in range(envs.max_steps):
        actions.append(draw_actions(network(observation), temperature, rng))
        observation, _, _, _, info = envs.step(actions[-1])
        last = info["final_obs"] if info else observation
        shown.append(last[:, :PIXELS].float() / 255)
    return torch.stack(actions, 1), torch.stack(shown, 1)


def film_frames(steps: Tensor, columns: int = 10, scale: int = 3) -> list[np.ndarray]:
    """Return one frame a step with all drawings in a grid, the last shown for longer.

    The finished drawings come first, for one frame: a page that does not move shows them.

    Args:
        steps: Canvases `(n, steps, 784)` in [0, 1].
        columns: Drawings in a row.
        scale: Screen pixels for each pixel.

    Returns:
        uint8 `(height, width)` each.
    """
    frames = []
    for canvas in steps.unbind(1):
        grid = make_grid(canvas.reshape(-1, 1, SIDE, SIDE), columns, padding=2, pad_value=0.5)[0]
        large = grid.repeat_interleave(scale, 0).repeat_interleave(scale, 1)
        frames.append((255 * (1 - large)).round().to(torch.uint8).numpy())
    return [frames[-1], *frames, *[frames[-1]] * 6]


def draw_strips(steps: Tensor, names: list[str], title: str, every: int = 1) -> Figure:
    """Draw each drawing as a row of frames, from blank paper to the finished digit.

    Args:
        steps: Canvases `(n, steps, 784)` in [0, 1].
        names: A few words beside each row.
        title: A sentence above.
        every: Show the first canvas, then every so many strokes.
    """
    chosen = list(range(0, steps.shape[1], every))
    figure, all_axes = plt.subplots(
        len(steps), len(chosen), figsize=(0.68 * len(chosen) + 0.9, 0.74 * len(steps) + 0.5)
    )
    all_axes = np.array(all_axes).reshape(len(steps), len(chosen))
    for row, canvas, name in zip(all_axes, steps, names, strict=True):
        for axes, step in zip(row, chosen, strict=True):
            paper = 1 - canvas[step].reshape(SIDE, SIDE).numpy()
            axes.imshow(paper, cmap="gray", vmin=0, vmax=1)
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(True)
        row[0].set_ylabel(name, rotation=0, ha="right", va="center")
    for axes, step in zip(all_axes[-1], chosen, strict=True):
        axes.set_xlabel(f"{step}", fontsize=8)
    figure.suptitle(title, fontsize=11)
    figure.supxlabel("strokes laid down", fontsize=9)
    return figure
