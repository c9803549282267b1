"""What each part of the DQN for pixels is worth, on 7 → 28: the table of notebook 11.

Run `python benchmarks/11_super_resolution.py`, or `python3 course.py study 11`. It writes
results/11_super_resolution.csv.
"""

import time
from collections.abc import Mapping
from dataclasses import replace
from functools import cache

import torch
from tables import write_table

from dqngan_lib.applications.pixels.agent import PIXEL_AGENT, PIXEL_TRAINING, train_editor
from dqngan_lib.applications.pixels.editor import edit
from dqngan_lib.applications.pixels.filters import SUPER_RESOLUTION, ActionSet
from dqngan_lib.applications.pixels.restoration import digit_report, enlarge, shrink
from dqngan_lib.course.data import digits

UPDATES = 300
"""Gradient steps of a run, fewer than a third of the notebook's."""

LONG = 1_000
"""Gradient steps of the runs that are named so: as many as in the notebook."""

LOOK = 500
"""Test digits on which each run is scored."""

PARTS: dict[str, dict] = {
    "γ = 0.5": {},
    "γ = 0": {"agent": replace(PIXEL_AGENT, discount=0.0)},
    "γ = 1": {"agent": replace(PIXEL_AGENT, discount=1.0)},
    "neighbours": {"share": 0.5},
    "γ = 1, neighbours": {"agent": replace(PIXEL_AGENT, discount=1.0), "share": 0.5},
    "steps of ±64 alone": {"actions": ActionSet((64,))},
    "one step": {"max_steps": 1},
    "γ = 0.5, 1,000 updates": {"updates": LONG},
    "γ = 0, 1,000 updates": {"agent": replace(PIXEL_AGENT, discount=0.0), "updates": LONG},
    "one step, 1,000 updates": {"max_steps": 1, "updates": LONG},
}

_data = digits()


@cache
def _starts() -> tuple[torch.Tensor, torch.Tensor]:
    """Return bicubic pictures of the training and of the test digits."""
    images = _data.train_images, _data.test_images[:LOOK]
    return tuple(enlarge(shrink(pictures, 4), 4) for pictures in images)


def run(variant: str, seed: int) -> Mapping[str, float]:
    """Train a DQN on 7 → 28 with something changed, and score it on test digits."""
    learn, start = _starts()
    settings = {"actions": SUPER_RESOLUTION, "max_steps": 5, "updates": UPDATES} | PARTS[variant]
    actions, updates = settings.pop("actions"), settings.pop("updates")
    training = replace(PIXEL_TRAINING, steps=8 * updates, evaluate_every=2 * updates)
    began = time.process_time()
    agent, _ = train_editor(
        learn, _data.train_images, actions, training=training, held_out=50, seed=seed, **settings
    )
    seconds = time.process_time() - began
    made = edit(agent.act, start, actions, steps=settings["max_steps"]).result
    scores = digit_report(made, _data.test_images[:LOOK], _data.test_labels[:LOOK])
    return {**scores, "seconds": seconds}


if __name__ == "__main__":
    write_table("11_super_resolution", tuple(PARTS), run)
