"""The map of the package, dqngan_lib/README.md: `python -m tools.map`; a test holds it in step.

Sentences and reading order come from docstrings, the numbers of notebooks from their links and
their imports. In the docstring of a room's `__init__` the names in backticks after the first line
are its modules, in reading order.
"""

import ast
import functools
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from tools.notebooks import ROOT, course_notebooks, number_of, read, write_whole
from tools.start import start

PACKAGE = ROOT / "dqngan_lib"
MAP = PACKAGE / "README.md"

NAME = re.compile(r"`(\w+)`")
LINK = re.compile(r"\]\(\.\./dqngan_lib/([\w/]+)\.py[#)]")
IMPORT = re.compile(r"^\s*from dqngan_lib([\w.]*) import (\([^)]*\)|.+)$", re.MULTILINE)

HEAD = """\
# The map of the package

Each notebook builds something, explains it, and keeps it here for the notebooks after it. The
package has a small core, and under `applications/` what one part of the course alone needs. An
import is an address: `from dqngan_lib.dqn.agent import DQN` is the class `DQN` in
[dqn/agent.py](dqn/agent.py).

A room imports only from rooms below it, never from one beside it; an arrow points to what is
imported:

```
applications      strokes, pixels  ←  latent, medical, art, scaling
     ↓
   dqngan
     ↓
 dqn     gan
     ↓
environments     metrics
     ↓
   plots
     ↓
   course
```

Modules stand in reading order. *Built in* is the first notebook that links to the file, where it
has just built what is in it. *Used in* are the notebooks that import from it; a module without a
number serves other modules.

*This page is made by `python -m tools.map` from docstrings and notebooks.*
"""
FOOT = """
## Beside the rooms

- [`exercises`](exercises/__init__.py): what `check`, `hint` and `solution` know, a module for each
  notebook.
- `weights`: the trained networks of `metrics/scorer.py`, `applications/strokes/two_stages.py` and
  of the modules `trained`, made by [tools/make_digit_scorer.py](../tools/make_digit_scorer.py),
  [tools/make_digit_generator.py](../tools/make_digit_generator.py) and
  [tools/make_painters.py](../tools/make_painters.py).
"""
BESIDE = ("exercises",)
"""What the package has beside its rooms."""

COLUMNS = "| module | what it is | built in | used in |\n| --- | --- | --- | --- |\n"


def docstring(path: Path) -> str:
    """Return the docstring of a module, or of a package given by its folder."""
    path = path / "__init__.py" if path.is_dir() else path
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""


def sentence(path: Path) -> str:
    """Return the first line of a docstring, fit for a cell of a table."""
    return docstring(path).partition("\n")[0].replace("|", r"\|")


def named(folder: Path) -> list[str]:
    """Return the names in backticks after the first line of a package's docstring, in order."""
    return list(dict.fromkeys(NAME.findall(docstring(folder).partition("\n")[2])))


def modules(folder: Path) -> list[Path]:
    """Return the modules and packages in a package, in reading order; those not named are last."""
    found = {p.stem: p for p in folder.glob("*.py") if p.stem != "__init__"}
    found |= {p.parent.name: p.parent for p in folder.glob("*/__init__.py")}
    order = [name for name in named(folder) if name in found]
    return [found[name] for name in [*order, *sorted(found.keys() - set(order))]]


def rooms(folder: Path = PACKAGE) -> Iterator[Path]:
    """Yield the rooms in reading order: packages, those within them, and single modules."""
    for path in modules(folder):
        if path.name in BESIDE:
            continue
        if path.is_dir() or folder == PACKAGE:
            yield path
        if path.is_dir():
            yield from rooms(path)


def _source(path: Path, kind: str) -> str:
    return "\n".join(cell.source for cell in read(path).cells if cell.cell_type == kind)


@functools.cache
def built_in() -> dict[Path, Path]:
    """Return the first notebook that links to each file."""
    found: dict[Path, Path] = {}
    for notebook in course_notebooks():
        for name in LINK.findall(_source(notebook, "markdown")):
            found.setdefault(PACKAGE / f"{name}.py", notebook)
    return found


def imported(source: str) -> set[Path]:
    """Return the files of the package from which Python code imports."""
    found = set()
    for address, names in IMPORT.findall(source):
        place = PACKAGE.joinpath(*address.split("."))
        words = re.findall(r"\w+", re.sub(r"#.*", "", names))
        # `from dqngan_lib import plots` names a module, `from dqngan_lib.plots import …` is in one.
        found |= {place / f"{word}.py" for word in words} | {place.with_suffix(".py")}
    return {path for path in found if path.is_file()}


@functools.cache
def used_in() -> dict[Path, list[str]]:
    """Return the numbers of the notebooks that import from each file."""
    found = defaultdict(list)
    for notebook in course_notebooks():
        for path in imported(_source(notebook, "code")):
            found[path].append(number_of(notebook))
    return found


def spans(numbers: list[str]) -> str:
    """Return "01 to 04, 09" for 01, 02, 03, 04, 09: three and more in a row become a span."""
    rows: list[list[str]] = []
    for number in numbers:
        last = rows[-1][-1] if rows else ""
        if number.isdecimal() and last.isdecimal() and int(number) == int(last) + 1:
            rows[-1].append(number)
        else:
            rows.append([number])
    return ", ".join(f"{r[0]} to {r[-1]}" if len(r) > 2 else ", ".join(r) for r in rows)


def line(path: Path) -> str:
    """Return a module's line in its room's table."""
    name = f"[`{path.stem}`]({path.relative_to(PACKAGE).as_posix()})"
    first = built_in().get(path)
    built = f"[{number_of(first)}](../notebooks/{first.name})" if first else ""
    return f"| {name} | {sentence(path)} | {built} | {spans(used_in().get(path, []))} |\n"


def page() -> str:
    """Return the text of dqngan_lib/README.md."""
    parts = [HEAD]
    for room in rooms():
        where = room.relative_to(PACKAGE)
        parts.append(f"\n{'#' * (1 + len(where.parts))} {where.with_suffix('').as_posix()}\n\n")
        if room.is_file():
            parts.append(COLUMNS + line(room))
            continue
        inside = [path for path in modules(room) if path.is_file()]
        parts.append(f"{sentence(room)}\n" + (f"\n{COLUMNS}" if inside else ""))
        parts.extend(line(path) for path in inside)
    return "".join([*parts, FOOT])


def main() -> int:
    """Write the map; return 0."""
    write_whole(MAP, page())
    print(MAP.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    start(main)
