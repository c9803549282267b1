"""What notebooks ask a learner to change can be done, and does what the text says."""

import subprocess
import sys

import pytest
from nbformat.v4 import new_markdown_cell

from tests.small_notebooks import save, small_notebook
from tools import prompts
from tools.cells import Cell
from tools.notebooks import ROOT, NotebookError, course_notebooks, find, number_of
from tools.prompts import Prompt, asking, attempt, load, needed, patched, read_cells

PROMPTS = load()
COVERED = [n for n in map(number_of, course_notebooks()) if n != "00"]


def words(prompt):
    return " ".join(prompt.asks.split())


@pytest.mark.parametrize("number", COVERED)
def test_every_change_that_a_covered_notebook_asks_for_has_an_entry(number):
    mine = [words(prompt) for prompt in PROMPTS if prompt.notebook == number]
    assert [asked for asked in asking(number) if not any(some in asked for some in mine)] == []


@pytest.mark.parametrize("prompt", PROMPTS, ids=lambda prompt: f"{prompt.notebook}: {prompt.asks}")
def test_an_entry_fits_its_notebook(prompt):
    (paragraph,) = [asked for asked in asking(prompt.notebook) if words(prompt) in asked]
    if prompt.stops:
        assert any(word in paragraph.lower() for word in ("claim", "accuracy falls")), (
            "the text must say so"
        )
    if prompt.change:
        (path,) = find([prompt.notebook])
        cells = read_cells(path)
        changed, targets = patched(cells, prompt)
        differing = {n for n, (a, b) in enumerate(zip(cells, changed, strict=True)) if a != b}
        assert differing and differing <= targets
        assert targets <= set(needed(changed, targets))


@pytest.mark.slow
@pytest.mark.parametrize("number", COVERED)
def test_short_prompts_come_to_their_end_or_stop_where_the_text_says(number):
    command = [sys.executable, "-m", "tools.prompts", number]
    result = subprocess.run(
        command, cwd=ROOT, capture_output=True, encoding="utf-8", timeout=1_200, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr


# --- the tool itself ---

CELLS = (
    "from dqngan_lib.course.runtime import claim, seed_everything\nseed = seed_everything(0)",
    "size = 3\nunused = 1 / 0",
    "def double(x):\n    return 2 * x",
    "size = 3",
    "kept = []\nfor size_too in (1, 2):\n    kept.append(double(size))",
    "kept.append(7)\nprint(size)",
    "other = 5",
    "print(other)\nclaim('the sum', sum(kept), between=(19, 19))",
)


def try_it(tmp_path, monkeypatch, **fields):
    notebook = small_notebook(*CELLS)
    notebook.cells.append(new_markdown_cell("**Change** `size` to 4.", id="asks"))
    path = save(tmp_path, notebook)
    monkeypatch.setattr(prompts, "find", lambda names: [path])
    return attempt(Prompt("99", "`size` to 4", **fields))


def numbers(*targets):
    return needed([Cell(source) for source in CELLS], set(targets))


def test_only_what_a_cell_depends_on_runs():
    assert numbers(7) == [0, 2, 3, 4, 5, 6, 7], "cell 1 sets a size that cell 3 sets again"
    assert numbers(6) == [0, 6]
    assert numbers(5) == [0, 2, 3, 4, 5]


def test_a_function_finds_what_is_defined_below_it():
    cells = [
        Cell(x) for x in ("def f():\n    return g()", "def g():\n    return a", "a = 3", "f()")
    ]
    assert needed(cells, {3}) == [0, 1, 2, 3]
    assert needed(cells[:1] + cells[3:], {1}) == [0, 1]


def test_an_exercise_is_not_run():
    cells = [Cell("a = 1"), Cell("def f():\n    ...", "99.1"), Cell("b = f")]
    assert needed(cells, {2}) == [2]


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"change": (("other = 5", "other = 6"),), "until": ("claim('the sum'",)}, ""),
        (
            {"change": (("kept.append(7)", "kept.append(8)"),), "until": ("claim('the sum'",)},
            "stopped",
        ),
        (
            {
                "change": (("kept.append(7)", "kept.append(8)"),),
                "until": ("claim('the sum'",),
                "stops": "the sum",
            },
            "",
        ),
        ({"change": (("other = 5", "other = 6"),), "stops": "the sum"}, "came to its end"),
        ({"change": (("other = 5", "other = 6"),), "stops": "the sum", "may": True}, ""),
        (
            {
                "change": (("kept.append(7)", "kept.append(8)"),),
                "until": ("claim('the sum'",),
                "stops": "another claim",
            },
            "stopped",
        ),
        ({"change": (("other = 5", "other = 1 / 0"),)}, "broke in code cell 7: ZeroDivisionError"),
    ],
)
def test_an_attempt_says_what_is_wrong(tmp_path, monkeypatch, fields, wrong):
    said = try_it(tmp_path, monkeypatch, **fields)
    assert wrong in said and bool(wrong) == bool(said), said


@pytest.mark.parametrize("old", ["size = 3", "is nowhere", "kept"])
def test_code_that_is_gone_or_twice_there_is_said(tmp_path, monkeypatch, old):
    with pytest.raises(NotebookError, match="must be in one cell, once"):
        try_it(tmp_path, monkeypatch, change=((old, "x"),))


@pytest.mark.parametrize(
    "text",
    [
        '[[prompt]]\nnotebook = "07"\nasks = "x"',
        '[[prompt]]\nnotebook = "07"\nasks = "x"\nchange = [["a", "b"]]\nby_hand = "why"',
        '[[prompt]]\nnotebook = "07"\nasks = ""\nby_hand = "why"',
        '[[prompt]]\nnotebook = "07"\nasks = "x"\nby_hand = "why"\nuntli = ["y"]',
        '[[prompt]]\nnotebook = "07"\nasks = "x"\nchange = [["a"]]',
    ],
)
def test_an_entry_that_makes_no_sense_is_said(tmp_path, monkeypatch, text):
    file = tmp_path / "prompts.toml"
    file.write_text(text, encoding="utf-8")
    monkeypatch.setattr(prompts, "FILE", file)
    with pytest.raises(NotebookError, match=r"prompts\.toml"):
        load()
