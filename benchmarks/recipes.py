"""Settings that more than one table shares: those of the notebooks they belong to."""

from dqngan_lib.dqngan.settings import DQNGANSettings
from dqngan_lib.gan.model import GANSettings

DCGAN = GANSettings(
    generator_rate=2e-3,
    discriminator_rate=2e-3,
    beta_2=0.99,
    average=0.995,
    penalty="r1",
    penalty_weight=0.1,
    penalty_every=8,
)
"""The pair of notebook 05."""

PATCHES = DQNGANSettings(q_rate=2e-3, discriminator_rate=4e-3, sampler_memory=0.9, slow_memory=0.97)
"""The agent of notebook 09."""
