"""Lay out what Sphinx reads: notebooks, pages and code, with links that work on the web.

A copy of a notebook differs from the file in this: a picture is a file with its caption as its
alternative text, the words on a folded cell say what it does, the line that leads to the neighbours
gives way to one that offers the notebook, links lead to pages of the web edition, and hints and
solutions stand folded under their exercise.
"""

import base64
import html
import io
import json
import os
import posixpath
import re
import shutil
from pathlib import Path

from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell
from PIL import Image

from dqngan_lib import exercises
from dqngan_lib.exercises.words import standalone
from tools.formulas import CODE
from tools.links import NAVIGATION
from tools.notebooks import FOLDED_TAG, ROOT, course_notebooks, read, write, write_whole

CODE_OR_LINK = re.compile(
    rf"{CODE.pattern}|(?<!!)\[(?P<words>[^\[\]]*)\]\((?P<target>[^)\s]+)\)", CODE.flags
)
FIGURE = re.compile(r"\*(Figure: .*)\*", re.DOTALL)
"""A caption as `plots.show` stores it."""
FILM = re.compile(r'<img alt="([^"]*)" width="(\d+)"[^>]*src="data:image/gif;base64,([^"]+)"[^>]*>')
"""A film as `plots.show_film` stores it."""
CHECKED = re.compile(r"""^check\(["']([^"']+)["']""", re.MULTILINE)
"""The number of the exercise whose answer a cell checks."""
TITLE = re.compile(r"# @title (.*)")
PAGES = ("docs", "data", "dqngan_lib", "")
"""The folders whose Markdown files are pages."""
PICTURES = ("docs/*.png", "docs/*.gif", "docs/*.webp", "docs/*.jpg", "notebooks/gallery/*.png")
LEFT_OUT = ("README.md",)
"""Pages without a place: parts of README.md are on the front page."""
KINDS = {"image/png": "png", "image/jpeg": "jpg"}


def stage(folder: Path) -> None:
    """Fill a folder, which is emptied first, with all that Sphinx reads but the front page."""
    shutil.rmtree(folder, ignore_errors=True)
    linked: set[Path] = set()
    for path in pages():
        text = to_web(path.read_text(encoding="utf-8"), path, linked)
        write_whole(folder / path.relative_to(ROOT), text)
    for path in course_notebooks():
        write(folder / path.relative_to(ROOT), notebook_page(path, folder, linked))
    pictures = {file for pattern in PICTURES for file in ROOT.glob(pattern)}
    for file in pictures | linked:
        target = folder / file.relative_to(ROOT)
        if file.suffix == ".py":
            write_whole(target.with_suffix(".md"), code_page(file))
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)


def pages() -> list[Path]:
    """Return the Markdown files that are pages of the web edition."""
    found = (path for name in PAGES for path in sorted((ROOT / name).glob("*.md")))
    return [path for path in found if path.relative_to(ROOT).as_posix() not in LEFT_OUT]


# --- links ---


def to_web(text: str, page: Path, linked: set[Path]) -> str:
    """Return Markdown whose links lead to pages of the web edition.

    Args:
        text: The Markdown; code in it is left as it is.
        page: The file that it is in.
        linked: Gets each file that is linked to and is no page.
    """

    def relinked(found: re.Match[str]) -> str:
        if found["target"] is None:  # code
            return found[0]
        return f"[{found['words']}]({web_target(found['target'], page, linked)})"

    return CODE_OR_LINK.sub(relinked, text)


def web_target(target: str, page: Path, linked: set[Path]) -> str:
    """Return where a link leads on the web. Addresses elsewhere stay.

    Args:
        target: As it stands in the text.
        page: The file that it is in.
        linked: Gets the file, if it is no page.
    """
    if re.match(r"[a-z]+:", target):
        return target
    name, mark, anchor = target.partition("#")
    file = Path(os.path.normpath(page.parent / name)) if name else page
    if file.suffix == ".ipynb":  # Jupyter's anchors are the headings; those of the web are GitHub's
        anchor = re.sub(r"[^\w\-]", "", anchor.lower())
    elif file == ROOT / "README.md":
        name = posixpath.relpath("index.md", page.parent.relative_to(ROOT).as_posix())
    elif file.suffix != ".md":
        linked.add(file)
        if file.suffix == ".py":  # the page that shows it; its lines have no addresses there
            name, mark, anchor = f"{name.removesuffix('.py')}.md", "", ""
    return name + mark + anchor


def code_page(file: Path) -> str:
    """Return a page that shows a Python file."""
    name = file.relative_to(ROOT).as_posix()
    head = f"---\norphan: true\nno-search: true\n---\n\n# {name}\n\n"
    return f"{head}```{{literalinclude}} {file.name}\n:language: python\n```\n"


# --- notebooks ---


def notebook_page(path: Path, folder: Path, linked: set[Path]) -> NotebookNode:
    """Return a notebook as Sphinx is to read it; its pictures are written beside it.

    Args:
        path: The notebook.
        folder: Where the copy of the course lies.
        linked: Gets each file that is linked to and is no page.
    """
    notebook = read(path)
    texts = [cell for cell in notebook.cells if cell.cell_type == "markdown"]
    for cell in texts:
        cell.source = to_web(NAVIGATION.sub("", cell.source), path, linked)
    title, _, rest = texts[0].source.partition("\n")
    texts[0].source = f"{title}\n\n{offers(path)}\n{rest}"
    pictures = Pictures(folder / "notebooks" / "figures" / path.stem)
    cells = []
    for cell in notebook.cells:
        cells.append(cell)
        if cell.cell_type == "code":
            _name_fold(cell)
            cell.outputs = shown(cell.outputs, pictures)
            cells += [new_markdown_cell(help_with(name)) for name in CHECKED.findall(cell.source)]
    notebook.cells = cells
    return notebook


def help_with(name: str) -> str:
    """Return the hints and the solution of an exercise, folded: on the web no `hint()` runs.

    Args:
        name: Its number, such as "02.1".
    """
    exercise, parts = exercises.find(name), []
    for number, text in enumerate(exercise.hints, start=1):
        words, _, code = text.rpartition("\n") if number == len(exercise.hints) else (text, "", "")
        lines = html.escape(words).replace("\n", "<br>")
        lines = re.sub("`([^`]+)`", r"<code>\1</code>", lines)
        lines = f"<p>{lines}</p>" if words else ""
        lines += f"<pre>{html.escape(code)}</pre>" if code else ""
        parts.append(_folded(f"Hint {number} of {len(exercise.hints)}", lines))
    source = f"```python\n{standalone(exercise.solution).rstrip()}\n```"
    why = f"\n\nWhy it is right: {exercise.why.rstrip('.')}." if exercise.why else ""
    return "\n".join([*parts, _folded("Solution", f"\n{source}{why}\n")])


def _folded(summary: str, content: str) -> str:
    return f'<details class="help"><summary>{summary}</summary>\n{content}\n</details>\n'


def offers(path: Path) -> str:
    """Return the line under a title that offers the notebook's files, for HTML alone."""
    kinds = {
        f"colab/{path.name}": "Notebook for Colab",
        f"plain/{path.name}": "Plain notebook",
        "dqngan-course.zip": "Source of the course",
    }
    links = [f'<a href="../files/{file}" download>{words}</a>' for file, words in kinds.items()]
    return f'<p class="offers">Take it with you: {" · ".join(links)}</p>\n'


def _name_fold(cell: NotebookNode) -> None:
    """Let the words on a folded cell say what it does."""
    title = TITLE.match(cell.source)
    if title and FOLDED_TAG in cell.metadata.get("tags", []):
        prompts = {f"code_prompt_{kind}": f"Code: {title[1]}" for kind in ("show", "hide")}
        cell.metadata["mystnb"] = prompts


class Pictures:
    """Writes the pictures of one notebook, numbered in their order."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.count = folder, 0

    def write(self, content: str, kind: str) -> tuple[str, int]:
        """Write a picture from its base64; return its name beside the notebook, and its width."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.count += 1
        file = self.folder / f"{self.count:02d}.{kind}"
        data = base64.b64decode(content)
        file.write_bytes(data)
        with Image.open(io.BytesIO(data)) as picture:
            return f"figures/{self.folder.name}/{file.name}", picture.width


def shown(outputs: list[NotebookNode], pictures: Pictures) -> list[NotebookNode]:
    """Return a cell's outputs, in which each picture with its caption is one figure."""
    result: list[NotebookNode] = []
    waiting: tuple[str, int] | None = None  # a picture whose caption comes next
    for output in outputs:
        data = output.get("data", {})
        kind = next((kind for kind in KINDS if kind in data), None)
        caption = FIGURE.fullmatch(data.get("text/markdown", ""))
        film = FILM.search(data.get("text/html", ""))
        if kind:
            waiting = pictures.write(data[kind], KINDS[kind])
        elif caption and waiting:
            name, width = waiting
            result.append(_markdown(output, figure(name, width, caption[1])))
            waiting = None
        elif film:
            name, _ = pictures.write(film[3], "gif")
            result.append(_markdown(output, figure(name, int(film[2]), html.unescape(film[1]))))
        elif "text/latex" in data and "text/html" in data:  # coloured code, in the page's colours
            result.append(_markdown(output, f"```python\n{data['text/plain'].strip()}\n```"))
        else:
            result.append(output)
    if waiting:
        raise ValueError(f"a picture has no caption: {waiting[0]}")
    return result


def figure(name: str, width: int, words: str) -> str:
    """Return a figure in MyST whose caption is its alternative text, too."""
    words = re.sub(r"\s+", " ", words)
    alt = json.dumps(words.removeprefix("Figure: "), ensure_ascii=False)
    return f"```{{figure}} {name}\n:alt: {alt}\n:width: {width}px\n\n{words}\n```"


def _markdown(output: NotebookNode, text: str) -> NotebookNode:
    return NotebookNode(output_type="display_data", metadata={}, data={"text/markdown": text})
