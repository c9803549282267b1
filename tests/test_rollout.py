"""The steps of a rollout against single environments that are stepped by hand."""

import math

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from dqngan_lib.environments.catch import Catch
from dqngan_lib.environments.rollout import Rollout, play
from tests import probes

LIMIT = 12


def make() -> gymnasium.Env:
    """Make a CartPole that is cut off early: with random actions both kinds of ends occur."""
    return gymnasium.make("CartPole-v1", max_episode_steps=LIMIT)


def by_hand(seed: int, actions: list[int]) -> list[tuple]:
    """Step one environment with ordinary resets; return each step's fields."""
    env, rows = make(), []
    observation, _ = env.reset(seed=seed)
    for action in actions:
        following, reward, terminated, truncated, _ = env.step(action)
        rows.append((observation, action, reward, terminated, truncated, following))
        observation = env.reset()[0] if terminated or truncated else following
    return rows


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_every_mode_gives_the_steps_of_single_environments(mode):
    environments, rows = 3, []
    rollout = Rollout(SyncVectorEnv([make] * environments, autoreset_mode=mode))
    rng = torch.Generator().manual_seed(0)
    observation = rollout.start(seed=5)
    for _ in range(80):
        action = torch.randint(2, (environments,), generator=rng)
        step = rollout.step(action)
        assert torch.equal(step.observation, observation)
        observation = rollout.observation
        rows.append(step)
    assert {len(vars(step)) for step in rows} == {7}
    for stream in range(environments):
        valid = [step for step in rows if step.valid[stream]]
        assert (len(valid) < len(rows)) == (mode == AutoresetMode.NEXT_STEP)
        expected = by_hand(5 + stream, [int(step.action[stream]) for step in valid])
        for step, row in zip(valid, expected, strict=True):
            found = (
                step.observation[stream].numpy(),
                step.action[stream].item(),
                step.reward[stream].item(),
                step.terminated[stream].item(),
                step.truncated[stream].item(),
                step.next_observation[stream].numpy(),
            )
            for one, other in zip(found, row, strict=True):
                np.testing.assert_array_equal(one, other)
        assert any(row[3] for row in expected)
        assert any(row[4] for row in expected)


def test_the_vectorised_cartpole_marks_its_resets():
    rollout = Rollout(gymnasium.make_vec("CartPole-v1", num_envs=2, max_episode_steps=LIMIT))
    assert rollout.mode == AutoresetMode.NEXT_STEP
    observation, ended_before = rollout.start(seed=0), torch.tensor([False, False])
    resets = 0
    for _ in range(60):
        step = rollout.step(torch.tensor([0, 1]))
        assert torch.equal(step.valid, ~ended_before)
        assert (step.reward[step.valid] == 1).all()
        # Where a step was valid it is a step of CartPole: position + 0.02 s · speed.
        moved = observation[:, 0] + 0.02 * observation[:, 1]
        torch.testing.assert_close(step.next_observation[step.valid, 0], moved[step.valid])
        # Where it was not, a new episode starts: all four numbers within 0.05.
        assert (step.next_observation[~step.valid].abs() <= 0.05).all()
        resets += int((~step.valid).sum())
        ended_before = step.terminated | step.truncated
        observation = rollout.observation
    assert resets > 5


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_steps_survive_environments_that_write_into_their_arrays_again(mode):
    rollout = Rollout(probes.CutElsewhere(4, mode))
    rollout.start(seed=0)
    steps = [rollout.step(torch.zeros(4, dtype=torch.long)) for _ in range(12)]
    for step in steps:
        rows = step.valid
        assert rows.any() or mode == AutoresetMode.NEXT_STEP
        assert torch.equal(step.next_observation[rows], -step.observation[rows])
        assert torch.equal(step.reward[rows], (step.observation[rows, 0] == 1).float())
        assert step.truncated[rows].all()
        assert not step.terminated.any()
        assert step.reward.dtype == torch.float32


def test_worlds_made_of_tensors():
    envs = Catch(3, side=5)
    rollout = Rollout(envs)
    observation = rollout.start(seed=1)
    ends = 0
    for _ in range(10):
        step = rollout.step(torch.ones(3, dtype=torch.long))
        # The second picture of what is seen next is the first of what was seen before.
        assert torch.equal(step.next_observation[:, 1], observation[:, 0])
        assert step.valid.all()
        # At an end the ball lies in the last row; in the new episode it is near the top again.
        ball = step.next_observation[:, 0, -1].sum(1)
        caught = step.reward == 1
        assert torch.equal(ball[step.terminated], torch.where(caught, 3, 4)[step.terminated])
        assert (rollout.observation[step.terminated, 0, 1].sum(1) == 1).all()
        ends += int(step.terminated.sum())
        observation = rollout.observation
    assert ends == 9


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_play_counts_one_episode_an_environment(mode):
    envs = SyncVectorEnv([make] * 4, autoreset_mode=mode)
    for discount in (1.0, 0.9, 0.0):
        returns = play(lambda seen: (seen[:, 2] < 0).long(), envs, seed=3, discount=discount)
        for stream, found in enumerate(returns.tolist()):
            env, total, weight, ended = make(), 0.0, 1.0, False
            observation, _ = env.reset(seed=3 + stream)
            while not ended:
                action = int(observation[2] < 0)
                observation, reward, terminated, truncated, _ = env.step(action)
                total += weight * reward
                weight *= discount
                ended = terminated or truncated
            assert found == pytest.approx(total, rel=1e-5)
            if discount == 1:
                assert found <= LIMIT


def test_play_goes_on_until_the_longest_episode_ends():
    class Countdown(probes.Probe):
        """Starts at 1, 2 or 5 and counts down; every step gives what is seen."""

        starts = (1.0, 2.0, 5.0)
        q_values = {}  # noqa: RUF012

        def outcome(self, seen, action):
            return seen, False, seen == 1, seen - 1

    for mode in AutoresetMode:
        envs = Countdown(30, mode)
        returns = play(lambda seen: torch.zeros(30, dtype=torch.long), envs, seed=0, discount=0.5)
        envs.reset(seed=0)
        expected = {1.0: 1.0, 2.0: 2.5, 5.0: 5 + 2 + 0.75 + 0.25 + 1 / 16}
        assert returns.tolist() == [expected[float(seen)] for seen in envs.seen[:, 0]]
        assert len(set(returns.tolist())) == 3


def test_bad_inputs_are_named():
    with pytest.raises(TypeError, match=r"envs must be a vector environment.*TimeLimit"):
        Rollout(make())
    envs = probes.ConstantReward(2)
    for wrong in (None, "SameStep"):
        envs.metadata = {"autoreset_mode": wrong}
        with pytest.raises(ValueError, match="autoreset_mode"):
            Rollout(envs)
    with pytest.raises(RuntimeError, match="start"):
        Rollout(probes.ConstantReward(2)).step(torch.zeros(2, dtype=torch.long))
    for discount in (-0.1, 1.1, math.nan):
        with pytest.raises(ValueError, match="discount"):
            play(lambda seen: None, probes.ConstantReward(2), 0, discount)
