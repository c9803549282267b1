"""A judge of finished digits alone, for the table of notebook 09: its slope judges every patch.

The discriminator sees pictures of 16 × 16 pixels and no sentence. Another patch in one place
changes sixteen pixels; to first order that changes the logit by slope · change. So one slope, and
one matrix product with the codebook, say of all K patches in all T places what D thinks of them,
with the picture's other patches kept. What those would have become is left out.

A second network puts it back, without bias and with more noise: the *critic* Q(s, a) learns from
every prefix of the sampler's own sentences what D will say of the finished picture, E[D | s, a].
These are returns without a bootstrap (Monte Carlo), centred so that the critic's level is 0. The
opinion on a patch is slope · patch + ½ Q(s, a).
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, unfold

from dqngan_lib.dqn.replay import Batch
from dqngan_lib.dqngan.agent import DQNGAN
from dqngan_lib.dqngan.networks import CausalTransformer
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
    """A DQN-GAN for whole sentences whose discriminator is a `PictureJudge`, with a critic.

    Its remedies are those of notebook 08: R1, noise on what D sees, and a small step η.
    """

    step = 2.0
    """η: how far a target goes from log q, times D's opinion."""
    share = 0.5
    """How much the critic counts in an opinion; 0 for none."""
    noise = (0.3, 0.2)
    """Standard deviation of what is added to every pixel that D sees, at the start and the end."""
    weight = 1.0
    """λ of R1."""
    critic_rate = 3e-3
    """Step size of the critic's Adam."""

    def begin(self, codebook: Tensor, rounds: int) -> None:
        """Set what the tokens stand for and how long the run is, and make the critic."""
        self.codebook, self.rounds, self.level = codebook, rounds, None
        self.critic = CausalTransformer(codebook, 16)
        self.critic_optimizer = torch.optim.Adam(
            self.critic.parameters(), self.critic_rate, betas=(0.9, 0.99)
        )

    def seen(self, batch: Batch) -> Tensor:
        """Return the finished pictures of some sentences, `(n, 1, side, side)`."""
        return decode(batch["action"], self.codebook)

    def judge(self, images: Tensor) -> Tensor:
        """Return D's logits of pictures with noise on them, `(n,)`."""
        start, end = self.noise
        noise = start + (end - start) * min(1.0, self.updates / self.rounds)
        return self.discriminator(images + noise * torch.randn_like(images))

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

    def update_critic(self, batch: Batch) -> None:
        """Take one step of the critic towards what D says of the sampler's finished pictures."""
        with torch.no_grad():
            end = torch.stack([self.judge(self.seen(batch)) for _ in range(2)]).mean(0)
        self.level = end.mean() if self.level is None else self.level.lerp(end.mean(), 0.1)
        values = self.critic(batch["observation"]).gather(1, batch["action"][:, None]).squeeze(1)
        loss = (values - (end - self.level)[:, None]).square().mean()
        self.critic_optimizer.zero_grad()
        loss.backward()
        self.critic_optimizer.step()

    def update_q(self, batch: Batch) -> Tensor:
        """Let the critic learn, then the Q-network."""
        if self.share > 0:
            self.update_critic(batch)
        return super().update_q(batch)

    def opinion(self, batch: Batch) -> Tensor:
        """Return η times what D says of each patch in each place, `(n, K, T)`."""
        slope = input_gradient(self.judge, self.seen(batch)).detach()
        opinion = patch_slope(slope, self.codebook)
        if self.share > 0:
            with torch.no_grad():
                opinion = opinion + self.share * self.critic(batch["observation"])
        return self.step * opinion
