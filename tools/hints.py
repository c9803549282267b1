"""Put a prepared `# hint("02.1")` under each check of the notebooks: `python -m tools.hints`.

Whoever is stuck takes the # away. A second run changes nothing; `tools/lint.py` holds the line.
"""

import json
import re
from pathlib import Path

from tools.notebooks import course_notebooks, write_whole
from tools.start import start

CHECK = re.compile(r"""^check\(\s*["']((?:\d\d|[A-Z])\.\d+)["'].*\)\s*$""", re.MULTILINE)


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
    before = path.read_text(encoding="utf-8")
    notebook = json.loads(before)
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code" and missing(source):
            cell["source"] = hinted(source).splitlines(keepends=True)
    after = json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
    if after != before:
        write_whole(path, after)
    return after != before


def main() -> int:
    """Go through all notebooks."""
    for path in course_notebooks():
        if add(path):
            print(f"prepared hints in {path.name}")
    return 0


if __name__ == "__main__":
    start(main)
