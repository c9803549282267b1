"""Judge one notebook's answers in a process of its own; `tools/grading/processes.py` starts it.

The process is shut in as far as Python and the system allow without other programs: limits of
time, memory and file size, an empty folder, and what `tools/grading/guard.py` refuses.
"""

import ast
import contextlib
import json
import math
import os
import random
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from tools.grading.guard import changed, guard, hide, values, watched
from tools.notebooks import ROOT

FILE_BYTES = 10_000_000
"""The largest file that an answer may write, in its own folder."""
KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT", "COURSE_DATA", "CUDA_VISIBLE_DEVICES")
"""What remains of the teacher's environment; there may be passwords in the rest."""
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
NO_GPU = {"CUDA_VISIBLE_DEVICES": ""}


def prepare(numbers: list[str]) -> None:
    """Import what judging needs, so that each process forked from this one has it at once.

    Args:
        numbers: The notebooks, such as ["01", "02"].
    """
    os.environ.update(ONE_THREAD | NO_GPU | {"COURSE_HEADLESS": "1", "MPLBACKEND": "agg"})
    import IPython.core.inputtransformer2  # noqa: F401
    import torch
    from torch.nn import functional  # noqa: F401

    from dqngan_lib.exercises import find
    from tools.cells import courses

    torch.set_num_threads(1)
    for number in numbers:
        for exercise in courses()[number].names:
            find(exercise)


def run(request: dict[str, Any]) -> NoReturn:
    """Judge what the request names, write each verdict to its file, and end the process.

    The request holds: number, exercises, first (the attempt to begin with, for the first of the
    exercises), cells, and token, results, folder, seconds, megabytes.
    """
    try:
        prepare([request["number"]])
        results = _shut_in(request)
        _judge_all(request, results)
    finally:
        os._exit(0)


def _shut_in(request: dict[str, Any]) -> int:
    """Leave everything that belongs to the grader; return the file for the results."""
    if os.name == "posix":
        with contextlib.suppress(PermissionError):
            os.setsid()  # so that what an answer starts can be ended with it
        os.closerange(3, 4096)  # among them the results of other students
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout = sys.stderr = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    results = os.open(request["results"], os.O_WRONLY | os.O_APPEND)
    os.chdir(request["folder"])
    kept = {key: os.environ[key] for key in KEPT_VARIABLES if key in os.environ}
    os.environ.clear()
    os.environ.update(kept | ONE_THREAD | {"COURSE_HEADLESS": "1", "MPLBACKEND": "agg"})
    os.environ.update({"HOME": request["folder"], "TMPDIR": request["folder"]})
    sys.dont_write_bytecode = True
    _limit(request["seconds"] * len(request["exercises"]), request["megabytes"])
    return results


def _limit(seconds: int, megabytes: int) -> None:
    """Set the limits that the system keeps; Windows has none of them."""
    try:
        import resource
    except ImportError:
        return
    until = math.ceil(time.process_time()) + seconds
    limits = {"RLIMIT_CPU": until, "RLIMIT_FSIZE": FILE_BYTES, "RLIMIT_CORE": 0}
    with contextlib.suppress(OSError):  # Linux alone tells how much there is already
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limits["RLIMIT_AS"] = pages * resource.getpagesize() + megabytes * 2**20
    for name, limit in limits.items():
        hard = limit + 1 if name == "RLIMIT_CPU" else limit
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(getattr(resource, name), (limit, hard))


def _judge_all(request: dict[str, Any], results: int) -> None:
    """Try the attempts at each exercise until one is right.

    An answer must not be able to replace what comes after it, so that is taken hold of before.
    """
    import torch

    from dqngan_lib import exercises
    from tools.cells import Cell, courses
    from tools.grading.answers import attempts, suspicious

    write, dumps, token = os.write, json.dumps, request["token"]

    def report(**words: Any) -> None:
        write(results, f"{token} {dumps(words)}\n".encode())

    course = courses()[request["number"]]
    cells = [Cell(*cell) for cell in request["cells"]]
    todo = [(name, *attempts(name, course, cells)) for name in request["exercises"]]
    megabytes, first = request["megabytes"], request["first"]
    # `judge` finds an exercise by importing its module, and that is no longer possible soon.
    exercises.find = {name: exercises.find(name) for name, *_ in todo}.__getitem__
    judge = exercises.judge
    things = list(watched(exercises))
    before = values(things)
    checks = str(Path(exercises.__file__).parent)
    request.clear()
    hide()
    guard((checks, *(str(ROOT / name) for name in ("tools", "tests", "notebooks", "solutions"))))

    for name, ways, broken in todo:
        for number, attempt in enumerate(ways):
            if number < first:
                continue
            report(exercise=name, begin=number)
            for seed in (torch.manual_seed, random.seed):
                seed(0)
            verdict, message = _try(judge, name, attempt)
            if _is_memory(message):
                verdict = "error"
                message = f"it needs more memory than the {megabytes} MB that are allowed"
            broken_thing = changed(before, things)
            if broken_thing:
                verdict, message = "error", f"it changes {broken_thing}, which the checks rely on"
            look = ""
            if verdict == "right":
                message, look = "", suspicious(attempt)  # praise is for the learner
            report(exercise=name, at=number, verdict=verdict, message=message, look=look)
            if verdict == "right" or broken_thing:
                break
        if broken:
            report(exercise=name, at=len(ways), verdict="error", message=broken, look="")
        report(exercise=name, end=True)
        first = 0


def _try(judge: Callable[..., tuple[str, str]], name: str, attempt: Any) -> tuple[str, str]:
    """Run the definitions that an answer needs, then the check."""
    module = types.ModuleType("__main__")
    sys.modules["__main__"] = module  # where dataclasses and pickle look
    problems = []
    for statement in attempt.statements:
        tree = ast.Module([statement.node], [])
        _remember_source(statement)
        try:
            code = compile(tree, statement.file, "exec", attempt.flags, dont_inherit=True)
            exec(code, module.__dict__)
        except BaseException as error:  # SystemExit and worse, too
            problems.append(f"{statement.file}: {_in_words(error)}")
            if statement is attempt.definition:
                return "error", problems[-1]
    try:
        expression = ast.fix_missing_locations(ast.Expression(attempt.expression))
        answer = eval(compile(expression, "<check>", "eval", dont_inherit=True), module.__dict__)
    except BaseException as error:
        return "error", _in_words(error)
    try:
        verdict, message = judge(name, answer)
    except BaseException as error:
        verdict, message = "wrong", f"your function raised {_in_words(error)}"
    if verdict == "wrong" and problems:
        message += f" (before that, {'; '.join(problems)})"
    return verdict, message


def _remember_source(statement: Any) -> None:
    """Let tracebacks quote the line, as they do in a notebook."""
    import linecache

    lines = statement.source.splitlines(keepends=True)
    linecache.cache[statement.file] = (0, None, lines, statement.file)


def _in_words(error: BaseException) -> str:
    """Describe an error whose own words may fail."""
    try:
        return f"{type(error).__name__}: {error}"
    except BaseException:
        return type(error).__name__


def _is_memory(message: str) -> bool:
    signs = ("MemoryError", "can't allocate memory", "not enough memory", "Cannot allocate memory")
    return any(sign in message for sign in signs)


if __name__ == "__main__":
    run(json.load(sys.stdin))
