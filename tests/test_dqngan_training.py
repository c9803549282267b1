"""What a training run promises: its rounds, its history, its checkpoints, and the data's way."""

import math
from dataclasses import asdict

import pytest
import torch

from dqngan_lib.dqngan import training as dqngan_training
from dqngan_lib.dqngan.agent import DQNGAN
from dqngan_lib.dqngan.play import RoundReplay, generate, play_episodes
from dqngan_lib.dqngan.training import DQNGANTrainSettings, train_dqngan
from dqngan_lib.environments.rollout import Rollout
from dqngan_lib.metrics.distributions import total_variation
from tests.small_canvas import PICTURES, TOKENS, agent, canvas, log_probability, whole

REAL = whole(TOKENS[[0, 5, 5, 5, 10, 15]])
SHORT = DQNGANTrainSettings(updates=10, batch_size=8, evaluate_every=4, replay_rounds=3)


def share_of_fives(player):
    pictures = generate(player.sampler, canvas(64), seed=1)[:, 1:]
    return (pictures == PICTURES[5]).all(1).double().mean().item()


def test_episodes_are_the_samplers_own():
    player = agent()
    with torch.no_grad():  # token 1 at the start, token 0 after it, whatever else
        player.sampler.numbers[0, 1] = player.sampler.numbers[2, 0] = 50.0
    batch = play_episodes(player, Rollout(canvas(16)))
    assert batch["observation"].shape == batch["action"].shape == (16, 4)
    assert (batch["observation"][:, 0] == 0).all()
    assert (batch["action"][:, :2] == torch.tensor([1, 0])).all()
    assert torch.equal(batch["observation"][:, 1:], batch["action"][:, :-1])
    assert set(batch["action"][:, 3].tolist()) == {0, 1}


def test_replay_draws_the_asked_share_from_the_newest_round():
    replay = RoundReplay(rounds=3, newest_share=0.5, seed=0)
    for number in range(5):
        replay.add({"action": torch.full((4,), number)})
    assert len(replay) == 3
    drawn = replay.sample(6_000)["action"]
    assert (drawn[:3_000] == 4).all()
    shares = torch.bincount(drawn[3_000:], minlength=5) / 3_000
    assert shares[:2].tolist() == [0, 0]
    assert shares[2:].tolist() == pytest.approx([1 / 3] * 3, abs=0.04)


def test_replay_refuses_what_it_cannot_hold():
    replay = RoundReplay()
    with pytest.raises(ValueError, match="memory must be filled"):
        replay.sample(1)
    replay.add({"action": torch.zeros(4)})
    with pytest.raises(ValueError, match="every round must have the shapes"):
        replay.add({"action": torch.zeros(5)})
    with pytest.raises(ValueError, match="count must be"):
        replay.sample(0)


def test_no_real_picture_reaches_the_q_network(monkeypatch):
    """Real pictures have a start token that the sampler never plays: it would show."""
    marked = {name: value.clone() for name, value in REAL.items()}
    marked["action"][:, -1] = 1  # every real picture ends in 1
    seen = []
    original = DQNGAN.update_q
    monkeypatch.setattr(
        DQNGAN, "update_q", lambda self, batch: seen.append(batch) or original(self, batch)
    )
    player = agent()
    with torch.no_grad():  # the sampler never ends in 1
        player.sampler.numbers[7:, 0] = 50.0
        player.q_network.numbers[7:, 0] = 50.0
    train_dqngan(player, canvas(), marked, settings=SHORT)
    assert len(seen) == 10
    assert all((batch["action"][:, -1] == 0).all() for batch in seen)


def test_the_sampler_learns_the_data():
    """Six real pictures, of which three are number 5; a table can learn them by heart."""
    player = agent(q_rate=0.02, discriminator_rate=0.05)
    settings = DQNGANTrainSettings(updates=500, evaluate_every=500, batch_size=128)
    train_dqngan(player, canvas(128), REAL, settings=settings)
    data = torch.zeros(16).double()
    data[[0, 10, 15]], data[5] = 1 / 6, 1 / 2
    assert total_variation(log_probability(player.sampler).exp(), data) < 0.1


def test_the_history_has_a_row_an_evaluation():
    history = train_dqngan(agent(), canvas(), REAL, evaluate=share_of_fives, settings=SHORT)
    assert history.update == [4, 8, 10]
    for name, value in asdict(history).items():
        if name != "interrupted":
            assert len(value) == 3 and all(math.isfinite(number) for number in value), name


def test_a_run_can_be_repeated_and_depends_on_its_seeds():
    results = []
    for own, seed in ((0, 0), (0, 0), (0, 1), (1, 0)):
        player = agent(seed=own)
        train_dqngan(player, canvas(), REAL, settings=SHORT, seed=seed)
        results.append(player.sampler.numbers)
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])
    assert not torch.equal(results[0], results[3])


def test_interrupted_and_resumed_is_the_same_run(tmp_path, capsys):
    whole_run = agent()
    expected = train_dqngan(whole_run, canvas(), REAL, evaluate=share_of_fives, settings=SHORT)

    def stop(history):
        raise KeyboardInterrupt

    path, resumed = tmp_path / "run.pt", agent()
    arguments = {"evaluate": share_of_fives, "settings": SHORT, "checkpoint": path}
    first = train_dqngan(resumed, canvas(), REAL, watch=stop, **arguments)
    assert first.interrupted and first.update == [4]
    said = capsys.readouterr().out
    assert said.startswith("Stopped after 4 of 10 updates. Kept: what was learnt so far.\n")
    resumed = agent()
    history = train_dqngan(resumed, canvas(), REAL, **arguments)
    assert torch.equal(resumed.slow_network.numbers, whole_run.slow_network.numbers)
    assert history.update == expected.update and history.score == expected.score


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    path = tmp_path / "run.pt"
    train_dqngan(agent(), canvas(), REAL, settings=SHORT, checkpoint=path)
    with pytest.raises(ValueError, match="belongs to another run"):
        train_dqngan(agent(), canvas(), REAL, settings=SHORT, checkpoint=path, seed=1)


def test_play_may_come_every_few_rounds(monkeypatch):
    player, played, learnt = agent(), [], []
    update_q = player.update_q

    def play(*arguments):
        played.append(player.updates)
        return play_episodes(*arguments)

    monkeypatch.setattr(dqngan_training, "play_episodes", play)
    monkeypatch.setattr(dqngan_training, "play_steps", lambda a, r, steps: play(a, r))
    monkeypatch.setattr(player, "update_q", lambda batch: learnt.append(1) or update_q(batch))
    settings = DQNGANTrainSettings(updates=10, evaluate_every=10, play_every=4)
    train_dqngan(player, canvas(), REAL, settings=settings)
    assert played == [0, 4, 8] and len(learnt) == 10


def test_learning_rates_fall():
    player = agent(q_rate=0.1)
    settings = DQNGANTrainSettings(updates=10, evaluate_every=10, learning_rate_end=0.5)
    train_dqngan(player, canvas(), REAL, settings=settings)
    assert player.q_optimizer.param_groups[0]["lr"] == pytest.approx(0.1 * (1 - 0.5 * 0.9))


def test_generate_at_temperature_zero_makes_one_picture():
    player = agent()
    with torch.no_grad():
        player.slow_network.numbers.normal_(generator=torch.Generator().manual_seed(0))
    cold = generate(player.slow_network, canvas(50), temperature=0)
    assert len(torch.unique(cold, dim=0)) == 1
    warm = generate(player.slow_network, canvas(50), temperature=1.0, seed=3)
    assert len(torch.unique(warm, dim=0)) > 5
    assert torch.equal(warm, generate(player.slow_network, canvas(50), temperature=1.0, seed=3))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("updates", 0),
        ("play_every", 0),
        ("replay_rounds", 0),
        ("newest_share", 1.5),
        ("evaluate_every", 5_000),
    ],
)
def test_bad_train_settings_are_named(name, value):
    with pytest.raises(ValueError, match=rf"{name} must.*{value}"):
        DQNGANTrainSettings(**{name: value})


@pytest.mark.parametrize(
    ("real", "settings", "message"),
    [
        ({"observation": torch.zeros(2, 4)}, {}, "real must hold"),
        ({"observation": torch.zeros(0, 4), "action": torch.zeros(0, 4)}, {}, "real must hold"),
        ({"observation": torch.zeros(2, 4), "action": torch.zeros(3, 4)}, {}, "real must hold"),
        (REAL, {"branch_share": 0.5}, "branch_share > 0 is for the reward 'prefix'.*'logit'"),
    ],
)
def test_real_steps_and_branches_that_do_not_fit_are_named(real, settings, message):
    settings = DQNGANTrainSettings(updates=2, evaluate_every=2, **settings)
    with pytest.raises(ValueError, match=message):
        train_dqngan(agent(reward="logit"), canvas(), real, settings=settings)
