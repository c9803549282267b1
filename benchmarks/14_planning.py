"""Four ways to look beyond the next stroke, beside exact greedy search: notebook 14, section 6.

Run `python benchmarks/14_planning.py`. It writes results/14_planning.csv: the PSNR of 200 strokes
for each photograph. The settings were chosen on the four for practice; the four for the test were
painted once, afterwards. Nothing here is random, so there are no seeds: in their place stands 0.
"""

import copy
import time
from collections.abc import Callable

import torch
from tables import Row, measure
from torch import Tensor

from dqngan_lib.applications.art.brushes import brush_gains, stroke_at
from dqngan_lib.applications.art.painter import Painting, ValueMap, paint
from dqngan_lib.applications.art.planning import candidates, mix_again, paint_ahead
from dqngan_lib.course.data import photos

SCHEDULE = ((4, 16), (2, 52), (1, 132))
PRACTICE = ("flower", "coffee", "hubble", "retina")
TEST = ("china", "astronaut", "chelsea", "rocket")


def greedy(target: Tensor) -> Painting:
    """Lay the stroke of the greatest gain."""
    return paint(brush_gains, target, SCHEDULE)


def two_ahead(target: Tensor, tried: int = 8) -> Painting:
    """Lay each of the best 8 strokes, look for the best one after it, and keep the best pair's."""
    painting = Painting.start(target, SCHEDULE)
    for factor, count in SCHEDULE:
        level = ValueMap(brush_gains, painting.canvas, target, factor)
        rows, columns = level.worth.shape[1:]
        for _ in range(count):
            best, kept = -torch.inf, None
            for place in zip(*candidates(level.worth, tried), strict=True):
                shape, row, column = map(int, place)
                number = (shape * rows + row) * columns + column
                stroke = stroke_at(number, *(side // factor for side in target.shape[1:]), factor)
                after, then = copy.deepcopy(painting), copy.deepcopy(level)
                after.lay(target, stroke)
                then.look_again(after.canvas, stroke)
                pair = float(level.worth[shape, row, column] + then.worth.max())
                if pair > best:
                    best, kept = pair, (after, then)
            painting, level = kept
    return painting


VARIANTS: dict[str, Callable[[Tensor], Painting]] = {
    "exact greedy search": greedy,
    "two strokes ahead": two_ahead,
    "r + V(s')": lambda target: paint_ahead(target, SCHEDULE),
    "mixed again": lambda target: mix_again(greedy(target), target),
    "both": lambda target: mix_again(paint_ahead(target, SCHEDULE), target),
}


def jobs(seed: int) -> list[tuple[str, str]]:
    """Return variant and photograph of each row."""
    return [(name, photo) for name in VARIANTS for photo in (*PRACTICE, *TEST)]


def run(variant: str, photo: str, seed: int) -> dict[str, float]:
    """Paint one photograph in one way."""
    target = photos()[photo][:, 8:120, 8:120].contiguous()
    start = time.process_time()
    psnr = VARIANTS[variant](target).psnr()[-1]
    return {"psnr": psnr, "seconds": time.process_time() - start}


def report(rows: list[Row]) -> str:
    """Return for each variant what it gains over greedy search, and its time."""
    found = {(row["variant"], row["photo"]): float(row["psnr"]) for row in rows}
    lines = [f"{'dB above exact greedy search':28} practice    test"]
    for name in VARIANTS:
        means = []
        for some in (PRACTICE, TEST):
            above = [found[name, p] - found["exact greedy search", p] for p in some]
            means.append(sum(above) / len(above))
        lines.append(f"{name:28} {means[0]:8.2f} {means[1]:7.2f}")
    return "\n".join(lines)


if __name__ == "__main__":
    measure("14_planning", ("variant", "photo"), jobs, run, report, [0])
