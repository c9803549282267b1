"""Short texts, questions at the end, a picture at the head, and a gallery that leads on."""

import re
from copy import deepcopy

import pytest
from nbformat.v4 import new_markdown_cell

from tests.small_notebooks import small_notebook
from tools import lint
from tools.lint import asked, words
from tools.notebooks import NOTEBOOKS, course_notebooks, read

SHORT = "<details><summary>Why {}?</summary>\n\nBecause.\n\n</details>"


def problems(*sections):
    notebook = small_notebook("1")
    notebook.cells += [new_markdown_cell(section) for section in sections]
    return [what for _, what in [*lint._short_texts(notebook), *lint._questions(notebook)]]


def several(count):
    return "\n\n".join(SHORT.format(number) for number in range(count))


def test_words_by_hand():
    text = (
        "# A title\n\n[Contents](00_start_here.ipynb) · [Glossary](../docs/glossary.md) · [02 →](x)"
        "\n\nOne **two**, [three](a_b.ipynb) – four: $x + y$ | 7.\n\n![not this](p.png) <b>five</b>"
        "\n\n```\nnor this\n```\n\n## References\n\n- A. Bee (2000). Title.\n  [doi](https://x.y).\n"
        "- no address: six words are here"
    )
    # A title | One two three four | x y 7 | five | References | no address six words are here
    assert words(text) == 2 + 4 + 3 + 1 + 1 + 6


@pytest.mark.parametrize(("count", "complaint"), [(150, None), (151, "151 words, over the limit")])
def test_a_text_may_have_150_words(count, complaint):
    found = problems("word " * count, "## Ask yourself\n\n" + several(3))
    assert [complaint in what for what in found] == ([True] if complaint else [])


@pytest.mark.parametrize(
    ("sections", "complaint"),
    [
        (["text"], "no section `## Ask yourself`"),
        (["## Ask yourself\n\n" + several(2)], "2 questions"),
        (["## Ask yourself\n\n" + several(7)], "7 questions"),
        (["## Ask yourself\n\n" + several(1), "## References\n\n" + several(3)], "1 questions"),
        (["## Ask yourself\n\n" + several(3) + "\n\n<details>open"], "not of the form"),
        (["## Ask yourself\n\n" + several(3).replace("\n\nBecause.", "", 1)], "not of the form"),
        (["## Ask yourself\n\n" + several(3).replace("y 0?</s", "y 0</s")], "not of the form"),
    ],
)
def test_what_breaks_the_rule_of_questions_is_named(sections, complaint):
    (found,) = problems(*sections)
    assert complaint in found


@pytest.mark.parametrize(
    "sections",
    [
        ["## Ask yourself\n\n" + several(3)],
        ["## Ask yourself\n\n" + several(2), several(2), "## References\n\nx"],
    ],
)
def test_three_to_six_questions_in_one_cell_or_two_are_right(sections):
    assert problems(*sections) == []


def test_the_rules_hold_for_the_notebooks_of_the_course(monkeypatch):
    monkeypatch.setattr(lint, "MAX_WORDS", 10)
    monkeypatch.setattr(lint, "QUESTIONS", range(50, 60))
    found = "\n".join(lint.lint(course_notebooks()[0]))
    assert "over the limit of 10: split it" in found
    assert "under *Ask yourself*" in found


def test_the_gallery_leads_to_every_notebook_by_a_picture_drawings_and_paintings_first():
    texts = [cell.source for cell in read(course_notebooks()[0]).cells[:2]]
    pattern = r"\[!\[[^\]]{15,}\]\(([^)]+)\)\]\(([^)]+)\)"
    found = re.findall(pattern, "\n".join(texts))
    names = [target for _, target in found]
    assert sorted(names) == sorted(path.name for path in course_notebooks()[1:])
    assert names[:2] == ["10_painting_agent.ipynb", "14_art.ipynb"]
    for picture, target in found:
        assert (NOTEBOOKS / picture).is_file()
        assert target.removesuffix(".ipynb") in picture or "docs/" in picture


@pytest.mark.parametrize("number", ["07", "08", "11", "13", "14", "16", "A"])
def test_a_notebook_opens_with_its_picture(number):
    (path,) = NOTEBOOKS.glob(f"{number}_*.ipynb")
    first = read(path).cells[0].source
    (alt,) = re.findall(rf"!\[([^\]]+)\]\(gallery/{path.stem}\.png\)", first)
    assert len(alt.split()) >= 10


def test_asked_ends_at_the_next_section():
    notebook = small_notebook("1")
    notebook.cells += [new_markdown_cell(f"## Ask yourself\n\n{several(1)}\n\n## More\n\nx")]
    assert asked(deepcopy(notebook)) == several(1)
