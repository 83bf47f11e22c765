"""The format ``graphml``: GraphML graphs with typed keys, multigraphs and mixed directions included.

Node ids are text, or int64 where every id is the plain decimal of one, so that no digit is lost. Numbers are int64 and
float64 whatever the declared width: programs write longer numbers than they declare.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import FormatError, UsageError
from connectome.schema import column, graph, record, warning

from ...homogenise.spatial_graph import spatial_graph
from ..tables.listed_columns import edge_column_names, listed_column, node_column_names
from .graphml_file import GraphmlFile, Key, parse_graphml
from .position_units import VoxelSize, stated_units

if TYPE_CHECKING:
    import xarray as xr

    from ..tables.text_rows import Note

__all__ = ["exact_ids", "read", "sniff"]

Array = np.ndarray[Any, Any]

_PLAIN = re.compile(r"0|-?[1-9][0-9]{0,18}")
_INT64 = np.iinfo(np.int64)
_TRUTH = {"true": True, "1": True, "false": False, "0": False}
_NO_POSITION = "none"


def sniff(path: Path) -> bool:
    """Tell whether the root of an XML file is ``graphml``."""
    with path.open("rb") as stream:
        head = stream.read(4096)
    return re.search(rb"<(\w+:)?graphml[\s>]", head) is not None


def read(
    paths: list[Path],
    *,
    position: str = "",
    units: str = "",
    voxel_size_um: VoxelSize = "",
    edge_type: str = "edge",
    group: str = "graph",
) -> xr.DataTree:
    """Read one graph.

    Parameters
    ----------
    paths : list of pathlib.Path
        One file.
    position : str
        Names of the two or three numeric keys that are the position, ``"x,y,z"``. By default the keys x, y and z, or
        x and y, where the nodes have them; ``"none"`` leaves them as they are.
    units, voxel_size_um
        Unit of the positions; must be stated where there are positions.
    edge_type : str
        Type of the edges. Where a file has edges of both directions, the undirected ones are of the type
        ``<edge_type>_undirected``.
    group : str
        Path of the group in the record.

    Returns
    -------
    xarray.DataTree
        One graph; the key ``weight`` of edges, where it is a number, is the weight.

    Raises
    ------
    UsageError
        When the unit of positions is not stated, or there are no such keys.
    FormatError
        When an element or a value is not as declared; the place is the line.
    UnsafeError
        When the XML has entities.
    """
    if len(paths) != 1:
        raise UsageError("one file is one graph", subject="graphml", found=f"{len(paths)} files")
    path = paths[0]
    file = parse_graphml(path)
    ids, source, target = _ends(path, file)
    directions = set(file.edge_directed) or {file.directed}
    kinds = [
        edge_type if directed or len(directions) == 1 else f"{edge_type}_undirected" for directed in file.edge_directed
    ]
    edge_keys = _used(file, "edge", file.edge_data)
    edge_cells = {
        key.name: _values(path, key, file.edge_data.get(key.id, {}), len(source), file.edge_line) for key in edge_keys
    }
    weighted = "weight" in edge_cells and edge_cells["weight"][0].dtype.kind in "if" and edge_cells["weight"][1] is None
    stored = edge_column_names(edge_cells, {"edge_id"} if weighted else {"edge_id", "weight"})
    edges: dict[str, xr.Variable] = {}
    for name, (values, missing) in edge_cells.items():
        units_of = "1" if weighted and name == "weight" else "unknown"
        edges[stored[name]] = listed_column("edge", name, values, missing=missing, units=units_of)
    if any(file.edge_id):
        edges["edge_id"] = column("edge", file.edge_id, "Id of the edge in the file")
    node_keys = _used(file, "node", file.node_data)
    columns = {
        key.name: _values(path, key, file.node_data.get(key.id, {}), len(file.node), file.node_line)
        for key in node_keys
    }
    chosen = _position_keys(path, position, columns)
    stored = node_column_names([name for name in columns if name not in chosen], edges)
    nodes: dict[str, xr.Variable] = {}
    for name, (values, missing) in columns.items():
        if name not in chosen:
            nodes[stored[name]] = listed_column("node", name, values, missing=missing)
    types = {
        kind: {
            "directed": file.edge_directed[kinds.index(kind)] if kinds else file.directed,
            "weight_units": "1" if "weight" in edges else "",
            "weight_meaning": "not stated in the file" if "weight" in edges else "none",
            "lineage": "",
        }
        for kind in dict.fromkeys(kinds or [edge_type])
    }
    common: dict[str, Any] = {
        "node": ids, "source": source, "target": target, "edge_type": kinds or edge_type, "edge_types": types,
        "nodes": nodes, "edges": edges, "graph_data": _graph_data(file),
    }  # fmt: skip
    if chosen:
        unit, attrs = stated_units(units, voxel_size_um, n_axes=len(chosen), subject=str(path))
        places = np.stack([columns[name][0].astype(np.float64) for name in chosen], axis=1)
        dataset = spatial_graph(position=places, position_units=unit, subject=str(path), **common, **attrs)
    else:
        if units or voxel_size_um:
            raise UsageError("no node has a position", subject=str(path), place="option position", expected="x,y,z")
        dataset = graph(**common)
    return record({group: dataset}, warnings=_notes(path, file), title=path.stem)


def exact_ids(texts: list[str]) -> Array:
    """Return ids as int64 where every text is the plain decimal of one, else as texts (object)."""
    plain = all(_PLAIN.fullmatch(text) and _INT64.min <= int(text) <= _INT64.max for text in texts)
    return np.array([int(text) for text in texts], dtype=np.int64) if plain else np.array(texts, dtype=object)


def _ends(path: Path, file: GraphmlFile) -> tuple[Array, Array, Array]:
    if not file.node:
        raise FormatError("the graph has no node", subject=str(path), expected="<node>", found="none")
    index: dict[str, int] = {}
    for at, name in enumerate(file.node):
        if name in index:
            raise FormatError(
                "a node is listed twice", subject=str(path), place=f"line {file.node_line[at]}",
                found=f"{name!r}, also in line {file.node_line[index[name]]}",
            )  # fmt: skip
        index[name] = at
    ends = []
    for names in (file.source, file.target):
        for at, name in enumerate(names):
            if name not in index:
                raise FormatError(
                    "an edge ends at a node that is not listed", subject=str(path), place=f"line {file.edge_line[at]}",
                    expected="the id of a node", found=repr(name[:80]),
                )  # fmt: skip
        ends.append(np.array([index[name] for name in names], dtype=np.int64))
    return exact_ids(file.node), ends[0], ends[1]


def _used(file: GraphmlFile, kind: str, data: Mapping[str, Any]) -> list[Key]:
    """Return the keys that this kind of element has values of, in the order of the file."""
    found = [
        key
        for key in file.keys.values()
        if key.id not in file.foreign and (key.id in data or (key.default is not None and key.of in {kind, "all"}))
    ]
    # Two keys of one name: each keeps its id.
    names = [key.name for key in found]
    return [
        key if names.count(key.name) == 1 else Key(key.id, f"{key.name}_{key.id}", key.of, key.type, key.default)
        for key in found
    ]


def _values(
    path: Path, key: Key, given: Mapping[int, str], n_rows: int, lines: list[int]
) -> tuple[Array, Array | None]:
    """Return the values of one key, one per row, and which rows have none where the values cannot say so."""
    texts = [given.get(row, key.default) for row in range(n_rows)]
    absent = np.array([text is None for text in texts], dtype=bool)
    mask = absent if absent.any() else None

    def refuse(row: int, text: str) -> FormatError:
        return FormatError(
            "a value is not of its key's type", subject=str(path), place=f"line {lines[row]}",
            expected=f"{key.name} of the type {key.type}", found=repr(text[:80]),
        )  # fmt: skip

    if key.type in {"string", ""}:
        return np.array([text or "" for text in texts], dtype=object), None
    numbers: list[Any] = []
    for row, text in enumerate(texts):
        plain = "" if text is None else text.strip()
        if text is None:
            numbers.append({"boolean": False, "int": 0, "long": 0}.get(key.type, math.nan))
        elif key.type == "boolean":
            if plain.lower() not in _TRUTH:
                raise refuse(row, text)
            numbers.append(_TRUTH[plain.lower()])
        else:
            try:
                value: Any = float(plain) if key.type in {"float", "double"} else int(plain)
            except ValueError:
                raise refuse(row, text) from None
            if "_" in plain or (isinstance(value, int) and not _INT64.min <= value <= _INT64.max):
                raise refuse(row, text)
            numbers.append(value)
    if key.type in {"float", "double"}:
        return np.array(numbers, dtype=np.float64), None
    return np.array(numbers, dtype=bool if key.type == "boolean" else np.int64), mask


def _position_keys(path: Path, wanted: str, columns: Mapping[str, tuple[Array, Array | None]]) -> tuple[str, ...]:
    numeric = {name for name, (values, missing) in columns.items() if values.dtype.kind in "if" and missing is None}
    if wanted == _NO_POSITION:
        return ()
    if not wanted:
        return next((axes for axes in (("x", "y", "z"), ("x", "y")) if set(axes) <= numeric), ())
    names = tuple(name.strip() for name in wanted.split(","))
    if len(names) not in {2, 3} or len(set(names)) != len(names) or not set(names) <= numeric:
        raise UsageError(
            "not keys that give every node a position", subject=str(path), place="option position",
            expected=f"two or three of {', '.join(sorted(numeric)) or 'none'}", found=wanted,
        )  # fmt: skip
    return names


def _graph_data(file: GraphmlFile) -> dict[str, str]:
    return {file.keys[key].name: text for key, text in file.graph_data.items() if key not in file.foreign}


def _notes(path: Path, file: GraphmlFile) -> list[Note]:
    return [
        warning("not-stored", f"{path.name}, key {key}", "holds elements of another program, which are not read")
        for key in sorted(file.foreign)
    ]
