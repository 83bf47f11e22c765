"""Nodes that a file knows by their position only: equal numbers are one node."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["nodes_by_position"]

Array = np.ndarray[Any, Any]


def nodes_by_position(start: Array, stop: Array) -> tuple[Array, Array, Array]:
    """Find the nodes at the ends of edges.

    Parameters
    ----------
    start, stop : numpy.ndarray
        Shape (edge, axis), float64, finite: both ends of every edge.

    Returns
    -------
    position : numpy.ndarray
        Shape (node, axis): every position once, in the order in which the edges first name it.
    source, target : numpy.ndarray
        Shape (edge,), int64: rows of ``position``.
    """
    # Adding zero makes -0.0 the 0.0 that it equals.
    ends = np.stack([start, stop], axis=1).reshape(-1, start.shape[1]) + 0.0
    order = np.lexsort(ends.T[::-1])
    sorted_ends = ends[order]
    new = np.ones(len(ends), dtype=bool)
    new[1:] = (sorted_ends[1:] != sorted_ends[:-1]).any(axis=1)
    first = order[new]  # lexsort is stable: the first of equals comes first
    appearance = np.argsort(first, kind="stable")
    place = np.empty(len(first), dtype=np.int64)
    place[appearance] = np.arange(len(first))
    node = np.empty(len(ends), dtype=np.int64)
    node[order] = place[np.cumsum(new) - 1]
    return ends[first[appearance]], node[0::2], node[1::2]
