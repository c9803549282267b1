"""What the grader says: a row for each student and exercise, tables, and a histogram."""

from collections import Counter, defaultdict

from tools.cells import courses
from tools.grading.alike import shape_of_solution
from tools.grading.collect import Handed, plain
from tools.grading.marks import Row, Student
from tools.grading.processes import VERDICTS, Result
from tools.notebooks import notebook_of

COLUMNS = (
    *("student", "exercise", "verdict", "points", "of", "message", "look", "alike"),
    *("late", "file"),
)
NAMED = 5
"""How many others are named who have the same answer; of more, the number is said."""


def table(
    handed: list[Handed],
    results: list[tuple[str, str, Result]],
    students: list[Student],
    numbers: list[str],
    points: dict[str, float],
) -> list[Row]:
    """Return a row for each student and exercise, and one for each file that was not graded.

    Args:
        handed: The files.
        results: What was said of each exercise in each file.
        students: The class.
        numbers: The notebooks that count.
        points: What each exercise is worth.
    """
    best: dict[tuple[str, str], Result] = {}
    for student, exercise, result in results:
        known = best.get((student, exercise))
        if known is None or result.rank < known.rank:
            best[student, exercise] = result
    same = alike(best)
    rows = []
    for student in students:
        if not student.handed_in:
            rows.append(_row(student, verdict="nothing handed in"))
            continue
        for one in handed:
            if one.student == student.name and not one.numbers:
                verdict = "module" if one.is_module else "not graded"
                rows.append(_row(student, verdict=verdict, message=one.problem, file=one.file))
        for exercise in (e for number in numbers for e in courses()[number].names):
            missing = f"no notebook {notebook_of(exercise)} was handed in"
            nothing = Result("not attempted", missing)
            result = best.get((student.name, exercise), nothing)
            worth = points.get(exercise, 0.0)
            said = {
                "verdict": result.verdict,
                "message": result.message,
                "points": f"{round(worth * result.share, 2):g}",
                "of": f"{worth:g}",
                "look": result.look,
                "alike": same.get((student.name, exercise), ""),
                "file": result.handed.file if result.handed else "",
            }
            late = bool(result.handed and result.handed.owner.late)
            rows.append(_row(student, exercise, **said) | {"late": "late" if late else ""})
    nobody = Student("")
    for one in handed:
        if not one.student:
            rows.append(_row(nobody, verdict="not graded", message=one.problem, file=one.file))
    return rows


def _row(student: Student, exercise: str = "", **said: str) -> Row:
    words = {key: plain(value) for key, value in said.items()}
    late = "late" if student.late else ""
    return dict.fromkeys(COLUMNS, "") | {
        "student": student.name, "exercise": exercise, "late": late, **words
    }  # fmt: skip


def alike(best: dict[tuple[str, str], Result]) -> dict[tuple[str, str], str]:
    """Return, by student and exercise, who else has the same answer but for names.

    "solution" stands there if it is the text of the reference solution.
    """
    from dqngan_lib.exercises import find

    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for (student, exercise), result in best.items():
        if result.shape and result.verdict in ("right", "wrong", "timed out"):
            groups[exercise, result.shape].append(student)
    said = {}
    solutions = {e: shape_of_solution(find(e).solution) for e in {e for e, _ in groups}}
    for (exercise, mark), group in groups.items():
        for student in group:
            others = [other for other in sorted(group) if other != student]
            words = others if len(others) <= NAMED else [f"{len(others)} others"]
            own = ["solution"] if mark == solutions[exercise] else []
            said[student, exercise] = "; ".join([*own, *words])
    return said


def summary(rows: list[Row], students: list[Student]) -> str:
    """Return tables by student and by exercise, a histogram, and what a person should look at."""
    graded = [row for row in rows if row["exercise"]]
    exercises = sorted({row["exercise"] for row in graded}, key=in_order)
    numbers = sorted({notebook_of(exercise) for exercise in exercises})
    names = sorted({row["student"] for row in graded})
    right = Counter(
        (row["student"], notebook_of(row["exercise"]))
        for row in graded
        if row["verdict"] == "right"
    )
    points: dict[str, float] = defaultdict(float)
    for row in graded:
        points[row["student"]] += float(row["points"])
    totals = {name: sum(right[name, n] for n in numbers) for name in names}
    width = min(30, max([7, *map(len, names)]))

    head = "".join(f"{n:>5}" for n in numbers)
    lines = ["", f"{'student':<{width}}  {head}   right    points"]
    for name in names:
        each = "".join(f"{right[name, n]:>5}" for n in numbers)
        count = f"{totals[name]:>3} of {len(exercises)}"
        lines.append(f"{plain(name, width):<{width}}  {each}   {count} {points[name]:>8g}")

    lines += ["", "exercise  " + "".join(f"{verdict:>15}" for verdict in VERDICTS)]
    counts = Counter((row["exercise"], row["verdict"]) for row in graded)
    for exercise in exercises:
        each = "".join(f"{counts[exercise, verdict] or '·':>15}" for verdict in VERDICTS)
        lines.append(f"{exercise:<10}{each}")
    lines += ["", *histogram(list(totals.values()), len(exercises))]

    doubtful = [row for row in graded if row["look"] and row["verdict"] == "right"]
    lost = [row for row in rows if row["verdict"] == "not graded" and row["student"]]
    others = [row for row in rows if row["verdict"] == "not graded" and not row["student"]]
    missing = [row["student"] for row in rows if row["verdict"] == "nothing handed in"]
    unknown = [s.name for s in students if not s.on_roster]
    if doubtful:
        lines += ["", "Right, but look at these: they use what an answer does well without."]
        lines += [f"  {r['student']}, {r['exercise']}: {r['look']}" for r in doubtful]
    if lost or others:
        lines += ["", "Not graded:"]
        lines += [f"  {row['student']}: {row['file']}: {row['message']}" for row in lost]
        by_people = [r for r in others if not r["message"].startswith("made by a system")]
        lines += [f"  {row['file']}: {row['message']}" for row in by_people]
        if len(by_people) < len(others):
            lines.append(f"  {len(others) - len(by_people)} files that a system has made")
    if missing:
        lines += ["", f"Nothing handed in: {', '.join(missing)}"]
    if unknown and len(unknown) < len(students):
        lines += ["", f"Not on the roster: {', '.join(unknown)}"]
    return "\n".join(lines)


def in_order(exercise: str) -> tuple[str, int]:
    """Return a key that puts 02.10 behind 02.9."""
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
