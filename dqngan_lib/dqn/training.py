"""The loop that trains a DQN: act, remember, learn; `course.training` has the frame around it."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from gymnasium.vector import VectorEnv

from dqngan_lib.course.arguments import make_plain_numbers, require
from dqngan_lib.course.training import Run, describe_network, linear_schedule, set_learning_rate
from dqngan_lib.dqn.agent import DQN
from dqngan_lib.dqn.prioritized_replay import PrioritizedReplayBuffer
from dqngan_lib.dqn.replay import Batch, ReplayBuffer
from dqngan_lib.environments.rollout import Rollout, Transition


@dataclass
class TrainSettings:
    """How an agent gathers experience and how long it learns."""

    steps: int = 60_000
    """Environment steps, all environments together."""
    capacity: int = 50_000
    """Transitions the replay buffer holds."""
    batch_size: int = 256
    """Transitions in a gradient step."""
    learn_after: int = 1_000
    """Transitions in memory before the first gradient step."""
    updates_per_step: int = 1
    """Gradient steps for each step of all environments at once."""
    epsilon_start: float = 1.0
    """ε at the beginning."""
    epsilon_end: float = 0.05
    """ε at the end of its fall."""
    epsilon_fraction: float = 0.2
    """Share of the run in which ε falls, in a straight line."""
    learning_rate_end: float = 1.0
    """Learning rate at the end of the run, as a share of that at the start; in between a line."""
    n_step: int = 1
    """Rewards summed before the target bootstraps."""
    priority_alpha: float = 0.0
    """α of prioritised replay; 0 draws uniformly."""
    evaluate_every: int = 5_000
    """Environment steps between two evaluations; episodes that are running then are cut off."""
    stop_score: float = float("inf")
    """A score that is good enough: the run ends at the first evaluation that reaches it."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        make_plain_numbers(self)
        for name in ("steps", "capacity", "batch_size", "updates_per_step", "n_step"):
            require(getattr(self, name) >= 1, name, getattr(self, name), ">= 1")
        for name in ("epsilon_start", "epsilon_end", "epsilon_fraction", "learning_rate_end"):
            require(0 <= getattr(self, name) <= 1, name, getattr(self, name), "from 0 to 1")
        require(0 <= self.priority_alpha <= 1, "priority_alpha", self.priority_alpha, "from 0 to 1")
        after, most = self.learn_after, self.capacity
        require(0 <= after <= most, "learn_after", after, f"from 0 to capacity={most}")
        every, most = self.evaluate_every, self.steps
        require(1 <= every <= most, "evaluate_every", every, f"from 1 to steps={most}")


@dataclass
class History:
    """What was measured at each evaluation; the lists have one entry an evaluation."""

    step: list[int] = field(default_factory=list)
    """Environment steps so far."""
    score: list[float] = field(default_factory=list)
    """What `evaluate` returned."""
    td_error: list[float] = field(default_factory=list)
    """Mean |TD error| of the batches since the last evaluation; 0 before the first update."""
    q_value: list[float] = field(default_factory=list)
    """Mean greatest Q-value on the last batch since the last evaluation."""
    seconds: list[float] = field(default_factory=list)
    """Time spent on training so far, evaluations left out."""
    interrupted: bool = False
    """Whether somebody stopped the run before its end."""

    @property
    def best_score(self) -> float:
        """The greatest score so far, −∞ before the first evaluation."""
        return max((score for score in self.score if not math.isnan(score)), default=-math.inf)

    @property
    def steps_per_second(self) -> float:
        """Environment steps for each second of training."""
        return self.step[-1] / self.seconds[-1] if self.step and self.seconds[-1] > 0 else 0.0


def train_dqn(
    agent: DQN,
    envs: VectorEnv,
    evaluate: Callable[[DQN], float],
    settings: TrainSettings | None = None,
    *,
    seed: int = 0,
    checkpoint: str | Path | None = None,
    watch: Callable[[History], None] | None = None,
) -> History:
    """Train an agent; at the end it is the best that was evaluated, not the last.

    The run is cut into pieces of `evaluate_every` steps. Each starts new episodes from a seed of
    its own and ends with an evaluation and, if asked for, a checkpoint. So a run that goes on
    from a checkpoint is the same, bit for bit, as one that was never interrupted.

    Interrupting (the ■ button, Ctrl-C) is allowed at any time: the agent then holds the best
    weights so far, the cell says how far it came, and the history says `interrupted`.

    Args:
        agent: The agent; changed in place.
        envs: Any Gymnasium vector environment with discrete actions.
        evaluate: Returns the agent's score, the greater the better; use environments of its own.
        settings: See `TrainSettings`.
        seed: Seed of the episodes and of the replay buffer.
        checkpoint: File to save to after each evaluation and, if it exists, to go on from.
        watch: Called with the history after each evaluation, to draw a curve, say.

    Returns:
        The history of the run, including the pieces before a checkpoint.

    Raises:
        TypeError: `envs` is a single environment, or `evaluate` no function.
        ValueError: The checkpoint belongs to other settings, another network or another seed.
    """
    run = _DQNRun(agent, Rollout(envs), settings or TrainSettings(), seed, checkpoint)
    history = run.train(evaluate, watch)
    if run.best is not None:
        agent.update_target(1.0)
    return history


class _DQNRun(Run):
    """The rounds of `train_dqn`: one step of all environments, and some gradient steps."""

    made_by, label, unit, keep = "train_dqn", "DQN", "step", "highest"

    def __init__(
        self,
        agent: DQN,
        rollout: Rollout,
        settings: TrainSettings,
        seed: int,
        checkpoint: str | Path | None,
    ) -> None:
        super().__init__(agent, settings, History(), settings.steps, seed, checkpoint)
        self.agent, self.rollout, self.network = agent, rollout, agent.q_network
        self.stride = rollout.envs.num_envs
        self.buffer = (
            PrioritizedReplayBuffer(settings.capacity, self.seed, settings.priority_alpha)
            if settings.priority_alpha > 0
            else ReplayBuffer(settings.capacity, self.seed)
        )
        self.parts["buffer"] = self.buffer
        self.belongs_to |= {
            "environments": self.stride,
            "network": describe_network(agent.q_network),
        }

    def begin_piece(self) -> None:
        """Start new episodes, from a seed that no other piece has."""
        self.buffer.start_episodes()
        self.rollout.start(self.seed + 1_000_003 * (len(self.history.step) + 1))
        self.batch: Batch | None = None

    def round(self) -> None:
        """Act, remember and learn: the body of algorithm 1 of Mnih et al. (2013, 1312.5602)."""
        settings = self.settings
        # Act: in each environment at random with probability ε, else what Q says is best.
        fall = round(settings.epsilon_fraction * settings.steps)
        epsilon = linear_schedule(self.done, settings.epsilon_start, settings.epsilon_end, fall)
        action = self.agent.act(self.rollout.observation, epsilon)
        # Remember what happened: (s, a, r, s′) and whether it ended there.
        self.remember(self.rollout.step(action))
        # Learn from what is drawn at random, once there is enough.
        if len(self.buffer) >= max(settings.learn_after, 1):
            for _ in range(settings.updates_per_step):
                self.learn()

    def remember(self, step: Transition) -> None:
        """Store a transition of each environment, but not where one only reset itself."""
        rows = step.valid.nonzero().flatten()
        fields = {name: value[rows] for name, value in vars(step).items() if name != "valid"}
        if len(rows):
            self.buffer.add(stream=rows, **fields)

    def learn(self) -> None:
        """Draw a batch and take one gradient step, the smaller the later."""
        settings, buffer, start = self.settings, self.buffer, self.agent.settings.learning_rate
        rate = linear_schedule(self.done, start, start * settings.learning_rate_end, settings.steps)
        set_learning_rate(self.agent.optimizer, rate)
        prioritized = isinstance(buffer, PrioritizedReplayBuffer)
        if prioritized:
            # Schaul et al. 2016, section 3.4: β rises to 1 over the run.
            buffer.beta = linear_schedule(self.done, 0.4, 1.0, settings.steps)
        self.batch = buffer.sample(
            settings.batch_size, settings.n_step, self.agent.settings.discount
        )
        td_error = self.agent.update(self.batch)
        if prioritized:
            buffer.update_priorities(self.batch["index"], td_error)
        self.note(td_error=td_error.abs().mean())

    def finished(self) -> bool:
        """Tell whether the run is at its end, or good enough."""
        return super().finished() or self.history.best_score >= self.settings.stop_score

    def summary(self) -> dict[str, float]:
        """Add the mean greatest Q-value on the last batch, 0 before the first update."""
        measured = {"td_error": 0.0, "q_value": 0.0} | super().summary()
        if self.batch is not None:
            q_values = self.agent.q_values(self.batch["observation"])
            measured["q_value"] = q_values.max(1).values.mean().item()
        return measured
