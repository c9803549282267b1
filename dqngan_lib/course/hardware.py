"""How many cores and how much memory there are; without torch, so that it is known at once."""

import os


def cores() -> int:
    """Return how many cores this process may use: no more than the machine has, >= 1."""
    if hasattr(os, "sched_getaffinity"):  # Linux: what `taskset` or a cluster leaves it
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def memory_gb() -> int | None:
    """Return the machine's memory in GB of 2³⁰ bytes, or None where Python cannot tell."""
    # Not on Windows, which has neither name.
    if {"SC_PAGE_SIZE", "SC_PHYS_PAGES"} <= getattr(os, "sysconf_names", {}).keys():
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)
    return None
