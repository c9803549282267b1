"""Each check names the argument, what is allowed and what was given."""

import re
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from dqngan_lib.course import arguments


@pytest.mark.parametrize("value", [0, 4, 2.0, True, "2", None])
def test_whole_numbers_within_bounds(value):
    with pytest.raises(
        ValueError, match=re.escape(f"k must be a whole number from 1 to 3; got {value!r}")
    ):
        arguments.whole("k", value, 1, 3)
    for good in (1, 3, np.int64(2)):
        arguments.whole("k", good, 1, 3)


def test_the_first_size_that_is_wrong_is_named():
    with pytest.raises(ValueError, match="width must be a whole number >= 1; got 0"):
        arguments.positive_sizes(side=4, width=0, layers=-1)


def test_require_says_what_is_allowed():
    arguments.require(True, "rate", 1, "> 0")
    with pytest.raises(ValueError, match="rate must be > 0; got -1"):
        arguments.require(False, "rate", -1, "> 0")


@dataclass
class Settings:
    """Two numbers and a word."""

    count: int = 1
    rate: float = 0.5
    name: str = "x"


def test_settings_become_plain_numbers_or_are_refused():
    settings = Settings(np.int32(3), np.float32(0.5), "y")
    arguments.make_plain_numbers(settings)
    assert (type(settings.count), type(settings.rate)) == (int, float)
    for wrong, words in (
        (Settings(count=1.5), "count must be a whole number; got 1.5"),
        (Settings(count=True), "count must be a whole number; got True"),
        (Settings(rate="fast"), "rate must be a number; got 'fast'"),
    ):
        with pytest.raises(TypeError, match=words):
            arguments.make_plain_numbers(wrong)


def test_whole_numbers_come_out_as_int64_or_are_named():
    assert arguments.whole_numbers("a", np.array([0, 2], np.int8), 2, 2).dtype == torch.int64
    for values in ([0], [0, 3], [-1, 0], [0.0, 1.0], [[0], [1]]):
        with pytest.raises(ValueError, match="a must hold 2 whole numbers from 0 to 2; got"):
            arguments.whole_numbers("a", torch.tensor(values), 2, 2)


def test_points_come_out_flat_in_float64():
    assert arguments.points("x", torch.zeros(3, 1, 2, 2), flatten=True).shape == (3, 4)
    assert arguments.points("x", np.zeros((3, 2), dtype=np.float32)).dtype == torch.float64
    for values, error, words in (
        (torch.zeros(3, 1, 2), ValueError, r"x must be of shape \(n, d\); got \(3, 1, 2\)"),
        (torch.zeros(1, 2), ValueError, "x must be at least 2 rows; got 1"),
        (torch.full((2, 2), torch.nan), ValueError, "x must be finite"),
        (torch.zeros(2, 2).long(), TypeError, "x must be a float tensor; got torch.int64"),
        ("nothing", TypeError, "x must be a float tensor; got str"),
    ):
        with pytest.raises(error, match=words):
            arguments.points("x", values, least=2)


def test_probabilities_and_the_unit_range():
    with pytest.raises(ValueError, match=r"p must be probabilities .* sum to 0\.9"):
        arguments.probabilities("p", torch.tensor([0.5, 0.4]))
    with pytest.raises(ValueError, match=r"the least is -0\.5"):
        arguments.probabilities("p", torch.tensor([1.5, -0.5]))
    with pytest.raises(ValueError, match="map a tanh output"):
        arguments.unit_range("images", torch.tensor([-1.0, 1.0]))
