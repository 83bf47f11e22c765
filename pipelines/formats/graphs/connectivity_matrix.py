"""The format ``connectivity-matrix``: how strongly regions of a brain are connected, as a square table of numbers.

Tractography and functional studies publish one matrix per subject, with names of regions as header and first column, or
bare with the names in a file of their own. An entry that is not 0 becomes an edge; a symmetric matrix one undirected
edge per pair. An entry that is not given becomes none, and is told.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import FormatError, UsageError
from connectome.regions import region_columns, region_of
from connectome.schema import graph, record, warning

from ..tables.text_rows import Note, read_lines, unfinished

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["read", "sniff"]

Array = np.ndarray[Any, Any]

MISSING = ("", "NA", "NaN", "nan", "n/a")
SEPARATORS = ("\t", ",", ";")
LARGEST_SNIFFED = 1 << 24
MOST_REGIONS = 20_000


def sniff(path: Path) -> bool:
    """Tell whether a table is square, with the same known regions of the brain as header and as first column."""
    if path.stat().st_size > LARGEST_SNIFFED:
        return False
    try:
        names, _ = _parse(path)
    except FormatError:
        return False
    return len(names) > 1 and 2 * sum(region_of(name) is not None for name in names) > len(names)


def read(
    paths: list[Path],
    *,
    directed: bool | None = None,
    edge_type: str = "connection",
    weight_units: str = "1",
    weight_meaning: str = "not stated",
    lineage: str = "not stated",
    atlas: str = "",
    group: str = "connectome",
) -> xr.DataTree:
    """Read one matrix.

    Parameters
    ----------
    paths : list of pathlib.Path
        The matrix and, where it has no names, a text with one name of a region per line.
    directed : bool, optional
        Whether rows lead to columns. A symmetric matrix is undirected by default; for one that is not, it has to be
        stated, for a matrix that is meant to be symmetric and is not is damaged.
    edge_type : str
        ``streamlines``, ``fractional_anisotropy``, ``correlation``, ...
    weight_units, weight_meaning, lineage : str
        What the numbers are and how they were made.
    atlas : str
        Of the regions.
    group : str
        Path of the graph in the record.

    Returns
    -------
    xarray.DataTree
        One graph. Nodes are the regions in the order of the file, with ``region``, ``hemisphere`` and ``structure``
        where a name is of the Desikan-Killiany atlas or ``aseg``. The weights are the numbers of the file as float64;
        attributes ``n_entries`` and ``n_missing`` count entries of the matrix.

    Raises
    ------
    FormatError
        When the table is not square, names differ or are there twice, or an entry is no number; the place is the line.
    UsageError
        When names are missing, or the matrix is not symmetric and ``directed`` is not stated.
    """
    if not 1 <= len(paths) <= 2:
        raise UsageError("one matrix makes one graph", subject=str(paths[-1]), expected="MATRIX [NAMES]")
    path = paths[0]
    names, values = _parse(path)
    if len(paths) == 2:
        listed = [line.strip().strip("\"'") for line in read_lines(paths[1]) if line.strip()]
        if names and names != listed:
            raise FormatError("the names are not those of the matrix", subject=str(paths[1]), expected=names[0])
        names = listed
    if not names:
        raise UsageError(
            "the matrix does not name its regions", subject=str(path), expected="a second file, one name per line"
        )
    _check_names(names, len(values), paths[-1])
    notes: list[Note] = [note for each in paths for note in unfinished(each)]
    missing = np.isnan(values)
    if missing.any():
        message = f"{int(missing.sum())} of {values.size} entries are not given; they become no edge"
        notes.append(warning("missing-entries", path.name, message))
    symmetric = np.array_equal(values, values.T, equal_nan=True)
    if directed is None and not symmetric:
        row, at = (int(place[0]) for place in np.nonzero((values != values.T) & ~(missing & missing.T)))
        raise UsageError(
            "the matrix is not symmetric", subject=str(path), place=f"{names[row]}, {names[at]}",
            expected=f"{values[at, row]:g}, as the other way", found=f"{values[row, at]:g}",
            hint="--option directed=true if rows lead to columns",
        )  # fmt: skip
    if directed is False and not symmetric:
        raise FormatError("an undirected matrix is not symmetric", subject=str(path))
    chosen = values if directed else np.triu(values)
    source, target = np.nonzero((chosen != 0) & ~np.isnan(chosen))
    about = {
        "directed": bool(directed), "weight_units": weight_units, "weight_meaning": weight_meaning, "lineage": lineage
    }  # fmt: skip
    named: dict[str, Any] = {"atlas": atlas} if atlas else {}
    dataset = graph(
        node=names,
        source=source,
        target=target,
        edge_type=edge_type,
        edge_types={edge_type: about},
        weight=chosen[source, target],
        weight_units=weight_units,
        nodes=region_columns(names),
        n_entries=int(values.size),
        n_missing=int(missing.sum()),
        **named,
    )
    return record({group: dataset}, warnings=notes, title=path.name.partition(".")[0])


def _parse(path: Path) -> tuple[list[str], Array]:
    """Return the names of the regions, if the table has them, and the numbers."""
    lines = [(number, line) for number, line in enumerate(read_lines(path), start=1) if line.strip()]
    if not lines:
        raise FormatError("the table is empty", subject=str(path), expected="a square table", found="blank lines")
    first = lines[0][1]
    separator = max(SEPARATORS, key=first.count)
    rows = [(number, _cells(line, separator if separator in first else None)) for number, line in lines]
    names: list[str] = []
    if any(not _is_entry(cell) for cell in rows[0][1]):
        names = rows[0][1]
        rows = rows[1:]
        labelled = bool(rows) and len(rows[0][1]) == len(rows) + 1
        if labelled and len(names) == len(rows) + 1:
            names = names[1:]
        if labelled:
            of_rows = [cells[0] for _, cells in rows]
            if of_rows != names:
                raise FormatError(
                    "rows and columns are not of the same regions", subject=str(path), place=f"line {rows[0][0]}",
                    expected=", ".join(names[:3]), found=", ".join(of_rows[:3]),
                )  # fmt: skip
            rows = [(number, cells[1:]) for number, cells in rows]
    if len(rows) > MOST_REGIONS:
        raise FormatError("too many rows for a matrix of regions", subject=str(path), found=str(len(rows)))
    values = np.empty((len(rows), len(rows)))
    for at, (number, cells) in enumerate(rows):
        if len(cells) != len(rows):
            raise FormatError(
                "the table is not square", subject=str(path), place=f"line {number}",
                expected=f"{len(rows)} entries, as there are rows", found=str(len(cells)),
            )  # fmt: skip
        values[at] = [_entry(cell, path, number) for cell in cells]
    if not len(values) or (names and len(names) != len(values)):
        raise FormatError(
            "the table is not square", subject=str(path), expected=f"{len(names)} rows", found=str(len(values))
        )
    return names, values


def _cells(line: str, separator: str | None) -> list[str]:
    return [cell.strip().strip("\"'") for cell in line.split(separator)]


def _is_entry(text: str) -> bool:
    try:
        return text in MISSING[1:] or math.isfinite(float(text))
    except ValueError:
        return False


def _entry(text: str, path: Path, number: int) -> float:
    if text in MISSING:
        return math.nan
    if "_" in text or not _is_entry(text):
        raise FormatError(
            "an entry is no number", subject=str(path), place=f"line {number}", expected="a finite number, or NA",
            found=repr(text[:40]),
        )  # fmt: skip
    return float(text)


def _check_names(names: Sequence[str], n_rows: int, path: Path) -> None:
    if len(names) != n_rows:
        raise FormatError(
            "another number of names than rows", subject=str(path), expected=str(n_rows), found=str(len(names))
        )
    twice = sorted({name for name in names if names.count(name) > 1 or not name})
    if twice:
        raise FormatError("a region is there twice or has no name", subject=str(path), found=", ".join(twice[:5]))
