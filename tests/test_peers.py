"""Comparisons with others: both sides do the same work, and the report says what was measured."""

import importlib
import math
import sys
from pathlib import Path

import pytest
import torch

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch):
    """Return a function that imports a module of `benchmarks/`, which is no package."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    before = set(sys.modules)
    yield importlib.import_module
    for name in {"tables", "recipes", "peers_dqn", "peers_dcgan", "parts"} - before:
        sys.modules.pop(name, None)


@pytest.fixture
def peers_dqn(script):
    pytest.importorskip("stable_baselines3", reason="the extra `peers` is not installed")
    return script("peers_dqn")


def test_equal_settings_build_our_network_and_its_first_values(peers_dqn):
    for name, task in peers_dqn.TASKS.items():
        settings = peers_dqn.equal(task)
        worlds = settings.pop("worlds")
        envs = (
            peers_dqn.make_vec_env("CartPole-v1", worlds)
            if name == "CartPole"
            else peers_dqn.PeerEnv(task.worlds(worlds))
        )
        model = peers_dqn.PeerDQN(env=envs, device="cpu", **settings)
        ours, theirs = task.network(), model.q_net
        weights = list(ours.state_dict().values())
        with torch.no_grad():
            numbers = [*theirs.parameters()]
            learnt = [value for value in weights if value.shape != (4,)]
            assert [value.shape for value in numbers] == [value.shape for value in learnt]
            for number, value in zip(numbers, learnt, strict=True):
                number.copy_(value)
            seen = torch.as_tensor(envs.reset()).float()
            assert torch.equal(theirs(seen), ours(seen))
        assert model.learning_rate(0.0) == pytest.approx(
            task.agent.learning_rate * task.train.learning_rate_end
        )


def test_our_worlds_tell_stable_baselines3_how_episodes_end(peers_dqn):
    envs = peers_dqn.PeerEnv(peers_dqn.Catch(3, side=5))
    envs.seed(4)
    ours = peers_dqn.Catch(3, side=5)
    assert (envs.reset() == ours.reset(seed=4)[0].numpy()).all()
    for number in range(3):
        action = torch.tensor([0, 1, 2])
        seen, reward, ended, infos = envs.step(action.numpy())
        expected, rewards, _, _, info = ours.step(action)
        assert (seen == expected.numpy()).all()
        assert (reward == rewards.numpy()).all()
        assert ended.all() == (number == 2)
    for row, told in enumerate(infos):
        assert (told["terminal_observation"] == info["final_obs"][row].numpy()).all()
        assert told["TimeLimit.truncated"] is False


def test_the_report_counts_what_was_solved_and_divides_by_ours(peers_dqn):
    def row(
        side: str, seed: int, reached: float, fresh: float, speed: float, cores: str = "2"
    ) -> dict[str, str]:
        numbers = {"reached": reached, "seconds": 40.0, "fresh": fresh, "steps_per_second": speed}
        text = {name: str(value) for name, value in numbers.items()}
        here = {"cores": cores, "torch": "2.15.0"}
        return {"task": "CartPole", "side": side, "seed": str(seed), **text, **here}

    table = peers_dqn.report(
        [
            row("ours", 0, 4.0, 500, 2_000),
            row("ours", 1, 5.0, 480, 2_000),
            row("published", 0, 8.0, 474, 1_000),
            row("published", 1, math.inf, 200, 500),
            row("equal", 0, 5.0, 500, 2_000, cores="16"),  # elsewhere: no ratio
        ]
    )
    ours, published = (line for line in table.splitlines() if "of 2" in line)
    assert "solved 2 of 2" in ours
    assert "× ours 1 (1 to 1)" in ours
    assert "solved 0 of 2" in published
    assert "24 (8 to 40), 1 never" in published
    assert "× ours 5 (2 to 8)" in published
    assert "ours/its 3 (2 to 4)" in published
    (equal,) = (line for line in table.splitlines() if "of 1" in line)
    assert "× ours –" in equal


def test_the_bare_operations_give_what_ours_gives(script):
    """What is compared in time must be the same work."""
    parts = script("parts")
    for name in ("filling", "super_resolution"):
        ours, bare = getattr(parts, name)()
        (seen, reward), (expected, rewards) = ours()[:2], bare()
        torch.testing.assert_close(seen[:, :2], expected[:, :2], atol=1e-5, rtol=0)
        torch.testing.assert_close(reward, rewards, atol=1e-3, rtol=0)
    ours, bare = parts.replay(8)
    assert [ours()[name].shape for name in parts.FIELDS] == [column.shape for column in bare()]


def test_the_example_makes_pictures_of_the_size_of_ours(script):
    dcgan = script("peers_dcgan")
    example = dcgan.Example(8, seed=0)
    before = [value.clone() for value in example.generator.parameters()]
    example.update(torch.rand(5, 1, 28, 28))
    assert any(
        not torch.equal(old, new)
        for old, new in zip(before, example.generator.parameters(), strict=True)
    )
    made = example.sample(70, seed=1)
    assert made.shape == (70, 1, 28, 28)
    assert 0 <= made.min() <= made.max() <= 1
    assert dcgan.discriminator(8)(made).shape == (70,)
