"""Walks through noise: the world by hand, other classes asked in hindsight, and the rivals."""

import pytest
import torch
from torch import nn

from dqngan_lib.applications.latent.rivals import (
    NoiseEncoder,
    class_means,
    class_shift,
    climb,
    local_search,
    neighbour_classes,
    train_encoder,
)
from dqngan_lib.applications.latent.steering import (
    AskedDQN,
    ClassQNetwork,
    LatentWalk,
    all_rewards,
    class_log_probability,
    noise_moves,
    of_class,
    other_classes,
    steer,
    walk_observation,
)
from dqngan_lib.dqn.agent import DQN, DQNSettings
from dqngan_lib.dqn.training import TrainSettings, train_dqn

SIZE = 10


def log_probability(noise):
    """Let number k of the noise be the logit of class k."""
    return noise.log_softmax(1)


def world(count=4, steps=3):
    return LatentWalk(count, log_probability, noise_moves(torch.eye(SIZE), 1.0), steps)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


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


def test_a_step_of_the_world_by_hand():
    envs = world()
    seen, _ = envs.reset(seed=0)
    noise, asked = envs.noise.clone(), envs.asked.clone()
    assert (log_probability(noise).argmax(1) != asked).all()
    assert seen.shape == (4, SIZE + 21)
    torch.testing.assert_close(seen[:, :SIZE], noise)
    torch.testing.assert_close(seen[:, SIZE : SIZE + 10], 0.1 * log_probability(noise))
    assert torch.equal(seen[:, SIZE + 10 : SIZE + 20].argmax(1), asked)
    after, reward, terminated, truncated, _ = envs.step(1 + 2 * asked)  # towards the class
    moved = noise + torch.eye(SIZE)[asked]
    rise = of_class(log_probability(moved) - log_probability(noise), asked)
    torch.testing.assert_close(reward, rise)
    torch.testing.assert_close(after[:, :SIZE], moved)
    torch.testing.assert_close(after[:, -1], torch.full((4,), 1 / 3))
    assert not (terminated | truncated).any()
    assert envs.evaluations == 8


def test_episodes_terminate_and_rewards_telescope():
    envs = world()
    envs.reset(seed=1)
    before, asked = of_class(envs.scores, envs.asked), envs.asked
    total, random = torch.zeros(4), torch.Generator().manual_seed(0)
    for number in range(3):
        action = torch.randint(21, (4,), generator=random)
        _, reward, terminated, truncated, info = envs.step(action)
        total += reward
        assert terminated.all() == (number == 2)
        assert not truncated.any()
    last = info["final_obs"][:, SIZE : SIZE + 10]
    torch.testing.assert_close(total, 10 * of_class(last, asked) - before)
    assert (envs.time == 0).all()


def batch(count=6):
    noise, moved = normal(count, SIZE), normal(count, SIZE, seed=1)
    asked = torch.arange(count)
    now, then = (
        walk_observation(z, log_probability(z), asked, torch.full((count,), t))
        for z, t in ((noise, 0.25), (moved, 0.5))
    )
    rise = of_class(log_probability(moved) - log_probability(noise), asked)
    return {"observation": now, "next_observation": then, "reward": rise}


def test_a_step_has_a_reward_for_every_class():
    given = batch()
    rewards = all_rewards(given)
    assert rewards.shape == (6, 10)
    torch.testing.assert_close(of_class(rewards, torch.arange(6)), given["reward"])
    noise, moved = (given[name][:, :SIZE] for name in ("observation", "next_observation"))
    torch.testing.assert_close(rewards, log_probability(moved) - log_probability(noise))


def test_network_answers_for_every_class_and_does_not_see_which_is_asked_for():
    torch.manual_seed(0)
    network = ClassQNetwork(SIZE, 21, 8)
    seen = batch()["observation"]
    other = seen.clone()
    other[:, SIZE + 10 : SIZE + 20] = other[:, SIZE + 10 : SIZE + 20].roll(1, 1)
    assert network(seen).shape == (6, 21, 10)
    assert torch.equal(network(seen), network(other))
    later = seen.clone()
    later[:, -1] += 0.5
    assert not torch.equal(network(seen), network(later))


def test_the_class_that_is_asked_for_acts_and_all_learn(monkeypatch):
    torch.manual_seed(0)
    agent = AskedDQN(ClassQNetwork(SIZE, 21, 8), seed=0)
    given = batch()
    values = agent.q_network(given["observation"])
    expected = torch.stack([values[n, :, n] for n in range(6)])  # row n asks for class n
    torch.testing.assert_close(agent.q_values(given["observation"]), expected)
    assert torch.equal(agent.act(given["observation"]), expected.argmax(1))
    learnt = []
    monkeypatch.setattr(DQN, "update", lambda self, batch: learnt.append(batch))
    agent.update(given | {"action": torch.arange(6)})
    assert torch.equal(learnt[0]["action"], torch.arange(6).view(-1, 1).expand(-1, 10))
    assert torch.equal(learnt[0]["reward"], all_rewards(given))


def test_a_short_training_walks_towards_the_class():
    torch.manual_seed(0)
    envs = world(16)
    settings = DQNSettings(discount=0.5, learning_rate=5e-3)
    agent = AskedDQN(ClassQNetwork(SIZE, 21, 64), settings, seed=0)
    training = TrainSettings(
        steps=4_800, capacity=4_800, batch_size=64, learn_after=160, evaluate_every=4_800
    )
    train_dqn(agent, envs, lambda _: 0.0, training)
    noise = normal(200, SIZE, seed=5)
    asked = other_classes(noise.argmax(1), torch.Generator().manual_seed(0))
    way = steer(agent.act, log_probability, noise, asked, envs.moves, 3)
    assert way.shape == (4, 200, SIZE)
    assert (way[-1].argmax(1) == asked).float().mean() > 0.6


def test_climbing_goes_uphill_by_steps_of_one_length():
    noise, asked = normal(5, SIZE), torch.arange(5)
    way = climb(log_probability, noise, asked, 4, 0.5)
    assert torch.equal(way[0], noise)
    lengths = (way[1:] - way[:-1]).norm(dim=2)
    torch.testing.assert_close(lengths, torch.full((4, 5), 0.5))
    heights = torch.stack([of_class(log_probability(z), asked) for z in way])
    assert (heights.diff(dim=0) > 0).all()
    assert not way.requires_grad


def test_searching_takes_the_best_move_or_stays():
    noise, asked = normal(6, SIZE), torch.arange(6)
    moves = noise_moves(torch.eye(SIZE), 0.5)
    tried = noise.unsqueeze(1) + moves
    heights = torch.stack([of_class(log_probability(tried[:, a]), asked) for a in range(21)], 1)
    best = tried[torch.arange(6), heights.argmax(1)]
    torch.testing.assert_close(local_search(log_probability, noise, asked, moves, 1, 21), best)
    start = of_class(log_probability(noise), asked)
    found = local_search(log_probability, noise, asked, moves, 3, 1)
    lucky = of_class(log_probability(found), asked)
    assert (lucky >= start).all()
    assert (lucky > start).any()
    for seed in (0, 1):
        again = [local_search(log_probability, noise, asked, moves, 3, 1, seed) for _ in range(2)]
        assert torch.equal(*again)


def test_encoder_stays_within_reach_and_learns():
    torch.manual_seed(0)
    encoder = NoiseEncoder(SIZE, 32, reach=2.0)
    noise, asked = normal(100, SIZE), torch.arange(100) % 10
    before = (encoder(noise, asked).argmax(1) == asked).float().mean()
    used = train_encoder(encoder, log_probability, SIZE, 6_410, learning_rate=1e-2)
    after = encoder(noise, asked)
    assert used == 6_400
    assert (after - noise).norm(dim=1).max() < 2.001
    assert (after.argmax(1) == asked).float().mean() > before + 0.3


def test_class_arithmetic_by_hand():
    noise = torch.tensor([[1.0, 0.0], [3.0, 2.0], [0.0, 8.0]])
    means = class_means(noise, torch.tensor([4, 4, 7]))
    assert means[4].tolist() == [2.0, 1.0]
    assert means[7].tolist() == [0.0, 8.0]
    assert (means[0] == 0).all()
    moved = class_shift(noise[:1], torch.tensor([4]), torch.tensor([7]), means)
    assert moved.tolist() == [[-1.0, 7.0]]


def test_log_probability_of_a_generator_has_gradients():
    generator, scorer = nn.Linear(3, 5), nn.Linear(5, 10)
    noise = normal(4, 3).requires_grad_(True)
    scores = class_log_probability(generator, scorer)(noise)
    torch.testing.assert_close(scores.exp().sum(1), torch.ones(4))
    scores[:, 2].sum().backward()
    assert noise.grad.abs().sum() > 0


NOISE, ASKED = normal(2, SIZE), torch.tensor([0, 1])
MOVES = noise_moves(torch.eye(SIZE), 1.0)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: noise_moves(torch.eye(3), 0.0), "size must be"),
        (lambda: climb(log_probability, NOISE, ASKED, 0, 0.5), "steps must be"),
        (lambda: climb(log_probability, NOISE, ASKED, 2, -1.0), "size must be"),
        (lambda: local_search(log_probability, NOISE, ASKED, MOVES, 3, len(MOVES) + 1), "tries"),
        (lambda: steer(lambda _: ASKED, log_probability, NOISE, ASKED, MOVES, 0), "steps must be"),
        (lambda: train_encoder(NoiseEncoder(SIZE), log_probability, SIZE, 5), "evaluations"),
    ],
)
def test_bad_numbers_are_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_neighbours_vote():
    training = torch.tensor([0.0, 0.1, 0.2, 0.9, 1.0]).view(5, 1, 1, 1)
    labels = torch.tensor([4, 6, 6, 2, 2])
    pictures = torch.tensor([0.0, 0.95]).view(2, 1, 1, 1)
    assert neighbour_classes(pictures, training, labels, 1).tolist() == [4, 2]
    assert neighbour_classes(pictures, training, labels, 3).tolist() == [6, 2]
