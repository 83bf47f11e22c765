"""Tables of neurons and synapses with typed columns: delimited text, Feather and Parquet, 64-bit ids kept exactly.

Every column has the type that its publisher gives it: nothing is inferred, no id passes through a float, and a cell
that is not of its type is refused with its line. Columns that a caller does not know are kept as text.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xarray as xr

from connectome.errors import FormatError, MissingExtraError, TruncatedError
from connectome.schema import category, column

from ..files.pointers import refuse_pointer

__all__ = ["Field", "TypedTable", "is_arrow", "read_arrow", "read_delimited"]

Array = np.ndarray[Any, Any]
Kind = Literal["int64", "float64", "bool", "text", "category"]
NO_VALUE = -1
"""What stands in whole-number columns where the source gives nothing; the attribute ``missing_value`` says so."""
_PLACE = re.compile(r"Row #(?P<row>\d+)")
_COLUMN = re.compile(r"In CSV column #(?P<column>\d+)")
_LONGEST_HEADER_BYTES = 1 << 20


@dataclass(frozen=True)
class Field:
    """A column as its publisher describes it."""

    name: str
    """In the file."""
    kind: Kind
    """Of text the type that is read; numbers of Arrow files keep their width."""
    long_name: str
    units: str | None = None
    """UDUNITS text; whole numbers without a unit get ``"1"``."""
    required: bool = True


class TypedTable:
    """Columns of one length with their descriptions.

    Parameters
    ----------
    arrow : pyarrow.Table
        The columns, in the types of their fields.
    fields : mapping of str to Field
        One per column.
    subject : str
        The file, for errors.
    """

    def __init__(self, arrow: Any, fields: Mapping[str, Field], subject: str) -> None:
        self._arrow = arrow
        self._fields = dict(fields)
        self._subject = subject

    def __len__(self) -> int:
        return int(self._arrow.num_rows)

    @property
    def names(self) -> list[str]:
        """Names of the columns in the order of the file."""
        return [str(name) for name in self._arrow.column_names]

    def values(self, name: str) -> Array:
        """Return a column without missing values.

        Returns
        -------
        numpy.ndarray
            Shape (row,): whole or floating numbers in the file's own width, bool, or object (``str``).

        Raises
        ------
        FormatError
            When a whole number or a truth value is missing.
        """
        values, missing = self._read(name)
        if missing is not None and values.dtype.kind in "ib":
            raise FormatError(
                "a value is missing",
                subject=self._subject,
                place=f"column {name}, row {int(np.flatnonzero(missing)[0]) + 1}",
                expected=self._fields[name].kind,
                found="nothing",
            )
        return values

    def variable(self, name: str, dim: str, order: Array | None = None) -> xr.Variable:
        """Return a documented column.

        Parameters
        ----------
        name : str
            Of the column.
        dim : str
            Name of the dimension.
        order : numpy.ndarray, optional
            Rows to take, in that order; -1 where there is none for an item, which leaves it empty.

        Returns
        -------
        xarray.Variable
            Missing floats are NaN, missing text is ``""``, missing categories have the code -1, and missing whole
            numbers are -1 with the attribute ``missing_value``.
        """
        field = self._fields[name]
        if field.kind == "category":
            return self._category(name, dim, order)
        values, missing = self._read(name)
        empty = np.zeros(len(values), dtype=bool) if missing is None else missing
        if order is not None:
            empty = np.where(order < 0, True, empty[order]) if len(values) else np.ones(len(order), dtype=bool)
            values = values[order] if len(values) else np.zeros(len(order), dtype=values.dtype)
        if field.kind == "text":
            return column(dim, np.where(empty, "", values).astype(object), field.long_name)
        if field.kind == "float64":
            return column(dim, np.where(empty, np.nan, values), field.long_name, field.units or "1")
        if field.kind == "bool":
            if empty.any():
                states = [("" if no else str(bool(yes)).lower()) for yes, no in zip(values, empty, strict=True)]
                return category(dim, states, ["false", "true"], field.long_name)
            return column(dim, values, field.long_name)
        lacking = empty.any()
        if lacking and (values[~empty] == NO_VALUE).any():
            # The number that says "nothing" is one of the file's own.
            return column(dim, np.where(empty, "", values.astype(str)).astype(object), field.long_name)
        attrs = {"missing_value": NO_VALUE} if lacking else {}
        return column(dim, np.where(empty, NO_VALUE, values), field.long_name, field.units or "1", **attrs)

    def variables(self, dim: str, *, but: Sequence[str] = (), order: Array | None = None) -> dict[str, xr.Variable]:
        """Return all columns but those named, by name; see :meth:`variable`."""
        return {name: self.variable(name, dim, order) for name in self.names if name not in but}

    def _category(self, name: str, dim: str, order: Array | None) -> xr.Variable:
        """Make a category without a Python object per row."""
        coded = self._arrow.column(name).dictionary_encode().combine_chunks()
        given = [str(label) for label in coded.dictionary.to_pylist()]
        labels = sorted(set(given) - {""})
        place = np.array([labels.index(label) if label else -1 for label in given] or [-1], dtype=np.int64)
        codes = coded.indices.fill_null(-1).to_numpy().astype(np.int64)
        codes = np.where(codes < 0, -1, place[codes])
        if order is not None:
            codes = np.where(order < 0, -1, codes[order]) if len(codes) else np.full(len(order), -1)
        described = category(dim, [], labels, self._fields[name].long_name)
        return xr.Variable(dim, codes.astype(described.dtype), attrs=described.attrs)

    def _read(self, name: str) -> tuple[Array, Array | None]:
        """Return values and, where some are missing, which."""
        held = self._arrow.column(name)
        missing = held.is_null().to_numpy().astype(bool) if held.null_count else None
        kind = self._fields[name].kind
        if kind in {"text", "category"}:
            return np.asarray(held.to_numpy(), dtype=object), missing
        if missing is not None:
            held = held.fill_null({"int64": 0, "float64": float("nan"), "bool": False}[kind])
        return held.to_numpy(), missing


def read_delimited(
    source: Path | bytes,
    fields: Sequence[Field],
    *,
    subject: str,
    delimiter: str = ",",
    header: bool = True,
    others: bool = True,
) -> TypedTable:
    """Read delimited text into typed columns.

    Parameters
    ----------
    source : Path or bytes
        The file, or what it holds.
    fields : sequence of Field
        What is known of the columns; without a header the columns in order.
    subject : str
        The file, for errors.
    delimiter : str
        One character.
    header : bool
        Whether the first line names the columns.
    others : bool
        Whether columns that are not described are kept, as text.

    Returns
    -------
    TypedTable

    Raises
    ------
    FormatError
        When a column is missing or there twice, a row has another number of cells, or a cell is not of its type; the
        place is the line.
    TruncatedError
        When the file is empty, or only points to the data.
    """
    pa, reader = _arrow("csv")
    if isinstance(source, Path):
        refuse_pointer(source)
    names = _header(source, delimiter, subject) if header else [field.name for field in fields]
    known = _known(names, fields, subject)
    chosen = [name for name in names if name in known or others]
    described = {name: known.get(name, Field(name, "text", f"{name}, as the source gives it")) for name in chosen}
    types = {name: _type(pa, field.kind) for name, field in described.items()}
    try:
        table = reader.read_csv(
            io.BytesIO(source) if isinstance(source, bytes) else str(source),
            # One thread: only then does an error know its row.
            read_options=reader.ReadOptions(use_threads=False, column_names=None if header else names),
            parse_options=reader.ParseOptions(delimiter=delimiter),
            convert_options=reader.ConvertOptions(
                column_types=types, include_columns=chosen, strings_can_be_null=False, null_values=[""],
                true_values=["True", "true", "TRUE", "t"], false_values=["False", "false", "FALSE", "f"],
            ),
        )  # fmt: skip
    except pa.ArrowInvalid as error:
        raise _refused(str(error), names, described, subject) from error
    return TypedTable(table, described, subject)


def read_arrow(path: Path, fields: Sequence[Field], *, others: bool = True) -> TypedTable:
    """Read a Feather or Parquet file into typed columns.

    Parameters
    ----------
    path : Path
        Told apart by its first bytes.
    fields, others
        As for :func:`read_delimited`; other columns keep their numbers, and lists become text.

    Raises
    ------
    FormatError
        When it is neither, a column is missing, or a column cannot have its type without loss.
    TruncatedError
        When it only points to the data.
    """
    refuse_pointer(path)
    with path.open("rb") as stream:
        start = stream.read(6)
    pa, module = _arrow("parquet" if start[:4] == b"PAR1" else "feather")
    if not is_arrow(path):
        raise FormatError(
            "neither Feather nor Parquet", subject=str(path), expected="ARROW1, FEA1 or PAR1", found=repr(start)
        )
    try:
        table = module.read_table(str(path))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise FormatError(
            "the file cannot be read", subject=str(path), found=" ".join(str(error).split())[:200]
        ) from error
    names = [str(name) for name in table.column_names]
    known = _known(names, fields, str(path))
    described: dict[str, Field] = {}
    columns = []
    for name in names:
        if name not in known and not others:
            continue
        held = table.column(name)
        if pa.types.is_dictionary(held.type):
            held = held.cast(held.type.value_type)
        described[name] = known.get(name, Field(name, _kind(pa, held.type), f"{name}, as the source gives it"))
        try:
            columns.append(_cast(pa, held, described[name].kind))
        except (pa.ArrowException, ValueError) as error:
            raise FormatError(
                "a column is not of its type",
                subject=str(path),
                place=f"column {name}",
                expected=described[name].kind,
                found=f"{held.type}: {' '.join(str(error).split())[:150]}",
            ) from error
    return TypedTable(pa.table(columns, names=list(described)), described, str(path))


def is_arrow(path: Path) -> bool:
    """Tell whether a file begins as Feather or Parquet does."""
    with path.open("rb") as stream:
        return stream.read(4) in {b"ARRO", b"FEA1", b"PAR1"}


def _arrow(module: str) -> tuple[Any, Any]:
    try:
        import pyarrow as pa
        from pyarrow import csv as arrow_csv
        from pyarrow import feather, parquet
    except ImportError as error:
        raise MissingExtraError(
            "tables of neurons need pyarrow", subject="pyarrow", hint='pip install "connectome[graph]"'
        ) from error
    return pa, {"csv": arrow_csv, "feather": feather, "parquet": parquet}[module]


def _type(pa: Any, kind: Kind) -> Any:
    return {"int64": pa.int64(), "float64": pa.float64(), "bool": pa.bool_()}.get(kind, pa.string())


def _kind(pa: Any, held: Any) -> Kind:
    """Return the kind of a column that no field describes."""
    if pa.types.is_boolean(held):
        return "bool"
    if pa.types.is_integer(held):
        return "int64"
    return "float64" if pa.types.is_floating(held) else "text"


def _cast(pa: Any, held: Any, kind: Kind) -> Any:
    wanted = _type(pa, kind)
    if kind in {"text", "category"} and not (pa.types.is_string(held.type) or pa.types.is_large_string(held.type)):
        return pa.chunked_array(
            [pa.array([None if item is None else _text(item) for item in held.to_pylist()], wanted)]
        )
    if kind == "int64" and pa.types.is_floating(held.type):
        raise ValueError("whole numbers above 2**53 are lost in floats")
    if (kind == "int64" and pa.types.is_signed_integer(held.type)) or (
        kind == "float64" and held.type in {pa.float32(), pa.float64()}
    ):
        # In the width that the publisher chose.
        return held
    return held.cast(wanted)


def _text(item: Any) -> str:
    return ", ".join(map(str, item)) if isinstance(item, list) else str(item)


def _header(source: Path | bytes, delimiter: str, subject: str) -> list[str]:
    if isinstance(source, Path):
        with source.open("rb") as stream:
            first = stream.readline(_LONGEST_HEADER_BYTES)
    else:
        first = source.partition(b"\n")[0]
    if not first.strip():
        raise TruncatedError("the table is empty", subject=subject, expected="a line that names the columns")
    try:
        names = next(csv.reader([first.decode("utf-8-sig").rstrip("\r\n")], delimiter=delimiter))
    except (UnicodeDecodeError, csv.Error, StopIteration) as error:
        raise FormatError("not text", subject=subject, place="line 1", found=repr(first[:40])) from error
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise FormatError("a column is there twice", subject=subject, place="line 1", found=", ".join(twice))
    return names


def _known(names: Sequence[str], fields: Sequence[Field], subject: str) -> dict[str, Field]:
    missing = [field.name for field in fields if field.required and field.name not in names]
    if missing:
        raise FormatError(
            "columns are missing",
            subject=subject,
            place="line 1",
            expected=", ".join(field.name for field in fields if field.required),
            found=", ".join(names)[:300],
        )
    return {field.name: field for field in fields if field.name in names}


def _refused(error: str, names: Sequence[str], described: Mapping[str, Field], subject: str) -> FormatError:
    row, at = _PLACE.search(error), _COLUMN.search(error)
    place = f"line {row['row']}" if row else "the table"
    expected: str | None = None
    # Columns are counted among those that are converted.
    if at and int(at["column"]) < len(described):
        name = list(described)[int(at["column"])]
        place += f", column {name}"
        expected = described[name].kind
    elif "Expected" in error:
        expected = f"{len(names)} cells"
    message = "a row has another number of cells" if "Expected" in error else "a cell is not of its type"
    return FormatError(message, subject=subject, place=place, expected=expected, found=error.rpartition(": ")[2][:120])
