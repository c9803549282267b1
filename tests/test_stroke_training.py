"""A painter taught by a discriminator: branches, what each network sees, and that it learns."""

import pytest
import torch

from dqngan_lib.applications.strokes.canvas import PIXELS, StrokeCanvas, pictures, real_steps
from dqngan_lib.applications.strokes.drawing import canvases
from dqngan_lib.applications.strokes.networks import StrokeNetwork
from dqngan_lib.dqngan.agent import DQNGAN
from dqngan_lib.dqngan.play import branch, generate
from dqngan_lib.dqngan.settings import DQNGANSettings
from dqngan_lib.dqngan.training import DQNGANTrainSettings, train_dqngan

ACTIONS = torch.tensor([[1_000, 2_000], [500, 1_500], [700, 100]])
LABELS = torch.tensor([0, 1, 2])
REAL = real_steps(ACTIONS, LABELS)


def painter(**settings):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        networks = (
            StrokeNetwork(strokes=2, classes=3, width=32),
            StrokeNetwork(strokes=2, classes=3, width=32),
        )
    return DQNGAN(*networks, DQNGANSettings(**settings), seed=0)


def test_a_branch_is_the_samplers_action_in_a_real_state():
    agent = painter()
    with torch.no_grad():
        agent.sampler.dense_head.bias[42] = 50.0
    fake = {name: value.flip(0).repeat(2, *[1] * (value.dim() - 1)) for name, value in REAL.items()}
    mixed = branch(agent, REAL, fake, 4)
    assert torch.equal(mixed["observation"][:4], REAL["observation"][:4])
    assert (mixed["action"][:4] == 42).all()
    for name in ("observation", "action"):
        assert torch.equal(mixed[name][4:], fake[name][4:])
        assert len(mixed[name]) == 12


def test_an_answer_has_the_shape_of_the_actions():
    agent = painter()
    assert agent.answer(REAL["observation"]).shape == (6,)
    agent.sampler = torch.nn.Module()
    agent.sampler.forward = lambda tokens: torch.nn.functional.one_hot(tokens, 5).float().mT * 99
    tokens = torch.tensor([[0, 3, 1], [4, 2, 0]])
    assert torch.equal(agent.answer(tokens), tokens)


@pytest.mark.parametrize("expected", [False, True])
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_only_the_discriminator_sees_real_canvases(share, expected, monkeypatch):
    agent = painter(expected_fakes=expected)
    seen = {"discriminator": [], "q": []}
    update_discriminator, update_q = agent.update_discriminator, agent.update_q

    def judge(real, fake, branches=0):
        states = [real["observation"][:branches], fake["observation"]]
        seen["discriminator"].append(torch.cat(states))
        assert len(seen["discriminator"][-1]) == 8
        return update_discriminator(real, fake, branches)

    def learn(batch):
        seen["q"].append(batch["observation"])
        return update_q(batch)

    monkeypatch.setattr(agent, "update_discriminator", judge)
    monkeypatch.setattr(agent, "update_q", learn)
    settings = DQNGANTrainSettings(
        updates=6, batch_size=8, replay_rounds=2, branch_share=share, evaluate_every=6
    )
    train_dqngan(agent, StrokeCanvas(8, 2, 3), REAL, settings=settings, seed=0)
    inked = REAL["observation"][REAL["observation"][:, PIXELS] == 1]

    def real_canvases(batches):
        states = torch.cat(batches)
        return (states[:, None, :PIXELS] == inked[:, :PIXELS]).all(2).any(1).sum().item()

    assert real_canvases(seen["q"]) == 0
    assert (real_canvases(seen["discriminator"]) > 0) == (share > 0)


@pytest.mark.parametrize("reward", ["logit", "logit + log q", "D"])
def test_branches_are_for_the_prefix_form_alone(reward):
    settings = DQNGANTrainSettings(updates=1, evaluate_every=1, branch_share=0.5)
    with pytest.raises(ValueError, match="branch_share"):
        train_dqngan(painter(reward=reward), StrokeCanvas(4, 2, 3), REAL, settings=settings)


def test_no_branches_change_nothing():
    weights = []
    for share in ({}, {"branch_share": 0.0}):
        agent = painter()
        settings = DQNGANTrainSettings(updates=3, batch_size=8, evaluate_every=3, **share)
        train_dqngan(agent, StrokeCanvas(8, 2, 3), REAL, settings=settings, seed=0)
        weights.append(agent.q_network.dense_head.weight)
    assert torch.equal(*weights)


def test_a_painter_learns_the_drawing_of_each_class():
    agent = painter(q_rate=5e-3, discriminator_rate=5e-3, sampler_memory=0.9, expected_fakes=True)
    settings = DQNGANTrainSettings(
        updates=150, batch_size=32, branch_share=0.5, newest_share=0.0, evaluate_every=150
    )
    train_dqngan(agent, StrokeCanvas(32, 2, 3), REAL, settings=settings, seed=0)
    labels = torch.arange(60) % 3
    made = pictures(generate(agent.sampler, StrokeCanvas(60, 2, 3), 1.0, labels, seed=1))
    wanted = canvases(ACTIONS)[:, -1].reshape(-1, 1, 28, 28)[labels]
    right = ((made - wanted).abs().amax((1, 2, 3)) < 0.01).float().mean()
    assert right > 0.7


class Numbers(torch.nn.Module):
    """One learnt number for each action, whatever the state; for episodes, at each position."""

    def __init__(self, numbers):
        super().__init__()
        self.numbers = torch.nn.Parameter(torch.tensor(numbers))

    def forward(self, observation):
        """Return the numbers, once for each state."""
        if observation.dim() == 2 and observation.shape[1] == 2:  # an episode of two steps
            return self.numbers[None, :, None].expand(len(observation), -1, 2)
        return self.numbers.expand(len(observation), -1)


Q, F = [0.0, 1.0, -1.0], [0.3, -0.7, 2.0]


@pytest.mark.parametrize("shape", [(5, 1), (5, 2)])
def test_an_expected_fake_is_the_mean_of_drawn_ones(shape):
    agent = DQNGAN(Numbers(Q), Numbers(F), DQNGANSettings(expected_fakes=True), seed=0)
    states = torch.zeros(shape, dtype=torch.long)
    action = torch.ones(shape if shape[1] == 2 else (5,), dtype=torch.long)
    measured = agent.update_discriminator(
        {"observation": states, "action": action}, {"observation": states}
    )
    q, f = torch.tensor(Q).softmax(0), torch.tensor(F)
    expected = torch.nn.functional.softplus(-f[1]) + q @ torch.nn.functional.softplus(f)
    assert measured["discriminator_loss"].item() == pytest.approx(expected.item(), abs=1e-5)
    assert measured["fake_logit"].item() == pytest.approx((q @ f).item(), abs=1e-5)


def test_a_branch_in_place_is_a_fake_in_that_real_state():
    """One look at a real state gives what two looks give, the second as a fake state."""
    real, own = REAL, {"observation": StrokeCanvas(5, 2, 3).reset(seed=0)[0]}
    twice = {"observation": torch.cat([real["observation"][:4], own["observation"]])}
    measured, weights = [], []
    for fake, branches in ((own, 4), (twice, 0)):
        agent = painter(expected_fakes=True)
        with torch.no_grad():
            agent.sampler.dense_head.bias[42] = 5.0
            agent.discriminator.dense_head.bias[:1_000] = 1.0
        measured.append(agent.update_discriminator(real, fake, branches))
        weights.append(agent.discriminator.gather.weight)
    for name, value in measured[0].items():
        assert value.item() == pytest.approx(measured[1][name].item(), abs=1e-5), name
    assert torch.allclose(*weights, atol=1e-5)


def test_branches_in_place_are_for_expected_fakes_and_no_more_than_real_states():
    fake = {"observation": REAL["observation"], "action": REAL["action"]}
    with pytest.raises(ValueError, match="branches must be from 0 to 0"):
        painter().update_discriminator(REAL, fake, branches=1)
    with pytest.raises(ValueError, match="branches must be from 0 to 6"):
        painter(expected_fakes=True).update_discriminator(REAL, fake, branches=7)


def test_the_q_network_may_learn_from_fewer_rows(monkeypatch):
    agent, rows = painter(), []
    update_q = agent.update_q
    monkeypatch.setattr(agent, "update_q", lambda b: rows.append(len(b["action"])) or update_q(b))
    settings = DQNGANTrainSettings(updates=2, batch_size=8, q_share=0.25, evaluate_every=2)
    train_dqngan(agent, StrokeCanvas(4, 2, 3), REAL, settings=settings, seed=0)
    assert rows == [2, 2]
    with pytest.raises(ValueError, match="q_share"):
        DQNGANTrainSettings(q_share=0.0)


def test_drawn_fakes_have_the_same_loss_on_average():
    losses = []
    for number in range(300):
        agent = DQNGAN(Numbers(Q), Numbers(F), seed=number)
        states = torch.zeros(50, 1, dtype=torch.long)
        fake = {"observation": states, "action": agent.answer(states)}
        real = {"observation": states, "action": torch.ones(50, dtype=torch.long)}
        losses.append(agent.update_discriminator(real, fake)["discriminator_loss"].item())
    q, f = torch.tensor(Q).softmax(0), torch.tensor(F)
    expected = torch.nn.functional.softplus(-f[1]) + q @ torch.nn.functional.softplus(f)
    assert sum(losses) / 300 == pytest.approx(expected.item(), abs=0.02)


@pytest.mark.parametrize("settings", [{"reward": "wasserstein"}, {"reward": "D", "greedy": True}])
def test_expected_fakes_need_log_q_and_a_logit(settings):
    with pytest.raises(ValueError, match="expected_fakes"):
        DQNGANSettings(expected_fakes=True, **settings)
