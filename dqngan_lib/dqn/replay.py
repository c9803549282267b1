"""Replay memory: transitions are kept, and drawn again in random order (Lin 1992)."""

from copy import deepcopy
from numbers import Integral
from typing import Any

import numpy as np
import torch
from torch import Tensor

Batch = dict[str, Tensor]
"""Named fields, each with the batch as its first dimension."""


class ReplayBuffer:
    """The newest `capacity` transitions, drawn uniformly (Mnih et al. 2013, 1312.5602).

    A transition is a row of named fields, for DQN: observation, action, reward, terminated,
    truncated, next_observation. Memory is taken once, at the first `add`.

    The next observation of one row is most often the observation of a later row. So it is not
    stored twice: `add` compares, and a row whose next observation came back as an observation
    only points to that row. The others, those at the ends of episodes, go to a shelf beside the
    rows.

    Args:
        capacity: The greatest number of rows. At least 1.
        seed: Seed of the buffer's own random generator.

    Raises:
        ValueError: `capacity` is not a whole number of at least 1.
    """

    def __init__(self, capacity: int, seed: int = 0) -> None:
        if not isinstance(capacity, Integral) or capacity < 1:
            raise ValueError(f"capacity must be a whole number >= 1; got {capacity!r}")
        self.capacity = int(capacity)
        self.generator = torch.Generator().manual_seed(int(seed))
        self.fields: Batch = {}
        self.position = 0
        self.size = 0
        # Where each row's next observation lies: below capacity in that row, else on the shelf.
        self._next = torch.full((capacity,), -1)
        self._shelf: Tensor | None = None
        self._free: list[int] = []
        # The newest row of each stream, -1 where there is none.
        self._newest = torch.full((0,), -1)

    def __len__(self) -> int:
        """Return the number of rows that can be drawn."""
        return self.size

    def add(self, stream: Tensor | None = None, **fields: Tensor) -> Tensor:
        """Add a batch of rows; the oldest rows make place.

        Args:
            stream: int `(batch,)`, the environment each row comes from, so that a row finds the
                row before it. By default row k comes from environment k.
            **fields: Tensors or arrays `(batch, …)`. Names, shapes and types are fixed by the
                first call. `next_observation`, if given, is not stored but found again.

        Returns:
            int64 `(batch,)`: the places of the rows.

        Raises:
            ValueError: The fields differ in name, length or shape from the first call, or a
                batch has more rows than the buffer.
        """
        fields = {name: torch.as_tensor(value).detach().cpu() for name, value in fields.items()}
        next_observation = fields.pop("next_observation", None)
        count = self._check(fields, next_observation)
        index = (self.position + torch.arange(count)) % self.capacity
        stream = self._check_stream(stream, count)
        if self.size + count > self.capacity:
            self._forget(index)
        for name, value in fields.items():
            self.fields[name].index_copy_(0, index, value)
        if next_observation is not None:
            if len(set(stream.tolist())) == count:
                self._link(index, stream, next_observation)
            else:  # several rows of one environment: one after the other
                for row in range(count):
                    part = slice(row, row + 1)
                    self._link(index[part], stream[part], next_observation[part])
        self.position = (self.position + count) % self.capacity
        self.size = min(self.size + count, self.capacity)
        return index

    def _check(self, fields: Batch, next_observation: Tensor | None) -> int:
        """Compare a batch with the first one; return its number of rows."""
        if not fields:
            raise ValueError("add needs at least one field, such as observation=…")
        lengths = {name: len(value) if value.dim() else 0 for name, value in fields.items()}
        count = next(iter(lengths.values()))
        if set(lengths.values()) != {count} or not 1 <= count <= self.capacity:
            raise ValueError(
                f"every field must have the same number of rows, from 1 to capacity="
                f"{self.capacity}; got {lengths}"
            )
        if next_observation is not None and (
            "observation" not in fields or next_observation.shape != fields["observation"].shape
        ):
            raise ValueError("next_observation must have the shape of the field observation")
        if not self.fields:
            self.fields = {
                name: torch.zeros((self.capacity, *value.shape[1:]), dtype=value.dtype)
                for name, value in fields.items()
            }
            if next_observation is not None:
                self._shelf = self.fields["observation"][:0].clone()
        expected = {name: tuple(value.shape[1:]) for name, value in self.fields.items()}
        found = {name: tuple(value.shape[1:]) for name, value in fields.items()}
        if expected != found:
            raise ValueError(f"fields and row shapes must be {expected}; got {found}")
        if (next_observation is None) != (self._shelf is None):
            raise ValueError("next_observation must be given in every call of add or in none")
        return count

    def _check_stream(self, stream: Tensor | None, count: int) -> Tensor:
        """Return the environment of each row; make place for environments not seen before."""
        stream = torch.arange(count) if stream is None else torch.as_tensor(stream).cpu()
        if stream.shape != (count,) or stream.is_floating_point() or stream.min() < 0:
            raise ValueError(f"stream must hold {count} whole numbers >= 0; got {stream}")
        missing = int(stream.max()) + 1 - len(self._newest)
        if missing > 0:
            self._newest = torch.cat([self._newest, torch.full((missing,), -1)])
        return stream.long()

    def _forget(self, index: Tensor) -> None:
        """Remove every trace of the rows that are about to be overwritten."""
        on_shelf = self._next[index] - self.capacity
        self._free += on_shelf[on_shelf >= 0].tolist()
        self._next[index] = -1
        self._newest[(self._newest - self.position) % self.capacity < len(index)] = -1

    def _link(self, index: Tensor, stream: Tensor, next_observation: Tensor) -> None:
        """Point each environment's previous row to its new row, where the observations agree.

        The next observation of the new row itself waits on the shelf.
        """
        before = self._newest[stream]
        known = before >= 0
        before, after = before[known], index[known]
        waiting = self._next[before] - self.capacity
        same = self._shelf[waiting] == self.fields["observation"][after]
        same = same.reshape(len(after), same[:1].numel()).all(1)
        self._next[before[same]] = after[same]
        self._free += waiting[same].tolist()
        places = self._take_places(len(index))
        self._shelf[places] = next_observation.to(self._shelf.dtype)
        self._next[index] = self.capacity + places
        self._newest[stream] = index

    def _take_places(self, count: int) -> Tensor:
        """Return free places on the shelf, which grows as needed: no row has more than one."""
        if len(self._free) < count:
            old = len(self._shelf)
            new = min(max(2 * old, old + count), self.capacity)
            more = self._shelf.new_zeros((new - old, *self._shelf.shape[1:]))
            self._shelf = torch.cat([self._shelf, more])
            self._free += range(old, new)
        return torch.tensor([self._free.pop() for _ in range(count)])

    def start_episodes(self) -> None:
        """Say that new episodes start everywhere: no row to come goes on from a row before."""
        self._newest.fill_(-1)

    def sample(self, batch_size: int, n_step: int = 1, discount: float = 1.0) -> Batch:
        """Draw rows with replacement.

        Args:
            batch_size: The number of rows, at least 1.
            n_step: With n > 1, `reward` becomes r₁ + γ r₂ + … + γⁿ⁻¹ rₙ and the fields
                `terminated`, `truncated` and `next_observation` those of the last of these
                steps (Sutton & Barto 2018, equation 7.1). It stops early where an episode ends
                or the memory does.
            discount: γ, used when `n_step` is greater than 1.

        Returns:
            The fields, `index` (int64, places of the rows) and, where `next_observation` was
            added, `next_observation` and `steps` (int64, how many rewards are summed: the
            bootstrapped value must be multiplied by γ to this power).

        Raises:
            ValueError: The buffer is empty, an argument is out of its range, or `n_step` needs a
                field that is not there.
        """
        if batch_size < 1 or n_step < 1:
            raise ValueError(f"batch_size and n_step must be >= 1; got {batch_size} and {n_step}")
        if not 0 <= discount <= 1:
            raise ValueError(f"discount must be from 0 to 1; got {discount!r}")
        if self.size == 0:
            raise ValueError("the buffer is empty: add transitions before you sample")
        missing = {"reward", "terminated", "truncated"} - self.fields.keys()
        if n_step > 1 and (missing or self._shelf is None):
            raise ValueError(
                "n_step > 1 needs the fields reward, terminated, truncated and next_observation; "
                f"there are {sorted(self.fields)}"
            )
        return self._gather(self._draw(batch_size), n_step, discount)

    def _draw(self, batch_size: int) -> Tensor:
        """Choose places."""
        return torch.randint(self.size, (batch_size,), generator=self.generator)

    def _gather(self, index: Tensor, n_step: int, discount: float) -> Batch:
        """Collect the rows at `index`, following each row's successors for n-step returns."""
        # `index_select` copies whole rows; indexing with [index] goes number by number.
        batch = {name: value.index_select(0, index) for name, value in self.fields.items()}
        batch["index"] = index
        if self._shelf is None:
            return batch
        last, steps = index, torch.ones_like(index)
        for power in range(1, n_step):
            ended = self.fields["terminated"][last] | self.fields["truncated"][last]
            going_on = ~ended & (self._next[last] < self.capacity)
            last = torch.where(going_on, self._next[last], last)
            reward = self.fields["reward"][last]
            counts = going_on.reshape(-1, *[1] * (reward.dim() - 1))
            batch["reward"] = batch["reward"] + discount**power * reward * counts
            steps = steps + going_on
        for name in {"terminated", "truncated"} & self.fields.keys():
            batch[name] = self.fields[name].index_select(0, last)
        batch["steps"] = steps
        batch["next_observation"] = self._next_observation(last)
        return batch

    def _next_observation(self, index: Tensor) -> Tensor:
        """Return what was observed after the rows at `index`."""
        place = self._next.index_select(0, index)
        in_row = place.clamp(max=self.capacity - 1)
        result = self.fields["observation"].index_select(0, in_row)
        on_shelf = (place >= self.capacity).nonzero().flatten()
        shelf_place = place.index_select(0, on_shelf) - self.capacity
        return result.index_copy_(0, on_shelf, self._shelf.index_select(0, shelf_place))

    def state_dict(self) -> dict[str, Any]:
        """Return everything that `load_state_dict` needs to go on as if nothing had happened."""
        return {
            "capacity": self.capacity,
            "fields": self.fields,
            "position": self.position,
            "size": self.size,
            "next": self._next,
            "shelf": self._shelf,
            "free": self._free,
            "newest": self._newest,
            "generator": self.generator.get_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a copy of a state made by `state_dict`.

        Raises:
            ValueError: The state belongs to a buffer of another capacity.
        """
        if state["capacity"] != self.capacity:
            raise ValueError(
                f"the state is of a buffer with capacity {state['capacity']}, this one has "
                f"{self.capacity}"
            )
        state = deepcopy(state)
        self.fields = state["fields"]
        self.position, self.size = state["position"], state["size"]
        self._next, self._newest = state["next"], state["newest"]
        self._shelf, self._free = state["shelf"], state["free"]
        self.generator.set_state(state["generator"])


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
    value in the batch: it takes back the bias of the drawing, fully at β = 1.

    Args:
        capacity: The greatest number of rows.
        seed: Seed of the buffer's own random generator.
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
        self._greatest = 1.0

    def add(self, stream: Tensor | None = None, **fields: Tensor) -> Tensor:
        """Add rows with the greatest priority seen so far, so that each is soon drawn once."""
        index = super().add(stream, **fields)
        self.tree.set(index.numpy(), np.full(len(index), self._greatest**self.alpha))
        return index

    def update_priorities(self, index: Tensor, td_error: Tensor) -> None:
        """Set the priorities of rows that have been learnt from.

        Args:
            index: int64 `(batch,)`, the field `index` of the batch.
            td_error: float `(batch,)`, of either sign.

        Raises:
            ValueError: The lengths differ or an error is not finite.
        """
        priority = td_error.detach().abs().double().cpu().numpy() + 1e-6
        if len(priority) != len(index) or not np.isfinite(priority).all():
            raise ValueError("td_error must hold one finite number for each place in index")
        self._greatest = max(self._greatest, float(priority.max()))
        self.tree.set(index.numpy(), priority**self.alpha)

    def _draw(self, batch_size: int) -> Tensor:
        """Choose places in proportion to the tree's numbers."""
        uniform = torch.rand(batch_size, dtype=torch.float64, generator=self.generator)
        return torch.from_numpy(self.tree.find(uniform.numpy() * self.tree.total))

    def _gather(self, index: Tensor, n_step: int, discount: float) -> Batch:
        """Collect the rows and their weights."""
        batch = super()._gather(index, n_step, discount)
        probability = self.tree[index.numpy()] / self.tree.total
        weight = (self.size * probability) ** -self.beta
        batch["weight"] = torch.from_numpy(weight / weight.max()).float()
        return batch

    def state_dict(self) -> dict[str, Any]:
        """Return the state, priorities included."""
        priorities = torch.from_numpy(self.tree.nodes.copy())
        extra = {"priorities": priorities, "greatest": self._greatest, "beta": self.beta}
        return super().state_dict() | extra

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a state made by `state_dict`."""
        super().load_state_dict(state)
        self.tree.nodes = state["priorities"].numpy().copy()
        self._greatest, self.beta = state["greatest"], state["beta"]
