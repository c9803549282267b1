"""The split does not leak, noise is not cut off, and the tools know the wide scale."""

import numpy as np
import pytest
import scipy.fft
import torch
from skimage.restoration import denoise_nl_means, denoise_tv_chambolle

from dqngan_lib.applications.medical import slices as medical


def test_blocks_and_gaps_by_hand():
    fit, held, gap = medical.block_split(10, [(4, 6)], gap=2)
    assert fit.tolist() == [0, 1, 8, 9]
    assert held.tolist() == [4, 5]
    assert gap.tolist() == [2, 3, 6, 7]


def test_a_block_at_the_edge_and_a_second_block_inside_a_gap():
    fit, held, gap = medical.block_split(8, [(0, 2), (3, 4)], gap=1)
    assert (fit.tolist(), held.tolist(), gap.tolist()) == ([5, 6, 7], [0, 1, 3], [2, 4])


@pytest.mark.parametrize("blocks", [[(2, 2)], [(-1, 2)], [(3, 11)], [(0, 10)]])
def test_impossible_blocks_are_named(blocks):
    with pytest.raises(ValueError, match="blocks"):
        medical.block_split(10, blocks, gap=0)


def test_the_three_sets_of_slices_are_five_millimetres_apart():
    sets = medical.split_slices()
    for number, one in enumerate(sets):
        assert len(one.images) == len(one.tissue) == len(one.z_mm) > 0
        for other in sets[number + 1 :]:
            assert (one.z_mm[:, None] - other.z_mm[None]).abs().min() >= 5
    assert sets[1].z_mm.tolist() == [*range(4, 16)]
    assert len(sets[2].images) == 28


def test_noise_is_not_cut_off_and_repeats():
    black = torch.zeros(4, 1, 64, 64)
    noisy = medical.add_noise(black, seed=3)
    assert noisy.mean().abs() < 0.005
    assert noisy.std().item() == pytest.approx(medical.NOISE, rel=0.05)
    assert (noisy < 0).float().mean().item() == pytest.approx(0.5, abs=0.02)
    assert noisy.equal(medical.add_noise(black, seed=3))
    assert not noisy.equal(medical.add_noise(black, seed=4))


def test_the_wide_scale_holds_noise_and_is_undone():
    pictures = torch.rand(2, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    noisy = medical.add_noise(pictures)
    wide = medical.widen(noisy)
    assert 0 < wide.min() < wide.max() < 1
    assert torch.allclose(wide * medical.WIDTH - medical.MARGIN, noisy, atol=1e-6)
    assert torch.allclose(medical.narrow(medical.widen(pictures)), pictures, atol=1e-6)


def test_wide_actions_move_by_grey_levels_of_the_pictures():
    actions = medical.WideActions((10,), {"soften": medical.soften})
    pictures = torch.full((1, 1, 4, 4), 0.5)
    results = actions.results(medical.widen(pictures))
    assert actions.names == ("no-op", "−10", "+10", "soften")
    values = (results * medical.WIDTH - medical.MARGIN)[0, :, 2, 2]
    assert torch.allclose(values, torch.tensor([0.5, 0.5 - 10 / 255, 0.5 + 10 / 255, 0.5]))


def test_soften_and_sharpen_are_opposite():
    pictures = 0.3 + 0.4 * torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    both = medical.soften(pictures) + medical.sharpen(pictures)
    assert torch.allclose(both, 2 * pictures, atol=1e-5)
    assert medical.soften(pictures).std() < pictures.std() < medical.sharpen(pictures).std()


def test_non_local_means_is_scikit_images():
    noisy = medical.add_noise(medical.split_slices()[2].images[:2])
    made = medical.non_local_means(noisy, h=0.6, patch=3, distance=5)
    sigma = medical.NOISE
    for picture, one in zip(noisy[:, 0].double().numpy(), made[:, 0].numpy(), strict=True):
        settings = {"patch_size": 3, "patch_distance": 5, "h": 0.6 * sigma, "sigma": sigma}
        assert np.allclose(denoise_nl_means(picture, **settings), one, atol=1e-6)


def _slowly(picture, side, change):
    """Take squares apart with SciPy, change their waves, and average the squares."""
    around = np.pad(picture, side - 1, mode="reflect")
    total, weights = np.zeros(around.shape), np.zeros(around.shape)
    for row in range(around.shape[0] - side + 1):
        for column in range(around.shape[1] - side + 1):
            place = np.s_[row : row + side, column : column + side]
            waves, weight = change(scipy.fft.dctn(around[place], norm="ortho"), place)
            total[place] += scipy.fft.idctn(waves, norm="ortho") * weight
            weights[place] += weight
    inside = slice(side - 1, 1 - side)
    return (total / weights)[inside, inside]


def _thresholded(threshold):
    def change(waves, place):
        kept = np.abs(waves) > threshold * medical.NOISE
        kept[0, 0] = True
        return waves * kept, 1 / kept.sum()

    return change


def _wiener(guide, side):
    around = np.pad(guide, side - 1, mode="reflect")

    def change(waves, place):
        strength = scipy.fft.dctn(around[place], norm="ortho") ** 2
        gain = strength / (strength + medical.NOISE**2)
        gain[0, 0] = 1
        return waves * gain, 1 / (gain**2).sum()

    return change


def test_dct_methods_are_the_slow_way():
    noisy = medical.add_noise(medical.split_slices()[2].images[:1, :, 20:32, 20:31])
    picture = noisy[0, 0].double().numpy()
    first = _slowly(picture, 4, _thresholded(1.5))
    made = medical.dct_threshold(noisy, threshold=1.5, side=4)
    assert np.allclose(made[0, 0].numpy(), first, atol=1e-5)
    second = _slowly(picture, 4, _wiener(np.where(first < 0.3, 0, first), 4))
    made = medical.dct_wiener(noisy, threshold=1.5, side=4, black=0.3)
    assert np.allclose(made[0, 0].numpy(), second, atol=1e-5)


def test_total_variation_is_scikit_images_and_flattens():
    noisy = medical.add_noise(medical.split_slices()[2].images[:1])
    made = medical.total_variation_denoise(noisy, 0.1)
    expected = denoise_tv_chambolle(noisy[0, 0].double().numpy(), 0.1)
    assert np.allclose(made[0, 0].numpy(), expected, atol=1e-6)
    assert made.diff().abs().sum() < 0.7 * noisy.diff().abs().sum()


@pytest.mark.parametrize(
    ("method", "name"),
    [
        ("non_local_means", "h"),
        ("dct_threshold", "threshold"),
        ("total_variation_denoise", "weight"),
    ],
)
def test_settings_of_denoisers_are_positive(method, name):
    with pytest.raises(ValueError, match=name):
        getattr(medical, method)(torch.zeros(1, 1, 16, 16), 0.0)


def test_darken_and_crops():
    pictures = torch.arange(32.0).view(2, 1, 4, 4) / 32
    assert medical.darken(pictures, 0.25).flatten()[:9].tolist() == [0.0] * 8 + [0.25]
    squares = medical.crops(pictures, side=2, stride=2)
    assert squares.shape == (8, 1, 2, 2)
    assert squares[1].equal(pictures[0, :, :2, 2:])
    assert squares[4].equal(pictures[1, :, :2, :2])
