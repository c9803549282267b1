"""Generators and discriminators: for points in the plane, and for small grey pictures.

A generator says with `noise_size` how many random numbers it takes, and with `classes` how many
classes it can be asked for (0: none). Pictures are in [0, 1], as everywhere in the course.
"""

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from dqngan_lib.course.arguments import positive_sizes, require


def _multilayer(inputs: int, outputs: int, width: int, layers: int) -> nn.Sequential:
    """Return `layers` hidden layers of one width, with ReLU, and a linear one."""
    parts: list[nn.Module] = []
    for size in (inputs, *[width] * (layers - 1)):
        parts += [nn.Linear(size, width), nn.ReLU()]
    return nn.Sequential(*parts, nn.Linear(width, outputs))


class PointGenerator(nn.Module):
    """From noise to points in the plane.

    Args:
        noise_size: The number of random numbers for a point.
        width: Units in a hidden layer.
        layers: Hidden layers.
        size: Numbers in a point.
    """

    classes = 0

    def __init__(
        self, noise_size: int = 2, width: int = 128, layers: int = 2, size: int = 2
    ) -> None:
        super().__init__()
        positive_sizes(noise_size=noise_size, width=width, layers=layers, size=size)
        self.noise_size = noise_size
        self.layers = _multilayer(noise_size, size, width, layers)

    def forward(self, noise: Tensor) -> Tensor:
        """Map `(batch, noise_size)` to points `(batch, size)`."""
        return self.layers(noise)


class PointDiscriminator(nn.Module):
    """From points in the plane to one logit each: how much more real than fake a point looks.

    Args:
        width: Units in a hidden layer.
        layers: Hidden layers.
        size: Numbers in a point.
        spectral: Whether each layer is divided by its greatest singular value (Miyato et al.
            2018, 1802.05957).
    """

    def __init__(
        self, width: int = 128, layers: int = 2, size: int = 2, spectral: bool = False
    ) -> None:
        super().__init__()
        positive_sizes(width=width, layers=layers, size=size)
        self.layers = _multilayer(size, 1, width, layers)
        if spectral:
            normalise_layers(self)

    def forward(self, points: Tensor) -> Tensor:
        """Map points `(batch, size)` to logits `(batch,)`."""
        return self.layers(points).squeeze(1)


def normalise_layers(network: nn.Module) -> None:
    """Give every layer with a weight matrix spectral norm, in place (Miyato et al. 2018)."""
    for layer in list(network.modules()):
        if isinstance(layer, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d, nn.Embedding)):
            spectral_norm(layer)


class ConditionalBatchNorm(nn.Module):
    """Batch normalisation whose scale and shift depend on the class (Dumoulin et al. 2017).

    Paper: 1610.07629. Without classes it is the ordinary one.

    Args:
        channels: Planes of a picture.
        classes: The number of classes, or 0.
    """

    def __init__(self, channels: int, classes: int = 0) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=classes == 0)
        self.scale = nn.Embedding(classes, channels) if classes else None
        self.shift = nn.Embedding(classes, channels) if classes else None
        if classes:
            nn.init.ones_(self.scale.weight)
            nn.init.zeros_(self.shift.weight)

    def forward(self, planes: Tensor, labels: Tensor | None = None) -> Tensor:
        """Normalise `(batch, channels, height, width)`."""
        planes = self.norm(planes)
        if self.scale is None:
            return planes
        scale, shift = self.scale(labels), self.shift(labels)
        return planes * scale[:, :, None, None] + shift[:, :, None, None]


def _require_side(side: int) -> None:
    """Raise an error unless a picture can be halved twice."""
    positive_sizes(side=side)
    require(side % 4 == 0, "side", side, "a multiple of 4")


def _require_labels(labels: Tensor | None, classes: int) -> None:
    """Raise an error unless labels are given exactly where there are classes."""
    if (labels is None) != (classes == 0):
        needs = f"labels from 0 to {classes - 1}" if classes else "no labels"
        raise ValueError(f"this network has classes={classes} and takes {needs}")


class ImageGenerator(nn.Module):
    """From noise, and a class if asked for, to a grey picture, after DCGAN (Radford et al. 2016).

    Paper: 1511.06434. A linear layer makes a picture of a quarter of the side; two transposed
    convolutions double it. The class enters twice: an embedding beside the noise, and
    `ConditionalBatchNorm`.

    Args:
        noise_size: The number of random numbers for a picture.
        width: Planes of the smallest picture; half as many after the first doubling.
        classes: The number of classes that can be asked for, or 0.
        side: Height and width in pixels, a multiple of 4.
    """

    def __init__(
        self, noise_size: int = 64, width: int = 64, classes: int = 0, side: int = 28
    ) -> None:
        super().__init__()
        positive_sizes(noise_size=noise_size, width=width)
        positive_sizes(half_of_width=width // 2)
        _require_side(side)
        self.noise_size, self.classes, self.small = noise_size, classes, side // 4
        self.embedding = nn.Embedding(classes, noise_size) if classes else None
        inputs = noise_size * (2 if classes else 1)
        self.start = nn.Linear(inputs, width * self.small**2)
        self.norm_1 = ConditionalBatchNorm(width, classes)
        self.double_1 = nn.ConvTranspose2d(width, width // 2, 4, stride=2, padding=1)
        self.norm_2 = ConditionalBatchNorm(width // 2, classes)
        self.double_2 = nn.ConvTranspose2d(width // 2, 1, 4, stride=2, padding=1)

    def forward(self, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        """Map `(batch, noise_size)` and labels `(batch,)` to `(batch, 1, side, side)`.

        Raises:
            ValueError: Labels are missing, or needless.
        """
        _require_labels(labels, self.classes)
        if self.embedding is not None:
            noise = torch.cat([noise, self.embedding(labels)], 1)
        planes = self.start(noise).unflatten(1, (-1, self.small, self.small))  # side / 4
        # side / 4 → side / 2 → side, (batch, planes, …)
        planes = self.double_1(self.norm_1(planes, labels).relu())
        return self.double_2(self.norm_2(planes, labels).relu()).sigmoid()


class ImageDiscriminator(nn.Module):
    """From a grey picture, and its class if there are any, to a logit.

    Three convolutions that halve the picture make features φ(x). Without classes the logit is
    ψ(φ(x)), a linear layer. With classes it is ψ(φ(x)) + ⟨e(y), φ(x)⟩ with an embedding e(y):
    the projection discriminator (Miyato and Koyama 2018, 1802.05637, equation 3). The second
    term compares the picture with its class, so a good picture of a wrong class looks fake.
    The embedding starts as torch draws it, with a spread of 1, so the second term is by far the
    larger one at first. With a small start the generator collapses within each class: notebook 05.

    Args:
        width: Planes after the first convolution; 2 and 4 times as many after the others.
        classes: The number of classes, or 0.
        side: Height and width in pixels, a multiple of 4.
        spectral: Whether each layer has spectral norm (Miyato et al. 2018, 1802.05957).
    """

    def __init__(
        self, width: int = 32, classes: int = 0, side: int = 28, spectral: bool = True
    ) -> None:
        super().__init__()
        positive_sizes(width=width)
        _require_side(side)
        self.classes = classes
        self.features = nn.Sequential(
            nn.Conv2d(1, width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 4 * width, 3, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
        )
        size = 4 * width * ((side // 4 + 1) // 2) ** 2
        self.head = nn.Linear(size, 1)
        self.embedding = nn.Embedding(classes, size) if classes else None
        if spectral:
            normalise_layers(self)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """Map `(batch, 1, side, side)` in [0, 1] and labels `(batch,)` to logits `(batch,)`.

        Raises:
            ValueError: Labels are missing, or needless.
        """
        _require_labels(labels, self.classes)
        features = self.features(2 * images - 1)  # (batch, size)
        logits = self.head(features).squeeze(1)
        if self.embedding is None:
            return logits
        return logits + (self.embedding(labels) * features).sum(1)  # ψ(φ(x)) + ⟨e(y), φ(x)⟩
