"""No change of a reference solution passes a check, but those that say the same in another way."""

import signal

import pytest
import torch
from equivalent_mutants import EQUIVALENT

from dqngan_lib.exercises import find
from dqngan_lib.exercises.base import Exercise
from tools import mutants
from tools.cells import courses
from tools.mutants import survivors

TRAINED = {"03.4"}
"""Boss tasks ask for a result: other settings that reach it are right, too."""

pytestmark = pytest.mark.skipif(
    not hasattr(signal, "setitimer"), reason="Windows cannot stop a mutant that never ends"
)


@pytest.fixture(autouse=True)
def one_thread():
    """The mutants are small; more threads only get into each other's way."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [name for c in courses().values() for name in c.names if name not in TRAINED]
)
def test_what_passes_a_check_is_right(name):
    found, count = survivors(name)
    assert count >= 10
    known = EQUIVALENT.get(find(name).solution.__name__, {})
    assert sorted(found) == sorted(what for group in known.values() for what in group)


def test_every_equivalent_change_belongs_to_a_solution():
    names = {find(name).solution.__name__ for c in courses().values() for name in c.names}
    assert set(EQUIVALENT) <= names


# --- the tool itself ------------------------------------------------------------------------------


def half(x: float, y: float) -> float:
    """Return half of the sum, or 0."""
    return max(0.0, (x + y) / 2)


def test_the_tool_finds_what_a_lax_check_lets_through(monkeypatch):
    def check(answer):
        """Look at positive numbers alone."""
        assert answer(2.0, 4.0) == 3.0

    exercise = Exercise("99.1", check, ("half(x, y)",), half)
    monkeypatch.setattr(mutants, "find", lambda name: exercise)
    monkeypatch.setattr("dqngan_lib.exercises.find", lambda name: exercise)
    found, count = survivors("99.1")
    assert "return (x + y) / 2" in found  # without the max
    assert "return max(1.0, (x + y) / 2)" in found
    assert "return max(0.0, (x - y) / 2)" not in found
    assert "return max(0.0, (x + y) * 2)" not in found
    assert count > len(found)


def endless(x: int) -> int:
    """Count down to 0."""
    while x > 0:
        x = x - 1
    return x


def test_a_mutant_that_never_ends_is_stopped(monkeypatch):
    monkeypatch.setattr(mutants, "SECONDS", 0.2)

    def check(answer):
        assert answer(3) == 0

    exercise = Exercise("99.1", check, ("endless(x)",), endless)
    monkeypatch.setattr(mutants, "find", lambda name: exercise)
    monkeypatch.setattr("dqngan_lib.exercises.find", lambda name: exercise)
    found, _ = survivors("99.1")
    assert "x = x + 1" not in found


@pytest.mark.parametrize(
    ("line", "changed"),
    [
        ("return x.clamp(0, 1)", {"return x.clamp(min=0)", "return x.clamp(max=1)", "return x"}),
        ("return x & y", {"return x | y", "return x ^ y", "return x", "return y"}),
        ("return x.max(1).values", {"return x.min(1).values", "return x.max(1).indices"}),
        ("return f(x, y)", {"return f(y, x)", "return f(x)", "return x"}),
        ("return x if x < y else y", {"return x", "return y", "return x if x <= y else y"}),
        ("return -x", {"return x"}),
        ("x += y", {"x -= y", "x = y", "pass"}),
    ],
)
def test_the_changes_are_those_that_people_make(line, changed):
    tree = mutants.ast.parse(f"def g(x, y):\n    {line}")
    found = {
        mutants.ast.unparse(new).splitlines()[-1].strip()
        for new in mutants.changed_trees(tree, False)
    }
    assert changed <= found


def test_losing_a_gradient_is_among_them_where_it_is_asked_for():
    tree = mutants.ast.parse("def g(x):\n    return 2 * x")
    for asked in (True, False):
        texts = [mutants.ast.unparse(new) for new in mutants.changed_trees(tree, asked)]
        assert any("detached(x)" in text for text in texts) == asked
