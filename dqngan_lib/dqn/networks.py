"""The networks of Part I: from an observation to one Q-value for each action."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dqngan_lib.course.arguments import positive_sizes, require, whole


class DuelingHead(nn.Module):
    """Q = V + A − mean A: a value and an advantage for each action (Wang et al. 2016, eq. 9).

    Paper: 1511.06581. Without the mean, a constant could move between V and A unnoticed.

    Args:
        features: The number of inputs.
        actions: The number of actions.
    """

    def __init__(self, features: int, actions: int) -> None:
        super().__init__()
        positive_sizes(features=features, actions=actions)
        self.value = nn.Linear(features, 1)
        self.advantage = nn.Linear(features, actions)

    def forward(self, features: Tensor) -> Tensor:
        """Map `(batch, features)` to Q-values `(batch, actions)`."""
        advantage = self.advantage(features)  # (batch, actions); the value is (batch, 1)
        # Q(s, a) = V(s) + A(s, a) − mean A(s, ·), equation 9
        return self.value(features) + advantage - advantage.mean(1, keepdim=True)


class QNetwork(nn.Module):
    """A small fully connected network for observations that are vectors.

    Args:
        observation_size: The number of numbers in an observation.
        actions: The number of actions.
        hidden: The widths of the hidden layers.
        dueling: Whether the last layer is a `DuelingHead`.
        scale: What each number of an observation is divided by first, so that all of them reach
            the network at the size of about 1. Not learnt.

    Raises:
        ValueError: `scale` is not `observation_size` positive numbers.
    """

    def __init__(
        self,
        observation_size: int,
        actions: int,
        hidden: tuple[int, ...] = (128, 128),
        dueling: bool = False,
        scale: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        positive_sizes(observation_size=observation_size, actions=actions)
        for width in hidden:
            positive_sizes(hidden=width)
        divisor = torch.ones(observation_size) if scale is None else torch.as_tensor(scale)
        fits = divisor.shape == (observation_size,) and bool((divisor > 0).all())
        require(fits, "scale", scale, f"{observation_size} positive numbers")
        self.register_buffer("scale", divisor.float())
        layers: list[nn.Module] = []
        for width_in, width_out in zip((observation_size, *hidden), hidden, strict=False):
            layers += [nn.Linear(width_in, width_out), nn.ReLU()]
        features = hidden[-1] if hidden else observation_size
        head = DuelingHead(features, actions) if dueling else nn.Linear(features, actions)
        self.layers = nn.Sequential(*layers, head)

    def forward(self, observation: Tensor) -> Tensor:
        """Map observations `(batch, observation_size)` to Q-values `(batch, actions)`."""
        return self.layers(observation / self.scale)


class ConvolutionalQNetwork(nn.Module):
    """Two convolutions and two linear layers for observations that are small pictures.

    Args:
        channels: The number of planes in a picture.
        side: Height and width of a picture in pixels, at least 4.
        actions: The number of actions.
        dueling: Whether the last layer is a `DuelingHead`.
    """

    def __init__(self, channels: int, side: int, actions: int, dueling: bool = False) -> None:
        super().__init__()
        positive_sizes(channels=channels, actions=actions)
        whole("side", side, 4)
        half = (side + 1) // 2  # what the second convolution, of stride 2, leaves of a side
        self.layers = nn.Sequential(
            nn.Conv2d(channels, 16, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(32 * half * half, 128),
            nn.ReLU(),
            DuelingHead(128, actions) if dueling else nn.Linear(128, actions),
        )

    def forward(self, observation: Tensor) -> Tensor:
        """Map pictures `(batch, channels, side, side)` to Q-values `(batch, actions)`."""
        return self.layers(observation.float())


def parameter_count(network: nn.Module) -> int:
    """Return how many numbers a network learns."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)


def as_input(observation: Tensor, network: nn.Module) -> Tensor:
    """Move an observation to the device of a network, as float32."""
    parameter = next(network.parameters())
    return torch.as_tensor(observation).to(device=parameter.device, dtype=torch.float32)
