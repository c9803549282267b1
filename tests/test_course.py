"""`course.py` and what it starts, in temporary folders: nothing is installed or downloaded."""

import ast
import csv
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

from tests.small_notebooks import save, small_notebook
from tools import build, claims, notebooks, run, study
from tools import test as test_tool
from tools.notebooks import ROOT, NotebookError, as_number, find, notebook_of, printed, read

# --- course.py: the environment ---


@pytest.fixture
def course(tmp_path, monkeypatch) -> ModuleType:
    """A copy of course.py in a folder of its own, whose `install` only counts its calls."""
    folder = tmp_path / "the course"
    folder.mkdir()
    shutil.copy(ROOT / "course.py", folder)
    (folder / "requirements.txt").write_text("numpy==2.0\n")
    (folder / "requirements-cuda.txt").write_text("")
    (folder / "pyproject.toml").write_text("[project]\n")
    spec = importlib.util.spec_from_file_location("course_copy", folder / "course.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.installs = 0
    module.real_install = module.install

    def install(build: str) -> str:
        module.installs += 1
        return build

    monkeypatch.setattr(module, "install", install)
    return module


@pytest.fixture
def quick(course, monkeypatch) -> ModuleType:
    """The same, with an environment that is a folder with a version in a file: made at once."""

    def run(command: list[str]) -> None:
        if "venv" in command:
            (course.VENV / "version").write_text("3.12")

    def environment_python() -> str | None:
        file = course.VENV / "version"
        return file.read_text() if file.exists() else None

    monkeypatch.setattr(course, "run", run)
    monkeypatch.setattr(course, "environment_python", environment_python)
    return course


@pytest.mark.slow
def test_a_real_environment_is_made_once_and_starts_fast(course, capsys):
    tools = course.ROOT / "tools"
    tools.mkdir()
    (tools / "run.py").write_text("import sys, os\nprint(sys.prefix, sys.argv[1:], os.getcwd())\n")
    course.ensure_environment()
    assert course.installs == 1
    assert "First start" in capsys.readouterr().out

    before = os.times()
    command = [sys.executable, str(course.ROOT / "course.py"), "run", "02"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    after = os.times()  # computing, not waiting: other tests run at the same time
    seconds = after.children_user + after.children_system
    seconds -= before.children_user + before.children_system
    assert result.stdout.splitlines() == [f"{course.VENV} ['02'] {course.ROOT}"], result.stderr
    assert seconds < 2


def test_nothing_happens_when_nothing_changed(quick, capsys):
    quick.ensure_environment()
    capsys.readouterr()
    quick.ensure_environment()
    assert quick.installs == 1
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-cuda.txt", "pyproject.toml"])
def test_changed_requirements_are_installed_into_the_same_environment(quick, name):
    quick.ensure_environment()
    (quick.VENV / "mine").touch()
    (quick.ROOT / name).write_text("torch==2.10\n")
    quick.ensure_environment()
    quick.ensure_environment()
    assert quick.installs == 2
    assert (quick.VENV / "mine").exists()


def test_an_update_that_fails_keeps_the_environment(quick, monkeypatch):
    def fail(build: str) -> str:
        raise SystemExit("no network")

    quick.ensure_environment()
    (quick.VENV / "mine").touch()
    old = (quick.ROOT / "requirements.txt").read_text()
    (quick.ROOT / "requirements.txt").write_text("torch==2.10\n")
    with monkeypatch.context() as patch:
        patch.setattr(quick, "install", fail)
        with pytest.raises(SystemExit, match="no network"):
            quick.ensure_environment()
    (quick.ROOT / "requirements.txt").write_text(old)
    quick.ensure_environment()
    assert quick.installs == 1
    assert (quick.VENV / "mine").exists()


def test_line_endings_of_windows_change_nothing(quick):
    quick.ensure_environment()
    (quick.ROOT / "requirements.txt").write_bytes(b"numpy==2.0\r\n")
    quick.ensure_environment()
    assert quick.installs == 1


@pytest.mark.parametrize("what", [KeyboardInterrupt, SystemExit])
def test_an_unfinished_installation_is_begun_again(quick, monkeypatch, capsys, what):
    def interrupted(build: str) -> str:
        (quick.VENV / "half a package").touch()
        raise what

    with monkeypatch.context() as patch:
        patch.setattr(quick, "install", interrupted)
        with pytest.raises(what):
            quick.ensure_environment()
    quick.ensure_environment()
    assert "not finished" in capsys.readouterr().out
    assert not (quick.VENV / "half a package").exists()
    assert json.loads(quick.STAMP.read_text())["requirements"] == quick.digest()


def test_interruption_is_reported_plainly(quick, monkeypatch):
    def interrupted(build: str) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(quick, "install", interrupted)
    with pytest.raises(SystemExit, match="Nothing is lost"):
        quick.main(["lab"])


def test_a_moved_folder_gets_a_new_environment(quick, capsys):
    quick.ensure_environment()
    stamp = json.loads(quick.STAMP.read_text())
    quick.STAMP.write_text(json.dumps({**stamp, "folder": "/elsewhere"}))
    quick.ensure_environment()
    assert "made in /elsewhere, and environments cannot move" in capsys.readouterr().out
    assert quick.installs == 2


@pytest.mark.parametrize(("version", "words"), [("3.13", "from 3.12 to 3.13"), (None, "not run")])
def test_another_python_gets_a_new_environment(quick, capsys, version, words):
    quick.ensure_environment()
    (quick.VENV / "version").unlink()
    if version:
        (quick.VENV / "version").write_text(version)
    quick.ensure_environment()
    assert words in capsys.readouterr().out
    assert quick.installs == 2


def test_an_environment_made_by_hand_is_kept_and_filled(quick):
    quick.VENV.mkdir()
    (quick.VENV / "version").write_text("3.11")
    quick.ensure_environment()
    quick.ensure_environment()
    assert quick.installs == 1
    assert (quick.VENV / "version").read_text() == "3.11"


def test_the_environment_does_not_replace_itself(quick, monkeypatch):
    quick.VENV.mkdir()
    monkeypatch.setattr(sys, "prefix", str(quick.VENV))
    with pytest.raises(SystemExit, match="deactivate"):
        quick.ensure_environment()
    assert quick.VENV.exists()


# --- course.py: messages ---


@pytest.mark.parametrize("version", [(3, 6, 15), (3, 10, 0)])
def test_old_pythons_are_refused(course, monkeypatch, version):
    monkeypatch.setattr(sys, "version_info", version)
    with pytest.raises(SystemExit, match=f"is Python 3.{version[1]}"):
        course.main(["lab"])


def test_old_pythons_can_read_course_py():
    ast.parse((ROOT / "course.py").read_text(encoding="utf-8"), feature_version=(3, 6))


def test_newer_pythons_get_a_note(course, monkeypatch, capsys):
    monkeypatch.setattr(sys, "version_info", (3, 14, 0))
    course.check_python()
    assert "not on 3.14. Going on" in capsys.readouterr().out


@pytest.mark.parametrize("module", ["venv", "ensurepip"])
def test_a_missing_module_venv_is_named(quick, monkeypatch, module):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == module else name)
    with pytest.raises(SystemExit, match=r"apt install python3\.\d+-venv"):
        quick.ensure_environment()


# --- course.py: torch with CUDA, or without ---


def stamped_build(course: ModuleType) -> str:
    return json.loads(course.STAMP.read_text())["build"]


@pytest.fixture
def linux(monkeypatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr(sys, "platform", "linux")
    return monkeypatch


@pytest.mark.parametrize(("driver", "build"), [(True, "gpu"), (False, "cpu")])
def test_the_build_follows_the_driver(quick, linux, tmp_path, driver, build):
    linux.setattr(quick, "DRIVER", (str(tmp_path if driver else tmp_path / "no such file"),))
    quick.ensure_environment()
    assert stamped_build(quick) == build


@pytest.mark.parametrize("system", ["win32", "darwin"])
def test_elsewhere_there_is_one_build(quick, monkeypatch, capsys, system):
    monkeypatch.setattr(sys, "platform", system)
    quick.ensure_environment("cpu")
    assert stamped_build(quick) == "gpu"
    assert "for Linux. Going on without" in capsys.readouterr().out


def test_the_other_build_is_installed_only_where_it_is_asked_for(quick, linux, capsys):
    linux.setattr(quick, "has_cpu_builds", lambda: True)
    quick.ensure_environment("gpu")
    quick.ensure_environment()
    assert (quick.installs, stamped_build(quick)) == (1, "gpu")
    quick.ensure_environment("cpu")
    assert "--cpu asks for the other build" in capsys.readouterr().out
    quick.ensure_environment()
    assert (quick.installs, stamped_build(quick)) == (2, "cpu")


def test_a_good_environment_is_not_given_up_for_a_server_that_is_silent(quick, linux, capsys):
    linux.setattr(quick, "has_cpu_builds", lambda: False)
    quick.ensure_environment("gpu")
    quick.ensure_environment("cpu")
    assert (quick.installs, stamped_build(quick)) == (1, "gpu")
    assert "does not answer, so torch stays" in capsys.readouterr().out


def test_an_environment_from_before_there_was_a_choice_stays(quick, linux):
    linux.setattr(quick, "DRIVER", ())
    quick.ensure_environment("gpu")
    stamp = json.loads(quick.STAMP.read_text())
    del stamp["build"]
    quick.STAMP.write_text(json.dumps(stamp))
    quick.ensure_environment()
    assert quick.installs == 1


def test_the_choice_is_not_handed_over(quick, linux):
    calls = []
    linux.setattr(quick, "hand_over", lambda command: calls.append(command) or 0)
    quick.main(["test", "--cpu", "--fast", "--gpu"])
    assert calls == [("tools.test", "--fast")]
    assert stamped_build(quick) == "gpu", "the last one counts"


def small_wheel(folder: Path, name: str, version: str, *needs: str) -> None:
    """Write a package of nothing, in the form and place that pip takes packages from."""
    place = folder / name
    place.mkdir(parents=True, exist_ok=True)
    info = f"{name.replace('-', '_')}-{version}.dist-info"
    wheel = f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
    required = "".join(f"Requires-Dist: {need}\n" for need in needs)
    with zipfile.ZipFile(place / wheel, "w") as file:
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{required}"
        file.writestr(f"{info}/METADATA", metadata)
        file.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr(f"{info}/RECORD", "")
    links = "".join(
        f'<a href="{path.name}">{path.name}</a>' for path in sorted(place.glob("*.whl"))
    )
    (place / "index.html").write_text(f"<!DOCTYPE html><body>{links}</body>")


@pytest.mark.slow
@pytest.mark.parametrize("answers", [True, False])
def test_torch_comes_without_cuda_or_the_installation_goes_on(
    course, linux, tmp_path, capsys, answers
):
    """The real pip, and two servers that are folders: the registry, and PyTorch's own."""
    registry, server = tmp_path / "registry", tmp_path / "server"
    small_wheel(registry, "torch", "9.9.9", "nvidia-thing")
    small_wheel(registry, "nvidia-thing", "1.0")
    small_wheel(registry, "nvidia-thing", "2.0")
    small_wheel(registry, "torchvision", "8.8.8", "torch==9.9.9")
    small_wheel(server, "torch", "9.9.9+cpu")
    small_wheel(server, "torchvision", "8.8.8+cpu", "torch==9.9.9")
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        linux.delenv(name)
    linux.setenv("PIP_CONFIG_FILE", os.devnull)
    linux.setenv("PIP_NO_CACHE_DIR", "1")
    linux.setenv("PIP_INDEX_URL", registry.as_uri())
    nobody = "http://127.0.0.1:9/whl/cpu"
    linux.setenv("COURSE_TORCH_SERVER", server.as_uri() if answers else nobody)
    pins = "-c requirements-cuda.txt\ntorch==9.9.9\ntorchvision==8.8.8\n"
    (course.ROOT / "requirements.txt").write_text(pins)
    (course.ROOT / "requirements-cuda.txt").write_text("nvidia-thing==1.0\n")
    real_run = course.run
    linux.setattr(course, "run", lambda command: None if "-e" in command else real_run(command))

    course.create_environment("cpu")
    assert course.real_install("cpu") == ("cpu" if answers else "gpu")
    command = [str(course.PYTHON), "-m", "pip", "list", "--format=freeze"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    found = {line for line in listed if line.startswith(("torch", "nvidia"))}
    if answers:
        assert found == {"torch==9.9.9+cpu", "torchvision==8.8.8+cpu"}
    else:
        assert found == {"torch==9.9.9", "torchvision==8.8.8", "nvidia-thing==1.0"}
        assert f"{nobody} does not answer" in capsys.readouterr().out


# What pip (or the system) writes to stderr, and words of the message it must lead to.
COMPLAINTS = {
    "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device": (
        "The disk is full"
    ),
    "OSError: [WinError 112] There is not enough space on the disk": "The disk is full",
    "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError(Failed to "
    "establish a new connection: [Errno -3] Temporary failure in name resolution')': /simple/\n"
    "ERROR: Could not find a version that satisfies the requirement torch": "cannot be reached",
    "socket.gaierror: [Errno 11001] getaddrinfo failed": "cannot be reached",
    "pip._vendor.urllib3.exceptions.ReadTimeoutError: Read timed out.": "cannot be reached",
    "Could not fetch URL: SSLError(SSLCertVerificationError(1, 'CERTIFICATE_VERIFY_FAILED'": (
        "certificate was not accepted"
    ),
    "ERROR: No matching distribution found for torch==2.10.0": "does not exist for this computer",
    "ERROR: [Errno 13] Permission denied: '.venv/lib'": "No permission to write",
    "PermissionError: [WinError 5] Access is denied: 'x'": "No permission to write",
    "error: something else\n": "The last one: error: something else",
}


@pytest.mark.parametrize("complaint", COMPLAINTS)
def test_a_failed_installation_is_explained(course, complaint, capsys):
    code = f"import sys; sys.stderr.write({complaint!r}); sys.exit(1)"
    with pytest.raises(SystemExit) as stop:
        course.run([sys.executable, "-c", code])
    assert COMPLAINTS[complaint] in str(stop.value)
    assert "run the same command again" in str(stop.value)
    assert complaint.strip() in capsys.readouterr().err, "pip's own words are shown as well"


@pytest.mark.slow
def test_the_words_of_pip_without_a_network_are_understood(course):
    """The real pip, told to ask a port at which nobody answers."""
    nowhere = "http://127.0.0.1:9/simple"
    pip = [sys.executable, "-m", "pip", "--isolated", "download", "--retries", "1"]
    with pytest.raises(SystemExit, match="cannot be reached"):
        course.run([*pip, "--no-cache-dir", "--index-url", nowhere, "dqngan-course-no-such-thing"])


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (PermissionError(13, "Permission denied"), "No permission to write in"),
        (OSError(30, "Read-only file system"), "No permission to write in"),
        (OSError(28, "No space left on device"), "The disk is full"),
    ],
)
def test_a_folder_that_cannot_be_written_is_explained(course, monkeypatch, error, words):
    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(SystemExit, match=words):
        course.main(["lab"])


def test_course_py_alone_says_what_is_missing(course):
    (course.ROOT / "requirements.txt").unlink()
    with pytest.raises(SystemExit, match="get the whole folder"):
        course.main(["test"])


def test_help_and_unknown_commands_install_nothing(course, capsys):
    assert course.main([]) == 0
    assert "python3 course.py lab" in capsys.readouterr().out
    assert course.main(["leb"]) == 2
    assert "It knows: lab, test" in capsys.readouterr().err
    assert course.installs == 0
    assert not course.VENV.exists()


def test_every_command_is_in_the_help_and_exists(course):
    for name, (module, *_) in course.COMMANDS.items():
        assert re.search(rf"^  {name} (\[|0\d)", course.HELP, re.MULTILINE)
        assert importlib.util.find_spec(module)


def test_what_is_handed_over(quick, monkeypatch):
    calls = []
    monkeypatch.setattr(quick, "hand_over", lambda command: calls.append(command) or 0)
    monkeypatch.chdir(quick.ROOT)
    quick.main(["lab", "--no-browser", "--port=9999"])
    quick.main(["run", "02", "copies/my.ipynb"])
    assert calls[0] == ("tools.lab", "--no-browser", "--port=9999")
    assert calls[1] == ("tools.run", "02", str(quick.ROOT / "copies" / "my.ipynb"))


# --- the tools ---


@pytest.fixture
def two_notebooks(tmp_path, monkeypatch) -> Path:
    """A folder that the tools take for the course's, with 02_small and 10_other in it."""
    monkeypatch.setattr(notebooks, "NOTEBOOKS", tmp_path)
    save(tmp_path, small_notebook("print('old')"))
    save(tmp_path, small_notebook("print('other')"), "10_other.ipynb")
    save(tmp_path, small_notebook("print('mine')"), "scratch.ipynb")
    return tmp_path


@pytest.mark.parametrize("name", ["02", "2", "02_small", "02_small.ipynb", "notebooks/02_small"])
def test_names_of_notebooks(two_notebooks, name):
    assert find([name]) == [two_notebooks / "02_small.ipynb"]


def test_numbers_and_letters_as_somebody_types_them():
    typed = {"2": "02", "02": "02", "12": "12", "a": "A", "A": "A"}
    assert {text: as_number(text) for text in typed} == typed
    assert notebook_of("02.1") == "02"
    assert notebook_of("A.4") == "A"


def test_more_names_of_notebooks(two_notebooks):
    assert [path.stem for path in find()] == ["02_small", "10_other"]
    assert [path.stem for path in find(["10", "2", "02"])] == ["10_other", "02_small"]
    scratch = two_notebooks / "scratch.ipynb"
    assert find([str(scratch)]) == [scratch]
    for name in ("3", "0", "small", "", "scratch"):
        with pytest.raises(NotebookError, match="the course has: 02_small, 10_other"):
            find([name])


def test_a_course_without_notebooks_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(notebooks, "NOTEBOOKS", tmp_path)
    with pytest.raises(NotebookError, match="no notebooks"):
        find()


def test_build_stores_outputs_and_nothing_else(tmp_path, capsys):
    source = "import os\nprint(os.environ['COURSE_HEADLESS'], os.environ['COURSE_NOTEBOOK'])"
    notebook = small_notebook(source)
    notebook.metadata["language_info"]["version"] = "3.0"
    path = save(tmp_path, notebook)
    assert build.main([str(path)]) == 0
    first = path.read_bytes()
    built = read(path)
    assert printed(built.cells[1]) == "1 02_small\n"
    assert built.cells[1].id == "code-0"
    assert "version" not in built.metadata["language_info"]
    assert build.main([str(path)]) == 0
    assert path.read_bytes() == first, "building twice changes nothing"
    assert "1/1  import os" in capsys.readouterr().out


def test_build_leaves_the_file_alone_when_a_cell_fails(tmp_path, capsys):
    path = save(tmp_path, small_notebook("print('fine')", "raise ValueError('broken here')"))
    before = path.read_bytes()
    assert build.main([str(path)]) == 1
    assert path.read_bytes() == before
    said = capsys.readouterr().out
    assert "raise ValueError" in said and "broken here" in said and "file is as it was" in said
    assert list(tmp_path.iterdir()) == [path]


def test_build_says_what_is_wrong_with_the_form(tmp_path, capsys):
    path = save(tmp_path, small_notebook("import sys\nprint('oh', file=sys.stderr)"))
    assert build.main([str(path)]) == 1
    assert "there is text on stderr" in capsys.readouterr().out


def test_run_shows_progress_and_changes_nothing(tmp_path, capsys):
    path = save(tmp_path, small_notebook("x = 1", "print('✓ x ≥ 1 (measured 1)')"))
    before = path.read_bytes()
    assert run.main([str(path)]) == 0
    assert path.read_bytes() == before
    said = capsys.readouterr().out
    assert "1/2  x = 1" in said
    assert "✓ x ≥ 1 (measured 1)" in said
    assert run.main([str(save(tmp_path, small_notebook("1 / 0")))]) == 1
    assert "ZeroDivisionError" in capsys.readouterr().err


@pytest.fixture
def results(tmp_path, monkeypatch) -> Path:
    """A place of the test's own for what a study writes."""
    folder = tmp_path / "benchmarks"
    monkeypatch.setattr(study, "BENCHMARKS", folder)
    monkeypatch.setattr(claims, "CLAIMS", folder / "results" / "claims.csv")
    monkeypatch.setattr(study, "PROGRESS", tmp_path / "study.json")
    monkeypatch.setattr(study, "write_tables", lambda: None)
    return claims.CLAIMS


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as opened:
        return list(csv.DictReader(opened))


CLAIMING = (
    "from dqngan_lib.course.runtime import claim, seed_everything\nseed = seed_everything(7)",
    "claim('never one', seed, at_most=0)",
    "claim('the seed', seed, between=(0, 5))",
)


@pytest.mark.slow
def test_study_records_claims_also_those_that_fail(tmp_path, results, capsys):
    path = save(tmp_path, small_notebook(*CLAIMING))
    before = path.read_bytes()
    results.parent.mkdir(parents=True)
    results.write_text("notebook,claim,relation,bound,seed,value,seconds\n99_other,x,≥,1,0,2.0,3\n")

    assert study.main([str(path), "--seeds", "2"]) == 1
    assert path.read_bytes() == before
    assert [(r["notebook"], r["claim"], r["seed"], r["value"]) for r in rows(results)] == [
        ("02_small", "never one", "0", "0.0"),
        ("02_small", "never one", "1", "1.0"),
        ("02_small", "the seed", "0", "0.0"),
        ("02_small", "the seed", "1", "1.0"),
        ("99_other", "x", "0", "2.0"),
    ]
    assert list(rows(results)[0]) == list(claims.COLUMNS)
    said = capsys.readouterr().out
    assert "FAILED on seed 1" in said
    assert "FAILED  02_small, seed 1: never one ≤ 0, measured 1" in said

    # A third seed: the first two are not run again, and the failure is not forgotten.
    assert study.main([str(path), "--seeds", "3", "--resume"]) == 1
    assert capsys.readouterr().out.count("done before") == 2
    assert len(rows(results)) == 7


@pytest.mark.slow
def test_study_leaves_out_what_a_cell_shows_failing(tmp_path, results):
    notebook = small_notebook(
        "from dqngan_lib.course.runtime import claim\nclaim('kept', 1, at_least=1)",
        "claim('shown', 1, at_least=2)",
    )
    notebook.cells[-1].metadata["tags"] = ["raises-exception"]
    path = save(tmp_path, notebook)
    assert study.main([str(path), "--seeds", "1"]) == 0
    assert [row["claim"] for row in rows(results)] == ["kept"]


def test_study_names_cells_that_break_and_does_not_count_the_seed_as_done(
    tmp_path, results, capsys
):
    path = save(tmp_path, small_notebook("import json, os", "json.nothing", "raise SystemError"))
    for _ in range(2):
        assert study.main([str(path), "--seeds", "1", "--resume"]) == 1
        said = capsys.readouterr().out
        assert "code cell 2: AttributeError" in said and "code cell 3: SystemError" in said
        assert "done before" not in said


def test_study_resumes_only_what_has_not_changed(tmp_path, results, monkeypatch):
    runs = []
    monkeypatch.setattr(study, "run_seed", lambda path, seed: runs.append(seed) or ([], []))
    path = save(tmp_path, small_notebook("x = 1"))
    study.study([path], 2, resume=True)
    study.study([path], 3, resume=True)
    assert runs == [0, 1, 2]
    save(tmp_path, small_notebook("x = 2"))
    study.study([path], 1, resume=True)
    study.study([path], 1)
    assert runs == [0, 1, 2, 0, 0]


def test_two_studies_at_once_keep_each_others_rows(tmp_path, results, monkeypatch):
    one = save(tmp_path, small_notebook("x = 1"))
    two = one.with_name("03_other.ipynb")
    two.write_bytes(one.read_bytes())

    def run_seed(path, seed):
        if path == one:  # while the first notebook runs, the study of the second does all of its
            study.study([two], 2)
        row = {"claim": "x", "relation": "≥", "bound": "0", "value": 1.0, "seconds": 0.1}
        return [{**row, "notebook": path.stem, "seed": seed}], []

    monkeypatch.setattr(study, "run_seed", run_seed)
    study.study([one], 2)
    assert [(row["notebook"], row["seed"]) for row in rows(results)] == [
        (name, seed) for name in ("02_small", "03_other") for seed in ("0", "1")
    ]
    assert {stem: before["seeds"] for stem, before in study.load_progress().items()} == {
        "02_small": [0, 1],
        "03_other": [0, 1],
    }


def test_a_study_waits_for_another_to_have_written(results, monkeypatch):
    order = []

    def later():
        with study.only_writer():
            order.append("second")

    with study.only_writer():
        monkeypatch.setattr(study, "PATIENCE", 0.1)
        with pytest.raises(NotebookError, match=r"study\.lock locked for 0\.1 s"):
            study.only_writer().__enter__()
        monkeypatch.setattr(study, "PATIENCE", 60)
        waiting = threading.Thread(target=later)
        waiting.start()
        time.sleep(0.2)
        order.append("first")
    waiting.join()
    assert order == ["first", "second"]


@pytest.mark.slow
def test_a_study_that_is_killed_while_it_writes_stops_no_other(results, monkeypatch):
    writing = (
        "import pathlib, time\nfrom tools import study\n"
        f"study.PROGRESS = pathlib.Path({str(study.PROGRESS)!r})\n"
        "with study.only_writer():\n    print('writing', flush=True)\n    time.sleep(600)"
    )
    command = [sys.executable, "-c", writing]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "writing\n"
        monkeypatch.setattr(study, "PATIENCE", 0.1)
        with pytest.raises(NotebookError, match="locked"):
            study.only_writer().__enter__()
        process.kill()
    monkeypatch.setattr(study, "PATIENCE", 10)
    with study.only_writer():
        pass


def test_study_runs_the_table_scripts_of_the_notebook(tmp_path, results, monkeypatch):
    monkeypatch.setattr(study, "run_seed", lambda path, seed: ([], []))
    path = save(tmp_path, small_notebook("x = 1"))
    study.BENCHMARKS.mkdir()
    (study.BENCHMARKS / "02_table.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    (study.BENCHMARKS / "03_other.py").write_text("raise SystemExit(1)")
    assert study.main([str(path), "--seeds", "1", "--skip-tables"]) == 0
    assert not (tmp_path / "ran").exists()
    assert study.main([str(path), "--seeds", "1"]) == 0
    assert (tmp_path / "ran").exists()
    (study.BENCHMARKS / "02_wrong.py").write_text("raise SystemExit(1)")
    assert study.main([str(path), "--seeds", "1"]) == 1


@pytest.mark.parametrize(
    ("relation", "bound", "value", "expected"),
    [
        ("≥", "0.5", 0.75, 0.25),
        ("≥", "0.5", 0.25, -0.25),
        ("≤", "0.5", 0.25, 0.25),
        ("between", "-1 and 1", 0.75, 0.25),
        ("between", "-1 and 1", -2.0, -1.0),
    ],
)
def test_margins(relation, bound, value, expected):
    assert claims.margin({"relation": relation, "bound": bound, "value": value}) == expected


def test_a_value_that_is_not_finite_fails_and_is_the_worst():
    group = [
        {
            "notebook": "02",
            "claim": "x",
            "relation": "≥",
            "bound": "0",
            "seed": seed,
            "value": value,
        }
        for seed, value in enumerate([1.0, float("nan"), float("inf")])
    ]
    said = claims.table(group)
    assert "FAILED on seed 1, 2" in said
    assert " nan " in said


def test_spread_worst_and_margin_by_hand():
    group = [
        {
            "notebook": "02",
            "claim": "x",
            "relation": "≤",
            "bound": "5",
            "seed": seed,
            "value": value,
        }
        for seed, value in enumerate([1.0, 2.0, 6.0])
    ]
    (summary,) = claims.summaries(group)
    assert (summary.mean, summary.worst, summary.margin) == (3.0, 6.0, -1.0)
    assert summary.spread == pytest.approx(7**0.5)  # squares 4 + 1 + 9, over 2
    assert (summary.seeds, summary.failed) == ((0, 1, 2), (2,))


@pytest.mark.slow
def test_several_runs_at_once_give_the_same_rows(tmp_path, results, capsys):
    path = save(tmp_path, small_notebook(*CLAIMING))
    study.main([str(path), "--seeds", "3"])
    alone = [{**row, "seconds": ""} for row in rows(results)]
    results.unlink()
    assert study.main([str(path), "--seeds", "3", "--jobs", "2"]) == 1
    assert [{**row, "seconds": ""} for row in rows(results)] == alone
    assert "3/3  02_small.ipynb" in capsys.readouterr().out


@pytest.mark.slow
def test_a_study_of_fewer_seeds_keeps_the_others_and_drops_claims_that_are_gone(tmp_path, results):
    path = save(tmp_path, small_notebook(*CLAIMING))
    study.main([str(path), "--seeds", "2"])
    study.main([str(path), "--seeds", "1"])
    assert [row["seed"] for row in rows(results)] == ["0", "1"] * 2
    save(tmp_path, small_notebook(CLAIMING[0], CLAIMING[2]))
    study.main([str(path), "--seeds", "1"])
    assert {row["claim"] for row in rows(results)} == {"the seed"}
    assert [row["seed"] for row in rows(results)] == ["0", "1"]


@pytest.mark.slow
def test_claims_after_one_that_failed_are_not_taken_for_gone(tmp_path, results):
    fails_on_1 = "claim('first', seed, at_most=0)\nclaim('second', seed, at_most=9)"
    path = save(tmp_path, small_notebook(CLAIMING[0], fails_on_1))
    assert study.main([str(path), "--seeds", "1"]) == 0
    assert study.main([str(path), "--seeds", "2"]) == 1
    assert {(row["claim"], row["seed"]) for row in rows(results)} == {
        ("first", "0"),
        ("second", "0"),
        ("first", "1"),
    }


# --- course.py test ---


@pytest.fixture
def asked(monkeypatch) -> list[tuple[str, ...]]:
    """The modules that `test` runs, which are not run."""
    calls: list[tuple[str, ...]] = []

    def module(*command: str) -> tuple[bool, str]:
        calls.append(command)
        return True, "all well"

    monkeypatch.setattr(test_tool, "module", module)
    return calls


def test_test_runs_all_parts(two_notebooks, asked, capsys):
    assert test_tool.main([]) == 0
    assert [command[0] for command in asked] == ["ruff", "ruff", "pytest", "pytest"]
    assert "--nbval" in asked[-1]
    assert asked[-1][-2:] == tuple(str(path) for path in find())
    assert capsys.readouterr().out.count("\nok ") == 4


def test_test_fast_leaves_out_the_notebooks_and_what_is_slow(two_notebooks, asked):
    assert test_tool.main(["--fast"]) == 0
    assert [command[0] for command in asked] == ["ruff", "ruff", "pytest"]
    assert asked[-1][1:4] == ("tests", "-m", "not slow")


def test_test_of_one_notebook(two_notebooks, asked, capsys):
    assert test_tool.main(["2"]) == 1, "it was never run, which the form forbids"
    assert all(command[-1].endswith("02_small.ipynb") for command in asked)
    assert "FAILED  form" in capsys.readouterr().out


def test_one_failed_part_fails_the_test(two_notebooks, asked, monkeypatch, capsys):
    monkeypatch.setattr(test_tool, "module", lambda *command: (command[1] != "check", "said"))
    assert test_tool.main(["--fast"]) == 1
    assert "FAILED  ruff check" in capsys.readouterr().out


def test_no_test_at_all_counts_as_failed(tmp_path):
    passed, said = test_tool.module("pytest", "-p", "no:cacheprovider", str(tmp_path))
    assert not passed
    assert "no tests" in said


@pytest.mark.parametrize(
    ("cores", "memory", "workers"), [(2, 16, 2), (8, 6, 3), (8, 1, 1), (4, None, 4), (1, 16, 1)]
)
def test_workers_share_cores_and_memory(two_notebooks, monkeypatch, cores, memory, workers):
    monkeypatch.setattr(test_tool, "cores", lambda: cores)
    monkeypatch.setattr(test_tool, "memory_gb", lambda: memory)
    unit, two = test_tool.unit_options(fast=False), test_tool.nbval_options(find())
    assert unit[unit.index("-n") + 1] == str(workers) if workers > 1 else "-n" not in unit
    assert two[two.index("-n") + 1] == "2" if workers > 1 else "-n" not in two
    assert "-n" not in test_tool.nbval_options(find(["2"]))


def test_the_longest_notebook_begins(two_notebooks, results, monkeypatch):
    monkeypatch.setattr(test_tool, "at_a_time", lambda: 2)
    made = {"claim": "x", "relation": "≥", "bound": "0", "seed": 0, "value": 1.0}
    names = ("02_small", "10_other")
    claims.store(
        [made | {"notebook": n, "seconds": s} for n, s in zip(names, (9, 80), strict=True)]
    )
    assert [Path(p).stem for p in test_tool.nbval_options(find())[-2:]] == ["10_other", "02_small"]


def test_pytest_by_hand_is_headless():
    assert os.environ["COURSE_HEADLESS"] == "1"
    assert "COURSE_SEED" not in os.environ
