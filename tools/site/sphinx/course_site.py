"""What the web edition adds to Sphinx: formulas by KaTeX, and what a screen reader needs.

A page holds its formulas ready to be shown, once for the eye and once as MathML for a screen
reader, and runs no script for them. `render.js` beside this file runs KaTeX in Node.js.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

KATEX = Path(os.environ["SITE_MODULES"]) / "katex" / "dist"
_running: dict[int, subprocess.Popen] = {}
"""The renderer of each process; Sphinx uses several."""


def katex(formula: str, *, display: bool) -> str:
    """Return a formula as HTML.

    Raises:
        ExtensionError: KaTeX does not understand it.
    """
    process = _running.get(os.getpid())
    if process is None:
        command = ["node", str(Path(__file__).with_name("render.js")), str(KATEX / "katex.js")]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
        )
        _running[os.getpid()] = process
    process.stdin.write(json.dumps([formula, display]) + "\n")
    process.stdin.flush()
    answer = json.loads(process.stdout.readline())
    if "error" in answer:
        raise ExtensionError(f"{answer['error']} in the formula {formula}")
    return answer["html"]


def visit_math(self: Any, node: nodes.math) -> None:
    """Write a formula in a line."""
    self.body.append(f'<span class="formula">{katex(node.astext(), display=False)}</span>')
    raise nodes.SkipNode


def visit_math_block(self: Any, node: nodes.math_block) -> None:
    """Write a formula on lines of its own."""
    self.body.append(f'<div class="formula">{katex(node.astext(), display=True)}</div>\n')
    raise nodes.SkipNode


def for_screen_readers(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Mend what a page would say wrongly to somebody who hears it.

    A caption has been said already, as the description of its picture. The words on a fold are its
    name. An empty corner of a table is the head of nothing.
    """
    if doctree is not None:
        body = context["body"].replace(' aria-label="Toggle hidden content"', "")
        body = body.replace('<th class="head"><p></p></th>', "<td></td>")
        if page.startswith("notebooks/"):
            body = body.replace("<figcaption>", '<figcaption aria-hidden="true">')
        context["body"] = body


THEME = {
    # The theme's label leaves out what is written on the button.
    ' aria-label="Search" data-bs-placement': " data-bs-placement",
    '<div id="pst-primary-sidebar"': '<div id="pst-primary-sidebar" role="region" aria-label="All"',
}
"""What the theme's own templates write, and what is better."""


def mend_theme(folder: Path) -> None:
    """Change what the theme writes around each page."""
    for file in folder.rglob("*.html"):
        text = file.read_text(encoding="utf-8")
        for old, new in THEME.items():
            text = text.replace(old, new)
        file.write_text(text, encoding="utf-8", newline="\n")


def end(app: Sphinx, error: Exception | None) -> None:
    """Stop what renders the formulas, put KaTeX's fonts beside the pages, and mend these."""
    for process in _running.values():
        process.stdin.close()
        process.wait()
    _running.clear()
    static = Path(app.outdir) / "_static"
    (static / "fonts").mkdir(exist_ok=True)
    shutil.copy(KATEX / "katex.min.css", static)
    for font in (KATEX / "fonts").glob("*.woff2"):  # every browser of today takes these
        shutil.copy(font, static / "fonts")
    mend_theme(Path(app.outdir))


def setup(app: Sphinx) -> dict[str, Any]:
    """Tell Sphinx."""
    app.add_html_math_renderer("katex", (visit_math, None), (visit_math_block, None))
    app.connect("html-page-context", for_screen_readers)
    app.connect("build-finished", end)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
