"""The exercise of notebook 00, to get used to exercises."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from dqngan_lib.exercises.base import Case, Exercise, Wrong, close, expect_tensor, uniform


def mean_picture(images: Tensor) -> Tensor:
    """Return the mean over a batch of pictures."""
    return images.mean(0)


def check_mean_picture(answer: Callable[[Tensor], Tensor]) -> None:
    """Compare with a loop over the pictures of a small batch."""
    rng = torch.Generator().manual_seed(0)
    images = torch.rand(4, 3, 2, 5, generator=rng)
    expected = torch.zeros(3, 2, 5)
    for image in images:
        expected = expected + image / 4
    given = answer(images.clone())
    shape = tuple(given.shape) if isinstance(given, Tensor) else None
    if shape == ():
        raise Wrong(
            "the result is one number: you took the mean over all dimensions, not the batch alone"
        )
    if shape == (1, 3, 2, 5):
        raise Wrong("the batch dimension is still there, with length 1; remove it")
    if shape == (4, 2, 5):
        raise Wrong("you took the mean over the planes; the batch is dimension 0")
    if shape == (4,):
        raise Wrong("you took one mean a picture; asked for is one picture, the mean of the batch")
    given = expect_tensor(given, (3, 2, 5), "the result")
    if close(given, images.sum(0)):
        raise Wrong("that is the sum of the pictures; divide it by their number")
    if close(given, images.median(0).values):
        raise Wrong("that is the median of the pictures, not their mean")
    if not close(given, expected):
        raise Wrong("the shape is right, but the numbers are not the mean over the batch")


# Random inputs, on which an answer must agree with the solution -----------------------------------


def cases_mean_picture(rng: torch.Generator) -> Iterator[Case]:
    """Draw batches of several sizes."""
    yield Case("other sizes", (uniform(rng, 5, 1, 4, 3),))
    yield Case("a batch of 1", (uniform(rng, 1, 3, 2, 2),))


EXERCISES = (
    Exercise(
        "00.1",
        check_mean_picture,
        (
            "A tensor has a method `mean`. Which dimension is the batch?",
            "Dimensions count from 0, and the batch is the first one.",
            "images.mean(0)",
        ),
        mean_picture,
        "that was exercise one",
        cases=cases_mean_picture,
        why="dimension 0 is the batch, so the mean over it leaves one picture",
    ),
)
