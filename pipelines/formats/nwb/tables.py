"""Tables of an NWB session: DynamicTables and TimeIntervals as ``table`` groups, one type per name over all stimuli.

A ``table`` has one value per row and column. A column with the same few values in every row becomes that many columns
(``color``, ``color_1``, ``color_2``); one with a varying number becomes a table of its own, ``TABLE_COLUMN``, whose
``table_row`` says where a value belongs. Texts that are numbers or lists of numbers in every stimulus table become
numbers, because the writers of stimuli give the same parameter now as 0.04, now as "0.04", now as "[0.0, 0.0]".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import FormatError
from connectome.schema import column, table, warning

from .columns import Cells, absent_columns, cells, column_names, nested, row_count

if TYPE_CHECKING:
    import xarray as xr

    from .tree import GroupNode

__all__ = ["Warnings", "plain_values", "read_table", "spread", "tell_absent", "unify"]

Array = np.ndarray[Any, Any]
Warnings = list[dict[str, str]]

MOST_SPLIT = 8
"""Columns of up to so many values per row are split; longer ones become tables of their own."""
MOST_WIDE = 128
"""Arrays with more values per row (masks, images) are no columns of a table."""
_NUMBER = re.compile(r"[+-]?(?:0|[1-9]\d*)(?:\.\d*)?(?:[eE][+-]?\d+)?|[+-]?(?:nan|inf)")
_NOTHING = {"", "None", "none", "null", "nan", "NaN", "N/A"}


def read_table(source: GroupNode, path: str, warnings: Warnings, *, but: tuple[str, ...] = ()) -> dict[str, xr.Dataset]:
    """Read a table, and those of its columns that need a table of their own.

    Parameters
    ----------
    source : GroupNode
        A DynamicTable or a type made of it.
    path : str
        Group in the record.
    warnings : list of dict
        Gets what is not kept.
    but : tuple of str
        Columns to leave out.

    Returns
    -------
    dict of str to xarray.Dataset
        Group path to ``table``.

    Raises
    ------
    FormatError
        When columns do not fit each other.
    """
    tell_absent(source, warnings)
    n_rows = row_count(source)
    columns: dict[str, xr.Variable] = {}
    further: dict[str, xr.Dataset] = {}
    identity = source.array("id")
    if identity is not None and identity.kind == "number":
        columns["id"] = column("row", identity.read(), "Id of the row as the source gives it", "1")
    for name in column_names(source):
        if name in but:
            continue
        held = cells(source, name, n_rows)
        if held.source.kind == "unreadable":
            if not (name == "group" and source.array("group_name") is not None):
                warnings.append(warning("not-stored", held.source.path, held.source.why))
            continue
        n_wide = int(np.prod(held.source.shape[1:], dtype=np.int64))
        if n_wide > MOST_WIDE:
            message = f"values of shape {held.source.shape} stay in the file"
            warnings.append(warning("by-reference", held.source.path, message))
            continue
        values = plain_values(held)
        if _names_groups(name, held, values, source):
            continue
        parts = spread(name, held, values)
        if parts is None:
            further[f"{path}_{name}"] = _own_table(held, values)
        else:
            columns.update(parts)
    about = str(source.attrs.get("description", ""))
    return {path: table(columns, source=source.path, **({"description": about} if about else {})), **further}


def tell_absent(source: GroupNode, warnings: Warnings) -> None:
    """Warn of columns that a table lists and does not have."""
    for name in absent_columns(source):
        warnings.append(warning("no-such-column", f"{source.path}/{name}", "listed in colnames, not in the table"))


def plain_values(held: Cells) -> Array:
    """Return all values of a column; one-element booleans and numbers as stored, everything else as texts."""
    values = held.source.read()
    return values.reshape(1) if values.ndim == 0 else values


def _names_groups(name: str, held: Cells, values: Array, source: GroupNode) -> bool:
    """Tell whether references say no more than the names beside them: containers differ in how they keep them."""
    beside = source.array(f"{name}_name") if held.source.kind == "reference" else None
    if beside is None or beside.kind != "text" or held.levels:
        return False
    return bool([str(path).rpartition("/")[2] for path in values.tolist()] == beside.read().tolist())


def spread(name: str, held: Cells, values: Array, dim: str = "row") -> dict[str, xr.Variable] | None:
    """Return a column as variables with one value per row; None where rows have different numbers of values."""
    width = 1
    if held.levels:
        even = held.even()
        if even is None or even == 0 or even > MOST_SPLIT or values.ndim != 1:
            return {} if even == 0 and not len(values) else None
        width = even
        values = values.reshape(-1, width)
    elif values.ndim > 2 or (values.ndim == 2 and not 0 < values.shape[1] <= MOST_SPLIT):
        return None
    elif values.ndim == 2:
        width = values.shape[1]
    variables: dict[str, xr.Variable] = {}
    for at in range(width):
        part = values if values.ndim == 1 else values[:, at]
        label = name if at == 0 else f"{name}_{at}"
        variables.update(_variables(label, part, held, dim))
    return variables


def _variables(label: str, part: Array, held: Cells, dim: str) -> dict[str, xr.Variable]:
    attrs = {"table": held.source.attrs["table"]} if "table" in held.source.attrs else {}
    if part.dtype.names:
        names = {field: label if field == held.name else f"{label}_{field}" for field in part.dtype.names}
        return {
            names[field]: _variable(dim, part[field], f"{held.description}: {field}", "1") for field in part.dtype.names
        }
    return {label: _variable(dim, part, held.description, _unit(held), **attrs)}


def _variable(dim: str, values: Array, long_name: str, units: str, **attrs: Any) -> xr.Variable:
    if values.dtype.kind in "iuf":
        return column(dim, np.ascontiguousarray(values), long_name, units, **attrs)
    if values.dtype.kind == "b":
        return column(dim, values, long_name, **attrs)
    return column(dim, values.astype(object), long_name, **attrs)


def _unit(held: Cells) -> str:
    given = str(held.source.attrs.get("unit", ""))
    if given:
        return {"seconds": "s", "volts": "V", "meters": "m"}.get(given, given)
    # Times of NWB are seconds by its schema (NWB Schema 2, TimeIntervals).
    return "s" if held.name in {"start_time", "stop_time", "timestamps", "timestamp"} else "1"


def _own_table(held: Cells, values: Array) -> xr.Dataset:
    """Make the table of a column whose rows have different numbers of values, or many."""
    if held.levels:
        rows = np.concatenate(
            [np.full(part.stop - part.start, row, dtype=np.int64) for row, part in enumerate(nested(held))]
            or [np.zeros(0, dtype=np.int64)]
        )
    else:
        rows = np.arange(len(values), dtype=np.int64)
    flat = values.reshape(len(values), -1) if values.ndim > 1 else values
    columns: dict[str, xr.Variable] = {"table_row": column("row", rows, "Row of the table, counted from 0", "1")}
    single = Cells(held.name, held.source, ())
    if flat.ndim == 1:
        columns.update(_variables(held.name, flat, single, "row"))
    else:
        for at in range(flat.shape[1]):
            columns.update(_variables(held.name if at == 0 else f"{held.name}_{at}", flat[:, at], single, "row"))
    return table(columns, source=held.source.path)


def unify(tables: Mapping[str, xr.Dataset]) -> dict[str, xr.Dataset]:
    """Give every column of the same name the same type in all stimulus tables.

    Texts become numbers where all tables' texts are numbers, lists of numbers or nothing; a list's further elements
    are the columns ``NAME_1``, ``NAME_2``, with NaN where a list is shorter. Whole numbers become float64 beside
    floats, where that is exact. Otherwise a name with texts in one table is text in all.
    """
    names = sorted({str(name) for one in tables.values() for name in one.data_vars} - {"tags", "id", "units"})
    changed = {path: dict(one.variables) for path, one in tables.items()}
    for name in names:
        there = {path: one[name].variable for path, one in tables.items() if name in one}
        kinds = {variable.dtype.kind for variable in there.values()}
        parsed = {path: _parse(variable) for path, variable in there.items()} if "O" in kinds else {}
        known = {path: found for path, found in parsed.items() if found is not None}
        if parsed and len(known) == len(parsed) and any(np.isfinite(found).any() for found in known.values()):
            width = max(found.shape[1] for found in known.values())
            taken = any(f"{name}_{at}" in one for at in range(1, width) for one in tables.values())
            if not taken:
                for path, found in known.items():
                    changed[path].update(_parsed_columns(name, there[path], found, width))
        elif kinds & {"f"} and kinds <= set("iuf") and len({item.dtype for item in there.values()}) > 1:
            changed |= {path: {**changed[path], name: _as_float(item, name)} for path, item in there.items()}
        elif "O" in kinds and len(kinds) > 1:
            for path, item in there.items():
                if item.dtype.kind != "O":
                    words = [str(value) for value in item.values.tolist()]
                    changed[path][name] = column("row", words, str(item.attrs["long_name"]))
    return {
        path: table({str(name): item for name, item in changed[path].items()}, **_group_attrs(one))
        for path, one in tables.items()
    }


def _group_attrs(one: xr.Dataset) -> dict[str, Any]:
    return {str(name): value for name, value in one.attrs.items() if not str(name).startswith("encoding-")}


def _as_float(item: xr.Variable, name: str) -> xr.Variable:
    values = item.values.astype(np.float64)
    if not np.array_equal(values.astype(item.dtype), item.values, equal_nan=item.dtype.kind == "f"):
        raise FormatError(
            "numbers too large for the type they have in another table", subject=name, found=str(item.dtype)
        )
    return column("row", values, str(item.attrs["long_name"]), str(item.attrs.get("units", "1")))


def _parse(variable: xr.Variable) -> Array | None:
    """Return texts as float64 of shape (row, element), NaN where there is nothing; None where one is no number."""
    values = variable.values
    if values.dtype.kind in "iuf":
        return np.asarray(values, dtype=np.float64)[:, np.newaxis]
    if values.dtype.kind != "O":
        return None
    rows: list[list[float]] = []
    for text in values.tolist():
        words = text.strip()
        if words in _NOTHING:
            rows.append([])
            continue
        listed = words[1:-1].replace(",", " ").split() if words[:1] + words[-1:] in {"[]", "()"} else [words]
        if not all(_NUMBER.fullmatch(word) for word in listed):
            return None
        rows.append([float(word) for word in listed])
    width = max([1, *map(len, rows)])
    if width > MOST_SPLIT:
        return None
    found = np.full((len(rows), width), np.nan)
    for at, row in enumerate(rows):
        found[at, : len(row)] = row
    return found


def _parsed_columns(name: str, item: xr.Variable, found: Array, width: int) -> dict[str, xr.Variable]:
    long_name = str(item.attrs["long_name"])
    was_text = {"source_type": "text"} if item.dtype.kind == "O" else {}
    columns: dict[str, xr.Variable] = {}
    for at in range(width):
        values = found[:, at] if at < found.shape[1] else np.full(len(found), np.nan)
        label = name if at == 0 else f"{name}_{at}"
        words = long_name if at == 0 else f"{long_name}, element {at}"
        columns[label] = column("row", values, words, str(item.attrs.get("units", "1")), **was_text)
    return columns
