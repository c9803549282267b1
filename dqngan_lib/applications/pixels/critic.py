"""A discriminator with an opinion on every pixel, and pixels whose reward holds its opinion."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from dqngan_lib.applications.pixels.agent import PIXEL_AGENT, PIXEL_TRAINING
from dqngan_lib.applications.pixels.editor import PixelEditor, edit
from dqngan_lib.applications.pixels.filters import FILLING, ActionSet
from dqngan_lib.applications.pixels.inpainting import cut_holes, hole_psnr
from dqngan_lib.applications.pixels.networks import PixelQNetwork, trunk
from dqngan_lib.course.arguments import make_plain_numbers, require
from dqngan_lib.dqn.agent import DQN, DQNSettings
from dqngan_lib.dqn.replay import Batch
from dqngan_lib.dqn.training import History, TrainSettings, train_dqn
from dqngan_lib.gan.losses import discriminator_loss
from dqngan_lib.gan.networks import normalise_layers

_SEEN = 3
"""Planes that a discriminator sees: the picture, what the episode began with, and the mask."""


class PixelCritic(nn.Module):
    """For every pixel a logit: does what is around it look real?

    It sees the mask too, and so knows which pixels were made. Spectral norm (Miyato et al. 2018,
    1802.05957) bounds how fast its opinion can change.

    Args:
        width: Planes of every layer.
        dilations: Distance between the taps of each 3 × 3 convolution.
    """

    def __init__(self, width: int = 16, dilations: tuple[int, ...] = (1, 2, 4, 2)) -> None:
        super().__init__()
        self.layers = nn.Sequential(trunk(_SEEN, width, dilations), nn.Conv2d(width, 1, 1))
        normalise_layers(self)
        self.to(memory_format=torch.channels_last)

    def forward(self, observation: Tensor) -> Tensor:
        """Map observations `(batch, 4, height, width)` to logits `(batch, height, width)`.

        The clock, the last plane, is left out: it would tell early pictures from late ones.
        """
        seen = observation[:, :_SEEN].contiguous(memory_format=torch.channels_last)
        return self.layers(seen).squeeze(1)


def critic_reward(
    critic: nn.Module, observation: Tensor, next_observation: Tensor, weight: float
) -> Tensor:
    """Return λ (D(x′) − D(x)) for every pixel in a hole, and 0 outside, `(n, height, width)`.

    Like the fall of the squared error it telescopes: over an episode it adds up to
    λ (D(last picture) − D(first)).

    Args:
        critic: D, from observations to logits of every pixel.
        observation: As `observe` makes it, with a mask: float `(n, 4, height, width)`.
        next_observation: After the step.
        weight: λ.
    """
    with torch.no_grad():
        logits = critic(torch.cat([observation, next_observation]))
    before, after = logits.chunk(2)
    return weight * (after - before) * observation[:, 2]


def share_with_neighbours(reward: Tensor, mask: Tensor) -> Tensor:
    """Pay every pixel in a hole the mean reward of the hole's pixels in its 3 × 3 square.

    What a pixel becomes changes what a discriminator thinks of its neighbours too.

    Args:
        reward: Of every pixel, float `(n, height, width)`, 0 outside the holes.
        mask: 1 in the holes, 0 outside, float of the same shape.
    """
    sums = functional.avg_pool2d(torch.stack([reward, mask], 1), 3, 1, 1)
    return mask * sums[:, 0] / sums[:, 1].clamp(min=1e-6)


@dataclass
class CriticSettings:
    """How a discriminator learns beside the pixels, and what its opinion counts."""

    weight: float = 2.0
    """λ: what a rise of the logit by 1 is worth; a squared error of 1 is worth 30."""
    learning_rate: float = 2e-3
    """Step size of the discriminator's Adam."""
    batch_size: int = 8
    """Originals in a discriminator step, and as many pictures of the pixels."""
    warm_up: int = 100
    """Discriminator steps before the pixels learn from it."""
    pool: int = 64
    """Pictures that the pixels fill for it at a time, greedily."""
    refresh: int = 25
    """Updates after which they fill others."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        make_plain_numbers(self)
        require(self.weight >= 0, "weight", self.weight, ">= 0")
        require(self.learning_rate > 0, "learning_rate", self.learning_rate, "> 0")
        for name in ("batch_size", "pool", "refresh"):
            require(getattr(self, name) >= 1, name, getattr(self, name), ">= 1")
        require(self.warm_up >= 0, "warm_up", self.warm_up, ">= 0")


class CriticDQN(DQN):
    """A DQN for pixels that are also paid for what a discriminator thinks of them.

    Replay holds the fall of the squared error, which never changes. The discriminator does
    change, so its part is computed when a transition is drawn, from the observation and the
    next one, by the discriminator of that moment.

    Args:
        q_network: From observations to Q-values of every pixel.
        editor: The world, for its pictures, masks and actions.
        critic: The discriminator; changed in place.
        settings: How the pixels learn.
        critic_settings: How the discriminator learns, and λ.
        seed: Seed of the ε-greedy actions and of the discriminator's batches.

    Raises:
        ValueError: The world has no masks.
    """

    def __init__(
        self,
        q_network: PixelQNetwork,
        editor: PixelEditor,
        critic: nn.Module,
        settings: DQNSettings | None = None,
        critic_settings: CriticSettings | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(q_network, settings, seed)
        require(editor.masks is not None, "editor", editor.masks, "an editor with masks")
        self.editor, self.critic = editor, critic
        self.critic_settings = critic_settings or CriticSettings()
        self.critic_optimizer = torch.optim.Adam(
            critic.parameters(), self.critic_settings.learning_rate, (0.5, 0.99), fused=True
        )
        self.critic_rng = torch.Generator().manual_seed(int(seed))
        self.critic_updates = 0

    def update(self, batch: Batch) -> Tensor:
        """Let the discriminator take a step, then the pixels; return their mean TD errors."""
        weight = self.critic_settings.weight
        if weight == 0:
            return super().update(batch)
        for _ in range(1 if self.critic_updates else 1 + self.critic_settings.warm_up):
            self.critic_step()
        # r + λ (D(x′) − D(x)) by today's discriminator: no reward is out of date.
        seen, after = batch["observation"], batch["next_observation"]
        opinion = share_with_neighbours(critic_reward(self.critic, seen, after, weight), seen[:, 2])
        return super().update(batch | {"reward": batch["reward"] + opinion})

    def critic_step(self) -> float:
        """Teach the discriminator originals from filled pictures, in the holes; return its loss."""
        settings = self.critic_settings
        if self.critic_updates % settings.refresh == 0:
            self.made = self._fill(self._draw(settings.pool))
        rows = torch.randint(len(self.made), (settings.batch_size,), generator=self.critic_rng)
        fake = self.made[rows]
        index = self._draw(settings.batch_size)
        real = _seen(self.editor.originals[index], self.editor, index)
        # The hinge loss over the pixels in holes alone; logits (2 batch, height, width).
        logits = self.critic(torch.cat([real, fake]))
        inside = torch.cat([real, fake])[:, 2] > 0.5
        half = len(real)
        loss = discriminator_loss(
            logits[:half][inside[:half]], logits[half:][inside[half:]], "hinge"
        )
        self.critic_optimizer.zero_grad()
        loss.backward()
        self.critic_optimizer.step()
        self.critic_updates += 1
        return loss.item()

    def _draw(self, count: int) -> Tensor:
        return torch.randint(len(self.editor.starts), (count,), generator=self.critic_rng)

    def _fill(self, index: Tensor) -> Tensor:
        """Return what the discriminator sees of pictures that the pixels fill greedily."""
        editor = self.editor
        made = edit(
            self.act,
            editor.starts[index],
            editor.actions,
            masks=editor.masks[index],
            steps=editor.max_steps,
            part=16,
        )
        return _seen(made.result, editor, index)


def _seen(pictures: Tensor, editor: PixelEditor, index: Tensor) -> Tensor:
    return torch.cat([pictures, editor.starts[index], editor.masks[index].float()], 1)


FILLING_TRAINING = replace(PIXEL_TRAINING, steps=11_200, evaluate_every=2_800)
"""How long the pixels learn to fill holes by the squared error alone."""

FURTHER_TRAINING = replace(
    PIXEL_TRAINING,
    steps=5_600,
    capacity=1_600,
    epsilon_start=0.1,
    evaluate_every=5_600,
)
"""How long they go on from there, with or without a discriminator; the last weights remain."""


def new_filler(
    originals: Tensor,
    masks: Tensor,
    weight: float = 0.0,
    *,
    begin: DQN | None = None,
    actions: ActionSet = FILLING,
    critic: CriticSettings | None = None,
    max_steps: int = 5,
    seed: int = 0,
) -> CriticDQN:
    """Return pixels that can learn to fill black holes, eight pictures at once.

    Args:
        originals: Pictures without holes, float `(n, 1, height, width)` in [0, 1].
        masks: bool of the same shape, true in the holes.
        weight: λ, what the discriminator's opinion counts.
        begin: An agent to go on from; it stays as it is. New weights when None.
        actions: What a pixel may choose.
        critic: The discriminator's other settings.
        max_steps: T, the steps of an episode.
        seed: Seed of the networks and of the actions.
    """
    editor = PixelEditor(
        8, cut_holes(originals, masks), originals, actions, masks=masks, max_steps=max_steps
    )
    torch.manual_seed(seed)
    planes = editor.single_observation_space.shape[0]
    network = PixelQNetwork(planes, len(actions)) if begin is None else deepcopy(begin.q_network)
    critic = replace(critic or CriticSettings(), weight=weight)
    return CriticDQN(network, editor, PixelCritic(), PIXEL_AGENT, critic, seed)


def train_filler(
    filler: CriticDQN,
    originals: Tensor,
    masks: Tensor,
    training: TrainSettings = FILLING_TRAINING,
    *,
    seed: int = 0,
    watch: Callable[[History], None] | None = None,
) -> History:
    """Train pixels to fill holes; at the end they have the weights of their best evaluation.

    Args:
        filler: From `new_filler`; changed in place.
        originals: Pictures for the evaluations, which are no training pictures.
        masks: Their holes.
        training: How long.
        seed: Seed of the episodes and of the memory.
        watch: Called with the history after each evaluation.

    Returns:
        The history; its scores are the PSNRs of the holes, in decibels.
    """
    editor = filler.editor
    starts = cut_holes(originals, masks)

    def evaluate(dqn: DQN) -> float:
        made = edit(dqn.act, starts, editor.actions, masks=masks, steps=editor.max_steps)
        return hole_psnr(made.result, originals, masks)

    return train_dqn(filler, editor, evaluate, training, seed=seed, watch=watch)
