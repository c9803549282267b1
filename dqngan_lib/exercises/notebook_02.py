"""Exercises of notebook 02: the pieces of a Deep Q-Network."""

from collections.abc import Callable, Iterator
from copy import deepcopy

import torch
from gymnasium.vector import VectorEnv
from torch import Tensor, nn

from dqngan_lib.dqn.agent import DQN, DQNSettings
from dqngan_lib.dqn.networks import QNetwork
from dqngan_lib.dqn.replay import ReplayBuffer
from dqngan_lib.environments.rollout import Rollout
from dqngan_lib.exercises.base import (
    Case,
    Exercise,
    Wrong,
    close,
    expect_tensor,
    flags,
    name_mistake,
    normal,
    perceptron,
    whole,
    written,
)
from dqngan_lib.exercises.ladder import FIELDS, Ladder, Witness, stored


def taken_q_values(q_values: Tensor, action: Tensor) -> Tensor:
    """Return the Q-value of the action taken in each row."""
    return q_values.gather(1, action.unsqueeze(1)).squeeze(1)


def check_taken_q_values(answer: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Compare with a loop over the rows."""
    q_values = torch.tensor([[1.0, 5.0, 9.0], [8.0, 2.0, 4.0], [3.0, 7.0, 6.0], [0.0, -1.0, -2.0]])
    action = torch.tensor([0, 2, 1, 2])
    expected = torch.tensor([row[a] for row, a in zip(q_values.tolist(), action, strict=True)])
    given = answer(q_values.clone(), action.clone())
    if isinstance(given, Tensor) and given.shape == (4, 4):
        raise Wrong(
            "the result has shape (4, 4): q_values[:, action] takes all four columns in every row. "
            "You need one column a row"
        )
    if isinstance(given, Tensor) and given.shape == (4, 1):
        raise Wrong(
            "the result has shape (4, 1): remove the last dimension, or a loss will broadcast"
        )
    given = expect_tensor(given, (4,), "the result")
    if close(given, q_values.max(1).values):
        raise Wrong("these are the greatest Q-values; asked for are those of the actions taken")
    if close(given, action):
        raise Wrong("these are the actions, not their Q-values")
    if not close(given, expected):
        raise Wrong(
            f"for row 1, [8, 2, 4] with action 2, the answer is 4; yours is {given[1].item():.4g}"
        )


def td_targets(
    reward: Tensor, terminated: Tensor, truncated: Tensor, next_q_values: Tensor, discount: float
) -> Tensor:
    """Return y = r + γ (1 − terminated) max Q(s′, ·); truncated episodes are bootstrapped."""
    next_value = next_q_values.max(1).values
    return reward + discount * next_value * (~terminated)


def check_td_targets(answer: Callable[..., Tensor]) -> None:
    """Compare with numbers worked by hand, one row for each combination of the two ends."""
    reward = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0])
    terminated = torch.tensor([False, True, False, True, False])
    truncated = torch.tensor([False, False, True, True, False])
    next_q = torch.tensor([[10.0, 20.0], [30.0, 7.0], [14.0, 6.0], [50.0, 60.0], [-8.0, -4.0]])
    arguments = (reward, terminated, truncated, next_q)
    given = answer(*(argument.clone() for argument in arguments), 0.5)
    if isinstance(given, Tensor) and given.shape == (5, 5):
        raise Wrong(
            "the result has shape (5, 5): a row of five met a column of five. All must have shape "
            "(batch,); without keepdim=True max(1).values has it"
        )
    if isinstance(given, Tensor) and given.shape == (5, 2):
        raise Wrong(
            "the result has shape (5, 2), a number for each action: of each row of next_q_values "
            "take the greatest alone"
        )
    given = expect_tensor(given, (5,), "the result")
    best, alive = next_q.max(1).values, (~terminated).float()
    expected = torch.tensor([11.0, 2.0, 10.0, 4.0, 3.0])
    known = {
        "rows 1 and 3 are terminated: nothing may be bootstrapped from them": reward + 0.5 * best,
        "row 2 is truncated, not terminated: its value goes on and is bootstrapped": (
            reward + 0.5 * best * ~(terminated | truncated)
        ),
        "terminated and truncated are mixed up: only termination stops the bootstrap": (
            reward + 0.5 * best * ~truncated
        ),
        "row 3 is terminated as well as truncated: termination alone decides, and stops the "
        "bootstrap": reward + 0.5 * best * ~(terminated ^ truncated),
        "row 3 is terminated, though it is truncated too: nothing may be bootstrapped": (
            reward + 0.5 * best * ~(terminated & ~truncated)
        ),
        "the last reward of an episode counts too: only the bootstrap becomes 0": (
            (reward + 0.5 * best) * alive
        ),
        "it is the wrong way round: you bootstrap where the episode has terminated": (
            reward + 0.5 * best * terminated
        ),
        "the discount is missing": reward + best * alive,
        "the discount belongs to what follows, not to the reward": 0.5 * (reward + best * alive),
        "the reward is missing": 0.5 * best * alive,
        "argmax gives the number of the action; you need the value of that action": (
            reward + 0.5 * next_q.argmax(1) * alive
        ),
        "the mean over the actions is not the value of the best one": (
            reward + 0.5 * next_q.mean(1) * alive
        ),
        "this is the value of the worst action; take the max": (
            reward + 0.5 * next_q.min(1).values * alive
        ),
        "the max ran over the batch; the actions are dimension 1": (
            reward + 0.5 * next_q.max() * alive
        ),
        "row 4: a value below 0 is bootstrapped like any other; do not cut it off": (
            reward + 0.5 * best.clamp(min=0) * alive
        ),
        "the bootstrap is subtracted; what follows is added to the reward": (
            reward - 0.5 * best * alive
        ),
    }
    if not close(given, expected):
        for message, numbers in known.items():
            if close(given, numbers):
                raise Wrong(message)
        row = next(i for i in range(5) if not close(given[i], expected[i]))
        raise Wrong(f"row {row} should be {expected[row]:g}, but is {given[row].item():.4g}")


def dqn_loss(
    q_network: nn.Module, target_network: nn.Module, batch: dict[str, Tensor], discount: float
) -> Tensor:
    """Return the mean of ½ (y − Q(s, a))² over the batch."""
    with torch.no_grad():
        next_value = target_network(batch["next_observation"]).max(1).values
        y = batch["reward"] + discount * next_value * (~batch["terminated"])
    q_taken = q_network(batch["observation"]).gather(1, batch["action"].unsqueeze(1)).squeeze(1)
    return 0.5 * ((y - q_taken) ** 2).mean()


def _linear(rows: list[list[float]]) -> nn.Linear:
    """Return a linear network with the given weights and no bias."""
    network = nn.Linear(len(rows[0]), len(rows), bias=False)
    network.weight.data = torch.tensor(rows)
    return network


def check_dqn_loss(answer: Callable[..., Tensor]) -> None:
    """Compare loss and gradient with numbers worked by hand on a linear network."""
    online = _linear([[1.0, 0.0], [0.0, 1.0], [0.5, 1.0]])
    target = _linear([[1.5, 0.0], [0.0, 8.0], [0.5, 0.0]])
    batch = {
        "observation": torch.tensor([[1.0, 2.0], [3.0, 1.0]]),
        "action": torch.tensor([1, 1]),
        "reward": torch.tensor([5.0, -3.0]),
        "terminated": torch.tensor([False, True]),
        "truncated": torch.tensor([True, False]),
        "next_observation": torch.tensor([[4.0, 1.0], [5.0, 5.0]]),
    }
    # Row 0: y = 5 + 0.5 · max(6, 8, 2) = 9, Q = 2, error 7. Row 1: y = −3, Q = 1, error −4.
    given = answer(online, target, deepcopy(batch), 0.5)
    if isinstance(given, Tensor) and given.shape == (2,):
        raise Wrong("the result has shape (2,), a loss for each row: take the mean over the batch")
    given = expect_tensor(given, (), "the loss")

    def loss(*errors: float) -> float:
        return sum(0.5 * error**2 for error in errors) / len(errors)

    known = {
        loss(7 - 2, -4): "the target y must come from the target network, not the online network",
        loss(
            5 - 2, -4
        ): "row 0 is truncated, not terminated: its value goes on and is bootstrapped",
        loss(8 - 2, -4): "the online network chooses the action and the target network judges it: "
        "that is double Q-learning, of notebook 03. Here the target network does both",
        loss(9 - 2.5, -3 - 3): "this compares y with the greatest Q(s, ·); take the Q-value of the "
        "action that is in the batch",
        loss(7, 17 - 1): "row 1 is terminated: its target is the reward alone",
        loss(5 - 2, 17 - 1): "it is the wrong way round: you bootstrap where the episode has "
        "terminated",
        loss(13 - 2, -4): "the discount is missing",
        loss(6 - 2, -4): "this is the value of the worst action; take the max",
        loss(5 + 8 / 3 - 2, -4): "the mean over the actions is not the value of the best one",
        loss(
            5.5 - 2, -4
        ): "argmax gives the number of the action; you need the value of that action",
        loss(4 - 2, 0 - 1): "the reward is missing in y",
        loss(1 - 2, -4): "the bootstrap is subtracted; what follows is added to the reward",
        loss(7, 8, -5, -4): "each target was compared with each Q-value: shapes (batch,) and "
        "(batch, 1) broadcast to (batch, batch)",
        2 * loss(7, -4): "the factor ½ is missing, or the sum over the batch stands for the mean",
        4 * loss(7, -4): "sum and factor: take ½ of each squared error, then the mean over the "
        "batch",
        0.5 * 11 / 2: "the errors must be squared; these are their absolute values",
        0.5 * 3 / 2: "the errors must be squared before the mean",
    }
    if not close(given, loss(7, -4)):
        message = next((text for value, text in known.items() if close(given, value)), None)
        raise Wrong(message or f"on our batch the loss is 16.25, yours is {given.item():.4g}")
    if not given.requires_grad:
        raise Wrong("the loss has no gradient: the Q-value of the taken action must keep it")
    given.backward()
    if target.weight.grad is not None and target.weight.grad.abs().sum() > 0:
        raise Wrong("a gradient flows through y: compute it under torch.no_grad()")
    # dL/dW[a] = −(error) · s / batch size for the taken action a.
    by_hand = torch.zeros(3, 2)
    by_hand[1] = -(7 * torch.tensor([1.0, 2.0]) - 4 * torch.tensor([3.0, 1.0])) / 2
    if not close(online.weight.grad, by_hand):
        raise Wrong("the loss is right but its gradient is not that of Q(s, a) alone")


def update_target(target_network: nn.Module, q_network: nn.Module, rate: float) -> None:
    """Move the target network's weights towards the online network's, in place."""
    with torch.no_grad():
        pairs = zip(target_network.parameters(), q_network.parameters(), strict=True)
        for slow, fast in pairs:
            slow.mul_(1 - rate).add_(rate * fast)


def check_update_target(answer: Callable[..., None]) -> None:
    """Compare with θ⁻ ← (1 − ρ) θ⁻ + ρ θ on known weights, bias included."""
    target, online = nn.Linear(2, 1), nn.Linear(2, 1)
    target.weight.data, target.bias.data = torch.tensor([[10.0, 20.0]]), torch.tensor([30.0])
    online.weight.data, online.bias.data = torch.tensor([[0.0, 40.0]]), torch.tensor([-10.0])
    answer(target, online, 0.25)
    if not (close(online.weight, [[0.0, 40.0]]) and close(online.bias, [-10.0])):
        raise Wrong("the online network has changed; only the target network may move")
    if close(target.weight, [[10.0, 20.0]]):
        raise Wrong("the target network has not changed: write into its parameters, in place")
    if close(target.weight, [[0.0, 40.0]]):
        raise Wrong(
            "the target network became a copy: with rate 0.25 it moves a quarter of the way"
        )
    if close(target.weight, [[2.5, 35.0]]):
        raise Wrong("rate and 1 − rate are swapped: with rate 0.25 the old weights keep 0.75")
    if close(target.weight, [[7.5, 25.0]]) and close(target.bias, [30.0]):
        raise Wrong("the bias has not moved: all parameters must")
    if not (close(target.weight, [[7.5, 25.0]]) and close(target.bias, [20.0])):
        raise Wrong(
            f"weights [10, 20] towards [0, 40] by a quarter are [7.5, 25], yours are "
            f"{target.weight.data.flatten().tolist()}"
        )
    answer(target, online, 1.0)
    if not close(target.weight, online.weight):
        raise Wrong("with rate 1 the target network must become equal to the online network")
    with torch.no_grad():
        online.weight.add_(1.0)
    if close(target.weight, online.weight):
        raise Wrong("after a copy both networks share one memory: copy the numbers, not the tensor")


def real_steps(terminated: Tensor, truncated: Tensor) -> Tensor:
    """Return which steps of a NEXT_STEP vector environment are real transitions."""
    ended = terminated | truncated
    first = torch.ones_like(ended[:1])
    return torch.cat([first, ~ended[:-1]])


def check_real_steps(answer: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Compare with a walk through two environments by hand."""
    flags = torch.zeros(6, 2, dtype=torch.bool)
    terminated, truncated = flags.clone(), flags.clone()
    terminated[1, 0] = True
    truncated[3, 1] = True
    terminated[5, 0] = True
    expected = ~flags
    expected[2, 0] = expected[4, 1] = False
    given = expect_tensor(answer(terminated.clone(), truncated.clone()), (6, 2), "the result")
    if given.dtype != torch.bool:
        raise Wrong(f"the result must be true or false (torch.bool), but is {given.dtype}")
    if torch.equal(given, expected):
        return
    ended = terminated | truncated
    if given.all():
        raise Wrong("every step is marked as real; the step after an end only resets")
    if torch.equal(given, ~ended):
        raise Wrong(
            "you left out the last steps of episodes. They are real, and their reward matters; "
            "left out must be the step after"
        )
    if torch.equal(given, ~expected):
        raise Wrong("it is the wrong way round: true means that the transition is real")
    only_terminated = ~flags
    only_terminated[2, 0] = False
    if torch.equal(given, only_terminated):
        raise Wrong("environment 1 was truncated at step 3: it resets in step 4 as well")
    both_out = expected & ~ended
    if torch.equal(given, both_out):
        raise Wrong("you left out the last step of an episode as well as the reset after it")
    if not given[0].all():
        raise Wrong("step 0 follows a reset that you asked for: it is real")
    step, environment = (given != expected).nonzero()[0].tolist()
    why = "it is a transition" if expected[step, environment] else "the step before it was an end"
    raise Wrong(
        f"step {step} of environment {environment} should be "
        f"{bool(expected[step, environment])}: {why}"
    )


def dqn_loop(
    agent: DQN,
    envs: VectorEnv,
    memory: ReplayBuffer,
    epsilon: Callable[[int], float],
    steps: int,
    batch_size: int,
    seed: int,
) -> None:
    """Train an agent by the steps 2 to 7 of a DQN."""
    rollout = Rollout(envs)
    observation = rollout.start(seed)
    for step in range(steps):
        action = agent.act(observation, epsilon(step))  # step 2
        t = rollout.step(action)  # step 3
        if t.valid:
            memory.add(  # step 4
                observation=t.observation,
                action=t.action,
                reward=t.reward,
                terminated=t.terminated,
                truncated=t.truncated,
                next_observation=t.next_observation,
            )
        if len(memory) >= batch_size:
            agent.update(memory.sample(batch_size))  # steps 5, 6 and 7
        observation = rollout.observation


def falling(step: int) -> float:
    """Return an ε that is another one at every step."""
    return 1 / (1 + step)


def check_dqn_loop(answer: Callable[..., None]) -> None:
    """Watch the loop on a ladder with a witness for an agent, then let it train a real one."""
    world, memory, steps = Ladder(), ReplayBuffer(100), 60
    witness = Witness(world, memory, steps)
    answer(witness, world, memory, falling, steps, 8, 5)
    _check_walk(world, witness, steps)
    _check_memory(torch.tensor(list(world.happened.values())), stored(memory), steps)
    _check_updates(witness.batches, world, 8)
    torch.manual_seed(0)
    agent = DQN(QNetwork(1, 2, hidden=(32,)), DQNSettings(discount=0.5, learning_rate=1e-2))
    answer(agent, Ladder(), ReplayBuffer(300), lambda step: 1.0, 300, 32, 1)
    given = agent.q_values(torch.tensor([[0.0], [1.0]]))
    if not close(given, Ladder.q_values, 0.1):
        raise Wrong(
            f"an agent trained by your loop believes in {written(given)}, and not in "
            f"{written(Ladder.q_values)}: the transitions do not come from its own steps"
        )


def _check_walk(world: Ladder, witness: Witness, steps: int) -> None:
    """Look at steps 2 and 3: what the agent was shown, its ε, and what became of its actions."""
    if not world.steps:
        raise Wrong("no step was taken in the environment: rollout.step(action) takes one")
    if world.seeds[0] != 5:
        raise Wrong("the first episode must begin with the seed given: rollout.start(seed)")
    if world.steps != steps:
        raise Wrong(f"asked for were {steps} steps of the environment; you took {world.steps}")
    happened = world.happened
    if not witness.chosen:
        raise Wrong("the agent was never asked for an action: agent.act(observation, …)")
    if any(witness.chosen.get(step) != row[1] for step, row in happened.items()):
        raise Wrong("the environment was not given the action that the agent chose")
    if any(witness.shown[step] != row[0] for step, row in happened.items()):
        raise Wrong(
            "the agent was shown an old observation: each round ends with rollout.observation"
        )
    given = witness.epsilon[list(happened)]
    expected = torch.tensor([falling(step) for step in happened])
    if close(given, expected):
        return
    if not given.any():
        raise Wrong("the agent was asked without ε, so it never explores: pass epsilon(step)")
    if close(given, given[:1].expand(len(given))):
        raise Wrong("ε was the same at every step: ask epsilon(step) each time")
    row = int((given - expected).abs().gt(1e-4).nonzero()[0])
    raise Wrong(
        f"at step {list(happened)[row]}, counted from 0, ε should be {expected[row]:.3g}, and was "
        f"{given[row]:.3g}"
    )


def _check_memory(happened: Tensor, given: Tensor, steps: int) -> None:
    """Look at step 4: each transition once, with all its fields."""
    before, action, reward, terminated, truncated, after = happened.T
    ended = (terminated + truncated).bool()
    if not len(given):
        raise Wrong("nothing was stored: memory.add(…) keeps a transition")
    if len(given) == steps:
        raise Wrong("steps that only reset were stored as well: they have t.valid false")
    if len(given) == len(happened) - ended.sum():
        raise Wrong(
            "the last steps of episodes are missing. They are real; only the step after each is not"
        )
    if given.shape != happened.shape:
        raise Wrong(
            f"there were {len(happened)} real steps, and {len(given)} are in the memory: each is "
            "stored once"
        )
    known = {
        "where the clock cut the episode off you stored a termination: keep the two apart": (
            torch.stack([before, action, reward, ended.float(), truncated, after], 1)
        ),
        "next_observation is the observation before the step; t.next_observation comes after": (
            torch.stack([before, action, reward, terminated, truncated, before], 1)
        ),
        "observation is the one after the step; t.observation is the one that was acted upon": (
            torch.stack([after, action, reward, terminated, truncated, after], 1)
        ),
        "terminated and truncated are swapped": (
            torch.stack([before, action, reward, truncated, terminated, after], 1)
        ),
    }
    if not close(given, happened):
        row, column = (given - happened).abs().gt(1e-4).nonzero()[0].tolist()
        right, wrong = happened[row, column].item(), given[row, column].item()
        name_mistake(
            given,
            known,
            f"the {FIELDS[column]} of transition {row} should be {right:g}, and is {wrong:g}",
        )


def _check_updates(batches: list[tuple[int, int]], world: Ladder, batch_size: int) -> None:
    """Look at steps 5 to 7: when the agent learns, and from how many rows."""
    if not batches:
        raise Wrong("the agent never learns: call agent.update with a batch from the memory")
    rows, known = batches[0]
    if known < batch_size:
        raise Wrong(f"the agent learnt when {known} rows were in memory; wait for {batch_size}")
    if known > batch_size:
        raise Wrong(
            f"the agent must learn as soon as {batch_size} rows are in memory; you waited for "
            f"{known}"
        )
    if rows != batch_size:
        raise Wrong(f"a batch should have {batch_size} rows, and has {rows}")
    first = sorted(world.happened)[batch_size - 1]
    least, most = sum(step >= first for step in world.happened), world.steps - first
    if not least <= len(batches) <= most:
        raise Wrong(
            f"the agent should learn once after each step from then on, {most} times; it learnt "
            f"{len(batches)} times"
        )


# Random inputs, on which an answer must agree with the solution -----------------------------------


def cases_taken_q_values(rng: torch.Generator) -> Iterator[Case]:
    """Draw batches of several shapes; a loss must reach the Q-values."""
    for stage, rows, actions in (
        ("other shapes", 6, 2),
        ("other shapes", 3, 5),
        ("a batch of 1", 1, 3),
        ("a batch of 1", 1, 1),
        ("a single action", 4, 1),
    ):
        q_values = normal(rng, rows, actions).requires_grad_()
        yield Case(stage, (q_values, whole(rng, actions, rows)))


def cases_td_targets(rng: torch.Generator) -> Iterator[Case]:
    """Draw both flags at random, rewards and values of both signs."""
    for stage, rows, actions, discount in (
        ("both flags at random", 12, 3, 0.9),
        ("both flags at random", 12, 2, 0.5),
        ("a batch of 1", 1, 2, 0.9),
        ("a single action", 5, 1, 0.9),
        ("γ = 0 and γ = 1", 4, 2, 0.0),
        ("γ = 0 and γ = 1", 4, 2, 1.0),
    ):
        ends = flags(rng, 2, rows)
        yield Case(stage, (normal(rng, rows), *ends, normal(rng, rows, actions), discount))
    both = torch.ones(2, 3, dtype=torch.bool)
    yield Case("both flags true at once", (normal(rng, 3), *both, normal(rng, 3, 2), 0.9))


def cases_dqn_loss(rng: torch.Generator) -> Iterator[Case]:
    """Draw networks and batches; the target network may be frozen."""
    for stage, rows, actions, discount in (
        ("other networks", 6, 2, 0.9),
        ("other networks", 5, 4, 0.5),
        ("a batch of 1", 1, 3, 0.9),
        ("γ = 0 and γ = 1", 3, 2, 0.0),
        ("γ = 0 and γ = 1", 3, 2, 1.0),
        ("a frozen target network", 4, 3, 0.9),
    ):
        online, target = perceptron(rng, 4, 5, actions), perceptron(rng, 4, 5, actions)
        target.requires_grad_(stage != "a frozen target network")
        batch = {
            "observation": normal(rng, rows, 4),
            "action": whole(rng, actions, rows),
            "reward": normal(rng, rows),
            "terminated": flags(rng, rows),
            "truncated": flags(rng, rows),
            "next_observation": normal(rng, rows, 4),
        }
        yield Case(stage, (online, target, batch, discount))


def cases_update_target(rng: torch.Generator) -> Iterator[Case]:
    """Draw pairs of networks and rates, both ends included."""
    for stage, rate in (
        ("other networks", 0.1),
        ("other networks", 0.7),
        ("rate 0 and rate 1", 0.0),
        ("rate 0 and rate 1", 1.0),
        ("a frozen target network", 0.4),
    ):
        target, online = perceptron(rng, 3, 4, 2), perceptron(rng, 3, 4, 2)
        target.requires_grad_(stage != "a frozen target network")
        yield Case(stage, (target, online, rate))


def cases_real_steps(rng: torch.Generator) -> Iterator[Case]:
    """Draw flags at random, both true at once among them."""
    for stage, steps, environments in (
        ("both flags at random", 12, 2),
        ("both flags at random", 5, 4),
        ("one environment", 7, 1),
        ("one step", 1, 3),
    ):
        yield Case(stage, tuple(flags(rng, 2, steps, environments)))
    yield Case("both flags true at once", tuple(torch.ones(2, 4, 2, dtype=torch.bool)))


def cases_dqn_loop(rng: torch.Generator) -> Iterator[Case]:
    """Draw numbers of steps, sizes of batches and seeds; the witness must see the same."""
    for stage, steps, batch_size in (
        ("other numbers of steps", 25, 4),
        ("other numbers of steps", 40, 16),
        ("a batch of 1", 12, 1),
        ("fewer steps than rows in a batch", 5, 9),
    ):
        seed = int(whole(rng, 1000))

        def arguments(steps: int = steps, batch_size: int = batch_size, seed: int = seed) -> tuple:
            world, memory = Ladder(), ReplayBuffer(100)
            witness = Witness(world, memory, steps)
            return witness, world, memory, falling, steps, batch_size, seed

        yield Case(stage, arguments)


EXERCISES = (
    Exercise(
        "02.1",
        check_taken_q_values,
        (
            "q_values[row, action[row]] for each row. Which torch function does this for all rows?",
            "`gather(1, index)` wants an index with as many dimensions as q_values.",
            "gather gives the shape (batch, 1); squeeze(1) takes the last dimension away:\n"
            "q_values.gather(1, action.unsqueeze(1)).squeeze(1)",
        ),
        taken_q_values,
        "this line stands in every DQN; for pixels it works unchanged",
        cases=cases_taken_q_values,
        why="gather takes from row i the column action[i]; its index has as many dimensions as "
        "q_values",
    ),
    Exercise(
        "02.2",
        check_td_targets,
        (
            "Which of the two flags says that no reward can follow?",
            "The value of the next state is the greatest Q-value of its row: next_q_values.max(1).",
            "Multiply the bootstrap by 1 where not terminated and by 0 where terminated:\n"
            "reward + discount * next_value * ~terminated",
        ),
        td_targets,
        "a truncated episode is bootstrapped, a terminated one is not",
        cases=cases_td_targets,
        why="~terminated is 0 where the episode ended by itself, and switches off the bootstrap"
        " there alone",
    ),
    Exercise(
        "02.3",
        check_dqn_loss,
        (
            "You have both pieces already: exercises 02.1 and 02.2.",
            "Compute y under torch.no_grad(), from the target network.",
            "Both y and the taken Q-values must have shape (batch,) before you subtract:\n"
            "0.5 * ((y - q_taken) ** 2).mean()",
        ),
        dqn_loss,
        "value and gradient are both right",
        cases=cases_dqn_loss,
        why="y is a fixed goal: without its gradient the loss pulls Q(s, a) towards y, never y "
        "towards Q(s, a)",
    ),
    Exercise(
        "02.4",
        check_update_target,
        (
            "Go through the parameters of both networks in pairs: zip(…, …).",
            "Under torch.no_grad(), functions that end in _ write into a tensor: mul_, add_.",
            "slow.mul_(1 - rate).add_(rate * fast)",
        ),
        update_target,
        "with rate 1 this is the copy of Mnih et al. (2015)",
        cases=cases_update_target,
        why="written in place the parameters stay those that the network uses, and 1 − ρ and ρ "
        "sum to 1",
    ),
    Exercise(
        "02.5",
        check_real_steps,
        (
            "In this mode an environment that ended uses its next step only to reset.",
            "So a step is real unless the step before it, in the same environment, was an end.",
            "Shift the flags by one step; the first row is all true:\n"
            "torch.cat([torch.ones_like(ended[:1]), ~ended[:-1]])",
        ),
        real_steps,
        "now no transition that never happened gets into the memory",
        cases=cases_real_steps,
        why="the step after an end only resets, and that holds for each environment by itself",
    ),
    Exercise(
        "02.6",
        check_dqn_loop,
        (
            "Start a Rollout with the seed, then repeat: act, step, store, learn.",
            "A transition has six fields. rollout.step returns them, and says in valid whether the "
            "step was a real one.",
            "Learn once the memory holds batch_size rows, and go on to the next observation:\n"
            "if len(memory) >= batch_size: agent.update(memory.sample(batch_size))",
        ),
        dqn_loop,
        "an agent trained by your loop knows the Q-values of a small world",
        cases=cases_dqn_loop,
        why="each round acts on what is seen now, keeps what really happened, and learns from a "
        "random draw of all of it",
    ),
)
