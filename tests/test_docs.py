"""The pages: links lead somewhere, README.md is a door, and lists are complete."""

import re
import tomllib
from pathlib import Path

import pytest

import course
import dqngan_lib
from tools import teaching
from tools.formulas import faults
from tools.notebooks import NOTEBOOKS, ROOT

README = ROOT / "README.md"
PAGES = sorted(
    p for folder in ("", "docs", "data", "dqngan_lib") for p in (ROOT / folder).glob("*.md")
)
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")
MOST_WORDS = 1300
MOST_BYTES = 3_000_000
"""GitHub plays larger pictures too, but not on a slow connection."""


def text(path: Path) -> str:
    """Return a page without its blocks of code."""
    return re.sub(
        r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE
    )


def anchors(words: str) -> set[str]:
    """Return the addresses that GitHub gives to headings: lower case, no signs, "-" for spaces."""
    found: list[str] = []
    for title in re.findall(r"^#+ (.+)$", words, re.MULTILINE):
        plain = LINK.sub(r"\2", title).strip().lower()
        slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        again = sum(
            re.fullmatch(rf"{re.escape(slug)}(-\d+)?", other) is not None for other in found
        )
        found.append(f"{slug}-{again}" if again else slug)
    return set(found)


def leads_somewhere(page: Path, target: str) -> bool:
    """Say whether a link's file is there, and its heading; addresses elsewhere are not asked."""
    if re.match(r"[a-z]+:", target):
        return True
    name, _, anchor = target.partition("#")
    file = page.parent / name if name else page
    if not file.exists():
        return False
    return not anchor or file.suffix != ".md" or anchor in anchors(text(file))


def lost(page: Path, words: str) -> list[str]:
    """Return the links in a text that lead nowhere; those in `code` are none."""
    targets = [target for _, _, target in LINK.findall(re.sub(r"`[^`\n]*`", "", words))]
    return [target for target in targets if not leads_somewhere(page, target)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_in_the_pages_lead_somewhere(page):
    assert lost(page, text(page)) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_github_shows_the_formulas_in_the_pages(page):
    assert list(faults(page.read_text(encoding="utf-8"), page=True)) == []


def test_links_by_hand(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# A *b*, c!\n\n## Two\n\n## Two\n\n```\n# not one\n```\n", encoding="utf-8")
    assert anchors(text(page)) == {"a-b-c", "two", "two-1"}
    links = "[a](#a-b-c) [b](page.md#two-1) [c](https://x.org/y#z) ![d](no.png) [e](page.md#three)"
    assert lost(page, links) == ["no.png", "page.md#three"]


def test_the_readme_is_a_door():
    assert len(README.read_text(encoding="utf-8").split()) <= MOST_WORDS


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_picture_has_words_and_is_small(page):
    for mark, words, target in LINK.findall(text(page)):
        if mark:
            assert len(words) > 20, f"{target} has no description"
            assert (page.parent / target).stat().st_size <= MOST_BYTES


def test_the_readme_moves():
    assert [target for mark, _, target in LINK.findall(text(README)) if mark] == [
        "docs/10_painting_agent.gif",
        "docs/00_start_here.png",
        "docs/14_art.webp",
    ]


def test_the_map_has_every_notebook():
    names = [name for _, _, name in LINK.findall(text(README)) if name.endswith(".ipynb")]
    assert names == [f"notebooks/{path.name}" for path in sorted(NOTEBOOKS.glob("*.ipynb"))]
    assert len(teaching.lessons()) == len(names), "each has its minutes: to read + to run"


def test_every_command_and_every_variable_is_explained():
    page = text(ROOT / "docs" / "commands.md")
    assert [name for name in course.COMMANDS if f"`python3 course.py {name}" not in page] == []
    sources = [
        *ROOT.glob("*.py"),
        *(ROOT / "tools").rglob("*.py"),
        *(ROOT / "dqngan_lib").rglob("*.py"),
    ]
    named = {
        name
        for file in sources
        for name in re.findall(r"COURSE_[A-Z_]+[A-Z]", file.read_text("utf-8"))
    }
    assert [
        name for name in sorted(named) if not re.search(rf"^\| `{name}\b", page, re.MULTILINE)
    ] == []


def test_the_edition_is_the_same_everywhere():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    (cited,) = re.findall(r'^version: "(.+)"$', citation, re.MULTILINE)
    newest = re.findall(r"^## (\d\S*)", text(ROOT / "CHANGELOG.md"), re.MULTILINE)[0]
    assert {cited, newest, dqngan_lib.__version__} == {project["version"]}
