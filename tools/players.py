"""The two players of the web edition: ask a DQN for a digit, let a DQN paint a photograph.

    python -m tools.players            # writes web/dist/, which `course.py site` takes as play/
    python -m tools.players --export   # makes web/models/ and web/samples/ anew

A page asks its network by onnxruntime-web, and all files lie beside the page. web/package-lock.json
pins that, and what else the web edition takes from npm. The networks lie in web/models/ as ONNX,
made from the weights in `dqngan_lib/weights/`. To make them needs torch, onnx and onnxscript, to
build the pages does not.
"""

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

from filelock import FileLock
from PIL import Image

from tools.notebooks import ROOT

WEB = ROOT / "web"
"""The sources of the pages."""

DIST = WEB / "dist"
"""What a site needs of them; git does not know it."""

MODELS = WEB / "models"
"""The networks, and `models.json`: what each was made from, and its checksum."""

RUNTIME = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")
"""Of onnxruntime-web: the part for one processor core without graphics, and its machine code."""

TWINS = {
    "10_painting_agent.gif": "digit_twin.gif",
    "14_art.webp": "photo_twin.webp",
    "14_art.jpg": "photo_twin.jpg",
}
"""Films and pictures of docs/ that a page shows where no script runs, and their names there."""


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def check_models() -> None:
    """Raise an error unless each network in web/models/ is the one that models.json names."""
    for name, entry in json.loads((MODELS / "models.json").read_text("utf-8")).items():
        if sha256(MODELS / name) != entry["sha256"]:
            raise ValueError(f"web/models/{name} is damaged: python -m tools.players --export")


def packages() -> Path:
    """Return web/node_modules, installed with npm as web/package-lock.json says.

    Raises:
        RuntimeError: npm is not there, or it fails.
    """
    folder, wanted = WEB / "node_modules", WEB / "package-lock.json"
    mark = folder / ".installed"
    npm = shutil.which("npm")
    with FileLock(WEB / ".lock"):  # tests run side by side
        if mark.is_file() and mark.read_text("utf-8") == sha256(wanted):
            return folder
        if npm is None:
            raise RuntimeError(
                "the web edition and its players need npm: install Node.js, 20 or newer, which "
                "brings it; on Debian or Ubuntu `sudo apt install npm`"
            )
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(command, cwd=WEB, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"npm ci failed in web/: {done.stderr.strip()[-500:]}")
        mark.write_text(sha256(wanted), "utf-8")
    return folder


def build(dist: Path = DIST) -> Path:
    """Write the pages with all that they need into a folder, which is made anew.

    Returns:
        The folder: `digit.html` and `photo.html` are the pages.

    Raises:
        RuntimeError: npm is not there, or it fails.
        ValueError: A network is damaged.
    """
    check_models()
    runtime = packages() / "onnxruntime-web"
    shutil.rmtree(dist, ignore_errors=True)
    dist.mkdir(parents=True)
    for path in sorted(WEB.iterdir()):
        if path.suffix in (".html", ".css", ".js"):
            shutil.copyfile(path, dist / path.name)
    for folder, suffix in (("models", ".onnx"), ("samples", ".png")):
        (dist / folder).mkdir()
        for path in sorted((WEB / folder).glob(f"*{suffix}")):
            shutil.copyfile(path, dist / folder / path.name)
    (dist / "ort").mkdir()
    for name in RUNTIME:
        shutil.copyfile(runtime / "dist" / name, dist / "ort" / name)
    shutil.copyfile(WEB / "onnxruntime_licence.txt", dist / "ort" / "LICENSE.txt")
    for name, copy in TWINS.items():
        shutil.copyfile(ROOT / "docs" / name, dist / copy)
    with Image.open(dist / "digit_twin.gif") as film:  # it begins with the finished drawings
        film.save(dist / "digit_twin.png")
    return dist


def main() -> None:
    """Build the pages, or make the networks and the sample pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--export", action="store_true", help="make models and samples anew")
    parser.add_argument("--to", type=Path, default=DIST, help="where the pages go")
    options = parser.parse_args()
    if options.export:
        from tools.export import export

        export(MODELS, WEB / "samples")
        return
    try:
        dist = build(options.to)
    except RuntimeError as error:
        sys.exit(str(error))
    size = sum(path.stat().st_size for path in dist.rglob("*") if path.is_file())
    print(f"{dist}: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
