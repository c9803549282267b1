"""The frame of the training loops: a bar, the ■ button, evaluations, checkpoints, the best kept."""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, Self

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import CosineAnnealingLR

from dqngan_lib.course.runtime import load_checkpoint, progress, save_checkpoint

Keep = Literal["last", "lowest", "highest"]
"""Which weights remain at the end: the last, or those of the lowest or the highest score."""


class StoppableLoop:
    """A loop with a bar, which the ■ button or Ctrl-C may end: the cell then says so and goes on.

    ```
    with StoppableLoop(600, "painter") as loop:
        for _ in loop:
            ...  # one update
    ```

    Args:
        total: How many steps the whole loop has.
        label: A word shown before the bar.
        unit: What one step is called.
        kept: What remains when somebody stops the loop, in words.
    """

    def __init__(
        self, total: int, label: str, unit: str = "update", kept: str = "what was learnt so far"
    ) -> None:
        self.total, self.label, self.unit, self.kept = total, label, unit, kept
        self.done = 0
        """Steps so far."""
        self.stopped = False
        """Whether somebody stopped the loop before its end."""

    def __enter__(self) -> Self:
        """Show the bar."""
        self.bar = progress(total=self.total, label=self.label, start=self.done)
        return self

    def __iter__(self) -> Iterator[int]:
        """Go through the steps that are left, by number."""
        while self.done < self.total:
            yield self.done
            self.count()

    def count(self, steps: int = 1) -> None:
        """Write down that so many steps are done."""
        self.done += steps
        self.bar.update(steps)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        """Close the bar; after an interruption say how far it came, and go on behind the loop."""
        self.bar.close()
        self.stopped = kind is not None and issubclass(kind, KeyboardInterrupt)
        if self.stopped:
            print(f"Stopped after {self.done:,} of {self.total:,} {self.unit}s. Kept: {self.kept}.")
            print("Later claims in this notebook may not hold: they are about the whole training.")
        return self.stopped


class Run(StoppableLoop):
    """A training with evaluations: what `train_dqn`, `train_gan` and `train_dqngan` share.

    A subclass says what a `round` is: that is the algorithm. The frame cuts the run into pieces of
    `settings.evaluate_every` steps. Each piece ends with an evaluation and, if asked for, a
    checkpoint. A run that goes on from a checkpoint is the same, bit for bit, as one that was
    never interrupted.

    Args:
        learner: What is trained. It has `settings`, `state_dict` and `load_state_dict`.
        settings: Settings of the run, a dataclass.
        history: An empty history, a dataclass: lists with one entry an evaluation.
        total: How many steps the run has.
        seed: Seed of `rng` and of what the subclass adds.
        checkpoint: File to save to after each evaluation and, if it exists, to go on from.
    """

    made_by: str
    """The function that starts such runs."""
    label: str
    unit: str
    """What a step is called; the history counts them in the list of this name."""
    stride: int = 1
    """Steps that one round takes."""
    keep: Keep = "last"
    network: nn.Module
    """The part of the learner that `keep` is about; needed unless it is "last"."""

    def __init__(
        self,
        learner: Any,
        settings: Any,
        history: Any,
        total: int,
        seed: int,
        checkpoint: str | Path | None,
    ) -> None:
        super().__init__(total, self.label, self.unit)
        self.learner, self.settings, self.history = learner, settings, history
        self.seed = int(seed)
        self.rng = torch.Generator().manual_seed(self.seed)
        self.checkpoint = Path(checkpoint) if checkpoint is not None else None
        self.best: dict[str, Any] | None = None
        self.parts: dict[str, Any] = {"learner": learner}
        """What a checkpoint holds besides the numbers of the frame."""
        self.belongs_to = {"made by": self.made_by, "seed": self.seed}
        """What must be equal in the run that goes on from a checkpoint."""
        self.belongs_to |= asdict(settings) | asdict(learner.settings)

    def begin_piece(self) -> None:
        """Get ready for the rounds until the next evaluation."""

    def round(self) -> None:
        """Take `stride` steps: the algorithm."""
        raise NotImplementedError

    def finished(self) -> bool:
        """Tell whether the run has come to its end."""
        return self.done >= self.total

    def note(self, **measured: Tensor) -> None:
        """Write down numbers; the history gets the mean of each since the last evaluation."""
        for name, value in measured.items():
            self.measured.setdefault(name, []).append(value)

    def summary(self) -> dict[str, float]:
        """Return the history's row of the present piece."""
        return {name: torch.stack(values).mean().item() for name, values in self.measured.items()}

    def train(
        self,
        evaluate: Callable[[Any], float] | None = None,
        watch: Callable[[Any], None] | None = None,
    ) -> Any:
        """Run to the end, or until somebody stops it; return the history.

        Args:
            evaluate: From the learner to its score.
            watch: Called with the history after each evaluation.

        Raises:
            TypeError: `evaluate` is no function.
            ValueError: `keep` needs scores and there is no `evaluate`, or the checkpoint belongs to
                another run.
        """
        if evaluate is not None and not callable(evaluate):
            raise TypeError(f"evaluate must be a function; got {type(evaluate).__name__}")
        if evaluate is None and self.keep != "last":
            raise ValueError(
                f"evaluate must be a function where keep={self.keep!r}, to give scores; got None"
            )
        if self.checkpoint is not None and self.checkpoint.is_file():
            self.load()
        with self:
            while not self.finished():
                self.train_piece()
                # Whoever looks on draws from random numbers of their own, and changes nothing.
                with torch.random.fork_rng(devices=[]):
                    score = math.nan if evaluate is None else float(evaluate(self.learner))
                self.finish_piece(score)
                with torch.random.fork_rng(devices=[]):
                    if watch is not None:
                        watch(self.history)
            self.bar.total = self.bar.n  # else a run that was good enough early ends in a red bar
        self.history.interrupted = self.stopped
        if self.best is not None:
            self.network.load_state_dict(self.best["weights"])
        return self.history

    def train_piece(self) -> None:
        """Take rounds until the next evaluation is due."""
        start, every = time.perf_counter(), self.settings.evaluate_every
        goal = min((self.done // every + 1) * every, self.total)
        self.measured: dict[str, list[Tensor]] = {}
        self.begin_piece()
        while self.done < goal:
            self.round()
            self.count(self.stride)
        self.seconds = time.perf_counter() - start + (self.history.seconds or [0.0])[-1]

    def finish_piece(self, score: float) -> None:
        """Write down an evaluation, keep the weights if they are the best, save a checkpoint."""
        row = {self.unit: self.done, "score": score, "seconds": self.seconds} | self.summary()
        for name, value in row.items():
            getattr(self.history, name).append(value)
        self.bar.set_postfix(score=f"{score:.4g}")
        sign = {"last": 0, "lowest": -1, "highest": 1}[self.keep]
        best = -math.inf if self.best is None else sign * self.best["score"]
        if sign and sign * score > best:  # never true of NaN
            weights = deepcopy(self.network.state_dict())
            self.best = {"score": score, "weights": weights}
            self.kept = f"the best that was evaluated, after {self.done:,} {self.unit}s"
        if self.checkpoint is not None:
            save_checkpoint(self.checkpoint, self.state_dict())

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the run, with what it belongs to."""
        return {
            "belongs_to": self.belongs_to,
            "parts": {name: part.state_dict() for name, part in self.parts.items()},
            "history": asdict(self.history),
            "done": self.done,
            "best": self.best,
            "kept": self.kept,
            "rng": self.rng.get_state(),
            "torch_rng": torch.get_rng_state(),
        }

    def load(self) -> None:
        """Go on from the checkpoint.

        Raises:
            ValueError: It is another function's checkpoint, or another run's; what differs is
                named.
        """
        path, state = self.checkpoint, load_checkpoint(self.checkpoint)
        if not isinstance(state, dict) or "belongs_to" not in state:
            raise ValueError(f"{path} is no checkpoint of {self.made_by}; use another path")
        saved, now = state["belongs_to"], self.belongs_to
        other = {name: (saved.get(name), now[name]) for name in now if saved.get(name) != now[name]}
        if other:
            raise ValueError(
                f"{path} belongs to another run: (saved, now) differ in {other}; "
                f"delete it to start afresh"
            )
        for name, part in self.parts.items():
            part.load_state_dict(state["parts"][name])
        self.history = type(self.history)(**state["history"])
        self.done, self.best, self.kept = state["done"], state["best"], state["kept"]
        self.rng.set_state(state["rng"])
        torch.set_rng_state(state["torch_rng"])


def describe_network(network: nn.Module) -> str:
    """Return the names and shapes of a network's weights in one line, to tell networks apart."""
    weights = network.state_dict().items()
    return ", ".join(f"{name} {tuple(value.shape)}" for name, value in weights)


def linear_schedule(step: int, start: float, end: float, steps: int) -> float:
    """Return a value that falls (or rises) in a straight line and then stays.

    Args:
        step: Now, from 0.
        start: The value at step 0.
        end: The value at `steps` and after.
        steps: How long the change takes; with 0 the value is `end` from the beginning.
    """
    return end if step >= steps else start + (end - start) * step / steps


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
