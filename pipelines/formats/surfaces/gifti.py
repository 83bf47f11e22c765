"""The format ``gifti``: surfaces, labels and measures of vertices as GIFTI (``.gii``, also ``.gii.gz``).

A file may hold points and triangles (``.surf.gii``), labels (``.label.gii``), measures (``.shape.gii``) or runs of
measurements (``.func.gii``); every array that has a number per vertex becomes a column of ``vertex``. Coordinates are
as stored: the coordinate systems with their matrices stand in the attributes, and nothing is transformed.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import FormatError
from connectome.schema import column, record, table, warning

from ..files.one_path import one_file
from .gifti_file import GZIP_MAGIC, GiftiArray, GiftiFile, parse_gifti
from .vertex_tables import label_columns, label_table, point_columns, triangle_table

if TYPE_CHECKING:
    import xarray as xr

    from ..tables.text_rows import Note

__all__ = ["read", "sniff"]

Array = np.ndarray[Any, Any]

SIDES = {"CortexLeft": "L", "CortexRight": "R"}
"""Values of the metadata AnatomicalStructurePrimary that name a hemisphere."""
SPACES = {
    "NIFTI_XFORM_SCANNER_ANAT": "scanner", "NIFTI_XFORM_ALIGNED_ANAT": "aligned", "NIFTI_XFORM_TALAIRACH": "Talairach",
    "NIFTI_XFORM_MNI_152": "MNI152",
}  # fmt: skip


def sniff(path: Path) -> bool:
    """Tell whether a file starts like GIFTI, seen through gzip."""
    with path.open("rb") as stream:
        head = stream.read(4096)
    if head.startswith(GZIP_MAGIC):
        try:
            head = zlib.decompressobj(wbits=31).decompress(head, 4096)
        except zlib.error:
            return False
    return b"<GIFTI" in head


def read(paths: list[Path], *, units: str = "") -> xr.DataTree:
    """Read one file.

    Parameters
    ----------
    paths : list of pathlib.Path
        One ``.gii`` or ``.gii.gz``.
    units : str
        Unit of measures; GIFTI does not say, so that it is ``unknown`` by default.

    Returns
    -------
    xarray.DataTree
        ``vertex``: ``x_mm``, ``y_mm``, ``z_mm`` where the file has points; labels as ``label_value`` (as stored) and
        the category ``label``; measures under the name that the file gives them. ``triangle`` and ``label`` where there
        are any. Several arrays of labels or of no name are numbered. The attribute ``coordinate_systems`` lists every
        space and matrix that the file gives for its points. Corners that are no vertices are kept, with a warning.

    Raises
    ------
    TruncatedError
        When the file or an array ends early.
    FormatError
        When it is no GIFTI, or arrays differ in their number of vertices.
    UnsafeError
        When it declares entities or refers to data in other files.
    """
    path = one_file(paths)
    found = parse_gifti(path)
    points = _only(found, "pointset", path)
    triangles = _only(found, "triangle", path)
    others = [array for array in found.arrays if array.intent not in {"pointset", "triangle"}]
    _check_lengths([array for array in (points, *others) if array is not None], path)
    attrs = _about(found, points)
    columns: dict[str, xr.Variable] = {}
    notes: list[Note] = []
    groups: dict[str, xr.Dataset] = {}
    if points is not None:
        _check_triples(points, path)
        columns |= point_columns(points.values, _space(points), subject=str(path))
        if points.values.dtype != np.float32:
            notes.append(warning("unusual-type", "points", f"{points.values.dtype}, where GIFTI has float32"))
    keys = [label.key for label in found.labels]
    labelled = [array for array in others if array.intent == "label"]
    for array, name in _named(others):
        if array.intent == "label":
            more, remarks = _labels(array, name, found, path)
            notes += remarks
        else:
            more = _measures(array, name, units)
        columns |= more
    if columns:
        groups["vertex"] = table(columns, **attrs)
    if triangles is not None:
        _check_triples(triangles, path)
        notes += _check_corners(triangles.values, None if points is None else len(points.values))
        groups["triangle"] = triangle_table(triangles.values, **_metadata(triangles))
    if found.labels:
        if len(set(keys)) != len(keys):
            raise FormatError(
                "a label's key is there twice", subject=str(path), place="LabelTable", found=str(keys)[:80]
            )
        colours = {
            name: column("row", np.array([label.colour[at] for label in found.labels]), f"{name.title()}, 0 to 1", "1")
            for at, name in enumerate(("red", "green", "blue", "alpha"))
        }
        values = np.concatenate([array.values.ravel() for array in labelled]) if labelled else None
        groups["label"] = label_table(keys, [label.name for label in found.labels], colours, values)
    if not groups:
        raise FormatError("the file has no array", subject=str(path), expected="a DataArray", found="none")
    return record(groups, warnings=notes, title=re.split(r"\.gii", path.name, flags=re.IGNORECASE)[0])


def _only(found: GiftiFile, intent: str, path: Path) -> GiftiArray | None:
    arrays = [array for array in found.arrays if array.intent == intent]
    if len(arrays) > 1:
        raise FormatError(
            f"several arrays are the surface's {intent}", subject=str(path), place=f"line {arrays[1].line}",
            expected="one surface in a file", found=str(len(arrays)),
        )  # fmt: skip
    return arrays[0] if arrays else None


def _check_lengths(arrays: Sequence[GiftiArray], path: Path) -> None:
    for array in arrays:
        if array.dims[0] != arrays[0].dims[0]:
            raise FormatError(
                "arrays differ in their number of vertices", subject=str(path), place=f"array of line {array.line}",
                expected=str(arrays[0].dims[0]), found=f"{array.dims[0]} ({array.intent})",
            )  # fmt: skip


def _check_corners(triangles: Array, n_vertices: int | None) -> list[Note]:
    """Tell of corners that are no vertices: files with a cut of a surface, or with its triangles alone, have them."""
    if n_vertices is None:
        return [warning("no-points", "triangle", "triangles without points: their corners cannot be checked")]
    outside = ((triangles < 0) | (triangles >= n_vertices)).any(axis=1)
    if not outside.any():
        return []
    message = f"{int(outside.sum())} of {len(triangles)} triangles have a corner beyond the {n_vertices} vertices"
    return [warning("corners-without-vertex", "triangle", message)]


def _check_triples(array: GiftiArray, path: Path) -> None:
    wanted = "f" if array.intent == "pointset" else "iu"
    if len(array.dims) != 2 or array.dims[1] != 3 or array.values.dtype.kind not in wanted:
        raise FormatError(
            f"the {array.intent} is no list of three numbers", subject=str(path), place=f"array of line {array.line}",
            expected=f"n x 3 {'floats' if wanted == 'f' else 'whole numbers'}",
            found=f"{' x '.join(map(str, array.dims))} {array.values.dtype}",
        )  # fmt: skip


def _named(arrays: Sequence[GiftiArray]) -> list[tuple[GiftiArray, str]]:
    """Name arrays: by what the file calls them, else by their intent; numbered where names are not enough."""
    n_labels = sum(array.intent == "label" for array in arrays)
    wanted = []
    for at, array in enumerate(arrays):
        given = array.metadata.get("Name", "").replace("/", "_").strip("_ .")
        if array.intent == "label" and n_labels == 1:
            given = "label"
        wanted.append(given or (array.intent if len(arrays) == 1 else f"{array.intent}_{at}"))
    taken = {"x_mm", "y_mm", "z_mm"}
    named = []
    for at, (array, name) in enumerate(zip(arrays, wanted, strict=True)):
        free = name if wanted.count(name) == 1 and name not in taken else f"{name}_{at}"
        taken.add(free)
        named.append((array, free))
    return named


def _labels(array: GiftiArray, name: str, found: GiftiFile, path: Path) -> tuple[dict[str, xr.Variable], list[Note]]:
    if array.values.dtype.kind not in "iu" or array.values.ndim > 2 or array.values.size != array.dims[0]:
        raise FormatError(
            "labels are no list of whole numbers", subject=str(path), place=f"array of line {array.line}",
            expected="one whole number per vertex", found=f"{' x '.join(map(str, array.dims))} {array.values.dtype}",
        )  # fmt: skip
    keys, names = [label.key for label in found.labels], [label.name for label in found.labels]
    columns, notes = label_columns(array.values.reshape(-1), keys, names, name=name)
    if not found.labels:
        columns.pop(name)
    for variable in columns.values():
        variable.attrs |= _metadata(array)
    return columns, notes


def _measures(array: GiftiArray, name: str, units: str) -> dict[str, xr.Variable]:
    flat = array.values.reshape(array.dims[0], -1)
    names = [name] if flat.shape[1] == 1 else [f"{name}_{at}" for at in range(flat.shape[1])]
    unit = "1" if array.intent == "node_index" else units or "unknown"
    about = _metadata(array)
    return {
        each: column("row", np.ascontiguousarray(flat[:, at]), f"{each}, as the file gives it", unit,
                     intent=array.intent, **about)
        for at, each in enumerate(names)
    }  # fmt: skip


def _metadata(array: GiftiArray) -> dict[str, Any]:
    return {"metadata": array.metadata} if array.metadata else {}


def _space(points: GiftiArray) -> str:
    codes = [str(system["data_space"]) for system in points.systems]
    named = [SPACES[code] for code in codes if code in SPACES]
    return f"{named[0]} space" if named else "space not stated"


def _about(found: GiftiFile, points: GiftiArray | None) -> dict[str, Any]:
    attrs: dict[str, Any] = {"gifti_version": found.version}
    everywhere = [found.metadata, *(array.metadata for array in found.arrays)]
    sides = {about["AnatomicalStructurePrimary"] for about in everywhere if "AnatomicalStructurePrimary" in about}
    attrs["hemisphere"] = SIDES.get(next(iter(sides)), "") if len(sides) == 1 else ""
    if found.metadata:
        attrs["metadata"] = found.metadata
    if points is not None:
        attrs["coordinate_systems"] = points.systems
        attrs["point_metadata"] = points.metadata
    return attrs
