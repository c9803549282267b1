"""Holes and their fills: by hand, by brute force, and beside scikit-image."""

import numpy as np
import pytest
import torch
from skimage.restoration import inpaint_biharmonic

from dqngan_lib.applications.pixels.filters import ActionSet
from dqngan_lib.applications.pixels.inpainting import (
    HoleRegressor,
    cut_holes,
    fill_report,
    hole_psnr,
    mean_fill,
    nearest_fill,
    smooth_fill,
    square_holes,
)
from dqngan_lib.applications.pixels.restoration import apply_single_actions, best_single_actions


def pictures(count, height=12, width=12, seed=0):
    return torch.rand(count, 1, height, width, generator=torch.Generator().manual_seed(seed))


def hole(shape, rows, columns):
    mask = torch.zeros(shape, dtype=torch.bool)
    mask[..., rows, columns] = True
    return mask


def test_holes_are_squares_inside_the_margin_and_everywhere_there():
    masks = square_holes(500, 10, seed=3)
    assert masks.shape == (500, 1, 28, 28)
    assert (masks.sum((1, 2, 3)) == 100).all()
    assert (masks.any(2).sum(2) == 10).all()
    assert (masks.any(3).sum(2) == 10).all()
    touched = masks.any(0)[0].nonzero()
    assert touched.min() == 4
    assert touched.max() == 23
    assert len(masks.flatten(1).unique(dim=0)) > 100
    assert torch.equal(masks, square_holes(500, 10, seed=3))
    assert not torch.equal(masks, square_holes(500, 10, seed=4))
    assert square_holes(2, 20, 0)[0, 0, 4:24, 4:24].all()


@pytest.mark.parametrize("change", [{"size": 21}, {"size": 0}, {"count": 0}, {"margin": -1}])
def test_holes_refuse_what_does_not_fit(change):
    name = next(iter(change))
    with pytest.raises(ValueError, match=f"{name} must be"):
        square_holes(**{"count": 2, "size": 5, "seed": 0} | change)


def test_cut_and_mean_fill_by_hand():
    picture = torch.tensor([[[[0.1, 0.2, 0.3]]]])
    mask = torch.tensor([[[[False, True, False]]]])
    training = torch.tensor([[[[0.0, 0.4, 1.0]]], [[[1.0, 0.6, 1.0]]]])
    assert torch.equal(cut_holes(picture, mask, 0.7), torch.tensor([[[[0.1, 0.7, 0.3]]]]))
    torch.testing.assert_close(
        mean_fill(picture, mask, training), torch.tensor([[[[0.1, 0.5, 0.3]]]])
    )


def test_rubber_sheet_on_a_line_is_straight():
    line = torch.tensor([[[[0.2, 9.0, 9.0, 0.8]]]])
    filled = smooth_fill(line, hole(line.shape, 0, slice(1, 3)), order=1)
    torch.testing.assert_close(filled, torch.tensor([[[[0.2, 0.4, 0.6, 0.8]]]]))


def test_plate_agrees_with_scikit_image():
    originals = pictures(6, 20, 18)
    masks = hole(originals.shape, slice(5, 11), slice(4, 12))
    masks[3:] = hole(originals.shape, slice(9, 12), slice(3, 13))[3:]
    filled = smooth_fill(cut_holes(originals, masks, 0.5), masks, order=2)
    for n in (0, 2, 3, 5):
        theirs = inpaint_biharmonic(originals[n, 0].double().numpy(), masks[n, 0].numpy())
        known = originals[n][~masks[n]]  # scikit-image stays within the known values
        ours = filled[n, 0].clamp(known.min(), known.max())
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert torch.equal(filled[~masks], originals[~masks])


def test_what_is_in_the_hole_has_no_influence():
    originals, training = pictures(3), pictures(20, seed=1)
    masks = hole(originals.shape, slice(4, 8), slice(3, 9))
    for fill in (
        lambda x: smooth_fill(x, masks, 1),
        lambda x: smooth_fill(x, masks, 2),
        lambda x: mean_fill(x, masks, training),
        lambda x: nearest_fill(x, masks, training, 3),
    ):
        torch.testing.assert_close(
            *(fill(cut_holes(originals, masks, value)) for value in (0.0, 1.0))
        )


@pytest.mark.parametrize("neighbours", [1, 3])
def test_nearest_by_brute_force(neighbours):
    some, training = pictures(5), pictures(30, seed=1)
    masks = hole(some.shape, slice(2, 7), slice(3, 8))
    masks[2] = hole(some.shape[1:], slice(0, 3), slice(0, 12))
    filled = nearest_fill(some, masks, training, neighbours)
    for n in range(5):
        known = ~masks[n]
        errors = torch.stack([(some[n] - t)[known].square().sum() for t in training])
        mean = training[errors.argsort()[:neighbours]].mean(0)
        torch.testing.assert_close(filled[n], torch.where(known, some[n], mean))


def test_hole_psnr_by_hand():
    originals = torch.zeros(2, 1, 4, 4)
    masks = hole(originals.shape, slice(0, 2), slice(0, 2))
    made = originals.clone()
    made[0, 0, :2, :2] = 0.1  # 20 dB
    made[1, 0, 3, 3] = 1.0  # outside: the hole is right, which counts as 60
    assert hole_psnr(made, originals, masks) == pytest.approx(40.0)


def test_report_of_originals_is_perfect():
    originals = pictures(30, 28, 28)
    report = fill_report(originals, originals, torch.zeros(30).long(), square_holes(30, 10, 0))
    assert report["psnr"] == 60
    assert report["digit_fid"] == pytest.approx(0, abs=1e-6)
    assert set(report) == {"psnr", "error", "digit_fid", "accuracy", "grey"}
    assert report["error"] == 0
    assert report["grey"] == pytest.approx(0.6, abs=0.05)


def test_one_action_for_all_pixels_of_all_holes():
    actions = ActionSet((51,))
    originals = torch.full((4, 1, 6, 6), 0.4)
    masks = hole(originals.shape, slice(1, 4), slice(1, 4))
    starts = cut_holes(originals, masks)
    chosen = best_single_actions(starts, originals, actions, 3, masks=masks)
    assert [actions.names[a] for a in chosen] == ["+51", "+51", "no-op"]
    filled = apply_single_actions(starts, chosen, actions, masks=masks)
    torch.testing.assert_close(filled, originals)
    starts[~masks] = 0.9  # pixels that are known neither change nor count
    assert best_single_actions(starts, originals, actions, 3, masks=masks) == chosen
    filled = apply_single_actions(starts, chosen, actions, masks=masks)
    assert (filled[~masks] == 0.9).all()


def test_regressor_changes_holes_alone():
    torch.manual_seed(0)
    network = HoleRegressor(width=4)
    some = pictures(2)
    masks = hole(some.shape, slice(2, 5), slice(2, 5))
    made = network(torch.cat([some, masks.float()], 1))
    assert made.shape == some.shape
    assert torch.equal(made[~masks], some[~masks])
    assert (made[masks] == 0).all()  # silent before it has learnt


@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        ((pictures(2).int(), torch.zeros(2, 1, 12, 12).bool()), TypeError, "float tensor"),
        ((pictures(2)[0], torch.zeros(1, 12, 12).bool()), ValueError, "must have shape .n, 1"),
        ((pictures(2), torch.zeros(2, 1, 12, 12)), TypeError, "bool tensor"),
        ((pictures(2), torch.zeros(1, 1, 12, 12).bool()), ValueError, "masks must have shape"),
        ((pictures(2), torch.ones(2, 1, 12, 12).bool()), ValueError, "smaller"),
        ((pictures(1, 80, 80), torch.zeros(1, 1, 80, 80).bool()), ValueError, "4,096"),
    ],
)
def test_bad_input_is_named(wrong, error, words):
    with pytest.raises(error, match=words):
        smooth_fill(*wrong)
