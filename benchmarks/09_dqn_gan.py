"""Ways to build digits from patches, in one budget: the table of notebook 09, section 9.

Run `python benchmarks/09_dqn_gan.py`, or `python3 course.py study 09`. The notebook's own run is
measured on seeds 5 to 9, since the study makes it on 0 to 4; everything else on 0 to 2. A row is
written as soon as it is measured; to measure it again, delete it from results/09_dqn_gan.csv first.
"""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

import torch
from finished_digits import Finished, PictureJudge
from recipes import PATCHES
from tables import Row, conditions, measure, spread
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import log_softmax, softplus

from dqngan_lib.course.data import Digits, digits
from dqngan_lib.dqn.replay import Batch
from dqngan_lib.dqngan.agent import DQNGAN
from dqngan_lib.dqngan.networks import CausalTransformer, log_probability, train_by_likelihood
from dqngan_lib.dqngan.patch_canvas import PatchCanvas, fit_codebook, reconstruction
from dqngan_lib.dqngan.play import generate
from dqngan_lib.dqngan.rewards import policy_target
from dqngan_lib.dqngan.sampler import move_average
from dqngan_lib.dqngan.settings import DQNGANSettings
from dqngan_lib.dqngan.training import DQNGANTrainSettings, train_dqngan
from dqngan_lib.metrics.digits import digit_scores

ROUNDS = 200
"""Rounds, or updates, of the rows that are compared with one another."""

LONG = 1_500
"""Rounds of the notebook's run, and updates of maximum likelihood beside it."""

FINISHED = 1_100
"""Rounds of the run that is taught by finished pictures alone."""

SAME_TIME = 6_000
"""Updates of maximum likelihood that take no longer than the notebook's run."""


class Blind(nn.Module):
    """A discriminator that does not see the start token, so that it may be noise."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, tokens: Tensor) -> Tensor:
        """Judge prefixes `(n, 1 + t)` by their patches alone."""
        return self.network(torch.cat([torch.zeros_like(tokens[:, :1]), tokens[:, 1:]], 1))


class Flat(DQNGAN):
    """Its discriminator pays for its slope at real sentences: R1 (Mescheder et al. 2018)."""

    weight = 1.0
    """λ."""

    def logits_and_slope(self, real: Batch) -> tuple[Tensor, Tensor]:
        """Return f(s, a) of real choices, `(n, steps)`, and its slope `(n, steps, width)`.

        Tokens have no slope. It is taken with respect to the numbers that describe them, as the
        first layer sees them; what a choice says of earlier tokens is in it.
        """
        described: list[Tensor] = []
        hook = self.discriminator.blocks[0].register_forward_pre_hook(
            lambda _, given: described.append(given[0])
        )
        logits = taken(self.discriminator(real["observation"]), real["action"])
        hook.remove()
        (slope,) = torch.autograd.grad(logits.sum(), described[0], create_graph=True)
        return logits, slope

    def update_discriminator(
        self, real: Batch, fake: Batch, branches: int = 0
    ) -> dict[str, Tensor]:
        """Take one gradient step on real and drawn fake steps, and on the slope."""
        with sdpa_kernel(SDPBackend.MATH):  # the faster attention has no second derivative
            real_logits, slope = self.logits_and_slope(real)
            fake_logits = taken(self.discriminator(fake["observation"]), fake["action"])
            loss = softplus(-real_logits).mean() + softplus(fake_logits).mean()
            self.discriminator_optimizer.zero_grad()
            (loss + self.weight * 0.5 * slope.square().sum((1, 2)).mean()).backward()
        self.discriminator_optimizer.step()
        return noted(loss, real_logits, fake_logits)


class ASAF(DQNGAN):
    """Adversarial soft advantage fitting (Barde et al. 2020, 2006.13258): D *is* the next policy.

    D = π̃ / (π̃ + q), so its logit is log π̃ − log q of what was done, and its best π̃ is the data's.
    Nothing is copied: π̃ is the Q-network, and the sampler q follows it as elsewhere.
    """

    whole = True
    """Whether D judges whole sentences, as in the paper's ASAF, or choices, as in its ASAF-1."""

    def logit(self, batch: Batch) -> Tensor:
        """Return log π̃ − log q of each choice `(n, steps)`, or of each sentence `(n,)`."""
        log_policy = log_softmax(self.q_network(batch["observation"]), 1)
        ratio = taken(log_policy - self.log_q(batch["observation"]), batch["action"])
        return ratio.sum(1) if self.whole else ratio

    def update_discriminator(
        self, real: Batch, fake: Batch, branches: int = 0
    ) -> dict[str, Tensor]:
        """Take one gradient step of π̃, by the discriminator's loss."""
        real_logits, fake_logits = self.logit(real), self.logit(fake)
        loss = softplus(-real_logits).mean() + softplus(fake_logits).mean()
        self.q_optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.q_network.parameters(), self.settings.gradient_clip)
        self.q_optimizer.step()
        return noted(loss, real_logits, fake_logits)

    def update_q(self, batch: Batch) -> Tensor:
        """Learn nothing more: the sampler and the slow network follow π̃."""
        self.updates += 1
        move_average(self.sampler, self.q_network, self.settings.sampler_memory)
        memory = min(self.settings.slow_memory, (1 + self.updates) / (10 + self.updates))
        move_average(self.slow_network, self.q_network, memory)
        return torch.zeros(())


class ASAFChoices(ASAF):
    """ASAF whose discriminator judges one choice at a time: with branches, in real states."""

    whole = False


class Target(nn.Module):
    """The target itself as a generator: softmax(log q + f), with no network that copies it."""

    def __init__(self, agent: DQNGAN) -> None:
        super().__init__()
        self.q_network, self.discriminator = agent.sampler, agent.discriminator
        self.settings = agent.settings

    def forward(self, tokens: Tensor) -> Tensor:
        """Map prefixes `(n, 1 + t)` to log p(·|s) as the discriminator sees it."""
        log_q = log_softmax(self.q_network(tokens) / self.settings.temperature, 1)
        return policy_target(log_q, self.discriminator(tokens), self.settings.clip)


def taken(values: Tensor, action: Tensor) -> Tensor:
    """Return the number of the action taken, `(n, steps)`, from those of all `(n, K, steps)`."""
    return values.gather(1, action.unsqueeze(1)).squeeze(1)


def noted(loss: Tensor, real_logits: Tensor, fake_logits: Tensor) -> dict[str, Tensor]:
    """Return what `DQNGAN.update_discriminator` returns."""
    logits = {"real_logit": real_logits.detach().mean(), "fake_logit": fake_logits.detach().mean()}
    return {"discriminator_loss": loss.detach(), **logits}


@dataclass
class Variant:
    """One row of the table."""

    settings: DQNGANSettings | None = None
    """How the DQN-GAN learns; None for none."""
    rounds: int = ROUNDS
    """Rounds of training."""
    branches: float = 0.0
    """Share of the discriminator's fakes that are the sampler's actions in real states."""
    starts: int = 1
    """Start tokens; more than one are noise that the discriminator does not see."""
    likelihood: int = 0
    """Updates of maximum likelihood, before the rounds."""
    rate_end: float = 1.0
    """Both learning rates at the end, as a share of those at the start."""
    play_every: int = 1
    """Rounds from one play to the next."""
    dropout: float = 0.1
    """Of the discriminator."""
    kind: type[DQNGAN] = DQNGAN
    """How the two learn, where that differs."""


TERMINAL = replace(PATCHES, reward="logit + log q")
TAKEN = replace(PATCHES, reward="logit + log q", every_step=True)
GREEDY = replace(PATCHES, reward="D", greedy=True, epsilon=0.1)
EXPECTED = replace(PATCHES, expected_fakes=True)

OURS = "DQN-GAN of the notebook"
COPYLESS = "the same, log q + f without Q"
"""Pictures of the same training, drawn from the target itself."""

VARIANTS = {
    "codebook (floor)": Variant(),
    "random patches": Variant(),
    "greedy DQN": Variant(GREEDY),
    "greedy DQN, noise as input": Variant(GREEDY, starts=256),
    "soft DQN, paid at the end": Variant(TERMINAL),
    "soft DQN, paid each step": Variant(TAKEN),
    "all actions, no branches": Variant(PATCHES),
    "all actions, branches": Variant(PATCHES, branches=0.5),
    "all actions, branches, R1": Variant(PATCHES, branches=0.5, kind=Flat),
    "all actions, branches alone": Variant(PATCHES, branches=1.0),
    "expected fakes, branches": Variant(EXPECTED, branches=0.5),
    "expected fakes, branches alone": Variant(EXPECTED, branches=1.0),
    "ASAF": Variant(PATCHES, kind=ASAF),
    "ASAF, branches alone": Variant(PATCHES, branches=1.0, kind=ASAFChoices),
    "maximum likelihood": Variant(likelihood=ROUNDS),
    "likelihood, then DQN-GAN": Variant(PATCHES, branches=0.5, likelihood=LONG),
    "all actions, branches, 1,500": Variant(PATCHES, LONG, branches=0.5, rate_end=0.1),
    "all actions, branches alone, 1,500": Variant(PATCHES, LONG, branches=1.0, rate_end=0.1),
    "ASAF, branches alone, 1,500": Variant(
        PATCHES, LONG, branches=1.0, rate_end=0.1, kind=ASAFChoices
    ),
    "maximum likelihood, 1,500": Variant(likelihood=LONG),
    "maximum likelihood, 6,000": Variant(likelihood=SAME_TIME),
    "finished pictures alone": Variant(
        replace(PATCHES, discriminator_rate=2e-3, clip=3.0, slow_memory=0.99),
        FINISHED,
        rate_end=0.1,
        kind=Finished,
    ),
    OURS: Variant(
        replace(EXPECTED, q_rate=3e-3, slow_memory=0.98),
        LONG,
        branches=1.0,
        rate_end=0.05,
        play_every=2,
        dropout=0.0,
    ),
}


@cache
def prepared() -> tuple[Digits, Tensor, Tensor]:
    """Return digits, a codebook of their patches, and the episodes of the training digits."""
    data = digits(16)
    codebook = fit_codebook(data.train_images, patch=4, count=128, seed=0)
    return data, codebook, PatchCanvas(1, codebook).episodes(data.train_images)


@cache
def by_likelihood(updates: int, seed: int) -> tuple[CausalTransformer, float]:
    """Return a network trained by maximum likelihood, and how many seconds it took."""
    _, codebook, tokens = prepared()
    torch.manual_seed(seed)
    network = CausalTransformer(codebook, 16)
    started = time.process_time()
    train_by_likelihood(network, tokens, updates, seed=seed)
    return network, time.process_time() - started


@cache
def by_discriminator(name: str, seed: int) -> tuple[DQNGAN, dict[str, float]]:
    """Train a variant's DQN-GAN; return it and what was measured."""
    variant = VARIANTS[name]
    assert variant.settings is not None
    _, codebook, tokens = prepared()
    torch.manual_seed(seed)
    network, before = CausalTransformer(codebook, 16, variant.starts), 0.0
    if variant.likelihood:
        trained, before = by_likelihood(variant.likelihood, seed)
        network.load_state_dict(trained.state_dict())
    judge: nn.Module = CausalTransformer(codebook, 16, dropout=variant.dropout)
    if variant.starts > 1:
        judge = Blind(judge)
    if variant.kind is Finished:
        judge = PictureJudge()
    agent = variant.kind(network, judge, variant.settings, seed)
    if isinstance(agent, Finished):
        agent.begin(codebook, variant.rounds)
    real = {"observation": tokens[:, :-1], "action": tokens[:, 1:]}
    budget = DQNGANTrainSettings(
        updates=variant.rounds,
        branch_share=variant.branches,
        learning_rate_end=variant.rate_end,
        play_every=variant.play_every,
        evaluate_every=min(250, variant.rounds),
    )
    envs = PatchCanvas(64, codebook, starts=variant.starts)
    torch.manual_seed(seed)
    started = time.process_time()
    history = train_dqngan(agent, envs, real, settings=budget, seed=seed)
    return agent, {
        "discriminator_loss": history.discriminator_loss[-1],
        "q_loss": history.q_loss[-1],
        "seconds": time.process_time() - started + before,
    }


def run(name: str, seed: int) -> Mapping[str, object]:
    """Train one variant on one seed and score 2,000 pictures of its generator."""
    variant = VARIANTS.get(name, Variant())
    data, codebook, _ = prepared()
    measured = {"discriminator_loss": math.nan, "q_loss": math.nan, "seconds": 0.0}
    torch.manual_seed(seed)
    network: nn.Module = CausalTransformer(codebook, 16)
    if name == COPYLESS:
        agent, measured = by_discriminator(OURS, seed)
        network = Target(agent)
    elif variant.settings is not None:
        agent, measured = by_discriminator(name, seed)
        network = agent.slow_network
    elif variant.likelihood:
        network, measured["seconds"] = by_likelihood(variant.likelihood, seed)
    nats = math.nan
    if name.startswith("codebook"):
        images = reconstruction(data.test_images, codebook)
    else:
        canvas = PatchCanvas(2_000, codebook, starts=variant.starts)
        greedy = variant.settings is not None and variant.settings.greedy
        images = canvas.pictures(generate(network, canvas, 0.0 if greedy else 1.0, seed=seed))
        if not greedy:
            held_out = canvas.episodes(data.test_images)
            nats = -log_probability(network, held_out).mean().item()
    scores = digit_scores(images, data.test_images, training=data.train_images)
    columns = {key.lower().replace("-", "_").replace(" ", "_"): scores[key] for key in SCORES}
    return columns | {"held_out_nats": nats} | measured | conditions("gymnasium")


def jobs(seed: int) -> list[tuple[str]]:
    """Return what is measured on a seed: rivals on the first three, then the notebook's run."""
    rivals = [name for name in VARIANTS if name != OURS]
    return [(name,) for name in (rivals if seed < 3 else (OURS, COPYLESS))]


def report(rows: list[Row]) -> str:
    """Return a line for each variant: median, least and greatest digit-FID."""
    lines = []
    for name in dict.fromkeys(row["variant"] for row in rows):
        values = [float(row["digit_fid"]) for row in rows if row["variant"] == name]
        lines.append(f"{name:40} {spread(values)} on {len(values)} seeds")
    return "\n".join(lines)


SCORES = ("digit-FID", "class entropy", "precision", "recall", "distinct", "closer", "copies")


if __name__ == "__main__":
    measure("09_dqn_gan", ("variant",), jobs, run, report, (0, 1, 2, 5, 6, 7, 8, 9))
