"""Small steps and classical filters on pictures, as torch operations: what a pixel may choose.

Every filter maps float `(n, 1, height, width)` in [0, 1] to the same shape. Beyond the edge a
picture goes on with the value of its last pixel (SciPy's `mode="nearest"`). The filters agree with
SciPy's or scikit-image's of the same name.
"""

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional

from dqngan_lib.course.arguments import kind_of, require, whole

Filter = Callable[[Tensor], Tensor]
"""From pictures `(n, 1, height, width)` to pictures of the same shape."""

# Pairs to be put in order, one after the other: then place 4 of 9 holds the median (Smith 1996).
_MEDIAN_OF_9 = (
    *((1, 2), (4, 5), (7, 8), (0, 1), (3, 4), (6, 7), (1, 2), (4, 5), (7, 8), (0, 3)),
    *((5, 8), (4, 7), (3, 6), (1, 4), (2, 5), (4, 7), (4, 2), (6, 4), (4, 2)),
)


def box(pictures: Tensor, size: int = 3) -> Tensor:
    """Replace every pixel by the mean of a square around it (`scipy.ndimage.uniform_filter`).

    Args:
        pictures: float `(n, 1, height, width)`.
        size: Side of the square in pixels, odd.
    """
    return functional.avg_pool2d(_extended(pictures, _half(size)), size, 1)


def median(pictures: Tensor, size: int = 3) -> Tensor:
    """Replace every pixel by the median of a square around it (`scipy.ndimage.median_filter`).

    Args:
        pictures: float `(n, 1, height, width)`.
        size: Side of the square in pixels, odd.
    """
    windows = _neighbours(pictures, size)
    if size != 3:
        return torch.stack(windows).median(0).values
    # Nineteen comparisons of whole pictures are many times faster than sorting each window.
    for a, b in _MEDIAN_OF_9:
        low, high = windows[a].minimum(windows[b]), windows[a].maximum(windows[b])
        windows[a], windows[b] = low, high
    return windows[4]


def gaussian(pictures: Tensor, sigma: float = 1.0) -> Tensor:
    """Blur by a Gaussian, cut off at four standard deviations (`scipy.ndimage.gaussian_filter`).

    Args:
        pictures: float `(n, 1, height, width)`.
        sigma: Standard deviation in pixels.
    """
    require(0 < sigma < math.inf, "sigma", sigma, "a positive number")
    reach = int(4 * sigma + 0.5)
    offset = torch.arange(-reach, reach + 1, device=pictures.device)
    line = torch.exp(-(offset**2) / (2 * sigma**2))
    line = (line / line.sum()).to(pictures.dtype).view(1, 1, 1, -1)
    rows = functional.conv2d(_extended(pictures, reach), line)
    return functional.conv2d(rows, line.mT)


def bilateral(
    pictures: Tensor, size: int = 5, sigma_value: float = 0.1, sigma_space: float = 1.0
) -> Tensor:
    """Blur, but only among pixels of like brightness.

    A neighbour's weight is exp(−d²/2σ²) with its distance and σ = `sigma_space`, times the same
    with the difference of its value and σ = `sigma_value` (Tomasi and Manduchi 1998).

    Args:
        pictures: float `(n, 1, height, width)`.
        size: Side of the square of neighbours in pixels, odd.
        sigma_value: What counts as a small difference of values.
        sigma_space: What counts as a small distance, in pixels.
    """
    for name, sigma in (("sigma_value", sigma_value), ("sigma_space", sigma_space)):
        require(0 < sigma < math.inf, name, sigma, "a positive number")
    offset = torch.arange(size, device=pictures.device) - _half(size)
    squared = (offset[:, None] ** 2 + offset**2).flatten().to(pictures.dtype)
    neighbours = torch.cat(_neighbours(pictures, size), 1)
    difference = neighbours - pictures
    distance = squared.view(1, -1, 1, 1) / sigma_space**2 + (difference / sigma_value) ** 2
    weight = torch.exp(-distance / 2)
    return (weight * neighbours).sum(1, keepdim=True) / weight.sum(1, keepdim=True)


def unsharp(pictures: Tensor, sigma: float = 1.0, amount: float = 1.0) -> Tensor:
    """Add what a blur takes away (`skimage.filters.unsharp_mask`), and stay within [0, 1].

    Args:
        pictures: float `(n, 1, height, width)`.
        sigma: Standard deviation of the blur in pixels.
        amount: How much of the difference is added.
    """
    return (pictures + amount * (pictures - gaussian(pictures, sigma))).clamp(0, 1)


def dilation(pictures: Tensor, size: int = 3) -> Tensor:
    """Replace every pixel by the greatest of a square around it (`scipy.ndimage.grey_dilation`).

    Args:
        pictures: float `(n, 1, height, width)`.
        size: Side of the square in pixels, odd.
    """
    return functional.max_pool2d(grey("pictures", pictures), size, 1, _half(size))


class ActionSet:
    """What a pixel may choose: no action, small steps down and up, and filters.

    The actions are numbered in this order: no-op; the steps from the darkest to the brightest;
    the filters.

    Args:
        steps: Sizes in grey levels of 255, each for darker and for brighter.
        filters: Filters by name.

    Raises:
        ValueError: A step is not a positive number, or there is neither a step nor a filter.
    """

    def __init__(
        self, steps: tuple[float, ...] = (8, 24, 64), filters: Mapping[str, Filter] | None = None
    ) -> None:
        filters = dict(filters or {})
        for size in steps:
            require(0 < size <= 255, "steps", steps, "numbers above 0, at most 255")
        require(bool(steps or filters), "steps", steps, "at least one where there is no filter")
        levels = sorted({-size for size in steps} | set(steps))
        self.levels = torch.tensor([0.0, *levels])
        self.filters = filters
        signed = [f"{'+' if level > 0 else '−'}{abs(level):g}" for level in levels]
        self.names = ("no-op", *signed, *filters)

    def __len__(self) -> int:
        """Return the number of actions."""
        return len(self.names)

    def results(self, pictures: Tensor) -> Tensor:
        """Return what every action would make of every pixel, `(n, actions, height, width)`.

        All at once is faster than looking which pixel wants what: a filter over a whole picture
        costs as little as a filter over some of its pixels.

        Args:
            pictures: float `(n, 1, height, width)`.
        """
        levels = self.levels.to(grey("pictures", pictures)).view(1, -1, 1, 1)
        stepped = (pictures + levels / 255).clamp(0, 1)
        return torch.cat([stepped, *(item(pictures) for item in self.filters.values())], 1)

    def apply(self, pictures: Tensor, action: Tensor) -> Tensor:
        """Let every pixel take its own action.

        Args:
            pictures: float `(n, 1, height, width)`.
            action: int64 `(n, height, width)`, numbers of actions.

        Returns:
            Pictures of the same shape.
        """
        return self.results(pictures).gather(1, action.unsqueeze(1))


SUPER_RESOLUTION = ActionSet((8, 24, 64), {"box": box, "median": median, "unsharp": unsharp})
"""For blurred pictures: small steps, two ways to smooth, one to sharpen."""

FILLING = ActionSet((12, 32, 96), {"box": box, "median": median, "dilation": dilation})
"""For holes: larger steps, and a filter that lets strokes grow."""


def grey(name: str, pictures: Tensor, shape: tuple[int, ...] | None = None) -> Tensor:
    """Return pictures after checking that they are float `(n, 1, height, width)`, or of a shape."""
    if not isinstance(pictures, Tensor) or not pictures.is_floating_point():
        raise TypeError(f"{name} must be a float tensor; got {kind_of(pictures)}")
    found = tuple(pictures.shape)
    fits = pictures.dim() == 4 and found[1] == 1 if shape is None else found == tuple(shape)
    if not fits:
        wanted = "(n, 1, height, width)" if shape is None else tuple(shape)
        raise ValueError(f"{name} must have shape {wanted}; got {found}")
    return pictures


def bool_masks(masks: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return masks after checking that they are bool and of a shape."""
    if not isinstance(masks, Tensor) or masks.dtype != torch.bool:
        raise TypeError(f"masks must be a bool tensor; got {kind_of(masks)}")
    if masks.shape != shape:
        raise ValueError(f"masks must have shape {tuple(shape)}; got {tuple(masks.shape)}")
    return masks


def _half(size: int) -> int:
    """Return how far a window of an odd size reaches."""
    whole("size", size, 1)
    require(size % 2 == 1, "size", size, "odd")
    return size // 2


def _extended(pictures: Tensor, reach: int) -> Tensor:
    """Return pictures with their last pixels repeated beyond the edge."""
    return functional.pad(grey("pictures", pictures), (reach,) * 4, mode="replicate")


def _neighbours(pictures: Tensor, size: int) -> list[Tensor]:
    """Return the pictures moved to every place of a window, row by row: size² of them."""
    extended = _extended(pictures, _half(size))
    height, width = pictures.shape[2:]
    return [
        extended[:, :, row : row + height, column : column + width]
        for row in range(size)
        for column in range(size)
    ]
