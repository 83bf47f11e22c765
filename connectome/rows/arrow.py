"""Tables of a version as Arrow: the one place that decides how rows are typed, for publishing and for training code.

Values keep the type of the source. In single cells NaN, ``""`` and missing categories are null; inside lists (signals,
positions) every number is as stored, NaN too, so that a list is one plain array.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import DamagedError, MissingExtraError, NotFoundError

from .columns import BYTES, IDENTIFIERS, TEXT, Column, placed
from .tables import Table, rows_of

if TYPE_CHECKING:
    import pyarrow as pa

    from connectome.store import Version

    from .parts import Values

__all__ = ["arrow_schema", "batches", "import_pyarrow"]


def import_pyarrow() -> Any:
    """Import pyarrow, or raise :class:`~connectome.errors.MissingExtraError`."""
    try:
        import pyarrow as pa
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "tables need pyarrow", subject="pyarrow", hint='pip install "connectome[hf]"'
        ) from error
    return pa


def arrow_schema(table: Table) -> pa.Schema:
    """Return the Arrow schema of a table; fields carry ``long_name`` and ``units`` as metadata."""
    pa = import_pyarrow()
    fields = []
    for column in table.columns:
        about = {key: value for key, value in (("long_name", column.long_name), ("units", column.units)) if value}
        fields.append(pa.field(column.name, _type(column), metadata=about or None))
    return pa.schema(fields)


def batches(version: Version, table: Table, *, records: Iterable[str] | None = None) -> Iterator[pa.RecordBatch]:
    """Read a table record by record.

    Parameters
    ----------
    version : Version
        The version that the table was listed from.
    table : Table
        From :func:`connectome.rows.tables`.
    records : iterable of str, optional
        Only these, in this order; default all.

    Yields
    ------
    pyarrow.RecordBatch
        With the schema of :func:`arrow_schema`.

    Raises
    ------
    NotFoundError
        When a record has no such table.
    DamagedError
        When a record's file is missing or altered.
    """
    pa = import_pyarrow()
    described = arrow_schema(table)
    chosen = list(table.n_rows) if records is None or not table.group else list(records)
    for record in chosen:
        if record not in table.n_rows:
            raise NotFoundError("the record has no such table", subject=record, place=table.name)
        n_rows = 0
        for block, columns in rows_of(version, table, record):
            arrays = _arrays(pa, table, block, columns, record)
            n_rows += len(arrays[0])
            yield pa.RecordBatch.from_arrays(arrays, schema=described)
        if n_rows != table.n_rows[record]:
            raise DamagedError(
                "a record gave another number of rows than its metadata promise",
                subject=record,
                place=table.name,
                expected=str(table.n_rows[record]),
                found=str(n_rows),
            )


def _arrays(pa: Any, table: Table, block: Values, columns: tuple[Column, ...], record: str) -> list[Any]:
    n_rows = len(next(iter(block.values()))) if block else table.n_rows[record]
    fixed = {column.name: text for column, text in zip(IDENTIFIERS, (record, table.group), strict=True) if table.group}
    places = placed(columns, table.columns) if table.group else {column.name: column.name for column in columns}
    arrays = []
    for column in table.columns:
        if column.name in fixed:
            arrays.append(pa.repeat(pa.scalar(fixed[column.name], pa.string()), n_rows))
        elif column.name in places:
            arrays.append(_array(pa, block[places[column.name]], column))
        else:
            arrays.append(pa.nulls(n_rows, _type(column)))
    return arrays


def _type(column: Column) -> pa.DataType:
    pa = import_pyarrow()
    single = {TEXT: pa.string(), BYTES: pa.binary(), "bool": pa.bool_(), "float16": pa.float16()}
    data_type = single.get(column.dtype) or pa.from_numpy_dtype(np.dtype(column.dtype))
    for length in reversed(column.shape):
        data_type = pa.list_(data_type) if length is None else pa.list_(data_type, length)
    return data_type


def _array(pa: Any, values: np.ndarray[Any, Any], column: Column) -> Any:
    if values.dtype.kind != "O" and column.dtype not in {TEXT, BYTES}:
        values = values.astype(column.dtype, copy=False)
    if not column.shape:
        return _single(pa, values, column)
    if values.dtype.kind == "O":
        array = _single(pa, values.reshape(-1), Column(column.name, column.dtype))
    else:
        array = pa.array(np.ascontiguousarray(values).reshape(-1), from_pandas=False)
    for axis in range(values.ndim - 1, 0, -1):
        length = values.shape[axis]
        if column.shape[axis - 1] is None:
            n_lists = int(np.prod(values.shape[:axis]))
            array = pa.ListArray.from_arrays(pa.array(np.arange(n_lists + 1, dtype=np.int32) * np.int32(length)), array)
        else:
            array = pa.FixedSizeListArray.from_arrays(array, length)
    return array


def _single(pa: Any, values: np.ndarray[Any, Any], column: Column) -> Any:
    if column.dtype == TEXT:
        return pa.array(values, type=pa.string(), mask=np.asarray(values == "", dtype=bool))
    if column.dtype == BYTES:
        return pa.array(list(values), type=pa.binary())
    missing = np.isnan(values) if values.dtype.kind == "f" else None
    return pa.array(values, type=_type(column), mask=missing)
