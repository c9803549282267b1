"""Value iteration against brute force, Q-learning against both, and the grid world's own rules."""

from itertools import count, product

import pytest
import torch
from gymnasium.utils.env_checker import check_env

from dqngan_lib.environments import tabular
from dqngan_lib.environments.base import SingleEpisode
from dqngan_lib.environments.grid_world import GridWorld

UP, RIGHT, DOWN, LEFT = range(4)


def random_model(seed, states=4, actions=3):
    """Return P and r of a random world whose last state is terminal."""
    rng = torch.Generator().manual_seed(seed)
    probability = torch.rand(states, actions, states, generator=rng, dtype=torch.float64)
    probability /= probability.sum(2, keepdim=True)
    reward = torch.randn(states, actions, generator=rng, dtype=torch.float64)
    probability[-1], reward[-1] = 0, 0
    return probability, reward


def by_enumeration(probability, reward, discount):
    """Return V of the best of all deterministic policies, each solved with loops and one matrix."""
    states, actions = reward.shape
    best = torch.full((states,), -torch.inf, dtype=torch.float64)
    for choice in product(range(actions), repeat=states):
        rows = [
            [float(s == s2) - discount * probability[s, a, s2].item() for s2 in range(states)]
            for s, a in enumerate(choice)
        ]
        gains = torch.stack([reward[s, a] for s, a in enumerate(choice)])
        best = torch.maximum(
            best, torch.linalg.solve(torch.tensor(rows, dtype=torch.float64), gains)
        )
    return best


# --- value iteration and values of policies ------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("discount", [0.0, 0.6, 0.95, 1.0])
def test_value_iteration_finds_the_best_of_all_policies(seed, discount):
    probability, reward = random_model(seed)
    q_table, _ = tabular.value_iteration(probability, reward, discount)
    torch.testing.assert_close(
        q_table.max(1).values, by_enumeration(probability, reward, discount), atol=1e-7, rtol=0
    )


def test_value_iteration_on_the_textbook_world():
    # Russell and Norvig, 3rd edition, figure 17.3: γ = 1, rewards −0.04.
    world = GridWorld()
    q_table, _ = tabular.value_iteration(*world.model(), 1.0)
    printed = [0.812, 0.868, 0.918, 0, 0.762, 0, 0.660, 0, 0.705, 0.655, 0.611, 0.388]
    torch.testing.assert_close(
        q_table.max(1).values, torch.tensor(printed).double(), atol=6e-4, rtol=0
    )


def test_backup_by_hand():
    # One state, two actions that stay or end: Q = r + γ P max Q.
    probability = torch.tensor([[[0.5], [0.0]]], dtype=torch.float64)
    reward = torch.tensor([[1.0, 3.0]], dtype=torch.float64)
    q_table = torch.tensor([[2.0, 4.0]], dtype=torch.float64)
    new = tabular.bellman_backup(q_table, probability, reward, 0.5)
    assert new.tolist() == [[1 + 0.5 * 0.5 * 4, 3.0]]


def test_a_sweep_shrinks_the_error_by_the_discount():
    probability, reward = random_model(7)
    exact, _ = tabular.value_iteration(probability, reward, 0.8)
    q_table = torch.randn_like(reward)
    after = tabular.bellman_backup(q_table, probability, reward, 0.8)
    assert (after - exact).abs().max() <= 0.8 * (q_table - exact).abs().max() + 1e-12


def test_value_iteration_says_so_when_it_does_not_settle():
    with pytest.raises(RuntimeError, match="max_sweeps=5"):
        tabular.value_iteration(*random_model(0), 0.9, max_sweeps=5)


def test_policy_values_agree_with_iteration():
    probability, reward = random_model(3)
    policy = tabular.epsilon_greedy(torch.randn(4, 3), 0.4)
    values = torch.zeros(4, dtype=torch.float64)
    for _ in range(2000):
        values = (policy * (reward + 0.9 * probability @ values)).sum(1)
    torch.testing.assert_close(tabular.policy_values(policy, probability, reward, 0.9), values)


def test_policy_values_agree_with_simulated_returns():
    world = GridWorld(num_envs=20_000)
    policy = tabular.epsilon_greedy(tabular.value_iteration(*world.model(), 0.9)[0], 0.3)
    rng = torch.Generator().manual_seed(1)
    state, _ = world.reset(seed=1)
    total, weight = torch.zeros(20_000), torch.ones(20_000)
    for _ in range(80):
        action = torch.multinomial(policy[state].float(), 1, generator=rng)[:, 0]
        state, reward, terminated, truncated, _ = world.step(action)
        total += weight * reward
        weight = weight * 0.9 * ~(terminated | truncated)
    expected = tabular.policy_values(policy, *world.model(), 0.9)[world.start]
    assert total.mean().item() == pytest.approx(expected.item(), abs=0.015)


def test_epsilon_greedy_probabilities():
    q_table = torch.tensor([[0.0, 2.0, 1.0, 0.0], [5.0, 5.0, 0.0, 0.0]])
    expected = torch.tensor([[0.1, 0.7, 0.1, 0.1], [0.7, 0.1, 0.1, 0.1]], dtype=torch.float64)
    torch.testing.assert_close(tabular.epsilon_greedy(q_table, 0.4), expected)
    assert tabular.epsilon_greedy(q_table, 0.0)[1].tolist() == [1, 0, 0, 0]
    assert (tabular.epsilon_greedy(q_table, 1.0) == 0.25).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p, r: tabular.value_iteration(p, r, 1.5), "discount.*1.5"),
        (lambda p, r: tabular.value_iteration(p, r, -0.1), "discount.*-0.1"),
        (lambda p, r: tabular.value_iteration(p[:, :2], r, 0.9), "probability"),
        (lambda p, r: tabular.value_iteration(p, r, 0.9, tolerance=0), "tolerance"),
        (lambda p, r: tabular.value_iteration(p, r, 0.9, max_sweeps=0), "max_sweeps"),
        (lambda p, r: tabular.bellman_backup(r[:2], p, r, 0.9), "q_table"),
        (lambda p, r: tabular.policy_values(r[0], p, r, 0.9), "policy"),
        (lambda p, r: tabular.policy_values(torch.ones_like(r), p, r, 0.9), "sum to 1"),
        (lambda p, r: tabular.epsilon_greedy(r, 1.1), "epsilon.*1.1"),
    ],
)
def test_bad_models_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(*random_model(0))


# --- Q-learning ----------------------------------------------------------------------------------


def learn(world, **changes):
    settings = {
        "steps": 300,
        "discount": 0.9,
        "epsilon": 0.5,
        "learning_rate": lambda n: 1 / n,
        "seed": 0,
    }
    return tabular.q_learning(world, **(settings | changes))


def test_q_learning_by_hand():
    # A corridor without slipping: the first step right ends in the goal.
    world = GridWorld(layout=("SG",), slip=0.0, step_reward=-0.1)
    q_table, visits = learn(world, steps=400, epsilon=1.0, learning_rate=lambda n: 0.5)
    value = 0.0
    for _ in range(visits[0, RIGHT]):
        value += 0.5 * (0.9 - value)
    assert q_table[0, RIGHT].item() == pytest.approx(value)
    assert visits.sum() == 400
    assert (q_table[1] == 0).all() and (visits[1] == 0).all()
    # All other moves stay: −0.1 + 0.9 · 0.9 in the end.
    assert q_table[0, [UP, DOWN, LEFT]].tolist() == pytest.approx([-0.1 + 0.9 * 0.9] * 3, abs=1e-3)


def test_q_learning_reaches_value_iteration():
    world = GridWorld(num_envs=64)
    exact, _ = tabular.value_iteration(*world.model(), 0.9)
    q_table, visits = learn(world, steps=6000, epsilon=1.0, learning_rate=lambda n: n**-0.8)
    assert (visits[world.acting] > 1000).all()
    assert (q_table - exact)[world.acting].abs().max() < 0.05


def test_a_time_limit_does_not_end_the_world():
    # One step an episode. Cell 1 is never left, so its value stays 0 and right is worth −0.1;
    # left stays in cell 0. With a truncation taken for an end, left would be worth −0.1 too.
    world = GridWorld(layout=("S.G",), slip=0.0, step_reward=-0.1, max_steps=1)
    q_table, _ = learn(world, steps=3000, epsilon=1.0, learning_rate=lambda n: 0.5)
    assert q_table[0, LEFT].item() == pytest.approx(-0.1 + 0.9 * -0.1, abs=1e-3)


def test_the_end_is_learnt_from_the_cell_reached_not_from_the_new_start():
    world = GridWorld(layout=("SP",), slip=0.0, step_reward=0.0, max_steps=1)
    q_table, _ = learn(world, epsilon=1.0)
    assert q_table[0, RIGHT] == -1


def test_epsilon_zero_repeats_what_it_knows():
    world = GridWorld(layout=("SG",), slip=0.0, step_reward=-0.1)
    _, visits = learn(world, epsilon=0.0)
    # Up is tried, looks worse than 0; then right ends the search for ever.
    assert visits[0].tolist() == [1, 299, 0, 0]


def test_shared_and_own_tables():
    q_table, visits = learn(GridWorld(3))
    assert q_table.shape == (12, 4) and visits.sum() == 900
    q_tables, visits = learn(GridWorld(3), own_tables=True)
    assert q_tables.shape == (3, 12, 4) and visits.sum((1, 2)).tolist() == [300] * 3
    assert q_tables.dtype == torch.float64 and visits.dtype == torch.int64
    assert not torch.equal(q_tables[0], q_tables[1])


def test_one_seed_one_table():
    assert torch.equal(learn(GridWorld())[0], learn(GridWorld())[0])
    assert not torch.equal(learn(GridWorld())[0], learn(GridWorld(), seed=1)[0])


def test_watching_sees_the_table_grow_and_changes_nothing():
    seen = []
    watched, _ = learn(GridWorld(), watch=lambda *what: seen.append(what), watch_every=100)
    assert [step for step, _ in seen] == [100, 200, 300]
    assert torch.equal(seen[-1][1], watched)
    assert torch.equal(watched, learn(GridWorld())[0])
    assert not torch.equal(seen[0][1], watched)


def test_a_stopped_run_says_so_and_returns_the_table_so_far(capsys):
    visit = count(1)

    def fifty_times(_):
        if next(visit) > 50:
            raise KeyboardInterrupt
        return 0.1

    q_table, visits = learn(GridWorld(), learning_rate=fifty_times)
    assert visits.sum() == 51 and (q_table != 0).any()
    assert "Stopped after 50 of 300 steps. Kept: the table so far." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"discount": 1.2}, "discount.*1.2"),
        ({"epsilon": -0.5}, "epsilon.*-0.5"),
        ({"steps": -1}, "steps.*-1"),
        ({"watch_every": 0}, "watch_every"),
    ],
)
def test_bad_settings_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        learn(GridWorld(), **changes)


# --- the world -----------------------------------------------------------------------------------


def test_rows_of_the_model_sum_to_one_where_the_walker_acts():
    world = GridWorld(slip=0.3)
    probability, reward = world.model()
    assert world.acting.sum() == 9
    torch.testing.assert_close(
        probability.sum(2), world.acting[:, None].double().expand(12, 4), atol=1e-12, rtol=0
    )
    assert (reward[~world.acting] == 0).all()


@pytest.mark.parametrize("slip", [0.0, 0.2, 0.7, 1.0])
@pytest.mark.parametrize("cell", [2, 6, 8])
def test_the_model_agrees_with_simulated_frequencies_and_rewards(slip, cell):
    walkers = 20_000
    world = GridWorld(walkers, slip=slip)
    probability, reward = world.model()
    for action in range(4):
        world.reset(seed=action)
        world.cell[:] = cell
        observation, gained, _, _, info = world.step(torch.full((walkers,), action))
        reached = info.get("final_obs", observation)
        frequency = reached.bincount(minlength=12) / walkers
        assert (frequency - probability[cell, action]).abs().max() < 0.02
        assert gained.mean().item() == pytest.approx(reward[cell, action].item(), abs=0.03)


def one_step(world, cell, action):
    world.reset(seed=0)
    world.cell[:] = cell
    return world.step(torch.tensor([action]))


@pytest.mark.parametrize(
    ("cell", "action", "reached"),
    [(8, UP, 4), (8, LEFT, 8), (8, DOWN, 8), (4, RIGHT, 4), (9, UP, 9), (9, RIGHT, 10)],
)
def test_walls_and_borders_stop_the_walker(cell, action, reached):
    observation, reward, terminated, truncated, _ = one_step(GridWorld(slip=0.0), cell, action)
    assert observation.item() == reached
    assert reward.item() == pytest.approx(-0.04)
    assert not terminated and not truncated


@pytest.mark.parametrize(("cell", "action", "end", "prize"), [(2, RIGHT, 3, 1), (6, RIGHT, 7, -1)])
def test_goal_and_pit_end_the_episode(cell, action, end, prize):
    world = GridWorld(slip=0.0)
    observation, reward, terminated, truncated, info = one_step(world, cell, action)
    assert terminated and not truncated
    assert reward.item() == pytest.approx(prize - 0.04)
    assert info["final_obs"].item() == end
    assert observation.item() == world.start


def test_the_time_limit_truncates_and_starts_anew():
    world = GridWorld(slip=0.0, max_steps=3)
    world.reset(seed=0)
    flags = []
    for _ in range(7):
        observation, _, terminated, truncated, info = world.step(torch.tensor([UP]))
        flags.append(truncated.item())
        assert not terminated
        if truncated:
            assert info["final_obs"].item() == 0 and observation.item() == world.start
    assert flags == [False, False, True, False, False, True, False]


def test_an_end_on_the_last_step_is_a_termination():
    world = GridWorld(layout=("SG",), slip=0.0, max_steps=1)
    world.reset(seed=0)
    _, _, terminated, truncated, _ = world.step(torch.tensor([RIGHT]))
    assert terminated and not truncated


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"layout": ("S.", "G")}, "equal length"),
        ({"layout": ("SX", "G.")}, "S G P"),
        ({"layout": ("SS", "G.")}, "exactly one S"),
        ({"layout": ("S.", "..")}, "a G or P"),
        ({"layout": ()}, "equal length"),
        ({"slip": 1.5}, "slip.*1.5"),
        ({"num_envs": 0}, "num_envs"),
        ({"max_steps": 0}, "max_steps"),
    ],
)
def test_bad_worlds_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        GridWorld(**arguments)


def test_bad_actions_are_named():
    world = GridWorld(2)
    with pytest.raises(RuntimeError, match="reset"):
        world.step(torch.tensor([0, 0]))
    world.reset(seed=0)
    for action in ([0], [0, 4], [-1, 0]):
        with pytest.raises(ValueError, match="from 0 to 3"):
            world.step(torch.tensor(action))


@pytest.mark.filterwarnings("ignore")
def test_gymnasium_accepts_the_world():
    check_env(SingleEpisode(GridWorld(1)), skip_render_check=True)


def test_a_single_episode_needs_a_single_walker():
    with pytest.raises(ValueError, match="num_envs=1"):
        SingleEpisode(GridWorld(2))
