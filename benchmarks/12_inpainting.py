"""Holes filled with a discriminator's word of several weights, and by a CNN: notebook 12's table.

Run `python benchmarks/12_inpainting.py`, or `python3 course.py study 12`. It writes
results/12_inpainting.csv.
"""

import time
from collections.abc import Mapping
from functools import cache

import torch
from tables import write_table

from dqngan_lib.applications.pixels.critic import (
    FILLING_TRAINING,
    FURTHER_TRAINING,
    CriticDQN,
    new_filler,
    train_filler,
)
from dqngan_lib.applications.pixels.editor import edit
from dqngan_lib.applications.pixels.filters import FILLING
from dqngan_lib.applications.pixels.inpainting import (
    HoleRegressor,
    cut_holes,
    fill_report,
    square_holes,
)
from dqngan_lib.applications.pixels.restoration import regress, train_regressor
from dqngan_lib.course.data import digits
from dqngan_lib.dqn.training import TrainSettings

WEIGHTS = (0.0, 2.0, 4.0, 8.0)
"""λ: each goes on from the same agent, trained with λ = 0, for equally many updates."""

CNN_UPDATES = 2_000
"""Gradient steps of the CNN, with 16 pictures each."""

LOOK = 1_000
"""Test digits that are scored."""

VARIANTS = (*(f"λ = {weight:g}" for weight in WEIGHTS), "CNN")

HELD_OUT = 500
"""The last training digits: for choices, and for the curves during training."""

_data = digits()
_digits = _data.train_images[:-HELD_OUT]


def _holes(seed: int) -> torch.Tensor:
    """Return holes for all training digits."""
    return square_holes(len(_data.train_images), 10, seed=seed + 100)


def _train(filler: CriticDQN, training: TrainSettings, seed: int) -> CriticDQN:
    """Train pixels as the notebook does."""
    held_out = _data.train_images[-HELD_OUT:][:200]
    train_filler(filler, held_out, _holes(seed)[-HELD_OUT:][:200], training, seed=seed)
    return filler


@cache
def _careful(seed: int) -> CriticDQN:
    """Return the agent from which all weights go on."""
    filler = new_filler(_digits, _holes(seed)[:-HELD_OUT], seed=seed)
    return _train(filler, FILLING_TRAINING, seed)


def _by_dqn(weight: float, seed: int, start: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """Train on from the careful agent with one weight; return filled test digits."""
    learn = _digits, _holes(seed)[:-HELD_OUT]
    filler = new_filler(*learn, weight, begin=_careful(seed), seed=seed)
    agent = _train(filler, FURTHER_TRAINING, seed)
    return edit(agent.act, start, FILLING, masks=masks).result


def _by_cnn(seed: int, start: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """Train a regressor; return filled test digits."""
    learn_masks = _holes(seed)[:-HELD_OUT]
    torch.manual_seed(seed)
    network = HoleRegressor()
    planes = torch.cat([cut_holes(_digits, learn_masks), learn_masks.float()], 1)
    train_regressor(network, planes, _digits, updates=CNN_UPDATES, seed=seed)
    return regress(network, torch.cat([start, masks.float()], 1))


def run(variant: str, seed: int) -> Mapping[str, float]:
    """Train one variant on one seed and score it; the seconds leave out the common beginning."""
    originals, labels = _data.test_images[:LOOK], _data.test_labels[:LOOK]
    masks = square_holes(LOOK, 10, seed=12)
    start = cut_holes(originals, masks)
    if variant != "CNN":
        _careful(seed)
    began = time.process_time()
    if variant == "CNN":
        pictures = _by_cnn(seed, start, masks)
    else:
        pictures = _by_dqn(float(variant.removeprefix("λ = ")), seed, start, masks)
    seconds = time.process_time() - began
    return {**fill_report(pictures, originals, labels, masks), "seconds": seconds}


if __name__ == "__main__":
    write_table("12_inpainting", VARIANTS, run)
