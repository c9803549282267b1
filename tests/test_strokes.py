"""Strokes: their shape, their numbers, how ink adds up, and that greedy search is exact."""

import math

import pytest
import torch

from dqngan_lib.applications.strokes.drawing import (
    ACTIONS,
    GRID,
    NO_OP,
    SHAPES,
    canvases,
    capsule,
    lay,
    paint_greedily,
    stroke_gains,
    stroke_line,
    stroke_number,
    stroke_table,
)
from dqngan_lib.course.data import digits
from dqngan_lib.metrics.digits import conditional_accuracy


def test_there_are_3136_strokes_and_a_no_op():
    assert (SHAPES, GRID, NO_OP, ACTIONS) == (16, 14, 3_136, 3_137)
    table = stroke_table()
    assert table.shape == (3_137, 784)
    assert table.min() == 0
    assert table.max() == 1
    assert (table[NO_OP] == 0).all()
    assert (table[:NO_OP].sum(1) > 1).all()  # no stroke is without ink


def test_a_capsule_fades_over_one_pixel():
    ink = capsule((2.5, 1.5), (2.5, 3.5), half_width=1.0, side=6)
    assert ink[2, 1:4].tolist() == [1, 1, 1]  # on the line
    assert ink[1, 2].item() == pytest.approx(0.5)  # one pixel beside it: 1 + ½ − 1
    assert ink[0, 2].item() == 0  # two pixels beside it
    assert ink[1, 0].item() == pytest.approx(1.5 - math.sqrt(2))  # beyond the round end
    assert torch.equal(ink, capsule((2.5, 3.5), (2.5, 1.5), half_width=1.0, side=6))


def test_a_point_is_a_capsule_without_length():
    ink = capsule((1.5, 1.5), (1.5, 1.5), half_width=0.5, side=3)
    assert ink[1, 1] == 1
    assert ink[0, 1] == 0


def test_numbers_and_lines_agree():
    number = stroke_number(row=3, column=5, direction=2, length=1)
    assert number == (2 * 2 + 1) * 196 + 3 * 14 + 5
    start, end = stroke_line(number)
    assert start == (7.0, 11.0)
    assert end == pytest.approx((15.0, 11.0))  # direction 2 points down, 8 pixels
    ink = stroke_table()[number].reshape(28, 28)
    assert torch.equal(ink, capsule(start, end))
    assert ink[7:15, 10:12].min() == 1
    assert ink[:, :8].sum() == 0


@pytest.mark.parametrize(
    "wrong", [{"row": 14}, {"column": -1}, {"direction": 8}, {"length": 2}, {"row": 1.5}]
)
def test_numbers_out_of_range_are_named(wrong):
    right = {"row": 0, "column": 0, "direction": 0, "length": 0}
    with pytest.raises(ValueError, match=next(iter(wrong))):
        stroke_number(**right | wrong)


def test_the_no_op_has_no_line():
    with pytest.raises(ValueError, match="number"):
        stroke_line(NO_OP)


def test_ink_covers_paper():
    canvas = torch.full((2, 784), 0.5)
    number = stroke_number(3, 5, 2, 1)
    after = lay(canvas, torch.tensor([number, NO_OP]))
    ink = stroke_table()[number]
    assert torch.allclose(after[0], 0.5 + ink * 0.5)
    assert torch.equal(after[1], canvas[1])


def test_order_does_not_change_the_picture():
    actions = torch.randint(ACTIONS, (4, 6), generator=torch.Generator().manual_seed(0))
    shown = canvases(actions)
    assert shown.shape == (4, 7, 784)
    assert (shown[:, 0] == 0).all()
    assert torch.equal(shown[:, 2], lay(shown[:, 1], actions[:, 1]))
    assert torch.allclose(shown[:, -1], canvases(actions.flip(1))[:, -1], atol=1e-6)


def test_two_matrix_products_are_the_brute_force_gain():
    rng = torch.Generator().manual_seed(0)
    canvas, target = torch.rand(2, 3, 784, generator=rng)
    gains = stroke_gains(canvas, target)
    for action in (0, 17, 1_000, 2_222, 3_135, NO_OP):
        after = lay(canvas, torch.full((3,), action))
        gain = (target - canvas).square().sum(1) - (target - after).square().sum(1)
        assert torch.allclose(gains[:, action], gain, atol=1e-3)
    assert (gains[:, NO_OP] == 0).all()
    with pytest.raises(ValueError, match="784"):
        stroke_gains(canvas, target[:, :-1])


def test_greedy_takes_the_best_of_all_strokes_and_stops_when_none_pays():
    images = digits().test_images[:3]
    painted = paint_greedily(images, strokes=3)
    canvas, target = torch.zeros(3, 784), images.flatten(1)
    for step in range(3):
        errors = torch.stack(
            [
                (target - lay(canvas, torch.full((3,), action))).square().sum(1)
                for action in range(NO_OP)
            ]
        )
        chosen = painted.actions[:, step]
        taken = errors.gather(0, chosen[None])[0]
        assert torch.allclose(taken, errors.min(0).values, atol=1e-3)
        canvas = lay(canvas, chosen)
    assert torch.equal(painted.images.flatten(1), canvas)
    blank = paint_greedily(torch.zeros(2, 1, 28, 28), strokes=2)
    assert (blank.actions == NO_OP).all()
    assert blank.images.sum() == 0


def test_a_least_gain_leaves_small_strokes_out():
    images = digits().test_images[:20]
    all_strokes = paint_greedily(images, 10, 0.0).actions
    fewer = paint_greedily(images, 10, 2.0).actions
    assert (fewer == NO_OP).sum() > (all_strokes == NO_OP).sum()
    stopped = (fewer == NO_OP).long()
    assert (stopped.diff(dim=1) >= 0).all()  # once the pen is down it stays down


def test_parts_do_not_matter():
    images = digits().test_images[:7]
    whole, parts = paint_greedily(images, 4), paint_greedily(images, 4, part=3)
    assert torch.equal(whole.actions, parts.actions)


def test_repainted_digits_can_be_read():
    data = digits()
    images, labels = data.test_images[:300], data.test_labels[:300]
    painted = paint_greedily(images, 10, 0.5)
    assert conditional_accuracy(painted.images, labels) > 0.9
    error = (painted.images - images).square().sum() / images.square().sum()
    assert error < 0.25


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"images": torch.zeros(2, 28, 28)}, "images"),
        ({"images": torch.zeros(0, 1, 28, 28)}, "images"),
        ({"images": torch.zeros(1, 1, 28, 28), "strokes": 0}, "strokes"),
        ({"images": torch.zeros(1, 1, 28, 28), "least_gain": -1.0}, "least_gain"),
    ],
)
def test_bad_input_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        paint_greedily(**arguments)
