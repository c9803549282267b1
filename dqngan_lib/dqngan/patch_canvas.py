"""Pictures as sentences: a codebook of small patches, and a canvas that is filled patch by patch.

A picture is cut into a grid of patches, row by row from the top left. Each patch is replaced by
the number of the nearest one in the codebook, its *token*. Column 0 of an episode is the *start
token*: the class that is asked for, or a number drawn at random; the others are the patches.
"""

from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor
from torch.nn import functional

from dqngan_lib.course.arguments import float_tensor, require, whole, whole_numbers
from dqngan_lib.environments.base import TorchVectorEnv

_NOT_PLACED = -1
"""What stands in an observation where no patch has been placed yet."""


def split_patches(images: Tensor, patch: int) -> Tensor:
    """Split pictures into patches, row by row from the top left.

    Args:
        images: float `(n, 1, side, side)`; `patch` divides the side.
        patch: Height and width of a patch in pixels.

    Returns:
        float `(n, patches, patch * patch)`.

    Raises:
        TypeError: `images` is not a float tensor.
        ValueError: `images` has another shape, or `patch` does not divide the side.
    """
    float_tensor("images", images)
    whole("patch", patch, 1)
    shape = tuple(images.shape)
    squares = len(shape) == 4 and shape[1] == 1 and shape[2] == shape[3]
    require(squares, "images", shape, "(n, 1, side, side)")
    side = images.shape[-1]
    require(side % patch == 0, "patch", patch, f"a divisor of the side, {side}")
    return functional.unfold(images, patch, stride=patch).mT  # (n, patches, patch²)


def fit_codebook(images: Tensor, patch: int = 4, count: int = 128, seed: int = 0) -> Tensor:
    """Find the patches that pictures are made of, by k-means (scikit-learn's).

    Args:
        images: float `(n, 1, side, side)` in [0, 1].
        patch: Height and width of a patch in pixels.
        count: K, how many patches the codebook shall hold.
        seed: Seed of the first guess.

    Returns:
        float32 `(K, patch, patch)`, the patch with the least ink first.

    Raises:
        TypeError: `images` is not a float tensor.
        ValueError: A shape or number is not allowed, or the pictures have fewer than K
            different patches.
    """
    from sklearn.cluster import MiniBatchKMeans

    whole("count", count, 2)
    patches = split_patches(images, patch).flatten(0, 1).double().numpy()
    different = len(np.unique(patches, axis=0))
    require(different >= count, "count", count, f"at most {different}, the different patches")
    means = MiniBatchKMeans(
        count, batch_size=4_096, max_iter=20, n_init=1, max_no_improvement=None, random_state=seed
    )
    # The patch with the least ink first.
    centres = torch.from_numpy(means.fit(patches).cluster_centers_).float().clamp(0, 1)
    return centres[centres.sum(1).argsort()].reshape(count, patch, patch)


def encode(images: Tensor, codebook: Tensor) -> Tensor:
    """Replace each patch by the number of the nearest one in the codebook.

    Args:
        images: float `(n, 1, side, side)`.
        codebook: float `(K, patch, patch)`.

    Returns:
        int64 `(n, patches)`, row by row from the top left.
    """
    codebook = _checked(codebook)
    patches, centres = split_patches(images, codebook.shape[-1]), codebook.flatten(1)
    squares = centres.square().sum(1)
    # |x − c|² without |x|², which is the same for every c.
    parts = [(squares - 2 * part @ centres.T).argmin(-1) for part in patches.split(500)]
    return torch.cat(parts) if parts else torch.zeros(patches.shape[:2], dtype=torch.long)


def decode(tokens: Tensor, codebook: Tensor, blank: float = 0.0) -> Tensor:
    """Put the patches of the codebook where their numbers stand.

    Args:
        tokens: int64 `(n, patches)`, a square number of patches, without the start token.
        codebook: float `(K, patch, patch)`.
        blank: The brightness of places where nothing has been placed (token −1).

    Returns:
        Pictures `(n, 1, side, side)` of the codebook's type.

    Raises:
        ValueError: The number of patches is no square, or a token is not in the codebook.
    """
    codebook = _checked(codebook)
    grid = round(tokens.shape[-1] ** 0.5) if tokens.dim() == 2 else 0
    square = grid > 0 and grid * grid == tokens.shape[1]
    allowed = "(n, patches), a square number of patches"
    require(square, "tokens", tuple(tokens.shape), allowed)
    if len(tokens) and not _NOT_PLACED <= tokens.min() <= tokens.max() < len(codebook):
        raise ValueError(
            f"tokens must be from −1 to {len(codebook) - 1}; got {tokens.min()} to {tokens.max()}"
        )
    patch = codebook.shape[-1]
    with_blank = torch.cat([codebook, codebook.new_full((1, patch, patch), blank)])
    patches = with_blank.flatten(1)[tokens]  # the number −1 finds the last row, the blank
    return functional.fold(patches.mT, grid * patch, patch, stride=patch)


def reconstruction(images: Tensor, codebook: Tensor) -> Tensor:
    """Return what is left of pictures when each patch is replaced by the codebook's nearest.

    No generator that is built on this codebook can do better: its scores are the floor.
    """
    return decode(encode(images, codebook), codebook)


class PatchCanvas(TorchVectorEnv):
    """An empty canvas that is filled with patches, row by row from the top left.

    The observation is int64 `(1 + T,)`: the start token, then the T patches, −1 where none has
    been placed yet. The action is the number of the next patch. After T actions the episode
    terminates. Every reward is 0: who wants a reward must look at the picture.

    Args:
        num_envs: The number of canvases at once.
        codebook: float `(K, patch, patch)`, what can be placed.
        grid: How many patches side by side, and as many rows; T is `grid` squared.
        starts: How many start tokens there are: the classes, or numbers that mean nothing. Each
            episode draws one at random, unless `reset(options={"labels": …})` says which.

    Raises:
        ValueError: An argument is out of its range.
    """

    whole_episodes = True

    def __init__(self, num_envs: int, codebook: Tensor, grid: int = 4, starts: int = 1) -> None:
        codebook = _checked(codebook)
        whole("grid", grid, 1)
        whole("starts", starts, 1)
        steps = grid * grid
        highest = np.array([starts - 1] + [len(codebook) - 1] * steps)
        lowest = np.array([0] + [_NOT_PLACED] * steps)
        space = spaces.Box(lowest, highest, dtype=np.int64)
        super().__init__(num_envs, space, len(codebook), steps)
        self.codebook, self.grid, self.starts = codebook, grid, starts
        self.tokens = torch.full((num_envs, 1 + steps), _NOT_PLACED)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Tensor, dict[str, Any]]:
        """Empty every canvas.

        Args:
            seed: Seed of the start tokens, or None to go on with the same random numbers.
            options: `{"labels": int64 (num_envs,)}` chooses the start tokens.

        Raises:
            ValueError: The start tokens have another shape, or one is out of its range.
        """
        observation, info = super().reset(seed=seed)
        labels = (options or {}).get("labels")
        if labels is None:
            return observation, info
        self.tokens[:, 0] = whole_numbers("labels", labels, self.num_envs, self.starts - 1)
        return self._observe(), info

    def pictures(self, observation: Tensor, blank: float = 0.0) -> Tensor:
        """Show observations `(n, 1 + T)` as pictures `(n, 1, side, side)`, finished or not."""
        return decode(observation[:, 1:], self.codebook, blank)

    def episodes(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return the finished observations, int64 `(n, 1 + T)`, that come nearest to pictures.

        Args:
            images: float `(n, 1, side, side)`, of the canvas's side.
            labels: Start tokens int64 `(n,)`, such as the classes; 0 everywhere when None.

        Raises:
            ValueError: The pictures have another side, or the start tokens do not fit.
        """
        side = self.grid * self.codebook.shape[-1]
        fits = images.dim() == 4 and images.shape[-1] == side
        require(fits, "images", tuple(images.shape), f"(n, 1, {side}, {side})")
        labels = torch.zeros(len(images), dtype=torch.long) if labels is None else labels
        start = whole_numbers("labels", labels, len(images), self.starts - 1)
        return torch.cat([start[:, None], encode(images, self.codebook)], 1)

    def _begin(self, rows: Tensor) -> None:
        start = torch.randint(self.starts, (self.num_envs,), generator=self.rng)
        self.tokens = torch.where(rows[:, None], _NOT_PLACED, self.tokens)
        self.tokens[:, 0] = torch.where(rows, start, self.tokens[:, 0])

    def _move(self, action: Tensor) -> tuple[Tensor, Tensor]:
        self.tokens[torch.arange(self.num_envs), self.time] = action
        return torch.zeros(self.num_envs), self.time == self.max_steps

    def _observe(self) -> Tensor:
        return self.tokens.clone()


def _checked(codebook: Tensor) -> Tensor:
    """Return a codebook after checking its type and shape."""
    float_tensor("codebook", codebook)
    shape = tuple(codebook.shape)
    patches = len(shape) == 3 and shape[1] == shape[2] and shape[0] >= 2
    require(patches, "codebook", shape, "(K, patch, patch) with K >= 2")
    return codebook
