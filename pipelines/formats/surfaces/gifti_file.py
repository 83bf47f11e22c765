"""GIFTI as it is written: a stream of XML elements turned into arrays, labels and metadata.

Specification: Harwell, Bremen, Coulon et al., "GIfTI surface file format", version 1.0
(https://www.nitrc.org/projects/gifti). A document type may be named, as GIFTI does, but neither brings entities nor is
fetched. Data in other files are refused. Every array is held against the bytes that are there before it is made.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from connectome.errors import FormatError, TruncatedError, UnsafeError

from ..files.pointers import refuse_pointer
from ..files.xml_stream import XmlStream

__all__ = ["GiftiArray", "GiftiFile", "GiftiLabel", "parse_gifti"]

Array = np.ndarray[Any, Any]

GZIP_MAGIC = b"\x1f\x8b"
BLOCK_BYTES = 1 << 20
LONGEST_FIELD = 1 << 20
"""Characters of a name, a value or a matrix."""
LONGEST_NUMBER = 64
"""Characters of one number in text, with the blanks around it."""
MOST_INFLATED = 1040
"""zlib never inflates by more (1032 : 1, zlib Technical Details)."""
DTYPES = {
    "NIFTI_TYPE_UINT8": "u1", "NIFTI_TYPE_INT8": "i1", "NIFTI_TYPE_INT16": "i2", "NIFTI_TYPE_UINT16": "u2",
    "NIFTI_TYPE_INT32": "i4", "NIFTI_TYPE_UINT32": "u4", "NIFTI_TYPE_INT64": "i8", "NIFTI_TYPE_UINT64": "u8",
    "NIFTI_TYPE_FLOAT32": "f4", "NIFTI_TYPE_FLOAT64": "f8",
}  # fmt: skip
ENCODINGS = {
    "ASCII": "ascii", "GIFTI_ENCODING_ASCII": "ascii", "Base64Binary": "base64", "GIFTI_ENCODING_B64BIN": "base64",
    "GZipBase64Binary": "gzip", "GIFTI_ENCODING_B64GZ": "gzip", "ExternalFileBinary": "external",
    "GIFTI_ENCODING_EXTBIN": "external",
}  # fmt: skip
ORDERS = {"LittleEndian": "<", "GIFTI_ENDIAN_LITTLE": "<", "BigEndian": ">", "GIFTI_ENDIAN_BIG": ">"}
INDEXING = {"RowMajorOrder": "C", "ColumnMajorOrder": "F"}


@dataclass
class GiftiLabel:
    """An entry of the label table."""

    key: int
    name: str
    colour: tuple[float, float, float, float]
    """Red, green, blue, alpha, 0 to 1; NaN where not given."""


@dataclass
class GiftiArray:
    """A data array."""

    intent: str
    dims: tuple[int, ...]
    values: Array
    """Of shape ``dims``, in the machine's byte order."""
    metadata: dict[str, str]
    systems: list[dict[str, Any]]
    """Coordinate systems: ``data_space``, ``transformed_space``, ``matrix`` (4 x 4)."""
    line: int


@dataclass
class GiftiFile:
    """What a file says, in its order."""

    version: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    labels: list[GiftiLabel] = field(default_factory=list)
    arrays: list[GiftiArray] = field(default_factory=list)


def parse_gifti(path: Path) -> GiftiFile:
    """Parse a file, plain or in gzip, in blocks.

    Raises
    ------
    FormatError
        When it is no GIFTI file, or an array is not what its attributes say; the place is the line.
    TruncatedError
        When the XML, the gzip stream or an array ends too early.
    UnsafeError
        When it declares entities or refers to data in other files.
    """
    refuse_pointer(path)
    if path.stat().st_size == 0:
        raise TruncatedError("the file is empty", subject=str(path), expected="GIFTI", found="0 bytes")
    reader = _Reader(path)
    for block in _blocks(path):
        reader.feed(block)
    return reader.finish()


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        packed = stream.read(2) == GZIP_MAGIC
    # Expat takes blocks as they come, so that a small file that unpacks without end fills no memory.
    with gzip.open(path, "rb") if packed else path.open("rb") as stream:
        while True:
            try:
                block = stream.read(BLOCK_BYTES)
            except EOFError:
                raise TruncatedError(
                    "the gzip stream ends early", subject=str(path), expected="a complete gzip stream",
                    found=f"{path.stat().st_size} compressed bytes",
                ) from None  # fmt: skip
            except (OSError, zlib.error) as error:
                raise FormatError("the gzip stream is damaged", subject=str(path), found=str(error)[:100]) from None
            if not block:
                return
            yield block


class _Reader(XmlStream):
    """Arrays, labels and metadata by the events of the XML."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self.file = GiftiFile()
        self.stack: list[str] = []
        self.text: list[str] = []
        self.room = 0
        self.announced: int | None = None
        self.name = ""
        self.label: dict[str, str] = {}
        self.array: dict[str, str] = {}
        self.array_line = 0
        self.metadata: dict[str, str] = {}
        self.systems: list[dict[str, Any]] = []
        self.values: Array | None = None

    def finish(self) -> GiftiFile:
        self.close()
        if self.announced is not None and self.announced != len(self.file.arrays):
            raise self.error(
                "the file has another number of arrays than it says", expected=str(self.announced),
                found=str(len(self.file.arrays)),
            )  # fmt: skip
        return self.file

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if not self.stack:
            if name != "GIFTI":
                raise self.error("not a GIFTI file", expected="<GIFTI>", found=f"<{name[:40]}>")
            self.file.version = attributes.get("Version", "")
            if "NumberOfDataArrays" in attributes:
                self.announced = self.number(attributes["NumberOfDataArrays"], "NumberOfDataArrays")
        self.stack.append(name)
        self.text, self.room = [], LONGEST_FIELD
        if name == "DataArray":
            self.array, self.array_line, self.values = dict(attributes), self.line, None
            self.metadata, self.systems = {}, []
        elif name == "Label":
            self.label = dict(attributes)
        elif name == "CoordinateSystemTransformMatrix":
            self.systems.append({"data_space": "", "transformed_space": "", "matrix": None})
        elif name == "Data":
            self.room = self._data_room()

    def characters(self, text: str) -> None:
        if self.stack and self.stack[-1] in _WITH_TEXT:
            self.room -= len(text)
            if self.room < 0:
                raise self.error(
                    "more text than the element can hold", expected=self.stack[-1], found="more characters"
                )
            self.text.append(text)

    def end(self, name: str) -> None:
        self.stack.pop()
        parent = self.stack[-1] if self.stack else ""
        text = "".join(self.text)
        self.text = []
        if name == "Name":
            self.name = text.strip()
        elif name == "Value" and parent == "MD":
            holder = self.metadata if "DataArray" in self.stack else self.file.metadata
            holder[self.name] = text.strip()
        elif name == "Label":
            self._end_label(text.strip())
        elif name in {"DataSpace", "TransformedSpace"} and self.systems:
            self.systems[-1]["data_space" if name == "DataSpace" else "transformed_space"] = text.strip()
        elif name == "MatrixData" and self.systems:
            self.systems[-1]["matrix"] = self._matrix(text)
        elif name == "Data":
            self.values = self._decode(text)
        elif name == "DataArray":
            self._end_array()

    def number(self, text: str, what: str) -> int:
        if not text.strip().lstrip("-").isdecimal() or len(text) > 20:
            raise self.error(f"{what} is no whole number", expected="a whole number", found=repr(text[:40]))
        return int(text)

    def choice(self, name: str, table: dict[str, str], default: str = "") -> str:
        text = self.array.get(name, default)
        if text not in table:
            raise self.error(f"{name} is none that GIFTI has", expected=", ".join(table), found=repr(text[:40]))
        return table[text]

    def _end_label(self, name: str) -> None:
        key = self.number(self.label.get("Key", self.label.get("Index", "")), "the key of a label")
        try:
            colour = tuple(float(self.label.get(part, "nan")) for part in ("Red", "Green", "Blue", "Alpha"))
        except ValueError:
            raise self.error("a colour is no number", found=str(self.label)[:80]) from None
        self.file.labels.append(GiftiLabel(key, name, (colour[0], colour[1], colour[2], colour[3])))

    def _matrix(self, text: str) -> list[list[float]]:
        try:
            numbers = [float(item) for item in text.split()]
        except ValueError:
            numbers = []
        if len(numbers) != 16 or not np.isfinite(numbers).all():
            raise self.error("a transform is no 4 x 4 matrix", expected="16 numbers", found=text.strip()[:80])
        return np.array(numbers).reshape(4, 4).tolist()

    def _shape(self) -> tuple[int, ...]:
        n_axes = self.number(self.array.get("Dimensionality", ""), "Dimensionality")
        if not 1 <= n_axes <= 6:
            raise self.error("an array has that many axes", expected="1 to 6", found=str(n_axes))
        dims = tuple(self.number(self.array.get(f"Dim{at}", ""), f"Dim{at}") for at in range(n_axes))
        if min(dims) < 0:
            raise self.error("a dimension is negative", found=str(dims))
        return dims

    def _dtype(self) -> np.dtype[Any]:
        return np.dtype(self.choice("DataType", DTYPES))

    def _data_room(self) -> int:
        """Return how many characters the data of the current array can have."""
        if self.stack.count("DataArray") != 1:
            raise self.error("data that belong to no array")
        count = math.prod(self._shape())
        if self.choice("Encoding", ENCODINGS) == "ascii":
            return LONGEST_FIELD + LONGEST_NUMBER * count
        # Base64 takes 4 for 3 and may have line ends; what does not shrink grows by little.
        return LONGEST_FIELD + 2 * count * self._dtype().itemsize

    def _decode(self, text: str) -> Array:
        encoding, dtype, dims = self.choice("Encoding", ENCODINGS), self._dtype(), self._shape()
        order = self.choice("ArrayIndexingOrder", INDEXING, "RowMajorOrder")
        count = math.prod(dims)
        if encoding == "external":
            raise self._external()
        if encoding == "ascii":
            flat = self._numbers(text, dtype, count)
        else:
            raw = self._binary(text, encoding, count * dtype.itemsize)
            order_of_bytes = self.choice("Endian", ORDERS) if dtype.itemsize > 1 else "|"
            flat = np.frombuffer(raw, dtype=np.dtype(f"{order_of_bytes}{dtype.str[1:]}")).astype(dtype)
        values: Array = flat.reshape(dims, order="F" if order == "F" else "C")
        return values

    def _external(self) -> UnsafeError:
        return UnsafeError(
            "the data lie in another file", subject=self.subject, place=self.place, expected="data inside the XML",
            found=self.array.get("ExternalFileName", "")[:80],
            hint="write the file with its data inside (for instance wb_command -gifti-convert BASE64_BINARY)",
        )  # fmt: skip

    def _numbers(self, text: str, dtype: np.dtype[Any], count: int) -> Array:
        words = text.split()
        if len(words) != count:
            raise self._short(f"{count} numbers", f"{len(words)}", short=len(words) < count)
        try:
            if dtype.kind == "f":
                return np.array([float(word) for word in words], dtype=np.float64).astype(dtype)
            return np.array([int(word) for word in words], dtype=dtype)
        except (ValueError, OverflowError) as error:
            raise self.error(f"a number is not of the type {dtype}", found=str(error)[:100]) from None

    def _binary(self, text: str, encoding: str, n_bytes: int) -> bytes:
        try:
            raw = base64.b64decode("".join(text.split()), validate=True)
        except (binascii.Error, ValueError) as error:
            raise self.error("the data are no base64", found=str(error)[:100]) from None
        if encoding == "gzip":
            if n_bytes > MOST_INFLATED * (len(raw) + 64):
                raise self._short(f"{n_bytes} bytes", f"{len(raw)} compressed bytes", short=True)
            # Both zlib's and gzip's headers are about.
            unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
            try:
                raw = unpacker.decompress(raw, n_bytes + 1)
            except zlib.error as error:
                raise self.error("the compressed data are damaged", found=str(error)[:100]) from None
        if len(raw) != n_bytes:
            found = f"{len(raw)}" if len(raw) < n_bytes else f"more than {n_bytes}"
            raise self._short(f"{n_bytes} bytes", found, short=len(raw) < n_bytes)
        return raw

    def _short(self, expected: str, found: str, *, short: bool) -> FormatError:
        kind = TruncatedError if short else FormatError
        return kind(
            "an array has another length than its dimensions", subject=self.subject,
            place=f"array of line {self.array_line}", expected=expected, found=found,
        )  # fmt: skip

    def _end_array(self) -> None:
        if self.choice("Encoding", ENCODINGS) == "external":
            raise self._external()
        dims = self._shape()
        if self.values is None:
            raise self.error("an array has no data", expected="<Data>", found="none")
        intent = self.array.get("Intent", "NIFTI_INTENT_NONE").removeprefix("NIFTI_INTENT_").lower()
        self.file.arrays.append(GiftiArray(intent, dims, self.values, self.metadata, self.systems, self.array_line))


_WITH_TEXT = frozenset({"Name", "Value", "Label", "DataSpace", "TransformedSpace", "MatrixData", "Data"})
