"""What an exercise is, and the tools with which its check names a mistake.

An answer is judged in stages. The first is the *worked example*: `Exercise.check` calls the answer
with inputs that were worked by hand, and names the mistake. Then the answer meets the reference
solution on `Exercise.cases`, random inputs drawn from a seed: it must return the same values, let
the same gradients through, and leave its inputs as the reference does. The cases that share a name
are one stage. `judge` stops at the first stage that fails; `stages` goes through all of them and
counts those that hold, for partial credit.
"""

import copy
import dis
import inspect
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, NoReturn

import numpy as np
import torch
from torch import Tensor
from torch.nn import Parameter


class Wrong(Exception):
    """An answer is wrong; the message names the mistake in words for the learner."""


@dataclass(frozen=True)
class Case:
    """Inputs on which an answer must agree with the reference solution."""

    stage: str
    """What the inputs have in common: "a batch of 1". Cases with the same words are one stage."""
    arguments: tuple | Callable[[], tuple]
    """What both functions are called with; each gets a copy of its own, or calls for its own."""
    tolerance: float = 1e-4
    """How far numbers may be apart, relative or absolute."""


@dataclass(frozen=True)
class Exercise:
    """One exercise of a notebook."""

    name: str
    """Number of the notebook, a dot, number of the exercise: "02.1"."""
    check: Callable[[Callable[..., Any]], None]
    """Calls the learner's function and raises `Wrong` with the mistake named."""
    hints: tuple[str, ...]
    """From a nudge to nearly the answer; at least one. The last line of the last is code."""
    solution: Callable[..., Any]
    """A right answer; its source is what `solution` shows."""
    praise: str = ""
    """What a right answer has shown, in a sentence."""
    cases: Callable[[torch.Generator], Iterable[Case]] | None = None
    """Draws the inputs on which an answer is compared with the solution, after the check."""
    why: str = ""
    """Why the solution is right, in a sentence."""


@contextmanager
def chance_as_before() -> Iterator[None]:
    """Leave the random numbers of Python, NumPy and torch as they were found.

    A notebook must show the same numbers whether its exercises are solved or not.
    """
    python, arrays = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(arrays)


def is_empty(function: Callable[..., Any]) -> bool:
    """Tell whether a function's body is still `...`, with or without a docstring."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None:
        return False
    harmless = {"RESUME", "NOP", "LOAD_CONST", "RETURN_VALUE", "RETURN_CONST", "COPY_FREE_VARS"}
    instructions = list(dis.get_instructions(code))
    only_returns = all(instruction.opname in harmless for instruction in instructions)
    returned = [i.argval for i in instructions if i.opname in ("LOAD_CONST", "RETURN_CONST")]
    return only_returns and all(value is None or value is Ellipsis for value in returned)


def expect_tensor(value: Any, shape: tuple[int, ...], what: str) -> Tensor:
    """Return `value` as a tensor if it has the shape, else say what it is instead.

    A list or an array of numbers is as good as a tensor.

    Raises:
        Wrong: It is not.
    """
    if value is None:
        raise Wrong(f"{what}: your function returned None. Is `return` missing?")
    value = converted(value, what)
    if callable(value) and not isinstance(value, Tensor):
        raise Wrong(f"{what} is a function: are the brackets missing that call it?")
    if not isinstance(value, Tensor) or not _is_plain(value):
        raise Wrong(f"{what} must be a torch tensor, but is a {type(value).__name__}")
    if tuple(value.shape) != tuple(shape):
        raise Wrong(f"{what} must have shape {tuple(shape)}, but has {tuple(value.shape)}")
    return value


def converted(value: Any, what: str = "the result") -> Any:
    """Return lists, arrays and numbers as a tensor, and everything else as it is.

    Raises:
        Wrong: It is the pair of values and indices that `.max(1)` returns.
    """
    if type(value).__module__ == "torch.return_types":
        raise Wrong(
            f"{what} is a pair: `.max(1)`, `.min(1)` and the like return values and indices. Take "
            "`.values`, or `.indices`"
        )
    if isinstance(value, list | tuple) and value and all(isinstance(x, Tensor) for x in value):
        with suppress(RuntimeError):
            return torch.stack(list(value))
    if isinstance(value, list | tuple | np.ndarray | np.number | int | float):
        with suppress(TypeError, ValueError, RuntimeError):
            return torch.as_tensor(np.array(value))
    return value


def _is_plain(value: Any) -> bool:
    """Tell whether torch compares a value itself, not by the value's own idea of equality."""
    return type(value) in (Tensor, Parameter) or not hasattr(type(value), "__torch_function__")


def expect_number(value: Any, what: str) -> float:
    """Return `value` as a float if it is one number, else say what it is instead.

    Raises:
        Wrong: It is not.
    """
    if value is None:
        raise Wrong(f"{what}: your function returned None. Is `return` missing?")
    try:
        if not isinstance(value, str):
            return float(value)
    except (TypeError, ValueError, RuntimeError):
        pass
    raise Wrong(f"{what} must be one number, but is a {type(value).__name__}")


def close(value: Any, expected: Any, tolerance: float = 1e-4) -> bool:
    """Tell whether numbers or tensors agree everywhere, to `tolerance` (relative or absolute)."""
    if not (_is_plain(value) and _is_plain(expected)):
        return False
    value, expected = (torch.as_tensor(x).detach().double().cpu() for x in (value, expected))
    return value.shape == expected.shape and torch.allclose(
        value, expected, rtol=tolerance, atol=tolerance
    )


def name_mistake(given: Any, known: Mapping[str, Any], otherwise: str) -> NoReturn:
    """Raise `Wrong` with the text of the mistake that gives this result, else with another.

    Args:
        given: What an answer has returned; it is wrong.
        known: Results of usual mistakes, by what to say of each.
        otherwise: What to say of any other.
    """
    raise Wrong(next((text for text, value in known.items() if close(given, value)), otherwise))


# --- random inputs --------------------------------------------------------------------------------


def normal(rng: torch.Generator, *shape: int) -> Tensor:
    """Return numbers of both signs, most of them from −2 to 2."""
    return torch.randn(*shape, generator=rng)


def uniform(rng: torch.Generator, *shape: int) -> Tensor:
    """Return numbers from 0 to 1."""
    return torch.rand(*shape, generator=rng)


def whole(rng: torch.Generator, end: int, *shape: int) -> Tensor:
    """Return whole numbers from 0 to end − 1."""
    return torch.randint(end, shape, generator=rng)


def flags(rng: torch.Generator, *shape: int) -> Tensor:
    """Return true and false, half and half."""
    return torch.rand(*shape, generator=rng) < 0.5


def perceptron(rng: torch.Generator, *sizes: int) -> torch.nn.Sequential:
    """Return a network of linear layers with tanh between them and weights drawn from `rng`."""
    layers: list[torch.nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [torch.nn.Linear(inputs, outputs), torch.nn.Tanh()]
    network = torch.nn.Sequential(*layers[:-1])
    with torch.no_grad():
        for weights in network.parameters():
            weights.normal_(generator=rng)
    return network


# --- the comparison with the reference ------------------------------------------------------------


def stages_of(exercise: Exercise, seed: int) -> Iterator[Callable[[Callable[..., Any]], None]]:
    """Yield what is asked of an answer, stage by stage: each raises where an answer fails.

    Args:
        exercise: The exercise.
        seed: Of the random inputs.
    """
    yield exercise.check
    grouped: dict[str, list[Case]] = {}
    for case in exercise.cases(torch.Generator().manual_seed(seed)) if exercise.cases else ():
        grouped.setdefault(case.stage, []).append(case)
    for cases in grouped.values():
        yield partial(_compare_all, exercise.solution, cases)


def _compare_all(
    reference: Callable[..., Any], cases: list[Case], answer: Callable[..., Any]
) -> None:
    for case in cases:
        compare(answer, reference, case)


def compare(answer: Callable[..., Any], reference: Callable[..., Any], case: Case) -> None:
    """Call an answer and the reference with the same inputs.

    Raises:
        Wrong: They differ in what they return, in its gradient, or in what they leave behind.
    """
    ours, theirs, before = (fresh(case.arguments) for _ in range(3))
    where, tolerance = f"with other inputs ({case.stage}) ", case.tolerance
    torch.manual_seed(0)
    expected = reference(*ours)
    torch.manual_seed(0)
    given = answer(*theirs)
    _same(given, expected, f"{where}the result", tolerance)
    names = list(inspect.signature(reference).parameters)
    for name, mine, yours, old in zip(names, ours, theirs, before, strict=False):
        if not _left_alike(yours, mine, tolerance):
            if _left_alike(mine, old, tolerance):
                raise Wrong(f"{where}your function changes {name}, which it was given: leave it")
            raise Wrong(f"{where}{name} is not what it should be after the call")
    pairs = [p for p in zip(tensors(ours), tensors(theirs), strict=True) if p[0].requires_grad]
    right = _gradients(expected, [a for a, _ in pairs])
    found = _gradients(given, [b for _, b in pairs])
    for g, e in zip(found, right, strict=True):
        if not close(g, e, tolerance):
            if not g.any():
                raise Wrong(f"{where}the value is right, but its gradient is lost on the way")
            if not e.any():
                raise Wrong(f"{where}a gradient flows where none may flow: detach, or no_grad()")
            raise Wrong(f"{where}the value is right, but its gradient is not")


def fresh(arguments: tuple | Callable[[], tuple]) -> tuple:
    """Return arguments that share nothing with those of another call."""
    return arguments() if callable(arguments) else copy.deepcopy(arguments)


def tensors(thing: Any) -> list[Tensor]:
    """Return the tensors in arguments: their own, and the parameters of networks."""
    if isinstance(thing, Tensor):
        return [thing]
    if isinstance(thing, torch.nn.Module):
        return list(thing.parameters())
    if isinstance(thing, dict):
        thing = list(thing.values())
    return [t for part in thing for t in tensors(part)] if isinstance(thing, list | tuple) else []


def _gradients(result: Any, leaves: list[Tensor]) -> list[Tensor]:
    """Return the gradient of a fixed weighted sum of a result; where no way leads, it is 0."""
    outputs = [t for t in tensors(result) if t.requires_grad]
    if not outputs:
        return [torch.zeros_like(leaf) for leaf in leaves]
    total = sum((t * torch.linspace(1, 2, t.numel()).reshape(t.shape)).sum() for t in outputs)
    found = iter(
        torch.autograd.grad(total, [t for t in leaves if t.requires_grad], allow_unused=True)
    )
    gradients = [next(found) if t.requires_grad else None for t in leaves]
    return [torch.zeros_like(t) if g is None else g for g, t in zip(gradients, leaves, strict=True)]


def _same(given: Any, expected: Any, what: str, tolerance: float) -> None:
    """Raise `Wrong` unless two results agree; lists and arrays are as good as tensors."""
    if expected is None:
        return
    if isinstance(expected, dict):
        if not isinstance(given, dict) or set(given) != set(expected):
            raise Wrong(f"{what} must be a dict with the keys {sorted(map(str, expected))}")
        for key, value in expected.items():
            _same(given[key], value, f"{what}[{key!r}]", tolerance)
    elif isinstance(expected, tuple | list):
        if not isinstance(given, Tensor | np.ndarray | tuple | list) or len(given) != len(expected):
            raise Wrong(f"{what} must hold {len(expected)} things, but is {written(given)}")
        for number, value in enumerate(expected):
            _same(given[number], value, f"{what}[{number}]", tolerance)
    elif isinstance(expected, Tensor):
        given = expect_tensor(given, tuple(expected.shape), what)
        if given.requires_grad and not expected.requires_grad:
            raise Wrong(f"{what} carries a gradient, and should not: detach it")
        whole = not expected.is_floating_point()
        if whole and given.is_floating_point():
            raise Wrong(f"{what} must be of type {expected.dtype}, but is {given.dtype}")
        if not close(given, expected, tolerance):
            _name_first(given.detach(), expected.detach(), what, tolerance)
    elif isinstance(expected, bool | str):
        if isinstance(given, Tensor | np.ndarray) and np.prod(given.shape) == 1:
            given = given.item()
        if isinstance(given, Tensor | np.ndarray) or given != expected:
            raise Wrong(f"{what} should be {expected}, but is {written(given)}")
    elif not close(expect_number(given, what), expected, tolerance):
        raise Wrong(f"{what} should be {written(expected)}, but is {written(given)}")


def _name_first(given: Tensor, expected: Tensor, what: str, tolerance: float) -> None:
    """Raise `Wrong` with all numbers of small tensors, with the first wrong one of others."""
    if expected.numel() > 8:
        pairs = torch.stack([given.double().flatten(), expected.double().flatten()], 1)
        wrong = [not close(a, b, tolerance) for a, b in pairs]
        place = [int(i) for i in torch.unravel_index(torch.tensor(wrong.index(True)), given.shape)]
        what = f"{what} at [{', '.join(map(str, place))}]"
        given, expected = given[tuple(place)], expected[tuple(place)]
    raise Wrong(f"{what} should be {written(expected)}, but is {written(given)}")


def _left_alike(one: Any, other: Any, tolerance: float) -> bool:
    """Tell whether two copies of an argument hold the same after two calls.

    A network may have been frozen meanwhile, or have gradients in it; its weights must agree.
    """
    if isinstance(one, torch.nn.Module):
        one, other = (list(network.state_dict().values()) for network in (one, other))
    if isinstance(one, Tensor):
        if not isinstance(other, Tensor) or one.dtype != other.dtype:
            return False
        marks = [t.is_leaf and (t.requires_grad, t.grad is None) for t in (one, other)]
        finite = (t.nan_to_num(nan=9e9) for t in (one, other))
        return marks[0] == marks[1] and close(*finite, tolerance)
    if isinstance(one, dict):
        one, other = (list(thing.items()) for thing in (one, other))
    if isinstance(one, list | tuple):
        pairs = zip(one, other, strict=False)
        return len(one) == len(other) and all(_left_alike(a, b, tolerance) for a, b in pairs)
    return not isinstance(one, int | float | str | type(None)) or one == other


def written(thing: Any) -> str:
    """Write an input or a result for a learner: small tensors in full, large ones by shape."""
    if isinstance(thing, Tensor):
        thing = thing.detach()
        if thing.numel() > 40:
            return f"a {str(thing.dtype).removeprefix('torch.')} tensor {tuple(thing.shape)}"
        return written(thing.tolist())
    if isinstance(thing, list | tuple):
        inside = ", ".join(written(part) for part in thing)
        if len(inside) > 400:
            return f"a {type(thing).__name__} of {len(thing)}"
        return f"[{inside}]" if isinstance(thing, list) else f"({inside})"
    if isinstance(thing, dict):
        return "{" + ", ".join(f"{key}: {written(value)}" for key, value in thing.items()) + "}"
    if isinstance(thing, float):
        return f"{thing:.4g}"
    if thing is None or isinstance(thing, bool | int | str):
        return str(thing)
    return getattr(thing, "__name__", f"a {type(thing).__name__}")
