"""Ways to build digits from patches, in one budget: the table of notebook 09, section 9.

Run `python benchmarks/09_dqn_gan.py`, or `python3 course.py study 09`. It writes
results/09_dqn_gan.csv; with three seeds it takes about a quarter of an hour.
"""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

import torch
from recipes import PATCHES
from tables import write_table
from torch import Tensor, nn

from dqngan_lib.course.data import Digits, digits
from dqngan_lib.dqngan.agent import DQNGAN
from dqngan_lib.dqngan.networks import CausalTransformer, train_by_likelihood
from dqngan_lib.dqngan.patch_canvas import PatchCanvas, fit_codebook, reconstruction
from dqngan_lib.dqngan.play import generate
from dqngan_lib.dqngan.settings import DQNGANSettings
from dqngan_lib.dqngan.training import DQNGANTrainSettings, train_dqngan
from dqngan_lib.metrics.digits import digit_scores

ROUNDS = 200
"""Rounds, or updates, of the rows that are compared with one another."""

LONG = 1_500
"""Rounds of the notebook's run, and updates of maximum likelihood beside it."""

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


TERMINAL = replace(PATCHES, reward="logit + log q")
TAKEN = replace(PATCHES, reward="logit + log q", every_step=True)
GREEDY = replace(PATCHES, reward="D", greedy=True, epsilon=0.1)

VARIANTS = {
    "codebook (floor)": Variant(),
    "random patches": Variant(),
    "greedy DQN": Variant(GREEDY),
    "greedy DQN, noise as input": Variant(GREEDY, starts=256),
    "soft DQN, paid at the end": Variant(TERMINAL),
    "soft DQN, paid each step": Variant(TAKEN),
    "all actions, no branches": Variant(PATCHES),
    "all actions, branches": Variant(PATCHES, branches=0.5),
    "all actions, branches alone": Variant(PATCHES, branches=1.0),
    "maximum likelihood": Variant(likelihood=ROUNDS),
    "likelihood, then DQN-GAN": Variant(PATCHES, branches=0.5, likelihood=LONG),
    "maximum likelihood, 1,500": Variant(likelihood=LONG),
    "maximum likelihood, 6,000": Variant(likelihood=SAME_TIME),
    "DQN-GAN of the notebook": Variant(PATCHES, LONG, branches=0.5, rate_end=0.1),
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


def by_discriminator(
    network: nn.Module, variant: Variant, seed: int
) -> tuple[nn.Module, dict[str, float]]:
    """Train a network as the generator of a DQN-GAN; return its slow mean and what was measured."""
    _, codebook, tokens = prepared()
    judge = CausalTransformer(codebook, 16, dropout=0.1)
    judge = judge if variant.starts == 1 else Blind(judge)
    agent = DQNGAN(network, judge, variant.settings, seed)
    real = {"observation": tokens[:, :-1], "action": tokens[:, 1:]}
    budget = DQNGANTrainSettings(
        updates=variant.rounds,
        branch_share=variant.branches,
        learning_rate_end=variant.rate_end,
        evaluate_every=min(250, variant.rounds),
    )
    envs = PatchCanvas(64, codebook, starts=variant.starts)
    torch.manual_seed(seed)
    started = time.process_time()
    history = train_dqngan(agent, envs, real, settings=budget, seed=seed)
    return agent.slow_network, {
        "discriminator_loss": history.discriminator_loss[-1],
        "q_loss": history.q_loss[-1],
        "seconds": time.process_time() - started,
    }


def run(name: str, seed: int) -> Mapping[str, float]:
    """Train one variant on one seed and score 2,000 pictures of its generator."""
    variant = VARIANTS[name]
    data, codebook, _ = prepared()
    measured = {"discriminator_loss": math.nan, "q_loss": math.nan, "seconds": 0.0}
    torch.manual_seed(seed)
    network, before = CausalTransformer(codebook, 16, variant.starts), 0.0
    if variant.likelihood:
        trained, before = by_likelihood(variant.likelihood, seed)
        network.load_state_dict(trained.state_dict())
    if variant.settings is not None:
        network, measured = by_discriminator(network, variant, seed)
    if name.startswith("codebook"):
        images = reconstruction(data.test_images, codebook)
    else:
        canvas = PatchCanvas(2_000, codebook, starts=variant.starts)
        greedy = variant.settings is not None and variant.settings.greedy
        images = canvas.pictures(generate(network, canvas, 0.0 if greedy else 1.0, seed=seed))
    scores = digit_scores(images, data.test_images, training=data.train_images)
    columns = {key.lower().replace("-", "_").replace(" ", "_"): scores[key] for key in SCORES}
    return columns | measured | {"seconds": measured["seconds"] + before}


SCORES = ("digit-FID", "class entropy", "precision", "recall", "distinct", "closer", "copies")


if __name__ == "__main__":
    write_table("09_dqn_gan", tuple(VARIANTS), run)
