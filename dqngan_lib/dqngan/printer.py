"""The data of notebook 08: a printer of eight signs that now and then gets a pixel wrong."""

import torch
from torch import Tensor

from dqngan_lib.course import arguments
from dqngan_lib.dqngan.enumeration import all_pictures

SIGNS = {
    "O": ".##. #..# #..# .##.",
    "L": "#... #... #... ####",
    "X": "#..# .##. .##. #..#",
    "T": "#### .#.. .#.. .#..",
    "7": "#### ...# ..#. .#..",
    "U": "#..# #..# #..# ####",
    "=": "#### .... #### ....",
    "/": "...# ..#. .#.. #...",
}
"""Eight signs of 4 × 4 pixels, the most frequent first; # is ink."""

SHARES = (0.22, 0.18, 0.15, 0.13, 0.11, 0.09, 0.07, 0.05)
"""How often each sign of `SIGNS` is meant."""


def sign_pictures() -> Tensor:
    """Return the eight pictures of `SIGNS`, int64 `(8, 16)`."""
    rows = [sign.replace(" ", "") for sign in SIGNS.values()]
    return torch.tensor([[int(pixel == "#") for pixel in row] for row in rows])


def noisy_signs(flip: float = 0.003) -> Tensor:
    """Return a distribution over all 4 × 4 pictures: a sign, and each pixel flips now and then.

    A sign is drawn with the chances in `SHARES`. Then each of its 16 pixels turns around with
    probability `flip`. Every picture has some probability, most of them very little.

    Args:
        flip: Above 0, below 1.

    Returns:
        Probabilities, float64 `(65536,)`, in the order of `all_pictures`.

    Raises:
        ValueError: `flip` is out of its range.
    """
    arguments.require(0 < flip < 1, "flip", flip, "above 0 and below 1")
    # P(x) = Σ_sign share · flip^k (1 − flip)^(16 − k), with k the pixels in which x differs
    flips = (all_pictures()[:, None] != sign_pictures()[None]).sum(2).double()
    chance = flip**flips * (1 - flip) ** (16 - flips)
    return chance @ torch.tensor(SHARES, dtype=torch.float64)
