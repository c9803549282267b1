"""Digits from noise on three seeds, and what goes wrong: the table of notebook 05, section 9.

Run `python benchmarks/05_image_gan.py`, or `python3 course.py study 05`.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from recipes import DCGAN
from tables import write_table
from torch import nn

from dqngan_lib.course.data import digits
from dqngan_lib.gan.model import GAN, GANSettings
from dqngan_lib.gan.networks import ImageDiscriminator, ImageGenerator
from dqngan_lib.gan.training import GANTrainSettings, train_gan
from dqngan_lib.metrics.digits import digit_fid, digit_scores

ASKED = replace(DCGAN, mismatch=0.5)
SPECTRAL = GANSettings(loss="hinge", mismatch=0.5)
"""Rates of 5e-4, β₂ = 0.999, average 0.999: DCGAN's customs, for a critic with spectral norm."""


@dataclass(frozen=True)
class Variant:
    """What a row of the table trains."""

    settings: GANSettings
    """How the pair learns."""
    classes: int = 10
    """0 for digits that nobody asks for."""
    updates: int = 750
    """Rounds, with both rates falling to 0 at the end."""
    spectral: bool = False
    """Whether the discriminator has spectral norm."""
    quiet: bool = False
    """Whether its class vectors start as small as the weights of a linear layer."""


VARIANTS = {
    "without labels": Variant(DCGAN, classes=0, updates=1_500),
    "without labels, longer": Variant(DCGAN, classes=0, updates=2_000),
    "with labels": Variant(ASKED),
    "no wrong labels": Variant(DCGAN),
    "no R1": Variant(replace(ASKED, penalty="none", penalty_weight=0.0)),
    "spectral norm, hinge": Variant(SPECTRAL, spectral=True),
    "small class vectors": Variant(ASKED, quiet=True),
}


def variance_within(images: torch.Tensor, classes: int) -> float:
    """Return the summed variance of the pixels within a class; labels 0, 1, … in turn."""
    return images.unflatten(0, (-1, max(1, classes))).var(0).sum((1, 2, 3)).mean().item()


def run(name: str, seed: int) -> Mapping[str, float]:
    """Train one variant on one seed and return its scores."""
    variant, data = VARIANTS[name], digits()
    torch.manual_seed(seed)
    generator = ImageGenerator(classes=variant.classes)
    discriminator = ImageDiscriminator(classes=variant.classes, spectral=variant.spectral)
    if variant.quiet:
        nn.init.normal_(
            discriminator.embedding.weight, std=discriminator.embedding.embedding_dim**-0.5
        )
    gan = GAN(generator, discriminator, variant.settings, seed)
    started = time.process_time()
    train_gan(
        gan,
        data.train_images,
        data.train_labels if variant.classes else None,
        settings=GANTrainSettings(
            updates=variant.updates, learning_rate_end=0.0, evaluate_every=variant.updates
        ),
        seed=seed,
    )
    spent = time.process_time() - started
    labels = torch.arange(2_000) % 10 if variant.classes else None
    made = gan.sample(2_000, labels, seed=seed + 20_000)
    last = gan.sample(2_000, labels, seed=seed + 20_000, averaged=False)
    scores = digit_scores(made, data.test_images, labels=labels, training=data.train_images)
    return {
        "digit_fid": scores["digit-FID"],
        "last": digit_fid(last, data.test_images),
        "entropy": scores["class entropy"],
        "precision": scores["precision"],
        "recall": scores["recall"],
        "closer": scores["closer"],
        "copies": scores["copies"],
        "accuracy": scores.get("conditional accuracy", float("nan")),
        "variance": variance_within(made, variant.classes),
        "cpu_seconds": spent,
    }


if __name__ == "__main__":
    write_table("05_image_gan", tuple(VARIANTS), run)
