"""Pixels begin at an answer, see the measurement, and are paid for every action."""

from dataclasses import replace

import pytest
import torch

from dqngan_lib.applications.medical.head_start import (
    HEAD_START_AGENT,
    HEAD_START_TRAINING,
    AllActionDQN,
    HeadStartEditor,
    HeadStartQNetwork,
    HeadStartRegressor,
    edit_answers,
    train_head_start,
)
from dqngan_lib.applications.pixels.editor import error_reward
from dqngan_lib.applications.pixels.filters import ActionSet

ACTIONS = ActionSet((10,))


def _pictures(seed, count=6):
    return 0.2 + 0.6 * torch.rand(count, 1, 8, 8, generator=torch.Generator().manual_seed(seed))


def _editor(envs=3):
    return HeadStartEditor(envs, _pictures(0), _pictures(1), _pictures(2), ACTIONS, max_steps=2)


def test_planes_are_answer_and_measurement():
    editor = _editor()
    observation, _ = editor.reset(seed=0, options={"index": torch.tensor([4, 0, 2])})
    assert observation[:, :1].equal(_pictures(1)[[4, 0, 2]])
    assert observation[:, 1:2].equal(_pictures(0)[[4, 0, 2]])


def test_every_action_is_paid_and_the_one_taken_moves():
    editor = _editor()
    observation, _ = editor.reset(seed=0)
    index, before = editor.index.clone(), observation[:, :1]
    action = torch.randint(3, (3, 8, 8), generator=torch.Generator().manual_seed(0))
    after, reward, terminated, _, _ = editor.step(action)
    assert reward.shape == (3, 3, 8, 8)
    assert not terminated.any()
    original = _pictures(2)[index]
    taken = reward.gather(1, action.unsqueeze(1)).squeeze(1)
    expected = error_reward(before, after[:, :1], original)
    assert torch.allclose(taken, expected, atol=1e-5)
    assert (reward[:, 0] == 0).all()  # no-op changes nothing
    _, _, terminated, _, info = editor.step(action)
    assert terminated.all()
    assert editor.picture.equal(_pictures(1)[editor.index])  # the next episodes begin
    assert info["final_obs"].shape == (3, 3, 8, 8)


def test_a_regressor_begins_with_the_answer_and_sees_both():
    torch.manual_seed(0)
    network = HeadStartRegressor(0.5, 0.2, 0.1)
    planes = torch.cat([_pictures(1), _pictures(0)], 1)
    assert network(planes).equal(_pictures(1))
    torch.nn.init.ones_(network.correction.weight)
    planes.requires_grad_()
    network(planes).sum().backward()
    assert (planes.grad.abs().sum((0, 2, 3)) > 0).all()


def test_answers_of_another_shape_are_named():
    with pytest.raises(ValueError, match="answers"):
        HeadStartEditor(1, _pictures(0), _pictures(1, count=5), _pictures(2), ACTIONS)


def test_only_discount_0():
    with pytest.raises(ValueError, match="discount"):
        AllActionDQN(HeadStartQNetwork(3, 0.5, 0.2, 0.1), replace(HEAD_START_AGENT, discount=0.5))


def test_doing_nothing_returns_the_answers():
    def rest(observation):
        return torch.zeros(len(observation), 8, 8, dtype=torch.long)

    edits = edit_answers(rest, _pictures(0), _pictures(1), ACTIONS, steps=2, part=4)
    assert edits.pictures.shape == (3, 6, 1, 8, 8)
    assert edits.result.equal(_pictures(1))


def test_it_learns_to_brighten():
    originals = _pictures(0)
    answers = originals - 11 / 255  # so that one grey level is left, and no PSNR is infinite
    torch.manual_seed(0)
    network = HeadStartQNetwork(len(ACTIONS), 0.5, 0.2, 0.04)
    training = replace(HEAD_START_TRAINING, steps=320, learn_after=8, evaluate_every=160)
    agent, history = train_head_start(
        originals,
        answers,
        originals,
        ACTIONS,
        network,
        held_out=(originals, answers, originals),
        training=training,
        max_steps=1,
        reward_scale=300.0,
        seed=0,
    )
    edits = edit_answers(agent.act, originals, answers, ACTIONS, steps=1)
    assert (edits.actions == 2).float().mean() > 0.9
    assert len(history.score) == 2
