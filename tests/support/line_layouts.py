"""Writers of the layouts of lines: VTK in all its codings, AmiraMesh, gt. Written from the formats' descriptions."""

from __future__ import annotations

import base64
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
VTK_WORDS = {"f4": "float", "f8": "double", "i4": "int", "i8": "vtktypeint64", "u1": "unsigned_char", "i2": "short"}
XML_WORDS = {"f4": "Float32", "f8": "Float64", "i4": "Int32", "i8": "Int64", "u1": "UInt8", "i2": "Int16"}
AMIRA_WORDS = {"f4": "float", "f8": "double", "i4": "int", "u1": "byte", "i2": "short", "u2": "ushort"}


def kind(values: Array) -> str:
    return values.dtype.str[1:]


def text(values: Array) -> bytes:
    return " ".join(repr(value) for value in values.ravel().tolist()).encode() + b"\n"


def legacy_vtk(
    position: Array,
    lines: list[list[int]],
    *,
    points: dict[str, Array] | None = None,
    cells: dict[str, Array] | None = None,
    binary: bool = False,
    offsets: bool = False,
    grid: bool = False,
    scalars: bool = False,
) -> bytes:
    """Return a legacy VTK file; ``offsets`` for the layout of version 5.1, ``scalars`` for SCALARS instead of FIELD."""

    def block(values: Array) -> bytes:
        return values.astype(values.dtype.newbyteorder(">")).tobytes() + b"\n" if binary else text(values)

    parts = [b"# vtk DataFile Version %s\ngenerated\n" % (b"5.1" if offsets else b"3.0")]
    parts.append((b"BINARY" if binary else b"ASCII") + b"\n")
    parts.append(b"DATASET %s\n" % (b"UNSTRUCTURED_GRID" if grid else b"POLYDATA"))
    parts.append(f"POINTS {len(position)} {VTK_WORDS[kind(position)]}\n".encode() + block(position))
    word = "CELLS" if grid else "LINES"
    flat = [vertex for line in lines for vertex in line]
    if offsets:
        ends = np.cumsum([0, *map(len, lines)]).astype(np.int64)
        parts.append(f"{word} {len(ends)} {len(flat)}\nOFFSETS vtktypeint64\n".encode() + block(ends))
        parts.append(b"CONNECTIVITY vtktypeint64\n" + block(np.array(flat, dtype=np.int64)))
    else:
        runs = np.array([item for line in lines for item in (len(line), *line)], dtype=np.int32)
        parts.append(f"{word} {len(lines)} {len(runs)}\n".encode() + block(runs))
    if grid:
        types = np.array([3 if len(line) == 2 else 4 for line in lines], dtype=np.int32)
        parts.append(f"CELL_TYPES {len(lines)}\n".encode() + block(types))
    for section, arrays, count in (("POINT_DATA", points, len(position)), ("CELL_DATA", cells, len(lines))):
        if not arrays:
            continue
        parts.append(f"{section} {count}\n".encode())
        if not scalars:
            parts.append(f"FIELD FieldData {len(arrays)}\n".encode())
        for name, values in arrays.items():
            own, width = name.replace(" ", "%20"), 1 if values.ndim == 1 else values.shape[1]
            if scalars:
                parts.append(f"SCALARS {own} {VTK_WORDS[kind(values)]} {width}\nLOOKUP_TABLE default\n".encode())
            else:
                parts.append(f"{own} {width} {count} {VTK_WORDS[kind(values)]}\n".encode())
            parts.append(block(values))
    return b"".join(parts)


def xml_vtk(
    position: Array,
    lines: list[list[int]],
    *,
    points: dict[str, Array] | None = None,
    cells: dict[str, Array] | None = None,
    coding: str = "ascii",
    packed: bool = False,
    order: str = "<",
    header: str = "u4",
    grid: bool = False,
    block_bytes: int = 64,
    pieces: int = 1,
) -> bytes:
    """Return a VTK XML file; ``coding`` is ascii, binary, appended-base64, appended-raw or binary-apart."""
    appended = bytearray()

    def coded(values: Array) -> bytes:
        raw = values.astype(values.dtype.newbyteorder(order)).tobytes()
        number = np.dtype(order + header)
        if not packed:
            head, body = np.array([len(raw)], number).tobytes(), raw
        else:
            blocks = [raw[at : at + block_bytes] for at in range(0, len(raw), block_bytes)]
            squeezed = [zlib.compress(block) for block in blocks]
            last = len(raw) % block_bytes
            head = np.array([len(blocks), block_bytes, last, *map(len, squeezed)], number).tobytes()
            body = b"".join(squeezed)
        if coding == "appended-raw":
            return head + body
        apart = packed or coding == "binary-apart"
        return base64.b64encode(head) + base64.b64encode(body) if apart else base64.b64encode(head + body)

    def array(name: str, values: Array) -> str:
        width = "" if values.ndim == 1 else f' NumberOfComponents="{values.shape[1]}"'
        start = f'<DataArray type="{XML_WORDS[kind(values)]}" Name="{name}"{width}'
        if coding == "ascii":
            return f'{start} format="ascii">{text(values).decode()}</DataArray>\n'
        block = coded(values)
        if coding.startswith("binary"):
            return f'{start} format="binary">\n  {block.decode()}\n</DataArray>\n'
        offset = len(appended)
        appended.extend(block)
        return f'{start} format="appended" offset="{offset}"/>\n'

    def piece(chosen: list[list[int]], at: int) -> str:
        ends, flat = np.cumsum([len(line) for line in chosen]), [vertex for line in chosen for vertex in line]
        first = sum(len(part) for part in parts[:at])
        own = {name: values[first : first + len(chosen)] for name, values in (cells or {}).items()}
        where = "Cells" if grid else "Lines"
        types = np.array([3 if len(line) == 2 else 4 for line in chosen], dtype=np.uint8)
        count = f"NumberOf{where}"
        return "".join(
            (
                f'<Piece NumberOfPoints="{len(position)}" {count}="{len(chosen)}">\n<PointData>\n',
                *(array(name, values) for name, values in (points or {}).items()),
                "</PointData>\n<CellData>\n",
                *(array(name, values) for name, values in own.items()),
                "</CellData>\n<Points>\n",
                array("Points", position),
                f"</Points>\n<{where}>\n",
                array("connectivity", np.array(flat, dtype=np.int64)),
                array("offsets", ends.astype(np.int64)),
                array("types", types) if grid else "",
                f"</{where}>\n</Piece>\n",
            )
        )

    parts = [lines[at::pieces] for at in range(pieces)] if pieces > 1 else [lines]
    kind_of = "UnstructuredGrid" if grid else "PolyData"
    words = {"<": "LittleEndian", ">": "BigEndian"}[order], {"u4": "UInt32", "u8": "UInt64"}[header]
    packer = ' compressor="vtkZLibDataCompressor"' if packed else ""
    body = "".join(piece(part, at) for at, part in enumerate(parts))
    out = f'<?xml version="1.0"?>\n<VTKFile type="{kind_of}" version="1.0" byte_order="{words[0]}"'.encode()
    out += f' header_type="{words[1]}"{packer}>\n<{kind_of}>\n{body}</{kind_of}>\n'.encode()
    if coding.startswith("appended"):
        out += f'<AppendedData encoding="{coding.removeprefix("appended-")}">\n_'.encode()
        out += bytes(appended) + b"\n</AppendedData>\n"
    return out + b"</VTKFile>\n"


def amira(
    arrays: dict[tuple[str, str], Array], *, coding: str = "ASCII", zipped: bool = False, parameters: str = ""
) -> bytes:
    """Return an AmiraMesh file of arrays by (domain, name)."""
    first = {"ASCII": "# AmiraMesh 3D ASCII 2.0", "BINARY": "# AmiraMesh 3D BINARY 2.0"}
    order = ">" if coding == "BINARY" else "<"
    head = [first.get(coding, f"# AmiraMesh {coding} 2.1"), "# generated", ""]
    counts = {domain: len(values) for (domain, _), values in arrays.items()}
    head += [f"define {domain} {count}" for domain, count in counts.items()]
    head += ["", f'Parameters {{\n    ContentType "HxSpatialGraph"{parameters}\n}}', ""]
    blocks = []
    for number, ((domain, name), values) in enumerate(arrays.items(), start=1):
        width = "" if values.ndim == 1 else f"[{values.shape[1]}]"
        raw = values.astype(values.dtype.newbyteorder(order)).tobytes()
        written = b"".join(text(row) for row in values) if coding == "ASCII" else raw
        block = zlib.compress(written) if zipped and coding != "ASCII" else written
        mark = f"@{number}(HxZip,{len(block)})" if zipped and coding != "ASCII" else f"@{number}"
        head.append(f"{domain} {{ {AMIRA_WORDS[kind(values)]}{width} {name} }} {mark}")
        blocks.append(f"@{number}\n".encode() + block + b"\n")
    return "\n".join([*head, "", "# Data section follows", ""]).encode() + b"".join(blocks)


GT_TYPES = {"bool": 0, "int16": 1, "int32": 2, "int64": 3, "float64": 4, "string": 6, "object": 14}


def gt(
    neighbours: list[list[int]],
    properties: list[tuple[str, str, str, list[Any]]],
    *,
    order: str = "<",
    directed: bool = False,
    comment: str = "generated",
) -> bytes:
    """Return a gt file; properties are (graph, vertex or edge; name; type or "vector TYPE"; values)."""

    def count(number: int) -> bytes:
        return struct.pack(f"{order}Q", number)

    def string(value: str | bytes) -> bytes:
        raw = value.encode() if isinstance(value, str) else value
        return count(len(raw)) + raw

    def value(kind_of: str, item: Any) -> bytes:
        if kind_of.startswith("vector "):
            inner = kind_of.removeprefix("vector ")
            return count(len(item)) + b"".join(value(inner, one) for one in item)
        if kind_of in {"string", "object"}:
            return string(item)
        dtype = np.dtype("u1" if kind_of == "bool" else kind_of).newbyteorder(order)
        return np.array([item]).astype(dtype).tobytes()

    total = len(neighbours)
    width = next(size for size in (1, 2, 4, 8) if total <= 2 ** (8 * size) - 1)
    out = ["⛾ gt".encode(), bytes([1, order == ">"]), string(comment), bytes([directed]), count(total)]
    for listed in neighbours:
        out.append(count(len(listed)) + np.array(listed, dtype=f"{order}u{width}").tobytes())
    out.append(count(len(properties)))
    for key, name, kind_of, values in properties:
        inner = kind_of.removeprefix("vector ")
        index = GT_TYPES[kind_of] if inner == kind_of else 13 if inner == "string" else GT_TYPES[inner] + 7
        out.append(bytes([("graph", "vertex", "edge").index(key)]) + string(name) + bytes([index]))
        out.extend(value(kind_of, item) for item in values)
    return b"".join(out)


TREE = np.array([[0, 0, 0], [10, 0, 0], [10, 10, 0], [20, 0, 5], [10, 0, 0]], dtype=np.float32)
"""Five points; the last lies where the second does."""


def write_amira(path: Path) -> Path:
    """Write a small spatial graph for tests of damage."""
    path.write_bytes(amira(small_amira()))
    return path


def small_amira() -> dict[tuple[str, str], Array]:
    """Return three vertices and two edges, one of them with a point between its ends."""
    vertices = TREE[[0, 1, 3]]
    return {
        ("VERTEX", "VertexCoordinates"): vertices,
        ("VERTEX", "label"): np.array([7, 8, 9], dtype=np.int32),
        ("EDGE", "EdgeConnectivity"): np.array([[0, 1], [1, 2]], dtype=np.int32),
        ("EDGE", "NumEdgePoints"): np.array([2, 3], dtype=np.int32),
        ("EDGE", "flow"): np.array([0.5, -1.25], dtype=np.float32),
        ("POINT", "EdgePointCoordinates"): TREE[[0, 1, 1, 2, 3]],
        ("POINT", "thickness"): np.array([1, 2, 2, 1.5, 0.5], dtype=np.float32),
    }


def small_gt() -> bytes:
    """Return four vertices and three edges with properties of most types."""
    return gt(
        [[1], [2, 3], [], []],
        [
            ("graph", "shape", "vector int64", [[100, 200, 300]]),
            ("vertex", "coordinates", "vector float64", [row[:3].tolist() for row in TREE[:4].astype(float)]),
            ("vertex", "radii", "float64", [1.0, 2.0, 3.0, 4.0]),
            ("edge", "name", "string", ["a", "", "ö"]),
            ("edge", "length", "float64", [10.0, 10.0, 11.5]),
        ],
    )


def write_gt(path: Path) -> Path:
    """Write a small graph for tests of damage."""
    path.write_bytes(small_gt())
    return path
