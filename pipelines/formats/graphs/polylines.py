"""Points, lines through them, and arrays on both, as a graph: the common idea of the formats that draw vessels.

``edges="lines"`` makes the ends of lines, the points where lines touch and the points on no line into nodes, and every
line between two of them into one edge that keeps its points as a polyline (where no edge has points between its ends,
there are none to keep). ``edges="segments"`` makes every point a node and every step of a line an edge. Either way
every row of the file is there once: a line that is cut where another touches it becomes several edges, and the edge
column ``line`` says of which.

``merge_points`` decides when points at one place are one node: never (``none``), when their coordinates are equal
(``exact``), or when they round to the same multiple of a length (a number, in the unit of the positions). The group
``merged_points`` then lists every point that shares its node, with all that the file says of it. Lines are never
merged: those that fall together become parallel edges, those that shrink to a point become self loops.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome import schema
from connectome.errors import FormatError, UsageError
from connectome.graphs import connected_components
from connectome.schema import column, warning

from ...homogenise.spatial_graph import UNDIRECTED, spatial_graph
from ..tables.array_columns import RESERVED, column_names, describe
from .position_units import VoxelSize, stated_units

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["GROUPS", "Polylines", "Tolerance", "joined_rows", "line_graph", "merged"]

Array = np.ndarray[Any, Any]
Tolerance = str | float
GROUPS = {"vessels": "vessel", "connectome": "neurite"}
"""What a graph of lines may be called, and the type of its edges."""


@dataclass(frozen=True)
class Polylines:
    """What a file says, row by row."""

    position: Array
    """Shape (point, axis), floating."""
    line_ptr: Array
    """Shape (line + 1,), int64: where each line starts among ``vertex``."""
    vertex: Array
    """Shape (vertex,), int64: the points along the lines, from 0."""
    points: Mapping[str, Array] = field(default_factory=dict)
    """Arrays by their names in the file; the first axis is the point."""
    lines: Mapping[str, Array] = field(default_factory=dict)
    """Arrays by their names in the file; the first axis is the line."""
    point_id: Array | None = None
    """Shape (point,), int64: ids that the file gives; without it the row number."""
    units: Mapping[str, str] = field(default_factory=dict)
    """Units of arrays by name, where the file or the format says them."""
    sentinels: Mapping[str, float] = field(default_factory=dict)
    """The number that means missing, by the name of a floating array; it becomes NaN."""


def merged(position: Array, merge_points: Tolerance) -> Array:
    """Return of every point the lowest row of those that are one node with it, int64.

    Parameters
    ----------
    position : numpy.ndarray
        Shape (point, axis), finite.
    merge_points : str or float
        ``"none"``, ``"exact"`` or a positive length.

    Raises
    ------
    UsageError
        When it is none of these, or so small that the positions have no multiple of it.
    """
    rows = np.arange(len(position), dtype=np.int64)
    if merge_points == "none" or not len(position):
        return rows
    values = np.asarray(position, dtype=np.float64)
    if merge_points != "exact":
        try:
            length = float(merge_points)
        except (TypeError, ValueError):
            length = math.nan
        if not (math.isfinite(length) and length > 0):
            raise UsageError(
                "not a way to merge points",
                subject="merge_points",
                expected="none, exact or a positive length",
                found=str(merge_points),
            )
        with np.errstate(over="ignore"):
            values = np.rint(values / length)
        if not np.isfinite(values).all():
            raise UsageError("the length is too small for the positions", subject="merge_points", found=f"{length}")
    # Adding zero makes -0.0 and 0.0 one.
    values = values + 0.0
    order = np.lexsort(values.T)
    new = np.ones(len(order), dtype=bool)
    new[1:] = (values[order[1:]] != values[order[:-1]]).any(axis=1)
    # The sort is stable: the first of a run is its lowest row.
    label = np.empty(len(order), dtype=np.int64)
    label[order] = order[np.flatnonzero(new)][np.cumsum(new) - 1]
    return label


def joined_rows(n_points: int, first: Array, second: Array) -> Array:
    """Return of every point the lowest row of those that pairs of rows connect with it, int64."""
    label = connected_components(first, second, n_points)
    lowest: Array = np.unique(label, return_index=True)[1]
    return lowest[label].astype(np.int64)


def line_graph(
    drawn: Polylines,
    *,
    units: str,
    voxel_size_um: VoxelSize = "",
    edges: str = "lines",
    merge_points: Tolerance = "none",
    joined: Array | None = None,
    group: str = "vessels",
    direction: str = "from the first point of the line to its last",
    subject: str,
    warnings: Sequence[Mapping[str, str]] = (),
    tables: Mapping[str, xr.Dataset] | None = None,
    **attrs: Any,
) -> xr.DataTree:
    """Make the record of points and lines.

    Parameters
    ----------
    drawn : Polylines
        What the file says.
    units, voxel_size_um
        Of the positions, as for :func:`~.position_units.stated_units`.
    edges : str
        ``"lines"`` or ``"segments"``.
    merge_points : str or float
        ``"none"``, ``"exact"`` or a length.
    joined : numpy.ndarray, optional
        Shape (point,): of every point the lowest row of those that the file itself says are one with it.
    group : str
        A key of ``GROUPS``.
    direction : str
        What source and target mean.
    subject : str
        The file, for errors.
    warnings : sequence of mapping
        What the reader has found odd.
    tables : mapping of str to xarray.Dataset, optional
        Further groups of the record.
    **attrs
        Attributes of the group.

    Returns
    -------
    xarray.DataTree
        The graph and, where points were merged, the table ``merged_points``.

    Raises
    ------
    UsageError
        When an option is none of its values.
    FormatError
        When a line goes through a point that is not there, or a position is not finite.
    """
    if edges not in {"lines", "segments"}:
        raise UsageError("unknown kind of edges", subject="edges", expected="lines or segments", found=edges)
    if group not in GROUPS:
        raise UsageError("unknown group", subject="group", expected=" or ".join(GROUPS), found=group)
    edge_type = GROUPS[group]
    if not len(drawn.position):
        raise FormatError("the file has no points", subject=subject, expected="points", found="0")
    units, space = stated_units(units, voxel_size_um, n_axes=drawn.position.shape[1], subject=subject)
    _check(drawn, subject)
    drawn, missing = _without_sentinels(drawn, subject)
    n_points = len(drawn.position)
    label = merged(drawn.position, merge_points)
    if joined is not None:
        rows = np.arange(n_points, dtype=np.int64)
        label = joined_rows(n_points, np.concatenate([rows, rows]), np.concatenate([label, joined]))
    cut = _cut(drawn, label, edges)
    doubts = [dict(item) for item in (*warnings, *missing, *cut.doubts)]
    groups = dict(tables or {})
    taken = set(RESERVED)
    ids = np.arange(n_points, dtype=np.int64) if drawn.point_id is None else drawn.point_id
    shared = np.bincount(label, minlength=n_points)[label] > 1
    nodes: dict[str, xr.Variable] = {}
    merging = bool(shared.any())
    names = column_names(drawn.points, taken)
    for name, values in drawn.points.items():
        chosen = values[cut.node]
        differ = np.unique(label[_differing(values, label)]) if merging else np.zeros(0, dtype=np.int64)
        if len(differ):
            doubts.append(
                warning("merged-points-differ", name, f"nodes whose points differ: {len(differ)}; see merged_points")
            )
            if values.dtype.kind != "f":
                continue
            chosen[np.searchsorted(cut.node, np.intersect1d(differ, cut.node))] = np.nan
        nodes[names[name]] = describe("node", name, chosen, names[name], units, drawn.units, drawn.sentinels)
    if merging:
        counts = np.bincount(label, minlength=n_points)[cut.node]
        nodes["n_points"] = column("node", counts.astype(np.int32), "Points of the file that make up the node", "1")
        groups["merged_points"] = _merged_table(drawn, np.flatnonzero(shared), label, ids, units)
    line_names = column_names(drawn.lines, taken, "edge_")
    edge_columns = {
        line_names[name]: describe(
            "edge", name, values[cut.line], line_names[name], units, drawn.units, drawn.sentinels
        )
        for name, values in drawn.lines.items()
    }
    if not np.array_equal(cut.line, np.arange(len(drawn.line_ptr) - 1)):
        edge_columns["line"] = column("edge", cut.line, "Row of the line in the source", "1")
    place = np.full(n_points, -1, dtype=np.int64)
    place[cut.node] = np.arange(len(cut.node))
    points = None if cut.item is None else _points(drawn, cut.item, units, taken)
    graph = spatial_graph(
        node=ids[cut.node],
        position=drawn.position[cut.node],
        position_units=units,
        source=place[cut.source],
        target=place[cut.target],
        edge_type=edge_type,
        edge_types={edge_type: {**UNDIRECTED, "direction": direction}},
        nodes=nodes,
        edges=edge_columns,
        point_ptr=cut.point_ptr,
        points=points,
        subject=subject,
        merge_points=str(merge_points),
        edges_are=edges,
        **space,
        **attrs,
    )
    return schema.record({group: graph, **groups}, warnings=doubts)


@dataclass(frozen=True)
class _Cut:
    node: Array
    """Rows of the points that are nodes."""
    source: Array
    """Per edge, row of the point."""
    target: Array
    line: Array
    """Per edge, the line it is of."""
    point_ptr: Array | None
    item: Array | None
    """Rows of the points along the polylines."""
    doubts: tuple[dict[str, str], ...]


def _check(drawn: Polylines, subject: str) -> None:
    outside = np.flatnonzero((drawn.vertex < 0) | (drawn.vertex >= len(drawn.position)))
    if len(outside):
        at = int(outside[0])
        line = int(np.searchsorted(drawn.line_ptr, at, side="right")) - 1
        raise FormatError(
            "a line goes through a point that is not there",
            subject=subject,
            place=f"line {line}, vertex {at - int(drawn.line_ptr[line])} (from 0)",
            expected=f"points from 0 to {len(drawn.position) - 1}",
            found=str(int(drawn.vertex[at])),
        )
    bad = np.flatnonzero(~np.isfinite(drawn.position).all(axis=1))
    if len(bad):
        raise FormatError(
            "a position is not finite",
            subject=subject,
            place=f"point {int(bad[0])} (from 0)",
            expected="finite numbers",
            found=f"{drawn.position[bad[0]].tolist()} ({len(bad)} such points)",
        )


def _without_sentinels(drawn: Polylines, subject: str) -> tuple[Polylines, list[dict[str, str]]]:
    """Return the same with NaN for numbers that mean missing, and how many there were."""
    doubts = []
    points, lines = dict(drawn.points), dict(drawn.lines)
    for name, sentinel in drawn.sentinels.items():
        held = [table for table in (points, lines) if name in table]
        if not held or any(table[name].dtype.kind != "f" for table in held):
            raise FormatError(
                "there is no such array of floating numbers",
                subject=subject,
                place=f"array {name}",
                expected="an array whose missing values can be NaN",
                found="another" if held else "none",
            )
        for table in held:
            missing = table[name] == sentinel
            table[name] = np.where(missing, np.array(np.nan, dtype=table[name].dtype), table[name])
            if missing.any():
                count = int(missing.sum())
                doubts.append(warning("missing-values", name, f"rows of {sentinel:g}, which means missing: {count}"))
    return replace(drawn, points=points, lines=lines), doubts


def _cut(drawn: Polylines, label: Array, edges: str) -> _Cut:
    """Cut lines at nodes."""
    n_points, n_items = len(drawn.position), len(drawn.vertex)
    vertex = label[drawn.vertex]
    length = np.diff(drawn.line_ptr)
    line_of = np.repeat(np.arange(len(length), dtype=np.int64), length)
    first, last = np.zeros(n_items, dtype=bool), np.zeros(n_items, dtype=bool)
    filled = length > 0
    first[drawn.line_ptr[:-1][filled]] = True
    last[drawn.line_ptr[1:][filled] - 1] = True
    degree = np.bincount(vertex[~last], minlength=n_points) + np.bincount(vertex[~first], minlength=n_points)
    is_node = label == np.arange(n_points)
    doubts = []
    if edges == "lines":
        is_end = np.zeros(n_points, dtype=bool)
        is_end[vertex[first | last]] = True
        is_node &= is_end | (degree != 2)
    short = np.flatnonzero(length < 2)
    if len(short):
        rows = ", ".join(map(str, short[:5].tolist()))
        doubts.append(
            warning("short-lines", f"line {rows}", f"lines without two points, which make no edge: {len(short)}")
        )
    alone = int((np.bincount(drawn.vertex, minlength=n_points) == 0).sum())
    if alone:
        doubts.append(warning("points-alone", "points", f"points on no line: {alone}"))
    stop = is_node[vertex] | first | last
    start = np.flatnonzero(stop & ~last)
    stops = np.flatnonzero(stop)
    end = stops[np.searchsorted(stops, start, side="right")] if len(start) else start
    loops = int((vertex[start] == vertex[end]).sum())
    if loops:
        doubts.append(warning("self-loops", "edges", f"edges that start and end at one node: {loops}"))
    pointer = item = None
    # A line without a point between its ends has no polyline to keep.
    if edges == "lines" and (end - start > 1).any():
        pointer = np.zeros(len(start) + 1, dtype=np.int64)
        np.cumsum(end - start + 1, out=pointer[1:])
        item = drawn.vertex[np.arange(pointer[-1]) + np.repeat(start - pointer[:-1], np.diff(pointer))]
    return _Cut(np.flatnonzero(is_node), vertex[start], vertex[end], line_of[start], pointer, item, tuple(doubts))


def _points(drawn: Polylines, item: Array, units: str, taken: set[str]) -> dict[str, xr.Variable]:
    names = column_names(drawn.points, taken, "point_", always=True)
    axes = ["x", "y", "z"][: drawn.position.shape[1]]
    table = {
        "point_position": column(("point", "axis"), drawn.position[item], "Position along the line", units, axes=axes),
        "point_row": column("point", item, "Row of the point in the source", "1"),
    }
    for name, values in drawn.points.items():
        table[names[name]] = describe("point", name, values[item], names[name], units, drawn.units, drawn.sentinels)
    return table


def _differing(values: Array, label: Array) -> Array:
    """Return the rows whose values are not those of the first point of their node."""
    first = values[label]
    same = values == first
    if values.dtype.kind == "f":
        same |= np.isnan(values) & np.isnan(first)
    return np.flatnonzero(~same.reshape(len(values), -1).all(axis=1))


def _merged_table(drawn: Polylines, row: Array, label: Array, ids: Array, units: str) -> xr.Dataset:
    """List the points that share a node, with all that the file says of them."""
    table = {
        "point_row": column("row", row, "Row of the point in the source", "1"),
        "point": column("row", ids[row], "Id of the point", "1"),
        "node": column("row", ids[label[row]], "Id of the node that it is part of", "1"),
    }
    for at, axis in enumerate("xyz"[: drawn.position.shape[1]]):
        table[axis] = column("row", drawn.position[row, at], f"Position of the point along {axis}", units)
    names = column_names(drawn.points, {*table, *RESERVED})
    for name, values in drawn.points.items():
        flat = values[row].reshape(len(row), int(np.prod(values.shape[1:])))
        for at in range(flat.shape[1]):
            own = names[name] if flat.shape[1] == 1 else f"{names[name]}_{at}"
            table[own] = describe("row", name, flat[:, at], own, units, drawn.units, drawn.sentinels)
    return schema.table(table)
