"""What the comparisons with other people's software share: rows that survive an interruption.

A comparison writes each row as soon as it is measured, and leaves out what its file has already.
So it can be interrupted, and seeds can be spread over processes that each write a file of their
own; `merge` puts those together.
"""

import argparse
import csv
import platform
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import torch

from dqngan_lib.hardware import cores, memory_gb

RESULTS = Path(__file__).resolve().parent / "results"

Row = dict[str, str]
"""What stands in each column."""


def machine(*packages: str) -> Row:
    """Describe where a row was measured: cores, memory, and versions of Python and packages."""
    versions = {name: version(name).partition("+")[0] for name in ("torch", "numpy", *packages)}
    here = {"cores": cores(), "memory_gb": memory_gb()}
    return {**here, "python": platform.python_version(), **versions}


def read(*paths: Path) -> list[Row]:
    """Return the rows of the files that there are, one after the other."""
    rows: list[Row] = []
    for path in paths:
        if path.is_file():
            with path.open(newline="", encoding="utf-8") as file:
                rows += csv.DictReader(file)
    return rows


def append(path: Path, row: Mapping[str, object]) -> None:
    """Add a row at the end of a file, which begins with the names of the columns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    begins = not path.is_file()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, row.keys(), lineterminator="\n")
        if begins:
            writer.writeheader()
        writer.writerow({name: shown(value) for name, value in row.items()})


def shown(value: object) -> object:
    """Round a measured number to five digits; leave anything else as it is."""
    return f"{value:.5g}" if isinstance(value, float) else value


def merge(paths: Sequence[Path], into: Path, keys: Sequence[str]) -> list[Row]:
    """Write the rows of several files into one, sorted by some columns; return them."""
    rows = sorted(
        read(*paths), key=lambda row: [int(row[key]) if key == "seed" else row[key] for key in keys]
    )
    part = into.with_suffix(".csv.part")
    part.unlink(missing_ok=True)
    for row in rows:
        append(part, row)
    part.replace(into)
    return rows


def spread(values: Iterable[float], form: str = ".3g") -> str:
    """Write numbers as their median and, in brackets, the least and the greatest."""
    values = sorted(values)
    if not values:
        return "–"
    middle = statistics.median(values)
    return f"{middle:{form}} ({values[0]:{form}} to {values[-1]:{form}})"


def measure(
    name: str,
    keys: Sequence[str],
    jobs: Callable[[int], Sequence[tuple[str, ...]]],
    run: Callable[..., Mapping[str, object]],
    report: Callable[[list[Row]], str],
    seeds: Sequence[int],
) -> None:
    """Do what the command line asks for: measure what is missing, or report.

    `--seeds 0 3` says which seeds, `--out FILE` where the rows go. `--report` prints the table of
    what is there and measures nothing; with `--report FILE …` of these files, which are first
    merged into the one of `--out`.

    Args:
        name: The file in `benchmarks/results`, without its ending.
        keys: The columns, besides the seed, that name a row.
        jobs: From a seed to the rows to measure, in that order; each gives the values of `keys`.
        run: From the values of `keys` and a seed to the measured columns.
        report: From rows to a table as text.
        seeds: Measured if the command line says nothing.
    """
    parser = argparse.ArgumentParser(description=f"Measure {name}.csv, or show what it holds.")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(seeds))
    parser.add_argument("--out", type=Path, default=RESULTS / f"{name}.csv")
    parser.add_argument("--report", type=Path, nargs="*", metavar="FILE")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.report is None:
        done = {(*(row[key] for key in keys), int(row["seed"])) for row in read(arguments.out)}
        for seed in arguments.seeds:
            for job in jobs(seed):
                if (*job, seed) not in done:
                    row = {**dict(zip(keys, job, strict=True)), "seed": seed, **run(*job, seed)}
                    append(arguments.out, row)
                    print({column: shown(value) for column, value in row.items()}, flush=True)
    elif arguments.report:
        merge(arguments.report, arguments.out, (*keys, "seed"))
    print(report(read(arguments.out)))
