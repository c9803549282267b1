"""Figures, tables and films in one style, each with a description for those who cannot see it."""

import base64
import html
import io
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Protocol

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import HTML, display
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontManager, findSystemFonts, fontManager
from PIL import Image
from torch import Tensor
from torchvision.utils import make_grid

from dqngan_lib.course.arguments import require, whole
from dqngan_lib.course.runtime import headless

COLORS = {
    "real": "#000000",
    "generated": "#D55E00",
    "dqn": "#0072B2",
    "discriminator": "#CC79A7",
    "baseline": "#8C8C8C",
    "ceiling": "#009E73",
    "accent": "#E69F00",
}
"""One colour for one thing in every notebook; Okabe and Ito's palette for all kinds of sight."""

plt.rcParams.update(
    {
        "figure.figsize": (7.0, 3.2),
        "figure.dpi": 100,
        "figure.constrained_layout.use": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlesize": 11,
        "axes.titlelocation": "left",
        "font.size": 10,
        "image.interpolation": "nearest",
        "legend.frameon": False,
    }
)

HAN_FONTS = (
    *("Noto Sans CJK SC", "Noto Sans CJK JP", "Source Han Sans SC", "Noto Sans SC", "Noto Sans JP"),
    *("PingFang SC", "Hiragino Sans GB", "Hiragino Sans", "Heiti TC", "Arial Unicode MS"),
    *("Microsoft YaHei", "SimHei", "Yu Gothic", "Meiryo", "MS Gothic", "Microsoft JhengHei"),
    *("WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "Droid Sans Fallback", "Noto Serif CJK SC"),
)
"""Fonts with Chinese and Japanese letters, on Linux, macOS and Windows."""
HANGUL_FONTS = (
    *("Noto Sans CJK SC", "Noto Sans CJK JP", "Source Han Sans SC", "Noto Sans CJK KR"),
    *("Noto Sans KR", "Apple SD Gothic Neo", "AppleGothic", "Arial Unicode MS", "Malgun Gothic"),
    *("NanumGothic", "WenQuanYi Zen Hei", "Noto Serif CJK SC"),
)
"""Fonts with Korean letters."""

NO_FONT = (
    "Chinese, Japanese or Korean letters have no font on this computer, so figures show boxes in "
    "their place. Install the font Noto Sans CJK (on Debian and Ubuntu: "
    "apt-get install fonts-noto-cjk) and restart the kernel."
)
_MISSING = re.compile(r"Glyph \d+ \(\\N\{(CJK|HIRAGANA|KATAKANA|HANGUL)\b.* missing from")


def fallback_fonts(installed: Iterable[str]) -> list[str]:
    """Return which fonts draw the Chinese, Japanese and Korean letters: at most two, or none.

    Args:
        installed: Names of the fonts that there are.
    """
    there = set(installed)
    first = [next(filter(there.__contains__, kind), None) for kind in (HAN_FONTS, HANGUL_FONTS)]
    return [name for name in dict.fromkeys(first) if name]


def installed_fonts(manager: FontManager = fontManager) -> list[str]:
    """Return the names of the fonts; where none has these letters, look for new files first.

    Matplotlib keeps its list between sessions, so it does not know a font that came later.
    """
    if not fallback_fonts(font.name for font in manager.ttflist):
        for file in set(findSystemFonts()) - {font.fname for font in manager.ttflist}:
            with suppress(OSError, RuntimeError):  # a file that matplotlib cannot read
                manager.addfont(file)
    return [font.name for font in manager.ttflist]


# They come after the usual font, which draws whatever it can.
plt.rcParams["font.family"] += fallback_fonts(installed_fonts())


@contextmanager
def _letters() -> Iterator[None]:
    """While something is drawn, say once, in a sentence, that letters have no font."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for warning in caught:
        if not _MISSING.match(str(warning.message)):
            warnings.warn_explicit(
                warning.message, warning.category, warning.filename, warning.lineno
            )
        elif not _said:
            print(NO_FONT)
            _said.append(NO_FONT)


_said: list[str] = []


def show(figure: Figure, alt: str, *, photo: bool = False) -> None:
    """Display a figure with its description under it, and close it.

    Args:
        figure: The figure.
        alt: What a reader who cannot see it should know: what is drawn and what it shows. Put
            no measured number into it.
        photo: Whether it is made of photographs or paintings, whose many colours JPEG stores in
            a third of the space.

    Raises:
        ValueError: The description is empty.
    """
    if not alt.strip():
        raise ValueError("alt must describe the figure in a sentence or more")
    picture, file = Image.fromarray(figure_to_array(figure)), io.BytesIO()
    if photo:
        picture.save(file, format="jpeg", quality=70, optimize=True)
    else:
        # A palette makes the file three times smaller: a notebook has a size limit.
        picture = picture.quantize(256, dither=Image.Dither.NONE)
        picture.save(file, format="png", optimize=True)
    kind = "image/jpeg" if photo else "image/png"
    display({kind: base64.b64encode(file.getvalue()).decode()}, raw=True)
    text = f"Figure: {alt.strip()}"
    display({"text/plain": text, "text/markdown": f"*{text}*"}, raw=True)


def table(rows: Sequence[Sequence[Any]], header: Sequence[str], caption: str) -> None:
    """Display rows under a header, as a table in Lab and as aligned text elsewhere.

    Args:
        rows: Each as long as `header`; write numbers with the digits that mean something.
        header: The names of the columns, with units.
        caption: A sentence that says what the table shows.

    Raises:
        ValueError: A row has another length than the header.
    """
    cells = [[str(cell) for cell in row] for row in rows]
    for row in cells:
        if len(row) != len(header):
            raise ValueError(f"every row must have {len(header)} cells; got {row}")
    lines = [caption, "", "| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in cells]
    widths = [max(map(len, column)) for column in zip(header, *cells, strict=True)]
    plain = [caption]
    for row in (header, *cells):
        plain.append("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip())
    display({"text/markdown": "\n".join(lines), "text/plain": "\n".join(plain)}, raw=True)


def seed_curves(
    axes: Axes, x: Sequence[float], runs: Sequence[Sequence[float]], label: str, color: str
) -> None:
    """Draw one thin line a seed and their mean as a thick one.

    Args:
        axes: Where to draw.
        x: What all runs share, such as steps.
        runs: One sequence of values a seed, each as long as `x`.
        label: Name for the legend.
        color: A name in `COLORS`.

    Raises:
        ValueError: The colour is unknown, or a run has another length than `x`.
    """
    if color not in COLORS:
        raise ValueError(f"color must be one of {sorted(COLORS)}; got {color!r}")
    if not len(runs) or any(len(run) != len(x) for run in runs):
        raise ValueError(
            f"runs must hold sequences as long as x, {len(x)}; got {[len(run) for run in runs]}"
        )
    for run in runs:
        axes.plot(x, run, color=COLORS[color], linewidth=0.7, alpha=0.5)
    axes.plot(x, np.mean(runs, axis=0), color=COLORS[color], linewidth=2.2, label=label)


def show_images(
    images: Tensor,
    alt: str,
    *,
    columns: int = 10,
    title: str = "",
    scale: float = 2.0,
    photo: bool = False,
) -> None:
    """Display a grid of pictures, each pixel a sharp square.

    Args:
        images: float `(n, 1 or 3, height, width)` in [0, 1].
        alt: What the grid shows and what a row is.
        columns: Pictures in a row.
        title: A sentence above the grid.
        scale: Screen pixels for each picture pixel.
        photo: See `show`.

    Raises:
        ValueError: The images have another shape, or `columns` is below 1.
    """
    if images.dim() != 4 or images.shape[1] not in (1, 3) or len(images) == 0:
        raise ValueError(
            f"images must be (n, 1 or 3, height, width) with n >= 1; got {tuple(images.shape)}"
        )
    whole("columns", columns, 1)
    grid = make_grid(images.detach().cpu().float().clamp(0, 1), columns, padding=2, pad_value=1.0)
    height, width = grid.shape[1:]
    figure, axes = plt.subplots(
        figsize=(width * scale / 100, height * scale / 100 + (0.35 if title else 0))
    )
    axes.imshow(grid.permute(1, 2, 0).numpy())
    axes.set_axis_off()
    axes.set_title(title)
    show(figure, alt, photo=photo)


def as_image(picture: Tensor) -> Image.Image:
    """Return a picture as Pillow has it.

    Args:
        picture: float `(1 or 3, height, width)`, cut off at 0 and 1.
    """
    pixels = (picture.detach().cpu().clamp(0, 1) * 255).round().byte().expand(3, -1, -1)
    return Image.fromarray(pixels.permute(1, 2, 0).numpy())


def img_tag(
    picture: Figure | Tensor | bytes, alt: str, kind: str = "png", width: int | None = None
) -> str:
    """Return a picture as an HTML tag that holds all of it: for widgets and films.

    Args:
        picture: A figure, which is closed; or float `(1 or 3, height, width)`, cut off at 0 and 1;
            or what a file of this kind holds.
        alt: What a reader who cannot see it should know.
        kind: "png", "jpeg", "gif" or "svg+xml". Figures and tensors are stored as PNG or JPEG.
        width: Width on screen in pixels; without it the picture's own.

    Raises:
        ValueError: The description is empty.
    """
    require(bool(alt.strip()), "alt", alt, "a description of the picture")
    file = io.BytesIO()
    if isinstance(picture, Figure):
        with _letters():
            picture.savefig(file, format=kind)
        plt.close(picture)
    elif isinstance(picture, Tensor):
        as_image(picture).save(file, format=kind, quality=88)
    data = base64.b64encode(picture if isinstance(picture, bytes) else file.getvalue()).decode()
    size = "" if width is None else f' width="{width}"'
    return f'<img alt="{html.escape(alt)}"{size} src="data:image/{kind};base64,{data}">'


def film(frames: Sequence[np.ndarray], alt: str, *, seconds: float = 4.0, width: int = 400) -> None:
    """Display pictures one after the other as an animated GIF that repeats; see `film_tag`."""
    display(HTML(film_tag(frames, alt, seconds=seconds, width=width)))


def film_tag(
    frames: Sequence[np.ndarray], alt: str, *, seconds: float, width: int | None = None
) -> str:
    """Return an animated GIF that repeats, as an HTML tag.

    Args:
        frames: uint8 `(height, width)` or `(height, width, 3)`, at least one.
        alt: What happens in the film.
        seconds: How long one round takes.
        width: Width on screen in pixels; without it the frames' own.

    Raises:
        ValueError: There is no frame, or one has another type or shape.
    """
    if len(frames) == 0:
        raise ValueError("frames must hold at least one picture")
    for frame in frames:
        fits = frame.ndim == 2 or (frame.ndim == 3 and frame.shape[2] == 3)
        if frame.dtype != np.uint8 or not fits or frame.shape != frames[0].shape:
            raise ValueError(
                "frames must be uint8 (height, width) or (height, width, 3), all of one size; "
                f"got {frame.dtype} {frame.shape}"
            )
    # A small palette for each picture keeps a notebook under its size limit.
    pictures = [Image.fromarray(frame).convert("RGB").quantize(32) for frame in frames]
    file = io.BytesIO()
    pictures[0].save(
        file,
        format="GIF",
        save_all=True,
        append_images=pictures[1:],
        duration=round(1000 * seconds / len(pictures)),
        loop=0,
    )
    return img_tag(file.getvalue(), alt, "gif", width)


def in_few_colors(frames: Sequence[np.ndarray], colors: int = 32) -> list[np.ndarray]:
    """Return frames in the same few colours: a film then stores only what changes between them.

    Args:
        frames: uint8 `(height, width, 3)`, all of one size, at least one.
        colors: How many, from 2 to 256.
    """
    sheet = Image.fromarray(np.concatenate(frames))
    sheet = sheet.quantize(colors, kmeans=3, dither=Image.Dither.NONE)
    return list(np.asarray(sheet.convert("RGB")).reshape(len(frames), *frames[0].shape))


def figure_to_array(figure: Figure) -> np.ndarray:
    """Return a figure as pixels, uint8 `(height, width, 3)`, and close it: one frame of a film."""
    with _letters():
        figure.canvas.draw()
    pixels = np.asarray(figure.canvas.buffer_rgba())[..., :3].copy()
    plt.close(figure)
    return pixels


class LivePlot:
    """A figure that is redrawn in place while training runs; pass it as `watch`.

    A subclass says what to draw. With nobody watching (`COURSE_HEADLESS=1`) it does nothing.
    """

    _handle: Any = None

    def draw(self, history: Any) -> Figure:
        """Return a new figure of what has been measured so far."""
        raise NotImplementedError

    def __call__(self, history: Any) -> None:
        """Draw again, in the place of the figure before."""
        if headless():
            return
        figure = self.draw(history)
        with _letters():
            if self._handle is None:
                self._handle = display(figure, display_id=True)
            else:
                self._handle.update(figure)
        plt.close(figure)


class Scores(Protocol):
    """What a learning curve is drawn from, such as the history of `train_dqn`."""

    step: list[int]
    score: list[float]


class LiveCurve(LivePlot):
    """A learning curve that is redrawn in place while training runs; pass it as `watch`.

    Args:
        what: Name of the score, with its unit.
    """

    def __init__(self, what: str = "score") -> None:
        self.what = what

    def draw(self, history: Scores) -> Figure:
        """Draw the scores over the environment steps."""
        figure, axes = plt.subplots(figsize=(6, 2.4))
        axes.plot(history.step, history.score, color=COLORS["dqn"], marker="o", markersize=3)
        axes.set(xlabel="environment steps", ylabel=self.what)
        return figure
