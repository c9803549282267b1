"""`course.py grade FOLDER`: say of every handed-in notebook which exercises are right.

Only the answers to the exercises run, and what they need: nothing is trained. They run apart from
each other and from this process, under limits, and are judged by the checks installed here; see
docs/grading.md.

Each exercise of each notebook gets a fresh process. Importing torch takes seconds, so this process
imports it once, starts no thread, and forks: a forked process has torch at once, and nothing that
an answer does to it reaches the next. Where forking is not safe (macOS, Windows) a new Python is
started for each notebook instead; after an answer that ended it, another for the rest.
"""

import argparse
import contextlib
import csv
import gc
import io
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unicodedata
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from tools import grade_worker
from tools.answers import Cell, courses, notebook_numbers, read_cells
from tools.notebooks import ROOT, NotebookError, write_whole
from tools.test import cores

COLUMNS = ("student", "exercise", "verdict", "message", "look", "file")
VERDICTS = ("right", "wrong", "timed out", "error", "not attempted")
"""From the best to the worst: of several answers to one exercise the best counts."""
SECONDS = 10
"""Seconds of computing for an exercise. A check takes a fraction of one."""
PATIENCE = 10 if os.name == "posix" else 4
"""Times that many seconds may pass in all: other programs need the processor, too. Windows has no
limit of computing, so there an endless loop takes all this time."""
STARTING = 300
"""Seconds until the first answer is begun: a new Python imports torch, on a slow disk perhaps."""
MEGABYTES = 2048
MOST_DEATHS = 3
"""Processes that one exercise may bring down before the next one has its turn."""
MOST_BYTES = 1_000_000
"""What a process may report; longer is forged."""
IGNORED_FOLDERS = {"__MACOSX", "__pycache__"}


@dataclass
class Handed:
    """A file that a student has handed in."""

    student: str
    file: str
    """Its path in the folder."""
    cells: list[Cell] = field(default_factory=list)
    numbers: list[str] = field(default_factory=list)
    """The notebooks that it is; nearly always one."""
    problem: str = ""
    """Why it cannot be graded, if so."""


@dataclass(frozen=True)
class Result:
    """What is said of one exercise in one file."""

    verdict: str
    message: str = ""
    look: str = ""
    file: str = ""


@dataclass
class Task:
    """Exercises of one notebook, to be judged in one process after the other."""

    handed: Handed
    number: str
    exercises: deque[str]
    """Those to be done; the first may be half done."""
    first: int = 0
    """The attempt at the first exercise to go on with."""
    deaths: int = 0
    """Processes that ended in the first exercise."""
    results: list[tuple[str, Result]] = field(default_factory=list)


def main(arguments: list[str] | None = None) -> int:
    """Grade a folder; return 0 when that could be done, whatever the marks."""
    parser = argparse.ArgumentParser(prog="course.py grade", description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="a folder for each student, or files with names")
    parser.add_argument("--out", type=Path, default=Path("grades.csv"), help="default grades.csv")
    parser.add_argument("--jobs", type=int, default=cores(), help="how many processes at a time")
    parser.add_argument("--only", nargs="+", metavar="NN", help="these notebooks alone: 01 02")
    parser.add_argument("--seconds", type=int, default=SECONDS, help="for an exercise, default 10")
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


# --- judging ---


def default_start() -> str:
    """Fork where that is safe: on Linux, as long as this process has one thread."""
    if sys.platform != "linux":
        return "spawn"
    grade_worker.prepare([])
    threads = list(Path("/proc/self/task").iterdir())
    return "fork" if len(threads) == 1 else "spawn"


def grade(
    handed: list[Handed], *, jobs: int, seconds: int, start: str, only: set[str]
) -> list[tuple[str, str, Result]]:
    """Judge every exercise in every file; return student, exercise and result of each.

    Args:
        handed: What `collect` found.
        jobs: How many processes may run at a time.
        seconds: How long an exercise may compute.
        start: "fork" or "spawn".
        only: The notebooks that are wanted.
    """
    tasks = []
    for one in handed:
        for number in sorted(set(one.numbers) & only):
            exercises = list(courses()[number].names)
            task = Task(one, number, deque(exercises))
            if one.problem:
                task.results = [(name, Result("error", one.problem)) for name in exercises]
                task.exercises.clear()
                tasks.append(task)
            elif start == "fork":
                tasks += [Task(one, number, deque([name])) for name in exercises]
            else:
                tasks.append(task)
    if start == "fork":
        grade_worker.prepare(sorted({task.number for task in tasks}))
        gc.freeze()  # else each child walks, and so copies, all that torch has in memory
    box = Path(tempfile.mkdtemp(prefix="grade-"))
    try:
        _run_all(tasks, jobs, seconds, start, box)
    finally:
        shutil.rmtree(box, ignore_errors=True)
    return [
        (task.handed.student, exercise, Result(r.verdict, r.message, r.look, task.handed.file))
        for task in tasks
        for exercise, r in task.results
    ]


def _run_all(tasks: list[Task], jobs: int, seconds: int, start: str, box: Path) -> None:
    waiting = deque(task for task in tasks if task.exercises)
    total, shown = len(waiting), 0.0
    running: list[Process] = []
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                running.append(Process(waiting.popleft(), seconds, start, box))
            for process in list(running):
                if process.is_over():
                    running.remove(process)
                    process.conclude()
                    if process.task.exercises:
                        waiting.appendleft(process.task)
            if sys.stdout.isatty() and time.monotonic() > shown + 0.5:
                shown = time.monotonic()
                print(f"\r{total - len(waiting) - len(running)} of {total} ", end="", flush=True)
            time.sleep(0.005)
    finally:
        for process in running:
            process.end()
        if sys.stdout.isatty():
            print("\r", end="")


class Process:
    """A process that judges the answers of a task, until it has done so or is brought down."""

    def __init__(self, task: Task, seconds: int, start: str, box: Path) -> None:
        self.task, self.seconds = task, seconds
        self.token = secrets.token_hex(16)
        self.folder = Path(tempfile.mkdtemp(dir=box))
        self.results = box / f"{self.folder.name}.results"
        self.results.touch()
        self.size = 0
        self.began = time.monotonic()
        self.timed_out = self.forged = False
        request = {
            "number": task.number,
            "exercises": list(task.exercises),
            "first": task.first,
            "cells": [(cell.source, cell.exercise) for cell in task.handed.cells],
            "token": self.token,
            "results": str(self.results),
            "folder": str(self.folder),
            "seconds": seconds,
            "megabytes": MEGABYTES,
        }
        self.child = _Forked(request) if start == "fork" else _Spawned(request)

    def is_over(self) -> bool:
        """Tell whether the process has ended; end it when its time is up."""
        if self.child.poll():
            return True
        size = self.results.stat().st_size
        if size != self.size:  # it has begun with the next attempt, unless an answer says so
            self.size, self.began = size, time.monotonic()
            self.forged = size > MOST_BYTES or self._reported() is None
        limit = self.seconds * PATIENCE if self.size else STARTING
        self.timed_out = time.monotonic() > self.began + limit
        return self.forged or self.timed_out

    def _reported(self) -> list[dict[str, Any]] | None:
        """Return what the process has reported, or None if an answer has written there, too."""
        lines = self.results.read_bytes()[:MOST_BYTES].split(b"\n")
        mark = f"{self.token} ".encode()
        try:
            return [json.loads(line.removeprefix(mark)) for line in lines[:-1] if _has(line, mark)]
        except ValueError:
            return None

    def end(self) -> None:
        """End the process at once."""
        self.child.kill()

    def conclude(self) -> None:
        """Take over what it has reported, and note where the task goes on."""
        self.child.kill()  # if its time was up, and what it may have left running
        said = None if self.forged else self._reported()
        self.results.unlink()
        shutil.rmtree(self.folder, ignore_errors=True)
        try:
            begun = self._take_over(said)
        except (TypeError, KeyError, IndexError, ValueError):
            self._note(Result("error", "it writes where the grader's own results belong"))
            self._next()
            return
        if not self.task.exercises:
            return
        self._note(self._cause())
        self.task.deaths += 1
        if begun is None or self.task.deaths >= MOST_DEATHS:
            self._next()
        else:
            self.task.first = begun + 1

    def _take_over(self, reports: list[dict[str, Any]] | None) -> int | None:
        """Note the verdicts reported; return the attempt that was begun and not ended."""
        begun = None
        for said in reports:
            if said["exercise"] != self.task.exercises[0]:
                raise KeyError(said["exercise"])
            if "begin" in said:
                begun = said["begin"]
            elif "end" in said:
                if all(name != said["exercise"] for name, _ in self.task.results):
                    self._note(Result("not attempted", "the notebook has no such function"))
                self._next()
                begun = None
            else:
                verdict = VERDICTS[VERDICTS.index(said["verdict"])]
                self._note(Result(verdict, said["message"], said["look"]))
                begun, self.task.first = None, said["at"] + 1
        return begun

    def _note(self, result: Result) -> None:
        self.task.results.append((self.task.exercises[0], result))

    def _next(self) -> None:
        self.task.exercises.popleft()
        self.task.first = self.task.deaths = 0

    def _cause(self) -> Result:
        """Say why a process ended without having said that it was done."""
        number = self.child.signal
        names = {getattr(signal, "SIGXCPU", -1)}
        if self.timed_out or number in names or self.child.seconds >= self.seconds:
            return Result("timed out", f"it computes for over {self.seconds} s, or waits for ever")
        if number:
            return Result("error", f"it ended the process ({signal.Signals(number).name})")
        return Result("error", "it ended the process")


class _Forked:
    """A process forked from this one."""

    def __init__(self, request: dict[str, Any]) -> None:
        self.signal, self.seconds, self.over = 0, 0.0, False
        sys.stdout.flush()
        self.pid = os.fork()
        if self.pid == 0:
            grade_worker.run(request)

    def poll(self) -> bool:
        """Tell whether it has ended, and note how."""
        if not self.over:
            pid, status, usage = os.wait4(self.pid, os.WNOHANG)
            if pid:
                self._note(status, usage.ru_utime + usage.ru_stime)
        return self.over

    def _note(self, status: int, seconds: float) -> None:
        self.over, self.seconds = True, seconds
        self.signal = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0

    def kill(self) -> None:
        """End it and what it has started."""
        _kill_group(self.pid)
        if not self.over:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            _, status, usage = os.wait4(self.pid, 0)
            self._note(status, usage.ru_utime + usage.ru_stime)


class _Spawned:
    """A new Python."""

    def __init__(self, request: dict[str, Any]) -> None:
        self.seconds = 0.0  # unknown
        with tempfile.TemporaryFile() as file:
            file.write(json.dumps(request).encode())
            file.seek(0)
            self.process = self._start(file)

    @staticmethod
    def _start(file: BinaryIO) -> subprocess.Popen:
        return subprocess.Popen(
            [sys.executable, "-m", "tools.grade_worker"],
            cwd=ROOT,
            stdin=file,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    @property
    def signal(self) -> int:
        """The number of the signal that ended it, else 0."""
        return max(0, -(self.process.returncode or 0)) if os.name == "posix" else 0

    def poll(self) -> bool:
        """Tell whether it has ended."""
        return self.process.poll() is not None

    def kill(self) -> None:
        """End it and, where the system can, what it has started."""
        _kill_group(self.process.pid)
        self.process.kill()
        self.process.wait()


def _has(line: bytes, mark: bytes) -> bool:
    """Tell that a line has the mark.

    Raises:
        ValueError: It has not.
    """
    if not line.startswith(mark):
        raise ValueError("a line without the token")
    return True


def _kill_group(pid: int) -> None:
    if os.name == "posix":
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)


# --- the results ---


def table(
    handed: list[Handed], results: list[tuple[str, str, Result]], only: set[str]
) -> list[dict[str, str]]:
    """Return a row for each student and exercise, of every notebook that anyone has handed in."""
    best: dict[tuple[str, str], Result] = {}
    for student, exercise, result in results:
        key = (student, exercise)
        rank = VERDICTS.index(result.verdict)
        if key not in best or rank < VERDICTS.index(best[key].verdict):
            best[key] = result
    numbers = sorted({n for one in handed for n in one.numbers} & only)
    rows = []
    for student in sorted({one.student for one in handed}):
        lost = [one for one in handed if one.student == student and one.problem and not one.numbers]
        for one in lost:
            rows.append(_row(student, "", Result("error", one.problem, "", one.file)))
        for number in numbers:
            for exercise in courses()[number].names:
                nothing = Result("not attempted", f"no notebook {number} was handed in")
                rows.append(_row(student, exercise, best.get((student, exercise), nothing)))
    return rows


def _row(student: str, exercise: str, result: Result) -> dict[str, str]:
    said = (result.verdict, result.message, result.look, result.file)
    return dict(zip(COLUMNS, (student, exercise, *map(plain, said)), strict=True))


def plain(text: Any, most: int = 400) -> str:
    """Return text of others as one line that neither a terminal nor a file takes for an order."""
    text = " ".join(str(text).encode(errors="replace").decode().split())
    text = "".join(c if c.isprintable() else "�" for c in text)
    return text if len(text) <= most else text[: most - 1] + "…"


def as_csv(rows: list[dict[str, str]]) -> str:
    """Return rows as CSV; what a spreadsheet would take for a formula gets a ' in front."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({k: f"'{v}" if v[:1] in "=+-@" and v else v for k, v in row.items()})
    return text.getvalue()


def summary(rows: list[dict[str, str]]) -> str:
    """Return tables by student and by exercise, a histogram, and what a person should look at."""
    graded = [row for row in rows if row["exercise"]]
    exercises = sorted({row["exercise"] for row in graded}, key=_in_order)
    numbers = sorted({exercise[:2] for exercise in exercises})
    students = sorted({row["student"] for row in rows})
    right = Counter(
        (row["student"], row["exercise"][:2]) for row in graded if row["verdict"] == "right"
    )
    totals = {s: sum(right[s, n] for n in numbers) for s in students}
    width = min(30, max([7, *map(len, students)]))

    lines = ["", f"{'student':<{width}}  " + "".join(f"{n:>5}" for n in numbers) + "   right"]
    for student in students:
        each = "".join(f"{right[student, n]:>5}" for n in numbers)
        total = f"{totals[student]:>3} of {len(exercises)}"
        lines.append(f"{plain(student, width):<{width}}  {each}   {total}")

    lines += ["", "exercise  " + "".join(f"{verdict:>15}" for verdict in VERDICTS)]
    counts = Counter((row["exercise"], row["verdict"]) for row in graded)
    for exercise in exercises:
        each = "".join(f"{counts[exercise, verdict] or '·':>15}" for verdict in VERDICTS)
        lines.append(f"{exercise:<10}{each}")
    lines += ["", *histogram(list(totals.values()), len(exercises))]

    doubtful = [row for row in rows if row["look"] and row["verdict"] == "right"]
    lost = [row for row in rows if not row["exercise"]]
    if doubtful:
        lines += ["", "Right, but look at these: they use what an answer does well without."]
        lines += [f"  {plain(r['student'])}, {r['exercise']}: {r['look']}" for r in doubtful]
    if lost:
        lines += ["", "Not graded:"]
        lines += [f"  {plain(row['student'])}: {row['message']}" for row in lost]
    return "\n".join(lines)


def _in_order(exercise: str) -> tuple[int, ...]:
    return tuple(int(part) for part in exercise.split("."))


def histogram(totals: list[int], most: int, bins: int = 15) -> list[str]:
    """Return lines that show how many students have how many right answers."""
    step = -(-(most + 1) // bins)
    counts = Counter(total // step for total in totals)
    longest = max(counts.values(), default=1)
    lines = ["right  students"]
    for place in range(most // step + 1):
        low, high = place * step, min(most, place * step + step - 1)
        label = f"{low}" if low == high else f"{low}–{high}"
        bar = "█" * -(-40 * counts[place] // max(40, longest))
        lines.append(f"{label:>5}  {bar} {counts[place] or ''}".rstrip())
    return lines


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
