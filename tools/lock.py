"""Pin what the course and its web edition need: `python -m tools.lock`.

The first is in requirements.txt and requirements-cuda.txt, the second in tools/site/.

It asks uv (`pip install uv`) for one set of versions that suits every system and Python, then takes
out what only torch's CUDA build needs. The first file names the second as a list of constraints:
pip installs of that list what torch asks for, and the build without CUDA asks for nothing.
"""

import re
import subprocess

from tools.notebooks import ROOT
from tools.start import start

COMMAND = (
    "uv pip compile --universal --python-version 3.11"
    " --quiet --no-header --no-emit-index-url --no-emit-find-links"
)
COURSE = "pyproject.toml --extra lab --extra test"
SITE = ROOT / "tools" / "site"
ONLY_CUDA = re.compile(r"(nvidia-|cuda-|triton==)")
HEAD = "# Written by `python -m tools.lock`{what}.\n"


def split(pins: str) -> tuple[str, str]:
    """Return what every build needs, and what the CUDA build adds, each pin with its comments."""
    entries = re.findall(r"^\S.*\n(?: +#.*\n)*", pins, re.MULTILINE)
    common = [entry for entry in entries if not ONLY_CUDA.match(entry)]
    cuda = [entry for entry in entries if ONLY_CUDA.match(entry)]
    return "".join(common), "".join(cuda)


def main() -> int:
    """Write the files; what stands in them already is kept where the ranges allow it."""
    old = [
        (ROOT / name).read_text("utf-8") for name in ("requirements.txt", "requirements-cuda.txt")
    ]
    draft = ROOT / "build" / "lock.txt"
    draft.parent.mkdir(exist_ok=True)
    draft.write_text("".join(split("\n".join(old) + "\n")), encoding="utf-8")
    course = [*COMMAND.split(), *COURSE.split()]
    subprocess.run([*course, "-o", str(draft)], cwd=ROOT, check=True)
    site = [*COMMAND.split(), str(SITE / "requirements.in")]
    subprocess.run([*site, "-o", str(SITE / "requirements.txt")], cwd=SITE, check=True)
    common, cuda = split(draft.read_text(encoding="utf-8"))
    (ROOT / "requirements.txt").write_text(
        f"{HEAD.format(what='')}-c requirements-cuda.txt\n{common}", encoding="utf-8"
    )
    (ROOT / "requirements-cuda.txt").write_text(
        f"{HEAD.format(what=': what torch with CUDA adds')}{cuda}", encoding="utf-8"
    )
    return 0


if __name__ == "__main__":
    start(main)
