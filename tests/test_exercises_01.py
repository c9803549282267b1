"""Exercises of notebook 01: right answers pass, each wrong one is told its own mistake."""

import torch
from exercise_cases import exercise_tests

from dqngan_lib.exercises import notebook_01

# --- 01.1 ----------------------------------------------------------------------------------------


def return_forward(rewards, discount):
    total, weight = 0.0, 1.0
    for reward in rewards:
        total += weight * reward
        weight *= discount
    return total


def return_recursive(rewards, discount):
    if not rewards:
        return 0.0
    return rewards[0] + discount * return_recursive(rewards[1:], discount)


def return_consuming(rewards, discount):
    total = 0.0
    while rewards:
        total = rewards.pop() + discount * total
    return total


def return_too_flat(rewards, discount):
    return rewards[0] + discount * sum(rewards[1:]) if rewards else 0.0


WRONG_11 = {
    "plain sum": lambda rewards, discount: sum(rewards),
    "not γ": lambda r, g: sum(x * g ** (t + 1) for t, x in enumerate(r)),
    "wrong way": lambda r, g: sum(x * g**t for t, x in enumerate(reversed(r))),
    "must shrink": return_too_flat,
    "a mean": lambda r, g: sum(x * g**t for t, x in enumerate(r)) / max(len(r), 1),
    "changed the list": return_consuming,
    "returned None": lambda rewards, discount: print(end=""),
    "must be one number": lambda r, g: [x * g**t for t, x in enumerate(r)],
    "the return is": lambda r, g: sum(x * g**t for t, x in enumerate(r)) + 0.1,
    "ZeroDivisionError": lambda r, g: sum(x * g**t for t, x in enumerate(r)) * len(r) / len(r),
}

# --- 01.2 ----------------------------------------------------------------------------------------


def backup_loops(V, P, r, discount):
    states, actions = r.shape
    new = torch.zeros_like(V)
    for s in range(states):
        new[s] = max(
            r[s, a] + discount * sum(P[s, a, t] * V[t] for t in range(states))
            for a in range(actions)
        )
    return new


def backup_in_place(V, P, r, discount):
    new = V.clone()
    for s in range(len(V)):
        new[s] = (r[s] + discount * P[s] @ new).max()
    return new


def backup_overwrites(V, P, r, discount):
    V[:] = (r + discount * P @ V).max(1).values
    return V


WRONG_12 = {
    "γ is missing": lambda V, P, r, g: (r + P @ V).max(1).values,
    "reward r(s, a) is missing": lambda V, P, r, g: (g * P @ V).max(1).values,
    "before the sum only": lambda V, P, r, g: (g * (r + P @ V)).max(1).values,
    "mean over the actions": lambda V, P, r, g: (r + g * P @ V).mean(1),
    "worst action": lambda V, P, r, g: (r + g * P @ V).min(1).values,
    "not argmax": lambda V, P, r, g: (r + g * P @ V).argmax(1),
    "weigh V(s′) with P": lambda V, P, r, g: (
        r + g * V.expand_as(P).where(P > 0, -torch.inf).amax(2).nan_to_num(neginf=0)
    ).amax(1),
    "one max": lambda V, P, r, g: r.max(1).values + g * (P @ V).max(1).values,
    "same sweep": backup_in_place,
    "changed V itself": backup_overwrites,
    "whole Q-table": lambda V, P, r, g: r + g * P @ V,
    "must have shape": lambda V, P, r, g: (r + g * P @ V).max(0).values,
    "Take `.values`": lambda V, P, r, g: (r + g * P @ V).max(1),
    "the greatest of Q(": lambda V, P, r, g: (r - g * P @ V).max(1).values,
}

# --- 01.3 ----------------------------------------------------------------------------------------


def greedy_loops(q_values, epsilon, rng):
    actions = []
    for row in q_values:
        if torch.rand(1, generator=rng).item() < epsilon:
            actions.append(int(torch.randint(len(row), (1,), generator=rng)))
        else:
            actions.append(int(row.argmax()))
    return torch.tensor(actions)


def greedy_multinomial(q_values, epsilon, rng):
    chances = torch.full_like(q_values, epsilon / q_values.shape[1])
    chances[torch.arange(len(q_values)), q_values.argmax(1)] += 1 - epsilon
    return torch.multinomial(chances, 1, generator=rng)[:, 0]


def greedy_variant(
    *, best="max", coin="row", turned=False, others="row", generated=True, exclude=False
):
    """Return an ε-greedy with one mistake built in."""

    def answer(q_values, epsilon, rng):
        rows, actions = q_values.shape
        source = rng if generated else None
        greedy = q_values.argmax(1) if best == "max" else q_values.argmin(1)
        draw = torch.rand(rows if coin == "row" else 1, generator=source)
        explore = draw >= epsilon if turned else draw < epsilon
        anything = torch.randint(actions, (rows if others == "row" else 1,), generator=source)
        if others == "two":
            anything = torch.randint(2, (rows,), generator=source)
        if exclude:
            step = torch.randint(1, actions, (rows,), generator=source)
            anything = (greedy + step) % actions
        return torch.where(explore, anything, greedy)

    return answer


def greedy_spoils(q_values, epsilon, rng):
    result = greedy_multinomial(q_values, epsilon, rng)
    q_values[:] = 0
    return result


WRONG_13 = {
    "argmax, not argmin": greedy_variant(best="min"),
    "turned round": greedy_variant(turned=True),
    "one draw decides": greedy_variant(coin="all"),
    "same action": greedy_variant(others="all"),
    "the best one included": greedy_variant(exclude=True),
    "nothing is explored": lambda q, epsilon, rng: q.argmax(1),
    "with ε = 0 every row": lambda q, e, g: torch.randint(4, (len(q),), generator=g),
    "1 − ε + ε/4": lambda q, e, g: greedy_multinomial(q, e**2, g),
    "equally often": greedy_variant(others="two"),
    "draw everything with `rng`": greedy_variant(generated=False),
    "leave them as they are": greedy_spoils,
    "whole numbers": lambda q, e, g: greedy_multinomial(q, e, g).float(),
    "must have shape": lambda q, e, g: greedy_multinomial(q, e, g)[:, None],
    "generator of your own": lambda q, e, g: greedy_multinomial(
        q, e, torch.Generator().manual_seed(0)
    ),
    "run from 0 to 3": lambda q, e, g: greedy_multinomial(q, e, g) + 1,
}

# --- 01.4 ----------------------------------------------------------------------------------------


def update_by_cases(Q, s, a, r, s_next, terminated, truncated, learning_rate, discount):
    new = Q.clone()
    target = r if terminated else r + discount * Q[s_next].max()
    new[s, a] = (1 - learning_rate) * Q[s, a] + learning_rate * target
    return new


def update_by_lists(Q, s, a, r, s_next, terminated, truncated, learning_rate, discount):
    table = Q.tolist()
    best = 0.0 if terminated else max(table[s_next])
    table[s][a] += learning_rate * (r + discount * best - table[s][a])
    return torch.tensor(table, dtype=Q.dtype)


def update_variant(target, move=lambda old, target, alpha: old + alpha * (target - old)):
    """Return an update with another target or another move towards it."""

    def answer(Q, s, a, r, s_next, terminated, truncated, alpha, gamma):
        new = Q.clone()
        new[s, a] = move(Q[s, a], target(Q, s, r, s_next, terminated, truncated, gamma), alpha)
        return new

    return answer


def usual(Q, s, r, s_next, terminated, truncated, gamma):
    return r + gamma * Q[s_next].max() * (not terminated)


def update_in_place(Q, s, a, r, s_next, terminated, truncated, alpha, gamma):
    Q[s, a] += alpha * (usual(Q, s, r, s_next, terminated, truncated, gamma) - Q[s, a])
    return Q


def update_row(Q, s, a, r, s_next, terminated, truncated, alpha, gamma):
    new = Q.clone()
    new[s] += alpha * (usual(Q, s, r, s_next, terminated, truncated, gamma) - Q[s])
    return new


WRONG_14 = {
    "the target is r alone": update_variant(lambda Q, s, r, s2, te, tr, g: r + g * Q[s2].max()),
    "the world goes on": update_variant(
        lambda Q, s, r, s2, te, tr, g: r + g * Q[s2].max() * (not (te or tr))
    ),
    "in row s": update_variant(lambda Q, s, r, s2, te, tr, g: r + g * Q[s].max() * (not te)),
    "takes the max": update_variant(lambda Q, s, r, s2, te, tr, g: r + g * Q[s2].mean() * (not te)),
    "γ is missing": update_variant(lambda Q, s, r, s2, te, tr, g: r + Q[s2].max() * (not te)),
    "reward is missing": update_variant(lambda Q, s, r, s2, te, tr, g: g * Q[s2].max() * (not te)),
    "learning rate is missing": update_variant(usual, lambda old, target, alpha: target),
    "not subtracted": update_variant(usual, lambda old, target, alpha: old + alpha * target),
    "sign": update_variant(usual, lambda old, target, alpha: old - alpha * (target - old)),
    "swapped": update_variant(usual, lambda old, t, alpha: alpha * old + (1 - alpha) * t),
    "nothing has changed": lambda Q, *rest: Q.clone(),
    "work on Q.clone()": update_in_place,
    "alone": update_row,
    "returned None": lambda *given: print(end=""),
    "must have shape": lambda Q, s, a, *rest: Q[s, a],
    "Q(s, a) must be": update_variant(usual, lambda old, t, alpha: old + alpha * (t - old) ** 2),
}

# --- 01.5 ----------------------------------------------------------------------------------------


def evaluate_by_iteration(policy, P, r, discount):
    V = torch.zeros(len(r), dtype=r.dtype)
    for _ in range(2000):
        V = (policy * (r + discount * P @ V)).sum(1)
    return V


def evaluate_by_einsum(policy, P, r, discount):
    moves = torch.einsum("sa,sat->st", policy, P)
    gains = torch.einsum("sa,sa->s", policy, r)
    return torch.linalg.inv(torch.eye(len(r), dtype=r.dtype) - discount * moves) @ gains


def evaluate_variant(weight=lambda policy: policy, gain=None, sign=-1):
    """Return an evaluation with one mistake built in."""

    def answer(policy, P, r, discount):
        pi = weight(policy)
        moves = (pi[:, :, None] * P).sum(1)
        gains = (pi * r).sum(1) if gain is None else gain(r)
        return torch.linalg.solve(torch.eye(len(r), dtype=r.dtype) + sign * discount * moves, gains)

    return answer


def evaluate_best(policy, P, r, discount):
    V = torch.zeros(len(r), dtype=r.dtype)
    for _ in range(2000):
        V = (r + discount * P @ V).max(1).values
    return V


def evaluate_backup(policy, P, r, discount):
    V = (policy * r).sum(1)
    return (policy * (r + discount * P @ V)).sum(1)


def evaluate_too_short(policy, P, r, discount):
    V = torch.zeros(len(r), dtype=r.dtype)
    for _ in range(5):
        V = (policy * (r + discount * P @ V)).sum(1)
    return V


def one_hot(policy):
    return torch.nn.functional.one_hot(policy.argmax(1), policy.shape[1]).double()


WRONG_15 = {
    "optimal values": evaluate_best,
    "likeliest action": evaluate_variant(one_hot),
    "counted alike": evaluate_variant(lambda policy: torch.full_like(policy, 1 / 3)),
    "γ is missing": lambda policy, P, r, discount: evaluate_by_iteration(policy, P, r, 1.0),
    "mean reward of one step": lambda policy, P, r, discount: (policy * r).sum(1),
    "one backup": evaluate_backup,
    "not weighed": evaluate_variant(gain=lambda r: r.mean(1)),
    "sign of γ P": evaluate_variant(sign=1),
    "left and right differ": evaluate_too_short,
    "number for each action": lambda policy, P, r, g: (
        r + g * P @ evaluate_by_iteration(policy, P, r, g)
    ),
    "must have shape": lambda policy, P, r, g: evaluate_by_iteration(policy, P, r, g)[:, None],
}

RIGHT = {
    "01.1": (return_forward, return_recursive),
    "01.2": (
        backup_loops,
        lambda V, P, r, g: torch.amax(r + g * torch.einsum("sat,t->sa", P, V), dim=1),
    ),
    "01.3": (
        greedy_loops,
        greedy_multinomial,
        lambda q, e, g: greedy_multinomial(q, e, g).tolist(),
    ),
    "01.4": (update_by_cases, update_by_lists),
    "01.5": (
        evaluate_by_iteration,
        evaluate_by_einsum,
        lambda *given: evaluate_by_iteration(*given).numpy(),
    ),
}
WRONG = {"01.1": WRONG_11, "01.2": WRONG_12, "01.3": WRONG_13, "01.4": WRONG_14, "01.5": WRONG_15}

TestNotebook01 = exercise_tests(notebook_01.EXERCISES, WRONG, RIGHT)
