"""Films of strokes as animated vector graphics: sharp at any size, small, and without a script."""

import math
from collections.abc import Sequence

from IPython.display import HTML, display

from dqngan_lib.applications.art.brushes import Stroke
from dqngan_lib.course.arguments import positive_sizes, require
from dqngan_lib.plots import img_tag


def stroke_film(
    strokes: Sequence[Stroke],
    height: int,
    width: int,
    alt: str,
    *,
    seconds: float = 12.0,
    screen_width: int = 448,
    frames: int = 100,
) -> None:
    """Display a painting that paints itself, stroke by stroke, and repeats.

    It is a picture in SVG whose lines appear one after the other (SMIL). JupyterLab and Colab
    play it. A page that plays nothing shows the finished painting. A page that drops pictures in
    HTML shows the description.

    Args:
        strokes: In the order in which they are laid.
        height: Height of the picture in its own pixels.
        width: Width of the picture.
        alt: What happens in the film.
        seconds: How long one round takes; the last sixth of it the painting stands still.
        screen_width: Width on the screen in pixels.
        frames: In how many steps the strokes appear.

    Raises:
        ValueError: There is no stroke, no description, or a number is out of its range.
    """
    svg = stroke_svg(strokes, height, width, seconds=seconds, frames=frames)
    display(HTML(img_tag(svg.encode(), alt, "svg+xml", screen_width)))


def stroke_svg(
    strokes: Sequence[Stroke], height: int, width: int, *, seconds: float = 12.0, frames: int = 100
) -> str:
    """Return the film as the text of an SVG file: a line with round ends for each stroke."""
    positive_sizes(height=height, width=width, frames=frames)
    require(len(strokes) > 0, "strokes", len(strokes), "at least one")
    require(seconds > 0, "seconds", seconds, "> 0")
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'fill="none" stroke-linecap="round"><rect width="100%" height="100%" fill="#fff"/>'
    ]
    count = min(frames, len(strokes))
    for frame in range(count):
        first, last = (k * len(strokes) // count for k in (frame, frame + 1))
        lines = "".join(_line(stroke) for stroke in strokes[first:last])
        # Visible for a moment at the start of a round: a still page shows the finished painting.
        shown = 0.03 + 0.8 * (frame + 1) / count
        parts.append(
            f'<g>{lines}<animate attributeName="opacity" values="1;0;1" '
            f'keyTimes="0;.03;{shown:.3f}" calcMode="discrete" dur="{seconds:g}s" '
            'repeatCount="indefinite"/></g>'
        )
    return "".join([*parts, "</svg>"])


def _line(stroke: Stroke) -> str:
    """Return one stroke; a line of no length is drawn as a dot by its round ends."""
    down = math.sin(stroke.angle) * stroke.length / 2
    right = math.cos(stroke.angle) * stroke.length / 2
    red, green, blue = (round(255 * min(max(part, 0.0), 1.0)) for part in stroke.colour)
    start = f"{stroke.column - right:.1f} {stroke.row - down:.1f}"
    return (
        f'<path d="M{start}l{2 * right:.1f} {2 * down:.1f}" '
        f'stroke="#{red:02x}{green:02x}{blue:02x}" stroke-width="{2 * stroke.half_width:.1f}"/>'
    )
