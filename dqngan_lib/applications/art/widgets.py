"""Paint your own photograph: upload a file, choose brush, palette and number of strokes.

`FileUpload` is the one widget here whose value differs between ipywidgets 7.7 and 8; both are
understood. Of everything else only the part that the two versions share is used.
"""

import html
from collections.abc import Mapping
from typing import Any

import ipywidgets
from torch import Tensor

from dqngan_lib.applications.art.animations import stroke_svg
from dqngan_lib.applications.art.looks import LOOKS, render
from dqngan_lib.applications.art.painter import SCHEDULE, Painting, Values, paint
from dqngan_lib.applications.art.palettes import picture_palette
from dqngan_lib.applications.art.photos import fit_photo, read_photo
from dqngan_lib.course.widgets import present
from dqngan_lib.plots import img_tag


def uploaded_file(value: Any) -> tuple[str, bytes] | None:
    """Return name and content of the file that was uploaded last, or None if there is none.

    ipywidgets 8 gives a tuple of dictionaries with `name` and `content`; 7.7 gives a dictionary
    from the name to a dictionary with `content`.

    Raises:
        TypeError: It is neither.
    """
    if isinstance(value, Mapping):
        files = [(str(name), item["content"]) for name, item in value.items()]
    elif isinstance(value, (tuple, list)):
        files = [(str(item["name"]), item["content"]) for item in value]
    else:
        raise TypeError(f"value must be that of a FileUpload; got {type(value).__name__}")
    return (files[-1][0], bytes(files[-1][1])) if files else None


class PhotoPainter:
    """A photograph beside its painting: yours, or one that is here.

    Nothing is uploaded to anywhere but the computer that runs the notebook.

    Args:
        values: Gives a number to every stroke; see `painter.paint`.
        samples: Photographs to choose from by name, float `(3, height, width)` in [0, 1].
        side: The shorter side of what is painted, in pixels, a multiple of 8.
    """

    def __init__(self, values: Values, samples: Mapping[str, Tensor], side: int = 112) -> None:
        self.values, self.samples, self.side = values, dict(samples), side
        self.name = next(iter(self.samples))
        self.photo = fit_photo(self.samples[self.name], side)
        self.painting: Painting | None = None
        self.upload = ipywidgets.FileUpload(accept=".png,.jpg,.jpeg", multiple=False)
        self.sample = ipywidgets.Dropdown(options=list(self.samples), description="or one of")
        self.strokes = ipywidgets.SelectionSlider(
            options=(100, 250, 500, 1_000, 2_000),
            value=500,
            description="strokes",
            continuous_update=False,
        )
        self.colours = ipywidgets.Dropdown(
            options=[("each its own", 0), ("16", 16), ("8", 8), ("4", 4)],
            description="colours",
        )
        self.look = ipywidgets.Dropdown(options=list(LOOKS), value="oil", description="brush")
        self.film = ipywidgets.Checkbox(value=False, description="show how it is painted")
        button = ipywidgets.Button(description="paint", button_style="primary")
        button.on_click(lambda _: self.paint())
        self.upload.observe(lambda change: self.take(change["new"]), names="value")
        self.sample.observe(lambda change: self.choose(change["new"]), names="value")
        for control in (self.look, self.film):
            control.observe(lambda _: self._redraw(), names="value")
        self.picture, self.text = ipywidgets.HTML(), ipywidgets.HTML()
        rows = (
            [self.upload, self.sample],
            [self.strokes, self.colours],
            [self.look, self.film, button],
        )
        boxes = [ipywidgets.HBox(row) for row in rows]
        self.widget = ipywidgets.VBox([*boxes, self.text, self.picture])
        self._redraw()

    def show(self) -> None:
        """Display the widget where somebody is watching."""
        present(self.widget)

    def take(self, value: Any) -> None:
        """Take the file that was uploaded; say what is wrong where it is no picture."""
        file = uploaded_file(value)
        if file is None:
            return
        try:
            photo = fit_photo(read_photo(file[1]), self.side)
        except ValueError as error:
            words = html.escape(str(error).replace("the file", f"“{file[0]}”", 1))
            self.text.value = f'<b style="color:#D55E00">{words}.</b> The picture is as it was.'
            return
        self.name, self.photo, self.painting = file[0], photo, None
        self._redraw()

    def choose(self, name: str) -> None:
        """Take one of the photographs that are here."""
        self.name, self.painting = name, None
        self.photo = fit_photo(self.samples[name], self.side)
        self._redraw()

    def paint(self) -> None:
        """Paint the photograph."""
        self.text.value = "Painting …"
        total, colours = self.strokes.value, self.colours.value
        planned = sum(count for _, count in SCHEDULE)
        schedule = [(factor, round(total * count / planned)) for factor, count in SCHEDULE]
        palette = picture_palette(self.photo, colours) if colours else None
        self.painting = paint(self.values, self.photo, schedule, palette)
        self._redraw()

    def _redraw(self) -> None:
        height, width = self.photo.shape[1:]
        screen = 380
        tags = [img_tag(self.photo, f"The photograph {self.name}.", "jpeg", screen)]
        if self.painting is None:
            self.text.value = f"<b>{html.escape(self.name)}</b>, {width} × {height}. Press “paint”."
        else:
            strokes = self.painting.strokes
            alt = f"The painting of {self.name}, {len(strokes)} strokes."
            if self.film.value:
                svg = stroke_svg(strokes, height, width).encode()
                tags.append(img_tag(svg, alt, "svg+xml", screen))
            else:
                picture = render(strokes, height, width, 4, self.look.value)
                tags.append(img_tag(picture, alt, "jpeg", screen))
            self.text.value = (
                f"<b>{html.escape(self.name)}</b>: {len(strokes)} strokes, PSNR "
                f"{self.painting.psnr()[-1]:.1f} dB"
            )
        self.picture.value = f'<div style="display:flex;gap:8px">{"".join(tags)}</div>'
