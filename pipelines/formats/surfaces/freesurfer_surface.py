"""The format ``freesurfer-surface``: triangles as in ``lh.white``, ``rh.pial``, ``lh.inflated``, ``lh.sphere``.

Coordinates are millimetres in FreeSurfer's surface space ("tkRAS"), which is centred on the volume; the volume's
geometry at the end of the file says how to get from there to the scanner's space, and is kept.

Layout: FreeSurfer's ``MRISread`` and ``mriio``; Wideman, "FreeSurfer surface file formats"; magic numbers and footer
as in nibabel.freesurfer.io.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import FormatError
from connectome.schema import record, table, warning

from ..files.one_path import one_file
from .big_endian import BigEndianFile, hemisphere_of
from .vertex_tables import check_corners, point_columns, triangle_table

if TYPE_CHECKING:
    import xarray as xr

    from ..tables.text_rows import Note

__all__ = ["Surface", "read", "read_surface", "scanner_from_surface", "sniff"]

Array = np.ndarray[Any, Any]

TRIANGLES, QUADRANGLES, OLD_QUADRANGLES = 16777214, 16777213, 16777215
MAGIC = TRIANGLES.to_bytes(3, "big")
REAL_RAS_TAG, GEOMETRY_TAG = 2, 20
VECTORS = ("voxelsize", "xras", "yras", "zras", "cras")
SPACES = {False: "FreeSurfer surface space (tkRAS)", True: "scanner space (RAS)"}


class Surface:
    """A triangular surface as one file holds it."""

    def __init__(
        self,
        points: Array,
        triangles: Array,
        comment: str,
        geometry: dict[str, Any],
        *,
        scanner: bool,
        notes: list[Note],
    ) -> None:
        self.points = points
        """Shape (vertex, 3), float32, millimetres."""
        self.triangles = triangles
        """Shape (triangle, 3), int32."""
        self.comment = comment
        self.geometry = geometry
        """Of the volume: ``valid``, ``filename``, ``volume`` (voxels), ``voxelsize`` (mm), ``xras``, ``yras``, ``zras``
        (directions) and ``cras`` (centre, mm); empty where the file does not say."""
        self.scanner = scanner
        """Whether the coordinates are the scanner's already."""
        self.notes = notes

    @property
    def attrs(self) -> dict[str, Any]:
        """What is known of the space, as attributes (JSON values)."""
        attrs: dict[str, Any] = {"space": SPACES[self.scanner]}
        if self.comment:
            attrs["comment"] = self.comment
        if self.geometry:
            attrs["volume_geometry"] = self.geometry
            if self.geometry["valid"] and not self.scanner:
                attrs["scanner_from_surface"] = scanner_from_surface(self.geometry).tolist()
        return attrs


def sniff(path: Path) -> bool:
    """Tell whether a file starts like a triangular surface."""
    with path.open("rb") as stream:
        return stream.read(3) == MAGIC


def read(paths: list[Path]) -> xr.DataTree:
    """Read one surface.

    Parameters
    ----------
    paths : list of pathlib.Path
        One file.

    Returns
    -------
    xarray.DataTree
        Tables ``vertex`` (``x_mm``, ``y_mm``, ``z_mm``, float32) and ``triangle`` (``a``, ``b``, ``c``, int32). The
        attributes of ``vertex`` are ``hemisphere``, ``surface``, ``space``, ``comment``, ``volume_geometry`` and, where
        that is valid, ``scanner_from_surface``: a 4 x 4 matrix in millimetres.

    Raises
    ------
    TruncatedError
        When the file has fewer bytes than its counts announce.
    FormatError
        When it is no triangular surface, a coordinate is not finite, or a corner is no vertex.
    """
    path = one_file(paths)
    found = read_surface(path)
    attrs = {"hemisphere": hemisphere_of(path.name), "surface": path.name.removeprefix("lh.").removeprefix("rh.")}
    vertex = table(point_columns(found.points, SPACES[found.scanner], subject=str(path)), **attrs, **found.attrs)
    return record(
        {"vertex": vertex, "triangle": triangle_table(found.triangles)}, warnings=found.notes, title=path.name
    )


def read_surface(path: Path) -> Surface:
    """Read one surface as arrays; raises as :func:`read` does."""
    file = BigEndianFile(path)
    magic = file.three("the magic number")
    if magic in (QUADRANGLES, OLD_QUADRANGLES):
        raise FormatError(
            "a surface of quadrangles, or a morphometry file",
            subject=str(path),
            place="byte 0",
            expected="triangles (ff ff fe)",
            found=f"{magic:06x}",
            hint="convert old surfaces with FreeSurfer's mris_convert; read measures as freesurfer-morph",
        )
    if magic != TRIANGLES:
        raise FormatError(
            "not a surface of FreeSurfer", subject=str(path), place="byte 0", expected="fffffe", found=f"{magic:06x}"
        )
    comment = file.line("the comment")
    if file.peek(1) == b"\n":
        file.take(1, "the comment")
    else:
        # A second line is allowed for.
        comment = f"{comment}\n{file.line('the comment')}"
    n_vertices, n_triangles = file.whole("the number of vertices"), file.whole("the number of triangles")
    points = file.array(">f4", 3 * n_vertices, f"{n_vertices} vertices").reshape(-1, 3)
    triangles = file.array(">i4", 3 * n_triangles, f"{n_triangles} triangles").reshape(-1, 3)
    check_corners(triangles, n_vertices, subject=str(path))
    scanner, geometry, notes = _footer(file)
    return Surface(points, triangles, comment, geometry, scanner=scanner, notes=notes)


def _footer(file: BigEndianFile) -> tuple[bool, dict[str, Any], list[Note]]:
    scanner = False
    if file.left >= 8 and file.peek(4) == REAL_RAS_TAG.to_bytes(4, "big"):
        file.whole("a tag")
        scanner = bool(file.whole("the space of the coordinates"))
    if file.left < 4 or file.peek(4) != GEOMETRY_TAG.to_bytes(4, "big"):
        message = "the file does not say which volume its space belongs to"
        return scanner, {}, [warning("no-volume-geometry", "footer", message), *file.trailing()]
    file.whole("a tag")
    geometry: dict[str, Any] = {}
    for key in ("valid", "filename", "volume", *VECTORS):
        line = file.line("the volume's geometry")
        name, _, value = line.partition("=")
        if name.strip() != key:
            raise FormatError(
                "the volume's geometry cannot be read", subject=file.subject, place=f"byte {file.at}", expected=key,
                found=line[:80],
            )  # fmt: skip
        geometry[key] = _value(file, key, value.partition("#")[0] if key != "filename" else value)
    notes = file.trailing()
    if not geometry["valid"]:
        notes.insert(0, warning("no-volume-geometry", "footer", "marked as not valid by the file"))
    return scanner, geometry, notes


def _value(file: BigEndianFile, key: str, text: str) -> Any:
    if key == "filename":
        return text.strip()
    try:
        numbers = [float(item) for item in text.split()]
    except ValueError:
        numbers = []
    if len(numbers) != (1 if key == "valid" else 3) or not np.isfinite(numbers).all():
        raise FormatError(
            "the volume's geometry cannot be read", subject=file.subject, place=key, expected="numbers", found=text[:80]
        )
    if key == "valid":
        return bool(numbers[0])
    return [int(item) for item in numbers] if key == "volume" else numbers


def scanner_from_surface(geometry: dict[str, Any]) -> Array:
    """Return the matrix from surface space to the scanner's.

    Parameters
    ----------
    geometry : dict
        ``volume`` (voxels per axis), ``voxelsize`` (mm), ``xras``, ``yras``, ``zras`` (directions) and ``cras``
        (position of the centre, mm).

    Returns
    -------
    numpy.ndarray
        Shape (4, 4), float64, millimetres to millimetres: ``vox2ras`` times the inverse of ``vox2ras-tkr``
        (https://surfer.nmr.mgh.harvard.edu/fswiki/CoordinateSystems). For a conformed volume, a shift by ``cras``.
    """
    shape, size = np.asarray(geometry["volume"], float), np.asarray(geometry["voxelsize"], float)
    half = shape / 2.0
    directions = np.stack([np.asarray(geometry[name], float) for name in ("xras", "yras", "zras")], axis=1) * size
    scanner = np.eye(4)
    scanner[:3, :3], scanner[:3, 3] = directions, np.asarray(geometry["cras"], float) - directions @ half
    surface = np.eye(4)
    surface[:3, :3] = np.array([[-size[0], 0.0, 0.0], [0.0, 0.0, size[2]], [0.0, -size[1], 0.0]])
    surface[:3, 3] = -surface[:3, :3] @ half
    return scanner @ np.linalg.inv(surface)
