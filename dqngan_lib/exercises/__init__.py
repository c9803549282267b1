"""Exercises: `check` an answer, ask for a `hint`, read the `solution`, see your `progress`.

`check` never raises and never stops Run All: it says *not attempted*, *right*, or *wrong* with
the mistake named. With the environment variable `COURSE_STRICT=1` it raises unless the answer
is right; the tests of the teacher's copies use that.
"""

import importlib
import inspect
import os
import re
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from torch import Tensor

from dqngan_lib.course.runtime import say
from dqngan_lib.exercises.base import (
    Exercise,
    Wrong,
    chance_as_before,
    converted,
    is_empty,
    stages_of,
    written,
)
from dqngan_lib.exercises.record import note, progress  # noqa: F401
from dqngan_lib.exercises.words import explained, show_code, standalone

_hints_shown: dict[str, list[str]] = {}
"""Which hints of each exercise have been given since they began."""
_last_mistake: dict[str, str] = {}
"""What the last check said to a wrong answer, by exercise."""
_right_answers: dict[str, Callable[..., Any]] = {}
"""What the last check found right, by exercise; `yours` returns it."""
_COMMON = {"with", "that", "this", "from", "must", "each", "your", "yours", "their", "which"}
"""Words that say nothing about a mistake."""


def find(name: str) -> Exercise:
    """Return an exercise by its number, such as "02.1"; "2.1" is understood, too.

    Raises:
        ValueError: There is no such exercise; the error lists those there are.
    """
    if isinstance(name, str) and name[:2].rstrip(".").isdigit():
        name = name if name[:2].isdigit() else f"0{name}"
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


def judge(name: str, answer: Callable[..., Any], seed: int = 0) -> tuple[str, str]:
    """Return "right", "wrong" or "not attempted", and a message that says why.

    The random numbers that come afterwards are those that would have come without it.

    Args:
        name: The exercise, such as "02.1".
        answer: The learner's function.
        seed: Of the random inputs on which the answer must agree with the solution.
    """
    return _judge(find(name), answer, seed)[:2]


def stages(name: str, answer: Callable[..., Any], seed: int = 0) -> tuple[int, int]:
    """Return how many stages of a check an answer passes, and how many there are.

    All are tried: the worked example first, then each group of random inputs. The answer is
    right when it passes all of them.

    Args:
        name: The exercise, such as "02.1".
        answer: The learner's function.
        seed: Of the random inputs.
    """
    exercise = find(name)
    passed = total = 0
    attempted = callable(answer) and not is_empty(answer)
    with chance_as_before():
        for ask in stages_of(exercise, seed):
            total += 1
            with suppress(Exception, SystemExit):
                if attempted:
                    ask(_recorded(exercise, answer, []))
                    passed += 1
    return passed, total


def _judge(exercise: Exercise, answer: Callable[..., Any], seed: int) -> tuple[str, str, str]:
    """Return the verdict, the message, and the inputs of the call that failed, in words."""
    if not callable(answer):
        name = exercise.solution.__name__
        return "wrong", f"pass the function itself, {name}, not its result", ""
    if is_empty(answer):
        return "not attempted", "replace the ... in the cell with your code, then run it again", ""
    called: list[str] = []
    recorded = _recorded(exercise, answer, called)
    try:
        with chance_as_before():
            for ask in stages_of(exercise, seed):
                ask(recorded)
    except Wrong as mistake:
        return "wrong", str(mistake), "\n".join(called)
    except (Exception, SystemExit) as error:
        where, inside = _where(error, answer)
        message = f"your function raised {where}{explained(error, inside=inside)}"
        return "wrong", message, "\n".join(called)
    return "right", exercise.praise, ""


def _recorded(
    exercise: Exercise, answer: Callable[..., Any], called: list[str]
) -> Callable[..., Any]:
    """Return the answer with what it is called with written down; tensors may come as lists."""
    signature = inspect.signature(exercise.solution)
    names, asked = list(signature.parameters), signature.return_annotation

    def recorded(*arguments: Any, **named: Any) -> Any:
        given = dict(zip(names, arguments, strict=False)) | named
        called[:] = [f"    {key} = {written(value)}" for key, value in given.items()]
        result = answer(*arguments, **named)
        if asked is Tensor:
            return converted(result)
        if asked == tuple[Tensor, Tensor] and isinstance(result, tuple | list):
            return tuple(converted(part) for part in result)
        return result

    return recorded


def _where(error: BaseException, answer: Callable[..., Any]) -> tuple[str, bool]:
    """Describe an error, with the line of the answer in which it arose; say if there is one."""
    code = getattr(answer, "__code__", None)
    first = next(iter(str(error).splitlines()), "")  # some of torch's list all its functions
    text = f"{type(error).__name__}: {first}"
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if code is not None and frame.name == code.co_name and frame.filename == code.co_filename:
            line = (frame.lineno or 0) - code.co_firstlineno + 1
            shown = f": {frame.line}" if frame.line else ""
            return f"{text} (in line {line} of your function{shown})", True
    return text, False


def check(name: str, answer: Callable[..., Any]) -> None:
    """Print whether an answer is right and, if not, what is wrong with it; note it for `progress`.

    Args:
        name: The exercise, such as "02.1".
        answer: The learner's function.

    Raises:
        AssertionError: Only with `COURSE_STRICT=1`, when the answer is not right.
        ValueError: There is no such exercise.
    """
    exercise = find(name)
    verdict, message, inputs = _judge(exercise, answer, 0)
    _last_mistake[exercise.name] = message if verdict == "wrong" else ""
    _right_answers.pop(exercise.name, None)
    if verdict == "right":
        _right_answers[exercise.name] = answer
    sign = {"right": "✓", "wrong": "✗", "not attempted": "○"}[verdict]
    text = f"{sign} {exercise.name} {verdict}" + (f": {message}" if message else "")
    text += f"\n  The inputs were\n{inputs}" if inputs else ""
    if os.environ.get("COURSE_STRICT") == "1" and verdict != "right":
        raise AssertionError(text)
    say(text)
    note(exercise.name, verdict)


def yours(name: str) -> Callable[..., Any]:
    """Return your own answer if its last check said ✓, else the course's, and say which.

    Args:
        name: The exercise, such as "02.1".

    Raises:
        ValueError: There is no such exercise.
    """
    exercise = find(name)
    own = _right_answers.get(exercise.name)
    whose = "your own" if own else "the course's"
    say(f"{exercise.name}: with {whose} {exercise.solution.__name__}")
    return own or exercise.solution


def hint(name: str) -> None:
    """Print the next hint for an exercise: after a mistake, the one that speaks of it.

    The hints end in code; after the last one they begin again.
    """
    exercise = find(name)
    number, shown = len(exercise.hints), _hints_shown.setdefault(exercise.name, [])
    again = len(shown) == number
    if again:
        shown.clear()
    waiting = [text for text in exercise.hints if text not in shown]
    chosen = hint_about(_last_mistake.get(exercise.name, ""), waiting)
    shown.append(chosen)
    begin = " (from the beginning)" if again else ""
    say(f"Hint {len(shown)} of {number} for {exercise.name}{begin}: {chosen}")
    if len(shown) == number:
        say("That was the last hint; the next call begins again.")


def hint_about(mistake: str, hints: Sequence[str]) -> str:
    """Return the hint that has most to do with a mistake, the first of equal ones.

    The last hint is nearly the answer, so a mistake does not lead there while there are others.

    Args:
        mistake: What a check has said; "" for nothing.
        hints: From a nudge to nearly the answer.
    """
    words = _words(mistake)
    return max(hints[:-1] or hints, key=lambda text: len(words & _words(text)))


def _words(text: str) -> set[str]:
    """Return the words and symbols of a message by which a hint can speak of it."""
    words = re.findall(r"[^\W_]+", text.lower())  # next_q_values has three of them
    return {word for word in words if len(word) > 3 or not word.isascii()} - _COMMON


def solution(name: str) -> None:
    """Print the reference solution, with all that it needs, and say why it is right.

    It is the one that the course's tests run. Pasted into a cell, it passes the check.
    """
    exercise = find(name)
    show_code(standalone(exercise.solution))
    if exercise.why:
        say(f"Why it is right: {exercise.why.rstrip('.')}.")
