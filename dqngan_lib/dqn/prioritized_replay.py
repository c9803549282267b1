"""Prioritised replay: surprising transitions are drawn more often (Schaul et al. 2016)."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from dqngan_lib.dqn.replay import Batch, ReplayBuffer


class SumTree:
    """Numbers in the leaves of a binary tree whose inner nodes hold the sums below them.

    Setting a leaf and finding the leaf at a point of the running total both take O(log n). A
    draw of a uniform point is then a draw in proportion to the numbers.

    Args:
        capacity: The number of leaves, at least 1. All start at 0.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.leaves = 1 << max(0, capacity - 1).bit_length()
        self.nodes = np.zeros(2 * self.leaves)

    @property
    def total(self) -> float:
        """The sum of all leaves."""
        return float(self.nodes[1])

    def __getitem__(self, index: np.ndarray) -> np.ndarray:
        """Return the numbers at the leaves `index`."""
        return self.nodes[self.leaves + np.asarray(index)]

    def set(self, index: np.ndarray, value: np.ndarray) -> None:
        """Write numbers, at least 0, into the leaves `index` and repair the sums above them."""
        node = self.leaves + np.asarray(index)
        self.nodes[node] = value
        while node[0] > 1:
            node = node // 2
            self.nodes[node] = self.nodes[2 * node] + self.nodes[2 * node + 1]

    def find(self, point: np.ndarray) -> np.ndarray:
        """Return the leaves in which the running total passes `point`, each in [0, total)."""
        point, node = np.array(point, dtype=float), np.ones(len(point), dtype=np.int64)
        while node[0] < self.leaves:
            left = 2 * node
            right = point >= self.nodes[left]
            # Rounding can leave a point a hair past the last number: never enter an empty branch.
            right &= self.nodes[left + 1] > 0
            point = np.where(right, point - self.nodes[left], point)
            node = left + right
        return node - self.leaves


class PrioritizedReplayBuffer(ReplayBuffer):
    """A replay buffer that draws surprising rows more often (Schaul et al. 2016, 1511.05952).

    Row i is drawn with probability P(i) = pᵢ^α / Σₖ pₖ^α (equation 1), where pᵢ is the last
    |TD error| plus a small number. A batch holds `weight`, (N · P(i))^−β divided by its greatest
    value in the batch: it takes back the bias of the drawing, fully at β = 1. The attribute `beta`
    is β, 0.4 at first; whoever trains raises it.

    Args:
        capacity: The greatest number of rows.
        seed: Seed of the buffer's own random numbers.
        alpha: How much the priorities count, from 0 (uniform) to 1.

    Raises:
        ValueError: An argument is out of its range.
    """

    def __init__(self, capacity: int, seed: int = 0, alpha: float = 0.6) -> None:
        super().__init__(capacity, seed)
        if not 0 <= alpha <= 1:
            raise ValueError(f"alpha must be from 0 to 1; got {alpha!r}")
        self.alpha = alpha
        self.beta = 0.4
        self.tree = SumTree(capacity)
        self.greatest = 1.0

    def add(self, stream: Tensor | None = None, **fields: Tensor) -> Tensor:
        """Add rows with the greatest priority seen so far, so that each is soon drawn once."""
        index = super().add(stream, **fields)
        self.tree.set(index.numpy(), np.full(len(index), self.greatest**self.alpha))
        return index

    def update_priorities(self, index: Tensor, td_error: Tensor) -> None:
        """Set pᵢ = |TD error| + ε, with ε = 10⁻⁶, of rows that have been learnt from.

        Args:
            index: int64 `(batch,)`, the field `index` of the batch.
            td_error: float `(batch,)`, of either sign.

        Raises:
            ValueError: The lengths differ or an error is not finite.
        """
        priority = td_error.detach().abs().double().cpu().numpy() + 1e-6
        if len(priority) != len(index) or not np.isfinite(priority).all():
            raise ValueError("td_error must hold one finite number for each place in index")
        self.greatest = max(self.greatest, float(priority.max()))
        self.tree.set(index.numpy(), priority**self.alpha)

    def draw(self, batch_size: int) -> Tensor:
        """Choose places with probability P(i) = pᵢ^α / Σₖ pₖ^α (equation 1)."""
        # The leaves hold pᵢ^α: a uniform point of their running total falls into leaf i so often.
        uniform = torch.rand(batch_size, dtype=torch.float64, generator=self.rng)
        return torch.from_numpy(self.tree.find(uniform.numpy() * self.tree.total))

    def gather(self, index: Tensor, n_step: int = 1, discount: float = 1.0) -> Batch:
        """Collect the rows with `weight`, wᵢ = (N · P(i))^−β / maxⱼ wⱼ (section 3.4)."""
        batch = super().gather(index, n_step, discount)
        probability = self.tree[index.numpy()] / self.tree.total  # P(i)
        weight = (len(self) * probability) ** -self.beta
        # Divided by the greatest, so that weights only ever make a step smaller.
        batch["weight"] = torch.from_numpy(weight / weight.max()).float()
        return batch

    def state_dict(self) -> dict[str, Any]:
        """Return the state, priorities included."""
        priorities = torch.from_numpy(self.tree.nodes.copy())
        extra = {"priorities": priorities, "greatest": self.greatest, "beta": self.beta}
        return super().state_dict() | extra

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a state made by `state_dict`."""
        super().load_state_dict(state)
        self.tree.nodes = state["priorities"].numpy().copy()
        self.greatest, self.beta = state["greatest"], state["beta"]
