"""Features for link prediction that know nothing of the edges to be predicted.

The number of edges at a node, counted over the whole graph, tells a node that lost one: on vessel graphs it gives the
held-out edges away almost completely. So degrees are counted again over the training pairs, and columns of the node
table that are a degree are refused, by name and by value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import LeakError, NotFoundError, UsageError
from .pairs import distance_of
from .sorted_keys import distinct

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["check_features", "common_neighbours", "degree_of", "node_columns", "pair_geometry"]

Array = np.ndarray[Any, Any]
NAMED_DEGREES = ("degree", "in_degree", "out_degree", "node1_degree", "node2_degree", "n_neighbours", "n_edges")
BATCH = 1 << 20


def degree_of(pair: Array, n_nodes: int) -> Array:
    """Return how many pairs every node is in, shape (node,), int64."""
    return np.bincount(pair.ravel(), minlength=n_nodes).astype(np.int64)


def pair_geometry(position: Array, pair: Array) -> Array:
    """Return the straight distance and the absolute difference along every axis, shape (pair, 1 + axis), float64."""
    apart = np.abs(position[pair[:, 0]].astype(np.float64) - position[pair[:, 1]])
    return np.concatenate([distance_of(position, pair)[:, None], apart], axis=1)


def common_neighbours(pair: Array, training: Array, n_nodes: int) -> Array:
    """Return how many nodes both ends of every pair are joined with by training pairs.

    Parameters
    ----------
    pair : numpy.ndarray
        Shape (pair, 2), integers.
    training : numpy.ndarray
        Shape (training pair, 2), integers: distinct unordered pairs.
    n_nodes : int
        Of the graph.

    Returns
    -------
    numpy.ndarray
        Shape (pair,), int64.
    """
    ends = np.concatenate([training, training[:, ::-1]]).astype(np.int64)
    keys = np.sort(ends[:, 0] * n_nodes + ends[:, 1])
    neighbour = keys % max(1, n_nodes)
    pointer = np.searchsorted(keys, np.arange(n_nodes + 1, dtype=np.int64) * n_nodes)
    degree = np.diff(pointer)
    counts = np.zeros(len(pair), dtype=np.int64)
    # From the end with fewer neighbours, so that a hub is never walked through.
    few = np.where(degree[pair[:, 0]] <= degree[pair[:, 1]], pair[:, 0], pair[:, 1]).astype(np.int64)
    other = pair.sum(axis=1).astype(np.int64) - few
    total = np.cumsum(degree[few])
    at = 0
    while at < len(pair):
        done = total[at - 1] if at else 0
        stop = max(at + 1, int(np.searchsorted(total, done + BATCH, side="right")))
        length = degree[few[at:stop]]
        owner = np.repeat(np.arange(at, stop), length)
        within = np.arange(len(owner)) - np.repeat(np.cumsum(length) - length, length)
        wanted = other[owner] * n_nodes + neighbour[pointer[few[owner]] + within]
        place = np.minimum(np.searchsorted(keys, wanted), max(0, len(keys) - 1))
        shared = keys[place] == wanted if len(keys) else np.zeros(0, dtype=bool)
        counts[at:stop] = np.bincount(owner[shared] - at, minlength=stop - at)
        at = stop
    return counts


def check_features(graph: xr.Dataset, names: Sequence[str]) -> None:
    """Refuse node columns that give held-out edges away.

    Parameters
    ----------
    graph : xarray.Dataset
        A group of the kind ``graph``.
    names : sequence of str
        Columns of its node table.

    Raises
    ------
    NotFoundError
        When there is no such column.
    LeakError
        When a column is a degree of the whole graph, by its name or because it equals one at every node: counted over
        rows (a loop once or twice), over distinct neighbours, or one way only.
    """
    absent = [name for name in names if name not in graph or graph[name].dims[:1] != ("node",)]
    if absent:
        known = ", ".join(str(name) for name, column in graph.variables.items() if column.dims[:1] == ("node",))
        raise NotFoundError(
            "the nodes have no such column", subject="features", found=", ".join(absent), expected=known
        )
    degrees: list[Array] | None = None
    for name in names:
        values = np.asarray(graph[name].values)
        leaks = name in NAMED_DEGREES
        if not leaks and values.ndim == 1 and values.dtype.kind in "iuf" and len(values):
            degrees = _full_degrees(graph) if degrees is None else degrees
            leaks = any(np.array_equal(values, degree) and degree.any() for degree in degrees)
        if leaks:
            raise LeakError(
                "the degree in the whole graph gives away which edges were held out",
                subject=name,
                expected="features that are known without the held-out edges",
                hint="leave it out; the degree in the training graph is degree_of(training, n_nodes)",
            )


def _full_degrees(graph: xr.Dataset) -> list[Array]:
    n_nodes = graph.sizes["node"]
    source, target = (np.asarray(graph[end].values).astype(np.int64) for end in ("source", "target"))
    out, into = (np.bincount(end, minlength=n_nodes) for end in (source, target))
    loops = np.bincount(source[source == target], minlength=n_nodes)
    low, high = np.minimum(source, target), np.maximum(source, target)
    keys = distinct((low * n_nodes + high)[low != high])
    simple = degree_of(np.stack([keys // max(1, n_nodes), keys % max(1, n_nodes)], axis=1), n_nodes)
    return [out + into, out + into - loops, out, into, simple]


def node_columns(graph: xr.Dataset, names: Sequence[str]) -> Array:
    """Return columns of the node table as features, refusing those that leak.

    Returns
    -------
    numpy.ndarray
        Shape (node, feature), float32; a column with axes gives one feature per axis.

    Raises
    ------
    LeakError, NotFoundError
        As :func:`check_features`.
    UsageError
        When a column is text.
    """
    check_features(graph, names)
    columns = []
    for name in names:
        values = np.asarray(graph[name].values)
        if values.dtype.kind not in "biuf":
            raise UsageError("only numbers become features", subject=name, found=str(values.dtype))
        columns.append(values.reshape(len(values), -1).astype(np.float32))
    return np.concatenate([np.zeros((graph.sizes["node"], 0), dtype=np.float32), *columns], axis=1)
