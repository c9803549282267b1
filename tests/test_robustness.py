"""Notebooks offline, read-only, at an unkind path, with an odd seed, and interrupted."""

import importlib.util
import os
import subprocess
import sys

import pytest

from tests.small_notebooks import save, small_notebook
from tools import notebooks
from tools.notebooks import ROOT, find, first_line, read

SCRIPT = ROOT / "benchmarks" / "robustness.py"
spec = importlib.util.spec_from_file_location("robustness", SCRIPT)
robustness = importlib.util.module_from_spec(spec)
with pytest.MonkeyPatch.context() as patch:
    patch.syspath_prepend(SCRIPT.parent)
    spec.loader.exec_module(robustness)


@pytest.fixture(autouse=True)
def headless(monkeypatch):
    monkeypatch.setenv("COURSE_HEADLESS", "1")


@pytest.mark.slow
@pytest.mark.parametrize("number", ["00", "16"])
def test_a_read_only_copy_at_an_unkind_path_runs_offline_with_the_greatest_seed(number, tmp_path):
    (path,) = find([number])
    seed = {"COURSE_SEED": str(robustness.GREATEST_SEED)}
    assert robustness.outcome(robustness.elsewhere(path, tmp_path, seed)) == "ok"
    copy = tmp_path / robustness.STRANGE
    assert not list(copy.rglob("__pycache__")), "something was written into the course"


@pytest.mark.parametrize(
    ("attempt", "word"),
    [
        ("open('{course}/new', 'w')", "read-only"),
        ("import os; os.open('{course}/new', os.O_CREAT | os.O_WRONLY)", "read-only"),
        ("import socket; socket.create_connection(('192.0.2.1', 80), 5)", "unreachable"),
        ("import socket; socket.getaddrinfo('example.org', 80)", "unreachable"),
        ("open('{course}/old').read(); open('{elsewhere}/new', 'w')", None),
    ],
)
def test_the_guard_refuses_what_it_should(attempt, word, tmp_path):
    course, elsewhere, guard = (tmp_path / name for name in ("course", "elsewhere", "guard"))
    for folder in (course, elsewhere, guard):
        folder.mkdir()
    (course / "old").touch()
    (guard / "sitecustomize.py").write_text(robustness.GUARD, encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": str(guard), "COURSE_GUARDED": str(course)}
    code = attempt.format(course=course, elsewhere=elsewhere)
    process = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    assert not (course / "new").exists()
    if word:
        assert word in process.stderr
    else:
        assert process.returncode == 0, process.stderr


@pytest.mark.slow
def test_an_interrupted_cell_is_run_again_and_the_rest_after_it(tmp_path):
    notebook = small_notebook(
        "import time\ntries = []",
        "tries.append(1)\nif len(tries) == 1:\n    time.sleep(60)",
        "assert len(tries) == 2",
    )
    path = save(tmp_path, notebook)
    hit, result = robustness.interrupted(path, after=0.3, cell=2)
    assert (hit, result) == ("tries.append(1)", "ok")


@pytest.mark.slow
def test_a_notebook_that_does_not_recover_is_named(tmp_path):
    notebook = small_notebook(
        "import time\ntries = []",
        "tries.append(1)\nif len(tries) == 1:\n    time.sleep(60)",
        "assert len(tries) == 1, 'ran twice'",
    )
    _, result = robustness.interrupted(save(tmp_path, notebook), after=0.3, cell=2)
    assert result == "code cell 3: AssertionError: ran twice"


@pytest.mark.slow
def test_the_button_is_never_pressed_between_two_cells(tmp_path, monkeypatch):
    """There it could swallow the request to run the next cell, which would wait for ever."""
    monkeypatch.setattr(notebooks, "CELL_TIMEOUT", 30)
    path = save(tmp_path, small_notebook(*["x = 1"] * 40, "import time\ntime.sleep(3)"))
    for after in (0.0, 0.2):
        hit, result = robustness.interrupted(path, after)
        assert result == "ok"
        assert hit in ("x = 1", "import time")


@pytest.mark.slow
def test_notebook_01_goes_on_after_the_stop_button():
    words = "watch_every=300,"  # the training that is watched
    (path,) = find(["01"])
    sources = [cell.source for cell in read(path).cells if cell.cell_type == "code"]
    (place,) = [place for place, source in enumerate(sources) if words in source]
    hit, result = robustness.interrupted(path, after=0.3, cell=place + 1)
    assert result == "ok", f"interrupted in {hit}"
    assert hit == first_line(sources[place])
