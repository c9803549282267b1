"""Draw a hole into a photograph, yours or one that is here, and see what each way puts there."""

from collections.abc import Callable, Mapping

import ipywidgets
import torch
from torch import Tensor

from dqngan_lib.applications.art.photos import fit_photo
from dqngan_lib.applications.art.widgets import TakesPhotos, upload_advice
from dqngan_lib.applications.pixels.widgets import shaped_hole
from dqngan_lib.course.arguments import require
from dqngan_lib.course.widgets import announced, buttons, choice, number, present
from dqngan_lib.plots import img_tag

Way = Callable[[Tensor, Tensor], Tensor]
"""From a photograph and its hole, bool `(height, width)`, to the photograph without the hole."""

MARGIN = 16
"""Pixels between a hole and the edge of the picture at least."""

SIDE = 256
"""The shorter side of what is mended, in pixels."""


class PainterOut(TakesPhotos):
    """A photograph, a hole that is put together from pieces, and ways to fill it.

    Nothing is uploaded to anywhere but the computer that runs the notebook.

    Args:
        ways: How a hole may be filled, by name.
        samples: Photographs to choose from by name, float `(3, height, width)` in [0, 1].

    Raises:
        ValueError: There is no way, or no photograph.
    """

    def __init__(self, ways: Mapping[str, Way], samples: Mapping[str, Tensor]) -> None:
        require(len(ways) > 0, "ways", ways, "at least one")
        require(len(samples) > 0, "samples", samples, "at least one")
        self.ways, self.samples = dict(ways), dict(samples)
        self.upload = ipywidgets.FileUpload(accept="image/*", multiple=False)
        self.file = ipywidgets.Text(
            description="or a file", placeholder="its name", continuous_update=False
        )
        self.sample = choice("or one of", self.samples)
        self.shape = choice("hole", ("disc", "square", "scribble"))
        self.row, self.column = number("row", 128, 0, 511), number("column", 128, 0, 511)
        self.size = number("size", 32, 4, 64)
        self.way = choice("fill by", self.ways)
        self.picture, self.text = ipywidgets.HTML(), ipywidgets.HTML()
        presses = {
            "keep this piece": self.keep_piece,
            "forget all pieces": self.forget_pieces,
            "fill the hole": self.fill,
        }
        pressed = buttons(presses)
        pressed[-1].button_style = "primary"
        rows = (
            [self.upload, self.file, self.sample],
            [self.shape, self.row, self.column],
            [self.size, self.way],
            pressed,
        )
        boxes = [ipywidgets.HBox(row) for row in rows]
        advice = ipywidgets.HTML(f"<small>{upload_advice()}</small>")
        self.widget = ipywidgets.VBox([boxes[0], advice, *boxes[1:], self.text, self.picture])
        calls = {self.upload: self.take, self.file: self.open, self.sample: self.choose}
        for control, call in calls.items():
            control.observe(lambda change, call=call: call(change["new"]), names="value")
        for control in (self.shape, self.row, self.column, self.size):
            control.observe(lambda change: self._redraw(), names="value")
        self.choose(self.sample.value)

    def show(self) -> None:
        """Display the widget where somebody is watching."""
        present(self.widget)

    def choose(self, name: str) -> None:
        """Take one of the photographs that are here."""
        self._begin(name, self.samples[name])

    def _refuse(self, said: str) -> None:
        self.text.value = said

    def _begin(self, name: str, photo: Tensor) -> None:
        """Cut a photograph to its size, and forget the hole."""
        self.photo = fit_photo(photo, SIDE)
        self.forget_pieces()

    def keep_piece(self) -> None:
        """Keep the hole as it is, so that another piece can be added to it."""
        self.kept = self.hole()
        self._redraw()

    def forget_pieces(self) -> None:
        """Go back to the one hole that the numbers ask for."""
        self.kept = torch.zeros(self.photo.shape[1:], dtype=torch.bool)
        self._redraw()

    def hole(self) -> Tensor:
        """Return the pieces kept and what the numbers ask for, bool `(height, width)`."""
        height, width = self.kept.shape
        place = min(self.row.value, height - 1), min(self.column.value, width - 1)
        side = max(height, width)
        piece = shaped_hole(self.shape.value, *place, self.size.value, side)[0, 0, :height, :width]
        inside = torch.zeros_like(piece)
        inside[MARGIN : height - MARGIN, MARGIN : width - MARGIN] = True
        return self.kept | (piece & inside)

    def fill(self) -> None:
        """Fill the hole by the way that is chosen, and show it."""
        hole = self.hole()
        if not hole.any():
            self.text.value = announced(f"The hole lies within {MARGIN} pixels of the edge.")
            return
        self.text.value = announced(f"{self.way.value} is at work …")
        try:
            filled = self.ways[self.way.value](self.photo, hole)
        except ValueError as error:
            self.text.value = announced(f"This hole cannot be filled: {error}.")
            return
        self._draw(filled, f"filled by {self.way.value}")

    def _redraw(self) -> None:
        """Show the photograph with its hole in magenta, which no photograph has."""
        colour = torch.tensor([1.0, 0.0, 1.0]).view(3, 1, 1)
        self._draw(torch.where(self.hole(), colour, self.photo), "with the hole in magenta")

    def _draw(self, picture: Tensor, words: str) -> None:
        missing = int(self.hole().sum())
        self.picture.value = img_tag(picture, f"The photograph, {words}.", "jpeg", 440)
        self.text.value = announced(f"The photograph, {words}: {missing} pixels.")
