"""A style from a discriminator: strokes that please a critic trained on another picture's patches.

The critic looks at patches of 28 × 28 pixels. Its real ones come from a painting of the picture
whose style is wanted, its fakes from the painter's canvases. A stroke is then chosen by its own
worth and by what it changes in the critic's eyes: value + λ (D(x′) − D(x)).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, max_pool2d

from dqngan_lib.arguments import make_plain_numbers, positive_sizes, require
from dqngan_lib.brushes import (
    PATCH,
    PLACES,
    STEP,
    Stroke,
    best_colour,
    brush_table,
    lay_colour,
    stroke_at,
)
from dqngan_lib.gan_losses import discriminator_loss
from dqngan_lib.painter import SCHEDULE, Painting, Values
from dqngan_lib.penalties import r1_penalty


class StyleCritic(nn.Module):
    """From a patch in colour to a logit: does it look like a piece of the wanted style?

    Args:
        width: Planes after the first convolution; 2 and 4 times as many after the others.
    """

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        positive_sizes(width=width)
        self.layers = nn.Sequential(
            nn.Conv2d(3, width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 4 * width, 3, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
            nn.Linear(4 * width * 16, 1),
        )

    def forward(self, patches: Tensor) -> Tensor:
        """Map patches `(batch, 3, 28, 28)` in [0, 1] to logits `(batch,)`."""
        return self.layers(2 * patches - 1).squeeze(1)


def sheet_patches(
    pictures: Sequence[Tensor], count: int, seed: int = 0, factors: Sequence[int] = (1, 2, 4)
) -> Tensor:
    """Return patches as a painter sees them: pieces of pictures at each level of coarseness.

    Args:
        pictures: float `(3, height, width)`, the sides at least 28 times the greatest factor.
        count: How many patches, shared out among the factors.
        seed: Seed of the places; half of the patches are mirrored.
        factors: How many times smaller the pictures are made.

    Returns:
        float `(count, 3, 28, 28)`.

    Raises:
        ValueError: A picture is too small.
    """
    least = PATCH * max(factors)
    fits = len(pictures) > 0 and all(min(p.shape[1:]) >= least for p in pictures)
    require(fits, "pictures", [tuple(p.shape) for p in pictures], f"with sides >= {least}")
    random = torch.Generator().manual_seed(int(seed))
    small = {f: [avg_pool2d(p[None], f)[0] for p in pictures] for f in factors}

    def below(limit: int) -> int:
        return int(torch.randint(limit, (), generator=random))

    patches = []
    for number in range(count):
        sheets = small[factors[number % len(factors)]]
        sheet = sheets[below(len(sheets))]
        row, column = (below(size - PATCH + 1) for size in sheet.shape[1:])
        piece = sheet[:, row : row + PATCH, column : column + PATCH]
        patches.append(piece.flip(2) if below(2) else piece)
    return torch.stack(patches)


@dataclass
class CriticSettings:
    """How a critic learns."""

    updates: int = 200
    """Gradient steps."""
    batch_size: int = 48
    """Real patches, and as many fakes, in a step."""
    learning_rate: float = 1e-3
    """Step size of Adam."""
    r1_weight: float = 1.0
    """γ of the R1 penalty: how flat the critic must be around real patches."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        make_plain_numbers(self)
        require(self.updates >= 1, "updates", self.updates, ">= 1")
        require(self.batch_size >= 1, "batch_size", self.batch_size, ">= 1")
        require(self.learning_rate > 0, "learning_rate", self.learning_rate, "> 0")
        require(self.r1_weight >= 0, "r1_weight", self.r1_weight, ">= 0")


def train_critic(
    critic: StyleCritic,
    real: Tensor,
    fake: Tensor,
    settings: CriticSettings | None = None,
    seed: int = 0,
) -> list[float]:
    """Train a critic to tell real patches from fakes; return the loss of each step.

    Args:
        critic: Changed in place.
        real: Patches of the wanted style, `(n, 3, 28, 28)`.
        fake: Patches of the painter's canvases, `(m, 3, 28, 28)`.
        settings: See `CriticSettings`.
        seed: Seed of the batches.
    """
    settings = settings or CriticSettings()
    optimizer = torch.optim.Adam(critic.parameters(), settings.learning_rate, betas=(0.5, 0.99))
    random = torch.Generator().manual_seed(int(seed))
    losses = []
    for _ in range(settings.updates):
        rows, columns = (
            torch.randint(len(p), (settings.batch_size,), generator=random) for p in (real, fake)
        )
        loss = discriminator_loss(critic(real[rows]), critic(fake[columns]))
        losses.append(loss.item())
        loss = loss + settings.r1_weight * r1_penalty(critic, real[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return losses


@torch.no_grad()
def critic_score(critic: StyleCritic, picture: Tensor, factors: Sequence[int] = (1, 2, 4)) -> float:
    """Return the critic's mean logit over a picture's patches, every 14 pixels on each level."""
    scores = []
    for factor in factors:
        small = avg_pool2d(picture[None], factor)
        pieces = small.unfold(2, PATCH, PATCH // 2).unfold(3, PATCH, PATCH // 2)
        scores.append(critic(pieces[0].permute(1, 2, 0, 3, 4).flatten(0, 1)).mean())
    return torch.stack(scores).mean().item()


@torch.no_grad()
def paint_with_critic(
    values: Values,
    target: Tensor,
    critic: StyleCritic,
    weight: float,
    palette: Tensor,
    schedule: Sequence[tuple[int, int]] = SCHEDULE,
    candidates: int = 16,
    seed: int = 0,
) -> Painting:
    """Paint with strokes that lower the error and please a critic.

    Each time the sheet is cut into cells of 8 × 8 pixels, and `candidates` of them are drawn, with
    a chance in proportion to the best value there. The best stroke of each is looked at in its best
    colour and in every colour of the palette. What it gains is worked out on the patch around it,
    as a share of the most that a candidate could gain, and so is what the critic says of the
    patch before and after. The stroke with the greatest share + λ (D(x′) − D(x)) is laid.

    Args:
        values: Gives a number to every stroke.
        target: The picture, float `(3, height, width)` in [0, 1].
        critic: See `StyleCritic`.
        weight: λ ≥ 0: how much of the best gain one logit is worth.
        palette: Colours, float `(k, 3)`.
        schedule: Pairs of factor and number of strokes.
        candidates: How many strokes are looked at.
        seed: Seed of the cells that are drawn.

    Raises:
        ValueError: An argument is out of its range.
    """
    require(weight >= 0, "weight", weight, ">= 0")
    positive_sizes(candidates=candidates)
    random = torch.Generator().manual_seed(int(seed))
    choose = partial(
        _choose, critic=critic, weight=weight, palette=palette, candidates=candidates, random=random
    )
    painting = Painting.start(target, schedule)
    for factor, count in schedule:
        small = avg_pool2d(target[None], factor)[0]
        for _ in range(count):
            seen = avg_pool2d(painting.canvas[None], factor)[0]
            worth = values(seen[None], small[None])[0]
            stroke, colour = choose(worth, seen, small)
            painting.lay(target, stroke.scaled(factor), colour)
    return painting


CELL = 4
"""Places in a row of a cell."""


def _choose(
    worth: Tensor,
    seen: Tensor,
    small: Tensor,
    *,
    critic: StyleCritic,
    weight: float,
    palette: Tensor,
    candidates: int,
    random: torch.Generator,
) -> tuple[Stroke, Tensor]:
    """Return the stroke that gains and pleases most, on this level, and its colour."""
    rows, columns = worth.shape[1:]
    best, which = max_pool2d(worth.amax(0)[None], CELL, ceil_mode=True, return_indices=True)
    chance = best.flatten().clamp(min=0) + 1e-6
    cells = torch.multinomial(chance, min(candidates, best.numel()), generator=random)
    place = which.flatten()[cells]
    shape = worth.flatten(1)[:, place].argmax(0)
    row, column = place // columns, place % columns
    top = (row - PLACES // 2).clamp(0, rows - PLACES)
    left = (column - PLACES // 2).clamp(0, columns - PLACES)
    inner = (shape * PLACES + row - top) * PLACES + column - left
    mask = brush_table()[inner][:, None]
    pieces = []
    for y, x in zip((STEP * top).tolist(), (STEP * left).tolist(), strict=True):
        window = slice(None), slice(y, y + PATCH), slice(x, x + PATCH)
        pieces.append(torch.stack([seen[window], small[window]]).flatten(2))
    before, wanted = torch.stack(pieces, 1)
    colours = best_colour(before, wanted, mask)[:, None]
    colours = torch.cat([colours, palette.expand(len(place), -1, -1)], 1)
    after = lay_colour(before[:, None], mask[:, None], colours)
    error = (wanted - before).square().sum((1, 2))
    gain = error[:, None] - (wanted[:, None] - after).square().sum((2, 3))
    if weight > 0:
        patches = torch.cat([before[:, None], after], 1).unflatten(3, (PATCH, PATCH))
        logits = critic(patches.flatten(0, 1)).unflatten(0, patches.shape[:2])
        gain = gain / gain[:, 0].max().clamp(min=1e-3) + weight * (logits[:, 1:] - logits[:, :1])
    first, second = divmod(int(gain.argmax()), gain.shape[1])
    number = int((shape[first] * rows + row[first]) * columns + column[first])
    return stroke_at(number, *seen.shape[1:]), colours[first, second]
