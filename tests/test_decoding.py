"""Drawing when training is over: truncation, guidance and the drawing itself, by other ways."""

import math
from itertools import combinations

import pytest
import torch

from dqngan_lib.applications.strokes.decoding import (
    draw_pictures,
    draw_strokes,
    guided,
    keep_min_p,
    keep_nucleus,
)
from dqngan_lib.applications.strokes.drawing import ACTIONS, NO_OP, canvases

CHANCES = torch.tensor([[0.15, 0.5, 0.05, 0.3], [0.25, 0.25, 0.25, 0.25]])


def kept(values):
    """Return which actions are left, row by row."""
    return [row.isfinite().nonzero().flatten().tolist() for row in values]


def test_min_p_keeps_what_is_likely_beside_the_likeliest():
    """A fifth of 0.5 is 0.1: 0.05 goes. Of four equal ones all stay."""
    assert kept(keep_min_p(CHANCES.log(), 0.2)) == [[0, 1, 3], [0, 1, 2, 3]]
    assert kept(keep_min_p(CHANCES.log(), 0.7)) == [[1], [0, 1, 2, 3]]
    assert torch.equal(keep_min_p(CHANCES.log(), 0), CHANCES.log())


def test_min_p_asks_for_shares_alone():
    """Q-values have an unknown constant: adding one changes nothing."""
    values = torch.randn(6, 9, generator=torch.Generator().manual_seed(0))
    assert kept(keep_min_p(values + 40, 0.3)) == kept(keep_min_p(values.log_softmax(1), 0.3))


@pytest.mark.parametrize("mass", [0.2, 0.6, 0.9])
def test_the_nucleus_is_the_smallest_set_with_the_mass(mass):
    values = torch.randn(5, 6, generator=torch.Generator().manual_seed(1))
    for found, chances in zip(kept(keep_nucleus(values, mass)), values.softmax(1), strict=True):
        for size in range(1, 7):
            sums = {some: chances[list(some)].sum().item() for some in combinations(range(6), size)}
            best = max(sums, key=sums.get)
            if sums[best] >= mass:
                break
        assert tuple(found) == best


def test_the_whole_mass_keeps_all():
    assert kept(keep_nucleus(CHANCES.log(), 1.0)) == [[0, 1, 2, 3]] * 2


def test_guidance_counts_the_word_of_the_class_so_many_times_more():
    """By Bayes π_c ∝ π_0 L with L the chance of the class; guided, π_0 L^(1 + w)."""
    random = torch.Generator().manual_seed(2)
    prior, likelihood = torch.rand(3, 7, generator=random), torch.rand(3, 7, generator=random)
    weights = prior * likelihood**2.5
    found = guided((prior * likelihood).log() + 5, prior.log() - 3, 1.5).softmax(1)
    assert torch.allclose(found, weights / weights.sum(1, keepdim=True), atol=1e-6)


def test_strokes_are_drawn_as_often_as_softmax_says():
    values = torch.tensor([0.0, 1.0, -math.inf, 2.0, -30.0])
    drawn = draw_strokes(values.expand(20_000, -1), torch.Generator().manual_seed(3))
    shares = drawn.bincount(minlength=5) / 20_000
    # three standard deviations of a share of ½ are 0.011
    assert torch.allclose(shares, values.softmax(0), atol=0.011)
    assert shares[2] == 0


def test_the_only_action_left_is_drawn():
    for only in (0, 2, 4):
        values = torch.full((50, 5), -math.inf)
        values[:, only] = -1_000.0
        assert (draw_strokes(values, torch.Generator().manual_seed(4)) == only).all()


def test_each_class_is_drawn_with_its_own_strokes():
    """The strokes are known: 1,000 for class 0, 2,060 for class 1, first; then nothing."""

    def values(observation):
        step, label = observation[:, 784].long(), observation[:, 785].long()
        wanted = torch.where(step == 0, torch.tensor([1_000, 2_060])[label], NO_OP)
        return torch.nn.functional.one_hot(wanted, ACTIONS).float() * 1_000

    asked = torch.tensor([1, 0, 1, 1, 0])
    made = draw_pictures(values, asked, part=2)
    strokes = torch.tensor([[1_000], [2_060]])[asked]
    assert made.shape == (5, 1, 28, 28)
    assert torch.allclose(made.flatten(1), canvases(strokes)[:, -1], atol=0.002)


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("share", lambda: keep_min_p(CHANCES, 1.5)),
        ("share", lambda: keep_min_p(CHANCES, -0.1)),
        ("mass", lambda: keep_nucleus(CHANCES, 0.0)),
        ("mass", lambda: keep_nucleus(CHANCES, 1.1)),
        ("weight", lambda: guided(CHANCES, CHANCES, -1.0)),
    ],
)
def test_numbers_out_of_range_are_named(name, call):
    with pytest.raises(ValueError, match=name):
        call()
