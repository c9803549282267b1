"""Spots of known place, size and contrast in healthy slices, and a detector that looks for them.

They are dark, round and painted into white matter. A real lesion has other shapes, and other
things look like one: what is found here says what a picture still shows, and nothing of a disease.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from dqngan_lib.course.arguments import require, whole

WINDOW = 15
"""Side of the square of pixels that the detector looks at, odd; it is asked about the middle."""


def _greatest_near(values: Tensor, reach: int) -> Tensor:
    """Return the greatest value within `reach` rows and columns of each pixel, `(n, h, w)`."""
    return functional.max_pool2d(values.unsqueeze(1), 2 * reach + 1, 1, reach)[:, 0]


def white_places(tissue: Tensor) -> Tensor:
    """Say where a lesion may be: white matter all around, and far enough from the border.

    Args:
        tissue: Tissue maps, int64 `(n, height, width)`, 2 for white matter.

    Returns:
        bool `(n, height, width)`: the 3 × 3 pixels around are white, and the window fits.
    """
    white = _greatest_near((tissue != 2).float(), 1) == 0
    edge = WINDOW // 2
    inside = torch.zeros_like(white)
    inside[:, edge : white.shape[1] - edge, edge : white.shape[2] - edge] = True
    return white & inside


def choose_places(allowed: Tensor, count: int, apart: int = 9, seed: int = 0) -> Tensor:
    """Choose places at random, at most `count` in each picture, none near another.

    Args:
        allowed: Where a place may be, bool `(n, height, width)`.
        count: Places in a picture; fewer where there is no room for more.
        apart: Two places differ by at least so many rows or so many columns.
        seed: Seed of the choice.

    Returns:
        int64 `(m, 3)`: picture, row and column of each place.
    """
    whole("count", count, 1)
    whole("apart", apart, 1)
    rng, free = torch.Generator().manual_seed(int(seed)), allowed.float()
    chosen = []
    for _ in range(count):
        left = free.flatten(1).any(1).nonzero().flatten()
        if len(left) == 0:
            break
        flat = torch.multinomial(free.flatten(1)[left], 1, generator=rng)[:, 0]
        row, column = flat // free.shape[2], flat % free.shape[2]
        chosen.append(torch.stack([left, row, column], 1))
        taken = torch.zeros_like(free)
        taken[left, row, column] = 1
        free = free * (1 - _greatest_near(taken, apart - 1))
    require(bool(chosen), "allowed", allowed.sum().item(), "true somewhere")
    return torch.cat(chosen)


def profile(diameter: float) -> Tensor:
    """Return the share of its contrast that a lesion has at each pixel, from 0 to 1.

    A disc with an edge one pixel wide: 1 up to half a pixel inside its radius, 0 from half a
    pixel outside it.

    Args:
        diameter: In pixels, at least 1.

    Returns:
        float `(side, side)` with the lesion's middle in the middle.
    """
    require(diameter >= 1, "diameter", diameter, ">= 1")
    reach = int(diameter / 2 + 0.5)
    line = torch.arange(-reach, reach + 1).float()
    return (diameter / 2 + 0.5 - torch.hypot(line[:, None], line)).clamp(0, 1)


def paint_lesions(
    pictures: Tensor, places: Tensor, diameter: float, contrast: float | Tensor
) -> Tensor:
    """Return pictures with dark spots in them.

    Args:
        pictures: float `(n, 1, height, width)`.
        places: Picture, row and column of each spot, int64 `(m, 3)`.
        diameter: Of each spot, in pixels.
        contrast: How much darker its middle is, in units of the pictures; one number or `(m,)`.

    Raises:
        ValueError: A spot does not lie inside its picture.
    """
    spot = profile(diameter)
    reach, painted = len(spot) // 2, pictures.clone()
    contrast = torch.as_tensor(contrast).float().expand(len(places))
    picture, row, column = places.T
    inside = (places[:, 1:] >= reach) & (places[:, 1:] < torch.tensor(pictures.shape[2:]) - reach)
    require(bool(inside.all()), "places", places, f"{reach} pixels or more from the border")
    for down in range(-reach, reach + 1):
        for right in range(-reach, reach + 1):
            darker = -contrast * spot[down + reach, right + reach]
            at = picture, torch.zeros_like(picture), row + down, column + right
            painted.index_put_(at, darker, accumulate=True)
    return painted


def paint_at_random(
    pictures: Tensor,
    allowed: Tensor,
    *,
    count: int = 4,
    diameters: tuple[float, ...] = (3, 5),
    contrasts: tuple[float, float] = (10 / 255, 80 / 255),
    others: int = 12_000,
    seed: int = 0,
) -> tuple[Tensor, Tensor, Tensor]:
    """Paint lesions to learn from; return the pictures, the lesions' places and other places.

    Args:
        pictures: Healthy slices, float `(n, 1, height, width)`.
        allowed: Where a lesion may be, bool `(n, height, width)`.
        count: Lesions in a picture, at most.
        diameters: What a lesion's diameter is drawn from.
        contrasts: Least and greatest contrast; any between them is as likely.
        others: How many other places, at most. They are allowed too, and at least four rows or
            four columns from any lesion.
        seed: Seed of all that is drawn.
    """
    places, rng = choose_places(allowed, count, seed=seed), torch.Generator().manual_seed(int(seed))
    low, high = contrasts
    contrast = low + (high - low) * torch.rand(len(places), generator=rng)
    kind = torch.randint(len(diameters), (len(places),), generator=rng)
    for number, diameter in enumerate(diameters):
        rows = kind == number
        pictures = paint_lesions(pictures, places[rows], diameter, contrast[rows])
    near = torch.zeros(allowed.shape)
    near[tuple(places.T)] = 1
    free = (allowed & (_greatest_near(near, 3) == 0)).nonzero()
    return pictures, places, free[torch.randperm(len(free), generator=rng)[:others]]


def cut_windows(pictures: Tensor, places: Tensor, side: int = WINDOW) -> Tensor:
    """Cut out the squares around places, `(m, 1, side, side)`; they lie inside."""
    windows = pictures.unfold(2, side, 1).unfold(3, side, 1)
    picture, row, column = places.T
    return windows[picture, :, row - side // 2, column - side // 2].contiguous()


class LesionDetector(nn.Module):
    """From every square of 15 × 15 pixels to one logit: is there a lesion in its middle?

    Three convolutions without a border, so that a square gives one number and a picture a map.

    Args:
        width: Planes of the first two layers.
    """

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, width, 5), nn.ReLU(), nn.Conv2d(width, width, 5), nn.ReLU(),
            nn.Conv2d(width, 2 * width, 7), nn.ReLU(), nn.Conv2d(2 * width, 1, 1),
        )  # fmt: skip

    def forward(self, pictures: Tensor) -> Tensor:
        """Map `(n, 1, height, width)` to logits `(n, 1, height − 14, width − 14)`."""
        return self.layers(4 * (pictures - 0.5))


def train_detector(
    lesions: Tensor,
    healthy: Tensor,
    updates: int = 300,
    learning_rate: float = 2e-3,
    seed: int = 0,
) -> LesionDetector:
    """Train a detector: cross-entropy, Adam, 32 squares with a lesion and 32 without at a time.

    Args:
        lesions: Squares with a lesion in the middle, float `(m, 1, 15, 15)`.
        healthy: Squares without, of the same size.
        updates: Gradient steps.
        learning_rate: At the start; it falls to 0 in a line.
        seed: Seed of the first weights and of the batches.
    """
    whole("updates", updates, 1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        detector = LesionDetector()
    rng = torch.Generator().manual_seed(int(seed))
    adam = torch.optim.Adam(detector.parameters(), learning_rate, fused=True)
    falling = torch.optim.lr_scheduler.LinearLR(adam, 1.0, 0.0, updates)
    answers = torch.cat([torch.ones(32), torch.zeros(32)])
    for _ in range(updates):
        batch = [
            part[torch.randint(len(part), (32,), generator=rng)] for part in (lesions, healthy)
        ]
        logits = detector(_turned(torch.cat(batch), rng)).flatten()
        loss = functional.binary_cross_entropy_with_logits(logits, answers)
        adam.zero_grad()
        loss.backward()
        adam.step()
        falling.step()
    return detector


def _turned(squares: Tensor, rng: torch.Generator) -> Tensor:
    """Turn a batch of squares by quarter turns and mirror it, all alike."""
    turns, mirrored = torch.randint(4, (), generator=rng), torch.randint(2, (), generator=rng)
    squares = squares.rot90(int(turns), (2, 3))
    return squares.flip(3) if mirrored else squares


@torch.no_grad()
def scan(detector: nn.Module, pictures: Tensor, part: int = 28) -> Tensor:
    """Return the detector's logit for every pixel, `(n, height, width)`; −∞ at the border."""
    maps = torch.cat([detector(some)[:, 0] for some in pictures.split(part)])
    return functional.pad(maps, (WINDOW // 2,) * 4, value=-torch.inf)


def peaks(scores: Tensor, allowed: Tensor, reach: int = 2) -> Tensor:
    """Keep a map's local maxima, one candidate each; all else becomes −∞.

    Args:
        scores: float `(n, height, width)`.
        allowed: Where a candidate may be, bool of the same shape.
        reach: A candidate is the greatest within so many rows and columns.
    """
    scores = scores.masked_fill(~allowed, -torch.inf)
    return scores.masked_fill(scores < _greatest_near(scores, reach), -torch.inf)


def false_alarm_threshold(candidates: Tensor, rate: float) -> float:
    """Return the lowest threshold with at most `rate` false alarms a picture, in the mean.

    Args:
        candidates: What `peaks` says of pictures without a lesion.
        rate: False alarms a picture.
    """
    require(rate > 0, "rate", rate, "> 0")
    found = candidates[candidates > -torch.inf].sort(descending=True).values
    allowed = int(rate * len(candidates))
    return found[allowed].item() if allowed < len(found) else -torch.inf


def lesion_scores(candidates: Tensor, places: Tensor, reach: int = 2) -> Tensor:
    """Return the best candidate within `reach` of each lesion, float `(m,)`, −∞ where none is."""
    return _greatest_near(candidates, reach)[tuple(places.T)]


def sensitivity(
    with_lesions: Tensor, places: Tensor, without: Tensor, rates: Sequence[float]
) -> list[float]:
    """Return the share of lesions found at each rate of false alarms: a FROC curve.

    Args:
        with_lesions: Candidates in pictures with lesions, float `(n, height, width)`.
        places: Where the lesions are, int64 `(m, 3)`.
        without: Candidates in pictures without any.
        rates: False alarms a picture.
    """
    scores = lesion_scores(with_lesions, places)
    return [(scores > false_alarm_threshold(without, r)).float().mean().item() for r in rates]
