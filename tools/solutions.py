"""`course.py solutions`: the teacher's copies, with the reference solutions in the exercise cells.

They go to the folder `solutions/`, which git ignores. A copy has the learner's signature and
docstring, and the body of the solution that the course's tests run.
"""

import argparse
import ast
import importlib
import inspect
import io
import os
import shutil
import sys
import textwrap
import tokenize
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from dqngan_lib.exercises.words import import_lines, needed
from tools.cells import Cell, courses, parse
from tools.notebooks import (
    NOTEBOOKS,
    ROOT,
    NotebookError,
    execute,
    find,
    go_headless,
    number_of,
    read,
    write,
)
from tools.start import start

SOLUTIONS = ROOT / "solutions"
NOTE = "**Teacher's copy, with solutions. Not for handing out.**"

Definition = ast.FunctionDef | ast.ClassDef


def main(arguments: list[str] | None = None) -> int:
    """Write the copies of the notebooks that were named; return 0 when that could be done."""
    parser = argparse.ArgumentParser(prog="course.py solutions", description=__doc__.split("\n")[0])
    parser.add_argument("notebooks", nargs="*", help="numbers, names or paths; default all")
    parser.add_argument("--out", type=Path, help="another folder than solutions/")
    parser.add_argument("--run", action="store_true", help="run each, with checks that must pass")
    parser.add_argument("--from", dest="here", type=Path, default=Path(), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    folder = options.here / options.out if options.out else SOLUTIONS
    if folder.resolve() == NOTEBOOKS:
        parser.error("the learners' notebooks are in that folder; choose another")
    try:
        for path in find(options.notebooks):
            copy = folder / path.name
            write(copy, solved(path))
            if options.run:
                print(f"Running {copy.name} with the solutions")
                go_headless()
                write(copy, execute(copy, environment={"COURSE_STRICT": "1"}))
            print(os.path.relpath(copy, options.here))
    except NotebookError as error:
        print(f"\nsolutions: {error}", file=sys.stderr)
        return 1
    if (NOTEBOOKS / "gallery").is_dir():
        shutil.copytree(NOTEBOOKS / "gallery", folder / "gallery", dirs_exist_ok=True)
    return 0


def solved(path: Path) -> NotebookNode:
    """Return a notebook with the exercises solved and what its checks had printed taken out.

    Raises:
        NotebookError: The file is not a notebook, or an exercise cell has not one stub.
    """
    notebook = read(path)
    course = courses().get(number_of(path))
    known: set[str] = set()
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        exercise = cell.metadata.get("exercise")
        if course and exercise in course.names:
            cell.source = fill_in(cell.source, course.names[exercise], exercise, known)
            cell.outputs, cell.execution_count = [], None
        elif parse([Cell(cell.source)]).checks:
            cell.outputs, cell.execution_count = [], None
        known |= _import_lines(cell.source)
    if notebook.cells and notebook.cells[0].cell_type == "markdown":
        title, _, rest = notebook.cells[0].source.partition("\n")
        notebook.cells[0].source = f"{title}\n\n{NOTE}\n{rest}"
    return notebook


def fill_in(source: str, name: str, exercise: str, known: set[str]) -> str:
    """Return an exercise cell with the reference solution in place of its stub.

    Where solution and stub have the same arguments, the stub keeps its head and docstring and
    gets the solution's body; otherwise the whole solution takes its place. Imports and helpers
    that the solution needs come first.

    Args:
        source: The learner's cell.
        name: The function that the cell asks for.
        exercise: Its number.
        known: Import lines that the notebook has had so far.
    """
    from dqngan_lib.exercises import find as find_exercise

    reference = find_exercise(exercise).solution
    module = importlib.import_module(reference.__module__)
    node, text = _definition(reference)
    stubs = [n for n in ast.parse(source).body if getattr(n, "name", None) == name]
    if len(stubs) != 1:
        raise NotebookError(f"the cell of exercise {exercise} does not define {name} once")
    stub = stubs[0]
    lines = source.splitlines()
    same = isinstance(node, ast.FunctionDef) and isinstance(stub, ast.FunctionDef)
    if same and not node.decorator_list and _arguments(node) == _arguments(stub):
        body = node.body[1:] if ast.get_docstring(node) is not None else node.body
        solution = text.splitlines()[body[0].lineno - 1 : node.end_lineno]
        first = stub.body[1].lineno if len(stub.body) > 1 else stub.body[0].lineno
        part = "\n".join(solution)
    else:
        first = min([stub.lineno, *(d.lineno for d in stub.decorator_list)])
        part = text.rstrip()
    part = _renamed(part, node.name, name)
    filled = "\n".join([*lines[: first - 1], part, *lines[stub.end_lineno :]])
    needs = frozenset().union(*(s.needs for s in parse([Cell(filled)]).statements))
    imports, rest = needed(set(needs - {name}), module)
    imports = "\n".join(line for line in imports if line not in known)
    return "\n\n\n".join([*([imports] if imports else []), *rest, filled])


def _definition(thing: Callable[..., Any]) -> tuple[Definition, str]:
    """Return a function or class as a tree and as text that starts at its first line."""
    text = textwrap.dedent(inspect.getsource(thing))
    node = ast.parse(text).body[0]
    if not isinstance(node, Definition):
        raise NotebookError(f"{thing} is not defined by def or class")
    return node, text


def _arguments(node: ast.FunctionDef) -> list[str]:
    given = node.args
    every = [*given.posonlyargs, *given.args, given.vararg, *given.kwonlyargs, given.kwarg]
    return [argument.arg for argument in every if argument]


def _renamed(text: str, old: str, new: str) -> str:
    """Replace a name, where it is a name of its own, in a piece of code."""
    lines, before = text.splitlines(), ""
    places = []
    for token in tokenize.generate_tokens(io.StringIO(textwrap.dedent(text)).readline):
        if token.type == tokenize.NAME and token.string == old and before != ".":
            places.append(token.start)
        before = token.string
    indent = len(lines[0]) - len(lines[0].lstrip())
    for row, column in reversed(places):
        start = column + indent
        line = lines[row - 1]
        lines[row - 1] = line[:start] + new + line[start + len(old) :]
    return "\n".join(lines)


def _import_lines(source: str) -> set[str]:
    """Return the imports at the top level of a cell, one name a line."""
    nodes = [statement.node for statement in parse([Cell(source)]).statements]
    return {
        line
        for n in nodes
        if isinstance(n, ast.Import | ast.ImportFrom)
        for line in import_lines(n)
    }


if __name__ == "__main__":
    start(main)
