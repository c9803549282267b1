"""Put a prepared `# hint("02.1")` under each check of the notebooks: `python -m tools.hints`.

Whoever is stuck takes the # away. A second run changes nothing; `tools/lint.py` holds the line.
"""

import re
from pathlib import Path

from tools.notebooks import EXERCISE, course_notebooks, read, write
from tools.start import start

CHECK = re.compile(rf"""^check\(\s*["']({EXERCISE})["'].*\)\s*$""", re.MULTILINE)


def missing(source: str) -> list[str]:
    """Return the exercises that a cell checks without a prepared hint under the check."""
    prepared = re.findall(r"""^(?:# ?)?hint\(["']([A-Z\d.]+)["']\)""", source, re.MULTILINE)
    return [number for number in CHECK.findall(source) if number not in prepared]


def hinted(source: str) -> str:
    """Return a cell with the prepared hints that it lacks, each under its check."""
    lacks = missing(source)
    return CHECK.sub(
        lambda m: f'{m[0]}\n# hint("{m[1]}")' if m[1] in lacks else m[0],
        source,
    )


def add(path: Path) -> bool:
    """Write a notebook with its prepared hints; return whether that changed it."""
    notebook = read(path)
    lacking = [c for c in notebook.cells if c.cell_type == "code" and missing(c.source)]
    for cell in lacking:
        cell.source = hinted(cell.source)
    if lacking:
        write(path, notebook)
    return bool(lacking)


def main() -> int:
    """Go through all notebooks."""
    for path in course_notebooks():
        if add(path):
            print(f"prepared hints in {path.name}")
    return 0


if __name__ == "__main__":
    start(main)
