"""Walks through noise: the world by hand, wishes nobody made, and the rivals."""

import pytest
import torch
from torch import nn

from dqngan_lib.applications.latent.rivals import climb, local_search, neighbour_classes
from dqngan_lib.applications.latent.steering import (
    SEEN,
    LatentWalk,
    Wish,
    WishDQN,
    draw_wishes,
    guided,
    ink,
    looking,
    measured_in,
    noise_moves,
    other_classes,
    other_wish,
    slant,
    walk_observation,
    worth,
)
from dqngan_lib.dqn.agent import DQNSettings
from dqngan_lib.dqn.networks import QNetwork
from dqngan_lib.dqn.training import TrainSettings, train_dqn

SIZE = 4


class Drawer(nn.Module):
    """Draws a line of 16 rows: the first number leans it, the second gives its ink."""

    noise_size = SIZE

    def forward(self, noise, labels):
        """Draw."""
        rows = torch.arange(16.0).view(1, 1, 16, 1) - 7.5
        columns = torch.arange(32.0).view(1, 1, 1, 32) - 15.5
        lean, dark = (noise[:, k].view(-1, 1, 1, 1) for k in (0, 1))
        line = torch.exp(-((columns - 0.5 * lean.tanh() * rows) ** 2) / 4)
        return line * (0.5 + 0.4 * dark.tanh())


class Reader(nn.Module):
    """Reads every picture as class 3 with the same chance."""

    def forward(self, pictures):
        """Read."""
        return torch.zeros(len(pictures), 10).index_fill(1, torch.tensor([3]), 5.0)


look = looking(Drawer(), Reader())
moves = noise_moves(torch.eye(SIZE)[:2], 0.5)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def wishes(count=6, seed=0):
    noise, _, wish = draw_wishes(Drawer(), count, torch.Generator().manual_seed(seed))
    # A hand other than the one that the noise writes.
    return noise, Wish(wish.asked, wish.slant.roll(1), wish.ink.roll(1))


def test_other_classes_are_others_and_equally_likely():
    classes = torch.arange(10).repeat(900)
    other = other_classes(classes, torch.Generator().manual_seed(0))
    assert (other != classes).all()
    counts = ((other - classes) % 10).bincount(minlength=10)
    assert counts[0] == 0
    assert (counts[1:] - 1000).abs().max() < 150


def test_moves_stand_still_or_go_to_and_fro():
    moves = noise_moves(torch.eye(3)[:2], 0.5)
    expected = [[0, 0, 0], [0.5, 0, 0], [-0.5, 0, 0], [0, 0.5, 0], [0, -0.5, 0]]
    assert moves.tolist() == expected


def test_slant_and_ink_of_lines_by_hand():
    upright, leaning = torch.zeros(2, 1, 9, 9)
    upright[0, :, 4] = 1.0
    leaning[0, torch.arange(9), torch.arange(9)] = 0.5  # one column to the right a row down
    pictures = torch.stack([upright, leaning, leaning.flip(2)])
    torch.testing.assert_close(slant(pictures), torch.tensor([0.0, 1.0, -1.0]))
    torch.testing.assert_close(ink(pictures), torch.tensor([9.0, 4.5, 4.5]))


def test_worth_by_hand():
    measured = torch.tensor([[0.0, 0.0, 0.0], [-1.0, 0.1, 0.0], [-1.0, -0.1, -0.2]])
    sure = torch.tensor(0.95).log().item()
    torch.testing.assert_close(worth(measured), torch.tensor([sure, -1.5, -2.1]))


def test_what_is_measured_is_zero_where_the_wish_is_the_picture():
    noise, classes, wish = draw_wishes(Drawer(), 5, torch.Generator().manual_seed(1))
    assert (wish.asked != classes).all()
    measured = look(noise, wish)
    torch.testing.assert_close(measured[:, 1:], torch.zeros(5, 2), atol=1e-5, rtol=0)
    expected = torch.zeros(5, 10).index_fill(1, torch.tensor([3]), 5.0).log_softmax(1)
    torch.testing.assert_close(measured[:, 0], expected[torch.arange(5), wish.asked])
    half = Wish(wish.asked, wish.slant - 0.3, wish.ink * 0.5)
    expected = torch.tensor([0.3, 1.0]).expand(5, 2)
    torch.testing.assert_close(look(noise, half)[:, 1:], expected, atol=1e-5, rtol=0)
    noise.requires_grad_(True)
    (gradient,) = torch.autograd.grad(worth(look(noise, half)).sum(), noise)
    assert (gradient[:, :2].abs() > 0).all()


def test_a_step_of_the_world_by_hand():
    envs = LatentWalk(4, Drawer(), Reader(), moves, 3)
    seen, _ = envs.reset(seed=0)
    noise, wish, before = envs.noise.clone(), envs.wish, envs.measured.clone()
    assert seen.shape == (4, SIZE + 14)
    torch.testing.assert_close(seen[:, :SIZE], noise)
    torch.testing.assert_close(measured_in(seen), before)
    assert torch.equal(seen[:, -11:-1].argmax(1), wish.asked)
    after, reward, terminated, truncated, _ = envs.step(torch.tensor([0, 1, 2, 3]))
    moved = noise + moves[:4]
    torch.testing.assert_close(after[:, :SIZE], moved)
    torch.testing.assert_close(reward, worth(look(moved, wish)) - worth(before))
    torch.testing.assert_close(after[:, -1], torch.full((4,), 1 / 3))
    assert not (terminated | truncated).any()
    assert envs.drawn == 12  # two pictures to begin with, and one a step


def test_episodes_terminate_and_rewards_telescope():
    envs = LatentWalk(3, Drawer(), Reader(), moves, 2)
    envs.reset(seed=1)
    first, wish = envs.noise.clone(), envs.wish
    total = torch.zeros(3)
    for number in range(2):
        _, reward, terminated, truncated, info = envs.step(torch.tensor([1, 2, 3]))
        total += reward
        assert terminated.all() == (number == 1)
        assert not truncated.any()
    last = first + 2 * moves[1:4]
    rise = worth(look(last, wish)) - worth(look(first, wish))
    torch.testing.assert_close(total, rise)
    torch.testing.assert_close(info["final_obs"][:, :SIZE], last)
    assert not torch.equal(envs.noise, last)  # the next episode has begun


def test_another_wish_is_what_would_have_been_seen():
    noise, wish = wishes()
    lean, more = 0.2 * normal(6), (0.3 * normal(6, seed=1)).exp()
    clock = torch.full((6,), 0.5)
    seen = walk_observation(noise, look(noise, wish), wish.asked, clock)
    other = Wish(wish.asked, wish.slant - lean, wish.ink / more)
    expected = walk_observation(noise, look(noise, other), wish.asked, clock)
    torch.testing.assert_close(other_wish(seen, lean, more), expected)
    kept = torch.ones(SIZE + 14, dtype=torch.bool)
    kept[SEEN] = False
    assert torch.equal(other_wish(seen, lean, more)[:, kept], seen[:, kept])


def test_learning_takes_the_reward_of_the_other_wish(monkeypatch):
    agent = WishDQN(QNetwork(SIZE + 14, len(moves), (8,)), DQNSettings(), 0)
    noise, wish = wishes()
    clock = torch.zeros(6)
    seen, after = (
        walk_observation(z, look(z, wish), wish.asked, clock) for z in (noise, noise + moves[1])
    )
    batch = {
        "observation": seen,
        "next_observation": after,
        "action": torch.ones(6, dtype=torch.long),
        "reward": torch.full((6,), 99.0),
        "terminated": torch.zeros(6, dtype=torch.bool),
    }
    got = {}
    monkeypatch.setattr("dqngan_lib.dqn.agent.DQN.update", lambda self, batch: got.update(batch))
    agent.update(batch)
    rise = worth(measured_in(got["next_observation"])) - worth(measured_in(got["observation"]))
    torch.testing.assert_close(got["reward"], rise)
    assert not torch.equal(got["observation"], seen)
    assert torch.equal(got["action"], batch["action"])


def test_a_short_training_beats_trying_by_chance():
    torch.manual_seed(0)
    settings = DQNSettings(discount=0.5, learning_rate=2e-3)
    agent = WishDQN(QNetwork(SIZE + 14, len(moves), (64,)), settings, 0)
    training = TrainSettings(
        steps=3_200, capacity=3_200, batch_size=64, learn_after=200, evaluate_every=3_200
    )
    envs = LatentWalk(32, Drawer(), Reader(), moves)
    train_dqn(agent, envs, lambda agent: 0.0, training)
    noise, wish = wishes(200, seed=5)
    by_chance = local_search(look, noise, wish, moves, 3, 1)
    way = guided(agent.q_values, look, noise, wish, moves, 3)
    heights = [worth(look(z, wish)).mean().item() for z in (noise, by_chance, way[-1])]
    assert heights[0] < heights[1] < heights[2] - 0.05


def test_guided_search_never_goes_down_and_tries_the_next_best_after_a_failure():
    noise, wish = wishes()
    wish = Wish(wish.asked, wish.slant * 0, wish.ink)
    tried = []

    def watch(z, wanted):
        tried.append(z.clone())
        return look(z, wanted)

    fixed = torch.tensor([9.0, 4.0, 3.0, 2.0, 1.0])  # to stay comes first, and is never tried
    way = guided(lambda seen: fixed.expand(len(seen), 5), watch, noise, wish, moves, 6)
    heights = torch.stack([worth(look(z, wish)) for z in way])
    assert (heights.diff(dim=0) >= 0).all()
    for row in range(len(noise)):
        rank = 1
        for step in range(6):
            torch.testing.assert_close(tried[step + 1][row], way[step, row] + moves[rank])
            kept = not torch.equal(way[step + 1, row], way[step, row])
            rank = 1 if kept else rank + 1
            if rank == 5:
                break


def test_climbing_goes_uphill_by_shrinking_steps():
    noise, wish = wishes()
    ends = [climb(look, noise, wish, 1, 0.01), climb(look, noise, wish, 4, 1.0)]
    assert (worth(look(ends[0], wish)) > worth(look(noise, wish))).all()
    torch.testing.assert_close((ends[0] - noise).norm(dim=1), torch.full((6,), 0.01))
    assert ((ends[1] - noise).norm(dim=1) <= 1 + 0.75 + 0.5 + 0.25 + 1e-5).all()


def test_searching_takes_the_best_move_or_stays():
    noise, wish = wishes()
    end = local_search(look, noise, wish, moves, 1, len(moves))
    every = torch.stack([worth(look(noise + move, wish)) for move in moves])
    torch.testing.assert_close(worth(look(end, wish)), every.max(0).values)
    few = local_search(look, noise, wish, moves, 5, 2, seed=3)
    assert (worth(look(few, wish)) >= worth(look(noise, wish))).all()
    assert torch.equal(few, local_search(look, noise, wish, moves, 5, 2, seed=3))


def call_search(**changed):
    noise, wish = wishes(2)
    return local_search(look, noise, wish, moves, **{"steps": 1, "tries": 1} | changed)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: noise_moves(torch.eye(3), 0.0), "size must be > 0"),
        (lambda: climb(look, *wishes(), 0, 1.0), "steps"),
        (lambda: climb(look, *wishes(), 1, 0.0), "size"),
        (lambda: call_search(tries=6), "tries"),
        (lambda: call_search(steps=0), "steps"),
        (lambda: guided(lambda seen: seen, look, *wishes(), moves, 0), "steps"),
        (lambda: neighbour_classes(normal(2, 1, 4, 4), normal(3, 1, 4, 4), None, 4), "neighbours"),
    ],
)
def test_bad_numbers_are_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_neighbours_vote():
    training = torch.tensor([0.0, 0.1, 0.2, 0.9, 1.0]).view(-1, 1, 1, 1).expand(-1, 1, 4, 4)
    labels = torch.tensor([1, 2, 2, 7, 7])
    pictures = torch.tensor([0.0, 1.0]).view(-1, 1, 1, 1).expand(-1, 1, 4, 4)
    assert neighbour_classes(pictures, training, labels, 3).tolist() == [2, 7]
    assert neighbour_classes(pictures, training, labels, 1).tolist() == [1, 7]
