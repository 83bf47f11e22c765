"""Columns of tables made from records: their types, and how differing types of one column are joined without loss.

Records of one dataset may store a column in different types: ``int16`` in one, ``float32`` in another. A column of the
joined table gets the smallest type that holds every value of all of them exactly; where there is none (``int64`` and
``float64``, text and numbers) it becomes one column per type, ``weight_int64`` and ``weight_float64``, so that no
value is rounded.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.schema import is_category

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["BYTES", "IDENTIFIERS", "TEXT", "Column", "column_of", "join_columns", "placed"]

TEXT = "text"
BYTES = "bytes"
EXACT_BITS = {"float16": 11, "float32": 24, "float64": 53}
"""Bits of the largest integer range that a float holds exactly (IEEE 754-2019, table 3.5: precision p)."""


@dataclass(frozen=True)
class Column:
    """One column of a table."""

    name: str
    dtype: str
    """NumPy's name of the type, ``"text"`` or ``"bytes"``."""
    shape: tuple[int | None, ...] = ()
    """Lengths of the lists in every cell, outermost first; None where they vary, empty for single values."""
    long_name: str = ""
    units: str = ""
    labels: tuple[str, ...] = ()
    """Allowed texts of a category."""
    source: str = ""
    """Name in the records, where types had to be kept apart."""

    @property
    def origin(self) -> str:
        """Name of the column in the records."""
        return self.source or self.name


IDENTIFIERS = (
    Column("record", TEXT, (), "Id of the record"),
    Column("group", TEXT, (), "Path of the group in the record"),
)
"""The columns that every row of data starts with."""


def column_of(name: str, variable: xr.Variable) -> Column:
    """Describe a variable whose first dimension runs along the rows."""
    attrs = variable.attrs
    long_name, units = str(attrs.get("long_name", "")), str(attrs.get("units", ""))
    shape: tuple[int | None, ...] = tuple(size or None for size in variable.shape[1:])
    if is_category(variable):
        return Column(name, TEXT, shape, long_name, labels=tuple(attrs["flag_labels"]))
    if variable.dtype.kind in "OTU":
        return Column(name, TEXT, shape, long_name)
    if variable.dtype.kind == "c":
        # Arrow has no complex numbers: each becomes a pair of floats of the same width.
        part = np.empty(0, dtype=variable.dtype).real.dtype
        return Column(name, part.name, (*shape, 2), f"{long_name} (real and imaginary part)", units)
    return Column(name, variable.dtype.newbyteorder("=").name, shape, long_name, units)


def join_columns(found: Iterable[Column]) -> list[Column]:
    """Join the columns of several records into those of one table.

    Parameters
    ----------
    found : iterable of Column
        Columns of all records, record by record.

    Returns
    -------
    list of Column
        In order of first appearance, with unique names.
    """
    by_name: dict[str, list[Column]] = {}
    for column in found:
        variants = by_name.setdefault(column.name, [])
        for at, known in enumerate(variants):
            joined = _join(known, column)
            if joined is not None:
                variants[at] = joined
                break
        else:
            variants.append(column)
    names = {name for name, variants in by_name.items() if len(variants) == 1}
    columns: list[Column] = []
    for name, variants in by_name.items():
        if len(variants) == 1:
            columns.append(variants[0])
            continue
        for variant in variants:
            label = _free(f"{name}_{'list_' * len(variant.shape)}{variant.dtype}", names)
            names.add(label)
            columns.append(replace(variant, name=label, source=name))
    return columns


def placed(own: Iterable[Column], table: Sequence[Column]) -> dict[str, str]:
    """Return where a record's columns go: name in the table to name in the record."""
    places: dict[str, str] = {}
    for column in own:
        for wider in table:
            if wider.origin == column.name and _holds(wider, column):
                places[wider.name] = column.name
                break
    return places


def _holds(wider: Column, column: Column) -> bool:
    joined = _join(wider, column)
    return joined is not None and (joined.dtype, joined.shape) == (wider.dtype, wider.shape)


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    return name


def _join(one: Column, other: Column) -> Column | None:
    dtype = _join_dtypes(one.dtype, other.dtype)
    if dtype is None or len(one.shape) != len(other.shape):
        return None
    shape = tuple(a if a == b else None for a, b in zip(one.shape, other.shape, strict=True))
    labels = one.labels + tuple(label for label in other.labels if label not in one.labels)
    # A column that is free text anywhere has no list of labels.
    categories = bool(one.labels) and bool(other.labels)
    units = " | ".join(_unique([*one.units.split(" | "), *other.units.split(" | ")]))
    return replace(one, dtype=dtype, shape=shape, units=units, labels=labels if categories else ())


def _unique(items: Sequence[str]) -> list[str]:
    return [item for item in dict.fromkeys(items) if item]


def _join_dtypes(one: str, other: str) -> str | None:
    if one == other:
        return one
    if {one, other} & {TEXT, BYTES, "bool"}:
        return None
    a, b = np.dtype(one), np.dtype(other)
    wider: np.dtype[Any] = np.promote_types(a, b)
    integers = [dtype for dtype in (a, b) if dtype.kind in "iu"]
    if wider.kind in "iu" or not integers:
        return wider.name
    exact = len(integers) == 1 and integers[0].itemsize * 8 <= EXACT_BITS[wider.name]
    return wider.name if exact else None
