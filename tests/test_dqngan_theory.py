"""The theory of notebook 08 holds for the core itself: drop log q, α or γ anywhere and this fails.

`DQNGAN` is given networks that are tables and the best discriminator, on pictures of four
pixels. What its targets make of them is compared with sums over all sixteen pictures.
"""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from dqngan_lib.dqngan import enumeration
from dqngan_lib.dqngan.agent import DQNGAN
from dqngan_lib.dqngan.rewards import best_response, fixed_point, policy_target, reward
from dqngan_lib.dqngan.settings import DQNGANSettings
from dqngan_lib.metrics.distributions import total_variation

PIXELS = 4
P = torch.softmax(1.5 * torch.randn(16, generator=torch.Generator().manual_seed(7)).double(), 0)


def normalised(weights):
    return weights / weights.sum()


# --- Tables in place of networks


class Table(nn.Module):
    """One row of numbers for each prefix, for tokens (n, 1 + 4) with −1 where nothing is set."""

    def __init__(self, seed=None):
        super().__init__()
        rows = torch.zeros(2**PIXELS - 1, 2, dtype=torch.float64)
        if seed is not None:
            rows = torch.randn(rows.shape, generator=torch.Generator().manual_seed(seed)).double()
        self.rows = nn.Parameter(rows)

    def forward(self, tokens):
        """Look the rows up, (n, 2)."""
        pixels = tokens[:, 1:]
        length = (pixels >= 0).sum(1)
        number = enumeration.picture_numbers(pixels.clamp(min=0)) >> (PIXELS - length)
        return self.rows[number + 2**length - 1]

    def levels(self):
        """Return the rows as a level list."""
        return list(self.rows.detach().split([2**level for level in range(PIXELS)]))


class BestDiscriminator(Table):
    """log p(s, a) / q(s, a) against what an agent's sampler really does, its ε included."""

    def against(self, agent):
        """Become the best against an agent; return the distribution that it was shown."""
        steps = DQNGAN.log_q(agent, everything().observation[::2])
        steps = list(steps.split([2**level for level in range(PIXELS)]))
        q = enumeration.prefix_sums(enumeration.distribution_of(steps))
        p = enumeration.prefix_sums(P)
        f = [(p[t + 1] / q[t + 1]).log().reshape(-1, 2) for t in range(PIXELS)]
        self.rows.data = torch.cat(f)
        return enumeration.distribution_of(steps)


def everything():
    """Every decision of every unfinished picture, once: 30 of them, two for each prefix."""
    observation, action, following, ended = [], [], [], []
    for level in range(PIXELS):
        for prefix in enumeration.all_pictures(level).tolist():
            for pixel in (0, 1):
                for picture, store in ((prefix, observation), ([*prefix, pixel], following)):
                    store.append([0, *picture, *[-1] * (PIXELS - len(picture))])
                action.append(pixel)
                ended.append(level == PIXELS - 1)
    # What follows an end is never looked at; a table has no row for it.
    following = [row if -1 in row else [0, *[-1] * PIXELS] for row in following]
    return SimpleNamespace(
        observation=torch.tensor(observation),
        batch={
            "observation": torch.tensor(observation),
            "action": torch.tensor(action),
            "next_observation": torch.tensor(following),
            "terminated": torch.tensor(ended),
        },
    )


def agent_with_tables(seed=None, **settings):
    judge = BestDiscriminator()
    agent = DQNGAN(Table(seed), judge, DQNGANSettings(**settings), seed=0)
    return agent, judge


def sampler_distribution(agent):
    levels = agent.sampler.levels()
    return enumeration.distribution_of(enumeration.boltzmann(levels, agent.settings.temperature))


def freeze(agent):
    """Keep log q as it is now, at `everything()`: judge and q stay while the Q-values move."""
    now = agent.log_q(everything().observation)
    agent.log_q = lambda observation: now


def sweep(agent, rate=1.0):
    """Find the Q-values that agree with the agent's TD targets; move the sampler towards them."""
    all_steps, before = everything().batch, agent.sampler.rows.data
    with torch.no_grad():
        f = agent.discriminator(all_steps["observation"])
        for _ in range(PIXELS):
            agent.sampler.rows.data = agent.target(all_steps, f).reshape(-1, 2)
    agent.sampler.rows.data = torch.lerp(before, agent.sampler.rows.data, rate)


# --- The reward of finished pictures, through the agent's own TD target


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("seed", [None, 3])
def test_logit_plus_log_q_is_log_p_whatever_the_sampler(temperature, seed):
    """One full sweep from any sampler ends at p^(1/α): needs log q, α in two places, and γ = 1."""
    agent, judge = agent_with_tables(seed, reward="logit + log q", temperature=temperature)
    judge.against(agent)
    freeze(agent)
    sweep(agent)
    expected = normalised(P ** (1 / temperature))
    assert total_variation(sampler_distribution(agent), expected) < 1e-5


def test_the_value_of_the_empty_canvas_is_the_log_of_the_sum():
    agent, judge = agent_with_tables(reward="logit + log q")
    judge.against(agent)
    freeze(agent)
    sweep(agent)
    value = agent.value(agent.sampler.rows[:1])
    assert value.item() == pytest.approx(0.0, abs=1e-5)


@pytest.mark.parametrize(
    ("form", "temperature"), [("logit", 1.0), ("logit", 0.5), ("D", 0.2), ("-log(1-D)", 1.0)]
)
def test_forms_without_log_q_settle_where_fixed_point_says(form, temperature):
    agent, judge = agent_with_tables(reward=form, temperature=temperature)
    for _ in range(80):
        judge.against(agent)
        sweep(agent, rate=0.2)
    landed = sampler_distribution(agent)
    assert total_variation(landed, fixed_point(form, P, temperature)) < 1e-3
    assert total_variation(landed, P) > 0.05


@pytest.mark.parametrize("discount", [1.0, 0.9, 0.5])
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_a_discount_on_a_reward_at_the_end(discount, temperature):
    agent, judge = agent_with_tables(reward="logit", temperature=temperature, discount=discount)
    q = judge.against(agent)
    sweep(agent)
    expected, _ = enumeration.soft_values((P / q).log(), temperature, discount)
    expected = enumeration.distribution_of(enumeration.boltzmann(expected, temperature))
    assert total_variation(sampler_distribution(agent), expected) < 1e-6


@pytest.mark.parametrize("discount", [1.0, 0.5, 0.0])
def test_instalments_of_log_p_need_no_discount(discount):
    """V = 0 everywhere, so γ is multiplied with nothing; this needs log q at every step."""
    agent, judge = agent_with_tables(5, reward="logit + log q", every_step=True, discount=discount)
    judge.against(agent)
    freeze(agent)
    sweep(agent)
    assert total_variation(sampler_distribution(agent), P) < 1e-6
    assert agent.value(agent.sampler.rows).abs().max() < 1e-6


@pytest.mark.parametrize(("temperature", "discount"), [(0.5, 1.0), (0.5, 0.5), (0.5, 0.0)])
def test_instalments_at_another_temperature(temperature, discount):
    """With γ = 1 the end is p^(1/α), with γ = 0 each decision is sharpened for itself."""
    agent, judge = agent_with_tables(
        5, reward="logit + log q", every_step=True, temperature=temperature, discount=discount
    )
    judge.against(agent)
    freeze(agent)
    sweep(agent)
    steps = enumeration.conditionals(P)
    expected, _ = enumeration.soft_values(torch.zeros_like(P), temperature, discount, steps)
    expected = enumeration.distribution_of(enumeration.boltzmann(expected, temperature))
    landed = sampler_distribution(agent)
    assert total_variation(landed, expected) < 1e-6
    if discount == 1:
        assert total_variation(landed, normalised(P ** (1 / temperature))) < 1e-6
    if discount == 0:
        each = [(step / temperature).log_softmax(1) for step in steps]
        assert total_variation(landed, enumeration.distribution_of(each)) < 1e-6


def test_instalments_without_log_q_are_paid_by_the_judge_alone():
    """Telescoped, they are log p/q of the picture: best answer p/q against a frozen q."""
    agent, judge = agent_with_tables(4, reward="logit", every_step=True)
    q = judge.against(agent)
    freeze(agent)
    sweep(agent)
    assert total_variation(sampler_distribution(agent), best_response("logit", P, q)) < 1e-6


class CausalTable(Table):
    """The same table for whole episodes: tokens (n, 1 + t) to (n, 2, 1 + t)."""

    def forward(self, tokens):
        """Look up the rows of all prefixes."""
        padding = tokens.new_full((len(tokens), PIXELS), -1)
        prefixes = [
            torch.cat([tokens[:, : 1 + t], padding[:, t:]], 1) for t in range(tokens.shape[1])
        ]
        return torch.stack([super(CausalTable, self).forward(rows) for rows in prefixes], 2)


@pytest.mark.parametrize("every_step", [False, True])
@pytest.mark.parametrize(("temperature", "discount"), [(1.0, 1.0), (0.5, 1.0), (0.7, 0.6)])
def test_whole_episodes_have_the_same_end(every_step, temperature, discount):
    """Paid at the end or in instalments, log q included; for causal networks."""
    settings = {"reward": "logit + log q", "every_step": every_step}
    settings |= {"temperature": temperature, "discount": discount}
    judge = CausalTable()
    agent = DQNGAN(CausalTable(3), judge, DQNGANSettings(**settings), seed=0)
    q = enumeration.prefix_sums(sampler_distribution(agent))
    p = enumeration.prefix_sums(P)
    judge.rows.data = torch.cat([(p[t + 1] / q[t + 1]).log().reshape(-1, 2) for t in range(PIXELS)])
    pictures = enumeration.all_pictures(PIXELS)
    observation = torch.cat([torch.zeros(16, 1, dtype=torch.long), pictures[:, :-1]], 1)
    now = agent.log_q(observation)
    agent.log_q = lambda observation: now
    place = torch.arange(PIXELS)
    number = (torch.arange(16)[:, None] >> (PIXELS - place)) + 2**place - 1
    with torch.no_grad():
        f = judge(observation)
        for _ in range(PIXELS):
            target = agent.target({"observation": observation, "action": pictures}, f)
            agent.sampler.rows.data[number, pictures] = target
    if every_step:
        paid = (torch.zeros_like(P), temperature, discount, enumeration.conditionals(P))
    else:
        paid = (P.log(), temperature, discount)
    expected = enumeration.boltzmann(enumeration.soft_values(*paid)[0], temperature)
    expected = enumeration.distribution_of(expected)
    assert total_variation(sampler_distribution(agent), expected) < 1e-6
    if discount == 1:
        assert total_variation(expected, normalised(P ** (1 / temperature))) < 1e-6


# --- All actions at once


@pytest.mark.parametrize("seed", [0, 1])
def test_softmax_of_log_q_plus_f_is_the_data(seed):
    agent, judge = agent_with_tables(seed)
    judge.against(agent)
    observation = everything().observation[::2]
    target = policy_target(agent.log_q(observation), judge(observation))
    steps = list(target.detach().split([2**level for level in range(PIXELS)]))
    assert total_variation(enumeration.distribution_of(steps), P) < 1e-9
    without = judge(observation).detach().log_softmax(1).split([2**t for t in range(PIXELS)])
    assert total_variation(enumeration.distribution_of(without), P) > 0.05


def test_the_sum_that_the_softmax_drops_is_the_logit_of_the_prefix():
    agent, judge = agent_with_tables(2)
    q = enumeration.prefix_sums(judge.against(agent))
    observation = everything().observation[::2]
    phi = (agent.log_q(observation) + judge(observation)).logsumexp(1)
    expected = torch.cat(
        [(a / b).log() for a, b in zip(enumeration.prefix_sums(P)[:-1], q[:-1], strict=True)]
    )
    assert torch.allclose(phi, expected, atol=1e-6)


@pytest.mark.parametrize(
    "settings", [{}, {"temperature": 0.5}, {"temperature": 2.0}, {"epsilon": 0.3}]
)
def test_update_q_goes_to_the_data(settings):
    """The agent's own update, many times, against the best judge of its own sampler.

    The policy is softmax(Q/α): with the temperature dropped in one place, it ends elsewhere. With
    ε the judge sees the exploring sampler; the pure one must still be right.
    """
    agent, judge = agent_with_tables(
        3, q_rate=0.05, sampler_memory=0.8, gradient_clip=100.0, clip=50.0, **settings
    )
    batch = everything().batch
    for _ in range(400):
        judge.against(agent)
        agent.update_q(batch)
    assert total_variation(sampler_distribution(agent), P) < 0.01


def test_the_sampler_does_what_log_q_says():
    """`act` draws from exp(log q): the same temperature and the same ε."""
    agent, _ = agent_with_tables(6, temperature=0.6, epsilon=0.25)
    observation = everything().observation[2:4].repeat(20_000, 1)
    share = agent.act(observation).double().mean().item()
    assert share == pytest.approx(agent.log_q(observation[:1]).exp()[0, 1].item(), abs=0.01)


# --- The predictions themselves


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_formulas_of_the_fixed_points(temperature):
    """`settle` plays the game without knowing them."""
    for form, expected in (
        ("logit", normalised(P ** (1 / (1 + temperature)))),
        ("logit + log q", normalised(P ** (1 / temperature))),
        ("D", fixed_point("D", P, temperature)),
        ("-log(1-D)", fixed_point("-log(1-D)", P, temperature)),
    ):
        landed = enumeration.settle(form, P, temperature=temperature, rate=0.2, rounds=150)
        assert total_variation(landed, expected) < 1e-6, form


def test_without_log_q_full_steps_swing_for_ever():
    uniform = torch.full_like(P, 1 / 16)
    assert total_variation(best_response("logit", P, P), uniform) < 1e-12
    seen = []
    enumeration.settle("logit", P, rate=1.0, rounds=6, watch=seen.append)
    for number, q in enumerate(seen):
        assert total_variation(q, P if number % 2 else uniform) < 1e-9


@pytest.mark.parametrize("temperature", [0.5, 2.0])
@pytest.mark.parametrize("form", ["D", "-log(1-D)", "logit", "logit + log q"])
def test_a_frozen_q_is_answered_by_the_softmax_of_the_reward(form, temperature):
    q = normalised(P.flip(0) + 0.05)
    D = P / (P + q)
    paid = {"D": D, "-log(1-D)": -(1 - D).log(), "logit": (P / q).log(), "logit + log q": P.log()}
    expected = normalised((paid[form] / temperature).exp())
    answer = best_response(form, P, q, temperature)
    assert total_variation(answer, expected) < 1e-9
    at_once = enumeration.settle(form, P, temperature=temperature, start=q, rate=1.0, rounds=1)
    assert total_variation(at_once, expected) < 1e-9


def test_a_stored_logit_pays_twice():
    uniform = torch.full_like(P, 1 / 16)
    rewards = reward("logit + log q", (P / uniform).log(), P.log())
    q_values, _ = enumeration.soft_values(rewards)
    landed = enumeration.distribution_of(enumeration.boltzmann(q_values))
    assert total_variation(landed, normalised(P * P)) < 1e-9


def test_a_memory_that_never_forgets_makes_the_mixture_right():
    """With little old in memory nothing has to be left out: q = (p − ρu) / (1 − ρ)."""
    old = torch.full_like(P, 1 / 16)
    rho = 0.9 * P.min().item() * 16
    landed = enumeration.settle(
        "logit + log q", P, fakes=lambda q: rho * old + (1 - rho) * q, rounds=200
    )
    assert total_variation(landed, (P - rho * old) / (1 - rho)) < 1e-4


@pytest.mark.parametrize(
    ("rounds", "rate", "settles"), [(2, 1.0, True), (10, 1.0, False), (10, 0.05, True)]
)
def test_a_long_memory_needs_small_steps(rounds, rate, settles):
    memory, distance = [], []

    def last(q):
        memory.append(q)
        return torch.stack(memory[-rounds:]).mean(0)

    enumeration.settle(
        "logit + log q", P, rate=rate, rounds=200, fakes=last,
        watch=lambda q: distance.append(total_variation(q, P)),
    )  # fmt: skip
    worst = max(distance[-30:])
    assert worst < 0.01 if settles else worst > 0.2


def test_epsilon_in_the_fakes_and_not_in_the_target():
    epsilon, log_p = 0.2, enumeration.conditionals(P)
    policy = [torch.zeros_like(step).log_softmax(1) for step in log_p]
    for _ in range(200):
        shown = enumeration.explore(policy, epsilon)
        for t, q_bar in enumerate(shown):
            target = policy_target(policy[t], log_p[t] - q_bar)
            policy[t] = (0.7 * policy[t] + 0.3 * target).log_softmax(1)
    over = [((step.exp() - epsilon / 2) / (1 - epsilon)).clamp(min=0) for step in log_p]
    over = [(step / step.sum(1, keepdim=True)).log() for step in over]
    assert (
        total_variation(enumeration.distribution_of(policy), enumeration.distribution_of(over))
        < 1e-3
    )
