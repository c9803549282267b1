"""A transformer that reads a picture as a sentence of patches and never looks ahead."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from dqngan_lib.course.arguments import positive_sizes, require


class Memory:
    """The keys and values of the tokens read so far, one pair a layer; empty at the start.

    Pass the same one with every longer prefix of the same episodes: only the new tokens are
    computed then.
    """

    def __init__(self) -> None:
        self.pairs: list[tuple[Tensor, Tensor]] = []

    @property
    def length(self) -> int:
        """How many tokens have been read."""
        return self.pairs[0][0].shape[2] if self.pairs else 0

    def extend(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Add keys and values `(n, heads, new, size)` of a layer; return all of them."""
        if layer == len(self.pairs):
            self.pairs.append((keys, values))
        else:
            old_keys, old_values = self.pairs[layer]
            self.pairs[layer] = torch.cat([old_keys, keys], 2), torch.cat([old_values, values], 2)
        return self.pairs[layer]


class _CausalBlock(nn.Module):
    """One layer: look back (attention), then think (two linear layers), each added to the input.

    Args:
        width: Numbers that describe a token.
        heads: Attention heads; they divide the width.
        dropout: Probability with which each number of the two additions is set to 0.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm_1, self.norm_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.queries_keys_values = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.think = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(approximate="tanh"), nn.Linear(4 * width, width)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, memory: Memory | None, layer: int) -> Tensor:
        """Map `(n, new, width)` to the same shape; token i sees the tokens up to i."""
        parts = self.queries_keys_values(self.norm_1(x)).unflatten(2, (3, self.heads, -1))
        queries, keys, values = parts.permute(2, 0, 3, 1, 4)  # each (n, heads, new, size)
        if memory is None:
            # softmax(QKᵀ/√size) V, where token i gives weight to the tokens up to i alone
            seen = functional.scaled_dot_product_attention(queries, keys, values, is_causal=True)
        else:
            keys, values = memory.extend(layer, keys, values)
            new, total = queries.shape[2], keys.shape[2]
            # Row i of the mask is token total − new + i: it sees itself and all before it.
            before = torch.ones(new, total, dtype=torch.bool, device=x.device).tril(total - new)
            seen = functional.scaled_dot_product_attention(queries, keys, values, before)
        # Look back, then think; each is added to what came in (pre-LN).
        x = x + self.dropout(self.out(seen.transpose(1, 2).flatten(2)))
        return x + self.dropout(self.think(self.norm_2(x)))


class CausalTransformer(nn.Module):
    """For each prefix of an episode, one number for each token that may come next.

    Reads `(n, 1 + t)`: the start token and t patches. Position i of the output has seen the start
    token and the first i patches, and is about the next one. So one call gives the Q-values of
    all states of an episode, or the discriminator's logits at all its prefixes. The last layer
    begins at zero: at first every Q-value is 0 and every token equally likely.

    The patch of token k begins as a fixed random projection of the k-th patch of the codebook,
    so that patches that look alike begin alike; it is learnt from there.

    Args:
        codebook: float `(K, patch, patch)`; its K sets the number of outputs.
        steps: T, the greatest number of patches.
        starts: How many start tokens there are.
        width: Numbers that describe a token.
        layers: How many layers.
        heads: Attention heads in a layer; they divide the width.
        dropout: Probability from 0 to below 1, at work in training mode only.

    Raises:
        ValueError: An argument is out of its range.
    """

    def __init__(
        self,
        codebook: Tensor,
        steps: int,
        starts: int = 1,
        width: int = 64,
        layers: int = 2,
        heads: int = 4,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        positive_sizes(steps=steps, starts=starts, width=width, layers=layers, heads=heads)
        require(width % heads == 0, "heads", heads, f"a divisor of the width, {width}")
        require(0 <= dropout < 1, "dropout", dropout, "from 0 to below 1")
        tokens, self.steps = len(codebook), steps
        patches = codebook.flatten(1).float()
        # A random projection keeps distances: patches that look alike begin alike. (K, width)
        patches = (patches - patches.mean(0)) / patches.std().clamp(min=1e-6)
        project = torch.randn(patches.shape[1], width) / math.sqrt(patches.shape[1])
        self.patch = nn.Parameter(patches @ project)
        self.start = nn.Parameter(0.1 * torch.randn(starts, width))
        self.place = nn.Parameter(0.1 * torch.randn(steps, width))
        self.blocks = nn.ModuleList(_CausalBlock(width, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, tokens)
        self.dropout = nn.Dropout(dropout)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def new_memory(self) -> Memory:
        """Return an empty memory, to read growing prefixes with."""
        return Memory()

    def forward(self, tokens: Tensor, memory: Memory | None = None) -> Tensor:
        """Map prefixes to the numbers of all next tokens at each of their positions.

        Args:
            tokens: int64 `(n, 1 + t)`, t from 0 to T − 1, no −1 among them.
            memory: What was read of the same prefixes before; it is extended.

        Returns:
            float `(n, K, 1 + t)`; with a memory only the positions that are new.

        Raises:
            ValueError: `tokens` has another shape or is too long.
        """
        if tokens.dim() != 2 or not 1 <= tokens.shape[1] <= self.steps:
            raise ValueError(
                f"tokens must be (n, 1 to {self.steps}), the start token and at most "
                f"{self.steps - 1} patches; got {tuple(tokens.shape)}"
            )
        known, length = 0 if memory is None else memory.length, tokens.shape[1]
        # What is new: the patches (and the start token) at their places, (n, new, width).
        x = functional.embedding(tokens[:, max(known, 1) :], self.patch)
        if known == 0:
            x = torch.cat([functional.embedding(tokens[:, :1], self.start), x], 1)
        x = self.dropout(x + self.place[known:length])
        for layer, block in enumerate(self.blocks):
            x = block(x, memory, layer)
        return self.head(self.norm(x)).mT  # (n, K, new)


@torch.no_grad()
def log_probability(network: nn.Module, tokens: Tensor) -> Tensor:
    """Return log q(x) of finished episodes x, in nats: how likely softmax(Q) is to make them.

    Args:
        network: From prefixes `(n, T)` to Q-values, or other logits, `(n, K, T)`.
        tokens: Finished episodes, int64 `(n, 1 + T)`.

    Returns:
        float `(n,)`. Minus its mean over held-out episodes is the score of a language model.
    """
    was_training = network.training
    network.eval()
    log_q = functional.log_softmax(network(tokens[:, :-1]), 1)  # (n, K, T)
    network.train(was_training)
    # log q(x) = Σₜ log q(aₜ|sₜ)
    return log_q.gather(1, tokens[:, None, 1:]).sum((1, 2))


def train_by_likelihood(
    network: CausalTransformer,
    tokens: Tensor,
    updates: int = 1_000,
    batch_size: int = 64,
    rate: float = 2e-3,
    seed: int = 0,
) -> list[float]:
    """Train a network to predict the next token of real episodes: maximum likelihood.

    What a DQN-GAN is measured against: it may look at the real pictures themselves. Adam, its
    step falling to 0 along a line.

    Args:
        network: Changed in place.
        tokens: Real episodes, int64 `(n, 1 + T)`.
        updates: Gradient steps.
        batch_size: Episodes in a step.
        rate: Adam's step size at the start.
        seed: Seed of the order of the episodes.

    Returns:
        The loss at each step: −log q(x) of a picture, in nats, mean over the batch.
    """
    positive_sizes(updates=updates, batch_size=batch_size)
    require(rate > 0, "rate", rate, "> 0")
    rng = torch.Generator().manual_seed(int(seed))
    adam = torch.optim.Adam(network.parameters(), rate, betas=(0.9, 0.99), fused=True)
    falling = torch.optim.lr_scheduler.LinearLR(adam, 1.0, 0.0, updates)
    losses = []
    for _ in range(updates):
        batch = tokens[torch.randint(len(tokens), (batch_size,), generator=rng)]
        logits = network(batch[:, :-1])
        # −log q(token | all before it), mean over the batch and the T positions
        loss = functional.cross_entropy(logits, batch[:, 1:])
        adam.zero_grad()
        loss.backward()
        adam.step()
        falling.step()
        losses.append(loss.item() * (tokens.shape[1] - 1))  # the sum over a picture's T positions
    return losses
