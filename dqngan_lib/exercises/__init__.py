"""Exercises: `check` an answer, ask for a `hint`, read the `solution`.

`check` never raises and never stops Run All: it says *not attempted*, *right*, or *wrong* with
the mistake named. With the environment variable `COURSE_STRICT=1` it raises unless the answer
is right; the tests of the teacher's copies use that.
"""

import importlib
import inspect
import os
import traceback
from collections.abc import Callable
from typing import Any

from dqngan_lib.course.runtime import say
from dqngan_lib.exercises.base import Exercise, Wrong, chance_as_before, is_empty

_hints_shown: dict[str, int] = {}
_right_answers: dict[str, Callable[..., Any]] = {}
"""What `check` has found right in this session; `yours` returns it."""


def find(name: str) -> Exercise:
    """Return an exercise by its number, such as "02.1".

    Raises:
        ValueError: There is no such exercise; the error lists those there are.
    """
    notebook = str(name).partition(".")[0]
    path = f"dqngan_lib.exercises.notebook_{notebook}"
    try:
        module = importlib.import_module(path)
    except ModuleNotFoundError as error:
        if error.name != path:  # the module is there, but something that it needs is not
            raise
        raise ValueError(
            f"no exercises for notebook {notebook!r}; exercise names look like '02.1'"
        ) from error
    exercises = {exercise.name: exercise for exercise in module.EXERCISES}
    if name not in exercises:
        raise ValueError(f"exercise must be one of {sorted(exercises)}; got {name!r}")
    return exercises[name]


def judge(name: str, answer: Callable[..., Any]) -> tuple[str, str]:
    """Return "right", "wrong" or "not attempted", and a message that says why.

    The random numbers that come afterwards are those that would have come without it.

    Args:
        name: The exercise, such as "02.1".
        answer: The learner's function.
    """
    exercise = find(name)
    if not callable(answer):
        return "wrong", f"pass the function itself, {exercise.solution.__name__}, not its result"
    if is_empty(answer):
        return "not attempted", "replace the ... in the cell with your code, then run it again"
    try:
        with chance_as_before():
            exercise.check(answer)
    except Wrong as mistake:
        return "wrong", str(mistake)
    except (Exception, SystemExit) as error:
        return "wrong", f"your function raised {_where(error, answer)}"
    return "right", exercise.praise


def _where(error: BaseException, answer: Callable[..., Any]) -> str:
    """Describe an error, with the line of the answer in which it arose."""
    code = getattr(answer, "__code__", None)
    text = f"{type(error).__name__}: {error}"
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if code is not None and frame.name == code.co_name and frame.filename == code.co_filename:
            line = (frame.lineno or 0) - code.co_firstlineno + 1
            return (
                f"{text} (in line {line} of your function{': ' + frame.line if frame.line else ''})"
            )
    return text


def check(name: str, answer: Callable[..., Any]) -> None:
    """Print whether an answer is right and, if not, what is wrong with it.

    Args:
        name: The exercise, such as "02.1".
        answer: The learner's function.

    Raises:
        AssertionError: Only with `COURSE_STRICT=1`, when the answer is not right.
        ValueError: There is no such exercise.
    """
    verdict, message = judge(name, answer)
    if verdict == "right":
        _right_answers[name] = answer
    else:
        _right_answers.pop(name, None)
    sign = {"right": "✓", "wrong": "✗", "not attempted": "○"}[verdict]
    text = f"{sign} {name} {verdict}" + (f": {message}" if message else "")
    if os.environ.get("COURSE_STRICT") == "1" and verdict != "right":
        raise AssertionError(text)
    say(text)


def yours(name: str) -> Callable[..., Any]:
    """Return your own answer if its last check said ✓, else the course's, and say which.

    Args:
        name: The exercise, such as "02.1".

    Raises:
        ValueError: There is no such exercise.
    """
    exercise = find(name)
    own = _right_answers.get(name)
    whose = "your own" if own else "the course's"
    say(f"{name}: with {whose} {exercise.solution.__name__}")
    return own or exercise.solution


def hint(name: str) -> None:
    """Print the next hint for an exercise; after the last one they begin again."""
    hints = find(name).hints
    shown = _hints_shown.get(name, 0) % len(hints)
    _hints_shown[name] = shown + 1
    say(f"Hint {shown + 1} of {len(hints)} for {name}: {hints[shown]}")


def solution(name: str) -> None:
    """Print the source of the reference solution, the one that the course's tests run."""
    say(inspect.getsource(find(name).solution))
