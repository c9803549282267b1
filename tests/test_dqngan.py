"""One update of each network, against targets worked out by hand or by enumeration."""

import math

import pytest
import torch

from dqngan_lib.dqngan.agent import DQNGAN
from dqngan_lib.dqngan.rewards import fixed_point
from dqngan_lib.dqngan.sampler import draw_actions, move_average
from dqngan_lib.dqngan.settings import DQNGANSettings
from tests.small_canvas import PICTURES, TOKENS, Table, agent, log_probability, prefix_logits, whole

DATA = torch.softmax(1.5 * torch.randn(16, generator=torch.Generator().manual_seed(3)).double(), 0)


def perfect_discriminator(player: DQNGAN, log_p: torch.Tensor) -> None:
    """Set every logit to log p(s, a)/q(s, a) for the sampler as it is now."""
    log_q = log_probability(player.sampler, player.settings.temperature)
    with torch.no_grad():
        player.discriminator.numbers.copy_(prefix_logits(log_p) - prefix_logits(log_q))


def train_against_the_best(player: DQNGAN, updates: int) -> torch.Tensor:
    """Return the sampler's pictures' probabilities after updates on all 16 episodes."""
    for _ in range(updates):
        perfect_discriminator(player, DATA.log())
        player.update_q(whole(TOKENS))
    return log_probability(player.sampler, player.settings.temperature).exp()


def distance(one: torch.Tensor, other: torch.Tensor) -> float:
    return 0.5 * (one - other).abs().sum().item()


FAST = {"q_rate": 0.05, "sampler_memory": 0.95, "gradient_clip": 1e9}


@pytest.mark.parametrize(
    ("settings", "end"),
    [
        ({"reward": "prefix", "clip": 50.0}, DATA),
        ({"reward": "logit + log q"}, DATA),
        ({"reward": "logit + log q", "every_step": True}, DATA),
        (
            {"reward": "logit + log q", "temperature": 2.0},
            fixed_point("logit + log q", DATA, 2.0),
        ),
        ({"reward": "logit"}, fixed_point("logit", DATA)),
        ({"reward": "logit", "temperature": 0.5}, fixed_point("logit", DATA, 0.5)),
        ({"reward": "D"}, fixed_point("D", DATA)),
        ({"reward": "-log(1-D)"}, fixed_point("-log(1-D)", DATA)),
    ],
)
def test_the_sampler_lands_where_the_theory_says(settings, end):
    """And nowhere near where the other forms land: tampering with log q or α would show."""
    found = train_against_the_best(agent(**FAST, **settings), 500)
    assert distance(found, end) < 0.01
    others = [fixed_point("logit", DATA), fixed_point("D", DATA), fixed_point("prefix", DATA)]
    for other in others:
        if distance(other, end) > 0.05:
            assert distance(found, other) > 0.03


def test_a_discount_below_one_misses_the_data():
    found = train_against_the_best(agent(**FAST, reward="logit + log q", discount=0.8), 500)
    assert distance(found, DATA) > 0.03


def test_td_targets_of_a_whole_episode_by_hand():
    """One episode 1, 0, 1, 1 with all Q-values 0: V = ln 2 at each later position, 0 at the end."""
    player = agent(reward="logit", discount=0.5)
    f = torch.zeros(1, 2, 4)
    f[0, 1, 3] = 3.0  # the finished picture's logit
    f[0, 1, 0] = 9.0  # a prefix's logit pays nothing
    batch = whole(torch.tensor([[0, 1, 0, 1, 1]]))
    half = 0.5 * math.log(2)
    assert torch.allclose(player.target(batch, f), torch.tensor([[half, half, half, 3.0]]))


def test_log_q_of_the_whole_episode_is_paid_at_its_end():
    player = agent(reward="logit + log q")
    batch = whole(torch.tensor([[0, 1, 0, 1, 1]]))
    value = math.log(2)  # of what follows, until the end
    expected = torch.tensor([[value, value, value, -4 * math.log(2)]])
    assert torch.allclose(player.target(batch, torch.zeros(1, 2, 4)), expected, atol=1e-6)


def test_td_targets_of_single_states_by_hand():
    """Row 0 goes on, row 1 ends; γ = 0.5, all Q-values 0, two actions: V = ln 2."""

    class Flat(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(3, 2)
            torch.nn.init.zeros_(self.layer.weight)
            torch.nn.init.zeros_(self.layer.bias)

        def forward(self, observation):
            return self.layer(observation)

    player = DQNGAN(Flat(), Flat(), DQNGANSettings(reward="-log(1-D)", discount=0.5))
    batch = {
        "observation": torch.zeros(2, 3),
        "action": torch.tensor([0, 1]),
        "next_observation": torch.ones(2, 3),
        "terminated": torch.tensor([False, True]),
    }
    f = torch.tensor([[5.0, 5.0], [0.0, math.log(3)]])
    expected = torch.tensor([0.5 * math.log(2), math.log(4)])
    assert torch.allclose(player.target(batch, f), expected)


def test_greedy_backs_up_the_greatest_value():
    player = agent(reward="D", greedy=True)
    with torch.no_grad():
        player.sampler.numbers.copy_(torch.arange(30.0).reshape(15, 2))
    target = player.target(whole(TOKENS[:1]), torch.zeros(1, 2, 4))
    # The all-black episode passes the prefixes 0, 1, 3, 7, whose greatest values are 1, 3, 7, 15.
    assert target[0].tolist() == pytest.approx([3.0, 7.0, 15.0, 0.5])


@pytest.mark.parametrize("epsilon", [0.0, 0.3, 1.0])
def test_log_q_knows_of_epsilon(epsilon):
    player = agent(epsilon=epsilon)
    with torch.no_grad():
        player.sampler.numbers[0] = torch.tensor([math.log(0.9), math.log(0.1)])
    log_q = player.log_q(torch.zeros(1, 1, dtype=torch.long))[0, :, 0]
    assert log_q.exp()[1].item() == pytest.approx((1 - epsilon) * 0.1 + epsilon / 2)
    actions = torch.cat([player.act(torch.zeros(2_000, 1, dtype=torch.long)) for _ in range(10)])
    assert actions.double().mean().item() == pytest.approx(log_q.exp()[1].item(), abs=0.015)


def test_the_discriminator_learns_the_log_ratio():
    """Real steps 3 : 1 for token 1 at the start, fakes 1 : 1: ln 1.5 and ln 0.5."""
    player = agent(discriminator_rate=0.05)
    real, fake = (torch.zeros(4, 1, dtype=torch.long) for _ in range(2))
    real_action, fake_action = torch.tensor([[1], [1], [1], [0]]), torch.tensor([[1], [0]] * 2)
    for _ in range(400):
        measured = player.update_discriminator(
            {"observation": real, "action": real_action},
            {"observation": fake, "action": fake_action},
        )
    found = player.discriminator.numbers[0].detach()
    assert torch.allclose(found, torch.tensor([0.5, 1.5]).log(), atol=1e-2)
    assert measured["real_logit"] > measured["fake_logit"]


def test_update_q_changes_the_q_network_alone_and_leaves_the_discriminator_in_training_mode():
    player = agent()
    before = player.discriminator.numbers.clone()
    with torch.no_grad():
        player.discriminator.numbers[0, 0] = 1.0
    player.update_q(whole(TOKENS))
    before[0, 0] = 1.0
    assert torch.equal(player.discriminator.numbers, before)
    assert player.discriminator.numbers.grad is None and player.discriminator.training
    assert player.q_network.numbers[0, 0] > player.q_network.numbers[0, 1]


def test_running_means_by_hand():
    old, new = Table(), Table()
    with torch.no_grad():
        new.numbers.fill_(1.0)
    move_average(old, new, 0.75)
    assert torch.allclose(old.numbers, torch.full((15, 2), 0.25))


def test_draw_actions_at_temperature_zero_and_one():
    values = torch.tensor([[0.0, math.log(3)]]).repeat(4_000, 1)
    rng = torch.Generator().manual_seed(0)
    assert draw_actions(values, 0, rng).eq(1).all()
    assert draw_actions(values, 1.0, rng).double().mean().item() == pytest.approx(0.75, abs=0.03)
    assert draw_actions(values, 0.5, rng).double().mean().item() == pytest.approx(0.9, abs=0.03)
    with pytest.raises(ValueError, match="temperature must be >= 0"):
        draw_actions(values, -1.0, rng)


def test_state_goes_round():
    one, other = agent(seed=1), agent(seed=2)
    one.update_q(whole(TOKENS))
    one.update_discriminator(whole(TOKENS[:3]), whole(TOKENS[3:]))
    other.load_state_dict(one.state_dict())
    for player in (one, other):
        player.update_q(whole(TOKENS))
    assert torch.equal(one.slow_network.numbers, other.slow_network.numbers)
    observation = torch.zeros(50, 1, dtype=torch.long)
    assert torch.equal(one.act(observation), other.act(observation))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"reward": "hinge"}, "reward must be one of"),
        ({"temperature": 0}, "temperature must be > 0"),
        ({"epsilon": 1.5}, "epsilon must be from 0 to 1"),
        ({"sampler_memory": 1.0}, "sampler_memory must be from 0"),
        ({"every_step": True}, "every_step is for"),
        ({"greedy": True}, "a greedy sampler has no log q"),
        ({"greedy": True, "reward": "logit", "every_step": True}, "a greedy sampler has no log q"),
    ],
)
def test_bad_settings_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        DQNGANSettings(**settings)


def test_a_greedy_sampler_has_no_log_q():
    with pytest.raises(ValueError, match="has no log q"):
        agent(reward="D", greedy=True).log_q(TOKENS[:, :1])


def test_pictures_are_in_the_order_of_the_table():
    """The helper of these tests itself: prefix probabilities add up."""
    sums = prefix_logits(DATA.log()).exp()
    assert sums[0, 0].item() == pytest.approx(DATA[PICTURES[:, 0] == 0].sum().item())
    assert sums[-1, 1].item() == pytest.approx(DATA[-1].item())
