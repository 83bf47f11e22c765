"""Pairs of nodes that no edge joins, for link prediction: uniform, or near each other in space.

- ``random``: two different nodes, uniform.
- ``spatial``: a node, uniform, and another one, uniform among those in the axis-aligned cube of half-width delta around
  it, as J. C. Paetzold, J. McGinnis et al., "Whole brain vessel graphs" (NeurIPS 2021 Datasets and Benchmarks,
  arXiv:2108.13233) draw them.

Draws that were made before, or that an edge joins, are thrown away, which is sampling without replacement. Where draws
hardly find anything new, all pairs are listed and the rest is chosen among them with the same probabilities, so that
an end is certain: either all that was wanted, or an error that says how many there are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import UsageError
from .point_grid import PointGrid
from .sorted_keys import among

__all__ = ["PairPool", "RandomPool", "SpatialPool", "draw_pairs", "spatial_delta", "too_few"]

Array = np.ndarray[Any, Any]
LEAST_DRAWS, MOST_DRAWS = 1 << 10, 1 << 20
POOR = 0.02
"""Share of new pairs among the draws of a round below which all pairs are listed."""
MOST_LISTED = 1 << 26
"""Pairs that are listed: half a gigabyte of numbers."""
PATIENCE = 64
"""Draws around one node before its surroundings are listed: most nodes need three."""


class PairPool:
    """Pairs of nodes that may become negatives; nodes are ranks."""

    def draw(self, count: int, rng: np.random.Generator) -> Array:
        """Draw ``count`` pairs at most, shape (pair, 2), int64, the lower rank first."""
        raise NotImplementedError

    def size(self) -> int:
        """Return an upper bound of the number of pairs."""
        raise NotImplementedError

    def all(self) -> tuple[Array, Array]:
        """Return every pair, shape (pair, 2), and its probability to be drawn up to a factor, shape (pair,)."""
        raise NotImplementedError


class RandomPool(PairPool):
    """All pairs of some nodes, each as likely.

    Parameters
    ----------
    nodes : numpy.ndarray
        Shape (node,), int64: rising ranks.
    """

    def __init__(self, nodes: Array) -> None:
        self.nodes = nodes

    def draw(self, count: int, rng: np.random.Generator) -> Array:
        """Draw pairs."""
        if len(self.nodes) < 2:
            return np.zeros((0, 2), dtype=np.int64)
        one = rng.integers(0, len(self.nodes), size=count)
        other = rng.integers(0, len(self.nodes) - 1, size=count)
        # One of the others: those from the first node on are one further.
        other += other >= one
        return np.asarray(self.nodes[np.stack([np.minimum(one, other), np.maximum(one, other)], axis=1)])

    def size(self) -> int:
        """Return the number of pairs."""
        return len(self.nodes) * (len(self.nodes) - 1) // 2

    def all(self) -> tuple[Array, Array]:
        """Return every pair."""
        one, other = np.triu_indices(len(self.nodes), k=1)
        return self.nodes[np.stack([one, other], axis=1)], np.ones(len(one))


class SpatialPool(PairPool):
    """Pairs of nodes in a cube around one of them, drawn as published.

    Parameters
    ----------
    position : numpy.ndarray
        Shape (node, axis), float64, by rank.
    nodes : numpy.ndarray
        Shape (node,), int64: rising ranks of those that may be drawn.
    delta : float
        Half-width of the cube, its faces included.
    """

    def __init__(self, position: Array, nodes: Array, delta: float) -> None:
        self.grid = PointGrid(position[nodes], delta)
        self._rank = nodes[self.grid.order]
        self._place = np.empty(len(nodes), dtype=np.int64)
        self._place[self.grid.order] = np.arange(len(nodes))

    def draw(self, count: int, rng: np.random.Generator) -> Array:
        """Draw pairs; a node without another one in its cube gives none."""
        if len(self.grid) < 2:
            return np.zeros((0, 2), dtype=np.int64)
        one = np.sort(rng.integers(0, len(self.grid), size=count))
        other = np.full(count, -1, dtype=np.int64)
        open_ = np.arange(count)
        for _ in range(PATIENCE):
            drawn = self.grid.draw_around(one[open_], rng)
            fits = (drawn != one[open_]) & self.grid.near(one[open_], drawn)
            other[open_[fits]] = drawn[fits]
            open_ = open_[~fits]
            if not len(open_):
                break
        for at in open_.tolist():
            start, stop = self.grid.surroundings(self.grid.cell_of[one[at : at + 1]])
            around = np.concatenate([np.arange(a, b) for a, b in zip(start[0], stop[0], strict=True)])
            around = around[(around != one[at]) & self.grid.near(np.full(len(around), one[at]), around)]
            if len(around):
                other[at] = around[rng.integers(0, len(around))]
        found = other >= 0
        pair = np.sort(np.stack([self._rank[one[found]], self._rank[other[found]]], axis=1), axis=1)
        # Draws were sorted by place; whoever takes the first of them must not favour a corner of the space.
        return np.asarray(pair[rng.permutation(len(pair))])

    def size(self) -> int:
        """Return how many pairs lie in the same or in neighbouring cells of the grid."""
        return int((np.diff(self.grid.pointer) * (self.grid.n_around() - 1)).sum() // 2)

    def all(self) -> tuple[Array, Array]:
        """Return every pair; each may be drawn from either end."""
        share = 1 / np.maximum(1, self.grid.n_near())
        found = [(np.stack([self._rank[a], self._rank[b]], axis=1), share[a] + share[b]) for a, b in self.grid.pairs()]
        if not found:
            return np.zeros((0, 2), dtype=np.int64), np.zeros(0)
        return np.sort(np.concatenate([pair for pair, _ in found]), axis=1), np.concatenate([p for _, p in found])


def draw_pairs(
    pool: PairPool,
    count: int,
    *,
    taken: Array,
    n_nodes: int,
    rng: np.random.Generator,
    about: Mapping[str, str],
) -> Array:
    """Draw distinct pairs that no edge joins.

    Parameters
    ----------
    pool : PairPool
        Where they come from.
    count : int
        How many.
    taken : numpy.ndarray
        Sorted numbers (:func:`~connectome.tasks.pairs.pair_keys`) of the pairs that may not be drawn.
    n_nodes : int
        Of the graph.
    rng : numpy.random.Generator
        What is drawn from.
    about : mapping of str to str
        ``subject`` and ``place`` for errors.

    Returns
    -------
    numpy.ndarray
        Shape (count,), int64: numbers of the pairs, in the order in which they were drawn.

    Raises
    ------
    UsageError
        When there are not as many.
    """
    kept = np.zeros(0, dtype=np.int64)
    while len(kept) < count:
        wanted = min(MOST_DRAWS, max(LEAST_DRAWS, int((count - len(kept)) * 1.1)))
        drawn = pool.draw(wanted, rng)
        keys = drawn[:, 0] * n_nodes + drawn[:, 1]
        _, first = np.unique(keys, return_index=True)
        keys = keys[np.sort(first)]
        fresh = keys[~(among(keys, taken) | among(keys, np.sort(kept)))]
        kept = np.concatenate([kept, fresh])
        if len(kept) < count and len(fresh) < POOR * wanted:
            return np.concatenate([kept, _rest(pool, count, kept, taken=taken, n_nodes=n_nodes, rng=rng, about=about)])
    return kept[:count]


def _rest(
    pool: PairPool,
    count: int,
    kept: Array,
    *,
    taken: Array,
    n_nodes: int,
    rng: np.random.Generator,
    about: Mapping[str, str],
) -> Array:
    """Choose what is missing among all pairs: successive draws by weight, by exponential keys."""
    if pool.size() > MOST_LISTED:
        raise too_few(count, f"{len(kept)} after draws that found hardly any new ones", about)
    pair, weight = pool.all()
    keys = pair[:, 0] * n_nodes + pair[:, 1]
    order = np.argsort(keys)
    keys, weight = keys[order], weight[order]
    left = ~(among(keys, taken) | among(keys, np.sort(kept)))
    keys, weight = keys[left], weight[left]
    if len(keys) + len(kept) < count:
        raise too_few(count, str(len(keys) + len(kept)), about)
    # P. S. Efraimidis, P. G. Spirakis, "Weighted random sampling with a reservoir", Inf. Process. Lett. 97 (2006) 181.
    first = np.argsort(rng.standard_exponential(len(keys)) / weight, kind="stable")
    return np.asarray(keys[first[: count - len(kept)]])


def too_few(count: int, found: str, about: Mapping[str, str]) -> UsageError:
    """Return the error that says that there are not as many negatives as are wanted."""
    return UsageError(
        "there are too few pairs that no edge joins",
        subject=about["subject"],
        place=about["place"],
        expected=f"{count} negatives",
        found=found,
        hint="use a smaller ratio, another kind of negatives, or a larger delta",
    )


def spatial_delta(length: Array) -> float:
    """Return the mean plus twice the standard deviation (ddof 1) of the distances of all edge rows that have one.

    Self loops count, with their distance of 0, as they do in the published column.
    """
    known = length[np.isfinite(length)].tolist()
    if len(known) < 2:
        raise UsageError("too few edges have a distance", subject="delta", found=str(len(known)), hint="give delta")
    mean = math.fsum(known) / len(known)
    return mean + 2 * math.sqrt(math.fsum((value - mean) ** 2 for value in known) / (len(known) - 1))
