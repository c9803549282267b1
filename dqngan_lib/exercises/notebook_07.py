"""Exercises of notebook 07: fixed points, ways of a gradient, and equality of bits."""

import math
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor, nn

from dqngan_lib.exercises.base import (
    Case,
    Exercise,
    Wrong,
    close,
    expect_number,
    expect_tensor,
    flags,
    normal,
    perceptron,
    uniform,
    whole,
)


def replays_until(start: float, end: float, decay: float) -> int:
    """Count the factors until ε has come down."""
    epsilon, replays = start, 0
    while epsilon > end:
        epsilon, replays = epsilon * decay, replays + 1
    return replays


def check_replays_until(answer: Callable[[float, float, float], int]) -> None:
    """Compare with a few cases that can be counted on one hand, then with the recipe's."""
    given = expect_number(answer(1.0, 0.3, 0.5), "the number of replays")
    known = {  # 1, 0.5, 0.25: two replays
        1.0: "after one replay ε is 0.5, still above 0.3: round up, not down",
        3.0: "count the replays, not the values of ε: 1, 0.5, 0.25 are two replays",
        math.log(0.3) / math.log(0.5): "there are only whole replays: round up",
    }
    if given < 0:
        raise Wrong(
            f"{given:.4g} replays? Turn the sign around: log(end / start) and log(decay) are both "
            "negative"
        )
    if not close(given, 2):
        message = next((text for value, text in known.items() if close(given, value)), None)
        raise Wrong(message or f"1.0, 0.5, 0.25: from 1.0 to 0.3 it takes 2, yours {given:g}")
    given = expect_number(answer(1.0, 0.25, 0.5), "the number of replays")
    if not close(given, 2):
        raise Wrong(
            f"from 1.0 to exactly 0.25 by 0.5 it takes 2 replays, yours {given:g}: `end` itself "
            "is small enough"
        )
    given = expect_number(answer(0.5, 0.1, 0.5), "the number of replays")
    if not close(given, 3):
        note = " Use `start`." if close(given, 4) else " Each replay multiplies ε by `decay`."
        raise Wrong(f"0.5, 0.25, 0.125, 0.0625: from 0.5 to 0.1 takes 3, yours {given:g}.{note}")
    given = expect_number(answer(0.05, 0.1, 0.9), "the number of replays")
    if not close(given, 0):
        raise Wrong(f"where start is below end already the answer is 0, yours {given:g}")
    given = expect_number(answer(1.0, 0.01, 0.995), "the number of replays")
    if not close(given, 919, 1e-6):
        raise Wrong(f"for the recipe it takes 919 replays, yours {given:g}")


def fixed_point(reward: float, discount: float, p_end: float) -> float:
    """Solve Q = r + γ (1 − p_end) Q."""
    return reward / (1 - discount * (1 - p_end))


def check_fixed_point(answer: Callable[[float, float, float], float]) -> None:
    """Compare with p_end = 0 and p_end = 1 by hand, then repeat the backup until nothing moves."""
    given = expect_number(answer(1.0, 0.95, 0.0), "the fixed point")
    known = {
        1.0: "with p_end = 0 nothing ever ends: the next value must be bootstrapped",
        0.05: "multiply out: Q − γQ = r, so divide r by 1 − γ",
        1 / 0.95: "divide by 1 − γ, not by γ",
        1 / 1.95: "Q − γQ is (1 − γ) Q: the sign of γ is turned around",
        0.95 / 0.05: "the first reward is not discounted: r + γr + γ²r + …",
    }
    if not close(given, 20.0):
        message = next((text for value, text in known.items() if close(given, value)), None)
        raise Wrong(message or f"r = 1, γ = 0.95 and no end: Q = 20, yours {given:.4g}")
    given = expect_number(answer(-3.0, 0.5, 0.0), "the fixed point")
    if not close(given, -6.0):
        raise Wrong(f"r = −3, γ = 0.5 and no end: Q = −6, yours {given:.4g}. Use both arguments")
    given = expect_number(answer(2.0, 0.9, 1.0), "the fixed point")
    if close(given, 20.0):
        raise Wrong("p_end = 1 has no effect: if each step is terminal nothing follows, and Q = r")
    if close(given, 0.0):
        raise Wrong("p_end = 1: nothing *follows*, but the reward of this step is there: Q = r")
    if not close(given, 2.0):
        raise Wrong(f"r = 2 and each step is terminal: Q = r = 2, yours {given:.4g}")
    for reward, discount, p_end in ((1.5, 0.9, 0.25), (-2.0, 0.5, 0.5), (4.0, 0.0, 0.3)):
        expected = 0.0
        for _ in range(200):
            expected = reward + discount * (p_end * 0.0 + (1 - p_end) * expected)
        given = expect_number(answer(reward, discount, p_end), "the fixed point")
        mixture = p_end * reward + (1 - p_end) * reward / (1 - discount)
        if not close(given, expected) and close(given, mixture):
            raise Wrong(
                "you mix the two extremes, r and r/(1 − γ). But the episode may end at *every* "
                "step: put the mean target (1 − p_end) γ Q into the equation, then solve it"
            )
        if not close(given, expected):
            raise Wrong(
                f"r = {reward:g}, γ = {discount:g}, p_end = {p_end:g}: 200 backups end at "
                f"{expected:.4g}, yours is {given:.4g}"
            )


def chase(rewards: Tensor, discount: float, rate: float, start: float) -> Tensor:
    """Repeat Q ← Q + α (r + γ Q − Q), one reward after the other."""
    q, history = start, []
    for reward in rewards.tolist():
        q = q + rate * (reward + discount * q - q)
        history.append(q)
    return torch.tensor(history)


def check_chase(answer: Callable[..., Tensor]) -> None:
    """Compare with three updates by hand, then with the closed form for a constant reward."""
    rewards = torch.tensor([1.0, -1.0, 3.0])
    given = expect_tensor(answer(rewards.clone(), 0.5, 0.5, 4.0), (3,), "the Q-values").float()
    # Q ← 0.75 Q + 0.5 r: 3.5, 2.125, 3.09375.
    hand = [3.5, 2.125, 3.09375]
    known = {
        (4.0, 3.5, 2.125): "return Q *after* each update; yours begins with `start`",
        (2.5, 0.75, 1.875): "the target must contain γ Q: yours moves Q to the reward alone",
        (3.0, 0.5, 3.25): "α is not used: Q jumps to its target at once",
        (5.5, 6.375, 9.46875): "the error is r + γQ − Q: the last Q, with its minus, is missing",
        (0.5, -0.125, 1.40625): "Q must begin at `start`; yours begins at 0",
        (3.5, 2.5, 4.5): "each update starts from `start`: use the Q of the update before",
    }
    if not close(given, hand):
        message = next((text for v, text in known.items() if close(given, list(v))), None)
        raise Wrong(
            message
            or f"rewards 1, −1, 3, γ = α = 0.5, start 4: Q is {hand}, yours "
            f"{[round(x, 4) for x in given.tolist()]}"
        )
    constant = torch.full((50,), 2.0)
    given = expect_tensor(answer(constant.clone(), 0.9, 0.25, 0.0), (50,), "the Q-values").float()
    # The distance from 20 shrinks by 1 − α (1 − γ) = 0.975 with each update.
    expected = 20 * (1 - 0.975 ** torch.arange(1, 51))
    if not close(given, expected, 1e-3):
        swapped = 0.25, 0.9
        factor = 1 - swapped[1] * (1 - swapped[0])
        other = 2 / (1 - swapped[0]) * (1 - factor ** torch.arange(1, 51))
        if close(given, other, 1e-3):
            raise Wrong("γ and α have changed places")
        raise Wrong("for a constant reward 2, γ = 0.9 and α = 0.25 the values should approach 20")


def reached(loss: Tensor, networks: dict[str, nn.Module]) -> dict[str, int]:
    """Count the weights of each network that a way leads to from the loss."""
    counts = dict.fromkeys(networks, 0)
    for name, network in networks.items():
        weights = [weight for weight in network.parameters() if weight.requires_grad]
        if loss.requires_grad and weights:
            gradients = torch.autograd.grad(loss, weights, retain_graph=True, allow_unused=True)
            counts[name] = sum(g.numel() for g in gradients if g is not None)
    return counts


def check_reached(answer: Callable[[Tensor, dict[str, nn.Module]], dict[str, int]]) -> None:
    """Ask for losses whose ways are known, and look for traces afterwards."""
    rng = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    networks = {"maker": nn.Linear(2, 3), "judge": nn.Linear(3, 1), "agent": nn.Linear(2, 1)}
    before = {name: nn.init.ones_(torch.empty(3)) for name in networks}
    for name, network in networks.items():  # gradients that somebody still needs
        network.bias.grad = before[name][: len(network.bias)].clone()
    z = torch.randn(5, 2, generator=rng)
    value = networks["judge"](networks["maker"](z))
    ask = _Asker(answer, networks)
    # maker: 6 + 3 weights, judge: 3 + 1, agent: 2 + 1.
    ask("the loss of the maker", -value.mean(), {"maker": 9, "judge": 4, "agent": 0})
    for name, network in networks.items():
        if network.bias.grad is None or not close(
            network.bias.grad, before[name][: len(network.bias)]
        ):
            raise Wrong(
                f"the gradient that lay in {name}'s .grad before your call has changed or gone: "
                "torch.autograd.grad leaves .grad as it is"
            )
        if network.weight.grad is not None:
            raise Wrong("your function leaves new .grad behind: use torch.autograd.grad")
    cut = (value.detach() - networks["agent"](z)).square().mean()
    ask("a loss with a detached reward", cut, {"maker": 0, "judge": 0, "agent": 3})
    flat = 0.0 * networks["agent"](z).sum() + networks["judge"].bias.sum()
    ask("a loss with a gradient of 0", flat, {"maker": 0, "judge": 1, "agent": 3})
    ask("a loss with no graph", torch.tensor(1.0), {"maker": 0, "judge": 0, "agent": 0})
    loss = networks["agent"](z).mean()
    answer(loss, networks)
    try:
        loss.backward()
    except RuntimeError:
        raise Wrong(
            "after your call the loss cannot be differentiated any more: pass retain_graph=True"
        ) from None


class _Asker:
    """Ask for one loss after the other, and name what is wrong with an answer."""

    def __init__(self, answer: Callable[..., dict[str, int]], networks: dict) -> None:
        self.answer, self.networks = answer, networks

    def __call__(self, what: str, loss: Tensor, expected: dict[str, int]) -> None:
        try:
            given = self.answer(loss, self.networks)
        except RuntimeError as error:
            known = {
                "does not require grad": "your function raises an error for a loss without a "
                "graph: then no weight is reached",
                "not have been used": "a network that is not reached makes your function raise an "
                "error: pass allow_unused=True",
                "a second time": "your function differentiates the loss more than once: pass "
                "retain_graph=True",
            }
            message = next((text for piece, text in known.items() if piece in str(error)), None)
            if message is None:
                raise
            raise Wrong(message) from None
        if not isinstance(given, dict):
            raise Wrong(f"return a dict from names to numbers, not a {type(given).__name__}")
        if set(given) != set(self.networks):
            raise Wrong(f"the names must be {sorted(self.networks)}; yours are {sorted(given)}")
        given = {name: int(number) for name, number in given.items()}
        if given == expected:
            return
        tensors = {name: min(count, 2) for name, count in expected.items()}
        if given == tensors and given != expected:
            raise Wrong("count the weights in a tensor, .numel(), not the tensors")
        if "gradient of 0" in what and given["agent"] == 0:
            raise Wrong(
                "a weight whose gradient is 0 counts too, for a way leads to it. Not reached means "
                "that its gradient is None"
            )
        if "detached" in what and given["maker"]:
            raise Wrong(
                "behind a detached reward you still count the maker: are gradients of an earlier "
                "loss left over in .grad?"
            )
        everything = {n: sum(w.numel() for w in m.parameters()) for n, m in self.networks.items()}
        if given == everything:
            raise Wrong("you count all weights of a network, whether the loss reaches them or not")
        raise Wrong(f"{what} reaches {expected}, yours says {given}")


def bit_identical(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    """Compare names, shapes, types and the raw bytes."""
    return a.keys() == b.keys() and all(
        a[name].shape == b[name].shape
        and a[name].dtype == b[name].dtype
        and a[name].detach().numpy().tobytes() == b[name].detach().numpy().tobytes()
        for name in a
    )


def check_bit_identical(answer: Callable[[dict, dict], bool]) -> None:
    """Compare pairs that differ in one respect each."""
    w, count = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor(7)
    state = {"w": w, "count": count}

    def ask(a: dict[str, Tensor], b: dict[str, Tensor], expected: bool, mistake: str) -> None:
        given = answer(a, b)
        if given is None:
            raise Wrong("your function returned None. Is `return` missing?")
        if isinstance(given, Tensor) and given.numel() != 1:
            raise Wrong("return one True or False, not a tensor of them: all of them must agree")
        if bool(given) != expected:
            raise Wrong(mistake)

    same = {"w": w.clone(), "count": count.clone()}
    ask(state, same, True, "two equal copies must be identical: compare contents, not objects")
    turned = {"count": count.clone(), "w": w.clone()}
    ask(state, turned, True, "the order of the names must not matter: look them up by name")
    last = {"w": w, "count": count + 1}
    ask(state, last, False, "a difference in the last tensor is not seen: look at all of them")
    first = {"w": w + 1, "count": count}
    ask(state, first, False, "a difference in the first tensor is not seen: *all* must agree")
    near = {"w": w.clone(), "count": count}
    near["w"][1, 1] = torch.nextafter(w[1, 1], torch.tensor(9.0))
    ask(state, near, False, "weights that differ in the last bit are not identical: no tolerance")
    more = state | {"b": w}
    ask(state, more, False, "the second has a name more than the first: compare the names")
    ask(more, state, False, "the first has a name more than the second: compare the names")
    ask({"w": w}, {"v": w}, False, "the same tensors under other names are not identical states")
    row = {"w": torch.ones(1, 2)}
    ask({"w": torch.ones(2, 2)}, row, False, "(2, 2) and (1, 2) are broadcast: compare the shapes")
    flat = {"w": w.flatten(), "count": count}
    ask(state, flat, False, "(2, 2) and (4,) hold the same bytes: compare the shapes too")
    double = {"w": w.double(), "count": count}
    ask(state, double, False, "float32 and float64 are not the same bits: compare the types")
    zeros = {"w": torch.zeros(2, 2)}, {"w": torch.zeros(2, 2, dtype=torch.int32)}
    ask(*zeros, False, "float 0.0 and int 0 have the same bytes: compare the types too")
    sign = {"w": torch.tensor([0.0])}, {"w": torch.tensor([-0.0])}
    ask(*sign, False, "0.0 == -0.0 is true, but one bit differs: compare the bits, not the values")
    nan = {"w": torch.tensor([float("nan")])}, {"w": torch.tensor([float("nan")])}
    ask(*nan, True, "nan == nan is false, though all bits agree: compare the bits, not the values")
    across = {"w": w.T.contiguous().T, "count": count}
    ask(state, across, True, "one matrix is stored by columns, but its numbers are the same ones")


# Random inputs, on which an answer must agree with the solution -----------------------------------


def cases_replays_until(rng: torch.Generator) -> Iterator[Case]:
    """Draw starts, ends and factors; powers of ½ meet the end exactly."""
    for _ in range(4):
        start, end, decay = uniform(rng, 3).tolist()
        yield Case("other numbers", (1 + start, 0.05 + end / 2, 0.5 + 0.4 * decay))
    for end in (0.5, 0.125, 1.0):
        yield Case("an end that is met exactly", (1.0, end, 0.5))
    yield Case("an end that is met exactly", (8.0, 1.0, 0.5))
    yield Case("nothing to do", (0.2, 0.7, 0.9))


def cases_fixed_point(rng: torch.Generator) -> Iterator[Case]:
    """Draw rewards of both signs, γ and chances with their ends."""
    for _ in range(3):
        reward = normal(rng, 1).item()
        yield Case("other numbers", (reward, *(0.99 * uniform(rng, 2)).tolist()))
    for discount, p_end in ((0.0, 0.5), (0.5, 0.0), (0.5, 1.0), (0.0, 0.0)):
        yield Case("ends of γ and p_end", (normal(rng, 1).item(), discount, p_end))


def cases_chase(rng: torch.Generator) -> Iterator[Case]:
    """Draw rewards and starts of both signs, rates and γ with their ends."""
    for stage, count, discount, rate in (
        ("other rewards", 5, 0.9, 0.3),
        ("other rewards", 3, 0.4, 0.8),
        ("one reward", 1, 0.9, 0.3),
        ("rate 0 and rate 1", 4, 0.9, 0.0),
        ("rate 0 and rate 1", 4, 0.9, 1.0),
        ("γ = 0 and γ = 1", 4, 0.0, 0.5),
        ("γ = 0 and γ = 1", 4, 1.0, 0.5),
    ):
        yield Case(stage, (normal(rng, count), discount, rate, normal(rng, 1).item()))


def cases_reached(rng: torch.Generator) -> Iterator[Case]:
    """Draw networks that a loss reaches in part; some of the weights are frozen."""
    seed = whole(rng, 1_000_000, 1).item()

    def make(kind: str) -> tuple[Tensor, dict[str, nn.Module]]:
        rng = torch.Generator().manual_seed(seed)
        maker, judge, agent = (perceptron(rng, 3, size, 2) for size in (4, 5, 6))
        networks = {"maker": maker, "judge": judge, "agent": agent}
        x = normal(rng, 5, 3)
        if kind == "one network alone":
            loss = agent(x).sum()
        elif kind == "a loss of 0":
            loss = 0.0 * (maker(x) + judge(x)).sum()
        elif kind == "weights that are frozen":
            judge[0].requires_grad_(False)
            loss = (maker(x) - judge(x)).square().mean()
        else:
            agent(x).sum().backward()  # gradients of an earlier loss
            loss = maker(x).mean() + judge[0](x).mean()
        return loss, networks

    for kind in (
        "one network alone",
        "a loss of 0",
        "weights that are frozen",
        "gradients of an earlier loss",
    ):
        yield Case(kind, partial(make, kind))


def cases_bit_identical(rng: torch.Generator) -> Iterator[Case]:
    """Draw pairs of state dicts that agree, or differ in one place."""
    state = {"w": normal(rng, 3, 2), "n": whole(rng, 9, 1)[0], "b": flags(rng, 4)}
    yield Case("equal states", (state, {name: t.clone() for name, t in state.items()}))
    yield Case("equal states", ({}, {}))
    for name in state:
        other = {key: t.clone() for key, t in state.items()}
        other[name] = ~other[name] if name == "b" else -1 - other[name]
        yield Case("one tensor differs", (state, other))
        yield Case("a name is missing", (state, {k: t for k, t in state.items() if k != name}))
        yield Case("a name is missing", ({k: t for k, t in state.items() if k != name}, state))
    yield Case("an empty tensor", ({"w": torch.zeros(0)}, {"w": torch.zeros(0)}))
    yield Case("an empty tensor", ({"w": torch.zeros(0, 2)}, {"w": torch.zeros(0)}))


EXERCISES = (
    Exercise(
        "07.1",
        check_replays_until,
        (
            "Count with a loop, or solve start · decayⁿ = end for n.",
            "n = log(end / start) / log(decay), rounded up, and not below 0.",
            "The loop:\nwhile epsilon > end: epsilon, replays = epsilon * decay, replays + 1",
        ),
        replays_until,
        "919 replays for the recipe: our 300 rounds ended in the middle of its exploration",
        cases=cases_replays_until,
        why="the loop is the definition: it stops at the first n with start · decayⁿ ≤ end",
    ),
    Exercise(
        "07.2",
        check_fixed_point,
        (
            "The mean target: r + γ · (p_end · 0 + (1 − p_end) · Q).",
            "Set Q equal to it and bring all Q to one side.",
            "Q (1 − γ (1 − p_end)) = r, so Q is:\nreward / (1 - discount * (1 - p_end))",
        ),
        fixed_point,
        "a chance to end works like a smaller discount, γ (1 − p_end)",
        cases=cases_fixed_point,
        why="Q = r + γ (1 − p_end) Q is linear in Q",
    ),
    Exercise(
        "07.3",
        check_chase,
        (
            "Keep one number q. For each reward: y = r + γ q, then q ← q + α (y − q).",
            "Put q into a list after each update, and make a tensor of the list at the end.",
            "for r in rewards.tolist(): q = q + rate * (r + discount * q - q); history.append(q)",
        ),
        chase,
        "with γ near 1 the distance shrinks by 1 − α (1 − γ) only: it is slow to follow",
        cases=cases_chase,
        why="each target is made with the Q of that moment, so the updates happen in their order",
    ),
    Exercise(
        "07.4",
        check_reached,
        (
            "torch.autograd.grad(loss, weights, …) returns one gradient for each tensor of weights,"
            " and None with allow_unused=True where no way leads.",
            "Differentiating frees the graph; retain_graph=True keeps it for the next network.",
            "A loss without a graph has loss.requires_grad == False: then all counts are 0.",
            "sum(g.numel() for g in gradients if g is not None)",
        ),
        reached,
        "None and 0 are different answers: no way, and a way that is flat",
        cases=cases_reached,
        why="autograd gives None where no way leads, and a tensor, be it 0, where one does",
    ),
    Exercise(
        "07.5",
        check_bit_identical,
        (
            "Compare a.keys() with b.keys(), then each pair of tensors: shape, dtype, bits.",
            "== compares values. The bits of a tensor: tensor.numpy().tobytes().",
            "For each name k, shapes and types must agree as well as:\n"
            "a[k].numpy().tobytes() == b[k].numpy().tobytes()",
        ),
        bit_identical,
        "this is what 'nothing changed' means",
        cases=cases_bit_identical,
        why="== calls −0 and 0 equal and NaN unequal to itself; bytes do neither",
    ),
)
