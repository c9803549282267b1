"""Targets by hand, probe worlds with known Q-values, and runs that are interrupted and resumed."""

import math
import random
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv
from torch import Tensor, nn

from dqngan_lib.course.runtime import load_checkpoint
from dqngan_lib.dqn.agent import DQN, DQNSettings, backup_value, td_target
from dqngan_lib.dqn.networks import ConvolutionalQNetwork, QNetwork
from dqngan_lib.dqn.replay import ReplayBuffer
from dqngan_lib.dqn.training import History, TrainSettings, train_dqn
from dqngan_lib.environments.catch import Catch
from dqngan_lib.environments.grid_world import GridWorld
from dqngan_lib.environments.rollout import play
from tests import probes


@pytest.fixture(autouse=True)
def one_thread():
    """Small networks are faster so, and tests that run side by side do not disturb each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


# --- the target ---------------------------------------------------------------------------------


def test_target_row_by_row_for_every_combination_of_ends():
    # r + γ V where the episode did not terminate; r alone where it did. Truncation plays no part.
    rows = [  # reward, terminated, truncated, V(s′), y at γ = 0.9
        (1.0, False, False, 10.0, 10.0),
        (1.0, False, True, 10.0, 10.0),
        (1.0, True, False, 10.0, 1.0),
        (1.0, True, True, 10.0, 1.0),
        (-2.0, False, False, -5.0, -6.5),
        (-2.0, False, True, -5.0, -6.5),
        (-2.0, True, False, -5.0, -2.0),
        (-2.0, True, True, -5.0, -2.0),
    ]
    columns = [torch.tensor(column) for column in zip(*rows, strict=True)]
    reward, terminated, truncated, value, expected = columns
    torch.testing.assert_close(td_target(reward, terminated, value, 0.9), expected)

    # The same from an agent whose target network says V(s′), through a batch with all fields.
    agent = DQN(Table(1), DQNSettings(discount=0.9))
    agent.target_network = Echo()
    batch = {
        "next_observation": value[:, None],
        "reward": reward,
        "terminated": terminated,
        "truncated": truncated,
        "steps": torch.ones(len(rows), dtype=torch.long),
    }
    torch.testing.assert_close(agent.target(batch), expected)


class Echo(nn.Module):
    """Q-values that are the observation itself, and one lower for the second action."""

    def __init__(self) -> None:
        super().__init__()
        self.nothing = nn.Parameter(torch.zeros(()))

    def forward(self, observation: Tensor) -> Tensor:
        """Map `(batch, 1)` to `(batch, 2)`."""
        return torch.cat([observation, observation - 1], 1) + self.nothing


class Table(nn.Module):
    """One Q-value for each of `cells` observations 0, 1, … and each of two actions."""

    def __init__(self, cells: int, values: list[list[float]] | None = None) -> None:
        super().__init__()
        start = torch.zeros(cells, 2) if values is None else torch.tensor(values)
        self.values = nn.Parameter(start)

    def forward(self, observation: Tensor) -> Tensor:
        """Look up `(batch, 1)` cells."""
        return self.values[observation.long().flatten()]


def test_target_of_pixels_by_hand():
    reward = torch.arange(8.0).reshape(2, 2, 2)
    value = torch.full((2, 2, 2), 10.0)
    target = td_target(reward, torch.tensor([False, True]), value, 0.5)
    assert target.tolist() == [[[5, 6], [7, 8]], [[4, 5], [6, 7]]]


@pytest.mark.parametrize("shape", [(3,), (3, 2, 2)])
def test_target_with_a_discount_for_each_row(shape):
    ones = torch.ones(shape)
    terminated = torch.tensor([False, False, True])
    target = td_target(ones, terminated, 8 * ones, torch.tensor([0.5, 0.25, 0.5]))
    for row, expected in enumerate((5.0, 3.0, 1.0)):
        assert (target[row] == expected).all()


def test_whole_number_rewards_do_not_round_the_discount_away():
    target = td_target(torch.tensor([1, 2]), torch.tensor([False, True]), torch.ones(2), 0.9)
    torch.testing.assert_close(target, torch.tensor([1.9, 2.0]))


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"reward": torch.ones(3)}, "reward"),
        ({"next_value": torch.ones(2, 1)}, "next_value"),
        ({"terminated": torch.zeros(2, 1, dtype=torch.bool)}, "terminated"),
        ({"terminated": torch.tensor(False)}, "terminated"),
        ({"discount": 1.1}, "discount"),
        ({"discount": -0.1}, "discount"),
        ({"discount": math.nan}, "discount"),
        ({"discount": torch.tensor([0.5, 1.5])}, "discount"),
        ({"discount": torch.tensor([[0.5], [0.5]])}, "discount"),
        ({"discount": torch.tensor([0.5])}, "discount"),
    ],
)
def test_target_names_what_is_wrong(change, word):
    right = {
        "reward": torch.ones(2),
        "terminated": torch.tensor([False, True]),
        "next_value": torch.ones(2),
        "discount": 0.9,
    }
    td_target(**right)
    with pytest.raises(ValueError, match=word):
        td_target(**right | change)


# --- the backup ---------------------------------------------------------------------------------


def test_max_and_double_by_hand():
    target = torch.tensor([[1.0, 5.0, 3.0], [4.0, 2.0, 0.0]])
    online = torch.tensor([[0.0, 1.0, 2.0], [9.0, 8.0, 7.0]])
    assert backup_value(target).tolist() == [5.0, 4.0]
    # Row 0: the networks disagree; action 2 is chosen by the one and valued by the other.
    double = backup_value(target, "double", online_next_q_values=online)
    assert double.tolist() == [3.0, 4.0]


def test_backups_of_pixels_are_those_of_each_pixel():
    rng = torch.Generator().manual_seed(0)
    target = torch.randn(2, 3, 4, 5, generator=rng)
    online = torch.randn(2, 3, 4, 5, generator=rng)
    results = {
        "max": backup_value(target),
        "double": backup_value(target, "double", online_next_q_values=online),
        "soft": backup_value(target, "soft", temperature=0.7),
    }
    for b in range(2):
        for y in range(4):
            for x in range(5):
                q, o = target[b, :, y, x].tolist(), online[b, :, y, x].tolist()
                assert results["max"][b, y, x].item() == max(q)
                assert results["double"][b, y, x].item() == q[o.index(max(o))]
                soft = 0.7 * math.log(sum(math.exp(value / 0.7) for value in q))
                assert results["soft"][b, y, x].item() == pytest.approx(soft, abs=1e-5)
    assert (results["double"] < results["max"]).any()


def test_soft_tends_to_max_as_the_temperature_falls():
    q = torch.randn(64, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    for temperature in (1.0, 0.1, 0.01, 0.001):
        above = backup_value(q, "soft", temperature=temperature) - backup_value(q, "max")
        # max ≤ soft ≤ max + τ log A, whatever the values are.
        assert (above > -1e-12).all()
        assert (above <= temperature * math.log(5) + 1e-12).all()
    assert above.max() < 1e-3
    large = torch.tensor([[1e4, -1e4]])
    assert backup_value(large, "soft", temperature=1e-3).item() == 1e4  # no overflow


def test_soft_of_equal_values_adds_the_entropy():
    q = torch.full((1, 4), 3.0)
    for temperature in (0.5, 2.0):
        value = backup_value(q, "soft", temperature=temperature).item()
        assert value == pytest.approx(3 + temperature * math.log(4), abs=1e-5)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"backup": "mean"}, "backup"),
        ({"backup": "double"}, "online_next_q_values"),
        ({"backup": "double", "online_next_q_values": torch.ones(1, 3)}, "online_next_q_values"),
        ({"backup": "max", "online_next_q_values": torch.ones(1, 2)}, "online_next_q_values"),
        ({"backup": "soft", "temperature": 0.0}, "temperature"),
        ({"backup": "soft", "temperature": math.nan}, "temperature"),
        ({"next_q_values": torch.ones(2)}, "next_q_values"),
    ],
)
def test_backup_names_what_is_wrong(arguments, word):
    with pytest.raises(ValueError, match=word):
        backup_value(**{"next_q_values": torch.ones(1, 2)} | arguments)


# --- the agent ----------------------------------------------------------------------------------


def batch_of(**columns):
    """Make a batch as the replay memory does; observations are cells of a `Table`."""
    batch = {name: torch.tensor(values) for name, values in columns.items()}
    batch.setdefault("truncated", torch.zeros_like(batch["terminated"]))
    batch.setdefault("steps", torch.ones(len(batch["reward"]), dtype=torch.long))
    for name in ("observation", "next_observation"):
        batch[name] = batch[name].float().unsqueeze(1)
    return batch


def gradient_of(agent: DQN, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Return the TD errors of an update and the gradient with which the optimiser would step."""
    seen: list[Tensor] = []
    agent.optimizer.step = lambda: seen.append(agent.q_network.values.grad.clone())
    return agent.update(batch), seen[0]


ROWS = {
    "observation": [0, 0, 1, 1],
    "action": [0, 1, 1, 1],
    "reward": [1.0, 2.0, 3.0, 4.0],
    "terminated": [False, True, False, True],
    "next_observation": [1, 1, 0, 0],
    "steps": [1, 1, 3, 2],
}
VALUES = [[1.0, 2.0], [3.0, 4.0]]


def test_an_update_by_hand():
    # At γ = 0.5: y = 1 + 0.5·4, 2, 3 + 0.5³·2, 4. Q = 1, 2, 4, 4. So y − Q = 2, 0, −0.75, 0.
    agent = DQN(Table(2, VALUES), DQNSettings(discount=0.5, gradient_clip=1e9))
    error, gradient = gradient_of(agent, batch_of(**ROWS))
    assert error.tolist() == [2.0, 0.0, -0.75, 0.0]
    # The loss is the mean of ½ (y − Q)²: its slope is −(y − Q) / 4, each at its cell and action.
    assert gradient.tolist() == [[-0.5, 0.0], [0.0, 0.1875]]


def test_weights_of_rows_count():
    agent = DQN(Table(2, VALUES), DQNSettings(discount=0.5, gradient_clip=1e9))
    batch = batch_of(**ROWS, weight=[0.5, 1.0, 0.0, 1.0])
    error, gradient = gradient_of(agent, batch)
    assert error.tolist() == [2.0, 0.0, -0.75, 0.0]
    assert gradient.tolist() == [[-0.25, 0.0], [0.0, 0.0]]


def test_huber_delta_clips_the_error_and_gradient_clip_the_gradient():
    settings = DQNSettings(discount=0.5, gradient_clip=1e9, huber_delta=1.0)
    _, gradient = gradient_of(DQN(Table(2, VALUES), settings), batch_of(**ROWS))
    assert gradient.tolist() == [[-0.25, 0.0], [0.0, 0.1875]]
    settings = DQNSettings(discount=0.5, gradient_clip=0.1)
    _, clipped = gradient_of(DQN(Table(2, VALUES), settings), batch_of(**ROWS))
    assert clipped.norm().item() == pytest.approx(0.1, rel=1e-4)


def test_double_asks_the_online_network_which_action():
    agent = DQN(Table(2, VALUES), DQNSettings(discount=0.5, backup="double"))
    agent.target_network.values.copy_(torch.tensor([[8.0, 0.0], [6.0, 2.0]]))
    # Online prefers action 1 everywhere; the target network gives it 0 in cell 0, 2 in cell 1.
    expected = [1 + 0.5 * 2, 2.0, 3 + 0.125 * 0, 4.0]
    assert agent.target(batch_of(**ROWS)).tolist() == expected
    agent.settings = DQNSettings(discount=0.5, backup="max")
    assert agent.target(batch_of(**ROWS)).tolist() == [1 + 0.5 * 6, 2.0, 3 + 0.125 * 8, 4.0]


def test_the_target_gets_no_gradient():
    agent = DQN(Table(2, VALUES))
    assert not agent.target(batch_of(**ROWS)).requires_grad
    before = agent.target_network.values.clone()
    agent.settings.target_every = 99
    agent.update(batch_of(**ROWS))
    assert torch.equal(agent.target_network.values, before)
    assert not torch.equal(agent.q_network.values, before)


def test_the_target_network_follows_at_its_rate_and_every_so_often():
    settings = DQNSettings(target_every=2, target_rate=0.25, learning_rate=0.1)
    agent = DQN(Table(2, VALUES), settings)
    start = agent.target_network.values.clone()
    agent.update(batch_of(**ROWS))
    assert torch.equal(agent.target_network.values, start)
    agent.update(batch_of(**ROWS))
    expected = 0.75 * start + 0.25 * agent.q_network.values.detach()
    torch.testing.assert_close(agent.target_network.values.data, expected)
    assert not torch.equal(agent.target_network.values, start)
    agent.update_target()
    assert torch.equal(agent.target_network.values, agent.q_network.values)


def test_the_target_network_takes_over_what_is_counted_too():
    network = nn.Sequential(nn.BatchNorm1d(1), nn.Linear(1, 2))
    agent = DQN(network)
    network(torch.randn(8, 1, generator=torch.Generator().manual_seed(0)))
    agent.update_target()
    for name, value in network.state_dict().items():
        assert torch.equal(agent.target_network.state_dict()[name], value), name


def test_greedy_actions_are_the_best_and_random_ones_are_uniform():
    agent = DQN(Table(2, [[1.0, 2.0], [2.0, 1.0]]), seed=3)
    cells = torch.tensor([[0.0], [1.0]]).repeat(5000, 1)
    assert agent.act(cells).tolist() == [1, 0] * 5000
    for epsilon in (0.3, 1.0):
        greedy = (agent.act(cells, epsilon) == agent.act(cells)).double().mean().item()
        # Random actions are the best one by chance half of the time; ±5 standard deviations.
        assert abs(greedy - (1 - epsilon / 2)) < 0.025


def test_acting_draws_from_the_agents_own_random_numbers():
    torch.manual_seed(0)
    first, second = DQN(Table(1), seed=5), DQN(Table(1), seed=5)
    other = DQN(Table(1), seed=6)
    cells = torch.zeros(64, 1)
    state = torch.get_rng_state()
    actions = first.act(cells, 1.0)
    assert torch.equal(state, torch.get_rng_state())
    torch.rand(7)
    assert torch.equal(actions, second.act(cells, 1.0))
    assert not torch.equal(actions, other.act(cells, 1.0))


def test_every_pixel_can_be_an_agent():
    network = nn.Conv2d(1, 3, 1)
    with torch.no_grad():
        network.weight.copy_(torch.tensor([0.0, 1.0, -1.0]).reshape(3, 1, 1, 1))
        network.bias.zero_()
    agent = DQN(network, DQNSettings(discount=0.5, learning_rate=1e-2))
    picture = torch.tensor([[[[2.0, -3.0]]], [[[1.0, 4.0]]]])
    action = agent.act(picture)
    assert action.tolist() == [[[1, 2]], [[1, 1]]]
    batch = {
        "observation": picture,
        "action": action,
        "reward": torch.ones(2, 1, 2),
        "terminated": torch.tensor([False, True]),
        "truncated": torch.tensor([False, False]),
        "next_observation": picture,
        "steps": torch.ones(2, dtype=torch.long),
    }
    assert agent.target(batch).tolist() == [[[2.0, 2.5]], [[1.0, 1.0]]]
    # y − Q = (0, −0.5) and (0, −3): the means of the pictures.
    assert agent.update(batch).tolist() == [-0.25, -1.5]


def test_an_agent_goes_on_from_its_state():
    batch = batch_of(**ROWS)
    first = DQN(Table(2, VALUES), DQNSettings(target_every=3), seed=1)
    for _ in range(4):
        first.update(batch)
    first.act(batch["observation"], 0.5)
    second = DQN(Table(2), DQNSettings(target_every=3), seed=9)
    second.load_state_dict(first.state_dict())
    for _ in range(3):
        assert torch.equal(first.update(batch), second.update(batch))
        actions = [agent.act(batch["observation"], 0.5) for agent in (first, second)]
        assert torch.equal(*actions)
    assert torch.equal(first.q_network.values, second.q_network.values)
    assert torch.equal(first.target_network.values, second.target_network.values)


@pytest.mark.parametrize("epsilon", [-0.1, 1.1, math.nan])
def test_act_refuses_an_impossible_epsilon(epsilon):
    with pytest.raises(ValueError, match="epsilon"):
        DQN(Table(1)).act(torch.zeros(1, 1), epsilon)


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        (DQNSettings, "discount", 1.01),
        (DQNSettings, "discount", math.nan),
        (DQNSettings, "learning_rate", 0.0),
        (DQNSettings, "backup", "mean"),
        (DQNSettings, "temperature", 0.0),
        (DQNSettings, "target_every", 0),
        (DQNSettings, "target_rate", 0.0),
        (DQNSettings, "target_rate", 1.1),
        (DQNSettings, "gradient_clip", 0.0),
        (DQNSettings, "huber_delta", 0.0),
        (TrainSettings, "steps", 0),
        (TrainSettings, "capacity", 0),
        (TrainSettings, "batch_size", 0),
        (TrainSettings, "learn_after", -1),
        (TrainSettings, "learn_after", 50_001),  # never reached: nothing would ever be learnt
        (TrainSettings, "updates_per_step", 0),
        (TrainSettings, "epsilon_start", 1.1),
        (TrainSettings, "epsilon_end", -0.1),
        (TrainSettings, "epsilon_fraction", math.nan),
        (TrainSettings, "learning_rate_end", 2.0),
        (TrainSettings, "n_step", 0),
        (TrainSettings, "priority_alpha", 1.1),
        (TrainSettings, "evaluate_every", 0),
        (TrainSettings, "evaluate_every", 60_001),
    ],
)
def test_settings_name_what_is_out_of_range(kind, name, value):
    with pytest.raises(ValueError, match=name):
        kind(**{name: value})


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        (DQNSettings, "learning_rate", "1e-3"),
        (DQNSettings, "target_every", 1.5),
        (TrainSettings, "steps", None),
        (TrainSettings, "batch_size", 1e3),
        (TrainSettings, "n_step", True),
    ],
)
def test_settings_name_what_is_no_number(kind, name, value):
    with pytest.raises(TypeError, match=name):
        kind(**{name: value})


# --- probes -------------------------------------------------------------------------------------


def learnt(envs: VectorEnv, agent_settings: dict | None = None, **train_settings) -> DQN:
    """Train a small network on a probe, with random actions."""
    torch.manual_seed(0)
    settings = {"learning_rate": 1e-2, "discount": probes.DISCOUNT, "target_rate": 0.2}
    agent = DQN(QNetwork(1, 2, (32, 32)), DQNSettings(**settings | (agent_settings or {})))
    steps = envs.num_envs * (400 if isinstance(envs, probes.LongWalk) else 200)
    train_settings = {
        "steps": steps,
        "evaluate_every": steps,
        "batch_size": 64,
        "learn_after": 64,
        "epsilon_end": 1.0,
        "learning_rate_end": 0.0,
    } | train_settings
    train_dqn(agent, envs, lambda agent: 0.0, TrainSettings(**train_settings))
    return agent


def error_of(agent: DQN, q_values: dict[float, tuple[float, float]]) -> float:
    """Return the greatest difference between the agent's and the exact Q-values."""
    found = agent.q_values(torch.tensor([[seen] for seen in q_values]))
    return (found - torch.tensor(list(q_values.values()))).abs().max().item()


@pytest.mark.parametrize("mode", list(AutoresetMode))
@pytest.mark.parametrize("probe", probes.PROBES)
def test_probe(probe, mode):
    # In the long walk the sum of three rewards meets both kinds of ends.
    n_step = 3 if probe is probes.LongWalk else 1
    assert error_of(learnt(probe(8, mode), n_step=n_step), probe.q_values) < 0.05


@pytest.mark.parametrize("probe", [probes.CutElsewhere, probes.LongWalk, probes.RewardDelayed])
@pytest.mark.parametrize(
    "settings",
    [{"n_step": 2}, {"priority_alpha": 0.6}, {"priority_alpha": 0.3, "n_step": 2}],
)
def test_probe_with_other_ways_to_remember(probe, settings):
    agent = learnt(probe(8, AutoresetMode.NEXT_STEP), **settings)
    assert error_of(agent, probe.q_values) < 0.05


def test_probe_with_double_backup_and_a_target_that_is_copied_every_so_often():
    settings = {"backup": "double", "target_every": 5, "target_rate": 1.0}
    for probe in (probes.BestActionLater, probes.CutElsewhere):
        assert error_of(learnt(probe(8), settings), probe.q_values) < 0.05


def test_probe_with_soft_backup():
    for temperature in (0.2, 1.0):
        best = temperature * math.log(math.exp(1 / temperature) + math.exp(-1 / temperature))
        exact = {0.0: (best / 2, best / 2), 1.0: (-1.0, 1.0)}
        agent = learnt(probes.BestActionLater(8), {"backup": "soft", "temperature": temperature})
        assert error_of(agent, exact) < 0.05


# --- the loop -----------------------------------------------------------------------------------

SHORT = TrainSettings(
    steps=320,
    evaluate_every=80,
    learn_after=40,
    batch_size=16,
    capacity=200,  # less than the steps: the ring wraps round
    n_step=2,
    learning_rate_end=0.1,
)


def short_cartpole(kind: str = "sync") -> VectorEnv:
    """CartPole cut off after 15 steps, so that both kinds of ends occur in a short run."""
    if kind == "sync":
        return gymnasium.make_vec(
            "CartPole-v1", num_envs=4, vectorization_mode="sync", max_episode_steps=15
        )
    return gymnasium.make_vec("CartPole-v1", num_envs=4, max_episode_steps=15)


def new_agent(seed: int = 0) -> DQN:
    """Make an agent for CartPole whose first weights depend on the seed alone."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = QNetwork(4, 2, (16,))
    return DQN(network, DQNSettings(learning_rate=1e-2), seed=seed)


def score(agent: DQN) -> float:
    """Return a number that any change of the weights changes."""
    observation = torch.linspace(-1, 1, 32).reshape(8, 4)
    return agent.q_values(observation).double().mean().item()


def differences(one, other, path: str = "") -> list[str]:
    """Return the places where two nested states are not exactly equal; seconds are left out."""
    if path.endswith(".seconds"):
        return []
    if isinstance(one, Tensor):
        return [] if torch.equal(one, other) else [path]
    if isinstance(one, dict):
        assert one.keys() == other.keys(), path
        return [d for key in one for d in differences(one[key], other[key], f"{path}.{key}")]
    if isinstance(one, list | tuple):
        assert len(one) == len(other), path
        return [d for a, b in zip(one, other, strict=True) for d in differences(a, b, path)]
    return [] if one == other else [path]


class Stop:
    """Raises KeyboardInterrupt at the `count`-th call, as the ■ button does."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __call__(self, *_) -> float:
        """Count down."""
        self.count -= 1
        if self.count == 0:
            raise KeyboardInterrupt
        return 0.0


class Interrupting(gymnasium.vector.VectorWrapper):
    """Raises KeyboardInterrupt in the `count`-th step."""

    def __init__(self, envs: VectorEnv, count: int) -> None:
        super().__init__(envs)
        self.stop = Stop(count)

    def step(self, actions):
        """Count down, then step."""
        self.stop()
        return self.env.step(actions)


def run(path: Path | None = None, agent: DQN | None = None, envs=None, settings=SHORT, **more):
    """Run the short training; return agent and history."""
    agent = agent or new_agent()
    envs = envs or short_cartpole()
    return agent, train_dqn(
        agent, envs, more.pop("evaluate", score), settings, seed=7, checkpoint=path, **more
    )


@pytest.mark.parametrize("alpha", [0.0, 0.6])
@pytest.mark.parametrize("place", ["watch", "environment", "evaluate"])
def test_a_resumed_run_equals_one_that_was_never_interrupted(tmp_path, alpha, place):
    settings = TrainSettings(**vars(SHORT) | {"priority_alpha": alpha})
    whole, expected = run(tmp_path / "whole.pt", settings=settings)
    assert expected.step == [80, 160, 240, 320]
    assert not expected.interrupted

    stop = Stop(3)
    stops = {
        "watch": {"watch": Stop(2)},
        "environment": {"envs": Interrupting(short_cartpole(), 49)},  # midst in the third piece
        "evaluate": {"evaluate": lambda agent: score(agent) + stop()},
    }
    path = tmp_path / "parts.pt"
    _, history = run(path, settings=settings, **stops[place])
    assert history.interrupted
    assert history.step == [80, 160]
    agent, history = run(path, agent=new_agent(seed=99), settings=settings)
    assert not history.interrupted
    assert history.score == expected.score
    assert history.td_error == expected.td_error
    assert history.q_value == expected.q_value
    assert differences(agent.state_dict(), whole.state_dict()) == []
    # What was saved last holds everything else: replay memory, generators, best weights.
    saved, other = (load_checkpoint(tmp_path / name) for name in ("whole.pt", "parts.pt"))
    assert differences(saved, other) == []


def test_a_finished_run_is_not_trained_again(tmp_path):
    first, expected = run(tmp_path / "run.pt")
    agent, history = run(tmp_path / "run.pt", envs=Interrupting(short_cartpole(), 1))
    assert history == expected
    assert differences(agent.q_network.state_dict(), first.q_network.state_dict()) == []


def test_an_interrupted_run_returns_the_best_so_far_and_says_so(capsys):
    scores, weights = iter([1.0, 5.0, 3.0]), []

    def evaluate(agent: DQN) -> float:
        weights.append({k: v.clone() for k, v in agent.q_network.state_dict().items()})
        return next(scores)

    agent, history = run(evaluate=evaluate, watch=Stop(3))
    assert history.interrupted
    assert history.score == [1.0, 5.0, 3.0]
    assert history.best_score == 5.0
    assert differences(agent.q_network.state_dict(), weights[1]) == []
    assert differences(agent.target_network.state_dict(), weights[1]) == []
    assert differences(agent.q_network.state_dict(), weights[2]) != []
    said, warning = capsys.readouterr().out.splitlines()
    best = "the best that was evaluated, after 160 steps"
    assert said == f"Stopped after 240 of 320 steps. Kept: {best}."
    assert "claims in this notebook may not hold" in warning


def test_interrupted_before_the_first_evaluation_keeps_what_was_learnt():
    agent, history = run(envs=Interrupting(short_cartpole(), 15))
    assert history.interrupted
    assert history.step == []
    assert history.best_score == -math.inf
    assert history.steps_per_second == 0.0
    assert differences(agent.q_network.state_dict(), new_agent().q_network.state_dict()) != []


def test_interrupted_while_saving_keeps_the_last_checkpoint(tmp_path, monkeypatch):
    path, save, calls = tmp_path / "run.pt", torch.save, []

    def torn(state, file):
        calls.append(file)
        save(state, file)
        if len(calls) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", torn)
    _, history = run(path)
    assert history.interrupted
    assert load_checkpoint(path)["history"]["step"] == [80, 160]
    assert [file.name for file in tmp_path.iterdir()] == ["run.pt"]
    _, history = run(path)
    assert history.step == [80, 160, 240, 320]


def test_at_the_end_the_agent_is_the_best_that_was_evaluated():
    scores, weights = iter([1.0, math.nan, 5.0, 3.0]), []

    def evaluate(agent: DQN) -> float:
        weights.append({k: v.clone() for k, v in agent.q_network.state_dict().items()})
        return next(scores)

    agent, history = run(evaluate=evaluate)
    assert len(history.score) == 4
    assert history.best_score == 5.0
    assert differences(agent.q_network.state_dict(), weights[2]) == []
    assert differences(agent.target_network.state_dict(), weights[2]) == []


def test_a_good_enough_score_ends_the_run():
    scores = iter([1.0, 4.0, 9.0])
    settings = TrainSettings(**vars(SHORT) | {"stop_score": 4.0})
    _, history = run(evaluate=lambda agent: next(scores), settings=settings)
    assert history.score == [1.0, 4.0]
    assert not history.interrupted


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"settings": TrainSettings(**vars(SHORT) | {"n_step": 3})}, "n_step"),
        ({"settings": TrainSettings(**vars(SHORT) | {"steps": 400})}, "steps"),
        ({"agent": DQN(QNetwork(4, 2, (16,)), DQNSettings(discount=0.9))}, "discount"),
        ({"agent": DQN(QNetwork(4, 2, (17,)), DQNSettings(learning_rate=1e-2))}, "network"),
        ({"envs": gymnasium.make_vec("CartPole-v1", num_envs=2)}, "environments"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused_and_the_difference_named(tmp_path, change, word):
    path = tmp_path / "run.pt"
    run(path, watch=Stop(1))
    before = path.read_bytes()
    with pytest.raises(ValueError, match=rf"run\.pt belongs to another run.*'{word}'"):
        run(path, **change)
    with pytest.raises(ValueError, match="'seed'"):
        train_dqn(new_agent(), short_cartpole(), score, SHORT, seed=8, checkpoint=path)
    assert path.read_bytes() == before


def test_a_damaged_checkpoint_and_a_file_of_something_else_are_named(tmp_path):
    path = tmp_path / "run.pt"
    run(path, watch=Stop(1))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"run\.pt is not a readable checkpoint"):
        run(path)
    torch.save({"weights": torch.ones(2)}, path)
    with pytest.raises(ValueError, match=r"run\.pt is no checkpoint of train_dqn"):
        run(path)


def test_numbers_from_numpy_do_not_spoil_the_checkpoint(tmp_path):
    agent = new_agent()
    agent.settings = DQNSettings(learning_rate=np.float64(1e-2), target_every=np.int64(1))
    settings = TrainSettings(**vars(SHORT) | {"steps": np.int64(80), "n_step": np.int32(1)})
    train_dqn(
        agent,
        short_cartpole(),
        lambda agent: np.float32(1),
        settings,
        seed=np.int64(3),
        checkpoint=tmp_path / "run.pt",
    )
    assert load_checkpoint(tmp_path / "run.pt")["history"]["score"] == [1.0]


def test_global_random_state_neither_matters_nor_changes():
    results = []
    for seed in (1, 2):
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()
        agent, history = run(settings=TrainSettings(**vars(SHORT) | {"priority_alpha": 0.5}))
        assert random.getstate() == before[0]
        assert np.random.get_state()[1].tolist() == before[1]
        assert torch.equal(torch.get_rng_state(), before[2])
        results.append((agent.state_dict(), history.score))
    assert differences(*results) == []
    other, _ = run(agent=new_agent(seed=1))
    assert differences(other.state_dict(), results[0][0]) != []


def test_the_seed_decides_the_episodes_and_each_piece_has_others():
    class Spy(gymnasium.vector.VectorWrapper):
        def reset(self, *, seed=None, options=None):
            seen, info = self.env.reset(seed=seed, options=options)
            starts.append(tuple(seen.flatten().tolist()))
            return seen, info

    scores, starts = [], []
    for seed in (1, 2, 1):
        history = train_dqn(new_agent(), Spy(short_cartpole()), score, SHORT, seed=seed)
        scores.append(tuple(history.score))
    assert scores[0] == scores[2] != scores[1]
    assert starts[:4] == starts[8:]
    assert len(set(starts)) == 8


def test_schedules_warm_up_and_number_of_updates(monkeypatch):
    epsilons, rates, betas, sizes = [], [], [], []
    agent, act, update = new_agent(), DQN.act, DQN.update

    def spy_act(self, observation, epsilon=0.0):
        epsilons.append(epsilon)
        return act(self, observation, epsilon)

    def spy_update(self, batch):
        rates.append(self.optimizer.param_groups[0]["lr"])
        sizes.append(len(batch["reward"]))
        return update(self, batch)

    class SpyBuffer(ReplayBuffer):
        def sample(self, *arguments):
            betas.append(len(self))
            return super().sample(*arguments)

    monkeypatch.setattr(DQN, "act", spy_act)
    monkeypatch.setattr(DQN, "update", spy_update)
    monkeypatch.setattr("dqngan_lib.dqn.training.ReplayBuffer", SpyBuffer)
    settings = TrainSettings(
        steps=200,
        evaluate_every=100,
        learn_after=50,
        batch_size=9,
        updates_per_step=2,
        epsilon_fraction=0.5,
        learning_rate_end=0.0,
    )
    envs = probes.LongWalk(4, AutoresetMode.SAME_STEP)
    agent = DQN(QNetwork(1, 2, (4,)), DQNSettings(learning_rate=0.1))
    train_dqn(agent, envs, lambda agent: 0.0, settings)
    # 50 steps of four environments; ε falls from 1 to 0.05 in the first hundred transitions.
    expected = [max(0.05, 1 - 0.95 * 4 * step / 100) for step in range(50)]
    np.testing.assert_allclose(epsilons, expected, atol=1e-12)
    # Learning starts when 52 transitions are there, after the 13th step, and goes on twice a step.
    assert betas[0] == 52
    assert len(rates) == agent.updates == 2 * (50 - 12)
    expected = np.repeat([0.1 * (1 - 4 * step / 200) for step in range(12, 50)], 2)
    np.testing.assert_allclose(rates, expected, atol=1e-12)
    assert set(sizes) == {9}


def test_priorities_follow_the_errors_and_beta_rises_to_one(monkeypatch):
    from dqngan_lib.dqn import training as dqn_training

    seen = []

    class Spy(dqn_training.PrioritizedReplayBuffer):
        def sample(self, *arguments):
            seen.append(self.beta)
            return super().sample(*arguments)

        def update_priorities(self, index, td_error):
            super().update_priorities(index, td_error)
            # Where a row was drawn twice its errors are the same.
            expected = (td_error.abs().double().numpy() + 1e-6) ** self.alpha
            np.testing.assert_allclose(self.tree[index.numpy()], expected)
            updated.append(len(index))

    updated = []
    monkeypatch.setattr(dqn_training, "PrioritizedReplayBuffer", Spy)
    learnt(probes.LongWalk(4), steps=100, evaluate_every=100, learn_after=1, priority_alpha=0.5)
    expected = [0.4 + 0.6 * 4 * step / 100 for step in range(25)]
    np.testing.assert_allclose(seen, expected, atol=1e-12)
    assert updated == [64] * 25


def test_evaluations_come_when_due_even_if_the_steps_do_not_divide():
    settings = {"batch_size": 4, "learn_after": 4}
    for environments, every, steps, expected in [
        (4, 10, 30, [12, 20, 32]),
        (8, 3, 20, [8, 16, 24]),  # more environments than steps between evaluations
        (3, 50, 50, [51]),
    ]:
        agent = DQN(QNetwork(1, 2, (4,)))
        history = train_dqn(
            agent,
            probes.LongWalk(environments),
            lambda agent: 0.0,
            TrainSettings(steps=steps, evaluate_every=every, **settings),
        )
        assert history.step == expected
        assert history.seconds == sorted(history.seconds)
        assert history.steps_per_second > 0


def test_sums_of_rewards_end_where_a_piece_of_the_run_ends(tmp_path):
    class Forever(probes.Probe):
        """Gives 1, looks always the same, and never ends: new episodes look like the old ones."""

        def outcome(self, seen: float, action: int) -> tuple[float, bool, bool, float]:
            return 1.0, False, False, 0.0

    settings = TrainSettings(steps=80, evaluate_every=40, capacity=80, learn_after=80, n_step=99)
    path = tmp_path / "run.pt"
    agent = DQN(QNetwork(1, 2, (4,)))
    train_dqn(agent, Forever(4), lambda agent: 0.0, settings, checkpoint=path)
    buffer = ReplayBuffer(80)
    buffer.load_state_dict(load_checkpoint(path)["parts"]["buffer"])
    batch = buffer.gather(torch.arange(80), 99)
    # Two pieces of ten steps of four environments.
    assert batch["steps"].tolist() == [10 - step % 10 for step in range(20) for _ in range(4)]


@pytest.mark.parametrize("kind", ["vector_entry_point", "sync"])
def test_cartpole_is_learnt(kind):
    make = {"sync": {"vectorization_mode": "sync"}, "vector_entry_point": {}}[kind]
    envs = gymnasium.make_vec("CartPole-v1", num_envs=8, **make)
    assert isinstance(envs.unwrapped, SyncVectorEnv) == (kind == "sync")
    test_envs = gymnasium.make_vec("CartPole-v1", num_envs=10)
    torch.manual_seed(0)
    agent = DQN(QNetwork(4, 2, (64,)), DQNSettings(learning_rate=2e-3))
    settings = TrainSettings(
        steps=8_000, evaluate_every=2_000, batch_size=64, learn_after=500, stop_score=120
    )
    history = train_dqn(
        agent, envs, lambda agent: play(agent.act, test_envs, 1).mean().item(), settings
    )
    assert history.best_score > 60  # chance gives 22


def test_environments_in_other_processes_give_the_same():
    def make():
        return gymnasium.make("CartPole-v1", max_episode_steps=15)

    expected, _ = run(envs=SyncVectorEnv([make] * 2))
    envs = AsyncVectorEnv([make] * 2)
    try:
        agent, _ = run(envs=envs)
    finally:
        envs.close()
    assert differences(agent.state_dict(), expected.state_dict()) == []


def test_the_courses_worlds_can_be_learnt():
    # Two cells and the goal, no slip: right is worth 1 next to it, γ one further away.
    grid = GridWorld(4, ("S.G",), slip=0.0, step_reward=0.0)

    class Cells(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.values = nn.Parameter(torch.zeros(3, 4))

        def forward(self, observation: Tensor) -> Tensor:
            return self.values[observation.long()]

    agent = DQN(Cells(), DQNSettings(discount=0.5, learning_rate=0.05, target_rate=0.2))
    settings = TrainSettings(
        steps=1600,
        evaluate_every=1600,
        batch_size=64,
        learn_after=64,
        epsilon_end=1.0,
        learning_rate_end=0.0,
    )
    train_dqn(agent, grid, lambda agent: 0.0, settings)
    exact = torch.tensor([[0.25, 0.5, 0.25, 0.25], [0.5, 1.0, 0.5, 0.25]])
    assert (agent.q_network.values[:2] - exact).abs().max() < 0.05

    agent = DQN(ConvolutionalQNetwork(2, 5, 3))
    settings = TrainSettings(steps=64, evaluate_every=64, batch_size=16, learn_after=16)
    history = train_dqn(agent, Catch(4, side=5), lambda agent: 1.0, settings)
    assert history.score == [1.0]
    assert agent.updates > 0


@pytest.mark.parametrize(
    ("envs", "evaluate", "error", "message"),
    [
        (gymnasium.make("CartPole-v1"), score, TypeError, "envs must be a vector environment"),
        (short_cartpole(), 3.0, TypeError, "evaluate must be a function; got float"),
        (short_cartpole(), None, ValueError, "evaluate must be a function.*; got None"),
    ],
)
def test_train_names_what_is_wrong(envs, evaluate, error, message):
    with pytest.raises(error, match=message):
        train_dqn(new_agent(), envs, evaluate, SHORT)


def test_an_empty_history():
    history = History()
    assert history.best_score == -math.inf
    assert history.steps_per_second == 0.0
