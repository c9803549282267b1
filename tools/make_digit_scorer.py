"""Train the digit scorer on the 8,000 training digits and write its weights.

    python -m tools.make_digit_scorer [--to FILE] [--epochs 30] [--seed 0]

No setting was chosen by the accuracy on the held-out digits. Deterministic on one machine;
another processor or version of torch may round differently, so `dqngan_lib.metrics.scorer` names
the checksum of the file that was made and is in use.
"""

import argparse
import math
import time
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from dqngan_lib.course.data import Digits, digits
from dqngan_lib.course.runtime import progress
from dqngan_lib.metrics.scorer import SIDES, WEIGHTS, DigitScorer
from tools.weights import as_stored, store

BATCH = 128
LEARNING_RATE = 2e-3
WEIGHT_DECAY = 0.02
DROPOUT = 0.3
"""Of the features on their way to the logits."""
MAX_TURN = math.radians(12)
MAX_ZOOM = 0.12
MAX_SHIFT = 2.5 / 14
"""In halves of an image's width: 2.5 of 28 pixels."""


def augment(images: Tensor, generator: torch.Generator) -> Tensor:
    """Turn, zoom and shift three images in four, each by its own small amounts.

    Args:
        images: Digits `(n, 1, 28, 28)` in [0, 1].
        generator: Where the random numbers come from.
    """

    def uniform(size: float) -> Tensor:
        return (2 * torch.rand(len(images), generator=generator) - 1) * size

    turn, zoom = uniform(MAX_TURN), 1 + uniform(MAX_ZOOM)
    cosine, sine = turn.cos() * zoom, turn.sin() * zoom
    matrix = torch.stack(
        [cosine, -sine, uniform(MAX_SHIFT), sine, cosine, uniform(MAX_SHIFT)], dim=1
    ).view(-1, 2, 3)
    grid = functional.affine_grid(matrix, list(images.shape), align_corners=False)
    moved = functional.grid_sample(images, grid, mode="bicubic", align_corners=False).clamp(0, 1)
    keep = torch.rand(len(images), 1, 1, 1, generator=generator) < 0.25
    return torch.where(keep, images, moved)


def shrink(images: Tensor, side: int) -> Tensor:
    """Shrink digits exactly as `dqngan_lib.course.data.digits` does."""
    if side == images.shape[-1]:
        return images
    return functional.interpolate(images, size=(side, side), mode="bilinear", antialias=True)


def train(data: Digits, epochs: int, seed: int) -> DigitScorer:
    """Train a scorer on both sizes at once, with AdamW and a learning rate that rises and falls.

    Args:
        data: The digits at 28 × 28.
        epochs: How often each training digit is seen at each size.
        seed: For the initial weights, the order, the augmentation and the dropout.
    """
    torch.manual_seed(seed)
    rng = torch.Generator().manual_seed(seed)
    scorer = DigitScorer()
    for layer in scorer.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
    optimizer = torch.optim.AdamW(scorer.parameters(), weight_decay=WEIGHT_DECAY)
    updates = epochs * (len(data.train_labels) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, updates)
    bar = progress(total=updates, label="digit scorer")
    for _ in range(epochs):
        order = torch.randperm(len(data.train_labels), generator=rng)
        for chosen in order[: len(order) // BATCH * BATCH].split(BATCH):
            images, labels = (
                augment(data.train_images[chosen], rng),
                data.train_labels[chosen],
            )
            loss = torch.zeros(())
            for side in SIDES:
                features = scorer.raw_features(shrink(images, side))
                logits = scorer.to_logits(functional.dropout(features, DROPOUT))
                loss = loss + functional.cross_entropy(logits, labels)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
            bar.set_postfix(loss=f"{loss.item():.3f}", refresh=False)
            bar.update()
    bar.close()
    return scorer.eval().requires_grad_(False)


def set_balance(scorer: DigitScorer) -> None:
    """Balance the features on the training digits, at each size (see `DigitScorer`)."""
    for index, side in enumerate(SIDES):
        features = scorer.raw_features(digits(side).train_images).double()
        values, vectors = torch.linalg.eigh(features.T.cov())
        # Directions with next to no variance are not blown up any further.
        factors = values.clamp(min=1e-4 * values.max().item()) ** -0.25
        balance = vectors * factors @ vectors.T
        balance *= 10 / (features @ balance).var(0).sum().sqrt()
        scorer.balance[index] = balance


def accuracy(scorer: DigitScorer, images: Tensor, labels: Tensor) -> float:
    """Return the share of images whose most likely class is the label."""
    return (scorer(images).argmax(1) == labels).double().mean().item()


def main() -> None:
    """Train, measure, and write the weights as float16."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--to", type=Path, default=WEIGHTS)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    start = time.perf_counter()
    scorer = train(digits(), options.epochs, options.seed)
    set_balance(scorer)
    state = as_stored(scorer)
    for side in SIDES:
        data = digits(side)
        on_training = accuracy(scorer, data.train_images, data.train_labels)
        held_out = accuracy(scorer, data.test_images, data.test_labels)
        print(
            f"{side} × {side}: {held_out:.2%} of the held-out digits, "
            f"{on_training:.2%} of the training digits"
        )
    store(state, options.to, f"{time.perf_counter() - start:.0f} seconds")


if __name__ == "__main__":
    main()
