"""Take any photograph: PNG or JPEG, grey or colour, of any size; say clearly what is no picture."""

import io
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from dqngan_lib.course.arguments import require, whole

_FORMATS = ("PNG", "JPEG")
"""What can be read."""

MOST_BYTES = 30_000_000
"""The largest file that is opened."""

_MOST_PIXELS = 60_000_000
"""The largest picture that is unpacked: a small file may hold a very large one."""

_LEAST_SIDE = 8
"""The smallest height and width of a picture."""


def read_photo(source: bytes | str | Path) -> Tensor:
    """Read a PNG or JPEG file as colours, whatever it holds: colour, grey, a palette, 16 bits.

    A photograph taken sideways is turned as its EXIF note says. What is transparent becomes white.

    Args:
        source: A file's name, or what is in it.

    Returns:
        float32 `(3, height, width)` in [0, 1].

    Raises:
        FileNotFoundError: There is no such file.
        TypeError: `source` is something else.
        ValueError: It is no picture, another kind of picture, damaged, too large or too small.
    """
    if isinstance(source, (str, Path)):
        path = Path(source)
        if not path.is_file():
            raise FileNotFoundError(f"there is no file {path}")
        name, size = path.name, path.stat().st_size
        data = b"" if size > MOST_BYTES else path.read_bytes()
    elif isinstance(source, (bytes, bytearray, memoryview)):
        data, name = bytes(source), "the file"
        size = len(data)
    else:
        kind = type(source).__name__
        raise TypeError(f"source must be a file's name or its bytes; got {kind}")
    if size == 0:
        raise ValueError(f"{name} is empty")
    if size > MOST_BYTES:
        raise ValueError(
            f"{name} has {size / 1e6:.0f} MB; at most {MOST_BYTES / 1e6:.0f} MB are opened"
        )
    return _decode(data, name)


def _decode(data: bytes, name: str) -> Tensor:
    try:
        picture = Image.open(io.BytesIO(data))
    except Image.DecompressionBombError:
        raise ValueError(f"{name} is too large a picture") from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError):
        raise ValueError(f"{name} is not an image: give a PNG or JPEG file") from None
    if picture.format not in _FORMATS:
        raise ValueError(f"{name} is a {picture.format} file: give a PNG or JPEG file")
    width, height = picture.size
    if width * height > _MOST_PIXELS:
        raise ValueError(
            f"{name} is too large a picture: {width} × {height} pixels; at most "
            f"{_MOST_PIXELS / 1e6:.0f} million are unpacked"
        )
    if min(width, height) < _LEAST_SIDE:
        raise ValueError(
            f"{name} is too small: {width} × {height} pixels; each side needs {_LEAST_SIDE}"
        )
    try:
        picture.load()
        picture = ImageOps.exif_transpose(picture)
    except (OSError, ValueError, SyntaxError):
        raise ValueError(f"{name} is a damaged {picture.format} file") from None
    return _colours(picture)


def _colours(picture: Image.Image) -> Tensor:
    """Return the colours of a picture of any mode on white, float32 `(3, height, width)`."""
    if picture.mode in ("I", "F", "I;16", "I;16B", "I;16L"):
        grey = torch.from_numpy(np.array(picture).astype(np.float32)) / 65_535
        return grey.clamp(0, 1).expand(3, -1, -1).clone()
    layers = picture.convert("RGBA")
    white = Image.new("RGBA", layers.size, "white")
    colours = np.array(Image.alpha_composite(white, layers).convert("RGB"))
    return torch.from_numpy(colours).permute(2, 0, 1).float() / 255


def fit_photo(picture: Tensor, side: int = 112, multiple: int = 8) -> Tensor:
    """Return a picture whose shorter side is `side`, both sides cut to multiples of `multiple`.

    The longer side is at most three times the shorter: what is beyond that on both ends is cut off.

    Args:
        picture: float `(3, height, width)` in [0, 1], of any size.
        side: The shorter side in pixels, a multiple of `multiple`.
        multiple: What both sides must be multiples of.

    Returns:
        float `(3, height, width)` in [0, 1].

    Raises:
        ValueError: The picture has another shape, or `side` is no such multiple.
    """
    fits = picture.dim() == 3 and picture.shape[0] == 3 and min(picture.shape[1:]) >= 1
    require(fits, "picture", tuple(picture.shape), "(3, height, width)")
    whole("side", side, multiple)
    require(side % multiple == 0, "side", side, f"a multiple of {multiple}")
    height, width = picture.shape[1:]
    factor = side / min(height, width)
    sizes = [max(side, round(size * factor)) for size in (height, width)]
    small = torch.nn.functional.interpolate(
        picture[None], sizes, mode="bilinear", antialias=True, align_corners=False
    )[0].clamp(0, 1)
    for dimension, size in enumerate(sizes, start=1):
        kept = min(size, 3 * side) // multiple * multiple
        small = small.narrow(dimension, (size - kept) // 2, kept)
    return small.contiguous()
