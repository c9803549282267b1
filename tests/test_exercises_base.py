"""What `check`, `hint` and `solution` say, whatever they are given."""

import functools
import random
import sys
import types

import numpy as np
import pytest
import torch

from dqngan_lib import exercises
from dqngan_lib.exercises import check, find, hint, judge, solution, stages
from dqngan_lib.exercises.base import (
    Case,
    Exercise,
    Wrong,
    close,
    compare,
    expect_number,
    expect_tensor,
    is_empty,
    normal,
    written,
)


def double(x: float) -> float:
    """Return twice x."""
    return 2 * x  # the reference


def check_double(answer) -> None:
    """Compare with sums."""
    for x in (1.0, -3.0):
        found = expect_number(answer(x), "the result")
        if not close(found, x + x):
            raise Wrong(f"twice {x} is {x + x}, not {found}")


@pytest.fixture(autouse=True)
def notebook_99(monkeypatch):
    """Add a notebook with two exercises for a while."""
    module = types.ModuleType("dqngan_lib.exercises.notebook_99")
    module.EXERCISES = (
        Exercise("99.1", check_double, ("first", "second"), double, "You can double."),
        Exercise("99.2", check_double, ("only",), double),
    )
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(exercises, "_hints_shown", {})
    monkeypatch.setattr(exercises, "_last_mistake", {})
    monkeypatch.delenv("COURSE_STRICT", raising=False)


# --- not attempted ------------------------------------------------------------------------------


def stub_with_docstring(x: torch.Tensor, discount: float = 0.9) -> torch.Tensor:
    """Return something.

    Args:
        x: float `(batch,)`.
        discount: γ.
    """
    ...


def stub(x: int) -> int: ...
def stub_with_pass(x):
    pass


def stub_with_return(x):
    return


def stub_with_return_none(x):
    return None


def stub_with_return_dots(x):
    return ...


def stub_with_docstring_alone(x):
    """Return something."""


def stub_with_other_arguments(*arguments, key: dict[str, int] | None = None, **more): ...


@torch.no_grad()
def decorated_stub(x):
    """Return something."""
    ...


def make_stub_that_sees(outside):
    def stub_inside(x):
        """Return something."""
        ...

    return stub_inside


STUBS = [
    stub,
    stub_with_docstring,
    stub_with_pass,
    stub_with_return,
    stub_with_return_none,
    stub_with_return_dots,
    stub_with_docstring_alone,
    stub_with_other_arguments,
    decorated_stub,
    make_stub_that_sees(1),
    lambda x: ...,
    lambda x: None,
]


@pytest.mark.parametrize("function", STUBS)
def test_a_stub_is_not_attempted(function, capsys):
    assert is_empty(function)
    assert judge("99.1", function)[0] == "not attempted"
    check("99.1", function)
    assert capsys.readouterr().out == (
        "○ 99.1 not attempted: replace the ... in the cell with your code, then run it again\n"
    )


def raises(x):
    raise NotImplementedError


def returns_argument(x):
    return x


def has_a_loop_only(x):
    for _ in range(3):
        pass


def yields(x):
    yield x


def calls(x):
    print(end="")


def stores(x):
    y = ...  # noqa: F841


class Callable:
    """Has no code of its own."""

    def __call__(self, x):
        """Return nothing."""


@pytest.mark.parametrize(
    "function",
    [
        double,
        raises,
        returns_argument,
        has_a_loop_only,
        yields,
        calls,
        stores,
        Callable(),
        abs,
        functools.partial(double),
        lambda x: 0,
        lambda x: False,
        lambda x: "",
        lambda x: (),
        lambda x: x,
        lambda x: torch.zeros(3),
    ],
)
def test_an_attempt_is_not_taken_for_a_stub(function):
    assert not is_empty(function)
    assert judge("99.1", function)[0] != "not attempted"


# --- right and wrong ----------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [double, lambda x: x + x, functools.partial(np.multiply, 2)])
def test_right_answers_are_praised(answer, capsys):
    assert judge("99.1", answer) == ("right", "You can double.")
    check("99.1", answer)
    check("99.2", answer)
    assert capsys.readouterr().out == "✓ 99.1 right: You can double.\n✓ 99.2 right\n"


def divides_by_zero(x):
    y = x
    return y / 0


def helper(x):
    return [x][5]


def fails_in_a_helper(x):
    return helper(x)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda x: x * x, "twice 1.0 is 2.0, not 1.0"),
        (lambda x: print(end=""), "the result: your function returned None. Is `return` missing?"),
        (lambda x: "2", "the result must be one number, but is a str"),
        (lambda x: torch.ones(2), "the result must be one number, but is a Tensor"),
        (2.0, "pass the function itself, double, not its result"),
        (None, "pass the function itself, double, not its result"),
        (double(1), "pass the function itself, double, not its result"),
    ],
)
def test_a_wrong_answer_is_told_its_mistake(answer, message, capsys):
    check("99.1", answer)
    inputs = "\n  The inputs were\n    x = 1" if callable(answer) else ""
    assert capsys.readouterr().out == f"✗ 99.1 wrong: {message}{inputs}\n"


def exits(x):
    sys.exit(1)


def too_many_arguments(x, y):
    return x


@pytest.mark.parametrize(
    ("answer", "parts"),
    [
        (divides_by_zero, ["ZeroDivisionError", "in line 3 of your function: return y / 0"]),
        (fails_in_a_helper, ["IndexError: list index", "in line 2 of your function: return help"]),
        (raises, ["NotImplementedError", "in line 2"]),
        (exits, ["SystemExit: 1", "in line 2"]),
        (too_many_arguments, ["TypeError", "missing 1 required positional argument: 'y'"]),
        (abs, ["wrong"]),
    ],
)
def test_an_answer_that_raises_is_wrong_and_is_told_where(answer, parts, capsys):
    check("99.1", answer)
    out = capsys.readouterr().out
    assert out.startswith("✗ 99.1 wrong: ")
    for part in parts:
        assert part in out


def test_stopping_an_endless_answer_is_no_answer():
    def interrupted(x):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check("99.1", interrupted)


def test_an_answer_does_not_change_the_random_numbers_of_the_notebook():
    def restless(x):
        torch.manual_seed(7)
        np.random.seed(7)
        random.seed(7)
        return 2 * x + 0 * (torch.rand(1).item() + np.random.rand() + random.random())

    def numbers():
        return torch.rand(3).tolist(), np.random.rand(3).tolist(), random.random()

    def seed_all():
        torch.manual_seed(0)
        np.random.seed(0)
        random.seed(0)

    seed_all()
    undisturbed = numbers()
    for answer, verdict in ((restless, "right"), (lambda x: restless(x) / 0, "wrong")):
        seed_all()
        assert judge("99.1", answer)[0] == verdict
        assert numbers() == undisturbed


def test_strict_raises_unless_right(monkeypatch, capsys):
    monkeypatch.setenv("COURSE_STRICT", "1")
    check("99.1", double)
    assert capsys.readouterr().out.startswith("✓ 99.1 right")
    with pytest.raises(AssertionError, match=r"✗ 99\.1 wrong: twice"):
        check("99.1", lambda x: x)
    with pytest.raises(AssertionError, match=r"○ 99\.1 not attempted"):
        check("99.1", stub)
    monkeypatch.setenv("COURSE_STRICT", "0")
    check("99.1", stub)


# --- random inputs and stages -------------------------------------------------------------------


def scaled(x: torch.Tensor, by: float, notes: list) -> torch.Tensor:
    """Return x times a number."""
    return x * by


def cases_scaled(rng):
    yield Case("some numbers", (normal(rng, 3), 2.0, [1]))
    yield Case("a batch of 1", (normal(rng, 1), -1.0, [1]))
    yield Case("a gradient", (normal(rng, 4).requires_grad_(), 3.0, [1]))


def check_scaled(answer):
    if not close(answer(torch.ones(2), 3.0, []), [3.0, 3.0]):
        raise Wrong("three times 1 is 3")


@pytest.fixture
def scaling(monkeypatch):
    """Add an exercise with cases for a while."""
    module = types.ModuleType("dqngan_lib.exercises.notebook_98")
    module.EXERCISES = (Exercise("98.1", check_scaled, ("x * by",), scaled, cases=cases_scaled),)
    monkeypatch.setitem(sys.modules, module.__name__, module)


def spoils_x(x, by, notes):
    with torch.no_grad():
        return x.mul_(by)


def spoils_notes(x, by, notes):
    notes.append(2)
    return x * by


def freezes(x, by, notes):
    return x.requires_grad_(False) * by


@pytest.mark.parametrize(
    ("answer", "message", "passed"),
    [
        (scaled, "", 4),
        (lambda x, by, notes: by * x + 0, "", 4),
        (lambda x, by, notes: x * 3, "other inputs (some numbers) the result should be [", 2),
        (lambda x, by, notes: (x * by).squeeze(), "(a batch of 1) the result must have shape", 3),
        (lambda x, by, notes: x.detach() * by, "(a gradient) the value is right, but its grad", 3),
        (lambda x, by, notes: (x * by).tolist(), "(a gradient) the value is right, but its", 3),
        (lambda x, by, notes: (x * by).abs(), "(some numbers) the result should be", 1),
        (lambda x, by, notes: x + 2, "(some numbers) the result should be", 1),
        (lambda x, by, notes: torch.zeros(7), "three times 1 is 3", 0),
        (spoils_x, "your function changes x, which it was given", 1),
        (spoils_notes, "your function changes notes, which it was given", 1),
        (freezes, "your function changes x, which it was given", 3),
        (lambda x, by, notes: x / 0 if len(x) == 1 else x[9], "IndexError", 0),
    ],
)
def test_random_inputs_find_what_the_worked_example_does_not(scaling, answer, message, passed):
    verdict, said = judge("98.1", answer)
    assert (verdict == "right") == (passed == 4)
    assert message in said
    assert stages("98.1", answer) == (passed, 4)


def test_drawing_inputs_does_not_change_the_random_numbers_of_the_notebook():
    answer = find("02.3").solution
    torch.manual_seed(0)
    undisturbed = torch.rand(3)
    for ask in (judge, stages):
        torch.manual_seed(0)
        ask("02.3", answer)
        assert torch.equal(torch.rand(3), undisturbed)


def test_another_seed_draws_other_inputs(scaling):
    seen = {}

    def watched(x, by, notes):
        seen.setdefault(seed, []).append(x.tolist())
        return x * by

    for seed in (0, 0, 1):
        assert judge("98.1", watched, seed)[0] == "right"
    assert seen[0][: len(seen[0]) // 2] == seen[0][len(seen[0]) // 2 :]
    assert seen[0][1:4] != seen[1][1:4]


def test_the_inputs_of_the_call_that_failed_are_shown(scaling, capsys):
    check("98.1", lambda x, by, notes: (x * by).squeeze())
    assert "The inputs were\n    x = [" in capsys.readouterr().out
    check("98.1", scaled)
    assert "inputs" not in capsys.readouterr().out


@pytest.mark.parametrize("answer", [None, 2.0, stub])
def test_no_answer_passes_no_stage(scaling, answer):
    assert stages("98.1", answer) == (0, 4)


def test_a_network_may_be_frozen_but_not_trained():
    network = torch.nn.Linear(2, 1)

    def reference(network, x):
        return network(x).detach()

    def freezes(network, x):
        return network.requires_grad_(False)(x)

    def trains(network, x):
        result = network(x).detach()
        with torch.no_grad():
            network.weight += 1
        return result

    case = Case("a network", (network, torch.ones(3, 2)))
    compare(freezes, reference, case)
    with pytest.raises(Wrong, match="changes network"):
        compare(trains, reference, case)
    with pytest.raises(Wrong, match="carries a gradient"):
        compare(lambda network, x: network(x), reference, case)


def test_a_gradient_may_not_flow_where_none_flows():
    case = Case("both", (torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)))
    with pytest.raises(Wrong, match="a gradient flows where none may flow"):
        compare(lambda x, y: x * y, lambda x, y: x * y.detach(), case)
    with pytest.raises(Wrong, match="but its gradient is not"):
        compare(lambda x, y: x + y + (x - x.detach()), lambda x, y: x + y, case)


def test_what_a_reference_changes_must_be_changed_alike():
    def moves(x):
        x += 1

    case = Case("in place", (torch.ones(2),))
    compare(lambda x: x.add_(1), moves, case)
    for answer in (lambda x: None, lambda x: x.add_(2)):
        with pytest.raises(Wrong, match="x is not what it should be after the call"):
            compare(answer, moves, case)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"a": 1}, {"a": 2}),
        ({"a": 1}, {"b": 1}),
        ([1], {"a": 1}),
        ((1, 2), (1, 3)),
        ((1,), (1, 2)),
        (1.0, 2.0),
        ("a", 2.0),
        (True, False),
        (torch.ones(2), torch.ones(3)),
        (torch.ones(2), torch.ones(2, dtype=torch.int64)),
        (torch.arange(9.0), torch.arange(9.0).flip(0)),
        (torch.tensor([True, True]), False),
        (torch.tensor(True), False),
        (None, 1.0),
    ],
)
def test_results_of_every_kind_are_compared(given, expected):
    case = Case("anything", (0,))
    compare(lambda x: expected, lambda x: expected, case)
    compare(lambda x: torch.tensor([True]), lambda x: True, case)
    with pytest.raises(Wrong):
        compare(lambda x: given, lambda x: expected, case)


@pytest.mark.parametrize(
    ("thing", "words"),
    [
        (torch.tensor([[1.0, 0.33333], [True, 2]]), "[[1, 0.3333], [1, 2]]"),
        (torch.zeros(9, 9), "a float32 tensor (9, 9)"),
        ({"a": (1, [2.0])}, "{a: (1, [2])}"),
        (torch.nn.Linear(1, 1), "a Linear"),
        ([1.23456] * 100, "a list of 100"),
        (None, "None"),
        (close, "close"),
    ],
)
def test_inputs_are_written_for_people(thing, words):
    assert written(thing) == words


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda x: 0.5 * torch.ones(1, 2).max(1), "take `.values`"),
        (lambda x: torch.ones(2) + torch.ones(1, 2).max(1), "take `.values`"),
        (lambda x: torch.ones(1, 2).max(1) + torch.ones(2), "take `.values`"),
        (lambda x: torch.ones(1, 2).max(1) * torch.ones(2), "take `.values`"),
        (lambda x: torch.ones(1, 2).max(1).abs(), "take `.values`"),
        (lambda x: 1 - torch.tensor([True]), "~flag turns it round"),
        (lambda x: not torch.tensor([True, False]), "want one truth value"),
        (lambda x: torch.ones(2).dot(torch.ones(2).double()), "numbers of two types"),
        (lambda x: torch.ones(1, 2) @ torch.ones(2, 1).double(), "numbers of two types"),
        (lambda x: torch.arange(3).mean(), "`.float()`"),
        (lambda x: torch.ones(2)[torch.ones(1)], "`.long()`"),
        (lambda x: torch.ones(1, 2).gather(1, torch.zeros(1, 1)), "`.long()`"),
        (lambda x: torch.ones(1, 2).gather(1, torch.tensor([0])), "`.unsqueeze(1)` adds one"),
        (lambda x: torch.ones(2) + torch.ones(3), "print them with `.shape`"),
        (lambda x: torch.ones(2).sum(3), "print its `.shape`"),
        (lambda x: np.ones(2).clone(), "torch.as_tensor"),
        (lambda x: torch.ones(1).backward(), "was it detached"),
        (
            lambda x: torch.autograd.grad(torch.ones(1, requires_grad=True).sum(), torch.ones(1)),
            "a weight that is frozen",
        ),
        (lambda: 1, "arguments of the cell"),
        (lambda x: torch.nn.ReLU(place=1)(x), "what your line calls takes other arguments"),
    ],
)
def test_errors_of_torch_are_put_into_words(answer, words):
    verdict, message = judge("99.1", answer)
    assert verdict == "wrong"
    assert words in message.partition("What that means: ")[2]


def test_an_error_without_a_meaning_stays_as_it_is():
    assert "What" not in judge("99.1", fails_in_a_helper)[1]


# --- hints, solutions, names --------------------------------------------------------------------


def test_hints_come_one_at_a_time_and_begin_again(capsys):
    for name in ("99.1", "99.2", "99.1", "99.1"):
        hint(name)
    assert capsys.readouterr().out.splitlines() == [
        "Hint 1 of 2 for 99.1: first",
        "Hint 1 of 1 for 99.2: only",
        "That was the last hint; the next call begins again.",
        "Hint 2 of 2 for 99.1: second",
        "That was the last hint; the next call begins again.",
        "Hint 1 of 2 for 99.1 (from the beginning): first",
    ]


def test_a_hint_follows_the_last_mistake(monkeypatch, capsys):
    def check_flags(answer):
        raise Wrong("row 2 is truncated, not terminated")

    hints = ("Begin with the reward.", "What does truncated say?", "Take a mean.", "x = 1")
    module = types.ModuleType("dqngan_lib.exercises.notebook_97")
    module.EXERCISES = (Exercise("97.1", check_flags, hints, double),)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    check("97.1", double)
    capsys.readouterr()
    for _ in range(4):
        hint("97.1")
    said = [line.partition(": ")[2] for line in capsys.readouterr().out.splitlines()]
    assert said[:4] == [hints[1], hints[0], hints[2], hints[3]]


def test_numbers_may_lack_their_zero(capsys):
    assert find("2.1") is find("02.1")
    check("2.1", find("2.1").solution)
    assert capsys.readouterr().out.startswith("✓ 02.1 right")


def test_in_a_notebook_the_solution_is_coloured(monkeypatch):
    shown = []
    monkeypatch.setitem(sys.modules, "ipykernel", types.ModuleType("ipykernel"))
    monkeypatch.setattr("IPython.display.display", shown.append)
    solution("02.1")
    assert "def taken_q_values(" in shown[0].data
    assert "class=" in shown[0]._repr_html_()


def test_the_solution_says_why(capsys):
    solution("02.2")
    assert "Why it is right: ~terminated is 0 where" in capsys.readouterr().out


def test_the_solution_is_the_source_that_is_tested(capsys):
    solution("99.1")
    out = capsys.readouterr().out
    assert out.startswith("def double(x: float) -> float:\n")  # it needs nothing else
    assert "return 2 * x  # the reference" in out


@pytest.mark.parametrize("function", [find, hint, solution, lambda name: check(name, double)])
@pytest.mark.parametrize("name", ["98.1", "x", "", 98.1, None, "99/1", "../secret"])
def test_an_unknown_notebook_is_named(function, name):
    with pytest.raises(ValueError, match=r"exercise names look like '02\.1'"):
        function(name)


@pytest.mark.parametrize("name", ["99.3", "99", "99.", "99.10", 99.1])
def test_an_unknown_exercise_is_named_with_those_there_are(name):
    with pytest.raises(ValueError, match=r"one of \['99.1', '99.2'\]; got"):
        find(name)


def test_a_notebook_whose_checks_cannot_be_imported_says_what_is_missing(monkeypatch):
    def import_module(path):
        raise ModuleNotFoundError("No module named 'scipy'", name="scipy")

    monkeypatch.setattr(exercises.importlib, "import_module", import_module)
    with pytest.raises(ModuleNotFoundError, match="scipy"):
        find("99.1")


# --- the tools of a check -----------------------------------------------------------------------


def test_expect_tensor_names_what_it_is_instead():
    value = torch.ones(2, 3)
    assert expect_tensor(value, (2, 3), "y") is value
    for wrong, message in (
        (None, "y: your function returned None. Is `return` missing?"),
        ("1", "y must be a torch tensor, but is a str"),
        ({1.0}, "y must be a torch tensor, but is a set"),
        (torch.ones(2, 3).max(1), "y is a pair: `.max(1)`, `.min(1)` and the like return values"),
        (torch.ones(3, 2), "y must have shape (2, 3), but has (3, 2)"),
        (torch.ones(6), "y must have shape (2, 3), but has (6,)"),
    ):
        with pytest.raises(Wrong) as error:
            expect_tensor(wrong, (2, 3), "y")
        assert str(error.value).startswith(message)


def test_expect_tensor_takes_lists_and_arrays():
    for value in (
        np.ones((2, 3)),
        [[1.0] * 3] * 2,
        [(1, 1, 1), (1, 1, 1)],
        [list(torch.ones(3))] * 2,
    ):
        assert torch.equal(expect_tensor(value, (2, 3), "y").float(), torch.ones(2, 3))
    assert expect_tensor(2.0, (), "y") == 2


def test_expect_number_takes_any_one_number():
    for value in (
        2,
        2.0,
        True + 1,
        np.float32(2),
        np.array(2),
        torch.tensor(2),
        torch.tensor([2.0]),
    ):
        assert expect_number(value, "y") == 2.0
    for wrong in ([2], "2", torch.ones(2), {}, 2j):
        with pytest.raises(Wrong, match="y must be one number"):
            expect_number(wrong, "y")


def test_close_compares_numbers_and_shapes():
    assert close(1.0, 1.00005)
    assert not close(1.0, 1.001)
    assert close(1.0, 1.001, tolerance=0.01)
    assert close(1e6, 1e6 + 50)
    assert close(torch.tensor([1, 2]), np.array([1.0, 2.0]))
    assert close(torch.ones(2, requires_grad=True), [1.0, 1.0])
    assert not close(torch.ones(2, 1), torch.ones(2))
    assert not close(1.0, [1.0])
    assert not close(float("nan"), 1.0)
    assert close([True, False], [1, 0])
