"""Shut a process in before an answer runs in it, and look afterwards whether it broke something.

That stops accidents and the usual tricks. It is not a sandbox: docs/grading.md says what remains
possible.
"""

import builtins
import contextlib
import copy
import dis
import inspect
import math
import operator
import os
import random
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

PYTHONS_OWN = (sys.prefix, sys.base_prefix, os.devnull, "/dev/urandom", "/usr/share/zoneinfo")
"""Where Python and its packages are, and what they read."""
HIDDEN = ("dqngan_lib.exercises", "tools", "tests", "exercise_cases")
"""Modules that an answer cannot import."""


def hide() -> None:
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


def guard(closed: tuple[str, ...], readable: tuple[str, ...]) -> None:
    """Refuse what no answer needs, by an audit hook, which Python code cannot take out again.

    Args:
        closed: Folders in which nothing may be read: the checks and the grader.
        readable: Folders and files that may be read, beside the answer's own folder and Python's.
    """
    here = os.path.realpath(".")
    packages = [path for path in sys.path if path.endswith("-packages")]
    own = (here, *PYTHONS_OWN, *packages, *readable)
    open_to_all = tuple({os.path.realpath(path) for path in own})
    realpath, fsdecode, null = os.path.realpath, os.fsdecode, os.devnull
    writing = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
    getframe = sys._getframe
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
            if file.startswith(("<code cell", here + os.sep)) or file == "<string>":
                return True
            if file.startswith(closed):
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
            if file.startswith(("<code cell", "<string>", here + os.sep, *closed)):
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
            if not any(inside(path, folder) for folder in open_to_all):
                # What an error says goes into the table: it must not be what a file says.
                raise PermissionError("an answer may read files in its own folder alone")
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


def keep_torch() -> None:
    """Take away the ways in which an answer could change what torch computes for the checks.

    A mode sees every call of torch until it is left, the comparisons of the checks among them; so
    does an operator put in the place of torch's own. What is taken away are the functions in C
    behind all of them, wherever a module of torch holds one.
    """
    import torch

    names = ("_push_on_torch_function_stack", "_push_on_torch_dispatch_stack")
    names += ("_set_dispatch_mode", "_dispatch_library")
    wanted = {id(getattr(torch._C, name)) for name in names}

    def refused(*_: Any, **__: Any) -> NoReturn:
        raise PermissionError("an answer may not change what torch computes")

    for module in [m for name, m in list(sys.modules.items()) if name.startswith("torch")]:
        for name, value in list(vars(module).items()):
            if id(value) in wanted:
                setattr(module, name, refused)


def without_gpu() -> None:
    """Let `.cuda()` and `.to("cuda")` leave things on the CPU: the grader has nothing else."""
    import torch

    def cuda(self: Any, *_: Any, **__: Any) -> Any:
        return self

    def on_cpu(to: Callable[..., Any]) -> Callable[..., Any]:
        def moved(self: Any, *args: Any, **named: Any) -> Any:
            named = {key: cpu_for(value) for key, value in named.items()}
            return to(self, *map(cpu_for, args), **named)

        return moved

    def cpu_for(thing: Any) -> Any:
        is_device = isinstance(thing, str | torch.device)
        return "cpu" if is_device and str(thing).startswith("cuda") else thing

    for kind in (torch.Tensor, torch.nn.Module):
        kind.cuda = cuda
        kind.to = on_cpu(kind.to)


def keep_builtins() -> Callable[[], str]:
    """Return what puts Python's builtins back, and names one that had been changed ("" if none).

    It calls none of them, so that it works after an answer has replaced `len` or `isinstance`.
    """
    now, before = vars(builtins), dict(vars(builtins))
    names = list(before)

    def put_back() -> str:
        found = ""
        for name in names:
            if name not in now or now[name] is not before[name]:
                found = found or name
        now.update(before)
        return found

    return put_back


def watched(exercises: types.ModuleType) -> Iterator[tuple[str, dict[str, Any], bool]]:
    """Yield what the checks rely on: a name, what is in it, and whether that is all of it.

    Modules of torch import some of their parts late, and keep private counters.
    """
    import numpy as np
    import torch
    from torch import nn

    modules = (contextlib, copy, dis, inspect, math, operator, random, np, np.random, torch)
    modules += (torch.autograd, torch.linalg, torch.random, nn)
    for module in (*modules, nn.functional):
        yield module.__name__, vars(module), False
    kinds = (torch.Tensor, torch.Generator, nn.Module, nn.Linear, nn.Parameter)
    kinds += (contextlib._GeneratorContextManager,)  # could swallow what a check raises
    for kind in (*kinds, exercises.Exercise, exercises.Wrong):
        yield kind.__qualname__, vars(kind), True
    for name, module in list(sys.modules.items()):
        if name.startswith(exercises.__name__):
            yield name, vars(module), True


Things = list[tuple[str, dict[str, Any], bool]]
Values = dict[str, dict[str, tuple]]


def values(things: Things) -> Values:
    """Return what each name stands for now; of a function also what it is made of."""
    return {
        owner: {
            name: (value, value.__code__, value.__defaults__, value.__kwdefaults__)
            if isinstance(value, types.FunctionType)
            else (value,)
            for name, value in list(inside.items())
            if complete or not name.startswith("_")
        }
        for owner, inside, complete in things
    }


def changed(before: Values, things: Things) -> str | None:
    """Name the first thing that stands for something else than before."""
    after = values(things)
    for owner, _, complete in things:
        was, now = before[owner], after[owner]
        for name, parts in was.items():
            same = name in now and len(parts) == len(now[name])
            if not same or any(a is not b for a, b in zip(parts, now[name], strict=True)):
                return f"{owner}.{name}"
        added = [name for name in now if name not in was and not name.startswith("__")]
        if complete and added:
            return f"{owner}.{added[0]}"
    return None
