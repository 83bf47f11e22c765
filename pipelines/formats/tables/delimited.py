"""Tables of numbers as delimited text, block by block: exact, every row checked, in bounded memory.

A block is parsed by pandas, several at a time. What pandas refuses, or might take for something else, is parsed again
line by line in Python, which either agrees or names the line. So the fast way never decides what is valid. A field may
stand in double quotes, as pandas writes one that holds the separator (RFC 4180, but never over the end of a line).
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, NoReturn

import numpy as np
import pandas as pd

from connectome.errors import FormatError, TruncatedError

__all__ = ["BLOCK_BYTES", "Block", "Header", "Kind", "read_blocks", "read_header"]

Array = np.ndarray[Any, Any]
Kind = Literal["whole", "number", "text"]
"""``whole`` becomes int64, ``number`` float64 (``nan`` and ``inf`` allowed), ``text`` a pandas categorical."""

BLOCK_BYTES = 8 << 20
LONGEST_LINE = 1 << 20
MOST_THREADS = 4
SEPARATORS = (";", ",", "\t")
NOT_NUMBERS = ("nan", "-nan", "NaN", "NAN", "-NAN")
"""What C, C++ and Python print for a number that is none."""
EXACT = 2**53
"""Whole numbers up to here have a float64 of their own."""
TILE = 1 << 17
FIRST_LINE = 2
"""Line of row 0: the header is line 1."""

_WHOLE = re.compile(rb"[+-]?[0-9]+(\.0*)?")
_NUMBER = re.compile(rb"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|[+-]?(inf|infinity|nan)", re.IGNORECASE)


@dataclass(frozen=True)
class Header:
    """The first line of a table."""

    names: tuple[str, ...]
    separator: str
    size_bytes: int
    """Length of the line with its end."""


@dataclass(frozen=True)
class Block:
    """Rows of a table that follow one another."""

    first: int
    """Number of the first row, from 0; row ``i`` is line ``i + 2`` of the file."""
    n_rows: int
    columns: Mapping[str, Any]
    """Array (rows,) per column that was asked for; :class:`pandas.Categorical` for text."""


def read_header(path: Path, *, separators: Sequence[str] = SEPARATORS) -> Header:
    """Read the names of the columns; the separator is the one that occurs most in the line.

    Raises
    ------
    TruncatedError
        When there is no line.
    FormatError
        When the line is no list of different names.
    """
    with path.open("rb") as file:
        line = file.readline(LONGEST_LINE)
    if not line.endswith(b"\n"):
        if len(line) == LONGEST_LINE or b"\0" in line:
            raise FormatError("the first line is no header", subject=str(path), place=f"{path.name}:1")
        raise TruncatedError("the file ends before its first row", subject=str(path), expected="a header and rows")
    try:
        text = line.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError:
        raise FormatError("the header is no text", subject=str(path), place=f"{path.name}:1") from None
    separator = max(separators, key=text.count)
    names = tuple(name.strip() for name in text.split(separator))
    if len(set(names)) != len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise FormatError(
            "a column's name is there twice",
            subject=str(path),
            place=f"{path.name}:1",
            expected="different names",
            found=", ".join(map(repr, twice)),
        )
    return Header(names, separator, len(line))


def read_blocks(
    path: Path,
    header: Header,
    kinds: Mapping[str, Kind],
    *,
    block_bytes: int = BLOCK_BYTES,
    threads: int | None = None,
) -> Iterator[Block]:
    """Read the rows of a table in order.

    Parameters
    ----------
    path : Path
        The table.
    header : Header
        Its first line.
    kinds : mapping
        The columns to return and what they hold; all are in the header.
    block_bytes : int
        About how much text one block is made of; no value depends on it.
    threads : int, optional
        Blocks that are parsed at a time; default the number of processors, four at most.

    Yields
    ------
    Block

    Raises
    ------
    FormatError
        When a row has more or fewer fields than the header, or a field is not what its column holds. The place is
        ``NAME:LINE``.
    """
    workers = threads or min(MOST_THREADS, os.cpu_count() or 1)
    first = 0
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[tuple[int, dict[str, Any]]]] = deque()
        texts: deque[bytes] = deque()

        def take() -> Block:
            nonlocal first
            text = texts.popleft()
            try:
                n_rows, columns = waiting.popleft().result()
            except _UnsureError:
                n_rows, columns = _parse_lines(path, header, kinds, text, first)
            block = Block(first, n_rows, columns)
            first += n_rows
            return block

        for text in _texts(path, header, block_bytes):
            texts.append(text)
            waiting.append(pool.submit(_parse_fast, header, kinds, text))
            if len(waiting) > workers:
                yield take()
        while waiting:
            yield take()


class _UnsureError(Exception):
    """The fast way cannot tell what a block holds."""


def _texts(path: Path, header: Header, block_bytes: int) -> Iterator[bytes]:
    """Cut a file into blocks of whole lines."""
    with path.open("rb") as file:
        file.seek(header.size_bytes)
        rest = b""
        while data := file.read(block_bytes):
            cut = data.rfind(b"\n") + 1
            if not cut:
                rest += data
                if len(rest) > LONGEST_LINE + block_bytes:
                    raise FormatError("a line does not end", subject=str(path), found=f"{len(rest)} bytes without one")
                continue
            yield rest + data[:cut]
            rest = data[cut:]
        if rest:
            yield rest


def _parse_fast(header: Header, kinds: Mapping[str, Kind], text: bytes) -> tuple[int, dict[str, Any]]:
    if not _rounds_once() and re.search(rb"[0-9]{8}", text):
        # Up to 15 digits, of which eight never follow one another, every version of pandas is exact.
        raise _UnsureError
    quoted = b'"' in text
    bare = _without_quoted(header.separator.encode(), text) if quoted else text
    if b'"' in bare:
        raise _UnsureError
    n_lines, n_separators = _count(bare, ord(header.separator))
    n_lines += not text.endswith(b"\n")
    if n_separators != n_lines * (len(header.names) - 1):
        raise _UnsureError
    types: dict[Kind, str] = {"whole": "int64", "number": "float64", "text": "category"}
    try:
        frame = pd.read_csv(
            io.BytesIO(text),
            sep=header.separator,
            header=None,
            names=list(header.names),
            # All columns, also those that are not wanted: with fewer, pandas lets rows have too many fields.
            dtype={name: types[kinds.get(name, "text")] for name in header.names},
            engine="c",
            quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
            keep_default_na=False,
            na_values={name: list(NOT_NUMBERS) for name, kind in kinds.items() if kind == "number"},
            skip_blank_lines=False,
            low_memory=False,
        )
    except (ValueError, OverflowError):
        # pandas' own errors are children of it, and have lost the line.
        raise _UnsureError from None
    if len(frame) != n_lines or not isinstance(frame.index, pd.RangeIndex):
        raise _UnsureError
    columns = {name: frame[name].array if kind == "text" else frame[name].to_numpy() for name, kind in kinds.items()}
    for name, kind in kinds.items():
        if kind == "whole" and n_lines and max(-int(columns[name].min()), int(columns[name].max())) >= EXACT:
            raise _UnsureError
    return n_lines, columns


def _without_quoted(separator: bytes, text: bytes) -> bytes:
    """Take out the fields in quotes that pandas and Python read alike: on one line, without a quote in them."""
    at = re.escape(separator)
    return re.sub(rb'(?<![^\n%b])"[^"\n]*"(?=[\r\n%b]|\Z)' % (at, at), b"", text)


@cache
def _rounds_once() -> bool:
    """Tell whether this pandas reads long decimals as Python does (3.1 and later do)."""
    texts = [f"{number!r}" for number in (np.arange(1, 500) / 7919.0).tolist()]
    found = pd.read_csv(io.StringIO("\n".join(texts)), header=None, dtype="float64")[0].tolist()
    return found == [float(text) for text in texts]


def _count(text: bytes, separator: int) -> tuple[int, int]:
    """Count line ends and separators, in pieces that stay in the processor's cache."""
    data = np.frombuffer(text, dtype=np.uint8)
    tiles = [data[start : start + TILE] for start in range(0, len(data), TILE)]
    return (
        sum(int(np.count_nonzero(tile == ord("\n"))) for tile in tiles),
        sum(int(np.count_nonzero(tile == separator)) for tile in tiles),
    )


def _parse_lines(
    path: Path, header: Header, kinds: Mapping[str, Kind], text: bytes, first: int
) -> tuple[int, dict[str, Any]]:
    """Parse a block line by line; what is wrong has a place."""
    separator, n_fields = header.separator.encode(), len(header.names)
    wanted = [(name, header.names.index(name), kind) for name, kind in kinds.items()]
    columns: dict[str, list[Any]] = {name: [] for name in kinds}
    lines = text.removesuffix(b"\n").split(b"\n")
    for row, line in enumerate(lines, first):
        fields = _fields(path, row, line.removesuffix(b"\r"), separator)
        if len(fields) != n_fields:
            other = next((item for item in SEPARATORS if item != header.separator and item.encode() in line), None)
            _refuse(
                path,
                row,
                "a row has another number of fields than the header",
                f"{n_fields} fields set apart by {header.separator!r}",
                f"{len(fields)}" + (f", and {other!r} in the line" if other else "") + f": {_shown(line)}",
            )
        for name, at, kind in wanted:
            columns[name].append(_field(path, row, name, kind, fields[at] if kind == "text" else fields[at].strip()))
    dtypes = {"whole": np.int64, "number": np.float64}
    return len(lines), {
        name: pd.Categorical(columns[name]) if kind == "text" else np.array(columns[name], dtype=dtypes[kind])
        for name, kind in kinds.items()
    }


def _fields(path: Path, row: int, line: bytes, separator: bytes) -> list[bytes]:
    if b'"' not in line:
        return line.split(separator)
    try:
        # Latin-1 gives every byte a character and takes it back.
        found = next(csv.reader([line.decode("latin-1")], delimiter=separator.decode(), strict=True))
    except (csv.Error, StopIteration) as error:
        _refuse(path, row, "a quoted field does not end at a separator", "quotes in pairs", f"{_shown(line)} ({error})")
    return [field.encode("latin-1") for field in found]


def _field(path: Path, row: int, name: str, kind: Kind, text: bytes) -> Any:
    if kind == "text":
        try:
            return text.decode()
        except UnicodeDecodeError:
            _refuse(path, row, "a field is no UTF-8 text", name, _shown(text))
    if kind == "whole":
        if _WHOLE.fullmatch(text) and abs(number := int(text.partition(b".")[0])) < 2**63:
            return number if not text.startswith(b"-") else -abs(number)
        _refuse(path, row, "a field is no whole number", f"{name}: a whole number below 2**63", _shown(text))
    if not _NUMBER.fullmatch(text):
        _refuse(path, row, "a field is no number", f"{name}: a number", _shown(text))
    return float(text)


def _shown(text: bytes) -> str:
    return repr(text[:80].decode(errors="replace"))


def _refuse(path: Path, row: int, message: str, expected: str, found: str) -> NoReturn:
    raise FormatError(
        message, subject=str(path), place=f"{path.name}:{row + FIRST_LINE}", expected=expected, found=found
    )
