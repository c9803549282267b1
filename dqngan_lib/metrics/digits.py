"""How good is a generator of digits: what the digit scorer says about its pictures.

All scores are computed in float64 on the CPU, without gradients. Digits are float
`(n, 1, side, side)` in [0, 1], of side 28 or 16.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from dqngan_lib.course.arguments import finite, require, unit_range, whole, whole_numbers
from dqngan_lib.metrics.distributions import entropy
from dqngan_lib.metrics.frechet import feature_statistics, frechet_distance
from dqngan_lib.metrics.neighbours import distinct_images, memorisation, precision_recall
from dqngan_lib.metrics.scorer import DigitScorer, check_pictures, load_scorer


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
    features = _features(generated, scorer), _real_features(real, scorer)
    statistics = [feature_statistics(points) for points in features]
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
    whole("repeats", repeats, 1)
    # Two sets from one pool share no image; with a reference each comes from its own pool.
    most = len(images) // 2 if reference is None else min(len(images), len(other))
    require(len(counts) > 0, "counts", counts, "at least one number")
    for count in counts:
        whole("counts", count, 2, most)
    features = _features(images, scorer)
    second = features if reference is None else _features(other, scorer)
    rng = torch.Generator().manual_seed(seed)
    scores = torch.zeros(len(counts), repeats, dtype=torch.float64)
    for row, count in enumerate(counts):
        for column in range(repeats):
            order = torch.randperm(len(features), generator=rng)
            chosen, rest = order[:count], order[count : 2 * count]
            if reference is not None:
                rest = torch.randperm(len(second), generator=rng)[:count]
            scores[row, column] = frechet_distance(
                *feature_statistics(features[chosen]), *feature_statistics(second[rest])
            )
    return scores


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
        TypeError: `images` is not a float tensor.
        ValueError: A shape or a value is not allowed, or labels are not whole numbers.
    """
    return _obeyed(predicted_classes(images, scorer), labels)


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
    features = made, _real_features(real, scorer)
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


def _digits(name: str, images: Tensor) -> Tensor:
    """Return digits after checking them, also what a scorer would not notice: NaN and range."""
    check_pictures(name, images)
    require(len(images) > 0, name, tuple(images.shape), "at least one image")
    finite(name, images)
    return unit_range(name, images.detach())


def _two_sets(generated: Tensor, real: Tensor, name: str = "generated") -> tuple[Tensor, Tensor]:
    """Return two sets of digits after checking them and their sides."""
    generated = _digits(name, generated)
    real = _digits("real" if name == "generated" else "reference", real)
    sides = generated.shape[-1], real.shape[-1]
    require(sides[0] == sides[1], name, sides[0], f"of the side of the real images, {sides[1]}")
    return generated, real


def _shares(classes: Tensor) -> Tensor:
    """Return the share of each of the ten classes."""
    return torch.bincount(classes, minlength=10).double() / len(classes)


def _obeyed(classes: Tensor, labels: Tensor) -> float:
    """Return the share of classes that are the labels, after checking these."""
    labels = whole_numbers("labels", labels, len(classes), 9)
    return (classes == labels.cpu()).double().mean().item()


@torch.no_grad()
def _features(images: Tensor, scorer: DigitScorer | None) -> Tensor:
    return (scorer or load_scorer()).features(images).cpu().double()


_last_read: dict[str, Tensor] = {}
"""The real digits that the course's scorer read last, and their features."""


def _real_features(real: Tensor, scorer: DigitScorer | None) -> Tensor:
    """Return features of real digits; nearly every score is against the same held-out ones.

    The course's scorer, whose weights nothing changes, reads them again only when they are others.
    """
    if scorer is not None:
        return _features(real, scorer)
    known = dict(_last_read)
    if not known or not _same(known["images"], real):
        known = {"images": real.clone(), "features": _features(real, None)}
        _last_read.update(known)
    return known["features"]


def _same(images: Tensor, others: Tensor) -> bool:
    """Say whether two sets of images hold the same numbers, on the same device."""
    alike = images.dtype == others.dtype and images.device == others.device
    return alike and torch.equal(images, others)


@torch.no_grad()
def _features_and_classes(images: Tensor, scorer: DigitScorer | None) -> tuple[Tensor, Tensor]:
    features, logits = (scorer or load_scorer()).features_and_logits(images)
    return features.cpu().double(), logits.argmax(1).cpu()
