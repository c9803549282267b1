"""Tests of the causal transformer."""

import itertools

import pytest
import torch

from dqngan_lib.dqngan.networks import (
    CausalTransformer,
    Memory,
    log_probability,
    train_by_likelihood,
)

CODEBOOK = torch.rand(6, 2, 2, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def network():
    torch.manual_seed(0)
    network = CausalTransformer(CODEBOOK, steps=9, starts=4, width=16)
    torch.nn.init.normal_(network.head.weight)  # zero outputs would hide every mistake
    return network


@pytest.fixture
def tokens():
    rng = torch.Generator().manual_seed(1)
    start = torch.randint(4, (5, 1), generator=rng)
    return torch.cat([start, torch.randint(6, (5, 8), generator=rng)], 1)


def test_begins_at_zero(tokens):
    assert (CausalTransformer(CODEBOOK, 9, 4, width=16)(tokens) == 0).all()


def test_shape(network, tokens):
    assert network(tokens).shape == (5, 6, 9)
    assert network(tokens[:, :1]).shape == (5, 6, 1)


@pytest.mark.parametrize("column", range(9))
def test_never_looks_ahead(network, tokens, column):
    other = tokens.clone()
    other[:, column] = (other[:, column] + 1) % 4
    differs = (network(tokens) != network(other)).any(1)
    assert not differs[:, :column].any()
    assert differs[:, column:].all()


def test_memory_gives_the_same(network, tokens):
    memory, whole = Memory(), network(tokens)
    parts = [network(tokens[:, : t + 1], memory) for t in range(9)]
    assert all(part.shape == (5, 6, 1) for part in parts)
    assert torch.allclose(torch.cat(parts, 2), whole, atol=1e-5)
    assert memory.length == 9


def test_memory_takes_several_tokens(network, tokens):
    memory, whole = Memory(), network(tokens)
    parts = [network(tokens[:, :t], memory) for t in (3, 4, 9)]
    assert torch.allclose(torch.cat(parts, 2), whole, atol=1e-5)


def test_dropout_is_for_training():
    torch.manual_seed(0)
    network = CausalTransformer(CODEBOOK, 9, width=16, dropout=0.5)
    torch.nn.init.normal_(network.head.weight)
    tokens = torch.zeros(3, 9, dtype=torch.long)
    assert not torch.equal(network(tokens), network(tokens))
    network.eval()
    assert torch.equal(network(tokens), network(tokens))


def test_patches_that_look_alike_begin_alike():
    codebook = torch.stack([torch.zeros(4, 4), torch.full((4, 4), 0.05), torch.ones(4, 4)])
    patch = CausalTransformer(codebook, 4).patch.detach()
    assert (patch[0] - patch[1]).norm() < 0.1 * (patch[0] - patch[2]).norm()


def test_bad_arguments_are_named(network):
    for given, message in (
        ({"heads": 3}, "heads must be a divisor of the width"),
        ({"dropout": 1.0}, "dropout must be from 0"),
        ({"steps": 0}, "steps must be"),
    ):
        with pytest.raises(ValueError, match=message):
            CausalTransformer(CODEBOOK, **({"steps": 9} | given))
    with pytest.raises(ValueError, match="tokens must be"):
        network(torch.zeros(2, 10, dtype=torch.long))


def test_likelihood_finds_the_distribution():
    torch.manual_seed(0)
    network = CausalTransformer(CODEBOOK[:3], steps=4, width=16, heads=2)
    rng = torch.Generator().manual_seed(2)
    first = torch.multinomial(torch.tensor([0.6, 0.3, 0.1]), 600, True, generator=rng)
    episodes = torch.stack([torch.zeros_like(first), first, first, first, first], 1)
    losses = train_by_likelihood(network, episodes, updates=120, rate=1e-2)
    found = network(torch.zeros(1, 1, dtype=torch.long))[0, :, 0].softmax(0)
    assert torch.allclose(found, first.bincount() / 600, atol=0.05)
    entropy = -(first.bincount() / 600 * (first.bincount() / 600).log()).sum()
    assert abs(sum(losses[-20:]) / 20 - entropy) < 0.15  # the copies after the first are certain


def test_the_chances_of_all_pictures_add_up_to_one():
    torch.manual_seed(0)
    network = CausalTransformer(CODEBOOK[:3], steps=4, width=16, dropout=0.5)
    torch.nn.init.normal_(network.head.weight)
    pictures = torch.tensor([[0, *rest] for rest in itertools.product(range(3), repeat=4)])
    log_q = log_probability(network, pictures)
    assert log_q.shape == (81,) and log_q.std() > 0.1
    assert log_q.exp().sum().item() == pytest.approx(1.0, abs=1e-5)
    assert network.training  # dropout is back where it was


def test_the_chance_of_a_picture_is_the_product_of_its_choices():
    torch.manual_seed(0)
    network = CausalTransformer(CODEBOOK[:3], steps=4, width=16)
    torch.nn.init.normal_(network.head.weight)
    picture, chance = [0, 2, 0, 1, 1], 1.0
    for step in range(4):
        values = network(torch.tensor([picture[: 1 + step]]))[0, :, -1]
        chance *= (values.exp() / values.exp().sum())[picture[1 + step]].item()
    found = log_probability(network, torch.tensor([picture])).exp().item()
    assert found == pytest.approx(chance, rel=1e-4)
