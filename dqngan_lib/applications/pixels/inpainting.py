"""Holes in pictures, and what fills them without a DQN: floors, rivals, and a regressor."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from dqngan_lib.applications.pixels.filters import bool_masks, grey
from dqngan_lib.applications.pixels.networks import DILATIONS, silent_head, trunk
from dqngan_lib.course.arguments import require, whole
from dqngan_lib.metrics.digits import conditional_accuracy, digit_fid
from dqngan_lib.metrics.pictures import psnr

HOLE_MARGIN = 4
"""Pixels at each edge where no hole begins or ends: digits are drawn in the 20 × 20 inside."""


def square_holes(
    count: int, size: int, seed: int, side: int = 28, margin: int = HOLE_MARGIN
) -> Tensor:
    """Return masks with one square hole each, at a place drawn at random.

    Args:
        count: How many.
        size: Side of the hole in pixels, from 1 to `side` − 2 `margin`.
        seed: Seed of the places.
        side: Height and width of the pictures.
        margin: Pixels at each edge that no hole touches.

    Returns:
        bool `(count, 1, side, side)`, true in the hole.

    Raises:
        ValueError: A number is out of its range.
    """
    whole("count", count, 1)
    whole("margin", margin, 0)
    whole("size", size, 1, side - 2 * margin)
    rng = torch.Generator().manual_seed(int(seed))
    places = side - 2 * margin - size + 1
    corner = margin + torch.randint(places, (2, count, 1), generator=rng)
    line = torch.arange(side)
    rows, columns = (line >= corner) & (line < corner + size)
    return (rows[:, :, None] & columns[:, None, :]).unsqueeze(1)


def cut_holes(pictures: Tensor, masks: Tensor, value: float = 0.0) -> Tensor:
    """Return pictures with the holes painted over by one value."""
    return pictures.masked_fill(_checked(pictures, masks), value)


def mean_fill(pictures: Tensor, masks: Tensor, training: Tensor) -> Tensor:
    """Fill each pixel of a hole by the mean of the training pictures at that place.

    Args:
        pictures: float `(n, 1, height, width)`; what is in the holes has no influence.
        masks: bool of the same shape, true in the holes.
        training: float `(m, 1, height, width)`.
    """
    return torch.where(_checked(pictures, masks), training.mean(0, keepdim=True), pictures)


def smooth_fill(pictures: Tensor, masks: Tensor, order: int = 2) -> Tensor:
    """Fill holes by the surface that bends least and meets the known pixels.

    With L the Laplacian (the sum of the four neighbours minus four times the pixel; beyond the
    edge a picture goes on with its last pixel) it solves Lᵏ x = 0 for the pixels in the hole: k =
    1 is a rubber sheet (harmonic), k = 2 an elastic plate (biharmonic, as in scikit-image's
    `inpaint_biharmonic`; Damelin and Hoang 2018). Results are put into [0, 1].

    Args:
        pictures: float `(n, 1, height, width)`, of at most 4,096 pixels.
        masks: bool of the same shape, true in the holes; somewhere false in every picture.
        order: k.

    Raises:
        ValueError: A picture is too large, or all of it is a hole.
    """
    masks = _checked(pictures, masks)
    whole("order", order, 1, 2)
    height, width = pictures.shape[2:]
    require(height * width <= 4_096, "pictures", (height, width), "of at most 4,096 pixels")
    require(not masks.flatten(1).all(1).any(), "masks", "a hole as large as its picture", "smaller")
    basis = torch.eye(height * width, dtype=torch.float64).view(-1, 1, height, width)
    for _ in range(order):
        basis = _laplacian(basis)
    operator = basis.flatten(1).T
    values, holes = pictures.flatten(1).double(), masks.flatten(1)
    kinds, kind = holes.unique(dim=0, return_inverse=True)
    for number, hole in enumerate(kinds):
        if not hole.any():
            continue
        rows = (kind == number).nonzero()
        known = operator[hole][:, ~hole] @ values[rows, ~hole].T
        values[rows, hole] = -torch.linalg.solve(operator[hole][:, hole], known).T
    return values.clamp(0, 1).view_as(pictures).to(pictures.dtype)


def nearest_fill(pictures: Tensor, masks: Tensor, training: Tensor, neighbours: int = 1) -> Tensor:
    """Fill holes from the training pictures that agree best with the known pixels.

    Args:
        pictures: float `(n, 1, height, width)`; what is in the holes has no influence.
        masks: bool of the same shape, true in the holes.
        training: float `(m, 1, height, width)`.
        neighbours: How many; with several, the hole gets their mean.

    Raises:
        ValueError: There are not so many training pictures.
    """
    masks = _checked(pictures, masks)
    whole("neighbours", neighbours, 1, len(training))
    known = (~masks).flatten(1).to(pictures.dtype)
    memory = training.flatten(1)
    squares = memory.square()
    filled = []
    for rows in torch.arange(len(pictures)).split(250):
        seen = pictures[rows].flatten(1) * known[rows]
        # |x − t|² over the known pixels, without |x|², which is the same for every t.
        distance = known[rows] @ squares.T - 2 * seen @ memory.T
        nearest = distance.topk(neighbours, largest=False).indices
        filled.append(memory[nearest].mean(1))
    return torch.where(masks, torch.cat(filled).view_as(pictures), pictures)


class HoleRegressor(nn.Module):
    """A network that says what belongs into a hole: the plain rival of the pixels' DQN.

    Args:
        width: Planes of every layer.
        dilations: See `dqngan_lib.applications.pixels.networks.trunk`.
    """

    def __init__(self, width: int = 24, dilations: Sequence[int] = DILATIONS) -> None:
        super().__init__()
        self.trunk = trunk(2, width, tuple(dilations))
        self.answer = silent_head(width, 1)
        self.to(memory_format=torch.channels_last)

    def forward(self, planes: Tensor) -> Tensor:
        """Map pictures and masks, `(batch, 2, height, width)`, to pictures `(batch, 1, …)`."""
        planes = planes.contiguous(memory_format=torch.channels_last)
        return torch.where(planes[:, 1:] > 0.5, self.answer(self.trunk(planes)), planes[:, :1])


def hole_psnr(pictures: Tensor, originals: Tensor, masks: Tensor) -> float:
    """Return the mean PSNR of the holes in decibels; a hole filled exactly counts as 60.

    Args:
        pictures: float `(n, 1, height, width)`.
        originals: What they should look like.
        masks: bool of the same shape, true in the holes.
    """
    masks = _checked(pictures, masks)
    return psnr(pictures, originals, mask=masks).clamp(max=60).mean().item()


def fill_report(
    pictures: Tensor, originals: Tensor, labels: Tensor, masks: Tensor
) -> dict[str, float]:
    """Score filled digits.

    Args:
        pictures: What was filled, float `(n, 1, 28, 28)` in [0, 1].
        originals: What it should look like.
        labels: The classes of the originals, int64 `(n,)`.
        masks: bool, true in the holes.

    Returns:
        `psnr`, see `hole_psnr`; `error`, the mean squared error of the pixels in the holes;
        `digit_fid` against the originals; `accuracy`, the share that the
        digit scorer reads as the right class; `grey`, the share of the pixels in the holes from
        0.2 to 0.8, neither paper nor ink.
    """
    inside = pictures[masks]
    return {
        "psnr": hole_psnr(pictures, originals, masks),
        "error": (inside - originals[masks]).square().mean().item(),
        "digit_fid": digit_fid(pictures, originals),
        "accuracy": conditional_accuracy(pictures, labels),
        "grey": ((inside > 0.2) & (inside < 0.8)).float().mean().item(),
    }


def _laplacian(pictures: Tensor) -> Tensor:
    """Return the sum of a pixel's four neighbours minus four times itself."""
    kernel = torch.tensor([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]], dtype=pictures.dtype)
    extended = functional.pad(pictures, (1, 1, 1, 1), mode="replicate")
    return functional.conv2d(extended, kernel.view(1, 1, 3, 3))


def _checked(pictures: Tensor, masks: Tensor) -> Tensor:
    """Return masks after checking them and the pictures."""
    return bool_masks(masks, grey("pictures", pictures).shape)
