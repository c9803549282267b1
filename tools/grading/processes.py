"""Judge exercises in processes of their own, and take over what these report.

Each exercise of each notebook gets a fresh process. Importing torch takes seconds, so this process
imports it once, starts no thread, and forks: a forked process has torch at once, and nothing that
an answer does to it reaches the next. Where forking is not safe (macOS, Windows) a new Python is
started for each notebook instead; after an answer that ended it, another for the rest.
"""

import contextlib
import gc
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

from tools.cells import courses
from tools.grading import worker
from tools.grading.collect import Handed
from tools.notebooks import ROOT

VERDICTS = ("right", "wrong", "timed out", "error", "not attempted")
"""From the best to the worst: of several answers to one exercise the best counts."""
SECONDS = 5
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


@dataclass(frozen=True)
class Result:
    """What is said of one exercise in one file."""

    verdict: str
    message: str = ""
    look: str = ""
    share: float = 0.0
    """Of the stages of the check, how many it passes: 1 if it is right."""
    shape: str = ""
    """What answers have in common that differ in names alone."""
    handed: Handed | None = None
    """The file."""

    @property
    def rank(self) -> tuple[int, float]:
        """The smaller, the better."""
        return VERDICTS.index(self.verdict), -self.share


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


def default_start() -> str:
    """Fork where that is safe: on Linux, as long as this process has one thread."""
    if sys.platform != "linux":
        return "spawn"
    worker.prepare([])
    threads = list(Path("/proc/self/task").iterdir())
    return "fork" if len(threads) == 1 else "spawn"


def grade(
    handed: list[Handed], *, jobs: int, seconds: int, start: str, only: set[str], seed: int
) -> list[tuple[str, str, Result]]:
    """Judge every exercise in every file; return student, exercise and result of each.

    Args:
        handed: What `collect` found.
        jobs: How many processes may run at a time.
        seconds: How long an exercise may compute.
        start: "fork" or "spawn".
        only: The notebooks that are wanted.
        seed: Of the random inputs that the checks draw; not that of the notebooks, which is 0.
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
        worker.prepare(sorted({task.number for task in tasks}))
        gc.freeze()  # else each child walks, and so copies, all that torch has in memory
    box = Path(tempfile.mkdtemp(prefix="grade-"))
    try:
        _run_all(tasks, jobs, seconds, start, seed, box)
    finally:
        shutil.rmtree(box, ignore_errors=True)
    return [
        (task.handed.student, exercise, replace(r, handed=task.handed))
        for task in tasks
        for exercise, r in task.results
    ]


def _run_all(tasks: list[Task], jobs: int, seconds: int, start: str, seed: int, box: Path) -> None:
    waiting = deque(task for task in tasks if task.exercises)
    total, shown = len(waiting), 0.0
    running: list[Process] = []
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                running.append(Process(waiting.popleft(), seconds, start, seed, box))
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

    def __init__(self, task: Task, seconds: int, start: str, seed: int, box: Path) -> None:
        self.task, self.seconds = task, seconds
        self.token = secrets.token_hex(16)
        self.folder = Path(tempfile.mkdtemp(dir=box))
        self.results = box / f"{self.folder.name}.results"
        self.results.touch()
        for name, source in task.handed.modules.items():
            with contextlib.suppress(OSError):  # a name that this system cannot have
                (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
                (self.folder / name).write_text(source, encoding="utf-8", errors="replace")
        self.size = 0
        self.began = time.monotonic()
        self.timed_out = self.forged = False
        request = {
            "number": task.number,
            "exercises": list(task.exercises),
            "first": task.first,
            "cells": [(cell.source, cell.exercise) for cell in task.handed.cells],
            "modules": task.handed.modules,
            "seed": seed,
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
            elif "passed" in said:
                name, wrong = self.task.results[-1]
                share = said["passed"] / said["of"]
                self.task.results[-1] = name, replace(wrong, share=share)
            elif "end" in said:
                if all(name != said["exercise"] for name, _ in self.task.results):
                    self._note(Result("not attempted", "the notebook has no such function"))
                self._next()
                begun = None
            else:
                verdict = VERDICTS[VERDICTS.index(said["verdict"])]
                share = float(verdict == "right")
                self._note(Result(verdict, said["message"], said["look"], share, said["shape"]))
                begun, self.task.first = None, said["at"] + 1
        return begun

    def _note(self, result: Result) -> None:
        self.task.results.append((self.task.exercises[0], result))

    def _next(self) -> None:
        self.task.exercises.popleft()
        self.task.first = self.task.deaths = 0

    def _cause(self) -> Result:
        """Say why a process ended without having said that it was done."""
        number = max(0, -self.child.code) if os.name == "posix" else 0
        names = {getattr(signal, "SIGXCPU", -1)}
        if self.timed_out or number in names or self.child.seconds >= self.seconds:
            return Result("timed out", f"it computes for over {self.seconds} s, or waits for ever")
        if number:
            return Result("error", f"it ended the process ({signal.Signals(number).name})")
        if self.child.code == worker.CLOSED:
            return Result("error", "it closes files that are not its own")
        return Result("error", "it ended the process")


class _Forked:
    """A process forked from this one."""

    def __init__(self, request: dict[str, Any]) -> None:
        self.code, self.seconds, self.over = 0, 0.0, False
        sys.stdout.flush()
        self.pid = os.fork()
        if self.pid == 0:
            worker.run(request)

    def poll(self) -> bool:
        """Tell whether it has ended, and note how."""
        if not self.over:
            pid, status, usage = os.wait4(self.pid, os.WNOHANG)
            if pid:
                self._note(status, usage.ru_utime + usage.ru_stime)
        return self.over

    def _note(self, status: int, seconds: float) -> None:
        self.over, self.seconds = True, seconds
        self.code = os.waitstatus_to_exitcode(status)

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
            [sys.executable, "-m", "tools.grading.worker"],
            cwd=ROOT,
            stdin=file,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    @property
    def code(self) -> int:
        """How it ended: on POSIX less than 0 for a signal."""
        return self.process.returncode or 0

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
