"""Pictures of painting: maps of gains, curves over strokes, palettes."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from dqngan_lib.applications.art.brushes import brush_gains
from dqngan_lib.applications.art.painter import PAPER, Painting
from dqngan_lib.plots import COLORS


def _as_picture(picture: Tensor) -> np.ndarray:
    """Return a picture `(3, height, width)` as matplotlib draws it."""
    return picture.detach().clamp(0, 1).permute(1, 2, 0).numpy()


def draw_gains(pictures: Sequence[Tensor], names: Sequence[str]) -> Figure:
    """Draw pictures, and below each what the best stroke at each place would gain on white paper.

    Args:
        pictures: float `(3, height, width)` each, the sides even.
        names: What to write above each.
    """
    figure, axes = plt.subplots(2, len(pictures), figsize=(2.5 * len(pictures) + 0.6, 5.0))
    for column, picture, name in zip(axes.T, pictures, names, strict=True):
        gains = brush_gains(torch.full_like(picture, PAPER)[None], picture[None])[0].amax(0)
        column[0].imshow(_as_picture(picture))
        column[0].set_title(name, loc="center", fontsize=10)
        image = column[1].imshow(gains.clamp(min=0), cmap="cividis")
        bar = figure.colorbar(image, ax=column[1], shrink=0.8)
        bar.ax.tick_params(labelsize=8)
        column[1].set_xlabel(f"{gains.shape[0]} × {gains.shape[1]} places", fontsize=9)
        for each in column:
            each.set(xticks=[], yticks=[])
            each.spines[:].set_visible(False)
    axes[0, 0].set_ylabel("photograph")
    axes[1, 0].set_ylabel("gain of the best stroke")
    return figure


def draw_psnr(
    axes: plt.Axes, painters: Mapping[str, tuple[Sequence[Painting], str]], title: str
) -> None:
    """Draw PSNR over strokes: thin lines for the pictures, a thick one for their mean.

    Args:
        axes: Where to draw.
        painters: By name, paintings of the same pictures and a name in `plots.COLORS`.
        title: A sentence above.
    """
    ends, lines = [], ("-", "--", ":", "-.")
    for (name, (paintings, color)), line in zip(painters.items(), lines, strict=False):
        curves = np.array([painting.psnr() for painting in paintings])
        for curve in curves:
            axes.plot(curve, color=COLORS[color], linewidth=0.6, alpha=0.45)
        mean = curves.mean(0)
        axes.plot(mean, color=COLORS[color], linewidth=2.2, linestyle=line)
        ends.append((mean[-1], name, COLORS[color]))
    least = 0.06 * float(np.ptp(axes.get_ylim()))
    height = -np.inf
    for value, name, color in sorted(ends):
        height = max(value, height + least)  # labels that do not overlap
        place = (len(mean) - 1, height)
        axes.annotate(name, place, (6, 0), textcoords="offset points", color=color, va="center")
    axes.set(xlabel="strokes laid down", ylabel="PSNR, dB", title=title)
    axes.set_xlim(0, len(mean) - 1)


def draw_palettes(
    pictures: Sequence[Tensor], palettes: Sequence[Tensor], names: Sequence[str]
) -> Figure:
    """Draw paintings in a row, and under each the colours that it was painted with.

    Args:
        pictures: `(3, height, width)` each.
        palettes: `(k, 3)` each; one with no colours is left blank.
        names: What to write above each.
    """
    size = 1.8 * len(pictures), 2.3
    figure, axes = plt.subplots(2, len(pictures), figsize=size, height_ratios=(9, 1))
    for column, picture, palette, name in zip(axes.T, pictures, palettes, names, strict=True):
        column[0].imshow(_as_picture(picture), interpolation="antialiased")
        column[0].set_title(name, loc="center", fontsize=10)
        if len(palette):
            column[1].imshow(palette[None].numpy(), aspect="auto")
        for each in column:
            each.set_axis_off()
    return figure


def draw_taste(
    axes: plt.Axes,
    dial: Mapping[float, Mapping[str, float]],
    recolour: Mapping[float, Mapping[str, float]],
    floor: float,
    title: str,
) -> None:
    """Draw distance to a style over PSNR, for the painter's weights and for recolouring.

    Args:
        axes: Where to draw.
        dial: By weight λ, `psnr` in dB and `distance`.
        recolour: The same by the share of the way to the style's histograms.
        floor: Distance between two halves of the style picture.
        title: A sentence above.
    """
    small = {"textcoords": "offset points", "fontsize": 9}
    lines = (
        (dial, "dqn", "o-", "λ = {:g}", (-8, -15)),
        (recolour, "baseline", "s--", "{:.0%}", (6, -11)),
    )
    for scores, color, mark, label, shift in lines:
        x, y = ([score[name] for score in scores.values()] for name in ("psnr", "distance"))
        axes.plot(x, y, mark, color=COLORS[color])
        for weight, *place in zip(scores, x, y, strict=True):
            axes.annotate(label.format(weight), place, shift, **small)
    axes.axhline(floor, color=COLORS["ceiling"], linestyle=":")
    across, text = ("axes fraction", "data"), "floor: one half of the style against the other"
    axes.annotate(text, (0.98, floor), (0, 3), xycoords=across, ha="right", **small)
    axes.set(xlabel="PSNR against the photograph, dB", ylabel="style distance", title=title)
    axes.set_ylim(bottom=0)
