"""Fifty holes in eight photographs, filled in six ways: notebook 12's second table.

Run `python benchmarks/12_photographs.py`, or `python3 course.py study 12`. It writes
results/12_photographs.csv: for each photograph the number of its holes and their mean PSNR in
decibels. No setting was chosen on these photographs; `PRACTICE` of
`dqngan_lib.applications.pixels.photographs` names those that were used for that.
"""

import statistics
import time
from collections.abc import Mapping

from tables import write_table

from dqngan_lib.applications.pixels.exemplar_world import mend
from dqngan_lib.applications.pixels.photographs import HELD_OUT, held_out_holes, photograph


def run(variant: str, seed: int) -> Mapping[str, float]:
    """Practise on a photograph and fill its holes; `variant` is its name."""
    began, holes = time.process_time(), held_out_holes(variant)
    found = mend(photograph(variant), holes, seed)
    means = {way: statistics.fmean(values) for way, values in found.items()}
    return {"holes": len(holes), **means, "seconds": time.process_time() - began}


if __name__ == "__main__":
    write_table("12_photographs", HELD_OUT, run)
