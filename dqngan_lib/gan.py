"""Generative adversarial networks (Goodfellow et al. 2014): losses, the pair, and its training."""

import math
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import relu, softplus
from torch.optim.swa_utils import AveragedModel

from dqngan_lib.penalties import clip_weights, gradient_penalty, r1_penalty
from dqngan_lib.resume import describe_network, load_run
from dqngan_lib.runtime import progress, save_checkpoint
from dqngan_lib.settings import make_plain_numbers, require

LossKind = Literal["minimax", "non-saturating", "hinge", "wasserstein"]
KINDS = ("minimax", "non-saturating", "hinge", "wasserstein")


def _require_logits(**logits: Tensor) -> None:
    for name, value in logits.items():
        if value.dim() != 1 or len(value) == 0:
            raise ValueError(f"{name} must be (batch,), not empty; got {tuple(value.shape)}")


def discriminator_loss(
    real_logits: Tensor, fake_logits: Tensor, kind: LossKind = "non-saturating"
) -> Tensor:
    """Return what the discriminator makes small, from logits l; its output is D = sigmoid(l).

    With ς(l) = log(1 + eˡ), which is `softplus`: −log D = ς(−l) and −log(1 − D) = ς(l), finite
    for every logit. The logarithm of a sigmoid is not: it is −∞ where the sigmoid rounds to 0.

    - `minimax`, `non-saturating`: −E[log D(x)] − E[log(1 − D(G(z)))] = E[ς(−l)] + E[ς(l̃)]
      (Goodfellow et al. 2014, 1406.2661, equation 1; negated, since it is made small).
    - `hinge`: E[max(0, 1 − l)] + E[max(0, 1 + l̃)] (Lim and Ye 2017, 1705.02894; Miyato et al.
      2018, 1802.05957, equation 16).
    - `wasserstein`: E[l̃] − E[l] (Arjovsky et al. 2017, 1701.07875, equation 2, negated). The
      logits are then no logits but any numbers.

    Args:
        real_logits: l for real inputs, `(batch,)`.
        fake_logits: l̃ for generated ones, `(batch,)`; the two sizes may differ.
        kind: Which of the four.

    Raises:
        ValueError: The kind is unknown, or logits have another shape.
    """
    _require_logits(real_logits=real_logits, fake_logits=fake_logits)
    if kind in ("minimax", "non-saturating"):
        return softplus(-real_logits).mean() + softplus(fake_logits).mean()
    if kind == "hinge":
        return relu(1 - real_logits).mean() + relu(1 + fake_logits).mean()
    if kind == "wasserstein":
        return fake_logits.mean() - real_logits.mean()
    raise ValueError(f"kind must be one of {KINDS}; got {kind!r}")


def generator_loss(fake_logits: Tensor, kind: LossKind = "non-saturating") -> Tensor:
    """Return what the generator makes small, from the discriminator's logits l̃ on its outputs.

    - `minimax`: E[log(1 − D(G(z)))] = −E[ς(l̃)] (Goodfellow et al. 2014, 1406.2661, equation 1).
      Its gradient with respect to l̃ is −D: none is left where D sees through every fake.
    - `non-saturating`: −E[log D(G(z))] = E[ς(−l̃)] (the same paper, end of section 3). Its
      gradient is −(1 − D): largest there.
    - `hinge` and `wasserstein`: −E[l̃].

    Args:
        fake_logits: l̃, `(batch,)`.
        kind: Which of the four.

    Raises:
        ValueError: The kind is unknown, or logits have another shape.
    """
    _require_logits(fake_logits=fake_logits)
    if kind == "minimax":
        return -softplus(fake_logits).mean()
    if kind == "non-saturating":
        return softplus(-fake_logits).mean()
    if kind in ("hinge", "wasserstein"):
        return -fake_logits.mean()
    raise ValueError(f"kind must be one of {KINDS}; got {kind!r}")


@dataclass
class GANSettings:
    """How the pair learns from a batch."""

    loss: LossKind = "non-saturating"
    """Which losses; see `discriminator_loss` and `generator_loss`."""
    generator_rate: float = 5e-4
    """Step size of the generator's Adam at the start."""
    discriminator_rate: float = 5e-4
    """Step size of the discriminator's Adam at the start."""
    beta_1: float = 0.5
    """Adam's memory of gradients, in [0, 1); 0.5 is DCGAN's (Radford et al. 2016)."""
    beta_2: float = 0.999
    """Adam's memory of squared gradients, in [0, 1)."""
    discriminator_steps: int = 1
    """Discriminator steps before each generator step, on the same real batch."""
    average: float = 0.999
    """Memory of the averaged generator, in [0, 1); less at first, 0 is the generator itself."""
    penalty: Literal["none", "r1", "gradient"] = "none"
    """What is added to the discriminator's loss; see `dqngan_lib.penalties`."""
    penalty_weight: float = 0.0
    """γ of `r1`, λ of `gradient`."""
    penalty_every: int = 1
    """Discriminator steps between two penalties, each then so many times as heavy."""
    clip: float = float("inf")
    """Greatest weight of the discriminator, in absolute value; inf leaves all as they are."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        make_plain_numbers(self)
        require(self.loss in KINDS, "loss", self.loss, f"one of {KINDS}")
        for name in ("generator_rate", "discriminator_rate", "clip"):
            require(getattr(self, name) > 0, name, getattr(self, name), "> 0")
        for name in ("beta_1", "beta_2", "average"):
            require(0 <= getattr(self, name) < 1, name, getattr(self, name), "from 0, below 1")
        for name in ("discriminator_steps", "penalty_every"):
            require(getattr(self, name) >= 1, name, getattr(self, name), ">= 1")
        penalties = ("none", "r1", "gradient")
        require(self.penalty in penalties, "penalty", self.penalty, f"one of {penalties}")
        require(self.penalty_weight >= 0, "penalty_weight", self.penalty_weight, ">= 0")
        if (self.penalty == "none") != (self.penalty_weight == 0):
            raise ValueError(
                "a penalty needs a weight above 0, and a weight a penalty; got "
                f"penalty={self.penalty!r}, penalty_weight={self.penalty_weight!r}"
            )


class GAN:
    """A generator and a discriminator, each with its optimiser, and an averaged generator.

    The averaged generator is an exponential average of the generator's weights over the updates
    (Karras et al. 2018, 1710.10196). The game circles; the average stays near the centre.

    Args:
        generator: From noise `(batch, noise_size)` to samples; it says its `noise_size`, and its
            `classes` if it also takes labels.
        discriminator: From samples, and labels if there are classes, to logits `(batch,)`.
        settings: How they learn.
        seed: Seed of the pair's own random generator, for the noise of the training.

    Raises:
        TypeError: The generator has no `noise_size`.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        settings: GANSettings | None = None,
        seed: int = 0,
    ) -> None:
        if not isinstance(getattr(generator, "noise_size", None), int):
            raise TypeError(
                "generator must say how many random numbers it takes: give it an attribute "
                f"noise_size, a whole number; {type(generator).__name__} has none"
            )
        self.settings = settings = settings or GANSettings()
        self.generator, self.discriminator = generator, discriminator
        self.classes: int = getattr(generator, "classes", 0)
        self.averaged = AveragedModel(
            generator, multi_avg_fn=self._move_average, use_buffers=True
        ).requires_grad_(False)
        betas = (settings.beta_1, settings.beta_2)
        self.generator_optimizer = torch.optim.Adam(
            generator.parameters(), settings.generator_rate, betas, fused=True
        )
        self.discriminator_optimizer = torch.optim.Adam(
            discriminator.parameters(), settings.discriminator_rate, betas, fused=True
        )
        self.random = torch.Generator().manual_seed(int(seed))
        self.discriminator_updates = 0

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        return next(self.generator.parameters()).device

    def noise(self, count: int) -> Tensor:
        """Return `(count, noise_size)` normal numbers, the next ones of the training."""
        noise = torch.randn(count, self.generator.noise_size, generator=self.random)
        return noise.to(self.device)

    @torch.no_grad()
    def sample(
        self, count: int, labels: Tensor | None = None, *, seed: int = 0, averaged: bool = True
    ) -> Tensor:
        """Return samples; the same ones for the same seed, and the training goes on unchanged.

        Args:
            count: How many.
            labels: The classes asked for, `(count,)`; drawn at random if None. For generators
                with classes alone.
            seed: Seed of the noise and of the labels, if drawn.
            averaged: Whether the averaged generator makes them, or the one that is learning.

        Raises:
            ValueError: Labels do not fit.
        """
        random = torch.Generator().manual_seed(int(seed))
        noise = torch.randn(count, self.generator.noise_size, generator=random).to(self.device)
        if labels is None and self.classes:
            labels = torch.randint(self.classes, (count,), generator=random)
        labels = _checked_labels(labels, count, self.classes)
        network = self.averaged if averaged else self.generator
        was_training = network.training
        network.eval()
        samples = _call(network, noise, None if labels is None else labels.to(self.device))
        network.train(was_training)
        return samples

    def update(self, real: Tensor, labels: Tensor | None = None) -> dict[str, Tensor]:
        """Take a round of algorithm 1 of Goodfellow et al. (2014): first D learns, then G.

        Args:
            real: Real samples `(batch, …)`.
            labels: Their classes `(batch,)`; fakes are made for the same ones.

        Returns:
            Means over the batch, without gradients: both losses, both logits, the penalty.
        """
        self.discriminator.requires_grad_(True)
        for _ in range(self.settings.discriminator_steps):
            measured = self.discriminator_step(real, labels)
        self.discriminator.requires_grad_(False)  # G's step needs no gradient of D's weights
        measured["generator_loss"] = self.generator_step(len(real), labels)
        self.averaged.update_parameters(self.generator)
        return measured

    def discriminator_step(self, real: Tensor, labels: Tensor | None = None) -> dict[str, Tensor]:
        """Make the discriminator's loss smaller, on real samples and as many new fakes."""
        with torch.no_grad():
            fake = _call(self.generator, self.noise(len(real)), labels)
        both_labels = None if labels is None else torch.cat([labels, labels])
        logits = _call(self.discriminator, torch.cat([real, fake]), both_labels)
        real_logits, fake_logits = logits.chunk(2)
        loss = discriminator_loss(real_logits, fake_logits, self.settings.loss)
        penalty = self.penalty(real, fake, labels)
        self.discriminator_optimizer.zero_grad()
        (loss + penalty).backward()
        self.discriminator_optimizer.step()
        if self.settings.clip < math.inf:
            clip_weights(self.discriminator, self.settings.clip)
        self.discriminator_updates += 1
        return {
            "discriminator_loss": loss.detach(),
            "real_logit": real_logits.detach().mean(),
            "fake_logit": fake_logits.detach().mean(),
            "penalty": penalty.detach(),
        }

    def generator_step(self, count: int, labels: Tensor | None = None) -> Tensor:
        """Make the generator's loss smaller on new noise; return the loss, without gradient."""
        fake = _call(self.generator, self.noise(count), labels)
        loss = generator_loss(_call(self.discriminator, fake, labels), self.settings.loss)
        self.generator_optimizer.zero_grad()
        loss.backward()
        self.generator_optimizer.step()
        return loss.detach()

    def penalty(self, real: Tensor, fake: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return the weighted penalty of this discriminator step; 0 between two penalties."""
        settings = self.settings
        if settings.penalty == "none" or self.discriminator_updates % settings.penalty_every:
            return torch.zeros((), device=self.device)

        def critic(samples: Tensor) -> Tensor:
            return _call(self.discriminator, samples, labels)

        if settings.penalty == "r1":
            penalty = r1_penalty(critic, real)
        else:
            penalty = gradient_penalty(critic, real, fake, self.random)
        return settings.penalty_weight * settings.penalty_every * penalty

    def _move_average(self, average: list[Tensor], new: list[Tensor], updates: Tensor) -> None:
        """Move the average; at first with a shorter memory, so that it forgets the beginning."""
        updates = int(updates)
        memory = min(self.settings.average, (1 + updates) / (10 + updates))
        for old, value in zip(average, new, strict=True):
            old.copy_(torch.lerp(old, value, 1 - memory) if value.is_floating_point() else value)

    def state_dict(self) -> dict[str, Any]:
        """Return everything that `load_state_dict` needs to go on."""
        parts = {name: getattr(self, name).state_dict() for name in self._PARTS}
        return parts | {
            "random": self.random.get_state(),
            "discriminator_updates": self.discriminator_updates,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a state made by `state_dict`."""
        for name in self._PARTS:
            # A copy: unlike a network, an optimiser would go on in the tensors that it is given.
            getattr(self, name).load_state_dict(deepcopy(state[name]))
        self.random.set_state(state["random"])
        self.discriminator_updates = state["discriminator_updates"]

    _PARTS = (
        "generator",
        "discriminator",
        "averaged",
        "generator_optimizer",
        "discriminator_optimizer",
    )


def _call(network: nn.Module, inputs: Tensor, labels: Tensor | None) -> Tensor:
    """Call a network with labels where there are any."""
    return network(inputs) if labels is None else network(inputs, labels)


def _checked_labels(labels: Tensor | None, count: int, classes: int) -> Tensor | None:
    """Return labels that fit, or say what is wrong with them."""
    if labels is None and classes == 0:
        return None
    if labels is None or classes == 0:
        given = "none were given" if labels is None else "labels were given"
        raise ValueError(f"labels: the generator has {classes} classes, but {given}")
    labels = torch.as_tensor(labels)
    if labels.shape != (count,) or labels.dtype.is_floating_point:
        raise ValueError(
            f"labels must be whole numbers ({count},); got {labels.dtype} {tuple(labels.shape)}"
        )
    if count and not 0 <= int(labels.min()) <= int(labels.max()) < classes:
        raise ValueError(
            f"labels must be from 0 to {classes - 1}; got {int(labels.min())} to "
            f"{int(labels.max())}"
        )
    return labels.long()


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
    try:
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
    except KeyboardInterrupt:
        run.history.interrupted = True
    finally:
        bar.close()
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
        labels = _checked_labels(labels, len(images), gan.classes)
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
        share = 1 + (self.settings.learning_rate_end - 1) * self.done / self.settings.updates
        settings = self.gan.settings
        for optimizer, start in (
            (self.gan.generator_optimizer, settings.generator_rate),
            (self.gan.discriminator_optimizer, settings.discriminator_rate),
        ):
            for group in optimizer.param_groups:
                group["lr"] = share * start

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
