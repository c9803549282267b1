"""`course.py fresh 04`: put your copy of a notebook aside, and begin again with the original.

Your copy goes into notebooks/mine, where it still runs; nothing is deleted. The original is the one
of the version of the course that you have, as git keeps it. After `course.py fresh all`, `git pull`
finds nothing that it could be in conflict with.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from tools import notebooks
from tools.notebooks import NotebookError, find
from tools.start import start


def main(arguments: list[str] | None = None) -> int:
    """Restore the notebooks that were named; return 0 when that could be done."""
    parser = argparse.ArgumentParser(prog="course.py fresh", description=__doc__.split("\n\n")[0])
    parser.add_argument("notebooks", nargs="+", help="numbers or names: 04, 04_gan; or: all")
    options = parser.parse_args(arguments)
    try:
        for path in find([] if options.notebooks == ["all"] else options.notebooks):
            print(restore(path))
    except NotebookError as error:
        print(f"\nfresh: {error}", file=sys.stderr)
        return 1
    return 0


def restore(path: Path) -> str:
    """Put a notebook aside and write the original in its place; return what was done, in words.

    Raises:
        NotebookError: Git has no original of it.
    """
    original = ask_git(path, "show", f"HEAD:./{path.name}")
    if path.is_file() and path.read_bytes() == original:
        return f"{path.name} is as it came."
    words = f"{path.name} is the original again."
    if path.is_file():
        aside = free_place(path)
        aside.parent.mkdir(exist_ok=True)
        path.rename(aside)
        words += f" Yours is {aside.relative_to(notebooks.NOTEBOOKS.parent).as_posix()}."
    path.write_bytes(original)
    return words


def ask_git(path: Path, *command: str) -> bytes:
    """Return what git says in a notebook's folder."""
    try:
        answer = subprocess.run(["git", *command], cwd=path.parent, capture_output=True)
    except FileNotFoundError:
        answer = None
    if answer is None or answer.returncode != 0:
        raise NotebookError(
            f"the original of {path.name} is not to be had: git is missing, or this folder is no "
            "clone of the course. Rename your copy and take the original from where you have the "
            "course."
        )
    return answer.stdout


def free_place(path: Path) -> Path:
    """Return a name in the folder `mine` that no copy has yet."""
    names = [path.name, *(f"{path.stem}_{number}.ipynb" for number in range(2, 1000))]
    return next(aside for name in names if not (aside := path.parent / "mine" / name).exists())


if __name__ == "__main__":
    start(main)
