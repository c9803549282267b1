"""What the grader says: a row for each student and exercise, tables, and a histogram."""

import csv
import io
from collections import Counter
from typing import Any

from tools.cells import courses
from tools.grading.processes import VERDICTS, Handed, Result

COLUMNS = ("student", "exercise", "verdict", "message", "look", "file")


def table(
    handed: list[Handed], results: list[tuple[str, str, Result]], only: set[str]
) -> list[dict[str, str]]:
    """Return a row for each student and exercise, of every notebook that anyone has handed in."""
    best: dict[tuple[str, str], Result] = {}
    for student, exercise, result in results:
        key = (student, exercise)
        rank = VERDICTS.index(result.verdict)
        if key not in best or rank < VERDICTS.index(best[key].verdict):
            best[key] = result
    numbers = sorted({n for one in handed for n in one.numbers} & only)
    rows = []
    for student in sorted({one.student for one in handed}):
        lost = [one for one in handed if one.student == student and one.problem and not one.numbers]
        for one in lost:
            rows.append(_row(student, "", Result("error", one.problem, "", one.file)))
        for number in numbers:
            for exercise in courses()[number].names:
                nothing = Result("not attempted", f"no notebook {number} was handed in")
                rows.append(_row(student, exercise, best.get((student, exercise), nothing)))
    return rows


def _row(student: str, exercise: str, result: Result) -> dict[str, str]:
    said = (result.verdict, result.message, result.look, result.file)
    return dict(zip(COLUMNS, (student, exercise, *map(plain, said)), strict=True))


def plain(text: Any, most: int = 400) -> str:
    """Return text of others as one line that neither a terminal nor a file takes for an order."""
    text = " ".join(str(text).encode(errors="replace").decode().split())
    text = "".join(c if c.isprintable() else "�" for c in text)
    return text if len(text) <= most else text[: most - 1] + "…"


def as_csv(rows: list[dict[str, str]]) -> str:
    """Return rows as CSV; what a spreadsheet would take for a formula gets a ' in front."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({k: f"'{v}" if v[:1] in "=+-@" and v else v for k, v in row.items()})
    return text.getvalue()


def summary(rows: list[dict[str, str]]) -> str:
    """Return tables by student and by exercise, a histogram, and what a person should look at."""
    graded = [row for row in rows if row["exercise"]]
    exercises = sorted({row["exercise"] for row in graded}, key=_in_order)
    numbers = sorted({exercise.partition(".")[0] for exercise in exercises})
    students = sorted({row["student"] for row in rows})
    right = Counter(
        (row["student"], row["exercise"].partition(".")[0])
        for row in graded
        if row["verdict"] == "right"
    )
    totals = {s: sum(right[s, n] for n in numbers) for s in students}
    width = min(30, max([7, *map(len, students)]))

    lines = ["", f"{'student':<{width}}  " + "".join(f"{n:>5}" for n in numbers) + "   right"]
    for student in students:
        each = "".join(f"{right[student, n]:>5}" for n in numbers)
        total = f"{totals[student]:>3} of {len(exercises)}"
        lines.append(f"{plain(student, width):<{width}}  {each}   {total}")

    lines += ["", "exercise  " + "".join(f"{verdict:>15}" for verdict in VERDICTS)]
    counts = Counter((row["exercise"], row["verdict"]) for row in graded)
    for exercise in exercises:
        each = "".join(f"{counts[exercise, verdict] or '·':>15}" for verdict in VERDICTS)
        lines.append(f"{exercise:<10}{each}")
    lines += ["", *histogram(list(totals.values()), len(exercises))]

    doubtful = [row for row in rows if row["look"] and row["verdict"] == "right"]
    lost = [row for row in rows if not row["exercise"]]
    if doubtful:
        lines += ["", "Right, but look at these: they use what an answer does well without."]
        lines += [f"  {plain(r['student'])}, {r['exercise']}: {r['look']}" for r in doubtful]
    if lost:
        lines += ["", "Not graded:"]
        lines += [f"  {plain(row['student'])}: {row['message']}" for row in lost]
    return "\n".join(lines)


def _in_order(exercise: str) -> tuple[str, int]:
    notebook, _, number = exercise.partition(".")
    return notebook, int(number)


def histogram(totals: list[int], most: int, bins: int = 15) -> list[str]:
    """Return lines that show how many students have how many right answers."""
    step = -(-(most + 1) // bins)
    counts = Counter(total // step for total in totals)
    longest = max(counts.values(), default=1)
    lines = ["right  students"]
    for place in range(most // step + 1):
        low, high = place * step, min(most, place * step + step - 1)
        label = f"{low}" if low == high else f"{low}–{high}"
        bar = "█" * -(-40 * counts[place] // max(40, longest))
        lines.append(f"{label:>5}  {bar} {counts[place] or ''}".rstrip())
    return lines
