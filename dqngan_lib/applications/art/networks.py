"""A network that looks at canvas and photograph, of any size, and values every stroke: a map."""

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from dqngan_lib.applications.art.brushes import BRUSH_SHAPES, REACH, STEP

WINDOW = STEP * (2 * REACH + 1)
"""Height and width of a window in pixels: room for the large brush in every direction."""

GAIN = 10.0
"""Factor before the output, so that a window of middling weights gives middling values."""


class PainterNetwork(nn.Module):
    """From canvas and target to Q-values of all strokes, as 16 planes of places.

    Each of the 16 kinds of stroke has one window w of 18 × 18 weights, all that is learnt. At
    every place the network takes the squared error under the window, less the spread of the target
    there: what is missing, less what one colour has to leave.

    Q = Σ w e² − Σ w (t − μ)² with μ = Σ w t / Σ w, summed over the channels, times `GAIN`.

    The weights are squares u², so that none is below 0, and start at random. The network knows
    no place: learnt on patches of 28 × 28, it works on a sheet of any size.
    """

    reach = REACH
    """A value depends on no pixel more than so many places away."""

    def __init__(self) -> None:
        super().__init__()
        self.u = nn.Parameter(0.4 * torch.rand(BRUSH_SHAPES, 1, WINDOW, WINDOW))

    def windows(self) -> Tensor:
        """Return the windows, float `(16, 18, 18)`."""
        return self.u.detach()[:, 0].square()

    def forward(self, canvas: Tensor, target: Tensor) -> Tensor:
        """Map canvas and target, both `(n, 3, h, w)`, to Q-values `(n, 16, h / 2, w / 2)`."""
        w = self.u.square()  # (16, 1, 18, 18)
        error = (target - canvas).square().sum(1, keepdim=True)
        bright = target - 0.5  # the spread does not change, and small numbers lose fewer digits
        area = under(torch.ones_like(target[:1, :1]), w) + 1e-4  # Σ w
        # Σ w (t − μ)² = Σ w t² − (Σ w t)² / Σ w
        mean = (under(bright, w).square() / area).sum(1, keepdim=True)
        spread = under(bright.square().sum(1, keepdim=True), w) - mean
        return GAIN * (under(error, w) - spread).squeeze(1)


def under(maps: Tensor, windows: Tensor) -> Tensor:
    """Return Σ w · map around each place; beyond the edge is 0.

    Args:
        maps: float `(n, maps, height, width)`.
        windows: float `(16, 1, 18, 18)`.

    Returns:
        float `(n, maps, 16, height / 2, width / 2)`.
    """
    flat = conv2d(
        maps.flatten(0, 1)[:, None], windows, stride=STEP, padding=WINDOW // 2 - STEP // 2
    )
    return flat.unflatten(0, maps.shape[:2])


def squash(value: Tensor) -> Tensor:
    """Return h(x) = sign(x) (√(|x| + 1) − 1): about x/2 for small numbers, √|x| for large ones.

    Pohlen et al. 2018, 1805.11593, section 3.1, without their small linear part.
    """
    return value.sign() * ((value.abs() + 1).sqrt() - 1)
