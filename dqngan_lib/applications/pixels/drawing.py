"""Draw a digit, make it small, and watch the pixels act that enlarge it again.

Only the part of ipywidgets that its versions 7.7 and 8 share is used. Everything works with the
keyboard: the pen is moved by buttons.
"""

from collections.abc import Mapping

import ipywidgets
import matplotlib.pyplot as plt
import torch
from torch import Tensor

from dqngan_lib.applications.pixels.editor import Edits, edit
from dqngan_lib.applications.pixels.filters import SUPER_RESOLUTION, ActionSet
from dqngan_lib.applications.pixels.plots import legend_patches, paint_actions
from dqngan_lib.applications.pixels.restoration import enlarge, shrink
from dqngan_lib.course.arguments import require
from dqngan_lib.course.widgets import announced, buttons, choice, number, present
from dqngan_lib.environments.rollout import Policy
from dqngan_lib.metrics.digits import predicted_classes
from dqngan_lib.metrics.pictures import psnr
from dqngan_lib.plots import COLORS, img_tag

PEN_STEP = 2
"""How many pixels the pen moves at each press of a button; its nib is 3 × 3 pixels."""

PEN_MODES = ("draw", "erase", "only move")
"""What the pen does where it goes."""


class DrawAndEnlarge:
    """A pen moved by buttons, the small picture, and what the pixels do, step by step.

    Args:
        policies: From observations of `PixelEditor` to actions, by the factor they have learnt.
        originals: Digits that a drawing can begin with, float `(n, 1, 28, 28)` in [0, 1].
        actions: What a pixel may choose.
        steps: T, as in training.

    Raises:
        ValueError: There is no policy.
    """

    def __init__(
        self,
        policies: Mapping[int, Policy],
        originals: Tensor,
        actions: ActionSet = SUPER_RESOLUTION,
        steps: int = 5,
    ) -> None:
        require(len(policies) > 0, "policies", policies, "at least one")
        self.policies, self.originals = dict(policies), originals
        self.actions, self.steps = actions, steps
        self.side = originals.shape[-1]
        names = [(f"{self.side // factor} × {self.side // factor}", factor) for factor in policies]
        self.factor = choice("shrink to", names)
        starts = [("empty paper", -1), *((f"test picture {n}", n) for n in range(len(originals)))]
        self.start = choice("begin with", starts, -1)
        self.pen = choice("the pen", PEN_MODES)
        self.step = number("step", 0, 0, steps)
        self.start.observe(lambda _: self.begin(), names="value")
        self.factor.observe(lambda _: self._enlarge(), names="value")
        self.step.observe(lambda _: self._redraw(), names="value")
        presses = {
            "pen up": lambda: self.move(-1, 0),
            "pen down": lambda: self.move(1, 0),
            "pen left": lambda: self.move(0, -1),
            "pen right": lambda: self.move(0, 1),
            "next step": self.next_step,
        }
        self.picture, self.text = ipywidgets.HTML(), ipywidgets.HTML()
        self.widget = ipywidgets.VBox(
            [
                ipywidgets.HBox([self.start, self.factor]),
                ipywidgets.HBox([self.pen, self.step]),
                ipywidgets.HBox(buttons(presses, "100px")),
                self.picture,
                self.text,
            ]
        )
        self.begin()

    def begin(self) -> None:
        """Take new paper, or the digit that is chosen; the pen goes to the upper middle."""
        chosen, shape = self.start.value, self.originals[:1].shape
        self.drawn = torch.zeros(shape) if chosen < 0 else self.originals[chosen : chosen + 1]
        self.place = (6, self.side // 2)
        self._enlarge()

    def move(self, down: int, right: int) -> None:
        """Move the pen, within the paper, and let it do what the menu says."""
        row, column = self.place
        far = self.side - 3
        self.place = (
            min(max(row + PEN_STEP * down, 2), far),
            min(max(column + PEN_STEP * right, 2), far),
        )
        if self.pen.value != "only move":
            (row, column), self.drawn = self.place, self.drawn.clone()
            nib = self.drawn[..., row - 1 : row + 2, column - 1 : column + 2]
            nib[:] = 1.0 if self.pen.value == "draw" else 0.0
        self._enlarge()

    def next_step(self) -> None:
        """Go one step on, and from the last one back to the start."""
        self.step.value = (self.step.value + 1) % (self.steps + 1)

    def show(self) -> None:
        """Display the widget where somebody is watching."""
        present(self.widget)

    def _enlarge(self) -> None:
        factor = self.factor.value
        self.small = shrink(self.drawn, factor)
        policy = self.policies[factor]
        self.edits: Edits = edit(
            policy, enlarge(self.small, factor), self.actions, steps=self.steps
        )
        self._redraw()

    def _redraw(self) -> None:
        step, factor = self.step.value, self.factor.value
        now = self.edits.pictures[step]
        figure, axes = plt.subplots(1, 5, figsize=(8.8, 2.2), width_ratios=(1, 1, 1, 1, 0.6))
        titles = ("your drawing", "made small", "enlarged" if step == 0 else f"after step {step}")
        for place, picture, title in zip(axes, (self.drawn, self.small, now), titles, strict=False):
            place.imshow(picture[0, 0].numpy(), cmap="gray", vmin=0, vmax=1)
            place.set(xticks=[], yticks=[])
            place.set_title(title, fontsize=9, loc="center")
        axes[0].plot(*reversed(self.place), "+", color=COLORS["accent"], markersize=9)
        used: list[int] = []
        if step < self.steps:
            action = self.edits.effective[step, 0]
            paint_actions(axes[3], action, self.actions)
            axes[3].set_title(f"actions, step {step + 1}", fontsize=9, loc="center")
            used = action.unique().tolist()
        else:
            axes[3].set_axis_off()
        axes[4].set_axis_off()
        patches = legend_patches(self.actions)
        axes[4].legend(handles=[patches[a] for a in used], fontsize=7, loc="center left")
        row, column = self.place
        read = [predicted_classes(x).item() for x in (self.drawn, now)]
        alt = (
            f"Your drawing with the pen at row {row}, column {column}; the same in "
            f"{self.side // factor} × {self.side // factor} squares; the picture after step {step} "
            f"of {self.steps}, read as {read[1]}; a map of what its pixels do next."
        )
        self.picture.value = img_tag(figure, alt)
        quality = psnr(now, self.drawn).clamp(max=60).item()
        self.text.value = announced(
            f"Pen: row {row}, column {column}. PSNR: {quality:.1f} dB. The digit scorer reads your "
            f"drawing as {read[0]}, the picture now as {read[1]}."
        )
