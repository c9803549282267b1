"""Find every file that was handed in, in folders and zips, and whose it is.

No file vanishes: each becomes a `Handed`, to be graded or with the reason why not. Nothing is
unpacked to the disk: what a zip holds is read into memory, under limits.
"""

import contextlib
import io
import itertools
import lzma
import re
import stat
import struct
import sys
import unicodedata
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from tools.cells import Cell, cells_in, courses, notebook_numbers
from tools.notebooks import EXERCISE, NUMBER, NotebookError

MAX_BYTES = 300_000_000
"""A larger file is not read. What a notebook has printed is stored in it, so some are large."""
MAX_BYTES_OF_ZIP = 4_000_000_000
"""What a zip with everything in it may hold, before the rest is left unread."""
MAX_FILES_OF_ZIP = 20_000
MAX_DEPTH = 3
"""Zips inside zips that are opened."""
MAX_BYTES_OF_MODULE = 1_000_000

ARCHIVE = re.compile(r"\.(zip|rar|7z|tar|t?gz)$", re.IGNORECASE)
NOTEBOOK = re.compile(r"\.ipynb(\.txt|\.json)?$", re.IGNORECASE)
OF_SYSTEM = re.compile(r"\.[^.]|~\$|(__MACOSX|__pycache__|Thumbs\.db|desktop\.ini)$", re.IGNORECASE)
"""Names of files and folders that systems make, not people."""

# mod/assign/classes/downloader.php of Moodle: a folder for each student, or files with the same
# beginning; an underscore in a name becomes a space. Up to version 4.0 the folder ends in "_".
MOODLE = re.compile(
    r"(?P<name>[^_]+)_(?P<id>\d+)_assignsubmission_(file|onlinetext)(_(?P<rest>.*))?$"
)
# lib/content_zipper.rb of Canvas: name, LATE, number of the user, number of the file, file.
CANVAS = re.compile(
    r"(?P<name>(?!anon_|LATE_)[^\W_]+_)?(?P<late>LATE_)?(?P<id>anon_[^\W_]+|\d+)"
    r"_(\d+_(?P<rest>.+)|(text|link)\.html)$"
)  # fmt: skip


@dataclass
class Owner:
    """What a path tells of the student."""

    name: str
    inside: tuple[str, ...]
    """The path beside what names the student."""
    moodle: str = ""
    """The number that Moodle calls the student by, in this assignment."""
    canvas: str = ""
    """The number that Canvas calls the student by."""
    late: bool = False
    prefix: str = ""
    """How the names of files begin that Moodle or Canvas is to take for this student's."""
    root: tuple[str, ...] = ()
    """The folder or zip in which the name stands."""
    by_file: bool = False
    """Nothing but the file's own name tells."""


@dataclass
class Handed:
    """A file that was handed in."""

    student: str
    """Whose it is; "" where nothing tells."""
    file: str
    """Its path in the folder; a zip counts as a folder."""
    cells: list[Cell] = field(default_factory=list)
    numbers: list[str] = field(default_factory=list)
    """The notebooks that it is; nearly always one."""
    modules: dict[str, str] = field(default_factory=dict)
    """Paths and sources of the modules beside it, which its cells may import."""
    problem: str = ""
    """Why it is not graded, if so."""
    is_module: bool = False
    """Whether a notebook beside it may import it."""
    script: str | None = None
    """The text of a file that is a script."""
    owner: Owner = field(default_factory=lambda: Owner("", ()))

    @property
    def name(self) -> str:
        """The file's name."""
        return self.file.rpartition("/")[2]

    @property
    def of_system(self) -> bool:
        """Whether a system has made it, not a person."""
        return any(OF_SYSTEM.match(part) for part in self.file.split("/"))

    @property
    def is_answer(self) -> bool:
        """Whether it is a notebook, or a script made of one: marks of cells, `check`, or a name."""
        if self.script is None:
            return bool(NOTEBOOK.search(self.name))
        stem = any(course.stem.lower() in self.name.lower() for course in courses().values())
        return bool(self.cells or stem or re.search(rf"\bcheck\([\"']{NUMBER}\.", self.script))


def collect(folder: Path, only: set[str]) -> list[Handed]:
    """Read everything in a folder or a zip; say of each file whose it is and what it is.

    Args:
        folder: Handed-in files, in a folder for each student or with the students' names; or
            what Moodle or Canvas hands out as one zip.
        only: The notebooks that are wanted.
    """
    handed = [_opened(found) for found in _within(folder)]
    people = [one for one in handed if not one.of_system]
    roots = _roots([tuple(one.file.split("/")) for one in people], is_zip=folder.is_file())
    for one in people:
        one.owner = owner_of(tuple(one.file.split("/")), folder, roots)
    _name(people)
    files: dict[str, list[Handed]] = defaultdict(list)
    for one in people:
        files[one.student].append(one)
    for of_one in files.values():
        _place(of_one, only)
    return handed


def plain(text: Any, most: int = 400) -> str:
    """Return text of others as one line that neither a terminal nor a file takes for an order."""
    text = " ".join(str(text).encode(errors="replace").decode().split())
    text = "".join(c if c.isprintable() else "�" for c in text)
    return text if len(text) <= most else text[: most - 1] + "…"


# --- reading ---

UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    OSError,
    ValueError,
    RuntimeError,
)
"""What `zipfile` raises over a damaged zip, or one packed in a way that it does not know."""


@dataclass
class _Found:
    """A file, and what was read of it."""

    parts: tuple[str, ...]
    content: bytes | None = None
    problem: str = ""


def _within(path: Path) -> Iterator[_Found]:
    """Yield the files in a folder or a zip."""
    if path.is_file():
        with path.open("rb") as file:
            yield from _in_zip(file, (), [MAX_BYTES_OF_ZIP], 0)
    else:
        yield from _in_folder(path, ())


def _in_folder(folder: Path, parts: tuple[str, ...]) -> Iterator[_Found]:
    """Yield the files in a folder; links are not followed."""
    try:
        children = sorted(folder.iterdir())
    except OSError as error:
        yield _Found((*parts, ""), problem=f"the folder cannot be opened: {error.strerror}")
        return
    if parts and not children:
        yield _Found((*parts, ""), problem="the folder is empty")
    for path in children:
        here = (*parts, path.name)
        try:
            if path.is_symlink():
                yield _Found(here, problem=f"{path.name} is a link, not a file")
            elif path.is_dir():
                yield from _in_folder(path, here)
            elif not path.is_file():
                yield _Found(here, problem="it is no file")
            elif path.suffix.lower() == ".zip":
                with path.open("rb") as file:
                    yield from _in_zip(file, here, [MAX_BYTES_OF_ZIP], 0)
            elif path.stat().st_size > MAX_BYTES:
                yield _Found(here, problem=f"it has over {MAX_BYTES // 1_000_000} MB")
            else:
                yield _Found(here, path.read_bytes() if _is_wanted(path.name) else None)
        except OSError as error:
            yield _Found(here, problem=f"it cannot be opened: {error.strerror}")


def _in_zip(
    file: BinaryIO, parts: tuple[str, ...], budget: list[int], depth: int
) -> Iterator[_Found]:
    """Yield the files in a zip.

    Args:
        file: The zip.
        parts: Its path.
        budget: The bytes that the outermost zip may still hold, counted down in place.
        depth: In how many zips it lies.
    """
    try:
        archive = zipfile.ZipFile(file)
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    except UNREADABLE as error:
        yield _Found(parts, problem=f"it cannot be opened as a zip: {error}")
        return
    if not entries or len(entries) > MAX_FILES_OF_ZIP:
        yield _Found(parts, problem=f"the zip holds {len(entries)} files")
        return
    for entry in entries:
        name = _zip_name(entry)
        inside = tuple(part for part in name.split("/") if part not in ("", "."))
        here, size = (*parts, *inside), entry.file_size
        refused = (
            ("its path leads out of the zip", ".." in inside or re.match(r"/|[A-Za-z]:", name)),
            ("it is a link, not a file", stat.S_ISLNK(entry.external_attr >> 16)),
            ("it is locked by a password", entry.flag_bits & 1),
            (f"it has over {MAX_BYTES // 1_000_000} MB", size > MAX_BYTES),
            ("the zip holds too much", _is_wanted(name) and size > budget[0]),
            ("it lies in too many zips", depth >= MAX_DEPTH and name.lower().endswith(".zip")),
        )
        problem = next((why for why, so in refused if so), "")
        if problem or not _is_wanted(name):
            yield _Found(here, problem=problem)
            continue
        budget[0] -= size
        try:
            content = archive.read(entry)  # no more than the size that the zip states
        except UNREADABLE as error:
            yield _Found(here, problem=f"it cannot be read from the zip: {error}")
            continue
        if name.lower().endswith(".zip"):
            yield from _in_zip(io.BytesIO(content), here, budget, depth + 1)
        else:
            yield _Found(here, content)


def _zip_name(entry: zipfile.ZipInfo) -> str:
    """Return a path in a zip; macOS writes UTF-8 and does not say so, Windows turns the slash."""
    name = entry.filename
    if not entry.flag_bits & 0x800:
        with contextlib.suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    return name.replace("\\", "/")


def _is_wanted(name: str) -> bool:
    """Tell whether a file is read; of others the name is enough."""
    return bool(NOTEBOOK.search(name)) or name.lower().endswith((".py", ".zip"))


def _opened(found: _Found) -> Handed:
    """Return a file with what stands in it."""
    parts = [unicodedata.normalize("NFC", part) for part in found.parts]  # macOS splits é in two
    one = Handed("", "/".join(parts), problem=found.problem)
    if one.of_system:
        one.problem = "made by a system, not by a person"
    elif found.content is None:
        one.problem = found.problem or "it is neither a notebook nor a script of one"
    elif NOTEBOOK.search(one.name):
        try:
            one.cells = cells_in(found.content, one.name)
        except NotebookError as error:
            one.problem = str(error)
    else:
        one.script = found.content.decode("utf-8-sig", errors="replace")
        one.cells = script_cells(one.script)
    return one


def script_cells(script: str) -> list[Cell]:
    """Return the code cells of a notebook that was exported as a script; without marks, none.

    The marks are those of VS Code, Spyder and Jupytext (`# %%`) and of Jupyter (`# In[3]:`).
    """
    mark = re.compile(r"^# (?:%%(.*)|In ?\[[\d ]*\]:?.*)$", re.MULTILINE)
    marks = list(mark.finditer(script))
    if not marks:
        return []
    cells = [Cell(script[: marks[0].start()])]
    for start, end in itertools.pairwise([*marks, None]):
        words = start[1] or ""
        if not re.search(r"\[(markdown|raw)\]", words):
            exercise = re.search(rf'exercise="({EXERCISE})"', words)
            source = script[start.end() : end.start() if end else None]
            cells.append(Cell(source.strip("\n"), exercise and exercise[1]))
    return cells


# --- whose it is ---


def _roots(paths: list[tuple[str, ...]], *, is_zip: bool) -> set[tuple[str, ...]]:
    """Return the folders and zips that hold a class, not the files of one student."""
    roots: set[tuple[str, ...]] = {()}
    tops = {path[0] for path in paths}
    for top in tops:
        inside = [path[1:] for path in paths if path[0] == top and len(path) > 1]
        students = {path[0] for path in inside}
        if inside and all(CANVAS.match(name) for name in students):
            roots.add((top,))
        alone = len(tops) == 1 and (is_zip or top.lower().endswith(".zip"))
        if alone and len(students) > 1 and all(len(path) > 1 for path in inside):
            roots.add((top,))
    return roots


def owner_of(parts: tuple[str, ...], folder: Path, roots: set[tuple[str, ...]]) -> Owner:
    """Return whose file it is: by its folder, else by what its name has beside the notebook's.

    Args:
        parts: The file's path as seen from the folder.
        folder: The folder with everything; its name is the last resort.
        roots: The folders and zips inside it that hold a class.
    """
    for place, part in enumerate(parts):
        if match := MOODLE.match(part):
            inside = parts[place + 1 :] or (match["rest"] or part,)
            prefix = f"{match['name']}_{match['id']}_assignsubmission_file_"
            owner = Owner(match["name"], inside, moodle=match["id"], prefix=prefix)
            owner.root = parts[:place]
            return owner
    place = 1 if len(parts) > 1 and parts[:1] in roots else 0
    root, rest = parts[:place], parts[place:]
    if match := CANVAS.match(rest[0]):
        inside = rest[1:] or (match["rest"] or rest[0],)
        name = f"{match['name'] or ''}{match['id']}"
        owner = Owner(name, inside, canvas=match["id"], late=bool(match["late"]), root=root)
        owner.prefix = rest[0][: match.start("rest")] if match["rest"] else f"{name}_"
        return owner
    name = rest[0]
    if len(rest) == 1 or name.lower().endswith(".zip"):
        name = re.sub(r"\.(ipynb.*|py|zip|rar|7z|tar|t?gz)$", "", name, flags=re.IGNORECASE)
        for course in courses().values():
            name = re.sub(rf"{course.stem}(-Copy\d+|-\d+)?", "", name, flags=re.IGNORECASE)
        name = re.sub(r"\s*\(\d+\)$", "", name)
    name = name.strip(" _-.") or folder.resolve().stem
    return Owner(name, rest[1:] or rest, root=root, by_file=len(rest) == 1)


def _name(people: list[Handed]) -> None:
    """Give each file the name of its student, in place."""
    numbers: dict[tuple, set[str]] = defaultdict(set)
    for one in people:
        numbers[one.owner.root, one.owner.name].add(one.owner.moodle)
    strays, known = [], set()
    for one in people:
        owner = one.owner
        several = len(numbers[owner.root, owner.name]) > 1  # people of the same name, or nameless
        one.student = plain(f"{owner.name} ({owner.moodle})" if several else owner.name)
        if owner.by_file and not one.is_answer and not ARCHIVE.search(one.name):
            strays.append(one)
        else:
            known.add(one.student)
    # A list, a report, a module at the top: a student's whose name it begins with, else nobody's.
    for one in strays:
        fitting = [name for name in known if one.name.lower().startswith(name.lower())]
        one.student = max(fitting, key=len, default="")
        one.owner.inside = (one.name[len(one.student) :].lstrip(" _-"),)


def _place(files: list[Handed], only: set[str]) -> None:
    """Say which notebook each of a student's files is, and give it the modules beside it."""
    answered = any(one.is_answer for one in files)
    for one in files:
        if one.script is not None and not one.cells and (one.is_answer or not answered):
            one.cells = [Cell(one.script)]
        if one.cells or NOTEBOOK.search(one.name):
            one.numbers = notebook_numbers(one.name, one.cells)
        if one.problem:
            continue
        if one.script is not None and not one.numbers:
            one.cells, one.problem = [], "no notebook could import it, and it has no answers"
        elif not one.numbers:
            one.problem = f"cannot tell which notebook {one.name} is"
        elif not set(one.numbers) & only:
            one.problem = f"notebook {one.numbers[0]} was not to be graded"
            one.numbers = []
    for module in files:
        if module.script is None or module.cells or len(module.script) > MAX_BYTES_OF_MODULE:
            continue
        # Canvas and browsers number a file that was handed in again.
        last = re.sub(r"(-\d+|\s*\(\d+\))(?=\.py$)", "", module.owner.inside[-1])
        path = [*module.owner.inside[:-1], last]
        for one in files:
            beside = one.owner.inside[:-1]
            if one.numbers and path[: len(beside)] == [*beside] and _is_module(path[len(beside) :]):
                one.modules["/".join(path[len(beside) :])] = module.script
                module.is_module, module.problem = True, ""


def _is_module(path: list[str]) -> bool:
    """Tell whether `import` can find a file, and finds no other one first."""
    names = [*path[:-1], path[-1].removesuffix(".py")]
    return all(name.isidentifier() for name in names) and names[0] not in sys.stdlib_module_names
