"""Exercises of notebook 15: more workers, unequal parts."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from dqngan_lib.exercises.base import (
    Case,
    Exercise,
    Wrong,
    close,
    expect_number,
    expect_tensor,
    name_mistake,
    normal,
    uniform,
)


def seconds_on(seconds_one: float, seconds_two: float, workers: int) -> float:
    """Return the seconds that Amdahl's law predicts on so many workers."""
    divided = 2 * (seconds_one - seconds_two)
    alone = seconds_one - divided
    return alone + divided / workers


def check_seconds_on(answer: Callable[..., float]) -> None:
    """Compare by hand: 10 s on one worker and 6 s on two are 2 s alone and 8 s divided."""
    given = expect_number(answer(10.0, 6.0, 8), "the seconds")
    if not close(given, 3.0):
        name_mistake(
            given,
            {
                "10 / 8: you divided all of it, but a part is done by one worker alone": 1.25,
                "10 · 0.6 · 0.6 · 0.6: each doubling helps less than the one before": 2.16,
                "from two workers on you divided everything; the part that one does alone "
                "stays": 1.5,
                "what two workers save is half of the divided part: it is twice 10 − 6": 6.5,
                "this is how many times as fast; return the seconds": 10 / 3,
                "these are the seconds of the part that is done alone; the divided part takes "
                "8 / 8 more": 2.0,
                "these are the seconds of the divided part; the part done alone comes on top": 1.0,
            },
            "10 s on one worker and 6 s on two: 8 s can be divided, 2 s not, so eight workers "
            f"need 2 + 8/8 = 3 s; yours is {given:.4g}",
        )
    for one, two, workers, expected in ((9.0, 9.0, 5, 9.0), (4.0, 2.0, 4, 1.0), (7.0, 5.0, 1, 7.0)):
        given = expect_number(answer(one, two, workers), "the seconds")
        if not close(given, expected):
            raise Wrong(
                f"{one:g} s on one worker and {two:g} s on two: {workers} need {expected:g} s; "
                f"yours is {given:.4g}"
            )


def part_loss(losses: Tensor, world_size: int, total: int) -> Tensor:
    """Return what a process calls `backward` on, so that the mean over processes is right."""
    return losses.sum() * world_size / total


def check_part_loss(answer: Callable[..., Tensor]) -> None:
    """Compare by hand on three of five numbers, then the gradients of three unequal parts."""
    losses = torch.tensor([1.0, 2.0, 6.0], requires_grad=True)
    given = expect_tensor(answer(losses, 2, 5), (), "the loss")
    if not given.requires_grad:
        raise Wrong("the loss has lost its gradient: stay with torch, without .item() or .detach()")
    if not close(given, 3.6):
        name_mistake(
            given,
            {
                "the mean of the own part: the mean over processes is then a mean of means, in "
                "which a picture of a small part counts more": 3.0,
                "this is the sum of the own part: the step would grow with the batch": 9.0,
                "sum / total is this part's share of the mean, and DDP takes the mean over the "
                "processes afterwards: it would come out too small": 1.8,
                "divide by the number of pictures in the whole batch, not by that of the "
                "processes": 4.5,
                "the mean of the own part, times the processes: the part's size must count": 6.0,
                "the mean of the own part, over the processes: DDP divides by them itself": 1.5,
            },
            "losses 1, 2, 6 of 5 pictures on 2 processes: (1 + 2 + 6) · 2 / 5 = 3.6; yours is "
            f"{given.item():.4g}",
        )
    weights = torch.randn(4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    pictures = torch.randn(9, 4, generator=torch.Generator().manual_seed(1))
    (expected,) = torch.autograd.grad((pictures @ weights).square().mean(), weights)
    parts = [
        torch.autograd.grad(answer((part @ weights).square(), 3, 9), weights)[0]
        for part in pictures.split([5, 3, 1])
    ]
    if not close(torch.stack(parts).mean(0), expected):
        raise Wrong(
            "parts of 5, 3 and 1 of 9 pictures: the mean of your three gradients is not the "
            "gradient of the mean over all 9"
        )


# Random inputs, on which an answer must agree with the solution -----------------------------------


def cases_seconds_on(rng: torch.Generator) -> Iterator[Case]:
    """Draw measured seconds, from no help at all to a half, and workers from 1 on."""
    for workers in (3, 7, 16):
        one, saved = (1 + 9 * uniform(rng, 2)).tolist()
        yield Case("other measurements", (one, one * (1 - saved / 20), workers))
    yield Case("one worker, or two", (8.0, 5.0, 1))
    yield Case("one worker, or two", (8.0, 5.0, 2))


def cases_part_loss(rng: torch.Generator) -> Iterator[Case]:
    """Draw parts of several sizes; each loss must lead to the weights."""
    for stage, own, world_size, total in (
        ("other parts", 4, 3, 11),
        ("other parts", 2, 5, 9),
        ("a part of one picture", 1, 2, 4),
        ("one process", 3, 1, 3),
    ):
        yield Case(stage, (normal(rng, own).requires_grad_(), world_size, total))


EXERCISES = (
    Exercise(
        "15.1",
        check_seconds_on,
        (
            "Write the time on n workers as a part that one does alone, and a part divided by n.",
            "t₁ = a + d and t₂ = a + d/2. What is t₁ − t₂?",
            "d = 2 (t₁ − t₂), a = t₁ − d, and the answer is a + d/n:\n"
            "seconds_one - divided + divided / workers",
        ),
        seconds_on,
        "two measurements tell what a larger machine would give, at best",
        cases=cases_seconds_on,
        why="t₁ − t₂ is half of what can be divided, and the rest stays as it is",
    ),
    Exercise(
        "15.2",
        check_part_loss,
        (
            "DDP takes the mean of the gradients over the processes. What must their mean be?",
            "The mean over the batch is (sum of all parts' sums) / total.",
            "Each process:\nlosses.sum() * world_size / total",
        ),
        part_loss,
        "equal pictures count equally, wherever they are",
        cases=cases_part_loss,
        why="DDP divides the sum over the processes by world_size, so the parts add up to the "
        "mean over the batch",
    ),
)
