"""`course.py site`: the course as web pages, from the notebooks as they are stored; nothing is run.

Every page is ready when it comes and fetches nothing from elsewhere, so the edition can be read
from any web server: `python3 -m http.server --directory build/site/html` is one.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from tools import players
from tools.colab import bundle, pack
from tools.notebooks import ROOT, NotebookError, course_notebooks, write, write_whole
from tools.site import environment, front, pages, pdf
from tools.start import start

SITE = ROOT / "build" / "site"
SPHINX = Path(__file__).resolve().parent / "sphinx"
MADE = {".git", ".venv", ".venv-site", "build", "__pycache__", ".cache", ".pytest_cache"}
"""Folders that are made by working, and are no part of the course."""
REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")


def main(arguments: list[str] | None = None) -> int:
    """Build the web edition; return 0 when that could be done without a warning."""
    parser = argparse.ArgumentParser(prog="course.py site", description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, help="another folder than build/site/html")
    parser.add_argument("--pdf", action="store_true", help="print the course as a PDF, too")
    parser.add_argument("--repository", metavar="OWNER/REPO", help="of the fork on GitHub")
    parser.add_argument("--from", dest="here", type=Path, default=Path(), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.repository and not REPOSITORY.fullmatch(options.repository):
        parser.error(f"--repository takes OWNER/REPO, not {options.repository!r}")
    out = options.here / options.out if options.out else SITE / "html"
    started = time.perf_counter()
    try:
        players.packages()  # before what takes longer: npm may be missing
        environment.ensure()
        build(out, with_pdf=options.pdf, repository=options.repository)
    except (NotebookError, RuntimeError) as error:
        print(f"\nsite: {error}", file=sys.stderr)
        return 1
    size = sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
    seconds = time.perf_counter() - started
    print(f"{os.path.relpath(out, options.here)}  {size / 1e6:.0f} MB in {seconds:.0f} s")
    return 0


def build(out: Path, *, with_pdf: bool = False, repository: str | None = None) -> None:
    """Build the web edition into a folder, which is emptied first.

    Args:
        out: The folder.
        with_pdf: Whether to print the course as well; that needs a browser.
        repository: The fork on GitHub, "owner/name", to which the pages then lead.

    Raises:
        NotebookError: Sphinx warned of something, or the course could not be printed.
        RuntimeError: npm did not bring what the pages need.
    """
    source = SITE / "source"
    pages.stage(source)
    write_whole(source / "index.md", front.page(pdf=with_pdf))
    shutil.rmtree(out, ignore_errors=True)
    sphinx("html", source, out, {"SITE_REPOSITORY": repository or ""})
    (out / ".nojekyll").touch()  # GitHub would leave out the folders that begin with "_"
    players.build(out / "play")
    files = out / "files"
    for path in course_notebooks():
        write(files / "colab" / path.name, bundle(path))
        (files / "plain").mkdir(exist_ok=True)
        shutil.copy(path, files / "plain" / path.name)
    (files / "dqngan-course.zip").write_bytes(pack(tracked()))
    if with_pdf:
        settings = {"SITE_ROOT": pdf.ROOT_PAGE}
        printed = files / "dqngan-course.pdf"
        pdf.make(source, printed, lambda single: sphinx("singlehtml", source, single, settings))


def sphinx(kind: str, source: Path, out: Path, settings: dict[str, str]) -> None:
    """Run Sphinx, for which a warning is an error.

    Args:
        kind: "html", or "singlehtml".
        source: What it reads.
        out: Where it writes.
        settings: Variables that its configuration reads.

    Raises:
        NotebookError: It warned of something, or failed; it has said of what.
    """
    command = [str(environment.PYTHON), "-m", "sphinx", "-b", kind, "-c", str(SPHINX), "-W"]
    command += ["--keep-going", "--quiet", "-j", "auto" if kind == "html" else "1"]
    command += ["-d", str(out.with_name(f".{out.name}.doctrees")), str(source), str(out)]
    modules = {"SITE_MODULES": str(players.packages())}
    status = subprocess.run(command, cwd=ROOT, env=os.environ | modules | settings).returncode
    shutil.rmtree(out.with_name(f".{out.name}.doctrees"), ignore_errors=True)
    if status:
        raise NotebookError("Sphinx warned of what stands above")


def tracked() -> list[Path]:
    """Return the files of the course: those that git has, or all where the folder is no clone."""
    git = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, encoding="utf-8")
    found = [ROOT / name for name in git.stdout.split("\0")[:-1]]
    if git.returncode != 0:
        found = [p for p in ROOT.rglob("*") if not MADE & set(p.relative_to(ROOT).parts)]
    return sorted(path for path in found if path.is_file())


if __name__ == "__main__":
    start(main)
