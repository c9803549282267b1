"""The CNN with a discriminator: without weight plain regression, with it another second half."""

import pytest
import torch

from dqngan_lib.applications.pixels.context_encoder import train_context_encoder
from dqngan_lib.applications.pixels.inpainting import HoleRegressor, cut_holes, square_holes
from dqngan_lib.applications.pixels.restoration import train_regressor


@pytest.fixture(scope="module")
def pictures():
    """Twenty pictures of a bright bar each, and their holes."""
    bars = torch.zeros(20, 1, 28, 28)
    for number, bar in enumerate(bars):
        bar[:, :, 4 + number : 8 + number] = 1.0
    return bars, square_holes(20, 10, seed=3)


def new_network():
    torch.manual_seed(5)
    return HoleRegressor(width=8)


def trained(pictures, **settings):
    network = new_network()
    critic = train_context_encoder(
        network, *pictures, **({"updates": 6, "weight": 0.1, "seed": 1} | settings)
    )
    return network, critic


def test_without_weight_it_is_the_plain_regressor(pictures):
    originals, masks = pictures
    plain = new_network()
    starts = torch.cat([cut_holes(originals, masks), masks.float()], 1)
    train_regressor(plain, starts, originals, updates=6, seed=1)
    network, _ = trained(pictures, weight=0.0)
    for mine, theirs in zip(network.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs)


def test_the_discriminator_speaks_and_learns_in_the_second_half(pictures):
    silent, untrained = trained(pictures, weight=0.0)
    heard, critic = trained(pictures, weight=0.1)
    differs = [
        not torch.equal(mine, theirs)
        for mine, theirs in zip(heard.parameters(), silent.parameters(), strict=True)
    ]
    assert any(differs)
    assert any(
        not torch.equal(mine, theirs)
        for mine, theirs in zip(critic.parameters(), untrained.parameters(), strict=True)
    )


def test_it_learns_to_fill_bars(pictures):
    originals, masks = pictures
    network, _ = trained(pictures, updates=120, weight=0.001)
    starts = cut_holes(originals, masks)
    with torch.no_grad():
        made = network(torch.cat([starts, masks.float()], 1))
    assert torch.equal(made[~masks], originals[~masks])
    before = (starts - originals)[masks].square().mean()
    assert (made - originals)[masks].square().mean() < 0.3 * before


@pytest.mark.parametrize(("name", "value"), [("updates", 1), ("weight", -0.1)])
def test_what_cannot_be_is_named(pictures, name, value):
    with pytest.raises(ValueError, match=name):
        trained(pictures, **{name: value})
