"""Marks, gradebooks, feedback: what the grader makes of verdicts.

The example files are written in the form in which Moodle and Canvas write theirs. Sources: of
Moodle `mod/assign/feedback/offline/importgradeslib.php` and `locallib.php` and of feedback files
`mod/assign/feedback/file/importziplib.php`; of Canvas `lib/gradebook_exporter.rb` and
`lib/gradebook_importer.rb`, read in November 2026 in their public repositories.
"""

import ast
import csv
import io
import re

import pytest

from dqngan_lib.exercises import find
from tests.grade_cases import RIGHT, TWO_1, TWO_2, body, marked, notebook
from tests.test_grade import run, write
from tools.cells import courses
from tools.grading.alike import shape, shape_of_solution
from tools.grading.collect import collect
from tools.grading.command import main
from tools.grading.feedback import hint_after, page, report
from tools.grading.marks import (
    as_csv,
    assignments,
    class_of,
    exercises,
    gradebook,
    points_from,
    read_table,
    roster_rows,
)
from tools.grading.processes import Result
from tools.grading.table import COLUMNS, summary, table

MOODLE_WORKSHEET = (
    "\ufeffIdentifier,\"Full name\",\"Email address\",Status,Grade,\"Maximum Grade\","
    "\"Grade can be changed\",\"Last modified (submission)\",\"Last modified (grade)\","
    "\"Feedback comments\"\r\n"
    "\"Participant 101\",\"Ana Li\",ana@example.org,\"Submitted for grading\",,100.00,Yes,"
    "\"Monday, 2 November 2026, 9:00 AM\",-,\r\n"
    "\"Participant 102\",\"Bo Ek\",bo@example.org,\"Submitted for grading\",,100.00,Yes,"
    "\"Monday, 2 November 2026, 9:01 AM\",-,\r\n"
    "\"Participant 103\",\"Cy No\",cy@example.org,\"No submission\",,100.00,Yes,-,-,\r\n"
)  # fmt: skip
CANVAS_GRADEBOOK = (
    "Student,ID,SIS User ID,SIS Login ID,Section,Homework (77),Current Score,Final Score\n"
    ",,,,,Manual Posting,,\n"
    "    Points Possible,,,,,10.00,(read only),(read only)\n"
    "\"Li, Ana\",12,s12,ana,Part A,,0,0\n"
    "\"Ek, Bo\",13,s13,bo,Part A,,0,0\n"
    "\"Student, Test\",99,,x,Part A,,0,0\n"
)  # fmt: skip
MOODLE_FILES = {
    "Ana Li_101_assignsubmission_file_/02_dqn.ipynb": notebook(marked(TWO_1, "02.1")),
    "Bo Ek_102_assignsubmission_file_/02_dqn.ipynb": notebook("x = 1"),
}
CANVAS_FILES = {
    "liana_12_34_02_dqn.ipynb": notebook(marked(TWO_1, "02.1")),
    "ekbo_LATE_13_35_02_dqn.ipynb": notebook("x = 1"),
}


def graded(folder, files, roster=(), points=None):
    """Return the class and the rows of two students, of whom one has 02.1 right and no more."""
    write(folder, files)
    handed = collect(folder, set(courses()))
    students = class_of(handed, list(roster))
    results = []
    for one in (one for one in handed if one.cells):
        right = any("taken" in cell.source for cell in one.cells)
        result = Result("right", share=1.0, handed=one) if right else Result("wrong", handed=one)
        results.append((one.student, "02.1", result))
    worth = points or points_from(None)
    return handed, students, table(handed, results, students, ["02"], worth)


def rows_of(text):
    return list(csv.reader(io.StringIO(text)))


# --- points ---


def test_points_are_the_difficulty_that_the_notebooks_state():
    assert {e: exercises()[e].difficulty for e in ("02.1", "02.2", "02.5")} == {
        "02.1": 1,
        "02.2": 2,
        "02.5": 4,
    }
    named = {name for course in courses().values() for name in course.names}
    assert set(exercises()) == named
    assert all(1 <= about.difficulty <= 5 and about.section for about in exercises().values())
    assert exercises()["02.1"].title == "The Q-value of the action taken"
    assert exercises()["02.1"].section.startswith("Step 5")


def test_points_are_read_from_a_file(tmp_path):
    file = tmp_path / "points.csv"
    file.write_text("exercise;points\n02.*;2\n02.5;2,5\n", encoding="utf-8-sig")
    points = points_from(file)
    assert (points["02.1"], points["02.5"], points["01.1"]) == (2, 2.5, 0)


@pytest.mark.parametrize("line", ["77.1,2", "02.1,much", "02.1,-1", "02.1,inf", "02.1,nan", ",3"])
def test_bad_points_are_named(tmp_path, line):
    file = tmp_path / "points.csv"
    file.write_text(f"exercise,points\n{line}\n")
    with pytest.raises(ValueError, match=r"points.csv must have the columns exercise"):
        points_from(file)


def test_stages_are_worth_their_share(tmp_path):
    write(tmp_path, {"Ana/02_dqn.ipynb": notebook("x = 1")})
    (one,) = handed = collect(tmp_path, {"02"})
    results = [("Ana", "02.5", Result("wrong", "no", share=2 / 3, handed=one))]
    rows = table(handed, results, class_of(handed, []), ["02"], points_from(None))
    assert [(r["points"], r["of"]) for r in rows if r["exercise"] == "02.5"] == [("2.67", "4")]


# --- the roster ---


@pytest.mark.parametrize(
    "text",
    [
        "name\nAna Li\nBo Ek\n",
        "First name,Last name,Email address\nAna,Li,ana@x.org\nBo,Ek,bo@x.org\n",
        "Nachname;Vorname\n",
        MOODLE_WORKSHEET,
        CANVAS_GRADEBOOK,
    ],
    ids=["names", "two columns", "no lines", "Moodle", "Canvas"],
)
def test_a_roster_is_read_in_the_forms_that_there_are(tmp_path, text):
    file = tmp_path / "class.csv"
    file.write_bytes(text.encode())
    if "Nachname" in text:
        with pytest.raises(ValueError, match="is no table"):
            roster_rows(file)
        return
    write(tmp_path / "in", {"ana/02_dqn.ipynb": notebook("x"), "Ek, Bó/x_02.ipynb": notebook("x")})
    names = [s.name for s in class_of(collect(tmp_path / "in", {"02"}), roster_rows(file))]
    assert "Bo Ek" in names or "Ek, Bo" in names
    if "Email" in text or "SIS" in text:  # "ana" is an address or a login there
        assert "ana" not in names


def test_who_is_on_the_roster_and_who_is_not(tmp_path):
    rows = [{"name": name} for name in ("Ana Li", "Bo Ek", "Cy No")]
    files = {"Li Ana/02_dqn.ipynb": notebook("x"), "Dan/02_dqn.ipynb": notebook("x")}
    _, students, told = graded(tmp_path, files, rows)
    assert [(s.name, s.handed_in, s.on_roster) for s in students] == [
        ("Ana Li", True, True),
        ("Bo Ek", False, True),
        ("Cy No", False, True),
        ("Dan", True, False),
    ]
    assert [r["student"] for r in told if r["verdict"] == "nothing handed in"] == ["Bo Ek", "Cy No"]
    said = summary(told, students)
    assert "Nothing handed in: Bo Ek, Cy No" in said
    assert "Not on the roster: Dan" in said


# --- gradebooks ---


def moodle_takes(text):
    """Read a worksheet as Moodle's importer does; return the grade and comment by participant."""
    columns, *lines = rows_of(text)
    places = [columns.index(name) for name in ("Identifier", "Grade", "Last modified (grade)")]
    comment = columns.index("Feedback comments")
    told = {}
    for line in lines:
        number = line[places[0]][len("Participant ") :]
        assert line[places[0]] == f"Participant {int(number)}"
        told[int(number)] = (line[places[1]], line[comment])
    return told


def canvas_takes(text):
    """Read a gradebook as Canvas's importer does; return the points possible, and grades by ID."""
    columns, *lines = rows_of(text)
    assert len(columns) > 3 and "Student" in columns[0] and "ID" in columns[1]
    before = 3
    if re.search(r"SIS\s+User\s+ID", columns[2]) and re.search(r"SIS\s+Login\s+ID", columns[3]):
        before += 2
    assert "Section" in columns[before - 1]
    assert len(columns) == before + 1
    possible = [line[before] for line in lines if "Points Possible" in line[0]]
    return possible, {line[1]: line[before] for line in lines if "Points" not in line[0]}


def test_a_worksheet_for_moodle_from_the_names_of_files_alone(tmp_path):
    handed, _, rows = graded(tmp_path, MOODLE_FILES)
    (one,) = assignments(handed)
    told = moodle_takes(gradebook(one, rows, [], "x", None))
    assert {number: grade for number, (grade, _) in told.items()} == {101: "1.00", 102: "0.00"}
    assert told[101][1].startswith("02.1 right<br>02.2 not attempted: no such") is False
    assert told[101][1].startswith("02.1 right<br>02.2 not attempted")


def test_who_has_handed_in_nothing_that_can_be_graded_gets_no_grade(tmp_path):
    files = MOODLE_FILES | {"Cy No_103_assignsubmission_file_/work.zip": "PK"}
    handed, _, rows = graded(tmp_path, files)
    (one,) = assignments(handed)
    assert moodle_takes(gradebook(one, rows, [], "x", None))[103][0] == ""


def test_moodles_own_worksheet_is_filled_in(tmp_path):
    roster = tmp_path / "Grades-CS-DQN-77.csv"
    roster.write_bytes(MOODLE_WORKSHEET.encode())
    handed, students, rows = graded(tmp_path / "in", MOODLE_FILES, roster_rows(roster))
    (one,) = assignments(handed)
    text = gradebook(one, rows, roster_rows(roster), "x", None)
    told = moodle_takes(text)
    # 1 of 16 points, and 100 is the most that Moodle takes there.
    assert {n: grade for n, (grade, _) in told.items()} == {101: "6.25", 102: "0.00", 103: ""}
    before = rows_of(MOODLE_WORKSHEET.removeprefix("\ufeff"))
    after = rows_of(text)
    assert after[0] == before[0]
    assert [line[:4] for line in after] == [line[:4] for line in before]
    assert [s.name for s in students if not s.handed_in] == ["Cy No"]


def test_a_gradebook_for_canvas_from_the_names_of_files_alone(tmp_path):
    handed, students, rows = graded(tmp_path, CANVAS_FILES)
    (one,) = assignments(handed)
    possible, grades = canvas_takes(gradebook(one, rows, [], "Homework (77)", None))
    assert (possible, grades) == (["16"], {"12": "1.00", "13": "0.00"})
    assert {s.name: s.late for s in students} == {"liana_12": False, "ekbo_13": True}
    assert {r["student"] for r in rows if r["late"]} == {"ekbo_13"}


def test_a_gradebook_of_canvas_gives_names_and_is_filled_in(tmp_path):
    roster = tmp_path / "gradebook.csv"
    roster.write_text(CANVAS_GRADEBOOK)
    handed, students, rows = graded(tmp_path / "in", CANVAS_FILES, roster_rows(roster))
    assert [s.name for s in students] == ["Ek, Bo", "Li, Ana"]
    (one,) = assignments(handed)
    text = gradebook(one, rows, roster_rows(roster), "Homework (77)", 10)
    possible, grades = canvas_takes(text)
    assert (possible, grades) == (["10"], {"12": "0.62", "13": "0.00"})
    assert rows_of(text)[2][:5] == ["Li, Ana", "12", "s12", "ana", "Part A"]


def test_each_assignment_has_a_gradebook_of_its_own_notebooks(tmp_path):
    files = {f"hw2/{name}": text for name, text in CANVAS_FILES.items()}
    files |= {"hw0/liana_12_33_00_start_here.ipynb": notebook(marked(RIGHT))}
    handed, _, _ = graded(tmp_path, files)
    assert {(a.root, *a.numbers) for a in assignments(handed)} == {("hw0", "00"), ("hw2", "02")}


# --- likeness ---


def same(one, other):
    trees = (ast.parse(text).body[0] for text in (one, other))
    return shape(next(trees)) == shape(next(trees))


def test_names_comments_and_annotations_do_not_make_answers_different():
    one = "def f(a: int, b=2):\n    'Say.'\n    c = a  # why\n    return [c + d for d in b]"
    other = "def other(x, y=2) -> list:\n    total = x\n    return [total + part for part in y]"
    assert same(one, other)
    assert not same(one, one.replace("c + d", "d + c"))
    assert not same(one, one.replace("=2", "=3"))
    assert not same("def f(x):\n    return x.mean(0)", "def f(x):\n    return x.sum(0)")
    assert not same("def f(x):\n    return g(x)", "def f(x):\n    return h(x)")
    assert not same("def f(x, y):\n    return x - y", "def f(x, y):\n    return y - x")


@pytest.mark.parametrize("number", ["00", "02"])
def test_the_text_of_the_solution_is_known_again(number):
    for name in courses()[number].names:
        solution = find(name).solution
        assert shape_of_solution(solution) == shape_of_solution(solution)
    pasted = "def mine(pictures):\n    return pictures.mean(0)"
    assert shape(ast.parse(pasted).body[0]) == shape_of_solution(find("00.1").solution)


# --- pages ---


def test_a_hint_follows_the_mistake():
    hints = find("02.2").hints
    assert hint_after("02.2", "terminated and truncated: two flags, one reward") == hints[0]
    assert (
        hint_after("02.2", "argmax gives the number; you need the value, the greatest") == hints[1]
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """One run with everything: a roster, points, gradebooks, pages; and one student again."""
    folder = tmp_path_factory.mktemp("class")
    wrong = TWO_2.replace("~terminated", "~truncated")
    files = {
        "Ana Li_101_assignsubmission_file_/02_dqn.ipynb": notebook(
            marked(TWO_1, "02.1"), marked(wrong, "02.2")
        ),
        "Ana Li_101_assignsubmission_file_/<b>.txt": "x",
        "Bo Ek_102_assignsubmission_file_/02_dqn.ipynb": notebook(
            marked(TWO_1.replace("action", "a").replace("q", "values"), "02.1"),
            marked(body("return '<script>' + 1", args="*a", name="td_targets"), "02.2"),
        ),
    }
    write(folder / "in", files)
    (folder / "class.csv").write_bytes(MOODLE_WORKSHEET.encode())
    (folder / "points.csv").write_text("exercise,points\n02.1,4\n02.2,6\n")
    options = ("--roster", str(folder / "class.csv"), "--points", str(folder / "points.csv"))
    first = run(folder / "in", *options, "--seed", "1", "--seconds", "5")
    mended = notebook(marked(TWO_1, "02.1"), marked(TWO_2, "02.2"))
    pages = {p.name: p.read_text() for p in (folder / "marks_feedback").iterdir()}
    write(folder / "in", {"Ana Li_101_assignsubmission_file_/02_dqn.ipynb": mended})
    before = (folder / "marks_moodle.csv").read_text()
    second = run(folder / "in", *options, "--seed", "1", "--student", "Ana Li")
    return folder, first, second, pages, before


def test_there_is_a_page_for_each_student_under_a_name_that_moodle_takes_back(whole):
    names = sorted(whole[3])
    assert names == [
        "Ana Li_101_assignsubmission_file_feedback.html",
        "Bo Ek_102_assignsubmission_file_feedback.html",
    ]
    for name in names:  # as Moodle's importer of feedback files takes a name apart
        _, number, kind, plugin, rest = name.split("_", 4)
        assert (number.isdecimal(), kind, plugin) == (True, "assignsubmission", "file")
        assert rest == "feedback.html"


def test_a_page_says_verdict_message_hint_and_what_to_read_again(whole):
    text = whole[3]["Ana Li_101_assignsubmission_file_feedback.html"]
    assert "✓ 02.1 The Q-value of the action taken" in text
    assert "✗ 02.2 The targets of a batch" in text
    assert "only termination stops the bootstrap" in text
    assert "A hint: Which of the two flags says that no reward can follow?" in text
    assert "To read again: notebook 02_dqn, section “Step 5" in text
    assert "&lt;b&gt;.txt: it is neither" in text and "<b>" not in text
    assert "<script>" not in whole[3]["Bo Ek_102_assignsubmission_file_feedback.html"]


def test_a_page_says_once_that_a_notebook_is_not_there(tmp_path):
    _, (ana,), rows = graded(tmp_path, {"Ana/02_dqn.ipynb": "{"})
    for row in rows:
        row["message"] = "02_dqn.ipynb cannot be read as a notebook: it is not JSON"
    assert page(ana, rows).count("it is not JSON") == 1


def test_the_teachers_page_has_mistakes_and_answers_that_are_the_same(whole):
    text = (whole[0] / "marks_report.html").read_text()
    assert "Ana Li, Bo Ek" in text
    assert "--seed 1" in text
    rows = {(row["student"], row["exercise"]): row for row in whole[1][1]}
    assert rows["Ana Li", "02.1"]["alike"] == "Bo Ek"

    wrong = dict.fromkeys(COLUMNS, "") | {"exercise": "02.1", "verdict": "wrong"}
    messages = ["it is 3, not 4. Look", "it is 5, not 4. Look", "`max` <b>"]
    said = report([wrong | {"message": message} for message in messages], 1)
    assert "2 × it is 3, not 4.<" in said
    assert "1 × <code>max</code> &lt;b&gt;" in said


def test_one_student_is_graded_again_and_the_others_stay(whole):
    folder, (_, first), (_, second), _, before = whole
    verdicts = [
        {(r["student"], r["exercise"]): r["verdict"] for r in rows} for rows in (first, second)
    ]
    changed = {key for key in verdicts[0] if verdicts[0][key] != verdicts[1].get(key)}
    assert changed == {("Ana Li", "02.2")}
    assert verdicts[1]["Ana Li", "02.2"] == "right"
    assert len(first) == len(second)
    after = (folder / "marks_moodle.csv").read_text()
    assert moodle_takes(before)[102] == moodle_takes(after)[102]
    assert moodle_takes(after)[101][0] == "100.00"
    assert (folder / "marks.old.csv").exists() is False
    page = (
        folder / "marks_feedback" / "Ana Li_101_assignsubmission_file_feedback.html"
    ).read_text()
    assert "10 of 10 points" in page


def test_a_table_of_another_version_cannot_be_gone_on_with(tmp_path, capsys):
    write(tmp_path, {"in/Ana/02_dqn.ipynb": notebook("x = 1"), "grades.csv": "student\nAna\n"})
    with pytest.raises(SystemExit):
        main(["in", "--student", "Ana", "--from", str(tmp_path)])
    assert "grades.csv has other columns" in capsys.readouterr().err


def test_formulas_are_no_formulas_any_more(tmp_path):
    _, _, rows = graded(tmp_path, {"=1+1/02_dqn.ipynb": notebook("x = 1")})
    file = tmp_path / "t.csv"
    file.write_text(as_csv(rows, list(COLUMNS)))
    assert {row["student"] for row in read_table(file)} == {"'=1+1"}


def test_an_empty_class_has_a_summary(tmp_path):
    _, students, rows = graded(tmp_path, {"Ana/x.pdf": ""})
    assert {row["verdict"] for row in rows} == {"not graded", "not attempted"}
    assert "Not graded" in summary(rows, students)
