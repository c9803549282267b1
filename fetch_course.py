"""Fetch the course to where a notebook stands alone, as on Colab.

Paste all of this into a cell above the notebook's first code cell, and run it. It clones the git
repository that the environment variable COURSE_URL names. Without that, on Colab, it asks for the
course as a zip file. The course is then in the folder `dqngan-course` beside the notebook; the next
time it is found there. Nothing is installed.
"""

import os
import subprocess
import sys
import tempfile
import zipfile
import zlib
from importlib import import_module
from pathlib import Path

HOME = "dqngan-course"


def fetch_course() -> Path:
    """Make `dqngan_lib` importable, and return the folder that it is in.

    Raises:
        SystemExit: There is no course to be had; the message says what to do. Nothing is left
            behind, so that the next call tries again.
    """
    home = Path.cwd() / HOME
    if course_in(home) is None:
        try:
            if home.is_dir():
                home.rmdir()
        except OSError:
            message = f"The folder {HOME} holds something else than the course: rename it."
            raise SystemExit(message) from None
        try:
            with tempfile.TemporaryDirectory(prefix=f".{HOME}-", dir=Path.cwd()) as folder:
                fetched = Path(folder) / HOME
                fetch_into(fetched)
                fetched.rename(home)  # in one step, so half a course never stands there
        except OSError as error:
            message = f"The course cannot be stored beside the notebook: {error.strerror}."
            raise SystemExit(message) from None
    found = course_in(home)
    sys.path.insert(0, str(found))
    return found


def course_in(place: Path) -> Path | None:
    """Return the uppermost folder at or under a place that has the package, if there is one.

    A Mac packs a second tree into a zip file, `__MACOSX`, with the same folders and no code.
    """
    packages = sorted(place.glob("**/dqngan_lib/__init__.py"), key=lambda path: len(path.parts))
    folders = [path.parents[1] for path in packages if "__MACOSX" not in path.parts]
    return folders[0] if folders else None


def fetch_into(target: Path) -> None:
    """Clone or unpack the course to a folder that is not there yet.

    Raises:
        SystemExit: It did not come, or something else came.
    """
    url = os.environ.get("COURSE_URL")
    if url:
        clone(url, target)
    elif "google.colab" in sys.modules:
        for name in import_module("google.colab.files").upload():
            unpack(name, target)
        if not target.is_dir():
            raise SystemExit("No file was chosen: run this again and choose the course's zip file.")
    else:
        raise SystemExit(
            "Set COURSE_URL to a git repository with the course, or use the copy of this notebook "
            "with everything inside: `python3 course.py colab NN` writes it."
        )
    if course_in(target) is None:
        source = "The repository at COURSE_URL" if url else "The zip file"
        raise SystemExit(f"{source} does not hold the course: dqngan_lib is not in it.")


def clone(url: str, target: Path) -> None:
    """Clone a repository without its history."""
    command = ["git", "clone", "--quiet", "--depth=1", url, str(target)]
    # Without this, git asks for the name of a user where a repository is not found.
    quiet = os.environ | {"GIT_TERMINAL_PROMPT": "0"}
    try:
        result = subprocess.run(command, env=quiet, capture_output=True, text=True)
    except FileNotFoundError:
        raise SystemExit("COURSE_URL is set, but git is not installed here.") from None
    if result.returncode != 0:
        said = [line for line in result.stderr.splitlines() if line.startswith("fatal: ")]
        raise SystemExit(f"git cannot clone COURSE_URL: {' '.join(said).replace('fatal: ', '')}")


def unpack(name: str, target: Path) -> None:
    """Unpack a zip file."""
    try:
        with zipfile.ZipFile(name) as archive:
            archive.extractall(target)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError):
        raise SystemExit(
            f"{name} is not a zip file, or not a whole one: run this again and choose another."
        ) from None


if __name__ == "__main__":  # so it is in a notebook's cell
    print("The course is in", fetch_course())
