"""A world in which an agent chooses which generated patches to train a classifier on.

After Ye et al. (2020, 2008.11331): the reward is a validation accuracy. They let a transformer
judge thousands of histology patches, and learnt by policy gradients; here a DQN sees one
candidate after the other, and the classifier is small enough to be trained again at each step.
"""

from dataclasses import dataclass

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor
from torch.nn import functional

from dqngan_lib.applications.medical.tissue import TISSUES, Patches, in_the_middle
from dqngan_lib.course.arguments import require, whole
from dqngan_lib.environments.base import TorchVectorEnv
from dqngan_lib.environments.rollout import Policy

DROP, KEEP = 0, 1
"""The two actions."""

ACCURACY_SCALE = 20.0
"""What a validation accuracy of 1 counts as: five points more are a reward of 1."""


class RandomFeatures:
    """Numbers that describe a patch: random weighted sums of its middle, cut off at 0.

    A linear classifier on them is a network whose first layer is never trained. Its last layer is
    a least-squares problem, solved exactly in an instant, so it can be the reward of an agent.

    Args:
        count: How many numbers, besides a constant 1.
        middle: Side of the square of pixels that is looked at, even.
        seed: Seed of the weights.
    """

    def __init__(self, count: int = 64, middle: int = 8, seed: int = 0) -> None:
        whole("count", count, 1)
        whole("middle", middle, 2)
        rng = torch.Generator().manual_seed(int(seed))
        self.middle = middle
        self.weights = torch.randn(middle * middle, count, generator=rng) / middle
        self.offsets = torch.randn(count, generator=rng)

    def __call__(self, patches: Patches) -> "LabelledFeatures":
        """Describe patches by `count + 1` numbers each, and keep their labels."""
        pixels = 4 * (in_the_middle(patches.images, self.middle).flatten(1) - 0.5)
        features = (pixels @ self.weights + self.offsets).relu()
        features = torch.cat([features, torch.ones(len(patches), 1)], 1)
        return LabelledFeatures(features, patches.labels)


@dataclass(frozen=True)
class LabelledFeatures:
    """Patches as a classifier sees them: features float `(n, d)`, labels int64 `(n,)`."""

    features: Tensor
    labels: Tensor

    def __post_init__(self) -> None:
        """Check that they fit together."""
        shapes = tuple(self.features.shape), tuple(self.labels.shape)
        fits = self.features.dim() == 2 and shapes[1] == shapes[0][:1] and len(self.labels) > 0
        require(fits, "features and labels", shapes, "(n, d) and (n,) with n >= 1")

    def __len__(self) -> int:
        """Return n."""
        return len(self.labels)


def sums(examples: LabelledFeatures) -> tuple[Tensor, Tensor]:
    """Return ΦᵀΦ `(d, d)` and ΦᵀY `(d, classes)`: all that least squares needs to know."""
    answers = functional.one_hot(examples.labels, len(TISSUES)).float()
    return examples.features.T @ examples.features, examples.features.T @ answers


def solve(squares: Tensor, products: Tensor, ridge: float = 10.0) -> Tensor:
    """Return the weights W = (ΦᵀΦ + λ 1)⁻¹ ΦᵀY of ridge regression, `(…, d, classes)`.

    Args:
        squares: ΦᵀΦ, `(…, d, d)`.
        products: ΦᵀY, `(…, d, classes)`.
        ridge: λ > 0.
    """
    require(ridge > 0, "ridge", ridge, "> 0")
    return torch.linalg.solve(squares + ridge * torch.eye(squares.shape[-1]), products)


def accuracy(weights: Tensor, examples: LabelledFeatures) -> Tensor:
    """Return the share of examples whose class has the greatest score, `(…)`."""
    return ((examples.features @ weights).argmax(-1) == examples.labels).float().mean(-1)


class PatchChoice(TorchVectorEnv):
    """Candidates come one after the other; keep each for the training set, or drop it.

    An episode begins with a classifier trained on a few real patches. Each kept candidate joins
    them under the label that the generator was asked for, and the classifier is trained again.
    The reward is the change of its accuracy on validation patches, so that the rewards of an
    episode add up to all that was gained. After `candidates` steps the episode terminates.

    The observation is float32 `(11,)`: the label that was asked for, as three numbers of which
    one is 1; the clue that comes with the candidate; what the present classifier gives each class
    for it; that of the first classifier for the label; the share of candidates seen, and of those
    kept; and the present accuracy.

    Args:
        num_envs: Training sets that grow at once.
        pool: Candidates to draw from.
        clues: A number for each of them, such as a discriminator's, float `(n,)`.
        few: The real patches that there are.
        validation: Real patches that the accuracy is measured on.
        candidates: T, how many are shown in an episode.
        ridge: λ of the classifier.

    Raises:
        ValueError: An argument is out of its range, or shapes differ.
    """

    def __init__(
        self,
        num_envs: int,
        pool: LabelledFeatures,
        clues: Tensor,
        few: LabelledFeatures,
        validation: LabelledFeatures,
        candidates: int = 60,
        ridge: float = 10.0,
    ) -> None:
        whole("candidates", candidates, 1, len(pool))
        require(clues.shape == pool.labels.shape, "clues", tuple(clues.shape), "one a candidate")
        seen = spaces.Box(-np.inf, np.inf, (11,), np.float32)
        super().__init__(num_envs, seen, 2, candidates)
        self.pool, self.few, self.validation, self.ridge = pool, few, validation, ridge
        self.clues = (clues - clues.mean()) / clues.std().clamp(min=1e-6)
        self.start = sums(few)
        self.first = solve(*self.start, ridge)
        self.order = torch.zeros(num_envs, candidates, dtype=torch.long)
        self.kept = torch.zeros(num_envs, candidates, dtype=torch.bool)
        self.squares, self.products = (part.expand(num_envs, -1, -1).clone() for part in self.start)
        self.weights = self.first.expand(num_envs, -1, -1).clone()
        self.accuracy = accuracy(self.weights, validation)

    def _begin(self, rows: Tensor) -> None:
        for row in rows.nonzero().flatten():
            drawn = torch.randperm(len(self.pool), generator=self.rng)
            self.order[row] = drawn[: self.max_steps]
        self.kept[rows] = False
        self.squares[rows], self.products[rows] = self.start
        self.weights[rows] = self.first
        self.accuracy[rows] = accuracy(self.first, self.validation)

    def _move(self, action: Tensor) -> tuple[Tensor, Tensor]:
        number = self.time - 1
        every = torch.arange(self.num_envs)
        which, kept = self.order[every, number], action == KEEP
        self.kept[every, number] = kept
        self.squares, self.products = self._grown(which, kept.float().unsqueeze(1))
        before = self.accuracy
        self.weights = solve(self.squares, self.products, self.ridge)
        self.accuracy = accuracy(self.weights, self.validation)
        # r = scale · (accuracy after − before): over an episode it adds up to the whole rise.
        return ACCURACY_SCALE * (self.accuracy - before), self.time == self.max_steps

    def accuracy_if_kept(self) -> Tensor:
        """Return what the validation accuracy would be with the present candidate, `(num_envs,)`.

        No honest agent asks this for the patches that it must judge; a search does.
        """
        which = self.order[torch.arange(self.num_envs), self.time]
        squares, products = self._grown(which, torch.ones(self.num_envs, 1))
        return accuracy(solve(squares, products, self.ridge), self.validation)

    def _grown(self, which: Tensor, kept: Tensor) -> tuple[Tensor, Tensor]:
        """Return the two sums after candidates, where `kept`, `(num_envs, 1)`, is 1."""
        features = self.pool.features[which] * kept
        answers = functional.one_hot(self.pool.labels[which], len(TISSUES)).float()
        # ΦᵀΦ + φ φᵀ and ΦᵀY + φ yᵀ: one more example changes each sum by a product.
        squares = self.squares + features.unsqueeze(2) * features.unsqueeze(1)
        return squares, self.products + features.unsqueeze(2) * answers.unsqueeze(1)

    def _observe(self) -> Tensor:
        number = self.time.clamp(max=self.max_steps - 1)
        which = self.order[torch.arange(self.num_envs), number]
        features, label = self.pool.features[which], self.pool.labels[which]
        first = (features @ self.first).gather(1, label.unsqueeze(1))
        share, kept = self.time / self.max_steps, self.kept.float().mean(1)
        numbers = (self.clues[which], share, kept, self.accuracy)
        now = (features.unsqueeze(1) @ self.weights).squeeze(1)
        parts = [functional.one_hot(label, len(TISSUES)), now, first, torch.stack(numbers, 1)]
        return torch.cat([part.float() for part in parts], 1)


@dataclass
class Choice:
    """What was shown in episodes, and what was kept of it."""

    order: Tensor
    """Numbers of the candidates in the pool, int64 `(episodes, candidates)`."""
    kept: Tensor
    """Which of them were kept, bool of the same shape."""
    validation: Tensor
    """Accuracy on the validation patches at the end, `(episodes,)`."""
    weights: Tensor
    """The classifiers at the end, `(episodes, d, classes)`."""


def choose(policy: Policy, envs: PatchChoice, seed: int = 0) -> Choice:
    """Let a policy choose in one episode of each environment.

    Args:
        policy: From observations `(envs, 11)` to actions `(envs,)`.
        envs: Where; every policy sees the same candidates for the same seed.
        seed: Seed of the candidates.
    """
    observation, _ = envs.reset(seed=int(seed))
    for _ in range(envs.max_steps - 1):
        observation, *_ = envs.step(policy(observation))
    order, kept = envs.order.clone(), envs.kept.clone()
    kept[torch.arange(envs.num_envs), envs.time] = policy(observation) == KEEP
    # A classifier on what each episode has kept, and on the few real patches.
    features = envs.pool.features[order] * kept.unsqueeze(2)
    answers = functional.one_hot(envs.pool.labels[order], len(TISSUES)).float()
    squares, products = features.mT @ features, features.mT @ answers
    weights = solve(envs.start[0] + squares, envs.start[1] + products, envs.ridge)
    return Choice(order, kept, accuracy(weights, envs.validation), weights)


def choose_greedily(envs: PatchChoice, seed: int = 0) -> Choice:
    """Keep each candidate that does not lower the validation accuracy.

    It tries every candidate on the validation patches before it decides; the agent must decide
    without this trial.

    Args:
        envs: Where.
        seed: Seed of the candidates.
    """
    return choose(lambda _: (envs.accuracy_if_kept() >= envs.accuracy).long(), envs, seed)
