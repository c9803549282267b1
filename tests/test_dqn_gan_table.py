"""The table of notebook 09: rivals of the DQN-GAN do what their papers say."""

import importlib.util
import sys
from pathlib import Path

import pytest
import torch
from torch.nn.functional import cross_entropy, softplus

from dqngan_lib.dqngan.agent import DQNGAN
from dqngan_lib.dqngan.networks import CausalTransformer, log_probability
from dqngan_lib.dqngan.patch_canvas import PatchCanvas
from dqngan_lib.dqngan.play import play_episodes
from dqngan_lib.dqngan.settings import DQNGANSettings
from dqngan_lib.environments.rollout import Rollout

SCRIPTS = Path(__file__).parents[1] / "benchmarks"
CODEBOOK = torch.rand(5, 2, 2, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def script():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SCRIPTS))
        spec = importlib.util.spec_from_file_location("dqn_gan_table", SCRIPTS / "09_dqn_gan.py")
        module = importlib.util.module_from_spec(spec)
        patch.setitem(sys.modules, spec.name, module)
        spec.loader.exec_module(module)
        yield module


def network(seed: int, size: float = 1.0, dropout: float = 0.0) -> CausalTransformer:
    torch.manual_seed(seed)
    made = CausalTransformer(CODEBOOK, steps=4, width=16, dropout=dropout)
    torch.nn.init.normal_(made.head.weight, std=size)
    return made


def steps(seed: int, count: int = 12) -> dict[str, torch.Tensor]:
    rng = torch.Generator().manual_seed(seed)
    tokens = torch.cat(
        [torch.zeros(count, 1).long(), torch.randint(5, (count, 4), generator=rng)], 1
    )
    return {"observation": tokens[:, :-1], "action": tokens[:, 1:]}


def test_asaf_judges_a_sentence_by_how_likely_both_policies_are_to_make_it(script):
    agent = script.ASAF(network(1), network(2), DQNGANSettings())
    agent.sampler = network(3)
    batch = steps(4)
    tokens = torch.cat([batch["observation"], batch["action"][:, -1:]], 1)
    expected = log_probability(agent.q_network, tokens) - log_probability(agent.sampler, tokens)
    assert torch.allclose(agent.logit(batch), expected, atol=1e-4)
    choices = script.ASAFChoices(agent.q_network, network(2), DQNGANSettings())
    choices.sampler = agent.sampler
    assert choices.logit(batch).shape == (12, 4)
    assert torch.allclose(choices.logit(batch).sum(1), expected, atol=1e-4)


def test_in_branches_asaf_climbs_half_the_slope_of_the_likelihood(script):
    """π̃ = q, both uniform: fakes of every action pull to no side."""
    agent = script.ASAFChoices(network(1, size=0.0), network(2), DQNGANSettings())
    real = steps(5)
    fakes = [{**real, "action": torch.full_like(real["action"], a)} for a in range(5)]
    loss = softplus(-agent.logit(real)).mean()
    loss = loss + sum(softplus(agent.logit(fake)).mean() for fake in fakes) / 5
    weight = agent.q_network.head.weight
    (ours,) = torch.autograd.grad(loss, weight)
    likelihood = cross_entropy(agent.q_network(real["observation"]), real["action"])
    (expected,) = torch.autograd.grad(likelihood, weight)
    assert torch.allclose(ours, expected / 2, atol=1e-7)
    assert expected.abs().max() > 1e-3


@pytest.mark.parametrize("kind", ["ASAF", "ASAFChoices"])
def test_asaf_moves_its_one_network_to_the_data(script, kind):
    """Real sentences begin with token 3 in two thirds, else with 1, and repeat it."""
    settings = DQNGANSettings(q_rate=1e-2, sampler_memory=0.5)
    agent = getattr(script, kind)(network(1, size=0.0), network(2), settings)
    judge = [weight.clone() for weight in agent.discriminator.parameters()]
    first = torch.tensor([3, 3, 1]).repeat(20)[:, None].repeat(1, 4)
    real = {"observation": torch.cat([0 * first[:, :1], first[:, :-1]], 1), "action": first}
    rollout = Rollout(PatchCanvas(60, CODEBOOK, grid=2))
    for _ in range(150):
        fake = play_episodes(agent, rollout)
        agent.update_discriminator(real, fake)
        agent.update_q(fake)
    chance = agent.slow_network(torch.zeros(1, 1, dtype=torch.long))[0, :, 0].softmax(0)
    assert chance[3].item() == pytest.approx(2 / 3, abs=0.1)
    assert chance[1].item() == pytest.approx(1 / 3, abs=0.1)
    made = play_episodes(agent, rollout)["action"]
    assert (made == made[:, :1]).float().mean() > 0.9
    assert all(map(torch.equal, judge, agent.discriminator.parameters()))


def test_the_target_alone_is_the_data_where_the_judge_is_the_best(script):
    class Best(torch.nn.Module):
        """f = log p(a|s) − log q(a|s) and a number for each state."""

        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(()))

        def forward(self, tokens):
            return p(tokens).log_softmax(1) - agent.sampler(tokens).log_softmax(1) + 3.0

    p = network(7)
    agent = DQNGAN(network(1), Best(), DQNGANSettings(clip=50.0))
    tokens = steps(8)["observation"]
    found = script.Target(agent)(tokens)
    assert torch.allclose(found, p(tokens).log_softmax(1), atol=1e-4)
    assert not torch.allclose(found, agent.sampler(tokens).log_softmax(1), atol=0.1)


def test_the_slope_at_real_sentences_is_that_of_small_changes(script):
    agent = script.Flat(network(1), network(2), DQNGANSettings())
    real, judge = steps(9, count=3), agent.discriminator
    with script.sdpa_kernel(script.SDPBackend.MATH):
        logits, slope = agent.logits_and_slope(real)
    direction = torch.randn(slope.shape, generator=torch.Generator().manual_seed(1))

    def summed(size: float) -> float:
        hook = judge.blocks[0].register_forward_pre_hook(
            lambda _, given: (given[0] + size * direction, *given[1:])
        )
        found = judge(real["observation"]).gather(1, real["action"][:, None]).sum().item()
        hook.remove()
        return found

    assert logits.sum().item() == pytest.approx(summed(0.0), abs=1e-4)
    numeric = (summed(1e-2) - summed(-1e-2)) / 2e-2
    assert (slope * direction).sum().item() == pytest.approx(numeric, rel=1e-2)


def test_a_penalty_of_the_slope_makes_the_judge_flatter_and_none_changes_nothing(script):
    slopes, weights = [], []
    for kind, penalty in ((DQNGAN, None), (script.Flat, 0.0), (script.Flat, 5.0)):
        agent = kind(network(1), network(2), DQNGANSettings(discriminator_rate=1e-3))
        if penalty is not None:
            agent.weight = penalty
        for number in range(20):
            agent.update_discriminator(steps(10), steps(20 + number))
        weights.append(agent.discriminator.head.weight)
        flat = script.Flat(network(1), agent.discriminator, DQNGANSettings())
        slopes.append(flat.logits_and_slope(steps(10))[1].square().sum().item())
    assert torch.allclose(weights[0], weights[1], atol=1e-4)
    assert slopes[2] < 0.7 * slopes[1]


@pytest.fixture
def judged(script):
    """A DQN-GAN whose judge sees finished pictures of 16 × 16 pixels, without noise."""
    codebook = torch.rand(5, 4, 4, generator=torch.Generator().manual_seed(1))
    torch.manual_seed(0)
    q_network = CausalTransformer(codebook, steps=16, width=16)
    torch.nn.init.normal_(q_network.head.weight, std=0.3)
    agent = script.Finished(q_network, script.PictureJudge(), DQNGANSettings(clip=50.0))
    agent.begin(codebook, rounds=10)
    agent.noise, agent.step, agent.share = (0.0, 0.0), 1.0, 0.0
    tokens = torch.randint(5, (3, 17), generator=torch.Generator().manual_seed(2))
    tokens[:, 0] = 0
    return agent, {"observation": tokens[:, :-1], "action": tokens[:, 1:]}


def test_the_opinion_on_a_patch_is_what_a_straight_judge_says_of_the_picture_with_it(judged):
    """With a judge that is linear in the pixels nothing is approximate."""
    agent, batch = judged
    weight = torch.randn(256, generator=torch.Generator().manual_seed(3))
    agent.discriminator.forward = lambda images: images.flatten(1) @ weight
    opinion = agent.opinion(batch)
    before = agent.judge(agent.seen(batch))
    assert opinion.shape == (3, 5, 16)
    for place, patch in ((0, 4), (6, 1), (15, 2)):
        other = {**batch, "action": batch["action"].clone()}
        other["action"][:, place] = patch
        gained = agent.judge(agent.seen(other)) - before
        mine = opinion[:, :, place].gather(1, batch["action"][:, place, None]).squeeze(1)
        assert torch.allclose(opinion[:, patch, place] - mine, gained, atol=1e-4)


def test_the_critic_learns_what_the_judge_will_say_and_counts_in_the_opinion(judged):
    """The last choice of a sentence decides: the critic's number there is D less D's mean."""
    agent, batch = judged
    slope_alone = agent.opinion(batch)
    for _ in range(150):
        agent.update_critic(batch)
    end = agent.judge(agent.seen(batch)).detach()
    values = agent.critic(batch["observation"]).detach()
    last = values[:, :, -1].gather(1, batch["action"][:, -1:]).squeeze(1)
    assert torch.allclose(last, end - end.mean(), atol=0.1 * (end.std() + 0.01))
    agent.step, agent.share = 2.0, 0.5
    assert torch.allclose(agent.opinion(batch), 2 * (slope_alone + 0.5 * values), atol=1e-4)


def test_without_a_share_there_is_no_critic_to_teach(judged):
    agent, batch = judged
    before = agent.critic.head.bias.clone()
    agent.update_q(batch)
    assert torch.equal(agent.critic.head.bias, before)
    agent.share = 0.5
    agent.update_q(batch)
    assert not torch.equal(agent.critic.head.bias, before)


def test_the_judge_of_finished_pictures_learns_with_its_slope_held(judged):
    agent, real = judged
    fake = {"action": torch.zeros_like(real["action"])}
    images, squares = agent.seen(real), []
    for weight in (0.0, 30.0):
        torch.manual_seed(0)
        agent.discriminator.apply(lambda m: getattr(m, "reset_parameters", lambda: None)())
        agent.weight = weight
        for _ in range(30):
            measured = agent.update_discriminator(real, fake)
        inputs = images.clone().requires_grad_(True)
        (slope,) = torch.autograd.grad(agent.discriminator(inputs).sum(), inputs)
        squares.append(slope.square().sum().item())
        assert measured["real_logit"] > measured["fake_logit"]
    assert squares[1] < 0.5 * squares[0]


def test_without_noise_the_judge_sees_the_pictures_and_with_it_others_each_time(judged):
    agent, batch = judged
    images = agent.seen(batch)
    assert torch.equal(agent.judge(images), agent.discriminator(images))
    agent.noise = (0.5, 0.1)
    spread = []
    for agent.updates in (0, 10):
        torch.manual_seed(0)
        said = torch.stack([agent.judge(images) for _ in range(100)])
        spread.append(said.std(0).mean().item())
    assert 0 < spread[1] < 0.5 * spread[0]  # the noise falls
