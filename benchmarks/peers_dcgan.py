"""Digits from our GAN beside the DCGAN of PyTorch's examples: pictures a second, digit-FID.

Run `python benchmarks/peers_dcgan.py`; it takes a quarter of an hour. Options as in
`peers_dqn.py`.

Both sides learn from the same 8,000 digits, 64 at a time, on one thread. `ours` is the pair of
notebook 05 without labels. `example` is what `dcgan` in github.com/pytorch/examples does, rebuilt
for pictures of 28 × 28: transposed and strided 4 × 4 convolutions with batch normalisation, no
hidden linear layer, 100 random numbers, tanh; weights drawn from N(0, 0.02²); the cross-entropy
loss, the discriminator's on real and fake batches apart; Adam with rate 2e-4 and β₁ = 0.5.
Its pictures are halved until they are 4 pixels wide, ours until they are 7. Its policy for widths
is kept: 64 planes at half the picture's side, twice as many at each halving. `example, our
widths` begins at 32 instead, as ours does.

Ours trains for 2,000 updates, with its learning rates falling to 0 at the end. The example then
gets the same CPU time, seed by seed. digit-FID compares 2,000 new digits with the 2,000 of the
test set. The example draws its pictures with the statistics of the batch, in batches of 64;
`fixed` has the score with the running statistics instead.
"""

import os
import time
from collections.abc import Iterator
from functools import cache

import torch
from recipes import DCGAN
from tables import Row, conditions, measure, spread
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from dqngan_lib.course.data import digits
from dqngan_lib.dqn.networks import parameter_count
from dqngan_lib.gan.model import GAN
from dqngan_lib.gan.networks import ImageDiscriminator, ImageGenerator
from dqngan_lib.gan.training import GANTrainSettings, train_gan
from dqngan_lib.metrics.digits import digit_fid

BATCH, UPDATES, NOISE, PICTURES = 64, 2_000, 100, 2_000
WIDTHS = {"example": 64, "example, our widths": 32}


def generator(width: int) -> nn.Sequential:
    """Return the example's generator: `(n, 100, 1, 1)` to `(n, 1, 28, 28)` in [−1, 1]."""
    return nn.Sequential(
        nn.ConvTranspose2d(NOISE, 2 * width, 7, bias=False),
        nn.BatchNorm2d(2 * width),
        nn.ReLU(True),
        nn.ConvTranspose2d(2 * width, width, 4, 2, 1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(True),
        nn.ConvTranspose2d(width, 1, 4, 2, 1, bias=False),
        nn.Tanh(),
    )


def discriminator(width: int) -> nn.Sequential:
    """Return the example's discriminator: `(n, 1, 28, 28)` to probabilities `(n,)`."""
    return nn.Sequential(
        nn.Conv2d(1, width, 4, 2, 1, bias=False),
        nn.LeakyReLU(0.2, True),
        nn.Conv2d(width, 2 * width, 4, 2, 1, bias=False),
        nn.BatchNorm2d(2 * width),
        nn.LeakyReLU(0.2, True),
        nn.Conv2d(2 * width, 1, 7, bias=False),
        nn.Sigmoid(),
        nn.Flatten(0),
    )


def draw_weights(layer: nn.Module) -> None:
    """Draw first weights as the DCGAN paper does (Radford et al. 2016, 1511.06434)."""
    if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(layer.weight, 0, 0.02)
    elif isinstance(layer, nn.BatchNorm2d):
        nn.init.normal_(layer.weight, 1, 0.02)
        nn.init.zeros_(layer.bias)


class Example:
    """The example's pair and its loop."""

    def __init__(self, width: int, seed: int) -> None:
        torch.manual_seed(seed)
        self.generator, self.discriminator = generator(width), discriminator(width)
        for network in (self.generator, self.discriminator):
            network.apply(draw_weights)
        self.optimizers = [
            torch.optim.Adam(network.parameters(), lr=2e-4, betas=(0.5, 0.999))
            for network in (self.generator, self.discriminator)
        ]
        self.loss = nn.BCELoss()

    def update(self, real: Tensor) -> None:
        """Take a step of the discriminator, then one of the generator."""
        ones, zeros = torch.ones(len(real)), torch.zeros(len(real))
        self.discriminator.zero_grad()
        self.loss(self.discriminator(real), ones).backward()
        fake = self.generator(torch.randn(len(real), NOISE, 1, 1))
        self.loss(self.discriminator(fake.detach()), zeros).backward()
        self.optimizers[1].step()
        self.generator.zero_grad()
        self.loss(self.discriminator(fake), ones).backward()
        self.optimizers[0].step()

    @torch.no_grad()
    def sample(self, count: int, seed: int) -> Tensor:
        """Return digits in [0, 1], batch by batch."""
        noise = torch.randn(count, NOISE, 1, 1, generator=torch.Generator().manual_seed(seed))
        return torch.cat([(self.generator(part) + 1) / 2 for part in noise.split(BATCH)])


def batches(images: Tensor) -> Iterator[Tensor]:
    """Return the example's batches, epoch after epoch; its pictures are in [−1, 1]."""
    loader = DataLoader(TensorDataset(2 * images - 1), BATCH, shuffle=True)
    while True:
        for (real,) in loader:
            yield real


def train_example(width: int, seed: int, seconds: float) -> dict[str, float]:
    """Train the example for so many CPU seconds."""
    data, example, seen = digits(), Example(width, seed), 0
    started = time.process_time()
    for real in batches(data.train_images):
        example.update(real)
        seen += len(real)
        if time.process_time() - started >= seconds:
            break
    spent = time.process_time() - started
    as_the_example_does = digit_fid(example.sample(PICTURES, seed + 20_000), data.test_images)
    example.generator.eval()
    return {
        "digit_fid": as_the_example_does,
        "fixed": digit_fid(example.sample(PICTURES, seed + 20_000), data.test_images),
        "pictures": seen,
        "cpu_seconds": spent,
        "parameters": parameter_count(example.generator) + parameter_count(example.discriminator),
    }


@cache
def train_ours(seed: int, updates: int = UPDATES) -> dict[str, float]:
    """Train the pair of notebook 05."""
    data = digits()
    torch.manual_seed(seed)
    gan = GAN(ImageGenerator(), ImageDiscriminator(spectral=False), DCGAN, seed)
    settings = GANTrainSettings(
        updates=updates, batch_size=BATCH, learning_rate_end=0.0, evaluate_every=updates
    )
    started = time.process_time()
    train_gan(gan, data.train_images, settings=settings, seed=seed)
    spent = time.process_time() - started
    fid = digit_fid(gan.sample(PICTURES, seed=seed + 20_000), data.test_images)
    return {
        "digit_fid": fid,
        "fixed": fid,
        "pictures": updates * BATCH,
        "cpu_seconds": spent,
        "parameters": parameter_count(gan.generator) + parameter_count(gan.discriminator),
    }


def jobs(seed: int) -> list[tuple[str]]:
    """Return the rows of a seed: ours first, because its time is what the others get."""
    return [(side,) for side in ("ours", *WIDTHS)]


def run(side: str, seed: int) -> dict[str, object]:
    """Measure one side on one seed."""
    warm_up()
    ours = train_ours(seed)
    measured = ours if side == "ours" else train_example(WIDTHS[side], seed, ours["cpu_seconds"])
    per_second = measured["pictures"] / measured["cpu_seconds"]
    return {**measured, "pictures_per_second": per_second, **conditions("torchvision")}


@cache
def warm_up() -> None:
    """Let every side run a little: whoever is first pays for what torch sets up."""
    train_ours(seed=1_000, updates=10)
    for width in WIDTHS.values():
        train_example(width, seed=1_000, seconds=1.0)


def report(rows: list[Row]) -> str:
    """Return the table, with each side's speed and score as a multiple of ours."""
    ours = {row["seed"]: row for row in rows if row["side"] == "ours"}
    lines = ["", "median (least to greatest) over seeds, at equal CPU time"]
    for side in ("ours", *WIDTHS):
        pairs = [(r, ours[r["seed"]]) for r in rows if r["side"] == side and r["seed"] in ours]

        def column(name: str, pairs: list[tuple[Row, Row]] = pairs) -> str:
            values = spread((float(row[name]) for row, _ in pairs), ".4g")
            ratios = spread(float(row[name]) / float(base[name]) for row, base in pairs)
            return f"{values} = {ratios} × ours"

        lines.append(f"  {side}, {len(pairs)} seeds")
        lines += [
            f"    {name:20} {column(name)}"
            for name in ("digit_fid", "fixed", "pictures_per_second", "cpu_seconds", "parameters")
        ]
    return "\n".join(lines)


if __name__ == "__main__":
    os.environ["COURSE_HEADLESS"] = "1"
    measure("peers_dcgan", ("side",), jobs, run, report, range(3))
