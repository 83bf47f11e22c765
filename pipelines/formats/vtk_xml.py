"""VTK XML files of lines: PolyData (``.vtp``) and UnstructuredGrid (``.vtu``).

Arrays are text, base64 beside their element, or one appended block (base64 or raw bytes), plain or in zlib blocks, with
lengths of 32 or 64 bits in either byte order (Kitware, "VTK XML File Formats"). The XML has no business with document
types or entities: both are refused. Every length is checked against the bytes that are there before anything is made.
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import numpy as np

from connectome.errors import FormatError, TruncatedError, UnsafeError

from .vtk_legacy import one_file
from .vtk_mesh import CELL_SHAPES, LINE, VERTEX, Mesh, check_rows, mesh_record

if TYPE_CHECKING:
    import xarray as xr

    from .polylines import Tolerance
    from .position_units import VoxelSize

__all__ = ["read", "sniff"]

Array = np.ndarray[Any, Any]
TYPES = {
    "Int8": "i1", "UInt8": "u1", "Int16": "i2", "UInt16": "u2", "Int32": "i4", "UInt32": "u4", "Int64": "i8",
    "UInt64": "u8", "Float32": "f4", "Float64": "f8",
}  # fmt: skip
APPENDED = re.compile(rb"<AppendedData\s+encoding\s*=\s*[\"'](raw|base64)[\"']\s*>\s*_")
DATASETS = ("PolyData", "UnstructuredGrid")
MOST_EXPANSION = 1100
"""zlib makes at most 1032 bytes of one (RFC 1951: 258 bytes from two bits, less the block's head)."""


def sniff(path: Path) -> bool:
    """Tell whether the file starts as VTK XML of points and cells does."""
    with path.open("rb") as stream:
        head = stream.read(2048)
    return re.search(rb"<VTKFile\s[^>]*type\s*=\s*[\"'](PolyData|UnstructuredGrid)[\"']", head) is not None


def read(
    paths: Sequence[Path],
    *,
    units: str = "",
    voxel_size_um: VoxelSize = "",
    edges: str = "lines",
    merge_points: Tolerance = "none",
    group: str = "vessels",
    missing: str = "",
) -> xr.DataTree:
    """Read a file of lines.

    Parameters
    ----------
    paths : sequence of pathlib.Path
        One file.
    units, voxel_size_um, edges, merge_points, group, missing
        As for :func:`connectome.pipelines.formats.vtk_legacy.read`.

    Returns
    -------
    xarray.DataTree
        The graph; cell arrays are edge columns, point arrays node columns and, with polylines, ``point_`` columns.

    Raises
    ------
    UsageError
        When the unit is not stated, or an option is none of its values.
    FormatError
        When the file is not what the format demands; ``TruncatedError`` when it ends early, ``UnsafeError`` when it
        declares a document type.
    """
    path = one_file(paths)
    mesh = _mesh(_open(path))
    return mesh_record(
        mesh,
        units=units,
        voxel_size_um=voxel_size_um,
        edges=edges,
        merge_points=merge_points,
        group=group,
        missing=missing,
        subject=path,
    )


class _NoDocumentType(ET.TreeBuilder):
    """Builds a tree, and refuses a document type before its first entity is read."""

    def doctype(self, name: str, _public: str | None, _system: str | None) -> None:
        raise UnsafeError("the XML declares a document type", subject="", found=name)


@dataclass(frozen=True)
class _File:
    subject: str
    root: ET.Element
    order: str
    """``<`` or ``>``."""
    header: str
    """dtype of lengths."""
    packed: bool
    appended: bytes | None
    raw: bool


def _open(path: Path) -> _File:
    data, subject = path.read_bytes(), str(path)
    if not data:
        raise TruncatedError("the file is empty", subject=subject, expected="VTK XML", found="0 bytes")
    text, appended, raw = data, None, False
    found = APPENDED.search(data)
    if found is not None:
        stop = data.rfind(b"</AppendedData>")
        if stop < found.end():
            raise TruncatedError(
                "the appended data do not end", subject=subject, place=f"byte {len(data)}", expected="</AppendedData>"
            )
        appended, raw = data[found.end() : stop], found[1] == b"raw"
        # What is between is not text.
        text = data[: found.start()] + data[stop + len(b"</AppendedData>") :]
    # The parser refuses document types: nothing is expanded, nothing else is read.
    parser = ET.XMLParser(target=_NoDocumentType())  # noqa: S314 - no document types
    try:
        parser.feed(text)
        root = parser.close()
    except UnsafeError as error:
        raise UnsafeError(error.message, subject=subject, found=error.found) from None
    except ET.ParseError as error:
        kind = TruncatedError if "no element" in str(error) or "unclosed" in str(error) else FormatError
        raise kind(
            "not whole XML", subject=subject, place=f"line {error.position[0]}", found=str(error).split(":")[0]
        ) from None
    if root.tag != "VTKFile" or root.get("type") not in DATASETS:
        raise FormatError(
            "not a set of lines",
            subject=subject,
            place="first element",
            expected="VTKFile of type PolyData or UnstructuredGrid",
            found=f"{root.tag} of type {root.get('type')}",
        )
    order = {"LittleEndian": "<", "BigEndian": ">"}.get(root.get("byte_order", ""))
    header = {"UInt32": "u4", "UInt64": "u8"}.get(root.get("header_type", "UInt32"))
    packer = root.get("compressor", "")
    if order is None or header is None or packer not in {"", "vtkZLibDataCompressor"}:
        raise FormatError(
            "the data are packed in a way that is not read",
            subject=subject,
            place="VTKFile",
            expected="byte_order LittleEndian or BigEndian, header_type UInt32 or UInt64, vtkZLibDataCompressor",
            found=", ".join(str(root.get(name)) for name in ("byte_order", "header_type", "compressor")),
        )
    return _File(subject, root, order, order + header, bool(packer), appended, raw)


def _mesh(file: _File) -> Mesh:
    kind = str(file.root.get("type"))
    body = file.root.find(kind)
    pieces = [] if body is None else body.findall("Piece")
    if not pieces:
        raise FormatError("the file has no piece", subject=file.subject, place=kind, expected="Piece", found="none")
    meshes = [_piece(file, piece, f"piece {at}" if len(pieces) > 1 else "") for at, piece in enumerate(pieces)]
    if len({(tuple(mesh.points), tuple(mesh.cells)) for mesh in meshes}) > 1:
        raise FormatError("the pieces hold different arrays", subject=file.subject, place=kind)
    fields = {}
    data = body.find("FieldData") if body is not None else None
    for element in data if data is not None else ():
        count = _count(file, element, "NumberOfTuples", "field data") * _components(file, element)
        fields[str(element.get("Name"))] = _array(file, element, count, "field data")
    starts = np.cumsum([0, *(len(mesh.position) for mesh in meshes)])
    items = np.cumsum([0, *(len(mesh.vertex) for mesh in meshes)])
    return Mesh(
        np.concatenate([mesh.position for mesh in meshes]),
        np.concatenate([[0], *(mesh.cell_ptr[1:] + start for mesh, start in zip(meshes, items, strict=False))]),
        np.concatenate([mesh.vertex + start for mesh, start in zip(meshes, starts, strict=False)]),
        np.concatenate([mesh.shape for mesh in meshes]),
        {name: np.concatenate([mesh.points[name] for mesh in meshes]) for name in meshes[0].points},
        {name: np.concatenate([mesh.cells[name] for mesh in meshes]) for name in meshes[0].cells},
        fields,
    )


def _piece(file: _File, piece: ET.Element, where: str) -> Mesh:
    n_points = _count(file, piece, "NumberOfPoints", where)
    places = piece.find("Points")
    element = places.find("DataArray") if places is not None else None
    if element is None:
        raise FormatError("the piece has no points", subject=file.subject, place=where or "Piece", expected="Points")
    position = _array(file, element, 3 * n_points, "Points").reshape(-1, 3)
    pointers, shapes = [np.zeros(1, dtype=np.int64)], []
    vertices: list[Array] = []
    if file.root.get("type") == "PolyData":
        for name in ("Strips", "Polys"):
            if _count(file, piece, f"NumberOf{name}", where, 0):
                raise FormatError("a surface, not lines", subject=file.subject, place=name, expected="Lines")
        parts = [("Verts", VERTEX), ("Lines", LINE)]
    else:
        parts = [("Cells", LINE)]
    for name, shape in parts:
        n_cells = _count(file, piece, f"NumberOf{name}", where, 0 if name != "Cells" else None)
        pointer, vertex, types = _cells(file, piece.find(name), n_cells, n_points, name)
        pointers.append(pointer[1:] + sum(len(part) for part in vertices))
        vertices.append(vertex)
        shapes.append(types if types is not None else np.full(n_cells, shape))
    shape_of = np.concatenate(shapes)
    arrays = []
    for name, n_rows in (("PointData", n_points), ("CellData", len(shape_of))):
        held: dict[str, Array] = {}
        data = piece.find(name)
        for at, child in enumerate(data if data is not None else ()):
            label = str(child.get("Name") or f"{name} {at}")
            if label in held:
                raise FormatError("two arrays of one name", subject=file.subject, place=f"{name} {label}")
            width = _components(file, child)
            values = _array(file, child, n_rows * width, f"{name} {label}")
            held[label] = values if width == 1 else values.reshape(n_rows, width)
        check_rows(held, n_rows, name, file.subject)
        arrays.append(held)
    return Mesh(position, np.concatenate(pointers), np.concatenate(vertices), shape_of, *arrays)


def _cells(
    file: _File, parent: ET.Element | None, n_cells: int, n_points: int, name: str
) -> tuple[Array, Array, Array | None]:
    """Return where each cell starts, the points of cells and, for a grid, the shapes."""
    nothing = np.zeros(1, dtype=np.int64), np.zeros(0, dtype=np.int64), None
    if not n_cells:
        return nothing
    arrays = {str(child.get("Name")): child for child in (parent if parent is not None else ())}
    for wanted in ("offsets", "connectivity", *(("types",) if name == "Cells" else ())):
        if wanted not in arrays:
            raise FormatError("cells without their arrays", subject=file.subject, place=name, expected=wanted)
    ends = _array(file, arrays["offsets"], n_cells, f"{name} offsets").astype(np.int64)
    if ends[0] < 0 or (np.diff(ends) < 0).any():
        raise FormatError("the offsets of cells fall", subject=file.subject, place=f"{name} offsets")
    vertex = _array(file, arrays["connectivity"], int(ends[-1]), f"{name} connectivity").astype(np.int64)
    if len(vertex) and (vertex.min() < 0 or vertex.max() >= n_points):
        at = int(np.flatnonzero((vertex < 0) | (vertex >= n_points))[0])
        raise FormatError(
            "a line goes through a point that is not there",
            subject=file.subject,
            place=f"{name} connectivity, number {at} (from 0)",
            expected=f"points from 0 to {n_points - 1}",
            found=str(int(vertex[at])),
        )
    shapes = None
    if name == "Cells":
        types = _array(file, arrays["types"], n_cells, "Cells types")
        others = sorted(set(np.unique(types).tolist()) - set(CELL_SHAPES))
        if others:
            raise FormatError(
                "a mesh, not lines",
                subject=file.subject,
                place="Cells types",
                expected="1 to 4 (vertices and lines)",
                found=", ".join(map(str, others)),
            )
        shapes = np.array([CELL_SHAPES.get(code, VERTEX) for code in range(5)])[types]
    return np.append(np.zeros(1, dtype=np.int64), ends), vertex, shapes


def _count(file: _File, element: ET.Element, name: str, where: str, default: int | None = None) -> int:
    text = element.get(name, "" if default is None else str(default)).strip()
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise FormatError(
            "a count is missing",
            subject=file.subject,
            place=f"{where} {element.tag}".strip(),
            expected=f"{name}, a whole number",
            found=repr(text[:40]),
        )
    return int(text)


def _components(file: _File, element: ET.Element) -> int:
    width = _count(file, element, "NumberOfComponents", "", 1)
    if width < 1:
        raise FormatError("an array has no components", subject=file.subject, place=str(element.get("Name")))
    return width


def _array(file: _File, element: ET.Element, count: int, place: str) -> Array:
    """Return the numbers of an element, exactly as many as the file says elsewhere."""
    kind = TYPES.get(str(element.get("type")))
    if kind is None:
        raise FormatError(
            "an array does not hold numbers",
            subject=file.subject,
            place=place,
            expected=", ".join(TYPES),
            found=f"{element.tag} of type {element.get('type')}",
        )
    form = element.get("format", "ascii")
    dtype = np.dtype(file.order + kind)
    if form == "ascii":
        return _from_text(file, element.text or "", count, dtype, place)
    if form == "binary":
        block, base64_text = "".join((element.text or "").split()).encode("ascii", "replace"), True
    elif form == "appended" and file.appended is not None:
        offset = _count(file, element, "offset", place)
        if offset > len(file.appended):
            raise _short(file, place, f"appended data up to byte {offset}", f"{len(file.appended)} bytes")
        block, base64_text = file.appended[offset:], not file.raw
    else:
        found = f"{form}, {'no ' if file.appended is None else ''}appended data"
        expected = "ascii, binary or appended"
        raise FormatError("an array is not there", subject=file.subject, place=place, expected=expected, found=found)
    stream = _Base64(file, block, place) if base64_text else _Raw(file, block, place)
    return np.frombuffer(_unpack(file, stream, count * dtype.itemsize, place), dtype, count).astype(
        dtype.newbyteorder("=")
    )


def _from_text(file: _File, text: str, count: int, dtype: np.dtype[Any], place: str) -> Array:
    words = text.split()
    if len(words) != count:
        raise _short(file, place, f"{count} numbers", f"{len(words)} numbers")
    native = dtype.newbyteorder("=")
    try:
        if "_" in text:
            raise ValueError
        if native.kind == "f":
            return np.array(words, dtype=np.float64).astype(native)
        whole = [int(word) for word in words]
        limits = np.iinfo(native)
        if whole and (min(whole) < limits.min or max(whole) > limits.max):
            raise ValueError
        return np.array(whole, dtype=native)
    except ValueError:
        raise FormatError(
            "not numbers of their type", subject=file.subject, place=place, expected=str(native), found="other text"
        ) from None


def _short(file: _File, place: str, expected: str, found: str) -> FormatError:
    return TruncatedError(
        "an array is not as long as the file says", subject=file.subject, place=place, expected=expected, found=found
    )


class _Raw:
    """Bytes one after another."""

    def __init__(self, file: _File, block: bytes, place: str) -> None:
        self.file, self.block, self.place, self.at = file, block, place, 0

    def take(self, n_bytes: int) -> bytes:
        """Return the next bytes."""
        if n_bytes > len(self.block) - self.at:
            raise _short(self.file, self.place, f"{n_bytes} bytes", f"{len(self.block) - self.at} bytes")
        self.at += n_bytes
        return self.block[self.at - n_bytes : self.at]

    def head(self, n_bytes: int) -> bytes:
        """Return the next bytes, which are a head of their own."""
        return self.take(n_bytes)

    def start(self) -> None:
        """Begin what follows the heads."""


class _Base64:
    """Bytes in base64; heads may be encoded alone or together with what follows."""

    def __init__(self, file: _File, block: bytes, place: str) -> None:
        self.file, self.block, self.place = file, block, place
        self.from_char, self.skip = 0, 0
        self.heads = 0

    def _decode(self, n_bytes: int) -> bytes:
        n_chars = (n_bytes + 2) // 3 * 4
        chars = self.block[self.from_char : self.from_char + n_chars]
        if len(chars) < n_chars:
            raise _short(self.file, self.place, f"{n_chars} characters of base64", f"{len(chars)} characters")
        try:
            return base64.b64decode(chars, validate=True)
        except binascii.Error:
            raise FormatError(
                "not base64", subject=self.file.subject, place=self.place, found=repr(chars[:40].decode("latin-1"))
            ) from None

    def head(self, n_bytes: int) -> bytes:
        """Return more of the head; it is read from its start again, since characters hold parts of bytes."""
        self.heads += n_bytes
        whole = self._decode(self.heads)
        if len(whole) < self.heads:
            raise _short(self.file, self.place, f"{self.heads} bytes of head", f"{len(whole)} bytes")
        return whole[self.heads - n_bytes : self.heads]

    def start(self) -> None:
        """Begin what follows the heads: after their own padding, or within the same characters."""
        n_chars = (self.heads + 2) // 3 * 4
        alone = self.heads % 3 == 0 or self.block[n_chars - 1 : n_chars] == b"="
        self.from_char, self.skip = (n_chars, 0) if alone else (0, self.heads)

    def take(self, n_bytes: int) -> bytes:
        """Return the next bytes; what was taken before is skipped."""
        whole = self._decode(self.skip + n_bytes)
        if len(whole) < self.skip + n_bytes:
            raise _short(self.file, self.place, f"{n_bytes} bytes", f"{len(whole) - self.skip} bytes")
        self.skip, start = self.skip + n_bytes, self.skip
        return whole[start : self.skip]


def _unpack(file: _File, stream: _Raw | _Base64, n_bytes: int, place: str) -> bytes:
    """Return the bytes of an array; raise unless they are as many as the file says elsewhere."""
    width = np.dtype(file.header).itemsize

    def lengths(count: int) -> list[int]:
        return [int(value) for value in np.frombuffer(stream.head(count * width), file.header)]

    if not file.packed:
        (claimed,) = lengths(1)
        if claimed != n_bytes:
            raise _short(file, place, f"{n_bytes} bytes", f"{claimed} bytes")
        stream.start()
        return stream.take(n_bytes)
    (n_blocks,) = lengths(1)
    if n_blocks == 0 and n_bytes == 0:
        return b""
    size, last = lengths(2)
    whole = n_blocks * size if last == 0 else (n_blocks - 1) * size + last
    if whole != n_bytes:
        raise _short(file, place, f"{n_bytes} bytes", f"{whole} bytes in {n_blocks} blocks")
    packed = lengths(n_blocks)
    if n_bytes > MOST_EXPANSION * max(1, len(stream.block)):
        raise _short(file, place, f"{n_bytes} bytes", f"{len(stream.block)} bytes to unpack them from")
    stream.start()
    data = stream.take(sum(packed))
    parts, at = [], 0
    for number, length in enumerate(packed):
        wanted = last if last and number == n_blocks - 1 else size
        engine = zlib.decompressobj()
        try:
            part = engine.decompress(data[at : at + length], wanted + 1)
        except zlib.error as error:
            raise FormatError(
                "a block cannot be unpacked", subject=file.subject, place=f"{place}, block {number}", found=str(error)
            ) from None
        if len(part) != wanted or not engine.eof:
            raise _short(file, f"{place}, block {number}", f"{wanted} bytes", f"{len(part)} bytes or more")
        parts.append(part)
        at += length
    return b"".join(parts)
