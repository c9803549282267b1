"""What a DQN-GAN plays and remembers: rounds of its sampler, branches, finished pictures."""

from typing import Any

import torch
from gymnasium.vector import VectorEnv
from torch import Tensor, nn

from dqngan_lib.course.arguments import require, whole
from dqngan_lib.dqn.replay import Batch
from dqngan_lib.dqngan.agent import DQNGAN
from dqngan_lib.dqngan.sampler import draw_actions, reader
from dqngan_lib.environments.rollout import Rollout


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
        self.rng = torch.Generator().manual_seed(int(seed))
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
        which = torch.randint(len(self), (count,), generator=self.rng)
        which[:newest] = (self.added - 1) % self.rounds
        rows = next(iter(self._store.values())).shape[1]
        row = torch.randint(rows, (count,), generator=self.rng)
        return {name: store[which, row] for name, store in self._store.items()}

    def state_dict(self) -> dict[str, Any]:
        """Return everything that `load_state_dict` needs to go on."""
        return {"store": self._store, "added": self.added, "rng": self.rng.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a state made by `state_dict`."""
        self._store = {name: value.clone() for name, value in state["store"].items()}
        self.added = state["added"]
        self.rng.set_state(state["rng"])


def play_episodes(agent: DQNGAN, rollout: Rollout) -> Batch:
    """Let the sampler play one whole episode on each canvas, for causal networks.

    Returns:
        `observation` and `action`, both int64 `(canvases, steps)`; see `dqngan.agent`.
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
        Single states, `canvases` · `steps` of them; see `dqngan.agent`.
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
        `observation` and `action`, as many as in `fake`.
    """
    state = real["observation"][:count]
    return {
        "observation": torch.cat([state, fake["observation"][count:]]),
        "action": torch.cat([agent.answer(state), fake["action"][count:]]),
    }


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
        network: Mostly `agent.slow_network`, or `agent.sampler`.
        envs: Canvases of their own, as many as pictures are wanted.
        temperature: τ ≥ 0, apart from that of training; 0 takes the greatest Q-value.
        labels: Classes asked for, `(canvases,)`, for canvases that have classes; else the
            canvases draw them.
        seed: Seed of the actions and of the canvases.

    Returns:
        The last observation of each episode, `(canvases, …)`; the canvas shows it as a picture.
    """
    rng = torch.Generator().manual_seed(int(seed))
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
        action = draw_actions(values, temperature, rng)
        observation, _, _, _, info = envs.step(action)
    network.train(was_training)
    return info["final_obs"]
