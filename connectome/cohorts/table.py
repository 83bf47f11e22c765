"""One table over all records of a version: who the patients are, and what was measured of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from connectome.errors import NotFoundError, SchemaError
from connectome.schema import decode, is_category

if TYPE_CHECKING:
    import xarray as xr

    from connectome.store import Version

__all__ = ["cohort_table", "join_rows", "measures"]

GROUP = "subject"


def cohort_table(version: Version, *, group: str = GROUP, records: Iterable[str] | None = None) -> pd.DataFrame:
    """Join the one-row tables of a version's records.

    Parameters
    ----------
    version : Version
        An opened version.
    group : str
        Path of the table.
    records : iterable of str, optional
        Which; default all.

    Returns
    -------
    pandas.DataFrame
        One row per record that has such a table, index ``record``. Categories are pandas categories, ordered where
        theirs are; missing is missing. ``attrs["available"]`` says of columns when they become known,
        ``attrs["units"]`` what their numbers are.

    Raises
    ------
    NotFoundError
        When no record has such a table.
    SchemaError
        When one has another number of rows than one.
    """
    names = list(version.manifest.records) if records is None else list(records)
    found = {record: table for record in names if (table := version.read_table(record, group)) is not None}
    if not found:
        raise NotFoundError("no record has such a table", subject=version.spec, place=group)
    return join_rows(found)


def join_rows(tables: Mapping[str, xr.Dataset]) -> pd.DataFrame:
    """Join tables of one row each; see :func:`cohort_table`."""
    columns: dict[str, list[Any]] = {}
    about: dict[str, dict[str, Any]] = {}
    labels: dict[str, dict[str, None]] = {}
    for at, (record, table) in enumerate(tables.items()):
        if table.sizes.get("row") != 1:
            raise SchemaError(
                "the table does not have one row", subject=record, expected="1", found=str(table.sizes.get("row"))
            )
        for name, variable in table.variables.items():
            column = columns.setdefault(str(name), [None] * at)
            value = decode(variable)[0]
            column.append(_missing_as_none(value))
            attrs = about.setdefault(str(name), dict(variable.attrs))
            if is_category(variable):
                known = labels.setdefault(str(name), {})
                known.update(dict.fromkeys(variable.attrs["flag_labels"]))
                if list(known) != list(variable.attrs["flag_labels"]):
                    attrs["ordered"] = False
        for column in columns.values():
            if len(column) == at:
                column.append(None)
    frame = pd.DataFrame(
        {name: _series(values, list(labels[name]) if name in labels else None, about[name])
         for name, values in columns.items()}
    )  # fmt: skip
    frame.index = pd.Index(list(tables), name="record", dtype="str")
    frame.attrs["available"] = {name: attrs["available"] for name, attrs in about.items() if "available" in attrs}
    frame.attrs["units"] = {name: attrs["units"] for name, attrs in about.items() if "units" in attrs}
    return frame


def measures(version: Version, *, group: str, row: str, value: str) -> pd.DataFrame:
    """Return one measure of all regions or structures over the records of a version.

    Parameters
    ----------
    version : Version
        An opened version.
    group : str
        Path of a table with a row per region: ``aseg``, ``regions``.
    row : str
        Column that names the rows; they have to differ from one another.
    value : str
        Column of the measure.

    Returns
    -------
    pandas.DataFrame
        float64, index ``record``, one column per region in the order of the first record; NaN where one has none.

    Raises
    ------
    NotFoundError
        When no record has such a table.
    SchemaError
        When two rows of a record have one name.
    """
    found: dict[str, dict[str, float]] = {}
    for record in version.manifest.records:
        table = version.read_table(record, group)
        if table is None:
            continue
        names = [str(name) for name in decode(table[row].variable)]
        if len(set(names)) != len(names):
            raise SchemaError("two rows have one name", subject=record, place=f"{group}/{row}")
        found[record] = dict(zip(names, table[value].values.astype(np.float64).tolist(), strict=True))
    if not found:
        raise NotFoundError("no record has such a table", subject=version.spec, place=group)
    frame = pd.DataFrame.from_dict(found, orient="index", dtype="float64")
    frame.index.name = "record"
    return frame


def _missing_as_none(value: Any) -> Any:
    if isinstance(value, str):
        return value or None
    if isinstance(value, (float, np.floating)) and np.isnan(value):
        return None
    return value.item() if isinstance(value, np.generic) else value


def _series(values: list[Any], labels: list[str] | None, attrs: Mapping[str, Any]) -> pd.Series[Any]:
    if labels is not None:
        if set(labels) == {"false", "true"}:
            return pd.Series([None if value is None else value == "true" for value in values], dtype="boolean")
        return pd.Series(pd.Categorical(values, categories=labels, ordered=bool(attrs.get("ordered"))))
    stated = [value for value in values if value is not None]
    if stated and all(isinstance(value, bool) for value in stated):
        return pd.Series(values, dtype="boolean")
    if all(isinstance(value, int) for value in stated) and stated:
        return pd.Series(values, dtype="Int64")
    if all(isinstance(value, (int, float)) for value in stated):
        return pd.Series([np.nan if value is None else value for value in values], dtype="float64")
    return pd.Series(values, dtype="str")
