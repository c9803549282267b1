"""A network that looks at canvas and photograph, of any size, and values every stroke: a map."""

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, pixel_unshuffle

from dqngan_lib.arguments import positive_sizes
from dqngan_lib.brushes import ACTIONS, PATCH, PLACES, SHAPES, STEP
from dqngan_lib.dqn import DQN, backup_value, td_target
from dqngan_lib.replay import Batch

BLURS = (5, 9)
"""Sides of the squares over which error and target are averaged, in pixels: about two brushes."""

PLANES = 4 + 5 * len(BLURS) + 3
"""What the network is shown."""


def blur(pictures: Tensor, side: int) -> Tensor:
    """Return the mean over a square around each pixel; what lies beyond the edge does not count."""
    return avg_pool2d(pictures, side, 1, side // 2, count_include_pad=False)


def length(pictures: Tensor) -> Tensor:
    """Return the length of each pixel's three channels, `(n, 1, h, w)`."""
    return pictures.square().sum(1, keepdim=True).add(1e-6).sqrt()


class PainterNetwork(nn.Module):
    """From canvas and target to Q-values of all strokes, as 16 planes of places.

    What a stroke gains depends on what is missing under it, and on how much the target varies
    there: a stroke has one colour. It does not depend on whether the place is bright or dark. So
    the network is shown the error and its means over squares of two sizes, each with its length
    over the three channels, and how far the target is from its own means. It is convolutional
    from end to end and knows no place: learnt on patches of 28 × 28, it works on any sheet.

    Args:
        width: Planes of the hidden layers.
        dilations: One residual layer for each.
    """

    def __init__(self, width: int = 32, dilations: tuple[int, ...] = (1, 2, 3, 1)) -> None:
        super().__init__()
        positive_sizes(width=width)
        self.first = nn.Conv2d(PLANES * STEP**2 + 1, width, 3, padding=1)
        self.layers = nn.ModuleList(
            nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation)
            for dilation in dilations
        )
        self.last = nn.Conv2d(width, SHAPES, 1)

    def forward(self, observation: Tensor) -> Tensor:
        """Map observations of `PhotoCanvas`, `(batch, 4704)`, to Q-values `(batch, 3136)`."""
        both = observation.float().reshape(-1, 2, 3, PATCH, PATCH) / 255
        return self.values(both[:, 0], both[:, 1]).flatten(1)

    def values(self, canvas: Tensor, target: Tensor) -> Tensor:
        """Map canvas and target, both `(n, 3, h, w)`, to Q-values `(n, 16, h / 2, w / 2)`."""
        error = target - canvas
        planes = [error, length(error)]
        for side in BLURS:
            missing = blur(error, side)
            detail = target - blur(target, side)
            planes += [missing, length(missing), length(blur(detail.abs(), side))]
        planes += [detail]
        hidden = pixel_unshuffle(torch.cat(planes, 1), STEP)
        inside = torch.ones_like(hidden[:, :1])  # beyond the edge this plane is 0
        hidden = self.first(torch.cat([hidden, inside], 1)).relu()
        for layer in self.layers:
            hidden = hidden + layer(hidden).relu()
        return self.last(hidden)


def squash(value: Tensor) -> Tensor:
    """Return h(x) = sign(x) (√(|x| + 1) − 1): about x/2 for small numbers, √|x| for large ones.

    Pohlen et al. 2018, 1805.11593, section 3.1, without their small linear part.
    """
    return value.sign() * ((value.abs() + 1).sqrt() - 1)


def unsquash(value: Tensor) -> Tensor:
    """Return h⁻¹(y) = sign(y) ((|y| + 1)² − 1)."""
    return value.sign() * ((value.abs() + 1).square() - 1)


class PainterAgent(DQN):
    """A DQN with squashed values, whose random strokes often lie where much is missing.

    The first stroke on white paper may gain a thousand times as much as the last. So the network
    learns h(Q) in the place of Q, with the target h(r + γ h⁻¹(h(Q′))): see `squash`. h rises, so
    the best stroke stays the best.

    Half of the random strokes are centred at a place drawn in proportion to the squared error
    there, in any direction and size. A DQN may learn from any behaviour.
    """

    def target(self, batch: Batch) -> Tensor:
        """Return the squashed TD targets of a batch from `ReplayBuffer.sample`."""
        with torch.no_grad():
            following = batch["next_observation"]
            next_value = backup_value(
                self.target_network(following),
                "double",
                online_next_q_values=self.q_network(following),
            )
            discount = self.settings.discount ** batch["steps"]
            plain = td_target(batch["reward"], batch["terminated"], unsquash(next_value), discount)
            return squash(plain)

    def act(self, observation: Tensor, epsilon: float = 0.0) -> Tensor:
        """Return ε-greedy actions for observations of `PhotoCanvas`, int64 `(batch,)`."""
        greedy = super().act(observation)
        if epsilon == 0:
            return greedy
        both = observation.reshape(-1, 2, 3, PATCH, PATCH).float() / 255
        missing = (both[:, 1] - both[:, 0]).square().sum(1, keepdim=True)
        missing = avg_pool2d(missing, STEP).flatten(1) + 1e-4
        place = torch.multinomial(missing, 1, generator=self.generator).squeeze(1)
        shape = torch.randint(SHAPES, greedy.shape, generator=self.generator)
        anything = torch.randint(ACTIONS, greedy.shape, generator=self.generator)
        luck = torch.rand(2, *greedy.shape, generator=self.generator)
        chosen = torch.where(luck[0] < 0.5, shape * PLACES**2 + place, anything)
        return torch.where(luck[1] < epsilon, chosen, greedy)
