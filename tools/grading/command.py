"""`course.py grade FOLDER`: say of every handed-in notebook which exercises are right.

Only the answers to the exercises run, and what they need: nothing is trained. They run apart from
each other and from this process, under limits, and are judged by the checks installed here; see
docs/grading.md.
"""

import argparse
import os
import re
import time
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from dqngan_lib.course.hardware import cores
from tools.cells import courses, notebook_numbers, read_cells
from tools.grading.processes import SECONDS, Handed, default_start, grade
from tools.grading.table import as_csv, summary, table
from tools.notebooks import NotebookError, write_whole
from tools.start import start

IGNORED_FOLDERS = {"__MACOSX", "__pycache__"}


def main(arguments: list[str] | None = None) -> int:
    """Grade a folder; return 0 when that could be done, whatever the marks."""
    parser = argparse.ArgumentParser(prog="course.py grade", description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="a folder for each student, or files with names")
    parser.add_argument("--out", type=Path, default=Path("grades.csv"), help="default grades.csv")
    parser.add_argument("--jobs", type=int, default=cores(), help="how many processes at a time")
    parser.add_argument("--only", nargs="+", metavar="NN", help="these notebooks alone: 01 02")
    parser.add_argument("--seconds", type=int, default=SECONDS, help="for an exercise, default 5")
    parser.add_argument("--start", choices=("fork", "spawn"), help="how to start processes")
    parser.add_argument("--from", dest="here", type=Path, default=Path(), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    folder, out = options.here / options.folder, options.here / options.out
    only = {n.zfill(2) for n in options.only} if options.only else set(courses())
    if not folder.is_dir():
        parser.error(f"there is no folder {options.folder}")
    if not only <= courses().keys():
        parser.error(f"--only takes notebooks with exercises: {', '.join(courses())}")
    if options.jobs < 1 or options.seconds < 1:
        parser.error("--jobs and --seconds must be at least 1")
    if not os.access(out.parent, os.W_OK):
        parser.error(f"cannot write {options.out}")

    started, used = time.perf_counter(), os.times()
    handed = collect(folder, only)
    if not handed:
        parser.error(f"there are no files in {options.folder}")
    print(f"{len(handed)} files of {len({h.student for h in handed})} students", flush=True)
    start = options.start or default_start()
    results = grade(handed, jobs=options.jobs, seconds=options.seconds, start=start, only=only)
    rows = table(handed, results, only)
    if out.exists():
        old = out.with_name(f"{out.stem}.old{out.suffix}")
        out.replace(old)
        print(f"The {out.name} of before is {old.name} now.")
    write_whole(out, "\ufeff" + as_csv(rows))  # the mark by which Excel knows UTF-8
    print(summary(rows))
    now = os.times()
    computing = sum(now[:4]) - sum(used[:4])
    print(f"\n{out}: {len(rows)} rows, {time.perf_counter() - started:.0f} s", end="")
    print(f" ({computing:.0f} s of computing)")
    return 0


# --- what was handed in ---


def collect(folder: Path, only: set[str]) -> list[Handed]:
    """Read everything in a folder; say of each file whose it is and which notebook.

    Args:
        folder: Handed-in files, in a folder for each student or with the students' names.
        only: The notebooks that are wanted.
    """
    found, others = [], {}
    for path in _files(folder):
        relative = path.relative_to(folder)
        handed = Handed(student_of(relative, folder), relative.as_posix())
        if not re.search(r"\.ipynb(\.txt|\.json)?$", path.name, re.IGNORECASE):
            if len(relative.parts) > 1:  # beside the students' folders lie lists and the like
                others.setdefault(handed.student, []).append(path.name)
            continue
        try:
            if path.is_symlink():
                raise NotebookError(f"{path.name} is a link, not a file")
            handed.cells = read_cells(path)
        except NotebookError as error:
            handed.problem = str(error)
        handed.numbers = notebook_numbers(path.name, handed.cells)
        if not handed.numbers and not handed.problem:
            handed.problem = f"cannot tell which notebook {path.name} is"
        if not handed.numbers or set(handed.numbers) & only:
            found.append(handed)
    for student in others.keys() - {handed.student for handed in found}:
        names = ", ".join(others[student])
        found.append(Handed(student, names, problem=f"no notebook, but {names}"))
    return found


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files in a folder that people have put there; links are not followed."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name in IGNORED_FOLDERS:
            continue
        if path.is_dir() and not path.is_symlink():
            yield from _files(path)
        else:
            yield path


def student_of(path: Path, folder: Path) -> str:
    """Return whose file it is: by its folder, else by what its name has beside the notebook's.

    Moodle's and Canvas's additions are taken off: `Ada Lovelace_1234_assignsubmission_file_`,
    `lovelaceada_12_345_02_dqn-1.ipynb`.

    Args:
        path: The file as seen from the folder.
        folder: The folder with everything; its name is the last resort.
    """
    if len(path.parts) > 1:
        name = path.parts[0]
    else:
        name = re.sub(r"\.ipynb.*$", "", path.name, flags=re.IGNORECASE)
        canvas = re.match(r"([^\W_]+)(?:_LATE)?_(\d+)_\d+_", name)
        for course in courses().values():
            name = re.sub(rf"{course.stem}(-Copy\d+|-\d+)?", "", name, flags=re.IGNORECASE)
        name = re.sub(r"\s*\(\d+\)$", "", name)
        name = f"{canvas[1]}_{canvas[2]}" if canvas else name
    name = re.sub(r"_\d+_assignsubmission_\w*?(file|onlinetext)_?$", "", name)
    # macOS writes é as two characters; one student must not become two.
    return unicodedata.normalize("NFC", name).strip(" _-.") or folder.resolve().name


if __name__ == "__main__":
    start(main)
