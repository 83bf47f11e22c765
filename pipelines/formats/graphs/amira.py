"""AmiraMesh files of spatial graphs: vertices, edges between them, points along the edges.

No specification is public; the layout is the one that Amira and Avizo write and that their readers agree on: a first
line that names the coding, ``define VERTEX n``, ``Parameters {...}``, declarations such as
``EDGE { int[2] EdgeConnectivity } @2``, and a block per declaration that starts with its ``@2``. Text and binary of
either byte order, blocks as they are or in zlib (``HxZip``); run-length coding (``HxByteRLE``) is refused. Needed are
``VertexCoordinates``, ``EdgeConnectivity``, ``NumEdgePoints`` and ``EdgePointCoordinates``; other arrays are columns.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome import schema
from connectome.errors import FormatError, UsageError
from connectome.schema import column, warning

from ...homogenise.spatial_graph import UNDIRECTED, spatial_graph
from ..files.number_stream import NumberStream
from ..files.one_path import one_file
from ..tables.array_columns import RESERVED, column_names, describe
from .polylines import GROUPS
from .position_units import VoxelSize, stated_units

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["read", "sniff"]

Array = np.ndarray[Any, Any]
FIRST_LINE = re.compile(rb"#\s*(?:AmiraMesh|Avizo)\s+(?:3D\s+)?(ASCII|BINARY-LITTLE-ENDIAN|BINARY)\b")
DEFINE = re.compile(r"^\s*define\s+(\w+)\s+(\d{1,18})\s*$", re.MULTILINE)
DECLARATION = re.compile(
    r"^\s*(\w+)\s*\{\s*(\w+)\s*(?:\[\s*(\d{1,9})\s*\])?\s+(\w+)\s*\}\s*=?\s*@(\d{1,9})\s*(?:\((\w+)\s*,\s*(\d{1,18})\s*\))?",
    re.MULTILINE,
)
KINDS = {
    "byte": "u1", "short": "i2", "ushort": "u2", "int": "i4", "int32": "i4", "uint": "u4", "float": "f4",
    "double": "f8",
}  # fmt: skip
NEEDED = {
    "VERTEX": {"VertexCoordinates": 3},
    "EDGE": {"EdgeConnectivity": 2, "NumEdgePoints": 1},
    "POINT": {"EdgePointCoordinates": 3},
}
"""Per domain the arrays that make a spatial graph, with their components."""
DIMS = {"VERTEX": "node", "EDGE": "edge", "POINT": "point"}
PREFIXES = {"VERTEX": "", "EDGE": "edge_", "POINT": "point_"}
THICKNESS = "thickness"
MOST_EXPANSION = 1100
"""zlib makes at most 1032 bytes of one (RFC 1951)."""
MOST_PARAMETERS = 20_000
"""Characters of the parameters that are kept as an attribute."""


@dataclass(frozen=True)
class _Declaration:
    domain: str
    kind: str
    width: int
    name: str
    number: int
    coding: str
    n_bytes: int
    """Of the coded block."""


def sniff(path: Path) -> bool:
    """Tell whether an AmiraMesh file defines vertices and edges."""
    with path.open("rb") as stream:
        head = stream.read(1 << 16)
    found = set(re.findall(rb"define\s+(VERTEX|EDGE|POINT)\b", head))
    return FIRST_LINE.match(head) is not None and found == {b"VERTEX", b"EDGE", b"POINT"}


def read(
    paths: Sequence[Path],
    *,
    units: str = "",
    voxel_size_um: VoxelSize = "",
    thickness: str = "",
    group: str = "vessels",
) -> xr.DataTree:
    """Read a spatial graph.

    Parameters
    ----------
    paths : sequence of pathlib.Path
        One file.
    units : str
        Unit of positions, and of arrays named radius, diameter, thickness or length: ``um``, ``mm``, ``voxel``, ...
        Demanded. A ``TransformationMatrix`` among the parameters is kept and not applied.
    voxel_size_um : str or float
        With voxels: their edge in um, one number or ``x,y,z``.
    thickness : str
        ``radius`` or ``diameter``: what the array ``thickness`` holds. Demanded where there is one; the column has
        that name.
    group : str
        ``vessels`` or ``connectome``.

    Returns
    -------
    xarray.DataTree
        One graph with a polyline per edge; ``point_`` columns lie along them.

    Raises
    ------
    UsageError
        When the unit or the meaning of the thickness is not stated, or an option is none of its values.
    FormatError
        When the file is not as described; ``TruncatedError`` when it ends early.
    """
    path = one_file(paths)
    if group not in GROUPS:
        raise UsageError("unknown group", subject="group", expected=" or ".join(GROUPS), found=group)
    counts, arrays, parameters = _Parser(path).parse()
    _check(counts, arrays, str(path))
    unit, space = stated_units(units, voxel_size_um, subject=str(path))
    taken = set(RESERVED)
    tables: dict[str, dict[str, xr.Variable]] = {"VERTEX": {}, "EDGE": {}, "POINT": {}}
    for domain, table in tables.items():
        held = {name: values for name, values in arrays[domain].items() if name not in NEEDED[domain]}
        said = {name: _stated(name, thickness, str(path)) for name in held}
        if len(set(said.values())) < len(said):
            raise FormatError("arrays of one name", subject=str(path), place=domain, found=", ".join(held))
        own = column_names(said.values(), taken, PREFIXES[domain], always=domain == "POINT")
        for name, values in held.items():
            stored = own[said[name]]
            table[stored] = describe(DIMS[domain], name, values, stored, unit)
    if thickness and not any(name.lower() == THICKNESS for held in arrays.values() for name in held):
        raise UsageError("the file has no thickness", subject=str(path), place="option thickness", found=thickness)
    point = arrays["POINT"]["EdgePointCoordinates"]
    pointer = np.zeros(counts["EDGE"] + 1, dtype=np.int64)
    np.cumsum(arrays["EDGE"]["NumEdgePoints"], out=pointer[1:])
    tables["POINT"]["point_position"] = column(
        ("point", "axis"), point, "Position along the edge", unit, axes=["x", "y", "z"]
    )
    position, ends = arrays["VERTEX"]["VertexCoordinates"], arrays["EDGE"]["EdgeConnectivity"]
    doubts = _doubts(position, ends, point, pointer)
    attrs: dict[str, Any] = {"parameters": parameters} if parameters else {}
    if len(parameters) > MOST_PARAMETERS:
        attrs = {}
        doubts.append(warning("parameters", "Parameters", f"a block of {len(parameters)} characters is left out"))
    graph = spatial_graph(
        node=np.arange(counts["VERTEX"], dtype=np.int64),
        position=position,
        position_units=unit,
        source=ends[:, 0],
        target=ends[:, 1],
        edge_type=GROUPS[group],
        edge_types={GROUPS[group]: {**UNDIRECTED, "direction": "from the first vertex of the edge to its second"}},
        nodes=tables["VERTEX"],
        edges=tables["EDGE"],
        point_ptr=pointer,
        points=tables["POINT"],
        subject=str(path),
        **space,
        **attrs,
    )
    return schema.record({group: graph}, warnings=doubts)


def _stated(name: str, thickness: str, subject: str) -> str:
    """Return what an array is called, with the thickness under the name of what it is."""
    if name.lower() != THICKNESS:
        return name
    if thickness not in {"radius", "diameter"}:
        raise UsageError(
            "the meaning of the thickness must be stated: the file does not say it" if not thickness else "unknown",
            subject=subject,
            place="option thickness",
            expected="radius or diameter",
            found=thickness or "nothing",
            hint="--option thickness=radius",
        )
    return thickness


def _check(counts: dict[str, int], arrays: dict[str, dict[str, Array]], subject: str) -> None:
    for domain, needed in NEEDED.items():
        for name, width in needed.items():
            values = arrays[domain].get(name)
            kind = "f" if width == 3 else "iu"
            found = "nothing" if values is None else f"{values.shape} of {values.dtype}"
            if values is None or values.dtype.kind not in kind or values.shape[1:] != ((width,) if width > 1 else ()):
                raise FormatError(
                    "not a spatial graph",
                    subject=subject,
                    place=f"{domain} {name}",
                    expected=f"{width} {'floats' if width == 3 else 'whole numbers'} per row",
                    found=found,
                )
    ends, along = arrays["EDGE"]["EdgeConnectivity"], arrays["EDGE"]["NumEdgePoints"].astype(np.int64)
    outside = np.flatnonzero(((ends < 0) | (ends >= counts["VERTEX"])).any(axis=1))
    if len(outside):
        raise FormatError(
            "an edge ends at a vertex that is not there",
            subject=subject,
            place=f"EdgeConnectivity, row {int(outside[0])} (from 0)",
            expected=f"vertices from 0 to {counts['VERTEX'] - 1}",
            found=str(ends[outside[0]].tolist()),
        )
    if (along < 0).any() or along.sum() != counts["POINT"]:
        raise FormatError(
            "the points of the edges are not those of the file",
            subject=subject,
            place="NumEdgePoints",
            expected=f"{counts['POINT']} points in all",
            found=str(along.sum()),
        )
    for domain, name in (("VERTEX", "VertexCoordinates"), ("POINT", "EdgePointCoordinates")):
        bad = np.flatnonzero(~np.isfinite(arrays[domain][name]).all(axis=1))
        if len(bad):
            raise FormatError(
                "a position is not finite",
                subject=subject,
                place=f"{name}, row {int(bad[0])} (from 0)",
                expected="finite numbers",
                found=str(arrays[domain][name][bad[0]].tolist()),
            )


def _doubts(position: Array, ends: Array, point: Array, pointer: Array) -> list[dict[str, str]]:
    """Say which polylines do not run from the first vertex of their edge to the second."""
    filled = np.diff(pointer) > 0
    first, last = point[pointer[:-1][filled]], point[pointer[1:][filled] - 1]
    here, there = position[ends[filled, 0]], position[ends[filled, 1]]
    forth = (first == here).all(axis=1) & (last == there).all(axis=1)
    back = ~forth & (first == there).all(axis=1) & (last == here).all(axis=1)
    doubts = []
    for code, number, message in (
        ("no-polyline", int((~filled).sum()), "edges without points"),
        ("polyline-reversed", int(back.sum()), "edges whose points run from the second vertex to the first"),
        ("polyline-apart", int((~forth & ~back).sum()), "edges whose points do not end at their vertices"),
    ):
        if number:
            doubts.append(warning(code, "EdgePointCoordinates", f"{message}: {number}"))
    return doubts


class _Parser:
    """The head of a file and its blocks."""

    def __init__(self, path: Path) -> None:
        self.stream = NumberStream(path, kinds=KINDS, order="<")
        match = FIRST_LINE.match(self.stream.data)
        if match is None:
            raise FormatError(
                "not an AmiraMesh file",
                subject=self.stream.subject,
                place="line 1",
                expected="# AmiraMesh 3D ASCII 2.0",
                found=repr(self.stream.data[:40]),
            )
        self.coding = match[1]

    def parse(self) -> tuple[dict[str, int], dict[str, dict[str, Array]], str]:
        """Return the number of rows of every domain, its arrays by name, and the text of the parameters."""
        head, parameters = self._head()
        counts: dict[str, int] = {}
        for domain, count in DEFINE.findall(head):
            if domain in counts:
                raise self.stream.wrong("a domain is defined twice", "one definition", domain, at=0)
            counts[domain] = int(count)
        if set(counts) != set(NEEDED):
            raise self.stream.wrong(
                "not a spatial graph", "define VERTEX, EDGE and POINT", ", ".join(sorted(counts)) or "nothing", at=0
            )
        declared: dict[int, _Declaration] = {}
        for domain, kind, width, name, number, coding, n_bytes in DECLARATION.findall(head):
            one = _Declaration(domain, kind, int(width or 1), name, int(number), coding, int(n_bytes or 0))
            if one.number in declared or domain not in counts or not one.width:
                raise self.stream.wrong("a declaration is not one of a graph", f"one of {list(counts)}", f"{one}", at=0)
            declared[one.number] = one
        arrays: dict[str, dict[str, Array]] = {domain: {} for domain in NEEDED}
        self.stream.binary = self.coding != b"ASCII"
        self.stream.order = ">" if self.coding == b"BINARY" else "<"
        left = dict(declared)
        while left:
            if not self.stream.peek(b"@"):
                where = "the end" if not self.stream.data[self.stream.at :].strip() else "something else"
                names = ", ".join(one.name for one in left.values())
                raise self.stream.wrong("blocks are missing", f"blocks of {names}", where, cut=where == "the end")
            words = self.stream.words()
            number = int(words[0][1:]) if len(words) == 1 and re.fullmatch(r"@\d{1,9}", words[0]) else -1
            if number not in left:
                raise self.stream.wrong("a block that was not declared, or twice", "@ and a number", words[0][:40])
            one = left.pop(number)
            if one.name in arrays[one.domain]:
                raise self.stream.wrong("two arrays of one name", "different names", one.name)
            arrays[one.domain][one.name] = self._block(one, counts[one.domain])
        if self.stream.data[self.stream.at :].strip():
            raise self.stream.wrong("something follows the last block", "the end", "more")
        return counts, arrays, parameters

    def _head(self) -> tuple[str, str]:
        """Return the text before the first block without the parameters, and the parameters."""
        data = self.stream.data
        start = re.search(rb"^\s*Parameters\s*\{", data, re.MULTILINE)
        first = re.search(rb"^[ \t]*@\d+[ \t\r]*$", data, re.MULTILINE)
        inner, stop = b"", 0
        if start is not None and (first is None or start.start() < first.start()):
            depth, quoted, stop = 1, False, start.end()
            while depth and stop < len(data):
                char = data[stop]
                quoted ^= char == ord('"')
                depth += 0 if quoted else (char == ord("{")) - (char == ord("}"))
                stop += 1
            if depth:
                raise self.stream.wrong("the parameters do not end", "}", "the end", at=start.start(), cut=True)
            inner = data[start.end() : stop - 1]
            first = re.compile(rb"^[ \t]*@\d+[ \t\r]*$", re.MULTILINE).search(data, stop)
        if first is None:
            raise self.stream.wrong("the file has no data", "@1", "the end", at=len(data), cut=True)
        head = (data[: start.start()] if start is not None and stop else b"") + data[stop : first.start()]
        self.stream.at = first.start()
        return head.decode("latin-1"), inner.decode("utf-8", "replace").strip()

    def _block(self, one: _Declaration, n_rows: int) -> Array:
        stream, what = self.stream, f"{one.name} (@{one.number})"
        count = n_rows * one.width
        if not one.coding:
            values = stream.numbers(count, one.kind, what)
        elif one.coding == "HxZip" and stream.binary and one.kind in KINDS:
            values = self._unzip(one, count, what)
        else:
            raise stream.wrong(f"{what} is coded in a way that is not read", "plain numbers or HxZip", one.coding)
        return values if one.width == 1 else values.reshape(n_rows, one.width)

    def _unzip(self, one: _Declaration, count: int, what: str) -> Array:
        stream = self.stream
        block = stream.data[stream.at : stream.at + one.n_bytes]
        dtype = np.dtype(stream.order + KINDS[one.kind])
        if len(block) < one.n_bytes or count * dtype.itemsize > MOST_EXPANSION * max(1, len(block)):
            raise stream.wrong(f"the file ends within {what}", f"{one.n_bytes} bytes", f"{len(block)}", cut=True)
        engine = zlib.decompressobj()
        try:
            data = engine.decompress(block, count * dtype.itemsize + 1)
        except zlib.error as error:
            raise stream.wrong(f"{what} cannot be unpacked", "zlib", str(error)) from None
        if len(data) != count * dtype.itemsize or not engine.eof:
            raise stream.wrong(f"{what} is not as long as declared", f"{count * dtype.itemsize} bytes", f"{len(data)}")
        stream.at += one.n_bytes
        return np.frombuffer(data, dtype).astype(dtype.newbyteorder("="))
