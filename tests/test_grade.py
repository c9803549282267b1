"""The grader, on notebooks as students hand them in: honest, broken, endless and dishonest.

One run of the tool grades them all; each test looks at its own student's rows.
"""

import csv
import json
import os
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest

import course
from tools.cells import Cell, courses, notebook_numbers
from tools.grading.command import collect, main, student_of
from tools.grading.table import as_csv, histogram, plain, summary, table
from tools.notebooks import ROOT

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
        "",
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
        "",
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
OLD = {
    "metadata": {"name": ""},
    "nbformat": 3,
    "nbformat_minor": 0,
    "worksheets": [
        {
            "cells": [
                {"cell_type": "heading", "level": 1, "source": ["DQN"]},
                {"cell_type": "code", "language": "python", "input": [*TWO_1.splitlines(True)]},
            ]
        }
    ],
}
DECOMPOSED = unicodedata.normalize("NFD", "Zoë 雪")

FILES = {
    "Ana/02_dqn.ipynb": notebook(
        marked(TWO_1, "02.1"), marked(TWO_2, "02.2"), marked(TWO_3, "02.3")
    ),
    "Ana/notes.pdf": "%PDF",
    # Two notebooks of one student: of each exercise the better answer counts.
    "Bo/02_dqn.ipynb": notebook(marked(TWO_1, "02.1"), marked(TWO_2.replace("~", "1 * "), "02.2")),
    "Bo/again/02_dqn (1).ipynb": notebook(TWO_1.replace("action]", "0]"), TWO_2, TWO_1 + "\n(("),
    f"{DECOMPOSED}/02_dqn.ipynb": notebook(TWO_1),
    f"{unicodedata.normalize('NFC', DECOMPOSED)}/Lösung 2.IPYNB.txt": notebook(TWO_2),
    "Old/02_dqn.ipynb": json.dumps(OLD),
    "Minor/x.ipynb": json.dumps(
        {"cells": [{"cell_type": "code", "source": TWO_1}], "nbformat": 4, "nbformat_minor": 0}
    ),
    "Future/02_dqn.ipynb": json.dumps(
        {"cells": [{"cell_type": "code", "source": [TWO_1]}, {"cell_type": "ai"}], "nbformat": 7}
    ),
    "Marked/any name.ipynb": "\ufeff" + notebook(marked(TWO_1, "02.1")),
    "Broken/02_dqn.ipynb": '{"cells": [',
    "Word/02_dqn.ipynb": "PK\3\4 this was a Word document",
    "Empty/02_dqn.ipynb": "",
    "List/02_dqn.ipynb": "[1, 2]",
    "Deep/02_dqn.ipynb": "[" * 100_000,
    "Pdf/answers.pdf": "%PDF",
    "Riddle/holidays.ipynb": notebook("print('hello')"),
    "=1+1/00_start_here.ipynb": notebook(RIGHT),
    "Large/00_start_here.ipynb": notebook(
        code(RIGHT) | {"outputs": [{"output_type": "stream", "text": "x" * 100_000_000}]}
    ),
    ".hidden/02_dqn.ipynb": notebook(TWO_1),
    "Ana/.ipynb_checkpoints/02_dqn-checkpoint.ipynb": notebook(WRONG),
    "__MACOSX/Ana/02_dqn.ipynb": "x",
    "class list.csv": "a,b",
    "flat_00_start_here.ipynb": notebook(RIGHT),
    "Look/00_start_here.ipynb": notebook(body("return getattr(images, 'me' + 'an')(0)")),
    "Library/02_dqn.ipynb": notebook(
        "from dqngan_lib.dqn.agent import DQN, td_target",
        body(
            "return td_target(reward, terminated, next_q.max(1).values, discount)",
            args="reward, terminated, truncated, next_q, discount",
            name="td_targets",
        ),
    ),
}


def write(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")


def run(folder, *options):
    """Run the tool as `course.py` does; return its process and the rows."""
    out = folder.parent / "marks.csv"
    command = [
        sys.executable,
        "-m",
        "tools.grading.command",
        str(folder),
        "--out",
        str(out),
        *options,
    ]
    result = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | {"PYTHONUTF8": "1", "SECRET": "x"},
        capture_output=True,
        encoding="utf-8",
        timeout=1800,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    with out.open(encoding="utf-8-sig", newline="") as file:
        return result, list(csv.DictReader(file))


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("class") / "handed in"
    write(folder, FILES)
    groups = {"honest": HONEST, **{"other": {k: v[0] for k, v in (OTHERS | CHEATS).items()}}}
    for kind, students in groups.items():
        for name, cells in students.items():
            path = folder / f"{kind} {name}" / "00_start_here.ipynb"
            write(folder, {path.relative_to(folder): notebook(*cells)})
    (folder / "Bo" / "link_02_dqn.ipynb").symlink_to(folder / "Ana" / "02_dqn.ipynb")
    result, rows = run(folder, "--seconds", str(SECONDS), "--only", "00", "02")
    return folder, result, {(row["student"], row["exercise"]): row for row in rows}


@pytest.mark.parametrize("name", HONEST)
def test_no_mark_is_lost_that_a_person_would_give(graded, name):
    row = graded[2][f"honest {name}", "00.1"]
    assert row["verdict"] == "right", row


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_wrong_or_broken_is_named(graded, name):
    row = graded[2][f"other {name}", "00.1"]
    assert row["verdict"] == OTHERS[name][1], row
    assert OTHERS[name][2] in row["message"]


@pytest.mark.parametrize("name", CHEATS)
def test_a_cheat_gets_no_mark(graded, name):
    row = graded[2][f"other {name}", "00.1"]
    assert row["verdict"] == CHEATS[name][1], row
    assert CHEATS[name][2] in row["message"]


def verdict(graded, student, exercise):
    return graded[2][student, exercise]["verdict"]


def test_answers_may_use_other_answers(graded):
    assert [verdict(graded, "Ana", f"02.{i}") for i in (1, 2, 3, 4)] == [
        *["right"] * 3,
        "not attempted",
    ]


def test_of_two_notebooks_the_better_answer_counts(graded):
    assert graded[2]["Bo", "02.1"]["file"] == "Bo/02_dqn.ipynb"
    assert graded[2]["Bo", "02.2"]["file"] == "Bo/again/02_dqn (1).ipynb"
    assert [verdict(graded, "Bo", f"02.{i}") for i in (1, 2)] == ["right", "right"]


def test_a_link_is_not_followed(graded):
    assert "link_02_dqn.ipynb is a link" in graded[2]["Bo", "02.3"]["message"]


def test_one_name_in_two_spellings_of_unicode_is_one_student(graded):
    name = unicodedata.normalize("NFC", DECOMPOSED)
    assert [verdict(graded, name, f"02.{i}") for i in (1, 2)] == ["right", "right"]
    assert not any(student == DECOMPOSED for student, _ in graded[2])


@pytest.mark.parametrize("student", ["Old", "Minor", "Future", "Marked"])
def test_notebooks_of_other_versions_are_read(graded, student):
    assert verdict(graded, student, "02.1") == "right"


@pytest.mark.parametrize("student", ["Broken", "Word", "Empty", "List", "Deep"])
def test_what_is_no_notebook_is_an_error_in_each_exercise(graded, student):
    rows = [row for (name, _), row in graded[2].items() if name == student and row["file"]]
    assert [row["exercise"] for row in rows] == [f"02.{i}" for i in range(1, 6)]
    assert {row["verdict"] for row in rows} == {"error"}
    assert all("cannot be read as a notebook" in row["message"] for row in rows)


def test_what_cannot_be_placed_is_named(graded):
    assert graded[2]["Pdf", ""]["message"] == "no notebook, but answers.pdf"
    assert graded[2]["Riddle", ""]["message"] == "cannot tell which notebook holidays.ipynb is"
    assert "Pdf: no notebook" in graded[1].stdout


def test_large_outputs_in_the_file_do_no_harm(graded):
    assert verdict(graded, "Large", "00.1") == "right"


def test_every_student_has_a_row_for_every_exercise(graded):
    wanted = [exercise for number in ("00", "02") for exercise in courses()[number].names]
    students = {student for student, _ in graded[2]}
    assert {(s, e) for s in students for e in wanted} <= graded[2].keys()
    assert graded[2]["Ana", "00.1"]["message"] == "no notebook 00 was handed in"
    assert not students & {".hidden", "__MACOSX", "class list", "class list.csv"}


def test_what_a_person_should_look_at_is_marked(graded):
    assert graded[2]["Look", "00.1"]["verdict"] == "right"
    assert graded[2]["Look", "00.1"]["look"] == "getattr"
    assert graded[2]["Library", "02.2"]["look"] == "td_target"
    assert graded[2]["Ana", "02.3"]["look"] == ""
    assert "Look, 00.1: getattr" in graded[1].stdout


def test_formulas_are_no_formulas_any_more(graded):
    assert verdict(graded, "'=1+1", "00.1") == "right"


def test_the_terminal_shows_tables_and_a_histogram(graded):
    out = graded[1].stdout
    assert "exercise            right          wrong      timed out" in out
    assert "right  students" in out
    assert "█" in out
    assert graded[1].stderr == ""


def test_nothing_is_left_behind(graded):
    folder = graded[0]
    assert not (folder.parent / "x.txt").exists()
    assert sorted(p.name for p in folder.parent.iterdir()) == ["handed in", "marks.csv"]


@pytest.mark.slow
def test_a_new_python_for_each_notebook_goes_on_after_an_answer_that_ends_it(tmp_path):
    """The way of macOS and Windows."""
    answers = [
        marked(body("while True: pass", name="taken_q_values", args="*a"), "02.1"),
        marked(TWO_2, "02.2"),
        marked(body("return 1", name="real_steps", args="*a"), "02.5"),
    ]
    write(tmp_path / "class", {"Ana/02_dqn.ipynb": notebook(*answers)})
    (tmp_path / "marks.csv").write_text("what was there")
    result, rows = run(tmp_path / "class", "--start", "spawn", "--seconds", "1", "--jobs", "1")
    verdicts = [row["verdict"] for row in rows]
    assert verdicts == ["timed out", "right", "not attempted", "not attempted", "wrong"], rows
    assert (tmp_path / "marks.old.csv").read_text() == "what was there"
    assert "marks.old.csv" in result.stdout


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["nowhere"], "there is no folder"),
        (["."], "there are no files"),
        ([".", "--only", "77"], "--only takes notebooks with exercises"),
        ([".", "--jobs", "0"], "must be at least 1"),
        ([".", "--out", "no/folder/x.csv"], "cannot write"),
    ],
)
def test_bad_input_is_named(tmp_path, capsys, options, words):
    with pytest.raises(SystemExit) as error:
        main([*options, "--from", str(tmp_path)])
    assert error.value.code == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("command", ["grade", "solutions", "colab"])
def test_paths_begin_where_the_command_was_typed(tmp_path, monkeypatch, command):
    said = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(course, "ensure_environment", lambda: None)
    monkeypatch.setattr(course, "hand_over", lambda words: said.append(words) or 0)
    assert course.main([command, "class"]) == 0
    assert said == [(*course.COMMANDS[command], "--from", str(tmp_path), "class")]


@pytest.mark.parametrize(
    ("path", "student"),
    [
        ("Ana Li/02_dqn.ipynb", "Ana Li"),
        ("Ana Li/deep/er/x.ipynb", "Ana Li"),
        ("Ana Li_1234567_assignsubmission_file_/02_dqn.ipynb", "Ana Li"),
        ("Ana Li_1234567_assignsubmission_file_02_dqn.ipynb", "Ana Li"),
        ("liana_12_3456_02_dqn-1.ipynb", "liana_12"),
        ("liana_LATE_12_3457_01_q_learning.ipynb", "liana_12"),
        ("ana_02_dqn.ipynb", "ana"),
        ("02_DQN ana (2).ipynb", "ana"),
        ("ana-02_dqn-Copy1.ipynb", "ana"),
        ("Ana.ipynb", "Ana"),
        ("02_dqn.ipynb", "all"),
        ("02_dqn (3).ipynb.txt", "all"),
    ],
)
def test_a_file_is_known_by_its_folder_or_its_name(path, student):
    assert student_of(Path(path), Path("some/all")) == student


@pytest.mark.parametrize(
    ("name", "cells", "numbers"),
    [
        ("x.ipynb", [Cell("", "02.1")], ["02"]),
        ("01_q_learning.ipynb", [Cell("", "02.1")], ["02"]),
        ("x.ipynb", [Cell("", "01.1"), Cell("", "02.1")], ["01", "02"]),
        ("x.ipynb", [Cell("check('02.3', f)")], ["02"]),
        ("ana 02_dqn (1).ipynb", [Cell("x = 1")], ["02"]),
        ("x.ipynb", [Cell("def td_targets(): ...")], ["02"]),
        ("homework 02.ipynb", [Cell("x = 1")], ["02"]),
        ("homework 102.ipynb", [Cell("x = 1")], []),
        ("x.ipynb", [Cell("", "77.1")], []),
    ],
)
def test_a_notebook_is_known_by_its_cells_or_its_name(name, cells, numbers):
    assert notebook_numbers(name, cells) == numbers


def test_text_of_others_cannot_give_orders():
    assert plain("a\x1b[2J\nb\u202e\ud800") == "a�[2J b�?"
    assert plain("x" * 500, 10) == "x" * 9 + "…"
    rows = [dict.fromkeys(("student", "exercise", "verdict", "message", "look", "file"), "=1+1")]
    assert as_csv(rows).splitlines()[1] == ",".join(["'=1+1"] * 6)


def test_histograms():
    assert histogram([0, 2, 2], 2) == ["right  students", "    0  █ 1", "    1", "    2  ██ 2"]
    wide = histogram([0, 29, 30] * 100, 30)
    assert wide[1] == "  0–2  " + "█" * 40 + " 100" or wide[1].endswith("100")
    assert len(wide) == 12
    assert max(map(len, wide)) < 60


def test_an_empty_class_has_a_summary(tmp_path):
    write(tmp_path, {"Ana/x.pdf": ""})
    rows = table(collect(tmp_path, set(courses())), [], set(courses()))
    assert [row["verdict"] for row in rows] == ["error"]
    assert "Not graded" in summary(rows)
