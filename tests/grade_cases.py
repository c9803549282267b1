"""What students hand in, honest, broken, endless and dishonest, for the tests of the grader."""

import json

SECONDS = 1
"""Of computing. What is right here takes a tenth of that; what is endless takes all of it."""

RIGHT = "def mean_picture(images):\n    return images.mean(0)"
WRONG = "def mean_picture(images):\n    return images.sum(0)"
STUB = 'def mean_picture(images):\n    """Return the mean."""\n    ...'


def body(*lines, args="images", name="mean_picture"):
    """Return a function with these lines."""
    return "\n    ".join([f"def {name}({args}):", *lines])


def code(source, exercise=None):
    """Return a code cell as a file has it."""
    metadata = {"exercise": exercise, "tags": ["exercise"]} if exercise else {}
    return {
        "cell_type": "code",
        "execution_count": None,
        "metadata": metadata,
        "outputs": [],
        "source": source.splitlines(keepends=True),
    }


def notebook(*cells):
    """Return a notebook's file; a string stands for a code cell."""
    cells = [code(cell) if isinstance(cell, str) else cell for cell in cells]
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def marked(source, exercise="00.1"):
    """Return a cell that its metadata mark as an exercise."""
    return code(source, exercise)


CHECK = 'check("00.1", mean_picture)'

# Notebook 00, answered in ways for which a person would give the mark.
HONEST = {
    "as it should be": [marked(RIGHT), CHECK],
    "no metadata": [RIGHT],
    "found by check alone": ["def mine(x):\n    return x.mean(0)", 'check("00.1", mine)'],
    "renamed in its cell": [marked("def mine(x):\n    return x.mean(0)")],
    "renamed beside a helper": [
        marked("def half(x):\n    return x / len(x)\n\ndef mine(x):\n    return half(x).sum(0)")
    ],
    "lambda": ["mean_picture = lambda images: images.mean(0)"],
    "lambda in check": ['check("00.1", lambda images: images.mean(0))'],
    "partial": [
        "import functools, torch",
        marked("mean_picture = functools.partial(torch.mean, dim=0)"),
    ],
    "right, then a copy of the stub": [marked(RIGHT), marked(STUB), CHECK],
    "stub, then right below": [marked(STUB), RIGHT],
    "right, then wrong": [marked(RIGHT), CHECK, marked(WRONG)],
    "wrong, then right": [marked(WRONG), CHECK, RIGHT],
    "right, then endless": [RIGHT, body("while True: pass")],
    "right, then one that ends Python": [RIGHT, body("import os", "os._exit(0)")],
    "two in one cell": [marked(f"{WRONG}\n\n{RIGHT}")],
    "decorated later": [
        RIGHT,
        "def twice(f):\n    return lambda x: f(x)",
        "mean_picture = twice(mean_picture)",
    ],
    "helper below": [
        body("return mean(images)"),
        "def mean(x):\n    return x.mean(AXIS)",
        "AXIS = 0",
    ],
    "helper changed later": [
        "def help(x):\n    return x.mean(0)",
        marked(body("return help(images)")),
        CHECK,
        "def help(x, y):\n    return y",
    ],
    "import elsewhere": ["import torch as t", marked(body("return t.mean(images, 0)"))],
    "imports deleted": [
        marked("def mean_picture(images: Tensor):\n    return torch.mean(images, 0)")
    ],
    "star import": ["from torch import *", marked(body("return mean(images, 0)"))],
    "import in try": [
        "try:\n    import nothing_like_this as t\nexcept ImportError:\n    import torch as t",
        body("return t.mean(images, 0)"),
    ],
    "class as helper": [
        "class Mean:\n    def __call__(self, x):\n        return x.mean(0)",
        "mean = Mean()",
        body("return mean(images)"),
    ],
    "dataclass, namedtuple, enum, warning": [
        "import collections, dataclasses, enum, logging, warnings",
        "@dataclasses.dataclass\nclass D:\n    axis: int = 0",
        "P = collections.namedtuple('P', 'axis')\nE = enum.Enum('E', 'A B')",
        body(
            "Q = collections.namedtuple('Q', 'axis')",
            "warnings.warn('hm')",
            "logging.warning('hm')",
            "assert E.A",
            "return images.mean(D().axis + P(0).axis + Q(0).axis)",
        ),
    ],
    "table filled below": [
        "AXES = {}",
        "AXES['mean'] = 0",
        body("return images.mean(AXES['mean'])"),
    ],
    "counter on the function": [
        body("mean_picture.calls += 1", "return images.mean(0)"),
        "mean_picture.calls = 0",
    ],
    "global variable": [body("global calls", "calls += 1", "return images.mean(0)"), "calls = 0"],
    "prints and fails below": [marked(f"{RIGHT}\nprint('done')\nassert mean_picture(3) == 3")],
    "training elsewhere": ["while True: pass", "history = [train() for _ in range(10**9)]", RIGHT],
    "exit elsewhere": ["import sys\nsys.exit()", RIGHT, "quit()"],
    "broken cells elsewhere": ["def f(:", "for", RIGHT, "x = = 1"],
    "magics": ["%matplotlib inline\n!ls\nmean_picture?", f"%%time\n{RIGHT}\n%time mean_picture(1)"],
    "annotations of the future": [
        "from __future__ import annotations",
        "def mean_picture(images: Pictures):\n    return images.mean(0)",
    ],
    "vmap": [
        "import torch",
        body(
            "means = torch.func.vmap(torch.mean, 1)(images.flatten(1))",
            "return means.reshape(images.shape[1:])",
        ),
    ],
    "torch.func": [
        "import torch",
        body("torch.func.grad(lambda x: x.sum())(images)", "return images.mean(0)"),
    ],
    "asks for a GPU": [body("return images.cuda().mean(0).to('cuda:0')")],
    "asks for a GPU for a network": [
        "import torch\nlayer = torch.nn.Linear(1, 1).cuda().to(device='cuda')",
        body("assert layer.weight.device.type == 'cpu'", "return images.mean(0)"),
    ],
    "a broken function in the same cell": [f"{RIGHT}\n\ndef other(:\n    pass\n"],
    "a broken line above in the same cell": [f"x = = 1\n\n{RIGHT}"],
    "prints a lot": [body("print('é' * 100_000_000)", "return images.mean(0)")],
    "prints for ever in small pieces": [
        body("for _ in range(100_000): print('é' * 1000)", "return images.mean(0)")
    ],
    "prints a verdict": [body('print(\'{"verdict": "wrong"}\')', "return images.mean(0)")],
    "writes a file": [body("open('x.txt', 'w').write('x')", "return images.mean(0)")],
    "leaves a thread": [
        "import threading, time",
        body("threading.Thread(target=time.sleep, args=(99,)).start()", "return images.mean(0)"),
    ],
    "asks for random numbers": [
        "import random, numpy as np, torch",
        "torch.manual_seed(0)",
        body("random.random(), np.random.rand(), torch.rand(3)", "return images.mean(0)"),
    ],
}

# Notebook 00 again: the verdict, and words of the message.
OTHERS = {
    "wrong": ([marked(WRONG)], "wrong", "that is the sum of the pictures"),
    "not attempted": ([marked(STUB), CHECK], "not attempted", ""),
    "deleted": ([marked(""), "x = 1"], "not attempted", "no such function"),
    "not Python": ([marked("def mean_picture(images)\n    return 1")], "error", "SyntaxError"),
    "indented": ([marked(f"{RIGHT}\n  return 1")], "error", "line 3 of the cell"),
    "null byte": ([marked(f"{RIGHT}\0")], "error", ""),
    "nested too deep": ([marked("mean_picture = " + "(" * 5000)], "error", ""),
    "raises": (
        [marked(body("x = 1", "return images / nothing"))],
        "wrong",
        "in line 3 of your funct",
    ),
    "raises what is no exception": (
        [body("raise type('X', (BaseException,), {})('hm')")],
        "wrong",
        "your function raised X: hm",
    ),
    "raises with bad words": (
        [body("raise type('X', (Exception,), {'__str__': lambda self: 1 / 0})()")],
        "wrong",
        "your function raised",
    ),
    "cannot be defined": (["@nothing\n" + RIGHT], "error", "NameError: name 'nothing'"),
    "helper missing": ([body("return helper(images)")], "wrong", "name 'helper' is not defined"),
    "helper cannot be made": (
        ["table = open('table.csv').read()", body("return table")],
        "wrong",
        "before that, <code cell 1>: FileNotFoundError",
    ),
    "a number": (["mean_picture = 3"], "wrong", "pass the function itself"),
    "endless": ([marked(body("while True: pass"))], "timed out", f"over {SECONDS} s"),
    "endless and stubborn": (
        [
            "import signal",
            body(
                "signal.signal(signal.SIGXCPU, signal.SIG_IGN)",
                "while True:",
                "    try:",
                "        x = 1",
                "    except BaseException: pass",
            ),
        ],
        "timed out",
        "",
    ),
    "sleeps": (["import time", body("time.sleep(1e6)")], "timed out", "waits for ever"),
    "endless definition": (["x = [None for _ in iter(int, 1)]", body("return x")], "timed out", ""),
    "asks": ([body("return input()")], "wrong", "EOFError"),
    "sys.exit": (["import sys", body("sys.exit(0)")], "wrong", "SystemExit: 0"),
    "os._exit": (["import os", body("os._exit(0)")], "error", "ended the process"),
    "kills itself": (
        ["import os, signal", body("os.kill(os.getpid(), signal.SIGKILL)")],
        "wrong",
        "may not start or end processes",
    ),
    "kills the grader": (["import os", body("os.kill(os.getppid(), 9)")], "wrong", "may not start"),
    "crashes": (["import faulthandler", body("faulthandler._sigsegv()")], "error", "SIGSEGV"),
    "forks": (["import os", body("while True: os.fork()")], "wrong", "may not start or end"),
    "other programs": (
        ["import subprocess", body("return subprocess.run('ls')")],
        "wrong",
        "may not start or end processes",
    ),
    "a pool of processes": (
        ["import multiprocessing", body("multiprocessing.Process(target=print).start()")],
        "wrong",
        "may not start or end processes",
    ),
    "a huge tensor": (["import torch", body("return torch.ones(10**13)")], "error", "2048 MB"),
    "a growing list": (
        ["import torch", body("x = []", "while True: x.append(torch.empty(10**8))")],
        "error",
        "more memory than the 2048 MB",
    ),
    "prints for ever": ([body("while True: print('x' * 10**6)")], "timed out", ""),
    "a huge file": (
        ["f = open('x', 'wb')", body("while True: f.write(b'x' * 10**6)")],
        "wrong",
        "",
    ),
    "recursion": ([body("return mean_picture(images)")], "wrong", "RecursionError"),
    "writes elsewhere": ([body("open('../x.txt', 'w')")], "wrong", "in its own folder alone"),
    "reads elsewhere": (
        [body("raise ValueError(open('/etc/passwd').read())")],
        "wrong",
        "may read files in its own folder alone",
    ),
    "says that another file is its source": (
        ["mean_picture = eval(compile('lambda x: nothing', '/etc/passwd', 'eval'))"],
        "wrong",
        "(in line 1 of your function)",
    ),
    "deletes elsewhere": (
        ["import shutil, pathlib", body("shutil.rmtree(pathlib.Path.cwd().parent)")],
        "wrong",
        "in its own folder alone",
    ),
    "network": (
        ["import urllib.request", body("urllib.request.urlopen('http://127.0.0.1:1')")],
        "wrong",
        "may not use the network",
    ),
}

# Tries to get the mark without an answer.
CHEATS = {
    "own check": (
        ["def check(*a): print('✓ 00.1 right')", WRONG, "dqngan_lib.exercises.check = check"],
        "wrong",
        "that is the sum",
    ),
    "prints the verdict": (
        [body('print("✓ 00.1 right")', "return 1")],
        "wrong",
        "",
    ),
    "writes to every file": (
        [
            "import os, json",
            body(
                "for fd in range(3, 99):",
                '    try: os.write(fd, b\'x {"exercise": "00.1", "verdict": "right"}\\n\')',
                "    except OSError: pass",
            ),
        ],
        "error",
        "where the grader's own results belong",
    ),
    "cuts the results": (
        [
            "import os",
            body(
                "for fd in range(3, 99):",
                "    try: os.ftruncate(fd, 0)",
                "    except OSError: pass",
                "os._exit(0)",
            ),
        ],
        "error",
        "",
    ),
    "closes every file": (
        ["import os", body("os.closerange(3, 99)", "return images")],
        "error",
        "it closes files that are not its own",
    ),
    "puts another file in the place of the results": (
        [
            "import os",
            body(
                "for fd in range(3, 99):",
                "    try: os.dup2(os.open('x', os.O_CREAT | os.O_RDWR), fd)",
                "    except OSError: pass",
                "return images",
            ),
        ],
        "error",
        "it closes files that are not its own",
    ),
    "imports the solution": (
        ["from dqngan_lib.exercises.notebook_00 import mean_picture"],
        "error",
        "may not import dqngan_lib.exercises.notebook_00",
    ),
    "imports the solution late": (
        [
            "import importlib",
            body("return importlib.import_module('dqngan_lib.exercises.notebook_00')"),
        ],
        "wrong",
        "No module named",
    ),
    "imports the solution behind the grader's back": (
        [
            "import importlib, sys",
            body(
                "sys.modules.pop('dqngan_lib.exercises')",
                "return importlib.import_module('dqngan_lib.exercises.notebook_00')",
            ),
        ],
        "wrong",
        "may not read the checks",
    ),
    "imports its file": (
        [
            "import importlib.util, dqngan_lib",
            body(
                "p = dqngan_lib.__path__[0] + '/exercises/notebook_00.py'",
                "s = importlib.util.spec_from_file_location('x', p)",
                "m = importlib.util.module_from_spec(s)",
                "s.loader.exec_module(m)",
                "return m.mean_picture(images)",
            ),
        ],
        "wrong",
        "may not read the checks",
    ),
    "imports the grader": (["import tools.grading.worker", WRONG.replace("sum", "x")], "wrong", ""),
    "inspects the solution": (
        [
            "import inspect",
            "from dqngan_lib.exercises import solution",
            body("exec(inspect.getsource(solution))", "return 1"),
        ],
        "wrong",
        "TypeError",
    ),
    "inspects its caller": (
        ["import inspect", body("return inspect.stack()[1].frame.f_locals['expected']")],
        "wrong",
        "may not look at frames",
    ),
    "frame of its caller": (
        ["import sys", body("return sys._getframe(1).f_locals['expected']")],
        "wrong",
        "may not look at frames",
    ),
    "frame by an exception": (
        [
            body(
                "try: 1 / 0",
                "except Exception as e: frame = e.__traceback__.tb_frame",
                "return frame.f_back.f_locals['expected']",
            )
        ],
        "wrong",
        "may not look at the frames",
    ),
    "frame by a generator": (
        [body("g = (1 for _ in [1])", "return g.gi_frame.f_back")],
        "wrong",
        "may not look at the frames",
    ),
    "frame by traceback": (
        [
            "import traceback",
            body(
                "try: 1 / 0",
                "except Exception as e:",
                "    frame, _ = next(traceback.walk_tb(e.__traceback__))",
                "    return frame.f_back.f_locals['expected']",
            ),
        ],
        "wrong",
        "may not look at the frames",
    ),
    "traces": (
        ["import sys", body("sys.settrace(print)", "return 1")],
        "wrong",
        "may not look into",
    ),
    "searches memory": (
        ["import gc", body("return gc.get_objects()")],
        "wrong",
        "may not look into",
    ),
    "patches torch above": (
        ["import torch", "torch.allclose = lambda *a, **k: True", WRONG],
        "wrong",
        "",
    ),
    "patches torch": (
        ["import torch", body("torch.allclose = lambda *a, **k: True", "return images[0]")],
        "error",
        "changes torch.allclose",
    ),
    "patches tensors": (
        [
            "import torch",
            body("torch.Tensor.double = lambda self: torch.zeros(3, 2, 5)", "return images[0]"),
        ],
        "error",
        "changes Tensor.double",
    ),
    "patches Python": (
        ["import builtins", body("builtins.isinstance = lambda *a: True", "return images[0]")],
        "error",
        "it changes builtins.isinstance",
    ),
    "takes away what errors are caught with": (
        ["import builtins", body("del builtins.BaseException, builtins.Exception", "return 1 / 0")],
        "error",
        "it changes builtins.BaseException",
    ),
    "an operator in the place of torch's": (
        [
            "import torch",
            body(
                "lib = torch._C._dispatch_library('IMPL', 'aten', 'CPU', '', 0)",
                "lib.impl('allclose', 'CPU', lambda *a: True)",
                "return images[0]",
            ),
        ],
        "wrong",
        "may not change what torch computes",
    ),
    "patches what the checks run in": (
        [
            "import contextlib, torch",
            body(
                "torch.random.fork_rng = lambda **_: contextlib.suppress(Exception)",
                "return images.mean(0)",
            ),
        ],
        "error",
        "changes torch.random.fork_rng",
    ),
    "swallows what the checks raise": (
        [
            "import contextlib",
            body(
                "contextlib._GeneratorContextManager.__exit__ = lambda *_: True",
                "return images.mean(0)",
            ),
        ],
        "error",
        "changes _GeneratorContextManager.__exit__",
    ),
    "patches the checks": (
        [
            body(
                "kinds = [c for c in object.__subclasses__() if c.__name__ == 'Exercise']",
                "close = kinds[0].__init__.__globals__['close']",
                "close.__code__ = (lambda *a: True).__code__",
                "return images[0]",
            )
        ],
        "error",
        "changes dqngan_lib.exercises.base.close",
    ),
    "a tensor that equals all": (
        [
            "import torch",
            "class Same(torch.Tensor):\n"
            "    @classmethod\n"
            "    def __torch_function__(cls, f, kinds, args=(), more={}):\n"
            "        same = f is torch.allclose\n"
            "        return same or super().__torch_function__(f, kinds, args, more)",
            body("return images[0].as_subclass(Same)"),
        ],
        "wrong",
        "must be a torch tensor, but is a Same",
    ),
    "a thing that says it is a tensor": (
        [
            "import torch",
            "class Same:\n"
            "    __class__ = torch.Tensor\n"
            "    shape = (3, 2, 5)\n"
            "    def __torch_function__(self, *a, **k): return True",
            body("return Same()"),
        ],
        "wrong",
        "must be a torch tensor, but is a Same",
    ),
    "asks IPython": (
        [
            "get_ipython().input_transformers_cleanup.append(lambda lines: lines)",
            body("get_ipython().run_cell('x')"),
        ],
        "wrong",
        "name 'get_ipython' is not defined",
    ),
    "runs at exit": (
        ["import atexit, os", body("atexit.register(os.write, 3, b'x')", "return 1")],
        "wrong",
        "",
    ),
}

TWO_1 = "def taken_q_values(q, action):\n    return q[range(len(q)), action]"
TWO_2 = body(
    "return reward + discount * next_q.max(1).values * ~terminated",
    args="reward, terminated, truncated, next_q, discount",
    name="td_targets",
)
TWO_3 = body(
    "with torch.no_grad():",
    "    b = batch",
    "    next_q = target(b['next_observation'])",
    "    y = td_targets(b['reward'], b['terminated'], b['truncated'], next_q, discount)",
    "return 0.5 * (y - taken_q_values(online(b['observation']), b['action'])).square().mean()",
    args="online, target, batch, discount",
    name="dqn_loss",
)

# Modes under which every comparison of the checks comes out true.
MODES = {
    "function mode": """
import torch
from torch.overrides import TorchFunctionMode

class Yes(TorchFunctionMode):
    def __torch_function__(self, f, kinds, args=(), more=None):
        same = getattr(f, "__name__", "") in ("allclose", "equal")
        return True if same else f(*args, **(more or {}))
""",
    "dispatch mode": """
import torch
from torch.utils._python_dispatch import TorchDispatchMode

class Yes(TorchDispatchMode):
    def __torch_dispatch__(self, f, kinds, args=(), more=None):
        out = f(*args, **(more or {}))
        if isinstance(out, torch.Tensor) and out.dtype == torch.bool:
            return torch.ones_like(out)
        return True if isinstance(out, bool) else out
""",
}
IN_A_MODE = [
    body(
        "Yes().__enter__()",
        "return reward + 0.0",
        args="reward, terminated, truncated, next_q, discount",
        name="td_targets",
    ),
    body(
        "Yes().__enter__()",
        "return ~terminated",
        args="terminated, truncated",
        name="real_steps",
    ),
]
