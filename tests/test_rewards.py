"""Rewards against formulas worked out by hand, and fixed points against plain iteration."""

import math

import pytest
import torch

from dqngan_lib.dqngan.rewards import (
    REWARD_FORMS,
    best_response,
    fixed_point,
    policy_target,
    reward,
)

P = torch.tensor([0.5, 0.3, 0.15, 0.05], dtype=torch.float64)
Q = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64)


def test_each_form_on_one_number_by_hand() -> None:
    """The logit ln 3 belongs to D = 3/4."""
    logit, log_q = torch.tensor([math.log(3)]), torch.tensor([-2.0])
    assert reward("D", logit).item() == pytest.approx(0.75)
    assert reward("-log(1-D)", logit).item() == pytest.approx(math.log(4))
    assert reward("logit", logit).item() == pytest.approx(math.log(3))
    assert reward("logit + log q", logit, log_q).item() == pytest.approx(math.log(3) - 2)
    assert reward("wasserstein", logit).item() == pytest.approx(math.log(3))


def test_the_best_logit_plus_log_q_does_not_depend_on_q() -> None:
    """AIRL's point: log p/q + log q is log p whoever made the fakes."""
    for q in (P, Q):
        paid = reward("logit + log q", (P / q).log(), q.log())
        assert torch.allclose(paid, P.log())


def test_policy_target_is_p_when_f_is_the_log_ratio() -> None:
    """Also with any number added for each state: the softmax drops it."""
    log_q, log_p = Q.log()[None], P.log()[None]
    for state_part in (0.0, 7.0):
        target = policy_target(log_q, log_p - log_q + state_part)
        assert torch.allclose(target.exp(), P[None])


def test_policy_target_by_hand_with_a_clip() -> None:
    """With q = (1/2, 1/2) and f = (4, 0): mean 2, centred (2, −2), clipped (1, −1)."""
    log_q = torch.full((1, 2), 0.5).log()
    target = policy_target(log_q, torch.tensor([[4.0, 0.0]]), clip=1.0).exp()
    assert target[0, 0].item() == pytest.approx(1 / (1 + math.exp(-2)))


def test_policy_target_takes_actions_in_dimension_one() -> None:
    """A batch of two positions equals the positions one by one."""
    rng = torch.Generator().manual_seed(0)
    log_q = torch.randn(3, 5, 2, generator=rng).log_softmax(1)
    f = torch.randn(3, 5, 2, generator=rng)
    both = policy_target(log_q, f, clip=0.5)
    for place in range(2):
        one = policy_target(log_q[..., place], f[..., place], clip=0.5)
        assert torch.allclose(both[..., place], one)


@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.0])
def test_best_responses_by_their_formulas(alpha: float) -> None:
    d = P / (P + Q)
    expected = {
        "D": (d / alpha).exp(),
        "-log(1-D)": (1 / (1 - d)) ** (1 / alpha),
        "logit": (P / Q) ** (1 / alpha),
        "logit + log q": P ** (1 / alpha),
        "prefix": P,
    }
    for form, weights in expected.items():
        assert torch.allclose(best_response(form, P, Q, alpha), weights / weights.sum()), form


@pytest.mark.parametrize("alpha", [0.4, 1.0, 3.0])
@pytest.mark.parametrize("form", [form for form in REWARD_FORMS if form != "wasserstein"])
def test_small_steps_arrive_at_the_fixed_point(form: str, alpha: float) -> None:
    """Plain iteration, a tenth of the way at a time in log q, from another distribution."""
    q = Q.clone()
    for _ in range(2_000):
        q = torch.softmax(0.9 * q.log() + 0.1 * best_response(form, P, q, alpha).log(), 0)
    assert torch.allclose(q, fixed_point(form, P, alpha), atol=1e-9)


def test_full_steps_of_the_bare_logit_swing_for_ever() -> None:
    """From q = p the best response is uniform, and from uniform it is p again."""
    uniform = best_response("logit", P, P)
    assert torch.allclose(uniform, torch.full_like(P, 0.25))
    assert torch.allclose(best_response("logit", P, uniform), P)


def test_a_critic_that_moves_by_small_steps_arrives_at_the_data() -> None:
    """The critic climbs E_p w − E_q w while q = e^w / Z follows."""
    critic = torch.zeros(4, dtype=torch.float64)
    for _ in range(4_000):
        critic += 0.1 * (P - critic.softmax(0))
    assert torch.allclose(critic.softmax(0), fixed_point("wasserstein", P), atol=1e-6)


SOME, NOT_ONE = torch.zeros(2, 3), torch.tensor([0.5, 0.6])


@pytest.mark.parametrize(
    ("function", "arguments", "words"),
    [
        (reward, ("prefix", SOME), "form must be one of"),
        (reward, ("hinge", SOME), "form must be one of"),
        (reward, ("", SOME), "form must be one of"),
        (reward, ("logit + log q", SOME), "log_q is for"),
        (reward, ("logit", SOME, SOME), "log_q is for"),
        (policy_target, (SOME, torch.zeros(2, 4)), "log_q and f must be of one shape"),
        (policy_target, (SOME, SOME, 0), "clip must be > 0"),
        (best_response, ("wasserstein", P, Q), "whose best discriminator is known"),
        (best_response, ("D", P, torch.tensor([1.0, 0.0, 0.0, 0.0])), "q must be above 0"),
        (fixed_point, ("D", NOT_ONE), "p must be"),
        (fixed_point, ("D", P, 0.0), "temperature must be > 0"),
        (fixed_point, ("other", P), "form must be one of"),
    ],
)
def test_bad_arguments_are_named(function, arguments, words) -> None:
    with pytest.raises(ValueError, match=words):
        function(*arguments)
