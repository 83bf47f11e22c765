"""What both VTK forms hold: points, cells over them, arrays on both; and the lines among the cells."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import FormatError, UsageError
from connectome.schema import warning

from ..graphs.polylines import Polylines, Tolerance, line_graph

if TYPE_CHECKING:
    import xarray as xr

    from ..graphs.position_units import VoxelSize

__all__ = ["CELL_SHAPES", "Mesh", "mesh_record"]

Array = np.ndarray[Any, Any]
VERTEX, LINE = 0, 1
CELL_SHAPES = {1: VERTEX, 2: VERTEX, 3: LINE, 4: LINE}
"""Cell types of a network (VTK File Formats, figure 2): vertex, poly-vertex, line, poly-line."""
MOST_FIELD_VALUES = 1000
"""Field data are kept as an attribute of the group, which is no place for longer arrays."""


@dataclass
class Mesh:
    """A file's points and cells, cells in the order of the cell arrays."""

    position: Array
    """Shape (point, 3)."""
    cell_ptr: Array
    """Shape (cell + 1,), int64."""
    vertex: Array
    """Shape (vertex,), int64."""
    shape: Array
    """Shape (cell,): ``VERTEX`` or ``LINE``."""
    points: dict[str, Array] = field(default_factory=dict)
    cells: dict[str, Array] = field(default_factory=dict)
    fields: dict[str, Array] = field(default_factory=dict)
    """Arrays that belong to the whole file."""


def mesh_record(
    mesh: Mesh,
    *,
    units: str,
    voxel_size_um: VoxelSize,
    edges: str,
    merge_points: Tolerance,
    group: str,
    missing: str,
    subject: Path,
    warnings: Sequence[Mapping[str, str]] = (),
    **attrs: Any,
) -> xr.DataTree:
    """Make the record of the lines of a mesh; options as for :func:`~.polylines.line_graph`."""
    doubts = [dict(item) for item in warnings]
    line = np.flatnonzero(mesh.shape == LINE)
    if len(line) < len(mesh.shape):
        doubts.append(
            warning(
                "vertex-cells", "cells", f"{len(mesh.shape) - len(line)} cells are single points; they make no edge"
            )
        )
    kept = {name: values.tolist() for name, values in mesh.fields.items() if values.size <= MOST_FIELD_VALUES}
    for name, values in mesh.fields.items():
        if name not in kept:
            doubts.append(
                warning("field-data", name, f"an array of {values.size} values of the whole file is left out")
            )
    if kept:
        attrs["field_data"] = kept
    length = np.diff(mesh.cell_ptr)
    pointer = np.zeros(len(line) + 1, dtype=np.int64)
    np.cumsum(length[line], out=pointer[1:])
    chosen = np.repeat(mesh.shape == LINE, length)
    drawn = Polylines(
        position=mesh.position,
        line_ptr=pointer,
        vertex=mesh.vertex[chosen],
        points=mesh.points,
        lines={name: values[line] for name, values in mesh.cells.items()},
        sentinels=_sentinels(missing),
    )
    return line_graph(
        drawn,
        units=units,
        voxel_size_um=voxel_size_um,
        edges=edges,
        merge_points=merge_points,
        group=group,
        subject=str(subject),
        warnings=doubts,
        **attrs,
    )


def _sentinels(text: str) -> dict[str, float]:
    """Return the number that means missing by the name of the array, from ``NAME=NUMBER,NAME=NUMBER``."""
    found = {}
    for part in text.split(",") if text else ():
        name, equals, number = part.rpartition("=")
        try:
            found[name.strip()] = float(number) if equals else math.nan
        except ValueError:
            found[name.strip()] = math.nan
        if not math.isfinite(found[name.strip()]):
            raise UsageError(
                "not the missing value of an array", subject="missing", expected="NAME=NUMBER,...", found=part
            )
    return found


def check_rows(arrays: Mapping[str, Array], n_rows: int, what: str, subject: str) -> None:
    """Raise when an array does not have one row per point or cell."""
    for name, values in arrays.items():
        if len(values) != n_rows:
            raise FormatError(
                "an array does not fit",
                subject=subject,
                place=f"{what} array {name}",
                expected=f"{n_rows} rows",
                found=str(len(values)),
            )
