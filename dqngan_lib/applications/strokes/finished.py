"""A painter that learns from finished pictures alone: nobody's strokes are in the data.

The judge is a discriminator D(x, y) of a finished picture x and its class y. A picture of strokes
m₁ … m_T is x = 1 − ∏ₜ (1 − mₜ). With stroke a at step t, all others kept, it would be

    x_a = 1 − restₜ + restₜ · m_a,        restₜ = ∏_{k≠t} (1 − m_k),

because what the others leave as paper is what a stroke can cover. The sampler's mean ink there is
m̄ = Σ_a q(a|s) m_a. Around the picture with m̄ the judge likes a, to first order and but for a
constant, as much as its *opinion* ⟨∇ₓD · restₜ, m_a⟩: one matrix product of slopes with the table
of strokes gives it for every stroke at every step. (Around the picture as drawn, the stroke that
is there has an advantage; around the mean none has.) The Q-network is moved to
log q + η · opinion, as in notebook 09 to log q + f. The setting, pictures without strokes, is that
of SPIRAL (Ganin et al. 2018, 1804.01118); the slope stands where SPIRAL has a reward and an
actor-critic.

The opinion leaves two things out: a stroke is not small, so a slope is only a guess; and the
later strokes, kept here, would have answered to another one. `opinions.left_out` measures both.
"""

from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import kl_div, log_softmax

from dqngan_lib.applications.strokes.canvas import StrokeCanvas
from dqngan_lib.applications.strokes.decoding import draw_strokes
from dqngan_lib.applications.strokes.drawing import PIXELS, SIDE
from dqngan_lib.applications.strokes.opinions import (
    left_out,
    mean_ink,
    opinions,
    paper_left,
    render,
)
from dqngan_lib.course.arguments import make_plain_numbers, require
from dqngan_lib.course.training import linear_schedule, set_learning_rate
from dqngan_lib.dqngan.rewards import policy_target
from dqngan_lib.dqngan.sampler import move_average
from dqngan_lib.gan.losses import discriminator_loss
from dqngan_lib.gan.penalties import r1_penalty


@dataclass
class FinishedSettings:
    """How the painter and its judge learn."""

    rounds: int = 700
    """Rounds: draw, one step of the judge, one of the Q-network."""
    batch_size: int = 60
    """Drawings in a round, and real pictures."""
    steps_learnt: int = 4
    """Of how many steps of each drawing the Q-network learns; which ones is drawn anew."""
    eta_start: float = 1.25
    """η at the start: how much the judge's opinion weighs beside log q."""
    eta_end: float = 2.5
    """η at the end; in between a line. A large η at once, and the judge is fooled by its slope."""
    sharpening: float = 0.02
    """s at the end, 0 at the start, in between a line: log q counts 1 + s times in the target.

    The sampler is to try fewer things as it learns. With the best judge, logit log p/q, it comes
    to rest where q = q^{1 + s} (p/q)^η / Z, at q ∝ p^{η / (η − s)}: almost p while s is far below
    η."""
    clip: float = 4.0
    """How far η · opinion may be from its mean under q."""
    noise: float = 0.4
    """Standard deviation of the normal noise on every picture that the judge sees."""
    looks: int = 1
    """Noisy looks over which the slope is averaged, at each step learnt."""
    mismatch: float = 0.3
    """Share of real pictures under a wrong class in the judge's loss on fakes, in [0, 1) (Reed et
    al. 2016, 1605.05396, section 4.2): the judge must look at the class as well."""
    r1: float = 1.0
    """Weight of R1, the squared slope at real pictures (Mescheder et al. 2018, 1801.04406)."""
    r1_every: int = 2
    """Rounds between two R1 terms, each then so many times as heavy (Karras et al. 2020,
    1912.04958, section 3.1)."""
    q_rate: float = 2e-3
    """Step size of the Q-network's Adam at the start."""
    judge_rate: float = 1e-3
    """Step size of the judge's Adam at the start."""
    learning_rate_end: float = 0.2
    """Both at the end, as a share of those at the start; in between a line."""
    sampler_memory: float = 0.9
    """Memory of the sampler, a running mean of the Q-network, in [0, 1); less at first."""
    slow_memory: float = 0.995
    """Memory of `slow_network`, which draws the final pictures, in [0, 1); less at first."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        make_plain_numbers(self)
        for name in ("rounds", "batch_size", "steps_learnt", "looks", "r1_every"):
            require(getattr(self, name) >= 1, name, getattr(self, name), ">= 1")
        for name in ("eta_start", "eta_end", "clip", "q_rate", "judge_rate"):
            require(getattr(self, name) > 0, name, getattr(self, name), "> 0")
        for name in ("noise", "r1", "sharpening"):
            require(getattr(self, name) >= 0, name, getattr(self, name), ">= 0")
        for name in ("sampler_memory", "slow_memory"):
            require(0 <= getattr(self, name) < 1, name, getattr(self, name), "from 0, below 1")
        require(0 <= self.mismatch < 1, "mismatch", self.mismatch, "from 0, below 1")
        end = self.learning_rate_end
        require(0 <= end <= 1, "learning_rate_end", end, "from 0 to 1")


class FinishedPainter:
    """A Q-network, its two running means, and a judge that sees finished pictures alone.

    Args:
        q_network: From observations of `StrokeCanvas` to Q-values, such as `StrokeNetwork`.
        judge: From pictures `(n, 1, 28, 28)` and classes `(n,)` to logits `(n,)`, such as
            `ImageDiscriminator` with classes and without spectral norm.
        settings: How they learn.
        seed: Seed of the drawings, the noise and the order of the data.
        strokes: Strokes of a drawing.
        classes: Classes of the data, at least 2.

    Raises:
        ValueError: More steps are to be learnt than a drawing has, or there is one class alone.
    """

    def __init__(
        self,
        q_network: nn.Module,
        judge: nn.Module,
        settings: FinishedSettings | None = None,
        seed: int = 0,
        strokes: int = 10,
        classes: int = 10,
    ) -> None:
        self.settings = settings = settings or FinishedSettings()
        learnt = settings.steps_learnt
        require(learnt <= strokes, "steps_learnt", learnt, f"at most strokes={strokes}")
        require(classes >= 2, "classes", classes, ">= 2")
        self.q_network, self.judge = q_network, judge
        self.sampler = deepcopy(q_network).requires_grad_(False).eval()
        self.slow_network = deepcopy(q_network).requires_grad_(False).eval()
        self.q_optimizer = torch.optim.Adam(
            q_network.parameters(), settings.q_rate, betas=(0.9, 0.99), fused=True
        )
        self.judge_optimizer = torch.optim.Adam(
            judge.parameters(), settings.judge_rate, betas=(0.5, 0.99), fused=True
        )
        self.rng = torch.Generator().manual_seed(int(seed))
        self.sheets = StrokeCanvas(settings.batch_size, strokes, classes)
        self.done = 0

    def round(self, real: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Draw, let the judge learn, ask it for its opinion, and let the Q-network learn that.

        Args:
            real: Real pictures, float `(n, 1, 28, 28)`.
            labels: Their classes, int64 `(n,)`.
        """
        settings, share = self.settings, self.done / self.settings.rounds
        self.set_rates()
        eta = linear_schedule(self.done, settings.eta_start, settings.eta_end, settings.rounds)

        steps = torch.randperm(self.sheets.max_steps, generator=self.rng)[: settings.steps_learnt]
        asked = torch.arange(settings.batch_size) % self.sheets.classes
        actions, states, log_q = self.draw(asked, steps)
        drawn = render(actions)
        measured = self.judge_step(real, labels, drawn, asked)
        opinion = self.opinion(actions, asked, steps, log_q)
        target = policy_target(log_q, eta * opinion, settings.clip)
        target = log_softmax(target + share * settings.sharpening * log_q, 1)
        measured["q_loss"] = self.q_step(states, target)
        measured["entropy"] = -(log_q.exp() * log_q).sum(1).mean()
        self.done += 1
        return measured

    def set_rates(self) -> None:
        """Let both step sizes fall in a line over the rounds."""
        settings = self.settings
        fall = linear_schedule(self.done, 1.0, settings.learning_rate_end, settings.rounds)
        set_learning_rate(self.q_optimizer, fall * settings.q_rate)
        set_learning_rate(self.judge_optimizer, fall * settings.judge_rate)

    @torch.no_grad()
    def draw(self, asked: Tensor, steps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Let the sampler draw, and keep what the Q-network will learn from.

        Args:
            asked: The classes asked for, int64 `(n,)`, with n as `batch_size` says.
            steps: The steps to keep, int64 `(k,)`.

        Returns:
            All actions, int64 `(n, strokes)`, and of the chosen steps, drawing by drawing, the
            states, uint8 `(n · k, 786)`, and log q of every action in them `(n · k, 3137)`.
        """
        observation, _ = self.sheets.reset(options={"labels": asked})
        states, log_q, actions = [], [], []
        for _ in range(self.sheets.max_steps):
            states.append(observation)
            log_q.append(log_softmax(self.sampler(observation), 1))
            actions.append(draw_strokes(log_q[-1], self.rng))
            observation, _, _, _, _ = self.sheets.step(actions[-1])
        kept = [torch.stack([part[t] for t in steps.tolist()], 1) for part in (states, log_q)]
        return torch.stack(actions, 1), kept[0].flatten(0, 1), kept[1].flatten(0, 1)

    def noisy(self, pictures: Tensor) -> Tensor:
        """Return pictures as the judge sees them: with normal noise."""
        return pictures + self.settings.noise * torch.randn(pictures.shape, generator=self.rng)

    def judge_step(
        self, real: Tensor, labels: Tensor, drawn: Tensor, asked: Tensor
    ) -> dict[str, Tensor]:
        """Take one step of the judge on real pictures, drawings, and real ones misnamed."""
        others = torch.randint(1, self.sheets.classes, labels.shape, generator=self.rng)
        wrong = (labels + others) % self.sheets.classes
        seen = self.noisy(torch.cat([real, drawn, real]))
        logits = self.judge(seen, torch.cat([labels, asked, wrong]))
        right, made, misnamed = logits.split([len(real), len(drawn), len(real)])
        loss = discriminator_loss(right, made, "non-saturating").lerp(
            discriminator_loss(right, misnamed, "non-saturating"), self.settings.mismatch
        )
        if self.settings.r1 > 0 and self.done % self.settings.r1_every == 0:
            penalty = r1_penalty(lambda x: self.judge(x, labels), seen[: len(real)])
            loss = loss + self.settings.r1_every * self.settings.r1 * penalty
        self.judge_optimizer.zero_grad()
        loss.backward()
        self.judge_optimizer.step()
        return {"real_logit": right.detach().mean(), "fake_logit": made.detach().mean()}

    def opinion(self, actions: Tensor, asked: Tensor, steps: Tensor, log_q: Tensor) -> Tensor:
        """Return the judge's opinion on every stroke at some steps of drawings.

        Args:
            actions: The drawings, int64 `(n, strokes)`.
            asked: Their classes, int64 `(n,)`.
            steps: The steps, int64 `(k,)`.
            log_q: log q of every action there, drawing by drawing, float `(n · k, 3137)`.

        Returns:
            float `(n · k, 3137)`.
        """
        paper = paper_left(actions, steps)  # (n, k, 784)
        pictures = 1 - paper + paper * mean_ink(log_q).view_as(paper)
        each = asked.repeat_interleave(len(steps))
        slope = self.slope(pictures.reshape(-1, 1, SIDE, SIDE), each)
        return opinions(slope.view_as(paper), paper).flatten(0, 1)

    def slope(self, drawn: Tensor, asked: Tensor) -> Tensor:
        """Return ∇ₓD at pictures, the mean over several noisy looks, float `(n, 784)`."""
        looks = self.settings.looks
        seen = self.noisy(drawn.repeat(looks, 1, 1, 1)).requires_grad_(True)
        logits = self.judge(seen, asked.repeat(looks))
        (slope,) = torch.autograd.grad(logits.sum(), seen)
        return slope.reshape(looks, len(drawn), PIXELS).mean(0)

    def q_step(self, states: Tensor, target: Tensor) -> Tensor:
        """Take one step of the Q-network towards targets; return the loss, without gradient."""
        policy = log_softmax(self.q_network(states), 1)
        loss = kl_div(policy, target, log_target=True, reduction="batchmean")
        self.descend(loss)
        at_first = (1 + self.done) / (10 + self.done)
        for mean, memory in (
            (self.sampler, self.settings.sampler_memory),
            (self.slow_network, self.settings.slow_memory),
        ):
            move_average(mean, self.q_network, min(memory, at_first))
        return loss.detach()

    def descend(self, loss: Tensor) -> None:
        """Take one step of the Q-network down a loss; its gradient is cut off at length 1."""
        self.q_optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.q_network.parameters(), 1.0)
        self.q_optimizer.step()

    @torch.no_grad()
    def play_on(self, actions: Tensor, asked: Tensor, step: int) -> Tensor:
        """Return drawings whose strokes after `step` the sampler has drawn anew, `(n, strokes)`."""
        sheets = StrokeCanvas(len(actions), self.sheets.max_steps, self.sheets.classes)
        observation, _ = sheets.reset(options={"labels": asked})
        played = actions.clone()
        for t in range(sheets.max_steps):
            if t > step:
                played[:, t] = draw_strokes(self.sampler(observation), self.rng)
            observation, _, _, _, _ = sheets.step(played[:, t])
        return played

    def left_out(
        self, asked: Tensor, step: int, others: int = 16, goes: int = 8
    ) -> tuple[float, float]:
        """Compare the judge's opinions on strokes with D drawn anew; see `opinions.left_out`.

        Args:
            asked: The classes asked for, int64 `(n,)`, with n as `batch_size` says.
            step: The step of which other strokes are tried.
            others: How many other strokes to draw from the sampler for each drawing.
            goes: How often the sampler answers each of them.
        """
        actions, _, log_q = self.draw(asked, torch.tensor([step]))
        tried = torch.multinomial(log_q.exp(), others, generator=self.rng)
        guess = self.opinion(actions, asked, torch.tensor([step]), log_q).gather(1, tried)
        classes = asked.repeat_interleave(others)
        noise = self.noisy(torch.zeros(4, 1, SIDE, SIDE))  # the same four looks at all pictures

        @torch.no_grad()
        def judge(pictures: Tensor) -> Tensor:
            return torch.stack([self.judge(pictures + one, classes) for one in noise]).mean(0)

        def answer(drawings: Tensor) -> Tensor:
            return self.play_on(drawings, classes, step)

        return left_out(actions, step, tried, guess, judge, answer, goes)
