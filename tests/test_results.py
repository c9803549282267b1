"""Stored tables: read as they were written, and clear when something is missing."""

import math

import pytest

from dqngan_lib.course.results import Results, read_results

FIRST = "variant,seed,fid,seconds\nlarge,0,1.5,30\nlarge,1,2.5,31\nsmall,0,nan,3\nsmall,1,4,nan\n"
SECOND = "variant,seed,fid,recall\nother,0,8,0.5\n"


@pytest.fixture
def results(tmp_path):
    """Two small tables, read one after the other."""
    for name, text in (("02_first", FIRST), ("02_second", SECOND)):
        (tmp_path / f"{name}.csv").write_text(text, encoding="utf-8")
    return read_results(tmp_path / "02_first.csv", tmp_path / "02_second.csv")


def test_variants_stand_in_the_order_of_the_files(results):
    assert results.variants == ["large", "small", "other"]


def test_a_column_has_a_number_for_each_seed_that_was_measured(results):
    assert results.column("large", "fid") == [1.5, 2.5]
    assert results.column("small", "fid") == [4]
    assert results.column("other", "recall") == [0.5]


def test_the_mean_is_over_seeds(results):
    assert results.mean("large", "fid") == 2
    assert results.mean("small", "seconds") == 3


def test_the_mean_of_nothing_is_not_a_number(tmp_path):
    path = tmp_path / "02.csv"
    path.write_text("variant,seed,fid\nnever,0,nan\n", encoding="utf-8")
    assert math.isnan(read_results(path).mean("never", "fid"))


def test_numbers_are_written_side_by_side(results):
    assert results.side_by_side("large", "fid", 1) == "1.5 · 2.5"
    assert results.side_by_side("other", "recall", factor=100) == "50"


def test_a_live_run_must_lie_around_the_row(results):
    assert results.around("large", "fid", plus=0.26, digits=1) == (1.2, 2.8)
    assert results.around("large", "seconds", share=0.1) == (27, 34)
    with pytest.raises(ValueError, match="'fid' of 'never' was not measured"):
        Results(({"variant": "never", "fid": "nan"},)).around("never", "fid")


@pytest.mark.parametrize(
    ("variant", "name", "says"),
    [("huge", "fid", "variant must be one of .*large.*'huge'"), ("large", "x", "name must be")],
)
def test_unknown_names_are_refused(results, variant, name, says):
    with pytest.raises(ValueError, match=says):
        results.column(variant, name)


def test_a_missing_table_names_the_command_that_makes_it(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"course\.py study 09"):
        read_results(tmp_path / "09_dqn_gan.csv")
