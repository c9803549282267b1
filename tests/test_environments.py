"""Catch and the single-episode view, judged by Gymnasium's own checker and by brute force."""

import warnings

import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode

from dqngan_lib.environments.base import SingleEpisode
from dqngan_lib.environments.catch import Catch
from dqngan_lib.environments.grid_world import GridWorld

WORLDS = {
    "catch": lambda: Catch(1),
    "small catch": lambda: Catch(1, side=5),
    "two balls": lambda: Catch(1, side=6, balls=2),
    "grid": lambda: GridWorld(1),
    "sure grid": lambda: GridWorld(1, slip=0.0, max_steps=7),
}


@pytest.mark.parametrize("world", WORLDS)
def test_gymnasium_finds_nothing_wrong(world):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(SingleEpisode(WORLDS[world]()), skip_render_check=True)


@pytest.mark.parametrize("world", WORLDS)
def test_a_single_episode_is_the_episode_of_the_batch(world):
    single, envs = SingleEpisode(WORLDS[world]()), WORLDS[world]()
    observation, info = single.reset(seed=4)
    batch, _ = envs.reset(seed=4)
    assert info == {}
    np.testing.assert_array_equal(observation, batch[0])
    random_numbers = np.random.default_rng(0)
    for _ in range(200):
        action = random_numbers.integers(single.action_space.n)
        observation, reward, terminated, truncated, info = single.step(action)
        batch, rewards, terminations, truncations, infos = envs.step(np.array([action]))
        assert single.observation_space.contains(observation)
        assert (type(reward), type(terminated), type(truncated)) == (float, bool, bool)
        assert (reward, terminated, truncated) == (rewards[0], terminations[0], truncations[0])
        ended = terminated or truncated
        np.testing.assert_array_equal(observation, (infos["final_obs"] if ended else batch)[0])
        if ended:
            # The batch has begun the next episode by itself; the single one waits to be told.
            envs.rng.set_state(single.envs.rng.get_state())
            np.testing.assert_array_equal(single.reset()[0], envs.reset()[0][0])


def test_a_single_episode_wants_a_batch_of_one():
    with pytest.raises(ValueError, match="num_envs=1; got 2"):
        SingleEpisode(Catch(2))


# --- Catch --------------------------------------------------------------------------------------


def decode(observation: torch.Tensor) -> tuple[tuple[int, int], int]:
    """Return row and column of the ball and the middle of the paddle, from one picture."""
    picture = observation.clone().long()
    side = len(picture)
    (bottom,) = picture[-1].nonzero(as_tuple=True)
    above = picture[:-1].nonzero().tolist()
    if above:
        assert len(bottom) == 3
        return tuple(above[0]), int(bottom[1])
    # The ball is in the last row: beside the paddle, or hidden in it.
    columns = bottom.tolist()
    starts = [c for c in range(side - 2) if {c, c + 1, c + 2} <= set(columns)]
    ball = next((c for c in columns if c not in range(starts[0], starts[0] + 3)), starts[0] + 1)
    return (side - 1, ball), starts[0] + 1


def fly(row: int, column: int, drift: int, side: int) -> tuple[int, int, int]:
    """Move the ball down by one row; what leaves on one side comes in on the other."""
    column = column + drift
    if column < 0:
        column = column + side
    if column >= side:
        column = column - side
    return row + 1, column, drift


@pytest.mark.parametrize("side", [5, 6, 10])
def test_catch_obeys_its_rules(side):
    envs = Catch(200, side)
    observation, info = envs.reset(seed=0)
    assert info == {}
    assert observation.dtype == torch.uint8
    assert envs.observation_space.contains(observation.numpy())
    rng, starts = torch.Generator().manual_seed(0), set()
    for time in range(side - 2):
        previous = observation
        balls = [decode(picture) for picture in observation[:, 0]]
        before = [decode(picture) for picture in observation[:, 1]]
        if time == 0:  # the paddle has not moved yet, the ball has
            assert all(one[1] == other[1] for one, other in zip(balls, before, strict=True))
            starts |= {(ball[1], paddle) for ball, paddle in balls}
        action = torch.randint(3, (200,), generator=rng)
        observation, reward, terminated, truncated, info = envs.step(action)
        last = time == side - 3
        assert terminated.all() if last else not terminated.any()
        assert not truncated.any()
        seen = info["final_obs"] if last else observation
        assert torch.equal(seen[:, 1], previous[:, 0])
        for k in range(200):
            (row, column), paddle = balls[k]
            drift = column - before[k][0][1]  # −2, 0 or 2, but for a side that was crossed
            row, column, drift = fly(row, column, drift, side)
            paddle = min(max(paddle + int(action[k]) - 1, 1), side - 2)
            expected = torch.zeros(side, side, dtype=torch.uint8)
            expected[row, column] = 1
            expected[-1, paddle - 1 : paddle + 2] = 1
            assert torch.equal(seen[k, 0], expected)
            caught = abs(column - paddle) <= 1
            assert reward[k] == ((1.0 if caught else -1.0) if last else 0.0)
    assert len(starts) > side * (side - 2) / 2  # ball and paddle start anywhere


@pytest.mark.parametrize("side", [5, 6, 10])
def test_every_ball_can_be_caught_and_chance_catches_few(side):
    envs = Catch(2000, side)
    envs.reset(seed=1)
    rng, caught = torch.Generator().manual_seed(1), {}
    for name in ("optimal", "random"):
        total = torch.zeros(2000)
        for _ in range(side - 2):
            action = (
                envs.optimal_action()
                if name == "optimal"
                else torch.randint(3, (2000,), generator=rng)
            )
            _, reward, terminated, _, _ = envs.step(action)
            total += reward
        assert terminated.all()
        caught[name] = (total > 0).float().mean().item()
    assert caught["optimal"] == 1
    assert caught["random"] < 0.75


def test_one_picture_is_not_enough_but_two_are():
    envs = Catch(2000, 6)
    observation, _ = envs.reset(seed=0)
    landing: dict[tuple, set] = {}
    for number, pictures in ((1, observation[:, :1]), (2, observation)):
        for k in range(2000):
            row, column, drift = int(envs.row[k]), int(envs.column[k]), int(envs.drift[k])
            while row < 5:
                row, column, drift = fly(row, column, drift, 6)
            landing.setdefault((number, pictures[k].numpy().tobytes()), set()).add(column)
    ambiguous = {number for (number, _), columns in landing.items() if len(columns) > 1}
    assert ambiguous == {1}


@pytest.mark.parametrize("side", [5, 6, 7, 10, 11])
def test_two_balls_fall_one_after_the_other_and_both_can_be_caught(side):
    envs = Catch(2000, side, balls=2)
    observation, _ = envs.reset(seed=2)
    gap, total, ends = side // 3, torch.zeros(2000), []
    there = 1 if gap > 1 else 2  # the second ball comes `gap` steps later
    assert (observation[:, 0, :-1].sum((1, 2)) == there).all()
    for time in range(1, side - 1 + gap):
        before = observation[:, 0].long()
        observation, reward, terminated, truncated, info = envs.step(envs.optimal_action())
        seen = info["final_obs"] if info else observation
        assert torch.equal(seen[:, 1].long(), before)
        # The first ball is in row time + 1, the second `gap` rows above it.
        rows = [row for row in (time + 1, time + 1 - gap) if 0 <= row < side - 1]
        assert torch.equal(
            seen[:, 0, :-1].sum(2).nonzero()[:, 1].unique(), torch.tensor(sorted(rows))
        )
        assert bool(reward.any()) == (time in (side - 2, side - 2 + gap))
        assert not truncated.any()
        total += reward
        ends.append(bool(terminated.all()))
        assert ends[-1] == bool(terminated.any())
    assert ends == [False] * (len(ends) - 1) + [True]
    assert (total == 2).all()


def test_each_of_two_balls_counts_by_itself():
    """A catch and a miss cancel."""
    envs = Catch(3000, 6, balls=2)
    envs.reset(seed=0)
    seen = set()
    rng = torch.Generator().manual_seed(0)
    total = torch.zeros(3000)
    for _ in range(6):
        _, reward, *_ = envs.step(torch.randint(3, (3000,), generator=rng))
        seen |= set(reward.tolist())
        total += reward
    assert seen == {-1.0, 0.0, 1.0}
    assert set(total.tolist()) == {-2.0, 0.0, 2.0}


# --- what both worlds share ---------------------------------------------------------------------

BATCHES = {
    "catch": lambda: Catch(6, side=5),
    "two balls": lambda: Catch(6, side=5, balls=2),
    "grid": lambda: GridWorld(6, max_steps=9),
}


@pytest.mark.parametrize("world", BATCHES)
def test_the_seed_decides_everything(world):
    def play(seed: int, global_seed: int) -> list[torch.Tensor]:
        torch.manual_seed(global_seed)
        envs = BATCHES[world]()
        seen = [envs.reset(seed=seed)[0]]
        rng = torch.Generator().manual_seed(0)
        for _ in range(30):
            action = torch.randint(int(envs.single_action_space.n), (6,), generator=rng)
            before = torch.get_rng_state()
            seen += envs.step(action)[:4]
            assert torch.equal(before, torch.get_rng_state())
        return seen

    first, again, other = play(1, 1), play(1, 2), play(2, 1)
    assert all(torch.equal(one, two) for one, two in zip(first, again, strict=True))
    assert any(not torch.equal(one, two) for one, two in zip(first, other, strict=True))


@pytest.mark.parametrize("world", BATCHES)
def test_an_episode_that_ends_begins_again_in_the_same_step(world):
    envs = BATCHES[world]()
    assert envs.metadata["autoreset_mode"] == AutoresetMode.SAME_STEP
    observation, _ = envs.reset(seed=0)
    kept, ends = [], 0
    for k in range(60):
        kept.append((observation, observation.clone()))
        action = torch.full((6,), k % int(envs.single_action_space.n))
        observation, _, terminated, truncated, info = envs.step(action)
        ended = terminated | truncated
        assert not (terminated & truncated).any()
        assert bool(info) == bool(ended.any())
        if info:
            assert torch.equal(info["_final_obs"], ended)
            assert torch.equal(info["final_obs"][~ended], observation[~ended])
            ends += int(ended.sum())
    assert ends > 12
    for given, copy in kept:  # no tensor that was given away is written into again
        assert torch.equal(given, copy)


@pytest.mark.parametrize("world", BATCHES)
def test_impossible_actions_are_named(world):
    envs = BATCHES[world]()
    with pytest.raises(RuntimeError, match="reset"):
        envs.step(torch.zeros(6, dtype=torch.long))
    envs.reset(seed=0)
    for action in (torch.zeros(5), torch.tensor(0), torch.full((6,), 9), torch.full((6,), -1)):
        with pytest.raises(ValueError, match="action must hold 6 whole numbers from 0 to"):
            envs.step(action)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"num_envs": 0}, "num_envs"),
        ({"num_envs": 1.5}, "num_envs"),
        ({"side": 4}, "side"),
        ({"balls": 3}, "balls"),
    ],
)
def test_impossible_worlds_are_named(arguments, word):
    with pytest.raises(ValueError, match=f"{word} must be"):
        Catch(**arguments)
