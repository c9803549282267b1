"""Penalties and clipping, against numbers worked by hand."""

import pytest
import torch
from torch import nn

from dqngan_lib.gan.networks import PointDiscriminator
from dqngan_lib.gan.penalties import clip_weights, gradient_penalty, input_gradient, r1_penalty
from tests.fixed import fixed_weights  # noqa: F401


def linear(points):
    """A critic with gradient (3, 4) everywhere, so of norm 5."""
    return points @ torch.tensor([3.0, 4.0])


def quadratic(points):
    """A critic with gradient 2x."""
    return points.square().sum(1)


def test_gradient_with_respect_to_the_input():
    points = torch.randn(6, 2)
    assert torch.equal(input_gradient(linear, points), torch.tensor([[3.0, 4.0]]).expand(6, 2))
    torch.testing.assert_close(input_gradient(quadratic, points), 2 * points)


def test_r1_of_a_linear_and_a_quadratic_critic():
    points = torch.randn(50, 2)
    assert r1_penalty(linear, points).item() == pytest.approx(12.5)
    expected = 0.5 * (2 * points).square().sum(1).mean()
    assert r1_penalty(quadratic, points).item() == pytest.approx(expected.item(), rel=1e-5)


def test_gradient_penalty_of_a_linear_and_a_quadratic_critic():
    real, fake = torch.randn(50, 2), torch.randn(50, 2)
    assert gradient_penalty(linear, real, fake).item() == pytest.approx(16.0, rel=1e-5)
    rng = torch.Generator().manual_seed(3)
    value = gradient_penalty(quadratic, real, fake, rng).item()
    share = torch.rand(50, 1, generator=torch.Generator().manual_seed(3))
    between = share * real + (1 - share) * fake
    assert value == pytest.approx((2 * between.norm(dim=1) - 1).square().mean().item(), rel=1e-5)


def test_gradient_penalty_looks_between_the_pairs_and_nowhere_else():
    seen = []

    def critic(points):
        seen.append(points.detach())
        return linear(points)

    gradient_penalty(critic, torch.zeros(100, 2), torch.tensor([[2.0, 4.0]]).expand(100, 2))
    (points,) = seen
    torch.testing.assert_close(points[:, 1], 2 * points[:, 0])
    assert points.min() >= 0 and points[:, 0].max() <= 2
    assert points[:, 0].std() > 0.4  # uniform on [0, 2]: 0.58


def test_penalties_reach_the_weights_of_the_critic():
    critic, points = PointDiscriminator(8), torch.randn(10, 2)
    for penalty in (r1_penalty(critic, points), gradient_penalty(critic, points, points + 1)):
        critic.zero_grad()
        penalty.backward()
        assert critic.layers[0].weight.grad.abs().sum() > 0
    # By hand: D(x) = w·x has R1 = ½‖w‖², with gradient w.
    layer = nn.Linear(2, 1, bias=False)
    r1_penalty(lambda points: layer(points).squeeze(1), points).backward()
    torch.testing.assert_close(layer.weight.grad, layer.weight.detach())


def test_penalties_of_pictures():
    images = torch.rand(4, 1, 8, 8)
    assert r1_penalty(lambda x: x.flatten(1).sum(1), images).item() == pytest.approx(32.0)
    assert gradient_penalty(lambda x: x.flatten(1).sum(1), images, images).item() == pytest.approx(
        49.0
    )


def test_clipping():
    network = nn.Linear(2, 1)
    with torch.no_grad():
        network.weight.copy_(torch.tensor([[0.5, -3.0]]))
        network.bias.fill_(0.005)
    clip_weights(network, 0.01)
    assert network.weight.tolist() == [[pytest.approx(0.01), pytest.approx(-0.01)]]
    assert network.bias.item() == pytest.approx(0.005)


THREE = torch.zeros(3, 2)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: gradient_penalty(linear, THREE, torch.zeros(4, 2)), r"real and fake.*\(4, 2\)"),
        (lambda: r1_penalty(lambda points: points, THREE), r"critic.*\(3,\).*\(3, 2\)"),
        (lambda: clip_weights(nn.Linear(1, 1), 0), r"limit.*0"),
    ],
)
def test_bad_penalties_are_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()
