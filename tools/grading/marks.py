"""Make marks of verdicts: what an exercise is worth, who is in the class, files for gradebooks."""

import csv
import functools
import html
import io
import re
import unicodedata
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tools.cells import courses
from tools.grading.collect import Handed, plain
from tools.notebooks import NOTEBOOKS, notebook_of, read
from tools.stated import About, stated

Row = dict[str, str]
"""A row of the table: see `table.COLUMNS`."""


@functools.cache
def exercises() -> dict[str, About]:
    """Return what the course's notebooks say of their exercises, by number."""
    paths = [NOTEBOOKS / f"{course.stem}.ipynb" for course in courses().values()]
    return {number: about for path in paths for number, about in stated(read(path)).items()}


def points_from(path: Path | None) -> dict[str, float]:
    """Return what each exercise is worth: by a file, else by the difficulty that notebooks state.

    Args:
        path: A table with the columns exercise and points; "02.*" is for all of a notebook, and
            what is not named is worth nothing.

    Raises:
        ValueError: The file has no such columns, a number in it is none, or no exercise has the
            name.
    """
    stated = {name: float(about.difficulty) for name, about in exercises().items()}
    if path is None:
        return stated
    worth = dict.fromkeys(stated, 0.0)
    for row in read_table(path):
        asked, points = (row.get(column, "").strip() for column in ("exercise", "points"))
        names = [n for n in stated if n == asked or (asked == notebook_of(n) + ".*")]
        try:
            value = float(points.replace(",", "."))
        except ValueError:
            value = -1.0
        if not names or not 0 <= value < float("inf"):
            raise ValueError(
                f"{path.name} must have the columns exercise (such as 02.1 or 02.*) and points "
                f"(at least 0); got {asked!r} and {points!r}"
            )
        worth |= dict.fromkeys(names, value)
    return worth


def read_table(path: Path) -> list[Row]:
    """Read a CSV file as spreadsheets and gradebooks write it: any of , ; tab; a row is a dict.

    Raises:
        ValueError: It is no text, or has no rows.
    """
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252", errors="replace")  # Excel on Windows
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    rows = list(csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, restval=""))
    if not rows or "\0" in first:
        raise ValueError(f"{path.name} is no table: it needs a line of names and lines below it")
    return [{key: value for key, value in row.items() if key is not None} for row in rows]


# --- the class ---


@dataclass
class Student:
    """Somebody who has handed in, or who is on the roster."""

    name: str
    late: bool = False
    handed_in: bool = False
    on_roster: bool = False
    prefix: str = ""
    """How the names of files for Moodle or Canvas begin."""


def roster_rows(path: Path) -> list[Row]:
    """Read a list of the class; lines that are nobody's, as Canvas has them, are left out.

    Raises:
        ValueError: It is no table.
    """
    rows = read_table(path)
    return [row for row in rows if name_in(row) not in ("", "Points Possible", "Student, Test")]


def name_in(row: Row) -> str:
    """Return the name in a line of a roster, by the columns that Moodle and Canvas call so."""
    lower = {key.strip().lower(): value.strip() for key, value in row.items()}
    parts = [lower.get("first name", ""), lower.get("last name", lower.get("surname", ""))]
    whole = [lower[key] for key in ("full name", "student", "name") if key in lower]
    return (whole or [" ".join(p for p in parts if p)])[0] or next(iter(lower.values()), "")


def _keys(row: Row) -> set[str]:
    """Return by what a line of a roster is known in the names of files."""
    lower = {key.strip().lower(): value.strip() for key, value in row.items()}
    keys = {_key(name_in(row))}
    for column in ("username", "email address", "email", "sis login id"):
        keys.add(_key(lower.get(column, "").partition("@")[0]))
    if number := re.fullmatch(r"\D*(\d+)", lower.get("identifier", "")):
        keys.add(f"moodle {number[1]}")
    if "sis login id" in lower and lower.get("id"):
        keys.add(f"canvas {lower['id']}")
    return keys - {""}


def _key(name: str) -> str:
    """Return a name without accents, capitals and order: "Li, Ána" is "Ana Li"."""
    letters = unicodedata.normalize("NFKD", name).casefold()
    letters = "".join(c for c in letters if not unicodedata.combining(c))
    return " ".join(sorted(re.findall(r"\w+", letters)))


def class_of(handed: list[Handed], roster: list[Row]) -> list[Student]:
    """Return the class in order; files get the names that the roster has, in place.

    Args:
        handed: What was handed in.
        roster: The lines of the roster; nothing if there is none.
    """
    names = [plain(name_in(row)) for row in roster]
    places: dict[str, set[int]] = defaultdict(set)
    for place, row in enumerate(roster):
        for key in _keys(row):
            places[key].add(place)
    found: dict[str, Student] = {}
    for name, row in zip(names, roster, strict=True):
        number = next((k for k in sorted(_keys(row)) if k.startswith(("canvas ", "moodle "))), "")
        unique = name if names.count(name) == 1 else f"{name} ({number.partition(' ')[2]})"
        found[unique] = Student(unique, on_roster=True)
    of_place = list(found)
    for one in handed:
        if not one.student:
            continue
        owner = one.owner
        keys = [f"moodle {owner.moodle}", f"canvas {owner.canvas}", _key(one.student)]
        fits = next((places[key] for key in keys if len(places.get(key, ())) == 1), set())
        for place in fits:
            one.student = of_place[place]
        student = found.setdefault(one.student, Student(one.student))
        student.handed_in = True
        student.late |= owner.late
        student.prefix = student.prefix or owner.prefix
    return sorted(found.values(), key=lambda student: student.name)


# --- files for gradebooks ---


@dataclass
class Assignment:
    """What Moodle or Canvas has handed out together."""

    system: str
    root: str
    """The zip or folder with it."""
    ids: dict[str, str] = field(default_factory=dict)
    """By student."""
    numbers: set[str] = field(default_factory=set)
    """The notebooks that are in it."""


def assignments(handed: list[Handed]) -> list[Assignment]:
    """Return the assignments of Moodle and Canvas from which files come."""
    found: dict[tuple[str, str], Assignment] = {}
    for one in handed:
        for system in ("moodle", "canvas"):
            number = getattr(one.owner, system)
            if number:
                root = "/".join(one.owner.root)
                assignment = found.setdefault((system, root), Assignment(system, root))
                assignment.ids[one.student] = number
                assignment.numbers |= set(one.numbers)
    return list(found.values())


def gradebook(
    assignment: Assignment, rows: list[Row], roster: list[Row], title: str, out_of: float | None
) -> str:
    """Return a file that Moodle or Canvas can import.

    Args:
        assignment: Whose students are in it.
        rows: The table.
        roster: The lines of the roster. One that comes from there is filled in.
        title: What Canvas is to call the assignment.
        out_of: The greatest grade; by default that of Moodle's worksheet, else the sum of points.
    """
    column = {"moodle": "Identifier", "canvas": "ID"}[assignment.system]
    lines = {re.sub(r"\D", "", row[column]): row for row in roster if column in row}
    if not lines.keys() & set(assignment.ids.values()):  # that of another assignment, or none
        lines = {}
    counted = [row for row in rows if notebook_of(row["exercise"]) in assignment.numbers]
    fill = {"moodle": _for_moodle, "canvas": _for_canvas}[assignment.system]
    return fill(assignment.ids, counted, lines, title, out_of)


def _for_moodle(
    ids: dict[str, str], rows: list[Row], lines: dict[str, Row], _: str, out_of: float | None
) -> str:
    """Return a worksheet by mod/assign/feedback/offline/importgradeslib.php of Moodle.

    It wants Identifier, Grade and "Last modified (grade)", and passes over a grade that is above
    the assignment's maximum.
    """
    grades = _grades(rows)
    for student, number in sorted(ids.items()):
        empty = {"Identifier": f"Participant {number}", "Full name": student, "Grade": ""}
        empty |= {"Last modified (grade)": "-", "Feedback comments": ""}
        line = lines.get(number, empty)
        most = out_of or _number(line.get("Maximum Grade") or line.get("Maximum grade"))
        words = [
            f"{row['exercise']} {row['verdict']}" + f": {row['message']}" * bool(row["message"])
            for row in rows
            if row["student"] == student
        ]
        comment = "<br>".join(html.escape(text, quote=False) for text in words)
        grade = {"Grade": _grade(grades.get(student), most), "Feedback comments": comment}
        lines[number] = line | grade
    columns = dict.fromkeys(key for line in lines.values() for key in line)
    return as_csv(list(lines.values()), list(columns))


def _for_canvas(
    ids: dict[str, str], rows: list[Row], lines: dict[str, Row], title: str, out_of: float | None
) -> str:
    """Return a gradebook by lib/gradebook_importer.rb of Canvas.

    It wants Student, ID, perhaps both of SIS, and Section, then assignments; a line with the
    points possible comes first.
    """
    grades = _grades(rows)
    columns = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", title]
    for student, number in sorted(ids.items()):
        line = lines.get(number, {"Student": student, "ID": number})
        lines[number] = line | {title: _grade(grades.get(student), out_of)}
    possible = out_of or next((of for _, of in grades.values()), 0.0)
    first = {"Student": "    Points Possible", title: f"{possible:g}"}
    kept = [{key: line.get(key, "") for key in columns} for line in lines.values()]
    return as_csv([first, *kept], columns)


def _grades(rows: list[Row]) -> dict[str, tuple[float, float]]:
    """Return the points of each student of whom anything could be graded, and the most."""
    found: dict[str, tuple[float, float]] = {}
    for row in rows:
        got, of = found.get(row["student"], (0.0, 0.0))
        found[row["student"]] = got + float(row["points"]), of + float(row["of"])
    graded = {row["student"] for row in rows if row["file"]}
    return {student: grade for student, grade in found.items() if student in graded}


def _grade(points: tuple[float, float] | None, most: float | None) -> str:
    """Return a grade in a scale that ends at `most`; nothing where nothing was graded."""
    if points is None or not points[1]:
        return ""
    got, of = points
    return f"{got / of * (most or of):.2f}"


def _number(text: str | None) -> float | None:
    try:
        return float((text or "").replace(",", "."))
    except ValueError:
        return None


def as_csv(rows: list[dict[str, Any]], columns: list[str]) -> str:
    """Return rows as CSV; what a spreadsheet would take for a formula gets a ' in front."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        safe = {k: f"'{v}" if str(v)[:1] in "=+-@" and v not in ("", "-") else v
                for k, v in row.items()}  # fmt: skip
        writer.writerow(safe)
    return text.getvalue()
