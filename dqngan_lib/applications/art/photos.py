"""Take any photograph that a phone or camera makes; say clearly what is none, and what to do."""

import io
import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from dqngan_lib.course.arguments import require, whole

FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "AVIF", "GIF", "TIFF", "BMP")
"""What can be read, as Pillow names it. MPO is a JPEG with more pictures behind the first one."""

_KINDS = "a JPEG, PNG, WebP, AVIF, GIF, TIFF or BMP file"

MOST_BYTES = 60_000_000
"""The largest file that is opened."""

_MOST_PIXELS = 60_000_000
"""The largest picture that is unpacked whole: a small file may hold a very large one."""

_MOST_JPEG_PIXELS = 170_000_000
"""The largest JPEG: it is unpacked at reduced size."""

_HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"hevx")
"""What the head of a HEIC file names; that of an AVIF file, which is built alike, does not."""

_LEAST_SIDE = 8
"""The smallest height and width of a picture."""

ENOUGH = 640
"""A picture is made smaller while its shorter side keeps so many pixels: more than is painted."""

_BAND = 2_000_000
"""Pixels of a large picture that are made smaller at a time."""


def read_photo(source: bytes | str | Path) -> Tensor:
    """Read a picture file as colours, whatever it holds: colour, grey, a palette, 16 bits.

    A photograph taken sideways is turned as its EXIF note says. What is transparent becomes white.
    Of an animation the first picture is taken. A picture whose shorter side has twice 640 pixels
    or more is made smaller by a whole factor, so that 48 megapixels need neither much time nor
    much memory.

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
    """Return the picture in a file's bytes; `name` is for the messages."""
    if data[4:8] == b"ftyp" and any(brand in data[8:48] for brand in _HEIC_BRANDS):
        raise ValueError(
            f"{name} is a HEIC file, as iPhones make them, which cannot be read here: export it as "
            "JPEG, or set Settings > Camera > Formats > Most Compatible before you take the picture"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # checked below
            picture = Image.open(io.BytesIO(data))
    except Image.DecompressionBombError:
        raise ValueError(f"{name} is too large a picture") from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError):
        raise ValueError(f"{name} is not an image that can be read: give {_KINDS}") from None
    if picture.format not in FORMATS:
        raise ValueError(f"{name} is a {picture.format} file: give {_KINDS}")
    width, height = picture.size
    kind = picture.format
    most = _MOST_JPEG_PIXELS if kind in ("JPEG", "MPO") else _MOST_PIXELS
    if width * height > most:
        raise ValueError(
            f"{name} is too large a picture: {width} × {height} pixels; at most "
            f"{most / 1e6:.0f} million are unpacked"
        )
    if min(width, height) < _LEAST_SIDE:
        raise ValueError(
            f"{name} is too small: {width} × {height} pixels; each side needs {_LEAST_SIDE}"
        )
    try:
        # A JPEG is unpacked at 1/2, 1/4 or 1/8 of its size; other files do nothing here.
        picture.draft(None, (ENOUGH, ENOUGH))
        picture.load()
        orientation = picture.getexif().get(0x0112, 1)
        colours = _smaller(picture)
    except (OSError, ValueError, SyntaxError):
        raise ValueError(f"{name} is a damaged {kind} file") from None
    turned = Image.fromarray(colours)
    turned.getexif()[0x0112] = orientation
    turned = ImageOps.exif_transpose(turned)
    return torch.from_numpy(np.array(turned)).permute(2, 0, 1).float() / 255


def _smaller(picture: Image.Image) -> np.ndarray:
    """Return a picture of any mode on white, made smaller band by band, uint8 `(h, w, 3)`."""
    factor = max(min(picture.size) // ENOUGH, 1)
    width, height = picture.size
    rows = max(_BAND // width // factor, 1) * factor
    bands = []
    for top in range(0, height, rows):
        band = _on_white(picture.crop((0, top, width, min(top + rows, height))))
        bands.append(np.array(band.reduce(factor) if factor > 1 else band))
    return np.concatenate(bands)


def _on_white(picture: Image.Image) -> Image.Image:
    """Return the colours of a picture of any mode, on white where it is transparent."""
    if picture.mode in ("I", "F", "I;16", "I;16B", "I;16L"):
        grey = np.array(picture).astype(np.float32) / 65_535
        return Image.fromarray((255 * grey.clip(0, 1)).round().astype(np.uint8)).convert("RGB")
    if picture.mode in ("RGB", "L", "CMYK", "YCbCr") and "transparency" not in picture.info:
        return picture.convert("RGB")
    layers = picture.convert("RGBA")
    white = Image.new("RGBA", layers.size, "white")
    return Image.alpha_composite(white, layers).convert("RGB")


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
