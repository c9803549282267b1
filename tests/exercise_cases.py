"""What every exercise must pass: wrong answers rejected by name, right ones accepted."""

import ast
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from torch import Tensor

from dqngan_lib.exercises import judge, stages
from dqngan_lib.exercises.base import Exercise
from dqngan_lib.exercises.words import standalone
from tools.cells import courses
from tools.notebooks import notebook_of

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

        @pytest.mark.parametrize("name", by_name)
        def test_hints_end_in_code_and_the_solution_says_why(self, name: str) -> None:
            """The last line of the last hint is Python; one sentence says why it is right."""
            ast.parse(by_name[name].hints[-1].splitlines()[-1])
            assert by_name[name].why

        @pytest.mark.parametrize("name", by_name)
        def test_a_solution_can_be_pasted(self, name: str) -> None:
            """What `solution` shows runs by itself, and defines what the cell asks for."""
            namespace: dict[str, Any] = {}
            exec(standalone(by_name[name].solution), namespace)
            pasted = namespace[courses()[notebook_of(name)].names[name]]
            assert judge(name, pasted)[0] == "right"

        @pytest.mark.parametrize("name", by_name)
        def test_other_seeds_ask_the_same(self, name: str) -> None:
            """Right answers are right and wrong ones wrong whatever inputs are drawn."""
            for seed in (1, 2):
                for answer in (by_name[name].solution, *right[name]):
                    assert judge(name, answer, seed)[0] == "right", judge(name, answer, seed)[1]
            for answer in wrong[name].values():
                passed, total = stages(name, answer, 1)
                assert passed < total
            assert stages(name, by_name[name].solution, 1) == (total, total)
            assert stages(name, _stub) == (0, total)

        @pytest.mark.parametrize("name", by_name)
        def test_lists_and_arrays_are_as_good_as_tensors(self, name: str) -> None:
            """Where a tensor without a gradient is meant, its numbers may come in another form."""
            solution = by_name[name].solution
            if inspect.signature(solution).return_annotation not in (Tensor, tuple[Tensor, Tensor]):
                return

            def as_arrays(result: Any) -> Any:
                if isinstance(result, tuple):
                    return [as_arrays(part) for part in result]
                return result if result.requires_grad else result.numpy()

            def as_lists(result: Any) -> Any:
                if isinstance(result, tuple):
                    return tuple(as_lists(part) for part in result)
                return result if result.requires_grad else result.tolist()

            for form in (as_arrays, as_lists):
                verdict, message = judge(name, lambda *given, f=form: f(solution(*given)))
                assert verdict == "right", message

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
