"""Ask a painting agent for a digit, choose a temperature and a seed, and watch it draw.

Only the part of ipywidgets that its versions 7.7 and 8 share is used.
"""

import ipywidgets
import torch
from torch import nn

from dqngan_lib.applications.strokes.drawing import SIDE
from dqngan_lib.applications.strokes.plots import draw_digits, film_frames
from dqngan_lib.course.widgets import announced, buttons, choice, number, present
from dqngan_lib.metrics.digits import predicted_classes
from dqngan_lib.plots import film_tag

TEMPERATURES = (0.0, 0.25, 0.5, 0.7, 1.0, 1.5)
"""What can be chosen: from the greatest Q-value only to more luck than in training."""


class PainterWidget:
    """Five drawings of the digit that is asked for, as a film that repeats.

    Args:
        network: From observations of `StrokeCanvas` to Q-values, such as `agent.slow_network`.
        count: Drawings side by side.
    """

    def __init__(self, network: nn.Module, count: int = 5) -> None:
        self.network, self.count = network, count
        self.digit = choice("digit", range(10), 3)
        self.temperature = choice("temperature", TEMPERATURES, 0.7)
        self.seed = number("seed", 0, 0, 9_999)
        for control in (self.digit, self.temperature, self.seed):
            control.observe(lambda _: self._redraw(), names="value")
        self.picture, self.text = ipywidgets.HTML(), ipywidgets.HTML()
        again = buttons({"another seed": self.next_seed})
        controls = ipywidgets.HBox([self.digit, self.temperature, self.seed, *again])
        self.widget = ipywidgets.VBox([controls, self.picture, self.text])
        self._redraw()

    def next_seed(self) -> None:
        """Draw with the next seed."""
        self.seed.value = (self.seed.value + 1) % 10_000

    def show(self) -> None:
        """Display the widget where somebody is watching."""
        present(self.widget)

    def _redraw(self) -> None:
        digit, temperature = self.digit.value, self.temperature.value
        labels = torch.full((self.count,), digit)
        _, steps = draw_digits(self.network, labels, temperature, self.seed.value)
        frames = film_frames(steps, self.count, 4)
        alt = f"{self.count} drawings of the digit {digit} grow stroke by stroke, side by side."
        self.picture.value = film_tag(frames, alt, seconds=0.22 * len(frames))
        read = predicted_classes(steps[:, -1].reshape(-1, 1, SIDE, SIDE)).tolist()
        said = f"asked for: {digit}; the digit scorer reads: {', '.join(map(str, read))}"
        self.text.value = announced(said)
