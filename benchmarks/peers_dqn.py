"""DQN beside Stable-Baselines3's DQN: CPU time to the bar, steps a second, share of seeds solved.

`pip install stable-baselines3`, then `python benchmarks/peers_dqn.py`. It takes an hour of one
core for ten seeds. `--seeds 3` measures one seed (run ten such commands side by side, each with
an `--out` of its own), `--report FILE …` puts such files together and prints the table.

Two worlds: CartPole-v1, and `Catch` from pixels. Three sides: `ours` as notebooks 02 and 03 teach
it; Stable-Baselines3 with `published` settings; Stable-Baselines3 with `equal` settings, ours as
far as it has them: its loss is Huber's, which clips errors at 1, and ours squares them all.

One referee judges all: every 1,000 steps the greedy policy plays 50 episodes of CartPole (500 of
Catch), the same ones every time; the best network is kept. A run ends when it has reached
`Task.stop`, or at the end of its budget. Then the best network plays fresh episodes, and the seed
is solved if they reach `Task.bar`. Time is the CPU time of this process, evaluations included,
until an evaluation first reached the bar. Both sides use one thread, and take turns; each runs
a little before anything is measured, because whoever is first pays for what torch sets up.
"""

import math
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium.vector import VectorEnv
from stable_baselines3 import DQN as PeerDQN
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.vec_env import VecEnv
from tables import Row, conditions, measure, spread
from torch import Tensor, nn

from dqngan_lib.dqn.agent import DQN, DQNSettings
from dqngan_lib.dqn.networks import ConvolutionalQNetwork, QNetwork
from dqngan_lib.dqn.training import TrainSettings, train_dqn
from dqngan_lib.environments.catch import Catch
from dqngan_lib.environments.rollout import Policy, play

EVALUATE_EVERY = 1_000
"""Environment steps between two evaluations, on every side."""

SCALE = (2.4, 2.0, 0.21, 2.0)
"""What CartPole's numbers are divided by in notebook 02."""


@dataclass(frozen=True)
class Task:
    """A world, how ours learns it, and what counts as solved."""

    worlds: Callable[[int], VectorEnv]
    """Makes so many environments."""
    network: Callable[[], nn.Module]
    """Our Q-network."""
    agent: DQNSettings
    train: TrainSettings
    score: Callable[[Tensor], Tensor]
    """From the return of an episode to what is averaged."""
    bar: float
    """The mean that must be reached."""
    stop: float
    """The mean at which a run ends: with a margin, since what reaches the bar may be lucky."""
    episodes: tuple[int, int]
    """Episodes of an evaluation, and fresh ones at the end."""
    published: dict[str, Any]
    """Settings that Stable-Baselines3's authors publish."""
    published_steps: int


def cartpole(number: int) -> VectorEnv:
    """Return CartPole-v1 as Gymnasium computes it fastest: all poles in one array."""
    return gymnasium.make_vec(
        "CartPole-v1", num_envs=number, vectorization_mode="vector_entry_point"
    )


TASKS = {
    "CartPole": Task(
        worlds=cartpole,
        network=lambda: QNetwork(4, 2, scale=SCALE),
        agent=DQNSettings(discount=0.99, learning_rate=2e-3, target_every=10, target_rate=1.0),
        train=TrainSettings(steps=40_000, learn_after=500, evaluate_every=EVALUATE_EVERY),
        score=lambda returns: returns,
        bar=475,
        stop=495,
        episodes=(50, 100),
        # hyperparams/dqn.yml of RL Baselines3 Zoo, CartPole-v1.
        published={
            "policy": "MlpPolicy",
            "learning_rate": 2.3e-3,
            "batch_size": 64,
            "buffer_size": 100_000,
            "learning_starts": 1_000,
            "gamma": 0.99,
            "target_update_interval": 10,
            "train_freq": 256,
            "gradient_steps": 128,
            "exploration_fraction": 0.16,
            "exploration_final_eps": 0.04,
            "policy_kwargs": {"net_arch": [256, 256]},
        },
        published_steps=50_000,
    ),
    "Catch": Task(
        worlds=Catch,
        network=lambda: ConvolutionalQNetwork(channels=2, side=10, actions=3),
        agent=DQNSettings(learning_rate=2e-3),
        train=TrainSettings(
            steps=16_000,
            capacity=16_000,
            batch_size=64,
            updates_per_step=2,
            learning_rate_end=0.1,
            evaluate_every=EVALUATE_EVERY,
        ),
        score=lambda returns: (returns > 0).float(),
        bar=0.99,
        stop=0.998,
        episodes=(500, 2_000),
        # The zoo has no settings for so small a screen, and the convolutions of its "CnnPolicy"
        # do not fit on it. So these are the constructor's, which are the zoo's for Atari but for
        # the warm-up; the network is ours.
        published={"policy": "MlpPolicy"},
        published_steps=150_000,
    ),
}


class Referee:
    """Evaluates any policy by the same rule, and keeps the time."""

    def __init__(self, task: Task, seed: int) -> None:
        self.task, self.seed = task, seed
        self.envs = task.worlds(task.episodes[0])
        self.best = -math.inf
        self.evaluating = 0.0
        self.reached, self.reached_steps = math.inf, math.inf
        self.started = time.process_time()

    def score(self, policy: Policy, steps: int) -> float:
        """Return the mean score of episodes that no one learns from."""
        before = time.process_time()
        score = self.task.score(play(policy, self.envs, self.seed + 20_000)).mean().item()
        now = time.process_time()
        self.evaluating += now - before
        self.best = max(self.best, score)
        if score >= self.task.bar and math.isinf(self.reached):
            self.reached, self.reached_steps = now - self.started, steps
        return score

    def result(self, policy: Policy, steps: int) -> dict[str, float]:
        """Return the measured columns, after fresh episodes that do not count as time."""
        seconds = time.process_time() - self.started
        fresh = play(policy, self.task.worlds(self.task.episodes[1]), self.seed + 30_000)
        return {
            "reached": self.reached,
            "reached_steps": self.reached_steps,
            "seconds": seconds,
            "evaluating": self.evaluating,
            "steps": steps,
            "steps_per_second": steps / (seconds - self.evaluating),
            "best": self.best,
            "fresh": self.task.score(fresh).mean().item(),
        }


def train_ours(task: Task, seed: int) -> dict[str, float]:
    """Train this course's DQN."""
    referee = Referee(task, seed)
    torch.manual_seed(seed)
    agent = DQN(task.network(), task.agent, seed)
    steps = 0

    def evaluate(agent: DQN) -> float:
        nonlocal steps
        steps += EVALUATE_EVERY
        return referee.score(agent.act, steps)

    settings = TrainSettings(**{**vars(task.train), "stop_score": task.stop})
    history = train_dqn(agent, task.worlds(8), evaluate, settings, seed=seed)
    return referee.result(agent.act, history.step[-1])


class KeepTheBest(BaseCallback):
    """Asks the referee every 1,000 steps, keeps the best weights, and ends a run that is done."""

    def __init__(self, referee: Referee) -> None:
        super().__init__()
        self.referee = referee
        self.weights: dict[str, Tensor] = {}

    def _on_step(self) -> bool:
        if self.num_timesteps % EVALUATE_EVERY:
            return True
        best = self.referee.best
        score = self.referee.score(greedy(self.model), self.num_timesteps)
        if score > best:
            weights = self.model.policy.state_dict()
            self.weights = {name: value.clone() for name, value in weights.items()}
        return score < self.referee.task.stop


def greedy(model: PeerDQN) -> Policy:
    """Return Stable-Baselines3's greedy policy in torch tensors."""
    return lambda seen: torch.from_numpy(model.predict(seen.numpy(), deterministic=True)[0])


def train_peer(task: Task, seed: int, settings: Mapping[str, Any], steps: int) -> dict[str, float]:
    """Train Stable-Baselines3's DQN; `settings` are its arguments and the number of worlds."""
    settings = dict(settings)
    worlds = settings.pop("worlds", 1)
    referee = Referee(task, seed)
    envs = (
        make_vec_env("CartPole-v1", worlds, seed=seed)
        if task.worlds is cartpole
        else PeerEnv(task.worlds(worlds))
    )
    model = PeerDQN(env=envs, seed=seed, device="cpu", **settings)
    keeper = KeepTheBest(referee)
    model.learn(steps, callback=keeper, log_interval=10**9)
    model.policy.load_state_dict(keeper.weights)
    return referee.result(greedy(model), model.num_timesteps)


def equal(task: Task) -> dict[str, Any]:
    """Return our settings under the names of Stable-Baselines3's arguments."""
    agent, train = task.agent, task.train
    end = train.learning_rate_end
    # Ours moves the target network after gradient steps, theirs after steps of all worlds.
    moves = max(1, train.updates_per_step // agent.target_every)
    waits = max(1, agent.target_every // train.updates_per_step)
    return {
        "worlds": 8,
        "policy": "MlpPolicy",
        "learning_rate": lambda left: agent.learning_rate * (end + (1 - end) * left),
        "buffer_size": train.capacity,
        "learning_starts": train.learn_after,
        "batch_size": train.batch_size,
        "tau": 1 - (1 - agent.target_rate) ** moves,
        "gamma": agent.discount,
        "train_freq": 1,
        "gradient_steps": train.updates_per_step,
        "target_update_interval": 8 * waits,
        "exploration_fraction": train.epsilon_fraction,
        "exploration_initial_eps": train.epsilon_start,
        "exploration_final_eps": train.epsilon_end,
        "max_grad_norm": agent.gradient_clip,
        "policy_kwargs": {"optimizer_kwargs": {"fused": True}, **network_like_ours(task)},
    }


class Body(BaseFeaturesExtractor):
    """Our Q-network without its last layer; Stable-Baselines3 adds that one."""

    def __init__(self, space: gymnasium.Space, network: Callable[[], nn.Module]) -> None:
        ours = network()
        super().__init__(space, ours.layers[-1].in_features)
        ours.layers = ours.layers[:-1]
        self.ours = ours

    def forward(self, observation: Tensor) -> Tensor:
        """Map observations to what the last layer sees."""
        return self.ours(observation)


def network_like_ours(task: Task) -> dict[str, Any]:
    """Return the arguments that make Stable-Baselines3 build our Q-network."""
    kwargs = {"network": task.network}
    return {
        "features_extractor_class": Body,
        "features_extractor_kwargs": kwargs,
        "net_arch": [],
        "normalize_images": False,
    }


class PeerEnv(VecEnv):
    """Shows one of our batches of episodes as Stable-Baselines3's kind of batch.

    It moves the tensors and renames the ends, no more, so that both sides pay the same for the
    world itself.
    """

    def __init__(self, envs: VectorEnv) -> None:
        self.envs = envs
        super().__init__(envs.num_envs, envs.single_observation_space, envs.single_action_space)

    def reset(self) -> np.ndarray:
        """Start new episodes."""
        return self.envs.reset(seed=self._seeds[0])[0].numpy()

    def step_async(self, actions: np.ndarray) -> None:
        """Note the actions."""
        self.actions = actions

    def step_wait(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """Take the step."""
        seen, reward, terminated, truncated, info = self.envs.step(self.actions)
        ended = (terminated | truncated).numpy()
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        for row in ended.nonzero()[0]:
            infos[row]["terminal_observation"] = info["final_obs"][row].numpy()
            infos[row]["TimeLimit.truncated"] = bool(truncated[row] & ~terminated[row])
        return seen.numpy(), reward.numpy(), ended, infos

    def close(self) -> None:
        """Nothing is open."""

    def get_attr(self, name: str, indices: Any = None) -> list[Any]:
        """Return an attribute, once for each world."""
        return [getattr(self.envs, name, None)] * self.num_envs

    def set_attr(self, name: str, value: Any, indices: Any = None) -> None:
        """Nothing can be set."""
        raise NotImplementedError(name)

    def env_method(self, name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
        """Nothing can be called."""
        raise NotImplementedError(name)

    def env_is_wrapped(self, wrapper_class: type, indices: Any = None) -> list[bool]:
        """Say that no world is wrapped."""
        return [False] * self.num_envs


SIDES = ("ours", "published", "equal")


def jobs(seed: int) -> list[tuple[str, str]]:
    """Return all rows of a seed; every other seed the peer begins."""
    sides = SIDES if seed % 2 == 0 else SIDES[::-1]
    return [(task, side) for task in TASKS for side in sides]


def train(name: str, side: str, seed: int, steps: int | None = None) -> dict[str, float]:
    """Train one side in one world on one seed; `steps` instead of its own budget."""
    task = TASKS[name]
    if side == "published":
        settings = dict(task.published)
        if name == "Catch":
            settings["policy_kwargs"] = network_like_ours(task)
        return train_peer(task, seed, settings, steps or task.published_steps)
    if steps:
        task = replace(task, train=replace(task.train, steps=steps))
    return (
        train_ours(task, seed)
        if side == "ours"
        else train_peer(task, seed, equal(task), task.train.steps)
    )


@cache
def warm_up() -> None:
    """Let every side run once."""
    for name in TASKS:
        for side in SIDES:
            train(name, side, seed=1_000, steps=2 * EVALUATE_EVERY)


def run(name: str, side: str, seed: int) -> dict[str, object]:
    """Measure one side in one world on one seed."""
    warm_up()
    return {**train(name, side, seed), **conditions("gymnasium", "stable-baselines3")}


def report(rows: list[Row]) -> str:
    """Return the table: every side in every world, and its CPU time as a multiple of ours.

    A ratio compares two runs of one seed on one machine.
    """
    lines = []

    def where(row: Row) -> tuple[str, ...]:
        return row["seed"], row["cores"], row["torch"]

    for name, task in TASKS.items():
        ours = {where(row): row for row in rows if (row["task"], row["side"]) == (name, "ours")}
        lines.append(f"\n{name}: median (least to greatest) over runs; bar {task.bar:g}")
        for side in SIDES:
            mine = [row for row in rows if (row["task"], row["side"]) == (name, side)]
            pairs = [(row, ours[where(row)]) for row in mine if where(row) in ours]
            solved = sum(float(row["fresh"]) >= task.bar for row in mine)
            never = sum(math.isinf(float(row["reached"])) for row in mine)
            lines.append(
                f"  {side:9}  solved {solved} of {len(mine)}"
                f"  CPU s to the bar {spread(time_spent(row) for row in mine)}"
                + (f", {never} never" if never else "")
                + f"  × ours {spread(time_spent(a) / time_spent(b) for a, b in pairs)}"
                f"  steps/s {spread((float(row['steps_per_second']) for row in mine), ',.0f')}"
                f"  ours/its {spread(speed_ratio(a, b) for a, b in pairs)}"
            )
    return "\n".join(lines)


def time_spent(row: Row) -> float:
    """Return CPU seconds to the bar; of a run that never reached it, all it spent."""
    return min(float(row["reached"]), float(row["seconds"]))


def speed_ratio(row: Row, ours: Row) -> float:
    """Return how many steps we take in the time of one step of a row."""
    return float(ours["steps_per_second"]) / float(row["steps_per_second"])


if __name__ == "__main__":
    os.environ["COURSE_HEADLESS"] = "1"
    measure("peers_dqn", ("task", "side"), jobs, run, report, range(10))
