"""What every exercise must pass: wrong answers rejected by name, right ones accepted."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from dqngan_lib.exercises import judge
from dqngan_lib.exercises.base import Exercise

Answer = Callable[..., Any]


def exercise_tests(
    exercises: Sequence[Exercise],
    wrong: Mapping[str, Mapping[str, Answer]],
    right: Mapping[str, Sequence[Answer]],
) -> type:
    """Return a test class for the exercises of one notebook.

    Args:
        exercises: The module's `EXERCISES`.
        wrong: For each exercise, plausible wrong answers by a piece of the message that must
            name their mistake.
        right: For each exercise, right answers that are written differently from the solution.
    """
    by_name = {exercise.name: exercise for exercise in exercises}
    wrong_cases = [(name, piece, a) for name in wrong for piece, a in wrong[name].items()]
    right_cases = [(name, answer) for name in right for answer in right[name]]

    class TestExercises:
        """The tests."""

        wrong_answers, right_answers = wrong, right  # for docs/teaching.md, and other tests

        def test_enough_answers(self) -> None:
            """Every exercise has five wrong answers and two right ones, and hints."""
            assert set(wrong) == set(right) == set(by_name)
            assert all(len(wrong[name]) >= 5 for name in by_name)
            assert all(len(right[name]) >= 2 for name in by_name)
            assert all(exercise.hints and exercise.praise for exercise in exercises)

        @pytest.mark.parametrize(("name", "piece", "answer"), wrong_cases)
        def test_wrong(self, name: str, piece: str, answer: Answer) -> None:
            """A wrong answer is called wrong, and its mistake is named."""
            verdict, message = judge(name, answer)
            assert verdict == "wrong", message
            assert piece in message

        @pytest.mark.parametrize("name", by_name)
        def test_messages_differ(self, name: str) -> None:
            """No two mistakes of an exercise get the same message."""
            messages = [judge(name, answer)[1] for answer in wrong[name].values()]
            assert len(set(messages)) == len(messages)

        @pytest.mark.parametrize(("name", "answer"), right_cases)
        def test_right(self, name: str, answer: Answer) -> None:
            """A right answer is accepted, whatever its style."""
            assert judge(name, answer)[0] == "right", judge(name, answer)[1]

        @pytest.mark.parametrize("name", by_name)
        def test_solution_stub_and_error(self, name: str) -> None:
            """The solution is right, an empty cell not attempted, an error wrong."""
            assert judge(name, by_name[name].solution)[0] == "right"
            assert judge(name, _stub)[0] == "not attempted"
            verdict, message = judge(name, _raises)
            assert verdict == "wrong"
            assert "IndexError" in message

    return TestExercises


def _stub(*arguments: Any) -> Any:
    """Stand for a cell that nobody has filled in."""
    ...


def _raises(*arguments: Any) -> Any:
    """Stand for an answer with an error in it."""
    return arguments[17]
