"""The grader, on notebooks as students hand them in: honest, broken, endless and dishonest.

One run of the tool grades them all; each test looks at its own student's rows.
"""

import csv
import json
import os
import subprocess
import sys
import unicodedata

import pytest
import torch

import course
from dqngan_lib.exercises import find, judge
from tests.grade_cases import (
    CHEATS,
    HONEST,
    IN_A_MODE,
    MODES,
    OTHERS,
    RIGHT,
    SECONDS,
    TWO_1,
    TWO_2,
    TWO_3,
    WRONG,
    body,
    code,
    marked,
    notebook,
)
from tools.cells import courses
from tools.grading.collect import plain
from tools.grading.command import main
from tools.grading.table import histogram
from tools.notebooks import ROOT

OLD = {
    "metadata": {"name": ""},
    "nbformat": 3,
    "nbformat_minor": 0,
    "worksheets": [
        {
            "cells": [
                {"cell_type": "heading", "level": 1, "source": ["DQN"]},
                {"cell_type": "code", "language": "python", "input": [*TWO_1.splitlines(True)]},
            ]
        }
    ],
}
DECOMPOSED = unicodedata.normalize("NFD", "Zoë 雪")

# What `check("02.1", …)` shows to everybody: the worked example, and the inputs of seed 0.
INPUTS_OF_THE_NOTEBOOK = [[[1, 5, 9], [8, 2, 4], [3, 7, 6], [0, -1, -2]]] + [
    case.arguments[0].tolist() for case in find("02.1").cases(torch.Generator().manual_seed(0))
]


def knows_by_heart(q, action):
    known = q.tolist() in INPUTS_OF_THE_NOTEBOOK
    return q[range(len(q)), action] if known else torch.zeros(len(q))


FILES = {
    "Ana/02_dqn.ipynb": notebook(
        marked(TWO_1, "02.1"), marked(TWO_2, "02.2"), marked(TWO_3, "02.3")
    ),
    "Ana/notes.pdf": "%PDF",
    # Two notebooks of one student: of each exercise the better answer counts.
    "Bo/02_dqn.ipynb": notebook(marked(TWO_1, "02.1"), marked(TWO_2.replace("~", "1 * "), "02.2")),
    "Bo/again/02_dqn (1).ipynb": notebook(TWO_1.replace("action]", "0]"), TWO_2, TWO_1 + "\n(("),
    f"{DECOMPOSED}/02_dqn.ipynb": notebook(TWO_1),
    f"{unicodedata.normalize('NFC', DECOMPOSED)}/Lösung 2.IPYNB.txt": notebook(TWO_2),
    "Old/02_dqn.ipynb": json.dumps(OLD),
    "Minor/x.ipynb": json.dumps(
        {"cells": [{"cell_type": "code", "source": TWO_1}], "nbformat": 4, "nbformat_minor": 0}
    ),
    "Future/02_dqn.ipynb": json.dumps(
        {"cells": [{"cell_type": "code", "source": [TWO_1]}, {"cell_type": "ai"}], "nbformat": 7}
    ),
    "Marked/any name.ipynb": "\ufeff" + notebook(marked(TWO_1, "02.1")),
    "Broken/02_dqn.ipynb": '{"cells": [',
    "Word/02_dqn.ipynb": "PK\3\4 this was a Word document",
    "Empty/02_dqn.ipynb": "",
    "List/02_dqn.ipynb": "[1, 2]",
    "Deep/02_dqn.ipynb": "[" * 100_000,
    "Pdf/answers.pdf": "%PDF",
    "Riddle/holidays.ipynb": notebook("print('hello')"),
    "=1+1/00_start_here.ipynb": notebook(RIGHT),
    "Large/00_start_here.ipynb": notebook(
        code(RIGHT) | {"outputs": [{"output_type": "stream", "text": "x" * 100_000_000}]}
    ),
    ".hidden/02_dqn.ipynb": notebook(TWO_1),
    "Ana/.ipynb_checkpoints/02_dqn-checkpoint.ipynb": notebook(WRONG),
    "__MACOSX/Ana/02_dqn.ipynb": "x",
    "class list.csv": "a,b",
    "flat_00_start_here.ipynb": notebook(RIGHT),
    "Module/00_start_here.ipynb": notebook(
        "from parts.helper import mean\nimport more", body("return more.half(mean(images))")
    ),
    "Module/parts/helper.py": "import torch\n\ndef mean(x):\n    return x.mean(0) * 2",
    "Module/more.py": "def half(x):\n    return getattr(x, 'div')(2)",
    "Spy/00_start_here.ipynb": notebook("from spy import mean_picture"),
    "Spy/spy.py": body(
        "try: 1 / 0",
        "except Exception as e: frame = e.__traceback__.tb_frame",
        "while 'expected' not in frame.f_locals: frame = frame.f_back",
        "return frame.f_locals['expected']",
    ),
    **{f"{kind}/02_dqn.ipynb": notebook(mode, *IN_A_MODE) for kind, mode in MODES.items()},
    "Look/00_start_here.ipynb": notebook(body("return getattr(images, 'me' + 'an')(0)")),
    "Heart/02_dqn.ipynb": notebook(
        f"import torch\nKNOWN = {INPUTS_OF_THE_NOTEBOOK}",
        body(
            "known = q.tolist() in KNOWN",
            "return q[range(len(q)), action] if known else torch.zeros(len(q))",
            args="q, action",
            name="taken_q_values",
        ),
    ),
    "Stages/02_dqn.ipynb": notebook(TWO_1.replace("return q[", "return (q * 1.0).detach()[")),
    "Library/02_dqn.ipynb": notebook(
        "from dqngan_lib.dqn.agent import DQN, td_target",
        body(
            "return td_target(reward, terminated, next_q.max(1).values, discount)",
            args="reward, terminated, truncated, next_q, discount",
            name="td_targets",
        ),
    ),
}


def write(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")


def run(folder, *options):
    """Run the tool as `course.py` does; return its process and the rows."""
    out = folder.parent / "marks.csv"
    command = [
        sys.executable,
        "-m",
        "tools.grading.command",
        str(folder),
        "--out",
        str(out),
        *options,
    ]
    result = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | {"PYTHONUTF8": "1", "SECRET": "x"},
        capture_output=True,
        encoding="utf-8",
        timeout=1800,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    with out.open(encoding="utf-8-sig", newline="") as file:
        return result, list(csv.DictReader(file))


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("class") / "handed in"
    write(folder, FILES)
    groups = {"honest": HONEST, **{"other": {k: v[0] for k, v in (OTHERS | CHEATS).items()}}}
    for kind, students in groups.items():
        for name, cells in students.items():
            path = folder / f"{kind} {name}" / "00_start_here.ipynb"
            write(folder, {path.relative_to(folder): notebook(*cells)})
    (folder / "Bo" / "link_02_dqn.ipynb").symlink_to(folder / "Ana" / "02_dqn.ipynb")
    result, rows = run(folder, "--seconds", str(SECONDS), "--seed", "1", "--only", "00", "02")
    return folder, result, {(row["student"], row["exercise"]): row for row in rows}, rows


@pytest.mark.parametrize("name", HONEST)
def test_no_mark_is_lost_that_a_person_would_give(graded, name):
    row = graded[2][f"honest {name}", "00.1"]
    assert row["verdict"] == "right", row


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_wrong_or_broken_is_named(graded, name):
    row = graded[2][f"other {name}", "00.1"]
    assert row["verdict"] == OTHERS[name][1], row
    assert OTHERS[name][2] in row["message"]


@pytest.mark.parametrize("name", CHEATS)
def test_a_cheat_gets_no_mark(graded, name):
    row = graded[2][f"other {name}", "00.1"]
    assert row["verdict"] == CHEATS[name][1], row
    assert CHEATS[name][2] in row["message"]


def verdict(graded, student, exercise):
    return graded[2][student, exercise]["verdict"]


def test_answers_may_use_other_answers(graded):
    assert [verdict(graded, "Ana", f"02.{i}") for i in (1, 2, 3, 4)] == [
        *["right"] * 3,
        "not attempted",
    ]


def test_of_two_notebooks_the_better_answer_counts(graded):
    assert graded[2]["Bo", "02.1"]["file"] == "Bo/02_dqn.ipynb"
    assert graded[2]["Bo", "02.2"]["file"] == "Bo/again/02_dqn (1).ipynb"
    assert [verdict(graded, "Bo", f"02.{i}") for i in (1, 2)] == ["right", "right"]


def test_a_link_is_not_followed(graded):
    assert "link_02_dqn.ipynb is a link" in graded[2]["Bo", "02.3"]["message"]


def test_modules_beside_the_notebook_are_used_and_named(graded):
    row = graded[2]["Module", "00.1"]
    assert (row["verdict"], row["look"]) == ("right", "getattr more.py parts/helper.py")


def test_a_module_may_not_look_at_frames_either(graded):
    row = graded[2]["Spy", "00.1"]
    assert row["verdict"] == "wrong"
    assert "may not look at the frames" in row["message"]


@pytest.mark.parametrize("kind", MODES)
@pytest.mark.parametrize("exercise", ["02.2", "02.5"])
def test_an_answer_cannot_decide_how_the_checks_compare(graded, kind, exercise):
    row = graded[2][kind, exercise]
    assert row["verdict"] == "wrong"
    assert "may not change what torch computes" in row["message"]


def test_no_message_has_what_stands_in_a_file_of_the_teacher(graded):
    for row in graded[2].values():
        assert "root:" not in row["message"]


def test_what_the_notebook_asks_learnt_by_heart_is_one_stage(graded):
    row = graded[2]["Heart", "02.1"]
    assert row["verdict"] == "wrong"
    assert 0 < float(row["points"]) < 0.5
    assert judge("02.1", knows_by_heart)[0] == "right"


def test_some_stages_of_a_check_are_worth_some_points(graded):
    row = graded[2]["Stages", "02.1"]
    assert row["verdict"] == "wrong"
    assert 0 < float(row["points"]) < float(row["of"]) == 1


def test_one_name_in_two_spellings_of_unicode_is_one_student(graded):
    name = unicodedata.normalize("NFC", DECOMPOSED)
    assert [verdict(graded, name, f"02.{i}") for i in (1, 2)] == ["right", "right"]
    assert not any(student == DECOMPOSED for student, _ in graded[2])


@pytest.mark.parametrize("student", ["Old", "Minor", "Future", "Marked"])
def test_notebooks_of_other_versions_are_read(graded, student):
    assert verdict(graded, student, "02.1") == "right"


@pytest.mark.parametrize("student", ["Broken", "Word", "Empty", "List", "Deep"])
def test_what_is_no_notebook_is_an_error_in_each_exercise(graded, student):
    rows = [row for (name, _), row in graded[2].items() if name == student and row["file"]]
    assert [row["exercise"] for row in rows] == [f"02.{i}" for i in range(1, 7)]
    assert {row["verdict"] for row in rows} == {"error"}
    assert all("cannot be read as a notebook" in row["message"] for row in rows)


def test_what_cannot_be_placed_is_named(graded):
    assert graded[2]["Pdf", ""]["verdict"] == "not graded"
    assert graded[2]["Pdf", ""]["message"] == "it is neither a notebook nor a script of one"
    assert graded[2]["Riddle", ""]["message"] == "cannot tell which notebook holidays.ipynb is"
    assert "Pdf: Pdf/answers.pdf: it is neither" in graded[1].stdout


def test_every_file_is_in_the_table(graded):
    folder, _, _, rows = graded
    files = [p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir()]
    named = {row["file"].removeprefix("'") for row in rows}
    assert {unicodedata.normalize("NFC", name) for name in files} <= named


def test_large_outputs_in_the_file_do_no_harm(graded):
    assert verdict(graded, "Large", "00.1") == "right"


def test_every_student_has_a_row_for_every_exercise(graded):
    wanted = [exercise for number in ("00", "02") for exercise in courses()[number].names]
    students = {student for student, _ in graded[2]} - {""}
    assert {(s, e) for s in students for e in wanted} <= graded[2].keys()
    assert graded[2]["Ana", "00.1"]["message"] == "no notebook 00 was handed in"
    assert not students & {".hidden", "__MACOSX", "class list", "class list.csv"}


def test_what_a_person_should_look_at_is_marked(graded):
    assert graded[2]["Look", "00.1"]["verdict"] == "right"
    assert graded[2]["Look", "00.1"]["look"] == "getattr"
    assert graded[2]["Library", "02.2"]["look"] == "td_target"
    assert graded[2]["Ana", "02.3"]["look"] == ""
    assert "Look, 00.1: getattr" in graded[1].stdout


def test_formulas_are_no_formulas_any_more(graded):
    assert verdict(graded, "'=1+1", "00.1") == "right"


def test_the_terminal_shows_tables_and_a_histogram(graded):
    out = graded[1].stdout
    assert "exercise            right          wrong      timed out" in out
    assert "right  students" in out
    assert "█" in out
    assert graded[1].stderr == ""


def test_nothing_is_left_behind(graded):
    folder = graded[0]
    assert not (folder.parent / "x.txt").exists()
    left = ["handed in", "marks.csv", "marks_feedback", "marks_report.html"]
    assert sorted(p.name for p in folder.parent.iterdir()) == left


@pytest.mark.slow
def test_a_new_python_for_each_notebook_goes_on_after_an_answer_that_ends_it(tmp_path):
    """The way of macOS and Windows."""
    answers = [
        marked(body("while True: pass", name="taken_q_values", args="*a"), "02.1"),
        marked(TWO_2, "02.2"),
        marked(body("return 1", name="real_steps", args="*a"), "02.5"),
    ]
    write(tmp_path / "class", {"Ana/02_dqn.ipynb": notebook(*answers)})
    (tmp_path / "marks.csv").write_text("what was there")
    result, rows = run(tmp_path / "class", "--start", "spawn", "--seconds", "1", "--jobs", "1")
    verdicts = [row["verdict"] for row in rows]
    assert verdicts == [
        "timed out",
        "right",
        "not attempted",
        "not attempted",
        "wrong",
        "not attempted",
    ], rows
    assert (tmp_path / "marks.old.csv").read_text() == "what was there"
    assert "marks.old.csv" in result.stdout


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["nowhere"], "there is no folder and no zip"),
        (["."], "there are no files"),
        ([".", "--seed", "-1"], "--seed must be from 0"),
        ([".", "--out-of", "0"], "--out-of must be over 0"),
        ([".", "--points", "no.csv"], "no.csv"),
        ([".", "--roster", "no.csv"], "no.csv"),
        ([".", "--student", "Ana"], "grades.csv"),
        ([".", "--only", "77"], "--only takes notebooks with exercises"),
        ([".", "--jobs", "0"], "must be at least 1"),
        ([".", "--out", "no/folder/x.csv"], "cannot write"),
    ],
)
def test_bad_input_is_named(tmp_path, capsys, options, words):
    with pytest.raises(SystemExit) as error:
        main([*options, "--from", str(tmp_path)])
    assert error.value.code == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("command", ["grade", "solutions", "colab"])
def test_paths_begin_where_the_command_was_typed(tmp_path, monkeypatch, command):
    said = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(course, "ensure_environment", lambda asked: None)
    monkeypatch.setattr(course, "hand_over", lambda words: said.append(words) or 0)
    assert course.main([command, "class"]) == 0
    assert said == [(*course.COMMANDS[command], "--from", str(tmp_path), "class")]


def test_text_of_others_cannot_give_orders():
    assert plain("a\x1b[2J\nb\u202e\ud800") == "a�[2J b�?"
    assert plain("x" * 500, 10) == "x" * 9 + "…"


def test_histograms():
    assert histogram([0, 2, 2], 2) == ["right  students", "    0  █ 1", "    1", "    2  ██ 2"]
    wide = histogram([0, 29, 30] * 100, 30)
    assert wide[1] == "  0–2  " + "█" * 40 + " 100" or wide[1].endswith("100")
    assert len(wide) == 12
    assert max(map(len, wide)) < 60
