"""What can be counted on the edges of a graph: components, degrees, self loops, parallel edges.

Plain NumPy on two arrays of node indices. Directions do not count unless it is said; everything handles millions of
edges in seconds and in a few arrays of their length.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = [
    "ParallelEdges",
    "component_sizes",
    "connected_components",
    "node_degrees",
    "parallel_edges",
    "simple_degrees",
]

Array = np.ndarray[Any, Any]
SEED = 0
"""Of the ranks of trees. Components do not depend on it, only the time they take."""


def connected_components(source: Array, target: Array, n_nodes: int) -> Array:
    """Tell which connected component every node belongs to.

    In every round each tree takes hold of a neighbour of lower rank, and pointer jumping makes the new trees flat;
    edges between trees stay for the next round. Ranks are the indices at first, which suits nodes in spatial order,
    and random from then on, so that a round at least halves the number of trees (expected).

    Parameters
    ----------
    source, target : numpy.ndarray
        Shape (edge,), indices below ``n_nodes``.
    n_nodes : int
        Number of nodes; one without an edge is a component of its own.

    Returns
    -------
    numpy.ndarray
        Shape (node,), int64: components numbered from 0 by their first node.
    """
    index = np.int32 if n_nodes < 2**31 else np.int64
    source, target = np.asarray(source).astype(index, copy=False), np.asarray(target).astype(index, copy=False)
    generator = np.random.default_rng(SEED)
    root = _flat_trees(source, target, n_nodes)
    low, high = _between(root[source], root[target])
    while len(low):
        alive = np.zeros(n_nodes, dtype=bool)
        alive[low] = alive[high] = True
        named = np.flatnonzero(alive).astype(index)
        generator.shuffle(named)
        rank = np.empty(n_nodes, dtype=index)
        rank[named] = np.arange(len(named), dtype=index)
        tree = _flat_trees(rank[low], rank[high], len(named))
        merged = np.arange(n_nodes, dtype=index)
        merged[named] = named[tree]
        root = merged[root]
        low, high = _between(merged[low], merged[high])
    first = np.zeros(n_nodes, dtype=np.int64)
    # Written backwards, so that the first node of a tree is written last and stays.
    first[root[::-1]] = np.arange(n_nodes - 1, -1, -1)
    opens = np.zeros(n_nodes, dtype=bool)
    opens[first[root]] = True
    labels: Array = (np.cumsum(opens) - 1)[first[root]]
    return labels


def _flat_trees(one: Array, other: Array, n_nodes: int) -> Array:
    """Let every node hold a neighbour of lower index, if it has one, and return the root that it hangs on."""
    tree = np.arange(n_nodes, dtype=one.dtype)
    # Whichever neighbour is written last: all are lower or the node itself, so no circle can arise.
    low, high = np.minimum(one, other), np.maximum(one, other)
    proper = low != high
    tree[high[proper]] = low[proper]
    while True:
        above = tree[tree]
        if np.array_equal(above, tree):
            return tree
        tree = above


def _between(one: Array, other: Array) -> tuple[Array, Array]:
    apart = one != other
    return one[apart], other[apart]


def component_sizes(labels: Array) -> Array:
    """Return the number of nodes of every component, the largest first, shape (component,), int64."""
    return np.sort(np.bincount(labels))[::-1] if len(labels) else np.zeros(0, dtype=np.int64)


def node_degrees(source: Array, target: Array, n_nodes: int) -> Array:
    """Count the edge ends at every node, shape (node,), int64: parallel edges each, a self loop twice."""
    counted: Array = np.bincount(source, minlength=n_nodes) + np.bincount(target, minlength=n_nodes)
    return counted


def simple_degrees(source: Array, target: Array, n_nodes: int) -> Array:
    """Count the neighbours of every node, shape (node,), int64: parallel edges once, self loops not."""
    pairs = np.unique(_pairs(source, target, n_nodes))
    low, high = pairs // max(n_nodes, 1), pairs % max(n_nodes, 1)
    apart = low != high
    return node_degrees(low[apart], high[apart], n_nodes)


def _pairs(source: Array, target: Array, n_nodes: int, *, directed: bool = False) -> Array:
    """Return one number per pair of nodes, int64; n_nodes is below 3.03e9, so that its square fits."""
    one, other = np.asarray(source, dtype=np.int64), np.asarray(target, dtype=np.int64)
    return one * n_nodes + other if directed else np.minimum(one, other) * n_nodes + np.maximum(one, other)


@dataclass(frozen=True)
class ParallelEdges:
    """How often edges join the same pair of nodes."""

    n_pairs: int
    """Different pairs that are joined, self loops included."""
    n_loop_pairs: int
    """Nodes with a self loop."""
    n_groups: int
    """Pairs of different nodes that more than one edge joins."""
    n_loop_groups: int
    """Nodes with more than one self loop."""
    n_surplus: int
    """Edges beyond the first of their pair, self loops included."""
    largest: int
    """Edges of the pair that most join; 0 without edges."""


def parallel_edges(source: Array, target: Array, n_nodes: int, *, directed: bool = False) -> ParallelEdges:
    """Count the pairs of nodes that are joined, and those joined more than once.

    Parameters
    ----------
    source, target : numpy.ndarray
        Shape (edge,), indices below ``n_nodes``.
    n_nodes : int
        Number of nodes.
    directed : bool
        Whether an edge from a to b and one from b to a join different pairs.

    Returns
    -------
    ParallelEdges
    """
    pairs, counts = np.unique(_pairs(source, target, n_nodes, directed=directed), return_counts=True)
    loop = pairs // max(n_nodes, 1) == pairs % max(n_nodes, 1)
    return ParallelEdges(
        n_pairs=len(pairs),
        n_loop_pairs=int(loop.sum()),
        n_groups=int((counts[~loop] > 1).sum()),
        n_loop_groups=int((counts[loop] > 1).sum()),
        n_surplus=int((counts - 1).sum()),
        largest=int(counts.max(initial=0)),
    )
