"""The replay memory against a plain list of all transitions, and the sum tree against NumPy."""

import random
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from dqngan_lib.dqn.prioritized_replay import PrioritizedReplayBuffer, SumTree
from dqngan_lib.dqn.replay import ReplayBuffer


@dataclass
class Row:
    """One transition as the brute-force list stores it."""

    time: int
    stream: int
    observation: list[float]
    reward: float
    terminated: bool
    truncated: bool
    next_observation: list[float]


class Episodes:
    """Random episodes of several environments, with rows left out as autoreset leaves them out."""

    def __init__(self, seed: int, environments: int, shape: tuple[int, ...], same: bool) -> None:
        self.random = random.Random(seed)
        self.environments, self.shape, self.same = environments, shape, same
        self.now = [self.see() for _ in range(environments)]
        self.resetting = [False] * environments
        self.rows: list[Row] = []
        self.time = 0

    def see(self) -> torch.Tensor:
        """Draw an observation; with `same` few differ, so that strangers often look alike."""
        high = 2 if self.same else 1_000_000
        return torch.tensor(
            [float(self.random.randrange(high)) for _ in range(int(np.prod(self.shape)))]
        ).reshape(self.shape)

    def step(self, buffer: ReplayBuffer) -> None:
        """Step every environment once, into the buffer and into the list."""
        rows = []
        for stream in range(self.environments):
            if self.resetting[stream]:  # as AutoresetMode.NEXT_STEP does: nothing to learn
                self.resetting[stream] = False
                self.now[stream] = self.see()
                continue
            end = self.random.choices(["", "terminated", "truncated", "both"], [7, 1, 1, 1])[0]
            row = Row(
                self.time,
                stream,
                self.now[stream],
                self.random.random(),
                end in ("terminated", "both"),
                end in ("truncated", "both"),
                self.see(),
            )
            self.now[stream] = row.next_observation
            if end:
                self.resetting[stream] = self.random.random() < 0.5
                if not self.resetting[stream]:
                    self.now[stream] = self.see()
            rows.append(row)
        self.time += 1
        if rows:
            buffer.add(
                stream=torch.tensor([row.stream for row in rows]),
                observation=torch.stack([row.observation for row in rows]),
                number=torch.arange(len(self.rows), len(self.rows) + len(rows)),
                reward=torch.tensor([row.reward for row in rows]),
                terminated=torch.tensor([row.terminated for row in rows]),
                truncated=torch.tensor([row.truncated for row in rows]),
                next_observation=torch.stack([row.next_observation for row in rows]),
            )
            self.rows += rows

    def n_step(self, number: int, n: int, discount: float) -> tuple[float, int, Row]:
        """Sum rewards by walking through the list: return, rewards summed, last row."""
        last, total, steps = number, self.rows[number].reward, 1
        while steps < n and not (self.rows[last].terminated or self.rows[last].truncated):
            later = (
                k
                for k in range(last + 1, len(self.rows))
                if self.rows[k].stream == self.rows[last].stream
            )
            following = next(later, None)
            if following is None:
                break
            last = following
            total += discount**steps * self.rows[last].reward
            steps += 1
        return total, steps, self.rows[last]


def everything(buffer: ReplayBuffer, n_step: int = 1, discount: float = 1.0) -> dict:
    """Return what `sample` would return if it drew each row once."""
    return buffer.gather(torch.arange(len(buffer)), n_step, discount)


@pytest.mark.parametrize("kind", [ReplayBuffer, PrioritizedReplayBuffer])
@pytest.mark.parametrize(
    ("environments", "capacity", "shape"),
    [(1, 1, ()), (1, 7, (2,)), (3, 3, (2,)), (3, 4, ()), (4, 9, (1, 2, 2)), (5, 64, (3,))],
)
@pytest.mark.parametrize("same", [False, True])
def test_rows_are_those_of_a_list_that_stores_everything(kind, environments, capacity, shape, same):
    for seed in range(4):
        world = Episodes(seed, environments, shape, same)
        buffer = kind(capacity)
        while len(world.rows) < 5 * capacity + 20:
            world.step(buffer)
            assert len(buffer) == min(len(world.rows), capacity)
            n = 1 + len(world.rows) % 5
            batch = everything(buffer, n, 0.9)
            numbers = batch["number"].tolist()
            newest = range(len(world.rows) - len(buffer), len(world.rows))
            assert sorted(numbers) == list(newest), "the ring must hold the newest rows"
            for place, number in enumerate(numbers):
                row, (total, steps, last) = world.rows[number], world.n_step(number, n, 0.9)
                assert torch.equal(batch["observation"][place], row.observation)
                assert batch["steps"][place] == steps
                assert batch["reward"][place].item() == pytest.approx(total, abs=1e-5)
                assert bool(batch["terminated"][place]) == last.terminated
                assert bool(batch["truncated"][place]) == last.truncated
                assert torch.equal(batch["next_observation"][place], last.next_observation)


def row(number: float, **more: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return the fields of one transition that goes on from `number` to `number` + 1."""
    return {
        "observation": torch.tensor([[number]]),
        "reward": torch.tensor([number]),
        "terminated": torch.tensor([False]),
        "truncated": torch.tensor([False]),
        "next_observation": torch.tensor([[number + 1]]),
    } | more


def test_any_fields_of_any_type_and_shape():
    buffer = ReplayBuffer(3)
    for k in range(5):
        index = buffer.add(
            picture=torch.full((1, 2, 2), k, dtype=torch.uint8),
            token=torch.tensor([[k, k]]),
            flag=np.array([k % 2 == 0]),
        )
        assert index.tolist() == [k % 3]
    assert len(buffer) == 3
    batch = buffer.sample(50)
    assert {name: (value.dtype, tuple(value.shape)) for name, value in batch.items()} == {
        "picture": (torch.uint8, (50, 2, 2)),
        "token": (torch.int64, (50, 2)),
        "flag": (torch.bool, (50,)),
        "index": (torch.int64, (50,)),
    }
    assert set(batch["token"].flatten().tolist()) == {2, 3, 4}
    assert torch.equal(batch["picture"][:, 0, 0].long(), batch["token"][:, 0])
    assert torch.equal(batch["flag"], batch["token"][:, 0] % 2 == 0)
    assert torch.equal(batch["index"], batch["token"][:, 0] % 3)


def test_what_is_sampled_is_a_copy():
    buffer = ReplayBuffer(2)
    given = torch.tensor([[1.0]])
    buffer.add(**row(1.0, observation=given))
    given.fill_(7)
    batch = buffer.sample(4)
    for name in ("observation", "reward", "next_observation"):
        batch[name].fill_(9)
    again = buffer.sample(1)
    assert again["observation"].item() == 1.0
    assert again["reward"].item() == 1.0
    assert again["next_observation"].item() == 2.0


def test_a_whole_episode_of_one_environment_in_one_call():
    buffer = ReplayBuffer(10)
    fields = [row(float(k), terminated=torch.tensor([k == 3])) for k in range(4)]
    joined = {name: torch.cat([one[name] for one in fields]) for name in fields[0]}
    buffer.add(stream=torch.zeros(4, dtype=torch.long), **joined)
    batch = everything(buffer, n_step=3, discount=0.5)
    assert batch["steps"].tolist() == [3, 3, 2, 1]
    assert batch["reward"].tolist() == [0 + 0.5 + 0.5, 1 + 1 + 0.75, 2 + 1.5, 3]
    assert batch["next_observation"].flatten().tolist() == [3, 4, 4, 4]
    assert batch["terminated"].tolist() == [False, True, True, True]


def test_n_step_rewards_of_pixels():
    buffer = ReplayBuffer(10)
    for k in range(3):
        buffer.add(**row(float(k), reward=torch.tensor([[[1.0, k]]])))
    batch = everything(buffer, n_step=2, discount=0.5)
    assert batch["reward"].tolist() == [[[1.5, 0.5]], [[1.5, 2.0]], [[1.0, 2.0]]]


def test_new_episodes_do_not_go_on_from_old_ones():
    # The next episode happens to begin where the last one, which nobody ended, was left.
    for told, steps in ((False, 2), (True, 1)):
        buffer = ReplayBuffer(10)
        buffer.add(**row(1.0))
        if told:
            buffer.start_episodes()
        buffer.add(**row(2.0))
        batch = everything(buffer, n_step=2)
        assert batch["steps"].tolist() == [steps, 1]
        assert batch["next_observation"].flatten().tolist() == [3.0 if steps == 2 else 2.0, 3.0]


def test_a_row_goes_on_from_no_row_that_has_been_overwritten():
    # Stream 1 is silent until its only row is gone; what then lies there looks like its past.
    buffer = ReplayBuffer(3)
    stream_0, stream_1 = torch.tensor([0]), torch.tensor([1])
    buffer.add(stream_1, **row(1.0))
    for _ in range(3):
        buffer.add(stream_0, **row(1.0))
    buffer.add(stream_1, **row(2.0))
    assert everything(buffer, n_step=2)["steps"].tolist() == [1, 1, 1]


def test_sampling_is_uniform_and_with_replacement():
    buffer = ReplayBuffer(50, seed=1)
    buffer.add(observation=torch.arange(30))
    draws = buffer.sample(30_000)["observation"]
    counts = torch.bincount(draws, minlength=50)
    assert (counts[30:] == 0).all()
    # χ² with 29 degrees of freedom is above 59 once in a thousand.
    assert ((counts[:30] - 1000.0) ** 2 / 1000).sum() < 59
    # Neighbouring draws are independent: pairs are uniform, too.
    pairs = torch.bincount(draws[::2] // 6 * 5 + draws[1::2] // 6, minlength=25)
    assert ((pairs - 600.0) ** 2 / 600).sum() < 53  # 24 degrees of freedom


@pytest.mark.parametrize("kind", [ReplayBuffer, PrioritizedReplayBuffer])
def test_the_random_numbers_are_the_buffers_own(kind):
    def draw(seed: int, global_seed: int) -> list[int]:
        torch.manual_seed(global_seed)
        np.random.seed(global_seed)
        buffer = kind(100, seed=seed)
        buffer.add(observation=torch.arange(100))
        before = torch.get_rng_state()
        result = buffer.sample(20)["index"].tolist()
        assert torch.equal(before, torch.get_rng_state())
        return result

    assert draw(1, 1) == draw(1, 2)
    assert draw(1, 1) != draw(2, 1)


@pytest.mark.parametrize("kind", [ReplayBuffer, PrioritizedReplayBuffer])
def test_a_restored_buffer_goes_on_as_if_nothing_had_happened(kind, tmp_path):
    def go_on(buffer: ReplayBuffer, world: Episodes, steps: int) -> list[torch.Tensor]:
        result = []
        for _ in range(steps):
            world.step(buffer)
            batch = buffer.sample(8, n_step=3, discount=0.9)
            if isinstance(buffer, PrioritizedReplayBuffer):
                buffer.beta = 0.7
                buffer.update_priorities(batch["index"], batch["reward"])
            result += [batch[name] for name in sorted(batch)]
        return result

    world, buffer = Episodes(3, 3, (2,), same=False), kind(17)
    go_on(buffer, world, 20)
    torch.save(buffer.state_dict(), tmp_path / "buffer.pt")
    loaded = kind(17, seed=5)
    loaded.load_state_dict(torch.load(tmp_path / "buffer.pt", weights_only=True))
    shared = kind(17, seed=6)
    shared.load_state_dict(buffer.state_dict())
    state = (world.random.getstate(), list(world.now), list(world.resetting), len(world.rows))
    runs = []
    for each in (buffer, loaded, shared):  # the first must not write into what the last was given
        world.random.setstate(state[0])
        world.now, world.resetting, world.rows = (
            list(state[1]),
            list(state[2]),
            world.rows[: state[3]],
        )
        runs.append(go_on(each, world, 30))
    for one, two, three in zip(*runs, strict=True):
        assert torch.equal(one, two)
        assert torch.equal(one, three)


def test_a_state_of_another_capacity_is_refused():
    with pytest.raises(ValueError, match=r"capacity 4.*5"):
        ReplayBuffer(5).load_state_dict(ReplayBuffer(4).state_dict())


@pytest.mark.parametrize("capacity", [0, -1, 2.5, "3", None])
def test_an_impossible_capacity_is_named(capacity):
    with pytest.raises(ValueError, match="capacity"):
        ReplayBuffer(capacity)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"extra": torch.ones(1)}, "fields"),
        ({"reward": torch.ones(2)}, "rows"),
        ({"reward": torch.tensor(1.0)}, "rows"),
        ({"reward": torch.ones(1, 1)}, "fields"),
        ({"observation": torch.ones(1, 2)}, "next_observation"),
        ({"next_observation": torch.ones(1)}, "next_observation"),
        ({"stream": torch.tensor([0, 1])}, "stream"),
        ({"stream": torch.tensor([-1])}, "stream"),
        ({"stream": torch.tensor([0.5])}, "stream"),
    ],
)
def test_add_names_what_is_wrong_and_changes_nothing(change, word):
    buffer = ReplayBuffer(4)
    buffer.add(**row(1.0))
    with pytest.raises(ValueError, match=word):
        buffer.add(**row(2.0) | change)
    buffer.add(**row(2.0))
    batch = everything(buffer, n_step=2)
    assert batch["reward"].tolist() == [3.0, 2.0]


def test_add_wants_next_observations_always_or_never():
    with_next, without = row(1.0), row(1.0)
    del without["next_observation"]
    for first, second in ((with_next, without), (without, with_next)):
        buffer = ReplayBuffer(4)
        buffer.add(**first)
        with pytest.raises(ValueError, match="next_observation"):
            buffer.add(**second)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "at least one field"),
        ({"reward": torch.ones(5)}, "capacity=4"),
        ({"observation": torch.ones(2, 3), "next_observation": torch.ones(2)}, "the shape of"),
        ({"next_observation": torch.ones(2)}, "the shape of the field observation"),
    ],
)
def test_the_first_rows_that_do_not_fit_are_named(fields, message):
    buffer = ReplayBuffer(4)
    with pytest.raises(ValueError, match=message):
        buffer.add(**fields)
    assert len(buffer) == 0


@pytest.mark.parametrize(
    ("rows", "arguments", "message"),
    [
        (0, {}, "empty"),
        (1, {"batch_size": 0}, "batch_size"),
        (1, {"n_step": 0}, "n_step"),
        (1, {"discount": 1.5}, "discount"),
        (1, {"n_step": 2}, "n_step > 1 needs the fields"),
    ],
)
def test_sample_names_what_is_wrong(rows, arguments, message):
    buffer = ReplayBuffer(4)
    for _ in range(rows):
        buffer.add(observation=torch.ones(1), next_observation=torch.ones(1))
    with pytest.raises(ValueError, match=message):
        buffer.sample(**{"batch_size": 1} | arguments)


# --- the sum tree -------------------------------------------------------------------------------


@pytest.mark.parametrize("capacity", [1, 2, 3, 7, 8, 33])
def test_sum_tree_against_a_running_total(capacity):
    random_numbers, numbers = np.random.default_rng(capacity), np.zeros(capacity)
    tree = SumTree(capacity)
    assert tree.total == 0
    for _ in range(50):
        index = random_numbers.integers(0, capacity, random_numbers.integers(1, 6))
        # Powers of two add up without rounding, so that the ends of the intervals are exact.
        value = 2.0 ** random_numbers.integers(-8, 8, len(index)) * random_numbers.integers(0, 2)
        tree.set(index, value)
        for place, number in zip(index, value, strict=True):
            numbers[place] = number
        assert tree.total == numbers.sum()
        np.testing.assert_array_equal(tree[np.arange(capacity)], numbers)
        total = numbers.cumsum()
        if total[-1] == 0:
            continue
        before = (total - numbers)[numbers > 0]
        points = np.concatenate(
            [before, np.nextafter(total[numbers > 0], 0), random_numbers.random(20) * total[-1]]
        )
        expected = np.searchsorted(total, points, side="right")
        np.testing.assert_array_equal(tree.find(points), expected)
        # Rounding may give a point at the very end: it finds the last leaf that is not empty.
        assert tree.find(np.array([total[-1]]))[0] == np.flatnonzero(numbers)[-1]


def test_sum_tree_work_grows_with_the_logarithm():
    class Counted(np.ndarray):
        touched = 0

        def __getitem__(self, key):
            Counted.touched += np.size(key) if isinstance(key, np.ndarray) else 1
            return super().__getitem__(key)

        def __setitem__(self, key, value):
            Counted.touched += np.size(key) if isinstance(key, np.ndarray) else 1
            super().__setitem__(key, value)

    touched = {}
    for exponent in (10, 20):
        tree = SumTree(2**exponent)
        tree.set(np.arange(2**exponent), np.ones(2**exponent))
        tree.nodes = tree.nodes.view(Counted)
        Counted.touched = 0
        tree.set(np.array([5, 700]), np.array([2.0, 3.0]))
        tree.find(np.array([3.0, 900.0]))
        touched[exponent] = Counted.touched
    assert touched[10] <= 2 * 10 * 8
    assert touched[20] <= 2.2 * touched[10]  # a million leaves: twice the work of a thousand


# --- prioritised replay -------------------------------------------------------------------------


def prioritized(priorities: list[float], alpha: float, capacity: int = 16):
    """Make a buffer whose rows 0, 1, … have these TD errors."""
    buffer = PrioritizedReplayBuffer(capacity, seed=2, alpha=alpha)
    buffer.add(observation=torch.arange(len(priorities)))
    buffer.update_priorities(torch.arange(len(priorities)), torch.tensor(priorities))
    return buffer


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0])
def test_rows_are_drawn_in_proportion(alpha):
    errors = [0.1, -1.0, 2.0, -4.0, 8.0]
    buffer = prioritized(errors, alpha)
    power = np.abs(errors) ** alpha
    expected = 20_000 * power / power.sum()
    counts = np.bincount(buffer.sample(20_000)["observation"], minlength=5)
    # χ² with 4 degrees of freedom is above 18.5 once in a thousand.
    assert ((counts - expected) ** 2 / expected).sum() < 18.5


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0])
@pytest.mark.parametrize("beta", [0.0, 0.4, 1.0])
def test_weights_are_those_of_the_paper(alpha, beta):
    errors = [0.5, -1.0, 2.0, -4.0, 8.0]
    buffer = prioritized(errors, alpha)
    buffer.beta = beta
    batch = buffer.sample(64)
    power = (np.abs(errors) + 1e-6) ** alpha
    weight = (5 * power / power.sum()) ** -beta
    assert set(batch["observation"].tolist()) == set(range(5))
    expected = (weight / weight.max())[batch["observation"].numpy()]
    np.testing.assert_allclose(batch["weight"].numpy(), expected, rtol=1e-6)


def test_weights_take_back_the_bias_of_the_drawing():
    values = torch.tensor([1.0, 5.0, -2.0, 0.5, 3.0])
    buffer = prioritized([0.1, 4.0, 1.0, 2.0, 8.0], alpha=1.0)
    buffer.beta = 1.0
    batch = buffer.sample(200_000)
    mean = (batch["weight"] * values[batch["observation"]]).sum() / batch["weight"].sum()
    assert abs(mean - values.mean()) < 0.05
    assert abs(values[batch["observation"]].mean() - values.mean()) > 0.5


def test_new_rows_get_the_greatest_priority_so_far_and_overwrite_old_ones():
    buffer = PrioritizedReplayBuffer(4, alpha=0.5)
    buffer.add(observation=torch.arange(4))
    assert buffer.tree[np.arange(4)].tolist() == [1.0] * 4
    buffer.update_priorities(torch.tensor([0, 1]), torch.tensor([-9.0, 0.25]))
    np.testing.assert_allclose(buffer.tree[np.arange(4)], [3.0, 0.5, 1.0, 1.0], rtol=1e-5)
    buffer.add(observation=torch.arange(3))
    np.testing.assert_allclose(buffer.tree[np.arange(4)], [3.0, 3.0, 3.0, 1.0], rtol=1e-5)


def test_a_row_without_error_is_still_drawn_sometimes():
    buffer = prioritized([0.0, 1.0], alpha=0.1)
    assert (buffer.sample(2000)["observation"] == 0).any()


def test_rows_that_are_not_there_are_never_drawn():
    buffer = PrioritizedReplayBuffer(1000, alpha=0.0)
    buffer.add(observation=torch.arange(3))
    assert set(buffer.sample(3000)["observation"].tolist()) == {0, 1, 2}
    assert buffer.sample(3000)["index"].max() == 2


@pytest.mark.parametrize("alpha", [-0.1, 1.1, float("nan")])
def test_an_impossible_alpha_is_named(alpha):
    with pytest.raises(ValueError, match="alpha"):
        PrioritizedReplayBuffer(4, alpha=alpha)


@pytest.mark.parametrize("errors", [[1.0], [1.0, float("nan")], [1.0, float("inf")]])
def test_impossible_priorities_are_named(errors):
    buffer = prioritized([1.0, 2.0], alpha=1.0)
    with pytest.raises(ValueError, match="td_error"):
        buffer.update_priorities(torch.tensor([0, 1]), torch.tensor(errors))
