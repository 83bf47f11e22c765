"""VTK XML files of lines: PolyData (``.vtp``) and UnstructuredGrid (``.vtu``).

Arrays are text, base64 beside their element, or one appended block (base64 or raw bytes), plain or in zlib blocks, with
lengths of 32 or 64 bits in either byte order (Kitware, "VTK XML File Formats"). The XML has no business with document
types or entities: both are refused. Every length is checked against the bytes that are there before anything is made.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import numpy as np

from connectome.errors import FormatError, TruncatedError, UnsafeError

from ..files.one_path import one_file
from .vtk_blocks import short, unpack
from .vtk_mesh import CELL_SHAPES, LINE, VERTEX, Mesh, check_rows, mesh_record

if TYPE_CHECKING:
    import xarray as xr

    from ..graphs.polylines import Tolerance
    from ..graphs.position_units import VoxelSize

__all__ = ["read", "sniff"]

Array = np.ndarray[Any, Any]
TYPES = {
    "Int8": "i1", "UInt8": "u1", "Int16": "i2", "UInt16": "u2", "Int32": "i4", "UInt32": "u4", "Int64": "i8",
    "UInt64": "u8", "Float32": "f4", "Float64": "f8",
}  # fmt: skip
APPENDED = re.compile(rb"<AppendedData\s+encoding\s*=\s*[\"'](raw|base64)[\"']\s*>\s*_")
DATASETS = ("PolyData", "UnstructuredGrid")


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
        As for :func:`connectome.pipelines.formats.vessels.vtk_legacy.read`.

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
        block, coded = "".join((element.text or "").split()).encode("ascii", "replace"), True
    elif form == "appended" and file.appended is not None:
        offset = _count(file, element, "offset", place)
        if offset > len(file.appended):
            raise short(file.subject, place, f"appended data up to byte {offset}", f"{len(file.appended)} bytes")
        block, coded = file.appended[offset:], not file.raw
    else:
        found = f"{form}, {'no ' if file.appended is None else ''}appended data"
        expected = "ascii, binary or appended"
        raise FormatError("an array is not there", subject=file.subject, place=place, expected=expected, found=found)
    raw = unpack(
        block,
        count * dtype.itemsize,
        header=file.header,
        packed=file.packed,
        coded=coded,
        subject=file.subject,
        place=place,
    )
    return np.frombuffer(raw, dtype, count).astype(dtype.newbyteorder("="))


def _from_text(file: _File, text: str, count: int, dtype: np.dtype[Any], place: str) -> Array:
    words = text.split()
    if len(words) != count:
        raise short(file.subject, place, f"{count} numbers", f"{len(words)} numbers")
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
