"""Pixels that begin where a classical method ends, and that learn from every action at once.

Notebook 11 begins with the bicubic picture. A denoiser takes away noise and some of the picture
too. So here the pixels see both: its answer, which they edit, and what it was made from.

What is left to gain is small beside the noise in a single reward. But in training the original is
known, so the editor can say what *every* action would have paid, and not only the one taken.
"""

from dataclasses import replace

import torch
from torch import Tensor, nn

from dqngan_lib.applications.pixels.agent import PIXEL_TRAINING
from dqngan_lib.applications.pixels.editor import ERROR_SCALE, Edits, PixelEditor, edit
from dqngan_lib.applications.pixels.filters import ActionSet
from dqngan_lib.applications.pixels.networks import PixelQNetwork, silent_head, trunk
from dqngan_lib.course.arguments import require
from dqngan_lib.dqn.agent import DQN, DQNSettings
from dqngan_lib.dqn.networks import as_input
from dqngan_lib.dqn.replay import Batch
from dqngan_lib.dqn.training import History, TrainSettings, train_dqn
from dqngan_lib.environments.rollout import Policy
from dqngan_lib.metrics.pictures import psnr

HEAD_START_AGENT = DQNSettings(discount=0.0, learning_rate=4e-3)
"""How the pixels learn."""

HEAD_START_TRAINING = replace(
    PIXEL_TRAINING,
    steps=7_200,
    capacity=1_000,
    epsilon_start=0.1,
    epsilon_end=0.02,
    epsilon_fraction=1.0,
    evaluate_every=1_800,
)
"""How long: eight pictures at once, so an update for every 8 environment steps."""


class HeadStartQNetwork(PixelQNetwork):
    """Q-values for every pixel, from the answer now and what it leaves out of the measurement.

    The planes of an observation are prepared first: the picture, the measurement less the
    picture, and the clock. With numbers of about 1 a convolution's first weights fit; what a
    denoiser has taken away hardly shows in two pictures that look alike, but fills a plane of its
    own.

    Args:
        actions: The number of actions.
        grey: The middle of the pictures' values.
        spread: Roughly how far values are from it.
        noise: Roughly how far the measurement is from the answer.
    """

    def __init__(self, actions: int, grey: float, spread: float, noise: float) -> None:
        super().__init__(3, actions)
        self.grey, self.spread, self.noise = grey, spread, noise

    def forward(self, observation: Tensor) -> Tensor:
        """Map `(batch, 3, height, width)` to Q-values `(batch, actions, height, width)`."""
        picture, measured, clock = observation.split(1, 1)
        left_out = (measured - picture) / self.noise
        return super().forward(torch.cat([(picture - self.grey) / self.spread, left_out, clock], 1))


class HeadStartRegressor(nn.Module):
    """The answer plus a correction, from the same planes as `HeadStartQNetwork` but the clock.

    Args:
        grey: See `HeadStartQNetwork`; so are the others.
        spread: Roughly how far values are from `grey`.
        noise: Roughly how far the measurement is from the answer; the unit of the correction too.
    """

    def __init__(self, grey: float, spread: float, noise: float) -> None:
        super().__init__()
        self.trunk, self.correction = trunk(2), silent_head(24, 1)
        self.grey, self.spread, self.noise = grey, spread, noise
        self.to(memory_format=torch.channels_last)

    def forward(self, planes: Tensor) -> Tensor:
        """Map answers and measurements `(n, 2, height, width)` to pictures `(n, 1, …)`."""
        answer, measured = planes.split(1, 1)
        seen = [(answer - self.grey) / self.spread, (measured - answer) / self.noise]
        seen = torch.cat(seen, 1).contiguous(memory_format=torch.channels_last)
        return answer + self.noise * self.correction(self.trunk(seen))


class HeadStartEditor(PixelEditor):
    """Pictures to be restored by their pixels, from an answer that somebody else has given.

    As `PixelEditor`, but plane 0 of the first observation is the answer; plane 1 is always what
    was measured. The reward of a step is `(num_envs, actions, height, width)`: what each action
    would have paid the pixel there.

    Args:
        num_envs: The number of pictures at once.
        measured: What the answers were made from, float `(n, 1, height, width)` in [0, 1].
        answers: What the episodes begin with, of the same shape.
        originals: What the pictures should look like.
        actions: What a pixel may choose.
        max_steps: T, the steps of an episode.
        reward_scale: What a squared error of 1 counts as.

    Raises:
        TypeError: Pictures are not float tensors.
        ValueError: The shapes differ, or a number is out of its range.
    """

    def __init__(
        self,
        num_envs: int,
        measured: Tensor,
        answers: Tensor,
        originals: Tensor,
        actions: ActionSet,
        *,
        max_steps: int = 2,
        reward_scale: float = ERROR_SCALE,
    ) -> None:
        same = answers.shape == measured.shape
        require(same, "answers", tuple(answers.shape), f"of shape {tuple(measured.shape)}")
        settings = {"max_steps": max_steps, "reward_scale": reward_scale}
        super().__init__(num_envs, measured, originals, actions, **settings)
        self.first = answers.float()
        self.picture = self.first[self.index]

    def _move(self, action: Tensor) -> tuple[Tensor, Tensor]:
        results, original = self.actions.results(self.picture), self.originals[self.index]
        before = (self.picture - original).square()
        # r(a) = scale · ((x − x*)² − (f_a(x) − x*)²) for every action a: (n, actions, h, w).
        reward = self.reward_scale * (before - (results - original).square())
        self.picture = results.gather(1, action.unsqueeze(1))
        return reward, self.time == self.max_steps


class AllActionDQN(DQN):
    """A DQN for γ = 0 whose batches hold the rewards of all actions, not of the one taken.

    With γ = 0 the target of an action is its reward, and nothing is bootstrapped. The loss is
    ½ (r(s, a) − Q(s, a))², averaged over all actions. The states are still the agent's own.

    Args:
        q_network: From observations to Q-values `(batch, actions, height, width)`.
        settings: How it learns.
        seed: Seed of the agent's own random generator.

    Raises:
        ValueError: The discount is not 0.
    """

    def __init__(self, q_network: PixelQNetwork, settings: DQNSettings, seed: int = 0) -> None:
        require(settings.discount == 0, "discount", settings.discount, "0")
        super().__init__(q_network, settings, seed)

    def update(self, batch: Batch) -> Tensor:
        """Take one gradient step; return the errors before it, their mean for each picture."""
        observation = as_input(batch["observation"], self.q_network)
        # r − Q, both (batch, actions, height, width): every action has its own target.
        error = batch["reward"].to(observation.device) - self.q_network(observation)
        loss = 0.5 * error.square().mean()
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.q_network.parameters(), self.settings.gradient_clip)
        self.optimizer.step()
        self.updates += 1
        return error.detach().flatten(1).mean(1).cpu()


def edit_answers(
    policy: Policy,
    measured: Tensor,
    answers: Tensor,
    actions: ActionSet,
    *,
    steps: int = 2,
    part: int = 50,
) -> Edits:
    """Let a policy edit answers whose originals nobody knows.

    Args:
        policy: From observations `(n, 3, height, width)` to actions `(n, height, width)`.
        measured: What the answers were made from, float `(n, 1, height, width)` in [0, 1].
        answers: Where the pixels begin, of the same shape.
        actions: What a pixel may choose.
        steps: T, how often all pixels act.
        part: Pictures that go through the policy together.

    Raises:
        ValueError: The shapes differ, or a number is out of its range.
    """
    same = answers.shape == measured.shape
    require(same, "answers", tuple(answers.shape), f"of shape {tuple(measured.shape)}")
    return edit(policy, answers, actions, seen=measured, steps=steps, part=part)


def train_head_start(
    measured: Tensor,
    answers: Tensor,
    originals: Tensor,
    actions: ActionSet,
    network: PixelQNetwork,
    *,
    held_out: tuple[Tensor, Tensor, Tensor],
    agent: DQNSettings = HEAD_START_AGENT,
    training: TrainSettings = HEAD_START_TRAINING,
    max_steps: int = 2,
    reward_scale: float = ERROR_SCALE,
    seed: int = 0,
) -> tuple[AllActionDQN, History]:
    """Train pixels to improve answers; the scores of the history are mean PSNRs.

    Args:
        measured: What the answers were made from, float `(n, 1, height, width)` in [0, 1].
        answers: Where the pixels begin.
        originals: What the pictures should look like.
        actions: What a pixel may choose.
        network: From observations to Q-values; changed in place.
        held_out: Measured, answers and originals of other pictures, for the evaluations.
        agent: How the pixels learn.
        training: How long.
        max_steps: T, the steps of an episode.
        reward_scale: What a squared error of 1 counts as.
        seed: Seed of the exploration, the episodes and the memory.

    Returns:
        The agent with the weights of its best evaluation, and the history.
    """
    settings = {"max_steps": max_steps, "reward_scale": reward_scale}
    envs = HeadStartEditor(8, measured, answers, originals, actions, **settings)
    look_measured, look_answers, look_originals = held_out

    def evaluate(dqn: DQN) -> float:
        made = edit_answers(dqn.act, look_measured, look_answers, actions, steps=max_steps)
        return psnr(made.result, look_originals).mean().item()

    dqn = AllActionDQN(network, agent, seed)
    training = replace(training, evaluate_every=min(training.evaluate_every, training.steps))
    return dqn, train_dqn(dqn, envs, evaluate, training, seed=seed)
