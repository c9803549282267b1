"""Notebook 08's printers: one of eight signs with a few wrong pixels, and one whose keys smear."""

import torch
from torch import Tensor

from dqngan_lib.course import arguments
from dqngan_lib.dqngan.enumeration import all_pictures, picture_numbers

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


def _flips() -> Tensor:
    """Return which pixels each key flips, int64 `(16, 16)`, a row for each key."""
    rows, columns = torch.arange(16) // 4, torch.arange(16) % 4
    down = rows[None, :] - rows[:, None]  # from the key in the row to the pixel in the column
    right = columns[None, :] - columns[:, None]
    return ((down >= 0) & (right >= 0) & (down + right <= 1)).long()


FLIPS = _flips()
"""Which pixels each key of the smearing printer flips, int64 `(16, 16)`, a row for each key."""


def smear(keys: Tensor) -> Tensor:
    """Return what the smearing printer has printed after its keys were pressed or left alone.

    Key k flips pixel k and its right and its lower neighbour, where there are such. The order of
    pressing does not matter, and two different sets of keys never make one picture.

    Args:
        keys: The first t of the sixteen keys, in order: 1 pressed, 0 not. Any integer or bool
            type, `(n, t)`, t from 0 to 16.

    Returns:
        Pixels 0 and 1, int64 `(n, 16)`.

    Raises:
        ValueError: The shape is another, or there is something else than 0 and 1.
    """
    if keys.dim() != 2 or keys.shape[1] > 16:
        raise ValueError(f"keys must be (n, t) with t from 0 to 16; got {tuple(keys.shape)}")
    if not ((keys == 0) | (keys == 1)).all():
        raise ValueError("keys must hold 0 and 1 alone")
    return keys.long() @ FLIPS[: keys.shape[1]] % 2


def smeared(keys_chance: Tensor) -> Tensor:
    """Return the distribution of pictures, `(65536,)`, from that of the keys that make them.

    Both are in the order of `all_pictures`, and the total stays: each picture has its own keys.
    """
    arguments.probabilities("keys_chance", keys_chance)
    pictures = torch.empty_like(keys_chance)
    pictures[picture_numbers(smear(all_pictures()))] = keys_chance
    return pictures
