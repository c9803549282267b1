"""What bounds the speed of a training: three numbers of a machine, and what follows from them."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from dqngan_lib.course.arguments import require, whole


def wait_for(device: torch.device | str) -> None:
    """Wait until a device has done all that it was told.

    A GPU works behind the program's back: a clock that is read without waiting tells how long it
    took to ask, not to do.
    """
    device = torch.device(device)
    if device.type != "cpu":
        getattr(torch, device.type).synchronize()


def time_of(
    work: Callable[[], object], device: torch.device | str = "cpu", repeats: int = 5
) -> tuple[float, float]:
    """Measure how long something takes, after one run that warms it up.

    Args:
        work: What is measured.
        device: Where it computes.
        repeats: How often it is measured.

    Returns:
        The median in seconds, and the spread: (longest − shortest) / median.
    """
    whole("repeats", repeats, 1)
    work()
    seconds = []
    for _ in range(repeats):
        wait_for(device)
        started = time.perf_counter()
        work()
        wait_for(device)
        seconds.append(time.perf_counter() - started)
    return middle(seconds)


def middle(seconds: list[float]) -> tuple[float, float]:
    """Return the median of some times, and (longest − shortest) / median."""
    median = statistics.median(seconds)
    return median, (max(seconds) - min(seconds)) / median


@dataclass(frozen=True)
class Limits:
    """What a machine can do at best, measured."""

    flops: float
    """Floating point operations a second, in the product of two large matrices."""
    bytes_per_second: float
    """Bytes read or written a second, in the copy of a large tensor."""
    seconds_per_call: float
    """Seconds for an operation on a single number: what is left is the cost of asking for it."""

    @property
    def ridge(self) -> float:
        """Operations that must be done with each byte before memory stops being the limit."""
        return self.flops / self.bytes_per_second

    def seconds(self, operations: float, moved: float, calls: float) -> float:
        """Return how long some work takes at least: the longest of three.

        The roofline (Williams et al. 2009), and beside it the time that it takes to ask.

        Args:
            operations: Floating point operations.
            moved: Bytes read and written.
            calls: How many operations the program asks for, one after the other.
        """
        return max(
            operations / self.flops, moved / self.bytes_per_second, calls * self.seconds_per_call
        )


def machine_limits(
    device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
) -> Limits:
    """Measure a machine's three limits, with torch's present number of threads.

    Takes a second or two.

    Args:
        device: Where to measure.
        dtype: The type of the numbers that are multiplied.
    """
    small = torch.device(device).type == "cpu"
    side, count, calls = (1_024, 16_777_216, 1_000) if small else (8_192, 268_435_456, 1_000)
    left = torch.randn(side, side, device=device).to(dtype)
    product, _ = time_of(lambda: left @ left, device)
    here = torch.ones(count, device=device)
    there = torch.empty_like(here)
    copy, _ = time_of(lambda: there.copy_(here), device)
    one = torch.zeros(1, device=device)

    def ask() -> None:
        for _ in range(calls):
            one.add_(1.0)

    asking, _ = time_of(ask, device)
    return Limits(2 * side**3 / product, 2 * 4 * count / copy, asking / calls)


def amdahl(parallel: float, workers: int) -> float:
    """Return how many times as fast a work gets (Amdahl 1967): 1 / (1 − p + p/n).

    Args:
        parallel: p, the share of the time that can be divided, from 0 to 1.
        workers: n, among how many it is divided.
    """
    require(0 <= parallel <= 1, "parallel", parallel, "from 0 to 1")
    whole("workers", workers, 1)
    return 1 / (1 - parallel + parallel / workers)
