"""Sheets of text, XLSX and legacy XLS files as plain rows of cells, with typed errors for files that are not whole.

Cells are ``str``, ``int``, ``float``, ``bool`` or None (empty). A text file has one sheet, named after the file, whose
cells are all text; ``number`` turns them into numbers where a reader expects some.
"""

from __future__ import annotations

import csv
import io
import itertools
import math
import struct
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from xml.etree.ElementTree import ParseError

from connectome.errors import FormatError, MissingExtraError, TruncatedError

__all__ = ["Cell", "Sheet", "column_letters", "number", "read_sheet", "sheet_names"]

Cell = str | int | float | bool | None

TEXT_SUFFIXES = (".csv", ".tsv", ".txt")
_ZIP_MAGIC = b"PK\x03\x04"
_OLE_MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


@dataclass(frozen=True)
class Sheet:
    """One sheet of a file."""

    path: Path
    name: str
    """Name of the sheet; ``""`` for text files."""
    rows: tuple[tuple[Cell, ...], ...]

    def place(self, row: int, column: int | None = None) -> str:
        """Name a row, or a cell, by its 0-based position as a person finds it in the file."""
        where = f"row {row + 1}" if column is None else f"cell {column_letters(column)}{row + 1}"
        return f"sheet {self.name!r}, {where}" if self.name else where

    def below(self, *header: str) -> tuple[tuple[Cell, ...], ...]:
        """Return the rows below a header.

        Raises
        ------
        FormatError
            When the first row is another one, or a row has fewer cells.
        """
        for at, row in enumerate(self.rows or ((),)):
            if len(row) < len(header) or (at == 0 and row != header):
                raise FormatError(
                    "a row is cut short" if at else "another header than that of the table",
                    subject=self.path.name,
                    place=self.place(at),
                    expected=", ".join(header) if at == 0 else f"{len(header)} cells",
                    found=", ".join(map(str, row))[:200] if at == 0 else f"{len(row)} cells",
                )
        return self.rows[1:]


def column_letters(column: int) -> str:
    """Return the letters of a 0-based column: 0 is ``A``, 26 is ``AA``."""
    letters = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def number(cell: Cell) -> int | float | None:
    """Return a cell as a finite number, whole numbers as int; None when it is not one."""
    if isinstance(cell, bool) or cell is None:
        return None
    if isinstance(cell, str):
        try:
            cell = float(cell) if "_" not in cell else math.nan
        except ValueError:
            return None
    if not math.isfinite(cell):
        return None
    return int(cell) if cell == int(cell) and abs(cell) < 2**53 else float(cell)


def sheet_names(path: Path) -> list[str]:
    """List the sheets of a workbook; one blank name for a text file."""
    if path.suffix.lower() in TEXT_SUFFIXES:
        return [""]
    if path.suffix.lower() == ".xls":
        return list(_open_xls(path).sheet_names())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        book = _open_xlsx(path)
    try:
        return list(book.sheetnames)
    finally:
        book.close()


def read_sheet(path: Path, sheet: str | None = None, *, first: int | None = None) -> Sheet:
    """Read one sheet.

    Parameters
    ----------
    path : pathlib.Path
        ``.csv``, ``.tsv``, ``.txt`` (UTF-8; tab, comma or semicolon, told from the first line), ``.xlsx`` or ``.xls``.
    sheet : str, optional
        Name of the sheet; may be left out when there is only one.
    first : int, optional
        Read no more than that many rows: enough to tell a table by its header, whatever its size.

    Raises
    ------
    FormatError
        When the file is empty, not of its kind, or has no such sheet; ``TruncatedError`` when it ends too early.
    """
    size = path.stat().st_size
    if size == 0:
        raise FormatError("the file is empty", subject=path.name, expected="a table", found="0 bytes")
    suffix = path.suffix.lower()
    if suffix in TEXT_SUFFIXES:
        if sheet:
            raise FormatError("a text file has no sheets", subject=path.name, expected="no sheet", found=sheet)
        return Sheet(path, "", _read_text(path, first))
    if suffix == ".xls":
        return _read_xls(path, sheet, first)
    if suffix == ".xlsx":
        return _read_xlsx(path, sheet, first)
    raise FormatError("not a table by its name", subject=path.name, expected=".csv .tsv .txt .xls .xlsx", found=suffix)


def _read_text(path: Path, first: int | None) -> tuple[tuple[Cell, ...], ...]:
    with path.open("rb") as file:
        content = file.read() if first is None else b"".join(itertools.islice(_short_lines(file), first))
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        found = repr(error.object[error.start : error.start + 1])
        place = f"byte {error.start}"
        raise FormatError("the file is not UTF-8 text", subject=path.name, place=place, found=found) from error
    if "\0" in text:
        raise FormatError("the file holds NUL bytes", subject=path.name, place=f"character {text.index(chr(0))}")
    head = text.split("\n", 1)[0]
    delimiter = max("\t,;", key=head.count)
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise FormatError(f"the table cannot be split into cells: {error}", subject=path.name) from error
    return tuple(tuple(cell.strip() or None for cell in row) for row in rows)


def _short_lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield lines of at most 1 MiB: a binary file under a table's name may have no line ends at all."""
    while line := file.readline(1 << 20):
        yield line


def _choose(path: Path, names: Sequence[str], wanted: str | None) -> str:
    if wanted is None and len(names) == 1:
        return names[0]
    if wanted not in names:
        raise FormatError(
            "the workbook has several sheets" if wanted is None else "the workbook has no such sheet",
            subject=path.name,
            expected=", ".join(repr(name) for name in names),
            found=repr(wanted) if wanted is not None else "no choice",
            hint="name one with the option sheet",
        )
    assert wanted is not None
    return wanted


def _open_xlsx(path: Path) -> Any:
    try:
        from openpyxl import load_workbook
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "XLSX files need openpyxl", subject=path.name, hint='pip install "connectome[worm]"'
        ) from error
    with path.open("rb") as file:
        magic = file.read(4)
    if magic != _ZIP_MAGIC:
        raise FormatError(
            "the file is not an XLSX workbook", subject=path.name, expected="a ZIP archive", found=repr(magic)
        )
    try:
        return load_workbook(path, read_only=True, data_only=True)
    except (zipfile.BadZipFile, EOFError, zlib.error, struct.error) as error:
        raise TruncatedError(f"the workbook is not whole: {error}", subject=path.name) from error
    except (KeyError, ValueError, OSError, ParseError) as error:
        raise FormatError(f"the workbook cannot be read: {error}", subject=path.name) from error


def _read_xlsx(path: Path, wanted: str | None, first: int | None) -> Sheet:
    with warnings.catch_warnings():
        # openpyxl warns of drawing extensions that it leaves out; no cell is lost by it.
        warnings.simplefilter("ignore", UserWarning)
        book = _open_xlsx(path)
        try:
            name = _choose(path, book.sheetnames, wanted)
            rows = tuple(tuple(row) for row in book[name].iter_rows(max_row=first, values_only=True))
        except (zipfile.BadZipFile, EOFError, zlib.error, struct.error) as error:
            raise TruncatedError(f"the workbook is not whole: {error}", subject=path.name) from error
        except (KeyError, ValueError, ParseError) as error:
            if isinstance(error, FormatError):
                raise
            raise FormatError(f"a sheet cannot be read: {error}", subject=path.name, place=repr(wanted)) from error
        finally:
            book.close()
    return Sheet(path, name, tuple(tuple(_clean(cell) for cell in row) for row in rows))


def _open_xls(path: Path) -> Any:
    try:
        import xlrd
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "legacy XLS files need xlrd", subject=path.name, hint='pip install "connectome[worm]"'
        ) from error
    with path.open("rb") as file:
        magic = file.read(8)
    if magic != _OLE_MAGIC:
        raise FormatError(
            "the file is not a legacy XLS workbook", subject=path.name, expected="an OLE2 file", found=repr(magic)
        )
    try:
        return xlrd.open_workbook(path, logfile=io.StringIO())  # it would print to stdout
    except (xlrd.XLRDError, xlrd.compdoc.CompDocError, struct.error, IndexError, AssertionError, EOFError) as error:
        raise TruncatedError(f"the workbook is not whole: {error}", subject=path.name) from error
    except ValueError as error:
        raise FormatError(f"the workbook cannot be read: {error}", subject=path.name) from error


def _read_xls(path: Path, wanted: str | None, first: int | None) -> Sheet:
    book = _open_xls(path)
    name = _choose(path, book.sheet_names(), wanted)
    sheet = book.sheet_by_name(name)
    n_rows = sheet.nrows if first is None else min(first, sheet.nrows)
    return Sheet(path, name, tuple(tuple(_clean(cell) for cell in sheet.row_values(at)) for at in range(n_rows)))


def _clean(cell: Any) -> Cell:
    """Turn blank text into None and anything that is neither text nor number (dates) into text."""
    if isinstance(cell, str):
        return cell.strip() or None
    if cell is None or isinstance(cell, (bool, int, float)):
        return cell
    return str(cell)
