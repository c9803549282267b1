"""A class of 84, in every form in which submissions come: nothing vanishes, in two minutes."""

import re
from collections import Counter

import pytest

from tests.grade_class import NUMBERS, STUDENTS, build
from tests.test_grade import run
from tools.cells import courses

MOST_SECONDS = 240
"""Of computing: two minutes on two cores."""


@pytest.mark.slow
def test_a_class_is_graded_in_two_minutes_of_two_cores_and_no_file_is_lost(tmp_path):
    files = build(tmp_path / "class")
    result, rows = run(tmp_path / "class", "--seed", "1")
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
    assert int(re.search(r"\((\d+) s of computing\)", result.stdout)[1]) < MOST_SECONDS
