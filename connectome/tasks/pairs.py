"""The links of a graph: its edges as unordered pairs of distinct nodes, whatever the order of its rows.

Nodes are numbered by their ids here, not by where they lie in the store (``rank``), so that everything that is drawn
or sorted depends on the source's ids only. Parallel rows are one pair; self loops are none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import NotFoundError, UsageError
from ..schema import decode, groups
from .keyed import keyed, names_of
from .sorted_keys import distinct

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Links", "distance_of", "graph_group", "links_of", "pair_keys", "positions_of"]

Array = np.ndarray[Any, Any]
MOST_NODES = 3_037_000_499
"""The number of a pair, first rank times number of nodes plus second rank, has to fit int64."""


@dataclass(frozen=True)
class Links:
    """Distinct pairs of connected nodes, and what is needed to split them."""

    ids: Array
    """Shape (node,): the source's ids, in the order of the store."""
    node: Array
    """Shape (node,), int64: place in the store of the node of every rank; ranks follow the ids."""
    pair: Array
    """Shape (pair, 2), int64: ranks, the lower first; sorted."""
    edge: Array
    """Shape (pair,), int64: the first row of the stored edge table that joins the pair."""
    n_rows: Array
    """Shape (pair,), int64: how many rows do."""
    taken: Array
    """Shape (taken,), int64: sorted numbers of every pair that any edge joins, chosen type or not."""
    n_loops: int
    """Rows that join a node with itself."""
    position: Array | None
    """Shape (node, axis), float64, by rank; None unless every node has one."""
    length: Array | None
    """Shape (edge,), float64: the edge column ``distance``, or the straight distance of the ends; all rows."""
    length_from: str
    """Where ``length`` comes from, in words."""
    units: str
    """Of positions and lengths."""

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        return len(self.ids)

    def hashes(self, seed: int) -> Array:
        """Return one hash per pair, shape (pair,), uint64: of the seed and the two ids, in either order."""
        names = names_of(self.ids)[self.node][self.pair]
        return keyed(seed, names.min(axis=1), names.max(axis=1), purpose="link")


def pair_keys(pair: Array, n_nodes: int) -> Array:
    """Return the number of every unordered pair, shape (pair,), int64: alike for both orders."""
    low, high = np.minimum(pair[:, 0], pair[:, 1]), np.maximum(pair[:, 0], pair[:, 1])
    return np.asarray(low.astype(np.int64) * n_nodes + high)


def distance_of(position: Array, pair: Array) -> Array:
    """Return the straight distance of every pair, shape (pair,), float64, in the unit of the positions."""
    total = np.zeros(len(pair))
    # Axis by axis, so that the sum does not depend on how a library blocks it.
    for axis in range(position.shape[1]):
        difference = position[pair[:, 0], axis].astype(np.float64) - position[pair[:, 1], axis]
        total += difference * difference
    return np.sqrt(total)


def positions_of(graph: xr.Dataset) -> tuple[Array | None, str]:
    """Return positions (node, axis) as they are stored with their unit; None unless every node has one."""
    if "position" in graph:
        found, units = np.asarray(graph["position"].values), str(graph["position"].attrs.get("units", "1"))
    elif all(axis in graph for axis in "xyz"):
        found = np.stack([np.asarray(graph[axis].values) for axis in "xyz"], axis=1)
        units = str(graph["x"].attrs.get("units", "1"))
    else:
        return None, "1"
    return (found, units) if np.isfinite(found).all() else (None, units)


def graph_group(tree: xr.DataTree, group: str | None, *, subject: str) -> str:
    """Return the path of the one graph of a record, or of the one that is named.

    Raises
    ------
    NotFoundError
        When there is no such group, or none that is a graph.
    UsageError
        When there are several graphs and none is named.
    """
    found = [path for path, dataset in groups(tree) if dataset.attrs["encoding-type"] == "graph"]
    if group is not None:
        wanted = f"/{group.strip('/')}"
        if wanted not in found:
            raise NotFoundError(
                "the record has no such graph", subject=subject, expected=", ".join(found) or "no graph", found=wanted
            )
        return wanted
    if not found:
        raise NotFoundError("the record has no graph", subject=subject, found=", ".join(tree.groups[1:]))
    if len(found) > 1:
        raise UsageError("which graph is meant", subject=subject, expected=", ".join(found), hint="give --group")
    return found[0]


def links_of(graph: xr.Dataset, *, edge_types: Sequence[str] | None = None, subject: str = "graph") -> Links:
    """Find the links of a graph.

    Parameters
    ----------
    graph : xarray.Dataset
        A group of the kind ``graph``.
    edge_types : sequence of str, optional
        Types whose edges are links; default all. Pairs that any other edge joins are never negatives either.
    subject : str
        For errors.

    Returns
    -------
    Links

    Raises
    ------
    UsageError
        When the group is no graph.
    NotFoundError
        When there is no such edge type.
    """
    if graph.attrs.get("encoding-type") != "graph":
        found = str(graph.attrs.get("encoding-type"))
        raise UsageError("links are those of a graph", subject=subject, expected="a group of kind graph", found=found)
    ids = decode(graph["node"])
    n_nodes = len(ids)
    if n_nodes > MOST_NODES:
        raise UsageError("too many nodes to number their pairs", subject=subject, expected=f"{MOST_NODES} at most")
    node = np.argsort(ids, kind="stable")
    rank = np.empty(n_nodes, dtype=np.int64)
    rank[node] = np.arange(n_nodes)
    ends = np.stack([rank[np.asarray(graph[end].values)] for end in ("source", "target")], axis=1)
    ends.sort(axis=1)
    keys = ends[:, 0] * n_nodes + ends[:, 1]
    joined = ends[:, 0] != ends[:, 1]
    chosen = joined & _of_type(graph, edge_types, subject)
    rows = np.flatnonzero(chosen)
    unique, first, count = np.unique(keys[rows], return_index=True, return_counts=True)
    position, units = positions_of(graph)
    if position is not None:
        position = position[node].astype(np.float64)
    length, told = None, ""
    if "distance" in graph and graph["distance"].dims == ("edge",):
        length, told = graph["distance"].values.astype(np.float64), "the edge column distance"
    elif position is not None:
        length, told = distance_of(position, ends), "the straight distance of the ends"
    return Links(
        ids=ids,
        node=node,
        pair=np.stack([unique // max(1, n_nodes), unique % max(1, n_nodes)], axis=1),
        edge=rows[first],
        n_rows=count,
        taken=unique if edge_types is None else distinct(keys[joined]),
        n_loops=int((~joined).sum()),
        position=position,
        length=length,
        length_from=told,
        units=units,
    )


def _of_type(graph: xr.Dataset, edge_types: Sequence[str] | None, subject: str) -> Array:
    if edge_types is None:
        return np.ones(graph.sizes["edge"], dtype=bool)
    known = list(graph.attrs["edge_types"])
    absent = [name for name in edge_types if name not in known]
    if absent:
        raise NotFoundError(
            "the graph has no such edge type", subject=subject, expected=", ".join(known), found=", ".join(absent)
        )
    return np.isin(decode(graph["edge_type"]), list(edge_types))
