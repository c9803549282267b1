"""Paint a dark spot into a slice, cover it with noise, and see what each method leaves of it.

Only the part of ipywidgets that its versions 7.7 and 8 share is used.
"""

from collections.abc import Callable, Mapping

import ipywidgets
import matplotlib.pyplot as plt
import torch
from torch import Tensor

from dqngan_lib.applications.medical.lesions import paint_lesions, profile
from dqngan_lib.applications.medical.slices import add_noise
from dqngan_lib.course.arguments import require
from dqngan_lib.course.widgets import announced, buttons, number, present
from dqngan_lib.plots import COLORS, img_tag


class LesionPainter:
    """Numbers for a slice and a spot; what each method makes of it, and what is left of the spot.

    Each method restores two pictures with the same noise, with the spot and without. What differs
    is all that it says about the spot.

    Args:
        restore: From noisy pictures `(n, 1, height, width)` to what each method makes of them, by
            name.
        slices: Slices to choose from, float `(n, 1, height, width)` in [0, 1].

    Raises:
        ValueError: There is no method.
    """

    def __init__(self, restore: Callable[[Tensor], Mapping[str, Tensor]], slices: Tensor) -> None:
        self.restore, self.slices = restore, slices
        height, width = slices.shape[2:]
        self.slice = number("slice", 0, 0, len(slices) - 1)
        self.row = number("row", 3 * height // 8, 3, height - 4)
        self.column = number("column", 3 * width // 8, 3, width - 4)
        self.diameter = number("diameter", 3, 1, 5)
        self.contrast = number("contrast", 60, 0, 120, 5)
        self.seed = number("noise", 0, 0, 9_999)
        controls = [self.slice, self.row, self.column, self.diameter, self.contrast, self.seed]
        for control in controls:
            control.observe(lambda _: self._redraw(), names="value")
        self.picture, self.text = ipywidgets.HTML(), ipywidgets.HTML()
        halves = [ipywidgets.VBox(part) for part in (controls[:3], controls[3:])]
        again = buttons({"other noise": self.other_noise})
        self.widget = ipywidgets.VBox([ipywidgets.HBox(halves), *again, self.picture, self.text])
        self._redraw()

    def other_noise(self) -> None:
        """Cover the slice with other noise of the same strength."""
        self.seed.value = (self.seed.value + 1) % 10_000

    def show(self) -> None:
        """Display the widget where somebody is watching."""
        present(self.widget)

    def left(self, restored: Tensor) -> float:
        """Return which share of the spot a method has left: 1 is all of it, 0 nothing.

        Args:
            restored: What it made of the slice without and with the spot, `(2, 1, …)`.
        """
        spot = profile(self.diameter.value)
        reach, row, column = len(spot) // 2, self.row.value, self.column.value
        here = slice(row - reach, row + reach + 1), slice(column - reach, column + reach + 1)
        fall = (restored[0] - restored[1])[0][here]
        return ((fall * spot).sum() / spot.square().sum()).item() * 255 / self.contrast.value

    def _redraw(self) -> None:
        row, column = self.row.value, self.column.value
        place = torch.tensor([[1, row, column]])
        pair = self.slices[self.slice.value].expand(2, -1, -1, -1)
        pair = paint_lesions(pair, place, self.diameter.value, self.contrast.value / 255)
        noisy = add_noise(pair[:1], seed=self.seed.value) - pair[:1] + pair  # the same noise twice
        restored = self.restore(noisy)
        require(len(restored) > 0, "restore", restored, "pictures of at least one method")
        made = {"original": pair} | dict(restored)
        figure, axes = plt.subplots(2, len(made), figsize=(1.75 * len(made), 3.9), squeeze=False)
        says = []
        for (name, pictures), (above, below) in zip(made.items(), axes.T, strict=True):
            above.imshow(pictures[1, 0].numpy(), cmap="gray", vmin=0, vmax=1)
            above.set_title(name, fontsize=9, loc="center")
            above.plot(column, row, "s", color=COLORS["accent"], fillstyle="none", ms=11)
            below.imshow((pictures[1] - pictures[0])[0].numpy(), cmap="RdBu_r", vmin=-0.3, vmax=0.3)
            below.set(xlim=(column - 9.5, column + 9.5), ylim=(row + 9.5, row - 9.5))
            if self.contrast.value:
                left = f"{100 * self.left(pictures):.0f} %"
                says.append(f"{name} {left}")
                below.set_title(f"left: {left}", fontsize=9, loc="center")
        for plot in axes.flat:
            plot.set(xticks=[], yticks=[])
        alt = "A slice with a framed spot, and each method's answer; below, what the spot changed."
        self.picture.value = img_tag(figure, alt)
        nothing = "there is no spot, its contrast is 0"
        self.text.value = announced(f"Left of the spot's darkness: {', '.join(says) or nothing}.")
