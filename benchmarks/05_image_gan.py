"""Digits from noise on three seeds, and what goes wrong: the table of notebook 05, section 9.

Run `python benchmarks/05_image_gan.py`, or `python course.py study 05`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from tables import write_table
from torch import nn

from dqngan_lib.data import digits
from dqngan_lib.gan import GAN, GANSettings, GANTrainSettings, train_gan
from dqngan_lib.image_networks import ImageDiscriminator, ImageGenerator
from dqngan_lib.latent_widgets import draw
from dqngan_lib.metrics import conditional_accuracy, digit_fid, digit_scores

RECIPE = GANSettings(
    generator_rate=2e-3,
    discriminator_rate=2e-3,
    beta_2=0.99,
    average=0.995,
    penalty="r1",
    penalty_weight=0.1,
    penalty_every=8,
)
BUDGET = GANTrainSettings(updates=2_000, learning_rate_end=0.0, evaluate_every=250)
SHORT = replace(BUDGET, updates=500)


@dataclass(frozen=True)
class Variant:
    """What a row of the table trains."""

    classes: int = 10
    """0 for digits that nobody asks for."""
    loud: bool = False
    """Whether the discriminator's class vectors start as torch would have them."""
    short: bool = False
    """Whether it stops after 500 updates, with the learning rates falling to 0 by then."""


VARIANTS = {
    "unconditional": Variant(classes=0),
    "conditional": Variant(),
    "conditional, 500 updates": Variant(short=True),
    "the same, loud class vectors": Variant(short=True, loud=True),
}


def run(name: str, seed: int) -> Mapping[str, float]:
    """Train one variant on one seed and return its scores."""
    variant, data = VARIANTS[name], digits()
    torch.manual_seed(seed)
    generator = ImageGenerator(classes=variant.classes)
    discriminator = ImageDiscriminator(classes=variant.classes, spectral=False)
    if variant.loud:
        nn.init.normal_(discriminator.embedding.weight)
    gan = GAN(generator, discriminator, RECIPE, seed)
    train_labels = data.train_labels if variant.classes else None
    labels = torch.arange(2_000) % 10 if variant.classes else None
    on_the_way = []

    def look(gan: GAN) -> float:
        """Note the variance within a class (or among all) and how many digits were obeyed."""
        images = gan.sample(2_000, labels, seed=seed + 10_000)
        groups = images.unflatten(0, (-1, 10 if variant.classes else 1))
        obeyed = conditional_accuracy(images, labels) if variant.classes else float("nan")
        on_the_way.append((groups.var(0).sum((1, 2, 3)).mean().item(), obeyed))
        return on_the_way[-1][0]

    history = train_gan(
        gan,
        data.train_images,
        train_labels,
        evaluate=look,
        settings=SHORT if variant.short else BUDGET,
        seed=seed,
    )
    made = gan.sample(2_000, labels, seed=seed + 20_000)
    last = gan.sample(2_000, labels, seed=seed + 20_000, averaged=False)
    noise = torch.randn(2_000, 64, generator=torch.Generator().manual_seed(seed + 20_000))
    short = digit_scores(draw(gan, 0.7 * noise, labels), data.test_images, labels=labels)
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
        "digit_fid_07": short["digit-FID"],
        "recall_07": short["recall"],
        "accuracy_07": short.get("conditional accuracy", float("nan")),
        "variance_500": on_the_way[1][0],
        "accuracy_500": on_the_way[1][1],
        "variance": on_the_way[-1][0],
        "seconds": history.seconds[-1],
    }


if __name__ == "__main__":
    write_table("05_image_gan", tuple(VARIANTS), run)
