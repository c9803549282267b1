"""Set the links between notebooks: `python -m tools.links`. The lint says where they are missing.

Each notebook gets, under its title and at its end, a line that leads to the one before, to the
contents and to the next. In its text "notebook 08", "notebooks 04 and 05" and "exercise 08.2"
become links, and so do arXiv and DOI numbers. What is set already is set anew, so names may change.
"""

import re
import sys
from pathlib import Path

from nbformat import NotebookNode

from tools.notebooks import EXERCISE, NUMBER, NotebookError, find, number_of, read, write
from tools.start import start
from tools.stated import stated

CONTENTS, GLOSSARY = "Contents", "../docs/glossary.md"
NAVIGATION = re.compile(r"\n\n(?:\[← [^\n]*|\[Contents\]\([^\n]*|Contents · [^\n]*)(?=\n|$)")
"""The line under a title and at the end, with the empty line before it."""
HEAD = re.compile(r"\A[^\n]*(?:\n\n\[!\[[^\n]*)?")
"""A title, and the badge below it where there is one."""
TARGET = rf"(?:{NUMBER}_\w+\.ipynb)?(?:#Exercise-[^)\s]*)?"
KIND = "(?:[Nn]otebook |[Aa]ppendix |[Ee]xercise )?"
SET = re.compile(rf"\[({KIND}{NUMBER}(?:\.\d)?)\]\({TARGET}\)")
"""A link between notebooks as this tool sets it."""
ADDRESS = re.compile(r"\[((?:arXiv|doi)\s+[^\]]+)\]\(https://(?:arxiv\.org/abs|doi\.org)/[^\s]+\)")
"""A link to a paper as this tool sets it; brackets in a DOI are written as %28 and %29."""
PICTURED = re.compile(rf"\[(!\[[^\]]*\]\([^)\s]+\))\]\({NUMBER}_\w+\.ipynb\)")
"""A picture that leads to a notebook."""
PROTECTED = re.compile(
    r"^(```|~~~).*?^\1|`[^`\n]+`|\$\$.*?\$\$|\$[^$\n]+\$|!?\[[^\]]*\]\([^)]*\)|^#+ [^\n]*$",
    re.MULTILINE | re.DOTALL,
)
"""Code, formulas, links and headings: nothing is set in them."""
NAMED = re.compile(rf"\b([Ee]xercise )({EXERCISE})\b")
APPENDIX = re.compile(r"\b[Aa]ppendix ([A-Z])\b")
NOTEBOOKS = re.compile(r"\b([Nn]otebooks?) (\d\d(?:, \d\d)*(?:,? (?:and|or|to) \d\d)?)\b")
PAPER = re.compile(r"\b(arXiv)(\s+)(\d{4}\.\d{4,5})\b|\b(doi)(\s+)(10\.\d{4,}/\S*[\w>)])")


def linked(source: str, names: dict[str, str], anchors: dict[str, str]) -> str:
    """Return a text with its links.

    Args:
        source: The Markdown of a cell.
        names: The file of each notebook by its number.
        anchors: Where each exercise is by its number: file and heading, or heading alone.
    """
    plain = ADDRESS.sub(r"\1", SET.sub(r"\1", source))
    pieces, at = [], 0
    for match in PROTECTED.finditer(plain):
        pieces += [_link(plain[at : match.start()], names, anchors), match[0]]
        at = match.end()
    return "".join([*pieces, _link(plain[at:], names, anchors)])


def _link(text: str, names: dict[str, str], anchors: dict[str, str]) -> str:
    def exercise(match: re.Match[str]) -> str:
        target = anchors.get(match[2])
        return f"[{match[0]}]({target})" if target else match[0]

    def notebook(match: re.Match[str]) -> str:
        if match[1].endswith("s"):
            numbers = re.sub(r"\d\d", lambda n: _to(n[0], names.get(n[0])), match[2])
            return f"{match[1]} {numbers}"
        first, rest = match[2][:2], match[2][2:]  # "notebook 02, 03" is no list of ours
        return _to(f"{match[1]} {first}", names.get(first)) + rest

    text = NOTEBOOKS.sub(notebook, NAMED.sub(exercise, text))
    text = APPENDIX.sub(lambda match: _to(match[0], names.get(match[1])), text)
    return PAPER.sub(_paper, text)


def _to(words: str, target: str | None) -> str:
    return f"[{words}]({target})" if target else words


def _paper(match: re.Match[str]) -> str:
    if match[1]:
        return f"[{match[0]}](https://arxiv.org/abs/{match[3]})"
    safe = match[6].replace("(", "%28").replace(")", "%29").replace("<", "%3C").replace(">", "%3E")
    return f"[{match[0]}](https://doi.org/{safe})"


def without_links(source: str) -> str:
    """Return a text without the links to other notebooks, for where these are not at hand."""
    source = PICTURED.sub(r"\1", NAVIGATION.sub("", source))
    return SET.sub(lambda match: match[0] if "(#" in match[0] else match[1], source)


def exercises_in(notebook: NotebookNode) -> dict[str, str]:
    """Return the anchor that JupyterLab and GitHub make of each exercise's heading."""
    return {
        number: f"#Exercise {number}: {about.title}".replace(" ", "-")
        for number, about in stated(notebook).items()
    }


def navigation(position: int, paths: list[Path]) -> str:
    """Return the line that leads to the neighbours of a notebook, by their numbers.

    It is short: it stands in the first and in the last text of each notebook.
    """
    parts = [f"[{CONTENTS}]({paths[0].name})" if position > 0 else CONTENTS]
    parts.append(f"[Glossary]({GLOSSARY})")
    if position > 0:
        parts.insert(0, _to(f"← {number_of(paths[position - 1])}", paths[position - 1].name))
    if position + 1 < len(paths):
        parts.append(_to(f"{number_of(paths[position + 1])} →", paths[position + 1].name))
    return " · ".join(parts)


def set_links(path: Path, notebook: NotebookNode, course: dict[Path, NotebookNode]) -> None:
    """Set every link of a notebook, in place.

    Args:
        path: Its file.
        notebook: What is in it.
        course: All notebooks in order, this one among them.
    """
    paths = list(course)
    names = {number_of(other): other.name for other in paths if other != path}
    anchors = {
        number: anchor if other == path else other.name + anchor
        for other, content in course.items()
        for number, anchor in exercises_in(content).items()
    }
    texts = [cell for cell in notebook.cells if cell.cell_type == "markdown"]
    for cell in texts:
        cell.source = linked(NAVIGATION.sub("", cell.source), names, anchors)
    if path not in paths or len(texts) < 2:
        return
    line = navigation(paths.index(path), paths)
    texts[0].source = HEAD.sub(lambda head: f"{head[0]}\n\n{line}", texts[0].source, count=1)
    if notebook.cells[-1].cell_type == "markdown":
        texts[-1].source = f"{texts[-1].source.rstrip()}\n\n{line}"


def main() -> int:
    """Set the links of all notebooks; return 0 when they could be read."""
    try:
        course = {path: read(path) for path in find()}
        for path in course:
            notebook = read(path)
            set_links(path, notebook, course)
            if notebook != course[path]:
                write(path, notebook)
                print(path.name)
    except NotebookError as error:
        print(f"links: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    start(main)
