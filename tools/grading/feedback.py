"""Write the pages: one for each student, and one for the teacher."""

import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import jinja2
import markupsafe

from tools.cells import courses
from tools.grading.collect import CANVAS, MOODLE
from tools.grading.marks import Row, Student, exercises
from tools.grading.table import in_order
from tools.notebooks import notebook_of, write_whole

SIGNS = {"right": "✓", "wrong": "✗", "timed out": "✗", "error": "✗", "not attempted": "○"}
HINTS = {
    "timed out": "Look for a loop whose end is never reached.",
    "error": "Restart the notebook and run its cells from the top: Python shows the line.",
}
"""What helps where it is not the answer's idea that is wrong."""
MOST_MESSAGES = 3
"""Of an exercise, the messages that the teacher's page shows."""


def with_code(text: str) -> markupsafe.Markup:
    """Return text in HTML, with what stands between backticks as code."""
    return markupsafe.Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(markupsafe.escape(text))))


# Jinja2 comes with torch and with JupyterLab.
TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
TEMPLATES.filters["with_code"] = with_code


def write_pages(rows: list[Row], students: list[Student], folder: Path) -> None:
    """Write a page for each of the students who have handed in.

    The names are those under which Moodle and Canvas take a zip of the pages back.

    Args:
        rows: The table.
        students: Those who get a page.
        folder: Where the pages go.
    """
    by_student = defaultdict(list)
    for row in rows:
        by_student[row["student"]].append(row)
    for student in students:
        if student.handed_in:
            name = re.sub(r'[\\/:*?"<>|\x00-\x1f]', "_", student.prefix or f"{student.name} ")
            write_whole(folder / f"{name}feedback.html", page(student, by_student[student.name]))


def page(student: Student, rows: list[Row]) -> str:
    """Return a student's page: each exercise, its verdict, a hint, and what to read again."""
    own = [row for row in rows if row["exercise"]]
    nothing: dict[str, list[str]] = defaultdict(list)  # one line for all that lacks its notebook
    for row in own:
        if row["message"].startswith("no notebook") or "cannot be read as a" in row["message"]:
            nothing[row["message"]].append(row["exercise"])
    without = {exercise for group in nothing.values() for exercise in group}
    return TEMPLATES.get_template("page.html").render(
        student=student.name,
        late=student.late,
        exercises=[_shown(row) for row in own if row["exercise"] not in without],
        nothing=[(", ".join(group), message) for message, group in nothing.items()],
        lost=[{**r, "file": own_name(r["file"])} for r in rows if r["verdict"] == "not graded"],
        right=sum(row["verdict"] == "right" for row in own),
        number=len(own),
        points=f"{sum(float(row['points']) for row in own):g}",
        of=f"{sum(float(row['of']) for row in own):g}",
    )


def _shown(row: Row) -> dict[str, Any]:
    """Return what the page says of an exercise."""
    about = exercises()[row["exercise"]]
    course = courses()[notebook_of(row["exercise"])]
    shown = {**row, "sign": SIGNS[row["verdict"]], "title": about.plain_title}
    shown |= {"file": own_name(row["file"]), "hint": "", "again": ""}
    if row["verdict"] != "right":
        message = row["message"] if row["verdict"] == "wrong" else ""
        shown["hint"] = HINTS.get(row["verdict"]) or hint_after(row["exercise"], message)
        shown["again"] = f"notebook {course.stem}, section “{about.section}”, up to the exercise"
    return shown


def own_name(file: str) -> str:
    """Return the name that a student gave a file, without what Moodle or Canvas puts before it."""
    name = file.rpartition("/")[2]
    known = MOODLE.match(name) or CANVAS.match(name)
    return (known["rest"] if known else None) or name


def hint_after(exercise: str, message: str) -> str:
    """Return the hint that has most to do with a mistake, the one that `hint` would give."""
    from dqngan_lib.exercises import find, hint_about

    return hint_about(message, find(exercise).hints)


def report(rows: list[Row], seed: int) -> str:
    """Return the teacher's page: the commonest mistakes, and answers that are the same.

    Args:
        rows: The table.
        seed: Of the random inputs, with which the grading can be repeated.
    """
    graded = [row for row in rows if row["exercise"]]
    table = []
    for exercise in sorted({row["exercise"] for row in graded}, key=in_order):
        own = [row for row in graded if row["exercise"] == exercise]
        tried = [row for row in own if row["verdict"] not in ("right", "not attempted")]
        kinds: dict[str, list[str]] = defaultdict(list)  # messages that differ in numbers alone
        for row in tried:
            sentence = re.split(r"(?<=[.?!]) (?=[A-Z])", row["message"])[0]
            kinds[re.sub(r"\d[\d.e-]*", "0", sentence)].append(sentence)
        messages = sorted(kinds.values(), key=len, reverse=True)[:MOST_MESSAGES]
        table.append(
            {
                "exercise": exercise,
                "title": exercises()[exercise].plain_title,
                "right": sum(row["verdict"] == "right" for row in own),
                "tried": len(tried),
                "of": len(own),
                "messages": [(said[0], len(said)) for said in messages],
            }
        )
    return TEMPLATES.get_template("report.html").render(
        table=table,
        look=[row for row in graded if row["look"] and row["verdict"] == "right"],
        groups=_groups(graded),
        lost=[row for row in rows if row["verdict"] in ("not graded", "nothing handed in")],
        seed=seed,
    )


def _groups(graded: list[Row]) -> list[dict[str, Any]]:
    """Return who has the same answer, the smallest groups at the hardest exercises first."""
    found = {}
    for row in graded:
        others = row["alike"].removeprefix("solution").strip("; ")
        who = ", ".join(sorted([row["student"], *filter(None, others.split("; "))]))
        if others.endswith(" others"):
            who = f"{int(others.split()[0]) + 1} students"
        if row["alike"]:
            found[row["exercise"], who] = {
                "exercise": row["exercise"],
                "difficulty": exercises()[row["exercise"]].difficulty,
                "who": who,
                "many": others.endswith(" others"),
                "solution": row["alike"].startswith("solution"),
                "verdict": row["verdict"],
            }
    groups = found.values()
    return sorted(groups, key=lambda g: (g["many"], -g["difficulty"], in_order(g["exercise"])))
