"""Columns of the table of a patient, as labels or inputs of every patch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from connectome.cohorts.roles import POST_OP
from connectome.errors import NotFoundError, UsageError
from connectome.schema import decode, is_category

if TYPE_CHECKING:
    from ..reading.chunks import Shelf

__all__ = ["MISSING", "SubjectColumn", "subject_column"]

Array = np.ndarray[Any, Any]
MISSING = -1
"""Code of a text or category that is not given."""


@dataclass(frozen=True)
class SubjectColumn:
    """One column over all records."""

    values: Array
    """Shape (record,): int64 codes (-1 where not given) of texts, categories and booleans without gaps; else float64,
    NaN where not given."""
    names: tuple[str, ...] | None
    """What the codes stand for; None for numbers."""
    available: str | None
    """``"pre_op"``, ``"post_op"``, or None where the record does not say."""


def subject_column(shelf: Shelf, records: Sequence[str], table: str, name: str) -> SubjectColumn:
    """Read one column of the one-row table of every record.

    Parameters
    ----------
    shelf : Shelf
        The records' files.
    records : sequence of str
        Their names.
    table, name : str
        Path of the table and name of the column. A record without it has a missing value.

    Raises
    ------
    NotFoundError
        When no record has the column.
    UsageError
        When a table has not one row, or the column is text in some records and a number in others.
    """
    found: list[xr.Variable | None] = []
    for at, record in enumerate(records):
        reader, path = shelf.reader(at), f"{table}/{name}"
        if not reader.has(path):
            found.append(None)
            continue
        values = reader.array(path).read()
        if values.shape != (1,):
            raise UsageError(
                "a label of a record is one value",
                subject=record,
                place=path,
                expected="1 row",
                found=str(values.shape),
            )
        found.append(xr.Variable(("row",), values, attrs=dict(reader.attributes(path))))
    some = [variable for variable in found if variable is not None]
    if not some:
        known = sorted(shelf.reader(0).columns(table)) if len(records) and shelf.reader(0).has(table) else []
        raise NotFoundError(
            "no record has such a column", subject=name, place=table, expected=", ".join(known) or f"a table {table}"
        )
    later = {str(variable.attrs["available"]) for variable in some if "available" in variable.attrs}
    available = POST_OP if POST_OP in later else next(iter(sorted(later)), None)
    texts = {is_category(variable) or decode(variable).dtype.kind == "O" for variable in some}
    if len(texts) > 1:
        raise UsageError("the column is text in some records and a number in others", subject=name, place=table)
    if not texts.pop():
        return SubjectColumn(np.array([_number(variable) for variable in found]), None, available)
    # Categories keep the order of their codes; plain text has none, so it is sorted.
    if all(is_category(variable) for variable in some):
        names = tuple(dict.fromkeys(label for variable in some for label in variable.attrs["flag_labels"]))
    else:
        names = tuple(sorted({str(decode(variable)[0]) for variable in some} - {""}))
    code = {label: at for at, label in enumerate(names)}
    codes = [MISSING if variable is None else code.get(str(decode(variable)[0]), MISSING) for variable in found]
    return SubjectColumn(np.array(codes, dtype=np.int64), names, available)


def _number(variable: xr.Variable | None) -> float:
    if variable is None:
        return float("nan")
    missing = [
        variable.attrs[name] for name in ("missing_value", "missing_code", "_FillValue") if name in variable.attrs
    ]
    value = variable.values[0]
    return float("nan") if any(value == other for other in missing) else float(value)
