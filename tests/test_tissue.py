"""Patches carry the tissue of their middle; the class is told at every step."""

import pytest
import torch

from dqngan_lib.applications.medical.slices import split_slices
from dqngan_lib.applications.medical.tissue import (
    ClassTransformer,
    Patches,
    in_the_middle,
    joined,
    named_rightly,
    tissue_patches,
    train_tissue,
)


def test_the_label_is_the_tissue_of_the_four_middle_pixels():
    # Every pixel's value says where it stands, so that a patch can be found again.
    images = (0.2 + torch.arange(2 * 20 * 20.0) / 2_000).view(2, 1, 20, 20)
    tissue = torch.randint(3, (2, 20, 20), generator=torch.Generator().manual_seed(0))
    tissue[:, 6:14, 6:14] = torch.tensor([0, 1]).view(2, 1, 1)
    tissue[0, 8:12, 12:16] = 2
    patches = tissue_patches(images, tissue, 50, side=8)
    assert set(patches.labels.tolist()) == {0, 1, 2}
    for image, label in zip(patches.images, patches.labels, strict=True):
        number = round((image[0, 0, 0].item() - 0.2) * 2_000)
        which, place = divmod(number, 400)
        row, column = divmod(place, 20)
        assert image.equal(images[which, :, row : row + 8, column : column + 8])
        assert (tissue[which, row + 3 : row + 5, column + 3 : column + 5] == label).all()


def test_patches_of_slices_are_balanced_and_mostly_brain():
    fit, _, _ = split_slices()
    patches = tissue_patches(fit.images, fit.tissue, 100)
    assert patches.labels.bincount().tolist() == [100, 100, 100]
    assert ((patches.images > 0.1).float().mean((1, 2, 3)) >= 0.5).all()
    few = patches.balanced(5)
    assert few.labels.bincount().tolist() == [5, 5, 5]
    assert len(joined(few, patches)) == 315
    with pytest.raises(ValueError, match="per_class"):
        patches.balanced(101)


def test_odd_sides_and_missing_classes_are_named():
    images, tissue = torch.ones(1, 1, 20, 20), torch.zeros(1, 20, 20, dtype=torch.long)
    with pytest.raises(ValueError, match="side"):
        tissue_patches(images, tissue, 1, side=7)
    with pytest.raises(ValueError, match="grey matter"):
        tissue_patches(images, tissue, 1)


def _network(seed=0):
    torch.manual_seed(seed)
    network = ClassTransformer(torch.rand(8, 2, 2), steps=4, starts=3)
    torch.nn.init.normal_(network.head.weight)
    return network


def test_class_transformer_never_looks_ahead_and_remembers():
    network, tokens = _network(), torch.tensor([[2, 1, 5, 7], [0, 3, 3, 0]])
    values = network(tokens)
    assert values.shape == (2, 8, 4)
    changed = tokens.clone()
    changed[:, 2] = 4
    assert network(changed)[..., :2].equal(values[..., :2])
    memory = network.new_memory()
    parts = [network(tokens[:, :length], memory) for length in range(1, 5)]
    assert torch.allclose(torch.cat(parts, 2), values, atol=1e-5)
    with pytest.raises(ValueError, match="tokens"):
        network(torch.zeros(1, 5, dtype=torch.long))


def test_the_class_is_told_at_every_step():
    network = _network()
    torch.nn.init.zeros_(network.start)
    one, other = network(torch.tensor([[0, 1, 2, 3], [1, 1, 2, 3]]))
    assert ((one - other).abs().amax(0) > 0.01).all()


def test_a_classifier_learns_and_leaves_the_random_numbers_alone():
    labels = torch.arange(3).repeat(60)
    images = (labels / 3).view(-1, 1, 1, 1).expand(-1, 1, 16, 16) + 0.1
    patches, before = Patches(images.contiguous(), labels), torch.get_rng_state()
    network = train_tissue(patches, updates=100)
    assert torch.get_rng_state().equal(before)
    assert named_rightly(network, patches) == 1.0
    corner = images.clone()
    corner[..., :4, :4] = 0.9  # outside the middle
    assert network(corner).equal(network(images))
    assert in_the_middle(images, 8).shape == (180, 1, 8, 8)
