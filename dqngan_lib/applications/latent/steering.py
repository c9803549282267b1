"""Change what a generator draws by small steps through its noise: a DQN, and its rivals.

The generator stays as it is. The task is the same for all: a noise vector z and a class that is
asked for are given, and a new z is wanted whose picture belongs to the class. All rivals are
counted in evaluations of the generator.
"""

from collections.abc import Callable

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

_SEEN_SCALE = 0.1
"""What log-probabilities are multiplied by in an observation, so that most are of size 1."""

GOAL, SCORES = slice(-CLASSES - 1, -1), slice(-2 * CLASSES - 1, -CLASSES - 1)
"""Where an observation holds the class asked for, and the log-probabilities."""

LogProbability = Callable[[Tensor], Tensor]
"""From noise `(n, noise_size)` to log-probabilities of the classes, `(n, 10)`."""


def class_log_probability(generator: nn.Module, scorer: nn.Module) -> LogProbability:
    """Return the function log p(class | G(z)); gradients flow to z.

    Args:
        generator: From noise to digits, in evaluation mode.
        scorer: From digits to logits, such as `load_scorer()`.
    """

    def log_probability(noise: Tensor) -> Tensor:
        return functional.log_softmax(scorer(generator(noise)), 1)

    return log_probability


def of_class(scores: Tensor, classes: Tensor) -> Tensor:
    """Return each row's number for its class: `(n, 10)` and int64 `(n,)` to `(n,)`."""
    return scores.gather(1, classes.unsqueeze(1)).squeeze(1)


def other_classes(classes: Tensor, rng: torch.Generator) -> Tensor:
    """Return for every class another one, each equally likely."""
    return (classes + torch.randint(1, CLASSES, classes.shape, generator=rng)) % CLASSES


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


def walk_observation(noise: Tensor, scores: Tensor, asked: Tensor, progress: Tensor) -> Tensor:
    """Return what a walker sees: z, the log-probabilities times 0.1, the class asked for, time.

    Args:
        noise: z, `(n, noise_size)`.
        scores: log p(class | G(z)), `(n, 10)`.
        asked: Classes, int64 `(n,)`; ten numbers in the observation, a 1 among 0s.
        progress: Share of the steps taken, `(n,)`.

    Returns:
        float32 `(n, noise_size + 21)`.
    """
    asked = functional.one_hot(asked, CLASSES)
    return torch.cat([noise, _SEEN_SCALE * scores, asked, progress.view(-1, 1)], 1).float()


def all_rewards(batch: Batch) -> Tensor:
    """Return what each step would have earned for every class, `(batch, 10)`.

    A step through the noise changes the log-probabilities of all ten classes, and the two
    observations hold them. So its reward for any class can be computed when it is drawn
    (hindsight: Andrychowicz et al. 2017, 1707.01495).

    Args:
        batch: With `observation` and `next_observation` as `walk_observation` makes them.
    """
    return (batch["next_observation"] - batch["observation"])[:, SCORES] / _SEEN_SCALE


class ClassQNetwork(nn.Module):
    """Q-values of every action for every class that might be asked for, by dueling.

    What was asked for is no input: it only says which of the ten answers is wanted.

    Args:
        noise_size: Numbers in z.
        actions: The number of actions.
        width: Units in each of two hidden layers.
    """

    def __init__(self, noise_size: int, actions: int, width: int = 256) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(noise_size + CLASSES + 1, width),
            nn.ReLU(),
            nn.Linear(width, width),
            nn.ReLU(),
        )
        self.value = nn.Linear(width, CLASSES)
        self.advantage = nn.Linear(width, actions * CLASSES)

    def forward(self, observation: Tensor) -> Tensor:
        """Map observations `(batch, noise_size + 21)` to Q-values `(batch, actions, 10)`."""
        seen = torch.cat([observation[:, : GOAL.start], observation[:, GOAL.stop :]], 1)
        features = self.layers(seen)
        advantage = self.advantage(features).unflatten(1, (-1, CLASSES))
        return self.value(features).unsqueeze(1) + advantage - advantage.mean(1, keepdim=True)


class AskedDQN(DQN):
    """Ten agents, one a class, who learn from every step; the one that is asked for acts.

    Args:
        q_network: From observations to Q-values `(batch, actions, 10)`.
        settings: How it learns.
        seed: Seed of the ε-greedy actions.
    """

    def q_values(self, observation: Tensor) -> Tensor:
        """Return Q-values for the class that is asked for, `(batch, actions)`."""
        values = super().q_values(observation)
        asked = observation[:, GOAL].argmax(1).to(values.device)
        return values[torch.arange(len(values), device=values.device), :, asked]

    def update(self, batch: Batch) -> Tensor:
        """Take one gradient step for all classes; return the mean TD error of each step."""
        # Action and reward become (batch, 10): the same step, paid by each class.
        action = batch["action"].unsqueeze(1).expand(-1, CLASSES)
        return super().update(batch | {"action": action, "reward": all_rewards(batch)})


class LatentWalk(TorchVectorEnv):
    """Walks through a generator's noise, each towards a class that it was asked for.

    The observation is float32; see `walk_observation`. The reward is the rise of
    log p(class | G(z)). An episode terminates after `max_steps` steps, so the rewards
    add up to the whole rise.

    Args:
        num_envs: Walks at once.
        log_probability: See `class_log_probability`.
        moves: What each action adds to z, `(actions, noise_size)`.
        max_steps: T.
    """

    def __init__(
        self, num_envs: int, log_probability: LogProbability, moves: Tensor, max_steps: int = 12
    ) -> None:
        size = moves.shape[1]
        seen = spaces.Box(-np.inf, np.inf, (size + 2 * CLASSES + 1,), np.float32)
        super().__init__(num_envs, seen, len(moves), max_steps)
        self.log_probability, self.moves = log_probability, moves
        self.noise, self.scores = torch.zeros(num_envs, size), torch.zeros(num_envs, CLASSES)
        self.asked = torch.zeros(num_envs, dtype=torch.long)
        self.evaluations = 0

    def _begin(self, rows: Tensor) -> None:
        noise = torch.randn(int(rows.sum()), self.noise.shape[1], generator=self.rng)
        scores = self._evaluate(noise)
        self.noise = self.noise.masked_scatter(rows.unsqueeze(1), noise)
        self.scores = self.scores.masked_scatter(rows.unsqueeze(1), scores)
        asked = other_classes(scores.argmax(1), self.rng)
        self.asked = self.asked.masked_scatter(rows, asked)

    def _move(self, action: Tensor) -> tuple[Tensor, Tensor]:
        before = of_class(self.scores, self.asked)
        self.noise = self.noise + self.moves[action]
        self.scores = self._evaluate(self.noise)
        # r = log p(class | G(z′)) − log p(class | G(z))
        return of_class(self.scores, self.asked) - before, self.time == self.max_steps

    def _evaluate(self, noise: Tensor) -> Tensor:
        self.evaluations += len(noise)
        with torch.no_grad():
            return self.log_probability(noise)

    def _observe(self) -> Tensor:
        return walk_observation(self.noise, self.scores, self.asked, self.time / self.max_steps)


@torch.no_grad()
def steer(
    policy: Callable[[Tensor], Tensor],
    log_probability: LogProbability,
    noise: Tensor,
    asked: Tensor,
    moves: Tensor,
    steps: int = 12,
) -> Tensor:
    """Let a policy walk; each step costs one evaluation of the generator.

    Args:
        policy: From observations to actions, such as `DQN.act`.
        log_probability: See `class_log_probability`.
        noise: Where to begin, `(n, noise_size)`.
        asked: The classes asked for, int64 `(n,)`.
        moves: What each action adds to z.
        steps: T, as in training.

    Returns:
        The whole way, `(steps + 1, n, noise_size)`.
    """
    whole("steps", steps, 1)
    way = [noise]
    for number in range(steps):
        progress = torch.full((len(noise),), number / steps)
        seen = walk_observation(way[-1], log_probability(way[-1]), asked, progress)
        way.append(way[-1] + moves[policy(seen)])
    return torch.stack(way)
