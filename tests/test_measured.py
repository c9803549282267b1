"""What README.md and docs/measured.md show is what the study measured, and every claim was."""

import math
import re

import pytest

from tools import claims
from tools.notebooks import NOTEBOOKS, printed, read

SEEDS = set(range(10))
"""Where each claim was measured, as README.md and CONTRIBUTING.md say."""
STATED = re.compile(r"^✓ (.+) (≥|≤|between) (\S+(?: and \S+)?) \(measured .*\)$", re.MULTILINE)


def stated(path):
    """The claims that a notebook's stored outputs show, less those shown failing."""
    cells = [cell for cell in read(path).cells if cell.cell_type == "code"]
    return {claim for cell in cells for claim in STATED.findall(printed(cell))}


def test_the_tables_are_those_of_the_study():
    readme = claims.README.read_text(encoding="utf-8")
    assert claims.with_headlines(readme) == readme, "run python -m tools.claims"
    assert claims.BLOCK.search(readme)
    shown = claims.MEASURED.read_text(encoding="utf-8")
    assert claims.all_measured() == shown, "run python -m tools.claims"


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_every_claim_was_measured_on_every_seed(path):
    mine = [s for s in claims.summaries(claims.load()) if s.notebook == path.stem]
    assert {(s.claim, s.relation, s.bound) for s in mine} == stated(path)
    assert {s.claim: s.seeds for s in mine if not set(s.seeds) >= SEEDS} == {}


def test_every_claim_held_on_every_seed():
    assert {
        (s.notebook, s.claim): s.failed for s in claims.summaries(claims.load()) if s.failed
    } == {}


def test_every_bound_is_one_to_rely_on():
    """A learner who changes the seed should meet no claim that fails: see `claims.stands`."""
    summaries = claims.summaries(claims.load())
    assert {(s.notebook, s.claim): s.deviations for s in summaries if not claims.stands(s)} == {}


@pytest.mark.parametrize(
    ("claim", "goal"),
    [
        ("asked-for class, best of the temperatures 0.7, 0.5, 0.35", 0.85),
        ("digit-FID, best of the temperatures 0.7, 0.5, 0.35, n = 2,000", -32),
        ("imagined, then copied: asked-for class", 0.9),
        ("imagined, then copied: digit-FID, n = 2,000", -14),
        ("digit-FID of the DQN-GAN, n = 2,000 against 2,000", -14),
    ],
)
def test_part_iii_reached_what_it_set_out_for(claim, goal):
    """On each seed measured; the bounds are wider, for others. A negative goal is an upper one."""
    rows = [row for row in claims.load() if row["claim"] == claim]
    assert len(rows) >= 5
    assert min(math.copysign(1, goal) * row["value"] for row in rows) >= goal


def test_a_headline_that_nothing_measures_is_named(monkeypatch):
    monkeypatch.setattr(claims, "HEADLINES", (("01", "the moon is green"),))
    with pytest.raises(ValueError, match=r"no claim 'the moon is green' of notebook 01"):
        claims.with_headlines("")


def test_the_main_claims_were_measured():
    found = {(s.number, s.claim) for s in claims.summaries(claims.load())}
    main = {(number, claim) for number, names in claims.MAIN.items() for claim in names}
    assert main - found == set()


def test_lines_by_hand(monkeypatch):
    rows = [
        {"notebook": "02_x", "claim": c, "relation": "≤", "bound": "4", "seed": s, "value": v}
        for c in ("other", "a|b")
        for s, v in enumerate([1.0, 3.0])
    ]
    monkeypatch.setattr(claims, "load", lambda: rows)
    monkeypatch.setattr(claims, "HEADLINES", (("02", "a|b"),))
    monkeypatch.setattr(claims, "MAIN", {"02": ("a|b",)})
    before = "x\n<!-- measured -->\nold\n<!-- /measured -->\ny"
    line = "| 02 | a\\|b | ≤ 4 | 2 | 3 |\n"
    expected = f"x\n<!-- measured -->\n\n{claims.SHORT_HEAD}{line}\n<!-- /measured -->\ny"
    assert claims.with_headlines(before) == expected
    numbers = "≤ 4 | 2 | 1.4 | 3 | 1 | 1.4 (few) | 2 |"
    lines = f"| **a\\|b** | {numbers}\n| other | {numbers}\n"
    assert lines in claims.all_measured() and "Run on: not noted." in claims.all_measured()


def summary(values, relation, bound):
    """The summary of one claim with these values on the seeds 0, 1, ..."""
    rows = [
        {
            "notebook": "02_x",
            "claim": "c",
            "relation": relation,
            "bound": bound,
            "seed": s,
            "value": v,
        }
        for s, v in enumerate(values)
    ]
    (only,) = claims.summaries(rows)
    return only


def test_standard_deviations_inside_a_bound_by_hand():
    # Mean 2, standard deviation 1, once to the right, once to the left, once between two bounds.
    assert summary([1.0, 2.0, 3.0], "≤", "6.5").deviations == pytest.approx(4.5)
    assert summary([1.0, 2.0, 3.0], "≥", "-3").deviations == pytest.approx(5.0)
    assert summary([1.0, 2.0, 3.0], "between", "0 and 7").deviations == pytest.approx(2.0)
    # Factors: log₁₀ is 1, 2, 3, and the bound's is −1.
    assert summary([10.0, 100.0, 1000.0], "≥", "0.1").deviations == pytest.approx(3.0)
    assert math.isinf(summary([1.0, 1.0, 1.0], "≥", "0.5").deviations)
    assert math.isnan(summary([1.0, math.nan, 1.0], "≥", "0.5").deviations)


@pytest.mark.parametrize(
    ("values", "relation", "bound", "expected"),
    [
        ([1.0, 2.0, 3.0], "≤", "6.5", True),
        ([1.0, 2.0, 3.0], "≤", "5.5", False),  # 3.5 deviations, and no leaning
        ([0.0] * 9 + [1.0], "≤", "1.1", True),  # mean 0.1, deviation 0.316: 3.16, leaning
        ([0.0] * 9 + [1.0], "≤", "0.99", False),  # the worst is outside
        ([1.0, math.inf], "≥", "0", False),
        ([1.0, 1.0], "≥", "2", False),
        ([1.0, 1.0], "≥", "1", True),
    ],
)
def test_what_a_bound_that_stands_is(values, relation, bound, expected):
    assert claims.stands(summary(values, relation, bound)) is expected
