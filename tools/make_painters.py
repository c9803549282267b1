"""Train the painters of notebooks 09, 10 and 14 as these do, and write their weights.

    python -m tools.make_painters patch|digit|photo [--to FILE] [--seed 0]

Deterministic on one machine; another processor or version of torch may round differently, so the
modules `trained` of the package name the checksums of the files that were made and are in use.
"""

import argparse
import time
from pathlib import Path

import torch
from torch import Tensor, nn

from dqngan_lib.applications.art import trained as photo_room
from dqngan_lib.applications.art.brushes import brush_gains
from dqngan_lib.applications.art.networks import PainterNetwork
from dqngan_lib.applications.art.painter import Values, paint
from dqngan_lib.applications.art.patches import photo_patches, plain_patches
from dqngan_lib.applications.art.training import train_painter
from dqngan_lib.applications.strokes import trained as digit_room
from dqngan_lib.applications.strokes.decoding import draw_pictures
from dqngan_lib.applications.strokes.finished import FinishedPainter
from dqngan_lib.applications.strokes.networks import StrokeNetwork
from dqngan_lib.applications.strokes.training import train_on_pictures
from dqngan_lib.course.data import digits, photos
from dqngan_lib.dqngan import trained as patch_room
from dqngan_lib.dqngan.agent import DQNGAN
from dqngan_lib.dqngan.networks import CausalTransformer
from dqngan_lib.dqngan.patch_canvas import PatchCanvas, fit_codebook
from dqngan_lib.dqngan.play import generate
from dqngan_lib.dqngan.settings import DQNGANSettings
from dqngan_lib.dqngan.training import DQNGANTrainSettings, train_dqngan
from dqngan_lib.gan.networks import ImageDiscriminator
from dqngan_lib.metrics.digits import conditional_accuracy, digit_fid
from tools.weights import as_stored, store

PRACTICE = ("flower", "coffee", "hubble", "retina")
"""The photographs that the painter of notebook 14 practises on."""


def train_patch(seed: int) -> patch_room.PatchPainter:
    """Train the agent of notebook 09, section 6; return its slow network and the codebook."""
    data = digits(16)
    painter = patch_room.PatchPainter()
    painter.codebook = fit_codebook(data.train_images, patch=4, count=128, seed=0)
    torch.manual_seed(seed)
    q_network, discriminator = (CausalTransformer(painter.codebook, steps=16) for _ in range(2))
    settings = DQNGANSettings(
        reward="prefix",
        expected_fakes=True,
        q_rate=3e-3,
        discriminator_rate=4e-3,
        sampler_memory=0.9,
        slow_memory=0.98,
    )
    agent = DQNGAN(q_network, discriminator, settings, seed)
    canvas = PatchCanvas(64, painter.codebook)
    episodes = canvas.episodes(data.train_images)
    real = {"observation": episodes[:, :-1], "action": episodes[:, 1:]}
    budget = DQNGANTrainSettings(
        updates=1_500, play_every=2, branch_share=1.0, learning_rate_end=0.05
    )
    train_dqngan(agent, canvas, real, settings=budget, seed=seed)
    painter.q_network = agent.slow_network
    return painter


def measure_patch(painter: patch_room.PatchPainter) -> str:
    """Say how near 2,000 pictures are to the held-out digits."""
    canvas = PatchCanvas(2_000, painter.codebook)
    made = canvas.pictures(generate(painter.q_network, canvas, seed=1))
    return f"digit-FID {digit_fid(made, digits(16).test_images):.1f}"


def train_digit(seed: int) -> StrokeNetwork:
    """Train the painter of notebook 10, section 5; return its slow network."""
    data = digits()
    torch.manual_seed(seed)
    judge = ImageDiscriminator(classes=10, spectral=False)
    painter = FinishedPainter(StrokeNetwork(), judge, seed=seed)
    train_on_pictures(painter, data.train_images, data.train_labels)
    return painter.slow_network


def measure_digit(painter: StrokeNetwork) -> str:
    """Say how many of 2,000 drawings are read as asked for, and how near they are to real ones."""
    asked = torch.arange(2_000) % 10
    found = []
    for temperature in (1.0, 0.5, 0.35):
        made = draw_pictures(lambda seen, t=temperature: painter(seen) / t, asked, seed=1)
        right, fid = conditional_accuracy(made, asked), digit_fid(made, digits().test_images)
        found.append(f"temperature {temperature:g}: {right:.1%} as asked for, digit-FID {fid:.1f}")
    return "; ".join(found)


def train_photo(seed: int) -> PainterNetwork:
    """Train the painter of notebook 14, section 4."""
    wild = photo_patches([photos()[name] for name in PRACTICE], 2_400, seed)
    return train_painter(torch.cat([wild, plain_patches(600, seed)]), seed=seed)[0]


def measure_photo(painter: PainterNetwork) -> str:
    """Say how it paints the photographs that it has not seen, beside exact greedy search."""
    crops = [p[:, 8:120, 8:120].contiguous() for n, p in photos().items() if n not in PRACTICE]

    def psnr(values: Values) -> Tensor:
        return torch.tensor([paint(values, crop).psnr()[-1] for crop in crops]).mean()

    return f"mean PSNR {psnr(painter):.2f} dB, exact greedy search {psnr(brush_gains):.2f} dB"


PAINTERS = {
    "patch": (train_patch, measure_patch, patch_room.WEIGHTS),
    "digit": (train_digit, measure_digit, digit_room.WEIGHTS),
    "photo": (train_photo, measure_photo, photo_room.WEIGHTS),
}


def main() -> None:
    """Train, measure, and write the weights as float16."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("painter", choices=PAINTERS)
    parser.add_argument("--to", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    train, measure, path = PAINTERS[options.painter]
    start = time.process_time()
    painter: nn.Module = train(options.seed).eval().requires_grad_(False)
    seconds = time.process_time() - start
    state = as_stored(painter)
    print(measure(painter))
    store(state, options.to or path, f"{seconds:.0f} CPU seconds of one core")


if __name__ == "__main__":
    main()
