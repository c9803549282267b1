"""Judge one notebook's answers in a process of its own; `tools/grade.py` starts it.

The process is shut in as far as Python and the system allow without other programs: limits of
time, memory and file size, an empty folder, no other processes, no network, no writing elsewhere,
no way to import or read the checks. That stops accidents and the usual tricks. It is not a
sandbox: docs/grading.md says what remains possible.
"""

import ast
import builtins
import contextlib
import copy
import json
import math
import operator
import os
import random
import sys
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

from tools.notebooks import ROOT

FILE_BYTES = 10_000_000
"""The largest file that an answer may write, in its own folder."""
HIDDEN = ("dqngan_lib.exercises", "tools", "tests", "exercise_cases")
"""Modules that an answer cannot import."""
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
    from tools.answers import courses

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
    from tools.answers import Cell, attempts, courses, suspicious

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
    watched = list(_watched(exercises))
    before = _values(watched)
    checks = str(Path(exercises.__file__).parent)
    request.clear()
    _hide()
    _guard((checks, *(str(ROOT / name) for name in ("tools", "tests", "notebooks", "solutions"))))

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
            changed = _changed(before, watched)
            if changed:
                verdict, message = "error", f"it changes {changed}, which the checks rely on"
            look = ""
            if verdict == "right":
                message, look = "", suspicious(attempt)  # praise is for the learner
            report(exercise=name, at=number, verdict=verdict, message=message, look=look)
            if verdict == "right" or changed:
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


# --- what an answer may not do ---


def _hide() -> None:
    """Take the checks and the grader out of reach of `import`."""
    import dqngan_lib

    for name in list(sys.modules):
        if _is_hidden(name):
            del sys.modules[name]
    stub = types.ModuleType("dqngan_lib.exercises")
    stub.__path__ = []  # so that whoever looks for its parts is told why there are none
    stub.check = stub.hint = stub.solution = print  # a notebook's first cells import them
    sys.modules[stub.__name__] = dqngan_lib.exercises = stub


def _is_hidden(name: str) -> bool:
    return any(name == hidden or name.startswith(f"{hidden}.") for hidden in HIDDEN)


def _guard(closed: tuple[str, ...]) -> None:
    """Refuse what no answer needs, by an audit hook, which Python code cannot take out again.

    Args:
        closed: Folders in which nothing may be read.
    """
    here = os.path.realpath(".")
    realpath, fsdecode, null = os.path.realpath, os.fsdecode, os.devnull
    writing = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
    getframe, worker = sys._getframe, __file__
    processes = (
        *("os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.startfile", "os.system"),
        *("os.kill", "signal.pthread_kill", "pty.spawn", "subprocess.Popen", "ctypes."),
    )
    network = ("socket.", "urllib.", "ftplib.", "http.", "smtplib.", "webbrowser.")
    spying = ("gc.get_", "sys._current_", "sys.set", "sys.addaudithook", "resource.")
    changing = (
        *("os.chmod", "os.chown", "os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir"),
        *("os.symlink", "os.truncate", "os.utime", "shutil."),
    )
    frames = ("tb_frame", "gi_frame", "cr_frame", "ag_frame")

    def inside(path: Any, folder: str) -> bool:
        path = realpath(fsdecode(path))
        return path == folder or path.startswith(folder + os.sep)

    def from_answer() -> bool:
        """Tell whether the code of an answer is nearer than that of a check."""
        frame = getframe(2)
        while frame is not None:
            file = frame.f_code.co_filename
            if file.startswith("<code cell") or file == "<string>":
                return True
            if file == worker or file.startswith(closed):
                return False
            frame = frame.f_back
        return False

    looking = False

    def hook(event: str, given: tuple) -> None:
        nonlocal looking
        if looking:
            return
        if event == "object.__getattr__":
            if given[1] in frames:
                looking = True
                try:
                    refused = from_answer()
                finally:
                    looking = False
                if refused:
                    raise PermissionError("an answer may not look at the frames of a traceback")
        elif event == "sys._getframe":
            file = given[0].f_code.co_filename
            if file.startswith(("<code cell", "<string>", worker, *closed)):
                # What the standard library expects where there is no such frame.
                raise ValueError("an answer may not look at frames")
        elif event == "import":
            if _is_hidden(given[0]):
                raise ImportError(f"an answer may not import {given[0]}")
        elif event == "open":
            path, _, flags = given
            if isinstance(path, int):
                return
            if any(inside(path, folder) for folder in closed):
                raise PermissionError("an answer may not read the checks")
            if flags & writing and not inside(path, here) and fsdecode(path) != null:
                raise PermissionError("an answer may write files in its own folder alone")
        elif event.startswith(processes):
            raise PermissionError(f"an answer may not start or end processes ({event})")
        elif event.startswith(network):
            raise PermissionError(f"an answer may not use the network ({event})")
        elif event.startswith(spying):
            raise PermissionError(f"an answer may not look into the interpreter ({event})")
        elif event.startswith(changing):
            paths = [path for path in given if isinstance(path, str | bytes | os.PathLike)]
            if not all(inside(path, here) for path in paths):
                raise PermissionError("an answer may change files in its own folder alone")

    sys.addaudithook(hook)


def _watched(exercises: types.ModuleType) -> Iterator[tuple[str, dict[str, Any], bool]]:
    """Yield what the checks rely on: a name, what is in it, and whether that is all of it.

    Modules of torch import some of their parts late, and keep private counters.
    """
    import numpy as np
    import torch
    from torch import nn

    modules = (builtins, copy, math, operator, np, torch, torch.autograd, torch.linalg, nn)
    for module in (*modules, nn.functional):
        yield module.__name__, vars(module), False
    kinds = (torch.Tensor, torch.Generator, nn.Module, nn.Linear, nn.Parameter)
    for kind in (*kinds, exercises.Exercise, exercises.Wrong):
        yield kind.__qualname__, vars(kind), True
    for name, module in list(sys.modules.items()):
        if name.startswith(exercises.__name__):
            yield name, vars(module), True


Values = dict[str, dict[str, tuple]]


def _values(watched: list[tuple[str, dict[str, Any], bool]]) -> Values:
    """Return what each name stands for now; of a function also what it is made of."""
    return {
        owner: {
            name: (value, value.__code__, value.__defaults__, value.__kwdefaults__)
            if isinstance(value, types.FunctionType)
            else (value,)
            for name, value in list(inside.items())
            if complete or not name.startswith("_")
        }
        for owner, inside, complete in watched
    }


def _changed(before: Values, watched: list[tuple[str, dict[str, Any], bool]]) -> str | None:
    """Name the first thing that stands for something else than before."""
    after = _values(watched)
    for owner, _, complete in watched:
        was, now = before[owner], after[owner]
        for name, parts in was.items():
            same = name in now and len(parts) == len(now[name])
            if not same or any(a is not b for a, b in zip(parts, now[name], strict=True)):
                return f"{owner}.{name}"
        added = [name for name in now if name not in was and not name.startswith("__")]
        if complete and added:
            return f"{owner}.{added[0]}"
    return None


if __name__ == "__main__":
    run(json.load(sys.stdin))
