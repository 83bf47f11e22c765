"""The format ``gt``: vessel graphs of graph-tool, such as those of TubeMap and ClearMap.

Which vertex property is the position is a matter of custom: ``coordinates`` (ClearMap), ``pos`` (graph-tool), and their
like are known, others are named by an option. Vertex and edge properties become columns; vectors of different lengths
become tables of their own (``owner``, the row of the vertex or edge, and ``value``), since a column holds one shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome import schema
from connectome.errors import FormatError, UsageError
from connectome.schema import column, table, warning

from ...homogenise.spatial_graph import UNDIRECTED, spatial_graph
from ..files.one_path import one_file
from ..tables.array_columns import RESERVED, column_names, describe
from .gt_file import COMPRESSIONS, MAGIC, GtGraph, Ragged, is_gt, read_gt
from .polylines import GROUPS
from .position_units import VoxelSize, stated_units

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["read", "sniff"]

Array = np.ndarray[Any, Any]
POSITIONS = ("coordinates", "vertex_coordinates", "position", "pos", "_pos")
"""Names of vertex properties that are positions where they are vectors of 2 or 3 numbers."""
MOST_GRAPH_VALUES = 1000


def sniff(path: Path) -> bool:
    """Tell whether a file starts as the format does, compressed or not."""
    with path.open("rb") as stream:
        head = stream.read(8)
    return head.startswith((MAGIC, *COMPRESSIONS)) and is_gt(path)


def read(
    paths: Sequence[Path],
    *,
    units: str = "",
    voxel_size_um: VoxelSize = "",
    position: str = "",
    skip_objects: bool = False,
    group: str = "vessels",
) -> xr.DataTree:
    """Read a graph.

    Parameters
    ----------
    paths : sequence of pathlib.Path
        One file, plain or compressed by gzip, bzip2, xz or zstd.
    units : str
        Unit of positions, and of properties named radius, radii, diameter, thickness or length. Demanded.
    voxel_size_um : str or float
        With voxels: their edge in um, one number or ``x,y,z``.
    position : str
        The vertex property that is the position, or three of them as ``x,y,z``; needed unless one of the usual names
        is there.
    skip_objects : bool
        Leave out properties that are pickles, with a warning; otherwise they are refused.
    group : str
        ``vessels`` or ``connectome``.

    Returns
    -------
    xarray.DataTree
        The graph, directed or not as the file says, and a table per property of vectors of different lengths.

    Raises
    ------
    UsageError
        When the unit is not stated, or an option is none of its values.
    FormatError
        When the file is not as described; ``TruncatedError`` when it ends early, ``UnsafeError`` for pickles.
    """
    path = one_file(paths)
    if group not in GROUPS:
        raise UsageError("unknown group", subject="group", expected=" or ".join(GROUPS), found=group)
    found = read_gt(path, skip_objects=skip_objects)
    names = _position(found, position, str(path))
    held = found.properties["vertex"]
    parts = [_numbers(held[name]) for name in names]
    place = parts[0] if len(parts) == 1 else np.stack(parts, axis=1)
    unit, space = stated_units(units, voxel_size_um, n_axes=place.shape[1], subject=str(path))
    doubts = [warning("pickle", what, "a pickled property is left out") for what in found.objects]
    taken = set(RESERVED)
    columns: dict[str, dict[str, xr.Variable]] = {"vertex": {}, "edge": {}}
    tables: dict[str, xr.Dataset] = {}
    for key, dim, prefix in (("vertex", "node", ""), ("edge", "edge", "edge_")):
        chosen = {name: values for name, values in found.properties[key].items() if key == "edge" or name not in names}
        own = column_names(chosen, taken, prefix)
        for name, values in chosen.items():
            if isinstance(values, Ragged):
                tables[f"{dim}_{own[name]}"] = _ragged(values, name, unit)
            else:
                columns[key][own[name]] = describe(dim, name, values, own[name], unit)
    kept: dict[str, Any] = {}
    for name, values in found.properties["graph"].items():
        flat = values.value if isinstance(values, Ragged) else np.ravel(values)
        if len(flat) > MOST_GRAPH_VALUES:
            doubts.append(warning("graph-property", name, f"a property of {len(flat)} values is left out"))
        else:
            kept[name] = flat.tolist() if len(flat) != 1 else flat.tolist()[0]
    attrs = {**space, **({"graph_properties": kept} if kept else {})}
    about = {**UNDIRECTED, "directed": found.directed, "direction": "from the vertex that lists the edge"}
    graph = spatial_graph(
        node=np.arange(found.n_vertices, dtype=np.int64),
        position=place,
        position_units=unit,
        source=found.source,
        target=found.target,
        edge_type=GROUPS[group],
        edge_types={GROUPS[group]: about},
        nodes=columns["vertex"],
        edges=columns["edge"],
        subject=str(path),
        comment=found.comment,
        **attrs,
    )
    return schema.record({group: graph, **tables}, warnings=doubts)


def _position(found: GtGraph, stated: str, subject: str) -> list[str]:
    """Return the vertex properties that are the position."""
    held = found.properties["vertex"]
    names = [name.strip() for name in stated.split(",")] if stated else [name for name in POSITIONS if name in held]
    widths = [_width(held.get(name)) for name in names]
    one = len(names) == 1 and widths[0] in {2, 3}
    several = bool(stated) and len(names) in {2, 3} and all(width == 1 for width in widths)
    if not (one or several):
        raise FormatError(
            "the positions cannot be told from the other properties" if not stated else "not positions",
            subject=subject,
            place="option position",
            expected="a vertex property of 2 or 3 numbers, or their names as x,y,z",
            found=", ".join(held) or "no vertex properties",
            hint="--option position=NAME",
        )
    return names


def _width(values: Array | Ragged | None) -> int:
    """Return how many numbers a property has per vertex; 0 if they are none, or not alike."""
    if values is None or isinstance(values, Ragged) or values.dtype.kind not in "if":
        return 0
    return 1 if values.ndim == 1 else int(values.shape[1])


def _numbers(values: Array | Ragged) -> Array:
    return values.value if isinstance(values, Ragged) else values


def _ragged(values: Ragged, name: str, unit: str) -> xr.Dataset:
    row = np.repeat(np.arange(len(values.pointer) - 1), np.diff(values.pointer))
    return table(
        {
            "owner": column("row", row, "Row of the vertex or edge in the source", "1"),
            "value": describe("row", name, values.value, "value", unit),
        }
    )
