"""The adversarial loop of a DQN-GAN: play, remember, judge, learn; `play` has the parts."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from gymnasium.vector import VectorEnv

from dqngan_lib.course.arguments import make_plain_numbers, require
from dqngan_lib.course.training import Run, describe_network, linear_schedule, set_learning_rate
from dqngan_lib.dqn.replay import Batch
from dqngan_lib.dqngan.agent import DQNGAN
from dqngan_lib.dqngan.play import RoundReplay, branch, play_episodes, play_steps
from dqngan_lib.environments.rollout import Rollout


@dataclass
class DQNGANTrainSettings:
    """How long the two learn, and from how much at a time."""

    updates: int = 2_000
    """Rounds: play, one step of the discriminator, one of the Q-network."""
    batch_size: int = 64
    """Rows in the discriminator's gradient step: so many real, and as many fake."""
    q_share: float = 1.0
    """Rows in the Q-network's gradient step, all of the sampler's own, as a share of these."""
    steps_per_round: int = 1
    """Steps of each canvas in a round; canvases with whole episodes play one episode instead."""
    play_every: int = 1
    """Rounds from one play to the next; in between the replay stays as it is."""
    replay_rounds: int = 10
    """Rounds of play that the replay remembers."""
    newest_share: float = 0.5
    """Share of a batch that comes from the newest round of play."""
    branch_share: float = 0.0
    """Share of the discriminator's fakes that are taken from `branch`, from 0 to 1.

    Branches take the places of the fakes from the newest round first: they are newer still.
    """
    learning_rate_end: float = 1.0
    """Both learning rates at the end, as a share of those at the start; in between a line."""
    evaluate_every: int = 500
    """Rounds between two evaluations."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        make_plain_numbers(self)
        for name in ("updates", "batch_size", "steps_per_round", "play_every", "replay_rounds"):
            require(getattr(self, name) >= 1, name, getattr(self, name), ">= 1")
        for name in ("newest_share", "branch_share", "learning_rate_end"):
            require(0 <= getattr(self, name) <= 1, name, getattr(self, name), "from 0 to 1")
        require(0 < self.q_share <= 1, "q_share", self.q_share, "above 0, at most 1")
        every, most = self.evaluate_every, self.updates
        require(1 <= every <= most, "evaluate_every", every, f"from 1 to updates={most}")


@dataclass
class DQNGANHistory:
    """What was measured at each evaluation; the lists have one entry an evaluation.

    All but `update`, `score` and `seconds` are means since the last evaluation.
    """

    update: list[int] = field(default_factory=list)
    """Rounds so far."""
    score: list[float] = field(default_factory=list)
    """What `evaluate` returned; NaN without one."""
    discriminator_loss: list[float] = field(default_factory=list)
    """The discriminator's loss; 2 ln 2 where it guesses."""
    real_logit: list[float] = field(default_factory=list)
    """The discriminator's logit after real actions."""
    fake_logit: list[float] = field(default_factory=list)
    """The discriminator's logit after the sampler's actions."""
    q_loss: list[float] = field(default_factory=list)
    """The Q-network's loss; see `DQNGAN.update_q`."""
    seconds: list[float] = field(default_factory=list)
    """Time spent on training so far, evaluations left out."""
    interrupted: bool = False
    """Whether somebody stopped the run before its end."""


def train_dqngan(
    agent: DQNGAN,
    envs: VectorEnv,
    real: Batch,
    *,
    evaluate: Callable[[DQNGAN], float] | None = None,
    settings: DQNGANTrainSettings | None = None,
    seed: int = 0,
    checkpoint: str | Path | None = None,
    watch: Callable[[DQNGANHistory], None] | None = None,
) -> DQNGANHistory:
    """Train a generator that builds pictures by actions against a discriminator.

    A round: the sampler plays; the discriminator learns to tell the real steps from those in the
    replay; the Q-network learns from steps in the replay, which are the sampler's own. No real
    picture ever reaches the Q-network.

    A run that goes on from a checkpoint is the same, bit for bit, as one that was never
    interrupted: after each evaluation the canvases start again from a seed of their own.
    Interrupting (the ■ button, Ctrl-C) is allowed at any time: the agent then holds what it has
    learnt so far, the cell says how far it came, and the history says `interrupted`.

    Args:
        agent: The networks; changed in place.
        envs: Canvases, with `whole_episodes` and `max_steps`.
        real: Real steps for the discriminator, in the form that the canvases have.
        evaluate: Returns a score for the agent, mostly from `generate`.
        settings: See `DQNGANTrainSettings`.
        seed: Seed of the canvases, the replay and the order of the real steps.
        checkpoint: File to save to after each evaluation and, if it exists, to go on from.
        watch: Called with the history after each evaluation, to draw a curve, say.

    Returns:
        The history of the run, including what came before a checkpoint.

    Raises:
        TypeError: `evaluate` is no function.
        ValueError: `real` has other fields, or the checkpoint belongs to another run.
    """
    settings = settings or DQNGANTrainSettings()
    lengths = {name: len(real.get(name, ())) for name in ("observation", "action")}
    if 0 in lengths.values() or len(set(lengths.values())) > 1:
        raise ValueError(
            f"real must hold observation and action, equally many, at least one; got {lengths}"
        )
    if settings.branch_share > 0 and agent.settings.reward != "prefix":
        raise ValueError(
            "branch_share > 0 is for the reward 'prefix' alone; got "
            f"reward={agent.settings.reward!r}"
        )
    run = _DQNGANRun(agent, Rollout(envs), real, settings, seed, checkpoint)
    return run.train(evaluate, watch)


class _DQNGANRun(Run):
    """The rounds of `train_dqngan`."""

    made_by, label, unit = "train_dqngan", "DQN-GAN", "update"

    def __init__(
        self,
        agent: DQNGAN,
        rollout: Rollout,
        real: Batch,
        settings: DQNGANTrainSettings,
        seed: int,
        checkpoint: str | Path | None,
    ) -> None:
        super().__init__(agent, settings, DQNGANHistory(), settings.updates, seed, checkpoint)
        self.agent, self.rollout, self.real = agent, rollout, real
        self.replay = RoundReplay(settings.replay_rounds, settings.newest_share, self.seed + 1)
        self.parts["replay"] = self.replay
        self.rng.manual_seed(self.seed + 2)
        self.belongs_to |= {
            "canvases": rollout.envs.num_envs,
            "real": len(real["action"]),
            "q_network": describe_network(agent.q_network),
            "discriminator": describe_network(agent.discriminator),
        }

    def begin_piece(self) -> None:
        """Start on new canvases, from a seed that no other piece has."""
        self.rollout.start(self.seed + 1_000_003 * (len(self.history.update) + 1))

    def round(self) -> None:
        """Play, remember, judge, learn."""
        settings, agent, replay = self.settings, self.agent, self.replay
        # Both step sizes fall in one line.
        share = linear_schedule(self.done, 1.0, settings.learning_rate_end, settings.updates)
        set_learning_rate(agent.q_optimizer, share * agent.settings.q_rate)
        set_learning_rate(agent.discriminator_optimizer, share * agent.settings.discriminator_rate)
        # Play: the sampler acts on each canvas. Remember its states and actions, no rewards.
        if self.done % settings.play_every == 0:
            if self.rollout.envs.whole_episodes:
                replay.add(play_episodes(agent, self.rollout))
            else:
                replay.add(play_steps(agent, self.rollout, settings.steps_per_round))
        # Judge: one step of D on real steps and on as many of the sampler's.
        rows = torch.randint(len(self.real["action"]), (settings.batch_size,), generator=self.rng)
        real = {name: self.real[name][rows] for name in ("observation", "action")}
        branches = round(settings.branch_share * settings.batch_size)
        fake = replay.sample(settings.batch_size)
        if agent.settings.expected_fakes:
            own = {"observation": fake["observation"][branches:]}
            measured = agent.update_discriminator(real, own, branches)
        else:
            if branches > 0:
                fake = branch(agent, real, fake, branches)
            measured = agent.update_discriminator(real, fake)
        # Learn: one step of Q on the sampler's own states, paid by D as it is now. Real states
        # never come here: D is the only teacher.
        learnt_from = replay.sample(max(1, round(settings.q_share * settings.batch_size)))
        self.note(**measured, q_loss=agent.update_q(learnt_from))
