"""The pendulum with a choice of torques, its planner, and the variants trained on it."""

import pytest
import torch

from dqngan_lib.dqn.agent import DQNSettings
from dqngan_lib.dqn.training import TrainSettings
from dqngan_lib.dqn.variants import (
    CATCH_AGENT,
    CATCH_TRAIN,
    PENDULUM_AGENT,
    PENDULUM_TRAIN,
    VARIANTS,
    train_catch,
    train_pendulum,
)
from dqngan_lib.environments.pendulum import PENDULUM_REWARD_SCALE, PendulumPlanner, TorquePendulum
from dqngan_lib.environments.rollout import Rollout, play


def test_planner_knows_the_equations_of_motion():
    """One step of the world is one step of the planner: reward and next state."""
    planner = PendulumPlanner(torques=5, angles=4, speeds=5, sweeps=0)
    rollout = Rollout(TorquePendulum(num_envs=50, torques=5))
    observation = rollout.start(3)
    rng = torch.Generator().manual_seed(0)
    for _ in range(30):
        action = torch.randint(5, (50,), generator=rng)
        angle = torch.atan2(observation[:, 1], observation[:, 0])
        expected = planner.q_values(angle, observation[:, 2])  # V is 0 everywhere
        step = rollout.step(action)
        reward = expected.gather(1, action[:, None])[:, 0]
        torch.testing.assert_close(step.reward, reward, atol=1e-4, rtol=1e-4)
        assert (step.reward <= 0).all()
        observation = rollout.observation


def test_planner_reads_between_grid_points():
    planner = PendulumPlanner(torques=3, angles=4, speeds=5, sweeps=0)
    angle = torch.arange(4) * torch.pi / 2
    speed = torch.linspace(-8, 8, 5)
    planner.values = angle.cos()[:, None] + 2 * speed[None, :]
    assert planner._value(angle[:, None], speed[None, :]).allclose(planner.values, atol=0.02)
    between = planner._value(torch.tensor([torch.pi / 4]), torch.tensor([2.0]))
    assert between.item() == pytest.approx(0.5 + 4, abs=1e-4)
    across = planner._value(torch.tensor([-torch.pi / 4]), torch.tensor([0.0]))
    assert across.item() == pytest.approx(0.5, abs=1e-4)


def test_planner_swings_up_and_random_does_not():
    worlds = TorquePendulum(num_envs=20, torques=9)
    planned = play(PendulumPlanner(9, angles=60, speeds=61, sweeps=150).act, worlds, seed=1)
    rng = torch.Generator().manual_seed(0)
    chance = play(lambda o: torch.randint(9, (len(o),), generator=rng), worlds, seed=1)
    assert planned.mean() / PENDULUM_REWARD_SCALE > -250
    assert chance.mean() / PENDULUM_REWARD_SCALE < -900


def test_episodes_are_truncated_and_never_terminate():
    rollout = Rollout(TorquePendulum(num_envs=2, torques=2, max_steps=3))
    rollout.start(0)
    steps = [rollout.step(torch.tensor([0, 1])) for _ in range(3)]
    assert not any(step.terminated.any() for step in steps)
    assert [step.truncated.all().item() for step in steps] == [False, False, True]


@pytest.mark.parametrize(("name", "value"), [("num_envs", 0), ("torques", 1), ("max_steps", 1.5)])
def test_bad_arguments_are_named(name, value):
    with pytest.raises(ValueError, match=name):
        TorquePendulum(**{name: value})


@pytest.mark.parametrize("action", [[0], [0, 25], [-1, 0]])
def test_bad_actions_are_named(action):
    worlds = TorquePendulum(num_envs=2)
    worlds.reset(seed=0)
    with pytest.raises(ValueError, match="action must hold 2 whole numbers from 0 to 24"):
        worlds.step(action)


def test_settings_of_all_variants_are_allowed():
    for variant in VARIANTS.values():
        for agent, train in ((CATCH_AGENT, CATCH_TRAIN), (PENDULUM_AGENT, PENDULUM_TRAIN)):
            DQNSettings(**agent | variant.agent)
            TrainSettings(**train | variant.train)


@pytest.mark.parametrize("train", [train_catch, train_pendulum])
def test_unknown_variant_is_named(train):
    with pytest.raises(ValueError, match="variant must be one of"):
        train("rainbow", seed=0)
