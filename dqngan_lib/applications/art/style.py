"""A painter with two numbers for every stroke: what it gains, and how a critic will like it.

A stroke may be laid in its best colour or in one of a palette. With γ = 0 the Q-value of a sum of
two rewards is the sum of two Q-values, each learnt from its own reward (van Seijen et al. 2017,
1706.04208): Q = Q_gain + λ Q_style. So λ is a dial that can be turned after training.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dqngan_lib.applications.art.brushes import (
    BRUSH_ACTIONS,
    BRUSH_SHAPES,
    PLACES,
    best_colour,
    brush_table,
    lay_colour,
)
from dqngan_lib.applications.art.networks import GAIN, PainterNetwork, under
from dqngan_lib.applications.art.training import PainterSettings, Sheets
from dqngan_lib.course.arguments import make_plain_numbers, require
from dqngan_lib.course.training import StoppableLoop, adam_along_cosine
from dqngan_lib.gan.losses import discriminator_loss
from dqngan_lib.gan.networks import normalise_layers


class PatchCritic(nn.Module):
    """A logit for every place of a picture: does the paint around it look like the style?

    It sees 8 × 8 pixels around a place. Spectral norm (Miyato et al. 2018, 1802.05957) bounds how
    fast its opinion can change.

    Args:
        width: Planes of every layer.
    """

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, width, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 1, 1),
        )
        normalise_layers(self)

    def forward(self, pictures: Tensor) -> Tensor:
        """Map pictures `(n, 3, h, w)` in [0, 1] to logits `(n, h / 2, w / 2)`."""
        return self.layers(2 * pictures - 1).squeeze(1)


class StylePainter(nn.Module):
    """From canvas and target to Q-values of all strokes in all kinds of colour.

    Kind 0 is a stroke's best colour, kind j > 0 the colour j − 1 of the palette. With the windows
    w of a trained painter (`PainterNetwork`) and a colour k:

    - Q_gain = `GAIN` · (Σ w |t − c|² − Σ w |t − k|²): error less what the colour leaves. For the
      best colour, the mean μ, that is error less spread.
    - Q_style = √(Σ w |c − k|²) · what a small network says. So a stroke that changes nothing is
      worth nothing.

    Args:
        painter: Where the windows come from; they stay as they are.
        palette: float `(k, 3)` in [0, 1].
        weight: λ, what a rise of the critic's logits by 1 is worth; a dial.
        width: Planes of the small network.
    """

    reach = 7
    """A value depends on no pixel more than so many places away: 1, and the dilations 1, 2, 3."""

    def __init__(
        self, painter: PainterNetwork, palette: Tensor, weight: float = 0.0, width: int = 24
    ) -> None:
        super().__init__()
        self.weight = weight
        self.register_buffer("w", painter.windows()[:, None])
        self.register_buffer("palette", palette)
        self.kinds = 1 + len(palette)
        layers: list[nn.Module] = [nn.Conv2d(6, width, 4, stride=2, padding=1), nn.ReLU()]
        for dilation in (1, 2, 3):
            layer = nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation)
            layers += [layer, nn.ReLU()]
        for layer in layers[::2]:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
        head = nn.Conv2d(width, self.kinds * BRUSH_SHAPES, 1)
        nn.init.zeros_(head.weight)
        nn.init.zeros_(head.bias)
        self.layers = nn.Sequential(*layers, head)

    def both(self, canvas: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Return Q_gain and Q_style, both `(n, kinds · 16, h / 2, w / 2)`."""
        t, c = target - 0.5, canvas - 0.5
        squares = [(x * x).sum(1, keepdim=True) for x in (t - c, t, c)]
        sums = under(torch.cat([t, c, *squares], 1), self.w)
        error, tt, cc = sums[:, 6:].split(1, 1)
        area = (under(torch.ones_like(t[:1, :1]), self.w) + 1e-4).expand_as(error)

        def distance(square: Tensor, first: Tensor) -> Tensor:
            """Return Σ w |x − k|² for all kinds, from Σ w |x|² and Σ w x."""
            mean = sums[:, :3] / area  # μ of the target
            to_mean = square + (mean * (area * mean - 2 * first)).sum(1, keepdim=True)
            k = self.palette - 0.5
            rules = torch.cat([torch.ones(len(k), 1), -2 * k, k.square().sum(1, keepdim=True)], 1)
            known = torch.cat([square, first, area], 1).flatten(2)
            to_palette = (rules @ known).unflatten(2, square.shape[2:])
            return torch.cat([to_mean, to_palette], 1).flatten(1, 2)

        gain = error.repeat(1, self.kinds, 1, 1, 1).flatten(1, 2) - distance(tt, sums[:, :3])
        change = distance(cc, sums[:, 3:6]).clamp_(min=0).sqrt_()
        opinion = self.layers(torch.cat([c, t], 1))
        return GAIN * gain, change * opinion

    def forward(self, canvas: Tensor, target: Tensor) -> Tensor:
        """Return Q_gain + λ Q_style, `(n, kinds · 16, h / 2, w / 2)`."""
        gain, style = self.both(canvas, target)
        return gain + self.weight * style


@dataclass
class StyleSettings:
    """How a painter and a critic of its style learn side by side."""

    updates: int = 300
    """Gradient steps of both."""
    warm_up: int = 50
    """Steps before them in which paintings for the critic are made, and it begins to learn."""
    sheets: int = 32
    """Patches that are painted at once; the critic's batches have as many pictures of each kind."""
    trials: int = 8
    """Strokes tried on each sheet at each step."""
    learning_rate: float = 3e-3
    """Step size of the painter's Adam at the start; it falls to a twentieth along a cosine."""
    critic_rate: float = 1e-3
    """Step size of the critic's Adam."""
    epsilon: float = 0.5
    """Share of trials with a random shape and colour."""
    pool: int = 128
    """Finished paintings that are kept for the critic."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        make_plain_numbers(self)
        for name in ("updates", "sheets", "trials"):
            require(getattr(self, name) >= 1, name, getattr(self, name), ">= 1")
        require(self.warm_up >= 0, "warm_up", self.warm_up, ">= 0")
        require(self.pool >= self.sheets, "pool", self.pool, f">= sheets={self.sheets}")
        for name in ("learning_rate", "critic_rate"):
            require(getattr(self, name) > 0, name, getattr(self, name), "> 0")
        require(0 <= self.epsilon <= 1, "epsilon", self.epsilon, "from 0 to 1")


def lay_kinds(canvas: Tensor, target: Tensor, action: Tensor, palette: Tensor) -> Tensor:
    """Return canvases after one stroke on each.

    Args:
        canvas: float `(n, 3, 28, 28)`.
        target: The same shape.
        action: int64 `(n,)`: kind · 3136 + the number of the stroke.
        palette: float `(k, 3)`.
    """
    kind, number = action // BRUSH_ACTIONS, action % BRUSH_ACTIONS
    mask, before = brush_table()[number][:, None], canvas.flatten(2)
    own = best_colour(before, target.flatten(2), mask)
    colour = torch.where((kind == 0)[:, None], own, palette[(kind - 1).clamp(min=0)])
    return lay_colour(before, mask, colour).view_as(canvas)


def style_reward(critic: nn.Module, before: Tensor, after: Tensor) -> Tensor:
    """Return the rise of the critic's logits, summed over the places, `(n,)`.

    Args:
        critic: From pictures to logits `(n, rows, columns)`.
        before: Canvases before a stroke, float `(n, 3, height, width)`.
        after: And after it.
    """
    with torch.no_grad():
        return (critic(after) - critic(before)).sum((1, 2))


def train_style(
    painter: StylePainter,
    patches: Tensor,
    style: Tensor,
    settings: StyleSettings | None = None,
    seed: int = 0,
) -> tuple[PatchCritic, list[float]]:
    """Train a critic to tell finished paintings from patches of a style, and Q_style beside it.

    The reward of a stroke is the rise of the critic's logits, summed over the patch. It is
    computed by today's critic from the canvases before and after, so none is out of date. The
    painter lays the strokes of the greatest Q-value; the critic's fakes are its finished sheets.

    Args:
        painter: Changed in place; its λ is that of this training.
        patches: What is painted, float `(n, 3, 28, 28)` in [0, 1].
        style: Pieces of the picture whose style is wanted, float `(m, 3, 28, 28)`.
        settings: See `StyleSettings`.
        seed: Seed of the critic, the sheets and the trials.

    Returns:
        The critic, and how much of the rewards' variance Q_style left unexplained at each update.
        An interruption returns what has been learnt.
    """
    settings = settings or StyleSettings()
    rng = torch.Generator().manual_seed(int(seed))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        critic = PatchCritic()
    learner, schedule = adam_along_cosine(
        painter.parameters(), settings.learning_rate, settings.updates
    )
    judge = torch.optim.Adam(critic.parameters(), settings.critic_rate, (0.5, 0.99))
    sheets = Sheets(patches, PainterSettings(sheets=settings.sheets, most_strokes=50), rng)
    made = sheets.canvas[:0]  # finished paintings, the critic's fakes
    unexplained: list[float] = []
    with StoppableLoop(settings.warm_up + settings.updates, "style", "step") as loop:
        for step in loop:
            gain, opinion = painter.both(sheets.canvas, sheets.target)
            q_values = (gain + painter.weight * opinion).detach().flatten(1)  # Q_gain + λ Q_style
            if len(made):
                _critic_step(critic, judge, style, made, settings.sheets, rng)
            if step >= settings.warm_up:
                unexplained.append(
                    _trial_step(painter, critic, learner, sheets, q_values, opinion, settings)
                )
                schedule.step()
            # Lay the best stroke of each sheet; a sheet at its last stroke is a finished painting.
            done = sheets.left == 1
            after = lay_kinds(sheets.canvas, sheets.target, q_values.argmax(1), painter.palette)
            made = torch.cat([made, after[done]])[-settings.pool :]
            sheets.take(after)
    return critic, unexplained


def _critic_step(
    critic: PatchCritic,
    judge: torch.optim.Optimizer,
    style: Tensor,
    made: Tensor,
    count: int,
    rng: torch.Generator,
) -> None:
    """Teach the critic pieces of the style from finished paintings."""
    real = style[torch.randint(len(style), (count,), generator=rng)]
    fake = made[torch.randint(len(made), (count,), generator=rng)]
    real_logits, fake_logits = critic(torch.cat([real, fake])).chunk(2)
    loss = discriminator_loss(real_logits.flatten(), fake_logits.flatten(), "hinge")
    judge.zero_grad()
    loss.backward()
    judge.step()


def _trial_step(
    painter: StylePainter,
    critic: PatchCritic,
    learner: torch.optim.Optimizer,
    sheets: Sheets,
    q_values: Tensor,
    opinion: Tensor,
    settings: StyleSettings,
) -> float:
    """Try strokes, move Q_style towards the rise of the logits; return what it left unexplained."""
    rng, places = sheets.rng, PLACES * PLACES
    rows = torch.arange(settings.sheets).repeat(settings.trials)
    place = torch.randint(places, rows.shape, generator=rng)
    best = q_values.view(settings.sheets, -1, places)[rows, :, place].argmax(1)
    anything = torch.randint(painter.kinds * BRUSH_SHAPES, rows.shape, generator=rng)
    explore = torch.rand(rows.shape, generator=rng) < settings.epsilon
    action = torch.where(explore, anything, best) * places + place
    # One of the first places on each sheet is among its best strokes: those that will be laid.
    top = q_values.topk(settings.sheets, 1).indices
    action[: settings.sheets] = top[
        torch.arange(settings.sheets),
        torch.randint(settings.sheets, (settings.sheets,), generator=rng),
    ]
    # The reward is the critic's alone: Q_gain has no weights to learn here.
    after = lay_kinds(sheets.canvas[rows], sheets.target[rows], action, painter.palette)
    reward = style_reward(critic, sheets.canvas[rows], after)
    answer = opinion.flatten(1)[rows, action]
    loss = nn.functional.huber_loss(answer, reward)
    learner.zero_grad()
    loss.backward()
    learner.step()
    return ((answer.detach() - reward).square().mean() / reward.var()).item()
