"""What claims measured on their seeds: benchmarks/results/claims.csv and the tables made from it.

`python -m tools.claims` writes the tables: five results in README.md, all of them in
docs/measured.md. `course.py study` does so too; a test holds them in step.
"""

import csv
import io
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tools.notebooks import ROOT, write_whole
from tools.start import start

CLAIMS = ROOT / "benchmarks" / "results" / "claims.csv"
COLUMNS = ("notebook", "claim", "relation", "bound", "seed", "value", "seconds", "machine")
README = ROOT / "README.md"
MEASURED = ROOT / "docs" / "measured.md"
BLOCK = re.compile(r"(<!-- measured -->\n).*?(<!-- /measured -->)", re.DOTALL)

SURE, SURE_ONE_SIDED = 4.0, 3.0
"""Standard deviations that a claim's mean must be inside its bound."""
FACTORS = 0.2
"""From this spread on, as a share of the mean, a value that must be large counts in factors."""
NO_SPREAD = 1e-12
"""Below this, spread is the rounding of the computer."""

Row = dict[str, Any]


def load() -> list[Row]:
    """Return the rows of claims.csv, none where there is no file yet."""
    if not CLAIMS.exists():
        return []
    with CLAIMS.open(encoding="utf-8", newline="") as file:
        return [
            {**row, "seed": int(row["seed"]), "value": float(row["value"])}
            for row in csv.DictReader(file)
        ]


def longest_first(paths: Iterable[Path]) -> list[Path]:
    """Sort notebooks by the seconds that they took in the last study, those without any first.

    Where several run at a time, none is then left to run alone at the end.
    """
    known = {row["notebook"]: float(row["seconds"]) for row in load() if row["seconds"]}
    return sorted(paths, key=lambda path: -known.get(path.stem, math.inf))


def store(rows: Iterable[Row]) -> None:
    """Write claims.csv, sorted, in one step or not at all."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(sorted(rows, key=lambda row: (row["notebook"], row["claim"], row["seed"])))
    write_whole(CLAIMS, text.getvalue())


def margin(row: Row) -> float:
    """Return how far the measured value is inside its bound; negative or NaN when it fails."""
    bounds = [float(bound) for bound in str(row["bound"]).split(" and ")]
    value = row["value"]
    if not math.isfinite(value):
        return math.nan
    if row["relation"] == "≥":
        return value - bounds[0]
    if row["relation"] == "≤":
        return bounds[0] - value
    return min(value - bounds[0], bounds[1] - value)


def table(rows: list[Row]) -> str:
    """Return a line for each claim: mean, spread over seeds, worst value, margin, failures."""
    if not rows:
        return "  no claims were made\n"
    lines = [f"  {'mean':>9} {'spread':>9} {'worst':>9} {'margin':>9}  seeds  claim"]
    for s in summaries(rows):
        note = f"  FAILED on seed {', '.join(map(str, s.failed))}" if s.failed else ""
        lines.append(
            f"  {s.mean:9.4g} {s.spread:9.3g} {s.worst:9.4g} {s.margin:9.3g}  "
            f"{len(s.seeds):5d}  {s.number} {s.claim} {s.relation} {s.bound}{note}"
        )
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Summary:
    """A claim over its seeds."""

    notebook: str
    claim: str
    relation: str
    bound: str
    seeds: tuple[int, ...]
    mean: float
    spread: float
    """Standard deviation over the seeds."""
    worst: float
    """The value nearest to the bound, or farthest beyond it."""
    margin: float
    """How far the worst is inside the bound; negative or NaN when it fails."""
    deviations: float
    """How many standard deviations the mean is inside the bound; infinite without any spread."""
    one_sided: bool
    """Whether the values visibly lean to one side: a skewness of 1 or more, either way."""
    failed: tuple[int, ...]
    """The seeds on which the claim does not hold."""

    @property
    def number(self) -> str:
        """What the notebook's name begins with: "02", or "A"."""
        return self.notebook.partition("_")[0]


def summaries(rows: Iterable[Row]) -> list[Summary]:
    """Return each claim with its mean, spread and worst over the seeds, in the order met."""
    claims: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        claims.setdefault((row["notebook"], *claim_of(row)), []).append(row)
    return [_summary(key, group) for key, group in claims.items()]


def _summary(key: tuple[str, ...], group: list[Row]) -> Summary:
    values = [row["value"] for row in group]
    # A value that is not finite is the worst there can be.
    worst = min(group, key=lambda row: -math.inf if math.isnan(margin(row)) else margin(row))
    return Summary(
        *key,
        seeds=tuple(sorted({row["seed"] for row in group})),
        mean=sum(values) / len(values),
        spread=float(np.std(values, ddof=1)) if len(values) > 1 else 0.0,
        worst=worst["value"],
        margin=margin(worst),
        deviations=_deviations(group),
        one_sided=_leans(values),
        failed=tuple(sorted({row["seed"] for row in group if not margin(row) >= 0})),
    )


def _deviations(group: list[Row]) -> float:
    """Return how many standard deviations the mean is inside the bound.

    What must be above a positive bound and is a matter of factors (an explosion, a ratio) is
    measured in logarithms: the values below the mean are much nearer to it than those above.
    """
    values = np.array([row["value"] for row in group])
    bound = group[0]
    if not np.isfinite(values).all():
        return math.nan
    factors = bound["relation"] == "≥" and float(bound["bound"]) > 0 and values.min() > 0
    if factors and values.std() > FACTORS * values.mean():
        values, bound = np.log(values), {**bound, "bound": math.log(float(bound["bound"]))}
    inside = margin({**bound, "value": float(values.mean())})
    spread = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    if spread <= NO_SPREAD * max(1.0, abs(float(values.mean()))):
        return math.copysign(math.inf, inside)
    return inside / spread


def _leans(values: list[float]) -> bool:
    """Tell whether values lean to one side: their skewness is 1 or more, either way."""
    if not np.isfinite(values).all():
        return False
    centred = np.array(values) - np.mean(values)
    spread = centred.std()
    return bool(spread > 0 and abs((centred**3).mean()) >= spread**3)


def stands(summary: Summary) -> bool:
    """Tell whether a bound can be relied on: on a seed that nobody tried, it should hold.

    The mean is at least `SURE` standard deviations inside it, or `SURE_ONE_SIDED` where the values
    lean to one side; and none of the values is outside.
    """
    needed = SURE_ONE_SIDED if summary.one_sided else SURE
    return not summary.failed and summary.deviations >= needed


def claim_of(row: Row) -> tuple[str, str, str]:
    """Return what makes a claim: its words, relation and bound."""
    return row["claim"], row["relation"], str(row["bound"])


HEADLINES = (
    ("02", "mean greedy return over 100 fresh episodes"),
    ("05", "digit-FID, conditional (n = 2,000 against 2,000 held-out)"),
    ("08", "total variation to p, learnt discriminator"),
    ("09", "digit-FID of the DQN-GAN, n = 2,000 against 2,000"),
    ("13", "DQN above the best of all classical methods, dB"),
)
"""The claims that the README shows; docs/measured.md has all."""

MAIN = {
    "01": ("greatest error of Q over all 36 pairs, each visited",),
    "02": ("mean greedy return over 100 fresh episodes",),
    "03": (
        "share caught over 2,000 fresh episodes",
        "overestimation with double, as a share of that with max",
    ),
    "04": (
        "greatest |D − p/(p+q)| where there are data",
        "modes found with the remedy",
        "share of good samples with the remedy",
    ),
    "05": (
        "digit-FID (n = 2,000 against 2,000 held-out)",
        "digit-FID, conditional (n = 2,000 against 2,000 held-out)",
        "share of digits of the class asked for",
        "share of generated digits as close as the closest 1 % of held-out ones",
    ),
    "06": ("greatest relative error of the critic over the ten distances",),
    "07": (
        "generator's weights that differ, with the DQN part and without",
        "mean Q on fresh noise, reward 0.5 throughout (0.5 / 0.05 = 10)",
    ),
    "08": (
        "total variation to p of the exact soft policy",
        "total variation to p, trained network, perfect judge",
        "total variation to p, learnt discriminator",
    ),
    "09": (
        "digit-FID of the DQN-GAN, n = 2,000 against 2,000",
        "the same, over maximum likelihood's after as many updates",
        "digit-FID of the notebook's run, over maximum likelihood in the same time",
        "class entropy in nats (ten equal classes: 2.303)",
        "different pictures among 2,000",
        "copies, beyond held-out digits through the codebook",
        "28 × 28, digit-FID after 1,500 rounds, greatest of three seeds",
    ),
    "10": (
        "DQN: share of copies read rightly",
        "asked-for class, best of the temperatures 0.7, 0.5, 0.35",
        "digit-FID, best of the temperatures 0.7, 0.5, 0.35, n = 2,000",
    ),
    "11": (
        "14 → 28, DQN: PSNR in dB",
        "14 → 28, DQN above back-projection, in dB",
        "14 → 28, CNN above DQN, in dB",
        "7 → 28, DQN: PSNR in dB",
        "7 → 28, DQN above back-projection, in dB",
        "7 → 28, DQN: share read rightly",
        "fax: smoothed and cut, score above the DQN's",
        "fax, five seeds: search, as many questions, least above the DQN",
    ),
    "12": (
        "λ = 0: hole PSNR in dB",
        "digit-FID: worst of λ = 4 over best of λ = 0, three seeds",
        "hole PSNR: worst CNN above the best DQN at λ = 0, in dB",
        "DQN: share read as the class asked for",
        "slant off: DQN over trial, at equal success",
    ),
    "13": (
        "DQN above the best of all classical methods, dB",
        "× 2, DQN above the best of all classical methods, dB",
        "TSTR behind real on real, points of accuracy",
        "TSTR above brightness alone, points",
        "maximum likelihood ahead in TSTR, points",
        "faint lesions of 3 pixels: hidden by non-local means, points",
    ),
    "14": (
        "DQN behind exact greedy search after 500 strokes, mean of four, dB",
        "DQN above random strokes, mean of four, dB",
        "portrait of 256 × 256 in 2,000 strokes, PSNR, dB",
        "200 strokes, both: above exact greedy search, dB",
    ),
    "15": (
        "group norm: largest difference of any weight, two processes and one",
        "batch norm: the same",
    ),
    "16": (
        "total variation of the Q-table from the box, judged at the end",
        "total variation from π*, 100,000 questions",
        "total variation of DPO's minimum from π*",
    ),
}
"""What each notebook is about, by its number: first and in bold in docs/measured.md."""

HEAD = (
    "| claim | bound | mean | spread | worst | margin | in deviations | seeds |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- |\n"
)
SHORT_HEAD = "| notebook | claim | bound | mean | worst |\n| --- | --- | --- | --- | --- |\n"


def write_tables() -> None:
    """Bring the tables in README.md and docs/measured.md up to date with claims.csv."""
    write_whole(README, with_headlines(README.read_text(encoding="utf-8")))
    write_whole(MEASURED, all_measured())


def with_headlines(text: str) -> str:
    """Return the README's text with its table of results in its place.

    Raises:
        ValueError: A claim named in `HEADLINES` is not in claims.csv.
    """
    found = {(s.number, s.claim): s for s in summaries(load())}
    lines = []
    for number, claim in HEADLINES:
        if (number, claim) not in found:
            raise ValueError(f"claims.csv has no claim {claim!r} of notebook {number}")
        lines.append(_short_line(found[number, claim]))
    return BLOCK.sub(lambda block: f"{block[1]}\n{SHORT_HEAD}{''.join(lines)}\n{block[2]}", text)


def all_measured() -> str:
    """Return the page docs/measured.md: every claim, with the machine and the minutes a run."""
    rows = load()
    parts = [
        "# What was measured\n\n"
        "Every claim of every notebook, over its seeds: the mean, the standard deviation "
        '(spread),\nthe worst value, and how far that is inside the bound (margin). The column "in '
        'deviations" says how many\nstandard deviations the mean is inside. It has at least 4, '
        "or 3 where the values lean to one side: so a claim\nshould hold on a seed that nobody has "
        "tried. A test holds this; while a claim falls short it is marked (few).\nWhat must be "
        "above a bound and spreads by factors is counted in logarithms. A notebook checks its\n"
        "claims whenever it runs, and stops where one does not hold. The main ones stand first, "
        "in **bold**; among\nthem are some in which another method is ahead.\n\n"
        "Made by `python3 course.py study` from [claims.csv](../benchmarks/results/claims.csv), "
        "which has each\nvalue with its seed and machine.\n"
    ]
    for notebook in sorted({row["notebook"] for row in rows}):
        mine = [row for row in rows if row["notebook"] == notebook]
        places = sorted({row.get("machine") or "not noted" for row in mine})
        main = MAIN.get(notebook.partition("_")[0], ())
        lines = {s.claim: _line(s, bold=s.claim in main) for s in summaries(mine)}
        order = [claim for claim in main if claim in lines]
        table = "".join(lines[claim] for claim in dict.fromkeys([*order, *lines]))
        parts.append(f"\n## {notebook}\n\nRun on: {'; '.join(places)}.\n\n{HEAD}{table}")
    return "".join(parts)


def _bound(s: Summary) -> str:
    return s.bound if s.relation == "between" else f"{s.relation} {s.bound}"


def _claim(s: Summary) -> str:
    return s.claim.replace("|", r"\|").replace("*", r"\*")


def _short_line(s: Summary) -> str:
    return f"| {s.number} | {_claim(s)} | {_bound(s)} | {s.mean:.4g} | {s.worst:.4g} |\n"


def _line(s: Summary, *, bold: bool = False) -> str:
    claim = f"**{_claim(s)}**" if bold else _claim(s)
    numbers = f"{s.mean:.4g} | {s.spread:.2g} | {s.worst:.4g} | {s.margin:.2g}"
    sure = "no spread" if math.isinf(s.deviations) else f"{s.deviations:.1f}"
    sure += "" if stands(s) else " (few)"
    return f"| {claim} | {_bound(s)} | {numbers} | {sure} | {len(s.seeds)} |\n"


if __name__ == "__main__":
    start(write_tables)
