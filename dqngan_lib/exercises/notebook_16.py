"""Exercises of notebook 16: tuned policies, preferences."""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn.functional import log_softmax, logsigmoid

from dqngan_lib.exercises.base import (
    Case,
    Exercise,
    Wrong,
    close,
    expect_tensor,
    name_mistake,
    normal,
    whole,
)


def tuned_log_policy(log_q: Tensor, reward: Tensor, alpha: float) -> Tensor:
    """Return log π* of the best policy that pays for its distance from q."""
    return log_softmax(log_q + reward / alpha, 1)


def check_tuned_log_policy(answer: Callable[..., Tensor]) -> None:
    """Compare by hand on three numbers, then with rewards that e to their power cannot hold."""
    q = torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]])
    reward = torch.tensor([[0.0, math.log(2), math.log(5)], [math.log(3), 0.0, 0.0]])

    def policy(weights: Tensor) -> Tensor:
        return (weights / weights.sum(1, keepdim=True)).log()

    given = expect_tensor(answer(q.log(), reward.clone(), 1.0), (2, 3), "log π")
    expected = policy(torch.tensor([[0.5, 0.6, 1.0], [0.3, 0.1, 0.8]]))
    if not close(given, expected):
        name_mistake(
            given,
            {
                "this is e^{R/α}/Z: the policy has forgotten q, from which it starts": policy(
                    reward.exp()
                ),
                "e to the power of yours does not sum to 1 over the actions: subtract log Z": (
                    q.log() + reward
                ),
                "the sign: a larger reward must make an action more likely": policy(
                    q * (-reward).exp()
                ),
                "these are probabilities; return their logarithms": expected.exp(),
                "each row is a state: normalise over the actions, dimension 1": log_softmax(
                    q.log() + reward, 0
                ),
                "log q is there already: e to the power of q is not q": policy((q + reward).exp()),
            },
            "q = (0.5, 0.3, 0.2) and e^R = (1, 2, 5) give (0.5, 0.6, 1) / 2.1; yours is "
            f"{[round(x, 3) for x in given[0].exp().tolist()]}",
        )
    given = expect_tensor(answer(q.log(), reward.clone(), 0.5), (2, 3), "log π")
    expected = policy(torch.tensor([[0.5, 1.2, 5.0], [0.9, 0.1, 0.8]]))
    if not close(given, expected):
        name_mistake(
            given,
            {
                "R / α: a small α lets the reward count more, here it counts less": policy(
                    q * (0.5 * reward).exp()
                ),
                "only the reward is divided by α; q stays as it is": policy(
                    q.square() * reward.exp().square()
                ),
                "α is missing": policy(q * reward.exp()),
            },
            "with α = ½ the reward counts twice: (0.5, 1.2, 5) / 6.7; yours is "
            f"{[round(x, 3) for x in given[0].exp().tolist()]}",
        )
    large = torch.tensor([[0.0, 2_000.0, 2_000.0], [-2_000.0, 0.0, 0.0]])
    given = expect_tensor(answer(q.log(), large, 1.0), (2, 3), "log π")
    if not close(given, log_softmax(q.log() + large, 1)):
        raise Wrong(
            "e to the power of 2,000 is too large for a float: use log_softmax or logsumexp"
        )


def preference_loss(
    log_pi: Tensor, log_q: Tensor, winner: Tensor, loser: Tensor, alpha: float
) -> Tensor:
    """Return DPO's loss: how surprised π is by the preferences, on average."""
    ratio = log_pi - log_q
    return -logsigmoid(alpha * (ratio[winner] - ratio[loser])).mean()


def check_preference_loss(answer: Callable[..., Tensor]) -> None:
    """Compare by hand on one pair, then on two, then with margins too large for a sigmoid."""
    log_pi = torch.tensor([0.6, 0.3, 0.1]).log()
    log_q = torch.tensor([0.2, 0.3, 0.5]).log()
    first, second = torch.tensor([0]), torch.tensor([1])
    given = expect_tensor(answer(log_pi, log_q, first, second, 1.0), (), "the loss")
    # π/q is 3 for the winner and 1 for the loser: σ(log 3) = 3/4.
    if not close(given, math.log(4 / 3)):
        name_mistake(
            given,
            {
                "winner and loser are exchanged, or the sign of the margin": math.log(4),
                "a loss is −log σ; this is log σ": -math.log(4 / 3),
                "compare π with q: these are ratios of π alone": math.log(1.5),
                "this is σ of the margin; the loss is −log of it": 0.75,
                "this is the margin itself; the loss is −log σ of it": math.log(3),
            },
            "π/q is 3 for the winner and 1 for the loser: −log σ(log 3) = −log ¾ = 0.2877; yours "
            f"is {given.item():.4g}",
        )
    # Margins log 3 and log 15 with α = 2: σ = 9/10 and 225/226.
    winners, losers = torch.tensor([0, 0]), torch.tensor([1, 2])
    given = expect_tensor(answer(log_pi, log_q, winners, losers, 2.0), (), "the loss")
    expected = (math.log(10 / 9) + math.log(226 / 225)) / 2
    half = (math.log1p(3**-0.5) + math.log1p(15**-0.5)) / 2
    if not close(given, expected):
        name_mistake(
            given,
            {
                "this is the sum over the pairs; return the mean": 2 * expected,
                "α is missing": (math.log(4 / 3) + math.log(16 / 15)) / 2,
                "the margin is α times the difference; you divided": half,
                "−log of the mean of σ; the mean comes last": -math.log((9 / 10 + 225 / 226) / 2),
                "α belongs inside σ: it multiplies the margin, not the loss": math.log(4 / 3)
                + math.log(16 / 15),
            },
            "two pairs with margins 2 log 3 and 2 log 15: the mean of −log 9/10 and −log 225/226; "
            f"yours is {given.item():.4g}",
        )
    log_pi = torch.tensor([-1_000.0, 0.0])
    given = answer(log_pi, torch.zeros(2), torch.tensor([0]), torch.tensor([1]), 1.0)
    if not close(expect_tensor(given, (), "the loss"), 1_000.0):
        raise Wrong(
            "a margin of −1,000 has the loss 1,000; log(sigmoid(…)) gives infinity, logsigmoid "
            "does not"
        )


# Random inputs, on which an answer must agree with the solution -----------------------------------


def cases_tuned_log_policy(rng: torch.Generator) -> Iterator[Case]:
    """Draw references and rewards of both signs, near 0 and far from it."""
    for stage, states, actions, scale, alpha in (
        ("other states", 4, 3, 1.0, 0.4),
        ("other states", 2, 5, 3.0, 2.0),
        ("as many states as actions", 3, 3, 1.0, 1.0),
        ("one state", 1, 4, 1.0, 0.7),
        ("one action", 3, 1, 1.0, 0.7),
        ("rewards far from 0", 3, 4, 500.0, 1.0),
    ):
        log_q = normal(rng, states, actions).log_softmax(1)
        yield Case(stage, (log_q, scale * normal(rng, states, actions), alpha))


def cases_preference_loss(rng: torch.Generator) -> Iterator[Case]:
    """Draw policies and comparisons; the policy must learn from them."""
    for stage, pictures, pairs, scale, alpha in (
        ("other comparisons", 5, 4, 1.0, 0.5),
        ("other comparisons", 3, 7, 1.0, 2.0),
        ("one comparison", 4, 1, 1.0, 1.0),
        ("log-probabilities far from 0", 4, 3, 100.0, 1.0),
    ):
        log_pi, log_q = scale * normal(rng, 2, pictures)
        winner = whole(rng, pictures, pairs)
        loser = (winner + 1 + whole(rng, pictures - 1, pairs)) % pictures
        log_pi = log_pi.log_softmax(0).requires_grad_()
        yield Case(stage, (log_pi, log_q.log_softmax(0), winner, loser, alpha))


EXERCISES = (
    Exercise(
        "16.1",
        check_tuned_log_policy,
        (
            "π* is q e^{R/α} / Z. Take its logarithm.",
            "log π* = log q + R/α − log Z, and log Z is a logsumexp over the actions.",
            "log_softmax(log_q + reward / alpha, 1)",
        ),
        tuned_log_policy,
        "this line is section 5 of notebook 09 and the optimum of RLHF at once",
        cases=cases_tuned_log_policy,
        why="log π* = log q + R/α − log Z, and log_softmax subtracts log Z",
    ),
    Exercise(
        "16.2",
        check_preference_loss,
        (
            "The implied reward of x is α log π(x)/q(x).",
            "The chance that the winner wins is σ of the difference of the two rewards.",
            "With ratio = log_pi - log_q:\n"
            "-logsigmoid(alpha * (ratio[winner] - ratio[loser])).mean()",
        ),
        preference_loss,
        "a policy learnt from comparisons, without a reward and without acting",
        cases=cases_preference_loss,
        why="the difference of implied rewards is the margin, and −log σ of it the surprise at "
        "the preference",
    ),
)
