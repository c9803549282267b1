"""What every notebook needs around the mathematics: seeds, device, progress, claims, saving."""

import json
import math
import operator
import os
import random
import sys
from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import torch
from IPython.display import display
from tqdm.auto import tqdm
from tqdm.notebook import tqdm_notebook

_IS_WIDGET = issubclass(tqdm, tqdm_notebook)
"""Whether bars are widgets here: in Jupyter, where ipywidgets is installed."""
_seed_in_use: int | None = None
"""What `seed_everything` used last; `claim` writes it beside each measured value."""


def seed_everything(seed: int) -> int:
    """Seed Python, NumPy and torch, so that a run can be repeated.

    Args:
        seed: A whole number from 0 to 2³² − 1. The environment variable `COURSE_SEED`, if set,
            takes its place: `course.py study` uses it to run a notebook on other seeds.

    Returns:
        The seed in use. Pass it on to everything that has a seed of its own.

    Raises:
        ValueError: The seed, or `COURSE_SEED`, is not such a number.
    """
    chosen = os.environ.get("COURSE_SEED", seed)
    try:
        chosen = int(chosen) if isinstance(chosen, str) else operator.index(chosen)
    except (TypeError, ValueError):
        chosen = -1
    if not 0 <= chosen < 2**32:
        raise ValueError(
            f"seed must be a whole number from 0 to 2**32 - 1; "
            f"got seed={seed!r}, COURSE_SEED={os.environ.get('COURSE_SEED')!r}"
        )
    random.seed(chosen)
    np.random.seed(chosen)
    torch.manual_seed(chosen)
    global _seed_in_use
    _seed_in_use = chosen
    return chosen


def pick_device() -> torch.device:
    """Return the fastest device of this machine: CUDA, else Apple's MPS, else the CPU.

    The small networks of Part I are as fast on the CPU; the image notebooks gain from a GPU.
    """
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def headless() -> bool:
    """Tell whether nobody is watching (tests, builds): then no bar, live curve or widget is shown.

    The environment variable `COURSE_HEADLESS=1` says so. It changes what is displayed while a
    cell runs, never a number.
    """
    return os.environ.get("COURSE_HEADLESS") == "1"


class Bar(tqdm):
    """A progress bar that leaves nothing in a stored notebook; one that was stopped, a text.

    In Jupyter a bar is a widget, and a closed widget keeps its place: after a reload JupyterLab
    says there "Error displaying widget". So closing the bar writes a text over that place.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options, **({"display": False} if _IS_WIDGET else {}))
        self.place = None
        if _IS_WIDGET and not self.disable:
            self.place = display(self.container, display_id=True)
            self.displayed = True

    def close(self) -> None:
        """End the bar and clear its place, but say how far it had come if that was not the end."""
        super().close()
        if getattr(self, "place", None):
            stopped = self.total and self.n < self.total
            what = f"{self.desc}: " if self.desc else ""
            text = f"{what}stopped at {self.n} of {self.total}" if stopped else ""
            self.place.update({"text/plain": text, "text/html": escape(text)}, raw=True)
            self.place = None


def progress(
    iterable: Iterable | None = None, *, total: int | None = None, label: str = "", start: int = 0
) -> Bar:
    """Return a bar that shows how far a loop has come, with the number that matters beside it.

    Loop over it, `for item in progress(items, label=…)`, or call its `update` by hand.

    Args:
        iterable: What to loop over, or None to call `update` by hand.
        total: The number of steps, where `iterable` does not know it.
        label: A word or two shown before the bar.
        start: Steps already done, in a run that is resumed.
    """
    return Bar(
        iterable,
        total=total,
        desc=label,
        initial=start,
        leave=False,
        disable=headless(),
        mininterval=0.5,
    )


def _four_digits(value: float) -> str:
    """Write a measured number with four significant digits, whole numbers in full."""
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e9 else f"{value:.4g}"


def claim(
    what: str,
    value: float,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    between: tuple[float, float] | None = None,
) -> None:
    """State a result with its bound, and fail loudly when it does not hold.

    Prints `✓ what ≥ bound (measured value)`. With the environment variable `COURSE_CLAIMS` set
    to a path, a JSON line is added to that file first, whether the claim holds or not.

    Args:
        what: The result in words, with its unit.
        value: The measured number. Booleans count as 0 and 1.
        at_least: The lower bound. Exactly one of the three bounds must be given.
        at_most: The upper bound.
        between: Lower and upper bound, both included.

    Raises:
        AssertionError: The claim does not hold; a value that is not finite never holds.
        TypeError: `value` or a bound is not one number.
        ValueError: Not exactly one bound is given, or the bounds are in the wrong order.
    """
    if sum(bound is not None for bound in (at_least, at_most, between)) != 1:
        raise ValueError("claim needs exactly one of at_least, at_most and between")
    value = _one_number("value", value)
    if between is not None:
        if not isinstance(between, (tuple, list)) or len(between) != 2:
            raise ValueError(f"between must be (low, high) with low <= high; got {between}")
        low, high = (_one_number("between", bound) for bound in between)
        if not low <= high:
            raise ValueError(f"between must be (low, high) with low <= high; got {between}")
        relation, bound, holds = "between", f"{low:g} and {high:g}", low <= value <= high
        text = f"{what} between {bound}"
    elif at_least is not None:
        at_least = _one_number("at_least", at_least)
        relation, bound, holds = "≥", f"{at_least:g}", value >= at_least
        text = f"{what} ≥ {bound}"
    else:
        at_most = _one_number("at_most", at_most)
        relation, bound, holds = "≤", f"{at_most:g}", value <= at_most
        text = f"{what} ≤ {bound}"
    _record_claim({"claim": what, "relation": relation, "bound": bound, "value": value})
    measured = f"(measured {_four_digits(value) if math.isfinite(value) else value})"
    if not (holds and math.isfinite(value)):
        raise AssertionError(f"✗ {text} {measured}")
    say(f"✓ {text} {measured}")


def say(text: str) -> None:
    """Print text, with a ? for each sign that the output lacks: on Windows a file may have no ✓."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    print(text.encode(encoding, "replace").decode(encoding))


def _one_number(name: str, value: Any) -> float:
    """Return a number, or a tensor or array that holds one, as a float."""
    try:
        if not isinstance(value, str):
            return float(value)
    except (TypeError, ValueError, RuntimeError):
        pass
    raise TypeError(f"{name} must be one number; got {type(value).__name__}: {value!r}")


def _record_claim(row: dict[str, Any]) -> None:
    """Append one claim to the file that `course.py study` collects from."""
    path = os.environ.get("COURSE_CLAIMS")
    if not path:
        return
    row = {"notebook": os.environ.get("COURSE_NOTEBOOK", ""), **row, "seed": _seed_in_use}
    with Path(path).open("a", encoding="utf-8") as file:
        file.write(json.dumps(row, ensure_ascii=False) + "\n")


def checkpoint_path(name: str) -> Path | None:
    """Return the file in which a training run keeps its state, or None if nothing is kept.

    Pass it as `checkpoint` to a training function: when the session is lost, the same cell goes on
    where the last evaluation was. The environment variable `COURSE_CHECKPOINTS` names the folder,
    a mounted drive for instance; without it nothing is kept.

    Args:
        name: A name that no other run has, such as "05_with_labels".
    """
    folder = os.environ.get("COURSE_CHECKPOINTS")
    return Path(folder).expanduser() / f"{name}.pt" if folder else None


def save_checkpoint(path: str | Path, state: dict[str, Any]) -> None:
    """Save tensors, numbers, strings and containers of these, in one step or not at all.

    The file is written beside its place and then moved there: an interrupted save leaves the
    last good checkpoint as it was.

    Args:
        path: The file. Missing folders are made.
        state: What to save. It must load again with `weights_only=True`.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        torch.save(state, part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def load_checkpoint(path: str | Path) -> dict[str, Any]:
    """Load what `save_checkpoint` saved, onto the CPU, without running any code in the file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is damaged, or is not a checkpoint.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no checkpoint at {path}")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ValueError(
            f"{path} is not a readable checkpoint; delete it to start afresh"
        ) from error
