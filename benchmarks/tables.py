"""What the scripts of this folder share: tables in CSV files, and two ways to measure one.

`write_table` measures every variant on every seed, and writes the file at the end. `measure` is for
comparisons that take long: it writes each row as soon as it is measured, and leaves out what its
file has already. So it can be interrupted, and seeds can be spread over processes that each write
a file of their own; `merge` puts those together.
"""

import argparse
import csv
import platform
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import torch

from dqngan_lib.course.hardware import cores, memory_gb

RESULTS = Path(__file__).resolve().parent / "results"

Row = dict[str, str]
"""What stands in each column."""


def read(*paths: Path) -> list[Row]:
    """Return the rows of the files that there are, one after the other."""
    rows: list[Row] = []
    for path in paths:
        if path.is_file():
            with path.open(newline="", encoding="utf-8") as file:
                rows += csv.DictReader(file)
    return rows


def write(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write a table in one step or not at all; missing folders are made.

    Its columns are those of the first row, then what others have beside them. A row is empty where
    it has no such column.
    """
    columns = dict.fromkeys(column for row in rows for column in row)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".csv.part")
    with part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(columns), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    part.replace(path)


def put(path: Path, row: Mapping[str, object], keys: Sequence[str]) -> None:
    """Print a row and save it at once, in the place of the one with the same key or at the end.

    Args:
        path: The table; if there is none yet, the row begins it.
        row: A value for each column, None where there is none.
        keys: The columns that name a row.
    """
    new = {column: "" if value is None else str(value) for column, value in row.items()}
    print({column: value for column, value in new.items() if value}, flush=True)
    rows = read(path)
    same = [n for n, old in enumerate(rows) if all(old[key] == new[key] for key in keys)]
    place = same[0] if same else len(rows)
    write(path, [*rows[:place], new, *rows[place + 1 :]])


def merge(paths: Sequence[Path], into: Path, keys: Sequence[str]) -> None:
    """Write the rows of several files into one, sorted by some columns."""
    rows = read(*paths)
    rows.sort(key=lambda row: [int(row[key]) if key == "seed" else row[key] for key in keys])
    write(into, rows)


def conditions(*packages: str) -> dict[str, object]:
    """Describe where a row was measured: cores, memory, and versions of Python and packages."""
    versions = {name: version(name).partition("+")[0] for name in ("torch", "numpy", *packages)}
    here = {"cores": cores(), "memory_gb": memory_gb()}
    return {**here, "python": platform.python_version(), **versions}


def shown(value: object) -> object:
    """Round a measured number to five digits; leave anything else as it is."""
    return f"{value:.5g}" if isinstance(value, float) else value


def spread(values: Iterable[float], form: str = ".3g") -> str:
    """Write numbers as their median and, in brackets, the least and the greatest."""
    values = sorted(values)
    if not values:
        return "–"
    middle = statistics.median(values)
    return f"{middle:{form}} ({values[0]:{form}} to {values[-1]:{form}})"


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
    kept = set(variants) - set(chosen)
    rows = [row for row in read(path) if row["variant"] in kept]
    for variant in chosen:
        for seed in range(seeds):
            row = {
                "variant": variant,
                "seed": seed,
                **{column: round(value, 4) for column, value in run(variant, seed).items()},
                "torch": torch.__version__.partition("+")[0],
                "gymnasium": version("gymnasium"),
                "cores": cores(),
            }
            print(row, flush=True)
            rows.append(row)
    rows.sort(key=lambda row: (variants.index(row["variant"]), int(row["seed"])))
    write(path, rows)
    print(f"wrote benchmarks/results/{name}.csv")


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
        names = (*keys, "seed")
        done = {tuple(row[key] for key in names) for row in read(arguments.out)}
        for seed in arguments.seeds:
            for job in jobs(seed):
                named = dict(zip(names, (*job, str(seed)), strict=True))
                if tuple(named.values()) not in done:
                    measured = {key: shown(value) for key, value in run(*job, seed).items()}
                    put(arguments.out, named | measured, names)
    elif arguments.report:
        merge(arguments.report, arguments.out, (*keys, "seed"))
    print(report(read(arguments.out)))
