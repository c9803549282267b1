"""The CNN beside the DQN for pixels, and what each part of the DQN is worth: notebook 11's table.

Run `python benchmarks/11_super_resolution.py`, or `python course.py study 11`. It writes
results/11_super_resolution.csv.
"""

import time
from collections.abc import Mapping
from dataclasses import replace
from functools import cache

import torch
from tables import write_table

from dqngan_lib.data import digits
from dqngan_lib.filters import SUPER_RESOLUTION, ActionSet
from dqngan_lib.pixel_dqn import PIXEL_AGENT, PIXEL_TRAINING, train_editor
from dqngan_lib.pixel_editor import edit
from dqngan_lib.pixel_networks import PixelRegressor
from dqngan_lib.restoration import digit_report, enlarge, regress, shrink, train_regressor

CNN_SECONDS = 13.0
"""CPU seconds of the CNN: half of what the notebook's DQN took (26) where the table was made."""

SHORT = 200
"""Gradient steps of the DQN in the rows that change something, all on 7 → 28."""

LOOK = 500
"""Test digits on which those rows are scored; the CNN sees all 2,000."""

PARTS: dict[str, dict] = {
    "γ = 0.5": {},
    "γ = 0": {"agent": replace(PIXEL_AGENT, discount=0.0)},
    "γ = 1": {"agent": replace(PIXEL_AGENT, discount=1.0)},
    "neighbours": {"share": 0.5},
    "steps of ±64 alone": {"actions": ActionSet((64,))},
    "one step": {"max_steps": 1},
}
VARIANTS = (*PARTS, "14 → 28, CNN", "7 → 28, CNN")

_data = digits()


@cache
def _starts(factor: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return bicubic pictures of the training and of the test digits."""
    images = _data.train_images, _data.test_images
    return tuple(enlarge(shrink(pictures, factor), factor) for pictures in images)


def _restored_by_dqn(seed: int, **changes: object) -> torch.Tensor:
    """Train a DQN on 7 → 28 with something changed; return restored test digits."""
    learn, start = _starts(4)
    actions = changes.get("actions", SUPER_RESOLUTION)
    training = replace(PIXEL_TRAINING, steps=8 * SHORT, evaluate_every=2 * SHORT)
    settings = {"training": training, "held_out": 50, "seed": seed} | changes
    agent, _ = train_editor(learn, _data.train_images, **{"actions": actions} | settings)
    return edit(agent.act, start[:LOOK], actions, steps=changes.get("max_steps", 5)).result


def _restored_by_cnn(factor: int, seed: int) -> torch.Tensor:
    """Train a regressor; return restored test digits."""
    learn, start = _starts(factor)
    torch.manual_seed(seed)
    network = PixelRegressor()
    train_regressor(network, learn, _data.train_images, seconds=CNN_SECONDS, seed=seed)
    return regress(network, start)


def run(variant: str, seed: int) -> Mapping[str, float]:
    """Train one variant on one seed and score it on the test digits."""
    began = time.process_time()
    if variant in PARTS:
        pictures = _restored_by_dqn(seed, **PARTS[variant])
    else:
        pictures = _restored_by_cnn(2 if variant.startswith("14") else 4, seed)
    seconds = time.process_time() - began
    originals, labels = _data.test_images[: len(pictures)], _data.test_labels[: len(pictures)]
    return {**digit_report(pictures, originals, labels), "seconds": seconds}


if __name__ == "__main__":
    write_table("11_super_resolution", VARIANTS, run)
