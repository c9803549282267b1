"""Choose a digit, make a hole, and go through the edits with which pixels fill it.

Only the part of ipywidgets that its versions 7.7 and 8 share is used.
"""

from collections.abc import Mapping

import ipywidgets
import matplotlib.pyplot as plt
import torch
from torch import Tensor

from dqngan_lib.applications.pixels.editor import Edits, edit
from dqngan_lib.applications.pixels.filters import FILLING, ActionSet
from dqngan_lib.applications.pixels.inpainting import cut_holes, hole_psnr
from dqngan_lib.applications.pixels.plots import legend_patches, paint_actions
from dqngan_lib.course.arguments import require, whole
from dqngan_lib.course.widgets import announced, buttons, choice, number, present
from dqngan_lib.environments.rollout import Policy
from dqngan_lib.metrics.digits import predicted_classes
from dqngan_lib.plots import COLORS, img_tag

HOLE_SHAPES = ("square", "disc", "scribble")
"""What a hole can look like. Agents that have only met squares may try the others."""


def shaped_hole(
    shape: str, row: int, column: int, size: int, side: int = 28, seed: int = 0
) -> Tensor:
    """Return a mask with one hole around a place, bool `(1, 1, side, side)`.

    Args:
        shape: "square"; "disc"; or "scribble", a brush of 3 × 3 pixels that wanders from the
            place, 2 `size` steps long, and stays within `size` pixels of it.
        row: Its middle, from 0 to `side` − 1.
        column: Its middle.
        size: Side or diameter in pixels.
        side: Height and width of the picture.
        seed: Seed of the scribble.

    Raises:
        ValueError: The shape is unknown, or a number is out of its range.
    """
    require(shape in HOLE_SHAPES, "shape", shape, f"one of {HOLE_SHAPES}")
    whole("row", row, 0, side - 1)
    whole("column", column, 0, side - 1)
    whole("size", size, 1, side)
    line = torch.arange(side)
    down, right = (line - row)[:, None].expand(side, side), (line - column).expand(side, side)
    low, high = -(size // 2), (size + 1) // 2
    if shape == "square":
        inside = (down >= low) & (down < high) & (right >= low) & (right < high)
    elif shape == "disc":
        shift = 0.5 * (size % 2 == 0)
        inside = (down + shift) ** 2 + (right + shift) ** 2 <= (size / 2) ** 2
    else:
        rng = torch.Generator().manual_seed(int(seed))
        brush, inside = torch.zeros(2), torch.zeros(side, side, dtype=torch.bool)
        for _ in range(2 * size):
            inside |= (down - brush[0]).abs().maximum((right - brush[1]).abs()) <= 1
            step = torch.randint(-1, 2, (2,), generator=rng)
            brush = (brush + step).clamp(low + 1, max(high - 2, low + 1))
    return inside.view(1, 1, side, side)


class HoleFiller:
    """Numbers for a digit, a hole and a step; the picture, and what its pixels do next.

    A hole can be scribbled piece by piece: "keep this piece" keeps what the numbers say, and the
    next piece is added to it.

    Args:
        policies: From observations to actions, by name.
        originals: Digits to choose from, float `(n, 1, 28, 28)` in [0, 1].
        actions: What a pixel may choose.
        steps: T, as in training.

    Raises:
        ValueError: There is no policy.
    """

    def __init__(
        self,
        policies: Mapping[str, Policy],
        originals: Tensor,
        actions: ActionSet = FILLING,
        steps: int = 5,
    ) -> None:
        require(len(policies) > 0, "policies", policies, "at least one")
        self.policies, self.originals = dict(policies), originals
        self.actions, self.steps = actions, steps
        side = originals.shape[-1]
        self.agent = choice("agent", self.policies)
        self.shape = choice("hole", HOLE_SHAPES)
        self.digit = number("digit", 0, 0, len(originals) - 1)
        self.row = number("row", side // 2, 0, side - 1)
        self.column = number("column", side // 2, 0, side - 1)
        self.size = number("size", 10, 2, 20)
        self.step = number("step", 0, 0, steps)
        for name in ("agent", "shape", "digit", "row", "column", "size"):
            getattr(self, name).observe(self._refill, names="value")
        self.step.observe(self._redraw, names="value")
        self.kept = torch.zeros(1, 1, side, side, dtype=torch.bool)
        presses = {
            "next step": self.next_step,
            "keep this piece": self.keep_piece,
            "forget all pieces": self.forget_pieces,
        }
        self.picture, self.text = ipywidgets.HTML(), ipywidgets.HTML()
        left = ipywidgets.VBox([self.agent, self.shape, self.digit, self.row])
        right = ipywidgets.VBox([self.column, self.size, self.step])
        controls = ipywidgets.HBox([left, right])
        row = ipywidgets.HBox(buttons(presses))
        self.widget = ipywidgets.VBox([controls, row, self.picture, self.text])
        self._refill()

    def next_step(self) -> None:
        """Go one step on, and from the last one back to the start."""
        self.step.value = (self.step.value + 1) % (self.steps + 1)

    def keep_piece(self) -> None:
        """Keep the hole as it is, so that another piece can be added to it."""
        self.kept = self.mask()
        self._refill()

    def forget_pieces(self) -> None:
        """Go back to the one hole that the numbers ask for."""
        self.kept = torch.zeros_like(self.kept)
        self._refill()

    def mask(self) -> Tensor:
        """Return the pieces kept and what the numbers ask for, bool `(1, 1, height, width)`."""
        side = self.originals.shape[-1]
        place = self.row.value, self.column.value
        piece = shaped_hole(self.shape.value, *place, self.size.value, side, self.digit.value)
        return self.kept | piece

    def show(self) -> None:
        """Display the widget where somebody is watching."""
        present(self.widget)

    def _refill(self, change: dict | None = None) -> None:
        self.original = self.originals[self.digit.value : self.digit.value + 1]
        mask = self.mask()
        policy = self.policies[self.agent.value]
        start = cut_holes(self.original, mask)
        self.edits: Edits = edit(policy, start, self.actions, masks=mask, steps=self.steps)
        self._redraw()

    def _redraw(self, change: dict | None = None) -> None:
        step, hole = self.step.value, self.mask()
        now = self.edits.pictures[step]
        figure, axes = plt.subplots(1, 4, figsize=(8.4, 2.4), width_ratios=(1, 1, 1, 0.55))
        for place, picture, title in (
            (axes[0], self.original, "original, with the hole"),
            (axes[1], now, "start" if step == 0 else f"after step {step}"),
        ):
            place.imshow(picture[0, 0].numpy(), cmap="gray", vmin=0, vmax=1)
            place.contour(hole[0, 0].float().numpy(), [0.5], colors=COLORS["accent"], linewidths=1)
            place.set(xticks=[], yticks=[])
            place.set_title(title, fontsize=9, loc="center")
        used: list[int] = []
        if step < self.steps:
            action = self.edits.actions[step, 0]
            paint_actions(axes[2], torch.where(hole[0, 0], action, 0), self.actions)
            axes[2].set_title(f"actions at step {step + 1}", fontsize=9, loc="center")
            used = action[hole[0, 0]].unique().tolist()
        else:
            axes[2].set_axis_off()
        axes[3].set_axis_off()
        patches = legend_patches(self.actions)
        axes[3].legend(handles=[patches[a] for a in used], fontsize=8, loc="center left")
        alt = "The original with the hole framed, the picture now, and what its pixels do next."
        self.picture.value = img_tag(figure, alt)
        quality = hole_psnr(now, self.original, hole)
        read = [predicted_classes(x).item() for x in (self.original, now)]
        self.text.value = announced(
            f"PSNR in the hole: {quality:.1f} dB. The digit scorer reads the original as "
            f"{read[0]}, the picture now as {read[1]}."
        )
