"""Networks that answer for every pixel: a Q-network for the pixel editor, and a regressor.

Both are fully convolutional. The same weights look at every pixel's surroundings, and pictures of
any size will do.
"""

import torch
from torch import Tensor, nn

from dqngan_lib.course.arguments import positive_sizes, require

DILATIONS = (1, 2, 3, 4, 3, 2)
"""Distance between the taps of each 3 × 3 convolution: together a pixel sees 31 × 31 pixels."""


def reach(dilations: tuple[int, ...] = DILATIONS) -> int:
    """Return how far a pixel sees in each direction: one dilation for each convolution."""
    return sum(dilations)


def trunk(planes: int, width: int = 24, dilations: tuple[int, ...] = DILATIONS) -> nn.Sequential:
    """Return convolutions of 3 × 3 that keep the picture's size, each followed by ReLU.

    The first weights are He's (2015, 1502.01852), with which a signal keeps its size through the
    layers. With torch's own it shrinks at each of them, and learning takes many times longer.

    Args:
        planes: Planes of the input.
        width: Planes of every layer.
        dilations: One number a layer. With a dilation of d the taps are d pixels apart.

    Raises:
        ValueError: A size is not a whole number of at least 1.
    """
    positive_sizes(planes=planes, width=width)
    require(len(dilations) > 0, "dilations", dilations, "at least one number")
    layers: list[nn.Module] = []
    for place, dilation in enumerate(dilations):
        positive_sizes(dilations=dilation)
        inputs = planes if place == 0 else width
        layer = nn.Conv2d(inputs, width, 3, padding=dilation, dilation=dilation)
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        nn.init.zeros_(layer.bias)
        layers += [layer, nn.ReLU()]
    return nn.Sequential(*layers)


def silent_head(width: int, planes: int) -> nn.Conv2d:
    """Return a last layer that gives 0 until it has learnt something."""
    head = nn.Conv2d(width, planes, 1)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    return head


class PixelQNetwork(nn.Module):
    """Q-values for every pixel, by a value and an advantage for each action (dueling).

    Before it has learnt anything all Q-values are 0, and a greedy pixel takes action 0: no-op.

    Args:
        planes: Planes of an observation.
        actions: The number of actions.
        width: Planes of every layer.
        dilations: See `trunk`.
    """

    def __init__(
        self, planes: int, actions: int, width: int = 24, dilations: tuple[int, ...] = DILATIONS
    ) -> None:
        super().__init__()
        positive_sizes(actions=actions)
        self.trunk = trunk(planes, width, dilations)
        self.value = silent_head(width, 1)
        self.advantage = silent_head(width, actions)
        self.to(memory_format=torch.channels_last)

    def forward(self, observation: Tensor) -> Tensor:
        """Map `(batch, planes, height, width)` to Q-values `(batch, actions, height, width)`."""
        features = self.trunk(_fast(observation))
        advantage = self.advantage(features)
        return self.value(features) + advantage - advantage.mean(1, keepdim=True)


class PixelRegressor(nn.Module):
    """The picture plus a correction for every pixel: what one trains when errors have gradients.

    Args:
        width: Planes of every layer.
        dilations: See `trunk`.
    """

    def __init__(self, width: int = 24, dilations: tuple[int, ...] = DILATIONS) -> None:
        super().__init__()
        self.trunk = trunk(1, width, dilations)
        self.correction = silent_head(width, 1)
        self.to(memory_format=torch.channels_last)

    def forward(self, pictures: Tensor) -> Tensor:
        """Map pictures `(batch, 1, height, width)` to the same shape, not clamped to [0, 1]."""
        return pictures + self.correction(self.trunk(_fast(pictures)))


def _fast(planes: Tensor) -> Tensor:
    """Return planes in the order in memory with which convolutions are fastest."""
    return planes.contiguous(memory_format=torch.channels_last)
