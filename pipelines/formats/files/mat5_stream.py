"""A long numeric matrix of a MAT-file of version 5, read from its beginning to its end without holding it.

MATLAB stores a matrix column after column, so of one of channels by samples the channels of one moment lie together.
A variable is mostly compressed as a whole: reading forward goes on where the last read ended, reading backward begins
anew.

"MAT-File Format", The MathWorks, chapter 1, "Level 5 MAT-Files".
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from connectome.errors import FormatError, TruncatedError

__all__ = ["Matrix", "MatrixStream", "find_matrix"]

HEADER_BYTES = 128
MATRIX, COMPRESSED = 14, 15
LARGEST_BYTES = 1 << 31
"""No variable of a version 5 file is larger (MATLAB, "MAT-File Versions")."""
CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
"""Array types of numbers (table 1-3)."""
STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
"""Data types of numbers (table 1-1); a class of wide numbers may be stored in a narrower type."""
COMPLEX_FLAG, LOGICAL_FLAG = 0x0800, 0x0200
STEP_BYTES = 1 << 20
HEAD_BYTES = 4096
"""Flags, shape, name and the tag of the numbers take less."""


@dataclass(frozen=True)
class Matrix:
    """Where the numbers of a variable are."""

    path: Path
    at: int
    """First byte of the variable's data element in the file, after its tag."""
    length: int
    """Bytes of it in the file."""
    compressed: bool
    shape: tuple[int, int]
    """Rows and columns."""
    dtype: np.dtype[Any]
    """Of the variable's class, in the machine's byte order."""
    stored: np.dtype[Any]
    """As its numbers lie in the file."""
    offset: int
    """First byte of the numbers inside the element, inflated where it is compressed."""


def find_matrix(path: Path, name: str) -> Matrix:
    """Find a real matrix of numbers by name; of other variables only tag and name are read.

    Raises
    ------
    TruncatedError
        When the file ends inside a variable.
    FormatError
        When there is no such matrix, or a size does not fit.
    """
    subject, size = str(path), path.stat().st_size
    names = []
    with path.open("rb") as file:
        head = file.read(HEADER_BYTES)
        if len(head) < HEADER_BYTES or head[126:128] not in {b"IM", b"MI"}:
            raise FormatError(
                "not a MAT-file of version 5", subject=subject, place="first bytes", found=repr(head[:20])
            )
        order = "<" if head[126:128] == b"IM" else ">"
        at = HEADER_BYTES
        while at < size:
            file.seek(at)
            tag = file.read(8)
            kind, length = struct.unpack(order + "II", tag) if len(tag) == 8 else (0, 0)
            if len(tag) < 8 or at + 8 + length > size:
                raise TruncatedError(
                    "the file ends inside a variable", subject=subject, place=f"byte {at}",
                    expected=f"{at + 8 + length} bytes", found=f"{size} bytes",
                )  # fmt: skip
            if kind not in {MATRIX, COMPRESSED}:
                raise FormatError(
                    "not a variable",
                    subject=subject,
                    place=f"byte {at}",
                    expected="type 14 or 15",
                    found=f"type {kind}",
                )
            start, packed = file.read(min(length, HEAD_BYTES)), kind == COMPRESSED
            try:
                start = _inflated(start, order) if packed else start
                found, *rest = _described(start, order)
            except (zlib.error, struct.error, ValueError, IndexError) as error:
                raise FormatError(
                    "a variable cannot be read", subject=subject, place=f"byte {at}", found=str(error)
                ) from error
            names.append(found)
            if found == name and not rest:
                raise FormatError("not a real matrix of numbers", subject=subject, place=name)
            if found == name:
                return _checked(Matrix(path, at + 8, length, packed, *rest), packed, subject, name)
            at += 8 + length
    raise FormatError("a variable is missing", subject=subject, expected=name, found=", ".join(names) or "none")


def _inflated(packed: bytes, order: str) -> bytes:
    """Return the beginning of a compressed variable, without its tag."""
    plain = zlib.decompressobj().decompress(packed, HEAD_BYTES)
    kind = struct.unpack_from(order + "I", plain)[0]
    if kind != MATRIX:
        raise ValueError(f"compressed data of type {kind}")
    return plain[8:]


def _described(head: bytes, order: str) -> tuple[Any, ...]:
    """Return name, shape, class, stored type and first byte of the numbers; the name alone where it has none."""
    kind, length, flags = struct.unpack_from(order + "III", head)
    if (kind, length) != (6, 8):
        raise ValueError(f"array flags of type {kind}, {length} bytes")
    kind, length = struct.unpack_from(order + "II", head, 16)
    if kind != 5 or length % 4 or not 8 <= length <= 128:
        raise ValueError(f"a shape of type {kind}, {length} bytes")
    shape = struct.unpack_from(f"{order}{length // 4}i", head, 24)
    at = 24 + length + -length % 8
    kind, start, length, at = _tag(head, at, order)
    name = head[start : start + length].decode("utf-8", "replace")
    if (flags & 0xFF) not in CLASSES or flags & (COMPLEX_FLAG | LOGICAL_FLAG) or len(shape) != 2:
        return (name,)
    kind, start, length, _ = _tag(head, at, order)
    if kind not in STORED:
        raise ValueError(f"numbers of type {kind}")
    stored = np.dtype(order + STORED[kind])
    if min(shape) < 0 or shape[0] * shape[1] * stored.itemsize != length or length >= LARGEST_BYTES:
        raise ValueError(f"{length} bytes of numbers for a shape of {shape}")
    return name, shape, np.dtype(CLASSES[flags & 0xFF]), stored, start


def _tag(head: bytes, at: int, order: str) -> tuple[int, int, int, int]:
    """Return type, first byte, length, and where the next element is."""
    word, length = struct.unpack_from(order + "II", head, at)
    if word >> 16:
        # The small form: type and length in two bytes each, then up to four bytes of data.
        return word & 0xFFFF, at + 4, word >> 16, at + 8
    return word, at + 8, length, at + 8 + length + -length % 8


def _checked(matrix: Matrix, packed: bool, subject: str, name: str) -> Matrix:
    """Count the tag of a compressed variable in, and refuse numbers that end beyond their variable."""
    offset = matrix.offset + (8 if packed else 0)
    n_bytes = matrix.shape[0] * matrix.shape[1] * matrix.stored.itemsize
    if not packed and offset + n_bytes > matrix.length:
        raise TruncatedError(
            "a variable is shorter than its shape", subject=subject, place=name, expected=f"{n_bytes} bytes",
            found=f"{matrix.length - offset} bytes",
        )  # fmt: skip
    return Matrix(matrix.path, matrix.at, matrix.length, packed, matrix.shape, matrix.dtype, matrix.stored, offset)


class MatrixStream:
    """Reads columns of a matrix; the file is open from the first of them to the last.

    Parameters
    ----------
    matrix : Matrix
        Where it is.
    """

    def __init__(self, matrix: Matrix) -> None:
        self._matrix = matrix
        self._close()

    def __getstate__(self) -> dict[str, Any]:
        return {"_matrix": self._matrix, "_file": None, "_inflater": None, "_position": 0, "_left": 0}

    def _close(self) -> None:
        file: BinaryIO | None = getattr(self, "_file", None)
        if file is not None:
            file.close()
        self._file: BinaryIO | None = None
        self._inflater: Any = None
        self._position = self._left = 0

    def __del__(self) -> None:
        self._close()

    def columns(self, low: int, high: int) -> np.ndarray[Any, Any]:
        """Return columns ``low`` to ``high``, shape (row, high - low), in the type of the variable's class.

        Raises
        ------
        TruncatedError, FormatError
            When compressed data end too early or are damaged.
        """
        matrix = self._matrix
        width = matrix.shape[0] * matrix.stored.itemsize
        content = self._read(matrix.offset + low * width, (high - low) * width)
        if high == matrix.shape[1]:
            self._finish()
        values = np.frombuffer(content, dtype=matrix.stored).reshape(high - low, matrix.shape[0])
        return np.ascontiguousarray(values.T).astype(matrix.dtype, copy=False)

    def _read(self, offset: int, length: int) -> bytes:
        """Return inflated bytes of the variable."""
        if self._file is None or offset < self._position:
            self._close()
            self._file = self._matrix.path.open("rb")
            self._file.seek(self._matrix.at)
            self._left = self._matrix.length
            self._inflater = zlib.decompressobj() if self._matrix.compressed else None
        if self._inflater is None:
            self._file.seek(self._matrix.at + offset)
            content = self._file.read(length)
            if len(content) != length:
                raise self._short(length, len(content))
            return content
        while self._position < offset:
            self._inflate(min(STEP_BYTES, offset - self._position), wanted=True)
        parts, left = [], length
        while left:
            parts.append(self._inflate(left, wanted=True))
            left -= len(parts[-1])
        return b"".join(parts)

    def _finish(self) -> None:
        """Read on to the checksum behind the last number, which is wrong where something was altered."""
        while self._inflater is not None and self._inflate(STEP_BYTES, wanted=False):
            pass
        self._close()

    def _inflate(self, most: int, *, wanted: bool) -> bytes:
        """Return the next bytes, at most so many; none where the data end, which is an error where some are wanted."""
        assert self._file is not None
        while not self._inflater.eof:
            packed = self._inflater.unconsumed_tail
            if not packed:
                packed = self._file.read(min(STEP_BYTES, self._left))
                self._left -= len(packed)
            try:
                plain: bytes = self._inflater.decompress(packed, most)
            except zlib.error as error:
                raise FormatError(
                    "compressed data is damaged", subject=str(self._matrix.path), place=f"byte {self._matrix.at}",
                    found=str(error),
                ) from error  # fmt: skip
            if plain:
                self._position += len(plain)
                return plain
            if not packed:
                raise self._short(most, 0)
        if wanted:
            raise self._short(most, 0)
        return b""

    def _short(self, expected: int, found: int) -> TruncatedError:
        return TruncatedError(
            "a variable ends too early", subject=str(self._matrix.path), place=f"byte {self._matrix.at}",
            expected=f"{expected} more bytes", found=f"{found} bytes",
        )  # fmt: skip
