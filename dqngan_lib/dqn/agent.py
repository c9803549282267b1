"""Deep Q-Networks (Mnih et al. 2015): the target and the agent; `training` has the loop."""

from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from dqngan_lib.course.arguments import make_plain_numbers, require
from dqngan_lib.dqn.networks import as_input
from dqngan_lib.dqn.replay import Batch

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
    - `soft`: α log Σₐ exp(Q/α), which tends to the greatest Q-value as α → 0 (Haarnoja et al.
      2017, 1702.08165, theorem 1).

    Args:
        next_q_values: `(batch, actions)` or `(batch, actions, height, width)`, from the target
            network.
        backup: Which of the three.
        online_next_q_values: The same from the online network; for `double` alone.
        temperature: α > 0; for `soft` alone.

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
        # Q_target(s′, argmaxₐ Q_online(s′, a)): one network chooses, the other one values.
        action = online_next_q_values.argmax(1, keepdim=True)  # (batch, 1, …)
        return next_q_values.gather(1, action).squeeze(1)
    if backup == "max":
        return next_q_values.max(1).values  # maxₐ Q(s′, a), (batch, …)
    if backup == "soft":
        require(temperature > 0, "temperature", temperature, "> 0")
        # α log Σₐ exp(Q(s′, a) / α); logsumexp does not overflow.
        return temperature * torch.logsumexp(next_q_values / temperature, 1)
    raise ValueError(f"backup must be 'max', 'double' or 'soft'; got {backup!r}")


def td_target(
    reward: Tensor, terminated: Tensor, next_value: Tensor, discount: float | Tensor
) -> Tensor:
    """Return y = r + γ (1 − terminated) V(s′), which Q(s, a) is moved towards.

    That is yⱼ in algorithm 1 of Mnih et al. (2015), with V(s′) = maxₐ Q(s′, a). Truncation is no
    argument: an episode that was cut off is bootstrapped like any other.

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
    going_on = discount * ~terminated.bool()  # γ, but 0 where nothing follows: (batch,)
    # With pixels (batch, 1, 1): the end of an episode is the end for all of its pixels.
    return reward + going_on.reshape(-1, *[1] * (reward.dim() - 1)) * next_value


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
    """α of the `soft` backup."""
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
        make_plain_numbers(self)
        require(0 <= self.discount <= 1, "discount", self.discount, "from 0 to 1")
        require(self.learning_rate > 0, "learning_rate", self.learning_rate, "> 0")
        require(
            self.backup in ("max", "double", "soft"), "backup", self.backup, "max, double or soft"
        )
        require(self.temperature > 0, "temperature", self.temperature, "> 0")
        require(self.target_every >= 1, "target_every", self.target_every, ">= 1")
        require(0 < self.target_rate <= 1, "target_rate", self.target_rate, "above 0, at most 1")
        require(self.gradient_clip > 0, "gradient_clip", self.gradient_clip, "> 0")
        require(self.huber_delta > 0, "huber_delta", self.huber_delta, "> 0")


class DQN:
    """An agent with two networks: one that learns, one that gives the targets.

    One agent acts in each environment when the network returns `(batch, actions)`; every pixel
    is an agent when it returns `(batch, actions, height, width)`.

    Args:
        q_network: From observations to Q-values.
        settings: How it learns.
        seed: Seed of the agent's own random numbers, for ε-greedy actions.
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
        self.rng = torch.Generator().manual_seed(int(seed))
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
        require(0 <= epsilon <= 1, "epsilon", epsilon, "from 0 to 1")
        q_values = self.q_values(observation).cpu()
        greedy = q_values.argmax(1)
        if epsilon == 0:
            return greedy
        # With probability ε any action, the greedy one among them; each pixel decides for itself.
        anything = torch.randint(q_values.shape[1], greedy.shape, generator=self.rng)
        explore = torch.rand(greedy.shape, generator=self.rng) < epsilon
        return torch.where(explore, anything, greedy)

    def target(self, batch: Batch) -> Tensor:
        """Return the TD targets of a batch from `ReplayBuffer.sample`, without gradients."""
        settings = self.settings
        with torch.no_grad():
            next_observation = as_input(batch["next_observation"], self.q_network)
            online = self.q_network(next_observation) if settings.backup == "double" else None
            # V(s′) from the target network, which moves slowly: a target that Q does not chase.
            next_value = backup_value(
                self.target_network(next_observation),
                settings.backup,
                online_next_q_values=online,
                temperature=settings.temperature,
            )
            reward, terminated, steps = (
                batch[name].to(next_value.device) for name in ("reward", "terminated", "steps")
            )
            # γⁿ where n rewards were summed (Sutton & Barto 2018, equation 7.1).
            return td_target(reward, terminated, next_value, settings.discount**steps)

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
        # Q(s, a) of the actions taken: (batch, actions, …) → (batch, …).
        q_taken = self.q_network(observation).gather(1, action.unsqueeze(1)).squeeze(1)
        td_error = self.target(batch) - q_taken  # δ = y − Q(s, a)
        loss = nn.functional.huber_loss(
            td_error,
            torch.zeros_like(td_error),
            reduction="none",
            delta=self.settings.huber_delta,
        ).reshape(len(td_error), -1)
        if "weight" in batch:  # prioritised replay: wᵢ takes back the bias of the drawing
            loss = loss * batch["weight"].to(loss.device).unsqueeze(1)
        self.optimizer.zero_grad()
        loss.mean().backward()
        nn.utils.clip_grad_norm_(self.q_network.parameters(), self.settings.gradient_clip)
        self.optimizer.step()
        self.updates += 1
        # Every so often the target network follows: θ⁻ ← θ⁻ + rate · (θ − θ⁻).
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
            "rng": self.rng.get_state(),
            "updates": self.updates,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a state made by `state_dict`."""
        self.q_network.load_state_dict(state["q_network"])
        self.target_network.load_state_dict(state["target_network"])
        # A copy: unlike a network, an optimiser would go on in the tensors that it is given.
        self.optimizer.load_state_dict(deepcopy(state["optimizer"]))
        self.rng.set_state(state["rng"])
        self.updates = state["updates"]
