"""Whether everything is there that the course needs, in words for whoever has to mend it."""

import importlib.metadata
import sys

import torch
from packaging.version import Version

from dqngan_lib.course.data import CHECKSUMS, load_arrays
from dqngan_lib.course.hardware import cores, memory_gb
from dqngan_lib.course.runtime import pick_device

OLDEST_PYTHON = (3, 11)
OLDEST = {
    "gymnasium": "1.1",
    "ipython": "7.34",
    "ipywidgets": "7.7",
    "matplotlib": "3.9",
    "numpy": "2.0",
    "pillow": "10",
    "torch": "2.10",
    "torchvision": "0.25",
    "tqdm": "4.66",
}
"""The oldest version of each package that will do; a test compares it with `pyproject.toml`."""


def _package_problem(name: str, oldest: str) -> str | None:
    """Return what is wrong with one package, or None."""
    try:
        found = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return f"{name} is not installed; the course needs {oldest} or newer"
    # `release` is the numbers alone: 2.10.0a0 of a vendor is taken for 2.10.
    if Version(found).release < Version(oldest).release:
        return f"{name} {found} is too old; the course needs {oldest} or newer"
    return None


def installation_problems() -> list[str]:
    """Return one sentence for each thing that is missing, too old or damaged."""
    problems = []
    if sys.version_info[:2] < OLDEST_PYTHON:
        needed = ".".join(map(str, OLDEST_PYTHON))
        problems.append(f"Python {sys.version.split()[0]} is too old; the course needs {needed}")
    problems += [p for name, oldest in OLDEST.items() if (p := _package_problem(name, oldest))]
    for name in CHECKSUMS:
        try:
            load_arrays(name)
        except (OSError, ValueError) as error:
            problems.append(str(error))
    return problems


def check_installation() -> None:
    """Print a line that begins with ✓ for what is right, and one with ✗ for each problem."""
    problems = installation_problems()
    for problem in problems:
        print("✗", problem)
    if not problems:
        print("✓ Python and", len(OLDEST), "packages are new enough")
        print("✓ the", len(CHECKSUMS), "data files are whole")


def describe_machine() -> dict[str, str]:
    """Return what a bug report should start with: versions, device, threads."""
    device = pick_device()
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    return {
        "Python": sys.version.split()[0],
        **{name: importlib.metadata.version(name) for name in OLDEST},
        "device": name,
        "CPU threads torch uses": str(torch.get_num_threads()),
    }


def machine() -> str:
    """Return what to write beside a measured time: cores, memory and, where there is one, the GPU.

    For instance `2 cores, 24 GB` or `16 cores, 128 GB, NVIDIA H100 80GB HBM3`.
    """
    parts = [f"{cores()} cores"]
    if (memory := memory_gb()) is not None:
        parts.append(f"{memory} GB")
    if torch.cuda.is_available():
        parts.append(torch.cuda.get_device_name())
    return ", ".join(parts)
