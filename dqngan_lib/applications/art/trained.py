"""Notebook 14's painter, trained already, for whoever does not want to wait."""

from functools import cache
from pathlib import Path

from dqngan_lib.applications.art.networks import PainterNetwork
from dqngan_lib.course.data import load_weights

WEIGHTS = Path(__file__).resolve().parents[2] / "weights" / "photo_painter.pt"
"""Made by `tools/make_painters.py` from the four photographs for practice."""

WEIGHTS_SHA256 = "b6feb9ef5d400949b8fd24b80b06bcd96a978e835d4d144537fdb748c6bc6838"
"""SHA-256 of the file `WEIGHTS`."""


@cache
def load_photo_painter() -> PainterNetwork:
    """Return notebook 14's painter, which no optimiser can change.

    Raises:
        FileNotFoundError: The file of weights is missing.
        ValueError: The file of weights is damaged.
    """
    return load_weights(PainterNetwork, WEIGHTS, WEIGHTS_SHA256)
