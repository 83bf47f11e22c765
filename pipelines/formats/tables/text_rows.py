"""Text files as numbered rows, told whole from cut, with errors that name the line."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from connectome.errors import FormatError, TruncatedError
from connectome.schema import warning

from ..files.pointers import refuse_pointer

__all__ = ["Note", "check_cells", "finite", "first_line", "read_lines", "split_table", "unfinished", "whole"]

Note = dict[str, str]
"""A warning as records store it: ``code``, ``place`` and ``message``."""

_WHOLE = re.compile(r"[+-]?[0-9]{1,19}")
_INT64 = np.iinfo(np.int64)


def read_lines(path: Path) -> list[str]:
    """Return the lines of a UTF-8 text without their ends.

    Raises
    ------
    FormatError
        When the file is no text.
    TruncatedError
        When it is empty, or only points to the data.
    """
    refuse_pointer(path)
    raw = path.read_bytes()
    if not raw:
        raise TruncatedError("the file is empty", subject=str(path), expected="text", found="0 bytes")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        found = repr(raw[error.start : error.start + 1])
        raise FormatError("not UTF-8 text", subject=str(path), place=f"line {line}", found=found) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise FormatError("not text", subject=str(path), place=f"line {line}", found="a NUL")
    return text.replace("\r\n", "\n").removesuffix("\n").split("\n")


def unfinished(path: Path) -> list[Note]:
    """Return a warning if the last line of a file has no end: formats that count nothing do not show a cut."""
    with path.open("rb") as stream:
        stream.seek(-1, 2)
        if stream.read(1) == b"\n":
            return []
    return [warning("no-final-newline", path.name, "the last line has no end: is the file whole?")]


def first_line(path: Path, longest: int = 1 << 16) -> str:
    """Return the first line of a file for recognising it; ``""`` if it is no text."""
    with path.open("rb") as stream:
        raw = stream.readline(longest)
    try:
        return "" if b"\0" in raw else raw.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError:
        return ""


def split_table(
    path: Path, required: Sequence[str], separator: str = ","
) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """Split a table with a header into rows of cells.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    required : sequence of str
        Names that the header must have.
    separator : str
        One character.

    Returns
    -------
    header : list of str
        Names without blanks around them, each once.
    rows : iterator of (int, list of str)
        Line number and cells without blanks around them, as many as the header has; blank lines are left out.

    Raises
    ------
    FormatError
        When a column is missing or there twice, or, while iterating, a row has another number of cells.
    """
    lines = read_lines(path)
    header = [cell.strip() for cell in _cells(path, 1, lines[0], separator)]
    missing = [name for name in required if name not in header]
    if missing:
        raise FormatError(
            "columns are missing",
            subject=str(path),
            place="line 1",
            expected=", ".join(required),
            found=lines[0][:200] or "a blank line",
        )
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise FormatError("a column is there twice", subject=str(path), place="line 1", found=", ".join(twice))

    def rows() -> Iterator[tuple[int, list[str]]]:
        for number, line in enumerate(lines[1:], start=2):
            if not line.strip():
                continue
            cells = [cell.strip() for cell in _cells(path, number, line, separator)]
            check_cells(cells, header, path, number, separator=separator)
            yield number, cells

    return header, rows()


def check_cells(cells: Sequence[str], header: Sequence[str], path: Path, number: int, *, separator: str = " ") -> None:
    """Refuse a row that has not as many cells as the header.

    Parameters
    ----------
    cells, header : sequence of str
        Of the row, and the names of the columns.
    path, number
        The file, and the line of the row in it.
    separator : str
        What sets cells apart.

    Raises
    ------
    FormatError
        When there are more or fewer.
    """
    if len(cells) != len(header):
        raise FormatError(
            "a row has another number of cells than the header",
            subject=str(path),
            place=f"line {number}",
            expected=f"{len(header)} cells set apart by {separator!r}",
            found=f"{len(cells)}: {separator.join(cells)[:120]!r}",
        )


def _cells(path: Path, number: int, line: str, separator: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=separator, strict=True), [])
    except csv.Error as error:
        raise FormatError(
            f"a row cannot be split into cells: {error}", subject=str(path), place=f"line {number}", found=line[:120]
        ) from None


def finite(text: str, path: Path, place: str, what: str) -> float:
    """Return a text as a finite number; raise :class:`~connectome.errors.FormatError` that names the place."""
    try:
        value = float(text) if "_" not in text else math.nan
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise FormatError(
            f"{what} is not a finite number", subject=str(path), place=place, expected="a finite number",
            found=repr(text[:80]),
        )  # fmt: skip
    return value


def whole(text: str, path: Path, place: str, what: str) -> int:
    """Return a text as a whole number of 64 bits, exactly; raise as :func:`finite` does."""
    if _WHOLE.fullmatch(text) is None or not _INT64.min <= int(text) <= _INT64.max:
        raise FormatError(
            f"{what} is not a whole number", subject=str(path), place=place, expected="a whole number of 64 bits",
            found=repr(text[:80]),
        )  # fmt: skip
    return int(text)
