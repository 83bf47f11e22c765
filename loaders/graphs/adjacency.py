"""The neighbours of every node as one table: what a sampler walks along, in memory or mapped from a file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from connectome.errors import UsageError
from connectome.schema.graph import compressed_rows

__all__ = ["Adjacency", "Direction", "adjacency_of", "check_direction", "edge_slots", "node_blocks"]

Array = np.ndarray[Any, Any]
Direction = Literal["in", "out", "both"]
"""Edges that end at a node, that start there, or both; a loop is listed once."""


@dataclass(frozen=True)
class Adjacency:
    """Neighbours by node, in compressed sparse form."""

    pointer: Array
    """Shape (node + 1,), integers: where each node's slots start."""
    neighbour: Array
    """Shape (slot,), integers: the node at the other end."""
    edge: Array | None = None
    """Shape (slot,), integers: number of the edge; None where the slot is that number."""

    @property
    def n_nodes(self) -> int:
        """Number of nodes whose neighbours are listed."""
        return len(self.pointer) - 1

    def edges_at(self, slot: Array) -> Array:
        """Return the numbers of the edges in some slots, int64."""
        return np.asarray(slot if self.edge is None else self.edge[slot], dtype=np.int64)

    def span(self, nodes: Array) -> tuple[Array, Array]:
        """Return the first slot and the number of slots of some nodes."""
        first = self.pointer[nodes]
        return first, self.pointer[nodes + 1] - first


def check_direction(direction: str) -> None:
    """Refuse what is no direction."""
    if direction not in {"in", "out", "both"}:
        raise UsageError("no such direction", subject="direction", expected="in, out or both", found=str(direction))


def adjacency_of(
    source: Array, target: Array, n_nodes: int | tuple[int, int], direction: Direction = "in"
) -> Adjacency:
    """List the neighbours of every node from a list of edges.

    Parameters
    ----------
    source, target : numpy.ndarray
        Shape (edge,), integers.
    n_nodes : int or (int, int)
        Number of nodes; of sources and of targets where they are of two types.
    direction : {"in", "out", "both"}
        ``in``: of every target, its sources; ``out``: of every source, its targets.

    Returns
    -------
    Adjacency
        Slots in the order of the edges; with ``both`` a node's incoming edges come first.

    Raises
    ------
    UsageError
        When both directions are asked for between two types of nodes.
    """
    check_direction(direction)
    n_sources, n_targets = n_nodes if isinstance(n_nodes, tuple) else (n_nodes, n_nodes)
    if direction == "in":
        return _sorted(target, source, np.arange(len(source)), n_targets)
    if direction == "out":
        return _sorted(source, target, np.arange(len(source)), n_sources)
    if isinstance(n_nodes, tuple):
        raise UsageError("edges between two types of nodes lead one way", subject="direction", found="both")
    back = np.flatnonzero(source != target)
    centre = np.concatenate([target, source[back]])
    return _sorted(centre, np.concatenate([source, target[back]]), np.append(np.arange(len(source)), back), n_nodes)


def _sorted(centre: Array, neighbour: Array, edge: Array, n_nodes: int) -> Adjacency:
    pointer, order = compressed_rows(centre, n_nodes)
    return Adjacency(pointer, neighbour[order], edge[order])


def edge_slots(first: Array, count: Array) -> tuple[Array, Array]:
    """Expand spans: return for every item which span it is in, and its slot."""
    owner = np.repeat(np.arange(len(count)), count)
    start = np.cumsum(count) - count
    return owner, np.arange(len(owner)) + (first - start)[owner]


def node_blocks(n_nodes: int, step: int) -> Iterator[tuple[int, int]]:
    """Yield (first, last + 1) of nodes, block after block."""
    for low in range(0, n_nodes, step):
        yield low, min(low + step, n_nodes)
