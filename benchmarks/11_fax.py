"""A score without a gradient, bytes of a fax and wrong pixels: the second table of notebook 11.

Run `python benchmarks/11_fax.py`, or `python3 course.py study 11`. It writes results/11_fax.csv.
Each seed has its own CNN; all rows of a seed begin with that CNN's answers. `asked` is how often
the fax was asked, in training and for the 2,000 test digits together; questions for the settings
of the first two rows and for the scores are not counted.
"""

from collections.abc import Callable, Mapping
from functools import cache

import torch
from tables import write_table
from torch import Tensor

from dqngan_lib.applications.pixels.fax import Fax, fax_score, flip_pixels, train_flips
from dqngan_lib.applications.pixels.fax_rivals import (
    search_flips,
    smooth_and_cut,
    train_reinforce,
    tune_cut,
)
from dqngan_lib.applications.pixels.networks import PixelRegressor
from dqngan_lib.applications.pixels.restoration import enlarge, regress, shrink, train_regressor
from dqngan_lib.course.data import digits

LEARN = 3_000
"""Training digits whose answers the rows learn from."""

_data = digits()


@cache
def answers(seed: int) -> tuple[Tensor, Tensor]:
    """Return what the notebook's CNN makes of training and of test digits, from 7 × 7."""
    starts = [enlarge(shrink(x, 4), 4) for x in (_data.train_images, _data.test_images)]
    torch.manual_seed(seed)
    cnn = PixelRegressor()
    train_regressor(cnn, starts[0], _data.train_images, updates=1_000, batch_size=8, seed=seed)
    return regress(cnn, starts[0][:LEARN]), regress(cnn, starts[1])


@cache
def cuts(seed: int) -> tuple[Tensor, Tensor]:
    """Return both sets of answers smoothed and cut, with the best settings on training digits."""
    learn, test = answers(seed)
    best = tune_cut(learn[:200], _data.train_images[:200])
    return smooth_and_cut(learn, *best), smooth_and_cut(test, *best)


@cache
def dqn(seed: int) -> tuple[Tensor, int]:
    """Return what the DQN makes of the test digits, and how often it has asked."""
    (learn, test), (start, begin), fax = answers(seed), cuts(seed), Fax()
    agent, _ = train_flips(learn, start, _data.train_images[:LEARN], fax, seed=seed)
    return flip_pixels(agent.act, test, begin).result, fax.asked


def cut(seed: int, smooth: bool) -> tuple[Tensor, int]:
    """Return the answers cut at ½, or smoothed and cut."""
    return (cuts(seed)[1] if smooth else smooth_and_cut(answers(seed)[1], 0, 0.5)), 0


def search(seed: int, times: float) -> tuple[Tensor, int]:
    """Return what a search makes of each picture with so many times the DQN's questions."""
    fax, test = Fax(), answers(seed)[1]
    tries = round(times * dqn(seed)[1] / len(test)) - 1  # one question is for the start
    return search_flips(test, cuts(seed)[1], fax, max(tries, 0)), fax.asked


def reinforce(seed: int) -> tuple[Tensor, int]:
    """Return what REINFORCE makes with as many questions as the DQN had."""
    (learn, test), (start, begin), fax = answers(seed), cuts(seed), Fax()
    policy = train_reinforce(
        learn,
        start,
        _data.train_images[:LEARN],
        fax,
        queries=dqn(seed)[1],
        seed=seed,
    )
    return flip_pixels(policy.act, test, begin).result, fax.asked


ROWS: dict[str, Callable[[int], tuple[Tensor, int]]] = {
    "CNN, cut at ½": lambda seed: cut(seed, smooth=False),
    "CNN, smoothed and cut": lambda seed: cut(seed, smooth=True),
    "REINFORCE": reinforce,
    "search, as many questions": lambda seed: search(seed, 1),
    "search, four times as many": lambda seed: search(seed, 4),
    "DQN": dqn,
}


def run(variant: str, seed: int) -> Mapping[str, float]:
    """Make one row."""
    pictures, asked = ROWS[variant](seed)
    return {**fax_score(pictures, _data.test_images, Fax()), "asked": asked}


if __name__ == "__main__":
    write_table("11_fax", tuple(ROWS), run)
