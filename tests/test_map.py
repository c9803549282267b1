"""The map of the package is in step with it, and every room says in which order to read it."""

from pathlib import Path

import pytest

from tools import map as map_module
from tools.map import MAP, PACKAGE, imported, modules, named, page, rooms, sentence, spans

PACKAGES = [PACKAGE, *(room for room in rooms() if room.is_dir())]


def test_the_map_is_up_to_date():
    assert MAP.read_text(encoding="utf-8") == page(), "run python -m tools.map"


@pytest.mark.parametrize("room", PACKAGES, ids=lambda room: room.name)
def test_a_room_names_what_is_in_it_in_reading_order(room):
    """After the first line its `__init__` docstring has each module in backticks, and no other."""
    inside = {path.stem for path in modules(room)} - set(map_module.BESIDE)
    assert set(named(room)) == inside


def test_the_first_line_of_every_docstring_is_a_sentence():
    assert [path for path in PACKAGE.rglob("*.py") if not sentence(path).endswith(".")] == []


def test_the_drawing_has_every_room():
    drawing = map_module.HEAD.split("```")[1]
    assert [room.stem for room in rooms() if room.stem not in drawing] == []


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with a room of three modules, one of which is not named, and a file as a room."""
    package = tmp_path / "dqngan_lib"
    files = {
        "__init__.py": '"""Read me not.\n\nRead `plots`, then `gan`."""',
        "plots.py": '"""Pictures."""',
        "gan/__init__.py": '"""Two | nets.\n\nRead `model` and `losses`."""',
        "gan/losses.py": '"""Losses."""',
        "gan/model.py": '"""The pair."""',
        "gan/aside.py": '"""An aside."""',
    }
    for name, text in files.items():
        (package / name).parent.mkdir(exist_ok=True, parents=True)
        (package / name).write_text(text, encoding="utf-8")
    monkeypatch.setattr(map_module, "PACKAGE", package)
    return package


def test_reading_order_by_hand(house):
    assert [path.name for path in rooms(house)] == ["plots.py", "gan"]
    assert [path.stem for path in modules(house / "gan")] == ["model", "losses", "aside"]
    assert sentence(house / "gan") == r"Two \| nets."


def test_imports_by_hand(house):
    code = "import torch\nfrom dqngan_lib import plots\n"
    assert imported(code) == {house / "plots.py"}
    code = "if x:\n    from dqngan_lib.gan import (\n        losses,\n    )\n"
    code += "from dqngan_lib.gan.model import GAN"
    assert imported(code) == {house / "gan" / "losses.py", house / "gan" / "model.py"}
    assert imported("from dqngan_library.gan import model") == set()


def test_numbers_in_a_row_become_a_span():
    assert spans(["01", "02", "03", "05", "09", "10"]) == "01 to 03, 05, 09, 10"
    assert spans([]) == ""
