"""Slices of a volume: a split that does not leak, noise, and denoising tools that know its size.

What is called medical here is the kind of picture. The course's slices come from a template, an
average of 152 adults (Fonov et al. 2011); nothing that is measured on them is clinical evidence.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from dqngan_lib.applications.pixels.filters import ActionSet, Filter, gaussian
from dqngan_lib.course.arguments import require, whole
from dqngan_lib.course.data import brain_slices

NOISE = 25 / 255
"""Standard deviation of the noise: 25 of 255 grey levels."""

MARGIN = 150 / 255
"""Room below black and above white on the wide scale: six standard deviations of the noise."""

WIDTH = 1 + 2 * MARGIN
"""How many times wider the wide scale is than that of the pictures."""


def block_split(
    count: int, blocks: Sequence[tuple[int, int]], gap: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Split slices that stand in order into training, held-out blocks, and gaps between them.

    Neighbouring slices look alike. A slice that was held out at random has its own neighbours in
    the training set, so a score on it measures memory. Blocks with a gap do not have this fault.

    Args:
        count: The number of slices.
        blocks: First and last slice + 1 of each held-out block.
        gap: How many slices on each side of a block belong to neither set.

    Returns:
        Numbers of the training slices, the held-out slices and the slices in gaps, each int64 and
        in order.

    Raises:
        ValueError: A block is empty or outside the slices, or nothing is left for training.
    """
    whole("count", count, 1)
    whole("gap", gap, 0)
    held, near = torch.zeros(count, dtype=torch.bool), torch.zeros(count, dtype=torch.bool)
    for first, end in blocks:
        require(0 <= first < end <= count, "blocks", (first, end), f"from 0 to {count}, not empty")
        held[first:end] = True
        near[max(first - gap, 0) : end + gap] = True
    require(not near.all(), "blocks", list(blocks), "such that training slices are left")
    index = torch.arange(count)
    return index[~near], index[held], index[near & ~held]


@dataclass(frozen=True)
class Slices:
    """Slices float32 `(n, 1, 64, 64)` in [0, 1], their tissue maps and heights."""

    images: Tensor
    tissue: Tensor
    """int64 `(n, 64, 64)`: 0 background or fluid, 1 grey matter, 2 white matter."""
    z_mm: Tensor
    """Height of each slice in millimetres, int64 `(n,)`."""


def split_slices() -> tuple[Slices, Slices, Slices]:
    """Return slices to train on, to validate on and to test on.

    The test slices are those of `brain_slices`. The validation slices are a block in the middle of
    the training slices, with a gap of four slices on each side of it.
    """
    data = brain_slices()
    middle = ((data.train_z_mm >= -3) & (data.train_z_mm <= 22)).nonzero().flatten()
    _, held, gap = block_split(len(middle), [(7, 19)], gap=4)
    fit = torch.ones(len(data.train_z_mm), dtype=torch.bool)
    fit[middle[torch.cat([held, gap])]] = False

    def some(rows: Tensor) -> Slices:
        return Slices(data.train_images[rows], data.train_tissue[rows], data.train_z_mm[rows])

    test = Slices(data.test_images, data.test_tissue, data.test_z_mm)
    return some(fit), some(middle[held]), test


def add_noise(pictures: Tensor, sigma: float = NOISE, seed: int = 0) -> Tensor:
    """Add Gaussian noise, and do not cut it off at black and white.

    A scanner's software could cut it off. In black background half of the noise would then be
    lost, and what is left is brighter than black: a mark by which anyone finds the background.

    Args:
        pictures: float `(n, 1, height, width)` in [0, 1].
        sigma: Standard deviation, in units of the pictures.
        seed: Seed of the noise.

    Returns:
        float `(n, 1, height, width)`, also below 0 and above 1.
    """
    require(sigma >= 0, "sigma", sigma, ">= 0")
    rng = torch.Generator().manual_seed(int(seed))
    return pictures + sigma * torch.randn(pictures.shape, generator=rng)


def widen(pictures: Tensor) -> Tensor:
    """Map [−MARGIN, 1 + MARGIN] to [0, 1], so that noisy pictures fit into a pixel editor.

    Values farther out are cut off: with noise of 25 grey levels one in a billion.
    """
    return ((pictures + MARGIN) / WIDTH).clamp(0, 1)


def narrow(wide: Tensor) -> Tensor:
    """Undo `widen`, and cut off at black and white: what a method hands in as its answer."""
    return (wide * WIDTH - MARGIN).clamp(0, 1)


class WideActions(ActionSet):
    """Actions for pictures on the wide scale, with names and sizes on the pictures' own.

    Args:
        steps: Sizes in grey levels of the pictures, each for darker and for brighter.
        filters: Filters by name, for pictures on the wide scale.
    """

    def __init__(
        self, steps: tuple[float, ...] = (3, 8, 24), filters: Mapping[str, Filter] | None = None
    ) -> None:
        super().__init__(steps, filters)
        self.levels = self.levels / WIDTH


def soften(pictures: Tensor, share: float = 0.3) -> Tensor:
    """Move every pixel a little towards the Gaussian blur (σ = 1) of its surroundings."""
    return torch.lerp(pictures, gaussian(pictures, 1.0), share)


def sharpen(pictures: Tensor, share: float = 0.3) -> Tensor:
    """Move every pixel a little away from the Gaussian blur (σ = 1), within [0, 1]."""
    return torch.lerp(pictures, gaussian(pictures, 1.0), -share).clamp(0, 1)


def non_local_means(
    pictures: Tensor, h: float = 0.7, patch: int = 5, distance: int = 7, sigma: float = NOISE
) -> Tensor:
    """Average pixels whose surroundings look alike (Buades, Coll and Morel 2005; scikit-image's).

    Args:
        pictures: float `(n, 1, height, width)`.
        h: How different surroundings may be, in standard deviations of the noise.
        patch: Side of the surroundings in pixels.
        distance: How far to look for others, in pixels.
        sigma: Standard deviation of the noise.

    Returns:
        Pictures of the same shape, float32.
    """
    from skimage.restoration import denoise_nl_means

    require(h > 0, "h", h, "> 0")
    settings = {"patch_size": patch, "patch_distance": distance, "h": h * sigma, "sigma": sigma}
    return _one_by_one(pictures, lambda picture: denoise_nl_means(picture, **settings))


def dct_threshold(
    pictures: Tensor, threshold: float = 2.4, side: int = 6, sigma: float = NOISE
) -> Tensor:
    """Remove weak cosine waves from every square of pixels (Yu and Sapiro 2011).

    Each square is written as a sum of cosine waves, the DCT. Noise gives every wave the standard
    deviation σ, so waves below threshold · σ are set to 0, but never the mean. A pixel lies in
    side² squares. Their answers are averaged, and those made of few waves count more (Guleryuz
    2007).

    Args:
        pictures: float `(n, 1, height, width)`.
        threshold: In standard deviations of the noise.
        side: Side of a square in pixels.
        sigma: Standard deviation of the noise.

    Returns:
        Pictures of the same shape.
    """
    require(threshold > 0, "threshold", threshold, "> 0")
    waves = _cosine_waves(side)
    found = _coefficients(pictures, waves)
    kept = found.abs() > threshold * sigma
    kept[:, 0] = True
    return _averaged(found * kept, 1 / kept.sum(1, keepdim=True), waves)


def dct_wiener(
    pictures: Tensor,
    threshold: float = 2.4,
    side: int = 6,
    black: float = 0.1,
    sigma: float = NOISE,
) -> Tensor:
    """Remove noise twice: the first answer says how strong each cosine wave of the second is.

    The first answer is that of `dct_threshold`, darkened. Where a wave has the coefficient g in
    it, the noisy coefficient is multiplied by g² / (g² + σ²), Wiener's filter. These are the two
    steps of BM3D (Dabov et al. 2007) without its search for squares that look alike.

    Args:
        pictures: float `(n, 1, height, width)`.
        threshold: Of the first step, in standard deviations of the noise.
        side: Side of a square in pixels, in both steps.
        black: What is darker than this in the first answer is set to 0.
        sigma: Standard deviation of the noise.

    Returns:
        Pictures of the same shape.
    """
    waves = _cosine_waves(side)
    first = darken(dct_threshold(pictures, threshold, side, sigma), black)
    strength = _coefficients(first, waves).square()
    gain = strength / (strength + sigma**2)
    gain[:, 0] = 1
    found = _coefficients(pictures, waves) * gain
    return _averaged(found, 1 / gain.square().sum(1, keepdim=True), waves)


def _cosine_waves(side: int) -> Tensor:
    """Return the side² cosine waves of a square, `(side², 1, side, side)`, the mean first."""
    whole("side", side, 2)
    number = torch.arange(side, dtype=torch.float64)
    line = torch.cos(torch.pi * (2 * number + 1) * number[:, None] / (2 * side)) * (2 / side) ** 0.5
    line[0] /= 2**0.5
    waves = torch.einsum("ai,bj->abij", line, line)
    return waves.reshape(side**2, 1, side, side).float()


def _coefficients(pictures: Tensor, waves: Tensor) -> Tensor:
    """Return how much of each wave is in each square, `(n, waves, squares down, across)`."""
    around = functional.pad(pictures, (waves.shape[-1] - 1,) * 4, mode="reflect")
    return functional.conv2d(around, waves)


def _averaged(found: Tensor, weight: Tensor, waves: Tensor) -> Tensor:
    """Put squares together from their waves; a pixel is the weighted mean of its squares."""
    total = functional.conv_transpose2d(found * weight, waves)
    weights = functional.conv_transpose2d(weight, torch.ones_like(waves[:1]))
    inside = slice(waves.shape[-1] - 1, 1 - waves.shape[-1])
    return (total / weights)[..., inside, inside]


def total_variation_denoise(pictures: Tensor, weight: float = 0.07) -> Tensor:
    """Return pictures near the given ones with little sum of |gradient| (Chambolle 2004).

    It is scikit-image's, which stops when little changes.

    Args:
        pictures: float `(n, 1, height, width)`.
        weight: How much the gradients count; more is smoother.
    """
    from skimage.restoration import denoise_tv_chambolle

    require(weight > 0, "weight", weight, "> 0")
    return _one_by_one(pictures, lambda picture: denoise_tv_chambolle(picture, weight))


def _one_by_one(pictures: Tensor, tool: Callable[[np.ndarray], np.ndarray]) -> Tensor:
    """Return what a tool of scikit-image makes of each picture, float32."""
    made = [tool(picture) for picture in pictures[:, 0].double().numpy()]
    return torch.from_numpy(np.stack(made)).unsqueeze(1).float()


def darken(pictures: Tensor, threshold: float) -> Tensor:
    """Set every pixel below a threshold to black: what anyone does who knows the background."""
    return torch.where(pictures < threshold, 0.0, pictures)


def crops(pictures: Tensor, side: int = 32, stride: int = 16) -> Tensor:
    """Cut pictures into overlapping squares, row by row, one picture after the other.

    Args:
        pictures: float `(n, 1, height, width)`.
        side: Height and width of a square in pixels.
        stride: From one square to the next.

    Returns:
        float `(n · squares, 1, side, side)`.
    """
    squares = pictures[:, 0].unfold(1, side, stride).unfold(2, side, stride)
    return squares.reshape(-1, 1, side, side)
