"""Labelled patches of brain slices, networks that draw them by class, and one that names tissue.

The labels are the template's tissue maps: 0 background or cerebrospinal fluid, 1 grey matter,
2 white matter.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from dqngan_lib.course.arguments import require, whole
from dqngan_lib.dqngan.networks import CausalTransformer, Memory

TISSUES = ("background or fluid", "grey matter", "white matter")
"""Names of the classes."""


@dataclass(frozen=True)
class Patches:
    """Patches float32 `(n, 1, side, side)` in [0, 1], and their classes int64 `(n,)`."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        """Return n."""
        return len(self.labels)

    def part(self, rows: slice | Tensor) -> "Patches":
        """Return some of the patches."""
        return Patches(self.images[rows], self.labels[rows])

    def balanced(self, per_class: int) -> "Patches":
        """Return the first patches of each class, as many of each.

        Raises:
            ValueError: A class has fewer.
        """
        rows = [(self.labels == label).nonzero().flatten() for label in range(len(TISSUES))]
        least = min(map(len, rows))
        whole("per_class", per_class, 1, least)
        return self.part(torch.cat([one[:per_class] for one in rows]).sort().values)


def joined(first: Patches, second: Patches) -> Patches:
    """Return two sets of patches as one."""
    return Patches(
        torch.cat([first.images, second.images]), torch.cat([first.labels, second.labels])
    )


def tissue_patches(
    images: Tensor,
    tissue: Tensor,
    per_class: int,
    *,
    side: int = 16,
    least_brain: float = 0.5,
    seed: int = 0,
) -> Patches:
    """Cut patches out of slices at random places, equally many of each class, in random order.

    A patch of even side has four pixels in its middle. Its class is their tissue, and only
    places where all four agree are used. Patches that are mostly black background are left out:
    they would make the first class too easy.

    Args:
        images: Slices float `(n, 1, height, width)` in [0, 1].
        tissue: Their tissue maps, int64 `(n, height, width)`.
        per_class: How many of each class, at most; fewer where there are not so many places.
        side: Height and width of a patch in pixels, even.
        least_brain: Least share of a patch that is brighter than 0.1, from 0 to 1.
        seed: Seed of the choice.

    Raises:
        ValueError: The shapes do not fit, a number is out of its range, or a class has no place.
    """
    shape = (len(images), *images.shape[2:])
    require(tissue.shape == shape, "tissue", tuple(tissue.shape), f"of shape {shape}")
    whole("per_class", per_class, 1)
    whole("side", side, 2, min(shape[1:]))
    require(side % 2 == 0, "side", side, "even")
    rng, half = torch.Generator().manual_seed(int(seed)), side // 2
    middle = tissue[:, half - 1 : shape[1] - half + 1, half - 1 : shape[2] - half + 1]
    fours = torch.stack([middle[:, y : y - 1 or None, x : x - 1 or None] for y, x in _CORNERS])
    agree = (fours == fours[0]).all(0)
    brain = functional.avg_pool2d((images > 0.1).float(), side, 1)[:, 0] >= least_brain
    windows = images[:, 0].unfold(1, side, 1).unfold(2, side, 1)  # a patch for each place
    chosen, labels = [], []
    for label in range(len(TISSUES)):
        places = ((fours[0] == label) & agree & brain).nonzero()
        require(len(places) > 0, "tissue", TISSUES[label], "found somewhere in the slices")
        places = places[torch.randperm(len(places), generator=rng)[:per_class]]
        chosen.append(windows[tuple(places.T)])
        labels.append(torch.full((len(places),), label))
    order = torch.randperm(sum(map(len, labels)), generator=rng)
    return Patches(torch.cat(chosen)[order].unsqueeze(1).contiguous(), torch.cat(labels)[order])


_CORNERS = ((0, 0), (0, 1), (1, 0), (1, 1))


class ClassTransformer(CausalTransformer):
    """A causal transformer that is told the class at every step, not at the start alone.

    The start token is read once, and what it says must be fetched by attention sixteen steps
    later. Here a vector for each class and place is added to the token's own, which is learnt much
    faster.

    Args:
        codebook: float `(K, patch, patch)`.
        steps: T, the greatest number of patches.
        starts: How many classes there are.
        dropout: Probability from 0 to below 1, at work in training mode only.
    """

    def __init__(self, codebook: Tensor, steps: int, starts: int, dropout: float = 0.0) -> None:
        super().__init__(codebook, steps, starts, dropout=dropout)
        self.told = nn.Parameter(torch.randn(starts, steps, self.place.shape[1]))

    def forward(self, tokens: Tensor, memory: Memory | None = None) -> Tensor:
        """Map prefixes to the numbers of all next tokens; see `CausalTransformer.forward`."""
        fits = tokens.dim() == 2 and 1 <= tokens.shape[1] <= self.steps
        require(fits, "tokens", tuple(tokens.shape), f"(n, 1 to {self.steps})")
        known, length = 0 if memory is None else memory.length, tokens.shape[1]
        x = functional.embedding(tokens[:, max(known, 1) :], self.patch)
        if known == 0:
            x = torch.cat([functional.embedding(tokens[:, :1], self.start), x], 1)
        x = x + self.place[known:length] + self.told[tokens[:, 0], known:length]
        x = self.dropout(x)
        for layer, block in enumerate(self.blocks):
            x = block(x, memory, layer)
        return self.head(self.norm(x)).mT


class TissueNetwork(nn.Module):
    """From a patch to three logits: one hidden layer, a diagnostic model in miniature.

    It looks at the middle of a patch alone. The tissue in the middle is decided there; what is
    farther away only invites it to learn accidents.

    Args:
        middle: Side of the square of pixels that it looks at, even.
        width: Numbers in the hidden layer.
    """

    def __init__(self, middle: int = 8, width: int = 64) -> None:
        super().__init__()
        whole("middle", middle, 2)
        self.middle = middle
        self.layers = nn.Sequential(
            nn.Flatten(), nn.Linear(middle**2, width), nn.ReLU(), nn.Linear(width, len(TISSUES))
        )

    def forward(self, patches: Tensor) -> Tensor:
        """Map patches `(n, 1, side, side)` in [0, 1] to logits `(n, 3)`."""
        return self.layers(3 * (in_the_middle(patches, self.middle) - 0.5))


def in_the_middle(patches: Tensor, size: int) -> Tensor:
    """Cut the square of `size` × `size` pixels out of the middle of patches."""
    first = (patches.shape[-1] - size) // 2
    return patches[..., first : first + size, first : first + size]


def train_tissue(
    patches: Patches, updates: int = 500, learning_rate: float = 3e-3, seed: int = 0
) -> TissueNetwork:
    """Train a network to name the tissue of patches: cross-entropy, Adam, batches of 64.

    Args:
        patches: What it learns from.
        updates: Gradient steps, the same for small and large sets.
        learning_rate: At the start; it falls to 0 in a line.
        seed: Seed of the first weights and of the batches.
    """
    whole("updates", updates, 1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = TissueNetwork()
    rng = torch.Generator().manual_seed(int(seed))
    adam = torch.optim.Adam(network.parameters(), learning_rate, fused=True)
    falling = torch.optim.lr_scheduler.LinearLR(adam, 1.0, 0.0, updates)
    for _ in range(updates):
        rows = torch.randint(len(patches), (64,), generator=rng)
        loss = functional.cross_entropy(network(patches.images[rows]), patches.labels[rows])
        adam.zero_grad()
        loss.backward()
        adam.step()
        falling.step()
    return network


@torch.no_grad()
def named_rightly(network: nn.Module, patches: Patches) -> float:
    """Return the share of patches whose greatest logit is that of their class."""
    return (network(patches.images).argmax(1) == patches.labels).float().mean().item()
