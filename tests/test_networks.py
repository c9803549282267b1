"""The networks: shapes, the dueling identity, and what is said to impossible sizes."""

import numpy as np
import pytest
import torch
from torch import nn

from dqngan_lib.dqn.networks import (
    ConvolutionalQNetwork,
    DuelingHead,
    QNetwork,
    as_input,
    parameter_count,
)
from tests.fixed import fixed_weights  # noqa: F401


def test_dueling_head_by_hand():
    head = DuelingHead(1, 3)
    with torch.no_grad():
        head.value.weight.fill_(2.0)
        head.value.bias.fill_(1.0)
        head.advantage.weight.copy_(torch.tensor([[1.0], [2.0], [6.0]]))
        head.advantage.bias.copy_(torch.tensor([0.0, 0.0, 3.0]))
    # x = 1: V = 3, A = 1, 2, 9 with mean 4. x = 2: V = 5, A = 2, 4, 15 with mean 7.
    expected = [[0.0, 1.0, 8.0], [0.0, 2.0, 13.0]]
    assert head(torch.tensor([[1.0], [2.0]])).tolist() == expected


def test_the_mean_of_dueling_q_values_is_v_whatever_is_added_to_all_advantages():
    head, features = DuelingHead(5, 4), torch.randn(7, 5)
    before = head(features)
    torch.testing.assert_close(before.mean(1, keepdim=True), head.value(features))
    with torch.no_grad():
        head.advantage.bias += 3.0
    torch.testing.assert_close(head(features), before)


@pytest.mark.parametrize("dueling", [False, True])
@pytest.mark.parametrize("hidden", [(), (5,), (6, 7)])
def test_fully_connected(hidden, dueling):
    network = QNetwork(3, 4, hidden, dueling)
    assert network(torch.randn(8, 3)).shape == (8, 4)
    sizes = (3, *hidden)
    count = sum((one + 1) * two for one, two in zip(sizes, hidden, strict=False))
    count += (sizes[-1] + 1) * (5 if dueling else 4)
    assert parameter_count(network) == count
    assert sum(isinstance(layer, nn.ReLU) for layer in network.modules()) == len(hidden)
    assert any(isinstance(layer, DuelingHead) for layer in network.modules()) == dueling


def test_the_scale_divides_observations_and_is_not_learnt():
    plain, scaled = QNetwork(2, 3), QNetwork(2, 3, scale=[0.5, 4.0])
    with torch.no_grad():
        for one, other in zip(plain.parameters(), scaled.parameters(), strict=True):
            other.copy_(one)
    observation = torch.randn(6, 2)
    expected = plain(torch.stack([observation[:, 0] * 2, observation[:, 1] / 4], 1))
    torch.testing.assert_close(scaled(observation), expected)
    assert parameter_count(scaled) == parameter_count(plain)
    assert "scale" in scaled.state_dict()


@pytest.mark.parametrize("dueling", [False, True])
@pytest.mark.parametrize("side", [4, 5, 10])
def test_convolutional(side, dueling):
    network = ConvolutionalQNetwork(2, side, 3, dueling)
    pictures = torch.randint(0, 2, (6, 2, side, side), dtype=torch.uint8)
    q_values = network(pictures)
    assert q_values.shape == (6, 3)
    assert torch.equal(q_values, network(pictures.float()))
    # Every pixel of every plane reaches every Q-value.
    seen = pictures[:1].float().requires_grad_()
    for action in range(3):
        (gradient,) = torch.autograd.grad(network(seen)[0, action], seen)
        assert (gradient != 0).float().mean() > 0.5


def test_parameters_that_are_not_learnt_are_not_counted():
    network = nn.Linear(2, 3)
    assert parameter_count(network) == 9
    network.bias.requires_grad_(False)
    assert parameter_count(network) == 6


def test_observations_become_float32_on_the_device_of_the_network():
    network = nn.Linear(2, 2)
    for given in (np.array([[1, 2]]), torch.tensor([[1, 2]], dtype=torch.uint8)):
        found = as_input(given, network)
        assert found.dtype == torch.float32
        assert found.tolist() == [[1.0, 2.0]]
    assert as_input(torch.ones(1, 2), nn.Linear(2, 2, device="meta")).device.type == "meta"


@pytest.mark.parametrize("size", [0, -1, 2.5, "3"])
@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda size: DuelingHead(size, 2), "features"),
        (lambda size: DuelingHead(2, size), "actions"),
        (lambda size: QNetwork(size, 2), "observation_size"),
        (lambda size: QNetwork(2, size), "actions"),
        (lambda size: QNetwork(2, 2, (4, size)), "hidden"),
        (lambda size: ConvolutionalQNetwork(size, 5, 2), "channels"),
        (lambda size: ConvolutionalQNetwork(1, size, 2), "side"),
        (lambda size: ConvolutionalQNetwork(1, 5, size), "actions"),
    ],
)
def test_impossible_sizes_are_named(make, word, size):
    with pytest.raises(ValueError, match=f"{word} must be"):
        make(size)


def test_sizes_may_come_from_numpy():
    assert QNetwork(np.int64(3), np.int64(2))(torch.ones(1, 3)).shape == (1, 2)


@pytest.mark.parametrize("scale", [[1.0], [1.0, 0.0], [1.0, -2.0], [1.0, float("nan")]])
def test_an_impossible_scale_is_named(scale):
    with pytest.raises(ValueError, match="scale must be 2 positive numbers"):
        QNetwork(2, 2, scale=scale)
