"""The editor's pixels get what they earn, and Gymnasium and the course's loops can use it."""

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import VectorWrapper

from dqngan_lib.applications.pixels.editor import (
    ERROR_SCALE,
    Edits,
    PixelEditor,
    edit,
    error_reward,
    observe,
)
from dqngan_lib.applications.pixels.filters import SUPER_RESOLUTION, ActionSet, box
from dqngan_lib.applications.pixels.networks import PixelQNetwork
from dqngan_lib.dqn.agent import DQN, DQNSettings
from dqngan_lib.dqn.replay import ReplayBuffer
from dqngan_lib.environments.base import SingleEpisode
from dqngan_lib.environments.rollout import Rollout


def pictures(count=6, height=7, width=5, seed=0):
    return torch.rand(count, 1, height, width, generator=torch.Generator().manual_seed(seed))


def editor(num_envs=4, **settings):
    return PixelEditor(num_envs, pictures(seed=1), pictures(seed=2), SUPER_RESOLUTION, **settings)


def random_action(envs, seed=0):
    random = np.random.default_rng(seed)
    return torch.from_numpy(random.integers(0, len(envs.actions), envs.action_space.shape))


def test_three_pixels_by_hand():
    start, original = torch.tensor([[[[0.2, 0.5, 0.9]]]]), torch.tensor([[[[0.4, 0.5, 0.7]]]])
    envs = PixelEditor(1, start, original, ActionSet((51,), {"box": box}), reward_scale=1.0)
    envs.reset(seed=0)
    observation, reward, *_ = envs.step(torch.tensor([[[2, 0, 3]]]))  # +51, no-op, box
    third = (0.5 + 0.9 + 0.9) / 3  # the picture goes on with its last value
    torch.testing.assert_close(observation[0, 0, 0], torch.tensor([0.4, 0.5, third]))
    expected = torch.tensor([[[0.04, 0.0, 0.04 - (third - 0.7) ** 2]]])
    torch.testing.assert_close(reward, expected)


def test_rewards_add_up_to_the_fall_of_the_squared_error():
    envs = editor()
    envs.reset(seed=0)
    start, original = envs.picture, envs.originals[envs.index]
    total = torch.zeros(4, 7, 5)
    for number in range(5):
        _, reward, _, _, info = envs.step(random_action(envs, number))
        total += reward
    final = info["final_obs"][:, :1]
    fall = (start - original) ** 2 - (final - original) ** 2
    torch.testing.assert_close(total, ERROR_SCALE * fall.squeeze(1), rtol=1e-4, atol=1e-3)


def test_rewards_can_be_computed_again_from_the_states():
    envs = editor()
    rollout = Rollout(envs)
    rollout.start(0)
    for number in range(7):  # over the end of an episode
        original = envs.originals[envs.index]
        step = rollout.step(random_action(envs, number))
        again = error_reward(step.observation[:, :1], step.next_observation[:, :1], original)
        assert torch.equal(step.reward, again)


def test_observation_shows_picture_start_and_clock():
    envs = editor()
    observation, _ = envs.reset(seed=0)
    start = envs.picture
    assert observation.shape == envs.observation_space.shape == (4, 3, 7, 5)
    for number in range(5):
        assert torch.equal(observation[:, :1], envs.picture)
        assert torch.equal(observation[:, 1:2], start)
        torch.testing.assert_close(observation[:, 2], torch.full((4, 7, 5), number / 5))
        assert envs.observation_space.contains(observation.numpy())
        observation, _, terminated, truncated, info = envs.step(random_action(envs, number))
        assert terminated.tolist() == [number == 4] * 4
        assert not truncated.any()
    torch.testing.assert_close(info["final_obs"][:, 2], torch.ones(4, 7, 5))
    assert torch.equal(observation[:, 0], observation[:, 1])  # a new episode
    assert (observation[:, 2] == 0).all()


def test_only_pixels_in_the_mask_change_and_earn():
    masks = torch.zeros(6, 1, 7, 5, dtype=torch.bool)
    masks[..., 2:4, 1:3] = True
    envs = editor(masks=masks)
    observation, _ = envs.reset(seed=0)
    assert observation.shape[1] == 4
    assert torch.equal(observation[:, 2:3].bool(), masks[envs.index])
    start = envs.picture
    _, reward, *_ = envs.step(random_action(envs))
    outside = ~masks[:4]
    assert torch.equal(envs.picture[outside], start[outside])
    assert not torch.equal(envs.picture, start)
    assert (reward.unsqueeze(1)[outside] == 0).all()
    inside = reward.unsqueeze(1)[~outside]
    assert inside.abs().sum() > 0


def test_the_seed_chooses_the_pictures_and_options_name_them():
    one, two = editor(), editor()
    assert torch.equal(one.reset(seed=3)[0], two.reset(seed=3)[0])
    for number in range(5):
        a, b = (envs.step(random_action(envs, number))[0] for envs in (one, two))
    assert torch.equal(a, b)
    observation, _ = one.reset(options={"index": torch.tensor([5, 0, 1, 1])})
    assert torch.equal(observation[:, :1], one.starts[[5, 0, 1, 1]])


def test_episodes_start_with_every_picture():
    envs = editor(num_envs=64)
    envs.reset(seed=0)
    assert set(envs.index.tolist()) == set(range(6))


class _MeanReward(VectorWrapper):
    """One number for the reward of a picture, as Gymnasium's single environments have it."""

    def step(self, actions):
        observation, reward, *rest = self.env.step(actions)
        return observation, reward.flatten(1).mean(1), *rest


def test_gymnasium_accepts_a_single_episode():
    single = SingleEpisode(_MeanReward(editor(num_envs=1)))
    check_env(single, skip_render_check=True)
    assert isinstance(single.action_space, gymnasium.spaces.MultiDiscrete)


def test_the_dqn_and_the_memory_of_notebook_02_take_maps():
    envs = editor()
    torch.manual_seed(0)
    agent = DQN(PixelQNetwork(3, 10, width=4), DQNSettings(discount=0.5, backup="double"))
    memory, rollout = ReplayBuffer(40), Rollout(envs)
    observation = rollout.start(0)
    for _ in range(6):
        action = agent.act(observation, epsilon=0.5)
        assert action.shape == (4, 7, 5)
        step = rollout.step(action)
        memory.add(
            observation=step.observation,
            action=step.action,
            reward=step.reward,
            terminated=step.terminated,
            truncated=step.truncated,
            next_observation=step.next_observation,
        )
        observation = rollout.observation
    batch = memory.sample(8)
    assert agent.target(batch).shape == (8, 7, 5)
    assert agent.update(batch).shape == (8,)
    ended = batch["terminated"]
    assert torch.equal(agent.target(batch)[ended], batch["reward"][ended])


# Editing without originals ------------------------------------------------------------------------


def test_edit_does_what_the_environment_does():
    starts = pictures(5, seed=1)
    torch.manual_seed(0)
    agent = DQN(PixelQNetwork(3, 10, width=4))
    made = edit(agent.act, starts, SUPER_RESOLUTION, part=2)
    assert isinstance(made, Edits)
    assert made.pictures.shape == (6, 5, 1, 7, 5)
    assert made.actions.shape == (5, 5, 7, 5)
    envs = PixelEditor(5, starts, starts, SUPER_RESOLUTION)
    observation, _ = envs.reset(options={"index": torch.arange(5)})
    for number in range(5):
        torch.testing.assert_close(observation[:, :1], made.pictures[number])
        action = agent.act(observation)
        assert (action == made.actions[number]).float().mean() > 0.99  # but for rounding
        observation, *_, info = envs.step(made.actions[number])
    torch.testing.assert_close(info["final_obs"][:, :1], made.result)


def test_edit_respects_masks():
    starts = pictures(3)
    masks = pictures(3, seed=5) > 0.5
    made = edit(
        lambda seen: torch.full_like(seen[:, 0], 4).long(), starts, SUPER_RESOLUTION, masks=masks
    )
    assert torch.equal(made.result[~masks], starts[~masks])
    assert (made.result[masks] >= starts[masks]).all()


def test_effective_actions_by_hand():
    actions = ActionSet((51,))  # no-op, −51, +51: a fifth of the range
    starts = torch.tensor([[[[0.0, 0.5, 1.0]]]])
    plan = iter([torch.tensor([[[1, 1, 2]]]), torch.tensor([[[2, 0, 1]]])])
    made = edit(lambda seen: next(plan), starts, actions, steps=2)
    # Black cannot become darker, nor white brighter.
    assert made.effective.tolist() == [[[[0, 1, 0]]], [[[2, 0, 1]]]]
    mask = torch.tensor([[[[True, False, True]]]])
    made = edit(lambda seen: torch.full((1, 1, 3), 2), starts, actions, masks=mask, steps=1)
    assert made.effective.tolist() == [[[[2, 0, 0]]]]


def test_observe_without_and_with_mask():
    picture, start = pictures(2), pictures(2, seed=3)
    assert observe(picture, start, None, torch.zeros(2)).shape == (2, 3, 7, 5)
    mask = picture > 0.5
    seen = observe(picture, start, mask, torch.tensor([0.2, 0.4]))
    assert seen.dtype == torch.float32
    assert torch.equal(seen[:, 2:3], mask.float())
    torch.testing.assert_close(seen[:, 3].mean((1, 2)), torch.tensor([0.2, 0.4]))


BAD = {
    "starts as bytes": (
        lambda: PixelEditor(1, torch.zeros(1, 1, 4, 4, dtype=torch.uint8), None, SUPER_RESOLUTION),
        TypeError,
        "starts must be a float tensor; got torch.uint8",
    ),
    "originals of another size": (
        lambda: PixelEditor(1, pictures(), pictures(5), SUPER_RESOLUTION),
        ValueError,
        "originals must have shape",
    ),
    "out of range": (
        lambda: PixelEditor(1, 2 * pictures(), pictures(), SUPER_RESOLUTION),
        ValueError,
        "within",
    ),
    "masks as floats": (lambda: editor(masks=pictures()), TypeError, "masks must be a bool"),
    "masks of another size": (
        lambda: editor(masks=pictures(2) > 0),
        ValueError,
        "masks must have shape",
    ),
    "scale": (lambda: editor(reward_scale=0.0), ValueError, "reward_scale"),
    "no steps": (lambda: editor(max_steps=0), ValueError, "max_steps"),
    "step before reset": (
        lambda: editor().step(torch.zeros(4, 7, 5)),
        RuntimeError,
        "call reset",
    ),
    "one action for a picture": (
        lambda: _started().step(torch.zeros(4)),
        ValueError,
        r"action must have shape \(4, 7, 5\)",
    ),
    "unknown action": (
        lambda: _started().step(torch.full((4, 7, 5), 10)),
        ValueError,
        "0 to 9",
    ),
    "unknown picture": (
        lambda: editor().reset(options={"index": torch.tensor([0, 1, 2, 6])}),
        ValueError,
        "from 0 to 5",
    ),
    "edit for no step": (
        lambda: edit(lambda seen: seen, pictures(), SUPER_RESOLUTION, steps=0),
        ValueError,
        "steps",
    ),
}


def _started():
    envs = editor()
    envs.reset(seed=0)
    return envs


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_named(name):
    call, error, words = BAD[name]
    with pytest.raises(error, match=words):
        call()
