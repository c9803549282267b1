"""Holes filled by the pixels' DQN and by CNNs, with a discriminator and without: 12's table.

Run `python benchmarks/12_inpainting.py`, or `python3 course.py study 12`. It writes
results/12_inpainting.csv.
"""

import sys
import time
from collections.abc import Mapping
from functools import cache

import torch
from tables import write_table

from dqngan_lib.applications.pixels.context_encoder import train_context_encoder
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

WEIGHTS = (0.0, 4.0)
"""λ: each goes on from the same agent, trained with λ = 0, for equally many updates."""

CNN_UPDATES = 2_000
"""Gradient steps of the CNN, with 16 pictures each."""

EQUAL_UPDATES = 1_050
"""The same with as many pictures as the DQN sees in its 2,100 updates, with 8 each."""

CRITIC_WEIGHT = 0.003
"""What a discriminator's loss counts beside the CNN's squared error. Of 0.0003, 0.001, 0.003 and
0.01 it gave the least digit-FID on the 500 training digits that are kept apart (`--tune`)."""

LOOK = 1_000
"""Test digits that are scored."""

VARIANTS = (
    *(f"λ = {weight:g}" for weight in WEIGHTS),
    "CNN",
    "CNN, equal pictures",
    "CNN, discriminator",
)

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


def _by_cnn(
    seed: int, start: torch.Tensor, masks: torch.Tensor, updates: int, weight: float | None = None
) -> torch.Tensor:
    """Train a CNN, with a discriminator of some weight or without; return filled digits."""
    learn_masks = _holes(seed)[:-HELD_OUT]
    torch.manual_seed(seed)
    network = HoleRegressor()
    if weight is not None:
        settings = {"updates": updates, "weight": weight, "seed": seed}
        train_context_encoder(network, _digits, learn_masks, **settings)
        return regress(network, torch.cat([start, masks.float()], 1))
    planes = torch.cat([cut_holes(_digits, learn_masks), learn_masks.float()], 1)
    train_regressor(network, planes, _digits, updates=updates, seed=seed)
    return regress(network, torch.cat([start, masks.float()], 1))


def run(variant: str, seed: int) -> Mapping[str, float]:
    """Train one variant on one seed and score it; the seconds leave out the common beginning."""
    originals, labels = _data.test_images[:LOOK], _data.test_labels[:LOOK]
    masks = square_holes(LOOK, 10, seed=12)
    start = cut_holes(originals, masks)
    if variant.startswith("λ"):
        _careful(seed)
    began = time.process_time()
    if variant.startswith("λ"):
        pictures = _by_dqn(float(variant.removeprefix("λ = ")), seed, start, masks)
    else:
        updates = CNN_UPDATES if variant == "CNN" else EQUAL_UPDATES
        weight = CRITIC_WEIGHT if variant == "CNN, discriminator" else None
        pictures = _by_cnn(seed, start, masks, updates, weight)
    seconds = time.process_time() - began
    return {**fill_report(pictures, originals, labels, masks), "seconds": seconds}


def tune() -> None:
    """Print what each weight of the discriminator gives on training digits that are kept apart."""
    originals, labels = _data.train_images[-HELD_OUT:], _data.train_labels[-HELD_OUT:]
    masks = _holes(100)[-HELD_OUT:]
    start = cut_holes(originals, masks)
    for weight in (0.0003, 0.001, 0.003, 0.01):
        pictures = _by_cnn(100, start, masks, EQUAL_UPDATES, weight)
        print(weight, fill_report(pictures, originals, labels, masks), flush=True)


if __name__ == "__main__":
    if "--tune" in sys.argv:
        tune()
        sys.exit()
    write_table("12_inpainting", VARIANTS, run)
