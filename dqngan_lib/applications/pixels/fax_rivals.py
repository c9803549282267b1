"""What else makes a fax shorter: smoothing, asking about each picture, and policy gradients."""

import itertools

import numpy as np
import torch
from skimage.restoration import denoise_tv_chambolle
from torch import Tensor
from torch.nn import functional

from dqngan_lib.applications.pixels.fax import (
    BYTE_PRICE,
    Fax,
    FaxEditor,
    FlipQNetwork,
    fax_score,
    may_flip,
    on_border,
)
from dqngan_lib.course.arguments import require, whole
from dqngan_lib.course.runtime import progress
from dqngan_lib.course.training import set_learning_rate

WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
"""How much `tune_cut` smooths."""

LEVELS = (0.4, 0.45, 0.5, 0.55)
"""Where it cuts."""


def smooth_and_cut(answers: Tensor, weight: float, level: float) -> Tensor:
    """Smooth what the CNN says, by total variation (Chambolle 2004), and cut it at a level.

    Args:
        answers: float `(n, 1, height, width)` in [0, 1].
        weight: How much is smoothed; 0 for not at all.
        level: What is above becomes ink.

    Returns:
        Black-and-white pictures of the same shape.
    """
    require(weight >= 0, "weight", weight, ">= 0")
    if weight > 0:
        smooth = [denoise_tv_chambolle(answer, weight) for answer in answers[:, 0].numpy()]
        answers = torch.as_tensor(np.stack(smooth)).unsqueeze(1)
    return (answers > level).float()


def tune_cut(answers: Tensor, originals: Tensor) -> tuple[float, float]:
    """Return the weight and the level of `smooth_and_cut` that give the lowest `fax_score`.

    Args:
        answers: What the CNN says of training pictures.
        originals: What they should look like.
    """
    fax, settings = Fax(), list(itertools.product(WEIGHTS, LEVELS))
    scores = [fax_score(smooth_and_cut(answers, *s), originals, fax)["score"] for s in settings]
    return settings[scores.index(min(scores))]


def search_flips(
    answers: Tensor, starts: Tensor, fax: Fax, tries: int, price: float = BYTE_PRICE
) -> Tensor:
    """Try flips on each picture by itself, and keep those that pay.

    The original is not known, so the CNN's answer stands for the chance of ink: a flip of a pixel
    x costs (2x − 1)(2a − 1) wrong pixels on average. The cheapest that are left are tried first.

    Args:
        answers: What the CNN says, a, float `(n, 1, height, width)` in [0, 1].
        starts: The black-and-white pictures to begin with.
        fax: Is asked once for each picture, and once for each try.
        tries: How many flips of each picture are tried.
        price: Wrong pixels that a byte is worth.
    """
    whole("tries", tries, 0)
    picture, now = (starts > 0.5).float(), fax.size(starts)
    tried = torch.zeros_like(picture, dtype=torch.bool)
    rows = torch.arange(len(picture))
    for _ in range(tries):
        cost = (2 * picture - 1) * (2 * answers - 1)
        open_ones = on_border(picture) & ~tried
        place = cost.masked_fill(~open_ones, torch.inf).flatten(1).argmin(1)
        trial = picture.clone()
        trial.flatten(1)[rows, place] = 1 - picture.flatten(1)[rows, place]
        size = fax.size(trial)
        pays = cost.flatten(1)[rows, place] + price * (size - now) < 0
        tried.flatten(1)[rows, place] = True
        picture = torch.where(pays.view(-1, 1, 1, 1), trial, picture)
        now = torch.where(pays, size, now)
    return picture


class FlipPolicy:
    """Flips with the chance σ(worth) that a network says; where it acts, if that is above ½.

    Args:
        network: Its `worth` is the logit of a flip.
    """

    def __init__(self, network: FlipQNetwork) -> None:
        self.network = network

    @torch.no_grad()
    def act(self, observation: Tensor) -> Tensor:
        """Return the likelier action of each pixel, int64 `(n, height, width)`."""
        flip = (self.network.worth(observation) > 0) & may_flip(observation)
        return flip.squeeze(1).long()


def train_reinforce(
    answers: Tensor,
    starts: Tensor,
    originals: Tensor,
    fax: Fax,
    *,
    queries: int,
    updates: int = 1_360,
    learning_rate: float = 1e-2,
    entropy: float = 0.3,
    seed: int = 0,
) -> FlipPolicy:
    """Train the same network by REINFORCE (Williams 1992), with the same reward for each flip.

    The gradient is that of log π(flip) times the reward of the flip; a pixel that stays earns 0.
    The reward is measured for each flip alone, as for the DQN, so no other noise is in it. Most
    flips do not pay: without a bonus for the policy's entropy it would soon try none.

    Args:
        answers: What the CNN says, float `(n, 1, height, width)` in [0, 1].
        starts: The black-and-white pictures to begin with.
        originals: What they should look like.
        fax: The program that is asked.
        queries: How often it may be asked.
        updates: Gradient steps at most: a policy that flips less and less asks less and less.
        learning_rate: At the start; it falls to 0.
        entropy: What a nat of a pixel's entropy counts as, in units of the reward.
        seed: Seed of the network, the episodes and the policy's choices.
    """
    whole("queries", queries, 1)
    whole("updates", updates, 1)
    torch.manual_seed(seed)
    network = FlipQNetwork()
    adam = torch.optim.Adam(network.parameters(), learning_rate, fused=True)
    rng = torch.Generator().manual_seed(int(seed))
    first, envs = fax.asked, FaxEditor(16, answers, starts, originals, fax)
    observation, _ = envs.reset(seed=seed)
    for done in progress(range(updates), label="REINFORCE"):
        left = min(1 - (fax.asked - first) / queries, 1 - done / updates)
        if left <= 0:
            break
        set_learning_rate(adam, learning_rate * left)
        logit = network.worth(observation)
        allowed = may_flip(observation)
        chance = logit.sigmoid()
        flip = allowed & (torch.rand(chance.shape, generator=rng) < chance.detach())
        observation, reward, *_ = envs.step(flip.squeeze(1).long())
        # ∇ Σᵢ rᵢ log π(flipᵢ), with log σ(z) = −softplus(−z), and the bonus β Σᵢ H(π(·ᵢ)).
        log_flip = -functional.softplus(-logit)
        bonus = functional.softplus(logit) - chance * logit  # H of a coin with chance σ(z)
        gain = (reward.unsqueeze(1) * log_flip)[flip].sum() + entropy * bonus[allowed].sum()
        loss = -gain / len(flip)
        adam.zero_grad()
        loss.backward()
        adam.step()
    return FlipPolicy(network)
