"""Every filter agrees with SciPy's or scikit-image's; actions are numbered as they are named."""

import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage import filters as sk_filters
from skimage import restoration as sk_restoration

from dqngan_lib.applications.pixels import filters
from dqngan_lib.applications.pixels.filters import FILLING, SUPER_RESOLUTION, ActionSet


def pictures(count=3, height=11, width=14, seed=0):
    return torch.rand(count, 1, height, width, generator=torch.Generator().manual_seed(seed))


def each(function, images):
    """Apply a function of NumPy pictures to each picture in double precision."""
    return torch.stack([torch.from_numpy(function(x[0].double().numpy()))[None] for x in images])


def by_weights(image, size, sigma_value, sigma_space):
    """Return the bilateral filter of a picture, one window of SciPy's after the other."""
    offset = np.arange(size) - size // 2
    near = np.exp(-np.add.outer(offset**2, offset**2).ravel() / (2 * sigma_space**2))

    def centre(window):
        weight = near * np.exp(-((window - window[len(window) // 2]) ** 2) / (2 * sigma_value**2))
        return (weight * window).sum() / weight.sum()

    return ndimage.generic_filter(image, centre, size, mode="nearest")


AGREE = {
    "box": (filters.box, lambda x: ndimage.uniform_filter(x, 3, mode="nearest")),
    "box of 5": (
        lambda x: filters.box(x, 5),
        lambda x: ndimage.uniform_filter(x, 5, mode="nearest"),
    ),
    "median": (filters.median, lambda x: ndimage.median_filter(x, 3, mode="nearest")),
    "median of 5": (
        lambda x: filters.median(x, 5),
        lambda x: ndimage.median_filter(x, 5, mode="nearest"),
    ),
    "gaussian": (filters.gaussian, lambda x: ndimage.gaussian_filter(x, 1.0, mode="nearest")),
    "wide gaussian": (
        lambda x: filters.gaussian(x, 1.7),
        lambda x: ndimage.gaussian_filter(x, 1.7, mode="nearest"),
    ),
    "dilation": (filters.dilation, lambda x: ndimage.grey_dilation(x, (3, 3), mode="nearest")),
    "bilateral": (filters.bilateral, lambda x: by_weights(x, 5, 0.1, 1.0)),
    "wide bilateral": (
        lambda x: filters.bilateral(x, 7, 0.3, 2.0),
        lambda x: by_weights(x, 7, 0.3, 2.0),
    ),
    # scikit-image 0.25 looks up distances in a table that is one row too long for odd windows. So
    # its filter and ours agree only where no distance within the window matters.
    "bilateral without distances": (
        lambda x: filters.bilateral(x, 5, 0.2, 1e6),
        lambda x: sk_restoration.denoise_bilateral(
            x, win_size=5, sigma_color=0.2, sigma_spatial=1e6, mode="edge", bins=10**6
        ),
    ),
}


@pytest.mark.parametrize("name", AGREE)
def test_filter_agrees_with_the_library(name):
    ours, theirs = AGREE[name]
    images = pictures()
    torch.testing.assert_close(ours(images).double(), each(theirs, images), rtol=0, atol=1e-5)


@pytest.mark.parametrize(("sigma", "amount"), [(1.0, 1.0), (1.5, 0.4)])
def test_unsharp_agrees_with_scikit_image_away_from_the_edge(sigma, amount):
    images = pictures(height=30, width=31)
    theirs = each(lambda x: sk_filters.unsharp_mask(x, sigma, amount), images)
    inside = (..., slice(7, -7), slice(7, -7))  # it mirrors at the edge, we repeat
    ours = filters.unsharp(images, sigma, amount).double()
    torch.testing.assert_close(ours[inside], theirs[inside], rtol=0, atol=1e-5)
    assert ours.min() >= 0
    assert ours.max() <= 1


def test_unsharp_agrees_with_scipy_at_the_edge():
    images = pictures()
    blurred = each(lambda x: ndimage.gaussian_filter(x, 1.0, mode="nearest"), images)
    expected = (2 * images.double() - blurred).clamp(0, 1)
    torch.testing.assert_close(filters.unsharp(images).double(), expected, rtol=0, atol=1e-5)


def test_median_by_comparisons_is_the_median_by_sorting():
    images = pictures(20)
    images[3] = (images[3] > 0.5).float()  # many equal values
    windows = torch.stack(filters._neighbours(images, 3))
    assert torch.equal(filters.median(images), windows.median(0).values)


@pytest.mark.parametrize("name", ["box", "median", "gaussian", "bilateral", "unsharp", "dilation"])
def test_a_plain_picture_stays_as_it_is(name):
    plain = torch.full((2, 1, 6, 5), 0.3)
    torch.testing.assert_close(getattr(filters, name)(plain), plain)


# Actions ------------------------------------------------------------------------------------------


def test_actions_are_numbered_as_they_are_named():
    assert SUPER_RESOLUTION.names == (
        *("no-op", "−64", "−24", "−8", "+8", "+24", "+64"),
        *("box", "median", "unsharp"),
    )
    assert len(SUPER_RESOLUTION) == 10


@pytest.mark.parametrize("actions", [SUPER_RESOLUTION, FILLING])
def test_results_hold_what_each_action_gives(actions):
    images = pictures()
    results = actions.results(images)
    assert results.shape == (3, len(actions), 11, 14)
    for number, name in enumerate(actions.names):
        if name == "no-op":
            expected = images
        elif name in actions.filters:
            expected = actions.filters[name](images)
        else:
            expected = (images + float(name.replace("−", "-")) / 255).clamp(0, 1)
        torch.testing.assert_close(results[:, number : number + 1], expected)


def test_steps_are_in_grey_levels_and_stay_in_range():
    image = torch.tensor([[[[0.0, 0.5, 1.0]]]])
    results = ActionSet((51,)).results(image)[0, :, 0]
    expected = torch.tensor([[0.0, 0.5, 1.0], [0.0, 0.3, 0.8], [0.2, 0.7, 1.0]])
    torch.testing.assert_close(results, expected)


def test_every_pixel_gets_its_own_action():
    images = pictures()
    action = torch.from_numpy(np.random.default_rng(0).integers(0, 10, (3, 11, 14)))
    results, after = SUPER_RESOLUTION.results(images), SUPER_RESOLUTION.apply(images, action)
    assert after.shape == images.shape
    for place in [(0, 0, 0), (1, 10, 13), (2, 5, 7), (0, 4, 9)]:
        picture, row, column = place
        assert after[picture, 0, row, column] == results[picture, action[place], row, column]


def test_steps_alone_and_filters_alone_are_enough():
    assert ActionSet((5,)).names == ("no-op", "−5", "+5")
    assert ActionSet((), {"box": filters.box}).names == ("no-op", "box")


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: filters.box(torch.zeros(1, 1, 4, 4, dtype=torch.uint8)), TypeError, "uint8"),
        (lambda: filters.box(torch.zeros(1, 3, 4, 4)), ValueError, r"\(n, 1, height, width\)"),
        (lambda: filters.median(torch.zeros(4, 4)), ValueError, r"got \(4, 4\)"),
        (lambda: filters.box(torch.zeros(1, 1, 4, 4), 4), ValueError, "odd"),
        (lambda: filters.dilation(torch.zeros(1, 1, 4, 4), 0), ValueError, "size"),
        (lambda: filters.gaussian(torch.zeros(1, 1, 4, 4), 0.0), ValueError, "sigma"),
        (
            lambda: filters.bilateral(torch.zeros(1, 1, 4, 4), 5, -1.0),
            ValueError,
            "sigma_value",
        ),
        (lambda: ActionSet(()), ValueError, "at least one"),
        (lambda: ActionSet((0,)), ValueError, "above 0"),
        (lambda: ActionSet((300,)), ValueError, "at most 255"),
    ],
)
def test_bad_input_is_named(call, error, words):
    with pytest.raises(error, match=words):
        call()
