"""Tell which answers are the same program, whatever their names are.

That proves little: short exercises have one obvious answer. docs/grading.md says how to read it.
"""

import ast
import copy
import hashlib
import inspect
import textwrap
from collections.abc import Callable
from typing import Any


def shape(node: ast.AST) -> str:
    """Return a mark that two pieces of code share when they differ in names and comments only.

    Names that the code itself binds are numbered in the order in which they appear; docstrings
    and annotations do not count. Functions and modules from elsewhere keep their names.
    """
    node = copy.deepcopy(node)
    for part in ast.walk(node):
        if hasattr(part, "body") and isinstance(part.body, list) and _has_docstring(part):
            part.body = part.body[1:] or [ast.Pass()]
        for annotation in ("annotation", "returns"):
            if hasattr(part, annotation):
                setattr(part, annotation, None)
    bound: dict[str, str] = {}
    for part in ast.walk(node):
        for place in ("arg", "name", "id"):
            name = getattr(part, place, None)
            binds = isinstance(getattr(part, "ctx", None), ast.Store) or place != "id"
            if isinstance(name, str) and binds and not isinstance(part, ast.keyword | ast.alias):
                bound.setdefault(name, f"_{len(bound)}")
    for part in ast.walk(node):
        for place in ("arg", "name", "id"):
            name = getattr(part, place, None)
            if name in bound and not isinstance(part, ast.keyword | ast.alias):
                setattr(part, place, bound[name])
    return hashlib.sha256(ast.dump(node).encode()).hexdigest()[:16]


def _has_docstring(node: Any) -> bool:
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    return isinstance(node, kinds) and ast.get_docstring(node) is not None


def shape_of_solution(solution: Callable[..., Any]) -> str:
    """Return the mark of a reference solution."""
    return shape(ast.parse(textwrap.dedent(inspect.getsource(solution))).body[0])
