"""Generative adversarial networks (Goodfellow et al. 2014): the pair, and one update of it."""

import math
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from dqngan_lib.course.arguments import make_plain_numbers, require, whole_numbers
from dqngan_lib.gan.losses import KINDS, LossKind, discriminator_loss, generator_loss
from dqngan_lib.gan.penalties import clip_weights, gradient_penalty, r1_penalty


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
    """What is added to the discriminator's loss; see `dqngan_lib.gan.penalties`."""
    penalty_weight: float = 0.0
    """λ, of either penalty."""
    penalty_every: int = 1
    """Discriminator steps between two penalties, each then so many times as heavy."""
    mismatch: float = 0.0
    """With classes: the share of real samples under a wrong label in the discriminator's loss on
    fakes, in [0, 1); see `discriminator_step`."""
    clip: float = float("inf")
    """Greatest weight of the discriminator, in absolute value; inf leaves all as they are."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        make_plain_numbers(self)
        require(self.loss in KINDS, "loss", self.loss, f"one of {KINDS}")
        for name in ("generator_rate", "discriminator_rate", "clip"):
            require(getattr(self, name) > 0, name, getattr(self, name), "> 0")
        for name in ("beta_1", "beta_2", "average", "mismatch"):
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
        ValueError: The settings ask for wrong labels, and there are none.
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
        if settings.mismatch > 0 and self.classes < 2:
            raise ValueError(f"mismatch needs 2 classes or more; the generator has {self.classes}")
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
        self.rng = torch.Generator().manual_seed(int(seed))
        self.discriminator_updates = 0

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        return next(self.generator.parameters()).device

    def noise(self, count: int) -> Tensor:
        """Return `(count, noise_size)` normal numbers, the next ones of the training."""
        noise = torch.randn(count, self.generator.noise_size, generator=self.rng)
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
        rng = torch.Generator().manual_seed(int(seed))
        noise = torch.randn(count, self.generator.noise_size, generator=rng).to(self.device)
        if labels is None and self.classes:
            labels = torch.randint(self.classes, (count,), generator=rng)
        labels = checked_labels(labels, count, self.classes)
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
        # 1. D learns, with G held still.
        self.discriminator.requires_grad_(True)
        for _ in range(self.settings.discriminator_steps):
            measured = self.discriminator_step(real, labels)
        # 2. G learns, with D held still: no gradient of D's weights is needed.
        self.discriminator.requires_grad_(False)
        measured["generator_loss"] = self.generator_step(len(real), labels)
        # 3. The average follows.
        self.averaged.update_parameters(self.generator)
        return measured

    def discriminator_step(self, real: Tensor, labels: Tensor | None = None) -> dict[str, Tensor]:
        """Make the discriminator's loss smaller, on real samples and as many new fakes.

        With `mismatch` m > 0 there is a third kind of input, the real samples under a wrong label
        (Reed et al. 2016, 1605.05396, section 4.2). The loss is then (1 − m) times that on real
        and fake, plus m times that on real and mismatched.
        """
        share = self.settings.mismatch
        with torch.no_grad():  # x̃ = G(z): D's step must not reach G
            samples = [real, _call(self.generator, self.noise(len(real)), labels)]
        asked = [labels, labels]  # of real and fake
        if share > 0:
            samples.append(real)
            asked.append(self.wrong_labels(labels))
        both_labels = None if labels is None else torch.cat(asked)
        logits = _call(self.discriminator, torch.cat(samples), both_labels).split(len(real))
        # Real and fake go through D together, as one batch: (2 or 3 · batch, …) to logits.
        loss = discriminator_loss(logits[0], logits[1], self.settings.loss)
        if share > 0:  # (1 − m) · loss on fakes + m · loss on real samples under a wrong label
            loss = loss.lerp(discriminator_loss(logits[0], logits[2], self.settings.loss), share)
        penalty = self.penalty(real, samples[1], labels)  # λ · R, or 0
        self.discriminator_optimizer.zero_grad()
        (loss + penalty).backward()
        self.discriminator_optimizer.step()
        if self.settings.clip < math.inf:
            clip_weights(self.discriminator, self.settings.clip)
        self.discriminator_updates += 1
        return {
            "discriminator_loss": loss.detach(),
            "real_logit": logits[0].detach().mean(),
            "fake_logit": logits[1].detach().mean(),
            "penalty": penalty.detach(),
        }

    def wrong_labels(self, labels: Tensor) -> Tensor:
        """Return for each label another class, each of the others equally likely."""
        # y + s modulo the classes, with s from 1: never y itself.
        shift = torch.randint(1, self.classes, labels.shape, generator=self.rng)
        return (labels + shift.to(labels.device)) % self.classes

    def generator_step(self, count: int, labels: Tensor | None = None) -> Tensor:
        """Make the generator's loss smaller on new noise; return the loss, without gradient."""
        fake = _call(self.generator, self.noise(count), labels)  # with its graph, for ∂D/∂x ∂G/∂θ
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
            penalty = gradient_penalty(critic, real, fake, self.rng)
        # Every k-th step it counts k times (lazily, as Karras et al. 2020, 1912.04958, do).
        return settings.penalty_weight * settings.penalty_every * penalty

    def _move_average(self, average: list[Tensor], new: list[Tensor], updates: Tensor) -> None:
        """Move the average; at first with a shorter memory, so that it forgets the beginning."""
        updates = int(updates)
        # θ̄ ← m θ̄ + (1 − m) θ, with m rising from 0.1 to `average`
        memory = min(self.settings.average, (1 + updates) / (10 + updates))
        for old, value in zip(average, new, strict=True):
            old.copy_(torch.lerp(old, value, 1 - memory) if value.is_floating_point() else value)

    def state_dict(self) -> dict[str, Any]:
        """Return everything that `load_state_dict` needs to go on."""
        parts = {name: getattr(self, name).state_dict() for name in self._PARTS}
        return parts | {
            "rng": self.rng.get_state(),
            "discriminator_updates": self.discriminator_updates,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a state made by `state_dict`."""
        for name in self._PARTS:
            # A copy: unlike a network, an optimiser would go on in the tensors that it is given.
            getattr(self, name).load_state_dict(deepcopy(state[name]))
        self.rng.set_state(state["rng"])
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


def checked_labels(labels: Tensor | None, count: int, classes: int) -> Tensor | None:
    """Return labels that fit a generator with so many classes, or say what is wrong with them.

    Args:
        labels: Classes `(count,)`, or None.
        count: How many there must be.
        classes: How many classes the generator has; 0 for none.

    Raises:
        ValueError: Labels are missing, needless, of another shape or type, or out of range.
    """
    if labels is None and classes == 0:
        return None
    if labels is None or classes == 0:
        given = "none were given" if labels is None else "labels were given"
        raise ValueError(f"labels: the generator has {classes} classes, but {given}")
    return whole_numbers("labels", labels, count, classes - 1)
