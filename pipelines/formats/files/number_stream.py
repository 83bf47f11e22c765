"""Files of keywords and long runs of numbers, as text or binary, read from front to back.

Shared by formats that write the same structure both ways. A count is believed only if the file has bytes for it.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from connectome.errors import FormatError, TruncatedError

from .pointers import refuse_pointer

__all__ = ["NumberStream"]

Array = np.ndarray[Any, Any]
LONGEST_LINE_BYTES = 4096
BLANK = re.compile(rb"\s*")


class NumberStream:
    """The bytes of a file and where reading has come to.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    kinds : mapping of str to str
        NumPy types (without byte order) of the format's words for types, in small letters; ``"bit"`` for single bits.
    order : str
        ``"<"`` or ``">"``: byte order of binary numbers.

    Attributes
    ----------
    binary : bool
        Whether numbers are binary; to be set once the head says so.
    """

    def __init__(self, path: Path, *, kinds: Mapping[str, str], order: str) -> None:
        self.subject = str(path)
        refuse_pointer(path)
        self.data = path.read_bytes()
        self.at = 0
        self.kinds = kinds
        self.order = order
        self.binary = False
        if not self.data:
            raise TruncatedError("the file is empty", subject=self.subject, expected="data", found="0 bytes")

    def place(self, at: int | None = None) -> str:
        """Say where we are: a line of text, a byte of a binary file."""
        at = self.at if at is None else at
        line = self.data.count(b"\n", 0, at) + 1
        return f"byte {at}" if self.binary else f"line {line}"

    def wrong(
        self, message: str, expected: str, found: str, *, at: int | None = None, cut: bool = False
    ) -> FormatError:
        """Return the error for this place; ``cut`` for a file that ends early."""
        kind = TruncatedError if cut else FormatError
        return kind(message, subject=self.subject, place=self.place(at), expected=expected, found=found)

    def raw_line(self) -> bytes:
        """Return the next line without its end."""
        stop = self.data.find(b"\n", self.at, self.at + LONGEST_LINE_BYTES)
        if stop < 0:
            if len(self.data) - self.at > LONGEST_LINE_BYTES:
                raise self.wrong("no line of text here", "a keyword", repr(self.data[self.at : self.at + 40]))
            stop = len(self.data)
        line, self.at = self.data[self.at : stop], min(stop + 1, len(self.data))
        return line.rstrip(b"\r")

    def words(self) -> list[str]:
        """Return the words of the next line that has any; none at the end of the file."""
        while self.at < len(self.data):
            start = self.at
            line = self.raw_line()
            if line.strip():
                try:
                    return line.decode("ascii").split()
                except UnicodeDecodeError:
                    raise self.wrong("no line of text here", "a keyword", repr(line[:40]), at=start) from None
        return []

    def peek(self, word: bytes) -> bool:
        """Tell whether this comes next, after blanks."""
        blank = BLANK.match(self.data, self.at)
        return self.data.startswith(word, blank.end() if blank else self.at)

    def numbers(self, count: int, kind: str, what: str) -> Array:
        """Read numbers.

        Parameters
        ----------
        count : int
            How many.
        kind : str
            The format's word for their type.
        what : str
            What they are, for errors.

        Returns
        -------
        numpy.ndarray
            Shape (count,), in the machine's byte order.

        Raises
        ------
        FormatError
            When one is not a number of its type; ``TruncatedError`` when the file does not hold as many.
        """
        dtype = self.kinds.get(kind.lower())
        if dtype is None:
            raise self.wrong(f"{what} are of a type that is not a number", ", ".join(self.kinds), kind[:40])
        return self._binary(count, dtype, what) if self.binary else self._text(count, dtype, what)

    def _binary(self, count: int, dtype: str, what: str) -> Array:
        n_bytes = (count + 7) // 8 if dtype == "bit" else count * np.dtype(dtype).itemsize
        if n_bytes > len(self.data) - self.at:
            raise self.wrong(
                f"the file ends within {what}", f"{n_bytes} bytes", f"{len(self.data) - self.at} bytes", cut=True
            )
        start, self.at = self.at, self.at + n_bytes
        if dtype == "bit":
            return np.unpackbits(np.frombuffer(self.data, np.uint8, n_bytes, start))[:count].astype(np.int8)
        return np.frombuffer(self.data, f"{self.order}{dtype}", count, start).astype(dtype)

    def _text(self, count: int, dtype: str, what: str) -> Array:
        start = self.at
        # Every number takes a digit and a blank: no list is made for a count that the file cannot hold.
        parts = self.data[start:].split(None, count) if 2 * count - 1 <= len(self.data) - start else []
        if len(parts) < count:
            raise self.wrong(f"the file ends within {what}", f"{count} numbers", f"{len(parts)} numbers", cut=True)
        self.at = len(self.data) - len(parts[count]) if len(parts) > count else len(self.data)
        kind = np.dtype("i1" if dtype == "bit" else dtype)
        try:
            if b"_" in self.data[start : self.at]:
                raise ValueError
            if kind.kind == "f":
                return np.array(parts[:count], dtype=np.float64).astype(kind)
            wide = np.array(parts[:count], dtype=np.uint64 if dtype == "u8" else np.int64)
            limits = np.iinfo(kind)
            if count and (wide.min() < limits.min or wide.max() > limits.max):
                raise ValueError
            return wide.astype(kind)
        except (ValueError, OverflowError):
            raise self._not_a_number(start, count, kind, what) from None

    def _not_a_number(self, start: int, count: int, kind: np.dtype[Any], what: str) -> FormatError:
        expected = "numbers" if kind.kind == "f" else f"whole numbers of {kind.itemsize * 8} bits"
        for match in itertools.islice(re.compile(rb"\S+").finditer(self.data, start), count):
            try:
                number = float(match[0]) if kind.kind == "f" else int(match[0])
                good = kind.kind == "f" or np.iinfo(kind).min <= number <= np.iinfo(kind).max
            except ValueError:
                good = False
            if not good or b"_" in match[0]:
                return self.wrong(f"not a number among {what}", expected, repr(match[0][:40]), at=match.start())
        return self.wrong(f"not a number among {what}", expected, "something else", at=start)
