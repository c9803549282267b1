"""Train notebook 05's conditional GAN on the 8,000 training digits and write its generator.

    python -m tools.make_digit_generator [--to FILE] [--updates 1500] [--seed 0]

Notebook 10 lets a DQN paint what this generator imagines. Deterministic on one machine; another
processor or version of torch may round differently, so
`dqngan_lib.applications.strokes.two_stages` names the checksum of the file that was made and is in
use.
"""

import argparse
import time
from pathlib import Path

import torch

from dqngan_lib.applications.strokes.two_stages import WEIGHTS, imagine
from dqngan_lib.course.data import Digits, digits
from dqngan_lib.gan.model import GAN, GANSettings
from dqngan_lib.gan.networks import ImageDiscriminator, ImageGenerator
from dqngan_lib.gan.training import GANTrainSettings, train_gan
from dqngan_lib.metrics.digits import conditional_accuracy, digit_fid
from tools.weights import as_stored, store

SETTINGS = GANSettings(
    generator_rate=2e-3,
    discriminator_rate=2e-3,
    beta_2=0.99,
    average=0.995,
    penalty="r1",
    penalty_weight=0.1,
    penalty_every=8,
    mismatch=0.25,
)
"""Those of notebook 05; half as many wrong labels cost few right classes and keep more variety."""


def train(data: Digits, updates: int, seed: int) -> ImageGenerator:
    """Train the pair, with learning rates that fall to 0, and return the averaged generator."""
    torch.manual_seed(seed)
    pair = ImageGenerator(classes=10), ImageDiscriminator(classes=10, spectral=False)
    gan = GAN(*pair, SETTINGS, seed)
    budget = GANTrainSettings(updates=updates, learning_rate_end=0.0, evaluate_every=updates)
    train_gan(gan, data.train_images, data.train_labels, settings=budget, seed=seed)
    return gan.averaged.module.eval().requires_grad_(False)


def main() -> None:
    """Train, measure, and write the weights as float16."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--to", type=Path, default=WEIGHTS)
    parser.add_argument("--updates", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    data, start = digits(), time.process_time()
    generator = train(data, options.updates, options.seed)
    seconds = time.process_time() - start
    state = as_stored(generator)
    asked = torch.arange(2_000) % 10
    made = imagine(generator, asked, seed=options.seed + 1)
    print(
        f"{conditional_accuracy(made, asked):.2%} as asked for, "
        f"digit-FID {digit_fid(made, data.test_images):.1f}"
    )
    store(state, options.to, f"{seconds:.0f} CPU seconds of one core")


if __name__ == "__main__":
    main()
