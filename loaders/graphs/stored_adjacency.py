"""Adjacency of a stored graph: the arrays of the record itself where they will do, else built once in linear time.

A record holds every edge once, with pointers by source and by target. Where edges lie by target, ``source`` is the
table of incoming neighbours as it stands. Neighbours at both ends, or those of some types of edges only, are merged
from the two tables block by block, without a sort.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .adjacency import Adjacency, Array, edge_slots, node_blocks

if TYPE_CHECKING:
    from .mapped_cache import MappedCache

__all__ = ["EdgeTable", "build", "is_mirrored", "lies_in_order"]

NODES_AT_ONCE = 1 << 18


@dataclass(frozen=True)
class EdgeTable:
    """The arrays of a graph that say which edges there are."""

    source: Array
    target: Array
    in_ptr: Array
    in_edge: Array
    out_ptr: Array
    out_edge: Array
    edge_type: Callable[[], Array]
    """Code of every edge; read only where types are told apart."""

    def side(self, inward: bool) -> tuple[Array, Array, Array]:
        """Return the pointer, the edges and their other ends, of incoming or of outgoing edges."""
        if inward:
            return self.in_ptr, self.in_edge, self.source
        return self.out_ptr, self.out_edge, self.target


def lies_in_order(edge: Array) -> bool:
    """Tell whether a table of edge numbers is 0, 1, 2, ..."""
    return all(
        np.array_equal(edge[low:high], np.arange(low, high, dtype=edge.dtype))
        for low, high in node_blocks(len(edge), 1 << 20)
    )


def is_mirrored(table: EdgeTable, code: int, n_types: int) -> bool:
    """Tell whether the edges of a type are listed in both directions: as often one way as the other, for every pair."""
    if n_types == 1:
        # Most graphs that are not mirrored differ among their first nodes.
        for low, high in node_blocks(len(table.in_ptr), NODES_AT_ONCE):
            if not np.array_equal(table.in_ptr[low:high], table.out_ptr[low:high]):
                return False
        kept = np.arange(len(table.source))
    else:
        kept = np.flatnonzero(table.edge_type() == code)
    n_nodes = len(table.in_ptr) - 1
    source, target = table.source[kept].astype(np.int64), table.target[kept].astype(np.int64)
    proper = source != target
    there = np.sort((source * n_nodes + target)[proper])
    back = np.sort((target * n_nodes + source)[proper])
    return len(there) > 0 and np.array_equal(there, back)


def build(
    table: EdgeTable, inward: Collection[int], outward: Collection[int], n_types: int, cache: MappedCache, name: str
) -> Adjacency:
    """List neighbours: those over incoming edges of some types, then those over outgoing edges of some types.

    Parameters
    ----------
    table : EdgeTable
        The graph.
    inward, outward : collection of int
        Codes of the types of edges. A loop that is listed inward is not listed outward again.
    n_types : int
        How many types there are.
    cache : MappedCache
        Where large arrays are kept.
    name : str
        What they are called there.

    Returns
    -------
    Adjacency
    """
    if not outward and len(inward) == n_types and lies_in_order(table.in_edge):
        return Adjacency(table.in_ptr, table.source)
    n_nodes = len(table.in_ptr) - 1
    index = table.source.dtype

    def count(made: dict[str, Array]) -> None:
        made[f"{name}-pointer"][0] = 0
        for low, high in node_blocks(n_nodes, NODES_AT_ONCE):
            degree = np.zeros(high - low, dtype=np.int64)
            for side, codes in ((True, inward), (False, outward)):
                owner, _, _ = _kept(table, side, codes, inward, n_types, low, high)
                degree += np.bincount(owner, minlength=high - low)
            made[f"{name}-pointer"][low + 1 : high + 1] = degree
        np.cumsum(made[f"{name}-pointer"], out=made[f"{name}-pointer"])

    pointer = cache.arrays({f"{name}-pointer": ((n_nodes + 1,), np.dtype(np.int64))}, count)[f"{name}-pointer"]

    def fill(made: dict[str, Array]) -> None:
        for low, high in node_blocks(n_nodes, NODES_AT_ONCE):
            start = np.asarray(pointer[low:high]).copy()
            for side, codes in ((True, inward), (False, outward)):
                owner, edge, other = _kept(table, side, codes, inward, n_types, low, high)
                degree = np.bincount(owner, minlength=high - low)
                place = (start - (np.cumsum(degree) - degree))[owner] + np.arange(len(owner))
                made[f"{name}-neighbour"][place] = other
                made[f"{name}-edge"][place] = edge
                start += degree

    shape = (int(pointer[-1]),)
    made = cache.arrays({f"{name}-neighbour": (shape, index), f"{name}-edge": (shape, index)}, fill)
    return Adjacency(pointer, made[f"{name}-neighbour"], made[f"{name}-edge"])


def _kept(
    table: EdgeTable,
    inward_side: bool,
    codes: Collection[int],
    inward: Collection[int],
    n_types: int,
    low: int,
    high: int,
) -> tuple[Array, Array, Array]:
    """Return owner (counted from ``low``), edge and other end of what is listed on one side for a block of nodes."""
    pointer, edges, others = table.side(inward_side)
    bound = np.asarray(pointer[low : high + 1] if codes else np.zeros(high - low + 1), dtype=np.int64)
    owner, slot = edge_slots(bound[:-1], np.diff(bound))
    edge = edges[slot]
    other = others[edge]
    kept = np.ones(len(edge), dtype=bool)
    if len(codes) < n_types:
        kept &= np.isin(table.edge_type()[edge], list(codes))
    if not inward_side and inward:
        again = other == owner + low
        if len(inward) < n_types:
            again &= np.isin(table.edge_type()[edge], list(inward))
        kept &= ~again
    return owner[kept], edge[kept], other[kept]
