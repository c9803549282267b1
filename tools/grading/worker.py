"""Judge one notebook's answers in a process of its own; `tools/grading/processes.py` starts it.

The process is shut in as far as Python and the system allow without other programs: limits of
time, memory and file size, an empty folder, and what `tools/grading/guard.py` refuses.
"""

import ast
import contextlib
import functools
import json
import math
import os
import random
import sys
import time
import types
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from tools.grading.guard import (
    changed,
    guard,
    hide,
    keep_builtins,
    keep_torch,
    values,
    watched,
    without_gpu,
)
from tools.notebooks import ROOT

FILE_BYTES = 10_000_000
"""The largest file that an answer may write, in its own folder."""
KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT", "COURSE_DATA", "CUDA_VISIBLE_DEVICES")
"""What remains of the teacher's environment; there may be passwords in the rest."""
CLOSED = 73
"""How a process ends when an answer has closed the file for its results."""
MOST_WORDS = 300
"""Characters of a message. What an error says is the answer's, and may be anything."""
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
NO_GPU = {"CUDA_VISIBLE_DEVICES": ""}


def prepare(numbers: list[str]) -> None:
    """Do what judging needs, so that each process forked from this one has it done.

    Args:
        numbers: The notebooks, such as ["01", "02"].
    """
    _prepare_torch()
    from dqngan_lib.exercises import find
    from tools.cells import courses

    for number in numbers:
        for exercise in courses()[number].names:
            find(exercise)


@functools.cache
def _prepare_torch() -> None:
    """Import torch with what it imports later, and close what no answer may use."""
    os.environ.update(ONE_THREAD | NO_GPU | {"COURSE_HEADLESS": "1", "MPLBACKEND": "agg"})
    import IPython.core.inputtransformer2  # noqa: F401
    import torch
    import torch.func
    from torch.nn import functional  # noqa: F401

    torch.set_num_threads(1)
    # The first use of torch.func imports modules that wrap `torch.manual_seed` and add operators;
    # later that would look like a trick of the answer. `hessian` uses vmap, jvp and vjp. A compiler
    # for GPUs is not needed, and talks when Python ends.
    sys.modules.setdefault("triton", None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.func.hessian(lambda x: (x * x).sum())(torch.zeros(1))
    keep_torch()
    without_gpu()


def run(request: dict[str, Any]) -> NoReturn:
    """Judge what the request names, write each verdict to its file, and end the process.

    The request holds: number, exercises, first (the attempt to begin with, for the first of the
    exercises), cells, modules, seed, and token, results, folder, seconds, megabytes.
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
    sys.path.append(os.path.realpath("."))  # the last, so that no module takes another's place
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
    from tools.grading.answers import attempts, shape_of, suspicious

    write, look_at, end, dumps = os.write, os.fstat, os._exit, json.dumps
    token, file = request["token"], os.fstat(results).st_ino

    def report(**words: Any) -> None:
        try:
            if look_at(results).st_ino != file:
                end(CLOSED)
            write(results, f"{token} {dumps(words)}\n".encode())
        except OSError:
            end(CLOSED)

    course, modules = courses()[request["number"]], request["modules"]
    cells = [Cell(*cell) for cell in request["cells"]]
    todo = [(name, *attempts(name, course, cells)) for name in request["exercises"]]
    shapes = {id(attempt): shape_of(attempt) for _, ways, _ in todo for attempt in ways}
    megabytes, first, grading_seed = request["megabytes"], request["first"], request["seed"]
    # `judge` finds an exercise by importing its module, and that is no longer possible soon.
    exercises.find = {name: exercises.find(name) for name, *_ in todo}.__getitem__
    judge, count = exercises.judge, exercises.stages
    things = list(watched(exercises))
    before, put_back = values(things), keep_builtins()
    checks = str(Path(exercises.__file__).parent)
    request.clear()
    hide()
    library = Path(exercises.__file__).parents[1]
    data = os.environ.get("COURSE_DATA") or library.parent / "data"
    closed = (checks, *(str(ROOT / name) for name in ("tools", "tests", "notebooks", "solutions")))
    guard(closed, (str(library), str(data)))

    for name, ways, broken in todo:
        for number, attempt in enumerate(ways):
            if number < first:
                continue
            report(exercise=name, begin=number)
            for seed in (torch.manual_seed, random.seed):
                seed(0)
            try:
                verdict, message, answer = _try(judge, name, attempt, grading_seed)
            except:  # noqa: E722 - a name here might be what the answer has put in its place
                verdict, message, answer = "error", "it breaks the check", None
            replaced = put_back()
            if _is_memory(message):
                verdict = "error"
                message = f"it needs more memory than the {megabytes} MB that are allowed"
            broken_thing = f"builtins.{replaced}" if replaced else changed(before, things)
            if broken_thing:
                verdict, message = "error", f"it changes {broken_thing}, which the checks rely on"
            look = ""
            if verdict == "right":
                message, look = "", suspicious(attempt, modules)  # praise is for the learner
            said = {"message": message[:MOST_WORDS], "look": look, "shape": shapes[id(attempt)]}
            report(exercise=name, at=number, verdict=verdict, **said)
            if verdict == "wrong":
                try:
                    passed, of = count(name, answer, grading_seed)
                except:  # noqa: E722
                    passed, of = 0, 1
                if not put_back() and not changed(before, things):
                    report(exercise=name, passed=passed, of=of)
            if verdict == "right" or broken_thing:
                break
        if broken:
            report(exercise=name, at=len(ways), verdict="error", message=broken, look="", shape="")
        report(exercise=name, end=True)
        first = 0


def _try(
    judge: Callable[..., tuple[str, str]], name: str, attempt: Any, seed: int
) -> tuple[str, str, Any]:
    """Run the definitions that an answer needs, then the check; return the answer, too."""
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
                return "error", problems[-1], None
    try:
        expression = ast.fix_missing_locations(ast.Expression(attempt.expression))
        answer = eval(compile(expression, "<check>", "eval", dont_inherit=True), module.__dict__)
    except BaseException as error:
        return "error", _in_words(error), None
    try:
        verdict, message = judge(name, answer, seed)
    except BaseException as error:
        verdict, message = "wrong", f"your function raised {_in_words(error)}"
    if verdict == "wrong" and problems:
        message += f" (before that, {'; '.join(problems)})"
    return verdict, message, answer


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
