"""Exercises of notebook 01: return, backup, ε-greedy, the update, the value of a policy."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from dqngan_lib.exercises.base import (
    Case,
    Exercise,
    Wrong,
    close,
    expect_number,
    expect_tensor,
    normal,
    uniform,
    whole,
)


def _compare(value: Any, expected: Any, mistakes: dict[str, Any], otherwise: str) -> None:
    """Raise `Wrong` unless `value` is `expected`, with the message of the mistake it fits."""
    if close(value, expected):
        return
    for message, wrong in mistakes.items():
        if close(value, wrong):
            raise Wrong(message)
    raise Wrong(otherwise)


# --- 01.1 ----------------------------------------------------------------------------------------


def discounted_return(rewards: list[float], discount: float) -> float:
    """Return r₀ + γ r₁ + γ² r₂ + …, from the back: G ← r + γ G."""
    total = 0.0
    for reward in reversed(rewards):
        total = reward + discount * total
    return total


def _check_return(answer: Any) -> None:
    cases = [
        ([-0.04, -0.04, 0.96], 0.9),
        ([1.0, 2.0, 3.0, 4.0], 0.5),
        ([2.0, -1.0, 5.0, 0.0, 3.0], 0.8),
        ([7.0], 0.3),
        ([3.0, 4.0, 5.0], 0.0),
        ([3.0, 4.0, 5.0], 1.0),
        ([], 0.9),
    ]
    for rewards, discount in cases:
        given = list(rewards)
        value = expect_number(answer(given, discount), "the return")
        if given != rewards:
            raise Wrong("your function changed the list that it was given; leave it as it is")
        n = len(rewards)
        expected = sum(rewards[t] * discount**t for t in range(n))
        mistakes = {
            "the discount is not used: this is the plain sum of the rewards": sum(rewards),
            "the first reward must count in full: its weight is γ⁰ = 1, not γ": (
                sum(rewards[t] * discount ** (t + 1) for t in range(n))
            ),
            "the weights run the wrong way: the first reward has weight 1, later ones less": (
                sum(rewards[t] * discount ** (n - 1 - t) for t in range(n))
            ),
            "every reward after the first has weight γ; the weight must shrink at each step": (
                sum(rewards[:1]) + discount * sum(rewards[1:])
            ),
            "this is a mean; a return is a sum": expected / max(n, 1),
        }
        otherwise = f"for rewards {rewards} and γ = {discount} the return is {expected:g}, not "
        _compare(value, expected, mistakes, f"{otherwise}{value:g}")


# --- 01.2 ----------------------------------------------------------------------------------------


def backup_values(V: Tensor, P: Tensor, r: Tensor, discount: float) -> Tensor:
    """Return maxₐ [ r(s, a) + γ Σ P(s′ | s, a) V(s′) ] for every s: one sweep."""
    return (r + discount * P @ V).max(1).values


def _small_model(seed: int, states: int = 5, actions: int = 3) -> tuple[Tensor, Tensor]:
    """Return P and r of a random world whose last state is terminal."""
    rng = torch.Generator().manual_seed(seed)
    P = torch.rand(states, actions, states, generator=rng, dtype=torch.float64) ** 3
    P /= P.sum(2, keepdim=True)
    r = torch.randn(states, actions, generator=rng, dtype=torch.float64)
    P[-1], r[-1] = 0, 0
    return P, r


def _check_backup(answer: Any) -> None:
    for seed, discount in ((0, 0.9), (1, 0.5)):
        P, r = _small_model(seed)
        states, actions = r.shape
        V = torch.randn(states, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
        V[-1] = 0
        given = V.clone()
        value = answer(given, P.clone(), r.clone(), discount)
        if not close(given, V):
            raise Wrong("your function changed V itself; make a new tensor")
        if isinstance(value, Tensor) and value.shape == r.shape:
            raise Wrong("this is the whole Q-table; of each row only the greatest number is V(s)")
        expect_tensor(value, (states,), "the new V")
        followed = torch.zeros_like(r)
        for s in range(states):
            for a in range(actions):
                followed[s, a] = sum(P[s, a, s2] * V[s2] for s2 in range(states))
        Q = r + discount * followed
        in_place = V.clone()
        for s in range(states):
            in_place[s] = max(r[s, a] + discount * P[s, a] @ in_place for a in range(actions))
        reachable = torch.where(P > 0, V, -torch.inf).max(2).values.nan_to_num(neginf=0)
        mistakes = {
            "the discount γ is missing in front of the sum": (r + followed).max(1).values,
            "the reward r(s, a) is missing": (discount * followed).max(1).values,
            "γ stands before the sum only: the reward of this step is not discounted": (
                (discount * (r + followed)).max(1).values
            ),
            "this is the mean over the actions; the best action counts, so take the max": Q.mean(1),
            "this is the worst action of each state; take the max": Q.min(1).values,
            "this is the number of the best action; V(s) is its value (max, not argmax)": (
                Q.argmax(1)
            ),
            "the floor decides s′, not the walker: weigh V(s′) with P, do not take its max": (
                (r + discount * reachable).max(1).values
            ),
            "max of the rewards plus max of the sums: take one max, over r + γ Σ together": (
                r.max(1).values + discount * followed.max(1).values
            ),
            "new values were used within the same sweep: read only from the V that is given": (
                in_place
            ),
        }
        s = int((torch.as_tensor(value).double() - Q.max(1).values).abs().argmax())
        otherwise = f"V({s}) must be {Q[s].max():.4f}, the greatest of Q({s}, ·) = "
        numbers = ", ".join(f"{q:.4f}" for q in Q[s])
        _compare(value, Q.max(1).values, mistakes, f"{otherwise}{numbers}; you have {value[s]:.4f}")


# --- 01.3 ----------------------------------------------------------------------------------------


def epsilon_greedy(q_values: Tensor, epsilon: float, rng: torch.Generator) -> Tensor:
    """Return an action a row: with chance ε any action, else the best of the row."""
    rows, actions = q_values.shape
    explore = torch.rand(rows, generator=rng) < epsilon
    anything = torch.randint(actions, (rows,), generator=rng)
    return torch.where(explore, anything, q_values.argmax(1))


def _check_epsilon_greedy(answer: Any) -> None:
    rows, actions = 4000, 4
    q_values = torch.rand(rows, actions, generator=torch.Generator().manual_seed(3))
    best = q_values.argmax(1)

    def ask(epsilon: float, seed: int, n: int = rows) -> tuple[Tensor, float]:
        given = q_values[:n].clone()
        result = answer(given, epsilon, torch.Generator().manual_seed(seed))
        expect_tensor(result, (n,), "the actions")
        if result.is_floating_point() or result.dtype == torch.bool:
            raise Wrong(f"actions are whole numbers (int64); yours are {result.dtype}")
        if not close(given, q_values[:n]):
            raise Wrong("your function changed q_values; leave them as they are")
        if result.min() < 0 or result.max() >= actions:
            raise Wrong(f"actions run from 0 to {actions - 1}; yours reach {result.max().item()}")
        return result, (result == best[:n]).double().mean().item()

    actions_0, greedy_0 = ask(0.0, 0)
    if close(actions_0, q_values.argmin(1)):
        raise Wrong("with ε = 0 you choose the worst action of each row: argmax, not argmin")
    _, greedy_1 = ask(1.0, 1)
    if greedy_0 < 1 and greedy_1 == 1:
        raise Wrong("the comparison is turned round: ε is the chance to explore, not to be greedy")
    if greedy_0 < 1:
        ask(0.0, 0)  # the inputs of the last call are shown
        raise Wrong("with ε = 0 every row must take its best action; yours do not")
    if greedy_1 == 1:
        raise Wrong("with ε = 1 you still always take the best action: nothing is explored")
    if greedy_1 == 0:
        raise Wrong("exploring means any action with equal chance, the best one included")
    shares = [ask(0.5, seed, 200)[1] for seed in range(12)]
    if max(shares) == 1 or min(shares) < 0.4:
        raise Wrong("one draw decides for all rows at once; every row needs its own")
    result, greedy = ask(0.4, 2)
    others = result[result != best].bincount(minlength=actions)
    if others.max() > 0.9 * others.sum():
        raise Wrong("all exploring rows take the same action; draw one for every row")
    expected = 1 - 0.4 + 0.4 / actions
    if abs(greedy - expected) > 0.04:
        raise Wrong(
            f"with ε = 0.4 and four actions the best one must come up in a share of "
            f"1 − ε + ε/4 = {expected:g} of all rows; yours is {greedy:.2f}"
        )
    if others.min() < 0.2 * others.sum():
        raise Wrong("exploring rows must take every action equally often; yours prefer some")
    if not close(result, ask(0.4, 2)[0]):
        raise Wrong("the same seed of `rng` gave other actions: draw everything with `rng`")
    rng = torch.Generator().manual_seed(2)
    first, second = (answer(q_values.clone(), 0.4, rng) for _ in range(2))
    coins = [close(actions != best, result != best) for actions in (second, ask(0.4, 4)[0])]
    if close(first, second) or any(coins):
        raise Wrong(
            "every call explores in the same rows: draw with the `rng` that is given, not with a "
            "generator of your own"
        )


# --- 01.4 ----------------------------------------------------------------------------------------


def q_update(
    Q: Tensor,
    s: int,
    a: int,
    r: float,
    s_next: int,
    terminated: bool,
    truncated: bool,
    learning_rate: float,
    discount: float,
) -> Tensor:
    """Return the table after one step of experience; only `terminated` ends the world."""
    target = r + discount * Q[s_next].max() * (not terminated)
    new = Q.clone()
    new[s, a] += learning_rate * (target - Q[s, a])
    return new


def _check_update(answer: Any) -> None:
    rng = torch.Generator().manual_seed(4)
    cases = [(t, c) for t in (False, True) for c in (False, True)]
    for number, (terminated, truncated) in enumerate(cases * 2):
        Q = torch.randn(5, 3, generator=rng, dtype=torch.float64) + 1
        s, a, s_next = (number + 1) % 5, (number + 2) % 3, (number + 3) % 5
        alpha, gamma, r = 0.3, 0.8, 1.3 - number / 4
        given = Q.clone()
        new = answer(given, s, a, r, s_next, terminated, truncated, alpha, gamma)
        expect_tensor(new, tuple(Q.shape), "the new table")
        if not close(given, Q):
            raise Wrong("your function changed the table that it was given; work on Q.clone()")
        changed = ~torch.isclose(new.double(), Q)
        changed[s, a] = False
        if changed.any():
            raise Wrong("more than one number changed; an update changes Q(s, a) alone")

        def step(target: Tensor | float, rate: float = alpha, old: Tensor = Q[s, a]) -> Tensor:
            return old + rate * (target - old)

        follows = gamma * Q[s_next].max() * (not terminated)
        value, expected = new[s, a], step(r + follows)
        case = f"terminated = {terminated}, truncated = {truncated}"
        if terminated and close(value, Q[s, a]):
            raise Wrong(f"{case}: nothing has changed, but the last step has a reward, too")
        if terminated and close(value, step(r + gamma * Q[s_next].max())):
            raise Wrong(f"{case}: the episode is over, so the target is r alone")
        if truncated and not terminated and close(value, step(r)):
            raise Wrong(
                f"{case}: the time was up, but the world goes on, so γ max Q(s′, ·) still counts"
            )
        mistakes = {
            "nothing has changed: did you write into the copy?": Q[s, a],
            "the learning rate is missing: the old value was replaced by the target": (
                step(r + follows, 1.0)
            ),
            "the old Q(s, a) is not subtracted: α times (target − Q(s, a)) is added": (
                Q[s, a] + alpha * (r + follows)
            ),
            "the sign of the error is turned round: it is target − Q(s, a)": (
                step(r + follows, -alpha)
            ),
            "the weights are swapped: α belongs to the target, 1 − α to the old value": (
                step(r + follows, 1 - alpha)
            ),
            "the max is taken in row s; it belongs to s′": (
                step(r + gamma * Q[s].max() * (not terminated))
            ),
            "the mean of Q(s′, ·) was used; Q-learning takes the max": (
                step(r + gamma * Q[s_next].mean() * (not terminated))
            ),
            "the discount γ is missing": step(r + Q[s_next].max() * (not terminated)),
            "the reward is missing in the target": step(follows),
        }
        otherwise = f"{case}: Q(s, a) must be {expected:.4f}; you have {float(value):.4f}"
        _compare(value, expected, mistakes, otherwise)


# --- 01.5 ----------------------------------------------------------------------------------------


def policy_evaluation(policy: Tensor, P: Tensor, r: Tensor, discount: float) -> Tensor:
    """Return V of a policy by solving (I − γ P_π) V = r_π."""
    r_policy = (policy * r).sum(1)
    P_policy = (policy[:, :, None] * P).sum(1)
    identity = torch.eye(len(r), dtype=P.dtype)
    return torch.linalg.solve(identity - discount * P_policy, r_policy)


def _check_evaluation(answer: Any) -> None:
    for seed, discount in ((5, 0.9), (6, 0.97)):
        P, r = _small_model(seed)
        states, actions = r.shape
        rng = torch.Generator().manual_seed(seed)
        policy = torch.rand(states, actions, generator=rng, dtype=torch.float64) ** 2
        policy /= policy.sum(1, keepdim=True)
        value = answer(policy.clone(), P.clone(), r.clone(), discount)
        if isinstance(value, Tensor) and value.shape == r.shape:
            raise Wrong("this has a number for each action; V(s) is their mean under the policy")
        expect_tensor(value, (states,), "V")

        def values(
            pi: Tensor,
            gamma: float = discount,
            best: bool = False,
            P: Tensor = P,
            r: Tensor = r,
        ) -> Tensor:
            """Repeat V ← Σ π (r + γ P V), or max in place of the mean, many times."""
            V = torch.zeros(len(r), dtype=torch.float64)
            for _ in range(600):
                Q = r + gamma * P @ V
                V = Q.max(1).values if best else (pi * Q).sum(1)
            return V

        expected = values(policy)
        if close(value, expected):
            continue
        greedy = torch.nn.functional.one_hot(policy.argmax(1), actions).double()
        one_sweep = (policy * r).sum(1)
        mistakes = {
            "these are the optimal values: the policy's mean over actions is wanted, not max": (
                values(policy, best=True)
            ),
            "only the likeliest action of each row counted; weigh all with π(a | s)": (
                values(greedy)
            ),
            "all actions counted alike; weigh them with π(a | s)": (
                values(torch.full_like(policy, 1 / actions))
            ),
            "the discount γ is missing": values(policy, gamma=1.0),
            "this is the mean reward of one step; what follows is missing": one_sweep,
            "this is one backup; V(s′) on the right must be the V you look for": (
                (policy * (r + discount * P @ one_sweep)).sum(1)
            ),
            "the rewards are not weighed with π(a | s)": (
                torch.linalg.solve(
                    torch.eye(states, dtype=P.dtype) - discount * (policy[:, :, None] * P).sum(1),
                    r.mean(1),
                )
            ),
            "the sign of γ P is wrong: V − γ P V = r": (
                torch.linalg.solve(
                    torch.eye(states, dtype=P.dtype) + discount * (policy[:, :, None] * P).sum(1),
                    one_sweep,
                )
            ),
        }
        error = (value.double() - expected).abs().max().item()
        residual = value.double() - (policy * (r + discount * P @ value.double())).sum(1)
        otherwise = (
            f"V is off by up to {error:.3g}. Put it into the right side of the equation: "
            f"left and right differ by up to {residual.abs().max():.3g}"
        )
        _compare(value, expected, mistakes, otherwise)


# Random inputs, on which an answer must agree with the solution -----------------------------------


def cases_return(rng: torch.Generator) -> Iterator[Case]:
    """Draw episodes of several lengths, and both ends of γ."""
    for length in (2, 5, 9):
        yield Case("other lengths", (normal(rng, length).tolist(), uniform(rng, 1).item()))
    for discount in (0.0, 1.0):
        yield Case("γ = 0 and γ = 1", (normal(rng, 4).tolist(), discount))
    yield Case("one reward, or none", (normal(rng, 1).tolist(), 0.5))
    yield Case("one reward, or none", ([], 0.5))


def cases_backup(rng: torch.Generator) -> Iterator[Case]:
    """Draw worlds of several sizes, and both ends of γ."""
    for states, actions, discount in ((4, 2, 0.9), (2, 4, 0.7)):
        yield Case("other worlds", (normal(rng, states), *_world(rng, states, actions), discount))
    for discount in (0.0, 1.0):
        yield Case("γ = 0 and γ = 1", (normal(rng, 3), *_world(rng, 3, 2), discount))
    yield Case("one action, one state", (normal(rng, 3), *_world(rng, 3, 1), 0.9))
    yield Case("one action, one state", (normal(rng, 1), *_world(rng, 1, 3), 0.9))


def _world(rng: torch.Generator, states: int, actions: int) -> tuple[Tensor, Tensor]:
    """Return P and r of a random world, float32."""
    return normal(rng, states, actions, states).softmax(2), normal(rng, states, actions)


def cases_epsilon_greedy(rng: torch.Generator) -> Iterator[Case]:
    """Draw Q-values of both signs; with ε = 0 the answer is known."""
    for rows, actions in ((5, 3), (3, 7)):
        yield Case("ε = 0", (normal(rng, rows, actions), 0.0, torch.Generator()))
    yield Case("a batch of 1", (normal(rng, 1, 4), 0.0, torch.Generator()))
    yield Case("a single action", (normal(rng, 4, 1), 0.5, torch.Generator()))


def cases_update(rng: torch.Generator) -> Iterator[Case]:
    """Draw tables and steps, both ends of α and γ, and a step that leads back to its state."""
    for number in range(8):
        s, a, s_next = whole(rng, 3, 3).tolist()
        ends = (number % 2 == 1, number // 2 % 2 == 1)
        stage = "both flags true at once" if all(ends) else "other steps"
        rate, discount = uniform(rng, 2).tolist()
        r = normal(rng, 1).item()
        yield Case(stage, (normal(rng, 4, 3), s, a, r, s_next, *ends, rate, discount))
    for rate, discount in ((0.0, 0.5), (1.0, 0.5), (0.5, 0.0), (0.5, 1.0)):
        ends = (False, False)
        yield Case("ends of α and γ", (normal(rng, 2, 3), 1, 2, 0.5, 0, *ends, rate, discount))
    yield Case("s′ = s", (normal(rng, 3, 2), 2, 1, -1.0, 2, False, False, 0.5, 0.9))


def cases_evaluation(rng: torch.Generator) -> Iterator[Case]:
    """Draw worlds and policies, certain ones among them."""
    for states, actions, discount in ((4, 2, 0.9), (2, 4, 0.7), (3, 2, 0.0)):
        policy = normal(rng, states, actions).softmax(1)
        stage = "other worlds" if discount else "γ = 0"
        yield Case(stage, (*_double(policy, *_world(rng, states, actions)), discount))
    certain = torch.eye(3)[whole(rng, 3, 4)]
    yield Case("a certain policy", (*_double(certain, *_world(rng, 4, 3)), 0.8))
    yield Case("one action, one state", (*_double(torch.ones(3, 1), *_world(rng, 3, 1)), 0.8))
    one = normal(rng, 1, 3).softmax(1)
    yield Case("one action, one state", (*_double(one, *_world(rng, 1, 3)), 0.8))


def _double(*tensors: Tensor) -> list[Tensor]:
    """Return the tensors as float64, probabilities exact in it."""
    return [
        t.double() / t.double().sum(-1, keepdim=True) if t.min() >= 0 else t.double()
        for t in tensors
    ]


EXERCISES = (
    Exercise(
        "01.1",
        _check_return,
        (
            "Write the return of three rewards out: r₀ + γ r₁ + γ² r₂. What is the weight of r_t?",
            "Put γ outside: r₀ + γ (r₁ + γ (r₂)). What stands in a bracket is again a return.",
            "Go through the rewards from the last to the first:\ntotal = reward + discount * total",
        ),
        discounted_return,
        "the return of a step is its reward plus γ times the return of the next step; "
        "the Bellman equation says the same.",
        cases=cases_return,
        why="taken from the back, each return is its reward plus γ times the return that follows",
    ),
    Exercise(
        "01.2",
        _check_backup,
        (
            "First the sum for every pair at once: `P @ V` has shape (states, actions).",
            "r + discount * (P @ V) is a Q-table. Which number of each row is V(s)?",
            "`.max(1)` returns values and indices; take `.values`:\n"
            "(r + discount * (P @ V)).max(1).values",
        ),
        backup_values,
        "value iteration is this function, repeated.",
        cases=cases_backup,
        why="P @ V is what follows each pair on average, and of the actions the best one counts",
    ),
    Exercise(
        "01.3",
        _check_epsilon_greedy,
        (
            "Three things are needed a row: a coin, a random action, the best action.",
            "The coins: torch.rand(rows, generator=rng) < epsilon.",
            "torch.where chooses row by row:\ntorch.where(explore, anything, q_values.argmax(1))",
        ),
        epsilon_greedy,
        "every row decides on its own, and the best action also comes up by chance: "
        "its share is 1 − ε + ε/4.",
        cases=cases_epsilon_greedy,
        why="each row throws its own coin, and a random action may happen to be the best one",
    ),
    Exercise(
        "01.4",
        _check_update,
        (
            "Three parts: the target, the error target − Q(s, a), and α times the error.",
            "What follows is γ max Q(s′, ·), and it is 0 in one case only. In which?",
            "`truncated` is not needed at all:\n"
            "target = r + discount * Q[s_next].max() * (not terminated)",
        ),
        q_update,
        "only `terminated` stops the bootstrap. That `truncated` is not used is the point.",
        cases=cases_update,
        why="only `terminated` says that nothing follows, so only there the target is the "
        "reward alone",
    ),
    Exercise(
        "01.5",
        _check_evaluation,
        (
            "Average over the actions first: r_π(s) = Σ π(a|s) r(s, a), and the same for P.",
            "Then V = r_π + γ P_π V. Bring V to one side, or repeat the equation until V rests.",
            "(I − γ P_π) V = r_π is a linear system:\n"
            "torch.linalg.solve(torch.eye(len(r), dtype=P.dtype) - discount * P_policy, r_policy)",
        ),
        policy_evaluation,
        "no max, so the equation is linear and one line solves it.",
        cases=cases_evaluation,
        why="without a max the Bellman equation is linear: V = r_π + γ P_π V is solved in one step",
    ),
)
