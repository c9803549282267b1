"""Train a painter: it tries one stroke at each place of its sheets, and lays one on each."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from dqngan_lib.applications.art.brushes import (
    BRUSH_ACTIONS,
    BRUSH_SHAPES,
    PATCH,
    PLACES,
    best_colour,
    brush_gains,
    brush_table,
    lay_colour,
)
from dqngan_lib.applications.art.networks import PainterNetwork, squash
from dqngan_lib.applications.art.painter import PAPER
from dqngan_lib.course.arguments import make_plain_numbers, require
from dqngan_lib.course.training import StoppableLoop, adam_along_cosine


@dataclass
class PainterSettings:
    """How a painter learns."""

    updates: int = 600
    """Gradient steps; before each, every sheet gets its trials and one stroke."""
    sheets: int = 32
    """Patches that are painted at once."""
    learning_rate: float = 1e-2
    """Step size of Adam at the start; it falls to a twentieth along a cosine."""
    epsilon: float = 0.5
    """Share of places where the stroke that is tried has a random size and direction."""
    unit: float = 0.1
    """Squared error worth a reward of 1."""
    most_strokes: int = 60
    """A sheet gets at most so many strokes before a new patch takes its place."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        make_plain_numbers(self)
        for name in ("updates", "sheets"):
            require(getattr(self, name) >= 1, name, getattr(self, name), ">= 1")
        require(self.most_strokes >= 6, "most_strokes", self.most_strokes, ">= 6")
        require(self.learning_rate > 0, "learning_rate", self.learning_rate, "> 0")
        require(0 <= self.epsilon <= 1, "epsilon", self.epsilon, "from 0 to 1")
        require(self.unit > 0, "unit", self.unit, "> 0")


class Sheets:
    """Sheets of paper, each beside a patch that is to be copied in colour.

    On each sheet one stroke at every place may be tried: the sheet says what it would gain, and is
    as it was. Two fifths of the sheets begin as white paper, the others as coarse paintings, the
    patch itself in blocks of 14, 7 or 4 pixels: what a painter finds on the finer levels.

    Args:
        patches: float `(n, 3, 28, 28)` in [0, 1].
        settings: How many sheets, and for how many strokes.
        rng: Where all chance comes from.

    Raises:
        ValueError: The patches have another shape.
    """

    def __init__(self, patches: Tensor, settings: PainterSettings, rng: torch.Generator) -> None:
        if patches.dim() != 4 or tuple(patches.shape[1:]) != (3, PATCH, PATCH) or not len(patches):
            raise ValueError(
                f"patches must be (n, 3, {PATCH}, {PATCH}) with n >= 1; got {tuple(patches.shape)}"
            )
        self.patches, self.settings, self.rng = patches, settings, rng
        self.canvas = torch.full((settings.sheets, 3, PATCH, PATCH), PAPER)
        self.target = torch.zeros_like(self.canvas)
        self.left = torch.zeros(settings.sheets, dtype=torch.int64)
        self.renew()

    def renew(self) -> None:
        """Put a new patch beside each sheet that has got all its strokes."""
        done = self.left <= 0
        count = int(done.sum())
        which = torch.randint(len(self.patches), (count,), generator=self.rng)
        target = self.patches[which]
        start, luck = torch.full_like(target, PAPER), torch.rand(count, generator=self.rng)
        for least, block in ((0.4, 14), (0.55, 7), (0.75, 4)):
            blocks = avg_pool2d(target, block)
            blocks = blocks.repeat_interleave(block, 2).repeat_interleave(block, 3)
            start = torch.where((luck > least)[:, None, None, None], blocks, start)
        self.target[done], self.canvas[done] = target, start
        most = self.settings.most_strokes
        self.left[done] = torch.randint(5, most, (count,), generator=self.rng)

    def trial(self, shape: Tensor) -> Tensor:
        """Return the reward of one stroke at each place; the sheets stay as they are.

        Args:
            shape: Size and direction of the stroke that is tried, int64 `(sheets, 1, 14, 14)`.

        Returns:
            float `(sheets, 1, 14, 14)`: the fall of the squared error over `unit`.
        """
        return brush_gains(self.canvas, self.target).gather(1, shape) / self.settings.unit

    def lay(self, action: Tensor) -> None:
        """Lay one stroke on each sheet, int64 `(sheets,)`, in its best colour."""
        mask = brush_table()[action][:, None]
        canvas, target = self.canvas.flatten(2), self.target.flatten(2)
        after = lay_colour(canvas, mask, best_colour(canvas, target, mask))
        self.take(after.unflatten(2, (PATCH, PATCH)))

    def take(self, canvas: Tensor) -> None:
        """Let the sheets look like this, `(sheets, 3, 28, 28)`, after a stroke on each."""
        self.canvas = canvas
        self.left = self.left - 1
        self.renew()


def train_painter(
    patches: Tensor,
    settings: PainterSettings | None = None,
    seed: int = 0,
) -> tuple[PainterNetwork, list[float]]:
    """Train a painter by Q-learning with γ = 0: the Q-value of a stroke is what it gains next.

    In each update every place of every sheet tries one stroke: with probability ε of a random size
    and direction, else the one of the greatest Q-value there. The network moves towards the
    rewards of these trials, both squashed by h. Then each sheet gets the stroke of its greatest
    Q-value, or with a chance of 1 in 5 any stroke.

    Args:
        patches: float `(n, 3, 28, 28)` in [0, 1].
        settings: See `PainterSettings`.
        seed: Seed of weights, sheets and trials.

    Returns:
        The painter and the loss of each update. An interruption returns what has been learnt.
    """
    settings = settings or PainterSettings()
    rng = torch.Generator().manual_seed(int(seed))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = PainterNetwork()
    optimizer, schedule = adam_along_cosine(
        network.parameters(), settings.learning_rate, settings.updates
    )
    sheets = Sheets(patches, settings, rng)
    places, count = (settings.sheets, 1, PLACES, PLACES), (settings.sheets,)
    losses: list[float] = []
    with StoppableLoop(settings.updates, "painter") as loop:
        for _ in loop:
            q_values = network(sheets.canvas, sheets.target)  # (sheets, 16 shapes, 14, 14)
            # Try one stroke at each place: ε-greedy among its shapes.
            shape = torch.randint(BRUSH_SHAPES, places, generator=rng)
            explore = torch.rand(places, generator=rng) < settings.epsilon
            shape = torch.where(explore, shape, q_values.detach().argmax(1, keepdim=True))
            reward = sheets.trial(shape)
            # Learn: with γ = 0 the target is the reward alone, y = h(r).
            loss = nn.functional.huber_loss(squash(q_values.gather(1, shape)), squash(reward))
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 10.0)
            optimizer.step()
            schedule.step()
            # Go on: lay the best stroke of each sheet, or now and then any.
            anything = torch.randint(BRUSH_ACTIONS, count, generator=rng)
            explore = torch.rand(count, generator=rng) < 0.2
            sheets.lay(torch.where(explore, anything, q_values.detach().flatten(1).argmax(1)))
            losses.append(loss.item())
    return network, losses
