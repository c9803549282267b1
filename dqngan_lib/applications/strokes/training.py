"""The loop that trains a painter on finished pictures: draw, judge, learn; see `finished`."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from dqngan_lib.applications.strokes.drawing import SIDE
from dqngan_lib.applications.strokes.finished import FinishedPainter
from dqngan_lib.course.arguments import require
from dqngan_lib.course.training import StoppableLoop


@dataclass
class FinishedHistory:
    """What was measured: the lists have one entry for every `every` rounds."""

    round: list[int] = field(default_factory=list)
    """Rounds so far."""
    score: list[float] = field(default_factory=list)
    """What `evaluate` returned; NaN without one."""
    real_logit: list[float] = field(default_factory=list)
    """The judge's logit for real pictures, with noise, in the last round."""
    fake_logit: list[float] = field(default_factory=list)
    """The judge's logit for the drawings, likewise."""
    entropy: list[float] = field(default_factory=list)
    """Mean entropy of the sampler's choice in the last round, in nats; log 3137 = 8.05 at first."""
    seconds: list[float] = field(default_factory=list)
    """Time spent on training so far, evaluations left out."""
    interrupted: bool = False
    """Whether somebody stopped the run before its end."""


def train_on_pictures(
    painter: FinishedPainter,
    images: Tensor,
    labels: Tensor,
    *,
    evaluate: Callable[[FinishedPainter], float] | None = None,
    every: int = 100,
) -> FinishedHistory:
    """Train a painter on finished pictures and their classes; nobody's strokes are needed.

    Interrupting (the ■ button, Ctrl-C) is allowed at any time: the painter then holds what it has
    learnt so far, and the history says `interrupted`.

    Args:
        painter: Changed in place.
        images: Real pictures, float `(n, 1, 28, 28)` in [0, 1].
        labels: Their classes, int64 `(n,)`.
        evaluate: Returns a score for the painter, mostly from `generate`.
        every: Rounds between two entries of the history.

    Raises:
        ValueError: Images or labels have another shape, or `every` is below 1.
    """
    if images.dim() != 4 or tuple(images.shape[1:]) != (1, SIDE, SIDE) or len(images) == 0:
        raise ValueError(
            f"images must be (n, 1, {SIDE}, {SIDE}) with n >= 1; got {tuple(images.shape)}"
        )
    if labels.shape != images.shape[:1]:
        raise ValueError(f"labels must be ({len(images)},); got {tuple(labels.shape)}")
    require(every >= 1, "every", every, ">= 1")
    history, rounds, spent = FinishedHistory(), painter.settings.rounds, 0.0
    with StoppableLoop(rounds - painter.done, "finished pictures", "round") as loop:
        for _ in loop:
            start = time.perf_counter()
            rows = torch.randint(len(images), (painter.settings.batch_size,), generator=painter.rng)
            measured = painter.round(images[rows], labels[rows])
            spent += time.perf_counter() - start
            if painter.done % every == 0 or painter.done == rounds:
                history.round.append(painter.done)
                history.score.append(float("nan") if evaluate is None else evaluate(painter))
                history.seconds.append(spent)
                for name in ("real_logit", "fake_logit", "entropy"):
                    getattr(history, name).append(measured[name].item())
                loop.bar.set_postfix(score=f"{history.score[-1]:.4g}")
    history.interrupted = loop.stopped
    return history
