"""`course.py test`: ruff, the unit tests, and every notebook under nbval, each with its verdict.

With notebooks named, those alone are tested: ruff, their form, and nbval. The tests run on all
cores, as many at a time as the memory allows.
"""

import argparse
import importlib.util
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from dqngan_lib.course.hardware import cores, memory_gb
from tools.claims import longest_first
from tools.lint import lint
from tools.notebooks import CELL_TIMEOUT, ROOT, NotebookError, find, go_headless
from tools.start import start

WORKER_GB = 2
"""Memory for one worker: it holds torch, and a kernel beside it holds torch again."""

DURATIONS = ("--durations=10", "--durations-min=5")
"""Where the time went, in the log of every run."""

Verdict = tuple[bool, str]
"""Whether a part passed, and what to say of it in the summary."""


def main(arguments: list[str] | None = None) -> int:
    """Run the parts, print a line for each, and return 0 when all passed."""
    parser = argparse.ArgumentParser(prog="course.py test", description=__doc__)
    parser.add_argument("notebooks", nargs="*", help="test these alone: 02, 02_dqn, a path, …")
    parser.add_argument(
        "--fast", action="store_true", help="leave out the notebooks and the slow unit tests"
    )
    options = parser.parse_args(arguments)
    if options.fast and options.notebooks:
        parser.error("--fast leaves the notebooks out, so none can be named")
    go_headless()
    try:
        paths = [] if options.fast else find(options.notebooks)
    except NotebookError as error:
        sys.exit(f"test: {error}")

    targets = [str(path) for path in paths] if options.notebooks else ["."]
    parts: dict[str, Callable[[], Verdict]] = {
        "ruff check": lambda: module("ruff", "check", *targets),
        "ruff format": lambda: module("ruff", "format", "--check", *targets),
    }
    if options.notebooks:
        parts["form"] = lambda: form(paths)
    else:
        parts["unit tests"] = lambda: module("pytest", *unit_options(fast=options.fast))
    if paths:
        parts["notebooks"] = lambda: module("pytest", *nbval_options(paths))
    return summary({name: timed(name, part) for name, part in parts.items()})


def module(name: str, *arguments: str) -> Verdict:
    """Run `python -m name` in the course's folder, show what it prints, and judge it.

    Any exit status but 0 is a failure; so is pytest's 5, which says that there was no test.
    """
    command = [sys.executable, "-m", name, *arguments]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    if sys.stdout.isatty():
        # The output passes through here, so these two cannot see the terminal themselves.
        environment |= {"FORCE_COLOR": "1", "CLICOLOR_FORCE": "1"}
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    last = ""
    for line in process.stdout:
        sys.stdout.write(line)
        sys.stdout.flush()
        if line.strip() and not line.startswith("[*]"):  # ruff's hint after its count
            last = line
    # pytest closes with a line such as "=== 12 passed in 3.4s ==="; ruff with "All checks passed!".
    said = re.sub(r"\x1b\[[\d;]*m", "", last).strip("= \n")
    return process.wait() == 0, re.sub(r" in [\d.]+s.*", "", said)


def form(paths: list[Path]) -> Verdict:
    """Check the form of notebooks; see `tools/lint.py`."""
    problems = [problem for path in paths for problem in lint(path)]
    for problem in problems:
        print(problem)
    return not problems, f"{len(problems)} problems" if problems else "no problem"


def unit_options(*, fast: bool) -> list[str]:
    """Return the options with which pytest runs the unit tests, without the slow ones if `fast`."""
    options = ["tests", *(["-m", "not slow"] if fast else []), *DURATIONS]
    if at_a_time() > 1:
        # Each worker begins with a stretch of neighbours, which share what a file sets up.
        options += ["-n", str(at_a_time()), "--dist", "worksteal"]
    return options


def nbval_options(paths: list[Path]) -> list[str]:
    """Return the options with which pytest runs notebooks and compares their outputs."""
    options = [
        "--nbval",
        "--nbval-current-env",
        f"--nbval-sanitize-with={ROOT / 'tests' / 'nbval_sanitize.cfg'}",
        f"--nbval-cell-timeout={CELL_TIMEOUT}",
        # nbval asks for this option alone whether to write in colours.
        f"--color={'yes' if sys.stdout.isatty() else 'no'}",
        *DURATIONS,
    ]
    workers = min(at_a_time(), len(paths))
    if workers > 1:
        # The cells of one notebook need one kernel, so a notebook stays with one worker.
        options += ["-n", str(workers), "--dist", "loadfile", "--no-loadscope-reorder"]
        paths = longest_first(paths)
    return options + [str(path) for path in paths]


def at_a_time() -> int:
    """Return how many workers of pytest the cores and the memory allow, >= 1."""
    if not importlib.util.find_spec("xdist"):
        return 1
    memory = memory_gb()
    return cores() if memory is None else max(1, min(cores(), memory // WORKER_GB))


def timed(name: str, part: Callable[[], Verdict]) -> tuple[bool, str, float]:
    """Run one part under a heading; return its verdict and its seconds."""
    print(f"\n--- {name} ---", flush=True)
    started = time.perf_counter()
    passed, said = part()
    return passed, said, time.perf_counter() - started


def summary(results: dict[str, tuple[bool, str, float]]) -> int:
    """Print a line for each part; return 0 when all passed, else 1."""
    print()
    for name, (passed, said, seconds) in results.items():
        print(f"{'ok    ' if passed else 'FAILED'}  {name:<12} {seconds:6.1f} s  {said}")
    return 0 if all(passed for passed, _, _ in results.values()) else 1


if __name__ == "__main__":
    start(main)
