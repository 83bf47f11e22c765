"""The line graph as a stream: edges become nodes, joined where they meet; its edges are made when asked for.

Built from the pointers that every graph stores, node by node, so that memory depends on the size of a piece only. A
brain of 5 million vessels has a line graph of some 20 million directed edges, which a stream makes in seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import UsageError

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["PIECE_PAIRS", "LineGraph", "line_graph"]

Array = np.ndarray[Any, Any]
PIECE_PAIRS = 1 << 20
PIECE_NODES = 1 << 18


@dataclass(frozen=True)
class LineGraph:
    """A line graph whose edges are made when iterated.

    Iterating yields arrays (2, pair), int64, of nodes of the line graph; every two edges that share a node come once
    in each direction.
    """

    edge: Array
    """Shape (node,), int64: the row of the stored edge table that every node of the line graph stands for, rising."""
    node: Array
    """Shape (edge row,), int32 or int64: the node of the line graph of every row; -1 for rows that have none."""
    graph: xr.Dataset
    """What it is made of; pointers are read when iterated."""
    piece_pairs: int = PIECE_PAIRS

    def __len__(self) -> int:
        """Return the number of nodes of the line graph."""
        return len(self.edge)

    def __iter__(self) -> Iterator[Array]:
        source, target = (self.graph[end].values for end in ("source", "target"))
        pointers = [np.asarray(self.graph[f"{side}_ptr"].values) for side in ("in", "out")]
        n_nodes = len(pointers[0]) - 1
        first = 0
        while first < n_nodes:
            last = min(n_nodes, first + PIECE_NODES)
            rows, owner = [], []
            for side, pointer in zip(("in", "out"), pointers, strict=True):
                rows.append(np.asarray(self.graph[f"{side}_edge"][int(pointer[first]) : int(pointer[last])].values))
                owner.append(np.repeat(np.arange(first, last), np.diff(pointer[first : last + 1])))
            meeting = self.node[np.concatenate(rows)].astype(np.int64)
            at_node = np.concatenate(owner)[meeting >= 0]
            meeting = meeting[meeting >= 0]
            order = np.lexsort((meeting, at_node))
            yield from self._pairs(meeting[order], at_node[order], source, target)
            first = last

    def _pairs(self, meeting: Array, at_node: Array, source: Array, target: Array) -> Iterator[Array]:
        """Yield the ordered pairs of edges that meet at each node."""
        bounds = np.flatnonzero(np.diff(at_node, prepend=-1))
        size = np.diff(np.append(bounds, len(at_node)))
        start, count = np.repeat(bounds, size), np.repeat(size, size)
        ends = np.cumsum(count)
        at = 0
        while at < len(meeting):
            done = int(ends[at - 1]) if at else 0
            stop = max(at + 1, int(np.searchsorted(ends, done + self.piece_pairs, side="right")))
            length = count[at:stop]
            owner = np.repeat(np.arange(at, stop), length)
            within = np.arange(len(owner)) - np.repeat(np.cumsum(length) - length, length)
            one, other = meeting[owner], meeting[start[owner] + within]
            kept = one != other
            one, other, where = one[kept], other[kept], at_node[owner[kept]]
            # Parallel edges meet at both ends: told at the lower one only.
            ends_of = [
                np.sort(np.stack([source[self.edge[x]], target[self.edge[x]]], axis=1), axis=1) for x in (one, other)
            ]
            again = (ends_of[0] == ends_of[1]).all(axis=1) & (where == ends_of[0][:, 1])
            yield np.stack([one[~again], other[~again]])
            at = stop

    def edge_index(self) -> Array:
        """Return all edges at once, shape (2, pair), int64: for graphs that fit in memory."""
        return np.concatenate([np.zeros((2, 0), dtype=np.int64), *self], axis=1)

    def n_edges(self) -> int:
        """Count the directed edges, without keeping them."""
        return sum(piece.shape[1] for piece in self)


def line_graph(graph: xr.Dataset, *, simple: bool = True, piece_pairs: int = PIECE_PAIRS) -> LineGraph:
    """Return the line graph of a graph, its edges taken as undirected.

    Parameters
    ----------
    graph : xarray.Dataset
        A group of the kind ``graph``.
    simple : bool
        Parallel edges count as one, which its first row stands for; otherwise every row is a node, and parallel ones
        are joined. Self loops are never nodes.
    piece_pairs : int
        Directed edges to be made at once; a piece may have as many more as one edge has neighbours.

    Returns
    -------
    LineGraph

    Raises
    ------
    UsageError
        When the group is no graph.
    """
    if graph.attrs.get("encoding-type") != "graph":
        found = str(graph.attrs.get("encoding-type"))
        raise UsageError("only a graph has a line graph", subject="graph", expected="kind graph", found=found)
    source, target = (np.asarray(graph[end].values) for end in ("source", "target"))
    kept = source != target
    if simple:
        keys = np.minimum(source, target).astype(np.int64) * graph.sizes["node"] + np.maximum(source, target)
        rows = np.flatnonzero(kept)
        _, first = np.unique(keys[rows], return_index=True)
        edge = np.sort(rows[first])
    else:
        edge = np.flatnonzero(kept)
    node = np.full(len(source), -1, dtype=np.int32 if len(source) < 2**31 else np.int64)
    node[edge] = np.arange(len(edge))
    return LineGraph(edge, node, graph, piece_pairs)
