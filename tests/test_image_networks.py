"""Generators and discriminators: shapes, spectral norm, labels, and what impossible sizes get."""

import pytest
import torch
from torch import nn

from dqngan_lib.course.data import digits
from dqngan_lib.dqn.networks import parameter_count
from dqngan_lib.gan.model import GAN, GANSettings
from dqngan_lib.gan.networks import (
    ConditionalBatchNorm,
    ImageDiscriminator,
    ImageGenerator,
    PointDiscriminator,
    PointGenerator,
)
from dqngan_lib.gan.training import GANTrainSettings, train_gan
from tests.fixed import fixed_weights  # noqa: F401


@pytest.mark.parametrize(("layers", "width"), [(1, 5), (3, 4)])
def test_points(layers, width):
    generator = PointGenerator(3, width, layers)
    points = generator(torch.randn(7, 3))
    assert points.shape == (7, 2) and generator.noise_size == 3 and generator.classes == 0
    discriminator = PointDiscriminator(width, layers)
    assert discriminator(points).shape == (7,)
    inner = (layers - 1) * (width + 1) * width
    assert parameter_count(generator) == 4 * width + inner + (width + 1) * 2
    assert parameter_count(discriminator) == 3 * width + inner + width + 1


@pytest.mark.parametrize("side", [8, 16, 28])
@pytest.mark.parametrize("classes", [0, 10])
def test_pictures(side, classes):
    labels = torch.arange(5) if classes else None
    generator = ImageGenerator(6, 8, classes, side)
    images = generator(torch.randn(5, 6), labels)
    assert images.shape == (5, 1, side, side)
    assert images.min() >= 0 and images.max() <= 1
    discriminator = ImageDiscriminator(4, classes, side)
    assert discriminator(images, labels).shape == (5,)


def test_each_picture_has_a_logit_of_its_own():
    discriminator = ImageDiscriminator(4).eval()
    images = torch.rand(3, 1, 28, 28)
    together = discriminator(images)
    alone = torch.cat([discriminator(image[None]) for image in images])
    torch.testing.assert_close(together, alone)


def layers_of(network):
    kinds = (nn.Linear, nn.Conv2d, nn.Embedding)
    return [layer for layer in network.modules() if isinstance(layer, kinds)]


@pytest.mark.parametrize(
    "network",
    [
        lambda spectral: ImageDiscriminator(4, 3, spectral=spectral),
        lambda spectral: PointDiscriminator(8, 3, spectral=spectral),
    ],
)
def test_spectral_norm_makes_the_greatest_singular_value_one(network):
    normalised = network(True)
    for _ in range(50):  # one step of the power iteration each
        for layer in layers_of(normalised):
            assert layer.weight.isfinite().all()
    normalised.eval()
    for layer in layers_of(normalised):
        greatest = torch.linalg.matrix_norm(layer.weight.flatten(1), ord=2)
        assert greatest.item() == pytest.approx(1.0, abs=0.02)
    assert all(
        not nn.utils.parametrize.is_parametrized(layer) for layer in layers_of(network(False))
    )


def test_a_normalised_discriminator_of_points_is_lipschitz():
    discriminator = PointDiscriminator(16, 3, spectral=True)
    for _ in range(50):
        discriminator(torch.randn(1, 2))
    discriminator.eval()
    one, two = torch.randn(2, 500, 2)
    difference = (discriminator(one) - discriminator(two)).abs()
    assert (difference <= 1.02 * (one - two).norm(dim=1)).all()


def test_the_projection_by_hand():
    discriminator = ImageDiscriminator(2, classes=3, side=8, spectral=False)
    images, labels = torch.rand(4, 1, 8, 8), torch.tensor([0, 2, 1, 2])
    features = discriminator.features(2 * images - 1)
    for row, label in enumerate(labels.tolist()):
        expected = discriminator.head(features[row]).item()
        expected += (discriminator.embedding.weight[label] @ features[row]).item()
        assert discriminator(images, labels)[row].item() == pytest.approx(expected, abs=1e-5)


def test_the_label_changes_pictures_and_logits():
    generator = ImageGenerator(6, 8, classes=3).eval()
    noise = torch.randn(1, 6).expand(3, 6)
    images = generator(noise, torch.arange(3))
    assert (images[0] - images[1]).abs().max() > 1e-3
    discriminator = ImageDiscriminator(4, classes=3).eval()
    logits = discriminator(images[:1].expand(3, 1, 28, 28), torch.arange(3))
    assert logits.unique().numel() == 3


def test_conditional_batch_norm_by_hand():
    norm = ConditionalBatchNorm(2, classes=3)
    planes, labels = torch.randn(8, 2, 4, 4), torch.arange(8) % 3
    plain = ConditionalBatchNorm(2)(planes)
    torch.testing.assert_close(norm(planes, labels), plain)
    with torch.no_grad():
        norm.scale.weight[1] = torch.tensor([2.0, 3.0])
        norm.shift.weight[2] = torch.tensor([0.0, 5.0])
    result = norm(planes, labels)
    torch.testing.assert_close(result[labels == 0], plain[labels == 0])
    torch.testing.assert_close(result[labels == 1][:, 1], 3 * plain[labels == 1][:, 1])
    torch.testing.assert_close(result[labels == 2][:, 1], plain[labels == 2][:, 1] + 5)


def test_a_conditional_pair_learns_what_the_label_means():
    # Noughts and ones of the training digits: each sample must be nearer to its class's mean.
    data = digits(16)
    two = data.train_labels < 2
    images, labels = data.train_images[two], data.train_labels[two]
    settings = GANSettings(
        generator_rate=2e-3,
        discriminator_rate=2e-3,
        average=0.9,
        penalty="r1",
        penalty_weight=1.0,
    )
    networks = ImageGenerator(8, 16, 2, 16), ImageDiscriminator(8, 2, 16, spectral=False)
    gan = GAN(*networks, settings)
    train_gan(gan, images, labels, settings=GANTrainSettings(80, 32, evaluate_every=80))
    asked = torch.arange(40) % 2
    means = torch.stack([images[labels == label].mean(0).flatten() for label in (0, 1)])
    nearest = torch.cdist(gan.sample(40, asked).flatten(1), means).argmin(1)
    assert (nearest == asked).float().mean() >= 0.95


LABELS = torch.zeros(2, dtype=torch.long)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: PointGenerator(0), r"noise_size.*0"),
        (lambda: PointDiscriminator(layers=0), r"layers.*0"),
        (lambda: ImageGenerator(side=30), "side must be a multiple of 4; got 30"),
        (lambda: ImageDiscriminator(side=14), "side must be a multiple of 4; got 14"),
        (lambda: ImageGenerator(4, 8, classes=3)(torch.zeros(2, 4)), "classes=3.* from 0 to 2"),
        (lambda: ImageDiscriminator(4)(torch.zeros(2, 1, 28, 28), LABELS), "takes no labels"),
    ],
)
def test_bad_sizes_and_labels_are_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()
