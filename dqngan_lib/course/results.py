"""Tables over seeds that the scripts in `benchmarks/` have measured, for notebooks to show."""

import csv
import math
from dataclasses import dataclass
from pathlib import Path

from dqngan_lib.course.arguments import require


@dataclass(frozen=True)
class Results:
    """Rows of one or more stored tables: one for each variant and seed."""

    rows: tuple[dict[str, str], ...]
    """Each maps the names of the columns to what stands there."""

    @property
    def variants(self) -> list[str]:
        """The variants in the order in which they stand in the table."""
        return list(dict.fromkeys(row["variant"] for row in self.rows))

    def column(self, variant: str, name: str) -> list[float]:
        """Return what was measured of a variant: a number for each seed that has one.

        Args:
            variant: One of `variants`.
            name: The name of a column.

        Raises:
            ValueError: There is no such variant, or it has no such column.
        """
        rows = [row for row in self.rows if row["variant"] == variant]
        require(bool(rows), "variant", variant, f"one of {self.variants}")
        require(name in rows[0], "name", name, f"one of {list(rows[0])}")
        return [x for x in (float(row[name]) for row in rows) if not math.isnan(x)]

    def mean(self, variant: str, name: str) -> float:
        """Return the mean over seeds of `column`; not a number if nothing was measured."""
        numbers = self.column(variant, name)
        return sum(numbers) / len(numbers) if numbers else math.nan

    def around(
        self, variant: str, name: str, *, plus: float = 0, share: float = 0, digits: int = 0
    ) -> tuple[float, float]:
        """Return where a live run of a stored row must lie: its spread over seeds, and a margin.

        Args:
            variant: One of `variants`.
            name: The name of a column.
            plus: What is taken off the least number and added to the greatest.
            share: The same, as a share of either.
            digits: Digits after the point to which both bounds are rounded.

        Raises:
            ValueError: Nothing was measured, or see `column`.
        """
        numbers = self.column(variant, name)
        if not numbers:
            raise ValueError(f"{name!r} of {variant!r} was not measured on any seed")
        low, high = (1 - share) * min(numbers) - plus, (1 + share) * max(numbers) + plus
        return round(low, digits), round(high, digits)

    def side_by_side(self, variant: str, name: str, digits: int = 0, factor: float = 1) -> str:
        """Write `column` as text, seed by seed: "16.7 · 14.8 · 16.7".

        Args:
            variant: One of `variants`.
            name: The name of a column.
            digits: Digits after the point.
            factor: What each number is multiplied by; 100 makes percent of shares.
        """
        return " · ".join(f"{factor * x:,.{digits}f}" for x in self.column(variant, name))


def read_results(*paths: Path | str) -> Results:
    """Read tables that `benchmarks/tables.py` wrote.

    Args:
        paths: csv files in `benchmarks/results`; their rows follow each other.

    Raises:
        FileNotFoundError: One is missing; says which command makes it.
    """
    rows: list[dict[str, str]] = []
    for path in map(Path, paths):
        if not path.is_file():
            number = path.stem.partition("_")[0]
            raise FileNotFoundError(
                f"{path} is missing: `python3 course.py study {number}` makes it"
            )
        with path.open(encoding="utf-8", newline="") as file:
            rows.extend(csv.DictReader(file))
    return Results(tuple(rows))
