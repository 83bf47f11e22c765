"""The format ``freesurfer-morph``: one number per vertex, as in ``lh.thickness``, ``rh.area``, ``lh.curv``.

The new layout holds float32; the old one whole hundredths of 16 bits. Layout: Wideman, "FreeSurfer surface file
formats", sections "Curvature"; as in nibabel.freesurfer.io.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import FormatError
from connectome.schema import column, record, table, warning

from ..files.one_path import one_file
from .big_endian import BigEndianFile, hemisphere_of

if TYPE_CHECKING:
    import xarray as xr

    from ..tables.text_rows import Note

__all__ = ["MEASURES", "measure_column", "read", "read_morph", "sniff"]

Array = np.ndarray[Any, Any]

MAGIC = 16777215
MEASURES: Mapping[str, str] = {
    "thickness": "mm", "area": "mm2", "area.pial": "mm2", "area.mid": "mm2", "volume": "mm3", "curv": "mm-1",
    "curv.pial": "mm-1",
}  # fmt: skip
"""Measures that FreeSurfer's recon-all leaves in ``surf/``, with their units."""


def sniff(path: Path) -> bool:
    """Tell whether a file starts like a measure of the new layout and is as long as it says."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        head = stream.read(15)
    if len(head) < 15 or head[:3] != MAGIC.to_bytes(3, "big"):
        return False
    n_vertices, per_vertex = int.from_bytes(head[3:7], "big", signed=True), int.from_bytes(head[11:15], "big")
    return n_vertices > 0 and per_vertex == 1 and size >= 15 + 4 * n_vertices


def read(paths: list[Path], *, measure: str = "", units: str = "") -> xr.DataTree:
    """Read one measure of all vertices.

    Parameters
    ----------
    paths : list of pathlib.Path
        One file.
    measure : str
        Name of the column; by default what follows the hemisphere in the file's name (``thickness``).
    units : str
        Unit of the measure; by default that of ``MEASURES``, else ``unknown``.

    Returns
    -------
    xarray.DataTree
        One table ``vertex``; its attributes are ``hemisphere`` and ``n_triangles`` of the surface.

    Raises
    ------
    TruncatedError
        When the file has fewer bytes than its count announces.
    FormatError
        When it is no such file, or has several numbers per vertex.
    """
    path = one_file(paths)
    values, n_triangles, notes = read_morph(path)
    name = measure or path.name.removeprefix("lh.").removeprefix("rh.").strip(".") or "measure"
    made = table(
        {name.replace("/", "_"): measure_column(values, name, units)},
        hemisphere=hemisphere_of(path.name),
        n_triangles=n_triangles,
    )
    return record({"vertex": made}, warnings=notes, title=path.name)


def measure_column(values: Array, name: str, units: str = "") -> xr.Variable:
    """Return a measure as a column along ``row``, with the unit of ``MEASURES`` where none is stated."""
    attrs: dict[str, Any] = {} if values.dtype == np.float32 else {"source_dtype": ">i2", "source_scale": 0.01}
    return column("row", values, f"{name}, as FreeSurfer gives it", units or MEASURES.get(name, "unknown"), **attrs)


def read_morph(path: Path) -> tuple[Array, int, list[Note]]:
    """Read one measure.

    Returns
    -------
    values : numpy.ndarray
        Shape (vertex,): float32 as stored, or float64 hundredths of the old layout.
    n_triangles : int
        Of the surface, as the file says.
    warnings : list of dict
        Numbers that are not finite; bytes that follow.

    Raises
    ------
    TruncatedError, FormatError
        As :func:`read`.
    """
    file = BigEndianFile(path)
    magic = file.three("the magic number")
    if magic == MAGIC:
        n_vertices, n_triangles = file.whole("the number of vertices"), file.whole("the number of triangles")
        per_vertex = file.whole("the numbers per vertex")
        if per_vertex != 1:
            raise FormatError(
                "not one number per vertex", subject=str(path), place="byte 11", expected="1", found=str(per_vertex)
            )
        values = file.array(">f4", n_vertices, f"{n_vertices} numbers")
    else:
        n_triangles = file.three("the number of triangles")
        if file.left != 2 * magic:
            # The old layout has no magic number: only its length tells it from any other file.
            raise FormatError(
                "not a morphometry file of FreeSurfer", subject=str(path), place="byte 0",
                expected=f"ffffff, or {magic} numbers of 16 bits", found=f"{magic:06x} and {file.left} more bytes",
            )  # fmt: skip
        values = file.array(">i2", magic, f"{magic} numbers") / 100.0
    if not len(values):
        raise FormatError("the file has no vertex", subject=str(path), found="0 vertices")
    notes: list[Note] = file.trailing()
    odd = int((~np.isfinite(values)).sum())
    if odd:
        notes.append(warning("not-finite", path.name, f"{odd} numbers are not finite; they stay"))
    return values, n_triangles, notes
