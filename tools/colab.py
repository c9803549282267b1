"""`course.py colab`: notebooks that carry the course inside, and badges that open them on Colab.

Every notebook begins with the same cell, which finds the course; `first_cell` has its text. A
bundle is a notebook whose first code cell holds the package, its weights, the data and the stored
tables instead. It unpacks them beside the notebook and installs nothing.
"""

import argparse
import base64
import io
import os
import re
import sys
import zipfile
from pathlib import Path

from nbformat import NotebookNode

from tools.links import without_links
from tools.notebooks import ROOT, NotebookError, find, fold, number_of, read, write
from tools.start import start

BUNDLES = ROOT / "colab"
MAX_BYTES = 10_000_000
"""No bundle is larger. Colab takes 20 MB, and a browser should not have to wait."""
EARLIEST = (1980, 1, 1, 0, 0, 0)
"""The date of every packed file, so that the same course gives the same bundle."""

NOTE = (
    "*This copy has the course's package and data inside its first code cell. It runs wherever "
    "there are PyTorch and Jupyter, on Colab for one.*"
)
FIRST_CELL = """\
# @title Find the course's package and data
{imports}
sys.path[:0] = [str(p) for p in (Path.cwd(), *Path.cwd().parents) if (p / "dqngan_lib").is_dir()]
{fetching}package = find_spec("dqngan_lib")
if not package or not package.origin:
    raise SystemExit(
        "The package dqngan_lib is not here: open the notebook in the course's folder, or take its "
        "copy with everything inside, which `python3 course.py colab NN` writes (docs/colab.md)."
    )
folder = Path(package.origin).parents[1]
"""
"""The first code cell of every notebook."""
IMPORTS = ["import sys", "from importlib.util import find_spec", "from pathlib import Path"]
FETCHING = """\
if not getattr(find_spec("dqngan_lib"), "origin", None):  # the notebook is alone, as on Colab
    os.environ.setdefault("COURSE_URL", "https://github.com/{repository}.git")
    address = "https://raw.githubusercontent.com/{repository}/{branch}/fetch_course.py"
    try:
        exec(urlopen(address).read())
    except OSError as error:
        raise SystemExit(f"The course cannot be fetched from {{address}}: {{error}}") from None
"""
"""What it does besides where there is a badge. `fetch_course.py` says how to do it by hand."""
FETCHED = re.compile(r"githubusercontent\.com/([\w.-]+/[\w.-]+)/(\S+)/fetch_course\.py")
PACKED_CELL = '''\
# @title The course's package and data, packed into this cell. It unpacks and installs nothing.
import base64
import io
import sys
import zipfile
from pathlib import Path

PACKED = """
{packed}
"""
folder = Path.cwd() / "dqngan-course"
zipfile.ZipFile(io.BytesIO(base64.b64decode(PACKED))).extractall(folder)
sys.path.insert(0, str(folder))
'''
LINK, LINK_IN_BUNDLE = "](../", "](dqngan-course/"
"""How a link to a file of the package begins; the first cell of a bundle unpacks the file."""
PAINTERS = {"patch_painter.pt": "09", "digit_painter.pt": "10", "photo_painter.pt": "14"}
"""Weights of a trained network, and the one notebook whose bundle has them: nothing reads them, but
a reader may take them there instead of training."""
PICTURE = re.compile(r"\]\(((?:gallery|\.\./docs)/[\w-]+\.(?:png|gif|webp))\)")
"""Where a text shows a picture or a film that is stored beside the notebooks, or in docs/."""
BADGE = re.compile(r"\n\n\[!\[Open in Colab\]\([^)]*\)\]\([^)]*\)")
ADDRESS = re.compile(r"[\w.-]+/[\w.-]+")


def main(arguments: list[str] | None = None) -> int:
    """Write bundles or badges; return 0 when that could be done."""
    parser = argparse.ArgumentParser(prog="course.py colab", description=__doc__.split("\n")[0])
    parser.add_argument("notebooks", nargs="*", help="numbers, names or paths, or: all")
    parser.add_argument("--out", type=Path, help="another folder than colab/")
    badges = parser.add_mutually_exclusive_group()
    badges.add_argument("--badges", metavar="OWNER/REPO", help="of the fork on GitHub")
    badges.add_argument("--no-badges", action="store_true", help="take the badges out again")
    parser.add_argument("--branch", default="main", help="the fork's default branch")
    parser.add_argument("--from", dest="here", type=Path, default=Path(), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    with_badges = options.badges or options.no_badges
    if options.badges and not ADDRESS.fullmatch(options.badges):
        parser.error(f"--badges takes OWNER/REPO, such as ana/dqn-gan; got {options.badges!r}")
    if not options.notebooks and not with_badges:
        parser.error("name notebooks, such as 05, or all")
    folder = options.here / options.out if options.out else BUNDLES
    names = [] if options.notebooks == ["all"] else options.notebooks
    try:
        for path in find(names):
            if with_badges:
                notebook = read(path)
                set_badge(notebook, path.name, options.badges, options.branch)
                write(path, notebook)
                print(os.path.relpath(path, options.here))
                continue
            copy = folder / path.name
            write(copy, bundle(path))
            size = copy.stat().st_size
            print(f"{os.path.relpath(copy, options.here)}  {size / 1e6:.1f} MB")
            if size > MAX_BYTES:
                raise NotebookError(f"{copy.name} is over {MAX_BYTES // 1_000_000} MB")
    except NotebookError as error:
        print(f"\ncolab: {error}", file=sys.stderr)
        return 1
    return 0


# --- the first cell ---


def first_cell(repository: str | None = None, branch: str = "main") -> str:
    """Return the source of the first code cell.

    Args:
        repository: Where a lonely notebook fetches the course, "owner/name" on GitHub; None for
            one that only looks.
        branch: The branch with the `fetch_course.py` to run.
    """
    imports, fetching = list(IMPORTS), ""
    if repository:
        imports += ["import os", "from urllib.request import urlopen"]
        fetching = FETCHING.format(repository=repository, branch=branch)
    lines = sorted(imports, key=lambda line: (line.startswith("from"), line))
    return FIRST_CELL.format(imports="\n".join(lines) + "\n", fetching=fetching).rstrip()


def is_first_cell(source: str) -> bool:
    """Tell whether this is the first code cell as the course has it, with a badge or without."""
    badge = FETCHED.search(source)
    return source == first_cell(*(badge.groups() if badge else ()))


# --- bundles ---


def bundle(path: Path) -> NotebookNode:
    """Return a notebook whose first code cell holds what the notebook needs.

    Raises:
        NotebookError: The file is not a notebook, or its first code cell does not find the course.
    """
    notebook = read(path)
    cell = _first_code_cell(notebook, path.name)
    text = base64.encodebytes(pack(files_for(path))).decode()
    cell.source = PACKED_CELL.format(packed=text.rstrip()).rstrip()
    cell.outputs = []
    fold(cell)  # nobody wants to see three megabytes of letters
    for text in notebook.cells:
        if text.cell_type == "markdown":
            _attach_pictures(text, path.parent)
            text.source = without_links(text.source.replace(LINK, LINK_IN_BUNDLE))
    title, _, rest = notebook.cells[0].source.partition("\n")
    notebook.cells[0].source = f"{title}\n\n{NOTE}\n{BADGE.sub('', rest)}"
    return notebook


def _attach_pictures(cell: NotebookNode, folder: Path) -> None:
    """Put the pictures that a text shows into its cell, where they need no file beside it."""
    for place in PICTURE.findall(cell.source):
        file = folder / place
        content = base64.b64encode(file.read_bytes()).decode()
        kind = f"image/{file.suffix[1:]}"
        cell.setdefault("attachments", {})[file.name] = {kind: content}
    cell.source = PICTURE.sub(lambda m: f"](attachment:{Path(m[1]).name})", cell.source)


def files_for(path: Path) -> list[Path]:
    """Return what a notebook needs beside installed packages: code, weights, data and tables.

    Args:
        path: The notebook. Its number tells which tables it reads.
    """
    number = number_of(path)
    patterns = ["dqngan_lib/**/*.py", "dqngan_lib/weights/*", "data/*"]
    patterns += ["LICENSE", "docs/*.md", f"benchmarks/results/{number}_*.csv"]
    if number == "00":  # the figure of who wins
        patterns.append("benchmarks/results/08_smear.csv")
    found = [file for pattern in patterns for file in ROOT.glob(pattern) if file.is_file()]
    return sorted(
        file
        for file in found
        if not file.name.startswith(".") and PAINTERS.get(file.name, number) == number
    )


def pack(files: list[Path]) -> bytes:
    """Return a zip file of files of the course, the same for the same files."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for file in files:
            name = file.relative_to(ROOT).as_posix()
            archive.writestr(
                zipfile.ZipInfo(name, EARLIEST), file.read_bytes(), zipfile.ZIP_DEFLATED, 9
            )
    return packed.getvalue()


def _first_code_cell(notebook: NotebookNode, name: str) -> NotebookNode:
    """Return the cell that finds the course.

    Raises:
        NotebookError: The first code cell is another.
    """
    for cell in notebook.cells:
        if cell.cell_type == "code":
            if "dqngan_lib" in cell.source and "sys.path" in cell.source:
                return cell
            break
    raise NotebookError(f"the first code cell of {name} does not find dqngan_lib")


# --- badges ---


def set_badge(notebook: NotebookNode, name: str, repository: str | None, branch: str) -> None:
    """Put a badge under the title and the address into the first code cell; or take both out.

    Args:
        notebook: It is changed in place.
        name: Its file's name.
        repository: The fork on GitHub, "owner/name"; None takes the badge out.
        branch: The fork's default branch, which Colab opens and `git clone` fetches.
    """
    title = notebook.cells[0]
    title.source = BADGE.sub("", title.source)
    _first_code_cell(notebook, name).source = first_cell(repository, branch)
    if repository:
        colab = "https://colab.research.google.com"
        target = f"{colab}/github/{repository}/blob/{branch}/notebooks/{name}"
        badge = f"[![Open in Colab]({colab}/assets/colab-badge.svg)]({target})"
        first, newline, rest = title.source.partition("\n")
        title.source = f"{first}\n\n{badge}{newline}{rest}"


if __name__ == "__main__":
    start(main)
