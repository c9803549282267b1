"""`course.py study 02 --seeds 5`: what a notebook claims, measured on other seeds.

First the table scripts `benchmarks/02_*.py` that belong to the notebook, then the notebook once
a seed; what its claims measured goes to benchmarks/results/claims.csv. A claim that fails is
recorded like any other, and makes the study end with status 1. Studies of several notebooks may
run at once: each replaces its own rows and leaves the others as it finds them.
"""

import argparse
import csv
import hashlib
import io
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tools.notebooks import ROOT, NotebookError, execute, find, go_headless, read, write_whole

BENCHMARKS = ROOT / "benchmarks"
CLAIMS = BENCHMARKS / "results" / "claims.csv"
COLUMNS = ("notebook", "claim", "relation", "bound", "seed", "value", "seconds")
PROGRESS = ROOT / ".cache" / "study.json"
"""Which seeds are done, for which state of notebook and package: what `--resume` goes by."""
PATIENCE = 60
"""Seconds to wait for another study that is writing; a write takes a moment."""

Row = dict[str, Any]


def main(arguments: list[str] | None = None) -> int:
    """Study the notebooks that were named; return 0 when every claim held on every seed."""
    parser = argparse.ArgumentParser(prog="course.py study", description=__doc__)
    parser.add_argument("notebooks", nargs="+", help="numbers, names or paths: 02, 02_dqn, …")
    parser.add_argument("--seeds", type=int, default=5, help="how many seeds, from 0 (default 5)")
    parser.add_argument("--skip-tables", action="store_true", help="leave out benchmarks/NN_*.py")
    parser.add_argument(
        "--resume", action="store_true", help="skip seeds done with this notebook and package"
    )
    options = parser.parse_args(arguments)
    if options.seeds < 1:
        parser.error(f"--seeds must be at least 1; got {options.seeds}")
    go_headless()
    try:
        paths = find(options.notebooks)
        trouble = [] if options.skip_tables else [t for path in paths for t in run_tables(path)]
        for path in paths:
            trouble += study(path, options.seeds, resume=options.resume)
    except NotebookError as error:
        sys.exit(f"study: {error}")
    for line in trouble:
        print(f"FAILED  {line}")
    return 1 if trouble else 0


def run_tables(path: Path) -> list[str]:
    """Run the table scripts that belong to a notebook; return a line for each that failed."""
    failed = []
    for script in sorted(BENCHMARKS.glob(f"{path.stem[:2]}_*.py")):
        print(f"Running {script.name}", flush=True)
        started = time.perf_counter()
        if subprocess.call([sys.executable, str(script)], cwd=ROOT) != 0:
            failed.append(f"the script {script.name} stopped with an error")
        print(f"  {time.perf_counter() - started:.0f} s\n")
    return failed


def study(path: Path, seeds: int, *, resume: bool = False) -> list[str]:
    """Run one notebook on seeds 0 to `seeds` − 1 and store what its claims measured.

    The results of each seed are stored as soon as it is done. Rows of other notebooks stay.

    Args:
        path: The notebook; the file is left as it is.
        seeds: How many.
        resume: Whether to keep the rows of seeds that this notebook and package have done before.

    Returns:
        A line for each claim that failed and each cell that broke.
    """
    state = fingerprint(path)
    before = load_progress().get(path.stem, {})
    done = set(before["seeds"]) if resume and before.get("state") == state else set()
    mine = [row for row in load() if row["notebook"] == path.stem and row["seed"] in done]
    trouble = []
    for seed in range(seeds):
        if seed in done:
            print(f"{path.name}, seed {seed}: done before\n")
            continue
        print(f"{path.name}, seed {seed}")
        rows, broken = run_seed(path, seed)
        mine += rows
        trouble += broken
        if not broken:
            done.add(seed)
        # Another study may have written since: what is not this notebook's stays as it is now.
        with alone():
            store([row for row in load() if row["notebook"] != path.stem] + mine)
            progress = load_progress() | {path.stem: {"state": state, "seeds": sorted(done)}}
            write_whole(PROGRESS, json.dumps(progress, indent=1) + "\n")
    print(table(mine))
    trouble += [
        f"{path.stem}, seed {r['seed']}: {r['claim']} {r['relation']} {r['bound']}, "
        f"measured {r['value']:.4g}"
        for r in mine
        if not margin(r) >= 0
    ]
    return trouble


def fingerprint(path: Path) -> str:
    """Return a hash of the notebook's code, the package and the requirements."""
    code = "\0".join(cell.source for cell in read(path).cells if cell.cell_type == "code")
    total = hashlib.sha256(code.encode())
    for file in [*sorted((ROOT / "dqngan_lib").rglob("*.py")), ROOT / "requirements.txt"]:
        total.update(file.read_bytes())
    return total.hexdigest()


def run_seed(path: Path, seed: int) -> tuple[list[Row], list[str]]:
    """Run a notebook on one seed.

    Returns:
        A row for each claim, and a line for each cell that broke for another reason than a claim.
    """
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "claims.jsonl"
        environment = {"COURSE_SEED": str(seed), "COURSE_CLAIMS": str(file)}
        notebook = execute(path, allow_errors=True, environment=environment)
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    seconds = round(time.perf_counter() - started, 1)
    print(f"  {seconds:.0f} s, {len(lines)} claims\n")
    # The seed is the study's own: a notebook may make a claim before it seeds anything.
    rows = [
        {**json.loads(line), "notebook": path.stem, "seed": seed, "seconds": seconds}
        for line in lines
    ]
    broken, shown_failing = [], []
    for number, cell in enumerate((c for c in notebook.cells if c.cell_type == "code"), start=1):
        for output in (o for o in cell.outputs if o.output_type == "error"):
            claimed = output.ename == "AssertionError" and output.evalue.startswith("✗")
            if "raises-exception" in cell.metadata.get("tags", []):
                shown_failing.append(output.evalue)
            elif not claimed:
                what = f"{output.ename}: {output.evalue.splitlines()[0] if output.evalue else ''}"
                broken.append(f"{path.stem}, seed {seed}, code cell {number}: {what}")
    # What a cell shows failing, to teach what a failed claim looks like, is no result.
    rows = [row for row in rows if not any(is_row_of(evalue, row) for evalue in shown_failing)]
    return rows, broken


def is_row_of(evalue: str, row: Row) -> bool:
    """Tell whether an error message is that of a claim."""
    return evalue.startswith(f"✗ {row['claim']} {row['relation']} {row['bound']} ")


@contextmanager
def alone() -> Iterator[None]:
    """Keep every other study from writing meanwhile, by a file that only one can make.

    Raises:
        NotebookError: The file stays: another study was ended in the middle of its writing.
    """
    lock = PROGRESS.with_suffix(".lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + PATIENCE
    while True:
        try:
            os.close(os.open(lock, os.O_CREAT | os.O_EXCL))
            break
        except FileExistsError:
            if time.monotonic() > until:
                raise NotebookError(f"{lock} is there: if no other study runs, delete it") from None
            time.sleep(0.05)
    try:
        yield
    finally:
        lock.unlink()


def load_progress() -> dict[str, Any]:
    """Return what study.json holds: the seeds done, with the state they were done for."""
    return json.loads(PROGRESS.read_text(encoding="utf-8")) if PROGRESS.exists() else {}


def load() -> list[Row]:
    """Return the rows of claims.csv, none where there is no file yet."""
    if not CLAIMS.exists():
        return []
    with CLAIMS.open(encoding="utf-8", newline="") as file:
        return [
            {**row, "seed": int(row["seed"]), "value": float(row["value"])}
            for row in csv.DictReader(file)
        ]


def store(rows: Iterable[Row]) -> None:
    """Write claims.csv, sorted, in one step or not at all."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(sorted(rows, key=lambda row: (row["notebook"], row["claim"], row["seed"])))
    write_whole(CLAIMS, text.getvalue())


def margin(row: Row) -> float:
    """Return how far the measured value is inside its bound; negative or NaN when it fails."""
    bounds = [float(bound) for bound in str(row["bound"]).split(" and ")]
    value = row["value"]
    if not math.isfinite(value):
        return math.nan
    if row["relation"] == "≥":
        return value - bounds[0]
    if row["relation"] == "≤":
        return bounds[0] - value
    return min(value - bounds[0], bounds[1] - value)


def table(rows: list[Row]) -> str:
    """Return a line for each claim: mean, spread over seeds, worst value, margin, failures."""
    if not rows:
        return "  no claims were made\n"
    claims: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        key = (row["claim"], row["relation"], str(row["bound"]))
        claims.setdefault(key, []).append(row)
    lines = [f"  {'mean':>9} {'spread':>9} {'worst':>9} {'margin':>9}  seeds  claim"]
    for (claim, relation, bound), group in claims.items():
        values = [row["value"] for row in group]
        mean = sum(values) / len(values)
        squares = sum((value - mean) ** 2 for value in values)
        spread = math.sqrt(squares / (len(values) - 1)) if len(values) > 1 else 0.0
        # A value that is not finite is the worst there can be.
        worst = min(group, key=lambda row: -math.inf if math.isnan(margin(row)) else margin(row))
        failed = sorted({row["seed"] for row in group if not margin(row) >= 0})
        note = f"  FAILED on seed {', '.join(map(str, failed))}" if failed else ""
        lines.append(
            f"  {mean:9.4g} {spread:9.3g} {worst['value']:9.4g} "
            f"{margin(worst):9.3g}  {len(group):5d}  {claim} {relation} {bound}{note}"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
