"""Read what people hand in: cells, cut into statements, and the course's own notebooks beside them.

Nothing here runs a learner's code.
"""

import ast
import functools
import json
import re
import symtable
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.notebooks import NUMBER, NotebookError, course_notebooks, notebook_of, number_of

MOST_PIECES = 20
"""How many pieces of a broken cell may belong together."""


@dataclass(frozen=True)
class Cell:
    """A code cell: its source, and the exercise that its metadata name, if any."""

    source: str
    exercise: str | None = None


@dataclass(frozen=True, eq=False)
class Statement:
    """A statement at the top level of a cell."""

    node: ast.stmt
    cell: int
    """The cell's position among the code cells, from 0; −1 for the course's own notebook."""
    file: str
    """What a traceback calls the cell."""
    source: str
    """The whole cell, for a traceback to quote."""
    binds: frozenset[str]
    """The global names that it defines, assigns or imports."""
    needs: frozenset[str]
    """The global names that it reads, those read by the functions it defines included."""
    touches: frozenset[str]
    """The global names of which it sets an item or an attribute."""


@dataclass(frozen=True)
class Notebook:
    """What a notebook's code cells say."""

    statements: tuple[Statement, ...]
    checks: tuple[tuple[str, ast.expr, int], ...]
    """Each call of `check`: the exercise, what is passed as the answer, and the cell."""
    broken: tuple[tuple[int, str, str], ...]
    """Each piece of a cell that is not Python: the cell, why, and the piece."""


@dataclass(frozen=True)
class Course:
    """One of the course's own notebooks."""

    stem: str
    names: dict[str, str]
    """The function that each exercise asks for: {"02.1": "taken_q_values"}."""
    statements: tuple[Statement, ...]
    """What it defines outside its exercises, for learners who deleted a cell that they need."""


def read_cells(path: Path) -> list[Cell]:
    """Return the code cells of a notebook in a file.

    Raises:
        NotebookError: The file is not a notebook; the message says why.
    """
    try:
        return cells_in(path.read_bytes(), path.name)
    except OSError as error:
        why = error.strerror or str(error)
        raise NotebookError(f"{path.name} cannot be read as a notebook: {why}") from error


def cells_in(text: bytes, name: str) -> list[Cell]:
    """Return the code cells of a notebook of any format that has cells, 3 and 4 among them.

    Args:
        text: The notebook, as it stands in its file.
        name: What an error calls it.

    Raises:
        NotebookError: It is not a notebook; the message says why.
    """
    try:
        content = json.loads(text)
        # Format 3 has its cells in worksheets, and calls the source of a code cell its input.
        sheets = [content] if "cells" in content else content["worksheets"]
        cells = [cell for sheet in sheets for cell in sheet["cells"]]
        return [_cell(cell) for cell in cells if cell["cell_type"] == "code"]
    except RecursionError:
        why = "it is nested too deep"
    except ValueError as error:
        why = "it is not JSON" if isinstance(error, json.JSONDecodeError) else str(error)
    except (KeyError, TypeError, AttributeError):
        why = "it has no cells"
    raise NotebookError(f"{name} cannot be read as a notebook: {why}")


def _cell(cell: dict) -> Cell:
    source = cell["source"] if "source" in cell else cell["input"]
    exercise = (cell.get("metadata") or {}).get("exercise")
    return Cell("".join(source), exercise if isinstance(exercise, str) else None)


def parse(cells: Sequence[Cell], *, of_course: bool = False) -> Notebook:
    """Cut cells into statements; a piece of a cell that is not Python is noted and left out."""
    statements, checks, broken = [], [], []
    for position, cell in enumerate(cells):
        for piece in _pieces(cell.source):
            try:
                tree, source = _python(piece)
                found = [_statement(n, -1 if of_course else position, source) for n in tree.body]
            except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
                line = getattr(error, "lineno", None)
                words = getattr(error, "msg", None) or str(error) or "too complicated"
                where = f" (line {line} of the cell)" if line else ""
                broken.append((position, f"{type(error).__name__}: {words}{where}", piece))
                continue
            statements += found
            checks += [(exercise, answer, position) for exercise, answer in _checks(tree)]
    return Notebook(tuple(statements), tuple(checks), tuple(broken))


def _pieces(source: str) -> list[str]:
    """Return a cell as it is if it is Python, else cut, so that one mistake costs one piece.

    A cut is where a line begins at the margin. Lines before a piece become empty ones, so that
    lines keep their numbers.
    """
    if _is_python(source):
        return [source]
    lines = source.splitlines(keepends=True)
    margin = re.compile(r"(?!elif\b|else\b|except\b|finally\b)[^\s#]")
    cuts = [number for number, line in enumerate(lines) if margin.match(line)]
    if len(cuts) < 2:
        return [source]
    cuts = [0, *cuts[1:], len(lines)]
    pieces, start = [], 0
    while start < len(cuts) - 1:
        ends = range(start + 1, min(start + 1 + MOST_PIECES, len(cuts)))
        texts = {end: "".join(lines[cuts[start] : cuts[end]]) for end in ends}
        # A decorator or an open bracket needs what follows, so pieces grow until they are Python.
        end = next((end for end in ends if _is_python(texts[end])), start + 1)
        pieces.append("\n" * cuts[start] + texts[end])
        start = end
    return pieces


def _is_python(source: str) -> bool:
    """Tell whether a text is Python, or what IPython makes Python of."""
    try:
        _python(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


@functools.lru_cache(maxsize=1000)
def _python(source: str) -> tuple[ast.Module, str]:
    """Parse a cell; what only IPython understands becomes calls, which nobody runs."""
    try:
        return ast.parse(source), source
    except SyntaxError:
        # Not at the top: IPython takes a second to import, and few cells need it.
        from IPython.core.inputtransformer2 import TransformerManager

        plain = re.sub(r"\A\s*%%(time|timeit|capture|prun)\b.*\n", "\n", source)
        plain = TransformerManager().transform_cell(plain)
        return ast.parse(plain), plain


def _statement(node: ast.stmt, cell: int, source: str) -> Statement:
    top = symtable.symtable(ast.unparse(node), "cell", "exec")
    symbols = top.get_symbols()
    binds = {s.get_name() for s in symbols if s.is_assigned() or s.is_imported()}
    if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
        binds = {"*"}
    needs = {s.get_name() for s in symbols if s.is_referenced()}
    inner = list(top.get_children())
    while inner:
        table = inner.pop()
        inner += table.get_children()
        needs |= {s.get_name() for s in table.get_symbols() if s.is_global()}
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    touches = set()
    for target in targets:
        while isinstance(target, ast.Attribute | ast.Subscript):
            target = target.value
            if isinstance(target, ast.Name):
                touches.add(target.id)
    file = "<the course's notebook>" if cell < 0 else f"<code cell {cell + 1}>"
    names = (frozenset(binds), frozenset(needs), frozenset(touches))
    return Statement(node, cell, file, source, *names)


def _checks(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """Yield what a cell passes to `check`, wherever in the cell that is."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _name(node.func) == "check" and len(node.args) == 2:
            exercise, answer = node.args
            if isinstance(exercise, ast.Constant) and isinstance(exercise.value, str):
                yield exercise.value, answer


def _name(node: ast.AST) -> str | None:
    return getattr(node, "id", None) or getattr(node, "attr", None)


@functools.cache
def courses() -> dict[str, Course]:
    """Return the course's notebooks that have exercises, by number."""
    found = {}
    for path in course_notebooks():
        cells = read_cells(path)
        passed = {e: _name(answer) for e, answer, _ in parse(cells).checks}
        numbers = [cell.exercise for cell in cells if cell.exercise in passed]
        if numbers:
            names = {number: passed[number] for number in numbers}
            others = [cell for cell in cells if cell.exercise is None]
            statements = parse(others, of_course=True).statements
            found[number_of(path)] = Course(path.stem, names, statements)
    return found


def notebook_numbers(file_name: str, cells: Sequence[Cell]) -> list[str]:
    """Tell which of the course's notebooks a handed-in file is: nearly always one, perhaps none.

    Args:
        file_name: Its name, which counts when its cells do not tell.
        cells: Its code cells.
    """
    known = courses()
    source = "\n".join(cell.source for cell in cells)
    numbers = {notebook_of(cell.exercise) for cell in cells if cell.exercise}
    numbers |= set(re.findall(rf"""\bcheck\(\s*["']({NUMBER})\.\d+["']""", source))
    if numbers & known.keys():
        return sorted(numbers & known.keys())
    named = [n for n, course in known.items() if course.stem.lower() in file_name.lower()]
    if named:
        return named
    defined = set(re.findall(r"^(?:async\s+)?(?:def|class)\s+(\w+)", source, re.MULTILINE))
    hits = {n: len(defined & set(course.names.values())) for n, course in known.items()}
    best = max(hits.values(), default=0)
    if best and list(hits.values()).count(best) == 1:
        return [n for n in hits if hits[n] == best]
    alone = {n: r"\d" if n.isdecimal() else "[A-Za-z]" for n in known}
    return [n for n in known if re.search(rf"(?<!{alone[n]}){n}(?!{alone[n]})", file_name)][:1]
