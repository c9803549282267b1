"""The loop that trains a DQN: act, remember, learn, evaluate; interrupted and resumed at will."""

import math
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
from dqngan_lib.dqn.agent import DQN, linear_schedule
from dqngan_lib.dqn.replay import Batch, PrioritizedReplayBuffer, ReplayBuffer
from dqngan_lib.environments.rollout import Rollout


@dataclass
class TrainSettings:
    """How an agent gathers experience and how long it learns."""

    steps: int = 60_000
    """Environment steps, all environments together."""
    capacity: int = 50_000
    """Transitions the replay memory holds."""
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
        require(
            0 <= self.learn_after <= self.capacity,
            "learn_after",
            self.learn_after,
            f"from 0 to capacity={self.capacity}",
        )
        require(
            1 <= self.evaluate_every <= self.steps,
            "evaluate_every",
            self.evaluate_every,
            f"from 1 to steps={self.steps}",
        )


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
    weights so far, and the history says `interrupted`.

    Args:
        agent: The agent; changed in place.
        envs: Any Gymnasium vector environment with discrete actions.
        evaluate: Returns the agent's score, the greater the better; use environments of its own.
        settings: See `TrainSettings`.
        seed: Seed of the episodes and of the replay memory.
        checkpoint: File to save to after each evaluation and, if it exists, to go on from.
        watch: Called with the history after each evaluation, to draw a curve, say.

    Returns:
        The history of the run, including the pieces before a checkpoint.

    Raises:
        TypeError: `envs` is a single environment, or `evaluate` no function.
        ValueError: The checkpoint belongs to other settings, another network or another seed.
    """
    if not callable(evaluate):
        raise TypeError(f"evaluate must be a function; got {type(evaluate).__name__}")
    settings = settings or TrainSettings()
    run = _Run(agent, Rollout(envs), settings, seed, checkpoint)
    bar = progress(total=settings.steps, label="DQN", start=run.steps_done)
    with may_be_interrupted(run.history, bar):
        while run.steps_done < settings.steps and run.history.best_score < settings.stop_score:
            run.train_piece(bar)
            run.finish_piece(evaluate(agent))
            bar.set_postfix(score=f"{run.history.score[-1]:.4g}")
            if watch is not None:
                watch(run.history)
        bar.total = bar.n  # else a run that was good enough early ends in a red bar
    run.restore_best()
    return run.history


class _Run:
    """The state of one training run: everything a checkpoint must hold."""

    def __init__(
        self,
        agent: DQN,
        rollout: Rollout,
        settings: TrainSettings,
        seed: int,
        checkpoint: str | Path | None,
    ) -> None:
        self.agent, self.rollout, self.settings, self.seed = agent, rollout, settings, int(seed)
        self.checkpoint = Path(checkpoint) if checkpoint is not None else None
        self.history = History()
        self.best: dict[str, Any] | None = None
        self.vector_steps = 0
        self.buffer = (
            PrioritizedReplayBuffer(settings.capacity, self.seed, settings.priority_alpha)
            if settings.priority_alpha > 0
            else ReplayBuffer(settings.capacity, self.seed)
        )
        if self.checkpoint is not None and self.checkpoint.is_file():
            self.load()

    @property
    def steps_done(self) -> int:
        """Environment steps so far."""
        return self.vector_steps * self.rollout.envs.num_envs

    def train_piece(self, bar: Any) -> None:
        """Act, remember and learn until the next evaluation is due."""
        settings, agent, start = self.settings, self.agent, time.perf_counter()
        piece = len(self.history.step)
        next_evaluation = (self.steps_done // settings.evaluate_every + 1) * settings.evaluate_every
        goal = min(next_evaluation, settings.steps)
        self.buffer.start_episodes()
        observation = self.rollout.start(self.seed + 1_000_003 * (piece + 1))
        self.errors: list[Tensor] = []
        self.batch: Batch | None = None
        while self.steps_done < goal:
            self.learning_rate_falls()
            epsilon = linear_schedule(
                self.steps_done,
                settings.epsilon_start,
                settings.epsilon_end,
                round(settings.epsilon_fraction * settings.steps),
            )
            self.remember(agent.act(observation, epsilon))
            observation = self.rollout.observation
            if len(self.buffer) >= max(settings.learn_after, 1):
                for _ in range(settings.updates_per_step):
                    self.learn()
            self.vector_steps += 1
            bar.update(self.rollout.envs.num_envs)
        self.piece_seconds = time.perf_counter() - start

    def remember(self, action: Tensor) -> None:
        """Take one step in every environment and store what happened."""
        step = self.rollout.step(action)
        valid = step.valid.nonzero().flatten()
        if len(valid) == 0:
            return
        self.buffer.add(
            stream=valid,
            observation=step.observation[valid],
            action=step.action[valid],
            reward=step.reward[valid],
            terminated=step.terminated[valid],
            truncated=step.truncated[valid],
            next_observation=step.next_observation[valid],
        )

    def learn(self) -> None:
        """Draw a batch and take one gradient step."""
        settings = self.settings
        if isinstance(self.buffer, PrioritizedReplayBuffer):
            # Schaul et al. 2016, section 3.4: beta rises to 1 over the run.
            self.buffer.beta = linear_schedule(self.steps_done, 0.4, 1.0, settings.steps)
        batch = self.buffer.sample(
            settings.batch_size, settings.n_step, self.agent.settings.discount
        )
        td_error = self.agent.update(batch)
        if isinstance(self.buffer, PrioritizedReplayBuffer):
            self.buffer.update_priorities(batch["index"], td_error)
        self.errors.append(td_error.abs().mean())
        self.batch = batch

    def learning_rate_falls(self) -> None:
        """Set the learning rate for the present step."""
        start = self.agent.settings.learning_rate
        end = start * self.settings.learning_rate_end
        rate = linear_schedule(self.steps_done, start, end, self.settings.steps)
        set_learning_rate(self.agent.optimizer, rate)

    def finish_piece(self, score: float) -> None:
        """Write down an evaluation, keep the best weights, save a checkpoint."""
        history, weights = self.history, self.agent.q_network.state_dict()
        if float(score) > history.best_score:
            self.best = {name: value.detach().clone() for name, value in weights.items()}
        q_value = 0.0
        if self.batch is not None:
            q_value = self.agent.q_values(self.batch["observation"]).max(1).values.mean().item()
        measured = {
            "step": self.steps_done,
            "score": float(score),
            "td_error": torch.stack(self.errors).mean().item() if self.errors else 0.0,
            "q_value": q_value,
            "seconds": self.piece_seconds + (history.seconds or [0.0])[-1],
        }
        for name, value in measured.items():
            getattr(history, name).append(value)
        if self.checkpoint is not None:
            save_checkpoint(self.checkpoint, self.state_dict())

    def restore_best(self) -> None:
        """Give the agent the weights of its best evaluation."""
        if self.best is not None:
            self.agent.q_network.load_state_dict(self.best)
            self.agent.update_target(1.0)

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the run, with the settings it belongs to."""
        return {
            "belongs_to": self.belongs_to(),
            "agent": self.agent.state_dict(),
            "buffer": self.buffer.state_dict(),
            "best": self.best,
            "history": asdict(self.history),
            "vector_steps": self.vector_steps,
            "torch_generator": torch.get_rng_state(),
        }

    def belongs_to(self) -> dict[str, Any]:
        """Return what must be equal in the run that goes on from a checkpoint."""
        run = {
            "seed": self.seed,
            "environments": self.rollout.envs.num_envs,
            "network": describe_network(self.agent.q_network),
        }
        return run | asdict(self.settings) | asdict(self.agent.settings)

    def load(self) -> None:
        """Go on from the checkpoint."""
        state = load_run(self.checkpoint, "train_dqn", self.belongs_to())
        self.agent.load_state_dict(state["agent"])
        self.buffer.load_state_dict(state["buffer"])
        self.best, self.vector_steps = state["best"], state["vector_steps"]
        self.history = History(**state["history"])
        torch.set_rng_state(state["torch_generator"])
