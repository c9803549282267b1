"""Exercises of notebook 11: pixels that are agents."""

from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor
from torch.nn import functional

from dqngan_lib.exercises.base import (
    Case,
    Exercise,
    Wrong,
    close,
    expect_number,
    expect_tensor,
    flags,
    normal,
    uniform,
    whole,
)


def _compare(given: Tensor, expected: Tensor, known: Mapping[str, Tensor], otherwise: str) -> None:
    """Raise the message of the first known mistake that a wrong answer agrees with."""
    if close(given, expected):
        return
    for message, mistaken in known.items():
        if close(given, mistaken.expand_as(expected)):
            raise Wrong(message)
    raise Wrong(otherwise)


def _random(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


# 11.1 ---------------------------------------------------------------------------------------------


def reward_map(before: Tensor, after: Tensor, original: Tensor, scale: float) -> Tensor:
    """Return scale · ((before − original)² − (after − original)²) for every pixel."""
    return scale * ((before - original) ** 2 - (after - original) ** 2).squeeze(1)


def check_reward_map(answer: Callable[..., Tensor]) -> None:
    """Compare with three pixels by hand: one gains, one stands still, one overshoots."""
    before = torch.tensor([[[[0.2, 0.5, 0.9]]], [[[0.1, 0.4, 0.8]]]])
    after = torch.tensor([[[[0.4, 0.5, 0.5]]], [[[0.3, 0.3, 0.9]]]])
    original = torch.tensor([[[[0.5, 0.5, 0.8]]], [[[0.3, 0.0, 0.7]]]])
    given = answer(before.clone(), after.clone(), original.clone(), 10.0)
    if isinstance(given, Tensor) and given.dim() == 4:
        raise Wrong(
            "the reward has one number a pixel, (n, height, width): take the plane's dimension "
            "away with squeeze(1)"
        )
    given = expect_tensor(given, (2, 1, 3), "the reward")
    # Picture 0: 0.09 − 0.01, 0 − 0, 0.01 − 0.09. Picture 1: 0.04 − 0, 0.16 − 0.09, 0.01 − 0.04.
    expected = torch.tensor([[[0.8, 0.0, -0.8]], [[0.4, 0.7, -0.3]]])
    a, b = before - original, after - original
    known = {
        "the sign is turned round: a pixel that comes nearer must gain": -expected,
        "scale is missing: it multiplies the whole reward": expected / 10,
        "this is the fall of |error|; the reward is the fall of the squared error": 10
        * (a.abs() - b.abs()).squeeze(1),
        "this is how far the pixel moved, squared; compare both pictures with the original": 10
        * ((after - before) ** 2).squeeze(1),
        "this rewards the new error alone; subtract it from the old one": -10 * (b**2).squeeze(1),
        "this is (a − b)², and the reward is a² − b²": 10 * ((a - b) ** 2).squeeze(1),
        "losses are cut off at 0: a pixel that overshoots must pay": expected.clamp(min=0),
        "scale belongs outside the square": 10 * expected,
    }
    means = expected.mean((1, 2), keepdim=True)
    known["all pixels share their mean here: each must get its own reward"] = means
    _compare(given, expected, known, f"expected {expected.tolist()}, got {given.tolist()}")


# 11.2 ---------------------------------------------------------------------------------------------


def oracle_actions(results: Tensor, original: Tensor) -> Tensor:
    """Return the action with the least squared error for every pixel."""
    return (results - original).square().argmin(1)


def check_oracle_actions(answer: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Compare with a search pixel by pixel, on as many actions as pictures, rows and columns."""
    results, original = _random(4, 4, 4, 4), _random(4, 1, 4, 4, seed=1)
    given = answer(results.clone(), original.clone())
    if isinstance(given, Tensor) and given.is_floating_point():
        raise Wrong(
            "actions are whole numbers, int64; yours are floats. argmin says which, min how much"
        )
    if isinstance(given, Tensor) and given.dim() == 4:
        raise Wrong("one action a pixel, (n, height, width): there is a dimension too many")
    given = expect_tensor(given, (4, 4, 4), "the actions")
    expected = torch.zeros(4, 4, 4, dtype=torch.long)
    for n in range(4):
        for row in range(4):
            for column in range(4):
                errors = [
                    abs(results[n, action, row, column] - original[n, 0, row, column]).item()
                    for action in range(4)
                ]
                expected[n, row, column] = errors.index(min(errors))
    error = (results - original).square()
    whole_picture = error.mean((2, 3)).argmin(1)
    known = {
        "this is the *worst* action of every pixel: argmax where argmin belongs": error.argmax(1),
        "errors need a square or |…|: without it the darkest result wins": (
            results - original
        ).argmin(1),
        "this takes the action that ends brightest; compare with the original": results.argmax(1),
        "actions are dimension 1; you searched among the pictures": error.argmin(0),
        "actions are dimension 1; you searched among the rows": error.argmin(2),
        "actions are dimension 1; you searched among the columns": error.argmin(3),
        "this is one action for a whole picture; every pixel chooses its own": whole_picture.view(
            4, 1, 1
        ),
    }
    _compare(given, expected, known, "not every pixel has the action of the least squared error")


# 11.3 ---------------------------------------------------------------------------------------------


def side_seen(dilations: tuple[int, ...], kernel: int) -> int:
    """Return 1 + (kernel − 1) · Σ d."""
    return 1 + (kernel - 1) * sum(dilations)


def check_side_seen(answer: Callable[[tuple[int, ...], int], int]) -> None:
    """Compare with formulas worked by hand, then with the gradient of real convolutions."""
    given = expect_number(answer((1,), 3), "the side")
    if given == 2:
        raise Wrong("one 3 × 3 convolution sees 3 pixels, not 2: count the pixel itself too")
    if given != 3:
        raise Wrong(f"one 3 × 3 convolution sees a square of side 3, not {given:g}")
    given = expect_number(answer((2, 2, 3), 3), "the side")
    known = {
        7: "this is the sum of the dilations; each reaches to both sides, and the pixel counts too",
        8: "each layer reaches d to *both* sides: the sum of the dilations counts twice",
        9: "three layers of 3 × 3 would see 3 + 3 + 3 nowhere: fields overlap, reaches add up",
        25: "dilations do not multiply: each layer's reach is *added*",
        13: "the layer with the greatest dilation is not all: the reaches of all layers add up",
    }
    if given != 15:
        if given == 7 and expect_number(answer((1, 1, 1), 3), "the side") == 7:
            raise Wrong("the dilations are not used: taps that are d apart reach d times as far")
        raise Wrong(known.get(int(given), f"dilations 2, 2, 3 see a side of 15, not {given:g}"))
    given = expect_number(answer((1, 2), 5), "the side")
    if given == 7:
        raise Wrong("the kernel is taken for 3: with 5 taps a layer reaches 2 d to each side")
    if given != 13:
        raise Wrong(f"kernels of 5 with dilations 1, 2 see a side of 13, not {given:g}")
    given = expect_number(answer((3, 1, 4), 3), "the side")
    if given != _measured_side((3, 1, 4)):
        raise Wrong(f"dilations 3, 1, 4 see a side of 17, not {given:g}")


def _measured_side(dilations: tuple[int, ...]) -> int:
    """Return how many columns the middle of a picture depends on, by the gradient."""
    seen = torch.zeros(1, 1, 1, 41, requires_grad=True)
    values = seen
    for d in dilations:
        values = functional.conv2d(values, torch.ones(1, 1, 1, 3), padding=(0, d), dilation=d)
    (gradient,) = torch.autograd.grad(values[0, 0, 0, 20], seen)
    places = gradient[0, 0, 0].nonzero()
    return int(places.max() - places.min()) + 1


# 11.4 ---------------------------------------------------------------------------------------------


def map_targets(
    reward: Tensor, terminated: Tensor, next_q_values: Tensor, discount: float
) -> Tensor:
    """Return r + γ (1 − terminated) max Q for every pixel."""
    going_on = (~terminated).float().view(-1, 1, 1)
    return reward + discount * going_on * next_q_values.max(1).values


def check_map_targets(answer: Callable[..., Tensor]) -> None:
    """Use as many pictures as rows and columns: a wrong broadcast does not raise there."""
    n = 3
    reward, next_q = _random(n, n, n) - 0.5, 4 * _random(n, 5, n, n, seed=1) - 1
    terminated = torch.tensor([False, True, False])
    given = answer(reward.clone(), terminated.clone(), next_q.clone(), 0.5)
    given = expect_tensor(given, (n, n, n), "the targets")
    best = next_q.max(1).values
    going_on = (~terminated).float()
    expected = torch.zeros(n, n, n)
    for picture in range(n):
        for row in range(n):
            for column in range(n):
                follows = 0.0 if terminated[picture] else next_q[picture, :, row, column].max()
                expected[picture, row, column] = reward[picture, row, column] + 0.5 * follows
    shaped = going_on.view(-1, 1, 1)
    known = {
        "`terminated` has one entry a picture, and yours went along the columns: torch lines up "
        "the *last* dimensions. Give it the shape (n, 1, 1)": reward + 0.5 * going_on * best,
        "`terminated` has one entry a picture, and yours went along the rows: give it the shape "
        "(n, 1, 1)": reward + 0.5 * going_on.view(1, -1, 1) * best,
        "picture 1 is terminated: nothing may be bootstrapped from it": reward + 0.5 * best,
        "it is turned round: only the terminated picture is bootstrapped": reward
        + 0.5 * (1 - shaped) * best,
        "the discount is missing": reward + shaped * best,
        "this is the mean over the actions; a pixel will take the best": reward
        + 0.5 * shaped * next_q.mean(1),
        "the reward is missing": 0.5 * shaped * best,
        "each pixel has a value of its own; you took one value for a whole picture": reward
        + 0.5 * shaped * best.amax((1, 2), keepdim=True),
        "termination stops the bootstrap, not the reward: the last step's reward counts": shaped
        * (reward + 0.5 * best),
    }
    _compare(given, expected, known, "some targets are wrong; try one picture by hand")


# 11.5 ---------------------------------------------------------------------------------------------


def neighbour_targets(
    reward: Tensor, terminated: Tensor, next_value: Tensor, discount: float, share: float
) -> Tensor:
    """Return r + γ (1 − terminated) ((1 − share) V + share · mean of V over 3 × 3)."""
    mean = functional.avg_pool2d(next_value.unsqueeze(1), 3, 1, 1, count_include_pad=False)
    mixed = (1 - share) * next_value + share * mean.squeeze(1)
    return reward + discount * (~terminated).float().view(-1, 1, 1) * mixed


def check_neighbour_targets(answer: Callable[..., Tensor]) -> None:
    """Compare with a loop over neighbourhoods that ends at the edge."""
    n, height, width, discount, share = 3, 3, 4, 0.5, 0.25
    reward, value = _random(n, height, width), 3 * _random(n, height, width, seed=1)
    terminated = torch.tensor([True, False, False])
    given = answer(reward.clone(), terminated.clone(), value.clone(), discount, share)
    given = expect_tensor(given, (n, height, width), "the targets")
    mean = torch.zeros_like(value)
    for row in range(height):
        for column in range(width):
            near = value[:, max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
            mean[:, row, column] = near.mean((1, 2))
    going_on = (~terminated).float().view(-1, 1, 1)

    def targets(of_neighbours: Tensor, part: float = share) -> Tensor:
        return reward + discount * going_on * torch.lerp(value, of_neighbours, part)

    counts = 9 * functional.avg_pool2d(torch.ones(1, height, width), 3, 1, 1)
    by_zeros = functional.avg_pool2d(value, 3, 1, 1)
    total, padded = 9 * by_zeros, functional.pad(value, (1, 1, 1, 1), mode="replicate")
    rolled = sum(value.roll((i, j), (1, 2)) for i in (-1, 0, 1) for j in (-1, 0, 1)) / 9
    mixed = torch.lerp(value, mean, share)
    known = {
        "at the edge you divide by 9, zeros included: take the mean over the neighbours there "
        "are": targets(by_zeros),
        "beyond the edge you repeat the last value: take the mean over the neighbours there "
        "are": targets(functional.avg_pool2d(padded, 3, 1)),
        "your neighbourhood leaves the picture on one side and comes in on the other": targets(
            rolled
        ),
        "the pixel itself belongs to its neighbourhood": targets((total - value) / (counts - 1)),
        "this adds up the neighbourhood; take its mean": targets(total),
        "share is the weight of the neighbourhood, 1 − share that of the pixel": targets(
            mean, 1 - share
        ),
        "the pixel's own value is gone: mix it in with weight 1 − share": reward
        + discount * going_on * share * mean,
        "share is not used: this is the neighbourhood's mean alone": targets(mean, 1.0),
        "share is not used: this is the plain target": targets(mean, 0.0),
        "picture 0 is terminated: nothing may be bootstrapped from it": reward + discount * mixed,
        "the discount is missing": reward + going_on * mixed,
    }
    _compare(given, targets(mean), known, "some targets are wrong; try one pixel in a corner")


# Random inputs, on which an answer must agree with the solution -----------------------------------


def cases_reward_map(rng: torch.Generator) -> Iterator[Case]:
    """Draw pictures that are not square, a single pixel among them."""
    for stage, batch, height, width in (
        ("other sizes", 3, 2, 4),
        ("one picture", 1, 3, 2),
        ("one row", 2, 1, 3),
        ("one column", 2, 3, 1),
        ("one pixel", 1, 1, 1),
    ):
        before, after, original = uniform(rng, 3, batch, 1, height, width)
        yield Case(stage, (before, after, original, 1 + 30 * uniform(rng, 1).item()))


def cases_oracle_actions(rng: torch.Generator) -> Iterator[Case]:
    """Draw pictures that are not square, and several counts of actions."""
    for stage, batch, actions, height, width in (
        ("other sizes", 2, 5, 3, 4),
        ("one picture", 1, 3, 2, 2),
        ("one row", 2, 4, 1, 3),
        ("one column", 3, 2, 4, 1),
        ("one action", 2, 1, 2, 3),
    ):
        results = uniform(rng, batch, actions, height, width)
        yield Case(stage, (results, uniform(rng, batch, 1, height, width)))


def cases_side_seen(rng: torch.Generator) -> Iterator[Case]:
    """Draw stacks of convolutions with kernels of 1 to 7 taps."""
    for layers, kernel in ((4, 3), (2, 5), (3, 7)):
        dilations = (1 + whole(rng, 6, layers)).tolist()
        yield Case("other stacks", (tuple(dilations), kernel))
    yield Case("kernels of one tap", ((2, 4), 1))
    yield Case("one convolution", ((3,), 5))


def cases_map_targets(rng: torch.Generator) -> Iterator[Case]:
    """Draw pictures that are not square, rewards and values of both signs."""
    for stage, batch, actions, height, width, discount in (
        ("other sizes", 4, 3, 2, 5, 0.9),
        ("one picture", 1, 4, 3, 2, 0.9),
        ("one row", 3, 2, 1, 4, 0.9),
        ("one column", 3, 2, 4, 1, 0.9),
        ("γ = 0 and γ = 1", 2, 3, 2, 2, 0.0),
        ("γ = 0 and γ = 1", 2, 3, 2, 2, 1.0),
    ):
        next_q = normal(rng, batch, actions, height, width)
        ends = flags(rng, batch)
        yield Case(stage, (normal(rng, batch, height, width), ends, next_q, discount))


def cases_neighbour_targets(rng: torch.Generator) -> Iterator[Case]:
    """Draw pictures of several shapes, both ends of the share and of γ."""
    for stage, batch, height, width, discount, share in (
        ("other sizes", 3, 4, 5, 0.9, 0.3),
        ("one picture", 1, 3, 4, 0.9, 0.6),
        ("one row", 2, 1, 4, 0.9, 0.5),
        ("one column", 2, 3, 1, 0.9, 0.5),
        ("share 0 and share 1", 2, 3, 3, 0.9, 0.0),
        ("share 0 and share 1", 2, 3, 3, 0.9, 1.0),
        ("γ = 0 and γ = 1", 2, 3, 3, 0.0, 0.5),
        ("γ = 0 and γ = 1", 2, 3, 3, 1.0, 0.5),
    ):
        reward, value = normal(rng, 2, batch, height, width)
        yield Case(stage, (reward, flags(rng, batch), value, discount, share))


EXERCISES = (
    Exercise(
        "11.1",
        check_reward_map,
        (
            "What was the squared error of each pixel before the step, and what is it after?",
            "The fall is before minus after. Both errors are differences from `original`.",
            "squeeze(1) takes the plane's dimension away:\n"
            "scale * ((before - original) ** 2 - (after - original) ** 2).squeeze(1)",
        ),
        reward_map,
        "added up over an episode these rewards give the whole fall of the squared error",
        cases=cases_reward_map,
        why="before minus after is the fall, and squeeze takes away the one plane",
    ),
    Exercise(
        "11.2",
        check_oracle_actions,
        (
            "`results[:, a]` is what action `a` would make of every pixel. Which a is best where?",
            "`original` has one plane, and broadcasts against all actions.",
            "The squared error has the shape of `results`; take argmin over dimension 1:\n"
            "(results - original).square().argmin(1)",
        ),
        oracle_actions,
        "whoever knows the original needs no learning. The agent must guess these actions.",
        cases=cases_oracle_actions,
        why="`original` broadcasts over the actions, so argmin compares them pixel by pixel",
    ),
    Exercise(
        "11.3",
        check_side_seen,
        (
            "Draw one row. A tap lies d pixels to the left, one at the pixel, one d to the right.",
            "The next layer's taps each see so far again: reaches add up.",
            "A kernel of k taps reaches (k − 1)/2 · d to each side. And the pixel itself counts:\n"
            "1 + (kernel - 1) * sum(dilations)",
        ),
        side_seen,
        "dilations let a small network look far",
        cases=cases_side_seen,
        why="each layer reaches (k − 1)/2 · d further to both sides, and reaches add up",
    ),
    Exercise(
        "11.4",
        check_map_targets,
        (
            "It is exercise 02.2, with two dimensions more. `max(1)` still goes over the actions.",
            "`terminated` has shape (n,), the rewards (n, height, width). Which of them line up?",
            "Give `terminated` the shape (n, 1, 1):\n"
            "reward + discount * (~terminated).view(-1, 1, 1) * next_q_values.max(1).values",
        ),
        map_targets,
        "a broadcast that goes along the wrong dimension raises no error when the sizes agree",
        cases=cases_map_targets,
        why="torch lines up the last dimensions; with the shape (n, 1, 1) `terminated` goes "
        "with the pictures",
    ),
    Exercise(
        "11.5",
        check_neighbour_targets,
        (
            "Work out the mean over each 3 × 3 neighbourhood first. How many are in a corner's?",
            "`functional.avg_pool2d` has an option for what lies beyond the edge.",
            "The mean of each neighbourhood:\n"
            "functional.avg_pool2d(next_value.unsqueeze(1), 3, 1, 1, "
            "count_include_pad=False).squeeze(1)",
        ),
        neighbour_targets,
        "this is PixelRL's idea that a pixel should care for its neighbours",
        cases=cases_neighbour_targets,
        why="count_include_pad=False divides by the neighbours that there are",
    ),
)
