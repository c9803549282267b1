"""The pair: its settings, its samples, and what one update does."""

import pytest
import torch
from torch import nn

from dqngan_lib.gan.losses import KINDS, discriminator_loss, generator_loss
from dqngan_lib.gan.model import GAN, GANSettings
from dqngan_lib.gan.networks import ImageDiscriminator, ImageGenerator, PointDiscriminator
from dqngan_lib.gan.penalties import input_gradient, r1_penalty
from tests.fixed import fixed_weights  # noqa: F401
from tests.small_gans import conditional_gan, small_gan, weights


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("loss", "lsgan"),
        ("generator_rate", 0.0),
        ("discriminator_rate", -1.0),
        ("beta_1", 1.0),
        ("beta_2", -0.1),
        ("average", 1.0),
        ("mismatch", 1.0),
        ("discriminator_steps", 0),
        ("penalty", "r2"),
        ("penalty_weight", -1.0),
        ("penalty_every", 0),
        ("clip", 0.0),
    ],
)
def test_bad_settings_are_named(name, value):
    with pytest.raises(ValueError, match=rf"{name} must.*{value}"):
        GANSettings(**{name: value})


@pytest.mark.parametrize("given", [{"penalty": "r1"}, {"penalty_weight": 1.0}])
def test_a_penalty_and_its_weight_belong_together(given):
    with pytest.raises(ValueError, match="a penalty needs a weight"):
        GANSettings(**given)


def test_samples_depend_on_the_seed_alone_and_disturb_nothing():
    gan = small_gan()
    before = gan.rng.get_state()
    assert torch.equal(gan.sample(5, seed=3), gan.sample(5, seed=3))
    assert not torch.equal(gan.sample(5, seed=3), gan.sample(5, seed=4))
    assert torch.equal(gan.rng.get_state(), before)
    assert not gan.sample(5).requires_grad


def test_each_step_moves_its_own_network_alone():
    gan, real = small_gan(), torch.randn(8, 2)
    g, d = weights(gan.generator), weights(gan.discriminator)
    gan.discriminator_step(real)
    assert torch.equal(weights(gan.generator), g)
    assert not torch.equal(weights(gan.discriminator), d)
    d = weights(gan.discriminator)
    gan.generator_step(8)
    assert torch.equal(weights(gan.discriminator), d)
    assert not torch.equal(weights(gan.generator), g)


@pytest.mark.parametrize("kind", KINDS)
def test_one_update_makes_each_loss_smaller(kind):
    gan, real = small_gan(loss=kind, generator_rate=1e-3), torch.randn(256, 2) + 3

    def losses():
        fake_logits = gan.discriminator(gan.sample(256, averaged=False))
        real_logits = gan.discriminator(real)
        return (
            discriminator_loss(real_logits, fake_logits, kind).item(),
            generator_loss(fake_logits, kind).item(),
        )

    before = losses()[0]
    for _ in range(5):
        gan.discriminator_step(real)
    assert losses()[0] < before
    before = losses()[1]
    for _ in range(5):
        gan.generator_step(256)
    assert losses()[1] < before


def test_update_measures_what_it_says():
    gan = small_gan(penalty="r1", penalty_weight=2.0)
    real = torch.randn(8, 2)
    expected = 2.0 * r1_penalty(gan.discriminator, real).item()
    logit = gan.discriminator(real).mean().item()
    measured = gan.update(real)
    assert measured["penalty"].item() == pytest.approx(expected, rel=1e-5)
    assert measured["real_logit"].item() == pytest.approx(logit, rel=1e-5)
    assert set(measured) == {
        "discriminator_loss", "generator_loss", "real_logit", "fake_logit", "penalty",
    }  # fmt: skip
    assert not any(value.requires_grad for value in measured.values())


def test_the_penalty_now_and_then_is_so_many_times_as_heavy():
    gan = small_gan(penalty="r1", penalty_weight=1.0, penalty_every=3)
    values = [gan.update(torch.randn(8, 2))["penalty"].item() for _ in range(6)]
    assert [value > 0 for value in values] == [True, False, False, True, False, False]
    every = small_gan(penalty="r1", penalty_weight=1.0)
    real = torch.randn(8, 2)
    now_and_then = small_gan(penalty="r1", penalty_weight=1.0, penalty_every=3)
    fake = torch.zeros(8, 2)
    assert now_and_then.penalty(real, fake).item() == pytest.approx(
        3 * every.penalty(real, fake).item(), rel=1e-5
    )


def test_the_gradient_penalty_holds_the_gradient_near_one():
    gan = small_gan(loss="wasserstein", penalty="gradient", penalty_weight=10.0)
    real = torch.randn(256, 2) + 2
    for _ in range(300):
        gan.discriminator_step(real)
    norms = input_gradient(gan.discriminator, real / 2).norm(dim=1)
    assert norms.mean().item() == pytest.approx(1.0, abs=0.3)


def test_clipping_and_discriminator_steps():
    gan = small_gan(loss="wasserstein", clip=0.02, discriminator_steps=4)
    gan.update(torch.randn(8, 2))
    assert gan.discriminator_updates == 4
    assert max(p.abs().max().item() for p in gan.discriminator.parameters()) <= 0.02 + 1e-8
    assert max(p.abs().max().item() for p in gan.generator.parameters()) > 0.02


def test_the_average_by_hand():
    gan = small_gan(average=0.5)
    parameter = gan.generator.layers[0].weight
    expected = None
    for round_ in range(12):
        with torch.no_grad():
            parameter.fill_(float(round_))
        gan.averaged.update_parameters(gan.generator)
        memory = min(0.5, (1 + round_) / (10 + round_))
        # The first update copies; later ones move by 1 − memory.
        expected = 0.0 if round_ == 0 else memory * expected + (1 - memory) * round_
    average = gan.averaged.module.layers[0].weight
    torch.testing.assert_close(average, torch.full_like(average, expected))


def test_no_memory_gives_the_generator_itself():
    gan = small_gan(average=0.0)
    for _ in range(3):
        gan.update(torch.randn(8, 2))
    torch.testing.assert_close(gan.sample(5), gan.sample(5, averaged=False))


def test_the_average_has_no_gradient_and_keeps_counters_whole():
    gan = GAN(ImageGenerator(4, 4, side=8), ImageDiscriminator(2, side=8), GANSettings())
    for _ in range(3):
        gan.update(torch.rand(4, 1, 8, 8))
    assert not any(p.requires_grad for p in gan.averaged.parameters())
    counted = gan.averaged.module.norm_1.norm.num_batches_tracked
    assert counted.dtype == torch.int64
    assert counted == gan.generator.norm_1.norm.num_batches_tracked
    averaged = gan.averaged.module.norm_1.norm.running_mean
    assert averaged.abs().sum() > 0


def test_a_generator_without_noise_size_is_refused():
    with pytest.raises(TypeError, match=r"noise_size.*Linear"):
        GAN(nn.Linear(2, 2), PointDiscriminator())


def test_samples_of_the_classes_asked_for():
    gan = conditional_gan()
    gan.update(torch.rand(4, 1, 8, 8), torch.tensor([0, 1, 2, 0]))
    labels = torch.tensor([2, 0])
    assert gan.sample(2, labels).shape == (2, 1, 8, 8)
    assert not torch.equal(gan.sample(2, labels), gan.sample(2, labels.flip(0)))
    assert torch.equal(gan.sample(5), gan.sample(5))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.tensor([0, 3]), r"labels must hold 2 whole numbers from 0 to 2; got .*3"),
        (torch.tensor([-1, 0]), r"labels must hold 2 whole numbers from 0 to 2; got .*-1"),
        (torch.tensor([0]), r"labels must hold 2 whole numbers"),
        (torch.tensor([0.0, 1.0]), r"labels must hold 2 whole numbers.*float32"),
    ],
)
def test_bad_labels_are_named(labels, message):
    with pytest.raises(ValueError, match=message):
        conditional_gan().sample(2, labels)


def test_wrong_labels_are_all_the_others_equally_often():
    gan = GAN(ImageGenerator(4, 4, 4, 8), ImageDiscriminator(2, 4, 8), GANSettings(mismatch=0.5))
    labels = torch.arange(4).repeat(3_000)
    wrong = gan.wrong_labels(labels)
    counts = torch.bincount(4 * labels + wrong, minlength=16).view(4, 4)
    assert counts.diagonal().tolist() == [0, 0, 0, 0]
    assert counts[counts > 0].numel() == 12
    assert counts[counts > 0].min() > 850 and counts.max() < 1_150  # expected: 1,000


def test_mismatched_samples_are_a_third_kind_of_input():
    torch.manual_seed(0)
    generator = ImageGenerator(4, 4, 3, 8)
    seen = []

    class Spy(ImageDiscriminator):
        def forward(self, images, labels):
            logits = super().forward(images, labels)
            seen.append((images, labels, logits.detach()))
            return logits

    gan = GAN(generator, Spy(2, 3, 8, spectral=False), GANSettings(mismatch=0.25))
    real, labels = torch.rand(5, 1, 8, 8), torch.tensor([0, 1, 2, 0, 1])
    measured = gan.discriminator_step(real, labels)
    images, asked, logits = seen[0]
    assert torch.equal(images[:5], real) and torch.equal(images[10:], real)
    assert torch.equal(asked[:5], labels) and torch.equal(asked[5:10], labels)
    assert (asked[10:] != labels).all()
    expected = 0.75 * discriminator_loss(logits[:5], logits[5:10])
    expected += 0.25 * discriminator_loss(logits[:5], logits[10:])
    torch.testing.assert_close(measured["discriminator_loss"], expected)
    torch.testing.assert_close(measured["fake_logit"], logits[5:10].mean())


def test_mismatch_needs_classes():
    with pytest.raises(ValueError, match=r"mismatch needs 2 classes or more.*has 0"):
        small_gan(mismatch=0.5)
