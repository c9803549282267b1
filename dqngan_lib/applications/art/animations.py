"""Films of a painting that paints itself: as vector graphics for a page, as WebP to pass on."""

import io
import math

from dqngan_lib.applications.art.brushes import Stroke
from dqngan_lib.applications.art.looks import render_steps
from dqngan_lib.applications.art.painter import Painting
from dqngan_lib.course.arguments import require, whole
from dqngan_lib.plots import as_image

MOST_BYTES = 3_000_000
"""The largest film that is made: what a page or a message takes easily."""


def stroke_svg(painting: Painting, *, seconds: float = 12.0, frames: int = 100) -> str:
    """Return a painting that paints itself as an SVG file: its lines appear one after the other.

    A browser plays it (SMIL), sharp at any size and without a script. A page that plays nothing
    shows the finished painting.

    Args:
        painting: Its strokes appear in the order in which they were laid.
        seconds: How long one round takes; the last sixth of it the painting stands still.
        frames: In how many steps the strokes appear.

    Raises:
        ValueError: There is no stroke, or a number is out of its range.
    """
    strokes = painting.strokes
    _, height, width = painting.canvas.shape
    whole("frames", frames, 1)
    require(len(strokes) > 0, "strokes", len(strokes), "at least one")
    require(seconds > 0, "seconds", seconds, "> 0")
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'fill="none" stroke-linecap="round"><rect width="100%" height="100%" '
        f'fill="{_hexadecimal(painting.ground.tolist())}"/>'
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


def webp_film(
    painting: Painting,
    *,
    scale: int = 1,
    look: str = "oil",
    frames: int = 48,
    seconds: float = 9.0,
) -> bytes:
    """Return a painting that paints itself as an animated WebP file of at most 3 MB.

    It begins with the finished painting, which stands still for a third of the time: a page that
    plays nothing shows that. Then it grows from the bare ground. The first strokes are large and
    few, so they get more of the time: after the share x of the frames, the share x³ of the strokes
    is there. A film that would be larger is stored with less detail.

    Args:
        painting: Its strokes appear in the order in which they were laid.
        scale: Pixels for each pixel of the painting.
        look: One of `looks.LOOKS`.
        frames: In how many steps the strokes appear.
        seconds: How long one round takes.

    Raises:
        ValueError: There is no stroke, a number is out of its range, or the film does not fit.
    """
    count = len(painting.strokes)
    whole("frames", frames, 1)
    require(count > 0, "strokes", count, "at least one")
    require(seconds > 0, "seconds", seconds, "> 0")
    stops = [round(count * (k / frames) ** 3) for k in range(1, frames + 1)]
    grows = [as_image(step) for step in render_steps(painting, scale, look, stops=stops)]
    pictures = [grows[-1], *grows[:-1]]
    times = [round(1000 * seconds / 3)] + [round(1000 * seconds * 2 / 3 / frames)] * (frames - 1)
    for quality in (75, 60, 45, 30, 15):
        file = io.BytesIO()
        pictures[0].save(
            file, "WEBP", save_all=True, append_images=pictures[1:], duration=times, loop=0,
            quality=quality, method=3,
        )  # fmt: skip
        if file.tell() <= MOST_BYTES:
            return file.getvalue()
    raise ValueError(f"the film is larger than {MOST_BYTES / 1e6:g} MB: take a smaller scale")


def _hexadecimal(colour: list[float] | tuple[float, ...]) -> str:
    """Return a colour as pages write it, such as #ff8800."""
    red, green, blue = (round(255 * min(max(part, 0.0), 1.0)) for part in colour)
    return f"#{red:02x}{green:02x}{blue:02x}"


def _line(stroke: Stroke) -> str:
    """Return one stroke; a line of no length is drawn as a dot by its round ends."""
    down = math.sin(stroke.angle) * stroke.length / 2
    right = math.cos(stroke.angle) * stroke.length / 2
    start = f"{stroke.column - right:.1f} {stroke.row - down:.1f}"
    return (
        f'<path d="M{start}l{2 * right:.1f} {2 * down:.1f}" '
        f'stroke="{_hexadecimal(stroke.colour)}" stroke-width="{2 * stroke.half_width:.1f}"/>'
    )
