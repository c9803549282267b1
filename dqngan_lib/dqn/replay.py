"""Replay buffer: transitions are kept, and drawn again in random order (Lin 1992)."""

from copy import deepcopy
from numbers import Integral
from typing import Any

import torch
from torch import Tensor

Batch = dict[str, Tensor]
"""Named fields, each with the batch as its first dimension."""


class ReplayBuffer:
    """The newest `capacity` transitions, drawn uniformly (Mnih et al. 2013, 1312.5602).

    A transition is a row of named fields, for DQN: observation, action, reward, terminated,
    truncated, next_observation. The rows are a ring: memory is taken once, at the first `add`,
    and the newest row takes the place of the oldest. The fields can be read in `fields`.

    Args:
        capacity: The greatest number of rows. At least 1.
        seed: Seed of the buffer's own random numbers.

    Raises:
        ValueError: `capacity` is not a whole number of at least 1.
    """

    def __init__(self, capacity: int, seed: int = 0) -> None:
        if not isinstance(capacity, Integral) or capacity < 1:
            raise ValueError(f"capacity must be a whole number >= 1; got {capacity!r}")
        self.capacity = int(capacity)
        self.rng = torch.Generator().manual_seed(int(seed))
        self.fields: Batch = {}
        self.added = 0  # rows ever added: row number k lies at place k % capacity
        # The place of the row that goes on from each row, -1 where none does.
        self.following = torch.full((self.capacity,), -1)
        # The number of the newest row of each stream, -1 where there is none.
        self.newest = torch.full((0,), -1)

    def __len__(self) -> int:
        """Return the number of rows that can be drawn."""
        return min(self.added, self.capacity)

    def add(self, stream: Tensor | None = None, **fields: Tensor) -> Tensor:
        """Add a batch of rows; the oldest rows make place.

        Args:
            stream: int `(batch,)`, the environment each row comes from, so that a row finds the
                row before it. By default row k comes from environment k.
            **fields: Tensors or arrays `(batch, …)`. Names, shapes and types are fixed by the
                first call.

        Returns:
            int64 `(batch,)`: the places of the rows.

        Raises:
            ValueError: The fields differ in name, length or shape from the first call, or a
                batch has more rows than the buffer.
        """
        fields = {name: torch.as_tensor(value).detach().cpu() for name, value in fields.items()}
        count = self._check(fields)
        stream = self._check_stream(stream, count)
        if len(set(stream.tolist())) < count:  # several rows of one environment: one by one
            rows = [{name: value[[k]] for name, value in fields.items()} for k in range(count)]
            return torch.cat([self.add(stream[[k]], **rows[k]) for k in range(count)])
        number = self.added + torch.arange(count)
        index = number % self.capacity
        self.added += count
        if "next_observation" in fields:
            self._link(index, stream, fields["observation"])
            self.newest[stream] = number
        for name, value in fields.items():
            self.fields[name].index_copy_(0, index, value)
        self.following[index] = -1
        return index

    def _check(self, fields: Batch) -> int:
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
        found = {name: tuple(value.shape[1:]) for name, value in fields.items()}
        if found.get("next_observation", found.get("observation")) != found.get("observation"):
            raise ValueError("next_observation must have the shape of the field observation")
        if not self.fields:
            self.fields = {
                name: value.new_zeros(self.capacity, *value.shape[1:])
                for name, value in fields.items()
            }
        expected = {name: tuple(value.shape[1:]) for name, value in self.fields.items()}
        if expected != found:
            raise ValueError(f"fields and row shapes must be {expected}; got {found}")
        return count

    def _check_stream(self, stream: Tensor | None, count: int) -> Tensor:
        """Return the environment of each row; make place for environments not seen before."""
        stream = torch.arange(count) if stream is None else torch.as_tensor(stream).cpu()
        if stream.shape != (count,) or stream.is_floating_point() or stream.min() < 0:
            raise ValueError(f"stream must hold {count} whole numbers >= 0; got {stream}")
        missing = int(stream.max()) + 1 - len(self.newest)
        if missing > 0:
            self.newest = torch.cat([self.newest, torch.full((missing,), -1)])
        return stream.long()

    def _link(self, index: Tensor, stream: Tensor, observation: Tensor) -> None:
        """Point each environment's previous row to its new row, where the observations agree."""
        before = self.newest[stream]
        known = before >= max(0, self.added - self.capacity)  # else it has just been overwritten
        before, after = before[known] % self.capacity, index[known]
        same = self.fields["next_observation"][before] == observation[known]
        same = same.reshape(len(after), same[:1].numel()).all(1)
        self.following[before[same]] = after[same]

    def start_episodes(self) -> None:
        """Say that new episodes start everywhere: no row to come goes on from a row before."""
        self.newest.fill_(-1)

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
            added, `steps` (int64, how many rewards are summed: the bootstrapped value must be
            multiplied by γ to this power).

        Raises:
            ValueError: The buffer is empty, an argument is out of its range, or `n_step` needs a
                field that is not there.
        """
        if batch_size < 1 or n_step < 1:
            raise ValueError(f"batch_size and n_step must be >= 1; got {batch_size} and {n_step}")
        if not 0 <= discount <= 1:
            raise ValueError(f"discount must be from 0 to 1; got {discount!r}")
        if len(self) == 0:
            raise ValueError("the buffer is empty: add transitions before you sample")
        needed = {"reward", "terminated", "truncated", "next_observation"}
        if n_step > 1 and not needed <= self.fields.keys():
            raise ValueError(
                "n_step > 1 needs the fields reward, terminated, truncated and next_observation; "
                f"there are {sorted(self.fields)}"
            )
        return self.gather(self.draw(batch_size), n_step, discount)

    def draw(self, batch_size: int) -> Tensor:
        """Choose places, each row with the same probability; int64 `(batch_size,)`."""
        return torch.randint(len(self), (batch_size,), generator=self.rng)

    def gather(self, index: Tensor, n_step: int = 1, discount: float = 1.0) -> Batch:
        """Collect the rows at the places `index`, as `sample` does with those that it draws."""
        # `index_select` copies whole rows; indexing with [index] goes number by number.
        batch = {name: value.index_select(0, index) for name, value in self.fields.items()}
        batch["index"] = index
        if "next_observation" not in self.fields:
            return batch
        last, steps = index, torch.ones_like(index)
        for power in range(1, n_step):
            # Go one row on, except where the episode has ended or no later row is known.
            ended = self.fields["terminated"][last] | self.fields["truncated"][last]
            going_on = ~ended & (self.following[last] >= 0)
            last = torch.where(going_on, self.following[last], last)
            reward = self.fields["reward"][last]
            counts = going_on.reshape(-1, *[1] * (reward.dim() - 1))
            batch["reward"] = batch["reward"] + discount**power * reward * counts  # + γᵏ rₖ₊₁
            steps = steps + going_on
        if n_step > 1:  # what the target bootstraps from lies after the last of these rows
            for name in ("terminated", "truncated", "next_observation"):
                batch[name] = self.fields[name].index_select(0, last)
        return batch | {"steps": steps}

    def state_dict(self) -> dict[str, Any]:
        """Return everything that `load_state_dict` needs to go on as if nothing had happened."""
        return {name: getattr(self, name) for name in self._SAVED} | {"rng": self.rng.get_state()}

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
        for name in self._SAVED:
            setattr(self, name, deepcopy(state[name]))
        self.rng.set_state(state["rng"])

    _SAVED = ("capacity", "fields", "added", "following", "newest")
