"""MATLAB files of both kinds, version 5 and 7.3 (HDF5), into the same plain Python values.

Numbers and logicals become :class:`numpy.ndarray` in MATLAB's shape, text ``str`` (a list of rows where there are
several), cell arrays lists and struct arrays lists of dicts, both in MATLAB's column-major order and without their
shape. Function handles, objects, tables and sparse matrices are refused. Formats: "MAT-File Format", The MathWorks
(version 5); version 7.3 is HDF5 with the attribute ``MATLAB_class``, axes reversed, cells and structs by reference.
"""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from connectome.errors import FormatError

from .hdf5_file import check_inside, is_hdf5, open_hdf5
from .mat5 import check_structure

__all__ = ["is_mat", "mat_variables", "read_mat", "read_struct", "struct_fields"]

_HEADER_BYTES = 128
_MAGIC = b"MATLAB 5.0 MAT-file"
_MAX_DEPTH = 64
_FAILURES = (OSError, ValueError, TypeError, KeyError, IndexError, EOFError, OverflowError, NotImplementedError,
             MemoryError, NameError, zlib.error)  # fmt: skip
"""What scipy's reader raises on damaged files, by experience with cut and overwritten ones."""


def is_mat(path: Path) -> bool:
    """Tell whether a file starts like a MAT-file of version 5 or 7.3."""
    with path.open("rb") as stream:
        head = stream.read(_HEADER_BYTES)
    return head.startswith(_MAGIC) or (head.startswith(b"MATLAB 7.3 MAT-file") and is_hdf5(path))


def mat_variables(path: Path) -> list[str]:
    """Return the names of a file's variables, sorted, without reading their values.

    Raises
    ------
    FormatError, TruncatedError
        As :func:`read_mat`.
    """
    if _is_version_73(path):
        with open_hdf5(path) as file:
            return [name for name in sorted(file) if not name.startswith("#")]
    check_structure(path)
    return sorted(name for name, _, _ in _scipy(path, "whosmat"))


def read_mat(path: Path, *, only: Sequence[str] | None = None) -> dict[str, Any]:
    """Return the variables of a MAT-file by name.

    Parameters
    ----------
    path : pathlib.Path
        A file of version 5 (also 6 and 7) or 7.3.
    only : sequence of str, optional
        Names to read; all by default.

    Returns
    -------
    dict

    Raises
    ------
    TruncatedError
        When the file ends inside a variable.
    FormatError
        When it is not a MAT-file, is damaged, or holds a value of a class that has no plain form.
    """
    if not is_mat(path):
        with path.open("rb") as stream:
            found = stream.read(20)
        raise FormatError(
            "not a MAT-file of version 5 or 7.3",
            subject=str(path),
            place="first bytes",
            expected="MATLAB 5.0 MAT-file, or MATLAB 7.3 MAT-file and HDF5",
            found=repr(found) if found else "an empty file",
        )
    if _is_version_73(path):
        with open_hdf5(path) as file:
            names = [name for name in sorted(file) if not name.startswith("#") and (only is None or name in only)]
            reader = _Reader73(file, str(path))
            return {name: reader.value(file[name], name, 0) for name in names}
    check_structure(path)
    variables = _scipy(path, "loadmat", variable_names=None if only is None else list(only))
    return {
        name: _plain_5(value, name, str(path)) for name, value in sorted(variables.items()) if not name.startswith("__")
    }


def struct_fields(path: Path, variable: str) -> tuple[int, dict[str, int | None]]:
    """Tell the size and the fields of a struct array of version 7.3, without reading their values.

    Returns
    -------
    length : int
        How many elements it has.
    fields : dict of str to int or None
        Name to the number of cells, where the array has one element and the field is a cell array; None elsewhere.

    Raises
    ------
    FormatError
        When the file is not of version 7.3 or has no such struct array.
    """
    with _open_73(path) as file:
        return _Reader73(file, str(path)).shape_of(file, variable)


def read_struct(path: Path, variable: str, at: int) -> dict[str, Any]:
    """Return one element of a struct array of version 7.3; the values of the others are not read.

    Parameters
    ----------
    path : pathlib.Path
        A file of version 7.3.
    variable : str
        Name of the struct array.
    at : int
        Element, counted from 0 in MATLAB's column-major order.

    Raises
    ------
    FormatError
        When the file is not of version 7.3, has no such element, or a value of it cannot be read.
    """
    with _open_73(path) as file:
        reader = _Reader73(file, str(path))
        length, _ = reader.shape_of(file, variable)
        if not 0 <= at < length:
            raise FormatError(
                "no such element of a struct array",
                subject=str(path),
                place=f"{variable}({at + 1})",
                expected=f"1 to {length}",
                found=str(at + 1),
            )
        return reader.element(file[variable], variable, at)


@contextmanager
def _open_73(path: Path) -> Iterator[h5py.File]:
    if not (is_mat(path) and _is_version_73(path)):
        raise FormatError(
            "not a MAT-file of version 7.3", subject=str(path), place="first bytes", expected="MATLAB 7.3 MAT-file"
        )
    with open_hdf5(path) as file:
        yield file


def _is_version_73(path: Path) -> bool:
    return is_hdf5(path)


def _scipy(path: Path, function: str, **options: Any) -> Any:
    import scipy.io
    from scipy.io.matlab import MatReadError, MatReadWarning

    if function == "loadmat":
        # Squeezing would make a struct array of one look like a struct, and a row look like a column.
        options = {
            **options,
            "squeeze_me": False,
            "struct_as_record": True,
            "chars_as_strings": True,
            "mat_dtype": False,
        }
    try:
        with warnings.catch_warnings():
            # A variable that comes twice is only warned of; the first one would be lost.
            warnings.simplefilter("error", MatReadWarning)
            return getattr(scipy.io, function)(path, **options)
    except (MatReadError, MatReadWarning, *_FAILURES) as error:
        raise FormatError(
            "the MAT-file is damaged", subject=str(path), found=f"{type(error).__name__}: {error}"
        ) from error


def _plain_5(value: Any, place: str, subject: str) -> Any:
    if not isinstance(value, np.ndarray) or type(value) is not np.ndarray:
        raise _no_plain_form(type(value).__name__, place, subject)
    if value.dtype.names:
        return [
            {name: _plain_5(item[name], f"{place}({at + 1}).{name}", subject) for name in value.dtype.names}
            for at, item in enumerate(value.ravel(order="F"))
        ]
    if value.dtype.kind == "O":
        return [_plain_5(item, f"{place}{{{at + 1}}}", subject) for at, item in enumerate(value.ravel(order="F"))]
    if value.dtype.kind == "U":
        rows = [str(row) for row in value.ravel()]
        return rows[0] if len(rows) == 1 else rows or ""
    if value.dtype.kind not in "biufc":
        raise _no_plain_form(str(value.dtype), place, subject)
    return value.astype(value.dtype.newbyteorder("="), copy=False)


class _Reader73:
    """Follows the references of a version 7.3 file."""

    def __init__(self, file: h5py.File, subject: str) -> None:
        self._file = file
        self._subject = subject

    def value(self, stored: Any, place: str, depth: int) -> Any:
        if depth > _MAX_DEPTH:
            raise FormatError("values are nested too deeply", subject=self._subject, place=place)
        matlab_class = stored.attrs["MATLAB_class"].decode("ascii") if "MATLAB_class" in stored.attrs else ""
        if isinstance(stored, h5py.Group):
            if matlab_class != "struct" or "MATLAB_sparse" in stored.attrs:
                raise _no_plain_form(matlab_class or "a group", place, self._subject)
            return self._struct(stored, place, depth)
        check_inside(stored, place=place, subject=self._subject)
        if "MATLAB_empty" in stored.attrs:
            shape = tuple(int(size) for size in stored[()].ravel())
            empty: dict[str, Any] = {"char": "", "cell": [], "struct": []}
            return empty.get(matlab_class, np.zeros(shape, dtype=_NUMBERS.get(matlab_class, np.float64)))
        if matlab_class == "cell":
            return self._cells(stored, place, depth)
        if matlab_class == "char":
            codes = stored[()].T
            rows = ["".join(map(chr, row)) for row in codes]
            return rows[0] if len(rows) == 1 else rows
        if matlab_class not in _NUMBERS or stored.dtype.kind not in "biuf":
            raise _no_plain_form(matlab_class or str(stored.dtype), place, self._subject)
        # HDF5 lists the axes in C order, MATLAB in Fortran order: the same bytes, reversed axes.
        values = np.ascontiguousarray(stored[()].T)
        return values.astype(_NUMBERS[matlab_class], copy=False)

    def _cells(self, stored: h5py.Dataset, place: str, depth: int) -> list[Any]:
        references = stored[()].T.ravel(order="F")
        return [self.value(self._file[item], f"{place}{{{at + 1}}}", depth + 1) for at, item in enumerate(references)]

    def shape_of(self, file: h5py.File, variable: str) -> tuple[int, dict[str, int | None]]:
        """Return the number of elements of a struct array, and its fields with their numbers of cells."""
        group = file.get(variable)
        matlab_class = group.attrs.get("MATLAB_class", b"") if isinstance(group, h5py.Group) else b""
        if matlab_class != b"struct" or not len(group):
            raise FormatError(
                "no struct array of that name",
                subject=self._subject,
                place=variable,
                expected="a struct with fields",
                found=", ".join(name for name in sorted(file) if not name.startswith("#")) or "no variables",
            )
        lengths = {name: group[name].size if _of_array(group[name]) else 1 for name in sorted(group)}
        if len(set(lengths.values())) > 1:
            raise FormatError(
                "the fields of a struct array differ in length",
                subject=self._subject,
                place=variable,
                found=str(lengths),
            )
        sizes = {name: group[name].size for name in lengths if group[name].attrs.get("MATLAB_class", b"") == b"cell"}
        cells = {name: sizes.get(name) for name in lengths}
        return next(iter(lengths.values())), cells

    def element(self, group: h5py.Group, place: str, at: int) -> dict[str, Any]:
        """Return one element of a struct array."""
        values = {}
        for name in sorted(group):
            member, below = group[name], f"{place}({at + 1}).{name}"
            if _of_array(member):
                check_inside(member, place=below, subject=self._subject)
                member = self._file[member[()].T.ravel(order="F")[at]]
            values[name] = self.value(member, below, 1)
        return values

    def _struct(self, group: h5py.Group, place: str, depth: int) -> list[dict[str, Any]]:
        columns: dict[str, list[Any]] = {}
        for name in sorted(group):
            member = group[name]
            below = f"{place}.{name}"
            of_array = _of_array(member)
            columns[name] = self._cells(member, below, depth) if of_array else [self.value(member, below, depth + 1)]
        lengths = {name: len(items) for name, items in columns.items()}
        if len(set(lengths.values())) > 1:
            raise FormatError(
                "the fields of a struct array differ in length", subject=self._subject, place=place, found=str(lengths)
            )
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _of_array(member: Any) -> bool:
    """Tell a field of a struct array, a plain dataset of references, from one that is a cell, which says so."""
    return isinstance(member, h5py.Dataset) and member.dtype.kind == "O" and "MATLAB_class" not in member.attrs


_NUMBERS: dict[str, type[np.generic]] = {
    "double": np.float64, "single": np.float32, "logical": np.bool_,
    "int8": np.int8, "int16": np.int16, "int32": np.int32, "int64": np.int64,
    "uint8": np.uint8, "uint16": np.uint16, "uint32": np.uint32, "uint64": np.uint64,
}  # fmt: skip


def _no_plain_form(found: str, place: str, subject: str) -> FormatError:
    return FormatError(
        "a value of a class that is not read",
        subject=subject,
        place=place,
        expected="numbers, logicals, text, cell arrays and struct arrays",
        found=found,
    )
