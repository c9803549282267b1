"""A GAN whose generator is a Deep Q-Network: it builds pictures by actions, step by step.

The generator's only teacher is the discriminator. `rewards` says what it pays and where that
leads, `play` plays, `training` has the loop.
"""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import kl_div, log_softmax, softplus

from dqngan_lib.course.arguments import require
from dqngan_lib.dqn.agent import backup_value, td_target
from dqngan_lib.dqn.replay import Batch
from dqngan_lib.dqngan.rewards import policy_target, reward
from dqngan_lib.dqngan.sampler import draw_actions, log_policy, move_average
from dqngan_lib.dqngan.settings import DQNGANSettings
from dqngan_lib.gan.losses import discriminator_loss


class DQNGAN:
    """A Q-network, its two running means, and a discriminator that sees states and actions.

    Both networks map observations to one number for each next action, `(n, actions)`, or, for
    whole episodes, `(n, actions, steps)`. The Q-network's numbers are values. The
    discriminator's logits judge the state *after* each action: real or made by the sampler.

    - `q_network` learns.
    - `sampler` is the target network: it plays the episodes, and it is the q whose log q stands in
      the targets. That is exact if the discriminator's fakes come from it alone, with its ε.
      A replay of older rounds mixes in older samplers; with the memory of 0.95 and ten rounds
      they differ little, and notebook 08 shows what happens when they differ much.
    - `slow_network` is a slower mean for whoever wants pictures.

    A batch holds states with the actions taken in them, in one of two forms. Single states:
    `observation` `(n, …)`, `action` int64 `(n,)`, and where a TD target needs them
    `next_observation` `(n, …)` and `terminated` bool `(n,)`. Whole episodes, for causal networks:
    `observation` int64 `(n, steps)`, a start token and all tokens but the last, and `action` int64
    `(n, steps)`; the state after position t is position t + 1.

    Args:
        q_network: From observations to Q-values.
        discriminator: From observations to logits (or a critic's numbers) of the same shape.
        settings: How they learn.
        seed: Seed of the sampler's actions.
    """

    def __init__(
        self,
        q_network: nn.Module,
        discriminator: nn.Module,
        settings: DQNGANSettings | None = None,
        seed: int = 0,
    ) -> None:
        self.settings = settings = settings or DQNGANSettings()
        self.q_network, self.discriminator = q_network, discriminator
        self.sampler = deepcopy(q_network).requires_grad_(False).eval()
        self.slow_network = deepcopy(q_network).requires_grad_(False).eval()
        self.q_optimizer = torch.optim.Adam(
            q_network.parameters(), settings.q_rate, betas=(0.9, 0.99), fused=True
        )
        self.discriminator_optimizer = torch.optim.Adam(
            discriminator.parameters(), settings.discriminator_rate, betas=(0.5, 0.99), fused=True
        )
        self.rng = torch.Generator().manual_seed(int(seed))
        self.updates = 0

    @property
    def device(self) -> torch.device:
        """Where the networks compute."""
        return next(self.q_network.parameters()).device

    @torch.no_grad()
    def log_q(self, observation: Tensor) -> Tensor:
        """Return log q(a|s) of every action of the sampler, with its ε, `(n, actions, …)`.

        Raises:
            ValueError: The sampler is greedy.
        """
        if self.settings.greedy:
            raise ValueError("a greedy sampler gives one action everything: it has no log q")
        values = self.sampler(observation.to(self.device))
        return log_policy(values, self.settings.temperature, self.settings.epsilon)

    @torch.no_grad()
    def act(self, observation: Tensor, read: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        """Return the sampler's next actions, int64 `(n,)` on the CPU.

        Args:
            observation: `(n, …)`; tokens `(n, 1 + t)` for a causal network.
            read: The sampler with a memory, from `reader`, for prefixes that grow.
        """
        values = (read or self.sampler)(observation.to(self.device)).cpu()
        return self._draw(values[..., -1] if values.dim() == 3 else values)

    @torch.no_grad()
    def answer(self, observation: Tensor) -> Tensor:
        """Return one action of the sampler in every state given, of the shape of `action`.

        Args:
            observation: As in a batch: single states `(n, …)`, or episodes `(n, steps)`, where
                each position is a state.
        """
        values = self.sampler(observation.to(self.device)).cpu()
        rows = values.movedim(1, -1)  # (n, actions) or (n, steps, actions)
        return self._draw(rows.flatten(0, -2)).view(rows.shape[:-1])

    def _draw(self, values: Tensor) -> Tensor:
        """Draw the sampler's action from each row of Q-values `(n, actions)`."""
        temperature = 0 if self.settings.greedy else self.settings.temperature
        return draw_actions(values, temperature, self.rng, self.settings.epsilon)

    def update_discriminator(
        self, real: Batch, fake: Batch, branches: int = 0
    ) -> dict[str, Tensor]:
        """Take one gradient step on real and fake steps, each judged after its action.

        With `expected_fakes` the loss of a fake state is its mean over all actions, each with the
        probability q(a|s) that the present sampler gives it: the same loss on average, without
        the luck of the draw, and every action's logit learns. `fake` then needs no `action`, and
        a branch (see `play.branch`) needs no look of its own: the logits of a real state are those
        of the real action and of all that the sampler might do there.

        Args:
            real: Real steps.
            fake: The sampler's steps.
            branches: In how many of the real states the sampler's actions are judged as well;
                for `expected_fakes` alone, at most as many as there are real states.

        Returns:
            Means over the batch, without gradients: the loss and both logits.

        Raises:
            ValueError: `branches` is out of its range, or asked for with drawn fakes.
        """
        most = len(real["observation"]) if self.settings.expected_fakes else 0
        require(0 <= branches <= most, "branches", branches, f"from 0 to {most}")
        states = torch.cat([real["observation"], fake["observation"]]).to(self.device)
        sizes = [len(real["observation"]), len(fake["observation"])]
        # f(s, ·), (n, actions) or (n, actions, steps); `_taken` picks f(s, a), shaped like `action`
        real_values, fake_values = self.discriminator(states).split(sizes)
        real_logits = _taken(real_values, real["action"])
        if self.settings.expected_fakes:
            # E[ς(−f(s, a))] over real steps + E_s[Σₐ q(a|s) ς(f(s, a))], with ς = softplus
            fake_values = torch.cat([real_values[:branches], fake_values])
            q = self.log_q(torch.cat([states[:branches], states[sizes[0] :]])).exp()
            fake_logits = (q * fake_values).sum(1)
            loss = softplus(-real_logits).mean() + (q * softplus(fake_values)).sum(1).mean()
        else:
            # The losses of notebook 04: each step is a sample, at every prefix of an episode.
            fake_logits = _taken(fake_values, fake["action"])
            kind = "wasserstein" if self.settings.reward == "wasserstein" else "non-saturating"
            loss = discriminator_loss(real_logits.flatten(), fake_logits.flatten(), kind)
        self.discriminator_optimizer.zero_grad()
        loss.backward()
        self.discriminator_optimizer.step()
        return {
            "discriminator_loss": loss.detach(),
            "real_logit": real_logits.detach().mean(),
            "fake_logit": fake_logits.detach().mean(),
        }

    def update_q(self, batch: Batch) -> Tensor:
        """Take one gradient step of the Q-network on states of the sampler's episodes.

        Rewards are computed here, from the states, by the discriminator as it is now: a reward
        that was stored would be the opinion of a discriminator long gone.

        Returns:
            The loss before the step, without gradient: KL(target ‖ policy) for the `prefix` form,
            else half the squared TD error.
        """
        settings = self.settings
        observation = batch["observation"].to(self.device)
        f = self.opinion(batch)
        q_values = self.q_network(observation)
        if settings.reward == "prefix":
            # KL(p̂ ‖ π) = Σₐ p̂(a|s) (log p̂(a|s) − log π(a|s)): every action's Q learns at once.
            target = policy_target(self.log_q(observation), f, settings.clip)
            policy = log_softmax(q_values / settings.temperature, 1)
            loss = kl_div(policy, target, log_target=True, reduction="none").sum(1).mean()
        else:
            # ½ (y − Q(s, a))², of the action taken alone
            loss = 0.5 * (self.target(batch, f) - _taken(q_values, batch["action"])).square().mean()
        self.q_optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.q_network.parameters(), settings.gradient_clip)
        self.q_optimizer.step()
        self.updates += 1
        move_average(self.sampler, self.q_network, settings.sampler_memory)
        # A short memory at first, so that the slow mean forgets the untrained network.
        memory = min(settings.slow_memory, (1 + self.updates) / (10 + self.updates))
        move_average(self.slow_network, self.q_network, memory)
        return loss.detach()

    @torch.no_grad()
    def opinion(self, batch: Batch) -> Tensor:
        """Return what the discriminator says of every action in these states, `(n, actions, …)`."""
        self.discriminator.eval()
        f = self.discriminator(batch["observation"].to(self.device))
        self.discriminator.train()
        return f

    @torch.no_grad()
    def target(self, batch: Batch, f: Tensor) -> Tensor:
        """Return y = r + γ (1 − terminated) V(s′) of the actions taken, of the shape of `action`.

        Args:
            batch: States and actions; single states with what came after.
            f: The discriminator's logits in these states, for all actions.
        """
        settings, action = self.settings, batch["action"]
        observation = batch["observation"].to(self.device)
        # V(s′) from the sampler, which is the target network.
        if "next_observation" in batch:
            next_value = self.value(self.sampler(batch["next_observation"].to(self.device)))
            terminated = batch["terminated"].to(self.device)
        else:  # whole episodes, (n, steps): what follows a position is the next position
            value = self.value(self.sampler(observation))
            next_value = torch.cat([value[:, 1:], torch.zeros_like(value[:, :1])], 1)
            terminated = torch.zeros_like(next_value, dtype=torch.bool)
            terminated[:, -1] = True
        log_q = None if settings.greedy else self.log_q(observation)
        form = "logit" if settings.reward == "logit + log q" else settings.reward
        if settings.every_step:
            # log p(a|s)/q(a|s) = f(s, a) − log Σ_b q(b|s) e^f(s, b): the prefix's own logit, a
            # potential, is taken off (Ng et al. 1999).
            paid = _taken(f, action) - (log_q + f).logsumexp(1)
        else:
            paid = terminated * reward(form, _taken(f, action))  # R(x), at the end alone
        if settings.reward == "logit + log q":
            own = _taken(log_q, action)
            if own.dim() == 2 and not settings.every_step:
                # All of log q(x) at the end, beside the logit: log p(x), whatever q is. Paid step
                # by step the sum is the same, but each part moves with q, and values chase it.
                own = terminated * own.sum(1, keepdim=True)
            paid = paid + own
        flat = [part.flatten() for part in (paid, terminated, next_value)]
        return td_target(*flat, settings.discount).view_as(next_value)

    def value(self, q_values: Tensor) -> Tensor:
        """Return V(s) from Q-values: α log Σₐ e^{Q/α}, or the greatest if greedy."""
        if self.settings.greedy:
            return backup_value(q_values, "max")
        return backup_value(q_values, "soft", temperature=self.settings.temperature)

    def state_dict(self) -> dict[str, Any]:
        """Return everything that `load_state_dict` needs to go on."""
        parts = {name: getattr(self, name).state_dict() for name in self._PARTS}
        return parts | {"rng": self.rng.get_state(), "updates": self.updates}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a state made by `state_dict`."""
        for name in self._PARTS:
            # A copy: unlike a network, an optimiser would go on in the tensors that it is given.
            getattr(self, name).load_state_dict(deepcopy(state[name]))
        self.rng.set_state(state["rng"])
        self.updates = state["updates"]

    _PARTS = (
        "q_network",
        "sampler",
        "slow_network",
        "discriminator",
        "q_optimizer",
        "discriminator_optimizer",
    )


def _taken(values: Tensor, action: Tensor) -> Tensor:
    """Return the number of the action taken, from one for each action in dimension 1."""
    return values.gather(1, action.to(values.device).unsqueeze(1)).squeeze(1)
