"""A judge of finished pictures alone: path consistency, and the game on the smearing printer.

Nobody knows which keys make a real picture, so no unfinished one can be judged. What is left is an
equation about whole *paths*, the sixteen decisions of an episode. The telescope of notebook 08,
section 4, says log π(path) = R(path) − log Z: for every path, with one log Z for all. So the
numbers log π(path) − R(path) of a batch must be alike, and their variance is a loss.

- Nachum et al. 2017, 1702.08892: path consistency, for any part of a path.
- Malkin et al. 2022, 2201.13259: *trajectory balance*, for whole paths and a learnt log Z. With the
  batch's mean in its place, as here, the loss is the variance of Zhang et al. 2023, 2302.05446.
- With the sampler's own past in R, as here, it is Trust-PCL (Nachum et al. 2018, 1707.01891) and
  relative trajectory balance, which are equal (Deleu et al. 2025, 2509.01632).
- Zhang et al. 2022, 2202.01361, learn the reward from data as well, as an energy.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from dqngan_lib.course.arguments import make_plain_numbers, require
from dqngan_lib.course.training import StoppableLoop, linear_schedule, set_learning_rate
from dqngan_lib.dqngan.sampler import move_average
from dqngan_lib.dqngan.smearing import KeyNetwork, Paths, log_chances, picture_judge, play_paths
from dqngan_lib.gan.losses import discriminator_loss
from dqngan_lib.gan.penalties import r1_penalty

# --- The loss


def path_loss(log_policy: Tensor, target: Tensor) -> Tensor:
    """Return the variance over a batch of log π(path) − R(path).

    It is 0 where log π = R − log Z for every path of the batch, whoever drew the paths. log Z, the
    same for all, is the batch's mean with its sign turned; nobody has to know it.

    Args:
        log_policy: log π(path) = Σ log π(aₜ|sₜ) of the network that learns, `(n,)`.
        target: R(path), `(n,)`, without gradient; from `path_target`.
    """
    return (log_policy - target).var(correction=0)


def path_target(
    log_policy: Tensor, log_q: Tensor, logit: Tensor, step: float, entropy: float = 0.0
) -> Tensor:
    """Return R(path) = (1 − η − κ) log π + η (log q + logit D).

    With the best D, log q(path) + logit D(picture) = log p, where q is what D was shown. So R goes
    a part η of the way from the sampler's policy π to the data, in logarithms, and at rest π = p.
    κ > 0 flattens π a little in each round: π ∝ p^{η/(η + κ)} at rest. The sampler's own
    chance of this path stays in R; so no matter how many paths lead to a picture, none is counted.

    Args:
        log_policy: log π(path) of the sampler, without its ε, `(n,)`.
        log_q: log q(path) of what the sampler really did, with its ε, `(n,)`.
        logit: logit D of the picture that the path made, `(n,)`.
        step: η, above 0, at most 1.
        entropy: κ, from 0; η + κ at most 1.

    Raises:
        ValueError: η or κ is out of its range.
    """
    require(0 < step <= 1, "step", step, "above 0, at most 1")
    require(0 <= entropy <= 1 - step, "entropy", entropy, f"from 0 to 1 − step = {1 - step:g}")
    return (1 - step - entropy) * log_policy + step * (log_q + logit)


# --- The game


@dataclass
class PathSettings:
    """How long the two learn, and how."""

    rounds: int = 2_000
    """Rounds: play, one step of the discriminator, one of the Q-network."""
    batch_size: int = 128
    """Episodes in a round, and real pictures beside them."""
    step: float = 0.3
    """η: how far the target goes in a round from the sampler to the data."""
    entropy: float = 0.3
    """κ at the start: it falls in a line to 0."""
    entropy_ends: float = 0.7
    """When κ is 0, as a share of the rounds."""
    r1: float = 0.03
    """λ of R1: how much the discriminator's slope at real pictures costs."""
    epsilon: float = 0.06
    """ε of the sampler at the start."""
    epsilon_end: float = 0.01
    """ε at the end; in between a line."""
    learning_rate: float = 2e-3
    """Step size of both Adams at the start."""
    learning_rate_end: float = 0.1
    """The same at the end, as a share of that at the start; in between a line."""
    sampler_memory: float = 0.9
    """Memory of the sampler, a running mean of the Q-network, in [0, 1)."""
    slow_memory: float = 0.995
    """Memory of the slow network, from which pictures are drawn, in [0, 1); less at first."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        make_plain_numbers(self)
        for name in ("rounds", "batch_size"):
            require(getattr(self, name) >= 1, name, getattr(self, name), ">= 1")
        for name in ("epsilon", "epsilon_end", "learning_rate_end", "entropy_ends"):
            require(0 <= getattr(self, name) <= 1, name, getattr(self, name), "from 0 to 1")
        for name in ("sampler_memory", "slow_memory"):
            require(0 <= getattr(self, name) < 1, name, getattr(self, name), "from 0, below 1")
        require(self.learning_rate > 0, "learning_rate", self.learning_rate, "> 0")
        require(self.r1 >= 0, "r1", self.r1, ">= 0")
        require(0 < self.step <= 1, "step", self.step, "above 0, at most 1")
        require(0 <= self.entropy <= 1 - self.step, "entropy", self.entropy, "from 0 to 1 − step")


class PathDQNGAN:
    """A Q-network that presses keys, and a discriminator that sees finished pictures alone.

    - `q_network` learns; `sampler`, a running mean of it, plays, and its q is the q of the target.
    - `slow_network` is a slower mean for whoever wants pictures.

    Args:
        settings: How they learn.
        seed: Seed of the weights, the decisions and the order of the real pictures.
    """

    def __init__(self, settings: PathSettings | None = None, seed: int = 0) -> None:
        self.settings = settings or PathSettings()
        self.rng = torch.Generator().manual_seed(int(seed))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(seed))
            self.q_network, self.discriminator = KeyNetwork(), picture_judge()
        self.sampler = deepcopy(self.q_network).requires_grad_(False)
        self.slow_network = deepcopy(self.q_network).requires_grad_(False)
        rate = self.settings.learning_rate
        self.q_optimizer = torch.optim.Adam(
            self.q_network.parameters(), rate, betas=(0.9, 0.99), fused=True
        )
        self.discriminator_optimizer = torch.optim.Adam(
            self.discriminator.parameters(), rate, betas=(0.5, 0.99), fused=True
        )
        self.done = 0

    def round(self, real: Tensor) -> None:
        """Play, then let the discriminator and the Q-network take one step each.

        Args:
            real: Finished real pictures, 1 ink and −1 paper, float `(many, 16)`.
        """
        settings, passed = self.settings, self.done / self.settings.rounds
        share = 1 - (1 - settings.learning_rate_end) * passed
        for optimizer in (self.q_optimizer, self.discriminator_optimizer):
            set_learning_rate(optimizer, share * settings.learning_rate)
        epsilon = settings.epsilon + (settings.epsilon_end - settings.epsilon) * passed
        paths = self.play(epsilon)
        chosen = torch.randint(len(real), (settings.batch_size,), generator=self.rng)
        self.update_discriminator(real[chosen], paths.canvas)
        self.update_q(paths)
        self.done += 1
        move_average(self.sampler, self.q_network, settings.sampler_memory)
        memory = min(settings.slow_memory, (1 + self.done) / (10 + self.done))
        move_average(self.slow_network, self.q_network, memory)

    def play(self, epsilon: float) -> Paths:
        """Return the episodes of this round, the sampler's."""
        return play_paths(self.sampler, self.settings.batch_size, epsilon, self.rng)

    def update_discriminator(self, real: Tensor, fake: Tensor) -> None:
        """Take one gradient step on real and printed pictures, with R1 on the real ones."""
        judge = self.discriminator
        loss = discriminator_loss(judge(real), judge(fake), "non-saturating")
        if self.settings.r1 > 0:
            loss = loss + self.settings.r1 * r1_penalty(judge, real)
        self.discriminator_optimizer.zero_grad()
        loss.backward()
        self.discriminator_optimizer.step()

    def update_q(self, paths: Paths) -> None:
        """Take one gradient step of the Q-network on the sampler's own paths."""
        loss = self.loss(paths)
        self.q_optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.q_network.parameters(), 1.0)
        self.q_optimizer.step()

    def loss(self, paths: Paths) -> Tensor:
        """Return the path loss, with the judge's opinion as it is now."""
        own = log_chances(self.q_network, paths.states, paths.keys).sum(1)
        return path_loss(own, self.target(paths))

    @torch.no_grad()
    def target(self, paths: Paths) -> Tensor:
        """Return R of each path, `(n,)`."""
        logit = self.discriminator(paths.canvas).clamp(-8, 8)
        log_policy, log_q = paths.log_policy.sum(1), paths.log_q.sum(1)
        return path_target(log_policy, log_q, logit, self.settings.step, self.entropy)

    @property
    def entropy(self) -> float:
        """κ in the present round."""
        end = self.settings.entropy_ends * self.settings.rounds
        return linear_schedule(self.done, self.settings.entropy, 0.0, end) if end else 0.0


@dataclass
class PathHistory:
    """What was measured on the way; the lists have one entry an evaluation."""

    round: list[int] = field(default_factory=list)
    """Rounds so far."""
    score: list[float] = field(default_factory=list)
    """What `evaluate` returned."""


def train_on_finished(
    game: PathDQNGAN,
    real: Tensor,
    evaluate: Callable[[nn.Module], float],
    evaluate_every: int = 100,
) -> PathHistory:
    """Play the rounds of a game; a loop that somebody stops keeps what was learnt so far.

    Args:
        game: The networks; changed in place.
        real: Finished real pictures, 1 ink and −1 paper, float `(many, 16)`.
        evaluate: Returns a score of the slow network.
        evaluate_every: Rounds between two evaluations.
    """
    history = PathHistory()
    with StoppableLoop(game.settings.rounds, "path consistency", unit="round") as loop:
        for _ in loop:
            game.round(real)
            if game.done % evaluate_every == 0:
                history.round.append(game.done)
                history.score.append(float(evaluate(game.slow_network)))
    return history
