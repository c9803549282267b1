"""Small pairs for the tests of GANs."""

import torch

from dqngan_lib.gan.model import GAN, GANSettings
from dqngan_lib.gan.networks import (
    ImageDiscriminator,
    ImageGenerator,
    PointDiscriminator,
    PointGenerator,
)


def small_gan(seed=0, **settings):
    """Return a small pair for points, with weights from the seed."""
    torch.manual_seed(seed)
    networks = PointGenerator(2, 16), PointDiscriminator(16)
    return GAN(*networks, GANSettings(**settings), seed)


def weights(network):
    """Return all numbers of a network in a row."""
    return torch.cat([value.flatten().float() for value in network.state_dict().values()])


def conditional_gan():
    """Return a small pair for pictures of three classes."""
    generator = ImageGenerator(4, 4, classes=3, side=8)
    return GAN(generator, ImageDiscriminator(2, classes=3, side=8), GANSettings())
