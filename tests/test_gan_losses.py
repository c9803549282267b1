"""The losses, against numbers worked by hand."""

import math

import pytest
import torch

from dqngan_lib.gan.losses import KINDS, discriminator_loss, generator_loss


def probability(p):
    """Return the logit of a probability."""
    return torch.tensor([math.log(p / (1 - p))])


@pytest.mark.parametrize("kind", ["minimax", "non-saturating"])
def test_discriminator_loss_by_hand(kind):
    # D = 0.8 on the real one and 0.3 on the fake: −log 0.8 − log 0.7.
    loss = discriminator_loss(probability(0.8), probability(0.3), kind)
    assert loss.item() == pytest.approx(-math.log(0.8) - math.log(0.7), rel=1e-6)
    assert discriminator_loss(torch.zeros(3), torch.zeros(3), kind).item() == pytest.approx(
        math.log(4), rel=1e-6
    )


def test_hinge_and_wasserstein_by_hand():
    real, fake = torch.tensor([2.0, 0.5, -1.0]), torch.tensor([-3.0, 0.0])
    # Hinge: max(0, 1 − l) = 0, 0.5, 2 and max(0, 1 + l̃) = 0, 1.
    assert discriminator_loss(real, fake, "hinge").item() == pytest.approx(2.5 / 3 + 0.5)
    assert discriminator_loss(real, fake, "wasserstein").item() == pytest.approx(-1.5 - 0.5)
    for kind in ("hinge", "wasserstein"):
        assert generator_loss(fake, kind).item() == pytest.approx(1.5)


def test_generator_losses_by_hand():
    assert generator_loss(probability(0.01), "minimax").item() == pytest.approx(math.log(0.99))
    loss = generator_loss(probability(0.01), "non-saturating").item()
    assert loss == pytest.approx(-math.log(0.01), rel=1e-5)


@pytest.mark.parametrize("d", [0.01, 0.5, 0.99])
def test_gradients_of_the_two_generator_losses(d):
    for kind, expected in (("minimax", -d), ("non-saturating", -(1 - d))):
        logit = probability(d).requires_grad_()
        generator_loss(logit, kind).backward()
        assert logit.grad.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_extreme_logits_stay_finite(kind):
    for real, fake in ((100.0, -100.0), (-100.0, 100.0), (0.0, 100.0), (1e4, -1e4)):
        real_logits = torch.tensor([real], requires_grad=True)
        fake_logits = torch.tensor([fake], requires_grad=True)
        loss = discriminator_loss(real_logits, fake_logits, kind)
        loss = loss + generator_loss(fake_logits, kind)
        loss.backward()
        for number in (loss, real_logits.grad, fake_logits.grad):
            assert number.isfinite().all()


def test_extreme_logits_have_the_right_value_and_gradient():
    logit = torch.tensor([-100.0], requires_grad=True)
    loss = generator_loss(logit, "non-saturating")
    loss.backward()
    assert loss.item() == pytest.approx(100.0) and logit.grad.item() == pytest.approx(-1.0)
    wrong = discriminator_loss(torch.tensor([-100.0]), torch.tensor([100.0]), "minimax")
    assert wrong.item() == pytest.approx(200.0)


TWO, NONE = torch.zeros(2), torch.zeros(0)


@pytest.mark.parametrize(
    ("loss", "arguments", "words"),
    [
        (discriminator_loss, (TWO, TWO, "lsgan"), r"kind.*'lsgan'"),
        (generator_loss, (TWO, "lsgan"), r"kind.*'lsgan'"),
        (generator_loss, (TWO[:, None],), r"fake_logits.*\(2, 1\)"),
        (discriminator_loss, (NONE, TWO), r"real_logits.*not empty.*\(0,\)"),
    ],
)
def test_bad_losses_are_named(loss, arguments, words):
    with pytest.raises(ValueError, match=words):
        loss(*arguments)
