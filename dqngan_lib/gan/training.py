"""The training of a generative adversarial network, with evaluations and checkpoints."""

import math
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from dqngan_lib.course.arguments import make_plain_numbers, require
from dqngan_lib.course.resume import describe_network, load_run
from dqngan_lib.course.runtime import progress, save_checkpoint
from dqngan_lib.course.training import may_be_interrupted, set_learning_rate
from dqngan_lib.dqn.agent import linear_schedule
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
    keep: Literal["last", "lowest", "highest"] = "last"
    """Which averaged generator remains: the last, or that of the lowest or highest score."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        make_plain_numbers(self)
        for name in ("updates", "batch_size"):
            require(getattr(self, name) >= 1, name, getattr(self, name), ">= 1")
        require(
            0 <= self.learning_rate_end <= 1,
            "learning_rate_end",
            self.learning_rate_end,
            "from 0 to 1",
        )
        require(
            1 <= self.evaluate_every <= self.updates,
            "evaluate_every",
            self.evaluate_every,
            f"from 1 to updates={self.updates}",
        )
        kept = ("last", "lowest", "highest")
        require(self.keep in kept, "keep", self.keep, f"one of {kept}")


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

    Evaluations draw from random generators of their own: how often one evaluates changes
    nothing. A run that goes on from a checkpoint is the same, bit for bit, as one that was never
    interrupted. Interrupting (the ■ button, Ctrl-C) is allowed at any time: the pair then holds
    what it has learnt so far, and the history says `interrupted`.

    Args:
        gan: The pair; changed in place.
        images: Real samples `(n, …)`, pictures or points, of the shape the generator makes.
        labels: Their classes, int64 `(n,)`, where the generator has classes.
        evaluate: Returns a score for the pair, mostly from `gan.sample`.
        settings: See `GANTrainSettings`.
        seed: Seed of the order of the data.
        checkpoint: File to save to after each evaluation and, if it exists, to go on from.
        watch: Called with the history after each evaluation, to draw a curve, say.

    Returns:
        The history of the run, including what came before a checkpoint.

    Raises:
        TypeError: `images` is no tensor of float numbers, or `evaluate` no function.
        ValueError: Images or labels do not fit the generator, or the checkpoint belongs to
            another run.
    """
    run = _Run(gan, images, labels, settings or GANTrainSettings(), seed, checkpoint)
    if evaluate is not None and not callable(evaluate):
        raise TypeError(f"evaluate must be a function; got {type(evaluate).__name__}")
    bar = progress(total=run.settings.updates, label="GAN", start=run.done)
    with may_be_interrupted(run.history, bar):
        while run.done < run.settings.updates:
            run.learning_rates_fall()
            run.write_down(gan.update(*run.draw()))
            bar.update()
            if run.evaluation_is_due():
                run.finish_piece(evaluate)
                bar.set_postfix(score=f"{run.history.score[-1]:.4g}")
                if watch is not None:
                    with torch.random.fork_rng(devices=[]):
                        watch(run.history)
                run.start_piece()
    run.restore_best()
    return run.history


class _Run:
    """The state of one training run: everything a checkpoint must hold."""

    def __init__(
        self,
        gan: GAN,
        images: Tensor,
        labels: Tensor | None,
        settings: GANTrainSettings,
        seed: int,
        checkpoint: str | Path | None,
    ) -> None:
        if not isinstance(images, Tensor) or not images.dtype.is_floating_point:
            given = images.dtype if isinstance(images, Tensor) else type(images).__name__
            raise TypeError(f"images must be a tensor of float numbers; got {given}")
        if images.dim() < 2 or len(images) == 0:
            raise ValueError(f"images must be (n, …) with n >= 1; got {tuple(images.shape)}")
        labels = checked_labels(labels, len(images), gan.classes)
        made = tuple(gan.sample(1).shape[1:])
        if tuple(images.shape[1:]) != made:
            raise ValueError(
                f"images must have the shape that the generator makes, (n, *{made}); got "
                f"{tuple(images.shape)}"
            )
        self.gan, self.settings, self.seed = gan, settings, int(seed)
        self.images = images.to(gan.device)
        self.labels = None if labels is None else labels.to(gan.device)
        self.checkpoint = Path(checkpoint) if checkpoint is not None else None
        self.random = torch.Generator().manual_seed(self.seed)
        self.history = GANHistory()
        self.best: dict[str, Any] | None = None
        self.best_score = math.nan
        self.done = 0
        if self.checkpoint is not None and self.checkpoint.is_file():
            self.load()
        self.start_piece()

    def start_piece(self) -> None:
        """Begin to measure anew."""
        self.measured: list[dict[str, Tensor]] = []
        self.started = time.perf_counter()

    def draw(self) -> tuple[Tensor, Tensor | None]:
        """Return a batch of real samples, with their labels where there are any."""
        index = torch.randint(len(self.images), (self.settings.batch_size,), generator=self.random)
        index = index.to(self.images.device)
        return self.images[index], None if self.labels is None else self.labels[index]

    def learning_rates_fall(self) -> None:
        """Set both learning rates for the present round."""
        gan, settings = self.gan, self.settings
        share = linear_schedule(self.done, 1.0, settings.learning_rate_end, settings.updates)
        set_learning_rate(gan.generator_optimizer, share * gan.settings.generator_rate)
        set_learning_rate(gan.discriminator_optimizer, share * gan.settings.discriminator_rate)

    def write_down(self, measured: dict[str, Tensor]) -> None:
        """Count a round and keep what it measured."""
        self.measured.append(measured)
        self.done += 1

    def evaluation_is_due(self) -> bool:
        """Tell whether a piece is complete; the last one may be shorter."""
        return self.done % self.settings.evaluate_every == 0 or self.done == self.settings.updates

    def finish_piece(self, evaluate: Callable[[GAN], float] | None) -> None:
        """Evaluate, write it down, keep the best if asked to, save a checkpoint."""
        history = self.history
        seconds = time.perf_counter() - self.started + (history.seconds or [0.0])[-1]
        with torch.random.fork_rng(devices=[]):
            score = math.nan if evaluate is None else float(evaluate(self.gan))
        means = {
            name: torch.stack([one[name] for one in self.measured]).mean().item()
            for name in self.measured[0]
        }
        row = {"update": self.done, "score": score, "seconds": seconds} | means
        for name, value in row.items():
            getattr(history, name).append(value)
        sign = {"last": 0, "lowest": -1, "highest": 1}[self.settings.keep]
        if sign and (self.best is None or sign * score > sign * self.best_score):
            self.best, self.best_score = deepcopy(self.gan.averaged.state_dict()), score
        if self.checkpoint is not None:
            save_checkpoint(self.checkpoint, self.state_dict())

    def restore_best(self) -> None:
        """Give the averaged generator the weights that were kept."""
        if self.best is not None:
            self.gan.averaged.load_state_dict(self.best)

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the run, with the settings it belongs to."""
        return {
            "belongs_to": self.belongs_to(),
            "gan": self.gan.state_dict(),
            "best": self.best,
            "best_score": self.best_score,
            "history": asdict(self.history),
            "done": self.done,
            "random": self.random.get_state(),
            "torch_generator": torch.get_rng_state(),
        }

    def belongs_to(self) -> dict[str, Any]:
        """Return what must be equal in the run that goes on from a checkpoint."""
        run = {
            "seed": self.seed,
            "images": str(tuple(self.images.shape)),
            "generator": describe_network(self.gan.generator),
            "discriminator": describe_network(self.gan.discriminator),
        }
        return run | asdict(self.settings) | asdict(self.gan.settings)

    def load(self) -> None:
        """Go on from the checkpoint."""
        state = load_run(self.checkpoint, "train_gan", self.belongs_to())
        self.gan.load_state_dict(state["gan"])
        self.best, self.best_score, self.done = state["best"], state["best_score"], state["done"]
        self.history = GANHistory(**state["history"])
        self.random.set_state(state["random"])
        torch.set_rng_state(state["torch_generator"])
