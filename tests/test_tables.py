"""The table scripts' common part: what is measured again and what stays."""

import csv
import importlib.util
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "tables.py"


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Return the module, writing into an empty folder."""
    spec = importlib.util.spec_from_file_location("tables_under_test", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "RESULTS", tmp_path / "results")
    return module


def write(tables, monkeypatch: pytest.MonkeyPatch, number: float, *arguments: str) -> list[tuple]:
    """Write a table of two variants in which every value is the same; return its rows."""
    monkeypatch.setattr(sys, "argv", ["script", *arguments])
    tables.write_table("table", ("a", "b, c"), lambda variant, seed: {"value": number + seed})
    with (tables.RESULTS / "table.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [(row["variant"], row["seed"], float(row["value"])) for row in rows]


def test_every_variant_on_every_seed(tables, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = write(tables, monkeypatch, 1.0, "--seeds", "2")
    assert rows == [("a", "0", 1.0), ("a", "1", 2.0), ("b, c", "0", 1.0), ("b, c", "1", 2.0)]


@pytest.mark.parametrize("again", ["a", "b, c"])
def test_one_variant_again_keeps_the_others_and_the_order(
    tables, monkeypatch: pytest.MonkeyPatch, again: str
) -> None:
    write(tables, monkeypatch, 1.0, "--seeds", "2")
    rows = write(tables, monkeypatch, 5.0, "--seeds", "2", "--only", again)
    assert [row[:2] for row in rows] == [("a", "0"), ("a", "1"), ("b, c", "0"), ("b, c", "1")]
    assert [value for name, _, value in rows if name == again] == [5.0, 6.0]
    assert [value for name, _, value in rows if name != again] == [1.0, 2.0]


def test_a_table_without_the_variants_asked_for_stays(
    tables, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    before = write(tables, monkeypatch, 1.0, "--seeds", "1")
    assert write(tables, monkeypatch, 5.0, "--seeds", "1", "--only", "d") == before
    assert "none of a, b, c asked for" in capsys.readouterr().out
