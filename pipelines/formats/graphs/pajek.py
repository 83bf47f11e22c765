"""The format ``pajek``: networks as Pajek's text, with the true positions where programs hide them.

Layout: Batagelj and Mrvar, "Pajek reference manual", section 5 (``*vertices N``, lines ``number "label" x y z shape``
and pairs of parameter and value; then ``*edges`` and ``*arcs`` with lines ``i j weight``; numbers count from 1).
networkx writes every further attribute of a node as such a pair; VascGraph (Damseh et al. 2019, IEEE JBHI 23:2551)
puts the position into ``pos "[a b c]"`` and the radius into ``r``, and leaves the drawing's x and y at 0.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import FormatError, TruncatedError, UsageError
from connectome.schema import column, graph, record, warning

from ...homogenise.spatial_graph import UNDIRECTED, spatial_graph
from ..tables.listed_columns import edge_column_names, node_column_names, text_columns, typed_cells
from ..tables.text_rows import finite, first_line, read_lines, unfinished, whole
from .position_units import VoxelSize, stated_units

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["read", "sniff"]

_TOKEN = re.compile(r'"([^"]*)"|([^\s"]+)')
_HEADER = re.compile(r"\*(?P<word>[A-Za-z]+)(?P<rest>.*)")
_DRAWING = ("x", "y", "z")
_LISTS = {"edges": False, "arcs": True}


@dataclass
class _Network:
    """What the lines say, in their order."""

    n_vertices: int = -1
    number: list[int] = field(default_factory=list)
    label: list[str] = field(default_factory=list)
    attributes: list[dict[str, str]] = field(default_factory=list)
    place: list[str] = field(default_factory=list)
    source: list[int] = field(default_factory=list)
    target: list[int] = field(default_factory=list)
    weight: list[str] = field(default_factory=list)
    edge_attributes: list[dict[str, str]] = field(default_factory=list)
    arc: list[bool] = field(default_factory=list)


def sniff(path: Path) -> bool:
    """Tell whether the first line that is no comment opens a Pajek network."""
    with path.open("rb") as stream:
        head = stream.read(4096).decode("utf-8-sig", errors="replace")
    lines = [line.strip().lower() for line in head.splitlines() if line.strip() and not line.startswith("%")]
    return bool(lines) and lines[0].startswith(("*vertices", "*network")) and bool(first_line(path))


def read(
    paths: list[Path],
    *,
    position: str = "pos",
    radius: str = "r",
    units: str = "",
    voxel_size_um: VoxelSize = "",
    edge_type: str = "vessel",
    group: str = "vessels",
) -> xr.DataTree:
    """Read one network.

    Parameters
    ----------
    paths : list of pathlib.Path
        One file.
    position : str
        The vertex attribute that holds the position as text, ``"[a b c]"``. Where no vertex has it, the graph has no
        positions: Pajek's x, y and z place a drawing on a sheet, and are kept as ``drawing_x``, ...
    radius : str
        The vertex attribute that holds the radius in the unit of the positions, where there are positions.
    units, voxel_size_um
        Unit of the positions; must be stated where there are positions.
    edge_type : str
        Type of the edges. If the file has arcs beside edges, those are of the type ``<edge_type>_arc``.
    group : str
        Path of the group in the record.

    Returns
    -------
    xarray.DataTree
        One graph; node ids are the file's numbers, which count from 1.

    Raises
    ------
    UsageError
        When the unit of the positions is not stated.
    FormatError
        When a line is not as described; the place is the line.
    TruncatedError
        When the file ends before its vertices or edges do.
    """
    if len(paths) != 1:
        raise UsageError("one file is one network", subject="pajek", found=f"{len(paths)} files")
    path = paths[0]
    network = _parse(path)
    notes = unfinished(path)
    # Rows in the order of the file; ends as rows.
    row = np.empty(network.n_vertices + 1, dtype=np.int64)
    row[network.number] = np.arange(network.n_vertices)
    source, target = (row[np.array(ends, dtype=np.int64)] for ends in (network.source, network.target))
    arcs_only = all(network.arc)
    kinds = [f"{edge_type}_arc" if arc and not arcs_only else edge_type for arc in network.arc]
    types = {
        kind: {**UNDIRECTED, "weight_meaning": "not stated in the file", "directed": network.arc[kinds.index(kind)]}
        for kind in dict.fromkeys(kinds)
    } or {edge_type: dict(UNDIRECTED)}
    edges = _edge_columns(network)
    attributes = {name for item in network.attributes for name in item}
    nodes: dict[str, xr.Variable] = {}
    if position in attributes:
        places = _positions(path, network, position)
        unit, attrs = stated_units(units, voxel_size_um, n_axes=places.shape[1], subject=str(path))
        message = f"the file does not say what the numbers of {position!r} are; kept in their order as x, y, z"
        notes.append(warning("axis-order-not-documented", path.name, message))
        if radius in attributes:
            nodes["radius"] = _radius(path, network, radius, unit)
    elif units or voxel_size_um:
        raise UsageError(
            "no vertex has a position", subject=str(path), place="option units", found=f"no attribute {position}"
        )
    left = [name for name in _order(network.attributes) if name != position and not (name == radius and nodes)]
    renamed = {name: f"drawing_{name}" if name in _DRAWING else name for name in left}
    stored = node_column_names(renamed.values(), {*edges, *nodes, "label"})
    cells = {renamed[name]: [item.get(name) for item in network.attributes] for name in left}
    nodes |= text_columns("node", cells, stored, dict.fromkeys(map("drawing_{}".format, _DRAWING), "1"))
    nodes["label"] = column("node", network.label, "Label of the vertex")
    common: dict[str, Any] = {
        "node": np.array(network.number, dtype=np.int64),
        "source": source,
        "target": target,
        "edge_type": kinds or edge_type,
        "edge_types": types,
        "nodes": nodes,
        "edges": edges,
    }
    if position in attributes:
        dataset = spatial_graph(position=places, position_units=unit, subject=str(path), **common, **attrs)
    else:
        dataset = graph(**common)
    return record({group: dataset}, warnings=notes, title=path.stem)


def _parse(path: Path) -> _Network:
    network = _Network()
    section = ""
    lines = read_lines(path)
    for at, line in enumerate(lines, start=1):
        text, place = line.strip(), f"line {at}"
        if not text or text.startswith("%"):
            continue
        if text.startswith("*"):
            section = _open_section(path, place, text, network, len(lines))
        elif section == "vertices":
            _vertex(path, place, text, network)
        elif section in _LISTS:
            _edge(path, place, text, network, arc=_LISTS[section])
        else:
            raise FormatError(
                "text before the vertices", subject=str(path), place=place, expected="*vertices N", found=text[:80]
            )
    if network.n_vertices < 0:
        raise FormatError("no list of vertices", subject=str(path), expected="*vertices N", found="none")
    _require_all_vertices(path, network)
    if section == "vertices":
        raise TruncatedError(
            "no list of edges",
            subject=str(path),
            place=f"line {len(lines)}",
            expected="*edges or *arcs",
            found="the end",
        )
    return network


def _open_section(path: Path, place: str, text: str, network: _Network, n_lines: int) -> str:
    match = _HEADER.fullmatch(text)
    word = match["word"].lower() if match else ""
    if word == "network" and network.n_vertices < 0:
        return ""
    if word == "vertices" and match and network.n_vertices < 0:
        counts = match["rest"].split()
        if len(counts) != 1 or not counts[0].isascii() or not counts[0].isdigit():
            raise FormatError(
                "not a number of vertices", subject=str(path), place=place, expected="*vertices N", found=text[:80]
            )
        # Before anything is made of that size: every vertex has a line of its own.
        if len(counts[0]) > 18 or int(counts[0]) > n_lines:
            raise TruncatedError(
                "more vertices than lines", subject=str(path), place=place, expected=f"{counts[0][:30]} vertices",
                found=f"{n_lines} lines",
            )  # fmt: skip
        network.n_vertices = int(counts[0])
        return word
    if word in _LISTS and network.n_vertices >= 0 and not (match and match["rest"].strip()):
        return word
    raise FormatError(
        "a section that is not read",
        subject=str(path),
        place=place,
        expected="*vertices once, then *edges and *arcs of one relation",
        found=text[:80],
    )


def _tokens(path: Path, place: str, text: str) -> list[str]:
    found = _TOKEN.findall(text)
    if text.count('"') % 2:
        raise FormatError("a quotation mark without its other", subject=str(path), place=place, found=text[:120])
    return [quoted or plain for quoted, plain in found]


def _vertex(path: Path, place: str, text: str, network: _Network) -> None:
    tokens = _tokens(path, place, text)
    number = whole(tokens[0], path, place, "the number of a vertex")
    if not 1 <= number <= network.n_vertices:
        raise FormatError(
            "a vertex has a number beyond the list", subject=str(path), place=place,
            expected=f"1 to {network.n_vertices}", found=str(number),
        )  # fmt: skip
    rest = tokens[2:]
    attributes: dict[str, str] = {}
    for name in _DRAWING:
        if not rest or not _is_number(rest[0]):
            break
        attributes[name] = rest.pop(0)
    if len(rest) % 2:
        attributes["shape"] = rest.pop(0)
    for name, value in zip(rest[::2], rest[1::2], strict=True):
        if name in attributes:
            raise FormatError("an attribute stands twice", subject=str(path), place=place, found=name)
        attributes[name] = value
    network.number.append(number)
    network.label.append(tokens[1] if len(tokens) > 1 else str(number))
    network.attributes.append(attributes)
    network.place.append(place)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _edge(path: Path, place: str, text: str, network: _Network, *, arc: bool) -> None:
    tokens = _tokens(path, place, text)
    if len(tokens) < 2:
        raise FormatError(
            "an edge without two ends", subject=str(path), place=place, expected="i j weight", found=text[:80]
        )
    for end, ends in zip(tokens[:2], (network.source, network.target), strict=True):
        number = whole(end, path, place, "the end of an edge")
        if not 1 <= number <= network.n_vertices:
            raise FormatError(
                "an edge ends at a vertex that is not listed", subject=str(path), place=place,
                expected=f"1 to {network.n_vertices}", found=str(number),
            )  # fmt: skip
        ends.append(number)
    rest = tokens[2:]
    weight = rest.pop(0) if len(rest) % 2 else ""
    if weight:
        finite(weight, path, place, "the weight of an edge")
    network.weight.append(weight)
    network.edge_attributes.append(dict(zip(rest[::2], rest[1::2], strict=True)))
    network.arc.append(arc)


def _require_all_vertices(path: Path, network: _Network) -> None:
    listed = np.bincount(np.array(network.number, dtype=np.int64), minlength=network.n_vertices + 1)[1:]
    if (listed > 1).any():
        twice = int(np.flatnonzero(listed > 1)[0]) + 1
        where = [place for number, place in zip(network.number, network.place, strict=True) if number == twice]
        raise FormatError(
            "a vertex is listed twice", subject=str(path), place=where[1], found=f"{twice}, also in {where[0]}"
        )
    if len(network.number) != network.n_vertices:
        raise TruncatedError(
            "vertices are missing",
            subject=str(path),
            expected=f"{network.n_vertices} vertices",
            found=f"{len(network.number)}; the first that is missing is {int(np.flatnonzero(listed == 0)[0]) + 1}",
        )


def _positions(path: Path, network: _Network, name: str) -> np.ndarray[Any, Any]:
    found: list[list[float]] = []
    for place, attributes in zip(network.place, network.attributes, strict=True):
        text = attributes.get(name, "")
        parts = text.removeprefix("[").removesuffix("]").replace(",", " ").split()
        if len(parts) not in {2, 3} or (found and len(parts) != len(found[0])):
            raise FormatError(
                "not a position", subject=str(path), place=f"{place}, attribute {name}",
                expected='"[a b c]", as many numbers for every vertex', found=repr(text[:80]),
            )  # fmt: skip
        found.append([finite(part, path, f"{place}, attribute {name}", "a position") for part in parts])
    return np.array(found, dtype=np.float64)


def _radius(path: Path, network: _Network, name: str, units: str) -> xr.Variable:
    values = [
        finite(attributes[name], path, f"{place}, attribute {name}", "a radius") if name in attributes else np.nan
        for place, attributes in zip(network.place, network.attributes, strict=True)
    ]
    return column("node", np.array(values), "Radius", units, comment=f"attribute {name} of the file")


def _order(attributes: Sequence[Mapping[str, str]]) -> list[str]:
    return list(dict.fromkeys(name for item in attributes for name in item))


def _edge_columns(network: _Network) -> dict[str, xr.Variable]:
    columns: dict[str, xr.Variable] = {}
    if any(network.weight):
        values, missing = typed_cells(network.weight)
        columns["weight"] = column(
            "edge", values if missing is None else np.where(missing, np.nan, values), "Weight as given by the file", "1"
        )
    names = _order(network.edge_attributes)
    stored = edge_column_names(names, {"weight"})
    cells = {name: [item.get(name) for item in network.edge_attributes] for name in names}
    return columns | text_columns("edge", cells, stored, {})
