"""The teaching guide: its tables are in step with the course, and every notebook is in it."""

import re

import pytest

from tools import teaching
from tools.cells import courses
from tools.lint import QUESTIONS
from tools.notebooks import read
from tools.teaching import (
    GUIDE,
    PLANS,
    Lesson,
    exercise_block,
    filled,
    lessons,
    mistakes,
    plan_block,
    question_block,
)

TEXT = GUIDE.read_text(encoding="utf-8")
SECTIONS = {part.split()[0]: part for part in re.split(r"^### ", TEXT, flags=re.MULTILINE)[1:]}


def without_measured(text):
    """Numbers after a decimal point differ from machine to machine in what checks say."""
    return re.sub(r"\d+\.\d+", "#", text)


def test_the_tables_are_up_to_date():
    """If not: `python -m tools.teaching`."""
    assert without_measured(filled(TEXT)) == without_measured(TEXT)


@pytest.mark.parametrize("number", lessons())
def test_every_notebook_has_its_exercises_and_questions_with_answers(number):
    section = SECTIONS[number]
    assert f"<!-- exercises {number} -->" in section
    exercises = [name for name, *_ in lessons()[number].exercises]
    assert exercises == list(courses()[number].names)
    assert re.findall(r"^\| ((?:\d\d|[A-Z])\.\d+) ", section, re.MULTILINE) == exercises
    questions = re.findall(r"^\d\. \*\*.+\*\* .{40,}", section, re.MULTILINE)
    assert len(questions) == len(re.findall(r"^\d\. ", section, re.MULTILINE))
    assert len(questions) in QUESTIONS
    assert f"<!-- questions {number} -->" in section


def test_questions_are_those_that_the_notebook_asks():
    (path,) = teaching.NOTEBOOKS.glob("07_*.ipynb")
    block = question_block("07", "").splitlines()
    assert len(block) == sum(c.source.count("<summary>") for c in read(path).cells)
    assert block[0].startswith("1. **The generator's weights are the same to the last bit")
    assert "ipynb" not in "".join(block)


def test_what_stands_there_stays_where_a_notebook_asks_nothing(monkeypatch):
    monkeypatch.setattr(teaching, "asked", lambda notebook: "")
    assert question_block("07", "\n1. **Old?** Answer.\n\n") == "1. **Old?** Answer."


def test_the_plans_name_each_notebook_once():
    for plan in PLANS.values():
        numbers = " ".join(plan.values()).split()
        assert len(set(numbers)) == len(numbers)
    assert set(" ".join(PLANS["six weeks"].values()).split()) >= set(lessons())


def test_mistakes_are_what_the_checks_say():
    said = mistakes("02")
    assert list(said) == list(courses()["02"].names)
    assert "nothing may be bootstrapped" in said["02.2"][0]
    assert all(len(messages) == teaching.MISTAKES for messages in said.values())


def test_tables_by_hand():
    lesson = Lesson("Small", 60, 30.0, (("02.1", "Taken", "●○○○○", 15), ("02.2", "T", "●●○○○", 15)))
    assert lesson.minutes == 120
    block = exercise_block("02", lesson).splitlines()
    assert block[0] == "60 minutes to read, 30 to run, 30 for the exercises."
    assert block[4].startswith("| 02.1 Taken | ●○○○○ | 15 | the result has shape (4, 4)")
    plan = plan_block("two days", {"01": lesson}).splitlines()
    assert plan[2].endswith("| 01 Small; *02, not finished yet* | 1.5 h | 0.5 h | 2.0 h |")
    assert exercise_block("77", None) == "*This notebook is not finished yet.*"
