"""The course as a PDF: Sphinx's one long page, printed by a browser."""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from tools.notebooks import NotebookError, course_notebooks, write_whole

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--no-pdf-header-footer"),
    *("--allow-file-access-from-files", "--generate-pdf-document-outline"),
)
ROOT_PAGE = "all"
AFTER = ("docs/glossary", "docs/symptoms", "docs/measured")
"""The pages that come after the notebooks, where they are."""
PATIENCE = 600
"""Seconds that the browser may take; it needs a tenth of that."""


def make(source: Path, target: Path, sphinx: Callable[[Path], None]) -> None:
    """Print the notebooks, and the pages in which a reader looks things up.

    Args:
        source: What Sphinx reads.
        target: The file to write.
        sphinx: Writes the long page into a folder.

    Raises:
        NotebookError: There is no browser, or it failed.
    """
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise NotebookError(f"the PDF needs one of these browsers: {', '.join(BROWSERS)}")
    names = [f"notebooks/{path.stem}" for path in course_notebooks()]
    names += [name for name in AFTER if (source / f"{name}.md").is_file()]
    contents = "\n".join(names)
    text = f"# DQN-GAN, a hands-on course\n\n```{{toctree}}\n:maxdepth: 1\n\n{contents}\n```\n"
    write_whole(source / f"{ROOT_PAGE}.md", text)
    with tempfile.TemporaryDirectory() as folder:
        single = Path(folder) / "single"
        sphinx(single)
        page = single / f"{ROOT_PAGE}.html"
        write_whole(page, without_dead_links(page.read_text(encoding="utf-8")))
        target.parent.mkdir(parents=True, exist_ok=True)
        command = [browser, *FLAGS, f"--user-data-dir={folder}/browser", f"--print-to-pdf={target}"]
        try:
            result = subprocess.run(
                [*command, page.as_uri()], capture_output=True, encoding="utf-8", timeout=PATIENCE
            )
        except subprocess.TimeoutExpired:
            raise NotebookError(f"{browser} did not print the course in {PATIENCE} s") from None
    if result.returncode or not target.is_file():
        raise NotebookError(f"{browser} could not print the course: {result.stderr[-500:]}")


def without_dead_links(page: str) -> str:
    """Return a long page whose links to pages that are not in it are plain text."""
    there = set(re.findall(r'\bid="([^"]+)"', page))

    def checked(link: re.Match[str]) -> str:
        return link[0] if link[1] in there else ""

    return re.sub(r' href="#([^"]+)"', checked, page)
