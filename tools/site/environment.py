"""Where Sphinx and KaTeX are: `.venv-site` beside `.venv`, made for the first web edition.

No learner needs them, so they stay out of the course's own environment. Like that one it is made
again where it has moved, or where another Python or another requirement is asked for.
"""

import hashlib
import json
import os
import shutil
import sys
from pathlib import Path

from course import run
from tools.notebooks import ROOT

HERE = Path(__file__).resolve().parent
VENV = ROOT / ".venv-site"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STAMP = VENV / "course-stamp.json"
MODULES = VENV / "node_modules"
"""What npm has installed."""
ASKED = ("requirements.txt", "package.json", "package-lock.json", ".npmrc")
"""The files beside this one that say what to install."""


def ensure() -> None:
    """Make or mend the environment so that it holds what the files beside this one say; or return.

    Raises:
        SystemExit: npm is missing, or an installation failed; the message says what to do.
    """
    wanted = {"folder": str(ROOT), "python": list(sys.version_info[:2]), "asked": digest()}
    if read_stamp() == wanted:
        return
    npm = shutil.which("npm")
    if npm is None:
        raise SystemExit(
            "The web edition takes its mathematics from npm, which is not installed here.\n"
            "It comes with Node.js, 20 or newer: on Debian or Ubuntu `sudo apt install npm`."
        )
    print("The web edition needs Sphinx and KaTeX: installing them in .venv-site (250 MB).")
    shutil.rmtree(VENV, ignore_errors=True)
    run([sys.executable, "-m", "venv", str(VENV)])
    pip = [str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    run([*pip, "--quiet", "-r", str(HERE / "requirements.txt")])
    for name in ASKED[1:]:
        shutil.copy(HERE / name, VENV / name)
    run([npm, "ci", "--prefix", str(VENV), "--silent", "--no-fund", "--no-audit"])
    STAMP.write_text(json.dumps(wanted) + "\n", encoding="utf-8")


def digest() -> str:
    """Return a hash of the files that say what to install."""
    content = b"\0".join((HERE / name).read_bytes().replace(b"\r\n", b"\n") for name in ASKED)
    return hashlib.sha256(content).hexdigest()


def read_stamp() -> dict | None:
    """Return what was installed, where, by which Python; None where nothing was to its end."""
    try:
        return json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
