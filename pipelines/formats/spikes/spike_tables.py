"""Small tables that lie beside spikes: delimited text into typed columns, arrays into one column per axis.

Spike sorters write one line per cluster, channel or trial. A column of texts becomes the narrowest type that holds all
of its cells (:mod:`.listed_columns`); names keep their words, and none hides a variable of the spikes.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import FormatError, TruncatedError
from connectome.schema import column

from ..files.pointers import refuse_pointer
from ..tables.listed_columns import listed_column, typed_cells

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["EVENT_NAMES", "axis_columns", "free_name", "read_cells", "text_column"]

Array = np.ndarray[Any, Any]

EVENT_NAMES = frozenset({
    "tick", "unit", "slab_ptr", "unit_ptr", "unit_order", "observed_start", "observed_stop", "unit_id", "event", "slab",
    "unit_bound", "interval",
})  # fmt: skip
"""Variables and dimensions that an ``events`` group needs for itself."""
MOST_BYTES = 1 << 30
MOST_SPLIT = 16
"""Axes of an array that become columns of their own."""


def read_cells(path: Path, delimiter: str) -> dict[str, list[str]]:
    """Read delimited text with a header line.

    Parameters
    ----------
    path : pathlib.Path
        UTF-8.
    delimiter : str
        One character.

    Returns
    -------
    dict of str to list of str
        The cells of every column in the order of the file; an unnamed column is ``""``.

    Raises
    ------
    FormatError
        When it is not text, a row has another number of cells, or a name is there twice.
    TruncatedError
        When the file is empty.
    """
    refuse_pointer(path)
    subject = str(path)
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise FormatError("too large for a table of units", subject=subject, found=f"{size} bytes")
    raw = path.read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FormatError("not text", subject=subject, place=f"byte {error.start}", expected="UTF-8") from None
    if "\0" in text:
        raise FormatError("not text", subject=subject, place=f"character {text.index(chr(0))}", found="a NUL")
    lines = text.splitlines()
    if not lines:
        raise TruncatedError("the table is empty", subject=subject, expected="a line that names the columns")
    try:
        rows = [(number, row) for number, row in enumerate(csv.reader(lines, delimiter=delimiter), start=1) if row]
    except csv.Error as error:
        raise FormatError("not a table", subject=subject, found=str(error)) from None
    names = [name.strip() for name in rows[0][1]] if rows else []
    twice = sorted({name for name in names if names.count(name) > 1})
    if not names or twice:
        raise FormatError(
            "a column's name is there twice" if twice else "no names of columns", subject=subject, place="line 1",
            found=", ".join(map(repr, twice)) or repr(lines[0][:80]),
        )  # fmt: skip
    for number, row in rows[1:]:
        if len(row) != len(names):
            raise FormatError(
                "not one cell per column", subject=subject, place=f"line {number}", expected=f"{len(names)} cells",
                found=f"{len(row)} cells",
            )  # fmt: skip
    return {name: [row[at].strip() for _, row in rows[1:]] for at, name in enumerate(names)}


def text_column(dim: str, name: str, cells: Sequence[str], *, about: str = "", units: str = "1") -> xr.Variable:
    """Make the typed variable of a column of texts; blank cells are missing."""
    values, missing = typed_cells(cells)
    return listed_column(dim, name, values, missing=missing, units=units, long_name=about)


def free_name(name: str, taken: Mapping[str, Any], *, prefix: str, reserved: frozenset[str] = EVENT_NAMES) -> str:
    """Return a name of word characters that is neither taken nor reserved."""
    plain = re.sub(r"[^A-Za-z0-9_]+", "_", name).strip("_") or "column"
    chosen = plain if plain not in reserved and plain not in taken else f"{prefix}_{plain}"
    number = 2
    while chosen in taken or chosen in reserved:
        chosen, number = f"{prefix}_{plain}_{number}", number + 1
    return chosen


def axis_columns(dim: str, name: str, values: Array, about: str, units: str, *, subject: str) -> dict[str, xr.Variable]:
    """Return an array of shape (row,) or (row, axis) as columns: ``NAME``, ``NAME_1``, ``NAME_2``, ...

    Raises
    ------
    FormatError
        When it has more axes or columns than that.
    """
    given = {} if values.dtype.kind == "b" else {"units": units}
    if values.ndim == 1:
        return {name: column(dim, values, about, **given)}
    if values.ndim != 2 or not 0 < values.shape[1] <= MOST_SPLIT:
        raise FormatError(
            "not a column of a table", subject=subject, expected=f"shape (row,) or (row, 1 to {MOST_SPLIT})",
            found=f"shape {values.shape}",
        )  # fmt: skip
    width = values.shape[1]
    words = [about if width == 1 else f"{about}, element {at}" for at in range(width)]
    return {
        name if at == 0 else f"{name}_{at}": column(dim, np.ascontiguousarray(values[:, at]), words[at], **given)
        for at in range(width)
    }
