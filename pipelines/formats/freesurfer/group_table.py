"""The format ``freesurfer-table``: measures of many subjects, as ``aparcstats2table`` and ``asegstats2table`` write.

The first cell names the measure (``lh.aparc.thickness``, ``Measure:volume``). Subjects are rows, or, with the
programs' ``--transpose``, columns; which of the two is told from the names of the features. A table may hold one block
per hemisphere, each with a header of its own (``rh.aparc.area``, then ``lh.aparc.area``); measures of the whole head
then stand in both blocks and must agree.

Layout: https://surfer.nmr.mgh.harvard.edu/fswiki/aparcstats2table and .../asegstats2table.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import FormatError, NotFoundError
from connectome.schema import column, record, table, warning

from ..files.one_path import one_file
from ..tables.text_rows import Note, check_cells, first_line, read_lines

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Feature", "GroupTable", "read", "read_group_table", "sniff"]

Array = np.ndarray[Any, Any]

UNITS: Mapping[str, str] = {
    "thickness": "mm", "thicknessstd": "mm", "area": "mm2", "volume": "mm3", "meancurv": "mm-1", "gauscurv": "mm-2",
    "foldind": "1", "curvind": "1", "mean": "1", "std": "1",
}  # fmt: skip
"""Measures of the two programs (their option ``--meas``) and units."""
WHOLE_HEAD: Mapping[str, str] = {"eTIV": "mm3", "BrainSegVolNotVent": "mm3", "BrainSegVol": "mm3"}
"""Columns that ``aparcstats2table`` appends, whatever the measure of the table is, with their units."""
PLAIN_NUMBERS = ("SurfaceHoles", "-to-eTIV")
"""Ends of names of ``aseg`` measures that are not volumes."""
MISSING = ("", "NA", "NaN", "nan")

_CORNER = re.compile(r"(?:(?P<hemi>[lr]h)\.(?P<atlas>[\w.+-]+)\.(?P<cortical>\w+)|Measure:(?P<measure>\w+))")
_FEATURE = re.compile(r"(?P<hemi>[lr]h)_(?P<region>.+)_(?P<measure>[a-z]+)")
_SCIENTIFIC = re.compile(r"-?\d\.(?P<digits>\d+)[eE](?P<exponent>[+-]\d+)")
_ASEG_NAMES = frozenset({"Brain-Stem", "3rd-Ventricle", "CSF", "BrainSegVol", "EstimatedTotalIntraCranialVol"})


@dataclass(frozen=True)
class Feature:
    """One measure of all subjects."""

    name: str
    """As the file gives it: ``lh_bankssts_thickness``, ``Left-Hippocampus``, ``eTIV``."""
    region: str
    """The name without hemisphere and measure: ``bankssts``."""
    hemisphere: str
    """``"L"``, ``"R"``, or ``""`` for what has none, and for structures whose name says it (``Left-Hippocampus``)."""
    units: str
    resolution: float
    """To how much the coarsest value is known by its digits (10000.0 for ``1.20E+06``); 0.0 where all are printed
    without an exponent."""


@dataclass(frozen=True)
class GroupTable:
    """Measures of many subjects."""

    path: str
    measure: str
    """``thickness``, ``area``, ``volume``, ..."""
    atlas: str
    """``aparc``, ``aparc.a2009s``, ...; ``aseg`` for segmented structures."""
    subjects: tuple[str, ...]
    """In the order of the file."""
    features: tuple[Feature, ...]
    values: Array
    """Shape (subject, feature), float64, NaN where the file gives nothing."""
    warnings: tuple[Note, ...] = field(default=())

    def of(self, name: str) -> Array:
        """Return the values of one feature, shape (subject,); raise NotFoundError where there is none."""
        for at, feature in enumerate(self.features):
            if feature.name == name:
                values: Array = self.values[:, at]
                return values
        raise NotFoundError("the table has no such feature", subject=self.path, place=name)

    def subject(self, name: str) -> Array:
        """Return the values of one subject, shape (feature,); raise NotFoundError where there is none."""
        if name not in self.subjects:
            raise NotFoundError("the table has no such subject", subject=self.path, place=name)
        values: Array = self.values[self.subjects.index(name)]
        return values


def sniff(path: Path) -> bool:
    """Tell whether a table starts with the name of a measure as FreeSurfer's programs write it."""
    cells = first_line(path, longest=1 << 20).split("\t")
    return len(cells) > 1 and _CORNER.fullmatch(cells[0].strip()) is not None


def read(paths: list[Path], *, group: str = "regions") -> xr.DataTree:
    """Read a table of many subjects into one record.

    Parameters
    ----------
    paths : list of pathlib.Path
        One table.
    group : str
        Path of the table in the record.

    Returns
    -------
    xarray.DataTree
        One table, a row per subject and one column per feature, in the order of the file.

    Raises
    ------
    FormatError
        As :func:`read_group_table`.
    """
    path = one_file(paths)
    found = read_group_table(path)
    columns = {"subject": column("row", list(found.subjects), "Subject, as the source names it")}
    for at, feature in enumerate(found.features):
        attrs: dict[str, Any] = {"resolution": feature.resolution} if feature.resolution else {}
        columns[feature.name.replace("/", "_")] = column(
            "row", found.values[:, at], f"{feature.name}, as the source gives it", feature.units, **attrs
        )
    made = table(columns, measure=found.measure, atlas=found.atlas)
    return record({group: made}, warnings=list(found.warnings), title=path.name.partition(".")[0])


def read_group_table(path: Path) -> GroupTable:
    """Read a table of many subjects.

    Parameters
    ----------
    path : pathlib.Path
        Text with tabs, blocks of either orientation.

    Returns
    -------
    GroupTable
        Features that stand in two blocks with the same values are there once. The warnings name features whose values
        are rounded in print, and values that are missing.

    Raises
    ------
    FormatError
        When the first cell names no measure, a row has another number of cells, a value is no number, a subject or a
        feature is there twice, blocks are of different subjects, or a feature differs between blocks.
    TruncatedError
        When the file is empty or only points to the data.
    """
    blocks = [_oriented(path, *block) for block in _blocks(path)]
    subjects = blocks[0].subjects
    cells: dict[str, tuple[_Block, list[str]]] = {}
    repeated = set()
    for block in blocks:
        if block.subjects != subjects or block.measure != blocks[0].measure or block.atlas != blocks[0].atlas:
            raise FormatError(
                "the blocks of the table are not of the same subjects and measure",
                subject=str(path),
                place=f"line {block.line}",
                expected=f"{blocks[0].atlas} {blocks[0].measure} of {len(subjects)} subjects, {_shown(subjects)}",
                found=f"{block.atlas} {block.measure} of {len(block.subjects)} subjects, {_shown(block.subjects)}",
            )
        for name, texts in block.features.items():
            if name in cells and cells[name][1] != texts:
                at = next(i for i, (a, b) in enumerate(zip(cells[name][1], texts, strict=True)) if a != b)
                raise FormatError(
                    "a feature differs between the blocks of the table",
                    subject=str(path),
                    place=f"{name}, subject {subjects[at]}",
                    expected=cells[name][1][at],
                    found=texts[at],
                )
            if name in cells:
                repeated.add(name)
            cells.setdefault(name, (block, texts))
    warnings: list[Note] = []
    values = np.empty((len(subjects), len(cells)))
    features = []
    for at, (name, (block, texts)) in enumerate(cells.items()):
        values[:, at] = [_number(text, path, f"{name}, subject {subjects[row]}") for row, text in enumerate(texts)]
        features.append(_feature(name, block.measure, texts))
        lacking = [subjects[row] for row in np.flatnonzero(np.isnan(values[:, at])).tolist()]
        if lacking:
            warnings.append(warning("missing-values", name, f"nothing is given for {_shown(lacking)}"))
    warnings += [
        warning("rounded-values", item.name, f"printed with few digits: known to {item.resolution:g} {item.units}")
        for item in features
        if item.resolution
    ]
    if repeated:
        warnings.append(warning("repeated-features", path.name, f"equal in both blocks: {', '.join(sorted(repeated))}"))
    return GroupTable(str(path), blocks[0].measure, blocks[0].atlas, subjects, tuple(features), values, tuple(warnings))


@dataclass(frozen=True)
class _Block:
    """Features of one block as text, a cell per subject."""

    line: int
    measure: str
    atlas: str
    subjects: tuple[str, ...]
    features: dict[str, list[str]]


def _blocks(path: Path) -> list[tuple[int, list[list[str]]]]:
    """Cut a file into blocks of rows of cells, each with the number of its first line."""
    blocks: list[tuple[int, list[list[str]]]] = []
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip():
            continue
        cells = [cell.strip() for cell in line.split("\t")]
        if _CORNER.fullmatch(cells[0]):
            blocks.append((number, [cells]))
            continue
        if not blocks:
            raise FormatError(
                "the first cell names no measure of FreeSurfer",
                subject=str(path),
                place=f"line {number}",
                expected="lh.ATLAS.MEASURE, rh.ATLAS.MEASURE or Measure:MEASURE",
                found=repr(cells[0][:80]),
            )
        header = blocks[-1][1][0]
        check_cells(cells, header, path, number, separator="\t")
        blocks[-1][1].append(cells)
    if not blocks:
        raise FormatError("the table has no line", subject=str(path), expected="a header and rows", found="blank lines")
    return blocks


def _oriented(path: Path, line: int, rows: list[list[str]]) -> _Block:
    """Name subjects and features of a block, whichever of the two are its rows."""
    corner = _CORNER.fullmatch(rows[0][0])
    assert corner is not None
    header, first = rows[0][1:], [row[0] for row in rows[1:]]
    if not header or not first:
        raise FormatError(
            "a block of the table has no row or no column", subject=str(path), place=f"line {line}",
            expected="subjects and features", found=f"{len(first)} rows of {len(header)} values",
        )  # fmt: skip
    across, down = _n_known(header), _n_known(first)
    if across == down:
        raise FormatError(
            "neither the rows nor the columns have the names of FreeSurfer's features",
            subject=str(path),
            place=f"line {line}",
            expected="names like lh_bankssts_thickness or Brain-Stem",
            found=f"columns {_shown(header)}; rows {_shown(first)}",
        )
    subjects, names = (first, header) if across > down else (header, first)
    for what, items in (("a subject", subjects), ("a feature", names)):
        twice = sorted({item for item in items if items.count(item) > 1 or not item})
        if twice:
            raise FormatError(
                f"{what} is there twice or has no name", subject=str(path), place=f"block of line {line}",
                found=_shown(twice),
            )  # fmt: skip
    body = [row[1:] for row in rows[1:]]
    columns = [list(items) for items in (zip(*body, strict=True) if across > down else body)]
    measure = corner["cortical"] or corner["measure"]
    atlas = corner["atlas"] or "aseg"
    return _Block(line, measure, atlas, tuple(subjects), dict(zip(names, columns, strict=True)))


def _n_known(names: Sequence[str]) -> int:
    return sum(name in _ASEG_NAMES or name in WHOLE_HEAD or _FEATURE.fullmatch(name) is not None for name in names)


def _feature(name: str, measure: str, texts: Sequence[str]) -> Feature:
    units = UNITS.get(measure, "1")
    parts = _FEATURE.fullmatch(name)
    if name in WHOLE_HEAD:
        units = WHOLE_HEAD[name]
    elif name.endswith(PLAIN_NUMBERS):
        units = "1"
    printed = [match for text in texts if (match := _SCIENTIFIC.fullmatch(text))]
    resolution = max((10.0 ** (int(item["exponent"]) - len(item["digits"])) for item in printed), default=0.0)
    if parts is None or parts["measure"] != measure:
        return Feature(name, name, "", units, resolution)
    return Feature(name, parts["region"], parts["hemi"][0].upper(), units, resolution)


def _number(text: str, path: Path, place: str) -> float:
    if text in MISSING:
        return math.nan
    try:
        value = float(text) if "_" not in text else math.nan
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise FormatError(
            "a value is no number", subject=str(path), place=place, expected="a number, or NA", found=repr(text[:80])
        )
    return value


def _shown(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
