"""Words for the learner: what an error means, and a solution that can be pasted into a cell."""

import ast
import inspect
import sys
import textwrap
import types
from collections.abc import Callable
from typing import Any

from dqngan_lib.course.runtime import say

_PAIR = "`.max(1)`, `.min(1)` and `.sort()` return two things, values and indices: take `.values`"
_TRUTH = "a tensor of true and false cannot be subtracted: ~flag turns it round"
_TYPES = (
    "numbers of two types meet, such as float32 and float64 or int64: change one with "
    "`.to(other.dtype)`"
)
_WHOLE = "whole numbers have no mean, logarithm or softmax: change them with `.float()`"
_INDEX = "an index must be whole numbers: `.long()`"
_SHAPES = "two shapes do not fit each other: print them with `.shape`"
_GIVEN = "does your function have the arguments of the cell as given?"
_CALLED = "what your line calls takes other arguments: its name and a ? in a cell show which"
_MEANINGS = {
    "torch.return_types": _PAIR,
    "multiply sequence by non-int": _PAIR,
    "can only concatenate tuple": _PAIR,
    "only integer tensors of a single element": _PAIR,
    "a bool tensor is not supported": _TRUTH,
    "Boolean value of Tensor with more than one value": "`if`, `and`, `or` and `not` want one "
    "truth value; for a whole tensor there are torch.where, &, | and ~",
    "dtype int32/int64 for index": _INDEX,
    "dtype int64 for index": _INDEX,
    "tensors used as indices must be": _INDEX,
    "Index tensor must have the same number of dim": "gather wants an index with as many "
    "dimensions as the tensor: `.unsqueeze(1)` adds one",
    "same dtype": _TYPES,
    "to be equal to src.dtype": _TYPES,
    "but found Double": _TYPES,
    "expected scalar type": _TYPES,
    "must be either a floating point": _WHOLE,
    "not implemented for 'Long'": _WHOLE,
    "One of the differentiated Tensors does not": "a weight that is frozen has no gradient: leave "
    "out those whose requires_grad is False",
    "does not require grad": "what you differentiate is not connected with what you differentiate "
    "by: was it detached, or made under no_grad()?",
    "a leaf Variable that requires grad": "weights are written into under torch.no_grad()",
    "must match the size of tensor": _SHAPES,
    "size mismatch": _SHAPES,
    "shapes cannot be multiplied": _SHAPES,
    "Dimension out of range": "the tensor has fewer dimensions than that: print its `.shape`",
    "'numpy.ndarray' object has no attribute": "this is an array of NumPy; torch.as_tensor makes "
    "a tensor of it",
    "unexpected keyword argument": _GIVEN,
    "positional argument": _GIVEN,
}
"""Pieces of Python's and torch's messages, and what a beginner can do about each."""


def explained(error: BaseException, *, inside: bool = False) -> str:
    """Return what an error usually means, as an end to its message, or nothing.

    Args:
        error: What was raised.
        inside: Whether a line of the learner's function raised it, not the call of the function.
    """
    meaning = next((words for piece, words in _MEANINGS.items() if piece in str(error)), None)
    meaning = _CALLED if inside and meaning == _GIVEN else meaning
    return f". What that means: {meaning}" if meaning else ""


def standalone(function: Callable[..., Any]) -> str:
    """Return a function's source behind the imports, constants and helpers that it needs."""
    source = textwrap.dedent(inspect.getsource(function)).rstrip()
    names = _names(ast.parse(source)) - {function.__name__}
    imports, rest = needed(names, inspect.getmodule(function))
    return "\n\n\n".join([*(["\n".join(imports)] if imports else []), *rest, source]) + "\n"


def needed(names: set[str], module: types.ModuleType) -> tuple[list[str], list[str]]:
    """Return the imports, and the constants and helpers, of a module that stand behind names."""
    source = inspect.getsource(module)
    lines = source.splitlines()
    by_name = {name: node for node in ast.parse(source).body for name in _bound(node)}
    imports, rest = set(), {}
    waiting, seen = sorted(names), set()
    while waiting:
        name = waiting.pop()
        node = by_name.get(name)
        if name in seen or node is None:
            continue
        seen.add(name)
        if isinstance(node, ast.Import | ast.ImportFrom):
            imports |= {line for line in import_lines(node) if line.split()[-1] == name}
        else:
            first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
            rest[first] = "\n".join(lines[first - 1 : node.end_lineno])
            waiting += sorted(_names(node))
    return sorted(imports), [rest[first] for first in sorted(rest)]


def import_lines(node: ast.Import | ast.ImportFrom) -> list[str]:
    """Return an import statement as lines that import one name each."""
    start = f"from {node.module} import " if isinstance(node, ast.ImportFrom) else "import "
    return [start + a.name + (f" as {a.asname}" if a.asname else "") for a in node.names]


def _names(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}


def _bound(node: ast.stmt) -> set[str]:
    """Return the names that a statement of a module defines."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {alias.asname or alias.name for alias in node.names}
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return {n.id for t in targets if t is not None for n in ast.walk(t) if isinstance(n, ast.Name)}


def show_code(source: str) -> None:
    """Show Python code, coloured where a notebook can show colours."""
    if "ipykernel" in sys.modules:
        from IPython.display import Code, display

        display(Code(source, language="python"))
    else:
        say(source)
