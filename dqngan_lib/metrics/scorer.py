"""The digit scorer: a small network that has learnt to read digits, and judges generated ones."""

from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from dqngan_lib.course.arguments import float_tensor
from dqngan_lib.course.data import load_weights

WEIGHTS = Path(__file__).resolve().parents[1] / "weights" / "digit_scorer.pt"
"""Made by `tools/make_digit_scorer.py` from the 8,000 training digits."""

WEIGHTS_SHA256 = "c8a08d93edb6da54518c878755a082157acc5fb681a792d77dd5075da3da10a9"
"""SHA-256 of the file `WEIGHTS`."""

_FEATURES = 64
"""How many features describe an image."""

SIDES = (28, 16)
"""The image sizes that the scorer was trained on, in the order of its `balance`."""

_PART = 250
"""Images that go through the network together: what a processor's cache can hold."""


class DigitScorer(nn.Module):
    """Five convolutions, 64 features, ten logits; the same weights for 28 × 28 and 16 × 16.

    Two of the convolutions halve the image: 28 becomes 7 × 7 and 16 becomes 4 × 4. The 7 × 7 map
    is then averaged to 4 × 4 (windows of 3, two apart), so that one linear layer reads both.
    No layer behaves differently in training mode.

    `features` are balanced. As they leave the network, three quarters of their variance says
    which class an image belongs to, and little says how it is drawn: ten pictures, one a class,
    would get a good digit-FID. So `balance`, one matrix a size, turns the variance of each
    principal direction of the 8,000 training digits into its square root, and then makes their
    total variance 100. That is the unit of digit-FID: a generator whose every image has the mean
    features of real digits scores 100. The logits do not depend on it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(32, 32, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(32, 64, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(64, 64, 3, padding=1),
            nn.ReLU(),
        )
        self.to_features = nn.Linear(64 * 4 * 4, _FEATURES)
        self.to_logits = nn.Linear(_FEATURES, 10)
        self.register_buffer("balance", torch.eye(_FEATURES).repeat(len(SIDES), 1, 1))

    def features(self, images: Tensor) -> Tensor:
        """Map images `(n, 1, side, side)` in [0, 1] to balanced features `(n, 64)`.

        Gradients flow to the images when they ask for them.

        Raises:
            TypeError: `images` is not a float tensor.
            ValueError: `images` has another shape, or a side other than 28 and 16.
        """
        return self._balanced(self.raw_features(images), images)

    def forward(self, images: Tensor) -> Tensor:
        """Map images `(n, 1, side, side)` in [0, 1] to logits `(n, 10)`, one a class.

        Errors are those of `features`.
        """
        return self.to_logits(self.raw_features(images))

    def features_and_logits(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return what `features` and `forward` return, in half of their time.

        Errors are those of `features`.
        """
        raw = self.raw_features(images)
        return self._balanced(raw, images), self.to_logits(raw)

    def raw_features(self, images: Tensor) -> Tensor:
        """Map images to features before `balance`: what the logits are made from."""
        check_pictures("images", images)
        images = images.to(self.to_features.weight)
        return torch.cat([self._raw_features(part) for part in images.split(_PART)])

    def _balanced(self, raw: Tensor, images: Tensor) -> Tensor:
        return raw @ self.balance[SIDES.index(images.shape[-1])]

    def _raw_features(self, images: Tensor) -> Tensor:
        maps = self.convolutions(images)  # (n, 64, 7, 7) or (n, 64, 4, 4)
        if maps.shape[-1] == 7:
            maps = functional.avg_pool2d(maps, 3, stride=2, padding=1, count_include_pad=False)
        return functional.leaky_relu(self.to_features(maps.flatten(1)), 0.1)


def check_pictures(name: str, images: Tensor) -> None:
    """Raise an error unless images are float `(n, 1, side, side)` with one of the `SIDES`."""
    float_tensor(name, images)
    if images.ndim != 4 or tuple(images.shape[1:]) not in [(1, side, side) for side in SIDES]:
        raise ValueError(
            f"{name} must have shape (n, 1, 28, 28) or (n, 1, 16, 16); got {tuple(images.shape)}"
        )


@cache
def _load(device: str) -> DigitScorer:
    return load_weights(DigitScorer, WEIGHTS, WEIGHTS_SHA256).to(device)


def load_scorer(device: torch.device | str = "cpu") -> DigitScorer:
    """Return the trained digit scorer, with weights that no optimiser can change.

    The file is read once: later calls for the same device return the same object.

    Args:
        device: Where the scorer computes. Images are moved there.

    Raises:
        FileNotFoundError: The file of weights is missing.
        ValueError: The file of weights is damaged.
    """
    return _load(str(torch.device(device)))
