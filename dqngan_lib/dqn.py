"""Deep Q-Networks (Mnih et al. 2015): the target, the agent, and the loop that trains it."""

import math
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict, dataclass, field, fields
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Literal

import torch
from gymnasium.vector import VectorEnv
from torch import Tensor, nn

from dqngan_lib.networks import as_input
from dqngan_lib.replay import Batch, PrioritizedReplayBuffer, ReplayBuffer
from dqngan_lib.rollout import Rollout
from dqngan_lib.runtime import load_checkpoint, progress, save_checkpoint

Backup = Literal["max", "double", "soft"]


def backup_value(
    next_q_values: Tensor,
    backup: Backup = "max",
    *,
    online_next_q_values: Tensor | None = None,
    temperature: float = 1.0,
) -> Tensor:
    """Return the value of the next observation, V(s′), from its Q-values.

    - `max`: the greatest Q-value (Mnih et al. 2015).
    - `double`: the Q-value of the action that the online network prefers (van Hasselt et al.
      2016, 1509.06461, equation 4).
    - `soft`: τ log Σₐ exp(Q/τ), which tends to the greatest Q-value as τ → 0 (Haarnoja et al.
      2017, 1702.08165, equation 3).

    Args:
        next_q_values: `(batch, actions)` or `(batch, actions, height, width)`, from the target
            network.
        backup: Which of the three.
        online_next_q_values: The same from the online network; for `double` alone.
        temperature: τ > 0; for `soft` alone.

    Returns:
        `(batch,)` or `(batch, height, width)`.

    Raises:
        ValueError: An unknown backup, a missing or needless argument, or a temperature ≤ 0.
    """
    if next_q_values.dim() < 2:
        raise ValueError(
            "next_q_values must be (batch, actions) or (batch, actions, height, width); got "
            f"{tuple(next_q_values.shape)}"
        )
    if online_next_q_values is not None and backup != "double":
        raise ValueError(f"online_next_q_values is for backup='double' alone; got {backup!r}")
    if backup == "double":
        if online_next_q_values is None or online_next_q_values.shape != next_q_values.shape:
            raise ValueError(
                "backup='double' needs online_next_q_values of the shape of next_q_values, "
                f"{tuple(next_q_values.shape)}"
            )
        action = online_next_q_values.argmax(1, keepdim=True)
        return next_q_values.gather(1, action).squeeze(1)
    if backup == "max":
        return next_q_values.max(1).values
    if backup == "soft":
        if not temperature > 0:
            raise ValueError(f"temperature must be > 0; got {temperature!r}")
        return temperature * torch.logsumexp(next_q_values / temperature, 1)
    raise ValueError(f"backup must be 'max', 'double' or 'soft'; got {backup!r}")


def td_target(
    reward: Tensor, terminated: Tensor, next_value: Tensor, discount: float | Tensor
) -> Tensor:
    """Return y = r + γ (1 − terminated) V(s′), the number that Q(s, a) is moved towards.

    Truncation is no argument here: an episode that was cut off is bootstrapped like any other.

    Args:
        reward: `(batch,)` or `(batch, height, width)`.
        terminated: bool `(batch,)`.
        next_value: V(s′), of the shape of `reward`; see `backup_value`.
        discount: γ in [0, 1], or γ^n as `(batch,)` where n rewards are summed.

    Raises:
        ValueError: A shape or a discount is not as described.
    """
    if next_value.shape != reward.shape or terminated.shape != reward.shape[:1]:
        raise ValueError(
            "reward and next_value must have one shape, and terminated one number a row; got "
            f"{tuple(reward.shape)}, {tuple(next_value.shape)} and {tuple(terminated.shape)}"
        )
    discount = torch.as_tensor(discount, dtype=next_value.dtype, device=next_value.device)
    if discount.dim() > 0 and discount.shape != terminated.shape:
        raise ValueError(
            f"discount must be one number, or one a row, {tuple(terminated.shape)}; got the shape "
            f"{tuple(discount.shape)}"
        )
    if not ((discount >= 0) & (discount <= 1)).all():
        raise ValueError(f"discount must be from 0 to 1; got {discount}")
    going_on = discount * ~terminated.bool()
    return reward + going_on.reshape(-1, *[1] * (reward.dim() - 1)) * next_value


def linear_schedule(step: int, start: float, end: float, steps: int) -> float:
    """Return a value that falls (or rises) in a straight line and then stays.

    Args:
        step: Now, from 0.
        start: The value at step 0.
        end: The value at `steps` and after.
        steps: How long the change takes; with 0 the value is `end` from the beginning.
    """
    return end if step >= steps else start + (end - start) * step / steps


@dataclass
class DQNSettings:
    """How an agent learns from a batch."""

    discount: float = 0.99
    """γ: what a reward one step later is worth now, from 0 to 1."""
    learning_rate: float = 1e-3
    """Step size of Adam at the start."""
    backup: Backup = "max"
    """How the next observation is valued; see `backup_value`."""
    temperature: float = 1.0
    """τ of the `soft` backup."""
    target_every: int = 1
    """Gradient steps between two updates of the target network."""
    target_rate: float = 0.05
    """How far the target network then moves to the online network; 1 copies it."""
    gradient_clip: float = 10.0
    """Greatest norm of the gradient."""
    huber_delta: float = float("inf")
    """TD errors up to this size are squared, larger ones count in proportion; inf squares all."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        _make_plain_numbers(self)
        _require(0 <= self.discount <= 1, "discount", self.discount, "from 0 to 1")
        _require(self.learning_rate > 0, "learning_rate", self.learning_rate, "> 0")
        _require(
            self.backup in ("max", "double", "soft"), "backup", self.backup, "max, double or soft"
        )
        _require(self.temperature > 0, "temperature", self.temperature, "> 0")
        _require(self.target_every >= 1, "target_every", self.target_every, ">= 1")
        _require(0 < self.target_rate <= 1, "target_rate", self.target_rate, "above 0, at most 1")
        _require(self.gradient_clip > 0, "gradient_clip", self.gradient_clip, "> 0")
        _require(self.huber_delta > 0, "huber_delta", self.huber_delta, "> 0")


def _require(holds: bool, name: str, value: object, allowed: str) -> None:
    """Raise an error that names the argument and what is allowed."""
    if not holds:
        raise ValueError(f"{name} must be {allowed}; got {value!r}")


def _make_plain_numbers(settings: object) -> None:
    """Turn NumPy's numbers into Python's, which any checkpoint can hold; refuse other things."""
    for item in fields(settings):
        if item.type not in (int, float):
            continue
        value, kind = getattr(settings, item.name), Integral if item.type is int else Real
        if isinstance(value, bool) or not isinstance(value, kind):
            allowed = "a whole number" if item.type is int else "a number"
            raise TypeError(f"{item.name} must be {allowed}; got {value!r}")
        setattr(settings, item.name, item.type(value))


class DQN:
    """An agent with two networks: one that learns, one that gives the targets.

    One agent acts in each environment when the network returns `(batch, actions)`; every pixel
    is an agent when it returns `(batch, actions, height, width)`.

    Args:
        q_network: From observations to Q-values.
        settings: How it learns.
        seed: Seed of the agent's own random generator, for ε-greedy actions.
    """

    def __init__(
        self, q_network: nn.Module, settings: DQNSettings | None = None, seed: int = 0
    ) -> None:
        self.settings = settings or DQNSettings()
        self.q_network = q_network
        self.target_network = deepcopy(q_network).requires_grad_(False)
        self.optimizer = torch.optim.Adam(
            q_network.parameters(), self.settings.learning_rate, fused=True
        )
        self.generator = torch.Generator().manual_seed(int(seed))
        self.updates = 0

    @torch.no_grad()
    def q_values(self, observation: Tensor) -> Tensor:
        """Return the online network's Q-values, without gradients."""
        return self.q_network(as_input(observation, self.q_network))

    def act(self, observation: Tensor, epsilon: float = 0.0) -> Tensor:
        """Return ε-greedy actions: random with probability ε, else of the greatest Q-value.

        Args:
            observation: `(batch, …)`.
            epsilon: ε from 0 to 1.

        Returns:
            int64 `(batch,)` or `(batch, height, width)`, on the CPU.

        Raises:
            ValueError: ε is out of its range.
        """
        _require(0 <= epsilon <= 1, "epsilon", epsilon, "from 0 to 1")
        q_values = self.q_values(observation).cpu()
        greedy = q_values.argmax(1)
        if epsilon == 0:
            return greedy
        anything = torch.randint(q_values.shape[1], greedy.shape, generator=self.generator)
        explore = torch.rand(greedy.shape, generator=self.generator) < epsilon
        return torch.where(explore, anything, greedy)

    def target(self, batch: Batch) -> Tensor:
        """Return the TD targets of a batch from `ReplayBuffer.sample`, without gradients."""
        with torch.no_grad():
            next_observation = as_input(batch["next_observation"], self.q_network)
            online = self.q_network(next_observation) if self.settings.backup == "double" else None
            next_value = backup_value(
                self.target_network(next_observation),
                self.settings.backup,
                online_next_q_values=online,
                temperature=self.settings.temperature,
            )
            device = next_value.device
            discount = self.settings.discount ** batch["steps"].to(device)
            return td_target(
                batch["reward"].to(device), batch["terminated"].to(device), next_value, discount
            )

    def update(self, batch: Batch) -> Tensor:
        """Take one gradient step on a batch from `ReplayBuffer.sample`.

        The loss is ½ (y − Q(s, a))², averaged over the batch, with the weights of the field
        `weight` where there is one. A finite `huber_delta` clips the error as Mnih et al. (2015)
        do; where Q-values are large that makes the rare failure count as little as a rounding.

        Returns:
            The TD errors before the step, `(batch,)` on the CPU; for pixels their mean.
        """
        observation = as_input(batch["observation"], self.q_network)
        action = batch["action"].to(observation.device)
        q_taken = self.q_network(observation).gather(1, action.unsqueeze(1)).squeeze(1)
        td_error = self.target(batch) - q_taken
        loss = nn.functional.huber_loss(
            td_error,
            torch.zeros_like(td_error),
            reduction="none",
            delta=self.settings.huber_delta,
        ).reshape(len(td_error), -1)
        if "weight" in batch:
            loss = loss * batch["weight"].to(loss.device).unsqueeze(1)
        self.optimizer.zero_grad()
        loss.mean().backward()
        nn.utils.clip_grad_norm_(self.q_network.parameters(), self.settings.gradient_clip)
        self.optimizer.step()
        self.updates += 1
        if self.updates % self.settings.target_every == 0:
            self.update_target(self.settings.target_rate)
        return td_error.detach().reshape(len(td_error), -1).mean(1).cpu()

    @torch.no_grad()
    def update_target(self, rate: float = 1.0) -> None:
        """Move the target network to the online network; a rate of 1 copies it."""
        online = self.q_network.state_dict()
        for name, value in self.target_network.state_dict().items():
            if value.dtype.is_floating_point:
                value.lerp_(online[name], rate)
            else:
                value.copy_(online[name])

    def state_dict(self) -> dict[str, Any]:
        """Return everything that `load_state_dict` needs to go on."""
        return {
            "q_network": self.q_network.state_dict(),
            "target_network": self.target_network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
            "updates": self.updates,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a state made by `state_dict`."""
        self.q_network.load_state_dict(state["q_network"])
        self.target_network.load_state_dict(state["target_network"])
        # A copy: unlike a network, an optimiser would go on in the tensors that it is given.
        self.optimizer.load_state_dict(deepcopy(state["optimizer"]))
        self.generator.set_state(state["generator"])
        self.updates = state["updates"]


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
        _make_plain_numbers(self)
        for name in ("steps", "capacity", "batch_size", "updates_per_step", "n_step"):
            _require(getattr(self, name) >= 1, name, getattr(self, name), ">= 1")
        for name in ("epsilon_start", "epsilon_end", "epsilon_fraction", "learning_rate_end"):
            _require(0 <= getattr(self, name) <= 1, name, getattr(self, name), "from 0 to 1")
        _require(
            0 <= self.priority_alpha <= 1, "priority_alpha", self.priority_alpha, "from 0 to 1"
        )
        _require(
            0 <= self.learn_after <= self.capacity,
            "learn_after",
            self.learn_after,
            f"from 0 to capacity={self.capacity}",
        )
        _require(
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
    try:
        while run.steps_done < settings.steps and run.history.best_score < settings.stop_score:
            run.train_piece(bar)
            run.finish_piece(evaluate(agent))
            bar.set_postfix(score=f"{run.history.score[-1]:.4g}")
            if watch is not None:
                watch(run.history)
    except KeyboardInterrupt:
        run.history.interrupted = True
    finally:
        bar.close()
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
        for group in self.agent.optimizer.param_groups:
            group["lr"] = rate

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
        weights = self.agent.q_network.state_dict()
        run = {
            "seed": self.seed,
            "environments": self.rollout.envs.num_envs,
            "network": ", ".join(f"{name} {tuple(value.shape)}" for name, value in weights.items()),
        }
        return run | asdict(self.settings) | asdict(self.agent.settings)

    def load(self) -> None:
        """Go on from the checkpoint."""
        state = load_checkpoint(self.checkpoint)
        if not isinstance(state, dict) or "belongs_to" not in state:
            raise ValueError(f"{self.checkpoint} is no checkpoint of train_dqn; use another path")
        saved, now = state["belongs_to"], self.belongs_to()
        other = {
            name: (saved.get(name), value)
            for name, value in now.items()
            if saved.get(name) != value
        }
        if other:
            raise ValueError(
                f"{self.checkpoint} belongs to another run: (saved, now) differ in {other}; "
                f"delete it to start afresh"
            )
        self.agent.load_state_dict(state["agent"])
        self.buffer.load_state_dict(state["buffer"])
        self.best, self.vector_steps = state["best"], state["vector_steps"]
        self.history = History(**state["history"])
        torch.set_rng_state(state["torch_generator"])
