"""Blocks of a graph in space: runs of neighbouring cells along its Hilbert curve, with what lies around them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from connectome.errors import UsageError

from .neighbours import ANY, Neighbours

if TYPE_CHECKING:
    from .adjacency import Array
    from .stored import StoredGraph

__all__ = ["Block", "Blocks"]


@dataclass(frozen=True)
class Block:
    """Some neighbouring nodes, and their surroundings."""

    node: Array
    """Shape (node,), int64: the nodes of the block first, then those around it by distance."""
    n_core: int
    """Nodes of the block itself."""
    row: Array
    """Shape (edge,), int64: position in ``node`` of the node that an edge's message comes from."""
    col: Array
    """Shape (edge,), int64: of the node that it goes to."""
    edge: Array
    """Shape (edge,), int64: rows of the edge table."""


class Blocks:
    """Cuts a graph into blocks of neighbouring nodes, each node in one.

    Parameters
    ----------
    graph : StoredGraph
        A graph whose nodes lie in spatial order, with the cells of a grid.
    block_nodes : int
        Nodes per block, about: blocks end where cells do, and a cell is never cut.
    halo : int
        Edges around the block that are there too: with as many layers as ``halo``, a network of messages gives the
        block's own nodes exactly what it would give on the whole graph.

    Raises
    ------
    UsageError
        When the graph has no cells.
    """

    def __init__(self, graph: StoredGraph, *, block_nodes: int = 4096, halo: int = 0) -> None:
        if "cell_ptr" not in graph.columns:
            raise UsageError("the graph's nodes do not lie in spatial order", subject=graph.record, expected="cell_ptr")
        if block_nodes < 1 or halo < 0:
            raise UsageError("not a size of blocks", subject="block_nodes, halo", found=f"{block_nodes}, {halo}")
        self.graph, self.block_nodes, self.halo = graph, block_nodes, halo
        cells = graph.array("cell_ptr").astype(np.int64)
        # The first cell that starts at or after every multiple of the size.
        first = np.unique(np.searchsorted(cells[:-1], np.arange(0, max(graph.n_nodes, 1), block_nodes)))
        self.bound: Array = np.append(cells[first[first < len(cells) - 1]], graph.n_nodes)
        """Shape (block + 1,), int64: where each block's nodes start."""

    def __len__(self) -> int:
        return len(self.bound) - 1

    def block(self, at: int, neighbours: Neighbours | None = None) -> Block:
        """Return one block.

        Parameters
        ----------
        at : int
            Which, from 0 up.
        neighbours : Neighbours, optional
            Over the graph's adjacency, to be used again.
        """
        core = np.arange(self.bound[at], self.bound[at + 1])
        if neighbours is None:
            neighbours = Neighbours(self.graph.adjacency())
        if self.halo:
            # Every edge into the block, and into what is less than halo edges away.
            found = neighbours.sample(core, [-1] * self.halo, np.random.default_rng(0))
            return Block(found.node[""], len(core), found.row[ANY], found.col[ANY], found.edge[ANY])
        found = neighbours.sample(core, [-1], np.random.default_rng(0))
        inside = found.row[ANY] < len(core)
        return Block(core, len(core), found.row[ANY][inside], found.col[ANY][inside], found.edge[ANY][inside])
