"""A score without a gradient: pixels that flip so that a fax of the picture is short.

A fax machine sends black-and-white pictures in the code T.6, also called Group 4 (ITU-T 1988). How
many bytes that makes is known only to the program that makes them. Here pixels on the border of a
stroke may flip, black to white or white to black. Each learns what its flip does to

    score = wrong pixels + `BYTE_PRICE` · bytes of the fax (per picture; lower is better).
"""

import io
from dataclasses import replace

import torch
from PIL import Image, TiffImagePlugin
from torch import Tensor, nn
from torch.nn import functional

from dqngan_lib.applications.pixels.agent import PIXEL_TRAINING
from dqngan_lib.applications.pixels.editor import Edits, PixelEditor, edit
from dqngan_lib.applications.pixels.filters import ActionSet, grey
from dqngan_lib.course.arguments import require, whole
from dqngan_lib.dqn.agent import DQN, DQNSettings
from dqngan_lib.dqn.training import History, TrainSettings, train_dqn
from dqngan_lib.environments.rollout import Policy

BYTE_PRICE = 4.0
"""How many wrong pixels one byte of the fax is worth."""

STEPS = 18
"""T: each pixel has its turn twice."""

KEPT = 0.15
"""Share of the flips that paid which stay in training. With all of them the pictures would soon be
better than those that the pixels meet when nobody knows the original."""

REWARD_UNIT = 5.0
"""What a change of the score is divided by, so that Q-values are about 1."""

FLIP = ActionSet((), {"flip": lambda pictures: 1 - pictures})
"""What a pixel may choose: no-op or flip."""

FLIP_AGENT = DQNSettings(discount=0.0, learning_rate=1e-2)
"""How the pixels learn: a flip is paid at once."""

FLIP_TRAINING = replace(
    PIXEL_TRAINING,
    steps=1_360,
    batch_size=16,
    epsilon_start=1.0,
    epsilon_end=0.6,
    epsilon_fraction=1.0,
    updates_per_step=8,
    evaluate_every=1_360,
)
"""How long: eight pictures at once."""


class Fax:
    """The program: it says how many bytes a fax of a picture has, and counts how often it is asked.

    Pillow writes the fax as a TIFF file; the bytes are those of the code, without the file's head.
    """

    def __init__(self) -> None:
        self.asked = 0

    def size(self, pictures: Tensor) -> Tensor:
        """Return the bytes of each picture's fax, float `(n,)`.

        Args:
            pictures: `(n, 1, height, width)`; above 0.5 is ink.
        """
        self.asked += len(pictures)
        inked = (grey("pictures", pictures)[:, 0] > 0.5).cpu().numpy()
        return torch.tensor([_code_bytes(Image.fromarray(picture)) for picture in inked]).float()


def _code_bytes(picture: Image.Image) -> int:
    file = io.BytesIO()
    picture.save(file, "TIFF", compression="group4")
    with Image.open(file) as written:
        return sum(written.tag_v2[TiffImagePlugin.STRIPBYTECOUNTS])


def wrong_pixels(pictures: Tensor, originals: Tensor) -> Tensor:
    """Return how many pixels are on the other side of 0.5 than in the originals, float `(n,)`."""
    return ((pictures > 0.5) != (originals > 0.5)).flatten(1).sum(1).float()


def fax_score(
    pictures: Tensor, originals: Tensor, fax: Fax, price: float = BYTE_PRICE
) -> dict[str, float]:
    """Return the means of `wrong` pixels, of `bytes`, and of the `score` made of both."""
    wrong = wrong_pixels(pictures, originals).mean().item()
    size = fax.size(pictures).mean().item()
    return {"wrong": wrong, "bytes": size, "score": wrong + price * size}


def on_border(pictures: Tensor) -> Tensor:
    """Tell which pixels have one of the other kind among their eight neighbours, bool."""
    ink = (pictures > 0.5).float()
    wide = functional.pad(ink, (1, 1, 1, 1), mode="replicate")
    return functional.max_pool2d(wide, 3, 1) != -functional.max_pool2d(-wide, 3, 1)


def in_turn(step: Tensor, height: int, width: int) -> Tensor:
    """Tell whose turn it is: every third row and column, another one at each of nine steps.

    So two pixels that flip at once are never neighbours, and hardly change each other's worth.

    Args:
        step: The number of the step, int64 `(n,)`.
        height: Rows of the picture.
        width: Its columns.

    Returns:
        bool `(n, 1, height, width)`.
    """
    rows = torch.arange(height, device=step.device).view(1, 1, -1, 1) % 3
    columns = torch.arange(width, device=step.device).view(1, 1, 1, -1) % 3
    turn = step.view(-1, 1, 1, 1) % 9
    return (rows == turn // 3) & (columns == turn % 3)


def may_flip(observation: Tensor) -> Tensor:
    """Tell which pixels may flip now, bool `(n, 1, height, width)`; see `PixelEditor`'s planes."""
    picture, clock = observation[:, :1], observation[:, -1, 0, 0]
    step = (clock * STEPS).round().long()
    return on_border(picture) & in_turn(step, *picture.shape[2:])


class FlipQNetwork(nn.Module):
    """Q-values of no-op, which is 0, and of a flip: what 9 × 9 pixels tell about the middle one.

    Where a pixel may not flip, a flip is worth −1.

    Args:
        width: Planes of every layer.
    """

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        whole("width", width, 1)
        self.layers = nn.Sequential(
            nn.Conv2d(2, width, 9, padding=4),
            nn.ReLU(),
            nn.Conv2d(width, width, 1),
            nn.ReLU(),
            nn.Conv2d(width, 1, 1),
        )
        nn.init.zeros_(self.layers[-1].weight)
        nn.init.zeros_(self.layers[-1].bias)
        self.to(memory_format=torch.channels_last)

    def worth(self, observation: Tensor) -> Tensor:
        """Return what the flip of every pixel is worth, turn or not, `(n, 1, height, width)`."""
        planes = 2 * observation[:, :2] - 1  # picture and answer, from −1 for paper to 1 for ink
        # With the CNN's answer as the chance of ink a flip mends (1 − 2x)(2a − 1) wrong pixels on
        # average. What it does to the fax is left to learn.
        mended = -planes[:, :1] * planes[:, 1:]
        saved = self.layers(planes.contiguous(memory_format=torch.channels_last))
        return mended / REWARD_UNIT + saved

    def forward(self, observation: Tensor) -> Tensor:
        """Map `(n, 3, height, width)` to Q-values `(n, 2, height, width)`."""
        flip = torch.where(may_flip(observation), self.worth(observation), -1.0)
        return torch.cat([torch.zeros_like(flip), flip], 1)


class FaxEditor(PixelEditor):
    """Black-and-white pictures whose pixels flip, and a fax that is asked about every flip.

    Plane 0 of an observation is the picture now, plane 1 the CNN's answer, plane 2 the clock. A
    pixel's reward is what its flip alone does to the score, divided by −`REWARD_UNIT`; for no-op it
    is 0. Most flips are then taken back, those that did not pay always: see `KEPT`.

    Args:
        num_envs: The number of pictures at once.
        answers: What the CNN says, float `(n, 1, height, width)` in [0, 1].
        starts: The black-and-white pictures that the episodes begin with.
        originals: What they should look like; above 0.5 is ink.
        fax: Says how long a fax is.

    Raises:
        ValueError: The shapes differ.
    """

    def __init__(
        self, num_envs: int, answers: Tensor, starts: Tensor, originals: Tensor, fax: Fax
    ) -> None:
        same = starts.shape == answers.shape
        require(same, "starts", tuple(starts.shape), f"of shape {tuple(answers.shape)}")
        ink = (originals > 0.5).float()
        super().__init__(num_envs, answers, ink, FLIP, max_steps=STEPS)
        self.first, self.fax = (starts > 0.5).float(), fax
        self.picture = self.first[self.index]

    def _begin(self, rows: Tensor) -> None:
        super()._begin(rows)
        self.now = self.fax.size(self.picture)

    def _move(self, action: Tensor) -> tuple[Tensor, Tensor]:
        # The clock has moved on already: this is the turn of the step before.
        turn = in_turn(self.time - 1, *action.shape[1:])
        tried = (action == 1).unsqueeze(1) & turn & on_border(self.picture)
        where = tried[:, 0].nonzero()  # (flips, 3): picture, row, column
        reward = torch.zeros(action.shape)
        if len(where):
            row, place = where[:, 0], (where[:, 1], where[:, 2])
            numbers = torch.arange(len(where))
            trials = self.picture[row].clone()  # one copy of the picture for each flip
            before = trials[numbers, 0, *place]
            trials[numbers, 0, *place] = 1 - before
            mended = 2 * (before != self.originals[self.index][row, 0, *place]).float() - 1
            saved = self.now[row] - self.fax.size(trials)
            reward[row, *place] = (mended + BYTE_PRICE * saved) / REWARD_UNIT
        luck = torch.rand(reward.shape, generator=self.rng) < KEPT
        stays = ((reward > 0) & luck).unsqueeze(1)
        if stays.any():
            self.picture = torch.where(stays, 1 - self.picture, self.picture)
            changed = stays.flatten(1).any(1)
            self.now[changed] = self.fax.size(self.picture[changed])
        return reward, self.time == self.max_steps


def flip_pixels(policy: Policy, answers: Tensor, starts: Tensor) -> Edits:
    """Let a policy flip the pixels of pictures; the fax is not asked.

    Args:
        policy: From observations to actions, such as `DQN.act`.
        answers: What the CNN says, float `(n, 1, height, width)` in [0, 1].
        starts: The black-and-white pictures to begin with.
    """
    return edit(policy, (starts > 0.5).float(), FLIP, seen=answers, steps=STEPS)


def train_flips(
    answers: Tensor,
    starts: Tensor,
    originals: Tensor,
    fax: Fax,
    *,
    agent: DQNSettings = FLIP_AGENT,
    training: TrainSettings = FLIP_TRAINING,
    held_out: int = 100,
    seed: int = 0,
) -> tuple[DQN, History]:
    """Train pixels to flip where it pays; the scores of the history are −`fax_score`.

    Args:
        answers: What the CNN says, float `(n, 1, height, width)` in [0, 1].
        starts: The black-and-white pictures to begin with.
        originals: What they should look like.
        fax: The program that is asked.
        agent: How the pixels learn.
        training: How long.
        held_out: The last pictures, kept for the evaluations.
        seed: Seed of the network, the episodes and the memory.

    Returns:
        The agent with the weights of its best evaluation, and the history.
    """
    require(0 < held_out < len(starts), "held_out", held_out, f"from 1 to {len(starts) - 1}")
    learn, look = slice(None, -held_out), slice(-held_out, None)
    envs = FaxEditor(8, answers[learn], starts[learn], originals[learn], fax)

    def evaluate(dqn: DQN) -> float:
        made = flip_pixels(dqn.act, answers[look], starts[look]).result
        return -fax_score(made, originals[look], fax)["score"]

    torch.manual_seed(seed)
    dqn = DQN(FlipQNetwork(), agent, seed)
    return dqn, train_dqn(dqn, envs, evaluate, training, seed=seed)
