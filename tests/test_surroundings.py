"""A home that cannot be written, an output that has no ✓, little memory: everything goes on."""

import os
import re
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

import course
from tests.small_notebooks import save, small_notebook
from tools.colab import first_cell
from tools.notebooks import ROOT, find, fold, printed, read

WINDOWS = {"PYTHONUTF8": "0", "PYTHONIOENCODING": "cp1252"}
"""What output into a file is on Windows: it has no ✓, no ≥ and no letters of most languages."""


def run(*arguments, **variables):
    """Run Python in the course's folder with the output in a pipe, and return what it did."""
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | variables,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
    )


# --- an output without ✓ ---


@pytest.fixture
def claiming(tmp_path):
    """A notebook with a claim, in a folder with letters that Western Windows lacks."""
    source = "from dqngan_lib.course.runtime import claim\nclaim('x', 2, at_least=1)"
    folder = tmp_path / "课程"
    folder.mkdir()
    notebook = small_notebook(first_cell(), source)
    fold(notebook.cells[1])
    return save(folder, notebook)


@pytest.mark.slow
@pytest.mark.parametrize("tool", ["run", "build"])
def test_a_notebook_runs_and_is_built_where_the_output_has_no_tick(claiming, tool):
    result = run("-m", f"tools.{tool}", claiming, **WINDOWS)
    assert result.returncode == 0, result.stderr
    assert "✓ x ≥ 1 (measured 2)" in result.stdout
    if tool == "build":
        assert printed(read(claiming).cells[2]) == "✓ x ≥ 1 (measured 2)\n"


@pytest.mark.slow
def test_a_study_ends_where_the_output_has_no_tick(claiming):
    elsewhere = (
        "import sys; from pathlib import Path; from tools import claims, study; "
        "from tools.start import start; folder = Path(sys.argv[1]).parent; "
        "claims.CLAIMS, study.PROGRESS = folder / 'claims.csv', folder / 'study.json'; "
        "study.write_tables = lambda: None; start(study.main)"
    )
    options = (claiming, "--seeds", 1, "--skip-tables")
    result = run("-c", elsewhere, *options, **WINDOWS)
    assert result.returncode == 0, result.stderr
    assert "✓ x ≥ 1 (measured 2)" in result.stdout
    assert "x,≥,1,0,2.0" in (claiming.parent / "claims.csv").read_text(encoding="utf-8")


@pytest.mark.parametrize("tool", ["solutions", "colab"])
def test_copies_are_written_where_the_output_lacks_their_folders_letters(tmp_path, tool):
    folder = tmp_path / "课程"
    result = run("-m", f"tools.{tool}", "01", "--out", folder, **WINDOWS)
    assert result.returncode == 0, result.stderr
    assert f"课程{os.sep}01_q_learning.ipynb" in result.stdout


@pytest.mark.slow
def test_grading_ends_where_the_output_lacks_the_students_letters(tmp_path):
    handed = tmp_path / "李明"
    handed.mkdir()
    save(handed, small_notebook("x = 1"), "01_q_learning.ipynb")
    out = tmp_path / "grades.csv"
    result = run("-m", "tools.grading.command", tmp_path, "--out", out, "--only", "01", **WINDOWS)
    assert result.returncode == 0, result.stderr
    assert "李明" in result.stdout and "李明" in out.read_text(encoding="utf-8-sig")


def test_a_learners_script_can_claim_check_and_ask_where_the_output_has_no_tick():
    script = (
        "from dqngan_lib.course.runtime import claim; from dqngan_lib import exercises as e; "
        "claim('x', 2, at_least=1); e.check('01.1', e.find('01.1').solution); e.solution('01.1')"
    )
    result = run("-c", script, **WINDOWS)
    assert result.returncode == 0, result.stderr
    first, second, *_ = result.stdout.splitlines()
    assert first == "? x ? 1 (measured 2)"
    assert second.startswith("? 01.1 right")


def test_course_py_says_where_it_is_where_the_console_lacks_the_letters(tmp_path):
    folder = tmp_path / "课程"
    folder.mkdir()
    copy = folder / "course.py"
    copy.write_bytes((ROOT / "course.py").read_bytes())
    result = run(copy, "lab", **WINDOWS)
    assert result.returncode == 1
    assert "is missing beside course.py" in result.stderr
    assert "Traceback" not in result.stderr


# --- a home that cannot be written ---


@pytest.fixture
def homeless(tmp_path, monkeypatch):
    """The variables that `course.py` sets where the user's own folder cannot be one.

    It is a file: permissions do not bind the administrator, as whom tests may run.
    """
    home, environment = tmp_path / "home", tmp_path / ".venv"
    home.touch()
    environment.mkdir()
    for name in list(os.environ):
        if re.match("(IPYTHON|JUPYTER|MPL|XDG)", name):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    monkeypatch.setattr(course, "VENV", environment)
    return course.surroundings()


def test_what_belongs_at_home_goes_into_the_environment(homeless, monkeypatch, tmp_path):
    places = [Path(homeless[name]) for name in course.KEPT_AT_HOME]
    assert len(set(places)) == len(places)
    assert all(place.is_dir() and tmp_path / ".venv" in place.parents for place in places)

    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path / "mine"))
    assert course.surroundings()["MPLCONFIGDIR"] == str(tmp_path / "mine")


def test_a_home_that_can_be_written_is_left_alone(homeless, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert not course.KEPT_AT_HOME.keys() & course.surroundings().keys()


@pytest.mark.slow
def test_a_notebook_passes_without_a_home_and_without_ticks(homeless):
    result = run("-m", "tools.test", "00", **(homeless | WINDOWS))
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count("\nok ") == 4


@pytest.mark.slow
def test_jupyterlab_starts_without_a_home(homeless, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # `course.py lab` starts the same module, after it has looked after its environment.
    options = ["--no-browser", f"--port={port}", "--log-level=WARN"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.append("--allow-root")
    log = tmp_path / "log.txt"
    with log.open("w") as file:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *options],
            cwd=ROOT,
            env=homeless,
            stdout=file,
            stderr=file,
        )
    try:
        until = time.monotonic() + 240
        while server.poll() is None and time.monotonic() < until:
            time.sleep(0.5)
            if f"http://127.0.0.1:{port}/lab" in log.read_text(encoding="utf-8"):
                return
        raise AssertionError(log.read_text(encoding="utf-8"))
    finally:
        server.terminate()
        with suppress(subprocess.TimeoutExpired):
            server.wait(30)
        server.kill()


# --- little memory ---

TWO_GB = 2_000_000_000


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a process's data")
@pytest.mark.parametrize("number", ["00", "16"])
def test_a_light_notebook_runs_in_two_gigabytes(number):
    """The kernel's own data are limited, not its addresses, of which torch reserves far more."""
    limited = (
        "import resource, sys; from tools.run import main; "
        f"resource.setrlimit(resource.RLIMIT_DATA, ({TWO_GB}, {TWO_GB})); status = main(); "
        "print('peak', resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(status)"
    )
    (path,) = find([number])
    result = run("-c", limited, path)
    assert result.returncode == 0, result.stdout + result.stderr
    kilobytes = int(re.search(r"^peak (\d+)$", result.stdout, re.MULTILINE)[1])
    assert kilobytes * 1024 < TWO_GB, "with the code of its libraries"
