"""Tables beside a recording, joined to its rows by id: the caches of the AllenSDK and the tables of articles.

A table says more about units or channels than the session's own file. Every column of it comes in under its own name,
behind a prefix where that is taken; rows of the record without one in the table get what a missing value is: NaN, "".
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import FormatError
from connectome.schema import column

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["IdTable", "join", "read_id_table"]

Array = np.ndarray[Any, Any]

_WHOLE = re.compile(r"[+-]?\d{1,18}")


@dataclass(frozen=True)
class IdTable:
    """Columns by name, each of shape (row,), and the unique ids of the rows."""

    name: str
    ids: np.ndarray[Any, np.dtype[np.int64]]
    columns: Mapping[str, Array]
    """int64, float64 (NaN where empty) or text."""

    def rows_of(self, ids: Array) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Return the row of each id, shape (id,); -1 where the table has none."""
        order = np.argsort(self.ids, kind="stable")
        at = np.searchsorted(self.ids[order], ids)
        inside = at < len(order)
        rows = np.where(inside, order[np.minimum(at, max(len(order) - 1, 0))] if len(order) else -1, -1)
        return np.asarray(np.where(inside & (self.ids[rows] == ids), rows, -1) if len(order) else rows, dtype=np.int64)


def read_id_table(path: Path, *, key: str) -> IdTable:
    """Read a CSV file whose rows have ids.

    Parameters
    ----------
    path : pathlib.Path
        UTF-8, commas, names of columns in the first line.
    key : str
        The column with the ids, whole numbers.

    Raises
    ------
    FormatError
        When the column is not there, an id is no whole number or there twice, or a row has too many or few cells.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = list(csv.reader(stream, strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise FormatError("not a CSV file", subject=str(path), found=str(error)) from error
    header, body = (rows[0], rows[1:]) if rows else ([], [])
    if key not in header or len(set(header)) != len(header):
        raise FormatError(
            "the column of ids is not there, or a column is there twice", subject=str(path), place="line 1",
            expected=key, found=", ".join(header)[:200],
        )  # fmt: skip
    for number, row in enumerate(body):
        if len(row) != len(header) or not _WHOLE.fullmatch(row[header.index(key)]):
            raise FormatError(
                "not a row of the table", subject=str(path), place=f"line {number + 2}",
                expected=f"{len(header)} cells and a whole number as {key}", found=",".join(row)[:120],
            )  # fmt: skip
    ids = np.array([int(row[header.index(key)]) for row in body], dtype=np.int64)
    unique, counts = np.unique(ids, return_counts=True)
    if (counts > 1).any():
        raise FormatError("an id is there twice", subject=str(path), place=key, found=str(unique[counts > 1][0]))
    columns = {name or "index": _typed([row[at] for row in body]) for at, name in enumerate(header) if name != key}
    return IdTable(path.name, ids, columns)


def _typed(cells: list[str]) -> Array:
    """Return whole numbers, numbers, or texts as they stand."""
    if cells and all(_WHOLE.fullmatch(cell) for cell in cells):
        return np.array([int(cell) for cell in cells], dtype=np.int64)
    try:
        return np.array([float(cell) if cell.strip() else np.nan for cell in cells], dtype=np.float64)
    except ValueError:
        return np.array(cells, dtype=object)


def join(
    dataset: xr.Dataset, table: IdTable, ids: Array, *, dim: str, prefix: str, but: tuple[str, ...] = ()
) -> tuple[xr.Dataset, int]:
    """Add the columns of a table to the rows of a group that have the same ids.

    Parameters
    ----------
    dataset : xarray.Dataset
        A group; nothing of it is changed.
    table : IdTable
        What is added.
    ids : numpy.ndarray
        Shape (row,), the ids along ``dim``.
    dim : str
        The dimension of the rows.
    prefix : str
        Put before a name that the group has already, with ``_``.
    but : tuple of str
        Columns to leave out.

    Returns
    -------
    tuple of (xarray.Dataset, int)
        The group with more columns, and how many of its rows the table does not have.
    """
    rows = table.rows_of(np.asarray(ids, dtype=np.int64))
    absent = rows < 0
    added: dict[str, xr.Variable] = {}
    for name, values in table.columns.items():
        if name in but:
            continue
        label = f"{prefix}_{name}" if name in dataset.variables or name in dataset.dims else name
        words = f"{name}, from {table.name}"
        if values.dtype.kind == "O":
            texts = ["" if row < 0 else str(values[row]) for row in rows.tolist()]
            added[label] = column(dim, texts, words)
            continue
        if values.dtype.kind == "i" and not absent.any():
            kept: Array = values[rows] if len(rows) else values[:0]
        else:
            kept = np.full(len(rows), np.nan)
            kept[~absent] = values[rows[~absent]]
            if not np.array_equal(kept[~absent].astype(values.dtype), values[rows[~absent]], equal_nan=True):
                raise FormatError("an integer too large for a float", subject=table.name, place=name)
        added[label] = column(dim, kept, words, "1")
    return dataset.assign(added), int(absent.sum())
