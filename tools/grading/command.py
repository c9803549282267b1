"""`course.py grade FOLDER`: say of every handed-in notebook which exercises are right.

Only the answers to the exercises run, and what they need: nothing is trained. They run apart from
each other and from this process, under limits, and are judged by the checks installed here; see
docs/grading.md.
"""

import argparse
import os
import secrets
import shutil
import time
from pathlib import Path

from dqngan_lib.course.hardware import cores
from tools.cells import courses
from tools.grading.collect import Handed, collect, plain
from tools.grading.feedback import report, write_pages
from tools.grading.marks import (
    Row,
    Student,
    as_csv,
    assignments,
    class_of,
    gradebook,
    points_from,
    read_table,
    roster_rows,
)
from tools.grading.processes import SECONDS, default_start, grade
from tools.grading.table import COLUMNS, summary, table
from tools.notebooks import as_number, write_whole
from tools.start import start


def main(arguments: list[str] | None = None) -> int:
    """Grade a folder; return 0 when that could be done, whatever the marks."""
    parser = _parser()
    options = parser.parse_args(arguments)
    folder, out = options.here / options.folder, options.here / options.out
    only = {as_number(n) for n in options.only} if options.only else set(courses())
    if not folder.is_dir() and not (folder.is_file() and folder.suffix.lower() == ".zip"):
        parser.error(f"there is no folder and no zip {options.folder}")
    if not only <= courses().keys():
        parser.error(f"--only takes notebooks with exercises: {', '.join(courses())}")
    if options.jobs < 1 or options.seconds < 1:
        parser.error("--jobs and --seconds must be at least 1")
    if options.out_of is not None and not 0 < options.out_of < float("inf"):
        parser.error("--out-of must be over 0")
    seed = secrets.randbelow(2**32) if options.seed is None else options.seed
    if not 0 <= seed < 2**32:
        parser.error("--seed must be from 0 to 4294967295")
    if not os.access(out.parent, os.W_OK):
        parser.error(f"cannot write {options.out}")
    try:
        points = points_from(options.points and options.here / options.points)
        roster = roster_rows(options.here / options.roster) if options.roster else []
        kept = _table_of_before(out) if options.student else []
    except (OSError, ValueError) as error:
        parser.error(str(error))

    started, used = time.perf_counter(), os.times()
    handed = collect(folder, only)
    students = class_of(handed, roster)
    if not handed:
        parser.error(f"there are no files in {options.folder}")
    print(f"{len(handed)} files of {sum(s.handed_in for s in students)} students", flush=True)
    numbers = sorted({number for one in handed for number in one.numbers} & only)
    again = [s for s in students if options.student in (None, s.name)]
    if not again:
        parser.error(f"nobody is called {options.student!r}; the table has the names")
    results = grade(
        [one for one in handed if options.student in (None, one.student)],
        jobs=options.jobs,
        seconds=options.seconds,
        start=options.start or default_start(),
        only=only,
        seed=seed,
    )
    rows = table(handed, results, again, numbers, points)
    if options.student:
        name = plain(options.student)
        rows = [row for row in kept if row["student"] != name] + [
            row for row in rows if row["student"] == name
        ]
        rows.sort(key=lambda row: (not row["student"], row["student"]))  # stable: nobody's last
    _write(out, rows, handed, students, again, roster, seed, options)
    print(summary(rows, students))
    now = os.times()
    computing = sum(now[:4]) - sum(used[:4])
    print(f"\n{out}: {len(rows)} rows, {time.perf_counter() - started:.0f} s", end="")
    print(f" ({computing:.0f} s of computing), --seed {seed}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="course.py grade", description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="a folder, or the zip of Moodle or Canvas")
    parser.add_argument("--out", type=Path, default=Path("grades.csv"), help="default grades.csv")
    parser.add_argument("--only", nargs="+", metavar="NN", help="these notebooks alone: 01 02")
    parser.add_argument("--roster", type=Path, metavar="CSV", help="the list of the class")
    parser.add_argument("--points", type=Path, metavar="CSV", help="what each exercise is worth")
    parser.add_argument("--out-of", type=float, metavar="N", help="the best grade in gradebooks")
    parser.add_argument("--title", default="DQN and GAN notebooks", help="of Canvas's assignment")
    parser.add_argument("--student", metavar="NAME", help="grade this one again, keep the others")
    parser.add_argument("--seed", type=int, help="of the checks' random inputs; default: by chance")
    parser.add_argument("--jobs", type=int, default=cores(), help="how many processes at a time")
    parser.add_argument("--seconds", type=int, default=SECONDS, help="for an exercise, default 5")
    parser.add_argument("--start", choices=("fork", "spawn"), help="how to start processes")
    parser.add_argument("--from", dest="here", type=Path, default=Path(), help=argparse.SUPPRESS)
    return parser


def _table_of_before(path: Path) -> list[Row]:
    """Read a table that this tool has written, without the ' in front of formulas.

    Raises:
        ValueError: It is none.
    """
    rows = read_table(path)
    if rows[0].keys() != set(COLUMNS):
        raise ValueError(f"{path.name} has other columns; grade all students once")
    return [
        {key: value[1:] if value[:2] in ("'=", "'+", "'-", "'@") else value
         for key, value in row.items()}
        for row in rows
    ]  # fmt: skip


def _write(
    out: Path,
    rows: list[Row],
    handed: list[Handed],
    students: list[Student],
    again: list[Student],
    roster: list[Row],
    seed: int,
    options: argparse.Namespace,
) -> None:
    """Write the table, the pages, and a file for each assignment of Moodle or Canvas."""
    pages = out.with_name(f"{out.stem}_feedback")
    if not options.student:
        for path in (out, pages):
            old = path.with_name(f"{path.stem}.old{path.suffix}")
            if path.exists():
                if old.is_dir():
                    shutil.rmtree(old)
                path.replace(old)
                print(f"The {path.name} of before is {old.name} now.")
    # The mark by which Excel knows UTF-8; Moodle and Canvas do without.
    write_whole(out, "\ufeff" + as_csv(rows, list(COLUMNS)))
    write_pages(rows, again, pages)
    write_whole(out.with_name(f"{out.stem}_report.html"), report(rows, seed))
    known = assignments(handed)
    for one in known:
        same = [other for other in known if other.system == one.system]
        more = f"_{same.index(one) + 1}" if len(same) > 1 else ""
        title = one.root.removesuffix(".zip") if more and one.root else options.title
        path = out.with_name(f"{out.stem}_{one.system}{more}.csv")
        write_whole(path, gradebook(one, rows, roster, title, options.out_of))
        print(f"{path.name}: for {one.system.capitalize()}, {len(one.ids)} students")


if __name__ == "__main__":
    start(main)
