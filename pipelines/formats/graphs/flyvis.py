"""The format ``flyvis``: connectome of the fly's visual system as types of cells and column offsets, in JSON.

A type of cell repeats over the columns of a hexagonal lattice as its ``pattern`` says; an edge joins two types, and its
``offsets`` say how many synapses a cell of the source type at column (u, v) makes onto that of the target type at
(u + du, v + dv): a rule for a lattice graph of any extent (Lappalainen et al. 2024, Nature 634:1132,
doi:10.1038/s41586-024-07939-3; ``flyvis/connectome/connectome.py`` of TuragaLab/flyvis).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import FormatError, TruncatedError, UsageError
from connectome.schema import column, graph, record, table

from ..tables.listed_columns import edge_column_names, listed_column, node_column_names
from ..tables.text_rows import read_lines

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["read", "sniff"]

_NODE = ("name", "pattern")
_EDGE = ("src", "tar", "offsets", "edge_type")


def sniff(path: Path) -> bool:
    """Tell whether a file starts as such a description does."""
    with path.open("rb") as stream:
        head = stream.read(4096).lstrip()
    return head.startswith(b"{") and b'"nodes"' in head and b'"pattern"' in head and b'"stride"' in head


def read(paths: list[Path], *, group: str = "connectome") -> xr.DataTree:
    """Read one description.

    Parameters
    ----------
    paths : list of pathlib.Path
        One JSON file.
    group : str
        Path of the graph in the record.

    Returns
    -------
    xarray.DataTree
        The graph (a node per type of cell, an edge per pair of types; ``weight`` is the sum over the offsets) and the
        table ``offsets`` (a row per offset, with the edge it belongs to).

    Raises
    ------
    FormatError
        When the file is not such JSON; the place is the entry.
    TruncatedError
        When the text is not whole.
    """
    if len(paths) != 1:
        raise UsageError("one file is one connectome", subject="flyvis", found=f"{len(paths)} files")
    path = paths[0]
    document = _parse(path)
    nodes, edges = (_entries(path, document, *wanted) for wanted in (("nodes", _NODE), ("edges", _EDGE)))
    names = [entry["name"] for entry in nodes]
    for at, name in enumerate(names):
        if not isinstance(name, str) or not name or name in names[:at]:
            raise FormatError(
                "not a name of its own", subject=str(path), place=f"nodes, entry {at + 1}", found=repr(name)
            )
    index = {name: at for at, name in enumerate(names)}
    ends = []
    for key in ("src", "tar"):
        for at, entry in enumerate(edges, start=1):
            if not isinstance(entry[key], str) or entry[key] not in index:
                raise FormatError(
                    "an edge ends at a type that is not listed", subject=str(path), place=f"edges, entry {at}, {key}",
                    expected="a name among the nodes", found=repr(entry[key]),
                )  # fmt: skip
        ends.append(np.array([index[entry[key]] for entry in edges], dtype=np.int64))
    offsets = [_offsets(path, f"edges, entry {at}", entry["offsets"]) for at, entry in enumerate(edges, start=1)]
    words = [entry["edge_type"] for entry in edges]
    if not all(isinstance(word, str) and word for word in words):
        raise FormatError("an edge without a type", subject=str(path), place="edges", expected="text", found="none")
    edge_keys, node_keys = _keys(edges, {*_EDGE}), _keys(nodes, {"name"})
    stored_edges = edge_column_names(edge_keys, {"weight"})
    stored_nodes = node_column_names(node_keys, {"weight", *stored_edges.values()})
    columns: dict[str, xr.Variable] = {}
    for key in edge_keys:
        columns[stored_edges[key]] = _column("edge", key, [entry.get(key) for entry in edges])
    features: dict[str, xr.Variable] = {}
    for key in node_keys:
        features[stored_nodes[key]] = _column("node", key, [entry.get(key) for entry in nodes])
    dataset = graph(
        node=names,
        source=ends[0],
        target=ends[1],
        edge_type=words,
        edge_types={
            word: {
                "directed": True,
                "weight_units": "synapses",
                "weight_meaning": "synapses from a cell of the source type onto all of the target type: sum over the "
                "table offsets",
                "lineage": "",
            }
            for word in dict.fromkeys(words)
        },
        weight=np.array([math.fsum(item[2] for item in found) for found in offsets]),
        weight_units="synapses",
        nodes=features,
        edges=columns,
        **{key: value for key, value in document.items() if key not in {"nodes", "edges"}},
    )
    return record({group: dataset, "offsets": _offset_table(edges, offsets)}, title=path.stem)


def _parse(path: Path) -> dict[str, Any]:
    try:
        document = json.loads("\n".join(read_lines(path)))
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise TruncatedError(f"the JSON is not whole: {error.msg}", subject=str(path), place=place) from error
    except RecursionError as error:
        raise FormatError("the JSON is nested too deeply", subject=str(path)) from error
    if not isinstance(document, dict):
        raise FormatError("not a description", subject=str(path), expected="an object", found=type(document).__name__)
    return document


def _entries(path: Path, document: Mapping[str, Any], key: str, wanted: Sequence[str]) -> list[dict[str, Any]]:
    entries = document.get(key)
    if not isinstance(entries, list) or not entries:
        raise FormatError("no list of entries", subject=str(path), place=key, found=type(entries).__name__)
    for at, entry in enumerate(entries, start=1):
        absent = [name for name in wanted if not isinstance(entry, dict) or name not in entry]
        if absent:
            raise FormatError(
                "an entry lacks keys", subject=str(path), place=f"{key}, entry {at}", expected=", ".join(wanted),
                found=f"no {', '.join(absent)}",
            )  # fmt: skip
    return entries


def _offsets(path: Path, place: str, listed: Any) -> list[tuple[int, int, float]]:
    found: list[tuple[int, int, float]] = []
    listing: list[Any] = listed if isinstance(listed, list) else [None]
    for item in listing:
        try:
            (du, dv), synapses = item
            good = all(type(step) is int for step in (du, dv)) and type(synapses) in {int, float}
            good = good and math.isfinite(synapses) and abs(du) < 2**31 and abs(dv) < 2**31
        except (TypeError, ValueError, OverflowError):
            good = False
        if not good:
            raise FormatError(
                "not a list of offsets", subject=str(path), place=place, expected="[[du, dv], synapses], ...",
                found=repr(item)[:80],
            )  # fmt: skip
        found.append((du, dv, float(synapses)))
    return found


def _keys(entries: Sequence[Mapping[str, Any]], known: set[str]) -> list[str]:
    return [key for key in dict.fromkeys(key for entry in entries for key in entry) if key not in known]


def _column(dim: str, key: str, values: Sequence[Any]) -> xr.Variable:
    """Numbers and null become float64, booleans and texts stay, anything else stays as JSON."""
    if all(isinstance(value, bool) for value in values):
        return listed_column(dim, key, np.array(values))
    if all(value is None or type(value) in {int, float} for value in values):
        try:
            numbers = np.array([math.nan if value is None else float(value) for value in values])
        except OverflowError:
            numbers = None
        if numbers is not None:
            return listed_column(dim, key, numbers)
    texts = ["" if value is None else value if isinstance(value, str) else json.dumps(value) for value in values]
    return listed_column(dim, key, np.array(texts, dtype=object))


def _offset_table(edges: Sequence[Mapping[str, Any]], offsets: Sequence[Sequence[tuple[int, int, float]]]) -> Any:
    rows = [(at, *item) for at, found in enumerate(offsets) for item in found]
    numbers = np.array([row[:3] for row in rows], dtype=np.int32).reshape(-1, 3)
    return table({
        "edge": column("row", numbers[:, 0], "Edge of the graph", "1"),
        "source": column("row", [edges[row[0]]["src"] for row in rows], "Type of the presynaptic cell"),
        "target": column("row", [edges[row[0]]["tar"] for row in rows], "Type of the postsynaptic cell"),
        "du": column("row", numbers[:, 1], "Columns along u from the source to the target", "1"),
        "dv": column("row", numbers[:, 2], "Columns along v from the source to the target", "1"),
        "synapses": column("row", np.array([row[3] for row in rows]), "Synapses at this offset", "synapses"),
    })  # fmt: skip
