"""Vasculature of the Blue Brain Project: HDF5 in three layouts, and the same graph as CSV or JSON.

The layouts are those of vascpy (BlueBrain/vascpy) and MorphIO, recognised by what a file holds:

- *point*: ``points`` (N, 3), ``edges`` (E, 2), and the groups ``point_properties`` and ``edge_properties``;
- *section*: ``points`` (N, 4: x, y, z, DIAMETER), ``structure`` (S, 2: first point, type) and ``connectivity`` (C, 2:
  sections that touch). Sections repeat the point where they touch: the ends of connected sections that lie at one
  place are one node;
- *SONATA*: ``nodes/POPULATION/0`` with a row per EDGE: ``start_x .. end_diameter``, ``start_node`` or
  ``start_node_id``;
- a pair of CSV files of AstroVascPy, ``NODES.csv EDGES.csv``, or a JSON of points and edge properties.

All of them hold diameters: the column is ``diameter``. Positions are in um by custom; the files do not say it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from connectome.errors import FormatError

from ..files.hdf5_file import is_hdf5, open_hdf5
from ..graphs.polylines import Tolerance, line_graph
from ..tables.text_rows import Note, first_line, unfinished
from .bbp_hdf5 import is_layout, read_hdf5
from .bbp_tables import CSV_NODES, is_json, read_csv_pair, read_json

if TYPE_CHECKING:
    import xarray as xr

    from ..graphs.position_units import VoxelSize

__all__ = ["read", "sniff"]


def sniff(path: Path) -> bool:
    """Tell whether a file is one of these layouts."""
    if is_hdf5(path):
        with open_hdf5(path) as file:
            return is_layout(file)
    return is_json(path) or first_line(path).replace(" ", "") == ",".join(CSV_NODES)


def read(
    paths: Sequence[Path],
    *,
    units: str = "",
    voxel_size_um: VoxelSize = "",
    edges: str = "lines",
    merge_points: Tolerance = "none",
    group: str = "vessels",
) -> xr.DataTree:
    """Read a network of vessels.

    Parameters
    ----------
    paths : sequence of pathlib.Path
        One HDF5 or JSON file, or ``NODES.csv EDGES.csv``.
    units, voxel_size_um, edges, merge_points, group
        As for :func:`connectome.pipelines.formats.vessels.vtk_legacy.read`; in the layout of sections a section is a
        line, in the others every edge is one.

    Returns
    -------
    xarray.DataTree
        The graph; for sections also the table ``connections``, and ``merged_points`` with every point that touches.

    Raises
    ------
    UsageError
        When the unit is not stated, or an option is none of its values.
    FormatError
        When the file is not as described; ``TruncatedError`` when it ends early.
    """
    path = paths[0]
    doubts: list[Note] = []
    if is_hdf5(path):
        _only(paths, 1)
        found = read_hdf5(path, merge_points)
    elif path.name.lower().endswith(".csv"):
        _only(paths, 2)
        found = read_csv_pair(path, paths[1])
        doubts = [note for table in paths for note in unfinished(table)]
    else:
        _only(paths, 1)
        found = read_json(path)
    return line_graph(
        found.drawn,
        units=units,
        voxel_size_um=voxel_size_um,
        edges=edges,
        merge_points=merge_points,
        joined=found.joined,
        group=group,
        direction=found.direction,
        subject=str(path),
        tables=found.tables,
        layout=found.layout,
        warnings=doubts,
    )


def _only(paths: Sequence[Path], wanted: int) -> None:
    if len(paths) != wanted:
        expected = "NODES.csv EDGES.csv" if wanted == 2 else "one file"
        raise FormatError(
            "not the files of one record", subject=str(paths[0]), expected=expected, found=f"{len(paths)} files"
        )
