"""What makes pictures small, and the rivals of the DQN, against libraries and brute force."""

import itertools

import numpy as np
import pytest
import torch
from skimage.transform import downscale_local_mean, resize

from dqngan_lib.applications.pixels.filters import SUPER_RESOLUTION, ActionSet, dilation
from dqngan_lib.applications.pixels.networks import PixelRegressor
from dqngan_lib.applications.pixels.restoration import (
    apply_single_actions,
    back_projection,
    best_single_actions,
    digit_report,
    enlarge,
    oracle,
    regress,
    shrink,
    train_regressor,
    tune,
)
from dqngan_lib.course.data import digits
from dqngan_lib.metrics.pictures import psnr


def pictures(count=4, side=12, seed=0):
    return torch.rand(count, 1, side, side, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("factor", [1, 2, 4])
def test_shrink_is_scikit_images_local_mean(factor):
    images = pictures()
    expected = [downscale_local_mean(x[0].numpy(), (factor, factor)) for x in images]
    torch.testing.assert_close(shrink(images, factor)[:, 0], torch.tensor(np.stack(expected)))


def test_enlarge_agrees_with_scikit_image():
    small = pictures(side=5)
    for mode, order in (("nearest", 0), ("bilinear", 1)):
        theirs = [
            resize(x[0].double().numpy(), (15, 15), order=order, mode="edge", anti_aliasing=False)
            for x in small
        ]
        ours = enlarge(small, 3, mode)[:, 0].double()
        torch.testing.assert_close(ours, torch.tensor(np.stack(theirs)), rtol=0, atol=1e-5)


def test_bicubic_by_its_kernel():
    def kernel(distance, a=-0.75):  # Keys (1981), with the slope that torch and OpenCV use
        near = (a + 2) * distance**3 - (a + 3) * distance**2 + 1
        return near if distance <= 1 else a * (distance**3 - 5 * distance**2 + 8 * distance - 4)

    line = pictures(1)[..., :1, :]
    flat = line.expand(1, 1, 12, 12)  # the same in every row
    found = enlarge(0.4 + 0.2 * flat, 2)[0, 0, 12]
    for place in (7, 8, 15):
        centre = (place + 0.5) / 2 - 0.5
        near = range(int(centre) - 1, int(centre) + 3)
        expected = sum(kernel(abs(centre - x)) * (0.4 + 0.2 * line[0, 0, 0, x]) for x in near)
        torch.testing.assert_close(found[place], expected, rtol=0, atol=1e-5)


def test_enlarged_pictures_stay_in_range():
    hard = (pictures() > 0.5).float()
    for large in (enlarge(hard, 2), back_projection(hard, 2)):
        assert large.min() >= 0
        assert large.max() <= 1


def test_back_projection_comes_back_to_the_small_picture():
    originals = 0.2 + 0.6 * pictures()
    small = shrink(originals, 2)
    errors = [
        (shrink(back_projection(small, 2, steps), 2) - small).abs().mean() for steps in (0, 1, 5)
    ]
    assert errors[0] > 2 * errors[1] > 4 * errors[2]
    exact = back_projection(small, 2, 1, mode="nearest")
    assert (shrink(exact, 2) - small).abs().mean() < 0.1 * errors[0]


def test_tune_finds_the_best():
    originals = pictures()
    small = shrink(originals, 2)
    candidates = [
        lambda x: enlarge(x, 2, "nearest") * 0.3,
        lambda x: originals,
        lambda x: enlarge(x, 2),
    ]
    assert tune(candidates, small, originals) == 1


def test_best_single_actions_by_brute_force():
    starts, originals = pictures(), pictures(seed=1)
    actions = ActionSet((20,), {"dilation": dilation})
    chosen = best_single_actions(starts, originals, actions, steps=2)
    errors = {}
    for pair in itertools.product(range(len(actions)), repeat=2):
        made = apply_single_actions(starts, pair, actions)
        errors[pair] = (made - originals).square().mean().item()
    first = min(
        range(len(actions)),
        key=lambda a: (apply_single_actions(starts, [a], actions) - originals).square().mean(),
    )
    assert chosen[0] == first
    assert errors[tuple(chosen)] == min(errors[first, a] for a in range(len(actions)))


def test_the_oracle_takes_the_best_action_of_every_pixel():
    starts, originals = pictures(2, 6), pictures(2, 6, seed=1)
    made = oracle(starts, originals, SUPER_RESOLUTION, steps=3)
    assert made.pictures.shape == (4, 2, 1, 6, 6)
    assert made.actions.shape == (3, 2, 6, 6)
    results = SUPER_RESOLUTION.results(starts)
    for place in itertools.product(range(2), range(6), range(6)):
        n, row, column = place
        errors = (results[n, :, row, column] - originals[n, 0, row, column]).square()
        assert errors[made.actions[0][place]] == errors.min()
    error = [(picture - originals).square() for picture in made.pictures]
    assert all((after <= before).all() for before, after in itertools.pairwise(error))


def test_with_steps_alone_the_oracle_is_nearly_the_best_of_all_sequences():
    steps = ActionSet((8, 24, 64))
    start = torch.full((1, 1, 1, 1), 0.5)
    sums = {sum(five) for five in itertools.product(steps.levels.tolist(), repeat=5)}
    for original in (0.0, 0.33, 0.52, 0.9):
        best = min(abs(0.5 + total / 255 - original) for total in sums)
        target = torch.full((1, 1, 1, 1), original)
        found = (oracle(start, target, steps).result - target).abs().item()
        assert found <= best + 8.5 / 255
        if original > 0:  # at 0 the clamp helps: a step beyond the edge ends on it
            assert found >= best - 1e-6


def test_a_regressor_learns():
    originals = pictures(40, 8)
    starts = 0.5 * originals + 0.1
    torch.manual_seed(0)
    network = PixelRegressor(width=6)
    train_regressor(network, starts, originals, updates=300, learning_rate=1e-2)
    made = regress(network, starts)
    assert made.shape == originals.shape
    assert psnr(made, originals).mean() > psnr(starts, originals).mean() + 2.5
    assert made.min() >= 0
    assert made.max() <= 1


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: shrink(pictures(), 5), "a divisor of"),
        (lambda: shrink(pictures(), 0), "factor"),
        (lambda: enlarge(pictures(), 2, "magic"), "mode"),
        (lambda: train_regressor(PixelRegressor(), pictures(), pictures(), updates=0), "updates"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_report_of_perfect_and_of_blurred_digits():
    data = digits()
    images, labels = data.test_images[:200], data.test_labels[:200]
    perfect = digit_report(images, images, labels)
    assert perfect["psnr"] == 60
    assert perfect["ssim"] == pytest.approx(1)
    assert perfect["digit_fid"] < 1e-6
    assert perfect["accuracy"] > 0.95
    blurred = digit_report(enlarge(shrink(images, 4), 4), images, labels)
    assert blurred["psnr"] < 16
    assert blurred["digit_fid"] > 10
    assert blurred["accuracy"] < perfect["accuracy"]
