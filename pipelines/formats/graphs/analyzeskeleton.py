"""The format ``analyzeskeleton``: the table of branches that Fiji's plugin AnalyzeSkeleton writes.

One row per branch: number of its skeleton, length along the branch, both ends V1 and V2, straight distance (Arganda-
Carreras et al. 2010, Microscopy Research and Technique 73:1019, doi:10.1002/jemt.20829; newer versions add averages).
Ends have no ids: equal numbers are one node. The plugin writes calibrated units where the image has any and does not
say which.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from connectome.errors import FormatError, UsageError
from connectome.schema import column, record, warning

from ...homogenise.spatial_graph import spatial_graph
from ..tables.listed_columns import edge_column_names, text_columns
from ..tables.text_rows import Note, finite, first_line, split_table, unfinished, whole
from .position_nodes import nodes_by_position
from .position_units import VoxelSize, stated_units

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["read", "sniff"]

SKELETON, LENGTH, DISTANCE = "Skeleton ID", "Branch length", "Euclidean distance"
ENDS = tuple(tuple(f"{end} {axis}" for axis in "xyz") for end in ("V1", "V2"))
REQUIRED = (SKELETON, LENGTH, *ENDS[0], *ENDS[1])
TOLERANCE = 0.002
"""Ends and distances are printed with three decimals."""


def sniff(path: Path) -> bool:
    """Tell whether the header names a skeleton, a length and two ends."""
    return set(REQUIRED) <= {cell.strip().strip('"') for cell in first_line(path).split(",")}


def read(paths: list[Path], *, units: str = "", voxel_size_um: VoxelSize = "", group: str = "vessels") -> xr.DataTree:
    """Read one table of branches.

    Parameters
    ----------
    paths : list of pathlib.Path
        One CSV file.
    units, voxel_size_um
        Unit of the positions and lengths; must be stated.
    group : str
        Path of the group in the record.

    Returns
    -------
    xarray.DataTree
        One graph with ``length``, ``skeleton`` and, where the table has it, ``distance`` per edge; further columns
        keep their names.

    Raises
    ------
    UsageError
        When the unit is not stated.
    FormatError
        When a row is not as described; the place is the line.
    """
    if len(paths) != 1:
        raise UsageError("one file is one graph", subject="analyzeskeleton", found=f"{len(paths)} files")
    path = paths[0]
    header, rows = split_table(path, REQUIRED)
    at = {name: header.index(name) for name in header}
    ends: tuple[list[list[float]], list[list[float]]] = ([], [])
    skeleton: list[int] = []
    measured: dict[str, list[float]] = {name: [] for name in (LENGTH, DISTANCE) if name in header}
    left = [name for name in header if name not in {*REQUIRED, DISTANCE}]
    more: dict[str, list[str | None]] = {name: [] for name in left}
    for line, cells in rows:
        place = f"line {line}"
        skeleton.append(whole(cells[at[SKELETON]], path, f"{place}, column {SKELETON}", "the number of a skeleton"))
        for names, places in zip(ENDS, ends, strict=True):
            places.append([finite(cells[at[name]], path, f"{place}, column {name}", "a position") for name in names])
        for name, values in measured.items():
            values.append(finite(cells[at[name]], path, f"{place}, column {name}", "a length"))
        for name, texts in more.items():
            texts.append(cells[at[name]])
    if not skeleton:
        raise FormatError(
            "the table lists no branch", subject=str(path), expected="rows below the header", found="none"
        )
    unit, attrs = stated_units(units, voxel_size_um, subject=str(path))
    start, stop = (np.array(places) for places in ends)
    position, source, target = nodes_by_position(start, stop)
    edges: dict[str, xr.Variable] = {
        "length": column("edge", np.array(measured[LENGTH]), "Length along the branch", unit),
        "skeleton": column("edge", np.array(skeleton, dtype=np.int64), "Number of the skeleton in the image", "1"),
    }
    if DISTANCE in measured:
        edges["distance"] = column("edge", np.array(measured[DISTANCE]), "Straight distance between the ends", unit)
    # The first column has no name: it numbers the rows.
    renamed = {name: name or "branch" for name in left}
    stored = edge_column_names(renamed.values(), edges)
    edges |= text_columns("edge", {renamed[name]: texts for name, texts in more.items()}, stored, {"branch": "1"})
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
    notes = [*unfinished(path), *_doubts(path, start, stop, measured)]
    return record({group: dataset}, warnings=notes, title=path.stem)


def _doubts(path: Path, start: np.ndarray, stop: np.ndarray, measured: dict[str, list[float]]) -> list[Note]:
    if DISTANCE not in measured:
        return []
    told = np.array(measured[DISTANCE])
    off = np.flatnonzero(np.abs(np.linalg.norm(stop - start, axis=1) - told) > TOLERANCE)
    if not len(off):
        return []
    message = f"{len(off)} rows give another straight distance than their ends have; first in row {int(off[0]) + 1}"
    return [warning("distance-differs", path.name, message)]
