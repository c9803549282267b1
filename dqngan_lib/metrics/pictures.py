"""Scores of a picture against its original: PSNR and SSIM."""

import math

import torch
from torch import Tensor
from torch.nn import functional

from dqngan_lib.course import arguments
from dqngan_lib.course.arguments import require


def psnr(
    images: Tensor, originals: Tensor, data_range: float = 1.0, mask: Tensor | None = None
) -> Tensor:
    """Return the peak signal-to-noise ratio of each image in decibels, float64 `(n,)`.

    10 log₁₀(L²/MSE), with MSE the mean squared difference of an image from its original; ∞ when
    they are equal.

    Args:
        images: Images `(n, channels, height, width)`.
        originals: What they should look like, of the same shape.
        data_range: L, the difference between the largest and the smallest possible value.
        mask: Boolean, of a shape that broadcasts to the images: only pixels where it is true
            count, as in the hole of an inpainted image.

    Raises:
        TypeError: Images are not float tensors, or `mask` is not boolean.
        ValueError: The shapes differ, `data_range` is not positive, or a mask is empty.
    """
    images, originals = _two_pictures(images, originals, data_range)
    errors = (images - originals).square()
    if mask is None:
        mean = errors.flatten(1).mean(1)
    else:
        if not isinstance(mask, Tensor) or mask.dtype != torch.bool:
            raise TypeError(f"mask must be a boolean tensor; got {arguments.kind_of(mask)}")
        try:
            weights = mask.cpu().expand_as(errors).flatten(1).double()
        except RuntimeError:
            shapes = tuple(errors.shape), tuple(mask.shape)
            raise ValueError(f"mask must broadcast to {shapes[0]}; got {shapes[1]}") from None
        require(bool(weights.any(1).all()), "mask", "an empty one", "true somewhere in every image")
        mean = (errors.flatten(1) * weights).sum(1) / weights.sum(1)
    return 10 * (data_range**2 / mean).log10()  # 10 log₁₀(L²/MSE), (n,)


def ssim(
    images: Tensor,
    originals: Tensor,
    data_range: float = 1.0,
    window: int = 11,
    sigma: float = 1.5,
) -> Tensor:
    """Return the structural similarity of each image to its original, float64 `(n,)` in [−1, 1].

    Compares local means, variances and covariances under a Gaussian window (Wang et al. 2004,
    *IEEE Transactions on Image Processing* 13(4), eq. 13, with K₁ = 0.01 and K₂ = 0.03), averaged
    over all places where the window fits inside the image, and over the channels (eq. 17). 1
    means equal. scikit-image does the same (with `gaussian_weights=True` and
    `use_sample_covariance=False`); torchmetrics also averages over places beyond the edge, and so
    gives other values.

    Args:
        images: Images `(n, channels, height, width)`, at least `window` pixels high and wide.
        originals: What they should look like, of the same shape.
        data_range: The difference between the largest and the smallest possible value.
        window: Side of the window in pixels, odd.
        sigma: Standard deviation of the Gaussian in pixels.

    Raises:
        TypeError: Images are not float tensors.
        ValueError: The shapes differ, the images are smaller than the window, or a setting is
            not allowed.
    """
    images, originals = _two_pictures(images, originals, data_range)
    arguments.whole("window", window, 1)
    require(window % 2 == 1, "window", window, "odd")
    size, least = tuple(images.shape[2:]), f"at least window = {window} pixels high and wide"
    require(min(size) >= window, "images", size, least)
    require(0 < sigma < math.inf, "sigma", sigma, "a positive number")
    # A Gaussian window is a row of weights times a column of the same: two short convolutions.
    steps = torch.arange(window, dtype=torch.float64) - window // 2
    line = torch.exp(-steps.square() / (2 * sigma**2))
    line = (line / line.sum()).view(1, 1, 1, window)

    def blurred(maps: Tensor) -> Tensor:
        rows = functional.conv2d(maps.flatten(0, 1).unsqueeze(1), line)
        return functional.conv2d(rows, line.mT)

    mean_x, mean_y = blurred(images), blurred(originals)
    variance_x = blurred(images.square()) - mean_x.square()
    variance_y = blurred(originals.square()) - mean_y.square()
    covariance = blurred(images * originals) - mean_x * mean_y
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    # Wang et al. 2004, eq. 13, at every place of the window; the mean over places is eq. 17.
    similarity = ((2 * mean_x * mean_y + c1) * (2 * covariance + c2)) / (
        (mean_x.square() + mean_y.square() + c1) * (variance_x + variance_y + c2)
    )
    return similarity.reshape(len(images), -1).mean(1)


def _two_pictures(images: Tensor, originals: Tensor, data_range: float) -> tuple[Tensor, Tensor]:
    """Return two stacks of pictures in float64 after checking them."""
    images = arguments.numbers("images", images)
    originals = arguments.numbers("originals", originals)
    shape, other = tuple(images.shape), tuple(originals.shape)
    stack = images.ndim == 4 and 0 not in shape
    require(stack, "images", shape, "of shape (n, channels, height, width)")
    require(other == shape, "originals", other, f"of the shape {shape} like images")
    require(0 < data_range < math.inf, "data_range", data_range, "a positive number")
    return images, originals
