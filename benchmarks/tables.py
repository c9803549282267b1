"""What the table scripts share: run every variant on every seed and write one CSV file."""

import argparse
import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import gymnasium
import torch

from dqngan_lib.hardware import cores

RESULTS = Path(__file__).resolve().parent / "results"


def write_table(
    name: str,
    variants: Sequence[str],
    run: Callable[[str, int], Mapping[str, float]],
    default_seeds: int = 3,
) -> None:
    """Measure each variant on each seed and write `benchmarks/results/<name>.csv`.

    Rows are printed as they come; the file is written at the end, so an interrupted run leaves
    the old one. `--only NAME …` measures some variants again and keeps the file's other rows.

    Args:
        name: File name without its ending.
        variants: Names of the variants, in the order of the table.
        run: From a variant and a seed to the measured columns, the same for all.
        default_seeds: How many seeds, from 0 on, if the command line does not say.
    """
    parser = argparse.ArgumentParser(description=f"Measure the table {name}.csv.")
    parser.add_argument("--seeds", type=int, default=default_seeds, help="seeds 0 to N − 1")
    parser.add_argument("--only", nargs="+", default=variants, help="measure these again")
    arguments = parser.parse_args()
    seeds, path = arguments.seeds, RESULTS / f"{name}.csv"
    chosen = [variant for variant in variants if variant in arguments.only]
    if not chosen:
        print(f"{name}: none of {', '.join(variants)} asked for")
        return
    torch.set_num_threads(1)
    rows = [] if len(chosen) == len(variants) else _kept(path, chosen)
    for variant in chosen:
        for seed in range(seeds):
            row = {
                "variant": variant,
                "seed": seed,
                **{column: round(value, 4) for column, value in run(variant, seed).items()},
                "torch": torch.__version__.partition("+")[0],
                "gymnasium": gymnasium.__version__,
                "cores": cores(),
            }
            print(row, flush=True)
            rows.append(row)
    RESULTS.mkdir(exist_ok=True)
    rows.sort(key=lambda row: (variants.index(row["variant"]), int(row["seed"])))
    part = path.with_suffix(".csv.part")
    with part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    part.replace(path)
    print(f"wrote benchmarks/results/{name}.csv")


def _kept(path: Path, only: Sequence[str]) -> list[dict]:
    """Return the rows of a table that are not to be measured again."""
    with path.open(newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row["variant"] not in only]
