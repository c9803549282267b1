"""Exercises of notebook 10: ink, gains, temperature, orders of strokes, and an eraser."""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from dqngan_lib.exercises.base import (
    Case,
    Exercise,
    Wrong,
    close,
    expect_number,
    expect_tensor,
    flags,
    name_mistake,
    normal,
    uniform,
    whole,
)


def lay_stroke(canvas: Tensor, ink: Tensor) -> Tensor:
    """Return c + m (1 − c)."""
    return canvas + ink * (1 - canvas)


def check_lay_stroke(answer: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Compare on three pixels by hand, then see that the old canvas is left alone."""
    canvas = torch.tensor([[0.0, 0.5, 0.75], [1.0, 0.25, 0.0]])
    ink = torch.tensor([[0.5, 0.5, 1.0], [0.0, 0.5, 0.75]])
    given = canvas.clone()
    result = expect_tensor(answer(given, ink.clone()), (2, 3), "the new canvas")
    if not torch.equal(given, canvas):
        raise Wrong(
            "your function changed the canvas that it was given; a replay buffer may still hold "
            "it. Return a new one"
        )
    expected = torch.tensor([[0.5, 0.75, 1.0], [1.0, 0.625, 0.75]])
    known = {
        "ink was simply added: two half-covered layers would be full, and full ones more than "
        "full": canvas + ink,
        "added and cut off at 1: half over half must give 0.75, and this gives 1": (
            canvas + ink
        ).clamp(max=1),
        "the greater of the two: half over half must give 0.75, and this gives 0.5": torch.maximum(
            canvas, ink
        ),
        "this replaces the canvas by the stroke; what was there must stay": ink,
        "(1 − m) is what stays of the paper: this darkens where there is no ink": canvas
        + (1 - ink) * (1 - canvas),
        "this erases under the stroke: c (1 − m)": canvas * (1 - ink),
        "the ink is multiplied by c; it must fall on what is still paper, 1 − c": canvas
        + ink * canvas,
    }
    if not close(result, expected):
        message = next((text for text, value in known.items() if close(result, value)), None)
        raise Wrong(message or f"the first row must be 0.5, 0.75, 1; yours is {result[0].tolist()}")


def gains_of_strokes(canvas: Tensor, target: Tensor, strokes: Tensor) -> Tensor:
    """Return by how much each stroke would lower each picture's squared error."""
    paper = 1 - canvas
    return 2 * ((target - canvas) * paper) @ strokes.T - paper.square() @ strokes.square().T


def check_gains(answer: Callable[..., Tensor]) -> None:
    """Compare with one pixel by hand, then with brute force on random pictures."""
    # One pixel, c = 0.5, x = 1, m = 1: the error falls from 0.25 to 0.
    one = answer(torch.tensor([[0.5]]), torch.tensor([[1.0]]), torch.tensor([[1.0], [0.0]]))
    one = expect_tensor(one, (1, 2), "the gains")
    known = {
        0.75: "the new canvas is c + m (1 − c), not c + m … check the paper factor u = 1 − c",
        -0.25: "the sign: a stroke that lowers the error has a gain above 0",
        0.0: "the middle term of a square has a factor 2: (e − m u)² = e² − 2 e m u + m² u²",
        0.5: "the term m² u² is missing, or has the wrong factor",
    }
    if not close(one[0, 1], 0.0):
        raise Wrong("a stroke without ink must gain 0")
    if not close(one[0, 0], 0.25):
        text = next((text for value, text in known.items() if close(one[0, 0], value)), None)
        raise Wrong(
            text
            or f"one pixel with c = ½, x = 1 and full ink gains ¼; yours is {one[0, 0].item():.4g}"
        )
    rng = torch.Generator().manual_seed(0)
    canvas, target = torch.rand(2, 3, 6, generator=rng)
    strokes = torch.rand(4, 6, generator=rng)
    given = expect_tensor(
        answer(canvas.clone(), target.clone(), strokes.clone()), (3, 4), "the gains"
    )
    after = canvas[:, None] + strokes * (1 - canvas[:, None])
    change = (target - canvas).square()[:, None] - (target[:, None] - after).square()
    if close(given, change.sum(2)):
        return
    paper = 1 - canvas
    wrong = {
        "take the sum over the pixels, not the mean": change.mean(2),
        "the second product needs the squares of the strokes: m² u²": (
            2 * ((target - canvas) * paper) @ strokes.T - paper.square() @ strokes.T
        ),
        "the second product needs the square of the paper: m² u²": (
            2 * ((target - canvas) * paper) @ strokes.T - paper @ strokes.square().T
        ),
        "the ink falls on paper: multiply the error by u = 1 − c in the first product": (
            2 * (target - canvas) @ strokes.T - paper.square() @ strokes.square().T
        ),
    }
    message = next((text for text, value in wrong.items() if close(given, value)), None)
    raise Wrong(message or "on random pictures the gains differ from trying every stroke")


def sharpened(q_values: Tensor, temperature: float) -> Tensor:
    """Return softmax(Q/τ) in each row; with τ = 0 all weight on the greatest Q-value."""
    if temperature == 0:
        return torch.nn.functional.one_hot(q_values.argmax(1), q_values.shape[1]).float()
    return (q_values / temperature).softmax(1)


def check_sharpened(answer: Callable[[Tensor, float], Tensor]) -> None:
    """Compare at several temperatures by hand, with 0 and with large Q-values among them."""
    q_values = torch.tensor([[1.0, 3.0, 2.0], [0.0, 0.0, -math.log(2.0)]])
    at_half = expect_tensor(answer(q_values.clone(), 0.5), (2, 3), "the probabilities")
    # Second row at τ = ½: e⁰, e⁰, e^(−2 log 2) = ¼.
    expected = torch.tensor([1.0, 1.0, 0.25]) / 2.25
    known = {
        "temperature divides: this multiplies, so a low temperature flattens": torch.tensor(
            [1.0, 1.0, 0.5**0.5]
        )
        / (2 + 0.5**0.5),
        "the temperature has no effect": torch.tensor([0.4, 0.4, 0.2]),
        "these do not sum to 1 in each row: normalise after e^(Q/τ)": torch.tensor([1.0, 1, 0.25]),
        "these are logarithms: return the probabilities themselves": expected.log(),
        "the probabilities were divided by τ: Q must be divided before the softmax": torch.tensor(
            [0.8, 0.8, 0.4]
        ),
    }
    if not close(at_half[1], expected):
        message = next((text for text, value in known.items() if close(at_half[1], value)), None)
        if message is None and close(at_half.sum(0), torch.ones(3)):
            message = "each column sums to 1: the softmax must run over the actions, dimension 1"
        raise Wrong(
            message or f"at τ = ½ the second row must be 4/9, 4/9, 1/9; yours is {at_half[1]}"
        )
    try:
        cold = answer(q_values.clone(), 0.0)
    except ZeroDivisionError:
        raise Wrong("temperature 0 divides by zero: take the greatest Q-value there") from None
    cold = expect_tensor(cold, (2, 3), "the probabilities at temperature 0")
    if cold.isnan().any():
        raise Wrong("at temperature 0 your probabilities are NaN: take the greatest Q-value there")
    if not close(cold[0], torch.tensor([0.0, 1.0, 0.0])) or not close(cold[1].sum(), 1.0):
        raise Wrong(
            "at temperature 0 each row must have all its weight on one greatest Q-value; yours are "
            f"{cold.tolist()}"
        )
    large = answer(torch.tensor([[1_000.0, 1_001.0]]), 1.0)
    if not close(large, torch.tensor([[1.0, math.e]]) / (1 + math.e)):
        raise Wrong(
            "with Q-values near 1,000 your numbers overflow: use softmax, or subtract the greatest "
            "first"
        )


def log_orders(actions: Tensor) -> float:
    """Return the logarithm of the number of different orders of a drawing's actions."""
    _, counts = actions.unique(return_counts=True)
    return math.lgamma(len(actions) + 1) - sum(math.lgamma(n + 1) for n in counts.tolist())


def check_log_orders(answer: Callable[[Tensor], float]) -> None:
    """Compare with orders that can be counted on the fingers."""
    given = expect_number(answer(torch.tensor([5, 9, 7])), "the logarithm")
    known = {
        6.0: "this is the number of orders; return its logarithm",
        3.0: "three strokes can be laid in 3 · 2 · 1 = 6 orders, not in 3",
        math.log(3): "three strokes can be laid in 3 · 2 · 1 = 6 orders, not in 3",
        math.log2(6): "use the natural logarithm",
        0.0: "the logarithm of 6 is above 0: are these three different strokes?",
    }
    if not close(given, math.log(6)):
        text = next((text for value, text in known.items() if close(given, value)), None)
        raise Wrong(text or f"three different strokes have 6 orders: log 6 = 1.79, not {given:.4g}")
    given = expect_number(answer(torch.tensor([5, 5, 7])), "the logarithm")
    if close(given, math.log(6)):
        raise Wrong(
            "strokes 5, 5, 7: exchanging the two fives gives the same order again. Divide by the "
            "factorial of how often each stroke occurs"
        )
    if close(given, math.log(2)):
        raise Wrong(
            "strokes 5, 5, 7: there are 3 orders, not 2. A repeated stroke still takes up a place"
        )
    if not close(given, math.log(3)):
        raise Wrong(f"strokes 5, 5, 7 have 3 orders: log 3 = 1.10, not {given:.4g}")
    given = expect_number(answer(torch.tensor([4, 3136, 4, 3136, 8, 3136])), "the logarithm")
    if not close(given, math.log(60)):
        if close(given, math.log(720 / 6)) or close(given, math.log(720 / 2)):
            raise Wrong("strokes that repeat count for each of them: divide by 2! and by 3!")
        if close(given, math.log(3)):
            raise Wrong("a no-op takes up a place like any action: here are six places")
        raise Wrong(f"six actions, one twice, one three times: log 60 = 4.09, not {given:.4g}")
    given = expect_number(answer(torch.arange(200)), "the logarithm")
    if not close(given, math.lgamma(201)):
        raise Wrong("200! is too large for a float: add logarithms (math.lgamma), not factors")


def opinions_with_eraser(
    actions: Tensor, step: int, slope: Tensor, masks: Tensor, white: Tensor
) -> Tensor:
    """Return ⟨slope · rest, m_a (b_a − c)⟩ for every stroke a, with ink b = 1 and white b = 0."""
    colour = (~white).float()
    canvas = torch.zeros(len(actions), masks.shape[1])
    for taken in actions[:, :step].T:  # c, the canvas before the step
        canvas = canvas + masks[taken] * (colour[taken, None] - canvas)
    rest = (1 - masks[actions[:, step + 1 :]]).prod(1)  # what the later strokes leave as it is
    pull = slope * rest
    return colour * (pull @ masks.T) - (pull * canvas) @ masks.T


def check_opinions_with_eraser(answer: Callable[..., Tensor]) -> None:
    """Compare with every drawing made anew, then let a painter learn a ring from the opinions."""
    rng = torch.Generator().manual_seed(0)
    masks, white = torch.rand(5, 6, generator=rng), torch.tensor([False, True, False, True, False])
    actions, slope = torch.tensor([[0, 3, 2, 1], [4, 2, 1, 0]]), torch.randn(2, 6, generator=rng)
    for step in (2, 0, 3):
        given = answer(actions.clone(), step, slope.clone(), masks.clone(), white.clone())
        given = expect_tensor(given, (2, 5), "the opinions")
        right = _drawn_anew(actions, step, slope, masks, white)
        if not close(given, right):
            known = _mistaken_opinions(actions, step, slope, masks, white)
            text = "the opinion on stroke a is ⟨slope, x with a⟩ − ⟨slope, x with nothing at t⟩"
            name_mistake(given, known, f"{text}; at step {step} yours differs")
    wrong = _learn_a_ring(answer)
    if wrong > 0:
        raise Wrong(f"taught by your opinions, a painter draws {wrong} pixels of a ring wrongly")


def _lay(canvas: Tensor, mask: Tensor, white: Tensor) -> Tensor:
    """Return canvases after a stroke of ink or of white."""
    return torch.where(white[:, None], canvas * (1 - mask), canvas + mask * (1 - canvas))


def _drawn(actions: Tensor, masks: Tensor, white: Tensor, skip: int = -1) -> Tensor:
    """Return finished pictures `(n, pixels)`, if wanted with one step left out."""
    canvas = torch.zeros(len(actions), masks.shape[1])
    for step, taken in enumerate(actions.T):
        if step != skip:
            canvas = _lay(canvas, masks[taken], white[taken])
    return canvas


def _drawn_anew(actions: Tensor, step: int, slope: Tensor, masks: Tensor, white: Tensor) -> Tensor:
    """Return every opinion by drawing each picture with each stroke, `(n, strokes)`."""
    nothing = _drawn(actions, masks, white, skip=step)
    columns = []
    for stroke in range(len(masks)):
        changed = actions.clone()
        changed[:, step] = stroke
        columns.append((slope * (_drawn(changed, masks, white) - nothing)).sum(1))
    return torch.stack(columns, 1)


def _mistaken_opinions(
    actions: Tensor, step: int, slope: Tensor, masks: Tensor, white: Tensor
) -> dict[str, Tensor]:
    """Return what usual mistakes make of the opinions, by what to say of each."""
    before = _drawn(actions[:, :step], masks, white)
    with_own = _drawn(actions[:, : step + 1], masks, white)
    later = (1 - masks[actions[:, step + 1 :]]).prod(1)
    others = (1 - masks[actions[:, :step]]).prod(1) * later
    colour = (~white).float()

    def made(rest: Tensor, canvas: Tensor, colour: Tensor = colour) -> Tensor:
        return colour * ((slope * rest) @ masks.T) - (slope * rest * canvas) @ masks.T

    right = made(later, before)
    return {
        "white lies on ink as well: b is 0 for the eraser, it is not left out": right * colour,
        "you count the eraser as ink: its colour b is 0": made(
            later, before, torch.ones_like(colour)
        ),
        "ink and white are swapped": made(later, before, 1 - colour),
        "this is the pen's opinion of section 4: an eraser takes away what is on the canvas": (
            (slope * others) @ masks.T
        ),
        "the later strokes are missing: they cover a part of what is laid at this step": made(
            torch.ones_like(later), before
        ),
        "the canvas is the one before the step, without the stroke that was drawn there": made(
            later, with_own
        ),
        "the canvas before the step is missing: ink has no effect where there is ink": made(
            later, torch.zeros_like(before)
        ),
        "only the later strokes lie on top: those before are in the canvas": made(others, before),
        "the sign is wrong: above 0 is what the judge likes": -right,
    }


def _learn_a_ring(opinion: Callable[..., Tensor]) -> int:
    """Teach a table two strokes by an answer's opinions; return the pixels that end wrong.

    Nine squares of 3 × 3 of ink, 25 single pixels of white: a ring is a square with a hole.
    """
    rng, pixels = torch.Generator().manual_seed(0), torch.eye(25)
    squares = torch.zeros(9, 5, 5)
    for number in range(9):
        squares[number, number // 3 : number // 3 + 3, number % 3 : number % 3 + 3] = 1
    masks, white = torch.cat([squares.flatten(1), pixels]), torch.arange(34) >= 9
    ring = squares[4].flatten() - pixels[12]
    log_q = torch.zeros(2, 34).log_softmax(1)
    for _ in range(40):
        drawn = torch.multinomial(log_q.exp(), 40, True, generator=rng).T  # (40, 2)
        slope = 2 * (ring - _drawn(drawn, masks, white))  # of the judge −|x − ring|²
        said = [opinion(drawn, step, slope, masks, white).detach().mean(0) for step in (0, 1)]
        log_q = (log_q + 0.5 * torch.stack(said)).log_softmax(1)
    best = _drawn(log_q.argmax(1)[None], masks, white)
    return int((best - ring).abs().sum().round().item())


# Random inputs, on which an answer must agree with the solution -----------------------------------


def cases_lay_stroke(rng: torch.Generator) -> Iterator[Case]:
    """Draw canvases and strokes, blank and full ones among them."""
    for stage, batch, pixels in (("other sizes", 3, 5), ("one canvas", 1, 4), ("one pixel", 3, 1)):
        yield Case(stage, tuple(uniform(rng, 2, batch, pixels)))
    yield Case("blank and full", tuple(flags(rng, 2, 3, 6).float()))


def cases_gains_of_strokes(rng: torch.Generator) -> Iterator[Case]:
    """Draw pictures and strokes of several counts."""
    for stage, pictures, strokes, pixels in (
        ("other sizes", 3, 5, 4),
        ("other sizes", 5, 2, 7),
        ("sizes that are equal", 4, 4, 4),
        ("one picture", 1, 3, 6),
        ("one stroke", 4, 1, 3),
    ):
        canvas, target = uniform(rng, 2, pictures, pixels)
        yield Case(stage, (canvas, target, uniform(rng, strokes, pixels)))
    canvas, target = flags(rng, 2, 4, 5).float()
    yield Case("blank and full", (canvas, target, flags(rng, 3, 5).float()))


def cases_sharpened(rng: torch.Generator) -> Iterator[Case]:
    """Draw Q-values and temperatures, 0 among them."""
    for stage, rows, actions, temperature in (
        ("other temperatures", 4, 3, 0.3),
        ("other temperatures", 2, 5, 4.0),
        ("as many rows as actions", 3, 3, 1.0),
        ("one row", 1, 4, 0.7),
        ("temperature 0", 5, 3, 0.0),
        ("temperature 0", 1, 4, 0.0),
        ("a temperature near 0", 4, 3, 1e-3),
    ):
        yield Case(stage, (normal(rng, rows, actions), temperature))
    yield Case("large Q-values", (1000 * normal(rng, 3, 4), 1.0))


def cases_log_orders(rng: torch.Generator) -> Iterator[Case]:
    """Draw lists of actions with many repetitions, or none."""
    for stage, steps, actions in (
        ("other actions", 6, 3),
        ("other actions", 9, 20),
        ("200 steps", 200, 4),
        ("one step", 1, 5),
    ):
        yield Case(stage, (whole(rng, actions, steps),))
    yield Case("always the same", (torch.full((7,), 4),))


def cases_opinions_with_eraser(rng: torch.Generator) -> Iterator[Case]:
    """Draw pens, erasers and drawings; the first step and the last are among those asked for."""
    for stage, rows, steps, step, strokes, pixels in (
        ("a step in the middle", 3, 5, 2, 6, 4),
        ("the first step", 2, 3, 0, 4, 7),
        ("the last step", 4, 3, 2, 3, 5),
        ("sizes that are equal", 3, 3, 1, 3, 3),
        ("one drawing of one stroke", 1, 1, 0, 4, 2),
    ):
        actions, masks = whole(rng, strokes, rows, steps), uniform(rng, strokes, pixels)
        slope, white = normal(rng, rows, pixels), flags(rng, strokes)
        yield Case(stage, (actions, step, slope, masks, white))


EXERCISES = (
    Exercise(
        "10.1",
        check_lay_stroke,
        (
            "Where the canvas is full nothing can be added; where it is blank all the ink stays.",
            "The share of paper that is still white is 1 − c. The ink m falls on this share.",
            "canvas + ink * (1 - canvas)",
        ),
        lay_stroke,
        "ink covers paper, and never more than all of it",
        cases=cases_lay_stroke,
        why="ink falls on the share of paper that is left, 1 − c",
    ),
    Exercise(
        "10.2",
        check_gains,
        (
            "Let e = x − c and u = 1 − c. After the stroke m the error of a pixel is e − m u.",
            "e² − (e − m u)² = 2 m (e u) − m² u². Sum over pixels: each term is a matrix product.",
            "2 * (e * u) @ strokes.T - (u ** 2) @ (strokes ** 2).T",
        ),
        gains_of_strokes,
        "all strokes for all pictures with two matrix products: exact search is this cheap",
        cases=cases_gains_of_strokes,
        why="e² − (e − m u)² has two terms, and each of them summed over the pixels is a matrix"
        " product",
    ),
    Exercise(
        "10.3",
        check_sharpened,
        (
            "Divide the Q-values by τ, then softmax over the actions.",
            "τ = 0 cannot be divided by. It stands for: all weight on argmax.",
            "one_hot gives rows with a single 1:\n"
            "torch.nn.functional.one_hot(q_values.argmax(1), q_values.shape[1]).float()",
        ),
        sharpened,
        "this one number takes a painter from free to careful, after its training",
        cases=cases_sharpened,
        why="dividing by a small τ widens the gaps before the softmax; at 0 only the greatest "
        "is left",
    ),
    Exercise(
        "10.4",
        check_log_orders,
        (
            "n different things can be ordered in n! ways; log n! is math.lgamma(n + 1).",
            "Things that are equal can be exchanged without a new order: divide by k! for each "
            "action that occurs k times.",
            "actions.unique(return_counts=True) counts how often each occurs:\n"
            "math.lgamma(len(actions) + 1) - sum(math.lgamma(k + 1) for k in counts.tolist())",
        ),
        log_orders,
        "this is the head start that many-stroke pictures have on a graph",
        cases=cases_log_orders,
        why="of the n! orders those are the same that only exchange equal actions",
    ),
    Exercise(
        "10.5",
        check_opinions_with_eraser,
        (
            "Let c be the canvas before the step. Stroke a makes c + m (b − c) of it, with b = 1 "
            "for ink and 0 for white. What is the difference to no stroke at all?",
            "Each later stroke, ink or white, leaves a share 1 − m_k of that difference.",
            "So the opinion is ⟨slope · rest, m (b − c)⟩, where rest is the product over the later "
            "strokes. Two matrix products give it for all strokes.",
            "With pull = slope · rest, and colour = b:\n"
            "colour * (pull @ masks.T) - (pull * canvas) @ masks.T",
        ),
        opinions_with_eraser,
        "a pen that nobody in this course has tried, and your painter can learn to use it",
        cases=cases_opinions_with_eraser,
        why="a stroke moves the canvas from c to its colour b by a share m, and later strokes "
        "leave a share 1 − m of any difference",
    ),
)
