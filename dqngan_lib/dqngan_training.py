"""The adversarial loop of a DQN-GAN: play, remember, judge, learn; and how to make pictures."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from gymnasium.vector import VectorEnv
from torch import Tensor, nn

from dqngan_lib.arguments import make_plain_numbers, require, whole
from dqngan_lib.dqn import linear_schedule
from dqngan_lib.dqngan import DQNGAN, Batch, draw_actions, reader
from dqngan_lib.resume import describe_network, load_run
from dqngan_lib.rollout import Rollout
from dqngan_lib.runtime import progress, save_checkpoint
from dqngan_lib.training import may_be_interrupted, set_learning_rate


class RoundReplay:
    """Remembers the last rounds of play; draws part of a batch from the newest.

    A round is all that was played between two updates. The fakes in memory come from the
    samplers of the last rounds, not from the present one alone: few rounds keep the two close.
    No reward is stored.

    Args:
        rounds: How many are remembered.
        newest_share: Share of a batch that comes from the newest round, from 0 to 1; the rest
            comes from all of them alike.
        seed: Seed of the draws.
    """

    def __init__(self, rounds: int = 10, newest_share: float = 0.5, seed: int = 0) -> None:
        whole("rounds", rounds, 1)
        require(0 <= newest_share <= 1, "newest_share", newest_share, "from 0 to 1")
        self.rounds, self.newest_share = rounds, newest_share
        self.random = torch.Generator().manual_seed(int(seed))
        self.added = 0
        self._store: Batch = {}

    def __len__(self) -> int:
        """The number of rounds in memory."""
        return min(self.added, self.rounds)

    def add(self, batch: Batch) -> None:
        """Remember a round, instead of the oldest one if memory is full.

        Raises:
            ValueError: Its fields or shapes differ from those of the rounds before.
        """
        if not self._store:
            self._store = {
                name: value.new_zeros(self.rounds, *value.shape) for name, value in batch.items()
            }
        for name, store in self._store.items():
            if set(batch) != set(self._store) or batch[name].shape != store.shape[1:]:
                raise ValueError(f"every round must have the shapes of the first; {name} differs")
            store[self.added % self.rounds] = batch[name]
        self.added += 1

    def sample(self, count: int) -> Batch:
        """Draw states, with replacement.

        Raises:
            ValueError: Nothing is in memory, or `count` is below 1.
        """
        whole("count", count, 1)
        require(self.added > 0, "memory", "nothing", "filled by `add` before `sample`")
        newest = round(self.newest_share * count)
        which = torch.randint(len(self), (count,), generator=self.random)
        which[:newest] = (self.added - 1) % self.rounds
        rows = next(iter(self._store.values())).shape[1]
        row = torch.randint(rows, (count,), generator=self.random)
        return {name: store[which, row] for name, store in self._store.items()}

    def state_dict(self) -> dict[str, Any]:
        """Return everything that `load_state_dict` needs to go on."""
        return {"store": self._store, "added": self.added, "random": self.random.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a state made by `state_dict`."""
        self._store = {name: value.clone() for name, value in state["store"].items()}
        self.added = state["added"]
        self.random.set_state(state["random"])


def play_episodes(agent: DQNGAN, rollout: Rollout) -> Batch:
    """Let the sampler play one whole episode on each canvas, for causal networks.

    Returns:
        `observation` and `action`, both int64 `(canvases, steps)`; see `dqngan.Batch`.
    """
    observation, read = rollout.start(), reader(agent.sampler)
    for length in range(1, observation.shape[1]):
        step = rollout.step(agent.act(observation[:, :length], read))
        observation = rollout.observation
    tokens = step.next_observation
    return {"observation": tokens[:, :-1], "action": tokens[:, 1:]}


def play_steps(agent: DQNGAN, rollout: Rollout, steps: int) -> Batch:
    """Let the sampler go on by some steps on each canvas.

    Returns:
        Single states, `canvases` · `steps` of them; see `dqngan.Batch`.
    """
    played = [rollout.step(agent.act(rollout.observation)) for _ in range(steps)]
    names = ("observation", "action", "next_observation", "terminated")
    return {name: torch.cat([getattr(step, name) for step in played]) for name in names}


def branch(agent: DQNGAN, real: Batch, fake: Batch, count: int) -> Batch:
    """Put the sampler's actions in real states in the place of the first `count` fakes.

    Where the sampler's own states look wrong, a discriminator can tell real from fake by the state
    alone, and learns nothing about the action. Here a real action and the sampler's stand in one
    state: only the action tells them apart. The best logit stays log p(a|s) − log q(a|s) plus
    a number for each s, which the `prefix` form drops; for other rewards this would be wrong.
    The Q-network still sees no real state.

    Args:
        agent: Who acts.
        real: Real steps, at least `count`.
        fake: The sampler's own steps, at least `count`.
        count: How many are replaced.

    Returns:
        `observation`, as many as in `fake`, and `action` unless `expected_fakes` needs none.
    """
    state = real["observation"][:count]
    mixed = {"observation": torch.cat([state, fake["observation"][count:]])}
    if not agent.settings.expected_fakes:
        mixed["action"] = torch.cat([agent.answer(state), fake["action"][count:]])
    return mixed


@torch.no_grad()
def generate(
    network: nn.Module,
    envs: VectorEnv,
    temperature: float = 1.0,
    labels: Tensor | None = None,
    seed: int = 0,
) -> Tensor:
    """Make one picture on each canvas, with actions drawn from softmax(Q/τ).

    Args:
        network: Mostly `agent.generator`, or `agent.sampler`.
        envs: Canvases of their own, as many as pictures are wanted.
        temperature: τ ≥ 0, apart from that of training; 0 takes the greatest Q-value.
        labels: Classes asked for, `(canvases,)`, for canvases that have classes; else the
            canvases draw them.
        seed: Seed of the actions and of the canvases.

    Returns:
        The last observation of each episode, `(canvases, …)`; the canvas shows it as a picture.
    """
    random = torch.Generator().manual_seed(int(seed))
    device = next(network.parameters()).device
    observation, _ = envs.reset(
        seed=int(seed), options=None if labels is None else {"labels": labels}
    )
    was_training = network.training
    network.eval()
    read = reader(network) if envs.whole_episodes else network
    for step in range(envs.max_steps):
        seen = observation[:, : step + 1] if envs.whole_episodes else observation
        values = read(seen.to(device)).cpu()
        values = values[..., -1] if values.dim() == 3 else values
        action = draw_actions(values, temperature, random)
        observation, _, _, _, info = envs.step(action)
    network.train(was_training)
    return info["final_obs"]


@dataclass
class DQNGANTrainSettings:
    """How long the two learn, and from how much at a time."""

    updates: int = 2_000
    """Rounds: play, one step of the discriminator, one of the Q-network."""
    batch_size: int = 64
    """Rows in each gradient step: real, as many fake, and in the Q-network's step fake only."""
    steps_per_round: int = 1
    """Steps of each canvas in a round; canvases with whole episodes play one episode instead."""
    replay_rounds: int = 10
    """Rounds that the replay remembers."""
    newest_share: float = 0.5
    """Share of a batch that comes from the newest round."""
    branch_share: float = 0.0
    """Share of the discriminator's fakes that are taken from `branch`, from 0 to 1."""
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
        fake = self.replay.sample(settings.batch_size)
        if settings.branch_share > 0:
            fake = branch(agent, real, fake, round(settings.branch_share * settings.batch_size))
        measured = agent.update_discriminator(real, fake)
        measured["q_loss"] = agent.update_q(self.replay.sample(settings.batch_size))
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
