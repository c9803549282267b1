"""How good is a generator, and how good is a picture: every score of the course.

Functions whose name begins with `digit_` or `class_`, and `conditional_accuracy`, look at digits
through the features or classes of `dqngan_lib.metrics.scorer`. The others take any points,
covariances or images. All of them compute in float64 on the CPU, need no gradient, and return
plain numbers unless they say otherwise. `neighbours` and `pictures` hold the scores that need no
scorer.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from dqngan_lib.course import arguments
from dqngan_lib.metrics.neighbours import (
    Memorisation,
    distinct_images,
    memorisation,
    precision_recall,
)
from dqngan_lib.metrics.pictures import psnr, ssim
from dqngan_lib.metrics.scorer import SIDES, DigitScorer, load_scorer

__all__ = [
    "Memorisation",
    "class_entropy",
    "class_histogram",
    "conditional_accuracy",
    "digit_fid",
    "digit_precision_recall",
    "digit_scores",
    "distinct_images",
    "entropy",
    "feature_statistics",
    "fid_floor",
    "frechet_distance",
    "memorisation",
    "precision_recall",
    "predicted_classes",
    "psnr",
    "ssim",
    "total_variation",
]


# --- Fréchet distance and digit-FID


def feature_statistics(features: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean `(d,)` and the unbiased covariance `(d, d)` of features, in float64.

    The covariance divides by n − 1. With n ≤ d images it is singular, which is allowed.

    Args:
        features: One row an image, `(n, d)`, n ≥ 2.

    Raises:
        TypeError: `features` is not a float tensor.
        ValueError: It has another shape, fewer than two rows, or a value that is not finite.
    """
    features = arguments.points("features", features, least=2)
    mean = features.mean(0)
    centred = features - mean
    return mean, centred.T @ centred / (len(features) - 1)


def frechet_distance(mean_1: Tensor, cov_1: Tensor, mean_2: Tensor, cov_2: Tensor) -> float:
    """Return the squared Fréchet distance between two Gaussians, at least 0.

    |μ₁ − μ₂|² + tr C₁ + tr C₂ − 2 tr (C₁C₂)^½ (Dowson & Landau 1982; Heusel et al. 2017,
    1706.08500, eq. 6). C₁C₂ is not symmetric, and a general matrix square root of it turns
    complex by rounding when a covariance is singular. Its trace equals the sum of the singular
    values of √C₁√C₂, and a symmetric √C needs only the eigenvalues of a symmetric matrix: real,
    whatever the rank.

    Args:
        mean_1: Mean of the first Gaussian, `(d,)`.
        cov_1: Its covariance, `(d, d)`: symmetric, no negative eigenvalue, singular or not.
        mean_2: Mean of the second, `(d,)`.
        cov_2: Its covariance, `(d, d)`.

    Raises:
        TypeError: An argument is not a float tensor or array.
        ValueError: Shapes do not fit, a value is not finite, or a covariance is none.
    """
    means, roots, traces = [], [], []
    for number, mean, cov in ((1, mean_1, cov_1), (2, mean_2, cov_2)):
        mean, cov = (
            arguments.numbers(f"mean_{number}", mean),
            arguments.numbers(f"cov_{number}", cov),
        )
        if mean.ndim != 1 or len(mean) == 0:
            raise ValueError(f"mean_{number} must have shape (d,); got {tuple(mean.shape)}")
        if cov.shape != (len(mean), len(mean)):
            raise ValueError(
                f"cov_{number} must have shape {(len(mean), len(mean))} like mean_{number}; "
                f"got {tuple(cov.shape)}"
            )
        means.append(mean)
        roots.append(_symmetric_root(f"cov_{number}", cov))
        traces.append(cov.trace())
    if means[0].shape != means[1].shape:
        raise ValueError(
            f"mean_2 must have shape {tuple(means[0].shape)} like mean_1; "
            f"got {tuple(means[1].shape)}"
        )
    overlap = torch.linalg.svdvals(roots[0] @ roots[1]).sum()
    squared = (means[0] - means[1]).square().sum() + traces[0] + traces[1] - 2 * overlap
    return max(0.0, squared.item())


def digit_fid(generated: Tensor, real: Tensor, scorer: DigitScorer | None = None) -> float:
    """Return the digit-FID: the Fréchet distance between the features of two sets of digits.

    The unit: a generator whose every image has the mean features of real digits scores 100, the
    total variance of real features. Lower is better. Two sets of real digits do not score 0 but
    the floor that `fid_floor` measures.

    **Not to be compared with published FIDs.** Those use 2,048 features of an Inception network
    trained on photographs; these are 64 features of a small network trained on digits, with a
    unit of their own. Nor do scores compare between 28 × 28 and 16 × 16, between different real
    sets, or between different n: the estimate is biased upwards by about a constant over n
    (Bińkowski et al. 2018, 1801.01401; Chong & Forsyth 2020, 1911.07023). So state n with
    every score, as in "digit-FID 12 (n = 2,000 against 2,000 held-out)".

    Args:
        generated: Generated digits `(n, 1, side, side)` in [0, 1], side 28 or 16, n ≥ 2.
        real: Real digits of the same side. In this course: the 2,000 held-out ones.
        scorer: What makes the features; the course's scorer when None.

    Raises:
        TypeError: An argument is not a float tensor.
        ValueError: A shape or a value is not allowed, or the sides differ.
    """
    generated, real = _two_sets(generated, real)
    statistics = [feature_statistics(_features(images, scorer)) for images in (generated, real)]
    return frechet_distance(*statistics[0], *statistics[1])


def fid_floor(
    images: Tensor,
    counts: Sequence[int],
    scorer: DigitScorer | None = None,
    reference: Tensor | None = None,
    repeats: int = 5,
    seed: int = 0,
) -> Tensor:
    """Return the digit-FID of real digits against real digits, for several n.

    No generator can be expected to score below this floor, and the floor falls as n grows.

    Args:
        images: Real digits `(m, 1, side, side)` in [0, 1].
        counts: The numbers n of images in each of the two sets, every n ≥ 2.
        scorer: What makes the features; the course's scorer when None.
        reference: Where the second set is drawn from, when not from the rest of `images`.
        repeats: How many random draws for each n.
        seed: For the draws.

    Returns:
        Scores `(len(counts), repeats)`, float64.

    Raises:
        TypeError: Images are not a float tensor.
        ValueError: A shape or a value is not allowed, or there are too few images for a count.
    """
    images, other = _two_sets(images, images if reference is None else reference, "images")
    arguments.whole("repeats", repeats, 1)
    most = len(images) // 2 if reference is None else min(len(images), len(other))
    if len(counts) == 0:
        raise ValueError("counts must hold at least one number")
    for count in counts:
        arguments.whole("counts", count, 2, most)
    features = _features(images, scorer)
    second = features if reference is None else _features(other, scorer)
    generator = torch.Generator().manual_seed(seed)
    scores = torch.zeros(len(counts), repeats, dtype=torch.float64)
    for row, count in enumerate(counts):
        for column in range(repeats):
            order = torch.randperm(len(features), generator=generator)
            chosen, rest = order[:count], order[count : 2 * count]
            if reference is not None:
                rest = torch.randperm(len(second), generator=generator)[:count]
            scores[row, column] = frechet_distance(
                *feature_statistics(features[chosen]), *feature_statistics(second[rest])
            )
    return scores


# --- Classes


def predicted_classes(images: Tensor, scorer: DigitScorer | None = None) -> Tensor:
    """Return the class that the scorer finds most likely for each image, int64 `(n,)`.

    Args:
        images: Digits `(n, 1, side, side)` in [0, 1], side 28 or 16.
        scorer: The classifier; the course's scorer when None.

    Raises:
        TypeError: `images` is not a float tensor.
        ValueError: A shape or a value is not allowed.
    """
    images = _digits("images", images)
    with torch.no_grad():
        return (scorer or load_scorer())(images).argmax(1).cpu()


def class_histogram(images: Tensor, scorer: DigitScorer | None = None) -> Tensor:
    """Return the share of images in each of the ten predicted classes, float64 `(10,)`.

    Arguments and errors are those of `predicted_classes`.
    """
    return _shares(predicted_classes(images, scorer))


def class_entropy(images: Tensor, scorer: DigitScorer | None = None) -> float:
    """Return the entropy of `class_histogram` in nats: 0 for one class, ln 10 ≈ 2.303 for ten.

    Arguments and errors are those of `predicted_classes`.
    """
    return entropy(class_histogram(images, scorer))


def conditional_accuracy(
    images: Tensor, labels: Tensor, scorer: DigitScorer | None = None
) -> float:
    """Return the share of images whose predicted class is the one that was asked for.

    Args:
        images: Generated digits `(n, 1, side, side)` in [0, 1], side 28 or 16.
        labels: The classes asked for, int64 `(n,)`, 0 to 9.
        scorer: The classifier; the course's scorer when None.

    Raises:
        TypeError: `images` is not a float tensor, or `labels` not an integer tensor.
        ValueError: A shape or a value is not allowed.
    """
    return _obeyed(predicted_classes(images, scorer), labels)


# --- Distributions


def entropy(distribution: Tensor) -> float:
    """Return −Σ p ln p of a distribution over any number of outcomes, in nats (0 ln 0 = 0).

    Args:
        distribution: Probabilities of any shape that sum to 1.

    Raises:
        TypeError: It is not a float tensor or array.
        ValueError: A probability is negative or not finite, or the sum is not 1.
    """
    return torch.special.entr(arguments.probabilities("distribution", distribution)).sum().item()


def total_variation(distribution_1: Tensor, distribution_2: Tensor) -> float:
    """Return ½ Σ |p − q|: 0 for equal distributions, 1 when no outcome has weight in both.

    It is the largest difference that any event's probability can have under the two.

    Args:
        distribution_1: Probabilities of any shape that sum to 1.
        distribution_2: Probabilities of the same shape that sum to 1.

    Raises:
        TypeError: An argument is not a float tensor or array.
        ValueError: The shapes differ, a probability is negative, or a sum is not 1.
    """
    p = arguments.probabilities("distribution_1", distribution_1)
    q = arguments.probabilities("distribution_2", distribution_2)
    if p.shape != q.shape:
        raise ValueError(
            f"distribution_2 must have shape {tuple(p.shape)} like distribution_1; "
            f"got {tuple(q.shape)}"
        )
    return (p - q).abs().sum().item() / 2


# --- All scores of a set of digits


def digit_precision_recall(
    generated: Tensor, real: Tensor, scorer: DigitScorer | None = None, k: int = 3
) -> tuple[float, float]:
    """Return `precision_recall` of the features of two sets of digits.

    The features have learnt to overlook noise, and one black image repeated lies inside some
    ball: a high precision says little without the digit-FID beside it.

    Args:
        generated: Generated digits `(n, 1, side, side)` in [0, 1], side 28 or 16, n > k.
        real: Real digits of the same side.
        scorer: What makes the features; the course's scorer when None.
        k: Which neighbour sets the radius.

    Raises:
        TypeError: An argument is not a float tensor.
        ValueError: A shape or a value is not allowed, or the sides differ.
    """
    generated, real = _two_sets(generated, real)
    return precision_recall(_features(generated, scorer), _features(real, scorer), k)


def digit_scores(
    generated: Tensor,
    real: Tensor,
    scorer: DigitScorer | None = None,
    labels: Tensor | None = None,
    training: Tensor | None = None,
) -> dict[str, float]:
    """Return every score of a set of generated digits by name, with both numbers of images.

    Args:
        generated: Generated digits `(n, 1, side, side)` in [0, 1], side 28 or 16, n > 3.
        real: Real digits of the same side that no training saw.
        scorer: Features and classes; the course's scorer when None.
        labels: The classes asked for, int64 `(n,)`: adds "conditional accuracy".
        training: The training digits: adds "closer" and "copies" (see `Memorisation`).

    Raises:
        TypeError: An argument has a wrong type.
        ValueError: A shape or a value is not allowed.
    """
    generated, real = _two_sets(generated, real)
    made, classes = _features_and_classes(generated, scorer)
    features = made, _features(real, scorer)
    statistics = [feature_statistics(points) for points in features]
    precision, recall = precision_recall(*features)
    scores = {
        "digit-FID": frechet_distance(*statistics[0], *statistics[1]),
        "class entropy": entropy(_shares(classes)),
        "precision": precision,
        "recall": recall,
        "distinct": distinct_images(generated),
        "n generated": len(generated),
        "n real": len(real),
    }
    if labels is not None:
        scores["conditional accuracy"] = _obeyed(classes, labels)
    if training is not None:
        found = memorisation(generated, training, real)
        scores |= {"closer": found.closer, "copies": found.copies}
    return scores


# --- Helpers


def _digits(name: str, images: Tensor) -> Tensor:
    """Return digits after checking what a scorer would not notice: NaN and the range."""
    if not isinstance(images, Tensor) or not images.is_floating_point():
        raise TypeError(f"{name} must be a float tensor; got {arguments.kind_of(images)}")
    if images.ndim != 4 or tuple(images.shape[1:]) not in [(1, side, side) for side in SIDES]:
        raise ValueError(
            f"{name} must have shape (n, 1, 28, 28) or (n, 1, 16, 16); got {tuple(images.shape)}"
        )
    if len(images) == 0:
        raise ValueError(f"{name} must hold at least one image")
    if not images.isfinite().all():
        raise ValueError(f"{name} must be finite; it holds NaN or infinity")
    return arguments.unit_range(name, images.detach())


def _two_sets(generated: Tensor, real: Tensor, name: str = "generated") -> tuple[Tensor, Tensor]:
    """Return two sets of digits after checking them and their sides."""
    generated = _digits(name, generated)
    real = _digits("real" if name == "generated" else "reference", real)
    if generated.shape[1:] != real.shape[1:]:
        raise ValueError(
            f"{name} must have the side of the real images, {real.shape[-1]}; "
            f"got {generated.shape[-1]}"
        )
    return generated, real


def _shares(classes: Tensor) -> Tensor:
    """Return the share of each of the ten classes."""
    return torch.bincount(classes, minlength=10).double() / len(classes)


def _obeyed(classes: Tensor, labels: Tensor) -> float:
    """Return the share of classes that are the labels, after checking these."""
    if not isinstance(labels, Tensor) or labels.dtype not in (torch.int64, torch.int32):
        raise TypeError(f"labels must be an integer tensor; got {arguments.kind_of(labels)}")
    if labels.shape != classes.shape:
        raise ValueError(f"labels must have shape ({len(classes)},); got {tuple(labels.shape)}")
    if labels.min() < 0 or labels.max() > 9:
        raise ValueError(f"labels must be 0 to 9; got {labels.min()} to {labels.max()}")
    return (classes == labels.cpu()).double().mean().item()


def _symmetric_root(name: str, cov: Tensor) -> Tensor:
    """Return the symmetric square root of a covariance, singular ones included."""
    size = cov.abs().max().item()
    if (cov - cov.T).abs().max() > 1e-6 * size:
        raise ValueError(f"{name} must be symmetric")
    values, vectors = torch.linalg.eigh((cov + cov.T) / 2)
    if values.min() < -1e-6 * size:
        raise ValueError(
            f"{name} must have no negative eigenvalue; the least is {values.min():.3g}"
        )
    # What rounding has left of an eigenvalue 0 would grow under the root: 1e-16 becomes 1e-8.
    values = torch.where(values > len(cov) * 2.3e-16 * values.max(), values, 0.0)
    return vectors * values.sqrt() @ vectors.T


@torch.no_grad()
def _features(images: Tensor, scorer: DigitScorer | None) -> Tensor:
    return (scorer or load_scorer()).features(images).cpu().double()


@torch.no_grad()
def _features_and_classes(images: Tensor, scorer: DigitScorer | None) -> tuple[Tensor, Tensor]:
    features, logits = (scorer or load_scorer()).features_and_logits(images)
    return features.cpu().double(), logits.argmax(1).cpu()
