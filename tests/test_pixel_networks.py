"""Per-pixel networks: shapes, what a pixel sees, and that all pixels share one policy."""

import pytest
import torch

from dqngan_lib.applications.pixels.networks import (
    DILATIONS,
    PixelQNetwork,
    PixelRegressor,
    reach,
    trunk,
)
from dqngan_lib.dqn.networks import parameter_count


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def awake(network):
    """Give a fresh network last layers that say something."""
    for layer in network.children():
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.normal_(layer.weight)
    return network


@pytest.mark.parametrize("size", [(28, 28), (7, 40), (1, 1)])
def test_pictures_of_any_size(size):
    assert PixelQNetwork(3, 10)(torch.rand(2, 3, *size)).shape == (2, 10, *size)
    assert PixelRegressor()(torch.rand(2, 1, *size)).shape == (2, 1, *size)


def test_the_mean_over_actions_is_the_value():
    network, seen = awake(PixelQNetwork(3, 10, width=6)), torch.rand(2, 3, 9, 9)
    value = network.value(network.trunk(seen))
    torch.testing.assert_close(network(seen).mean(1, keepdim=True), value)


def test_a_pixel_sees_as_far_as_the_dilations_add_up():
    network = awake(PixelQNetwork(1, 2, width=8))
    seen = torch.rand(1, 1, 41, 41, requires_grad=True)
    (gradient,) = torch.autograd.grad(network(seen)[0, 0, 20, 20], seen)
    rows, columns = gradient[0, 0].nonzero(as_tuple=True)
    assert reach() == sum(DILATIONS) == 15
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (5, 35, 5, 35)


def test_all_pixels_have_one_policy():
    network, seen = awake(PixelQNetwork(3, 5, width=8)), torch.rand(1, 3, 50, 50)
    moved = network(seen.roll((2, 3), (2, 3))).roll((-2, -3), (2, 3))
    inside = (..., slice(18, -18), slice(18, -18))  # no edge in sight
    torch.testing.assert_close(network(seen)[inside], moved[inside], rtol=1e-4, atol=1e-5)


def test_both_networks_are_of_one_size():
    q_network, regressor = PixelQNetwork(3, 10), PixelRegressor()
    assert abs(parameter_count(q_network) / parameter_count(regressor) - 1) < 0.05


def test_a_fresh_network_does_nothing():
    seen = torch.rand(2, 3, 8, 8)
    assert (PixelQNetwork(3, 10)(seen) == 0).all()
    assert PixelRegressor()(seen[:, :1]).equal(seen[:, :1])


def test_the_trunk_keeps_the_size_of_a_signal():
    features = trunk(3, 64)(torch.randn(4, 3, 40, 40))
    assert 0.3 < features[..., 15:-15, 15:-15].square().mean() < 3


def test_every_weight_gets_a_gradient():
    for network, seen in (
        (awake(PixelQNetwork(4, 6)), torch.rand(2, 4, 8, 8)),
        (awake(PixelRegressor()), torch.rand(2, 1, 8, 8)),
    ):
        network(seen).square().mean().backward()
        assert all(parameter.grad.abs().sum() > 0 for parameter in network.parameters())


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: PixelQNetwork(3, 0), "actions"),
        (lambda: PixelQNetwork(0, 3), "planes"),
        (lambda: PixelRegressor(width=0), "width"),
        (lambda: trunk(1, 4, ()), "dilations"),
        (lambda: trunk(1, 4, (1, 0)), "dilations"),
    ],
)
def test_bad_sizes_are_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()
