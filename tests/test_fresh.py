"""`course.py fresh`, on a small course in a repository of its own."""

import subprocess
from pathlib import Path

import pytest

from tests.small_notebooks import save, small_notebook
from tools import fresh, notebooks
from tools.notebooks import NOTEBOOKS, ROOT


@pytest.fixture
def course(tmp_path, monkeypatch) -> Path:
    """A clone with one notebook in it."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    monkeypatch.setattr(notebooks, "NOTEBOOKS", folder)
    save(folder, small_notebook("print('original')"))
    who = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    for command in (["init", "-q"], ["add", "."], [*who, "commit", "-q", "-m", "a course"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    return folder


def test_a_copy_is_put_aside_and_the_original_is_back(course, capsys):
    path = course / "02_small.ipynb"
    original = path.read_bytes()
    for text in ("first", "second"):
        save(course, small_notebook(f"print('{text}')"))
        assert fresh.main(["02"]) == 0
        assert path.read_bytes() == original
    assert "Yours is notebooks/mine/02_small_2.ipynb" in capsys.readouterr().out
    assert "first" in (course / "mine" / "02_small.ipynb").read_text()
    assert "second" in (course / "mine" / "02_small_2.ipynb").read_text()
    status = ["git", "status", "--short", "--", "02_small.ipynb"]
    assert subprocess.run(status, cwd=course, capture_output=True, check=True).stdout == b""


def test_what_is_as_it_came_stays(course, capsys):
    assert fresh.main(["all"]) == 0
    assert capsys.readouterr().out == "02_small.ipynb is as it came.\n"
    assert not (course / "mine").exists()


def test_without_git_the_copy_stays_where_it_is(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(notebooks, "NOTEBOOKS", tmp_path)
    path = save(tmp_path, small_notebook("print('mine')"))
    assert fresh.main(["02"]) == 1
    assert "no clone of the course" in capsys.readouterr().err
    assert "mine" in path.read_text()


def test_git_ignores_the_copies_and_the_tools_do_not_see_them():
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert "/notebooks/mine/" in ignored
    assert not [path for path in notebooks.find() if path.parent != NOTEBOOKS]
