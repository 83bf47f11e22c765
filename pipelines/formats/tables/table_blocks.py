"""Tables of edges or nodes as a stream of blocks: delimited text (plain or gzip), Parquet and Feather, through Arrow.

Text is handed on as it is written, so that whoever reads a column decides what it is and no digit passes through a
float. A block holds about a megabyte of text or 65,536 rows, whatever the size of the file.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

from connectome.errors import FormatError, MissingExtraError, TruncatedError, UsageError

from ..files.pointers import refuse_pointer

__all__ = ["BLANKS", "BLOCK_ROWS", "TEXT_SUFFIXES", "TableBlocks", "column_named", "first_cells", "open_table"]

Form = Literal["text", "parquet", "feather"]

BLOCK_BYTES = 1 << 20
BLOCK_ROWS = 1 << 16
BLANKS = "blanks"
"""Separator of columns that are set apart by any number of blanks and tabs."""
TEXT_SUFFIXES = (".csv", ".tsv", ".txt", ".edgelist", ".edges", ".csv.gz", ".tsv.gz", ".txt.gz")
_COMMENTS = ("#", "%")
_SEPARATORS = ("\t", ",", ";")
_PADDED = re.compile(r"^ | \t|\t |  ")
"""Blanks that only fill up columns."""
_LONGEST_LINE = 1 << 16
_ROW = re.compile(r"Row #(\d+)")
_MAGIC: dict[bytes, Form] = {b"PAR1": "parquet", b"ARRO": "feather"}


@dataclass(frozen=True)
class TableBlocks:
    """A table that can be read through any number of times."""

    path: Path
    form: Form
    names: tuple[str, ...]
    """Names of the columns; ``column_1``, ... where the file has none."""
    named: bool
    """Whether the file names its columns."""
    separator: str = ""
    skipped: int = 0
    """Lines of text before the rows."""

    def blocks(self, block_bytes: int = BLOCK_BYTES) -> Iterator[Any]:
        """Yield the rows in order.

        Parameters
        ----------
        block_bytes : int
            Bytes of text per block.

        Yields
        ------
        pyarrow.RecordBatch
            Columns of text hold strings, ``""`` where a cell is blank; those of other files their own types.

        Raises
        ------
        FormatError
            When a row has another number of cells, or the file is damaged.
        TruncatedError
            When compressed text ends too early.
        """
        read = {"text": self._text_blocks, "parquet": self._parquet_blocks, "feather": self._feather_blocks}[self.form]
        with _blaming(self):
            yield from read(block_bytes)

    def place(self, row: int, name: str = "") -> str:
        """Name a row, counted from 0, as a person finds it in the file."""
        where = f"row {row + 1}"
        if self.form == "text":
            with _text(self.path) as stream:
                where = f"line {_line_of(stream, row + self.skipped)}"
        return f"{where}, column {name}" if name else where

    def _text_blocks(self, block_bytes: int) -> Iterator[Any]:
        pa, module = _arrow("csv")
        with _text(self.path) as stream:
            source = _Squeezed(stream) if self.separator == BLANKS else stream
            try:
                reader = module.open_csv(
                    source,
                    # One thread: only then does an error know its row.
                    read_options=module.ReadOptions(
                        use_threads=False, block_size=block_bytes, column_names=list(self.names), skip_rows=self.skipped
                    ),
                    parse_options=module.ParseOptions(
                        delimiter="\t" if self.separator == BLANKS else self.separator,
                        quote_char=False if self.separator == BLANKS else '"',
                    ),
                    convert_options=module.ConvertOptions(
                        column_types=dict.fromkeys(self.names, pa.string()), strings_can_be_null=False
                    ),
                )
            except pa.ArrowInvalid as error:
                if "Empty CSV" in str(error):
                    return
                raise
            yield from reader

    def _parquet_blocks(self, _: int) -> Iterator[Any]:
        _, module = _arrow("parquet")
        with module.ParquetFile(str(self.path)) as file:
            yield from file.iter_batches(batch_size=BLOCK_ROWS)

    def _feather_blocks(self, _: int) -> Iterator[Any]:
        pa, module = _arrow("ipc")
        with pa.memory_map(str(self.path)) as stream, module.open_file(stream) as file:
            for at in range(file.num_record_batches):
                batch = file.get_batch(at)
                # Offsets of a damaged file may point outside of it.
                batch.validate(full=True)
                for start in range(0, batch.num_rows, BLOCK_ROWS):
                    yield batch.slice(start, BLOCK_ROWS)


def open_table(path: Path, *, separator: str = "", header: bool | None = None) -> TableBlocks:
    """Look at a table's first line, or at the names that it carries.

    Parameters
    ----------
    path : pathlib.Path
        Text (UTF-8; lines before the first row that start with ``#`` or ``%`` are comments), Parquet or Feather.
    separator : str
        Of text: ``"blanks"`` or one character; by default told from the first line.
    header : bool, optional
        Whether the first line of text names the columns; by default it does unless its first two cells are numbers.

    Raises
    ------
    FormatError
        When it is no table, or names a column twice.
    TruncatedError
        When it is empty, or only points to the data.
    """
    refuse_pointer(path)
    with path.open("rb") as stream:
        magic = stream.read(4)
    if not magic:
        raise TruncatedError("the file is empty", subject=str(path), expected="a table", found="0 bytes")
    if magic == b"FEA1":
        raise FormatError("Feather of version 1", subject=str(path), expected="version 2", hint="write it again")
    if magic in _MAGIC:
        return _open_arrow(path, _MAGIC[magic])
    skipped, line, found = first_cells(path, separator)
    if header is None:
        header = not all(re.fullmatch(r"[+-]?[0-9.]+", cell) for cell in found[:2])
    names = tuple(found) if header else tuple(f"column_{at}" for at in range(1, len(found) + 1))
    if len(names) < 2:
        raise FormatError(
            "not a table",
            subject=str(path),
            place=f"line {skipped + 1}",
            expected="two columns or more",
            found=line[:80],
        )
    _refuse_twice(path, names, f"line {skipped + 1}")
    return TableBlocks(path, "text", names, header, separator or _separator(line), skipped + header)


def column_named(table: TableBlocks, name: str, option: str) -> str:
    """Return the column that an option names, by its name or its number from 1.

    Raises
    ------
    UsageError
        When the table has no such column.
    """
    if name in table.names:
        return name
    if name.isascii() and name.isdigit() and 0 < int(name) <= len(table.names):
        return table.names[int(name) - 1]
    raise UsageError(
        "a column is missing", subject=str(table.path), place=f"option {option}",
        expected=", ".join(table.names)[:300], found=name,
    )  # fmt: skip


def first_cells(path: Path, separator: str = "") -> tuple[int, str, list[str]]:
    """Return the number of comment lines of a text, its first other line, and that line's cells without blanks.

    Raises
    ------
    FormatError
        When it is no text; ``TruncatedError`` when there is no other line.
    """
    skipped = 0
    with _text(path) as stream:
        while True:
            try:
                raw = stream.readline(_LONGEST_LINE)
            except (OSError, EOFError, zlib.error) as error:
                raise TruncatedError("the compressed text is not whole", subject=str(path), found=str(error)) from None
            try:
                line = raw.decode("utf-8-sig")
            except UnicodeDecodeError as error:
                found = repr(raw[error.start : error.start + 4])
                raise FormatError(
                    "not UTF-8 text", subject=str(path), place=f"line {skipped + 1}", found=found
                ) from None
            if "\0" in line:
                raise FormatError("not text", subject=str(path), place=f"line {skipped + 1}", found="a NUL")
            if not raw:
                raise TruncatedError("the table is empty", subject=str(path), expected="rows", found="none")
            if line.strip() and not line.startswith(_COMMENTS):
                break
            skipped += 1
    line = line.rstrip("\r\n")
    by = separator or _separator(line)
    if by == BLANKS:
        return skipped, line, line.split()
    if len(by) != 1:
        raise FormatError(
            "not a separator", subject=str(path), expected=f"one character, or {BLANKS!r}", found=repr(by)
        )
    try:
        cells = next(csv.reader([line], delimiter=by, strict=True))
    except csv.Error as error:
        raise FormatError(
            f"a row cannot be split into cells: {error}", subject=str(path), place=f"line {skipped + 1}"
        ) from None
    return skipped, line, [cell.strip() for cell in cells]


def _separator(line: str) -> str:
    best = max(_SEPARATORS, key=line.count)
    return BLANKS if best not in line or (best == "\t" and _PADDED.search(line)) else best


def _open_arrow(path: Path, form: Form) -> TableBlocks:
    table = TableBlocks(path, form, (), named=True)
    with _blaming(table):
        if form == "parquet":
            _, module = _arrow("parquet")
            with module.ParquetFile(str(path)) as file:
                names = tuple(map(str, file.schema_arrow.names))
        else:
            pa, module = _arrow("ipc")
            with pa.memory_map(str(path)) as stream, module.open_file(stream) as file:
                names = tuple(map(str, file.schema.names))
    _refuse_twice(path, names, "the schema")
    return TableBlocks(path, form, names, named=True)


def _refuse_twice(path: Path, names: Sequence[str], place: str) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise FormatError("a column is there twice", subject=str(path), place=place, found=", ".join(twice)[:200])


@contextmanager
def _text(path: Path) -> Iterator[BinaryIO]:
    """Open a text, through gzip if it is compressed."""
    with path.open("rb") as stream:
        if stream.read(2) == b"\x1f\x8b":
            with gzip.open(path) as unpacked:
                yield unpacked  # type: ignore[misc]
        else:
            stream.seek(0)
            yield stream


def _line_of(stream: BinaryIO, row: int) -> int:
    """Return the number of the line that is the row-th (from 0) which is not blank."""
    at = -1
    for number, line in enumerate(stream, start=1):
        at += bool(line.strip())
        if at == row:
            return number
    return row + 1


class _Squeezed(io.RawIOBase):
    """Text with one tab for every run of blanks and tabs, and none at the ends of a line."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._left:
            raw = self._stream.read(BLOCK_BYTES)
            # Up to the end of a line: blanks may not be cut apart.
            raw += self._stream.readline() if raw else b""
            squeezed = re.sub(rb"[ \t]+", b"\t", raw)
            self._left = re.sub(rb"(?m)^\t|\t?\r?$", b"", squeezed)
        size = min(len(buffer), len(self._left))
        buffer[:size], self._left = self._left[:size], self._left[size:]
        return size


@contextmanager
def _blaming(table: TableBlocks) -> Iterator[None]:
    """Turn what Arrow says of a file into an error with a line."""
    pa, _ = _arrow("csv")
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise TruncatedError("the compressed text is not whole", subject=str(table.path), found=str(error)) from error
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        if isinstance(error, FormatError):
            raise
        told = " ".join(str(error).split())
        row = _ROW.search(told)
        place = None
        if row and table.form == "text":
            with _text(table.path) as stream:
                place = f"line {_line_of(stream, int(row[1]) - 1)}"
        cells = "Expected" in told
        raise FormatError(
            "a row has another number of cells" if cells else "the table cannot be read",
            subject=str(table.path),
            place=place,
            expected=f"{len(table.names)} cells, as in the first row" if cells else table.form,
            found=told.rpartition(", got ")[2][:200] if cells else told[:200],
        ) from error


def _arrow(module: str) -> tuple[Any, Any]:
    try:
        import pyarrow as pa
        from pyarrow import csv as arrow_csv
        from pyarrow import ipc, parquet
    except ImportError as error:
        raise MissingExtraError(
            "tables of edges need pyarrow", subject="edgelist", hint='pip install "connectome[graph]"'
        ) from error
    return pa, {"csv": arrow_csv, "ipc": ipc, "parquet": parquet}[module]
