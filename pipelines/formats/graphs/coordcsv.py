"""The format ``coordcsv``: edges as CSV whose ends are printed NumPy arrays, and a radius for each.

The header is ``node1,node2,radius``; a cell of an end is ``[0.28946412 0.9568068  0.00394775]``. Nodes have no ids:
equal numbers are one node, and nodes are numbered from 0 in the order in which the edges first name them. So are the
simulated retinal vessels of Kreitner et al. 2024, IEEE TMI, doi:10.1109/TMI.2024.3354408, in a unit cube.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import FormatError, UsageError
from connectome.schema import column, record

from ...homogenise.spatial_graph import spatial_graph
from ..tables.listed_columns import edge_column_names, text_columns
from ..tables.text_rows import finite, first_line, split_table, unfinished
from .position_nodes import nodes_by_position
from .position_units import VoxelSize, stated_units

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["read", "sniff"]

ENDS = ("node1", "node2")
RADIUS = "radius"


def sniff(path: Path) -> bool:
    """Tell whether the header names two ends and a radius."""
    return {*ENDS, RADIUS} <= {cell.strip() for cell in first_line(path).split(",")}


def read(
    paths: list[Path],
    *,
    units: str = "",
    voxel_size_um: VoxelSize = "",
    scale_um: float = math.nan,
    group: str = "vessels",
) -> xr.DataTree:
    """Read one graph.

    Parameters
    ----------
    paths : list of pathlib.Path
        One file.
    units, voxel_size_um
        Unit of the coordinates and radii; must be stated. ``units="1"`` for a unit cube.
    scale_um : float
        Micrometres per unit, for ``units="1"``; kept as the attribute ``scale_um``, nothing is rescaled.
    group : str
        Path of the group in the record.

    Returns
    -------
    xarray.DataTree
        One graph with a ``radius`` per edge.

    Raises
    ------
    UsageError
        When the unit is not stated.
    FormatError
        When a row is not as described; the place is the line.
    """
    if len(paths) != 1:
        raise UsageError("one file is one graph", subject="coordcsv", found=f"{len(paths)} files")
    path = paths[0]
    header, rows = split_table(path, (*ENDS, RADIUS))
    start: list[list[float]] = []
    stop: list[list[float]] = []
    radius: list[float] = []
    more: dict[str, list[str | None]] = {name: [] for name in header if name not in {*ENDS, RADIUS}}
    at = {name: header.index(name) for name in header}
    for line, cells in rows:
        place = f"line {line}"
        for name, ends in zip(ENDS, (start, stop), strict=True):
            ends.append(_coordinates(cells[at[name]], path, f"{place}, column {name}"))
            if len(ends[-1]) != len(start[0]):
                raise FormatError(
                    "positions with different numbers of axes", subject=str(path), place=f"{place}, column {name}",
                    expected=f"{len(start[0])} numbers", found=cells[at[name]][:80],
                )  # fmt: skip
        radius.append(finite(cells[at[RADIUS]], path, f"{place}, column {RADIUS}", "a radius"))
        for name, texts in more.items():
            texts.append(cells[at[name]])
    if not radius:
        raise FormatError("the table lists no edge", subject=str(path), expected="rows below the header", found="none")
    unit, attrs = stated_units(units, voxel_size_um, n_axes=len(start[0]), subject=str(path))
    if not math.isnan(scale_um):
        if unit != "1" or not (scale_um > 0 and math.isfinite(scale_um)):
            raise UsageError(
                "a scale is a positive number, and for units=1 only", subject="scale_um", found=str(scale_um)
            )
        attrs["scale_um"] = scale_um
    position, source, target = nodes_by_position(np.array(start), np.array(stop))
    edges: dict[str, xr.Variable] = {"radius": column("edge", np.array(radius), "Radius of the vessel", unit)}
    stored = edge_column_names(more, {RADIUS})
    edges |= text_columns("edge", more, stored, {})
    dataset = spatial_graph(
        node=np.arange(len(position)),
        position=position,
        position_units=unit,
        source=source,
        target=target,
        edges=edges,
        subject=str(path),
        node_ids="made: nodes have none in the file, and are numbered in the order in which the edges name them",
        **attrs,
    )
    return record({group: dataset}, warnings=unfinished(path), title=path.stem)


def _coordinates(text: str, path: Path, place: str) -> list[float]:
    inner: Any = text.strip()
    parts = inner[1:-1].split() if inner.startswith("[") and inner.endswith("]") else []
    if len(parts) not in {2, 3}:
        raise FormatError(
            "not a printed array of coordinates",
            subject=str(path),
            place=place,
            expected="[x y z]",
            found=repr(text[:80]),
        )
    return [finite(part, path, place, "a coordinate") for part in parts]
