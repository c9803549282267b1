"""Exercises of notebook 03: double, dueling, n-step and prioritised; and two balls to catch."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from dqngan_lib.dqn.agent import DQN, DQNSettings
from dqngan_lib.dqn.networks import QNetwork
from dqngan_lib.dqn.training import TrainSettings, train_dqn
from dqngan_lib.environments.base import StepResult
from dqngan_lib.environments.catch import Catch
from dqngan_lib.environments.rollout import Rollout
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


def double_target(
    reward: Tensor, terminated: Tensor, online_q: Tensor, target_q: Tensor, discount: float
) -> Tensor:
    """Return y = r + γ (1 − terminated) Q_target(s′, argmax Q_online(s′, ·))."""
    best = online_q.argmax(1, keepdim=True)
    next_value = target_q.gather(1, best).squeeze(1)
    return reward + discount * next_value * (~terminated)


def check_double_target(answer: Callable[..., Tensor]) -> None:
    """Compare with three rows worked by hand, the second of them terminated."""
    reward = torch.tensor([1.0, 2.0, -3.0])
    terminated = torch.tensor([False, True, False])
    online = torch.tensor([[5.0, 1.0, 2.0], [0.0, 3.0, 9.0], [-1.0, -8.0, -2.0]])
    target = torch.tensor([[10.0, 40.0, 20.0], [8.0, 6.0, 4.0], [-12.0, -6.0, -2.0]])
    arguments = (reward, terminated, online, target)
    given = answer(*(argument.clone() for argument in arguments), 0.5)
    given = expect_tensor(given, (3,), "the result").float()
    # Row 0: online prefers action 0, target says 10. Row 2: action 0 again, target says −12.
    going_on = ~terminated
    mistakes = {
        "the two networks are swapped: the online one chooses, the target one says how good": (
            reward + 0.5 * going_on * torch.tensor([1.0, 0.0, -2.0])
        ),
        "this is the plain target: its action was chosen by the target network as well": (
            reward + 0.5 * going_on * target.max(1).values
        ),
        "the value comes from the online network, which chose the action: ask the target network": (
            reward + 0.5 * going_on * online.max(1).values
        ),
        "row 1 is terminated: nothing may be bootstrapped from it": (
            reward + 0.5 * torch.tensor([10.0, 4.0, -12.0])
        ),
        "it is the wrong way round: you bootstrap only where the episode has terminated": (
            reward + 0.5 * terminated * torch.tensor([10.0, 4.0, -12.0])
        ),
        "the discount is missing": reward + going_on * torch.tensor([10.0, 4.0, -12.0]),
        "argmax gives the number of the action; gather its Q-value": (
            reward + 0.5 * going_on * online.argmax(1)
        ),
        "the last reward of an episode counts too: only the bootstrap becomes 0": (
            (reward + 0.5 * torch.tensor([10.0, 4.0, -12.0])) * going_on
        ),
        "the smaller of the two greatest values is another method; use the online network's action": (  # noqa: E501
            reward + 0.5 * going_on * torch.minimum(online.max(1).values, target.max(1).values)
        ),
    }
    if close(given, [6.0, 2.0, -9.0]):
        return
    for message, numbers in mistakes.items():
        if close(given, numbers):
            raise Wrong(message)
    raise Wrong(f"for the rows of the check the answer is [6, 2, -9]; yours is {_list(given)}")


def dueling_q(value: Tensor, advantage: Tensor) -> Tensor:
    """Return V + A − mean A over the actions."""
    return value + advantage - advantage.mean(1, keepdim=True)


def check_dueling_q(answer: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Compare with numbers worked by hand; add a constant to A, which must not matter."""
    value = torch.tensor([[10.0], [-4.0]])
    advantage = torch.tensor([[1.0, 2.0, 6.0], [0.0, -5.0, 2.0]])
    given = expect_tensor(answer(value.clone(), advantage.clone()), (2, 3), "the result").float()
    expected = torch.tensor([[8.0, 9.0, 13.0], [-3.0, -8.0, -1.0]])
    mistakes = {
        "the mean is not subtracted: V and A could drift apart by any constant": value + advantage,
        "the value is missing": advantage - advantage.mean(1, keepdim=True),
        "the advantages are added twice, or the mean with the wrong sign": (
            value + advantage + advantage.mean(1, keepdim=True)
        ),
        "you subtract the mean over the batch; take it over the actions, dimension 1": (
            value + advantage - advantage.mean(0, keepdim=True)
        ),
        "you subtract one mean over all rows and actions; each row has its own": (
            value + advantage - advantage.mean()
        ),
        "you subtract the greatest advantage (equation 8 of the paper); asked for is the mean": (
            value + advantage - advantage.max(1, keepdim=True).values
        ),
        "you subtract the sum over the actions; divide by their number": (
            value + advantage - advantage.sum(1, keepdim=True)
        ),
    }
    for message, numbers in mistakes.items():
        if close(given, numbers):
            raise Wrong(message)
    if not close(given, expected):
        raise Wrong(
            "for V = 10 and A = [1, 2, 6], whose mean is 3, the answer is [8, 9, 13]; yours is "
            f"{_list(given[0])}"
        )
    if not close(answer(value.clone(), advantage + 7), expected):
        raise Wrong("adding 7 to every advantage changed the result: the mean must take it back")


def n_step_targets(
    reward: Tensor,
    terminated: Tensor,
    truncated: Tensor,
    next_value: Tensor,
    discount: float,
    n: int,
) -> Tensor:
    """Return the n-step target of every step of one stream of experience."""
    targets = []
    for start in range(len(reward)):
        total, weight = 0.0, 1.0
        for t in range(start, min(start + n, len(reward))):
            total = total + weight * reward[t]
            weight = weight * discount
            if terminated[t] or truncated[t]:
                break
        targets.append(total + weight * next_value[t] * (~terminated[t]))
    return torch.stack(targets)


def check_n_step_targets(answer: Callable[..., Tensor]) -> None:
    """Compare with sums written out by hand: an end of each kind, and the end of the memory."""
    r = torch.tensor([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0])
    v = torch.tensor([100.0, 300.0, 700.0, 1100.0, 1300.0, 1700.0, 1900.0])
    terminated = torch.tensor([False, False, True, False, False, False, False])
    truncated = torch.tensor([False, False, False, False, True, False, False])
    g = 0.5

    def ask(n: int) -> Tensor:
        arguments = (x.clone() for x in (r, terminated, truncated, v))
        return expect_tensor(answer(*arguments, g, n), (7,), "the result").float()

    one = [1 + g * 100, 2 + g * 300, 4, 8 + g * 1100, 16 + g * 1300, 32 + g * 1700, 64 + g * 1900]
    given = ask(3)
    # Steps 0, 1, 2 end with the termination; 3 and 4 with the truncation; 5, 6 with the memory.
    expected = [
        1 + g * 2 + g**2 * 4,
        2 + g * 4,
        4.0,
        8 + g * 16 + g**2 * 1300,
        16 + g * 1300,
        32 + g * 64 + g**2 * 1900,
        64 + g * 1900,
    ]
    if close(given, expected):
        if not close(ask(1), one):
            raise Wrong("with n = 1 the targets must be the ordinary ones, r + γ V(s′)")
        if not close(ask(2)[0], 1 + g * 2 + g**2 * 300):
            raise Wrong("with n = 2 step 0 is r₀ + γ r₁ + γ² V(s₂): nothing has ended yet")
        return
    if close(given, one):
        raise Wrong("these are the one-step targets: n = 3 rewards must be summed")
    if close(given[2], 4 + g * 700):
        raise Wrong("step 2 is terminated: its target is its reward, with nothing bootstrapped")
    if close(given[2], 4 + g * 8 + g**2 * 16) or close(
        given[2], 4 + g * 8 + g**2 * 16 + g**3 * 1300
    ):
        raise Wrong("the sum runs past the termination at step 2, into another episode's rewards")
    if close(given[4], 16.0):
        raise Wrong("step 4 is truncated, not terminated: bootstrap from V there")
    if close(given[4], 16 + g * 32 + g**2 * 64 + g**3 * 1900) or close(
        given[4], 16 + g * 32 + g**2 * 64
    ):
        raise Wrong("the sum runs past the truncation at step 4, into another episode's rewards")
    if close(given[4], 16 + g**3 * 1300):
        raise Wrong(
            "step 4 sums one reward, so its bootstrap is discounted by γ, not γ³: count the "
            "rewards that were really summed"
        )
    if close(given[4], 16 + 1300):
        raise Wrong("the bootstrap is not discounted: with k rewards summed its weight is γᵏ")
    if close(given[4], g * 16 + g**2 * 1300) or close(given[4], g * 16 + g * 1300):
        raise Wrong("the first reward is not discounted: its weight is γ⁰ = 1")
    if close(given[0], 1 + 2 + 4):
        raise Wrong(
            "the rewards are not discounted: the k-th of them has the weight γᵏ, from k = 0"
        )
    wrong = next(t for t in range(7) if not close(given[t], expected[t]))
    raise Wrong(f"with n = 3 and γ = 0.5, step {wrong} should be {expected[wrong]:g}; yours is "
                f"{given[wrong].item():.6g}")  # fmt: skip


def train_two_balls(envs: Catch, seed: int) -> Callable[[Tensor], Tensor]:
    """Return the greedy policy of a double, dueling DQN, trained for 6,000 steps."""
    torch.manual_seed(seed)
    pixels = 2 * envs.side**2
    network = nn.Sequential(nn.Flatten(), QNetwork(pixels, 3, hidden=(128,), dueling=True))
    agent = DQN(network, DQNSettings(learning_rate=4e-3, backup="double"), seed)
    settings = TrainSettings(
        steps=6_000,
        capacity=6_000,
        batch_size=64,
        learn_after=200,
        updates_per_step=2,
        learning_rate_end=0.1,
        evaluate_every=6_000,
    )
    # With one evaluation, at the end, there is nothing to choose between: its score is not used.
    train_dqn(agent, envs, lambda agent: 0.0, settings, seed=seed)
    return agent.act


BOSS_SIDE, BOSS_STEPS, BOSS_SHARE = 6, 8_000, 0.85
"""The screen of the boss task, the steps it allows, and the share of episodes to win."""


class _CountedCatch(Catch):
    """Two balls, and a count of the steps taken."""

    taken = 0

    def step(self, action: Tensor) -> StepResult:
        """Step, and count a step for each environment."""
        self.taken += self.num_envs
        return super().step(action)


def check_train_two_balls(answer: Callable[[Catch, int], Callable[[Tensor], Tensor]]) -> None:
    """Let the answer train, and its policy play fresh episodes; say which ball it misses."""
    envs = _CountedCatch(16, BOSS_SIDE, 2)
    policy = answer(envs, 0)
    if policy is None:
        raise Wrong("your function returned None: return the policy, for instance agent.act")
    if isinstance(policy, DQN) or not callable(policy):
        raise Wrong(
            f"return the policy, a function from observations to actions, not a "
            f"{type(policy).__name__}: agent.act is one"
        )
    if envs.taken == 0:
        raise Wrong("your function took no step in envs: the agent must learn there")
    if envs.taken > BOSS_STEPS:
        raise Wrong(f"{envs.taken:,} environment steps; {BOSS_STEPS:,} are allowed")
    test = Catch(500, BOSS_SIDE, 2)
    rollout = Rollout(test)
    observation, rewards, actions = rollout.start(10**6), [], set()
    for _ in range(test.max_steps):
        action = expect_tensor(policy(observation), (500,), "what the policy returns")
        if action.is_floating_point():
            raise Wrong("the policy must return the numbers of actions, int64, not Q-values")
        actions |= set(action.tolist())
        step = rollout.step(action)
        rewards.append(step.reward)
        observation = rollout.observation
        if step.terminated.all():
            break
    caught = torch.stack([reward for reward in rewards if reward.any()]) > 0  # (balls, episodes)
    both, first, second = (x.float().mean().item() for x in (caught.all(0), *caught))
    if both >= BOSS_SHARE:
        return
    said = (
        f"both balls are caught in {100 * both:.0f} % of 500 fresh episodes; asked for are "
        f"{100 * BOSS_SHARE:.0f} %. The first ball: {100 * first:.0f} %, the second: "
        f"{100 * second:.0f} %"
    )
    if len(actions) == 1:
        raise Wrong(f"{said}. The policy always does the same")
    if both <= 0.3:
        raise Wrong(f"{said}. Random moves do as well: has the agent learnt at all?")
    if first - second > 0.1:
        raise Wrong(f"{said}. The reward of the second comes late: is it discounted away?")
    raise Wrong(f"{said}. More gradient steps, or a larger learning rate that falls, may do")


def priorities(
    td_error: Tensor, alpha: float, beta: float, small: float = 0.01
) -> tuple[Tensor, Tensor]:
    """Return the probabilities of prioritised replay and the weights that correct for them."""
    power = (td_error.abs() + small) ** alpha
    probability = power / power.sum()
    weight = (len(td_error) * probability) ** -beta
    return probability, weight / weight.max()


def check_priorities(answer: Callable[..., tuple[Tensor, Tensor]]) -> None:
    """Compare with a loop in plain Python; check what α = 0 and β = 1 must do."""
    errors = [0.24, -0.80, 0.0, 3.99]
    given = answer(torch.tensor(errors), 0.5, 0.8)
    if not isinstance(given, tuple | list) or len(given) != 2:
        raise Wrong("return two tensors: the probabilities and the weights")
    probability = expect_tensor(given[0], (4,), "the probabilities")
    weight = expect_tensor(given[1], (4,), "the weights")

    def shares(powers: list[float]) -> list[float]:
        return [power / sum(powers) for power in powers]

    p = shares([(abs(error) + 0.01) ** 0.5 for error in errors])
    if not torch.isfinite(probability).all():
        raise Wrong("a probability is not a finite number: take |δ| before the power α")
    if not close(probability, p):
        mistakes = {
            "α is missing: it is a power of each priority": [abs(e) + 0.01 for e in errors],
            "α is a power, not a factor; as a factor it cancels": [0.5 * e for e in errors],
            "row 1 has a negative error: take |δ|, a surprise has no sign": [
                max(e, 0.0) ** 0.5 + 0.01 for e in errors
            ],
            "the errors are squared; take |δ|": [(e * e + 0.01) ** 0.5 for e in errors],
            "add `small` to |δ| before the power α": [abs(e) ** 0.5 + 0.01 for e in errors],
        }
        if close(probability, [(abs(error) + 0.01) ** 0.5 for error in errors]):
            raise Wrong("the probabilities do not sum to 1: divide by the sum of all four")
        if close(probability[2], 0.0):
            raise Wrong("row 2 has error 0 and could never be drawn again: add `small` to |δ|")
        for message, powers in mistakes.items():
            if close(probability, shares(powers)):
                raise Wrong(message)
        raise Wrong(f"the probabilities should be {_list(p)}; yours are {_list(probability)}")
    raw = [(4 * share) ** -0.8 for share in p]
    if close(weight, raw):
        raise Wrong("divide the weights by the greatest of them, so that no step grows")
    if close(weight, shares(raw)):
        raise Wrong("divide the weights by the greatest of them, not by their sum")
    ratio = [w / max(raw) for w in raw]
    if close(weight, [share**0.8 / max(p) ** 0.8 for share in p]):
        raise Wrong("the power is −β: rows that are drawn often must count less, not more")
    if close(weight, [min(p) / share for share in p]):
        raise Wrong("β is missing in the weights: (N P)^−β")
    if close(weight, torch.ones(4)):
        raise Wrong("all weights are 1: then the surprising rows would count too much")
    if not close(weight, ratio):
        raise Wrong(f"the weights should be {_list(ratio)}; yours are {_list(weight)}")
    if not close(answer(torch.tensor(errors), 0.0, 1.0)[0], torch.full((4,), 0.25)):
        raise Wrong("with α = 0 every row must be drawn equally often")


def _list(numbers: Tensor | list[float]) -> str:
    """Write numbers with three significant digits."""
    return "[" + ", ".join(f"{float(number):.3g}" for number in numbers) + "]"


# Random inputs, on which an answer must agree with the solution -----------------------------------


def cases_double_target(rng: torch.Generator) -> Iterator[Case]:
    """Draw two networks' Q-values of both signs."""
    for stage, rows, actions, discount in (
        ("other shapes", 8, 3, 0.9),
        ("other shapes", 6, 5, 0.5),
        ("a batch of 1", 1, 3, 0.9),
        ("a single action", 4, 1, 0.9),
        ("γ = 0 and γ = 1", 4, 2, 0.0),
        ("γ = 0 and γ = 1", 4, 2, 1.0),
    ):
        online, target = normal(rng, 2, rows, actions)
        yield Case(stage, (normal(rng, rows), flags(rng, rows), online, target, discount))


def cases_dueling_q(rng: torch.Generator) -> Iterator[Case]:
    """Draw values and advantages; a loss must reach both."""
    for stage, rows, actions in (
        ("other shapes", 5, 2),
        ("other shapes", 3, 3),
        ("a batch of 1", 1, 4),
        ("a single action", 4, 1),
    ):
        value, advantage = normal(rng, rows, 1), normal(rng, rows, actions)
        yield Case(stage, (value.requires_grad_(), advantage.requires_grad_()))


def cases_n_step_targets(rng: torch.Generator) -> Iterator[Case]:
    """Draw streams with ends of both kinds, both at once among them."""
    for stage, steps, n, often in (
        ("ends at random", 12, 3, 0.25),
        ("ends at random", 12, 4, 0.25),
        ("many ends", 9, 5, 0.5),
        ("no ends", 8, 3, 0.0),
        ("n = 1", 6, 1, 0.3),
        ("n is more than the stream", 4, 9, 0.1),
        ("a single step", 1, 2, 0.5),
    ):
        ends = uniform(rng, 2, steps) < often
        yield Case(stage, (normal(rng, steps), *ends, normal(rng, steps), 0.8, n))
    both = torch.tensor([False, True, False, True])
    yield Case("both flags true at once", (normal(rng, 4), both, both, normal(rng, 4), 0.9, 3))
    none = torch.zeros(2, 5, dtype=torch.bool)
    for discount in (0.0, 1.0):
        yield Case("γ = 0 and γ = 1", (normal(rng, 5), *none, normal(rng, 5), discount, 2))


def cases_priorities(rng: torch.Generator) -> Iterator[Case]:
    """Draw errors of both signs and powers, both ends of each included."""
    for rows in (5, 9):
        yield Case("other errors", (normal(rng, rows), *uniform(rng, 2).tolist()))
        yield Case("another `small`", (normal(rng, rows), *uniform(rng, 2).tolist(), 0.5))
    for powers in ((0.0, 0.5), (1.0, 0.5), (0.5, 0.0), (0.5, 1.0)):
        yield Case("ends of α and β", (normal(rng, 4), *powers))
    yield Case("a single row", (normal(rng, 1), 0.6, 0.4))


EXERCISES = (
    Exercise(
        name="03.1",
        check=check_double_target,
        hints=(
            "Two questions, two networks. Which action is best? How good is it?",
            "online_q.argmax(1, keepdim=True) chooses; target_q.gather(1, …) says how good.",
            "Multiply the value by γ and by ~terminated, and only then add the reward:\n"
            "reward + discount * target_q.gather(1, best).squeeze(1) * ~terminated",
        ),
        solution=double_target,
        praise="one network chooses, the other one judges, so a lucky error is not believed twice",
        cases=cases_double_target,
        why="the networks err differently, so an action that one overrates is valued by the other",
    ),
    Exercise(
        name="03.2",
        check=check_dueling_q,
        hints=(
            "The mean is over the actions of one row.",
            "advantage.mean(1, keepdim=True) has the shape (batch, 1), like value:\n"
            "value + advantage - advantage.mean(1, keepdim=True)",
        ),
        solution=dueling_q,
        praise="a constant added to every advantage changes nothing any more",
        cases=cases_dueling_q,
        why="with their mean taken off the advantages sum to 0, so V alone carries the level",
    ),
    Exercise(
        name="03.3",
        check=check_n_step_targets,
        hints=(
            "Write two loops: one over the step at which the target begins, one over its rewards.",
            "Keep the weight of the next reward in a variable: 1, then γ, then γ². Stop the inner "
            "loop after a step that terminated or was truncated.",
            "After the inner loop the weight is γ to the number of rewards summed: just what "
            "the bootstrap needs. It is left out only where the last step terminated:\n"
            "total + weight * next_value[t] * ~terminated[t]",
        ),
        solution=n_step_targets,
        praise="both kinds of end, and the end of the memory, are treated rightly",
        cases=cases_n_step_targets,
        why="when the inner loop stops, `weight` is γ to the number of rewards summed, whatever"
        " stopped it",
    ),
    Exercise(
        name="03.4",
        check=check_train_two_balls,
        hints=(
            "The function `train` of section 6 is nearly the answer. What must change with the "
            "size of the screen?",
            "A small network learns faster here: nn.Flatten(), then a QNetwork with 2 · side² "
            "inputs. Few environment steps are allowed, but gradient steps are free.",
            "Return the greedy policy of the trained agent. With these settings it is in time:\n"
            "settings = TrainSettings(steps=6_000, capacity=6_000, batch_size=64, learn_after=200, "
            "updates_per_step=2, learning_rate_end=0.1, evaluate_every=6_000)",
        ),
        solution=train_two_balls,
        praise="it catches both balls, after little practice",
        why="the bootstrapped value of the first catch holds the second reward, so the paddle ends "
        "where the second ball can be reached",
    ),
    Exercise(
        name="03.5",
        check=check_priorities,
        hints=(
            "The priority of a row is |δ| + small. Raise it to α, then divide by the sum.",
            "The weight is (N · P(i)) to the power −β, with N the number of rows.",
            "At last divide all weights by the greatest of them:\n"
            "weight = (len(td_error) * probability) ** -beta; weight = weight / weight.max()",
        ),
        solution=priorities,
        praise="drawn more often, and counted less each time",
        cases=cases_priorities,
        why="a row that is drawn twice as often counts half; the greatest weight only sets the "
        "scale",
    ),
)
