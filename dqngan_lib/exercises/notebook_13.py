"""Exercises of notebook 13: a gap, non-local means, the loss of all actions, and who tests whom."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from dqngan_lib.applications.medical.tissue import Patches, joined
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


def may_train(z_mm: Tensor, held_out_z_mm: Tensor, gap_mm: int) -> Tensor:
    """Say which slices are more than gap_mm away from every held-out slice."""
    return ((z_mm[:, None] - held_out_z_mm[None]).abs() > gap_mm).all(1)


def check_may_train(answer: Callable[[Tensor, Tensor, int], Tensor]) -> None:
    """Ask about two blocks with room between them, in a mixed order, with a slice missing."""
    z_mm = torch.tensor([6, 17, 14, 2, -4, 16, 7, -2, -1, 5, 1, 3, 0, 13, 10, 18, 11, 12])
    held_out, gap_mm = torch.tensor([2, 1, 13]), 3
    given = answer(z_mm.clone(), held_out.clone(), gap_mm)
    if isinstance(given, Tensor) and given.dtype != torch.bool:
        raise Wrong("return True or False for each slice, not numbers: one comparison gives them")
    given = expect_tensor(given, (18,), "the answer").tolist()
    heights, held, rows = z_mm.tolist(), held_out.tolist(), range(18)
    places = [heights.index(z) for z in held]

    def by(rule: Callable[[int, int], bool], together: Callable = all) -> list[bool]:
        return [together(rule(z, h) for h in held) for z in heights]

    right = by(lambda z, h: abs(z - h) > gap_mm)
    known = (
        (
            by(lambda z, h: z != h),
            "the gap is missing: neighbours of held-out slices are alike",
        ),
        (
            by(lambda z, h: abs(z - h) >= gap_mm),
            "exactly gap_mm away is not MORE than gap_mm",
        ),
        ([not value for value in right], "True and False are swapped: True means: may train"),
        (
            by(lambda z, h: abs(z - h) > gap_mm, any),
            "far from EVERY held-out slice: yours need only be far from one (all, not any)",
        ),
        (
            by(lambda z, h: h - z > gap_mm or h < z),
            "the gap is on both sides: slices above a held-out one are near as well",
        ),
        (
            by(lambda z, h: z - h > gap_mm or h > z),
            "the gap is on both sides: slices below a held-out one are near as well",
        ),
        (
            [all(abs(row - place) > gap_mm for place in places) for row in rows],
            "compare heights in mm, not places in the list: ours is in a mixed order",
        ),
        (
            [z < min(held) - gap_mm or z > max(held) + gap_mm for z in heights],
            "between two blocks there may be room: compare with each held-out slice",
        ),
        (
            by(lambda z, h: abs(z - h) > 2 * gap_mm),
            "gap_mm on each side, not twice as much",
        ),
    )
    if given != right:
        message = next((text for value, text in known if given == value), None)
        first = next(row for row in rows if given[row] != right[row])
        raise Wrong(
            message
            or f"the slice at {heights[first]} mm, with {held} held out and a gap of {gap_mm}: "
            f"{right[first]}, not {given[first]}"
        )


def one_pixel(
    noisy: Tensor, row: int, column: int, half: int, distance: int, h: float, sigma: float
) -> float:
    """Return the new value of one pixel by non-local means."""

    def patch(y: int, x: int) -> Tensor:
        return noisy[y - half : y + half + 1, x - half : x + half + 1]

    total, weights = 0.0, 0.0
    for y in range(row - distance, row + distance + 1):
        for x in range(column - distance, column + distance + 1):
            unlike = (patch(y, x) - patch(row, column)).square().mean() - 2 * sigma**2
            weight = math.exp(-max(0.0, unlike.item()) / h**2)
            total += weight * noisy[y, x].item()
            weights += weight
    return total / weights


def _slowly(picture: list[list[float]], place: tuple, change: str = "") -> float:
    """Return what non-local means gives, or what it gives with one mistake, in plain numbers."""
    row, column, half, distance, h, sigma = place
    half = 0 if change == "pixel" else half
    reach = range(-distance, distance + (change != "range"))
    total = weights = 0.0
    for down in reach:
        for right in reach:
            if change == "itself" and down == right == 0:
                continue
            unlike = 0.0
            for y in range(-half, half + 1):
                for x in range(-half, half + 1):
                    there = picture[row + down + y][column + right + x]
                    unlike += (there - picture[row + y][column + x]) ** 2
            unlike /= 1 if change == "sum" else (2 * half + 1) ** 2
            unlike -= {"sigma": 0, "one sigma": sigma**2}.get(change, 2 * sigma**2)
            unlike = max(0.0, unlike)
            unlike /= h if change == "h" else h**2
            weight = math.exp(unlike if change == "sign" else -unlike)
            total += weight * picture[row + down][column + right]
            weights += 1.0 if change == "count" else weight
    return total if change == "total" else total / weights


def check_one_pixel(answer: Callable[..., float]) -> None:
    """Compare with plain loops on a small random picture, and with typical mistakes."""
    rng = torch.Generator().manual_seed(3)
    for size, place in ((13, (6, 5, 1, 2, 0.4, 0.25)), (15, (6, 8, 2, 3, 0.3, 0.28))):
        noisy = torch.rand(size, size, generator=rng)
        given = expect_number(answer(noisy.clone(), *place), "the new value")
        picture = noisy.tolist()
        if close(given, _slowly(picture, place)):
            continue
        known = {
            "pixel": "compare patches, not single pixels: the surroundings must look alike",
            "range": "the window goes from −distance to +distance, both included",
            "itself": "the pixel itself is one of those averaged, with weight 1",
            "sum": "take the mean square over the patch, not the sum",
            "sigma": "max(0, mean square − 2 σ²): so much patches differ by noise alone",
            "one sigma": "both patches are noisy: take off 2 σ², not σ²",
            "h": "divide by h², not by h",
            "sign": "the sign in the exponent: unlike patches must weigh less",
            "count": "divide by the sum of the weights, not by the number of pixels",
            "total": "divide by the sum of the weights: yours are not normalised",
        }
        for change, message in known.items():
            if close(given, _slowly(picture, place, change)):
                raise Wrong(message)
        if close(given, noisy[place[:2]].item()):
            raise Wrong("this is the noisy value itself: average over the window")
        expected = _slowly(picture, place)
        raise Wrong(f"on our picture the new value is {expected:.4f}, yours is {given:.4f}")


def all_action_loss(
    q_values: Tensor, results: Tensor, picture: Tensor, original: Tensor, scale: float
) -> Tensor:
    """Return ½ (r − Q)², the mean over pictures, actions and pixels; γ = 0."""
    reward = scale * ((picture - original).square() - (results - original).square())
    return 0.5 * (reward - q_values).square().mean()


def check_all_action_loss(answer: Callable[..., Tensor]) -> None:
    """Compare with plain loops, and with typical mistakes."""
    rng = torch.Generator().manual_seed(4)
    q_values = 10 * torch.randn(2, 3, 2, 4, generator=rng)
    results = torch.rand(2, 3, 2, 4, generator=rng)
    picture, original = (torch.rand(2, 1, 2, 4, generator=rng) for _ in range(2))
    batch, scale = (q_values, results, picture, original), 20.0
    given = expect_number(answer(*(part.clone() for part in batch), scale), "the loss")
    places = [(n, a, y, x) for n in range(2) for a in range(3) for y in range(2) for x in range(4)]

    def fall(n: int, a: int, y: int, x: int) -> float:
        goal = original[n, 0, y, x].item()
        return (picture[n, 0, y, x].item() - goal) ** 2 - (results[n, a, y, x].item() - goal) ** 2

    def q(place: tuple) -> float:
        return q_values[place].item()

    def mean(terms: Any) -> float:
        terms = list(terms)
        return sum(terms) / len(terms)

    right = mean(0.5 * (scale * fall(*p) - q(p)) ** 2 for p in places)
    best = [max(((n, a, y, x) for a in range(3)), key=q) for n, a, y, x in places if a == 0]
    ends = [scale * (results[p].item() - original[p[0], 0, p[2], p[3]].item()) ** 2 for p in places]
    moved = [scale * (picture[p[0], 0, p[2], p[3]].item() - results[p].item()) ** 2 for p in places]
    known = {
        2 * right: "the half is missing: ½ (r − Q)²",
        right * len(places): "take the mean over pictures, actions and pixels, not the sum",
        right * len(places) / 2: "take the mean over all pixels and actions, not sums for pictures",
        right * 3: "the mean goes over the actions too: yours sums over them",
        mean(0.5 * (fall(*p) - q(p)) ** 2 for p in places): "the scale of the reward is missing",
        mean(0.5 * (-scale * fall(*p) - q(p)) ** 2 for p in places): (
            "the reward is the FALL of the error: the error before less the error after"
        ),
        mean(0.5 * (scale * fall(*p) - q(p)) ** 2 for p in best): (
            "every action is taught here, not only the one with the greatest Q-value"
        ),
        mean(0.5 * (-end - q(p)) ** 2 for end, p in zip(ends, places, strict=True)): (
            "the error before the step is missing: without it no-op would not be worth 0"
        ),
        mean(0.5 * (end - q(p)) ** 2 for end, p in zip(moved, places, strict=True)): (
            "compare with the original: yours rewards any change of the picture"
        ),
        mean(0.5 * (scale * fall(*p) - q(p)) for p in places): "the square of r − Q is missing",
        mean(0.5 * abs(scale * fall(*p) - q(p)) for p in places): "take the square, not |r − Q|",
    }
    if not close(given, right):
        message = next((text for value, text in known.items() if close(given, value)), None)
        raise Wrong(message or f"on our batch the loss is {right:.4g}, yours is {given:.4g}")


def four_numbers(
    train: Callable[[Patches], Any],
    score: Callable[[Any, Patches], float],
    real: Patches,
    few: Patches,
    test: Patches,
    synthetic: Patches,
) -> dict[str, float]:
    """Return the accuracies of four classifiers; see the notebook."""
    on_real = train(real)
    return {
        "real on real": score(on_real, test),
        "TSTR": score(train(synthetic), test),
        "TRTS": score(on_real, synthetic),
        "few + synthetic": score(train(joined(few, synthetic)), test),
    }


_KEYS = ("real on real", "TSTR", "TRTS", "few + synthetic")


def check_four_numbers(answer: Callable[..., dict[str, float]]) -> None:
    """Watch what the answer trains and tests on, with a classifier that only remembers it."""
    names = ("real", "few", "test", "synthetic")
    marks = {name: float(2**place) for place, name in enumerate(names)}
    counts = {"real": 5, "few": 2, "test": 3, "synthetic": 4}
    sets = {
        name: Patches(torch.full((counts[name], 1, 2, 2), mark), torch.arange(counts[name]) % 3)
        for name, mark in marks.items()
    }

    def seen(patches: Patches) -> str:
        if len(patches.images) != len(patches.labels):
            raise Wrong("patches and labels do not fit together: join both in the same order")
        found = set(patches.images.flatten().tolist())
        inside = [name for name in names if marks[name] in found]
        for name in inside:
            rows = patches.images[:, 0, 0, 0] == marks[name]
            if not patches.labels[rows].equal(sets[name].labels):
                raise Wrong(f"the labels of the {name} patches are mixed up or incomplete")
        return " + ".join(inside)

    values: dict[float, tuple[str, str]] = {}

    def score(trained: str, patches: Patches) -> float:
        value = 0.5 + (len(values) + 1) / 64
        values[value] = trained, seen(patches)
        return value

    given = answer(seen, score, *(sets[name] for name in names))
    if given is None:
        raise Wrong("the four numbers: your function returned None. Is `return` missing?")
    if not isinstance(given, dict) or set(given) != set(_KEYS):
        raise Wrong(f"return a dict with the keys {', '.join(_KEYS)}")
    rights = {
        "real on real": ("real", "test"),
        "TSTR": ("synthetic", "test"),
        "TRTS": ("real", "synthetic"),
        "few + synthetic": ("few + synthetic", "test"),
    }
    for key, (wanted, tested) in rights.items():
        value = expect_number(given[key], f"“{key}”")
        if value not in values:
            raise Wrong(f"“{key}” must be what `score` returns, not computed from it")
        trained, on = values[value]
        if trained == on:
            raise Wrong(f"“{key}” tests a classifier on the patches that it was trained on")
        if "test" in trained:
            raise Wrong(f"“{key}” trains on the test patches: then nothing is left to test on")
        if key in ("TSTR", "TRTS") and (trained, on) == rights["TRTS" if key == "TSTR" else "TSTR"]:
            raise Wrong("TSTR and TRTS are swapped: the first T and letter say what is trained on")
        if trained != wanted:
            raise Wrong(f"“{key}” must train on {wanted} patches; yours has seen {trained}")
        if on != tested:
            raise Wrong(f"“{key}” must be tested on {tested} patches; yours was on {on}")


# Random inputs, on which an answer must agree with the solution -----------------------------------


def cases_may_train(rng: torch.Generator) -> Iterator[Case]:
    """Draw heights in any order, below 0, and gaps with 0 among them."""
    for stage, slices, held, gap_mm in (
        ("other heights", 20, 3, 2),
        ("other heights", 12, 1, 5),
        ("no gap", 15, 4, 0),
        ("one slice", 1, 2, 3),
    ):
        z_mm = whole(rng, 40, slices) - 20
        yield Case(stage, (z_mm, whole(rng, 40, held) - 20, gap_mm))
    yield Case("exactly gap_mm away", (torch.arange(-4, 12), torch.tensor([0, 8]), 3))


def cases_one_pixel(rng: torch.Generator) -> Iterator[Case]:
    """Draw pictures that are not square, windows and patches down to a single pixel."""
    for stage, half, distance, sigma in (
        ("other places", 1, 2, 0.2),
        ("other places", 2, 1, 0.3),
        ("patches of one pixel", 0, 2, 0.2),
        ("a window of one pixel", 1, 0, 0.2),
        ("no noise to take off", 1, 2, 0.0),
    ):
        row, column = half + distance + 1, half + distance
        noisy = uniform(rng, row + half + distance + 1, column + half + distance + 3)
        h = 0.2 + uniform(rng, 1).item()
        yield Case(stage, (noisy, row, column, half, distance, h, sigma))


def cases_all_action_loss(rng: torch.Generator) -> Iterator[Case]:
    """Draw pictures that are not square; the network must learn from the loss."""
    for stage, batch, actions, height, width in (
        ("other sizes", 3, 2, 4, 2),
        ("sizes that are equal", 3, 3, 3, 3),
        ("one picture", 1, 4, 2, 3),
        ("one row", 2, 3, 1, 4),
        ("one action", 2, 1, 3, 2),
    ):
        q_values = normal(rng, batch, actions, height, width).requires_grad_()
        results = uniform(rng, batch, actions, height, width)
        picture, original = uniform(rng, 2, batch, 1, height, width)
        scale = 1 + 10 * uniform(rng, 1).item()
        yield Case(stage, (q_values, results, picture, original, scale))


EXERCISES = (
    Exercise(
        "13.1",
        check_may_train,
        (
            "How far is each slice from each held-out slice? That is a table of shape (n, m).",
            "(z_mm[:, None] − held_out_z_mm[None]).abs() is that table.",
            "Greater than gap_mm, in all columns:\n"
            "((z_mm[:, None] - held_out_z_mm[None]).abs() > gap_mm).all(1)",
        ),
        may_train,
        "whatever learns from these slices has seen no neighbour of a held-out one",
        cases=cases_may_train,
        why="the table holds all distances, and all of a slice's must be greater",
    ),
    Exercise(
        "13.2",
        check_one_pixel,
        (
            "Two loops over the window; for each pixel in it one weight.",
            "It needs two patches: noisy[y − half : y + half + 1, x − half : x + half + 1].",
            "Sum weight times value, divide by the sum of the weights. The weight, from the "
            "mean square of the difference of the two patches:\n"
            "weight = math.exp(-max(0.0, mean_square - 2 * sigma ** 2) / h ** 2)",
        ),
        one_pixel,
        "for every pixel, that is non-local means; scikit-image takes short cuts to be faster",
        cases=cases_one_pixel,
        why="noise alone makes two patches differ by 2 σ² on average, so only what is beyond "
        "that counts",
    ),
    Exercise(
        "13.3",
        check_all_action_loss,
        (
            "What is the squared error before the step, and what after each action?",
            "picture has one plane and results one for each action: they broadcast.",
            "reward = scale · ((picture − original)² − (results − original)²); then:\n"
            "0.5 * (reward - q_values).square().mean()",
        ),
        all_action_loss,
        "one state now teaches all of its actions, and none of them needs to be tried",
        cases=cases_all_action_loss,
        why="the result of every action is known, so every Q-value has a target",
    ),
    Exercise(
        "13.4",
        check_four_numbers,
        (
            "TSTR: train on synthetic, test on real. TRTS: train on real, test on synthetic.",
            "“Real” to test on always means patches that no training has seen: `test`.",
            "Images and labels of two sets are joined in the same order; the last number is:\n"
            "score(train(joined(few, synthetic)), test)",
        ),
        four_numbers,
        "four numbers, three questions: are they useful, are they right, are they worth adding?",
        why="the first word says what is trained on and the second what is tested on",
    ),
)
