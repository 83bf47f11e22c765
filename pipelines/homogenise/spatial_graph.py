"""Graphs in space in one form: nodes along a Hilbert curve, edges by target, the source's rows kept as a permutation.

Readers of vessel graphs and skeletons hand over what their file says, row by row; :func:`spatial_graph` brings it
into the order of the store. Nothing is merged, dropped or rescaled: parallel edges, self loops and points at one place
stay, and positions stay in the unit that the user or the source states.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from connectome.errors import FormatError
from connectome.schema import column, graph

from .hilbert import MOST_BITS, hilbert_index

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["CELL_NODES", "SpatialOrder", "regroup", "spatial_graph", "spatial_order"]

Array = np.ndarray[Any, Any]
AXES = ("x", "y", "z")
Column: TypeAlias = "xr.Variable | Callable[[Array], xr.Variable]"
UNDIRECTED: Mapping[str, Any] = {
    "directed": False,
    "weight_units": "",
    "weight_meaning": "none: the edge table holds what was measured",
    "lineage": "",
}
"""What is said of the edges of a vessel graph, unless the reader says otherwise."""
CELL_NODES = 128
"""Nodes per cell of the grid, on average over its bounding box: a few kilobytes of positions."""


@dataclass(frozen=True)
class SpatialOrder:
    """Nodes along a Hilbert curve over the cells of a grid, within a cell in the order of the source."""

    node: Array
    """Shape (node,), int64: which row of the source comes at each place."""
    origin: tuple[float, ...]
    """Lowest corner of the grid, in the unit of the positions."""
    cell_size: float
    """Edge of a cell, in the unit of the positions."""
    cell: Array
    """Shape (cell, axis), int32: the cells that hold nodes, in their order."""
    cell_ptr: Array
    """Shape (cell + 1,), int64: where each cell's nodes start."""


def spatial_order(position: Array, *, cell_nodes: int = CELL_NODES) -> SpatialOrder:
    """Order nodes in space.

    Parameters
    ----------
    position : numpy.ndarray
        Shape (node, axis), finite.
    cell_nodes : int
        Nodes per cell, on average over the bounding box.

    Returns
    -------
    SpatialOrder
        Depends on the positions and their order only.
    """
    n_nodes, n_axes = position.shape
    low = position.min(axis=0).astype(np.float64) if n_nodes else np.zeros(n_axes)
    extent = (position.max(axis=0).astype(np.float64) - low) if n_nodes else np.zeros(n_axes)
    size = _cell_size(extent, n_nodes / cell_nodes)
    cells = np.empty((n_nodes, n_axes), dtype=np.int32)
    for axis in range(n_axes):
        cells[:, axis] = (position[:, axis] - low[axis]) / size
    place = _along_curve(cells)
    node = np.argsort(place, kind="stable")
    place = place[node]
    first = np.flatnonzero(np.append(np.ones(min(n_nodes, 1), dtype=bool), place[1:] != place[:-1]))
    return SpatialOrder(
        node=node,
        origin=tuple(low.tolist()),
        cell_size=size,
        cell=cells[node[first]],
        cell_ptr=np.append(first, n_nodes),
    )


def _along_curve(cells: Array) -> Array:
    """Return a number for every row of cells (row, axis) that grows along the curve."""
    highest = cells.max(axis=0, initial=0)
    bits = max(1, int(highest.max()).bit_length())
    shape = tuple((highest + 1).tolist())
    if math.prod(shape) >= max(1, len(cells)):
        return hilbert_index(cells, bits)
    # Fewer cells in the grid than rows: the curve once for every cell.
    grid = np.indices(shape, dtype=np.int32).reshape(len(shape), -1).T
    table = hilbert_index(grid, bits).argsort(kind="stable").argsort(kind="stable")
    table = table.astype(np.uint16 if len(table) <= 1 << 16 else np.int64)
    place: Array = table[np.ravel_multi_index(tuple(cells.T), shape)]
    return place


def _cell_size(extent: Array, n_cells: float) -> float:
    """Return the edge of cells of which about ``n_cells`` fill the box, to three digits; flat axes do not count."""
    wide = extent[extent > 0]
    if not len(wide):
        return 1.0
    # In logarithms: the product of large extents has no float.
    size = math.exp((float(np.log(wide).sum()) - math.log(max(1.0, n_cells))) / len(wide))
    most = 2 ** (MOST_BITS // len(extent)) // 2
    return float(f"{max(size, float(wide.max()) / most):.3g}")


def regroup(pointer: Array, order: Array) -> tuple[Array, Array]:
    """Bring the parts of a table into another order.

    Parameters
    ----------
    pointer : numpy.ndarray
        Shape (part + 1,): where every part starts.
    order : numpy.ndarray
        Shape (part,): which part comes at each place.

    Returns
    -------
    pointer : numpy.ndarray
        Shape (part + 1,), int64: the parts in their new places.
    item : numpy.ndarray
        Shape (item,), int64: which item comes at each place.
    """
    length = np.diff(pointer)[order]
    moved = np.zeros(len(order) + 1, dtype=np.int64)
    np.cumsum(length, out=moved[1:])
    return moved, np.arange(moved[-1]) + np.repeat(np.asarray(pointer)[:-1][order] - moved[:-1], length)


def spatial_graph(
    *,
    node: Sequence[str] | Array,
    position: Array,
    position_units: str,
    source: Array,
    target: Array,
    edge_type: str | Sequence[str] = "vessel",
    edge_types: Mapping[str, Mapping[str, Any]] | None = None,
    nodes: Mapping[str, Column] | None = None,
    edges: Mapping[str, Column] | None = None,
    point_ptr: Array | None = None,
    points: Mapping[str, Column] | None = None,
    subject: str,
    **attrs: Any,
) -> xr.Dataset:
    """Make a graph group in the order of the store from rows in the order of the source.

    Parameters
    ----------
    node : sequence of str or integer array
        Unique ids, as the source gives them.
    position : numpy.ndarray
        Shape (node, axis), 2 or 3 axes, finite, in the source's dtype.
    position_units : str
        What the user or the source states: ``"um"``, ``"m"``, ``"voxel"``, ``"1"``, ... With voxels give
        ``voxel_size_um`` among the attributes.
    source, target : numpy.ndarray
        Shape (edge,): rows of ``node``.
    edge_type, edge_types
        As for :func:`connectome.schema.graph`; by default one undirected type without a weight.
    nodes, edges, points : mapping of str to xarray.Variable, optional
        Columns in the order of the source; their first dimension is ``node``, ``edge`` or ``point``. Instead of a
        variable, a function from rows of the source to the variable of these rows, which may be lazy.
    point_ptr : numpy.ndarray, optional
        Shape (edge + 1,): each edge's polyline among the points.
    subject : str
        The file, for errors.
    **attrs
        Attributes of the group.

    Returns
    -------
    xarray.Dataset

    Raises
    ------
    FormatError
        When a position is not finite, or there are not two or three axes.
    SchemaError
        When an edge has no such node.
    """
    position = np.asarray(position)
    if position.ndim != 2 or position.shape[1] not in {2, 3}:
        raise FormatError(
            "not positions", subject=subject, expected="2 or 3 numbers per node", found=f"{position.shape}"
        )
    bad = np.flatnonzero(~np.isfinite(position).all(axis=1))
    if len(bad):
        raise FormatError(
            "a node's position is not finite",
            subject=subject,
            place=f"node {node[int(bad[0])]}",
            expected="finite numbers",
            found=f"{position[bad[0]].tolist()} ({len(bad)} such nodes)",
        )
    order = spatial_order(position)
    n_nodes = len(order.node)
    place = np.empty(n_nodes, dtype=np.int32 if n_nodes < 2**31 else np.int64)
    place[order.node] = np.arange(n_nodes)
    # An end that is not listed stays as it is, for the schema to name.
    ends = [_renumber(np.asarray(end), place) for end in (source, target)]
    edge = _by_target(ends[0], ends[1], n_nodes)
    listed = {edge_type} if isinstance(edge_type, str) else dict.fromkeys(edge_type)
    columns: dict[str, xr.Variable] = {
        "position": column(
            ("node", "axis"), position[order.node], "Position", position_units, axes=list(AXES[: position.shape[1]])
        ),
        "node_row": column("node", order.node, "Row of the node in the source", "1"),
        "cell": column(("cell", "axis"), order.cell, "Cell of the grid that holds nodes", "1"),
        "cell_ptr": column("cell_bound", order.cell_ptr, "Start of each cell's nodes", "1"),
    }
    columns |= {name: _rows(values, order.node) for name, values in (nodes or {}).items()}
    edge_columns = {"edge_row": column("edge", edge, "Row of the edge in the source", "1")}
    edge_columns |= {name: _rows(values, edge) for name, values in (edges or {}).items()}
    moved, point_columns = None, None
    if point_ptr is not None:
        moved, item = regroup(point_ptr, edge)
        point_columns = {name: _rows(values, item) for name, values in (points or {}).items()}
    return graph(
        node=np.asarray(node)[order.node],
        source=ends[0][edge],
        target=ends[1][edge],
        edge_type=edge_type if isinstance(edge_type, str) else [edge_type[at] for at in edge],
        edge_types=edge_types or dict.fromkeys(listed, UNDIRECTED),
        nodes=columns,
        edges=edge_columns,
        point_ptr=moved,
        points=point_columns,
        cell_origin=list(order.origin),
        cell_size=order.cell_size,
        **attrs,
    )


def _rows(values: Column, order: Array) -> xr.Variable:
    return values(order) if callable(values) else values[order]


def _renumber(ends: Array, place: Array) -> Array:
    if not len(ends) or (ends.min() >= 0 and ends.max() < len(place)):
        return place[ends]
    known = (ends >= 0) & (ends < len(place))
    return np.where(known, place[np.where(known, ends, 0)], ends) if len(place) else ends


def _by_target(source: Array, target: Array, n_nodes: int) -> Array:
    """Return the order of edges by target, then source, then row."""
    if n_nodes >= 2**31 or not len(source) or min(source.min(), target.min()) < 0 or source.max() >= n_nodes:
        return np.lexsort((source, target))
    # One key of both sorts faster than two.
    key = target.astype(np.int64)
    key *= n_nodes
    key += source
    return np.argsort(key, kind="stable")
