"""Small notebooks for the tests of the tools."""

from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tools.notebooks import METADATA


def small_notebook(*sources: str) -> NotebookNode:
    """Return a notebook with a title and a code cell, not yet run, for each source."""
    cells = [new_markdown_cell("# A small notebook", id="title")]
    cells += [new_code_cell(source, id=f"code-{i}") for i, source in enumerate(sources)]
    return new_notebook(cells=cells, metadata=nbformat.from_dict(METADATA))


def save(folder: Path, notebook: NotebookNode, name: str = "02_small.ipynb") -> Path:
    """Store a notebook as it is: `nbformat.write` would mend what some tests break on purpose."""
    path = folder / name
    path.write_text(nbformat.v4.writes(notebook), encoding="utf-8")
    return path
