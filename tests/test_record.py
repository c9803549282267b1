"""What `check` notes and `progress` shows: every exercise, damaged files, several kernels."""

import json
import multiprocessing
import os
import re
import subprocess
import sys

import pytest
from filelock import FileLock

from dqngan_lib.exercises import check, find, progress, record
from dqngan_lib.exercises.record import exercise_names, note, read_record, record_path
from tools.notebooks import ROOT, course_notebooks, read
from tools.stated import stated


@pytest.fixture
def file(tmp_path, monkeypatch):
    """The record of a learner who has just begun."""
    path = tmp_path / "kept" / "progress.json"
    monkeypatch.setenv("COURSE_PROGRESS", str(path))
    monkeypatch.delenv("COURSE_STRICT", raising=False)
    return path


def shown(capsys):
    capsys.readouterr()
    progress()
    return capsys.readouterr().out


def test_every_exercise_of_the_notebooks_is_in_the_page_once(file, capsys):
    in_notebooks = [name for path in course_notebooks() for name in stated(read(path))]
    assert exercise_names() == in_notebooks
    words = shown(capsys)
    assert sorted(re.findall(r"[0-9A-Z]+\.\d+", words.partition("Noted")[0])) == sorted(
        in_notebooks
    )
    assert words.startswith(f"0 of {len(in_notebooks)} exercises right\n")
    assert not file.exists(), "looking writes nothing"


def test_check_notes_right_and_wrong_and_leaves_what_was_not_tried(file, capsys):
    check("01.1", find("01.1").solution)
    check("01.2", lambda *arguments: 3)

    def empty(images): ...

    check("00.1", empty)
    assert json.loads(file.read_text("utf-8")) == {"01.1": "right", "01.2": "wrong"}
    words = shown(capsys)
    assert words.startswith("1 of ")
    (line,) = [line for line in words.splitlines() if line.startswith("01 ")]
    assert "✓ right 01.1 · ✗ not right yet 01.2 · ○ not tried 01.3" in line
    assert "00  ○ not tried 00.1" in words


def test_what_was_right_once_stays_right_and_wrong_becomes_right(file):
    for verdict in ("wrong", "right", "wrong", "not attempted"):
        note("02.1", verdict)
    assert read_record() == {"02.1": "right"}


def test_what_a_later_edition_has_noted_stays(file, capsys):
    note("99.7", "right")
    note("02.1", "right")
    assert read_record() == {"99.7": "right", "02.1": "right"}
    assert shown(capsys).startswith("1 of "), "an exercise that this edition has not does not count"


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"01.1": 3}', "\xff", '{"01.1": "maybe"}'])
def test_a_damaged_file_is_said_and_put_aside(file, capsys, text):
    file.parent.mkdir()
    file.write_bytes(text.encode("latin-1"))
    words = shown(capsys)
    assert "progress.json" in words.splitlines()[0]
    assert "the next check puts it aside" in words
    note("02.1", "right")
    assert "progress.damaged.json" in capsys.readouterr().out
    assert read_record() == {"02.1": "right"}
    assert file.with_name("progress.damaged.json").read_bytes() == text.encode("latin-1")


def test_a_place_that_cannot_be_written_stops_no_check(file, capsys):
    file.parent.write_text("a file where the folder should be", encoding="utf-8")
    check("01.1", find("01.1").solution)
    words = capsys.readouterr().out
    assert "✓ 01.1 right" in words
    assert "not noted for progress()" in words
    assert "0 of " in shown(capsys)


def test_a_file_that_somebody_keeps_locked_stops_no_check(file, capsys, monkeypatch):
    monkeypatch.setattr(record, "PATIENCE", 0.1)
    file.parent.mkdir()
    with FileLock(file.with_suffix(".lock")):
        note("01.1", "right")
    assert "not noted" in capsys.readouterr().out
    assert not file.exists()


def test_a_write_that_breaks_off_leaves_the_old_record(file, monkeypatch):
    note("01.1", "right")
    before = file.read_bytes()
    monkeypatch.setattr("pathlib.Path.replace", lambda self, target: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        note("01.2", "right")
    assert file.read_bytes() == before
    assert sorted(p.name for p in file.parent.iterdir() if p.suffix != ".lock") == ["progress.json"]


def _note_many(names):
    for name in names:
        note(name, "right")


def test_notebooks_that_are_open_at_once_lose_nothing(file):
    some = [f"01.{n}" for n in range(20)], [f"02.{n}" for n in range(20)]
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    workers = [context.Process(target=_note_many, args=(names,)) for names in some]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(read_record()) == 40


def test_tests_and_builds_keep_nothing(monkeypatch, capsys):
    monkeypatch.delenv("COURSE_PROGRESS", raising=False)
    monkeypatch.setenv("COURSE_HEADLESS", "1")
    assert not record.kept()
    monkeypatch.delenv("COURSE_HEADLESS")
    assert record.kept()
    assert record_path() == ROOT / ".cache" / "progress.json"
    assert record.shown_path() == ".cache/progress.json in the course's folder"


def test_git_does_not_see_the_record():
    name = ".cache/progress.json"
    if not (ROOT / ".git").exists():
        pytest.skip("not a clone")
    command = ["git", "check-ignore", "-q", name]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 0


def test_words_stay_where_a_terminal_lacks_the_signs(file):
    note("01.1", "right")
    code = "from dqngan_lib.exercises import progress; progress()"
    environment = {"PYTHONIOENCODING": "ascii:strict", "COURSE_PROGRESS": str(file)}
    found = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "? right 01.1" in found
    assert "? not tried 00.1" in found
