"""Values of an RDS file (R's ``saveRDS``): vectors, lists and their attributes; nothing that could run.

"R Internals", section 1.8 "Serialization Formats" (cran.r-project.org/doc/manuals/r-release/R-ints.html): XDR of
version 2 or 3, plain or in gzip, bzip2 or xz. Functions, environments, language, promises, bytecode and external
pointers are refused: they have no value without R, and some run code there when they are loaded. A factor or data frame
is a vector or list whose attributes say so.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from connectome.errors import FormatError, TruncatedError, UnsafeError

from .pointers import refuse_pointer

__all__ = ["RValue", "read_rds"]

Array = np.ndarray[Any, Any]
Kind = Literal["null", "logical", "integer", "real", "complex", "raw", "text", "list"]

MOST_BYTES = 1 << 30
"""Of the unpacked file."""
MOST_ITEMS = 1 << 24
"""Of all lists, texts and compact sequences: each item costs more memory than bytes in the file."""
MAX_DEPTH = 64
MEMORY_BYTES = 1 << 28
"""For the dictionary of xz."""

SYMBOL, PAIRS, CHARS, TEXT, LIST = 1, 2, 9, 16, 19
ALTREP, NULL, REFERENCE = 238, 254, 255
NUMBERS: dict[int, tuple[Kind, str]] = {
    10: ("logical", ">i4"), 13: ("integer", ">i4"), 14: ("real", ">f8"), 15: ("complex", ">c16"), 24: ("raw", "u1"),
}  # fmt: skip
REFUSED = {
    3: "a closure", 4: "an environment", 5: "a promise", 6: "language", 7: "a special function",
    8: "a built-in function", 17: "dots", 20: "an expression", 21: "bytecode", 22: "an external pointer",
    23: "a weak reference", 25: "an S4 object", 240: "language", 241: "the base environment",
    242: "the empty environment", 243: "bytecode", 244: "bytecode", 247: "a persistent reference", 248: "a package",
    249: "a namespace", 250: "the base namespace", 251: "a missing argument", 252: "an unbound value",
    253: "the global environment",
}  # fmt: skip
"""Types of ``Rinternals.h`` and pseudo-types of ``serialize.c`` that hold code or state of an R session."""
_HAS_ATTRIBUTES, _HAS_TAG = 1 << 9, 1 << 10
_BYTES, _LATIN1, _UTF8 = 1 << 1, 1 << 2, 1 << 3
_ENCODINGS = {"CP1252": "cp1252", "ISO-8859-1": "latin-1", "LATIN1": "latin-1", "UTF-8": "utf-8", "ASCII": "ascii"}


@dataclass(frozen=True)
class RValue:
    """A value of R."""

    kind: Kind
    values: Any = None
    """An array, for text a list of str or None, for lists of RValue. NA among integers and logicals is -2**31."""
    attributes: dict[str, RValue] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """The attribute ``names``; empty where there is none."""
        held = self.attributes.get("names")
        return [name or "" for name in held.values] if held is not None and held.kind == "text" else []

    def members(self) -> dict[str, RValue]:
        """Return the items of a list by name; of equal names the first counts, as in R."""
        if self.kind != "list" or len(self.names) != len(self.values):
            return {}
        found: dict[str, RValue] = {}
        for name, item in zip(self.names, self.values, strict=True):
            if name:
                found.setdefault(name, item)
        return found


def read_rds(path: Path) -> RValue:
    """Read the value of a file.

    Raises
    ------
    FormatError
        When it is no RDS file, or contradicts itself; the place is a byte of the unpacked file.
    TruncatedError
        When it ends early, or a length is more than the bytes that are left.
    UnsafeError
        When a value is code or an environment, or the file unpacks to more than 1 GiB.
    """
    refuse_pointer(path)
    content = _unpacked(path)
    reader = _Reader(content, str(path))
    value = reader.file()
    if reader.at != len(content):
        raise FormatError(
            "more data after the value", subject=str(path), place=f"byte {reader.at}", expected="the end of the file",
            found=f"{len(content) - reader.at} bytes",
        )  # fmt: skip
    return value


def _unpacked(path: Path) -> bytes:
    subject = str(path)
    if path.stat().st_size > MOST_BYTES:
        raise UnsafeError("too large", subject=subject, expected=f"{MOST_BYTES} bytes at most")
    raw = path.read_bytes()
    if not raw:
        raise TruncatedError("the file is empty", subject=subject, expected="a value of R", found="0 bytes")
    unpack: Any = None
    if raw[:2] == b"\x1f\x8b":
        unpack = zlib.decompressobj(31)
    elif raw[:3] == b"BZh":
        unpack = bz2.BZ2Decompressor()
    elif raw[:6] == b"\xfd7zXZ\x00":
        unpack = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MEMORY_BYTES)
    if unpack is None:
        return raw
    try:
        content = bytes(unpack.decompress(raw, MOST_BYTES + 1))
    except (zlib.error, OSError, lzma.LZMAError, EOFError, ValueError) as error:
        raise FormatError("compressed data is damaged", subject=subject, found=str(error)[:150]) from None
    if len(content) > MOST_BYTES:
        raise UnsafeError("the file unpacks to too much", subject=subject, expected=f"{MOST_BYTES} bytes at most")
    if not unpack.eof:
        raise TruncatedError("compressed data is cut short", subject=subject, found=f"{len(raw)} bytes")
    if unpack.unused_data:
        raise FormatError("more data after the compressed value", subject=subject)
    return content


class _Reader:
    """Goes through the items of one file."""

    def __init__(self, content: bytes, subject: str) -> None:
        self._data, self._subject = memoryview(content), subject
        self._symbols: list[str] = []
        self._items = 0
        self._encoding = "utf-8"
        self.at = 0

    def file(self) -> RValue:
        start = bytes(self._data[:5])
        if start[:2] != b"X\n":
            known = {b"A\n": "R's ASCII form", b"B\n": "R's native binary form", b"RD": "an .RData file of many values"}
            raise self._wrong("not an RDS file in XDR form", "X and a line feed", known.get(start[:2], repr(start)))
        self.at = 2
        version, _, _ = self._int(), self._int(), self._int()
        if version not in {2, 3}:
            raise self._wrong("a version that is not read", "2 or 3", str(version))
        if version == 3:
            length = self._int()
            name = bytes(self._take(length)).decode("ascii", errors="replace").upper()
            self._encoding = _ENCODINGS.get(name, "utf-8")
        return self._value(self._int(), 0)

    def _value(self, flags: int, depth: int) -> RValue:
        kind, start = flags & 0xFF, self.at - 4
        if depth > MAX_DEPTH:
            raise self._wrong("values are nested too deeply", f"{MAX_DEPTH} levels", "more")
        if kind == NULL:
            return RValue("null")
        if kind == ALTREP:
            return self._compact(depth)
        values: Any
        of: Kind
        if kind in NUMBERS:
            of, dtype = NUMBERS[kind]
            size = np.dtype(dtype).itemsize
            raw = self._take(self._length() * size)
            values = np.frombuffer(raw, dtype=dtype)
            values = values.astype(values.dtype.newbyteorder("="))
        elif kind == TEXT:
            of, values = "text", [self._text(self._int()) for _ in self._counted(8)]
        elif kind == LIST:
            of, values = "list", [self._value(self._int(), depth + 1) for _ in self._counted(4)]
        elif kind in REFUSED:
            raise UnsafeError(
                "a value that is code or state of R", subject=self._subject, place=f"byte {start}",
                expected="vectors and lists", found=REFUSED[kind],
                hint="in R, save only the data: saveRDS(lapply(x, unclass), file)",
            )  # fmt: skip
        else:
            raise self._wrong("a type that cannot stand here", "a vector or a list", f"type {kind}")
        attributes = self._attributes(depth) if flags & _HAS_ATTRIBUTES else {}
        return RValue(of, values, attributes)

    def _attributes(self, depth: int) -> dict[str, RValue]:
        flags = self._int()
        if flags & 0xFF == NULL:
            return {}
        found: dict[str, RValue] = {}
        for name, value in self._pairs(flags, depth + 1):
            if not name or name in found:
                raise self._wrong("attributes without different names", "a name of its own", repr(name))
            found[name] = value
        return found

    def _pairs(self, flags: int, depth: int) -> Iterator[tuple[str, RValue]]:
        """Yield tag and value of the nodes of a pairlist."""
        while flags & 0xFF != NULL:
            if flags & 0xFF != PAIRS or flags & _HAS_ATTRIBUTES:
                raise self._wrong("not a list of pairs", f"type {PAIRS}", f"type {flags & 0xFF}")
            self._count(1)
            name = self._symbol() if flags & _HAS_TAG else ""
            follows = self._int()
            if not name and follows & 0xFF in {SYMBOL, REFERENCE}:
                # Only a compact vector describes itself by symbols.
                self.at -= 4
                yield self._symbol(), RValue("null")
            else:
                yield name, self._value(follows, depth)
            flags = self._int()

    def _symbol(self) -> str:
        flags = self._int()
        if flags & 0xFF == SYMBOL:
            name = self._text(self._int()) or ""
            self._count(1)
            self._symbols.append(name)
            return name
        if flags & 0xFF == REFERENCE:
            number = flags >> 8 or self._int()
            if not 1 <= number <= len(self._symbols):
                raise self._wrong("a reference to nothing", f"1 to {len(self._symbols)}", str(number))
            return self._symbols[number - 1]
        raise self._wrong("not a name", f"type {SYMBOL} or {REFERENCE}", f"type {flags & 0xFF}")

    def _compact(self, depth: int) -> RValue:
        """Read a vector in compact form (ALTREP, R 3.5): a sequence, or a wrapper around a vector."""
        class_name = next((name for name, _ in list(self._pairs(self._int(), depth + 1))), "")
        flags = self._int()
        if class_name in {"compact_intseq", "compact_realseq"}:
            value = self._sequence(self._value(flags, depth + 1), class_name)
        elif class_name.startswith("wrap_") and flags & 0xFF == PAIRS and not flags & (_HAS_ATTRIBUTES | _HAS_TAG):
            # A pair: the vector, and beside it what is known of its order.
            value = self._value(self._int(), depth + 1)
            self._value(self._int(), depth + 1)
        else:
            raise self._wrong(
                "a compact vector that is not read",
                "compact_intseq, compact_realseq or wrap_*",
                class_name or "no name",
            )
        attributes = self._attributes(depth)
        return RValue(value.kind, value.values, {**value.attributes, **attributes})

    def _sequence(self, state: RValue, class_name: str) -> RValue:
        numbers = state.values if state.kind == "real" else np.zeros(0)
        if len(numbers) != 3 or not np.isfinite(numbers).all() or numbers[0] < 0 or numbers[0] % 1:
            raise self._wrong("not a sequence", "length, start and step", str(numbers[:4]))
        self._count(int(numbers[0]))
        values = numbers[1] + numbers[2] * np.arange(int(numbers[0]))
        if class_name == "compact_realseq":
            return RValue("real", values)
        if values.size and np.abs(values).max() > 2**31 - 1:
            raise self._wrong("not a sequence of integers", "32 bits", str(numbers))
        return RValue("integer", values.astype(np.int32))

    def _text(self, flags: int) -> str | None:
        if flags & 0xFF != CHARS:
            raise self._wrong("not a text", f"type {CHARS}", f"type {flags & 0xFF}")
        length = self._int()
        if length == -1:
            return None
        raw = bytes(self._take(length))
        levels = flags >> 12
        encoding = "utf-8" if levels & _UTF8 else "latin-1" if levels & (_LATIN1 | _BYTES) else self._encoding
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            raise self._wrong("a text in another encoding than it says", encoding, repr(raw[:40])) from None

    def _length(self) -> int:
        length = self._int()
        if length == -1:
            upper, lower = self._int(), self._int() & 0xFFFFFFFF
            length = (upper << 32) + lower if 0 <= upper <= 1 << 16 else -1
        if length < 0:
            raise self._wrong("a negative length", "0 or more", str(length))
        return length

    def _counted(self, least_bytes: int) -> range:
        """Return the items of a list of which each takes so many bytes at least."""
        length = self._length()
        left = len(self._data) - self.at
        if length * least_bytes > left:
            raise self._short(f"{length} items of {least_bytes} bytes or more", left)
        self._count(length)
        return range(length)

    def _count(self, items: int) -> None:
        self._items += items
        if self._items > MOST_ITEMS:
            raise UnsafeError(
                "too many items", subject=self._subject, place=f"byte {self.at}", expected=f"{MOST_ITEMS} at most",
                found=str(self._items),
            )  # fmt: skip

    def _int(self) -> int:
        return int.from_bytes(self._take(4), "big", signed=True)

    def _take(self, size: int) -> memoryview:
        left = len(self._data) - self.at
        if not 0 <= size <= left:
            raise self._short(f"{size} bytes", left)
        self.at += size
        return self._data[self.at - size : self.at]

    def _short(self, expected: str, left: int) -> TruncatedError:
        return TruncatedError(
            "the file ends inside a value", subject=self._subject, place=f"byte {self.at}", expected=expected,
            found=f"{left} bytes",
        )  # fmt: skip

    def _wrong(self, message: str, expected: str, found: str) -> FormatError:
        return FormatError(message, subject=self._subject, place=f"byte {self.at}", expected=expected, found=found)
