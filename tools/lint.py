"""The form that every notebook of the course keeps, as a list of what is wrong with one.

nbval compares outputs, so a notebook without outputs, or one that ran halfway, passes it by
saying nothing. The rules here see to it that there is something to compare, that a screen reader
can follow, and that nothing of the author's machine is in the file.
"""

import ast
import functools
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from copy import deepcopy
from pathlib import Path

from nbformat import NotebookNode

from tools.colab import is_first_cell
from tools.formulas import faults
from tools.hints import missing
from tools.links import NAVIGATION, set_links
from tools.notebooks import (
    EXERCISE,
    FOLDED,
    FOLDED_TAG,
    KEPT_IN_CELLS,
    METADATA,
    NOTEBOOKS,
    NotebookError,
    find,
    first_line,
    read,
)

MAX_BYTES = 500_000
MAX_LINES = 25
MAX_WORDS = 150
"""Of a text cell, as `words` counts them."""
QUESTIONS = range(3, 7)
"""How many questions a notebook asks at its end."""
IGNORE_OUTPUT = "nbval-ignore-output"
TAGS = {"exercise", "raises-exception", "gallery", "readme", IGNORE_OUTPUT, FOLDED_TAG}
"""Tags in use. Others are typing errors, or would make nbval skip the cell."""

SPEAKING = {"print", "claim", "display", "show", "table", "film", "check", "hint", "solution"}
"""Functions, and methods such as `plots.show`, whose call leaves an output."""

TITLE = re.compile(r"# @title \w.+")
"""The first line of a folded cell. Colab and JupyterLab show it where the source would be."""
BEGINNING = {"torch.set_num_threads(1)", "seed = seed_everything(0)", "data = digits()"}
"""What may stand below the imports in a folded cell."""
DRAWS = re.compile(r"(draw|show)(_|$)")
"""Functions whose name says enough: a visible cell may call one that a folded cell defines."""
LESSON = {"claim", "check", "hint", "solution"}
"""Functions whose call a reader must see."""

PICTURES = ("image/png", "image/jpeg", "image/svg+xml")
CHANGING = ("application/vnd.jupyter.widget-view+json", "application/javascript", "image/gif")
"""Outputs with identifiers or frames that differ from run to run."""

_LOCAL_PATH = re.compile(
    r"(?<![\w/.:])/(?:home|root|Users|work|tmp|mnt|opt|usr|var|private)/\w"
    r"|\b[A-Z]:\\+\w"
    r"|file:///"
)
_MARKDOWN_IMAGE = re.compile(r"!\[([^\]]*)\]\(\s*([^)\s]+)[^)]*\)")
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(\s*([^)\s]+)[^)]*\)")
_CODE_FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
_NBVAL_COMMENT = re.compile(r"^\s*#+\s*(NBVAL_\w+|PYTEST_VALIDATE_\w+)\s*$", re.MULTILINE)

Problem = tuple[int | None, str]
"""The index of the cell, or None for the whole notebook, and what is wrong there."""


def lint(path: Path) -> list[str]:
    """Return what is wrong with the form of a notebook: one line each, none when all is well.

    Args:
        path: The notebook's file.
    """
    try:
        notebook = read(path)
    except NotebookError as error:
        return [str(error)]
    problems = [*_size(path), *_images_exist(path, notebook), *_links_lead(path, notebook)]
    problems += _links_set(path, notebook)
    if path.parent == NOTEBOOKS:
        problems += [*_short_texts(notebook), *_questions(notebook)]
    for rule in (
        _whole,
        _ids,
        _headings,
        _execution_counts,
        _exercises,
        _first_cell,
        _folds,
        _references_lead,
    ):
        problems.extend(rule(notebook))
    for index, cell in enumerate(notebook.cells):
        rules = (_any_cell, _code_cell) if cell.cell_type == "code" else (_any_cell, _text_cell)
        problems.extend((index, what) for rule in rules for what in rule(cell))
    problems.sort(key=lambda problem: -1 if problem[0] is None else problem[0])
    return [_in_words(path, notebook, index, what) for index, what in problems]


def _in_words(path: Path, notebook: NotebookNode, index: int | None, what: str) -> str:
    """Say where a problem is: the cell's position from 1, and its first line."""
    if index is None:
        return f"{path.name}: {what}"
    return f"{path.name}, cell {index + 1} ({first_line(notebook.cells[index].source)!r}): {what}"


def _size(path: Path) -> Iterator[Problem]:
    size = path.stat().st_size
    if size > MAX_BYTES:
        yield None, f"{size / 1000:.0f} kB, over the limit of {MAX_BYTES // 1000} kB"


def _images_exist(path: Path, notebook: NotebookNode) -> Iterator[Problem]:
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type != "markdown":
            continue
        sources = [source for _, source in _MARKDOWN_IMAGE.findall(cell.source)]
        sources += [tag.get("src", "") for tag in _image_tags(cell.source)]
        for source in sources:
            local = not re.match(r"https?:|data:|attachment:", source)
            if local and not (path.parent / source).is_file():
                yield index, f"there is no picture {source!r}"


def _links_lead(path: Path, notebook: NotebookNode) -> Iterator[Problem]:
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type != "markdown":
            continue
        for target in _LINK.findall(_CODE_FENCE.sub("", cell.source)):
            local = target.partition("#")[0]
            if not re.match(r"\w+:", target) and not (path.parent / local).exists():
                yield index, f"the link to {target!r} leads nowhere"


def _links_set(path: Path, notebook: NotebookNode) -> Iterator[Problem]:
    if path.parent != NOTEBOOKS:
        return
    wanted = deepcopy(notebook)
    set_links(path, wanted, _course(tuple((p, p.stat().st_mtime_ns) for p in find())))
    for index, cell in enumerate(notebook.cells):
        if cell.source != wanted.cells[index].source:
            yield index, "links to notebooks are missing or old: python -m tools.links sets them"


@functools.lru_cache(maxsize=1)
def _course(stamps: tuple[tuple[Path, int], ...]) -> dict[Path, NotebookNode]:
    """Return all notebooks, read once for all of them until one changes."""
    return {path: read(path) for path, _ in stamps}


def _references_lead(notebook: NotebookNode) -> Iterator[Problem]:
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type != "markdown":
            continue
        _, _, references = cell.source.partition("## References")
        for entry in re.findall(r"^- .*\n?(?: +\S.*\n?)*", references, re.MULTILINE):
            if "](http" not in entry:
                yield index, f"a reference has no address: {first_line(entry)}"


def words(source: str) -> int:
    """Return how many words of a text cell a reader reads at a stretch.

    Pictures, code, addresses, the line that leads to the neighbours and lists of references do
    not count; each piece of a formula does.
    """
    text = _CODE_FENCE.sub("", NAVIGATION.sub("", source))
    text = re.sub(r"!\[[^\]]*\]\([^)]*\)|<[^>]*>", " ", text)
    text = re.sub(r"^- .*\n?(?:^ +\S.*\n?)*", _unless_reference, text, flags=re.MULTILINE)
    text = re.sub(r"\]\([^)]*\)", "]", text)
    return sum(any(c.isalnum() for c in word) for word in text.split())


def _unless_reference(entry: re.Match[str]) -> str:
    return "" if "](http" in entry[0] else entry[0]


def _short_texts(notebook: NotebookNode) -> Iterator[Problem]:
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown" and words(cell.source) > MAX_WORDS:
            yield index, f"{words(cell.source)} words, over the limit of {MAX_WORDS}: split it"


ASKED_FORM = "<details><summary>…?</summary>\n\n…\n\n</details>"
ASKED = re.compile(
    r"<details><summary>([^\n]+[?.])</summary>\n\n((?:(?!</?details>).)+?)\n\n</details>",
    re.DOTALL,
)
"""A question that opens, and its answer."""


def asked(notebook: NotebookNode) -> str:
    """Return the section *Ask yourself*, "" where there is none."""
    text = "\n\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    _, _, after = text.partition("## Ask yourself\n")
    return re.split(r"^## ", after, maxsplit=1, flags=re.MULTILINE)[0].strip()


def _questions(notebook: NotebookNode) -> Iterator[Problem]:
    section = asked(notebook)
    found = ASKED.findall(section)
    if not section:
        yield None, "there is no section `## Ask yourself`"
    elif section.count("<details>") != len(found):
        yield None, f"a question is not of the form {ASKED_FORM!r}"
    elif len(found) not in QUESTIONS:
        yield None, f"{len(found)} questions under *Ask yourself*; three to six are wanted"


def _whole(notebook: NotebookNode) -> Iterator[Problem]:
    if notebook.metadata.get("kernelspec", {}).get("name") != "python3":
        yield None, "the kernelspec is not python3"
    if "widgets" in notebook.metadata:
        yield None, "the state of widgets is left over in the metadata"
    if notebook.metadata != METADATA:
        yield None, "the metadata is not what `course.py build` writes"


def _ids(notebook: NotebookNode) -> Iterator[Problem]:
    ids = [cell.get("id") for cell in notebook.cells]
    for index, identity in enumerate(ids):
        if not identity:
            yield index, "the cell has no id"
        elif identity in ids[:index]:
            yield index, f"the id {identity!r} is used twice"


def _headings(notebook: NotebookNode) -> Iterator[Problem]:
    titles = [
        index
        for index, cell in enumerate(notebook.cells)
        if cell.cell_type == "markdown"
        for _ in re.findall(r"^# ", _CODE_FENCE.sub("", cell.source), re.MULTILINE)
    ]
    if not notebook.cells or not notebook.cells[0].source.startswith("# ") or 0 not in titles:
        yield None, "the first cell does not begin with the title (`# …`)"
    for index in titles[1:]:
        yield index, "a second title (`# …`): use `## …`"


def _execution_counts(notebook: NotebookNode) -> Iterator[Problem]:
    expected = 0
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type != "code":
            continue
        expected += 1
        if cell.execution_count != expected:
            yield index, f"the execution count is {cell.execution_count}, not {expected}"
            return  # the rest would only repeat it


def _exercises(notebook: NotebookNode) -> Iterator[Problem]:
    numbers = [cell.metadata.get("exercise") for cell in notebook.cells]
    for index, (cell, number) in enumerate(zip(notebook.cells, numbers, strict=True)):
        tagged = "exercise" in cell.metadata.get("tags", [])
        if tagged != (number is not None):
            yield index, 'an exercise cell has both the tag "exercise" and {"exercise": "02.1"}'
        if number is None:
            continue
        if not re.fullmatch(EXERCISE, str(number)):
            yield index, f'the exercise number {number!r} is not like "02.1"'
        if cell.cell_type != "code":
            yield index, "an exercise must be a code cell"
        if number in numbers[:index]:
            yield index, f"exercise {number} is there twice"
    called: list[tuple[int, str]] = []
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type == "code":
            called += [(index, n) for n in re.findall(r"\bcheck\(\s*[\"']([^\"']+)", cell.source)]
        yield from (
            (index, f'there is no prepared # hint("{number}") under the check (`tools/hints.py`)')
            for number in (missing(cell.source) if cell.cell_type == "code" else ())
        )
    for index, number in called:
        if number not in numbers:
            yield index, f"check({number!r}) has no exercise cell with that number"
    for index, number in enumerate(numbers):
        if number is not None and number not in {n for _, n in called}:
            yield index, f"exercise {number} is never checked"


def _first_cell(notebook: NotebookNode) -> Iterator[Problem]:
    code = [(i, cell) for i, cell in enumerate(notebook.cells) if cell.cell_type == "code"]
    if not any(re.search(r"^(from|import) dqngan_lib", c.source, re.MULTILINE) for _, c in code):
        return
    index, cell = code[0]
    if not is_first_cell(cell.source) or not _folded(cell):
        yield index, "the first code cell is not the folded one of `tools/colab.py`"


def _folded(cell: NotebookNode) -> bool:
    return FOLDED_TAG in cell.metadata.get("tags", [])


def _folds(notebook: NotebookNode) -> Iterator[Problem]:
    """Check what is hidden: plumbing, figures and tables, and nothing that the lesson needs."""
    hidden: dict[str, int] = {}
    for index, cell in enumerate(notebook.cells):
        closed = {key: cell.metadata[key] for key in FOLDED if key in cell.metadata}
        if closed != (FOLDED if _folded(cell) else {}):
            yield index, f"a folded cell has both the tag {FOLDED_TAG!r} and {FOLDED}"
        if _folded(cell) and cell.cell_type != "code":
            yield index, "only the source of a code cell is folded"
        if cell.cell_type != "code":
            continue
        with suppress(SyntaxError):  # that is another rule's business
            tree = _parsed(cell)
            if is_first_cell(cell.source):
                continue
            if _folded(cell):
                yield from ((index, what) for what in _fold(cell, tree))
                if not _imports(tree):
                    hidden |= dict.fromkeys(_made(tree), index)
                continue
            for node in tree.body:
                stored = {n.id for n in ast.walk(node) if _is_name(n, ast.Store)} | _arguments(node)
                loaded = {n.id for n in ast.walk(node) if _is_name(n, ast.Load)}
                for name in sorted((loaded - stored) & hidden.keys()):
                    yield hidden.pop(name), f"it is folded, and cell {index + 1} uses its {name}"
                hidden = {name: at for name, at in hidden.items() if name not in stored}


def _fold(cell: NotebookNode, tree: ast.Module) -> Iterator[str]:
    """Check a folded cell by itself."""
    if not TITLE.match(cell.source):
        yield "it is folded and does not begin with `# @title …`, which says what it does"
    called = {getattr(n, "id", None) for n in ast.walk(tree)}
    if "exercise" in cell.metadata or LESSON & called:
        yield "it is folded and has a claim, an exercise or a check in it"
    defined = [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    draws = defined and all(DRAWS.match(name) for name in defined)
    if not (cell.outputs or _imports(tree) or draws):
        yield "it is folded and neither shows anything nor imports anything"


def _imports(tree: ast.Module) -> bool:
    """Tell whether a cell does nothing but import and begin."""
    others = [node for node in tree.body if not isinstance(node, ast.Import | ast.ImportFrom)]
    return len(others) < len(tree.body) and {ast.unparse(node) for node in others} <= BEGINNING


def _made(tree: ast.Module) -> set[str]:
    """Return the names that a cell leaves behind, but for functions that draw."""
    made = {n.id for node in tree.body for n in ast.walk(node) if _is_name(n, ast.Store)}
    defined = {n.name for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    return made | {name for name in defined if not DRAWS.match(name)}


def _arguments(node: ast.AST) -> set[str]:
    return {n.arg for n in ast.walk(node) if isinstance(n, ast.arg)}


def _is_name(node: ast.AST, context: type) -> bool:
    return isinstance(node, ast.Name) and isinstance(node.ctx, context)


def _any_cell(cell: NotebookNode) -> Iterator[str]:
    extra = sorted(set(cell.metadata) - set(KEPT_IN_CELLS))
    if extra:
        yield f"metadata left over: {', '.join(extra)}"
    for tag, count in Counter(cell.metadata.get("tags", [])).items():
        if tag not in TAGS:
            yield f"the tag {tag!r} is not one of {', '.join(sorted(TAGS))}"
        elif count > 1:
            yield f"the tag {tag!r} is there twice"
    if "\t" in cell.source:
        yield "there is a tab in it"
    if _LOCAL_PATH.search(cell.source):
        yield "there is an absolute path in it"


def _text_cell(cell: NotebookNode) -> Iterator[str]:
    text = _CODE_FENCE.sub("", cell.source)
    without = [source for alt, source in _MARKDOWN_IMAGE.findall(text) if not alt.strip()]
    without += [tag.get("src", "") for tag in _image_tags(text) if not tag.get("alt", "").strip()]
    for source in without:
        yield f"the picture {source[:40]!r} has no alternative text"
    yield from faults(cell.source)


def _code_cell(cell: NotebookNode) -> Iterator[str]:
    tags = cell.metadata.get("tags", [])
    lines = cell.source.count("\n") + 1
    if not cell.source.strip():
        yield "the code cell is empty"
    if lines > MAX_LINES:
        yield f"{lines} lines, over the limit of {MAX_LINES}"
    if _NBVAL_COMMENT.search(cell.source):
        yield "nbval is told what to do by a comment: use a tag"
    if re.search(r";\s*$", cell.source, re.MULTILINE):
        yield "a line ends in `;`: it hides an output in Lab and not under nbval"
    if re.search(r"\bwidgets\.\w", cell.source) and IGNORE_OUTPUT not in tags:
        yield f"it uses widgets and lacks the tag {IGNORE_OUTPUT}"
    yield from _speaks(cell)
    yield from _outputs(cell)


def _speaks(cell: NotebookNode) -> Iterator[str]:
    """Say so when a cell must have an output, by what it calls, and has none."""
    try:
        tree = _parsed(cell)
    except SyntaxError as error:
        yield f"it is not Python: {error.msg}, line {error.lineno}"
        return
    if not cell.outputs and _must_speak(tree):
        yield "it prints, claims or displays something, but there is no output"


def _parsed(cell: NotebookNode) -> ast.Module:
    # A statement keeps the place of lines that only IPython understands.
    return ast.parse(re.sub(r"^(\s*)[%!].*$", r"\1pass", cell.source, flags=re.MULTILINE))


def _must_speak(tree: ast.Module) -> bool:
    """Tell whether a cell surely leaves an output when it runs."""
    last = tree.body[-1] if tree.body else None
    shown = (ast.Attribute, ast.BinOp, ast.Compare, ast.JoinedStr, ast.Name, ast.Subscript)
    if isinstance(last, ast.Expr) and isinstance(last.value, shown):
        return True
    # What stands under def, class or lambda need not run here, nor what stands under if or try.
    sleeping = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.If, ast.Try)
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, sleeping):
            continue
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", None) or getattr(node.func, "attr", None)
            if name in SPEAKING:
                return True
        waiting.extend(ast.iter_child_nodes(node))
    return False


def _outputs(cell: NotebookNode) -> Iterator[str]:
    """Check the stored outputs of one cell."""
    tags = cell.metadata.get("tags", [])
    for position, output in enumerate(cell.outputs):
        data = output.get("data", {})
        html = "".join(data.get("text/html", ""))
        if output.output_type == "error" and "raises-exception" not in tags:
            yield f"it ended in {output.ename}: {output.evalue[:60]}"
        if output.output_type == "stream" and output.name == "stderr":
            yield f"there is text on stderr: {output.text.strip()[:60]!r}"
        if any(kind in data for kind in PICTURES) and not _described(cell.outputs[position + 1 :]):
            yield 'a figure is not followed by its description ("Figure: …"); use plots.show'
        if any(not tag.get("alt", "").strip() for tag in _image_tags(html)):
            yield "an <img> has no alternative text"
        changing = any(kind in data for kind in CHANGING) or re.search(r"<(script|video)\b", html)
        if changing and IGNORE_OUTPUT not in tags:
            yield f"an output that differs from run to run: add the tag {IGNORE_OUTPUT}"
        text = _text(output)
        if _LOCAL_PATH.search(text):
            yield f"there is an absolute path in an output: {_LOCAL_PATH.search(text)[0]!r}…"


def _described(following: list[NotebookNode]) -> bool:
    """Tell whether the output after a figure is the figure's description in words."""
    if not following:
        return False
    data = following[0].get("data", {})
    text = data.get("text/markdown") or data.get("text/plain") or following[0].get("text", "")
    start, _, words = "".join(text).strip().strip("*_").partition(":")
    return start == "Figure" and bool(words.strip())


def _text(output: NotebookNode) -> str:
    """Return what a person can read in an output, without pictures."""
    data = output.get("data", {})
    parts = [output.get("text", ""), *output.get("traceback", [])]
    parts += [data.get(kind, "") for kind in ("text/plain", "text/markdown", "text/html")]
    text = "\n".join("".join(part) for part in parts)
    return re.sub(r"data:[\w/+.-]+;base64,[\w+/=\s]+", "", text)


def _image_tags(html: str) -> list[dict[str, str]]:
    """Return the attributes of every <img> in a piece of HTML."""
    pattern = r"([\w-]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')"
    return [
        {name.lower(): double or single for name, double, single in re.findall(pattern, tag)}
        for tag in re.findall(r"<img\b[^>]*>", html, re.IGNORECASE)
    ]
