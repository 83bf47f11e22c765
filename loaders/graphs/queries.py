"""Parts of a stored graph: what lies in a box, what is near a node, what is among some nodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import UsageError

from .adjacency import Adjacency, Array, edge_slots
from .neighbours import ANY, Neighbours

if TYPE_CHECKING:
    from .stored import StoredGraph

__all__ = ["Subgraph", "among", "around", "nodes_in_box"]


@dataclass(frozen=True)
class Subgraph:
    """A part of a graph: some of its nodes, and edges among them."""

    graph: StoredGraph
    node: Array
    """Shape (node,), int64: rows of the node table."""
    edge_index: Array
    """Shape (2, edge), int64: positions in ``node`` of every edge's source and target."""
    edge: Array
    """Shape (edge,), int64: rows of the edge table, ascending."""
    hop: Array | None = None
    """Shape (node,): edges between a node and the one that was asked for."""

    def __repr__(self) -> str:
        return f"<Subgraph of {self.graph.record}: {len(self.node):,} nodes, {len(self.edge):,} edges>"

    @property
    def node_id(self) -> Array:
        """Ids of the nodes, as the source gives them."""
        return self.graph.node_column("node", self.node)

    def node_column(self, name: str) -> Array:
        """Return a column of the node table, of these nodes."""
        return self.graph.node_column(name, self.node)

    def edge_column(self, name: str) -> Array:
        """Return a column of the edge table, of these edges."""
        return self.graph.edge_column(name, self.edge)


def nodes_in_box(graph: StoredGraph, box: Any) -> Array:
    """Return the nodes inside a box; see :meth:`StoredGraph.nodes_within`."""
    low, high = _corners(graph, box)
    if "cell_ptr" in graph.columns:
        origin, size = np.asarray(graph.attrs["cell_origin"]), float(graph.attrs["cell_size"])
        cell = graph.array("cell")
        # The same arithmetic as put the nodes into cells, and rounding keeps numbers in order.
        first, last = np.floor((low - origin) / size), np.floor((high - origin) / size)
        chosen = np.flatnonzero(((cell >= first) & (cell <= last)).all(axis=1))
        pointer = graph.array("cell_ptr")
        # Cells come in the order of their nodes, so the candidates ascend.
        candidate = edge_slots(pointer[chosen], pointer[chosen + 1] - pointer[chosen])[1]
    else:
        candidate = np.arange(graph.n_nodes)
    position = graph.positions(candidate)
    inside: Array = candidate[((position >= low) & (position <= high)).all(axis=1)]
    return inside


def _corners(graph: StoredGraph, box: Any) -> tuple[Array, Array]:
    corners = np.asarray(box, dtype=np.float64)
    if corners.shape != (2, graph.n_axes):
        raise UsageError(
            "not a box",
            subject=graph.record,
            expected=f"two corners of {graph.n_axes} numbers",
            found=f"an array of shape {corners.shape}",
        )
    low, high = corners
    if not (low <= high).all():
        raise UsageError(
            "not a box",
            subject=graph.record,
            expected="the lower corner, then the upper one",
            found=str(corners.tolist()),
        )
    return low, high


def around(graph: StoredGraph, adjacency: Adjacency, node: int, k: int) -> tuple[Array, Array]:
    """Return the nodes at most ``k`` edges away, nearest first, and their distances."""
    if k < 0:
        raise UsageError("a distance is counted from 0", subject="k", found=str(k))
    _check_nodes(graph, np.array([node]))
    known = Neighbours(adjacency).known(apart=True)[ANY[2]]
    known.add(np.array([node]), np.zeros(1, dtype=np.int64))
    for _ in range(k):
        nodes, _, _ = known.advance()
        neighbour = adjacency.neighbour[edge_slots(*adjacency.span(nodes))[1]]
        known.add(neighbour, np.zeros(len(neighbour), dtype=np.int64))
    known.advance()
    return known.node(), np.repeat(np.arange(k + 1), known.sizes)


def among(graph: StoredGraph, incoming: Adjacency, nodes: Array | Sequence[int], hop: Array | None) -> Subgraph:
    """Return the graph among some nodes; see :meth:`StoredGraph.subgraph`."""
    chosen = np.asarray(nodes, dtype=np.int64)
    _check_nodes(graph, chosen)
    order = np.argsort(chosen, kind="stable")
    ordered = chosen[order]
    if (np.diff(ordered) == 0).any():
        raise UsageError("a node is given twice", subject=graph.record)
    owner, slot = edge_slots(*incoming.span(chosen))
    neighbour = incoming.neighbour[slot].astype(np.int64)
    at = np.minimum(np.searchsorted(ordered, neighbour), max(len(ordered) - 1, 0))
    kept = np.flatnonzero(ordered[at] == neighbour)
    edge = incoming.edges_at(slot[kept])
    ends = np.stack([order[at[kept]], owner[kept]])
    by_number = np.argsort(edge, kind="stable")
    return Subgraph(graph, chosen, ends[:, by_number], edge[by_number], hop)


def _check_nodes(graph: StoredGraph, nodes: Array) -> None:
    if len(nodes) and (nodes.min() < 0 or nodes.max() >= graph.n_nodes):
        raise UsageError(
            "not a node of the graph",
            subject=graph.record,
            expected=f"0 to {graph.n_nodes - 1}",
            found=f"{nodes.min()} to {nodes.max()}",
        )
