"""The rooms of the package know each other as pyproject.toml says, and in no other direction."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools.notebooks import ROOT

CHECK = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_cache=True))"


def broken(folder: Path) -> str:
    """Return what the contracts say against the package in a folder; nothing if they are kept."""
    command = [sys.executable, "-X", "utf8", "-c", CHECK]
    wide = os.environ | {"COLUMNS": "400"}  # so that no line is broken
    result = subprocess.run(command, cwd=folder, env=wide, capture_output=True, encoding="utf-8")
    said = result.stdout + result.stderr
    assert result.returncode == 0 or "BROKEN" in said, said
    return "" if result.returncode == 0 else said


@pytest.fixture
def copy(tmp_path):
    """A copy of the package's code and of the contracts, to break."""
    without = shutil.ignore_patterns("__pycache__", "weights")
    shutil.copytree(ROOT / "dqngan_lib", tmp_path / "dqngan_lib", ignore=without)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_no_arrow_points_back():
    assert not broken(ROOT)


@pytest.mark.parametrize(
    ("room", "imported"),
    [
        ("course", "plots"),
        ("plots", "environments"),
        ("environments", "dqn"),
        ("metrics", "environments"),
        ("dqn", "gan"),
        ("gan", "dqngan"),
        ("dqngan", "applications.strokes"),
        ("applications.strokes", "applications.art"),
        ("applications.pixels", "applications.strokes"),
        ("applications.latent", "applications.medical"),
        ("applications.scaling", "exercises"),
    ],
)
def test_an_arrow_turned_round_is_named(copy, room, imported):
    path = copy / "dqngan_lib" / room.replace(".", "/")
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    with file.open("a", encoding="utf-8") as opened:
        opened.write(f"\nimport dqngan_lib.{imported}\n")
    assert f"dqngan_lib.{room} -> dqngan_lib.{imported}" in broken(copy)


@pytest.mark.parametrize("folder", ["", "applications"])
def test_a_room_that_the_contracts_do_not_name_is_refused(copy, folder):
    room = copy / "dqngan_lib" / folder / "cellar"
    room.mkdir()
    (room / "__init__.py").touch()
    assert "cellar" in broken(copy)
