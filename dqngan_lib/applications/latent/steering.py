"""Change what a generator draws by small steps through its noise, and keep how it is written.

The generator is notebook 05's conditional one and stays as it is. Asked for another class with
the same noise it draws another digit in nearly the same hand. A DQN walks on from there: the
digit must stay what was asked for, and get back the slant and the ink of the one before. All
rivals are counted in pictures that the generator draws.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor, nn
from torch.nn import functional

from dqngan_lib.course.arguments import require, whole
from dqngan_lib.dqn.agent import DQN
from dqngan_lib.dqn.replay import Batch
from dqngan_lib.environments.base import TorchVectorEnv

CLASSES = 10

SURE = 0.95
"""Probability of the class asked for beyond which nothing is earned."""

SLANT_WEIGHT, INK_WEIGHT = 5.0, 3.0
"""What a slant that is 1 off, and ink that is off by its whole amount, cost."""


SEEN = slice(-CLASSES - 4, -CLASSES - 1)
"""Where an observation holds what is measured."""

_SCALE = (0.1, 5.0, 3.0)
"""What it is multiplied by there, so that most of it is of size 1."""


def slant(pictures: Tensor) -> Tensor:
    """Return how far the strokes lean: columns to the left for each row down, `(n,)`.

    It is the slope of the line through the ink by least squares: Σ w dx dy / Σ w dy², with dx and
    dy from the middle of the ink. An upright digit has 0, one that leans to the right less.

    Args:
        pictures: float `(n, 1, height, width)` in [0, 1], not empty.
    """
    weight = pictures[:, 0] / pictures[:, 0].sum((1, 2), keepdim=True).clamp(min=1e-6)
    rows, columns = (torch.arange(n, dtype=weight.dtype) for n in weight.shape[1:])
    down = rows.view(1, -1, 1) - (weight.sum(2) * rows).sum(1).view(-1, 1, 1)
    right = columns.view(1, 1, -1) - (weight.sum(1) * columns).sum(1).view(-1, 1, 1)
    return (weight * down * right).sum((1, 2)) / (weight * down * down).sum((1, 2)).clamp(min=1e-6)


def ink(pictures: Tensor) -> Tensor:
    """Return the sum of the pixels of each picture, `(n,)`."""
    return pictures.sum((1, 2, 3))


@dataclass(frozen=True)
class Wish:
    """What is asked for: classes, and the slant and the ink that should be kept, each `(n,)`."""

    asked: Tensor
    slant: Tensor
    ink: Tensor

    def rows(self, rows: Tensor | slice) -> "Wish":
        """Return some of the wishes."""
        return Wish(self.asked[rows], self.slant[rows], self.ink[rows])


Look = Callable[[Tensor, Wish], Tensor]
"""From noise `(n, noise_size)` and wishes to what is measured, `(n, 3)`; see `looking`."""


def looking(generator: nn.Module, scorer: nn.Module) -> Look:
    """Return the function that draws a picture and measures it; gradients flow to the noise.

    It returns log p(class asked for), the slant minus the slant wished for, and the ink over the
    ink wished for, minus 1.

    Args:
        generator: From noise and classes to digits, in evaluation mode.
        scorer: From digits to logits, such as `load_scorer()`.
    """

    def look(noise: Tensor, wish: Wish) -> Tensor:
        pictures = generator(noise, wish.asked)
        scores = functional.log_softmax(scorer(pictures), 1)
        log_p = scores.gather(1, wish.asked.unsqueeze(1)).squeeze(1)
        off = slant(pictures) - wish.slant, ink(pictures) / wish.ink - 1
        return torch.stack([log_p, *off], 1)

    return look


def worth(measured: Tensor) -> Tensor:
    """Return how good a picture is: min(log p, log 0.95) − 5 |slant off| − 3 |ink off|, `(n,)`."""
    log_p, slant_off, ink_off = measured.unbind(1)
    sure = log_p.clamp(max=float(np.log(SURE)))
    return sure - SLANT_WEIGHT * slant_off.abs() - INK_WEIGHT * ink_off.abs()


def other_classes(classes: Tensor, rng: torch.Generator) -> Tensor:
    """Return for every class another one, each equally likely."""
    return (classes + torch.randint(1, CLASSES, classes.shape, generator=rng)) % CLASSES


@torch.no_grad()
def draw_wishes(
    generator: nn.Module, count: int, rng: torch.Generator
) -> tuple[Tensor, Tensor, Wish]:
    """Return noise, the classes it is drawn as, and wishes: another class in the same hand."""
    noise = torch.randn(count, generator.noise_size, generator=rng)
    classes = torch.randint(CLASSES, (count,), generator=rng)
    pictures = generator(noise, classes)
    return noise, classes, Wish(other_classes(classes, rng), slant(pictures), ink(pictures))


def noise_moves(directions: Tensor, size: float) -> Tensor:
    """Return what each action adds to z: nothing, then a step forward and one back for each.

    Args:
        directions: Unit vectors `(k, noise_size)`.
        size: Length of a step.

    Returns:
        `(1 + 2 k, noise_size)`.
    """
    require(size > 0, "size", size, "> 0")
    steps = torch.stack([directions, -directions], 1).flatten(0, 1) * size
    return torch.cat([torch.zeros_like(steps[:1]), steps])


def walk_observation(noise: Tensor, measured: Tensor, asked: Tensor, progress: Tensor) -> Tensor:
    """Return what a walker sees: z, what is measured, the class asked for, and the time.

    Args:
        noise: z, `(n, noise_size)`.
        measured: See `looking`, `(n, 3)`.
        asked: Classes, int64 `(n,)`; ten numbers in the observation, a 1 among 0s.
        progress: Share of the steps taken, `(n,)`.

    Returns:
        float32 `(n, noise_size + 14)`.
    """
    seen = measured * torch.tensor(_SCALE)
    asked = functional.one_hot(asked, CLASSES)
    return torch.cat([noise, seen, asked, progress.view(-1, 1)], 1).float()


class LatentWalk(TorchVectorEnv):
    """Walks through a generator's noise, each with a wish.

    The observation is float32; see `walk_observation`. The reward is the rise of `worth`. An
    episode terminates after `max_steps` steps, so the rewards add up to the whole rise.

    Args:
        num_envs: Walks at once.
        generator: See `looking`.
        scorer: See `looking`.
        moves: What each action adds to z, `(actions, noise_size)`.
        max_steps: T.
    """

    def __init__(
        self,
        num_envs: int,
        generator: nn.Module,
        scorer: nn.Module,
        moves: Tensor,
        max_steps: int = 12,
    ) -> None:
        size = moves.shape[1]
        seen = spaces.Box(-np.inf, np.inf, (size + 4 + CLASSES,), np.float32)
        super().__init__(num_envs, seen, len(moves), max_steps)
        self.generator, self.moves, self.look = generator, moves, looking(generator, scorer)
        self.noise, self.measured = torch.zeros(num_envs, size), torch.zeros(num_envs, 3)
        empty = torch.zeros(num_envs)
        self.wish = Wish(empty.long(), empty, empty + 1)
        self.drawn = 0

    def _begin(self, rows: Tensor) -> None:
        noise, _, wish = draw_wishes(self.generator, int(rows.sum()), self.rng)
        self.drawn += 2 * len(noise)
        self.noise[rows] = noise
        with torch.no_grad():
            self.measured[rows] = self.look(noise, wish)
        fresh = {name: value.clone() for name, value in vars(self.wish).items()}
        for name, value in fresh.items():
            value[rows] = getattr(wish, name)
        self.wish = Wish(**fresh)

    def _move(self, action: Tensor) -> tuple[Tensor, Tensor]:
        before = worth(self.measured)
        self.noise = self.noise + self.moves[action]
        self.drawn += len(action)
        with torch.no_grad():
            self.measured = self.look(self.noise, self.wish)
        # r = worth of the picture after the step − worth of the picture before it
        return worth(self.measured) - before, self.time == self.max_steps

    def _observe(self) -> Tensor:
        progress = self.time / self.max_steps
        return walk_observation(self.noise, self.measured, self.wish.asked, progress)


@torch.no_grad()
def guided(
    q_values: Callable[[Tensor], Tensor],
    look: Look,
    noise: Tensor,
    wish: Wish,
    moves: Tensor,
    steps: int = 12,
) -> Tensor:
    """Try the moves in the order of their Q-values, and keep a move if `worth` rises.

    Each step tries one move and costs one picture. A move that failed is not tried again before
    another one has been kept.

    Args:
        q_values: From observations to `(n, actions)`, such as `DQN.q_values`.
        look: See `looking`.
        noise: Where to begin, `(n, noise_size)`.
        wish: What is asked for.
        moves: What each action adds to z.
        steps: T, as in training.

    Returns:
        The whole way, `(steps + 1, n, noise_size)`.
    """
    whole("steps", steps, 1)
    way, measured = [noise], look(noise, wish)
    failed = torch.zeros(len(noise), len(moves), dtype=torch.bool)
    failed[:, 0] = True  # to stay is not worth a picture
    for number in range(steps):
        progress = torch.full((len(noise),), number / steps)
        seen = walk_observation(way[-1], measured, wish.asked, progress)
        action = q_values(seen).masked_fill(failed, -torch.inf).argmax(1)
        tried = way[-1] + moves[action]
        after = look(tried, wish)
        better = worth(after) > worth(measured)
        failed = failed.scatter(1, action.unsqueeze(1), True) & ~better.unsqueeze(1)
        failed[:, 0] = True
        way.append(torch.where(better.unsqueeze(1), tried, way[-1]))
        measured = torch.where(better.unsqueeze(1), after, measured)
    return torch.stack(way)


class WishDQN(DQN):
    """A DQN that learns from every step as if other slants and inks had been wished for.

    Observations hold how far slant and ink are off. With another wish they would be off by
    something else, and the reward of the step can be computed again (hindsight: Andrychowicz et
    al. 2017, 1707.01495).
    """

    def update(self, batch: Batch) -> Tensor:
        """Take one gradient step on steps whose wishes are drawn anew; return the TD errors."""
        count = len(batch["observation"])
        lean = 0.2 * torch.randn(count, generator=self.rng)
        more = (0.3 * torch.randn(count, generator=self.rng)).exp()
        before, after = (
            other_wish(batch[name], lean, more) for name in ("observation", "next_observation")
        )
        rise = worth(measured_in(after)) - worth(measured_in(before))
        changed = {"observation": before, "next_observation": after, "reward": rise}
        return super().update(batch | changed)


def measured_in(observation: Tensor) -> Tensor:
    """Return what is measured in an observation, `(n, 3)`: the inverse of `walk_observation`."""
    return observation[:, SEEN] / torch.tensor(_SCALE)


def other_wish(observation: Tensor, lean: Tensor, more: Tensor) -> Tensor:
    """Return observations as they would be if less slant, by `lean`, and less ink were wished for.

    Args:
        observation: See `walk_observation`.
        lean: What is added to how far the slant is off, `(n,)`.
        more: What the ink over the ink wished for is multiplied by, `(n,)`.
    """
    log_p, slant_off, ink_off = measured_in(observation).unbind(1)
    measured = torch.stack([log_p, slant_off + lean, (ink_off + 1) * more - 1], 1)
    changed = observation.clone()
    changed[:, SEEN] = measured * torch.tensor(_SCALE)
    return changed
