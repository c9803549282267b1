"""A DQN-GAN on the patch canvas: what reaches the Q-network, and that it learns."""

import pytest
import torch

from dqngan_lib.dqngan import training as dqngan_training
from dqngan_lib.dqngan.agent import DQNGAN
from dqngan_lib.dqngan.networks import CausalTransformer
from dqngan_lib.dqngan.patch_canvas import PatchCanvas
from dqngan_lib.dqngan.play import generate, play_episodes
from dqngan_lib.dqngan.sampler import reader
from dqngan_lib.dqngan.settings import DQNGANSettings
from dqngan_lib.dqngan.training import DQNGANTrainSettings, train_dqngan
from dqngan_lib.environments.rollout import Rollout

CODEBOOK = torch.rand(20, 2, 2, generator=torch.Generator().manual_seed(0))
REAL_TOKEN = 19


@pytest.fixture
def agent():
    torch.manual_seed(0)
    q_network = CausalTransformer(CODEBOOK, 9, width=16)
    discriminator = CausalTransformer(CODEBOOK, 9, width=16, dropout=0.1)
    return DQNGAN(q_network, discriminator, DQNGANSettings(), seed=0)


@pytest.fixture
def real():
    tokens = torch.full((50, 10), REAL_TOKEN)
    tokens[:, 0] = 0
    return {"observation": tokens[:, :-1], "action": tokens[:, 1:]}


def test_no_real_picture_reaches_the_q_network(agent, real, monkeypatch):
    # Real pictures consist of one token, which the sampler never draws: seeing it would be proof.
    for network in (agent.q_network, agent.sampler):
        network.head.bias.data[REAL_TOKEN] = -1e4
    played, learnt_from, judged = set(), [], []

    def play(*arguments):
        batch = play_episodes(*arguments)
        played.update(map(tuple, batch["action"].tolist()))
        return batch

    update_q, update_discriminator = agent.update_q, agent.update_discriminator

    def spy_q(batch):
        learnt_from.append(batch)
        return update_q(batch)

    def spy_discriminator(real, fake):
        judged.append(real)
        return update_discriminator(real, fake)

    monkeypatch.setattr(dqngan_training, "play_episodes", play)
    monkeypatch.setattr(agent, "update_q", spy_q)
    monkeypatch.setattr(agent, "update_discriminator", spy_discriminator)
    settings = DQNGANTrainSettings(updates=6, batch_size=16, evaluate_every=3, replay_rounds=3)
    train_dqngan(agent, PatchCanvas(8, CODEBOOK, 3), real, settings=settings)
    assert len(learnt_from) == len(judged) == 6
    for batch in learnt_from:
        assert set(batch) == {"observation", "action"}  # and no reward that could go stale
        assert not (batch["action"] == REAL_TOKEN).any()
        assert not (batch["observation"] == REAL_TOKEN).any()
        assert set(map(tuple, batch["action"].tolist())) <= played
    assert all((batch["action"] == REAL_TOKEN).all() for batch in judged)  # the spies see all


def test_learns_from_the_discriminator_alone(agent, real):
    settings = DQNGANTrainSettings(updates=60, batch_size=32, evaluate_every=60)
    train_dqngan(agent, PatchCanvas(32, CODEBOOK, 3), real, settings=settings)
    made = generate(agent.sampler, PatchCanvas(100, CODEBOOK, 3))[:, 1:]
    assert (made == REAL_TOKEN).float().mean() > 0.12  # by chance 0.05


def test_the_memory_changes_no_action(agent):
    torch.nn.init.normal_(agent.sampler.head.weight)
    envs = PatchCanvas(16, CODEBOOK, 3)
    state = agent.rng.get_state()
    with_memory = play_episodes(agent, Rollout(envs))["action"]
    agent.rng.set_state(state)
    observation, _ = envs.reset()
    for step in range(9):
        observation, *_, info = envs.step(agent.act(observation[:, : step + 1]))
    assert torch.equal(info["final_obs"][:, 1:], with_memory)


def test_reader_leaves_other_networks_alone():
    network = torch.nn.Linear(2, 3)
    assert reader(network) is network


def test_generate_at_temperature_zero_makes_one_picture(agent):
    torch.nn.init.normal_(agent.slow_network.head.weight)
    made = generate(agent.slow_network, PatchCanvas(30, CODEBOOK, 3), temperature=0.0)
    assert len(made.unique(dim=0)) == 1


def test_generate_passes_the_start_tokens_on(agent):
    envs = PatchCanvas(12, CODEBOOK, 3, starts=4)
    torch.manual_seed(0)
    network = CausalTransformer(CODEBOOK, 9, starts=4, width=16)
    labels = torch.arange(12) % 4
    assert torch.equal(generate(network, envs, labels=labels)[:, 0], labels)
