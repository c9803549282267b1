"""The DQN of notebook 02 for pixels: a backup that asks the neighbours, and one way to train it."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from dqngan_lib.applications.pixels.editor import ERROR_SCALE, PixelEditor, edit
from dqngan_lib.applications.pixels.filters import ActionSet
from dqngan_lib.applications.pixels.networks import PixelQNetwork
from dqngan_lib.course.arguments import require
from dqngan_lib.dqn.agent import DQN, DQNSettings
from dqngan_lib.dqn.replay import Batch
from dqngan_lib.dqn.training import History, TrainSettings, train_dqn
from dqngan_lib.metrics.pictures import psnr

PIXEL_AGENT = DQNSettings(discount=0.5, learning_rate=4e-3, target_rate=0.05)
"""How the pixels learn."""

PIXEL_TRAINING = TrainSettings(
    steps=12_000,
    capacity=4_000,
    batch_size=8,
    learn_after=200,
    epsilon_start=0.5,
    epsilon_end=0.03,
    epsilon_fraction=0.8,
    learning_rate_end=0.0,
    evaluate_every=3_000,
)
"""How long: eight pictures at once, so an update for every 8 environment steps."""


def neighbourhood_mean(values: Tensor, share: float) -> Tensor:
    """Return (1 − share) v + share · mean of v over 3 × 3 pixels, for v `(n, height, width)`.

    At the edge the mean is over the neighbours there are.
    """
    mean = functional.avg_pool2d(values.unsqueeze(1), 3, 1, 1, count_include_pad=False).squeeze(1)
    return torch.lerp(values, mean, share)


class NeighbourDQN(DQN):
    """A DQN in which what follows is valued by the neighbours too (PixelRL's reward map).

    A pixel's action also changes what its neighbours can do next, through filters and through
    what they see. So V(s′) of a pixel is mixed with the mean over its neighbourhood. Furuta et
    al. (2019, 1912.07190) learn the weights of this convolution by policy gradients;
    a DQN's targets have no gradient, so here one share is fixed.

    Args:
        q_network: From observations to Q-values `(batch, actions, height, width)`.
        settings: How it learns.
        seed: Seed of the agent's own random generator.
        share: Weight of the neighbourhood, from 0 (the plain DQN) to 1.

    Raises:
        ValueError: `share` is out of its range.
    """

    def __init__(
        self,
        q_network: PixelQNetwork,
        settings: DQNSettings | None = None,
        seed: int = 0,
        share: float = 0.5,
    ) -> None:
        require(0 <= share <= 1, "share", share, "from 0 to 1")
        super().__init__(q_network, settings, seed)
        self.share = share

    def target(self, batch: Batch) -> Tensor:
        """Return r + γ (1 − terminated) times the mixed V(s′), without gradients."""
        target = super().target(batch)  # r + γ (1 − terminated) V(s′), (batch, height, width)
        if self.share == 0:
            return target  # exactly the plain DQN's, no rounding
        reward = batch["reward"].to(target.device)
        # The mean is linear: mixing what is left without r mixes V(s′).
        return reward + neighbourhood_mean(target - reward, self.share)


def train_editor(
    starts: Tensor,
    originals: Tensor,
    actions: ActionSet,
    *,
    masks: Tensor | None = None,
    agent: DQNSettings = PIXEL_AGENT,
    training: TrainSettings = PIXEL_TRAINING,
    max_steps: int = 5,
    held_out: int = 200,
    share: float = 0.0,
    reward_scale: float = ERROR_SCALE,
    seed: int = 0,
    watch: Callable[[History], None] | None = None,
) -> tuple[DQN, History]:
    """Train the pixels of pictures to restore them; the scores of the history are mean PSNRs.

    Args:
        starts: What the episodes begin with, float `(n, 1, height, width)` in [0, 1].
        originals: What the pictures should look like.
        actions: What a pixel may choose.
        masks: Where pixels may change; everywhere when None.
        agent: How the pixels learn.
        training: How long.
        max_steps: T, the steps of an episode.
        held_out: The last pictures, kept for the evaluations.
        share: Weight of the neighbourhood in the backup; see `NeighbourDQN`.
        reward_scale: What a squared error of 1 counts as.
        seed: Seed of the network, the episodes and the memory.
        watch: Called with the history after each evaluation, to draw a curve, say.

    Returns:
        The agent with the weights of its best evaluation, and the history.
    """
    require(0 < held_out < len(starts), "held_out", held_out, f"from 1 to {len(starts) - 1}")
    learn, look = slice(None, -held_out), slice(-held_out, None)
    envs = PixelEditor(
        8,
        starts[learn],
        originals[learn],
        actions,
        masks=None if masks is None else masks[learn],
        max_steps=max_steps,
        reward_scale=reward_scale,
    )
    held_masks = None if masks is None else masks[look]

    def evaluate(dqn: DQN) -> float:
        made = edit(dqn.act, starts[look], actions, masks=held_masks, steps=max_steps)
        return psnr(made.result, originals[look], mask=held_masks).mean().item()

    torch.manual_seed(seed)
    network = PixelQNetwork(envs.single_observation_space.shape[0], len(actions))
    dqn = NeighbourDQN(network, agent, seed, share)
    training = replace(training, evaluate_every=min(training.evaluate_every, training.steps))
    return dqn, train_dqn(dqn, envs, evaluate, training, seed=seed, watch=watch)
