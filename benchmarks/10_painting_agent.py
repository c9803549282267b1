"""Digits on request, stroke by stroke and pixel by pixel: the table of notebook 10, section 8.

Run `python benchmarks/10_painting_agent.py`, or `python3 course.py study 10`. It writes
results/10_painting_agent.csv: every painter, and the DCGAN beside them, on three seeds. The points
that each can be tuned to, with temperature, truncation or guidance, go to
results/10_painting_agent_curves.csv: the share read as asked for against the digit-FID, the plot
that Caccia et al. (2020, 1811.02549) draw for text.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache, partial

import torch
from recipes import COPYING, COPYING_BUDGET, DCGAN
from tables import RESULTS, put, write_table
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, log_softmax

from dqngan_lib.applications.strokes.canvas import CopyCanvas, StrokeCanvas, real_steps
from dqngan_lib.applications.strokes.decoding import (
    draw_pictures,
    guided,
    keep_min_p,
    keep_nucleus,
)
from dqngan_lib.applications.strokes.drawing import PIXELS, paint_greedily
from dqngan_lib.applications.strokes.finished import FinishedPainter
from dqngan_lib.applications.strokes.networks import CopyAgent, CopyNetwork, StrokeNetwork
from dqngan_lib.applications.strokes.opinions import opinions, paper_left, render
from dqngan_lib.applications.strokes.training import train_on_pictures
from dqngan_lib.applications.strokes.two_stages import copy_pictures, imagine, load_generator
from dqngan_lib.course.data import digits
from dqngan_lib.course.training import linear_schedule, set_learning_rate
from dqngan_lib.dqn.replay import Batch
from dqngan_lib.dqn.training import train_dqn
from dqngan_lib.dqngan.agent import DQNGAN
from dqngan_lib.dqngan.paths import path_loss, path_target
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
FAIR_UPDATES = 5_000
"""So many updates of maximum likelihood take the seconds of the judge of pictures."""
NO_CLASS = 10
"""What stands for "anything" where a class is dropped."""
CURVES = RESULTS / "10_painting_agent_curves.csv"
TEMPERATURES = (1.0, 0.7, 0.5, 0.35)
SHARES = (0.1, 0.2, 0.4)
"""Of min-p sampling."""
MASSES = (0.9, 0.7)
"""Of nucleus sampling."""
WEIGHTS = (0.5, 1.0)
"""Of class guidance."""
SPREADS = (1.0, 0.85, 0.7)
"""Of the noise from which the stored GAN imagines."""
GAN_SECONDS = 147.0
"""CPU seconds that `tools/make_digit_generator.py` took; they are counted."""

Values = Callable[[Tensor], Tensor]
"""From observations to Q-values."""


@cache
def drawings() -> Batch:
    """Return the real episodes: greedy repaintings of 6,000 training digits."""
    data = digits()
    painted = paint_greedily(data.train_images[:6_000], strokes=10, least_gain=0.5)
    return real_steps(painted.actions, data.train_labels[:6_000])


def points(
    variant: str, seed: int, ways: Mapping[tuple[str, float], Callable[[], Tensor]]
) -> dict[str, float]:
    """Measure a curve, save it, and return its start and its best numbers.

    Args:
        variant: The row of the table.
        seed: Its seed.
        ways: For each way to tune it and each number of that way, what makes 2,000 pictures of
            the classes `ASKED`. The first is the untuned one.
    """
    measured = []
    for (way, number), make in ways.items():
        images = make()
        point = conditional_accuracy(images, ASKED), digit_fid(images, digits().test_images)
        row = {"variant": variant, "way": way, "number": number, "seed": seed}
        put(CURVES, row | {"accuracy": round(point[0], 4), "fid": round(point[1], 4)}, list(row))
        measured.append(point)
    return {
        "accuracy_1": measured[0][0],
        "fid_1": measured[0][1],
        "accuracy_best": max(accuracy for accuracy, _ in measured),
        "fid_best": min(fid for _, fid in measured),
    }


def ways_to_draw(network: nn.Module, seed: int) -> dict[tuple[str, float], Callable[[], Tensor]]:
    """Return the temperatures and truncations of a network that draws with strokes."""
    changes: dict[tuple[str, float], Values] = {}
    for tau in TEMPERATURES:
        changes["temperature", tau] = lambda seen, tau=tau: network(seen) / tau
    for share in SHARES:
        changes["min-p", share] = lambda seen, share=share: keep_min_p(network(seen), share)
    for mass in MASSES:
        changes["nucleus", mass] = lambda seen, mass=mass: keep_nucleus(network(seen), mass)
    return {way: partial(draw_pictures, values, ASKED, seed + 1) for way, values in changes.items()}


def ways_to_guide(network: nn.Module, seed: int) -> dict[tuple[str, float], Callable[[], Tensor]]:
    """Return drawings with class guidance, of a network that knows `NO_CLASS`."""

    def without(seen: Tensor) -> Tensor:
        dropped = seen.clone()
        dropped[:, PIXELS + 1] = NO_CLASS
        return network(dropped)

    changes: dict[tuple[str, float], Values] = {
        ("guidance", weight): lambda seen, weight=weight: guided(
            network(seen), without(seen), weight
        )
        for weight in WEIGHTS
    }
    return {way: partial(draw_pictures, values, ASKED, seed + 1) for way, values in changes.items()}


def train_painter(learning: DQNGANSettings, rounds: DQNGANTrainSettings, seed: int) -> DQNGAN:
    """Train a painting agent against a discriminator."""
    torch.manual_seed(seed)
    agent = DQNGAN(StrokeNetwork(), StrokeNetwork(dropout=0.2), learning, seed)
    train_dqngan(agent, StrokeCanvas(32), drawings(), settings=rounds, seed=seed)
    return agent


def train_by_likelihood(seed: int, updates: int = ROUNDS.updates, fair: bool = False) -> nn.Module:
    """Train the painter's network on the real strokes themselves.

    Args:
        seed: Seed of the weights and of the order.
        updates: How many.
        fair: Whether the rate falls to 0, as others' rates fall, and the class is dropped in a
            tenth of the rows, so that guidance has something to compare with.
    """
    torch.manual_seed(seed)
    classes = NO_CLASS + 1 if fair else NO_CLASS
    network, average = StrokeNetwork(classes=classes, dropout=0.2), StrokeNetwork(classes=classes)
    average.eval().requires_grad_(False).load_state_dict(network.state_dict())
    optimizer = torch.optim.Adam(network.parameters(), LEARNING.q_rate, fused=True)
    real, order = drawings(), torch.Generator().manual_seed(seed)
    for update in range(updates):
        chosen = torch.randint(len(real["action"]), (ROUNDS.batch_size,), generator=order)
        seen = real["observation"][chosen]
        if fair:
            set_learning_rate(optimizer, linear_schedule(update, LEARNING.q_rate, 0.0, updates))
            seen[torch.rand(len(seen), generator=order) < 0.1, PIXELS + 1] = NO_CLASS
        loss = cross_entropy(network(seen), real["action"][chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        memory = min(LEARNING.slow_memory, (1 + update) / (10 + update))
        move_average(average, network, memory)
    return average


def train_copier(seed: int) -> CopyAgent:
    """Train the copying DQN of notebook 10 on real digits."""
    torch.manual_seed(seed)
    copier = CopyAgent(CopyNetwork(), COPYING, seed=seed)
    images, chosen = digits().train_images[:-500], digits().train_images[-500:]

    def evaluate(agent: CopyAgent) -> float:
        """Return minus the squared error that is left; the best of the run is kept."""
        return -(copy_pictures(agent, chosen) - chosen).square().sum().item()

    train_dqn(copier, CopyCanvas(32, images), evaluate, COPYING_BUDGET, seed=seed)
    return copier


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


class StraightThrough(FinishedPainter):
    """Sends the judge's slope through the choice, with no target, clip or running mean.

    The picture is made of the strokes drawn; backwards a stroke counts as the mean ink
    Σ_a π(a|s) m_a (Bengio et al. 2013, 1308.3432). The slope of D by π(a|s) is then the opinion on
    a, so Σ_a π(a|s) · opinion(a) has the estimator's gradient.
    """

    def round(self, real: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Draw, let the judge learn, and take one step up its slope."""
        settings = self.settings
        self.set_rates()
        steps = torch.randperm(self.sheets.max_steps, generator=self.rng)[: settings.steps_learnt]
        asked = torch.arange(settings.batch_size) % self.sheets.classes
        actions, states, log_q = self.draw(asked, steps)
        drawn = render(actions)
        measured = self.judge_step(real, labels, drawn, asked)
        paper = paper_left(actions, steps)
        slope = self.slope(drawn, asked)[:, None].expand_as(paper)
        opinion = opinions(slope, paper).flatten(0, 1)
        loss = -(self.q_network(states).softmax(1) * opinion).sum(1).mean()
        self.descend(loss)
        move_average(self.sampler, self.q_network, 0.0)
        move_average(self.slow_network, self.q_network, settings.slow_memory)
        measured["entropy"] = -(log_q.exp() * log_q).sum(1).mean()
        self.done += 1
        return measured


class PathPainter(FinishedPainter):
    """Learns from D's word on the whole drawing, with the path loss of notebook 08; no slope.

    It needs nothing of the pen: any machine that turns actions into a picture would do. The chances
    of a class are compared with each other alone, so log Z is that of the class. η = 1 and κ = 0
    were best on seed 0 of (0.1, 0.05), (0.3, 0.1) and (1, 0), after 300 rounds; so was the rate
    2e-3, of 2e-3 and 1e-2. A batch of 120 with one log Z for all classes did no better.
    """

    looks = 4
    """Noisy looks over which D's word on a drawing is averaged."""

    def round(self, real: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Draw, let the judge learn, and take one step on the path loss."""
        settings, sheets = self.settings, self.sheets
        self.set_rates()
        asked = torch.arange(settings.batch_size) % sheets.classes
        actions, states, log_q = self.draw(asked, torch.arange(sheets.max_steps))
        drawn = render(actions)
        measured = self.judge_step(real, labels, drawn, asked)
        taken = actions.flatten()[:, None]
        with torch.no_grad():
            looks = [self.judge(self.noisy(drawn), asked) for _ in range(self.looks)]
            logit = torch.stack(looks).mean(0).clamp(-8, 8)
            sampled = log_q.gather(1, taken).view(actions.shape).sum(1)
            target = path_target(sampled, sampled, logit, step=1.0)
        own = log_softmax(self.q_network(states), 1).gather(1, taken).view(actions.shape).sum(1)
        losses = [path_loss(own[asked == y], target[asked == y]) for y in range(sheets.classes)]
        self.descend(torch.stack(losses).mean())
        move_average(self.sampler, self.q_network, settings.sampler_memory)
        move_average(self.slow_network, self.q_network, settings.slow_memory)
        measured["entropy"] = -(log_q.exp() * log_q).sum(1).mean()
        self.done += 1
        return measured


def train_on_finished(seed: int, kind: type[FinishedPainter] = FinishedPainter) -> nn.Module:
    """Train the painter of notebook 10 on finished digits alone; nobody's strokes are used."""
    torch.manual_seed(seed)
    judge = ImageDiscriminator(classes=10, spectral=False)
    painter = kind(StrokeNetwork(), judge, seed=seed)
    data = digits()
    train_on_pictures(painter, data.train_images, data.train_labels)
    return painter.slow_network


TRAINERS = {
    "judge of pictures": train_on_finished,
    "path loss": partial(train_on_finished, kind=PathPainter),
    "straight-through": partial(train_on_finished, kind=StraightThrough),
    "maximum likelihood": train_by_likelihood,
    "maximum likelihood, fair": partial(train_by_likelihood, updates=FAIR_UPDATES, fair=True),
}
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
VARIANTS = (
    "imagine, then copy",
    "judge of pictures",
    "path loss",
    "straight-through",
    *PAINTERS,
    "maximum likelihood",
    "maximum likelihood, fair",
    "DCGAN",
)
SECONDS: dict[int, float] = {}
"""What the judge of strokes took on each seed, CPU seconds: the DCGAN gets as many."""


def run(variant: str, seed: int) -> Mapping[str, float]:
    """Train one variant on one seed and return its scores."""
    drawings()
    start = time.process_time()
    if variant == "DCGAN":
        gan = train_dcgan(seed, SECONDS[seed])
        seconds = time.process_time() - start
        ways = {("none", 0.0): lambda: gan.sample(len(ASKED), labels=ASKED, seed=seed + 1)}
        return points(variant, seed, ways) | {"cpu_seconds": seconds}
    if variant == "imagine, then copy":
        generator, copier = load_generator(), train_copier(seed)
        seconds = GAN_SECONDS + time.process_time() - start
        ways = {
            ("spread", spread): lambda spread=spread: copy_pictures(
                copier, imagine(generator, ASKED, spread, seed + 1)
            )
            for spread in SPREADS
        }
        return points(variant, seed, ways) | {"cpu_seconds": seconds}
    if variant in PAINTERS:
        network = train_painter(*PAINTERS[variant], seed).slow_network
    else:
        network = TRAINERS[variant](seed)
    seconds = time.process_time() - start
    if variant == "judge of strokes":
        SECONDS[seed] = seconds
    ways = ways_to_draw(network, seed)
    measured = points(variant, seed, ways) | {"cpu_seconds": seconds}
    if variant == "maximum likelihood, fair":
        points(variant, seed, ways_to_guide(network, seed))
    return measured


if __name__ == "__main__":
    write_table("10_painting_agent", VARIANTS, run)
