"""The loop that trains a pair: draw, D learns, G learns; `course.training` has the frame."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

import torch
from torch import Tensor

from dqngan_lib.course.arguments import kind_of, make_plain_numbers, require
from dqngan_lib.course.training import (
    Keep,
    Run,
    describe_network,
    linear_schedule,
    set_learning_rate,
)
from dqngan_lib.gan.model import GAN, checked_labels


@dataclass
class GANTrainSettings:
    """How long the pair learns, and from how much at a time."""

    updates: int = 2_000
    """Rounds: discriminator steps and one generator step each."""
    batch_size: int = 64
    """Real samples in a round, and fakes in each step."""
    learning_rate_end: float = 1.0
    """Both learning rates at the end, as a share of those at the start; in between a line."""
    evaluate_every: int = 500
    """Rounds between two evaluations."""
    keep: Keep = "last"
    """Which averaged generator remains: the last, or that of the lowest or highest score.

    A score of NaN is never the best; if all are NaN, the last remains.
    """

    def __post_init__(self) -> None:
        """Check the ranges."""
        make_plain_numbers(self)
        for name in ("updates", "batch_size"):
            require(getattr(self, name) >= 1, name, getattr(self, name), ">= 1")
        end, every, most = self.learning_rate_end, self.evaluate_every, self.updates
        require(0 <= end <= 1, "learning_rate_end", end, "from 0 to 1")
        require(1 <= every <= most, "evaluate_every", every, f"from 1 to updates={most}")
        require(self.keep in get_args(Keep), "keep", self.keep, f"one of {get_args(Keep)}")


@dataclass
class GANHistory:
    """What was measured at each evaluation; the lists have one entry an evaluation.

    All but `update`, `score` and `seconds` are means since the last evaluation.
    """

    update: list[int] = field(default_factory=list)
    """Rounds so far."""
    score: list[float] = field(default_factory=list)
    """What `evaluate` returned; NaN without one."""
    discriminator_loss: list[float] = field(default_factory=list)
    """The discriminator's loss, without the penalty."""
    generator_loss: list[float] = field(default_factory=list)
    """The generator's loss."""
    real_logit: list[float] = field(default_factory=list)
    """The discriminator's output on real samples."""
    fake_logit: list[float] = field(default_factory=list)
    """The discriminator's output on fakes."""
    penalty: list[float] = field(default_factory=list)
    """The weighted penalty."""
    seconds: list[float] = field(default_factory=list)
    """Time spent on training so far, evaluations left out."""
    interrupted: bool = False
    """Whether somebody stopped the run before its end."""

    @property
    def updates_per_second(self) -> float:
        """Rounds for each second of training."""
        return self.update[-1] / self.seconds[-1] if self.update and self.seconds[-1] > 0 else 0.0


def train_gan(
    gan: GAN,
    images: Tensor,
    labels: Tensor | None = None,
    *,
    evaluate: Callable[[GAN], float] | None = None,
    settings: GANTrainSettings | None = None,
    seed: int = 0,
    checkpoint: str | Path | None = None,
    watch: Callable[[GANHistory], None] | None = None,
) -> GANHistory:
    """Train a generator against a discriminator; what remains is the last averaged generator.

    A score that chose the generator cannot be reported as its result: the lowest of many noisy
    scores is low by luck as well. So nothing is chosen unless `settings.keep` asks for it, and
    then the result must be measured again, against data that had no part in the choice.

    Evaluations draw from random numbers of their own: how often one evaluates changes nothing. A
    run that goes on from a checkpoint is the same, bit for bit, as one that was never
    interrupted. Interrupting (the ■ button, Ctrl-C) is allowed at any time: the pair then holds
    what it has learnt so far, the cell says how far it came, and the history says `interrupted`.

    Args:
        gan: The pair; changed in place.
        images: Real samples `(n, …)`, pictures or points, of the shape the generator makes.
        labels: Their classes, int64 `(n,)`, where the generator has classes.
        evaluate: Returns a score for the pair, mostly from `gan.sample`. Without it scores are NaN.
        settings: See `GANTrainSettings`.
        seed: Seed of the order of the data.
        checkpoint: File to save to after each evaluation and, if it exists, to go on from.
        watch: Called with the history after each evaluation, to draw a curve, say.

    Returns:
        The history of the run, including what came before a checkpoint.

    Raises:
        TypeError: `images` is no tensor of float numbers, or `evaluate` no function.
        ValueError: Images or labels do not fit the generator, `settings.keep` asks for the best
            score and there is no `evaluate`, or the checkpoint belongs to another run.
    """
    if not isinstance(images, Tensor) or not images.dtype.is_floating_point:
        raise TypeError(f"images must be a tensor of float numbers; got {kind_of(images)}")
    if images.dim() < 2 or len(images) == 0:
        raise ValueError(f"images must be (n, …) with n >= 1; got {tuple(images.shape)}")
    made = tuple(gan.sample(1).shape[1:])
    if tuple(images.shape[1:]) != made:
        raise ValueError(
            f"images must have the shape that the generator makes, (n, *{made}); got "
            f"{tuple(images.shape)}"
        )
    labels = checked_labels(labels, len(images), gan.classes)
    run = _GANRun(gan, images, labels, settings or GANTrainSettings(), seed, checkpoint)
    return run.train(evaluate, watch)


class _GANRun(Run):
    """The rounds of `train_gan`."""

    made_by, label, unit = "train_gan", "GAN", "update"

    def __init__(
        self,
        gan: GAN,
        images: Tensor,
        labels: Tensor | None,
        settings: GANTrainSettings,
        seed: int,
        checkpoint: str | Path | None,
    ) -> None:
        super().__init__(gan, settings, GANHistory(), settings.updates, seed, checkpoint)
        self.gan, self.network, self.keep = gan, gan.averaged, settings.keep
        self.images = images.to(gan.device)
        self.labels = None if labels is None else labels.to(gan.device)
        self.belongs_to |= {
            "images": str(tuple(images.shape)),
            "generator": describe_network(gan.generator),
            "discriminator": describe_network(gan.discriminator),
        }

    def round(self) -> None:
        """Draw real samples; D learns from them and from fakes, then G learns from D."""
        gan, settings = self.gan, self.settings
        # Both step sizes fall in one line.
        share = linear_schedule(self.done, 1.0, settings.learning_rate_end, settings.updates)
        set_learning_rate(gan.generator_optimizer, share * gan.settings.generator_rate)
        set_learning_rate(gan.discriminator_optimizer, share * gan.settings.discriminator_rate)
        # A batch x ~ p_data, with the classes that the fakes will be asked for as well.
        rows = torch.randint(len(self.images), (settings.batch_size,), generator=self.rng)
        rows = rows.to(self.images.device)
        labels = None if self.labels is None else self.labels[rows]
        # Algorithm 1 of Goodfellow et al. (2014): steps of D, one step of G, and G's average.
        self.note(**gan.update(self.images[rows], labels))
