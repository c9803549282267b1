"""Where Sphinx is: `.venv-site` beside `.venv`, made for the first web edition.

No learner needs it, so it stays out of the course's own environment. Like that one it is made
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
REQUIREMENTS = HERE / "requirements.txt"


def ensure() -> None:
    """Make or mend the environment so that it holds what `REQUIREMENTS` says; or return.

    Raises:
        SystemExit: The installation failed; the message says what to do.
    """
    wanted = {"folder": str(ROOT), "python": list(sys.version_info[:2]), "asked": digest()}
    if read_stamp() == wanted:
        return
    print("The web edition needs Sphinx: installing it in .venv-site (250 MB).")
    shutil.rmtree(VENV, ignore_errors=True)
    run([sys.executable, "-m", "venv", str(VENV)])
    pip = [str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    run([*pip, "--quiet", "-r", str(REQUIREMENTS)])
    STAMP.write_text(json.dumps(wanted) + "\n", encoding="utf-8")


def digest() -> str:
    """Return a hash of what is to be installed."""
    content = REQUIREMENTS.read_bytes().replace(b"\r\n", b"\n")
    return hashlib.sha256(content).hexdigest()


def read_stamp() -> dict | None:
    """Return what was installed, where, by which Python; None where nothing was to its end."""
    try:
        return json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
