"""The format ``freesurfer-stats``: ``aseg.stats``, ``lh.aparc.stats`` and their like, of one subject.

The header gives measures of the whole brain with their units, and the names and units of the table's columns. Columns
that are known have the names and types of this package; others keep theirs. ``Volume_mm3`` of segmented structures is
corrected for partial volumes where the program was told to (``--pv``), so it is not the number of voxels times the size
of one.

Layout: FreeSurfer's ``mri_segstats`` and ``mris_anatomical_stats``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from connectome.errors import FormatError, TruncatedError
from connectome.schema import category, column, record, table, warning

from ..files.one_path import one_file
from ..tables.text_rows import Note, check_cells, finite, first_line, read_lines, unfinished, whole

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Measure", "Stats", "measures_table", "read", "read_stats", "sniff", "stats_table"]

Array = np.ndarray[Any, Any]


class _Known(NamedTuple):
    name: str
    long_name: str
    units: str | None
    kind: str


KNOWN: Mapping[str, _Known] = {
    "Index": _Known("index", "Row of the table in the file", "1", "whole"),
    "SegId": _Known("label", "Label in the volume", "1", "whole"),
    "NVoxels": _Known("n_voxels", "Voxels with the label", "1", "whole"),
    "Volume_mm3": _Known("volume_mm3", "Volume as the program gives it", "mm3", "number"),
    "StructName": _Known("region", "Region or structure", None, "text"),
    "NumVert": _Known("n_vertices", "Vertices with the label", "1", "whole"),
    "SurfArea": _Known("area_mm2", "Area of the white surface", "mm2", "number"),
    "GrayVol": _Known("volume_mm3", "Volume of grey matter", "mm3", "number"),
    "ThickAvg": _Known("thickness_mm", "Mean thickness over vertices", "mm", "number"),
    "ThickStd": _Known("thickness_std_mm", "Standard deviation of thickness over vertices", "mm", "number"),
    "MeanCurv": _Known("mean_curvature", "Integrated rectified mean curvature", "mm-1", "number"),
    "GausCurv": _Known("gaussian_curvature", "Integrated rectified Gaussian curvature", "mm-2", "number"),
    "FoldInd": _Known("folding_index", "Folding index", "1", "number"),
    "CurvInd": _Known("curvature_index", "Intrinsic curvature index", "1", "number"),
}
"""Columns by the names that FreeSurfer gives them."""
UNITS = {"mm^3": "mm3", "mm^2": "mm2", "mm": "mm", "mm^-1": "mm-1", "mm^-2": "mm-2", "unitless": "1", "MR": "1"}
_TABLE_COLUMN = re.compile(r"TableCol\s+(?P<number>\d+)\s+(?P<what>ColHeader|FieldName|Units)\s+(?P<text>.*)")
_HEADER_TAGS = ("subjectname", "hemi", "anatomy_type", "generating_program", "cvs_version", "AnnotationFile",
                "SegVolFile", "InVolFile", "PVVolFile", "ExcludeSegId", "VoxelVolume_mm3")  # fmt: skip
"""What of the header is kept besides measures and columns; machine, user and folders are not data."""


@dataclass(frozen=True)
class Measure:
    """A measure of the whole brain or hemisphere."""

    structure: str
    name: str
    description: str
    value: float
    units: str


@dataclass(frozen=True)
class Stats:
    """One file of statistics."""

    path: str
    header: Mapping[str, str]
    """``subjectname``, ``hemi``, ``anatomy_type``, ``AnnotationFile``, ...; those that the file has."""
    measures: tuple[Measure, ...]
    columns: Mapping[str, list[str]]
    """Cells by the file's names of columns, in its order."""
    units: Mapping[str, str]
    """Of the columns, as the file states them."""
    warnings: tuple[Note, ...]

    @property
    def hemisphere(self) -> str:
        """``L``, ``R``, or ``""`` for statistics of a volume."""
        return {"lh": "L", "rh": "R"}.get(self.header.get("hemi", ""), "")

    @property
    def atlas(self) -> str:
        """Of the regions: ``aparc``, ``aparc.a2009s``; ``aseg``, ``wmparc`` for volumes."""
        source = self.header.get("AnnotationFile") or self.header.get("SegVolFile", "")
        return re.sub(r"^[lr]h\.|\.(annot|mgz|mgh)$", "", source.rpartition("/")[2])


def sniff(path: Path) -> bool:
    """Tell whether a file starts as FreeSurfer's programs start their statistics."""
    first = first_line(path)
    return first.startswith(("# Title Segmentation Statistics", "# Table of FreeSurfer"))


def read(paths: list[Path]) -> xr.DataTree:
    """Read the statistics of one subject.

    Parameters
    ----------
    paths : list of pathlib.Path
        One file.

    Returns
    -------
    xarray.DataTree
        ``regions`` for statistics of a surface, ``aseg`` (or what the volume is called) for those of a volume, and
        ``measures`` for the whole brain.

    Raises
    ------
    TruncatedError
        When the file is empty, or has fewer rows than its header announces.
    FormatError
        When the columns are not named, a row has another number of cells, or a cell is not of its column's type.
    """
    path = one_file(paths)
    found = read_stats(path)
    group = "regions" if found.hemisphere else found.atlas or "structures"
    groups = {group: stats_table([found])}
    if found.measures:
        groups["measures"] = measures_table([found])
    return record(groups, warnings=list(found.warnings), title=path.name)


def read_stats(path: Path) -> Stats:
    """Read a file of statistics; raises as :func:`read` does."""
    header: dict[str, str] = {}
    measures: list[Measure] = []
    warnings: list[Note] = []
    units: dict[int, str] = {}
    names: list[str] = []
    rows: list[tuple[int, list[str]]] = []
    for number, line in enumerate(read_lines(path), start=1):
        if not line.startswith("#"):
            if line.strip():
                rows.append((number, line.split()))
            continue
        text = line[1:].strip()
        tag, _, rest = text.partition(" ")
        if tag == "Measure":
            measures.append(_measure(rest.strip(), path, number, warnings))
        elif tag == "ColHeaders":
            names = rest.split()
        elif tag in _HEADER_TAGS or tag in {"NRows", "NTableCols"}:
            header[tag] = rest.strip()
        elif (about := _TABLE_COLUMN.fullmatch(text)) and about["what"] == "Units":
            units[int(about["number"]) - 1] = about["text"].strip()
    if not names:
        raise FormatError(
            "the file does not name its columns", subject=str(path), expected="a line # ColHeaders", found="none"
        )
    if len(set(names)) != len(names):
        raise FormatError("a column is there twice", subject=str(path), place="ColHeaders", found=", ".join(names))
    for number, cells in rows:
        check_cells(cells, names, path, number)
    _check_counts(header, names, rows, path)
    columns = {name: [cells[at] for _, cells in rows] for at, name in enumerate(names)}
    for at, name in enumerate(names):
        for number, cells in rows:
            _parse(name, cells[at], path, f"line {number}, column {name}")
    stated = {name: units.get(at, "") for at, name in enumerate(names)}
    return Stats(str(path), header, tuple(measures), columns, stated, (*warnings, *unfinished(path)))


def _check_counts(header: Mapping[str, str], names: list[str], rows: list[tuple[int, list[str]]], path: Path) -> None:
    for tag, found in (("NRows", len(rows)), ("NTableCols", len(names))):
        expected = header.get(tag)
        if expected is not None and expected != str(found):
            kind = TruncatedError if expected.isdecimal() and int(expected) > found else FormatError
            raise kind(
                "the table is not as large as its header says", subject=str(path), place=tag, expected=expected,
                found=str(found),
            )  # fmt: skip
    if not rows:
        raise TruncatedError("the table has no row", subject=str(path), expected="rows", found="none")


def _measure(text: str, path: Path, number: int, warnings: list[Note]) -> Measure:
    parts = [part.strip() for part in text.split(",")]
    if len(parts) == 4:
        # FreeSurfer 6 forgets a comma: "Cortex, CortexVol Total cortical gray matter volume, 536883.6, mm^3".
        name, _, description = parts[1].partition(" ")
        warnings.append(warning("comma-missing", f"line {number}", f"a comma was put behind {name}"))
        parts[1:2] = [name, description]
    if len(parts) < 5:
        raise FormatError(
            "a measure cannot be read", subject=str(path), place=f"line {number}",
            expected="structure, name, description, value, unit", found=text[:120],
        )  # fmt: skip
    value = finite(parts[-2], path, f"line {number}", "a measure")
    return Measure(parts[0], parts[1], ", ".join(parts[2:-2]), value, UNITS.get(parts[-1], parts[-1]))


def _parse(name: str, text: str, path: Path, place: str) -> Any:
    kind = KNOWN[name].kind if name in KNOWN else "number"
    if kind == "text":
        return text
    return whole(text, path, place, name) if kind == "whole" else finite(text, path, place, name)


def stats_table(parts: list[Stats]) -> xr.Dataset:
    """Join statistics of the same columns, of both hemispheres say, into one table.

    Returns
    -------
    xarray.Dataset
        Table with ``region`` and ``hemisphere`` (statistics of surfaces) or ``structure`` (of volumes), ``atlas`` and
        the columns of the files; ``source_column`` says what they are called there.

    Raises
    ------
    FormatError
        When files have different columns.
    """
    names = list(parts[0].columns)
    for item in parts[1:]:
        if list(item.columns) != names:
            raise FormatError(
                "statistics with other columns cannot be joined", subject=item.path, expected=", ".join(names),
                found=", ".join(item.columns),
            )  # fmt: skip
    columns: dict[str, xr.Variable] = {}
    n_rows = [len(item.columns[names[0]]) for item in parts]
    of_surfaces = any(item.hemisphere for item in parts)
    if "StructName" in names:
        columns["region" if of_surfaces else "structure"] = _column("StructName", parts)
    if of_surfaces:
        sides = [item.hemisphere for item, n in zip(parts, n_rows, strict=True) for _ in range(n)]
        columns["hemisphere"] = category("row", sides, ["L", "R"], "Hemisphere")
    atlases = [item.atlas for item, n in zip(parts, n_rows, strict=True) for _ in range(n)]
    columns["atlas"] = column("row", atlases, "Parcellation or segmentation that the region is of")
    columns |= {
        (KNOWN[name].name if name in KNOWN else name): _column(name, parts) for name in names if name != "StructName"
    }
    return table(columns)


def _column(name: str, parts: list[Stats]) -> xr.Variable:
    texts = [text for item in parts for text in item.columns[name]]
    if name in KNOWN:
        known = KNOWN[name]
        values: Any = texts
        if known.kind != "text":
            values = np.array([int(t) if known.kind == "whole" else float(t) for t in texts])
        return column("row", values, known.long_name, known.units, source_column=name)
    unit = parts[0].units.get(name, "")
    values = np.array([float(text) for text in texts])
    return column("row", values, f"{name}, as the program gives it", UNITS.get(unit, "unknown"), source_column=name)


def measures_table(parts: list[Stats]) -> xr.Dataset:
    """Join the measures of the whole brain of several files.

    Returns
    -------
    xarray.Dataset
        Table with ``structure``, ``measure``, ``hemisphere``, ``value``, ``units`` and ``description``; what several
        files say alike is there once.
    """
    rows = dict.fromkeys(
        (item.hemisphere if measure.structure == "Cortex" and measure.name != "CortexVol" else "", measure)
        for item in parts
        for measure in item.measures
    )
    seen: dict[tuple[str, str, float], tuple[str, Measure]] = {}
    for side, measure in rows:
        seen.setdefault((side, measure.name, measure.value), (side, measure))
    found = list(seen.values())
    return table({
        "structure": column("row", [item.structure for _, item in found], "Structure, as the program names it"),
        "measure": column("row", [item.name for _, item in found], "Name of the measure"),
        "hemisphere": category("row", [side for side, _ in found], ["L", "R"], "Hemisphere"),
        "value": column("row", np.array([item.value for _, item in found]), "Value", "see the column units"),
        "units": column("row", [item.units for _, item in found], "Unit of the value"),
        "description": column("row", [item.description for _, item in found], "What the program says it is"),
    })  # fmt: skip
