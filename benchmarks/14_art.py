"""How long the painter of notebook 14 takes, and the film that the README plays.

Run `python benchmarks/14_art.py`. It trains the painter, paints at three sizes, and writes
results/14_art.csv: seconds of one core, PSNR, and how many times as fast local updates are as the
whole map for each stroke, with how many strokes the same. It reads photographs as large as a phone
makes them, too. With `--film` it writes docs/14_art.webp and docs/14_art.jpg instead: the astronaut
in 6,000 strokes.

Bars, on one idle core: 256 × 256 with 2,000 strokes in 3 s and with 27 dB, 512 × 512 with 6,000 in
12 s, a photograph of 48 megapixels in 0.3 s.
"""

import argparse
import io
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import skimage.data
import torch
from PIL import Image
from tables import RESULTS, conditions, put, read

from dqngan_lib.applications.art.animations import webp_film
from dqngan_lib.applications.art.brushes import brush_gains
from dqngan_lib.applications.art.looks import render
from dqngan_lib.applications.art.networks import PainterNetwork
from dqngan_lib.applications.art.painter import Painting, Values, paint, plan
from dqngan_lib.applications.art.patches import photo_patches, plain_patches
from dqngan_lib.applications.art.photos import fit_photo, read_photo
from dqngan_lib.applications.art.training import train_painter
from dqngan_lib.course.data import photos
from dqngan_lib.plots import as_image

DOCS = Path(__file__).resolve().parents[1] / "docs"
CASES = ((112, 500), (256, 2_000), (512, 6_000))
WHOLE = (112, 256)
"""Sides at which the whole map is worked out for each stroke as well, to compare."""
BARS = (
    ("DQN", 256, "seconds", 3.0),
    ("DQN", 256, "psnr", 27.0),
    ("DQN", 512, "seconds", 12.0),
    ("read JPEG, 48 megapixels", 0, "seconds", 0.3),
)
"""Way, side, column, and what it may have at most; of PSNR at least."""


def trained() -> PainterNetwork:
    """Return the painter of notebook 14, with seed 0."""
    practice = [photos()[name] for name in ("flower", "coffee", "hubble", "retina")]
    return train_painter(torch.cat([photo_patches(practice, 2_400), plain_patches(600)]))[0]


def portrait(values: Values, side: int, strokes: int) -> tuple[Painting, float]:
    """Paint the astronaut; return the painting and the seconds that it took."""
    photo = torch.from_numpy(skimage.data.astronaut()).permute(2, 0, 1).float() / 255
    target = fit_photo(photo, side, max(side // 16, 8))
    start = time.process_time()
    painting = paint(values, target, plan(side, side, strokes), ground=target.mean((1, 2)))
    return painting, time.process_time() - start


def measure(painter: PainterNetwork) -> None:
    """Write a row for each size and for each way of valuing the strokes."""

    def row(way: str, side: int, strokes: int, seconds: float, **more: object) -> None:
        named = {"way": way, "side": side, "strokes": strokes, "seconds": round(seconds, 2)}
        columns = dict.fromkeys(("psnr", "times_as_fast", "same_strokes")) | more
        put(RESULTS / "14_art.csv", {**named, **columns, **conditions()}, ("way", "side"))

    ways: dict[str, Values] = {"DQN": painter, "exact search": brush_gains}
    for side, strokes in CASES:
        for name, values in ways.items():
            painting, seconds = portrait(values, side, strokes)
            psnr = round(painting.psnr()[-1], 2)
            row(name, side, strokes, seconds, psnr=psnr)
            if side in WHOLE and name == "DQN":
                plain, slow = portrait(lambda c, t: painter(c, t), side, strokes)
                pairs = zip(plain.strokes, painting.strokes, strict=True)
                same, faster = sum(a == b for a, b in pairs), round(slow / seconds, 1)
                row("DQN, whole map", side, strokes, slow, times_as_fast=faster, same_strokes=same)
    for kind, make in FILES.items():
        data = make()
        start = time.process_time()
        read_photo(data)
        row(f"read {kind}", 0, 0, time.process_time() - start)


def report() -> None:
    """Say of each bar whether the table keeps it."""
    rows = {(row["way"], int(row["side"])): row for row in read(RESULTS / "14_art.csv")}
    for way, side, column, bar in BARS:
        value = float(rows[way, side][column])
        kept = value >= bar if column == "psnr" else value <= bar
        size = f", {side} pixels" if side else ""
        print(f"{'✓' if kept else '✗'} {way}{size}: {column} {value:g}, bar {bar:g}")


def noisy_jpeg(size: tuple[int, int]) -> bytes:
    """Return a JPEG file of coarse noise."""
    noise = np.random.default_rng(0).integers(0, 256, (size[1] // 8, size[0] // 8, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).resize(size).save(file, "JPEG", quality=88)
    return file.getvalue()


def flat_png(size: tuple[int, int]) -> bytes:
    """Return a PNG file of one colour, small and with as many pixels."""
    file = io.BytesIO()
    Image.new("RGBA", size, "teal").save(file, "PNG")
    return file.getvalue()


FILES: dict[str, Callable[[], bytes]] = {
    "JPEG, 12 megapixels": lambda: noisy_jpeg((4_032, 3_024)),
    "JPEG, 48 megapixels": lambda: noisy_jpeg((8_064, 6_048)),
    "PNG, 48 megapixels, flat": lambda: flat_png((8_064, 6_048)),
}


def write_film(painter: PainterNetwork) -> None:
    """Write the film and its last picture."""
    painting, _ = portrait(painter, 512, 6_000)
    (DOCS / "14_art.webp").write_bytes(webp_film(painting))
    as_image(render(painting, 2, "oil")).save(DOCS / "14_art.jpg", quality=85)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Measure 14_art.csv.")
    parser.add_argument("--film", action="store_true", help="write the film instead")
    torch.set_num_threads(1)
    if parser.parse_args().film:
        write_film(trained())
    else:
        measure(trained())
        report()
