"""Notebooks under unkind conditions: `python benchmarks/robustness.py 01 02`, or all.

- **elsewhere**: the course lies in a folder with spaces and Chinese characters, nothing in it can
  be written, no address outside this machine can be reached, and the seed is the greatest allowed
  or the one of `--course-seed`.
- **interrupted**: the ■ button at a random moment; then the interrupted cell is run again, and the
  rest of the notebook after it.

In both the notebook must come to its end, and all its claims must hold. What happened goes to
`benchmarks/results/robustness.csv`. tests/test_robustness.py does the same with short notebooks.
"""

import argparse
import os
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

import torch
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tables import RESULTS, put  # noqa: E402

from dqngan_lib.course.installation import machine  # noqa: E402
from tools import claims, notebooks  # noqa: E402

STRANGE = "我的 课程 (copy 2)"
GREATEST_SEED = 2**32 - 1
COPIED = ("benchmarks/results", "data", "dqngan_lib", "notebooks")
GUARD = '''
import os
import sys

GUARDED = os.environ["COURSE_GUARDED"]
WRITING = os.O_WRONLY | os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_TRUNC


def guard(event, details):
    """Refuse to write into the course's folder, and to reach another machine."""
    if event == "open" and isinstance(details[0], (str, bytes)):
        path, mode, flags = details
        writes = set(mode) & set("wax+") if mode else (flags or 0) & WRITING
        if writes and os.path.abspath(os.fsdecode(path)).startswith(GUARDED):
            raise PermissionError(13, "the course's folder is read-only", path)
    if event == "socket.connect" and isinstance(details[1], tuple):
        if details[1][0] not in ("127.0.0.1", "::1", "localhost"):
            raise OSError(101, "the network is unreachable", str(details[1]))
    if event == "socket.getaddrinfo" and details[0] not in ("127.0.0.1", "::1", "localhost", None):
        raise OSError(101, "the network is unreachable", str(details[0]))


sys.addaudithook(guard)
'''
"""A module `sitecustomize`, which Python imports before anything else."""

BUTTON = """
import signal
import threading
import time
from pathlib import Path

main, running, pressed = threading.main_thread().ident, threading.Event(), threading.Event()
begun = 0


def begin(info):
    global begun
    begun += 1
    running.set()
    if begun == cell:
        threading.Thread(target=press, daemon=True).start()


def end(result):
    running.clear()
    if pressed.is_set():
        Path(mark).touch()


def press():
    time.sleep(after)
    while not running.is_set():
        running.wait()
    pressed.set()
    signal.pthread_kill(main, signal.SIGINT)


shell.events.register("pre_run_cell", begin)
shell.events.register("post_run_cell", end)
"""
"""The kernel presses the button itself, while a cell runs. A signal from outside may come between
two cells. Then ipykernel can lose the request to run the next one, which waits for ever."""


def elsewhere(path: Path, folder: Path, environment: dict[str, str]) -> NotebookNode:
    """Run a notebook in a read-only copy of the course at an unkind path, offline.

    Args:
        path: The notebook.
        folder: Where the copy is made.
        environment: Further variables, such as `COURSE_SEED`.

    Returns:
        The notebook with its outputs, errors among them.
    """
    course, guard = folder / STRANGE, folder / "guard"
    guard.mkdir()
    (guard / "sitecustomize.py").write_text(GUARD, encoding="utf-8")
    for name in COPIED:
        shutil.copytree(ROOT / name, course / name, ignore=shutil.ignore_patterns("__pycache__"))
    environment = environment | {
        "PYTHONPATH": os.pathsep.join([str(guard), str(course)]),
        "COURSE_GUARDED": str(course),
    }
    return notebooks.execute(
        course / "notebooks" / path.name, allow_errors=True, environment=environment
    )


def interrupted(path: Path, after: float, cell: int = 1) -> tuple[str, str]:
    """Run a notebook, interrupt it once, run the interrupted cell again, and go on.

    Args:
        path: The notebook.
        after: Seconds from the start of a cell to the interrupt. If no cell runs then, the next
            one is interrupted.
        cell: The number of that cell among the code cells, from 1.

    Returns:
        The interrupted cell, and "ok" or what went wrong.
    """
    notebook = notebooks.read(path)
    client = notebooks.client_of(path, notebook, allow_errors=True)
    hit = ""
    with (
        tempfile.TemporaryDirectory() as folder,
        client.setup_kernel(env=notebooks.surroundings(path)),
    ):
        mark = Path(folder) / "pressed"
        given = f"'after': {after}, 'cell': {cell}, 'mark': {str(mark)!r}"
        known = f"{{'shell': get_ipython(), {given}}}"
        notebook.cells.insert(0, new_code_cell(f"exec({BUTTON!r}, {known})"))
        client.execute_cell(notebook.cells[0], 0)
        for index, cell in enumerate(notebook.cells[1:], start=1):
            if cell.cell_type != "code":
                continue
            client.execute_cell(cell, index)
            if not hit and mark.exists():
                hit = notebooks.first_line(cell.source)
                client.execute_cell(cell, index)
    del notebook.cells[0]
    return hit or "none: the notebook was faster", outcome(notebook)


def outcome(notebook: NotebookNode) -> str:
    """Return "ok", or the first error that a notebook does not mean to show."""
    for number, cell in enumerate((c for c in notebook.cells if c.cell_type == "code"), start=1):
        if "raises-exception" in cell.metadata.get("tags", []):
            continue
        for output in cell.outputs:
            if output.output_type == "error":
                return f"code cell {number}: {output.ename}: {output.evalue.splitlines()[0]}"
    return "ok"


def main() -> int:
    """Run the notebooks that were named under both conditions; return 0 when all is well."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebooks", nargs="*", help="numbers, names or paths; default all")
    parser.add_argument("--only", choices=("elsewhere", "interrupted"), help="one condition alone")
    parser.add_argument("--seed", type=int, default=0, help="decides when to interrupt")
    parser.add_argument(
        "--course-seed", type=int, default=GREATEST_SEED, help="the notebook's own, elsewhere"
    )
    arguments = parser.parse_args()
    notebooks.go_headless()
    known = {row["notebook"]: float(row["seconds"]) for row in claims.load()}
    chance, bad = random.Random(arguments.seed), 0
    for path in notebooks.find(arguments.notebooks):
        moment = chance.uniform(2, known.get(path.stem, 60))
        for condition in ("elsewhere", "interrupted"):
            if arguments.only not in (None, condition):
                continue
            started, where = time.perf_counter(), ""
            if condition == "elsewhere":
                where = f"seed {arguments.course_seed}"
                seed = {"COURSE_SEED": str(arguments.course_seed)}
                with tempfile.TemporaryDirectory() as folder:
                    result = outcome(elsewhere(path, Path(folder), seed))
            else:
                where, result = interrupted(path, moment)
            bad += result != "ok"
            row = {
                "notebook": path.stem,
                "condition": condition,
                "where": where,
                "outcome": result,
                "seconds": round(time.perf_counter() - started, 1),
                "machine": machine(),
                "torch": torch.__version__.partition("+")[0],
            }
            put(RESULTS / "robustness.csv", row, ("notebook", "condition"))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
