"""What is declared, pinned, installed and explained in docs/dependencies.md must agree."""

import re
import tomllib
from importlib.metadata import PackageNotFoundError, requires, version

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tools.lock import split
from tools.notebooks import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def declared() -> list[Requirement]:
    """Every requirement in pyproject.toml of the package, its build, its lab and its tests."""
    extras = [PROJECT["project"]["optional-dependencies"][name] for name in ("lab", "test")]
    lines = [*PROJECT["project"]["dependencies"], *PROJECT["build-system"]["requires"]]
    return [Requirement(line) for line in [*lines, *(line for extra in extras for line in extra)]]


FILES = ("requirements.txt", "requirements-cuda.txt")


def pinned(files: tuple[str, ...] = FILES) -> list[Requirement]:
    """Every line that is neither a comment nor the name of the other file."""
    texts = [(ROOT / name).read_text(encoding="utf-8") for name in files]
    lines = [line.strip() for text in texts for line in text.splitlines()]
    return [Requirement(line) for line in lines if line and not line.startswith(("#", "-c "))]


def pins() -> dict[str, list[Version]]:
    """The pinned versions of each package; there are several where they depend on the Python."""
    found: dict[str, list[Version]] = {}
    for requirement in pinned():
        (specifier,) = requirement.specifier
        found.setdefault(canonicalize_name(requirement.name), []).append(Version(specifier.version))
    return found


def test_every_line_of_requirements_is_an_exact_pin():
    for requirement in pinned():
        assert [s.operator for s in requirement.specifier] == ["=="], str(requirement)
        assert "*" not in str(requirement.specifier), str(requirement)
        assert requirement.url is None, str(requirement)


@pytest.mark.parametrize("requirement", declared(), ids=str)
def test_what_is_declared_is_pinned_within_its_range(requirement):
    versions = pins().get(canonicalize_name(requirement.name))
    assert versions, f"{requirement.name} is not in requirements.txt; see its first lines"
    assert all(requirement.specifier.contains(v, prereleases=True) for v in versions)


@pytest.mark.parametrize("extra", ["peers", "many"])
def test_what_no_learner_needs_is_not_pinned_but_belongs_to_an_extra(extra):
    extras = PROJECT["project"]["optional-dependencies"]
    assert set(extras) == {"lab", "test", "peers", "many"}
    assert not {canonicalize_name(Requirement(line).name) for line in extras[extra]} & set(pins())


def test_requirements_name_no_server_or_folder():
    text = "".join((ROOT / name).read_text(encoding="utf-8") for name in FILES)
    assert not re.search(r"https?://|file:|--(extra-)?index|--find-links| /\w", text)


def test_only_what_cuda_adds_is_in_the_second_file():
    """Torch without CUDA must not bring it back, and torch with CUDA must find each pin."""
    common, cuda = (pinned((name,)) for name in FILES)
    assert not [r.name for r in common if r.name.startswith(("nvidia", "cuda", "triton"))]
    needed = {
        Requirement(line).name for line in requires("torch") or [] if "platform_system" in line
    }
    assert needed <= {r.name for r in cuda} or Version(version("torch")).local == "cpu"
    assert (ROOT / FILES[0]).read_text(encoding="utf-8").splitlines()[1] == f"-c {FILES[1]}"


def test_pins_are_split_with_their_comments():
    pins = "cuda-x==1 ; m\n    # via torch\nnumpy==2\n    # via\n    #   a\ntriton==3\ntqdm==4\n"
    common = "numpy==2\n    # via\n    #   a\ntqdm==4\n"
    assert split(pins) == (common, "cuda-x==1 ; m\n    # via torch\ntriton==3\n")


def test_what_is_installed_is_what_is_pinned():
    wrong = []
    # With CUDA or without: the same versions, but for what CUDA adds.
    for requirement in pinned(FILES[:1] if Version(version("torch")).local == "cpu" else FILES):
        if requirement.marker and not requirement.marker.evaluate():
            continue
        try:
            installed = version(requirement.name)
        except PackageNotFoundError:
            installed = "missing"
        if installed == "missing" or not requirement.specifier.contains(installed, True):
            wrong.append(f"{requirement} (installed: {installed})")
    assert not wrong, "python3 course.py would mend it"


def test_a_page_says_why_each_dependency_is_there():
    text = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    named = re.findall(r"^\| `([\w-]+)` \| \S+", text, re.MULTILINE)
    assert sorted(named) == sorted({requirement.name for requirement in declared()})
