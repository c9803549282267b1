"""A prepared hint stands under each check, and putting it there changes nothing else."""

import json

import pytest

from tools import hints
from tools.hints import add, hinted, main, missing
from tools.notebooks import NOTEBOOKS


@pytest.mark.parametrize(
    ("source", "after"),
    [
        ('check("02.1", f)', 'check("02.1", f)\n# hint("02.1")'),
        ("check('02.1', f)", "check('02.1', f)\n# hint(\"02.1\")"),
        (
            'x = 1\ncheck("02.1", f)\ncheck("02.2", g)\nprint(x)',
            'x = 1\ncheck("02.1", f)\n# hint("02.1")\ncheck("02.2", g)\n# hint("02.2")\nprint(x)',
        ),
        ('check("02.1", f)\nhint("02.1")', None),
        ('check("02.1", f)\n# hint("02.1")', None),
        ('# check("02.1", f)', None),
        ("recheck(x)", None),
    ],
)
def test_each_check_gets_its_hint_once(source, after):
    assert hinted(source) == (after or source)
    assert missing(hinted(source)) == []


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_nothing_else_of_a_notebook_changes(path, tmp_path):
    copy = tmp_path / path.name
    before = path.read_bytes()
    copy.write_bytes(before)
    add(copy)
    assert not add(copy)  # a second time changes nothing
    after = copy.read_bytes()
    old, new = (json.loads(text) for text in (before, after))
    for one, other in zip(old["cells"], new["cells"], strict=True):
        assert "".join(other["source"]) == hinted("".join(one["source"]))
        one["source"] = other["source"]
    assert old == new
    assert after.decode() == json.dumps(json.loads(after), indent=1, ensure_ascii=False) + "\n"
    assert before.decode() == json.dumps(json.loads(before), indent=1, ensure_ascii=False) + "\n"


def test_the_command_names_what_it_changed(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(hints, "course_notebooks", lambda: [tmp_path / "02_dqn.ipynb"])
    source = {"metadata": {}, "source": ['check("02.1", f)']}
    cell = {"cell_type": "code", "execution_count": None, "id": "a", "outputs": [], **source}
    text = {"cell_type": "markdown", "id": "b", **source}
    path = tmp_path / "02_dqn.ipynb"
    notebook = {"cells": [cell, text], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(notebook, indent=1) + "\n", encoding="utf-8")
    assert main() == 0
    assert capsys.readouterr().out == "prepared hints in 02_dqn.ipynb\n"
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    assert cells[0]["source"] == ['check("02.1", f)\n', '# hint("02.1")']
    assert cells[1] == text
    assert main() == 0
    assert capsys.readouterr().out == ""
