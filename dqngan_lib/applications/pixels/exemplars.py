"""Paint an object out of a photograph: holes filled with patches of the same picture.

After Criminisi et al. (2004): at the rim of the hole, look for patches of the picture that agree
with what is known there, and paste. Here a Q-network says which of six fills is pasted next. The
world that trains it is in `exemplar_world`.
"""

from collections.abc import Callable
from typing import Literal

import torch
from scipy.sparse import csr_matrix, diags, kronsum
from scipy.sparse.linalg import spsolve
from skimage.restoration import inpaint_biharmonic
from torch import Tensor
from torch.nn import functional

from dqngan_lib.course.arguments import require

REACH = 4
"""Pixels from a patch's middle to its edge: patches have 9 × 9 pixels."""

SIDE = 2 * REACH + 1

SEARCH = 32
"""Patches come from so many pixels around the hole at most."""

NEAREST = (1, 5, 20)
"""How many of the best patches are averaged."""

BAND = 3
"""How far around the hole kriging looks, in pixels."""

FILLS = ("best patch", "half patches", "sheet", "plate", "kriging", "by the rim")
"""What can be pasted: the patch that agrees best, the mean of the best 20 and the rubber sheet, the
rubber sheet, the elastic plate, what kriging puts there, and the one of these three that would fill
the rim of the hole best."""

RIM = FILLS.index("by the rim")

OBSERVED = 19
"""Numbers in an observation."""

Order = Literal["confidence", "edges"]
"""Which place of the rim is next: where most is known, or also where an edge runs into the hole."""

Choice = Callable[[Tensor], Tensor]
"""From observations `(n, OBSERVED)` to places in `FILLS`, int64 `(n,)`, such as `DQN.act`."""


def always(fill: str) -> Choice:
    """Return the policy that pastes one of `FILLS` everywhere."""
    require(fill in FILLS, "fill", fill, f"one of {FILLS}")
    return lambda seen: torch.full((len(seen),), FILLS.index(fill))


def rubber_sheet(picture: Tensor, hole: Tensor) -> Tensor:
    """Fill a hole in a photograph by a rubber sheet: every pixel the mean of its four neighbours.

    Args:
        picture: float `(3, height, width)`; what is in the hole has no influence.
        hole: bool `(height, width)`, nowhere at the picture's edge.
    """
    window = _around(hole, 1)
    part, missing = picture[:, *window].flatten(1).double().numpy(), hole[window].flatten().numpy()
    height, width = hole[window].shape
    lines = [diags([1.0, -2.0, 1.0], [-1, 0, 1], (n, n)) for n in (height, width)]
    laplacian = csr_matrix(kronsum(lines[1], lines[0]))[missing]  # one row for a missing pixel
    known = laplacian[:, ~missing] @ part[:, ~missing].T
    filled = torch.from_numpy(-spsolve(laplacian[:, missing].tocsc(), known).reshape(-1, 3).T)
    whole = picture.clone()
    whole[:, hole] = filled.to(picture).clamp(0, 1)
    return whole


def elastic_plate(picture: Tensor, hole: Tensor) -> Tensor:
    """Fill a hole in a photograph by scikit-image's `inpaint_biharmonic`."""
    window = _around(hole, 4)
    part = picture[:, *window].double().numpy()
    filled = inpaint_biharmonic(part, hole[window].numpy(), channel_axis=0)
    whole = picture.clone()
    whole[:, *window] = torch.from_numpy(filled).to(picture).clamp(0, 1)
    return whole


def kriging(picture: Tensor, hole: Tensor, unknown: Tensor | None = None) -> Tensor:
    """Fill a hole in a photograph by the linear guess with the least expected squared error.

    A missing pixel is a weighted sum of the known ones near the hole, with weights that sum to 1:
    ordinary kriging (Matheron 1963, equations of section 4). How two pixels vary together is taken
    to depend on the step from one to the other alone, and measured on the rest of the photograph.

    Args:
        picture: float `(3, height, width)`; what is missing has no influence.
        hole: bool `(height, width)`.
        unknown: Other missing pixels, bool `(height, width)`.
    """
    hidden = hole if unknown is None else hole | unknown
    covariance = _covariance(picture, ~hidden)
    known, missing = (_wider(hole) & ~hidden).nonzero(), hole.nonzero()
    count = len(known)
    # (C + noise · 1   1) (w)   (c)
    # (    1ᵀ          0) (μ) = (1), a column of c, w and μ for each missing pixel.
    system = torch.ones(count + 1, count + 1, dtype=torch.double)
    system[:count, :count] = _between(known, known, covariance)
    system.diagonal()[:count] += 0.003 * covariance[0, 0] + 1e-6
    system[count, count] = 0.0
    right = torch.ones(count + 1, len(missing), dtype=torch.double)
    right[:count] = _between(known, missing, covariance)
    weights = torch.linalg.solve(system, right)[:count]
    whole = picture.clone()
    values = picture[:, known[:, 0], known[:, 1]].double()
    whole[:, hole] = (values @ weights).to(picture).clamp(0, 1)
    return whole


def smooth_fills(picture: Tensor, hole: Tensor, unknown: Tensor | None = None) -> Tensor:
    """Return the photograph filled by sheet, plate and kriging, `(3, 3, height, width)`.

    Args:
        picture: float `(3, height, width)`; what is missing has no influence.
        hole: bool `(height, width)`, nowhere at the picture's edge.
        unknown: Other missing pixels, bool `(height, width)`.
    """
    made = rubber_sheet(picture, hole), elastic_plate(picture, hole)
    return torch.stack([*made, kriging(picture, hole, unknown)])


class Filling:
    """A photograph with a hole that is filled patch by patch.

    Args:
        picture: float `(3, height, width)` in [0, 1]; what is in the hole is never looked at.
        hole: bool `(height, width)`, true where pixels are missing; at least 4 pixels from each
            edge of the picture.
        unknown: Other missing pixels, bool `(height, width)`: no patch is taken from there.
        order: Which place of the rim is next.

    Raises:
        ValueError: There is no hole, it touches the edge, or nothing around it is known.
    """

    def __init__(
        self,
        picture: Tensor,
        hole: Tensor,
        unknown: Tensor | None = None,
        order: Order = "confidence",
    ) -> None:
        shape = tuple(picture.shape)
        require(len(shape) == 3 and shape[0] == 3, "picture", shape, "(3, height, width)")
        require(hole.shape == picture.shape[1:], "hole", tuple(hole.shape), f"{shape[1:]}")
        require(bool(hole.any()), "hole", "no pixel", "at least one pixel")
        inner = hole[REACH:-REACH, REACH:-REACH].sum() == hole.sum()
        require(bool(inner), "hole", "one at the edge", f"{REACH} pixels from each edge or more")
        require(order in ("confidence", "edges"), "order", order, "confidence or edges")
        self.order, self.hole, self.missing = order, hole.clone(), hole.clone()
        self.picture = picture.masked_fill(hole, 0.0)
        self.smooth = smooth_fills(self.picture, hole, unknown)
        self.sheet = self.smooth[0]
        self.confidence = (~hole).float()
        window = _around(hole, SEARCH)
        hidden = hole if unknown is None else hole | unknown
        self.sources = _known_patches(self.picture[:, *window], hidden[window])
        least = NEAREST[-1]
        require(len(self.sources) >= least, "hole", "one too large", f"one with {least} patches")
        self.squares = self.sources.square()
        self.contrast = self.sources.std().item() + 0.02
        self.misses = self._misses(hidden)
        self.by_rim = self.smooth[self.misses.argmin()]
        self._look()

    @property
    def done(self) -> bool:
        """Whether every pixel is filled."""
        return not bool(self.missing.any())

    def paste(self, fill: int) -> None:
        """Paste one of `FILLS` at the place that is next, and look for the one after it."""
        rows, columns = self.place
        self.picture[:, rows, columns] = torch.where(
            self.unknown, self.fills[fill], self.picture[:, rows, columns]
        )
        part = self.confidence[rows, columns]
        self.confidence[rows, columns] = torch.where(self.unknown, self.sureness, part)
        self.missing[rows, columns] = False
        if not self.done:
            self._look()

    def _look(self) -> None:
        """Choose the next place, and what could be pasted there."""
        row, column = self._next_place()
        self.place = slice(row - REACH, row + REACH + 1), slice(column - REACH, column + REACH + 1)
        here = self.picture[:, *self.place]  # (3, 9, 9)
        self.unknown = self.missing[self.place]
        nearest, distance = self._nearest(here, ~self.unknown)
        means = torch.stack([nearest[:k].mean(0) for k in NEAREST])
        smooth = self.smooth[:, :, *self.place]
        half = (means[-1] + smooth[0]) / 2
        by_rim = self.by_rim[:, *self.place]
        self.fills = torch.stack([means[0], half, *smooth, by_rim])
        self.observation = self._observe(here, nearest, distance, means)

    def _next_place(self) -> tuple[int, int]:
        """Return the middle of the next patch: a missing pixel with a known neighbour."""
        known = functional.pad((~self.missing).float(), (1, 1, 1, 1))
        beside = known[:-2, 1:-1] + known[2:, 1:-1] + known[1:-1, :-2] + known[1:-1, 2:]
        rim = (self.missing & (beside > 0)).nonzero()  # (places, 2)
        # C(p): how sure we are of the patch around p, the mean of its pixels (equation 1).
        sure = functional.avg_pool2d(self.confidence[None, None], SIDE, 1, REACH)[0, 0]
        priority = sure[rim[:, 0], rim[:, 1]]
        if self.order == "edges":
            priority = priority * self._edges(rim)
        place = rim[priority.argmax()]
        self.sureness = sure[place[0], place[1]]
        return int(place[0]), int(place[1])

    def _edges(self, rim: Tensor) -> Tensor:
        """Return D(p): how strongly an edge runs into the hole at places of its rim."""
        grey = torch.where(self.missing, self.sheet, self.picture).mean(0)
        down, right = torch.gradient(grey)
        normal = torch.stack(torch.gradient(self.missing.float()))
        normal = normal / normal.norm(dim=0).clamp(min=1e-6)
        # An edge runs at right angles to the slope: (∇I)⊥ · n.
        along = (-right * normal[0] + down * normal[1]).abs()
        return along[rim[:, 0], rim[:, 1]] + 1e-3

    def _nearest(self, here: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """Return the patches that agree best with the known pixels, and their mean squared error.

        Σ w (s − t)² = Σ w s² − 2 Σ w s t + Σ w t², with w = 1 where a pixel is known.
        """
        weight = known.float().expand(3, -1, -1).flatten()
        target = here.flatten() * weight
        distance = self.squares @ weight - 2 * (self.sources @ target) + target.square().sum()
        distance = (distance / weight.sum()).clamp(min=0)
        found = distance.topk(NEAREST[-1], largest=False)
        return self.sources[found.indices].unflatten(1, (3, SIDE, SIDE)), found.values

    def _misses(self, hidden: Tensor) -> Tensor:
        """Return how far the smooth fills miss the known pixels along the rim, `(3,)`.

        They fill a hole that is `BAND` pixels wider, of which the rim is known.
        """
        wider = _wider(self.hole)
        made = smooth_fills(self.picture, wider, hidden)
        misses = (made - self.picture)[:, :, wider & ~hidden].square().mean((1, 2)).sqrt()
        return misses / self.contrast

    def _observe(self, here: Tensor, nearest: Tensor, distance: Tensor, means: Tensor) -> Tensor:
        """Return what a policy sees: how well patches agree, how far they differ, how much is left.

        All of it relative to the contrast of the known pixels, so that dark pictures count too.
        """
        known, unknown = ~self.unknown, self.unknown
        contrast = here[:, known].std() + 0.02
        sheet = self.sheet[:, *self.place]
        misfit = (means - here)[:, :, known].square().mean((1, 2)).sqrt() / contrast
        furthest = distance[[k - 1 for k in NEAREST]].sqrt() / contrast
        spread = nearest[:, :, unknown].std(0).mean() / contrast
        away = (means - sheet)[:, :, unknown].square().mean((1, 2)).sqrt() / contrast
        others = self.smooth[1:, :, *self.place]
        bent = (others - sheet)[:, :, unknown].square().mean((1, 2)).sqrt() / contrast
        left = self.missing.sum() / self.hole.sum()
        size = self.hole.sum().sqrt() / 32
        numbers = torch.stack([contrast / self.contrast, unknown.float().mean(), left, size])
        logs = (
            torch.cat([self.misses, misfit, furthest, spread.view(1), away, bent]).add(0.02).log()
        )
        return torch.cat([logs, numbers])


def fill_hole(
    choose: Choice,
    picture: Tensor,
    hole: Tensor,
    unknown: Tensor | None = None,
    order: Order = "confidence",
) -> list[Tensor]:
    """Fill one hole; return the picture before the first patch and after each of them.

    Args:
        choose: Says which of `FILLS` is pasted next.
        picture: See `Filling`, also for the rest.
        hole: bool `(height, width)`.
        unknown: Other missing pixels.
        order: Which place of the rim is next.
    """
    filling = Filling(picture, hole, unknown, order)
    frames = [filling.picture.clone()]
    while not filling.done:
        filling.paste(int(choose(filling.observation.unsqueeze(0))))
        frames.append(filling.picture.clone())
    return frames


def _around(hole: Tensor, margin: int) -> tuple[slice, slice]:
    """Return the rows and columns of a hole and `margin` pixels around it."""
    rows, columns = (hole.any(axis).nonzero().flatten() for axis in (1, 0))
    return tuple(
        slice(max(int(line[0]) - margin, 0), int(line[-1]) + margin + 1) for line in (rows, columns)
    )


def _wider(hole: Tensor) -> Tensor:
    """Return a hole and the pixels around it that are at most `BAND` away in each direction."""
    return functional.max_pool2d(hole[None, None].float(), 2 * BAND + 1, 1, BAND)[0, 0] > 0


def _covariance(picture: Tensor, known: Tensor) -> Tensor:
    """Return how pixels vary together, by the step between them, `(2 · height, 2 · width)`.

    The sum of (x(p) − x̄) (x(p + step) − x̄) over all p where both are known, over their number
    without a step. By the Fourier transform; negative steps count from the end.
    """
    count, shape = known.sum(), [2 * length for length in known.shape]
    seen = picture.double() * known
    centred = (seen - seen.sum((1, 2), keepdim=True) / count) * known
    power = torch.fft.rfft2(centred, s=shape).abs().square().mean(0)
    return torch.fft.irfft2(power, s=shape) / count


def _between(ones: Tensor, others: Tensor, covariance: Tensor) -> Tensor:
    """Return the covariances of all pairs of places `(n, 2)` and `(m, 2)`, `(n, m)`."""
    steps = (others - ones.unsqueeze(1)) % torch.tensor(covariance.shape)
    return covariance[steps[..., 0], steps[..., 1]]


def _known_patches(picture: Tensor, hidden: Tensor) -> Tensor:
    """Return all patches without a missing pixel, `(patches, 3 · 9 · 9)`."""
    patches = functional.unfold(picture.unsqueeze(0), SIDE)[0].T
    missing = functional.unfold(hidden[None, None].float(), SIDE)[0].sum(0)
    return patches[missing == 0].contiguous()
