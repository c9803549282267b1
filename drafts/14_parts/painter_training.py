"""Train a painter on patches, with settings that were tried out on practice photographs."""

from collections.abc import Callable

import torch
from torch import Tensor

from dqngan_lib.arguments import whole
from dqngan_lib.dqn import DQNSettings
from dqngan_lib.dqn_training import History, TrainSettings, train_dqn
from dqngan_lib.photo_canvas import PhotoCanvas
from dqngan_lib.photo_networks import PainterAgent, PainterNetwork

PAINTER_AGENT = DQNSettings(discount=0.5, learning_rate=1e-3, target_rate=0.02, huber_delta=1.0)
"""How the painter learns from a batch."""

PAINTER_TRAINING = TrainSettings(
    steps=64_000,
    capacity=20_000,
    batch_size=64,
    learn_after=640,
    epsilon_end=0.1,
    epsilon_fraction=0.3,
    learning_rate_end=0.1,
    evaluate_every=16_000,
)
"""How much it paints, 32 patches at a time, and how often it learns."""

UNIT = 0.1
"""Squared error worth a reward of 1."""


def train_painter(
    patches: Tensor,
    *,
    agent: DQNSettings = PAINTER_AGENT,
    training: TrainSettings = PAINTER_TRAINING,
    held_out: int = 24,
    seed: int = 0,
    watch: Callable[[History], None] | None = None,
) -> tuple[PainterAgent, History]:
    """Train a painter; it ends as the best that was evaluated, on patches held out for that.

    Args:
        patches: float `(n, 3, 28, 28)` in [0, 1].
        agent: How it learns from a batch.
        training: How much and how often.
        held_out: Patches, drawn at random, on which it is evaluated and does not learn.
        seed: Seed of weights, episodes and replay.
        watch: Called with the history after each evaluation.

    Returns:
        The painter, and what was measured.

    Raises:
        ValueError: There are no patches left to learn on.
    """
    whole("held_out", held_out, 1, len(patches) - 1)
    order = torch.randperm(len(patches), generator=torch.Generator().manual_seed(int(seed)))
    kept = patches[order[:held_out]]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        painter = PainterAgent(PainterNetwork(), agent, seed=seed)
    envs = PhotoCanvas(32, patches[order[held_out:]], unit=UNIT)
    history = train_dqn(
        painter, envs, lambda agent: patch_psnr(agent, kept), training, seed=seed, watch=watch
    )
    return painter, history


def patch_psnr(painter: PainterAgent, patches: Tensor, strokes: int = 30) -> float:
    """Return the PSNR in dB, of all patches together, after so many strokes on white paper."""
    # One step more than is taken: the episodes stay as they are.
    envs = PhotoCanvas(len(patches), patches, strokes + 1, in_order=True)
    observation, _ = envs.reset(seed=0)
    for _ in range(strokes):
        observation, *_ = envs.step(painter.act(observation))
    error = (envs.canvas - envs.target).square().mean()
    return -10 * error.clamp(min=1e-10).log10().item()
