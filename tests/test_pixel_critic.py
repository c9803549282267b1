"""The discriminator for pixels: its reward by hand, always of today, and what it teaches."""

import itertools
from dataclasses import replace

import pytest
import torch

from dqngan_lib.applications.pixels.agent import PIXEL_AGENT
from dqngan_lib.applications.pixels.critic import (
    CriticDQN,
    CriticSettings,
    PixelCritic,
    critic_reward,
    new_filler,
    share_with_neighbours,
    train_filler,
)
from dqngan_lib.applications.pixels.editor import PixelEditor
from dqngan_lib.applications.pixels.filters import ActionSet
from dqngan_lib.applications.pixels.networks import PixelQNetwork
from dqngan_lib.dqn.agent import DQN
from dqngan_lib.dqn.training import TrainSettings

ACTIONS = ActionSet((96,))
SHORT = TrainSettings(
    steps=160, capacity=80, batch_size=4, learn_after=16, evaluate_every=160, epsilon_start=0.3
)


def world(count=30, side=8, seed=0):
    """Return pictures whose left half is white, with a hole in the middle."""
    originals = torch.zeros(count, 1, side, side)
    originals[..., : side // 2] = 1.0
    masks = torch.zeros(count, 1, side, side, dtype=torch.bool)
    masks[..., 2:6, 2:6] = True
    return originals.masked_fill(masks, 0.0), originals, masks


def observation(count=3, seed=0):
    seen = torch.rand(count, 4, 8, 8, generator=torch.Generator().manual_seed(seed))
    seen[:, 2] = (seen[:, 2] > 0.5).float()
    return seen


def agent(weight=2.0, **changes):
    torch.manual_seed(0)
    starts, originals, masks = world()
    editor = PixelEditor(4, starts, originals, ACTIONS, masks=masks, max_steps=3)
    settings = CriticSettings(weight=weight, pool=6, batch_size=4, warm_up=3, **changes)
    network = PixelQNetwork(4, len(ACTIONS), width=4)
    return CriticDQN(network, editor, PixelCritic(4), PIXEL_AGENT, settings), editor


def batch(editor):
    seen, _ = editor.reset(seed=1)
    action = torch.randint(3, (4, 8, 8), generator=torch.Generator().manual_seed(0))
    after, reward, terminated, _, _ = editor.step(action)
    return {
        "observation": seen,
        "action": action,
        "reward": reward,
        "terminated": terminated,
        "next_observation": after,
        "steps": torch.ones(4, dtype=torch.long),
    }


def test_critic_has_an_opinion_on_every_pixel_and_no_clock():
    torch.manual_seed(0)
    critic = PixelCritic(4).eval()
    seen = observation()
    late = seen.clone()
    late[:, 3] = 1.0
    assert critic(seen).shape == (3, 8, 8)
    assert torch.equal(critic(seen), critic(late))


def test_reward_by_hand_in_the_hole_alone_and_without_gradient():
    now, after = observation(), observation(seed=1)
    after[:, 2] = now[:, 2]

    def brightness(seen):
        return 3 * seen[:, 0]

    reward = critic_reward(brightness, now, after, 2.0)
    torch.testing.assert_close(reward, 6 * (after[:, 0] - now[:, 0]) * now[:, 2])
    critic = PixelCritic(4)
    assert not critic_reward(critic, now, after, 1.0).requires_grad


def test_reward_telescopes():
    steps = [observation(seed=number) for number in range(4)]
    for seen in steps:
        seen[:, 2] = steps[0][:, 2]
    critic = PixelCritic(4).eval()
    total = sum(critic_reward(critic, a, b, 1.5) for a, b in itertools.pairwise(steps))
    torch.testing.assert_close(total, critic_reward(critic, steps[0], steps[-1], 1.5))


def test_neighbours_in_the_hole_share_by_hand():
    reward = torch.tensor([[[1.5, -0.5, 2.0, 0.0]]])
    mask = torch.tensor([[[1.0, 1.0, 1.0, 0.0]]])
    expected = torch.tensor([[[0.5, 1.0, 0.75, 0.0]]])
    torch.testing.assert_close(share_with_neighbours(reward, mask), expected)
    square = torch.zeros(1, 4, 4)
    square[0, :2, :2] = torch.tensor([[1.0, 2.0], [3.0, 6.0]])
    shared = share_with_neighbours(square, (square > 0).float())
    torch.testing.assert_close(shared, 3 * (square > 0).float())


def test_update_uses_the_discriminator_of_that_moment(monkeypatch):
    dqn, editor = agent()
    drawn = batch(editor)
    stored = drawn["reward"].clone()
    learnt_from = []

    def plain(self, given):
        learnt_from.append(given["reward"])
        return torch.zeros(4)

    monkeypatch.setattr(DQN, "update", plain)
    for _ in range(2):
        dqn.update(drawn)
        dqn.critic.eval()
    assert torch.equal(drawn["reward"], stored)  # what replay holds never changes
    assert not torch.equal(learnt_from[0], learnt_from[1])  # the opinion does
    outside = ~editor.masks[:4, 0]
    assert torch.equal(learnt_from[1][outside], stored[outside])
    assert dqn.critic_updates == 5  # three to warm up, then one an update


def test_weight_0_is_the_plain_dqn():
    dqn, editor = agent(weight=0.0)
    drawn = batch(editor)
    torch.manual_seed(0)
    plain = DQN(PixelQNetwork(4, len(ACTIONS), width=4), PIXEL_AGENT)
    assert torch.equal(dqn.update(drawn), plain.update(drawn))
    assert dqn.critic_updates == 0


def test_critic_learns_to_tell_originals_from_holes():
    dqn, _ = agent(learning_rate=1e-2)
    losses = [dqn.critic_step() for _ in range(60)]
    assert losses[0] > 1.5
    assert sum(losses[-5:]) / 5 < 1.0


def test_training_fills_holes_and_goes_on_without_touching_its_beginning():
    _, originals, masks = world(40)
    learn, look = (originals[:30], masks[:30]), (originals[30:], masks[30:])
    first = new_filler(*learn, actions=ACTIONS, max_steps=3)
    history = train_filler(first, *look, SHORT)
    assert history.score[-1] > 15
    assert first.critic_updates == 0
    before = {k: v.clone() for k, v in first.q_network.state_dict().items()}
    critic = CriticSettings(pool=6, batch_size=4, warm_up=2)
    second = new_filler(
        *learn, 1.0, begin=first, actions=ACTIONS, critic=critic, max_steps=3, seed=1
    )
    train_filler(second, *look, replace(SHORT, steps=80, evaluate_every=80))
    assert second.critic_settings.weight == 1.0
    assert second.critic_updates > 0
    after = first.q_network.state_dict()
    assert all(torch.equal(before[k], after[k]) for k in before)
    moved = second.q_network.state_dict()
    assert any(not torch.equal(before[k], moved[k]) for k in before)


@pytest.mark.parametrize(
    "name", ["weight", "learning_rate", "batch_size", "pool", "refresh", "warm_up"]
)
def test_bad_settings_are_named(name):
    with pytest.raises(ValueError, match=f"{name} must be"):
        CriticSettings(**{name: -1})


def test_a_critic_needs_holes():
    starts, originals, _ = world()
    editor = PixelEditor(2, starts, originals, ACTIONS)
    with pytest.raises(ValueError, match="masks"):
        CriticDQN(PixelQNetwork(3, 3, width=4), editor, PixelCritic(4))
