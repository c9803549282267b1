"""Change the reference solutions in one place each, and see whether the checks notice.

`python -m tools.mutants 02 05.1` prints the changes that a check calls right. Each of them is a
wrong answer that gets a ✓, or says the same in another way; the latter stand with their reason in
`tests/equivalent_mutants.py`. Mutation testing in this sense: DeMillo, Lipton, Sayward (1978).

Tools that mutate files and run a test suite for each change need a second a mutant; these run in
one process, some thousands a minute.
"""

import argparse
import ast
import copy
import inspect
import signal
import textwrap
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from dqngan_lib.exercises import find, judge
from dqngan_lib.exercises.base import Exercise, fresh, tensors
from tools.cells import courses
from tools.notebooks import notebook_of
from tools.start import start

SECONDS = 2
"""A mutant that computes longer never ends, and has been noticed."""

OPERATORS: dict[type, tuple[type, ...]] = {
    ast.Add: (ast.Sub, ast.Mult),
    ast.Sub: (ast.Add, ast.Mult),
    ast.Mult: (ast.Div, ast.Add),
    ast.Div: (ast.Mult, ast.Sub),
    ast.Pow: (ast.Mult,),
    ast.MatMult: (ast.Mult,),
    ast.BitAnd: (ast.BitOr, ast.BitXor),
    ast.BitOr: (ast.BitAnd, ast.BitXor),
    ast.Lt: (ast.LtE, ast.Gt, ast.GtE, ast.Eq),
    ast.LtE: (ast.Lt, ast.Gt, ast.GtE, ast.Eq),
    ast.Gt: (ast.GtE, ast.Lt, ast.LtE, ast.NotEq),
    ast.GtE: (ast.Gt, ast.Lt, ast.LtE, ast.Eq),
    ast.Eq: (ast.NotEq, ast.LtE, ast.GtE),
    ast.NotEq: (ast.Eq, ast.Lt, ast.Gt),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.And: (ast.Or,),
    ast.Or: (ast.And,),
}
NAMES: dict[str, tuple[str, ...]] = {
    "min": ("max",),
    "max": ("min", "mean"),
    "argmin": ("argmax",),
    "argmax": ("argmin",),
    "minimum": ("maximum",),
    "maximum": ("minimum",),
    "sum": ("mean",),
    "mean": ("sum", "median"),
    "all": ("any",),
    "any": ("all",),
    "values": ("indices",),
    "abs": ("square",),
    "square": ("abs",),
    "sqrt": ("square", "abs"),
    "norm": ("sum",),
    "log": ("exp", "log2", "log1p"),
    "log1p": ("log",),
    "exp": ("log",),
    "sin": ("cos",),
    "acos": ("asin",),
    "softmax": ("log_softmax", "sigmoid"),
    "log_softmax": ("softmax",),
    "logsumexp": ("sum", "amax", "mean"),
    "logsigmoid": ("sigmoid",),
    "softplus": ("relu", "sigmoid"),
    "logaddexp": ("maximum", "add"),
    "xlogy": ("mul",),
    "ones_like": ("zeros_like",),
    "full_like": ("zeros_like",),
    "mul_": ("div_",),
    "add_": ("sub_",),
    "rand": ("randn",),
    "sort": ("flip",),
    "cumsum": ("cumprod",),
    "lgamma": ("gamma",),
    "eye": ("ones",),
    "float": ("int",),
}
"""What a function or attribute is easily mistaken for."""


@dataclass
class Mutant:
    """A reference solution with a change in one place."""

    what: str
    """The lines that differ, as they are after the change."""
    function: Callable[..., Any]
    """The changed solution."""
    lost: list[torch.Tensor] | None
    """The gradients that it has lost when it ran; None where the change is another one."""

    @property
    def changes_nothing(self) -> bool:
        """Whether it was to lose a gradient and found none."""
        return self.lost == []


def mutants(exercise: Exercise) -> Iterator[Mutant]:
    """Yield each changed solution that can be defined.

    Losing a gradient is a mistake only where the exercise asks for one.
    """
    reference = exercise.solution
    tree = ast.parse(textwrap.dedent(inspect.getsource(reference)))
    original = ast.unparse(tree)
    seen = {original}
    for changed in changed_trees(tree, _asks_for_gradients(exercise)):
        source = ast.unparse(changed)
        if source in seen:
            continue
        seen.add(source)
        lost: list[torch.Tensor] = []
        namespace = vars(inspect.getmodule(reference)) | {"detached": partial(_detached, lost)}
        try:
            exec(compile(source, "<mutant>", "exec"), namespace)
        except (SyntaxError, NameError, TypeError, ValueError):
            continue
        function = namespace[reference.__name__]
        yield Mutant(
            _difference(original, source), function, lost if "detached(" in source else None
        )


def _difference(original: str, source: str) -> str:
    """Return the lines that are new, or else those that are gone."""
    old, new = original.splitlines(), source.splitlines()
    lines = [line.strip() for line in new if line not in old]
    gone = [line.strip() for line in old if line not in new]
    return " / ".join(lines) if lines else "without: " + " / ".join(gone)


def _detached(lost: list[torch.Tensor], x: Any) -> Any:
    """Stand in a mutant for a `.detach()` that should not be there."""
    if isinstance(x, torch.Tensor) and x.requires_grad:
        lost.append(x)
        return x.detach()
    return x


def _asks_for_gradients(exercise: Exercise) -> bool:
    cases = exercise.cases(torch.Generator().manual_seed(0)) if exercise.cases else ()
    return any(t.requires_grad for case in cases for t in tensors(fresh(case.arguments)))


def changed_trees(tree: ast.Module, gradients: bool) -> Iterator[ast.Module]:
    """Yield a copy of a function's tree for each change in one place."""
    function = tree.body[0]
    given = [a.arg for a in (*function.args.args, *function.args.kwonlyargs)]
    found = [n for n in ast.walk(function) if isinstance(n, ast.Name)]
    names = sorted({*given, *(n.id for n in found if isinstance(n.ctx, ast.Store))})
    body = function.body[1:] if ast.get_docstring(function) else function.body
    inside = {id(n) for statement in body for n in ast.walk(statement)}
    inside |= {id(d) for d in function.args.defaults}
    notes = [
        part
        for n in ast.walk(function)
        for part in (getattr(n, "annotation", None), getattr(n, "returns", None))
        if part is not None
    ]
    annotations = {id(n) for part in notes for n in ast.walk(part)}
    places = [n for n in ast.walk(tree) if id(n) in inside - annotations]
    for place in places:
        if isinstance(place, ast.expr):
            for new in _expressions(place, names, gradients):
                yield _put(tree, place, new)
        elif isinstance(place, ast.stmt):
            for new in _statements(place):
                yield _put(tree, place, new)
        elif isinstance(place, ast.comprehension) and place.ifs:
            without = copy.deepcopy(place)
            without.ifs = []
            yield _put(tree, place, without)


def _put(tree: ast.Module, old: ast.AST, new: ast.AST | list[ast.stmt]) -> ast.Module:
    """Return a copy of a tree with one node replaced."""

    def copied(node: Any) -> Any:
        """Copy the way from the root to the place; the rest is shared."""
        if node is old:
            return new
        if isinstance(node, list):
            parts: list = []
            for part in node:
                put = copied(part)
                parts += put if isinstance(put, list) and part is old else [put]
            return parts
        if isinstance(node, ast.AST) and any(child is old for child in ast.walk(node)):
            return type(node)(**{field: copied(value) for field, value in ast.iter_fields(node)})
        return node

    return ast.fix_missing_locations(copied(tree))


def _expressions(node: ast.expr, names: list[str], gradients: bool) -> Iterator[ast.expr]:
    """Yield what one expression is changed into."""
    if isinstance(node, ast.Name | ast.Attribute | ast.Subscript | ast.List | ast.Tuple) and (
        not isinstance(node.ctx, ast.Load)
    ):
        if isinstance(node, ast.Subscript):
            for index in _expressions(node.slice, names, False):
                yield ast.Subscript(node.value, index, node.ctx)
        return
    if gradients and isinstance(node, ast.Name | ast.Call | ast.BinOp | ast.Attribute):
        yield _named("detached", node)
    if isinstance(node, ast.Name) and node.id in names:
        yield from (ast.Name(name, node.ctx) for name in names if name != node.id)
    elif isinstance(node, ast.Constant):
        yield from map(ast.Constant, _constants(node.value))
    elif isinstance(node, ast.BinOp):
        for operator in OPERATORS.get(type(node.op), ()):
            yield ast.BinOp(node.left, operator(), node.right)
        yield node.left
        yield node.right
        if isinstance(node.op, ast.Sub | ast.Div | ast.Pow | ast.MatMult):
            yield ast.BinOp(node.right, node.op, node.left)
    elif isinstance(node, ast.UnaryOp):
        yield node.operand
    elif isinstance(node, ast.BoolOp):
        for operator in OPERATORS[type(node.op)]:
            yield ast.BoolOp(operator(), node.values)
        for number in range(len(node.values)):
            rest = node.values[:number] + node.values[number + 1 :]
            yield rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)
    elif isinstance(node, ast.Compare) and len(node.ops) == 1:
        for operator in OPERATORS[type(node.ops[0])]:
            yield ast.Compare(node.left, [operator()], node.comparators)
        if not isinstance(node.ops[0], ast.Eq | ast.NotEq | ast.Is | ast.IsNot):
            yield ast.Compare(node.comparators[0], node.ops, [node.left])
    elif isinstance(node, ast.IfExp):
        yield node.body
        yield node.orelse
    elif isinstance(node, ast.Attribute):
        yield from (ast.Attribute(node.value, new, node.ctx) for new in NAMES.get(node.attr, ()))
        yield node.value
    elif isinstance(node, ast.Subscript):
        yield node.value
    elif isinstance(node, ast.Slice):
        for field in ("lower", "upper", "step"):
            if getattr(node, field) is not None:
                new = copy.copy(node)
                setattr(new, field, None)
                yield new
    elif isinstance(node, ast.Tuple | ast.List):
        for number in range(len(node.elts) - 1):
            new = copy.copy(node)
            new.elts = list(node.elts)
            new.elts[number : number + 2] = new.elts[number + 1], new.elts[number]
            yield new
    elif isinstance(node, ast.Call):
        yield from _calls(node)


def _calls(node: ast.Call) -> Iterator[ast.expr]:
    if isinstance(node.func, ast.Name):
        for new in NAMES.get(node.func.id, ()):
            yield ast.Call(ast.Name(new, ast.Load()), node.args, node.keywords)
    if isinstance(node.func, ast.Attribute):
        yield node.func.value
    yield from (argument for argument in node.args if not isinstance(argument, ast.Starred))
    for number in range(len(node.args)):
        rest = node.args[:number] + node.args[number + 1 :]
        yield ast.Call(node.func, rest, node.keywords)
        if number:
            swapped = list(node.args)
            swapped[number - 1 : number + 1] = swapped[number], swapped[number - 1]
            yield ast.Call(node.func, swapped, node.keywords)
    for number in range(len(node.keywords)):
        rest = node.keywords[:number] + node.keywords[number + 1 :]
        yield ast.Call(node.func, node.args, rest)
    if isinstance(node.func, ast.Attribute) and node.func.attr == "clamp" and len(node.args) == 2:
        for side, end in zip(("min", "max"), node.args, strict=True):
            yield ast.Call(node.func, [], [ast.keyword(side, end)])


def _constants(value: Any) -> Iterator[Any]:
    """Yield other constants: neighbours, the opposite, and the numbers that dimensions have."""
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        others = (value + 1, value - 1, 2 * value, 0, 1, 2, 3)
        yield from dict.fromkeys(n for n in others if n != value)
    elif isinstance(value, float):
        others = (0.0, 1.0, -value, 2 * value, value / 2, value + 1)
        yield from dict.fromkeys(n for n in others if n != value)
    elif isinstance(value, str):
        yield "other"


def _statements(node: ast.stmt) -> Iterator[ast.stmt | list[ast.stmt]]:
    """Yield what one statement is changed into."""
    if isinstance(node, ast.If):
        yield ast.If(ast.Constant(True), node.body, node.orelse)
        yield ast.If(ast.Constant(False), node.body, node.orelse)
        yield ast.If(ast.UnaryOp(ast.Not(), node.test), node.body, node.orelse)
    elif isinstance(node, ast.With):
        yield list(node.body)
    elif isinstance(node, ast.For):
        turned = _named("reversed", _named("list", node.iter))
        yield ast.For(node.target, turned, node.body, node.orelse)
    elif isinstance(node, ast.Break):
        yield ast.Pass()
        yield ast.Continue()
    elif isinstance(node, ast.AugAssign):
        for operator in OPERATORS.get(type(node.op), ()):
            yield ast.AugAssign(node.target, operator(), node.value)
        target = copy.deepcopy(node.target)
        yield ast.Assign([target], node.value, lineno=0)
        yield ast.Pass()
    elif isinstance(node, ast.Return) and node.value is not None:
        yield ast.Return(ast.UnaryOp(ast.USub(), node.value))
    elif isinstance(node, ast.Expr | ast.Assign):
        yield ast.Pass()


def _named(name: str, argument: ast.expr) -> ast.Call:
    return ast.Call(ast.Name(name, ast.Load()), [argument], [])


# --- judging --------------------------------------------------------------------------------------


class _TimeIsUpError(BaseException):
    """Not an Exception, so that neither mutant nor check takes it for one of theirs."""


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    def stop(*_: Any) -> None:
        raise _TimeIsUpError

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def survivors(name: str, seed: int = 0) -> tuple[list[str], int]:
    """Return the changes to an exercise's solution that its check calls right, and how many were.

    Args:
        name: The exercise, such as "02.1".
        seed: Of the check's random inputs.
    """
    found, count = [], 0
    for mutant in mutants(find(name)):
        count += 1
        try:
            with _limited(SECONDS), redirect_stdout(None), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                verdict, _ = judge(name, mutant.function, seed)
        except _TimeIsUpError:
            continue
        if verdict == "right" and not mutant.changes_nothing:
            found.append(mutant.what)
    return found, count


def main(arguments: list[str] | None = None) -> int:
    """Print what the checks of the exercises or notebooks named call right."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", help="exercises or notebooks; default all")
    options = parser.parse_args(arguments)
    every = [name for course in courses().values() for name in course.names]
    names = [
        n
        for n in every
        if not options.names or n in options.names or notebook_of(n) in options.names
    ]
    torch.set_num_threads(1)
    for name in names:
        found, count = survivors(name)
        print(f"{name}: {count} mutants, {len(found)} called right", flush=True)
        for what in found:
            print(f"    {what}", flush=True)
    return 0


if __name__ == "__main__":
    start(main)
