"""Find in a notebook the answer to an exercise, and the definitions that the answer needs.

Learners delete, copy, split and rename cells. So an answer is looked for by the number in the
cell's metadata, by the function's name and by what is passed to `check`; and what it needs is
found by names, wherever in the notebook it stands. Nothing here runs a learner's code.
"""

import __future__

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass

from tools.cells import Cell, Course, Notebook, Statement, parse
from tools.grading.alike import shape


@dataclass(frozen=True)
class Attempt:
    """One way to read a notebook's answer to an exercise."""

    expression: ast.expr
    """Its value is the answer: a name, mostly."""
    definition: Statement | None
    """The statement that defines that name."""
    statements: tuple[Statement, ...]
    """What to run first, in this order; the definition is among them."""
    flags: int
    """What the notebook's `from __future__ import …` say to the compiler."""


def attempts(exercise: str, course: Course, cells: Sequence[Cell]) -> tuple[list[Attempt], str]:
    """Return the ways to read a notebook's answer to an exercise, the likeliest first.

    The last definition counts, then those before it: of several copies, the right one may be any.
    Each is tried with everything that the notebook defines, and again with what it had defined up
    to that cell, for helpers that change later.

    Returns:
        The attempts, and why a cell that should hold an answer is not Python ("" if none is).
    """
    notebook = parse(cells)
    asked_for = course.names[exercise]
    expressions: list[tuple[int, ast.expr]] = []
    names = [asked_for]
    for number, answer, position in notebook.checks:
        if number == exercise and isinstance(answer, ast.Name):
            names.append(answer.id)
        elif number == exercise:
            expressions.append((position, answer))
    marked = {p for p, cell in enumerate(cells) if cell.exercise == exercise}
    renamed = _renamed(notebook, marked, course)

    found = [
        (statement.cell, ast.Name(name, ast.Load()), statement)
        for name in dict.fromkeys(names)
        for statement in notebook.statements
        if name in statement.binds
    ]
    found += [(position, answer, None) for position, answer in expressions]
    found.sort(key=lambda one: one[0])
    found = renamed + found  # the last is tried first
    result, flags = [], _future(notebook)
    for position, expression, definition in reversed(found):
        everything = needed(expression, definition, notebook.statements, course.statements)
        before = [s for s in notebook.statements if s.cell <= position]
        so_far = needed(expression, definition, before, course.statements)
        result.append(Attempt(expression, definition, everything, flags))
        if so_far != everything:
            result.append(Attempt(expression, definition, so_far, flags))

    pattern = rf"^\s*(async\s+)?def\s+{asked_for}\b"
    broken = [
        why
        for position, why, piece in notebook.broken
        if position in marked or re.search(pattern, piece, re.MULTILINE)
    ]
    return result, (broken or [""])[-1]


def _future(notebook: Notebook) -> int:
    nodes = [s.node for s in notebook.statements if getattr(s.node, "module", "") == "__future__"]
    names = {alias.name for node in nodes for alias in node.names} & {*__future__.all_feature_names}
    return sum(getattr(__future__, name).compiler_flag for name in names)


def _renamed(
    notebook: Notebook, marked: set[int], course: Course
) -> list[tuple[int, ast.expr, Statement]]:
    """Return the functions under other names in cells that are marked as the exercise's."""
    asked_for = set(course.names.values())
    return [
        (s.cell, ast.Name(s.node.name, ast.Load()), s)
        for s in notebook.statements
        if s.cell in marked
        and isinstance(s.node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and s.node.name not in asked_for
    ]


def needed(
    expression: ast.expr,
    definition: Statement | None,
    own: Sequence[Statement],
    course: Sequence[Statement],
) -> tuple[Statement, ...]:
    """Return the statements that a value needs, in their order.

    A name is looked for in the learner's notebook and, if nothing there defines it, in the
    course's: the learner may have deleted that cell. Of other exercises' functions a stub does
    not count where there is an attempt.
    """
    answer = getattr(expression, "id", None) if definition else None
    place = {id(statement): position for position, statement in enumerate([*course, *own])}
    chosen: dict[int, Statement] = {}
    waiting = [n.id for n in ast.walk(expression) if isinstance(n, ast.Name)]
    seen = set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        bringing = [s for s in own if name in s.binds] or [s for s in course if name in s.binds]
        if name == answer:  # this definition, not those after it
            bringing = [s for s in bringing if place[id(s)] <= place[id(definition)]]
        elif not all(_is_stub(s.node) for s in bringing):
            bringing = [s for s in bringing if not _is_stub(s.node)]
        # `table[3] = 1` and `helper.calls = 0` belong to the thing; `torch.allclose = …` does not.
        if not any(isinstance(s.node, ast.Import | ast.ImportFrom) for s in bringing):
            bringing += [s for s in own if name in s.touches]
        bringing += [s for s in own if "*" in s.binds]
        for statement in bringing:
            if id(statement) not in chosen:
                chosen[id(statement)] = statement
                waiting += statement.needs
    return tuple(sorted(chosen.values(), key=lambda statement: place[id(statement)]))


def _is_stub(node: ast.stmt) -> bool:
    """Tell whether a statement is a function whose body is still `...`."""
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return False
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    return all(
        isinstance(s, ast.Pass)
        or (isinstance(s, ast.Expr | ast.Return) and _is_nothing(getattr(s, "value", None)))
        for s in body
    )


def _is_nothing(value: ast.expr | None) -> bool:
    return value is None or (isinstance(value, ast.Constant) and value.value in (None, ...))


SUSPICIOUS = frozenset(
    """
    __builtins__ __class__ __closure__ __code__ __dict__ __globals__ __import__ __mro__
    __subclasses__ __torch_function__ __traceback__ _getframe ctypes currentframe exercises
    f_back f_globals f_locals gc getattr gi_frame globals importlib inspect linecache os
    setattr signal subprocess sys tb_frame tools traceback vars
    """.split()  # noqa: SIM905
)
"""Names without which an answer to an exercise does well."""
SUSPICIOUS_CALLS = {"compile", "eval", "exec"}
"""The same, unless they are methods, such as a network's `eval`."""


def suspicious(attempt: Attempt, modules: dict[str, str]) -> str:
    """Name what a person should look at before believing that an answer is right.

    That is what could get at the checks, what is imported from `dqngan_lib`, which has many an
    answer ready-made, and modules that were handed in beside the notebook.

    Args:
        attempt: The answer.
        modules: Paths and sources of those modules.
    """
    own = [s for s in attempt.statements if s.cell >= 0]
    needs = {n.id for n in ast.walk(attempt.expression) if isinstance(n, ast.Name)}
    needs = needs.union(*(s.needs for s in own))
    parts: list[ast.AST] = [attempt.expression, *(s.node for s in own)]
    found, seen = set(), set()
    while parts:
        part = parts.pop()
        for node in ast.walk(part):
            if isinstance(node, ast.Import | ast.ImportFrom):
                origin = getattr(node, "module", None) or ""
                names = {
                    a.name
                    for a in node.names
                    if isinstance(part, ast.Module) or (a.asname or a.name).split(".")[0] in needs
                }
                words = {word for name in names for word in f"{origin}.{name}".split(".")}
                found |= words & SUSPICIOUS
                found |= names if "dqngan_lib" in words else set()
                used = {path for path in modules if path.split("/")[0].removesuffix(".py") in words}
                parts += [_module(modules[path]) for path in used - seen]
                seen |= used
            elif isinstance(node, ast.Attribute):
                found |= {node.attr} & SUSPICIOUS
            elif isinstance(node, ast.Name):
                found |= {node.id} & (SUSPICIOUS | SUSPICIOUS_CALLS)
    return " ".join(sorted(found | seen))


def _module(source: str) -> ast.Module:
    """Parse a module; if it is not Python, it has nothing to look at."""
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ast.Module([], [])


def shape_of(attempt: Attempt) -> str:
    """Return what answers have in common that differ in names alone; see `alike.shape`."""
    node = attempt.definition.node if attempt.definition else attempt.expression
    try:
        return shape(node.value if isinstance(node, ast.Assign) else node)
    except RecursionError:
        return ""
