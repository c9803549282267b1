"""What a run needs to go on from a checkpoint: the proof that it is the same run."""

from pathlib import Path
from typing import Any

from torch import nn

from dqngan_lib.course.runtime import load_checkpoint


def describe_network(network: nn.Module) -> str:
    """Return the names and shapes of a network's weights in one line, to tell networks apart."""
    weights = network.state_dict().items()
    return ", ".join(f"{name} {tuple(value.shape)}" for name, value in weights)


def load_run(path: Path, maker: str, belongs_to: dict[str, Any]) -> dict[str, Any]:
    """Load a checkpoint after comparing what it belongs to with the run that wants it.

    Args:
        path: The file.
        maker: The function whose checkpoint it should be, for the error.
        belongs_to: Seed, settings and networks of this run; the checkpoint's field of the same
            name must be equal.

    Raises:
        ValueError: It is another function's checkpoint, or another run's; what differs is named.
    """
    state = load_checkpoint(path)
    if not isinstance(state, dict) or "belongs_to" not in state:
        raise ValueError(f"{path} is no checkpoint of {maker}; use another path")
    saved = state["belongs_to"]
    other = {
        name: (saved.get(name), value)
        for name, value in belongs_to.items()
        if saved.get(name) != value
    }
    if other:
        raise ValueError(
            f"{path} belongs to another run: (saved, now) differ in {other}; "
            f"delete it to start afresh"
        )
    return state
