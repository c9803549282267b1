"""Scores from nearest neighbours: precision and recall, copies of training images, duplicates."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from dqngan_lib.course import arguments
from dqngan_lib.course.arguments import require

_COPY_QUANTILE = 0.01
"""A generated image counts as a copy when only this share of fresh images is as close."""


def precision_recall(generated: Tensor, real: Tensor, k: int = 3) -> tuple[float, float]:
    """Return how many generated points look real, and how many real points can be generated.

    Around each point of a set lies a ball that reaches to its k-th nearest other point of that
    set. Precision is the share of generated points inside at least one ball of the real set;
    recall is the share of real points inside at least one ball of the generated set
    (Kynkäänniemi et al. 2019, 1904.06991, eqs. 1 and 2). Both lie in [0, 1]. Real points against
    other real points score below 1, and both depend on n: state the numbers.

    Args:
        generated: Points or features `(n, d)`, n > k.
        real: Points or features `(m, d)`, m > k.
        k: Which neighbour sets the radius.

    Raises:
        TypeError: An argument is not a float tensor.
        ValueError: A shape does not fit, there are too few points for `k`, or a value is not
            finite.
    """
    arguments.whole("k", k, 1)
    generated = arguments.points("generated", generated, least=k + 1)
    real = arguments.points("real", real, least=k + 1)
    columns = generated.shape[1], real.shape[1]
    require(columns[0] == columns[1], "generated", columns[0], f"of {columns[1]} columns like real")
    return _covered(generated, real, k), _covered(real, generated, k)


def _covered(points: Tensor, centres: Tensor, k: int) -> float:
    """Return the share of points inside the ball of at least one centre."""
    # Each centre is its own nearest neighbour, at distance 0: the k-th other one is at k + 1.
    radii = [_distances(part, centres).kthvalue(k + 1, dim=1).values for part in _parts(centres)]
    radius = torch.cat(radii)
    inside = [(_distances(part, centres) <= radius).any(1) for part in _parts(points)]
    return torch.cat(inside).double().mean().item()


@dataclass(frozen=True)
class Memorisation:
    """What `memorisation` found.

    Attributes:
        closer: Probability that a random generated image is closer to the training set than a
            random held-out image is; ties count half. Held-out images score 0.5, copies 1.
        copies: Share of generated images as close to the training set as the closest 1 % of
            held-out images. Held-out images score 0.01, copies 1.
        distances: From each generated image to its nearest training image, `(n,)`.
        nearest: The position of that training image, int64 `(n,)`.
        held_out_distances: From each held-out image to its nearest training image, `(m,)`.
    """

    closer: float
    copies: float
    distances: Tensor
    nearest: Tensor
    held_out_distances: Tensor


def memorisation(generated: Tensor, training: Tensor, held_out: Tensor) -> Memorisation:
    """Compare the way to the nearest training image for generated and for held-out images.

    A generator that has learnt the distribution is as far from the training images as fresh
    images are. One that copies them is nearer. `closer` is the three-sample test of Meehan et
    al. (2020, 2004.05675) without its cells, `copies` also finds a few copies among many fresh
    images. Distances are Euclidean, in pixels when pixels are given; smooth or simple images
    (many ones) come closer to everything without being copies, so look at the nearest pairs too.
    A shifted copy is far in pixels: give features to find it.

    Args:
        generated: Generated images or features `(n, …)`.
        training: What the generator was trained on, `(t, …)` of the same shape.
        held_out: Fresh images from the same source, `(m, …)`.

    Raises:
        TypeError: An argument is not a float tensor.
        ValueError: The shapes do not fit, a set is empty, or a value is not finite.
    """
    training = arguments.points("training", training, flatten=True)
    found = []
    for name, images in (("generated", generated), ("held_out", held_out)):
        points = arguments.points(name, images, flatten=True)
        sizes = points.shape[1], training.shape[1]
        require(
            sizes[0] == sizes[1], name, sizes[0], f"of {sizes[1]} numbers an image like training"
        )
        found.append(_nearest(points, training))
    (distances, nearest), (fresh, _) = found
    # P(generated closer) + ½ P(tie), over all pairs of a generated and a held-out image.
    ordered = fresh.sort().values
    below = torch.searchsorted(ordered, distances, side="left")
    not_above = torch.searchsorted(ordered, distances, side="right")
    closer = 1 - (below + not_above).double().mean().item() / (2 * len(fresh))
    copies = (distances <= fresh.quantile(_COPY_QUANTILE)).double().mean().item()
    return Memorisation(closer, copies, distances, nearest, fresh)


def _nearest(points: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """Return the distance from each point to the nearest of the others, and which one it is."""
    squares = others.square().sum(1)
    chosen = [(squares - 2 * part @ others.T).argmin(1) for part in _parts(points)]
    index = torch.cat(chosen)
    return (points - others[index]).norm(dim=1), index


def distinct_images(images: Tensor, tolerance: float = 0.0) -> int:
    """Count how many different images there are.

    Args:
        images: Images `(n, …)` in [0, 1].
        tolerance: With 0, images are the same when all their pixels are the same after rounding
            to 8 bits. Above 0, an image does not count when an image that counted before it
            differs by at most this root mean square over the pixels.

    Raises:
        TypeError: `images` is not a float tensor.
        ValueError: `images` is empty, leaves [0, 1], or `tolerance` is negative.
    """
    points = arguments.unit_range("images", arguments.points("images", images, flatten=True))
    require(0 <= tolerance < math.inf, "tolerance", tolerance, "a number >= 0")
    rounded = (points * 255).round()
    if tolerance == 0:
        return len(torch.unique(rounded.to(torch.uint8), dim=0))
    limit = tolerance * math.sqrt(points.shape[1])  # a root mean square, as a Euclidean distance
    counted: list[int] = []
    for row, point in enumerate(points):
        if not counted or (points[counted] - point).norm(dim=1).min() > limit:
            counted.append(row)
    return len(counted)


def _parts(points: Tensor) -> tuple[Tensor, ...]:
    """Split points so that a table of distances stays small."""
    return points.split(500)


def _distances(points: Tensor, others: Tensor) -> Tensor:
    """Return all distances, from differences: exactly 0 between equal points."""
    return torch.cdist(points, others, compute_mode="donot_use_mm_for_euclid_dist")
