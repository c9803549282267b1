"""An agent practises on the photograph that it will mend, by holes to which it knows the answer."""

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from dqngan_lib.applications.pixels.exemplars import (
    FILLS,
    OBSERVED,
    RIM,
    Filling,
    always,
    elastic_plate,
    fill_hole,
    kriging,
)
from dqngan_lib.applications.pixels.photographs import photo_holes, photo_psnr
from dqngan_lib.course.arguments import whole
from dqngan_lib.dqn.agent import DQN, DQNSettings
from dqngan_lib.dqn.networks import QNetwork
from dqngan_lib.dqn.replay import Batch
from dqngan_lib.environments.base import TorchVectorEnv

REWARD_SCALE = 10.0
"""c: removing all of the squared error of the fill that the rim chooses earns so much."""

WORST_REWARD = -2.0
"""The least reward of a step, so that a few bad patches do not drown the rest."""


class PracticeWorld(TorchVectorEnv):
    """Practice holes in one photograph, each filled patch by patch.

    The observation is that of `Filling`; an action is one of `FILLS`. The reward is the fall of
    the squared error of the new pixels below that of the fill that the rim chooses, as a share of
    what that gets wrong in the whole hole, times `REWARD_SCALE`. So that fill earns 0. An episode
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

    def worth(self) -> Tensor:
        """Return what each of `FILLS` would earn at the next place of each hole, `(n, 6)`."""
        return torch.stack([rewards(filling, self.picture) for filling in self.fillings])

    def _begin(self, rows: Tensor) -> None:
        for row in rows.nonzero().flatten().tolist():
            (hole,) = photo_holes(1, self.rng, self.unknown)
            self.fillings[row] = Filling(self.picture, hole, self.unknown)

    def _move(self, action: Tensor) -> tuple[Tensor, Tensor]:
        worth = self.worth()
        self.earned += worth.sum(0)
        for filling, fill in zip(self.fillings, action.tolist(), strict=True):
            filling.paste(fill)
        done = torch.tensor([filling.done for filling in self.fillings])
        return worth.gather(1, action.unsqueeze(1)).squeeze(1), done

    def _observe(self) -> Tensor:
        return torch.stack([filling.observation for filling in self.fillings])


def rewards(filling: Filling, original: Tensor) -> Tensor:
    """Return what each of `FILLS` would earn at the place that is next, `(6,)`.

    Args:
        filling: A hole that is not full.
        original: What the photograph should look like.
    """
    truth = original[:, *filling.place]
    errors = (filling.fills - truth).square()[:, :, filling.unknown].sum((1, 2))
    whole = (filling.by_rim - original).square().sum() + 1e-3
    return (REWARD_SCALE * (errors[RIM] - errors) / whole).clamp(min=WORST_REWARD)


PRACTICE_STEPS = 320
"""Patches that are pasted in practice on one photograph."""

_FEW = 100.0
"""What an observation is divided by. So the weights count for little beside the bias of each fill
until much practice speaks for them: 320 patches are few."""


def practise(
    picture: Tensor, unknown: Tensor, *, steps: int = PRACTICE_STEPS, seed: int = 0
) -> tuple[DQN, PracticeWorld]:
    """Let a new agent practise on a photograph; return it, and the world it practised in.

    In practice the answer is known, so each place tells what all six fills would have earned, and
    all six Q-values learn from it. γ is 0: what can be earned later depends little on which of the
    six is pasted now.

    Args:
        picture: float `(3, height, width)` in [0, 1].
        unknown: bool `(height, width)`, true where the photograph is to be mended afterwards.
        steps: Patches that are pasted in practice, at least 8.
        seed: Seed of the weights, the practice holes and the ε-greedy actions.
    """
    whole("steps", steps, 8)
    torch.manual_seed(seed)
    network = QNetwork(OBSERVED, len(FILLS), hidden=(), scale=[_FEW] * OBSERVED)
    agent = DQN(network, DQNSettings(discount=0.0, learning_rate=5e-3), seed)
    world, rng = PracticeWorld(8, picture, unknown), torch.Generator().manual_seed(seed)
    seen, _ = world.reset(seed=seed)
    places, worths = [], []
    for number in range(steps // 8):
        places.append(seen)
        worths.append(world.worth())
        seen, *_ = world.step(agent.act(seen, epsilon=max(1 - 2 * number / (steps // 8), 0.1)))
        for _ in range(16):
            rows = torch.randint(len(places) * 8, (32,), generator=rng)
            agent.update(_for_every_fill(torch.cat(places)[rows], torch.cat(worths)[rows]))
    return agent, world


def _for_every_fill(seen: Tensor, worth: Tensor) -> Batch:
    """Return a batch in which every one of `FILLS` was pasted at each place."""
    seen, count = seen.repeat_interleave(len(FILLS), 0), worth.numel()
    return {
        "observation": seen,
        "action": torch.arange(len(FILLS)).repeat(len(worth)),
        "reward": worth.flatten(),
        "next_observation": seen,  # not looked at: γ is 0
        "terminated": torch.ones(count, dtype=torch.bool),
        "steps": torch.ones(count, dtype=torch.long),
    }


def paint_out(picture: Tensor, hole: Tensor, seed: int = 0) -> list[Tensor]:
    """Practise on a photograph, then fill its hole; return it before and after each patch.

    Args:
        picture: float `(3, height, width)` in [0, 1]; what is in the hole is never looked at.
        hole: bool `(height, width)`.
        seed: See `practise`.
    """
    agent, _ = practise(picture, hole, seed=seed)
    return fill_hole(agent.act, picture, hole)


def mend(picture: Tensor, holes: Tensor, seed: int = 0) -> dict[str, list[float]]:
    """Fill holes in a photograph in six ways; return the PSNR of each hole by each way.

    Args:
        picture: float `(3, height, width)` in [0, 1].
        holes: bool `(n, height, width)`, cut all at once before the practice.
        seed: See `practise`.

    Returns:
        `biharmonic`, `kriging`, `by_rim` (the smooth fill that fills the rim best), `criminisi`
        (the best patch, first where an edge runs into the hole), `best_fill` (the one of `FILLS`
        that earned most in practice), and `dqn`.
    """
    unknown = holes.any(0)
    agent, world = practise(picture, unknown, seed=seed)
    best, copy = always(world.best_fill), always("best patch")
    ways = {
        "biharmonic": lambda hole: elastic_plate(picture, hole),
        "kriging": lambda hole: kriging(picture, hole, unknown),
        "by_rim": lambda hole: Filling(picture, hole, unknown).by_rim,
        "criminisi": lambda hole: fill_hole(copy, picture, hole, unknown, "edges")[-1],
        "best_fill": lambda hole: fill_hole(best, picture, hole, unknown)[-1],
        "dqn": lambda hole: fill_hole(agent.act, picture, hole, unknown)[-1],
    }
    return {
        name: [photo_psnr(way(hole)[None], picture[None], hole[None]).item() for hole in holes]
        for name, way in ways.items()
    }
