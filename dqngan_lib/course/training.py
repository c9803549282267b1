"""What the training loops share: a run may be stopped at any time, and learning rates fall."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR


class Interruptible(Protocol):
    """A history that can say that its run was stopped."""

    interrupted: bool


@contextmanager
def may_be_interrupted(history: Interruptible, bar: Any) -> Iterator[None]:
    """Let the ■ button or Ctrl-C end the block; write that down, and close the bar in any case.

    Args:
        history: Its `interrupted` becomes true.
        bar: The progress bar of the run.
    """
    try:
        yield
    except KeyboardInterrupt:
        history.interrupted = True
    finally:
        bar.close()


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of all of an optimiser's weights."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def adam_along_cosine(
    weights: Iterable[nn.Parameter], rate: float, updates: int
) -> tuple[torch.optim.Adam, CosineAnnealingLR]:
    """Return Adam, and a schedule by which its learning rate falls to a twentieth.

    The fall is half a cosine, slow at both ends (Loshchilov and Hutter 2017, 1608.03983).

    Args:
        weights: What is learnt.
        rate: Learning rate of the first update, > 0.
        updates: Steps of the schedule until the rate is a twentieth, >= 1.
    """
    optimizer = torch.optim.Adam(weights, rate)
    return optimizer, CosineAnnealingLR(optimizer, updates, rate / 20)
