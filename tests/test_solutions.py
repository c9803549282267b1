"""The teacher's copies pass every check, the learners' notebooks fail them, and both run."""

import ast
import contextlib
import io
import json
import subprocess
from pathlib import Path

import pytest

from tests.small_notebooks import save, small_notebook
from tools import solutions
from tools.cells import Course, courses, parse, read_cells
from tools.notebooks import NOTEBOOKS, ROOT, NotebookError, execute, number_of, read, write
from tools.solutions import NOTE, SOLUTIONS, fill_in, main, solved

WITH_EXERCISES = [NOTEBOOKS / f"{course.stem}.ipynb" for course in courses().values()]


def run_exercises(cells):
    """Run a notebook's imports, exercises and checks, and nothing that takes time.

    Returns:
        What the checks printed; with COURSE_STRICT they raise.
    """
    namespace = {"__name__": "__main__"}
    kept = []
    for cell in cells:
        tree = ast.parse(cell.source)
        exercise = cell.exercise is not None
        for node in tree.body:
            called = getattr(getattr(node, "value", None), "func", None)
            is_check = getattr(called, "id", None) == "check"
            if exercise or is_check or isinstance(node, ast.Import | ast.ImportFrom):
                kept.append(node)
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(compile(ast.Module(kept, []), "<exercises>", "exec"), namespace)
    return out.getvalue().splitlines()


@pytest.fixture
def copy(path, tmp_path):
    """The teacher's copy of the notebook at a path."""
    write(tmp_path / path.name, solved(path))
    return tmp_path / path.name


@pytest.mark.parametrize("path", WITH_EXERCISES, ids=lambda path: path.stem)
def test_solved_copies_pass_strict_checks_and_stubs_fail_them(path, copy, monkeypatch):
    learners, teachers = read_cells(path), read_cells(copy)
    count = len(courses()[number_of(path)].names)

    monkeypatch.delenv("COURSE_STRICT", raising=False)
    said = run_exercises(learners)
    assert [line[0] for line in said] == ["○"] * count

    monkeypatch.setenv("COURSE_STRICT", "1")
    assert [line[0] for line in run_exercises(teachers)] == ["✓"] * count
    with pytest.raises(AssertionError, match="not attempted"):
        run_exercises(learners)


@pytest.mark.parametrize("path", WITH_EXERCISES, ids=lambda path: path.stem)
def test_a_copy_differs_in_its_exercises_alone(path, copy):
    before, after = read(path), read(copy)
    assert NOTE in after.cells[0].source
    assert before.cells[0].source.splitlines()[0] == after.cells[0].source.splitlines()[0]
    for old, new in zip(before.cells[1:], after.cells[1:], strict=True):
        assert old.metadata == new.metadata
        if "exercise" in old.metadata:
            compile(new.source, "cell", "exec")
            assert not new.source.rstrip().endswith("...")
            assert new.outputs == []
        else:
            assert old.source == new.source


@pytest.mark.parametrize("path", WITH_EXERCISES, ids=lambda path: path.stem)
def test_imports_of_a_solution_do_not_hide_names_of_the_notebook(path, copy):
    """An import that a solution brings must not take the place of something else."""
    learners = parse([c for c in read_cells(path) if c.exercise is None])
    theirs = {
        name
        for s in learners.statements
        for name in s.binds
        if not isinstance(s.node, ast.Import | ast.ImportFrom)
    }
    for cell in read_cells(copy):
        if cell.exercise is not None:
            asked_for = courses()[number_of(path)].names[cell.exercise]
            for statement in parse([cell]).statements:
                assert not statement.binds & theirs - {asked_for}


@pytest.mark.slow
def test_one_light_notebook_runs_to_its_end_when_it_should(tmp_path):
    """Notebook 00, both ways; the others differ in what is between the exercises."""
    learners = NOTEBOOKS / "00_start_here.ipynb"
    for part in ("benchmarks", "dqngan_lib", "notebooks", "data"):
        (tmp_path / part).symlink_to(ROOT / part)
    teachers = tmp_path / "solutions" / learners.name
    write(teachers, solved(learners))
    strict = {"COURSE_STRICT": "1", "COURSE_HEADLESS": "1"}
    assert execute(teachers, environment=strict)
    with pytest.raises(NotebookError, match=r"00\.1 not attempted"):
        execute(learners, environment=strict)


# --- one exercise ---

STUB = 'def my_r1(critic, real):\n    """Say more."""\n    ...'


def fill(source, name="my_r1", exercise="06.3", known=frozenset()):
    return fill_in(source, name, exercise, set(known))


def test_the_stub_keeps_its_head_and_gets_the_body():
    filled = fill(STUB)
    assert filled.startswith("import torch\n\n\ndef my_r1(critic, real):\n")
    assert '    """Say more."""\n    real = real.clone()' in filled
    assert "..." not in filled
    assert fill(STUB, known={"import torch"}).startswith("def my_r1")


def test_what_stands_around_the_stub_stays():
    filled = fill(f"scale = 2\n\n\n{STUB}\n\n\nprint(scale)")
    assert "scale = 2\n\n\ndef my_r1" in filled
    assert filled.endswith("print(scale)")


def test_other_arguments_take_the_whole_solution():
    filled = fill(STUB.replace("critic, real", "f, x"))
    assert "def my_r1(critic: Callable[[Tensor], Tensor], real: Tensor) -> Tensor:" in filled
    assert "from collections.abc import Callable" in filled
    compile(filled, "cell", "exec")


def test_a_cell_without_the_stub_is_named():
    with pytest.raises(NotebookError, match=r"06\.3 does not define my_r1 once"):
        fill("x = 1")


REFERENCE = '''
"""A module with exercises."""
import math
from math import tau as turn

HALF = 0.5


def _deep(x):
    return x * HALF


@staticmethod
def _helper(x):
    """Use another."""
    return _deep(x) + turn


def half(x, times=1):
    """Return less; half of it."""
    if times > 1:
        return half(half(x, times - 1))
    thing = type("T", (), {"half": 3})
    return _helper(x) + math.pi * 0 + thing.half - 3
'''


def test_helpers_constants_and_imports_come_along(tmp_path, monkeypatch):
    (tmp_path / "reference_module.py").write_text(REFERENCE)
    monkeypatch.syspath_prepend(tmp_path)
    import reference_module

    class Found:
        solution = staticmethod(reference_module.half)

    monkeypatch.setattr("dqngan_lib.exercises.find", lambda name: Found)
    filled = fill("def mine(x, times=1):\n    ...", "mine", "99.1")
    assert filled.startswith(
        "from math import tau as turn\nimport math\n\n\nHALF = 0.5\n\n\ndef _deep"
    )
    assert "@staticmethod\ndef _helper" in filled
    assert "return mine(mine(x, times - 1))" in filled
    assert '"half": 3' in filled
    assert "thing.half" in filled
    namespace = {}
    exec(filled, namespace)
    assert namespace["mine"](2.0) == reference_module.half(2.0)


# --- the command ---


def test_the_command_writes_where_git_does_not_look(tmp_path, capsys):
    assert main(["00", "--from", str(tmp_path), "--out", "copies"]) == 0
    assert capsys.readouterr().out == "copies/00_start_here.ipynb\n"
    assert json.loads((tmp_path / "copies" / "00_start_here.ipynb").read_text(encoding="utf-8"))
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert f"/{SOLUTIONS.name}/" in ignored
    command = ["git", "check-ignore", "solutions/00_start_here.ipynb", "grades.csv"]
    if (ROOT / ".git").exists():
        assert subprocess.run(command, cwd=ROOT, capture_output=True).returncode == 0


def test_the_learners_notebooks_are_not_written_over(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["00", "--out", str(NOTEBOOKS)])
    assert "choose another" in capsys.readouterr().err


def test_unknown_notebooks_are_named(capsys):
    assert main(["77"]) == 1
    assert "there is no notebook '77'" in capsys.readouterr().err


def test_with_run_the_copy_is_executed_with_strict_checks(tmp_path, monkeypatch, capsys):
    notebook = small_notebook("import os", "print('strict', os.environ['COURSE_STRICT'])")
    path = save(tmp_path, notebook)
    monkeypatch.setattr(solutions, "find", lambda names: [Path(path)])
    monkeypatch.setattr(solutions, "courses", lambda: {"02": Course("02_small", {}, ())})
    assert main(["--run", "--out", str(tmp_path / "out")]) == 0
    assert read(tmp_path / "out" / path.name).cells[2].outputs[0].text == "strict 1\n"
