"""The checks of notebook 03 accept right answers and name what is wrong with the others."""

from copy import deepcopy

import pytest
import torch
from exercise_cases import exercise_tests
from torch import nn

from dqngan_lib.dqn.agent import DQN, DQNSettings
from dqngan_lib.dqn.networks import QNetwork
from dqngan_lib.dqn.training import TrainSettings, train_dqn
from dqngan_lib.environments.catch import Catch
from dqngan_lib.environments.rollout import Rollout, play
from dqngan_lib.exercises.notebook_03 import (
    BOSS_SHARE,
    BOSS_SIDE,
    EXERCISES,
    train_two_balls,
)

# Exercise 03.1 ------------------------------------------------------------------------------------


def _double(r, te, on, ta, g, *, chooser="online", judge="target", end=True):
    """Compute the target with one piece of it changed."""
    networks = {"online": on, "target": ta}
    value = networks[judge].gather(1, networks[chooser].argmax(1, keepdim=True)).squeeze(1)
    return r + g * value * (~te if end else 1)


DOUBLE_WRONG = {
    "swapped": lambda *a: _double(*a, chooser="target", judge="online"),
    "plain target": lambda *a: _double(*a, chooser="target"),
    "ask the target network": lambda *a: _double(*a, judge="online"),
    "row 1 is terminated": lambda *a: _double(*a, end=False),
    "only where the episode": lambda r, te, on, ta, g: _double(r, ~te, on, ta, g),
    "discount is missing": lambda r, te, on, ta, g: _double(r, te, on, ta, 1.0),
    "number of the action": lambda r, te, on, ta, g: r + g * on.argmax(1) * ~te,
    "last reward": lambda r, te, on, ta, g: _double(r, te, on, ta, g, end=False) * ~te,
    "another method": lambda r, te, on, ta, g: (
        r + g * torch.minimum(on.max(1).values, ta.max(1).values) * ~te
    ),
    "shape (3,)": lambda r, te, on, ta, g: r + g * ta[:, on.argmax(1)] * ~te,
    "for the rows of the check": lambda r, te, on, ta, g: r + g * ta.mean(1) * ~te,
}


def _double_with_loop(reward, terminated, online_q, target_q, discount):
    rows = []
    for i, r in enumerate(reward.tolist()):
        action = max(range(online_q.shape[1]), key=lambda a, i=i: online_q[i, a].item())
        rows.append(r if terminated[i] else r + discount * target_q[i, action].item())
    return torch.tensor(rows)


def _double_with_index(reward, terminated, online_q, target_q, discount):
    value = target_q[torch.arange(len(reward)), online_q.argmax(1)]
    return torch.where(terminated, reward, reward + discount * value)


# Exercise 03.2 ------------------------------------------------------------------------------------

DUELING_WRONG = {
    "mean is not subtracted": lambda v, a: v + a,
    "value is missing": lambda v, a: a - a.mean(1, keepdim=True),
    "wrong sign": lambda v, a: v + a + a.mean(1, keepdim=True),
    "over the batch": lambda v, a: v + a - a.mean(0, keepdim=True),
    "one mean over all": lambda v, a: v + a - a.mean(),
    "greatest advantage": lambda v, a: v + a - a.max(1, keepdim=True).values,
    "subtract the sum": lambda v, a: v + a - a.sum(1, keepdim=True),
    "shape": lambda v, a: v.squeeze(1),
    "adding 7": lambda v, a: v + a - torch.tensor([[3.0], [-1.0]]),
    "[8, 9, 13]": lambda v, a: v - a + a.mean(1, keepdim=True),
}

# Exercise 03.3 ------------------------------------------------------------------------------------


def _n_step(
    r,
    te,
    tr,
    v,
    g,
    n,
    *,
    stop_te=True,
    stop_tr=True,
    boot_te=False,
    boot_tr=True,
    power="k",
    first=0,
):
    """Compute the targets with one piece of them changed."""
    targets = []
    for start in range(len(r)):
        total, k = torch.tensor(0.0), 0
        for t in range(start, min(start + n, len(r))):
            total = total + g ** (k + first) * r[t]
            k += 1
            if (stop_te and te[t]) or (stop_tr and tr[t]):
                break
        if (boot_te or not te[t]) and (boot_tr or not tr[t]):
            total = total + {"k": g**k, "n": g**n, "0": 1.0, "k + 1": g ** (k + 1)}[power] * v[t]
        targets.append(total)
    return torch.stack(targets)


N_STEP_WRONG = {
    "one-step targets": lambda r, te, tr, v, g, n: _n_step(r, te, tr, v, g, 1),
    "step 2 is terminated": lambda *a: _n_step(*a, boot_te=True),
    "past the termination": lambda *a: _n_step(*a, stop_te=False),
    "step 4 is truncated": lambda *a: _n_step(*a, boot_tr=False),
    "past the truncation": lambda *a: _n_step(*a, stop_tr=False),
    "not γ³": lambda *a: _n_step(*a, power="n"),
    "bootstrap is not discounted": lambda *a: _n_step(*a, power="0"),
    "first reward is not discounted": lambda *a: _n_step(*a, first=1, power="k + 1"),
    "rewards are not discounted": lambda r, te, tr, v, g, n: (
        _n_step(r, te, tr, v, 1.0, n)
        - _n_step(0 * r, te, tr, v, 1.0, n)
        + _n_step(0 * r, te, tr, v, g, n)
    ),
    "with n = 1": lambda r, te, tr, v, g, n: _n_step(r, te, tr, v, g, 3),
    "with n = 2": lambda r, te, tr, v, g, n: _n_step(r, te, tr, v, g, 3 if n == 2 else n),
    "step 5 should be": lambda r, te, tr, v, g, n: torch.cat(
        [_n_step(r, te, tr, v, g, n)[:5], torch.zeros(2)]
    ),
}


def _n_step_backwards(reward, terminated, truncated, next_value, discount, n):
    """Go on from the (n − 1)-step targets of the next step."""
    bootstrap = next_value * ~terminated
    targets = reward + discount * bootstrap
    ended = terminated | truncated
    ended[-1] = True
    for _ in range(n - 1):
        following = torch.cat([targets[1:], torch.zeros(1)])
        targets = reward + discount * torch.where(ended, bootstrap, following)
    return targets


def _n_step_recursive(reward, terminated, truncated, next_value, discount, n):
    def target(t, left):
        if terminated[t]:
            return reward[t].item()
        if left == 1 or truncated[t] or t == len(reward) - 1:
            return (reward[t] + discount * next_value[t]).item()
        return reward[t].item() + discount * target(t + 1, left - 1)

    return torch.tensor([target(t, n) for t in range(len(reward))])


# Exercise 03.4 ------------------------------------------------------------------------------------


def _after_one_step(policy):
    """Return an answer that looks into the world once, and then plays as written here."""

    def answer(envs, seed):
        envs.reset(seed=seed)
        envs.step(torch.ones(envs.num_envs, dtype=torch.long))
        return policy

    return answer


def _steps_forever(envs, seed):
    envs.reset(seed=seed)
    for _ in range(1 + 8_000 // envs.num_envs):
        envs.step(torch.ones(envs.num_envs, dtype=torch.long))
    return _stay


def _returns_the_agent(envs, seed):
    agent = DQN(nn.Sequential(nn.Flatten(), nn.Linear(2 * envs.side**2, 3)), DQNSettings(), seed)
    Rollout(envs).start(seed)
    return agent


def _stay(observation):
    return torch.ones(len(observation), dtype=torch.long)


def _at_random(observation):
    rng = torch.Generator().manual_seed(int(observation.sum()))
    return torch.randint(3, (len(observation),), generator=rng)


def _to(goal):
    """Return a policy that goes where `goal` says, from where the balls will land."""

    def policy(observation):
        actions = []
        for now, before in observation.long():
            side = len(now)
            paddle = int(now[-1].nonzero()[1]) if now[-1].sum() == 3 else None
            balls = [tuple(place) for place in now[:-1].nonzero().tolist()]
            old = {row: column for row, column in before[:-1].nonzero().tolist()}
            lands = []
            for row, column in balls:
                drift = column - old.get(row - 1, column)
                lands.append((column + (side - 1 - row) * drift) % side)
            # The lowest ball comes first.
            order = sorted(range(len(balls)), key=lambda k, balls=balls: -balls[k][0])
            aim = goal([lands[k] for k in order])
            actions.append(
                1 if paddle is None or aim is None else 1 + (aim > paddle) - (aim < paddle)
            )
        return torch.tensor(actions)

    return policy


def _half_asleep(observation):
    """Play well in every second episode, and stay in the others."""
    well = _to(lambda lands: min(max(lands[-1], lands[0] - 1), lands[0] + 1) if lands else None)
    awake = torch.arange(len(observation)) % 2 == 0
    return torch.where(awake, well(observation), _stay(observation))


BOSS_WRONG = {
    "returned None": _after_one_step(None),
    "agent.act is one": _returns_the_agent,
    "took no step": lambda envs, seed: _stay,
    "are allowed": _steps_forever,
    "shape": _after_one_step(lambda o: _stay(o)[:, None]),
    "not Q-values": _after_one_step(lambda o: _stay(o).float()),
    "always does the same": _after_one_step(_stay),
    "has the agent learnt at all": _after_one_step(_at_random),
    "discounted away": _after_one_step(_to(lambda lands: lands[0] if len(lands) == 2 else 0)),
    "larger learning rate": _after_one_step(_half_asleep),
}


def _plain_dqn(envs, seed):
    """Train the plain DQN."""
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Flatten(), QNetwork(2 * envs.side**2, 3, hidden=(128,)))
    agent = DQN(network, DQNSettings(learning_rate=4e-3), seed)
    settings = TrainSettings(
        steps=6_000,
        capacity=6_000,
        batch_size=64,
        learn_after=200,
        updates_per_step=2,
        learning_rate_end=0.1,
        evaluate_every=6_000,
    )
    train_dqn(agent, envs, lambda agent: 0.0, settings, seed=seed)
    return agent.act


def _own_loop(envs, seed):
    """Write the loop oneself, with lists for a memory."""
    torch.manual_seed(seed)
    network = nn.Sequential(
        nn.Flatten(), nn.Linear(2 * envs.side**2, 128), nn.ReLU(), nn.Linear(128, 3)
    )
    slow = deepcopy(network)
    optimizer = torch.optim.Adam(network.parameters(), 3e-3, fused=True)
    rollout, memory = Rollout(envs), []
    rollout.start(seed)
    for step in range(500):
        with torch.no_grad():
            greedy = network(rollout.observation.float()).argmax(1)
        explore = torch.rand(envs.num_envs) < max(0.05, 1 - step / 100)
        seen = rollout.step(torch.where(explore, torch.randint(3, greedy.shape), greedy))
        memory.append(seen)
        for _ in range(3 if step >= 10 else 0):
            rows = [memory[k] for k in torch.randint(len(memory), (6,)).tolist()]
            o, a, r, te, o2 = (
                torch.cat([getattr(row, name) for row in rows])
                for name in ("observation", "action", "reward", "terminated", "next_observation")
            )
            with torch.no_grad():
                y = r + 0.99 * ~te * slow(o2.float()).max(1).values
            loss = (y - network(o.float()).gather(1, a[:, None])[:, 0]).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            with torch.no_grad():
                for old, new in zip(slow.parameters(), network.parameters(), strict=True):
                    old.lerp_(new, 0.05)
    return lambda observation: network(observation.float()).argmax(1)


# Exercise 03.5 ------------------------------------------------------------------------------------


def _priorities(
    d, alpha, beta, small=0.01, *, absolute=torch.abs, power=None, norm=True, weigh=None
):
    """Compute probabilities and weights with one piece of them changed."""
    p = (absolute(d) + small) ** alpha if power is None else power(d, alpha, small)
    p = p / p.sum() if norm else p
    w = (len(d) * p) ** -beta
    return p, w / w.max() if weigh is None else weigh(p, beta)


PRIORITY_WRONG = {
    "two tensors": lambda d, a, b: _priorities(d, a, b)[0],
    "finite number": lambda d, a, b: _priorities(d, a, b, absolute=lambda x: x),
    "α is missing": lambda d, a, b: _priorities(d, 1.0, b),
    "sum to 1": lambda d, a, b: _priorities(d, a, b, norm=False),
    "never be drawn again": lambda d, a, b: _priorities(d, a, b, small=0.0, weigh=lambda p, b: p),
    "squared": lambda d, a, b: _priorities(d, a, b, absolute=torch.square),
    "before the power α": lambda d, a, b: _priorities(
        d, a, b, power=lambda d, a, small: d.abs() ** a + small
    ),
    "surprise has no sign": lambda d, a, b: _priorities(
        d, a, b, power=lambda d, a, small: d.clamp(min=0) ** a + small
    ),
    "the probabilities should be": lambda d, a, b: _priorities(d, a + 0.25, b),
    "so that no step grows": lambda d, a, b: _priorities(
        d, a, b, weigh=lambda p, b: (len(d) * p) ** -b
    ),
    "not by their sum": lambda d, a, b: _priorities(
        d, a, b, weigh=lambda p, b: p**-b / (p**-b).sum()
    ),
    "the power is −β": lambda d, a, b: _priorities(d, a, b, weigh=lambda p, b: p**b / (p**b).max()),
    "β is missing": lambda d, a, b: _priorities(d, a, b, weigh=lambda p, b: p.min() / p),
    "all weights are 1": lambda d, a, b: _priorities(
        d, a, b, weigh=lambda p, b: torch.ones_like(p)
    ),
    "the weights should be": lambda d, a, b: _priorities(d, a, 0.5 * b),
    "with α = 0": lambda d, a, b: _priorities(d, a or 0.5, b),
}


def _priorities_with_log(td_error, alpha, beta, small=0.01):
    logits = alpha * torch.log(td_error.abs() + small)
    probability = logits.softmax(0)
    return probability, (probability / probability.min()) ** -beta


def _priorities_with_loop(td_error, alpha, beta, small=0.01):
    powers = [(abs(error) + small) ** alpha for error in td_error.tolist()]
    shares = [power / sum(powers) for power in powers]
    weights = [(len(powers) * share) ** -beta for share in shares]
    return torch.tensor(shares), torch.tensor([w / max(weights) for w in weights])


TestExercises = exercise_tests(
    EXERCISES,
    wrong={
        "03.1": DOUBLE_WRONG,
        "03.2": DUELING_WRONG,
        "03.3": N_STEP_WRONG,
        "03.4": BOSS_WRONG,
        "03.5": PRIORITY_WRONG,
    },
    right={
        "03.1": (_double_with_loop, _double_with_index),
        "03.2": (
            lambda v, a: v + (a - a.mean(dim=-1, keepdim=True)),
            lambda v, a: torch.stack([x + y - y.sum() / len(y) for x, y in zip(v, a, strict=True)]),
        ),
        "03.3": (_n_step_backwards, _n_step_recursive),
        "03.4": (_plain_dqn, _own_loop),
        "03.5": (_priorities_with_log, _priorities_with_loop),
    },
)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 6))
def test_the_boss_is_beaten_on_other_seeds(seed):
    policy = train_two_balls(Catch(16, BOSS_SIDE, 2), seed)
    returns = play(policy, Catch(1_000, BOSS_SIDE, 2), 10**7 + seed)
    assert (returns == 2).float().mean() >= BOSS_SHARE
