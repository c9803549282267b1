"""What the training loops share: a run may be stopped at any time, and learning rates fall."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import torch


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
