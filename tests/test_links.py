"""Links between the notebooks, on texts written for it and on the course itself."""

import re
from copy import deepcopy

import pytest

from tests.small_notebooks import save, small_notebook
from tools import lint
from tools.links import exercises_in, linked, set_links, without_links
from tools.notebooks import find, read

NAMES = {
    "A": "A_primer.ipynb",
    "04": "04_gan.ipynb",
    "05": "05_image_gan.ipynb",
    "08": "08_theory.ipynb",
}
ANCHORS = {"08.2": "08_theory.ipynb#Exercise-08.2:-Soft", "01.1": "#Exercise-01.1:-Sum"}

TEXTS = {
    "see notebook 08.": "see [notebook 08](08_theory.ipynb).",
    "Notebooks 04, 05 and 08 do": "Notebooks [04](04_gan.ipynb), [05](05_image_gan.ipynb) and "
    "[08](08_theory.ipynb) do",
    "in notebook 08, 10 runs": "in [notebook 08](08_theory.ipynb), 10 runs",
    "notebook 77 is not there": "notebook 77 is not there",
    "see appendix A.": "see [appendix A](A_primer.ipynb).",
    "exercise 08.2": "[exercise 08.2](08_theory.ipynb#Exercise-08.2:-Soft)",
    "Exercise 01.1 here": "[Exercise 01.1](#Exercise-01.1:-Sum) here",
    "`notebook 08` and $notebook 04$": "`notebook 08` and $notebook 04$",
    "### Exercise 08.2: Soft": "### Exercise 08.2: Soft",
    "# A title\n\nnotebook 08": "# A title\n\n[notebook 08](08_theory.ipynb)",
    "[the notebook 08](x.md)": "[the notebook 08](x.md)",
    "arXiv 1406.2661. The": "[arXiv 1406.2661](https://arxiv.org/abs/1406.2661). The",
    "arXiv\n  1703.07608.": "[arXiv\n  1703.07608](https://arxiv.org/abs/1703.07608).",
    "doi 10.1007/BF00992698.": "[doi 10.1007/BF00992698](https://doi.org/10.1007/BF00992698).",
    "doi 10.1016/0047-259X(82)90077-X.": "[doi 10.1016/0047-259X(82)90077-X]"
    "(https://doi.org/10.1016/0047-259X%2882%2990077-X).",
}


@pytest.mark.parametrize("text", TEXTS)
def test_what_becomes_a_link(text):
    once = linked(text, NAMES, ANCHORS)
    assert once == TEXTS[text]
    assert linked(once, NAMES, ANCHORS) == once, "the second time changes nothing"


def test_a_link_follows_a_notebook_that_was_renamed():
    old = linked("notebook 08", NAMES, ANCHORS)
    assert linked(old, {"08": "08_new.ipynb"}, {}) == "[notebook 08](08_new.ipynb)"
    assert linked(old, {}, {}) == "notebook 08"


def test_where_other_notebooks_are_not_at_hand_words_remain():
    text = (
        "# T\n\n[← 03 · A](03_a.ipynb) · [Contents](00_s.ipynb)\n\nSee [notebook 08](08_t.ipynb)."
    )
    text += " And [exercise 04.1](#Exercise-04.1:-X)."
    assert without_links(text) == "# T\n\nSee notebook 08. And [exercise 04.1](#Exercise-04.1:-X)."


def small_course(folder) -> dict:
    made = {}
    for number in ("01", "02", "03"):
        notebook = small_notebook("pass")
        notebook.cells[0].source = f"# {number} · Title {number}\n\nText."
        notebook.cells.append(deepcopy(notebook.cells[0]))
        notebook.cells[-1].update(id="end", source="The end.")
        path = save(folder, notebook, f"{number}_x.ipynb")
        made[path] = read(path)
    return made


def test_the_way_back_and_on_stands_at_both_ends(tmp_path):
    course = small_course(tmp_path)
    path = tmp_path / "02_x.ipynb"
    for _ in range(2):
        set_links(path, course[path], course)
    line = "[← 01](01_x.ipynb) · [Contents](01_x.ipynb) · "
    line += "[Glossary](../docs/glossary.md) · [03 →](03_x.ipynb)"
    assert course[path].cells[0].source == f"# 02 · Title 02\n\n{line}\n\nText."
    assert course[path].cells[-1].source == f"The end.\n\n{line}"
    badge = "[![Open in Colab](https://x/badge.svg)](https://x)"
    course[path].cells[0].source = f"# 02 · Title 02\n\n{badge}\n\nText."
    for _ in range(2):
        set_links(path, course[path], course)
    assert course[path].cells[0].source == f"# 02 · Title 02\n\n{badge}\n\n{line}\n\nText."
    first = tmp_path / "01_x.ipynb"
    set_links(first, course[first], course)
    assert (
        "Contents · [Glossary](../docs/glossary.md) · [02 →](02_x.ipynb)"
        in course[first].cells[0].source
    )


def test_the_lint_sees_a_link_that_is_missing(tmp_path, monkeypatch):
    course = small_course(tmp_path)
    monkeypatch.setattr(lint, "NOTEBOOKS", tmp_path)
    monkeypatch.setattr(lint, "find", lambda: list(course))
    path = tmp_path / "02_x.ipynb"
    assert [index for index, _ in lint._links_set(path, course[path])] == [0, 2]
    set_links(path, course[path], course)
    assert not list(lint._links_set(path, course[path]))


def test_a_reference_without_an_address_is_named():
    notebook = small_notebook()
    notebook.cells[
        0
    ].source = "## References\n\n- A (1990). *Book*.\n  More.\n- B (2000). [arXiv\n  1](https://x)."
    assert [what for _, what in lint._references_lead(notebook)] == [
        "a reference has no address: - A (1990). *Book*."
    ]


@pytest.mark.parametrize("path", find(), ids=lambda path: path.stem[:2])
def test_every_link_to_an_exercise_leads_to_its_heading(path):
    text = "\n".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")
    for name, anchor in re.findall(r"\]\((\w+\.ipynb)?(#Exercise[^)\s]*)\)", text):
        other = path.parent / name if name else path
        assert anchor in exercises_in(read(other)).values()


@pytest.mark.parametrize("path", find(), ids=lambda path: path.stem)
def test_what_leads_to_an_exercise_is_plain(path):
    """JupyterLab does not find a heading whose address a browser would write in another way."""
    for anchor in exercises_in(read(path)).values():
        assert re.fullmatch(r"#[A-Za-z0-9.:?!,'()-]+", anchor), anchor
