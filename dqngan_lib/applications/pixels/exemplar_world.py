"""An agent practises on the photograph that it will mend: it cuts holes where it knows the answer."""

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from dqngan_lib.applications.pixels.exemplars import FILLS, OBSERVED, SHEET, Filling
from dqngan_lib.applications.pixels.photographs import photo_holes
from dqngan_lib.course.arguments import require
from dqngan_lib.dqn.agent import DQN, DQNSettings
from dqngan_lib.dqn.networks import QNetwork
from dqngan_lib.dqn.training import TrainSettings, train_dqn
from dqngan_lib.environments.base import TorchVectorEnv

REWARD_SCALE = 10.0
"""c: removing all of the rubber sheet's squared error earns so much."""

WORST_REWARD = -2.0
"""The least reward of a step, so that a few bad patches do not drown the rest."""


class PracticeWorld(TorchVectorEnv):
    """Practice holes in one photograph, each filled patch by patch.

    The observation is that of `Filling`; an action is one of `FILLS`. The reward is the fall of
    the squared error of the new pixels below the rubber sheet's, as a share of what the sheet gets
    wrong in the whole hole, times `REWARD_SCALE`. Pasting the sheet earns 0. An episode
    terminates when the hole is full.

    Args:
        num_envs: Holes at once.
        picture: The photograph, float `(3, height, width)` in [0, 1].
        unknown: What is missing in it, bool `(height, width)`. No hole comes near it, and nobody
            looks at it.
    """

    def __init__(self, num_envs: int, picture: Tensor, unknown: Tensor) -> None:
        seen = spaces.Box(-np.inf, np.inf, (OBSERVED,), np.float32)
        super().__init__(num_envs, seen, len(FILLS), max_steps=1_000)
        self.picture, self.unknown = picture.masked_fill(unknown, 0.0), unknown
        self.fillings: list[Filling | None] = [None] * num_envs
        self.earned = torch.zeros(len(FILLS))

    @property
    def best_fill(self) -> str:
        """The one of `FILLS` that would have earned most in practice so far: a rival."""
        return FILLS[int(self.earned.argmax())]

    def _begin(self, rows: Tensor) -> None:
        for row in rows.nonzero().flatten().tolist():
            (hole,) = photo_holes(1, self.rng, self.unknown)
            self.fillings[row] = Filling(self.picture, hole, self.unknown)

    def _move(self, action: Tensor) -> tuple[Tensor, Tensor]:
        worth = torch.stack([rewards(filling, self.picture) for filling in self.fillings])
        self.earned += worth.sum(0)
        for filling, fill in zip(self.fillings, action.tolist(), strict=True):
            filling.paste(fill)
        done = torch.tensor([filling.done for filling in self.fillings])
        return worth.gather(1, action.unsqueeze(1)).squeeze(1), done

    def _observe(self) -> Tensor:
        return torch.stack([filling.observation for filling in self.fillings])


def rewards(filling: Filling, original: Tensor) -> Tensor:
    """Return what each of `FILLS` would earn at the place that is next, `(5,)`.

    Args:
        filling: A hole that is not full.
        original: What the photograph should look like.
    """
    truth = original[:, *filling.place]
    errors = (filling.fills - truth).square()[:, :, filling.unknown].sum((1, 2))
    whole = (filling.sheet - original).square().sum() + 1e-3
    return (REWARD_SCALE * (errors[SHEET] - errors) / whole).clamp(min=WORST_REWARD)


PRACTICE = TrainSettings(
    steps=640,
    capacity=640,
    batch_size=64,
    learn_after=160,
    updates_per_step=8,
    epsilon_fraction=0.6,
    epsilon_end=0.1,
    learning_rate_end=0.0,
    evaluate_every=640,
)
"""How long an agent practises on a photograph."""


def practise(
    picture: Tensor,
    unknown: Tensor,
    training: TrainSettings = PRACTICE,
    *,
    discount: float = 0.9,
    seed: int = 0,
) -> tuple[DQN, PracticeWorld]:
    """Let a new agent practise on a photograph; return it, and the world it practised in.

    Args:
        picture: float `(3, height, width)` in [0, 1].
        unknown: bool `(height, width)`, true where the photograph is to be mended afterwards.
        training: How long.
        discount: γ.
        seed: Seed of the weights, the practice holes and the ε-greedy actions.
    """
    torch.manual_seed(seed)
    network = QNetwork(OBSERVED, len(FILLS), hidden=(32, 32), dueling=True)
    settings = DQNSettings(discount=discount, backup="double", target_rate=0.05, huber_delta=1.0)
    agent, world = DQN(network, settings, seed), PracticeWorld(8, picture, unknown)
    train_dqn(agent, world, lambda agent: 0.0, training, seed=seed)
    return agent, world
