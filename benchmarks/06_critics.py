"""One budget, five ways to hold a critic: the table and the curves of notebook 06, section 6.

Run `python benchmarks/06_critics.py`, or `python3 course.py study 06`. It writes
results/06_critics.csv, the end of each run, and results/06_critics_curves.csv, the way there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from tables import RESULTS, write, write_table

from dqngan_lib.course.data import digits
from dqngan_lib.gan.model import GAN, GANSettings
from dqngan_lib.gan.networks import ImageDiscriminator, ImageGenerator
from dqngan_lib.gan.training import GANTrainSettings, train_gan
from dqngan_lib.gan.wasserstein import look_at_critic
from dqngan_lib.metrics.digits import digit_fid

COMMON = GANSettings(
    loss="wasserstein",
    generator_rate=2e-3,
    discriminator_rate=2e-3,
    beta_1=0.0,
    beta_2=0.99,
    average=0.99,
)
BUDGET = GANTrainSettings(updates=600, batch_size=64, evaluate_every=100)

VARIANTS: dict[str, GANSettings] = {
    "nothing": COMMON,
    "weight clipping": replace(COMMON, clip=0.01),
    "gradient penalty": replace(COMMON, penalty="gradient", penalty_weight=10.0),
    "spectral norm": COMMON,
    "R1": replace(COMMON, loss="non-saturating", penalty="r1", penalty_weight=1.0),
}


@dataclass
class Measured:
    """One run: its curve, a row for each evaluation, and its time."""

    rows: list[dict[str, float]]
    seconds: float


def train(
    settings: GANSettings,
    *,
    spectral: bool = False,
    seed: int = 0,
    budget: GANTrainSettings = BUDGET,
    against: torch.Tensor | None = None,
) -> Measured:
    """Train one pair and look at it every 100 rounds, and before the first."""
    data = digits()
    against = data.test_images if against is None else against
    torch.manual_seed(seed)
    generator = ImageGenerator(64, 32)  # first: the same first weights whatever the critic is
    gan = GAN(generator, ImageDiscriminator(16, spectral=spectral), settings, seed)
    rows: list[dict[str, float]] = []

    def look(gan: GAN) -> float:
        rng = torch.Generator().manual_seed(seed)
        fid = digit_fid(gan.sample(2_000, seed=seed), against)
        fake = gan.sample(500, seed=seed + 1, averaged=False)
        update = 0 if not rows else rows[-1]["update"] + budget.evaluate_every
        view = look_at_critic(gan.discriminator, against[:500], fake, rng)
        rows.append({"update": update, "digit_fid": fid} | view)
        return fid

    look(gan)
    history = train_gan(gan, data.train_images, evaluate=look, settings=budget, seed=seed)
    return Measured(rows, history.seconds[-1])


CURVES: list[dict[str, float | str]] = []


def run(variant: str, seed: int) -> Mapping[str, float]:
    """Train one variant on one seed and return where it ends."""
    measured = train(VARIANTS[variant], spectral=variant == "spectral norm", seed=seed)
    for row in measured.rows:
        rounded = {name: float(f"{value:.5g}") for name, value in row.items()}
        CURVES.append({"variant": variant, "seed": seed} | rounded)
    last = {name: value for name, value in measured.rows[-1].items() if name != "update"}
    return {
        "digit_fid": last.pop("digit_fid"),
        "untrained_fid": measured.rows[0]["digit_fid"],
        **last,
        "seconds": measured.seconds,
    }


if __name__ == "__main__":
    write_table("06_critics", tuple(VARIANTS), run)
    write(RESULTS / "06_critics_curves.csv", CURVES)
    print("wrote benchmarks/results/06_critics_curves.csv")
