"""`course.py study 02 --seeds 5`: what a notebook claims, measured on other seeds.

First the table scripts `benchmarks/02_*.py` that belong to the notebook, then the notebook once
a seed; what its claims measured goes to benchmarks/results/claims.csv. A claim that fails is
recorded like any other, and makes the study end with status 1. Studies of several notebooks may
run at once: each replaces its own rows and leaves the others as it finds them.
"""

import argparse
import hashlib
import io
import json
import multiprocessing
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from dqngan_lib.course.installation import machine
from tools.claims import Row, claim_of, load, longest_first, margin, store, table, write_tables
from tools.notebooks import (
    ROOT,
    NotebookError,
    execute,
    find,
    go_headless,
    number_of,
    read,
    write_whole,
)
from tools.start import start

BENCHMARKS = ROOT / "benchmarks"
PROGRESS = ROOT / ".cache" / "study.json"
"""Which seeds are done, for which state of notebook and package: what `--resume` goes by."""
PATIENCE = 60
"""Seconds to wait for another study that is writing; a write takes a moment."""

Task = tuple[Path, int]
Result = tuple[list[Row], list[str]]
"""A row for each claim, and a line for each cell that broke for another reason than a claim."""


def main(arguments: list[str] | None = None) -> int:
    """Study the notebooks that were named; return 0 when every claim held on every seed."""
    parser = argparse.ArgumentParser(prog="course.py study", description=__doc__)
    parser.add_argument("notebooks", nargs="*", help="numbers, names or paths; default all")
    parser.add_argument("--seeds", type=int, default=10, help="how many seeds, from 0 (default 10)")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time, each with one thread")
    parser.add_argument("--skip-tables", action="store_true", help="leave out benchmarks/NN_*.py")
    parser.add_argument(
        "--resume", action="store_true", help="skip seeds done with this notebook and package"
    )
    options = parser.parse_args(arguments)
    for name in ("seeds", "jobs"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} must be at least 1; got {getattr(options, name)}")
    go_headless()
    try:
        paths = find(options.notebooks)
        trouble = [] if options.skip_tables else [t for path in paths for t in run_tables(path)]
        trouble += study(paths, options.seeds, jobs=options.jobs, resume=options.resume)
    except NotebookError as error:
        sys.exit(f"study: {error}")
    for line in trouble:
        print(f"FAILED  {line}")
    return 1 if trouble else 0


def run_tables(path: Path) -> list[str]:
    """Run the table scripts that belong to a notebook; return a line for each that failed."""
    failed = []
    for script in sorted(BENCHMARKS.glob(f"{number_of(path)}_*.py")):
        print(f"Running {script.name}", flush=True)
        started = time.perf_counter()
        if subprocess.call([sys.executable, str(script)], cwd=ROOT) != 0:
            failed.append(f"the script {script.name} stopped with an error")
        print(f"  {time.perf_counter() - started:.0f} s\n")
    return failed


def study(paths: Sequence[Path], seeds: int, *, jobs: int = 1, resume: bool = False) -> list[str]:
    """Run notebooks on seeds 0 to `seeds` − 1 and store what their claims measured.

    The results of each run are stored as soon as it is done, in place of those that this notebook
    had on this seed. Rows of other notebooks and seeds stay.

    Args:
        paths: The notebooks; the files are left as they are.
        seeds: How many.
        jobs: How many runs at a time. More than there are cores makes every run slower, and its
            seconds with it; the measured values are the same.
        resume: Whether to leave out what was run before with this notebook and package.

    Returns:
        A line for each claim that failed and each cell that broke.
    """
    states = {path: fingerprint(path) for path in paths}
    progress = load_progress() if resume else {}
    tasks = []
    for path in paths:
        before = progress.get(path.stem, {})
        done = before.get("seeds", []) if before.get("state") == states[path] else []
        for seed in range(seeds):
            if seed in done:
                print(f"{path.name}, seed {seed}: done before\n")
            else:
                tasks.append((path, seed))
    trouble = []
    for (path, seed), (rows, broken) in run_all(tasks, jobs):
        keep(path, seed, rows, broken, states[path])
        trouble += broken
    names = {path.stem for path in paths}
    mine = [row for row in load() if row["notebook"] in names and row["seed"] < seeds]
    print(table(mine))
    write_tables()
    trouble += [
        f"{r['notebook']}, seed {r['seed']}: {r['claim']} {r['relation']} {r['bound']}, "
        f"measured {r['value']:.4g}"
        for r in mine
        if not margin(r) >= 0
    ]
    return trouble


def run_all(tasks: Sequence[Task], jobs: int) -> Iterator[tuple[Task, Result]]:
    """Run notebooks on seeds, some at a time; yield each as it ends.

    With one job a line a cell is shown. With several the longest begin first, as far as
    claims.csv knows, so that the last does not run alone; only their ends are shown.
    """
    if jobs == 1:
        for path, seed in tasks:
            print(f"{path.name}, seed {seed}")
            yield (path, seed), run_seed(path, seed)
        return
    order = longest_first({path for path, _ in tasks})
    tasks = sorted(tasks, key=lambda task: order.index(task[0]))
    # Fresh processes: a fork would take over torch's threads in a state of its own.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        running = {pool.submit(quietly, path, seed): (path, seed) for path, seed in tasks}
        for number, future in enumerate(as_completed(running), start=1):
            path, seed = running[future]
            rows, broken = future.result()
            failed = sum(not margin(row) >= 0 for row in rows)
            print(
                f"{number:3d}/{len(tasks)}  {path.name}, seed {seed}: {len(rows)} claims, "
                f"{failed} failed, {len(broken)} cells broken",
                flush=True,
            )
            yield (path, seed), (rows, broken)


def quietly(path: Path, seed: int) -> Result:
    """Run a notebook on a seed without showing its progress."""
    with redirect_stdout(io.StringIO()):
        return run_seed(path, seed)


def keep(path: Path, seed: int, rows: list[Row], broken: list[str], state: str) -> None:
    """Store what one run measured, and note that it is done unless a cell broke.

    After a whole run, rows of claims that the notebook no longer makes go, on all seeds. A run in
    which a claim failed is not whole: the rest of that cell did not run, nor the claims in it.
    """
    made = {claim_of(row) for row in rows}
    whole = not broken and all(margin(row) >= 0 for row in rows)

    def stays(row: Row) -> bool:
        if row["notebook"] != path.stem:
            return True
        return row["seed"] != seed and (not whole or claim_of(row) in made)

    # Another study may have written since: what is not this run's stays as it is now.
    with only_writer():
        store([row for row in load() if stays(row)] + rows)
        progress = load_progress()
        before = progress.get(path.stem, {})
        done = set(before.get("seeds", [])) if before.get("state") == state else set()
        done = done - {seed} if broken else done | {seed}
        progress[path.stem] = {"state": state, "seeds": sorted(done)}
        write_whole(PROGRESS, json.dumps(progress, indent=1) + "\n")


def fingerprint(path: Path) -> str:
    """Return a hash of the notebook's code, the package and the requirements."""
    code = "\0".join(cell.source for cell in read(path).cells if cell.cell_type == "code")
    total = hashlib.sha256(code.encode())
    for file in [*sorted((ROOT / "dqngan_lib").rglob("*.py")), ROOT / "requirements.txt"]:
        total.update(file.read_bytes())
    return total.hexdigest()


def run_seed(path: Path, seed: int) -> Result:
    """Run a notebook on one seed."""
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "claims.jsonl"
        environment = {"COURSE_SEED": str(seed), "COURSE_CLAIMS": str(file)}
        notebook = execute(path, allow_errors=True, environment=environment)
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    seconds = round(time.perf_counter() - started, 1)
    print(f"  {seconds:.0f} s, {len(lines)} claims\n")
    # The seed is the study's own: a notebook may make a claim before it seeds anything.
    where = {"notebook": path.stem, "seed": seed, "seconds": seconds, "machine": machine()}
    rows = [{**json.loads(line), **where} for line in lines]
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
def only_writer() -> Iterator[None]:
    """Keep every other study from writing meanwhile; the system opens the lock of one that dies.

    Raises:
        NotebookError: Another study did not come to the end of its writing.
    """
    file = PROGRESS.with_suffix(".lock")
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(file, timeout=PATIENCE):
            yield
    except Timeout:
        raise NotebookError(f"another study has kept {file} locked for {PATIENCE} s") from None


def load_progress() -> dict[str, Any]:
    """Return what study.json holds: the seeds done, with the state they were done for."""
    return json.loads(PROGRESS.read_text(encoding="utf-8")) if PROGRESS.exists() else {}


if __name__ == "__main__":
    start(main)
