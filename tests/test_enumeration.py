"""Exact values and distributions on small pictures, against sums over every path."""

import itertools
import math

import pytest
import torch

from dqngan_lib.dqngan import enumeration, printer
from dqngan_lib.metrics.distributions import total_variation

TWO = torch.tensor([0.4, 0.3, 0.2, 0.1], dtype=torch.float64)


def some_distribution(pixels, seed=0):
    logits = torch.randn(2**pixels, generator=torch.Generator().manual_seed(seed))
    return torch.softmax(2 * logits.double(), 0)


def by_paths(decide, pixels):
    """The probability of each picture: multiply its decisions, one by one."""
    result = []
    for picture in itertools.product((0, 1), repeat=pixels):
        chance = 1.0
        for t, pixel in enumerate(picture):
            chance *= decide(picture[:t])[pixel]
        result.append(chance)
    return torch.tensor(result, dtype=torch.float64)


def test_pictures_are_numbered_by_their_pixels():
    assert enumeration.all_pictures(2).tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    pictures = enumeration.all_pictures()
    assert pictures.shape == (65536, 16)
    assert enumeration.picture_numbers(pictures).equal(torch.arange(65536))
    shaped = pictures[[3, 40000]].reshape(2, 1, 4, 4).float()
    assert enumeration.picture_numbers(shaped).tolist() == [3, 40000]
    with pytest.raises(ValueError, match="0 and 1 alone"):
        enumeration.picture_numbers(torch.tensor([[0.0, 0.5]]))


def test_noisy_signs_is_what_a_noisy_printer_prints():
    p = printer.noisy_signs(0.1)
    assert p.sum() == pytest.approx(1)
    assert (p > 0).all()
    signs = printer.sign_pictures()
    rng = torch.Generator().manual_seed(0)
    shares = torch.tensor(printer.SHARES, dtype=torch.float64)
    meant = torch.multinomial(shares, 40_000, replacement=True, generator=rng)
    flips = torch.rand(40_000, 16, generator=rng) < 0.1
    numbers = enumeration.picture_numbers(signs[meant] ^ flips)
    counted = torch.bincount(numbers, minlength=65536) / 40_000
    eight = enumeration.picture_numbers(signs)
    assert len(eight.unique()) == 8
    assert (counted[eight] - p[eight]).abs().max() < 0.005
    with pytest.raises(ValueError, match="flip"):
        printer.noisy_signs(0.0)


def test_prefix_sums_and_conditionals_by_hand():
    assert [level.tolist() for level in enumeration.prefix_sums(TWO)] == [
        pytest.approx([1.0]),
        pytest.approx([0.7, 0.3]),
        pytest.approx([0.4, 0.3, 0.2, 0.1]),
    ]
    steps = [step.exp() for step in enumeration.conditionals(TWO)]
    assert steps[0].tolist() == [pytest.approx([0.7, 0.3])]
    assert steps[1].tolist() == [pytest.approx([4 / 7, 3 / 7]), pytest.approx([2 / 3, 1 / 3])]
    with pytest.raises(ValueError, match="above 0"):
        enumeration.conditionals(torch.tensor([1.0, 0.0]))
    with pytest.raises(ValueError, match=r"2\^n"):
        enumeration.prefix_sums(torch.ones(3))


def test_distribution_of_multiplies_the_decisions():
    p = some_distribution(4)
    steps = enumeration.conditionals(p)
    assert torch.allclose(enumeration.distribution_of(steps), p)

    def decide(prefix):
        number = int("0" + "".join(map(str, prefix)), 2)
        return steps[len(prefix)][number].exp().tolist()

    assert torch.allclose(by_paths(decide, 4), p)


@pytest.mark.parametrize(("temperature", "discount"), [(1.0, 1.0), (0.5, 1.0), (2.0, 0.7)])
def test_soft_values_by_recursion(temperature, discount):
    reward = some_distribution(3).log()
    extra = [torch.randn(2**t, 2, generator=torch.Generator().manual_seed(t)) for t in range(3)]

    def q_value(prefix, pixel):
        number = int("0" + "".join(map(str, prefix)), 2)
        gained = extra[len(prefix)][number, pixel].item()
        after = (*prefix, pixel)
        if len(after) == 3:
            return gained + reward[int("".join(map(str, after)), 2)].item()
        values = [q_value(after, a) / temperature for a in (0, 1)]
        return gained + discount * temperature * math.log(sum(map(math.exp, values)))

    q_values, values = enumeration.soft_values(reward, temperature, discount, extra)
    for prefix in [(), (1,), (0, 1), (1, 1)]:
        number = int("0" + "".join(map(str, prefix)), 2)
        expected = [q_value(prefix, a) for a in (0, 1)]
        assert q_values[len(prefix)][number].tolist() == pytest.approx(expected, abs=1e-6)
        soft = temperature * math.log(sum(math.exp(q / temperature) for q in expected))
        assert values[len(prefix)][number].item() == pytest.approx(soft, abs=1e-6)
    assert [len(level) for level in values] == [1, 2, 4, 8]
    assert (values[-1] == 0).all()


def test_soft_values_refuse_what_is_out_of_range():
    with pytest.raises(ValueError, match="temperature"):
        enumeration.soft_values(TWO, 0.0)
    with pytest.raises(ValueError, match="discount"):
        enumeration.soft_values(TWO, 1.0, 1.5)


def test_a_forbidden_picture_is_never_made():
    q_values, _ = enumeration.soft_values(torch.tensor([0.0, -torch.inf, 0.0, 0.0]))
    made = enumeration.distribution_of(enumeration.boltzmann(q_values))
    assert made.tolist() == pytest.approx([1 / 3, 0, 1 / 3, 1 / 3])


def test_explore_and_greedy():
    steps = enumeration.conditionals(TWO)
    mixed = enumeration.explore(steps, 0.2)
    assert mixed[0].exp().tolist() == [pytest.approx([0.8 * 0.7 + 0.1, 0.8 * 0.3 + 0.1])]
    assert enumeration.explore(steps, 1.0)[1].exp().eq(0.5).all()
    assert (
        enumeration.greedy_picture([torch.tensor([[0.0, 1]]), torch.tensor([[0, 1], [1, 0]])]) == 2
    )


def test_table_of_asks_for_every_prefix_in_order():
    def function(prefix):
        number = torch.zeros(len(prefix)) if prefix.shape[1] == 0 else None
        number = enumeration.picture_numbers(prefix).float() if number is None else number
        return torch.stack([number, torch.full_like(number, prefix.shape[1])], 1)

    table = enumeration.table_of(function, pixels=5, rows=3)
    for level, rows in enumerate(table):
        assert rows[:, 0].tolist() == list(range(2**level))
        assert (rows[:, 1] == level).all()


def draw_in_any_order(reward, corrected):
    """The stopping probabilities by a walk over every order, without sharing states."""
    n = int(math.log2(len(reward)))

    def value(state):
        ways = [reward[number(state)].item()]
        for pixel in set(range(n)) - state:
            bonus = -math.log(len(state) + 1) if corrected else 0.0
            ways.append(bonus + value(state | {pixel}))
        return math.log(sum(map(math.exp, ways)))

    def number(state):
        return sum(1 << (n - 1 - pixel) for pixel in state)

    result = torch.zeros(len(reward), dtype=torch.float64)

    def walk(state, chance):
        here = value(state)
        result[number(state)] += chance * math.exp(reward[number(state)].item() - here)
        for pixel in set(range(n)) - state:
            bonus = -math.log(len(state) + 1) if corrected else 0.0
            after = state | {pixel}
            walk(after, chance * math.exp(bonus + value(after) - here))

    walk(frozenset(), 1.0)
    return result


@pytest.mark.parametrize("corrected", [False, True])
def test_any_order_by_every_walk(corrected):
    p = some_distribution(4, seed=1)
    made, values = enumeration.any_order(p.log(), corrected=corrected)
    assert torch.allclose(made, draw_in_any_order(p.log(), corrected), atol=1e-12)
    expected = p if corrected else enumeration.path_counts(4) * p
    assert values[0].item() == pytest.approx(math.log(expected.sum()), abs=1e-9)
    assert total_variation(made, expected / expected.sum()) < 1e-9


@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_any_order_with_a_temperature(temperature):
    p = some_distribution(4, seed=2)
    weights = p ** (1 / temperature)
    made, _ = enumeration.any_order(p.log(), temperature, corrected=True)
    assert total_variation(made, weights / weights.sum()) < 1e-9
    weights = weights * enumeration.path_counts(4)
    made, _ = enumeration.any_order(p.log(), temperature)
    assert total_variation(made, weights / weights.sum()) < 1e-9


def test_settle_reports_every_round_and_checks_its_rate():
    seen = []
    end = enumeration.settle("logit", TWO, rounds=3, start=TWO, rate=1.0, watch=seen.append)
    assert len(seen) == 4
    assert torch.allclose(seen[0], TWO)
    assert torch.allclose(seen[1], torch.full((4,), 0.25, dtype=torch.float64))
    assert torch.allclose(seen[2], TWO)
    assert torch.equal(seen[3], end)
    with pytest.raises(ValueError, match="rate"):
        enumeration.settle("logit", TWO, rate=0.0)
    with pytest.raises(ValueError, match="rounds"):
        enumeration.settle("logit", TWO, rounds=-1)


def test_settle_with_a_discount_makes_the_first_decision_a_coin():
    """By hand: the first pixel is 0 with √0.7 / (√0.7 + √0.3), the last as in the data."""
    first = torch.tensor([0.7**0.5, 0.3**0.5], dtype=torch.float64)
    last = torch.tensor([[4 / 7, 3 / 7], [2 / 3, 1 / 3]], dtype=torch.float64)
    expected = ((first / first.sum())[:, None] * last).flatten()
    landed = enumeration.settle("logit + log q", TWO, discount=0.5)
    assert torch.allclose(landed, expected, atol=1e-6)
