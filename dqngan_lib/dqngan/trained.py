"""Notebook 09's painter, trained already, for whoever does not want to wait."""

from functools import cache
from pathlib import Path

import torch
from torch import nn

from dqngan_lib.course.data import load_weights
from dqngan_lib.dqngan.networks import CausalTransformer

WEIGHTS = Path(__file__).resolve().parents[1] / "weights" / "patch_painter.pt"
"""Made by `tools/make_painters.py` from the 8,000 training digits."""

WEIGHTS_SHA256 = "7172462180b0458503a032298cd3b59d96b6e8e6d0df9bb846c54eff36cb5a0c"
"""SHA-256 of the file `WEIGHTS`."""


class PatchPainter(nn.Module):
    """A Q-network and the codebook of which it draws.

    Its pictures are `generate(it.q_network, PatchCanvas(n, it.codebook))`.
    """

    codebook: torch.Tensor
    """128 patches, float `(128, 4, 4)` in [0, 1]."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("codebook", torch.zeros(128, 4, 4))
        self.q_network = CausalTransformer(self.codebook, steps=16)


@cache
def load_patch_painter() -> PatchPainter:
    """Return notebook 09's slow network with its codebook; no optimiser can change them.

    Raises:
        FileNotFoundError: The file of weights is missing.
        ValueError: The file of weights is damaged.
    """
    return load_weights(PatchPainter, WEIGHTS, WEIGHTS_SHA256)
