"""Directed connectomes that come as tables of ids: nodes by their exact ids, edges as indices, the rows as they are.

Nothing is merged or dropped: several rows of one pair stay several edges, in the order of the source, and neurons
without an edge stay nodes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import FormatError
from connectome.schema import graph

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["match_ids", "neuron_graph", "synapses"]

Array = np.ndarray[Any, Any]
BLOCK_ROWS = 1 << 20


def synapses(*, weight_units: str, weight_meaning: str, lineage: str, **more: Any) -> dict[str, Any]:
    """Describe directed chemical connections, from the presynaptic to the postsynaptic neuron."""
    return {
        "directed": True,
        "weight_units": weight_units,
        "weight_meaning": weight_meaning,
        "lineage": lineage,
        "direction": "from the presynaptic to the postsynaptic neuron",
        **more,
    }


def match_ids(ids: Array, wanted: Array) -> Array:
    """Return the row of every wanted id, -1 for those that are not there.

    Parameters
    ----------
    ids : numpy.ndarray
        Shape (row,), unique: int64 or text.
    wanted : numpy.ndarray
        Shape (item,), of the same kind.

    Returns
    -------
    numpy.ndarray
        Shape (item,), int64.
    """
    if not len(ids):
        return np.full(len(wanted), -1, dtype=np.int64)
    order = np.argsort(ids, kind="stable")
    ranked = ids[order]
    rows = np.empty(len(wanted), dtype=np.int64)
    # In blocks: what comes in between is several times as large as the rows.
    for start in range(0, len(wanted), BLOCK_ROWS):
        block = wanted[start : start + BLOCK_ROWS]
        place = np.minimum(np.searchsorted(ranked, block), len(ids) - 1)
        rows[start : start + BLOCK_ROWS] = np.where(ranked[place] == block, order[place], -1)
    return rows


def neuron_graph(
    *,
    pre: Array,
    post: Array,
    edge_type: str,
    edge_types: Mapping[str, Mapping[str, Any]],
    node: Array | None = None,
    nodes: Mapping[str, xr.Variable] | None = None,
    weight: Array | None = None,
    weight_units: str = "1",
    edges: Mapping[str, xr.Variable] | None = None,
    subject: str,
    first_row: int = 1,
    **attrs: Any,
) -> xr.Dataset:
    """Make a graph group of rows that name neurons by their ids.

    Parameters
    ----------
    pre, post : numpy.ndarray
        Shape (edge,), int64 or text: where every row starts and ends.
    edge_type, edge_types
        As for :func:`connectome.schema.graph`; see :func:`synapses`.
    node : numpy.ndarray, optional
        Shape (node,): every id, in the order of the source's table of neurons. Without it the ids of the edges,
        ascending.
    nodes : mapping of str to xarray.Variable, optional
        Columns in the order of ``node``.
    weight : numpy.ndarray, optional
        Shape (edge,).
    weight_units : str
        Unit of the weights.
    edges : mapping of str to xarray.Variable, optional
        Columns in the order of the rows.
    subject : str
        The file of the edges, for errors.
    first_row : int
        Line of the first row, for errors.
    **attrs
        Attributes of the group.

    Returns
    -------
    xarray.Dataset

    Raises
    ------
    FormatError
        When an id is there twice among the nodes, or an edge ends at none of them.
    """
    if node is None:
        node = np.unique(np.concatenate([pre, post]))
    distinct, counts = np.unique(node, return_counts=True)
    if len(distinct) != len(node):
        raise FormatError(
            "a neuron is there twice",
            subject=subject,
            place="table of neurons",
            expected="every id once",
            found=", ".join(map(str, distinct[counts > 1][:5])),
        )
    ends = {"presynaptic": match_ids(node, pre), "postsynaptic": match_ids(node, post)}
    for side, rows in ends.items():
        unknown = np.flatnonzero(rows < 0)
        if len(unknown):
            raise FormatError(
                f"the {side} neuron of an edge is not listed",
                subject=subject,
                place=f"line {int(unknown[0]) + first_row}",
                expected=f"one of {len(node)} ids",
                found=f"{(pre if side == 'presynaptic' else post)[unknown[0]]} ({len(unknown)} such rows)",
            )
    return graph(
        node=_plain(node),
        source=ends["presynaptic"],
        target=ends["postsynaptic"],
        edge_type=edge_type,
        edge_types=edge_types,
        weight=weight,
        weight_units=weight_units,
        nodes=nodes,
        edges=edges,
        **attrs,
    )


def _plain(node: Array) -> Array | Sequence[str]:
    return node if node.dtype.kind in "iu" else [str(item) for item in node]
