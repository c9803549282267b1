"""Exercises of notebook 08: soft backup, all-action target, what D was shown, path correction."""

import math
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from dqngan_lib.exercises.base import (
    Case,
    Exercise,
    Wrong,
    close,
    expect_tensor,
    flags,
    normal,
    uniform,
)


def _named(given: Tensor, known: dict[str, Tensor | float], otherwise: str) -> None:
    """Raise `Wrong` with the message of the known mistake that `given` shows, or another."""
    for message, value in known.items():
        if close(given, value):
            raise Wrong(message)
    raise Wrong(otherwise)


# --- 08.1


def soft_backup(
    reward: Tensor, next_value: Tensor, terminated: Tensor, temperature: float, discount: float
) -> tuple[Tensor, Tensor]:
    """Return V(s) and π(a | s) from r + γ V(s′), V = α log Σ exp(Q/α), π = softmax(Q/α)."""
    q_values = reward + discount * ~terminated * next_value
    value = temperature * torch.logsumexp(q_values / temperature, 1)
    return value, torch.softmax(q_values / temperature, 1)


def check_soft_backup(answer: Callable[..., tuple[Tensor, Tensor]]) -> None:
    """Compare with sums worked out number by number, then with very large Q-values."""
    reward = torch.tensor([[0.5, -1.0, 0.2], [1.0, 0.3, 0.0]], dtype=torch.float64)
    following = torch.tensor([[2.0, 1.0, -0.5], [0.4, 3.0, -2.0]], dtype=torch.float64)
    ended = torch.tensor([[False, False, True], [True, False, False]])
    alpha, gamma = 0.5, 0.8

    def values(q: Tensor, a: float = alpha) -> Tensor:
        """Return α log Σ exp(Q/α), one number at a time."""
        return torch.tensor(
            [a * math.log(sum(math.exp(x / a) for x in row)) for row in q.tolist()],
            dtype=torch.float64,
        )

    q = reward + gamma * torch.where(ended, 0.0, following)
    given = answer(reward.clone(), following.clone(), ended.clone(), alpha, gamma)
    if not isinstance(given, (tuple, list)) or len(given) != 2:
        raise Wrong("return two tensors, V and π: `return value, policy`")
    value = expect_tensor(given[0], (2,), "V")
    policy = expect_tensor(given[1], (2, 3), "π")
    if not close(value, values(q)):
        known = {
            "an action that ends the episode has Q = r: nothing follows it, whatever `next_value` "
            "says": values(reward + gamma * following),
            "γ is missing: Q = r + γ V(s′)": values(reward + torch.where(ended, 0.0, following)),
            "γ belongs to what follows, not to the reward": values(
                gamma * (reward + torch.where(ended, 0.0, following))
            ),
            "only the actions that end the episode are bootstrapped: `terminated` the other way "
            "round": values(reward + gamma * torch.where(ended, following, 0.0)),
            "this is the greatest Q; the soft value is α log Σ exp(Q/α)": q.max(1).values,
            "this is log Σ exp(Q) with α = 1: use the temperature": values(q, 1.0),
            "multiply the logarithm by α": values(q) / alpha,
            "divide Q by α inside the exponential": alpha * values(q, 1.0),
            "the sum is over actions, without a mean: you have α log of the *mean* of exp(Q/α)": (
                values(q) - alpha * math.log(3)
            ),
            "this is the mean Q under π; V has the entropy in it too": (
                torch.softmax(q / alpha, 1) * q
            ).sum(1),
        }
        _named(
            value, known, f"V of the first state is {values(q)[0]:.4f}, yours {value[0].item():.4f}"
        )
    right = torch.exp((q - values(q)[:, None]) / alpha)
    if not close(policy, right):
        known = {
            "V is right, but π is softmax(Q) with α = 1: π = exp((Q − V)/α)": torch.softmax(q, 1),
            "V is right, and π came as logarithms: return probabilities": right.log(),
            "V is right, but π runs over the states: take the softmax along dimension 1": (
                torch.softmax(q / alpha, 0)
            ),
        }
        _named(policy, known, "V is right, but π is not exp((Q − V)/α)")
    large = torch.tensor([[900.0, 0.0, -5.0]], dtype=torch.float64)
    nothing = torch.zeros(1, 3, dtype=torch.bool)
    value, policy = answer(large, torch.zeros_like(large), nothing, alpha, gamma)
    if not (value.isfinite().all() and policy.isfinite().all()):
        raise Wrong("with Q = 900 it is not finite: use torch.logsumexp and torch.softmax")


# --- 08.2


def all_action_target(log_q: Tensor, f: Tensor) -> Tensor:
    """Return log softmax(log q + f)."""
    return torch.log_softmax(log_q + f, 1)


def check_all_action_target(answer: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Make p and q by hand, with states that are more or less likely under both."""
    p = torch.tensor([[0.7, 0.2, 0.1], [0.25, 0.25, 0.5]], dtype=torch.float64)
    q = torch.tensor([[0.2, 0.5, 0.3], [0.6, 0.3, 0.1]], dtype=torch.float64)
    state = torch.tensor([[1.7], [-3.0]], dtype=torch.float64)  # log p(s)/q(s)
    f = state + (p / q).log()
    given = expect_tensor(answer(q.log(), f.clone()), (2, 3), "the target")
    if not close(given, p.log()):
        known = {
            "log q is missing: softmax(f) is p/q, divided by its sum": f.log_softmax(1),
            "log q + f still holds log p(s)/q(s): each row must sum to 1, so take the "
            "log-softmax": q.log() + f,
            "these are probabilities; return their logarithms": p,
            "add log q; you have taken it off": (f - q.log()).log_softmax(1),
            "add log q, not q: the two are logarithms": (f + q).log_softmax(1),
            "log q times f is no logarithm of a product: add them": (q.log() * f).log_softmax(1),
            "the actions are in dimension 1; you normalised over the states": (
                (q.log() + f).log_softmax(0)
            ),
            "f has the other sign: it is log p/q, large where the data have more": (
                (q.log() - f).log_softmax(1)
            ),
            "this is the sampler's own log q: add f to it": q.log(),
        }
        _named(
            given,
            known,
            f"for the first state p = (0.7, 0.2, 0.1); yours is {given[0].exp().tolist()}",
        )


# --- 08.3


def log_q_shown(q_values: Tensor, temperature: float, epsilon: float) -> Tensor:
    """Return log((1 − ε) softmax(Q/α) + ε/K), finite wherever it should be."""
    log_pi = torch.log_softmax(q_values / temperature, 1)
    actions = q_values.shape[1]
    if epsilon == 0:
        return log_pi
    anything = torch.full_like(log_pi, math.log(epsilon / actions))
    if epsilon == 1:
        return anything
    return torch.logaddexp(log_pi + math.log1p(-epsilon), anything)


def check_log_q_shown(answer: Callable[[Tensor, float, float], Tensor]) -> None:
    """Compare with numbers worked out one by one, at both ends of ε, and with large Q."""
    q_values = torch.tensor([[0.3, -0.5, 1.1], [2.0, 0.0, 0.0]], dtype=torch.float64)
    alpha, epsilon = 0.5, 0.3
    pi = torch.softmax(q_values / alpha, 1)
    right = torch.log(0.7 * pi + 0.1)
    given = expect_tensor(answer(q_values.clone(), alpha, epsilon), (2, 3), "log q̄")
    if not close(given, right):
        greedy = _one_hot(q_values)
        known = {
            "this is log π: ε is not in it, and the discriminator has seen it": pi.log(),
            "ε goes to all actions *together*: each gets ε/K": torch.log(0.7 * pi + 0.3),
            "with ε it draws among *all* K actions: ε/K each, not ε/(K − 1)": torch.log(
                0.7 * pi + 0.15
            ),
            "the rest has 1 − ε: the probabilities must sum to 1": torch.log(pi + 0.1),
            "mix the probabilities, not their logarithms": 0.7 * pi.log() + 0.3 * math.log(1 / 3),
            "the sampler is not greedy: it draws from softmax(Q/α)": torch.log(0.7 * greedy + 0.1),
            "use the temperature: softmax(Q/α)": torch.log(0.7 * torch.softmax(q_values, 1) + 0.1),
            "these are probabilities; return their logarithms": right.exp(),
            "ε and 1 − ε have changed places": torch.log(0.3 * pi + 0.7 / 3),
        }
        _named(
            given,
            known,
            f"the first state has q̄ = {[round(x, 4) for x in right[0].exp().tolist()]}, "
            f"yours {[round(x, 4) for x in given[0].exp().tolist()]}",
        )
    for end, expected in ((0.0, pi.log()), (1.0, torch.full_like(pi, -math.log(3)))):
        given = expect_tensor(answer(q_values.clone(), alpha, end), (2, 3), "log q̄")
        if not close(given, expected):
            raise Wrong(f"with ε = {end:g} it goes wrong: ε may be 0 and 1 too")
    large = torch.tensor([[3000.0, 0.0, -10.0]], dtype=torch.float64)
    given = expect_tensor(answer(large, 1.0, 0.0), (1, 3), "log q̄")
    if not close(given, torch.tensor([[0.0, -3000.0, -3010.0]])):
        raise Wrong(
            "with Q = 3000 and ε = 0 the logarithms must be 0, −3000 and −3010: a softmax rounds "
            "the small ones to 0 first. Stay in logarithms: log_softmax, logaddexp"
        )


def _one_hot(q_values: Tensor) -> Tensor:
    """Return 1 for the greatest Q-value of each row, else 0."""
    return torch.nn.functional.one_hot(q_values.argmax(1), q_values.shape[1]).double()


# --- 08.4


def graph_values(children: Sequence[Sequence[int]], reward: Tensor) -> Tensor:
    """Return V(s) = log(e^{r(s)} + Σ_c e^{V(c)} / parents(c)), from the last state to the first."""
    parents = [0] * len(children)
    for row in children:
        for child in row:
            parents[child] += 1
    values = reward.clone()
    for state in reversed(range(len(children))):
        ways = [values[child] - math.log(parents[child]) for child in children[state]]
        values[state] = torch.logsumexp(torch.stack([reward[state], *ways]), 0)
    return values


def _values_by_paths(
    children: Sequence[Sequence[int]], reward: Tensor, cost: Callable[[int, int], float]
) -> Tensor:
    """Add up every path: V(s) = log Σ over paths from s of e^{R(end) + costs of the steps}."""

    def weight(state: int) -> float:
        """Return the sum over the paths that begin at a state."""
        here = math.exp(reward[state]) if reward[state] > -math.inf else 0.0
        return here + sum(math.exp(cost(state, c)) * weight(c) for c in children[state])

    return torch.tensor([math.log(weight(s)) for s in range(len(children))], dtype=torch.float64)


def check_graph_values(answer: Callable[[list[list[int]], Tensor], Tensor]) -> None:
    """Compare with the sum over all paths on two graphs, and see that V(s₀) = log Σ e^R."""
    # 0 → 1, 2, 3; 4 has the parents 1, 2, 3; 5 has 2 and 3; 6 has 4 and 5. No stop at 0 and 2.
    children = [[1, 2, 3], [4], [4, 5], [4, 5], [6], [6], []]
    reward = torch.tensor([-math.inf, 0.2, -math.inf, -1.0, 0.7, 0.1, -0.4], dtype=torch.float64)
    parents = [sum(c in row for row in children) for c in range(7)]
    right = _values_by_paths(children, reward, lambda s, c: -math.log(parents[c]))
    given = answer([list(row) for row in children], reward.clone())
    given = expect_tensor(given, (7,), "the values")
    if given.isnan().any():
        raise Wrong("some values are NaN: −inf − (−inf) is none. exp(−inf) = 0 is what is meant")
    if not close(given, right):
        paths = [1.0] + [0.0] * 6
        for state, row in enumerate(children):
            for c in row:
                paths[c] += paths[state]

        def by(cost: Callable[[int, int], float]) -> Tensor:
            return _values_by_paths(children, reward, cost)

        no_stop = _values_by_paths(
            children,
            torch.where(torch.tensor([len(row) == 0 for row in children]), reward, -math.inf),
            lambda s, c: -math.log(parents[c]),
        )
        known = {
            "there is no correction in it: a step to c pays log(1/parents of c)": by(
                lambda s, c: 0.0
            ),
            "the correction has the other sign: log(1/parents) is at most 0": by(
                lambda s, c: math.log(parents[c])
            ),
            "you divide by the *children* of s; count the parents of c": by(
                lambda s, c: -math.log(len(children[s]))
            ),
            "you divide by the parents of s; it is the parents of c, where the step leads": by(
                lambda s, c: -math.log(max(parents[s], 1))
            ),
            "you divide by the number of *paths* to c at every step; divide by its parents": by(
                lambda s, c: -math.log(paths[c])
            ),
            "stopping is missing: a state with children can be a picture too": no_stop,
            "log(1/parents) is paid as a weight 1/parents without its logarithm": by(
                lambda s, c: 1 / parents[c]
            ),
            "this is the greatest return; the soft value is log Σ exp": _greedy(
                children, reward, parents
            ),
        }
        _named(
            given,
            known,
            f"V of state 0 is log Σ e^R = {torch.logsumexp(reward, 0):.4f}, yours "
            f"{given[0].item():.4f}; of state 4 it is {right[4]:.4f}, yours {given[4].item():.4f}",
        )
    tree = [[1, 2], [3, 4], [5], [], [], []]
    reward = torch.tensor([-math.inf, -math.inf, 0.3, 1.0, -2.0, 0.5], dtype=torch.float64)
    given = expect_tensor(answer(tree, reward.clone()), (6,), "the values")
    if not close(given, _values_by_paths(tree, reward, lambda s, c: 0.0)):
        raise Wrong("on a tree every state has one parent, so nothing is corrected; yours differs")


def _greedy(children: Sequence[Sequence[int]], reward: Tensor, parents: Sequence[int]) -> Tensor:
    """Return the values with the max in place of log Σ exp."""
    values = reward.clone()
    for state in reversed(range(len(children))):
        for c in children[state]:
            values[state] = max(values[state], values[c] - math.log(parents[c]))
    return values


# Random inputs, on which an answer must agree with the solution -----------------------------------


def cases_soft_backup(rng: torch.Generator) -> Iterator[Case]:
    """Draw states of which some actions end the episode."""
    for stage, states, actions, temperature, discount in (
        ("other states", 5, 3, 0.7, 0.9),
        ("other states", 2, 6, 2.0, 0.5),
        ("as many states as actions", 3, 3, 1.0, 1.0),
        ("one state", 1, 4, 0.3, 0.9),
        ("one action", 4, 1, 0.3, 0.9),
        ("γ = 0", 3, 2, 0.5, 0.0),
        ("a low temperature", 3, 4, 0.01, 0.9),
    ):
        reward, value = normal(rng, 2, states, actions)
        ends = flags(rng, states, actions)
        yield Case(stage, (reward, value, ends, temperature, discount))


def cases_all_action_target(rng: torch.Generator) -> Iterator[Case]:
    """Draw samplers and logits, near 0 and far from it."""
    for stage, states, actions, scale in (
        ("other states", 5, 3, 1.0),
        ("other states", 2, 6, 3.0),
        ("as many states as actions", 4, 4, 1.0),
        ("one state", 1, 4, 1.0),
        ("one action", 3, 1, 1.0),
    ):
        log_q = normal(rng, states, actions).log_softmax(1)
        yield Case(stage, (log_q, scale * normal(rng, states, actions)))


def cases_log_q_shown(rng: torch.Generator) -> Iterator[Case]:
    """Draw Q-values, temperatures, and ε with both ends."""
    for stage, states, actions, temperature, epsilon in (
        ("other states", 5, 3, 0.7, 0.1),
        ("other states", 2, 6, 2.0, 0.6),
        ("as many states as actions", 4, 4, 1.0, 0.5),
        ("one state", 1, 4, 0.5, 0.2),
        ("one action", 3, 1, 0.5, 0.2),
        ("ε = 0 and ε = 1", 3, 4, 0.5, 0.0),
        ("ε = 0 and ε = 1", 3, 4, 0.5, 1.0),
        ("Q-values far from 0", 3, 4, 0.001, 0.0),
        ("Q-values far from 0", 3, 4, 0.001, 0.3),
    ):
        yield Case(stage, (normal(rng, states, actions), temperature, epsilon))


def cases_graph_values(rng: torch.Generator) -> Iterator[Case]:
    """Draw graphs whose states have several parents, or one."""
    for size in (5, 8):
        children = [
            [c for c in range(s + 1, size) if flags(rng, 1).item()] for s in range(size - 1)
        ]
        children = [row or [size - 1] for row in children] + [[]]
        reward = normal(rng, size).double()
        yield Case("other graphs", (children, reward))
        reward = torch.where(uniform(rng, size) < 0.4, -math.inf, reward)
        reward[-1] = 0.5
        yield Case("states where one may not stop", (children, reward))
    yield Case("one state", ([[]], normal(rng, 1).double()))
    yield Case("states that lead nowhere", ([[], [2], []], normal(rng, 3).double()))


EXERCISES = (
    Exercise(
        "08.1",
        check_soft_backup,
        (
            "First Q, of the shape of reward: r + γ V(s′), and r alone where the episode ends.",
            "`~terminated * next_value` is 0 where nothing follows.",
            "V is the soft max of Q, and π belongs to it:\n"
            "temperature * torch.logsumexp(q_values / temperature, 1), (q_values / "
            "temperature).softmax(1)",
        ),
        soft_backup,
        "with this line, sixteen times, you can compute V of any 4 × 4 picture",
        cases=cases_soft_backup,
        why="logsumexp is the soft max of Q, and softmax the policy that belongs to it",
    ),
    Exercise(
        "08.2",
        check_all_action_target,
        (
            "log q + f is log p(a|s) plus a number that is the same for all actions of a state.",
            "Which function makes each row's exp sum to 1 and drops such a number?",
            "torch.log_softmax(log_q + f, 1)",
        ),
        all_action_target,
        "this is the target with which notebook 09 learns to draw digits",
        cases=cases_all_action_target,
        why="log q + f is log p plus a number that all actions of a state share; normalising "
        "takes it away",
    ),
    Exercise(
        "08.3",
        check_log_q_shown,
        (
            "q̄ = (1 − ε) softmax(Q/α) + ε/K, with K actions.",
            "In logarithms: log(eˣ + eʸ) is torch.logaddexp(x, y), here with "
            "x = log π + log(1 − ε) and y = log(ε/K).",
            "Take care of ε = 0 and ε = 1, where one of the two is log 0: return the other. "
            "Else:\n"
            "torch.logaddexp(log_pi + math.log1p(-epsilon), torch.tensor(math.log(epsilon / "
            "actions)))",
        ),
        log_q_shown,
        "this is what `DQNGAN.log_q` returns",
        cases=cases_log_q_shown,
        why="logaddexp adds chances in logarithms, so that none is rounded to 0",
    ),
    Exercise(
        "08.4",
        check_graph_values,
        (
            "Count first how many parents each state has.",
            "Go from the last state to the first: all children have their values then.",
            "V(s) = log( e^{reward[s]} + Σ over children c of e^{V(c)} / parents(c) ).",
            "torch.logsumexp(torch.stack([reward[s], *(V[c] - math.log(parents[c]) for c in "
            "children[s])]), 0)",
        ),
        graph_values,
        "V of the first state is log Σ e^R, as if it were a tree",
        cases=cases_graph_values,
        why="a state with k parents is entered in k ways, and a k-th of its value in each "
        "counts it once",
    ),
)
