"""Store the weights of a network that ships with the package: as float16, with their checksum."""

import hashlib
import io
from pathlib import Path
from typing import Any

import torch
from torch import nn


def as_stored(network: nn.Module) -> dict[str, Any]:
    """Return the weights as they are stored, and give them to the network.

    What is measured afterwards is what a learner gets.
    """
    state = {
        name: tensor.half() if tensor.is_floating_point() else tensor
        for name, tensor in network.state_dict().items()
    }
    network.load_state_dict(state)
    return state


def store(state: dict[str, Any], path: Path, seconds: str) -> None:
    """Write weights to a file, and print its size and the checksum that the package must name.

    Args:
        state: What `as_stored` has returned.
        path: The file.
        seconds: How long the training took, in words.
    """
    file = io.BytesIO()  # given a path, torch would write the file's name into the file
    torch.save(state, file)
    content = file.getvalue()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    print(f"{path}: {len(content)} bytes, {seconds}")
    print(f'WEIGHTS_SHA256 = "{hashlib.sha256(content).hexdigest()}"')
