"""Paint your own photograph: upload a file, choose its size, brush, palette and strokes, save it.

`FileUpload` is the one widget here whose value differs between ipywidgets 7.7 and 8; both are
understood. Of everything else only the part that the two versions share is used.
"""

import base64
import html
import io
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ipywidgets
from torch import Tensor

from dqngan_lib.applications.art.animations import stroke_svg, webp_film
from dqngan_lib.applications.art.looks import LOOKS, render
from dqngan_lib.applications.art.painter import Painting, Values, add_strokes, plan
from dqngan_lib.applications.art.palettes import picture_palette
from dqngan_lib.applications.art.photos import fit_photo, read_photo
from dqngan_lib.course.widgets import announced, buttons, choice, present, tick
from dqngan_lib.plots import as_image, img_tag

STROKES = {256: 2_000, 512: 6_000}
"""Strokes for a picture whose shorter side has so many pixels; another number can be chosen."""

SAVED_WIDTH = 2_048
"""Width of a saved picture in pixels."""

FILM_SIDE = 512
"""Shorter side of a saved film in pixels, at least."""


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


def upload_advice() -> str:
    """Return what a learner must know about uploads here, so that no file is lost in silence.

    A file comes as one message, and a server drops messages that are too large: then the notebook
    hears nothing. `course.py lab` says in `COURSE_UPLOAD` how many MB its server takes; any other
    JupyterLab takes 10.
    """
    if "google.colab" in sys.modules:
        return (
            "On Colab: write <code>mine.ask()</code> into a new cell and run it. It opens Colab's "
            "own upload. Or write the name of a file on Colab into the field."
        )
    return (
        f"An upload may have up to {os.environ.get('COURSE_UPLOAD', '10')} MB. The server drops a "
        "larger one, and nothing happens here. Then drag the file into the list of files on the "
        "left, and write its name into the field."
    )


class TakesPhotos:
    """What widgets do with a file that somebody gives them: uploaded, or named."""

    def take(self, value: Any) -> None:
        """Take the file that was uploaded; say what is wrong where it is no picture."""
        file = uploaded_file(value)
        if file is not None:
            self._read(*file)

    def open(self, name: str) -> None:
        """Take a file of this computer by its name."""
        path = Path(name.strip()).expanduser()
        if name.strip():
            self._read(path.name, path)

    def _read(self, name: str, source: bytes | Path) -> None:
        try:
            photo = read_photo(source)
        except (ValueError, OSError) as error:
            words = str(error).replace("the file", f"“{name}”", 1)
            self._refuse(announced(f"{words}. The picture is as it was."))
            return
        self._begin(name, photo)

    def _begin(self, name: str, photo: Tensor) -> None:
        """Go on with another photograph."""
        raise NotImplementedError

    def _refuse(self, said: str) -> None:
        """Show what is wrong with a file."""
        raise NotImplementedError


class PhotoPainter(TakesPhotos):
    """A photograph beside its painting: yours, or one that is here.

    Nothing is uploaded to anywhere but the computer that runs the notebook.

    Args:
        values: Gives a number to every stroke; see `painter.paint`.
        samples: Photographs to choose from by name, float `(3, height, width)` in [0, 1].
        side: The shorter side of what is painted, in pixels; 256 and 512 can be chosen as well.
    """

    def __init__(self, values: Values, samples: Mapping[str, Tensor], side: int = 256) -> None:
        self.values, self.samples = values, dict(samples)
        self.name = next(iter(self.samples))
        self.original = self.samples[self.name]
        self.painting: Painting | None = None
        self.upload = ipywidgets.FileUpload(accept="image/*", multiple=False)
        self.file = ipywidgets.Text(
            description="or a file", placeholder="its name", continuous_update=False
        )
        self.sample = choice("or one of", self.samples)
        sides = sorted({side, *STROKES})
        self.side = choice("size", [(f"{each} pixels", each) for each in sides], side)
        counts = (100, 250, 500, 1_000, 2_000, 4_000, 6_000)
        self.strokes = choice("strokes", counts, STROKES.get(side, 500))
        self.colours = choice("colours", [("each its own", 0), ("16", 16), ("8", 8), ("4", 4)])
        self.look = choice("brush", LOOKS, "oil")
        self.film = tick("show how it is painted")
        (button,) = buttons({"paint": self.paint})
        button.button_style = "primary"
        save = buttons({"save the picture": self.save_picture, "save the film": self.save_film})
        self.bar = ipywidgets.IntProgress(min=0, max=1)
        self.picture, self.text, self.saved = (ipywidgets.HTML() for _ in range(3))
        self._observe()
        first = [self.file, self.sample]
        if "google.colab" not in sys.modules:  # there it loses all but small files
            first.insert(0, self.upload)
        rows = (
            first,
            [self.side, self.strokes, self.colours],
            [self.look, self.film],
            [button, *save, self.bar],
        )
        boxes = [ipywidgets.HBox(row) for row in rows]
        advice = ipywidgets.HTML(f"<small>{upload_advice()}</small>")
        lines = [boxes[0], advice, *boxes[1:], self.text, self.saved, self.picture]
        self.widget = ipywidgets.VBox(lines)
        self._fit()

    def _observe(self) -> None:
        """Call what belongs to each control when somebody moves it."""
        calls = {
            self.upload: self.take,
            self.file: self.open,
            self.sample: self.choose,
            self.side: self._resize,
            self.look: lambda _: self._redraw(),
            self.film: lambda _: self._redraw(),
        }
        for control, call in calls.items():
            control.observe(lambda change, call=call: call(change["new"]), names="value")

    def show(self) -> None:
        """Display the widget where somebody is watching."""
        present(self.widget)

    def ask(self) -> None:
        """Take a file by Colab's own upload, which has no limit; run it in a cell of its own.

        Raises:
            RuntimeError: This is not Colab.
        """
        if "google.colab" not in sys.modules:
            raise RuntimeError("this is not Colab: use the widget's button, or name a file in it")
        from google.colab import files  # only there

        for name, content in files.upload().items():
            self._read(name, content)

    def choose(self, name: str) -> None:
        """Take one of the photographs that are here."""
        self._begin(name, self.samples[name])

    def _begin(self, name: str, photo: Tensor) -> None:
        self.name, self.original = name, photo
        self._fit()

    def _refuse(self, said: str) -> None:
        self.text.value = f'<b style="color:#D55E00">{said}</b>'

    def _resize(self, side: int) -> None:
        """Take another size, and the number of strokes that suits it."""
        self.strokes.value = STROKES.get(side, 500)
        self._fit()

    def _fit(self) -> None:
        """Cut the photograph to the size that is chosen, and begin anew."""
        side = self.side.value
        multiple = 2 * plan(side, side, 0)[0][0]  # twice the greatest factor
        self.photo, self.painting = fit_photo(self.original, side, multiple), None
        self._redraw()

    def paint(self) -> None:
        """Paint the photograph on a ground of its mean colour, and show how far it has come."""
        self.text.value, self.saved.value = announced("Painting …"), ""
        height, width = self.photo.shape[1:]
        schedule = plan(height, width, self.strokes.value)
        colours = self.colours.value
        palette = picture_palette(self.photo, colours) if colours else None
        ground = self.photo.mean((1, 2)) if palette is None else palette[colours // 2]
        painting = Painting.start(self.photo, schedule, ground)
        self.bar.max, self.bar.value = self.strokes.value, 0
        for laid in add_strokes(painting, self.values, self.photo, schedule, palette):
            if laid % 50 == 0:
                self.bar.value = laid
        self.bar.value = self.bar.max
        self.painting = painting
        self._redraw()

    def save_picture(self) -> None:
        """Offer the painting as a JPEG that is 2,048 pixels wide."""
        if self._is_painted():
            width = self.photo.shape[2]
            picture = render(self.painting, -(-SAVED_WIDTH // width), self.look.value)
            image = as_image(picture)
            size = SAVED_WIDTH, round(SAVED_WIDTH * image.height / image.width)
            file = io.BytesIO()
            image.resize(size).save(file, "JPEG", quality=92)
            self._offer(file.getvalue(), "jpg", "jpeg")

    def save_film(self) -> None:
        """Offer the film of the painting as an animated WebP file."""
        if self._is_painted():
            scale = max(FILM_SIDE // min(self.photo.shape[1:]), 1)
            self._offer(webp_film(self.painting, scale=scale, look=self.look.value), "webp", "webp")

    def _is_painted(self) -> bool:
        """Tell whether there is something to save; say so where there is not."""
        self.saved.value = "Saving …" if self.painting else "Press “paint” first."
        return self.painting is not None

    def _offer(self, content: bytes, suffix: str, kind: str) -> None:
        """Show a link that downloads a file."""
        name = html.escape(f"{Path(self.name).stem}_painted.{suffix}", quote=True)
        data = base64.b64encode(content).decode()
        self.saved.value = (
            f'Ready: <a style="text-decoration:underline" download="{name}" '
            f'href="data:image/{kind};base64,{data}">download {name}</a>, '
            f"{len(content) / 1e6:.1f} MB"
        )

    def _redraw(self) -> None:
        height, width = self.photo.shape[1:]
        screen = 440
        tags = [img_tag(self.photo, f"The photograph {self.name}.", "jpeg", screen)]
        self.saved.value = ""
        if self.painting is None:
            self.text.value = announced(f"{self.name}, {width} × {height}. Press “paint”.")
            self.bar.value = 0
        else:
            strokes = len(self.painting.strokes)
            alt = f"The painting of {self.name}, {strokes} strokes."
            if self.film.value:
                tags.append(img_tag(stroke_svg(self.painting).encode(), alt, "svg+xml", screen))
            else:
                picture = render(self.painting, max(900 // width, 1), self.look.value)
                tags.append(img_tag(picture, alt, "jpeg", screen))
            quality = f"PSNR {self.painting.psnr()[-1]:.1f} dB"
            self.text.value = announced(f"{self.name}: {strokes} strokes, {quality}")
        self.picture.value = f'<div style="display:flex;gap:8px">{"".join(tags)}</div>'
