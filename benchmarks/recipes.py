"""Settings that more than one table shares: those of the notebooks they belong to."""

from dqngan_lib.dqn.agent import DQNSettings
from dqngan_lib.dqn.training import TrainSettings
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

COPYING = DQNSettings(discount=0.8, learning_rate=2e-3, target_rate=0.02, huber_delta=1.0)
"""The agent of notebook 10 that copies."""

COPYING_BUDGET = TrainSettings(
    steps=48_000,
    capacity=30_000,
    batch_size=64,
    epsilon_fraction=0.3,
    learning_rate_end=0.05,
    evaluate_every=12_000,
)
"""How long it learns."""
