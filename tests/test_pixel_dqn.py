"""The DQN for pixels: the neighbours' backup by brute force, and a task it must learn."""

from dataclasses import replace

import pytest
import torch

from dqngan_lib.applications.pixels.agent import (
    PIXEL_AGENT,
    NeighbourDQN,
    neighbourhood_mean,
    train_editor,
)
from dqngan_lib.applications.pixels.editor import edit
from dqngan_lib.applications.pixels.filters import ActionSet
from dqngan_lib.applications.pixels.networks import PixelQNetwork
from dqngan_lib.dqn.agent import DQN
from dqngan_lib.dqn.training import TrainSettings
from dqngan_lib.metrics.pictures import psnr


def values(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def test_neighbourhood_mean_by_hand_and_by_brute_force():
    line = torch.tensor([[[0.0, 3.0, 6.0]]])
    torch.testing.assert_close(neighbourhood_mean(line, 1.0), torch.tensor([[[1.5, 3.0, 4.5]]]))
    torch.testing.assert_close(neighbourhood_mean(line, 0.5), torch.tensor([[[0.75, 3.0, 5.25]]]))
    maps = values(2, 5, 6)
    mixed = neighbourhood_mean(maps, 0.3)
    for n, row, column in ((0, 0, 0), (1, 4, 2), (1, 2, 3), (0, 3, 5)):
        near = maps[n, max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
        expected = 0.7 * maps[n, row, column] + 0.3 * near.mean()
        torch.testing.assert_close(mixed[n, row, column], expected)


def batch(count=4, side=6):
    return {
        "observation": values(count, 3, side, side),
        "next_observation": values(count, 3, side, side).flip(0),
        "action": torch.zeros(count, side, side, dtype=torch.long),
        "reward": values(count, side, side),
        "terminated": torch.tensor([False, True] * (count // 2)),
        "steps": torch.ones(count, dtype=torch.long),
    }


@pytest.mark.parametrize("share", [0.0, 0.4])
def test_neighbours_enter_the_target_of_what_goes_on(share):
    torch.manual_seed(0)
    network = PixelQNetwork(3, 4, width=4)
    torch.nn.init.normal_(network.value.weight)  # a fresh network values everything at 0
    plain = DQN(network, PIXEL_AGENT).target(batch())
    mixed = NeighbourDQN(network, PIXEL_AGENT, share=share).target(batch())
    reward = batch()["reward"]
    torch.testing.assert_close(mixed, reward + neighbourhood_mean(plain - reward, share))
    assert torch.equal(mixed[1], reward[1])  # terminated: nothing follows
    assert torch.equal(mixed, plain) == (share == 0)


def test_pixels_learn_to_brighten_what_is_too_dark():
    rng = torch.Generator().manual_seed(0)
    originals = 0.6 + 0.3 * torch.rand(60, 1, 8, 8, generator=rng)
    originals[..., :4] -= 0.3
    starts = originals - 0.2
    starts[..., :4] += 0.4  # left half too bright, and darker than the right half
    agent, history = train_editor(
        starts,
        originals,
        ActionSet((51,)),
        agent=replace(PIXEL_AGENT, learning_rate=1e-2),
        training=TrainSettings(
            steps=2_400, capacity=400, batch_size=8, learn_after=40, evaluate_every=800
        ),
        max_steps=2,
        held_out=20,
    )
    assert len(history.score) == 3
    made = edit(agent.act, starts[:10], ActionSet((51,)), steps=2)
    gain = psnr(made.result, originals[:10]).mean() - psnr(starts[:10], originals[:10]).mean()
    assert gain > 6


def test_training_is_the_same_for_the_same_seed():
    starts = torch.rand(12, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    short = TrainSettings(steps=160, capacity=100, batch_size=4, learn_after=16, evaluate_every=80)
    masks = starts > 0.3
    runs = [
        train_editor(
            starts,
            1 - starts,
            ActionSet((51,)),
            masks=masks,
            training=short,
            held_out=4,
            share=0.2,
            seed=seed,
        )
        for seed in (0, 0, 1)
    ]
    assert runs[0][1].score == runs[1][1].score
    assert runs[0][1].q_value != runs[2][1].q_value


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_share_out_of_range(share):
    with pytest.raises(ValueError, match="share"):
        NeighbourDQN(PixelQNetwork(3, 4, width=4), share=share)


def test_no_picture_left_to_learn_from():
    with pytest.raises(ValueError, match="held_out"):
        train_editor(torch.rand(5, 1, 6, 6), torch.rand(5, 1, 6, 6), ActionSet(), held_out=5)
