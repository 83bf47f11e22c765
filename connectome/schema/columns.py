"""Variables as they are allowed in a record: plain columns, categories, and their reading back.

What lives here is shared by every kind of data. Strings are stored as the Zarr ``string`` type and ``""`` means
"none given"; categories are integer codes with the CF attributes ``flag_values`` and ``flag_meanings`` (CF
Conventions 1.11, section 3.5) and ``-1`` for missing; missing floats are NaN. Nothing is masked or scaled on read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import xarray as xr

from connectome.errors import SchemaError

__all__ = ["MISSING_CODE", "Layout", "Problem", "category", "check_columns", "column", "decode", "is_category"]

MISSING_CODE = -1
"""Code of a missing category."""

Codec = Literal["lz4", "differences", "zstd", "zstd-shuffle", "none"]


@dataclass(frozen=True)
class Layout:
    """How one variable lies on disk."""

    chunks: tuple[int, ...]
    """Chunk shape, one number per dimension."""
    codec: Codec
    """``lz4`` for signals, ``differences`` (of neighbours, then lz4) for whole numbers that rise, ``zstd`` for tables
    and labels, ``zstd-shuffle`` (bits shuffled first) for images of several bytes, ``none`` where the array is
    memory-mapped."""


@dataclass(frozen=True)
class Problem:
    """One reason why a group is not valid."""

    place: str
    """Path of the group or variable."""
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.place}: expected {self.expected}, found {self.found}"


def column(
    dims: str | Sequence[str], values: Any, long_name: str, units: str | None = None, **attrs: Any
) -> xr.Variable:
    """Make a documented variable.

    Parameters
    ----------
    dims : str or sequence of str
        Names of the dimensions.
    values : array-like
        Numbers, booleans or strings. Lists of ``str`` become string columns; ``None`` is refused, write ``""``.
    long_name : str
        What the numbers are, in words.
    units : str, optional
        UDUNITS text; ``"1"`` for dimensionless numbers. Strings and booleans have none.
    **attrs
        Further attributes (JSON values).

    Returns
    -------
    xarray.Variable

    Raises
    ------
    SchemaError
        When text is mixed with anything else, or has no UTF-8 form (bytes that were decoded with ``surrogateescape``).
    """
    array = np.asarray(values)
    if array.dtype.kind in "OTU" or (array.size == 0 and isinstance(values, list) and units is None):
        flat = list(np.asarray(values, dtype=object).ravel())
        wrong = [value for value in flat if not isinstance(value, str)]
        if wrong:
            raise SchemaError(
                "a text column holds something that is not text",
                subject=long_name,
                expected="str",
                found=f"{type(wrong[0]).__name__} ({wrong[0]!r})",
                hint='write "" where nothing is given',
            )
        try:
            "".join(flat).encode()
        except UnicodeEncodeError as error:
            raise SchemaError(
                "a text column holds something that has no UTF-8 form",
                subject=long_name,
                found=repr(error.object[error.start : error.end]),
                hint="read the file in its own encoding",
            ) from None
        shape = array.shape
        array = np.empty(shape, dtype=object)
        array.ravel()[:] = [str(value) for value in flat]
    described: dict[str, Any] = {"long_name": long_name}
    if units is not None:
        described["units"] = units
    described.update(attrs)
    return xr.Variable(dims, array, attrs=described)


def category(
    dims: str | Sequence[str],
    values: Iterable[str | None],
    labels: Sequence[str],
    long_name: str,
    *,
    ordered: bool = False,
    **attrs: Any,
) -> xr.Variable:
    """Make a categorical variable from text values.

    Parameters
    ----------
    dims : str or sequence of str
        Name of the one dimension.
    values : iterable of str or None
        ``None`` and ``""`` are missing.
    labels : sequence of str
        Every allowed label, in the order of the codes.
    long_name : str
        What is told apart.
    ordered : bool
        Whether the order of ``labels`` means more than bookkeeping.

    Returns
    -------
    xarray.Variable
        Codes of dtype int8, int16 or int32.

    Raises
    ------
    SchemaError
        When a value is not one of ``labels``, or a label is empty or there twice.
    """
    if len(set(labels)) != len(labels) or "" in labels:
        raise SchemaError(
            "labels of a category must differ from one another and from nothing",
            subject=long_name,
            found=", ".join(map(repr, labels)),
        )
    codes_of = {label: code for code, label in enumerate(labels)}
    codes = []
    for value in values:
        if value is None or value == "":
            codes.append(MISSING_CODE)
        elif value in codes_of:
            codes.append(codes_of[value])
        else:
            raise SchemaError(
                "a value is not one of the category's labels",
                subject=long_name,
                expected=", ".join(labels),
                found=repr(value),
            )
    dtype = np.int8 if len(labels) < 127 else np.int16 if len(labels) < 32767 else np.int32
    described: dict[str, Any] = {
        "long_name": long_name,
        "flag_values": list(range(len(labels))),
        # CF wants one blank-separated string; the exact labels follow beside it.
        "flag_meanings": " ".join(label.replace(" ", "_") for label in labels),
        "flag_labels": list(labels),
        "missing_code": MISSING_CODE,
        "ordered": ordered,
        **attrs,
    }
    return xr.Variable(dims, np.asarray(codes, dtype=dtype), attrs=described)


def is_category(variable: xr.Variable | xr.DataArray) -> bool:
    """Tell whether a variable holds category codes."""
    return "flag_values" in variable.attrs


def decode(variable: xr.Variable | xr.DataArray) -> np.ndarray[Any, Any]:
    """Return the values of a variable in words: labels for codes (``""`` where missing), else the values.

    Returns
    -------
    numpy.ndarray
        Of dtype object (``str``) for categories and text, else of the variable's own dtype.
    """
    values = np.asarray(variable.values)
    if not is_category(variable):
        return values.astype(object) if values.dtype.kind in "OTU" else values
    labels: dict[int, str] = dict(zip(variable.attrs["flag_values"], variable.attrs["flag_labels"], strict=True))
    table = np.array([labels.get(code, "") for code in range(-1, max(labels, default=-1) + 1)], dtype=object)
    decoded: np.ndarray[Any, Any] = table[values.astype(np.int64) + 1]
    return decoded


def check_columns(dataset: xr.Dataset, path: str) -> list[Problem]:
    """Check what every group owes: dtypes that travel, names, units, and codes that have a label."""
    problems: list[Problem] = []
    for name, variable in dataset.variables.items():
        place = f"{path.rstrip('/')}/{name}"
        if variable.dtype.kind not in "biufcOTU":
            problems.append(Problem(place, "a number, boolean or text", str(variable.dtype)))
            continue
        if not variable.attrs.get("long_name"):
            problems.append(Problem(place, "the attribute long_name", "none"))
        if is_category(variable):
            problems.extend(_check_codes(variable, place))
        elif variable.dtype.kind in "iufc" and "units" not in variable.attrs:
            problems.append(Problem(place, 'the attribute units ("1" for plain numbers)', "none"))
        if variable.dtype.kind == "O":
            wrong = next((value for value in variable.values.ravel() if not isinstance(value, str)), None)
            if wrong is not None:
                problems.append(Problem(place, "text only", f"{type(wrong).__name__} {wrong!r}"))
    return problems


def _check_codes(variable: xr.Variable, place: str) -> list[Problem]:
    attrs: Mapping[str, Any] = variable.attrs
    if variable.dtype.kind != "i":
        return [Problem(place, "integer category codes", str(variable.dtype))]
    flags, labels = list(attrs["flag_values"]), list(attrs.get("flag_labels", ()))
    if flags != list(range(len(labels))) or len(set(labels)) != len(labels):
        return [Problem(place, "flag values from 0 up, one different flag label each", f"{flags}, {labels}")]
    if attrs.get("missing_code", MISSING_CODE) != MISSING_CODE:
        return [Problem(place, f"the missing code {MISSING_CODE}", str(attrs["missing_code"]))]
    codes = variable.values
    if not codes.size or (codes.min() >= MISSING_CODE and codes.max() < len(flags)):
        return []
    allowed = [MISSING_CODE, *flags]
    unknown = np.setdiff1d(np.unique(codes), np.asarray(allowed))
    return [Problem(place, f"codes among {allowed}", str(unknown.tolist()))] if unknown.size else []
