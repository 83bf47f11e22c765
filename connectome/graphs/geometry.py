"""Lengths, thickness and extent of a graph in space, in the units that the record states. Nothing is rescaled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "EdgeMeasure",
    "bounding_box",
    "edge_lengths",
    "edge_thickness",
    "has_positions",
    "polyline_lengths",
    "straight_lengths",
]

Array = np.ndarray[Any, Any]
THICKNESS = ("radius_avg", "radius", "radius_mean", "vessel_radius", "node_radius", "thickness", "diameter")
"""Columns that say how thick an edge is, the one to prefer first; what each is called is what it is."""
BLOCK_ITEMS = 1 << 20


@dataclass(frozen=True)
class EdgeMeasure:
    """One number per edge, and where it comes from."""

    values: Array
    """Shape (edge,), float64; NaN where missing."""
    name: str
    """In words: ``"radius_avg"``, ``"length"``."""
    units: str
    """``""`` where the record states none."""
    origin: str
    """``"column length"``, ``"along the polyline"``, ``"straight line between the nodes"``, ..."""

    @property
    def label(self) -> str:
        """Name and unit, for an axis."""
        units = {"um": "µm", "voxel": "voxels"}.get(self.units, self.units)
        return f"{self.name.replace('_', ' ')} ({units})" if units not in {"", "1"} else self.name.replace("_", " ")


def has_positions(dataset: xr.Dataset) -> bool:
    """Tell whether a graph group says where its nodes lie: ``position`` (node, axis)."""
    return "position" in dataset.variables and dataset["position"].dims == ("node", "axis")


def bounding_box(dataset: xr.Dataset) -> Array | None:
    """Return the lowest and highest corner of a graph group: of its nodes, and of the points of its polylines.

    Returns
    -------
    numpy.ndarray or None
        Shape (2, axis), float64, over the finite positions; None where there is none.
    """
    if not has_positions(dataset):
        return None
    corners = []
    for name in ("position", "point_position"):
        positions = dataset[name].values if name in dataset.variables else np.zeros((0, 0))
        for first in range(0, len(positions), BLOCK_ITEMS):
            block = positions[first : first + BLOCK_ITEMS]
            finite = block[np.isfinite(block).all(axis=1)]
            if len(finite):
                corners += [finite.min(axis=0), finite.max(axis=0)]
    return np.stack([np.min(corners, axis=0), np.max(corners, axis=0)]).astype(np.float64) if corners else None


def straight_lengths(position: Array, source: Array, target: Array) -> Array:
    """Return the distance between the ends of every edge, shape (edge,), float64."""
    squared = np.zeros(len(source))
    for axis in range(position.shape[1]):
        along = np.asarray(position[:, axis], dtype=np.float64)
        squared += (along[target] - along[source]) ** 2
    return np.sqrt(squared)


def polyline_lengths(point_ptr: Array, point_position: Array) -> Array:
    """Return the length of every polyline.

    Parameters
    ----------
    point_ptr : numpy.ndarray
        Shape (edge + 1,): where each polyline starts among the points.
    point_position : numpy.ndarray
        Shape (point, axis).

    Returns
    -------
    numpy.ndarray
        Shape (edge,), float64; 0 with fewer than two points.
    """
    pointer = np.asarray(point_ptr, dtype=np.int64)
    n_edges = len(pointer) - 1
    lengths = np.zeros(n_edges)
    first = 0
    while first < n_edges:
        # Whole polylines of about a million points at a time, at least one.
        last = max(first + 1, int(np.searchsorted(pointer, pointer[first] + BLOCK_ITEMS, side="right")) - 1)
        points = np.asarray(point_position[pointer[first] : pointer[last]], dtype=np.float64)
        n_points = np.diff(pointer[first : last + 1])
        owner = np.repeat(np.arange(last - first), n_points)
        step = np.sqrt((np.diff(points, axis=0) ** 2).sum(axis=1))
        within = owner[1:] == owner[:-1]
        lengths[first:last] = np.bincount(owner[1:][within], weights=step[within], minlength=last - first)
        first = last
    return lengths


def edge_lengths(dataset: xr.Dataset) -> EdgeMeasure | None:
    """Return how long every edge of a graph group is.

    Returns
    -------
    EdgeMeasure or None
        The column ``length`` where the source gives one, else the length of the polylines, else the straight line
        between the nodes; None for a graph without positions.
    """
    if "length" in dataset.variables and dataset["length"].dims == ("edge",):
        return _column(dataset, "length", "length")
    if not has_positions(dataset):
        return None
    units = str(dataset["position"].attrs.get("units", ""))
    if "point_ptr" in dataset and "point_position" in dataset:
        values = polyline_lengths(dataset["point_ptr"].values, dataset["point_position"].values)
        return EdgeMeasure(values, "length", units, "along the polyline")
    values = straight_lengths(dataset["position"].values, dataset["source"].values, dataset["target"].values)
    return EdgeMeasure(values, "length", units, "straight line between the nodes")


def edge_thickness(dataset: xr.Dataset) -> EdgeMeasure | None:
    """Return how thick every edge of a graph group is, under the name that the record gives it.

    Returns
    -------
    EdgeMeasure or None
        The first of ``THICKNESS`` among the columns of edges; else the mean along the polyline of such a column of
        points (``point_radius``); else the mean over both ends of such a column of nodes; None where nothing says.
        A diameter stays a diameter.
    """
    for name in THICKNESS:
        if name in dataset.variables and dataset[name].dims == ("edge",):
            return _column(dataset, name, name)
    for name in THICKNESS:
        column = f"point_{name}"
        if "point_ptr" in dataset and column in dataset.variables and dataset[column].dims == ("point",):
            return EdgeMeasure(
                _mean_along(dataset["point_ptr"].values, _floats(dataset[column])),
                name,
                _units(dataset[column]),
                "mean along the polyline",
            )
    for name in THICKNESS:
        if name in dataset.variables and dataset[name].dims == ("node",):
            values = _floats(dataset[name])
            ends = (values[dataset["source"].values] + values[dataset["target"].values]) / 2
            return EdgeMeasure(ends, name, _units(dataset[name]), "mean of both nodes")
    return None


def _column(dataset: xr.Dataset, column: str, name: str) -> EdgeMeasure:
    return EdgeMeasure(_floats(dataset[column]), name, _units(dataset[column]), f"column {column}")


def _floats(variable: xr.DataArray) -> Array:
    return np.asarray(variable.values, dtype=np.float64)


def _units(variable: xr.DataArray) -> str:
    return str(variable.attrs.get("units", ""))


def _mean_along(point_ptr: Array, values: Array) -> Array:
    """Return the mean over the known points of every polyline, NaN where there is none."""
    n_edges = len(point_ptr) - 1
    owner = np.repeat(np.arange(n_edges), np.diff(point_ptr))
    known = np.isfinite(values)
    count = np.bincount(owner[known], minlength=n_edges)
    total = np.bincount(owner[known], weights=values[known], minlength=n_edges)
    mean: Array = np.divide(total, count, out=np.full(n_edges, np.nan), where=count > 0)
    return mean
