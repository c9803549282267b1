"""`course.py build 02`: run notebooks and store what they give, in a form fit to be committed."""

import argparse
import base64
import sys
import time
from pathlib import Path

from nbformat import NotebookNode

from tools.lint import lint
from tools.notebooks import NotebookError, clean, execute, find, go_headless, write
from tools.start import start


def pictures(path: Path, notebook: NotebookNode) -> dict[Path, bytes]:
    """Return the files that show a picture of a notebook elsewhere, with their contents.

    The cell tagged "gallery" has the picture that notebook 00 shows, one tagged "readme" the film
    or the figure that the README shows.
    """
    found = {}
    for cell in notebook.cells:
        tags = cell.metadata.get("tags", [])
        if "gallery" in tags:
            found[path.parent / "gallery" / f"{path.stem}.png"] = _picture(cell)
        if "readme" in tags:
            film = _film(cell)
            place = path.parents[1] / "docs" / f"{path.stem}{'.gif' if film else '.png'}"
            found[place] = film or _picture(cell)
    return found


def _picture(cell: NotebookNode) -> bytes:
    """Return the first PNG picture that a cell shows."""
    data = next(o.data["image/png"] for o in cell.outputs if "image/png" in o.get("data", {}))
    return base64.b64decode(data)


def _film(cell: NotebookNode) -> bytes | None:
    """Return the first GIF film that a cell shows, if there is one."""
    shown = [output.get("data", {}).get("text/html", "") for output in cell.outputs]
    film = next((html for html in shown if "data:image/gif;base64," in html), "")
    return base64.b64decode(film.partition("base64,")[2].partition('"')[0]) or None


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
        for place, picture in pictures(path, notebook).items():
            place.parent.mkdir(exist_ok=True)
            place.write_bytes(picture)
        problems = lint(path)
        for problem in problems:
            print(f"  {problem}")
        failures += bool(problems)
        kilobytes = path.stat().st_size / 1000
        print(f"  written: {time.perf_counter() - started:.0f} s, {kilobytes:.0f} kB\n")
    return 1 if failures else 0


if __name__ == "__main__":
    start(main)
