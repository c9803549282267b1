"""Which files the grader finds, in folders, zips and scripts, and whose it takes them to be."""

import io
import stat
import zipfile
from pathlib import Path

import pytest

from tests.grade_cases import RIGHT, TWO_1, marked, notebook
from tools.cells import Cell, courses, notebook_numbers, parse
from tools.grading import collect as module
from tools.grading.collect import collect, owner_of, script_cells

ALL = set(courses())
ZERO = notebook(marked(RIGHT))
"""A notebook 00."""


def packed(files, **how):
    """Return a zip with these files."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text, **how)
    return content.getvalue()


def found(folder, only=ALL):
    """Return student, graded or the reason why not, by file."""
    return {h.file: (h.student, h.problem) for h in collect(folder, only)}


def save(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


@pytest.mark.parametrize(
    ("path", "student"),
    [
        ("Ana Li/02_dqn.ipynb", "Ana Li"),
        ("Ana Li/deep/er/x.ipynb", "Ana Li"),
        # Moodle: as folders since 3.1, with no "_" at the end since 4.1, and flat.
        ("Ana Li_1234567_assignsubmission_file_/02_dqn.ipynb", "Ana Li"),
        ("Ana Li_1234567_assignsubmission_file/02_dqn.ipynb", "Ana Li"),
        ("Ana Li_1234567_assignsubmission_file_02_dqn.ipynb", "Ana Li"),
        ("Ana Li_1234567_assignsubmission_onlinetext/onlinetext.html", "Ana Li"),
        ("CS-DQN-77.zip/Ana Li_1234567_assignsubmission_file_/02_dqn.ipynb", "Ana Li"),
        # Canvas: name, LATE, user, file.
        ("liana_12_3456_02_dqn-1.ipynb", "liana_12"),
        ("liana_LATE_12_3457_01_q_learning.ipynb", "liana_12"),
        ("liana_LATE_12_text.html", "liana_12"),
        ("anon_x7Qz2_3456_02_dqn.ipynb", "anon_x7Qz2"),
        ("LATE_anon_x7Qz2_3456_02_dqn.ipynb", "anon_x7Qz2"),
        ("ana_02_dqn.ipynb", "ana"),
        ("02_DQN ana (2).ipynb", "ana"),
        ("ana-02_dqn-Copy1.ipynb", "ana"),
        ("ana_02_dqn.py", "ana"),
        ("ana.zip", "ana"),
        ("ana_02_dqn.zip/x.ipynb", "ana"),
        ("Ana.ipynb", "Ana"),
        ("02_dqn.ipynb", "all"),
        ("02_dqn (3).ipynb.txt", "all"),
    ],
)
def test_a_file_is_known_by_its_folder_or_its_name(path, student):
    assert owner_of(tuple(path.split("/")), Path("some/all"), {()}).name == student


def test_numbers_and_lateness_are_taken_from_the_names():
    canvas = owner_of(("liana_LATE_12_3457_01_q_learning.ipynb",), Path("all"), {()})
    assert (canvas.canvas, canvas.late, canvas.prefix) == ("12", True, "liana_LATE_12_3457_")
    assert canvas.inside == ("01_q_learning.ipynb",)
    moodle = owner_of(("Ana Li_77_assignsubmission_file", "a", "b.py"), Path("all"), {()})
    assert (moodle.moodle, moodle.late, moodle.inside) == ("77", False, ("a", "b.py"))
    assert moodle.prefix == "Ana Li_77_assignsubmission_file_"


@pytest.mark.parametrize(
    ("name", "cells", "numbers"),
    [
        ("x.ipynb", [Cell("", "02.1")], ["02"]),
        ("01_q_learning.ipynb", [Cell("", "02.1")], ["02"]),
        ("x.ipynb", [Cell("", "01.1"), Cell("", "02.1")], ["01", "02"]),
        ("x.ipynb", [Cell("check('02.3', f)")], ["02"]),
        ("ana 02_dqn (1).ipynb", [Cell("x = 1")], ["02"]),
        ("x.ipynb", [Cell("def td_targets(): ...")], ["02"]),
        ("homework 02.ipynb", [Cell("x = 1")], ["02"]),
        ("homework 102.ipynb", [Cell("x = 1")], []),
        ("x.ipynb", [Cell("", "77.1")], []),
    ],
)
def test_a_notebook_is_known_by_its_cells_or_its_name(name, cells, numbers):
    assert notebook_numbers(name, cells) == numbers


# --- zips ---

GOOD = {"Ana_1_assignsubmission_file_/00.ipynb": ZERO, "Bo_2_assignsubmission_file_/b.ipynb": ZERO}


@pytest.mark.parametrize("as_argument", [True, False])
def test_a_download_of_moodle_is_opened_as_it_is(tmp_path, as_argument):
    inner = packed({"work/00.ipynb": ZERO})
    files = {**GOOD, "Cy_3_assignsubmission_file_/mine.zip": inner}
    save(tmp_path / "in", {"CS-DQN-77.zip": packed(files)})
    folder = tmp_path / "in" / ("CS-DQN-77.zip" if as_argument else "")
    told = found(folder)
    assert {student for student, _ in told.values()} == {"Ana", "Bo", "Cy"}
    assert len(told) == 3 and not any(problem for _, problem in told.values())


def test_a_download_of_canvas_is_opened_as_it_is(tmp_path):
    files = {"liana_12_34_00.ipynb": ZERO, "ray_LATE_13_35_work.zip": packed({"x.ipynb": ZERO})}
    save(tmp_path, {"submissions.zip": packed(files), "zoe_00_start_here.ipynb": ZERO})
    told = found(tmp_path)
    assert sorted(student for student, _ in told.values()) == ["liana_12", "ray_13", "zoe"]
    assert not any(problem for _, problem in told.values())


def test_a_zip_with_a_folder_for_each_student_is_a_class(tmp_path):
    save(tmp_path, {"class.zip": packed({"all/Ana/00.ipynb": ZERO, "all/Bo/00.ipynb": ZERO})})
    assert {s for s, _ in found(tmp_path / "class.zip").values()} == {"Ana", "Bo"}


def test_two_students_of_the_same_name_stay_two(tmp_path):
    files = {f"Ana Li_{n}_assignsubmission_file_/00.ipynb": ZERO for n in (1, 2)}
    save(tmp_path, files)
    assert {s for s, _ in found(tmp_path).values()} == {"Ana Li (1)", "Ana Li (2)"}
    blind = {f"Participant_{n}_assignsubmission_file_/00.ipynb": ZERO for n in (7, 8)}
    save(tmp_path / "blind", blind)
    assert {s for s, _ in found(tmp_path / "blind").values()} == {
        "Participant (7)",
        "Participant (8)",
    }


def link(name):
    """Return an entry that Unix would unpack as a link to /etc/passwd."""
    entry = zipfile.ZipInfo(name)
    entry.create_system, entry.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return entry


def with_flag(content, flag):
    """Return a zip whose first entry says that it is locked."""
    changed = bytearray(content)
    for mark, place in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        changed[changed.index(mark) + place] |= flag
    return bytes(changed)


DEEP = packed({"00.ipynb": ZERO})
for _ in range(5):
    DEEP = packed({"x.zip": DEEP})

UNSAFE = {
    "up": (packed({"../../00.ipynb": ZERO}), "leads out of the zip"),
    "root": (packed({"/tmp/00.ipynb": ZERO}), "leads out of the zip"),
    "drive": (packed({"C:\\x\\00.ipynb": ZERO}), "leads out of the zip"),
    "link": (packed({link("00.ipynb"): "/etc/passwd"}), "a link, not a file"),
    "locked": (with_flag(packed({"00.ipynb": ZERO}), 1), "locked by a password"),
    "large": (packed({"00.ipynb": b" " * 3_000_000}), "it has over 2 MB"),
    "bomb": (packed({f"{i}.ipynb": b" " * 1_500_000 for i in range(9)}), "the zip holds too much"),
    "many": (packed({f"{i}.txt": b"" for i in range(60)}), "the zip holds 60 files"),
    "deep": (DEEP, "it lies in too many zips"),
    "empty": (packed({}), "the zip holds 0 files"),
    "cut off": (packed({"00.ipynb": ZERO})[:-30], "cannot be opened as a zip"),
    "no zip": (b"PK\3\4 rar", "cannot be opened as a zip"),
    "damaged": (packed({"00.ipynb": ZERO}).replace(b"PK\3\4", b"PX\3\4", 1), "cannot be read"),
}


@pytest.mark.parametrize("kind", UNSAFE)
def test_what_is_unsafe_in_a_zip_is_not_read_and_said(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(module, "MAX_BYTES", 2_000_000)
    monkeypatch.setattr(module, "MAX_BYTES_OF_ZIP", 5_000_000)
    monkeypatch.setattr(module, "MAX_FILES_OF_ZIP", 50)
    content, words = UNSAFE[kind]
    save(tmp_path / "in", {"Ana/work.zip": content, "Bo/00.ipynb": ZERO})
    told = found(tmp_path / "in")
    assert told.pop("Bo/00.ipynb") == ("Bo", "")
    assert {student for student, _ in told.values()} == {"Ana"}
    assert words in [*told.values()][-1][1]
    assert [p.name for p in tmp_path.iterdir()] == ["in"]  # nothing has been unpacked


def test_names_in_zips_of_macos_and_windows_are_read(tmp_path):
    content = packed({"Zo**/00.ipynb": ZERO, "Li\\00.ipynb": ZERO})
    save(tmp_path, {"all.zip": content.replace(b"Zo**", "Zoë".encode())})
    assert {student for student, _ in found(tmp_path / "all.zip").values()} == {"Zoë", "Li"}


# --- scripts and modules ---

SCRIPT = f"""#!/usr/bin/env python
import torch
# %% [markdown]
# Some text: def mean_picture(images): ...
# %% exercise="00.1" tags=["exercise"]
{RIGHT}
# %%
check("00.1", mean_picture)
"""
EXPORT = f"# coding: utf-8\n\n# Text\n\n# In[1]:\n\n\nimport torch\n\n\n# In[ ]:\n\n\n{RIGHT}\n"


def test_a_script_is_cut_at_its_marks():
    cells = script_cells(SCRIPT)
    assert [cell.exercise for cell in cells] == [None, "00.1", None]
    assert cells[1].source == RIGHT and "import torch" in cells[0].source
    assert [c.source for c in script_cells(EXPORT)][1:] == ["import torch", RIGHT]
    assert script_cells("x = 1\n# %in\n") == []


@pytest.mark.parametrize("script", [SCRIPT, EXPORT, RIGHT], ids=["percent", "In", "no marks"])
def test_scripts_are_answers(tmp_path, script):
    save(tmp_path, {"Fay_00_start_here.py": script})
    (fay,) = collect(tmp_path, ALL)
    assert (fay.student, fay.numbers, fay.problem) == ("Fay", ["00"], "")
    assert any(RIGHT in cell.source for cell in fay.cells)


def test_a_module_goes_with_the_notebook_beside_it_alone(tmp_path):
    files = {
        "Ana/a/00.ipynb": ZERO,
        "Ana/a/helper.py": "h = 1",
        "Ana/a/parts/two.py": "t = 1",
        "Ana/far.py": "f = 1",
        "Ana/a/random.py": "r = 1",
        "Bo/00.ipynb": ZERO,
        "bo_extra.py": "b = 1",
        "liana_12_34_00.ipynb": ZERO,
        "liana_12_35_tools-2.py": "c = 1",
        "stray.py": "s = 1",
    }
    save(tmp_path, files)
    handed = {one.file: one for one in collect(tmp_path, ALL)}
    assert handed["Ana/a/00.ipynb"].modules == {"helper.py": "h = 1", "parts/two.py": "t = 1"}
    assert handed["Bo/00.ipynb"].modules == {"extra.py": "b = 1"}
    assert handed["liana_12_34_00.ipynb"].modules == {"tools.py": "c = 1"}
    assert handed["bo_extra.py"].is_module and not handed["bo_extra.py"].problem
    for name in ("Ana/far.py", "Ana/a/random.py", "stray.py"):
        assert handed[name].problem == "no notebook could import it, and it has no answers"
    assert handed["stray.py"].student == ""


# --- nothing vanishes ---


def test_every_file_is_told_of_once(tmp_path):
    files = {
        "Ana/00.ipynb": ZERO,
        "Ana/report.pdf": "%PDF",
        "Ana/.ipynb_checkpoints/00-checkpoint.ipynb": ZERO,
        "Bo.rar": "Rar!",
        "ana report.docx": "PK",
        "class list.csv": "a,b",
        "__MACOSX/._x": "",
        "Cy/01.ipynb": notebook("x = 1"),
        "Dot/~$x.docx": "",
        "Eve/old.zip": packed({"a.txt": "a", "b/00.ipynb": ZERO, "__MACOSX/b/._00.ipynb": ""}),
    }
    save(tmp_path, files)
    (tmp_path / "Nobody").mkdir()
    told = found(tmp_path, {"00"})
    assert len(told) == len(collect(tmp_path, {"00"})) == 13
    system = "made by a system, not by a person"
    assert {file for file, (_, problem) in told.items() if problem == system} == {
        "Ana/.ipynb_checkpoints/00-checkpoint.ipynb",
        "__MACOSX/._x",
        "Dot/~$x.docx",
        "Eve/old.zip/__MACOSX/b/._00.ipynb",
    }
    assert {file for file, (_, problem) in told.items() if not problem} == {
        "Ana/00.ipynb",
        "Eve/old.zip/b/00.ipynb",
    }
    assert told["Nobody/"] == ("Nobody", "the folder is empty")
    assert told["Cy/01.ipynb"] == ("Cy", "notebook 01 was not to be graded")
    assert told["ana report.docx"][0] == "Ana" and told["Bo.rar"][0] == "Bo"
    assert told["class list.csv"][0] == ""


@pytest.mark.parametrize(
    "spoiled",
    [
        TWO_1 + "\n\ndef f(:\n    pass",
        "x = = 1\n" + TWO_1,
        "@decorated\n" + TWO_1 + "\n)\n",
        "try:\n    import x\nexcept ImportError:\n    pass\nelse:\n    y = 1\n" + TWO_1 + "\nfor",
        'text = """\nfree\n""" \n' + TWO_1 + "\nprint('",
        "%matplotlib inline\n!ls\n" + TWO_1 + "\nif",
    ],
)
def test_a_mistake_costs_its_own_piece_of_a_cell_alone(spoiled):
    told = parse([Cell(spoiled)])
    assert "taken_q_values" in {name for s in told.statements for name in s.binds}
    assert len(told.broken) == 1
    (definition,) = [s for s in told.statements if "taken_q_values" in s.binds]
    at = spoiled[: spoiled.index("def taken_q_values")].count("\n") + 1
    assert definition.node.lineno == at
