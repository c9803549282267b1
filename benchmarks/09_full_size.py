"""Digits at 28 × 28 in two cuts, many small patches or few large ones: a table of notebook 09.

Run `python benchmarks/09_full_size.py`, or `python3 course.py study 09`. It writes
results/09_full_size.csv.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import torch
from recipes import PATCHES
from tables import write_table
from torch import Tensor

from dqngan_lib.course.data import digits
from dqngan_lib.dqngan.agent import DQNGAN
from dqngan_lib.dqngan.networks import CausalTransformer, train_by_likelihood
from dqngan_lib.dqngan.patch_canvas import PatchCanvas, fit_codebook, reconstruction
from dqngan_lib.dqngan.play import generate
from dqngan_lib.dqngan.training import DQNGANTrainSettings, train_dqngan
from dqngan_lib.metrics.digits import digit_scores

SHORT, LONG = 400, 1_500
"""Rounds, or updates."""


@dataclass
class Variant:
    """One row: how pictures are cut, and how often what learns."""

    patch: int
    """Side of a patch in pixels."""
    count: int
    """K, the patches of the codebook."""
    rounds: int = 0
    """Rounds of the DQN-GAN."""
    likelihood: int = 0
    """Updates of maximum likelihood."""


VARIANTS = {
    "49 patches of 4 × 4: codebook": Variant(4, 64),
    "49 patches: maximum likelihood": Variant(4, 64, likelihood=SHORT),
    "49 patches: DQN-GAN": Variant(4, 64, rounds=SHORT),
    "16 patches of 7 × 7: codebook": Variant(7, 512),
    "16 patches: maximum likelihood": Variant(7, 512, likelihood=SHORT),
    "16 patches: DQN-GAN": Variant(7, 512, rounds=SHORT),
    "16 patches: maximum likelihood, 1,500": Variant(7, 512, likelihood=LONG),
    "16 patches: DQN-GAN, 1,500": Variant(7, 512, rounds=LONG),
}


@cache
def prepared(patch: int, count: int) -> tuple[Tensor, Tensor]:
    """Return a codebook, and the episodes of the training digits."""
    images = digits().train_images
    codebook = fit_codebook(images, patch=patch, count=count, seed=0)
    return codebook, PatchCanvas(1, codebook, grid=28 // patch).episodes(images)


def run(name: str, seed: int) -> Mapping[str, float]:
    """Train one variant on one seed and score 2,000 pictures."""
    variant, data = VARIANTS[name], digits()
    codebook, tokens = prepared(variant.patch, variant.count)
    grid = 28 // variant.patch
    started = time.process_time()
    torch.manual_seed(seed)
    network = CausalTransformer(codebook, grid**2)
    if variant.likelihood:
        train_by_likelihood(network, tokens, variant.likelihood, seed=seed)
    if variant.rounds:
        judge = CausalTransformer(codebook, grid**2, dropout=0.1)
        agent = DQNGAN(network, judge, PATCHES, seed)
        budget = DQNGANTrainSettings(
            updates=variant.rounds,
            branch_share=0.5,
            learning_rate_end=0.1,
            evaluate_every=min(250, variant.rounds),
        )
        real = {"observation": tokens[:, :-1], "action": tokens[:, 1:]}
        torch.manual_seed(seed)
        envs = PatchCanvas(64, codebook, grid=grid)
        train_dqngan(agent, envs, real, settings=budget, seed=seed)
        network = agent.slow_network
    seconds = time.process_time() - started
    if variant.rounds or variant.likelihood:
        canvas = PatchCanvas(2_000, codebook, grid=grid)
        images = canvas.pictures(generate(network, canvas, seed=seed))
    else:
        images = reconstruction(data.test_images, codebook)
    scores = digit_scores(images, data.test_images)
    names = {"digit-FID": "digit_fid", "class entropy": "class_entropy", "recall": "recall"}
    return {column: scores[score] for score, column in names.items()} | {"seconds": seconds}


if __name__ == "__main__":
    write_table("09_full_size", tuple(VARIANTS), run)
