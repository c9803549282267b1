"""The notebooks keep the form, each rule names a notebook that breaks it, nbval compares."""

import base64
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from tests.small_notebooks import save, small_notebook
from tools import lint as lint_module
from tools.build import pictures
from tools.colab import first_cell
from tools.lint import lint
from tools.notebooks import NOTEBOOKS, clean, fold, read
from tools.test import nbval_options

PNG = base64.b64encode(b"not really a picture").decode()


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_notebook_keeps_the_form(path):
    assert lint(path) == []


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_pictures_shown_elsewhere_are_those_of_the_notebook(path):
    for place, picture in pictures(path, read(path)).items():
        assert place.read_bytes() == picture, f"build {path.name} again"


def text(words, stream="stdout"):
    return new_output("stream", name=stream, text=words)


def shown(**data):
    kinds = {"png": "image/png", "html": "text/html", "plain": "text/plain", "gif": "image/gif"}
    return new_output("display_data", {kinds[kind]: value for kind, value in data.items()})


def error():
    return new_output("error", ename="ValueError", evalue="no", traceback=["ValueError: no"])


def good():
    """A notebook that has one of everything and breaks no rule."""
    notebook = small_notebook(
        "print('hello')",
        "plots.show(figure, alt='A line.')",
        "def answer(x):\n    ...",
        "check('02.1', answer)\n# hint('02.1')",
        "1 / 0",
        "widgets.slider()",
        "if False:\n    print('never')",
        "%time x = 1",
        "# @title Draw the line\ndef draw_line(x):\n    ...\n\n\nplots.show(draw_line(x))",
        "draw_line(x)",
    )
    hello, figure, exercise, checked, raises, slider, *_, drawing, _ = notebook.cells[1:]
    hello.outputs = [text("hello\n")]
    figure.outputs = [shown(png=PNG), shown(plain="Figure: A line.")]
    exercise.metadata = {"tags": ["exercise"], "exercise": "02.1"}
    checked.outputs = [text("02.1 not attempted\n")]
    raises.metadata = {"tags": ["raises-exception"]}
    raises.outputs = [error()]
    slider.metadata = {"tags": ["nbval-ignore-output"]}
    fold(drawing)
    drawing.outputs = [shown(png=PNG), shown(plain="Figure: A line.")]
    for count, cell in enumerate(notebook.cells[1:], start=1):
        cell.execution_count = count
    notebook.cells.append(
        new_markdown_cell(
            "## More\n\n![A line.](x.png)\n\n```\n# [code](y)\n```\n\n[A line](x.png#a), [web](https://x.org)",
            id="more",
        )
    )
    return notebook


def lint_stored(folder, notebook):
    (folder / "x.png").touch()
    return lint(save(folder, notebook))


def test_a_good_notebook_has_no_problem(tmp_path):
    assert lint_stored(tmp_path, good()) == []


def cell(notebook, start):
    return next(cell for cell in notebook.cells if cell.source.startswith(start))


def begin(notebook, source):
    """Put a folded cell, and one that uses the package, in place of the first ones."""
    first, second = [cell for cell in notebook.cells if cell.cell_type == "code"][:2]
    first.update(source=source, outputs=[])
    fold(first)
    second.update(source="import dqngan_lib.plots", outputs=[])
    return first


def add(notebook, source, *outputs, tags=()):
    """Add a code cell that was run, with these outputs."""
    count = sum(cell.cell_type == "code" for cell in notebook.cells) + 1
    metadata = {"tags": list(tags)} if tags else {}
    notebook.cells.append(
        new_code_cell(
            source, id="new", outputs=list(outputs), execution_count=count, metadata=metadata
        )
    )


# What breaks a rule, and words of the complaint that must follow.
BROKEN = {
    "not run": (lambda n: cell(n, "print").update(execution_count=None), "count is None, not 1"),
    "run in another order": (lambda n: cell(n, "plots").update(execution_count=7), "is 7, not 2"),
    "print without output": (lambda n: cell(n, "print").update(outputs=[]), "there is no output"),
    "claim without output": (lambda n: add(n, "for i in x:\n    claim(i)"), "there is no output"),
    "value without output": (lambda n: add(n, "q_table[3]"), "there is no output"),
    "stored error": (lambda n: cell(n, "1 / 0").metadata.clear(), "it ended in ValueError"),
    "stderr": (lambda n: cell(n, "print").outputs.append(text("!", "stderr")), "text on stderr"),
    "other kernel": (lambda n: n.metadata.kernelspec.update(name="conda"), "not python3"),
    "language version": (
        lambda n: n.metadata.language_info.update(version="3.11.7"),
        "metadata is not what",
    ),
    "widget state": (lambda n: n.metadata.update(widgets={"state": {}}), "state of widgets"),
    "timestamps": (
        lambda n: cell(n, "print").metadata.update(execution={"a": 1}),
        "left over: execution",
    ),
    "figure without words": (lambda n: cell(n, "plots").outputs.pop(), "not followed by"),
    "figure with empty words": (
        lambda n: cell(n, "plots").outputs[1].data.update({"text/plain": "Figure: "}),
        "not followed by",
    ),
    "film without words": (
        lambda n: add(n, "film()", shown(html='<img src="data:x">')),
        "<img> has no alternative text",
    ),
    "film with empty words": (
        lambda n: add(n, "film()", shown(html='<img alt="" src="data:x">')),
        "<img> has no alternative text",
    ),
    "picture in text without words": (
        lambda n: cell(n, "## More").update(source="## More\n![](x.png)"),
        "has no alternative text",
    ),
    "broken picture": (
        lambda n: cell(n, "## More").update(source="## More\n![A cat.](cat.png)"),
        "no picture 'cat.png'",
    ),
    "broken link": (
        lambda n: cell(n, "## More").update(source="## More\n[It](../dqngan_lib/dqn.py) is there."),
        "the link to '../dqngan_lib/dqn.py' leads nowhere",
    ),
    "package used without the first cell": (
        lambda n: cell(n, "%time").update(source="from dqngan_lib import plots"),
        "the first code cell is not the folded one",
    ),
    "first cell changed": (
        lambda n: begin(n, first_cell() + "\nprint(folder)"),
        "the first code cell is not the folded one",
    ),
    "first cell open": (
        lambda n: begin(n, first_cell()).metadata.clear(),
        "the first code cell is not the folded one",
    ),
    "folded without tag": (
        lambda n: cell(n, "# @title").metadata.pop("tags"),
        "has both the tag 'hide-input' and",
    ),
    "folded in Lab alone": (
        lambda n: cell(n, "# @title").metadata.pop("cellView"),
        "has both the tag 'hide-input' and",
    ),
    "folded by the tag alone": (
        lambda n: cell(n, "%time").metadata.update(tags=["hide-input"]),
        "has both the tag 'hide-input' and",
    ),
    "folded text": (lambda n: fold(cell(n, "## M")), "only the source of a code cell"),
    "folded without title": (lambda n: fold(cell(n, "print")), "does not begin with `# @title"),
    "folded claim": (
        lambda n: cell(n, "# @title").update(source="# @title Draw\nclaim('x', x, at_least=0)"),
        "folded and has a claim",
    ),
    "folded exercise": (
        lambda n: fold(cell(n, "def answer")),
        "folded and has a claim, an exercise",
    ),
    "folded code that shows nothing": (
        lambda n: fold(cell(n, "%time")),
        "neither shows anything nor imports anything",
    ),
    "folded code below imports": (
        lambda n: [
            cell(n, "%time").update(source="# @title Imports\nimport math\nx = math.pi"),
            fold(cell(n, "# @title Imports")),
        ],
        "neither shows anything nor imports anything",
    ),
    "folded function": (
        lambda n: [
            cell(n, "# @title").update(
                source="# @title Draw\ndef learn(x):\n    ...\nplots.show(x)"
            ),
            cell(n, "draw_line").update(source="print_all = [learn(x) for x in (1, 2)]"),
        ],
        "it is folded, and cell 11 uses its learn",
    ),
    "folded value": (
        lambda n: [
            cell(n, "# @title").update(source="# @title Draw\nx = 2\nplots.show(x)"),
            cell(n, "draw_line").update(source="y = x + 1"),
        ],
        "it is folded, and cell 11 uses its x",
    ),
    "long cell": (lambda n: add(n, "\n".join("x = 1" for _ in range(26))), "26 lines"),
    "empty cell": (lambda n: add(n, " "), "code cell is empty"),
    "not Python": (lambda n: add(n, "def f(:"), "not Python"),
    "semicolon": (lambda n: add(n, "f(x);"), "ends in `;`"),
    "tab": (lambda n: add(n, "if x:\n\ty = 1"), "there is a tab"),
    "path in code": (lambda n: add(n, "x = '/home/me/data'"), "absolute path in it"),
    "path in text": (lambda n: cell(n, "## M").update(source=r"In C:\Users\me"), "absolute path"),
    "path in output": (
        lambda n: cell(n, "print").update(outputs=[text("see /tmp/a.txt")]),
        "absolute path in an output: '/tmp/a'",
    ),
    "path in HTML": (
        lambda n: add(n, "x", shown(html="<b>/Users/me</b>")),
        "absolute path in an output",
    ),
    "id twice": (lambda n: cell(n, "print").update(id="code-1"), "id 'code-1' is used twice"),
    "no title": (lambda n: n.cells[0].update(source="Welcome"), "does not begin with the title"),
    "two titles": (lambda n: cell(n, "## M").update(source="# Again"), "a second title"),
    "exercise without tag": (
        lambda n: cell(n, "def").metadata.pop("tags"),
        "has both the tag",
    ),
    "exercise without number": (
        lambda n: cell(n, "def").metadata.pop("exercise"),
        "has both the tag",
    ),
    "exercise with a strange number": (
        lambda n: cell(n, "def").metadata.update(exercise="two"),
        "is not like",
    ),
    "exercise twice": (
        lambda n: n.cells[1].update(metadata={"tags": ["exercise"], "exercise": "02.1"}),
        "exercise 02.1 is there twice",
    ),
    "exercise in text": (
        lambda n: cell(n, "## M").update(metadata={"tags": ["exercise"], "exercise": "02.2"}),
        "must be a code cell",
    ),
    "exercise never checked": (
        lambda n: cell(n, "check").update(source="print('hm')"),
        "exercise 02.1 is never checked",
    ),
    "no prepared hint": (
        lambda n: cell(n, "check").update(source="check('02.1', answer)"),
        'there is no prepared # hint("02.1")',
    ),
    "check of no exercise": (
        lambda n: cell(n, "check").update(source="check('02.9', f)\ncheck('02.1', answer)"),
        "check('02.9') has no exercise cell",
    ),
    "widget compared": (lambda n: cell(n, "widgets").metadata.clear(), "it uses widgets and lacks"),
    "output that changes": (lambda n: add(n, "x", shown(gif=PNG)), "differs from run to run"),
    "script in HTML": (
        lambda n: add(n, "x", shown(html="<script>1</script>")),
        "differs from run to run",
    ),
    "misspelt tag": (lambda n: add(n, "x = 1", tags=["nbval-ingore-output"]), "is not one of"),
    "cell skipped": (lambda n: add(n, "x = 1", tags=["nbval-skip"]), "is not one of"),
    "comment to nbval": (lambda n: add(n, "# NBVAL_SKIP\nx = 1"), "by a comment"),
}


@pytest.mark.parametrize("badge", [(), ("ana/dqn-gan", "autumn")])
def test_the_first_cell_may_have_a_badges_address(tmp_path, badge):
    notebook = good()
    begin(notebook, first_cell(*badge))
    assert lint_stored(tmp_path, notebook) == []


def test_imports_may_be_folded_with_the_seed(tmp_path):
    notebook = good()
    begin(notebook, first_cell())
    source = "# @title Imports, and the seed\nimport torch\n\nseed = seed_everything(0)"
    cell(notebook, "%time").update(source=source)
    fold(cell(notebook, "# @title Imports"))
    cell(notebook, "draw_line").update(source="x = folder, seed")
    assert lint_stored(tmp_path, notebook) == []


@pytest.mark.parametrize(
    "later",
    ["x = 3\nprint_it = x", "y = [x for x in (1, 2)]", "for x in y:\n    f(x)", "def f(x):\n    x"],
)
def test_a_name_that_is_made_anew_is_not_taken_from_a_folded_cell(tmp_path, later):
    notebook = good()
    cell(notebook, "# @title").update(source="# @title Draw\nx = 2\nplots.show(x)")
    cell(notebook, "draw_line").update(source=later)
    assert lint_stored(tmp_path, notebook) == []


@pytest.mark.parametrize("name", BROKEN)
def test_each_rule_names_the_notebook_that_breaks_it(tmp_path, name):
    break_it, words = BROKEN[name]
    notebook = good()
    break_it(notebook)
    problems = lint_stored(tmp_path, notebook)
    assert any(words in problem for problem in problems), problems
    assert all(problem.startswith("02_small.ipynb") for problem in problems)


def test_missing_ids_are_named(tmp_path):
    path = save(tmp_path, good())
    path.write_text(re.sub(r' *"id": "code-1",\n', "", path.read_text()), encoding="utf-8")
    assert any("the cell has no id" in problem for problem in lint(path))


def test_large_files_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr(lint_module, "MAX_BYTES", 1000)
    assert any("over the limit of 1 kB" in problem for problem in lint_stored(tmp_path, good()))


def test_a_file_that_is_no_notebook_is_named(tmp_path):
    path = tmp_path / "02_small.ipynb"
    path.write_text("not JSON", encoding="utf-8")
    assert "cannot be read as a notebook" in lint(path)[0]


def test_clean_leaves_what_people_wrote_and_nothing_of_the_run():
    notebook = good()
    notebook.metadata.update(widgets={}, language_info={"name": "python", "version": "3.11.7"})
    exercise = cell(notebook, "def")
    exercise.metadata.update(execution={"start": "now"}, collapsed=False)
    hello = cell(notebook, "print")
    hello.outputs = [text("a"), text("b"), shown(plain="x"), text("c")]
    notebook.cells[0].id = hello.id
    drawing = dict(cell(notebook, "# @title").metadata)
    clean(notebook)
    assert cell(notebook, "# @title").metadata == drawing
    assert exercise.metadata == {"tags": ["exercise"], "exercise": "02.1"}
    assert [o.get("text") for o in hello.outputs] == ["ab", None, "c"]
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    nbformat.validate(notebook)


# Stored output, source that gives the new one, and whether nbval must take them for equal.
COMPARED = [
    ("✓ return ≥ 475 (measured 499.1)\n", "print('✓ return ≥ 475 (measured 480)')", True),
    ("✓ return ≥ 475 (measured 499.1)\n", "print('✓ return ≥ 470 (measured 499.1)')", False),
    ("trained in 12.3 s\n", "print('trained in 1,024 s')", True),
    ("trained in 12.3 s\n", "print('trained in 4 min')", True),
    ("12.3 steps\n", "print('12.4 steps')", False),
    ("5 seeds\n", "print('6 seeds')", False),
    ("12,345 steps/s\n", "print('9.1e+03 steps/s')", True),
    ("12,345 steps per second\n", "print('800 steps per second')", True),
    ("<object object at 0x7f00aa12>\n", "print(object())", True),
    ("torch 2.10.0+cpu\n", "print('torch 2.15.1')", True),
    ("loss 0.123\n", "print('loss 0.124')", False),
    ("hello\n", "x = 1", False),
    ("hello\n", "import sys\nprint('hello')\nprint('oh', file=sys.stderr)", False),
]


@pytest.fixture(scope="module")
def nbval_verdicts(tmp_path_factory):
    """What nbval says of a notebook with a cell for each line above, and two with pictures."""
    notebook = small_notebook(*(source for _, source, _ in COMPARED))
    for stored, one in zip(COMPARED, notebook.cells[1:], strict=True):
        one.outputs, one.execution_count = [text(stored[0])], 1
    film = (
        'from IPython.display import HTML\nHTML(\'<img alt="A" src="data:image/gif;base64,QQ=">\')'
    )
    old_film = new_output(
        "execute_result",
        {
            "text/html": '<img alt="A" src="data:image/gif;base64,xy+/">',
            "text/plain": "<IPython.core.display.HTML object>",
        },
    )
    picture = (
        "from IPython.display import display\n"
        "display({'image/png': 'QUJD'}, raw=True)\n"
        "display({'text/plain': 'Figure: %s.'}, raw=True)"
    )
    add(notebook, film, old_film)
    add(notebook, picture % "A line", shown(png=PNG), shown(plain="Figure: A line."))
    add(notebook, picture % "A dot", shown(png=PNG), shown(plain="Figure: A line."))
    for number, one in enumerate(notebook.cells):
        one.id = f"cell-{number}"
    path = save(tmp_path_factory.mktemp("nbval"), notebook)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "-rA"]
    result = subprocess.run(
        [*command, f"--rootdir={path.parent}", *nbval_options([path])],
        cwd=path.parent,
        env=os.environ | {"PYTHONUTF8": "1"},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    verdicts = re.findall(r"^(PASSED|FAILED) .*::Cell (\d+)", result.stdout, re.MULTILINE)
    assert verdicts, result.stdout + result.stderr
    return {int(number): verdict == "PASSED" for verdict, number in verdicts}


def test_nbval_blanks_measurements_and_nothing_else(nbval_verdicts):
    expected = [equal for _, _, equal in COMPARED] + [True, True, False]
    assert nbval_verdicts == dict(enumerate(expected))


def test_sanitize_rules_can_be_read():
    """Nbval drops a rule silently when its two lines are not neighbours."""
    from nbval.plugin import get_sanitize_patterns

    rules = (Path(__file__).parent / "nbval_sanitize.cfg").read_text(encoding="utf-8")
    assert rules.isascii(), "nbval reads it in the encoding of the system"
    assert len(get_sanitize_patterns(rules)) == len(re.findall("^regex:", rules, re.MULTILINE)) == 6
