"""What an exercise is, and the tools with which its check names a mistake."""

import dis
import inspect
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import Parameter


class Wrong(Exception):
    """An answer is wrong; the message names the mistake in words for the learner."""


@dataclass(frozen=True)
class Exercise:
    """One exercise of a notebook."""

    name: str
    """Number of the notebook, a dot, number of the exercise: "02.1"."""
    check: Callable[[Callable[..., Any]], None]
    """Calls the learner's function and raises `Wrong` with the mistake named."""
    hints: tuple[str, ...]
    """From a nudge to nearly the answer; at least one."""
    solution: Callable[..., Any]
    """A right answer; its source is what `solution` shows."""
    praise: str = ""
    """What a right answer has shown, in a sentence."""


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
    """Return `value` if it is a tensor of the shape, else say what it is instead.

    Raises:
        Wrong: It is not.
    """
    if value is None:
        raise Wrong(f"{what}: your function returned None. Is `return` missing?")
    if not isinstance(value, Tensor) or not _is_plain(value):
        raise Wrong(f"{what} must be a torch tensor, but is a {type(value).__name__}")
    if tuple(value.shape) != tuple(shape):
        raise Wrong(f"{what} must have shape {tuple(shape)}, but has {tuple(value.shape)}")
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
