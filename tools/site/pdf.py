"""The course as a PDF: Sphinx's single page, printed by the browser that is there."""

import shutil
import subprocess
import tempfile
from pathlib import Path

from tools.notebooks import NotebookError

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--no-pdf-header-footer"),
    *("--generate-pdf-document-outline", "--run-all-compositor-stages-before-draw"),
)


def make(source: Path, target: Path) -> None:
    """Print the notebooks and the glossary.

    Args:
        source: What Sphinx reads.
        target: The file to write.

    Raises:
        NotebookError: There is no browser, or it failed.
    """
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise NotebookError(f"the PDF needs a browser: {', '.join(BROWSERS)}")
