"""The adversarial loop of a DQN-GAN: play, remember, judge, learn; `dqngan_play` has the parts."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from gymnasium.vector import VectorEnv
from torch import Tensor

from dqngan_lib.course.arguments import make_plain_numbers, require
from dqngan_lib.course.resume import describe_network, load_run
from dqngan_lib.course.runtime import progress, save_checkpoint
from dqngan_lib.course.training import may_be_interrupted, set_learning_rate
from dqngan_lib.dqn.agent import linear_schedule
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
    replay_rounds: int = 10
    """Rounds that the replay remembers."""
    newest_share: float = 0.5
    """Share of a batch that comes from the newest round."""
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
        for name in ("updates", "batch_size", "steps_per_round", "replay_rounds"):
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
    learnt so far, and the history says `interrupted`.

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
    if evaluate is not None and not callable(evaluate):
        raise TypeError(f"evaluate must be a function; got {type(evaluate).__name__}")
    run = _Run(agent, Rollout(envs), real, settings or DQNGANTrainSettings(), seed, checkpoint)
    bar = progress(total=run.settings.updates, label="DQN-GAN", start=run.done)
    with may_be_interrupted(run.history, bar):
        while run.done < run.settings.updates:
            run.train_piece(bar)
            run.finish_piece(evaluate)
            bar.set_postfix(score=f"{run.history.score[-1]:.4g}")
            if watch is not None:
                with torch.random.fork_rng(devices=[]):
                    watch(run.history)
    return run.history


class _Run:
    """The state of one training run: everything a checkpoint must hold."""

    def __init__(
        self,
        agent: DQNGAN,
        rollout: Rollout,
        real: Batch,
        settings: DQNGANTrainSettings,
        seed: int,
        checkpoint: str | Path | None,
    ) -> None:
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
        self.agent, self.rollout, self.real = agent, rollout, real
        self.settings, self.seed = settings, int(seed)
        self.checkpoint = Path(checkpoint) if checkpoint is not None else None
        self.history = DQNGANHistory()
        self.replay = RoundReplay(settings.replay_rounds, settings.newest_share, self.seed + 1)
        self.order = torch.Generator().manual_seed(self.seed + 2)
        self.done = 0
        if self.checkpoint is not None and self.checkpoint.is_file():
            self.load()

    def train_piece(self, bar: Any) -> None:
        """Play and learn until the next evaluation is due."""
        settings, start = self.settings, time.perf_counter()
        every = settings.evaluate_every
        goal = min((self.done // every + 1) * every, settings.updates)
        self.rollout.start(self.seed + 1_000_003 * (len(self.history.update) + 1))
        self.measured: dict[str, list[Tensor]] = {}
        while self.done < goal:
            self.learning_rates_fall()
            for name, value in self.round().items():
                self.measured.setdefault(name, []).append(value)
            self.done += 1
            bar.update()
        self.piece_seconds = time.perf_counter() - start

    def round(self) -> dict[str, Tensor]:
        """Play, then let the discriminator and the Q-network take one step each."""
        settings, agent = self.settings, self.agent
        if self.rollout.envs.whole_episodes:
            self.replay.add(play_episodes(agent, self.rollout))
        else:
            self.replay.add(play_steps(agent, self.rollout, settings.steps_per_round))
        chosen = torch.randint(
            len(self.real["action"]), (settings.batch_size,), generator=self.order
        )
        real = {name: self.real[name][chosen] for name in ("observation", "action")}
        branches = round(settings.branch_share * settings.batch_size)
        fake = self.replay.sample(settings.batch_size)
        if agent.settings.expected_fakes:
            own = {"observation": fake["observation"][branches:]}
            measured = agent.update_discriminator(real, own, branches)
        else:
            if branches > 0:
                fake = branch(agent, real, fake, branches)
            measured = agent.update_discriminator(real, fake)
        learnt_from = self.replay.sample(max(1, round(settings.q_share * settings.batch_size)))
        measured["q_loss"] = agent.update_q(learnt_from)
        return measured

    def learning_rates_fall(self) -> None:
        """Set both learning rates for the present round."""
        agent, settings = self.agent, self.settings
        share = linear_schedule(self.done, 1.0, settings.learning_rate_end, settings.updates)
        set_learning_rate(agent.q_optimizer, share * agent.settings.q_rate)
        set_learning_rate(agent.discriminator_optimizer, share * agent.settings.discriminator_rate)

    def finish_piece(self, evaluate: Callable[[DQNGAN], float] | None) -> None:
        """Write down an evaluation and save a checkpoint."""
        history = self.history
        with torch.random.fork_rng(devices=[]):
            score = float("nan") if evaluate is None else float(evaluate(self.agent))
        history.update.append(self.done)
        history.score.append(score)
        history.seconds.append(self.piece_seconds + (history.seconds or [0.0])[-1])
        for name, values in self.measured.items():
            getattr(history, name).append(torch.stack(values).mean().item())
        if self.checkpoint is not None:
            save_checkpoint(self.checkpoint, self.state_dict())

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the run, with the settings it belongs to."""
        return {
            "belongs_to": self.belongs_to(),
            "agent": self.agent.state_dict(),
            "replay": self.replay.state_dict(),
            "order": self.order.get_state(),
            "history": asdict(self.history),
            "done": self.done,
            "torch_generator": torch.get_rng_state(),
        }

    def belongs_to(self) -> dict[str, Any]:
        """Return what must be equal in the run that goes on from a checkpoint."""
        run = {
            "seed": self.seed,
            "canvases": self.rollout.envs.num_envs,
            "real": len(self.real["action"]),
            "q_network": describe_network(self.agent.q_network),
            "discriminator": describe_network(self.agent.discriminator),
        }
        return run | asdict(self.settings) | asdict(self.agent.settings)

    def load(self) -> None:
        """Go on from the checkpoint."""
        state = load_run(self.checkpoint, "train_dqngan", self.belongs_to())
        self.agent.load_state_dict(state["agent"])
        self.replay.load_state_dict(state["replay"])
        self.order.set_state(state["order"])
        self.history = DQNGANHistory(**state["history"])
        self.done = state["done"]
        torch.set_rng_state(state["torch_generator"])
