"""Notebook 10's painter, trained already, for whoever does not want to wait."""

from functools import cache
from pathlib import Path

from dqngan_lib.applications.strokes.networks import StrokeNetwork
from dqngan_lib.course.data import load_weights

WEIGHTS = Path(__file__).resolve().parents[2] / "weights" / "digit_painter.pt"
"""Made by `tools/make_painters.py` from the 8,000 training digits, without anybody's strokes."""

WEIGHTS_SHA256 = "b2755562af63d2798ec6d7a78235e18752f371d804aa854730ed6f7799e1e841"
"""SHA-256 of the file `WEIGHTS`."""


@cache
def load_digit_painter() -> StrokeNetwork:
    """Return notebook 10's slow network, which no optimiser can change.

    Raises:
        FileNotFoundError: The file of weights is missing.
        ValueError: The file of weights is damaged.
    """
    return load_weights(StrokeNetwork, WEIGHTS, WEIGHTS_SHA256)
