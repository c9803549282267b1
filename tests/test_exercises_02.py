"""The checks of notebook 02 accept right answers and name what is wrong with the others."""

from functools import partial

import torch
from exercise_cases import exercise_tests
from torch import nn

from dqngan_lib.environments.rollout import Rollout
from dqngan_lib.exercises.ladder import Ladder
from dqngan_lib.exercises.notebook_02 import EXERCISES

# Exercise 02.1 ------------------------------------------------------------------------------------

TAKEN_WRONG = {
    "four columns": lambda q, a: q[:, a],
    "(4, 1)": lambda q, a: q.gather(1, a.unsqueeze(1)),
    "greatest": lambda q, a: q.max(1).values,
    "the actions": lambda q, a: a.float(),
    "returned None": lambda q, a: print(end=""),
    "for row 1": lambda q, a: q.gather(1, ((a + 1) % 3).unsqueeze(1)).squeeze(1),
}
TAKEN_RIGHT = (
    lambda q, a: q[torch.arange(len(a)), a],
    lambda q, a: (q * nn.functional.one_hot(a, q.shape[1])).sum(1),
)

# Exercise 02.2 ------------------------------------------------------------------------------------

TARGET_WRONG = {
    "rows 1 and 3": lambda r, te, tr, q, g: r + g * q.max(1).values,
    "row 2 is truncated": lambda r, te, tr, q, g: r + g * q.max(1).values * ~(te | tr),
    "mixed up": lambda r, te, tr, q, g: r + g * q.max(1).values * ~tr,
    "last reward": lambda r, te, tr, q, g: (r + g * q.max(1).values) * ~te,
    "wrong way round": lambda r, te, tr, q, g: r + g * q.max(1).values * te,
    "discount is missing": lambda r, te, tr, q, g: r + q.max(1).values * ~te,
    "argmax": lambda r, te, tr, q, g: r + g * q.argmax(1) * ~te,
    "mean over": lambda r, te, tr, q, g: r + g * q.mean(1) * ~te,
    "shape": lambda r, te, tr, q, g: r + g * q.max(1, keepdim=True).values * ~te,
}


def _target_with_where(reward, terminated, truncated, next_q_values, discount):
    bootstrapped = reward + discount * next_q_values.amax(dim=1)
    return torch.where(terminated, reward, bootstrapped)


def _target_with_loop(reward, terminated, truncated, next_q_values, discount):
    rows = []
    for i in range(len(reward)):
        value = 0.0 if terminated[i] else discount * max(next_q_values[i].tolist())
        rows.append(reward[i].item() + value)
    return torch.tensor(rows)


# Exercise 02.3 ------------------------------------------------------------------------------------


def _loss(
    batch, g, q_from, y_from, *, stop=True, half=0.5, end=True, reduce=torch.mean, wide=False
):
    """Compute the loss with one piece of it changed."""
    y = batch["reward"] + g * y_from(batch["next_observation"]).max(1).values * (
        ~batch["terminated"] if end else 1
    )
    q = q_from(batch["observation"]).gather(1, batch["action"].unsqueeze(1))
    return reduce(half * ((y.detach() if stop else y) - (q if wide else q.squeeze(1))) ** 2)


LOSS_WRONG = {
    "from the target network": lambda q, t, b, g: _loss(b, g, q, q),
    "½ is missing": lambda q, t, b, g: _loss(b, g, q, t, half=1.0),
    "sum and factor": lambda q, t, b, g: _loss(b, g, q, t, half=1.0, reduce=torch.sum),
    "row 1 is terminated": lambda q, t, b, g: _loss(b, g, q, t, end=False),
    "broadcast": lambda q, t, b, g: _loss(b, g, q, t, wide=True),
    "flows through y": lambda q, t, b, g: _loss(b, g, q, t, stop=False),
    "no gradient": lambda q, t, b, g: _loss(b, g, q, t).detach(),
    "loss is 16.25": lambda q, t, b, g: -_loss(b, g, q, t),
}


def _loss_frozen(q_network, target_network, batch, discount):
    """Stop the gradient of the target network's weights by freezing them."""
    target_network.requires_grad_(False)
    return _loss(batch, discount, q_network, target_network, stop=False)


def _loss_by_mse(q_network, target_network, batch, discount):
    y = batch["reward"] + discount * target_network(batch["next_observation"]).amax(1).where(
        ~batch["terminated"], torch.tensor(0.0)
    )
    rows = torch.arange(len(y))
    q_taken = q_network(batch["observation"])[rows, batch["action"]]
    return nn.functional.mse_loss(q_taken, y.detach()) / 2


# Exercise 02.4 ------------------------------------------------------------------------------------


@torch.no_grad()
def _swapped_roles(target, online, rate):
    for slow, fast in zip(target.parameters(), online.parameters(), strict=True):
        fast.mul_(1 - rate).add_(rate * slow)


def _not_in_place(target, online, rate):
    for slow, fast in zip(target.parameters(), online.parameters(), strict=True):
        slow = (1 - rate) * slow + rate * fast


def _always_copy(target, online, rate):
    target.load_state_dict(online.state_dict())


@torch.no_grad()
def _rates_swapped(target, online, rate):
    for slow, fast in zip(target.parameters(), online.parameters(), strict=True):
        slow.mul_(rate).add_((1 - rate) * fast)


@torch.no_grad()
def _no_bias(target, online, rate):
    target.weight.mul_(1 - rate).add_(rate * online.weight)


@torch.no_grad()
def _shares_memory(target, online, rate):
    for slow, fast in zip(target.parameters(), online.parameters(), strict=True):
        slow.data = fast.data if rate == 1 else (1 - rate) * slow.data + rate * fast.data


@torch.no_grad()
def _adds_only(target, online, rate):
    for slow, fast in zip(target.parameters(), online.parameters(), strict=True):
        slow.add_(rate * fast)


@torch.no_grad()
def _by_lerp(target, online, rate):
    for slow, fast in zip(target.parameters(), online.parameters(), strict=True):
        slow.lerp_(fast, rate)


def _by_state_dict(target, online, rate):
    old, new = target.state_dict(), online.state_dict()
    target.load_state_dict({name: old[name] + rate * (new[name] - old[name]) for name in old})


# Exercise 02.5 ------------------------------------------------------------------------------------


def _shifted(flags):
    """Return the flags one step later."""
    return torch.cat([torch.zeros_like(flags[:1]), flags[:-1]])


REAL_WRONG = {
    "every step": lambda te, tr: torch.ones_like(te),
    "last steps of episodes": lambda te, tr: ~(te | tr),
    "wrong way round": lambda te, tr: _shifted(te | tr),
    "was truncated": lambda te, tr: ~_shifted(te),
    "as well as the reset": lambda te, tr: ~_shifted(te | tr) & ~(te | tr),
    "torch.bool": lambda te, tr: (~_shifted(te | tr)).float(),
    "step 0": lambda te, tr: torch.cat([torch.zeros_like(te[:1]), ~(te | tr)[:-1]]),
}


def _real_by_loop(terminated, truncated):
    result = torch.ones_like(terminated)
    for step in range(1, len(terminated)):
        result[step] = ~(terminated[step - 1] | truncated[step - 1])
    return result


def _real_by_roll(terminated, truncated):
    ended = torch.logical_or(terminated, truncated).roll(1, 0)
    ended[0] = False
    return ended.logical_not()


# Exercise 02.6 ------------------------------------------------------------------------------------


def _fields(t, **changed):
    """Return the six fields of a transition, some of them changed."""
    names = ("observation", "action", "reward", "terminated", "truncated", "next_observation")
    return {name: getattr(t, name) for name in names} | changed


def _loop(
    agent,
    envs,
    memory,
    epsilon,
    steps,
    batch_size,
    seed,
    *,
    act=lambda agent, seen, epsilon, step: agent.act(seen, epsilon(step)),
    keep=lambda t: bool(t.valid),
    fields=_fields,
    enough=lambda memory, batch_size: len(memory) >= batch_size,
    learn=lambda agent, memory, batch_size: agent.update(memory.sample(batch_size)),
    go_on=True,
    take=lambda action: action,
):
    """Go through the steps 2 to 7 with one piece of them changed."""
    rollout = Rollout(envs)
    observation = rollout.start(seed)
    for step in range(steps):
        t = rollout.step(take(act(agent, observation, epsilon, step)))
        if keep(t):
            memory.add(**fields(t))
        if enough(memory, batch_size):
            learn(agent, memory, batch_size)
        observation = rollout.observation if go_on else observation


def _twice(agent, memory, batch_size):
    for _ in range(2):
        agent.update(memory.sample(batch_size))


LOOP_WRONG = {
    "only reset": partial(_loop, keep=lambda t: True),
    "last steps of episodes": partial(
        _loop, keep=lambda t: bool(t.valid & ~t.terminated & ~t.truncated)
    ),
    "the clock cut": partial(
        _loop, fields=lambda t: _fields(t, terminated=t.terminated | t.truncated)
    ),
    "t.next_observation comes after": partial(
        _loop, fields=lambda t: _fields(t, next_observation=t.observation)
    ),
    "observation is the one after": partial(
        _loop, fields=lambda t: _fields(t, observation=t.next_observation)
    ),
    "swapped": partial(
        _loop, fields=lambda t: _fields(t, terminated=t.truncated, truncated=t.terminated)
    ),
    "the reward of transition": partial(_loop, fields=lambda t: _fields(t, reward=t.reward + 1)),
    "no field truncated": partial(
        _loop, fields=lambda t: {k: v for k, v in _fields(t).items() if k != "truncated"}
    ),
    "each is stored once": partial(_loop, keep=lambda t: bool(t.valid & t.action.bool())),
    "nothing was stored": partial(_loop, keep=lambda t: False),
    "old observation": partial(_loop, go_on=False),
    "without ε": partial(_loop, act=lambda agent, seen, epsilon, step: agent.act(seen)),
    "the same at every step": partial(
        _loop, act=lambda agent, seen, epsilon, step: agent.act(seen, epsilon(3))
    ),
    "counted from 0": partial(
        _loop, act=lambda agent, seen, epsilon, step: agent.act(seen, epsilon(step + 1))
    ),
    "never asked": partial(_loop, act=lambda agent, seen, epsilon, step: torch.tensor([step % 2])),
    "not given the action": partial(_loop, take=lambda action: 1 - action),
    "never learns": partial(_loop, learn=lambda agent, memory, batch_size: None),
    "wait for 8": partial(_loop, enough=lambda memory, batch_size: len(memory) > 0),
    "you waited": partial(_loop, enough=lambda memory, batch_size: len(memory) > batch_size),
    "should have 8 rows": partial(
        _loop, learn=lambda agent, memory, batch_size: agent.update(memory.sample(2))
    ),
    "learn once": partial(_loop, learn=_twice),
    "seed given": lambda *given: _loop(*given[:-1], None),
    "asked for were": lambda *given: _loop(*given[:4], given[4] - 1, *given[5:]),
    "no step was taken": lambda *given: _loop(*given[:4], 0, *given[5:]),
}


def _loop_with_gymnasium(agent, envs, memory, epsilon, steps, batch_size, seed):
    """Use no Rollout, and learn after real steps alone."""
    observation, _ = envs.reset(seed=seed)
    ended = False
    for step in range(steps):
        seen = torch.as_tensor(observation)
        action = agent.act(seen, epsilon(step))
        observation, reward, terminated, truncated, _ = envs.step(action.numpy())
        if not ended:
            memory.add(
                observation=seen,
                action=action,
                reward=reward,
                terminated=terminated,
                truncated=truncated,
                next_observation=observation,
            )
            if len(memory) >= batch_size:
                agent.update(memory.sample(batch_size))
        ended = bool(terminated[0] or truncated[0])


WRONG = {
    "02.1": TAKEN_WRONG,
    "02.2": TARGET_WRONG,
    "02.3": LOSS_WRONG,
    "02.4": {
        "online network has changed": _swapped_roles,
        "has not changed": _not_in_place,
        "became a copy": _always_copy,
        "are swapped": _rates_swapped,
        "bias has not moved": _no_bias,
        "share one memory": _shares_memory,
        "by a quarter": _adds_only,
    },
    "02.5": REAL_WRONG,
    "02.6": LOOP_WRONG,
}
RIGHT = {
    "02.1": TAKEN_RIGHT,
    "02.2": (_target_with_where, _target_with_loop),
    "02.3": (_loss_by_mse, _loss_frozen, lambda q, t, b, g: _loss(b, g, q, t)),
    "02.4": (_by_lerp, _by_state_dict),
    "02.5": (_real_by_loop, _real_by_roll),
    "02.6": (_loop, _loop_with_gymnasium),
}

TestExercises02 = exercise_tests(EXERCISES, WRONG, RIGHT)


def test_the_ladder_has_the_q_values_that_it_says():
    """Walk from each rung with each action, and repeat the Bellman equation with γ = ½."""
    q_values = torch.zeros(2, 2)
    for _ in range(40):
        for rung in (0, 1):
            for action in (0, 1):
                ladder = Ladder()
                ladder.rung = rung
                seen, reward, terminated, *_ = ladder.step(torch.tensor([action]).numpy())
                follows = 0.5 * q_values[int(seen[0, 0])].max() * (not terminated[0])
                q_values[rung, action] = reward[0] + follows
    assert torch.allclose(q_values, Ladder.q_values, atol=1e-5)
