"""Digits on request, stroke by stroke and pixel by pixel: the table of notebook 10, section 8.

Run `python benchmarks/10_painting_agent.py`, or `python3 course.py study 10`. It writes
results/10_painting_agent.csv: every painter, and the DCGAN beside them, on three seeds.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache

import torch
from recipes import DCGAN
from tables import write_table
from torch import Tensor, nn

from dqngan_lib.applications.strokes.canvas import StrokeCanvas, pictures, real_steps
from dqngan_lib.applications.strokes.drawing import paint_greedily
from dqngan_lib.applications.strokes.finished import FinishedPainter
from dqngan_lib.applications.strokes.networks import StrokeNetwork
from dqngan_lib.applications.strokes.training import train_on_pictures
from dqngan_lib.course.data import digits
from dqngan_lib.dqn.replay import Batch
from dqngan_lib.dqngan.agent import DQNGAN
from dqngan_lib.dqngan.play import generate
from dqngan_lib.dqngan.sampler import move_average
from dqngan_lib.dqngan.settings import DQNGANSettings
from dqngan_lib.dqngan.training import DQNGANTrainSettings, train_dqngan
from dqngan_lib.gan.model import GAN
from dqngan_lib.gan.networks import ImageDiscriminator, ImageGenerator
from dqngan_lib.gan.training import GANTrainSettings, train_gan
from dqngan_lib.metrics.digits import conditional_accuracy, digit_fid

LEARNING = DQNGANSettings(
    reward="prefix",
    expected_fakes=True,
    q_rate=2e-3,
    discriminator_rate=2e-3,
    sampler_memory=0.97,
    slow_memory=0.997,
)
ROUNDS = DQNGANTrainSettings(
    updates=1_600,
    batch_size=128,
    q_share=0.25,
    steps_per_round=1,
    replay_rounds=80,
    newest_share=0.0,
    branch_share=0.75,
    learning_rate_end=0.3,
    evaluate_every=400,
)
ASKED = torch.arange(2_000) % 10
TEMPERATURES = (1.0, 0.7, 0.5, 0.35)


@cache
def drawings() -> Batch:
    """Return the real episodes: greedy repaintings of 6,000 training digits."""
    data = digits()
    painted = paint_greedily(data.train_images[:6_000], strokes=10, least_gain=0.5)
    return real_steps(painted.actions, data.train_labels[:6_000])


def scores(make: Callable[[float], Tensor]) -> dict[str, float]:
    """Return class accuracy and digit-FID at temperature 1 and at the best temperature.

    Args:
        make: From a temperature to 2,000 pictures of the classes `ASKED`.
    """
    measured = {}
    for temperature in TEMPERATURES:
        images = make(temperature)
        fid = digit_fid(images, digits().test_images)
        measured[temperature] = conditional_accuracy(images, ASKED), fid
    return {
        "accuracy_1": measured[1.0][0],
        "fid_1": measured[1.0][1],
        "accuracy_best": max(accuracy for accuracy, _ in measured.values()),
        "fid_best": min(fid for _, fid in measured.values()),
    }


def painter_scores(network: nn.Module, seed: int) -> dict[str, float]:
    """Return the scores of a network that draws with strokes."""
    sheets = StrokeCanvas(len(ASKED))
    return scores(lambda tau: pictures(generate(network, sheets, tau, ASKED, seed + 1)))


def train_painter(learning: DQNGANSettings, rounds: DQNGANTrainSettings, seed: int) -> DQNGAN:
    """Train a painting agent against a discriminator."""
    torch.manual_seed(seed)
    agent = DQNGAN(StrokeNetwork(), StrokeNetwork(dropout=0.2), learning, seed)
    train_dqngan(agent, StrokeCanvas(32), drawings(), settings=rounds, seed=seed)
    return agent


def train_on_finished(seed: int) -> nn.Module:
    """Train the painter of notebook 10 on finished digits alone; nobody's strokes are used."""
    torch.manual_seed(seed)
    judge = ImageDiscriminator(classes=10, spectral=False)
    painter = FinishedPainter(StrokeNetwork(), judge, seed=seed)
    data = digits()
    train_on_pictures(painter, data.train_images, data.train_labels)
    return painter.slow_network


def train_by_likelihood(seed: int) -> nn.Module:
    """Train the painter's network on the real strokes themselves, for as many updates."""
    torch.manual_seed(seed)
    network, average = StrokeNetwork(dropout=0.2), StrokeNetwork().eval()
    average.load_state_dict(network.state_dict())
    optimizer = torch.optim.Adam(network.parameters(), LEARNING.q_rate, fused=True)
    real, order = drawings(), torch.Generator().manual_seed(seed)
    for update in range(ROUNDS.updates):
        chosen = torch.randint(len(real["action"]), (ROUNDS.batch_size,), generator=order)
        values = network(real["observation"][chosen])
        loss = nn.functional.cross_entropy(values, real["action"][chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        memory = min(LEARNING.slow_memory, (1 + update) / (10 + update))
        move_average(average, network, memory)
    return average


def train_dcgan(seed: int, cpu_seconds: float) -> GAN:
    """Train the conditional DCGAN of notebook 05 for so many CPU seconds."""

    def pair() -> GAN:
        torch.manual_seed(seed)
        return GAN(
            ImageGenerator(classes=10), ImageDiscriminator(classes=10, spectral=False), DCGAN, seed
        )

    data = digits()
    trial = GANTrainSettings(updates=40, evaluate_every=40)
    start = time.process_time()
    train_gan(pair(), data.train_images, data.train_labels, settings=trial, seed=seed)
    each = (time.process_time() - start) / trial.updates
    updates = max(1, round(cpu_seconds / each))
    settings = GANTrainSettings(updates=updates, learning_rate_end=0.0, evaluate_every=updates)
    gan = pair()
    train_gan(gan, data.train_images, data.train_labels, settings=settings, seed=seed)
    return gan


PAINTERS = {
    "judge of strokes": (LEARNING, ROUNDS),
    "judge of strokes, plain game": (
        replace(LEARNING, expected_fakes=False),
        replace(ROUNDS, branch_share=0.0),
    ),
    "pictures alone, one-step TD": (
        replace(LEARNING, reward="logit + log q", expected_fakes=False),
        replace(ROUNDS, branch_share=0.0),
    ),
}
VARIANTS = ("judge of pictures", *PAINTERS, "maximum likelihood", "DCGAN")
SECONDS: dict[int, float] = {}
"""What the judge of strokes took on each seed, CPU seconds: the DCGAN gets as many."""


def run(variant: str, seed: int) -> Mapping[str, float]:
    """Train one variant on one seed and return its scores."""
    drawings()
    start = time.process_time()
    if variant == "DCGAN":
        gan = train_dcgan(seed, SECONDS[seed])
        seconds = time.process_time() - start
        images = gan.sample(len(ASKED), labels=ASKED, seed=seed + 1)
        return scores(lambda _: images) | {"cpu_seconds": seconds}
    if variant == "judge of pictures":
        network = train_on_finished(seed)
    elif variant == "maximum likelihood":
        network = train_by_likelihood(seed)
    else:
        network = train_painter(*PAINTERS[variant], seed).slow_network
    seconds = time.process_time() - start
    if variant == "judge of strokes":
        SECONDS[seed] = seconds
    return painter_scores(network, seed) | {"cpu_seconds": seconds}


if __name__ == "__main__":
    write_table("10_painting_agent", VARIANTS, run)
