"""A judge of finished digits alone, for the table of notebook 09: its slope judges every patch.

The discriminator sees pictures of 16 × 16 pixels and no sentence. Another patch in one place
changes sixteen pixels; to first order that changes the logit by slope · change. So one slope, and
one matrix product with the codebook, say of all K patches in all T places what D thinks of them,
with the picture's other patches kept. What those would have become is neglected.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, unfold

from dqngan_lib.dqn.replay import Batch
from dqngan_lib.dqngan.agent import DQNGAN
from dqngan_lib.dqngan.patch_canvas import decode
from dqngan_lib.gan.losses import discriminator_loss
from dqngan_lib.gan.penalties import input_gradient, r1_penalty


class PictureJudge(nn.Module):
    """A small convolutional discriminator: from pictures `(n, 1, 16, 16)` to logits `(n,)`."""

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            [nn.Conv2d(1, 32, 4, stride=2, padding=1), nn.Conv2d(32, 64, 4, stride=2, padding=1)]
        )
        self.hidden, self.out = nn.Linear(64 * 4 * 4, 128), nn.Linear(128, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Judge finished pictures."""
        x = 2 * images - 1
        for convolution in self.convolutions:
            x = leaky_relu(convolution(x), 0.2)
        return self.out(leaky_relu(self.hidden(x.flatten(1)), 0.2)).squeeze(1)


def patch_slope(slope: Tensor, codebook: Tensor) -> Tensor:
    """Return slope · patch for every patch of the codebook in every place, `(n, K, T)`.

    Between two patches in one place the difference is what the logit changes by, to first order.

    Args:
        slope: ∇ D at finished pictures, `(n, side²)`.
        codebook: float `(K, patch, patch)`.
    """
    patch, side = codebook.shape[-1], round(slope.shape[1] ** 0.5)
    places = unfold(slope.view(-1, 1, side, side), patch, stride=patch)  # (n, patch², T)
    return codebook.flatten(1) @ places


class Finished(DQNGAN):
    """A DQN-GAN for whole sentences whose discriminator is a `PictureJudge`.

    Its remedies are those of notebook 08: R1, noise on what D sees, and a step η that grows.
    """

    step = (2.0, 2.0)
    """η at the start and at the end: how far a target goes from log q, times D's opinion."""
    noise = 0.3
    """Standard deviation of what is added to every pixel that D sees."""
    weight = 1.0
    """λ of R1."""
    rounds = 1
    """Of the whole run: η and nothing else depends on it."""
    codebook: Tensor
    """What the tokens stand for; set before training."""

    def seen(self, batch: Batch) -> Tensor:
        """Return the finished pictures of some sentences, `(n, 1, side, side)`."""
        return decode(batch["action"], self.codebook)

    def judge(self, images: Tensor) -> Tensor:
        """Return D's logits of pictures with noise on them, `(n,)`."""
        return self.discriminator(images + self.noise * torch.randn_like(images))

    def update_discriminator(
        self, real: Batch, fake: Batch, branches: int = 0
    ) -> dict[str, Tensor]:
        """Take one gradient step on finished pictures, with R1 on the real ones."""
        images = self.seen(real)
        real_logits, fake_logits = self.judge(images), self.judge(self.seen(fake))
        loss = discriminator_loss(real_logits, fake_logits)
        self.discriminator_optimizer.zero_grad()
        (loss + self.weight * r1_penalty(self.judge, images)).backward()
        self.discriminator_optimizer.step()
        logits = {"real_logit": real_logits.mean(), "fake_logit": fake_logits.mean()}
        return {"discriminator_loss": loss.detach()} | {k: v.detach() for k, v in logits.items()}

    def opinion(self, batch: Batch) -> Tensor:
        """Return η times what D says of each patch in each place, `(n, K, T)`."""
        slope = input_gradient(self.judge, self.seen(batch)).detach()
        start, end = self.step
        passed = min(1.0, self.updates / self.rounds)
        return (start + (end - start) * passed) * patch_slope(slope, self.codebook)
