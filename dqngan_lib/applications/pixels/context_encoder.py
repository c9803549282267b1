"""The standard way to fill holes with a discriminator: a CNN with two losses, and no actions."""

import torch
from torch import Tensor
from torch.nn import functional

from dqngan_lib.applications.pixels.critic import PixelCritic
from dqngan_lib.applications.pixels.inpainting import HoleRegressor, cut_holes
from dqngan_lib.course.arguments import require, whole
from dqngan_lib.course.runtime import progress
from dqngan_lib.course.training import set_learning_rate
from dqngan_lib.gan.losses import discriminator_loss, generator_loss


def train_context_encoder(
    network: HoleRegressor,
    originals: Tensor,
    masks: Tensor,
    *,
    updates: int,
    weight: float,
    batch_size: int = 16,
    learning_rate: float = 3e-3,
    seed: int = 0,
) -> PixelCritic:
    """Train a CNN on the squared error and a discriminator's word (Pathak et al. 2016, 1604.07379).

    The first half of the updates has the squared error alone. In the second half a discriminator
    learns beside the CNN, that of the pixels' DQN, and its gradient goes into the CNN.

    Args:
        network: Changed in place.
        originals: Pictures without holes, float `(n, 1, height, width)` in [0, 1].
        masks: bool of the same shape, true in the holes.
        updates: Gradient steps of the CNN.
        weight: What the discriminator's loss counts beside the squared error, ≥ 0.
        batch_size: Pictures in each step.
        learning_rate: Of the CNN at the start; it falls along a cosine to 0.
        seed: Seed of the discriminator and of the batches.

    Returns:
        The discriminator.
    """
    whole("updates", updates, 2)
    require(weight >= 0, "weight", weight, ">= 0")
    torch.manual_seed(seed)
    critic, rng = PixelCritic(), torch.Generator().manual_seed(int(seed))
    adam = torch.optim.Adam(network.parameters(), learning_rate, fused=True)
    critic_adam = torch.optim.Adam(critic.parameters(), 2e-3, (0.5, 0.99), fused=True)
    for done in progress(range(updates), label="context encoder"):
        angle = torch.tensor(done / updates * torch.pi)
        set_learning_rate(adam, learning_rate * (1 + torch.cos(angle).item()) / 2)
        rows = torch.randint(len(originals), (batch_size,), generator=rng)
        truth, mask = originals[rows], masks[rows]
        start, plane, inside = cut_holes(truth, mask), mask.float(), mask[:, 0]
        made = network(torch.cat([start, plane], 1))
        loss = functional.mse_loss(made, truth)
        if weight > 0 and done >= updates // 2:
            real, fake = (torch.cat([x, start, plane], 1) for x in (truth, made))
            logits = critic(real)[inside], critic(fake.detach())[inside]
            critic_adam.zero_grad()
            discriminator_loss(*logits, "hinge").backward()
            critic_adam.step()
            # The squared error of the holes, and what the discriminator thinks of them.
            loss = loss + weight * generator_loss(critic(fake)[inside], "hinge")
        adam.zero_grad()
        loss.backward()
        adam.step()
    return critic
