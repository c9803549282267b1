"""Imagine, then paint: a conditional GAN makes a picture, and a DQN that copies draws it.

Both stages learn from finished pictures alone. The GAN has a slope through its pixels and no pen;
the copier has a pen and a reward after each stroke. So the hard part of drawing on request, a
reward at the end alone, is gone: the picture to copy is there before the first stroke.
"""

from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from dqngan_lib.applications.strokes.canvas import CopyCanvas, pictures
from dqngan_lib.applications.strokes.drawing import NO_OP
from dqngan_lib.course.arguments import require
from dqngan_lib.course.data import load_weights
from dqngan_lib.dqn.agent import DQN
from dqngan_lib.environments.rollout import Rollout
from dqngan_lib.gan.networks import ImageGenerator

WEIGHTS = Path(__file__).resolve().parents[2] / "weights" / "digit_generator.pt"
"""Made by `tools/make_digit_generator.py` from the 8,000 training digits."""

WEIGHTS_SHA256 = "abd00669771d891c2ed914750797658489e0de660d1452ec91f7dfae42e217b5"
"""SHA-256 of the file `WEIGHTS`."""


@cache
def load_generator() -> ImageGenerator:
    """Return notebook 05's conditional generator, with weights that no optimiser can change.

    Raises:
        FileNotFoundError: The file of weights is missing.
        ValueError: The file of weights is damaged.
    """
    return load_weights(lambda: ImageGenerator(classes=10), WEIGHTS, WEIGHTS_SHA256)


@torch.no_grad()
def imagine(
    generator: ImageGenerator, asked: Tensor, spread: float = 1.0, seed: int = 0, part: int = 250
) -> Tensor:
    """Return pictures of the classes asked for, float `(n, 1, 28, 28)` in [0, 1].

    Args:
        generator: A conditional generator, in evaluation mode.
        asked: The classes, int64 `(n,)`.
        spread: What the noise is multiplied by, ≥ 0. Below 1 the pictures are safer and less
            varied, as with a temperature below 1 (Brock et al. 2019, 1809.11096, truncate instead).
        seed: Seed of the noise.
        part: Pictures worked on together.
    """
    require(spread >= 0, "spread", spread, ">= 0")
    rng = torch.Generator().manual_seed(int(seed))
    noise = spread * torch.randn(len(asked), generator.noise_size, generator=rng)
    pairs = zip(noise.split(part), asked.split(part), strict=True)
    return torch.cat([generator(z, labels) for z, labels in pairs])


def copy_pictures(copier: DQN, images: Tensor, strokes: int = 12, part: int = 100) -> Tensor:
    """Return the copies that a DQN draws with its greatest Q-values, float `(n, 1, 28, 28)`.

    Args:
        copier: Trained on `CopyCanvas`.
        images: What to copy, float `(n, 1, 28, 28)` in [0, 1].
        strokes: The greatest number of strokes.
        part: Pictures worked on together: what a processor's cache likes.
    """
    return torch.cat([_copy(copier, some, strokes) for some in images.split(part)])


def _copy(copier: DQN, images: Tensor, strokes: int) -> Tensor:
    rollout = Rollout(CopyCanvas(len(images), images, strokes, in_order=True))
    observation, copies = rollout.start(), torch.zeros_like(images)
    running = torch.ones(len(images), dtype=torch.bool)
    while running.any():
        # A finished canvas starts anew at once; what happens there is not looked at.
        action = torch.full((len(images),), NO_OP)
        action[running] = copier.act(observation[running])
        step = rollout.step(action)
        ended = running & step.terminated
        copies[ended] = pictures(step.next_observation[ended])
        running, observation = running & ~ended, rollout.observation
    return copies
