"""The main colours of a picture, by k-means."""

import numpy as np
import torch
from sklearn.cluster import KMeans
from torch import Tensor

from dqngan_lib.course.arguments import require, whole


def picture_palette(picture: Tensor, colours: int, seed: int = 0) -> Tensor:
    """Return the colours around which a picture's pixels gather, from dark to bright.

    k-means makes the sum of squared distances from each pixel to the nearest colour small.

    Args:
        picture: float `(3, height, width)` in [0, 1].
        colours: How many colours, from 1 to 256 and no more than pixels.
        seed: Seed of the first guess.

    Returns:
        float `(colours, 3)` in [0, 1].

    Raises:
        ValueError: The picture has another shape, or the number is out of its range.
    """
    fits = picture.dim() == 3 and picture.shape[0] == 3
    require(fits, "picture", tuple(picture.shape), "(3, height, width)")
    pixels = picture.flatten(1).T.double().numpy()
    whole("colours", colours, 1, min(256, len(pixels)))
    if len(pixels) > 5_000:
        pixels = np.random.default_rng(seed).choice(pixels, 5_000, replace=False)
    distinct = len(np.unique(pixels, axis=0))
    if distinct <= colours:  # k-means has nothing to do, and would complain
        centres = np.unique(pixels, axis=0)
        centres = centres[np.arange(colours).clip(max=distinct - 1)]
    else:
        centres = KMeans(colours, n_init=2, random_state=int(seed)).fit(pixels).cluster_centers_
    brightness = centres @ np.array([0.299, 0.587, 0.114])
    return torch.from_numpy(centres[brightness.argsort()]).float().clamp(0, 1)
