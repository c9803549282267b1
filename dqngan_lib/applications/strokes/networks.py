"""Networks that look at a canvas and give one number for every stroke that could come next."""

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, pad

from dqngan_lib.applications.strokes.drawing import ACTIONS, GRID, PIXELS, SHAPES, SIDE
from dqngan_lib.course.arguments import positive_sizes, require
from dqngan_lib.dqn.agent import DQN


class StrokeNetwork(nn.Module):
    """From canvas, step and class to one number for each of the 3,137 actions.

    It serves twice: as Q-network, and with dropout as discriminator, whose number for an action
    is its logit that a real painter, not the sampler, chose it here.

    Two convolutions make 7 × 7 views of the canvas, and a linear layer sees all of them together
    with step and class. Two heads are added: a dense one, which knows the whole drawing and has
    a number for each action, and a map, in which the number of a stroke depends on the canvas near
    its start as well. Both start at zero: before the first update every stroke is as likely as
    any other.

    Args:
        strokes: The number of strokes of an episode.
        classes: The number of classes that can be asked for.
        width: Units of the dense layers.
        dropout: Share of these units, and of the planes before them, dropped in training.
    """

    def __init__(
        self, strokes: int = 10, classes: int = 10, width: int = 192, dropout: float = 0.0
    ) -> None:
        super().__init__()
        positive_sizes(strokes=strokes, classes=classes, width=width)
        require(0 <= dropout < 1, "dropout", dropout, "from 0 to below 1")
        self.see = nn.Sequential(
            nn.Conv2d(1, 32, 6, stride=2, padding=2),
            nn.ReLU(),
            nn.Conv2d(32, 48, 2, stride=2),
            nn.ReLU(),
            nn.Dropout2d(dropout),
        )
        self.gather = nn.Linear(48 * 7 * 7, width)
        self.step = nn.Embedding(strokes + 1, width)
        self.kind = nn.Embedding(classes, width)
        self.think = nn.Sequential(
            nn.ReLU(), nn.Dropout(dropout), nn.Linear(width, width), nn.ReLU(), nn.Dropout(dropout)
        )
        self.dense_head = nn.Linear(width, ACTIONS)
        self.near = nn.Conv2d(48, 64, 1)
        self.far = nn.Linear(width, 64)
        self.map_head = nn.ConvTranspose2d(64, SHAPES, 2, stride=2)
        for layer in (self.dense_head, self.map_head):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, observation: Tensor) -> Tensor:
        """Map observations of `StrokeCanvas`, `(batch, 786)`, to numbers `(batch, 3137)`."""
        canvas = observation[:, :PIXELS].reshape(-1, 1, SIDE, SIDE).float() / 255
        step, kind = observation[:, PIXELS:].long().unbind(1)
        seen = self.see(canvas)  # (batch, 48, 7, 7)
        known = self.think(self.gather(seen.flatten(1)) + self.step(step) + self.kind(kind))
        # (batch, 16, 14, 14): a number for each kind of stroke at each start
        local = self.map_head((self.near(seen) + self.far(known)[:, :, None, None]).relu())
        # The no-op has no place on the map.
        return self.dense_head(known) + pad(local.flatten(1), (0, 1))


class CopyNetwork(nn.Module):
    """From a canvas and the digit to copy to Q-values of all actions, as a map.

    Copying is a local matter: whether a stroke is worth laying here depends on what is missing
    here and around, not on where on the sheet that is. So the network is convolutional from end
    to end: 16 planes of 14 × 14, one for each kind of stroke, hold its Q-values by the start.
    Dilated layers let each start see about as far as two strokes reach. The no-op ends the
    episode and pays nothing: its Q-value is 0, and no network is needed to say so.

    Args:
        strokes: The greatest number of strokes, by which the step is divided.
        width: Planes of the hidden layers.
        dilations: One residual layer for each.
    """

    def __init__(
        self, strokes: int = 12, width: int = 32, dilations: tuple[int, ...] = (1, 2, 3, 1)
    ) -> None:
        super().__init__()
        positive_sizes(strokes=strokes, width=width)
        self.strokes = strokes
        self.first = nn.Conv2d(4 * 3 + 3, width, 3, padding=1)
        self.layers = nn.ModuleList(
            nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation)
            for dilation in dilations
        )
        self.last = nn.Conv2d(width, SHAPES, 1)
        places = (torch.arange(GRID) + 0.5) / GRID
        self.register_buffer("place", torch.stack(torch.meshgrid(places, places, indexing="ij")))

    def forward(self, observation: Tensor) -> Tensor:
        """Map observations of `CopyCanvas`, `(batch, 1569)`, to Q-values `(batch, 3137)`."""
        seen = observation.float()
        both = seen[:, : 2 * PIXELS].reshape(-1, 2, SIDE, SIDE) / 255
        planes = torch.cat([both, both[:, 1:] - both[:, :1]], 1)
        step = (seen[:, -1] / self.strokes).reshape(-1, 1, 1, 1).expand(-1, 1, GRID, GRID)
        place = self.place.expand(len(seen), -1, -1, -1)
        # Four 14 × 14 views of canvas, digit and what is missing; where a start is; the step.
        hidden = torch.cat([nn.functional.pixel_unshuffle(planes, 2), place, step], 1)
        hidden = self.first(hidden).relu()
        for layer in self.layers:
            hidden = hidden + layer(hidden).relu()
        return pad(self.last(hidden).flatten(1), (0, 1))  # the no-op's Q-value is 0


class CopyAgent(DQN):
    """A DQN whose random strokes often start where ink is missing.

    Of 3,136 strokes most would land on paper that should stay white. So half of the random
    strokes start at a place drawn in proportion to the ink that is missing there, in any
    direction and length. A DQN may learn from any behaviour: only what it sees changes.
    """

    def act(self, observation: Tensor, epsilon: float = 0.0) -> Tensor:
        """Return ε-greedy actions for observations of `CopyCanvas`, int64 `(batch,)`."""
        greedy = super().act(observation)
        if epsilon == 0:
            return greedy
        both = observation[:, : 2 * PIXELS].reshape(-1, 2, SIDE, SIDE).float() / 255
        missing = avg_pool2d((both[:, 1:] - both[:, :1]).clamp(min=0), 2).flatten(1) + 1e-6
        start = torch.multinomial(missing, 1, generator=self.rng).squeeze(1)
        shape = torch.randint(SHAPES, greedy.shape, generator=self.rng)
        guided = shape * GRID * GRID + start
        anything = torch.randint(ACTIONS, greedy.shape, generator=self.rng)
        luck = torch.rand(2, *greedy.shape, generator=self.rng)
        chosen = torch.where(luck[0] < 0.5, guided, anything)
        return torch.where(luck[1] < epsilon, chosen, greedy)
