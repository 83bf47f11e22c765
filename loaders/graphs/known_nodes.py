"""Nodes that a sample has met: in which order, and where each is found again."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["Known", "KnownApart"]

Array = np.ndarray[Any, Any]


class Known:
    """Nodes of one type in the order in which they were met, found again through one scratch array.

    Parameters
    ----------
    place : numpy.ndarray
        Shape (node,), -1 everywhere: the scratch array, given back by :meth:`clear`.
    """

    def __init__(self, place: Array) -> None:
        self._place = place
        self._parts: list[Array] = []
        self._fresh: list[Array] = []
        self.n_known = 0
        self.sizes: list[int] = []

    def add(self, node: Array, batch: Array | None) -> Array:
        """Return the position of some nodes, int64; those that are new are appended in the order of their first."""
        del batch
        place = self._place
        fresh = node[place[node] < 0]
        if len(fresh):
            at = np.arange(len(fresh), dtype=place.dtype)
            # Of several values that are written to one place, the last one stays: written backwards, the first.
            place[fresh[::-1]] = at[::-1]
            new = fresh[place[fresh] == at].astype(np.int64)
            place[new] = np.arange(self.n_known, self.n_known + len(new))
            self.n_known += len(new)
            self._fresh.append(new)
        return place[node].astype(np.int64)

    def positions(self, node: Array) -> Array:
        """Return the position of some nodes, -1 where one is not known."""
        return self._place[node].astype(np.int64)

    def advance(self) -> tuple[Array, Array | None, int]:
        """End a hop: return the nodes that it added, their seeds, and the position of the first."""
        nodes = np.concatenate([np.zeros(0, dtype=np.int64), *self._fresh])
        self._parts.append(nodes)
        self._fresh = []
        self.sizes.append(len(nodes))
        return nodes, None, self.n_known - len(nodes)

    def node(self) -> Array:
        """Return all nodes."""
        return np.concatenate([np.zeros(0, dtype=np.int64), *self._parts])

    def batch(self) -> Array | None:
        """Return the seed of every node; None where they are not kept apart."""
        return None

    def clear(self) -> None:
        """Leave the scratch array as it was."""
        for part in (*self._parts, *self._fresh):
            self._place[part] = -1


class KnownApart(Known):
    """Nodes of one type, those of different seeds kept apart: found again by sorted keys of seed and node."""

    def __init__(self, n_nodes: int) -> None:
        super().__init__(np.zeros(0, dtype=np.int32))
        self._n_nodes = max(n_nodes, 1)
        self._keys = np.zeros(0, dtype=np.int64)
        self._at = np.zeros(0, dtype=np.int64)
        self._batches: list[Array] = []
        self._fresh_batches: list[Array] = []

    def add(self, node: Array, batch: Array | None) -> Array:
        """Return the position of some nodes of some seeds."""
        if batch is None:
            raise ValueError("nodes that are kept apart belong to a seed")
        key = batch * self._n_nodes + node.astype(np.int64)
        unique, first, inverse = np.unique(key, return_index=True, return_inverse=True)
        at = np.minimum(np.searchsorted(self._keys, unique), max(len(self._keys) - 1, 0))
        old = self._keys[at] == unique if len(self._keys) else np.zeros(len(unique), dtype=bool)
        position = np.empty(len(unique), dtype=np.int64)
        position[old] = self._at[at[old]]
        new = np.flatnonzero(~old)
        new = new[np.argsort(first[new])]
        position[new] = np.arange(self.n_known, self.n_known + len(new))
        self.n_known += len(new)
        self._fresh.append(unique[new] % self._n_nodes)
        self._fresh_batches.append(unique[new] // self._n_nodes)
        keys = np.concatenate([self._keys, unique[new]])
        order = np.argsort(keys)
        self._keys, self._at = keys[order], np.concatenate([self._at, position[new]])[order]
        return position[inverse]

    def advance(self) -> tuple[Array, Array | None, int]:
        """End a hop."""
        batch = np.concatenate([np.zeros(0, dtype=np.int64), *self._fresh_batches])
        self._batches.append(batch)
        self._fresh_batches = []
        nodes, _, base = super().advance()
        return nodes, batch, base

    def batch(self) -> Array | None:
        """Return the seed of every node."""
        return np.concatenate([np.zeros(0, dtype=np.int64), *self._batches])

    def clear(self) -> None:
        """Do nothing: there is no scratch array."""
