"""A class, in every form in which submissions come: nothing vanishes."""

from collections import Counter

import pytest

from tests.grade_class import NUMBERS, build
from tests.test_grade import run
from tools.cells import courses

STUDENTS = 12
"""Each form twice. `tests.grade_class` makes 84."""


@pytest.mark.slow
def test_a_class_is_graded_and_no_file_is_lost(tmp_path):
    files = build(tmp_path / "class", STUDENTS)
    _, rows = run(tmp_path / "class", "--seed", "1")
    named = {row["file"] for row in rows}
    # A helper and a report have rows of their own, a notebook those of its exercises.
    assert set(files) <= named
    exercises = [name for number in NUMBERS for name in courses()[number].names]
    graded = Counter(row["student"] for row in rows if row["exercise"] and row["file"])
    assert len(graded) == STUDENTS
    assert set(graded.values()) == {len(exercises)}
    verdicts = Counter(row["verdict"] for row in rows if row["exercise"] and row["file"])
    assert verdicts["error"] == verdicts["timed out"] == 0
    assert verdicts["right"] > 0.7 * verdicts.total()
    assert {row["student"] for row in rows if row["late"]} == {
        f"student{n}_{1000 + n}" for n in range(2, STUDENTS, 12)
    }
