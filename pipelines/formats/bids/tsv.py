"""Tab-separated tables of BIDS: texts by column, then typed columns; never by the machine's locale.

A table starts with one line of column names; ``n/a`` is a missing value (BIDS 1.10, "Tabular files"). A byte-order
mark, line ends of Windows or of old Macs and blank lines are taken as they come; a row that does not fit the names is
refused.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome import schema
from connectome.errors import FormatError
from connectome.schema import warning

from ..tables.text_rows import Note, read_lines

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["MISSING", "Rows", "read_rows", "repairs", "typed", "typed_columns", "variable_name"]

MISSING = frozenset({"n/a", ""})
"""What stands for no value; an empty cell is no valid BIDS, and can mean nothing else."""
TRUTHS = ({"true", "false"}, {"True", "False"}, {"TRUE", "FALSE"})

Rows = list[dict[str, str]]

_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")
_WHOLE = re.compile(r"[+-]?(?:0|[1-9]\d{0,15})")
_PADDED = re.compile(r"[+-]?0\d+")


def read_rows(path: Path) -> Rows:
    """Read a table as texts by column name, stripped of blanks around them.

    Raises
    ------
    FormatError
        When the file is no UTF-8 text, column names repeat or are empty, or a row has another number of cells.
    TruncatedError
        When it is empty or only points to the data.
    """
    lines = (part.split("\t") for line in read_lines(path) for part in line.split("\r"))
    numbered = [(number, line) for number, line in enumerate(lines, start=1) if any(cell.strip() for cell in line)]
    if not numbered:
        raise FormatError("the table is empty", subject=str(path), expected="a line of column names")
    header = [name.strip() for name in numbered[0][1]]
    if len(set(header)) != len(header) or "" in header:
        raise FormatError(
            "column names repeat or are empty",
            subject=str(path),
            place=f"line {numbered[0][0]}",
            found=", ".join(map(repr, header)),
        )
    rows = []
    for number, line in numbered[1:]:
        if len(line) != len(header):
            raise FormatError(
                "a row does not fit the columns",
                subject=str(path),
                place=f"line {number}",
                expected=f"{len(header)} values",
                found=f"{len(line)} values",
            )
        rows.append(dict(zip(header, (value.strip() for value in line), strict=True)))
    return rows


def repairs(path: Path) -> list[Note]:
    """Say what :func:`read_rows` takes as it comes: a byte-order mark, line ends of other systems."""
    raw = path.read_bytes()
    notes: list[Note] = []
    if raw.startswith(b"\xef\xbb\xbf"):
        message = "a byte-order mark before the first column's name was taken away"
        notes.append(warning("byte-order-mark", path.name, message))
    if b"\r\n" in raw:
        notes.append(warning("windows-line-ends", path.name, "CR LF was read as the end of a line"))
    if b"\r" in raw.replace(b"\r\n", b"\n"):
        notes.append(warning("old-mac-line-ends", path.name, "CR was read as the end of a line"))
    return notes


def variable_name(column: str) -> str:
    """Return a column's name as a variable can have it: what is neither letter, digit, dot nor dash becomes ``_``."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", column) or "unnamed"


def typed_columns(
    rows: Rows,
    *,
    table: str,
    described: Mapping[str, Any] | None = None,
    among: Rows | None = None,
    text: Sequence[str] = (),
) -> tuple[dict[str, xr.Variable], list[Note]]:
    """Make typed columns of some rows of a table.

    Parameters
    ----------
    rows : list of dict
        The rows that are wanted.
    table : str
        Name of the file, for what columns are called and for warnings.
    described : mapping, optional
        The JSON file that goes with the table: column to ``Description``, ``Units``, ``Levels``.
    among : list of dict, optional
        All rows of the table: they decide the type of a column, so that one row has the types of all.
    text : sequence of str
        Columns that are text whatever they hold (identifiers).

    Returns
    -------
    columns : dict of str to xarray.Variable
        Along ``row``. A column with levels is a category; one of numbers is int64 where all are whole and none is
        missing, else float64 with NaN; one of ``true`` and ``false`` is a category of these two; the others are text.
    warnings : list of dict
        Levels that the JSON file lacks, columns that it describes and the table does not have, doubled names.
    """
    described = described or {}
    among = rows if among is None else among
    names = list(among[0]) if among else []
    columns: dict[str, xr.Variable] = {}
    warnings: list[Note] = []
    for key in names:
        name = variable_name(key)
        if name in columns:
            raise FormatError("two columns would have one name", subject=table, found=f"{key!r} and another: {name}")
        about = described.get(key)
        about = about if isinstance(about, Mapping) else {}
        columns[name], notes = typed(
            [row[key] for row in rows],
            key=key,
            table=table,
            about=about,
            among=[row[key] for row in among],
            as_text=key in text,
        )
        warnings += notes
    strangers = sorted(key for key, value in described.items() if isinstance(value, Mapping) and key not in names)
    if strangers and names:
        message = f"described, and not in the table: {', '.join(strangers)}"
        warnings.append(warning("described-without-column", table, message))
    return columns, warnings


def typed(
    values: Sequence[str],
    *,
    key: str,
    table: str,
    about: Mapping[str, Any],
    among: Sequence[str],
    as_text: bool = False,
) -> tuple[xr.Variable, list[Note]]:
    """Make one typed column; see :func:`typed_columns`."""
    stated = [value for value in among if value not in MISSING]
    attrs: dict[str, Any] = {"source_column": key}
    long_name = str(about.get("Description") or f"Column {key!r} of {table}")
    levels = about.get("Levels")
    if isinstance(levels, Mapping) and levels and not as_text:
        return _levelled(values, levels, stated, key=key, table=table, long_name=long_name, attrs=attrs)
    if (stated and set(stated) in TRUTHS) or (len(set(stated)) == 1 and any(set(stated) < pair for pair in TRUTHS)):
        lowered = [None if value in MISSING else value.lower() for value in values]
        return schema.category("row", lowered, ("false", "true"), long_name, **attrs), []
    plain = [value for value in stated if _NUMBER.fullmatch(value) and not _PADDED.fullmatch(value)]
    if stated and len(plain) == len(stated) and not as_text:
        unit = str(about.get("Units") or "1")
        if unit in MISSING or " " in unit:
            attrs["stated_units"], unit = unit, "1"
        if len(stated) == len(among) and all(_WHOLE.fullmatch(value) for value in stated):
            whole = np.array([int(value) for value in values], dtype=np.int64)
            return schema.column("row", whole, long_name, unit, **attrs), []
        numbers = [math.nan if value in MISSING else float(value) for value in values]
        return schema.column("row", np.array(numbers, dtype=np.float64), long_name, unit, **attrs), []
    texts = ["" if value in MISSING else value for value in values]
    return schema.column("row", texts, long_name, **attrs), []


def _levelled(
    values: Sequence[str],
    levels: Mapping[str, Any],
    stated: Sequence[str],
    *,
    key: str,
    table: str,
    long_name: str,
    attrs: dict[str, Any],
) -> tuple[xr.Variable, list[Note]]:
    known = [str(level) for level in levels if str(level) not in MISSING]
    strange = sorted(set(stated) - set(known))
    warnings: list[Note] = []
    if strange:
        message = f"values that the levels of {key!r} do not have: {', '.join(strange)}"
        warnings.append(warning("unknown-levels", table, message))
    attrs["flag_descriptions"] = [str(levels[level]) for level in known] + [""] * len(strange)
    given = [None if value in MISSING else value for value in values]
    return schema.category("row", given, [*known, *strange], long_name, **attrs), warnings
