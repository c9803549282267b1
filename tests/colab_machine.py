"""A machine that passes for Colab, as far as that goes without Google.

It is a fresh environment with the versions that Colab installs beforehand, where they are small and
install on this Python, and a module `google.colab` whose upload gives what the test says. These
differ from the real one: torch, torchvision, scipy, scikit-learn, tqdm and Pillow are those of
`requirements.txt` (Colab: torch 2.11; installing it afresh would take 5 GB and minutes), and so is
Python; there is no GPU, no Colab front end and no Google Drive.
"""

import functools
import hashlib
import os
import subprocess
import sys
import sysconfig
import textwrap
from pathlib import Path

import pytest
from filelock import FileLock

from tools.notebooks import ROOT

VERSIONS = {
    "numpy": "2.1",
    "ipywidgets": "7.7",
    "ipython": "7.34",
    "ipykernel": "6.17",
    "matplotlib": "3.10",
    "gymnasium": "1.3",
}
"""What Colab has, and the tests take from a package index."""
NEEDED = (
    *("backcall", "decorator", "ipython-genutils", "jedi", "jupyterlab-widgets", "parso"),
    *("pickleshare", "matplotlib-inline<0.2", "widgetsnbextension==3.6.*"),
)
"""What these need and newer versions of them do not."""

GOOGLE_COLAB = '''
"""Stands for Colab's own module: an upload gives the file named in the environment."""
import os
import shutil
from pathlib import Path


def upload():
    print("upload was asked for")
    chosen = os.environ.get("CHOSEN_FILE")
    if not chosen:
        return {}  # the user has pressed Cancel
    shutil.copy(chosen, Path(chosen).name)  # Colab leaves it in the working folder
    return {Path(chosen).name: Path(chosen).read_bytes()}
'''


@functools.cache
def packages() -> Path:
    """Install Colab's versions in a folder under `.cache`, once; skip the test where that fails."""
    wanted = [*(f"{name}=={version}.*" for name, version in VERSIONS.items()), *NEEDED]
    mark = hashlib.sha256(repr((wanted, sys.version_info[:2])).encode()).hexdigest()[:12]
    folder = ROOT / ".cache" / f"colab-{mark}"
    folder.parent.mkdir(exist_ok=True)
    with FileLock(f"{folder}.lock"):  # another worker of pytest may be doing the same
        if not folder.is_dir():
            part = folder.with_name(f"{folder.name}.{os.getpid()}.part")
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            command = [*pip, "--no-deps", "--target", str(part), *wanted]
            result = subprocess.run(command, capture_output=True, text=True)
            if result.returncode != 0:
                pytest.skip(f"Colab's versions cannot be installed: {result.stderr.strip()[-300:]}")
            part.rename(folder)
    return folder


def make_machine(folder: Path, *, colab: bool = True) -> Path:
    """Make an environment in a folder and return its Python. The course is not installed in it."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    stub = folder / "stub"
    (stub / "google" / "colab").mkdir(parents=True)
    (stub / "google" / "colab" / "__init__.py").touch()
    (stub / "google" / "colab" / "files.py").write_text(GOOGLE_COLAB)
    site = folder / os.path.relpath(sysconfig.get_path("purelib"), sys.prefix)
    # A path in a .pth file makes its modules importable, and leaves the .pth files there unread:
    # so the course's own package, which is installed by one of these, is not found.
    lines = [packages(), stub, sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    start = "import google.colab" if colab else ""  # it is there before a notebook starts
    (site / "colab.pth").write_text("\n".join([*map(str, lines), start]) + "\n")
    return folder / os.path.relpath(sys.executable, sys.prefix)


def run(python: Path, code: str, folder: Path, **variables: str) -> subprocess.CompletedProcess:
    """Run code on that machine, in a folder, with nothing of this machine's course in sight."""
    dropped = {"PYTHONPATH", "VIRTUAL_ENV", *(k for k in os.environ if k.startswith("COURSE_"))}
    environment = {k: v for k, v in os.environ.items() if k not in dropped}
    environment |= {"OMP_NUM_THREADS": "1", "MPLBACKEND": "agg"} | variables
    return subprocess.run(
        [str(python), "-c", textwrap.dedent(code)],
        cwd=folder,
        env=environment,
        capture_output=True,
        encoding="utf-8",
    )
