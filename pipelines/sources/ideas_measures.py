"""FreeSurfer's measures of IDEAS joined per person: regions of the cortex, structures, the whole head.

Three kinds of tables meet here: measures as FreeSurfer prints them, z-scores against controls, and the fraction of each
region that was resected. They name people and regions in different ways, and none of them covers everybody: what is
missing is NaN here and told by the source.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from connectome import schema
from connectome.cohorts import POST_OP, PRE_OP
from connectome.errors import FormatError

from ..formats.tables.text_rows import read_lines

if TYPE_CHECKING:
    import xarray as xr

    from ..formats.freesurfer.group_table import GroupTable

__all__ = ["PersonRows", "measured_tables", "read_resected", "read_zscores"]

MEASURES: Mapping[str, tuple[str, str]] = {"thickness": ("thickness_mm", "mm"), "area": ("area_mm2", "mm2"),
                                           "volume": ("volume_mm3", "mm3")}  # fmt: skip
WHOLE_HEMISPHERE = ("MeanThickness", "WhiteSurfArea")
"""Rows of the cortical tables that are no region."""
ATLAS = "Desikan-Killiany"


@dataclass(frozen=True)
class PersonRows:
    """A table with one row (or column) of numbers per person."""

    path: str
    features: tuple[str, ...]
    values: Mapping[str, np.ndarray]
    """Number of a person to values, float64, NaN where nothing is given."""

    def get(self, person: str) -> dict[str, float]:
        """Return the values of a person by feature; none where the table does not have the person."""
        found = self.values.get(person)
        return {} if found is None else dict(zip(self.features, found.tolist(), strict=True))


def read_zscores(path: Path) -> PersonRows:
    """Read a table of z-scores: people as rows.

    Raises
    ------
    FormatError
        When it is no such table, a person is there twice, or a value is no number.
    """
    lines = list(csv.reader(read_lines(path), strict=True))
    header = lines[0] if lines else []
    if header[:1] != ["ID"] or len(set(header)) != len(header):
        raise FormatError("not a table of z-scores", subject=str(path), place="line 1", expected="ID, then features")
    values: dict[str, np.ndarray] = {}
    for number, cells in enumerate(lines[1:], start=2):
        _fits(cells, header, path, number)
        if cells[0] in values:
            raise FormatError("a person is there twice", subject=str(path), place=f"line {number}", found=cells[0])
        values[cells[0]] = _numbers(cells[1:], path, number)
    return PersonRows(path.name, tuple(header[1:]), values)


def read_resected(path: Path) -> PersonRows:
    """Read the table of resected fractions: regions as rows, people as columns, names in single quotes.

    The release calls them percentages; they are fractions from 0 to 1, and a table in per cent is refused.
    """
    lines = list(csv.reader(read_lines(path), strict=True))
    header = [cell.strip().strip("'\"") for cell in (lines[0] if lines else [])]
    if len(header) < 2 or len(set(header)) != len(header):
        raise FormatError("not a table of resected regions", subject=str(path), place="line 1")
    columns: list[np.ndarray] = []
    names: list[str] = []
    for number, cells in enumerate(lines[1:], start=2):
        _fits(cells, header, path, number)
        names.append(cells[0].strip().strip("'\""))
        columns.append(_numbers(cells[1:], path, number))
    if len(set(names)) != len(names):
        raise FormatError("a region is there twice", subject=str(path))
    table = np.array(columns, dtype=np.float64).reshape(len(names), len(header) - 1)
    if not ((table >= 0) & (table <= 1) | np.isnan(table)).all():
        raise FormatError(
            "not fractions", subject=str(path), expected="0 to 1", found=f"{np.nanmin(table):g} to {np.nanmax(table):g}"
        )
    return PersonRows(path.name, tuple(names), {person: table[:, at] for at, person in enumerate(header[1:])})


def measured_tables(
    person: str, measures: Sequence[GroupTable], zscores: Sequence[PersonRows], resected: PersonRows | None
) -> dict[str, xr.Dataset]:
    """Return the tables ``regions``, ``aseg`` and ``head`` of a person.

    Parameters
    ----------
    person : str
        Number of the person.
    measures : sequence of GroupTable
        Those of the person's group.
    zscores : sequence of PersonRows
        Likewise.
    resected : PersonRows, optional
        Resected fractions of patients.
    """
    groups: dict[str, xr.Dataset] = {}
    scores = {name: value for table in zscores for name, value in table.get(person).items()}
    fractions = resected.get(person) if resected is not None else {}
    cortical = [table for table in measures if table.atlas != "aseg" and person in table.subjects]
    segmented = [table for table in measures if table.atlas == "aseg" and person in table.subjects]
    if cortical:
        groups["regions"] = _regions(person, cortical, scores, fractions)
    if segmented:
        groups["aseg"] = _structures(person, segmented[0], scores, fractions)
    head = _head(person, [*cortical, *segmented])
    if head:
        groups["head"] = schema.table(head)
    return groups


def _regions(
    person: str, tables: Sequence[GroupTable], scores: Mapping[str, float], fractions: Mapping[str, float]
) -> xr.Dataset:
    order: dict[tuple[str, str], None] = {}
    found: dict[str, dict[tuple[str, str], float]] = {}
    for table in tables:
        values = found.setdefault(table.measure, {})
        for feature, value in zip(table.features, table.subject(person).tolist(), strict=True):
            if feature.hemisphere and feature.region not in WHOLE_HEMISPHERE:
                order[feature.hemisphere, feature.region] = None
                values[feature.hemisphere, feature.region] = value
    keys = sorted(order, key=lambda key: key[0])
    columns = {
        "region": schema.column("row", [region for _, region in keys], "Region of the atlas"),
        "hemisphere": schema.category("row", [side for side, _ in keys], ("L", "R"), "Hemisphere"),
        "atlas": schema.category("row", [ATLAS] * len(keys), (ATLAS,), "Atlas"),
    }
    for measure, (name, unit) in MEASURES.items():
        values = found.get(measure, {})
        columns[name] = _floats([values.get(key) for key in keys], f"Cortical {measure}", unit)
        short = [f"{side.lower()}h_{region}_{measure}" for side, region in keys]
        columns[f"{measure}_z"] = _floats(
            [scores.get(key) for key in short], f"Cortical {measure}, z-score against controls after ComBat", "1"
        )
    resected = [fractions.get(f"ctx-{side.lower()}h-{region}") for side, region in keys]
    columns["resected_fraction"] = _floats(resected, "Fraction of the region that was resected", "1", POST_OP)
    return schema.table(columns, atlas=ATLAS)


def _structures(
    person: str, table: GroupTable, scores: Mapping[str, float], fractions: Mapping[str, float]
) -> xr.Dataset:
    taken = [
        (feature, value)
        for feature, value in zip(table.features, table.subject(person).tolist(), strict=True)
        if feature.units == "mm3"
    ]
    names = [feature.name for feature, _ in taken]
    columns = {
        "structure": schema.column("row", names, "Structure, as FreeSurfer names it"),
        "volume_mm3": _floats([value for _, value in taken], "Volume", "mm3"),
        "resolution_mm3": _floats(
            [feature.resolution for feature, _ in taken],
            "To how much the volume is known where it is rounded; 0: exact", "mm3",
        ),
        "volume_z": _floats(
            [scores.get(f"{name.replace('-', '_')}_volume") for name in names],
            "Volume, z-score against controls after ComBat", "1",
        ),
        "resected_fraction": _floats(
            [fractions.get(name) for name in names], "Fraction of the structure that was resected", "1", POST_OP
        ),
    }  # fmt: skip
    return schema.table(columns)


def _head(person: str, tables: Sequence[GroupTable]) -> dict[str, xr.Variable]:
    columns: dict[str, xr.Variable] = {}
    for table in tables:
        for feature, value in zip(table.features, table.subject(person).tolist(), strict=True):
            whole = feature.region in WHOLE_HEMISPHERE or feature.name == "eTIV"
            plain = table.atlas == "aseg" and feature.units != "mm3"
            name = feature.name.replace("-", "_")
            if (whole or plain) and name not in columns:
                words = f"{feature.name}, as FreeSurfer prints it"
                columns[name] = schema.column(
                    "row", np.array([value]), words, feature.units, available=PRE_OP, resolution=feature.resolution
                )
    return columns


def _floats(values: Sequence[float | None], words: str, unit: str, when: str = PRE_OP) -> xr.Variable:
    numbers = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    return schema.column("row", numbers, words, unit, available=when)


def _fits(cells: Sequence[str], header: Sequence[str], path: Path, number: int) -> None:
    if len(cells) != len(header):
        raise FormatError(
            "a row does not fit the columns", subject=str(path), place=f"line {number}",
            expected=f"{len(header)} values", found=f"{len(cells)} values",
        )  # fmt: skip


def _numbers(cells: Sequence[str], path: Path, number: int) -> np.ndarray:
    try:
        return np.array([np.nan if cell.strip() in ("", "NA", "NaN") else float(cell) for cell in cells])
    except ValueError as error:
        raise FormatError("not a number", subject=str(path), place=f"line {number}", found=str(error)) from None
