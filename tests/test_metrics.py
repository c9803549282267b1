"""The scores against closed forms, brute force, and other people's implementations."""

import math

import numpy as np
import pytest
import scipy.linalg
import torch
from torch import nn
from torch.nn import functional

from dqngan_lib.course import data
from dqngan_lib.metrics import digits as digit_metrics
from dqngan_lib.metrics.digits import (
    class_entropy,
    class_histogram,
    conditional_accuracy,
    digit_fid,
    digit_scores,
    fid_floor,
    predicted_classes,
)
from dqngan_lib.metrics.distributions import entropy, total_variation
from dqngan_lib.metrics.frechet import feature_statistics, frechet_distance
from dqngan_lib.metrics.neighbours import distinct_images, memorisation, precision_recall
from dqngan_lib.metrics.pictures import psnr, ssim
from dqngan_lib.metrics.scorer import load_scorer

EXACT = {"rel": 1e-9, "abs": 1e-9}


@pytest.fixture(scope="module")
def digits28():
    return data.digits(28)


@pytest.fixture(scope="module")
def digits16():
    return data.digits(16)


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def randn(*shape, seed=0):
    return torch.randn(*shape, generator=rng(seed), dtype=torch.float64)


def random_covariance(size, rank, seed):
    factor = randn(size, rank, seed=seed)
    return factor @ factor.T


def rotation(size, seed):
    return torch.linalg.qr(randn(size, size, seed=seed)).Q


def digit_precision_recall(generated, real):
    features = load_scorer().features
    return precision_recall(features(generated), features(real))


class PixelScorer(nn.Module):
    """A stand-in: the features are the pixels, the first pixel times 9 is the class."""

    def features(self, images):
        """Return the pixels."""
        return images.flatten(1)

    def forward(self, images):
        """Return logits that single out the class."""
        classes = (images[:, 0, 0, 0] * 9).round().long()
        return functional.one_hot(classes, 10).float()


def of_classes(*classes):
    images = torch.zeros(len(classes), 1, 16, 16)
    images[:, 0, 0, 0] = torch.tensor(classes) / 9
    return images


# --- Fréchet distance: closed forms


def test_frechet_of_equal_gaussians_is_zero():
    cov = random_covariance(6, 6, 0)
    assert frechet_distance(torch.ones(6), cov, torch.ones(6), cov) == pytest.approx(0, abs=1e-9)


def test_frechet_with_the_same_covariance_is_the_squared_distance_of_the_means():
    cov = random_covariance(3, 3, 1)
    first, second = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([4.0, 6.0, 3.0])
    assert frechet_distance(first, cov, second, cov) == pytest.approx(25, **EXACT)


def test_frechet_in_one_dimension():
    value = frechet_distance(
        torch.tensor([1.0]), torch.tensor([[4.0]]), torch.tensor([4.0]), torch.tensor([[25.0]])
    )
    assert value == pytest.approx((1 - 4) ** 2 + (2 - 5) ** 2, **EXACT)


def test_frechet_of_diagonal_covariances():
    first, second = torch.tensor([1.0, 4.0, 9.0, 0.0]), torch.tensor([16.0, 4.0, 1.0, 25.0])
    value = frechet_distance(torch.zeros(4), first.diag(), torch.zeros(4), second.diag())
    assert value == pytest.approx(9 + 0 + 4 + 25, **EXACT)


def test_frechet_of_commuting_covariances_adds_up_over_their_common_axes():
    axes = rotation(5, 2)
    first = torch.tensor([1.0, 4.0, 9.0, 16.0, 25.0], dtype=torch.float64)
    second = torch.tensor([9.0, 9.0, 0.25, 1.0, 36.0], dtype=torch.float64)
    value = frechet_distance(
        torch.zeros(5), axes * first @ axes.T, torch.zeros(5), axes * second @ axes.T
    )
    expected = (first.sqrt() - second.sqrt()).square().sum().item()
    assert value == pytest.approx(expected, **EXACT)


@pytest.mark.parametrize("seed", range(5))
def test_frechet_of_covariances_that_do_not_commute_in_two_dimensions(seed):
    # tr (AB)^½ = √(tr AB + 2 √(det A det B)) for 2 × 2 matrices.
    a, b = random_covariance(2, 2, seed), random_covariance(2, 2, seed + 50)
    assert (a @ b - b @ a).abs().max() > 1e-3
    overlap = ((a @ b).trace() + 2 * (a.det() * b.det()).sqrt()).sqrt()
    expected = (a.trace() + b.trace() - 2 * overlap).item()
    assert frechet_distance(torch.zeros(2), a, torch.zeros(2), b) == pytest.approx(
        expected, **EXACT
    )


@pytest.mark.parametrize("seed", range(5))
def test_frechet_of_covariances_of_rank_one(seed):
    v, w = randn(8, seed=seed), randn(8, seed=seed + 9)
    value = frechet_distance(torch.zeros(8), torch.outer(v, v), torch.zeros(8), torch.outer(w, w))
    expected = (v @ v + w @ w - 2 * (v @ w).abs()).item()
    assert value == pytest.approx(expected, **EXACT)


def test_frechet_from_a_single_point_is_the_trace():
    cov = random_covariance(7, 4, 3)
    zeros = torch.zeros(7, 7)
    for value in (
        frechet_distance(torch.zeros(7), cov, torch.zeros(7), zeros),
        frechet_distance(torch.zeros(7), zeros, torch.zeros(7), cov),
    ):
        assert value == pytest.approx(cov.trace().item(), **EXACT)


def test_frechet_between_subspaces_that_share_nothing():
    first = torch.tensor([1.0, 2.0, 0.0, 0.0]).diag()
    second = torch.tensor([0.0, 0.0, 3.0, 4.0]).diag()
    assert frechet_distance(torch.zeros(4), first, torch.zeros(4), second) == pytest.approx(
        10, **EXACT
    )


def test_frechet_is_symmetric_and_does_not_change_when_both_are_turned():
    a, b = random_covariance(6, 6, 4), random_covariance(6, 3, 5)
    m, n, turn = randn(6, seed=6), randn(6, seed=7), rotation(6, 8)
    value = frechet_distance(m, a, n, b)
    assert frechet_distance(n, b, m, a) == pytest.approx(value, **EXACT)
    turned = frechet_distance(turn @ m, turn @ a @ turn.T, turn @ n, turn @ b @ turn.T)
    assert turned == pytest.approx(value, **EXACT)


# --- Fréchet distance: other implementations


@pytest.mark.parametrize("seed", range(3))
def test_frechet_agrees_with_scipy(seed):
    a, b = random_covariance(12, 30, seed).numpy(), random_covariance(12, 30, seed + 1).numpy()
    m, n = randn(12, seed=seed).numpy(), randn(12, seed=seed + 5).numpy()
    root = scipy.linalg.sqrtm(a @ b).real
    expected = ((m - n) ** 2).sum() + np.trace(a + b - 2 * root)
    assert frechet_distance(m, a, n, b) == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize("ranks", [(3, 12), (12, 3), (4, 5)])
def test_frechet_of_singular_covariances_is_the_limit_of_regular_ones(ranks):
    a, b = (random_covariance(12, rank, seed) for seed, rank in enumerate(ranks))
    value = frechet_distance(torch.zeros(12), a, torch.zeros(12), b)
    little = 1e-13 * torch.eye(12)
    root_a = scipy.linalg.sqrtm((a + little).numpy()).real
    inner = scipy.linalg.sqrtm(root_a @ (b + little).numpy() @ root_a).real
    expected = (a + b).trace().item() - 2 * np.trace(inner)
    assert math.isfinite(value)
    assert value == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("count", [20, 400])
def test_frechet_of_features_agrees_with_torchmetrics_for_few_and_many_images(count):
    fid = pytest.importorskip("torchmetrics.image.fid")
    real = functional.interpolate(torch.rand(count, 1, 4, 4, generator=rng(1)), size=16)
    fake = functional.interpolate(torch.rand(count, 1, 4, 4, generator=rng(2)) ** 2, size=16)

    class Sixteenth(PixelScorer):
        num_features = 16

        def forward(self, images):
            return self.features(images)

        def features(self, images):
            return images.float()[:, 0, ::4, ::4].flatten(1)

    other = fid.FrechetInceptionDistance(
        Sixteenth(), normalize=True, input_img_size=(1, 16, 16)
    ).set_dtype(torch.float64)
    other.update(real, real=True)
    other.update(fake, real=False)
    value = digit_fid(fake, real, Sixteenth())
    assert value == pytest.approx(other.compute().item(), rel=1e-4)


@pytest.mark.parametrize("side", [28, 16])
def test_digit_fid_agrees_with_torchmetrics_on_digits(side):
    fid = pytest.importorskip("torchmetrics.image.fid")
    digits = data.digits(side)
    real, fake = digits.test_images[:600], digits.train_images[:500].flip(-1)

    class Features(nn.Module):
        num_features = 64

        def forward(self, images):
            return load_scorer().features(images.float())

    other = fid.FrechetInceptionDistance(
        Features(), normalize=True, input_img_size=(1, side, side)
    ).set_dtype(torch.float64)
    other.update(real, real=True)
    other.update(fake, real=False)
    value = digit_fid(fake, real)
    assert value == pytest.approx(other.compute().item(), rel=1e-4)


# --- feature statistics


def test_covariance_divides_by_n_minus_one():
    mean, cov = feature_statistics(torch.tensor([[0.0, 1.0], [2.0, 5.0]]))
    assert mean.tolist() == [1, 3]
    assert cov.tolist() == [[2, 4], [4, 8]]
    assert mean.dtype == cov.dtype == torch.float64


def test_statistics_agree_with_numpy():
    features = randn(7, 3, seed=1) @ randn(3, 3, seed=2) + 100
    mean, cov = feature_statistics(features)
    assert np.allclose(mean, features.numpy().mean(0), rtol=0, atol=1e-12)
    assert np.allclose(cov, np.cov(features.numpy(), rowvar=False), rtol=0, atol=1e-10)


# --- digit-FID


def test_digit_fid_of_a_set_against_itself_is_zero(digits28):
    images = digits28.test_images[:200]
    assert digit_fid(images, images) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("side", [28, 16])
def test_digit_fid_of_real_digits_is_small_and_of_bad_ones_is_not(side):
    digits = data.digits(side)
    real, train = digits.test_images[:1000], digits.train_images[:1000]
    floor = digit_fid(train, real)
    noise = torch.randn(train.shape, generator=rng())
    scores = [digit_fid((train + size * noise).clamp(0, 1), real) for size in (0.1, 0.3)]
    blurred = functional.avg_pool2d(train, 3, stride=1, padding=1)
    assert 0.5 < floor < 4
    assert 2 * floor < scores[0] < scores[1] / 2
    assert digit_fid(blurred, real) > 2 * floor


def test_digit_fid_sees_collapse_between_and_within_classes(digits16):
    real, images, labels = digits16.test_images, digits16.train_images, digits16.train_labels
    one_each = torch.cat([images[labels == number][:1] for number in range(10)])
    assert digit_fid(images[labels == 3], real) > 80
    assert digit_fid(one_each.repeat(20, 1, 1, 1), real) > 50
    assert digit_fid(images[:1].expand(100, -1, -1, -1), real) > 100


def test_digit_fid_of_mean_features_is_one_hundred(digits16):
    mean, cov = feature_statistics(load_scorer().features(digits16.test_images))
    value = frechet_distance(mean, torch.zeros(64, 64), mean, cov)
    assert value == pytest.approx(100, abs=3)


def test_digit_fid_ignores_order_and_keeps_no_gradient(digits16):
    generated = digits16.train_images[:100].clone().requires_grad_()
    real = digits16.test_images[:100]
    value = digit_fid(generated, real)
    assert isinstance(value, float)
    assert digit_fid(generated.flip(0), real) == pytest.approx(value, **EXACT)


def test_real_digits_are_read_once_and_again_when_one_pixel_changes(digits16, monkeypatch):
    made, real = digits16.train_images[:100], digits16.test_images[:100].clone()
    digit_fid(made, digits16.test_images[100:200])  # others were read last
    read, plain = [], digit_metrics._features

    def counted(images, scorer):
        read.append(len(images))
        return plain(images, scorer)

    monkeypatch.setattr(digit_metrics, "_features", counted)
    first = digit_fid(made[:50], real)
    assert digit_fid(made[:50], real.clone()) == first
    assert read == [50, 100, 50]
    digit_scores(made, real)
    assert read == [50, 100, 50]
    real[0, 0, 8, 8] = 1 - real[0, 0, 8, 8]
    other = digit_fid(made[:50], real)
    assert read == [50, 100, 50, 50, 100]
    assert other == digit_fid(made[:50], real, load_scorer()) != first


def test_fid_floor_falls_with_n_and_repeats_with_its_seed(digits16):
    scores = fid_floor(digits16.test_images, [100, 300, 1000], repeats=3, seed=4)
    assert scores.shape == (3, 3)
    mean = scores.mean(1)
    assert mean[0] > 2 * mean[1] > 4 * mean[2] > 1
    again = fid_floor(digits16.test_images, [100, 300, 1000], repeats=3, seed=4)
    assert torch.equal(scores, again)
    other = fid_floor(digits16.test_images, [100, 300, 1000], repeats=3, seed=5)
    assert not torch.equal(scores, other)


def test_fid_floor_draws_two_sets_that_share_nothing():
    images = torch.rand(4, 1, 16, 16, generator=rng(3))
    scores = fid_floor(images, [2], PixelScorer(), repeats=20)
    splits = [([0, 1], [2, 3]), ([0, 2], [1, 3]), ([0, 3], [1, 2])]
    possible = [digit_fid(images[a], images[b], PixelScorer()) for a, b in splits]
    for score in scores.flatten():
        assert min(abs(score - value) for value in possible) < 1e-9


def test_fid_floor_against_a_reference(digits16):
    train, test = digits16.train_images[:400], digits16.test_images[:400]
    scores = fid_floor(train, [400], reference=test, repeats=2)
    assert scores.flatten().tolist() == pytest.approx([digit_fid(train, test)] * 2)


# --- classes


def test_class_histogram_and_entropy_by_hand():
    images = of_classes(0, 0, 0, 9)
    histogram = class_histogram(images, PixelScorer())
    assert histogram.tolist() == [0.75, 0, 0, 0, 0, 0, 0, 0, 0, 0.25]
    expected = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert class_entropy(images, PixelScorer()) == pytest.approx(expected, **EXACT)
    all_classes = of_classes(*range(10))
    assert class_entropy(all_classes, PixelScorer()) == pytest.approx(math.log(10))
    assert class_entropy(of_classes(4, 4), PixelScorer()) == 0


def test_conditional_accuracy_counts_the_asked_for_class():
    images, asked = of_classes(1, 2, 3, 4), torch.tensor([1, 2, 3, 5])
    assert conditional_accuracy(images, asked, PixelScorer()) == 0.75


def test_classes_of_real_digits(digits28):
    images, labels = digits28.test_images[:500], digits28.test_labels[:500]
    assert conditional_accuracy(images, labels) > 0.97
    assert conditional_accuracy(images, (labels + 1) % 10) < 0.05
    shares = torch.bincount(labels, minlength=10) / 500
    assert total_variation(class_histogram(images), shares) < 0.03
    assert 2.25 < class_entropy(images) <= math.log(10)


# --- distributions


def test_entropy_and_total_variation_by_hand():
    p, q = torch.tensor([0.5, 0.5, 0.0]), torch.tensor([0.2, 0.3, 0.5])
    assert entropy(p) == pytest.approx(math.log(2))
    assert total_variation(p, q) == pytest.approx(0.5)
    assert total_variation(q, p) == pytest.approx(0.5)
    assert total_variation(p, p) == 0
    apart = torch.tensor([0.0, 0.0, 1.0])
    assert total_variation(p, apart) == 1
    table = torch.full((4, 4), 1 / 16)
    assert entropy(table) == pytest.approx(math.log(16))


def test_total_variation_is_the_largest_difference_over_events():
    p, q = (torch.rand(6, generator=rng(seed), dtype=torch.float64) for seed in (1, 2))
    p, q = p / p.sum(), q / q.sum()
    events = [[bool(number >> bit & 1) for bit in range(6)] for number in range(64)]
    largest = max((p[event].sum() - q[event].sum()).abs().item() for event in events)
    assert total_variation(p, q) == pytest.approx(largest, **EXACT)


# --- precision and recall


def covered_by_loops(points, centres, k):
    radii = []
    for i, centre in enumerate(centres):
        others = [math.dist(centre, other) for j, other in enumerate(centres) if j != i]
        radii.append(sorted(others)[k - 1])
    inside = 0
    for point in points:
        inside += any(
            math.dist(point, centre) <= radius
            for centre, radius in zip(centres, radii, strict=True)
        )
    return inside / len(points)


@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_precision_and_recall_agree_with_loops(k):
    generated, real = randn(45, 4, seed=k), 1.5 * randn(60, 4, seed=k + 20) + 0.3
    precision, recall = precision_recall(generated, real, k)
    assert precision == pytest.approx(covered_by_loops(generated.tolist(), real.tolist(), k))
    assert recall == pytest.approx(covered_by_loops(real.tolist(), generated.tolist(), k))
    assert precision != recall


def test_precision_and_recall_by_hand_on_a_line():
    real = torch.tensor([[0.0], [1.0], [3.0], [7.0]])  # radii 1, 1, 2, 4 for k = 1
    generated = torch.tensor([[-1.0], [-1.5], [5.5], [9.5], [20.0]])  # 0.5, 0.5, 4, 4, 10.5
    precision, recall = precision_recall(generated, real, k=1)
    assert precision == pytest.approx(3 / 5)  # −1 on the edge of a ball, 5.5 and 9.5 inside one
    assert recall == 2 / 4  # 3 and 7 lie within 4 of 5.5


def modes(count):
    corners = torch.tensor([[x, y] for x in (0.0, 100.0) for y in (0.0, 100.0)])
    points = corners[:, None] + randn(4, count, 2, seed=5).float()
    return points.flatten(0, 1)


def test_half_the_modes_missing_is_seen_in_recall_alone():
    real = modes(50)
    precision, recall = precision_recall(real[:100], real)
    assert (precision, recall) == (1, 0.5)


def test_half_junk_is_seen_in_precision_alone():
    real = modes(50)
    junk = torch.tensor([500.0, 500.0]) + randn(200, 2, seed=6).float()
    precision, recall = precision_recall(torch.cat([real, junk]), real)
    assert (precision, recall) == (0.5, 1)


def test_one_point_repeated_has_precision_and_no_recall():
    real = modes(50)
    precision, recall = precision_recall(real[:1].repeat(60, 1), real)
    assert precision == 1
    assert recall == pytest.approx(1 / 200)


def test_precision_and_recall_of_digits(digits28):
    real, train = digits28.test_images[:500], digits28.train_images[:500]
    precision, recall = digit_precision_recall(train, real)
    assert 0.7 < precision < 1 and 0.7 < recall < 1
    noise = torch.rand(500, 1, 28, 28, generator=rng())
    assert digit_precision_recall(noise, real)[0] < 0.05
    low = digits28.train_images[digits28.train_labels < 5][:500]
    precision, recall = digit_precision_recall(low, real)
    assert precision > 0.7 and recall < 0.65


# --- copies and duplicates


@pytest.fixture(scope="module")
def pools(digits16):
    return digits16.train_images[:3000], digits16.test_images


def test_held_out_images_are_the_reference_by_construction(pools):
    training, held_out = pools
    found = memorisation(held_out, training, held_out)
    assert found.closer == pytest.approx(0.5, **EXACT)
    assert found.copies == pytest.approx(0.01)


def test_fresh_images_are_not_taken_for_copies(pools):
    training, held_out = pools
    found = memorisation(held_out[:1000], training, held_out[1000:])
    assert 0.46 < found.closer < 0.54
    assert found.copies < 0.03


def test_copies_are_found_and_traced_to_their_originals(pools):
    training, held_out = pools
    noise = 0.02 * torch.randn(400, 1, 16, 16, generator=rng())
    for images in (training[100:500], training[100:500] + noise):
        found = memorisation(images, training, held_out)
        assert found.closer > 0.999
        assert found.copies > 0.999
        assert found.nearest.tolist() == list(range(100, 500))
    assert memorisation(training[:300], training, held_out).distances.max() == 0


def test_a_few_copies_among_fresh_images_are_found(pools):
    training, held_out = pools
    mixed = torch.cat([training[:100], held_out[:900]])
    found = memorisation(mixed, training, held_out[900:])
    assert 0.1 <= found.copies < 0.13
    assert found.closer < 0.6


def test_junk_is_far_from_everything(pools):
    training, held_out = pools
    junk = torch.rand(100, 1, 16, 16, generator=rng())
    found = memorisation(junk, training, held_out)
    assert found.closer < 0.01
    assert found.copies == 0


def test_memorisation_agrees_with_loops():
    training, generated, held_out = (
        torch.rand(count, 3, generator=rng(count)).mul(4).round() / 4 for count in (30, 12, 17)
    )
    found = memorisation(generated, training, held_out)
    ways = [
        [min(math.dist(a, b) for b in training.tolist()) for a in images.tolist()]
        for images in (generated, held_out)
    ]
    assert found.distances.tolist() == pytest.approx(ways[0])
    assert found.held_out_distances.tolist() == pytest.approx(ways[1])
    pairs = [(a < b) + (a == b) / 2 for a in ways[0] for b in ways[1]]
    assert any(pair == 0.5 for pair in pairs)
    assert found.closer == pytest.approx(sum(pairs) / len(pairs))


def test_distinct_images_after_rounding():
    base = torch.rand(5, 1, 8, 8, generator=rng()).mul(255).round() / 255
    images = torch.cat([base, base + 0.3 / 255, base[:2] + 0.8 / 255]).clamp(0, 1)
    assert distinct_images(images) == 7
    assert distinct_images(base[:1].expand(9, -1, -1, -1)) == 1


def test_near_duplicates_are_measured_in_root_mean_square():
    grey = torch.full((1, 1, 4, 4), 0.5)
    images = torch.cat([grey, grey + 0.05, grey + 0.2])
    assert distinct_images(images, tolerance=0.04) == 3
    assert distinct_images(images, tolerance=0.06) == 2
    assert distinct_images(images, tolerance=0.3) == 1


# --- pictures


@pytest.fixture(scope="module")
def pictures():
    originals = torch.stack(list(data.photos().values()))[:4, :, 20:60, 30:75]
    images = originals + 0.1 * torch.randn(originals.shape, generator=rng())
    return images.clamp(0, 1), originals


def test_psnr_by_hand():
    images = torch.zeros(2, 1, 2, 2)
    originals = torch.tensor([[[[0.1, 0.1], [0.1, 0.1]]], [[[1.0, 0.0], [0.0, 0.0]]]])
    expected = [20, 10 * math.log10(4)]
    assert psnr(images, originals).tolist() == pytest.approx(expected)
    bytes_like = psnr(images * 255, originals * 255, data_range=255)
    assert bytes_like.tolist() == pytest.approx(expected)
    assert psnr(images, images).tolist() == [math.inf, math.inf]


def test_psnr_inside_a_mask():
    images, originals = torch.zeros(2, 3, 4, 4), torch.ones(2, 3, 4, 4)
    originals[:, :, :2] = 0.1
    mask = torch.zeros(2, 1, 4, 4, dtype=torch.bool)
    mask[:, :, :2] = True
    assert psnr(images, originals, mask=mask).tolist() == pytest.approx([20, 20])
    assert psnr(images, originals, mask=~mask[0]).tolist() == pytest.approx([0, 0])
    mask[1] = True
    expected = [20, 10 * math.log10(2 / 1.01)]
    assert psnr(images, originals, mask=mask).tolist() == pytest.approx(expected)


def test_psnr_agrees_with_others(pictures):
    skimage_metrics = pytest.importorskip("skimage.metrics")
    torchmetrics_image = pytest.importorskip("torchmetrics.functional.image")
    images, originals = pictures
    ours = psnr(images, originals).tolist()
    by_skimage = [
        skimage_metrics.peak_signal_noise_ratio(original.numpy(), image.numpy(), data_range=1)
        for image, original in zip(images, originals, strict=True)
    ]
    assert ours == pytest.approx(by_skimage, abs=1e-4)
    by_torchmetrics = torchmetrics_image.peak_signal_noise_ratio(
        images, originals, data_range=1.0, reduction="none", dim=(1, 2, 3)
    )
    assert ours == pytest.approx(by_torchmetrics.tolist(), abs=1e-4)


@pytest.mark.parametrize("data_range", [1.0, 255.0])
def test_ssim_agrees_with_others(pictures, data_range):
    skimage_metrics = pytest.importorskip("skimage.metrics")
    torchmetrics_image = pytest.importorskip("torchmetrics.functional.image")
    images, originals = (tensor * data_range for tensor in pictures)
    ours = ssim(images, originals, data_range=data_range).tolist()
    by_skimage = [
        skimage_metrics.structural_similarity(
            original.double().numpy(),
            image.double().numpy(),
            data_range=data_range,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            channel_axis=0,
        )
        for image, original in zip(images, originals, strict=True)
    ]
    assert ours == pytest.approx(by_skimage, abs=1e-6)
    # It pads the pictures by reflection and averages over the padded places too; we crop those.
    _, places = torchmetrics_image.structural_similarity_index_measure(
        images.double(),
        originals.double(),
        data_range=data_range,
        reduction="none",
        return_full_image=True,
    )
    by_torchmetrics = places[..., 5:-5, 5:-5].flatten(1).mean(1)
    assert ours == pytest.approx(by_torchmetrics.tolist(), abs=1e-6)


def test_ssim_of_digits_at_16_agrees_with_skimage(digits16):
    skimage_metrics = pytest.importorskip("skimage.metrics")
    images, originals = digits16.test_images[:5], digits16.test_images[5:10]
    by_skimage = [
        skimage_metrics.structural_similarity(
            original[0].double().numpy(),
            image[0].double().numpy(),
            data_range=1,
            gaussian_weights=True,
            use_sample_covariance=False,
        )
        for image, original in zip(images, originals, strict=True)
    ]
    assert ssim(images, originals).tolist() == pytest.approx(by_skimage, abs=1e-6)


def test_ssim_of_equal_flat_and_opposite_pictures():
    flat = torch.full((1, 1, 11, 11), 0.25)
    assert ssim(flat, flat).item() == pytest.approx(1)
    # Without variance only the means count: (2·0.25·0.75 + c₁)/(0.25² + 0.75² + c₁).
    expected = (2 * 0.25 * 0.75 + 1e-4) / (0.25**2 + 0.75**2 + 1e-4)
    assert ssim(flat, 3 * flat).item() == pytest.approx(expected)
    noise = torch.rand(1, 1, 20, 20, generator=rng())
    assert ssim(noise, 1 - noise).item() < -0.5


# --- everything at once


def test_digit_scores_are_the_single_scores(digits16):
    generated, labels = digits16.train_images[:200], digits16.train_labels[:200]
    real, training = digits16.test_images[:300], digits16.train_images[200:1200]
    scores = digit_scores(generated, real, labels=labels, training=training)
    precision, recall = digit_precision_recall(generated, real)
    found = memorisation(generated, training, real)
    assert scores == pytest.approx(
        {
            "digit-FID": digit_fid(generated, real),
            "class entropy": class_entropy(generated),
            "precision": precision,
            "recall": recall,
            "distinct": 200,
            "n generated": 200,
            "n real": 300,
            "conditional accuracy": conditional_accuracy(generated, labels),
            "closer": found.closer,
            "copies": found.copies,
        }
    )
    assert "closer" not in digit_scores(generated, real)


# --- bad inputs: the error names the argument

IMAGES = torch.rand(12, 1, 16, 16, generator=rng(1))
POINTS = torch.rand(12, 3, generator=rng(2))
EYE, ZEROS = torch.eye(3), torch.zeros(3)
LABELS = torch.zeros(12, dtype=torch.int64)
NAN = torch.full((12, 3), math.nan)
SKEW = torch.tensor([[1.0, 0.5, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])


@pytest.mark.parametrize(
    ("function", "arguments", "error", "words"),
    [
        (frechet_distance, (ZEROS, EYE, ZEROS, SKEW), ValueError, "cov_2.*symmetric"),
        (frechet_distance, (ZEROS, -EYE, ZEROS, EYE), ValueError, "cov_1.*eigenvalue"),
        (frechet_distance, (ZEROS, EYE[:2], ZEROS, EYE), ValueError, "cov_1.*shape"),
        (frechet_distance, (EYE, EYE, ZEROS, EYE), ValueError, "mean_1.*shape"),
        (
            frechet_distance,
            (ZEROS, EYE, torch.zeros(2), torch.eye(2)),
            ValueError,
            "mean_2.*shape",
        ),
        (frechet_distance, (ZEROS, EYE, ZEROS, "cov"), TypeError, "cov_2.*str"),
        (frechet_distance, (ZEROS / 0, EYE, ZEROS, EYE), ValueError, "mean_1.*finite"),
        (feature_statistics, (POINTS[:1],), ValueError, "features.*at least 2"),
        (feature_statistics, (POINTS[0],), ValueError, "features.*shape"),
        (feature_statistics, (POINTS.long(),), TypeError, "features.*int64"),
        (feature_statistics, (NAN,), ValueError, "features.*finite"),
        (digit_fid, (IMAGES * 2 - 1, IMAGES), ValueError, r"generated.*\[0, 1\].*tanh"),
        (digit_fid, (IMAGES, IMAGES * 255), ValueError, r"real.*\[0, 1\]"),
        (digit_fid, (IMAGES[:, 0], IMAGES), ValueError, "generated.*shape"),
        (digit_fid, (torch.rand(4, 1, 28, 28), IMAGES), ValueError, "generated.*side"),
        (digit_fid, (IMAGES.byte(), IMAGES), TypeError, "generated.*uint8"),
        (digit_fid, (IMAGES.numpy(), IMAGES), TypeError, "generated.*ndarray"),
        (digit_fid, (IMAGES * math.nan, IMAGES), ValueError, "generated.*finite"),
        (digit_fid, (IMAGES[:0], IMAGES), ValueError, "generated.*at least one"),
        (digit_fid, (IMAGES[:1], IMAGES), ValueError, "at least 2"),
        (fid_floor, (IMAGES, [7]), ValueError, "counts.*2 to 6"),
        (fid_floor, (IMAGES, []), ValueError, "counts"),
        (fid_floor, (IMAGES, [2], None, None, 0), ValueError, "repeats"),
        (fid_floor, (IMAGES[:, 0], [2]), ValueError, "images.*shape"),
        (
            fid_floor,
            (IMAGES, [2], None, torch.rand(4, 1, 28, 28)),
            ValueError,
            "images.*side",
        ),
        (predicted_classes, (IMAGES - 1,), ValueError, r"images.*\[0, 1\]"),
        (conditional_accuracy, (IMAGES, LABELS[:5]), ValueError, "labels must hold 12"),
        (conditional_accuracy, (IMAGES, LABELS + 10), ValueError, "labels.*0 to 9"),
        (conditional_accuracy, (IMAGES, LABELS.float()), ValueError, "labels.*float32"),
        (entropy, (torch.tensor([0.5, 0.6]),), ValueError, "distribution.*sum"),
        (entropy, (torch.tensor([1.5, -0.5]),), ValueError, "distribution.*-0.5"),
        (entropy, (LABELS,), TypeError, "distribution.*int64"),
        (
            total_variation,
            (torch.ones(2) / 2, torch.ones(4) / 4),
            ValueError,
            "distribution_2.*shape",
        ),
        (precision_recall, (POINTS, POINTS[:3]), ValueError, "real.*at least 4"),
        (precision_recall, (POINTS[:, :2], POINTS), ValueError, "generated.*columns"),
        (precision_recall, (POINTS, POINTS, 0), ValueError, "k must"),
        (precision_recall, (POINTS, POINTS, 1.5), ValueError, "k must"),
        (precision_recall, (NAN, POINTS), ValueError, "generated.*finite"),
        (memorisation, (POINTS, POINTS, POINTS[:, :2]), ValueError, "held_out.*numbers"),
        (memorisation, (POINTS, POINTS[:0], POINTS), ValueError, "training.*at least 1"),
        (memorisation, (NAN, POINTS, POINTS), ValueError, "generated.*finite"),
        (distinct_images, (IMAGES * 2,), ValueError, r"images.*\[0, 1\]"),
        (distinct_images, (IMAGES, -1.0), ValueError, "tolerance"),
        (psnr, (IMAGES, IMAGES[:3]), ValueError, "originals.*shape"),
        (psnr, (IMAGES[0], IMAGES[0]), ValueError, "images.*shape"),
        (psnr, (IMAGES, IMAGES, 0.0), ValueError, "data_range"),
        (psnr, (IMAGES, IMAGES, 1.0, LABELS), TypeError, "mask.*int64"),
        (psnr, (IMAGES, IMAGES, 1.0, IMAGES[:5] > 0), ValueError, "mask.*broadcast"),
        (psnr, (IMAGES, IMAGES, 1.0, IMAGES > 2), ValueError, "mask.*true"),
        (ssim, (IMAGES[..., :8], IMAGES[..., :8]), ValueError, "images.*window"),
        (ssim, (IMAGES, IMAGES, 1.0, 4), ValueError, "window.*odd"),
        (ssim, (IMAGES, IMAGES, 1.0, 11, 0.0), ValueError, "sigma"),
        (ssim, (IMAGES.byte(), IMAGES), TypeError, "images.*uint8"),
    ],
)
def test_bad_inputs_are_named(function, arguments, error, words):
    with pytest.raises(error, match=words):
        function(*arguments)
