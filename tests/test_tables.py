"""What the table scripts share: what is measured again, what stays, what a stop leaves."""

import csv
import importlib.util
import math
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


# --- rows that are saved at once ----------------------------------------------------------------


def test_a_row_replaces_the_one_with_its_key_and_leaves_the_others(tables, tmp_path: Path) -> None:
    path = tmp_path / "new" / "table.csv"
    for machine, threads, value in (("a", 1, 0.5), ("a", 2, 2), ("b", 1, None), ("a", 1, "3, 4")):
        tables.put(path, {"machine": machine, "n": threads, "value": value}, ["machine", "n"])
    assert path.read_text("utf-8") == 'machine,n,value\na,1,"3, 4"\na,2,2\nb,1,\n'


def test_a_new_column_stays_empty_in_the_rows_before_it(tables, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    tables.put(path, {"machine": "a", "value": 1}, ["machine"])
    tables.put(path, {"machine": "b", "value": 2, "error": "none"}, ["machine"])
    assert path.read_text("utf-8") == "machine,value,error\na,1,\nb,2,none\n"


def test_a_table_that_cannot_be_written_stays_as_it_was(tables, tmp_path: Path) -> None:
    class Unwritable:
        def __str__(self) -> str:
            raise RuntimeError("no text")

    path = tmp_path / "table.csv"
    tables.write(path, [{"a": 1}])
    with pytest.raises(RuntimeError, match="no text"):
        tables.write(path, [{"a": 2}, {"a": Unwritable()}])
    assert path.read_text("utf-8") == "a\n1\n"


def measured(
    tables, monkeypatch: pytest.MonkeyPatch, path: Path, *arguments: str, fails_at: int = 99
) -> list[tuple]:
    """Measure two sides on some seeds; return what was run, and leave the rows in a file."""
    ran = []

    def run(side: str, seed: int) -> dict[str, float]:
        if len(ran) == fails_at:
            raise KeyboardInterrupt
        ran.append((side, seed))
        return {"value": seed + math.pi, "never": math.inf}

    monkeypatch.setattr(sys, "argv", ["script", "--out", str(path), *arguments])
    tables.measure(
        "table", ("side",), lambda seed: [("a",), ("b, c",)], run, lambda rows: "", range(2)
    )
    return ran


def test_each_row_is_kept_and_none_is_measured_twice(tables, monkeypatch, tmp_path):
    path = tmp_path / "table.csv"
    with pytest.raises(KeyboardInterrupt):
        measured(tables, monkeypatch, path, fails_at=3)
    assert measured(tables, monkeypatch, path) == [("b, c", 1)]
    assert measured(tables, monkeypatch, path, "--seeds", "1", "3") == [("a", 3), ("b, c", 3)]
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["side"], row["seed"]) for row in rows] == [
        (side, seed) for seed in "013" for side in ("a", "b, c")
    ]
    assert rows[0]["value"] == "3.1416"
    assert math.isinf(float(rows[0]["never"]))


def test_files_of_several_processes_are_put_together(tables, monkeypatch, tmp_path):
    parts = [str(tmp_path / f"{seed}.csv") for seed in (10, 2)]
    for part, seed in zip(parts, ("10", "2"), strict=True):
        measured(tables, monkeypatch, Path(part), "--seeds", seed)
    together = tmp_path / "together.csv"
    assert measured(tables, monkeypatch, together, "--report", *parts) == []
    rows = tables.read(together)
    assert [(row["side"], row["seed"]) for row in rows] == [
        (side, seed) for side in ("a", "b, c") for seed in ("2", "10")
    ]


def test_a_spread_is_median_least_and_greatest(tables):
    spread = tables.spread
    assert spread([5.0, 1.0, 3.0]) == "3 (1 to 5)"
    assert spread([]) == "–"
