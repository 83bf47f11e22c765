"""Legacy VTK files of lines: PolyData and UnstructuredGrid, text or big-endian binary, versions 1.0 to 5.1.

The layout is that of the VTK file formats document (Kitware, "VTK Legacy File Formats"), and of the VTK library where
that is silent: lines are runs of ``n i j k ...`` or, from 5.1 on, OFFSETS and CONNECTIVITY; ``vtkIdType`` is written as
32 bits; names have their blanks as ``%20``. Text arrays, surfaces and volumes are refused.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import numpy as np

from connectome.errors import FormatError

from ..files.number_stream import NumberStream
from ..files.one_path import one_file
from ..tables.text_rows import unfinished
from .vtk_mesh import CELL_SHAPES, LINE, VERTEX, Mesh, mesh_record

if TYPE_CHECKING:
    import xarray as xr

    from ..graphs.polylines import Tolerance
    from ..graphs.position_units import VoxelSize

__all__ = ["read", "sniff"]

Array = np.ndarray[Any, Any]
MAGIC = re.compile(rb"# vtk DataFile Version (\d+\.\d+)\s*$")
TYPES = {
    "bit": "bit", "char": "i1", "signed_char": "i1", "unsigned_char": "u1", "short": "i2", "unsigned_short": "u2",
    "int": "i4", "unsigned_int": "u4", "long": "i8", "unsigned_long": "u8", "float": "f4", "double": "f8",
    "vtkidtype": "i4", "vtktypeint8": "i1", "vtktypeuint8": "u1", "vtktypeint16": "i2", "vtktypeuint16": "u2",
    "vtktypeint32": "i4", "vtktypeuint32": "u4", "vtktypeint64": "i8", "vtktypeuint64": "u8",
    "vtktypefloat32": "f4", "vtktypefloat64": "f8",
}  # fmt: skip
ATTRIBUTES = {
    "VECTORS": 3,
    "NORMALS": 3,
    "TENSORS": 9,
    "TENSORS6": 6,
    "GLOBAL_IDS": 1,
    "PEDIGREE_IDS": 1,
    "EDGE_FLAGS": 1,
}
"""Attributes written as ``WORD name type``, with their components."""
DATASETS = ("POLYDATA", "UNSTRUCTURED_GRID")


def sniff(path: Path) -> bool:
    """Tell whether the first line is that of a legacy VTK file."""
    with path.open("rb") as stream:
        return MAGIC.match(stream.readline(256)) is not None


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
    units : str
        Unit of positions, and of arrays named radius, diameter, thickness or length: ``um``, ``mm``, ``m``,
        ``voxel``, ``1``, ... Demanded.
    voxel_size_um : str or float
        With voxels: their edge in um, one number or ``x,y,z``.
    edges : str
        ``lines``: an edge per line between points where lines end or touch, its points kept as a polyline.
        ``segments``: an edge per step, every point a node.
    merge_points : str or float
        ``none``, ``exact`` (equal coordinates) or a length: points that round to the same multiple of it are one node.
    group : str
        ``vessels`` or ``connectome``.
    missing : str
        Numbers that mean missing, as ``ARRAY=NUMBER,...``: they become NaN.

    Returns
    -------
    xarray.DataTree
        The graph; cell arrays are edge columns, point arrays node columns and, with polylines, ``point_`` columns.

    Raises
    ------
    UsageError
        When the unit is not stated, or an option is none of its values.
    FormatError
        When the file is not what the format demands; ``TruncatedError`` when it ends early.
    """
    path = one_file(paths)
    source = _Source(path)
    mesh = _Parser(source).parse()
    return mesh_record(
        mesh,
        units=units,
        voxel_size_um=voxel_size_um,
        edges=edges,
        merge_points=merge_points,
        group=group,
        missing=missing,
        subject=path,
        warnings=[] if source.binary else unfinished(path),
        title=source.title,
    )


class _Source(NumberStream):
    """A legacy VTK file after its first three lines."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, kinds=TYPES, order=">")
        first = self.raw_line()
        match = MAGIC.match(first)
        if match is None:
            raise FormatError(
                "not a legacy VTK file",
                subject=self.subject,
                place="line 1",
                expected="# vtk DataFile Version 5.1",
                found=repr(first[:40]),
            )
        self.title = self.raw_line().decode("utf-8", "replace").strip()
        mode = self.raw_line().strip().upper()
        self.binary = mode == b"BINARY"
        if mode not in {b"ASCII", b"BINARY"}:
            raise self.wrong("neither text nor binary", "ASCII or BINARY", repr(mode[:40]))


class _Parser:
    """The keywords of a file, in any order that VTK allows."""

    def __init__(self, source: _Source) -> None:
        self.source = source
        self.position: Array | None = None
        self.runs: dict[str, tuple[Array, Array]] = {}
        self.types: Array | None = None
        self.arrays: dict[str, dict[str, Array]] = {"POINT_DATA": {}, "CELL_DATA": {}, "": {}}
        self.section = ""
        self.rows = 0

    def parse(self) -> Mesh:
        source = self.source
        words = source.words()
        if len(words) != 2 or words[0].upper() != "DATASET" or words[1].upper() not in DATASETS:
            raise source.wrong(
                "not a set of lines", "DATASET POLYDATA or UNSTRUCTURED_GRID", " ".join(words) or "nothing"
            )
        self.grid = words[1].upper() == "UNSTRUCTURED_GRID"
        while words := source.words():
            self._keyword(words[0].upper(), words[1:])
        return self._mesh()

    def _keyword(self, word: str, rest: list[str]) -> None:
        source = self.source
        if word == "METADATA":
            while source.at < len(source.data) and source.raw_line().strip():
                pass
        elif word == "POINTS":
            n_points, kind = self._count(rest, 0, word), self._word(rest, 1, word)
            self.position = source.numbers(3 * n_points, kind, "the points").reshape(-1, 3)
        elif word in {"VERTICES", "LINES", "POLYGONS", "TRIANGLE_STRIPS", "CELLS"}:
            self.runs[word] = self._runs(word, self._count(rest, 0, word), self._count(rest, 1, word))
        elif word == "CELL_TYPES":
            self.types = source.numbers(self._count(rest, 0, word), "int", "the cell types")
        elif word in {"POINT_DATA", "CELL_DATA"}:
            self.section, self.rows = word, self._count(rest, 0, word)
        elif word == "FIELD":
            self._field(self._count(rest, 1, word))
        elif self.section:
            self._attribute(word, rest)
        else:
            raise source.wrong("unknown keyword", "a keyword of the format", f"{word[:40]}")

    def _word(self, rest: list[str], at: int, word: str) -> str:
        if at >= len(rest):
            raise self.source.wrong(f"{word} says too little", f"{at + 1} words", " ".join(rest) or "nothing")
        return rest[at]

    def _count(self, rest: list[str], at: int, word: str) -> int:
        text = self._word(rest, at, word)
        if not (text.isascii() and text.isdigit() and len(text) < 19):
            raise self.source.wrong(f"{word} needs a count", "a whole number", text[:40])
        return int(text)

    def _runs(self, word: str, first: int, second: int) -> tuple[Array, Array]:
        """Read cells; return where each starts and their points."""
        source, start = self.source, self.source.at
        if source.peek(b"OFFSETS"):
            offsets = source.numbers(first, self._word(source.words(), 1, "OFFSETS"), f"the offsets of {word}")
            if not source.peek(b"CONNECTIVITY"):
                raise source.wrong("offsets without connectivity", "CONNECTIVITY", " ".join(source.words()[:2]))
            vertex = source.numbers(second, self._word(source.words(), 1, "CONNECTIVITY"), f"the points of {word}")
            pointer = offsets.astype(np.int64)
            if not len(pointer):
                pointer = np.zeros(1, dtype=np.int64)
            if pointer[0] != 0 or pointer[-1] != second or (np.diff(pointer) < 0).any():
                raise source.wrong(
                    f"the offsets of {word} do not cut its points", f"rising from 0 to {second}", "others", at=start
                )
            return pointer, vertex.astype(np.int64)
        values = source.numbers(second, "int", word).astype(np.int64)
        step = second // first if first else 0
        if step and first * step == second and (values[::step] == step - 1).all():
            heads = np.arange(0, second, step, dtype=np.int64)
        else:
            found, at = [], 0
            while at < second and values[at] >= 0:
                found.append(at)
                at += int(values[at]) + 1
            if at != second or len(found) != first:
                raise source.wrong(
                    f"the cells of {word} are not as it says",
                    f"{first} cells in {second} numbers",
                    f"{len(found)} cells that end at number {at}",
                    at=start,
                )
            heads = np.array(found, dtype=np.int64)
        inside = np.ones(second, dtype=bool)
        inside[heads] = False
        return np.append(heads - np.arange(first), second - first), values[inside]

    def _field(self, n_arrays: int) -> None:
        for number in range(n_arrays):
            words = self.source.words()
            while words and words[0].upper() == "METADATA":
                self._keyword("METADATA", [])
                words = self.source.words()
            if len(words) != 4:
                raise self.source.wrong(
                    f"array {number} of a field is not described", "name components rows type", " ".join(words)[:80]
                )
            n_components, n_rows = self._count(words, 1, "FIELD"), self._count(words, 2, "FIELD")
            if self.section and n_rows != self.rows:
                raise self.source.wrong(f"array {words[0]} does not fit", f"{self.rows} rows", str(n_rows))
            self._add(words[0], n_components, n_rows, words[3])

    def _attribute(self, word: str, rest: list[str]) -> None:
        source = self.source
        if word == "SCALARS":
            n_components = self._count(rest, 2, word) if len(rest) > 2 else 1
            if source.peek(b"LOOKUP_TABLE"):
                source.words()
            self._add(self._word(rest, 0, word), n_components, self.rows, self._word(rest, 1, word))
        elif word == "COLOR_SCALARS":
            kind = "unsigned_char" if source.binary else "float"
            self._add(self._word(rest, 0, word), self._count(rest, 1, word), self.rows, kind)
        elif word == "LOOKUP_TABLE":
            # Colours to draw with: no data.
            source.numbers(4 * self._count(rest, 1, word), "unsigned_char" if source.binary else "float", word)
        elif word == "TEXTURE_COORDINATES":
            self._add(self._word(rest, 0, word), self._count(rest, 1, word), self.rows, self._word(rest, 2, word))
        elif word in ATTRIBUTES:
            self._add(self._word(rest, 0, word), ATTRIBUTES[word], self.rows, self._word(rest, 1, word))
        else:
            raise source.wrong("unknown keyword", "an attribute of the format", word[:40])

    def _add(self, name: str, n_components: int, n_rows: int, kind: str) -> None:
        name = unquote(name)
        values = self.source.numbers(n_components * n_rows, kind, f"array {name}")
        held = self.arrays[self.section]
        if name in held:
            raise self.source.wrong("two arrays of one name", "different names", name)
        held[name] = values if n_components == 1 else values.reshape(n_rows, n_components)

    def _mesh(self) -> Mesh:
        source = self.source
        if self.position is None:
            raise source.wrong("the file has no points", "POINTS", "none", cut=True)
        for word in ("POLYGONS", "TRIANGLE_STRIPS"):
            if word in self.runs and len(self.runs[word][0]) > 1:
                raise source.wrong("a surface, not lines", "LINES", word)
        empty = np.zeros(1, dtype=np.int64), np.zeros(0, dtype=np.int64)
        if self.grid:
            pointer, vertex = self.runs.get("CELLS", empty)
            shape = self._shapes(len(pointer) - 1)
        else:
            if "LINES" not in self.runs:
                raise source.wrong("the file has no lines", "LINES", ", ".join(self.runs) or "nothing", cut=True)
            (dots, dot), (lines, line) = self.runs.get("VERTICES", empty), self.runs["LINES"]
            pointer, vertex = np.append(dots, lines[1:] + dots[-1]), np.append(dot, line)
            shape = np.repeat([VERTEX, LINE], [len(dots) - 1, len(lines) - 1])
        for section, n_rows in (("POINT_DATA", len(self.position)), ("CELL_DATA", len(shape))):
            for name, values in self.arrays[section].items():
                if len(values) != n_rows:
                    raise source.wrong(f"array {name} does not fit", f"{n_rows} rows of {section}", str(len(values)))
        return Mesh(
            self.position,
            pointer,
            vertex,
            shape,
            self.arrays["POINT_DATA"],
            self.arrays["CELL_DATA"],
            self.arrays[""],
        )

    def _shapes(self, n_cells: int) -> Array:
        types = np.zeros(0, dtype=np.int32) if self.types is None else self.types
        if len(types) != n_cells:
            raise self.source.wrong("the cells have no types", f"{n_cells} CELL_TYPES", str(len(types)))
        others = sorted(set(np.unique(types).tolist()) - set(CELL_SHAPES))
        if others:
            raise self.source.wrong(
                "a mesh, not lines", "cells of types 1 to 4 (vertices and lines)", ", ".join(map(str, others))
            )
        return np.array([CELL_SHAPES.get(code, VERTEX) for code in range(5)])[types]
