"""A canvas of 2 × 2 black or white pixels, and networks that are plain tables of its prefixes."""

import torch
from torch import Tensor, nn

from dqngan_lib.dqngan.agent import DQNGAN
from dqngan_lib.dqngan.patch_canvas import PatchCanvas
from dqngan_lib.dqngan.settings import DQNGANSettings

CODEBOOK = torch.tensor([0.0, 1.0]).reshape(2, 1, 1)
STEPS = 4
PICTURES = torch.cartesian_prod(*[torch.arange(2)] * STEPS)
"""All 16 pictures as tokens, `(16, 4)`, in the order of binary counting."""
TOKENS = torch.cat([torch.zeros(16, 1, dtype=torch.long), PICTURES], 1)


class Table(nn.Module):
    """Two numbers for each of the 15 prefixes, and nothing shared between them."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = nn.Parameter(torch.zeros(2**STEPS - 1, 2))

    def forward(self, tokens: Tensor) -> Tensor:
        """Map `(n, 1 + t)` to `(n, 2, 1 + t)`; prefix number 2ⁱ − 1 + its binary number."""
        places, value = [], torch.zeros(len(tokens), dtype=torch.long)
        for length in range(tokens.shape[1]):
            if length:
                value = 2 * value + tokens[:, length]
            places.append(2**length - 1 + value)
        return self.numbers[torch.stack(places, 1)].mT


def canvas(count: int = 32) -> PatchCanvas:
    """Return canvases of 2 × 2 pixels."""
    return PatchCanvas(count, CODEBOOK, grid=2)


def agent(seed: int = 0, **settings: object) -> DQNGAN:
    """Return an agent whose networks are tables."""
    return DQNGAN(Table(), Table(), DQNGANSettings(**settings), seed=seed)


def whole(tokens: Tensor) -> dict[str, Tensor]:
    """Return finished episodes as a batch."""
    return {"observation": tokens[:, :-1], "action": tokens[:, 1:]}


def log_probability(table: nn.Module, temperature: float = 1.0) -> Tensor:
    """Return log q(x) of all 16 pictures under softmax(Q/α), float64."""
    with torch.no_grad():
        log_q = (table(TOKENS[:, :-1]).double() / temperature).log_softmax(1)
    return log_q.gather(1, PICTURES.unsqueeze(1)).squeeze(1).sum(1)


def prefix_logits(log_p: Tensor) -> Tensor:
    """Return log p(s, a) for each prefix and next token, in the order of `Table.numbers`."""
    rows = []
    for length in range(1, STEPS + 1):
        rows.append(log_p.reshape(2**length, -1).logsumexp(1).reshape(-1, 2))
    return torch.cat(rows)
