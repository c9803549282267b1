"""`course.py build 02`: run notebooks and store what they give, in a form fit to be committed."""

import argparse
import base64
import sys
import time
from pathlib import Path

from nbformat import NotebookNode

from tools.lint import lint
from tools.notebooks import NotebookError, clean, execute, find, go_headless, write


def save_gallery_picture(path: Path, notebook: NotebookNode) -> None:
    """Store the picture of the cell tagged "gallery" where notebook 00 shows it."""
    for cell in notebook.cells:
        if "gallery" in cell.metadata.get("tags", []):
            pictures = [
                o.data["image/png"] for o in cell.outputs if "image/png" in o.get("data", {})
            ]
            folder = path.parent / "gallery"
            folder.mkdir(exist_ok=True)
            (folder / f"{path.stem}.png").write_bytes(base64.b64decode(pictures[0]))


def main(arguments: list[str] | None = None) -> int:
    """Build the notebooks that were named; return 0 when all ran and their form is right."""
    parser = argparse.ArgumentParser(prog="course.py build", description=__doc__)
    parser.add_argument("notebooks", nargs="+", help="numbers, names or paths: 02, 02_dqn, …")
    options = parser.parse_args(arguments)
    go_headless()
    try:
        paths = find(options.notebooks)
    except NotebookError as error:
        sys.exit(f"build: {error}")
    failures = 0
    for path in paths:
        started = time.perf_counter()
        print(f"Building {path.name}")
        try:
            notebook = execute(path)
        except NotebookError as error:
            print(f"\n{error}\nThe file is as it was.\n")
            failures += 1
            continue
        clean(notebook)
        write(path, notebook)
        save_gallery_picture(path, notebook)
        problems = lint(path)
        for problem in problems:
            print(f"  {problem}")
        failures += bool(problems)
        kilobytes = path.stat().st_size / 1000
        print(f"  written: {time.perf_counter() - started:.0f} s, {kilobytes:.0f} kB\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
